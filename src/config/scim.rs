//! `[accounts] kind = "scim"`: a product that takes its users over SCIM 2.0, and what is usual for some of them.

use super::ScimConfig;
use super::accounts::Served;
use super::details::details;
use super::diagnose::{Complaint, Found, Problem};
use super::ground::Ground;
use super::raw::{Section, kind};
use super::secret::{self, BEARER_TOKEN, CLIENT_SECRET};
use super::url::{self, UrlForm};
use super::{ScimLogin, ScimPaging, value};
use crate::model::{OnLeave, Tier};
use secrecy::SecretString;
use std::collections::HashMap;
use toml::de::DeValue;

/// The keys of `kind = "scim"` alone.
pub(super) const KEYS: &[&str] = &[
    "base_url",
    "preset",
    BEARER_TOKEN.file,
    BEARER_TOKEN.credential,
    "token_url",
    "client_id",
    CLIENT_SECRET.file,
    CLIENT_SECRET.credential,
    "scope",
    "tier_in",
    "tier_values",
    "external_id",
    "attributes",
    "paging",
    "suspend",
    "on_leave",
];
/// The keys of a login with client credentials.
const KEYS_CLIENT: [&str; 5] = ["token_url", "client_id", CLIENT_SECRET.file, CLIENT_SECRET.credential, "scope"];
/// The longest client id, scope and value of a tier, in bytes.
const WORD_BYTES_MAX: usize = 1_024;

/// What is usual for a product: a named set of settings, each of which may be written otherwise.
struct Preset {
    name: &'static str,
    tier_in: Option<&'static str>,
    paging: ScimPaging,
}

/// From what the vendors say of their interfaces.
const PRESETS: &[Preset] = &[
    Preset { name: "generic", tier_in: None, paging: ScimPaging::AsTold },
    Preset { name: "figma", tier_in: Some("roles[seatType]"), paging: ScimPaging::AsTold },
    Preset { name: "salesforce", tier_in: Some("entitlements[Profile]"), paging: ScimPaging::Index },
    Preset { name: "slack", tier_in: Some("none"), paging: ScimPaging::Index },
    Preset { name: "github-emu", tier_in: Some("roles"), paging: ScimPaging::Index },
    Preset { name: "aws-identity-center", tier_in: Some("userType"), paging: ScimPaging::Cursor },
];

/// The preset of a product whose groups show an empty list of members, whoever is in them.
const SHOWS_NO_MEMBERS: &str = "aws-identity-center";

const BASE_URL: UrlForm = UrlForm {
    what: "a SCIM server",
    secure: "https",
    clear: "http",
    example: "such as: \"https://api.product.example/scim/v2\"",
    instead: "write bearer_token_file, and only the server and its path in the URL",
    has_path: true,
};
const TOKEN_URL: UrlForm = UrlForm {
    what: "a token server",
    secure: "https",
    clear: "http",
    example: "such as: \"https://login.product.example/oauth2/token\"",
    instead: "write client_id and client_secret_file, and only the server and its path in the URL",
    has_path: true,
};

