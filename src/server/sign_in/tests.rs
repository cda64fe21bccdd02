#![allow(clippy::unwrap_used)]

use super::*;
use axum::body::{Body, to_bytes};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tower::ServiceExt;

const HERE: &str = "127.0.0.1:5000";
const ELSEWHERE: &str = "192.0.2.7:5000";
const TOKEN: &str = "a token of the product";

/// A book of a few people.
fn book() -> Lookup {
    Arc::new(|email: Email| {
        let account = || Some("a1".to_owned());
        let denied = |reason, account| Ok(Standing::Denied { reason, account });
        let standing = match &*email.key() {
            "alice@example.com" => Ok(Standing::Allowed { account: "a1".to_owned(), licence: "Pro".to_owned() }),
            "a+b@example.com" => Ok(Standing::Allowed { account: "a1".to_owned(), licence: "Plus".to_owned() }),
            "gr\u{fc}n@example.com" => {
                Ok(Standing::Allowed { account: "gr\u{fc}n\r\n100%".to_owned(), licence: "Pr\u{f6}".to_owned() })
            }
            "bob@example.com" => denied(Reason::Suspended, account()),
            "broken@example.com" => Err("the disk is full".to_owned()),
            _ => denied(Reason::DomainNotClaimed, None),
        };
        Box::pin(async move { standing })
    })
}

