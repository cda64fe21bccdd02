//! Desired minus confirmed: at most one action a person.

use super::DesiredSet;
use crate::model::{Change, Email, ObjectGuid, Rules, Snapshot, StoreKind, Warning};
use std::collections::HashSet;

/// What would be done if nothing were held back.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: Vec<Change>,
    warnings: Vec<Warning>,
    waiting: Vec<(ObjectGuid, Email)>,
}

/// Compares what should be with what the account store last confirmed. `renames`: whether the store can change the
/// address of an account.
pub fn plan(_desired: &DesiredSet, _snapshot: &Snapshot, _rules: &Rules, _kind: StoreKind, _renames: bool) -> Plan {
    Plan::default()
}

impl Plan {
    /// Sorted by identity, at most one a person.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What the plan itself gives cause to say.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// People who must act themselves before anything more can be done: invited, or not registered.
    pub fn waiting(&self) -> &[(ObjectGuid, Email)] {
        &self.waiting
    }

    /// The plan without these people.
    pub fn without(mut self, who: &HashSet<ObjectGuid>) -> Plan {
        self.changes.retain(|change| !who.contains(&change.guid));
        self
    }
}
