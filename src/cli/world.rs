//! From the configuration to a world a pass can work on.

use super::exit::Stop;
use super::log;
use crate::accounts::{self, chime, embedded, scim};
use crate::config::{AccountsConfig, ChimeConfig, Config, ConfigError, DirectoryConfig, Environment, LdapConfig};
use crate::config::{EmailConfig, NotifyConfig, SmtpConfig, SmtpLogin, WebhookConfig};
use crate::config::{ScimConfig, ScimLogin, ScimPaging};
use crate::directory::{self, ldap, ldif};
use crate::halt::Halt;
use crate::model::{DetailSource, Meter, OnLeave, Rules, StoreKind, Timestamp};
use crate::notify;
use crate::pass::{Kept, World};
use crate::smtp::{SmtpCredentials, SmtpSettings};
use crate::state::local::{self, LocalState, StateSettings};
use std::path::Path;

/// The world of the agent.
pub(super) type AgentWorld = World<directory::Configured, accounts::Configured, LocalState>;

/// What the world is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To look: nothing is created, nothing is written.
    Look,
    /// To change.
    Change,
    /// To change after listing the account store, which is then taken as it is.
    Audit,
}

/// What ties the parts of a world to whoever works with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ties {
    /// Where each exchange with a server is told.
    pub(super) meter: Meter,
    /// When it is asked, all of them come to their end.
    pub(super) halt: Halt,
    /// Whether one pass follows another, so that it pays to know what has changed since the last one.
    pub(super) follows: bool,
}

/// Reads the configuration, all of whose problems come back at once, and begins to log as it says.
pub(super) fn configuration(path: &Path) -> Result<Config, Stop> {
    let config = read(path)?;
    log::start(&config.log);
    Ok(config)
}

/// Reads the configuration and the secrets it names.
pub(super) fn read(path: &Path) -> Result<Config, ConfigError> {
    let (check_filter, check_ca_file) = (ldap::check_filter, ldap::check_ca_file);
    let check_webhook_secret = notify::check_secret;
    let check_tier_place = |text: &str| scim::TierPlace::parse(text).map(drop);
    let check_detail = scim::check_detail;
    let env = Environment {
        check_filter,
        check_ca_file,
        check_webhook_secret,
        check_tier_place,
        check_detail,
        ..Environment::of_process()
    };
    crate::config::load_with(path, &env)
}

/// Opens everything the configuration names; each exchange with a server is told to `meter`.
pub(super) fn open(config: &Config, purpose: Purpose, ties: &Ties) -> Result<AgentWorld, Stop> {
    Ok(World {
        directory: directory(config, ties)?,
        state: state(config, purpose)?,
        accounts: accounts(config, purpose, ties)?,
        rules: rules(config),
        limits: config.limits.clone(),
        now: Timestamp::now,
        halt: ties.halt.clone(),
        kept: Kept::default(),
    })
}

/// Who gets what, and what becomes of accounts of people who leave, which the section of the account store says.
pub(super) fn rules(config: &Config) -> Rules {
    let on_leave = match &config.accounts {
        AccountsConfig::Scim(scim) => scim.on_leave,
        AccountsConfig::Embedded { .. } | AccountsConfig::Chime(_) => OnLeave::Deactivate,
    };
    Rules { on_leave, ..config.rules.clone() }
}

/// The directory only.
pub(super) fn directory(config: &Config, ties: &Ties) -> Result<directory::Configured, Stop> {
    Ok(match &config.directory {
        DirectoryConfig::Ldap(ldap) => {
            let directory = ldap::Ldap::new(ldap_settings(ldap, details(config), &ties.meter)?);
            directory::Configured::Ldap(Box::new(if ties.follows { directory.following() } else { directory }))
        }
        DirectoryConfig::Ldif(file) => directory::Configured::Ldif(ldif::Ldif::new(ldif::LdifSettings {
            path: file.path.clone(),
            base_dn: file.base_dn.clone(),
            email_attributes: file.email_attributes.clone(),
            details: details(config),
        })),
    })
}

/// What the account store is given of people besides seat and address.
fn details(config: &Config) -> Vec<DetailSource> {
    match &config.accounts {
        AccountsConfig::Scim(scim) => scim.details.clone(),
        AccountsConfig::Embedded { .. } | AccountsConfig::Chime(_) => Vec::new(),
    }
}

fn ldap_settings(config: &LdapConfig, details: Vec<DetailSource>, meter: &Meter) -> Result<ldap::LdapSettings, Stop> {
    let urls = config
        .urls
        .iter()
        .map(|url| ldap::LdapUrl::parse(url).map_err(|why| Stop::Other(format!("directory.urls: {url}: {why}"))))
        .collect::<Result<_, _>>()?;
    Ok(ldap::LdapSettings {
        urls,
        base_dn: config.base_dn.clone(),
        bind_dn: config.bind_dn.clone(),
        bind_password: config.bind_password.clone(),
        ca_file: config.ca_file.clone(),
        starttls: config.starttls,
        allow_cleartext: config.allow_cleartext,
        page_size: config.page_size,
        timeout: config.timeout,
        user_filter: config.user_filter.clone(),
        email_attributes: config.email_attributes.clone(),
        details,
        limits: ldap::ReadLimits { kept_bytes_max: config.memory_bytes_max, ..ldap::ReadLimits::default() },
        meter: meter.clone(),
    })
}

