//! What is shown to the server with each request: a bearer token as it is (RFC 6750), or one that an OAuth2 server gives for
//! client credentials (RFC 6749 4.4).
//!
//! A token of the latter kind is kept until shortly before its end, and asked for anew once when the server does not take it.
//!
//! Deliberately absent: tokens on the disk, refresh tokens, users who would have to consent.

use super::messages::{number, text};
use crate::accounts::reach::failure::{tidy, without};
use crate::accounts::reach::line::{Unread, read};
use crate::web::chain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a token is taken as good whose end is not told.
const LIFE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// No token is kept for longer, whatever is told.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// So long before its end a token is not used any more, or half of its life if that is shorter.
const SPARE: Duration = Duration::from_secs(60);
/// The largest answer of a token server that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The longest token that is taken, in bytes: it stands in a header of each request.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Where the right to ask comes from.
#[derive(Clone, Debug)]
pub enum Authority {
    /// A token that somebody made by hand.
    Bearer(SecretString),
    /// A client of an OAuth2 server.
    Client(ClientCredentials),
}

/// Who we are to an OAuth2 server (RFC 6749 2.3.1).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Where tokens are given.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// What the token is for, where the server wants to know.
    pub scope: Option<String>,
}

/// Why there is no token.
#[derive(Debug)]
pub(super) enum Denied {
    /// Somebody must act.
    Refused(String),
    /// Later there may be one.
    Unavailable(String),
}

/// A token and when it is not used any more.
struct Kept {
    header: HeaderValue,
    until: Instant,
}

/// Gives what stands in the header of each request.
pub(super) struct Desk {
    authority: Authority,
    kept: Mutex<Option<Kept>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Desk {
    pub(super) fn new(authority: Authority) -> Self {
        Self { authority, kept: Mutex::default() }
    }

    /// What the credential is called to an operator.
    pub(super) fn name(&self) -> String {
        match &self.authority {
            Authority::Bearer(_) => "the bearer token".to_owned(),
            Authority::Client(client) => format!("the token of client {}", client.client_id),
        }
    }

    /// Where tokens are given.
    pub(super) fn token_url(&self) -> Option<&str> {
        match &self.authority {
            Authority::Bearer(_) => None,
            Authority::Client(client) => Some(&client.token_url),
        }
    }

    /// The header for one request. One at a time asks for a token, and all the others have it then too.
    pub(super) async fn header(&self, http: &reqwest::Client) -> Result<HeaderValue, Denied> {
        let client = match &self.authority {
            Authority::Bearer(token) => return bearer(token.expose_secret()),
            Authority::Client(client) => client,
        };
        let mut kept = self.kept.lock().await;
        if let Some(Kept { header, until }) = kept.as_ref()
            && Instant::now() < *until
        {
            return Ok(header.clone());
        }
        let (token, life) = client.ask(http).await?;
        let header = bearer(token.expose_secret())?;
        *kept = Some(Kept { header: header.clone(), until: Instant::now() + usable(life) });
        Ok(header)
    }

    /// The server did not take that one. Gives whether there may be another.
    pub(super) async fn is_renewed(&self, refused: &HeaderValue) -> bool {
        match &self.authority {
            Authority::Bearer(_) => false,
            Authority::Client(_) => {
                let mut kept = self.kept.lock().await;
                if kept.as_ref().is_some_and(|kept| kept.header == *refused) {
                    *kept = None;
                }
                true
            }
        }
    }
}

/// How long a token is used that is good for that long.
fn usable(life: Duration) -> Duration {
    let life = life.min(LIFE_MAX);
    life.saturating_sub(SPARE).max(life / 2)
}

fn bearer(token: &str) -> Result<HeaderValue, Denied> {
    let token = token.trim();
    let header =
        (token.len() <= TOKEN_BYTES_MAX).then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok()).flatten();
    let mut header = header.ok_or_else(|| {
        Denied::Refused(
            "the token cannot stand in a header: is it the right file? It is one line of plain text".to_owned(),
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

impl ClientCredentials {
    /// Asks for a token; gives it and how long it is good for.
    async fn ask(&self, http: &reqwest::Client) -> Result<(SecretString, Duration), Denied> {
        let Self { token_url, client_id, client_secret, scope } = self;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = scope {
            form.push_str(&format!("&scope={}", encoded(scope)));
        }
        // Each half is encoded first (RFC 6749 2.3.1), so that a colon in it does no harm.
        let pair = format!("{}:{}", encoded(client_id), encoded(client_secret.expose_secret()));
        let basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
        let mut basic =
            basic.map_err(|_| Denied::Refused("client_id or its secret cannot stand in a header".to_owned()))?;
        basic.set_sensitive(true);
        let request = http
            .post(token_url)
            .header(AUTHORIZATION, basic)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let mut response = request.send().await.map_err(|error| {
            let why = error.source().map_or_else(|| "the connection broke".to_owned(), chain);
            Denied::Unavailable(format!("the token server {token_url} did not answer: {why}"))
        })?;
        let status = response.status().as_u16();
        let body = read(&mut response, ANSWER_BYTES_MAX).await.map_err(|unread| match unread {
            Unread::Large => Denied::Refused(format!("the answer of the token server {token_url} is too large")),
            Unread::Cut(_) => Denied::Unavailable(format!("the answer of the token server {token_url} was cut off")),
        })?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != 200 {
            return Err(self.refusal(status, &body));
        }
        let is_bearer = text(&body, "token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        match text(&body, "access_token").filter(|_| is_bearer) {
            Some(token) => {
                let life = number(&body, "expires_in").and_then(|seconds| u64::try_from(seconds).ok());
                Ok((SecretString::from(token), life.map_or(LIFE_DEFAULT, Duration::from_secs)))
            }
            None => Err(Denied::Refused(format!(
                "the token server {token_url} answered 200 without a bearer token: is token_url right?"
            ))),
        }
    }

    fn refusal(&self, status: u16, body: &Value) -> Denied {
        let Self { token_url, client_id, .. } = self;
        let said = [text(body, "error"), text(body, "error_description")].into_iter().flatten();
        // The server may quote what it was sent.
        let said = said.map(|words| tidy(&without(words, self.client_secret.expose_secret())));
        let said = said.collect::<Vec<_>>().join(", ");
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        let message = format!("the token server {token_url} answered {status}{said}");
        match status {
            408 | 429 | 500..600 => Denied::Unavailable(message),
            404 => Denied::Refused(format!("{message}: check token_url")),
            _ => Denied::Refused(format!("{message}: check client_id {client_id}, its secret and scope")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_left_before_it_ends() {
        let s = Duration::from_secs;
        for (life, used) in [(3_600, 3_540), (120, 60), (60, 30), (2, 1), (0, 0), (1_000_000, 86_340)] {
            assert_eq!(usable(s(life)), s(used));
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let client = ClientCredentials {
            token_url: "https://id.example/token".to_owned(),
            client_id: "seatsync".to_owned(),
            client_secret: SecretString::from("hunter2"),
            scope: None,
        };
        let desk = Desk::new(Authority::Client(client));
        assert!(!format!("{desk:?}").contains("hunter2"));
        let bearer = bearer("hunter2");
        assert!(!format!("{bearer:?}").contains("hunter2"));
        assert!(!format!("{:?}", super::bearer("hun\nter2")).contains("ter2"));
    }
}
