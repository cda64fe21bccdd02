//! What is held, why, and how it is released.

use crate::decide::worlds::{Decided, World, active, dn, email, id, plus, pro};
use crate::decide::{HeldChange, Standing, clear};
use crate::model::{Cause, GroupRef, HeldNote, Limit, Limits, Mailbox, Member, OnLeave, Origin, Seat, WarningKind};
use std::collections::HashSet;

/// `count` people with pro, all of them in `Chime Pro`, as the last pass left it. The usual limits.
fn settled(count: usize) -> World {
    let mut world = World::new();
    world.limits = Limits::default();
    let names = world.crowd("p", count, pro());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.group("Chime Pro", &names);
    world.group("Chime Plus", &["Rest"]);
    world.person("Rest");
    world.holds("Rest", active(plus()));
    world.remember("Chime Pro", "Chime Pro", &names);
    world.remember("Chime Plus", "Chime Plus", &["Rest"]);
    assert_eq!(world.decide().planned(&world), [""; 0]);
    world
}

/// The first `count` leave `Chime Pro`.
fn leave(world: &mut World, count: usize) {
    world.edit_group("Chime Pro").members.drain(..count);
}

fn counts(decided: &Decided) -> (usize, usize) {
    (decided.cleared.go().len(), decided.cleared.held().len())
}

#[test]
fn few_losses_go_and_many_are_held() {
    for (leavers, expected) in [(0, (0, 0)), (5, (5, 0)), (10, (10, 0)), (11, (0, 11))] {
        let mut world = settled(200);
        leave(&mut world, leavers);
        let decided = world.decide();
        // 5% of 201 seats are 10.05.
        assert_eq!(counts(&decided), expected, "{leavers} leave");
    }
}

#[test]
fn the_floor_beats_the_percentage() {
    let mut world = settled(10);
    leave(&mut world, 5);
    assert_eq!(counts(&world.decide()), (5, 0));
}

#[test]
fn held_losses_are_explained_and_gains_go_on() {
    let mut world = settled(100);
    leave(&mut world, 12);
    world.person("new");
    world.edit_group("Chime Plus").members.push(Member::Dn(dn("new").key()));
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["new create vacant>plus"]);
    assert_eq!(decided.reasons(), ["12 losses are more than 5% of 101 seats (limits.losses)"]);
    let message = decided.message(WarningKind::Held);
    assert!(message.starts_with("12 losses are held (12: 12 losses are more than 5%"), "{message}");
    assert!(message.ends_with(&format!("seatsync approve {}", decided.cleared.hash())), "{message}");
}

#[test]
fn a_downgrade_is_a_loss() {
    let mut world = settled(100);
    leave(&mut world, 12);
    let movers: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let movers: Vec<&str> = movers.iter().map(String::as_str).chain(["Rest"]).collect();
    world.drop_group("Chime Plus");
    world.group("Chime Plus", &movers);
    let decided = world.decide();
    assert_eq!(counts(&decided), (0, 12));
    assert_eq!(decided.held(&world)[0], "p0 move pro>plus");
}

#[test]
fn a_missing_group_holds_the_losses_it_causes_whatever_their_number() {
    let mut world = settled(1);
    world.drop_group("Chime Pro");
    let decided = world.decide();
    assert_eq!(decided.held(&world), ["p0 suspend pro>suspended pro"]);
    assert_eq!(decided.reasons(), ["group Chime Pro is missing"]);
    assert_eq!(decided.desired.groups()[0].standing(), Standing::Missing);
    assert!(decided.message(WarningKind::GroupMissing).contains("with 1 members"));
}

#[test]
fn a_suddenly_empty_group_is_unknown_and_an_empty_one_is_not() {
    let mut world = settled(2);
    world.edit_group("Chime Pro").members.clear();
    let decided = world.decide();
    assert_eq!(decided.reasons(), ["group Chime Pro suddenly has no members"]);
    assert!(decided.message(WarningKind::GroupEmpty).contains("had 2 members and has none now: what this"));

    world.remember("Chime Pro", "Chime Pro", &[]);
    world.limits.losses_floor = 5;
    let decided = world.decide();
    assert!(decided.message(WarningKind::GroupEmpty).contains("the group has no members"));
    assert_eq!(counts(&decided), (2, 0));
}

