//! A request to the admin API on its way: body, admission, operation, answer.

use super::admission::{Admission, Admitted, Denied, changes};
use super::api::route::{Asked, Operation, Unrouted, route};
use super::api::{Api, Asker, Fault, Reply, unknown_operation};
use super::command::{self, Command, CommandError};
use super::desk::{Caller, Desk};
use super::dns::Proof;
use super::keys::Keys;
use super::rate::Rate;
use crate::listen::{BodyError, Deadline, Peer, REQUEST_TIME, collect_body};
use crate::model::Timestamp;
use crate::wire::{ErrorBody, Exception, HEADER_ERROR_TYPE, HEADER_REQUEST_ID};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use hyper::body::{Body as _, SizeHint};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Bodies up to so many bytes are taken as they come; those of SDKs are smaller.
const BODY_BYTES_SMALL: usize = 32 * 1024;
/// What the larger ones take of the memory together, in bytes: while they come nobody has proven a key.
const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What answering needs.
pub(super) struct Front {
    pub api: Api,
    pub desk: Desk,
    pub keys: Arc<Keys>,
    /// How often each SCIM client may ask.
    pub scim_rate: Rate,
    /// What URLs of this server begin with, where the operator says so; without a slash at its end.
    pub public_url: Option<String>,
    /// `http` or `https`.
    pub scheme: &'static str,
    pub dns: Proof,
    pub admission: Admission,
    pub body_bytes_max: usize,
    /// For large bodies; a permit is a byte.
    pub room: Semaphore,
    /// Told when somebody was invited.
    pub wake: Arc<Notify>,
}

/// Answers everything that is no page for people and no question of a proxy.
pub(super) async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let deadline = parts.extensions.get::<Deadline>().map_or_else(|| Instant::now() + REQUEST_TIME, |it| it.0);
    // Held until the request is answered.
    let (collected, _room) = match front.room_for(&body.size_hint(), deadline).await {
        Ok(room) => (collect_body(body, front.body_bytes_max, deadline).await, room),
        Err(error) => (Err(error), None),
    };
    let (result, closes) = match collected {
        Ok(body) => (front.carry_out(&parts, &body, &id).await, false),
        Err(error) => {
            let exception = match &error {
                BodyError::TooLarge { .. } | BodyError::Broken { .. } => Exception::BadRequest,
                BodyError::Slow => Exception::ServiceUnavailable,
            };
            (Err(Fault::new(exception, error.to_string())), true)
        }
    };
    if let Err(fault) = &result {
        let (method, path, status) = (&parts.method, parts.uri.path(), fault.exception.status());
        let peer = peer.map(|Peer(address)| address.to_string()).unwrap_or_default();
        // Neither the query nor the message: addresses of people stand there.
        tracing::debug!(request = %id, %peer, %method, path, status, "refused: {}", fault.exception.name());
    }
    written(result, &id, closes)
}

/// Room for large bodies, one of the largest at least.
pub(super) fn room(body_bytes_max: usize) -> Semaphore {
    Semaphore::new(BODIES_BYTES_MAX.max(body_bytes_max).min(Semaphore::MAX_PERMITS))
}

impl Front {
    /// Waits until there is room for the body, if it is a large one. Of one that is too large nothing is kept.
    pub(super) async fn room_for(
        &self,
        hint: &SizeHint,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, BodyError> {
        let bytes = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
        let largest = hint.upper().map_or(self.body_bytes_max, bytes).min(self.body_bytes_max);
        if largest <= BODY_BYTES_SMALL || bytes(hint.lower()) > self.body_bytes_max {
            return Ok(None);
        }
        let permits = u32::try_from(largest).unwrap_or(u32::MAX);
        match timeout_at(deadline, self.room.acquire_many(permits)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            Ok(Err(_)) | Err(_) => Err(BodyError::Slow),
        }
    }

    async fn carry_out(&self, parts: &Parts, body: &Bytes, id: &str) -> Result<Reply, Fault> {
        let told = |denied: Denied| {
            tracing::info!(request = %id, "not admitted: {}", denied.cause);
            fault(denied)
        };
        let admitted = self.admission.admit(parts, body, Timestamp::now()).map_err(told)?;
        let result = self.admitted(&admitted, parts, body, &told).await;
        admitted.settle(result.as_ref().map_or_else(|fault| fault.exception.status(), |reply| reply.status));
        result
    }

    /// `told` is told of what the key may not do.
    async fn admitted(
        &self,
        admitted: &Admitted,
        parts: &Parts,
        body: &[u8],
        told: &(impl Fn(Denied) -> Fault + Sync),
    ) -> Result<Reply, Fault> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = route(&parts.method, parts.uri.path(), query).map_err(|unrouted| match unrouted {
            Unrouted::Unknown => unknown_operation(),
            Unrouted::Malformed(why) => Fault::new(Exception::BadRequest, why),
        })?;
        if let Some(account) = &asked.account {
            admitted.require_account(account).map_err(told)?;
        }
        let caller = Caller::new(admitted.key_id());
        match asked.operation {
            Operation::Command => self.command(admitted, &caller, body, told).await,
            _ => {
                if changes(&parts.method) {
                    admitted.require_change().map_err(told)?;
                }
                let scope = admitted.key().accounts().cloned().map(Arc::new);
                let reply = self.api.perform(&Asker { caller, scope }, &asked, body).await;
                self.tell_outbox(&asked);
                reply
            }
        }
    }

