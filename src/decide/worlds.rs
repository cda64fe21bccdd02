//! Small worlds for tests: written by hand for the tables, made by chance for the laws, and a store that does as it is
//! told.
#![allow(clippy::unwrap_used)] // A world that cannot be built is a mistake in its test.

use super::{Cleared, DesiredSet, Plan, Roster, absorb, clear, desire, inherit, plan};
use crate::model::{
    Action, Change, Detail, Details, Dn, Email, Fact, Group, GroupRef, Holding, Limit, Limits, Mailbox, Member, Memory,
    ObjectGuid, OnLeave, Origin, Person, Reading, RememberedGroup, Rules, Seat, Settlement, Shown, StoreKind, Tier,
    TierRule, Timestamp, UserId, WarningKind,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Everything a decision is made from.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) people: Vec<Person>,
    pub(super) groups: Vec<Group>,
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    pub(super) memory: Memory,
    pub(super) kind: StoreKind,
    pub(super) renames: bool,
    pub(super) now: Timestamp,
}

/// Everything decided.
pub(super) struct Decided {
    pub(super) roster: Roster,
    pub(super) desired: DesiredSet,
    pub(super) plan: Plan,
    pub(super) cleared: Cleared,
}

pub(super) fn id(name: &str) -> ObjectGuid {
    ObjectGuid::from_name(name)
}

pub(super) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(super) fn pro() -> Tier {
    Tier::new("pro")
}

pub(super) fn plus() -> Tier {
    Tier::new("plus")
}

pub(super) fn active(tier: Tier) -> Seat {
    Seat::Active(tier)
}

pub(super) fn dn(name: &str) -> Dn {
    Dn::new(&format!("CN={name},OU=All,DC=corp,DC=example"))
}

pub(super) fn holding(name: &str, address: &str, seat: Seat) -> Holding {
    Holding { id: UserId::new(&format!("account-{name}")), email: email(address), seat }
}

impl World {
    /// `Chime Pro` gives pro, `Chime Plus` gives plus; nobody there yet; an enterprise directory; limits out of the way.
    pub(super) fn new() -> Self {
        let rule = |tier: Tier, group: &str| TierRule { tier, groups: vec![GroupRef::new(group)] };
        let rules = Rules {
            tiers: vec![rule(pro(), "Chime Pro"), rule(plus(), "Chime Plus")],
            nested: true,
            ..Rules::default()
        };
        let limits = Limits { losses: Limit::Off, group_shrink: Limit::Off, ..Limits::default() };
        Self {
            people: Vec::new(),
            groups: Vec::new(),
            rules,
            limits,
            memory: Memory::empty(Origin::Known),
            kind: StoreKind::EnterpriseDirectory,
            renames: true,
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
        }
    }

    /// Adds an enabled person with an address of `corp.example`.
    pub(super) fn person(&mut self, name: &str) -> &mut Person {
        self.people.push(Person {
            guid: id(name),
            dn: dn(name),
            account_name: Some(name.into()),
            mailbox: Mailbox::Address(email(&format!("{}@corp.example", name.replace(' ', ".")))),
            disabled: false,
            expires: None,
            sid: None,
            primary_group_rid: None,
            details: None,
        });
        self.people.last_mut().unwrap()
    }

    /// Adds a group of these people and groups, and these people where they are not there yet.
    pub(super) fn group(&mut self, name: &str, members: &[&str]) -> &mut Group {
        self.groups.push(Group {
            guid: id(name),
            dn: dn(name),
            account_name: Some(name.to_owned()),
            common_names: vec![name.to_owned()],
            sid: None,
            members: members.iter().map(|member| Member::Dn(dn(member).key())).collect(),
        });
        self.groups.last_mut().unwrap()
    }

    pub(super) fn edit(&mut self, name: &str) -> &mut Person {
        self.people.iter_mut().find(|person| person.guid == id(name)).unwrap()
    }

    pub(super) fn edit_group(&mut self, name: &str) -> &mut Group {
        self.groups.iter_mut().find(|group| group.guid == id(name)).unwrap()
    }

    pub(super) fn drop_group(&mut self, name: &str) {
        self.groups.retain(|group| group.guid != id(name));
    }

