//! How passes go: when to try again, and what is worth a line in the log. Pure.
//!
//! An outage begins with the first pass that comes to no plan and ends with the first that does. It is told when it
//! begins, when another side is to blame, once an hour, and when it ends: never once a pass.

use crate::model::Timestamp;
use crate::pass::PassError;
use crate::status::Outage;
use jiff::SignedDuration;
use std::time::Duration;

/// What is waited before the first attempt after a failed pass; it doubles from then on.
pub const RETRY_DELAY_MIN: Duration = Duration::from_secs(5);
/// The longest wait between attempts; the schedule may be sooner.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(600);
/// How often an outage is told again.
const REMINDER_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Doublings after which the longest wait is reached in any case.
const DOUBLINGS_MAX: u32 = 16;

/// Who is to blame for a failed pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The directory did not answer, or not to the end.
    DirectoryAway,
    /// The directory refuses us.
    DirectoryRefuses,
    /// The account store did not answer.
    AccountsAway,
    /// The account store refuses us, or has lost everybody.
    AccountsRefuse,
    /// Our own state on the disk.
    State,
}

impl Side {
    /// Of a pass that came to no plan; `None` when that says nothing about how things are.
    pub fn of(error: &PassError) -> Option<Self> {
        use crate::accounts::AccountsError;
        use crate::directory::DirectoryError;
        Some(match error {
            PassError::Directory(DirectoryError::Unavailable { .. } | DirectoryError::Incomplete { .. }) => {
                Self::DirectoryAway
            }
            PassError::Directory(DirectoryError::Refused { .. }) => Self::DirectoryRefuses,
            PassError::Accounts(AccountsError::Unavailable { .. }) => Self::AccountsAway,
            PassError::Accounts(AccountsError::Refused { .. }) | PassError::StoreEmptied { .. } => Self::AccountsRefuse,
            PassError::State(_) | PassError::Unrecorded(_) => Self::State,
            PassError::Nobody(_) | PassError::Moved { .. } | PassError::Halted => return None,
        })
    }

    /// Whether it can end without somebody acting. Where it cannot, asking more often helps nobody, and each further
    /// wrong password may lock the account.
    pub fn passes_by(self) -> bool {
        match self {
            Self::DirectoryAway | Self::AccountsAway => true,
            Self::DirectoryRefuses | Self::AccountsRefuse | Self::State => false,
        }
    }
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Passes fail from now on.
    Began,
    /// They fail for another reason than before.
    Changed,
    /// They still do.
    Still,
    /// They do no longer.
    Over(Outage),
}

/// How passes have gone so far.
#[derive(Debug, Default)]
pub struct Course {
    outage: Option<(Outage, Side)>,
    told_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    owes_audit: bool,
}

impl Course {
    /// Why passes fail, while they do.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref().map(|(outage, _)| outage)
    }

    /// When to try again before the schedule says so.
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Whether an audit has failed and none has come to its end since: the next pass is to be one. Else an outage at the
    /// hour of the audit would put it off by a day.
    pub fn owes_audit(&self) -> bool {
        self.owes_audit
    }

    /// An audit begins; it is owed until it has come to its end.
    pub fn audit_begins(&mut self) {
        self.owes_audit = true;
    }

    /// An audit came to its end.
    pub fn audit_ended(&mut self) {
        self.owes_audit = false;
    }

    /// A pass came to a plan.
    pub fn went_well(&mut self) -> Option<Word> {
        self.retry_at = None;
        self.told_at = None;
        self.outage.take().map(|(outage, _)| Word::Over(outage))
    }

    /// A pass failed. `scheduled` is when the next one is due anyway; `random` is from 0 to 1.
    pub fn failed(
        &mut self,
        side: Side,
        reason: String,
        now: Timestamp,
        scheduled: Option<Timestamp>,
        random: f64,
    ) -> Option<Word> {
        let before = self.outage.take();
        let blamed_before = before.as_ref().map(|(_, side)| *side);
        let (since, passes) = before.map_or((now, 0), |(outage, _)| (outage.since, outage.passes));
        let outage = Outage { since, passes: passes.saturating_add(1), reason, passes_by: side.passes_by() };
        self.retry_at = side
            .passes_by()
            .then(|| now.checked_add(back_off(outage.passes, RETRY_DELAY_MIN, RETRY_DELAY_MAX, random)).ok())
            .flatten()
            .filter(|retry| scheduled.is_none_or(|scheduled| *retry < scheduled));
        let word = match blamed_before {
            None => Some(Word::Began),
            Some(blamed) if blamed != side => Some(Word::Changed),
            // A clock that was set back must not make us silent for as long as it was ahead.
            Some(_) if self.told_at.is_none_or(|told| now.duration_since(told).abs() >= REMINDER_EVERY) => {
                Some(Word::Still)
            }
            Some(_) => None,
        };
        if word.is_some() {
            self.told_at = Some(now);
        }
        self.outage = Some((outage, side));
        word
    }
}

