//! What the member values of one group lead to.
//!
//! Values are kept as what they lead to, four bytes each: that is enough to know the value again, since a value that led to
//! somebody is that entry's identity, or the name it has now. Only values that lead to nobody, or to several, are kept as
//! they are, so that whoever appears later is a member.

use super::moves::Moves;
use super::names::Names;
use super::{Entries, Place};
use crate::model::{Member, ObjectGuid};
use std::borrow::Cow;

/// What the member values of one group (and the primary group numbers of people) lead to. Every list is sorted and has
/// nothing twice; who is a member in several ways is in several lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decide) struct Edges {
    /// People by identity.
    people: Vec<u32>,
    /// Groups by identity.
    groups: Vec<u32>,
    /// People whose primary group it is.
    pub(super) primary: Vec<u32>,
    /// Identities of what was not read.
    unread: Vec<ObjectGuid>,
    /// Identities that stand for members of other domains.
    foreign: Vec<ObjectGuid>,
    /// What is named otherwise; most servers give identities.
    named: Option<Box<Named>>,
}

/// As [`Edges`], by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    people: Vec<u32>,
    groups: Vec<u32>,
    by_uid: Vec<u32>,
    /// Names of nobody that was read.
    nobody: Vec<Member>,
    /// Names that several entries have.
    several: Vec<Member>,
}

impl Edges {
    /// The direct and primary members, in no order; who is both comes twice.
    pub(in crate::decide) fn people(&self) -> impl Iterator<Item = u32> {
        let named = self.named.iter().flat_map(|named| named.people.iter().chain(&named.by_uid));
        self.people.iter().chain(&self.primary).chain(named).copied()
    }

