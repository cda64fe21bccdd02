//! One connection from its first byte to its last.

use super::clock::{Clock, FRESH_TIME_CROWDED, Phase, Timed, Watched};
use super::{Deadline, Limits, Mood, Peer, Site};
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What hyper keeps of a connection at most, in bytes, for each direction.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// A peer that is silent for this long is asked whether it is still there.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// How often it is asked.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Stage {
    limits: Limits,
    http: http1::Builder,
    routes: Routes,
}

/// A [`Site`], as hyper calls it.
#[derive(Clone)]
struct Routes {
    app: TowerToHyperService<axum::Router>,
    too_late: fn() -> Response,
    loggable: fn(&str) -> &str,
}

impl Stage {
    pub(super) fn new(limits: Limits, Site { app, too_late, loggable }: Site) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // The clock has this time-out too; hyper's would end idle connections as well.
            .header_read_timeout(None)
            .max_headers(limits.headers_max)
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(BUFFER_BYTES_MAX.max(limits.header_bytes_max));
        Self { limits, http, routes: Routes { app: TowerToHyperService::new(app), too_late, loggable } }
    }

    /// Serves one connection until it ends, of its own accord or not.
    pub(super) async fn attend(
        self,
        stream: TcpStream,
        peer: Peer,
        tls: Option<Arc<ServerConfig>>,
        mood: watch::Receiver<Mood>,
    ) {
        tune(&stream);
        let Some(config) = tls else { return self.speak(stream, peer, mood).await };
        let mut watching = mood.clone();
        // As with a connection without TLS that says nothing: others wait, or nobody serves any more.
        let unwanted = async {
            let mood = watching.wait_for(|mood| *mood != Mood::Open).await.map_or(Mood::Stopping, |mood| *mood);
            if mood == Mood::Crowded {
                let stopping = watching.wait_for(|mood| *mood == Mood::Stopping);
                drop(tokio::time::timeout(FRESH_TIME_CROWDED, stopping).await);
            }
        };
        let handshake = tokio::time::timeout(self.limits.header_time, TlsAcceptor::from(config).accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = unwanted => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.speak(stream, peer, mood).await,
            Ok(Err(error)) => tracing::debug!(peer = %peer.0, "no TLS: {error}"),
            Err(_) => tracing::debug!(peer = %peer.0, "no TLS within {:?}", self.limits.header_time),
        }
    }

    async fn speak<S>(&self, stream: S, peer: Peer, mut mood: watch::Receiver<Mood>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Limits { header_time, request_time, idle_time, .. } = self.limits;
        let clock = Clock::new(header_time, request_time, idle_time);
        let reception = Reception { routes: self.routes.clone(), clock: clock.clone(), peer };
        let stream = TokioIo::new(Watched::new(stream, clock.clone()));
        let mut connection = pin!(self.http.serve_connection(stream, reception));
        let mut alarm = pin!(tokio::time::sleep_until(clock.due(false)));
        // What was the mood when the connection came may have changed before it was first asked for.
        mood.mark_changed();
        let (mut is_crowded, mut is_stopping) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %peer.0, "connection ended: {error}");
                    }
                    return;
                }
                // Everything that moves the clock happens while the connection is polled, which is just before this.
                () = poll_fn(|cx| {
                    let due = clock.due(is_crowded);
                    if alarm.deadline() != due {
                        alarm.as_mut().reset(due);
                    }
                    alarm.as_mut().poll(cx)
                }) => match clock.phase() {
                    Phase::Idle => {
                        clock.close();
                        connection.as_mut().graceful_shutdown();
                    }
                    phase @ (Phase::Fresh | Phase::Head | Phase::Work | Phase::Answer | Phase::Sent | Phase::Closing) => {
                        tracing::debug!(peer = %peer.0, ?phase, "connection cut: it took too long");
                        return;
                    }
                },
                changed = mood.changed(), if !is_stopping => {
                    let now = changed.map_or(Mood::Stopping, |()| *mood.borrow_and_update());
                    (is_crowded, is_stopping) = (now == Mood::Crowded, now == Mood::Stopping);
                    if is_stopping {
                        // Who has not begun a request has nothing to lose.
                        if clock.phase() == Phase::Fresh {
                            return;
                        }
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// Small answers leave at once, and a peer that vanished is noticed. Neither is worth losing the connection for.
fn tune(stream: &TcpStream) {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    let tuned = stream.set_nodelay(true).and(socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!("a connection goes on without its usual settings: {error}");
    }
}

/// Receives the requests of one connection.
struct Reception {
    routes: Routes,
    clock: Clock,
    peer: Peer,
}

impl Service<Request<Incoming>> for Reception {
    type Response = Response<Timed>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (Routes { app, too_late, loggable }, clock, peer) = (self.routes.clone(), self.clock.clone(), self.peer);
        Box::pin(async move {
            let deadline = clock.begin();
            let began = tokio::time::Instant::now();
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Deadline(deadline));
            // Without the query, in which an address may stand.
            let (method, path) = (request.method().clone(), loggable(request.uri().path()).to_owned());
            let answer = match tokio::time::timeout_at(deadline, app.call(request)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(never)) => match never {},
                Err(_) => too_late(),
            };
            let status = answer.status().as_u16();
            tracing::debug!(peer = %peer.0, %method, path, status, took = ?began.elapsed(), "answered");
            let (head, body) = answer.into_parts();
            Ok(Response::from_parts(head, Timed::new(body, clock.answer(deadline))))
        })
    }
}
