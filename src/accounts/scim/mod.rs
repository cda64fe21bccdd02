//! The account store as a service behind SCIM 2.0 (RFC 7643, 7644): any product that takes its users that way.
//!
//! | file | what is in it |
//! |---|---|
//! | `place` | where a product keeps the tier; pure |
//! | `abilities` | what the server says it can do; pure |
//! | `messages` | the protocol's own words and bodies; pure |
//! | `user` | one user as the server wrote it, read and edited; pure |
//! | `groups` | tiers that are groups: which they are, who is in them; pure |
//! | `mapping` | users as seats; pure |
//! | `detail` | where names and other details stand in a user; pure |
//! | `paging` | a list from its pages, complete or none; pure |
//! | `errand` | one intent on its way to its target, a deletion among them (`errand::removal`; `errand::difference` is what is to change); pure |
//! | `call` | one request as a value, and whether it may be said twice |
//! | `token` | the bearer token, or one from an OAuth2 server |
//! | `client` | the protocol, for what clients share (`reach`) |
//! | `refusal` | why the server refused, in words |
//! | `register` | the groups that are tiers, found, read and changed |
//! | `census` | whom the last list showed, for the next batch; pure |
//! | `look` | the list, and people by key, identity, name and address |
//! | `carry` | a batch of errands, in bulk where the server takes that |
//!
//! To the seat matrix it is an `EnterpriseDirectory`: users are made at once with their licence, and who leaves is deactivated
//! and keeps it for the return, or is deleted where the configuration says so. Nobody accepts an invitation, and nobody registers.
//!
//! Deliberately absent: any decision about seats, groups made by us or put as a whole.

mod abilities;
mod call;
mod carry;
mod census;
mod client;
mod detail;
mod errand;
mod groups;
mod look;
mod mapping;
mod messages;
mod paging;
mod place;
mod refusal;
mod register;
#[cfg(test)]
mod tests;
mod token;
mod user;

pub use abilities::{Abilities, Bulk, Declared, Paging};
pub use call::Operation;
pub use detail::check_detail;
pub use mapping::Mapping;
pub use place::{List, TierPlace};
pub use token::{Authority, ClientCredentials};

use super::reach::client::ClientSettings;
use super::reach::failure::Failure;
use super::{AccountStore, AccountsError, Sought};
use crate::halt::Halt;
use crate::model::{Expiry, Intent, Meter, Observed, OnLeave, Outcome, StoreKind};
use call::Call;
use carry::Trust;
use client::{Bearer, Client};
use groups::Groups;
use look::Lookout;
use messages::{RESOURCE_TYPES, SCHEMAS, SERVICE_PROVIDER_CONFIG};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Most intents in one `apply`: enough to fill every slot of the pace, and a bulk request of the usual size.
const BATCH_INTENTS_MAX: usize = 1_000;

/// `[accounts]` with `kind = "scim"`, as meant.
#[derive(Clone, Debug)]
pub struct ScimSettings {
    /// What `/Users` stands behind.
    pub base_url: String,
    /// Where the right to ask comes from.
    pub authority: Authority,
    /// Which value is which tier.
    pub mapping: Mapping,
    /// How lists are read, where the server is not to be believed about it.
    pub paging: Option<Paging>,
    /// Whether anybody may be deleted at all: a second lock, behind that of deciding.
    pub on_leave: OnLeave,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Most requests at one time.
    pub requests_max: usize,
    /// Where each attempt of a request is told.
    pub meter: Meter,
    /// When it is asked, nothing is waited for and nothing sent again: what is under way is the end of it.
    pub halt: Halt,
}

/// What an errand goes by.
#[derive(Clone, Debug)]
struct Terms {
    abilities: Abilities,
    mapping: Mapping,
    on_leave: OnLeave,
    /// Where tiers are groups.
    groups: Groups,
}

/// The account store behind SCIM.
#[derive(Debug)]
pub struct Scim {
    client: Arc<Client>,
    lookout: Lookout,
    mapping: Mapping,
    paging: Option<Paging>,
    on_leave: OnLeave,
    /// Read once, and again after a failure.
    known: Option<Arc<Terms>>,
    trust: Trust,
    /// Details that the server says yes to and does not have.
    unknown: BTreeSet<Arc<str>>,
}

/// What its documents say.
#[derive(Debug)]
struct Told {
    abilities: Abilities,
    declared: Declared,
    /// Whether groups show their members.
    shows_members: bool,
}

/// What a server says of itself, and what is needed of it: for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Where it is.
    pub base_url: String,
    /// What it can do.
    pub abilities: Abilities,
    /// Where the tier is to stand.
    pub place: TierPlace,
    /// Whether its schemas have that.
    pub declared: Declared,
    /// Why tiers cannot be groups there, where they are to be; in words.
    pub groupless: Option<String>,
}

