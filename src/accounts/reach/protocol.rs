//! What a protocol has of its own, where everything else of a client is shared.

use super::call::{Call, Operation};
use super::failure::Failure;
use super::trouble::Trouble;
use http::header::HeaderMap;
use std::fmt::Debug;
use std::time::Duration;

/// A protocol, and who we are in it.
pub(in crate::accounts) trait Protocol: Debug + Send + Sync + 'static {
    /// What can be asked for.
    type Operation: Operation;
    /// What is shown to the server with an attempt, where that must be got first.
    type Pass: Send + Sync;

    /// The key of the configuration that says where the server is.
    const KEY: &'static str;
    /// What to ask oneself when what answers there does not speak the protocol.
    const DOUBT: &'static str;
    /// The largest answer that is read, in bytes.
    const ANSWER_BYTES_MAX: usize;
    /// What an answer without a body stands for, in JSON.
    const NO_BODY: &'static [u8];

    /// Another server that is asked over the same connections, by its URL.
    fn other_server(&self) -> Option<&str> {
        None
    }

    /// Gets what an attempt shows; `limit` is how long that may take. Nothing of the call has been sent so far.
    fn pass(
        &self,
        http: &reqwest::Client,
        operation: Self::Operation,
        limit: Duration,
    ) -> impl Future<Output = Result<Self::Pass, Trouble>> + Send;

    /// The headers of one attempt, all but those that the connection adds.
    fn headers(&self, call: &Call<Self::Operation>, url: &str, pass: &Self::Pass) -> Result<HeaderMap, Failure>;

    /// The headers of any answer, for what they say of the server.
    fn hear(&self, _headers: &HeaderMap) {}

    /// A good answer without a secret that it quotes where words for people stand in it.
    fn cleaned(&self, _operation: Self::Operation, answer: Vec<u8>, _pass: &Self::Pass) -> Vec<u8> {
        answer
    }

    /// What an answer comes to that is larger than [`Self::ANSWER_BYTES_MAX`].
    fn too_large(&self, operation: Self::Operation, base: &str, status: u16) -> Trouble;

    /// What a refusal comes to: `Final`, or `Expired` where another pass may be taken.
    fn refused(&self, refused: Refused<'_, Self::Operation>, pass: &Self::Pass)
    -> impl Future<Output = Trouble> + Send;
}

/// A refusal of the whole request, as it came.
pub(in crate::accounts) struct Refused<'a, O> {
    /// What was asked for.
    pub(in crate::accounts) operation: O,
    /// Where the server is.
    pub(in crate::accounts) base: &'a str,
    /// The status.
    pub(in crate::accounts) status: u16,
    /// The headers.
    pub(in crate::accounts) headers: &'a HeaderMap,
    /// The body; empty where it could not be read.
    pub(in crate::accounts) body: &'a [u8],
}
