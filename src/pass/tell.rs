//! A pass in the log: one line a change, one for the whole pass, and nothing above debug for a pass in sync.
//!
//! What stays as it was is not said again with every pass: what is held, what fails, and warnings, are told when they change. By default
//! no e-mail address is in a line; the identity is, and with it `seatsync explain` tells who it is.
//!
//! Deliberately absent: a pass that came to no report, which whoever runs passes tells, once an outage.

use super::apply::NOT_SENT;
use super::{Report, ReportedChange, Status};
use crate::model::{Action, Change, HeldNote, ObjectGuid, PassResult, Warning, WarningKind};
use std::collections::{BTreeMap, BTreeSet};

/// Most subjects of one kind of warning in a line.
const SUBJECTS_MAX: usize = 5;

/// What stands in a line in place of an e-mail address.
const MASK: &str = "[e-mail]";

/// What was said of earlier passes and is still so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    warnings: BTreeMap<WarningKind, BTreeSet<String>>,
    held: Option<String>,
    /// What failed in the last pass, in words: what fails again and again is told once.
    failures: BTreeSet<String>,
}

/// Tells of one pass. `addresses`: whether e-mail addresses may be in the log.
pub fn tell(report: &Report, said: &mut Said, addresses: bool) {
    for line in lines(report, said, addresses) {
        emit(report, &line);
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// A change that was done, or was not.
    Change {
        guid: ObjectGuid,
        action: Action,
        from: String,
        to: String,
        email: Option<String>,
        failed: bool,
        words: String,
    },
    /// Changes that were not even sent, in sum: nothing was done to anybody.
    Unsent { count: usize, words: String },
    /// What is held, in sum.
    Held { hash: String, words: String },
    /// All warnings of one kind.
    Warning { kind: WarningKind, count: usize, words: String },
    /// The whole pass.
    Summary { is_quiet: bool, words: String },
}

/// What there is to say, in the order in which it is said.
fn lines(report: &Report, said: &mut Said, addresses: bool) -> Vec<Line> {
    let shown = |text: &str| if addresses { on_one_line(text) } else { masked(&on_one_line(text)) };
    let mut lines: Vec<Line> = report.changes.iter().filter_map(|each| change(each, addresses, &shown)).collect();
    lines.extend(unsent(report, &shown));
    if !report.scoped {
        let failures = lines.iter().filter_map(Line::failure).collect();
        let before = std::mem::replace(&mut said.failures, failures);
        lines.retain(|line| line.failure().is_none_or(|failure| !before.contains(&failure)));
    }
    // A pass for some people knows only some of what is so.
    if !report.scoped {
        lines.extend(held(report, said));
        lines.extend(warnings(report, said, &shown));
    }
    let is_quiet = report.result == PassResult::InSync || lines.is_empty();
    lines.push(summary(report, is_quiet));
    lines
}

impl Line {
    /// What failed, and for whom, where it is about that.
    fn failure(&self) -> Option<String> {
        match self {
            Self::Change { guid, failed: true, words, .. } => Some(format!("{guid} {words}")),
            Self::Unsent { count: _, words } => Some(words.clone()),
            Self::Change { failed: false, .. } | Self::Held { .. } | Self::Warning { .. } | Self::Summary { .. } => {
                None
            }
        }
    }
}

fn change(reported: &ReportedChange, addresses: bool, shown: &impl Fn(&str) -> String) -> Option<Line> {
    let ReportedChange { change, status } = reported;
    let Change { action, guid, email, dn: _, account: _, from, to, because, details: _ } = change;
    let error = match status {
        Status::Done => None,
        Status::Failed(why) if why.starts_with(NOT_SENT) => return None,
        Status::Failed(why) => Some(why),
        Status::Planned | Status::Held(_) => return None,
    };
    let whom = if addresses { format!(" {email}") } else { String::new() };
    let because = shown(&because.to_string());
    let words = match error {
        None => format!("{action}{whom}: {from} -> {to}, {because}"),
        Some(why) => format!("{action}{whom} failed: {from} -> {to}, {because}: {}", shown(why)),
    };
    Some(Line::Change {
        guid: *guid,
        action: *action,
        from: from.to_string(),
        to: to.to_string(),
        email: addresses.then(|| email.to_string()),
        failed: error.is_some(),
        words: on_one_line(&words),
    })
}

/// In an outage that begins amid a first pass these would be as many as there are people, and the same each time.
fn unsent(report: &Report, shown: &impl Fn(&str) -> String) -> Vec<Line> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ReportedChange { change: _, status } in &report.changes {
        match status {
            Status::Failed(why) if why.starts_with(NOT_SENT) => *counts.entry(why).or_default() += 1,
            Status::Failed(_) | Status::Done | Status::Planned | Status::Held(_) => {}
        }
    }
    let line =
        |(why, count): (&str, usize)| Line::Unsent { count, words: format!("{}, {}", of(count, "change"), shown(why)) };
    counts.into_iter().map(line).collect()
}

