//! Holds back what an operator should see first.
//!
//! Five guards look at a plan, in this order: a pass without a memory loses nobody anything; a group that is unknown or
//! has shrunk too much holds the losses it causes; an excluded group that is unknown holds what those it excluded would
//! gain; too many losses in all hold each other; so do too many gains. What an operator has approved passes all of
//! them, once, and counts for none.
//!
//! What a group holds is set aside before losses and gains are counted: the losses an unknown group would cause are
//! held, everything else goes on, and is measured by itself.
//!
//! At the end, a change that needs an address which a held change would have let go of is held with it.
//!
//! Law: held and go together are the plan, whatever the guards say.

use super::desired::{Desired, DesiredSet, KeepReason, later};
use super::groups::{FoundGroup, GroupRole, Standing};
use super::plan::{Lean, Parts, Plan};
use crate::model::memory::ApprovedChange;
use crate::model::{
    Action, Approval, Because, Cause, Change, Email, GroupRef, HeldNote, Limits, Memory, ObjectGuid, Origin, Rules,
    Tiers, Timestamp, UserId, Warning, WarningKind,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

/// Hexadecimal digits of a hash shown to operators: short enough to type, long enough that no two plans share one.
const HASH_DIGITS: usize = 16;

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
    tiers: Tiers,
    /// For each loss the groups that its person is lost from, and the one that holds it.
    lost_from: HashMap<ObjectGuid, Vec<GroupRef>>,
    blocked: BTreeSet<GroupRef>,
    /// Approved changes that this plan still wants, or that concern people it had to leave out.
    still_wanted: HashSet<ApprovedChange>,
    /// People who must act themselves first, with their address.
    waiting: Vec<(ObjectGuid, Email)>,
    /// Which changes need an address that another one lets go of.
    leans: Vec<Lean>,
}

