//! The page behind the link of an invitation.
//!
//! Opening it accepts nothing: mail filters and previews open every link. Only the button on it does, with a POST to the
//! same address. No page repeats anything of the link or of the account, so that there is nothing to escape.
//!
//! Deliberately absent: scripts, cookies, anything from another server, a limit on guesses (a code has more bits than
//! can be tried).

use super::sign_in::Pending;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for an acceptance, in seconds.
pub const ACCEPT_SECONDS_MAX: u64 = 10;
/// Longest part of a link, in bytes.
pub const PART_BYTES_MAX: usize = 256;

/// What the path of every link begins with.
const LINKS: &str = "/invitations/";
const PATH: &str = "/invitations/{account}/{user}/{code}";
/// What needs no encoding in a path (RFC 3986 2.3).
const IN_A_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What became of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The person is in.
    Now,
    /// The person was in.
    Already,
    /// The link worked once, and is too old.
    Expired,
    /// The account has taken the invitation back: people come to it in another way now.
    Withdrawn,
    /// There is no such invitation.
    Unknown,
    /// It is not known: the book cannot be asked.
    Unavailable,
}

/// Accepts the invitation of an account to a user with a code, in this order.
pub type Accept = Arc<dyn Fn(String, String, String) -> Pending<Accepted> + Send + Sync>;

/// The link that the routes take apart again; `base` is the public address of the server.
pub fn link(base: &str, account: &str, user: &str, code: &str) -> String {
    let part = |text| utf8_percent_encode(text, IN_A_PART);
    format!("{}/invitations/{}/{}/{}", base.trim_end_matches('/'), part(account), part(user), part(code))
}

/// The path of a request as a log may have it: who has the code of an invitation can accept it.
pub(super) fn without_code(path: &str) -> &str {
    if path.starts_with(LINKS) { LINKS } else { path }
}

/// The routes.
pub fn routes<S: Clone + Send + Sync + 'static>(accept: Accept) -> Router<S> {
    Router::new().route(PATH, get(ask).post(answer)).with_state(accept)
}

async fn ask() -> Response {
    page(StatusCode::OK, "You are invited", ASK)
}

async fn answer(
    State(accept): State<Accept>,
    parts: Result<Path<(String, String, String)>, PathRejection>,
) -> Response {
    // What is not even text was never in a link of ours.
    let Ok(Path((account, user, code))) = parts else { return result(Accepted::Unknown) };
    if [&account, &user, &code].iter().any(|part| part.len() > PART_BYTES_MAX) {
        return result(Accepted::Unknown);
    }
    let accepted = tokio::time::timeout(Duration::from_secs(ACCEPT_SECONDS_MAX), accept(account, user, code)).await;
    result(accepted.unwrap_or(Accepted::Unavailable))
}

fn result(accepted: Accepted) -> Response {
    match accepted {
        Accepted::Now => page(StatusCode::OK, "Welcome", "<p>Your invitation is accepted. You can sign in now.</p>"),
        Accepted::Already => {
            page(StatusCode::OK, "Already accepted", "<p>This invitation was accepted before. You can sign in.</p>")
        }
        Accepted::Expired => page(
            StatusCode::GONE,
            "Too late",
            "<p>This invitation is not valid any more. Ask whoever invited you for a new one.</p>",
        ),
        Accepted::Withdrawn => page(
            StatusCode::GONE,
            "Withdrawn",
            "<p>This invitation was withdrawn. Ask whoever invited you if you think that this is a mistake.</p>",
        ),
        Accepted::Unknown => page(
            StatusCode::NOT_FOUND,
            "No such invitation",
            "<p>There is no such invitation. Look whether the whole link was opened: some mail programs break it.</p>",
        ),
        Accepted::Unavailable => page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Please try again",
            "<p>It is not known whether your invitation could be accepted. Trying again does no harm.</p>\n\
             <form method=\"post\"><button>Try again</button></form>",
        ),
    }
}

const ASK: &str = "<p>To accept the invitation, press this button.</p>\n\
                   <form method=\"post\"><button>Accept the invitation</button></form>\n\
                   <p>If you do not want to, or did not expect an invitation, close this page.</p>";

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}\
                     button{font:inherit;padding:.5rem 1.2rem;cursor:pointer}:root{color-scheme:light dark}";

/// Nothing may be loaded or run, nobody may put the page into a frame, and the form goes nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

