//! SCIM as a protocol: a token in each request, refusals read, another token where one is not taken any more.

use super::call::{Call, Operation};
use super::messages::{ACCEPTED, ErrorBody, MEDIA_TYPE, bulk_without};
use super::refusal::refusal;
use super::token::{Authority, Denied, Desk};
use crate::accounts::reach;
use crate::accounts::reach::failure::Failure;
use crate::accounts::reach::protocol::{Protocol, Refused};
use crate::accounts::reach::trouble::Trouble;
use crate::web::chain;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH};
use std::time::Duration;
use tokio::time::timeout;

/// The token is not taken.
const UNAUTHORIZED: u16 = 401;

/// A client of a SCIM server. An answer without a body is null.
pub(super) type Client = reach::client::Client<Bearer>;

/// SCIM with a bearer token.
#[derive(Debug)]
pub(super) struct Bearer {
    desk: Desk,
}

impl Bearer {
    pub(super) fn new(authority: Authority) -> Self {
        Self { desk: Desk::new(authority) }
    }
}

impl Protocol for Bearer {
    type Operation = Operation;
    /// The header with the token.
    type Pass = HeaderValue;

    const KEY: &'static str = "base_url";
    const DOUBT: &'static str = "is base_url right?";
    /// Far above a page of a thousand users.
    const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
    /// What was done may be answered with 204 (RFC 7644 3.5.2).
    const NO_BODY: &'static [u8] = b"null";

    fn other_server(&self) -> Option<&str> {
        self.desk.token_url()
    }

    async fn pass(
        &self,
        http: &reqwest::Client,
        operation: Operation,
        limit: Duration,
    ) -> Result<HeaderValue, Trouble> {
        let token = timeout(limit, self.desk.header(http)).await.unwrap_or_else(|_| {
            Err(Denied::Unavailable(format!("the server that gives tokens: no answer within {limit:?}")))
        });
        token.map_err(|denied| match denied {
            Denied::Refused(why) => Trouble::Final(Failure::not_sent(operation, why)),
            Denied::Unavailable(why) => Trouble::Unreached { why },
        })
    }

    fn headers(&self, call: &Call, _url: &str, token: &HeaderValue) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        if let Some(version) = &call.if_match {
            let version = HeaderValue::from_str(version);
            headers.insert(IF_MATCH, version.map_err(|error| Failure::not_sent(call.operation, chain(&error)))?);
        }
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        }
        Ok(headers)
    }

    /// A bulk is answered with 200 whatever became of its operations, and each refusal in it has words of the server.
    fn cleaned(&self, operation: Operation, answer: Vec<u8>, token: &HeaderValue) -> Vec<u8> {
        match operation {
            Operation::Bulk => bulk_without(answer, secret(token)),
            Operation::Discover
            | Operation::List
            | Operation::Search
            | Operation::Read
            | Operation::Create
            | Operation::Change
            | Operation::Remove
            | Operation::Groups
            | Operation::Members => answer,
        }
    }

    /// What was asked may well have been done.
    fn too_large(&self, _operation: Operation, _base: &str, _status: u16) -> Trouble {
        let why = format!("its answer is larger than {} bytes: {}", Self::ANSWER_BYTES_MAX, Self::DOUBT);
        Trouble::Broken { after: None, status: None, why }
    }

    async fn refused(&self, refused: Refused<'_, Operation>, token: &HeaderValue) -> Trouble {
        let Refused { operation, base, status, headers: _, body } = refused;
        // A server, or what stands before it, may quote the request: the token is for no log.
        let body = ErrorBody::of(&serde_json::from_slice(body).unwrap_or_default()).without(secret(token));
        let failure = refusal(operation, base, status, body, &self.desk.name());
        match status {
            UNAUTHORIZED if self.desk.is_renewed(token).await => Trouble::Expired(failure),
            _ => Trouble::Final(failure),
        }
    }
}

/// The token in its header.
fn secret(token: &HeaderValue) -> &str {
    token.to_str().unwrap_or_default().trim_start_matches("Bearer ")
}
