//! `[directory]`: how to reach the people and groups.

use super::diagnose::{Complaint, Found, Problem};
use super::ground::Ground;
use super::raw::{Section, Text};
use super::url::{self, UrlForm};
use super::{DirectoryConfig, LdapConfig, LdifConfig, secret, value};
use std::path::PathBuf;
use std::time::Duration;

/// What is meant when `page_size` is absent.
const PAGE_SIZE_DEFAULT: u32 = 1_000;
/// More than this in one page no server gives.
const PAGE_SIZE_MAX: u64 = 10_000;
/// What is meant when `timeout` is absent.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The shortest `timeout`: less would be none at all.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// The longest `timeout`: a server that needs more is not there.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// What is meant when `memory_max_mib` is absent: enough for two million people.
const MEMORY_MIB_DEFAULT: u64 = 1_024;
/// The least that makes sense, in MiB.
const MEMORY_MIB_MIN: u64 = 16;
/// More is no limit any more, in MiB.
const MEMORY_MIB_MAX: u64 = 1 << 20;

/// The keys of both kinds.
pub(super) const KEYS_COMMON: &[&str] = &["kind", "base_dn", "email_attribute"];
/// The keys of `kind = "ldap"` alone.
pub(super) const KEYS_LDAP: &[&str] = &[
    "urls",
    "bind_dn",
    "bind_password_file",
    "bind_password_credential",
    "ca_file",
    "starttls",
    "allow_cleartext",
    "page_size",
    "timeout",
    "memory_max_mib",
    "user_filter",
    "watch",
];
/// The keys of `kind = "ldif"` alone.
pub(super) const KEYS_LDIF: &[&str] = &["path"];

const URL: UrlForm = UrlForm {
    what: "a directory",
    secure: "ldaps",
    clear: "ldap",
    example: "such as: \"ldaps://dc1.corp.example\" or \"ldaps://dc1.corp.example:636\"",
    instead: "write bind_dn and bind_password_file, and only scheme and host in the URL",
    has_path: false,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ldap,
    Ldif,
}

