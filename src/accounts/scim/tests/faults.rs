//! What goes wrong between here and there: it always comes right in the end, and nothing is done twice.

use super::*;
use tokio::time::Instant;

const BUSY: Fault = Fault::Before { status: 429, retry_after: Some("7"), body: "" };
const BROKEN: Fault = Fault::Before { status: 500, retry_after: None, body: "" };
const FORBIDDEN: Fault = Fault::Before { status: 403, retry_after: None, body: r#"{"detail": "read only"}"# };

async fn people(count: usize) -> Fake {
    let fake = Fake::start().await;
    (0..count).for_each(|number| fake.add(&format!("p{number:02}"), "View", json!({})));
    fake
}

fn promotions(count: usize) -> Vec<Intent> {
    (0..count).map(|number| promotion(&format!("p{number:02}"))).collect()
}

fn all_are_pro(outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Done(Some(one)) if one.seat == active("pro")), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_is_left_alone_as_long_as_it_says() {
    let fake = people(20).await;
    let mut scim = client(&fake);
    scim.kind().await.unwrap();
    fake.fail("change", &vec![BUSY; 9]);
    let before = Instant::now();
    all_are_pro(&scim.apply(&promotions(20)).await);
    assert!(before.elapsed() >= Duration::from_secs(2 * 7), "{:?}", before.elapsed());
    assert_eq!(fake.count("change"), 20 + 9);
}

#[tokio::test]
async fn a_change_is_done_once_and_known_whatever_becomes_of_the_answer() {
    for fault in [BROKEN, Fault::After(500), Fault::After(503), Fault::Cut, Fault::Silence] {
        for is_terse in [true, false] {
            let fake = people(3).await;
            fake.book().is_terse = is_terse;
            let mut scim = client_with(&fake, Duration::from_millis(400));
            scim.kind().await.unwrap();
            fake.fail("change", std::slice::from_ref(&fault));
            fake.fail("read", std::slice::from_ref(&fault));
            let mut intents = promotions(2);
            intents.push(suspension("p02"));
            let outcomes = scim.apply(&intents).await;
            all_are_pro(&outcomes[..2]);
            assert_eq!(told(&outcomes[2..]), ["p02 suspended plus"], "{fault:?}");
            assert_eq!(fake.shown(), "p00 Full, p01 Full, p02 View off");
        }
    }
}

/// A user made twice might be two: whether the first one was made is looked up, by the next pass.
#[tokio::test]
async fn nobody_is_made_twice_whatever_becomes_of_the_answer() {
    for fault in [BROKEN, Fault::After(500), Fault::Cut, Fault::Silence] {
        let fake = Fake::start().await;
        let mut scim = client_with(&fake, Duration::from_millis(400));
        fake.fail("create", std::slice::from_ref(&fault));
        let outcomes = scim.apply(&[creation("anna")]).await;
        assert!(matches!(&outcomes[..], [Outcome::Ambiguous(_)]), "{outcomes:?}");
        assert_eq!(fake.count("create"), 1);
        let found = scim.find(&[sought("anna")]).await.unwrap();
        assert_eq!(found[0].is_some(), !fake.book().users.is_empty());
        assert_eq!(told(&scim.apply(&[creation("anna")]).await), ["anna pro"]);
        assert_eq!(fake.shown(), "anna Full", "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_says_what_to_do() {
    let fake = people(1).await;
    let mut scim = client(&fake);
    scim.kind().await.unwrap();
    fake.fail("change", &[FORBIDDEN]);
    let outcomes = told(&scim.apply(&promotions(1)).await);
    assert!(outcomes[0].starts_with("rejected: change was refused by http://127.0.0.1:"), "{outcomes:?}");
    assert!(outcomes[0].contains("with 403 (read only): the bearer token does not allow it"), "{outcomes:?}");
    fake.book().token = Some("another");
    let error = scim.list().await.unwrap_err();
    assert!(
        matches!(&error, AccountsError::Refused { message } if message.contains("it does not take the bearer token"))
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

fn with_client_credentials(fake: &Fake) -> Scim {
    let credentials = ClientCredentials {
        token_url: fake.base_url.replace("/scim", "/token"),
        client_id: "seatsync".to_owned(),
        client_secret: SecretString::from("hunter2"),
        scope: Some("a b".to_owned()),
    };
    Scim::open(ScimSettings { authority: Authority::Client(credentials), ..settings(fake) }).unwrap()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_not_taken() {
    let fake = people(20).await;
    fake.book().token = None;
    let mut scim = with_client_credentials(&fake);
    all_are_pro(&scim.apply(&promotions(20)).await);
    assert_eq!(fake.count("token"), 1, "one token for all");
    // Withdrawn: everybody asks for the same new one.
    fake.book().tokens += 1;
    assert_eq!(scim.list().await.unwrap().len(), 20);
    assert_eq!(fake.count("token"), 2);
    // Whatever is tried, it is not taken: that is told, and not tried for ever.
    fake.book().token = Some("none of them");
    let error = scim.list().await.unwrap_err().to_string();
    assert!(error.contains("it does not take the token of client seatsync"), "{error}");
    assert_eq!(fake.count("token"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends() {
    let fake = people(1).await;
    fake.book().token = None;
    let mut scim = with_client_credentials(&fake);
    scim.list().await.unwrap();
    tokio::time::advance(Duration::from_secs(3_530)).await;
    scim.list().await.unwrap();
    assert_eq!(fake.count("token"), 1);
    tokio::time::advance(Duration::from_secs(20)).await;
    scim.list().await.unwrap();
    assert_eq!(fake.count("token"), 2);
}

#[tokio::test]
async fn a_token_server_that_refuses_is_told_in_words() {
    let fake = Fake::start().await;
    fake.fail("token", &[Fault::Before { status: 400, retry_after: None, body: r#"{"error": "invalid_scope"}"# }]);
    let error = with_client_credentials(&fake).kind().await.unwrap_err();
    let AccountsError::Refused { message } = error else { panic!("{error:?}") };
    assert!(
        message.contains("answered 400 (invalid_scope): check client_id seatsync, its secret and scope"),
        "{message}"
    );
    assert!(!message.contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let fake = people(1).await;
    let mut gone =
        Scim::open(ScimSettings { base_url: "http://127.0.0.1:1/scim".to_owned(), ..settings(&fake) }).unwrap();
    assert!(matches!(gone.kind().await, Err(AccountsError::Unavailable { .. })));
    assert!(matches!(&gone.apply(&promotions(1)).await[..], [Outcome::Ambiguous(_)]));
    let halted = settings(&fake);
    halted.halt.ask();
    let mut halted = Scim::open(halted).unwrap();
    assert!(matches!(&halted.apply(&promotions(1)).await[..], [Outcome::Ambiguous(_)]));
    assert_eq!(fake.shown(), "p00 View");
}
