//! DirSync of Active Directory (MS-ADTS 3.1.1.3.4.1.3): every entry of which an attribute has changed that we ask for.
//!
//! What a server sends, as seen with Samba and documented of Windows: `objectGUID` always; of the rest what has changed since
//! the cookie, without values where it was cleared; `objectClass` only of new entries; `name` of those that are new, renamed,
//! moved or undeleted; `isDeleted` of those deleted since, and without a value of those undeleted. Members come as
//! `member;range=1-1` (those that came) and `member;range=0-0` (those that went). A renamed unit is told, what is below it is
//! not, and neither is a group from which a deleted entry has dropped out.

use super::Doubt;
use super::changes::{Changes, Seen};
use super::filter;
use super::mark::Way;
use crate::directory::ldap::ber::{self, encode, integer};
use crate::directory::ldap::decode::{self, identity};
use crate::directory::ldap::entry::{Entry, Range};
use crate::directory::ldap::explain;
use crate::directory::ldap::failure::Failure;
use crate::directory::ldap::request::Control;
use crate::directory::ldap::schema::{CONTROL_DIRSYNC, Server};
use crate::directory::ldap::session::{Done, Event, Search, Session};
use crate::directory::ldap::settings::LdapSettings;
use crate::model::{DnKey, Member};
use std::fmt;
use tokio::time::Instant;

/// LDAP_DIRSYNC_INCREMENTAL_VALUES, 0x80000000: members that came and went, not all of them. It goes as a signed number of
/// 32 bits, and so do servers read it.
const INCREMENTAL_VALUES: i64 = -0x8000_0000;
/// LDAP_DIRSYNC_OBJECT_SECURITY: for an account that may not replicate; it sees what it may read.
const OBJECT_SECURITY: i64 = 1;
/// Bytes that one answer should not exceed.
const ANSWER_BYTES: i64 = 8 * 1024 * 1024;
/// Answers to one question. A server that looks for changes in a large directory sends some that are empty.
const ANSWERS_MAX: u32 = 10_000;
/// The time-outs of a request that may pass until a further answer is not asked for: then everything is read in the time.
const TIMEOUTS_MAX: u32 = 10;
/// insufficientAccessRights (RFC 4511 A.2).
const MAY_NOT: u32 = 50;
/// What an account needs.
const GRANT: &str = "grant the account \"Replicating Directory Changes\" on the domain, and to list and read \
                     CN=Deleted Objects";
/// What changes of every kind of entry are of interest, besides what the configuration names. By `objectClass` new entries are
/// known, by `name` those that were moved.
const ATTRIBUTES: &[&str] = &[
    "objectClass",
    "objectCategory",
    "name",
    "isDeleted",
    "sAMAccountName",
    "userAccountControl",
    "accountExpires",
    "primaryGroupID",
    "member",
    ACCESS_LIST,
];
/// An entry whose access list has changed may show, or hide, itself and whatever is below it: of those nothing is told.
const ACCESS_LIST: &str = "nTSecurityDescriptor";
/// Where deleted entries are: it counts as one itself, and exists in every domain (MS-ADTS 6.1.1.4.2).
const DELETED_OBJECTS: &str = "(&(objectClass=container)(isDeleted=TRUE))";

/// Where a domain controller answers for all domains of its forest (MS-ADTS 3.1.1.3.1.10), in clear text and over TLS.
const GLOBAL_CATALOG_PORTS: [u16; 2] = [3268, 3269];

/// Why a question has no answer, over a connection that is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
enum No {
    /// The server refuses, with this code and text.
    Refused(u32, String),
    /// It sends this, as a noun phrase, instead of a cookie.
    Malformed(String),
    /// More is always to come, after so much of it.
    Endless(String),
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code, text) => {
                let grant = if *code == MAY_NOT { format!("; {GRANT}") } else { String::new() };
                write!(f, "DirSync is refused: {}{grant}", explain::outcome(*code, text))
            }
            Self::Malformed(found) => write!(f, "the server answers to DirSync with {found}"),
            Self::Endless(most) => write!(f, "the answer to DirSync does not come to an end within {most}"),
        }
    }
}

