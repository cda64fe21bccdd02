//! Refusals of a SCIM server, in words for the operator, and what they are worth to the caller.

use super::call::Operation;
use super::messages::ErrorBody;
use crate::accounts::reach::failure::{Failure, tidy};

impl Failure {
    /// Whether the server has no such thing, or cannot do it (RFC 7644 3.12, 4): then it is done without.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self.status(), Some(400 | 404 | 405 | 406 | 410 | 501))
    }
}

/// A refusal of the whole request, with what to do about it.
pub(super) fn refusal(operation: Operation, base: &str, status: u16, body: ErrorBody, credential: &str) -> Failure {
    let ErrorBody { scim_type, detail } = body;
    let kind = scim_type.as_deref().map(tidy);
    let said = detail.map(|words| format!(" ({})", tidy(&words))).unwrap_or_default();
    let named = kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let advice = match status {
        301 | 302 | 303 | 307 | 308 => {
            "it sends us elsewhere, where a token must not go: set base_url to the server itself".to_owned()
        }
        401 => format!("it does not take {credential}: check that it is the one for this server and has not expired"),
        403 if matches!(operation, Operation::Groups | Operation::Members) => {
            format!("{credential} does not allow it: give it the right to read groups and change their members there")
        }
        403 => format!("{credential} does not allow it: give it the right to read and change users there"),
        404 if operation == Operation::Members => "it does not know the group, or one of the users".to_owned(),
        404 => "check base_url: it is what /Users stands behind".to_owned(),
        409 => "another user has what must be unique there".to_owned(),
        412 => "somebody else has changed the user meanwhile; the next pass looks again".to_owned(),
        413 => "the server takes only smaller requests".to_owned(),
        _ => "sent again it would be refused again; the server's log may have more".to_owned(),
    };
    let message = format!("{operation} was refused by {base} with {status}{named}{said}: {advice}");
    Failure::Refused { status: Some(status), kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, scim_type: Option<&str>, detail: &str) -> String {
        let body = ErrorBody { scim_type: scim_type.map(Into::into), detail: Some(detail.to_owned()) };
        refusal(Operation::Create, "https://scim.example/v2", status, body, "the bearer token").to_string()
    }

    #[test]
    fn a_refusal_says_what_came_back_and_what_to_do() {
        assert_eq!(
            refused(409, Some("uniqueness"), "userName is\ntaken"),
            "create was refused by https://scim.example/v2 with 409 uniqueness (userName is taken): another user has what \
             must be unique there"
        );
        assert!(refused(401, None, "x").contains("it does not take the bearer token"));
        assert!(refused(403, None, "x").contains("the bearer token does not allow it"));
        assert!(refused(404, None, "x").contains("check base_url"));
        assert!(refused(302, None, "x").contains("set base_url to the server itself"));
    }

    #[test]
    fn the_server_cannot_flood_the_operator() {
        let text = refused(400, Some(&"x".repeat(100_000)), &"y".repeat(100_000));
        assert!(text.len() < 1_000, "{}", text.len());
    }
}
