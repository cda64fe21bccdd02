//! Being told of changes: a connection of its own with one search that never ends.
//!
//! Active Directory tells by change notifications (MS-ADTS 3.1.1.3.4.1.9) of the whole naming context, so that also what
//! leaves `base_dn` is told; OpenLDAP with `syncprov` by content synchronization (RFC 4533), from its present state on.
//! Nothing is taken from what comes but that something has changed. A silent connection is asked for a sign of life: half
//! of one, of which the other side is gone, would look like a quiet directory for ever.
//!
//! Changes are told by the server that reads go to, and by no other: another one may be told of a change before the one
//! that is read has it.

use super::ber::{self, Message};
use super::channel::Fault;
use super::entry::Entry;
use super::explain;
use super::failure::{Failure, Kind};
use super::follow;
use super::request::Control;
use super::schema::{CONTROL_NOTIFICATION, CONTROL_SHOW_DELETED, Server};
use super::seen::Seen;
use super::session::{Search, Session};
use super::settings::{LdapSettings, ReadLimits};
use super::{Entered, Ldap, Place, Turn};
use crate::directory::{Blind, DirectoryError, Lookout, Sight};
use crate::model::{DnKey, Meter};
use std::time::Duration;
use tokio::time::Instant;

/// How often a silent connection is asked for a sign of life.
const LIFE_EVERY: Duration = Duration::from_secs(60);
/// What is told of one change is a person without its photograph: this many bytes are far more than it needs.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Who looks out for changes.
#[derive(Clone, Debug)]
pub struct Watch {
    settings: LdapSettings,
    first: Place,
}

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Something has changed.
    Change,
    /// Nothing has that we look at.
    Nothing,
    /// The server lives.
    Life,
    /// The search has ended with this result.
    End(u32, String),
}

impl Ldap {
    /// Who looks out for changes at the server that reads go to; each exchange with it is told to `meter`.
    pub fn watch(&self, meter: Meter) -> Watch {
        let limits = ReadLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..self.settings.limits };
        let settings = LdapSettings { meter, limits, ..self.settings.clone() };
        Watch { settings, first: self.first.clone() }
    }
}

impl Lookout for Watch {
    async fn look_out(&mut self, tell: &mut (dyn FnMut(Sight) + Send)) -> Blind {
        let Self { settings, first } = self;
        // From before we choose: what is turned to meanwhile must not be missed.
        let mut turns = first.0.subscribe();
        let turn = turns.borrow_and_update().clone();
        let ldap = Ldap { first: first.clone(), ..Ldap::new(settings.clone()) };
        let (url, mut session) = match enter(ldap, &turn).await {
            Ok(entered) => entered,
            Err(DirectoryError::Unavailable { message } | DirectoryError::Incomplete { message }) => {
                return Blind::Lost(message);
            }
            Err(DirectoryError::Refused { message }) => return Blind::Refused(message),
        };
        let blind = tokio::select! {
            blind = watched(&mut session, settings, &turn, &url, tell) => blind,
            () = turned_from(&turn, &mut turns) => Blind::Elsewhere,
        };
        match blind {
            Blind::Elsewhere => {
                session.close().await;
                Blind::Elsewhere
            }
            Blind::Lost(message) => Blind::Lost(format!("{url}: {message}")),
            Blind::Refused(message) => Blind::Refused(format!("{url}: {message}")),
            Blind::Unable(message) => {
                session.close().await;
                Blind::Unable(format!("{url}: {message}"))
            }
        }
    }
}

/// A connection to the machine that reads go to, as far as it is known, and the URL that leads there.
async fn enter(mut ldap: Ldap, turn: &Turn) -> Result<(String, Session), DirectoryError> {
    let Turn { index, machine, .. } = turn;
    let Entered { index, session, .. } = match (machine, ldap.settings.urls.get(*index)) {
        (Some(address), Some(url)) => ldap
            .enter_at_machine(*index, *address)
            .await
            .map_err(|failure| failure.kind.error(format!("{url}: {}", failure.message)))?,
        (None, _) | (_, None) => ldap.enter().await?,
    };
    Ok((ldap.settings.urls[index].to_string(), session))
}

impl From<Failure> for Blind {
    fn from(Failure { kind, message, .. }: Failure) -> Self {
        match kind {
            Kind::Unavailable | Kind::Incomplete => Self::Lost(message),
            Kind::Refused => Self::Refused(message),
        }
    }
}

/// Waits until reads go to another machine. One that fails them is left only then: the next read may go to it again.
async fn turned_from(turn: &Turn, turns: &mut tokio::sync::watch::Receiver<Turn>) {
    let is_elsewhere = |now: &Turn| now.machine.is_some() && now != turn;
    if turns.wait_for(is_elsewhere).await.is_err() {
        // Only when nobody is left who could turn elsewhere, and we are.
        std::future::pending::<()>().await;
    }
}

/// Registers and listens until that ends.
async fn watched(
    session: &mut Session,
    settings: &LdapSettings,
    turn: &Turn,
    by: &str,
    tell: &mut (dyn FnMut(Sight) + Send),
) -> Blind {
    match listened(session, settings, turn, by, tell).await {
        Ok(never) => match never {},
        Err(blind) => blind,
    }
}