    /// The direct member groups, sorted, each once: in this order the walk through sub-groups, and so the path shown, is
    /// always the same.
    pub(in crate::decide) fn groups(&self) -> Cow<'_, [u32]> {
        match self.named.as_ref().filter(|named| !named.groups.is_empty()) {
            None => Cow::Borrowed(&self.groups),
            Some(named) => {
                let mut all = self.groups.clone();
                insert(&mut all, named.groups.clone());
                Cow::Owned(all)
            }
        }
    }

    /// How many values name nobody that was read.
    pub(in crate::decide) fn unknown(&self) -> usize {
        self.unread.len() + self.nobody().filter(|value| !is_foreign(value)).count()
    }

    /// How many values name members of other domains.
    pub(in crate::decide) fn foreign(&self) -> usize {
        self.foreign.len() + self.nobody().filter(|value| is_foreign(value)).count()
    }

    /// The identities of what was not read.
    pub(in crate::decide) fn unread(&self) -> &[ObjectGuid] {
        &self.unread
    }

    /// The identities that stand for members of other domains.
    pub(in crate::decide) fn foreign_identities(&self) -> &[ObjectGuid] {
        &self.foreign
    }

    /// The values that fit several entries.
    pub(in crate::decide) fn doubtful(&self) -> impl Iterator<Item = &Member> {
        self.named.iter().flat_map(|named| &named.several)
    }

    /// The values that name nobody that was read, by name.
    pub(in crate::decide) fn nobody(&self) -> impl Iterator<Item = &Member> {
        self.named.iter().flat_map(|named| &named.nobody)
    }

    /// Adds values, each as what it leads to now.
    pub(super) fn add(&mut self, values: Vec<Member>, names: &Names, entries: Entries<'_>) {
        let mut identities = Vec::with_capacity(values.len());
        let (mut foreign, mut named) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Member::Guid(guid) => identities.push(guid),
                Member::Foreign(guid) => foreign.push(guid),
                Member::Dn(_) | Member::Uid(_) => named.push(value),
            }
        }
        insert(&mut self.foreign, foreign);
        self.add_identities(identities, entries);
        self.add_named(named, names, entries);
    }

    /// As [`Self::add`], of identities.
    pub(super) fn add_identities(&mut self, mut identities: Vec<ObjectGuid>, entries: Entries<'_>) {
        identities.sort_unstable();
        identities.dedup();
        let person = |place: usize| match entries.identities {
            Some(identities) => identities.get(place).copied(),
            None => entries.people.get(place).map(|person| person.guid),
        };
        let (people, rest) = find_sorted(identities, entries.people.len(), person);
        let group = |place: usize| entries.groups.get(place).map(|group| group.guid);
        let (groups, rest) = find_sorted(rest, entries.groups.len(), group);
        insert(&mut self.people, people);
        insert(&mut self.groups, groups);
        insert(&mut self.unread, rest);
    }

    fn add_named(&mut self, values: Vec<Member>, names: &Names, entries: Entries<'_>) {
        if values.is_empty() {
            return;
        }
        let mut new = Named::default();
        for value in values {
            match (names.fits(&value, entries).as_slice(), &value) {
                ([Place::Person(person)], Member::Uid(_)) => new.by_uid.push(*person),
                ([Place::Person(person)], _) => new.people.push(*person),
                ([Place::Group(group)], _) => new.groups.push(*group),
                ([], _) => new.nobody.push(value),
                ([_, ..], _) => new.several.push(value),
            }
        }
        let Named { people, groups, by_uid, nobody, several } = new;
        let named = self.named.get_or_insert_default();
        insert(&mut named.people, people);
        insert(&mut named.groups, groups);
        insert(&mut named.by_uid, by_uid);
        insert(&mut named.nobody, nobody);
        insert(&mut named.several, several);
    }

    /// Takes values out; `names` and `entries` are those they were last brought in line with.
    pub(super) fn remove(&mut self, values: &[Member], names: &Names, entries: Entries<'_>) {
        let (mut people, mut groups, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Member::Guid(guid) => match entries.by_identity(guid) {
                    Some(Place::Person(person)) => people.push(person),
                    Some(Place::Group(group)) => groups.push(group),
                    None => unread.push(*guid),
                },
                Member::Foreign(guid) => {
                    take(&mut self.foreign, guid);
                }
                Member::Dn(_) | Member::Uid(_) => {
                    self.take_named(value, &names.fits(value, entries));
                }
            }
        }
        take_all(&mut self.people, people);
        take_all(&mut self.groups, groups);
        take_all(&mut self.unread, unread);
    }

    /// Takes out a name that led to this; whether it was there.
    pub(super) fn take_named(&mut self, value: &Member, led_to: &[Place]) -> bool {
        let Some(named) = &mut self.named else { return false };
        let was_there = match (led_to, value) {
            ([Place::Person(person)], Member::Uid(_)) => take(&mut named.by_uid, person),
            ([Place::Person(person)], _) => take(&mut named.people, person),
            ([Place::Group(group)], _) => take(&mut named.groups, group),
            ([], _) => take(&mut named.nobody, value),
            ([_, ..], _) => take(&mut named.several, value),
        };
        if **named == Named::default() {
            self.named = None;
        }
        was_there
    }

    /// Forgets all values; who is a member by primary group stays.
    pub(super) fn clear(&mut self) {
        *self = Self { primary: std::mem::take(&mut self.primary), ..Self::default() };
    }

    /// Takes out identities that are deleted, as far as they lead to nobody; see [`Self::renumber`] for the others.
    pub(super) fn remove_unread(&mut self, gone: &[ObjectGuid]) {
        for list in [&mut self.unread, &mut self.foreign] {
            let gone = common(list, gone);
            take_all(list, gone);
        }
    }

    /// Lets the identities that have been read by now lead to their entries.
    pub(super) fn settle(&mut self, read: &[ObjectGuid], entries: Entries<'_>) {
        let found = common(&self.unread, read);
        if !found.is_empty() {
            take_all(&mut self.unread, found.clone());
            self.add_identities(found, entries);
        }
    }

    /// Gives every place its new number. Who has none any more is taken out, but for the identities that stay.
    pub(super) fn renumber(&mut self, people: &Moves, groups: &Moves) {
        let mut unread = Vec::new();
        people.renumber(&mut self.people, |hidden| unread.push(hidden));
        groups.renumber(&mut self.groups, |hidden| unread.push(hidden));
        insert(&mut self.unread, unread);
        people.renumber(&mut self.primary, |_| {});
        if let Some(named) = &mut self.named {
            people.renumber(&mut named.people, |_| {});
            people.renumber(&mut named.by_uid, |_| {});
            groups.renumber(&mut named.groups, |_| {});
        }
    }

    /// Gives back what was allocated for more.
    pub(super) fn shrink(&mut self) {
        self.people.shrink_to_fit();
        self.primary.shrink_to_fit();
    }
}

/// Whether a name of nobody stands for a member of another domain.
fn is_foreign(value: &Member) -> bool {
    match value {
        Member::Dn(key) => key.is_foreign_principal(),
        Member::Foreign(_) => true,
        Member::Guid(_) | Member::Uid(_) => false,
    }
}

