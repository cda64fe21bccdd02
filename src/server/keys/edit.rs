//! Issuing, rotating and revoking: the file changed as a text, so that all else in it stays, comments included.
//!
//! Law: after an edit the file says what it said before and the one change, which is looked at before it is written; and a
//! kill at any moment leaves the old file or the new one.

use super::{Access, Key, KeyRing, KeysError, Token, file, token};
use crate::model::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Random bytes of an id: 16 digits behind the prefix.
const ID_RANDOM_BYTES: usize = 8;
/// Random bytes of a secret: 40 characters of 6 bits.
const SECRET_RANDOM_BYTES: usize = 30;
/// What our ids begin with, so that a secret scanner can find them.
const ID_PREFIX: &str = "SEAT";
/// What the ids of tokens begin with, for the same reason.
const TOKEN_PREFIX: &str = "SCIM";
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What a new key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it may be used for.
    pub access: Access,
    /// Account ids; `None` is all.
    pub accounts: Option<BTreeSet<String>>,
    /// Whose it is; may be empty.
    pub note: String,
}

/// A key just issued. The secret is shown once, by the caller.
#[derive(Clone, Debug)]
pub struct IssuedKey {
    /// The access key id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// What a new token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The account's id.
    pub account: String,
    /// What it may be used for.
    pub access: Access,
    /// Whether it may also make licences and delete them.
    pub licences: bool,
    /// Whose it is; may be empty.
    pub note: String,
}

/// A token just issued or rotated. It is shown once, by the caller: nobody keeps it.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// Its id.
    pub id: String,
    /// All of it.
    pub token: SecretString,
}

/// Adds a token with a random id and secret; makes the file, readable by its owner only, if there is none.
pub fn issue_token(path: &Path, new: &NewToken, now: Timestamp) -> Result<IssuedToken, KeysError> {
    let edit = Edit::begin(path)?;
    let (id, secret) = drawn(TOKEN_PREFIX)?;
    let issued = IssuedToken { token: token::of(&id, &secret), id };
    let NewToken { account, access, licences, note } = new.clone();
    let token = Token {
        id: issued.id.clone(),
        digest: token::digest(issued.token.expose_secret()),
        former: None,
        account,
        access,
        licences,
        note,
        created: Some(to_the_second(now)),
    };
    let mut expected = edit.ring.clone();
    let text = appended(edit.text.expose_secret(), &token_block(&token));
    expected.tokens.insert(token.id.clone(), Arc::new(token));
    edit.write(text, &expected, "add the token")?;
    Ok(issued)
}

/// Puts a new secret in the place of a token's. The former one stays good, but not the one before it.
pub fn rotate(path: &Path, id: &str, now: Timestamp) -> Result<IssuedToken, KeysError> {
    let edit = Edit::begin(path)?;
    let (_, secret) = drawn(TOKEN_PREFIX)?;
    let issued = IssuedToken { id: id.to_owned(), token: token::of(id, &secret) };
    let there = edit.ring.tokens.get(id).ok_or_else(|| unknown_token(path, id))?;
    let token = Token {
        digest: token::digest(issued.token.expose_secret()),
        former: Some(there.digest),
        created: Some(to_the_second(now)),
        ..there.as_ref().clone()
    };
    edit.put(token, &format!("rotate the token {id}"))?;
    Ok(issued)
}

/// Ends the token before the last rotation; whether there was one.
pub fn revoke_former(path: &Path, id: &str) -> Result<bool, KeysError> {
    let edit = Edit::begin(path)?;
    let there = edit.ring.tokens.get(id).ok_or_else(|| unknown_token(path, id))?;
    let had = there.former.is_some();
    let token = Token { former: None, ..there.as_ref().clone() };
    if had {
        edit.put(token, &format!("take out the former token of {id}"))?;
    }
    Ok(had)
}

/// Takes a token out and gives what it was. Counts once the server has reloaded.
pub fn revoke_token(path: &Path, id: &str) -> Result<Arc<Token>, KeysError> {
    let edit = Edit::begin(path)?;
    let mut expected = edit.ring.clone();
    let token = expected.tokens.remove(id).ok_or_else(|| unknown_token(path, id))?;
    let text = without(edit.text.expose_secret(), id);
    edit.write(text, &expected, &format!("take out the token {id}"))?;
    Ok(token)
}

fn unknown_token(path: &Path, id: &str) -> KeysError {
    let message = format!("there is no token {} in {}; look at the list of keys", id.escape_debug(), path.display());
    KeysError::Unknown { message }
}

