//! What has changed in an account since somebody last asked, and how it is undone; taking in what was kept.

use super::Account;
use crate::model::{Tier, Timestamp, UserId};
use crate::store::book::{Changed, Record};
use crate::store::profile::{AccountKind, Claim, Profile};
use crate::store::user::{Invitation, Registration, Times, User};
use std::collections::BTreeMap;

/// What a keeper has seen last, of everything that has changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// The profile; `Some(None)` when it is new.
    pub(super) profile: Option<Option<Box<Profile>>>,
    /// Domains, and whether each was claimed and verified.
    pub(super) domains: BTreeMap<String, bool>,
    /// Domains on their way.
    pub(super) claims: BTreeMap<String, Option<Claim>>,
    /// How clients know licences.
    pub(super) aliases: BTreeMap<Tier, Option<String>>,
    /// Users; `None` for one that is new.
    pub(super) users: BTreeMap<UserId, Option<User>>,
}

impl Account {
    /// Takes in a claimed domain as kept.
    pub(in crate::store) fn restore_domain(&mut self, domain: String) {
        if let Err(place) = self.profile.domains.binary_search(&domain) {
            self.profile.domains.insert(place, domain);
        }
    }

    /// Takes in a domain on its way as kept.
    pub(in crate::store) fn restore_claim(&mut self, claim: Claim) {
        self.profile.claims.insert(claim.domain.clone(), claim);
    }

    /// Takes in how clients know a licence as kept; `Err` in words when it breaks a rule.
    pub(in crate::store) fn restore_alias(&mut self, licence: Tier, alias: String) -> Result<(), String> {
        if !self.profile.supported.contains(&licence) {
            return Err(format!("clients know {licence}, which is not a supported licence"));
        }
        if self.by_alias(&alias).is_some() {
            return Err(format!("clients know two licences as {alias}"));
        }
        self.profile.aliases.insert(licence, alias);
        Ok(())
    }

    /// Takes in a user as kept; `Err` in words when that user breaks a rule.
    pub(in crate::store) fn restore(&mut self, user: User) -> Result<(), String> {
        if let Some(flaw) = self.flaw(&user) {
            return Err(format!("user {}: {flaw}", user.id));
        }
        self.index(user);
        Ok(())
    }

    /// Notes that whoever differs from what was last drained changed at that time. A command that changes nothing dates
    /// nobody, so that this comes behind the commands and before the draining; and where somebody is shown as changed, before
    /// that, too. Said twice of one change it is said once.
    pub fn date(&mut self, at: Timestamp) {
        for (id, was) in &self.touched.users {
            let Some(user) = self.users.get_mut(id) else { continue };
            match was {
                None => user.times = Some(Times::begun(at)),
                Some(was) if user.differs_from(was) => {
                    let before = was.times.unwrap_or_else(|| Times::begun(was.came_at().unwrap_or(at)));
                    user.times = Some(before.changed(at));
                }
                Some(_) => {}
            }
        }
    }

    /// Gives those times who have none, since they were written by a form on disk without: they came when they were invited
    /// or registered, and changed at the latest when the form changed. Somebody who asks for what is newer is shown them once
    /// too often, and never misses one.
    pub(in crate::store) fn date_older(&mut self, since: Timestamp) {
        for user in self.users.values_mut().filter(|user| user.times.is_none()) {
            user.times = Some(Times::known(user.came_at().unwrap_or(since), since));
        }
    }

    /// What differs from what was last drained, each once, as it was and as it is now.
    pub(in crate::store) fn drain(&mut self) -> Vec<Changed> {
        let Touched { profile, domains, claims, aliases, users } = std::mem::take(&mut self.touched);
        let id = &self.profile.id;
        let same = |before: &Option<Box<Profile>>| before.as_ref().is_some_and(|it| it.is_same_record(&self.profile));
        let profile = profile.filter(|before| !same(before)).map(|before| Changed {
            before: before.map(|before| Record::Account(*before)),
            now: Record::Account(self.profile.clone()),
        });
        let domains = domains.into_iter().filter_map(|(domain, was)| {
            let is = self.profile.has_domain(&domain);
            let record =
                |there: bool| (if there { Record::Claimed } else { Record::Released })(id.clone(), domain.clone());
            (is != was).then(|| Changed { before: Some(record(was)), now: record(is) })
        });
        let claims = claims.into_iter().filter_map(|(domain, was)| {
            let is = self.profile.claims.get(&domain).cloned();
            let record = |claim: Option<Claim>| Record::Claim(id.clone(), domain.clone(), claim);
            (is != was).then(|| Changed { before: Some(record(was)), now: record(is) })
        });
        let aliases = aliases.into_iter().filter_map(|(licence, was)| {
            let is = self.profile.aliases.get(&licence).cloned();
            let record = |alias: Option<String>| Record::Alias(id.clone(), licence.clone(), alias);
            (is != was).then(|| Changed { before: Some(record(was)), now: record(is) })
        });
        let users = users.into_iter().filter_map(|(user, was)| {
            let now = match self.users.get(&user) {
                Some(now) if was.as_ref().is_some_and(|was| was.is_same_record(now)) => return None,
                Some(now) => Record::User(id.clone(), now.clone()),
                None if was.is_none() => return None,
                None => Record::Gone(id.clone(), user),
            };
            Some(Changed { before: was.map(|was| Record::User(id.clone(), was)), now })
        });
        profile.into_iter().chain(domains).chain(claims).chain(aliases).chain(users).collect()
    }

