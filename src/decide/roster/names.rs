//! Who is meant by a name: a distinguished name, a `uid`, an address.
//!
//! Names are looked up only where a group lists its members by name; the tables for that are not made before.

use super::index::Index;
use super::{Entries, Place};
use crate::model::{DnKey, Email, Group, Member, Person};
use std::borrow::Cow;

/// Who stands under which distinguished name, and who has which `uid`. Active Directory tells entries apart that
/// distinguishedNameMatch does not: several may have one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    dns: Option<Index>,
    uids: Option<Index>,
}

/// Marks a group among places of both kinds: it sorts them behind all people.
const IS_GROUP: u32 = 1 << 31;

fn coded(place: Place) -> u32 {
    match place {
        Place::Person(person) => person,
        Place::Group(group) => group | IS_GROUP,
    }
}

fn decoded(code: u32) -> Place {
    if code & IS_GROUP == 0 { Place::Person(code) } else { Place::Group(code & !IS_GROUP) }
}

impl Names {
    /// Makes the tables that are needed to look these values up, if they are not here yet.
    pub(super) fn make_for<'a>(&mut self, values: impl IntoIterator<Item = &'a Member>, entries: Entries<'_>) {
        for value in values {
            match value {
                Member::Dn(_) if self.dns.is_none() => {
                    self.dns = Some(Index::with_capacity(entries.people.len() + entries.groups.len()));
                    entries.places().for_each(|place| self.add_dn(place, entries));
                }
                Member::Uid(_) if self.uids.is_none() => {
                    self.uids = Some(Index::with_capacity(entries.people.len()));
                    entries.places().for_each(|place| self.add_uid(place, entries));
                }
                Member::Dn(_) | Member::Uid(_) | Member::Guid(_) | Member::Foreign(_) => {}
            }
        }
    }

    /// Whether anybody is looked up by name.
    pub(super) fn are_used(&self) -> bool {
        self.dns.is_some() || self.uids.is_some()
    }

    /// What a value that is a name fits, sorted, people first.
    pub(super) fn fits(&self, value: &Member, entries: Entries<'_>) -> Vec<Place> {
        let codes = match value {
            Member::Dn(key) => self
                .dns
                .as_ref()
                .map_or(&[][..], |dns| dns.get(dns.hash(key.as_str()), |code| entries.has_dn(decoded(code), key))),
            Member::Uid(uid) => self.uids.as_ref().map_or(&[][..], |uids| {
                let has_uid = |person: u32| entries.uid(person).is_some_and(|own| own == uid.as_str());
                uids.get(uids.hash(uid.as_str()), has_uid)
            }),
            Member::Guid(_) | Member::Foreign(_) => &[],
        };
        codes.iter().copied().map(decoded).collect()
    }

    /// The values, of those that are looked up, that name a person.
    pub(super) fn of_person(&self, person: &Person) -> impl Iterator<Item = Member> + use<> {
        let dn = self.dns.as_ref().map(|_| Member::Dn(person.dn.key()));
        let uid = self.uids.as_ref().and(uid(person)).map(|uid| Member::Uid(uid.into_owned()));
        dn.into_iter().chain(uid)
    }

    /// The values, of those that are looked up, that name a group.
    pub(super) fn of_group(&self, group: &Group) -> Option<Member> {
        self.dns.as_ref().map(|_| Member::Dn(group.dn.key()))
    }

    /// Takes an entry in, at its place.
    pub(super) fn add(&mut self, place: Place, entries: Entries<'_>) {
        self.add_dn(place, entries);
        self.add_uid(place, entries);
    }

    fn add_dn(&mut self, place: Place, entries: Entries<'_>) {
        let Some(dns) = &mut self.dns else { return };
        let key = entries.dn_key(place);
        let hash = dns.hash(key.as_str());
        let rehash = |dns: &Index, code| entries.with_dn_key(decoded(code), |key| dns.hash(key));
        dns.add(coded(place), hash, |code| entries.has_dn(decoded(code), &key), rehash);
    }

    fn add_uid(&mut self, place: Place, entries: Entries<'_>) {
        let (Some(uids), Place::Person(person)) = (&mut self.uids, place) else { return };
        let Some(uid) = entries.uid(person) else { return };
        let hash = uids.hash(&*uid);
        let has_uid = |other: u32| entries.uid(other).is_some_and(|other| other == uid);
        let rehash = |uids: &Index, other| uids.hash(&*entries.uid(other).unwrap_or_default());
        uids.add(person, hash, has_uid, rehash);
    }

    /// Takes an entry out, as it was when it was taken in.
    pub(super) fn remove(&mut self, place: Place, entries: Entries<'_>) {
        if let Some(dns) = &mut self.dns {
            let hash = entries.with_dn_key(place, |key| dns.hash(key));
            dns.remove(coded(place), hash);
        }
        if let (Some(uids), Place::Person(person)) = (&mut self.uids, place)
            && let Some(uid) = entries.uid(person)
        {
            uids.remove(person, uids.hash(&*uid));
        }
    }

    /// Gives every place its new number.
    pub(super) fn renumber(&mut self, person: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32) {
        if let Some(dns) = &mut self.dns {
            dns.renumber(|code| match decoded(code) {
                Place::Person(place) => coded(Place::Person(person(place))),
                Place::Group(place) => coded(Place::Group(group(place))),
            });
        }
        if let Some(uids) = &mut self.uids {
            uids.renumber(person);
        }
    }
}

