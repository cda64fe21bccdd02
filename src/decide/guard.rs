//! Holds back what an operator should see first.

use super::{DesiredSet, Plan};
use crate::model::{Approval, Change, GroupRef, HeldNote, Limits, Memory, ObjectGuid, Rules, Timestamp, Warning};
use std::collections::{BTreeSet, HashSet};

/// A change that waits for approval, and why, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldChange {
    /// The change.
    pub change: Change,
    /// Why it is held.
    pub why: String,
}

/// A plan that the guards have seen: what may go, and what is held.
#[derive(Clone, Debug)]
pub struct Cleared {
    go: Vec<Change>,
    held: Vec<HeldChange>,
    hash: String,
    warnings: Vec<Warning>,
    blocked: BTreeSet<GroupRef>,
}

/// Sees a plan through the guards.
pub fn clear(
    plan: Plan,
    _desired: &DesiredSet,
    _rules: &Rules,
    _limits: &Limits,
    _memory: &Memory,
    _now: Timestamp,
) -> Cleared {
    Cleared {
        go: plan.changes().to_vec(),
        held: Vec::new(),
        hash: String::new(),
        warnings: Vec::new(),
        blocked: BTreeSet::new(),
    }
}

impl Cleared {
    /// What may be done, sorted by identity.
    pub fn go(&self) -> &[Change] {
        &self.go
    }

    /// What waits for approval, sorted by identity.
    pub fn held(&self) -> &[HeldChange] {
        &self.held
    }

    /// Names the held changes (all changes when none is held): what `approve` is given. 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Names everything: what `apply FILE` compares.
    pub fn fingerprint(&self) -> String {
        String::new()
    }

    /// What is held, for the state; `since` is kept while exactly the same is held.
    pub fn held_note(&self, _before: Option<&HeldNote>, _now: Timestamp) -> Option<HeldNote> {
        None
    }

    /// The plan's warnings and the guards' own.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Only these people; all others are in neither list. To be asked after guarding, so that a small scope cannot
    /// slip under a limit.
    pub fn only(self, _who: &HashSet<ObjectGuid>) -> Cleared {
        self
    }

    /// The approval that releases what is held now; `None` when nothing is.
    pub fn approval(&self, _by: &str, _now: Timestamp, _limits: &Limits) -> Option<Approval> {
        None
    }

    /// The approvals that are still to be kept after a pass in which the changes of the people `done` were applied.
    pub fn approvals_left(&self, _memory: &Memory, _done: &HashSet<ObjectGuid>, _now: Timestamp) -> Vec<Approval> {
        Vec::new()
    }

    /// The groups whose baseline must stay, because losses they may have caused are not through.
    pub fn blocked_groups(&self) -> &BTreeSet<GroupRef> {
        &self.blocked
    }
}
