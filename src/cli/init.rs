//! `init`: a commented starter configuration.

use super::arguments::InitOptions;
use super::exit::{Exit, Stop};
use super::show;
use std::io::Write;
use std::path::Path;

/// The same file that the package installs.
const STARTER: &str = include_str!("../../config/seatsync.toml");

/// Where it is written when nobody says where: beside the operator, never over what the service reads.
const PATH_DEFAULT: &str = "seatsync.toml";

/// `seatsync init`. Never overwrites.
pub(super) fn init(config: Option<&Path>, options: InitOptions) -> Result<Exit, Stop> {
    let path = options.path.as_deref().or(config).unwrap_or(Path::new(PATH_DEFAULT));
    let failed = |error: std::io::Error| {
        Stop::Other(format!("the starter configuration could not be written to {}: {error}", path.display()))
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(STARTER.as_bytes()).map_err(failed)?;
    show::say(&format!("wrote {}; edit it, then: seatsync check -c {0}\n", path.display()))?;
    Ok(Exit::Done)
}
