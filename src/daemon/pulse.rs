//! Whether the loop gets on: what the watchdog of systemd is fed from.
//!
//! Every sign of life counts: a step of a pass, an answer of a server, a look at the clock while nothing is to do. A slow
//! pass gives many of them; one that hangs gives none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts signs of life. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// One sign of life.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