impl<'a> Entries<'a> {
    fn places(self) -> impl Iterator<Item = Place> {
        let people = (0..self.people.len() as u32).map(Place::Person);
        people.chain((0..self.groups.len() as u32).map(Place::Group))
    }

    fn with_dn_key<T>(self, place: Place, use_it: impl FnOnce(&str) -> T) -> T {
        match place {
            Place::Person(person) => self.people[person as usize].dn.with_key(use_it),
            Place::Group(group) => self.groups[group as usize].dn.with_key(use_it),
        }
    }

    fn dn_key(self, place: Place) -> DnKey {
        match place {
            Place::Person(person) => self.people[person as usize].dn.key(),
            Place::Group(group) => self.groups[group as usize].dn.key(),
        }
    }

    fn has_dn(self, place: Place, key: &DnKey) -> bool {
        match place {
            Place::Person(person) => self.people[person as usize].dn.has_key(key),
            Place::Group(group) => self.groups[group as usize].dn.has_key(key),
        }
    }

    fn uid(self, person: u32) -> Option<Cow<'a, str>> {
        uid(&self.people[person as usize])
    }
}

/// The `uid` of a person as member values write it.
fn uid(person: &Person) -> Option<Cow<'_, str>> {
    let name = person.account_name.as_deref()?;
    let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) })
}

/// Who has which address.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Index);

impl Claims {
    pub(super) fn of(people: &[Person]) -> Self {
        let mut claims = Self(Index::with_capacity(people.len()));
        (0..people.len() as u32).for_each(|place| claims.add(place, people));
        claims
    }

    /// Everybody with that address, sorted.
    pub(super) fn all(&self, email: &Email, people: &[Person]) -> &[u32] {
        self.0.get(self.0.hash(email), |place| people[place as usize].mailbox.address() == Some(email))
    }

    /// The addresses that several people have, each by those people, sorted.
    pub(super) fn shared(&self) -> impl Iterator<Item = &[u32]> {
        self.0.shared()
    }

    /// Takes a person in, at that place.
    pub(super) fn add(&mut self, place: u32, people: &[Person]) {
        let address = |place: u32| people[place as usize].mailbox.address();
        let Some(email) = address(place) else { return };
        let rehash = |index: &Index, other| address(other).map_or(0, |email| index.hash(email));
        self.0.add(place, self.0.hash(email), |other| address(other) == Some(email), rehash);
    }

    /// Takes a person out, as it was when it was taken in.
    pub(super) fn remove(&mut self, place: u32, people: &[Person]) {
        if let Some(email) = people[place as usize].mailbox.address() {
            self.0.remove(place, self.0.hash(email));
        }
    }

    /// Gives every place its new number.
    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        self.0.renumber(new);
    }
}
