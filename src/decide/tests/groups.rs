//! Finding groups, resolving members, and what is remembered of them.

use crate::decide::worlds::{World, active, dn, id, plus, pro};
use crate::decide::{Desired, KeepReason, Standing, absorb};
use crate::model::{DnKey, GroupRef, Member, Sid, WarningKind};
use std::collections::HashSet;

fn world() -> World {
    let mut world = World::new();
    world.person("alice");
    world.group("Chime Plus", &[]);
    world
}

fn map_pro_to(world: &mut World, reference: &str) {
    world.rules.tiers[0].groups = vec![GroupRef::new(reference)];
}

#[test]
fn a_reference_is_a_dn_a_name_an_identity_or_a_sid() {
    let guid = id("Chime Pro").to_string();
    for reference in
        ["cn=chime pro,OU=all,dc=CORP,dc=example", "CHIME PRO", "The Pro Group", guid.as_str(), "S-1-5-21-7-8-9-1105"]
    {
        let mut world = world();
        let group = world.group("Chime Pro", &["alice"]);
        group.common_names = vec!["The Pro Group".to_owned()];
        group.sid = Sid::parse("S-1-5-21-7-8-9-1105");
        map_pro_to(&mut world, reference);
        assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"], "{reference}");
    }
}

#[test]
fn an_account_name_goes_before_a_common_name() {
    let mut world = world();
    world.group("Chime Pro", &["alice"]);
    world.group("decoy", &[]).common_names = vec!["Chime Pro".to_owned()];
    assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"]);
}

#[test]
fn two_groups_that_fit_are_none() {
    let mut world = world();
    for name in ["one", "two"] {
        world.group(name, &["alice"]).account_name = Some("Chime Pro".to_owned());
    }
    let decided = world.decide();
    assert_eq!(decided.desired.groups()[0].standing(), Standing::Ambiguous);
    assert!(decided.warned().contains(&WarningKind::GroupAmbiguous));
    assert!(decided.message(WarningKind::GroupAmbiguous).contains("CN=one,OU=All,DC=corp,DC=example"));
    assert_eq!(decided.planned(&world), [""; 0]);
}

#[test]
fn a_renamed_group_is_followed_and_named() {
    let mut world = world();
    world.holds("alice", active(pro()));
    let group = world.group("Chime Pro", &["alice"]);
    group.account_name = Some("Licences".to_owned());
    group.common_names = vec!["Licences".to_owned()];
    group.dn = dn("Licences");
    world.remember("Chime Pro", "Chime Pro", &["alice"]);
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert!(decided.message(WarningKind::GroupRenamed).contains("CN=Licences,OU=All,DC=corp,DC=example"));
}

#[test]
fn a_group_deleted_and_made_again_is_used_and_named() {
    let mut world = world();
    world.holds("alice", active(pro()));
    world.group("Chime Pro", &["alice"]).guid = id("the new one");
    world.remember("Chime Pro", "the old one", &["alice"]);
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert!(decided.warned().contains(&WarningKind::GroupReplaced));
    assert_eq!(decided.desired.groups()[0].members_before(), Some(1));
}

#[test]
fn an_edited_reference_keeps_what_is_remembered() {
    let mut world = world();
    world.group("Chime Pro", &[]);
    world.remember("Chime Pro", "Chime Pro", &["alice"]);
    map_pro_to(&mut world, "CN=Chime Pro,OU=All,DC=corp,DC=example");
    assert_eq!(world.decide().desired.groups()[0].standing(), Standing::SuddenlyEmpty);
}

#[test]
fn a_member_is_found_by_name_and_not_by_text() {
    let mut world = world();
    world.group("Chime Pro", &[]).members = vec![Member::Dn(DnKey::of("cn=ALICE,ou=all,DC=Corp,dc=Example"))];
    assert_eq!(world.decide().planned(&world), ["alice create vacant>pro"]);
}

