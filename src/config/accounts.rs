//! `[accounts]`: where seats are given and taken.

use super::diagnose::{Complaint, Found, Problem};
use super::directory::{belongs_to, certificates};
use super::ground::Ground;
use super::raw::Section;
use super::secret::{self, ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use super::url::{self, UrlForm};
use super::{AccountsConfig, ChimeConfig, scim, value};
use crate::model::{StoreKind, Tier};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::time::Duration;

/// What is meant when `region` is absent.
const REGION_DEFAULT: &str = "us-east-1";
/// What is meant when `timeout` is absent.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The shortest `timeout`: less would be none at all.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// The longest `timeout`: a server that needs more is not there.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// What is meant when `requests_max` is absent.
const REQUESTS_DEFAULT: usize = 16;
/// More at one time no account store is glad of.
const REQUESTS_MAX: u64 = 256;
/// The longest access key id and region, in bytes: both stand in a header.
const WORD_BYTES_MAX: usize = 128;

/// The keys of every kind.
pub(super) const KEYS_COMMON: &[&str] = &["kind", "account"];
/// The keys of `kind = "embedded"` alone.
pub(super) const KEYS_EMBEDDED: &[&str] = &["path", "account_type"];
/// The keys of `kind = "chime"` alone.
pub(super) const KEYS_CHIME: &[&str] = &[
    "endpoint",
    "region",
    "access_key_id",
    ACCESS_KEY_ID.file,
    ACCESS_KEY_ID.credential,
    SECRET_ACCESS_KEY.file,
    SECRET_ACCESS_KEY.credential,
    "allow_cleartext",
];
/// The keys of every store that is a server.
pub(super) const KEYS_SERVED: &[&str] = &["ca_file", "timeout", "requests_max"];

const ENDPOINT: UrlForm = UrlForm {
    what: "an account store",
    secure: "https",
    clear: "http",
    example: "such as: \"https://seats.corp.example\" or \"https://seats.corp.example:8443\"",
    instead: "write access_key_id and secret_access_key_file, and only scheme and host in the URL",
    has_path: false,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedded,
    Chime,
    Scim,
}

/// What every store that is a server is reached with.
pub(super) struct Served {
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) requests_max: usize,
}

/// Reads `[accounts]`; `None` when anything needed is absent or wrong, which is noted. `tiers` are the configured ones.
pub(super) fn accounts(
    section: &Section<'_>,
    ground: &Ground<'_>,
    tiers: &[Tier],
    found: &mut Found,
) -> Option<AccountsConfig> {
    section.need("kind", "\"embedded\"", found);
    let text = section.text("kind", "\"embedded\"", found);
    ground.only(section, &[KEYS_COMMON, KEYS_EMBEDDED, KEYS_SERVED, KEYS_CHIME, scim::KEYS].concat(), found);
    let kinds = [("embedded", Kind::Embedded), ("chime", Kind::Chime), ("scim", Kind::Scim)];
    let kind = text.and_then(|text| {
        let kind = value::one_of("a kind of account store", text.get_ref(), &kinds);
        kind.map_err(|complaint| found.complain(text.span(), complaint)).ok()
    });
    // With an unknown kind the rest is read as what it looks like.
    let likely = match (section.has("base_url"), section.has("endpoint")) {
        (true, _) => Kind::Scim,
        (false, true) => Kind::Chime,
        (false, false) => Kind::Embedded,
    };
    let account = section.parsed("account", "\"corp\"", value::account, found);
    let likely = kind.unwrap_or(likely);
    if kind.is_some() {
        // Which keys go with which kinds.
        let owners: [(&[&str], &[Kind], &str); 4] = [
            (KEYS_EMBEDDED, &[Kind::Embedded], "embedded"),
            (KEYS_CHIME, &[Kind::Chime], "chime"),
            (scim::KEYS, &[Kind::Scim], "scim"),
            (KEYS_SERVED, &[Kind::Chime, Kind::Scim], "chime\" or \"scim"),
        ];
        for (keys, _, name) in owners.into_iter().filter(|(_, kinds, _)| !kinds.contains(&likely)) {
            belongs_to(section, keys, name, found);
        }
    }
    let config = match likely {
        Kind::Embedded => embedded(section, ground, account, found),
        Kind::Chime => chime(section, ground, account, found).map(AccountsConfig::Chime),
        Kind::Scim => {
            let served = served(section, ground, found);
            scim::scim(section, ground, account, served, tiers, found).map(AccountsConfig::Scim)
        }
    };
    kind.and(config)
}