/// A random id with that beginning, and a random secret.
fn drawn(prefix: &str) -> Result<(String, String), KeysError> {
    let random = |cause| KeysError::Disk { message: format!("cannot get random bytes from the system: {cause}") };
    let (mut id, mut secret) = ([0; ID_RANDOM_BYTES], [0; SECRET_RANDOM_BYTES]);
    getrandom::fill(&mut id).map_err(random)?;
    getrandom::fill(&mut secret).map_err(random)?;
    let id: String = id.iter().map(|byte| format!("{byte:02X}")).collect();
    Ok((format!("{prefix}{id}"), written(&secret)))
}

/// As it is written.
fn to_the_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// A text with a block behind it.
fn appended(text: &str, block: &str) -> String {
    let between = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{between}{block}")
}

/// The lines of a token.
fn token_block(token: &Token) -> String {
    let Token { id, digest, former, account, access, licences, note, created } = token;
    let mut text = format!("[[scim]]\nid = {}\nsha256 = {}\n", quoted(id), quoted(&token::hex(digest)));
    if let Some(former) = former {
        text.push_str(&format!("former_sha256 = {}\n", quoted(&token::hex(former))));
    }
    text.push_str(&format!("account = {}\naccess = {}\n", quoted(account), quoted(access.name())));
    if *licences {
        text.push_str("licences = true\n");
    }
    if !note.is_empty() {
        text.push_str(&format!("note = {}\n", quoted(note)));
    }
    if let Some(created) = created {
        text.push_str(&format!("created = {created}\n"));
    }
    text
}

/// Adds a key with a random id and secret; makes the file, readable by its owner only, if there is none.
pub fn issue(path: &Path, new: &NewKey, now: Timestamp) -> Result<IssuedKey, KeysError> {
    let edit = Edit::begin(path)?;
    let (id, secret) = drawn(ID_PREFIX)?;
    let issued = IssuedKey { id, secret: SecretString::from(secret) };
    let created = to_the_second(now);
    let mut expected = edit.ring.clone();
    let key = Key {
        id: issued.id.clone(),
        secret: issued.secret.clone(),
        access: new.access,
        accounts: new.accounts.clone(),
        note: new.note.clone(),
        created: Some(created),
    };
    let text = appended(edit.text.expose_secret(), &block(&key));
    expected.keys.insert(key.id.clone(), Arc::new(key));
    edit.write(text, &expected, "add the key")?;
    Ok(issued)
}

/// Takes a key out and gives what it was. Counts once the server has reloaded.
pub fn revoke(path: &Path, id: &str) -> Result<Arc<Key>, KeysError> {
    let edit = Edit::begin(path)?;
    let mut expected = edit.ring.clone();
    let key = expected.keys.remove(id).ok_or_else(|| KeysError::Unknown {
        message: format!("there is no key {} in {}; look at the list of keys", id.escape_debug(), path.display()),
    })?;
    let text = without(edit.text.expose_secret(), id);
    edit.write(text, &expected, &format!("take out the key {id}"))?;
    Ok(key)
}

/// The lines of a key.
fn block(key: &Key) -> String {
    let Key { id, secret, access, accounts, note, created } = key;
    let mut text = format!(
        "[[key]]\nid = {}\nsecret = {}\naccess = {}\n",
        quoted(id),
        quoted(secret.expose_secret()),
        quoted(access.name())
    );
    if let Some(accounts) = accounts {
        let accounts: Vec<_> = accounts.iter().map(|account| quoted(account)).collect();
        text.push_str(&format!("accounts = [{}]\n", accounts.join(", ")));
    }
    if !note.is_empty() {
        text.push_str(&format!("note = {}\n", quoted(note)));
    }
    if let Some(created) = created {
        text.push_str(&format!("created = {created}\n"));
    }
    text
}

/// A text as TOML has it. What JSON escapes, TOML reads the same; what it leaves bare and TOML forbids, the check refuses.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text without the lines of a key: from the comment above its header to the comment above the next.
fn without(text: &str, id: &str) -> String {
    let places = file::places(text);
    let Some(at) = places.iter().position(|(each, _)| each == id) else { return text.to_owned() };
    let start = block_start(text, places[at].1);
    let end = places.get(at + 1).map_or(text.len(), |(_, next)| block_start(text, *next));
    let mut left = text[..start].to_owned();
    left.push_str(text.get(end..).unwrap_or_default());
    left
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |at| at + 1)
}

