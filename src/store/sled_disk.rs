//! The book in sled, with the guards of `durable`. Records, in the table `book`, as postcard:
//!
//! | key | value |
//! |---|---|
//! | `v` | the format version, 4 bytes big-endian |
//! | `k` | the secret of the links in invitations, 32 bytes |
//! | `a/` account id | [`Profile`], and behind it its details if it has any |
//! | `d/` account id, NUL, start of the domain's SHA-256 | a claimed domain, which may be longer than a key |
//! | `g/` account id, NUL, start of the licence's SHA-256 | a licence, and how provisioning clients know it |
//! | `c/` account id, NUL, start of the domain's SHA-256 | a domain on its way in or out |
//! | `t` | when the store became format 4, as a postcard of milliseconds; not where it always was |
//! | `u/` account id, NUL, user id | [`User`], behind it its details, behind them [`Provisioned`], and behind that [`Times`] |
//! | `l/` number, 8 bytes big-endian | an entry of the audit log, as JSON |
//!
//! Format 1 had no details, claims, log and secret; format 2 had nothing behind the details, and no names of licences; format 3
//! had no times, and details and what is behind them only where there was something to say. All are read as they are: who was
//! not written since has no times, and counts as changed when the store became format 4.
//!
//! Deliberately absent: setting a damaged store aside. It is the only record of who holds which licence; an empty one in its
//! place would look as if everybody had left.

use super::audit::Entry;
use super::book::{Book, Kept, Record};
use super::disk::{StoreDisk, StoreError};
use super::link::LinkSecret;
use super::profile::{ACCOUNT_ID_BYTES_MAX, AccountId, Claim, Profile, ProfileDetails, USER_ID_BYTES_MAX};
use super::user::{Provisioned, Times, User, UserDetails};
use crate::durable::{BATCH_MAX, Batch, Database, DurableError, KEY_BYTES_MAX, Table};
use crate::model::{Tier, Timestamp, UserId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// sled's cache, in bytes. The book itself is in memory, so that this only serves writing.
const CACHE_BYTES: u64 = 32 << 20;

/// The form of the records. A newer program may write a higher one; it then reads this one too.
const FORMAT: u32 = 4;
/// The oldest form that is read.
const FORMAT_OLDEST: u32 = 1;

const TABLE: &str = "book";
const FORMAT_KEY: &[u8] = b"v";
const SECRET_KEY: &[u8] = b"k";
const TIMES_KEY: &[u8] = b"t";
const PROFILE_PREFIX: &[u8] = b"a/";
const ALIAS_PREFIX: &[u8] = b"g/";
const CLAIM_PREFIX: &[u8] = b"c/";
const DOMAIN_PREFIX: &[u8] = b"d/";
const LOG_PREFIX: &[u8] = b"l/";
const USER_PREFIX: &[u8] = b"u/";

/// So many bytes of the SHA-256 of a domain, or of a licence, stand in its key.
const DOMAIN_HASH_BYTES: usize = 16;

// The longest keys there can be are short enough.
const _: () = assert!(USER_PREFIX.len() + ACCOUNT_ID_BYTES_MAX + 1 + USER_ID_BYTES_MAX <= KEY_BYTES_MAX);
const _: () = assert!(DOMAIN_HASH_BYTES <= USER_ID_BYTES_MAX);

/// A book in a folder.
pub struct SledDisk {
    path: PathBuf,
    open: Option<Open>,
    /// Whether it was open before: gone since then, it is not made anew, even where its lock is gone as well.
    was_open: bool,
}

struct Open {
    // Before the database, which is to be dropped last.
    table: Table,
    database: Database,
    /// The number of the next entry of the log.
    next_entry: u64,
}

impl SledDisk {
    /// The one in that folder, not opened yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, was_open: false }
    }

    fn encoded(&self, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
        postcard::to_stdvec(value).map_err(|cause| self.unwritable(&cause.to_string()))
    }

    fn unwritable(&self, why: &str) -> StoreError {
        StoreError::Disk { message: format!("cannot write to the account store {}: {why}", self.path.display()) }
    }

    fn put(&self, batch: &mut Batch, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Account(profile) => {
                let mut bytes = self.encoded(profile)?;
                if profile.details != ProfileDetails::default() {
                    bytes.extend(self.encoded(&profile.details)?);
                }
                batch.put(profile_key(&profile.id), bytes);
            }
            Record::Claimed(account, domain) => {
                batch.put(domain_key(DOMAIN_PREFIX, account, domain), self.encoded(domain)?);
            }
            Record::Released(account, domain) => batch.remove(domain_key(DOMAIN_PREFIX, account, domain)),
            Record::Claim(account, domain, Some(claim)) => {
                batch.put(domain_key(CLAIM_PREFIX, account, domain), self.encoded(claim)?);
            }
            Record::Claim(account, domain, None) => batch.remove(domain_key(CLAIM_PREFIX, account, domain)),
            Record::Alias(account, licence, Some(alias)) => {
                let bytes = self.encoded(&(licence, alias))?;
                batch.put(domain_key(ALIAS_PREFIX, account, licence.name()), bytes);
            }
            Record::Alias(account, licence, None) => batch.remove(domain_key(ALIAS_PREFIX, account, licence.name())),
            Record::User(account, user) => {
                // Each part says by being there that those before it are.
                let details = user.details();
                let mut bytes = self.encoded(user)?;
                if user.times.is_some() || user.details.is_some() {
                    bytes.extend(self.encoded(&details)?);
                }
                if user.times.is_some() || details.provisioned.is_some() {
                    bytes.extend(self.encoded(&user.provisioned())?);
                }
                if let Some(times) = &user.times {
                    bytes.extend(self.encoded(times)?);
                }
                batch.put(user_key(account, &user.id), bytes);
            }
            Record::Gone(account, user) => batch.remove(user_key(account, user)),
            Record::Forgotten(account) => batch.remove(profile_key(account)),
            Record::LinkSecret(secret) => batch.put(SECRET_KEY, secret.as_bytes().as_slice()),
        }
        Ok(())
    }
}

