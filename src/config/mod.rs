//! The TOML file, checked: what the operator wrote becomes what the program means, or a list of all problems at once.
//!
//! ```text
//! load -> raw (tables with places) -> check, directory, value (meaning) -> Config, or Problems -> diagnose (rendering)
//! ```
//!
//! Invariants: a [`Config`] exists only when nothing at all was wrong; no secret is in the TOML, in `Debug`, in a
//! [`Problems`] or in an error.
//!
//! Deliberately absent: defaults from environment variables, merging of several files, any connection to anything.

mod accounts;
mod check;
mod details;
mod diagnose;
mod directory;
mod ground;
mod notify;
mod raw;
mod schedule;
mod scim;
pub mod seatstore;
mod secret;
mod smtp;
#[cfg(test)]
mod tests;
mod url;
mod value;

pub use diagnose::Problems;
pub use notify::{EmailConfig, NOTIFY_EVENTS, NOTIFY_RECIPIENTS_MAX, NotifyConfig, WebhookConfig};
pub use schedule::Schedule;
pub use secret::SECRET_BYTES_MAX;
pub use smtp::{SmtpConfig, SmtpLogin, SmtpSecurity};

use crate::model::{DetailSource, Limits, OnLeave, Rules, StoreKind, Tier};
use chrono_tz::Tz;
use raw::Section;
use secrecy::SecretString;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// The largest configuration file accepted, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Where configurations of services are.
const CONFIG_FOLDER: &str = "/etc/seatsync";

/// Everything configured, as meant. Paths are absolute when the path of the file was.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[directory]`: where people and groups are read from.
    pub directory: DirectoryConfig,
    /// `[[tier]]` and `[rules]`: who gets what.
    pub rules: Rules,
    /// `[limits]`: what is held until approved.
    pub limits: Limits,
    /// `[accounts]`: where seats are given and taken.
    pub accounts: AccountsConfig,
    /// `[schedule]`: when.
    pub schedule: ScheduleConfig,
    /// `[state] path`: what the agent remembers.
    pub state_path: PathBuf,
    /// `[status]`: where it can be asked.
    pub status: StatusConfig,
    /// `[notify]`: who is told when something needs a person.
    pub notify: Option<NotifyConfig>,
    /// `[log]`.
    pub log: LogConfig,
}

/// `[directory]` by its kind.
#[derive(Clone, Debug)]
pub enum DirectoryConfig {
    /// `kind = "ldap"`.
    Ldap(LdapConfig),
    /// `kind = "ldif"`.
    Ldif(LdifConfig),
}

/// One or more servers with the same directory.
#[derive(Clone, Debug)]
pub struct LdapConfig {
    /// `ldaps://host[:port]` or `ldap://host[:port]`, in the order to try; at least one.
    pub urls: Vec<String>,
    /// People and groups are looked for below this name.
    pub base_dn: String,
    /// DN or UPN to bind as.
    pub bind_dn: String,
    /// Never empty, one line.
    pub bind_password: SecretString,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Whether `ldap://` connections are upgraded before anything is sent (RFC 4511 4.14); never with `ldaps://`.
    pub starttls: bool,
    /// Whether a bind in clear text is wanted.
    pub allow_cleartext: bool,
    /// Entries a page (RFC 2696), 1 to 10 000.
    pub page_size: u32,
    /// For one request, a page included.
    pub timeout: Duration,
    /// What one read may keep in memory, in bytes.
    pub memory_bytes_max: u64,
    /// Further condition on people, in the syntax of RFC 4515.
    pub user_filter: Option<String>,
    /// Where the address of a person stands, in the order to look; at least one.
    pub email_attributes: Vec<String>,
    /// Whether the service has the servers tell it of changes as they are made.
    pub watch: bool,
}

/// A file in place of a server.
#[derive(Clone, Debug)]
pub struct LdifConfig {
    /// The file.
    pub path: PathBuf,
    /// Only what is below this name counts; `None` means all of it.
    pub base_dn: Option<String>,
    /// Where the address of a person stands, in the order to look; at least one.
    pub email_attributes: Vec<String>,
}

/// `[accounts]` by its kind.
#[derive(Clone, Debug)]
pub enum AccountsConfig {
    /// `kind = "embedded"`: on this machine's disk.
    Embedded {
        /// The folder.
        path: PathBuf,
        /// Which account of it; made on first use.
        account: String,
        /// What kind of account is made.
        kind: StoreKind,
    },
    /// `kind = "chime"`: a server that speaks the Chime admin API.
    Chime(ChimeConfig),
    /// `kind = "scim"`: a product that takes its users over SCIM 2.0.
    Scim(ScimConfig),
}

