//! E-mail addresses: how an account store knows a person.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A usable address: trimmed, with one local part and a domain that has a dot. Compared without case, shown as written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Email(CompactString);

/// The longest address accepted, in bytes (RFC 5321 4.5.3.1.3 gives a path 256 with its brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

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
        well_formed.then(|| Self(text.into()))
    }

    /// As the directory or the account store wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what equality means.
    pub fn key(&self) -> Cow<'_, str> {
        lower(&self.0)
    }

    /// Whether it is an address of exactly that domain, which is given in lower case.
    pub fn is_in(&self, domain: &str) -> bool {
        let own = self.0.rsplit_once('@').map_or("", |(_, own)| own);
        if own.is_ascii() { own.eq_ignore_ascii_case(domain) } else { own.to_lowercase() == domain }
    }

    /// The part behind the `@`, in lower case.
    pub fn domain(&self) -> Cow<'_, str> {
        lower(self.0.rsplit_once('@').map_or("", |(_, domain)| domain))
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Of letters of ASCII only, as nearly all addresses are, nothing has to be written down to compare them.
impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
            || (!(self.0.is_ascii() && other.0.is_ascii()) && self.key() == other.key())
    }
}
impl Eq for Email {}
impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut buffer = [0; EMAIL_BYTES_MAX];
        match buffer.get_mut(..self.0.len()).filter(|_| self.0.is_ascii()) {
            Some(key) => {
                key.copy_from_slice(self.0.as_bytes());
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
        if self.0.is_ascii() && other.0.is_ascii() {
            self.0
                .bytes()
                .map(|byte| byte.to_ascii_lowercase())
                .cmp(other.0.bytes().map(|byte| byte.to_ascii_lowercase()))
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
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Email> for CompactString {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0.into()
    }
}

impl TryFrom<CompactString> for Email {
    type Error = String;

    fn try_from(text: CompactString) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not an e-mail address"))
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
