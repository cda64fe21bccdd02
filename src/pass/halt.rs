//! Telling a pass to stop.
//!
//! Questions are dropped at once: asking has no effect. What may have an effect is never dropped: a batch under way gets
//! its answer, the answer is kept, and what was not sent stays in the journal for the next pass to look at.

use super::PassError;
use std::sync::Arc;
use tokio::sync::watch;

/// Whether a pass shall stop. Clones are one and the same; it cannot be taken back, so each new life of an agent begins
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

    /// The answer to a question without effect, which is dropped when somebody asks to stop.
    pub(super) async fn or_answer<T>(&self, question: impl Future<Output = T>) -> Result<T, PassError> {
        tokio::select! {
            biased;
            () = self.asked() => Err(PassError::Halted),
            answer = question => Ok(answer),
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
        assert!(matches!(halt.or_answer(async { 7 }).await, Ok(7)));
        halt.clone().ask();
        assert!(waiting.await.is_ok() && halt.is_asked());
        halt.asked().await;
        assert!(matches!(halt.or_answer(async { 7 }).await, Err(PassError::Halted)));
    }
}
