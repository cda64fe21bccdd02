//! `apply FILE`: exactly the plan somebody looked at.

use super::arguments::ApplyOptions;
use super::exit::{Exit, Stop};
use super::{json, sync};
use crate::control::Ask;
use crate::pass::Request;
use std::io::Read;
use std::path::Path;

/// A plan of a million people has about 400 MB.
const PLAN_BYTES_MAX: u64 = 1 << 30;

/// `seatsync apply`.
pub(super) async fn apply(config: &Path, options: ApplyOptions) -> Result<Exit, Stop> {
    let ApplyOptions { plan, json } = options;
    let unreadable = |why: String| {
        Stop::Other(format!("{} is not a plan ({why}): make one with `seatsync plan --out FILE`", plan.display()))
    };
    let mut text = String::new();
    std::fs::File::open(&plan)
        .and_then(|file| file.take(PLAN_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| unreadable(error.to_string()))?;
    let document: json::PlanDocument = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if !document.is_sound()? {
        return Err(unreadable("it is not as seatsync wrote it".to_owned()));
    }
    let asked = Ask::Apply { fingerprint: document.fingerprint.clone() };
    let request = Request { audit: false, only: None, expect: Some(document.fingerprint) };
    let report = sync::run(config, asked, &request).await?;
    sync::print(&report, json)?;
    Ok(sync::ended(&report))
}
