//! Agents in various states, for the tests of this room.

use super::{Daemon, Expiry, Live, Outage, Rejected, Remembered, Running, SeatCount, Watched};
use crate::model::{Counts, HeldNote, PassId, PassRecord, PassResult, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// 2026-01-12T03:00:00Z, a Monday.
pub(super) fn now() -> Timestamp {
    Timestamp::new(1_768_186_800, 0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Nothing was ever done, and nobody is there.
pub(super) fn nothing() -> Live {
    Live { remembered: Remembered::default(), daemon: None }
}

/// A daemon that runs well for a day.
pub(super) fn daemon() -> Daemon {
    Daemon {
        version: "0.1.0".to_owned(),
        pid: 4711,
        config: "/etc/seatsync/seatsync.toml".into(),
        started: now() - DAY,
        loaded: now() - DAY,
        rejected: None,
        running: None,
        outage: None,
        next_sync: Some(now() + 3 * MINUTE),
        next_audit: Some(now() + DAY),
        overdue_at: Some(now() + 13 * MINUTE),
        directory_read: Some(now() - 2 * MINUTE),
        warnings: BTreeMap::from([("no_email".to_owned(), 2)]),
        expiries: vec![Expiry {
            kind: "certificate".to_owned(),
            of: "ldaps://dc1.corp.example".to_owned(),
            at: now() + 90 * DAY,
        }],
        watched: Some(Watched::Since { by: "ldaps://dc1.corp.example".to_owned(), since: now() - DAY }),
    }
}

/// A daemon whose last pass ended so.
pub(super) fn after(result: PassResult) -> Live {
    let reason = (result == PassResult::Failed).then(|| "the directory was not read: dc1 does not answer".to_owned());
    let seat = |tier: Option<&str>, status: &str, accounts| SeatCount {
        tier: tier.map(ToOwned::to_owned),
        status: status.to_owned(),
        accounts,
    };
    let remembered = Remembered {
        last_pass: Some(PassRecord {
            id: PassId::new(now() - 2 * MINUTE, 0x2a),
            at: now() - 2 * MINUTE,
            took_ms: 1_234,
            result,
            reason,
            counts: Counts { people: 1_200, seated: 900, changes: 4, held: 0, failed: 0 },
        }),
        last_good: Some(now() - 2 * MINUTE),
        seats: vec![seat(None, "invited", 2), seat(Some("plus"), "active", 600), seat(Some("pro"), "active", 300)],
        ..Remembered::default()
    };
    Live { remembered, daemon: Some(daemon()) }
}

/// Losses wait, since an hour; nobody serves.
pub(super) fn held() -> Live {
    let mut live = after(PassResult::Held);
    live.remembered.held =
        Some(HeldNote { hash: "3f9c0a51b2d47e88".to_owned(), losses: 12, gains: 0, since: now() - 60 * MINUTE });
    live.remembered.held_expires = Some(now() + 23 * 60 * MINUTE);
    live.daemon = None;
    live
}

pub(super) fn outage(passes_by: bool) -> Outage {
    Outage { since: now() - 17 * MINUTE, passes: 4, reason: "dc1 does not answer".to_owned(), passes_by }
}

pub(super) fn rejected() -> Rejected {
    Rejected { at: now() - MINUTE, problems: "error: unknown key `teir`\n --> seatsync.toml:4:1".to_owned() }
}

pub(super) fn running() -> Running {
    Running { since: now() - MINUTE, step: "reading the directory".to_owned() }
}
