//! The listener and its routes: the page, `/healthz`, `/readyz`, `/metrics`, `/status.json`.
//!
//! Whoever reaches the address may read; nothing can be changed here, and no body is read. A page of somebody else, which
//! a browser on this machine shows, can reach a loopback address under a name of its own (DNS rebinding): on loopback,
//! only addresses and `localhost` are answered to.

use super::classic::classic;
use super::discreet::discreet;
use super::document::Document;
use super::health::{illnesses, unready};
use super::live::Live;
use super::metrics::Metrics;
use super::page::page;
use crate::listen::{self, Limits};
use crate::model::Timestamp;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Connections at one time: a few monitors and a few people.
pub const CONNECTIONS_MAX: usize = 64;
/// For the head of a request.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// For an answer, which needs nobody else.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);
/// For what is being sent when the service stops.
pub const GRACE_TIME: Duration = Duration::from_secs(2);
/// Lines in the head of a request.
pub const HEADERS_MAX: usize = 64;
/// Bytes in the head of a request.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The media type of OpenMetrics.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the older text format of Prometheus.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Nothing may be loaded or run, nobody may put the page into a frame.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What is looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// The latest value.
    pub live: watch::Receiver<Live>,
    /// What was counted.
    pub metrics: Metrics,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl View {
    /// What may be told of it. A copy, so that nobody who is slow holds the daemon up.
    fn discreet(&self) -> (Live, Timestamp) {
        let live = self.live.borrow().clone();
        (discreet(live), (self.now)())
    }
}

/// Serves until `stop` ends.
pub async fn serve(listener: TcpListener, view: View, stop: impl Future<Output = ()> + Send + 'static) {
    let limits = Limits {
        connections_max: CONNECTIONS_MAX,
        header_time: HEADER_TIME,
        request_time: REQUEST_TIME,
        grace_time: GRACE_TIME,
        headers_max: HEADERS_MAX,
        header_bytes_max: HEADER_BYTES_MAX,
        ..Limits::default()
    };
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    listen::serve(listener, None, limits, routes(view, is_loopback), stop).await;
}

fn routes(view: View, is_loopback: bool) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status.json", get(status))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is /, /healthz, /readyz, /metrics and /status.json\n") })
        .layer(from_fn(move |request, next| guard(is_loopback, request, next)))
        .with_state(view)
}

/// Who may ask, and the headers of every answer.
async fn guard(is_loopback: bool, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("\u{fffd}"));
    let mut answer = if ![Method::GET, Method::HEAD].contains(request.method()) {
        // The body, if there is one, is not read: the connection ends with the answer.
        let headers = [(header::ALLOW, "GET, HEAD"), (header::CONNECTION, "close")];
        (StatusCode::METHOD_NOT_ALLOWED, headers, "nothing can be changed here\n").into_response()
    } else if is_loopback && host.is_some_and(|host| !is_of_this_machine(host)) {
        let why = "ask by address or as localhost; a proxy in front must send such a Host header\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    } else {
        next.run(request).await
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether a Host header is an address or `localhost`, with or without a port.
fn is_of_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

async fn front(State(view): State<View>) -> Response {
    let (live, now) = view.discreet();
    of_type("text/html; charset=utf-8", page(&live, now))
}

async fn healthz(State(view): State<View>) -> Response {
    let (live, now) = view.discreet();
    let ill = illnesses(&live, now);
    if ill.is_empty() {
        return "ok\n".into_response();
    }
    let text: String = ill.iter().map(|why| format!("{}\n", why.replace(['\n', '\r'], " "))).collect();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(view): State<View>) -> Response {
    match unready(&view.discreet().0) {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(view): State<View>, headers: HeaderMap) -> Response {
    let (live, now) = view.discreet();
    let text = view.metrics.text(&live, now);
    if wants_classic(&headers) { of_type(CLASSIC, classic(&text)) } else { of_type(OPENMETRICS, text) }
}

async fn status(State(view): State<View>) -> Response {
    let (live, now) = view.discreet();
    match serde_json::to_string(&Document::of(&live, now)) {
        Ok(text) => of_type("application/json", text + "\n"),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("no JSON: {error}\n")).into_response(),
    }
}

fn of_type(media_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

/// Whether text is wanted and OpenMetrics is not.
fn wants_classic(headers: &HeaderMap) -> bool {
    let accepted: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|range| !is_refused(range))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let has = |ranges: [&str; 2]| accepted.iter().any(|range| ranges.contains(&range.as_str()));
    has(["text/plain", "text/*"]) && !has(["application/openmetrics-text", "application/*"]) && !has(["*/*", "*"])
}

/// `q=0` says: anything but this.
fn is_refused(range: &str) -> bool {
    range.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_is_for_who_wants_nothing_else() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, false),
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("text/plain", true),
            ("TEXT/PLAIN; version=0.0.4", true),
            ("text/plain, application/openmetrics-text; q=0", true),
            ("text/plain; q=0", false),
            ("text/html, text/*;q=0.3", true),
            ("text/plain, */*; q = 0.1", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_classic(&headers), expected, "{accept}");
        }
        assert!(!wants_classic(&HeaderMap::new()));
    }

    #[test]
    fn names_of_others_are_not_this_machine() {
        for host in ["127.0.0.1", "127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8787", "10.0.0.7:80"] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8787", "a b", "\u{fffd}"] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }
}
