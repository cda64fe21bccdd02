//! How fast passes over many people are: one table, and beside them `ldapsearch` dumping the same entries from the same
//! server in the same run, which is the floor.
//!
//! `tests/bench/run` runs it. No check: it fails only where something is wrong, never because something is slow. What is timed
//! goes straight to the servers; what is counted goes, in runs of its own, by a tap on the line and a proxy before the
//! account store. The machine is never quiet, so what is compared takes turns, and the medians are held against each other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../ad/mod.rs"]
mod ad;
#[path = "../agent/mod.rs"]
mod agent;
#[path = "../crowd/mod.rs"]
mod crowd;
#[path = "parts/daemon.rs"]
mod daemon;
#[path = "parts/gauge.rs"]
mod gauge;
#[path = "parts/latency.rs"]
mod latency;
#[path = "../ldif/mod.rs"]
mod ldif;
#[path = "../loopback/mod.rs"]
mod loopback;
#[path = "parts/office.rs"]
mod office;
#[path = "parts/passes.rs"]
mod passes;
#[path = "../proxy/mod.rs"]
mod proxy;
#[path = "../seatstore/mod.rs"]
mod seatstore;
#[path = "../site/mod.rs"]
mod site;
#[path = "parts/table.rs"]
mod table;
#[path = "../tap/mod.rs"]
mod tap;

use crowd::Crowd;
use std::fs;

const PEOPLE: u64 = 100_000;
const CASES: [&str; 3] = ["passes", "daemon", "latency"];

fn main() {
    // Cargo adds --bench by itself.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let people = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(PEOPLE);
    let named: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<u64>().is_err()).collect();
    if let Some(other) = named.iter().find(|name| !CASES.contains(&name.as_str())) {
        panic!("no such case: {other} (there are {})", CASES.join(", "));
    }
    let is_due = |case: &str| named.is_empty() || named.iter().any(|name| *name == case);

    let mut lines = Vec::new();
    if is_due("passes") || is_due("daemon") {
        told(&format!("a directory of {people} people"));
        let crowd = Crowd::start(people);
        let mut staff = passes::first(&crowd, &mut lines);
        if is_due("passes") {
            passes::in_sync(&crowd, &mut staff, &mut lines);
        }
        if is_due("daemon") {
            daemon::incremental(&crowd, staff, &mut lines);
        }
    }
    if is_due("latency") {
        lines.push(latency::of_changes());
    }
    println!("{}\n", machine());
    println!("{}", table::table(&lines));
}

/// What the figures are of. A load far above what is measured says that they are of a busy machine.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or_else(String::new, |value| value.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = after(&read("/proc/cpuinfo"), "model name");
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let now = seatsync::model::Timestamp::now();
    format!("{now}: {cores} cores ({model}), memory {memory}; load at the end {load}")
}

/// What is being done, for whoever waits.
fn told(what: &str) {
    eprintln!("tests/bench/run: {what}");
}
