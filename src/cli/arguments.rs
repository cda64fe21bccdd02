//! The command line as typed.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps a product's licences in step with Active Directory groups.
#[derive(Debug, Parser)]
#[command(
    name = "seatsync",
    version,
    max_term_width = 100,
    after_help = "\
Exit status:
   0  in sync, or all applied
   1  failed, nothing half-known
   2  usage
   3  changes due (plan, sync --dry-run)
   4  losses held
   5  some actions failed
  78  configuration"
)]
pub(super) struct Arguments {
    /// The configuration [default: /etc/seatsync/seatsync.toml]
    #[arg(short, long, global = true, env = "SEATSYNC_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say more on stderr than `[log] level`; twice for details, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The service: passes on a schedule, on signals and on demand, until told to stop
    Run,
    /// One pass now: read the directory, compare, change the account store
    Sync(SyncOptions),
    /// What a pass would do, and why; writes nothing
    Plan(PlanOptions),
    /// Exactly the plan in a file made by `plan --out`; refused if the world moved since
    Apply(ApplyOptions),
    /// Release the held losses of a plan; the next pass applies them
    Approve(ApproveOptions),
    /// One person: the groups that give the tier, what is confirmed, what would change and why not
    Explain(ExplainOptions),
    /// The last pass, what is held
    Status(StatusOptions),
    /// The audit log of actions
    History(HistoryOptions),
    /// Let the running service read its configuration again; a bad one is refused and the former stays in force
    Reload,
    /// Test everything an operator can get wrong
    Check(CheckOptions),
    /// Send a test message to everybody whom `[notify]` names, and say how it went
    NotifyTest,
    /// The account store
    Accounts(AccountsOptions),
    /// Write a commented starter configuration
    Init(InitOptions),
    /// Manual pages and shell completions of both programs, for packages
    #[command(hide = true)]
    Generate(GenerateOptions),
}

#[derive(Debug, Args)]
pub(super) struct SyncOptions {
    /// List the account store as well and repair drift
    #[arg(long)]
    pub audit: bool,
    /// Only this person: e-mail, sAMAccountName, DN or GUID
    #[arg(long, value_name = "WHO")]
    pub user: Option<String>,
    /// Stop before anything is written: the same as `plan`
    #[arg(long)]
    pub dry_run: bool,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanOptions {
    /// Keep the plan in a file for `apply`
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub out: Option<PathBuf>,
    /// List the account store as well, as the daily audit does
    #[arg(long)]
    pub audit: bool,
    /// Only this person: e-mail, sAMAccountName, DN or GUID
    #[arg(long, value_name = "WHO")]
    pub user: Option<String>,
    /// The plan as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyOptions {
    /// A plan written by `plan --out`
    #[arg(value_name = "FILE")]
    pub plan: PathBuf,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApproveOptions {
    /// The hash that `plan`, `sync` or `status` shows; without it, what is held now
    #[arg(value_name = "HASH")]
    pub hash: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// E-mail, sAMAccountName, DN or GUID
    #[arg(value_name = "WHO")]
    pub who: String,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusOptions {
    /// The status as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct HistoryOptions {
    /// Only this person: e-mail, sAMAccountName, DN or GUID
    #[arg(long, value_name = "WHO")]
    pub user: Option<String>,
    /// The latest so many actions
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub last: usize,
    /// The log as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// Only the configuration and the files it names; connect to nothing, try no folder
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub(super) struct AccountsOptions {
    #[command(subcommand)]
    pub command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum AccountsCommand {
    /// The seats in the configured account store
    List {
        /// The seats as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct InitOptions {
    /// Where to write it; default: the file that -c names, else ./seatsync.toml
    #[arg(value_name = "FILE")]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct GenerateOptions {
    /// The folder to write them to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
