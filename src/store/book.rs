//! All accounts, and what has changed in them since somebody last asked.
//!
//! The book is a value: commands change it in memory, [`Book::drain`] says which records differ from the ones last
//! drained, as they were and as they are, and whoever keeps the book (the disk, a test) takes them from there.
//! [`Book::put_back`] undoes what was drained.

use super::account::Account;
use super::link::LinkSecret;
use super::profile::{AccountId, AccountKind, CLOSED_KEPT, Claim, Profile};
use super::user::{Refusal, RefusalCode, User};
use crate::model::{StoreKind, Tier, Timestamp, UserId};
use std::collections::BTreeMap;

/// Most accounts of one account store: every sign-in of an address without a claimed domain asks all of them.
pub const ACCOUNTS_MAX: usize = 10_000;

/// The accounts of an account store.
#[derive(Clone, Debug, Default)]
pub struct Book {
    accounts: BTreeMap<AccountId, Account>,
    link_secret: Option<LinkSecret>,
    link_secret_touched: bool,
    /// What became of accounts that were forgotten since the last draining.
    forgotten: Vec<Changed>,
}

/// One record as it is now: what a keeper of the book writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An account is like this, besides its domains and claims, which are records of their own.
    Account(Profile),
    /// The account has that domain now.
    Claimed(AccountId, String),
    /// The account has that domain no more.
    Released(AccountId, String),
    /// What is noted of a domain on its way, or nothing any more.
    Claim(AccountId, String, Option<Claim>),
    /// How provisioning clients know a licence of the account, or nothing any more.
    Alias(AccountId, Tier, Option<String>),
    /// A user of the account is like this.
    User(AccountId, User),
    /// There is no such user of the account any more.
    Gone(AccountId, UserId),
    /// There is no such account any more.
    Forgotten(AccountId),
    /// The secret of the links in invitations.
    LinkSecret(LinkSecret),
}

/// One record that is not as it was when last drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it was; `None` where there was nothing.
    pub before: Option<Record>,
    /// As it is.
    pub now: Record,
}

/// Everything that is kept of a book.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The accounts.
    pub profiles: Vec<Profile>,
    /// Their claimed domains.
    pub domains: Vec<(AccountId, String)>,
    /// Their domains on the way.
    pub claims: Vec<(AccountId, Claim)>,
    /// How provisioning clients know their licences.
    pub aliases: Vec<(AccountId, Tier, String)>,
    /// Their users.
    pub users: Vec<(AccountId, User)>,
    /// The secret of the links.
    pub link_secret: Option<LinkSecret>,
    /// When the disk began to keep times of users; `None` where it always did, or does not yet.
    pub times_since: Option<Timestamp>,
}

