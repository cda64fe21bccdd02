//! Text for people: plans, results, tables, complaints.
//!
//! Names come from the directory, where anybody may have put anything: control and direction-changing characters are
//! shown as escapes, so that no name can rewrite what the terminal shows.

use super::exit::Stop;
use crate::config::ConfigError;
use crate::model::{Action, Change, Timestamp, Warning, WarningKind};
use crate::pass::{Report, ReportedChange, Status};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

/// Changes listed in text; the rest is counted. JSON always has all of them.
const CHANGES_SHOWN_MAX: usize = 200;
/// Warnings of one kind listed in text.
const WARNINGS_SHOWN_MAX: usize = 20;

/// Whether this output may be coloured (<https://no-color.org>).
fn colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text from outside, safe for a terminal and for one line.
pub(super) fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// Prints a result on stdout.
pub(super) fn say(text: &str) -> Result<(), Stop> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Stop::Other(format!("stdout does not take the result: {error}"))),
    }
}

/// Prints why a command of `program` stopped, on stderr.
pub(super) fn complain(program: &str, stop: &Stop) {
    let text = match stop {
        Stop::Config(ConfigError::Invalid(problems)) => problems.render(colour(std::io::stderr().is_terminal())),
        Stop::Config(error @ ConfigError::Unreadable { .. }) => format!("{program}: {error}"),
        Stop::Pass(_) | Stop::State(_) | Stop::Accounts(_) | Stop::Refused(_) | Stop::Usage(_) | Stop::Other(_) => {
            format!("{program}: {stop}")
        }
    };
    eprintln!("{}", text.trim_end());
}

/// A report in text, on stdout.
pub(super) fn report(report: &Report) -> Result<(), Stop> {
    say(&report_text(report, colour(std::io::stdout().is_terminal())))
}

fn report_text(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    // What is held stands last, under its reason; within, what takes something away first, then by address: the reader
    // looks for trouble, and for names.
    let mut changes: Vec<&ReportedChange> = report.changes.iter().collect();
    changes.sort_by_key(|each| (held_why(each), sign(each.change.action), &each.change.email));
    changes.truncate(CHANGES_SHOWN_MAX);
    let width = changes.iter().map(|each| printable(each.change.email.as_str()).chars().count()).max().unwrap_or(0);
    for alike in changes.chunk_by(|a, b| held_why(a) == held_why(b)) {
        if let Some(why) = alike.first().and_then(|each| held_why(each)) {
            let (on, off) = if colour { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
            _ = writeln!(out, "{on}held{off}, because {}:", printable(why));
        }
        for each in alike {
            line(&mut out, each, width, colour);
        }
    }
    if report.changes.len() > CHANGES_SHOWN_MAX {
        let rest = report.changes.len() - CHANGES_SHOWN_MAX;
        _ = writeln!(out, "  … and {rest} more; --json has all of them");
    }
    if !report.changes.is_empty() {
        out.push('\n');
    }
    warnings(&mut out, &report.warnings, colour);
    _ = writeln!(out, "{}", summary(report));
    out
}

/// Why a change is held, if it is.
fn held_why(ReportedChange { change: _, status }: &ReportedChange) -> Option<&str> {
    match status {
        Status::Held(why) => Some(why),
        Status::Planned | Status::Done | Status::Failed(_) => None,
    }
}

/// What stands in front of a change; sorted as listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Takes,
    Changes,
    Gives,
}

fn sign(action: Action) -> Sign {
    match action {
        Action::Suspend | Action::Remove => Sign::Takes,
        Action::Move | Action::Rename => Sign::Changes,
        Action::Invite | Action::Create | Action::Grant | Action::Resume => Sign::Gives,
    }
}

