//! SCIM 2.0 over the book: the same accounts, users and licences as behind the Chime API, for Okta, Entra or any SCIM client.
//!
//! | file | what is in it | |
//! |---|---|---|
//! | `http` | a request from its head to its answer: who asks, how often, how much | effects |
//! | `route` | what a method and a path ask for | pure |
//! | `query` | the members of a query, and of a search by POST | pure |
//! | `discover` | what the server can do, and the schemas of an account | pure |
//! | `user` | a user as a resource, and what a resource means for a user | pure |
//! | `group` | a licence as a group | pure |
//! | `find` | lists: filtered, sorted, page by page | the desk |
//! | `act` | one change, as the book takes it | pure |
//! | `bulk` | many changes in one request | the desk |
//! | `order` | in which order these are done | pure |
//!
//! The base is `/scim/v2/<account id>`: most clients take a base URL and a token and nothing else, so that the account is in
//! both, and a token for another account is told so.
//!
//! What a user is here: `userName` is the address, or a name that is none and then the address is in `emails`; `active` is
//! whether the user is not suspended; the licence is the one value of `entitlements`, and the one group the user is a member
//! of. What the kind of the account does not allow is refused in the book's own words: nothing goes around a rule.
//!
//! Of the attributes of RFC 7643 that the schema here does not have, those that only describe a person are let pass and not
//! kept; the answer is without them, and a `Warning` header names them. Those that could carry a licence or a right (`roles`,
//! `userType`), and any that nobody knows, are refused: a client must not take it for done.
//!
//! Deliberately absent: passwords, `/Me` (nobody signs in here), shared devices (no client made them, and one that lists users
//! would take them for people who left), groups that are no licences.

mod act;
mod bulk;
mod discover;
mod find;
mod group;
mod http;
mod order;
mod query;
mod route;
#[cfg(test)]
mod tests;
mod user;

pub(super) use http::answer;

use super::desk::DeskError;
use crate::scim::{Problem, ScimType};
use crate::store::{Refusal, RefusalCode};

/// What all paths begin with.
pub(super) const PATH: &str = "/scim/v2/{*rest}";

/// A refusal of the book in the words of SCIM. The detail is the book's own: it names the rule.
fn refused(Refusal { code, message }: Refusal) -> Problem {
    match code {
        RefusalCode::BadRequest => Problem::bad(ScimType::InvalidValue, message),
        RefusalCode::NotFound => Problem::new(404, message),
        RefusalCode::Conflict => Problem { status: 409, scim_type: Some(ScimType::Uniqueness), detail: message },
        RefusalCode::Forbidden => Problem::new(403, message),
        // Not 412, which tells of versions.
        RefusalCode::PreconditionFailed | RefusalCode::Unprocessable => Problem::new(409, message),
        RefusalCode::ResourceLimitExceeded => Problem::new(403, message),
    }
}

/// The desk gave no answer. What the disk said is for the log of this server.
fn unanswered(error: DeskError) -> Problem {
    match error {
        DeskError::Busy { message } => Problem::new(503, message),
        DeskError::Broken { .. } => Problem::new(
            500,
            "the account store could not write; whether it was done is not known, look before trying again",
        ),
    }
}
