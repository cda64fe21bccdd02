//! One connection, as whole messages that were checked before anybody looks at them.
//!
//! Bytes wait in one buffer, and messages are read where they lie: nothing is copied, nothing is queued, and no more is
//! taken from the network than the reader has consumed but for one chunk, so that a fast server is slowed down by TCP.
//! What is no message in answer to an open request is counted and skipped, and ends the connection when there is too
//! much of it.
//!
//! There is no client library here. `ldap3`, which was here before, copies every entry five times, queues without bound,
//! and had to stand behind a gate that checked every byte before it.

use super::ber::{self, Message};
use super::explain;
use super::settings::ReadLimits;
use std::io;
use std::ops::Range;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes asked of the network at once.
const CHUNK_BYTES: usize = 128 * 1024;
/// References allowed in the answer to one request.
const REFERENCES_MAX: u64 = 1_000;
/// How long a server that no longer takes our requests may still tell us why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection to a server, in clear text or TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server or the network ended it.
    Closed(String),
    /// The server broke the protocol or a limit, and we ended it.
    Breach(String),
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// A bind.
    Bind,
    /// A search that may bring so many entries.
    Search {
        /// More entries are a breach.
        allowed: u64,
        /// Whether messages in between are expected (RFC 4533 has some).
        informs: bool,
    },
}

/// A connection on which requests go out and answers come in. Dropping it cuts the connection.
pub(super) struct Channel {
    wire: Box<dyn Wire>,
    limits: ReadLimits,
    inbox: Vec<u8>,
    /// Where in the inbox the next message begins.
    next: usize,
    /// Bytes that came since [`Channel::begin`].
    bytes: u64,
    unasked: u64,
    notice: Option<String>,
    open: Vec<Open>,
}

struct Open {
    id: u32,
    asked: Asked,
    entries: u64,
    references: u64,
}

impl Channel {
    /// On a connection over which nothing of LDAP was said yet, but StartTLS.
    pub(super) fn new(wire: Box<dyn Wire>, limits: ReadLimits) -> Self {
        Self { wire, limits, inbox: Vec::new(), next: 0, bytes: 0, unasked: 0, notice: None, open: Vec::new() }
    }

    /// A read begins: what a server may send in one is counted from here.
    pub(super) fn begin(&mut self) {
        (self.bytes, self.unasked) = (0, 0);
    }

    /// Sends a request that is answered by messages with this id.
    pub(super) async fn ask(&mut self, id: u32, asked: Asked, message: &[u8]) -> Result<(), Fault> {
        self.open.push(Open { id, asked, entries: 0, references: 0 });
        self.tell(message).await
    }

    /// Sends what is not answered.
    pub(super) async fn tell(&mut self, message: &[u8]) -> Result<(), Fault> {
        let sent = match self.wire.write_all(message).await {
            Ok(()) => self.wire.flush().await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(error) => {
                let fault = Fault::Closed(format!("the connection broke while a request was sent: {error}"));
                // A server that stops taking requests has often said why just before.
                Err(tokio::time::timeout(LAST_WORDS, self.end()).await.unwrap_or(fault))
            }
        }
    }

