//! What a configuration is made into while the service runs: the parts of the world that it changes, and no others.

use super::world::{self, AgentWorld, Purpose, Ties};
use super::{ask, log};
use crate::accounts;
use crate::config::{AccountsConfig, ChimeConfig, Config, DirectoryConfig, LdapConfig, ScheduleConfig, ScimConfig};
use crate::daemon::alarm::Alarm;
use crate::daemon::watcher::{Lookouts, Passes};
use crate::daemon::{Foundry, Terms, systemd};
use crate::directory::{self, ldap::Watch};
use crate::model::{Meter, Timestamp};
use crate::pass::Kept;
use crate::state::LocalState;
use crate::web::random_part;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Puts new configurations into the world of a running service.
pub(super) struct Workshop {
    /// What ties the parts of the world to this service.
    pub(super) ties: Ties,
    /// Where exchanges with servers are told that are none of a pass.
    pub(super) meter_beside: Meter,
    /// Where what is in force is shown to whoever works beside the loop.
    pub(super) in_force: watch::Sender<Arc<Config>>,
    /// Who looks out for changes in the directory.
    pub(super) lookouts: watch::Sender<Lookouts<Watch>>,
    /// What they are told of passes.
    pub(super) passes: watch::Sender<Passes>,
}

impl Foundry<directory::Configured, accounts::Configured, LocalState> for Workshop {
    type Plan = Box<Config>;

    fn adopt(&mut self, world: &mut AgentWorld, plan: Box<Config>) -> Result<Terms, String> {
        needs_restart(&self.in_force.borrow(), &plan)?;
        // Everything that may fail comes first: the world is changed as a whole or not at all.
        let directory = world::directory(&plan, &self.ties).map_err(|stop| stop.to_string())?;
        match (&world.accounts, &plan.accounts) {
            // Its folder is open, and admits one: it is told what is new.
            (accounts::Configured::Embedded(open), AccountsConfig::Embedded { path, account, kind }) => {
                let settings = world::embedded_settings(&plan, path, account, *kind);
                open.refurnish(&settings).map_err(|error| error.to_string())?;
            }
            _ => {
                let opened = world::accounts(&plan, Purpose::Change, &self.ties);
                world.accounts = opened.map_err(|stop| stop.to_string())?;
            }
        }
        world.directory = directory;
        self.passes.send_modify(Passes::renewed);
        drop(self.lookouts.send_replace(lookout(&plan, &world.directory, &self.meter_beside)));
        // What was read by the old settings is not what is read by the new ones.
        world.kept = Kept::default();
        world.rules = plan.rules.clone();
        world.limits = plan.limits.clone();
        log::adjust(&plan.log);
        let before = self.in_force.send_replace(Arc::new(*plan));
        let now = self.in_force.borrow();
        tell_what_waits(&before, &now);
        warn_of_long_waits(&now);
        Ok(terms(&now))
    }
}

/// Who looks out for changes, or why nobody does.
pub(super) fn lookout(config: &Config, directory: &directory::Configured, meter: &Meter) -> Lookouts<Watch> {
    match &config.directory {
        DirectoryConfig::Ldap(LdapConfig { watch: false, .. }) => Err("[directory] watch = false".to_owned()),
        DirectoryConfig::Ldap(_) | DirectoryConfig::Ldif(_) => {
            directory.lookout(meter.clone()).ok_or_else(|| "a file does not tell when it changes".to_owned())
        }
    }
}

/// When passes are due, as the configuration says.
pub(super) fn terms(config: &Config) -> Terms {
    let ScheduleConfig { sync, audit, timezone, jitter } = &config.schedule;
    let alarm = |schedule: &crate::config::Schedule| {
        Alarm::new(schedule.clone(), *timezone, *jitter, Timestamp::now(), random_part)
    };
    Terms {
        sync: alarm(sync),
        audit: alarm(audit),
        account: config.accounts.account().to_owned(),
        addresses: config.log.addresses,
    }
}

/// Another account store, or another memory, is no edit of the mapping: it is begun with open eyes.
fn needs_restart(before: &Config, after: &Config) -> Result<(), String> {
    let what = if before.state_path != after.state_path {
        "[state] path"
    } else if place(&before.accounts) != place(&after.accounts) {
        "[accounts]: another account store"
    } else {
        return Ok(());
    };
    Err(format!(
        "{what} cannot be changed while the service runs: look at what would happen with `seatsync plan` while it is \
         stopped, then start it"
    ))
}

/// Which account of which store it is: its keys and its time-outs may change.
fn place(accounts: &AccountsConfig) -> (&'static str, Option<&Path>, &str, Option<crate::model::StoreKind>) {
    match accounts {
        AccountsConfig::Embedded { path, account, kind } => ("embedded", Some(path), account, Some(*kind)),
        AccountsConfig::Chime(chime) => ("chime", None, &chime.account, None),
        AccountsConfig::Scim(scim) => ("scim", None, &scim.account, None),
    }
}

/// What is only looked at when the service starts.
fn tell_what_waits(before: &Config, after: &Config) {
    let (old, new) = (&before.status, &after.status);
    if (old.listen, &old.control, &old.control_group) != (new.listen, &new.control, &new.control_group) {
        tracing::warn!("[status] is as it was until the service is restarted");
    }
    if before.log.format != after.log.format {
        tracing::warn!("[log] format is as it was until the service is restarted");
    }
}

/// A server that lets us wait longer than systemd does looks like a hung pass.
pub(super) fn warn_of_long_waits(config: &Config) {
    let Some(interval) = systemd::watchdog_interval() else { return };
    let mut waits = Vec::new();
    if let DirectoryConfig::Ldap(ldap) = &config.directory {
        waits.push(("[directory] timeout", ldap.timeout));
    }
    match &config.accounts {
        AccountsConfig::Embedded { .. } => {}
        AccountsConfig::Chime(ChimeConfig { timeout, .. }) | AccountsConfig::Scim(ScimConfig { timeout, .. }) => {
            waits.push(("[accounts] timeout", *timeout));
        }
    }
    for (name, wait) in waits.into_iter().filter(|(_, wait)| *wait >= interval / 2) {
        tracing::warn!(
            "{name} is {wait:?}, and systemd ends the service after {interval:?} without a sign of life: a server that \
             hangs then costs a restart; make the time-out shorter, or WatchdogSec= longer"
        );
    }
}

/// Reads a configuration for the service; all that is wrong with it as one text.
pub(super) fn read(path: &Path) -> Result<Box<Config>, String> {
    match world::read(path) {
        Ok(config) => Ok(Box::new(config)),
        Err(crate::config::ConfigError::Invalid(problems)) => Err(problems.render(false)),
        Err(error @ crate::config::ConfigError::Unreadable { .. }) => {
            Err(format!("{}: {error}", ask::identity(path).display()))
        }
    }
}
