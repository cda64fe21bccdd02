//! What every person should hold, with the reason.
//!
//! The order of precedence: protected, claimed twice, disabled, expired, excluded, groups (the first tier wins), mailbox.
//! Whatever cannot be told for a person ends in [`Desired::Keep`]: no gain, and above all no loss.

use super::groups::{self, FoundGroup, GroupRole, find_groups};
use super::membership::Reach;
use super::roster::Roster;
use crate::model::{
    Cause, Email, GroupPath, GroupRef, Holding, Mailbox, Memory, ObjectGuid, OnLeave, Person, RememberedGroup, Rules,
    Seat, Tier, Tiers, Timestamp, Warning, WarningKind,
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

/// One person concerned, in eight bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where among the people; with [`IS_GONE`], where among those who are gone from the directory.
    place: u32,
    /// Which of the verdicts.
    verdict: u32,
}

const IS_GONE: u32 = 1 << 31;

/// One person concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) guid: ObjectGuid,
    /// `None` when gone from the directory.
    pub(super) person: Option<&'a Person>,
    pub(super) desired: &'a Desired,
}

/// What everybody concerned should hold: those in a mapped group, and those with an account known to us.
#[derive(Clone, Debug)]
pub struct DesiredSet {
    people: Arc<Vec<Person>>,
    tiers: Tiers,
    /// Sorted by identity.
    entries: Vec<Entry>,
    gone: Vec<ObjectGuid>,
    /// Members of mapped groups who were not read.
    hidden: Hidden,
    /// Each as often as it is different, not as often as it is given.
    verdicts: Vec<Desired>,
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
    let mut verdicts = Vec::new();
    let memberships = Memberships::of(roster, &found, &mut verdicts);
    let claimed_twice = claimed_twice(roster, memory, &memberships, now, &mut warnings);
    let judge = Judge {
        tiers: rules.order(),
        rules,
        memory,
        now,
        memberships,
        claimed_twice,
        protected: Protected::of(rules),
        usual: Usual::of(&mut verdicts),
    };
    let mut set = DesiredSet {
        people: roster.shared_people(),
        tiers: rules.order(),
        entries: Vec::with_capacity(memory.snapshot.len()),
        gone: Vec::new(),
        hidden: Hidden::of(&found),
        verdicts,
        unprotected: HashMap::new(),
        groups: found.into_iter().map(|(group, _)| group).collect(),
        absent: HashMap::new(),
        seated: 0,
        warnings,
    };
    // Both are sorted by identity: walking them together is many times cheaper than looking anybody up.
    let mut holdings = memory.snapshot.iter().peekable();
    for (person, place) in roster.people().iter().zip(0..) {
        while let Some((guid, holding)) = holdings.next_if(|(guid, _)| **guid < person.guid) {
            set.add_gone(&judge, *guid, holding);
        }
        let holding = holdings.next_if(|(guid, _)| **guid == person.guid).map(|(_, holding)| holding);
        if holding.is_some() || judge.memberships.is_seated(place) {
            set.add(&judge, place, person, holding);
        }
    }
    holdings.for_each(|(guid, holding)| set.add_gone(&judge, *guid, holding));
    set
}

/// Members of mapped groups who were not read. A directory takes deleted people out of its groups: these may be there, and hidden
/// from us.
#[derive(Clone, Debug, Default)]
struct Hidden {
    identities: HashSet<ObjectGuid>,
    /// Whether there are some of whom only the name is known.
    is_named: bool,
}

impl Hidden {
    fn of(found: &[(FoundGroup, Option<Reach>)]) -> Self {
        let walks = || found.iter().filter_map(|(_, walk)| walk.as_ref());
        Self {
            identities: walks().flat_map(|walk| &walk.unread).copied().collect(),
            is_named: walks().any(|walk| walk.unknown > walk.unread.len()),
        }
    }
}

impl DesiredSet {
    /// Whether somebody who was not read may be there all the same.
    pub(super) fn may_be_hidden(&self, guid: &ObjectGuid) -> bool {
        self.hidden.is_named || self.hidden.identities.contains(guid)
    }

