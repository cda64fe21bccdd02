//! The directory: where people and groups are read from.
//!
//! One trait, one error, one file (or folder) a kind. A read either ends in success and gives a whole [`Reading`], or it
//! gives an error; there is nothing in between.
//!
//! Deliberately absent: any decision about seats, any knowledge of the account store, any write to the directory.

pub mod attributes;
pub mod ldap;
pub mod ldif;
mod referral;

use crate::model::{Expiry, Memory, Meter, News, Origin, Reading, Rules, Wanted};

/// A source of readings.
#[allow(async_fn_in_trait)] // Used with static dispatch only; no caller needs a bound on the future.
pub trait Directory {
    /// Reads what is wanted of the people and groups below the base: only what is different where `since` tells when they
    /// were last read and the directory can say so, else from the beginning.
    ///
    /// # Errors
    /// Whenever any part of the read did not end in success; see [`DirectoryError`].
    async fn read(&mut self, wanted: &Wanted<'_>, since: Option<&Cursor>) -> Result<Read, DirectoryError>;

    /// Reads all of it, from the beginning, for whoever has no mapping and no memory.
    ///
    /// # Errors
    /// As [`Directory::read`].
    async fn read_whole(&mut self) -> Result<Reading, DirectoryError> {
        let (rules, memory) = (Rules::default(), Memory::empty(Origin::Fresh));
        match self
            .read(&Wanted { rules: &rules, memory: &memory, names: &[], accounts: &[], whole: true }, None)
            .await?
            .news
        {
            News::Whole(reading) => Ok(reading),
            News::Mapped(_) | News::Changed(_) => Err(DirectoryError::Incomplete {
                message: "all of the directory was asked for and only a part was read; please report this".to_owned(),
            }),
        }
    }

    /// What the latest read needed and will not be good for ever, as far as it is known: certificates, passwords.
    fn expiries(&self) -> Vec<Expiry> {
        Vec::new()
    }
}

/// Who is told by the directory that it has changed; not what, which is for the next read to find.
pub trait Lookout: Send {
    /// Looks out and tells what is seen, until that is not possible any more. May be dropped at any time.
    fn look_out(&mut self, tell: &mut (dyn FnMut(Sight) + Send)) -> impl Future<Output = Blind> + Send;
}

/// What a lookout sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// From now on changes are told, by this server. What changed before may not have been.
    Watching {
        /// As the configuration names it.
        by: String,
    },
    /// Something has changed.
    Change,
}

/// Why changes are not told any more, or were not to begin with; by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blind {
    /// Nobody answered, or the connection broke: look out again later.
    Lost(String),
    /// Reads go to another server now: look out there.
    Elsewhere,
    /// The server refused us. Another try may count as another wrong password: wait until somebody has acted.
    Refused(String),
    /// The server does not tell changes, or not to us.
    Unable(String),
}

/// What was read, and from where on the next read may go on.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it brought.
    pub news: News,
    /// What the next read may be told; `None` where it must begin from the beginning.
    pub cursor: Option<Cursor>,
}

impl Read {
    /// One after which the next read begins from the beginning.
    pub fn whole(reading: Reading) -> Self {
        Self { news: News::Whole(reading), cursor: None }
    }
}

/// When a directory was read, in a form that only that directory understands. It lives in memory only: one on the disk could
/// disagree with what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// As a directory writes it for itself.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What it wrote.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why there is no reading, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Nobody answered, or the connection broke: try again later. Says what was tried and what came back.
    #[error("{message}")]
    Unavailable {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// The server refused us: credentials, rights, certificate, base. Trying again changes nothing until somebody acts.
    #[error("{message}")]
    Refused {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// The read began and did not end in success, or what came back breaks the protocol: nothing of it is used.
    #[error("{message}")]
    Incomplete {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// The directory that the configuration names.
pub enum Configured {
    /// Active Directory or another LDAP server.
    Ldap(Box<ldap::Ldap>),
    /// A file.
    Ldif(ldif::Ldif),
}

impl Configured {
    /// Who looks out for changes, where the directory can tell them; each exchange with a server is told to `meter`.
    pub fn lookout(&self, meter: Meter) -> Option<ldap::Watch> {
        match self {
            Self::Ldap(directory) => Some(directory.watch(meter)),
            Self::Ldif(_) => None,
        }
    }
}

impl Directory for Configured {
    async fn read(&mut self, wanted: &Wanted<'_>, since: Option<&Cursor>) -> Result<Read, DirectoryError> {
        match self {
            Self::Ldap(directory) => directory.read(wanted, since).await,
            Self::Ldif(directory) => directory.read(wanted, since).await,
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        match self {
            Self::Ldap(directory) => directory.expiries(),
            Self::Ldif(directory) => directory.expiries(),
        }
    }
}