/// Sees a plan through the guards.
pub fn clear(
    plan: Plan,
    desired: &DesiredSet,
    rules: &Rules,
    limits: &Limits,
    memory: &Memory,
    now: Timestamp,
) -> Cleared {
    let tiers = rules.order();
    let approved: HashSet<&ApprovedChange> = memory
        .approvals
        .iter()
        .filter(|approval| approval.expires > now)
        .flat_map(|approval| &approval.changes)
        .collect();
    let mut still_wanted: HashSet<ApprovedChange> =
        approved.iter().filter(|change| plan.has_left_out(&change.guid)).map(|change| (*change).clone()).collect();
    let unresolved = desired.groups().iter().filter(|group| group.lost().iter().any(|guid| plan.has_left_out(guid)));
    let unresolved: Vec<GroupRef> = unresolved.map(|group| group.reference().clone()).collect();
    let Parts { changes, mut warnings, waiting, leans } = plan.into_parts();
    let groups: Vec<GroupGuard<'_>> =
        desired.groups().iter().filter_map(|group| GroupGuard::of(group, limits)).collect();
    warnings.extend(groups.iter().filter_map(GroupGuard::warning));

    let mut lost_from = HashMap::new();
    let mut verdicts: Vec<Verdict> = changes
        .iter()
        .map(|change| {
            let is_approved = !approved.is_empty() && {
                let exactly = approved_form(change);
                let is_approved = approved.contains(&exactly);
                if is_approved {
                    still_wanted.insert(exactly);
                }
                is_approved
            };
            if change.is_gain(&tiers) {
                return match exclusion(change, desired) {
                    _ if is_approved => Verdict::Released,
                    Some(why) => Verdict::Held(why),
                    None => Verdict::Gain,
                };
            }
            if !change.is_loss(&tiers) {
                return Verdict::Released;
            }
            let from = groups_lost_by(change, desired);
            let by_group =
                groups.iter().find_map(|guard| Some((guard.reference(), guard.holds(change, &from, &tiers)?)));
            // The group that holds it may never have been seen with this person: its baseline must stay all the same.
            let holder = by_group.iter().map(|(group, _)| group.clone());
            let concerned: Vec<GroupRef> = from.iter().map(|group| group.reference().clone()).chain(holder).collect();
            if !concerned.is_empty() {
                lost_from.insert(change.guid, concerned);
            }
            let why = hold_all(&memory.origin).or(by_group.map(|(_, why)| why));
            match why {
                _ if is_approved => Verdict::Released,
                Some(why) => Verdict::Held(why),
                None => Verdict::Loss,
            }
        })
        .collect();

    let seats = memory.snapshot.held();
    let losses = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Loss)).count();
    if losses > limits.losses_floor && limits.losses.is_crossed(losses, seats) {
        let why = format!("{losses} losses are more than {} of {seats} seats (limits.losses)", limits.losses);
        hold(&mut verdicts, &Verdict::Loss, &why);
    }
    let gains = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Gain)).count();
    if limits.gains.is_crossed(gains, seats) {
        let why = format!("{gains} gains are more than {} of {seats} seats (limits.gains)", limits.gains);
        hold(&mut verdicts, &Verdict::Gain, &why);
    }

    if !leans.is_empty() {
        let is_going = |verdict: &Verdict| !matches!(verdict, Verdict::Held(_));
        let going = changes.iter().zip(&verdicts).filter(|(_, verdict)| is_going(verdict));
        let stranded = stranded(&leans, going.map(|(change, _)| change.guid).collect());
        for (change, verdict) in changes.iter().zip(&mut verdicts) {
            if let Some(on) = stranded.get(&change.guid) {
                *verdict = Verdict::Held(waits_for(change, on));
            }
        }
    }

    let (mut go, mut held) = (Vec::new(), Vec::new());
    for (change, verdict) in changes.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Held(why) => held.push(HeldChange { change, why }),
            Verdict::Loss | Verdict::Gain | Verdict::Released => go.push(change),
        }
    }
    let graced = groups.iter().filter(|guard| guard.has_grace(desired)).map(GroupGuard::reference);
    let lossy = held.iter().filter_map(|held| lost_from.get(&held.change.guid)).flatten().cloned();
    let blocked = graced.chain(lossy).chain(unresolved).collect();
    let mut cleared =
        Cleared { go, held, hash: String::new(), warnings, tiers, lost_from, blocked, still_wanted, waiting, leans };
    cleared.hash = cleared.make_hash();
    cleared.warnings.extend(cleared.held_warning());
    cleared
}

/// What the guards say of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// A loss no group holds.
    Loss,
    Gain,
    /// Approved, or nothing the limits are about.
    Released,
    Held(String),
}

fn hold(verdicts: &mut [Verdict], which: &Verdict, why: &str) {
    verdicts
        .iter_mut()
        .filter(|verdict| *verdict == which)
        .for_each(|verdict| *verdict = Verdict::Held(why.to_owned()));
}

/// The changes that cannot go although nothing holds them, each with whom it waits for: they take an address that is let
/// go of by a change that is not `going`.
fn stranded(leans: &[Lean], mut going: HashSet<ObjectGuid>) -> HashMap<ObjectGuid, ObjectGuid> {
    let mut stranded = HashMap::new();
    let mut by_owner: HashMap<ObjectGuid, Vec<ObjectGuid>> = HashMap::new();
    for lean in leans {
        by_owner.entry(lean.on).or_default().push(lean.who);
    }
    let mut owners: Vec<ObjectGuid> = by_owner.keys().copied().filter(|owner| !going.contains(owner)).collect();
    // So that of two that one change waits for the same one is named always.
    owners.sort_unstable();
    while let Some(owner) = owners.pop() {
        for who in by_owner.get(&owner).into_iter().flatten() {
            if going.remove(who) {
                stranded.insert(*who, owner);
                owners.push(*who);
            }
        }
    }
    stranded
}

fn waits_for(change: &Change, on: &ObjectGuid) -> String {
    format!("{} is still the address of another account, that of {on}, whose own change does not go now", change.email)
}

