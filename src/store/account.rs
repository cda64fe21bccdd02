//! One account with its users: every rule about who may hold what, and how it comes and goes.
//!
//! Invariants, checked by `laws`: an address and a directory identity belong to one user at most; a licence held is a
//! supported one; a suspended user is never active; a team account suspends nobody and only it invites; a refused command
//! changes nothing. Domains, and what they make of an account, are in `domains`.
//!
//! | file | what is in it |
//! |---|---|
//! | `settings` | its name, licences and the like; its end |
//! | `provision` | what a provisioning client says of a user; its names, and putting away |
//! | `keeping` | what has changed, for whoever keeps it; and how that is undone |
//!
//! Commands are absolute where the wish is ("be suspended", not "toggle"), so that twice is once.

mod keeping;
mod provision;
mod settings;

use super::profile::{AccountKind, Profile, USER_ID_BYTES_MAX};
use super::user::{Invitation, Mail, Refusal, RefusalCode, Registration, User, UserDetails};
use crate::model::{Email, ObjectGuid, Observed, Seat, Tier, Timestamp, UserId};
use keeping::Touched;
pub use provision::{PROVISIONED_BYTES_MAX, PROVISIONED_CHARS_MAX, Provision};
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
    /// Those names to sign in with that are no addresses, in lower case.
    by_user_name: HashMap<String, UserId>,
    /// Those names of clients that are no directory identities in the usual writing; any other writing is under the usual one.
    by_external_id: HashMap<String, UserId>,
    /// What differs from what was last drained, as it was then.
    touched: Touched,
}

impl Account {
    /// An account without users.
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            users: BTreeMap::new(),
            by_email: HashMap::new(),
            by_external: HashMap::new(),
            by_user_name: HashMap::new(),
            by_external_id: HashMap::new(),
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
        let provisioned = details.provisioned.clone();
        edit(&mut details);
        // What users are found by is not changed here.
        details.provisioned = provisioned;
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

    /// A person accepts the invitation, and holds the default licence. Accepting twice is accepting once. What was sent
    /// while the account was a team stays good, until a directory is connected: then people come from there alone.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` in an `EnterpriseDirectory` account; `PreconditionFailed` for a user who was not invited, or
    /// whose domain was released.
    pub fn accept(&mut self, id: &UserId, at: Timestamp) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        if user.registration == Registration::Unregistered && self.profile.kind == AccountKind::EnterpriseDirectory {
            let message = format!("{} comes by the directory now, not by an invitation", user.email);
            return Err(Refusal::new(RefusalCode::Forbidden, message));
        }
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

