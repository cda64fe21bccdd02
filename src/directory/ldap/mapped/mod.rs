//! What the mapping is about, by look-up: its cost follows the mapped groups, not the directory.
//!
//! ```text
//! groups of the mapping -> their members, and the members of member groups -> whoever else holds an account, or was asked for
//!                          -> whoever has the address of one of these
//! ```
//!
//! Law: what is decided from it is what would be decided from all of the directory. So every entry is one that a whole read
//! would have brought, asked for with the same filters below the same base, and decoded in the same way; what a member value
//! means is decided when all is there. Nothing may be missing: where a server may not find what is there (no such rule, no
//! index, an attribute it does not know), that is noticed by entries known to be there, and all is read instead.

mod choice;
mod filters;
mod found;

pub(super) use choice::{Size, Way, choose, concerned, fingerprint, remembered};

use super::explain;
use super::failure::Failure;
use super::read::{self, Groups};
use super::session::{Search, Session, Several};
use crate::model::{Containers, DnKey, Email, GroupRef, Member, ObjectGuid, Reading, Wanted};
use filters::{Ask, Filters, Of};
use found::Found;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tokio::time::Instant;

/// What is looked up, where, and how far.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Of whom, and how much of it may be kept.
    pub(super) of: read::Asked<'a>,
    /// What is wanted of it.
    pub(super) wanted: &'a Wanted<'a>,
    /// More look-ups of people are not worth it.
    pub(super) most: u64,
}

/// Why there is no such reading.
pub(super) enum Stop {
    /// The read has failed.
    Failed(Failure),
    /// So many people are concerned, or more: it is not worth it.
    TooMany(u64),
    /// Everything must be read instead.
    Whole(Whole),
}

/// Why everything must be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// In words, as the end of a sentence.
    pub(super) why: String,
    /// Whether the connection can still be used.
    pub(super) is_open: bool,
    /// Whether it will be so for some time.
    pub(super) is_for_long: bool,
}

/// What a reading by look-up took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Requests.
    pub(super) requests: u64,
    /// Entries that came.
    pub(super) entries: u64,
    /// People looked up, whether they were found or not.
    pub(super) look_ups: u64,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Stop {
    fn whole(why: impl Into<String>) -> Self {
        Self::Whole(Whole { why: why.into(), is_open: true, is_for_long: true })
    }
}

/// Reads what bears on the mapping.
pub(super) async fn read(session: &mut Session, asked: Asked<'_>) -> Result<(Reading, Tally), Stop> {
    let Asked { of: read::Asked { settings, server, .. }, wanted, most: _ } = asked;
    if server.is_active_directory && !server.extended_dn {
        return Err(Stop::whole("the server does not give the identities of members"));
    }
    let group_attributes = server.group_attributes();
    let people_attributes = server.people_attributes(settings);
    let identities: Vec<String> = server.identity_attributes().iter().map(|name| (*name).to_owned()).collect();
    let mut hunt = Hunt {
        filters: Filters::of(server, settings).map_err(Stop::whole)?,
        groups: Groups::new(asked.of, &group_attributes),
        people_attributes: &people_attributes,
        group_attributes: &group_attributes,
        identities: &identities,
        session,
        asked,
        found: Found::default(),
        containers: Containers::default(),
        sought: HashSet::new(),
        relied: BTreeSet::new(),
        until: Instant::now() + settings.timeout / 2,
        is_paced: false,
        referrals: (0, 0),
        tally: Tally::default(),
    };
    let roots = hunt.roots(wanted).await?;
    hunt.walk(&roots).await?;
    hunt.others(wanted).await?;
    hunt.claimants(wanted).await?;
    let Hunt { found, referrals: (behind_people, behind_groups), tally, .. } = hunt;
    Ok((found.into_reading(behind_people + behind_groups), tally))
}

/// What has been looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sought {
    Guid(ObjectGuid),
    Dn(DnKey),
    Uid(String),
    PrimaryGroup(u32),
}

