//! The listener: connections in, requests handed to the routes, and nobody may take more than a share.
//!
//! | file | what is in it |
//! |---|---|
//! | `connection` | one connection from its first byte to its last |
//! | `clock` | what a connection is doing, and until when it may |
//! | `body` | the body of a request, up to a limit |
//! | `tls` | the certificate, read again while the server runs |
//!
//! HTTP/1.1 only: every client of the API speaks it. Every wait has a limit: see [`Limits`]. Above the greatest number of
//! connections new ones wait in the kernel's backlog, and those that say nothing or only wait for their next request are
//! closed to let them in. Whatever goes wrong on a connection, a panic included, ends that connection and no other.
//!
//! `axum::serve` is not enough here: it has no TLS, no cap and no time-outs.

mod body;
mod clock;
mod connection;
pub mod tls;

pub use body::{BodyError, DRAIN_BYTES_MAX, collect_body};

use axum::response::{IntoResponse, Response};
use connection::Stage;
use http::{StatusCode, header};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tls::TlsSource;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// Connections at one time.
pub const CONNECTIONS_MAX: usize = 512;
/// For a TLS handshake, and for the head of a request.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// For a request, from its head to the end of the routes' work.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Between two requests of one connection. Clients keep theirs for about a minute.
pub const IDLE_TIME: Duration = Duration::from_secs(75);
/// For the requests that are running when the server stops.
pub const GRACE_TIME: Duration = Duration::from_secs(30);
/// Lines in the head of a request.
pub const HEADERS_MAX: usize = 100;
/// Bytes in the head of a request.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The first pause after the system refused to give a connection.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause: then is asked again.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What one client may take of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time, at least 1; see [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// For a TLS handshake, and for the head of a request; see [`HEADER_TIME`].
    pub header_time: Duration,
    /// For a request, from its head to the end of the routes' work; see [`REQUEST_TIME`]. The answer must be taken
    /// within the same time, or within a few seconds if it comes late.
    pub request_time: Duration,
    /// Between two requests of one connection; see [`IDLE_TIME`].
    pub idle_time: Duration,
    /// For the requests that are running when the server stops; see [`GRACE_TIME`].
    pub grace_time: Duration,
    /// Lines in the head of a request; see [`HEADERS_MAX`].
    pub headers_max: usize,
    /// Bytes in the head of a request; see [`HEADER_BYTES_MAX`].
    pub header_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            header_time: HEADER_TIME,
            request_time: REQUEST_TIME,
            idle_time: IDLE_TIME,
            grace_time: GRACE_TIME,
            headers_max: HEADERS_MAX,
            header_bytes_max: HEADER_BYTES_MAX,
        }
    }
}

/// Who sent a request: an extension of every one. An IPv4 address is never written as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// When a request must be answered: an extension of every one, and what [`collect_body`] wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// What is served, and what the listener has to know of it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The routes.
    pub app: axum::Router,
    /// The answer in place of one that did not come in time. It should close the connection.
    pub too_late: fn() -> Response,
    /// The part of a path that a log may have.
    pub loggable: fn(&str) -> &str,
}

impl From<axum::Router> for Site {
    /// Without secrets in paths, and with plain words for what came too late.
    fn from(app: axum::Router) -> Self {
        let too_late = || {
            let closes = [(header::CONNECTION, "close")];
            (StatusCode::SERVICE_UNAVAILABLE, closes, "the request was not answered in time\n").into_response()
        };
        Self { app, too_late, loggable: |path| path }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were cut because their request did not end within the grace.
    pub cut: usize,
}

/// Whether connections are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// There is room.
    Open,
    /// Others wait to be let in.
    Crowded,
    /// No further request is taken.
    Stopping,
}

/// Serves `site` until `stop` ends. Then nobody is let in, and what is running may end within the grace.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsSource>,
    limits: Limits,
    site: impl Into<Site>,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let stage = Stage::new(limits.clone(), site.into());
    let (mood, seen) = watch::channel(Mood::Open);
    let mut connections = JoinSet::new();
    let mut pause = Duration::ZERO;
    let mut stop = pin!(stop);
    loop {
        let is_full = connections.len() >= limits.connections_max.max(1);
        let wanted = if is_full { Mood::Crowded } else { Mood::Open };
        mood.send_if_modified(|mood| std::mem::replace(mood, wanted) != wanted);
        let accept = async {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            listener.accept().await
        };
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => note(ended),
            accepted = accept, if !is_full => match accepted {
                Ok((stream, peer)) => {
                    pause = Duration::ZERO;
                    let peer = Peer(SocketAddr::new(peer.ip().to_canonical(), peer.port()));
                    let tls = tls.as_ref().map(TlsSource::config);
                    connections.spawn(stage.clone().attend(stream, peer, tls, seen.clone()));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Most likely there are no file descriptors left. To ask again at once would only heat the machine.
                    if pause.is_zero() {
                        tracing::warn!("cannot take connections: {error}; raise the limit of open files if it lasts");
                    }
                    pause = (pause * 2).clamp(ACCEPT_PAUSE_MIN, ACCEPT_PAUSE_MAX);
                }
            },
        }
    }
    drop(listener);
    mood.send_replace(Mood::Stopping);
    let grace = Instant::now() + limits.grace_time;
    while let Ok(Some(ended)) = tokio::time::timeout_at(grace, connections.join_next()).await {
        note(ended);
    }
    let cut = connections.len();
    connections.shutdown().await;
    Stopped { cut }
}

/// Whether accept(2) tells of a connection that went away before it was taken.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A panic in a route is a mistake of ours that one client met.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a request ended in a panic, and its connection with it: {error}");
    }
}
