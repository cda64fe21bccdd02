//! What a provisioning client (SCIM) says of a user: kept, handed out, and what the client finds the user by.
//!
//! Invariants, checked by `laws`: a name to sign in with, and a name that a client has for a user, belong to one user of the
//! account at most, and a directory identity is one name in whatever writing; a user is known to clients by a directory
//! identity or by a text, not by both; who was put away is suspended.

use super::{Account, DISPLAY_NAME_CHARS_MAX, not_found};
use crate::model::{Email, ObjectGuid, Tier, UserId};
use crate::store::user::{Invitation, Provisioned, Refusal, RefusalCode, User, UserDetails};
use uuid::Uuid;

/// Longest name to sign in with, and longest name that a client has for a user, in bytes.
pub const PROVISIONED_BYTES_MAX: usize = 254;
/// Longest of the names of a person, in characters.
pub const PROVISIONED_CHARS_MAX: usize = 100;

/// What a client says, in place of all that it said before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provision {
    /// The name to sign in with; `None` for the address.
    pub user_name: Option<String>,
    /// How the client knows the user.
    pub external_id: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The whole name.
    pub formatted_name: Option<String>,
    /// What people see.
    pub display_name: Option<String>,
}

impl Provision {
    /// What is said of a user now.
    pub fn of(user: &User) -> Self {
        let Provisioned { user_name, external_id: _, given_name, family_name, formatted_name, put_away: _ } =
            user.provisioned();
        let display_name = user.details.as_ref().and_then(|details| details.display_name.clone());
        Self { user_name, external_id: user.external_id(), given_name, family_name, formatted_name, display_name }
    }
}

impl Account {
    /// The user of that name to sign in with: an address, or what a client gave in its place.
    pub fn by_user_name(&self, name: &str) -> Option<&User> {
        let given = self.by_user_name.get(&name.to_lowercase()).and_then(|id| self.users.get(id));
        // Who has another name is not found by the address.
        let by_address = || self.by_email(&Email::parse(name)?).filter(|user| user.user_name() == user.email.as_str());
        given.or_else(by_address)
    }

    /// The user whom a client knows by that text, compared as written.
    pub fn by_external_id(&self, text: &str) -> Option<&User> {
        let given = self.by_external_id.get(&key(text)).and_then(|id| self.users.get(id));
        let as_written =
            given.filter(|user| user.provisioned_ref().and_then(|it| it.external_id.as_deref()) == Some(text));
        as_written.or_else(|| self.by_external(&identity(text)?))
    }

    /// Notes what a client says. A name that it has for the user and that is written as a directory identity is one.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` for a text that is too long or cannot be seen, and for a name to sign in with that is another
    /// address than the user's; `Conflict` for a name that another user has.
    pub fn provision(&mut self, id: &UserId, wish: &Provision) -> Result<&User, Refusal> {
        let Provision { user_name, external_id, given_name, family_name, formatted_name, display_name } = wish;
        let user = self.known(id)?;
        let user_name = user_name.as_deref().filter(|name| !name.eq_ignore_ascii_case(user.email.as_str()));
        let user_name = user_name.filter(|name| Email::parse(name).as_ref() != Some(&user.email));
        if let Some(name) = user_name {
            self.check_user_name(name, id)?;
        }
        let guid = external_id.as_deref().and_then(identity);
        let external_id = external_id.as_deref().filter(|_| guid.is_none());
        if let Some(text) = external_id {
            check_text(text, PROVISIONED_BYTES_MAX, "a name that a client has for a user")?;
            if let Some(other) = self.by_external_id.get(&key(text)).filter(|other| *other != id) {
                let message =
                    format!("user {other} has the external id {text:?}, or the same identity in another writing");
                return Err(Refusal::new(RefusalCode::Conflict, message));
            }
            self.check_external(any_identity(text), id)?;
        }
        self.check_external(guid, id)?;
        for name in [given_name, family_name, formatted_name].into_iter().flatten() {
            check_name(name, PROVISIONED_CHARS_MAX)?;
        }
        if let Some(name) = display_name {
            check_name(name, DISPLAY_NAME_CHARS_MAX)?;
        }
        self.change(id, |user| {
            user.external = guid;
            edit(user, |details| {
                details.display_name.clone_from(display_name);
                let there = details.provisioned.get_or_insert_default();
                **there = Provisioned {
                    user_name: user_name.map(str::to_owned),
                    external_id: external_id.map(str::to_owned),
                    given_name: given_name.clone(),
                    family_name: family_name.clone(),
                    formatted_name: formatted_name.clone(),
                    put_away: there.put_away,
                };
            });
        })
    }

