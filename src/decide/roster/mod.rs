//! The directory as last read: indexed, and every member value resolved to an identity.
//!
//! People and groups stand sorted by identity and are spoken of by their place in that order, so that whatever is made
//! of them does not depend on the order in which a server gave them.

mod edges;
mod follow;
mod index;
mod moves;
mod names;

pub use follow::{NeedsWhole, follow};

pub(super) use edges::Edges;

use crate::model::{
    Containers, DnKey, Email, Group, Member, ObjectGuid, Person, Reading, Sid, Timestamp, Warning, WarningKind,
};
use names::{Claims, Names};
use std::collections::HashMap;
use std::sync::Arc;

/// The directory as last read.
#[derive(Clone, Debug)]
pub struct Roster {
    people: Arc<Vec<Person>>,
    groups: Vec<Group>,
    /// Of each group, by its place.
    edges: Vec<Edges>,
    names: Names,
    claims: Claims,
    /// Whether an entry came twice, so that it is not sure which of the two it is now.
    is_uncertain: bool,
    warnings: Vec<Warning>,
}

/// A person or a group, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Person(u32),
    Group(u32),
}

/// What member values are looked up among; both sorted by identity.
#[derive(Clone, Copy)]
struct Entries<'a> {
    people: &'a [Person],
    groups: &'a [Group],
    /// The identities of the people side by side, where so many are looked up that it pays.
    identities: Option<&'a [ObjectGuid]>,
}

impl<'a> Entries<'a> {
    fn of(people: &'a [Person], groups: &'a [Group]) -> Self {
        Self { people, groups, identities: None }
    }

    /// Should a person and a group have one identity, it is the person's.
    fn by_identity(self, guid: &ObjectGuid) -> Option<Place> {
        let person = self.people.binary_search_by_key(guid, |person| person.guid).ok();
        let group = || self.groups.binary_search_by_key(guid, |group| group.guid).ok();
        person.map(|place| Place::Person(place as u32)).or_else(|| group().map(|place| Place::Group(place as u32)))
    }
}

/// Takes a reading in. People and groups are sorted; member values become edges between identities, so that a later
/// rename cannot break a membership.
pub fn absorb(reading: Reading) -> Roster {
    let Reading { people, groups, referrals } = reading;
    let mut warnings = Vec::new();
    if referrals > 0 {
        warnings.push(Warning::new(
            WarningKind::Referrals,
            "directory",
            format!(
                "the server gave {referrals} referrals, which are not followed: people and groups behind them are not seen"
            ),
        ));
    }
    let before = warnings.len();
    let people = sorted_people(people, &mut warnings);
    let mut groups = sorted_groups(groups, &mut warnings);
    let is_uncertain = warnings.len() > before;
    let values: Vec<Vec<Member>> = groups.iter_mut().map(|group| std::mem::take(&mut group.members)).collect();
    let identities: Vec<ObjectGuid> = people.iter().map(|person| person.guid).collect();
    let entries = Entries { identities: Some(&identities), ..Entries::of(&people, &groups) };
    let mut names = Names::default();
    names.make_for(values.iter().flatten(), entries);
    let mut edges = Vec::with_capacity(groups.len());
    for values in values {
        let mut of_one = Edges::default();
        of_one.add(values, &names, entries);
        edges.push(of_one);
    }
    add_primary_members(entries, &mut edges);
    edges.iter_mut().for_each(Edges::shrink);
    let claims = Claims::of(&people);
    Roster { people: Arc::new(people), groups, edges, names, claims, is_uncertain, warnings }
}

impl Roster {
    /// Everybody, sorted by identity.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Every group, sorted by identity. Their member values have been resolved and are empty here.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The person with that identity.
    pub fn person(&self, guid: &ObjectGuid) -> Option<&Person> {
        self.person_place(guid).map(|place| self.person_at(place))
    }

    /// Who is meant by an e-mail, sAMAccountName, DN or GUID: nobody, one, or several. Sorted by identity.
    pub fn find(&self, who: &str) -> Vec<&Person> {
        let who = who.trim();
        let (guid, email, key) = (ObjectGuid::parse(who), Email::parse(who), DnKey::of(who));
        let is_meant = |person: &&Person| {
            guid == Some(person.guid)
                || (email.is_some() && person.mailbox.address() == email.as_ref())
                || person.account_name.as_deref().is_some_and(|name| same_name(name, who))
                || person.dn.has_key(&key)
        };
        self.people.iter().filter(is_meant).collect()
    }

    /// What the reading itself gives cause to say. What concerns the configured groups is said by
    /// [`super::DesiredSet::warnings`].
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Everybody, shared.
    pub(super) fn shared_people(&self) -> Arc<Vec<Person>> {
        self.people.clone()
    }

    pub(super) fn person_at(&self, place: u32) -> &Person {
        &self.people[place as usize]
    }

    pub(super) fn group_at(&self, place: u32) -> &Group {
        &self.groups[place as usize]
    }

    pub(super) fn edges_of(&self, group: u32) -> &Edges {
        &self.edges[group as usize]
    }