/// Reads `[directory]`; `None` when anything needed is absent or wrong, which is noted.
pub(super) fn directory(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<DirectoryConfig> {
    let known: Vec<&str> = [KEYS_COMMON, KEYS_LDAP, KEYS_LDIF].concat();
    ground.only(section, &known, found);
    section.need("kind", "\"ldap\"", found);
    let kinds = [("ldap", Kind::Ldap), ("ldif", Kind::Ldif)];
    let read = |text: &str| value::one_of("a kind of directory", text, &kinds);
    let kind = section.parsed("kind", "\"ldap\"", read, found);
    // With an unknown kind the rest is still read, as what is by far more common.
    match kind.unwrap_or(Kind::Ldap) {
        Kind::Ldap => {
            let ldap = ldap(section, ground, kind.is_some(), found);
            kind.and(ldap).map(DirectoryConfig::Ldap)
        }
        Kind::Ldif => ldif(section, ground, found).map(DirectoryConfig::Ldif),
    }
}

fn ldap(section: &Section<'_>, ground: &Ground<'_>, is_certain: bool, found: &mut Found) -> Option<LdapConfig> {
    if is_certain {
        belongs_to(section, KEYS_LDIF, "ldif", found);
        section.need("urls", "[\"ldaps://dc1.corp.example\"]", found);
        section.need("base_dn", "\"DC=corp,DC=example\"", found);
        section.need("bind_dn", "\"svc-seatsync@corp.example\"", found);
    }
    let starttls = section.flag("starttls", found).unwrap_or(false);
    let allow_cleartext = section.flag("allow_cleartext", found).unwrap_or(false);
    let urls = urls(section, starttls, allow_cleartext, found);
    let base_dn = base_dn(section, found);
    let bind_dn = section.text("bind_dn", "\"svc-seatsync@corp.example\"", found);
    let bind_password = secret::of(section, ground, &secret::BIND_PASSWORD, is_certain, found);
    let ca_file = section.text("ca_file", "\"/etc/seatsync/corp-ca.pem\"", found);
    let ca_file = ca_file.and_then(|text| certificates(&text, ground, found));
    let help = "Active Directory gives at most 1000 entries a page (MaxPageSize)";
    let page_size = section.number("page_size", 1..=PAGE_SIZE_MAX, "1000", help, found);
    let read = |text: &str| value::duration_within(text, TIMEOUT_MIN..=TIMEOUT_MAX);
    let timeout = section.parsed("timeout", "\"30s\"", read, found).unwrap_or(TIMEOUT_DEFAULT);
    let help = "what one read may keep in memory, about 400 bytes a person";
    let memory = section.number("memory_max_mib", MEMORY_MIB_MIN..=MEMORY_MIB_MAX, "1024", help, found);
    let check = |text: &str| {
        (ground.env.check_filter)(text).map(|()| text.to_owned()).map_err(|why| {
            Complaint::new(format!("{text:?} is not a filter: {why}")).help("such as: \"(!(employeeType=robot))\"")
        })
    };
    let user_filter = section.parsed("user_filter", "\"(!(employeeType=robot))\"", check, found);
    let email_attributes = email_attributes(section, found);
    let watch = section.flag("watch", found).unwrap_or(true);
    let base_dn = base_dn?;
    Some(LdapConfig {
        urls: urls?,
        bind_dn: bind_name(bind_dn?.get_ref(), &base_dn),
        base_dn,
        bind_password: bind_password?,
        ca_file,
        starttls,
        allow_cleartext,
        page_size: page_size.and_then(|size| u32::try_from(size.into_inner()).ok()).unwrap_or(PAGE_SIZE_DEFAULT),
        timeout,
        memory_bytes_max: memory.map_or(MEMORY_MIB_DEFAULT, |memory| memory.into_inner()) << 20,
        user_filter,
        email_attributes,
        watch,
    })
}

/// A name alone is completed to the user principal name that Active Directory gives everybody: with the domain of the base.
fn bind_name(written: &str, base_dn: &str) -> String {
    let is_alone = written.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let parts = base_dn.split(',').filter_map(|part| part.split_once('='));
    let components = parts.filter(|(kind, _)| kind.trim().eq_ignore_ascii_case("dc"));
    let domain: Vec<&str> = components.map(|(_, value)| value.trim()).collect();
    if is_alone && !domain.is_empty() { format!("{written}@{}", domain.join(".")) } else { written.to_owned() }
}

fn ldif(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<LdifConfig> {
    belongs_to(section, KEYS_LDAP, "ldap", found);
    section.need("path", "\"people.ldif\"", found);
    let path = section.text("path", "\"people.ldif\"", found);
    let base_dn = base_dn(section, found);
    let email_attributes = email_attributes(section, found);
    Some(LdifConfig { path: ground.path(path?.get_ref()), base_dn, email_attributes })
}

/// Notes keys that go with the other kind only.
pub(super) fn belongs_to(section: &Section<'_>, keys: &[&str], kind: &str, found: &mut Found) {
    for (key, span) in section.keys().filter(|(key, _)| keys.contains(key)) {
        let problem = Problem::wrong(span, format!("`{key}` goes only with kind = \"{kind}\""));
        found.add(problem.help(format!("leave it out, or write kind = \"{kind}\"")));
    }
}

fn base_dn(section: &Section<'_>, found: &mut Found) -> Option<String> {
    section.parsed("base_dn", "\"DC=corp,DC=example\"", value::base_dn, found)
}

fn urls(section: &Section<'_>, starttls: bool, allow_cleartext: bool, found: &mut Found) -> Option<Vec<String>> {
    let (_, written) = section.entry("urls")?;
    let texts = section.texts("urls", "[\"ldaps://dc1.corp.example\"]", found)?;
    if texts.is_empty() {
        let problem = Problem::wrong(written.span(), "`urls` holds no usable URL");
        found.add(problem.help("such as: urls = [\"ldaps://dc1.corp.example\"]"));
    }
    let mut urls = Vec::with_capacity(texts.len());
    for text in texts {
        match url::check(text.get_ref(), &URL).map(|url| url.is_secure) {
            Err(complaint) => found.complain(text.span(), complaint),
            Ok(true) if starttls => {
                let problem = Problem::wrong(text.span(), "`starttls` does not go with an ldaps:// URL");
                let problem = problem.label("encrypted from the first byte already");
                found.add(problem.help("leave starttls out, or write ldap:// in every URL"));
            }
            Ok(false) if !starttls && !allow_cleartext => {
                let problem = Problem::wrong(text.span(), "this URL would send the bind password in clear text");
                found.add(problem.help(
                    "write ldaps://, or starttls = true; in a laboratory, allow_cleartext = true sends it readable",
                ));
            }
            Ok(_) => urls.push(text.get_ref().trim().to_owned()),
        }
    }
    Some(urls)
}

/// A file of certificates, which must be there already.
pub(super) fn certificates(text: &Text<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<PathBuf> {
    let path = ground.path(text.get_ref());
    let why = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => match (ground.env.check_ca_file)(&path) {
            Ok(()) => return Some(path),
            Err(why) => why,
        },
        Ok(_) => "it is not a regular file".to_owned(),
        Err(error) => error.to_string(),
    };
    let problem = Problem::wrong(text.span(), format!("cannot use {}: {why}", path.display()));
    found.add(problem.help("name a file with PEM certificates, or leave the line out to trust the system's roots"));
    None
}

fn email_attributes(section: &Section<'_>, found: &mut Found) -> Vec<String> {
    let key = "email_attribute";
    match section.has(key) {
        true => attribute_names(section, key, ("\"mail\"", "[\"mail\", \"userPrincipalName\"]"), found),
        false => vec!["mail".to_owned()],
    }
}

/// One name of an attribute or a list of them; the examples are of either.
pub(super) fn attribute_names(
    section: &Section<'_>,
    key: &str,
    (one, several): (&str, &str),
    found: &mut Found,
) -> Vec<String> {
    let Some((_, written)) = section.entry(key) else { return Vec::new() };
    let texts = if written.get_ref().is_array() {
        section.texts(key, several, found).unwrap_or_default()
    } else {
        section.text(key, one, found).into_iter().collect()
    };
    if written.get_ref().as_array().is_some_and(|array| array.is_empty()) {
        let problem = Problem::wrong(written.span(), format!("`{key}` lists no attribute"));
        found.add(problem.help(format!("such as: {key} = {several}")));
    }
    let mut names = Vec::with_capacity(texts.len());
    for text in texts {
        match value::attribute(text.get_ref()) {
            Ok(name) => names.push(name),
            Err(complaint) => found.complain(text.span(), complaint),
        }
    }
    names
}
