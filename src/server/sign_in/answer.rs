//! The two answers: JSON for programs, headers for proxies.

use super::{Reason, Standing};
use crate::model::Email;
use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

/// `true` or `false`.
const ALLOWED: HeaderName = HeaderName::from_static("x-seat-allowed");
/// The licence of who is allowed.
const LICENCE: HeaderName = HeaderName::from_static("x-seat-licence");
/// The id of the account, where there is one.
const ACCOUNT: HeaderName = HeaderName::from_static("x-seat-account");
/// The word why somebody is not allowed.
const REASON: HeaderName = HeaderName::from_static("x-seat-reason");

/// What a header value is not written with; all that is not ASCII besides.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b'%');

/// The version of the JSON: a member may come, none goes or changes its meaning.
const FORMAT: u32 = 1;

/// The answer for programs.
#[derive(Serialize)]
pub(super) struct Spoken {
    format: u32,
    email: String,
    allowed: bool,
    licence: Option<String>,
    account: Option<String>,
    reason: Option<&'static str>,
    message: &'static str,
}

/// What a program gets in place of an answer.
#[derive(Serialize)]
struct Complaint<'a> {
    format: u32,
    message: &'a str,
}

impl Spoken {
    /// The answer about that person.
    pub(super) fn about(email: &Email, standing: Standing) -> Self {
        let email = email.as_str().to_owned();
        match standing {
            Standing::Allowed { account, licence } => Self {
                format: FORMAT,
                email,
                allowed: true,
                licence: Some(licence),
                account: Some(account),
                reason: None,
                message: ALLOWED_SENTENCE,
            },
            Standing::Denied { reason, account } => Self {
                format: FORMAT,
                email,
                allowed: false,
                licence: None,
                account,
                reason: Some(reason.word()),
                message: reason.sentence(),
            },
        }
    }

    /// No answer.
    pub(super) fn complaint(status: StatusCode, message: &str) -> Response {
        (status, [(header::CACHE_CONTROL, NO_STORE)], Json(Complaint { format: FORMAT, message })).into_response()
    }
}

impl IntoResponse for Spoken {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, NO_STORE)], Json(self)).into_response()
    }
}

/// The answer for proxies. The body is for the person: some proxies show it.
pub(super) struct Forwarded(pub(super) Standing);

impl Forwarded {
    /// No answer.
    pub(super) fn complaint(status: StatusCode, message: &str) -> Response {
        (status, headers(false, None, None, None), format!("{message}\n")).into_response()
    }
}

impl IntoResponse for Forwarded {
    fn into_response(self) -> Response {
        match self.0 {
            Standing::Allowed { account, licence } => {
                let headers = headers(true, Some(&licence), Some(&account), None);
                (StatusCode::OK, headers, format!("{ALLOWED_SENTENCE}\n")).into_response()
            }
            Standing::Denied { reason, account } => {
                let headers = headers(false, None, account.as_deref(), Some(reason));
                (StatusCode::FORBIDDEN, headers, format!("{}\n", reason.sentence())).into_response()
            }
        }
    }
}

const ALLOWED_SENTENCE: &str = "This person may sign in.";
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn headers(allowed: bool, licence: Option<&str>, account: Option<&str>, reason: Option<Reason>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(ALLOWED, HeaderValue::from_static(if allowed { "true" } else { "false" }));
    for (name, text) in [(LICENCE, licence), (ACCOUNT, account), (REASON, reason.map(Reason::word))] {
        // What is left after encoding is printable ASCII, so that there is always a value.
        let value = text.and_then(|text| HeaderValue::from_str(&in_ascii(text)).ok());
        value.map(|value| headers.insert(name, value));
    }
    headers
}

/// A text as a header carries it: all but printable ASCII percent-encoded, and `%` too, so that it can be undone.
fn in_ascii(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_HEADERS).to_string()
}
