//! What somebody should be told, and when: a state machine over what is known of an agent.
//!
//! Invariants: the same news is not told twice within [`REMINDER`], however often it is looked and however often the
//! service is started anew (its memory is kept on disk); *recovered* is told only after *failing*, and *failing* not again
//! before *recovered*, except as a reminder.

use crate::model::{HeldNote, PassResult, Timestamp};
use crate::status::{Daemon, Expiry, Live, Outage, Rejected, Remembered};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often something that stays so is told again.
pub const REMINDER: SignedDuration = SignedDuration::from_hours(24);
/// So many failed passes in a row are told at once.
pub const FAILED_PASSES: u32 = 3;
/// Or an outage of this length, where passes are far apart.
pub const OUTAGE_MAX: SignedDuration = SignedDuration::from_mins(15);
/// How long before its end something is told to expire: first in time to order a new one, then as the last call.
pub const EXPIRY_STAGES: [SignedDuration; 2] =
    [SignedDuration::from_hours(14 * 24), SignedDuration::from_hours(3 * 24)];
/// How long the end of something is remembered after it.
const EXPIRY_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most different things of one kind that are remembered. What comes on top is not told: nobody reads so many in a day,
/// and without a memory of them they would be told at every pass.
const REMEMBERED_MAX: usize = 1_000;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Changes wait for approval.
    HeldLosses {
        /// What to approve.
        hash: String,
        /// How many losses.
        losses: usize,
        /// How many gains.
        gains: usize,
        /// When exactly these were first held.
        since: Timestamp,
        /// When they have waited too long.
        expires: Option<Timestamp>,
    },
    /// Passes fail, and not only once.
    Failing {
        /// Since when.
        since: Timestamp,
        /// How many passes in a row, since the service was started.
        passes: u32,
        /// What the latest one said.
        reason: String,
    },
    /// They do no more.
    Recovered {
        /// Since when passes had failed.
        since: Timestamp,
        /// For how long they had.
        after: SignedDuration,
    },
    /// A new configuration was refused; the one before is in use.
    ConfigRejected {
        /// All that is wrong with it, as text.
        problems: String,
    },
    /// After that, a good one was taken in.
    ConfigAccepted {
        /// When.
        at: Timestamp,
    },
    /// Something will end, or has.
    ExpiringSoon {
        /// `certificate` or `secret`.
        kind: String,
        /// Whose.
        of: String,
        /// When.
        at: Timestamp,
    },
    /// Nothing has happened: somebody wants to see whether messages arrive.
    Test,
}

/// The kinds of news, by which they can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// [`News::HeldLosses`].
    LossesHeld,
    /// [`News::Failing`].
    Failing,
    /// [`News::Recovered`].
    Recovered,
    /// [`News::ConfigRejected`].
    ConfigurationRejected,
    /// [`News::ConfigAccepted`].
    ConfigurationAccepted,
    /// [`News::ExpiringSoon`].
    Expiring,
    /// [`News::Test`].
    Test,
}

impl Event {
    /// The ones that can be chosen.
    pub const ALL: [Self; 6] = [
        Self::LossesHeld,
        Self::Failing,
        Self::Recovered,
        Self::ConfigurationRejected,
        Self::ConfigurationAccepted,
        Self::Expiring,
    ];

    /// As it is written in messages and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::LossesHeld => "losses_held",
            Self::Failing => "failing",
            Self::Recovered => "recovered",
            Self::ConfigurationRejected => "configuration_rejected",
            Self::ConfigurationAccepted => "configuration_accepted",
            Self::Expiring => "expiring",
            Self::Test => "test",
        }
    }
}

impl News {
    /// Of which kind it is.
    pub fn event(&self) -> Event {
        match self {
            Self::HeldLosses { .. } => Event::LossesHeld,
            Self::Failing { .. } => Event::Failing,
            Self::Recovered { .. } => Event::Recovered,
            Self::ConfigRejected { .. } => Event::ConfigurationRejected,
            Self::ConfigAccepted { .. } => Event::ConfigurationAccepted,
            Self::ExpiringSoon { .. } => Event::Expiring,
            Self::Test => Event::Test,
        }
    }
}

/// What was told, so that it is not told again. Also the way in which it is kept on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// When each hash was last told.
    held: BTreeMap<String, Timestamp>,
    /// Passes fail.
    trouble: Option<Trouble>,
    /// When each refused configuration was told, by its fingerprint.
    rejected: BTreeMap<String, Timestamp>,
    /// Whether the refused configuration that was told still stands.
    rejection_stands: bool,
    /// How many stages were told, by what expires.
    expiries: BTreeMap<String, Expiring>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    /// When the first pass failed, services started in between included.
    since: Timestamp,
    /// When it was last told.
    told: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Expiring {
    at: Timestamp,
    stages: usize,
}