impl StoreDisk for SledDisk {
    fn load(&mut self) -> Result<Book, StoreError> {
        // Closed first: a folder is opened by one at a time.
        self.open = None;
        let path = &self.path;
        let sorted = |error| sorted(path, error);
        check_not_gone(path)?;
        if self.was_open && !Database::exists(path).map_err(sorted)? {
            return Err(StoreError::Disk {
                message: format!(
                    "the account store {} was removed or unmounted while it was in use: put it back or mount it",
                    path.display()
                ),
            });
        }
        let database = Database::open(path, CACHE_BYTES).map_err(sorted)?;
        let table = database.tree(TABLE).map_err(sorted)?;
        let format = table.get(FORMAT_KEY).map_err(sorted)?;
        let book = if format.as_deref() == Some(FORMAT.to_be_bytes().as_slice()) {
            read(path, &table, None)?
        } else {
            let now = Timestamp::now();
            let book = read(path, &table, Some(now))?;
            let mut batch = Batch::new();
            batch.put(FORMAT_KEY, FORMAT.to_be_bytes());
            if format.is_some() {
                batch.put(TIMES_KEY, self.encoded(&now.as_millisecond())?);
            }
            table.apply(&batch).and_then(|()| database.sync()).map_err(sorted)?;
            book
        };
        let next_entry = log_end(path, &table)?;
        self.open = Some(Open { table, database, next_entry });
        self.was_open = true;
        Ok(book)
    }

    fn write(&mut self, records: &[Record], log: &[Entry]) -> Result<(), StoreError> {
        let Some(open) = self.open.take() else {
            return Err(self.unwritable("it is not open; this is a mistake in the program"));
        };
        let many = records.len() + log.len();
        if many > BATCH_MAX {
            let why = format!(
                "{many} records in one change, {BATCH_MAX} are allowed; nothing of it is kept; this is a mistake in the \
                 program"
            );
            return Err(self.unwritable(&why));
        }
        let mut batch = Batch::new();
        for record in records {
            self.put(&mut batch, record)?;
        }
        let mut next_entry = open.next_entry;
        for entry in log {
            let bytes = serde_json::to_vec(entry).map_err(|cause| self.unwritable(&cause.to_string()))?;
            batch.put(entry_key(next_entry), bytes);
            next_entry += 1;
        }
        open.table.apply(&batch).and_then(|()| open.database.sync()).map_err(|error| sorted(&self.path, error))?;
        self.open = Some(Open { next_entry, ..open });
        Ok(())
    }

