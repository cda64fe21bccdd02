//! Telling whoever works that it shall end: a pass, and a client that waits before it asks again.
//!
//! Deliberately absent: what each of them does then. That is theirs to say, for only they know what may be dropped.

use std::sync::Arc;
use tokio::sync::watch;

/// Whether to stop. Clones are one and the same; it cannot be taken back, so each new life of an agent begins
/// with a new one.
#[derive(Clone, Debug)]
pub struct Halt(Arc<watch::Sender<bool>>);

impl Default for Halt {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Halt {
    /// Asks to stop. Twice is once.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks, for ever if nobody does.
    pub async fn asked(&self) {
        if self.0.subscribe().wait_for(|asked| *asked).await.is_err() {
            // Only when nobody is left who could ask, and we are.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_hears_of_it_before_and_after() {
        let halt = Halt::default();
        let waiting = tokio::spawn({
            let halt = halt.clone();
            async move { halt.asked().await }
        });
        assert!(!halt.is_asked());
        halt.clone().ask();
        assert!(waiting.await.is_ok() && halt.is_asked());
        halt.asked().await;
    }
}