/// Exponential, and between half and all of it by chance: many agents that lost the same server do not come back at once.
pub fn back_off(failures: u32, min: Duration, max: Duration, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    let whole = min.saturating_mul(1 << doublings).min(max);
    let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 };
    whole.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn an_outage_of_a_day_is_told_about_once_an_hour() {
        let mut course = Course::default();
        let mut told = Vec::new();
        for minute in 0..24 * 60 {
            let now = at(minute * 60);
            let word = course.failed(Side::DirectoryAway, format!("no answer {minute}"), now, None, 1.0);
            told.extend(word);
        }
        assert_eq!(told.first(), Some(&Word::Began));
        assert_eq!(told.len(), 24, "when it begins, and once an hour");
        assert_eq!(course.outage().unwrap().passes, 24 * 60);
        assert!(matches!(course.went_well(), Some(Word::Over(outage)) if outage.since == at(0)));
        assert_eq!(course.went_well(), None);
    }

    #[test]
    fn who_is_to_blame_is_told_when_it_changes() {
        let mut course = Course::default();
        let mut fail = |side, second| course.failed(side, "x".into(), at(second), None, 0.5);
        assert_eq!(fail(Side::DirectoryAway, 0), Some(Word::Began));
        assert_eq!(fail(Side::DirectoryAway, 10), None);
        assert_eq!(fail(Side::AccountsAway, 20), Some(Word::Changed));
        assert_eq!(fail(Side::AccountsAway, 30), None);
        // The clock was put back by a day.
        assert_eq!(fail(Side::AccountsAway, -86_400), Some(Word::Still));
    }

    #[test]
    fn a_refusal_is_not_tried_again_before_its_time() {
        let mut course = Course::default();
        course.failed(Side::DirectoryRefuses, "52e".into(), at(0), Some(at(300)), 1.0);
        assert_eq!(course.retry_at(), None);
        assert!(!course.outage().unwrap().passes_by);
    }

    #[test]
    fn attempts_come_later_and_later_up_to_the_schedule() {
        let mut course = Course::default();
        let mut delays = Vec::new();
        for _ in 0..7 {
            course.failed(Side::AccountsAway, "503".into(), at(0), Some(at(300)), 1.0);
            delays.push(course.retry_at().map(|retry| retry.duration_since(at(0)).as_secs()));
        }
        assert_eq!(delays, [Some(5), Some(10), Some(20), Some(40), Some(80), Some(160), None]);
    }

    proptest! {
        #[test]
        fn an_attempt_lies_between_half_the_delay_and_the_schedule(
            failures in 1_u32..200, random in -1.0_f64..2.0, scheduled in 1_i64..4_000,
        ) {
            let mut course = Course::default();
            for _ in 0..failures {
                course.failed(Side::DirectoryAway, String::new(), at(0), Some(at(scheduled)), random);
            }
            if let Some(retry) = course.retry_at() {
                prop_assert!(retry < at(scheduled));
                let waited = retry.duration_since(at(0)).as_secs_f64();
                prop_assert!(waited >= RETRY_DELAY_MIN.as_secs_f64() / 2.0);
                prop_assert!(waited <= RETRY_DELAY_MAX.as_secs_f64());
            }
        }
    }
}
