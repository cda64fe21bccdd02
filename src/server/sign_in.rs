//! May this person sign in? Asked by the product itself, or by the proxy in front of it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /sign-in?email=` | 200 with JSON, whatever the answer is; 400 without one usable address |
//! | `GET /sign-in/forward-auth` | 200 or 403 with `X-Seat-…` headers, for nginx `auth_request` and Traefik `forwardAuth` |
//!
//! Both answer 401 to who may not ask, and 503 when the book cannot be asked: nobody is allowed by a failure. nginx makes an
//! error of its own of every status but 2xx, 401 and 403, and lets nobody in.
//!
//! What a proxy passes on is believed: it has to put the header there itself, in place of one that came from outside, and
//! must not let the world ask here. To programs on this machine that holds for all paths: a proxy here that passes `/` on
//! asks for everybody.
//!
//! For nginx, where `$remote_user` is the address that the authentication in front has made sure of, with
//! `email_header = "X-Auth-Email"`:
//!
//! ```nginx
//! location / {
//!     auth_request     /seat;
//!     auth_request_set $seat_licence $upstream_http_x_seat_licence;
//!     proxy_set_header X-Seat-Licence $seat_licence;
//!     proxy_pass       http://product;
//! }
//! location = /seat {
//!     internal;
//!     proxy_pass              http://127.0.0.1:8790/sign-in/forward-auth;
//!     proxy_pass_request_body off;
//!     proxy_set_header        Content-Length "";
//!     proxy_set_header        X-Auth-Email $remote_user;
//! }
//! ```
//!
//! Deliberately absent: passwords and sessions (the authentication in front has them), a cache (a suspension counts at once).

mod answer;

use crate::listen::Peer;
use crate::model::Email;
use answer::{Forwarded, Spoken};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Longest wait for the book, in seconds.
pub const LOOKUP_SECONDS_MAX: u64 = 5;

/// Where a program asks.
pub const PATH: &str = "/sign-in";
/// Where a proxy asks.
pub const FORWARD_AUTH_PATH: &str = "/sign-in/forward-auth";

/// What the book knows about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The person may sign in.
    Allowed {
        /// The id of the account.
        account: String,
        /// The licence, as it is called on the wire.
        licence: String,
    },
    /// The person may not.
    Denied {
        /// Why not.
        reason: Reason,
        /// The id of the account that the reason is about, if it is about one.
        account: Option<String>,
    },
}

/// Why somebody may not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The account has suspended the person.
    Suspended,
    /// The domain is claimed, and the person has not signed up yet.
    NotRegistered,
    /// The person was invited and has not accepted yet.
    Invited,
    /// No account knows the address, and its domain is claimed.
    Unknown,
    /// No account has claimed the domain, and none knows the address.
    DomainNotClaimed,
    /// The person is there and holds no licence.
    NoLicence,
    /// The account itself is closed.
    AccountClosed,
    /// The account has let the person go.
    Released,
    /// What was given is no address.
    MalformedEmail,
    /// No address was given.
    NoEmail,
    /// Several addresses were given.
    SeveralEmails,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Suspended,
        Self::NotRegistered,
        Self::Invited,
        Self::Unknown,
        Self::DomainNotClaimed,
        Self::NoLicence,
        Self::AccountClosed,
        Self::Released,
        Self::MalformedEmail,
        Self::NoEmail,
        Self::SeveralEmails,
    ];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::NotRegistered => "not_registered",
            Self::Invited => "invited",
            Self::Unknown => "unknown",
            Self::DomainNotClaimed => "domain_not_claimed",
            Self::NoLicence => "no_licence",
            Self::AccountClosed => "account_closed",
            Self::Released => "released",
            Self::MalformedEmail => "malformed_email",
            Self::NoEmail => "no_email",
            Self::SeveralEmails => "several_emails",
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Suspended => "This person is suspended; an administrator of the account can end that.",
            Self::NotRegistered => "This person has not registered yet.",
            Self::Invited => "This person is invited and has not accepted the invitation yet.",
            Self::Unknown => "No account has this person.",
            Self::DomainNotClaimed => "No account has this person, or the domain of the address.",
            Self::NoLicence => "This person has no licence.",
            Self::AccountClosed => "The account of this person is closed.",
            Self::Released => "The account has removed this person; a new invitation brings them back.",
            Self::MalformedEmail => "This is not an e-mail address.",
            Self::NoEmail => "No e-mail address was given.",
            Self::SeveralEmails => "More than one e-mail address was given.",
        }
    }
}

/// A future of somebody else's.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Asks the book; an error is a sentence for the operator.
pub type Lookup = Arc<dyn Fn(Email) -> Pending<Result<Standing, String>> + Send + Sync>;

/// Who may ask, and how a proxy gives the address.
#[derive(Clone, Debug, Default)]
pub struct SignInSettings {
    /// The header in which a proxy gives the address; without one it gives `?email=`.
    pub email_header: Option<HeaderName>,
    /// What who asks from another machine must know, as `Authorization: Bearer …`. Without one nobody there may ask.
    pub token: Option<SecretString>,
}

