//! The value: what is remembered on disk, and what a running daemon knows beside it.

pub use crate::model::Expiry;
use crate::model::{HeldNote, Limits, Memory, Origin, PassRecord, Seat, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that can be said without asking anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// What the state on disk says.
    pub remembered: Remembered,
    /// What a running daemon knows; `None` without one.
    pub daemon: Option<Daemon>,
}

/// What the state on disk says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Why the state had to be rebuilt, until a whole pass has ended.
    pub rebuilt: Option<String>,
    /// The latest pass.
    pub last_pass: Option<PassRecord>,
    /// When the last good pass ended.
    pub last_good: Option<Timestamp>,
    /// What waits for approval.
    pub held: Option<HeldNote>,
    /// When it has waited too long for somebody to look: `approval_expires` after it was first held.
    pub held_expires: Option<Timestamp>,
    /// The approval of what is held, given and not used yet.
    pub approved: Option<ApprovalNote>,
    /// Accounts known, by tier and status, sorted.
    pub seats: Vec<SeatCount>,
}

/// Who released what is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalNote {
    /// As the operating system names them.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it is void.
    pub expires: Timestamp,
}

/// So many accounts are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeatCount {
    /// The tier held, or held again when resumed; `None` when invited.
    pub tier: Option<String>,
    /// `active`, `suspended` or `invited`.
    pub status: String,
    /// How many.
    pub accounts: usize,
}

/// What a running daemon knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Daemon {
    /// Of the program.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The configuration file, absolute.
    pub config: PathBuf,
    /// When the process began to serve.
    pub started: Timestamp,
    /// When the configuration in use was read.
    pub loaded: Timestamp,
    /// A newer configuration that was refused, until a good one is read.
    pub rejected: Option<Rejected>,
    /// The pass that is running.
    pub running: Option<Running>,
    /// Why passes fail, since the first one that did.
    pub outage: Option<Outage>,
    /// The next pass by the schedule, or the next attempt in an outage, whichever is sooner.
    pub next_sync: Option<Timestamp>,
    /// The next audit.
    pub next_audit: Option<Timestamp>,
    /// From when on the last good pass is too old: the third time that a pass was due after it (after the start, when
    /// there has been none).
    pub overdue_at: Option<Timestamp>,
    /// When the directory was last read to its end.
    pub directory_read: Option<Timestamp>,
    /// Warnings of the latest pass that came to a plan, by kind.
    pub warnings: BTreeMap<String, usize>,
    /// Certificates and secrets whose end is known.
    pub expiries: Vec<Expiry>,
    /// Whether the directory tells of changes as they are made; `None` where nobody looks out.
    #[serde(default)]
    pub watched: Option<Watched>,
}

/// Whether the directory tells of changes as they are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// It does.
    Since {
        /// The server.
        by: String,
        /// When it began.
        since: Timestamp,
    },
    /// It does not: changes are seen when a pass is due.
    Not {
        /// Why.
        because: String,
    },
}

/// A configuration that was refused at a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// When it was read.
    pub at: Timestamp,
    /// All that is wrong with it, as text.
    pub problems: String,
}

/// A pass that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Since when.
    pub since: Timestamp,
    /// What it does now, in words.
    pub step: String,
}

/// Passes fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When the first of them failed.
    pub since: Timestamp,
    /// How many in a row.
    pub passes: u32,
    /// What the latest one said.
    pub reason: String,
    /// Whether it passes by itself: somebody did not answer. If not, somebody must act.
    pub passes_by: bool,
}

impl Daemon {
    /// What is known when the service begins.
    pub fn new(version: &str, pid: u32, config: PathBuf, started: Timestamp) -> Self {
        Self {
            version: version.to_owned(),
            pid,
            config,
            started,
            loaded: started,
            rejected: None,
            running: None,
            outage: None,
            next_sync: None,
            next_audit: None,
            overdue_at: None,
            directory_read: None,
            warnings: BTreeMap::new(),
            expiries: Vec::new(),
            watched: None,
        }
    }
}

impl Live {
    /// What the state on disk says, without a daemon.
    pub fn of_memory(memory: &Memory, limits: &Limits, now: Timestamp) -> Self {
        Self { remembered: Remembered::of(memory, limits, now), daemon: None }
    }
}

impl Daemon {
    /// Whether the last good pass is too old.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.overdue_at.is_some_and(|at| at <= now)
    }
}

impl Remembered {
    /// What there is to say of a memory.
    pub fn of(memory: &Memory, limits: &Limits, now: Timestamp) -> Self {
        let Memory { origin, snapshot, approvals, held, passes, last_good, .. } = memory;
        let rebuilt = match origin {
            Origin::Rebuilt(why) => Some(why.clone()),
            Origin::Fresh | Origin::Known => None,
        };
        let standing = |held: &HeldNote| approvals.iter().find(|each| each.hash == held.hash && each.expires > now);
        let expires = |held: &HeldNote| {
            jiff::SignedDuration::try_from(limits.approval_expires).ok().and_then(|by| held.since.checked_add(by).ok())
        };
        let mut counts: BTreeMap<(Option<String>, &'static str), usize> = BTreeMap::new();
        for (seat, accounts) in snapshot.seats() {
            let tier = seat.tier().map(|tier| tier.name().to_owned());
            *counts.entry((tier, status_word(seat))).or_default() += accounts;
        }
        Self {
            rebuilt,
            last_pass: passes.last().cloned(),
            last_good: *last_good,
            held: held.clone(),
            held_expires: held.as_ref().and_then(expires),
            approved: held.as_ref().and_then(standing).map(|approval| ApprovalNote {
                by: approval.by.clone(),
                at: approval.at,
                expires: approval.expires,
            }),
            seats: counts
                .into_iter()
                .map(|((tier, status), accounts)| SeatCount { tier, status: status.to_owned(), accounts })
                .collect(),
        }
    }
}

/// What a seat is called where its tier stands beside it.
pub fn status_word(seat: &Seat) -> &'static str {
    match seat {
        Seat::Vacant => "vacant",
        Seat::Invited => "invited",
        Seat::Active(_) => "active",
        Seat::Suspended(_) => "suspended",
    }
}
