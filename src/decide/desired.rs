//! What every person should hold, with the reason.

use super::Roster;
use crate::model::{Cause, GroupPath, GroupRef, Memory, ObjectGuid, RememberedGroup, Rules, Tier, Timestamp, Warning};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What one person should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desired {
    /// An active seat of this tier.
    Seated {
        /// The tier.
        tier: Tier,
        /// The groups that lead to it; shared by all who come the same way.
        because: Arc<GroupPath>,
    },
    /// No active seat.
    Unseated {
        /// Why.
        because: Cause,
    },
    /// Whatever is held now: nothing may change.
    Keep {
        /// Why.
        why: KeepReason,
    },
}

/// Why nothing may change for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepReason {
    /// Two or more enabled people claim the address.
    DuplicateEmail,
    /// Protected by the configuration.
    Protected,
    /// Out of all groups, and the grace is not over.
    InGrace {
        /// When it is.
        until: Timestamp,
    },
    /// Another entry has the same name to distinguishedNameMatch, so a membership may or may not be this person's.
    AmbiguousName,
    /// Was in an excluded group that cannot be found now.
    ExclusionUnknown,
}

/// What a configured group is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// Its members get this tier.
    Gives(Tier),
    /// Its members are never seated.
    Excludes,
}

/// How a configured group was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Found, and its members can be trusted.
    Known,
    /// Found without members, though it had some: unknown.
    SuddenlyEmpty,
    /// Not found: unknown.
    Missing,
    /// Several fit: unknown.
    Ambiguous,
}

/// A configured group and what was found of it.
#[derive(Clone, Debug)]
pub struct FoundGroup {
    reference: GroupRef,
    role: GroupRole,
    standing: Standing,
    guid: Option<ObjectGuid>,
    name: String,
    members: Vec<u32>,
}

impl FoundGroup {
    /// As configured.
    pub fn reference(&self) -> &GroupRef {
        &self.reference
    }

    /// What it is for.
    pub fn role(&self) -> &GroupRole {
        &self.role
    }

    /// How it was found.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Its identity, when found.
    pub fn guid(&self) -> Option<ObjectGuid> {
        self.guid
    }

    /// Its name now; the name remembered, or the reference, when it is not found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many effective members it has: people, nesting resolved, primary members included.
    pub fn members(&self) -> usize {
        self.members.len()
    }
}

/// What everybody concerned should hold: those in a mapped group, and those with an account known to us.
#[derive(Clone, Debug, Default)]
pub struct DesiredSet {
    entries: Vec<(ObjectGuid, Desired)>,
    warnings: Vec<Warning>,
    groups: Vec<FoundGroup>,
    absent: HashMap<ObjectGuid, Timestamp>,
    people: usize,
}

/// Decides what everybody should hold.
pub fn desire(_roster: &Roster, _rules: &Rules, _memory: &Memory, _now: Timestamp) -> DesiredSet {
    DesiredSet::default()
}

impl DesiredSet {
    /// Everybody concerned, sorted by identity.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectGuid, &Desired)> {
        self.entries.iter().map(|(guid, desired)| (*guid, desired))
    }

    /// What this person should hold; `None` for somebody in no mapped group without an account known to us.
    pub fn get(&self, guid: &ObjectGuid) -> Option<&Desired> {
        self.entries.iter().find(|entry| entry.0 == *guid).map(|entry| &entry.1)
    }

    /// Warnings about groups and people; those of the roster are not repeated.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many should hold a seat.
    pub fn seated(&self) -> usize {
        self.entries.iter().filter(|(_, desired)| matches!(desired, Desired::Seated { .. })).count()
    }

    /// How many people the directory has.
    pub fn people(&self) -> usize {
        self.people
    }

    /// The configured groups in the order of the configuration, those of `exclude_groups` last.
    pub fn groups(&self) -> &[FoundGroup] {
        &self.groups
    }

    /// What the next pass compares groups with. `blocked` are the groups whose losses are held
    /// ([`super::Cleared::blocked_groups`]), `applied` the people whose loss was applied in this pass.
    pub fn remembered(
        &self,
        _memory: &Memory,
        _blocked: &BTreeSet<GroupRef>,
        _applied: &HashSet<ObjectGuid>,
    ) -> BTreeMap<GroupRef, RememberedGroup> {
        BTreeMap::new()
    }

    /// Who holds a seat and is out of all groups, and since when.
    pub fn absent(&self) -> &HashMap<ObjectGuid, Timestamp> {
        &self.absent
    }
}
