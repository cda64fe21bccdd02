//! Who should hold what: the cases in which other programs went wrong, and the order of precedence.

use crate::decide::worlds::{World, active, dn, email, id, plus, pro};
use crate::decide::{Desired, KeepReason};
use crate::model::{Cause, GroupRef, Mailbox, Member, OnLeave, Seat, Sid, Timestamp, WarningKind};
use std::time::Duration;

/// Alice, in `Chime Pro`.
fn alice_in_pro() -> World {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &["Rest"]);
    world.person("Rest");
    world.holds("Rest", active(plus()));
    world
}

fn unseated(because: Cause) -> Desired {
    Desired::Unseated { because }
}

fn keep(why: KeepReason) -> Desired {
    Desired::Keep { why }
}

fn desired(world: &World, name: &str) -> Desired {
    world.decide().desired.get(&id(name)).unwrap().clone()
}

#[test]
fn nested_five_deep_gives_pro_and_says_by_which_way() {
    let mut world = alice_in_pro();
    world.person("bob");
    world.edit_group("Chime Pro").members.push(Member::Dn(dn("one").key()));
    for (group, member) in [("one", "two"), ("two", "three"), ("three", "four"), ("four", "bob")] {
        world.group(group, &[member]);
    }
    let decided = world.decide();
    let change = decided.plan.changes().iter().find(|change| change.guid == id("bob")).unwrap();
    assert_eq!(change.because.to_string(), "in Chime Pro via one > two > three > four");
    assert_eq!(change.to, active(pro()));
}

#[test]
fn cycles_and_groups_in_themselves_end() {
    let mut world = World::new();
    for name in ["alice", "bob", "carol"] {
        world.person(name);
    }
    world.group("Chime Pro", &["alice", "B", "Chime Pro"]);
    world.group("B", &["bob", "C"]);
    world.group("C", &["carol", "Chime Pro", "B"]);
    world.group("Chime Plus", &[]);
    assert_eq!(world.decide().desired.seated(), 3);
}

#[test]
fn a_chain_of_ten_thousand_groups_needs_no_stack() {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Pro", &["g0"]);
    world.group("Chime Plus", &[]);
    for number in 0..10_000 {
        let next = if number == 9_999 { "alice".to_owned() } else { format!("g{}", number + 1) };
        world.group(&format!("g{number}"), &[&next]);
    }
    assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"]);
}

#[test]
fn a_primary_group_counts_without_any_member_value() {
    let mut world = alice_in_pro();
    let person = world.person("bob");
    person.sid = Sid::parse("S-1-5-21-1-2-3-1104");
    person.primary_group_rid = Some(1200);
    let stranger = world.person("stranger");
    stranger.sid = Sid::parse("S-1-5-21-9-9-9-1104");
    stranger.primary_group_rid = Some(1200);
    world.edit_group("Chime Plus").sid = Sid::parse("S-1-5-21-1-2-3-1200");
    for nested in [true, false] {
        world.rules.nested = nested;
        assert_eq!(world.decide().planned(&world), ["alice create vacant>pro", "bob create vacant>plus"]);
    }
}

#[test]
fn disabled_people_are_never_seated() {
    let mut world = alice_in_pro();
    world.edit("alice").disabled = true;
    assert_eq!(world.decide().planned(&world), [""; 0]);
    world.holds("alice", active(pro()));
    assert_eq!(world.decide().planned(&world), ["alice suspend pro>suspended pro"]);
    assert_eq!(desired(&world, "alice"), unseated(Cause::DisabledInDirectory));
}

#[test]
fn expired_yesterday_is_unseated_and_expiring_tomorrow_is_not() {
    let mut world = alice_in_pro();
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    for (expires, seated) in
        [(at("2026-01-14T12:00:00Z"), 1), (at("2026-01-15T12:00:00Z"), 1), (at("2026-01-16T12:00:00Z"), 2), (None, 2)]
    {
        world.edit("alice").expires = expires.map(Into::into);
        assert_eq!(world.decide().desired.seated(), seated, "{expires:?}");
    }
}

#[test]
fn no_mail_gives_nothing_and_is_named() {
    let mut world = alice_in_pro();
    world.edit("alice").mailbox = Mailbox::Missing;
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned(), [WarningKind::NoEmail]);
    assert_eq!(
        decided.message(WarningKind::NoEmail),
        "CN=alice,OU=All,DC=corp,DC=example is in Chime Pro and gets no pro seat: there is no e-mail address"
    );
}

#[test]
fn malformed_mail_gives_nothing_and_is_named() {
    let mut world = alice_in_pro();
    world.edit("alice").mailbox = Mailbox::Malformed("not an address".into());
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert!(decided.message(WarningKind::BadEmail).contains("\"not an address\" is not an e-mail address"));
}

