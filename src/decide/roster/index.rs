//! Places by a text that each of them has, and that several may have.
//!
//! The texts themselves are kept nowhere here: whoever asks says how a place is compared with the one that is looked for.
//! The texts come from whoever may write to the directory, who must not be able to choose a hundred thousand that fall
//! together: hashes are seeded by chance. What is made of such a hash is seen by nobody, nor in what order the table stands,
//! and nobody can measure it one by one from outside, so the quick foldhash is enough of a defence.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};

/// Places by text.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// For each text the first place that has it.
    first: HashTable<u32>,
    /// All the places of a text that several have, sorted, under the first.
    shared: BTreeMap<u32, Vec<u32>>,
    seeds: RandomState,
}

impl Index {
    pub(super) fn with_capacity(places: usize) -> Self {
        Self { first: HashTable::with_capacity(places), ..Self::default() }
    }

    /// The hash by which a text is found.
    pub(super) fn hash(&self, text: &(impl Hash + ?Sized)) -> u64 {
        self.seeds.hash_one(text)
    }

    /// The places with the text of that hash, sorted.
    pub(super) fn get(&self, hash: u64, has_text: impl Fn(u32) -> bool) -> &[u32] {
        match self.first.find(hash, |place| has_text(*place)) {
            None => &[],
            Some(first) => self.shared.get(first).map_or(std::slice::from_ref(first), Vec::as_slice),
        }
    }

    /// Each text that several places have, by those places; in the order of the first.
    pub(super) fn shared(&self) -> impl Iterator<Item = &[u32]> {
        self.shared.values().map(Vec::as_slice)
    }

    /// Adds a place whose text has that hash. `rehash` tells the hash of a place that is here.
    pub(super) fn add(
        &mut self,
        place: u32,
        hash: u64,
        has_text: impl Fn(u32) -> bool,
        rehash: impl Fn(&Self, u32) -> u64,
    ) {
        let mut first = std::mem::take(&mut self.first);
        match first.entry(hash, |place| has_text(*place), |place| rehash(self, *place)) {
            Entry::Vacant(slot) => {
                slot.insert(place);
            }
            Entry::Occupied(mut slot) => {
                let mut all = self.shared.remove(slot.get()).unwrap_or_else(|| vec![*slot.get()]);
                if let Err(index) = all.binary_search(&place) {
                    all.insert(index, place);
                }
                *slot.get_mut() = place.min(*slot.get());
                if all.len() > 1 {
                    self.shared.insert(*slot.get(), all);
                }
            }
        }
        self.first = first;
    }

    /// Takes a place out that was added with that hash.
    pub(super) fn remove(&mut self, place: u32, hash: u64) {
        let is_there = |first: &u32| {
            *first == place || self.shared.get(first).is_some_and(|all| all.binary_search(&place).is_ok())
        };
        let Ok(mut slot) = self.first.find_entry(hash, is_there) else { return };
        let Some(mut all) = self.shared.remove(slot.get()) else {
            slot.remove();
            return;
        };
        all.retain(|other| *other != place);
        if let Some(first) = all.first() {
            *slot.get_mut() = *first;
            if all.len() > 1 {
                self.shared.insert(*first, all);
            }
        }
    }

    /// Gives every place its new number. The order of the places stays.
    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        self.first.iter_mut().for_each(|place| *place = new(*place));
        let shared = std::mem::take(&mut self.shared);
        self.shared =
            shared.into_iter().map(|(first, all)| (new(first), all.into_iter().map(&new).collect())).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of texts by place.
        #[test]
        fn whatever_comes_and_goes_each_text_has_its_places(steps in prop::collection::vec((0u32..40, 0u8..8), 0..200)) {
            let mut texts: BTreeMap<u32, u8> = BTreeMap::new();
            let mut index = Index::default();
            for (place, text) in steps {
                if let Some(before) = texts.remove(&place) {
                    index.remove(place, index.hash(&before));
                } else {
                    let hash = index.hash(&text);
                    let text_of = texts.clone();
                    index.add(place, hash, |place| text_of[&place] == text, |index, place| index.hash(&text_of[&place]));
                    texts.insert(place, text);
                }
                let mut moved = index.clone();
                moved.renumber(|place| place * 2 + 1);
                let mut shared: Vec<Vec<u32>> = Vec::new();
                for text in 0u8..8 {
                    let places: Vec<u32> = texts.iter().filter(|(_, its)| **its == text).map(|(place, _)| *place).collect();
                    prop_assert_eq!(index.get(index.hash(&text), |place| texts[&place] == text), &places);
                    let new: Vec<u32> = places.iter().map(|place| place * 2 + 1).collect();
                    prop_assert_eq!(moved.get(moved.hash(&text), |place| texts[&(place / 2)] == text), &new);
                    shared.extend((places.len() > 1).then_some(places));
                }
                shared.sort();
                prop_assert!(index.shared().eq(shared.iter().map(Vec::as_slice)));
            }
        }
    }
}
