//! `seatstore key`: who may ask the server.

use super::arguments::KeyCommand;
use crate::cli::exit::{Exit, Stop};
use crate::cli::show::{say, time};
use crate::config::seatstore::SeatstoreConfig;
use crate::model::Timestamp;
use crate::server::keys::{self, Access, IssuedKey, Key, KeyRing, KeysError, NewKey};
use crate::store::AccountId;
use secrecy::ExposeSecret;
use serde_json::json;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is to be done before an edit of the file counts.
const RELOAD: &str = "a running server takes it in when it reloads (SIGHUP)";

/// `seatstore key …`.
pub(super) fn keys(config: &SeatstoreConfig, command: KeyCommand, json: bool) -> Result<Exit, Stop> {
    let path = &config.api.keys_file;
    let failed = |error: KeysError| Stop::Other(error.to_string());
    match command {
        KeyCommand::New { account, read_only, note, out } => {
            super::make_folder_of(path)?;
            let files = out.as_deref().map(KeyFiles::create).transpose()?;
            let accounts = (!account.is_empty()).then(|| account.iter().map(AccountId::to_string).collect());
            let access = if read_only { Access::Read } else { Access::Change };
            let new = NewKey { access, accounts, note };
            let IssuedKey { id, secret } = keys::issue(path, &new, Timestamp::now()).map_err(failed)?;
            let secret = secret.expose_secret();
            if let Some(files) = files {
                let folder = files.fill(&id, secret)?;
                if json {
                    super::show::document(&json!({"answer": "key", "id": id, "out": folder}))?;
                } else {
                    say(&format!("{id} is in {} and {}; {RELOAD}\n", folder.display(), path.display()))?;
                }
            } else if json {
                super::show::document(&json!({"answer": "key", "id": id, "secret": secret}))?;
            } else {
                say(&format!(
                    "access key id      {id}\nsecret access key  {secret}\nwritten to {}; {RELOAD}\n",
                    path.display()
                ))?;
            }
        }
        KeyCommand::List => {
            let ring = KeyRing::read(path).map_err(failed)?.unwrap_or_default();
            if json {
                let keys: Vec<_> = ring.keys().into_iter().map(shown).collect();
                super::show::document(&json!({"answer": "keys", "keys": keys}))?;
            } else if ring.is_empty() {
                say(&format!("there is no key in {}: make one with `seatstore key new`\n", path.display()))?;
            } else {
                let rows: Vec<Vec<String>> = ring.keys().into_iter().map(row).collect();
                say(&super::show::table(&["id", "may", "accounts", "created", "note"], &rows))?;
            }
        }
        KeyCommand::Revoke { id } => {
            let key = keys::revoke(path, &id).map_err(failed)?;
            if json {
                super::show::document(&json!({"answer": "revoked", "key": shown(&key)}))?;
            } else {
                say(&format!("{id} is taken out of {}; {RELOAD}\n", path.display()))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The two files of an issued key, made before the key is: a key whose secret nobody has is of no use.
struct KeyFiles {
    folder: PathBuf,
    id: File,
    secret: File,
}

impl KeyFiles {
    /// Makes both, empty. One that is there is never written over: somebody may use it.
    fn create(folder: &Path) -> Result<Self, Stop> {
        let failed = |path: &Path, error: std::io::Error| {
            Stop::Other(format!("the key cannot be written to {}: {error}; no key was issued", path.display()))
        };
        let create = |name: &str| {
            let path = folder.join(name);
            File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| failed(&path, error))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, error))?;
        Ok(Self { folder: folder.to_owned(), id: create("access-key-id")?, secret: create("secret-access-key")? })
    }

    /// Writes the key; gives the folder.
    fn fill(mut self, id: &str, secret: &str) -> Result<PathBuf, Stop> {
        let written = writeln!(self.id, "{id}").and_then(|()| writeln!(self.secret, "{secret}"));
        let written = written.and_then(|()| self.id.sync_all()).and_then(|()| self.secret.sync_all());
        written.map_err(|error| {
            let folder = self.folder.display();
            Stop::Other(format!(
                "the key {id} was issued and could not be written to {folder}: {error}; revoke it: seatstore key revoke {id}"
            ))
        })?;
        Ok(self.folder)
    }
}

fn shown(key: &Key) -> serde_json::Value {
    json!({
        "id": key.id(),
        "access": key.access().name(),
        "accounts": key.accounts(),
        "created_at": key.created(),
        "note": key.note(),
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
