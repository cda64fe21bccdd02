//! What every person should hold, with the reason.
//!
//! The order of precedence: protected, claimed twice, disabled, expired, excluded, groups (the first tier wins), mailbox.
//! Whatever cannot be told for a person ends in [`Desired::Keep`]: no gain, and above all no loss.

use super::groups::{self, FoundGroup, GroupRole, find_groups};
use super::membership::Reach;
use super::roster::Roster;
use crate::model::{
    Cause, Email, GroupPath, GroupRef, Holding, Mailbox, Memory, ObjectGuid, Person, RememberedGroup, Rules, Tier,
    Tiers, Timestamp, Warning, WarningKind,
};
use jiff::SignedDuration;
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
}

/// One person concerned.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) guid: ObjectGuid,
    /// Where among the people; `None` when gone from the directory.
    place: Option<u32>,
    pub(super) desired: Desired,
}

/// What everybody concerned should hold: those in a mapped group, and those with an account known to us.
#[derive(Clone, Debug)]
pub struct DesiredSet {
    people: Arc<Vec<Person>>,
    tiers: Tiers,
    entries: Vec<Entry>,
    /// What protected people would hold if they were not.
    unprotected: HashMap<ObjectGuid, Desired>,
    groups: Vec<FoundGroup>,
    absent: HashMap<ObjectGuid, Timestamp>,
    seated: usize,
    warnings: Vec<Warning>,
}

/// Decides what everybody should hold.
///
/// `memory` gives the accounts known, the groups as last found and the beginnings of graces; `now` decides about expiry
/// and grace.
pub fn desire(roster: &Roster, rules: &Rules, memory: &Memory, now: Timestamp) -> DesiredSet {
    let mut warnings = Vec::new();
    let found = find_groups(roster, rules, memory, &mut warnings);
    let memberships = Memberships::of(roster, &found);
    let claimed_twice = claimed_twice(roster, memory, &memberships, now, &mut warnings);
    let judge = Judge {
        tiers: rules.order(),
        rules,
        memory,
        now,
        memberships,
        claimed_twice,
        protected: rules.protected.iter().collect(),
    };
    let mut set = DesiredSet {
        people: roster.shared_people(),
        tiers: rules.order(),
        entries: Vec::new(),
        unprotected: HashMap::new(),
        groups: found.into_iter().map(|(group, _)| group).collect(),
        absent: HashMap::new(),
        seated: 0,
        warnings,
    };
    let mut known = 0;
    for (person, place) in roster.people().iter().zip(0..) {
        let holding = memory.snapshot.get(&person.guid);
        known += usize::from(holding.is_some());
        if holding.is_some() || judge.memberships.is_seated(place) {
            set.add(&judge, person.guid, Some((place, person)), holding);
        }
    }
    // Comparing the counts saves looking everybody up a second time when nobody is gone.
    if known < memory.snapshot.len() {
        for (guid, holding) in memory.snapshot.iter().filter(|(guid, _)| roster.person(guid).is_none()) {
            set.add(&judge, *guid, None, Some(holding));
        }
        set.entries.sort_unstable_by_key(|entry| entry.guid);
    }
    set
}

