//! `init`: a commented starter configuration.

use super::arguments::InitOptions;
use super::exit::{Exit, Stop};
use super::show;
use std::io::Write;
use std::path::Path;

/// The same file that the package installs.
const STARTER: &str = include_str!("../../config/seatsync.toml");

/// `seatsync init`. Never overwrites.
pub(super) fn init(config: &Path, options: InitOptions) -> Result<Exit, Stop> {
    let path = options.path.as_deref().unwrap_or(config);
    let failed = |error: std::io::Error| {
        Stop::Other(format!("the starter configuration could not be written to {}: {error}", path.display()))
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(STARTER.as_bytes()).map_err(failed)?;
    show::say(&format!("wrote {}; edit it, then: seatsync check -c {0}\n", path.display()))?;
    Ok(Exit::Done)
}
