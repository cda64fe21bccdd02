//! What an account is called and what it supports; and its end.

use super::Account;
use crate::model::{Email, Tier, Timestamp, UserId};
use crate::store::profile::{
    AccountKind, DELEGATE_GROUP_BYTES_MAX, DELEGATE_GROUPS_MAX, DOMAINS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX,
    NAME_CHARS_MAX, Profile,
};
use crate::store::user::{Refusal, RefusalCode, User};

/// Most users who were put away and get another licence in one change.
const PUT_AWAY_MOVED_MAX: usize = 200;

impl Account {
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

    /// Takes a licence away that nobody holds. Who was put away with it would come back with the default one.
    ///
    /// # Errors
    /// `NotFound` for one that is not supported; `PreconditionFailed` while it is the default licence or somebody holds it.
    pub fn unsupport(&mut self, licence: &Tier) -> Result<(), Refusal> {
        if !self.profile.supported.contains(licence) {
            return Err(Refusal::new(RefusalCode::NotFound, format!("the account has no licence {licence:?}")));
        }
        let hindered = |message: String| Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        if self.profile.default_licence.as_ref() == Some(licence) {
            return hindered(format!(
                "{licence} is the default licence of the account: make another one the default first"
            ));
        }
        let (away, there): (Vec<&User>, Vec<&User>) =
            self.users().filter(|user| user.licence.as_ref() == Some(licence)).partition(|user| user.is_put_away());
        if !there.is_empty() {
            return hindered(format!("{} users hold {licence}: give them another licence first", there.len()));
        }
        if away.len() > PUT_AWAY_MOVED_MAX {
            return hindered(format!(
                "{} deleted users would come back with {licence}: give them another one first",
                away.len()
            ));
        }
        let away: Vec<UserId> = away.into_iter().map(|user| user.id.clone()).collect();
        let instead = self.profile.default_licence.clone();
        for id in away {
            let instead = instead.clone();
            self.change(&id, |user| user.licence = instead)?;
        }
        self.set_alias(licence, None);
        self.edit_profile(|profile| profile.supported.retain(|each| each != licence));
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

    /// Deletes the account, which is kept for a while and takes no command any more.
    ///
    /// # Errors
    /// `Unprocessable` while it has users (`Team`) or claimed domains.
    pub(in crate::store) fn close(&mut self, at: Timestamp) -> Result<(), Refusal> {
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
    pub(in crate::store) fn reopen(&mut self) {
        self.edit_profile(|profile| profile.details.closed_at = None);
    }
}
