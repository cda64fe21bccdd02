//! Refusals of the admin API, in words for the operator, and what they are worth to the caller.

use super::call::Operation;
use crate::accounts::reach::failure::{Failure, tidy};
use crate::accounts::reach::protocol::Refused;
use crate::wire::{ErrorBody, ErrorCode, Exception, HEADER_ERROR_TYPE};

impl Failure {
    /// Whether the server knows no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether one bad item may have spoilt the whole request, so that the others are worth another.
    pub(super) fn may_be_one_item(&self) -> bool {
        matches!(self.status(), Some(400 | 409 | 413 | 422))
    }
}

/// What a refusal is about, for the words.
pub(super) struct Context<'a> {
    pub(super) key_id: &'a str,
    pub(super) account: &'a str,
    /// Seconds by which the server's clock is ahead of ours, where it said the time.
    pub(super) ahead_s: Option<i64>,
}

/// A refusal of the whole request, with what to do about it.
pub(super) fn refusal(refused: &Refused<'_, Operation>, context: &Context<'_>) -> Failure {
    let Refused { operation, base, status, headers, body } = refused;
    let Context { key_id, account, ahead_s } = context;
    let error_type = headers.get(HEADER_ERROR_TYPE).and_then(|value| value.to_str().ok());
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let exception = error_type.and_then(Exception::named);
    let name = exception.map(Exception::name).or(error_type).map(tidy).unwrap_or_else(|| match body.code {
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
    let message = format!("{operation} was refused by {base} with {status} {name}{said}: {advice}");
    Failure::Refused { status: Some(*status), kind: None, message }
}

/// From this difference on the clock is named as a reason, in seconds. AWS tolerates five minutes.
const CLOCK_SKEW_TOLD_S: i64 = 60;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::header::{HeaderMap, HeaderValue};

    fn refused(status: u16, error_type: Option<&str>, body: &str, ahead_s: Option<i64>) -> String {
        let mut headers = HeaderMap::new();
        if let Some(name) = error_type {
            headers.insert(HEADER_ERROR_TYPE, HeaderValue::from_str(name).unwrap());
        }
        let (operation, base) = (Operation::ListUsers, "https://seats.corp.example");
        let refused = Refused { operation, base, status, headers: &headers, body: body.as_bytes() };
        refusal(&refused, &Context { key_id: "AKID", account: "corp", ahead_s }).to_string()
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
