//! Whose account is whose, and what is said about one person.

use crate::decide::worlds::{World, active, email, holding, id, plus, pro};
use crate::decide::{Adoption, absorb, adopt, explain, inherit};
use crate::model::{Fact, Mailbox, ObjectGuid, Observed, Seat, StoreKind, Timestamp, UserId, WarningKind};

fn observed(name: &str, address: &str, seat: Seat) -> Observed {
    Observed { id: UserId::new(&format!("account-{name}")), email: email(address), seat, external: None, details: None }
}

fn audit(world: &World, accounts: &[Observed]) -> Adoption {
    let roster = absorb(world.reading());
    let adoption = adopt(accounts, &roster, &world.memory.snapshot, world.now);
    let mut reversed = accounts.to_vec();
    reversed.reverse();
    assert_eq!(adopt(&reversed, &roster, &world.memory.snapshot, world.now), adoption, "the order is irrelevant");
    adoption
}

fn kinds(adoption: &Adoption) -> Vec<WarningKind> {
    adoption.warnings.iter().map(|warning| warning.kind).collect()
}

fn holds(name: &str, address: &str, seat: Seat) -> (ObjectGuid, Fact) {
    (id(name), Fact::Holds(holding(name, address, seat)))
}

#[test]
fn a_first_run_adopts_by_address_and_leaves_strangers_alone() {
    let mut world = World::new();
    world.person("alice");
    let adoption = audit(
        &world,
        &[
            observed("alice", "ALICE@corp.example", active(pro())),
            observed("admin", "admin@corp.example", active(pro())),
        ],
    );
    assert_eq!(adoption.facts, [holds("alice", "alice@corp.example", active(pro()))]);
    assert_eq!(adoption.warnings, []);
}

#[test]
fn an_identity_kept_by_the_store_goes_before_an_address() {
    let mut world = World::new();
    world.person("alice");
    world.person("bob");
    let account = Observed { external: Some(id("bob")), ..observed("x", "alice@corp.example", active(pro())) };
    assert_eq!(audit(&world, &[account]).facts[0].0, id("bob"));
    // An identity of another directory is none to us.
    let account = Observed { external: Some(id("stranger")), ..observed("x", "alice@corp.example", active(pro())) };
    assert_eq!(audit(&world, &[account]).facts[0].0, id("alice"));
}

#[test]
fn an_address_of_two_enabled_people_adopts_nobody() {
    let mut world = World::new();
    world.person("alice");
    world.person("bob").mailbox = Mailbox::Address(email("alice@corp.example"));
    let accounts = [observed("alice", "alice@corp.example", active(pro()))];
    assert_eq!(audit(&world, &accounts), Adoption::default());
    world.edit("bob").disabled = true;
    assert_eq!(audit(&world, &accounts).facts[0].0, id("alice"));
    world.edit("alice").disabled = true;
    assert_eq!(audit(&world, &accounts), Adoption::default());
}

#[test]
fn a_disabled_person_is_matched_when_nobody_enabled_is() {
    let mut world = World::new();
    world.person("alice").disabled = true;
    let adoption = audit(&world, &[observed("alice", "alice@corp.example", active(pro()))]);
    assert_eq!(adoption.facts.len(), 1);
}

#[test]
fn what_somebody_else_changed_is_learned_and_named() {
    let mut world = World::new();
    for name in ["alice", "bob", "carol", "dave"] {
        world.person(name);
    }
    world.holds("alice", active(pro()));
    world.holds("bob", active(pro()));
    world.holds("carol", Seat::Invited);
    world.holds("dave", active(plus()));
    let adoption = audit(
        &world,
        &[
            observed("alice", "alice@corp.example", active(plus())),
            observed("carol", "carol@corp.example", active(plus())),
            observed("dave", "dave@corp.example", active(plus())),
        ],
    );
    let mut expected = vec![
        holds("alice", "alice@corp.example", active(plus())),
        (id("bob"), Fact::NoAccount),
        holds("carol", "carol@corp.example", active(plus())),
    ];
    expected.sort_by_key(|(guid, _)| *guid);
    assert_eq!(adoption.facts, expected);
    // An accepted invitation is no drift.
    assert_eq!(kinds(&adoption), [WarningKind::Drift, WarningKind::Drift]);
    let subjects: Vec<&str> = adoption.warnings.iter().map(|warning| warning.subject.as_str()).collect();
    assert_eq!(subjects, ["alice", "bob"]);
    assert!(adoption.warnings[0].message.contains("was pro when last confirmed and is plus now"));
}

