//! `scheme://host[:port]`, for some with a path: where a server is, and whether the way there is encrypted from the start.

use super::diagnose::Complaint;
use std::net::IpAddr;

/// Which URLs are meant.
pub(super) struct UrlForm {
    /// Whose URL it is.
    pub(super) what: &'static str,
    /// The encrypted scheme.
    pub(super) secure: &'static str,
    /// The other one.
    pub(super) clear: &'static str,
    /// How one looks.
    pub(super) example: &'static str,
    /// Where user and password belong.
    pub(super) instead: &'static str,
    /// Whether a path may follow host and port.
    pub(super) has_path: bool,
}

/// What a URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Whether it is encrypted from the start.
    pub(super) is_secure: bool,
    /// Whether the host is this machine.
    pub(super) is_loopback: bool,
}

/// Checks one.
pub(super) fn check(text: &str, form: &UrlForm) -> Result<Checked, Complaint> {
    if text.contains('@') {
        // Not shown: what stands before the @ may be a password.
        return Err(Complaint::new("a URL holds no user and no password").help(form.instead));
    }
    let UrlForm { what, secure, clear, example, instead: _, has_path } = form;
    let wrong = |why: &str| Complaint::new(format!("{text:?} is not the URL of {what}: {why}")).help(*example);
    let Some((scheme, rest)) = text.trim().split_once("://") else {
        return Err(wrong("it has no scheme"));
    };
    let is_secure = match scheme.to_ascii_lowercase() {
        scheme if scheme == *secure => true,
        scheme if scheme == *clear => false,
        _ => return Err(wrong(&format!("the scheme must be {secure} or {clear}"))),
    };
    let (host_port, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !has_path && !matches!(path, "" | "/") {
        return Err(wrong("nothing may follow host and port"));
    }
    if path.contains(['?', '#']) || path.contains(|c: char| c.is_whitespace()) {
        return Err(wrong("nothing may follow the path"));
    }
    let (host, host_is_good, port) = match host_port.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or_else(|| wrong("a bracket is not closed"))?;
            (host, host.parse::<std::net::Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (host, port) = host_port.split_at(host_port.find(':').unwrap_or(host_port.len()));
            let well_formed = |c: char| c.is_alphanumeric() || "-._".contains(c);
            (host, !host.is_empty() && host.chars().all(well_formed), port)
        }
    };
    if !host_is_good {
        return Err(wrong("the host is no name and no address"));
    }
    let port_is_good =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(port_is_good) {
        return Err(wrong("the port is not a number from 1 to 65535"));
    }
    let is_loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    Ok(Checked { is_secure, is_loopback })
}
