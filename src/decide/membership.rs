//! Binds the groups of the configuration to groups of the directory, and resolves who is in them.
//!
//! The walk is iterative and visits each group once, so that depth and cycles cost nothing.

use super::groups::GroupRole;
use super::roster::{Edges, Place, Roster, same_name};
use crate::model::{DnKey, Group, GroupPath, GroupRef, Member, ObjectGuid, RememberedGroup, Warning, WarningKind};
use std::collections::{BTreeMap, HashMap};

/// What a configured reference means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Found(u32),
    Missing,
    Ambiguous(Vec<u32>),
}

/// Finds the group that a reference means.
///
/// A group once found is followed by identity: a rename must not take a licence from anybody. Only when that identity
/// is gone is the text looked at again. Two groups that fit equally well are no group.
pub(super) fn bind(
    roster: &Roster,
    reference: &GroupRef,
    role: &GroupRole,
    remembered: Option<&RememberedGroup>,
) -> (Bound, Option<Warning>) {
    let place = remembered.and_then(|old| roster.group_place(&old.guid));
    if let Some(place) = place {
        let group = roster.group_at(place);
        let warning = (!fits(group, reference)).then(|| {
            let now = &group.dn;
            Warning::new(
                WarningKind::GroupRenamed,
                reference.as_str(),
                format!(
                    "the group is now {} ({now}) and is followed there: name it so in the configuration",
                    group.name()
                ),
            )
        });
        return (Bound::Found(place), warning);
    }
    let bound = look_up(roster, reference);
    let warning = match (&bound, remembered) {
        (Bound::Found(place), Some(old)) => {
            let group = roster.group_at(*place);
            Some(Warning::new(
                WarningKind::GroupReplaced,
                reference.as_str(),
                format!(
                    "the group {} ({}) is gone, and another group of that name ({}) is used in its place; its members \
                     are compared with those of the old one",
                    old.name, old.guid, group.guid
                ),
            ))
        }
        (Bound::Ambiguous(places), _) => {
            let names: Vec<_> = places.iter().map(|place| roster.group_at(*place).dn.text()).collect();
            Some(Warning::new(
                WarningKind::GroupAmbiguous,
                reference.as_str(),
                format!(
                    "several groups fit: {}; none is used, and {}: name it by its DN or GUID",
                    names.join(" and "),
                    role.held_when_unknown()
                ),
            ))
        }
        (Bound::Missing, _) => Some(missing(reference, role, remembered)),
        (Bound::Found(_), None) => None,
    };
    (bound, warning)
}

fn missing(reference: &GroupRef, role: &GroupRole, remembered: Option<&RememberedGroup>) -> Warning {
    let was = remembered.map_or_else(String::new, |old| {
        format!(" (it was {}, {}, with {} members)", old.name, old.guid, old.members.len())
    });
    Warning::new(
        WarningKind::GroupMissing,
        reference.as_str(),
        format!(
            "the directory shows no such group{was}; {}: correct the configuration, the base or the rights of the \
             reading account",
            role.held_when_unknown()
        ),
    )
}

/// Whether the reference, as written, still means this group.
fn fits(group: &Group, reference: &GroupRef) -> bool {
    let text = reference.as_str();
    group.dn.has_key(&DnKey::of(text))
        || reference.as_guid() == Some(group.guid)
        || (group.sid.is_some() && reference.as_sid() == group.sid)
        || group.account_name.as_deref().is_some_and(|name| same_name(name, text))
        || group.common_names.iter().any(|name| same_name(name, text))
}

/// By DN, identity, SID, account name, common name, in this order: the first that fits anything decides.
fn look_up(roster: &Roster, reference: &GroupRef) -> Bound {
    let text = reference.as_str();
    let all = |is_it: &dyn Fn(&Group) -> bool| -> Vec<u32> {
        roster.groups().iter().zip(0..).filter(|(group, _)| is_it(group)).map(|(_, place)| place).collect()
    };
    let sid = reference.as_sid();
    let levels: [&dyn Fn() -> Vec<u32>; 5] = [
        &|| roster.groups_named(&DnKey::of(text)),
        &|| reference.as_guid().and_then(|guid| roster.group_place(&guid)).into_iter().collect(),
        &|| if sid.is_some() { all(&|group| group.sid == sid) } else { Vec::new() },
        &|| all(&|group| group.account_name.as_deref().is_some_and(|name| same_name(name, text))),
        &|| all(&|group| group.common_names.iter().any(|name| same_name(name, text))),
    ];
    for level in levels {
        let found = level();
        match found.as_slice() {
            [] => {}
            [one] => return Bound::Found(*one),
            _ => return Bound::Ambiguous(found),
        }
    }
    Bound::Missing
}

