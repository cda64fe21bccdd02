//! E-mail addresses: how an account store knows a person.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A usable address: trimmed, with one local part and a domain that has a dot. Compared without case, shown as written.
#[derive(Clone)]
pub struct Email(Text);

/// Nearly all addresses are short and stand in the value itself: a million of them are then not a million pieces of memory
/// all over the place, and comparing them waits for none.
#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT_BYTES_MAX] },
    Long(Box<str>),
}

/// With this many the value is 40 bytes long.
const SHORT_BYTES_MAX: usize = 38;

/// The longest address accepted, in bytes (RFC 5321 4.5.3.1.3 gives a path 256 with its brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

impl Text {
    fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { length, bytes }
            }
            (_, _) => Self::Long(text.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl Email {
    /// Trims and checks; `None` when nothing could be delivered to it.
    ///
    /// Deliberately narrower than RFC 5322: quoted local parts, comments and blanks are refused, since no account
    /// store accepts them as a sign-in name.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || "@<>(),;:\"\\[]".contains(c);
        let well_formed = !local.is_empty()
            && text.len() <= EMAIL_BYTES_MAX
            && !local.contains(forbidden)
            && !domain.contains(forbidden)
            && domain.split('.').count() >= 2
            && domain.split('.').all(|label| !label.is_empty());
        well_formed.then(|| Self(Text::new(text)))
    }

    /// As the directory or the account store wrote it.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // It was made of a text.
            Text::Short { .. } => std::str::from_utf8(self.0.bytes()).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// In lower case: what equality means.
    pub fn key(&self) -> Cow<'_, str> {
        lower(self.as_str())
    }

    /// Whether it is an address of exactly that domain, which is given in lower case.
    pub fn is_in(&self, domain: &str) -> bool {
        let bytes = self.0.bytes();
        // There is one `@`.
        match bytes.len().checked_sub(domain.len()).map(|at| bytes.split_at(at)) {
            Some(([.., b'@'], own)) if own.is_ascii() => own.eq_ignore_ascii_case(domain.as_bytes()),
            Some(_) | None => !bytes.is_ascii() && self.domain() == domain,
        }
    }

    /// The part behind the `@`, in lower case.
    pub fn domain(&self) -> Cow<'_, str> {
        lower(self.as_str().rsplit_once('@').map_or("", |(_, domain)| domain))
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Of letters of ASCII only, as nearly all addresses are, nothing has to be written down to compare them.
impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.0.bytes(), other.0.bytes());
        one.eq_ignore_ascii_case(two) || (!(one.is_ascii() && two.is_ascii()) && self.key() == other.key())
    }
}
impl Eq for Email {}
impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.bytes();
        let mut buffer = [0; EMAIL_BYTES_MAX];
        match buffer.get_mut(..bytes.len()).filter(|_| bytes.is_ascii()) {
            Some(key) => {
                key.copy_from_slice(bytes);
                key.make_ascii_lowercase();
                state.write(key);
            }
            None => state.write(self.key().as_bytes()),
        }
        // Ends it, as `str` does.
        state.write_u8(0xff);
    }
}
impl Ord for Email {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.0.bytes(), other.0.bytes());
        if one.is_ascii() && two.is_ascii() {
            one.iter().map(u8::to_ascii_lowercase).cmp(two.iter().map(u8::to_ascii_lowercase))
        } else {
            self.key().cmp(&other.key())
        }
    }
}
impl PartialOrd for Email {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.as_str().into()
    }
}

/// As its text.
impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A text of any kind, without a copy of it.
        struct Texts;

        impl Visitor<'_> for Texts {
            type Value = Email;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an e-mail address")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Email, E> {
                Email::parse(text).ok_or_else(|| E::custom(format!("{text:?} is not an e-mail address")))
            }
        }

        deserializer.deserialize_str(Texts)
    }
}

/// What the configured e-mail attributes of a person gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// None of them has a value.
    Missing,
    /// The first one with a value has this, which is no address.
    Malformed(Box<str>),
    /// An address; whether its domain is claimed is for the rules to say.
    Address(Email),
}

impl Mailbox {
    /// The address, if there is a usable one.
    pub fn address(&self) -> Option<&Email> {
        match self {
            Self::Address(email) => Some(email),
            Self::Missing | Self::Malformed(_) => None,
        }
    }

    /// Whether it is the other one to the letter.
    pub fn is_written_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one.as_str() == other.as_str(),
            (Self::Missing | Self::Malformed(_) | Self::Address(_), _) => self == other,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn trimmed_and_compared_without_case() {
        let email = Email::parse("  Dup@AD.Test ").unwrap();
        assert_eq!(email.as_str(), "Dup@AD.Test");
        assert_eq!(email, Email::parse("dup@ad.test").unwrap());
        assert_eq!(email.domain(), "ad.test");
        assert!(email.is_in("ad.test") && !email.is_in("d.test") && !email.is_in("sub.ad.test"));
        assert!(Email::parse("a@GRÜN.test").unwrap().is_in("grün.test"));
    }

    #[test]
    fn long_and_short_ones_are_the_same_to_everybody() {
        for length in [1, 5, SHORT_BYTES_MAX - 7, SHORT_BYTES_MAX - 6, SHORT_BYTES_MAX - 5, 200] {
            let text = format!("{}@b.TEST", "x".repeat(length));
            let email = Email::parse(&text).unwrap();
            assert_eq!((email.as_str(), &*email.key()), (text.as_str(), text.to_lowercase().as_str()));
            assert_eq!(email, Email::parse(&text.to_uppercase()).unwrap());
            assert!(email.is_in("b.test") && !email.is_in(".test") && !email.is_in("a.b.test"));
            let json = serde_json::to_string(&email).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Email>(&json).unwrap().as_str(), text);
        }
        assert!(serde_json::from_str::<Email>("\"a@b\"").is_err());
        assert_eq!((size_of::<Email>(), size_of::<Mailbox>()), (40, 40));
    }

    #[test]
    fn equality_order_and_hash_are_those_of_the_lower_case() {
        let texts =
            ["a@b.c", "A@B.c", "Ä@b.c", "ä@B.C", "\u{212a}@b.c", "k@b.c", "ab@b.c", "ΣΑΣ@b.c", "σας@b.c", "z@b.c"];
        let emails: Vec<Email> = texts.iter().map(|text| Email::parse(text).unwrap()).collect();
        let state = std::hash::RandomState::new();
        for (one, other) in emails.iter().flat_map(|one| emails.iter().map(move |other| (one, other))) {
            let (one_key, other_key) = (one.as_str().to_lowercase(), other.as_str().to_lowercase());
            assert_eq!(one.key(), one_key);
            assert_eq!(one == other, one_key == other_key, "{one} {other}");
            assert_eq!(one.cmp(other), one_key.cmp(&other_key), "{one} {other}");
            assert!(one != other || state.hash_one(one) == state.hash_one(other), "{one} {other}");
        }
    }

    #[test]
    fn what_nobody_can_sign_in_with_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a b@c.d",
            "not an address",
            "a@b",
            "a@b@c.d",
            "a@.b",
            "a@b.",
            "a@b..c",
            "<a@b.c>",
            "a,b@c.d",
            "a\u{0}@b.c",
        ] {
            assert!(Email::parse(text).is_none(), "{text:?}");
        }
        assert!(Email::parse(&format!("{}@b.c", "a".repeat(EMAIL_BYTES_MAX))).is_none());
    }
}
