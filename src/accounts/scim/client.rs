//! One call to an answer: with a token, at the pace the server can bear, and sent again where that is safe.
//!
//! What comes back is a parsed answer or a [`Failure`] that says whether anything may have been done. Sent again is what
//! surely was not done (a refusal for want of capacity, a connection that never stood), and, if the call is absolute, what
//! may have been.
//!
//! Deliberately absent: any knowledge of users and seats, redirects, proxies, compression.

use super::call::{Call, Operation, Tally};
use super::failure::{Failure, refusal};
use super::messages::{ACCEPTED, ErrorBody, MEDIA_TYPE};
use super::token::{Authority, Denied, Desk};
use crate::accounts::reach::pace::{Pace, RETRY_AFTER_MAX};
use crate::accounts::reach::tls;
use crate::halt::Halt;
use crate::model::{Exchange, Meter, Peer, Timestamp, Went};
use crate::web::{chain, random_part, retry_after};
use backon::{BackoffBuilder, ExponentialBuilder};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH, RETRY_AFTER};
use serde_json::Value;
use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Most attempts of one call that end in a failure of the server or the connection.
const ATTEMPTS_MAX: u32 = 5;
/// Most attempts of one call that the server had no capacity for: nothing was done, and it is only a matter of time.
const OVERLOADS_MAX: u32 = 20;
/// No attempt begins later than this after the first: whoever waits learns that it will not be soon.
const CALL_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// The first wait between attempts; it doubles, and a random part of it is waited.
const DELAY_MIN: Duration = Duration::from_millis(200);
/// The longest wait between attempts that the server did not ask for.
const DELAY_MAX: Duration = Duration::from_secs(20);
/// The longest wait for a connection; the configured time-out may be shorter.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes: far above a page of a thousand users.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// No capacity, and yet it may have been done.
const OVERLOADED: u16 = 503;
/// The token is not taken.
const UNAUTHORIZED: u16 = 401;

/// What a client is made of.
#[derive(Debug)]
pub(super) struct ClientSettings<'a> {
    /// Where the paths of the protocol begin.
    pub(super) base_url: String,
    pub(super) authority: Authority,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) timeout: Duration,
    pub(super) requests_max: usize,
    pub(super) meter: Meter,
    pub(super) halt: Halt,
}

/// A connection pool, a token and a pace.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Without a slash at the end.
    base: String,
    desk: Desk,
    pace: Pace,
    timeout: Duration,
    tally: Tally,
    meter: Meter,
    halt: Halt,
    certificate: Mutex<Shown>,
}

/// A certificate, and when it ends.
#[derive(Debug, Default)]
struct Shown {
    der: Vec<u8>,
    end: Option<Timestamp>,
}

/// Why an attempt gave no answer.
enum Trouble {
    /// No capacity; nothing was done.
    Overloaded { after: Option<Duration>, why: String },
    /// The request did not reach the server.
    Unreached { why: String },
    /// It may have been done. The status, where a whole answer came.
    Broken { after: Option<Duration>, status: Option<u16>, why: String },
    /// Another token may be taken.
    Expired(Failure),
    /// Not to be tried again.
    Final(Failure),
}

impl Trouble {
    /// For the meter: whether anything legible came back.
    fn went(&self) -> Went {
        match self {
            Self::Overloaded { .. } | Self::Expired(_) | Self::Broken { status: Some(_), .. } => Went::Refused,
            // A status of success here means an answer that was not taken.
            Self::Final(Failure::Refused { status: Some(300..), .. }) => Went::Refused,
            Self::Unreached { .. } | Self::Broken { status: None, .. } | Self::Final(_) => Went::Unanswered,
        }
    }
}

