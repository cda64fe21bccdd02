//! A roster in a few bytes an entry, so that another one can be held against it when it is no longer there.
//!
//! What has been followed change by change is compared with what a whole read says: any difference is a mistake of ours or of
//! the server, and is to be seen by somebody.

use super::roster::Roster;
use crate::model::{Group, Mailbox, Member, ObjectGuid, Person};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Differences that are named; all are counted.
pub const DIFFERENCES_NAMED_MAX: usize = 20;

/// What a roster was like: 24 bytes a person.
#[derive(Debug)]
pub struct Fingerprint {
    /// Sorted by identity.
    people: Vec<Print<u64>>,
    /// Sorted by identity; the entry, and its members.
    groups: Vec<Print<(u64, u64)>>,
    seeds: RandomState,
}

/// One entry.
#[derive(Debug)]
struct Print<H> {
    guid: ObjectGuid,
    hash: H,
}

/// In what two rosters differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// In how many people and groups.
    pub count: usize,
    /// The first of them, at most [`DIFFERENCES_NAMED_MAX`], each a sentence without its full stop.
    pub named: Vec<String>,
}

impl Fingerprint {
    /// That of a roster.
    pub fn of(roster: &Roster) -> Self {
        let seeds = RandomState::new();
        let people = roster.people().iter();
        let people = people.map(|person| Print { guid: person.guid, hash: of_person(&seeds, person) }).collect();
        let groups = roster.groups().iter().zip(0..);
        let groups = groups
            .map(|(group, place)| Print {
                guid: group.guid,
                hash: (of_group(&seeds, group), of_members(&seeds, roster, place)),
            })
            .collect();
        Self { people, groups, seeds }
    }

    /// What is different in another roster.
    pub fn differences(&self, now: &Roster) -> Differences {
        let mut found = Differences::default();
        let people = now.people().iter().map(|person| (person.guid, person));
        each_difference(&self.people, people, |guid, before, person| {
            let Some(person) = person else { return found.note(|| format!("the person {guid} is not there")) };
            let who = || format!("the person {} ({}, {})", person.label(), person.dn, person.guid);
            match before {
                None => found.note(|| format!("{} was not there", who())),
                Some(before) if *before != of_person(&self.seeds, person) => {
                    found.note(|| format!("{} is different", who()));
                }
                Some(_) => {}
            }
        });
        let groups = now.groups().iter().zip(0..).map(|(group, place)| (group.guid, (group, place)));
        each_difference(&self.groups, groups, |guid, before, group| {
            let Some((group, place)) = group else { return found.note(|| format!("the group {guid} is not there")) };
            let which = || format!("the group {} ({}, {})", group.name(), group.dn, group.guid);
            let Some((entry, members)) = before else { return found.note(|| format!("{} was not there", which())) };
            let same_entry = *entry == of_group(&self.seeds, group);
            match (same_entry, *members == of_members(&self.seeds, now, place)) {
                (true, true) => {}
                (true, false) => found.note(|| format!("{} has other members", which())),
                (false, true) => found.note(|| format!("{} is different", which())),
                (false, false) => found.note(|| format!("{} is different and has other members", which())),
            }
        });
        found
    }
}

impl Differences {
    fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < DIFFERENCES_NAMED_MAX {
            self.named.push(what());
        }
    }
}

/// Walks two lists that are sorted by identity together, and tells of each identity what it is in either.
fn each_difference<H, T>(
    before: &[Print<H>],
    now: impl Iterator<Item = (ObjectGuid, T)>,
    mut tell: impl FnMut(ObjectGuid, Option<&H>, Option<T>),
) {
    let mut before = before.iter().peekable();
    for (guid, entry) in now {
        while let Some(left) = before.next_if(|print| print.guid < guid) {
            tell(left.guid, Some(&left.hash), None);
        }
        let same = before.next_if(|print| print.guid == guid);
        tell(guid, same.map(|print| &print.hash), Some(entry));
    }
    before.for_each(|left| tell(left.guid, Some(&left.hash), None));
}

fn of_person(seeds: &RandomState, person: &Person) -> u64 {
    let Person { guid: _, dn, account_name, mailbox, disabled, expires, sid, primary_group_rid, details } = person;
    let mut hasher = seeds.build_hasher();
    dn.text().hash(&mut hasher);
    match mailbox {
        Mailbox::Missing => hasher.write_u8(0),
        Mailbox::Malformed(text) => (1u8, text).hash(&mut hasher),
        // As written: two spellings of one address are equal.
        Mailbox::Address(email) => (2u8, email.as_str()).hash(&mut hasher),
    }
    (account_name, disabled, expires, sid, primary_group_rid, details.as_ref().map(|it| it.mark())).hash(&mut hasher);
    hasher.finish()
}

fn of_group(seeds: &RandomState, group: &Group) -> u64 {
    let Group { guid: _, dn, account_name, common_names, sid, members: _ } = group;
    seeds.hash_one((dn.text(), account_name, common_names, sid))
}

/// Of all that leads out of a group, in whatever order.
fn of_members(seeds: &RandomState, roster: &Roster, group: u32) -> u64 {
    let edges = roster.edges_of(group);
    let people = edges.people().map(|place| seeds.hash_one(roster.person_at(place).guid));
    let groups = edges.groups().into_owned().into_iter().map(|place| seeds.hash_one(roster.group_at(place).guid));
    let unread = edges.unread().iter().map(|guid| seeds.hash_one(guid));
    // Not to be taken for an identity that was not read.
    let foreign = edges.foreign_identities().iter().map(|guid| seeds.hash_one((1u8, guid)));
    let names = edges.nobody().chain(edges.doubtful()).map(|value: &Member| seeds.hash_one(value));
    people.chain(groups).chain(unread).chain(foreign).chain(names).fold(0, u64::wrapping_add)
}