/// A server that speaks the Chime admin API, and a key for it.
#[derive(Clone, Debug)]
pub struct ChimeConfig {
    /// `https://host[:port]`, or `http://` where that is allowed.
    pub endpoint: String,
    /// The region in the signature.
    pub region: String,
    /// Which account of it.
    pub account: String,
    /// The access key.
    pub access_key_id: String,
    /// Never empty, one line.
    pub secret_access_key: SecretString,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Most requests at one time.
    pub requests_max: usize,
}

/// A server that speaks SCIM 2.0, how to sign in there, and where it keeps tiers.
#[derive(Clone, Debug)]
pub struct ScimConfig {
    /// What `/Users` stands behind: `https://host[:port][/path]`, or `http://` on this machine.
    pub base_url: String,
    /// What the account is called here: the state is kept under that name.
    pub account: String,
    /// How to sign in.
    pub login: ScimLogin,
    /// Where the tier stands.
    pub tier_in: String,
    /// The value of each tier, the highest first.
    pub tier_values: Vec<(Tier, String)>,
    /// Whether the identity of the directory is kept in `externalId`.
    pub external_id: bool,
    /// Which attributes of the directory it is given of a person, and what it calls them.
    pub details: Vec<DetailSource>,
    /// How lists are read.
    pub paging: ScimPaging,
    /// What becomes of the account of whoever leaves.
    pub on_leave: OnLeave,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Most requests at one time.
    pub requests_max: usize,
}

/// How to sign in to a SCIM server.
#[derive(Clone, Debug)]
pub enum ScimLogin {
    /// With a token that somebody made. Never empty, one line.
    Bearer(SecretString),
    /// With one that an OAuth2 server gives (RFC 6749 4.4).
    Client {
        /// Where.
        token_url: String,
        /// To whom.
        client_id: String,
        /// Never empty, one line.
        client_secret: SecretString,
        /// For what.
        scope: Option<String>,
    },
}

/// How the lists of a SCIM server are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimPaging {
    /// As it says itself.
    AsTold,
    /// By the number of the first user.
    Index,
    /// By what the page before gave.
    Cursor,
}

impl AccountsConfig {
    /// Which account of the store.
    pub fn account(&self) -> &str {
        match self {
            Self::Embedded { path: _, account, kind: _ } => account,
            Self::Chime(chime) => &chime.account,
            Self::Scim(scim) => &scim.account,
        }
    }
}

/// `[schedule]`.
#[derive(Clone, Debug)]
pub struct ScheduleConfig {
    /// When a pass is due.
    pub sync: Schedule,
    /// When a pass that also lists the account store is due.
    pub audit: Schedule,
    /// Whose clock the schedules mean.
    pub timezone: Tz,
    /// Each fire is put off by a random part of this.
    pub jitter: Duration,
}

/// `[status]`.
#[derive(Clone, Debug)]
pub struct StatusConfig {
    /// Where the page is served; `None` is off.
    pub listen: Option<SocketAddr>,
    /// The socket for the commands; `None` is where [`control_default`] says.
    pub control: Option<PathBuf>,
    /// Whose members may use it, beside root and the user of the service; `None` is the group that the package makes.
    pub control_group: Option<String>,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: tracing::Level,
    /// Whether e-mail addresses of people may stand in the log at `info`.
    pub addresses: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For journald under systemd, text elsewhere.
    Auto,
    /// Text, always.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the meaning of a file depends on besides its text.
#[derive(Clone, Debug)]
pub struct Environment {
    /// systemd's `CREDENTIALS_DIRECTORY`, where there is one.
    pub credentials_directory: Option<PathBuf>,
    /// Says what is wrong with a search filter. By default only its parentheses are looked at.
    pub check_filter: fn(&str) -> Result<(), String>,
    /// Says what is wrong with the contents of a `ca_file`. By default it only has to be a file.
    pub check_ca_file: fn(&Path) -> Result<(), String>,
    /// Says what is wrong with the secret of a webhook. By default any will do.
    pub check_webhook_secret: fn(&str) -> Result<(), String>,
    /// Says what is wrong with a place for tiers. By default any will do.
    pub check_tier_place: fn(&str) -> Result<(), String>,
    /// Whether a text can name what an account store is given of a person, in words where it cannot.
    pub check_detail: fn(&str) -> Result<(), String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            credentials_directory: None,
            check_filter: value::filter_shape,
            check_ca_file: |_| Ok(()),
            check_webhook_secret: |_| Ok(()),
            check_tier_place: |_| Ok(()),
            check_detail: |_| Ok(()),
        }
    }
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let credentials_directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { credentials_directory, ..Self::default() }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("{message}")]
    Unreadable {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// It was read and has problems: all of them are here.
    #[error("{0}")]
    Invalid(Problems),
}