/// Where a block begins: its header's line, or the first of the comment lines right above it.
fn block_start(text: &str, header: usize) -> usize {
    let mut start = line_start(text, header);
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        if !text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

fn written(bytes: &[u8; SECRET_RANDOM_BYTES]) -> String {
    let triple = |three: &[u8]| three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let digits = |bits: u32| [18, 12, 6, 0].map(|shift| char::from(SECRET_ALPHABET[(bits >> shift & 63) as usize]));
    bytes.chunks_exact(3).flat_map(|three| digits(triple(three))).collect()
}

/// The file, ours to change until dropped.
struct Edit {
    /// Where it really stands, symbolic links followed.
    path: PathBuf,
    exists: bool,
    text: SecretString,
    ring: KeyRing,
    /// Held, not used.
    _lock: File,
}

impl Edit {
    fn begin(path: &Path) -> Result<Self, KeysError> {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        // Kept: removing a lock file is a race.
        let beside = with_suffix(&path, ".lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
        let lock = lock.map_err(|cause| disk("open the lock file", &beside, &cause))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{} is just being changed by another process; try again", path.display());
                return Err(KeysError::InUse { message });
            }
            Err(TryLockError::Error(cause)) => return Err(disk("lock", &beside, &cause)),
        }
        let text = file::text(&path)?;
        let exists = text.is_some();
        let text = text.unwrap_or_else(|| SecretString::from(""));
        let ring =
            file::parse(text.expose_secret()).map_err(|problems| KeysError::Wrong { path: path.clone(), problems })?;
        Ok(Self { path, exists, text, ring, _lock: lock })
    }

    /// Puts a token in the place of the one with its id; the comment above it stays.
    fn put(self, token: Token, what: &str) -> Result<(), KeysError> {
        let mut expected = self.ring.clone();
        let text = self.text.expose_secret();
        let places = file::places(text);
        let at = places.iter().position(|(each, _)| *each == token.id);
        let start = at.and_then(|at| places.get(at)).map_or(text.len(), |(_, header)| line_start(text, *header));
        let next = at.and_then(|at| places.get(at + 1));
        let end = next.map_or(text.len(), |(_, next)| block_start(text, *next));
        let between = if next.is_some() { "\n" } else { "" };
        let text = format!("{}{}{between}{}", &text[..start], token_block(&token), text.get(end..).unwrap_or_default());
        expected.tokens.insert(token.id.clone(), Arc::new(token));
        self.write(text, &expected, what)
    }

    /// Puts the text in the file's place if it says what is expected.
    fn write(self, text: String, expected: &KeyRing, what: &str) -> Result<(), KeysError> {
        let text = SecretString::from(text);
        let shown = self.path.display();
        match file::parse(text.expose_secret()) {
            Ok(ring) if ring == *expected => {}
            Ok(_) => {
                let message = format!(
                    "{shown} is written in a way that this program cannot edit; {what} by hand, each key as a [[key]] of its own"
                );
                return Err(KeysError::ByHand { message });
            }
            Err(mut problems) => {
                problems.iter_mut().for_each(|problem| problem.message = format!("cannot {what}: {}", problem.message));
                return Err(KeysError::Wrong { path: self.path, problems });
            }
        }
        let new = with_suffix(&self.path, ".new");
        // Left by a process that was killed: the lock is ours, so that nobody is writing it.
        match std::fs::remove_file(&new) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(disk("remove", &new, &cause)),
            Ok(()) | Err(_) => {}
        }
        self.place(&new, &text).inspect_err(|_| drop(std::fs::remove_file(&new)))
    }

    fn place(&self, new: &Path, text: &SecretString) -> Result<(), KeysError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new);
        let mut file = file.map_err(|cause| disk("create", new, &cause))?;
        if self.exists {
            self.hand_over(&file, new)?;
        }
        file.write_all(text.expose_secret().as_bytes()).map_err(|cause| disk("write", new, &cause))?;
        file.sync_all().map_err(|cause| disk("sync", new, &cause))?;
        std::fs::rename(new, &self.path).map_err(|cause| disk("rename into place", new, &cause))?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|cause| disk("sync the folder of", &self.path, &cause))
    }

    /// Owner and mode of the old file: who edits as root must not lock the server out.
    fn hand_over(&self, file: &File, new: &Path) -> Result<(), KeysError> {
        let old = std::fs::metadata(&self.path).map_err(|cause| disk("look at", &self.path, &cause))?;
        let own = file.metadata().map_err(|cause| disk("look at", new, &cause))?;
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            fchown(file, Some(old.uid()), Some(old.gid())).map_err(|cause| {
                disk("give to the owner of the old file (run this as that user, or as root)", new, &cause)
            })?;
        }
        let mode = std::fs::Permissions::from_mode(old.permissions().mode() & 0o770);
        file.set_permissions(mode).map_err(|cause| disk("set the mode of", new, &cause))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn disk(what: &str, path: &Path, cause: &std::io::Error) -> KeysError {
    let message = format!(
        "cannot {what} {}: {cause}; its folder must exist and be writable by the user of this program",
        path.display()
    );
    KeysError::Disk { message }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn new(note: &str) -> NewKey {
        NewKey { access: Access::Change, accounts: None, note: note.to_owned() }
    }

    fn ids(path: &Path) -> Vec<String> {
        KeyRing::read(path).unwrap().unwrap().keys().iter().map(|key| key.id().to_owned()).collect()
    }

    #[test]
    fn a_key_is_issued_into_a_file_of_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let now = "2026-11-22T18:00:00.5Z".parse().unwrap();
        let accounts = Some(BTreeSet::from(["corp".to_owned(), "the \"lab\"".to_owned()]));
        let issued = issue(&path, &NewKey { accounts, ..new("die \u{201e}Agentin\u{201c} \\") }, now).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(issued.id.starts_with("SEAT") && issued.id.len() == 20, "{}", issued.id);
        assert_eq!(issued.secret.expose_secret().len(), 40);
        let ring = KeyRing::read(&path).unwrap().unwrap();
        let key = ring.find(&issued.id).unwrap();
        assert_eq!(key.secret().expose_secret(), issued.secret.expose_secret());
        assert_eq!(key.note(), "die \u{201e}Agentin\u{201c} \\");
        assert!(key.reaches("the \"lab\"") && !key.reaches("other"));
        assert_eq!(key.created(), "2026-11-22T18:00:00Z".parse().ok());
        let second = issue(&path, &new(""), now).unwrap();
        assert_ne!(second.id, issued.id);
        assert_ne!(second.secret.expose_secret(), issued.secret.expose_secret());
        assert_eq!(ids(&path).len(), 2);
    }

    #[test]
    fn all_else_in_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let key = |id: &str| format!("[[key]]\nid = \"{id}\"\nsecret = \"{}\"\naccess = \"read\"\n", "s".repeat(40));
        let text = format!(
            "# All keys.\n\n# The first.\n{}# its end\n\n# The second,\n# of two lines.\n{}\n{}",
            key("A"),
            key("B"),
            key("C")
        );
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(revoke(&path, "B").unwrap().id(), "B");
        let expected = format!("# All keys.\n\n# The first.\n{}# its end\n\n{}", key("A"), key("C"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "the mode stays");
        assert!(matches!(revoke(&path, "B"), Err(KeysError::Unknown { .. })));
        let issued = issue(&path, &new("later"), Timestamp::UNIX_EPOCH).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&expected));
        revoke(&path, "C").unwrap();
        revoke(&path, "A").unwrap();
        assert_eq!(ids(&path), [issued.id]);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("# All keys.\n\n"));
    }

    #[test]
    fn what_cannot_be_edited_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let secret = "s".repeat(40);
        let one = |id: &str| format!("{{ id = \"{id}\", secret = \"{secret}\", access = \"read\" }}");
        let text = format!("key = [{}, {}]\n", one("A"), one("B"));
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(ids(&path), ["A", "B"]);
        for error in [revoke(&path, "A").unwrap_err(), issue(&path, &new(""), Timestamp::UNIX_EPOCH).unwrap_err()] {
            assert!(matches!(error, KeysError::ByHand { .. } | KeysError::Wrong { .. }), "{error}");
            assert!(!error.to_string().contains(&secret));
        }
        let wrong = NewKey { accounts: Some(BTreeSet::new()), ..new("") };
        for wrong in [wrong, new("two\nlines"), new("\u{7f}"), new(&"n".repeat(1_000))] {
            let error = issue(&folder.path().join("other.toml"), &wrong, Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(matches!(error, KeysError::Wrong { .. }), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(!folder.path().join("other.toml").exists());
        assert!(!folder.path().join("keys.toml.new").exists());
    }

    #[test]
    fn one_edit_at_a_time_and_a_half_one_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        std::fs::write(folder.path().join("keys.toml.new"), "half").unwrap();
        let held = Edit::begin(&path).unwrap();
        assert!(matches!(issue(&path, &new(""), Timestamp::UNIX_EPOCH), Err(KeysError::InUse { .. })));
        drop(held);
        issue(&path, &new(""), Timestamp::UNIX_EPOCH).unwrap();
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        issue(&link, &new(""), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(ids(&path).len(), 2, "a link is followed, not replaced");
        let error = issue(&folder.path().join("none/keys.toml"), &new(""), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("its folder must exist"), "{error}");
    }

    fn new_token(account: &str) -> NewToken {
        NewToken { account: account.to_owned(), access: Access::Change, licences: false, note: "Okta".to_owned() }
    }

    #[test]
    fn a_token_is_good_until_it_is_revoked_and_stands_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let now = "2026-11-22T18:00:00Z".parse().unwrap();
        let key = issue(&path, &new("an agent"), now).unwrap();
        let first = issue_token(&path, &new_token("corp"), now).unwrap();
        let other = issue_token(&path, &NewToken { licences: true, ..new_token("lab") }, now).unwrap();
        let text =
            std::fs::read_to_string(&path).unwrap().replace("[[scim]]\nid = \"SCIM", "# Whose?\n[[scim]]\nid = \"SCIM");
        std::fs::write(&path, text).unwrap();
        let whose = |token: &SecretString| {
            let text = std::fs::read_to_string(&path).unwrap();
            let (_, secret) = token.expose_secret().split_once('.').unwrap();
            assert!(!text.contains(secret), "a token stands in the file");
            let ring = KeyRing::read(&path).unwrap().unwrap();
            assert_eq!(ring.keys().iter().map(|key| key.id()).collect::<Vec<_>>(), [key.id.as_str()]);
            ring.bearer(token.expose_secret()).map(|token| token.account().to_owned())
        };
        assert_eq!(whose(&first.token).as_deref(), Some("corp"));
        assert_eq!(whose(&other.token).as_deref(), Some("lab"));
        // Rotated, both are good; once more, the first one is not.
        let second = rotate(&path, &first.id, now).unwrap();
        assert_eq!(
            (second.id.as_str(), whose(&first.token), whose(&second.token)),
            (&*first.id, Some("corp".into()), Some("corp".into()))
        );
        let third = rotate(&path, &first.id, now).unwrap();
        assert_eq!(
            (whose(&first.token), whose(&second.token).is_some(), whose(&third.token).is_some()),
            (None, true, true)
        );
        assert!(revoke_former(&path, &first.id).unwrap());
        assert!(!revoke_former(&path, &first.id).unwrap());
        assert_eq!((whose(&second.token), whose(&third.token).is_some()), (None, true));
        assert_eq!(std::fs::read_to_string(&path).unwrap().matches("# Whose?").count(), 2, "comments stay");
        assert_eq!(revoke_token(&path, &first.id).unwrap().note(), "Okta");
        assert_eq!((whose(&third.token), whose(&other.token).is_some()), (None, true));
        assert!(matches!(rotate(&path, &first.id, now), Err(KeysError::Unknown { .. })));
        assert!(matches!(revoke_token(&path, &key.id), Err(KeysError::Unknown { .. })), "a key is no token");
        revoke(&path, &key.id).unwrap();
        let ring = KeyRing::read(&path).unwrap().unwrap();
        let token = ring.token(&other.id).unwrap();
        assert!(token.may_change_licences() && !token.has_former());
        for wrong in ["", ".", &format!("{}.", other.id), &format!("{}.{}", other.id, "x".repeat(40)), &other.id] {
            assert!(ring.bearer(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn issued_and_revoked_the_others_stay(steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>(), "\\PC{0,20}"), 1..12)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.toml");
            let mut model: Vec<(String, String)> = Vec::new();
            for (is_new, at, note) in steps {
                if is_new || model.is_empty() {
                    let issued = issue(&path, &new(&note), Timestamp::UNIX_EPOCH).unwrap();
                    model.push((issued.id, note));
                } else {
                    let (id, note) = model.remove(at.index(model.len()));
                    let revoked = revoke(&path, &id).unwrap();
                    prop_assert_eq!(revoked.note(), note);
                }
                model.sort();
                let ring = KeyRing::read(&path).unwrap().unwrap();
                let keys: Vec<_> = ring.keys().iter().map(|key| (key.id().to_owned(), key.note().to_owned())).collect();
                prop_assert_eq!(&keys, &model);
            }
        }
    }
}