#[test]
fn a_missing_group_lets_disabled_people_go() {
    let mut world = settled(3);
    world.drop_group("Chime Pro");
    world.edit("p0").disabled = true;
    world.edit("p1").expires = Some(world.now.into());
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["p0 suspend pro>suspended pro", "p1 suspend pro>suspended pro"]);
    assert_eq!(decided.held(&world), ["p2 suspend pro>suspended pro"]);
}

#[test]
fn a_missing_lower_group_does_not_hold_what_it_never_gave() {
    let mut world = settled(3);
    world.drop_group("Chime Plus");
    leave(&mut world, 1);
    world.group("Other Plus", &["p0"]);
    world.rules.tiers[1].groups.push(GroupRef::new("Other Plus"));
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["p0 move pro>plus"]);
    assert_eq!(decided.held(&world), ["Rest suspend plus>suspended plus"]);
}

#[test]
fn a_missing_group_that_was_nested_in_a_higher_one_holds_that_loss_too() {
    let mut world = settled(2);
    world.drop_group("Chime Pro");
    world.drop_group("Chime Plus");
    world.group("Chime Pro", &["p1", "Chime Plus"]);
    world.group("Other Plus", &["p0"]);
    world.rules.tiers[1].groups.push(GroupRef::new("Other Plus"));
    world.remember("Chime Plus", "Chime Plus", &["p0", "Rest"]);
    let decided = world.decide();
    assert!(decided.held(&world).contains(&"p0 move pro>plus".to_owned()), "{:?}", decided.go(&world));
}

#[test]
fn a_missing_group_without_a_baseline_may_have_held_anybody() {
    let mut world = settled(2);
    leave(&mut world, 1);
    world.rules.tiers[1].groups.push(GroupRef::new("No Such Group"));
    let decided = world.decide();
    assert_eq!(decided.held(&world), ["p0 suspend pro>suspended pro"]);
    assert_eq!(decided.reasons(), ["group No Such Group is missing"]);
}

#[test]
fn a_seat_given_just_before_its_group_went_away_is_held() {
    let mut world = settled(2);
    world.person("fresh");
    world.holds("fresh", active(pro()));
    world.drop_group("Chime Pro");
    assert_eq!(world.decide().held(&world).len(), 3);
}

#[test]
fn an_emptied_group_still_holds_whom_it_was_never_seen_with_after_its_last_member_lost_the_seat() {
    let mut world = settled(1);
    world.person("fresh");
    world.holds("fresh", active(pro()));
    world.edit_group("Chime Pro").members.clear();
    world.edit("p0").disabled = true;
    let decided = world.pass();
    assert_eq!(decided.go(&world), ["p0 suspend pro>suspended pro"]);
    assert_eq!(decided.held(&world), ["fresh suspend pro>suspended pro"]);
    assert_eq!(world.decide().held(&world), ["fresh suspend pro>suspended pro"]);
    // Once that is approved too, the group is a usual empty one.
    world.approve();
    assert_eq!(counts(&world.pass()), (1, 0));
    assert_eq!(world.decide().desired.groups()[0].standing(), Standing::Known);
}

#[test]
fn a_group_taken_out_of_the_mapping_is_not_unknown() {
    let mut world = settled(3);
    world.rules.tiers[0].groups.clear();
    assert_eq!(counts(&world.decide()), (3, 0));
}

