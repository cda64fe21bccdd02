//! Commands to a running server, signed with an access key from the key file.
//!
//! Nothing is tried again here: whether a change whose answer got lost was made, the operator sees best.

use super::arguments::ServerOptions;
use super::pin;
use crate::cli::exit::Stop;
use crate::cli::show::printable;
use crate::config::seatstore::{ListenConfig, SeatstoreConfig};
use crate::server::command::{Answer, Command};
use crate::server::keys::{Key, KeyRing};
use crate::trust;
use crate::wire::SERVICE;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rustls::CertificateError;
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Where commands are taken.
const PATH: &str = "/seatstore/v1/command";
/// Any region will do for the server; this one stands in the scope of our signatures.
const REGION: &str = "us-east-1";
/// Names one request, and is signed: the server carries out one and the same signed request only once.
const HEADER_ATTEMPT: &str = "amz-sdk-invocation-id";
/// For the whole of one request: the server's own limit is 30 seconds.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Until a connection stands.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The largest answer taken: 1,000 entries of the audit log, generously.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What a server says when it refuses.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message")]
    message: String,
}

/// A running server.
pub(super) struct Remote {
    client: reqwest::Client,
    url: String,
    key: Key,
}

impl Remote {
    /// The server of the configuration, or that of `--endpoint`; not asked yet.
    pub(super) fn open(config: &SeatstoreConfig, options: &ServerOptions) -> Result<Self, Stop> {
        let key = key(&config.api.keys_file, options.key.as_deref())?;
        // On this machine it shows the certificate of the configuration.
        let own = options.endpoint.as_deref().is_none_or(is_of_this_machine);
        let url = options.endpoint.clone().unwrap_or_else(|| own_url(&config.listen));
        if !is_url(&url) {
            return Err(Stop::Usage(format!("{url:?} is no URL of a server: write --endpoint https://HOST:PORT")));
        }
        let tls = match (&options.ca_file, &config.listen.tls) {
            (Some(file), _) => pin::signed_by(file),
            (None, Some(files)) if own => pin::exactly(&files.certificate),
            (None, _) => pin::known_to_the_system(),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.map_err(Stop::Other)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIME)
            .connect_timeout(CONNECT_TIME)
            .build()
            .map_err(|error| Stop::Other(format!("no HTTP client: {}", causes(&error))))?;
        Ok(Self { client, url: format!("{}{PATH}", url.trim_end_matches('/')), key })
    }

    /// Has a command carried out there.
    pub(super) async fn ask(&self, command: &Command) -> Result<Answer, Stop> {
        let failed = Stop::Other;
        let body = serde_json::to_vec(command).map_err(|error| failed(format!("no JSON: {error}")))?;
        let headers = self.headers(&body, SystemTime::now()).map_err(failed)?;
        let sent = self.client.post(&self.url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| {
            if error.is_connect() {
                failed(format!("no connection to {}: {}; {}", self.url, causes(&error), advice(&error)))
            } else {
                failed(self.lost(&error))
            }
        })?;
        let status = response.status();
        let mut answer: Vec<u8> = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| failed(self.lost(&error)))? {
            if answer.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(failed(format!("the answer of {} is larger than {ANSWER_BYTES_MAX} bytes", self.url)));
            }
            answer.extend_from_slice(&part);
        }
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| {
                failed(format!("{} gave an answer that this program does not understand: {error}", self.url))
            });
        }
        let Ok(Said { code, message }) = serde_json::from_slice(&answer) else {
            let why = format!("{} answered {status} and says nothing of it: is it a seatstore?", self.url);
            return Err(failed(why));
        };
        let (code, message) = (printable(&code), printable(&message));
        Err(failed(match status.as_u16() {
            401 => format!(
                "{message} ({code}); asked {} with the key {1}: if {1} is new, have the server read it (SIGHUP)",
                self.url,
                self.key.id()
            ),
            _ => format!("{message} ({code})"),
        }))
    }

    fn lost(&self, error: &reqwest::Error) -> String {
        format!("the answer of {} was lost, whether it was done is not known: {}", self.url, causes(error))
    }

    /// All headers but `Host`, which the connection adds as it was signed.
    fn headers(&self, body: &[u8], at: SystemTime) -> Result<HeaderMap, String> {
        let failed = |why: &dyn std::fmt::Display| format!("the command cannot be signed: {why}");
        let identity =
            Credentials::new(self.key.id(), self.key.secret().expose_secret(), None, None, "keys file").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(SERVICE)
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?;
        let attempt = uuid::Uuid::new_v4().to_string();
        let plain = [(HEADER_ATTEMPT, attempt.as_str()), (CONTENT_TYPE.as_str(), "application/json")];
        let signable = SignableRequest::new("POST", &self.url, plain.into_iter(), SignableBody::Bytes(body))
            .map_err(|error| failed(&error))?;
        let signed = sign(signable, &params.into()).map_err(|error| failed(&error))?;
        let mut headers = HeaderMap::new();
        for (name, value) in plain.into_iter().chain(signed.output().headers()) {
            let name = HeaderName::try_from(name).map_err(|error| failed(&error))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| failed(&error))?;
            value.set_sensitive(name == http::header::AUTHORIZATION);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// Whether a URL names this machine by its loopback address.
fn is_of_this_machine(url: &str) -> bool {
    let uri = http::Uri::try_from(url).ok();
    let host = uri.as_ref().and_then(http::Uri::host).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()))
}

