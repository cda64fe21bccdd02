//! The commands: arguments, dispatch, exit status. The only room that prints.
//!
//! Results go to stdout, messages to stderr. With `--json` stdout is empty or one valid document.
//!
//! | file | what is in it |
//! |---|---|
//! | `arguments` | the command line of `seatsync` as typed |
//! | `run`, `workshop`, `herald` | the service: everything put together; what a configuration is made into; who tells somebody |
//! | `ask` | whom a command asks: the running service, or this process |
//! | `reload`, `sync`, `apply`, `approve`, `explain`, `status`, `history`, `check`, `accounts`, `init` | one command each; `plan` is in `sync` |
//! | `notify` | `notify-test` |
//! | `world` | from the configuration to the directory, the account store and the state |
//! | `show`, `json`, `progress` | what is printed: text, documents, how far a pass is |
//! | `exit`, `log` | how a command ends, and what is logged meanwhile |
//! | `generate` | manual pages and completions, for packages |
//! | `folder` | whether the folder of a database can be written, for `check` |
//! | `seatstore` | the other program |

mod accounts;
mod apply;
mod approve;
mod arguments;
mod ask;
mod check;
mod exit;
mod explain;
mod folder;
mod generate;
mod herald;
mod history;
mod init;
mod json;
mod log;
mod notify;
mod progress;
mod reload;
mod run;
pub mod seatstore;
mod show;
mod status;
mod sync;
mod workshop;
mod world;

use arguments::{Arguments, Command};
use clap::Parser;
use exit::{Exit, Stop};
use std::path::Path;
use std::process::ExitCode;

/// What is read when nobody says otherwise.
const CONFIG_DEFAULT: &str = "/etc/seatsync/seatsync.toml";

/// Runs the command line given to this process.
pub fn main() -> ExitCode {
    run("seatsync", "SEATSYNC_LOG", |arguments: &Arguments| arguments.verbose, dispatch)
}

/// What both programs do: the command line is read, its command carried out, and what stopped it told.
fn run<A, F>(program: &str, log: &'static str, verbose: fn(&A) -> u8, dispatch: fn(A) -> F) -> ExitCode
where
    A: Parser,
    F: Future<Output = Result<Exit, Stop>>,
{
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Also help and version, which clap calls errors with exit status 0.
            let status = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return if error.print().is_ok() { status.into() } else { Exit::Failed.into() };
        }
    };
    log::remember(log, verbose(&arguments));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{program}: the operating system gave no threads or timers: {error}");
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(dispatch(arguments)) {
        Ok(exit) => exit.into(),
        Err(stop) => {
            show::complain(program, &stop);
            stop.exit().into()
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<Exit, Stop> {
    let explicit = arguments.config;
    let config = explicit.as_deref().unwrap_or(Path::new(CONFIG_DEFAULT));
    match arguments.command {
        Command::Run => run::run(config).await,
        Command::Reload => reload::reload(config).await,
        Command::Sync(options) => sync::sync(config, options).await,
        Command::Plan(options) => sync::plan(config, options).await,
        Command::Apply(options) => apply::apply(config, options).await,
        Command::Approve(options) => approve::approve(config, options).await,
        Command::Explain(options) => explain::explain(config, options).await,
        Command::Status(options) => status::status(config, options).await,
        Command::History(options) => history::history(config, options).await,
        Command::Check(options) => check::check(config, options).await,
        Command::NotifyTest => notify::test(config).await,
        Command::Accounts(options) => accounts::accounts(config, options).await,
        Command::Init(options) => init::init(explicit.as_deref(), options),
        Command::Generate(options) => generate::generate(&options),
    }
}
