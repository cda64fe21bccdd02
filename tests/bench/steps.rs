//! One step of a pass over ten thousand people, a given number of times: `steps STEP TIMES`, for `tests/bench/instructions`,
//! which counts instructions of one and of two times. What is between is the step's alone, whatever it takes to prepare it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "parts/messages.rs"]
mod messages;

use messages::{Messages, address, person_guid};
use seatsync::decide::{absorb, clear, desire, plan};
use seatsync::model::{
    Email, GroupRef, Holding, Limits, Memory, Origin, Rules, Seat, StoreKind, Tier, TierRule, Timestamp, UserId,
};
use std::collections::HashSet;
use std::hint::black_box;

const PEOPLE: usize = 10_000;
/// Steps are prepared so many times, and done as often as was asked for.
const TIMES_MAX: usize = 2;
const STEPS: [&str; 5] = ["decode", "absorb", "desire", "plan", "clear"];

fn main() {
    // Cargo adds --bench by itself.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [step, times] = &arguments[..] else {
        // What `tests/bench/instructions` asks first.
        println!("{PEOPLE} {}", STEPS.join(" "));
        return;
    };
    let times: usize = times.parse().unwrap();
    assert!(times <= TIMES_MAX, "{TIMES_MAX} times at most");

    let messages = Messages::of(PEOPLE);
    let mut readings: Vec<_> = (0..TIMES_MAX).map(|_| messages.reading()).collect();
    let (pro, plus) = (Tier::new("pro"), Tier::new("plus"));
    let rule = |tier: &Tier, group: &str| TierRule { tier: tier.clone(), groups: vec![GroupRef::new(group)] };
    let rules = Rules {
        tiers: vec![rule(&pro, "g009"), rule(&plus, "g019")],
        nested: true,
        domains: vec!["corp.example".to_owned()],
        ..Rules::default()
    };
    let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
    let limits = Limits::default();
    let roster = absorb(messages.reading());
    let mut memory = Memory::empty(Origin::Known);
    let first = desire(&roster, &rules, &memory, now);
    memory.groups = first.remembered(&memory, &Default::default(), &HashSet::new());
    // Nine in ten hold a seat; one in a hundred of them another one than they should.
    let holding = |number: usize| {
        let tier = if number % 100 == 3 { &plus } else { &pro };
        let id = UserId::new(&format!("{:032x}", number * 7919));
        (
            person_guid(number),
            Holding { id, email: Email::parse(&address(number)).unwrap(), seat: Seat::Active(tier.clone()) },
        )
    };
    let seated = (0..PEOPLE / 10 * 9).filter(|number| !number.is_multiple_of(50));
    memory.snapshot = seated.map(holding).collect();
    let desired = desire(&roster, &rules, &memory, now);
    let planned = || plan(&desired, &memory, &rules, StoreKind::EnterpriseDirectory, true);
    let mut plans: Vec<_> = (0..TIMES_MAX).map(|_| planned()).collect();
    assert_eq!(plans[0].changes().len(), PEOPLE / 10 * 9 / 100, "one in a hundred");

    for _ in 0..times {
        match step.as_str() {
            "decode" => drop(black_box(messages.reading())),
            "absorb" => drop(black_box(absorb(readings.pop().unwrap()))),
            "desire" => drop(black_box(desire(&roster, &rules, &memory, now))),
            "plan" => drop(black_box(planned())),
            "clear" => drop(black_box(clear(plans.pop().unwrap(), &desired, &rules, &limits, &memory, now))),
            other => panic!("no such step: {other} (there are {})", STEPS.join(", ")),
        }
    }
}
