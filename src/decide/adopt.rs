//! Whose account is whose.
//!
//! An account that no person of this directory matches is unmanaged: it appears in no fact, so nothing is ever planned
//! for it. A match is by identity before address, and an address counts only when exactly one person can be meant.

use super::roster::Roster;
use crate::model::{
    Email, Fact, Holding, ObjectGuid, Observed, Rules, Seat, Snapshot, Timestamp, UserId, Warning, WarningKind,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Facts for the snapshot, sorted by identity, and what to say about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    /// What the snapshot learns; only what differs from it.
    pub facts: Vec<(ObjectGuid, Fact)>,
    /// What an operator should know.
    pub warnings: Vec<Warning>,
}

/// How an account was matched, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// The snapshot knows it by its key.
    Known,
    /// The store keeps the person's identity with it.
    Identity,
    /// It has the person's address.
    Address,
}

/// Matches the whole list of the account store with people: an audit, or a first run.
///
/// `observed` must be complete: an account of the snapshot that is not in it is taken to be gone.
pub fn adopt(observed: &[Observed], roster: &Roster, snapshot: &Snapshot, now: Timestamp) -> Adoption {
    let keys: HashMap<&UserId, ObjectGuid> = known_keys(snapshot);
    let mut matched: BTreeMap<ObjectGuid, Vec<(Match, &Observed)>> = BTreeMap::new();
    for account in observed {
        if let Some((guid, how)) = whose(account, &keys, roster, snapshot, now) {
            matched.entry(guid).or_default().push((how, account));
        }
    }
    let mut adoption = Adoption::default();
    for (guid, accounts) in &mut matched {
        accounts.sort_unstable_by_key(|(how, account)| (*how, preference(&account.seat), &account.id));
        let Some(((_, best), others)) = accounts.split_first() else { continue };
        if !others.is_empty() {
            adoption.warnings.push(several(&who(guid, roster, &best.email), best, others));
        }
        let before = snapshot.get(guid);
        let holding = Holding::from((*best).clone());
        if before == Some(&holding) {
            continue;
        }
        adoption
            .warnings
            .extend(before.and_then(|before| drift(&who(guid, roster, &best.email), before, Some(&holding))));
        adoption.facts.push((*guid, Fact::Holds(holding)));
    }
    for (guid, before) in snapshot.iter().filter(|(guid, _)| !matched.contains_key(guid)) {
        adoption.warnings.extend(drift(&who(guid, roster, &before.email), before, None));
        adoption.facts.push((*guid, Fact::NoAccount));
    }
    adoption.facts.sort_unstable_by_key(|(guid, _)| *guid);
    adoption.warnings.sort_unstable();
    adoption
}

/// The accounts of the snapshot by key. Two people on one account can only be a damage of the past; the first by
/// identity keeps it, so that the answer does not depend on an order.
fn known_keys(snapshot: &Snapshot) -> HashMap<&UserId, ObjectGuid> {
    let mut keys: HashMap<&UserId, ObjectGuid> = HashMap::with_capacity(snapshot.len());
    for (guid, holding) in snapshot.iter() {
        keys.entry(&holding.id).and_modify(|first| *first = (*first).min(*guid)).or_insert(*guid);
    }
    keys
}