#[test]
fn a_group_that_shrinks_too_much_holds_who_it_lost() {
    let mut world = settled(20);
    world.limits.losses = Limit::Off;
    leave(&mut world, 6);
    assert_eq!(counts(&world.decide()), (6, 0), "30% of 20 are 6");
    let mut world = settled(20);
    world.limits.losses = Limit::Off;
    leave(&mut world, 7);
    world.edit("p0").disabled = true;
    world.edit("p19").disabled = true;
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["p19 suspend pro>suspended pro"], "still a member, and disabled");
    assert_eq!(decided.reasons(), ["group Chime Pro lost 7 of 20 members, more than 30% (limits.group_shrink)"]);
    assert!(decided.warned().contains(&WarningKind::GroupShrunk));
}

#[test]
fn a_shrunken_group_stays_held_while_its_losses_are() {
    let mut world = settled(20);
    world.limits.losses = Limit::Off;
    leave(&mut world, 8);
    for _ in 0..3 {
        let decided = world.pass();
        assert_eq!(counts(&decided), (0, 8));
        assert!(decided.cleared.blocked_groups().contains(&GroupRef::new("Chime Pro")));
    }
    world.approve();
    assert_eq!(counts(&world.pass()), (8, 0));
    assert_eq!(counts(&world.pass()), (0, 0));
    assert_eq!(world.memory.groups[&GroupRef::new("Chime Pro")].members.len(), 12);
}

#[test]
fn a_grace_does_not_wear_a_shrunken_group_out() {
    let mut world = settled(20);
    world.limits.losses = Limit::Off;
    world.rules.grace = std::time::Duration::from_secs(3600);
    leave(&mut world, 8);
    assert_eq!(counts(&world.pass()), (0, 0));
    world.now = world.now.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
    assert_eq!(counts(&world.pass()), (0, 8));
}

#[test]
fn a_first_pass_and_a_rebuilt_state_hold_every_loss() {
    for (origin, word) in [(Origin::Fresh, "first pass"), (Origin::Rebuilt("aside".to_owned()), "rebuilt")] {
        let mut world = settled(20);
        leave(&mut world, 1);
        world.edit("p5").disabled = true;
        world.person("new");
        world.edit_group("Chime Plus").members.push(Member::Dn(dn("new").key()));
        world.memory.origin = origin;
        let decided = world.decide();
        assert_eq!(counts(&decided), (1, 2));
        assert!(decided.reasons()[0].contains(word));
    }
}

#[test]
fn too_many_gains_are_held_and_losses_go_on() {
    let mut world = settled(10);
    world.limits.gains = Limit::Percent(20);
    leave(&mut world, 1);
    for number in 0..3 {
        let name = format!("new{number}");
        world.person(&name);
        world.edit_group("Chime Plus").members.push(Member::Dn(dn(&name).key()));
    }
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["p0 suspend pro>suspended pro"]);
    assert_eq!(decided.reasons(), ["3 gains are more than 20% of 11 seats (limits.gains)"]);
    world.approve();
    assert_eq!(counts(&world.decide()), (4, 0));
}

/// Somebody switches to `on_leave = "delete"`, and those who left long ago are all to go at once.
#[test]
fn deletions_of_people_long_suspended_are_losses_like_others() {
    for active in [100, 1] {
        let mut world = settled(active);
        for name in world.crowd("old", 50, pro()) {
            world.holds(&name, Seat::Suspended(pro()));
        }
        assert_eq!(counts(&world.decide()), (0, 0));
        world.rules.on_leave = OnLeave::Delete;
        let decided = world.decide();
        assert_eq!(counts(&decided), (0, 50));
        assert_eq!(decided.reasons(), [format!("50 losses are more than 5% of {} seats (limits.losses)", active + 1)]);
        world.approve();
        assert_eq!(counts(&world.pass()), (50, 0));
        assert_eq!(counts(&world.decide()), (0, 0));
        assert_eq!(world.memory.snapshot.len(), active + 1);
    }
}

/// The group that gave the seat is missing, and was never seen with this person: it may have been the one.
#[test]
fn a_missing_group_holds_the_deletion_of_whom_it_may_have_seated() {
    let mut world = settled(10);
    world.rules.on_leave = OnLeave::Delete;
    world.person("old");
    world.holds("old", Seat::Suspended(pro()));
    world.rules.tiers[0].groups.push(GroupRef::new("Other"));
    world.remember("Other", "Other", &["p0"]);
    let decided = world.decide();
    assert_eq!(decided.held(&world), ["old remove suspended pro>vacant"]);
    assert_eq!(decided.reasons(), ["group Other is missing"]);
}

