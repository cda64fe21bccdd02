//! E-mail addresses: how an account store knows a person.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A usable address: trimmed, with one local part and a domain that has a dot. Compared without case, shown as written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email {
    text: Arc<str>,
    key: Arc<str>,
}

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
        well_formed.then(|| {
            let lower = text.to_lowercase();
            let text: Arc<str> = text.into();
            let key = if lower == *text { text.clone() } else { lower.into() };
            Self { text, key }
        })
    }

    /// As the directory or the account store wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case: what equality means.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The part behind the `@`, in lower case.
    pub fn domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Email {}
impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}
impl Ord for Email {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}
impl PartialOrd for Email {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.text.as_ref().into()
    }
}

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not an e-mail address"))
    }
}

/// What the configured e-mail attributes of a person gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// None of them has a value.
    Missing,
    /// The first one with a value has this, which is no address.
    Malformed(String),
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn trimmed_and_compared_without_case() {
        let email = Email::parse("  Dup@AD.Test ").unwrap();
        assert_eq!(email.as_str(), "Dup@AD.Test");
        assert_eq!(email, Email::parse("dup@ad.test").unwrap());
        assert_eq!(email.domain(), "ad.test");
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
