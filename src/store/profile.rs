//! What is known of an account besides its users.

use crate::model::{Email, StoreKind, Tier, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
/// Most groups of one account whose members sign in for others, and the longest name of one, in bytes.
pub const DELEGATE_GROUPS_MAX: usize = 10;
/// Longest name of such a group, in bytes.
pub const DELEGATE_GROUP_BYTES_MAX: usize = 64;
/// How long a deleted account is kept (admin guide: 90 days).
pub const CLOSED_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

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

/// What kind of account it is (the admin API's `AccountType`). The order is the form on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccountKind {
    /// People are invited by e-mail and accept; who leaves is removed.
    Team,
    /// People of a claimed domain register themselves (Login with Amazon, in its day); who leaves is suspended.
    EnterpriseLwa,
    /// Users follow a connected directory; who leaves is suspended.
    EnterpriseDirectory,
    /// As `EnterpriseLwa`, with another way to sign in (`OpenID` Connect).
    EnterpriseOidc,
}

impl AccountKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Team, Self::EnterpriseLwa, Self::EnterpriseDirectory, Self::EnterpriseOidc];

    /// Whether it is one of the enterprise kinds: it has domains, and suspends.
    pub fn is_enterprise(self) -> bool {
        self != Self::Team
    }

    /// The kind of that name in the admin API.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == name)
    }
}

impl From<StoreKind> for AccountKind {
    fn from(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Team => Self::Team,
            StoreKind::EnterpriseLwa => Self::EnterpriseLwa,
            StoreKind::EnterpriseDirectory => Self::EnterpriseDirectory,
        }
    }
}

impl PartialEq<StoreKind> for AccountKind {
    fn eq(&self, other: &StoreKind) -> bool {
        *self == Self::from(*other)
    }
}

/// As in the admin API.
impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Team => "Team",
            Self::EnterpriseLwa => "EnterpriseLWA",
            Self::EnterpriseDirectory => "EnterpriseDirectory",
            Self::EnterpriseOidc => "EnterpriseOIDC",
        })
    }
}

/// What an account has that the first form on disk did not know: written behind the profile in the same record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileDetails {
    /// When it was deleted. It is kept for [`CLOSED_KEPT`] and then forgotten.
    pub closed_at: Option<Timestamp>,
    /// Whether only people of a claimed domain are welcome, even while none is claimed: so once a first one was verified.
    pub domains_only: bool,
    /// `DisableRemoteControl`: kept and handed out.
    pub disable_remote_control: Option<bool>,
    /// `EnableDialOut`: kept and handed out.
    pub enable_dial_out: Option<bool>,
    /// Groups whose members may sign in for others: kept and handed out.
    pub delegate_groups: Vec<String>,
}

/// A domain of an account on its way in or out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The domain, in lower case.
    pub domain: String,
    /// What its DNS has to show; `None` while nobody claims it.
    pub token: Option<String>,
    /// When it was claimed, or released.
    pub at: Timestamp,
    /// When the account last let it go: who is registered with it is out until it is verified again.
    pub released_at: Option<Timestamp>,
}

/// What is known of an account besides its users. The order of the fields is the form on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its id.
    pub id: AccountId,
    /// Its name, for people.
    pub name: String,
    /// How a seat is given and taken.
    pub kind: AccountKind,
    /// The licence of somebody who accepts an invitation or registers; a supported one.
    pub default_licence: Option<Tier>,
    /// The licences there are, in the order they were added. One is taken away only while nobody holds it.
    pub supported: Vec<Tier>,
    /// Claimed domains, in lower case, sorted; none claimed means that any address is welcome. Each is a record of its own,
    /// since several hundred would be too large for one.
    #[serde(skip)]
    pub domains: Vec<String>,
    /// Domains on their way in or out, by name. Each is a record of its own, too.
    #[serde(skip)]
    pub claims: BTreeMap<String, Claim>,
    /// How provisioning clients know licences, of those that they have a name for. Each is a record of its own, too.
    #[serde(skip)]
    pub aliases: BTreeMap<Tier, String>,
    /// The rest.
    #[serde(skip)]
    pub details: ProfileDetails,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Profile {
    /// Of a new account, which supports no licence yet.
    pub fn new(id: AccountId, name: &str, kind: impl Into<AccountKind>, at: Timestamp) -> Self {
        let name = name.chars().take(NAME_CHARS_MAX).collect();
        Self {
            id,
            name,
            kind: kind.into(),
            default_licence: None,
            supported: Vec::new(),
            domains: Vec::new(),
            claims: BTreeMap::new(),
            aliases: BTreeMap::new(),
            details: ProfileDetails::default(),
            created_at: at,
        }
    }

    /// Whether an address is of a claimed domain, or any is welcome. Sub-domains are domains of their own.
    pub fn claims(&self, email: &Email) -> bool {
        let any = self.domains.is_empty() && !self.details.domains_only;
        any || self.has_domain(&email.domain())
    }

    /// Whether that domain (in lower case) is claimed and verified.
    pub fn has_domain(&self, domain: &str) -> bool {
        self.domains.binary_search_by(|each| each.as_str().cmp(domain)).is_ok()
    }

    /// Whether the account let go of that domain (in lower case) and does not have it again. Whoever of it is registered is
    /// out, no matter since when: clocks are set back.
    pub fn has_released(&self, domain: &str) -> bool {
        !self.has_domain(domain) && self.claims.get(domain).is_some_and(|claim| claim.released_at.is_some())
    }

    /// Whether both are one record; domains, claims and aliases are records of their own.
    pub(super) fn is_same_record(&self, other: &Self) -> bool {
        let Self { id, name, kind, default_licence, supported, domains: _, claims: _, aliases: _, details, created_at } =
            self;
        *id == other.id
            && *name == other.name
            && *kind == other.kind
            && *default_licence == other.default_licence
            && *supported == other.supported
            && *details == other.details
            && *created_at == other.created_at
    }

    /// Whether the account was deleted.
    pub fn is_closed(&self) -> bool {
        self.details.closed_at.is_some()
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