#[test]
fn an_approval_releases_those_losses_and_no_others() {
    let mut world = settled(100);
    leave(&mut world, 12);
    world.approve();
    assert_eq!(counts(&world.decide()), (12, 0));
    // Five more are within the floor and do not count together with what was approved; six are more than 5%.
    leave(&mut world, 5);
    assert_eq!(counts(&world.decide()), (17, 0));
    leave(&mut world, 1);
    assert_eq!(counts(&world.decide()), (12, 6));
}

#[test]
fn an_approval_is_for_one_cause() {
    let mut world = settled(1);
    world.memory.origin = Origin::Fresh;
    world.edit("p0").disabled = true;
    let disabled = world.decide().cleared.hash().to_owned();
    world.approve();
    assert_eq!(counts(&world.decide()), (1, 0));
    // The same suspension of the same account, for another reason.
    world.edit("p0").disabled = false;
    leave(&mut world, 1);
    let decided = world.decide();
    assert_eq!(counts(&decided), (0, 1));
    assert_ne!(decided.cleared.hash(), disabled);
}

#[test]
fn an_approved_gain_goes_to_no_other_address() {
    let mut world = settled(1);
    world.limits.gains = Limit::Count(0);
    world.person("new");
    world.edit_group("Chime Plus").members.push(Member::Dn(dn("new").key()));
    let before = world.decide().cleared.hash().to_owned();
    world.approve();
    assert_eq!(counts(&world.decide()), (1, 0));
    world.edit("new").mailbox = Mailbox::Address(email("somebody.else@corp.example"));
    let decided = world.decide();
    assert_eq!(counts(&decided), (0, 1));
    assert_ne!(decided.cleared.hash(), before);
}

#[test]
fn what_a_group_holds_is_not_counted_as_a_loss() {
    let mut world = settled(100);
    // Twelve losses that the missing group would cause are held by it; five others are few enough to go.
    let missing: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    world.remember("Other", "Other", &missing.iter().map(String::as_str).collect::<Vec<_>>());
    world.rules.tiers[0].groups.push(GroupRef::new("Other"));
    leave(&mut world, 17);
    assert_eq!(counts(&world.decide()), (5, 12));
}

#[test]
fn an_approval_expires_and_lapses() {
    let mut world = settled(100);
    leave(&mut world, 12);
    world.approve();
    let approval = world.memory.approvals[0].clone();
    assert_eq!(approval.expires.duration_since(approval.at).as_hours(), 24);
    let mut later = world.clone();
    later.now = approval.expires;
    assert_eq!(counts(&later.decide()), (0, 12));
    assert!(later.pass().cleared.approvals_left(&world.memory, &HashSet::new(), later.now).is_empty());

    // The people come back before it was used: the approval was for that loss, not for the next one.
    let members = settled(100).edit_group("Chime Pro").members.clone();
    world.edit_group("Chime Pro").members = members;
    world.pass();
    assert!(world.memory.approvals.is_empty());
    leave(&mut world, 12);
    assert_eq!(counts(&world.decide()), (0, 12));
}

#[test]
fn what_failed_keeps_its_approval_and_what_was_done_uses_it_up() {
    let mut world = settled(100);
    leave(&mut world, 12);
    world.approve();
    let decided = world.decide();
    let done: HashSet<_> = (0..11).map(|number| id(&format!("p{number}"))).collect();
    let left = decided.cleared.approvals_left(&world.memory, &done, world.now);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].changes.iter().map(|change| change.guid).collect::<Vec<_>>(), [id("p11")]);
}