#[test]
fn of_two_accounts_for_one_person_the_known_one_stays() {
    let mut world = World::new();
    world.person("alice");
    world
        .memory
        .snapshot
        .learn(id("alice"), &Fact::Holds(holding("old", "maiden@corp.example", Seat::Suspended(pro()))));
    let adoption = audit(
        &world,
        &[
            observed("new", "alice@corp.example", active(pro())),
            observed("old", "maiden@corp.example", Seat::Suspended(pro())),
        ],
    );
    assert_eq!(adoption.facts, []);
    assert_eq!(kinds(&adoption), [WarningKind::AmbiguousAccount]);
    assert!(adoption.warnings[0].message.contains("account-old (maiden@corp.example) is used"));
}

#[test]
fn an_account_made_anew_is_found_by_its_address() {
    let mut world = World::new();
    world.person("alice");
    world.holds("alice", active(pro()));
    let adoption = audit(&world, &[observed("second", "alice@corp.example", active(pro()))]);
    assert_eq!(adoption.facts, [(id("alice"), Fact::Holds(holding("second", "alice@corp.example", active(pro()))))]);
    assert_eq!(adoption.warnings, []);
}

#[test]
fn accounts_of_people_gone_from_the_directory_stay_theirs() {
    let mut world = World::new();
    world.holds("ghost", active(pro()));
    let adoption = audit(&world, &[observed("ghost", "ghost@corp.example", active(pro()))]);
    assert_eq!(adoption, Adoption::default());
}

fn inherited(world: &World) -> Adoption {
    inherit(&absorb(world.reading()), &world.memory.snapshot, &world.rules, world.now)
}

/// An account of somebody who is gone, and a new entry with that address.
fn made_anew() -> World {
    let mut world = World::new();
    world.memory.snapshot.learn(id("old"), &Fact::Holds(holding("old", "alice@corp.example", active(pro()))));
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    world
}

#[test]
fn a_person_made_anew_keeps_the_account() {
    let mut world = made_anew();
    let adoption = inherited(&world);
    let mut expected = vec![
        (id("old"), Fact::NoAccount),
        (id("alice"), Fact::Holds(holding("old", "alice@corp.example", active(pro())))),
    ];
    expected.sort_by_key(|(guid, _)| *guid);
    assert_eq!(adoption.facts, expected);
    assert_eq!(kinds(&adoption), [WarningKind::AccountInherited]);
    assert_eq!(world.pass().planned(&world), [""; 0]);
    assert_eq!(inherited(&world), Adoption::default());
}

#[test]
fn a_disabled_or_expired_owner_leaves_the_account_to_the_successor() {
    for is_disabled in [true, false] {
        let mut world = made_anew();
        let now = world.now;
        let old = world.person("old");
        old.mailbox = Mailbox::Address(email("alice@corp.example"));
        old.disabled = is_disabled;
        old.expires = (!is_disabled).then_some(now.into());
        assert_eq!(inherited(&world).facts.len(), 2);
    }
}

#[test]
fn nothing_is_inherited_where_it_would_take_something() {
    // The owner is there.
    let mut world = made_anew();
    world.person("old").mailbox = Mailbox::Address(email("renamed@corp.example"));
    assert_eq!(inherited(&world), Adoption::default());
    // Two people have the address.
    let mut world = made_anew();
    world.person("bob").mailbox = Mailbox::Address(email("alice@corp.example"));
    assert_eq!(inherited(&world), Adoption::default());
    // The heir has an account.
    let mut world = made_anew();
    world.holds("alice", active(plus()));
    assert_eq!(inherited(&world), Adoption::default());
    // The heir is not enabled.
    let mut world = made_anew();
    world.edit("alice").disabled = true;
    assert_eq!(inherited(&world), Adoption::default());
    // The address is protected.
    let mut world = made_anew();
    world.rules.protected = vec![email("alice@corp.example")];
    assert_eq!(inherited(&world), Adoption::default());
}