/// Who is in a group, directly or through others.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    root: u32,
    /// Each effective member with the group that lists it, the nearest one; sorted by person.
    pub(super) members: Vec<(u32, u32)>,
    /// Who may or may not be a member, because a member value fits several entries; sorted, no members among them.
    pub(super) doubtful: Vec<u32>,
    /// Which names those were, and what fits each.
    pub(super) doubts: BTreeMap<String, Vec<Place>>,
    /// Member values that name nobody.
    pub(super) unknown: usize,
    /// Of these, the identities that are known.
    pub(super) unread: Vec<ObjectGuid>,
    /// Member values that name members of other domains.
    pub(super) foreign: usize,
    parents: HashMap<u32, u32>,
}

/// Resolves a group. Breadth first, so that the path shown for a person is a shortest one.
pub(super) fn reach(roster: &Roster, root: u32, nested: bool) -> Reach {
    let mut reach = Reach { root, ..Reach::default() };
    let mut seen_people = vec![false; roster.people().len()];
    let mut seen_groups = vec![false; roster.groups().len()];
    let mut doubtful_groups = Vec::new();
    let mut queue = vec![root];
    seen_groups[root as usize] = true;
    let mut next = 0;
    while let Some(&group) = queue.get(next) {
        next += 1;
        let edges = roster.edges_of(group);
        reach.unknown += edges.unknown();
        reach.unread.extend(edges.unread());
        reach.foreign += edges.foreign();
        for person in edges.people() {
            if !std::mem::replace(&mut seen_people[person as usize], true) {
                reach.members.push((person, group));
            }
        }
        reach.note(roster, edges, nested, &mut doubtful_groups);
        for &member in edges.groups().iter().filter(|_| nested) {
            if !std::mem::replace(&mut seen_groups[member as usize], true) {
                reach.parents.insert(member, group);
                queue.push(member);
            }
        }
    }
    // What lies behind a doubtful group is doubtful too.
    while let Some(group) = doubtful_groups.pop() {
        if std::mem::replace(&mut seen_groups[group as usize], true) {
            continue;
        }
        let edges = roster.edges_of(group);
        reach.doubtful.extend(edges.people());
        reach.note(roster, edges, nested, &mut doubtful_groups);
        doubtful_groups.extend(&*edges.groups());
    }
    // Each group gave a sorted run: they are merged.
    reach.members.sort();
    reach.doubtful.retain(|person| !seen_people[*person as usize]);
    reach.doubtful.sort_unstable();
    reach.doubtful.dedup();
    reach
}

impl Reach {
    fn note(&mut self, roster: &Roster, edges: &Edges, nested: bool, groups: &mut Vec<u32>) {
        for value in edges.doubtful() {
            let fits = roster.fits(value);
            for place in &fits {
                match place {
                    Place::Person(person) => self.doubtful.push(*person),
                    Place::Group(group) if nested => groups.push(*group),
                    Place::Group(_) => {}
                }
            }
            let name = match value {
                Member::Dn(key) => key.as_str().to_owned(),
                Member::Uid(uid) => uid.clone(),
                Member::Guid(guid) | Member::Foreign(guid) => guid.to_string(),
            };
            self.doubts.insert(name, fits);
        }
    }

    /// The way from the group that lists somebody up to the mapped one: the mapped one first.
    pub(super) fn path(&self, roster: &Roster, lists: u32) -> GroupPath {
        let mut names: Vec<_> = std::iter::successors(Some(lists), |group| self.parents.get(group).copied())
            .map(|group| (&*roster.group_at(group).name()).into())
            .collect();
        names.reverse();
        GroupPath(names)
    }

    /// The group that lists the person; `None` for somebody who is no member.
    pub(super) fn lists(&self, person: u32) -> Option<u32> {
        let index = self.members.binary_search_by_key(&person, |member| member.0).ok()?;
        self.members.get(index).map(|member| member.1)
    }

    /// What to say about members that are nobody we know.
    pub(super) fn warnings(&self, roster: &Roster) -> Vec<Warning> {
        let name = roster.group_at(self.root).name();
        let mut warnings = Vec::new();
        if self.unknown > 0 {
            warnings.push(Warning::new(
                WarningKind::UnknownMembers,
                &*name,
                format!(
                    "{} of its members {} nobody that was read (a contact or computer, filtered out, outside base_dn, or \
                     deleted) and {} not counted",
                    self.unknown,
                    if self.unknown == 1 { "is" } else { "are" },
                    if self.unknown == 1 { "is" } else { "are" },
                ),
            ));
        }
        if self.foreign > 0 {
            warnings.push(Warning::new(
                WarningKind::ForeignMembers,
                &*name,
                format!(
                    "members of other domains, which this directory cannot describe and who get nothing from here: {}",
                    self.foreign
                ),
            ));
        }
        for (doubt, fits) in &self.doubts {
            let names: Vec<_> = fits
                .iter()
                .map(|place| match place {
                    Place::Person(person) => roster.person_at(*person).dn.text(),
                    Place::Group(group) => roster.group_at(*group).dn.text(),
                })
                .collect();
            warnings.push(Warning::new(
                WarningKind::AmbiguousName,
                doubt,
                format!(
                    "this member of {name} could be {}: nobody gets anything by it, and what they hold is kept",
                    names.join(" or ")
                ),
            ));
        }
        warnings
    }
}