#[test]
fn a_uid_names_a_person() {
    let mut world = world();
    world.edit("alice").account_name = Some("Alice".into());
    world.group("Chime Pro", &[]).members = vec![Member::Uid("alice".to_owned()), Member::Uid("nobody".to_owned())];
    let decided = world.decide();
    assert_eq!(decided.planned(&world), ["Alice create vacant>pro"]);
    assert!(decided.message(WarningKind::UnknownMembers).starts_with("1 of its members is nobody"));
}

#[test]
fn an_identity_names_a_person_or_a_group_whatever_they_are_called() {
    let mut world = world();
    world.edit("alice").dn = dn("Alice Married");
    world.person("bob");
    world.group("Inner", &["bob"]);
    let unread = [Member::Guid(id("unread")), Member::Foreign(id("guest"))];
    let members = [Member::Guid(id("alice")), Member::Guid(id("alice")), Member::Guid(id("Inner"))];
    world.group("Chime Pro", &[]).members = members.into_iter().chain(unread).collect();
    let decided = world.decide();
    assert_eq!(decided.planned(&world), ["alice create vacant>pro", "bob create vacant>pro"]);
    assert!(decided.message(WarningKind::UnknownMembers).starts_with("1 of its members is nobody"));
    assert!(decided.message(WarningKind::ForeignMembers).ends_with("from here: 1"));
}

#[test]
fn unknown_and_foreign_members_are_counted_once_a_group() {
    let mut world = world();
    world.group("Chime Pro", &["alice", "ghost", "Inner"]);
    world
        .group("Inner", &["another ghost"])
        .members
        .push(Member::Dn(DnKey::of("CN=S-1-5-21-1-2-3-500,CN=ForeignSecurityPrincipals,DC=corp,DC=example")));
    world.group("Unmapped", &["a third ghost"]);
    let decided = world.decide();
    assert!(decided.message(WarningKind::UnknownMembers).starts_with("2 of its members are nobody"));
    assert!(decided.message(WarningKind::ForeignMembers).starts_with("members of other domains"));
    let kinds = decided.warned();
    assert_eq!(kinds.iter().filter(|kind| **kind == WarningKind::UnknownMembers).count(), 1);
}

#[test]
fn direct_members_only_when_nesting_is_off_but_exclusions_go_deep() {
    let mut world = world();
    world.person("bob");
    world.person("carol");
    world.group("Chime Pro", &["bob", "carol", "Inner"]);
    world.group("Inner", &["alice"]);
    world.group("Blocked", &["Blocked Inner"]);
    world.group("Blocked Inner", &["carol"]);
    world.rules.nested = false;
    world.rules.exclude = vec![GroupRef::new("Blocked")];
    assert_eq!(world.decide().planned(&world), ["bob create vacant>pro"]);
}

#[test]
fn a_name_that_fits_two_people_gives_nothing_and_takes_nothing() {
    let mut world = world();
    world.person("bob").dn = dn("alice");
    world.group("Chime Pro", &["alice"]);
    world.holds("bob", active(pro()));
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    assert_eq!(decided.desired.get(&id("bob")), Some(&Desired::Keep { why: KeepReason::AmbiguousName }));
    assert!(decided.warned().contains(&WarningKind::AmbiguousName));
}

#[test]
fn a_doubtful_higher_tier_keeps_a_certain_lower_one() {
    let mut world = World::new();
    world.person("alice");
    world.person("bob").dn = dn("alice");
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &[]).members = vec![Member::Uid("bob".to_owned())];
    world.holds("bob", active(pro()));
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

#[test]
fn an_entry_read_twice_is_one() {
    let mut world = world();
    world.person("alice").dn = dn("moved");
    world.group("Chime Pro", &["alice"]);
    let roster = absorb(world.reading());
    assert_eq!(roster.people().len(), 1);
    assert_eq!(roster.warnings()[0].kind, WarningKind::AmbiguousName);
}

#[test]
fn people_are_found_by_every_name() {
    let mut world = world();
    world.person("bob");
    let roster = absorb(world.reading());
    let guid = id("alice").to_string();
    for who in ["alice@CORP.example", "ALICE", "cn=alice,ou=all,dc=corp,dc=example", guid.as_str(), " alice "] {
        let found: Vec<_> = roster.find(who).iter().map(|person| person.guid).collect();
        assert_eq!(found, [id("alice")], "{who}");
    }
    assert!(roster.find("nobody").is_empty());
    assert_eq!(roster.person(&id("bob")).map(|person| person.guid), Some(id("bob")));
}