/// A reading that is under way.
struct Hunt<'a> {
    session: &'a mut Session,
    asked: Asked<'a>,
    filters: Filters<'a>,
    groups: Groups<'a>,
    people_attributes: &'a [String],
    group_attributes: &'a [String],
    identities: &'a [String],
    found: Found,
    containers: Containers,
    sought: HashSet<Sought>,
    /// Attributes by which something was looked for.
    relied: BTreeSet<&'a str>,
    /// When it has taken too long: before a request has, so that everything can still be read.
    until: Instant,
    /// Whether that is known from how long the first look-ups took.
    is_paced: bool,
    /// Those that came with searches for people, and for groups.
    referrals: (u64, u64),
    tally: Tally,
}

impl<'a> Hunt<'a> {
    /// The groups that the configuration could mean, and whether those inside them matter.
    ///
    /// One that was found before is followed by identity; its name counts only when that is gone.
    async fn roots(&mut self, wanted: &Wanted<'a>) -> Result<Vec<(ObjectGuid, bool)>, Stop> {
        let mut references: BTreeMap<&GroupRef, bool> = BTreeMap::new();
        for reference in wanted.groups() {
            references.entry(reference).or_insert(wanted.rules.nested);
        }
        for reference in &wanted.rules.exclude {
            references.insert(reference, true);
        }
        let known = |reference: &GroupRef| wanted.memory.groups.get(reference).map(|group| group.guid);
        let asks: Vec<Ask> = references
            .keys()
            .flat_map(|reference| {
                let by_identity = known(reference).map(|guid| self.filters.identity(&guid));
                self.filters.any(Of::Groups, &[by_identity.unwrap_or_else(|| self.filters.reference(reference))])
            })
            .collect();
        let mut came = self.ask(&asks).await?;
        self.relied.extend(["entryUUID", "objectGUID"]);
        let lost: Vec<(usize, &GroupRef)> = references
            .keys()
            .copied()
            .enumerate()
            .filter(|(index, reference)| came.get(*index).is_none_or(Vec::is_empty) && known(reference).is_some())
            .collect();
        let asks = lost.iter().flat_map(|(_, lost)| self.filters.any(Of::Groups, &[self.filters.reference(lost)]));
        let asks: Vec<Ask> = asks.collect();
        let by_name = self.ask(&asks).await?;
        if !lost.is_empty() || references.keys().any(|reference| known(reference).is_none()) {
            self.relied.extend(["sAMAccountName", "cn"]);
        }
        for ((index, _), by_name) in lost.into_iter().zip(by_name) {
            if let Some(came) = came.get_mut(index) {
                *came = by_name;
            }
        }
        let roots = references.values().zip(&came);
        Ok(roots.flat_map(|(is_deep, guids)| guids.iter().map(|guid| (*guid, *is_deep))).collect())
    }

    /// The members of the groups, and the groups inside them, and so on.
    async fn walk(&mut self, roots: &[(ObjectGuid, bool)]) -> Result<(), Stop> {
        let mut opened = HashSet::new();
        loop {
            let open: Vec<ObjectGuid> =
                self.found.reached(roots).into_iter().filter(|guid| opened.insert(*guid)).collect();
            if open.is_empty() {
                return Ok(());
            }
            self.open(&open).await?;
        }
    }