impl Book {
    /// A book of what was kept.
    ///
    /// # Errors
    /// In words, when the records contradict each other: they cannot have been written by this program.
    pub fn restore(kept: Kept) -> Result<Self, String> {
        let Kept { profiles, domains, claims, aliases, users, link_secret, times_since } = kept;
        let mut accounts: BTreeMap<AccountId, Account> =
            profiles.into_iter().map(|profile| (profile.id.clone(), Account::new(profile))).collect();
        for (id, domain) in domains {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("domain {domain} belongs to account {id}, which does not exist"))?;
            account.restore_domain(domain);
        }
        for (id, claim) in claims {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("domain {} belongs to account {id}, which does not exist", claim.domain))?;
            account.restore_claim(claim);
        }
        for (id, licence, alias) in aliases {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("licence {licence} belongs to account {id}, which does not exist"))?;
            account.restore_alias(licence, alias).map_err(|flaw| format!("account {id}: {flaw}"))?;
        }
        for (id, user) in users {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("user {} belongs to account {id}, which does not exist", user.id))?;
            account.restore(user).map_err(|flaw| format!("account {id}: {flaw}"))?;
        }
        if let Some(since) = times_since {
            accounts.values_mut().for_each(|account| account.date_older(since));
        }
        Ok(Self { accounts, link_secret, ..Self::default() })
    }

    /// Makes an account, without users and domains. One that exists with that kind is left as it is.
    ///
    /// # Errors
    /// `Conflict` when it exists with another kind: what its users hold was decided under that kind; and when it was
    /// deleted.
    pub fn open_account(
        &mut self,
        id: &AccountId,
        name: &str,
        kind: StoreKind,
        at: Timestamp,
    ) -> Result<&mut Account, Refusal> {
        self.open(id, name, kind.into(), at)
    }

    /// Makes a team account with the usual licences; Plus is the default (admin guide).
    ///
    /// # Errors
    /// `BadRequest` for an unusable name, `Conflict` for an id that exists, `ResourceLimitExceeded` above [`ACCOUNTS_MAX`].
    pub fn create_account(&mut self, id: &AccountId, name: &str, at: Timestamp) -> Result<&mut Account, Refusal> {
        if self.accounts.contains_key(id) {
            return Err(Refusal::new(RefusalCode::Conflict, format!("account {id} exists already")));
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            let message = format!("there are {ACCOUNTS_MAX} accounts already");
            return Err(Refusal::new(RefusalCode::ResourceLimitExceeded, message));
        }
        let mut account = Account::new(Profile::new(id.clone(), "", AccountKind::Team, at));
        account.touch_profile();
        account.set_name(name)?;
        for licence in USUAL_LICENCES {
            account.support(&Tier::new(licence))?;
        }
        account.set_default_licence(&Tier::new(DEFAULT_LICENCE))?;
        Ok(self.accounts.entry(id.clone()).or_insert(account))
    }

    fn open(&mut self, id: &AccountId, name: &str, kind: AccountKind, at: Timestamp) -> Result<&mut Account, Refusal> {
        let account = self.accounts.entry(id.clone()).or_insert_with(|| {
            let mut account = Account::new(Profile::new(id.clone(), name, kind, at));
            account.touch_profile();
            account
        });
        if account.profile().is_closed() {
            Err(Refusal::new(RefusalCode::Conflict, format!("account {id} was deleted: take that back first")))
        } else if account.profile().kind == kind {
            Ok(account)
        } else {
            let there = account.profile().kind;
            Err(Refusal::new(RefusalCode::Conflict, format!("account {id} exists and is {there}, not {kind}")))
        }
    }

    /// The account of that id.
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The account of that id, to give it commands; one that was deleted takes none.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn account_mut(&mut self, id: &AccountId) -> Result<&mut Account, Refusal> {
        self.accounts.get_mut(id).filter(|account| !account.profile().is_closed()).ok_or_else(|| no_account(id))
    }

    /// The account of that id, unless it was deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn open_to(&self, id: &AccountId) -> Result<&Account, Refusal> {
        self.accounts.get(id).filter(|account| !account.profile().is_closed()).ok_or_else(|| no_account(id))
    }

    /// Deletes an account; it is kept for [`CLOSED_KEPT`].
    ///
    /// # Errors
    /// `NotFound`; `Unprocessable` while it has users (`Team`) or claimed domains.
    pub fn close_account(&mut self, id: &AccountId, at: Timestamp) -> Result<(), Refusal> {
        self.account_mut(id)?.close(at)
    }

    /// Takes a deletion back, as long as the account is kept.
    ///
    /// # Errors
    /// `NotFound` after [`CLOSED_KEPT`], when some of it may be forgotten already.
    pub fn reopen_account(&mut self, id: &AccountId, now: Timestamp) -> Result<(), Refusal> {
        let account = self.accounts.get_mut(id).filter(|account| !is_over(account, now));
        account.ok_or_else(|| no_account(id))?.reopen();
        Ok(())
    }

    /// Forgets accounts that were deleted long enough ago, at most `most` of their users, claims and domains at a time;
    /// whether something was forgotten, so that there may be more. The account itself goes last: a keeper never has
    /// something of an account that does not exist.
    pub fn forget_closed(&mut self, now: Timestamp, most: usize) -> bool {
        let Some(account) = self.accounts.values_mut().find(|account| is_over(account, now)) else { return false };
        if !account.forget_some(most.max(1)) {
            return true;
        }
        let id = account.profile().id.clone();
        if let Some(mut account) = self.accounts.remove(&id) {
            self.forgotten.extend(account.drain());
            let before = Some(Record::Account(account.profile().clone()));
            self.forgotten.push(Changed { before, now: Record::Forgotten(id) });
        }
        true
    }

    /// The secret of the links in invitations; until one is given there is none, and no link fits.
    pub fn link_secret(&self) -> Option<&LinkSecret> {
        self.link_secret.as_ref()
    }

    /// Gives the secret of the links, if there is none.
    pub fn ensure_link_secret(&mut self, secret: LinkSecret) {
        if self.link_secret.is_none() {
            self.link_secret = Some(secret);
            self.link_secret_touched = true;
        }
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Dates whatever has changed since the last draining, as [`Account::date`].
    pub fn date(&mut self, at: Timestamp) {
        self.accounts.values_mut().filter(|account| account.is_touched()).for_each(|account| account.date(at));
    }

    /// What has changed since the last time, each record once.
    pub fn drain(&mut self) -> Vec<Changed> {
        let mut changed: Vec<Changed> = Vec::new();
        if std::mem::take(&mut self.link_secret_touched) {
            let now = self.link_secret.clone().map(Record::LinkSecret);
            changed.extend(now.map(|now| Changed { before: None, now }));
        }
        changed.append(&mut self.forgotten);
        changed.extend(self.accounts.values_mut().filter(|account| account.is_touched()).flat_map(Account::drain));
        changed
    }

    /// Undoes what was drained, as if it had never been.
    pub fn put_back(&mut self, changed: Vec<Changed>) {
        let mut by_account: BTreeMap<AccountId, Vec<Changed>> = BTreeMap::new();
        // The last first: an account may have been forgotten, and made anew under its id.
        for each in changed.into_iter().rev() {
            match (&each.now, each.before) {
                (Record::LinkSecret(_), _) => self.link_secret = None,
                (Record::Account(now), None) => _ = self.accounts.remove(&now.id),
                // Its users and domains went before it, and come back after it.
                (Record::Forgotten(id), Some(Record::Account(profile))) => {
                    self.accounts.entry(id.clone()).or_insert_with(|| Account::new(profile));
                }
                (Record::Forgotten(_), _) => {}
                (
                    Record::Account(Profile { id, .. })
                    | Record::Claimed(id, _)
                    | Record::Released(id, _)
                    | Record::Claim(id, _, _)
                    | Record::Alias(id, _, _)
                    | Record::User(id, _)
                    | Record::Gone(id, _),
                    before,
                ) => {
                    let (id, now) = (id.clone(), each.now.clone());
                    by_account.entry(id).or_default().push(Changed { before, now });
                }
            }
        }
        for (id, mut changed) in by_account {
            if let Some(account) = self.accounts.get_mut(&id) {
                changed.reverse();
                account.put_back(changed);
            }
        }
    }
}