    pub(super) fn person_place(&self, guid: &ObjectGuid) -> Option<u32> {
        self.people.binary_search_by_key(guid, |person| person.guid).ok().map(|place| place as u32)
    }

    pub(super) fn group_place(&self, guid: &ObjectGuid) -> Option<u32> {
        self.groups.binary_search_by_key(guid, |group| group.guid).ok().map(|place| place as u32)
    }

    /// The groups of that name, sorted.
    pub(super) fn groups_named(&self, key: &DnKey) -> Vec<u32> {
        self.groups.iter().zip(0..).filter(|(group, _)| group.dn.has_key(key)).map(|(_, place)| place).collect()
    }

    /// What a doubtful member value fits, sorted, people first.
    pub(super) fn fits(&self, value: &Member) -> Vec<Place> {
        self.names.fits(value, self.entries())
    }

    /// Everybody with that address, enabled or not, sorted.
    pub(super) fn with_address(&self, email: &Email) -> &[u32] {
        self.claims.all(email, &self.people)
    }

    /// The addresses that several people have, each by those people, sorted.
    pub(super) fn shared_addresses(&self) -> impl Iterator<Item = &[u32]> {
        self.claims.shared()
    }

    fn entries(&self) -> Entries<'_> {
        Entries::of(&self.people, &self.groups)
    }

    /// The one enabled person with that address; `None` when nobody or several have it.
    pub(super) fn only_enabled(&self, email: &Email, now: Timestamp) -> Option<u32> {
        let mut enabled = self.with_address(email).iter().filter(|place| self.person_at(**place).is_enabled(now));
        enabled.next().copied().filter(|_| enabled.next().is_none())
    }
}

/// Whether two names are the same to an administrator: sAMAccountName and cn are compared without case
/// (caseIgnoreMatch, RFC 4517 4.2.11).
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && one.to_lowercase() == other.to_lowercase())
}

/// An entry that was moved while it was being read can come twice, with one identity: it is one entry.
fn sorted_people(mut people: Vec<Person>, warnings: &mut Vec<Warning>) -> Vec<Person> {
    let mut containers = Containers::default();
    people.iter_mut().for_each(|person| containers.share(&mut person.dn));
    people.shrink_to_fit();
    if !people.is_sorted_by_key(|person| person.guid) {
        // Sorting by keys at the side moves each person once.
        people.sort_by_cached_key(|person| person.guid);
    }
    if !people.is_sorted_by(|one, next| one.guid < next.guid) {
        people.sort_by(|a, b| a.guid.cmp(&b.guid).then_with(|| a.dn.key().cmp(&b.dn.key())));
        people.dedup_by(|later, kept| {
            let twice = later.guid == kept.guid;
            if twice {
                warnings.push(read_twice(&kept.guid, &kept.dn.text(), &later.dn.text()));
            }
            twice
        });
    }
    people
}

/// As [`sorted_people`]; the member values of both are kept, so that nobody drops out of the group by it.
fn sorted_groups(mut groups: Vec<Group>, warnings: &mut Vec<Warning>) -> Vec<Group> {
    groups.sort_by(|a, b| a.guid.cmp(&b.guid).then_with(|| a.dn.key().cmp(&b.dn.key())));
    groups.dedup_by(|later, kept| {
        let twice = later.guid == kept.guid;
        if twice {
            warnings.push(read_twice(&kept.guid, &kept.dn.text(), &later.dn.text()));
            kept.members.append(&mut later.members);
        }
        twice
    });
    groups
}

fn read_twice(guid: &ObjectGuid, kept: &str, later: &str) -> Warning {
    Warning::new(
        WarningKind::AmbiguousName,
        guid.to_string(),
        format!("the directory gave this identity twice, as {kept} and as {later}: the first is used"),
    )
}

/// Membership in the primary group stands in no member value, only in the person's `primaryGroupID` (MS-ADTS 3.1.1.2.3).
fn add_primary_members(entries: Entries<'_>, edges: &mut [Edges]) {
    let by_sid = by_sid(entries.groups);
    if by_sid.is_empty() {
        return;
    }
    // Nearly everybody has the same one.
    let mut last: Option<(Sid, Option<u32>)> = None;
    for (person, place) in entries.people.iter().zip(0..) {
        let Some(sid) = primary_group(person) else { continue };
        let group = match &last {
            Some((known, group)) if *known == sid => *group,
            Some(_) | None => {
                let group = by_sid.get(&sid).copied();
                last = Some((sid, group));
                group
            }
        };
        if let Some(group) = group {
            edges[group as usize].primary.push(place);
        }
    }
}

/// The SID of a person's primary group: that of the domain, with another end.
fn primary_group(person: &Person) -> Option<Sid> {
    person.sid.as_ref()?.sibling(person.primary_group_rid?)
}

fn by_sid(groups: &[Group]) -> HashMap<&Sid, u32> {
    groups.iter().zip(0..).filter_map(|(group, place)| Some((group.sid.as_ref()?, place))).collect()
}