#[test]
fn a_missing_exclusion_holds_what_its_people_would_gain_and_takes_nothing() {
    let mut world = world();
    world.person("bob");
    world.person("carol");
    world.group("Chime Pro", &["alice", "bob", "carol"]);
    world.rules.exclude = vec![GroupRef::new("Blocked")];
    world.remember("Blocked", "Blocked", &["alice", "bob"]);
    world.holds("bob", active(pro()));
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["carol create vacant>pro"]);
    assert_eq!(decided.held(&world), ["alice create vacant>pro"]);
    assert_eq!(decided.reasons(), ["excluded group Blocked is missing"]);
    assert!(decided.message(WarningKind::GroupMissing).contains("excluded by it would gain is held until approved"));
    // And it is not forgotten by the pass, nor by a loss.
    world.edit("bob").disabled = true;
    let decided = world.pass();
    assert_eq!(decided.go(&world), ["bob suspend pro>suspended pro", "carol create vacant>pro"]);
    assert_eq!(world.decide().go(&world), [""; 0]);
    assert_eq!(world.memory.groups[&GroupRef::new("Blocked")].members.len(), 2);
    // An operator can let it go.
    world.approve();
    assert_eq!(world.pass().go(&world), ["alice create vacant>pro"]);
    assert_eq!(world.decide().planned(&world), [""; 0]);
}

/// An excluded group that had alice and bob, both in `Chime Pro`, and carol, who is in no group; and has nobody now.
fn emptied_exclusion() -> World {
    let mut world = world();
    world.person("bob");
    world.person("carol");
    world.group("Chime Pro", &["alice", "bob"]);
    world.group("Blocked", &[]);
    world.rules.exclude = vec![GroupRef::new("Blocked")];
    world.remember("Blocked", "Blocked", &["alice", "bob", "carol"]);
    world
}

#[test]
fn an_exclusion_that_is_suddenly_empty_holds_what_its_people_would_gain() {
    let mut world = emptied_exclusion();
    for _ in 0..2 {
        let decided = world.pass();
        assert_eq!(decided.go(&world), [""; 0]);
        assert_eq!(decided.held(&world), ["alice create vacant>pro", "bob create vacant>pro"]);
        assert_eq!(decided.reasons(), ["excluded group Blocked suddenly has no members"]);
        assert_eq!(decided.desired.groups()[2].standing(), Standing::SuddenlyEmpty);
    }
    let excluding = world.decide();
    let warnings = excluding.desired.warnings().iter().filter(|warning| warning.subject == "Blocked");
    let messages: Vec<&str> = warnings.map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the group had 3 members and has none now: what those who were excluded by it would gain is held until approved"
        ]
    );
}

#[test]
fn an_emptied_exclusion_lets_go_of_each_person_whose_gain_was_approved() {
    let mut world = emptied_exclusion();
    // Only Alice is looked at.
    let scope = HashSet::from([id("alice")]);
    let approval = world.decide().cleared.only(&scope).approval("an operator", world.now, &world.limits);
    world.memory.approvals.extend(approval);
    assert_eq!(world.pass().go(&world), ["alice create vacant>pro"]);
    world.pass();
    let mut left = [id("bob"), id("carol")];
    left.sort();
    assert_eq!(world.memory.groups[&GroupRef::new("Blocked")].members.as_slice(), left);
    // With the last gain the group is a usual empty one.
    world.approve();
    assert_eq!(world.pass().go(&world), ["bob create vacant>pro"]);
    world.pass();
    assert!(world.memory.groups[&GroupRef::new("Blocked")].members.is_empty());
    let decided = world.decide();
    assert_eq!(decided.desired.groups()[2].standing(), Standing::Known);
    assert!(!decided.desired.warnings().iter().any(|warning| warning.subject == "Blocked"));
}