fn page(status: StatusCode, title: &'static str, content: &'static str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{content}\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        // The address is a secret, and stays here.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (status, headers.map(|(name, value)| (name, HeaderValue::from_static(value))), html).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use proptest::prelude::*;
    use std::sync::Mutex;
    use tower::ServiceExt;

    type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

    fn answering(accepted: Accepted) -> (Accept, Asked) {
        let asked = Asked::default();
        let noted = asked.clone();
        let accept: Accept = Arc::new(move |account, user, code| {
            noted.lock().unwrap().push((account, user, code));
            Box::pin(async move { accepted })
        });
        (accept, asked)
    }

    async fn send(accept: Accept, method: Method, uri: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let (parts, body) = routes::<()>(accept).oneshot(request).await.unwrap().into_parts();
        if parts.status != StatusCode::METHOD_NOT_ALLOWED {
            let header = |name: &str| parts.headers.get(name).unwrap().to_str().unwrap().to_owned();
            assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'unsafe-inline'; "));
            assert_eq!(header("cache-control"), "no-store");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("x-robots-tag"), "noindex");
            assert_eq!(header("content-type"), "text/html; charset=utf-8");
        }
        (parts.status, String::from_utf8(to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn opening_the_page_accepts_nothing() {
        let (accept, asked) = answering(Accepted::Now);
        for method in [Method::GET, Method::HEAD] {
            let (status, body) = send(accept.clone(), method.clone(), "/invitations/a1/u1/s3cret").await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(body.contains("<form method=\"post\"><button>Accept"), method == Method::GET);
            assert!(!body.contains("s3cret"), "{body}");
        }
        let (status, _) = send(accept, Method::PUT, "/invitations/a1/u1/s3cret").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(asked.lock().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn the_button_accepts_and_each_end_has_its_page() {
        for (accepted, expected, words) in [
            (Accepted::Now, StatusCode::OK, "Your invitation is accepted."),
            (Accepted::Already, StatusCode::OK, "was accepted before"),
            (Accepted::Expired, StatusCode::GONE, "is not valid any more"),
            (Accepted::Withdrawn, StatusCode::GONE, "was withdrawn"),
            (Accepted::Unknown, StatusCode::NOT_FOUND, "There is no such invitation."),
            (Accepted::Unavailable, StatusCode::SERVICE_UNAVAILABLE, "Try again"),
        ] {
            let (accept, asked) = answering(accepted);
            let (status, body) = send(accept, Method::POST, "/invitations/a1/u1/s3cret").await;
            assert_eq!(status, expected, "{accepted:?}");
            assert!(body.contains(words), "{accepted:?}: {body}");
            assert!(!body.contains("s3cret"), "{body}");
            assert_eq!(*asked.lock().unwrap(), [("a1".into(), "u1".into(), "s3cret".into())]);
        }
    }

    #[tokio::test]
    async fn what_was_never_a_link_is_no_invitation() {
        let (accept, asked) = answering(Accepted::Now);
        let long = "x".repeat(PART_BYTES_MAX + 1);
        for link in [link("", &long, "u", "c"), link("", "a", &long, "c"), link("", "a", "u", &long)] {
            assert_eq!(send(accept.clone(), Method::POST, &link).await.0, StatusCode::NOT_FOUND);
        }
        assert_eq!(send(accept, Method::POST, "/invitations/a/u/%ff").await.0, StatusCode::NOT_FOUND);
        assert_eq!(asked.lock().unwrap().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_acceptance_that_hangs_is_told_as_not_known() {
        let accept: Accept = Arc::new(|_, _, _| Box::pin(std::future::pending()));
        assert_eq!(send(accept, Method::POST, "/invitations/a/u/c").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    proptest! {
        #[test]
        fn a_link_leads_to_what_it_was_made_of(account in ".{1,20}", user in ".{1,20}", code in ".{1,20}") {
            let (accept, asked) = answering(Accepted::Now);
            let link = link("https://seats.example.com/", &account, &user, &code);
            let path = link.strip_prefix("https://seats.example.com").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let (status, _) = runtime.block_on(send(accept, Method::POST, path));
            prop_assert_eq!(status, StatusCode::OK);
            let asked = asked.lock().unwrap().pop();
            prop_assert_eq!(asked, Some((account, user, code)));
        }
    }
}