    /// The account store has confirmed this.
    pub(super) fn holds(&mut self, name: &str, seat: Seat) {
        let holding = holding(name, &format!("{}@corp.example", name.replace(' ', ".")), seat);
        self.memory.snapshot.learn(id(name), &Fact::Holds(holding));
    }

    /// The last pass found this group with these members.
    pub(super) fn remember(&mut self, reference: &str, guid: &str, members: &[&str]) {
        let mut members: Vec<ObjectGuid> = members.iter().map(|name| id(name)).collect();
        members.sort();
        let entry = RememberedGroup { guid: id(guid), name: guid.to_owned(), members: Arc::new(members) };
        self.memory.groups.insert(GroupRef::new(reference), entry);
    }

    /// `count` people called `{name}0` and so on, all of them active in this tier and in no group yet.
    pub(super) fn crowd(&mut self, name: &str, count: usize, tier: Tier) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|number| format!("{name}{number}")).collect();
        for name in &names {
            self.person(name);
            self.holds(name, Seat::Active(tier.clone()));
        }
        names
    }

    pub(super) fn reading(&self) -> Reading {
        Reading { people: self.people.clone(), groups: self.groups.clone(), referrals: 0 }
    }

    pub(super) fn decide(&self) -> Decided {
        let roster = absorb(self.reading());
        let desired = desire(&roster, &self.rules, &self.memory, self.now);
        let plan = plan(&desired, &self.memory, &self.rules, self.kind, self.renames);
        let cleared = clear(plan.clone(), &desired, &self.rules, &self.limits, &self.memory, self.now);
        Decided { roster, desired, plan, cleared }
    }

    /// A whole pass against a store that does as it is told.
    pub(super) fn pass(&mut self) -> Decided {
        self.hand_over();
        let decided = self.decide();
        let tiers = self.rules.order();
        let go = decided.cleared.go();
        for change in go {
            self.memory.learn(&obeyed(change));
        }
        let applied: HashSet<ObjectGuid> =
            go.iter().filter(|change| change.is_loss(&tiers)).map(|change| change.guid).collect();
        let done: HashSet<ObjectGuid> = go.iter().map(|change| change.guid).collect();
        let groups = decided.desired.remembered(&self.memory, decided.cleared.blocked_groups(), &applied);
        self.memory.approvals = decided.cleared.approvals_left(&self.memory, &done, self.now);
        self.memory.groups = groups;
        self.memory.absent = decided.desired.absent().clone();
        self.memory.origin = Origin::Known;
        decided
    }

    /// Accounts of people who have left go over to who has their address.
    pub(super) fn hand_over(&mut self) {
        let inherited = inherit(&absorb(self.reading()), &self.memory.snapshot, &self.rules, self.now);
        for (guid, fact) in &inherited.facts {
            self.memory.snapshot.learn(*guid, fact);
        }
    }

    /// Approves what would be held now.
    pub(super) fn approve(&mut self) {
        self.hand_over();
        let approval = self.decide().cleared.approval("an operator", self.now, &self.limits);
        self.memory.approvals.extend(approval);
    }
}

fn obeyed(change: &Change) -> Settlement {
    let id = change.account.clone().unwrap_or_else(|| UserId::new(&format!("account-{}", change.guid)));
    let details = change.details.as_ref().filter(|_| change.to.is_held());
    let details = details.map_or(Shown::AsBefore, |details| Shown::Took(details.mark().on(&id)));
    let fact = match change.action {
        Action::Remove => Fact::NoAccount,
        _ => Fact::Holds(Holding { id, email: change.email.clone(), seat: change.to.clone() }),
    };
    Settlement { guid: change.guid, fact, closes_intent: true, entry: None, details }
}

/// A name that the account store shows.
pub(super) fn details(name: u8) -> Option<Arc<Details>> {
    Details::of(vec![Detail { name: "displayName".into(), value: format!("name {name}").into() }])
}

impl Decided {
    /// `alice create vacant>pro`, sorted by name.
    pub(super) fn planned(&self, world: &World) -> Vec<String> {
        lines(self.plan.changes().iter(), world)
    }

    pub(super) fn go(&self, world: &World) -> Vec<String> {
        lines(self.cleared.go().iter(), world)
    }

    pub(super) fn held(&self, world: &World) -> Vec<String> {
        lines(self.cleared.held().iter().map(|held| &held.change), world)
    }