    /// Makes a user who can sign in at once (`EnterpriseDirectory`). One that is there exactly so stays as is; one that was
    /// invited while the account was a team, and has not come, comes now.
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
            if user.registration == Registration::Unregistered {
                self.check_external(external, &there)?;
                return self.change(&there, |user| {
                    provision::forget_external_id(user);
                    user.licence = Some(licence.clone());
                    user.registration = Registration::Registered;
                    user.invitation = Invitation::None;
                    user.external = external;
                    user.registered_at = Some(at);
                });
            }
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
        self.change(id, |user| {
            provision::forget_external_id(user);
            user.external = Some(guid);
        })
    }

    /// Gives users new addresses, all at one moment: two may exchange theirs, or one take the address another leaves.
    /// One answer a wish, in the same order; a refused one leaves that user as is.
    ///
    /// Where nobody new may come with an address, nobody moves to it either: else a claimed domain would keep out only who
    /// says at once where the way leads. Who is outside already stays, and may come in; `.invalid` is nobody's, and stays
    /// open but to people of a domain that was released, who would be back in from there.
    ///
    /// # Errors
    /// For each: `NotFound`, `Conflict` for an address that another user has or is given, `Forbidden` for one outside the
    /// claimed domains (not `Team`, which invites anybody), `PreconditionFailed` for a device's of a domain that was released, and
    /// for one at `.invalid` in place of one of such a domain.
    pub fn rename(&mut self, wishes: &[(UserId, Email)]) -> Vec<Result<(), Refusal>> {
        let mut refusals: Vec<Option<Refusal>> = Vec::with_capacity(wishes.len());
        let (mut moving, mut given) = (HashSet::new(), HashSet::new());
        for (id, email) in wishes {
            let refusal = if moving.contains(id) || given.contains(email) {
                Some(Refusal::new(RefusalCode::Conflict, format!("{email} or user {id} stands twice in one rename")))
            } else {
                self.known(id).and_then(|user| self.check_welcome(user, email)).err()
            };
            if refusal.is_none() {
                moving.insert(id);
                given.insert(email);
            }
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

    /// Whether the account let go of the user's domain: the user cannot sign in, and cannot be activated.
    pub fn is_released(&self, user: &User) -> bool {
        user.registration == Registration::Registered && self.profile.has_released(&user.email.domain())
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
            // Whoever was invited before a directory was connected comes from there or not at all.
            Seat::Invited if self.profile.kind == AccountKind::EnterpriseDirectory => Seat::Vacant,
            seat => seat,
        };
        Observed { id: user.id.clone(), email: user.email.clone(), seat, external: user.external, details: None }
    }

    fn known(&self, id: &UserId) -> Result<&User, Refusal> {
        self.users.get(id).ok_or_else(|| not_found(id))
    }

    fn add(&mut self, user: User) -> Result<&User, Refusal> {
        let id = user.id.clone();
        if !(1..=USER_ID_BYTES_MAX).contains(&id.text().len()) {
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
        self.index_provisioned(&user);
        self.by_email.insert(user.email.clone(), user.id.clone());
        if let Some(guid) = user.external {
            self.by_external.insert(guid, user.id.clone());
        }
        self.users.insert(user.id.clone(), user);
    }

    fn forget(&mut self, id: &UserId) {
        if let Some(user) = self.users.remove(id) {
            self.unindex_provisioned(&user);
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
        if user.provisioned_ref() != before.provisioned_ref() {
            let after = user.clone();
            self.unindex_provisioned(&before);
            self.index_provisioned(&after);
        }
        self.known(id)
    }

    fn set_registration(&mut self, id: &UserId, registration: Registration) -> Result<&User, Refusal> {
        let user = self.known(id)?;
        if user.registration == Registration::Unregistered {
            let message = format!("{} has never registered", user.email);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.change(id, |user| {
            user.registration = registration;
            if registration == Registration::Registered {
                provision::bring_back(user);
            }
        })
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

    /// Whether a user may have that address in place of the present one: where somebody new could come with it.
    fn check_welcome(&self, user: &User, email: &Email) -> Result<(), Refusal> {
        if user.email == *email {
            return Ok(());
        }
        if user.is_shared_device() {
            return self.check_not_released(email);
        }
        if !self.profile.kind.is_enterprise() {
            return Ok(());
        }
        // At `.invalid` (RFC 6761 6.4) nobody has an address: clients that change one user at a time put one aside there while
        // two exchange theirs. Who is of a released domain has no address to take in exchange, and would only get round it;
        // also who is suspended or invited, and would then be activated or accept.
        if email.domain().ends_with(".invalid") {
            return self.check_not_released(&user.email);
        }
        self.check_claimed(email)
    }

    fn check_not_released(&self, email: &Email) -> Result<(), Refusal> {
        if !self.profile.has_released(&email.domain()) {
            return Ok(());
        }
        let message = format!("the domain of {email} was released: claim and verify it again first");
        Err(Refusal::new(RefusalCode::PreconditionFailed, message))
    }

    fn check_external(&self, external: Option<ObjectGuid>, id: &UserId) -> Result<(), Refusal> {
        let holders = external.map(|guid| [self.by_external.get(&guid), self.by_writing(&guid)]);
        match holders.into_iter().flatten().flatten().find(|holder| *holder != id) {
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
        times: None,
    }
}

fn not_found(id: &UserId) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no user {id}"))
}
