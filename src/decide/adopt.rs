//! Whose account is whose.

use super::Roster;
use crate::model::{Fact, ObjectGuid, Observed, Rules, Snapshot, Timestamp, Warning};

/// Facts for the snapshot, sorted by identity, and what to say about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    /// What the snapshot learns; only what differs from it.
    pub facts: Vec<(ObjectGuid, Fact)>,
    /// What an operator should know.
    pub warnings: Vec<Warning>,
}

/// Matches the whole list of the account store with people: an audit, or a first run.
pub fn adopt(_observed: &[Observed], _roster: &Roster, _snapshot: &Snapshot, _now: Timestamp) -> Adoption {
    Adoption::default()
}

/// Hands the account of somebody who has left over to the person who has its address now.
pub fn inherit(_roster: &Roster, _snapshot: &Snapshot, _rules: &Rules, _now: Timestamp) -> Adoption {
    Adoption::default()
}
