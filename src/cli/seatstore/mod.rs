//! `seatstore`: the account store as a server, and its administration.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments` | the command line as typed |
//! | `give` | what was typed, as commands of the account store |
//! | `reach` | where a command goes: to the running server, or to the files of a stopped one |
//! | `local`, `remote`, `pin` | the two ways, and whose certificate is trusted on one of them |
//! | `show` | answers as tables and as JSON |
//! | `keys`, `check`, `init`, `serve` | what concerns the machine and not the book |

mod arguments;
mod check;
mod give;
mod init;
mod keys;
mod local;
mod pin;
mod reach;
mod remote;
mod serve;
mod show;

use super::exit::{Exit, Stop};
use super::log;
use crate::config::seatstore::{self, SeatstoreConfig};
use arguments::{Arguments, Command};
use reach::Reach;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is read when nobody says otherwise.
const CONFIG_DEFAULT: &str = "/etc/seatstore/seatstore.toml";

/// Runs the command line given to this process.
pub fn main() -> ExitCode {
    super::run("seatstore", "SEATSTORE_LOG", |arguments: &Arguments| arguments.verbose, dispatch)
}

/// The command line as a value, for manual pages and completions.
pub(super) fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

async fn dispatch(arguments: Arguments) -> Result<Exit, Stop> {
    let Arguments { config: explicit, verbose: _, json, server, command } = arguments;
    let path = explicit.clone().unwrap_or_else(|| PathBuf::from(CONFIG_DEFAULT));
    let reach = || Ok::<_, Stop>(Reach::new(configuration(&path)?, server));
    match command {
        Command::Serve if json => {
            Err(Stop::Usage("a server has no result to show as JSON: leave --json out".to_owned()))
        }
        Command::Serve => serve::serve(configuration(&path)?).await,
        Command::Check => check::check(&path, &configuration(&path)?, json).await,
        Command::Init { path } => init::init(path.or(explicit).as_deref(), json),
        Command::Key(command) => keys::keys(reach()?, command, json).await,
        Command::Account(command) => give::account(reach()?, command, json).await,
        Command::Domain(options) => give::domain(reach()?, options, json).await,
        Command::User(options) => give::user(reach()?, options, json).await,
        Command::Audit { account, user, max } => give::audit(reach()?, account, user, max, json).await,
        Command::SignIn { email } => give::sign_in(reach()?, email, json).await,
    }
}

/// Reads the configuration, all of whose problems come back at once, and begins to log as it says.
fn configuration(path: &Path) -> Result<SeatstoreConfig, Stop> {
    let config = seatstore::load(path)?;
    log::start(&config.log);
    Ok(config)
}

/// Makes the folder of a file, for its owner only, if it is not there.
fn make_folder_of(file: &Path) -> Result<(), Stop> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Stop::Other(format!("the folder {} could not be made: {error}", folder.display())))
}