#[test]
fn of_two_accounts_left_the_one_in_use_is_inherited() {
    let mut world = made_anew();
    let suspended = holding("a", "alice@corp.example", Seat::Suspended(pro()));
    world.memory.snapshot.learn(id("older"), &Fact::Holds(suspended));
    let facts = inherited(&world).facts;
    assert!(facts.contains(&(id("old"), Fact::NoAccount)));
    assert_eq!(facts.len(), 2);
}

#[test]
fn one_person_is_explained() {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Pro", &["Engineering"]);
    world.group("Engineering", &["alice"]);
    world.group("Chime Plus", &["alice"]);
    world.holds("alice", active(plus()));
    let all = world.decide();
    let one = explain(&id("alice"), &all.roster, &world.rules, &world.memory, &all.desired, &all.cleared, world.now);
    assert_eq!(one.paths, [vec!["alice", "Engineering", "Chime Pro"], vec!["alice", "Chime Plus"]]);
    assert_eq!((one.tier, one.enabled), (Some(pro()), true));
    assert_eq!(one.email, Some(email("alice@corp.example")));
    assert_eq!(one.dn.as_deref(), Some("CN=alice,OU=All,DC=corp,DC=example"));
    assert_eq!(one.confirmed.map(|holding| holding.seat), Some(active(plus())));
    let next = one.next.unwrap();
    assert_eq!((next.change.to, next.held), (active(pro()), None));
    assert_eq!(one.notes, ["should hold pro: in Chime Pro via Engineering"]);
}

#[test]
fn a_held_loss_is_explained_with_its_reason() {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Plus", &[]);
    world.holds("alice", active(pro()));
    world.remember("Chime Pro", "Chime Pro", &["alice"]);
    let all = world.decide();
    let one = explain(&id("alice"), &all.roster, &world.rules, &world.memory, &all.desired, &all.cleared, world.now);
    assert_eq!(one.next.unwrap().held.as_deref(), Some("group Chime Pro is missing"));
    assert_eq!(
        one.notes,
        ["should hold no seat: in no mapped group", "was in Chime Pro at the last pass; it is missing now"]
    );
    assert!(one.paths.is_empty());
}

#[test]
fn people_who_are_gone_or_strangers_are_explained_too() {
    let mut world = World::new();
    world.group("Chime Pro", &[]);
    world.group("Chime Plus", &[]);
    world.holds("ghost", active(pro()));
    let all = world.decide();
    let notes = |guid: &ObjectGuid| {
        let one = explain(guid, &all.roster, &world.rules, &world.memory, &all.desired, &all.cleared, world.now);
        assert_eq!((one.dn, one.enabled, one.tier), (None, false, None));
        one.notes
    };
    assert_eq!(notes(&id("ghost")), ["gone from the directory", "should hold no seat: gone from the directory"]);
    assert_eq!(notes(&id("nobody")), ["gone from the directory", "in no mapped group and without an account"]);
}

#[test]
fn somebody_who_is_kept_shows_what_is_held() {
    let mut world = World::new();
    world.rules.protected = vec![email("alice@corp.example")];
    world.person("alice").expires = Some("2026-12-31T00:00:00Z".parse::<Timestamp>().unwrap().into());
    world.group("Chime Pro", &[]);
    world.group("Chime Plus", &[]);
    world.holds("alice", active(plus()));
    let all = world.decide();
    let one = explain(&id("alice"), &all.roster, &world.rules, &world.memory, &all.desired, &all.cleared, world.now);
    assert_eq!(one.tier, Some(plus()));
    assert_eq!(
        one.notes,
        ["the directory account expires at 2026-12-31T00:00:00Z", "nothing changes: protected by the configuration"]
    );
}

#[test]
fn somebody_who_has_to_register_first_is_told_of_it() {
    let mut world = World::new();
    world.kind = StoreKind::EnterpriseLwa;
    world.person("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    let all = world.decide();
    let one = explain(&id("alice"), &all.roster, &world.rules, &world.memory, &all.desired, &all.cleared, world.now);
    assert_eq!(one.next, None);
    assert_eq!(
        one.notes,
        [
            "should hold pro: in Chime Pro",
            "not registered yet: gets the seat after registering with alice@corp.example"
        ]
    );
}
