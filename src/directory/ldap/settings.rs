//! What an LDAP directory needs to know: servers, credentials, trust, limits.

use crate::model::{DetailSource, Meter};
use secrecy::SecretString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The port of `ldap://`.
const LDAP_PORT: u16 = 389;
/// The port of `ldaps://`.
const LDAPS_PORT: u16 = 636;
/// The longest filter accepted, in bytes: longer ones are mistakes, and the filter parser recurses.
const FILTER_BYTES_MAX: usize = 16 * 1024;
/// The deepest nesting of a filter accepted, in parentheses.
const FILTER_DEPTH_MAX: usize = 64;

/// Where one server is: `ldap://host[:port]` or `ldaps://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapUrl {
    host: String,
    port: u16,
    tls: bool,
}

impl LdapUrl {
    /// Reads a URL of one of the two schemes, without path, query or user.
    ///
    /// # Errors
    /// What is wrong with the text, in words for the configuration's problem list.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("{text:?} is not a URL: write ldaps://host or ldap://host"));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ldaps" => true,
            "ldap" => false,
            _ => return Err(format!("{text:?} has the scheme {scheme:?}: only ldaps and ldap are known")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(found) = authority.chars().find(|c| "/?#@,".contains(*c) || c.is_whitespace() || c.is_control()) {
            return Err(format!("{text:?} holds {found:?}: only a host and a port belong here"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, port) = inner.split_once(']').ok_or_else(|| format!("{text:?} has no closing bracket"))?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(format!("{text:?} has brackets around something that is no IPv6 address"));
                }
                let port = match (port.is_empty(), port.strip_prefix(':')) {
                    (true, _) => None,
                    (false, Some(port)) => Some(port),
                    (false, None) => return Err(format!("{text:?} has text behind the bracket")),
                };
                (host, port)
            }
            None => match authority.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(format!("{text:?} has several colons: put an IPv6 address in brackets"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(format!("{text:?} names no host"));
        }
        let port = match port {
            None if tls => LDAPS_PORT,
            None => LDAP_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("{text:?} has the port {port:?}: a number from 1 to 65535 is expected"))?,
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS begins with the first byte.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

/// As an operator writes it; the port only where it is not the usual one.
impl fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls } = self;
        let (scheme, usual) = if *tls { ("ldaps", LDAPS_PORT) } else { ("ldap", LDAP_PORT) };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]")?;
        } else {
            write!(f, "{scheme}://{host}")?;
        }
        if *port == usual { Ok(()) } else { write!(f, ":{port}") }
    }
}

/// All that a read needs to know.
#[derive(Clone, Debug)]
pub struct LdapSettings {
    /// The servers, in the order in which they are tried; they hold the same directory.
    pub urls: Vec<LdapUrl>,
    /// Everything is read below this entry.
    pub base_dn: String,
    /// Who we are: a DN, or a user principal name in Active Directory.
    pub bind_dn: String,
    /// The password that goes with it; an empty one is refused (RFC 4513 5.1.2).
    pub bind_password: SecretString,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Whether `ldap://` URLs are upgraded by StartTLS (RFC 4511 4.14) before anything else is said.
    pub starttls: bool,
    /// Whether a password may go over an `ldap://` connection without StartTLS.
    pub allow_cleartext: bool,
    /// Entries in one page (RFC 2696).
    pub page_size: u32,
    /// The longest any one request may take: a connection, a bind, a page.
    pub timeout: Duration,
    /// A filter (RFC 4515) that people must match besides ours.
    pub user_filter: Option<String>,
    /// The attributes that may hold the e-mail address; the first with a value decides.
    pub email_attributes: Vec<String>,
    /// What else is read of people, for an account store that shows it.
    pub details: Vec<DetailSource>,
    /// What a server may make us do.
    pub limits: ReadLimits,
    /// Where each connection, bind and page is told.
    pub meter: Meter,
}

impl LdapSettings {
    /// Over TLS from the first byte, the system's roots trusted, everybody who has an address in `mail`; the rest as it is
    /// in a configuration that does not say.
    pub fn new(urls: Vec<LdapUrl>, base_dn: &str, bind_dn: &str, bind_password: SecretString) -> Self {
        Self {
            urls,
            base_dn: base_dn.to_owned(),
            bind_dn: bind_dn.to_owned(),
            bind_password,
            ca_file: None,
            starttls: false,
            allow_cleartext: false,
            page_size: 1_000,
            timeout: Duration::from_secs(30),
            user_filter: None,
            email_attributes: vec!["mail".to_owned()],
            details: Vec::new(),
            limits: ReadLimits::default(),
            meter: Meter::default(),
        }
    }