struct Desk {
    email_header: Option<HeaderName>,
    /// The digest of the token: comparing digests takes as long whatever the length of what was given.
    token: Option<[u8; 32]>,
    lookup: Lookup,
}

/// The routes. Who asks is what the listener says, in [`Peer`]; a request without one comes from somebody else's machine.
pub fn routes<S: Clone + Send + Sync + 'static>(settings: &SignInSettings, lookup: Lookup) -> Router<S> {
    let token = settings.token.as_ref().map(|token| digest(token.expose_secret().as_bytes()));
    let desk = Desk { email_header: settings.email_header.clone(), token, lookup };
    Router::new().route(PATH, get(for_programs)).route(FORWARD_AUTH_PATH, get(for_proxies)).with_state(Arc::new(desk))
}

async fn for_programs(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if !desk.may_ask(&request) {
        return unauthorised();
    }
    let given = only(&in_query(request.uri().query())).and_then(|email| agreed(email, None));
    let email = match given {
        Ok(email) => email,
        Err(reason) => return Spoken::complaint(StatusCode::BAD_REQUEST, reason.sentence()),
    };
    match desk.look_up(email.clone()).await {
        Ok(standing) => Spoken::about(&email, standing).into_response(),
        Err(message) => Spoken::complaint(StatusCode::SERVICE_UNAVAILABLE, &message),
    }
}

async fn for_proxies(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if !desk.may_ask(&request) {
        return unauthorised();
    }
    let in_header = desk.email_header.as_ref().map(|name| in_headers(request.headers(), name)).unwrap_or_default();
    let given = only(&in_header).and_then(|email| agreed(email, only(&in_query(request.uri().query()))?));
    let standing = match given {
        Ok(email) => desk.look_up(email).await,
        Err(reason) => Ok(Standing::Denied { reason, account: None }),
    };
    match standing {
        Ok(standing) => Forwarded(standing).into_response(),
        Err(message) => Forwarded::complaint(StatusCode::SERVICE_UNAVAILABLE, &message),
    }
}

impl Desk {
    /// Whether the peer is on this machine, or knows the token. On this machine nothing else is looked at: a proxy may pass
    /// an `Authorization` on that was meant for the product.
    fn may_ask(&self, request: &Request) -> bool {
        let peer = request.extensions().get::<Peer>();
        let is_here = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
        is_here || self.token.is_some_and(|token| knows(request.headers(), &token))
    }

    async fn look_up(&self, email: Email) -> Result<Standing, String> {
        match tokio::time::timeout(Duration::from_secs(LOOKUP_SECONDS_MAX), (self.lookup)(email)).await {
            Ok(Ok(standing)) => Ok(standing),
            Ok(Err(reason)) => Err(format!("It is not known whether this person may sign in: {reason}.")),
            Err(_) => Err(format!(
                "It is not known whether this person may sign in: no answer within {LOOKUP_SECONDS_MAX} s."
            )),
        }
    }
}

fn knows(headers: &HeaderMap, token: &[u8; 32]) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return false };
    let Some((scheme, rest)) = only.to_str().ok().and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && bool::from(digest(rest.trim().as_bytes()).ct_eq(token))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn unauthorised() -> Response {
    let sentence = "Only programs on this machine may ask, and those that know the token.";
    let mut response = Spoken::complaint(StatusCode::UNAUTHORIZED, sentence);
    let challenge = axum::http::HeaderValue::from_static("Bearer realm=\"seatstore\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// All values of `email` in a query. A `+` is a plus: addresses have some, and never a blank.
fn in_query(query: Option<&str>) -> Vec<Vec<u8>> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let emails = pairs.filter(|(name, _)| percent_decode_str(name).eq(*b"email"));
    emails.map(|(_, value)| percent_decode_str(value).collect()).collect()
}

fn in_headers(headers: &HeaderMap, name: &HeaderName) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// The address that one place gives; none for an empty value.
fn only(given: &[Vec<u8>]) -> Result<Option<Email>, Reason> {
    match given {
        [] => Ok(None),
        [one] if one.trim_ascii().is_empty() => Ok(None),
        [one] => {
            str::from_utf8(one).ok().and_then(Email::parse).map_or(Err(Reason::MalformedEmail), |email| Ok(Some(email)))
        }
        // Whatever they are: of two that look the same, another program may take the other.
        [_, _, ..] => Err(Reason::SeveralEmails),
    }
}

/// The address that both places give, or one of them.
fn agreed(one: Option<Email>, other: Option<Email>) -> Result<Email, Reason> {
    match (one, other) {
        (None, None) => Err(Reason::NoEmail),
        (Some(email), None) | (None, Some(email)) => Ok(email),
        (Some(one), Some(other)) if one == other => Ok(one),
        (Some(_), Some(_)) => Err(Reason::SeveralEmails),
    }
}

#[cfg(test)]
mod tests;
