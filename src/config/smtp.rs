//! The mail server of a section, whichever program sends by it.

use super::diagnose::{Complaint, Found, Problem};
use super::directory::certificates;
use super::ground::Ground;
use super::raw::Section;
use super::secret::{self, Pointer};
use secrecy::SecretString;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// The mail server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// A name, or an IP address without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// Who the server sends as, and with which password; never in clear text beyond loopback.
    pub login: Option<SmtpLogin>,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
}

impl SmtpConfig {
    /// As in the file, with the port written out.
    pub fn url(&self) -> String {
        let Self { security, host, port, login: _, ca_file: _ } = self;
        let scheme = match security {
            SmtpSecurity::None => "smtp",
            SmtpSecurity::StartTls => "smtp+starttls",
            SmtpSecurity::Tls => "smtps",
        };
        if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") }
    }
}

/// `username` and its password.
#[derive(Clone, Debug)]
pub struct SmtpLogin {
    /// Never empty.
    pub username: String,
    /// Never empty, one line.
    pub password: SecretString,
}

/// The scheme of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// `smtp://`.
    None,
    /// `smtp+starttls://`: TLS before anything is said, or nothing is said.
    StartTls,
    /// `smtps://`: TLS from the first byte.
    Tls,
}

/// What the keys beside `smtp` are called in a section.
pub(super) struct Keys {
    /// The name to sign in with.
    pub(super) username: &'static str,
    /// Its password.
    pub(super) password: &'static Pointer,
    /// Whose certificates are trusted.
    pub(super) ca_file: &'static str,
    /// A name, for help.
    pub(super) username_example: &'static str,
    /// A file of certificates, for help.
    pub(super) ca_file_example: &'static str,
}

/// Reads `smtp` and what goes with it; `None` when it is absent or wrong, and the latter is noted.
pub(super) fn smtp(section: &Section<'_>, keys: &Keys, ground: &Ground<'_>, found: &mut Found) -> Option<SmtpConfig> {
    let Keys { username: name_key, password: pointer, ca_file: ca_key, username_example, ca_file_example } = *keys;
    let url = section.text("smtp", "\"smtp+starttls://mail.corp.example:587\"", found)?;
    let read = smtp_url(url.get_ref(), keys).map_err(|complaint| found.complain(url.span(), complaint)).ok();
    let username = section.text(name_key, username_example, found);
    let has_password = [pointer.file, pointer.credential].into_iter().find(|key| section.has(key));
    let password = secret::of(section, ground, pointer, section.has(name_key), found);
    if let Some((at, _)) = has_password.and_then(|key| section.entry(key)).filter(|_| !section.has(name_key)) {
        let problem = Problem::wrong(at, format!("a password without `{name_key}`"));
        found.add(problem.help(format!("add a line such as: {name_key} = {username_example}")));
    }
    let ca_file = section.text(ca_key, ca_file_example, found);
    let ca_file = ca_file.and_then(|text| certificates(&text, ground, found));
    let (security, host, port) = read?;
    if has_password.is_some() && security == SmtpSecurity::None && !is_loopback(&host) {
        let problem = Problem::wrong(url.span(), "this URL would send the password in clear text");
        found.add(problem.help(format!("write smtp+starttls:// or smtps://, or leave {name_key} and password out")));
    }
    let login = username.zip(password).map(|(username, password)| {
        let username = username.get_ref().trim().to_owned();
        SmtpLogin { username, password }
    });
    Some(SmtpConfig { security, host, port, login, ca_file })
}

/// Checks `scheme://host[:port]`.
fn smtp_url(text: &str, keys: &Keys) -> Result<(SmtpSecurity, String, u16), Complaint> {
    if text.contains('@') {
        // Not shown: what stands before the @ may be a password.
        return Err(Complaint::new("a URL holds no user and no password")
            .help(format!("write {} and {}, and only scheme and host in the URL", keys.username, keys.password.file)));
    }
    let wrong = |why: &str| {
        Complaint::new(format!("{text:?} is not the URL of a mail server: {why}"))
            .help("such as: \"smtp://127.0.0.1:25\", \"smtp+starttls://host:587\" or \"smtps://host:465\"")
    };
    let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    let (security, port_default) = match scheme.to_ascii_lowercase().as_str() {
        "smtp" => (SmtpSecurity::None, 25),
        "smtp+starttls" => (SmtpSecurity::StartTls, 587),
        "smtps" => (SmtpSecurity::Tls, 465),
        _ => return Err(wrong("the scheme must be smtps, smtp+starttls or smtp")),
    };
    let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest)).map_err(wrong)?;
    Ok((security, host, port.unwrap_or(port_default)))
}

/// Takes `host[:port]` apart; an IPv6 address loses its brackets.
pub(super) fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, rest, is_good) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or("a bracket is not closed")?;
            (host, rest, host.parse::<Ipv6Addr>().is_ok())
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let well_formed = |c: char| c.is_alphanumeric() || "-._".contains(c);
            (host, rest, !host.is_empty() && host.chars().all(well_formed))
        }
    };
    if !is_good {
        return Err("the host is no name and no address");
    }
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match rest {
        "" => None,
        _ => Some(
            rest.strip_prefix(':')
                .filter(digits)
                .and_then(|port| port.parse().ok())
                .filter(|port| *port > 0)
                .ok_or("the port is not a number from 1 to 65535")?,
        ),
    };
    Ok((host.to_owned(), port))
}

/// Whether a host is this machine, whatever a name server says.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Who mail is from, as RFC 5322 writes it.
pub(super) fn mailbox(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    text.parse::<lettre::message::Mailbox>().map(|_| text.to_owned()).map_err(|_| {
        Complaint::new(format!("{text:?} is not the sender of a mail"))
            .help("an address, with a name if you like: \"Seats <seats@corp.example>\"")
    })
}
