//! One call to an answer: at the pace the server can bear, and sent again where that is safe.
//!
//! What comes back is a parsed answer or a [`Failure`] that says whether anything may have been done. Sent again is what
//! surely was not done (a refusal for want of capacity, a connection that never stood), and, if the call is absolute, what
//! may have been.
//!
//! Deliberately absent: any knowledge of users and seats, and of the protocol, which is a [`Protocol`].

use super::call::{Call, Operation as _};
use super::failure::Failure;
use super::line::{Line, LineSettings, Unread, read};
use super::pace::{Pace, RETRY_AFTER_MAX};
use super::protocol::{Protocol, Refused};
use super::tally::Tally;
use super::trouble::Trouble;
use crate::halt::Halt;
use crate::model::{Exchange, Meter, Peer, Timestamp, Went};
use crate::web::{random_part, retry_after};
use backon::{BackoffBuilder, ExponentialBuilder};
use http::header::RETRY_AFTER;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
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
/// Whoever waits that long is told why.
const DELAY_TOLD: Duration = Duration::from_secs(30);
/// No capacity, and yet it may have been done.
const OVERLOADED: u16 = 503;

/// What a client is made of.
#[derive(Debug)]
pub(in crate::accounts) struct ClientSettings<'a, P> {
    /// Where the targets of the calls begin.
    pub(in crate::accounts) base: String,
    /// What is spoken there.
    pub(in crate::accounts) protocol: P,
    /// Certificates to trust instead of the system's.
    pub(in crate::accounts) ca_file: Option<&'a Path>,
    /// For one attempt of one request.
    pub(in crate::accounts) timeout: Duration,
    /// Most requests at one time.
    pub(in crate::accounts) requests_max: usize,
    /// Where each attempt of a request is told.
    pub(in crate::accounts) meter: Meter,
    /// When it is asked, nothing is waited for and nothing sent again.
    pub(in crate::accounts) halt: Halt,
}

/// A line, a protocol and a pace.
#[derive(Debug)]
pub(in crate::accounts) struct Client<P: Protocol> {
    line: Line,
    protocol: P,
    pace: Pace,
    timeout: Duration,
    tally: Tally<P::Operation>,
    meter: Meter,
    halt: Halt,
}

impl<P: Protocol> Client<P> {
    /// Makes everything ready; nothing is asked yet.
    pub(in crate::accounts) fn new(settings: ClientSettings<'_, P>) -> Result<Self, Failure> {
        let ClientSettings { base, protocol, ca_file, timeout, requests_max, meter, halt } = settings;
        let line = Line::new(LineSettings {
            base: &base,
            key: P::KEY,
            other_server: protocol.other_server(),
            ca_file,
            timeout,
            requests_max,
        })?;
        Ok(Self { line, protocol, pace: Pace::new(requests_max), timeout, tally: Tally::new(), meter, halt })
    }

    /// Where the server is, without a slash at the end.
    pub(in crate::accounts) fn base(&self) -> &str {
        self.line.base()
    }

    /// What is spoken there.
    pub(in crate::accounts) fn protocol(&self) -> &P {
        &self.protocol
    }

    /// How many requests of that operation were sent.
    pub(in crate::accounts) fn sent(&self, operation: P::Operation) -> u64 {
        self.tally.of(operation)
    }

    /// When the certificate that the server last showed ends.
    pub(in crate::accounts) fn certificate_end(&self) -> Option<Timestamp> {
        self.line.certificate_end()
    }

