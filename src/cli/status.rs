//! `status`: the last pass, and what waits for somebody.

use super::arguments::StatusOptions;
use super::exit::{Exit, Stop};
use super::world::{self, Purpose};
use super::{json, show};
use crate::model::{HeldNote, Memory, Timestamp};
use crate::state::StateStore;
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync status`.
pub(super) async fn status(config: &Path, options: StatusOptions) -> Result<Exit, Stop> {
    let config = world::configuration(config)?;
    let memory = world::state(&config, Purpose::Look)?.load().await?;
    let now = Timestamp::now();
    if options.json {
        json::print(&json::status(&memory, &config.limits, now))?;
    } else {
        show::say(&text(&memory, now))?;
    }
    Ok(Exit::Done)
}

fn text(memory: &Memory, now: Timestamp) -> String {
    let (word, reason) = json::state_word(memory, now);
    let mut out = match reason {
        None => format!("state      {word}\n"),
        Some(reason) => format!("state      {word}: {}\n", show::printable(&reason)),
    };
    if let Some(last) = memory.passes.last() {
        let counts = &last.counts;
        _ = writeln!(
            out,
            "last pass  {} at {}, {} ms: {} people, {} to be seated, {} changes, {} held, {} failed",
            last.id,
            show::time(last.at),
            last.took_ms,
            counts.people,
            counts.seated,
            counts.changes,
            counts.held,
            counts.failed
        );
    }
    if let Some(at) = memory.last_good {
        _ = writeln!(out, "last good  {}", show::time(at));
    }
    if let Some(held @ HeldNote { hash, losses, gains, since }) = &memory.held {
        let todo = match json::standing(memory, held, now) {
            None => format!("seatsync approve {hash}"),
            Some(approval) => {
                format!("approved by {}, until {}", show::printable(&approval.by), show::time(approval.expires))
            }
        };
        _ = writeln!(out, "held       {losses} losses, {gains} gains since {}: {todo}", show::time(*since));
    }
    _ = writeln!(out, "seats      {} active of {} accounts known", memory.snapshot.held(), memory.snapshot.len());
    out
}
