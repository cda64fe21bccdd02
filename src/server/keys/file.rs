//! The key file, read and checked: all that is wrong with it at once, each with its line.
//!
//! Read by hand and not by `serde`, which stops at the first mistake and may show what stands there.

use super::{
    Access, KEY_ACCOUNT_CHARS_MAX, KEY_ACCOUNTS_MAX, KEY_FILE_BYTES_MAX, KEYS_MAX, Key, KeyProblem, KeyRing, KeysError,
    NOTE_CHARS_MAX, SECRET_CHARS_MAX, SECRET_CHARS_MIN, Token, TokenDigest, token,
};
use crate::model::Timestamp;
use crate::wire::signature::{KEY_ID_CHARS_MAX, is_key_id};
use secrecy::SecretString;
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most problems told at once.
const PROBLEMS_MAX: usize = 50;
/// Longest name of a key that is shown in a problem, in characters: a longer one may be a secret in the wrong place.
const SHOWN_CHARS_MAX: usize = 20;

/// The text of the file; `None` when there is none.
pub(super) fn text(path: &Path) -> Result<Option<SecretString>, KeysError> {
    let shown = path.display();
    let disk = |message: String| KeysError::Disk { message };
    let unreadable = |cause: std::io::Error| {
        disk(format!(
            "cannot read the access keys in {shown}: {cause}; it must be readable by the user of this program"
        ))
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    match std::fs::metadata(path) {
        Ok(metadata) => check(&metadata, path)?,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(cause)),
    }
    let file = File::open(path).map_err(unreadable)?;
    // Looked at again, since another file may have taken the name in between.
    check(&file.metadata().map_err(unreadable)?, path)?;
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(too_large(path));
    }
    let text = String::from_utf8(bytes).map_err(|_| disk(format!("{shown} is not UTF-8 text; save it as UTF-8")))?;
    // A byte order mark is allowed by TOML and would shift every place.
    Ok(Some(SecretString::from(text.strip_prefix('\u{feff}').unwrap_or(&text))))
}

fn check(metadata: &Metadata, path: &Path) -> Result<(), KeysError> {
    let shown = path.display();
    let mode = metadata.permissions().mode();
    if !metadata.is_file() {
        return Err(KeysError::Disk {
            message: format!("{shown} is not a regular file; name the file with the access keys"),
        });
    }
    if mode & 0o007 != 0 {
        return Err(KeysError::Disk {
            message: format!(
                "{shown} is open to every user (mode {:04o}), and it holds secrets; close it with: chmod o= {shown}   and issue new keys if others may have read it",
                mode & 0o7777
            ),
        });
    }
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(too_large(path));
    }
    Ok(())
}

fn too_large(path: &Path) -> KeysError {
    let message = format!("{} is larger than {KEY_FILE_BYTES_MAX} bytes; revoke keys that nobody uses", path.display());
    KeysError::Disk { message }
}

/// What the text means, or all that is wrong with it.
pub(super) fn parse(text: &str) -> Result<KeyRing, Vec<KeyProblem>> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut found = Found { text, problems: Vec::new() };
    for error in errors {
        // Without its echo of the line, which may hold a secret.
        found.add(error.span().unwrap_or(0..0), format!("not valid TOML: {}", error.message()));
    }
    if found.problems.is_empty() {
        let ring = ring(tree.get_ref(), &mut found);
        if found.problems.is_empty() {
            return Ok(ring);
        }
    }
    found.problems.sort_by_key(|problem| problem.line);
    found.problems.truncate(PROBLEMS_MAX);
    Err(found.problems)
}

/// Where each `[[key]]` and `[[scim]]` stands in the text: the place of its header, by id, in the order of the text.
pub(super) fn places(text: &str) -> Vec<(String, usize)> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let tables = ["key", "scim"].into_iter().filter_map(|name| tree.get_ref().get(name)?.get_ref().as_array());
    let placed = tables.flatten().filter_map(|key| {
        let id = key.get_ref().as_table()?.get("id")?.get_ref().as_str()?;
        Some((id.to_owned(), key.span().start))
    });
    let mut places: Vec<(String, usize)> = placed.collect();
    places.sort_by_key(|(_, place)| *place);
    places
}

