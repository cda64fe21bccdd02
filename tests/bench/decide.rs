//! What deciding costs, a person: time and memory, at the sizes of a large company and of the largest directories.
//!
//! `cargo bench --bench decide`. No check: nothing fails here because it is slow. Besides the times, divan prints what each
//! step allocates; the lines before its table say what stays in memory, as the operating system counts it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use divan::{AllocProfiler, Bencher, black_box};
use seatsync::decide::{self, Cleared, DesiredSet, Plan, Roster, absorb, clear, desire, inherit};
use seatsync::model::{
    Dn, Email, Group, GroupRef, Holding, Limits, Mailbox, Member, Memory, ObjectGuid, Origin, Person, Reading, Rules,
    Seat, Sid, StoreKind, Tier, TierRule, Timestamp, UserId,
};
use std::collections::HashSet;
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const PEOPLE: [usize; 2] = [100_000, 1_000_000];
const GROUPS: usize = 200;
/// Groups of a tenth of the people each, all in one mapped group.
const LARGE_GROUPS: usize = 9;
const SMALL_GROUP: usize = 200;

fn main() {
    for count in PEOPLE {
        let before = resident_bytes();
        let roster = absorb(reading(count));
        let kept = resident_bytes().saturating_sub(before);
        println!("a roster of {count} people: {} bytes of RAM a person", kept / roster.people().len());
    }
    divan::main();
}

/// Linux: pages of the process in RAM (proc_pid_statm(5)), of 4096 bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Identities in no order, the same in each run.
fn person_id(number: usize) -> ObjectGuid {
    ObjectGuid::from_name(&format!("u{number}"))
}

fn group_id(number: usize) -> ObjectGuid {
    ObjectGuid::from_name(&format!("g{number}"))
}

fn address(number: usize) -> Email {
    Email::parse(&format!("givenname.surname{number:06}@corp.example")).unwrap()
}

fn person(number: usize) -> Person {
    const SITES: [&str; 8] = ["Berlin", "Boston", "Kyiv", "Lagos", "Lima", "Osaka", "Oslo", "Pune"];
    let site = SITES[number % SITES.len()];
    Person {
        guid: person_id(number),
        dn: Dn::new(&format!("CN=Surname{number:06}\\, Givenname,OU=Users,OU={site},DC=corp,DC=example,DC=com")),
        account_name: Some(format!("u{number:06}").into()),
        mailbox: Mailbox::Address(address(number)),
        disabled: number.is_multiple_of(50),
        expires: None,
        sid: Sid::parse(&format!("S-1-5-21-3623811015-3361044348-30300820-{}", 1100 + number)),
        primary_group_rid: Some(513),
    }
}

fn reading(count: usize) -> Reading {
    let large = count / 10;
    let group = |number: usize| {
        let mut people: Vec<usize> = match number {
            0..LARGE_GROUPS => (0..large).map(|place| number * large + place).collect(),
            LARGE_GROUPS => (LARGE_GROUPS * large..count).collect(),
            _ => (0..SMALL_GROUP).map(|place| (number * 97 + place * 31) % count).collect(),
        };
        people.sort_unstable();
        people.dedup();
        let groups = match number {
            LARGE_GROUPS => (0..LARGE_GROUPS).collect(),
            _ if number > LARGE_GROUPS && !number.is_multiple_of(5) => vec![number - 1],
            _ => Vec::new(),
        };
        let members = people.into_iter().map(person_id).chain(groups.into_iter().map(group_id)).map(Member::Guid);
        Group {
            guid: group_id(number),
            dn: Dn::new(&format!("CN=g{number:03},OU=Groups,DC=corp,DC=example,DC=com")),
            account_name: Some(format!("g{number:03}")),
            common_names: vec![format!("g{number:03}")],
            sid: Sid::parse(&format!("S-1-5-21-3623811015-3361044348-30300820-{}", 2_000_000 + number)),
            members: members.collect(),
        }
    };
    Reading { people: (0..count).map(person).collect(), groups: (0..GROUPS).map(group).collect(), referrals: 0 }
}

/// Everything a pass decides from.
struct World {
    roster: Roster,
    rules: Rules,
    memory: Memory,
    now: Timestamp,
}

