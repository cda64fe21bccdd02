//! How many requests were sent, by operation; a request that is sent again counts again.

use super::call::Operation;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The counts.
#[derive(Debug)]
pub(in crate::accounts) struct Tally<O>(Mutex<HashMap<O, u64>>);

impl<O: Operation> Tally<O> {
    /// Nothing was sent yet.
    pub(in crate::accounts) fn new() -> Self {
        Self(Mutex::default())
    }

    /// One more was sent.
    pub(in crate::accounts) fn count(&self, operation: O) {
        let mut counts = self.counts();
        let count = counts.entry(operation).or_default();
        *count = count.saturating_add(1);
    }

    /// How many of that operation were.
    pub(in crate::accounts) fn of(&self, operation: O) -> u64 {
        self.counts().get(&operation).copied().unwrap_or_default()
    }

    /// Numbers, each right by itself: after a panic it can go on.
    fn counts(&self) -> MutexGuard<'_, HashMap<O, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
