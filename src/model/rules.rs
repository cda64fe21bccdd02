//! What the operator configured about people and limits, as meant.

use super::{Email, ObjectGuid, Sid, Tier, Tiers};
use std::fmt;
use std::time::Duration;

/// How a group is named in the configuration: DN, sAMAccountName, cn, objectGUID or SID.
///
/// The text as written is the key under which the group found is remembered.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupRef(String);

impl GroupRef {
    /// The reference as written, trimmed.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity, if it is written as one.
    pub fn as_guid(&self) -> Option<ObjectGuid> {
        ObjectGuid::parse(&self.0)
    }

    /// The SID, if it is written as one.
    pub fn as_sid(&self) -> Option<Sid> {
        Sid::parse(&self.0)
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `[[tier]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRule {
    /// The tier.
    pub tier: Tier,
    /// The groups whose members get it.
    pub groups: Vec<GroupRef>,
}

/// Who gets what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rules {
    /// The tiers, the highest first; a person in several gets the first.
    pub tiers: Vec<TierRule>,
    /// Claimed domains in lower case; empty means any.
    pub domains: Vec<String>,
    /// Whether members of member groups count.
    pub nested: bool,
    /// Never touched: no gain, no loss.
    pub protected: Vec<Email>,
    /// Groups whose members (nested ones too) are never seated.
    pub exclude: Vec<GroupRef>,
    /// How long somebody may be out of all groups before losing the seat.
    pub grace: Duration,
    /// What becomes of the account of whoever has left, where accounts can be suspended.
    pub on_leave: OnLeave,
}

/// What becomes of the account of whoever has left: is in no mapped group any more, in an excluded one, or gone from the
/// directory. Whoever is only held back (disabled, expired, without a usable address) is suspended either way.
///
/// Of a kind of account that suspends nobody (Team) it says nothing: there, who leaves is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OnLeave {
    /// It is suspended, and kept with its tier for the return.
    #[default]
    Deactivate,
    /// It is deleted, also when it has been suspended before: who returns gets another one.
    Delete,
}

impl Rules {
    /// The tiers in precedence order.
    pub fn order(&self) -> Tiers {
        Tiers::new(self.tiers.iter().map(|rule| rule.tier.clone()).collect())
    }
}

/// A number of people, absolute or of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    Off,
    /// At most this many.
    Count(usize),
    /// At most this many in a hundred.
    Percent(u8),
}

impl Limit {
    /// Whether `count` out of `whole` crosses it. Exact: no rounding in favour of either side.
    pub fn is_crossed(self, count: usize, whole: usize) -> bool {
        match self {
            Self::Off => false,
            Self::Count(most) => count > most,
            Self::Percent(percent) => count as u128 * 100 > u128::from(percent) * whole as u128,
        }
    }
}

/// As in the configuration: `off`, `500`, `5%`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// `[limits]`: a plan that crosses one has its losses (or gains) held until approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Losses in one plan, of the seats now held.
    pub losses: Limit,
    /// This many losses or fewer are never held by `losses` or `group_shrink`.
    pub losses_floor: usize,
    /// Members one mapped group may lose between two passes, of those it had.
    pub group_shrink: Limit,
    /// Gains in one plan, of the seats now held.
    pub gains: Limit,
    /// How long an approval waits for its pass.
    pub approval_expires: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            losses: Limit::Percent(5),
            losses_floor: 5,
            group_shrink: Limit::Percent(30),
            gains: Limit::Off,
            approval_expires: Duration::from_secs(24 * 60 * 60),
        }
    }
}
