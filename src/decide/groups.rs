//! The configured groups: what was found of them, and how that compares with what the last pass found.

use super::membership::{Bound, Reach, bind, reach};
use super::{Desired, DesiredSet, KeepReason, Roster};
use crate::model::{GroupRef, Memory, ObjectGuid, RememberedGroup, Rules, Seat, Tier, Tiers, Warning, WarningKind};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What a configured group is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// Its members get this tier.
    Gives(Tier),
    /// Its members are never seated.
    Excludes,
}

impl GroupRole {
    /// What is held while the group is unknown: a fact about the rule, whether or not anybody is concerned.
    pub(super) fn held_when_unknown(&self) -> &'static str {
        match self {
            Self::Gives(_) => "what this would take from its members is held until approved",
            Self::Excludes => "what those who were excluded by it would gain is held until approved",
        }
    }
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
    members: Arc<Vec<ObjectGuid>>,
    before: Option<usize>,
    lost: Vec<ObjectGuid>,
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

    /// The tier it gives; `None` for an excluded group.
    pub fn tier(&self) -> Option<&Tier> {
        match &self.role {
            GroupRole::Gives(tier) => Some(tier),
            GroupRole::Excludes => None,
        }
    }

    /// How it was found.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether its members can not be trusted: unknown is not empty.
    pub fn is_unknown(&self) -> bool {
        self.standing != Standing::Known
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

    /// How many it had at the last confirmed pass; `None` when nothing is remembered.
    pub fn members_before(&self) -> Option<usize> {
        self.before
    }

    /// Who was a member at the last confirmed pass and is none now (or cannot be seen to be one); sorted.
    pub fn lost(&self) -> &[ObjectGuid] {
        &self.lost
    }

    /// What to say of it when it is found without members; it is unknown if it had some. An excluded group may well be
    /// empty: nothing follows from that.
    fn be_empty(&mut self) -> Option<Warning> {
        let had = self.before.unwrap_or(0);
        if had > 0 {
            self.standing = Standing::SuddenlyEmpty;
        }
        let message = match (&self.role, had) {
            (GroupRole::Gives(_), 0) => "the group has no members: nobody gets anything by it".to_owned(),
            (GroupRole::Excludes, 0) => return None,
            (role, had) => format!("the group had {had} members and has none now: {}", role.held_when_unknown()),
        };
        Some(Warning::new(WarningKind::GroupEmpty, &self.name, message))
    }

    /// Whether this person is among the lost.
    pub(super) fn has_lost(&self, guid: &ObjectGuid) -> bool {
        self.lost.binary_search(guid).is_ok()
    }
}

/// The groups in the order of the configuration, those of `exclude_groups` last, each with its walk when it was found.
pub(super) fn find_groups(
    roster: &Roster,
    rules: &Rules,
    memory: &Memory,
    warnings: &mut Vec<Warning>,
) -> Vec<(FoundGroup, Option<Reach>)> {
    let giving = rules
        .tiers
        .iter()
        .flat_map(|rule| rule.groups.iter().map(|reference| (reference, GroupRole::Gives(rule.tier.clone()))));
    let excluding = rules.exclude.iter().map(|reference| (reference, GroupRole::Excludes));
    let found: Vec<_> = giving
        .chain(excluding)
        .map(|(reference, role)| find_group(roster, rules, memory, reference, role, warnings))
        .collect();
    warnings.extend(duplicates(found.iter().map(|(group, _)| group)));
    found
}

/// Groups that the configuration names more than once, by whatever spellings: seldom what was meant.
fn duplicates<'a>(groups: impl Iterator<Item = &'a FoundGroup>) -> Vec<Warning> {
    let mut by_identity: BTreeMap<ObjectGuid, Vec<&FoundGroup>> = BTreeMap::new();
    for group in groups {
        if let Some(guid) = group.guid {
            by_identity.entry(guid).or_default().push(group);
        }
    }
    let warning = |group: &[&FoundGroup]| {
        // In the order of the configuration: the highest tier first, the exclusions last.
        let (Some(first), Some(last), true) = (group.first(), group.last(), group.len() > 1) else { return None };
        let said = |group: &&FoundGroup| match &group.role {
            GroupRole::Gives(tier) => format!("{:?} (tier {tier})", group.reference.as_str()),
            GroupRole::Excludes => format!("{:?} (exclude_groups)", group.reference.as_str()),
        };
        let follows = match (&first.role, &last.role) {
            (GroupRole::Gives(_), GroupRole::Excludes) => {
                "the exclusion wins, and none of its members gets a seat".to_owned()
            }
            (GroupRole::Gives(one), GroupRole::Gives(other)) if one != other => format!("its members get {one}"),
            (_, _) => "once is enough".to_owned(),
        };
        let references: Vec<String> = group.iter().map(said).collect();
        Some(Warning::new(
            WarningKind::GroupDuplicate,
            &first.name,
            format!("{} name one and the same group: {follows}", references.join(" and ")),
        ))
    };
    by_identity.values().filter_map(|group| warning(group)).collect()
}