/// Whether somebody listens where the server of this machine would. Nothing is said to it.
pub(super) async fn is_there(listen: &ListenConfig) -> Result<(), String> {
    let address = own_address(listen);
    match tokio::time::timeout(CONNECT_TIME, tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: no answer within {} s", CONNECT_TIME.as_secs())),
    }
}

/// What begins the addresses of the server of this machine.
pub(super) fn own_url(listen: &ListenConfig) -> String {
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", own_address(listen))
}

/// Where it is reached from this machine.
fn own_address(listen: &ListenConfig) -> SocketAddr {
    let ip = match listen.address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.address.port())
}

/// The key to ask with.
fn key(file: &Path, wanted: Option<&str>) -> Result<Key, Stop> {
    let ring = KeyRing::read(file).map_err(|error| Stop::Other(error.to_string()))?.unwrap_or_default();
    let found = match wanted {
        Some(id) => ring.find(id).map(AsRef::as_ref),
        None => ring.keys().into_iter().find(|key| key.may_change() && key.accounts().is_none()),
    };
    found.cloned().ok_or_else(|| {
        Stop::Other(match wanted {
            Some(id) => format!("there is no key {id} in {}: see `seatstore key list`", file.display()),
            None => format!(
                "the account store is asked through its server, and {} has no key for all accounts that may change \
                 anything: make one with `seatstore key new` and have the server read it (SIGHUP), or name another with --key",
                file.display()
            ),
        })
    })
}

/// Whether something can be asked there at all.
fn is_url(url: &str) -> bool {
    let uri = http::Uri::try_from(url).ok();
    let has_host = uri.as_ref().and_then(http::Uri::host).is_some_and(|host| !host.is_empty());
    has_host && matches!(uri.as_ref().and_then(http::Uri::scheme_str), Some("http" | "https"))
}

/// What to do where no connection stands.
fn advice(error: &(dyn Error + 'static)) -> &'static str {
    match trust::said(error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            "it does not show the certificate in certificate_file: after a renewal have the server read it (SIGHUP)"
        }
        Some(rustls::Error::InvalidCertificate(_)) => "name a PEM file of who signed its certificate with --ca-file",
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS: write http://, or another port",
        Some(_) | None => "is the server running there?",
    }
}

/// What caused an error, the outermost first. Its own words only repeat the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = if error.source().is_none() { vec![error.to_string()] } else { Vec::new() };
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_http_can_be_asked() {
        for (url, good) in [
            ("https://seats.corp.example", true),
            ("http://127.0.0.1:8790/", true),
            ("nonsense", false),
            ("127.0.0.1:8790", false),
            ("ftp://seats.corp.example", false),
            ("", false),
        ] {
            assert_eq!(is_url(url), good, "{url}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_loopback_address() {
        for (url, own) in [
            ("https://127.0.0.1:8790", true),
            ("https://[::1]:1/", true),
            ("http://localhost", true),
            ("https://seats.corp.example", false),
            ("https://127.0.0.1.corp.example", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_of_this_machine(url), own, "{url}");
        }
    }

    #[test]
    fn a_server_everywhere_is_asked_on_this_machine() {
        for (address, url) in [
            ("0.0.0.0:8790", "http://127.0.0.1:8790"),
            ("[::]:8790", "http://[::1]:8790"),
            ("10.0.0.7:1", "http://10.0.0.7:1"),
        ] {
            let listen = ListenConfig { address: address.parse().unwrap(), tls: None, allow_cleartext: true };
            assert_eq!(own_url(&listen), url);
        }
    }
}
