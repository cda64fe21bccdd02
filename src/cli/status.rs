//! `status`: the last pass, and what waits for somebody.

use super::arguments::StatusOptions;
use super::exit::{Exit, Stop};
use super::world::{self, Purpose};
use super::{json, show};
use crate::model::{HeldNote, Memory};
use crate::state::StateStore;
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync status`.
pub(super) async fn status(config: &Path, options: StatusOptions) -> Result<Exit, Stop> {
    let config = world::configuration(config)?;
    let memory = world::state(&config, Purpose::Look)?.load().await?;
    if options.json {
        json::print(&json::status(&memory))?
    } else {
        show::say(&text(&memory))?
    }
    Ok(Exit::Done)
}

fn text(memory: &Memory) -> String {
    let (word, reason) = json::state_word(memory);
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
    if let Some(HeldNote { hash, losses, gains, since }) = &memory.held {
        _ = writeln!(
            out,
            "held       {losses} losses, {gains} gains since {}: seatsync approve {hash}",
            show::time(*since)
        );
    }
    _ = writeln!(out, "seats      {} active of {} accounts known", memory.snapshot.held(), memory.snapshot.len());
    out
}
