//! May this person sign in?

use super::account::Account;
use super::book::Book;
use super::profile::{AccountId, AccountKind};
use super::user::{Registration, User};
use crate::model::{Email, Tier, UserId};
use std::fmt;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// Yes.
    Allowed {
        /// In which account.
        account: AccountId,
        /// As whom.
        user: UserId,
        /// With which licence.
        licence: Tier,
    },
    /// No.
    Denied(Denial),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// An administrator suspended the user.
    Suspended,
    /// The account let go of the domain.
    Released,
    /// Asked, and has not accepted yet.
    Invited,
    /// Of a claimed domain, and has not registered yet.
    NotRegistered,
    /// Of the domain of an account that follows a directory, and not among its users.
    Unknown,
    /// No account has the domain, and none has the address.
    DomainNotClaimed,
    /// Registered, without a licence.
    NoLicence,
}

impl Denial {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Suspended,
        Self::Released,
        Self::Invited,
        Self::NotRegistered,
        Self::Unknown,
        Self::DomainNotClaimed,
        Self::NoLicence,
    ];

    /// For a program.
    pub fn word(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Released => "released",
            Self::Invited => "invited",
            Self::NotRegistered => "not_registered",
            Self::Unknown => "unknown",
            Self::DomainNotClaimed => "domain_not_claimed",
            Self::NoLicence => "no_licence",
        }
    }
}

/// For a person.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspended => "the user is suspended; an administrator can activate the user again",
            Self::Released => "the account has released the domain of this address",
            Self::Invited => "the person was invited and has not accepted yet",
            Self::NotRegistered => "the domain is claimed, and the person has not registered yet",
            Self::Unknown => "the account of this domain has no such user",
            Self::DomainNotClaimed => "no account has this address or claims its domain",
            Self::NoLicence => "the user has no licence",
        })
    }
}

impl Book {
    /// Whether the person with that address may sign in. Where several accounts know the address, the one that has the
    /// domain decides; else the best answer counts.
    pub fn sign_in(&self, email: &Email) -> SignIn {
        let open = || self.accounts().filter(|account| !account.profile().is_closed());
        let owner = open().find(|account| account.profile().has_domain(&email.domain()));
        if let Some(account) = owner {
            return match account.by_email(email) {
                Some(user) => standing(account, user),
                None if account.profile().kind == AccountKind::EnterpriseDirectory => SignIn::Denied(Denial::Unknown),
                None => SignIn::Denied(Denial::NotRegistered),
            };
        }
        let mut denied = None;
        for account in open() {
            match account.by_email(email).map(|user| standing(account, user)) {
                Some(allowed @ SignIn::Allowed { .. }) => return allowed,
                Some(SignIn::Denied(denial)) => _ = denied.get_or_insert(denial),
                None => {}
            }
        }
        SignIn::Denied(denied.unwrap_or(Denial::DomainNotClaimed))
    }
}

fn standing(account: &Account, user: &User) -> SignIn {
    if account.is_released(user) {
        return SignIn::Denied(Denial::Released);
    }
    match (user.registration, &user.licence) {
        (Registration::Suspended, _) => SignIn::Denied(Denial::Suspended),
        (Registration::Unregistered, _) => SignIn::Denied(Denial::Invited),
        (Registration::Registered, None) => SignIn::Denied(Denial::NoLicence),
        (Registration::Registered, Some(licence)) => {
            SignIn::Allowed { account: account.profile().id.clone(), user: user.id.clone(), licence: licence.clone() }
        }
    }
}
