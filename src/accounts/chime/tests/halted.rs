//! A client that is told to stop: the attempt under way is the last one, and what it came to is said.

use super::*;
use crate::model::Outcome;

/// Long after any test has failed by its deadline: only a client that does not wait ends before.
const NEVER: &str = "3000";

#[tokio::test]
async fn a_client_that_is_told_to_stop_does_not_wait_to_send_again() {
    for (fault, is_unknown) in
        [(Fault::Before { status: 429, retry_after: Some(NEVER) }, false), (Fault::After(503), true)]
    {
        let fake = Fake::start("EnterpriseLWA", ALL).await;
        fake.add("anna", "Registered", "Plus");
        let halt = Halt::default();
        let mut chime = halted_client_at(&fake.endpoint, &halt);
        chime.kind().await.unwrap();
        fake.fail("BatchSuspendUser", &vec![fault.clone(); 20]);
        let intents = [suspension("anna")];
        let (outcomes, ()) = tokio::join!(chime.apply(&intents), async {
            while fake.count("BatchSuspendUser") == 0 {
                tokio::task::yield_now().await;
            }
            halt.ask();
        });
        assert_eq!(fake.count("BatchSuspendUser"), 1, "{fault:?}: nothing is sent again");
        let [Outcome::Ambiguous(why)] = outcomes.as_slice() else { panic!("{fault:?}: {outcomes:?}") };
        assert!(!why.is_empty());
        // What may have been done is looked up by the next pass, which finds what is so.
        let found = halted_client_at(&fake.endpoint, &Halt::default()).list().await.unwrap();
        assert_eq!(found[0].seat.is_held(), !is_unknown, "{fault:?}");
    }
}

#[tokio::test]
async fn after_that_nothing_leaves_at_all() {
    let fake = Fake::start("EnterpriseLWA", ALL).await;
    let halt = Halt::default();
    halt.ask();
    let told = halted_client_at(&fake.endpoint, &halt).kind().await.unwrap_err().to_string();
    assert!(told.contains("told to stop"), "{told}");
    assert_eq!(fake.count("GetAccount"), 0);
}