fn find_group(
    roster: &Roster,
    rules: &Rules,
    memory: &Memory,
    reference: &GroupRef,
    role: GroupRole,
    warnings: &mut Vec<Warning>,
) -> (FoundGroup, Option<Reach>) {
    let (bound, warning) = bind(roster, reference, &role, memory.groups.get(reference));
    warnings.extend(warning);
    let (place, standing) = match bound {
        Bound::Found(place) => (Some(place), Standing::Known),
        Bound::Missing => (None, Standing::Missing),
        Bound::Ambiguous(_) => (None, Standing::Ambiguous),
    };
    // Excluded groups are always resolved to the depth: an exclusion that stops at a sub-group excludes nobody.
    let walk = place.map(|place| reach(roster, place, rules.nested || role == GroupRole::Excludes));
    let guid = place.map(|place| roster.group_at(place).guid);
    let old = baseline(memory, reference, guid);
    let now = || walk.iter().flat_map(|walk| &walk.members).map(|member| roster.person_at(member.0).guid);
    let members = match old.filter(|old| old.members.iter().copied().eq(now())) {
        Some(old) => old.members.clone(),
        None => Arc::new(now().collect()),
    };
    let mut found = FoundGroup {
        name: match (place, old) {
            (Some(place), _) => roster.group_at(place).name().into_owned(),
            (None, Some(old)) => old.name.clone(),
            (None, None) => reference.as_str().to_owned(),
        },
        reference: reference.clone(),
        role,
        standing,
        guid,
        before: old.map(|old| old.members.len()),
        lost: old.map_or_else(Vec::new, |old| missing_from(&old.members, &members)),
        members,
    };
    if found.guid.is_some() && found.members.is_empty() {
        warnings.extend(found.be_empty());
    }
    warnings.extend(walk.iter().flat_map(|walk| walk.warnings(roster)));
    (found, walk)
}

/// What is remembered of a group: under its reference, or, when the operator has changed the text, under its identity.
fn baseline<'a>(memory: &'a Memory, reference: &GroupRef, guid: Option<ObjectGuid>) -> Option<&'a RememberedGroup> {
    let by_identity = || memory.groups.values().find(|old| Some(old.guid) == guid);
    memory.groups.get(reference).or_else(by_identity)
}

/// Those of `before` that are not in `now` (which is sorted); sorted, each once.
fn missing_from(before: &[ObjectGuid], now: &[ObjectGuid]) -> Vec<ObjectGuid> {
    // Both are usually sorted and nearly equal: walking them together is many times cheaper than searching.
    if std::ptr::eq(before, now) {
        return Vec::new();
    }
    let mut rest = now.iter().peekable();
    let mut lost = Vec::new();
    let sorted;
    let before = if before.is_sorted() {
        before
    } else {
        // It comes from a disk: an order that is not as written must not open the guard.
        sorted = before.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        &sorted
    };
    for guid in before {
        while rest.next_if(|now| *now < guid).is_some() {}
        if rest.peek() != Some(&guid) {
            lost.push(*guid);
        }
    }
    lost.dedup();
    lost
}