/// The places of these identities among `count` that are sorted, and those that are not among them; all of it sorted.
fn find_sorted(
    identities: Vec<ObjectGuid>,
    count: usize,
    at: impl Fn(usize) -> Option<ObjectGuid>,
) -> (Vec<u32>, Vec<ObjectGuid>) {
    let (mut places, mut rest) = (Vec::with_capacity(identities.len()), Vec::new());
    let mut from = 0;
    for identity in identities {
        let is_before = |place: usize| at(place).is_some_and(|other| other < identity);
        // Steps twice as long each time, from where the last one was: a few looks for the many of a large group.
        let mut step = 1;
        while is_before(from + step) {
            from += step;
            step *= 2;
        }
        let mut end = count.min(from + step + 1);
        while from < end {
            let middle = from.midpoint(end);
            if is_before(middle) { from = middle + 1 } else { end = middle }
        }
        match at(from) {
            Some(found) if found == identity => places.push(from as u32),
            Some(_) | None => rest.push(identity),
        }
    }
    (places, rest)
}

/// Puts more into a sorted list that has nothing twice.
pub(super) fn insert<T: Ord>(list: &mut Vec<T>, mut more: Vec<T>) {
    if list.is_empty() {
        more.sort_unstable();
        more.dedup();
        *list = more;
    } else if more.len() == 1 {
        for value in more {
            if let Err(index) = list.binary_search(&value) {
                list.reserve_exact(1);
                list.insert(index, value);
            }
        }
    } else if !more.is_empty() {
        list.reserve_exact(more.len());
        list.append(&mut more);
        // Two sorted runs are merged, not sorted.
        list.sort();
        list.dedup();
    }
}

/// Takes one value out of a sorted list; whether it was there.
fn take<T: Ord>(list: &mut Vec<T>, value: &T) -> bool {
    let found = list.binary_search(value);
    found.is_ok_and(|index| {
        list.remove(index);
        true
    })
}

/// Takes values out of a sorted list.
pub(super) fn take_all<T: Ord>(list: &mut Vec<T>, mut values: Vec<T>) {
    if let [value] = values.as_slice() {
        take(list, value);
    } else if !values.is_empty() {
        values.sort_unstable();
        list.retain(|value| values.binary_search(value).is_err());
    }
}

/// What is in both of two sorted lists.
fn common<T: Ord + Copy>(one: &[T], other: &[T]) -> Vec<T> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    if short.is_empty() {
        return Vec::new();
    }
    short.iter().filter(|value| long.binary_search(value).is_ok()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_found_however_far_apart_they_are() {
        let guid = |number: u32| ObjectGuid::from_u128(u128::from(number));
        let entries: Vec<ObjectGuid> = (0..500).filter(|number| number % 5 != 0).map(guid).collect();
        for step in [1, 2, 7, 100, 499] {
            let wanted: Vec<ObjectGuid> = (0..600).step_by(step).map(guid).collect();
            let (places, rest) = find_sorted(wanted.clone(), entries.len(), |place| entries.get(place).copied());
            let (found, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|guid| entries.contains(guid));
            assert_eq!(places.iter().map(|place| entries[*place as usize]).collect::<Vec<_>>(), found, "{step}");
            assert_eq!(rest, missing, "{step}");
        }
        assert_eq!(find_sorted(vec![guid(1)], 0, |_| None), (vec![], vec![guid(1)]));
    }

    #[test]
    fn sorted_lists_stay_sorted_and_have_nothing_twice() {
        for (list, more, expected) in [
            (vec![], vec![3, 1, 3], vec![1, 3]),
            (vec![1, 3], vec![2], vec![1, 2, 3]),
            (vec![1, 3], vec![3], vec![1, 3]),
            (vec![1, 3], vec![5, 3, 0], vec![0, 1, 3, 5]),
            (vec![1, 3], vec![], vec![1, 3]),
        ] {
            let mut list = list;
            insert(&mut list, more);
            assert_eq!(list, expected);
        }
        let mut list = vec![1, 3, 5, 7];
        take_all(&mut list, vec![7, 2, 1]);
        take_all(&mut list, vec![4]);
        assert_eq!((list.as_slice(), common(&list, &[2, 3, 4]).as_slice()), (&[3, 5][..], &[3][..]));
    }
}
