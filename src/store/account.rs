//! One account with its users: every rule about who may hold what, and how it comes and goes.
//!
//! Invariants, checked by `laws`: an address and a directory identity belong to one user at most; a licence held is a
//! supported one; a suspended user is never active; a team account suspends nobody and only it invites; a refused command
//! changes nothing. Domains, and what they make of an account, are in `domains`.
//!
//! Commands are absolute where the wish is ("be suspended", not "toggle"), so that twice is once.

use super::book::{Changed, Record};
use super::profile::{
    AccountKind, Claim, DELEGATE_GROUP_BYTES_MAX, DELEGATE_GROUPS_MAX, DOMAINS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX,
    NAME_CHARS_MAX, Profile, USER_ID_BYTES_MAX,
};
use super::user::{Invitation, Mail, Refusal, RefusalCode, Registration, User, UserDetails};
use crate::model::{Email, ObjectGuid, Observed, Seat, Tier, Timestamp, UserId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

/// Longest display name, and longest name of a device, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// Longest of the other texts that are kept and handed out, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;

/// One account with its users.
#[derive(Clone, Debug)]
pub struct Account {
    profile: Profile,
    users: BTreeMap<UserId, User>,
    by_email: HashMap<Email, UserId>,
    by_external: HashMap<ObjectGuid, UserId>,
    /// What differs from what was last drained, as it was then.
    touched: Touched,
}

/// What a keeper has seen last, of everything that has changed since.
#[derive(Clone, Debug, Default)]
struct Touched {
    /// The profile; `Some(None)` when it is new.
    profile: Option<Option<Box<Profile>>>,
    /// Domains, and whether each was claimed and verified.
    domains: BTreeMap<String, bool>,
    /// Domains on their way.
    claims: BTreeMap<String, Option<Claim>>,
    /// Users; `None` for one that is new.
    users: BTreeMap<UserId, Option<User>>,
}

impl Account {
    /// An account without users.
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            users: BTreeMap::new(),
            by_email: HashMap::new(),
            by_external: HashMap::new(),
            touched: Touched::default(),
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

    /// The users behind that one, by id; from the first with `None`.
    pub fn users_after(&self, after: Option<&UserId>) -> impl Iterator<Item = &User> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.users.range::<UserId, _>((from, Bound::Unbounded)).map(|(_, user)| user)
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
    /// `BadRequest` for a nameless one, one above [`LICENCE_BYTES_MAX`] or with control characters, or when there are
    /// [`LICENCES_MAX`].
    pub fn support(&mut self, licence: &Tier) -> Result<(), Refusal> {
        if self.profile.supported.contains(licence) {
            return Ok(());
        }
        let name = licence.name();
        let named = !name.trim().is_empty() && name.len() <= LICENCE_BYTES_MAX && !name.contains(char::is_control);
        if !named || self.profile.supported.len() >= LICENCES_MAX {
            let message = format!(
                "licence {licence:?} is not added: it needs a name of at most {LICENCE_BYTES_MAX} bytes that can be \
                 seen, and an account has at most {LICENCES_MAX}"
            );
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        self.edit_profile(|profile| profile.supported.push(licence.clone()));
        Ok(())
    }

    /// Sets the licence of those who come from now on.
    ///
    /// # Errors
    /// `BadRequest` for one that is not supported.
    pub fn set_default_licence(&mut self, licence: &Tier) -> Result<(), Refusal> {
        self.check_supported(licence)?;
        self.edit_profile(|profile| profile.default_licence = Some(licence.clone()));
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
        // Claimed in this way, a domain is not on its way any more.
        for domain in &claimed {
            self.set_claim(domain, None);
        }
        self.replace_domains(claimed);
        Ok(())
    }

    /// Gives the account another name.
    ///
    /// # Errors
    /// `BadRequest` for an empty name, or one above [`NAME_CHARS_MAX`].
    pub fn set_name(&mut self, name: &str) -> Result<(), Refusal> {
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
            let message = format!("an account name has 1 to {NAME_CHARS_MAX} characters that can be seen");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        self.edit_profile(|profile| profile.name = name.to_owned());
        Ok(())
    }

    /// Sets what is kept and handed out without a meaning here; what is `None` stays as it is.
    pub fn set_settings(&mut self, disable_remote_control: Option<bool>, enable_dial_out: Option<bool>) {
        self.edit_profile(|profile| {
            let details = &mut profile.details;
            details.disable_remote_control = disable_remote_control.or(details.disable_remote_control);
            details.enable_dial_out = enable_dial_out.or(details.enable_dial_out);
        });
    }

    /// Adds groups whose members sign in for others.
    ///
    /// # Errors
    /// `BadRequest` for a malformed name, `ResourceLimitExceeded` for too many.
    pub fn add_delegate_groups(&mut self, names: &[String]) -> Result<(), Refusal> {
        let usable = |name: &String| {
            !name.trim().is_empty() && name.len() <= DELEGATE_GROUP_BYTES_MAX && !name.contains(char::is_control)
        };
        if let Some(name) = names.iter().find(|name| !usable(name)) {
            let message =
                format!("{name:?} cannot name a group: it has 1 to {DELEGATE_GROUP_BYTES_MAX} bytes that can be seen");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        let mut groups = self.profile.details.delegate_groups.clone();
        for name in names {
            if !groups.contains(name) {
                groups.push(name.clone());
            }
        }
        if groups.len() > DELEGATE_GROUPS_MAX {
            let message = format!("an account has at most {DELEGATE_GROUPS_MAX} such groups");
            return Err(Refusal::new(RefusalCode::ResourceLimitExceeded, message));
        }
        self.edit_profile(|profile| profile.details.delegate_groups = groups);
        Ok(())
    }

    /// Takes groups away again; one that is not there is none.
    pub fn remove_delegate_groups(&mut self, names: &[String]) {
        self.edit_profile(|profile| profile.details.delegate_groups.retain(|group| !names.contains(group)));
    }

    /// A person signs up (`EnterpriseLWA`, `EnterpriseOIDC`), and holds the default licence. Who is registered already
    /// stays as is; who was invited before the account became an enterprise one, accepts with it.
    ///
    /// # Errors
    /// `Forbidden` for other kinds, an address outside the claimed domains, and a suspended user.
    pub fn register(&mut self, email: &Email, id: UserId, at: Timestamp) -> Result<&User, Refusal> {
        self.check_kind(
            &[AccountKind::EnterpriseLwa, AccountKind::EnterpriseOidc],
            "people do not register themselves",
        )?;
        self.check_claimed(email)?;
        match self.by_email(email) {
            Some(user) if user.registration == Registration::Unregistered => {
                let id = user.id.clone();
                self.accept(&id, at)
            }
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
        self.check_kind(&[AccountKind::Team], "nobody is invited")?;
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

    /// Asks a person again who was asked before and has not come: the old link is void.
    ///
    /// # Errors
    /// `NotFound`; `PreconditionFailed` for a user whose invitation is not pending.
    pub fn invite_again(&mut self, id: &UserId, at: Timestamp) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        if user.invitation != Invitation::Pending {
            let message = format!("{} has no pending invitation to repeat", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.change(id, |user| {
            user.invited_at = Some(at);
            user.invitations_sent = user.invitations_sent.saturating_add(1);
        })
    }

    /// Notes what became of the e-mail of the invitation.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn set_mail(&mut self, id: &UserId, mail: Mail) -> Result<&User, Refusal> {
        self.edit_details(id, |details| details.mail = mail)
    }

    /// Ends a user's sessions, and nothing else.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn sign_out(&mut self, id: &UserId, at: Timestamp) -> Result<&User, Refusal> {
        self.edit_details(id, |details| details.signed_out_at = Some(at))
    }

    /// Changes what few users have.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` for a text that is too long, or a name with control characters.
    pub fn edit_details(&mut self, id: &UserId, edit: impl FnOnce(&mut UserDetails)) -> Result<&User, Refusal> {
        let mut details = self.known(id)?.details();
        edit(&mut details);
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX);
        let unusable = |name: &String| name.chars().count() > DISPLAY_NAME_CHARS_MAX || name.contains(char::is_control);
        if details.display_name.as_ref().is_some_and(unusable) {
            let message = format!("a name has at most {DISPLAY_NAME_CHARS_MAX} characters that can be seen");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        if too_long(&details.alexa_room) || too_long(&details.personal_pin) {
            let message = format!("a text has at most {TEXT_BYTES_MAX} bytes");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        let details = (details != UserDetails::default()).then(|| Box::new(details));
        self.change(id, |user| user.details = details)
    }

    /// Makes a user for a device that many people share; it can sign in at once, with the default licence.
    ///
    /// # Errors
    /// `BadRequest` without a usable name, `Conflict` for an address that another user has, `PreconditionFailed` for one of
    /// a domain that was released.
    pub fn create_device(&mut self, name: &str, email: &Email, id: UserId, at: Timestamp) -> Result<&User, Refusal> {
        let unusable = name.chars().count() > DISPLAY_NAME_CHARS_MAX || name.contains(char::is_control);
        if name.trim().is_empty() || unusable {
            let message = format!("a device needs a name of 1 to {DISPLAY_NAME_CHARS_MAX} characters that can be seen");
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        self.check_not_released(email)?;
        if let Some(user) = self.by_email(email) {
            let message = format!("{email} is already the address of user {}", user.id);
            return Err(Refusal::new(RefusalCode::Conflict, message));
        }
        let details =
            UserDetails { shared_device: true, display_name: Some(name.to_owned()), ..UserDetails::default() };
        self.add(User {
            licence: self.profile.default_licence.clone(),
            registration: Registration::Registered,
            registered_at: Some(at),
            details: Some(Box::new(details)),
            ..blank(id, email)
        })
    }

    /// A person accepts the invitation (`Team`), and holds the default licence. Accepting twice is accepting once.
    ///
    /// # Errors
    /// `NotFound`; `PreconditionFailed` for a user who was not invited, or whose domain was released.
    pub fn accept(&mut self, id: &UserId, at: Timestamp) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        match (user.registration, user.invitation) {
            (Registration::Registered, Invitation::Accepted) => self.known(id),
            (Registration::Unregistered, Invitation::Pending) => {
                self.check_not_released(&user.email)?;
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
        self.check_kind(&[AccountKind::EnterpriseDirectory], "accounts are not created for people")?;
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
        self.may_assign(id, licence)?;
        self.change(id, |user| user.licence = Some(licence.clone()))
    }

    /// Whether [`Account::assign`] would be granted.
    ///
    /// # Errors
    /// As there.
    pub fn may_assign(&self, id: &UserId, licence: &Tier) -> Result<(), Refusal> {
        let user = self.known(id)?;
        if user.registration == Registration::Unregistered {
            let message = format!("{} has not accepted the invitation and holds no licence yet", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.check_supported(licence)
    }

    /// Signs a user out for good, until activated (not `Team`); the licence is kept for the return.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for team accounts, `PreconditionFailed` for somebody who never registered.
    pub fn suspend(&mut self, id: &UserId) -> Result<&User, Refusal> {
        self.check_enterprise("nobody is suspended, only removed")?;
        self.set_registration(id, Registration::Suspended)
    }

    /// Lets a suspended user sign in again (not `Team`).
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for team accounts, `PreconditionFailed` for somebody who never registered, or whose domain
    /// was released.
    pub fn activate(&mut self, id: &UserId) -> Result<&User, Refusal> {
        self.check_enterprise("nobody is suspended or activated, only invited again")?;
        // Also who was suspended before the domain went: activated now, they would be there when it comes back.
        self.check_not_released(&self.known(id)?.email)?;
        self.set_registration(id, Registration::Registered)
    }

    /// Takes a user out (`Team`): the licence is free, and only a new invitation brings the person back.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for other kinds, `PreconditionFailed` for a pending invitation, which is withdrawn
    /// instead.
    pub fn remove(&mut self, id: &UserId) -> Result<(), Refusal> {
        self.check_kind(&[AccountKind::Team], "nobody is removed, only suspended")?;
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
                self.touched.users.entry(id.clone()).or_insert_with(|| Some(user.clone()));
                user.email = email.clone();
                self.by_email.insert(email.clone(), id.clone());
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

    /// Takes in a domain on its way as kept.
    pub(super) fn restore_claim(&mut self, claim: Claim) {
        self.profile.claims.insert(claim.domain.clone(), claim);
    }

    /// Takes in a user as kept; `Err` in words when that user breaks a rule.
    pub(super) fn restore(&mut self, user: User) -> Result<(), String> {
        if let Some(flaw) = self.flaw(&user) {
            return Err(format!("user {}: {flaw}", user.id));
        }
        self.index(user);
        Ok(())
    }

    /// What differs from what was last drained, each once, as it was and as it is now.
    pub(super) fn drain(&mut self) -> Vec<Changed> {
        let Touched { profile, domains, claims, users } = std::mem::take(&mut self.touched);
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
        let users = users.into_iter().filter_map(|(user, was)| {
            let now = match self.users.get(&user) {
                Some(now) if was.as_ref().is_some_and(|was| was.is_same_record(now)) => return None,
                Some(now) => Record::User(id.clone(), now.clone()),
                None if was.is_none() => return None,
                None => Record::Gone(id.clone(), user),
            };
            Some(Changed { before: was.map(|was| Record::User(id.clone(), was)), now })
        });
        profile.into_iter().chain(domains).chain(claims).chain(users).collect()
    }

    /// Whether there is anything to drain.
    pub(super) fn is_touched(&self) -> bool {
        let Touched { profile, domains, claims, users } = &self.touched;
        profile.is_some() || !domains.is_empty() || !claims.is_empty() || !users.is_empty()
    }

    /// Undoes what was drained of this account.
    pub(super) fn put_back(&mut self, changed: Vec<Changed>) {
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
                    self.profile = Profile { domains, claims, ..profile };
                }
                (_, Record::Claimed(_, domain)) => self.profile.domains.retain(|each| *each != domain),
                (_, Record::Released(_, domain)) => self.restore_domain(domain),
                (Some(Record::Claim(_, domain, claim)), _) => self.set_claim(&domain, claim),
                _ => {}
            }
        }
        self.touched = Touched::default();
    }

    /// Forgets at most so many users, claims and domains; whether none is left.
    pub(super) fn forget_some(&mut self, most: usize) -> bool {
        let users: Vec<UserId> = self.users.keys().take(most).cloned().collect();
        users.iter().for_each(|id| self.forget(id));
        let most = most - users.len();
        let claims: Vec<String> = self.profile.claims.keys().take(most).cloned().collect();
        claims.iter().for_each(|domain| self.set_claim(domain, None));
        let most = most - claims.len();
        self.replace_domains(self.profile.domains.iter().skip(most).cloned().collect());
        self.users.is_empty() && self.profile.claims.is_empty() && self.profile.domains.is_empty()
    }

    /// Marks the profile as one that a keeper has not seen.
    pub(super) fn touch_profile(&mut self) {
        self.touched.profile = Some(None);
    }

    /// Changes the profile in anything but its domains.
    pub(super) fn edit_profile(&mut self, edit: impl FnOnce(&mut Profile)) {
        let before = &self.profile;
        self.touched.profile.get_or_insert_with(|| Some(Box::new(before.clone())));
        edit(&mut self.profile);
    }

    /// Changes what is noted of a domain on its way.
    pub(super) fn set_claim(&mut self, domain: &str, claim: Option<Claim>) {
        let before = match claim {
            Some(claim) => self.profile.claims.insert(domain.to_owned(), claim),
            None => self.profile.claims.remove(domain),
        };
        self.touched.claims.entry(domain.to_owned()).or_insert(before);
    }

    /// Makes these, sorted and each once, the claimed domains.
    pub(super) fn replace_domains(&mut self, claimed: Vec<String>) {
        let before = std::mem::replace(&mut self.profile.domains, claimed);
        let after = &self.profile.domains;
        for domain in before.iter().filter(|domain| !after.contains(domain)) {
            self.touched.domains.entry(domain.clone()).or_insert(true);
        }
        for domain in after.iter().filter(|domain| !before.contains(domain)) {
            self.touched.domains.entry(domain.clone()).or_insert(false);
        }
    }

    /// Whether the account let go of the user's domain: the user cannot sign in, and cannot be activated.
    pub fn is_released(&self, user: &User) -> bool {
        user.registration == Registration::Registered && self.profile.has_released(user.email.domain())
    }

    /// Whether the user can sign in, as the admin API says it. It has no word for somebody whose domain was released, and
    /// says Suspended.
    pub fn registration(&self, user: &User) -> Registration {
        if self.is_released(user) { Registration::Suspended } else { user.registration }
    }

    /// The user as the agent sees it.
    pub fn observed(&self, user: &User) -> Observed {
        let seat = match user.seat() {
            Seat::Active(tier) if self.is_released(user) => Seat::Suspended(tier),
            seat => seat,
        };
        Observed { id: user.id.clone(), email: user.email.clone(), seat, external: user.external }
    }

    /// How many users there are, and how many the index by address and the one by identity know.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
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
        self.touched.users.entry(id.clone()).or_insert(None);
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
            self.touched.users.entry(user.id.clone()).or_insert(Some(user));
        }
    }

    /// Changes a user in anything but id and address; one that ends as it began is not written again.
    fn change(&mut self, id: &UserId, edit: impl FnOnce(&mut User)) -> Result<&User, Refusal> {
        let user = self.users.get_mut(id).ok_or_else(|| not_found(id))?;
        let before = user.clone();
        edit(user);
        if !user.is_same_record(&before) {
            self.touched.users.entry(id.clone()).or_insert_with(|| Some(before.clone()));
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

    /// Deletes the account, which is kept for a while and takes no command any more.
    ///
    /// # Errors
    /// `Unprocessable` while it has users (`Team`) or claimed domains.
    pub(super) fn close(&mut self, at: Timestamp) -> Result<(), Refusal> {
        let Profile { id, kind, domains, .. } = &self.profile;
        // Domains of any kind: kept by a deleted account, they could be nobody's for as long as it is kept.
        let hindrance = if !domains.is_empty() {
            format!("it has claimed domains: release {} first", domains.join(", "))
        } else if *kind == AccountKind::Team && !self.users.is_empty() {
            format!("it has {} users: suspend them first", self.users.len())
        } else {
            String::new()
        };
        if !hindrance.is_empty() {
            let message = format!("account {id} cannot be deleted: {hindrance}");
            return Err(Refusal::new(RefusalCode::Unprocessable, message));
        }
        self.edit_profile(|profile| profile.details.closed_at = Some(at));
        Ok(())
    }

    /// Takes the deletion back.
    pub(super) fn reopen(&mut self) {
        self.edit_profile(|profile| profile.details.closed_at = None);
    }

    fn check_enterprise(&self, otherwise: &str) -> Result<(), Refusal> {
        let enterprise = [AccountKind::EnterpriseLwa, AccountKind::EnterpriseDirectory, AccountKind::EnterpriseOidc];
        self.check_kind(&enterprise, otherwise)
    }

    pub(super) fn check_kind(&self, kinds: &[AccountKind], otherwise: &str) -> Result<(), Refusal> {
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

    fn check_not_released(&self, email: &Email) -> Result<(), Refusal> {
        if !self.profile.has_released(email.domain()) {
            return Ok(());
        }
        let message = format!("the domain of {email} was released: claim and verify it again first");
        Err(Refusal::new(RefusalCode::PreconditionFailed, message))
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
        details: None,
    }
}

fn not_found(id: &UserId) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no user {id}"))
}
