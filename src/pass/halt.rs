//! What a pass drops when it is told to stop, and what it does not.
//!
//! Questions are dropped at once: asking has no effect. What may have an effect is never dropped: a batch under way gets
//! its answer, the answer is kept, and what was not sent stays in the journal for the next pass to look at.

use super::PassError;
use crate::halt::Halt;

/// The answer to a question without effect, which is dropped when somebody asks to stop.
pub(super) async fn or_answer<T>(halt: &Halt, question: impl Future<Output = T>) -> Result<T, PassError> {
    tokio::select! {
        biased;
        () = halt.asked() => Err(PassError::Halted),
        answer = question => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_dropped_once_somebody_has_asked_to_stop() {
        let halt = Halt::default();
        assert!(matches!(or_answer(&halt, async { 7 }).await, Ok(7)));
        halt.ask();
        assert!(matches!(or_answer(&halt, async { 7 }).await, Err(PassError::Halted)));
    }
}
