//! `notify-test`: a test message through every channel, since the day on which a real one is due is a bad one to find out.

use super::exit::{Exit, Stop};
use super::show;
use super::world;
use crate::notify::{self, message::About};
use std::path::Path;
use std::sync::Arc;

/// `seatsync notify-test`.
pub(super) async fn test(path: &Path) -> Result<Exit, Stop> {
    let config = world::configuration(path)?;
    let settings = world::notify_settings(&config, Arc::new(|_, _| {})).ok_or_else(|| {
        Stop::Other(format!("{} has no [notify] section: nobody is told; `seatsync init` shows one", path.display()))
    })?;
    let about = About::of_process(path, config.accounts.account());
    let results = notify::test(&settings, &about).await.map_err(|error| Stop::Other(error.to_string()))?;
    let mut exit = Exit::Done;
    for (channel, result) in results {
        let (word, text) = match result {
            Ok(place) => ("ok  ", format!("sent to {place}")),
            Err(error) => {
                exit = Exit::Failed;
                ("FAIL", error.to_string())
            }
        };
        show::say(&format!("{word}  {channel:<14}{}\n", show::printable(&text)))?;
    }
    Ok(exit)
}
