//! `seatstore key`: who may ask the server.

use super::arguments::KeyCommand;
use super::give::all_accounts;
use super::reach::Reach;
use super::show::document;
use crate::cli::exit::{Exit, Stop};
use crate::cli::show::{printable, say, time};
use crate::model::Timestamp;
use crate::server::keys::{self, Access, IssuedKey, IssuedToken, Key, KeyRing, KeysError, NewKey, NewToken, Token};
use crate::store::AccountId;
use secrecy::ExposeSecret;
use serde_json::json;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is to be done before an edit of the file counts.
const RELOAD: &str = "a running server takes it in when it reloads (SIGHUP)";
/// The file of a token.
const TOKEN_FILE: &str = "scim-token";

/// `seatstore key …`.
pub(super) async fn keys(mut reach: Reach, command: KeyCommand, json: bool) -> Result<Exit, Stop> {
    let path = &reach.config().api.keys_file.clone();
    match command {
        KeyCommand::New { account, read_only, scim, licences, note, out } => {
            if scim && account.len() != 1 {
                return Err(Stop::Usage("a SCIM client's token is for one account: give --account once".to_owned()));
            }
            check_there(&mut reach, &account).await?;
            super::make_folder_of(path)?;
            let access = if read_only { Access::Read } else { Access::Change };
            if let (true, [account]) = (scim, account.as_slice()) {
                let new = NewToken { account: account.to_string(), access, licences, note };
                let issue = || keys::issue_token(path, &new, Timestamp::now());
                return tell_token(path, out.as_deref(), issue, json);
            }
            let accounts = (!account.is_empty()).then(|| account.iter().map(AccountId::to_string).collect());
            new_key(path, out.as_deref(), &NewKey { access, accounts, note }, json)?;
        }
        KeyCommand::List => list(path, json)?,
        KeyCommand::Rotate { id, out } => {
            return tell_token(path, out.as_deref(), || keys::rotate(path, &id, Timestamp::now()), json);
        }
        KeyCommand::Revoke { id, former } => revoke(path, &id, former, json)?,
    }
    Ok(Exit::Done)
}

/// Refuses a key for an account that is not there: its holder would find out much later, and could get in when somebody makes an
/// account of that id. A key is not refused because nobody can be asked: the first one for a running server may be this one.
async fn check_there(reach: &mut Reach, named: &[AccountId]) -> Result<(), Stop> {
    if named.is_empty() {
        return Ok(());
    }
    let accounts = match all_accounts(reach).await {
        Ok(accounts) => accounts,
        Err(Stop::Other(why)) => {
            tracing::warn!("the key is issued without a look whether its account exists: {why}");
            return Ok(());
        }
        Err(stop) => return Err(stop),
    };
    for id in named {
        let wrong = match accounts.iter().find(|line| *line.id == *id.as_str()) {
            Some(line) if line.closed_at.is_none() => continue,
            Some(_) => format!("was deleted: `seatstore account restore {id}` takes that back"),
            None => "does not exist: `seatstore account list` shows those that do".to_owned(),
        };
        return Err(Stop::Other(format!(
            "account {} {}; no key was issued",
            printable(id.as_str()),
            printable(&wrong)
        )));
    }
    Ok(())
}

fn failed(error: KeysError) -> Stop {
    Stop::Other(error.to_string())
}

fn new_key(path: &Path, out: Option<&Path>, new: &NewKey, json: bool) -> Result<(), Stop> {
    let files = out.map(|folder| KeyFiles::create(folder, &["access-key-id", "secret-access-key"])).transpose()?;
    let IssuedKey { id, secret } = keys::issue(path, new, Timestamp::now()).map_err(failed)?;
    let secret = secret.expose_secret();
    if let Some(files) = files {
        let folder = files.fill(&id, &[&id, secret])?;
        return told_in(&id, &folder, path, json);
    }
    if json {
        return document(&json!({"answer": "key", "id": id, "secret": secret}));
    }
    say(&format!("access key id      {id}\nsecret access key  {secret}\nwritten to {}; {RELOAD}\n", path.display()))
}

/// A token that was issued or rotated.
fn tell_token(
    path: &Path,
    out: Option<&Path>,
    issue: impl FnOnce() -> Result<IssuedToken, KeysError>,
    json: bool,
) -> Result<Exit, Stop> {
    let files = out.map(|folder| KeyFiles::create(folder, &[TOKEN_FILE])).transpose()?;
    let IssuedToken { id, token } = issue().map_err(failed)?;
    let token = token.expose_secret();
    if let Some(files) = files {
        let folder = files.fill(&id, &[token])?;
        told_in(&id, &folder, path, json)?;
    } else if json {
        document(&json!({"answer": "token", "id": id, "token": token}))?;
    } else {
        say(&format!(
            "id     {id}\ntoken  {token}\nits SHA-256 is written to {}, the token itself nowhere; {RELOAD}\n",
            path.display()
        ))?;
    }
    Ok(Exit::Done)
}