impl Watch {
    /// What is to be told of this, now; from here on it counts as told.
    pub fn observe(&mut self, live: &Live, now: Timestamp) -> Vec<News> {
        let Live { remembered, daemon } = live;
        self.forget(now);
        let mut news = Vec::new();
        news.extend(self.held(remembered, now));
        if let Some(daemon) = daemon {
            news.extend(self.outage(daemon.outage.as_ref(), remembered, now));
            news.extend(self.configuration(daemon, now));
            news.extend(daemon.expiries.iter().filter_map(|each| self.expiry(each, now)));
        }
        news
    }

    /// Drops what no longer keeps anything from being told, and takes back what a clock that was ahead has noted: else it
    /// would keep silent until then.
    fn forget(&mut self, now: Timestamp) {
        for told in [&mut self.held, &mut self.rejected] {
            told.values_mut().for_each(|at| *at = (*at).min(now));
        }
        self.held.retain(|_, at| !is_due(*at, now));
        // What somebody is at work on needs no reminder: each text is told once while none is good.
        if !self.rejection_stands {
            self.rejected.retain(|_, at| !is_due(*at, now));
        }
        if let Some(Trouble { since, told }) = &mut self.trouble {
            *since = (*since).min(now);
            *told = told.map(|at| at.min(now));
        }
        self.expiries.retain(|_, each| now.duration_since(each.at) < EXPIRY_KEPT);
    }

    fn held(&mut self, remembered: &Remembered, now: Timestamp) -> Option<News> {
        let HeldNote { hash, losses, gains, since } = remembered.held.clone()?;
        if remembered.approved.is_some() || self.held.contains_key(&hash) || self.held.len() >= REMEMBERED_MAX {
            return None;
        }
        self.held.insert(hash.clone(), now);
        Some(News::HeldLosses { hash, losses, gains, since, expires: remembered.held_expires })
    }

    fn outage(&mut self, outage: Option<&Outage>, remembered: &Remembered, now: Timestamp) -> Option<News> {
        let Some(Outage { since, passes, reason, passes_by: _ }) = outage else {
            // A service that has just been started knows of no outage, which says nothing: only a pass ends one.
            let passed = passed(remembered)?;
            let Trouble { since, told } = self.trouble.take_if(|trouble| passed > trouble.since)?;
            return told.map(|_| News::Recovered { since, after: passed.min(now).duration_since(since) });
        };
        let trouble = self.trouble.get_or_insert(Trouble { since: (*since).min(now), told: None });
        trouble.since = trouble.since.min(*since);
        let is_long = *passes >= FAILED_PASSES || now.duration_since(trouble.since) >= OUTAGE_MAX;
        if !is_long || trouble.told.is_some_and(|at| !is_due(at, now)) {
            return None;
        }
        trouble.told = Some(now);
        Some(News::Failing { since: trouble.since, passes: *passes, reason: reason.clone() })
    }

    fn configuration(&mut self, daemon: &Daemon, now: Timestamp) -> Option<News> {
        let Some(Rejected { at: _, problems }) = &daemon.rejected else {
            let stood = std::mem::take(&mut self.rejection_stands);
            return stood.then_some(News::ConfigAccepted { at: daemon.loaded });
        };
        let print = fingerprint(problems);
        if self.rejected.contains_key(&print) || self.rejected.len() >= REMEMBERED_MAX {
            return None;
        }
        self.rejected.insert(print, now);
        self.rejection_stands = true;
        Some(News::ConfigRejected { problems: problems.clone() })
    }

    fn expiry(&mut self, expiry: &Expiry, now: Timestamp) -> Option<News> {
        let Expiry { kind, of, at } = expiry;
        let left = at.duration_since(now);
        let stage = EXPIRY_STAGES.iter().filter(|stage| left <= **stage).count();
        let key = format!("{kind}\n{of}\n{at}");
        let is_gone = -left >= EXPIRY_KEPT;
        if stage == 0 || is_gone || (!self.expiries.contains_key(&key) && self.expiries.len() >= REMEMBERED_MAX) {
            return None;
        }
        let told = self.expiries.entry(key).or_insert(Expiring { at: *at, stages: 0 });
        if stage <= told.stages {
            return None;
        }
        told.stages = stage;
        Some(News::ExpiringSoon { kind: kind.clone(), of: of.clone(), at: *at })
    }
}

/// When a pass last came to its end, even if some of its actions failed: that is no outage.
fn passed(remembered: &Remembered) -> Option<Timestamp> {
    let latest = remembered.last_pass.as_ref().filter(|pass| pass.result != PassResult::Failed).map(|pass| pass.at);
    latest.max(remembered.last_good)
}

/// Whether what was told then may be told again.
fn is_due(told: Timestamp, now: Timestamp) -> bool {
    now.duration_since(told) >= REMINDER
}

/// Names a text without keeping it.
fn fingerprint(text: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
}

#[cfg(test)]
#[path = "news_tests.rs"]
mod tests;
