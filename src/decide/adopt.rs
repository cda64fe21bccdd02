//! Whose account is whose.
//!
//! An account that no person of this directory matches is unmanaged: it appears in no fact, so nothing is ever planned
//! for it. A match is by identity before address, and an address counts only when exactly one person can be meant.

use super::desired::Protected;
use super::roster::Roster;
use crate::model::{
    Email, Fact, Holding, ObjectGuid, Observed, Rules, Seat, Snapshot, Timestamp, UserId, Warning, WarningKind,
};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

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
    let known = Known::of(snapshot);
    let mut matched: Vec<(ObjectGuid, Match, &Observed)> = observed
        .iter()
        .filter_map(|account| whose(account, &known, roster, snapshot, now).map(|(guid, how)| (guid, how, account)))
        .collect();
    matched.sort_unstable_by_key(|(guid, how, account)| (*guid, *how, preference(&account.seat), &account.id));
    let mut adoption = Adoption::default();
    for accounts in matched.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some(((guid, _, best), others)) = accounts.split_first() else { continue };
        if !others.is_empty() {
            adoption.warnings.push(several(&who(guid, roster, &best.email), best, others));
        }
        let before = snapshot.get(guid);
        if before.is_some_and(|before| before.id == best.id && before.email == best.email && before.seat == best.seat) {
            continue;
        }
        let holding = Holding::from((*best).clone());
        adoption
            .warnings
            .extend(before.and_then(|before| drift(&who(guid, roster, &best.email), before, Some(&holding))));
        adoption.facts.push((*guid, Fact::Holds(holding)));
    }
    let is_matched = |guid: &ObjectGuid| matched.binary_search_by_key(guid, |(matched, ..)| *matched).is_ok();
    for (guid, before) in snapshot.iter().filter(|(guid, _)| !is_matched(guid)) {
        adoption.warnings.extend(drift(&who(guid, roster, &before.email), before, None));
        adoption.facts.push((*guid, Fact::NoAccount));
    }
    adoption.facts.sort_unstable_by_key(|(guid, _)| *guid);
    adoption.warnings.sort_unstable();
    adoption
}

/// The accounts of the snapshot by key. Two people on one account can only be a damage of the past; the first by
/// identity keeps it, so that the answer does not depend on an order.
struct Known<'a> {
    accounts: Vec<(&'a ObjectGuid, &'a Holding)>,
    by_key: HashTable<u32>,
    seeds: RandomState,
}

impl<'a> Known<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let accounts: Vec<_> = snapshot.iter().collect();
        let mut known =
            Self { by_key: HashTable::with_capacity(accounts.len()), accounts, seeds: RandomState::default() };
        for (place, (_, holding)) in (0..).zip(&known.accounts) {
            let hash = known.seeds.hash_one(&holding.id);
            let is_same = |other: &u32| known.accounts[*other as usize].1.id == holding.id;
            let rehash = |other: &u32| known.seeds.hash_one(&known.accounts[*other as usize].1.id);
            known.by_key.entry(hash, is_same, rehash).or_insert(place);
        }
        known
    }

    fn owner(&self, id: &UserId) -> Option<ObjectGuid> {
        let account = |place: &u32| self.accounts[*place as usize];
        let found = self.by_key.find(self.seeds.hash_one(id), |place| account(place).1.id == *id);
        found.map(|place| *account(place).0)
    }
}

fn whose(
    account: &Observed,
    known: &Known<'_>,
    roster: &Roster,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Option<(ObjectGuid, Match)> {
    if let Some(guid) = known.owner(&account.id) {
        return Some((guid, Match::Known));
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

fn several(who: &str, best: &Observed, others: &[(ObjectGuid, Match, &Observed)]) -> Warning {
    let others: Vec<String> =
        others.iter().map(|(_, _, account)| format!("{} ({})", account.id, account.email)).collect();
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
    let protected = Protected::of(rules);
    let mut heirs: BTreeMap<ObjectGuid, Vec<(ObjectGuid, &Holding)>> = BTreeMap::new();
    // Both are sorted by identity and are walked together.
    let mut people = roster.people().iter().peekable();
    for (owner, holding) in snapshot.iter() {
        while people.next_if(|person| person.guid < *owner).is_some() {}
        let is_enabled = people.peek().is_some_and(|person| person.guid == *owner && person.is_enabled(now));
        if is_enabled || protected.has(&holding.email) {
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
