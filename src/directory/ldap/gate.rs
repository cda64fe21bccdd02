//! The gate between a server and the client library.
//!
//! The library gets one end of a pair of sockets; a task here moves bytes between the other end and the server. Nothing
//! reaches the library that is not a whole, checked message (see [`ber::check`]) in answer to a request still open.
//! Messages that nobody asked for are dropped and counted. The library queues without bound, so the gate lends it a
//! window: entries that were passed on and not yet consumed hold a part of it, and while none is left the gate reads no
//! further, which stops the server by TCP.
//!
//! The first thing that goes wrong is kept with its words: that is what the operator is told, not the library's
//! "channel closed" that follows from it.

use super::ber::{self, Message};
use super::explain;
use super::settings::ReadLimits;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The most memory that entries on their way through the library may hold, in (estimated) bytes.
const WINDOW_BYTES: u32 = 64 * 1024 * 1024;
/// What one BER element costs in the library besides its bytes, roughly.
const ELEMENT_COST_BYTES: usize = 96;
/// Bytes read from either side at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// References allowed in the answer to one request.
const REFERENCES_MAX: u64 = 1_000;
/// How long a server that no longer takes our requests may still tell us why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection to a server, in clear text or TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server or the network ended it.
    Closed(String),
    /// The server broke the protocol or a limit, and we ended it.
    Breach(String),
}

/// The pump of one connection, and what it shares with the reader of entries. Dropping it cuts the connection.
pub(super) struct Gate {
    shared: Arc<Shared>,
    pump: JoinHandle<()>,
}

struct Shared {
    limits: ReadLimits,
    fault: Mutex<Option<Fault>>,
    open: Mutex<HashMap<u32, Asked>>,
    entries_allowed: AtomicU64,
    window: Semaphore,
    lent: Mutex<VecDeque<u32>>,
}

/// A request that waits for its answer.
enum Asked {
    Bind,
    Search { entries: u64, allowed: u64, references: u64 },
}

impl Gate {
    /// Stands between `server` and the library's end of a socket pair.
    pub(super) fn stand(server: Box<dyn Wire>, library: UnixStream, limits: ReadLimits) -> Self {
        let shared = Arc::new(Shared {
            limits,
            fault: Mutex::new(None),
            open: Mutex::new(HashMap::new()),
            entries_allowed: AtomicU64::new(0),
            window: Semaphore::new(WINDOW_BYTES as usize),
            lent: Mutex::new(VecDeque::new()),
        });
        let pump = tokio::spawn(pump(server, library, shared.clone()));
        Self { shared, pump }
    }

    /// How many entries the next search may bring.
    pub(super) fn allow(&self, entries: u64) {
        self.shared.entries_allowed.store(entries, Ordering::Release);
    }

    /// One entry or reference has been taken out of the library.
    pub(super) fn consumed(&self) {
        if let Some(lent) = lock(&self.shared.lent).pop_front() {
            self.shared.window.add_permits(lent as usize);
        }
    }

    /// What went wrong first, if anything did.
    pub(super) fn fault(&self) -> Option<Fault> {
        lock(&self.shared.fault).clone()
    }

