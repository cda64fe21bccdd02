//! One request as a value, and whether it may be said twice.

use super::messages::{BULK, bulk, quoted};
use super::paging::Ask;
use crate::accounts::reach;
use crate::accounts::reach::call::RESERVED;
use crate::accounts::reach::failure::Failure;
use crate::model::{Email, ObjectGuid, UserId};
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;
use std::fmt;

/// What is asked of a server, in few fixed words: what metrics count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// What the server is and can do.
    Discover,
    /// A page of users.
    List,
    /// Who has a name, an address or an identity.
    Search,
    /// One user by key.
    Read,
    /// A user made.
    Create,
    /// A user changed, by PATCH or by PUT.
    Change,
    /// A user deleted.
    Remove,
    /// Several of these at once.
    Bulk,
    /// The groups that are tiers, looked for and read.
    Groups,
    /// Members of a group changed.
    Members,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Discover,
        Self::List,
        Self::Search,
        Self::Read,
        Self::Create,
        Self::Change,
        Self::Remove,
        Self::Bulk,
        Self::Groups,
        Self::Members,
    ];

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::List => "list",
            Self::Search => "search",
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Bulk => "bulk",
            Self::Groups => "groups",
            Self::Members => "members",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl reach::call::Operation for Operation {
    fn name(self) -> &'static str {
        Self::name(self)
    }
}

/// One call of SCIM.
pub(super) type Call = reach::call::Call<Operation>;

/// What a search looks at. Each is the name of an attribute in a filter (RFC 7644 3.4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The identity of the directory.
    Identity,
    /// The name to sign in with.
    UserName,
    /// Any address.
    Address,
}

impl Key {
    /// In the order in which people are looked for.
    pub(super) const ALL: [Self; 3] = [Self::Identity, Self::UserName, Self::Address];

    /// As in a filter.
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::Identity => "externalId",
            Self::UserName => "userName",
            Self::Address => "emails.value",
        }
    }
}

impl Call {
    /// One of the documents about the server.
    pub(super) fn document(path: &str) -> Self {
        Self::get(Operation::Discover, path.to_owned())
    }

    /// A page of users.
    pub(super) fn page(users: &str, ask: &Ask, count: usize) -> Self {
        Self::get(Operation::List, format!("{users}?{}&count={count}", from(ask)))
    }

    /// A page of groups, without their members (RFC 7644 3.9): of those there may be many.
    pub(super) fn page_of_groups(groups: &str, ask: &Ask, count: usize) -> Self {
        Self::get(Operation::Groups, format!("{groups}?{}&count={count}&{WITHOUT_MEMBERS}", from(ask)))
    }

    /// The groups of that name, without their members.
    pub(super) fn groups_named(groups: &str, name: &str) -> Self {
        let filter = format!("displayName eq {}", quoted(name));
        let filter = utf8_percent_encode(&filter, RESERVED);
        Self::get(Operation::Groups, format!("{groups}?filter={filter}&{WITHOUT_MEMBERS}"))
    }

    /// The group with that key, with its members.
    pub(super) fn group(groups: &str, id: &UserId) -> Result<Self, Failure> {
        Ok(Self::get(Operation::Groups, user_path(groups, id)?))
    }

    /// Members of a group that come or go: who is there already, or not any more, makes no difference.
    pub(super) fn members(groups: &str, id: &UserId, body: &Value) -> Result<Self, Failure> {
        let path = user_path(groups, id)?;
        Ok(Self::with_body(Operation::Members, Method::PATCH, path, body, None, true))
    }

    /// Who has that.
    pub(super) fn search(users: &str, key: Key, guid: &ObjectGuid, email: &Email) -> Self {
        let value = match key {
            Key::Identity => guid.to_string(),
            Key::UserName | Key::Address => email.as_str().to_owned(),
        };
        let filter = format!("{} eq {}", key.attribute(), quoted(&value));
        Self::get(Operation::Search, format!("{users}?filter={}", utf8_percent_encode(&filter, RESERVED)))
    }

    /// The user with that key.
    pub(super) fn user(users: &str, id: &UserId) -> Result<Self, Failure> {
        Ok(Self::get(Operation::Read, user_path(users, id)?))
    }

    /// A user made. Made twice might be two.
    pub(super) fn create(users: &str, body: &Value) -> Self {
        Self::with_body(Operation::Create, Method::POST, users.to_owned(), body, None, false)
    }

    /// A user changed.
    pub(super) fn change(users: &str, change: &Change) -> Result<Self, Failure> {
        let Change { id, method, body, version } = change;
        let path = user_path(users, id)?;
        Ok(Self::with_body(Operation::Change, method.http(), path, body, version.clone(), true))
    }