    /// The licence that clients know by that text, compared as written.
    pub fn by_alias(&self, text: &str) -> Option<&Tier> {
        self.profile.aliases.iter().find(|(_, alias)| *alias == text).map(|(licence, _)| licence)
    }

    /// Notes how a client knows a licence, in place of what was noted.
    ///
    /// # Errors
    /// `NotFound` for a licence that is not supported, `BadRequest` for a text that is too long or cannot be seen, `Conflict`
    /// for one that another licence has.
    pub fn alias(&mut self, licence: &Tier, text: Option<&str>) -> Result<(), Refusal> {
        if !self.profile.supported.contains(licence) {
            return Err(Refusal::new(RefusalCode::NotFound, format!("the account has no licence {licence:?}")));
        }
        if let Some(text) = text {
            check_text(text, PROVISIONED_BYTES_MAX, "a name that a client has for a licence")?;
            if let Some(other) = self.by_alias(text).filter(|other| *other != licence) {
                let message = format!("licence {other} has the external id {text:?}");
                return Err(Refusal::new(RefusalCode::Conflict, message));
            }
        }
        self.set_alias(licence, text.map(str::to_owned));
        Ok(())
    }

    /// A client deletes a user. A team lets go of people: the user is gone, or the invitation taken back. An enterprise
    /// account keeps them, suspended, with the licence for the return: clients do not see the user any more, and what they
    /// knew the user by is free. Whether the user is still there.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn put_away(&mut self, id: &UserId) -> Result<bool, Refusal> {
        if self.known(id)?.invitation == Invitation::Pending {
            self.withdraw(id)?;
            return Ok(false);
        }
        if !self.profile.kind.is_enterprise() {
            self.remove(id)?;
            return Ok(false);
        }
        self.suspend(id)?;
        self.change(id, |user| {
            user.external = None;
            edit(user, |details| {
                details.display_name = None;
                details.provisioned = Some(Box::new(Provisioned { put_away: true, ..Provisioned::default() }));
            });
        })?;
        Ok(true)
    }

    /// A client makes a user again whom it deleted. As with somebody new, the address is one of a claimed domain; an
    /// administrator can activate the user wherever the address is.
    ///
    /// # Errors
    /// As [`Account::activate`], and `Forbidden` for an address outside the claimed domains.
    pub fn take_back(&mut self, id: &UserId) -> Result<&User, Refusal> {
        let email = self.known(id)?.email.clone();
        self.check_claimed(&email)?;
        self.activate(id)
    }

    pub(super) fn index_provisioned(&mut self, user: &User) {
        let Some(provisioned) = user.provisioned_ref() else { return };
        if let Some(name) = &provisioned.user_name {
            self.by_user_name.insert(name.to_lowercase(), user.id.clone());
        }
        if let Some(text) = &provisioned.external_id {
            self.by_external_id.insert(key(text), user.id.clone());
        }
    }

    pub(super) fn unindex_provisioned(&mut self, user: &User) {
        let Some(provisioned) = user.provisioned_ref() else { return };
        if let Some(name) = &provisioned.user_name {
            self.by_user_name.remove(&name.to_lowercase());
        }
        if let Some(text) = &provisioned.external_id {
            self.by_external_id.remove(&key(text));
        }
    }

    /// Who is known to clients by another writing of that directory identity.
    pub(super) fn by_writing(&self, guid: &ObjectGuid) -> Option<&UserId> {
        self.by_external_id.get(&guid.to_string())
    }

    /// What a user who is to be added would break, in words.
    pub(super) fn flaw_of_provisioned(&self, user: &User) -> Option<String> {
        if let Some(other) = user.external.and_then(|guid| self.by_writing(&guid)) {
            return Some(format!("user {other} has the same directory identity, in another writing"));
        }
        let provisioned = user.provisioned_ref()?;
        let name = provisioned.user_name.as_ref().and_then(|name| self.by_user_name.get(&name.to_lowercase()));
        let text = provisioned.external_id.as_ref().and_then(|text| {
            let in_words = self.by_external_id.get(&key(text));
            in_words.or_else(|| self.by_external.get(&any_identity(text)?))
        });
        if let Some(other) = name.or(text) {
            Some(format!("user {other} has the same user name or external id"))
        } else if provisioned.user_name.as_ref().is_some_and(|name| Email::parse(name).is_some()) {
            Some("its user name is an address".to_owned())
        } else if provisioned.external_id.is_some() && user.external.is_some() {
            Some("it has two external ids".to_owned())
        } else {
            None
        }
    }

    fn check_user_name(&self, name: &str, id: &UserId) -> Result<(), Refusal> {
        check_text(name, PROVISIONED_BYTES_MAX, "a user name")?;
        if Email::parse(name).is_some() {
            let email = &self.users.get(id).ok_or_else(|| not_found(id))?.email;
            let message = format!(
                "the user name {name} is an address, and not the user's, which is {email}: an address is one person's"
            );
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        match self.by_user_name.get(&name.to_lowercase()).filter(|other| *other != id) {
            None => Ok(()),
            Some(other) => {
                Err(Refusal::new(RefusalCode::Conflict, format!("{name:?} is already the user name of user {other}")))
            }
        }
    }

    /// How many users are found by a name to sign in with and by an external id.
    #[cfg(test)]
    pub(in crate::store) fn counts_of_provisioned(&self) -> (usize, usize) {
        (self.by_user_name.len(), self.by_external_id.len())
    }
}