/// `  + create   alice@corner.example   vacant -> pro    in Chime Pro via Engineering`
fn line(out: &mut String, ReportedChange { change, status }: &ReportedChange, width: usize, colour: bool) {
    let Change { action, guid: _, email, dn: _, account: _, from, to, because, details: _ } = change;
    let sign = sign(*action);
    let (sign, paint) = match sign {
        Sign::Takes => ('-', "31"),
        Sign::Changes => ('~', "33"),
        Sign::Gives => ('+', "32"),
    };
    let email = printable(email.as_str());
    let pad = " ".repeat(width.saturating_sub(email.chars().count()));
    let what = format!("{from} -> {to}");
    let text = format!("  {sign} {action:<8} {email}{pad}  {what:<22} {}", printable(&because.to_string()));
    let text = text.trim_end();
    if colour {
        _ = writeln!(out, "\u{1b}[{paint}m{text}\u{1b}[0m");
    } else {
        _ = writeln!(out, "{text}");
    }
    match status {
        Status::Planned | Status::Done | Status::Held(_) => {}
        Status::Failed(why) => _ = writeln!(out, "      failed: {}", printable(why)),
    }
}

/// Warnings, by kind, so that a thousand of one kind do not hide one of another.
fn warnings(out: &mut String, warnings: &[Warning], colour: bool) {
    let (on, off) = if colour { ("\u{1b}[33m", "\u{1b}[0m") } else { ("", "") };
    // What is held has been shown with its reasons; the last line says how to release it.
    let warnings: Vec<&Warning> = warnings.iter().filter(|warning| warning.kind != WarningKind::Held).collect();
    for kind in warnings.chunk_by(|a, b| a.kind == b.kind) {
        for Warning { kind, subject, message } in kind.iter().take(WARNINGS_SHOWN_MAX) {
            _ = writeln!(out, "{on}warning{off} {kind}: {}: {}", printable(subject), printable(message));
        }
        if kind.len() > WARNINGS_SHOWN_MAX {
            _ = writeln!(out, "{on}warning{off} {}: and {} more", kind[0].kind, kind.len() - WARNINGS_SHOWN_MAX);
        }
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
}

/// The last line: what is so now.
fn summary(report: &Report) -> String {
    let counts = &report.counts;
    let read = format!("{} people read, {} to be seated", counts.people, counts.seated);
    let done = report.changes.iter().filter(|each| each.status == Status::Done).count();
    let planned = report.changes.iter().filter(|each| each.status == Status::Planned).count();
    let mut parts = Vec::new();
    for (count, word) in [(done, "done"), (planned, "due"), (counts.held, "held"), (counts.failed, "failed")] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let now = match (parts.is_empty(), report.in_sync) {
        (true, true) => "in sync, nothing to do".to_owned(),
        (true, false) => "nothing to do here, but not in sync: see the warnings, or plan without --user".to_owned(),
        (false, true) => format!("{}; now in sync", parts.join(", ")),
        (false, false) => parts.join(", "),
    };
    let approve = if counts.held > 0 && report.scoped {
        "\nto release what is held, look at the whole plan first: seatsync plan".to_owned()
    } else if counts.held > 0 {
        format!("\nto release what is held, after looking at it: seatsync approve {}", report.hash)
    } else {
        String::new()
    };
    format!("{read}: {now}{approve}")
}

/// A time for people, to the second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Rows under a heading, each column as wide as its widest cell.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = std::iter::once(heading.iter().map(|cell| (*cell).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()))
        .collect();
    let width =
        |column: usize| cells.iter().filter_map(|row: &Vec<String>| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..heading.len()).map(|column| width(column).unwrap_or(0)).collect();
    cells.iter().fold(String::new(), |mut out, row| {
        let line = row.iter().zip(&widths).fold(String::new(), |line, (cell, width)| {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            format!("{line}{cell}{pad}  ")
        });
        out.push_str(line.trim_end());
        out.push('\n');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\u{a}\\u{202e}c");
        assert_eq!(printable("Łukasz 山田 🦊"), "Łukasz 山田 🦊");
    }

    #[test]
    fn a_table_lines_up() {
        let rows = vec![vec!["ä@b.c".into(), "pro".into()], vec!["long@b.c".into(), "plus".into()]];
        assert_eq!(table(&["email", "tier"], &rows), "email     tier\nä@b.c     pro\nlong@b.c  plus\n");
    }
}
