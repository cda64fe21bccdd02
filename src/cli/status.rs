//! `status`: the last pass, and what waits for somebody.

use super::arguments::StatusOptions;
use super::exit::{Exit, Stop};
use super::world::{self, Purpose};
use super::{ask, json, show};
use crate::control::{Answer, Ask};
use crate::model::{HeldNote, Timestamp};
use crate::state::StateStore;
use crate::status::words::{from_now, time};
use crate::status::{Daemon, Document, Live, Outage, Rejected, Remembered, Running, Verdict, Watched, health};
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync status`.
pub(super) async fn status(config: &Path, options: StatusOptions) -> Result<Exit, Stop> {
    let now = Timestamp::now();
    let live = match ask::service(config, Ask::Status).await? {
        Some(Answer::Live(live)) => *live,
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let memory = world::state(&config, Purpose::Look)?.load().await?;
            Live::of_memory(&memory, &config.limits, now)
        }
    };
    if options.json {
        json::print(&Document::of(&live, now))?;
    } else {
        show::say(&text(&live, now))?;
    }
    Ok(Exit::Done)
}

/// All of it for a terminal, with a daemon or without one.
pub(super) fn text(live: &Live, now: Timestamp) -> String {
    let Verdict { state, reason, advice } = Verdict::of(live, now);
    let mut out = String::new();
    match reason {
        None => row(&mut out, "state", state.word()),
        Some(reason) => row(&mut out, "state", &format!("{}: {}", state.word(), show::printable(&reason))),
    }
    if let Some(advice) = advice {
        row(&mut out, "to do", &show::printable(&advice));
    }
    remembered(&mut out, &live.remembered, now);
    match &live.daemon {
        Some(known) => daemon(&mut out, known, now),
        // Or the last good pass would look like a service that is well.
        None => row(&mut out, "service", "none runs with this configuration; this is what the last pass left"),
    }
    out
}

fn row(out: &mut String, name: &str, text: &str) {
    _ = writeln!(out, "{name:<10} {text}");
}

fn remembered(out: &mut String, remembered: &Remembered, now: Timestamp) {
    let Remembered { rebuilt: _, last_pass, last_good, held, held_expires, approved, seats } = remembered;
    if let Some(last) = last_pass {
        let counts = &last.counts;
        let counted = format!(
            "{} at {}, {} ms: {} people, {} to be seated, {} changes, {} held, {} failed",
            last.id,
            time(last.at),
            last.took_ms,
            counts.people,
            counts.seated,
            counts.changes,
            counts.held,
            counts.failed
        );
        row(out, "last pass", &counted);
    }
    if let Some(at) = last_good {
        row(out, "last good", &when(*at, now));
    }
    if let Some(HeldNote { hash, losses, gains, since }) = held {
        let todo = match (approved, held_expires) {
            (Some(approval), _) => {
                format!("approved by {}, until {}", show::printable(&approval.by), time(approval.expires))
            }
            (None, Some(expires)) if *expires <= now => format!("seatsync approve {hash}; this waits for too long"),
            (None, _) => format!("seatsync approve {hash}"),
        };
        row(out, "held", &format!("{losses} losses, {gains} gains since {}: {todo}", time(*since)));
    }
    let known: usize = seats.iter().map(|each| each.accounts).sum();
    let active: usize = seats.iter().filter(|each| each.status == "active").map(|each| each.accounts).sum();
    row(out, "seats", &format!("{active} active of {known} accounts known"));
}

fn daemon(out: &mut String, daemon: &Daemon, now: Timestamp) {
    let Daemon { version, pid, config, started, rejected, running, outage, next_sync, next_audit, .. } = daemon;
    let Daemon { expiries, watched, .. } = daemon;
    if let Some(Running { since, step }) = running {
        row(out, "running", &format!("a pass, since {}: {}", when(*since, now), show::printable(step)));
    }
    if let Some(Outage { since, passes, reason, passes_by }) = outage {
        let end = if *passes_by { "passes by itself" } else { "does not pass by itself" };
        let failed = if *passes == 1 { "1 pass failed".to_owned() } else { format!("{passes} passes failed") };
        row(out, "outage", &format!("since {}, {failed}, {end}: {}", when(*since, now), show::printable(reason)));
    }
    for (name, next) in [("next sync", next_sync), ("next audit", next_audit)] {
        row(out, name, &next.map_or_else(|| "not scheduled".to_owned(), |at| when(at, now)));
    }
    match watched {
        Some(Watched::Since { by, since }) => {
            row(out, "changes", &format!("told by {}, since {}", show::printable(by), when(*since, now)));
        }
        Some(Watched::Not { because }) => {
            row(out, "changes", &format!("seen by the schedule alone: {}", show::printable(because)));
        }
        None => {}
    }
    for expiry in expiries.iter().filter(|expiry| health::is_near(expiry, now)) {
        let verb = if expiry.at <= now { "ended" } else { "ends" };
        let (kind, of) = (show::printable(&expiry.kind), show::printable(&expiry.of));
        row(out, "renew", &format!("the {kind} of {of} {verb} {}", when(expiry.at, now)));
    }
    if let Some(Rejected { at, problems }) = rejected {
        row(out, "refused", &format!("the configuration read at {}; the one before is in use:", when(*at, now)));
        for line in problems.trim_end().lines() {
            _ = writeln!(out, "           {}", show::printable(line));
        }
    }
    let config = show::printable(&config.display().to_string());
    row(out, "service", &format!("seatsync {version}, process {pid}, {config}, since {}", when(*started, now)));
}

fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", time(at), from_now(at, now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::status::Expiry;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn now() -> Timestamp {
        "2026-01-12T03:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_stopped_agent_says_what_it_remembers() {
        let live = Live { remembered: Remembered::default(), daemon: None };
        insta::assert_snapshot!(text(&live, now()), @r"
        state      never: no pass has been made
        to do      make one: seatsync sync
        seats      0 active of 0 accounts known
        service    none runs with this configuration; this is what the last pass left
        ");
    }

    #[test]
    fn a_daemon_in_trouble_says_all_of_it() {
        let reason = "ldaps://dc1\u{1b}[2J: no answer".to_owned();
        let daemon = Daemon {
            version: "0.1.0".to_owned(),
            pid: 4711,
            config: "/etc/seatsync/seatsync.toml".into(),
            started: now() - 90 * MINUTE,
            loaded: now() - 90 * MINUTE,
            rejected: Some(Rejected {
                at: now() - MINUTE,
                problems: "error: unknown key\n --> x.toml:4:1\n".to_owned(),
            }),
            running: Some(Running { since: now() - MINUTE, step: "reading the directory".to_owned() }),
            outage: Some(Outage { since: now() - 17 * MINUTE, passes: 4, reason, passes_by: true }),
            next_sync: Some(now() + 3 * MINUTE),
            next_audit: None,
            overdue_at: Some(now()),
            directory_read: None,
            warnings: BTreeMap::new(),
            expiries: vec![
                Expiry { kind: "certificate".to_owned(), of: "dc1".to_owned(), at: now() + 100 * MINUTE },
                Expiry { kind: "secret".to_owned(), of: "svc".to_owned(), at: now() + 100_000 * MINUTE },
            ],
            watched: Some(Watched::Not { because: "ldaps://dc1\u{1b}: it closed the connection".to_owned() }),
        };
        let live = Live { remembered: Remembered::default(), daemon: Some(daemon) };
        insta::assert_snapshot!(text(&live, now()), @r"
        state      degraded: ldaps://dc1\u{1b}[2J: no answer
        to do      nothing yet: it is tried again by itself, next at 2026-01-12T03:03:00Z; if it lasts: seatsync check
        seats      0 active of 0 accounts known
        running    a pass, since 2026-01-12T02:59:00Z (60 s ago): reading the directory
        outage     since 2026-01-12T02:43:00Z (17 min ago), 4 passes failed, passes by itself: ldaps://dc1\u{1b}[2J: no answer
        next sync  2026-01-12T03:03:00Z (in 3 min)
        next audit not scheduled
        changes    seen by the schedule alone: ldaps://dc1\u{1b}: it closed the connection
        renew      the certificate of dc1 ends 2026-01-12T04:40:00Z (in 100 min)
        refused    the configuration read at 2026-01-12T02:59:00Z (60 s ago); the one before is in use:
                   error: unknown key
                    --> x.toml:4:1
        service    seatsync 0.1.0, process 4711, /etc/seatsync/seatsync.toml, since 2026-01-12T01:30:00Z (90 min ago)
        ");
    }
}
