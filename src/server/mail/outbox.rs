//! When a message that did not leave is tried again.

use crate::model::Timestamp;
use std::time::Duration;

/// Wait after the first failed try, in seconds; doubled after each further one.
pub const RETRY_SECONDS_MIN: u64 = 60;
/// Longest wait between two tries, in seconds.
pub const RETRY_SECONDS_MAX: u64 = 3600;

/// The wait after that many failed tries in a row: one minute, doubled each time, at most one hour.
pub fn next_try(failed: u32) -> Duration {
    let doubled = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_secs(RETRY_SECONDS_MIN.saturating_mul(doubled).min(RETRY_SECONDS_MAX))
}

/// When to try again after that many failed tries, the last one `now`; `None` where the link will not work any more then.
pub fn next_try_at(failed: u32, now: Timestamp, valid_until: Timestamp) -> Option<Timestamp> {
    now.checked_add(next_try(failed)).ok().filter(|at| *at < valid_until)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_minute_doubled_up_to_an_hour() {
        let minutes: Vec<u64> = (0..9).map(|failed| next_try(failed).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(next_try(u32::MAX).as_secs(), RETRY_SECONDS_MAX);
    }

    #[test]
    fn given_up_when_the_link_would_not_work_any_more() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(next_try_at(1, now, at("2026-11-22T12:01:01Z")), Some(at("2026-11-22T12:01:00Z")));
        assert_eq!(next_try_at(1, now, at("2026-11-22T12:01:00Z")), None);
        assert_eq!(next_try_at(1, now, at("2026-11-21T12:00:00Z")), None);
        assert_eq!(next_try_at(1, Timestamp::MAX, Timestamp::MAX), None);
    }

    proptest! {
        #[test]
        fn a_further_failure_never_shortens_the_wait(failed in any::<u32>()) {
            let wait = next_try(failed);
            prop_assert!(wait <= next_try(failed.saturating_add(1)));
            prop_assert!((RETRY_SECONDS_MIN..=RETRY_SECONDS_MAX).contains(&wait.as_secs()));
        }
    }
}
