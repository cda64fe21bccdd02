//! The embedded account store: the book of `store` in a folder of this machine.
//!
//! A batch of intents is one change of the book: one atomic write and one sync, so that after a kill all of the batch is
//! there or nothing of it. Every intent is brought to its absolute target, and one that is refused does not hinder the
//! others.
//!
//! Deliberately absent: retries (a failed change is `Ambiguous`, and the book is read anew), any rule of who may hold what
//! (that is `store::account`).

mod bring;

use super::{AccountStore, AccountsError, Sought};
use crate::model::{Email, Intent, Observed, Outcome, StoreKind, Tier, Timestamp, UserId};
use crate::store::{Account, AccountId, Book, DiskBook, Refusal, StoreError, User, sled_disk};
use bring::{bring, found};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::spawn_blocking;

/// Most intents in one `apply`: they share one sync, and are well below the records that one batch on disk may have.
const BATCH_INTENTS_MAX: usize = 500;

/// `[accounts]` with `kind = "embedded"`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// The folder of the store.
    pub path: PathBuf,
    /// The id of the account in it; made on first use.
    pub account: String,
    /// What kind of account it is, or is made as.
    pub kind: StoreKind,
    /// The licences, the highest first. The lowest is the default licence, on acceptance and registration.
    pub tiers: Vec<Tier>,
    /// The claimed domains; none means any.
    pub domains: Vec<String>,
}

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To change it; made if there never was one.
    Write,
    /// To change it after comparing all of it: taken as it is, even if it is older than what was last written.
    Audit,
    /// To look at it as it is now; nothing is created or changed.
    Look,
}

/// The account store in a folder of this machine.
#[derive(Clone)]
pub struct Embedded {
    account: AccountId,
    kind: StoreKind,
    shelf: Arc<Mutex<Shelf>>,
}

/// Where the book is.
enum Shelf {
    /// On disk, ours to change.
    Disk(DiskBook),
    /// In memory, as it was when looked at.
    Copy(Book),
}

impl Embedded {
    /// Opens the store and makes its account, licences and domains agree with the settings. Blocks.
    ///
    /// # Errors
    /// `Unavailable` while another process has it; `Refused` for a store that is damaged or gone, an account of another kind, or settings
    /// that no account can have.
    pub fn open(settings: EmbeddedSettings, access: Access) -> Result<Self, AccountsError> {
        let EmbeddedSettings { path, account: name, kind, tiers, domains } = settings;
        let account = AccountId::parse(&name).ok_or_else(|| AccountsError::Refused {
            message: format!("{name:?} is not an account id: 1 to 64 bytes without control characters and without blanks at the ends are one"),
        })?;
        let refused = |refusal: Refusal| AccountsError::Refused {
            message: format!(
                "cannot use account {account} in the account store {}: {}; correct [accounts] in the configuration, or \
                 use another account",
                path.display(),
                refusal.message
            ),
        };
        let furnish = |book: &mut Book| furnish(book, &account, kind, &tiers, &domains);
        let shelf = match access {
            Access::Write | Access::Audit => {
                if access == Access::Audit {
                    sled_disk::accept(&path).map_err(unopened)?;
                }
                let mut disk = DiskBook::open(&path).map_err(unopened)?;
                disk.change(Timestamp::now(), furnish).map_err(unopened)?.map_err(refused)?;
                Shelf::Disk(disk)
            }
            Access::Look => {
                let mut book = sled_disk::look(&path).map_err(unopened)?;
                furnish(&mut book).map_err(refused)?;
                Shelf::Copy(book)
            }
        };
        Ok(Self { account, kind, shelf: Arc::new(Mutex::new(shelf)) })
    }

    /// Makes licences and domains of the open account agree with other settings of the same path and account. Blocks.
    ///
    /// # Errors
    /// As [`Embedded::open`]; then the account is as it was.
    pub fn refurnish(&self, settings: &EmbeddedSettings) -> Result<(), AccountsError> {
        let EmbeddedSettings { path, account: _, kind, tiers, domains } = settings;
        let refused = |refusal: Refusal| AccountsError::Refused {
            message: format!(
                "the account {} of {} does not take these settings: {}; correct them in the configuration",
                self.account,
                path.display(),
                refusal.message
            ),
        };
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let furnish = |book: &mut Book| furnish(book, &self.account, *kind, tiers, domains);
        match &mut *shelf {
            Shelf::Disk(disk) => disk.change(Timestamp::now(), furnish).map_err(unopened)?.map_err(refused),
            Shelf::Copy(book) => furnish(book).map(drop).map_err(refused),
        }
    }