    /// The next message in answer to an open request. The inside of an entry is still to be checked by who takes it apart.
    pub(super) async fn receive(&mut self) -> Result<Message<'_>, Fault> {
        let range = loop {
            match self.framed()? {
                None => self.fill().await?,
                Some(range) => {
                    if self.is_expected(range.clone())? {
                        break range;
                    }
                }
            }
        };
        ber::check(self.inbox.get(range).unwrap_or_default(), &self.limits).map_err(|found| breach(&found))
    }

    /// Ends the connection in order.
    pub(super) async fn shut(&mut self) {
        if let Err(error) = self.wire.shutdown().await {
            tracing::debug!("the directory connection did not end in order: {error}");
        }
    }

    /// Reads to the end of the connection; gives how it ended.
    async fn end(&mut self) -> Fault {
        loop {
            if let Err(fault) = self.receive().await {
                return fault;
            }
        }
    }

    /// Where the next whole message is, if it is here; it counts as consumed.
    fn framed(&mut self) -> Result<Option<Range<usize>>, Fault> {
        let rest = self.inbox.get(self.next..).unwrap_or_default();
        let framed = ber::frame(rest, self.limits.message_bytes_max).map_err(|found| breach(&found))?;
        Ok(framed.filter(|length| *length <= rest.len()).map(|length| {
            let begin = self.next;
            self.next += length;
            begin..self.next
        }))
    }

    /// Waits for more bytes.
    async fn fill(&mut self) -> Result<(), Fault> {
        self.inbox.drain(..self.next);
        self.next = 0;
        if self.inbox.is_empty() {
            // One huge message must not cost its memory for as long as the connection lasts.
            self.inbox.shrink_to(CHUNK_BYTES);
        }
        self.inbox.reserve(CHUNK_BYTES);
        match self.wire.read_buf(&mut self.inbox).await {
            Ok(0) => return Err(self.closed("it closed the connection")),
            Ok(count) => self.bytes += count as u64,
            // TLS without its own goodbye, for which rustls has a page of manual to name.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.closed("it closed the connection without a goodbye"));
            }
            Err(error) => return Err(self.closed(&format!("the connection broke: {error}"))),
        }
        if self.bytes > self.limits.read_bytes_max {
            return Err(Fault::Breach(format!(
                "it sent more than the {} bytes that one read may bring; is base_dn too wide?",
                self.limits.read_bytes_max
            )));
        }
        Ok(())
    }

    /// Whether the message answers an open request, and may.
    fn is_expected(&mut self, range: Range<usize>) -> Result<bool, Fault> {
        let message = self.inbox.get(range).unwrap_or_default();
        let (id, tag) = ber::envelope(message).map_err(|found| breach(&found))?;
        let Some(place) = self.open.iter().position(|open| open.id == id) else {
            let message = ber::check(message, &self.limits).map_err(|found| breach(&found))?;
            if id == 0 {
                self.notice = notice(message).or(self.notice.take());
            }
            self.unasked += 1;
            let most = self.limits.unasked_max;
            return match self.unasked > most {
                true => Err(Fault::Breach(format!("it sent more than {most} messages that nobody asked for"))),
                false => Ok(false),
            };
        };
        let Some(open) = self.open.get_mut(place) else { return Ok(false) };
        match (open.asked, tag) {
            (Asked::Bind, ber::BIND_RESPONSE) | (Asked::Search { .. }, ber::SEARCH_DONE) => {
                self.open.swap_remove(place);
            }
            (Asked::Search { allowed, .. }, ber::SEARCH_ENTRY) => {
                open.entries += 1;
                if open.entries > allowed {
                    return Err(Fault::Breach(format!(
                        "it ignores the page size: more than the {allowed} entries asked for came in one answer"
                    )));
                }
            }
            (Asked::Search { .. }, ber::SEARCH_REFERENCE) => {
                open.references += 1;
                if open.references > REFERENCES_MAX {
                    return Err(Fault::Breach(format!("it sent more than {REFERENCES_MAX} references in one answer")));
                }
            }
            (Asked::Search { informs: true, .. }, ber::INTERMEDIATE_RESPONSE) => {}
            (Asked::Bind, tag) => return Err(breach(&format!("an answer of tag 0x{tag:02x} to a bind"))),
            (Asked::Search { .. }, tag) => return Err(breach(&format!("an answer of tag 0x{tag:02x} to a search"))),
        }
        Ok(true)
    }

    /// The server is gone.
    fn closed(&self, how: &str) -> Fault {
        match &self.notice {
            Some(notice) => Fault::Closed(format!("it disconnected us: {notice}")),
            None if !self.inbox.is_empty() => Fault::Closed(format!("{how} in the middle of a message")),
            None => Fault::Closed(how.to_owned()),
        }
    }
}

/// An unsolicited notification (RFC 4511 4.4): the server is about to leave, and says why.
fn notice(message: Message<'_>) -> Option<String> {
    let said = ber::verdict(message.op.body).ok().filter(|_| message.op.tag == ber::EXTENDED_RESPONSE)?;
    Some(explain::outcome(said.code, said.text))
}

/// What a server sent that it must not.
pub(super) fn breach(found: &str) -> Fault {
    Fault::Breach(format!("it broke the protocol: it sent {found}"))
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
