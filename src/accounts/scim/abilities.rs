//! What a server says it can do, from its three documents (RFC 7644 4). Pure.
//!
//! A document that is not there says nothing, and then only what every server can is counted on: users are listed by index in
//! pages of a hundred, changed by PATCH, one at a time.

use super::messages::{GROUP, GROUPS, USER, USERS, items, number, text, truth, within};
use super::place::TierPlace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// Users a page, where the server does not say what it takes.
const PAGE_DEFAULT: usize = 100;
/// Most users that are asked for in one page: more save no time, and make large answers.
const PAGE_MAX: usize = 1_000;
/// Most operations of one bulk request that are sent, whatever the server takes: their answer must come within the time-out.
const BULK_OPERATIONS_MAX: usize = 1_000;
/// The largest bulk request that is sent, in bytes.
const BULK_BYTES_MAX: usize = 1024 * 1024;

/// How a list is read page by page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// By the number of the first user (RFC 7644 3.4.2.4).
    Index,
    /// By what the page before gave (RFC 9865).
    Cursor,
}

/// What one bulk request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Operations.
    pub operations_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

/// Whether the server's schemas have an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// They have it, and it can be written.
    Yes,
    /// They have it, and it cannot be written.
    ReadOnly,
    /// They are there and do not have it.
    No,
    /// There are none to look into.
    Unknown,
}

/// What a server can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it said anything of itself.
    pub is_told: bool,
    /// Whether a user is changed by PATCH; else the whole of it is put.
    pub patch: bool,
    /// Several changes in one request.
    pub bulk: Option<Bulk>,
    /// Whether it takes filters. Each answer is checked nevertheless.
    pub filter: bool,
    /// Whether it sorts.
    pub sort: bool,
    /// Whether it tells versions, and refuses a change to another one (RFC 7644 3.14).
    pub etag: bool,
    /// How its lists are read.
    pub paging: Paging,
    /// Users to ask for in one page.
    pub page_max: usize,
    /// Where users are, below the base.
    pub users: String,
    /// Where groups are, below the base.
    pub groups: String,
    /// The attributes that its schemas have, in lower case and with the schema of an extension in front; empty where it has no schemas.
    pub attributes: BTreeSet<String>,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            is_told: false,
            patch: true,
            bulk: None,
            filter: true,
            sort: false,
            etag: false,
            paging: Paging::Index,
            page_max: PAGE_DEFAULT,
            users: USERS.to_owned(),
            groups: GROUPS.to_owned(),
            attributes: BTreeSet::new(),
        }
    }
}

impl Abilities {
    /// Whether the schemas have that attribute of a user, such as `name.givenName`.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.attributes.contains(&name.to_lowercase())
    }

    /// From `/ServiceProviderConfig` and `/ResourceTypes`, as far as they are there.
    pub(super) fn of(config: Option<&Value>, types: Option<&Value>) -> Self {
        let mut abilities = Self::default();
        let place = |resource: &str| types.and_then(|types| endpoint_of(types, resource));
        abilities.users = place("User").unwrap_or(abilities.users);
        abilities.groups = place("Group").unwrap_or(abilities.groups);
        let Some(config) = config else { return abilities };
        let is_supported =
            |feature: &str| within(config, feature).and_then(|it| within(it, "supported")).and_then(truth);
        let limit = |feature: &str, name: &str| number(within(config, feature)?, name).filter(|limit| *limit > 0);
        let pages = |name: &str| within(config, "pagination").and_then(|it| within(it, name));
        let has = |name: &str| pages(name).and_then(truth).unwrap_or(false);
        let by_cursor = has("cursor")
            && (!has("index")
                || pages("defaultPaginationMethod")
                    .and_then(Value::as_str)
                    .is_some_and(|it| it.eq_ignore_ascii_case("cursor")));
        let page_max = limit("pagination", "maxPageSize").or_else(|| limit("filter", "maxResults"));
        Self {
            is_told: true,
            patch: is_supported("patch").unwrap_or(true),
            bulk: is_supported("bulk").unwrap_or(false).then(|| Bulk {
                operations_max: limit("bulk", "maxOperations").unwrap_or(1).min(BULK_OPERATIONS_MAX),
                bytes_max: limit("bulk", "maxPayloadSize").unwrap_or(BULK_BYTES_MAX).min(BULK_BYTES_MAX),
            }),
            filter: is_supported("filter").unwrap_or(false),
            sort: is_supported("sort").unwrap_or(false),
            etag: is_supported("etag").unwrap_or(false),
            paging: if by_cursor { Paging::Cursor } else { Paging::Index },
            page_max: page_max.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
            users: abilities.users,
            groups: abilities.groups,
            attributes: abilities.attributes,
        }
    }
}

