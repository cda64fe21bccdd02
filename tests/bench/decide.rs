//! What deciding costs, a person: time and memory, at the sizes of a large company and of the largest directories.
//!
//! `cargo bench --bench decide`. No check: nothing fails here because it is slow. First come the CPU time of each step and the
//! RAM of a roster, both as the operating system counts them: on a busy machine they say more than the clock. Then divan
//! prints the clock, and what each step allocates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use divan::{AllocProfiler, Bencher, black_box};
use seatsync::decide::{self, Cleared, DesiredSet, Plan, Roster, absorb, clear, desire, follow, inherit};
use seatsync::model::{
    Containers, Delta, Dn, Email, Group, GroupChange, GroupRef, Holding, Limits, Mailbox, Member, MemberChange, Memory,
    ObjectGuid, Origin, Person, Reading, Rules, Seat, Sid, StoreKind, Tier, TierRule, Timestamp, UserId,
};
use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const PEOPLE: [usize; 2] = [100_000, 1_000_000];
const GROUPS: usize = 200;
/// Groups of a tenth of the people each, all in one mapped group.
const LARGE_GROUPS: usize = 9;
const SMALL_GROUP: usize = 200;

/// People decided about to measure a step: enough for a clock of ten milliseconds.
const MEASURED: usize = 4_000_000;

fn main() {
    // Whoever asks for some of the steps has asked for times.
    let is_whole = std::env::args().skip(1).all(|argument| argument.starts_with("--"));
    for count in PEOPLE.into_iter().filter(|_| is_whole) {
        let before = resident_bytes();
        let roster = absorb(reading(count));
        let kept = resident_bytes().saturating_sub(before);
        println!("{count} people, a roster of them: {} bytes of RAM a person", kept / roster.people().len());
        drop(roster);
        costs(count);
    }
    divan::main();
}

/// Prints what each step costs.
fn costs(count: usize) {
    let rounds = MEASURED / count;
    let cost = |what: &str, step: &mut dyn FnMut(usize)| {
        let before = cpu();
        (0..rounds).for_each(step);
        let took = (cpu() - before) / u32::try_from(rounds).unwrap();
        println!("{count} people, {what}: {took:?} of CPU, {} ns a person", took.as_nanos() / count as u128);
    };
    let mut readings: Vec<Reading> = (0..2).map(|_| reading(count)).collect();
    let before = cpu();
    readings.drain(..).for_each(|reading| drop(black_box(absorb(reading))));
    println!("{count} people, absorb and drop: {:?} of CPU", (cpu() - before) / 2);
    let Pair { in_step, changed } = both(count);
    let desired = changed.desire();
    let plan = changed.plan(&desired);
    let cleared = changed.clear(plan.clone(), &desired);
    let mut roster = Some(in_step.roster.clone());
    let (there, back) = (delta(count, true), delta(count, false));
    cost("follow", &mut |round| {
        let delta = if round % 2 == 0 { &there } else { &back };
        roster = roster.take().map(|roster| follow(roster, delta.clone()).unwrap());
    });
    let World { roster, memory, rules, now } = changed;
    cost("inherit", &mut |_| drop(black_box(inherit(roster, &memory.snapshot, rules, *now))));
    cost("desire", &mut |_| drop(black_box(changed.desire())));
    cost("plan", &mut |_| drop(black_box(changed.plan(&desired))));
    cost("clear", &mut |_| drop(black_box(changed.clear(plan.clone(), &desired))));
    let blocked = cleared.blocked_groups();
    cost("remembered", &mut |_| drop(black_box(desired.remembered(memory, blocked, &HashSet::new()))));
    println!("{count} people, {} changes, {} held", plan.changes().len(), cleared.held().len());
}

/// What a busy quarter of an hour brings; or the way back from it.
fn delta(count: usize, is_there: bool) -> Delta {
    let containers = &mut Containers::default();
    let mut delta = Delta::default();
    for step in 0..100 {
        let mut changed = person(step * (count / 100), containers);
        changed.disabled ^= is_there;
        delta.people.push(changed);
    }
    for number in (0..20).map(|step| 7 + step * (count / 20)) {
        match is_there {
            true => delta.hidden.push(person_id(number)),
            false => delta.people.push(person(number, containers)),
        }
    }
    let comes = (0..20).map(|step| count + step);
    match is_there {
        true => delta.people.extend(comes.map(|number| person(number, containers))),
        false => delta.gone.extend(comes.map(person_id)),
    }
    for number in 0..LARGE_GROUPS {
        let people = |from: usize| (from..from + 5).map(|step| Member::Guid(person_id(step * (count / 5)))).collect();
        let (added, removed) = (people(usize::from(is_there) * 7), people(usize::from(!is_there) * 7));
        let group = Group { members: Vec::new(), ..group(number, count) };
        delta.groups.push(GroupChange { group, members: MemberChange::Some { added, removed } });
    }
    delta
}

/// Linux: what this process has used so far, by fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_the_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = behind_the_name.split(' ').skip(11).take(2).filter_map(|text| text.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
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
    Email::parse(&format!("given.surname{number:06}@corp.example")).unwrap()
}

fn person(number: usize, containers: &mut Containers) -> Person {
    const SITES: [&str; 8] = ["Berlin", "Boston", "Kyiv", "Lagos", "Lima", "Osaka", "Oslo", "Pune"];
    let site = SITES[number % SITES.len()];
    Person {
        guid: person_id(number),
        dn: containers.dn(&format!("CN=Sur{number:06}\\, Given,OU=Users,OU={site},DC=corp,DC=example,DC=com")),
        account_name: Some(format!("u{number:06}").into()),
        mailbox: Mailbox::Address(address(number)),
        disabled: number.is_multiple_of(50),
        expires: None,
        sid: Sid::parse(&format!("S-1-5-21-3623811015-3361044348-30300820-{}", 1100 + number)),
        details: None,
        primary_group_rid: Some(513),
    }
}

fn group(number: usize, count: usize) -> Group {
    let large = count / 10;
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
}

fn reading(count: usize) -> Reading {
    let containers = &mut Containers::default();
    let people = (0..count).map(|number| person(number, containers)).collect();
    Reading { people, groups: (0..GROUPS).map(|number| group(number, count)).collect(), referrals: 0 }
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
        Some((person_id(number), Holding { id: UserId::new(&group_id(number).to_string()), email, seat }))
    };
    memory.snapshot = (0..count).filter_map(seats).collect();
    World { roster, rules, memory, now }
}

impl World {
    fn desire(&self) -> DesiredSet {
        desire(&self.roster, &self.rules, &self.memory, self.now)
    }

    fn plan(&self, desired: &DesiredSet) -> Plan {
        decide::plan(desired, &self.memory, &self.rules, StoreKind::EnterpriseDirectory, true)
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