    /// A user deleted (RFC 7644 3.6). Not said twice: whose the key is by then is looked at first.
    pub(super) fn remove(users: &str, removal: &Removal) -> Result<Self, Failure> {
        let Removal { id, version } = removal;
        let target = user_path(users, id)?;
        let (operation, method, if_match) = (Operation::Remove, Method::DELETE, version.clone());
        Ok(Self { operation, method, target, body: None, if_match, absolute: false })
    }

    /// Several at once, sent again only if each of them could be.
    pub(super) fn bulk(operations: Vec<Value>, absolute: bool) -> Self {
        Self::with_body(Operation::Bulk, Method::POST, BULK.to_owned(), &bulk(operations), None, absolute)
    }

    fn get(operation: Operation, target: String) -> Self {
        Self { operation, method: Method::GET, target, body: None, if_match: None, absolute: true }
    }

    fn with_body(
        operation: Operation,
        method: Method,
        target: String,
        body: &Value,
        if_match: Option<String>,
        absolute: bool,
    ) -> Self {
        Self { operation, method, target, body: Some(body.to_string().into_bytes()), if_match, absolute }
    }
}

/// What keeps the members out of an answer (RFC 7644 3.9).
const WITHOUT_MEMBERS: &str = "excludedAttributes=members";

/// Where a page begins.
fn from(ask: &Ask) -> String {
    match ask {
        Ask::Index(start) => format!("startIndex={start}"),
        Ask::Cursor(None) => "cursor".to_owned(),
        Ask::Cursor(Some(cursor)) => format!("cursor={}", utf8_percent_encode(cursor, RESERVED)),
    }
}

/// How a user is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Manner {
    /// What is different (RFC 7644 3.5.2).
    Patch,
    /// All of it (RFC 7644 3.5.1).
    Put,
}

impl Manner {
    pub(super) fn http(self) -> Method {
        match self {
            Self::Patch => Method::PATCH,
            Self::Put => Method::PUT,
        }
    }
}

/// A change of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: UserId,
    pub(super) method: Manner,
    pub(super) body: Value,
    pub(super) version: Option<String>,
}

/// The end of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) id: UserId,
    pub(super) version: Option<String>,
}

/// The path of a user, or of a group. A key of dots alone would be taken for a folder above.
pub(super) fn user_path(users: &str, id: &UserId) -> Result<String, Failure> {
    let id = id.text();
    if id.bytes().all(|byte| byte == b'.') {
        let message = format!("{:?} cannot be a key; nothing was sent", &*id);
        return Err(Failure::refused_here(message));
    }
    Ok(format!("{users}/{}", utf8_percent_encode(&id, RESERVED)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_is_written_as_the_protocol_has_it() {
        assert_eq!(Call::page("/Users", &Ask::Index(101), 100).target, "/Users?startIndex=101&count=100");
        assert_eq!(Call::page("/Users", &Ask::Cursor(None), 5).target, "/Users?cursor&count=5");
        assert_eq!(
            Call::page("/Users", &Ask::Cursor(Some("a b&c".into())), 5).target,
            "/Users?cursor=a%20b%26c&count=5"
        );
        let (guid, email) = (ObjectGuid::from_u128(1), Email::parse("a+b@corp.example").unwrap());
        assert_eq!(
            Call::search("/Users", Key::UserName, &guid, &email).target,
            "/Users?filter=userName%20eq%20%22a%2Bb%40corp.example%22"
        );
        assert_eq!(
            Call::groups_named("/Groups", "Pro").target,
            "/Groups?filter=displayName%20eq%20%22Pro%22&excludedAttributes=members"
        );
        assert_eq!(Call::user("/Users", &UserId::new("a/b?c")).unwrap().target, "/Users/a%2Fb%3Fc");
        for id in ["", ".", ".."] {
            assert!(Call::user("/Users", &UserId::new(id)).is_err());
        }
    }

    #[test]
    fn only_what_makes_or_deletes_users_may_not_be_said_twice() {
        assert!(!Call::create("/Users", &json!({})).absolute);
        let removal = Removal { id: UserId::new("1"), version: Some("W/\"1\"".to_owned()) };
        let removal = Call::remove("/Users", &removal).unwrap();
        assert!(!removal.absolute && removal.method == Method::DELETE && removal.body.is_none());
        assert_eq!((removal.target.as_str(), removal.if_match.as_deref()), ("/Users/1", Some("W/\"1\"")));
        let change = Change {
            id: UserId::new("1"),
            method: Manner::Patch,
            body: json!({}),
            version: Some("W/\"1\"".to_owned()),
        };
        let change = Call::change("/Users", &change).unwrap();
        assert!(change.absolute && change.method == Method::PATCH && change.if_match.as_deref() == Some("W/\"1\""));
    }
}