/// Takes a mark of now: the cookie of a question to which hardly anything is the answer. What is the answer is where deleted
/// entries are, if the account may see them: without that, somebody could be deleted behind our back.
pub(super) async fn begin(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    port: u16,
) -> Result<(Option<Way>, String), Failure> {
    let still = |why: &str| {
        let way = server.usn.filter(|_| server.service.is_some()).map(|usn| Way::Still { usn });
        (way, format!("everything is read whenever anything has changed, because {why}"))
    };
    let Some(domain) = server.domain.as_deref().filter(|_| server.dirsync && server.extended_dn) else {
        return Ok(still("the server does not offer DirSync"));
    };
    if GLOBAL_CATALOG_PORTS.contains(&port) {
        return Ok(still("a global catalog holds more domains than the one that DirSync tells of"));
    }
    let (root, base) = (DnKey::of(domain), DnKey::of(&settings.base_dn));
    if base != root && !base.is_below(&root) {
        return Ok(still("base_dn is not in the domain of the server"));
    }
    if let Some(why) = filter::objection(session, settings, server).await? {
        return Ok(still(&why));
    }
    for as_anybody in [false, true] {
        let mut sees_deleted = false;
        let mut each = |_: &Entry<'_>| sees_deleted = true;
        match ask(session, settings, domain, DELETED_OBJECTS, as_anybody, Vec::new(), &mut each).await? {
            Ok(cookie) if sees_deleted => {
                let words = match as_anybody {
                    false => "changes are followed by DirSync",
                    true => "changes are followed by DirSync, of what the account may read: it may not replicate",
                };
                return Ok((Some(Way::DirSync { cookie, as_anybody }), words.to_owned()));
            }
            Ok(_) => {
                return Ok(still(&format!("the account does not see what is deleted: {GRANT}")));
            }
            Err(No::Refused(MAY_NOT, _)) if !as_anybody => {}
            Err(no) => return Ok(still(&no.to_string())),
        }
    }
    Ok(still("DirSync is refused"))
}

/// Asks for what has changed; gives the way to go on, or a doubt.
pub(super) async fn feed(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    way: &Way,
    changes: &mut Changes,
) -> Result<Result<Way, Doubt>, Failure> {
    let (Way::DirSync { cookie, as_anybody }, Some(domain)) = (way, &server.domain) else {
        return Ok(Err("the server does not offer DirSync any more".to_owned().into()));
    };
    let mut each = |entry: &Entry<'_>| take(entry, changes);
    let answer = ask(session, settings, domain, "(objectClass=*)", *as_anybody, cookie.clone(), &mut each).await?;
    Ok(match answer {
        Ok(cookie) => Ok(Way::DirSync { cookie, as_anybody: *as_anybody }),
        // For example an unknown cookie (12), or a right that was taken away (50).
        Err(no) => Err(no.to_string().into()),
    })
}

/// The question, until its last answer; gives the cookie.
async fn ask(
    session: &mut Session,
    settings: &LdapSettings,
    domain: &str,
    filter: &str,
    as_anybody: bool,
    mut cookie: Vec<u8>,
    each: &mut impl FnMut(&Entry<'_>),
) -> Result<Result<Vec<u8>, No>, Failure> {
    let attributes = attributes(settings);
    let search = Search {
        what: "what has changed",
        base: domain,
        base_only: false,
        filter,
        attributes: &attributes,
        page_size: None,
        extended_dn: true,
    };
    let (began, patience) = (Instant::now(), settings.timeout.saturating_mul(TIMEOUTS_MAX));
    for _ in 0..ANSWERS_MAX {
        // Between two answers, so that the connection can still be used.
        if began.elapsed() > patience {
            return Ok(Err(No::Endless(format!("{patience:?}"))));
        }
        let controls = [Control::critical(CONTROL_DIRSYNC, Some(request(as_anybody, &cookie)))];
        let mut take = |event: Event<'_, '_>| {
            if let Event::Entry(entry, _) = event {
                each(entry);
            }
            Ok(())
        };
        let done = session.request(&search, &controls, settings.limits.entries_max, false, &mut take).await?;
        if done.code != 0 {
            return Ok(Err(No::Refused(done.code, done.text)));
        }
        match answer(&done) {
            Ok((false, last)) => return Ok(Ok(last)),
            Ok((true, next)) => cookie = next,
            Err(found) => return Ok(Err(No::Malformed(found))),
        }
    }
    Ok(Err(No::Endless(format!("{ANSWERS_MAX} answers"))))
}

fn attributes(settings: &LdapSettings) -> Vec<String> {
    let mut names: Vec<String> = ATTRIBUTES.iter().map(|name| (*name).to_owned()).collect();
    // Where `user_filter` is about more than attributes, DirSync is not asked.
    let filtered = filter::named(settings).unwrap_or_default();
    for name in settings.named_attributes().cloned().chain(filtered) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    }
    names
}

