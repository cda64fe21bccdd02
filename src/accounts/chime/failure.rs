//! Why a call gave no answer, by what the caller does next, in words for the operator.

use super::call::Operation;
use crate::accounts::AccountsError;
use crate::wire::{ErrorBody, ErrorCode, Exception};

/// Longest text of a server that is passed on, in characters.
const SERVER_WORDS_CHARS_MAX: usize = 300;

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server says no, or must not be asked: sent again it would say no again.
    #[error("{message}")]
    Refused {
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Certainly nothing was done: try again later.
    #[error("{message}")]
    Undone {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// It may have been done.
    #[error("{message}")]
    Unknown {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

impl Failure {
    /// Refused before anything was sent.
    pub(super) fn refused_here(operation: Operation, why: String) -> Self {
        Self::Refused { status: None, message: format!("{operation} was not sent: {why}") }
    }

    /// A key that cannot stand in a path.
    pub(super) fn unusable_key(key: &str) -> Self {
        let message = format!("{key:?} cannot be the id of an account or a user; nothing was sent");
        Self::Refused { status: None, message }
    }

    /// Whether the server knows no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: Some(404), .. })
    }

    /// Whether one bad item may have spoilt the whole request, so that the others are worth another.
    pub(super) fn may_be_one_item(&self) -> bool {
        matches!(self, Self::Refused { status: Some(400 | 409 | 413 | 422), .. })
    }
}

impl From<Failure> for AccountsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { status: _, message } => Self::Refused { message },
            Failure::Undone { message } | Failure::Unknown { message } => Self::Unavailable { message },
        }
    }
}

/// What a refusal is about, for the words.
pub(super) struct Refused<'a> {
    pub(super) operation: Operation,
    pub(super) endpoint: &'a str,
    pub(super) key_id: &'a str,
    pub(super) account: &'a str,
    pub(super) status: u16,
    /// `x-amzn-ErrorType`.
    pub(super) error_type: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// Seconds by which the server's clock is ahead of ours, where it said the time.
    pub(super) ahead_s: Option<i64>,
}

/// A refusal of the whole request, with what to do about it.
pub(super) fn refusal(refused: &Refused<'_>) -> Failure {
    let Refused { operation, endpoint, key_id, account, status, error_type, body, ahead_s } = refused;
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let exception = error_type.and_then(Exception::named);
    let name = exception.map(Exception::name).or(*error_type).map(tidy).unwrap_or_else(|| match body.code {
        Some(code) if code != ErrorCode::Unknown => code.to_string(),
        Some(_) | None => "an answer without a name".to_owned(),
    });
    let said = body.message.map(|words| format!(" ({})", tidy(&words))).unwrap_or_default();
    let advice = match status {
        301 | 302 | 303 | 307 | 308 => {
            "it sends us elsewhere, where a signed request must not go: set endpoint to the server itself".to_owned()
        }
        401 | 403 => {
            let clock = match ahead_s {
                Some(ahead) if ahead.abs() > CLOCK_SKEW_TOLD_S => format!(
                    "; this machine's clock is {} s {} the server's, which alone is a reason to refuse: set it right",
                    ahead.abs(),
                    if *ahead > 0 { "behind" } else { "before" }
                ),
                Some(_) | None => String::new(),
            };
            // The original says Forbidden for either.
            let account_or_key = match exception {
                Some(Exception::Forbidden) => "the account does not allow it, or the key does not: ",
                Some(_) | None => "",
            };
            // Without a valid signature its rights were not even looked at.
            let rights = match status {
                401 => String::new(),
                _ => format!(", that its scope has account {account}, and that it is not read-only"),
            };
            format!(
                "{account_or_key}check that access key {key_id} exists there and belongs to this secret{rights}{clock}"
            )
        }
        404 => format!("check endpoint, and that account {account} exists there and was not deleted"),
        413 => "the server takes only smaller requests".to_owned(),
        _ => "sent again it would be refused again; the server's log has more".to_owned(),
    };
    let message = format!("{operation} was refused by {endpoint} with {status} {name}{said}: {advice}");
    Failure::Refused { status: Some(*status), message }
}

/// From this difference on the clock is named as a reason, in seconds. AWS tolerates five minutes.
const CLOCK_SKEW_TOLD_S: i64 = 60;

/// Words of a server on one line, without control characters, and not too many of them.
pub(super) fn tidy(words: &str) -> String {
    let printable = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(SERVER_WORDS_CHARS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, error_type: Option<&str>, body: &str, ahead_s: Option<i64>) -> String {
        refusal(&Refused {
            operation: Operation::ListUsers,
            endpoint: "https://seats.corp.example",
            key_id: "AKID",
            account: "corp",
            status,
            error_type,
            body: body.as_bytes(),
            ahead_s,
        })
        .to_string()
    }

    #[test]
    fn a_refusal_says_what_came_back_and_what_to_do() {
        let text = refused(
            403,
            Some("com.amazonaws#ForbiddenException:http://internal/"),
            r#"{"Code":"Forbidden","Message":"the key may\nonly read"}"#,
            Some(3),
        );
        assert_eq!(
            text,
            "ListUsers was refused by https://seats.corp.example with 403 ForbiddenException (the key may only read): \
             the account does not allow it, or the key does not: check that access key AKID exists there and belongs to this secret, that its scope has account corp, and \
             that it is not read-only"
        );
        let text = refused(401, None, r#"{"Code":"Unauthorized"}"#, Some(900));
        assert!(text.contains("401 Unauthorized:") && text.contains("clock is 900 s behind the server's"), "{text}");
        assert!(text.contains("belongs to this secret;") && !text.contains("scope"), "{text}");
        assert!(refused(404, None, "<html>", None).contains("404 an answer without a name: check endpoint"));
        assert!(refused(302, None, "", None).contains("set endpoint to the server itself"));
    }

    #[test]
    fn the_server_cannot_flood_the_operator() {
        let text = refused(400, Some(&"x".repeat(100_000)), "", None);
        assert!(text.len() < 1_000, "{}", text.len());
    }
}
