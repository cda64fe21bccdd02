//! How often one key may ask: a token bucket a key.
//!
//! A bucket holds up to `burst` requests and gains `per_second` of them every second; a request takes one, and where there is
//! none it is told after how many seconds there will be.
//!
//! Own and short: governor's clock does not follow the paused time of tests, and its answer is no whole number of seconds.
//!
//! Deliberately absent: buckets for addresses and for failed signatures (a connection cap and cheap refusals do that), waiting
//! in a queue (the client waits, not the server).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Most buckets kept: there is one for each key that asked lately.
pub const BUCKETS_MAX: usize = 4_096;
/// Longest time that is told to wait, in seconds.
pub const RETRY_AFTER_SECONDS_MAX: u32 = 3_600;

/// How often a key may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a second in the long run; above zero.
    pub per_second: f64,
    /// Requests at once after a rest; at least one.
    pub burst: u32,
}

/// Room for the busiest agent, with batches of 20 that is 10,000 licences a second; an end for a loop gone wild.
impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 500.0, burst: 1_000 }
    }
}

/// A bucket as it was when last looked at.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    requests: f64,
    at: Instant,
}

/// The buckets of all keys.
#[derive(Debug)]
pub struct Rate {
    limit: RateLimit,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Rate {
    /// All buckets full.
    pub fn new(limit: RateLimit) -> Self {
        let per_second = if limit.per_second.is_finite() { limit.per_second.max(1e-6) } else { 1e-6 };
        let limit = RateLimit { per_second, burst: limit.burst.max(1) };
        Self { limit, buckets: Mutex::default() }
    }

    /// Takes one request of this key, or says after how many seconds there will be one: at least 1.
    pub fn take(&self, key: &str, now: Instant) -> Result<(), u32> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(key) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| self.filled(bucket, now) < f64::from(self.limit.burst));
            if buckets.len() >= BUCKETS_MAX {
                return Err(1);
            }
        }
        let full = Bucket { requests: f64::from(self.limit.burst), at: now };
        let bucket = buckets.entry(key.to_owned()).or_insert(full);
        *bucket = Bucket { requests: self.filled(bucket, now), at: bucket.at.max(now) };
        if bucket.requests >= 1.0 {
            bucket.requests -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - bucket.requests) / self.limit.per_second).ceil();
        // `as` keeps within u32 what is beyond it.
        Err((seconds as u32).clamp(1, RETRY_AFTER_SECONDS_MAX))
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.requests + seconds * self.limit.per_second).min(f64::from(self.limit.burst))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(RateLimit { per_second, burst })
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (rate, start) = (rate(2.0, 3), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for (ms, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(1)),
            (499, Err(1)),
            (500, Ok(())),
            (501, Err(1)),
            // A clock that went back gives nothing and takes nothing.
            (0, Err(1)),
            (1_000, Ok(())),
            (60_000, Ok(())),
            (60_000, Ok(())),
            (60_000, Ok(())),
            (60_000, Err(1)),
        ] {
            assert_eq!(rate.take("a", at(ms)), expected, "at {ms} ms");
        }
        assert_eq!(rate.take("b", at(60_000)), Ok(()), "each key has its own");
    }

    #[test]
    fn the_wait_is_rounded_up_and_bounded() {
        let now = Instant::now();
        for (per_second, wait) in
            [(1_000.0, 1), (0.4, 3), (0.1, 10), (0.0, RETRY_AFTER_SECONDS_MAX), (f64::NAN, RETRY_AFTER_SECONDS_MAX)]
        {
            let rate = rate(per_second, 0);
            assert_eq!(rate.take("a", now), Ok(()), "a limit lets at least one pass");
            assert_eq!(rate.take("a", now), Err(wait), "{per_second}");
        }
    }

    #[test]
    fn there_is_a_limit_of_buckets() {
        let (rate, now) = (rate(1.0, 1), Instant::now());
        for key in 0..BUCKETS_MAX {
            assert_eq!(rate.take(&key.to_string(), now), Ok(()));
        }
        assert_eq!(rate.take("one more", now), Err(1));
        assert_eq!(rate.take("0", now), Err(1));
        assert_eq!(rate.take("one more", now + Duration::from_secs(1)), Ok(()), "those at rest make room");
        assert_eq!(rate.buckets.lock().unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            per_second in 0.1..50.0_f64,
            burst in 1..20_u32,
            waits in proptest::collection::vec(0..2_000_u64, 1..200),
        ) {
            let rate = rate(per_second, burst);
            let mut now = Instant::now();
            let (start, mut passed) = (now, 0_u32);
            for wait in waits {
                now += Duration::from_millis(wait);
                match rate.take("a", now) {
                    Ok(()) => passed += 1,
                    // Who waits as told is let through.
                    Err(seconds) => {
                        prop_assert!(seconds >= 1);
                        now += Duration::from_secs(u64::from(seconds));
                        prop_assert_eq!(rate.take("a", now), Ok(()));
                        passed += 1;
                    }
                }
                let most = f64::from(burst) + per_second * (now - start).as_secs_f64();
                prop_assert!(f64::from(passed) <= most + 1e-6);
            }
        }
    }
}