#[test]
fn an_emptied_exclusion_of_people_with_nothing_to_gain_is_at_rest() {
    let mut world = emptied_exclusion();
    world.edit_group("Chime Pro").members.clear();
    world.pass();
    assert!(world.memory.groups[&GroupRef::new("Blocked")].members.is_empty());
    // Back before anybody gained: the exclusion stands as ever.
    let mut world = emptied_exclusion();
    world.pass();
    world.drop_group("Blocked");
    world.group("Blocked", &["alice", "bob", "carol"]);
    assert_eq!(world.pass().planned(&world), [""; 0]);
}

#[test]
fn one_group_named_twice_is_told() {
    let by_dn = "CN=Chime Pro,OU=All,DC=corp,DC=example";
    let mut world = world();
    world.group("Chime Pro", &["alice"]);
    world.rules.tiers[1].groups.push(GroupRef::new(by_dn));
    let decided = world.decide();
    assert_eq!(decided.planned(&world), ["alice create vacant>pro"]);
    assert_eq!(
        decided.message(WarningKind::GroupDuplicate),
        format!("\"Chime Pro\" (tier pro) and {by_dn:?} (tier plus) name one and the same group: its members get pro")
    );
    world.rules.tiers[1].groups.pop();
    world.rules.exclude = vec![GroupRef::new(by_dn)];
    let decided = world.decide();
    assert_eq!(decided.planned(&world), [""; 0]);
    let message = decided.message(WarningKind::GroupDuplicate);
    assert!(message.ends_with("the exclusion wins, and none of its members gets a seat"), "{message}");
    world.rules.exclude.clear();
    world.rules.tiers[0].groups.push(GroupRef::new(by_dn));
    assert!(world.decide().message(WarningKind::GroupDuplicate).ends_with("once is enough"));
}

#[test]
fn a_group_at_rest_is_remembered_as_it_is() {
    let mut world = world();
    world.group("Chime Pro", &["alice"]);
    world.pass();
    let old = &world.memory.groups[&GroupRef::new("Chime Pro")];
    assert_eq!((old.guid, old.members.as_slice()), (id("Chime Pro"), &[id("alice")][..]));
    assert_eq!(world.memory.groups.len(), 2);
}

#[test]
fn a_missing_group_without_losses_keeps_its_guard() {
    let mut world = World::new();
    world.person("alice");
    world.holds("alice", active(pro()));
    world.group("Other Pro", &["alice"]);
    world.group("Chime Plus", &[]);
    world.rules.tiers[0].groups.push(GroupRef::new("Other Pro"));
    world.remember("Chime Pro", "Chime Pro", &["alice"]);
    world.remember("Other Pro", "Other Pro", &["alice"]);
    world.pass();
    assert_eq!(world.memory.groups[&GroupRef::new("Chime Pro")].members.as_slice(), [id("alice")]);
    // When the other group lets go, the missing one still speaks for her.
    world.edit_group("Other Pro").members.clear();
    let decided = world.decide();
    assert_eq!(decided.go(&world), [""; 0]);
    assert_eq!(decided.held(&world), ["alice suspend pro>suspended pro"]);
}

#[test]
fn a_tier_kept_elsewhere_stays_in_the_baseline_of_a_missing_group() {
    // Alice has pro and, by a missing group, plus. Losing pro leaves her plus by a third group, which takes nothing that
    // the missing one gave.
    let mut world = World::new();
    world.person("alice");
    world.holds("alice", active(pro()));
    world.group("Chime Pro", &["Rest"]);
    world.group("Rest", &[]);
    world.group("Other Plus", &["alice"]);
    world.rules.tiers[1].groups.push(GroupRef::new("Other Plus"));
    world.remember("Chime Plus", "Chime Plus", &["alice"]);
    world.remember("Other Plus", "Other Plus", &["alice"]);
    let decided = world.decide();
    assert_eq!(decided.go(&world), ["alice move pro>plus"]);
    let applied = HashSet::from([id("alice")]);
    let groups = decided.desired.remembered(&world.memory, decided.cleared.blocked_groups(), &applied);
    assert_eq!(groups[&GroupRef::new("Chime Plus")].members.as_slice(), [id("alice")]);
    world.holds("alice", active(plus()));
    assert_eq!(world.decide().planned(&world), [""; 0]);
}