#[test]
fn outside_the_claimed_domains_gives_nothing_and_is_named() {
    let mut world = alice_in_pro();
    world.rules.domains = vec!["corp.example".to_owned()];
    for address in ["alice@elsewhere.example", "alice@sub.corp.example", "alice@notcorp.example", "alice@körp.example"]
    {
        world.edit("alice").mailbox = Mailbox::Address(email(address));
        let decided = world.decide();
        assert_eq!(decided.planned(&world), [""; 0], "{address}");
        assert_eq!(decided.warned(), [WarningKind::DomainNotClaimed]);
        assert_eq!(desired(&world, "alice"), unseated(Cause::DomainNotClaimed));
    }
    world.edit("alice").mailbox = Mailbox::Address(email("alice@CORP.example"));
    assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"]);
}

#[test]
fn the_same_mail_on_two_people_changes_neither_and_names_both() {
    let mut world = alice_in_pro();
    for name in ["dup1", "dup2"] {
        world.person(name).mailbox = Mailbox::Address(email("dup@corp.example"));
    }
    let members = ["dup1"].map(|name| Member::Dn(dn(name).key()));
    world.edit_group("Chime Pro").members.extend(members);
    world.holds("dup2", active(plus()));
    let decided = world.decide();
    // The rest goes on.
    assert_eq!(decided.planned(&world), ["alice create vacant>pro"]);
    assert_eq!(desired(&world, "dup1"), keep(KeepReason::DuplicateEmail));
    let message = decided.message(WarningKind::DuplicateEmail);
    assert!(message.contains("CN=dup1,") && message.contains("CN=dup2,"), "{message}");
    // A disabled one claims nothing.
    world.edit("dup2").disabled = true;
    let decided = world.decide();
    assert_eq!(
        decided.planned(&world),
        ["alice create vacant>pro", "dup1 create vacant>pro", "dup2 suspend plus>suspended plus"]
    );
    assert_eq!(decided.warned(), []);
}

#[test]
fn double_claims_of_people_without_seats_are_nobodys_business() {
    let mut world = alice_in_pro();
    for name in ["dup1", "dup2"] {
        world.person(name).mailbox = Mailbox::Address(email("dup@corp.example"));
    }
    assert_eq!(world.decide().warned(), []);
}

#[test]
fn both_groups_give_pro_only() {
    let mut world = alice_in_pro();
    world.edit_group("Chime Plus").members.push(Member::Dn(dn("alice").key()));
    assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"]);
}

#[test]
fn an_empty_group_is_no_error() {
    let mut world = alice_in_pro();
    world.edit_group("Chime Pro").members.clear();
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned(), [WarningKind::GroupEmpty]);
}

#[test]
fn a_group_of_two_thousand_and_the_one_that_wraps_it() {
    for root in ["Big", "Wrap"] {
        let mut world = alice_in_pro();
        let names: Vec<String> = (0..2000).map(|number| format!("u{number}")).collect();
        for name in &names {
            world.person(name);
        }
        world.group("Big", &names.iter().map(String::as_str).collect::<Vec<_>>());
        world.group("Wrap", &["Big"]);
        world.rules.tiers[1].groups.push(GroupRef::new(root));
        let decided = world.decide();
        let plus = decided.plan.changes().iter().filter(|change| change.to == active(plus())).count();
        assert_eq!(plus, 2000, "{root}");
    }
}

#[test]
fn a_mapped_group_renamed_costs_nobody_anything() {
    let mut world = alice_in_pro();
    world.pass();
    let group = world.edit_group("Chime Pro");
    group.account_name = Some("App-Pro-2".to_owned());
    group.common_names = vec!["App-Pro-2".to_owned()];
    let decided = world.pass();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned(), [WarningKind::GroupRenamed]);
    // The pass after that, too.
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn a_mapped_group_deleted_holds_and_names_its_losses() {
    let mut world = alice_in_pro();
    world.pass();
    world.drop_group("Chime Pro");
    let decided = world.decide();
    assert_eq!(decided.go(&world), [""; 0]);
    assert_eq!(decided.held(&world), ["alice suspend pro>suspended pro"]);
    assert_eq!(decided.warned(), [WarningKind::GroupMissing, WarningKind::Held]);
}