impl DesiredSet {
    /// Everybody concerned, sorted by identity.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectGuid, &Desired)> {
        self.entries.iter().map(|entry| (entry.guid, &entry.desired))
    }

    /// What this person should hold; `None` for somebody in no mapped group without an account known to us.
    pub fn get(&self, guid: &ObjectGuid) -> Option<&Desired> {
        let index = self.entries.binary_search_by_key(guid, |entry| entry.guid).ok()?;
        self.entries.get(index).map(|entry| &entry.desired)
    }

    /// Warnings about groups and people; those of the roster are not repeated.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many should hold a seat.
    pub fn seated(&self) -> usize {
        self.seated
    }

    /// How many people the directory has.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// The configured groups in the order of the configuration, those of `exclude_groups` last.
    pub fn groups(&self) -> &[FoundGroup] {
        &self.groups
    }

    /// What the next pass compares groups with. `blocked` are the groups whose losses are held
    /// ([`super::Cleared::blocked_groups`]), `applied` the people whose loss was applied in this pass.
    pub fn remembered(
        &self,
        memory: &Memory,
        blocked: &BTreeSet<GroupRef>,
        applied: &HashSet<ObjectGuid>,
    ) -> BTreeMap<GroupRef, RememberedGroup> {
        groups::remembered(self, &self.tiers, memory, blocked, applied)
    }

    /// Who holds a seat and is out of all groups, and since when.
    pub fn absent(&self) -> &HashMap<ObjectGuid, Timestamp> {
        &self.absent
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The person of an entry; `None` when gone from the directory.
    pub(super) fn person_of(&self, entry: &Entry) -> Option<&Person> {
        entry.place.map(|place| &self.people[place as usize])
    }

    /// What a protected person would hold if not protected.
    pub(super) fn unprotected(&self, guid: &ObjectGuid) -> Option<&Desired> {
        self.unprotected.get(guid)
    }

    fn add(&mut self, judge: &Judge<'_>, guid: ObjectGuid, person: Option<(u32, &Person)>, holding: Option<&Holding>) {
        let natural = match person {
            Some((place, person)) => judge.natural(place, person),
            None => Desired::Unseated { because: Cause::GoneFromDirectory },
        };
        let desired = if judge.is_protected(person.map(|(_, person)| person), holding) {
            self.unprotected.insert(guid, natural);
            Desired::Keep { why: KeepReason::Protected }
        } else if person.is_some_and(|(place, _)| judge.claimed_twice.contains(&place)) {
            Desired::Keep { why: KeepReason::DuplicateEmail }
        } else {
            if let Some((place, person)) = person {
                self.warnings.extend(judge.mailbox_warning(place, person, &natural));
            }
            self.with_grace(judge, guid, natural, holding)
        };
        self.seated += usize::from(matches!(desired, Desired::Seated { .. }));
        self.entries.push(Entry { guid, place: person.map(|(place, _)| place), desired });
    }

    /// Only those who are out of all groups, or gone, have a grace, and only on a seat in use.
    fn with_grace(
        &mut self,
        judge: &Judge<'_>,
        guid: ObjectGuid,
        natural: Desired,
        holding: Option<&Holding>,
    ) -> Desired {
        let has_grace =
            matches!(natural, Desired::Unseated { because: Cause::LeftAllGroups | Cause::GoneFromDirectory });
        if !has_grace || !holding.is_some_and(|holding| holding.seat.is_held()) {
            return natural;
        }
        let start = judge.memory.absent.get(&guid).copied().unwrap_or(judge.now);
        self.absent.insert(guid, start);
        let until = later(start, judge.rules.grace);
        if judge.now < until { Desired::Keep { why: KeepReason::InGrace { until } } } else { natural }
    }
}

/// A time some while after another; the end of time where that is beyond it.
pub(super) fn later(start: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| start.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Which of the configured groups each person is in, by the person's place.
struct Memberships {
    /// The index of the first group that gives a tier, in the order of the configuration, and the way there.
    best: Vec<Option<(u32, u32)>>,
    /// The tiers of the groups, by index.
    tiers: Vec<Option<Tier>>,
    paths: Vec<Arc<GroupPath>>,
    /// The highest group that an ambiguous name may or may not lead to.
    doubtful: HashMap<u32, u32>,
    excluded: HashSet<u32>,
    exclusion_doubtful: HashSet<u32>,
}

impl Memberships {
    fn of(roster: &Roster, found: &[(FoundGroup, Option<Reach>)]) -> Self {
        let mut all = Self {
            best: vec![None; roster.people().len()],
            tiers: found.iter().map(|(group, _)| group.tier().cloned()).collect(),
            paths: Vec::new(),
            doubtful: HashMap::new(),
            excluded: HashSet::new(),
            exclusion_doubtful: HashSet::new(),
        };
        for ((group, walk), index) in found.iter().zip(0..) {
            match (group.role(), walk) {
                (GroupRole::Gives(_), Some(walk)) => all.add(roster, index, walk),
                (GroupRole::Excludes, Some(walk)) => {
                    all.excluded.extend(walk.members.iter().map(|member| member.0));
                    all.exclusion_doubtful.extend(&walk.doubtful);
                }
                // Unknown is not empty: what the people of an unknown excluded group would gain by it, the guard holds.
                (GroupRole::Gives(_) | GroupRole::Excludes, None) => {}
            }
        }
        all
    }

    fn add(&mut self, roster: &Roster, index: u32, walk: &Reach) {
        let mut ways: HashMap<u32, u32> = HashMap::new();
        for &(person, lists) in &walk.members {
            let best = &mut self.best[person as usize];
            if best.is_none() {
                let way = *ways.entry(lists).or_insert_with(|| {
                    self.paths.push(Arc::new(walk.path(roster, lists)));
                    self.paths.len() as u32 - 1
                });
                *best = Some((index, way));
            }
        }
        for person in &walk.doubtful {
            self.doubtful.entry(*person).or_insert(index);
        }
    }

    fn is_seated(&self, place: u32) -> bool {
        self.best[place as usize].is_some()
    }

    /// The tier by groups alone.
    fn tier(&self, place: u32) -> Option<(&Tier, &Arc<GroupPath>)> {
        let (index, way) = self.best[place as usize]?;
        Some((self.tiers[index as usize].as_ref()?, &self.paths[way as usize]))
    }

    /// Whether the tier would be another one if the doubtful memberships were real.
    fn is_doubtful(&self, place: u32, tiers: &Tiers) -> bool {
        let rank = |index: u32| self.tiers[index as usize].as_ref().and_then(|tier| tiers.rank(tier));
        match (self.doubtful.get(&place), self.best[place as usize]) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(doubtful), Some((best, _))) => rank(*doubtful) < rank(best),
        }
    }
}

