//! Where the daemon writes up how it is, for whoever asks. Clones are one board.

use crate::model::Timestamp;
use crate::status::{Daemon, Live, Remembered};
use std::sync::Arc;
use tokio::sync::watch;

/// The board.
#[derive(Clone, Debug)]
pub struct Board {
    live: Arc<watch::Sender<Live>>,
    now: fn() -> Timestamp,
}

impl Board {
    /// One with nothing remembered yet.
    pub fn new(daemon: Daemon, now: fn() -> Timestamp) -> Self {
        let live = Live { remembered: Remembered::default(), daemon: Some(daemon) };
        Self { live: Arc::new(watch::Sender::new(live)), now }
    }

    /// The clock that all times on it are by.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// To look at it, and to wait for changes.
    pub fn watch(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
    }

    /// What is on it now.
    pub fn read(&self) -> Live {
        self.live.borrow().clone()
    }

    /// Whether a pass runs.
    pub fn is_busy(&self) -> bool {
        self.live.borrow().daemon.as_ref().is_some_and(|daemon| daemon.running.is_some())
    }

    /// Writes what the state on the disk says.
    pub fn remember(&self, remembered: Remembered) {
        self.live.send_modify(|live| live.remembered = remembered);
    }

    /// Writes what the daemon knows.
    pub fn change(&self, change: impl FnOnce(&mut Daemon)) {
        self.live.send_modify(|live| {
            if let Some(daemon) = &mut live.daemon {
                change(daemon);
            }
        });
    }
}