    /// Plays the person who signs up (`EnterpriseLWA`).
    ///
    /// # Errors
    /// `Refused` with the words of the book, or as for any change.
    pub async fn register(&self, email: &Email) -> Result<Observed, AccountsError> {
        let email = email.clone();
        self.command(move |account| {
            let user = account.register(&email, new_user_id(), Timestamp::now())?.clone();
            Ok(Some(account.observed(&user)))
        })
        .await?
        .ok_or_else(|| AccountsError::Refused { message: "registered, and not there".to_owned() })
    }

    /// Plays the person who accepts the invitation (`Team`).
    ///
    /// # Errors
    /// `Refused` with the words of the book, or as for any change.
    pub async fn accept_invitation(&self, email: &Email) -> Result<Observed, AccountsError> {
        let sought = email.clone();
        self.command(move |account| match account.by_email(&sought).map(|user| user.id.clone()) {
            Some(id) => {
                let user = account.accept(&id, Timestamp::now())?.clone();
                Ok(Some(account.observed(&user)))
            }
            None => Ok(None),
        })
        .await?
        .ok_or_else(|| AccountsError::Refused { message: format!("nobody invited {email}") })
    }

    /// Everything known of the user with that address.
    ///
    /// # Errors
    /// As for any reading.
    pub async fn user(&self, email: &Email) -> Result<Option<User>, AccountsError> {
        let email = email.clone();
        self.look(move |account| account.by_email(&email).cloned()).await
    }

    /// Does what an administrator or a person does to the account, durably. A command that is refused leaves nothing.
    ///
    /// # Errors
    /// `Refused` with the words of the book; `Unavailable` when the disk does not take it.
    pub async fn command<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Account) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let answer = self.change(command).await.map_err(failed)?;
        answer.map_err(|refusal| AccountsError::Refused { message: refusal.message })
    }

    /// Lets `edit` change the account, off the threads of the runtime.
    async fn change<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Account) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Result<T, Refusal>, Failure> {
        let id = self.account.clone();
        self.blocking(move |shelf| match shelf {
            Shelf::Disk(disk) => {
                disk.change(Timestamp::now(), |book| book.account_mut(&id).and_then(edit)).map_err(Failure::Store)
            }
            Shelf::Copy(_) => Err(Failure::LookOnly),
        })
        .await
    }

    /// Looks at the account, off the threads of the runtime.
    async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Account) -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        let id = self.account.clone();
        self.blocking(move |shelf| {
            let book = match shelf {
                Shelf::Disk(disk) => disk.book().map_err(Failure::Store)?,
                Shelf::Copy(book) => book,
            };
            book.account(&id).map(question).ok_or(Failure::NoAccount(id))
        })
        .await
        .map_err(failed)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Shelf) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let shelf = self.shelf.clone();
        // After a panic the disk book reads itself anew, so that the lock's poison tells nothing more.
        let done = spawn_blocking(move || work(&mut shelf.lock().unwrap_or_else(PoisonError::into_inner))).await;
        done.unwrap_or_else(|cause| Err(Failure::Broke(cause.to_string())))
    }
}

impl AccountStore for Embedded {
    async fn kind(&mut self) -> Result<StoreKind, AccountsError> {
        Ok(self.kind)
    }

    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError> {
        self.look(|account| account.users().map(|user| account.observed(user)).collect()).await
    }

    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        self.look(|account| account.users().next().is_none()).await
    }

    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError> {
        let sought = sought.to_vec();
        self.look(move |account| {
            let observed = |one| found(account, one).map(|user| account.observed(user));
            sought.iter().map(observed).collect()
        })
        .await
    }

    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome> {
        let batch = intents.to_vec();
        let done = self.change(move |account| Ok(bring(account, &batch, Timestamp::now(), new_user_id))).await;
        let all = |outcome: Outcome| vec![outcome; intents.len()];
        match done {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(refusal)) => all(Outcome::Rejected(refusal.message)),
            Err(failure @ (Failure::LookOnly | Failure::NoAccount(_))) => all(Outcome::Rejected(failure.to_string())),
            // The write may have reached the disk before it failed.
            Err(failure @ (Failure::Store(_) | Failure::Broke(_))) => all(Outcome::Ambiguous(failure.to_string())),
        }
    }

    fn renames(&self) -> bool {
        true
    }

    fn batch_max(&self) -> usize {
        BATCH_INTENTS_MAX
    }
}

