//! Content synchronisation of OpenLDAP (RFC 4533, refreshOnly): every entry that has changed since a cookie.
//!
//! The first cookie is made of the `contextCSN` of the tree, as slapd's own replicas write it. A server that remembers what
//! was deleted (`syncprov-sessionlog`, in its memory only) tells it by identity, and ends with "refreshDeletes". One that does
//! not, or not long enough, lists all that is still there: then it is asked only for its `contextCSN` from there on.
//!
//! An entry with others below it that has changed may have been renamed, and nothing is told of those below: a doubt.

use super::Doubt;
use super::changes::{Changes, Seen};
use super::filter;
use super::mark::Way;
use crate::directory::ldap::ber::{self, Element, encode};
use crate::directory::ldap::entry::Entry;
use crate::directory::ldap::explain;
use crate::directory::ldap::failure::Failure;
use crate::directory::ldap::request::Control;
use crate::directory::ldap::schema::{CONTROL_PAGED, CONTROL_SYNC_REQUEST, Server};
use crate::directory::ldap::session::{Event, Search, Session};
use crate::directory::ldap::settings::LdapSettings;
use crate::model::{DnKey, ObjectGuid};

/// Sync State (RFC 4533 2.3).
const CONTROL_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// Sync Done (RFC 4533 2.4).
const CONTROL_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// Sync Info (RFC 4533 2.5), an intermediate response.
const INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
/// refreshOnly (RFC 4533 2.2).
const REFRESH_ONLY: u8 = 1;
/// refreshAndPersist: what changes afterwards is told as well, as it changes.
const REFRESH_AND_PERSIST: u8 = 3;
/// Bytes of an entryUUID.
const UUID_BYTES: usize = 16;
/// The states of an entry: still there, added, modified, deleted.
const PRESENT: u32 = 0;
const ADDED: u32 = 1;
const MODIFIED: u32 = 2;
const DELETED: u32 = 3;

/// With overlay dynlist, whoever has come to fit the URL of a group is a member, and the group is told of no change; nor is a
/// group that has that one as a member, which may be shown with the members of both. The URL is in memberURL, which is for
/// nothing else, or in labeledURI, which may be anybody's page.
const COMPUTED_MEMBERS: &str =
    "groups have a memberURL or labeledURI, by which the server works out members (dynlist) and does not tell them";

/// Takes a mark of now.
pub(super) async fn begin(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    forgets: bool,
) -> Result<(Option<Way>, String), Failure> {
    let whole = |why: &str| (None, format!("everything is read each time, because {why}"));
    let Some(context) = server.context(&DnKey::of(&settings.base_dn)) else {
        return Ok(whole("the server does not say in which of its trees base_dn is"));
    };
    if let Some(why) = filter::objection(session, settings, server).await? {
        return Ok(whole(&why));
    }
    let Some(cookie) = cookie_of_now(session, context).await? else {
        return Ok(whole("the server shows no contextCSN: OpenLDAP has one with overlay syncprov"));
    };
    let other_identities = any(session, "other identities", context, "(objectGUID=*)").await?;
    let computed = format!("(|(memberURL=*)(&{}(labeledURI=*)))", server.group_filter());
    let computed_members = any(session, "computed members", context, &computed).await?;
    for (found, why) in [
        (other_identities, "entries have an objectGUID, by which the server does not tell what was deleted"),
        (computed_members, COMPUTED_MEMBERS),
    ] {
        match found {
            Ok(false) => {}
            Ok(true) => return Ok(whole(why)),
            Err(refusal) => return Ok(whole(&refusal)),
        }
    }
    let way = Way::Syncrepl { context: context.clone(), cookie, forgets };
    let words = match forgets {
        false => "changes are followed by syncrepl",
        true => {
            "everything is read whenever anything has changed, because the server does not remember what was deleted: \
             give its syncprov overlay a syncprov-sessionlog"
        }
    };
    Ok((Some(way), words.to_owned()))
}

