//! Following what changes gives what reading everything anew gives: over random directories with random histories.

use crate::decide::worlds::{World, details, dn, email, holding, id, plus, pro};
use crate::decide::{Differences, Fingerprint, NeedsWhole, Roster, absorb, clear, desire, follow, plan};
use crate::model::{
    Delta, Dn, Fact, Group, GroupChange, GroupRef, Mailbox, Member, MemberChange, ObjectGuid, Person, Reading, Seat,
    Sid,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Few of each, so that people meet in one name, one address, one group.
const PEOPLE: [&str; 6] = ["ada", "bo", "cy", "di", "ed", "flo"];
const GROUPS: [&str; 5] = ["Chime Pro", "Chime Plus", "Inner", "Outer", "Other"];
/// Spellings of a smaller number of names.
const NAMES: [&str; 8] = ["ada", "ADA", "bo", "cy", "di", "Chime Plus", "Inner", "nobody"];
const UIDS: [&str; 4] = ["ada", "Bo", "bo", "cy"];
const ADDRESSES: [&str; 4] = ["ada@corp.example", "Ada@Corp.Example", "bo@corp.example", "cy@corp.example"];
const SIDS: [&str; 3] = ["S-1-5-21-1-2-3-513", "S-1-5-21-1-2-3-600", "S-1-5-21-1-2-9-513"];

/// A directory as it really is.
#[derive(Clone, Debug, Default)]
struct Truth {
    people: BTreeMap<ObjectGuid, Person>,
    groups: BTreeMap<ObjectGuid, (Group, BTreeSet<Member>)>,
    /// There, but not to be seen.
    hidden: BTreeSet<ObjectGuid>,
}

#[derive(Clone, Debug)]
enum Event {
    Person(Person),
    Group(Group, BTreeSet<Member>),
    Renamed(Group),
    Joined(ObjectGuid, Member),
    Parted(ObjectGuid, Member),
    Gone(ObjectGuid),
    Hidden(ObjectGuid),
}

fn any_person() -> impl Strategy<Value = Person> {
    let optional = |from: &'static [&'static str]| prop::option::weighted(0.8, select(from));
    let sid = prop::option::weighted(0.7, (select(&SIDS[..]), select(&[513u32, 600, 700][..])));
    let shown = prop::option::weighted(0.5, 0u8..2);
    (select(&PEOPLE[..]), select(&NAMES[..]), optional(&UIDS), optional(&ADDRESSES), any::<bool>(), sid, shown)
        .prop_map(|(guid, name, uid, address, disabled, sid, shown)| Person {
            details: shown.and_then(details),
            guid: id(guid),
            dn: dn(name),
            account_name: uid.map(Into::into),
            mailbox: address.map_or(Mailbox::Missing, |text| Mailbox::Address(email(text))),
            disabled,
            expires: None,
            primary_group_rid: sid.map(|(_, rid)| rid),
            sid: sid.and_then(|(domain, _)| Sid::parse(domain)?.sibling(1000)),
        })
}

fn any_group() -> impl Strategy<Value = Group> {
    let sid = prop::option::weighted(0.5, select(&SIDS[..]));
    (select(&GROUPS[..]), select(&GROUPS[..]), any::<bool>(), sid).prop_map(|(guid, name, is_own, sid)| {
        // A group has its own name more often than not, so that the mapping finds something.
        let name = if is_own { guid } else { name };
        Group {
            guid: id(guid),
            dn: dn(name),
            account_name: Some(name.to_owned()),
            common_names: Vec::new(),
            sid: sid.and_then(Sid::parse),
            members: Vec::new(),
        }
    })
}

fn any_identity() -> impl Strategy<Value = ObjectGuid> {
    prop_oneof![3 => select(&PEOPLE[..]), 2 => select(&GROUPS[..]), 1 => Just("stranger")].prop_map(id)
}