/// The value of the control in a request.
fn request(as_anybody: bool, cookie: &[u8]) -> Vec<u8> {
    let flags = INCREMENTAL_VALUES | if as_anybody { OBJECT_SECURITY } else { 0 };
    encode(ber::SEQUENCE, &[integer(flags), integer(ANSWER_BYTES), encode(ber::OCTET_STRING, cookie)].concat())
}

/// Whether more is to come, and the cookie of what came: SEQUENCE { INTEGER, INTEGER, OCTET STRING }.
///
/// # Errors
/// What is there instead, as a noun phrase.
fn answer(done: &Done) -> Result<(bool, Vec<u8>), String> {
    let value = ber::control(&done.controls, CONTROL_DIRSYNC).ok_or("no cookie")?;
    let (outer, rest) = ber::split(value)?;
    let parts = ber::elements(outer.body).collect::<Result<Vec<_>, _>>()?;
    match parts[..] {
        [more, unused, cookie]
            if outer.tag == ber::SEQUENCE
                && rest.is_empty()
                && more.tag == ber::INTEGER
                && unused.tag == ber::INTEGER
                && cookie.tag == ber::OCTET_STRING
                && !cookie.body.is_empty() =>
        {
            Ok((more.body.iter().any(|byte| *byte != 0), ber::keep_cookie(cookie.body)?))
        }
        _ => Err("a malformed cookie".to_owned()),
    }
}

/// Takes in what was told of one entry.
fn take(entry: &Entry<'_>, changes: &mut Changes) {
    let taken = identity(entry).and_then(|guid| Ok((guid, told(entry)?)));
    match taken {
        Ok((guid, Told::Gone)) => changes.gone(guid),
        Ok((guid, Told::Seen(seen))) => changes.seen(guid, seen),
        Ok((_, Told::Nothing)) => {}
        Err(why) => changes.doubts(why),
    }
}

/// What one entry says.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Gone,
    Seen(Seen),
    /// New, and neither a person nor a group.
    Nothing,
}

fn told(entry: &Entry<'_>) -> Result<Told, String> {
    let has = |name: &str| entry.attributes(name).next().is_some();
    if entry.texts("isDeleted").any(|text| text.eq_ignore_ascii_case("TRUE")) {
        return Ok(Told::Gone);
    }
    if has("isDeleted") {
        // It may have come back with all of its memberships, about which no group says a word.
        return Err(format!("{:?} was deleted and has come back", entry.dn));
    }
    let created = entry.values("objectClass").next().is_some();
    let is_kind = |class: &str| class.eq_ignore_ascii_case("user") || class.eq_ignore_ascii_case("group");
    if created && !entry.texts("objectClass").any(is_kind) {
        return Ok(Told::Nothing);
    }
    if !created && has(ACCESS_LIST) {
        return Err(format!("who may read {:?} and what is below it has changed", entry.dn));
    }
    let mut seen = Seen { created, moved: created || has("name"), ..Seen::default() };
    take_links(entry, &mut seen)?;
    Ok(Told::Seen(seen))
}

/// The members that came and went.
fn take_links(entry: &Entry<'_>, seen: &mut Seen) -> Result<(), String> {
    for part in entry.attributes("member") {
        let is_member = match part.range {
            Some(Range { first: 1, last: Some(1) }) => true,
            Some(Range { first: 0, last: Some(0) }) => false,
            Some(_) | None => {
                // All of them, or values from before a forest kept track of single ones.
                seen.members_unknown = true;
                continue;
            }
        };
        for value in part.values() {
            let member = decode::member("member", value).map_err(|why| format!("member of {:?} {why}", entry.dn))?;
            match member {
                Some(member @ (Member::Guid(guid) | Member::Foreign(guid))) => {
                    seen.links.insert(guid, (member, is_member));
                }
                Some(Member::Dn(_) | Member::Uid(_)) | None => seen.members_unknown = true,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "dirsync_tests.rs"]
mod tests;
