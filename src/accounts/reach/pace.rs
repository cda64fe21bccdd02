//! How many requests are under way at one time: as many as the server can bear.
//!
//! Additive increase, multiplicative decrease (as TCP does it, RFC 5681): a refusal for want of capacity halves the number,
//! once a burst; a whole round of good answers that came no slower than usual adds one. A server that says how long to
//! wait is not asked at all until then.
//!
//! Deliberately absent: any request, any decision to send one again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The longest that a server may ask us to wait: a longer wait is cut to it.
pub(in crate::accounts) const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);
/// Answers this many times slower than the best round mean that more at a time would only wait in the server.
const SLOWER_TIMES: u32 = 3;
/// Differences below this are no sign of anything.
const SLOWER_MIN: Duration = Duration::from_millis(50);

/// The gate that every request goes through.
#[derive(Clone, Debug)]
pub(in crate::accounts) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    running: usize,
    /// Rises with each halving: what began before one says nothing new.
    burst: u64,
    /// Nobody asks before.
    closed_until: Option<Instant>,
    round: Round,
    /// The best mean of a round so far.
    best: Option<Duration>,
}

/// Good answers since the number last changed.
#[derive(Debug, Default)]
struct Round {
    answers: u32,
    took: Duration,
}

/// The right to have one request under way; given back on drop.
#[derive(Debug)]
pub(in crate::accounts) struct Slot {
    pace: Pace,
    burst: u64,
    began: Instant,
}

impl Pace {
    /// At most that many at a time; half of it to begin with.
    pub(in crate::accounts) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State {
            allowed: most.div_ceil(2),
            running: 0,
            burst: 0,
            closed_until: None,
            round: Round::default(),
            best: None,
        };
        Self(Arc::new(Shared { most, state: Mutex::new(state), freed: Notify::new() }))
    }

    /// Waits for a slot.
    pub(in crate::accounts) async fn slot(&self) -> Slot {
        loop {
            let closed_until = {
                let mut state = self.state();
                let now = Instant::now();
                state.closed_until = state.closed_until.filter(|until| *until > now);
                if state.closed_until.is_none() && state.running < state.allowed {
                    state.running += 1;
                    if state.running < state.allowed {
                        // A mark stands for one slot, and several may have been freed before anybody waited.
                        self.0.freed.notify_one();
                    }
                    return Slot { pace: self.clone(), burst: state.burst, began: now };
                }
                state.closed_until
            };
            match closed_until {
                Some(until) => sleep_until(until).await,
                None => self.0.freed.notified().await,
            }
        }
    }

    /// How many may be under way now.
    #[cfg(test)]
    pub(in crate::accounts) fn allowed(&self) -> usize {
        self.state().allowed
    }

    /// The state is only numbers, each right by itself: after a panic it can go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The server answered.
    pub(in crate::accounts) fn answered(self) {
        let took = self.began.elapsed();
        let mut state = self.pace.state();
        state.round.answers += 1;
        state.round.took += took;
        if usize::try_from(state.round.answers).unwrap_or(usize::MAX) < state.allowed {
            return;
        }
        let mean = state.round.took / state.round.answers.max(1);
        state.round = Round::default();
        let best = state.best.map_or(mean, |best| best.min(mean));
        state.best = Some(best);
        if mean <= best * SLOWER_TIMES + SLOWER_MIN && state.allowed < self.pace.0.most {
            state.allowed += 1;
            self.pace.0.freed.notify_one();
        }
    }

    /// The server has no capacity for it; `after` is how long it wants to be left alone.
    pub(in crate::accounts) fn overloaded(self, after: Option<Duration>) {
        let mut state = self.pace.state();
        if state.burst == self.burst {
            state.burst += 1;
            state.allowed = (state.allowed / 2).max(1);
        }
        state.round = Round::default();
        if let Some(after) = after {
            let until = Instant::now() + after.min(RETRY_AFTER_MAX);
            state.closed_until = state.closed_until.max(Some(until));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.pace.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn round(pace: &Pace, took: Duration) {
        for _ in 0..pace.allowed() {
            let slot = pace.slot().await;
            tokio::time::advance(took).await;
            slot.answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn good_rounds_add_one_up_to_the_most() {
        let pace = Pace::new(8);
        let mut allowed = vec![pace.allowed()];
        for _ in 0..6 {
            round(&pace, Duration::from_millis(10)).await;
            allowed.push(pace.allowed());
        }
        assert_eq!(allowed, [4, 5, 6, 7, 8, 8, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_refusals_halves_once_and_never_below_one() {
        let pace = Pace::new(16);
        let mut slots = Vec::new();
        for _ in 0..8 {
            slots.push(pace.slot().await);
        }
        slots.into_iter().for_each(|slot| slot.overloaded(None));
        assert_eq!(pace.allowed(), 4);
        for expected in [2, 1, 1] {
            pace.slot().await.overloaded(None);
            assert_eq!(pace.allowed(), expected);
        }
        round(&pace, Duration::from_millis(1)).await;
        assert_eq!(pace.allowed(), 2, "it recovers");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_grows_slow_is_not_asked_for_more() {
        let pace = Pace::new(16);
        round(&pace, Duration::from_millis(10)).await;
        assert_eq!(pace.allowed(), 9);
        round(&pace, Duration::from_secs(1)).await;
        assert_eq!(pace.allowed(), 9);
        round(&pace, Duration::from_millis(20)).await;
        assert_eq!(pace.allowed(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_before_the_time_the_server_named_and_no_wait_is_endless() {
        let pace = Pace::new(4);
        for (asked, waited) in [(7, 7), (100_000, 300)] {
            pace.slot().await.overloaded(Some(Duration::from_secs(asked)));
            let before = Instant::now();
            drop(pace.slot().await);
            // The clock of the runtime ticks in milliseconds.
            let took = before.elapsed();
            assert!(took >= Duration::from_secs(waited) && took < Duration::from_secs(waited + 1), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_allowed_are_under_way_and_all_get_their_turn() {
        let pace = Pace::new(3);
        let (running, highest) = (Arc::new(Mutex::new((0, 0))), Arc::new(Mutex::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200_u64 {
            let (pace, running, highest) = (pace.clone(), running.clone(), highest.clone());
            tasks.spawn(async move {
                let slot = pace.slot().await;
                let enter = |by: i32| {
                    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                    running.0 += by;
                    running.0
                };
                let now = enter(1);
                let mut highest = {
                    tokio::time::sleep(Duration::from_millis(1 + number % 7)).await;
                    enter(-1);
                    highest.lock().unwrap_or_else(PoisonError::into_inner)
                };
                *highest = now.max(*highest);
                slot.answered();
            });
        }
        assert_eq!(tasks.join_all().await.len(), 200);
        assert_eq!(*highest.lock().unwrap_or_else(PoisonError::into_inner), 3);
    }
}
