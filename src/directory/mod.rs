//! The directory: where people and groups are read from.
//!
//! One trait, one error, one file (or folder) a kind. A read either ends in success and gives a whole [`Reading`], or it
//! gives an error; there is nothing in between.
//!
//! Deliberately absent: any decision about seats, any knowledge of the account store, any write to the directory.

pub mod attributes;
pub mod ldap;
pub mod ldif;
mod referral;

use crate::model::{Expiry, Reading};

/// A source of readings.
#[allow(async_fn_in_trait)] // Used with static dispatch only; no caller needs a bound on the future.
pub trait Directory {
    /// Reads everybody and every group below the base.
    ///
    /// # Errors
    /// Whenever any part of the read did not end in success; see [`DirectoryError`].
    async fn read(&mut self) -> Result<Reading, DirectoryError>;

    /// What the latest read needed and will not be good for ever, as far as it is known: certificates, passwords.
    fn expiries(&self) -> Vec<Expiry> {
        Vec::new()
    }
}

/// Why there is no reading, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Nobody answered, or the connection broke: try again later. Says what was tried and what came back.
    #[error("{message}")]
    Unavailable {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// The server refused us: credentials, rights, certificate, base. Trying again changes nothing until somebody acts.
    #[error("{message}")]
    Refused {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// The read began and did not end in success, or what came back breaks the protocol: nothing of it is used.
    #[error("{message}")]
    Incomplete {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// The directory that the configuration names.
pub enum Configured {
    /// Active Directory or another LDAP server.
    Ldap(Box<ldap::Ldap>),
    /// A file.
    Ldif(ldif::Ldif),
}

impl Directory for Configured {
    async fn read(&mut self) -> Result<Reading, DirectoryError> {
        match self {
            Self::Ldap(directory) => directory.read().await,
            Self::Ldif(directory) => directory.read().await,
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        match self {
            Self::Ldap(directory) => directory.expiries(),
            Self::Ldif(directory) => directory.expiries(),
        }
    }
}
