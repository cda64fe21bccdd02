//! What a process takes: time, CPU, memory.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

const MEASURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/measure.py");
/// Of `/proc/PID/stat` (`getconf CLK_TCK`, the same on every Linux that this runs on).
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// On the clock.
    pub seconds: f64,
    /// User and system.
    pub cpu_seconds: f64,
    /// The most memory resident at one time, in MB.
    pub megabytes: f64,
}

/// Several runs of the same.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<Taken>);

impl Runs {
    /// One more.
    pub fn push(&mut self, taken: Taken) {
        self.0.push(taken);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Seconds: the median, the least, the most.
    pub fn seconds(&self) -> [f64; 3] {
        let sorted = sorted(self.0.iter().map(|taken| taken.seconds));
        [median(&sorted), sorted[0], sorted[sorted.len() - 1]]
    }

    /// CPU seconds: the median.
    pub fn cpu_seconds(&self) -> f64 {
        median(&sorted(self.0.iter().map(|taken| taken.cpu_seconds)))
    }

    /// MB: the most.
    pub fn megabytes(&self) -> f64 {
        self.0.iter().map(|taken| taken.megabytes).fold(0.0, f64::max)
    }
}

/// In order.
pub fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of values in order, of which there is one at least.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The value that so many of a hundred do not exceed (nearest rank).
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

/// Runs commands, one after the other, each of which must end with status 0.
#[track_caller]
pub fn measured(commands: &[Vec<String>], environment: &Value) -> Taken {
    let mut python = Command::new("/usr/bin/python3")
        .arg(MEASURE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3: {error}"));
    let given = json!({"commands": commands, "environment": environment}).to_string();
    python.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["codes"].as_array().unwrap().iter().all(|code| code == 0), "{commands:?}: {told}");
    let number = |name: &str| told[name].as_f64().unwrap();
    Taken { seconds: number("seconds"), cpu_seconds: number("cpu"), megabytes: number("kib") / 1024.0 }
}

/// What a running process has used of the CPU so far, user and system, in seconds; to the hundredth.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, behind_the_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    // Fields 14 and 15; the state behind the name is the third.
    let ticks: u64 = behind_the_name.split(' ').skip(11).take(2).map(|text| text.parse::<u64>().unwrap()).sum();
    ticks as f64 / TICKS_PER_SECOND
}