    /// The direct members of some groups.
    async fn open(&mut self, open: &[ObjectGuid]) -> Result<(), Stop> {
        let (mut members, mut accounts, mut primary) = (Vec::new(), Vec::new(), Vec::new());
        let mut by_name = None;
        for group in open.iter().filter_map(|guid| self.found.groups().get(guid)) {
            for member in &group.members {
                match member {
                    Member::Guid(guid) if self.sought.insert(Sought::Guid(*guid)) => {
                        members.push(self.filters.identity(guid));
                    }
                    Member::Dn(key) if self.sought.insert(Sought::Dn(key.clone())) => {
                        members.push(self.filters.name(self.found.written(key)));
                        by_name = Some(&group.dn);
                    }
                    Member::Uid(uid) if self.sought.insert(Sought::Uid(uid.clone())) => {
                        accounts.push(self.filters.account(uid));
                    }
                    // Whoever is in another domain cannot be looked up here.
                    Member::Guid(_) | Member::Dn(_) | Member::Uid(_) | Member::Foreign(_) => {}
                }
            }
            if let Some(rid) = group.sid.as_ref().and_then(crate::model::Sid::rid)
                && self.sought.insert(Sought::PrimaryGroup(rid))
            {
                primary.push(Filters::primary_group(rid));
            }
        }
        // The group itself is there: if it is not found by its name, nobody is.
        let proof: Vec<Ask> = match by_name {
            Some(dn) if !self.asked.of.server.is_active_directory => {
                vec![Ask { of: Of::Anything, filter: format!("(|{})", self.filters.name(&dn.text())) }]
            }
            Some(_) | None => Vec::new(),
        };
        self.count(members.len() + accounts.len())?;
        if !accounts.is_empty() {
            self.relied.extend(["sAMAccountName", "uid"]);
        }
        let people = [self.filters.any(Of::People, &members), self.filters.any(Of::People, &accounts)].concat();
        let asks = [&proof[..], &people, &self.filters.any(Of::Groups, &members)].concat();
        let (began, before) = (Instant::now(), self.tally.entries);
        let came = self.ask(&asks).await?;
        if came.iter().zip(&proof).any(|(came, _)| came.is_empty()) {
            return Err(Stop::whole("the server does not find entries by their names (entryDN)"));
        }
        if !self.is_paced && self.tally.entries > before {
            let people = self.asked.most.saturating_mul(2);
            let patience = choice::patience(began.elapsed(), self.tally.entries - before, people);
            self.until = began.checked_add(patience).unwrap_or(self.until);
            self.is_paced = true;
        }
        self.primary_members(&primary).await
    }