impl Scim {
    /// Makes everything ready; nothing is asked yet.
    ///
    /// # Errors
    /// `Refused` for a URL or certificates that cannot be used.
    pub fn open(settings: ScimSettings) -> Result<Self, AccountsError> {
        let ScimSettings {
            base_url,
            authority,
            mapping,
            paging,
            on_leave,
            ca_file,
            timeout,
            requests_max,
            meter,
            halt,
        } = settings;
        let client = Arc::new(Client::new(ClientSettings {
            base: base_url,
            protocol: Bearer::new(authority),
            ca_file: ca_file.as_deref(),
            timeout,
            requests_max,
            meter,
            halt,
        })?);
        Ok(Self {
            lookout: Lookout::new(client.clone()),
            client,
            mapping,
            paging,
            on_leave,
            known: None,
            trust: Trust::default(),
            unknown: BTreeSet::new(),
        })
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// As for [`AccountStore::kind`].
    pub async fn about(&mut self) -> Result<About, AccountsError> {
        let Told { abilities, declared, shows_members } = self.told().await?;
        let groups = self.groups(&abilities, shows_members).await;
        let groupless = groups.map(|groups| self.keep(abilities.clone(), groups)).err();
        Ok(About {
            base_url: self.client.base().to_owned(),
            place: self.mapping.place.clone(),
            abilities,
            declared,
            groupless: groupless.map(|failure| failure.to_string()),
        })
    }

    /// How many requests of that operation were sent, those sent again included.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.client.sent(operation)
    }

    /// What the server is and can do, asked for if it is not known.
    async fn known(&mut self) -> Result<Arc<Terms>, Failure> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let Told { abilities, declared: _, shows_members } = self.told().await?;
        let groups = self.groups(&abilities, shows_members).await?;
        Ok(self.keep(abilities, groups))
    }

    /// What errands go by from now on.
    fn keep(&mut self, abilities: Abilities, groups: Groups) -> Arc<Terms> {
        let terms = Arc::new(Terms { abilities, mapping: self.mapping.clone(), groups, on_leave: self.on_leave });
        self.known = Some(terms.clone());
        terms
    }

    /// What the documents say.
    async fn told(&self) -> Result<Told, Failure> {
        let config = self.document(SERVICE_PROVIDER_CONFIG).await?;
        let types = self.document(RESOURCE_TYPES).await?;
        let schemas = self.document(SCHEMAS).await?;
        let mut abilities = Abilities::of(config.as_ref(), types.as_ref());
        abilities.paging = self.paging.unwrap_or(abilities.paging);
        abilities.attributes = abilities::attributes(schemas.as_ref());
        let declared = abilities::declared(schemas.as_ref(), &self.mapping.place);
        Ok(Told { abilities, declared, shows_members: abilities::shows_members(schemas.as_ref()) })
    }

    /// The groups of the tiers, where tiers are groups.
    async fn groups(&self, abilities: &Abilities, shows_members: bool) -> Result<Groups, Failure> {
        if self.mapping.place != TierPlace::Group {
            return Ok(Groups::default());
        }
        if !abilities.patch {
            return Err(Failure::refused_here(format!(
                "tier_in = \"group\", and {} says that it takes no PATCH: a group would have to be put as a whole, and who was \
                 made a member meanwhile would be out again. Nothing was sent; set tier_in to another place",
                self.client.base()
            )));
        }
        let tiers = register::find(&self.client, abilities, &self.mapping.values).await?;
        Ok(Groups { tiers, shows_members })
    }

    /// One of the documents, where the server has it.
    async fn document(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.client.ask(&Call::document(path)).await {
            Ok(Value::Null) => Ok(None),
            Ok(document) => Ok(Some(document)),
            Err(failure) if failure.is_absence() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// After a failure the server may be another one: it is asked again what it can do.
    fn noted<T>(&mut self, answer: Result<T, Failure>) -> Result<T, AccountsError> {
        if answer.is_err() {
            self.known = None;
        }
        Ok(answer?)
    }
}

impl AccountStore for Scim {
    async fn kind(&mut self) -> Result<StoreKind, AccountsError> {
        let is_new = self.known.is_none();
        let known = self.known().await?;
        // A pass begins: groups may have been made, renamed and deleted.
        if !is_new && self.mapping.place == TierPlace::Group {
            let groups = self.groups(&known.abilities, known.groups.shows_members).await;
            let groups = self.noted(groups)?;
            self.keep(known.abilities.clone(), groups);
        }
        // What was lost may have been mended, and what was not there may be by now.
        self.unknown.clear();
        self.lookout.begin();
        if let Trust::Lost(_) = self.trust {
            self.trust = Trust::Untried;
        }
        Ok(StoreKind::EnterpriseDirectory)
    }

    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError> {
        let known = self.known().await?;
        let answer = self.lookout.list(&known).await;
        self.noted(answer)
    }

    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        let known = self.known().await?;
        let answer = self.lookout.is_empty(&known).await;
        self.noted(answer)
    }

    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError> {
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known().await?;
        let answer = self.lookout.find(&known, sought).await;
        self.noted(answer)
    }

    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome> {
        if intents.is_empty() {
            return Vec::new();
        }
        match self.known().await {
            Ok(known) => {
                let Self { client, lookout, trust, unknown, .. } = self;
                carry::carry(client, lookout, &known, trust, unknown, intents).await
            }
            Err(failure) => {
                let outcome = match failure {
                    // Nothing was sent, and the next pass is to look: a store that is down gives no answers.
                    Failure::Undone { message } | Failure::Unknown { message } => Outcome::Ambiguous(message),
                    Failure::Refused { status: _, kind: _, message } => Outcome::Rejected(message),
                };
                vec![outcome; intents.len()]
            }
        }
    }

    fn renames(&self) -> bool {
        true
    }

    fn batch_max(&self) -> usize {
        BATCH_INTENTS_MAX
    }

    fn expiries(&self) -> Vec<Expiry> {
        let end = self.client.certificate_end();
        end.map(|end| Expiry::certificate(self.client.base(), end)).into_iter().collect()
    }
}
