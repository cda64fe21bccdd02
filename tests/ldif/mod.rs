//! Changes of a directory, as LDIF.

use std::io::Write;
use std::process::{Command, Stdio};

/// Has a server apply change records (RFC 2849).
#[track_caller]
pub fn apply(url: &str, bind_dn: &str, password: &str, ldif: &str) {
    let mut client = Command::new("ldapmodify")
        .args(["-x", "-H", url, "-D", bind_dn, "-w", password])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("ldapmodify (package ldap-utils): {error}"));
    client.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
    assert!(client.wait().unwrap().success(), "ldapmodify failed at {url}\n{ldif}");
}