fn told_in(id: &str, folder: &Path, path: &Path, json: bool) -> Result<(), Stop> {
    if json {
        return document(&json!({"answer": "key", "id": id, "out": folder}));
    }
    say(&format!("{id} is in {} and {}; {RELOAD}\n", folder.display(), path.display()))
}

fn list(path: &Path, json: bool) -> Result<(), Stop> {
    let ring = KeyRing::read(path).map_err(failed)?.unwrap_or_default();
    if json {
        let keys = ring.keys().into_iter().map(shown).chain(ring.tokens().into_iter().map(shown_token));
        return document(&json!({"answer": "keys", "keys": keys.collect::<Vec<_>>()}));
    }
    if ring.is_empty() {
        return say(&format!("there is no key in {}: make one with `seatstore key new`\n", path.display()));
    }
    let rows = ring.keys().into_iter().map(row).chain(ring.tokens().into_iter().map(row_of_token));
    say(&super::show::table(&["id", "may", "accounts", "created", "note"], &rows.collect::<Vec<_>>()))
}

fn revoke(path: &Path, id: &str, former: bool, json: bool) -> Result<(), Stop> {
    let ring = KeyRing::read(path).map_err(failed)?.unwrap_or_default();
    let (shown, what) = match (ring.token(id), former) {
        (Some(token), true) => {
            if !keys::revoke_former(path, id).map_err(failed)? {
                return Err(Stop::Other(format!("{id} has no former secret: it was not rotated since")));
            }
            (shown_token(token), "the former secret of ")
        }
        (Some(_), false) => (shown_token(keys::revoke_token(path, id).map_err(failed)?.as_ref()), ""),
        (None, true) => return Err(Stop::Usage(format!("{id} is no token: only those have a former secret"))),
        (None, false) => (shown(keys::revoke(path, id).map_err(failed)?.as_ref()), ""),
    };
    if json {
        return document(&json!({"answer": "revoked", "key": shown}));
    }
    say(&format!("{what}{id} is taken out of {}; {RELOAD}\n", path.display()))
}

/// The files of an issued key, made before the key is: a key whose secret nobody has is of no use.
struct KeyFiles {
    folder: PathBuf,
    files: Vec<File>,
}

impl KeyFiles {
    /// Makes them, empty. One that is there is never written over: somebody may use it.
    fn create(folder: &Path, names: &[&str]) -> Result<Self, Stop> {
        let failed = |path: &Path, error: std::io::Error| {
            Stop::Other(format!("the key cannot be written to {}: {error}; no key was issued", path.display()))
        };
        let create = |name: &&str| {
            let path = folder.join(name);
            File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| failed(&path, error))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, error))?;
        let files: Result<Vec<File>, Stop> = names.iter().map(create).collect();
        Ok(Self { folder: folder.to_owned(), files: files? })
    }

    /// Writes a line to each; gives the folder.
    fn fill(self, id: &str, lines: &[&str]) -> Result<PathBuf, Stop> {
        let Self { folder, files } = self;
        for (mut file, line) in files.into_iter().zip(lines) {
            writeln!(file, "{line}").and_then(|()| file.sync_all()).map_err(|error| {
                let folder = folder.display();
                Stop::Other(format!(
                    "the key {id} was issued and could not be written to {folder}: {error}; revoke it: seatstore key revoke {id}"
                ))
            })?;
        }
        Ok(folder)
    }
}

fn shown(key: &Key) -> serde_json::Value {
    json!({
        "id": key.id(),
        "kind": "key",
        "access": key.access().name(),
        "accounts": key.accounts(),
        "created_at": key.created(),
        "note": key.note(),
    })
}

fn shown_token(token: &Token) -> serde_json::Value {
    json!({
        "id": token.id(),
        "kind": "scim",
        "access": token.access().name(),
        "licences": token.may_change_licences(),
        "accounts": [token.account()],
        "created_at": token.created(),
        "former_is_good": token.has_former(),
        "note": token.note(),
    })
}

fn row(key: &Key) -> Vec<String> {
    let accounts = key.accounts().map(|accounts| accounts.iter().cloned().collect::<Vec<_>>().join(", "));
    vec![
        key.id().to_owned(),
        key.access().name().to_owned(),
        accounts.unwrap_or_else(|| "all".to_owned()),
        key.created().map_or_else(|| "-".to_owned(), time),
        key.note().to_owned(),
    ]
}

fn row_of_token(token: &Token) -> Vec<String> {
    let mut may = format!("scim: {}", token.access().name());
    if token.may_change_licences() {
        may.push_str(", licences");
    }
    if token.has_former() {
        may.push_str(" (former secret too)");
    }
    vec![
        token.id().to_owned(),
        may,
        token.account().to_owned(),
        token.created().map_or_else(|| "-".to_owned(), time),
        token.note().to_owned(),
    ]
}