fn any_member() -> impl Strategy<Value = Member> {
    prop_oneof![
        4 => any_identity().prop_map(Member::Guid),
        1 => any_identity().prop_map(Member::Foreign),
        4 => select(&NAMES[..]).prop_map(|name| Member::Dn(dn(name).key())),
        1 => Just(Member::Dn(Dn::new("CN=S-1-5-21-9-9-9-1,CN=ForeignSecurityPrincipals,DC=corp").key())),
        2 => select(&UIDS[..]).prop_map(|uid| Member::Uid(uid.to_lowercase())),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let members = prop::collection::btree_set(any_member(), 0..6);
    let group = || select(&GROUPS[..]).prop_map(id);
    prop_oneof![
        6 => any_person().prop_map(Event::Person),
        3 => (any_group(), members).prop_map(|(group, members)| Event::Group(group, members)),
        1 => any_group().prop_map(Event::Renamed),
        4 => (group(), any_member()).prop_map(|(group, member)| Event::Joined(group, member)),
        3 => (group(), any_member()).prop_map(|(group, member)| Event::Parted(group, member)),
        2 => any_identity().prop_map(Event::Gone),
        1 => any_identity().prop_map(Event::Hidden),
    ]
}

impl Truth {
    fn happen(&mut self, event: Event, told: &mut BTreeSet<ObjectGuid>) {
        match event {
            Event::Person(person) if self.is_deleted(&Member::Guid(person.guid), told) => {}
            Event::Group(group, _) if self.is_deleted(&Member::Guid(group.guid), told) => {}
            Event::Person(person) => {
                told.insert(person.guid);
                self.hidden.remove(&person.guid);
                self.people.insert(person.guid, person);
            }
            Event::Group(group, mut members) => {
                members.retain(|member| !self.is_deleted(member, told));
                told.insert(group.guid);
                self.hidden.remove(&group.guid);
                self.groups.insert(group.guid, (group, members));
            }
            Event::Renamed(group) => {
                if let Some((known, _)) = self.groups.get_mut(&group.guid) {
                    told.insert(group.guid);
                    *known = group;
                }
            }
            Event::Joined(group, member) => {
                let is_deleted = self.is_deleted(&member, told);
                if let Some((_, members)) = self.groups.get_mut(&group).filter(|_| !is_deleted) {
                    told.insert(group);
                    members.insert(member);
                }
            }
            Event::Parted(group, member) => {
                if let Some((_, members)) = self.groups.get_mut(&group) {
                    told.insert(group);
                    members.remove(&member);
                }
            }
            Event::Gone(guid) => {
                told.insert(guid);
                self.hidden.remove(&guid);
                self.people.remove(&guid);
                self.groups.remove(&guid);
                for (_, members) in self.groups.values_mut() {
                    members.retain(|member| *member != Member::Guid(guid) && *member != Member::Foreign(guid));
                }
            }
            Event::Hidden(guid) => {
                if self.people.remove(&guid).is_some() || self.groups.remove(&guid).is_some() {
                    told.insert(guid);
                    self.hidden.insert(guid);
                }
            }
        }
    }

    /// Nobody joins a group after being deleted, or is restored before the deletion has been told.
    fn is_deleted(&self, member: &Member, told: &BTreeSet<ObjectGuid>) -> bool {
        let (Member::Guid(guid) | Member::Foreign(guid)) = member else { return false };
        let is_there =
            || self.people.contains_key(guid) || self.groups.contains_key(guid) || self.hidden.contains(guid);
        told.contains(guid) && !is_there()
    }

    fn reading(&self) -> Reading {
        let group = |(group, members): &(Group, BTreeSet<Member>)| Group {
            members: members.iter().cloned().collect(),
            ..group.clone()
        };
        Reading {
            people: self.people.values().rev().cloned().collect(),
            groups: self.groups.values().rev().map(group).collect(),
            referrals: 1,
        }
    }

    /// What a server tells of these entries; `whole` groups with all their members, others with what differs, and with
    /// more than that where `wordy`.
    fn delta(&self, before: &Truth, told: &BTreeSet<ObjectGuid>, whole: bool, wordy: bool) -> Delta {
        let mut delta = Delta::default();
        for guid in told {
            if let Some(person) = self.people.get(guid) {
                delta.people.push(person.clone());
            } else if let Some((group, members)) = self.groups.get(guid) {
                let members = match before.groups.get(guid).filter(|_| !whole) {
                    None => MemberChange::All(members.iter().cloned().collect()),
                    Some((_, before)) => MemberChange::Some {
                        added: members.iter().filter(|value| wordy || !before.contains(value)).cloned().collect(),
                        removed: before.difference(members).cloned().chain(never_there(members, wordy)).collect(),
                    },
                };
                delta.groups.push(GroupChange { group: group.clone(), members });
            } else if self.hidden.contains(guid) {
                delta.hidden.push(*guid);
            } else {
                delta.gone.push(*guid);
            }
        }
        delta
    }
}

fn never_there(members: &BTreeSet<Member>, wordy: bool) -> impl Iterator<Item = Member> {
    let values = PEOPLE.iter().flat_map(|name| [Member::Guid(id(name)), Member::Dn(dn(name).key())]);
    values.filter(move |value| wordy && !members.contains(value))
}

/// Everything that can be seen of a roster.
fn seen(roster: &Roster) -> String {
    let mut out = format!("{:#?}\n{:#?}\n{:#?}\n", roster.people(), roster.groups(), roster.warnings());
    for (group, place) in roster.groups().iter().zip(0..) {
        let edges = roster.edges_of(place);
        let doubts: Vec<_> = edges.doubtful().map(|value| roster.fits(value)).collect();
        out += &format!("{}: {edges:?} {} {} {doubts:?}\n", group.guid, edges.unknown(), edges.foreign());
    }
    for text in ADDRESSES {
        out += &format!("{text}: {:?}\n", roster.with_address(&email(text)));
    }
    out + &format!("{:?}", roster.shared_addresses().collect::<Vec<_>>())
}

/// Everything that is decided from it.
fn decided(roster: &Roster, world: &World) -> String {
    let desired = desire(roster, &world.rules, &world.memory, world.now);
    let plan = plan(&desired, &world.memory, &world.rules, world.kind, world.renames);
    let changes = format!("{:?} {:?} {:?}", plan.changes(), plan.warnings(), plan.waiting());
    let cleared = clear(plan, &desired, &world.rules, &world.limits, &world.memory, world.now);
    let remembered = desired.remembered(&world.memory, cleared.blocked_groups(), &HashSet::new());
    let all: Vec<_> = desired.iter().collect();
    format!("{all:?} {:?} {changes} {} {remembered:?}", desired.warnings(), cleared.fingerprint())
}

fn world() -> World {
    let mut world = World::new();
    world.rules.exclude = vec![GroupRef::new("Other")];
    for (name, seat) in [("ada", Seat::Active(pro())), ("bo", Seat::Active(plus())), ("flo", Seat::Suspended(pro()))] {
        let account = holding(name, &format!("{name}@corp.example"), seat);
        world.memory.snapshot.learn(id(name), &Fact::Holds(account));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_followed_is_what_is_read(
        first in prop::collection::vec(any_event(), 0..24),
        history in prop::collection::vec(
            (prop::collection::vec(any_event(), 0..6), any::<bool>(), any::<bool>(), any::<bool>()), 1..5
        ),
    ) {
        let mut truth = Truth::default();
        first.into_iter().for_each(|event| truth.happen(event, &mut BTreeSet::new()));
        let mut roster = absorb(truth.reading());
        let world = world();
        for (events, whole, wordy, twice) in history {
            let (before, mut told) = (truth.clone(), BTreeSet::new());
            events.into_iter().for_each(|event| truth.happen(event, &mut told));
            let delta = truth.delta(&before, &told, whole, wordy);
            let read = || absorb(truth.reading());
            roster = match follow(roster, delta.clone()) {
                Ok(roster) => roster,
                // Of a group by whose names members are known.
                Err(NeedsWhole(why)) => {
                    prop_assert!(why.contains("has another name now"), "{}", why);
                    read()
                }
            };
            if twice {
                roster = follow(roster, delta).unwrap();
            }
            let read = read();
            prop_assert_eq!(seen(&roster), seen(&read));
            prop_assert_eq!(decided(&roster, &world), decided(&read, &world));
            prop_assert_eq!(Fingerprint::of(&roster).differences(&read), Differences::default());
            // What has no difference decides the same; what has one can be seen to.
            let old = absorb(before.reading());
            match Fingerprint::of(&old).differences(&read).count {
                0 => prop_assert_eq!(decided(&old, &world), decided(&read, &world)),
                _ => prop_assert_ne!(seen(&old), seen(&read)),
            }
        }
    }
}

#[test]
fn a_difference_is_named_and_all_are_counted() {
    let mut world = World::new();
    for name in ["alice", "bob", "carol"] {
        world.person(name);
    }
    world.group("Chime Pro", &["alice"]);
    world.group("Chime Plus", &["bob"]);
    let before = Fingerprint::of(&absorb(world.reading()));
    assert_eq!(before.differences(&absorb(world.reading())), Differences::default());
    world.edit("alice").mailbox = Mailbox::Address(email("Alice@corp.example"));
    world.people.retain(|person| person.guid != id("bob"));
    world.edit_group("Chime Pro").members = vec![Member::Guid(id("carol"))];
    world.edit_group("Chime Plus").account_name = None;
    world.group("New", &[]);
    let Differences { count, mut named } = before.differences(&absorb(world.reading()));
    named.sort();
    let guid = |name: &str| id(name).to_string();
    assert_eq!(count, 5);
    let expected = [
        format!(
            "the group Chime Plus (CN=Chime Plus,OU=All,DC=corp,DC=example, {}) is different and has other members",
            guid("Chime Plus")
        ),
        format!(
            "the group Chime Pro (CN=Chime Pro,OU=All,DC=corp,DC=example, {}) has other members",
            guid("Chime Pro")
        ),
        format!("the group New (CN=New,OU=All,DC=corp,DC=example, {}) was not there", guid("New")),
        format!("the person alice (CN=alice,OU=All,DC=corp,DC=example, {}) is different", guid("alice")),
        format!("the person {} is not there", guid("bob")),
    ];
    assert_eq!(named, expected);
    let crowd = World { people: Vec::new(), groups: Vec::new(), ..World::new() };
    let mut many = World::new();
    many.crowd("extra", 50, pro());
    let found = Fingerprint::of(&absorb(many.reading())).differences(&absorb(crowd.reading()));
    assert_eq!((found.count, found.named.len()), (50, 20));
}

fn refused(reading: Reading, delta: Delta) -> String {
    let NeedsWhole(why) = follow(absorb(reading), delta).unwrap_err();
    why
}

#[test]
fn what_cannot_be_sure_needs_a_whole_read() {
    let mut world = World::new();
    let alice = world.person("alice").clone();
    let group = world.group("Chime Pro", &["alice"]).clone();
    let reading = world.reading();
    let some = |added: &[&str], removed: &[&str]| {
        let values = |names: &[&str]| names.iter().map(|name| Member::Guid(id(name))).collect();
        MemberChange::Some { added: values(added), removed: values(removed) }
    };
    let change = |group: &Group, members| Delta {
        groups: vec![GroupChange { group: Group { members: Vec::new(), ..group.clone() }, members }],
        ..Delta::default()
    };
    let stranger = Group { guid: id("stranger"), ..group.clone() };
    let converted = Group { guid: alice.guid, ..group.clone() };
    for (why, delta) in [
        ("told two things", Delta { people: vec![alice.clone()], gone: vec![alice.guid], ..Delta::default() }),
        ("told two things", Delta { hidden: vec![alice.guid], gone: vec![alice.guid], ..Delta::default() }),
        ("not all members are known", change(&stranger, some(&["alice"], &[]))),
        ("has both come and gone", change(&group, some(&["alice"], &["alice"]))),
        ("was a person and is a group now", change(&converted, MemberChange::All(Vec::new()))),
    ] {
        let given = refused(reading.clone(), delta);
        assert!(given.contains(why), "{given}");
    }
    let twice = Person { dn: dn("alice elsewhere"), ..alice.clone() };
    let unsure = Reading { people: vec![alice.clone(), twice], ..Reading::default() };
    let delta = Delta { gone: vec![id("nobody")], ..Delta::default() };
    assert!(refused(unsure, delta).contains("came twice"));
}

/// OpenLDAP's overlay refint writes the new name into the groups, and tells nobody who follows.
#[test]
fn a_new_name_of_somebody_who_is_a_member_by_name_needs_a_whole_read() {
    let mut world = World::new();
    let alice = world.person("alice").clone();
    let bob = world.person("bob").clone();
    let inner = world.group("Inner", &[]).clone();
    let outer = world.group("Outer", &[]).clone();
    world.edit_group("Inner").members = vec![Member::Dn(alice.dn.key())];
    world.edit_group("Outer").members = vec![Member::Dn(inner.dn.key())];
    let anew = |group: &Group, name: &str, members| Delta {
        groups: vec![GroupChange {
            group: Group { dn: dn(name), members: Vec::new(), ..group.clone() },
            members: MemberChange::All(members),
        }],
        ..Delta::default()
    };
    let moved = Person { dn: dn("alice elsewhere"), ..alice.clone() };
    let given = refused(world.reading(), Delta { people: vec![moved.clone()], ..Delta::default() });
    assert!(given.contains("CN=alice,") && given.contains("the group Inner"), "{given}");
    let given = refused(world.reading(), anew(&inner, "Innermost", vec![Member::Dn(alice.dn.key())]));
    assert!(given.contains("CN=Inner,") && given.contains("the group Outer"), "{given}");
    // A group that is told as well, and somebody whom no group names.
    let told = Delta { people: vec![moved.clone()], ..anew(&inner, "Inner", vec![Member::Dn(moved.dn.key())]) };
    let roster = follow(absorb(world.reading()), told).unwrap();
    assert_eq!(roster.edges_of(roster.group_place(&inner.guid).unwrap()).people().count(), 1);
    let bob = Person { dn: dn("bob elsewhere"), ..bob };
    assert!(follow(absorb(world.reading()), Delta { people: vec![bob], ..Delta::default() }).is_ok());
    assert!(follow(absorb(world.reading()), anew(&outer, "Outermost", vec![Member::Dn(inner.dn.key())])).is_ok());
}

#[test]
fn somebody_who_comes_back_into_sight_is_a_member_again_and_somebody_restored_is_not() {
    let mut world = World::new();
    let alice = world.person("alice").clone();
    world.group("Chime Pro", &[]).members = vec![Member::Guid(alice.guid)];
    let there = |roster: &Roster| roster.edges_of(0).people().count() == 1;
    for (leaves, is_member) in [
        (Delta { hidden: vec![alice.guid], ..Delta::default() }, true),
        (Delta { gone: vec![alice.guid], ..Delta::default() }, false),
    ] {
        let roster = absorb(world.reading());
        assert!(there(&roster));
        let roster = follow(roster, leaves).unwrap();
        assert!(!there(&roster));
        let roster = follow(roster, Delta { people: vec![alice.clone()], ..Delta::default() }).unwrap();
        assert_eq!(there(&roster), is_member);
    }
}