    /// The reasons of what is held, each once.
    pub(super) fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = self.cleared.held().iter().map(|held| held.why.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// All warnings of the line, by kind.
    pub(super) fn warned(&self) -> Vec<WarningKind> {
        let all = [self.roster.warnings(), self.desired.warnings(), self.cleared.warnings()];
        all.iter().flat_map(|some| some.iter()).map(|warning| warning.kind).collect()
    }

    pub(super) fn message(&self, kind: WarningKind) -> &str {
        let all = [self.roster.warnings(), self.desired.warnings(), self.cleared.warnings()];
        all.iter().flat_map(|some| some.iter()).find(|warning| warning.kind == kind).unwrap().message.as_str()
    }
}

fn lines<'a>(changes: impl Iterator<Item = &'a Change>, world: &World) -> Vec<String> {
    let name = |guid: ObjectGuid| {
        let known = world.people.iter().find(|person| person.guid == guid);
        let account = || world.memory.snapshot.get(&guid).map(|holding| holding.email.as_str().to_owned());
        known
            .and_then(|person| Some(person.account_name.clone()?.into()))
            .or_else(account)
            .unwrap_or_else(|| guid.to_string())
    };
    let seat = |seat: &Seat| match seat {
        Seat::Suspended(tier) => format!("suspended {tier}"),
        Seat::Vacant | Seat::Invited | Seat::Active(_) => seat.to_string(),
    };
    let line = |change: &Change| {
        format!("{} {} {}>{}", name(change.guid), change.action, seat(&change.from), seat(&change.to))
    };
    let mut lines: Vec<String> = changes.map(line).collect();
    lines.sort_unstable();
    lines
}

/// What chance says about one person. Small numbers, so that a failing world shrinks to the plain case.
#[derive(Clone, Debug)]
struct Draw {
    mail: u8,
    status: u8,
    member_of: u8,
    was_member_of: u8,
    seat: u8,
    account_mail: u8,
    is_ghost: bool,
    absent_hours: Option<u8>,
    /// In the directory, and last sent.
    names: (Option<u8>, Option<u8>),
}

fn draw() -> impl Strategy<Value = Draw> {
    let member_of = any::<u8>().prop_map(|mask| mask & any_five());
    (
        0u8..14,
        0u8..10,
        member_of,
        prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)],
        0u8..10,
        0u8..8,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.3, 0u8..72),
        (prop::option::weighted(0.5, 0u8..2), prop::option::weighted(0.5, 0u8..2)),
    )
        .prop_map(|(mail, status, member_of, was, seat, account_mail, is_ghost, absent_hours, names)| Draw {
            mail,
            status,
            member_of,
            was_member_of: was.map_or(member_of, |was| was & any_five()),
            seat,
            account_mail,
            is_ghost,
            absent_hours,
            names,
        })
}

/// The groups of a random world: two that give pro, one that gives plus, one inside them, one that excludes.
pub(super) const GROUPS: [&str; 5] = ["Chime Pro", "More Pro", "Chime Plus", "Inner", "Blocked"];

const fn any_five() -> u8 {
    0b1_1111
}