fn whose(
    account: &Observed,
    keys: &HashMap<&UserId, ObjectGuid>,
    roster: &Roster,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Option<(ObjectGuid, Match)> {
    if let Some(guid) = keys.get(&account.id) {
        return Some((*guid, Match::Known));
    }
    let is_ours = |guid: &ObjectGuid| roster.person(guid).is_some() || snapshot.get(guid).is_some();
    if let Some(guid) = account.external.filter(is_ours) {
        return Some((guid, Match::Identity));
    }
    Some((claimant(&account.email, roster, now)?, Match::Address))
}

/// The one person an address can mean: the only enabled one, or, when nobody enabled has it, the only one at all.
fn claimant(email: &Email, roster: &Roster, now: Timestamp) -> Option<ObjectGuid> {
    let all = roster.with_address(email);
    let enabled: Vec<u32> = all.iter().copied().filter(|place| roster.person_at(*place).is_enabled(now)).collect();
    match (enabled.as_slice(), all) {
        ([one], _) | ([], [one]) => Some(roster.person_at(*one).guid),
        _ => None,
    }
}

/// Among accounts that match a person equally well, the one in use first: it is the one that must not be overlooked.
fn preference(seat: &Seat) -> u8 {
    match seat {
        Seat::Active(_) => 0,
        Seat::Suspended(_) => 1,
        Seat::Invited => 2,
        Seat::Vacant => 3,
    }
}

fn who(guid: &ObjectGuid, roster: &Roster, email: &Email) -> String {
    roster.person(guid).map_or_else(|| email.to_string(), |person| person.label().into_owned())
}

fn several(who: &str, best: &Observed, others: &[(Match, &Observed)]) -> Warning {
    let others: Vec<String> = others.iter().map(|(_, account)| format!("{} ({})", account.id, account.email)).collect();
    Warning::new(
        WarningKind::AmbiguousAccount,
        who,
        format!(
            "several accounts fit: {} ({}) is used, {} not touched; delete those that are not needed",
            best.id,
            best.email,
            others.join(" and ")
        ),
    )
}

/// What to say when the account store no longer says what it last confirmed. That an invitation has been accepted is
/// what was waited for, and an unused account that is gone has taken nothing from anybody.
fn drift(who: &str, before: &Holding, now: Option<&Holding>) -> Option<Warning> {
    let seat = now.map_or(&Seat::Vacant, |now| &now.seat);
    let is_expected = match (&before.seat, seat) {
        (Seat::Invited, Seat::Active(_)) => true,
        (before, now) => before == now,
    };
    (!is_expected).then(|| {
        let account = if now.is_some() { "the account" } else { "there is no account any more; it" };
        let message =
            format!("{account} was {} when last confirmed and is {seat} now: changed by somebody else", before.seat);
        Warning::new(WarningKind::Drift, who, message)
    })
}

/// Hands the account of somebody who has left over to the person who has its address now: a new entry for the same
/// person, or a successor. Otherwise the account would be suspended for the one and could not be made for the other.
///
/// Never when its owner is enabled, when several people have the address, when the new one has an account already, or
/// when the address is protected.
pub fn inherit(roster: &Roster, snapshot: &Snapshot, rules: &Rules, now: Timestamp) -> Adoption {
    let protected: HashSet<&Email> = rules.protected.iter().collect();
    let mut heirs: BTreeMap<ObjectGuid, Vec<(ObjectGuid, &Holding)>> = BTreeMap::new();
    for (owner, holding) in snapshot.iter() {
        if roster.person(owner).is_some_and(|owner| owner.is_enabled(now)) || protected.contains(&holding.email) {
            continue;
        }
        let Some(heir) = roster.only_enabled(&holding.email, now).map(|place| roster.person_at(place).guid) else {
            continue;
        };
        if heir != *owner && snapshot.get(&heir).is_none() {
            heirs.entry(heir).or_default().push((*owner, holding));
        }
    }
    let mut adoption = Adoption::default();
    for (heir, mut left) in heirs {
        left.sort_unstable_by_key(|(owner, holding)| (preference(&holding.seat), &holding.id, *owner));
        let Some((owner, holding)) = left.into_iter().next() else { continue };
        adoption.warnings.push(Warning::new(
            WarningKind::AccountInherited,
            who(&heir, roster, &holding.email),
            format!(
                "the account of {} belonged to {owner}, who is gone or disabled, and goes over to {heir}, who has that \
                 address now",
                holding.email
            ),
        ));
        adoption.facts.push((owner, Fact::NoAccount));
        adoption.facts.push((heir, Fact::Holds(holding.clone())));
    }
    adoption.facts.sort_unstable_by_key(|(guid, _)| *guid);
    adoption
}
