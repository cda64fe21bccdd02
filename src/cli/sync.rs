//! `sync` and `plan`: the same line, walked to its end or stopped before anything is written.

use super::arguments::{PlanOptions, SyncOptions};
use super::exit::{Exit, Stop};
use super::progress::Progress;
use super::world::{self, Purpose, Ties};
use super::{ask, json, show};
use crate::control::{Answer, Ask};
use crate::model::PassResult;
use crate::pass::{self, Report, Request};
use std::path::Path;

/// `seatsync sync`.
pub(super) async fn sync(config: &Path, options: SyncOptions) -> Result<Exit, Stop> {
    let SyncOptions { audit, user, dry_run, json } = options;
    if dry_run {
        return plan(config, PlanOptions { out: None, audit, user, json }).await;
    }
    let asked = Ask::Sync { audit, user: user.clone() };
    let report = run(config, asked, &Request { audit, only: user, expect: None }).await?;
    print(&report, json)?;
    Ok(ended(&report))
}

/// `seatsync plan`.
pub(super) async fn plan(config: &Path, options: PlanOptions) -> Result<Exit, Stop> {
    let PlanOptions { out, audit, user, json } = options;
    let report = match ask::service(config, Ask::Plan { audit, user: user.clone() }).await? {
        Some(Answer::Report(report)) => report,
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let mut world = world::open(&config, Purpose::Look, &Ties::default())?;
            let progress = Progress::start();
            let request = Request { audit, only: user, expect: None };
            let preview = pass::preview(&mut world, &request, &|step| progress.tell(step)).await?;
            Report::of_preview(&preview)
        }
    };
    if let Some(file) = out {
        keep(&file, json::plan(&report).sealed()?)?;
    }
    print(&report, json)?;
    Ok(match (report.counts.changes, report.counts.held) {
        (0, _) => Exit::Done,
        (_, 0) => Exit::Due,
        (_, _) => Exit::Held,
    })
}

/// Writes a plan for `apply`. An older plan is replaced; anything else in that place is somebody's.
fn keep(file: &Path, plan: json::PlanDocument) -> Result<(), Stop> {
    let failed = |why: String| Stop::Other(format!("the plan could not be written to {}: {why}", file.display()));
    match std::fs::read(file) {
        Ok(there) if serde_json::from_slice::<json::PlanDocument>(&there).is_err() => {
            return Err(failed("there is a file that is no plan; name another one".to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error.to_string())),
    }
    let text = serde_json::to_vec_pretty(&plan).map_err(|error| failed(error.to_string()))?;
    std::fs::write(file, text).map_err(|error| failed(error.to_string()))
}

/// One pass: by the running service, or in this process with everything the configuration names.
pub(super) async fn run(config: &Path, asked: Ask, request: &Request) -> Result<Report, Stop> {
    match ask::service(config, asked).await? {
        Some(Answer::Report(report)) => return Ok(report),
        Some(_) => return Err(ask::unexpected()),
        None => {}
    }
    let config = world::configuration(config)?;
    let purpose = if request.audit { Purpose::Audit } else { Purpose::Change };
    let mut world = world::open(&config, purpose, &Ties::default())?;
    let progress = Progress::start();
    Ok(pass::run(&mut world, request, &|step| progress.tell(step)).await?)
}

/// How a pass that ran ends the command.
pub(super) fn ended(report: &Report) -> Exit {
    match report.result {
        PassResult::InSync | PassResult::Applied => Exit::Done,
        PassResult::Held => Exit::Held,
        PassResult::Partial => Exit::Partial,
        PassResult::Failed => Exit::Failed,
    }
}

pub(super) fn print(report: &Report, json: bool) -> Result<(), Stop> {
    if json { json::print(&json::plan(report)) } else { show::report(report) }
}