    fn log_before(&mut self, before: Option<u64>, most: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
        let path = &self.path;
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        entries(path, &open.table, before.unwrap_or(open.next_entry).min(open.next_entry), most)
    }

    fn records_max(&self) -> usize {
        BATCH_MAX
    }
}

/// Reads the book at `path` without changing or creating anything there. Where there never was one, it is empty.
///
/// # Errors
/// Any [`StoreError`].
pub fn look(path: &Path) -> Result<Book, StoreError> {
    let sorted = |error| sorted(path, error);
    if !Database::exists(path).map_err(sorted)? {
        check_not_gone(path)?;
        return Ok(Book::default());
    }
    let database = Database::look(path, CACHE_BYTES).map_err(sorted)?;
    let table = database.tree(TABLE).map_err(sorted)?;
    read(path, &table, None)
}

/// Takes the store at `path` as it is, even if it is older than what was last written: for who is about to compare all
/// of it anew.
///
/// # Errors
/// `InUse`, `Disk`.
pub fn accept(path: &Path) -> Result<(), StoreError> {
    if Database::exists(path).map_err(|error| sorted(path, error))? {
        Database::accept(path).map_err(|error| sorted(path, error))?;
    }
    Ok(())
}

/// Up to `most` entries of the log of the store at `path` before that one, as [`StoreDisk::log_before`], without changing
/// anything there.
///
/// # Errors
/// Any [`StoreError`].
pub fn look_at_log(path: &Path, before: Option<u64>, most: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
    let sorted = |error| sorted(path, error);
    if !Database::exists(path).map_err(sorted)? {
        check_not_gone(path)?;
        return Ok(Vec::new());
    }
    let database = Database::look(path, CACHE_BYTES).map_err(sorted)?;
    let table = database.tree(TABLE).map_err(sorted)?;
    let end = log_end(path, &table)?;
    entries(path, &table, before.unwrap_or(end).min(end), most)
}

/// The number of the next entry.
fn log_end(path: &Path, table: &Table) -> Result<u64, StoreError> {
    let last = table.scan_prefix(LOG_PREFIX).next_back().transpose().map_err(|error| sorted(path, error))?;
    let Some((key, _)) = last else { return Ok(0) };
    let next = entry_number(&key).and_then(|number| number.checked_add(1));
    next.ok_or_else(|| damaged(path, "its log has a malformed key"))
}

/// The entries with the numbers before `end`, the newest first. Numbers have no gaps.
fn entries(path: &Path, table: &Table, end: u64, most: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
    let from = end.saturating_sub(most as u64);
    let mut found = Vec::new();
    for number in (from..end).rev() {
        let bytes = table.get(&entry_key(number)).map_err(|error| sorted(path, error))?;
        let Some(bytes) = bytes else { return Err(damaged(path, &format!("entry {number} of its log is missing"))) };
        let entry = serde_json::from_slice(&bytes)
            .map_err(|cause| damaged(path, &format!("entry {number} of its log: {cause}")))?;
        found.push((number, entry));
    }
    Ok(found)
}

fn entry_key(number: u64) -> Vec<u8> {
    [LOG_PREFIX, &number.to_be_bytes()].concat()
}

fn entry_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(LOG_PREFIX)?.try_into().ok()?))
}

fn profile_key(account: &AccountId) -> Vec<u8> {
    [PROFILE_PREFIX, account.as_str().as_bytes()].concat()
}