    /// Everybody concerned, sorted by identity.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectGuid, &Desired)> {
        self.subjects().map(|subject| (subject.guid, subject.desired))
    }

    /// What this person should hold; `None` for somebody in no mapped group without an account known to us.
    pub fn get(&self, guid: &ObjectGuid) -> Option<&Desired> {
        let index = self.entries.binary_search_by_key(guid, |entry| self.guid_of(*entry)).ok()?;
        self.entries.get(index).map(|entry| self.subject(*entry).desired)
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

    /// Everybody concerned, sorted by identity.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        self.entries.iter().map(|entry| self.subject(*entry))
    }

    fn subject(&self, entry: Entry) -> Subject<'_> {
        let person = (entry.place & IS_GONE == 0).then(|| &self.people[entry.place as usize]);
        Subject { guid: self.guid_of(entry), person, desired: &self.verdicts[entry.verdict as usize] }
    }

    fn guid_of(&self, entry: Entry) -> ObjectGuid {
        match entry.place & IS_GONE {
            0 => self.people[entry.place as usize].guid,
            _ => self.gone[(entry.place & !IS_GONE) as usize],
        }
    }

    /// What a protected person would hold if not protected.
    pub(super) fn unprotected(&self, guid: &ObjectGuid) -> Option<&Desired> {
        self.unprotected.get(guid)
    }

    fn add(&mut self, judge: &Judge<'_>, place: u32, person: &Person, holding: Option<&Holding>) {
        let natural = judge.natural(place, person);
        let verdict = if judge.is_protected(Some(person), holding) {
            self.unprotected.insert(person.guid, self.verdicts[natural as usize].clone());
            judge.usual.protected
        } else if judge.claimed_twice.contains(&place) {
            judge.usual.duplicate_email
        } else {
            self.warnings.extend(judge.mailbox_warning(place, person, natural));
            self.with_grace(judge, person.guid, natural, holding)
        };
        self.decide(place, verdict);
    }

    fn add_gone(&mut self, judge: &Judge<'_>, guid: ObjectGuid, holding: &Holding) {
        let natural = judge.usual.gone;
        let verdict = if judge.is_protected(None, Some(holding)) {
            self.unprotected.insert(guid, self.verdicts[natural as usize].clone());
            judge.usual.protected
        } else {
            self.with_grace(judge, guid, natural, Some(holding))
        };
        self.gone.push(guid);
        self.decide(IS_GONE | (self.gone.len() as u32 - 1), verdict);
    }

    fn decide(&mut self, place: u32, verdict: u32) {
        self.seated += usize::from(matches!(self.verdicts[verdict as usize], Desired::Seated { .. }));
        self.entries.push(Entry { place, verdict });
    }

    /// Only those who are out of all groups, or gone, have a grace, and only on a seat in use, or on what would be deleted.
    fn with_grace(&mut self, judge: &Judge<'_>, guid: ObjectGuid, natural: u32, holding: Option<&Holding>) -> u32 {
        let has_grace = natural == judge.usual.left_all_groups || natural == judge.usual.gone;
        let is_at_stake = |holding: &Holding| match &holding.seat {
            Seat::Active(_) => true,
            Seat::Suspended(_) => judge.rules.on_leave == OnLeave::Delete,
            Seat::Vacant | Seat::Invited => false,
        };
        if !has_grace || !holding.is_some_and(is_at_stake) {
            return natural;
        }
        let start = judge.memory.absent.get(&guid).copied().unwrap_or(judge.now);
        self.absent.insert(guid, start);
        let until = later(start, judge.rules.grace);
        if judge.now < until {
            put(&mut self.verdicts, Desired::Keep { why: KeepReason::InGrace { until } })
        } else {
            natural
        }
    }
}

/// Puts a verdict among the others; gives its number.
fn put(verdicts: &mut Vec<Desired>, verdict: Desired) -> u32 {
    verdicts.push(verdict);
    verdicts.len() as u32 - 1
}

/// The numbers of the verdicts that do not depend on a group.
struct Usual {
    disabled: u32,
    expired: u32,
    excluded: u32,
    left_all_groups: u32,
    no_email: u32,
    domain_not_claimed: u32,
    gone: u32,
    protected: u32,
    duplicate_email: u32,
    ambiguous_name: u32,
}