    /// Whoever has one of the groups as primary group, which may be everybody.
    async fn primary_members(&mut self, groups: &[String]) -> Result<(), Stop> {
        self.relied.extend((!groups.is_empty()).then_some("primaryGroupID"));
        for ask in self.filters.any(Of::People, groups) {
            let left = self.asked.most.saturating_sub(self.tally.look_ups);
            let read::Asked { settings, server, allowance, .. } = self.asked.of;
            let search = Search {
                page_size: server.pages.then_some(settings.page_size.max(1)),
                ..search(self.asked, &ask, self.people_attributes)
            };
            let reader = self.asked.of.reader();
            let before = self.tally.entries;
            let (found, containers, tally) = (&mut self.found, &mut self.containers, &mut self.tally);
            let asking = self.session.search_up_to(search, left, |entry| {
                tally.entries += 1;
                keep_samples(found, self.asked, entry);
                if let Some(person) = reader.person(entry, containers)? {
                    allowance.keep_person(&person)?;
                    found.keep_person(person);
                }
                Ok(())
            });
            let referrals = in_time(self.until, asking).await??;
            self.tally.requests += 1;
            let Some(referrals) = referrals else {
                return Err(Stop::TooMany(self.tally.look_ups + (self.tally.entries - before)));
            };
            self.referrals.0 = self.referrals.0.max(referrals);
            self.count(usize::try_from(self.tally.entries - before).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    /// Whoever is known to hold an account and was not found in a group, and who is asked for by name.
    async fn others(&mut self, wanted: &Wanted<'a>) -> Result<(), Stop> {
        let people = self.found.people();
        let is_empty = people.is_empty();
        let of_accounts = wanted.accounts.iter().filter_map(|account| account.external.as_ref());
        let held: HashSet<&ObjectGuid> =
            wanted.memory.snapshot.iter().map(|(guid, _)| guid).chain(of_accounts).collect();
        let held: Vec<String> = held
            .into_iter()
            .filter(|guid| !people.contains_key(guid))
            .map(|guid| self.filters.identity(guid))
            .collect();
        self.count(held.len() + wanted.names.len())?;
        let named: Vec<String> = wanted.names.iter().map(|name| self.filters.who(name.trim())).collect();
        let held = self.filters.any(Of::People, &held);
        let asks = [&held[..], &self.filters.any(Of::People, &named)].concat();
        if !held.is_empty() {
            self.relied.extend(["entryUUID", "objectGUID"]);
            if !self.asked.of.server.is_active_directory && is_empty {
                return Err(Stop::whole("none of the people in the groups is there to compare with"));
            }
        }
        if !wanted.names.is_empty() {
            self.relied.extend(["sAMAccountName", "uid"]);
        }
        let came = self.ask(&asks).await?;
        // Who was looked for as a member must have been found then: a seat is not taken because a server was confused once.
        let again = came.iter().take(held.len()).flatten().filter_map(|guid| self.found.people().get(guid));
        for person in again {
            if self.sought.contains(&Sought::Guid(person.guid)) || self.sought.contains(&Sought::Dn(person.dn.key())) {
                let why = format!("the server found {} only when asked again", person.dn);
                return Err(Stop::Whole(Whole { why, is_open: true, is_for_long: false }));
            }
        }
        Ok(())
    }

    /// Whoever has the address of one of the people found, or of an account.
    async fn claimants(&mut self, wanted: &Wanted<'a>) -> Result<(), Stop> {
        let with_address: Vec<(ObjectGuid, Email)> = self
            .found
            .people()
            .values()
            .filter_map(|person| Some((person.guid, person.mailbox.address()?.clone())))
            .collect();
        let of_holdings = wanted.memory.snapshot.iter().map(|(_, holding)| &holding.email);
        let of_accounts = of_holdings.chain(wanted.accounts.iter().map(|account| &account.email));
        let addresses: BTreeSet<&Email> = with_address.iter().map(|(_, email)| email).chain(of_accounts).collect();
        let addresses: Vec<String> = addresses.into_iter().map(|email| self.filters.address(email)).collect();
        let mut asks = self.filters.any(Of::People, &addresses);
        if !addresses.is_empty() {
            self.relied.extend(self.asked.of.settings.email_attributes.iter().map(String::as_str));
            asks.extend(self.filters.any(Of::People, &self.filters.addresses_behind_blanks()));
        }
        let people = asks.len();
        asks.extend(self.proofs());
        let came = self.ask(&asks).await?;
        if came.iter().skip(people).any(Vec::is_empty) {
            return Err(Stop::whole("the server does not find people by what they are known to have"));
        }
        let came: HashSet<ObjectGuid> = came.into_iter().take(people).flatten().collect();
        match with_address.iter().find(|(guid, _)| !came.contains(guid)) {
            Some((_, email)) => Err(Stop::whole(format!("the server does not find whoever has the address {email}"))),
            None => Ok(()),
        }
    }

    /// Searches that must find an entry, or others like it are not found either.
    fn proofs(&self) -> Vec<Ask> {
        if self.asked.of.server.is_active_directory {
            return Vec::new();
        }
        let samples = self.relied.iter().filter_map(|attribute| Some((attribute, self.found.sample(attribute)?)));
        samples.map(|(attribute, sample)| self.filters.proof(&sample.dn, attribute, &sample.value)).collect()
    }

    /// Counts look-ups of people before they are made.
    fn count(&mut self, more: usize) -> Result<(), Stop> {
        self.tally.look_ups = self.tally.look_ups.saturating_add(more as u64);
        if self.tally.look_ups > self.asked.most { Err(Stop::TooMany(self.tally.look_ups)) } else { Ok(()) }
    }

    /// Makes the searches and keeps what comes; gives the identities that came for each.
    async fn ask(&mut self, asks: &[Ask]) -> Result<Vec<Vec<ObjectGuid>>, Stop> {
        let attributes = |of: Of| match of {
            Of::People => self.people_attributes,
            Of::Groups => self.group_attributes,
            Of::Anything => self.identities,
        };
        let searches: Vec<Search<'_>> = asks.iter().map(|ask| search(self.asked, ask, attributes(ask.of))).collect();
        let (reader, allowance) = (self.asked.of.reader(), self.asked.of.allowance);
        let mut came = vec![Vec::new(); asks.len()];
        let mut partials = Vec::new();
        let (found, containers, tally) = (&mut self.found, &mut self.containers, &mut self.tally);
        let asked = self.asked;
        let asking = self.session.search_each(&searches, |index, entry| {
            tally.entries += 1;
            let (Some(ask), Some(came)) = (asks.get(index), came.get_mut(index)) else { return Ok(()) };
            match ask.of {
                Of::People => {
                    keep_samples(found, asked, entry);
                    if let Some(person) = reader.person(entry, containers)? {
                        // Who is found by name is found by address again.
                        if !found.people().contains_key(&person.guid) {
                            allowance.keep_person(&person)?;
                        }
                        came.push(person.guid);
                        found.keep_person(person);
                    }
                }
                Of::Groups => {
                    keep_samples(found, asked, entry);
                    let partial = reader.group(entry)?;
                    allowance.keep_group(&partial.group)?;
                    if !asked.of.server.is_active_directory {
                        found.keep_written(entry, allowance)?;
                    }
                    came.push(partial.group.guid);
                    partials.push(partial);
                }
                Of::Anything => came.push(super::decode::identity(entry)?),
            }
            Ok(())
        });
        let several = in_time(self.until, asking).await??;
        self.tally.requests += asks.len() as u64;
        match several {
            Several::Done(referrals) => {
                for (ask, referrals) in asks.iter().zip(referrals) {
                    match ask.of {
                        Of::People => self.referrals.0 = self.referrals.0.max(referrals),
                        Of::Groups => self.referrals.1 = self.referrals.1.max(referrals),
                        Of::Anything => {}
                    }
                }
            }
            Several::Refused(done) => {
                let said = explain::outcome(done.code, &done.text);
                return Err(match explain::is_for_now(done.code) {
                    true => {
                        let words = format!("looking people up ended with {said}; {}", explain::search_help(done.code));
                        Stop::Failed(Failure::incomplete(words).for_now())
                    }
                    false => Stop::whole(format!("a look-up ended with {said}")),
                });
            }
        }
        for mut partial in partials {
            self.groups.complete(self.session, &mut partial).await?;
            self.found.keep_group(partial);
        }
        match self.found.moved() {
            Some(moved) => {
                let why = format!("{moved} meanwhile");
                Err(Stop::Whole(Whole { why, is_open: true, is_for_long: false }))
            }
            None => Ok(came),
        }
    }
}

fn keep_samples(found: &mut Found, asked: Asked<'_>, entry: &super::entry::Entry<'_>) {
    if !asked.of.server.is_active_directory {
        found.keep_samples(entry, &asked.of.settings.email_attributes);
    }
}

/// A search below the base, of one answer.
fn search<'s>(asked: Asked<'s>, ask: &'s Ask, attributes: &'s [String]) -> Search<'s> {
    let (what, extended_dn) = match ask.of {
        Of::People => ("the people looked up", false),
        Of::Groups => ("the groups looked up", asked.of.server.extended_dn),
        Of::Anything => ("the proofs of look-ups", false),
    };
    Search {
        what,
        base: &asked.of.settings.base_dn,
        base_only: false,
        filter: &ask.filter,
        attributes,
        page_size: None,
        extended_dn,
    }
}

/// Waits no longer than until then: what is still under way makes the connection useless.
async fn in_time<T>(until: Instant, asking: impl Future<Output = T>) -> Result<T, Stop> {
    tokio::time::timeout_at(until, asking).await.map_err(|_| {
        let why = "the server takes long for look-ups: has it an index of the addresses?".to_owned();
        Stop::Whole(Whole { why, is_open: false, is_for_long: true })
    })
}