fn domain_key(prefix: &[u8], account: &AccountId, domain: &str) -> Vec<u8> {
    let hash = Sha256::digest(domain.as_bytes());
    [prefix, account.as_str().as_bytes(), &[0], &hash[..DOMAIN_HASH_BYTES]].concat()
}

/// The account in a key of one of its users or domains.
fn account_of(key: &[u8], prefix: &[u8]) -> Option<AccountId> {
    let account = key.strip_prefix(prefix)?.split(|byte| *byte == 0).next()?;
    AccountId::parse(str::from_utf8(account).ok()?)
}

fn user_key(account: &AccountId, user: &UserId) -> Vec<u8> {
    [USER_PREFIX, account.as_str().as_bytes(), &[0], user.text().as_bytes()].concat()
}

/// All records of the table, checked against each other. `becomes` is when it becomes of this format, if it does now.
fn read(path: &Path, table: &Table, becomes: Option<Timestamp>) -> Result<Book, StoreError> {
    let format = table.get(FORMAT_KEY).map_err(|error| sorted(path, error))?;
    if let Some(format) = &format {
        check_format(path, format)?;
    }
    let profiles: Vec<Profile> = scan(path, table, PROFILE_PREFIX, |_, bytes| {
        let (mut profile, rest) = postcard::take_from_bytes::<Profile>(bytes)?;
        if !rest.is_empty() {
            profile.details = postcard::from_bytes(rest)?;
        }
        Ok(Some((profile_key(&profile.id), profile)))
    })?;
    let domains = scan(path, table, DOMAIN_PREFIX, |key, bytes| {
        let domain: String = postcard::from_bytes(bytes)?;
        let placed = |account: AccountId| (domain_key(DOMAIN_PREFIX, &account, &domain), (account, domain));
        Ok(account_of(key, DOMAIN_PREFIX).map(placed))
    })?;
    let claims = scan(path, table, CLAIM_PREFIX, |key, bytes| {
        let claim: Claim = postcard::from_bytes(bytes)?;
        let placed = |account: AccountId| (domain_key(CLAIM_PREFIX, &account, &claim.domain), (account, claim));
        Ok(account_of(key, CLAIM_PREFIX).map(placed))
    })?;
    let aliases = scan(path, table, ALIAS_PREFIX, |key, bytes| {
        let (licence, alias): (Tier, String) = postcard::from_bytes(bytes)?;
        let placed =
            |account: AccountId| (domain_key(ALIAS_PREFIX, &account, licence.name()), (account, licence, alias));
        Ok(account_of(key, ALIAS_PREFIX).map(placed))
    })?;
    let users = scan(path, table, USER_PREFIX, |key, bytes| {
        let (mut user, rest) = postcard::take_from_bytes::<User>(bytes)?;
        if !rest.is_empty() {
            let (mut details, rest) = postcard::take_from_bytes::<UserDetails>(rest)?;
            if !rest.is_empty() {
                let (provisioned, rest) = postcard::take_from_bytes::<Provisioned>(rest)?;
                details.provisioned = Some(Box::new(provisioned)).filter(|it| **it != Provisioned::default());
                if !rest.is_empty() {
                    user.times = Some(postcard::from_bytes::<Times>(rest)?);
                }
            }
            user.details = Some(Box::new(details)).filter(|it| **it != UserDetails::default());
        }
        let placed = |account: AccountId| (user_key(&account, &user.id), (account, user));
        Ok(account_of(key, USER_PREFIX).map(placed))
    })?;
    let secret = table.get(SECRET_KEY).map_err(|error| sorted(path, error))?;
    let link_secret = match secret.map(<[u8; 32]>::try_from) {
        None => None,
        Some(Ok(bytes)) => Some(LinkSecret::new(bytes)),
        Some(Err(_)) => return Err(damaged(path, "the secret of its links is malformed")),
    };
    let times_since = match table.get(TIMES_KEY).map_err(|error| sorted(path, error))? {
        None => becomes,
        Some(bytes) => {
            let since = postcard::from_bytes(&bytes).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
            Some(since.ok_or_else(|| damaged(path, "the time of its format makes no sense"))?)
        }
    };
    if format.is_none() && !profiles.is_empty() {
        return Err(damaged(path, "it has accounts but no format version"));
    }
    let kept = Kept { profiles, domains, claims, aliases, users, link_secret, times_since };
    Book::restore(kept).map_err(|flaw| damaged(path, &flaw))
}