/// The state of a tree, as a cookie; `None` where the server does not show it.
///
/// # Errors
/// As for any search.
pub(in super::super) async fn cookie_of_now(session: &mut Session, context: &str) -> Result<Option<Vec<u8>>, Failure> {
    let attributes = ["contextCSN".to_owned()];
    let search = Search::entry("contextCSN", context, &attributes);
    let mut states: Vec<String> = Vec::new();
    session
        .search(search, |entry| {
            states.extend(entry.texts("contextCSN").map(str::to_owned));
            Ok(())
        })
        .await?;
    states.sort_unstable();
    let is_state = |state: &String| state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".#+-".contains(&byte));
    let good = !states.is_empty() && states.iter().all(is_state);
    Ok(good.then(|| format!("rid=000,csn={}", states.join(";")).into_bytes()))
}

/// Whether there is any such entry below the base; or why that is not known.
async fn any(session: &mut Session, what: &str, base: &str, filter: &str) -> Result<Result<bool, String>, Failure> {
    let search = Search { what, filter, ..whole_tree(base) };
    let first = [Control::critical(CONTROL_PAGED, Some(ber::paged_request(1, &[])))];
    let done = session.request(&search, &first, 1, false, &mut |_| Ok(())).await?;
    Ok(match done.code {
        0 => Ok(done.entries > 0),
        code => Err(format!("it cannot be seen whether there are {what}: {}", explain::outcome(code, &done.text))),
    })
}

/// Asks for what has changed; gives the way to go on, or a doubt.
pub(super) async fn feed(
    session: &mut Session,
    settings: &LdapSettings,
    way: &Way,
    changes: &mut Changes,
) -> Result<Result<Way, Doubt>, Failure> {
    let Way::Syncrepl { context, cookie, forgets } = way else {
        return Ok(Err("the server does not offer syncrepl any more".to_owned().into()));
    };
    if *forgets {
        let same = cookie_of_now(session, context).await?.as_ref() == Some(cookie);
        return Ok(if same { Ok(way.clone()) } else { Err(Doubt::Forgotten) });
    }
    let attributes = ["entryUUID", "objectGUID", "hasSubordinates", "objectClass", "labeledURI", "memberURL"];
    let attributes = attributes.map(str::to_owned);
    let search = Search { what: "what has changed", attributes: &attributes, ..whole_tree(context) };
    let controls = [Control::critical(CONTROL_SYNC_REQUEST, Some(request(REFRESH_ONLY, cookie)))];
    let mut each = |event: Event<'_, '_>| {
        let taken = match event {
            Event::Entry(entry, controls) => take_entry(entry, controls, changes),
            Event::Info(body) => take_info(body, changes),
        };
        if let Err(why) = taken {
            changes.doubts(why);
        }
        Ok(())
    };
    let done = session.request(&search, &controls, settings.limits.entries_max, true, &mut each).await?;
    if done.code != 0 {
        return Ok(Err(format!("syncrepl is refused: {}", explain::outcome(done.code, &done.text)).into()));
    }
    Ok(ended(&done.controls).and_then(|next| match next {
        Some(next) => Ok(Way::Syncrepl { context: context.clone(), cookie: next, forgets: false }),
        // Without a new cookie there was nothing to tell.
        None if changes.is_empty() => Ok(way.clone()),
        None => Err("the server gave changes and no cookie".to_owned().into()),
    }))
}

fn whole_tree(context: &str) -> Search<'_> {
    Search {
        what: "",
        base: context,
        base_only: false,
        filter: "(objectClass=*)",
        attributes: &[],
        page_size: None,
        extended_dn: false,
    }
}

/// The value of the control in a request.
fn request(mode: u8, cookie: &[u8]) -> Vec<u8> {
    encode(ber::SEQUENCE, &[&[ber::ENUMERATED, 1, mode][..], &encode(ber::OCTET_STRING, cookie)].concat())
}

/// The control by which all is told that changes from a cookie on, without an end.
pub(in super::super) fn persist(cookie: &[u8]) -> Control {
    Control::critical(CONTROL_SYNC_REQUEST, Some(request(REFRESH_AND_PERSIST, cookie)))
}

/// The cookie at the end, where there is a new one.
///
/// # Errors
/// A doubt.
fn ended(controls: &[u8]) -> Result<Option<Vec<u8>>, Doubt> {
    let value = ber::control(controls, CONTROL_DONE).ok_or("the answer of syncrepl has no end".to_owned())?;
    let (outer, _) = ber::split(value)?;
    let (mut cookie, mut deletes) = (None, false);
    for part in ber::elements(outer.body) {
        match part? {
            Element { tag: ber::OCTET_STRING, body: [] } => {
                return Err("the server did not take our cookie".to_owned().into());
            }
            Element { tag: ber::OCTET_STRING, body } => cookie = Some(ber::keep_cookie(body)?),
            Element { tag: ber::BOOLEAN, body } => deletes = body != [0],
            Element { tag, body: _ } => {
                return Err(format!("the end of syncrepl has something of tag 0x{tag:02x}").into());
            }
        }
    }
    if deletes { Ok(cookie) } else { Err(Doubt::Forgotten) }
}