prop_compose! {
    /// A random world: people, nested and cyclic groups, accounts, baselines, rules and limits.
    pub(super) fn any_world()(
        draws in prop::collection::vec(draw(), 0..12),
        nesting in prop::array::uniform5(prop_oneof![2 => Just(0u8), 1 => any::<u8>()]),
        missing in prop_oneof![3 => Just(0u8), 1 => any::<u8>()],
        baselines in prop_oneof![3 => Just(0xffu8), 1 => any::<u8>()],
        kind in prop_oneof![
            Just(StoreKind::EnterpriseDirectory), Just(StoreKind::EnterpriseLwa), Just(StoreKind::Team)
        ],
        (renames, nested, domains, protects) in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        on_leave in prop_oneof![Just(OnLeave::Deactivate), Just(OnLeave::Delete)],
        grace_hours in prop_oneof![Just(0u64), Just(48)],
        (losses, shrink, gains, floor) in (any_limit(), any_limit(), any_limit(), 0usize..4),
        origin in prop_oneof![6 => Just(Origin::Known), 1 => Just(Origin::Fresh)],
    ) -> World {
        let mut world = World::new();
        world.rules.tiers[0].groups.push(GroupRef::new("More Pro"));
        world.rules.exclude.push(GroupRef::new("Blocked"));
        (world.rules.nested, world.rules.on_leave) = (nested, on_leave);
        world.rules.grace = Duration::from_secs(grace_hours * 60 * 60);
        if domains {
            world.rules.domains = vec!["corp.example".to_owned()];
        }
        if protects {
            world.rules.protected = vec![email("p0@corp.example"), email("shared@corp.example")];
        }
        world.limits = Limits { losses, group_shrink: shrink, gains, losses_floor: floor, ..Limits::default() };
        (world.kind, world.renames, world.memory.origin) = (kind, renames, origin);
        for (index, (name, inner)) in GROUPS.iter().zip(nesting).enumerate() {
            let is_in = |draw: &&(String, &Draw)| draw.1.member_of >> index & 1 == 1;
            let named: Vec<(String, &Draw)> =
                draws.iter().enumerate().map(|(number, draw)| (format!("p{number}"), draw)).collect();
            let people = named.iter().filter(is_in).map(|(name, _)| name.as_str());
            let groups = GROUPS.iter().enumerate().filter(|(other, _)| inner >> other & 1 == 1).map(|(_, name)| *name);
            let members: Vec<&str> = people.chain(groups).collect();
            if missing >> index & 1 == 0 {
                world.group(name, &members);
            }
            if baselines >> index & 1 == 1 && *name != "Inner" {
                let was_in = |draw: &&(String, &Draw)| draw.1.was_member_of >> index & 1 == 1;
                let before: Vec<&str> = named.iter().filter(was_in).map(|(name, _)| name.as_str()).collect();
                world.remember(name, name, &before);
            }
        }
        for (number, draw) in draws.iter().enumerate() {
            world.place(&format!("p{number}"), draw);
        }
        world
    }
}

fn any_limit() -> impl Strategy<Value = Limit> {
    prop_oneof![2 => Just(Limit::Off), 1 => (0usize..4).prop_map(Limit::Count), 1 => (0u8..60).prop_map(Limit::Percent)]
}

/// Of p7 it is 7.
fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}

impl World {
    fn place(&mut self, name: &str, draw: &Draw) {
        let own = format!("{name}@corp.example");
        let address = |text: &str| Mailbox::Address(email(text));
        if !draw.is_ghost {
            let now = self.now;
            let person = self.person(name);
            person.mailbox = match draw.mail {
                0..=5 => address(&own),
                6 => address("shared@corp.example"),
                7 => address("p1@corp.example"),
                8 => address(&format!("new-{name}@corp.example")),
                9 => address(&format!("{name}@elsewhere.example")),
                // Two people in exchange, or a chain through somebody who moves on.
                12 => address(&format!("p{}@corp.example", number(name) ^ 1)),
                13 => address(&format!("p{}@corp.example", number(name) + 1)),
                10 => Mailbox::Malformed("not an address".into()),
                _ => Mailbox::Missing,
            };
            person.details = draw.names.0.and_then(details);
            person.disabled = draw.status == 8;
            person.expires = (draw.status == 9).then_some(now.into());
        }
        let seat = match draw.seat {
            0..=2 => return,
            3 | 4 => active(pro()),
            5 | 6 => active(plus()),
            7 => Seat::Suspended(pro()),
            8 => Seat::Invited,
            _ => Seat::Vacant,
        };
        let account_mail = match draw.account_mail {
            6 => "shared@corp.example".to_owned(),
            7 => format!("old-{name}@corp.example"),
            _ => own,
        };
        let holding = holding(name, &account_mail, seat);
        let sent = draw.names.1.and_then(details);
        let sent = sent.map_or(Shown::AsBefore, |details| Shown::Took(details.mark().on(&holding.id)));
        let (guid, fact) = (id(name), Fact::Holds(holding));
        self.memory.learn(&Settlement { guid, fact, closes_intent: false, entry: None, details: sent });
        if let Some(hours) = draw.absent_hours {
            let start = self.now.checked_sub(jiff::SignedDuration::from_hours(hours.into())).unwrap();
            self.memory.absent.insert(id(name), start);
        }
    }
}
