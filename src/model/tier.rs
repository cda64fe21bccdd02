//! Licence tiers and their order.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A licence level by its configured name, such as `pro`. One word of memory, since there is one with every seat.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tier(Arc<Name>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct Name(Box<str>);

impl Tier {
    /// A tier of that name. Names are compared as written.
    pub fn new(name: &str) -> Self {
        Self(Arc::new(Name(name.into())))
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.0.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The configured tiers, the highest first: the order of `[[tier]]` in the configuration is the precedence.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tiers(Vec<Tier>);

impl Tiers {
    /// The tiers in precedence order; the configuration has already refused duplicates.
    pub fn new(highest_first: Vec<Tier>) -> Self {
        Self(highest_first)
    }

    /// The highest first.
    pub fn iter(&self) -> impl Iterator<Item = &Tier> {
        self.0.iter()
    }

    /// 0 for the highest; `None` for a tier that is not configured (any more).
    pub fn rank(&self, tier: &Tier) -> Option<usize> {
        self.0.iter().position(|each| each == tier)
    }

    /// Whether going `from` one tier `to` another takes something away.
    ///
    /// Leaving a tier that is not configured counts as a loss: nobody can say any more what it was worth, and a
    /// mapping edit that drops a tier must fall under the limits like any other mistake.
    pub fn is_downgrade(&self, from: &Tier, to: &Tier) -> bool {
        from != to
            && match (self.rank(from), self.rank(to)) {
                (Some(from), Some(to)) => from < to,
                (None, _) | (_, None) => true,
            }
    }
}
