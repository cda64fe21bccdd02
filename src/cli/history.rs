//! `history`: the audit log of actions.

use super::arguments::HistoryOptions;
use super::exit::{Exit, Stop};
use super::world::{self, Purpose, Ties};
use super::{ask, json, show};
use crate::control::{Answer, Ask};
use crate::model::HistoryEntry;
use crate::pass::{self, Kept};
use std::path::Path;

/// `seatsync history`.
pub(super) async fn history(config: &Path, options: HistoryOptions) -> Result<Exit, Stop> {
    let HistoryOptions { user, last, json } = options;
    let entries = match ask::service(config, Ask::History { user: user.clone(), last }).await? {
        Some(Answer::History(entries)) => entries,
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let mut state = world::state(&config, Purpose::Look)?;
            let mut directory = world::directory(&config, &Ties::default())?;
            pass::history(Some(&mut directory), &mut state, &mut Kept::default(), user.as_deref(), last).await?
        }
    };
    if json {
        json::print(&json::history(&entries))?
    } else {
        show::say(&text(&entries))?
    }
    Ok(Exit::Done)
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
