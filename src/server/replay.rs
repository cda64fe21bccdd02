//! A request that changes something is carried out once: its signature is remembered for as long as it would be accepted.
//!
//! A signature covers its time to the second, so that signatures are kept by that second and forgotten by it: one whole set
//! at a time. What is older than the clock skew allows is refused by its time alone.
//!
//! Two steps: [`Replays::begin`] takes the signature, [`Guard::settle`] keeps it if the request was carried out and gives it
//! back if it was not, so that a client that repeats a refused request within the same second is heard. A guard that is
//! dropped without a word (the client hung up, a panic) keeps it: nobody knows what was done.
//!
//! Deliberately absent: memory over a restart. In its place whoever starts the server gives the time of the start, and
//! changes signed in an earlier second are sent back to be signed again.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Most signatures kept: with a skew of five minutes, 2,900 changes a second for as long as one likes, even if they are all
/// signed five minutes ahead. That is above the rate of one key, so that no key alone can fill it. Some 100 MB when full.
pub const SIGNATURES_MAX: usize = 1 << 21;

/// How much longer than accepted a signature is kept, in seconds: one request may have looked at the clock earlier than
/// another that makes us forget, and clocks are set back a little.
const SLACK_SECONDS: i64 = 60;

/// Half of a signature: 128 bits are enough to know one by.
pub type Digest = [u8; 16];

/// Why a request is not carried out, by what the client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was already: if meant a second time, sign it again in another second.
    #[error(
        "this very request, signed in the same second, was carried out already; if it is meant a second time, ask again: it is then signed anew"
    )]
    Repeated,
    /// Too many are remembered: wait so many seconds.
    #[error("too many changes in a short time; wait and ask again")]
    Full {
        /// Until the oldest are forgotten; at least 1.
        retry_after: u32,
    },
    /// It may have been carried out before the server started: sign it again.
    #[error(
        "the request was signed before this server started, which may have carried it out in an earlier run; ask again: it is then signed anew"
    )]
    BeforeStart,
}

/// The signatures that were accepted lately.
#[derive(Debug)]
pub struct Replays {
    skew_seconds: i64,
    started_second: i64,
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    by_second: BTreeMap<i64, HashSet<Digest>>,
    count: usize,
}

impl Replays {
    /// Remembers nothing yet. Signatures of a second before `started_second` (Unix time) are refused, unless the clock has
    /// been set back behind it: then that second says nothing.
    pub fn new(skew_seconds: i64, started_second: i64) -> Arc<Self> {
        Self::with_capacity(skew_seconds, started_second, SIGNATURES_MAX)
    }

    fn with_capacity(skew_seconds: i64, started_second: i64, capacity: usize) -> Arc<Self> {
        Arc::new(Self { skew_seconds: skew_seconds.max(0), started_second, capacity, seen: Mutex::default() })
    }

