//! The TOML file of `seatstore`, checked the way the agent's is: what the operator wrote becomes what the server means,
//! or a list of all problems at once.
//!
//! Every key has a default, so that an empty file is a server on loopback that keeps its own in `/var/lib/seatstore`.
//!
//! Deliberately absent: accounts and keys, which are no configuration: they are made by commands while the server runs.

mod check;
#[cfg(test)]
mod tests;

use super::{ConfigError, Environment, LogConfig, Problems, SmtpConfig, text_of};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything configured, as meant. Paths are absolute when the path of the file was.
#[derive(Clone, Debug)]
pub struct SeatstoreConfig {
    /// `[listen]`: where the API is served.
    pub listen: ListenConfig,
    /// `[store] path`: the folder of the book.
    pub store_path: PathBuf,
    /// `[api]`: who may ask, and what.
    pub api: ApiConfig,
    /// `[limits]`: what one client may take of the server.
    pub limits: LimitsConfig,
    /// `[domains]`: where the proof of a claim is looked up.
    pub domains: DomainsConfig,
    /// `[mail]`: how invitations leave.
    pub mail: MailConfig,
    /// `[invitations] valid`: how long one can be accepted.
    pub invitations_valid: Duration,
    /// `[sign_in]`: who may ask whether somebody may sign in.
    pub sign_in: SignInConfig,
    /// `[log]`.
    pub log: LogConfig,
}

/// `[listen]`.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key; `None` is plain HTTP, which is on loopback unless `allow_cleartext`.
    pub tls: Option<TlsFiles>,
    /// Whether plain HTTP beyond loopback is wanted.
    pub allow_cleartext: bool,
}

/// `[listen] certificate_file` and `key_file`: regular files, not yet looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// `[api]`.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The access keys; need not exist.
    pub keys_file: PathBuf,
    /// 12 digits, shown as `AwsAccountId`.
    pub aws_account_id: String,
    /// Whether the extensions are off.
    pub strict: bool,
    /// How far the clock of a request may be off.
    pub clock_skew: Duration,
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Requests a second and key.
    pub rate: u32,
    /// Requests at once and key, after a rest.
    pub burst: u32,
}

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Connections at one time.
    pub connections: usize,
    /// For one request, from its head to the last byte of the answer.
    pub request_time: Duration,
    /// For the head of a request, and for a TLS handshake.
    pub header_time: Duration,
}

/// `[domains]`.
#[derive(Clone, Debug)]
pub struct DomainsConfig {
    /// Name servers; empty means the system's.
    pub resolvers: Vec<SocketAddr>,
    /// For one question.
    pub timeout: Duration,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// An address, perhaps with a name: what `lettre` reads as a mailbox.
    pub from: String,
    /// What links in invitations begin with, without a slash at its end; `None` means where the server listens.
    pub public_url: Option<String>,
    /// The mail server; `None` means that all mail stays in the spool.
    pub smtp: Option<SmtpConfig>,
    /// The folder for mail.
    pub spool: PathBuf,
    /// For one message.
    pub timeout: Duration,
}

/// `[sign_in]`.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    /// What somebody beyond loopback must show; `None` means that only loopback may ask.
    pub token: Option<SecretString>,
    /// The header in which a proxy says whose request it is; a valid name of a header.
    pub email_header: String,
}

/// Reads the file and the secrets it names.
///
/// # Errors
/// [`ConfigError::Unreadable`] when there is no text, [`ConfigError::Invalid`] with all problems of it.
pub fn load(path: &Path) -> Result<SeatstoreConfig, ConfigError> {
    load_with(path, &Environment::of_process())
}

/// As [`load`], in an environment of the caller's choice.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, env: &Environment) -> Result<SeatstoreConfig, ConfigError> {
    let (path, text) = text_of(path, |_| "begin with a copy of config/seatstore.toml".to_owned())?;
    parse(&path, &text, env).map_err(ConfigError::Invalid)
}

/// Checks a text. `path` names it in messages, and its folder is where relative paths begin.
///
/// # Errors
/// All problems, sorted by position.
pub fn parse(path: &Path, text: &str, env: &Environment) -> Result<SeatstoreConfig, Problems> {
    check::check(path, text, env)
}
