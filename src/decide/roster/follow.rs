//! Brings a roster up to date with what has changed.
//!
//! Law: what comes out is what [`super::absorb`] makes of a reading of the directory as it is now. For that, member values
//! that went are taken out, and names that may mean somebody else now are taken out too and kept aside, both while the
//! entries are as they were; then the entries change and get their new places; then all that came or was kept aside is
//! looked up among the entries as they are.

use super::edges::{Edges, insert, take_all};
use super::moves::{Entry, Moves, Turn};
use super::{Entries, Place, Roster, add_primary_members, by_sid, primary_group};
use crate::model::{Delta, Dn, Group, GroupChange, Member, MemberChange, ObjectGuid, Person, Sid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a roster cannot be brought up to date: the directory must be read from the beginning. The text is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedsWhole(pub String);

/// Brings a roster up to date: gives what [`super::absorb`] gives of a reading of the directory as it is now.
///
/// # Errors
/// Whenever that cannot be made sure of.
pub fn follow(before: Roster, delta: Delta) -> Result<Roster, NeedsWhole> {
    if delta.is_empty() {
        return Ok(before);
    }
    if before.is_uncertain {
        return Err(NeedsWhole("an entry came twice when the directory was last read".to_owned()));
    }
    let Change { mut people, groups, members, gone } = Change::of(&before, delta)?;
    let mut roster = before;
    let mut loose = roster.take_member_changes(members);
    roster.loosen(&people, &groups, &mut loose)?;
    roster.remove_identities(&gone, &mut loose);

    let primaries = Primaries::of(&roster, &people, &groups);
    let (came, touched) = (identities(&people.new, &groups.new), Touched::of(&people, &groups));
    roster.forget(&people, &groups);
    let all = Arc::make_mut(&mut roster.people);
    people.changed.iter_mut().for_each(|(place, person)| person.dn.share_container_of(&all[*place as usize].dn));
    let moves = (people.apply(all), groups.apply(&mut roster.groups));
    roster.renumber(&moves.0, &moves.1);
    roster.learn(&touched);
    roster.settle(&came, loose);
    primaries.settle(&mut roster);
    Ok(roster)
}

/// What has changed, as far as it makes a difference.
struct Change {
    people: Turn<Person>,
    groups: Turn<Group>,
    /// By the identity of the group.
    members: BTreeMap<ObjectGuid, MemberChange>,
    /// What is deleted; sorted.
    gone: Vec<ObjectGuid>,
}

impl Change {
    /// Checks that one thing only is said of each entry, and that everything is known of those that are new.
    fn of(before: &Roster, delta: Delta) -> Result<Self, NeedsWhole> {
        let Delta { people, groups, mut gone, hidden } = delta;
        let told = people.iter().map(|person| person.guid).chain(groups.iter().map(|change| change.group.guid));
        let mut told: Vec<ObjectGuid> = told.chain(gone.iter().copied()).chain(hidden.iter().copied()).collect();
        told.sort_unstable();
        if let Some([twice, _]) = told.array_windows().find(|[one, next]| one == next) {
            return Err(NeedsWhole(format!("the directory told two things of {twice}")));
        }
        let is_group = |person: &&Person| before.group_place(&person.guid).is_some();
        let is_person = |change: &&GroupChange| before.person_place(&change.group.guid).is_some();
        let other_kind = people.iter().find(is_group).map(|person| person.guid);
        if let Some(guid) = other_kind.or_else(|| groups.iter().find(is_person).map(|change| change.group.guid)) {
            return Err(NeedsWhole(format!("{guid} was a person and is a group now, or the other way round")));
        }
        gone.sort_unstable();
        let mut members = BTreeMap::new();
        let mut group_entries = Vec::with_capacity(groups.len());
        for GroupChange { group, members: change } in groups {
            check_members(before, &group, &change)?;
            members.insert(group.guid, change);
            group_entries.push(group);
        }
        Ok(Self {
            people: turn(&before.people, people, &gone, &hidden, Person::is_written_like),
            groups: turn(&before.groups, group_entries, &gone, &hidden, Group::is_written_like),
            members,
            gone,
        })
    }
}

fn check_members(before: &Roster, group: &Group, change: &MemberChange) -> Result<(), NeedsWhole> {
    let name = group.name();
    match change {
        MemberChange::All(_) => Ok(()),
        MemberChange::Some { .. } if before.group_place(&group.guid).is_none() => {
            Err(NeedsWhole(format!("of the new group {name} not all members are known")))
        }
        MemberChange::Some { added, removed } => {
            let added: BTreeSet<&Member> = added.iter().collect();
            match removed.iter().any(|value| added.contains(value)) {
                true => Err(NeedsWhole(format!("a member of {name} has both come and gone"))),
                false => Ok(()),
            }
        }
    }
}

/// What happens to the entries of one kind. Those that are as they were are left out.
fn turn<T: Entry>(
    before: &[T],
    mut now: Vec<T>,
    gone: &[ObjectGuid],
    hidden: &[ObjectGuid],
    is_same: impl Fn(&T, &T) -> bool,
) -> Turn<T> {
    let place = |guid: &ObjectGuid| before.binary_search_by_key(guid, Entry::guid).ok();
    let mut turn = Turn { changed: Vec::new(), new: Vec::new(), leaving: Vec::new(), hidden: Vec::new() };
    now.sort_unstable_by_key(Entry::guid);
    for entry in now {
        match place(&entry.guid()) {
            None => turn.new.push(entry),
            Some(place) if is_same(&before[place], &entry) => {}
            Some(place) => turn.changed.push((place as u32, entry)),
        }
    }
    turn.hidden = hidden.iter().filter_map(place).map(|place| place as u32).collect();
    turn.leaving = gone.iter().filter_map(place).map(|place| place as u32).chain(turn.hidden.iter().copied()).collect();
    turn.hidden.sort_unstable();
    turn.leaving.sort_unstable();
    turn
}

/// The identities of new entries, sorted.
fn identities(people: &[Person], groups: &[Group]) -> Vec<ObjectGuid> {
    let mut all: Vec<ObjectGuid> = people.iter().map(Entry::guid).chain(groups.iter().map(Entry::guid)).collect();
    all.sort_unstable();
    all
}

/// Member values that are to be looked up when the entries are as they are now, by the identity of the group.
type Loose = BTreeMap<ObjectGuid, Vec<Member>>;

/// The entries that are new or different.
struct Touched {
    people: Vec<ObjectGuid>,
    groups: Vec<ObjectGuid>,
}

impl Touched {
    fn of(people: &Turn<Person>, groups: &Turn<Group>) -> Self {
        Self { people: people.touched().collect(), groups: groups.touched().collect() }
    }
}

impl Roster {
    /// Takes out the values that went; gives those that came.
    fn take_member_changes(&mut self, members: BTreeMap<ObjectGuid, MemberChange>) -> Loose {
        let entries = Entries::of(&self.people, &self.groups);
        for change in members.values() {
            let (MemberChange::All(came) | MemberChange::Some { added: came, .. }) = change;
            self.names.make_for(came, entries);
        }
        let mut loose = Loose::new();
        for (guid, change) in members {
            let place = entries.groups.binary_search_by_key(&guid, Entry::guid);
            let edges = place.ok().map(|place| &mut self.edges[place]);
            let came = match (change, edges) {
                (MemberChange::All(all), None) => all,
                (MemberChange::All(all), Some(edges)) => {
                    edges.clear();
                    all
                }
                (MemberChange::Some { added, removed }, edges) => {
                    edges.into_iter().for_each(|edges| edges.remove(&removed, &self.names, entries));
                    added
                }
            };
            loose.insert(guid, came);
        }
        loose
    }

    /// Takes out every name that an entry had or has now, or that leaves with it: it may mean another one, several or
    /// nobody.
    ///
    /// # Errors
    /// A group that was not told of knows somebody by a name that is no more. Whether the server has changed the group with
    /// the name, it does not tell: what OpenLDAP's overlay `refint` writes is no change to those that follow.
    fn loosen(&mut self, people: &Turn<Person>, groups: &Turn<Group>, loose: &mut Loose) -> Result<(), NeedsWhole> {
        if !self.names.are_used() {
            return Ok(());
        }
        let mut values: BTreeSet<Member> = BTreeSet::new();
        let mut former: BTreeMap<Member, Dn> = BTreeMap::new();
        let mut renamed = |before: BTreeSet<Member>, now: BTreeSet<Member>, dn: &Dn| {
            values.extend(now.difference(&before).cloned());
            former.extend(before.difference(&now).map(|value| (value.clone(), dn.clone())));
        };
        for (place, person) in &people.changed {
            let before = self.person_at(*place);
            renamed(self.names.of_person(before).collect(), self.names.of_person(person).collect(), &before.dn);
        }
        for (place, group) in &groups.changed {
            let before = self.group_at(*place);
            let name = |group| self.names.of_group(group).into_iter().collect();
            renamed(name(before), name(group), &before.dn);
        }
        let leaving = people.leaving.iter().map(|place| self.person_at(*place));
        values.extend(leaving.chain(&people.new).flat_map(|person| self.names.of_person(person)));
        let leaving = groups.leaving.iter().map(|place| self.group_at(*place));
        values.extend(leaving.chain(&groups.new).filter_map(|group| self.names.of_group(group)));
        values.extend(former.keys().cloned());
        for value in values {
            let led_to = self.fits(&value);
            for (group, edges) in self.groups.iter().zip(&mut self.edges) {
                if !edges.take_named(&value, &led_to) {
                    continue;
                }
                if let Some(dn) = former.get(&value) {
                    let group = group.name();
                    return Err(NeedsWhole(format!(
                        "{dn} has another name now, and whether it is still in the group {group} is not told"
                    )));
                }
                loose.entry(group.guid).or_default().push(value.clone());
            }
        }
        Ok(())
    }

    /// Takes out the identities of what is deleted, where they lead to nobody. Those that lead to somebody go when the
    /// places are numbered anew.
    fn remove_identities(&mut self, gone: &[ObjectGuid], loose: &mut Loose) {
        if gone.is_empty() {
            return;
        }
        self.edges.iter_mut().for_each(|edges| edges.remove_unread(gone));
        for values in loose.values_mut() {
            values.retain(|value| match value {
                Member::Guid(guid) | Member::Foreign(guid) => gone.binary_search(guid).is_err(),
                Member::Dn(_) | Member::Uid(_) => true,
            });
        }
    }

    /// Takes out of the tables who leaves, and who is different now, as it was.
    fn forget(&mut self, people: &Turn<Person>, groups: &Turn<Group>) {
        let entries = Entries::of(&self.people, &self.groups);
        for place in people.left() {
            self.names.remove(Place::Person(place), entries);
            self.claims.remove(place, entries.people);
        }
        for place in groups.left() {
            self.names.remove(Place::Group(place), entries);
        }
    }

    /// Gives everything its new place.
    fn renumber(&mut self, people: &Moves, groups: &Moves) {
        if people.is_none() && groups.is_none() {
            return;
        }
        // Who has left is in no table any more.
        let (person, group) = (|place| people.to(place).unwrap_or(place), |place| groups.to(place).unwrap_or(place));
        self.names.renumber(person, group);
        self.claims.renumber(person);
        if !groups.is_none() {
            let mut edges: Vec<Edges> = Vec::new();
            edges.resize_with(self.groups.len(), Edges::default);
            for (place, of_one) in (0..).zip(std::mem::take(&mut self.edges)) {
                if let Some(to) = groups.to(place) {
                    edges[to as usize] = of_one;
                }
            }
            self.edges = edges;
        }
        self.edges.iter_mut().for_each(|edges| edges.renumber(people, groups));
    }

    /// Takes into the tables who is new or different, as it is.
    fn learn(&mut self, touched: &Touched) {
        let entries = Entries::of(&self.people, &self.groups);
        let person = |guid| entries.people.binary_search_by_key(guid, Entry::guid).ok();
        for place in touched.people.iter().filter_map(person) {
            self.names.add(Place::Person(place as u32), entries);
            self.claims.add(place as u32, entries.people);
        }
        let group = |guid| entries.groups.binary_search_by_key(guid, Entry::guid).ok();
        for place in touched.groups.iter().filter_map(group) {
            self.names.add(Place::Group(place as u32), entries);
        }
    }

    /// Looks up what came or is loose, and the identities that have been read by now.
    fn settle(&mut self, came: &[ObjectGuid], loose: Loose) {
        let entries = Entries::of(&self.people, &self.groups);
        for (guid, values) in loose {
            // A group that has left has no members any more.
            if let Ok(place) = entries.groups.binary_search_by_key(&guid, Entry::guid) {
                self.edges[place].add(values, &self.names, entries);
            }
        }
        if !came.is_empty() {
            self.edges.iter_mut().for_each(|edges| edges.settle(came, entries));
        }
    }
}

/// Whose primary group is another one.
enum Primaries {
    /// Of these people, and which one it was.
    Of(Vec<(ObjectGuid, Option<Sid>)>),
    /// The groups themselves are others: everybody is looked at.
    Everybody,
}

impl Primaries {
    fn of(before: &Roster, people: &Turn<Person>, groups: &Turn<Group>) -> Self {
        let left = groups.leaving.iter().map(|place| before.group_at(*place));
        let differs = |(place, group): &(u32, Group)| before.group_at(*place).sid != group.sid;
        if left.chain(&groups.new).any(|group| group.sid.is_some()) || groups.changed.iter().any(differs) {
            return Self::Everybody;
        }
        let changed = people.changed.iter().map(|(place, person)| (person, primary_group(before.person_at(*place))));
        let new = people.new.iter().map(|person| (person, None));
        let moved = changed.chain(new).filter(|(person, before)| primary_group(person) != *before);
        Self::Of(moved.map(|(person, before)| (person.guid, before)).collect())
    }

    fn settle(self, roster: &mut Roster) {
        let entries = Entries::of(&roster.people, &roster.groups);
        match self {
            Self::Of(moved) if moved.is_empty() => {}
            Self::Of(moved) => {
                let by_sid = by_sid(entries.groups);
                let (mut left, mut joined): (BTreeMap<u32, Vec<u32>>, BTreeMap<u32, Vec<u32>>) = Default::default();
                for (guid, before) in moved {
                    let Ok(place) = entries.people.binary_search_by_key(&guid, Entry::guid) else { continue };
                    let group = |sid: Option<Sid>| by_sid.get(&sid?).copied();
                    let now = primary_group(&entries.people[place]);
                    group(before).into_iter().for_each(|group| left.entry(group).or_default().push(place as u32));
                    group(now).into_iter().for_each(|group| joined.entry(group).or_default().push(place as u32));
                }
                for (group, places) in left {
                    take_all(&mut roster.edges[group as usize].primary, places);
                }
                for (group, places) in joined {
                    insert(&mut roster.edges[group as usize].primary, places);
                }
            }
            Self::Everybody => {
                roster.edges.iter_mut().for_each(|edges| edges.primary.clear());
                add_primary_members(entries, &mut roster.edges);
            }
        }
    }
}