/// Why the book was not asked, or did not take what it was told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(StoreError),
    #[error("the account store was opened to look only; this is a mistake in the program")]
    LookOnly,
    #[error("account {0} is not in the account store any more; start seatsync again to make it anew")]
    NoAccount(AccountId),
    #[error("the account store broke off: {0}; please report this")]
    Broke(String),
}

/// A failure of a store that is open.
fn failed(failure: Failure) -> AccountsError {
    match failure {
        Failure::Store(error) => unopened(error),
        Failure::Broke(_) => AccountsError::Unavailable { message: failure.to_string() },
        Failure::LookOnly | Failure::NoAccount(_) => AccountsError::Refused { message: failure.to_string() },
    }
}

fn unopened(error: StoreError) -> AccountsError {
    match error {
        StoreError::InUse { message } | StoreError::Disk { message } => AccountsError::Unavailable { message },
        StoreError::Damaged { message } | StoreError::TooNew { message } => AccountsError::Refused { message },
    }
}

fn new_user_id() -> UserId {
    UserId::new(&uuid::Uuid::new_v4().to_string())
}

/// Makes the account what the settings say. A licence that is configured no more stays: somebody may hold it.
fn furnish(
    book: &mut Book,
    id: &AccountId,
    kind: StoreKind,
    tiers: &[Tier],
    domains: &[String],
) -> Result<(), Refusal> {
    let account = book.open_account(id, id.as_str(), kind, Timestamp::now())?;
    tiers.iter().try_for_each(|tier| account.support(tier))?;
    account.claim_domains(domains)?;
    tiers.last().map_or(Ok(()), |lowest| account.set_default_licence(lowest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::accounts::Configured;
    use crate::model::{Action, ObjectGuid, PassId, Seat};
    use std::fs;
    use std::path::Path;

    fn settings(path: &Path, kind: StoreKind) -> EmbeddedSettings {
        EmbeddedSettings {
            path: path.join("accounts"),
            account: "corp".to_owned(),
            kind,
            tiers: vec![Tier::new("pro"), Tier::new("plus")],
            domains: vec!["corp.example".to_owned()],
        }
    }

    fn creation(number: u128) -> Intent {
        Intent {
            pass: PassId::new(Timestamp::UNIX_EPOCH, 0),
            at: Timestamp::UNIX_EPOCH,
            action: Action::Create,
            guid: ObjectGuid::from_u128(number),
            account: None,
            email: Email::parse(&format!("p{number}@corp.example")).unwrap(),
            from: Seat::Vacant,
            to: Seat::Active(Tier::new("pro")),
            because: "in pro".to_owned(),
            details: None,
        }
    }

    #[tokio::test]
    async fn looking_at_nothing_shows_an_empty_account_and_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Embedded::open(settings(folder.path(), StoreKind::Team), Access::Look).unwrap();
        assert_eq!(store.kind().await.unwrap(), StoreKind::Team);
        assert_eq!(store.list().await.unwrap(), []);
        let refused = store.apply(&[creation(1)]).await;
        assert!(matches!(&refused[..], [Outcome::Rejected(words)] if words.contains("look only")), "{refused:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn looking_shows_what_was_written_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), StoreKind::EnterpriseDirectory);
        let mut writer = Embedded::open(settings.clone(), Access::Write).unwrap();
        writer.apply(&[creation(1), creation(2)]).await;
        let written = writer.list().await.unwrap();
        assert_eq!(written.len(), 2);
        drop(writer);
        let listing = || {
            let folders = [folder.path().to_owned(), settings.path.clone()];
            let mut entries: Vec<_> = folders
                .iter()
                .flat_map(|path| fs::read_dir(path).unwrap())
                .map(|entry| {
                    let entry = entry.unwrap();
                    let metadata = entry.metadata().unwrap();
                    (entry.path(), metadata.len(), metadata.modified().unwrap())
                })
                .collect();
            entries.sort();
            entries
        };
        let before = listing();
        let mut looker = Embedded::open(settings.clone(), Access::Look).unwrap();
        assert_eq!(looker.list().await.unwrap(), written);
        drop(looker);
        assert_eq!(listing(), before);
    }

    #[tokio::test]
    async fn a_store_is_empty_until_somebody_has_an_account() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), StoreKind::EnterpriseDirectory);
        let mut looker = Configured::Embedded(Embedded::open(settings.clone(), Access::Look).unwrap());
        assert!(looker.is_empty().await.unwrap());
        let mut writer = Configured::Embedded(Embedded::open(settings.clone(), Access::Write).unwrap());
        assert!(writer.is_empty().await.unwrap());
        writer.apply(&[creation(1)]).await;
        assert!(!writer.is_empty().await.unwrap());
        drop(writer);
        let mut looker = Configured::Embedded(Embedded::open(settings, Access::Look).unwrap());
        assert!(!looker.is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn a_store_that_is_gone_is_refused_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), StoreKind::EnterpriseDirectory);
        Embedded::open(settings.clone(), Access::Write).unwrap().apply(&[creation(1)]).await;
        fs::remove_dir_all(&settings.path).unwrap();
        for access in [Access::Write, Access::Look] {
            match Embedded::open(settings.clone(), access).map(drop) {
                Err(AccountsError::Refused { message }) => {
                    assert!(message.contains("is gone, though it was there before"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(!settings.path.exists());
    }

    #[test]
    fn an_account_of_another_kind_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        drop(Embedded::open(settings(folder.path(), StoreKind::Team), Access::Write).unwrap());
        for access in [Access::Write, Access::Look] {
            match Embedded::open(settings(folder.path(), StoreKind::EnterpriseLwa), access).map(drop) {
                Err(AccountsError::Refused { message }) => {
                    assert!(message.contains("corp exists and is Team, not EnterpriseLWA; correct"), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        let mut odd = settings(folder.path(), StoreKind::Team);
        odd.account = "co\0rp".to_owned();
        assert!(matches!(Embedded::open(odd, Access::Write), Err(AccountsError::Refused { .. })));
    }

    #[test]
    fn a_store_in_use_is_unavailable_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), StoreKind::Team);
        let _first = Embedded::open(settings.clone(), Access::Write).unwrap();
        for access in [Access::Write, Access::Look] {
            assert!(matches!(Embedded::open(settings.clone(), access), Err(AccountsError::Unavailable { .. })));
        }
    }

    #[tokio::test]
    async fn licences_and_domains_follow_the_settings_and_no_one_loses_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = settings(folder.path(), StoreKind::EnterpriseLwa);
        let anna = Email::parse("anna@corp.example").unwrap();
        let store = Embedded::open(first.clone(), Access::Write).unwrap();
        assert_eq!(store.register(&anna).await.unwrap().seat, Seat::Active(Tier::new("plus")), "the lowest tier");
        drop(store);
        first.tiers = vec![Tier::new("gold"), Tier::new("basic")];
        first.domains = vec!["other.example".to_owned()];
        let store = Embedded::open(first, Access::Write).unwrap();
        assert!(store.register(&Email::parse("ben@corp.example").unwrap()).await.is_err(), "not claimed any more");
        let carla = Email::parse("carla@other.example").unwrap();
        assert_eq!(store.register(&carla).await.unwrap().seat, Seat::Active(Tier::new("basic")));
        assert_eq!(store.user(&anna).await.unwrap().unwrap().seat(), Seat::Active(Tier::new("plus")), "kept");
    }

    #[tokio::test]
    async fn a_refused_command_comes_back_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(settings(folder.path(), StoreKind::Team), Access::Write).unwrap();
        let anna = Email::parse("anna@corp.example").unwrap();
        let refused = store.accept_invitation(&anna).await.unwrap_err();
        assert_eq!(refused.to_string(), "nobody invited anna@corp.example");
        let refused = store.register(&anna).await.unwrap_err();
        assert_eq!(refused.to_string(), "in account corp of kind Team people do not register themselves");
    }
}
