//! What an account store shows of a person besides the seat and the address: names, a title, a department.

use super::UserId;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The longest value that is passed on, in bytes; a display name in Active Directory has 256 characters at most
/// (MS-ADA1, Display-Name).
const VALUE_BYTES_MAX: usize = 1_024;

/// Where one detail stands in the directory, and what the account store calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailSource {
    /// As the account store calls it, such as `name.givenName`.
    pub name: Arc<str>,
    /// Attributes of the directory, in the order to look: the first with a value decides.
    pub attributes: Vec<String>,
}

/// `displayName from displayName or cn`.
impl fmt::Display for DetailSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.name, self.attributes.join(" or "))
    }
}

/// One detail of a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Detail {
    /// As the account store calls it.
    pub name: Arc<str>,
    /// The value: never empty, without control characters.
    pub value: CompactString,
}

/// The details of a person that the directory has. What it has no value for is not among them, and stays as it is in the
/// account store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    values: Vec<Detail>,
    mark: DetailsMark,
}

/// Tells details from others in few bytes. The same details have the same mark in every version and on every machine: it is
/// kept on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetailsMark(u64);

impl Details {
    /// The details that these sources give; `None` where there is not one. `value` gives that of an attribute, see
    /// [`Detail::value_of`].
    pub fn read<'v>(
        sources: &[DetailSource],
        mut value: impl FnMut(&str) -> Option<Cow<'v, str>>,
    ) -> Option<Arc<Self>> {
        let of = |source: &DetailSource| {
            let value = source.attributes.iter().find_map(|attribute| value(attribute))?;
            Some(Detail { name: source.name.clone(), value: value.as_ref().into() })
        };
        Self::of(sources.iter().filter_map(of).collect())
    }

    /// These; `None` where there is not one.
    pub fn of(values: Vec<Detail>) -> Option<Arc<Self>> {
        if values.is_empty() {
            return None;
        }
        let mut hasher = Sha256::new();
        for Detail { name, value } in &values {
            for text in [name.as_bytes(), value.as_bytes()] {
                hasher.update((text.len() as u64).to_be_bytes());
                hasher.update(text);
            }
        }
        let begin = hasher.finalize().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte));
        Some(Arc::new(Self { values, mark: DetailsMark(begin) }))
    }

    /// Each of them, in the order of the configuration.
    pub fn values(&self) -> &[Detail] {
        &self.values
    }

    /// Tells them from others.
    pub fn mark(&self) -> DetailsMark {
        self.mark
    }
}

impl DetailsMark {
    /// The mark of these details on that account: another account of the same person has not been given them.
    pub fn on(self, account: &UserId) -> Self {
        // FNV-1a: equal on every machine, and nobody gains anything by a collision.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(account.text().bytes().fold(self.0, step))
    }
}

impl Detail {
    /// What the values of an attribute give: the first in sorted order, since a directory gives values in any order; as one
    /// line, without blanks around it. What is not UTF-8 is nobody's name.
    pub fn value_of<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Cow<'v, str>> {
        values.filter_map(tidy).min()
    }
}

fn tidy(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let text = text[..text.floor_char_boundary(VALUE_BYTES_MAX)].trim_end();
    match text.contains(char::is_control) {
        _ if text.is_empty() => None,
        true => Some(Cow::Owned(text.replace(char::is_control, " "))),
        false => Some(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sources() -> Vec<DetailSource> {
        let source = |name: &str, attributes: &[&str]| DetailSource {
            name: name.into(),
            attributes: attributes.iter().map(|attribute| (*attribute).to_owned()).collect(),
        };
        vec![source("name.familyName", &["sn"]), source("displayName", &["displayName", "cn"])]
    }

    fn read(entry: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let details = Details::read(&sources(), |wanted| {
            Detail::value_of(entry.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value))
        });
        let pair = |detail: &Detail| (detail.name.to_string(), detail.value.to_string());
        details.map_or_else(Vec::new, |details| details.values().iter().map(pair).collect())
    }

    #[test]
    fn the_first_attribute_with_a_value_decides() {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(
            read(&[("cn", b"alice"), ("displayName", b" Alice  Lee "), ("sn", b"Lee")]),
            pairs(&[("name.familyName", "Lee"), ("displayName", "Alice  Lee")])
        );
        assert_eq!(read(&[("displayName", b"  "), ("cn", b"b"), ("cn", b"a")]), pairs(&[("displayName", "a")]));
        assert_eq!(read(&[("cn", b"\xff"), ("sn", b"x\r\ny")]), pairs(&[("name.familyName", "x  y")]));
        assert_eq!(read(&[]), []);
        let long = "\u{e4}".repeat(VALUE_BYTES_MAX);
        assert_eq!(read(&[("sn", long.as_bytes())])[0].1.len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn a_mark_tells_names_and_values_and_is_for_ever() {
        let of = |pairs: &[(&str, &str)]| {
            let detail = |(name, value): &(&str, &str)| Detail { name: (*name).into(), value: (*value).into() };
            Details::of(pairs.iter().map(detail).collect()).unwrap().mark()
        };
        let one = of(&[("a", "bc")]);
        assert_eq!(one, of(&[("a", "bc")]));
        for other in [of(&[("ab", "c")]), of(&[("a", "bC")]), of(&[("a", "bc"), ("d", "e")])] {
            assert_ne!(one, other);
        }
        assert_eq!(one, DetailsMark(MARK_OF_A_BC), "it stands in files");
        let on = |account| one.on(&UserId::new(account));
        assert_eq!(on("u1"), on("u1"));
        assert_ne!(on("u1"), on("u2"));
    }

    /// The first eight bytes of SHA-256 over the two texts, each with its length in front.
    const MARK_OF_A_BC: u64 = 0x3faf_a1cf_2f19_a7c1;
}
