//! The command line of `seatstore`, as typed.

use crate::model::{Email, Tier};
use crate::server::command::UserStatus;
use crate::store::{AccountId, AccountKind};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The account store as a server: users, licences and suspensions, behind the Amazon Chime admin API.
#[derive(Debug, Parser)]
#[command(
    name = "seatstore",
    version,
    max_term_width = 100,
    after_help = "\
Commands go to the running server, or directly to the files of a stopped one.

Exit status:
   0  done
   1  failed or refused, nothing was changed unless it says so
   2  usage
   5  done for some, refused for others
  78  configuration"
)]
pub(super) struct Arguments {
    /// The configuration [default: /etc/seatstore/seatstore.toml]
    #[arg(short, long, global = true, env = "SEATSTORE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say more on stderr than `[log] level`; twice for details, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub server: ServerOptions,
}

/// How a running server is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "The server to ask, where one is running")]
pub(super) struct ServerOptions {
    /// Ask the server there, and not the one of the configuration
    #[arg(long, global = true, env = "SEATSTORE_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// The access key to ask a server with, by its id; default: the first one for all accounts that may change
    #[arg(long, global = true, value_name = "ID")]
    pub key: Option<String>,
    /// PEM certificates to trust; default: the server's own, or beyond this machine those of the system
    #[arg(long, global = true, env = "SEATSTORE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server, in the foreground
    Serve,
    /// Test everything an operator can get wrong
    Check,
    /// Write a commented starter configuration
    Init {
        /// Where to write it; default: the file that -c names, else ./seatstore.toml
        #[arg(value_name = "FILE")]
        path: Option<PathBuf>,
    },
    /// Access keys: who may ask the server
    #[command(subcommand)]
    Key(KeyCommand),
    /// Accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// The domains of an account
    Domain(DomainOptions),
    /// The users of an account
    User(UserOptions),
    /// Who changed what, the newest first
    Audit {
        /// Only of this account
        #[arg(short, long, value_name = "ACCOUNT", value_parser = account_id)]
        account: Option<AccountId>,
        /// Only of this user: id, or address at the time
        #[arg(long, value_name = "WHO")]
        user: Option<String>,
        /// The latest so many entries
        #[arg(long, value_name = "N", default_value_t = 100)]
        max: usize,
    },
    /// May this person sign in?
    SignIn {
        /// The address
        #[arg(value_parser = email)]
        email: Email,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Issue a key; its secret is shown this once
    New {
        /// Only for this account; may be given several times [default: all, those to come included]
        #[arg(short, long, value_name = "ACCOUNT", value_parser = account_id)]
        account: Vec<AccountId>,
        /// It may read, and change nothing
        #[arg(long)]
        read_only: bool,
        /// A bearer token for a SCIM client in place of an access key, for the one account
        #[arg(long, requires = "account")]
        scim: bool,
        /// The SCIM client may also make licences, as groups, and delete those that nobody holds
        #[arg(long, requires = "scim", conflicts_with = "read_only")]
        licences: bool,
        /// Whose it is
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// Write it into this folder (`access-key-id` and `secret-access-key`, or `scim-token`, closed to others), and show no
        /// secret
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// All keys and tokens, without their secrets
    List,
    /// Give a SCIM client's token a new secret, shown this once; the former one stays good until it is revoked
    Rotate {
        /// The id of the token
        id: String,
        /// Write it into this folder (`scim-token`, closed to others), and show no secret
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Take a key or a token out
    Revoke {
        /// The access key id, or the id of the token
        id: String,
        /// Only the former secret of a token that was rotated
        #[arg(long)]
        former: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Make a team account
    Create {
        /// Its name, as people see it
        name: String,
        /// Its id, as programs and these commands name it; default: one is made up
        #[arg(long, value_name = "ACCOUNT", value_parser = account_id)]
        id: Option<AccountId>,
        /// Make it of this kind at once: Team, EnterpriseLWA, EnterpriseDirectory, EnterpriseOIDC. Only while no server
        /// runs, as is --domain
        #[arg(long, value_parser = kind)]
        kind: Option<String>,
        /// Vouch for this domain in place of its DNS; may be given several times
        #[arg(long, requires = "kind")]
        domain: Vec<String>,
    },
    /// All accounts, the deleted ones included
    List,
    /// Seats per licence, billable and invited; default: the only account there is
    Show {
        #[arg(value_parser = account_id)]
        account: Option<AccountId>,
    },
    /// Give it another name
    Rename {
        #[arg(value_parser = account_id)]
        account: AccountId,
        name: String,
    },
    /// The licence of those who come from now on
    DefaultLicence {
        #[arg(value_parser = account_id)]
        account: AccountId,
        #[arg(value_parser = licence)]
        licence: Tier,
    },
    /// Add a licence to those supported
    Support {
        #[arg(value_parser = account_id)]
        account: AccountId,
        #[arg(value_parser = licence)]
        licence: Tier,
    },
    /// Make it follow a directory: EnterpriseDirectory
    ConnectDirectory {
        #[arg(value_parser = account_id)]
        account: AccountId,
    },
    /// Make it an enterprise account of another kind
    Kind {
        #[arg(value_parser = account_id)]
        account: AccountId,
        /// EnterpriseLWA, EnterpriseDirectory, EnterpriseOIDC
        #[arg(value_parser = kind)]
        kind: String,
    },
    /// Delete it; it is kept for 90 days
    Delete {
        #[arg(value_parser = account_id)]
        account: AccountId,
    },
    /// Take a deletion back
    Restore {
        #[arg(value_parser = account_id)]
        account: AccountId,
    },
}

#[derive(Debug, Args)]
pub(super) struct DomainOptions {
    #[command(flatten)]
    pub of: Of,
    #[command(subcommand)]
    pub command: DomainCommand,
}

/// Whose.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The account [default: the only one there is]
    #[arg(short, long, global = true, env = "SEATSTORE_ACCOUNT", value_name = "ACCOUNT", value_parser = account_id)]
    pub account: Option<AccountId>,
}

#[derive(Debug, Subcommand)]
pub(super) enum DomainCommand {
    /// Claim a domain: says which TXT record its DNS has to show
    Claim { domain: String },
    /// Look at the DNS; the first verified domain makes a team an enterprise account
    Verify { domain: String },
    /// Let a verified domain go: its users are out until it is verified again
    Release { domain: String },
    /// Give up a claim that was not verified
    Unclaim { domain: String },
    /// All domains
    List,
}

#[derive(Debug, Args)]
pub(super) struct UserOptions {
    #[command(flatten)]
    pub of: Of,
    #[command(subcommand)]
    pub command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// The users, by address
    List {
        /// Only those: active, invited, suspended, released, unregistered
        #[arg(long, value_parser = status)]
        status: Option<UserStatus>,
        /// Only those who hold it
        #[arg(long, value_parser = licence)]
        licence: Option<Tier>,
        /// Only those of that domain
        #[arg(long)]
        domain: Option<String>,
    },
    /// One user
    Show {
        /// Id or address
        who: String,
    },
    /// Ask people to join a team, by e-mail
    Invite {
        /// Their addresses
        #[arg(required = true, value_name = "EMAIL", value_parser = email)]
        emails: Vec<Email>,
        /// Also those who were asked before and have not come; their old links are void
        #[arg(long)]
        again: bool,
    },
    /// The link of an invitation, to be handed over by other means than e-mail
    Link {
        /// Id or address
        who: String,
    },
    /// Accept an invitation in the name of the person
    Accept {
        /// Id or address
        who: String,
    },
    /// Register a person; default account: the one that has the domain
    Register {
        #[arg(value_parser = email)]
        email: Email,
    },
    /// Make a user of an account that follows a directory
    Create {
        #[arg(value_parser = email)]
        email: Email,
        #[arg(long, value_parser = licence)]
        licence: Tier,
    },
    /// Make a user for a device that many people share
    Device {
        name: String,
        #[arg(value_parser = email)]
        email: Email,
    },
    /// Give a licence in place of the one held
    Assign {
        #[arg(value_parser = licence)]
        licence: Tier,
        /// Ids or addresses
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Sign users out until they are activated
    Suspend {
        /// Ids or addresses
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Let suspended users sign in again
    Activate {
        /// Ids or addresses
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Take users out of a team
    Remove {
        /// Ids or addresses
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Take invitations back
    Withdraw {
        /// Ids or addresses
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Give a user another address
    Rename {
        /// Id or address
        who: String,
        #[arg(value_parser = email)]
        email: Email,
    },
    /// End the sessions of a user
    SignOut {
        /// Id or address
        who: String,
    },
}

fn account_id(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).ok_or_else(|| "an account id has 1 to 64 bytes without blanks at its ends".to_owned())
}

fn kind(text: &str) -> Result<String, String> {
    let known = AccountKind::ALL.map(|kind| kind.to_string());
    let found = known.iter().find(|kind| kind.eq_ignore_ascii_case(text.trim()));
    found.cloned().ok_or_else(|| format!("one of: {}", known.join(", ")))
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).ok_or_else(|| "this is no e-mail address".to_owned())
}

fn licence(text: &str) -> Result<Tier, String> {
    let text = text.trim();
    if text.is_empty() { Err("a licence has a name".to_owned()) } else { Ok(Tier::new(text)) }
}

fn status(text: &str) -> Result<UserStatus, String> {
    let words = UserStatus::ALL.map(UserStatus::word).join(", ");
    UserStatus::ALL.into_iter().find(|status| status.word() == text).ok_or_else(|| format!("one of: {words}"))
}
