//! Random directories, mappings and memories, for those who hold what was read in one way against what was read in another.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::same::{Case, of_many};
use seatsync::model::{
    Email, Fact, GroupRef, Holding, Memory, ObjectGuid, Observed, Origin, RememberedGroup, Rules, Seat, StoreKind,
    Tier, TierRule, Timestamp, UserId,
};
use std::time::Duration;

pub const PERSONS: usize = 12;
pub const TEAMS: usize = 7;
/// Not before it is anybody's account expired, and not after it somebody's is.
pub const NOW: &str = "2026-06-01T12:00:00Z";
/// 1 January 2020, and the year 2100, as Windows writes them.
pub const LONG_AGO: &str = "132223104000000000";
pub const FAR_AHEAD: &str = "157469184000000000";

/// What chance says, number by number; when it has said all, it says 0.
pub struct Dice<'a>(pub std::slice::Iter<'a, u8>);

impl Dice<'_> {
    pub fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % sides
    }

    pub fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == sides - 1
    }

    pub fn some<T>(&mut self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().filter(|_| self.one_in(3)).collect()
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

/// People have the identities 1, 2, ... and groups 101, 102, ...
pub fn person_guid(number: usize) -> ObjectGuid {
    ObjectGuid::from_u128(number as u128 + 1)
}

pub fn team_guid(number: usize) -> ObjectGuid {
    ObjectGuid::from_u128(number as u128 + 101)
}

pub fn sid(rid: u32) -> Vec<u8> {
    let parts = [21_u32, 1, 2, 3, rid];
    [1, 5, 0, 0, 0, 0, 0, 5].into_iter().chain(parts.into_iter().flat_map(u32::to_le_bytes)).collect()
}

pub fn address(number: usize, dice: &mut Dice<'_>) -> Option<String> {
    match dice.roll(10) {
        0..=3 => Some(format!("p{number}@corp.test")),
        4 => Some("shared@corp.test".to_owned()),
        5 => Some("Shared@CORP.Test".to_owned()),
        6 => Some(format!("P{}@corp.test", dice.roll(PERSONS))),
        7 => Some("not an address".to_owned()),
        8 => Some(format!("  p{}@corp.test ", dice.roll(PERSONS))),
        _ => None,
    }
}

/// Another spelling of the same name.
pub fn respelled(dn: &str, dice: &mut Dice<'_>) -> String {
    match dice.roll(4) {
        0 | 1 => dn.to_owned(),
        2 => dn.to_uppercase(),
        _ => dn.replace(",ou=", " ,  OU = "),
    }
}

/// Names by which configurations and operators may ask.
pub struct Names {
    teams: Vec<String>,
    people: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            teams: owned(&["Missing", "Twin", "S-1-5-21-1-2-3-1101", "S-1-5-21-1-2-3-1100"]),
            people: owned(&["shared@corp.test", "nobody"]),
        }
    }
}

impl Names {
    pub fn add_team(&mut self, number: usize, cn: &str, dn: &str, dice: &mut Dice<'_>) {
        self.teams.extend([cn.to_owned(), cn.to_uppercase(), respelled(dn, dice), team_guid(number).to_string()]);
    }

    pub fn add_person(&mut self, number: usize, dn: &str, dice: &mut Dice<'_>) {
        let guid = person_guid(number).to_string();
        self.people.extend([format!("p{number}"), format!("P{number}@corp.test"), respelled(dn, dice), guid]);
    }
}

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// A mapping of that directory, with a memory that may be right or wrong about it.
pub fn any_case(names: &Names, dice: &mut Dice<'_>) -> Case {
    let now: Timestamp = NOW.parse().unwrap();
    let references = |dice: &mut Dice<'_>, most: usize| -> Vec<GroupRef> {
        (0..dice.roll(most + 1)).map(|_| GroupRef::new(&dice.pick(&names.teams))).collect()
    };
    let mut rules = Rules { nested: !dice.one_in(3), grace: Duration::from_secs(60 * 60), ..Rules::default() };
    for tier in ["pro", "plus"] {
        rules.tiers.push(TierRule { tier: Tier::new(tier), groups: references(dice, 2) });
    }
    rules.exclude = references(dice, 1);
    if dice.one_in(3) {
        rules.protected.push(email("shared@corp.test"));
    }
    let mut memory = Memory::empty(Origin::Known);
    for number in dice.some(0..PERSONS + 2) {
        let text = match dice.roll(4) {
            0 | 1 => format!("p{number}@corp.test"),
            2 => "shared@corp.test".to_owned(),
            _ => format!("p{}@corp.test", dice.roll(PERSONS)),
        };
        let tier = Tier::new("pro");
        let seat = dice.pick(&[Seat::Active(tier.clone()), Seat::Suspended(tier), Seat::Vacant]);
        let id = UserId::new(&format!("account-{number}"));
        memory.snapshot.learn(person_guid(number), &Fact::Holds(Holding { id, email: email(&text), seat }));
    }
    let wanted: Vec<GroupRef> =
        rules.tiers.iter().flat_map(|rule| rule.groups.clone()).chain(rules.exclude.clone()).collect();
    for reference in wanted {
        if dice.one_in(3) {
            continue;
        }
        let mut members: Vec<ObjectGuid> = dice.some((0..PERSONS + 1).map(person_guid));
        members.sort();
        let name = reference.as_str().to_owned();
        let guid = team_guid(dice.roll(TEAMS + 1));
        memory.groups.insert(reference, RememberedGroup { guid, name, members: members.into() });
    }
    let asked = if dice.one_in(2) { vec![dice.pick(&names.people), dice.pick(&names.people)] } else { Vec::new() };
    let mut accounts = Vec::new();
    if dice.one_in(4) {
        memory.origin = Origin::Fresh;
        for number in dice.some(0..PERSONS + 2) {
            let external = dice.one_in(2).then(|| person_guid(dice.roll(PERSONS + 2)));
            let text = dice.pick(&[format!("p{number}@corp.test"), "shared@corp.test".to_owned()]);
            let id = UserId::new(&format!("listed-{number}"));
            accounts.push(Observed {
                id,
                email: email(&text),
                seat: Seat::Active(Tier::new("plus")),
                external,
                details: None,
            });
        }
    }
    let memory = of_many(memory, now);
    Case { rules, memory, names: asked, accounts, kind: StoreKind::EnterpriseDirectory, now }
}
