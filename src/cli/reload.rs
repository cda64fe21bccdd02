//! `reload`: the running service reads its configuration again.

use super::ask;
use super::exit::{Exit, Stop};
use super::show;
use crate::control::{Answer, Ask};
use std::path::Path;

/// `seatsync reload`.
pub(super) async fn reload(config: &Path) -> Result<Exit, Stop> {
    match ask::service(config, Ask::Reload).await? {
        Some(Answer::Reloaded { at_once: true }) => show::say("the new configuration is in force\n")?,
        Some(Answer::Reloaded { at_once: false }) => {
            show::say("the new configuration is good; it is in force when the running pass has ended\n")?;
        }
        Some(_) => return Err(ask::unexpected()),
        None => {
            return Err(Stop::Other(format!(
                "no service works with {}: start it with `systemctl start seatsync`, or name the file that it works \
                 with by --config",
                config.display()
            )));
        }
    }
    Ok(Exit::Done)
}
