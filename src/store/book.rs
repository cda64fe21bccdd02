//! All accounts, and what has changed in them since somebody last asked.
//!
//! The book is a value: commands change it in memory, [`Book::drain`] says which records differ from the ones last
//! drained, and whoever keeps the book (the disk, a test) takes them from there.

use super::account::Account;
use super::profile::{AccountId, Profile};
use super::user::{Refusal, RefusalCode, User};
use crate::model::{StoreKind, Timestamp, UserId};
use std::collections::BTreeMap;

/// The accounts of an account store.
#[derive(Clone, Debug, Default)]
pub struct Book {
    accounts: BTreeMap<AccountId, Account>,
}

/// One record as it is now: what a keeper of the book writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An account is like this.
    Account(Profile),
    /// The account has that domain now.
    Claimed(AccountId, String),
    /// The account has that domain no more.
    Released(AccountId, String),
    /// A user of the account is like this.
    User(AccountId, User),
    /// There is no such user of the account any more.
    Gone(AccountId, UserId),
}

impl Book {
    /// A book of what was kept.
    ///
    /// # Errors
    /// In words, when the records contradict each other: they cannot have been written by this program.
    pub fn restore(
        profiles: Vec<Profile>,
        domains: Vec<(AccountId, String)>,
        users: Vec<(AccountId, User)>,
    ) -> Result<Self, String> {
        let mut accounts: BTreeMap<AccountId, Account> =
            profiles.into_iter().map(|profile| (profile.id.clone(), Account::new(profile))).collect();
        for (id, domain) in domains {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("domain {domain} belongs to account {id}, which does not exist"))?;
            account.restore_domain(domain);
        }
        for (id, user) in users {
            let account = accounts
                .get_mut(&id)
                .ok_or_else(|| format!("user {} belongs to account {id}, which does not exist", user.id))?;
            account.restore(user).map_err(|flaw| format!("account {id}: {flaw}"))?;
        }
        Ok(Self { accounts })
    }

    /// Makes an account, without users and domains. One that exists with that kind is left as it is.
    ///
    /// # Errors
    /// `Conflict` when it exists with another kind: what its users hold was decided under that kind.
    pub fn open_account(
        &mut self,
        id: &AccountId,
        name: &str,
        kind: StoreKind,
        at: Timestamp,
    ) -> Result<&mut Account, Refusal> {
        let account = self.accounts.entry(id.clone()).or_insert_with(|| {
            let mut account = Account::new(Profile::new(id.clone(), name, kind, at));
            account.touch_profile();
            account
        });
        if account.profile().kind == kind {
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

    /// The account of that id, to give it commands.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn account_mut(&mut self, id: &AccountId) -> Result<&mut Account, Refusal> {
        self.accounts
            .get_mut(id)
            .ok_or_else(|| Refusal::new(RefusalCode::NotFound, format!("there is no account {id}")))
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The records that have changed since the last time, each once and as it is now.
    pub fn drain(&mut self) -> Vec<Record> {
        self.accounts.values_mut().flat_map(Account::drain).collect()
    }
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
        let records = book.drain();
        assert_eq!(book.drain(), []);
        let (mut profiles, mut domains, mut users) = (vec![], vec![], vec![]);
        for record in records {
            match record {
                Record::Account(profile) => profiles.push(profile),
                Record::Claimed(account, domain) => domains.push((account, domain)),
                Record::Released(_, domain) => panic!("{domain} was never released"),
                Record::User(account, user) => users.push((account, user)),
                Record::Gone(_, user) => assert_eq!(user, UserId::new("b")),
            }
        }
        let restored = Book::restore(profiles, domains, users).unwrap();
        let (before, after) = (book.account(&account_id()).unwrap(), restored.account(&account_id()).unwrap());
        assert_eq!(before.profile(), after.profile());
        assert!(before.users().eq(after.users()));
    }
}