    async fn command(
        &self,
        admitted: &Admitted,
        caller: &Caller,
        body: &[u8],
        told: &(impl Fn(Denied) -> Fault + Sync),
    ) -> Result<Reply, Fault> {
        let command: Command = serde_json::from_slice(body)
            .map_err(|error| Fault::new(Exception::BadRequest, format!("the body is no command: {error}")))?;
        if !command.is_read_only() {
            admitted.require_change().map_err(told)?;
        }
        match command.account() {
            Some(account) => admitted.require_account(account.as_str()).map_err(told)?,
            None => admitted.require_all_accounts().map_err(told)?,
        }
        let texts_of = async |domain: String| self.dns.texts(&domain).await.map_err(|error| error.to_string());
        let answer = command::answer(&self.desk, caller, command, texts_of).await;
        self.wake.notify_one();
        match answer {
            Ok(answer) => {
                let body = serde_json::to_vec(&answer)
                    .map_err(|error| Fault::new(Exception::ServiceFailure, error.to_string()))?;
                Ok(Reply { status: 200, body: Some(body) })
            }
            Err(CommandError::Refused(refusal)) => Err(refusal.into()),
            Err(CommandError::Unproved { message }) => Err(Fault::new(Exception::ServiceUnavailable, message)),
            Err(CommandError::Desk(error)) => Err(error.into()),
        }
    }

    fn tell_outbox(&self, asked: &Asked) {
        if asked.operation == Operation::InviteUsers {
            self.wake.notify_one();
        }
    }
}

/// The answer in place of one that did not come. Whether the request was carried out is open.
pub(super) fn too_late() -> Response {
    let exception = Exception::ServiceUnavailable;
    let message = "the request was not answered in time; look whether it was carried out before it is sent again";
    let body = ErrorBody { code: Some(exception.code()), message: Some(message.to_owned()) };
    let mut answer = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(HEADER_ERROR_TYPE, HeaderValue::from_static(exception.name()));
    answer
}

fn fault(Denied { exception, message, retry_after, cause: _ }: Denied) -> Fault {
    Fault { retry_after: retry_after.map(u64::from), ..Fault::new(exception, message) }
}

/// The answer in HTTP, with the headers that SDKs look at.
fn written(result: Result<Reply, Fault>, id: &str, closes: bool) -> Response {
    let (status, body, exception, retry_after) = match result {
        Ok(Reply { status, body }) => (status, body, None, None),
        Err(Fault { exception, code, message, retry_after }) => {
            let body = serde_json::to_vec(&ErrorBody { code: Some(code), message: Some(message) });
            (exception.status(), body.ok(), Some(exception), retry_after)
        }
    };
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if status != 204 {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HEADER_REQUEST_ID, id);
    }
    if let Some(exception) = exception {
        headers.insert(HEADER_ERROR_TYPE, HeaderValue::from_static(exception.name()));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if closes {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_too_late_is_told_in_the_words_of_the_api() {
        let (head, body) = too_late().into_parts();
        assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(head.headers[HEADER_ERROR_TYPE], "ServiceUnavailableException");
        assert_eq!(head.headers[header::CONNECTION], "close");
        let body = axum::body::to_bytes(body, 1_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["Code"], "ServiceUnavailable");
        assert!(body["Message"].as_str().unwrap().starts_with("the request was not answered in time"));
    }
}