    /// Every attribute of people that the configuration names, some perhaps twice.
    pub(super) fn named_attributes(&self) -> impl Iterator<Item = &String> {
        self.email_attributes.iter().chain(self.details.iter().flat_map(|source| &source.attributes))
    }
}

/// What a server, honest or not, may make one read do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// The longest single message, in bytes. One group with its values is one message.
    pub message_bytes_max: usize,
    /// The most BER elements in one message: they cost far more memory than their bytes.
    pub message_elements_max: usize,
    /// The deepest nesting of BER elements. LDAP responses need seven.
    pub depth_max: usize,
    /// The most bytes of one read.
    pub read_bytes_max: u64,
    /// The most entries (and references) of one read.
    pub entries_max: u64,
    /// The most memory that what was read may take, in bytes.
    pub kept_bytes_max: u64,
    /// The most messages that nobody asked for before the connection is cut.
    pub unasked_max: u64,
    /// The most requests for the rest of one group's values.
    pub range_rounds_max: u32,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024 * 1024,
            message_elements_max: 2_000_000,
            depth_max: 16,
            read_bytes_max: 4 * 1024 * 1024 * 1024,
            entries_max: 5_000_000,
            kept_bytes_max: 1 << 30,
            unasked_max: 1_000,
            range_rounds_max: 10_000,
        }
    }
}

/// Whether a `user_filter` can be sent: the syntax of RFC 4515, within our bounds of length and depth.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_filter(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the filter is empty".to_owned());
    }
    if text.len() > FILTER_BYTES_MAX {
        return Err(format!("the filter has {} bytes, {FILTER_BYTES_MAX} are allowed", text.len()));
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth =
                    depth.checked_sub(1).ok_or_else(|| format!("{text:?} closes more parentheses than it opens"))?;
            }
            _ => {}
        }
        if depth > FILTER_DEPTH_MAX {
            return Err(format!("the filter nests deeper than {FILTER_DEPTH_MAX} parentheses"));
        }
    }
    if depth != 0 {
        return Err(format!("{text:?} opens {depth} more parentheses than it closes"));
    }
    match ldap3::parse_filter(parenthesised(text)) {
        Ok(_) => Ok(()),
        Err(()) => Err(format!("{text:?} is not an LDAP filter (RFC 4515), such as (!(employeeType=robot))")),
    }
}

/// A filter in its parentheses; a bare `a=b` is widely written and meant as `(a=b)`.
pub(super) fn parenthesised(filter: &str) -> String {
    let filter = filter.trim();
    if filter.starts_with('(') { filter.to_owned() } else { format!("({filter})") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown() {
        for (text, host, port, tls, shown) in [
            ("ldaps://dc1.corp.example", "dc1.corp.example", 636, true, "ldaps://dc1.corp.example"),
            (" LDAP://dc1/ ", "dc1", 389, false, "ldap://dc1"),
            ("ldap://127.0.0.1:3899", "127.0.0.1", 3899, false, "ldap://127.0.0.1:3899"),
            ("ldaps://[::1]:6360", "::1", 6360, true, "ldaps://[::1]:6360"),
        ] {
            let url = LdapUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.is_tls()), (host, port, tls), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(LdapUrl::parse(shown).unwrap(), url);
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "dc1.corp.example",
            "https://dc1",
            "ldap://",
            "ldap://:389",
            "ldap://dc1:0",
            "ldap://dc1:99999",
            "ldap://dc1:x",
            "ldap://dc1:",
            "ldap://dc1/dc=x",
            "ldap://user@dc1",
            "ldap://dc1 dc2",
            "ldap://::1",
            "ldap://[::1",
            "ldap://[dc1]",
            "ldap://[::1]x",
        ] {
            assert!(LdapUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn filters_are_checked() {
        for good in ["(!(employeeType=robot))", "a=b", "(&(a=b)(|(c=*)(d>=1)))", "(cn=a\\28b\\29)", " (a:dn:=x) "] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(100), ")".repeat(100));
        let long = format!("(a={})", "x".repeat(FILTER_BYTES_MAX));
        for bad in
            ["", " ", "(", ")", "(a=b", "(a=b))(|(c=d)", "(a=b)(c=d)", "a", "(a=b)x", "()", "(a=\\zz)", &deep, &long]
        {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let settings = LdapSettings::new(Vec::new(), "", "", "hunter2".into());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