impl Usual {
    fn of(verdicts: &mut Vec<Desired>) -> Self {
        let mut unseated = |because| put(verdicts, Desired::Unseated { because });
        let disabled = unseated(Cause::DisabledInDirectory);
        let expired = unseated(Cause::ExpiredInDirectory);
        let excluded = unseated(Cause::Excluded);
        let left_all_groups = unseated(Cause::LeftAllGroups);
        let no_email = unseated(Cause::NoEmail);
        let domain_not_claimed = unseated(Cause::DomainNotClaimed);
        let gone = unseated(Cause::GoneFromDirectory);
        let mut keep = |why| put(verdicts, Desired::Keep { why });
        Self {
            disabled,
            expired,
            excluded,
            left_all_groups,
            no_email,
            domain_not_claimed,
            gone,
            protected: keep(KeepReason::Protected),
            duplicate_email: keep(KeepReason::DuplicateEmail),
            ambiguous_name: keep(KeepReason::AmbiguousName),
        }
    }
}

/// A time some while after another; the end of time where that is beyond it.
pub(super) fn later(start: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| start.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Which of the configured groups each person is in, by the person's place.
struct Memberships {
    /// The way to the first group that gives a tier, in the order of the configuration, or [`NO_WAY`].
    best: Vec<u32>,
    ways: Vec<Way>,
    /// The tiers of the groups, by index.
    tiers: Vec<Option<Tier>>,
    /// The highest group that an ambiguous name may or may not lead to.
    doubtful: HashMap<u32, u32>,
    /// Whether somebody is in an excluded group; empty when nobody is.
    excluded: Vec<bool>,
    exclusion_doubtful: HashSet<u32>,
}

const NO_WAY: u32 = u32::MAX;

/// A way to a group that gives a tier.
struct Way {
    /// The index of that group.
    group: u32,
    path: Arc<GroupPath>,
    /// The number of the verdict that all have who come this way.
    verdict: u32,
}

impl Memberships {
    fn of(roster: &Roster, found: &[(FoundGroup, Option<Reach>)], verdicts: &mut Vec<Desired>) -> Self {
        let mut all = Self {
            best: vec![NO_WAY; roster.people().len()],
            ways: Vec::new(),
            tiers: found.iter().map(|(group, _)| group.tier().cloned()).collect(),
            doubtful: HashMap::new(),
            excluded: Vec::new(),
            exclusion_doubtful: HashSet::new(),
        };
        for ((group, walk), index) in found.iter().zip(0..) {
            match (group.role(), walk) {
                (GroupRole::Gives(tier), Some(walk)) => all.add(roster, index, tier, walk, verdicts),
                (GroupRole::Excludes, Some(walk)) => {
                    all.excluded.resize(roster.people().len(), false);
                    walk.members.iter().for_each(|member| all.excluded[member.0 as usize] = true);
                    all.exclusion_doubtful.extend(&walk.doubtful);
                }
                // Unknown is not empty: what the people of an unknown excluded group would gain by it, the guard holds.
                (GroupRole::Gives(_) | GroupRole::Excludes, None) => {}
            }
        }
        all
    }

    fn add(&mut self, roster: &Roster, group: u32, tier: &Tier, walk: &Reach, verdicts: &mut Vec<Desired>) {
        let mut ways: HashMap<u32, u32> = HashMap::new();
        // Neighbours often come the same way.
        let mut last = None;
        for &(person, lists) in &walk.members {
            let best = &mut self.best[person as usize];
            if *best != NO_WAY {
                continue;
            }
            let way = match last {
                Some((known, way)) if known == lists => way,
                Some(_) | None => *ways.entry(lists).or_insert_with(|| {
                    let path = Arc::new(walk.path(roster, lists));
                    let verdict = put(verdicts, Desired::Seated { tier: tier.clone(), because: path.clone() });
                    self.ways.push(Way { group, path, verdict });
                    self.ways.len() as u32 - 1
                }),
            };
            last = Some((lists, way));
            *best = way;
        }
        for person in &walk.doubtful {
            self.doubtful.entry(*person).or_insert(group);
        }
    }

    fn is_seated(&self, place: u32) -> bool {
        self.best[place as usize] != NO_WAY
    }

    fn is_excluded(&self, place: u32) -> bool {
        self.excluded.get(place as usize).is_some_and(|is_excluded| *is_excluded)
    }

    /// The way by groups alone.
    fn way(&self, place: u32) -> Option<&Way> {
        self.ways.get(self.best[place as usize] as usize)
    }

    /// Whether the tier would be another one if the doubtful memberships were real.
    fn is_doubtful(&self, place: u32, tiers: &Tiers) -> bool {
        let rank = |index: u32| self.tiers[index as usize].as_ref().and_then(|tier| tiers.rank(tier));
        match (self.doubtful.get(&place), self.way(place)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(doubtful), Some(best)) => rank(*doubtful) < rank(best.group),
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
    protected: Protected<'a>,
    usual: Usual,
}

impl Judge<'_> {
    /// What the directory and the rules say, before protection, double claims and grace.
    fn natural(&self, place: u32, person: &Person) -> u32 {
        if person.disabled {
            return self.usual.disabled;
        }
        if person.is_expired(self.now) {
            return self.usual.expired;
        }
        if self.memberships.is_excluded(place) {
            return self.usual.excluded;
        }
        if self.memberships.exclusion_doubtful.contains(&place) || self.memberships.is_doubtful(place, &self.tiers) {
            return self.usual.ambiguous_name;
        }
        let Some(way) = self.memberships.way(place) else { return self.usual.left_all_groups };
        match &person.mailbox {
            Mailbox::Missing | Mailbox::Malformed(_) => self.usual.no_email,
            Mailbox::Address(email) if !is_claimed(self.rules, email) => self.usual.domain_not_claimed,
            Mailbox::Address(_) => way.verdict,
        }
    }

    fn is_protected(&self, person: Option<&Person>, holding: Option<&Holding>) -> bool {
        person.and_then(|person| person.mailbox.address()).is_some_and(|email| self.protected.has(email))
            || holding.is_some_and(|holding| self.protected.has(&holding.email))
    }

    /// Who is in a mapped group and gets nothing because of the address is named.
    fn mailbox_warning(&self, place: u32, person: &Person, natural: u32) -> Option<Warning> {
        if natural != self.usual.no_email && natural != self.usual.domain_not_claimed {
            return None;
        }
        let Way { group, path, .. } = self.memberships.way(place)?;
        let tier = self.memberships.tiers[*group as usize].as_ref()?;
        let who = format!("{} is in {path} and gets no {tier} seat", person.dn);
        let (kind, message) = match &person.mailbox {
            Mailbox::Missing => (WarningKind::NoEmail, format!("{who}: there is no e-mail address")),
            Mailbox::Malformed(text) => (WarningKind::BadEmail, format!("{who}: {text:?} is not an e-mail address")),
            Mailbox::Address(email) => (
                WarningKind::DomainNotClaimed,
                format!("{who}: {email} is outside the claimed domains ({})", self.rules.domains.join(", ")),
            ),
        };
        Some(Warning::new(kind, &*person.label(), message))
    }
}

/// Whether the address is of a claimed domain: exactly that one, no sub-domain of it.
pub(super) fn is_claimed(rules: &Rules, email: &Email) -> bool {
    rules.domains.is_empty() || rules.domains.iter().any(|domain| email.is_in(domain))
}

/// Addresses that the configuration protects.
pub(super) enum Protected<'a> {
    /// So few that comparing with each is the quickest.
    Few(Vec<&'a Email>),
    Many(HashSet<&'a Email>),
}

/// Above this many, one hash costs less than the comparisons.
const FEW_MAX: usize = 8;

impl<'a> Protected<'a> {
    pub(super) fn of(rules: &'a Rules) -> Self {
        match rules.protected.len() {
            0..=FEW_MAX => Self::Few(rules.protected.iter().collect()),
            _ => Self::Many(rules.protected.iter().collect()),
        }
    }

    pub(super) fn has(&self, email: &Email) -> bool {
        match self {
            Self::Few(emails) => emails.contains(&email),
            Self::Many(emails) => emails.contains(email),
        }
    }
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