#[test]
fn a_person_renamed_or_moved_keeps_the_seat() {
    let mut world = alice_in_pro();
    world.pass();
    world.edit("alice").dn = dn("Alice Married");
    world.edit_group("Chime Pro").members = vec![Member::Dn(dn("Alice Married").key())];
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn a_new_entry_at_an_old_name_is_another_person() {
    let mut world = alice_in_pro();
    world.pass();
    let person = world.edit("alice");
    person.guid = id("another alice");
    person.mailbox = Mailbox::Address(email("alice2@corp.example"));
    let decided = world.decide();
    assert_eq!(decided.plan.changes().len(), 2);
    assert_eq!(desired(&world, "alice"), unseated(Cause::GoneFromDirectory));
}

#[test]
fn excluded_people_are_never_seated_whatever_else_they_are_in() {
    let mut world = alice_in_pro();
    world.rules.exclude = vec![GroupRef::new("Blocked")];
    world.group("Blocked", &["alice"]);
    world.holds("alice", active(pro()));
    assert_eq!(desired(&world, "alice"), unseated(Cause::Excluded));
    world.edit("alice").disabled = true;
    assert_eq!(desired(&world, "alice"), unseated(Cause::DisabledInDirectory));
}

#[test]
fn grace_keeps_leavers_for_a_while_and_then_lets_go() {
    let mut world = alice_in_pro();
    world.rules.grace = Duration::from_secs(48 * 60 * 60);
    world.pass();
    world.edit_group("Chime Pro").members = vec![Member::Dn(dn("Rest").key())];
    let start = world.now;
    world.pass();
    let until = "2026-01-17T12:00:00Z".parse().unwrap();
    assert_eq!(desired(&world, "alice"), keep(KeepReason::InGrace { until }));
    assert_eq!(world.memory.absent[&id("alice")], start);
    world.now = "2026-01-17T11:59:59Z".parse().unwrap();
    assert_eq!(world.pass().planned(&world), [""; 0]);
    world.now = until;
    assert_eq!(world.decide().planned(&world), ["alice suspend pro>suspended pro"]);
    world.pass();
    // Whoever has lost the seat is no longer counted as absent.
    world.pass();
    assert!(world.memory.absent.is_empty());
}

/// A deletion is more than a suspension: it has a grace also where there is no seat in use.
#[test]
fn grace_keeps_a_suspended_account_from_deletion_for_a_while() {
    for on_leave in [OnLeave::Deactivate, OnLeave::Delete] {
        let mut world = alice_in_pro();
        world.rules.grace = Duration::from_secs(48 * 60 * 60);
        world.rules.on_leave = on_leave;
        world.holds("alice", Seat::Suspended(pro()));
        world.edit("alice").disabled = true;
        world.edit_group("Chime Pro").members.push(Member::Dn(dn("Rest").key()));
        world.pass();
        assert!(world.memory.absent.is_empty());
        world.people.retain(|person| person.guid != id("alice"));
        world.edit_group("Chime Pro").members.retain(|member| *member != Member::Dn(dn("alice").key()));
        assert_eq!(world.pass().planned(&world), [""; 0]);
        assert_eq!(world.memory.absent.len(), usize::from(on_leave == OnLeave::Delete));
        world.now = "2026-01-17T12:00:00Z".parse().unwrap();
        let planned = world.decide().planned(&world);
        world.pass();
        match on_leave {
            OnLeave::Deactivate => assert_eq!(planned, [""; 0]),
            OnLeave::Delete => assert_eq!(planned, ["alice@corp.example remove suspended pro>vacant"]),
        }
        assert_eq!(world.pass().planned(&world), [""; 0]);
        assert!(world.memory.absent.is_empty());
    }
}

#[test]
fn a_return_ends_the_grace() {
    let mut world = alice_in_pro();
    world.rules.grace = Duration::from_secs(48 * 60 * 60);
    world.holds("alice", active(pro()));
    world.memory.absent.insert(id("alice"), "2026-01-14T12:00:00Z".parse().unwrap());
    world.pass();
    assert!(world.memory.absent.is_empty());
}

#[test]
fn there_is_no_grace_for_disabled_expired_excluded_or_invited_people() {
    let mut world = alice_in_pro();
    world.rules.grace = Duration::MAX;
    world.holds("alice", active(pro()));
    world.edit("alice").disabled = true;
    assert_eq!(desired(&world, "alice"), unseated(Cause::DisabledInDirectory));
    world.edit("alice").disabled = false;
    world.edit("alice").expires = Some(world.now.into());
    assert_eq!(desired(&world, "alice"), unseated(Cause::ExpiredInDirectory));
    world.edit("alice").expires = None;
    world.edit_group("Chime Pro").members.clear();
    assert_eq!(desired(&world, "alice"), keep(KeepReason::InGrace { until: Timestamp::MAX }));
    world.holds("alice", Seat::Invited);
    assert_eq!(desired(&world, "alice"), unseated(Cause::LeftAllGroups));
}

#[test]
fn people_in_no_group_and_without_an_account_are_not_decided_about() {
    let mut world = alice_in_pro();
    world.person("bystander");
    let decided = world.decide();
    assert_eq!(decided.desired.get(&id("bystander")), None);
    assert_eq!((decided.desired.people(), decided.desired.iter().count()), (3, 2));
}