/// The directory identity that is written exactly so: what comes in any other way would not go out as it came.
fn identity(text: &str) -> Option<ObjectGuid> {
    ObjectGuid::parse(text).filter(|guid| guid.to_string() == text)
}

/// The directory identity in any writing: in capitals, in braces, as a URN, or in 32 digits alone.
fn any_identity(text: &str) -> Option<ObjectGuid> {
    let text = text.trim();
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    Uuid::try_parse(bare.trim()).ok().map(|uuid| ObjectGuid::from_bytes(uuid.into_bytes()))
}

/// What no two users have: the text, or the directory identity that it writes, in one form.
fn key(text: &str) -> String {
    any_identity(text).map_or_else(|| text.to_owned(), |guid| guid.to_string())
}

/// Takes a name that a client had for a user away, since a directory identity comes in its place.
pub(super) fn forget_external_id(user: &mut User) {
    edit(user, |details| {
        if let Some(provisioned) = &mut details.provisioned {
            provisioned.external_id = None;
        }
    });
}

/// Who can sign in again is no longer put away.
pub(super) fn bring_back(user: &mut User) {
    edit(user, |details| {
        if let Some(provisioned) = &mut details.provisioned {
            provisioned.put_away = false;
        }
    });
}

/// Changes the details; what ends empty is not there.
fn edit(user: &mut User, change: impl FnOnce(&mut UserDetails)) {
    let mut details = user.details();
    change(&mut details);
    details.provisioned = details.provisioned.take().filter(|it| **it != Provisioned::default());
    user.details = (details != UserDetails::default()).then(|| Box::new(details));
}

fn check_text(text: &str, bytes_max: usize, what: &str) -> Result<(), Refusal> {
    let usable = !text.trim().is_empty() && text.len() <= bytes_max && !text.contains(char::is_control);
    let message = || format!("{what} has 1 to {bytes_max} bytes that can be seen");
    if usable { Ok(()) } else { Err(Refusal::new(RefusalCode::BadRequest, message())) }
}

fn check_name(name: &str, chars_max: usize) -> Result<(), Refusal> {
    let usable = name.chars().count() <= chars_max && !name.contains(char::is_control);
    let message = || format!("a name has at most {chars_max} characters that can be seen");
    if usable { Ok(()) } else { Err(Refusal::new(RefusalCode::BadRequest, message())) }
}