#[test]
fn an_approval_waits_for_people_who_could_not_be_looked_up() {
    let mut world = settled(100);
    leave(&mut world, 12);
    world.approve();
    let Decided { desired, plan, .. } = world.decide();
    let plan = plan.without(&HashSet::from([id("p3")]));
    let cleared = clear(plan, &desired, &world.rules, &world.limits, &world.memory, world.now);
    assert!(cleared.blocked_groups().contains(&GroupRef::new("Chime Pro")));
    let done: HashSet<_> = cleared.go().iter().map(|change| change.guid).collect();
    let left = cleared.approvals_left(&world.memory, &done, world.now);
    assert_eq!(left[0].changes.iter().map(|change| change.guid).collect::<Vec<_>>(), [id("p3")]);
}

#[test]
fn a_deleted_group_once_approved_is_at_rest_with_a_warning() {
    let mut world = settled(8);
    world.drop_group("Chime Pro");
    world.pass();
    world.approve();
    assert_eq!(counts(&world.pass()), (8, 0));
    let decided = world.pass();
    assert_eq!(counts(&decided), (0, 0));
    assert!(decided.warned().contains(&WarningKind::GroupMissing));
    assert!(world.memory.groups[&GroupRef::new("Chime Pro")].members.is_empty());
}

#[test]
fn an_emptied_group_once_approved_is_known() {
    let mut world = settled(8);
    world.edit_group("Chime Pro").members.clear();
    world.approve();
    world.pass();
    assert_eq!(world.decide().desired.groups()[0].standing(), Standing::Known);
}

#[test]
fn a_scope_is_taken_after_guarding() {
    let mut world = settled(100);
    leave(&mut world, 12);
    let decided = world.decide();
    let whole = decided.cleared.hash().to_owned();
    let one = decided.cleared.only(&HashSet::from([id("p0")]));
    assert_eq!((one.go().len(), one.held().len()), (0, 1));
    assert_ne!(one.hash(), whole);
    assert!(one.blocked_groups().contains(&GroupRef::new("Chime Pro")));
    let nobody = one.only(&HashSet::new());
    assert_eq!((nobody.go().len(), nobody.held().len()), (0, 0));
    assert!(nobody.approval("an operator", world.now, &world.limits).is_none());
    assert!(!nobody.warnings().iter().any(|warning| warning.kind == WarningKind::Held));
}

#[test]
fn the_note_keeps_since_while_the_same_is_held() {
    let mut world = settled(100);
    leave(&mut world, 12);
    let cleared = world.decide().cleared;
    let first = cleared.held_note(None, world.now).unwrap();
    assert_eq!((first.losses, first.gains, first.since), (12, 0, world.now));
    let later = world.now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
    assert_eq!(cleared.held_note(Some(&first), later), Some(first.clone()));
    let other = HeldNote { hash: "0000000000000000".to_owned(), ..first };
    assert_eq!(cleared.held_note(Some(&other), later).unwrap().since, later);
    assert_eq!(settled(1).decide().cleared.held_note(None, later), None);
}

#[test]
fn the_hash_names_what_is_held_and_the_fingerprint_everything() {
    let mut world = settled(100);
    leave(&mut world, 12);
    let before = world.decide().cleared;
    world.person("new");
    world.edit_group("Chime Plus").members.push(Member::Dn(dn("new").key()));
    let after = world.decide().cleared;
    assert_eq!(before.hash(), after.hash());
    assert_ne!(before.fingerprint(), after.fingerprint());
    leave(&mut world, 1);
    assert_ne!(world.decide().cleared.hash(), before.hash());
    assert_eq!(settled(1).decide().cleared.hash().len(), 16);
}

#[test]
fn held_changes_carry_their_change_and_reason() {
    let mut world = settled(1);
    world.drop_group("Chime Pro");
    let decided = world.decide();
    let HeldChange { change, why } = &decided.cleared.held()[0];
    assert_eq!(change.to, Seat::Suspended(pro()));
    assert_eq!(change.because.to_string(), Cause::LeftAllGroups.to_string());
    assert_eq!(why, "group Chime Pro is missing");
}