/// The state only.
pub(super) fn state(config: &Config, purpose: Purpose) -> Result<LocalState, Stop> {
    // Another account begins with an empty snapshot; the same one behind another endpoint does not.
    let account = match &config.accounts {
        AccountsConfig::Embedded { path: _, account, kind: _ } => format!("embedded:{account}"),
        AccountsConfig::Chime(chime) => format!("chime:{}", chime.account),
        AccountsConfig::Scim(scim) => format!("scim:{}", scim.account),
    };
    let settings = StateSettings { path: config.state_path.clone(), account };
    let access = match purpose {
        Purpose::Look => local::Access::Look,
        Purpose::Change | Purpose::Audit => local::Access::Write,
    };
    Ok(LocalState::open(settings, access)?)
}

/// Who is told when something needs a person; `on_delivery` hears of every message and channel.
pub(super) fn notify_settings(config: &Config, on_delivery: notify::OnDelivery) -> Option<notify::NotifySettings> {
    let NotifyConfig { webhook, email, events } = config.notify.clone()?;
    let webhook =
        webhook.map(|WebhookConfig { url, secret, ca_file }| notify::WebhookSettings { url, secret, ca_file });
    let mail = email.map(|EmailConfig { to, from, smtp }| notify::MailSettings { from, to, smtp: smtp_settings(smtp) });
    let is_wanted = |event: &notify::Event| events.contains(&event.word());
    let events = notify::Event::ALL.into_iter().filter(is_wanted).collect();
    Some(notify::NotifySettings { webhook, mail, events, on_delivery })
}

/// The mail server of either program.
pub(super) fn smtp_settings(config: SmtpConfig) -> SmtpSettings {
    let url = config.url();
    let SmtpConfig { security: _, host: _, port: _, login, ca_file } = config;
    let credentials = login.map(|SmtpLogin { username, password }| SmtpCredentials { username, password });
    SmtpSettings { url, credentials, ca_file }
}

/// The account store only.
pub(super) fn accounts(config: &Config, purpose: Purpose, ties: &Ties) -> Result<accounts::Configured, Stop> {
    let settings = match &config.accounts {
        AccountsConfig::Embedded { path, account, kind } => embedded_settings(config, path, account, *kind),
        AccountsConfig::Chime(chime) => {
            return Ok(accounts::Configured::Chime(Box::new(open_chime(config, chime, ties)?)));
        }
        AccountsConfig::Scim(scim) => {
            return Ok(accounts::Configured::Scim(Box::new(open_scim(scim, ties)?)));
        }
    };
    let access = match purpose {
        Purpose::Look => embedded::Access::Look,
        Purpose::Change => embedded::Access::Write,
        Purpose::Audit => embedded::Access::Audit,
    };
    Ok(accounts::Configured::Embedded(embedded::Embedded::open(settings, access)?))
}

/// What the embedded account store is opened with.
pub(super) fn embedded_settings(
    config: &Config,
    path: &Path,
    account: &str,
    kind: StoreKind,
) -> embedded::EmbeddedSettings {
    embedded::EmbeddedSettings {
        path: path.to_owned(),
        account: account.to_owned(),
        kind,
        tiers: config.rules.order().iter().cloned().collect(),
        domains: config.rules.domains.clone(),
    }
}

/// The account store behind the admin API.
pub(super) fn open_chime(config: &Config, chime: &ChimeConfig, ties: &Ties) -> Result<chime::Chime, Stop> {
    let ChimeConfig { endpoint, region, account, access_key_id, secret_access_key, ca_file, timeout, requests_max } =
        chime.clone();
    let tiers = config.rules.order().iter().cloned().collect();
    Ok(chime::Chime::open(chime::ChimeSettings {
        endpoint,
        region,
        account,
        access_key_id,
        secret_access_key,
        ca_file,
        timeout,
        requests_max,
        tiers,
        meter: ties.meter.clone(),
        halt: ties.halt.clone(),
    })?)
}

/// The account store behind SCIM.
pub(super) fn open_scim(config: &ScimConfig, ties: &Ties) -> Result<scim::Scim, Stop> {
    let ScimConfig {
        base_url,
        account: _,
        login,
        tier_in,
        tier_values,
        external_id,
        details: _,
        paging,
        on_leave,
        ca_file,
        timeout,
        requests_max,
    } = config.clone();
    let place = scim::TierPlace::parse(&tier_in);
    let place = place.map_err(|why| Stop::Other(format!("accounts.tier_in: {tier_in:?}: {why}")))?;
    let authority = match login {
        ScimLogin::Bearer(token) => scim::Authority::Bearer(token),
        ScimLogin::Client { token_url, client_id, client_secret, scope } => {
            scim::Authority::Client(scim::ClientCredentials { token_url, client_id, client_secret, scope })
        }
    };
    Ok(scim::Scim::open(scim::ScimSettings {
        base_url,
        authority,
        mapping: scim::Mapping { place, values: tier_values, keeps_identity: external_id },
        paging: match paging {
            ScimPaging::AsTold => None,
            ScimPaging::Index => Some(scim::Paging::Index),
            ScimPaging::Cursor => Some(scim::Paging::Cursor),
        },
        on_leave,
        ca_file,
        timeout,
        requests_max,
        meter: ties.meter.clone(),
        halt: ties.halt.clone(),
    })?)
}