struct Found<'t> {
    text: &'t str,
    problems: Vec<KeyProblem>,
}

impl Found<'_> {
    fn add(&mut self, at: Range<usize>, message: String) {
        let line = 1 + self.text.bytes().take(at.start).filter(|byte| *byte == b'\n').count();
        self.problems.push(KeyProblem { line, message });
    }
}

fn ring(tree: &DeTable<'_>, found: &mut Found<'_>) -> KeyRing {
    let mut keys: HashMap<String, Arc<Key>> = HashMap::new();
    let mut tokens: HashMap<String, Arc<Token>> = HashMap::new();
    for (name, value) in tree {
        let is_scim = name.get_ref() == "scim";
        let tables = value.get_ref().as_array().filter(|_| is_scim || name.get_ref() == "key");
        let Some(tables) = tables else {
            let what = shown(name.get_ref());
            found.add(
                name.span(),
                format!("{what} is not known here; each key begins with [[key]], each token with [[scim]]"),
            );
            continue;
        };
        if tables.len() > KEYS_MAX {
            found.add(name.span(), format!("there are more than {KEYS_MAX} keys; revoke those that nobody uses"));
            continue;
        }
        for table in tables {
            let at = table.span();
            let Some(table) = table.get_ref().as_table() else {
                found.add(at, "this is not a key; each key begins with [[key]], each token with [[scim]]".to_owned());
                continue;
            };
            if is_scim {
                let Some(token) = bearer(table, at.clone(), found) else { continue };
                if keys.contains_key(&token.id) || tokens.contains_key(&token.id) {
                    found.add(at, format!("the id {} stands twice; each key has its own", token.id));
                } else {
                    tokens.insert(token.id.clone(), Arc::new(token));
                }
                continue;
            }
            let Some(key) = key(table, at.clone(), found) else { continue };
            if keys.contains_key(&key.id) || tokens.contains_key(&key.id) {
                found.add(at, format!("the id {} stands twice; each key has its own", key.id));
            } else {
                keys.insert(key.id.clone(), Arc::new(key));
            }
        }
    }
    KeyRing { keys, tokens }
}

/// One token; `None` when anything about it is wrong, which is noted.
fn bearer(table: &DeTable<'_>, at: Range<usize>, found: &mut Found<'_>) -> Option<Token> {
    let before = found.problems.len();
    let (mut id, mut digest, mut former, mut account) = (None, None, None, None);
    let (mut access, mut licences, mut note, mut created) = (None, false, None, None);
    for (name, value) in table {
        match name.get_ref().as_ref() {
            "id" => id = text_of("id", value, found).filter(|text| id_is_right(text, value, found)),
            "sha256" => digest = digest_of("sha256", value, found),
            "former_sha256" => former = digest_of("former_sha256", value, found),
            "account" => {
                account = text_of("account", value, found).filter(|text| is_account(text));
                if account.is_none() {
                    found.add(value.span(), "`account` must be the id of one account in quotes".to_owned());
                }
            }
            "access" => access = access_of(value, found),
            "licences" => match value.get_ref().as_bool() {
                Some(it) => licences = it,
                None => found.add(value.span(), "`licences` must be true or false".to_owned()),
            },
            "note" => note = text_of("note", value, found).filter(|text| note_is_right(text, value, found)),
            "created" => created = created_of(value, found),
            other => found.add(
                name.span(),
                format!(
                    "{} is not known in a [[scim]]; there are id, sha256, former_sha256, account, access, licences, note and \
                     created",
                    shown(other)
                ),
            ),
        }
    }
    for name in ["id", "sha256", "account", "access"] {
        if table.get(name).is_none() {
            let message = format!("`{name}` is missing in this [[scim]]; `seatstore key new --scim` makes a whole one");
            found.add(at.clone(), message);
        }
    }
    if found.problems.len() > before {
        return None;
    }
    Some(Token {
        id: id?.to_owned(),
        digest: digest?,
        former,
        account: account?.to_owned(),
        access: access?,
        licences,
        note: note.unwrap_or_default().to_owned(),
        created,
    })
}