fn check_format(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    match bytes.try_into().map(u32::from_be_bytes) {
        Ok(FORMAT_OLDEST..=FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(StoreError::TooNew {
            message: format!(
                "the account store {} has format {newer}, this program knows {FORMAT}: use the version of seatsync \
                 that wrote it, or a newer one; nothing was changed",
                path.display()
            ),
        }),
        Ok(_) | Err(_) => Err(damaged(path, "its format version makes no sense")),
    }
}

/// What the records under a prefix say. `placed` gives a value and the key it belongs under, which is to be its key.
fn scan<P>(
    path: &Path,
    table: &Table,
    prefix: &[u8],
    placed: impl Fn(&[u8], &[u8]) -> Result<Option<(Vec<u8>, P)>, postcard::Error>,
) -> Result<Vec<P>, StoreError> {
    table
        .scan_prefix(prefix)
        .map(|record| {
            let (key, bytes) = record.map_err(|error| sorted(path, error))?;
            let value = placed(&key, &bytes)
                .map_err(|cause| damaged(path, &format!("the record {}: {cause}", key.escape_ascii())))?;
            match value {
                Some((belongs, value)) if belongs == key => Ok(value),
                Some(_) | None => {
                    Err(damaged(path, &format!("the record {} stands in a wrong place", key.escape_ascii())))
                }
            }
        })
        .collect()
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged {
        message: format!(
            "the account store {path} is damaged: {what}. It is the only record of who holds which licence, so nothing was \
             changed or set aside. Stop what uses it, keep a copy of the folder, and restore it from a backup. Only if \
             there is none: move the folder away, remove {lock}, and run an audit (`seatsync sync --audit`), which \
             begins with an empty account store and seats people anew from the groups",
            path = path.display(),
            lock = Database::lock_path(path).display()
        ),
    }
}

/// An empty store in place of one that was deleted, or whose disk is not mounted, would look as if everybody had left.
fn check_not_gone(path: &Path) -> Result<(), StoreError> {
    match Database::gone(path).map_err(|error| sorted(path, error))? {
        None => Ok(()),
        Some(writes) => Err(StoreError::Damaged {
            message: format!(
                "the account store {path} is gone, though it was there before ({lock} remembers {writes} writes): mount \
                 or restore it; to begin with an empty one on purpose remove {lock}",
                path = path.display(),
                lock = Database::lock_path(path).display()
            ),
        }),
    }
}

fn sorted(path: &Path, error: DurableError) -> StoreError {
    match error {
        DurableError::InUse { message } => StoreError::InUse { message },
        DurableError::Disk { message } => StoreError::Disk { message },
        DurableError::Damaged { message } => damaged(path, &message),
        DurableError::Older { message } => StoreError::Damaged {
            message: format!(
                "the account store {message}. Nothing was changed. If that is on purpose, `seatsync sync --audit` goes on \
                 with it and repairs the difference; if not, put the newest copy of the folder in its place"
            ),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::model::{Email, StoreKind, Tier, Timestamp};
    use crate::store::DiskBook;
    use crate::store::Refusal;
    use crate::store::profile::{DOMAINS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX, NAME_CHARS_MAX};
    use std::fs;

    fn corp() -> AccountId {
        AccountId::parse("corp").unwrap()
    }

    fn fill(disk: &mut DiskBook, from: usize, to: usize) -> Result<(), StoreError> {
        disk.change(Timestamp::UNIX_EPOCH, |book| {
            let at = Timestamp::UNIX_EPOCH;
            let account = book.open_account(&corp(), "corp", StoreKind::EnterpriseDirectory, at).unwrap();
            account.support(&Tier::new("pro")).unwrap();
            for number in from..to {
                let email = Email::parse(&format!("p{number}@corp.example")).unwrap();
                let id = UserId::new(&format!("u{number:05}"));
                account.create(&email, &Tier::new("pro"), None, id, at)?;
            }
            Ok(())
        })
        .map(|granted: Result<(), Refusal>| granted.unwrap())
    }

    fn emails(book: &Book) -> Vec<String> {
        book.accounts().flat_map(|account| account.users().map(|user| user.email.to_string())).collect()
    }

    #[test]
    fn what_was_acknowledged_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let mut disk = DiskBook::open(&path).unwrap();
        fill(&mut disk, 0, 3).unwrap();
        disk.change(Timestamp::UNIX_EPOCH, |book| {
            let account = book.account_mut(&corp()).unwrap();
            account.suspend(&UserId::new("u00001"))?;
            let email = Email::parse("new@corp.example").unwrap();
            account.rename(&[(UserId::new("u00002"), email)]).remove(0)
        })
        .unwrap()
        .unwrap();
        let before = disk.book().unwrap().account(&corp()).unwrap().clone();
        drop(disk);
        for book in [look(&path).unwrap(), DiskBook::open(&path).unwrap().book().unwrap().clone()] {
            let after = book.account(&corp()).unwrap();
            assert_eq!(after.profile(), before.profile());
            assert!(after.users().eq(before.users()));
        }
    }

    #[test]
    fn accounts_whose_names_begin_alike_keep_their_own_users() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let mut disk = DiskBook::open(&path).unwrap();
        let names = ["corp", "corp/x", "corp x"].map(|name| AccountId::parse(name).unwrap());
        disk.change(Timestamp::UNIX_EPOCH, |book| {
            for (number, name) in names.iter().enumerate() {
                let account = book.open_account(name, "n", StoreKind::Team, Timestamp::UNIX_EPOCH).unwrap();
                let email = Email::parse(&format!("p{number}@corp.example")).unwrap();
                account.invite(&email, None, UserId::new("same"), Timestamp::UNIX_EPOCH)?;
            }
            Ok::<(), Refusal>(())
        })
        .unwrap()
        .unwrap();
        drop(disk);
        let book = look(&path).unwrap();
        let found: Vec<String> = names.iter().map(|name| emails_of(&book, name)).collect();
        assert_eq!(found, ["p0@corp.example", "p1@corp.example", "p2@corp.example"]);
    }

    fn emails_of(book: &Book, account: &AccountId) -> String {
        book.account(account).unwrap().users().map(|user| user.email.to_string()).collect()
    }

    #[test]
    fn the_largest_account_and_user_fit_into_their_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let id = AccountId::parse(&"a".repeat(ACCOUNT_ID_BYTES_MAX)).unwrap();
        let domains: Vec<String> = (0..DOMAINS_MAX).map(|number| format!("{}.n{number:03}", "d".repeat(230))).collect();
        let kind = StoreKind::EnterpriseDirectory;
        let mut disk = DiskBook::open(&path).unwrap();
        let granted = disk.change(Timestamp::UNIX_EPOCH, |book| {
            let account = book.open_account(&id, &"ü".repeat(NAME_CHARS_MAX), kind, Timestamp::UNIX_EPOCH)?;
            for number in 0..LICENCES_MAX {
                let licence = Tier::new(&format!("{number:0LICENCE_BYTES_MAX$}"));
                account.support(&licence)?;
                account.set_default_licence(&licence)?;
            }
            let licence = account.profile().default_licence.clone().unwrap();
            account.claim_domains(&domains)?;
            let email = Email::parse(&format!("{}@{}", "e".repeat(15), domains[0])).unwrap();
            let user = UserId::new(&"u".repeat(USER_ID_BYTES_MAX));
            let guid = crate::model::ObjectGuid::from_u128(u128::MAX);
            account.create(&email, &licence, Some(guid), user, Timestamp::UNIX_EPOCH)?;
            assert!(account.support(&Tier::new("one-more")).is_err());
            Ok::<(), Refusal>(())
        });
        granted.unwrap().unwrap();
        let before = disk.book().unwrap().account(&id).unwrap().clone();
        drop(disk);
        let book = look(&path).unwrap();
        let after = book.account(&id).unwrap();
        assert_eq!(after.profile(), before.profile());
        assert!(after.users().eq(before.users()));
        // All domains exchanged for others is the largest change of an account.
        let others: Vec<String> = domains.iter().map(|domain| format!("x{domain}")).collect();
        let mut disk = DiskBook::open(&path).unwrap();
        disk.change(Timestamp::UNIX_EPOCH, |book| book.account_mut(&id)?.claim_domains(&others)).unwrap().unwrap();
        drop(disk);
        assert_eq!(look(&path).unwrap().account(&id).unwrap().profile().domains, others);
    }

    #[test]
    fn looking_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let book = look(&folder.path().join("accounts")).unwrap();
        assert_eq!(book.accounts().count(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_change_that_cannot_be_written_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = DiskBook::open(&folder.path().join("accounts")).unwrap();
        fill(&mut disk, 0, 2).unwrap();
        let error = fill(&mut disk, 2, BATCH_MAX + 10).unwrap_err();
        assert!(matches!(&error, StoreError::Disk { message } if message.contains("nothing of it is kept")), "{error}");
        assert_eq!(emails(disk.book().unwrap()), ["p0@corp.example", "p1@corp.example"]);
        fill(&mut disk, 2, 3).unwrap();
        assert_eq!(emails(disk.book().unwrap()).len(), 3);
    }

    #[test]
    fn a_refusal_after_granted_commands_leaves_nothing_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = DiskBook::open(&folder.path().join("accounts")).unwrap();
        fill(&mut disk, 0, 2).unwrap();
        let answer = disk.change(Timestamp::UNIX_EPOCH, |book| {
            let account = book.account_mut(&corp())?;
            account.suspend(&UserId::new("u00000"))?;
            account.remove(&UserId::new("u00001"))
        });
        assert!(answer.unwrap().is_err(), "nobody is removed from an account of this kind");
        let book = disk.book().unwrap();
        let seat = book.account(&corp()).unwrap().user(&UserId::new("u00000")).unwrap().seat();
        assert!(seat.is_held(), "{seat}");
    }

    #[test]
    fn a_panic_in_a_change_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = DiskBook::open(&folder.path().join("accounts")).unwrap();
        fill(&mut disk, 0, 2).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            disk.change(Timestamp::UNIX_EPOCH, |book| -> Result<(), Refusal> {
                book.account_mut(&corp())?.suspend(&UserId::new("u00000"))?;
                panic!("half-way");
            })
        }));
        assert!(panicked.is_err());
        let book = disk.book().unwrap();
        let seat = book.account(&corp()).unwrap().user(&UserId::new("u00000")).unwrap().seat();
        assert!(seat.is_held(), "{seat}");
    }

    #[test]
    fn a_second_opening_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let _first = DiskBook::open(&path).unwrap();
        assert!(matches!(DiskBook::open(&path), Err(StoreError::InUse { .. })));
    }

    #[test]
    fn a_damaged_store_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let mut disk = DiskBook::open(&path).unwrap();
        fill(&mut disk, 0, 200).unwrap();
        drop(disk);
        let db = path.join("db");
        let sound = fs::read(&db).unwrap();
        let mut bytes = sound.clone();
        for at in (0..bytes.len()).step_by(64) {
            bytes[at] ^= 0x5a;
        }
        fs::write(&db, &bytes).unwrap();
        for error in [DiskBook::open(&path).map(drop).unwrap_err(), look(&path).map(drop).unwrap_err()] {
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("restore it from a backup"), "{error}");
            let lock = path.with_extension("lock");
            assert!(error.to_string().contains(&format!("remove {}", lock.display())), "{error}");
        }
        let names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().all(|name| name == "accounts" || name == "accounts.lock"), "{names:?}");
    }

    #[test]
    fn a_store_that_is_gone_is_not_begun_anew_unless_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        fill(&mut DiskBook::open(&path).unwrap(), 0, 3).unwrap();
        let away = folder.path().join("away");
        fs::rename(&path, &away).unwrap();
        for mounted in [false, true] {
            if mounted {
                fs::create_dir(&path).unwrap();
            }
            for error in [DiskBook::open(&path).map(drop).unwrap_err(), look(&path).map(drop).unwrap_err()] {
                let StoreError::Damaged { message } = error else { panic!("{error}") };
                let lock = path.with_extension("lock");
                assert_eq!(
                    message,
                    format!(
                        "the account store {path} is gone, though it was there before ({lock} remembers 2 writes): mount \
                         or restore it; to begin with an empty one on purpose remove {lock}",
                        path = path.display(),
                        lock = lock.display()
                    )
                );
            }
            assert_eq!(path.exists(), mounted, "nothing was made");
        }
        fs::remove_dir(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(emails(DiskBook::open(&path).unwrap().book().unwrap()).len(), 3);
        fs::remove_dir_all(&path).unwrap();
        fs::remove_file(path.with_extension("lock")).unwrap();
        assert_eq!(emails(DiskBook::open(&path).unwrap().book().unwrap()).len(), 0);
    }

    #[test]
    fn a_store_that_goes_while_it_is_open_is_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let mut disk = DiskBook::open(&path).unwrap();
        fill(&mut disk, 0, 3).unwrap();
        fs::remove_dir_all(&path).unwrap();
        fill(&mut disk, 3, BATCH_MAX + 10).unwrap_err();
        let error = disk.book().map(drop).unwrap_err();
        assert!(error.to_string().contains("is gone, though it was there before"), "{error}");
    }

    #[test]
    fn a_store_from_a_backup_is_refused_with_the_way_to_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("accounts"), folder.path().join("backup"));
        fill(&mut DiskBook::open(&path).unwrap(), 0, 1).unwrap();
        fs::create_dir(&backup).unwrap();
        for file in fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).filter(|file| file.is_file()) {
            fs::copy(&file, backup.join(file.file_name().unwrap())).unwrap();
        }
        let mut disk = DiskBook::open(&path).unwrap();
        fill(&mut disk, 1, 2).unwrap();
        fill(&mut disk, 2, 3).unwrap();
        drop(disk);
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&backup, &path).unwrap();
        for error in [DiskBook::open(&path).map(drop).unwrap_err(), look(&path).map(drop).unwrap_err()] {
            let StoreError::Damaged { message } = error else { panic!("{error}") };
            assert!(message.contains("is older than what was last written (restored from a backup?)"), "{message}");
            assert!(message.contains("If that is on purpose, `seatsync sync --audit` goes on with it"), "{message}");
            assert!(!message.contains("restore it from a backup") && !message.contains("damaged"), "{message}");
        }
        accept(&path).unwrap();
        assert_eq!(emails(DiskBook::open(&path).unwrap().book().unwrap()), ["p0@corp.example"]);
    }

    /// Writes a record behind the book's back.
    fn plant(path: &Path, key: &[u8], value: &[u8]) {
        let database = Database::open(path, CACHE_BYTES).unwrap();
        let mut batch = Batch::new();
        batch.put(key, value);
        database.tree(TABLE).unwrap().apply(&batch).unwrap();
        database.sync().unwrap();
    }

    #[test]
    fn a_newer_format_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        fill(&mut DiskBook::open(&path).unwrap(), 0, 1).unwrap();
        plant(&path, FORMAT_KEY, &(FORMAT + 1).to_be_bytes());
        assert!(matches!(DiskBook::open(&path), Err(StoreError::TooNew { .. })));
    }

    #[test]
    fn records_that_make_no_sense_are_damage() {
        let user = user_key(&corp(), &UserId::new("u00001"));
        for (key, value) in [(FORMAT_KEY, &b"x"[..]), (&user, b"x"), (&profile_key(&corp()), b"")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("accounts");
            fill(&mut DiskBook::open(&path).unwrap(), 0, 1).unwrap();
            plant(&path, key, value);
            let error = DiskBook::open(&path).map(drop).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        }
    }
}
