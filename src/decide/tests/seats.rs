//! The seat matrix, addresses, and what is not touched.

use crate::decide::worlds::{World, active, details, dn, email, holding, id, plus, pro};
use crate::decide::{Desired, KeepReason, clear, explain};
use crate::model::{Action, Fact, GroupRef, Limit, Mailbox, Member, OnLeave, Seat, StoreKind, WarningKind};
use std::collections::HashSet;

/// Somebody in `Chime Pro` (or in no group) who has this, and what is planned.
fn cell(kind: StoreKind, is_member: bool, seat: Option<Seat>) -> String {
    let mut world = World::new();
    world.kind = kind;
    world.person("alice");
    world.group("Chime Pro", if is_member { &["alice"] } else { &[] });
    world.group("Chime Plus", &[]);
    if let Some(seat) = seat {
        world.holds("alice", seat);
    }
    let decided = world.decide();
    let waits = if decided.plan.waiting().is_empty() { "" } else { " waits" };
    format!("{}{waits}", decided.planned(&world).join(", ").replace("alice ", ""))
}

#[test]
fn the_seat_matrix() {
    let suspended = || Seat::Suspended(pro());
    let seats = [
        None,
        Some(Seat::Vacant),
        Some(Seat::Invited),
        Some(active(pro())),
        Some(active(plus())),
        Some(suspended()),
        Some(Seat::Suspended(plus())),
    ];
    let mut table = String::new();
    for kind in [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory] {
        for is_member in [true, false] {
            table += &format!("{kind}, {}:\n", if is_member { "seated" } else { "unseated" });
            for seat in &seats {
                let from = seat.as_ref().map_or("no account".to_owned(), |seat| format!("{seat:?}"));
                table += &format!("  {from:16} {}\n", cell(kind, is_member, seat.clone()));
            }
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    Team, seated:
      no account       invite vacant>invited
      Vacant           invite vacant>invited
      Invited           waits
      Active(pro)
      Active(plus)     move plus>pro
      Suspended(pro)   invite suspended pro>invited
      Suspended(plus)  invite suspended plus>invited
    Team, unseated:
      no account
      Vacant
      Invited          remove invited>vacant
      Active(pro)      remove pro>vacant
      Active(plus)     remove plus>vacant
      Suspended(pro)   remove suspended pro>vacant
      Suspended(plus)  remove suspended plus>vacant
    EnterpriseLWA, seated:
      no account        waits
      Vacant           grant vacant>pro
      Invited           waits
      Active(pro)
      Active(plus)     move plus>pro
      Suspended(pro)   resume suspended pro>pro
      Suspended(plus)  resume suspended plus>pro
    EnterpriseLWA, unseated:
      no account
      Vacant
      Invited
      Active(pro)      suspend pro>suspended pro
      Active(plus)     suspend plus>suspended plus
      Suspended(pro)
      Suspended(plus)
    EnterpriseDirectory, seated:
      no account       create vacant>pro
      Vacant           grant vacant>pro
      Invited           waits
      Active(pro)
      Active(plus)     move plus>pro
      Suspended(pro)   resume suspended pro>pro
      Suspended(plus)  resume suspended plus>pro
    EnterpriseDirectory, unseated:
      no account
      Vacant
      Invited
      Active(pro)      suspend pro>suspended pro
      Active(plus)     suspend plus>suspended plus
      Suspended(pro)
      Suspended(plus)
    ");
}

/// What is planned for alice who is active, suspended or without a licence, by why she is not to have a seat.
#[test]
fn who_leaves_is_deleted_where_that_is_asked_for_and_who_is_held_back_is_not() {
    type Happens = fn(&mut World);
    let causes: [(&str, Happens); 7] = [
        ("left", |_| {}),
        ("excluded", |world| {
            world.rules.exclude.push(GroupRef::new("Blocked"));
            world.group("Blocked", &["alice"]);
        }),
        ("gone", |world| world.people.clear()),
        ("disabled", |world| world.edit("alice").disabled = true),
        ("expired", |world| world.edit("alice").expires = Some(world.now.into())),
        ("unclaimed", |world| {
            world.rules.domains = vec!["elsewhere.example".to_owned()];
            world.edit_group("Chime Pro").members.push(Member::Dn(dn("alice").key()));
        }),
        ("no e-mail", |world| {
            world.edit("alice").mailbox = Mailbox::Missing;
            world.edit_group("Chime Pro").members.push(Member::Dn(dn("alice").key()));
        }),
    ];
    let mut table = String::new();
    for kind in [StoreKind::EnterpriseDirectory, StoreKind::EnterpriseLwa, StoreKind::Team] {
        for (cause, happens) in &causes {
            let cell = |seat| {
                let mut world = World::new();
                (world.kind, world.rules.on_leave) = (kind, OnLeave::Delete);
                world.person("alice");
                world.group("Chime Pro", &[]);
                world.group("Chime Plus", &[]);
                world.holds("alice", seat);
                happens(&mut world);
                world.decide().plan.changes().first().map_or("-", |change| match change.action {
                    Action::Remove => "remove",
                    Action::Suspend => "suspend",
                    other => panic!("{other}"),
                })
            };
            let (active, suspended) = (cell(active(pro())), cell(Seat::Suspended(pro())));
            table += &format!("{kind}, {cause}: {active}, {suspended}, {}\n", cell(Seat::Vacant));
        }
    }
    insta::assert_snapshot!(table.trim_end(), @"
    EnterpriseDirectory, left: remove, remove, -
    EnterpriseDirectory, excluded: remove, remove, -
    EnterpriseDirectory, gone: remove, remove, -
    EnterpriseDirectory, disabled: suspend, -, -
    EnterpriseDirectory, expired: suspend, -, -
    EnterpriseDirectory, unclaimed: suspend, -, -
    EnterpriseDirectory, no e-mail: suspend, -, -
    EnterpriseLWA, left: remove, remove, -
    EnterpriseLWA, excluded: remove, remove, -
    EnterpriseLWA, gone: remove, remove, -
    EnterpriseLWA, disabled: suspend, -, -
    EnterpriseLWA, expired: suspend, -, -
    EnterpriseLWA, unclaimed: suspend, -, -
    EnterpriseLWA, no e-mail: suspend, -, -
    Team, left: remove, remove, -
    Team, excluded: remove, remove, -
    Team, gone: remove, remove, -
    Team, disabled: remove, remove, -
    Team, expired: remove, remove, -
    Team, unclaimed: remove, remove, -
    Team, no e-mail: remove, remove, -
    ");
}

#[test]
fn a_changed_address_is_followed_in_place() {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    world.memory.snapshot.learn(id("alice"), &Fact::Holds(holding("alice", "maiden@corp.example", active(pro()))));
    let decided = world.decide();
    assert_eq!(decided.planned(&world), ["alice rename pro>pro"]);
    assert_eq!(decided.plan.changes()[0].email, email("alice@corp.example"));
    assert_eq!(decided.plan.changes()[0].because.to_string(), "e-mail was maiden@corp.example in the account store");

    world.renames = false;
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned(), [WarningKind::GroupEmpty, WarningKind::EmailChanged]);
}

/// A directory takes deleted people out of its groups: who is still listed may be there, and hidden from us.
#[test]
fn nobody_is_deleted_as_gone_while_groups_list_somebody_who_was_not_read() {
    let mut world = World::new();
    world.rules.on_leave = OnLeave::Delete;
    world.person("bob");
    world.group("Chime Pro", &["bob", "hidden"]);
    world.group("Chime Plus", &[]);
    world.holds("bob", active(pro()));
    world.holds("hidden", active(pro()));
    world.holds("away", Seat::Suspended(pro()));
    assert_eq!(world.decide().planned(&world), ["hidden@corp.example suspend pro>suspended pro"]);
    world.edit_group("Chime Pro").members.pop();
    assert_eq!(
        world.decide().planned(&world),
        ["away@corp.example remove suspended pro>vacant", "hidden@corp.example remove pro>vacant"]
    );
}

/// Names go with whatever is done, and by themselves when they have changed since they were last taken.
#[test]
fn changed_names_are_followed_in_place() {
    let mut world = World::new();
    world.person("alice").details = details(1);
    world.person("bob");
    world.group("Chime Pro", &["alice", "bob"]);
    world.group("Chime Plus", &[]);
    let created = world.pass();
    assert_eq!(created.planned(&world), ["alice create vacant>pro", "bob create vacant>pro"]);
    assert_eq!(created.plan.changes()[0].details.is_some(), created.plan.changes()[0].guid == id("alice"));
    assert_eq!(world.decide().planned(&world), [""; 0]);

    world.edit("alice").details = details(2);
    let renamed = world.pass();
    assert_eq!(renamed.planned(&world), ["alice rename pro>pro"]);
    let change = &renamed.plan.changes()[0];
    assert_eq!((&change.details, &change.email), (&details(2), &email("alice@corp.example")));
    assert_eq!(change.because.to_string(), "names in the directory are not those last sent");
    assert!(!change.is_loss(&world.rules.order()) && !change.is_gain(&world.rules.order()), "no limit counts it");
    assert_eq!(world.decide().planned(&world), [""; 0]);

    // With the address in one go; a directory that has no name any more changes nothing.
    world.edit("alice").details = details(3);
    world.edit("alice").mailbox = Mailbox::Address(email("smith@corp.example"));
    assert_eq!(world.decide().plan.changes().len(), 1);
    world.pass();
    world.edit("alice").details = None;
    assert_eq!(world.decide().planned(&world), [""; 0]);

    // Another account of the same person has not been given them, and neither has one of which nothing is known.
    world.edit("alice").details = details(3);
    assert_eq!(world.decide().planned(&world), [""; 0]);
    let moved = holding("second", "smith@corp.example", active(pro()));
    world.memory.snapshot.learn(id("alice"), &Fact::Holds(moved));
    assert_eq!(world.decide().planned(&world), ["alice rename pro>pro"]);
}

#[test]
fn nobody_who_is_protected_suspended_or_leaving_is_renamed_for_a_name() {
    let mut world = World::new();
    for name in ["alice", "bob", "carol"] {
        world.person(name).details = details(1);
    }
    world.group("Chime Pro", &["alice", "bob"]);
    world.group("Chime Plus", &[]);
    world.rules.protected = vec![email("alice@corp.example")];
    world.holds("alice", active(pro()));
    world.edit("bob").disabled = true;
    world.holds("bob", Seat::Suspended(pro()));
    world.holds("carol", Seat::Suspended(plus()));
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned(), [WarningKind::GroupEmpty]);
}

#[test]
fn a_seat_change_carries_the_new_address_where_the_store_can() {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    world.memory.snapshot.learn(id("alice"), &Fact::Holds(holding("alice", "maiden@corp.example", active(plus()))));
    for (renames, address) in [(true, "alice@corp.example"), (false, "maiden@corp.example")] {
        world.renames = renames;
        let decided = world.decide();
        assert_eq!(decided.planned(&world), ["alice move plus>pro"]);
        assert_eq!(decided.plan.changes()[0].email, email(address));
    }
}

#[test]
fn a_missing_or_malformed_address_never_renames() {
    for mailbox in [Mailbox::Missing, Mailbox::Malformed("x".into())] {
        let mut world = World::new();
        world.person("alice").mailbox = mailbox;
        world.group("Chime Pro", &["alice"]);
        world.group("Chime Plus", &[]);
        world.holds("alice", active(pro()));
        let decided = world.decide();
        assert_eq!(decided.planned(&world), ["alice suspend pro>suspended pro"]);
        assert_eq!(decided.plan.changes()[0].email, email("alice@corp.example"));
    }
}

#[test]
fn an_address_on_another_persons_account_is_waited_for() {
    for kind in [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory] {
        let mut world = World::new();
        world.kind = kind;
        world.person("alice");
        world.person("bob").mailbox = Mailbox::Address(email("bobby@corp.example"));
        world.group("Chime Pro", &["alice", "bob"]);
        world.group("Chime Plus", &[]);
        // Bob's account still has the address that is Alice's now.
        world.memory.snapshot.learn(id("bob"), &Fact::Holds(holding("bob", "alice@corp.example", active(pro()))));
        world.renames = false;
        let decided = world.decide();
        assert_eq!(decided.planned(&world), [""; 0], "{kind}");
        assert!(decided.plan.waiting().is_empty(), "{kind}");
        assert!(decided.warned().contains(&WarningKind::AmbiguousAccount));
        let World { rules, memory, now, .. } = &world;
        let alice = explain(&id("alice"), &decided.roster, rules, memory, &decided.desired, &decided.cleared, *now);
        assert!(alice.notes.iter().any(|note| note.contains("is that of another person")), "{:?}", alice.notes);
        world.renames = true;
        world.pass();
        assert!(!world.decide().warned().contains(&WarningKind::AmbiguousAccount), "{kind}");
    }
}

/// People whose accounts have one address and who have another now, by the beginnings of the addresses; all in `Chime Pro`.
fn movers(people: &[(&str, Option<&str>, &str)]) -> World {
    let mut world = World::new();
    let address = |name: &str| format!("{name}@corp.example");
    for (name, account, own) in people {
        world.person(name).mailbox = Mailbox::Address(email(&address(own)));
        if let Some(account) = account {
            let holding = holding(name, &address(account), active(pro()));
            world.memory.snapshot.learn(id(name), &Fact::Holds(holding));
        }
    }
    world.group("Chime Pro", &people.iter().map(|(name, _, _)| *name).collect::<Vec<_>>());
    world.group("Chime Plus", &[]);
    world
}

#[test]
fn a_chain_of_addresses_moves_in_one_pass() {
    let mut world = movers(&[("u01", Some("one"), "two"), ("u02", Some("two"), "three"), ("new", None, "one")]);
    let decided = world.pass();
    assert_eq!(decided.planned(&world), ["new create vacant>pro", "u01 rename pro>pro", "u02 rename pro>pro"]);
    assert!(!decided.warned().contains(&WarningKind::AmbiguousAccount));
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn two_people_exchange_their_addresses_in_one_pass() {
    let mut world = movers(&[("u01", Some("one"), "two"), ("u02", Some("two"), "one")]);
    assert_eq!(world.pass().planned(&world), ["u01 rename pro>pro", "u02 rename pro>pro"]);
    assert_eq!(world.memory.snapshot.get(&id("u01")).unwrap().email, email("two@corp.example"));
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn a_chain_that_ends_at_somebody_who_stays_does_not_move() {
    let mut world = movers(&[
        ("u01", Some("one"), "two"),
        ("u02", Some("two"), "three"),
        ("stays", Some("three"), "three"),
        ("new", None, "one"),
    ]);
    // In grace, and without an address of an own: that account keeps the one it has.
    world.edit("stays").mailbox = Mailbox::Missing;
    world.drop_group("Chime Pro");
    world.group("Chime Pro", &["u01", "u02", "new"]);
    world.rules.grace = std::time::Duration::MAX;
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.warned().iter().filter(|kind| **kind == WarningKind::AmbiguousAccount).count(), 3);
}

#[test]
fn a_new_hire_gets_the_address_of_somebody_promoted_away_from_it() {
    let mut world = movers(&[("u01", Some("one"), "two"), ("new", None, "one")]);
    let plus = holding("u01", "one@corp.example", active(plus()));
    world.memory.snapshot.learn(id("u01"), &Fact::Holds(plus));
    assert_eq!(world.decide().planned(&world), ["new create vacant>pro", "u01 move plus>pro"]);
    // A loss may be held: nobody counts on the address it would let go of, and it counts on nobody's.
    world.drop_group("Chime Pro");
    world.group("Chime Pro", &["new"]);
    let decided = world.pass();
    assert_eq!(decided.planned(&world), ["u01 suspend plus>suspended plus"]);
    assert_eq!(world.pass().planned(&world), ["new create vacant>pro"]);
}

#[test]
fn a_change_that_needs_an_address_of_somebody_held_or_left_out_waits() {
    let mut world = movers(&[("u01", Some("one"), "two"), ("u02", Some("two"), "three"), ("new", None, "one")]);
    let plus = holding("u02", "two@corp.example", active(plus()));
    world.memory.snapshot.learn(id("u02"), &Fact::Holds(plus));
    let decided = world.decide();
    assert_eq!(decided.go(&world).len(), 3);
    // One of the chain asked for alone.
    let alone = decided.cleared.clone().only(&HashSet::from([id("u01")]));
    assert!(alone.go().is_empty());
    assert_eq!(alone.held().len(), 1);
    assert!(alone.held()[0].why.starts_with("two@corp.example is still the address of another account"));
    // The end of the chain could not be looked up.
    let plan = decided.plan.without(&HashSet::from([id("u02")]));
    let cleared = clear(plan, &decided.desired, &world.rules, &world.limits, &world.memory, world.now);
    assert_eq!((cleared.go().len(), cleared.held().len()), (0, 2));
    // The end of the chain is a gain that is held; once approved everything goes.
    world.limits.gains = Limit::Count(1);
    let decided = world.decide();
    assert_eq!((decided.go(&world).len(), decided.held(&world).len()), (0, 3));
    world.approve();
    assert_eq!(world.pass().go(&world).len(), 3);
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn protected_people_gain_nothing_and_lose_nothing_and_are_named() {
    let mut world = World::new();
    world.rules.protected =
        vec![email("BREAK-GLASS@corp.example"), email("old@corp.example"), email("idle@corp.example")];
    world.person("break-glass");
    world.person("bob");
    world.person("idle");
    world.group("Chime Pro", &["idle"]);
    world.group("Chime Plus", &[]);
    world.holds("break-glass", active(pro()));
    world.holds("idle", active(pro()));
    world.memory.snapshot.learn(id("bob"), &Fact::Holds(holding("bob", "old@corp.example", active(pro()))));
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    // Nothing would have happened to idle, so nothing is said.
    assert_eq!(decided.warned().iter().filter(|kind| **kind == WarningKind::Protected).count(), 2);
    assert!(decided.message(WarningKind::Protected).contains("suspend from pro to suspended (in no mapped group)"));
}

#[test]
fn a_protected_person_without_an_account_gets_none() {
    let mut world = World::new();
    world.rules.protected = vec![email("alice@corp.example")];
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.desired.get(&id("alice")), Some(&Desired::Keep { why: KeepReason::Protected }));
}

#[test]
fn people_left_out_are_in_no_plan_and_not_waited_for() {
    let mut world = World::new();
    world.kind = StoreKind::EnterpriseLwa;
    world.person("alice");
    world.person("bob");
    world.group("Chime Pro", &["alice", "bob"]);
    world.group("Chime Plus", &[]);
    world.holds("bob", Seat::Vacant);
    let plan = world.decide().plan;
    assert_eq!((plan.changes().len(), plan.waiting().len()), (1, 1));
    let plan = plan.without(&HashSet::from([id("alice"), id("bob")]));
    assert_eq!((plan.changes().len(), plan.waiting().len()), (0, 0));
}
