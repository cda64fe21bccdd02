//! One account with its users: every rule about who may hold what, and how it comes and goes.
//!
//! Invariants, checked by `laws`: an address and a directory identity belong to one user at most; a licence held is a
//! supported one; a suspended user is never active; a team account suspends nobody and only it invites; a refused command
//! changes nothing.
//!
//! Commands are absolute where the wish is ("be suspended", not "toggle"), so that twice is once.

use super::book::Record;
use super::profile::{DOMAINS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX, Profile, USER_ID_BYTES_MAX};
use super::user::{Invitation, Refusal, RefusalCode, Registration, User};
use crate::model::{Email, ObjectGuid, StoreKind, Tier, Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One account with its users.
#[derive(Clone, Debug)]
pub struct Account {
    profile: Profile,
    users: BTreeMap<UserId, User>,
    by_email: HashMap<Email, UserId>,
    by_external: HashMap<ObjectGuid, UserId>,
    /// Whether the profile differs from the one last drained.
    profile_touched: bool,
    /// Domains claimed or released since.
    domains_touched: BTreeSet<String>,
    /// Users that differ from the ones last drained, those gone included.
    users_touched: BTreeSet<UserId>,
}

impl Account {
    /// An account without users.
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            users: BTreeMap::new(),
            by_email: HashMap::new(),
            by_external: HashMap::new(),
            profile_touched: false,
            domains_touched: BTreeSet::new(),
            users_touched: BTreeSet::new(),
        }
    }

    /// What is known besides the users.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// All users, by id.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values()
    }

    /// The user of that id.
    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.users.get(id)
    }

    /// The user of that address.
    pub fn by_email(&self, email: &Email) -> Option<&User> {
        self.by_email.get(email).and_then(|id| self.users.get(id))
    }

    /// The user who was given to that directory identity.
    pub fn by_external(&self, guid: &ObjectGuid) -> Option<&User> {
        self.by_external.get(guid).and_then(|id| self.users.get(id))
    }

    /// Adds a licence to those supported.
    ///
    /// # Errors
    /// `BadRequest` for a nameless one, one above [`LICENCE_BYTES_MAX`], or when there are [`LICENCES_MAX`].
    pub fn support(&mut self, licence: &Tier) -> Result<(), Refusal> {
        if self.profile.supported.contains(licence) {
            return Ok(());
        }
        let named = !licence.name().trim().is_empty() && licence.name().len() <= LICENCE_BYTES_MAX;
        if !named || self.profile.supported.len() >= LICENCES_MAX {
            let message = format!(
                "licence {licence:?} is not added: it needs a name of at most {LICENCE_BYTES_MAX} bytes, and an account \
                 has at most {LICENCES_MAX}"
            );
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        self.profile.supported.push(licence.clone());
        self.profile_touched = true;
        Ok(())
    }

    /// Sets the licence of those who come from now on.
    ///
    /// # Errors
    /// `BadRequest` for one that is not supported.
    pub fn set_default_licence(&mut self, licence: &Tier) -> Result<(), Refusal> {
        self.check_supported(licence)?;
        if self.profile.default_licence.as_ref() != Some(licence) {
            self.profile.default_licence = Some(licence.clone());
            self.profile_touched = true;
        }
        Ok(())
    }

    /// Sets the claimed domains. Nobody loses anything by it: who is outside may only not come in any more.
    ///
    /// # Errors
    /// `BadRequest` for something that is no domain, or for more than [`DOMAINS_MAX`].
    pub fn claim_domains(&mut self, domains: &[String]) -> Result<(), Refusal> {
        let mut claimed: Vec<String> = domains.iter().map(|domain| domain.trim().to_lowercase()).collect();
        claimed.sort();
        claimed.dedup();
        let malformed = claimed.iter().find(|domain| Email::parse(&format!("someone@{domain}")).is_none());
        if let Some(domain) = malformed {
            return Err(Refusal::new(RefusalCode::BadRequest, format!("{domain:?} is not a domain")));
        }
        if claimed.len() > DOMAINS_MAX {
            let message = format!("{} domains are more than {DOMAINS_MAX}", claimed.len());
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        let before = std::mem::replace(&mut self.profile.domains, claimed);
        let after = &self.profile.domains;
        let differ = before.iter().filter(|domain| !after.contains(domain));
        let differ = differ.chain(after.iter().filter(|domain| !before.contains(domain)));
        self.domains_touched.extend(differ.cloned());
        Ok(())
    }

    /// A person signs up (`EnterpriseLWA`), and holds the default licence. Who is registered already stays as is.
    ///
    /// # Errors
    /// `Forbidden` for other kinds, an address outside the claimed domains, and a suspended user.
    pub fn register(&mut self, email: &Email, id: UserId, at: Timestamp) -> Result<&User, Refusal> {
        self.check_kind(&[StoreKind::EnterpriseLwa], "people do not register themselves")?;
        self.check_claimed(email)?;
        match self.by_email(email) {
            Some(user) if user.registration == Registration::Suspended => {
                Err(Refusal::new(RefusalCode::Forbidden, format!("{email} is suspended and cannot sign up again")))
            }
            Some(user) => {
                let id = user.id.clone();
                self.known(&id)
            }
            None => {
                let licence = self.profile.default_licence.clone();
                self.add(User {
                    licence,
                    registration: Registration::Registered,
                    registered_at: Some(at),
                    ..blank(id, email)
                })
            }
        }
    }

    /// Asks a person to join (`Team`). Who has been asked is not asked again, and who is there already stays as is.
    ///
    /// # Errors
    /// `Forbidden` for other kinds, `Conflict` for a directory identity that another user has.
    pub fn invite(
        &mut self,
        email: &Email,
        external: Option<ObjectGuid>,
        id: UserId,
        at: Timestamp,
    ) -> Result<&User, Refusal> {
        self.check_kind(&[StoreKind::Team], "nobody is invited")?;
        match self.by_email(email) {
            Some(user) => {
                let id = user.id.clone();
                self.known(&id)
            }
            None => {
                self.check_external(external, &id)?;
                self.add(User {
                    external,
                    invitation: Invitation::Pending,
                    invited_at: Some(at),
                    invitations_sent: 1,
                    ..blank(id, email)
                })
            }
        }
    }

    /// A person accepts the invitation (`Team`), and holds the default licence. Accepting twice is accepting once.
    ///
    /// # Errors
    /// `NotFound`; `PreconditionFailed` for a user who was not invited.
    pub fn accept(&mut self, id: &UserId, at: Timestamp) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        match (user.registration, user.invitation) {
            (Registration::Registered, Invitation::Accepted) => self.known(id),
            (Registration::Unregistered, Invitation::Pending) => {
                let licence = self.profile.default_licence.clone();
                self.change(id, |user| {
                    user.licence = licence;
                    user.registration = Registration::Registered;
                    user.invitation = Invitation::Accepted;
                    user.registered_at = Some(at);
                })
            }
            (Registration::Unregistered | Registration::Registered | Registration::Suspended, _) => {
                let message = format!("{} has no invitation to accept", user.email);
                Err(Refusal::new(RefusalCode::PreconditionFailed, message))
            }
        }
    }

    /// Takes an invitation back (`Team`); the user is gone with it.
    ///
    /// # Errors
    /// `NotFound`; `PreconditionFailed` for a user whose invitation is not pending.
    pub fn withdraw(&mut self, id: &UserId) -> Result<(), Refusal> {
        let user = self.known(id)?;
        if user.invitation != Invitation::Pending {
            let message = format!("{} has no pending invitation to withdraw", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.forget(id);
        Ok(())
    }

    /// Makes a user who can sign in at once (`EnterpriseDirectory`). One that is there exactly so stays as is.
    ///
    /// # Errors
    /// `Forbidden` for other kinds and for an address outside the claimed domains, `BadRequest` for an unsupported
    /// licence, `Conflict` for an address or directory identity that another user has.
    pub fn create(
        &mut self,
        email: &Email,
        licence: &Tier,
        external: Option<ObjectGuid>,
        id: UserId,
        at: Timestamp,
    ) -> Result<&User, Refusal> {
        self.check_kind(&[StoreKind::EnterpriseDirectory], "accounts are not created for people")?;
        self.check_claimed(email)?;
        self.check_supported(licence)?;
        if let Some(user) = self.by_email(email) {
            let same = user.external == external
                && user.registration == Registration::Registered
                && user.licence.as_ref() == Some(licence);
            let there = user.id.clone();
            return if same {
                self.known(&there)
            } else {
                Err(Refusal::new(RefusalCode::Conflict, format!("{email} is already the address of user {there}")))
            };
        }
        self.check_external(external, &id)?;
        self.add(User {
            licence: Some(licence.clone()),
            registration: Registration::Registered,
            external,
            registered_at: Some(at),
            ..blank(id, email)
        })
    }

    /// Gives a licence in place of the one held; a suspended user would hold it on return.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` for an unsupported licence, `PreconditionFailed` before the invitation is accepted.
    pub fn assign(&mut self, id: &UserId, licence: &Tier) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        if user.registration == Registration::Unregistered {
            let message = format!("{} has not accepted the invitation and holds no licence yet", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.check_supported(licence)?;
        self.change(id, |user| user.licence = Some(licence.clone()))
    }

    /// Signs a user out for good, until activated (not `Team`); the licence is kept for the return.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for team accounts, `PreconditionFailed` for somebody who never registered.
    pub fn suspend(&mut self, id: &UserId) -> Result<&User, Refusal> {
        self.check_kind(&SUSPENDING, "nobody is suspended, only removed")?;
        self.set_registration(id, Registration::Suspended)
    }

    /// Lets a suspended user sign in again (not `Team`).
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for team accounts, `PreconditionFailed` for somebody who never registered.
    pub fn activate(&mut self, id: &UserId) -> Result<&User, Refusal> {
        self.check_kind(&SUSPENDING, "nobody is suspended or activated, only invited again")?;
        self.set_registration(id, Registration::Registered)
    }

    /// Takes a user out (`Team`): the licence is free, and only a new invitation brings the person back.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for other kinds, `PreconditionFailed` for a pending invitation, which is withdrawn
    /// instead.
    pub fn remove(&mut self, id: &UserId) -> Result<(), Refusal> {
        self.check_kind(&[StoreKind::Team], "nobody is removed, only suspended")?;
        let user = self.known(id)?;
        if user.invitation == Invitation::Pending {
            let message = format!("{} has not accepted the invitation yet: withdraw it", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.forget(id);
        Ok(())
    }

    /// Notes to whom in the directory the user belongs, in place of what was noted.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when another user has that identity.
    pub fn link(&mut self, id: &UserId, guid: ObjectGuid) -> Result<&User, Refusal> {
        self.known(id)?;
        self.check_external(Some(guid), id)?;
        self.change(id, |user| user.external = Some(guid))
    }

    /// Gives users new addresses, all at one moment: two may exchange theirs, or one take the address another leaves.
    /// One answer a wish, in the same order; a refused one leaves that user as is.
    ///
    /// A claimed domain decides who may come, not where an address may move: whether its holder keeps a seat there is
    /// for the rules of the agent.
    ///
    /// # Errors
    /// For each: `NotFound`, `Conflict` for an address that another user has or is given.
    pub fn rename(&mut self, wishes: &[(UserId, Email)]) -> Vec<Result<(), Refusal>> {
        let mut refusals: Vec<Option<Refusal>> = Vec::with_capacity(wishes.len());
        let (mut moving, mut given) = (HashSet::new(), HashSet::new());
        for (id, email) in wishes {
            let refusal = if !self.users.contains_key(id) {
                Some(not_found(id))
            } else if moving.contains(id) || given.contains(email) {
                Some(Refusal::new(RefusalCode::Conflict, format!("{email} or user {id} stands twice in one rename")))
            } else {
                moving.insert(id);
                given.insert(email);
                None
            };
            refusals.push(refusal);
        }
        // A wish that is refused keeps its old address, which another may have counted on: until none is refused more.
        loop {
            let mut blocked = Vec::new();
            for (index, (id, email)) in wishes.iter().enumerate() {
                let holder = self.by_email.get(email).filter(|holder| *holder != id && !moving.contains(holder));
                if let (None, Some(holder)) = (&refusals[index], holder) {
                    blocked.push((index, format!("{email} is the address of user {holder}")));
                }
            }
            if blocked.is_empty() {
                break;
            }
            for (index, message) in blocked {
                moving.remove(&wishes[index].0);
                refusals[index] = Some(Refusal::new(RefusalCode::Conflict, message));
            }
        }
        let granted = || wishes.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none()).map(|(wish, _)| wish);
        for (id, _) in granted() {
            if let Some(user) = self.users.get(id) {
                self.by_email.remove(&user.email);
            }
        }
        for (id, email) in granted() {
            if let Some(user) = self.users.get_mut(id) {
                user.email = email.clone();
                self.by_email.insert(email.clone(), id.clone());
                self.users_touched.insert(id.clone());
            }
        }
        refusals.into_iter().map(|refusal| refusal.map_or(Ok(()), Err)).collect()
    }

    /// Takes in a claimed domain as kept.
    pub(super) fn restore_domain(&mut self, domain: String) {
        if let Err(place) = self.profile.domains.binary_search(&domain) {
            self.profile.domains.insert(place, domain);
        }
    }

    /// Takes in a user as kept; `Err` in words when that user breaks a rule.
    pub(super) fn restore(&mut self, user: User) -> Result<(), String> {
        if let Some(flaw) = self.flaw(&user) {
            return Err(format!("user {}: {flaw}", user.id));
        }
        self.index(user);
        Ok(())
    }

    /// The records that differ from the ones last drained.
    pub(super) fn drain(&mut self) -> Vec<Record> {
        let id = &self.profile.id;
        let profile = std::mem::take(&mut self.profile_touched).then(|| Record::Account(self.profile.clone()));
        let domains = std::mem::take(&mut self.domains_touched).into_iter().map(|domain| {
            let record = if self.profile.domains.contains(&domain) { Record::Claimed } else { Record::Released };
            record(id.clone(), domain)
        });
        let users = std::mem::take(&mut self.users_touched).into_iter().map(|user| match self.users.get(&user) {
            Some(user) => Record::User(id.clone(), user.clone()),
            None => Record::Gone(id.clone(), user),
        });
        profile.into_iter().chain(domains).chain(users).collect()
    }

    /// Marks the profile as one that a keeper has not seen.
    pub(super) fn touch_profile(&mut self) {
        self.profile_touched = true;
    }

    /// How many users there are, and how many the index by address and the one by identity know.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.users.len(), self.by_email.len(), self.by_external.len())
    }

    /// Which rule a user that is to be added would break, in words.
    fn flaw(&self, user: &User) -> Option<String> {
        let Profile { id: _, name: _, kind, default_licence: _, supported, domains: _, created_at: _ } = &self.profile;
        let unsupported = user.licence.as_ref().filter(|licence| !supported.contains(licence));
        if let Some(licence) = unsupported {
            Some(format!("licence {licence} is not a supported one"))
        } else if self.users.contains_key(&user.id) {
            Some("the id stands twice".to_owned())
        } else if let Some(other) = self.by_email.get(&user.email) {
            Some(format!("{} is also the address of user {other}", user.email))
        } else if let Some(other) = user.external.and_then(|guid| self.by_external.get(&guid)) {
            Some(format!("user {other} belongs to the same directory identity"))
        } else if *kind == StoreKind::Team && user.registration == Registration::Suspended {
            Some("suspended in a team account".to_owned())
        } else if *kind != StoreKind::Team && user.invitation != Invitation::None {
            Some(format!("invited in an account of kind {kind}"))
        } else if (user.registration == Registration::Unregistered) != (user.invitation == Invitation::Pending) {
            Some(format!("{:?} and the invitation {:?}", user.registration, user.invitation))
        } else {
            None
        }
    }

    fn known(&self, id: &UserId) -> Result<&User, Refusal> {
        self.users.get(id).ok_or_else(|| not_found(id))
    }

    fn add(&mut self, user: User) -> Result<&User, Refusal> {
        let id = user.id.clone();
        if !(1..=USER_ID_BYTES_MAX).contains(&id.as_str().len()) {
            let message = format!("a user id has 1 to {USER_ID_BYTES_MAX} bytes, {id:?} has not");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        if self.users.contains_key(&id) {
            return Err(Refusal::new(RefusalCode::Conflict, format!("user {id} exists already")));
        }
        self.users_touched.insert(id.clone());
        self.index(user);
        self.known(&id)
    }

    fn index(&mut self, user: User) {
        self.by_email.insert(user.email.clone(), user.id.clone());
        if let Some(guid) = user.external {
            self.by_external.insert(guid, user.id.clone());
        }
        self.users.insert(user.id.clone(), user);
    }

    fn forget(&mut self, id: &UserId) {
        if let Some(user) = self.users.remove(id) {
            self.by_email.remove(&user.email);
            if let Some(guid) = user.external {
                self.by_external.remove(&guid);
            }
            self.users_touched.insert(user.id);
        }
    }

    /// Changes a user in anything but id and address; one that ends as it began is not written again.
    fn change(&mut self, id: &UserId, edit: impl FnOnce(&mut User)) -> Result<&User, Refusal> {
        let user = self.users.get_mut(id).ok_or_else(|| not_found(id))?;
        let before = user.clone();
        edit(user);
        if *user != before {
            self.users_touched.insert(id.clone());
        }
        if user.external != before.external {
            if let Some(guid) = before.external {
                self.by_external.remove(&guid);
            }
            if let Some(guid) = user.external {
                self.by_external.insert(guid, id.clone());
            }
        }
        Ok(user)
    }

    fn set_registration(&mut self, id: &UserId, registration: Registration) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        if user.registration == Registration::Unregistered {
            let message = format!("{} has never registered", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.change(id, |user| user.registration = registration)
    }

    fn check_kind(&self, kinds: &[StoreKind], otherwise: &str) -> Result<(), Refusal> {
        if kinds.contains(&self.profile.kind) {
            return Ok(());
        }
        let Profile { id, kind, .. } = &self.profile;
        Err(Refusal::new(RefusalCode::Forbidden, format!("in account {id} of kind {kind} {otherwise}")))
    }

    fn check_supported(&self, licence: &Tier) -> Result<(), Refusal> {
        if self.profile.supported.contains(licence) {
            return Ok(());
        }
        let supported: Vec<&str> = self.profile.supported.iter().map(Tier::name).collect();
        let message = format!("licence {licence:?} is not one of the account's: {}", supported.join(", "));
        Err(Refusal::new(RefusalCode::BadRequest, message))
    }

    fn check_claimed(&self, email: &Email) -> Result<(), Refusal> {
        if self.profile.claims(email) {
            return Ok(());
        }
        let message = format!("{email} is outside the claimed domains: {}", self.profile.domains.join(", "));
        Err(Refusal::new(RefusalCode::Forbidden, message))
    }

    fn check_external(&self, external: Option<ObjectGuid>, id: &UserId) -> Result<(), Refusal> {
        match external.and_then(|guid| self.by_external.get(&guid)).filter(|holder| *holder != id) {
            None => Ok(()),
            Some(holder) => {
                let message = format!("user {holder} belongs to that directory identity already");
                Err(Refusal::new(RefusalCode::Conflict, message))
            }
        }
    }
}

/// The kinds that suspend; the others remove.
const SUSPENDING: [StoreKind; 2] = [StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory];

/// A user about whom nothing but id and address is known.
fn blank(id: UserId, email: &Email) -> User {
    User {
        id,
        email: email.clone(),
        licence: None,
        registration: Registration::Unregistered,
        invitation: Invitation::None,
        external: None,
        invited_at: None,
        registered_at: None,
        invitations_sent: 0,
    }
}

fn not_found(id: &UserId) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no user {id}"))
}