/// Reads what goes with `kind = "scim"`. `tiers` are the configured ones, the highest first.
pub(super) fn scim(
    section: &Section<'_>,
    ground: &Ground<'_>,
    account: Option<String>,
    served: Served,
    tiers: &[Tier],
    found: &mut Found,
) -> Option<ScimConfig> {
    section.need("base_url", "\"https://api.product.example/scim/v2\"", found);
    section.need("account", "\"corp\"", found);
    let base_url = url_of(section, "base_url", &BASE_URL, found);
    let login = login(section, ground, found);
    let presets: Vec<(&str, &Preset)> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    let read = |text: &str| value::one_of("a preset", text, &presets);
    let preset = section.parsed("preset", "\"figma\"", read, found);
    if preset.is_none_or(|preset| preset.tier_in.is_none()) {
        section.need("tier_in", "\"entitlements[licence]\"", found);
    }
    let tier_in = place(section, ground, found).or_else(|| preset?.tier_in.map(str::to_owned));
    let tier_values = tier_values(section, tiers, found);
    let is_group = tier_in
        .as_deref()
        .is_some_and(|place| ["group", "groups"].iter().any(|name| place.trim().eq_ignore_ascii_case(name)));
    if is_group && preset.is_some_and(|preset| preset.name == SHOWS_NO_MEMBERS) {
        let at = section.entry("tier_in").map_or(section.at.clone(), |(at, _)| at);
        let problem = Problem::wrong(at, format!("tier_in = \"group\" does not go with preset = {SHOWS_NO_MEMBERS:?}"));
        found.add(problem.help("it calls every group empty, whoever is in it, so that no seat could be confirmed"));
    }
    let is_nowhere = tier_in.as_deref().is_some_and(|place| place.trim().eq_ignore_ascii_case("none"));
    if is_nowhere && tiers.len() > 1 {
        let at = section.entry("tier_in").or_else(|| section.entry("preset")).map_or(section.at.clone(), |(at, _)| at);
        let problem = Problem::wrong(at, "tier_in = \"none\" goes with one [[tier]] only");
        found.add(problem.help("say where the product keeps the tier, or put all groups into one [[tier]]"));
    }
    let details = details(section, ground, tier_in.as_deref(), found);
    let pagings = [("auto", ScimPaging::AsTold), ("index", ScimPaging::Index), ("cursor", ScimPaging::Cursor)];
    let read = |text: &str| value::one_of("a way of paging", text, &pagings);
    let paging = section.parsed("paging", "\"auto\"", read, found);
    let external_id = section.flag("external_id", found).unwrap_or(true);
    section.parsed("suspend", "\"active\"", |text| value::one_of("a way to suspend", text, &[("active", ())]), found);
    let leaves = [("deactivate", OnLeave::Deactivate), ("delete", OnLeave::Delete)];
    let read = |text: &str| value::one_of("what is done when somebody leaves", text, &leaves);
    let on_leave = section.parsed("on_leave", "\"deactivate\"", read, found).unwrap_or_default();
    if on_leave == OnLeave::Delete && !external_id {
        let at = section.entry("on_leave").map_or(section.at.clone(), |(at, _)| at);
        let problem = Problem::wrong(at, "on_leave = \"delete\" does not go with external_id = false");
        found.add(problem.help("only an account that carries the person's externalId is sure to be theirs; write on_leave = \"deactivate\""));
    }
    Some(ScimConfig {
        base_url: base_url?,
        account: account?,
        login: login?,
        tier_in: tier_in?,
        tier_values,
        external_id,
        details,
        paging: paging.or(preset.map(|preset| preset.paging)).unwrap_or(ScimPaging::AsTold),
        on_leave,
        ca_file: served.ca_file,
        timeout: served.timeout,
        requests_max: served.requests_max,
    })
}

fn url_of(section: &Section<'_>, key: &str, form: &UrlForm, found: &mut Found) -> Option<String> {
    let text = section.text(key, form.example.trim_start_matches("such as: "), found)?;
    match url::check(text.get_ref(), form) {
        Err(complaint) => {
            found.complain(text.span(), complaint);
            None
        }
        Ok(url) if url.is_secure || url.is_loopback => Some(text.get_ref().trim().trim_end_matches('/').to_owned()),
        Ok(_) => {
            let problem = Problem::wrong(text.span(), "this URL would send the token in clear text");
            found.add(problem.help("write https://; http:// is for this machine only"));
            None
        }
    }
}

