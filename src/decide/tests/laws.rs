//! What must be true of every world.

use crate::decide::worlds::{World, any_world};
use crate::decide::{Cleared, Desired, KeepReason};
use crate::model::memory::ApprovedChange;
use crate::model::{
    Action, Because, Cause, Change, GroupRef, Limit, Mailbox, Memory, ObjectGuid, OnLeave, Origin, RememberedGroup,
    Seat, StoreKind, WarningKind,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Passes after which a world that stands still must be at rest. Addresses can hand over from one account to the next,
/// one a pass, so it takes more than one.
const PASSES_MAX: usize = 14;

fn losses(cleared: &Cleared, world: &World) -> Vec<Change> {
    let tiers = world.rules.order();
    cleared.go().iter().filter(|change| change.is_loss(&tiers)).cloned().collect()
}

fn without_limits(mut world: World) -> World {
    (world.limits.losses, world.limits.group_shrink, world.limits.gains) = (Limit::Off, Limit::Off, Limit::Off);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_has_one_action_a_person_and_only_for_people_we_know(world in any_world()) {
        let decided = world.decide();
        let changes = decided.plan.changes();
        prop_assert!(changes.is_sorted_by(|one, next| one.guid < next.guid));
        for change in changes {
            let known = world.memory.snapshot.get(&change.guid);
            prop_assert!(known.is_some() || decided.roster.person(&change.guid).is_some());
            prop_assert_eq!(change.account.as_ref(), known.map(|holding| &holding.id));
            prop_assert_eq!(&change.from, &world.memory.snapshot.seat(&change.guid));
        }
    }

    #[test]
    fn held_and_go_are_the_plan(world in any_world()) {
        let decided = world.decide();
        let mut both: Vec<Change> = decided.cleared.go().to_vec();
        both.extend(decided.cleared.held().iter().map(|held| held.change.clone()));
        both.sort_by_key(|change| change.guid);
        prop_assert_eq!(both.as_slice(), decided.plan.changes());
        prop_assert!(decided.cleared.held().iter().all(|held| !held.why.is_empty()));
        prop_assert_eq!(decided.cleared.hash().len(), 16);
    }

    #[test]
    fn the_order_of_input_is_irrelevant((world, seed) in (any_world(), any::<u64>())) {
        let mut other = world.clone();
        shuffle(&mut other.people, seed);
        shuffle(&mut other.groups, seed);
        for group in &mut other.groups {
            shuffle(&mut group.members, seed);
        }
        let entries: HashMap<_, _> = world.memory.snapshot.iter().map(|(guid, held)| (*guid, held.clone())).collect();
        other.memory.snapshot = entries.into_iter().collect();
        let (one, two) = (world.decide(), other.decide());
        prop_assert!(one.desired.iter().eq(two.desired.iter()));
        prop_assert_eq!(one.desired.warnings(), two.desired.warnings());
        prop_assert_eq!(one.cleared.go(), two.cleared.go());
        prop_assert_eq!(one.cleared.held(), two.cleared.held());
        prop_assert_eq!(one.cleared.fingerprint(), two.cleared.fingerprint());
        prop_assert_eq!(one.cleared.warnings(), two.cleared.warnings());
        prop_assert_eq!(one.cleared.blocked_groups(), two.cleared.blocked_groups());
    }

    #[test]
    fn a_world_that_stands_still_comes_to_rest(world in any_world()) {
        let mut world = without_limits(world);
        for _ in 0..PASSES_MAX {
            world.approve();
            world.pass();
        }
        let last = world.decide();
        prop_assert_eq!(last.planned(&world), Vec::<String>::new());
    }

    #[test]
    fn one_pass_is_enough_where_addresses_stand_still(world in any_world()) {
        let mut world = without_limits(world);
        world.renames = false;
        // Invitations and addresses that are not free make people wait; every other wish is fulfilled at once.
        world.approve();
        world.pass();
        let next = world.decide();
        let surprising: Vec<_> = next
            .plan
            .changes()
            .iter()
            .filter(|change| change.action != Action::Invite)
            .filter(|change| !world.people.iter().any(|p| p.guid == change.guid && change.from == Seat::Vacant))
            .collect();
        prop_assert!(surprising.is_empty(), "{surprising:?}");
    }

    #[test]
    fn protected_people_and_double_claims_are_untouched(world in any_world()) {
        let decided = world.decide();
        let protected: HashSet<_> = world.rules.protected.iter().collect();
        let mut claims: HashMap<_, usize> = HashMap::new();
        for person in world.people.iter().filter(|person| person.is_enabled(world.now)) {
            if let Mailbox::Address(email) = &person.mailbox {
                *claims.entry(email).or_default() += 1;
            }
        }
        for change in decided.plan.changes() {
            let person = world.people.iter().find(|person| person.guid == change.guid);
            let address = person.and_then(|person| person.mailbox.address());
            let account = world.memory.snapshot.get(&change.guid).map(|holding| &holding.email);
            prop_assert!(!address.is_some_and(|email| protected.contains(email)));
            prop_assert!(!account.is_some_and(|email| protected.contains(email)));
            let is_enabled = person.is_some_and(|person| person.is_enabled(world.now));
            prop_assert!(!(is_enabled && address.is_some_and(|email| claims[email] > 1)));
        }
    }

    #[test]
    fn losses_that_go_are_within_the_limit_or_the_floor(world in any_world()) {
        let decided = world.decide();
        let count = losses(&decided.cleared, &world).len();
        let is_within = count <= world.limits.losses_floor
            || !world.limits.losses.is_crossed(count, world.memory.snapshot.held());
        prop_assert!(is_within, "{count} losses go");
        prop_assert!(world.memory.origin == Origin::Known || count == 0);
        let tiers = world.rules.order();
        let gains = decided.cleared.go().iter().filter(|change| change.is_gain(&tiers)).count();
        prop_assert!(!world.limits.gains.is_crossed(gains, world.memory.snapshot.held()));
    }

    #[test]
    fn a_group_that_goes_missing_costs_nobody_anything((world, which, empties) in (any_world(), 0usize..3, any::<bool>())) {
        let mut world = without_limits(world);
        remember_everything(&mut world);
        let intact = world.decide();
        let tiers = world.rules.order();
        let lose_anyway: HashSet<ObjectGuid> =
            intact.plan.changes().iter().filter(|change| change.is_loss(&tiers)).map(|change| change.guid).collect();
        let name = crate::decide::worlds::GROUPS[which];
        if empties {
            for group in world.groups.iter_mut().filter(|group| group.account_name.as_deref() == Some(name)) {
                group.members.clear();
            }
        } else {
            world.drop_group(name);
        }
        for loss in losses(&world.decide().cleared, &world) {
            prop_assert!(lose_anyway.contains(&loss.guid), "{loss:?}");
        }
    }

    #[test]
    fn an_approval_releases_exactly_what_was_held_and_once(world in any_world()) {
        let mut world = world;
        world.hand_over();
        let held: Vec<Change> = world.decide().cleared.held().iter().map(|held| held.change.clone()).collect();
        let before: HashSet<ObjectGuid> = world.decide().cleared.go().iter().map(|change| change.guid).collect();
        let memory: Memory = world.memory.clone();
        world.approve();
        let after = world.decide();
        for change in &held {
            prop_assert!(after.cleared.go().contains(change));
        }
        prop_assert!(after.cleared.held().is_empty());
        prop_assert_eq!(after.cleared.go().len(), before.len() + held.len());
        let done: HashSet<ObjectGuid> = after.cleared.go().iter().map(|change| change.guid).collect();
        let left = after.cleared.approvals_left(&world.memory, &done, world.now);
        prop_assert!(left.is_empty());
        // The same losses another day are held again.
        world.memory = Memory { approvals: left, ..memory };
        let again: Vec<Change> = world.decide().cleared.held().iter().map(|held| held.change.clone()).collect();
        prop_assert_eq!(again, held);
    }

    #[test]
    fn two_people_never_share_an_account(world in any_world()) {
        let mut world = without_limits(world);
        for _ in 0..4 {
            world.approve();
            world.pass();
            let mut owners: HashMap<_, ObjectGuid> = HashMap::new();
            for (guid, holding) in world.memory.snapshot.iter() {
                prop_assert_eq!(owners.insert(holding.id.clone(), *guid), None);
            }
        }
    }

    #[test]
    fn nobody_moves_to_an_address_that_somebody_else_keeps(world in any_world()) {
        let mut world = world;
        world.hand_over();
        let before = world.memory.snapshot.clone();
        // Also when some of it is held, or left out.
        world.pass();
        let mut owners: HashMap<_, Vec<ObjectGuid>> = HashMap::new();
        for (guid, holding) in world.memory.snapshot.iter() {
            owners.entry(&holding.email).or_default().push(*guid);
        }
        for (guid, holding) in world.memory.snapshot.iter() {
            let has_moved = before.get(guid).is_none_or(|before| before.email != holding.email);
            prop_assert!(!has_moved || owners[&holding.email].len() == 1, "{:?} {:?}", holding.email, owners);
        }
    }

    #[test]
    fn an_excluded_group_that_goes_missing_gives_nobody_anything((world, empties) in (any_world(), any::<bool>())) {
        let mut world = without_limits(world);
        remember_everything(&mut world);
        let intact = world.decide();
        let tiers = world.rules.order();
        let gains = |cleared: &Cleared| -> HashSet<ObjectGuid> {
            cleared.go().iter().filter(|change| change.is_gain(&tiers)).map(|change| change.guid).collect()
        };
        let before = gains(&intact.cleared);
        if empties {
            world.groups.iter_mut().filter(|group| group.account_name.as_deref() == Some("Blocked")).for_each(|group| {
                group.members.clear();
            });
        } else {
            world.drop_group("Blocked");
        }
        let new: Vec<ObjectGuid> = gains(&world.decide().cleared).difference(&before).copied().collect();
        let was_excluded = |guid: &ObjectGuid| {
            world.memory.groups.get(&GroupRef::new("Blocked")).is_some_and(|group| group.members.contains(guid))
        };
        prop_assert!(!new.iter().any(was_excluded), "{new:?}");
    }

    #[test]
    fn a_loss_held_is_still_held_in_the_next_pass(world in any_world()) {
        let mut world = world;
        world.limits.losses = Limit::Off;
        world.memory.origin = Origin::Known;
        let first = world.pass();
        let held = forms(first.cleared.held().iter().map(|held| &held.change));
        let go = forms(losses(&world.decide().cleared, &world).iter());
        prop_assert!(held.is_disjoint(&go), "{:?}", held.intersection(&go).collect::<Vec<_>>());
    }

    #[test]
    fn only_people_in_reach_of_the_rules_are_decided_about(world in any_world()) {
        let decided = world.decide();
        for (guid, desired) in decided.desired.iter() {
            let person = world.people.iter().find(|person| person.guid == guid);
            prop_assert!(person.is_some() || world.memory.snapshot.get(&guid).is_some());
            if let Desired::Seated { .. } = desired {
                prop_assert!(person.is_some_and(|person| person.is_enabled(world.now)));
                prop_assert!(person.is_some_and(|person| person.mailbox.address().is_some()));
            }
            if let Desired::Keep { why: KeepReason::InGrace { until } } = desired {
                prop_assert!(*until > world.now && is_at_stake(&world, &guid));
            }
        }
        for guid in decided.desired.absent().keys() {
            prop_assert!(is_at_stake(&world, guid));
        }
    }

    #[test]
    fn only_who_has_left_is_deleted_and_only_where_that_is_asked_for(world in any_world()) {
        let decided = world.decide();
        let suspends = world.kind != StoreKind::Team;
        // Who is gone may be there and unread while groups list somebody who was not read.
        let is_sure_who_is_gone = !decided.warned().contains(&WarningKind::UnknownMembers);
        for change in decided.plan.changes().iter().filter(|_| suspends) {
            let Because::Unseated(cause) = change.because else {
                prop_assert_ne!(change.action, Action::Remove);
                continue;
            };
            let has_left = matches!(cause, Cause::LeftAllGroups | Cause::Excluded)
                || cause == Cause::GoneFromDirectory && is_sure_who_is_gone;
            let is_deleted = has_left && world.rules.on_leave == OnLeave::Delete;
            prop_assert_eq!(change.action, if is_deleted { Action::Remove } else { Action::Suspend }, "{:?}", change);
        }
        if suspends && world.rules.on_leave == OnLeave::Delete {
            for (guid, desired) in decided.desired.iter() {
                let seat = world.memory.snapshot.seat(&guid);
                let has_left = match desired {
                    Desired::Unseated { because: Cause::LeftAllGroups | Cause::Excluded } => true,
                    Desired::Unseated { because: Cause::GoneFromDirectory } => is_sure_who_is_gone,
                    _ => false,
                };
                let is_deleted = decided.plan.changes().iter().any(|it| it.guid == guid && it.action == Action::Remove);
                prop_assert_eq!(is_deleted, has_left && matches!(seat, Seat::Active(_) | Seat::Suspended(_)));
            }
        }
    }
}

/// Whether there is something that a grace keeps.
fn is_at_stake(world: &World, guid: &ObjectGuid) -> bool {
    match world.memory.snapshot.seat(guid) {
        Seat::Active(_) => true,
        Seat::Suspended(_) => world.rules.on_leave == OnLeave::Delete,
        Seat::Vacant | Seat::Invited => false,
    }
}

fn forms<'a>(changes: impl Iterator<Item = &'a Change>) -> HashSet<ApprovedChange> {
    changes
        .map(|change| ApprovedChange {
            guid: change.guid,
            action: change.action,
            from: change.from.clone(),
            to: change.to.clone(),
            account: change.account.clone(),
            email: change.email.clone(),
            because: change.because.to_string(),
        })
        .collect()
}

/// As if the last pass had found the groups as they are now.
fn remember_everything(world: &mut World) {
    world.memory.groups = BTreeMap::new();
    let found = world.decide();
    let groups: BTreeMap<_, RememberedGroup> =
        found.desired.remembered(&world.memory, &Default::default(), &HashSet::new());
    world.memory.groups = groups;
    world.memory.origin = Origin::Known;
}

/// A shuffle that the seed alone decides (Fisher and Yates, with the multiplier of Knuth's MMIX generator).
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (seed >> 33) as usize % (last + 1));
    }
}