impl Client {
    pub(super) fn new(settings: ClientSettings<'_>) -> Result<Self, Failure> {
        let ClientSettings { base_url, authority, ca_file, timeout, requests_max, meter, halt } = settings;
        let refused =
            |why: String| Failure::refused_here(format!("the account store {base_url} cannot be used: {why}"));
        let url = reqwest::Url::parse(&base_url).map_err(|error| refused(format!("base_url is no URL: {error}")))?;
        let token_url = match &authority {
            Authority::Client(client) => Some(client.token_url.as_str()),
            Authority::Bearer(_) => None,
        };
        // Only where it is needed: a machine without any roots can still use a server on loopback.
        let is_secure = [Some(url.as_str()), token_url].into_iter().flatten().any(|url| url.starts_with("https:"));
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
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
            desk: Desk::new(authority),
            pace: Pace::new(requests_max),
            timeout,
            tally: Tally::default(),
            meter,
            halt,
            certificate: Mutex::default(),
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// How many requests of that operation were sent.
    pub(super) fn sent(&self, operation: Operation) -> u64 {
        self.tally.of(operation)
    }

    /// When the certificate that the server last showed ends.
    pub(super) fn certificate_end(&self) -> Option<Timestamp> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// All calls, as many at a time as the pace allows; the answers in the order of the calls.
    pub(super) async fn ask_all(self: &Arc<Self>, calls: Vec<Result<Call, Failure>>) -> Vec<Result<Value, Failure>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut tasks = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            // What stands here until the answer comes, which it does unless the task itself breaks.
            let message = "a request broke off within this program; please report this".to_owned();
            answers.push(Err(Failure::Unknown { message }));
            let client = self.clone();
            tasks.spawn(async move {
                let answer = match call {
                    Ok(call) => client.ask(&call).await,
                    Err(failure) => Err(failure),
                };
                (index, answer)
            });
        }
        while let Some(joined) = tasks.join_next().await {
            if let Ok((index, answer)) = joined
                && let Some(place) = answers.get_mut(index)
            {
                *place = answer;
            }
        }
        answers
    }

    /// One call, sent until there is an answer or no hope of one. An answer without a body is null.
    pub(super) async fn ask(&self, call: &Call) -> Result<Value, Failure> {
        let began = Instant::now();
        let delays = ExponentialBuilder::new().with_min_delay(DELAY_MIN).with_max_delay(DELAY_MAX).without_max_times();
        let mut delays = delays.build();
        let (mut attempts, mut overloads, mut may_be_done, mut is_renewed) = (0, 0, false, false);
        loop {
            let trouble = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let (after, why) = match trouble {
                Trouble::Expired(_) if !is_renewed => {
                    is_renewed = true;
                    continue;
                }
                // A refusal says nothing about an earlier attempt, which may have been carried out.
                Trouble::Expired(failure) | Trouble::Final(failure) if may_be_done && call.body.is_some() => {
                    return Err(Failure::Unknown { message: failure.to_string() });
                }
                Trouble::Expired(failure) | Trouble::Final(failure) => return Err(failure),
                Trouble::Overloaded { after, why } => {
                    overloads += 1;
                    (after, why)
                }
                Trouble::Unreached { why } => {
                    attempts += 1;
                    (None, why)
                }
                Trouble::Broken { after, status: _, why } => {
                    attempts += 1;
                    may_be_done = true;
                    (after, why)
                }
            };
            let delay = delays.next().unwrap_or(DELAY_MAX).mul_f64(random_part());
            let delay = after.map_or(delay, |after| after.min(RETRY_AFTER_MAX) + delay.min(DELAY_MIN));
            let is_over = attempts >= ATTEMPTS_MAX
                || overloads >= OVERLOADS_MAX
                || began.elapsed() + delay >= CALL_DEADLINE
                || self.halt.is_asked()
                || (may_be_done && !call.absolute);
            let operation = call.operation;
            let tried = attempts + overloads;
            let given_up = |message: String| match may_be_done {
                true => Failure::Unknown { message },
                false => Failure::Undone { message },
            };
            if is_over {
                let times = if tried == 1 { "1 attempt".to_owned() } else { format!("{tried} attempts") };
                return Err(given_up(format!("{operation} at {} gave no answer in {times}: {why}", self.base)));
            }
            tracing::debug!(%operation, tried, delay_ms = delay.as_millis(), "sent again: {why}");
            // Told to stop while it waits, it says what the last attempt came to: there is no time for another.
            tokio::select! {
                () = sleep(delay) => {}
                () = self.halt.asked() => {
                    let message = format!("{operation} at {} was not sent again, told to stop: {why}", self.base);
                    return Err(given_up(message));
                }
            }
        }
    }

    /// One attempt, with what the pace and the meter learn from it.
    async fn attempt(&self, call: &Call) -> Result<Value, Trouble> {
        let slot = tokio::select! {
            biased;
            () = self.halt.asked() => return Err(Trouble::Unreached { why: "told to stop before it was sent".to_owned() }),
            slot = self.pace.slot() => slot,
        };
        let limit = self.timeout;
        let late = || format!("no answer within {limit:?}");
        let token = timeout(limit, self.desk.header(&self.http))
            .await
            .unwrap_or_else(|_| Err(Denied::Unavailable(format!("the server that gives tokens: {}", late()))));
        let token = token.map_err(|denied| match denied {
            Denied::Refused(why) => {
                Trouble::Final(Failure::refused_here(format!("{} was not sent: {why}", call.operation)))
            }
            Denied::Unavailable(why) => Trouble::Unreached { why },
        })?;
        self.tally.count(call.operation);
        let began = Instant::now();
        let answer = timeout(limit, self.exchange(call, &token))
            .await
            .unwrap_or_else(|_| Err(Trouble::Broken { after: None, status: None, why: late() }));
        match &answer {
            Ok(_) | Err(Trouble::Final(_) | Trouble::Expired(_)) => slot.answered(),
            Err(
                Trouble::Overloaded { after, why: _ } | Trouble::Broken { after, status: Some(OVERLOADED), why: _ },
            ) => {
                slot.overloaded(*after);
            }
            Err(Trouble::Unreached { .. } | Trouble::Broken { .. }) => drop(slot),
        }
        let answer = answer.and_then(|answer| match answer.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&answer).map_err(|error| Trouble::Broken {
                after: None,
                status: None,
                why: format!("its answer cannot be read ({error}): is base_url right?"),
            }),
        });
        self.meter.tell(&Exchange {
            peer: Peer::AccountStore,
            operation: call.operation.name(),
            took: began.elapsed(),
            went: answer.as_ref().map_or_else(Trouble::went, |_| Went::Answered),
        });
        answer
    }

    /// Sends it once and reads the answer whole.
    async fn exchange(&self, call: &Call, token: &HeaderValue) -> Result<Vec<u8>, Trouble> {
        let url = format!("{}{}", self.base, call.target);
        let mut request = self.http.request(call.method.clone(), &url);
        request = request.header(AUTHORIZATION, token).header(ACCEPT, ACCEPTED);
        if let Some(version) = &call.if_match {
            request = request.header(IF_MATCH, version);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| self.unsent(call, &error))?;
        self.note_certificate(&response);
        let status = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        match status {
            200..300 => read(&mut response).await.map_err(|why| match why {
                Unread::Cut(why) => Trouble::Broken { after: None, status: None, why },
                // What was asked may well have been done.
                Unread::Large => Trouble::Broken {
                    after: None,
                    status: None,
                    why: format!("its answer is larger than {ANSWER_BYTES_MAX} bytes: is base_url right?"),
                },
            }),
            429 => Err(Trouble::Overloaded { after, why: "it answered 429, too many requests".to_owned() }),
            408 | 500 | 502 | 503 | 504 => Err(Trouble::Broken {
                after,
                status: Some(status),
                why: format!("it answered {status}; its log has more"),
            }),
            _ => {
                let body = read(&mut response).await.unwrap_or_default();
                let body = ErrorBody::of(&serde_json::from_slice(&body).unwrap_or_default());
                let failure = refusal(call.operation, &self.base, status, body, &self.desk.name());
                match status {
                    UNAUTHORIZED if self.desk.is_renewed(token).await => Err(Trouble::Expired(failure)),
                    _ => Err(Trouble::Final(failure)),
                }
            }
        }
    }

    /// A request that got no answer.
    fn unsent(&self, call: &Call, error: &reqwest::Error) -> Trouble {
        if let Some(why) = tls::objection(error, "base_url") {
            let message = format!("{} was not sent to {}: {why}", call.operation, self.base);
            return Trouble::Final(Failure::refused_here(message));
        }
        // The URL is ours, and may hold an address.
        let why = error.source().map_or_else(|| "the connection broke".to_owned(), chain);
        if error.is_connect() {
            Trouble::Unreached { why: format!("{why}; is the account store running, and is base_url its address?") }
        } else if error.is_builder() {
            Trouble::Final(Failure::refused_here(format!("{} was not sent: {why}", call.operation)))
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
enum Unread {
    Cut(String),
    Large,
}

async fn read(response: &mut reqwest::Response) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Unread::Large),
            Ok(None) => return Ok(body),
            Err(error) => {
                let why = error.source().map_or_else(|| "the connection broke".to_owned(), chain);
                return Err(Unread::Cut(format!("the answer was cut off: {why}")));
            }
        }
    }
}
