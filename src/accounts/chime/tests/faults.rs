//! What goes wrong between here and there: it always comes right in the end, and nothing is done twice.

use super::*;
use crate::wire::ErrorCode;

const BUSY: Fault = Fault::Before { status: 429, retry_after: Some("7") };
const BROKEN: Fault = Fault::Before { status: 500, retry_after: None };

async fn people(kind: &'static str, extensions: &[Extension], count: usize) -> Fake {
    let fake = Fake::start(kind, extensions).await;
    (0..count).for_each(|number| fake.add(&format!("p{number:02}"), "Registered", "Plus"));
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
    let fake = people("EnterpriseLWA", ALL, 60).await;
    let mut chime = client(&fake);
    chime.kind().await.unwrap();
    fake.fail("BatchUpdateUser", &vec![BUSY; 7]);
    let before = Instant::now();
    all_are_pro(&chime.apply(&promotions(60)).await);
    // Three were under way at first, two of them again after the first wait, and so on: each burst costs one wait.
    assert!(before.elapsed() >= Duration::from_secs(3 * 7), "{:?}", before.elapsed());
    assert_eq!(fake.count("BatchUpdateUser"), 7 + 3);
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_it_is_done_once_and_known() {
    for fault in [BROKEN, Fault::After(500), Fault::After(503), Fault::Cut, Fault::Silence] {
        for extensions in [ALL, PLAIN] {
            let fake = people("EnterpriseDirectory", extensions, 3).await;
            let mut chime = client_with(&fake, Duration::from_millis(400));
            chime.kind().await.unwrap();
            for operation in ["BatchUpdateUser", "GetUser", "BatchCreateUser"] {
                fake.fail(operation, std::slice::from_ref(&fault));
            }
            let mut intents = promotions(3);
            if extensions == ALL {
                intents.push(creation("new"));
            }
            let outcomes = chime.apply(&intents).await;
            all_are_pro(&outcomes);
            assert_eq!(fake.book().users.len(), intents.len(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn nobody_is_invited_twice_whatever_becomes_of_the_answer() {
    for fault in [BROKEN, Fault::After(500), Fault::Cut, Fault::Silence] {
        for extensions in [ALL, PLAIN] {
            let fake = people("Team", extensions, 0).await;
            let mut chime = client_with(&fake, Duration::from_millis(400));
            fake.fail("InviteUsers", std::slice::from_ref(&fault));
            assert_eq!(seats(&chime.apply(&[invitation("anna")]).await), ["anna invited"], "{fault:?}");
            assert_eq!(fake.book().invited, [("anna@corp.example".to_owned(), 1)].into(), "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_broken_leaves_it_open_after_some_attempts() {
    let fake = people("EnterpriseLWA", ALL, 20).await;
    let mut chime = client(&fake);
    chime.kind().await.unwrap();
    fake.fail("BatchUpdateUser", &vec![BROKEN; 10]);
    for outcome in chime.apply(&promotions(20)).await {
        match outcome {
            Outcome::Ambiguous(words) => {
                assert!(words.contains("BatchUpdateUser at http://127.0.0.1"), "{words}");
                assert!(words.ends_with("gave no answer in 5 attempts: it answered 500; its log has more"), "{words}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fake.count("BatchUpdateUser"), 5);
}

#[tokio::test]
async fn one_bad_item_costs_only_itself() {
    let fake = people("EnterpriseLWA", ALL, 20).await;
    fake.fail(
        "BatchUpdateUser",
        &[Fault::Item("id-p07", ErrorCode::Forbidden), Fault::Item("id-p07", ErrorCode::Forbidden)],
    );
    let mut outcomes = client(&fake).apply(&promotions(20)).await;
    let bad = outcomes.remove(7);
    all_are_pro(&outcomes);
    assert_eq!(seats(&[bad]), ["rejected: the account store refused it (Forbidden: so it is)"]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_with_one_item_is_tried_again() {
    let fake = people("EnterpriseLWA", ALL, 2).await;
    let mut chime = client(&fake);
    fake.fail(
        "BatchUpdateUser",
        &[Fault::Item("id-p01", ErrorCode::ServiceFailure), Fault::Item("id-p01", ErrorCode::Throttled)],
    );
    all_are_pro(&chime.apply(&promotions(2)).await);
    fake.fail("BatchSuspendUser", &vec![Fault::Item("id-p00", ErrorCode::ServiceFailure); 9]);
    assert!(matches!(&chime.apply(&[suspension("p00")]).await[..], [Outcome::Ambiguous(_)]));
    assert_eq!(fake.count("BatchSuspendUser"), 4);
}

#[tokio::test]
async fn one_item_that_the_server_cannot_read_does_not_cost_the_others() {
    let fake = people("EnterpriseLWA", ALL, 20).await;
    fake.book().poison = Some("id-p13");
    let mut outcomes = client(&fake).apply(&promotions(20)).await;
    let bad = outcomes.remove(13);
    all_are_pro(&outcomes);
    assert!(matches!(&bad, Outcome::Rejected(words) if words.contains("400 BadRequestException")), "{bad:?}");
}

#[tokio::test]
async fn an_account_that_is_gone_is_no_proof_that_its_people_are() {
    let fake = people("EnterpriseLWA", ALL, 1).await;
    let gone = Fault::Before { status: 404, retry_after: None };
    fake.fail("BatchSuspendUser", &[gone]);
    let outcomes = client(&fake).apply(&[suspension("p00")]).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Rejected(words)] if words.contains("account corp exists there")),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_key_that_may_only_read_is_refused_in_words() {
    let fake = people("EnterpriseLWA", ALL, 1).await;
    fake.fail("BatchUpdateUser", &[Fault::Before { status: 403, retry_after: None }]);
    let outcomes = client(&fake).apply(&promotions(1)).await;
    assert!(matches!(&outcomes[..], [Outcome::Rejected(words)] if words.contains("is not read-only")), "{outcomes:?}");
}

#[tokio::test]
async fn an_error_of_somebody_unknown_leaves_all_open() {
    let fake = people("EnterpriseLWA", ALL, 2).await;
    let mut chime = client(&fake);
    chime.kind().await.unwrap();
    let odd = Answerer::start(r#"{"UserErrors":[{"UserId":"","ErrorCode":"NotFound"}]}"#).await;
    let mut deaf = client(&fake);
    deaf.profile = chime.profile.clone();
    deaf.client = client_at(&odd.0, Duration::from_secs(5)).client;
    let outcomes = deaf.apply(&[suspension("p00"), suspension("p01")]).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Ambiguous(_))), "{outcomes:?}");
}

#[tokio::test]
async fn an_answer_without_end_or_from_elsewhere_is_refused() {
    let page = format!("{:?}", "x".repeat(17 * 1024 * 1024));
    let endless = Answerer::start(Box::leak(page.into_boxed_str())).await;
    let refused = client_at(&endless.0, Duration::from_secs(30)).kind().await.unwrap_err().to_string();
    assert!(refused.contains("the answer is larger than 16777216 bytes"), "{refused}");
    let another = Answerer::start(r#"{"Account":{"AwsAccountId":"1","AccountId":"other","Name":"x"}}"#).await;
    let refused = client_at(&another.0, Duration::from_secs(5)).kind().await.unwrap_err().to_string();
    assert!(refused.contains("answered with another one"), "{refused}");
}

/// A server with one answer to everything; its address.
struct Answerer(String, tokio::task::JoinHandle<()>);

impl Answerer {
    async fn start(body: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(move || async move { body });
        Self(endpoint, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.1.abort();
    }
}