    /// Whether there is anything to drain.
    pub(in crate::store) fn is_touched(&self) -> bool {
        let Touched { profile, domains, claims, aliases, users } = &self.touched;
        let is_empty = domains.is_empty() && claims.is_empty() && aliases.is_empty() && users.is_empty();
        profile.is_some() || !is_empty
    }

    /// Undoes what was drained of this account.
    pub(in crate::store) fn put_back(&mut self, changed: Vec<Changed>) {
        // First all that is there goes: an address may have gone from one user to another.
        for each in &changed {
            if let Record::User(_, user) = &each.now {
                self.forget(&user.id);
            }
        }
        for Changed { before, now } in changed.into_iter().rev() {
            match (before, now) {
                (Some(Record::User(_, user)), _) => self.index(user),
                (Some(Record::Account(profile)), _) => {
                    let domains = std::mem::take(&mut self.profile.domains);
                    let claims = std::mem::take(&mut self.profile.claims);
                    let aliases = std::mem::take(&mut self.profile.aliases);
                    self.profile = Profile { domains, claims, aliases, ..profile };
                }
                (_, Record::Claimed(_, domain)) => self.profile.domains.retain(|each| *each != domain),
                (_, Record::Released(_, domain)) => self.restore_domain(domain),
                (Some(Record::Claim(_, domain, claim)), _) => self.set_claim(&domain, claim),
                (Some(Record::Alias(_, licence, alias)), _) => self.set_alias(&licence, alias),
                _ => {}
            }
        }
        self.touched = Touched::default();
    }

    /// Forgets at most so many users, claims, domains and names of licences; whether none is left.
    pub(in crate::store) fn forget_some(&mut self, most: usize) -> bool {
        let users: Vec<UserId> = self.users.keys().take(most).cloned().collect();
        users.iter().for_each(|id| self.forget(id));
        let most = most - users.len();
        let claims: Vec<String> = self.profile.claims.keys().take(most).cloned().collect();
        claims.iter().for_each(|domain| self.set_claim(domain, None));
        let most = most - claims.len();
        let aliases: Vec<Tier> = self.profile.aliases.keys().take(most).cloned().collect();
        aliases.iter().for_each(|licence| self.set_alias(licence, None));
        let most = most - aliases.len();
        self.replace_domains(self.profile.domains.iter().skip(most).cloned().collect());
        let Profile { domains, claims, aliases, .. } = &self.profile;
        self.users.is_empty() && claims.is_empty() && domains.is_empty() && aliases.is_empty()
    }

    /// Marks the profile as one that a keeper has not seen.
    pub(in crate::store) fn touch_profile(&mut self) {
        self.touched.profile = Some(None);
    }

    /// Changes the profile in anything but its domains.
    pub(in crate::store) fn edit_profile(&mut self, edit: impl FnOnce(&mut Profile)) {
        let before = &self.profile;
        self.touched.profile.get_or_insert_with(|| Some(Box::new(before.clone())));
        edit(&mut self.profile);
    }

    /// Changes what is noted of a domain on its way.
    pub(in crate::store) fn set_claim(&mut self, domain: &str, claim: Option<Claim>) {
        let before = match claim {
            Some(claim) => self.profile.claims.insert(domain.to_owned(), claim),
            None => self.profile.claims.remove(domain),
        };
        self.touched.claims.entry(domain.to_owned()).or_insert(before);
    }

    /// Changes how clients know a licence.
    pub(in crate::store) fn set_alias(&mut self, licence: &Tier, alias: Option<String>) {
        let before = match alias {
            Some(alias) => self.profile.aliases.insert(licence.clone(), alias),
            None => self.profile.aliases.remove(licence),
        };
        self.touched.aliases.entry(licence.clone()).or_insert(before);
    }

    /// Makes these, sorted and each once, the claimed domains.
    pub(in crate::store) fn replace_domains(&mut self, claimed: Vec<String>) {
        let before = std::mem::replace(&mut self.profile.domains, claimed);
        let after = &self.profile.domains;
        for domain in before.iter().filter(|domain| !after.contains(domain)) {
            self.touched.domains.entry(domain.clone()).or_insert(true);
        }
        for domain in after.iter().filter(|domain| !before.contains(domain)) {
            self.touched.domains.entry(domain.clone()).or_insert(false);
        }
    }

    /// How many users there are, and how many the index by address and the one by identity know.
    #[cfg(test)]
    pub(in crate::store) fn counts(&self) -> (usize, usize, usize) {
        (self.users.len(), self.by_email.len(), self.by_external.len())
    }

    /// Which rule a user that is to be added would break, in words.
    fn flaw(&self, user: &User) -> Option<String> {
        let Profile { kind, supported, .. } = &self.profile;
        let unsupported = user.licence.as_ref().filter(|licence| !supported.contains(licence));
        if let Some(licence) = unsupported {
            Some(format!("licence {licence} is not a supported one"))
        } else if self.users.contains_key(&user.id) {
            Some("the id stands twice".to_owned())
        } else if let Some(other) = self.by_email.get(&user.email) {
            Some(format!("{} is also the address of user {other}", user.email))
        } else if let Some(other) = user.external.and_then(|guid| self.by_external.get(&guid)) {
            Some(format!("user {other} belongs to the same directory identity"))
        } else if *kind == AccountKind::Team && user.registration == Registration::Suspended {
            Some("suspended in a team account".to_owned())
        } else if (user.registration == Registration::Unregistered) != (user.invitation == Invitation::Pending) {
            Some(format!("{:?} and the invitation {:?}", user.registration, user.invitation))
        } else {
            self.flaw_of_provisioned(user)
        }
    }
}
