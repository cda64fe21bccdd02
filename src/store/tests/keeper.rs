//! Somebody who keeps a book by following what is drained from it, and checks each word.

use super::*;
use crate::model::Tier;
use crate::store::laws::contents;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept, by account.
#[derive(Default)]
pub(super) struct Keeper {
    profiles: BTreeMap<AccountId, Profile>,
    domains: BTreeSet<(AccountId, String)>,
    claims: BTreeMap<(AccountId, String), Claim>,
    aliases: BTreeMap<(AccountId, Tier), String>,
    users: BTreeMap<(AccountId, UserId), User>,
    link_secret: Option<LinkSecret>,
}

impl Keeper {
    /// Follows; what each change says was there before, was there.
    pub(super) fn follow(&mut self, changed: Vec<Changed>) {
        for Changed { before, now } in changed {
            match now {
                Record::Account(now) => {
                    let now = Profile { domains: Vec::new(), claims: BTreeMap::new(), aliases: BTreeMap::new(), ..now };
                    let was = self.profiles.insert(now.id.clone(), now.clone());
                    assert_ne!(was.as_ref(), Some(&now), "nothing changed");
                    assert_eq!(bare(before), was);
                }
                Record::Forgotten(id) => assert_eq!(bare(before), self.profiles.remove(&id)),
                Record::Claimed(id, domain) => {
                    assert_eq!(before, Some(Record::Released(id.clone(), domain.clone())));
                    assert!(self.domains.insert((id, domain)), "claimed twice");
                }
                Record::Released(id, domain) => {
                    assert_eq!(before, Some(Record::Claimed(id.clone(), domain.clone())));
                    assert!(self.domains.remove(&(id, domain)), "released twice");
                }
                Record::Claim(id, domain, claim) => {
                    let key = (id.clone(), domain.clone());
                    let was = match claim {
                        Some(claim) => self.claims.insert(key, claim),
                        None => self.claims.remove(&key),
                    };
                    assert_eq!(before, Some(Record::Claim(id, domain, was)));
                }
                Record::Alias(id, licence, alias) => {
                    let key = (id.clone(), licence.clone());
                    let was = match alias {
                        Some(alias) => self.aliases.insert(key, alias),
                        None => self.aliases.remove(&key),
                    };
                    assert_eq!(before, Some(Record::Alias(id, licence, was)));
                }
                Record::User(id, user) => {
                    let was = self.users.insert((id.clone(), user.id.clone()), user);
                    assert_eq!(before, was.map(|was| Record::User(id, was)));
                }
                Record::Gone(id, user) => {
                    let was = self.users.remove(&(id.clone(), user));
                    assert!(was.is_some(), "gone twice");
                    assert_eq!(before, was.map(|was| Record::User(id, was)));
                }
                Record::LinkSecret(secret) => {
                    assert_eq!(before, None);
                    self.link_secret = Some(secret);
                }
            }
        }
    }

    /// Writes one record, whatever was there before.
    pub(super) fn write(&mut self, record: Record) {
        let before = match &record {
            Record::Account(Profile { id, .. }) | Record::Forgotten(id) => {
                self.profiles.get(id).cloned().map(Record::Account)
            }
            Record::Claimed(id, domain) => Some(Record::Released(id.clone(), domain.clone())),
            Record::Released(id, domain) => Some(Record::Claimed(id.clone(), domain.clone())),
            Record::Claim(id, domain, _) => {
                let was = self.claims.get(&(id.clone(), domain.clone())).cloned();
                Some(Record::Claim(id.clone(), domain.clone(), was))
            }
            Record::Alias(id, licence, _) => {
                let was = self.aliases.get(&(id.clone(), licence.clone())).cloned();
                Some(Record::Alias(id.clone(), licence.clone(), was))
            }
            Record::User(id, User { id: user, .. }) | Record::Gone(id, user) => {
                self.users.get(&(id.clone(), user.clone())).cloned().map(|was| Record::User(id.clone(), was))
            }
            Record::LinkSecret(_) => None,
        };
        self.follow(vec![Changed { before, now: record }]);
    }

    /// The same book, made from what is kept.
    pub(super) fn restored(&self) -> Book {
        Book::restore(Kept {
            profiles: self.profiles.values().cloned().collect(),
            domains: self.domains.iter().cloned().collect(),
            claims: self.claims.iter().map(|((id, _), claim)| (id.clone(), claim.clone())).collect(),
            aliases: self
                .aliases
                .iter()
                .map(|((id, licence), alias)| (id.clone(), licence.clone(), alias.clone()))
                .collect(),
            users: self.users.iter().map(|((id, _), user)| (id.clone(), user.clone())).collect(),
            link_secret: self.link_secret.clone(),
            times_since: None,
        })
        .unwrap()
    }

    /// How many records of accounts, domains, claims and users there are.
    pub(super) fn records(&self) -> usize {
        self.profiles.len() + self.domains.len() + self.claims.len() + self.aliases.len() + self.users.len()
    }
}

/// The profile in a record, without what are records of their own.
fn bare(record: Option<Record>) -> Option<Profile> {
    record.map(|record| match record {
        Record::Account(profile) => {
            Profile { domains: Vec::new(), claims: BTreeMap::new(), aliases: BTreeMap::new(), ..profile }
        }
        other => panic!("an account was no account: {other:?}"),
    })
}

/// All of an account: its profile, and its users with their addresses as written.
type Contents = (Profile, Vec<(User, String)>);

/// All of a book.
pub(super) fn whole(book: &Book) -> (Vec<Contents>, Option<LinkSecret>) {
    (book.accounts().map(contents).collect(), book.link_secret().cloned())
}
