//! What the meter hears: every attempt, how it went, and nothing else.

use super::*;
use crate::model::{Exchange, Peer, Went};
use std::sync::Mutex;

/// A meter and what it heard.
fn meter() -> (Meter, Arc<Mutex<Vec<Exchange>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    (Meter::new(move |exchange| list.lock().unwrap().push(*exchange)), heard)
}

fn told(heard: &Mutex<Vec<Exchange>>) -> Vec<(&'static str, Went)> {
    let heard = heard.lock().unwrap();
    assert!(heard.iter().all(|exchange| exchange.peer == Peer::AccountStore));
    heard.iter().map(|exchange| (exchange.operation, exchange.went)).collect()
}

#[tokio::test]
async fn every_attempt_is_told_with_how_it_went() {
    for (fault, went) in [
        (Fault::Before { status: 429, retry_after: Some("0") }, Went::Refused),
        (Fault::Before { status: 500, retry_after: None }, Went::Refused),
        (Fault::After(503), Went::Refused),
        (Fault::Cut, Went::Unanswered),
        (Fault::Silence, Went::Unanswered),
    ] {
        let fake = Fake::start("EnterpriseLWA", ALL).await;
        fake.add("anna", "Registered", "Plus");
        let (meter, heard) = meter();
        let mut chime = metered_client_at(&fake.endpoint, Duration::from_millis(400), meter);
        chime.kind().await.unwrap();
        fake.fail("BatchSuspendUser", std::slice::from_ref(&fault));
        assert_eq!(seats(&chime.apply(&[suspension("anna")]).await), ["anna plus suspended"], "{fault:?}");
        let told = told(&heard);
        assert_eq!(told[..2], [("GetAccount", Went::Answered), ("BatchSuspendUser", went)], "{fault:?}");
        assert_eq!(told[2], ("BatchSuspendUser", Went::Answered), "{fault:?}");
        // The requests as counted by the client, and as seen by the server.
        assert_eq!(told.len() as u64, chime.requests_in_all(), "{fault:?}");
        assert_eq!(told.len(), fake.book().asked.len(), "{fault:?}");
        if matches!(fault, Fault::Silence) {
            assert!(heard.lock().unwrap()[1].took >= Duration::from_millis(400), "a time-out takes its time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_there_and_a_key_refused_are_told_apart() {
    let (unheard, heard) = meter();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    assert!(metered_client_at(&endpoint, Duration::from_secs(5), unheard).kind().await.is_err());
    assert_eq!(told(&heard), vec![("GetAccount", Went::Unanswered); 5]);

    let fake = Fake::start("EnterpriseLWA", ALL).await;
    fake.fail("GetAccount", &[Fault::Before { status: 403, retry_after: None }]);
    let (refused, heard) = meter();
    assert!(metered_client_at(&fake.endpoint, Duration::from_secs(5), refused).kind().await.is_err());
    assert_eq!(told(&heard), [("GetAccount", Went::Refused)]);
}