fn take_entry(entry: &Entry<'_>, controls: &[u8], changes: &mut Changes) -> Result<(), Doubt> {
    let value = ber::control(controls, CONTROL_STATE).ok_or_else(|| format!("{:?} came without a state", entry.dn))?;
    let (outer, _) = ber::split(value)?;
    let mut parts = ber::elements(outer.body);
    let state = ber::number(parts.next().ok_or("an empty state".to_owned())??, ber::ENUMERATED, "state of an entry")?;
    let guid = uuid(parts.next().ok_or("a state without an identity".to_owned())??)?;
    match state {
        DELETED => changes.gone(guid),
        ADDED | MODIFIED => {
            if entry.values("objectGUID").next().is_some() {
                return Err(format!("{:?} has an objectGUID besides", entry.dn).into());
            }
            if entry.one("hasSubordinates") != Some("FALSE") {
                return Err(format!("{:?} has changed, perhaps its name, and has others below it", entry.dn).into());
            }
            let has = |name: &str| entry.values(name).next().is_some();
            let is_group = || entry.texts("objectClass").any(|class| class.to_ascii_lowercase().contains("group"));
            if has("memberURL") || has("labeledURI") && is_group() {
                return Err(COMPUTED_MEMBERS.to_owned().into());
            }
            changes.seen(guid, Seen { moved: true, members_unknown: true, ..Seen::default() });
        }
        PRESENT => return Err(Doubt::Forgotten),
        state => return Err(format!("{:?} has the unknown state {state}", entry.dn).into()),
    }
    Ok(())
}

/// A message in between (RFC 4533 2.5): an IntermediateResponse, whole.
fn take_info(body: &[u8], changes: &mut Changes) -> Result<(), Doubt> {
    let mut value = None;
    for part in ber::elements(body) {
        match part? {
            Element { tag: 0x80, body } if body == INFO.as_bytes() => {}
            Element { tag: 0x81, body } => value = Some(body),
            Element { tag, body: _ } => return Err(format!("an unknown message in between (tag 0x{tag:02x})").into()),
        }
    }
    let (told, _) = ber::split(value.ok_or("a message in between without a value".to_owned())?)?;
    match told.tag {
        // A new cookie; the last one counts.
        0x80 => Ok(()),
        // What was deleted has been told.
        0xa1 => Ok(()),
        // What is still there has been told.
        0xa2 => Err(Doubt::Forgotten),
        0xa3 => take_set(told.body, changes),
        tag => Err(format!("an unknown message in between (tag 0x{tag:02x})").into()),
    }
}

/// A set of identities: those deleted, or those that are still there.
fn take_set(body: &[u8], changes: &mut Changes) -> Result<(), Doubt> {
    let (mut deletes, mut set) = (false, None);
    for part in ber::elements(body) {
        match part? {
            Element { tag: ber::OCTET_STRING, body: _ } => {}
            Element { tag: ber::BOOLEAN, body } => deletes = body != [0],
            Element { tag: ber::SET, body } => set = Some(body),
            Element { tag, body: _ } => {
                return Err(format!("a set of identities with something of tag 0x{tag:02x}").into());
            }
        }
    }
    if !deletes {
        return Err(Doubt::Forgotten);
    }
    for guid in ber::elements(set.ok_or("a set of identities without any".to_owned())?) {
        changes.gone(uuid(guid?)?);
    }
    Ok(())
}

fn uuid(element: Element<'_>) -> Result<ObjectGuid, String> {
    let bytes: [u8; UUID_BYTES] = element.body.try_into().map_err(|_| "an identity that is none".to_owned())?;
    match element.tag {
        ber::OCTET_STRING => Ok(ObjectGuid::from_bytes(bytes)),
        tag => Err(format!("an identity of tag 0x{tag:02x}")),
    }
}

#[cfg(test)]
#[path = "syncrepl_tests.rs"]
mod tests;
