//! The admin API as a protocol: each attempt signed anew, refusals read, the server's clock noted.

use super::call::{Call, Operation};
use super::refusal::{Context, refusal};
use super::sign::Signer;
use crate::accounts::reach;
use crate::accounts::reach::failure::Failure;
use crate::accounts::reach::protocol::{Protocol, Refused};
use crate::accounts::reach::trouble::Trouble;
use crate::model::Timestamp;
use crate::web::http_date;
use http::header::{DATE, HeaderMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// What the clock difference is before the server said the time.
const SKEW_UNKNOWN: i64 = i64::MIN;

/// A client of the admin API.
pub(super) type Client = reach::client::Client<Admin>;

/// An account behind the admin API, and the key to it.
#[derive(Debug)]
pub(super) struct Admin {
    account: String,
    signer: Signer,
    /// Seconds by which the server's clock is ahead.
    ahead_s: AtomicI64,
}

impl Admin {
    pub(super) fn new(account: String, signer: Signer) -> Self {
        Self { account, signer, ahead_s: AtomicI64::new(SKEW_UNKNOWN) }
    }

    /// Seconds by which the server's clock was ahead of ours when it last said the time.
    fn ahead_s(&self) -> Option<i64> {
        Some(self.ahead_s.load(Ordering::Relaxed)).filter(|ahead| *ahead != SKEW_UNKNOWN)
    }
}

impl Client {
    /// The account that is asked about.
    pub(super) fn account(&self) -> &str {
        &self.protocol().account
    }

    /// Seconds by which the server's clock was ahead of ours when it last said the time.
    pub(super) fn ahead_s(&self) -> Option<i64> {
        self.protocol().ahead_s()
    }
}

impl Protocol for Admin {
    type Operation = Operation;
    /// A request is signed for itself.
    type Pass = ();

    const KEY: &'static str = "endpoint";
    const DOUBT: &'static str = "is endpoint the account store?";
    /// Far above a page of 200 users.
    const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Every answer has a body.
    const NO_BODY: &'static [u8] = b"";

    async fn pass(&self, _http: &reqwest::Client, _operation: Operation, _limit: Duration) -> Result<(), Trouble> {
        Ok(())
    }

    fn headers(&self, call: &Call, url: &str, (): &()) -> Result<HeaderMap, Failure> {
        self.signer.headers(call.operation, url, call.body.as_deref(), SystemTime::now())
    }

    /// Remembers how the server's clock stands to ours.
    fn hear(&self, headers: &HeaderMap) {
        let theirs = headers.get(DATE).and_then(|value| http_date(value.to_str().ok()?));
        if let Some(theirs) = theirs {
            self.ahead_s.store(theirs.as_second() - Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }

    fn too_large(&self, operation: Operation, base: &str, status: u16) -> Trouble {
        Trouble::Final(Failure::Refused {
            status: Some(status),
            kind: None,
            message: format!(
                "{operation} at {base}: the answer is larger than {} bytes, which no page of users is; {}",
                Self::ANSWER_BYTES_MAX,
                Self::DOUBT
            ),
        })
    }

    async fn refused(&self, refused: Refused<'_, Operation>, (): &()) -> Trouble {
        let (key_id, account, ahead_s) = (self.signer.key_id(), self.account.as_str(), self.ahead_s());
        Trouble::Final(refusal(&refused, &Context { key_id, account, ahead_s }))
    }
}
