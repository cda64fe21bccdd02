//! Where a detail of a person stands in a user: names and other plain attributes (RFC 7643 4.1.1, 4.3). Pure.

use super::messages::{USER, member, within};
use super::place::extension;
use serde_json::{Map, Value, json};

/// The longest name of a detail, in bytes.
const NAME_BYTES_MAX: usize = 512;
/// The parts of `name` (RFC 7643 4.1.1).
const NAME_PARTS: [&str; 6] =
    ["formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"];
/// Plain attributes of a user that are nobody else's business (RFC 7643 4.1.1).
const PLAIN: [&str; 8] =
    ["displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone"];

/// Where a detail stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DetailPlace<'a> {
    /// An attribute of the user.
    Plain(&'a str),
    /// A part of `name`.
    Name(&'a str),
    /// A plain attribute of an extension, such as that of enterprises (RFC 7643 4.3).
    Extension {
        /// The schema.
        urn: &'a str,
        /// The attribute in it.
        attribute: &'a str,
    },
}

/// Whether a text can name a detail: `displayName`, `name.givenName`, or an attribute with its schema.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_detail(text: &str) -> Result<(), String> {
    let known =
        || format!("known are {}, name.{}, and urn:…:User:attribute", PLAIN.join(", "), NAME_PARTS.join(", name."));
    match DetailPlace::of(text) {
        Some(DetailPlace::Plain(name)) if !PLAIN.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
            Err(format!("it is no attribute that can be given; {}", known()))
        }
        Some(DetailPlace::Name(part)) if !NAME_PARTS.iter().any(|known| known.eq_ignore_ascii_case(part)) => {
            Err(format!("`name` has no such part; {}", known()))
        }
        Some(_) if text.len() <= NAME_BYTES_MAX => Ok(()),
        Some(_) | None => Err(known()),
    }
}

impl<'a> DetailPlace<'a> {
    /// Reads a name; `None` for what is none.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        if let Ok((urn, attribute)) = extension(text) {
            return Some(match urn.eq_ignore_ascii_case(USER) {
                true => Self::Plain(attribute),
                false => Self::Extension { urn, attribute },
            });
        }
        match text.split_once('.') {
            Some((name, part)) if name.eq_ignore_ascii_case("name") => Some(Self::Name(part)),
            Some(_) => None,
            None => Some(Self::Plain(text)),
        }
    }

    /// What stands there.
    pub(super) fn read<'u>(&self, user: &'u Map<String, Value>) -> Option<&'u str> {
        let value = match self {
            Self::Plain(name) => member(user, name)?,
            Self::Name(part) => within(member(user, "name")?, part)?,
            Self::Extension { urn, attribute } => within(member(user, urn)?, attribute)?,
        };
        value.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Where it stands for a PATCH (RFC 7644 3.5.2, figure 7).
    pub(super) fn path(&self) -> String {
        match self {
            Self::Plain(name) => (*name).to_owned(),
            Self::Name(part) => format!("name.{part}"),
            Self::Extension { urn, attribute } => format!("{urn}:{attribute}"),
        }
    }

    /// The attribute of the user that it is in, and that with the value in it.
    pub(super) fn with(&self, user: &Map<String, Value>, value: &str) -> (String, Value) {
        let inside = |outer: &str, inner: &str| {
            let mut object = member(user, outer).and_then(Value::as_object).cloned().unwrap_or_default();
            super::user::put(&mut object, inner, json!(value));
            // What is put together from the parts is put together anew.
            if outer == "name" && !inner.eq_ignore_ascii_case("formatted") {
                object.retain(|name, _| !name.eq_ignore_ascii_case("formatted"));
            }
            (outer.to_owned(), Value::Object(object))
        };
        match self {
            Self::Plain(name) => ((*name).to_owned(), json!(value)),
            Self::Name(part) => inside("name", part),
            Self::Extension { urn, attribute } => inside(urn, attribute),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_given_and_what_not() {
        for name in [
            "displayName",
            "name.givenName",
            "Name.FamilyName",
            "title",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        ] {
            assert_eq!(check_detail(name), Ok(()), "{name}");
        }
        for name in [
            "userName",
            "externalId",
            "active",
            "emails",
            "id",
            "password",
            "meta",
            "groups",
            "roles",
            "entitlements",
            "urn:ietf:params:scim:schemas:core:2.0:User:userName",
            "name",
            "name.",
            "name.nick",
            "emails.value",
            "urn:x",
            "a b",
            "",
            "schemas",
        ] {
            assert!(check_detail(name).unwrap_err().contains("known are displayName"), "{name}");
        }
    }

    #[test]
    fn a_detail_is_read_where_it_is_written_and_its_neighbours_stay() {
        let user = json!({"id": "1", "NAME": {"GivenName": "A", "middleName": "B", "formatted": "A B"},
            "urn:x:y:User": {"department": "D", "division": "V"}});
        let user = user.as_object().unwrap();
        for (name, before, after) in [
            ("name.givenName", Some("A"), json!({"GivenName": "new", "middleName": "B"})),
            ("name.familyName", None, json!({"GivenName": "A", "middleName": "B", "familyName": "new"})),
            ("urn:x:y:User:department", Some("D"), json!({"department": "new", "division": "V"})),
            ("title", None, json!("new")),
        ] {
            let place = DetailPlace::of(name).unwrap();
            assert_eq!(place.read(user), before, "{name}");
            let (attribute, value) = place.with(user, "new");
            assert_eq!(value, after, "{name}");
            let mut changed = user.clone();
            super::super::user::put(&mut changed, &attribute, value);
            assert_eq!((place.read(&changed), place.path().as_str()), (Some("new"), name));
        }
    }
}
