//! Who may ask: a request is admitted, or denied in words.
//!
//! ```text
//! signed? -> when? -> known key and right signature? -> too often? -> for the first time? -> Admitted
//! ```
//!
//! The order is one of cost and of silence: what can be refused without any key is refused first; an unknown key and a wrong
//! secret are refused by the same steps and in the same words; only who has proven a key takes from its bucket.
//!
//! Everything but GET and HEAD may change something, and is carried out once (see [`replay`](super::replay)). Reading twice
//! does no harm, and SDKs send identical requests within one second.
//!
//! Which accounts a request is about, and whether it changes anything, is not in its method: who carries it out asks
//! [`Admitted::require_account`] and [`Admitted::require_change`] first.
//!
//! Deliberately absent: logging (the routes log a [`Denied`] with its [`Cause`]), what an account is, any `async`.

use super::keys::{Key, KeyRing, Keys};
use super::rate::{Rate, RateLimit};
use super::replay::{Guard, ReplayError, Replays};
use crate::model::Timestamp;
use crate::wire::signature::{Authorization, SignatureError, SignedRequest, time};
use crate::wire::{Exception, SERVICE};
use http::Method;
use http::request::Parts;
use secrecy::ExposeSecret;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How far a client's clock may be off, unless configured, in seconds.
pub const CLOCK_SKEW_SECONDS_DEFAULT: u64 = 300;
/// How far it may be configured to be off, in seconds: signatures are kept for as long.
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 900;

/// What unknown keys are checked with, so that they take as long as known ones. As long as those that we issue.
const NOBODYS_SECRET: &str = "----------------------------------------";

/// How strict it is.
#[derive(Clone, Debug)]
pub struct AdmissionSettings {
    /// How far a client's clock may be off, either way.
    pub clock_skew: Duration,
    /// How often each key may ask.
    pub rate: RateLimit,
    /// The region that requests must be signed for; `None` lets all pass.
    pub region: Option<String>,
    /// When the server started: changes signed in an earlier second are sent back to be signed again, since nobody remembers
    /// which of them were carried out.
    pub started: Timestamp,
}

impl AdmissionSettings {
    /// The defaults of a server that starts now.
    pub fn new(started: Timestamp) -> Self {
        let clock_skew = Duration::from_secs(CLOCK_SKEW_SECONDS_DEFAULT);
        Self { clock_skew, rate: RateLimit::default(), region: None, started }
    }
}

/// The door.
#[derive(Debug)]
pub struct Admission {
    keys: Arc<Keys>,
    rate: Rate,
    replays: Arc<Replays>,
    skew_seconds: i64,
    region: Option<String>,
}

/// Why a request was denied, for the log of the server: the client is not told all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No signature.
    Unsigned,
    /// A signature that cannot be read, or does not cover what it must.
    Malformed,
    /// The clocks differ.
    Skewed,
    /// No such key.
    UnknownKey,
    /// Another secret, or changed on the way.
    WrongSignature,
    /// Too often.
    TooOften,
    /// A key that may only read.
    ReadOnly,
    /// A key for other accounts.
    OutOfReach,
    /// Carried out already.
    Replayed,
    /// Too many changes to remember.
    ReplaysFull,
    /// Signed before the server started.
    BeforeStart,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "not signed",
            Self::Malformed => "signature malformed or incomplete",
            Self::Skewed => "clocks differ",
            Self::UnknownKey => "unknown key",
            Self::WrongSignature => "wrong signature",
            Self::TooOften => "too often",
            Self::ReadOnly => "key may only read",
            Self::OutOfReach => "key is for other accounts",
            Self::Replayed => "carried out already",
            Self::ReplaysFull => "too many changes",
            Self::BeforeStart => "signed before the start",
        })
    }
}

/// The answer to a request that is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What it is in the contract, with its status and code.
    pub exception: Exception,
    /// For who asked.
    pub message: String,
    /// For the `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
    /// For the log.
    pub cause: Cause,
}

impl Denied {
    fn new(exception: Exception, cause: Cause, message: impl Into<String>) -> Self {
        Self { exception, message: message.into(), retry_after: None, cause }
    }

    fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<SignatureError> for Denied {
    fn from(error: SignatureError) -> Self {
        let cause = match &error {
            SignatureError::Unsigned => Cause::Unsigned,
            SignatureError::Mismatch => Cause::WrongSignature,
            SignatureError::Presigned
            | SignatureError::Malformed(_)
            | SignatureError::Scope { .. }
            | SignatureError::NotCovered(_)
            | SignatureError::Missing(_)
            | SignatureError::Repeated(_)
            | SignatureError::Time(_)
            | SignatureError::SessionToken
            | SignatureError::Path
            | SignatureError::Body => Cause::Malformed,
        };
        Self::new(Exception::UnauthorizedClient, cause, error.to_string())
    }
}

impl From<ReplayError> for Denied {
    fn from(error: ReplayError) -> Self {
        let message = error.to_string();
        match error {
            ReplayError::Repeated => Self::new(Exception::UnauthorizedClient, Cause::Replayed, message),
            ReplayError::Full { retry_after } => {
                Self::new(Exception::ThrottledClient, Cause::ReplaysFull, message).after(retry_after)
            }
            // 503, since every SDK signs again and repeats that.
            ReplayError::BeforeStart => Self::new(Exception::ServiceUnavailable, Cause::BeforeStart, message).after(1),
        }
    }
}

/// A request whose sender has proven a key. Made by [`Admission::admit`] only.
#[derive(Debug)]
#[must_use = "the answer decides whether the same request is heard again: settle it"]
pub struct Admitted {
    key: Arc<Key>,
    /// Of requests that change something.
    guard: Option<Guard>,
}

impl Admitted {
    /// Who asks.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Who asks: the access key id, for the audit log.
    pub fn key_id(&self) -> &str {
        self.key.id()
    }