/// Everybody holds what they should; then one in a hundred something else, or another address.
fn world(count: usize, is_changed: bool) -> World {
    let (pro, plus) = (Tier::new("pro"), Tier::new("plus"));
    let rule = |tier: &Tier, group: &str| TierRule { tier: tier.clone(), groups: vec![GroupRef::new(group)] };
    let rules = Rules {
        tiers: vec![rule(&pro, "g009"), rule(&plus, "g019")],
        exclude: vec![GroupRef::new("g100")],
        nested: true,
        domains: vec!["corp.example".to_owned()],
        ..Rules::default()
    };
    let roster = absorb(reading(count));
    let now = "2026-01-15T12:00:00Z".parse().unwrap();
    let mut memory = Memory::empty(Origin::Known);
    let desired = desire(&roster, &rules, &memory, now);
    memory.groups = desired.remembered(&memory, &Default::default(), &HashSet::new());
    let seats = |number: usize| {
        let (changed, number_kept) = (is_changed && number % 100 == 3, number);
        let seat = match number {
            _ if number.is_multiple_of(50) => return None,
            _ if changed && number % 200 == 3 => Seat::Active(plus.clone()),
            _ => Seat::Active(pro.clone()),
        };
        let email = if changed && number % 400 == 103 { address(count + number_kept) } else { address(number_kept) };
        Some((person_id(number), Holding { id: UserId::new(&format!("{:032x}", number * 7919)), email, seat }))
    };
    memory.snapshot = (0..count).filter_map(seats).collect();
    World { roster, rules, memory, now }
}

impl World {
    fn desire(&self) -> DesiredSet {
        desire(&self.roster, &self.rules, &self.memory, self.now)
    }

    fn plan(&self, desired: &DesiredSet) -> Plan {
        decide::plan(desired, &self.memory.snapshot, &self.rules, StoreKind::EnterpriseDirectory, true)
    }

    fn clear(&self, plan: Plan, desired: &DesiredSet) -> Cleared {
        clear(plan, desired, &self.rules, &Limits::default(), &self.memory, self.now)
    }
}

/// The worlds of one size: in step, and with one in a hundred changed.
struct Pair {
    in_step: World,
    changed: World,
}

static LARGE: LazyLock<Pair> = LazyLock::new(|| pair(PEOPLE[0]));
static LARGEST: LazyLock<Pair> = LazyLock::new(|| pair(PEOPLE[1]));

fn pair(count: usize) -> Pair {
    Pair { in_step: world(count, false), changed: world(count, true) }
}

fn both(count: usize) -> &'static Pair {
    if count == PEOPLE[0] { &LARGE } else { &LARGEST }
}

#[divan::bench(args = PEOPLE, sample_count = 5, sample_size = 1)]
fn absorb_all(bencher: Bencher, count: usize) {
    bencher.with_inputs(|| reading(count)).bench_values(absorb);
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn inherit_in_step(bencher: Bencher, count: usize) {
    let world = &both(count).in_step;
    bencher.bench(|| inherit(black_box(&world.roster), &world.memory.snapshot, &world.rules, world.now));
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn desire_in_step(bencher: Bencher, count: usize) {
    let world = &both(count).in_step;
    bencher.bench(|| black_box(world).desire());
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn plan_in_step(bencher: Bencher, count: usize) {
    let world = &both(count).in_step;
    let desired = world.desire();
    bencher.bench(|| world.plan(black_box(&desired)));
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn plan_changed(bencher: Bencher, count: usize) {
    let world = &both(count).changed;
    let desired = world.desire();
    bencher.bench(|| world.plan(black_box(&desired)));
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn clear_changed(bencher: Bencher, count: usize) {
    let world = &both(count).changed;
    let desired = world.desire();
    let plan = world.plan(&desired);
    bencher.with_inputs(|| plan.clone()).bench_values(|plan| world.clear(plan, &desired));
}

#[divan::bench(args = PEOPLE, sample_count = 10, sample_size = 1)]
fn remembered_in_step(bencher: Bencher, count: usize) {
    let world = &both(count).in_step;
    let desired = world.desire();
    bencher.bench(|| desired.remembered(black_box(&world.memory), &Default::default(), &HashSet::new()));
}