/// A bearer token, or client credentials that get one.
fn login(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<ScimLogin> {
    let is_client = section.has("token_url") || section.has("client_id");
    let bearer = section.entry(BEARER_TOKEN.file).or_else(|| section.entry(BEARER_TOKEN.credential));
    if !is_client {
        for (key, span) in section.keys().filter(|(key, _)| KEYS_CLIENT.contains(key)) {
            let problem = Problem::wrong(span, format!("`{key}` goes with token_url and client_id"));
            found.add(problem.help("write both, or leave it out and name a bearer token"));
        }
        return secret::of(section, ground, &BEARER_TOKEN, true, found).map(ScimLogin::Bearer);
    }
    if let Some((at, _)) = bearer {
        let problem = Problem::wrong(at, "a bearer token does not go with token_url and client_id");
        found.add(problem.help("keep one of the two ways to sign in"));
    }
    section.need("token_url", "\"https://login.product.example/oauth2/token\"", found);
    section.need("client_id", "\"seatsync\"", found);
    let token_url = url_of(section, "token_url", &TOKEN_URL, found);
    let client_id = section.parsed("client_id", "\"seatsync\"", |text| word("a client id", text), found);
    let client_secret: Option<SecretString> = secret::of(section, ground, &CLIENT_SECRET, true, found);
    let scope = section.parsed("scope", "\"scim\"", |text| word("a scope", text), found);
    Some(ScimLogin::Client { token_url: token_url?, client_id: client_id?, client_secret: client_secret?, scope })
}

fn place(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<String> {
    let read = |text: &str| {
        match (ground.env.check_tier_place)(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(why) => Err(Complaint::new(format!("{text:?} is no place for a tier: {why}")).help(
            "entitlements[TYPE], roles[TYPE], userType, group, none, or an attribute with its schema, urn:…:User:attribute",
        )),
    }
    };
    section.parsed("tier_in", "\"entitlements[licence]\"", read, found)
}

/// The value of each tier, which is its name where nothing else is written.
fn tier_values(section: &Section<'_>, tiers: &[Tier], found: &mut Found) -> Vec<(Tier, String)> {
    let named = |tier: &Tier| (tier.clone(), tier.name().to_owned());
    let mut values: Vec<(Tier, String)> = tiers.iter().map(named).collect();
    let Some((at, written)) = section.entry("tier_values") else { return values };
    let example = "{ pro = \"Full\", plus = \"View\" }";
    let DeValue::Table(table) = written.get_ref() else {
        let title = format!("`tier_values` must be a table, not {}", kind(written.get_ref()));
        found.add(Problem::wrong(written.span(), title).help(format!("such as: tier_values = {example}")));
        return values;
    };
    let section = Section::new("tier_values", at, table);
    let names: Vec<&str> = tiers.iter().map(Tier::name).collect();
    section.only(&names, |_| None, found);
    let mut seen = HashMap::new();
    for (tier, value) in &mut values {
        let text = section.text(tier.name(), "\"Full\"", found);
        let span = text.as_ref().map(toml::Spanned::span).or_else(|| Some(section.entry(tier.name())?.0));
        let read =
            text.map(|text| word("the value of a tier", text.get_ref()).map_err(|it| found.complain(text.span(), it)));
        if let Some(Ok(read)) = read {
            *value = read;
        }
        let span = span.unwrap_or_else(|| section.at.clone());
        if let Some((first, other)) = seen.insert(value.to_lowercase(), (span.clone(), tier.clone())) {
            let title = format!("tiers {other} and {tier} have the same value {value:?}");
            let problem = Problem::wrong(span, title).also(first, "first here");
            found.add(problem.help("each tier is known by a value of its own"));
        }
    }
    values
}

/// A text that can stand in a request.
fn word(what: &str, text: &str) -> Result<String, Complaint> {
    let trimmed = text.trim();
    match trimmed.len() <= WORD_BYTES_MAX {
        true => Ok(trimmed.to_owned()),
        false => {
            Err(Complaint::new(format!("this is too long for {what}")).help(format!("at most {WORD_BYTES_MAX} bytes")))
        }
    }
}