    /// Waits for the pump to have passed on what the library still sent.
    pub(super) async fn drained(&mut self, longest: Duration) {
        if tokio::time::timeout(longest, &mut self.pump).await.is_err() {
            tracing::debug!("the directory connection was not closed in time and is cut");
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves bytes both ways until either side ends.
async fn pump(server: Box<dyn Wire>, library: UnixStream, shared: Arc<Shared>) {
    let (mut server_in, mut server_out) = tokio::io::split(server);
    let (mut library_in, mut library_out) = library.into_split();
    let ended = {
        let requests = requests(&mut library_in, &mut server_out, &shared);
        let mut answers = std::pin::pin!(answers(&mut server_in, &mut library_out, &shared));
        tokio::select! {
            ended = requests => match ended {
                // A server that stops taking requests has often said why just before.
                Err(fault) => match tokio::time::timeout(LAST_WORDS, answers).await {
                    Ok(last) => Err(last),
                    Err(_) => Err(fault),
                },
                Ok(()) => Ok(()),
            },
            fault = &mut answers => Err(fault),
        }
    };
    match ended {
        Ok(()) => {
            if let Err(error) = server_out.shutdown().await {
                tracing::debug!("the directory connection did not end in order: {error}");
            }
        }
        // Before the library's socket goes: whoever sees that one closed finds the cause here.
        Err(fault) => {
            lock(&shared.fault).get_or_insert(fault);
        }
    }
}

/// From the library to the server, noting what is asked. Ends well when the library closes its side.
async fn requests(
    library: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> Result<(), Fault> {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(CHUNK_BYTES);
        match library.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        while let Ok(Some(length)) = ber::frame(&buffer, usize::MAX) {
            let Some(message) = buffer.get(..length) else { break };
            shared.note(message);
            let sent = match server.write_all(message).await {
                Ok(()) => server.flush().await,
                Err(error) => Err(error),
            };
            sent.map_err(|error| Fault::Closed(format!("the connection broke while a request was sent: {error}")))?;
            buffer.drain(..length);
        }
    }
}

/// From the server to the library, checking everything. Ends with the reason why there is no more.
async fn answers(
    server: &mut (impl AsyncRead + Unpin),
    library: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> Fault {
    let mut turn = Turn { shared, passed: Vec::new(), unasked: 0, notice: None };
    let (mut buffer, mut bytes) = (Vec::new(), 0_u64);
    loop {
        let mut at = 0;
        loop {
            let rest = buffer.get(at..).unwrap_or_default();
            let length = match ber::frame(rest, shared.limits.message_bytes_max) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(found) => return breach(&found),
            };
            let Some(message) = rest.get(..length) else { break };
            if let Err(fault) = turn.judge(message, library).await {
                return fault;
            }
            at += length;
        }
        buffer.drain(..at);
        if let Err(fault) = turn.flush(library).await {
            return fault;
        }
        buffer.reserve(CHUNK_BYTES);
        match server.read_buf(&mut buffer).await {
            Ok(0) => return turn.closed(buffer.len(), "it closed the connection"),
            Ok(count) => bytes += count as u64,
            Err(error) => return turn.closed(buffer.len(), &format!("the connection broke: {error}")),
        }
        if bytes > shared.limits.read_bytes_max {
            return Fault::Breach(format!(
                "it sent more than the {} bytes that one read may bring; is base_dn too wide?",
                shared.limits.read_bytes_max
            ));
        }
    }
}

fn breach(found: &str) -> Fault {
    Fault::Breach(format!("it broke the protocol: it sent {found}"))
}

impl Shared {
    /// Remembers one of our own requests.
    fn note(&self, message: &[u8]) {
        let Ok((outer, _)) = ber::split(message) else { return };
        let Ok((id, rest)) = ber::split(outer.body) else { return };
        let Ok((op, _)) = ber::split(rest) else { return };
        let id = id.body.iter().fold(0_u32, |sum, digit| sum << 8 | u32::from(*digit));
        let asked = match op.tag {
            ber::BIND_REQUEST => Asked::Bind,
            ber::SEARCH_REQUEST => {
                let allowed = self.entries_allowed.load(Ordering::Acquire);
                Asked::Search { entries: 0, allowed, references: 0 }
            }
            _ => return,
        };
        lock(&self.open).insert(id, asked);
    }
}

/// What becomes of a checked message.
enum Fate {
    /// Nobody asked.
    Drop,
    /// An answer that ends its request.
    Pass,
    /// An entry or a reference: it holds a part of the window until it is consumed.
    Lend,
}

/// The state of one direction: from the server to the library.
struct Turn<'a> {
    shared: &'a Shared,
    passed: Vec<u8>,
    unasked: u64,
    notice: Option<String>,
}

impl Turn<'_> {
    /// Checks one message, and passes it on or drops it.
    async fn judge(&mut self, bytes: &[u8], library: &mut (impl AsyncWrite + Unpin)) -> Result<(), Fault> {
        let message = ber::check(bytes, &self.shared.limits).map_err(|found| breach(&found))?;
        if message.id == 0 {
            self.take_notice(message);
            return self.count_unasked();
        }
        match self.fate(message)? {
            Fate::Drop => return self.count_unasked(),
            Fate::Pass => {}
            Fate::Lend => self.lend(bytes.len() + message.elements * ELEMENT_COST_BYTES, library).await?,
        }
        self.passed.extend_from_slice(bytes);
        if self.passed.len() >= CHUNK_BYTES { self.flush(library).await } else { Ok(()) }
    }

    /// What the message answers, and whether it may.
    fn fate(&self, message: Message<'_>) -> Result<Fate, Fault> {
        let mut open = lock(&self.shared.open);
        let Some(asked) = open.get_mut(&message.id) else { return Ok(Fate::Drop) };
        match (asked, message.op.tag) {
            (Asked::Bind, ber::BIND_RESPONSE) | (Asked::Search { .. }, ber::SEARCH_DONE) => {
                open.remove(&message.id);
                Ok(Fate::Pass)
            }
            (Asked::Search { entries, allowed, .. }, ber::SEARCH_ENTRY) => {
                *entries += 1;
                if *entries > *allowed {
                    return Err(Fault::Breach(format!(
                        "it ignores the page size: more than the {allowed} entries asked for came in one answer"
                    )));
                }
                Ok(Fate::Lend)
            }
            (Asked::Search { references, .. }, ber::SEARCH_REFERENCE) => {
                *references += 1;
                if *references > REFERENCES_MAX {
                    return Err(Fault::Breach(format!("it sent more than {REFERENCES_MAX} references in one answer")));
                }
                Ok(Fate::Lend)
            }
            (Asked::Bind, tag) => Err(breach(&format!("an answer of tag 0x{tag:02x} to a bind"))),
            (Asked::Search { .. }, tag) => Err(breach(&format!("an answer of tag 0x{tag:02x} to a search"))),
        }
    }

    /// Takes a part of the window, waiting until there is enough.
    async fn lend(&mut self, cost: usize, library: &mut (impl AsyncWrite + Unpin)) -> Result<(), Fault> {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX).min(WINDOW_BYTES);
        let permit = match self.shared.window.try_acquire_many(cost) {
            Ok(permit) => permit,
            Err(_) => {
                // The library must see what it has to consume, else nobody ever returns anything.
                self.flush(library).await?;
                let gone = |_| Fault::Closed("the reading was given up".to_owned());
                self.shared.window.acquire_many(cost).await.map_err(gone)?
            }
        };
        permit.forget();
        lock(&self.shared.lent).push_back(cost);
        Ok(())
    }

