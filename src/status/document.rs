//! `status --json` and `/status.json`: a stable contract, `"format": 1`. What is absent is null, times are RFC 3339.

use super::health;
use super::live::{ApprovalNote, Daemon, Expiry, Live, Outage, Rejected, Remembered, Running, SeatCount, Watched};
use super::verdict::Verdict;
use crate::model::{Counts, HeldNote, PassRecord, PassResult, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

const FORMAT: u32 = 1;

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Document {
    format: u32,
    state: &'static str,
    reason: Option<String>,
    /// What somebody should do next.
    advice: Option<String>,
    last_pass: Option<LastPass>,
    last_good: Option<String>,
    held: Option<Held>,
    seats: Vec<SeatCount>,
    next: Option<Next>,
    daemon: Option<Service>,
}

#[derive(Debug, Serialize)]
struct LastPass {
    id: String,
    at: String,
    took_ms: u64,
    result: PassResult,
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct Held {
    hash: String,
    losses: usize,
    gains: usize,
    since: String,
    /// When it has waited too long for somebody to look: `approval_expires` after `since`.
    expires: Option<String>,
    approved: Option<Approved>,
}

/// Released, and waiting for its pass.
#[derive(Debug, Serialize)]
struct Approved {
    by: String,
    at: String,
    expires: String,
}

/// Times of the daemon's next passes; without a running daemon there are none.
#[derive(Debug, Serialize)]
struct Next {
    sync: Option<String>,
    audit: Option<String>,
}

/// The daemon.
#[derive(Debug, Serialize)]
struct Service {
    version: String,
    pid: u32,
    config: String,
    started: String,
    loaded: String,
    rejected: Option<Refused>,
    running: Option<Going>,
    outage: Option<Failing>,
    /// When the directory was last read to its end.
    directory_read: Option<String>,
    /// Of the latest pass that came to a plan, by kind.
    warnings: BTreeMap<String, usize>,
    expiries: Vec<Ending>,
    /// Whether the directory tells changes as they are made; null where nobody looks out.
    watched: Option<Watching>,
    /// Whether the last good pass is too old.
    overdue: bool,
    /// From when on it is.
    overdue_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refused {
    at: String,
    problems: String,
}

#[derive(Debug, Serialize)]
struct Going {
    since: String,
    step: String,
}

#[derive(Debug, Serialize)]
struct Failing {
    since: String,
    passes: u32,
    reason: String,
    passes_by: bool,
}

#[derive(Debug, Serialize)]
struct Watching {
    /// Which server tells, and since when; null while none does.
    by: Option<String>,
    since: Option<String>,
    /// Why none does.
    because: Option<String>,
}

#[derive(Debug, Serialize)]
struct Ending {
    kind: String,
    of: String,
    at: String,
    /// Whether somebody should see to it now.
    near: bool,
}

impl Document {
    /// What there is to say at that time.
    pub fn of(live: &Live, now: Timestamp) -> Self {
        let Verdict { state, reason, advice } = Verdict::of(live, now);
        let Live { remembered, daemon } = live;
        let Remembered { rebuilt: _, last_pass, last_good, held, held_expires, approved, seats } = remembered;
        Self {
            format: FORMAT,
            state: state.word(),
            reason,
            advice,
            last_pass: last_pass.as_ref().map(last),
            last_good: text(*last_good),
            held: held.as_ref().map(|HeldNote { hash, losses, gains, since }| Held {
                hash: hash.clone(),
                losses: *losses,
                gains: *gains,
                since: since.to_string(),
                expires: text(*held_expires),
                approved: approved.as_ref().map(|ApprovalNote { by, at, expires }| Approved {
                    by: by.clone(),
                    at: at.to_string(),
                    expires: expires.to_string(),
                }),
            }),
            seats: seats.clone(),
            next: daemon.as_ref().map(|daemon| Next { sync: text(daemon.next_sync), audit: text(daemon.next_audit) }),
            daemon: daemon.as_ref().map(|daemon| service(daemon, now)),
        }
    }
}

fn last(PassRecord { id, at, took_ms, result, reason: _, counts }: &PassRecord) -> LastPass {
    LastPass { id: id.to_string(), at: at.to_string(), took_ms: *took_ms, result: *result, counts: *counts }
}

fn service(daemon: &Daemon, now: Timestamp) -> Service {
    let Daemon {
        version,
        pid,
        config,
        started,
        loaded,
        rejected,
        running,
        outage,
        next_sync: _,
        next_audit: _,
        overdue_at,
        directory_read,
        warnings,
        expiries,
        watched,
    } = daemon;
    Service {
        version: version.clone(),
        pid: *pid,
        config: config.display().to_string(),
        started: started.to_string(),
        loaded: loaded.to_string(),
        rejected: rejected
            .as_ref()
            .map(|Rejected { at, problems }| Refused { at: at.to_string(), problems: problems.clone() }),
        running: running.as_ref().map(|Running { since, step }| Going { since: since.to_string(), step: step.clone() }),
        outage: outage.as_ref().map(|Outage { since, passes, reason, passes_by }| Failing {
            since: since.to_string(),
            passes: *passes,
            reason: reason.clone(),
            passes_by: *passes_by,
        }),
        directory_read: text(*directory_read),
        warnings: warnings.clone(),
        expiries: expiries
            .iter()
            .map(|expiry @ Expiry { kind, of, at }| Ending {
                kind: kind.clone(),
                of: of.clone(),
                at: at.to_string(),
                near: health::is_near(expiry, now),
            })
            .collect(),
        watched: watched.as_ref().map(|watched| match watched {
            Watched::Since { by, since } => {
                Watching { by: Some(by.clone()), since: Some(since.to_string()), because: None }
            }
            Watched::Not { because } => Watching { by: None, since: None, because: Some(because.clone()) },
        }),
        overdue: daemon.is_overdue(now),
        overdue_at: text(*overdue_at),
    }
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;

    fn json(live: &Live) -> serde_json::Value {
        serde_json::to_value(Document::of(live, now())).unwrap()
    }

    #[test]
    fn without_a_daemon_the_contract_has_its_nulls() {
        let said = json(&nothing());
        assert_eq!(
            said,
            serde_json::json!({"format": 1, "state": "never", "reason": "no pass has been made",
                "advice": "make one: seatsync sync", "last_pass": null, "last_good": null, "held": null, "seats": [],
                "next": null, "daemon": null})
        );
        let said = json(&held());
        assert_eq!(said["state"], "held");
        assert_eq!(
            said["held"],
            serde_json::json!({"hash": "3f9c0a51b2d47e88", "losses": 12, "gains": 0, "since": "2026-01-12T02:00:00Z",
                "expires": "2026-01-13T02:00:00Z", "approved": null})
        );
    }

    #[test]
    fn with_a_daemon_it_says_what_the_daemon_knows() {
        let mut live = after(PassResult::Failed);
        live.daemon = Some(Daemon {
            outage: Some(outage(true)),
            rejected: Some(rejected()),
            running: Some(running()),
            overdue_at: Some(now()),
            ..daemon()
        });
        let said = json(&live);
        assert_eq!((&said["state"], &said["reason"]), (&"degraded".into(), &"dc1 does not answer".into()));
        assert_eq!(said["next"], serde_json::json!({"sync": "2026-01-12T03:03:00Z", "audit": "2026-01-13T03:00:00Z"}));
        assert_eq!(
            said["daemon"],
            serde_json::json!({"version": "0.1.0", "pid": 4711, "config": "/etc/seatsync/seatsync.toml",
                "started": "2026-01-11T03:00:00Z", "loaded": "2026-01-11T03:00:00Z",
                "rejected": {"at": "2026-01-12T02:59:00Z",
                    "problems": "error: unknown key `teir`\n --> seatsync.toml:4:1"},
                "running": {"since": "2026-01-12T02:59:00Z", "step": "reading the directory"},
                "outage": {"since": "2026-01-12T02:43:00Z", "passes": 4, "reason": "dc1 does not answer",
                    "passes_by": true},
                "directory_read": "2026-01-12T02:58:00Z", "warnings": {"no_email": 2},
                "expiries": [{"kind": "certificate", "of": "ldaps://dc1.corp.example", "at": "2026-04-12T03:00:00Z",
                    "near": false}],
                "watched": {"by": "ldaps://dc1.corp.example", "since": "2026-01-11T03:00:00Z", "because": null},
                "overdue": true, "overdue_at": "2026-01-12T03:00:00Z"})
        );
    }
}