/// Without a memory nobody can say what a loss would be compared with.
fn hold_all(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Known => None,
        Origin::Fresh => Some("first pass for this account: every loss waits to be looked at".to_owned()),
        Origin::Rebuilt(_) => Some("the state was rebuilt: every loss waits to be looked at".to_owned()),
    }
}

/// The groups that the person of a change was in at the last confirmed pass and is in no more.
fn groups_lost_by<'a>(change: &Change, desired: &'a DesiredSet) -> Vec<&'a FoundGroup> {
    desired.groups().iter().filter(|group| group.tier().is_some() && group.has_lost(&change.guid)).collect()
}

/// Why a gain is held when its person was in an excluded group that is unknown now.
fn exclusion(change: &Change, desired: &DesiredSet) -> Option<String> {
    let excluding = desired.groups().iter().filter(|group| *group.role() == GroupRole::Excludes && group.is_unknown());
    let by = excluding.filter(|group| group.has_lost(&change.guid)).min_by_key(|group| group.reference())?;
    Some(format!("excluded group {} {}", by.name(), in_words(by.standing())))
}

fn in_words(standing: Standing) -> &'static str {
    match standing {
        Standing::SuddenlyEmpty => "suddenly has no members",
        Standing::Ambiguous => "cannot be told from others of that name",
        Standing::Missing | Standing::Known => "is missing",
    }
}

/// A group whose losses are held: it is unknown, or it has lost more members than is allowed.
enum GroupGuard<'a> {
    Unknown(&'a FoundGroup),
    Shrunk { group: &'a FoundGroup, before: usize, limits: &'a Limits },
}

impl<'a> GroupGuard<'a> {
    fn of(group: &'a FoundGroup, limits: &'a Limits) -> Option<Self> {
        group.tier()?;
        if group.is_unknown() {
            return Some(Self::Unknown(group));
        }
        let (lost, before) = (group.lost().len(), group.members_before()?);
        let is_shrunk = lost > limits.losses_floor && limits.group_shrink.is_crossed(lost, before);
        is_shrunk.then_some(Self::Shrunk { group, before, limits })
    }

    fn group(&self) -> &'a FoundGroup {
        match self {
            Self::Unknown(group) | Self::Shrunk { group, .. } => group,
        }
    }

    fn reference(&self) -> GroupRef {
        self.group().reference().clone()
    }

    /// Why this group holds this loss; `None` when the loss has nothing to do with it.
    fn holds(&self, change: &Change, lost_from: &[&FoundGroup], tiers: &Tiers) -> Option<String> {
        match self {
            Self::Unknown(group) => {
                let may_be_caused = match &change.because {
                    Because::Unseated(Cause::LeftAllGroups | Cause::GoneFromDirectory) | Because::InGroup(_) => true,
                    Because::Unseated(
                        Cause::Excluded
                        | Cause::DisabledInDirectory
                        | Cause::ExpiredInDirectory
                        | Cause::DomainNotClaimed
                        | Cause::NoEmail,
                    )
                    | Because::EmailChanged { .. }
                    | Because::DetailsChanged => false,
                };
                // Without a baseline nobody can say who was in it: it may have been anybody. The same is true of a seat of
                // its tier that no group known to us explains, such as one given just before the group went away.
                let is_at_stake = change.from.is_held() || change.action == Action::Remove;
                let is_unexplained = lost_from.is_empty() && change.from.tier() == group.tier() && is_at_stake;
                let may_have_been_in =
                    group.members_before().is_none() || group.has_lost(&change.guid) || is_unexplained;
                // It may have been nested in a group that gives more, which then lost the person with it.
                let is_below = falls_below(change, group, tiers)
                    || lost_from.iter().any(|group| !group.is_unknown() && falls_below(change, group, tiers));
                (may_be_caused && may_have_been_in && is_below)
                    .then(|| format!("group {} {}", group.name(), in_words(group.standing())))
            }
            Self::Shrunk { group, before, limits } => {
                (group.has_lost(&change.guid) && falls_below(change, group, tiers)).then(|| {
                    format!(
                        "group {} lost {} of {before} members, more than {} (limits.group_shrink)",
                        group.name(),
                        group.lost().len(),
                        limits.group_shrink
                    )
                })
            }
        }
    }

    /// Whether somebody it has lost keeps the seat only because of a grace. The loss is still to come, and must then be
    /// compared with the members the group had before it shrank.
    fn has_grace(&self, desired: &DesiredSet) -> bool {
        self.group().lost().iter().any(|guid| match desired.get(guid) {
            Some(Desired::Keep { why: KeepReason::InGrace { .. } }) => true,
            Some(Desired::Keep { .. } | Desired::Seated { .. } | Desired::Unseated { .. }) | None => false,
        })
    }

    fn warning(&self) -> Option<Warning> {
        match self {
            // Said when it was looked for.
            Self::Unknown(_) => None,
            Self::Shrunk { group, before, limits } => Some(Warning::new(
                WarningKind::GroupShrunk,
                group.name(),
                format!(
                    "the group lost {} of {before} members, more than {} (limits.group_shrink): what this would \
                     take from them is held until approved",
                    group.lost().len(),
                    limits.group_shrink
                ),
            )),
        }
    }
}

