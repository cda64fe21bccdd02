//! The access keys: who may ask, for which accounts, and whether to change anything.
//!
//! ```toml
//! [[key]]
//! id = "SEAT3F9C0A51B2D47E88"
//! secret = "…"                      # 40 characters or more
//! access = "change"                 # or "read"
//! accounts = ["corp"]               # without this line: all
//! note = "the agent"
//! created = 2026-11-22T18:00:00Z
//!
//! [[scim]]                          # a bearer token of a SCIM client
//! id = "SCIM3F9C0A51B2D47E88"
//! sha256 = "…"                      # of the token, which is nowhere
//! former_sha256 = "…"               # of the one before the last rotation, while it is good
//! account = "corp"
//! access = "change"
//! licences = true                   # may also make licences and delete them; without this line: not
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `file` | the file, checked: a [`KeyRing`], or all that is wrong with it |
//! | `token` | bearer tokens: which one was shown |
//! | `edit` | issuing, rotating and revoking, for the command line |
//!
//! A key is rotated without a gap: issue a second one, reload, give it to the client, revoke the first, reload. A token is
//! rotated in place: the former one is good until it is revoked.
//!
//! Invariants: a ring has each id once; no secret is in a `Debug`, an error or a log.
//!
//! Deliberately absent: keys that end by themselves (an agent that stops at night is worse than a key that is old; `created`
//! says how old), keys in any other form than in clear (SigV4 needs the secret itself on both sides), watching the file
//! (a reload is asked for, so that a half-edited file is not taken).

mod edit;
mod file;
mod token;

pub use edit::{
    IssuedKey, IssuedToken, NewKey, NewToken, issue, issue_token, revoke, revoke_former, revoke_token, rotate,
};
pub use token::{Token, TokenDigest};

use crate::model::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The largest key file, in bytes: about 3,000 keys.
pub const KEY_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most keys of one file.
pub const KEYS_MAX: usize = 1_000;
/// Most accounts that one key names.
pub const KEY_ACCOUNTS_MAX: usize = 1_000;
/// Shortest secret, in characters: 40 of our own alphabet are 240 bits.
pub const SECRET_CHARS_MIN: usize = 40;
/// Longest secret, in characters.
pub const SECRET_CHARS_MAX: usize = 128;
/// Longest note, in characters.
pub const NOTE_CHARS_MAX: usize = 200;
/// Longest name of an account in a key, in characters.
pub const KEY_ACCOUNT_CHARS_MAX: usize = 128;

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looking only.
    Read,
    /// Looking and changing.
    Change,
}

impl Access {
    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
        }
    }

    /// The access of that name.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Read, Self::Change].into_iter().find(|access| access.name() == text)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One access key.
#[derive(Clone, Debug)]
pub struct Key {
    id: String,
    secret: SecretString,
    access: Access,
    /// `None` is all accounts, those to come included.
    accounts: Option<BTreeSet<String>>,
    note: String,
    created: Option<Timestamp>,
}

impl Key {
    /// The access key id; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret, for the check of a signature.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// What it may be used for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it may change anything.
    pub fn may_change(&self) -> bool {
        match self.access {
            Access::Read => false,
            Access::Change => true,
        }
    }

    /// The accounts that it is for; `None` is all.
    pub fn accounts(&self) -> Option<&BTreeSet<String>> {
        self.accounts.as_ref()
    }

    /// Whether it is for this account.
    pub fn reaches(&self, account: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }

    /// Whose it is, in the operator's words; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// When it was issued, if the file says so.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }
}

/// Two keys are the same when a client could not tell them apart, secrets included.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let Self { id, secret, access, accounts, note, created } = self;
        (id, access, accounts, note, created)
            == (&other.id, &other.access, &other.accounts, &other.note, &other.created)
            && secret.expose_secret() == other.secret.expose_secret()
    }
}

/// All keys and tokens of a file. No id stands twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyRing {
    keys: HashMap<String, Arc<Key>>,
    tokens: HashMap<String, Arc<Token>>,
}

impl KeyRing {
    /// Reads the file; `None` when there is none, which leaves nobody who may ask.
    pub fn read(path: &Path) -> Result<Option<Self>, KeysError> {
        let Some(text) = file::text(path)? else { return Ok(None) };
        file::parse(text.expose_secret())
            .map(Some)
            .map_err(|problems| KeysError::Wrong { path: path.to_path_buf(), problems })
    }

