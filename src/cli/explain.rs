//! `explain WHO`: one person, from the group path to what would change and why not.

use super::arguments::ExplainOptions;
use super::exit::{Exit, Stop};
use super::progress::Progress;
use super::world::{self, Purpose, Ties};
use super::{ask, json, show};
use crate::control::{Answer, Ask};
use crate::decide::{Explanation, NextStep};
use crate::pass;
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync explain`.
pub(super) async fn explain(config: &Path, options: ExplainOptions) -> Result<Exit, Stop> {
    let ExplainOptions { who, json } = options;
    let explanations: Vec<Explanation> = match ask::service(config, Ask::Explain { who: who.clone() }).await? {
        Some(Answer::Explained(explanations)) => explanations,
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let mut world = world::open(&config, Purpose::Look, &Ties::default())?;
            let progress = Progress::start();
            pass::explain(&mut world, &who, &|step| progress.tell(step)).await?
        }
    };
    match (json, explanations.as_slice()) {
        (false, all) => show::say(&all.iter().map(text).collect::<Vec<_>>().join("\n"))?,
        (true, [one]) => json::print(&json::explanation(one))?,
        (true, several) => {
            let names: Vec<String> = several.iter().map(|each| each.guid.to_string()).collect();
            return Err(Stop::Other(format!("that name means several people, give one GUID: {}", names.join(", "))));
        }
    }
    Ok(Exit::Done)
}

fn text(explanation: &Explanation) -> String {
    let Explanation { guid, email, dn, enabled, tier, paths, confirmed, next, notes } = explanation;
    let email = email.as_ref().map_or("no usable e-mail", |email| email.as_str());
    let mut out = format!("{}\n", show::printable(email));
    _ = writeln!(out, "  guid       {guid}");
    _ = writeln!(out, "  dn         {}", dn.as_deref().map_or("not in the directory".into(), show::printable));
    _ = writeln!(out, "  directory  {}", if *enabled { "enabled" } else { "cannot sign in" });
    for path in paths {
        _ = writeln!(out, "  path       {}", show::printable(&path.join(" > ")));
    }
    _ = writeln!(out, "  should be  {}", tier.as_ref().map_or("unseated", |tier| tier.name()));
    match confirmed {
        None => _ = writeln!(out, "  confirmed  no account"),
        Some(holding) => {
            let tier = holding.seat.tier().map_or("no tier", |tier| tier.name());
            _ = writeln!(
                out,
                "  confirmed  {} ({tier}) as {}",
                crate::status::status_word(&holding.seat),
                show::printable(holding.email.as_str())
            );
        }
    }
    match next {
        None => _ = writeln!(out, "  next       nothing"),
        Some(NextStep { change, held }) => {
            let held = held.as_ref().map(|why| format!("; held: {}", show::printable(why))).unwrap_or_default();
            _ = writeln!(
                out,
                "  next       {} {} -> {}, {}{held}",
                change.action,
                change.from,
                change.to,
                show::printable(&change.because.to_string())
            );
        }
    }
    for note in notes {
        _ = writeln!(out, "  note       {}", show::printable(note));
    }
    out
}
