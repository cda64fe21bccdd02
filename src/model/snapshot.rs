//! What the account store last confirmed, by person: a million of them in little memory.
//!
//! People stand sorted by identity in chunks of at most `CHUNK_MAX`: finding one is two binary searches, and learning
//! about one moves no more than its chunk. Whoever comes in order fills the chunks to the brim. What equal seats have in
//! common, the name of the tier, is kept once.

use super::{Fact, Holding, ObjectGuid, Seat};
use std::collections::HashMap;
use std::fmt;

/// Most people in one chunk: of 24 KB, which are moved in less than a microsecond.
const CHUNK_MAX: usize = 256;

/// What the account store last confirmed, by person. A person without an entry is vacant as far as we know.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// In the order of the identities; none is empty.
    chunks: Vec<Chunk>,
    /// How many have the same seat. Each seat of the snapshot shares its tier with the key here.
    alike: HashMap<Seat, usize>,
}

/// Some neighbours.
#[derive(Clone)]
struct Chunk {
    /// Not above the first of them, and above everybody in the chunk before. Kept here so that looking for a chunk touches none.
    first: ObjectGuid,
    people: Vec<(ObjectGuid, Holding)>,
}

impl Chunk {
    fn insert(&mut self, place: usize, guid: ObjectGuid, holding: Holding) {
        self.first = self.first.min(guid);
        self.people.insert(place, (guid, holding));
    }
}

impl Snapshot {
    /// The person's account, if one is known.
    pub fn get(&self, guid: &ObjectGuid) -> Option<&Holding> {
        let people = &self.chunks.get(self.chunk_of(guid))?.people;
        let place = people.binary_search_by_key(guid, |(each, _)| *each).ok()?;
        people.get(place).map(|(_, holding)| holding)
    }

    /// The person's seat; vacant when no account is known.
    pub fn seat(&self, guid: &ObjectGuid) -> Seat {
        self.get(guid).map_or(Seat::Vacant, |holding| holding.seat.clone())
    }

    /// Sorted by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectGuid, &Holding)> {
        self.chunks.iter().flat_map(|chunk| &chunk.people).map(|(guid, holding)| (guid, holding))
    }

    /// Accounts known, seated or not.
    pub fn len(&self) -> usize {
        self.alike.values().sum()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.alike.is_empty()
    }

    /// Seats in use: what percentages of the limits are of.
    pub fn held(&self) -> usize {
        self.seats().filter(|(seat, _)| seat.is_held()).map(|(_, accounts)| accounts).sum()
    }

    /// Every seat that somebody holds and how many do, in no order. As many as there are tiers, not as there are people.
    pub fn seats(&self) -> impl Iterator<Item = (&Seat, usize)> {
        self.alike.iter().map(|(seat, accounts)| (seat, *accounts))
    }

    /// Takes a confirmed fact in.
    pub fn learn(&mut self, guid: ObjectGuid, fact: &Fact) {
        match fact {
            Fact::Unchanged => {}
            Fact::Holds(holding) => self.put(guid, holding.clone()),
            Fact::NoAccount => self.remove(&guid),
        }
    }

    /// The index of the only chunk that can have the person.
    fn chunk_of(&self, guid: &ObjectGuid) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= *guid).saturating_sub(1)
    }

    fn put(&mut self, guid: ObjectGuid, mut holding: Holding) {
        holding.seat = self.count(holding.seat);
        let index = self.chunk_of(&guid);
        let Some(chunk) = self.chunks.get_mut(index) else {
            return self.chunks.push(Chunk { first: guid, people: vec![(guid, holding)] });
        };
        match chunk.people.binary_search_by_key(&guid, |(each, _)| *each) {
            Ok(place) => {
                let before = std::mem::replace(&mut chunk.people[place].1, holding);
                self.discount(&before.seat);
            }
            Err(place) if chunk.people.len() < CHUNK_MAX => chunk.insert(place, guid, holding),
            // Nobody is moved for whoever comes behind a full chunk: who comes in order leaves full chunks behind.
            Err(CHUNK_MAX) => match self.chunks.get_mut(index + 1).filter(|next| next.people.len() < CHUNK_MAX) {
                Some(next) => next.insert(0, guid, holding),
                None => self.chunks.insert(index + 1, Chunk { first: guid, people: vec![(guid, holding)] }),
            },
            Err(place) => {
                let people = chunk.people.split_off(CHUNK_MAX / 2);
                let mut behind = Chunk { first: people.first().map_or(guid, |(first, _)| *first), people };
                match place.checked_sub(CHUNK_MAX / 2) {
                    Some(place) if place > 0 => behind.insert(place, guid, holding),
                    Some(_) | None => chunk.insert(place, guid, holding),
                }
                self.chunks.insert(index + 1, behind);
            }
        }
    }

    fn remove(&mut self, guid: &ObjectGuid) {
        let index = self.chunk_of(guid);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let Ok(place) = chunk.people.binary_search_by_key(guid, |(each, _)| *each) else { return };
        let (_, gone) = chunk.people.remove(place);
        if chunk.people.is_empty() {
            self.chunks.remove(index);
        } else if chunk.people.len() < chunk.people.capacity() / 4 {
            chunk.people.shrink_to(chunk.people.capacity() / 2);
        }
        self.discount(&gone.seat);
    }

    /// One more with this seat, which is given back as all the others have it.
    fn count(&mut self, seat: Seat) -> Seat {
        if let Some(accounts) = self.alike.get_mut(&seat) {
            *accounts += 1;
            return self.alike.get_key_value(&seat).map_or(seat, |(shared, _)| shared.clone());
        }
        self.alike.insert(seat.clone(), 1);
        seat
    }

    /// One less.
    fn discount(&mut self, seat: &Seat) {
        let Some(accounts) = self.alike.get_mut(seat) else { return };
        *accounts -= 1;
        if *accounts == 0 {
            self.alike.remove(seat);
        }
    }
}

