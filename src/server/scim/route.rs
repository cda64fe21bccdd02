//! What a method and a path ask for. Pure.

use crate::scim::{Problem, ScimType};
use http::Method;
use percent_encoding::percent_decode_str;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// What the server can do.
    Config,
    /// The types of resources, or one.
    ResourceTypes(Option<String>),
    /// The schemas, or one.
    Schemas(Option<String>),
    /// Users, or one by its id.
    Users(Option<String>),
    /// Groups, or one by its id.
    Groups(Option<String>),
    /// A query by POST.
    Search(Kinds),
    /// Many requests in one.
    Bulk,
}

/// Which resources a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Users, then groups.
    All,
    /// Users.
    Users,
    /// Groups.
    Groups,
}

/// What is to be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Reading.
    Get,
    /// Making.
    Post,
    /// Replacing.
    Put,
    /// Changing.
    Patch,
    /// Deleting.
    Delete,
}

/// The account and the place in the path of a request, decoded.
///
/// # Errors
/// 404 for a path that leads nowhere, 501 for `/Me`.
pub(super) fn route(path: &str) -> Result<(String, Place), Problem> {
    let nothing = || Problem::new(404, "there is nothing here; a base URL ends in /scim/v2/ and the id of an account");
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
    let segments: Result<Vec<String>, _> = path.split('/').skip(1).map(decoded).collect();
    let segments = segments.map_err(|_| Problem::bad(ScimType::InvalidSyntax, "the path is not UTF-8"))?;
    let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // Some clients write a slash behind it.
    segments.pop_if(|last| last.is_empty());
    let [_, _, account, rest @ ..] = segments.as_slice() else { return Err(nothing()) };
    Ok(((*account).to_owned(), place(rest).ok_or_else(nothing)??))
}

/// The place behind the base.
fn place(segments: &[&str]) -> Option<Result<Place, Problem>> {
    let one = |id: &&str| Some((**id).to_owned());
    Some(Ok(match segments {
        ["ServiceProviderConfig"] => Place::Config,
        ["ResourceTypes"] => Place::ResourceTypes(None),
        ["ResourceTypes", id] => Place::ResourceTypes(one(id)),
        ["Schemas"] => Place::Schemas(None),
        ["Schemas", id] => Place::Schemas(one(id)),
        [".search"] => Place::Search(Kinds::All),
        ["Users", ".search"] => Place::Search(Kinds::Users),
        ["Groups", ".search"] => Place::Search(Kinds::Groups),
        ["Users"] => Place::Users(None),
        ["Users", id] => Place::Users(one(id)),
        ["Groups"] => Place::Groups(None),
        ["Groups", id] => Place::Groups(one(id)),
        ["Bulk"] => Place::Bulk,
        // RFC 7644 3.11.
        ["Me", ..] => {
            return Some(Err(Problem::new(501, "a token is a client's and no user's, so that there is no /Me")));
        }
        _ => return None,
    }))
}

/// The place in the path of an operation in a bulk, such as `/Users/17`.
pub(super) fn place_in_bulk(path: &str) -> Option<Place> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).ok();
    let segments: Option<Vec<String>> = path.split('/').skip(1).map(decoded).collect();
    let segments = segments.filter(|_| path.starts_with('/'))?;
    place(&segments.iter().map(String::as_str).collect::<Vec<_>>())?.ok()
}

impl Verb {
    /// Of a method.
    ///
    /// # Errors
    /// 405.
    pub(super) fn of(method: &Method) -> Result<Self, Problem> {
        [
            (Method::GET, Self::Get),
            (Method::POST, Self::Post),
            (Method::PUT, Self::Put),
            (Method::PATCH, Self::Patch),
            (Method::DELETE, Self::Delete),
        ]
        .into_iter()
        .find(|(each, _)| each == method)
        .map(|(_, verb)| verb)
        .ok_or_else(|| Problem::new(405, format!("{method} is not a method of SCIM")))
    }

    /// Of its name in a bulk.
    pub(super) fn named(name: &str) -> Option<Self> {
        [("POST", Self::Post), ("PUT", Self::Put), ("PATCH", Self::Patch), ("DELETE", Self::Delete)]
            .into_iter()
            .find(|(each, _)| each.eq_ignore_ascii_case(name))
            .map(|(_, verb)| verb)
    }
}

impl Place {
    /// What can be done there.
    pub(super) fn allows(&self, verb: Verb) -> bool {
        match self {
            Self::Config | Self::ResourceTypes(_) | Self::Schemas(_) => verb == Verb::Get,
            Self::Search(_) | Self::Bulk => verb == Verb::Post,
            Self::Users(None) | Self::Groups(None) => matches!(verb, Verb::Get | Verb::Post),
            Self::Users(Some(_)) | Self::Groups(Some(_)) => verb != Verb::Post,
        }
    }

    /// Whether a request with that verb may change something.
    pub(super) fn changes(&self, verb: Verb) -> bool {
        match self {
            Self::Search(_) | Self::Config | Self::ResourceTypes(_) | Self::Schemas(_) => false,
            Self::Bulk => true,
            Self::Users(_) | Self::Groups(_) => verb != Verb::Get,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_places() {
        for (path, place) in [
            ("/scim/v2/corp/Users", Place::Users(None)),
            ("/scim/v2/corp/Users/", Place::Users(None)),
            ("/scim/v2/corp/Users/a%2Fb", Place::Users(Some("a/b".to_owned()))),
            ("/scim/v2/corp/Groups/Pro", Place::Groups(Some("Pro".to_owned()))),
            ("/scim/v2/corp/.search", Place::Search(Kinds::All)),
            ("/scim/v2/corp/Users/.search", Place::Search(Kinds::Users)),
            ("/scim/v2/corp/Schemas/urn:x", Place::Schemas(Some("urn:x".to_owned()))),
            ("/scim/v2/corp/Bulk", Place::Bulk),
        ] {
            assert_eq!(route(path).unwrap(), ("corp".to_owned(), place), "{path}");
        }
        assert_eq!(route("/scim/v2/Corp%201%2F2/Users").unwrap().0, "Corp 1/2");
        for (path, status) in [
            ("/scim/v2/corp", 404),
            ("/scim/v2/", 404),
            ("/scim/v2/corp/users", 404),
            ("/scim/v2/corp/Users/1/2", 404),
            ("/scim/v2/corp/Me", 501),
            ("/scim/v2/%ff/Users", 400),
        ] {
            assert_eq!(route(path).unwrap_err().status, status, "{path}");
        }
        assert_eq!(place_in_bulk("/Users/1"), Some(Place::Users(Some("1".to_owned()))));
        assert_eq!(place_in_bulk("Users/1"), None);
    }
}