    /// The key of that id.
    pub fn find(&self, id: &str) -> Option<&Arc<Key>> {
        self.keys.get(id)
    }

    /// All keys, by id.
    pub fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = self.keys.values().map(Arc::as_ref).collect();
        keys.sort_by_key(|key| &key.id);
        keys
    }

    /// How many keys and tokens there are.
    pub fn len(&self) -> usize {
        self.keys.len() + self.tokens.len()
    }

    /// Whether nobody may ask.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a reading of the key file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// How many keys and tokens count from now on.
    pub keys: usize,
    /// There is no file: with no key, every request is refused, and that is worth a warning.
    pub is_missing: bool,
}

/// The keys that count now, shared by all requests.
#[derive(Debug)]
pub struct Keys {
    path: PathBuf,
    ring: RwLock<Arc<KeyRing>>,
}

impl Keys {
    /// Reads the file for the first time.
    pub fn open(path: &Path) -> Result<(Self, Loaded), KeysError> {
        let keys = Self { path: path.to_path_buf(), ring: RwLock::default() };
        let loaded = keys.reload()?;
        Ok((keys, loaded))
    }

    /// Reads the file again. With anything wrong the keys stay as they are.
    ///
    /// A file that is gone is taken at its word: no key counts any more.
    pub fn reload(&self) -> Result<Loaded, KeysError> {
        let read = KeyRing::read(&self.path)?;
        let is_missing = read.is_none();
        let ring = Arc::new(read.unwrap_or_default());
        let loaded = Loaded { keys: ring.len(), is_missing };
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(loaded)
    }

    /// The keys that count now. A request keeps to the ring that it began with.
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where they are read from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Something wrong in the file, and where. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// From 1.
    pub line: usize,
    /// What is wrong and what to write in its place.
    pub message: String,
}

/// Why the keys cannot be read or changed, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The disk or its rights: somebody must act; nothing was changed.
    #[error("{message}")]
    Disk {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Another one is changing the file: try again.
    #[error("{message}")]
    InUse {
        /// Which file.
        message: String,
    },
    /// The file has to be corrected.
    #[error("{}", listed(.path, .problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<KeyProblem>,
    },
    /// There is no such key: look at the list.
    #[error("{message}")]
    Unknown {
        /// Which, and where it was looked for.
        message: String,
    },
    /// The file is right, and written in a way that only a hand can change.
    #[error("{message}")]
    ByHand {
        /// What to change.
        message: String,
    },
}

fn listed(path: &Path, problems: &[KeyProblem]) -> String {
    let lines = problems.iter().map(|KeyProblem { line, message }| format!("{}:{line}: {message}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_takes_what_is_right_and_keeps_what_was_when_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (keys, loaded) = Keys::open(&path).unwrap();
        assert_eq!(loaded, Loaded { keys: 0, is_missing: true });
        assert!(keys.current().is_empty());

        let new = NewKey { access: Access::Change, accounts: None, note: "the agent".to_owned() };
        let first = issue(&path, &new, Timestamp::UNIX_EPOCH).unwrap();
        assert!(keys.current().is_empty(), "nothing changes before a reload");
        assert_eq!(keys.reload().unwrap(), Loaded { keys: 1, is_missing: false });
        let before = keys.current();
        assert!(before.find(&first.id).is_some());

        let right = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{right}\n[[key]]\nid = \"half\n")).unwrap();
        assert!(matches!(keys.reload(), Err(KeysError::Wrong { .. })));
        assert_eq!(*keys.current(), *before);

        std::fs::write(&path, right).unwrap();
        revoke(&path, &first.id).unwrap();
        assert_eq!(keys.reload().unwrap(), Loaded { keys: 0, is_missing: false });
        assert!(before.find(&first.id).is_some(), "who began with the old ring ends with it");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(keys.reload().unwrap(), Loaded { keys: 0, is_missing: true });
    }

    #[test]
    fn no_secret_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let new = NewKey { access: Access::Read, accounts: None, note: String::new() };
        let issued = issue(&path, &new, Timestamp::UNIX_EPOCH).unwrap();
        let (keys, _) = Keys::open(&path).unwrap();
        let shown = format!("{keys:?} {issued:?}");
        assert!(shown.contains(&issued.id));
        assert!(!shown.contains(issued.secret.expose_secret()));
    }
}