    /// Takes a signature of the given second, which must be within the clock skew of `now_second`.
    pub fn begin(self: &Arc<Self>, digest: Digest, signed_second: i64, now_second: i64) -> Result<Guard, ReplayError> {
        if signed_second < self.started_second && now_second >= self.started_second {
            return Err(ReplayError::BeforeStart);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_seconds = self.skew_seconds.saturating_add(SLACK_SECONDS);
        seen.forget_before(now_second.saturating_sub(kept_seconds));
        let is_known = seen.by_second.get(&signed_second).is_some_and(|digests| digests.contains(&digest));
        if is_known {
            return Err(ReplayError::Repeated);
        }
        if seen.count >= self.capacity {
            let oldest = seen.by_second.keys().next().copied().unwrap_or(now_second);
            let wait = oldest.saturating_add(kept_seconds).saturating_add(1).saturating_sub(now_second);
            return Err(ReplayError::Full { retry_after: u32::try_from(wait.max(1)).unwrap_or(u32::MAX) });
        }
        seen.by_second.entry(signed_second).or_default().insert(digest);
        seen.count += 1;
        Ok(Guard { replays: Arc::clone(self), digest, signed_second })
    }

    fn give_back(&self, digest: &Digest, signed_second: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(digests) = seen.by_second.get_mut(&signed_second) else { return };
        let was_there = digests.remove(digest);
        let is_empty = digests.is_empty();
        seen.count -= usize::from(was_there);
        if is_empty {
            seen.by_second.remove(&signed_second);
        }
    }
}

impl Seen {
    /// Forgets what is refused by its time.
    fn forget_before(&mut self, second: i64) {
        while let Some(oldest) = self.by_second.first_entry() {
            if *oldest.key() >= second {
                break;
            }
            self.count -= oldest.remove().len();
        }
    }
}

/// A signature taken; see [`Guard::settle`].
#[derive(Debug)]
#[must_use = "the answer decides whether the signature is kept"]
pub struct Guard {
    replays: Arc<Replays>,
    digest: Digest,
    signed_second: i64,
}

impl Guard {
    /// Keeps the signature if the request was carried out; gives it back if it was refused or failed (400 and above).
    pub fn settle(self, status: u16) {
        if status >= 400 {
            self.replays.give_back(&self.digest, self.signed_second);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const SKEW: i64 = 300;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        digest
    }

    fn count(replays: &Replays) -> usize {
        let seen = replays.seen.lock().unwrap();
        assert_eq!(seen.count, seen.by_second.values().map(HashSet::len).sum::<usize>());
        assert!(seen.by_second.values().all(|digests| !digests.is_empty()));
        seen.count
    }

    #[test]
    fn what_was_carried_out_is_refused_and_what_was_not_is_heard_again() {
        for (status, is_heard) in
            [(200, false), (201, false), (204, false), (400, true), (404, true), (429, true), (500, true), (503, true)]
        {
            let replays = Replays::new(SKEW, 0);
            let guard = replays.begin(digest(1), 1_000, 1_000).unwrap();
            assert_eq!(replays.begin(digest(1), 1_000, 1_000).unwrap_err(), ReplayError::Repeated, "in flight");
            guard.settle(status);
            assert_eq!(replays.begin(digest(1), 1_000, 1_000).is_ok(), is_heard, "{status}");
        }
        let replays = Replays::new(SKEW, 0);
        drop(replays.begin(digest(1), 1_000, 1_000).unwrap());
        assert_eq!(replays.begin(digest(1), 1_000, 1_000).unwrap_err(), ReplayError::Repeated, "hung up");
    }

    #[test]
    fn of_many_at_once_one_is_carried_out() {
        let (replays, together) = (Replays::new(SKEW, 0), std::sync::Barrier::new(8));
        let begun = std::thread::scope(|scope| {
            let each = || {
                together.wait();
                replays.begin(digest(1), 1_000, 1_000)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(each)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 1);
        assert_eq!(count(&replays), 1);
    }

    #[test]
    fn a_signature_is_kept_as_long_as_its_time_is_accepted() {
        let replays = Replays::new(SKEW, 0);
        replays.begin(digest(1), 1_300, 1_000).unwrap().settle(200);
        for now in [1_000, 1_300, 1_600, 1_660, 1_601] {
            assert_eq!(replays.begin(digest(1), 1_300, now).unwrap_err(), ReplayError::Repeated, "{now}");
        }
        replays.begin(digest(2), 1_661, 1_661).unwrap().settle(200);
        assert_eq!(count(&replays), 1, "a time of 1300 has long been refused anyway");
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let replays = Replays::with_capacity(SKEW, 0, 100);
        for number in 0..100 {
            replays.begin(digest(number), 1_000 + i64::from(number / 50), 1_000).unwrap().settle(200);
        }
        assert_eq!(replays.begin(digest(100), 1_010, 1_010).unwrap_err(), ReplayError::Full { retry_after: 351 });
        assert_eq!(replays.begin(digest(0), 1_000, 1_010).unwrap_err(), ReplayError::Repeated, "known while full");
        assert_eq!(replays.begin(digest(100), 1_360, 1_360).unwrap_err(), ReplayError::Full { retry_after: 1 });
        replays.begin(digest(100), 1_361, 1_361).unwrap().settle(500);
        assert_eq!(count(&replays), 50);
        // The memory behind a digest at the usual load, counted generously: entries of a set, half of them empty.
        assert!(SIGNATURES_MAX * (size_of::<Digest>() + 1) * 3 < 128 * 1024 * 1024);
    }

    #[test]
    fn what_an_earlier_run_may_have_done_is_signed_again() {
        let replays = Replays::new(SKEW, 1_000);
        assert_eq!(replays.begin(digest(1), 999, 1_000).unwrap_err(), ReplayError::BeforeStart);
        assert!(replays.begin(digest(1), 1_000, 1_000).is_ok());
        assert!(replays.begin(digest(1), 500, 500).is_ok(), "the clock was set right after the start");
    }

    proptest! {
        #[test]
        fn each_is_carried_out_once(
            steps in proptest::collection::vec((0..8_u32, -10..=10_i64, 0..6_i64, prop::sample::select(vec![200_u16, 404, 429, 500, 0])), 1..200),
        ) {
            let skew = 10;
            let replays = Replays::with_capacity(skew, 0, 20);
            let (mut now, mut done): (i64, HashMap<(u32, i64), u32>) = (1_000, HashMap::new());
            for (number, offset, wait, status) in steps {
                now += wait;
                let signed = now + offset;
                // The time is signed, so that the same digest in another second does not come up.
                let mut digest = digest(number);
                digest[8..].copy_from_slice(&signed.to_be_bytes());
                let was_done = done.get(&(number, signed)).copied().unwrap_or_default();
                match replays.begin(digest, signed, now) {
                    Ok(guard) => {
                        prop_assert_eq!(was_done, 0);
                        if status == 0 { drop(guard) } else { guard.settle(status) }
                        if status < 400 {
                            *done.entry((number, signed)).or_default() += 1;
                        }
                    }
                    Err(ReplayError::Repeated) => prop_assert_eq!(was_done, 1),
                    Err(ReplayError::Full { retry_after }) => prop_assert!(retry_after >= 1),
                    Err(ReplayError::BeforeStart) => prop_assert!(false, "the server did not start in between"),
                }
                prop_assert!(count(&replays) <= 20);
            }
        }
    }
}