/// Reads the file and the secrets it names.
///
/// # Errors
/// [`ConfigError::Unreadable`] when there is no text, [`ConfigError::Invalid`] with all problems of it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_with(path, &Environment::of_process())
}

/// As [`load`], in an environment of the caller's choice.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, env: &Environment) -> Result<Config, ConfigError> {
    let (path, text) = text_of(path, |path| format!("write a new one: seatsync init {}", path.display()))?;
    parse(&path, &text, env).map_err(ConfigError::Invalid)
}

/// Where the control socket of a configuration is, without reading the secrets that it names, which only the service can:
/// as `[status] control` says, else as [`control_default`].
///
/// A file with mistakes, or none at all, still leads to the service that runs: that one has to be told to read it, and to
/// say what is wrong with it.
pub fn control_of(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let text = text_of(&path, |_| String::new()).map(|(_, text)| text).unwrap_or_default();
    let (tree, _) = DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(&text));
    let status = Section::new("the file", 0..0, tree.get_ref()).entry("status");
    let written = status.and_then(|(_, status)| match status.get_ref() {
        DeValue::Table(status) => match Section::new("[status]", 0..0, status).entry("control")?.1.get_ref() {
            DeValue::String(control) => Some(control.to_string()),
            _ => None,
        },
        _ => None,
    });
    match written {
        Some(control) => Some(path.parent()?.join(control)),
        None => control_default(&path),
    }
}

/// Where the control socket is when the file does not say: in the folder that systemd makes for the unit of a
/// configuration in `/etc/seatsync`. Other configurations have none.
pub fn control_default(path: &Path) -> Option<PathBuf> {
    let is_installed = path.parent() == Some(Path::new(CONFIG_FOLDER)) && path.extension().is_some_and(|e| e == "toml");
    let name = path.file_stem()?.to_str().filter(|_| is_installed)?;
    let folder = if name == "seatsync" { "seatsync".to_owned() } else { format!("seatsync-{name}") };
    Some(Path::new("/run").join(folder).join("control.sock"))
}

/// The whole text of a file, with its absolute path. `how_to_get_one` is said where there is none.
fn text_of(path: &Path, how_to_get_one: fn(&Path) -> String) -> Result<(PathBuf, String), ConfigError> {
    let shown = path.display();
    let unreadable = |why: String| ConfigError::Unreadable { message: format!("cannot read {shown}: {why}") };
    // Absolute, so that what it names stays the same wherever the process goes.
    let path = std::path::absolute(path).map_err(|error| unreadable(error.to_string()))?;
    let is_file =
        std::fs::metadata(&path).map_err(|error| unreadable(absent(&error, &how_to_get_one(&path))))?.is_file();
    if !is_file {
        return Err(unreadable("it is not a regular file; name the TOML file with --config".to_owned()));
    }
    let file = std::fs::File::open(&path).map_err(|error| unreadable(absent(&error, &how_to_get_one(&path))))?;
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(unreadable(format!("it is larger than {CONFIG_BYTES_MAX} bytes; is it the right file?")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(before).filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("line {line} is not UTF-8; save the file as UTF-8"))
    })?;
    Ok((path, text))
}

/// Why a file cannot be looked at; where there is none, how to get one.
fn absent(error: &std::io::Error, how_to_get_one: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("{error}; name the file with --config, or {how_to_get_one}"),
        std::io::ErrorKind::PermissionDenied => format!("{error}; run the command as root"),
        _ => error.to_string(),
    }
}

/// Checks a text. `path` names it in messages, and its folder is where relative paths begin.
///
/// Reads the secrets that the text names, since an unreadable one is a problem like any other.
///
/// # Errors
/// All problems, sorted by position.
pub fn parse(path: &Path, text: &str, env: &Environment) -> Result<Config, Problems> {
    check::check(path, text, env)
}