/// Everything a person is judged by.
struct Judge<'a> {
    rules: &'a Rules,
    memory: &'a Memory,
    now: Timestamp,
    tiers: Tiers,
    memberships: Memberships,
    claimed_twice: HashSet<u32>,
    protected: HashSet<&'a Email>,
}

impl Judge<'_> {
    /// What the directory and the rules say, before protection, double claims and grace.
    fn natural(&self, place: u32, person: &Person) -> Desired {
        if person.disabled {
            return Desired::Unseated { because: Cause::DisabledInDirectory };
        }
        if person.is_expired(self.now) {
            return Desired::Unseated { because: Cause::ExpiredInDirectory };
        }
        if self.memberships.excluded.contains(&place) {
            return Desired::Unseated { because: Cause::Excluded };
        }
        if self.memberships.exclusion_doubtful.contains(&place) || self.memberships.is_doubtful(place, &self.tiers) {
            return Desired::Keep { why: KeepReason::AmbiguousName };
        }
        let Some((tier, because)) = self.memberships.tier(place) else {
            return Desired::Unseated { because: Cause::LeftAllGroups };
        };
        match &person.mailbox {
            Mailbox::Missing | Mailbox::Malformed(_) => Desired::Unseated { because: Cause::NoEmail },
            Mailbox::Address(email) if !is_claimed(self.rules, email) => {
                Desired::Unseated { because: Cause::DomainNotClaimed }
            }
            Mailbox::Address(_) => Desired::Seated { tier: tier.clone(), because: because.clone() },
        }
    }

    fn is_protected(&self, person: Option<&Person>, holding: Option<&Holding>) -> bool {
        !self.protected.is_empty()
            && (person.and_then(|person| person.mailbox.address()).is_some_and(|email| self.protected.contains(email))
                || holding.is_some_and(|holding| self.protected.contains(&holding.email)))
    }

    /// Who is in a mapped group and gets nothing because of the address is named.
    fn mailbox_warning(&self, place: u32, person: &Person, natural: &Desired) -> Option<Warning> {
        let Desired::Unseated { because: Cause::NoEmail | Cause::DomainNotClaimed } = natural else { return None };
        let (tier, path) = self.memberships.tier(place)?;
        let who = format!("{} is in {path} and gets no {tier} seat", person.dn);
        let (kind, message) = match &person.mailbox {
            Mailbox::Missing => (WarningKind::NoEmail, format!("{who}: there is no e-mail address")),
            Mailbox::Malformed(text) => (WarningKind::BadEmail, format!("{who}: {text:?} is not an e-mail address")),
            Mailbox::Address(email) => (
                WarningKind::DomainNotClaimed,
                format!("{who}: {email} is outside the claimed domains ({})", self.rules.domains.join(", ")),
            ),
        };
        Some(Warning::new(kind, person.label(), message))
    }
}

/// Whether the address is of a claimed domain: exactly that one, no sub-domain of it.
pub(super) fn is_claimed(rules: &Rules, email: &Email) -> bool {
    rules.domains.is_empty() || rules.domains.iter().any(|domain| *domain == email.domain())
}

/// The enabled people whose address another enabled person has too. Nobody can say whose account that is, so neither's
/// seat changes.
fn claimed_twice(
    roster: &Roster,
    memory: &Memory,
    memberships: &Memberships,
    now: Timestamp,
    warnings: &mut Vec<Warning>,
) -> HashSet<u32> {
    let mut twice = HashSet::new();
    for claimants in roster.shared_addresses() {
        let mut claimants = claimants.to_vec();
        claimants.retain(|place| roster.person_at(*place).is_enabled(now));
        let (Some(first), true) = (claimants.first(), claimants.len() > 1) else { continue };
        twice.extend(&claimants);
        let is_concerned = |place: &u32| {
            memberships.is_seated(*place) || memory.snapshot.get(&roster.person_at(*place).guid).is_some()
        };
        if claimants.iter().any(is_concerned) {
            let names: Vec<String> = claimants
                .iter()
                .map(|place| roster.person_at(*place))
                .map(|person| format!("{} ({})", person.label(), person.dn))
                .collect();
            let email = roster.person_at(*first).mailbox.address().map_or("", Email::as_str);
            warnings.push(Warning::new(
                WarningKind::DuplicateEmail,
                email,
                format!(
                    "{} have this address and are enabled: no seat of theirs changes until only one has it",
                    names.join(" and ")
                ),
            ));
        }
    }
    twice
}
