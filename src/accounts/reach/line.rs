//! The line to a server: connections with their limits, one request and its answer whole, the certificate that was shown.
//!
//! Deliberately absent: redirects, proxies, compression, any decision to send a request again.

use super::call::{Call, Operation};
use super::failure::Failure;
use super::tls;
use super::trouble::Trouble;
use crate::model::Timestamp;
use crate::web::chain;
use http::header::HeaderMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest wait for a connection; the configured time-out may be shorter.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A connection pool, and where it leads.
#[derive(Debug)]
pub(super) struct Line {
    http: reqwest::Client,
    /// Without a slash at the end.
    base: String,
    /// The key of the configuration that says where that is.
    key: &'static str,
    certificate: Mutex<Shown>,
}

/// What a line is made of.
pub(super) struct LineSettings<'a> {
    pub(super) base: &'a str,
    pub(super) key: &'static str,
    /// Another server that is asked over it.
    pub(super) other_server: Option<&'a str>,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) timeout: Duration,
    pub(super) requests_max: usize,
}

/// A certificate, and when it ends.
#[derive(Debug, Default)]
struct Shown {
    der: Vec<u8>,
    end: Option<Timestamp>,
}

impl Line {
    /// Makes it ready; nothing is connected yet.
    pub(super) fn new(settings: LineSettings<'_>) -> Result<Self, Failure> {
        let LineSettings { base, key, other_server, ca_file, timeout, requests_max } = settings;
        let refused = |why: String| Failure::refused_here(format!("the account store {base} cannot be used: {why}"));
        let url = reqwest::Url::parse(base).map_err(|error| refused(format!("{key} is no URL: {error}")))?;
        // Only where it is needed: a machine without any roots can still use a server on loopback.
        let is_secure = [Some(url.as_str()), other_server].into_iter().flatten().any(|url| url.starts_with("https:"));
        let tls = if is_secure { tls::config(ca_file) } else { tls::none() }.map_err(refused)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .tcp_nodelay(true)
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .tls_info(true)
            .connect_timeout(timeout.min(CONNECT_MAX))
            .pool_max_idle_per_host(requests_max)
            .pool_idle_timeout(IDLE_MAX)
            .user_agent(concat!("seatsync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refused(chain(&error)))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, key, certificate: Mutex::default() })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// When the certificate that the server last showed ends.
    pub(super) fn certificate_end(&self) -> Option<Timestamp> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Sends it once; the answer's body is still to be read.
    pub(super) async fn send(
        &self,
        call: &Call<impl Operation>,
        url: &str,
        headers: HeaderMap,
    ) -> Result<reqwest::Response, Trouble> {
        let mut request = self.http.request(call.method.clone(), url).headers(headers);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| self.unsent(call, &error))?;
        self.note_certificate(&response);
        Ok(response)
    }

    /// A request that got no answer.
    fn unsent(&self, call: &Call<impl Operation>, error: &reqwest::Error) -> Trouble {
        let Self { base, key, .. } = self;
        if let Some(why) = tls::objection(error, key) {
            let message = format!("{} was not sent to {base}: {why}", call.operation);
            return Trouble::Final(Failure::refused_here(message));
        }
        // The URL is ours, and may hold an address.
        let why = error.source().map_or_else(|| "the connection broke".to_owned(), chain);
        if error.is_connect() {
            Trouble::Unreached { why: format!("{why}; is the account store running, and is {key} its address?") }
        } else if error.is_builder() {
            Trouble::Final(Failure::not_sent(call.operation, why))
        } else {
            Trouble::Broken { after: None, status: None, why }
        }
    }

    /// Remembers the certificate that the server showed.
    fn note_certificate(&self, response: &reqwest::Response) {
        let info = response.extensions().get::<reqwest::tls::TlsInfo>();
        let Some(der) = info.and_then(reqwest::tls::TlsInfo::peer_certificate) else { return };
        let mut shown = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        // The same one comes with every answer.
        if shown.der != der {
            *shown = Shown { end: tls::end(der), der: der.to_vec() };
        }
    }
}

/// Why an answer was not read whole.
pub(in crate::accounts) enum Unread {
    /// The connection broke, in words.
    Cut(String),
    /// It is larger than wanted.
    Large,
}

/// Reads an answer whole, if it has no more than that many bytes.
pub(in crate::accounts) async fn read(response: &mut reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= bytes_max => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Unread::Large),
            Ok(None) => return Ok(body),
            Err(error) => {
                let why = error.source().map_or_else(|| "the connection broke".to_owned(), chain);
                return Err(Unread::Cut(format!("the answer was cut off: {why}")));
            }
        }
    }
}
