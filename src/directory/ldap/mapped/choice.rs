//! Whether all of a directory is read, or only what the mapping is about: pure.
//!
//! A person costs about as much when read with all the others as when looked up, and whoever is looked up is looked up twice:
//! by name or identity, and by address. So looking up pays where those concerned are clearly fewer than half. How many are
//! concerned is known from the last pass; how large the directory is often is not, and then reading all of it is begun, and
//! given up where it goes on and on. Either way a pass costs no more than a constant factor of the cheaper way.

use crate::model::{GroupRef, Holding, Memory, ObjectGuid, Wanted};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Where all are at most so many times those concerned, all are read.
const TIMES_CONCERNED: u64 = 3;
/// A directory with no more people than this is always read whole: a look-up saves nothing worth speaking of.
const SMALL: u64 = 400;
/// Look-ups may take so long, however fast the first ones went.
const PATIENCE_MIN: Duration = Duration::from_secs(2);

/// What is known of the number of people in the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Size {
    /// Nothing.
    #[default]
    Unknown,
    /// There are more than this.
    MoreThan(u64),
    /// There were so many when all were last read.
    Exactly(u64),
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// All of it.
    Whole,
    /// All of it, unless there are more people than this.
    WholeUpTo(u64),
    /// By look-up, unless it takes more look-ups than this.
    Mapped(u64),
}

/// Chooses the way, where `concerned` people are known to be concerned.
pub(in super::super) fn choose(concerned: u64, size: Size) -> Way {
    let few_of = concerned.saturating_mul(TIMES_CONCERNED).saturating_add(SMALL);
    match size {
        Size::MoreThan(people) | Size::Exactly(people) if people >= few_of => Way::Mapped(people / 2),
        Size::Exactly(_) => Way::Whole,
        Size::MoreThan(_) | Size::Unknown => Way::WholeUpTo(few_of),
    }
}

/// How many people are known to be concerned: whoever has an account, or was in one of the groups.
pub(in super::super) fn concerned(wanted: &Wanted<'_>) -> u64 {
    let Memory { snapshot, groups, .. } = wanted.memory;
    let members = |reference: &GroupRef| groups.get(reference).map_or(&[][..], |group| &group.members);
    let members = wanted.groups().flat_map(members);
    let all: HashSet<&ObjectGuid> = snapshot.iter().map(|(guid, _)| guid).chain(members).collect();
    (all.len() + wanted.names.len() + wanted.accounts.len()) as u64
}

/// Names all that a reading by look-up depends on, but for the directory: where it is another one, another reading is wanted.
pub(in super::super) fn fingerprint(wanted: &Wanted<'_>) -> u64 {
    let Wanted { rules, memory, names, accounts, whole } = wanted;
    let mut all = DefaultHasher::new();
    (rules.nested, names, whole).hash(&mut all);
    for rule in &rules.tiers {
        rule.groups.hash(&mut all);
    }
    rules.exclude.hash(&mut all);
    for reference in wanted.groups() {
        memory.groups.get(reference).map(|group| group.guid).hash(&mut all);
    }
    // A snapshot has no order.
    let each = |(guid, holding): (&ObjectGuid, &Holding)| {
        let mut one = DefaultHasher::new();
        (guid, holding.email.key()).hash(&mut one);
        one.finish()
    };
    for account in *accounts {
        (account.email.key(), account.external).hash(&mut all);
    }
    memory.snapshot.iter().map(each).fold(all.finish(), u64::wrapping_add)
}

/// What the passes before this one, perhaps of another process, tell about the size: each read so many, or more were there.
pub(in super::super) fn remembered(memory: &Memory) -> Size {
    let most = memory.passes.iter().map(|pass| pass.counts.people as u64).max();
    // Somebody may have left since, which is no matter here.
    most.filter(|most| *most > 0).map_or(Size::Unknown, |most| Size::MoreThan(most - 1))
}

/// How long all look-ups together may take, when the first ones brought so many entries in that time, before it would have been
/// cheaper to read everybody: a server that has no index of addresses goes through all of them for each.
pub(in super::super) fn patience(took: Duration, entries: u64, people: u64) -> Duration {
    let each = took.checked_div(u32::try_from(entries.max(1)).unwrap_or(u32::MAX)).unwrap_or_default();
    each.saturating_mul(u32::try_from(people).unwrap_or(u32::MAX)).max(PATIENCE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_of_many_are_looked_up_and_most_of_them_are_read() {
        for (concerned, size, way) in [
            (0, Size::Unknown, Way::WholeUpTo(400)),
            (200, Size::Unknown, Way::WholeUpTo(1_000)),
            (200, Size::MoreThan(1_000), Way::Mapped(500)),
            (200, Size::Exactly(1_000_000), Way::Mapped(500_000)),
            (200, Size::Exactly(999), Way::Whole),
            (200, Size::MoreThan(999), Way::WholeUpTo(1_000)),
            (90_000, Size::Exactly(100_000), Way::Whole),
            (90_000, Size::MoreThan(89_999), Way::WholeUpTo(270_400)),
            (u64::MAX, Size::Unknown, Way::WholeUpTo(u64::MAX)),
        ] {
            assert_eq!(choose(concerned, size), way, "{concerned} of {size:?}");
        }
    }

    #[test]
    fn a_server_that_searches_everywhere_is_not_waited_for() {
        let ms = Duration::from_millis;
        assert_eq!(patience(ms(20), 200, 100_000), Duration::from_secs(10));
        assert_eq!(patience(ms(20), 200, 1_800), PATIENCE_MIN);
        assert_eq!(patience(ms(20), 0, 1_800), Duration::from_secs(36));
        assert!(patience(Duration::MAX, 0, u64::MAX) > Duration::from_secs(1));
    }

    proptest! {
        /// However many there are and whatever is known, what is read is bounded by the cheaper way.
        #[test]
        fn the_cost_is_bounded(concerned in 0_u64..2_000_000, people in 0_u64..2_000_000, known in 0_u8..3) {
            let concerned = concerned.min(people);
            let size = match known {
                0 => Size::Unknown,
                1 => Size::MoreThan(people / 2),
                _ => Size::Exactly(people),
            };
            let by_look_up = 2 * concerned;
            let read = match choose(concerned, size) {
                Way::Whole => people,
                Way::WholeUpTo(most) if people <= most => people,
                Way::WholeUpTo(most) => most + by_look_up,
                Way::Mapped(most) => {
                    prop_assert!(concerned <= most, "what is known to be needed is allowed");
                    by_look_up
                }
            };
            prop_assert!(read <= 3 * by_look_up + SMALL || read <= people, "{read} of {people}");
            prop_assert!(read <= people + by_look_up);
        }
    }
}