    /// Hands what was checked to the library.
    async fn flush(&mut self, library: &mut (impl AsyncWrite + Unpin)) -> Result<(), Fault> {
        if !self.passed.is_empty() {
            let written = library.write_all(&self.passed).await;
            written.map_err(|_| Fault::Closed("the client library gave the connection up".to_owned()))?;
            self.passed.clear();
        }
        Ok(())
    }

    /// An unsolicited notification (RFC 4511 4.4): the server is about to leave, and says why.
    fn take_notice(&mut self, message: Message<'_>) {
        if let Ok(said) = ber::verdict(message.op.body)
            && message.op.tag == ber::EXTENDED_RESPONSE
        {
            self.notice = Some(explain::outcome(said.code, said.text));
        }
    }

    fn count_unasked(&mut self) -> Result<(), Fault> {
        self.unasked += 1;
        if self.unasked > self.shared.limits.unasked_max {
            let most = self.shared.limits.unasked_max;
            return Err(Fault::Breach(format!("it sent more than {most} messages that nobody asked for")));
        }
        Ok(())
    }

    /// The server is gone.
    fn closed(&self, rest: usize, how: &str) -> Fault {
        match &self.notice {
            Some(notice) => Fault::Closed(format!("it disconnected us: {notice}")),
            None if rest > 0 => Fault::Closed(format!("{how} in the middle of a message")),
            None => Fault::Closed(how.to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
