//! The directory as last read: indexed, and every member value resolved to an identity.
//!
//! People and groups stand sorted by identity and are spoken of by their place in that order, so that whatever is made
//! of them does not depend on the order in which a server gave them.

use crate::model::{
    Delta, DnKey, Email, Group, Member, ObjectGuid, Person, Reading, Sid, Timestamp, Warning, WarningKind,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The directory as last read.
#[derive(Clone, Debug)]
pub struct Roster {
    people: Arc<Vec<Person>>,
    groups: Vec<Group>,
    edges: Vec<Edges>,
    person_places: HashMap<ObjectGuid, u32>,
    group_places: HashMap<ObjectGuid, u32>,
    names: Names,
    claims: Claims,
    warnings: Vec<Warning>,
}

/// What the member values of one group (and the primary group numbers of people) lead to.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    /// Direct and primary members, in no order; who is both comes twice.
    pub(super) people: Vec<u32>,
    /// Direct member groups, sorted, each once.
    pub(super) groups: Vec<u32>,
    /// Values that name nobody we have read.
    pub(super) unknown: usize,
    /// Values that name members of other domains.
    pub(super) foreign: usize,
    /// Values that fit several entries.
    pub(super) doubts: Vec<Doubt>,
}

/// A member value that fits several entries.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// The value.
    pub(super) name: String,
    /// What it could mean.
    pub(super) fits: Vec<Place>,
}

/// A person or a group, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Person(u32),
    Group(u32),
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
    let people = sorted_people(people, &mut warnings);
    let mut groups = sorted_groups(groups, &mut warnings);
    let names = Names::of(&people, &groups);
    let person_places = places(people.iter().map(|person| person.guid));
    let group_places = places(groups.iter().map(|group| group.guid));
    let by_identity = |guid: &ObjectGuid| {
        let group = || group_places.get(guid).copied().map(Place::Group);
        person_places.get(guid).copied().map(Place::Person).or_else(group)
    };
    let edges = resolve(&people, &mut groups, &names, by_identity);
    Roster {
        person_places,
        group_places,
        claims: Claims::of(&people),
        people: Arc::new(people),
        groups,
        edges,
        names,
        warnings,
    }
}

/// Why a roster cannot be brought up to date: the directory must be read from the beginning. The text is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedsWhole(pub String);

/// Brings a roster up to date: gives what [`absorb`] gives of a reading of the directory as it is now.
///
/// # Errors
/// Whenever that cannot be made sure of.
pub fn follow(before: Roster, delta: Delta) -> Result<Roster, NeedsWhole> {
    if delta.is_empty() { Ok(before) } else { Err(NeedsWhole("something has changed".to_owned())) }
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
        self.person_places.get(guid).map(|place| &self.people[*place as usize])
    }

    /// Who is meant by an e-mail, sAMAccountName, DN or GUID: nobody, one, or several. Sorted by identity.
    pub fn find(&self, who: &str) -> Vec<&Person> {
        let who = who.trim();
        let (guid, email, key) = (ObjectGuid::parse(who), Email::parse(who), DnKey::of(who));
        let is_meant = |person: &&Person| {
            guid == Some(person.guid)
                || (email.is_some() && person.mailbox.address() == email.as_ref())
                || person.account_name.as_deref().is_some_and(|name| same_name(name, who))
                || *person.dn.key() == key
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
        self.person_places.get(guid).copied()
    }

    pub(super) fn group_place(&self, guid: &ObjectGuid) -> Option<u32> {
        self.group_places.get(guid).copied()
    }

    /// The groups of that name, sorted.
    pub(super) fn groups_named(&self, key: &DnKey) -> Vec<u32> {
        let group = |place: &Place| match place {
            Place::Group(group) => Some(*group),
            Place::Person(_) => None,
        };
        self.names.get(key).iter().filter_map(group).collect()
    }

    /// Everybody with that address, enabled or not, sorted.
    pub(super) fn with_address<'a>(&'a self, email: &Email) -> impl Iterator<Item = u32> + 'a {
        self.claims.all(email)
    }

    /// The addresses that several people have, each with those people, sorted.
    pub(super) fn shared_addresses(&self) -> impl Iterator<Item = Vec<u32>> + '_ {
        self.claims.shared.iter().map(|first| self.claims.chain(Some(*first)).collect())
    }

    /// The one enabled person with that address; `None` when nobody or several have it.
    pub(super) fn only_enabled(&self, email: &Email, now: Timestamp) -> Option<u32> {
        let mut enabled = self.with_address(email).filter(|place| self.person_at(*place).is_enabled(now));
        enabled.next().filter(|_| enabled.next().is_none())
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
    people.sort_unstable_by(|a, b| a.guid.cmp(&b.guid).then_with(|| a.dn.key().cmp(b.dn.key())));
    people.dedup_by(|later, kept| {
        let twice = later.guid == kept.guid;
        if twice {
            warnings.push(read_twice(&kept.guid, kept.dn.as_str(), later.dn.as_str()));
        }
        twice
    });
    people
}

