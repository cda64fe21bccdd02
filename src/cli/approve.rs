//! `approve [HASH]`: release held losses, exactly these, once.

use super::arguments::ApproveOptions;
use super::exit::{Exit, Stop};
use super::progress::Progress;
use super::world::{self, Purpose, Ties};
use super::{ask, show};
use crate::control::{Answer, Ask};
use crate::pass::{self, ApproveError, Released, ReportedChange, Status};
use std::fmt::Write as _;
use std::path::Path;

/// `seatsync approve`.
pub(super) async fn approve(config: &Path, options: ApproveOptions) -> Result<Exit, Stop> {
    let ApproveOptions { hash } = options;
    let released = match ask::service(config, Ask::Approve { hash: hash.clone() }).await? {
        Some(Answer::Released(released)) => released,
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let mut world = world::open(&config, Purpose::Change, &Ties::default())?;
            let progress = Progress::start();
            let watch = |step| progress.tell(step);
            match pass::approve(&mut world, hash.as_deref(), &ask::whoever(), &watch).await {
                Ok(released) => released,
                Err(ApproveError::Pass(error)) => return Err(error.into()),
                Err(ApproveError::State(error)) => return Err(error.into()),
                Err(error @ (ApproveError::Nothing(_) | ApproveError::Moved { .. } | ApproveError::Unseen { .. })) => {
                    return Err(Stop::Other(error.to_string()));
                }
            }
        }
    };
    let Some(Released { changes, expires }) = released else {
        return show::say("nothing is held\n").map(|()| Exit::Done);
    };
    let mut text = String::new();
    for ReportedChange { change, status } in &changes {
        let why = match status {
            Status::Held(why) => why.as_str(),
            Status::Planned | Status::Done | Status::Failed(_) => "",
        };
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
        changes.len(),
        show::time(expires)
    );
    show::say(&text)?;
    Ok(Exit::Done)
}
