//! `history`: the audit log of actions.

use super::arguments::HistoryOptions;
use super::exit::{Exit, Stop};
use super::world::{self, Purpose};
use super::{json, show};
use crate::config::Config;
use crate::decide::absorb;
use crate::directory::Directory;
use crate::model::{Email, HistoryEntry, Meter, ObjectGuid};
use crate::pass::{PassError, resolve};
use crate::state::StateStore;
use std::collections::HashSet;
use std::path::Path;

/// `seatsync history`.
pub(super) async fn history(config: &Path, options: HistoryOptions) -> Result<Exit, Stop> {
    let HistoryOptions { user, last, json } = options;
    let config = world::configuration(config)?;
    let mut state = world::state(&config, Purpose::Look)?;
    let mut entries = Vec::new();
    match &user {
        None => entries = state.history(None, last).await?,
        Some(who) => {
            for guid in people(who, &config, &mut state).await? {
                entries.extend(state.history(Some(guid), last).await?);
            }
            entries.sort_by_key(|entry| entry.at);
            entries.drain(..entries.len().saturating_sub(last));
        }
    }
    if json {
        json::print(&json::history(&entries))?
    } else {
        show::say(&text(&entries))?
    }
    Ok(Exit::Done)
}

/// Whom a name means: by identity or a known address without asking the directory, else as the directory says.
async fn people(who: &str, config: &Config, state: &mut impl StateStore) -> Result<HashSet<ObjectGuid>, Stop> {
    if let Some(guid) = ObjectGuid::parse(who) {
        return Ok([guid].into());
    }
    if let Some(email) = Email::parse(who) {
        let known: HashSet<ObjectGuid> = state
            .history(None, usize::MAX)
            .await?
            .into_iter()
            .filter(|entry| entry.email == email)
            .map(|entry| entry.guid)
            .collect();
        if !known.is_empty() {
            return Ok(known);
        }
    }
    let memory = state.load().await?;
    let roster = absorb(world::directory(config, &Meter::default())?.read().await.map_err(PassError::Directory)?);
    resolve(who, &roster, &memory).ok_or_else(|| PassError::Nobody(who.to_owned()).into())
}

fn text(entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return "no actions\n".to_owned();
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|HistoryEntry { at, pass, guid: _, email, action, from, to, because, error }| {
            let why = error.as_ref().map_or_else(|| because.clone(), |error| format!("FAILED: {error} ({because})"));
            vec![
                show::time(*at),
                pass.to_string(),
                action.to_string(),
                email.to_string(),
                format!("{from} -> {to}"),
                why,
            ]
        })
        .collect();
    show::table(&["when", "pass", "what", "who", "from -> to", "why"], &rows)
}
