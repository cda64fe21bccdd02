//! What is known of an account besides its users.

use crate::model::{Email, StoreKind, Tier, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Longest account id, in bytes: it is part of every key on disk.
pub const ACCOUNT_ID_BYTES_MAX: usize = 64;
/// Longest user id, in bytes, for the same reason.
pub const USER_ID_BYTES_MAX: usize = 60;
/// Longest account name, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest name of a licence, in bytes.
pub const LICENCE_BYTES_MAX: usize = 64;
/// Most supported licences of one account: with their names they are one record on disk.
pub const LICENCES_MAX: usize = 40;
/// Most claimed domains of one account.
pub const DOMAINS_MAX: usize = 500;

/// Names an account: 1 to 64 bytes without control characters and without blanks at the ends.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Checks; `None` when it is no account id.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = !text.is_empty()
            && text.len() <= ACCOUNT_ID_BYTES_MAX
            && text.trim() == text
            // The NUL ends the account's part of a key on disk.
            && !text.contains(char::is_control);
        well_formed.then(|| Self(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0.as_ref().into()
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not an account id"))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of an account besides its users. The order of the fields is the form on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its id.
    pub id: AccountId,
    /// Its name, for people.
    pub name: String,
    /// How a seat is given and taken.
    pub kind: StoreKind,
    /// The licence of somebody who accepts an invitation or registers; a supported one.
    pub default_licence: Option<Tier>,
    /// The licences there are, in the order they were added. None is ever taken away: somebody may hold it.
    pub supported: Vec<Tier>,
    /// Claimed domains, in lower case, sorted; none claimed means that any address is welcome. Each is a record of its own,
    /// since several hundred would be too large for one.
    #[serde(skip)]
    pub domains: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Profile {
    /// Of a new account, which supports no licence yet.
    pub fn new(id: AccountId, name: &str, kind: StoreKind, at: Timestamp) -> Self {
        let name = name.chars().take(NAME_CHARS_MAX).collect();
        Self { id, name, kind, default_licence: None, supported: Vec::new(), domains: Vec::new(), created_at: at }
    }

    /// Whether an address is of a claimed domain. Sub-domains are domains of their own.
    pub fn claims(&self, email: &Email) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|domain| domain == email.domain())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_can_be_part_of_a_key() {
        let long = "x".repeat(ACCOUNT_ID_BYTES_MAX + 1);
        for text in ["", " ", " corp", "corp ", "co\0rp", "co\nrp", &long] {
            assert_eq!(AccountId::parse(text), None, "{text:?}");
        }
        for text in ["corp", "Corp 1/2", "münchen", &long[1..]] {
            assert_eq!(AccountId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_domain_is_claimed_without_its_sub_domains() {
        let id = AccountId::parse("corp").unwrap();
        let mut profile = Profile::new(id, "Corp", StoreKind::EnterpriseLwa, Timestamp::UNIX_EPOCH);
        let claims = |profile: &Profile, text: &str| profile.claims(&Email::parse(text).unwrap());
        assert!(claims(&profile, "a@anything.example"), "none claimed: any is welcome");
        profile.domains = vec!["corp.example".to_owned()];
        assert!(claims(&profile, "a@CORP.example"));
        assert!(!claims(&profile, "a@sub.corp.example"));
        assert!(!claims(&profile, "a@xcorp.example"));
    }
}