/// The licences that a new account supports, and the one it gives.
const USUAL_LICENCES: [&str; 3] = ["Basic", "Plus", "Pro"];
const DEFAULT_LICENCE: &str = "Plus";

/// Whether the account was deleted so long ago that it is not kept any more.
fn is_over(account: &Account, now: Timestamp) -> bool {
    account.profile().details.closed_at.is_some_and(|at| now.duration_since(at) >= CLOSED_KEPT)
}

fn no_account(id: &AccountId) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no account {id}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::model::Email;

    fn account_id() -> AccountId {
        AccountId::parse("corp").unwrap()
    }

    #[test]
    fn an_account_keeps_its_kind() {
        let mut book = Book::default();
        let at = Timestamp::UNIX_EPOCH;
        book.open_account(&account_id(), "Corp", StoreKind::Team, at).unwrap();
        book.open_account(&account_id(), "Other name", StoreKind::Team, at).unwrap();
        assert_eq!(book.account(&account_id()).unwrap().profile().name, "Corp");
        let refusal = book.open_account(&account_id(), "Corp", StoreKind::EnterpriseLwa, at).unwrap_err();
        assert_eq!(refusal.to_string(), "account corp exists and is Team, not EnterpriseLWA (Conflict)");
    }

    #[test]
    fn drained_records_restore_the_same_book_and_are_drained_once() {
        let mut book = Book::default();
        let at = Timestamp::UNIX_EPOCH;
        let account = book.open_account(&account_id(), "Corp", StoreKind::Team, at).unwrap();
        account.claim_domains(&["b.example".to_owned(), "a.example".to_owned()]).unwrap();
        for name in ["a", "b"] {
            let email = Email::parse(&format!("{name}@corp.example")).unwrap();
            account.invite(&email, None, UserId::new(name), at).unwrap();
        }
        account.withdraw(&UserId::new("b")).unwrap();
        let changed = book.drain();
        assert_eq!(book.drain(), []);
        let mut kept = Kept::default();
        for each in changed {
            match each.now {
                Record::Account(profile) => kept.profiles.push(profile),
                Record::Claimed(account, domain) => kept.domains.push((account, domain)),
                Record::User(account, user) => kept.users.push((account, user)),
                other => panic!("nothing else happened: {other:?}"),
            }
        }
        let restored = Book::restore(kept).unwrap();
        let (before, after) = (book.account(&account_id()).unwrap(), restored.account(&account_id()).unwrap());
        assert_eq!(before.profile(), after.profile());
        assert!(before.users().eq(after.users()));
    }
}