async fn listened(
    session: &mut Session,
    settings: &LdapSettings,
    turn: &Turn,
    by: &str,
    tell: &mut (dyn FnMut(Sight) + Send),
) -> Result<std::convert::Infallible, Blind> {
    let server = session.server().await?;
    if let (Some(one), Some(other)) = (&turn.service, &server.service)
        && one != other
    {
        return Err(Blind::Lost(format!("behind its address is {other} now, and reads go to {one}")));
    }
    let Some((mut seen, attributes)) = Seen::begin(&server, settings) else {
        let words =
            "user_filter does not name all of the attributes that it looks at: it cannot be known what is a change";
        return Err(Blind::Unable(words.to_owned()));
    };
    let changes = register(session, settings, &server, &attributes).await?;
    // Nobody answers a request for notifications; but what was sent behind it is answered after it was taken.
    let mut ping = Some(session.ping().await?);
    let mut wake = Instant::now() + settings.timeout;
    let mut is_watching = false;
    loop {
        let heard = tokio::select! {
            message = session.next() => {
                let message = message.map_err(lost)?;
                Some(hear(message, changes, &mut seen, &settings.limits).map_err(|found| broke(&found))?)
            }
            () = tokio::time::sleep_until(wake) => None,
        };
        match heard {
            Some(Heard::Change) => tell(Sight::Change),
            Some(Heard::Nothing) => {}
            Some(Heard::Life) => {
                ping = None;
                wake = Instant::now() + LIFE_EVERY;
                // What a server may send in one read is what it may send between two signs of life.
                session.begin();
                if !std::mem::replace(&mut is_watching, true) {
                    tell(Sight::Watching { by: by.to_owned() });
                }
            }
            Some(Heard::End(code, text)) => return Err(ended(code, &text)),
            None if ping.is_some() => {
                return Err(Blind::Lost(format!("it gave no sign of life within {:?}", settings.timeout)));
            }
            None => {
                ping = Some(session.ping().await?);
                wake = Instant::now() + settings.timeout;
            }
        }
    }
}

/// Asks to be told of changes; gives the id under which they come.
async fn register(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    attributes: &[String],
) -> Result<u32, Blind> {
    // The whole of it and not only what is below our base: whoever leaves that has changed as well.
    let context = server.context(&DnKey::of(&settings.base_dn)).unwrap_or(&settings.base_dn);
    let search = Search {
        what: "the changes",
        base: context,
        base_only: false,
        // The one filter that Active Directory takes here.
        filter: "(objectClass=*)",
        attributes,
        page_size: None,
        extended_dn: false,
    };
    let controls = if server.notifies {
        let deleted = Control { oid: CONTROL_SHOW_DELETED, critical: false, value: None };
        vec![Control::critical(CONTROL_NOTIFICATION, None), deleted]
    } else if server.syncs {
        let Some(cookie) = follow::cookie_of_now(session, context).await? else {
            let why = "it has no overlay syncprov there, or hides it from the bind account";
            return Err(Blind::Unable(format!("it shows no contextCSN at {context}: {why}")));
        };
        vec![follow::persist(&cookie)]
    } else {
        return Err(Blind::Unable(format!(
            "{} offers neither change notification (Active Directory) nor syncrepl (OpenLDAP with overlay syncprov)",
            server.kind
        )));
    };
    Ok(session.subscribe(&search, &controls).await?)
}

/// What a message says; `changes` is the id under which changes come.
///
/// # Errors
/// What is malformed about it.
fn hear(message: Message<'_>, changes: u32, seen: &mut Seen, limits: &ReadLimits) -> Result<Heard, String> {
    let Message { id, op, controls: _ } = message;
    let is_change = match (id == changes, op.tag) {
        (true, ber::SEARCH_ENTRY) => seen.is_news(&Entry::of(op, limits)?, op.body),
        (true, ber::INTERMEDIATE_RESPONSE) => names_entries(op.body),
        (true, ber::SEARCH_DONE) => {
            let verdict = ber::verdict(op.body)?;
            return Ok(Heard::End(verdict.code, verdict.text.to_owned()));
        }
        (false, ber::SEARCH_DONE) => return Ok(Heard::Life),
        (true | false, _) => false,
    };
    Ok(if is_change { Heard::Change } else { Heard::Nothing })
}

/// Whether a Sync Info Message (RFC 4533 2.5) names entries; the others say how far the server is.
fn names_entries(body: &[u8]) -> bool {
    /// syncIdSet.
    const ID_SET: u8 = 0xa3;
    let value = ber::elements(body).map_while(Result::ok).find(|part| part.tag == 0x81);
    value.is_some_and(|value| value.body.first() == Some(&ID_SET))
}

/// A search for changes has no end: what does it mean that it has?
fn ended(code: u32, text: &str) -> Blind {
    let words = format!("it ended the search for changes with {}", explain::outcome(code, text));
    match code {
        0 => Blind::Unable(format!("{words}; it takes no notice of the control that asks for them")),
        // It does not know the control, does not want it, or not from us, or not so many.
        2 | 11 | 12 | 50 | 53 => Blind::Unable(format!("{words}; {}", explain::search_help(code))),
        _ => Blind::Lost(words),
    }
}

fn lost(fault: Fault) -> Blind {
    match fault {
        Fault::Closed(words) | Fault::Breach(words) => Blind::Lost(words),
    }
}

fn broke(found: &str) -> Blind {
    lost(super::channel::breach(found))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