fn embedded(
    section: &Section<'_>,
    ground: &Ground<'_>,
    account: Option<String>,
    found: &mut Found,
) -> Option<AccountsConfig> {
    section.need("path", "\"/var/lib/seatsync/accounts\"", found);
    section.need("account", "\"corp\"", found);
    let path = section.text("path", "\"/var/lib/seatsync/accounts\"", found);
    let account_type = section.parsed("account_type", "\"EnterpriseDirectory\"", value::store_kind, found);
    Some(AccountsConfig::Embedded {
        path: ground.path(path?.get_ref()),
        account: account?,
        kind: account_type.unwrap_or(StoreKind::EnterpriseDirectory),
    })
}

fn chime(
    section: &Section<'_>,
    ground: &Ground<'_>,
    account: Option<String>,
    found: &mut Found,
) -> Option<ChimeConfig> {
    section.need("endpoint", "\"https://seats.corp.example\"", found);
    section.need("account", "\"corp\"", found);
    let allow_cleartext = section.flag("allow_cleartext", found).unwrap_or(false);
    let endpoint = endpoint(section, allow_cleartext, found);
    let region = section.parsed("region", "\"us-east-1\"", |text| word("a region", text), found);
    let access_key_id = access_key_id(section, ground, found);
    let secret_access_key = secret::of(section, ground, &SECRET_ACCESS_KEY, true, found);
    let Served { ca_file, timeout, requests_max } = served(section, ground, found);
    Some(ChimeConfig {
        endpoint: endpoint?,
        region: region.unwrap_or_else(|| REGION_DEFAULT.to_owned()),
        account: account?,
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        ca_file,
        timeout,
        requests_max,
    })
}

fn served(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Served {
    let ca_file = section.text("ca_file", "\"/etc/seatsync/corp-ca.pem\"", found);
    let ca_file = ca_file.and_then(|text| certificates(&text, ground, found));
    let read = |text: &str| value::duration_within(text, TIMEOUT_MIN..=TIMEOUT_MAX);
    let timeout = section.parsed("timeout", "\"30s\"", read, found).unwrap_or(TIMEOUT_DEFAULT);
    let help = "most requests at one time; how many there are really, the answers decide";
    let requests_max = section.number("requests_max", 1..=REQUESTS_MAX, "16", help, found);
    let requests_max = requests_max.and_then(|max| usize::try_from(max.into_inner()).ok()).unwrap_or(REQUESTS_DEFAULT);
    Served { ca_file, timeout, requests_max }
}

fn endpoint(section: &Section<'_>, allow_cleartext: bool, found: &mut Found) -> Option<String> {
    let text = section.text("endpoint", "\"https://seats.corp.example\"", found)?;
    match url::check(text.get_ref(), &ENDPOINT) {
        Err(complaint) => {
            found.complain(text.span(), complaint);
            None
        }
        Ok(url) if url.is_secure || url.is_loopback || allow_cleartext => {
            Some(text.get_ref().trim().trim_end_matches('/').to_owned())
        }
        Ok(_) => {
            let problem = Problem::wrong(text.span(), "this URL would send names and licences in clear text");
            found.add(problem.help("write https://; in a laboratory, allow_cleartext = true sends them readable"));
            None
        }
    }
}

/// The id of the key, written here or where it is: it is no secret, but may well lie beside one.
fn access_key_id(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<String> {
    let example = "\"AKIAIOSFODNN7EXAMPLE\"";
    let elsewhere = section.entry(ACCESS_KEY_ID.file).or_else(|| section.entry(ACCESS_KEY_ID.credential));
    match (section.entry("access_key_id"), elsewhere) {
        (Some((first, _)), Some((second, _))) => {
            let problem = Problem::wrong(second, "the access key id is given twice").also(first, "and here");
            found.add(problem.help("keep one of the two"));
            None
        }
        (Some(_), None) => section.parsed("access_key_id", example, |text| word("an access key id", text), found),
        (None, Some((at, _))) => {
            let id = secret::of(section, ground, &ACCESS_KEY_ID, false, found)?;
            let id = word("an access key id", id.expose_secret());
            // Not shown: it may be the secret's file that was named.
            let wrong = |_| Complaint::new("what stands there is not an access key id").help("is it the right file?");
            id.map_err(wrong).map_err(|complaint| found.complain(at, complaint)).ok()
        }
        (None, None) => {
            section.need("access_key_id", example, found);
            None
        }
    }
}

/// A word that can stand in the scope of a signature.
fn word(what: &str, text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    let well_formed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= WORD_BYTES_MAX && text.chars().all(well_formed) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("{text:?} is not {what}"))
        .help(format!("at most {WORD_BYTES_MAX} letters, digits, - _ and . are one")))
}
