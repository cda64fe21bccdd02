//! What one person holds in the account store.

use super::{Email, ObjectGuid, Tier};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What one person holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Seat {
    /// Nothing: no account, or an account without a licence.
    Vacant,
    /// Asked to join and not yet there: no access, no cost.
    Invited,
    /// Can sign in, with this licence.
    Active(Tier),
    /// Cannot sign in; would hold this licence again.
    Suspended(Tier),
}

impl Seat {
    /// The licence held, or held again on resumption.
    pub fn tier(&self) -> Option<&Tier> {
        match self {
            Self::Active(tier) | Self::Suspended(tier) => Some(tier),
            Self::Vacant | Self::Invited => None,
        }
    }

    /// Whether this is a licence in use: what the limits are a percentage of.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Active(_))
    }
}

/// A tier's name, `suspended`, `invited` or `vacant`.
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacant => f.write_str("vacant"),
            Self::Invited => f.write_str("invited"),
            Self::Active(tier) => f.write_str(tier.name()),
            Self::Suspended(_) => f.write_str("suspended"),
        }
    }
}

/// The account store's own key of an account; opaque to us.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The store's key, as it gave it.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One account as the account store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The store's key.
    pub id: UserId,
    /// The address it is known by.
    pub email: Email,
    /// What it holds.
    pub seat: Seat,
    /// The directory identity the store keeps with the account, where it keeps one (SCIM's `externalId`, RFC 7643 3.1).
    pub external: Option<ObjectGuid>,
}

/// What the account store last confirmed of one person's account: the value of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The store's key.
    pub id: UserId,
    /// The address the account has there.
    pub email: Email,
    /// The seat.
    pub seat: Seat,
}

impl From<Observed> for Holding {
    fn from(Observed { id, email, seat, external: _ }: Observed) -> Self {
        Self { id, email, seat }
    }
}

/// What kind of account the store holds: it decides how a seat is given and taken (the seat matrix).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoreKind {
    /// People are invited by e-mail and accept; who leaves is removed.
    Team,
    /// People register themselves with an address of a claimed domain; who leaves is suspended.
    EnterpriseLwa,
    /// Accounts are created at once; who leaves is suspended.
    EnterpriseDirectory,
}

/// As in the configuration and the admin API.
impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Team => "Team",
            Self::EnterpriseLwa => "EnterpriseLWA",
            Self::EnterpriseDirectory => "EnterpriseDirectory",
        })
    }
}
