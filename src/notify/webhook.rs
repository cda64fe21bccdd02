//! Messages to a webhook, signed as the Standard Webhooks specification says: whoever knows the secret can tell ours from
//! those of others, and old ones from new ones.
//!
//! The path of the URL is often a secret of its own: no error and no `Debug` has more of it than scheme, host and port.
//!
//! Deliberately absent: redirects, proxies, compression, any way not to verify a certificate.

use super::NotifyError;
use super::message::{Message, masked};
use crate::model::Timestamp;
use crate::trust;
use crate::web::{chain, retry_after};
use backon::{BackoffBuilder, ExponentialBuilder};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use rustls::{CertificateError, RootCertStore};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// For one attempt, from the connection to the end of the answer.
pub const ATTEMPT_TIME: Duration = Duration::from_secs(10);
/// Most attempts for one message.
pub const ATTEMPTS_MAX: u32 = 3;
/// The wait before the second attempt; it doubles before the third.
const DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait that the receiver may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Most of an answer that is repeated in an error, in characters.
const ANSWER_CHARS_MAX: usize = 200;
/// A part of a URL that is shorter than this keeps nobody out, in bytes.
const SECRET_BYTES_MIN: usize = 4;
/// What a secret in base64 begins with.
const SECRET_PREFIX: &str = "whsec_";
/// The shortest key, in bytes: a shorter one can be guessed. The specification recommends 24 to 64.
const KEY_BYTES_MIN: usize = 16;

/// Where messages go, and what they are signed with.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `https://…`, or `http://…` on this machine.
    pub url: SecretString,
    /// `whsec_` and base64, or any other text.
    pub secret: SecretString,
    /// The certificates to trust, PEM, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// A receiver.
pub(super) struct Webhook {
    http: reqwest::Client,
    url: reqwest::Url,
    /// What may be shown of it.
    place: String,
    key: SigningKey,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The key of the signatures.
struct SigningKey(SecretSlice<u8>);

/// Says what is wrong with the secret of a webhook, without showing it.
///
/// # Errors
/// What is wrong.
pub fn check_secret(secret: &str) -> Result<(), String> {
    SigningKey::parse(secret).map(|_| ())
}

impl SigningKey {
    fn parse(secret: &str) -> Result<Self, String> {
        let key = match secret.strip_prefix(SECRET_PREFIX) {
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|_| format!("what stands behind {SECRET_PREFIX} in the secret is not base64"))?,
            None => secret.as_bytes().to_vec(),
        };
        if key.len() < KEY_BYTES_MIN {
            return Err(format!(
                "the secret has {} bytes, and with less than {KEY_BYTES_MIN} it can be guessed",
                key.len()
            ));
        }
        Ok(Self(key.into()))
    }

    /// The value of `webhook-signature`.
    fn signature(&self, id: &str, timestamp: i64, body: &str) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .map_err(|error| format!("the message cannot be signed: {error}"))?;
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// Why an attempt was none.
enum Trouble {
    /// Another one may do.
    Passing { after: Option<Duration>, why: String },
    /// No other one will.
    Final(String),
}

impl Webhook {
    /// Checks the settings and reads the certificates; connects to nothing.
    pub(super) fn open(settings: &WebhookSettings) -> Result<Self, NotifyError> {
        let WebhookSettings { url, secret, ca_file } = settings;
        let unusable = |why: String| NotifyError::Unusable { message: format!("the webhook cannot be used: {why}") };
        let url: reqwest::Url =
            url.expose_secret().parse().map_err(|error| unusable(format!("its URL is none: {error}")))?;
        let place = place(&url);
        let key = SigningKey::parse(secret.expose_secret()).map_err(unusable)?;
        let roots = match (url.scheme(), ca_file) {
            ("https", Some(path)) => trust::roots_of_file(path)
                .map_err(|why| unusable(format!("webhook_ca_file {} cannot be used: {why}", path.display())))?,
            ("https", None) => trust::roots_of_system().map_err(unusable)?,
            // Without TLS nobody is trusted, and nobody has to be.
            (_, _) => RootCertStore::empty(),
        };
        let tls = trust::client().map_err(unusable)?.with_root_certificates(roots).with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(ATTEMPT_TIME)
            .connect_timeout(ATTEMPT_TIME)
            // Messages are rare: a connection would be closed by the other side before the next.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("seatsync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(chain(&error)))?;
        Ok(Self { http, url, place, key })
    }

