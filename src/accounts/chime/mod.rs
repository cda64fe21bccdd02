//! The account store as a service behind the Chime admin API: `seatstore serve`, or any other server that speaks it.
//!
//! | file | what is in it |
//! |---|---|
//! | `call` | one request as a value, and whether it may be said twice |
//! | `sign` | SigV4, anew on each attempt |
//! | `client` | the protocol, for what clients share (`reach`) |
//! | `refusal` | why the server refused, in words |
//! | `profile` | what the account is and can do; users as seats |
//! | `look` | the list, and people by key and address |
//! | `errand` | one intent on its way to its target; pure |
//! | `carry` | a batch of errands in as few requests as the contract allows |
//!
//! Such a store keeps no directory identity: accounts are known by key, and else by address.
//!
//! Deliberately absent: any decision about seats, any use of an extension that the account does not declare.

mod call;
mod carry;
mod client;
mod errand;
mod look;
mod profile;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;

pub use call::Operation;

use super::reach::client::ClientSettings;
use super::{AccountStore, AccountsError, Sought};
use crate::halt::Halt;
use crate::model::{Expiry, Intent, Meter, Observed, Outcome, StoreKind, Tier};
use crate::wire::{AccountResponse, Extension};
use call::Call;
use client::{Admin, Client};
use look::Lookout;
use profile::Profile;
use secrecy::SecretString;
use sign::Signer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most intents in one `apply`: enough to fill every slot of the pace with full requests.
const BATCH_INTENTS_MAX: usize = 1_000;
/// How long what the account is and can do is taken as known: an account may become another kind.
const PROFILE_AGE_MAX: Duration = Duration::from_secs(60);

/// `[accounts]` with `kind = "chime"`, as meant.
#[derive(Clone, Debug)]
pub struct ChimeSettings {
    /// Scheme, host and port of the server.
    pub endpoint: String,
    /// The region in the signature.
    pub region: String,
    /// The id of the account there.
    pub account: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Most requests at one time.
    pub requests_max: usize,
    /// The configured tiers, by whose names licences are known here.
    pub tiers: Vec<Tier>,
    /// Where each attempt of a request is told.
    pub meter: Meter,
    /// When it is asked, nothing is waited for and nothing sent again: what is under way is the end of it.
    pub halt: Halt,
}

/// The account store behind the admin API.
#[derive(Debug)]
pub struct Chime {
    client: Arc<Client>,
    lookout: Lookout,
    tiers: Vec<Tier>,
    profile: Option<(Profile, Instant)>,
}

/// What a server says of the account: for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Where it is.
    pub endpoint: String,
    /// The account's name there.
    pub name: String,
    /// What kind of account it is.
    pub kind: StoreKind,
    /// The licences it has.
    pub licences: Vec<String>,
    /// What it can do beyond the contract.
    pub extensions: Vec<Extension>,
    /// Seconds by which its clock is ahead of ours, where it says the time.
    pub ahead_s: Option<i64>,
}

impl Chime {
    /// Makes everything ready; nothing is asked yet.
    ///
    /// # Errors
    /// `Refused` for an endpoint or certificates that cannot be used.
    pub fn open(settings: ChimeSettings) -> Result<Self, AccountsError> {
        let ChimeSettings {
            endpoint,
            region,
            account,
            access_key_id,
            secret_access_key,
            ca_file,
            timeout,
            requests_max,
            tiers,
            meter,
            halt,
        } = settings;
        let client = Arc::new(Client::new(ClientSettings {
            base: endpoint,
            protocol: Admin::new(account, Signer::new(access_key_id, secret_access_key, region)),
            ca_file: ca_file.as_deref(),
            timeout,
            requests_max,
            meter,
            halt,
        })?);
        Ok(Self { lookout: Lookout::new(client.clone()), client, tiers, profile: None })
    }

    /// What the server says of the account.
    ///
    /// # Errors
    /// As for [`AccountStore::kind`].
    pub async fn about(&mut self) -> Result<About, AccountsError> {
        let Profile { name, kind, licences, extensions, .. } = self.profile(PROFILE_AGE_MAX).await?;
        let (endpoint, ahead_s) = (self.client.base().to_owned(), self.client.ahead_s());
        Ok(About { endpoint, name, kind, licences, extensions, ahead_s })
    }

    /// How many requests of that operation were sent, those sent again included.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.client.sent(operation)
    }

    /// How many requests were sent in all.
    pub fn requests_in_all(&self) -> u64 {
        Operation::ALL.into_iter().map(|operation| self.requests(operation)).sum()
    }

    /// What the account is and can do, asked for if it is not known or older than that.
    async fn profile(&mut self, age_max: Duration) -> Result<Profile, AccountsError> {
        if let Some((profile, at)) = &self.profile
            && at.elapsed() <= age_max
        {
            return Ok(profile.clone());
        }
        let AccountResponse { account } = self.client.ask(&Call::account(self.client.account())?).await?;
        if account.account_id != self.client.account() {
            return Err(AccountsError::Refused {
                message: format!(
                    "asked for account {}, {} answered with another one; is it the account store?",
                    self.client.account(),
                    self.client.base()
                ),
            });
        }
        let profile = Profile::of(&account, &self.tiers)?;
        self.profile = Some((profile.clone(), Instant::now()));
        Ok(profile)
    }
}

impl AccountStore for Chime {
    async fn kind(&mut self) -> Result<StoreKind, AccountsError> {
        Ok(self.profile(PROFILE_AGE_MAX).await?.kind)
    }

    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError> {
        let profile = self.profile(Duration::MAX).await?;
        Ok(self.lookout.list(&profile).await?)
    }

    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        Ok(self.lookout.is_empty().await?)
    }

    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError> {
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let profile = self.profile(Duration::MAX).await?;
        Ok(self.lookout.find(&profile, sought).await?)
    }

    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome> {
        if intents.is_empty() {
            return Vec::new();
        }
        let profile = match self.profile(Duration::MAX).await {
            Ok(profile) => profile,
            Err(error) => {
                let outcome = match error {
                    // Nothing was sent, and the next pass is to look: a store that is down gives no answers.
                    AccountsError::Unavailable { message } => Outcome::Ambiguous(message),
                    AccountsError::Refused { message } => Outcome::Rejected(message),
                };
                return vec![outcome; intents.len()];
            }
        };
        carry::carry(&self.client, &mut self.lookout, &profile, intents).await
    }

    fn renames(&self) -> bool {
        self.profile.as_ref().is_some_and(|(profile, _)| profile.has(Extension::PrimaryEmail))
    }

    fn batch_max(&self) -> usize {
        BATCH_INTENTS_MAX
    }

    fn expiries(&self) -> Vec<Expiry> {
        let end = self.client.certificate_end();
        end.map(|end| Expiry::certificate(self.client.base(), end)).into_iter().collect()
    }
}