fn settings() -> SignInSettings {
    SignInSettings { email_header: Some(HeaderName::from_static("x-auth-email")), token: Some(TOKEN.to_owned().into()) }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn ask(settings: &SignInSettings, peer: Option<&str>, uri: &str, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = axum::http::Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    }
    let (parts, body) = routes::<()>(settings, book()).oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap();
    assert_eq!(parts.headers.get(header::CACHE_CONTROL).unwrap(), "no-store", "{uri}");
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn ask_here(uri: &str, headers: &[(&str, &[u8])]) -> Answer {
    ask(&settings(), Some(HERE), uri, headers).await
}

#[tokio::test]
async fn programs_get_json() {
    for (email, expected) in [
        (
            "Alice@Example.com",
            "{\"format\":1,\"email\":\"Alice@Example.com\",\"allowed\":true,\"licence\":\"Pro\",\"account\":\"a1\",\
             \"reason\":null,\"message\":\"This person may sign in.\"}",
        ),
        (
            "bob%40example.com",
            "{\"format\":1,\"email\":\"bob@example.com\",\"allowed\":false,\"licence\":null,\"account\":\"a1\",\
             \"reason\":\"suspended\",\"message\":\"This person is suspended; an administrator of the account can end \
             that.\"}",
        ),
        (
            "eve@example.net",
            "{\"format\":1,\"email\":\"eve@example.net\",\"allowed\":false,\"licence\":null,\"account\":null,\
             \"reason\":\"domain_not_claimed\",\"message\":\"No account has this person, or the domain of the address.\"}",
        ),
    ] {
        let answer = ask_here(&format!("/sign-in?email={email}"), &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, expected));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_plus_in_an_address_is_a_plus() {
    for written in ["a+b@example.com", "a%2Bb@example.com", "a%2bb%40example.com"] {
        let answer = ask_here(&format!("/sign-in?x=1&email={written}&y"), &[]).await;
        assert!(answer.body.contains("\"licence\":\"Plus\""), "{written}: {}", answer.body);
    }
}

#[tokio::test]
async fn programs_without_one_usable_address_are_told_so() {
    for (query, sentence) in [
        ("", Reason::NoEmail.sentence()),
        ("?email=", Reason::NoEmail.sentence()),
        ("?mail=alice@example.com", Reason::NoEmail.sentence()),
        ("?email=alice", Reason::MalformedEmail.sentence()),
        ("?email=alice%0d%0a@example.com", Reason::MalformedEmail.sentence()),
        ("?email=%ff@example.com", Reason::MalformedEmail.sentence()),
        ("?email=alice@example.com&email=alice@example.com", Reason::SeveralEmails.sentence()),
        ("?email=alice@example.com&%65mail=bob@example.com", Reason::SeveralEmails.sentence()),
    ] {
        let answer = ask_here(&format!("/sign-in{query}"), &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.body, format!("{{\"format\":1,\"message\":\"{sentence}\"}}"), "{query}");
    }
}

#[tokio::test]
async fn proxies_get_a_status_and_headers() {
    let asked = [("x-auth-email", &b"alice@example.com"[..])];
    let answer = ask_here("/sign-in/forward-auth", &asked).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("x-seat-allowed"), Some("true"));
    assert_eq!(answer.header("x-seat-licence"), Some("Pro"));
    assert_eq!(answer.header("x-seat-account"), Some("a1"));
    assert_eq!(answer.header("x-seat-reason"), None);
    let answer = ask_here("/sign-in/forward-auth?email=bob@example.com", &[]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("x-seat-allowed"), Some("false"));
    assert_eq!(answer.header("x-seat-licence"), None);
    assert_eq!(answer.header("x-seat-account"), Some("a1"));
    assert_eq!(answer.header("x-seat-reason"), Some("suspended"));
    assert_eq!(answer.body, format!("{}\n", Reason::Suspended.sentence()));
}

#[tokio::test]
async fn header_values_are_ascii() {
    let asked = [("x-auth-email", "gr\u{fc}n@example.com".as_bytes())];
    let answer = ask_here("/sign-in/forward-auth", &asked).await;
    assert_eq!(answer.header("x-seat-licence"), Some("Pr%C3%B6"));
    assert_eq!(answer.header("x-seat-account"), Some("gr%C3%BCn%0D%0A100%25"));
}

#[tokio::test]
async fn an_address_that_is_not_sure_lets_nobody_in() {
    let alice = ("x-auth-email", &b"alice@example.com"[..]);
    for (query, headers, reason) in [
        ("", &[][..], "no_email"),
        ("", &[("x-auth-email", &b" "[..])], "no_email"),
        ("?email=", &[], "no_email"),
        ("", &[("x-email", &b"alice@example.com"[..])], "no_email"),
        ("", &[("x-auth-email", &b"alice"[..])], "malformed_email"),
        ("", &[("x-auth-email", &b"alice@example.com, bob@example.com"[..])], "malformed_email"),
        ("", &[("x-auth-email", &b"\xff@example.com"[..])], "malformed_email"),
        ("?email=alice", &[alice], "malformed_email"),
        ("", &[alice, ("x-auth-email", &b"bob@example.com"[..])], "several_emails"),
        ("", &[alice, alice], "several_emails"),
        ("?email=bob@example.com", &[alice], "several_emails"),
        ("?email=alice@example.com&email=bob@example.com", &[alice], "several_emails"),
    ] {
        let answer = ask_here(&format!("/sign-in/forward-auth{query}"), headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{query} {headers:?}");
        assert_eq!(answer.header("x-seat-allowed"), Some("false"), "{query} {headers:?}");
        assert_eq!(answer.header("x-seat-reason"), Some(reason), "{query} {headers:?}");
    }
    let answer = ask_here("/sign-in/forward-auth?email=ALICE@example.com", &[alice]).await;
    assert_eq!(answer.status, StatusCode::OK, "both say the same");
}

#[tokio::test]
async fn a_book_that_cannot_be_asked_lets_nobody_in() {
    for path in ["/sign-in", "/sign-in/forward-auth"] {
        let answer = ask_here(&format!("{path}?email=broken@example.com"), &[]).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.body.contains("It is not known whether this person may sign in: the disk is full."), "{path}");
        assert_ne!(answer.header("x-seat-allowed"), Some("true"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_book_that_does_not_answer_lets_nobody_in() {
    let silent: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    for path in ["/sign-in", "/sign-in/forward-auth"] {
        let mut request = axum::http::Request::get(format!("{path}?email=a@b.c")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer(HERE.parse().unwrap()));
        let response = routes::<()>(&settings(), silent.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn from_elsewhere_only_who_knows_the_token_may_ask() {
    let bearer = format!("Bearer {TOKEN}");
    let right = ("authorization", bearer.as_bytes());
    let lower = format!("bearer {TOKEN}");
    let open = SignInSettings { token: None, ..settings() };
    for (settings, peer, headers, may) in [
        (settings(), Some(HERE), &[][..], true),
        (settings(), Some("[::1]:5000"), &[], true),
        (settings(), Some("[::ffff:127.0.0.1]:5000"), &[], true),
        (settings(), Some(HERE), &[("authorization", &b"Basic eHg6eHg="[..])], true),
        (settings(), Some(ELSEWHERE), &[right], true),
        (settings(), Some(ELSEWHERE), &[("authorization", lower.as_bytes())], true),
        (settings(), None, &[right], true),
        (settings(), Some(ELSEWHERE), &[], false),
        (settings(), None, &[], false),
        (settings(), Some(ELSEWHERE), &[right, right], false),
        (settings(), Some(ELSEWHERE), &[("authorization", TOKEN.as_bytes())], false),
        (settings(), Some(ELSEWHERE), &[("authorization", &b"Bearer "[..])], false),
        (settings(), Some(ELSEWHERE), &[("authorization", &b"Bearer a token of the producT"[..])], false),
        (settings(), Some(ELSEWHERE), &[("authorization", &b"Bearer \xff"[..])], false),
        (settings(), Some(ELSEWHERE), &[("x-forwarded-for", &b"127.0.0.1"[..])], false),
        (open.clone(), Some(HERE), &[], true),
        (open.clone(), Some(ELSEWHERE), &[("authorization", &b"Bearer "[..])], false),
        (open, Some(ELSEWHERE), &[right], false),
    ] {
        for path in ["/sign-in", "/sign-in/forward-auth"] {
            let answer = ask(&settings, peer, &format!("{path}?email=alice@example.com"), headers).await;
            let expected = if may { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status, expected, "{path} {peer:?} {headers:?}");
            assert_eq!(answer.header("www-authenticate").is_some(), !may);
            assert_eq!(answer.body.contains("may sign in"), may, "{}", answer.body);
        }
    }
}

#[test]
fn each_reason_has_a_word_and_a_sentence_of_its_own() {
    let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let sentences: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.sentence()).collect();
    assert_eq!((words.len(), sentences.len()), (Reason::ALL.len(), Reason::ALL.len()));
    assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')), "{words:?}");
    assert!(sentences.iter().all(|sentence| sentence.ends_with('.')), "{sentences:?}");
}

/// Addresses that may meet, and anything else.
fn value() -> impl Strategy<Value = String> {
    let addresses = vec!["alice@example.com", "ALICE@example.com", " alice@example.com ", "bob@example.com", "", " "];
    prop_oneof![3 => proptest::sample::select(addresses).prop_map(str::to_owned), 1 => ".{0,30}"]
}

proptest! {
    #[test]
    fn whatever_two_places_give_the_answer_is_about_both(header in value(), query in value()) {
        let (one, other) = (only(&[header.clone().into_bytes()]), only(&[query.clone().into_bytes()]));
        if let (Ok(one), Ok(other)) = (one, other) && let Ok(email) = agreed(one, other) {
            for given in [header, query] {
                prop_assert!(given.trim().is_empty() || Email::parse(&given) == Some(email.clone()));
            }
        }
    }
}