fn held(report: &Report, said: &mut Said) -> Option<Line> {
    let now = report.held.as_ref().map(|HeldNote { hash, .. }| hash.clone());
    let is_news = said.held != now;
    said.held = now;
    let HeldNote { hash, losses, gains, since: _ } = report.held.as_ref().filter(|_| is_news)?;
    let words = format!(
        "{} and {} held: look with seatsync plan, release with seatsync approve {hash}",
        of(*losses, "loss"),
        of(*gains, "gain")
    );
    Some(Line::Held { hash: hash.clone(), words })
}

fn warnings(report: &Report, said: &mut Said, shown: &impl Fn(&str) -> String) -> Vec<Line> {
    let mut by_kind: BTreeMap<WarningKind, Vec<&Warning>> = BTreeMap::new();
    for warning in &report.warnings {
        by_kind.entry(warning.kind).or_default().push(warning);
    }
    let subjects =
        |of_kind: &[&Warning]| of_kind.iter().map(|warning| warning.subject.clone()).collect::<BTreeSet<_>>();
    let now = by_kind.iter().map(|(kind, of_kind)| (*kind, subjects(of_kind))).collect();
    let before = std::mem::replace(&mut said.warnings, now);
    let news = by_kind.into_iter().filter(|(kind, of_kind)| before.get(kind) != Some(&subjects(of_kind)));
    news.map(|(kind, of_kind)| {
        let words = match &of_kind[..] {
            [Warning { subject, message, .. }] => format!("{kind}: {subject}: {message}"),
            several => {
                let named: Vec<&str> = subjects_of(several).into_iter().take(SUBJECTS_MAX).collect();
                let more = if subjects_of(several).len() > SUBJECTS_MAX { ", ..." } else { "" };
                let first = several.first().map_or("", |first| &first.message);
                format!("{kind}: {} of them ({}{more}); the first: {first}", several.len(), named.join(", "))
            }
        };
        Line::Warning { kind, count: of_kind.len(), words: shown(&words) }
    })
    .collect()
}

fn subjects_of<'a>(warnings: &[&'a Warning]) -> BTreeSet<&'a str> {
    warnings.iter().map(|warning| warning.subject.as_str()).collect()
}

/// Nothing but what was said before is as quiet as nothing at all.
fn summary(report: &Report, is_quiet: bool) -> Line {
    let counts = &report.counts;
    let ended = match report.result {
        PassResult::InSync => "in sync",
        PassResult::Applied => "applied",
        PassResult::Held => "held",
        PassResult::Partial => "some actions failed",
        PassResult::Failed => "failed",
    };
    let words = format!(
        "{ended}: {}, {} held, {} failed; {} people, {} seated",
        of(counts.changes, "change"),
        counts.held,
        counts.failed,
        counts.people,
        counts.seated
    );
    Line::Summary { is_quiet, words }
}

/// `1 change`, `2 losses`.
fn of(count: usize, what: &str) -> String {
    match (count, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}

fn emit(report: &Report, line: &Line) {
    let pass = report.id.as_str();
    match line {
        Line::Change { guid, action, from, to, email, failed: false, words } => {
            tracing::info!(pass, %guid, %action, from, to, email, "{words}");
        }
        Line::Change { guid, action, from, to, email, failed: true, words } => {
            tracing::warn!(pass, %guid, %action, from, to, email, "{words}");
        }
        Line::Unsent { count, words } => tracing::warn!(pass, count, "{words}"),
        Line::Held { hash, words } => tracing::info!(pass, hash, "{words}"),
        Line::Warning { kind, count, words } => tracing::warn!(pass, %kind, count, "{words}"),
        Line::Summary { is_quiet, words } => {
            let crate::model::Counts { people, seated, changes, held, failed } = report.counts;
            let (result, took_ms) = (report.result.word(), report.took_ms);
            if *is_quiet {
                tracing::debug!(pass, result, people, seated, changes, held, failed, took_ms, "{words}");
            } else {
                tracing::info!(pass, result, people, seated, changes, held, failed, took_ms, "{words}");
            }
        }
    }
}

/// A text from elsewhere shall not begin a line of its own.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text without what looks like an e-mail address: every run of characters that may be in one (see
/// [`crate::model::Email::parse`]) with an `@` amid them.
fn masked(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>(),;:\"\\[]".contains(c);
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        let is_address = word.char_indices().any(|(at, c)| c == '@' && at > 0 && at + 1 < word.len());
        shown.push_str(if is_address { MASK } else { word });
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

#[cfg(test)]
#[path = "tell_tests.rs"]
mod tests;