    /// Whether the key may change anything.
    pub fn may_change(&self) -> bool {
        self.key.may_change()
    }

    /// Whether the key is for this account: what is listed is what is reached.
    pub fn reaches(&self, account: &str) -> bool {
        self.key.reaches(account)
    }

    /// Denies a key that may only read.
    pub fn require_change(&self) -> Result<(), Denied> {
        if self.key.may_change() {
            return Ok(());
        }
        let message = format!("the key {} may only read; ask with a key whose access is \"change\"", self.key.id());
        Err(Denied::new(Exception::AccessDenied, Cause::ReadOnly, message))
    }

    /// Denies a key for other accounts, whether there is such an account or not.
    pub fn require_account(&self, account: &str) -> Result<(), Denied> {
        if self.key.reaches(account) {
            return Ok(());
        }
        let message = format!(
            "the key {} is not for the account {account:?}; ask with another key, or have the account added to this one",
            self.key.id()
        );
        Err(Denied::new(Exception::AccessDenied, Cause::OutOfReach, message))
    }

    /// Denies a key that is for some accounts only: to make a new one.
    pub fn require_all_accounts(&self) -> Result<(), Denied> {
        if self.key.accounts().is_none() {
            return Ok(());
        }
        let message = format!("the key {} is for some accounts only; this takes a key for all of them", self.key.id());
        Err(Denied::new(Exception::AccessDenied, Cause::OutOfReach, message))
    }

    /// Says how it was answered: what was refused or has failed (400 and above) may be sent again as it was.
    ///
    /// Without it (the client hung up) the request counts as carried out.
    pub fn settle(self, status: u16) {
        if let Some(guard) = self.guard {
            guard.settle(status);
        }
    }
}

impl Admission {
    /// A door with full buckets and no memory.
    pub fn new(keys: Arc<Keys>, settings: AdmissionSettings) -> Self {
        let AdmissionSettings { clock_skew, rate, region, started } = settings;
        let skew_seconds = i64::try_from(clock_skew.as_secs().min(CLOCK_SKEW_SECONDS_MAX)).unwrap_or_default();
        let replays = Replays::new(skew_seconds, started.as_second());
        Self { keys, rate: Rate::new(rate), replays, skew_seconds, region }
    }

    /// Admits a request or denies it. `parts` must be as they came, the path not yet cut by a router; `now` must be of now,
    /// not of before the body was read.
    pub fn admit(&self, parts: &Parts, body: &[u8], now: Timestamp) -> Result<Admitted, Denied> {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let request = SignedRequest { method: &parts.method, path, query, headers: &parts.headers, body };
        let authorization = Authorization::of(request.headers, query)?;
        authorization.expect(SERVICE, self.region.as_deref())?;
        let signed = time(request.headers)?;
        self.check_clock(signed, now)?;
        let key = check_key(&self.keys.current(), &authorization, &request)?;
        self.rate.take(key.id(), Instant::now()).map_err(|seconds| {
            let message = format!("the key {} asks too often; wait {seconds} s, and then less often", key.id());
            Denied::new(Exception::ThrottledClient, Cause::TooOften, message).after(seconds)
        })?;
        let guard = if changes(&parts.method) {
            Some(self.replays.begin(authorization.digest(), signed.as_second(), now.as_second())?)
        } else {
            None
        };
        Ok(Admitted { key, guard })
    }

    fn check_clock(&self, signed: Timestamp, now: Timestamp) -> Result<(), Denied> {
        let seconds = now.as_second() - signed.as_second();
        if seconds.abs() <= self.skew_seconds {
            return Ok(());
        }
        let message = format!(
            "the request was signed at {}, and here it is {}: {} s apart, and at most {} s are accepted; set the clock of the client or of this server right",
            shown(signed),
            shown(now),
            seconds.abs(),
            self.skew_seconds
        );
        Err(Denied::new(Exception::UnauthorizedClient, Cause::Skewed, message))
    }
}

/// Whether a request with this method may change something.
pub fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// The key that the request is signed with. For an unknown one the same is done, and the same is said, as for a wrong secret.
fn check_key(ring: &KeyRing, authorization: &Authorization, request: &SignedRequest<'_>) -> Result<Arc<Key>, Denied> {
    let key = ring.find(authorization.key_id());
    let secret = key.map_or(NOBODYS_SECRET, |key| key.secret().expose_secret());
    let verified = authorization.verify(request, secret);
    let Some(key) = key else {
        let denied = Denied::from(verified.err().unwrap_or(SignatureError::Mismatch));
        let is_wrong = denied.cause == Cause::WrongSignature;
        return Err(Denied { cause: if is_wrong { Cause::UnknownKey } else { denied.cause }, ..denied });
    };
    verified?;
    Ok(Arc::clone(key))
}

fn shown(time: Timestamp) -> impl fmt::Display {
    time.strftime("%Y-%m-%dT%H:%M:%SZ")
}

#[cfg(test)]
mod tests;
