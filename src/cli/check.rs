//! `check`: everything an operator can get wrong, tested in the order in which it goes wrong.

use super::arguments::CheckOptions;
use super::exit::{Exit, Stop};
use super::show;
use super::world::{self, Purpose};
use crate::accounts::AccountStore;
use crate::config::Config;
use crate::decide::{FoundGroup, GroupRole, Standing, absorb, desire};
use crate::directory::{self, Directory};
use crate::model::{Memory, Origin, Timestamp};
use crate::state::StateStore;
use std::path::Path;

/// Lines of results, printed as they come.
struct Findings {
    failed: usize,
}

impl Findings {
    fn tell(&mut self, what: &str, result: Result<String, String>) -> Result<(), Stop> {
        let (word, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(text) => {
                self.failed += 1;
                ("FAIL", text)
            }
        };
        show::say(&format!("{word}  {what:<14}{}\n", show::printable(&text)))
    }
}

/// `seatsync check`.
pub(super) async fn check(path: &Path, options: CheckOptions) -> Result<Exit, Stop> {
    let config = world::configuration(path)?;
    let mut findings = Findings { failed: 0 };
    findings.tell("configuration", Ok(format!("{} is valid", path.display())))?;
    schedule(&config, &mut findings)?;
    if !options.offline {
        directory(&config, &mut findings).await?;
        account_store(&config, &mut findings).await?;
    }
    let verdict = match findings.failed {
        0 => "all is well\n".to_owned(),
        1 => "1 problem\n".to_owned(),
        many => format!("{many} problems\n"),
    };
    show::say(&verdict)?;
    Ok(if findings.failed == 0 { Exit::Done } else { Exit::Failed })
}

/// The next five times of each schedule: what a line means is best seen in what it does.
fn schedule(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    for (name, schedule) in [("sync", &config.schedule.sync), ("audit", &config.schedule.audit)] {
        let mut at = Timestamp::now();
        let mut times = Vec::new();
        while let Some(next) = schedule.next_after(at, config.schedule.timezone).filter(|_| times.len() < 5) {
            times.push(next.strftime("%a %Y-%m-%d %H:%M:%SZ").to_string());
            at = next;
        }
        findings.tell(name, Ok(format!("next at {}", times.join(", "))))?;
    }
    Ok(())
}

async fn directory(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    let mut source = world::directory(config)?;
    if let directory::Configured::Ldap(ldap) = &mut source {
        let mut broken = false;
        for step in ldap.probe().await {
            broken |= step.result.is_err();
            let told = |text: String| format!("{}: {text}", step.url);
            findings.tell(step.name, step.result.map(told).map_err(told))?;
        }
        // A second server that is down does not keep the first one from being read.
        if broken {
            tracing::info!("reading the directory although a probe failed: another server may answer");
        }
    }
    let reading = match source.read().await {
        Ok(reading) => reading,
        Err(error) => return findings.tell("directory", Err(error.to_string())),
    };
    let roster = absorb(reading);
    let text = format!("{} people and {} groups read", roster.people().len(), roster.groups().len());
    findings.tell("directory", Ok(text))?;
    let memory = match world::state(config, Purpose::Look) {
        Ok(mut state) => state.load().await?,
        // The daemon has it; what groups mean can be said without.
        Err(_) => Memory::empty(Origin::Fresh),
    };
    let desired = desire(&roster, &config.rules, &memory, Timestamp::now());
    for group in desired.groups() {
        findings.tell("group", describe(group))?;
    }
    for warning in desired.warnings() {
        show::say(&format!("      warning       {}: {}\n", warning.kind, show::printable(&warning.message)))?;
    }
    Ok(())
}

/// A configured group, with its count, or why it is unknown.
fn describe(group: &FoundGroup) -> Result<String, String> {
    let reference = group.reference();
    let role = match group.role() {
        GroupRole::Gives(tier) => format!("tier {tier}"),
        GroupRole::Excludes => "excluded".to_owned(),
    };
    match group.standing() {
        Standing::Known | Standing::SuddenlyEmpty => Ok(format!("{reference}: {} people ({role})", group.members())),
        Standing::Missing => Err(format!(
            "{reference} ({role}): not found. No group below the base has that DN, sAMAccountName, cn, objectGUID or SID; mend the name, or base_dn, or the service account's right to read it"
        )),
        Standing::Ambiguous => {
            Err(format!("{reference} ({role}): several groups have that name; give the DN or the objectGUID"))
        }
    }
}

async fn account_store(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    let name = config.accounts.account();
    let result = async {
        let mut store = world::accounts(config, Purpose::Look).map_err(|error| error.to_string())?;
        let kind = store.kind().await.map_err(|error| error.to_string())?;
        let observed = store.list().await.map_err(|error| error.to_string())?;
        let held = observed.iter().filter(|each| each.seat.is_held()).count();
        Ok(format!("account {name} ({kind}): {} accounts, {held} active", observed.len()))
    }
    .await;
    findings.tell("account store", result)
}
