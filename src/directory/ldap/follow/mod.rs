//! What has changed since the last read, without reading everybody again.
//!
//! A server that can tell is asked *which* entries have changed; what they are now is read in the very way of a whole read,
//! with the same base, filters and decoder. So nothing that a feed of changes leaves out (a cleared attribute, an entry that
//! no longer passes the filter, one that was moved away) can deceive. The one exception are the members of groups in Active
//! Directory, which come one by one: a group of a hundred thousand is not read again because one has joined.
//!
//! ```text
//! begin:  a mark of now, before the whole read: what changes meanwhile is told again, and twice is once
//! follow: the mark -> the feed -> Changes -> look again -> Delta, and the next mark
//! ```
//!
//! | way | server | needs |
//! |---|---|---|
//! | `dirsync` | Active Directory | that deleted objects can be seen |
//! | `syncrepl` | OpenLDAP with `overlay syncprov` | a session log, or every change is a whole read |
//! | still | Active Directory | nothing: while the number of its latest change stays the same, nothing has changed |
//!
//! Any doubt makes a whole read: an entry with others below it renamed, an undeletion, too many changes, an answer that is not
//! as expected, another machine, other settings. What no server tells are rights of the account that change; they are seen at
//! the next whole read.

mod changes;
mod dirsync;
mod filter;
mod look;
mod mark;
mod syncrepl;

pub(super) use filter::named;
pub(super) use mark::Mark;
pub(super) use syncrepl::{cookie_of_now, persist};

use super::failure::Failure;
use super::schema::Server;
use super::session::Session;
use super::settings::LdapSettings;
use crate::model::Delta;
use changes::Changes;
use mark::Way;
use std::fmt;

/// So many changes are cheaper to follow than to read everybody again, however few people there are.
const CHANGES_MAX: u64 = 1_000;
/// And one more for so many people.
const PEOPLE_A_CHANGE: u64 = 20;

/// How changes will be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Where to go on; `None` where the server cannot tell.
    pub(super) mark: Option<Mark>,
    /// What an operator may want to know of it.
    pub(super) words: String,
}

/// Why everything must be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The server does not remember what was deleted.
    Forgotten,
    /// The server tells only whether something has changed, and something has.
    Untold,
    /// Something else of it is wanted than then.
    Else,
    /// Another reason, as a sentence.
    Because(String),
}

impl From<String> for Doubt {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forgotten => f.write_str("something has changed, and the server does not remember what was deleted"),
            Self::Untold => f.write_str("something has changed, and the server does not show us what"),
            Self::Else => f.write_str("something else of it is wanted now"),
            Self::Because(why) => f.write_str(why),
        }
    }
}

/// What is different, and where to go on; or why everything must be read, over a connection that is still good.
pub(super) type Followed = Result<(Delta, Mark), Doubt>;

/// Takes a mark of now. `port`: where the server is asked; `forgets`: whether it is known not to remember what was deleted.
///
/// # Errors
/// The connection is not to be used any more. That the server refuses is no error.
pub(super) async fn begin(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    port: u16,
    forgets: bool,
) -> Result<Begun, Failure> {
    let (way, words) = if server.is_active_directory {
        dirsync::begin(session, settings, server, port).await?
    } else if server.syncs {
        syncrepl::begin(session, settings, server, forgets).await?
    } else {
        (None, "the server cannot tell what has changed: everything is read each time".to_owned())
    };
    Ok(Begun { mark: way.map(|way| Mark::new(settings, server, way)), words })
}

/// Whether a second connection leads to a server in the same state.
///
/// # Errors
/// As for any search.
pub(super) async fn is_same(session: &mut Session, mark: &Mark) -> Result<bool, Failure> {
    match &mark.way {
        Way::DirSync { .. } | Way::Still { .. } => Ok(session.server().await?.service == mark.service),
        Way::Syncrepl { context, cookie, .. } => {
            Ok(syncrepl::cookie_of_now(session, context).await?.as_ref() == Some(cookie))
        }
    }
}

/// Asks what has changed since the mark. `only_whether`: anything at all is a doubt. What the server says of itself is brought
/// up to date where something has changed.
///
/// # Errors
/// A request did not end as it must; whether the connection is still good is not known.
pub(super) async fn follow(
    session: &mut Session,
    settings: &LdapSettings,
    server: &mut Server,
    mark: Mark,
    only_whether: bool,
) -> Result<Followed, Failure> {
    let mut changes = Changes::new(CHANGES_MAX + mark.people / PEOPLE_A_CHANGE);
    let told = match &mark.way {
        Way::DirSync { .. } => dirsync::feed(session, settings, server, &mark.way, &mut changes).await?,
        Way::Syncrepl { .. } => syncrepl::feed(session, settings, &mark.way, &mut changes).await?,
        Way::Still { usn } => match session.server().await? {
            now if now.usn == Some(*usn) && now.service == mark.service => Ok(mark.way.clone()),
            _ => Err(Doubt::Untold),
        },
    };
    let way = match (told, changes.doubt()) {
        (Ok(way), None) => way,
        (Err(doubt), _) | (Ok(_), Some(doubt)) => return Ok(Err(doubt)),
    };
    if changes.is_empty() {
        return Ok(Ok((Delta::default(), mark.on(way, server.usn))));
    }
    if only_whether {
        return Ok(Err(Doubt::Untold));
    }
    if server.usn.is_some() {
        // A server may be set back to a state after the first read, and behind what was told now.
        *server = session.server().await?;
    }
    let looked = look::again(session, settings, server, changes).await?;
    Ok(looked.map(|delta| (delta, mark.on(way, server.usn))))
}

#[cfg(test)]
mod tests;