    /// What may be shown of where it is.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Hands one message over, in that many attempts at most.
    pub(super) async fn send(&self, message: &Message, attempts_max: u32) -> Result<(), NotifyError> {
        let body = message.body.to_string();
        // The same for each attempt: by it the receiver knows a copy.
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        let mut delays = ExponentialBuilder::new().with_min_delay(DELAY_MIN).with_max_times(usize::MAX).build();
        let mut attempt = 1;
        loop {
            let (after, why) = match self.attempt(&id, &body).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(why)) => return Err(self.undelivered(attempt, &why)),
                Err(Trouble::Passing { after: _, why }) if attempt >= attempts_max => {
                    return Err(self.undelivered(attempt, &why));
                }
                Err(Trouble::Passing { after, why }) => (after, why),
            };
            let delay = delays.next().unwrap_or(DELAY_MIN).max(after.unwrap_or_default().min(RETRY_AFTER_MAX));
            tracing::debug!(
                attempt,
                delay_ms = delay.as_millis(),
                "the webhook at {} is tried again: {why}",
                self.place
            );
            sleep(delay).await;
            attempt += 1;
        }
    }

    /// Whether somebody answers there: no message is sent, and any answer is one.
    pub(super) async fn reach(&self) -> Result<String, NotifyError> {
        match self.http.head(self.url.clone()).send().await {
            Ok(_) => Ok(format!("{} answers", self.place)),
            Err(error) => {
                let (Trouble::Passing { after: _, why } | Trouble::Final(why)) = unsent(&error);
                Err(NotifyError::Undelivered {
                    message: format!("the webhook at {} cannot be reached: {why}", self.place),
                })
            }
        }
    }

    fn undelivered(&self, attempts: u32, why: &str) -> NotifyError {
        let times = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        NotifyError::Undelivered {
            message: format!("the webhook at {} did not take the message in {times}: {why}", self.place),
        }
    }

    async fn attempt(&self, id: &str, body: &str) -> Result<(), Trouble> {
        let timestamp = Timestamp::now().as_second();
        let signature = self.key.signature(id, timestamp, body).map_err(Trouble::Final)?;
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body.to_owned());
        let mut response = request.send().await.map_err(|error| unsent(&error))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(());
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        let said = said(&mut response, &self.url).await;
        match status {
            408 | 425 | 429 | 500.. => Err(Trouble::Passing { after, why: format!("it answered {status}{said}") }),
            300..=399 => Err(Trouble::Final(format!(
                "it answered {status}, which leads elsewhere; write the URL that it leads to"
            ))),
            401 | 403 => Err(Trouble::Final(format!(
                "it answered {status}{said}; does it know the same secret, and is this machine's clock right?"
            ))),
            404 | 410 => Err(Trouble::Final(format!("it answered {status}{said}; is the URL still right?"))),
            _ => Err(Trouble::Final(format!("it answered {status}{said}"))),
        }
    }
}

/// The beginning of an answer, as far as it says anything.
async fn said(response: &mut reqwest::Response, url: &reqwest::Url) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk.iter().take(ANSWER_BYTES_MAX - bytes.len())),
            // What cannot be read is not worth an error of its own: the status says enough.
            Ok(None) | Err(_) => break,
        }
    }
    let text = masked(&without_path(&String::from_utf8_lossy(&bytes), url), ANSWER_CHARS_MAX);
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Servers like to repeat what was asked for, of which the path may be a secret.
fn without_path(answer: &str, url: &reqwest::Url) -> String {
    let parts = url
        .path_segments()
        .into_iter()
        .flatten()
        .chain(url.query().into_iter().flat_map(|query| query.split(['&', '='])));
    let telling = parts.filter(|part| part.len() >= SECRET_BYTES_MIN);
    telling.fold(answer.to_owned(), |answer, part| answer.replace(part, "***"))
}

/// Why a request got no answer. The URL is taken out: its path may be a secret.
fn unsent(error: &reqwest::Error) -> Trouble {
    if let Some(tls) = trust::said(error) {
        return Trouble::Final(match tls {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                "its certificate comes from an authority that is not trusted here: put that authority's certificate \
                 into a PEM file and name it in webhook_ca_file"
                    .to_owned()
            }
            rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS: check the port".to_owned(),
            other => format!("TLS with it failed: {other}"),
        });
    }
    let why = match error.is_timeout() {
        true => format!("no answer within {} s", ATTEMPT_TIME.as_secs()),
        false => error.source().map_or_else(|| "the connection broke".to_owned(), chain),
    };
    Trouble::Passing { after: None, why }
}

/// Scheme, host and port.
fn place(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(url: &str, secret: &str) -> WebhookSettings {
        WebhookSettings { url: url.to_owned().into(), secret: secret.to_owned().into(), ca_file: None }
    }

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            key.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_weak_or_damaged_secret_is_refused_without_showing_it() {
        for (secret, expected) in [
            ("whsec_hunter2!", "is not base64"),
            ("whsec_aHVudGVyMg==", "the secret has 7 bytes"),
            ("hunter2", "the secret has 7 bytes"),
            ("whsec_", "the secret has 0 bytes"),
        ] {
            let why = check_secret(secret).unwrap_err();
            assert!(why.contains(expected) && !why.contains("hunter2"), "{why}");
            let error = Webhook::open(&settings("http://127.0.0.1/", secret)).unwrap_err().to_string();
            assert!(error.starts_with("the webhook cannot be used: "), "{error}");
        }
        check_secret("correct horse battery staple").unwrap();
    }

    #[test]
    fn neither_the_path_nor_the_secret_is_shown() {
        let settings = settings("http://127.0.0.1:8080/services/T0000/hunter2", "hunter2 hunter2 hunter2");
        let webhook = Webhook::open(&settings).unwrap();
        assert!(!format!("{settings:?} {webhook:?}").contains("hunter2"));
        assert_eq!(webhook.place(), "http://127.0.0.1:8080");
    }

    #[test]
    fn what_an_answer_repeats_of_the_url_is_taken_out() {
        let url = "https://h.example/services/T0000/hunter2?key=hunter3&x=1".parse().unwrap();
        let shown = without_path("Cannot POST /services/T0000/hunter2?key=hunter3&x=1 (hunter2)", &url);
        assert_eq!(shown, "Cannot POST /***/***/***?key=***&x=1 (***)");
        assert_eq!(without_path("no", &"https://h.example/".parse().unwrap()), "no");
    }

    #[test]
    fn a_wait_is_named_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        for odd in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(odd), None, "{odd}");
        }
    }
}
