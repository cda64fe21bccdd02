//! Entries come and go, and the places of all others move.

use crate::model::{Group, ObjectGuid, Person};

/// Something with an identity, sorted by it.
pub(super) trait Entry {
    fn guid(&self) -> ObjectGuid;
}

impl Entry for Person {
    fn guid(&self) -> ObjectGuid {
        self.guid
    }
}

impl Entry for Group {
    fn guid(&self) -> ObjectGuid {
        self.guid
    }
}

/// What happens to entries that are sorted by identity.
pub(super) struct Turn<T> {
    /// Those that are different, by place; sorted.
    pub(super) changed: Vec<(u32, T)>,
    /// Those that come; sorted, and none of them is here already.
    pub(super) new: Vec<T>,
    /// Places of those that go; sorted.
    pub(super) leaving: Vec<u32>,
    /// Of these, those whose identity stays where a member value names it; sorted.
    pub(super) hidden: Vec<u32>,
}

/// Where every place has gone to.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// The new place by the old one, [`NOWHERE`] for who has left; `None` when nothing has moved.
    to: Option<Vec<u32>>,
    /// Old places whose identity stays, with it.
    hidden: Vec<(u32, ObjectGuid)>,
}

const NOWHERE: u32 = u32::MAX;

impl<T: Entry> Turn<T> {
    /// The identities of those that are new or different.
    pub(super) fn touched(&self) -> impl Iterator<Item = ObjectGuid> {
        self.changed.iter().map(|(_, entry)| entry.guid()).chain(self.new.iter().map(Entry::guid))
    }

    /// The places of those that go or are different.
    pub(super) fn left(&self) -> impl Iterator<Item = u32> {
        self.leaving.iter().copied().chain(self.changed.iter().map(|(place, _)| *place))
    }

    /// Does it, and tells where everything went.
    pub(super) fn apply(self, all: &mut Vec<T>) -> Moves {
        let Self { changed, new, leaving, hidden } = self;
        for (place, entry) in changed {
            all[place as usize] = entry;
        }
        if new.is_empty() && leaving.is_empty() {
            return Moves::default();
        }
        let hidden = hidden.into_iter().map(|place| (place, all[place as usize].guid())).collect();
        let to = destinations(all, &new, &leaving);
        if !leaving.is_empty() {
            let mut place = 0;
            all.retain(|_| {
                place += 1;
                to[place - 1] != NOWHERE
            });
        }
        all.reserve_exact(new.len());
        all.extend(new);
        // Two sorted runs: they are merged.
        all.sort_by_key(Entry::guid);
        Moves { to: Some(to), hidden }
    }
}

fn destinations<T: Entry>(all: &[T], new: &[T], leaving: &[u32]) -> Vec<u32> {
    // Where the numbers begin to differ by one more, or one less.
    let mut bends: Vec<(u32, bool)> = leaving.iter().map(|place| (*place, false)).collect();
    let arrivals = new.iter().map(|entry| {
        let guid = entry.guid();
        (all.partition_point(|other| other.guid() < guid) as u32, true)
    });
    bends.extend(arrivals);
    // Who arrives at a place comes before whoever leaves it.
    bends.sort_by_key(|(place, is_arrival)| (*place, !is_arrival));
    let mut to = Vec::with_capacity(all.len());
    let mut next = 0;
    for (place, is_arrival) in bends {
        let stretch = place - to.len() as u32;
        to.extend(next..next + stretch);
        next += stretch;
        if is_arrival {
            next += 1;
        } else {
            to.push(NOWHERE);
        }
    }
    to.extend(next..next + (all.len() - to.len()) as u32);
    to
}

impl Moves {
    /// Whether every place is as it was.
    pub(super) fn is_none(&self) -> bool {
        self.to.is_none()
    }

    /// The new place; `None` for who has left.
    pub(super) fn to(&self, place: u32) -> Option<u32> {
        match &self.to {
            None => Some(place),
            Some(to) => to.get(place as usize).copied().filter(|to| *to != NOWHERE),
        }
    }

    /// Gives every place of a sorted list its new number, and takes out whoever has left. Those whose identity stays are
    /// told of.
    pub(super) fn renumber(&self, places: &mut Vec<u32>, mut hidden: impl FnMut(ObjectGuid)) {
        if self.is_none() {
            return;
        }
        places.retain_mut(|place| match self.to(*place) {
            Some(to) => {
                *place = to;
                true
            }
            None => {
                if let Ok(index) = self.hidden.binary_search_by_key(place, |(place, _)| *place) {
                    hidden(self.hidden[index].1);
                }
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    impl Entry for u32 {
        fn guid(&self) -> ObjectGuid {
            ObjectGuid::from_u128(u128::from(*self))
        }
    }

    proptest! {
        #[test]
        fn every_place_leads_to_where_its_entry_is(
            before in prop::collection::btree_set(0u32..30, 0..20),
            new in prop::collection::btree_set(0u32..30, 0..20),
            leaving in prop::collection::btree_set(0u32..30, 0..20),
        ) {
            let all: Vec<u32> = before.iter().copied().collect();
            let place = |entry: &u32| all.binary_search(entry).ok().map(|place| place as u32);
            let new: BTreeSet<u32> = new.difference(&before).copied().collect();
            let leaving: Vec<u32> = leaving.iter().filter_map(place).collect();
            let hidden: Vec<u32> = leaving.iter().copied().filter(|place| place % 2 == 0).collect();
            let turn = Turn { changed: Vec::new(), new: new.iter().copied().collect(), leaving: leaving.clone(), hidden };
            let mut after = all.clone();
            let moves = turn.apply(&mut after);
            let expected: BTreeSet<u32> =
                all.iter().filter(|entry| place(entry).is_none_or(|at| !leaving.contains(&at))).chain(&new).copied().collect();
            prop_assert!(after.iter().eq(&expected));
            for (old, entry) in (0..).zip(&all) {
                prop_assert_eq!(moves.to(old).map(|to| after[to as usize]), (!leaving.contains(&old)).then_some(*entry));
            }
            let (mut places, mut kept) = ((0..all.len() as u32).collect::<Vec<_>>(), Vec::new());
            moves.renumber(&mut places, |guid| kept.push(guid));
            prop_assert!(places.iter().map(|place| after[*place as usize]).all(|entry| before.contains(&entry)));
            prop_assert_eq!(places.len() + leaving.len(), all.len());
            prop_assert!(kept.iter().eq(&leaving.iter().filter(|place| *place % 2 == 0).map(|place| all[*place as usize].guid()).collect::<Vec<_>>()));
        }
    }
}