/// Where a resource type says that its resources are; only a place below the base counts.
fn endpoint_of(types: &Value, name: &str) -> Option<String> {
    let it = resources(types).iter().find(|it| text(it, "id").or_else(|| text(it, "name")) == Some(name))?;
    let endpoint = text(it, "endpoint")?.trim_end_matches('/');
    let is_plain = endpoint.len() > 1
        && endpoint.starts_with('/')
        && !endpoint.starts_with("//")
        && !endpoint.contains("..")
        && endpoint.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    is_plain.then(|| endpoint.to_owned())
}

/// A list in an envelope or, as some servers have it, bare.
fn resources(document: &Value) -> &[Value] {
    within(document, "Resources").map_or_else(|| items(document), items)
}

/// Every attribute of `/Schemas` in lower case: `displayname`, `name.givenname`, those of extensions with their schema in front.
pub(super) fn attributes(schemas: Option<&Value>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for schema in schemas.map_or(&[][..], resources) {
        let prefix = match text(schema, "id") {
            Some(urn) if urn.eq_ignore_ascii_case(USER) => String::new(),
            Some(urn) => format!("{urn}:"),
            None => continue,
        };
        for attribute in within(schema, "attributes").map_or(&[][..], items) {
            let Some(name) = text(attribute, "name") else { continue };
            names.insert(format!("{prefix}{name}").to_lowercase());
            let parts = within(attribute, "subAttributes").map_or(&[][..], items);
            let parts = parts.iter().filter_map(|part| text(part, "name"));
            names.extend(parts.map(|part| format!("{prefix}{name}.{part}").to_lowercase()));
        }
    }
    names
}

/// Whether `/Schemas` have the attribute in which the tier stands.
pub(super) fn declared(schemas: Option<&Value>, place: &TierPlace) -> Declared {
    let Some((urn, name)) = place.attribute() else { return Declared::Yes };
    let Some(schemas) = schemas.map(resources).filter(|schemas| !schemas.is_empty()) else { return Declared::Unknown };
    let Some(schema) = schemas.iter().find(|it| text(it, "id").is_some_and(|id| id.eq_ignore_ascii_case(urn))) else {
        return Declared::No;
    };
    let attributes = within(schema, "attributes").map_or(&[][..], items);
    match attributes.iter().find(|it| text(it, "name").is_some_and(|it| it.eq_ignore_ascii_case(name))) {
        Some(attribute) if text(attribute, "mutability").is_some_and(|it| it.eq_ignore_ascii_case("readOnly")) => {
            Declared::ReadOnly
        }
        Some(_) => Declared::Yes,
        None => Declared::No,
    }
}

/// Whether `/Schemas` say that a group shows its members unasked (RFC 7643 7, `returned`): then a group that shows none has
/// none (RFC 7643 2.5). A server that does not say so may have members all the same.
pub(super) fn shows_members(schemas: Option<&Value>) -> bool {
    let attribute = schemas.and_then(|schemas| {
        let schema =
            resources(schemas).iter().find(|it| text(it, "id").is_some_and(|id| id.eq_ignore_ascii_case(GROUP)));
        let attributes = within(schema?, "attributes").map_or(&[][..], items);
        attributes.iter().find(|it| text(it, "name").is_some_and(|name| name.eq_ignore_ascii_case("members")))
    });
    let is_hidden = |returned: &str| ["never", "request"].iter().any(|it| returned.eq_ignore_ascii_case(it));
    attribute.is_some_and(|attribute| !text(attribute, "returned").is_some_and(is_hidden))
}