/// As [`sorted_people`]; the member values of both are kept, so that nobody drops out of the group by it.
fn sorted_groups(mut groups: Vec<Group>, warnings: &mut Vec<Warning>) -> Vec<Group> {
    groups.sort_unstable_by(|a, b| a.guid.cmp(&b.guid).then_with(|| a.dn.key().cmp(b.dn.key())));
    groups.dedup_by(|later, kept| {
        let twice = later.guid == kept.guid;
        if twice {
            warnings.push(read_twice(&kept.guid, kept.dn.as_str(), later.dn.as_str()));
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

fn places(guids: impl ExactSizeIterator<Item = ObjectGuid>) -> HashMap<ObjectGuid, u32> {
    guids.zip(0..).collect()
}

/// Who stands under which normalised DN.
#[derive(Clone, Debug, Default)]
struct Names {
    single: HashMap<DnKey, Place>,
    /// Names that several entries share. Active Directory tells entries apart that distinguishedNameMatch does not.
    several: HashMap<DnKey, Vec<Place>>,
}

impl Names {
    fn of(people: &[Person], groups: &[Group]) -> Self {
        let mut names = Self { single: HashMap::with_capacity(people.len() + groups.len()), several: HashMap::new() };
        for (person, place) in people.iter().zip(0..) {
            names.add(person.dn.key(), Place::Person(place));
        }
        for (group, place) in groups.iter().zip(0..) {
            names.add(group.dn.key(), Place::Group(place));
        }
        names
    }

    fn add(&mut self, key: &DnKey, place: Place) {
        if let Some(first) = self.single.insert(key.clone(), place) {
            self.several.entry(key.clone()).or_insert_with(|| vec![first]).push(place);
        }
    }

    fn get(&self, key: &DnKey) -> &[Place] {
        match self.single.get(key) {
            None => &[],
            Some(place) if self.several.is_empty() => std::slice::from_ref(place),
            Some(place) => self.several.get(key).map_or(std::slice::from_ref(place), Vec::as_slice),
        }
    }
}

/// Who has which address: the first of each in a map, the others chained behind, which costs four bytes a person.
#[derive(Clone, Debug, Default)]
struct Claims {
    first: HashMap<Email, u32>,
    next: Vec<Option<u32>>,
    /// The first of each address that several people have, in the order of the first.
    shared: Vec<u32>,
}

impl Claims {
    fn of(people: &[Person]) -> Self {
        let mut claims =
            Self { first: HashMap::with_capacity(people.len()), next: vec![None; people.len()], shared: Vec::new() };
        // From the last to the first, so that each chain begins with its first and goes up.
        for (person, place) in people.iter().zip(0..people.len() as u32).rev() {
            if let Some(email) = person.mailbox.address() {
                claims.next[place as usize] = claims.first.insert(email.clone(), place);
            }
        }
        let begins = |place: &u32| {
            let person = &people[*place as usize];
            person.mailbox.address().is_some_and(|email| claims.first.get(email) == Some(place))
        };
        claims.shared = claims
            .next
            .iter()
            .zip(0..)
            .filter(|(next, _)| next.is_some())
            .map(|(_, place)| place)
            .filter(begins)
            .collect();
        claims
    }

    fn chain(&self, first: Option<u32>) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(first, |place| self.next[*place as usize])
    }

    fn all(&self, email: &Email) -> impl Iterator<Item = u32> + '_ {
        self.chain(self.first.get(email).copied())
    }
}

/// Turns member values and primary group numbers into edges, and gives the memory of the values back.
fn resolve(
    people: &[Person],
    groups: &mut [Group],
    names: &Names,
    by_identity: impl Fn(&ObjectGuid) -> Option<Place>,
) -> Vec<Edges> {
    let uids = uids(people, groups);
    let mut edges: Vec<Edges> = groups
        .iter_mut()
        .map(|group| {
            let mut edges = Edges::default();
            let mut members = std::mem::take(&mut group.members);
            members.sort_unstable();
            members.dedup();
            for member in members {
                match &member {
                    Member::Guid(guid) => edges.add(by_identity(guid).as_slice(), "", false),
                    Member::Foreign(_) => edges.foreign += 1,
                    Member::Dn(key) => edges.add(names.get(key), key.as_str(), key.is_foreign_principal()),
                    Member::Uid(uid) => edges.add(uids.get(uid).map_or(&[], Vec::as_slice), uid, false),
                }
            }
            edges
        })
        .collect();
    add_primary_members(people, groups, &mut edges);
    for edges in &mut edges {
        edges.people.shrink_to_fit();
        // In this order the walk through sub-groups, and so the path shown, is always the same.
        edges.groups.sort_unstable();
        edges.groups.dedup();
    }
    edges
}

impl Edges {
    fn add(&mut self, fits: &[Place], name: &str, is_foreign: bool) {
        match fits {
            [Place::Person(person)] => self.people.push(*person),
            [Place::Group(group)] => self.groups.push(*group),
            [] if is_foreign => self.foreign += 1,
            [] => self.unknown += 1,
            several => self.doubts.push(Doubt { name: name.to_owned(), fits: several.to_vec() }),
        }
    }
}

/// People by `uid`, wanted only where a group lists members that way (RFC 2307).
fn uids(people: &[Person], groups: &[Group]) -> HashMap<String, Vec<Place>> {
    let mut uids: HashMap<String, Vec<Place>> = HashMap::new();
    if groups.iter().any(|group| group.members.iter().any(|member| matches!(member, Member::Uid(_)))) {
        for (person, place) in people.iter().zip(0..) {
            if let Some(name) = &person.account_name {
                uids.entry(name.to_lowercase()).or_default().push(Place::Person(place));
            }
        }
    }
    uids
}

/// Membership in the primary group stands in no member value, only in the person's `primaryGroupID` (MS-ADTS 3.1.1.2.3).
fn add_primary_members(people: &[Person], groups: &[Group], edges: &mut [Edges]) {
    let by_sid: HashMap<&Sid, usize> =
        groups.iter().enumerate().filter_map(|(place, group)| Some((group.sid.as_ref()?, place))).collect();
    if by_sid.is_empty() {
        return;
    }
    for (person, place) in people.iter().zip(0..) {
        if let (Some(sid), Some(rid)) = (&person.sid, person.primary_group_rid)
            && let Some(group) = sid.sibling(rid).and_then(|sid| by_sid.get(&sid))
        {
            edges[*group].people.push(place);
        }
    }
}