/// What the next pass compares groups with.
///
/// A group that is known and not blocked is remembered as it is now. Where losses are not through, the old members
/// stay, so that the next pass sees the same shrinkage again; only those whose loss was applied leave, and only if they
/// fell below what the group gives. So a missing group whose losses were approved and applied is at rest, and one that
/// caused no loss because everybody is in another group too keeps its guard.
///
/// An excluded group that is found empty lets go of whoever has by now what the other rules give, and of all when none
/// of them has anything to gain.
pub(super) fn remembered(
    desired: &DesiredSet,
    tiers: &Tiers,
    memory: &Memory,
    blocked: &BTreeSet<GroupRef>,
    applied: &HashSet<ObjectGuid>,
) -> BTreeMap<GroupRef, RememberedGroup> {
    let entry = |group: &FoundGroup| {
        let old = baseline(memory, &group.reference, group.guid);
        let stays = group.is_unknown() || blocked.contains(&group.reference);
        match (stays, old, group.guid) {
            (true, Some(old), Some(guid))
                if group.standing == Standing::SuddenlyEmpty
                    && group.role == GroupRole::Excludes
                    && !blocked.contains(&group.reference) =>
            {
                Some(RememberedGroup {
                    guid,
                    name: group.name.clone(),
                    members: Arc::new(still_excluded(desired, memory, old)),
                })
            }
            (true, Some(old), _) => {
                // A seat taken says nothing about an exclusion: whoever was excluded stays so.
                let is_through = |guid: &ObjectGuid| {
                    group.tier().is_some()
                        && applied.contains(guid)
                        && group.has_lost(guid)
                        && !is_seated_at_least(desired, tiers, guid, group.tier())
                };
                // Nothing of an emptied group is held any more: who has no seat in use has nothing left to lose by it.
                let is_idle = |guid: &ObjectGuid| {
                    group.tier().is_some()
                        && group.standing == Standing::SuddenlyEmpty
                        && !blocked.contains(&group.reference)
                        && !is_seated_at_least(desired, tiers, guid, group.tier())
                        && matches!(memory.snapshot.seat(guid), Seat::Vacant | Seat::Suspended(_))
                };
                let mut members: Vec<ObjectGuid> =
                    old.members.iter().copied().filter(|guid| !is_through(guid) && !is_idle(guid)).collect();
                if members.is_empty() && blocked.contains(&group.reference) {
                    // It still holds somebody it was never seen with: without a baseline it would be a usual empty group.
                    members = old.members.to_vec();
                }
                members.sort_unstable();
                Some(RememberedGroup { guid: old.guid, name: group.name.clone(), members: Arc::new(members) })
            }
            (_, _, Some(guid)) => {
                Some(RememberedGroup { guid, name: group.name.clone(), members: group.members.clone() })
            }
            (_, _, None) => None,
        }
    };
    desired.groups().iter().filter_map(|group| Some((group.reference.clone(), entry(group)?))).collect()
}

/// Those of an excluded group, suddenly empty, whose gains are still to be looked at.
fn still_excluded(desired: &DesiredSet, memory: &Memory, old: &RememberedGroup) -> Vec<ObjectGuid> {
    let prospect = |guid: &ObjectGuid| match desired.get(guid) {
        None | Some(Desired::Unseated { .. }) => Prospect::None,
        Some(Desired::Keep { why: KeepReason::Protected | KeepReason::InGrace { .. } }) => Prospect::None,
        Some(Desired::Keep { why: KeepReason::DuplicateEmail | KeepReason::AmbiguousName }) => Prospect::Open,
        Some(Desired::Seated { tier, .. }) => match memory.snapshot.seat(guid) {
            Seat::Active(now) if now == *tier => Prospect::Had,
            Seat::Invited => Prospect::Had,
            Seat::Vacant | Seat::Active(_) | Seat::Suspended(_) => Prospect::Open,
        },
    };
    let prospects: Vec<(ObjectGuid, Prospect)> = old.members.iter().map(|guid| (*guid, prospect(guid))).collect();
    if !prospects.iter().any(|(_, prospect)| *prospect == Prospect::Open) {
        return Vec::new();
    }
    let stays = prospects.iter().filter(|(_, prospect)| *prospect != Prospect::Had);
    let mut stays: Vec<ObjectGuid> = stays.map(|(guid, _)| *guid).collect();
    stays.sort_unstable();
    stays
}

/// What somebody who was excluded has to gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prospect {
    /// Nothing: no rule gives anything.
    None,
    /// Nothing more: it was given, and approved.
    Had,
    /// Something, now or when what keeps it back is gone.
    Open,
}

fn is_seated_at_least(desired: &DesiredSet, tiers: &Tiers, guid: &ObjectGuid, least: Option<&Tier>) -> bool {
    match (desired.get(guid), least) {
        (Some(Desired::Seated { tier, .. }), Some(least)) => match (tiers.rank(tier), tiers.rank(least)) {
            (Some(tier), Some(least)) => tier <= least,
            (None, _) | (_, None) => false,
        },
        (Some(Desired::Seated { .. } | Desired::Unseated { .. } | Desired::Keep { .. }) | None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lost_are_those_of_before_who_are_not_there_now() {
        let guids = |numbers: &[u128]| numbers.iter().map(|number| ObjectGuid::from_u128(*number)).collect::<Vec<_>>();
        let cases: [(&[u128], &[u128], &[u128]); 7] = [
            (&[], &[1, 2], &[]),
            (&[1, 2], &[], &[1, 2]),
            (&[5], &[1, 2, 3, 5, 6], &[]),
            (&[2, 4, 9], &[1, 3, 4, 5, 6, 7, 8], &[2, 9]),
            (&[2, 2, 4], &[4], &[2]),
            (&[9, 2, 4], &[4], &[2, 9]),
            (&[1, 2, 3], &[1, 2, 3], &[]),
        ];
        for (before, now, lost) in cases {
            assert_eq!(missing_from(&guids(before), &guids(now)), guids(lost), "{before:?} {now:?}");
        }
    }
}