impl FromIterator<(ObjectGuid, Holding)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (ObjectGuid, Holding)>>(entries: I) -> Self {
        let mut snapshot = Self::default();
        snapshot.extend(entries);
        snapshot
    }
}

/// In order it costs least. Of two entries of one person the later one counts.
impl Extend<(ObjectGuid, Holding)> for Snapshot {
    fn extend<I: IntoIterator<Item = (ObjectGuid, Holding)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(guid, holding)| self.put(guid, holding));
    }
}

/// How the people are divided into chunks is nothing to compare.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.alike == other.alike && self.iter().eq(other.iter())
    }
}
impl Eq for Snapshot {}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Email, Tier, UserId};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn holding(who: u128, salt: u8) -> Holding {
        let tier = || Tier::new(["pro", "plus"][usize::from(salt % 2)]);
        let seat = match salt % 5 {
            0 => Seat::Vacant,
            1 => Seat::Invited,
            2 | 3 => Seat::Active(tier()),
            _ => Seat::Suspended(tier()),
        };
        let email = Email::parse(&format!("p{who}@corp.example")).unwrap();
        Holding { id: UserId::new(&format!("u{who}")), email, seat }
    }

    fn guid(number: u128) -> ObjectGuid {
        ObjectGuid::from_u128(number)
    }

    /// What is said of it is what a plain map says, and its order and shape hold.
    fn is_like(snapshot: &Snapshot, model: &BTreeMap<ObjectGuid, Holding>) -> Result<(), TestCaseError> {
        prop_assert!(snapshot.iter().eq(model.iter()));
        prop_assert_eq!((snapshot.len(), snapshot.is_empty()), (model.len(), model.is_empty()));
        prop_assert_eq!(snapshot.held(), model.values().filter(|holding| holding.seat.is_held()).count());
        let mut seats: HashMap<&Seat, usize> = HashMap::new();
        model.values().for_each(|holding| *seats.entry(&holding.seat).or_default() += 1);
        prop_assert_eq!(snapshot.seats().collect::<HashMap<_, _>>(), seats);
        let sizes = snapshot.chunks.iter().map(|chunk| chunk.people.len());
        prop_assert!(sizes.clone().all(|size| (1..=CHUNK_MAX).contains(&size)), "{:?}", sizes.collect::<Vec<_>>());
        prop_assert!(snapshot.chunks.iter().all(|chunk| chunk.first <= chunk.people[0].0));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_map(facts in prop::collection::vec((0..1_500_u128, any::<u8>()), 0..4_000), given in 0..900_u128) {
            let mut model: BTreeMap<ObjectGuid, Holding> =
                (0..given).map(|who| (guid(who * 2), holding(who, who as u8))).collect();
            let mut snapshot: Snapshot = model.clone().into_iter().collect();
            is_like(&snapshot, &model)?;
            for (who, salt) in facts {
                match salt % 7 {
                    0 => snapshot.learn(guid(who), &Fact::Unchanged),
                    1..=3 => {
                        snapshot.learn(guid(who), &Fact::NoAccount);
                        model.remove(&guid(who));
                    }
                    _ => {
                        snapshot.learn(guid(who), &Fact::Holds(holding(who, salt)));
                        model.insert(guid(who), holding(who, salt));
                    }
                }
                prop_assert_eq!(snapshot.get(&guid(who)), model.get(&guid(who)));
            }
            is_like(&snapshot, &model)?;
            let again: Snapshot = model.clone().into_iter().rev().collect();
            prop_assert_eq!(&again, &snapshot, "the order in which it is learnt is nothing");
            if let Some(who) = model.keys().next() {
                let mut other = snapshot.clone();
                other.learn(*who, &Fact::NoAccount);
                prop_assert_ne!(&other, &snapshot);
            }
        }
    }

    #[test]
    fn whoever_comes_in_order_fills_the_chunks() {
        let snapshot: Snapshot = (0..10_000).map(|who| (guid(who), holding(who, 3))).collect();
        assert_eq!(snapshot.chunks.len(), 10_000_usize.div_ceil(CHUNK_MAX));
        assert!(snapshot.chunks.iter().all(|chunk| chunk.people.capacity() <= CHUNK_MAX));
        let mut tiers = snapshot.iter().filter_map(|(_, holding)| holding.seat.tier()).map(|tier| tier.name().as_ptr());
        let first = tiers.next();
        assert!(tiers.all(|tier| Some(tier) == first), "one name of a tier for all");
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<(ObjectGuid, Holding)>() <= 96, "{}", size_of::<(ObjectGuid, Holding)>());
    }
}