fn digest_of(name: &str, value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> Option<TokenDigest> {
    let digest = value.get_ref().as_str().and_then(token::unhex);
    if digest.is_none() {
        found.add(
            value.span(),
            format!("`{name}` must be 64 hexadecimal digits: it is no token, but the SHA-256 of one"),
        );
    }
    digest
}

/// One key; `None` when anything about it is wrong, which is noted.
fn key(table: &DeTable<'_>, at: Range<usize>, found: &mut Found<'_>) -> Option<Key> {
    let before = found.problems.len();
    let (mut id, mut secret, mut access, mut accounts, mut note, mut created) = (None, None, None, None, None, None);
    for (name, value) in table {
        match name.get_ref().as_ref() {
            "id" => id = text_of("id", value, found).filter(|text| id_is_right(text, value, found)),
            "secret" => secret = text_of("secret", value, found).filter(|text| secret_is_right(text, value, found)),
            "access" => access = access_of(value, found),
            "accounts" => accounts = accounts_of(value, found),
            "note" => note = text_of("note", value, found).filter(|text| note_is_right(text, value, found)),
            "created" => created = created_of(value, found),
            other => found.add(
                name.span(),
                format!(
                    "{} is not known in a [[key]]; there are id, secret, access, accounts, note and created",
                    shown(other)
                ),
            ),
        }
    }
    for (name, example) in [("id", "\"SEAT3F9C0A51B2D47E88\""), ("secret", "\"…\""), ("access", "\"read\"")] {
        if table.get(name).is_none() {
            found.add(
                at.clone(),
                format!("`{name}` is missing in this [[key]]; add a line such as: {name} = {example}"),
            );
        }
    }
    if found.problems.len() > before {
        return None;
    }
    Some(Key {
        id: id?.to_owned(),
        secret: SecretString::from(secret?),
        access: access?,
        accounts,
        note: note.unwrap_or_default().to_owned(),
        created,
    })
}

/// The name of a key in the file; a long one may be a secret in the wrong place.
fn shown(name: &str) -> String {
    if name.chars().count() > SHOWN_CHARS_MAX { "this name".to_owned() } else { format!("`{}`", name.escape_debug()) }
}

fn text_of<'t>(name: &str, value: &'t Spanned<DeValue<'_>>, found: &mut Found<'_>) -> Option<&'t str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        found.add(value.span(), format!("`{name}` must be a text in quotes"));
    }
    text
}

