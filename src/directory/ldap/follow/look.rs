//! What the changed entries are now: read again by identity, with the base, the filters and the decoder of a whole read.

use super::Doubt;
use super::changes::{Changes, Seen};
use crate::directory::ldap::allowance::Allowance;
use crate::directory::ldap::decode::identity;
use crate::directory::ldap::failure::Failure;
use crate::directory::ldap::read::{self, Asked, Which};
use crate::directory::ldap::schema::Server;
use crate::directory::ldap::session::{Search, Session};
use crate::directory::ldap::settings::LdapSettings;
use crate::model::{Delta, GroupChange, MemberChange, ObjectGuid};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Entries asked for in one search.
const ENTRIES_A_SEARCH: usize = 200;
/// Classes (in lower case) below whose entries there are neither people nor groups.
const LEAVES: &[&str] = &["user", "group", "contact", "foreignsecurityprincipal"];

/// Reads again what has changed; a doubt where the answer could mislead.
pub(super) async fn again(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
    changes: Changes,
) -> Result<Result<Delta, Doubt>, Failure> {
    // A base that has vanished hides everybody, which is no news about everybody.
    read::check_base(session, settings, server).await?;
    let (mut seen, gone) = changes.into_parts();
    let mut delta = Delta { gone: gone.into_iter().collect(), ..Delta::default() };

    let allowance = Allowance::of(&settings.limits);
    let asked = Asked { settings, server, allowance: &allowance, which: Which::All, members: false };
    let perhaps_people = identities(&seen, |told| !told.is_group());
    for chunk in perhaps_people.chunks(ENTRIES_A_SEARCH) {
        let filter = among(server, chunk);
        let asked = Asked { which: Which::Matching(&filter), ..asked };
        delta.people.extend(read::people(session, asked).await?.0);
    }
    let mut left: BTreeSet<ObjectGuid> = seen.keys().copied().collect();
    for person in &delta.people {
        left.remove(&person.guid);
    }
    for with_members in [true, false] {
        let mut perhaps_groups = identities(&seen, |told| told.needs_members() == with_members);
        perhaps_groups.retain(|guid| left.contains(guid));
        for chunk in perhaps_groups.chunks(ENTRIES_A_SEARCH) {
            let filter = among(server, chunk);
            let asked = Asked { which: Which::Matching(&filter), members: with_members, ..asked };
            for mut group in read::groups(session, asked).await?.0 {
                left.remove(&group.guid);
                let all = std::mem::take(&mut group.members);
                let members = match with_members {
                    true => MemberChange::All(all),
                    false => seen.remove(&group.guid).unwrap_or_default().member_change(),
                };
                delta.groups.push(GroupChange { group, members });
            }
        }
    }
    let moved = |guid: &&ObjectGuid| seen.get(guid).is_some_and(|told| told.moved && !told.created);
    let moved: Vec<ObjectGuid> = left.iter().filter(moved).copied().collect();
    if server.is_active_directory
        && let Some(doubt) = branch(session, server, &moved).await?
    {
        return Ok(Err(doubt));
    }
    delta.hidden = left.into_iter().collect();
    Ok(Ok(delta))
}

/// Of entries that were renamed or moved and are neither people nor groups to us: whether one of them may have people below
/// it, all of whose names have changed with it, unsaid.
async fn branch(session: &mut Session, server: &Server, moved: &[ObjectGuid]) -> Result<Option<Doubt>, Failure> {
    let mut leaves = BTreeSet::new();
    for chunk in moved.chunks(ENTRIES_A_SEARCH) {
        let search = Search {
            what: "what was moved",
            base: server.domain.as_deref().unwrap_or_default(),
            base_only: false,
            filter: &among(server, chunk),
            attributes: &["objectGUID", "objectClass"].map(str::to_owned),
            page_size: None,
            extended_dn: false,
        };
        session
            .search(search, |entry| {
                let is_leaf = |class: &str| LEAVES.iter().any(|leaf| class.eq_ignore_ascii_case(leaf));
                if entry.texts("objectClass").any(is_leaf) {
                    leaves.insert(identity(entry)?);
                }
                Ok(())
            })
            .await?;
    }
    let branch = moved.iter().find(|guid| !leaves.contains(guid));
    Ok(branch.map(|guid| format!("{guid}, which may have others below it, was renamed or moved").into()))
}

fn identities(seen: &BTreeMap<ObjectGuid, Seen>, fits: impl Fn(&Seen) -> bool) -> Vec<ObjectGuid> {
    seen.iter().filter(|(_, told)| fits(told)).map(|(guid, _)| *guid).collect()
}

/// A filter for these identities.
fn among(server: &Server, guids: &[ObjectGuid]) -> String {
    let mut filter = "(|".to_owned();
    for guid in guids {
        // Writing into a String cannot fail.
        let _ = if server.is_active_directory {
            let escaped = guid.to_ad_bytes().iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "\\{byte:02x}");
                text
            });
            write!(filter, "(objectGUID={escaped})")
        } else {
            write!(filter, "(entryUUID={guid})")
        };
    }
    filter.push(')');
    filter
}
