//! `approve [HASH]`: release held losses, exactly these, once.

use super::arguments::ApproveOptions;
use super::exit::{Exit, Stop};
use super::progress::Progress;
use super::show;
use super::world::{self, Purpose};
use crate::decide::HeldChange;
use crate::model::Meter;
use crate::pass::{self, Request};
use crate::state::StateStore;
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync approve`.
pub(super) async fn approve(config: &Path, options: ApproveOptions) -> Result<Exit, Stop> {
    let config = world::configuration(config)?;
    let mut world = world::open(&config, Purpose::Change, &Meter::default())?;
    let progress = Progress::start();
    let preview = pass::preview(&mut world, &Request::default(), &|step| progress.tell(step)).await?;
    drop(progress);

    let Some(approval) = preview.cleared.approval(&whoever(), preview.at, &config.limits) else {
        return match options.hash {
            None => show::say("nothing is held\n").map(|()| Exit::Done),
            Some(hash) => Err(Stop::Other(format!("nothing is held now, so there is nothing {hash} could release"))),
        };
    };
    // Without a hash it can only mean what the last pass reported and `status` shows: nobody has seen anything else.
    let seen = preview.memory.held.as_ref().map(|note| note.hash.clone());
    match (options.hash, seen) {
        (Some(hash), _) if hash.eq_ignore_ascii_case(&approval.hash) => {}
        (Some(hash), _) => {
            return Err(Stop::Other(format!(
                "what is held now has the hash {}, not {hash}: the world moved since, or that plan was of one person \
                 only (--user). Nothing was released; look at `seatsync plan` and approve its hash",
                approval.hash
            )));
        }
        (None, Some(seen)) if seen == approval.hash => {}
        (None, _) => {
            return Err(Stop::Other(format!(
                "what is held now is not what the last pass reported. Nothing was released; look at `seatsync plan`, \
                 then: seatsync approve {}",
                approval.hash
            )));
        }
    }
    world.state.approve(&approval).await?;
    let mut text = String::new();
    for HeldChange { change, why } in preview.cleared.held() {
        _ = writeln!(
            text,
            "  released: {} {}  {} -> {}  ({}; was held: {})",
            change.action,
            show::printable(change.email.as_str()),
            change.from,
            change.to,
            show::printable(&change.because.to_string()),
            show::printable(why),
        );
    }
    _ = writeln!(
        text,
        "{} released once, until {}; the next pass applies them: seatsync sync",
        preview.cleared.held().len(),
        show::time(approval.expires)
    );
    show::say(&text)?;
    Ok(Exit::Done)
}

/// Who runs this command, for the record.
pub(super) fn whoever() -> String {
    use std::os::unix::fs::MetadataExt;
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let uid = std::fs::metadata("/proc/self").map(|me| me.uid().to_string());
    match (name, uid) {
        (Some(name), Ok(uid)) => format!("{name} (uid {uid})"),
        (Some(name), Err(_)) => name,
        (None, Ok(uid)) => format!("uid {uid}"),
        (None, Err(_)) => "somebody".to_owned(),
    }
}