/// `PATCH, filters, index paging of 100, no bulk`: for an operator.
impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_told, patch, bulk, filter, sort, etag, paging, page_max, users, groups, attributes: _ } = self;
        f.write_str(if *patch { "PATCH" } else { "PUT" })?;
        match bulk {
            Some(Bulk { operations_max, bytes_max }) => {
                write!(f, ", bulk of {operations_max} operations or {bytes_max} bytes")?;
            }
            None => f.write_str(", no bulk")?,
        }
        f.write_str(if *filter { ", filters" } else { ", no filters" })?;
        f.write_str(if *etag { ", ETag" } else { ", no ETag" })?;
        f.write_str(if *sort { ", sort" } else { ", no sort" })?;
        let by = match paging {
            Paging::Index => "index",
            Paging::Cursor => "cursor",
        };
        write!(f, ", pages of {page_max} by {by}")?;
        if users != USERS {
            write!(f, ", users at {users}")?;
        }
        if groups != GROUPS {
            write!(f, ", groups at {groups}")?;
        }
        if !is_told {
            f.write_str(" (assumed: it has no ServiceProviderConfig)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_that_says_nothing_is_asked_for_little() {
        assert_eq!(
            Abilities::of(None, None).to_string(),
            "PATCH, no bulk, filters, no ETag, no sort, pages of 100 by index (assumed: it has no ServiceProviderConfig)"
        );
        let empty = Abilities::of(Some(&json!({})), Some(&json!([])));
        assert_eq!(empty.to_string(), "PATCH, no bulk, no filters, no ETag, no sort, pages of 100 by index");
    }

    #[test]
    fn what_is_said_is_respected_within_our_limits() {
        let config = json!({
            "patch": {"supported": false}, "bulk": {"supported": true, "maxOperations": 100_000, "maxPayloadSize": 4096},
            "filter": {"supported": "True", "maxResults": 200}, "etag": {"supported": true}, "sort": {"supported": true},
        });
        let types =
            json!({"Resources": [{"name": "Group", "endpoint": "/Groups"}, {"name": "User", "endpoint": "/People/"}]});
        assert_eq!(
            Abilities::of(Some(&config), Some(&types)).to_string(),
            "PUT, bulk of 1000 operations or 4096 bytes, filters, ETag, sort, pages of 200 by index, users at /People"
        );
        for odd in ["https://elsewhere.example/Users", "//elsewhere.example/Users", "/../Users", "/Users?x=1", "/", ""]
        {
            let types = json!([{"id": "User", "endpoint": odd}]);
            assert_eq!(Abilities::of(None, Some(&types)).users, "/Users", "{odd}");
        }
    }

    #[test]
    fn a_cursor_is_used_where_it_is_the_way() {
        let with = |pagination: Value| Abilities::of(Some(&json!({"pagination": pagination})), None);
        assert_eq!(with(json!({"cursor": true, "index": false})).paging, Paging::Cursor);
        assert_eq!(
            with(json!({"cursor": true, "index": true, "defaultPaginationMethod": "cursor"})).paging,
            Paging::Cursor
        );
        assert_eq!(
            with(json!({"cursor": true, "index": true, "defaultPaginationMethod": "index"})).paging,
            Paging::Index
        );
        assert_eq!(with(json!({"cursor": true, "index": true, "maxPageSize": 50})).page_max, 50);
    }

    #[test]
    fn schemas_say_whether_the_tier_has_a_place() {
        let schemas = json!({"Resources": [
            {"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
                {"name": "entitlements"}, {"name": "roles", "mutability": "readOnly"}]},
            {"id": "urn:x:y:seat:1.0:User", "attributes": [{"name": "licenceType"}]},
        ]});
        let is = |place: &str| TierPlace::parse(place).map(|place| declared(Some(&schemas), &place));
        assert_eq!(is("entitlements[x]"), Ok(Declared::Yes));
        assert_eq!(is("roles[x]"), Ok(Declared::ReadOnly));
        assert_eq!(is("userType"), Ok(Declared::No));
        assert_eq!(is("URN:X:y:seat:1.0:User:licencetype"), Ok(Declared::Yes));
        assert_eq!(is("urn:x:z:seat:1.0:User:licenceType"), Ok(Declared::No));
        assert_eq!(is("none"), Ok(Declared::Yes));
        assert_eq!(is("group"), Ok(Declared::No));
        assert_eq!(declared(None, &TierPlace::UserType), Declared::Unknown);
    }

    #[test]
    fn an_empty_group_is_believed_where_the_schemas_say_that_members_are_shown() {
        let shown = |attribute: Value| {
            let schemas = json!({"Resources": [{"id": GROUP, "attributes": [{"name": "displayName"}, attribute]}]});
            shows_members(Some(&schemas))
        };
        assert!(shown(json!({"name": "members"})) && shown(json!({"name": "Members", "returned": "default"})));
        assert!(!shown(json!({"name": "members", "returned": "Request"})));
        assert!(!shown(json!({"name": "members", "returned": "never"})));
        assert!(!shown(json!({"name": "other"})) && !shows_members(None) && !shows_members(Some(&json!([]))));
    }
}
