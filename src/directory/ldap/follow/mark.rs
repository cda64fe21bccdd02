//! Where a read may go on: the content of a [`Cursor`], bound to the server and the settings it was made with.

use super::super::schema::Server;
use super::super::settings::LdapSettings;
use crate::directory::Cursor;
use serde::{Deserialize, Serialize};

/// A moment in the life of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Mark {
    /// All settings on which it depends what is read.
    settings: String,
    /// Which of the configured servers.
    url: String,
    /// Which domain controller, in Active Directory.
    pub(super) service: Option<String>,
    /// The number of its latest change then: a lower one later means that the server was set back.
    usn: Option<u64>,
    /// How many people were read.
    pub(super) people: u64,
    /// What was wanted (a hash of it), where no more than that was read: such a reading cannot be brought up to date.
    pub(in super::super) wanted: Option<u64>,
    /// How the server tells.
    pub(super) way: Way,
}

/// How a server tells what has changed, with what it must be told for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// DirSync (MS-ADTS 3.1.1.3.4.1.3).
    DirSync {
        /// What the server gave.
        cookie: Vec<u8>,
        /// Whether it is asked as an account without the right to replicate.
        as_anybody: bool,
    },
    /// Content synchronisation (RFC 4533).
    Syncrepl {
        /// The root of the tree.
        context: String,
        /// What the server gave, or what we made of its `contextCSN`.
        cookie: Vec<u8>,
        /// Whether the server is known not to remember what was deleted.
        forgets: bool,
    },
    /// Only whether anything has changed.
    Still {
        /// The number of the server's latest change.
        usn: u64,
    },
}

impl Mark {
    /// Of now.
    pub(super) fn new(settings: &LdapSettings, server: &Server, way: Way) -> Self {
        Self {
            settings: dependence(settings),
            url: String::new(),
            service: server.service.clone(),
            usn: server.usn,
            people: 0,
            wanted: None,
            way,
        }
    }

    /// After the whole read that followed.
    pub(in super::super) fn after(self, url: String, people: usize, wanted: Option<u64>) -> Self {
        Self { url, people: people as u64, wanted, ..self }
    }

    /// Later, with nothing missed in between. `usn`: the latest that the server has told of its changes.
    pub(super) fn on(self, way: Way, usn: Option<u64>) -> Self {
        Self { way, usn: usn.max(self.usn), ..self }
    }

    /// Why it cannot be gone on from here, where it cannot.
    pub(in super::super) fn objection(&self, settings: &LdapSettings, url: &str, server: &Server) -> Option<String> {
        if self.settings != dependence(settings) {
            return Some("the configuration of the directory has changed".to_owned());
        }
        if self.url != url || self.service != server.service {
            return Some("another server answers than the last time".to_owned());
        }
        (server.usn < self.usn).then(|| "the server has been set back to an older state".to_owned())
    }

    /// As a cursor; `None` never happens, and would only mean a whole read.
    pub(in super::super) fn written(&self) -> Option<Cursor> {
        serde_json::to_vec(self).ok().map(Cursor::new)
    }

    /// Back from a cursor; `None` where it is none of ours.
    pub(in super::super) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_slice(cursor.as_bytes()).ok()
    }
}

/// All that would make another reading of the same directory.
fn dependence(settings: &LdapSettings) -> String {
    let LdapSettings { base_dn, bind_dn, user_filter, email_attributes, details, .. } = settings;
    format!("{base_dn:?} {bind_dn:?} {user_filter:?} {email_attributes:?} {details:?}")
}
