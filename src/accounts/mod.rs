//! The account store as the agent sees it: list, find, apply.
//!
//! Deliberately absent: any decision about seats, any knowledge of the directory, retries that the caller cannot see.

pub mod chime;
pub mod embedded;
mod reach;
#[cfg(test)]
mod samples;
pub mod scim;

use crate::model::{Email, Expiry, Intent, ObjectGuid, Observed, Outcome, StoreKind, UserId};

/// Where accounts, licences and suspensions live.
#[allow(async_fn_in_trait)] // Used with static dispatch only; no caller needs a bound on the future.
pub trait AccountStore {
    /// What kind of account it is: the row of the seat matrix.
    async fn kind(&mut self) -> Result<StoreKind, AccountsError>;

    /// Every account, seated or not. Complete, or an error.
    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError>;

    /// Whether there is not one account in it, where that is cheaper to know than the whole list; a store where asking is
    /// as dear as listing says that it is not empty.
    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        Ok(false)
    }

    /// The accounts of these people, in the order asked for; `None` where there is none.
    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError>;

    /// Brings each seat to its intent's absolute target: one outcome an intent, in the same order.
    ///
    /// An intent whose target is already reached is `Done`. A failure of the whole request is `Ambiguous` for each
    /// intent that may have been done.
    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome>;

    /// Whether an account's e-mail can be changed in place.
    fn renames(&self) -> bool;

    /// How many intents one `apply` takes at most.
    fn batch_max(&self) -> usize;

    /// What the latest answer needed and will not be good for ever, as far as it is known: certificates, keys.
    fn expiries(&self) -> Vec<Expiry> {
        Vec::new()
    }
}

/// Whose account is looked for: by the store's own key if we have it, else by identity where the store keeps it, else
/// by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The person.
    pub guid: ObjectGuid,
    /// The account, where one is known.
    pub account: Option<UserId>,
    /// The address.
    pub email: Email,
}

/// Why the account store gave no answer, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Try again later.
    #[error("{message}")]
    Unavailable {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Somebody must act first: credentials, a wrong account, a damaged store.
    #[error("{message}")]
    Refused {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// The account store that the configuration names.
pub enum Configured {
    /// In a folder of this machine.
    Embedded(embedded::Embedded),
    /// Behind the admin API.
    Chime(Box<chime::Chime>),
    /// Behind SCIM 2.0.
    Scim(Box<scim::Scim>),
}

impl AccountStore for Configured {
    async fn kind(&mut self) -> Result<StoreKind, AccountsError> {
        match self {
            Self::Embedded(store) => store.kind().await,
            Self::Chime(store) => store.kind().await,
            Self::Scim(store) => store.kind().await,
        }
    }

    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError> {
        match self {
            Self::Embedded(store) => store.list().await,
            Self::Chime(store) => store.list().await,
            Self::Scim(store) => store.list().await,
        }
    }

    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        match self {
            Self::Embedded(store) => store.is_empty().await,
            Self::Chime(store) => store.is_empty().await,
            Self::Scim(store) => store.is_empty().await,
        }
    }

    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError> {
        match self {
            Self::Embedded(store) => store.find(sought).await,
            Self::Chime(store) => store.find(sought).await,
            Self::Scim(store) => store.find(sought).await,
        }
    }

    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome> {
        match self {
            Self::Embedded(store) => store.apply(intents).await,
            Self::Chime(store) => store.apply(intents).await,
            Self::Scim(store) => store.apply(intents).await,
        }
    }

    fn renames(&self) -> bool {
        match self {
            Self::Embedded(store) => store.renames(),
            Self::Chime(store) => store.renames(),
            Self::Scim(store) => store.renames(),
        }
    }

    fn batch_max(&self) -> usize {
        match self {
            Self::Embedded(store) => store.batch_max(),
            Self::Chime(store) => store.batch_max(),
            Self::Scim(store) => store.batch_max(),
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        match self {
            Self::Embedded(store) => store.expiries(),
            Self::Chime(store) => store.expiries(),
            Self::Scim(store) => store.expiries(),
        }
    }
}
