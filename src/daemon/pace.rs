//! When changes of the directory lead to a pass. Pure: the time is an argument.
//!
//! A change waits until it has been quiet for [`QUIET`], so that one operation with many changes is one pass; but not for
//! longer than [`QUIET_MAX`]. One poke is on its way at a time: what changes until its pass has ended is the next one.
//!
//! Passes are paid for out of time that was saved up: each costs [`COST_MIN`], or [`COST_FACTOR`] times what it took. What
//! changes on a quiet directory is in a pass at once, also if it is a change a second for minutes; under changes without an
//! end there is no more than one pass a second, and the agent works a quarter of the time at the most. Never is a change put
//! off by more than three times what the last pass took, or a second.

use std::time::Duration;
use tokio::time::Instant;

/// So long nothing must change before a pass begins.
pub const QUIET: Duration = Duration::from_millis(50);
/// A change waits no longer than this for a quiet moment.
pub const QUIET_MAX: Duration = Duration::from_millis(500);
/// The least that a pass costs: without end there is one in this time.
pub const COST_MIN: Duration = Duration::from_secs(1);
/// What a pass costs in times of what it took: without end, passes take so much of the time.
pub const COST_FACTOR: u32 = 4;
/// As much can be saved up: a burst of short passes, or a minute of them.
pub const SAVED_MAX: Duration = Duration::from_secs(240);

/// The rule.
#[derive(Debug)]
pub struct Pace {
    /// The first and the last change that no poke was left for.
    changed: Option<(Instant, Instant)>,
    /// Whether a poke was left whose pass has not ended.
    is_under_way: bool,
    /// What passes have cost and time has not paid back yet, at that time.
    debt: Duration,
    at: Instant,
}

impl Pace {
    /// Nothing has changed and all is saved up.
    pub fn new(now: Instant) -> Self {
        Self { changed: None, is_under_way: false, debt: Duration::ZERO, at: now }
    }

    /// Something has changed.
    pub fn changed(&mut self, now: Instant) {
        let first = self.changed.map_or(now, |(first, _)| first);
        self.changed = Some((first, now));
    }

    /// When a poke is to be left, as far as is known now.
    pub fn due(&self) -> Option<Instant> {
        let (first, last) = self.changed.filter(|_| !self.is_under_way)?;
        let quiet = (last + QUIET).min(first + QUIET_MAX);
        let paid = self.at + self.debt.saturating_sub(SAVED_MAX);
        Some(quiet.max(paid))
    }

    /// A poke is left.
    pub fn poked(&mut self) {
        self.changed = None;
        self.is_under_way = true;
    }

    /// A pass has ended, whoever wanted it, that took so long.
    pub fn passed(&mut self, now: Instant, took: Duration) {
        self.is_under_way = false;
        let cost = took.saturating_mul(COST_FACTOR).max(COST_MIN);
        let owed = self.debt.saturating_sub(now.saturating_duration_since(self.at));
        // The time that the pass took has been paid with it.
        let rest_max = took.saturating_mul(COST_FACTOR - 1).max(COST_MIN);
        self.debt = owed.saturating_add(cost).min(SAVED_MAX.saturating_add(rest_max));
        self.at = now;
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
