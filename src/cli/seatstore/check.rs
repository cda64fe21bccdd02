//! `seatstore check`: what an operator can get wrong, as far as it can be seen without asking a server anything.

use super::remote;
use super::show::document;
use crate::cli::exit::{Exit, Stop};
use crate::cli::show::{printable, say, time};
use crate::config::seatstore::SeatstoreConfig;
use crate::listen::tls::TlsSource;
use crate::model::Timestamp;
use crate::server::keys::KeyRing;
use crate::store::{StoreError, sled_disk};
use serde_json::json;
use std::path::Path;

/// A certificate that is valid for less is told as a problem, in days.
pub(super) const CERTIFICATE_DAYS_MIN: i64 = 14;
pub(super) const HOURS_A_DAY: i64 = 24;

/// `seatstore check`.
pub(super) async fn check(path: &Path, config: &SeatstoreConfig, json: bool) -> Result<Exit, Stop> {
    let book = account_store(config);
    let results = [
        ("configuration", Ok(format!("{} is valid", path.display()))),
        ("address", address(config, matches!(book, Ok(Found::InUse(_)))).await),
        ("account store", book.map(|(Found::Free(text) | Found::InUse(text))| text)),
        ("keys", keys(config)),
        ("certificate", certificate(config, Timestamp::now())),
    ];
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if json {
        let results = results.map(|(what, result)| {
            let ok = result.is_ok();
            json!({"what": what, "ok": ok, "message": result.unwrap_or_else(|text| text)})
        });
        document(&json!({"answer": "check", "problems": failed, "results": results}))?;
    } else {
        for (what, result) in results {
            let (word, text) = match result {
                Ok(text) => ("ok  ", text),
                Err(text) => ("FAIL", text),
            };
            say(&format!("{word}  {what:<14}{}\n", printable(&text)))?;
        }
        say(&match failed {
            0 => "all is well\n".to_owned(),
            1 => "1 problem\n".to_owned(),
            many => format!("{many} problems\n"),
        })?;
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// What is with the book.
enum Found {
    /// Nobody has it.
    Free(String),
    /// Somebody has: the server, most likely.
    InUse(String),
}

fn account_store(config: &SeatstoreConfig) -> Result<Found, String> {
    let shown = config.store_path.display();
    match sled_disk::look(&config.store_path) {
        Ok(book) => {
            let users: usize = book.accounts().map(|account| account.users().len()).sum();
            let accounts = book.accounts().count();
            Ok(Found::Free(format!("{shown}: accounts: {accounts}, users: {users}; no server is running")))
        }
        // Whoever has it could open it.
        Err(StoreError::InUse { message }) => Ok(Found::InUse(message)),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Disk { .. } | StoreError::TooNew { .. })) => {
            Err(error.to_string())
        }
    }
}

/// Whether the server listens, or could.
async fn address(config: &SeatstoreConfig, is_in_use: bool) -> Result<String, String> {
    let address = config.listen.address;
    match (remote::is_there(&config.listen).await, is_in_use) {
        (Ok(()), true) => Ok(format!("a server listens on {address}")),
        (Ok(()), false) => {
            Err(format!("another program listens on {address}: stop it, or take another address in [listen]"))
        }
        (Err(_), false) => Ok(format!("{address} is free")),
        (Err(why), true) => Err(format!(
            "the account store is in use, and no server answers at {why}; is a server running with another [listen] \
             address?"
        )),
    }
}

fn keys(config: &SeatstoreConfig) -> Result<String, String> {
    let shown = config.api.keys_file.display();
    match KeyRing::read(&config.api.keys_file) {
        Ok(Some(ring)) if !ring.is_empty() => Ok(format!("{shown}: keys: {}", ring.len())),
        Ok(_) => Ok(format!("{shown}: none yet, nobody may ask; make one with `seatstore key new`")),
        Err(error) => Err(error.to_string()),
    }
}

fn certificate(config: &SeatstoreConfig, now: Timestamp) -> Result<String, String> {
    let Some(files) = &config.listen.tls else {
        return Ok("none: plain HTTP".to_owned());
    };
    let source = TlsSource::open(files.certificate.clone(), files.key.clone()).map_err(|error| error.to_string())?;
    let shown = files.certificate.display();
    let until = source.not_after();
    let days = until.duration_since(now).as_hours() / HOURS_A_DAY;
    if until <= now {
        Err(format!("{shown} expired at {}: put the renewed one there", time(until)))
    } else if days < CERTIFICATE_DAYS_MIN {
        Err(format!("{shown} expires in {days} days, at {}: renew it", time(until)))
    } else {
        Ok(format!("{shown} is valid for {days} more days"))
    }
}
