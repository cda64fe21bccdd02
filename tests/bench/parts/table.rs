//! One table, as BENCHMARKS.md takes it.

use crate::gauge::Runs;
use std::fmt::Write as _;

/// A line of the table. What was not measured is not there.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What was done.
    pub phase: String,
    /// How long it took, and with what.
    pub runs: Option<Runs>,
    /// People it was about.
    pub people: Option<u64>,
    /// Requests to the directory.
    pub round_trips: Option<u64>,
    /// Entries that came from it.
    pub entries: Option<u64>,
    /// Bytes that came from it.
    pub bytes: Option<u64>,
    /// Requests to the account store.
    pub requests: Option<u64>,
    /// The bar and the figure for it; or why there is none.
    pub bar: String,
}

/// The heads of the columns.
const HEADS: [&str; 10] = [
    "phase",
    "seconds (least … most)",
    "people/s",
    "CPU s",
    "RSS MB",
    "LDAP requests",
    "entries",
    "MB",
    "HTTP requests",
    "bar",
];

/// In Markdown, which is legible as it is.
pub fn table(lines: &[Line]) -> String {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.push(HEADS.map(|_| "---".to_owned()));
    rows.extend(lines.iter().map(row));
    let mut text = String::new();
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}

fn row(line: &Line) -> [String; 10] {
    let Line { phase, runs, people, round_trips, entries, bytes, requests, bar } = line;
    let of_runs = |text: &dyn Fn(&Runs) -> String| runs.as_ref().map_or_else(String::new, text);
    let count = |number: &Option<u64>| number.map(grouped).unwrap_or_default();
    let seconds = of_runs(&|runs| {
        let [median, least, most] = runs.seconds();
        let digits = if median < 0.1 { 4 } else { 2 };
        match runs.count() {
            1 => format!("{median:.digits$}"),
            _ => format!("{median:.digits$} ({least:.digits$} … {most:.digits$})"),
        }
    });
    let rate =
        of_runs(&|runs| people.map_or_else(String::new, |people| grouped((people as f64 / runs.seconds()[0]) as u64)));
    [
        phase.clone(),
        seconds,
        rate,
        of_runs(&|runs| format!("{:.*}", if runs.cpu_seconds() < 0.1 { 4 } else { 2 }, runs.cpu_seconds())),
        of_runs(&|runs| format!("{:.0}", runs.megabytes())),
        count(round_trips),
        count(entries),
        bytes.map_or_else(String::new, |bytes| format!("{:.1}", bytes as f64 / 1e6)),
        count(requests),
        bar.clone(),
    ]
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A figure held against the most it may be: `1.25 x ldapsearch, at most 1.3: met`.
pub fn judged(figure: f64, most: f64, digits: usize, unit: &str) -> String {
    let verdict = if figure <= most { "met" } else { "MISSED" };
    format!("{figure:.digits$}{unit}, at most {most}: {verdict}")
}
