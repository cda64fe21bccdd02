//! One schedule as the daemon waits for it. Pure: what time it is, and chance, are arguments.
//!
//! Invariants, whatever the clock on the wall does:
//! - every scheduled time is told at most once, unless the clock goes back over it by more than [`SLEW_MAX`];
//! - every scheduled time that passes is told, or falls together with others that passed since the last look: a machine
//!   that slept for a week owes one pass, not two thousand;
//! - the alarm is never silent for longer than the longest gap of its schedule, the jitter and [`SLEEP_MAX`], as long
//!   as the clock runs. A clock that goes back (somebody corrects one that was a year ahead) begins anew from there.

use crate::config::Schedule;
use crate::model::Timestamp;
use chrono_tz::Tz;
use std::fmt;
use std::time::Duration;

/// The longest sleep between two looks at the clock: a sleep counts the time the machine was awake, and knows nothing
/// of a suspended machine or of a clock that was set.
pub const SLEEP_MAX: Duration = Duration::from_secs(30);
/// The shortest sleep while nothing is due, so that a rounded-down timer cannot spin.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// A clock that goes back by no more than this is being held to its pace, not set to another time.
pub const SLEW_MAX: Duration = Duration::from_secs(60);
/// That many times missed make a last good pass overdue.
const FIRES_MISSED_MAX: usize = 3;

/// One schedule, its next time, and what has been told of it.
pub struct Alarm {
    schedule: Schedule,
    timezone: Tz,
    jitter: Duration,
    random: Box<dyn FnMut() -> f64 + Send>,
    /// Every scheduled time up to here has been told, or lay before the alarm was set.
    settled: Timestamp,
    /// The latest time seen since the clock was last set back.
    seen: Timestamp,
    /// The first scheduled time after `settled`, with its jitter; `None` when the schedule has ended.
    next: Option<Timestamp>,
}

impl Alarm {
    /// An alarm for the times after `now`, each late by a random part of `jitter`. `random` gives numbers from 0 to 1.
    pub fn new(
        schedule: Schedule,
        timezone: Tz,
        jitter: Duration,
        now: Timestamp,
        random: impl FnMut() -> f64 + Send + 'static,
    ) -> Self {
        let random = Box::new(random);
        let mut alarm = Self { schedule, timezone, jitter, random, settled: now, seen: now, next: None };
        alarm.settle(now);
        alarm
    }

    /// Whether a scheduled time has come: true once for it, and once for all that passed since the last look.
    pub fn due(&mut self, now: Timestamp) -> bool {
        if before(self.seen, SLEW_MAX) > now {
            self.seen = now;
            // Set back to before what has been told: those times come again. Set back to after it, nothing was told
            // that comes again, and a time that waits for its jitter is still owed.
            if now < self.settled {
                self.settle(now);
            }
        }
        self.seen = self.seen.max(now);
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.settle(now);
        }
        due
    }

    /// Whether a scheduled time has passed that was not told yet, be it that it waits for its jitter.
    pub fn owes(&self, now: Timestamp) -> bool {
        self.schedule.next_after(self.settled, self.timezone).is_some_and(|planned| planned <= now)
    }

    /// When it will be due, if nobody sets the clock; `None` when the schedule has ended.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// How long to sleep before looking again: zero only when due, and never more than [`SLEEP_MAX`].
    pub fn wait(&self, now: Timestamp) -> Duration {
        match self.next {
            None => SLEEP_MAX,
            Some(next) if next <= now => Duration::ZERO,
            Some(next) => Duration::try_from(next.duration_since(now)).unwrap_or(SLEEP_MAX).clamp(SLEEP_MIN, SLEEP_MAX),
        }
    }

    /// When a last good pass that ended at `since` is too old, as [`overdue_at`].
    pub fn overdue_at(&self, since: Timestamp) -> Option<Timestamp> {
        overdue_at(&self.schedule, self.timezone, self.jitter, since)
    }

    /// All up to `now` is told: what comes next is the first time after it.
    fn settle(&mut self, now: Timestamp) {
        self.settled = now;
        self.next = self.schedule.next_after(now, self.timezone).map(|planned| {
            let share = (self.random)();
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
            after(planned, lateness_max(&self.schedule, self.timezone, self.jitter, planned).mul_f64(share))
        });
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, timezone, jitter, random: _, settled, seen, next } = self;
        f.debug_struct("Alarm")
            .field("schedule", schedule)
            .field("timezone", timezone)
            .field("jitter", jitter)
            .field("settled", settled)
            .field("seen", seen)
            .field("next", next)
            .finish()
    }
}

/// When a last good pass that ended at `since` is too old: when the third scheduled time after it has passed, and the
/// most by which jitter puts that off. Counted in times and not in hours, so that a schedule that rests at night is not
/// overdue in the morning. `None` when fewer than three times are left.
pub fn overdue_at(schedule: &Schedule, timezone: Tz, jitter: Duration, since: Timestamp) -> Option<Timestamp> {
    let mut third = since;
    for _ in 0..FIRES_MISSED_MAX {
        third = schedule.next_after(third, timezone)?;
    }
    Some(after(third, lateness_max(schedule, timezone, jitter, third)))
}

/// The most by which the time `planned` may be late: half of the way to the one that follows at the most, so that jitter
/// loses no time of a dense schedule.
fn lateness_max(schedule: &Schedule, timezone: Tz, jitter: Duration, planned: Timestamp) -> Duration {
    let following = schedule.next_after(planned, timezone);
    let gap = following.and_then(|following| Duration::try_from(following.duration_since(planned)).ok());
    gap.map_or(jitter, |gap| jitter.min(gap / 2))
}

/// So much later; where time ends, the same.
fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

/// So much earlier; where time begins, the same.
fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(at)
}

#[cfg(test)]
mod tests;