fn id_is_right(text: &str, value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> bool {
    if !is_key_id(text) {
        found.add(
            value.span(),
            format!(
                "`id` must be 1 to {KEY_ID_CHARS_MAX} letters, digits and underscores, since it goes into a header"
            ),
        );
    }
    is_key_id(text)
}

fn secret_is_right(text: &str, value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> bool {
    let is_right =
        (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_right {
        found.add(
            value.span(),
            format!(
                "`secret` must be {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} ASCII characters without blanks; `seatstore key new` makes one"
            ),
        );
    }
    is_right
}

fn note_is_right(text: &str, value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> bool {
    let is_right = text.chars().count() <= NOTE_CHARS_MAX && !text.chars().any(char::is_control);
    if !is_right {
        found.add(value.span(), format!("`note` must be one line of at most {NOTE_CHARS_MAX} characters"));
    }
    is_right
}

fn access_of(value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> Option<Access> {
    let access = value.get_ref().as_str().and_then(Access::named);
    if access.is_none() {
        found.add(value.span(), "`access` must be \"read\" or \"change\"".to_owned());
    }
    access
}

fn accounts_of(value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> Option<BTreeSet<String>> {
    let names = value.get_ref().as_array().and_then(|list| {
        let names = list.iter().map(|name| name.get_ref().as_str().filter(|name| is_account(name)).map(str::to_owned));
        names.collect::<Option<BTreeSet<_>>>()
    });
    let Some(names) = names.filter(|names| (1..=KEY_ACCOUNTS_MAX).contains(&names.len())) else {
        found.add(
            value.span(),
            format!(
                "`accounts` must be a list of 1 to {KEY_ACCOUNTS_MAX} account ids in quotes; leave the line out for a key to all accounts"
            ),
        );
        return None;
    };
    Some(names)
}

fn is_account(name: &str) -> bool {
    (1..=KEY_ACCOUNT_CHARS_MAX).contains(&name.chars().count())
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control)
}

fn created_of(value: &Spanned<DeValue<'_>>, found: &mut Found<'_>) -> Option<Timestamp> {
    let time = value.get_ref().as_datetime().and_then(|time| time.to_string().parse().ok());
    if time.is_none() {
        found.add(value.span(), "`created` must be a time without quotes, such as 2026-11-22T18:00:00Z".to_owned());
    }
    time
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::Permissions;

    const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";

    fn problems(text: &str) -> String {
        let problems = parse(&text.replace("SECRET", SECRET)).unwrap_err();
        let shown = problems.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect::<Vec<_>>();
        let shown = shown.join("\n");
        assert!(!shown.contains(&SECRET[..12]), "{shown}");
        shown
    }

    #[test]
    fn a_file_is_what_it_says() {
        let text = format!(
            "# keys\n[[key]]\nid = \"SEAT1\"\nsecret = \"{SECRET}\"\naccess = \"change\"\naccounts = [\"corp\", \"lab\"]\nnote = \"the agent\"\ncreated = 2026-11-22T18:00:00Z\n\n[[key]]\nid = \"SEAT2\"\nsecret = '{SECRET}'\naccess = \"read\"\n"
        );
        let ring = parse(&text).unwrap();
        assert_eq!(ring.keys().iter().map(|key| key.id()).collect::<Vec<_>>(), ["SEAT1", "SEAT2"]);
        let agent = ring.find("SEAT1").unwrap();
        assert!(agent.may_change() && agent.reaches("corp") && agent.reaches("lab") && !agent.reaches("other"));
        assert_eq!((agent.note(), agent.created()), ("the agent", "2026-11-22T18:00:00Z".parse().ok()));
        let auditor = ring.find("SEAT2").unwrap();
        assert!(!auditor.may_change() && auditor.reaches("corp") && auditor.reaches("other"));
        assert_eq!((auditor.note(), auditor.created(), auditor.accounts()), ("", None, None));
        assert!(ring.find("SEAT3").is_none());
        assert!(parse("").unwrap().is_empty());
        assert_eq!(places(&text).len(), 2);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_its_line() {
        insta::assert_snapshot!(problems(
            r#"
[[key]]
id = "SEAT-1"
secret = "SECRET "
access = "write"
accounts = []
note = "two\nlines"
created = 2026-11-22
secrt = "SECRET"

[[key]]
id = 7
secret = 7
access = 7
accounts = "corp"
note = 7
created = "2026-11-22T18:00:00Z"

[[key]]

[[key]]
id = "SEAT2"
secret = "SECRET"
access = "read"
[[key]]
id = "SEAT2"
secret = "SECRET"
access = "read"

[keys]
"#
        ), @r#"
        3: `id` must be 1 to 128 letters, digits and underscores, since it goes into a header
        4: `secret` must be 40 to 128 ASCII characters without blanks; `seatstore key new` makes one
        5: `access` must be "read" or "change"
        6: `accounts` must be a list of 1 to 1000 account ids in quotes; leave the line out for a key to all accounts
        7: `note` must be one line of at most 200 characters
        8: `created` must be a time without quotes, such as 2026-11-22T18:00:00Z
        9: `secrt` is not known in a [[key]]; there are id, secret, access, accounts, note and created
        12: `id` must be a text in quotes
        13: `secret` must be a text in quotes
        14: `access` must be "read" or "change"
        15: `accounts` must be a list of 1 to 1000 account ids in quotes; leave the line out for a key to all accounts
        16: `note` must be a text in quotes
        17: `created` must be a time without quotes, such as 2026-11-22T18:00:00Z
        19: `id` is missing in this [[key]]; add a line such as: id = "SEAT3F9C0A51B2D47E88"
        19: `secret` is missing in this [[key]]; add a line such as: secret = "…"
        19: `access` is missing in this [[key]]; add a line such as: access = "read"
        25: the id SEAT2 stands twice; each key has its own
        30: `keys` is not known here; each key begins with [[key]], each token with [[scim]]
        "#);
    }

    #[test]
    fn no_mistake_shows_a_secret() {
        for text in [
            "[[key]]\nsecret = SECRET",
            "[[key]]\nsecret = \"SECRET",
            "[[key]]\nsecret \"SECRET\"",
            "[[key]]\nSECRET",
            "[[key]]\nSECRET = 1",
            "SECRET = 1",
            "[SECRET]",
            "[[key]]\nid = \"SECRET-\"",
            "[[key]]\nsecret = \"SECRET\"\nsecret = \"SECRET\"",
            "[[key]]\naccess = \"SECRET\"",
            "key = \"SECRET\"",
            "key = [\"SECRET\"]",
            "[[key]]\nsecret.SECRET = 1",
        ] {
            assert!(!problems(text).is_empty());
        }
    }

    #[test]
    fn there_are_limits() {
        let one = |at: usize| format!("[[key]]\nid = \"SEAT{at}\"\nsecret = \"{SECRET}\"\naccess = \"read\"\n");
        let many = |count| (0..count).map(one).collect::<String>();
        assert_eq!(parse(&many(KEYS_MAX)).unwrap().len(), KEYS_MAX);
        assert!(problems(&many(KEYS_MAX + 1)).contains("more than 1000 keys"));
        assert_eq!(parse(&"[[key]]\n".repeat(100)).unwrap_err().len(), PROBLEMS_MAX);
        let with = |line: String| format!("{}{line}\n", one(1));
        let names = |count: usize| (0..count).map(|at| format!("\"a{at}\"")).collect::<Vec<_>>().join(",");
        assert!(parse(&with(format!("accounts = [{}]", names(KEY_ACCOUNTS_MAX)))).is_ok());
        assert!(problems(&with(format!("accounts = [{}]", names(KEY_ACCOUNTS_MAX + 1)))).starts_with("5: `accounts`"));
        assert!(problems(&with(format!("note = \"{}\"", "n".repeat(NOTE_CHARS_MAX + 1)))).starts_with("5: `note`"));
        for chars in [SECRET_CHARS_MIN - 1, SECRET_CHARS_MAX + 1] {
            assert!(problems(&one(1).replace(SECRET, &"s".repeat(chars))).starts_with("3: `secret`"));
        }
    }

    #[test]
    fn the_file_must_be_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        assert_eq!(KeyRing::read(&path), Ok(None));
        std::fs::write(&path, "\u{feff}").unwrap();
        for (mode, is_right) in
            [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o602, false), (0o601, false)]
        {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = KeyRing::read(&path);
            assert_eq!(read.is_ok(), is_right, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod o= "), "{error}");
            }
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, vec![b'#'; KEY_FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(KeyRing::read(&path).unwrap_err().to_string().contains("larger than"));
        std::fs::write(&path, b"# \xff").unwrap();
        assert!(KeyRing::read(&path).unwrap_err().to_string().contains("UTF-8"));
        assert!(KeyRing::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
        assert!(KeyRing::read(Path::new("/dev/null")).unwrap_err().to_string().contains("not a regular file"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(\\[\\[key\\]\\]\n|id = \"a\"\n|secret = |access = \"read\"\n|accounts = \\[|\\PC|\n){0,12}") {
            let places = places(&text);
            prop_assert!(places.iter().all(|(_, at)| *at <= text.len()));
            if let Ok(ring) = parse(&text) {
                prop_assert_eq!(ring.len(), places.len());
            }
        }
    }
}
