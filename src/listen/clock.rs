//! What a connection is doing, and until when it may: the one clock behind every time-out of the listener.
//!
//! ```text
//! Fresh -> Head -> Work -> Answer -> Sent -> Idle -> Head …
//! ```
//!
//! hyper has a time-out for heads alone, none for bodies, answers or idle connections. Here the stream, the routes and
//! the body of the answer tell the clock what happens, and the task of the connection looks at it whenever it was woken.

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The least time in which an answer must be taken, however late it came.
const ANSWER_TIME_MIN: Duration = Duration::from_secs(5);
/// How long a connection may be idle while others wait to be let in.
const IDLE_TIME_CROWDED: Duration = Duration::from_secs(1);
/// How long a connection may say nothing at all while others wait to be let in.
pub(super) const FRESH_TIME_CROWDED: Duration = Duration::from_secs(2);
/// For the farewell of a connection that was idle: in TLS it has one.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// A part of the head of a request has come.
    Head,
    /// The routes are at work, which includes that they read the body.
    Work,
    /// The answer is being made and sent.
    Answer,
    /// The answer is made; its last bytes are not yet sent.
    Sent,
    /// Between two requests.
    Idle,
    /// Being closed.
    Closing,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    due: Instant,
}

/// See the file's description. Its clones are one clock.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    state: Arc<Mutex<State>>,
    header_time: Duration,
    request_time: Duration,
    idle_time: Duration,
}

impl Clock {
    pub(super) fn new(header_time: Duration, request_time: Duration, idle_time: Duration) -> Self {
        let since = Instant::now();
        let state = State { phase: Phase::Fresh, since, due: since + header_time };
        Self { state: Arc::new(Mutex::new(state)), header_time, request_time, idle_time }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Until when it may go on as it does.
    pub(super) fn due(&self, is_crowded: bool) -> Instant {
        let state = self.state();
        match state.phase {
            Phase::Fresh if is_crowded => state.due.min(state.since + FRESH_TIME_CROWDED),
            Phase::Idle if is_crowded => state.due.min(state.since + IDLE_TIME_CROWDED),
            Phase::Fresh | Phase::Head | Phase::Work | Phase::Answer | Phase::Sent | Phase::Idle | Phase::Closing => {
                state.due
            }
        }
    }

    /// A head is complete. Gives the deadline of the routes. Earlier answers may still be on their way: hyper begins
    /// nothing new when its buffer is full of them.
    pub(super) fn begin(&self) -> Instant {
        let now = Instant::now();
        let deadline = now + self.request_time;
        let mut state = self.state();
        // The routes are stopped at their deadline; the connection is cut only when even that did not help.
        (state.phase, state.since, state.due) = (Phase::Work, now, deadline + ANSWER_TIME_MIN);
        deadline
    }

    /// The routes have an answer. Gives what must live as long as its body.
    pub(super) fn answer(&self, deadline: Instant) -> Answering {
        let now = Instant::now();
        let mut state = self.state();
        (state.phase, state.since, state.due) = (Phase::Answer, now, deadline.max(now + ANSWER_TIME_MIN));
        Answering(self.clone())
    }

    /// No further request is wanted.
    pub(super) fn close(&self) {
        let now = Instant::now();
        let mut state = self.state();
        (state.phase, state.since, state.due) = (Phase::Closing, now, now + CLOSE_TIME);
    }

    fn received(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Fresh => state.phase = Phase::Head,
            Phase::Idle => {
                let now = Instant::now();
                (state.phase, state.since, state.due) = (Phase::Head, now, now + self.header_time);
            }
            Phase::Head | Phase::Work | Phase::Answer | Phase::Sent | Phase::Closing => {}
        }
    }

    fn made(&self) {
        let mut state = self.state();
        if state.phase == Phase::Answer {
            state.phase = Phase::Sent;
        }
    }

    fn flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Sent {
            let now = Instant::now();
            (state.phase, state.since, state.due) = (Phase::Idle, now, now + self.idle_time);
        }
    }
}

/// Held by the body of an answer; hyper drops it when the last of it is in the buffer.
#[derive(Debug)]
pub(super) struct Answering(Clock);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.made();
    }
}

/// The body of an answer, which tells the clock when it ends.
#[derive(Debug)]
pub(super) struct Timed {
    body: axum::body::Body,
    _answering: Answering,
}

impl Timed {
    pub(super) fn new(body: axum::body::Body, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells the clock what comes and goes.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    clock: Clock,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, clock: Clock) -> Self {
        Self { stream, clock }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.clock.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // hyper flushes the stream only when nothing is left in its own buffer.
            self.clock.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