/// Whether the change ends in less than the group gives.
fn falls_below(change: &Change, group: &FoundGroup, tiers: &Tiers) -> bool {
    let given = group.tier().and_then(|tier| tiers.rank(tier));
    let left = change.to.tier().filter(|_| change.to.is_held()).and_then(|tier| tiers.rank(tier));
    match (left, given) {
        (Some(left), Some(given)) => left > given,
        (None, _) => true,
        (Some(_), None) => false,
    }
}

fn approved_form(change: &Change) -> ApprovedChange {
    let Change { action, guid, email, dn: _, account, from, to, because, details: _ } = change.clone();
    ApprovedChange { guid, action, from, to, account, email, because: because.to_string() }
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

    /// Names everything, with what is held of it: what `apply FILE` compares. 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let go = self.go.iter().map(|change| ("go", change));
        let held = self.held.iter().map(|held| ("held", &held.change));
        digest(go.chain(held), |text, (word, change)| {
            let _ = write!(text, "{word} ");
            write_line(text, change);
        })
    }

    /// What is held, for the state; `since` is kept while exactly the same is held.
    pub fn held_note(&self, before: Option<&HeldNote>, now: Timestamp) -> Option<HeldNote> {
        if self.held.is_empty() {
            return None;
        }
        let losses = self.held.iter().filter(|held| held.change.is_loss(&self.tiers)).count();
        let since = before.filter(|before| before.hash == self.hash).map_or(now, |before| before.since);
        Some(HeldNote { hash: self.hash.clone(), losses, gains: self.held.len() - losses, since })
    }

    /// The plan's warnings and the guards' own.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Only these people; all others are in neither list. To be asked after guarding, so that a small scope cannot
    /// slip under a limit. The hash is that of what remains: an approval releases nothing that was not shown.
    ///
    /// The groups of the losses left out count as blocked, since those losses are not through. What needs an address that
    /// somebody left out would have let go of is held.
    pub fn only(mut self, who: &HashSet<ObjectGuid>) -> Cleared {
        let outside = self.lost_from.iter().filter(|(guid, _)| !who.contains(guid));
        self.blocked.extend(outside.flat_map(|(_, groups)| groups).cloned());
        self.go.retain(|change| who.contains(&change.guid));
        self.held.retain(|held| who.contains(&held.change.guid));
        let stranded = stranded(&self.leans, self.go.iter().map(|change| change.guid).collect());
        for change in self.go.extract_if(.., |change| stranded.contains_key(&change.guid)) {
            let why = stranded.get(&change.guid).map_or_else(String::new, |on| waits_for(&change, on));
            self.held.push(HeldChange { change, why });
        }
        self.held.sort_unstable_by_key(|held| held.change.guid);
        self.hash = self.make_hash();
        self.warnings.retain(|warning| warning.kind != WarningKind::Held);
        self.warnings.extend(self.held_warning());
        self
    }

    /// The address under which an account of this person is waited for; `None` when nobody waits.
    pub(super) fn waits_for(&self, guid: &ObjectGuid) -> Option<&Email> {
        self.waiting.iter().find(|(who, _)| who == guid).map(|(_, email)| email)
    }

    /// The approval that releases what is held now; `None` when nothing is.
    pub fn approval(&self, by: &str, now: Timestamp, limits: &Limits) -> Option<Approval> {
        (!self.held.is_empty()).then(|| Approval {
            hash: self.hash.clone(),
            changes: self.held.iter().map(|held| approved_form(&held.change)).collect(),
            by: by.to_owned(),
            at: now,
            expires: later(now, limits.approval_expires),
        })
    }

    /// The approvals that are still to be kept after a pass in which the changes of the people `done` were applied.
    ///
    /// What was done is used up. What the plan no longer wants lapses too: an approval is for the loss that was looked
    /// at, not for one that looks like it and comes back another day. What failed, or could not be planned because the
    /// person's account could not be looked up, waits until it expires.
    pub fn approvals_left(&self, memory: &Memory, done: &HashSet<ObjectGuid>, now: Timestamp) -> Vec<Approval> {
        let is_left = |change: &ApprovedChange| !done.contains(&change.guid) && self.still_wanted.contains(change);
        memory
            .approvals
            .iter()
            .filter(|approval| approval.expires > now)
            .map(|approval| Approval {
                changes: approval.changes.iter().filter(|change| is_left(change)).cloned().collect(),
                ..approval.clone()
            })
            .filter(|approval| !approval.changes.is_empty())
            .collect()
    }

    /// The groups whose baseline must stay, because losses they may have caused are not through.
    pub fn blocked_groups(&self) -> &BTreeSet<GroupRef> {
        &self.blocked
    }

    fn make_hash(&self) -> String {
        if self.held.is_empty() {
            digest(self.go.iter(), write_line)
        } else {
            digest(self.held.iter().map(|held| &held.change), write_line)
        }
    }

    fn held_warning(&self) -> Option<Warning> {
        if self.held.is_empty() {
            return None;
        }
        let losses = self.held.iter().filter(|held| held.change.is_loss(&self.tiers)).count();
        let gains = self.held.len() - losses;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for held in &self.held {
            *reasons.entry(&held.why).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        let counts = match (losses, gains) {
            (_, 0) => format!("{losses} losses are held"),
            (0, _) => format!("{gains} gains are held"),
            (_, _) => format!("{losses} losses and {gains} gains are held"),
        };
        Some(Warning::new(
            WarningKind::Held,
            &self.hash,
            format!("{counts} ({}); to let exactly these go: seatsync approve {}", reasons.join("; "), self.hash),
        ))
    }
}

/// What an approval is about. Texts of the store's and the directory's are quoted: they cannot pretend to be more parts.
fn write_line(text: &mut String, change: &Change) {
    let Change { action, guid, email, dn: _, account, from, to, because, details: _ } = change;
    let account = account.as_ref().map_or_else(String::new, UserId::to_string);
    let (email, because) = (email.key(), because.to_string());
    // `Debug` of a seat: its `Display` hides the tier of a suspended one. Writing to a `String` cannot fail.
    let _ = writeln!(text, "{guid} {action} {account:?} {from:?} {to:?} {email:?} {because:?}");
}

/// The changes come sorted by person, since both lists are.
fn digest<T>(items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) -> String {
    let mut hash = Sha256::new();
    let mut line = String::new();
    for item in items {
        line.clear();
        write(&mut line, item);
        hash.update(line.as_bytes());
    }
    let mut text = String::with_capacity(HASH_DIGITS);
    for byte in hash.finalize().iter().take(HASH_DIGITS / 2) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