    /// All calls, as many at a time as the pace allows; the answers in the order of the calls.
    pub(in crate::accounts) async fn ask_all<T: DeserializeOwned + Send + 'static>(
        self: &Arc<Self>,
        calls: Vec<Result<Call<P::Operation>, Failure>>,
    ) -> Vec<Result<T, Failure>> {
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

    /// One call, sent until there is an answer or no hope of one.
    pub(in crate::accounts) async fn ask<T: DeserializeOwned>(&self, call: &Call<P::Operation>) -> Result<T, Failure> {
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
            let (operation, base) = (call.operation, self.base());
            let tried = attempts + overloads;
            let given_up = |message: String| match may_be_done {
                true => Failure::Unknown { message },
                false => Failure::Undone { message },
            };
            if is_over {
                let times = if tried == 1 { "1 attempt".to_owned() } else { format!("{tried} attempts") };
                return Err(given_up(format!("{operation} at {base} gave no answer in {times}: {why}")));
            }
            match delay >= DELAY_TOLD {
                true => tracing::info!("{operation} at {base} is sent again in {} s: {why}", delay.as_secs()),
                false => tracing::debug!(%operation, tried, delay_ms = delay.as_millis(), "sent again: {why}"),
            }
            // Told to stop while it waits, it says what the last attempt came to: there is no time for another.
            tokio::select! {
                () = sleep(delay) => {}
                () = self.halt.asked() => {
                    let message = format!("{operation} at {base} was not sent again, told to stop: {why}");
                    return Err(given_up(message));
                }
            }
        }
    }

    /// One attempt, with what the pace and the meter learn from it.
    async fn attempt<T: DeserializeOwned>(&self, call: &Call<P::Operation>) -> Result<T, Trouble> {
        let slot = tokio::select! {
            biased;
            () = self.halt.asked() => return Err(Trouble::Unreached { why: "told to stop before it was sent".to_owned() }),
            slot = self.pace.slot() => slot,
        };
        let limit = self.timeout;
        let pass = self.protocol.pass(self.line.http(), call.operation, limit).await?;
        self.tally.count(call.operation);
        let began = Instant::now();
        let answer = timeout(limit, self.exchange(call, &pass)).await.unwrap_or_else(|_| {
            Err(Trouble::Broken { after: None, status: None, why: format!("no answer within {limit:?}") })
        });
        match &answer {
            Ok(_) | Err(Trouble::Final(_) | Trouble::Expired(_)) => slot.answered(),
            Err(
                Trouble::Overloaded { after, why: _ } | Trouble::Broken { after, status: Some(OVERLOADED), why: _ },
            ) => {
                slot.overloaded(*after);
            }
            Err(Trouble::Unreached { .. } | Trouble::Broken { .. }) => drop(slot),
        }
        let answer = answer.and_then(|answer| {
            let answer = if answer.is_empty() { P::NO_BODY } else { &answer };
            serde_json::from_slice(answer).map_err(|error| Trouble::Broken {
                after: None,
                status: None,
                why: format!("its answer cannot be read ({error}): {}", P::DOUBT),
            })
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
    async fn exchange(&self, call: &Call<P::Operation>, pass: &P::Pass) -> Result<Vec<u8>, Trouble> {
        let (operation, base) = (call.operation, self.base());
        let url = format!("{base}{}", call.target);
        let headers = self.protocol.headers(call, &url, pass).map_err(Trouble::Final)?;
        let mut response = self.line.send(call, &url, headers).await?;
        self.protocol.hear(response.headers());
        let status = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        match status {
            200..300 => match read(&mut response, P::ANSWER_BYTES_MAX).await {
                Ok(answer) => Ok(self.protocol.cleaned(operation, answer, pass)),
                Err(Unread::Cut(why)) => Err(Trouble::Broken { after: None, status: None, why }),
                Err(Unread::Large) => Err(self.protocol.too_large(operation, base, status)),
            },
            429 => Err(Trouble::Overloaded { after, why: "it answered 429, too many requests".to_owned() }),
            408 | 500 | 502 | 503 | 504 => Err(Trouble::Broken {
                after,
                status: Some(status),
                why: format!("it answered {status}; its log has more"),
            }),
            _ => {
                let body = read(&mut response, P::ANSWER_BYTES_MAX).await.unwrap_or_default();
                let refused = Refused { operation, base, status, headers: response.headers(), body: &body };
                Err(self.protocol.refused(refused, pass).await)
            }
        }
    }
}
