//! Where a server keeps the tier of a user, as the configuration names it. Pure.

use super::messages::{GROUP, USER};
use std::fmt;

/// The longest name of a place, in bytes.
const PLACE_BYTES_MAX: usize = 512;

/// Where the tier of a user stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TierPlace {
    /// Nowhere: there is one tier, and whoever is active has it.
    Nowhere,
    /// The `value` of an item of a list, told from the others by its `type` (RFC 7643 4.1.2).
    Listed {
        /// Which list.
        list: List,
        /// The `type` of the item; `None` is an item without one.
        kind: Option<String>,
    },
    /// `userType` (RFC 7643 4.1.1).
    UserType,
    /// A plain attribute of an extension (RFC 7643 3.3).
    Extension {
        /// The schema.
        urn: String,
        /// The attribute in it.
        attribute: String,
    },
    /// Membership in a group of the server (RFC 7643 4.2): each tier is a group, known by its `displayName`.
    Group,
}

/// A list of a user in which products keep licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// What the user is entitled to.
    Entitlements,
    /// What the user is.
    Roles,
}

impl List {
    /// As in a resource.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entitlements => "entitlements",
            Self::Roles => "roles",
        }
    }
}

impl TierPlace {
    /// Reads what `tier_in` says: `roles[seatType]`, `entitlements[Profile]`, `roles`, `userType`, `group`, `none`, or the
    /// name of an attribute with its schema.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > PLACE_BYTES_MAX || text.contains(|c: char| c.is_control() || c == '"' && !text.contains(" eq "))
        {
            return Err("it has characters that no attribute has, or too many of them".to_owned());
        }
        let (name, inside) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => (name.trim(), Some(inside_of(rest)?)),
        };
        let list = match name.to_ascii_lowercase().as_str() {
            "entitlements" => Some(List::Entitlements),
            "roles" => Some(List::Roles),
            _ => None,
        };
        match (list, inside) {
            (Some(list), kind) => Ok(Self::Listed { list, kind }),
            (None, Some(_)) => Err("only entitlements and roles have types".to_owned()),
            (None, None) if name.eq_ignore_ascii_case("none") => Ok(Self::Nowhere),
            (None, None) if name.eq_ignore_ascii_case("userType") => Ok(Self::UserType),
            (None, None) if name.eq_ignore_ascii_case("group") || name.eq_ignore_ascii_case("groups") => {
                Ok(Self::Group)
            }
            (None, None) => {
                let (urn, attribute) = extension(name)?;
                Ok(Self::Extension { urn: urn.to_owned(), attribute: attribute.to_owned() })
            }
        }
    }

    /// The attribute in words: what the server's schemas are searched for, and what an operator is told.
    pub(super) fn attribute(&self) -> Option<(&str, &str)> {
        match self {
            Self::Nowhere => None,
            Self::Listed { list, kind: _ } => Some((USER, list.name())),
            Self::UserType => Some((USER, "userType")),
            Self::Extension { urn, attribute } => Some((urn, attribute)),
            Self::Group => Some((GROUP, "members")),
        }
    }
}

/// `licence]`, or `type eq "licence"].value` as SCIM itself has it.
fn inside_of(rest: &str) -> Result<String, String> {
    let (inside, behind) = rest.split_once(']').ok_or("a bracket is not closed")?;
    if !matches!(behind.trim(), "" | ".value") {
        return Err("nothing but .value may follow the bracket".to_owned());
    }
    let inside = inside.trim();
    let kind = match inside.split_once(" eq ") {
        Some((attribute, value)) if attribute.trim().eq_ignore_ascii_case("type") => value.trim().trim_matches('"'),
        Some(_) => return Err("only `type eq` may stand in the brackets".to_owned()),
        None => inside,
    };
    if kind.is_empty() || kind.contains(['"', '\\', '[', ']']) {
        return Err("the brackets hold the type alone, such as entitlements[licence]".to_owned());
    }
    Ok(kind.to_owned())
}

/// A plain attribute with its schema in front: the two of them.
pub(super) fn extension(name: &str) -> Result<(&str, &str), String> {
    let (urn, attribute) = match name.rsplit_once(':') {
        Some((urn, attribute)) if name.len() > 4 && name[..4].eq_ignore_ascii_case("urn:") => (urn, attribute),
        Some(_) | None => return Err("it is no place that this version knows".to_owned()),
    };
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
    };
    let is_urn = urn.split(':').count() >= 3 && urn.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.".contains(c));
    if !is_urn || !is_name(attribute) {
        return Err("behind the name of the schema stands one plain attribute, such as …:User:licenceType".to_owned());
    }
    Ok((urn, attribute))
}

/// As in `tier_in`.
impl fmt::Display for TierPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("none"),
            Self::Listed { list, kind: None } => f.write_str(list.name()),
            Self::Listed { list, kind: Some(kind) } => write!(f, "{}[{kind}]", list.name()),
            Self::UserType => f.write_str("userType"),
            Self::Extension { urn, attribute } => write!(f, "{urn}:{attribute}"),
            Self::Group => f.write_str("group"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_read_and_written_alike() {
        for (text, shown) in [
            ("entitlements[licence]", "entitlements[licence]"),
            ("Roles[ seatType ]", "roles[seatType]"),
            ("entitlements[type eq \"Profile\"].value", "entitlements[Profile]"),
            ("roles", "roles"),
            ("usertype", "userType"),
            ("none", "none"),
            ("group", "group"),
            ("Groups", "group"),
            (
                "urn:example:params:scim:schemas:seat:1.0:User:licence",
                "urn:example:params:scim:schemas:seat:1.0:User:licence",
            ),
        ] {
            let place = TierPlace::parse(text).unwrap();
            assert_eq!(place.to_string(), shown);
            assert_eq!(TierPlace::parse(shown).unwrap(), place);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_in_words() {
        for (text, words) in [
            ("licence", "no place that this version knows"),
            ("groups[licence]", "only entitlements and roles"),
            ("entitlements[", "not closed"),
            ("entitlements[]", "the type alone"),
            ("entitlements[value eq \"x\"]", "only `type eq`"),
            ("entitlements[x].display", "nothing but .value"),
            ("emails[work]", "only entitlements and roles"),
            ("urn:x", "one plain attribute"),
            ("urn:a:b:User:x.y", "one plain attribute"),
            ("urn:a:b:User:", "one plain attribute"),
        ] {
            let why = TierPlace::parse(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
