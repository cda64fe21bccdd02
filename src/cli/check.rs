//! `check`: everything an operator can get wrong, tested in the order in which it goes wrong.

use super::arguments::CheckOptions;
use super::exit::{Exit, Stop};
use super::folder;
use super::show;
use super::world::{self, Purpose, Ties};
use crate::accounts::chime::About;
use crate::accounts::scim::{self, Declared, TierPlace};
use crate::accounts::{AccountStore, AccountsError};
use crate::config::{AccountsConfig, ChimeConfig, Config, ScheduleConfig, ScimConfig};
use crate::decide::{FoundGroup, GroupRole, Standing, absorb, desire};
use crate::directory::ldap::{Ldap, ProbeResult};
use crate::directory::{self, Directory};
use crate::model::{DetailSource, Memory, OnLeave, Origin, Timestamp, Warning};
use crate::notify;
use crate::state::{StateError, StateStore};
use chrono::Offset as _;
use chrono_tz::Tz;
use std::path::Path;
use std::sync::Arc;

/// Times shown of each schedule.
const TIMES_SHOWN: usize = 5;

/// Lines of results, printed as they come.
struct Findings {
    failed: usize,
}

impl Findings {
    fn tell(&mut self, what: &str, result: Result<String, String>) -> Result<(), Stop> {
        match result {
            Ok(text) => line("ok  ", what, &text),
            Err(text) => {
                self.failed += 1;
                line("FAIL", what, &text)
            }
        }
    }
}

/// What was left out, and why: no problem of its own.
fn skip(what: &str, why: &str) -> Result<(), Stop> {
    line("skip", what, why)
}

fn line(word: &str, what: &str, text: &str) -> Result<(), Stop> {
    show::say(&format!("{word}  {what:<14}{}\n", show::printable(text)))
}

/// `seatsync check`.
pub(super) async fn check(path: &Path, options: CheckOptions) -> Result<Exit, Stop> {
    let config = world::configuration(path)?;
    let mut findings = Findings { failed: 0 };
    findings.tell("configuration", Ok(format!("{} is valid", path.display())))?;
    schedule(&config, &mut findings)?;
    if !options.offline {
        let memory = state(&config, &mut findings).await?;
        directory(&config, &memory, &mut findings).await?;
        account_store(&config, &mut findings).await?;
        who_is_told(&config, &mut findings).await?;
    }
    let verdict = match findings.failed {
        0 => "all is well\n".to_owned(),
        1 => "1 problem\n".to_owned(),
        many => format!("{many} problems\n"),
    };
    show::say(&verdict)?;
    Ok(if findings.failed == 0 { Exit::Done } else { Exit::Failed })
}

/// The next times of each schedule, by the clock it means: what a line means is best seen in what it does.
fn schedule(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    let ScheduleConfig { sync, audit, timezone, jitter } = &config.schedule;
    for (name, schedule) in [("sync", sync), ("audit", audit)] {
        let mut at = Timestamp::now();
        let mut times = Vec::new();
        while let Some(next) = schedule.next_after(at, *timezone).filter(|_| times.len() < TIMES_SHOWN) {
            times.extend(chrono::DateTime::from_timestamp(next.as_second(), 0));
            at = next;
        }
        findings.tell(name, Ok(format!("next at {} ({timezone})", shown(&times, *timezone))))?;
        if times.iter().any(|time| time.with_timezone(timezone).offset().fix().local_minus_utc() != 0) {
            line("    ", "in UTC", &shown(&times, Tz::UTC))?;
        }
        for note in schedule.notes() {
            line("    ", "note", &note)?;
        }
    }
    if jitter.is_zero() {
        return Ok(());
    }
    let late =
        jiff::SignedDuration::try_from(*jitter).map_or_else(|_| format!("{jitter:?}"), |late| format!("{late:#}"));
    findings
        .tell("jitter", Ok(format!("each start is up to {late} late, by chance; at most half of the way to the next")))
}

/// Times by the clock of a zone.
fn shown(times: &[chrono::DateTime<chrono::Utc>], timezone: Tz) -> String {
    let by_clock = |time: &chrono::DateTime<chrono::Utc>| {
        time.with_timezone(&timezone).format("%a %Y-%m-%d %H:%M:%S%:z").to_string()
    };
    times.iter().map(by_clock).collect::<Vec<_>>().join(", ")
}

/// The state; gives the memory as far as it can be had.
async fn state(config: &Config, findings: &mut Findings) -> Result<Memory, Stop> {
    let shown = config.state_path.display();
    let loaded = match world::state(config, Purpose::Look) {
        Ok(mut state) => state.load().await.map_err(Stop::State),
        Err(stop) => Err(stop),
    };
    let (memory, result) = match loaded {
        // Whoever has it can write it.
        Err(Stop::State(StateError::InUse { message })) => (None, Ok(message)),
        Err(stop) => (None, Err(stop.to_string())),
        Ok(memory) => {
            let usable = folder::usable(&config.state_path);
            let result = match (&memory.origin, usable) {
                (_, Err(why)) => Err(why),
                (Origin::Rebuilt(why), Ok(_)) => Err(why.clone()),
                (Origin::Fresh | Origin::Known, Ok(folder::Usable::Exists)) => {
                    Ok(format!("{shown}: {} accounts remembered", memory.snapshot.len()))
                }
                (Origin::Fresh | Origin::Known, Ok(folder::Usable::CanBeMade)) => {
                    Ok(format!("{shown} will be made by the first pass"))
                }
            };
            (Some(memory), result)
        }
    };
    findings.tell("state", result)?;
    // What groups mean can be said without.
    Ok(memory.unwrap_or_else(|| Memory::empty(Origin::Fresh)))
}

async fn directory(config: &Config, memory: &Memory, findings: &mut Findings) -> Result<(), Stop> {
    let mut source = world::directory(config, &Ties::default())?;
    if let directory::Configured::Ldap(ldap) = &mut source
        && let Some(why) = probe(ldap, findings).await?
    {
        return skip("directory", why);
    }
    let reading = match source.read_whole().await {
        Ok(reading) => reading,
        Err(error) => return findings.tell("directory", Err(error.to_string())),
    };
    let roster = absorb(reading);
    let text = format!("{} people and {} groups read", roster.people().len(), roster.groups().len());
    findings.tell("directory", Ok(text))?;
    let desired = desire(&roster, &world::rules(config), memory, Timestamp::now());
    for group in desired.groups() {
        findings.tell("group", describe(group))?;
    }
    for Warning { kind, subject, message } in roster.warnings().iter().chain(desired.warnings()) {
        let (subject, message) = (show::printable(subject), show::printable(message));
        show::say(&format!("      warning       {kind}: {subject}: {message}\n"))?;
    }
    Ok(())
}

/// Each server, step by step; gives why a read would be of no use, or would do harm.
async fn probe(ldap: &mut Ldap, findings: &mut Findings) -> Result<Option<&'static str>, Stop> {
    let (mut is_refused, mut is_open) = (false, false);
    for step in ldap.probe().await {
        let told = |text: String| if step.url.is_empty() { text } else { format!("{}: {text}", step.url) };
        match step.result {
            ProbeResult::Good(text) => {
                // The last step that a read needs.
                is_open |= step.name == "base";
                findings.tell(step.name, Ok(told(text)))?;
            }
            ProbeResult::Wrong(text) => findings.tell(step.name, Err(told(text)))?,
            ProbeResult::Refused(text) => {
                is_refused = true;
                findings.tell(step.name, Err(told(text)))?;
            }
            ProbeResult::Untried(why) => skip(step.name, &told(why))?,
        }
    }
    // A second server that is down does not keep the first one from being read.
    Ok(match (is_refused, is_open) {
        // A read would bind again, and every wrong password counts towards a lock-out.
        (true, _) => Some("not read: the bind was refused"),
        (false, false) => Some("not read: no server can be used, as said above"),
        (false, true) => None,
    })
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

/// Whether another process is at work now.
fn is_in_use(config: &Config) -> bool {
    matches!(world::state(config, Purpose::Look), Err(Stop::State(StateError::InUse { .. })))
}

async fn account_store(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    match &config.accounts {
        AccountsConfig::Embedded { path, account, kind: _ } => embedded(config, path, account, findings).await,
        AccountsConfig::Chime(chime) => served(config, chime, findings).await,
        AccountsConfig::Scim(scim) => over_scim(scim, findings).await,
    }
}

async fn embedded(config: &Config, path: &Path, name: &str, findings: &mut Findings) -> Result<(), Stop> {
    let result = async {
        let mut store = match world::accounts(config, Purpose::Look, &Ties::default()) {
            Ok(store) => store,
            // Whoever has the state has the account store too, and can write both.
            Err(Stop::Accounts(AccountsError::Unavailable { message })) if is_in_use(config) => return Ok(message),
            Err(stop) => return Err(stop.to_string()),
        };
        let kind = store.kind().await.map_err(|error| error.to_string())?;
        let observed = store.list().await.map_err(|error| error.to_string())?;
        let held = observed.iter().filter(|each| each.seat.is_held()).count();
        Ok(match folder::usable(path)? {
            folder::Usable::Exists => format!("account {name} ({kind}): {} accounts, {held} active", observed.len()),
            folder::Usable::CanBeMade => {
                format!("account {name} ({kind}): {} will be made on first use", path.display())
            }
        })
    }
    .await;
    findings.tell("account store", result)
}

/// Whether those who are to be told can be; nobody is told anything.
async fn who_is_told(config: &Config, findings: &mut Findings) -> Result<(), Stop> {
    let Some(settings) = world::notify_settings(config, Arc::new(|_, _| {})) else { return Ok(()) };
    match notify::reach(&settings).await {
        Ok(results) => {
            for (channel, result) in results {
                findings.tell(channel, result.map_err(|error| error.to_string()))?;
            }
            Ok(())
        }
        Err(error) => findings.tell("notify", Err(error.to_string())),
    }
}

/// A clock that is off by more than this is told as a problem, in seconds: a signature is good for five minutes.
const CLOCK_SKEW_S_MAX: i64 = 240;

/// An account store that is a service: what it says of itself, then whether everybody can be read.
async fn served(config: &Config, chime: &ChimeConfig, findings: &mut Findings) -> Result<(), Stop> {
    let mut store = match world::open_chime(config, chime, &Ties::default()) {
        Ok(store) => store,
        Err(stop) => return findings.tell("account store", Err(stop.to_string())),
    };
    let About { endpoint, name, kind, licences, extensions, ahead_s } = match store.about().await {
        Ok(about) => about,
        Err(error) => return findings.tell("account store", Err(error.to_string())),
    };
    let account = &chime.account;
    findings.tell("account store", Ok(format!("{endpoint}: account {account} ({name:?}, {kind})")))?;
    findings.tell("licences", Ok(licences.join(", ")))?;
    let extensions: Vec<String> = extensions.iter().map(|extension| format!("{extension:?}")).collect();
    let declared =
        if extensions.is_empty() { "none: the contract and no more".to_owned() } else { extensions.join(", ") };
    findings.tell("extensions", Ok(declared))?;
    match ahead_s {
        None => skip("clock", "the server does not say the time")?,
        Some(ahead) if ahead.abs() > CLOCK_SKEW_S_MAX => {
            let (by, side) = (ahead.abs(), if ahead > 0 { "behind" } else { "ahead of" });
            let text = format!(
                "this machine's clock is {by} s {side} the server's, which will soon refuse its signatures: set it right"
            );
            findings.tell("clock", Err(text))?;
        }
        Some(ahead) => findings.tell("clock", Ok(format!("{} s from the server's", ahead.abs())))?,
    }
    seats(&mut store, findings).await
}

/// An account store behind SCIM: what it says that it can do, and whether that is what is needed.
async fn over_scim(config: &ScimConfig, findings: &mut Findings) -> Result<(), Stop> {
    let mut store = match world::open_scim(config, &Ties::default()) {
        Ok(store) => store,
        Err(stop) => return findings.tell("account store", Err(stop.to_string())),
    };
    let scim::About { base_url, abilities, place, declared, groupless } = match store.about().await {
        Ok(about) => about,
        Err(error) => return findings.tell("account store", Err(error.to_string())),
    };
    findings.tell("account store", Ok(format!("{base_url}: SCIM 2.0, known here as {}", config.account)))?;
    findings.tell("abilities", Ok(abilities.to_string()))?;
    let values = config.tier_values.iter().map(|(tier, value)| format!("{tier} is {value:?}")).collect::<Vec<_>>();
    let place = match place {
        TierPlace::Group => format!("tiers are groups: {}", values.join(", ")),
        place => format!("tiers stand in {place}: {}", values.join(", ")),
    };
    let is_groupless = groupless.is_some();
    let tiers = match (groupless, declared) {
        (Some(why), _) => Err(why),
        (None, Declared::Yes) => Ok(place),
        (None, Declared::Unknown) => Ok(format!("{place} (the server has no schemas to look into)")),
        (None, Declared::ReadOnly) => {
            Err(format!("{place}, which the server's schemas call read-only: set tier_in to where it can be written"))
        }
        (None, Declared::No) => Err(format!(
            "{place}, which is not in the server's schemas: set tier_in to an attribute that it has. What is dropped is \
             noticed, and no seat is confirmed without it"
        )),
    };
    findings.tell("tiers", tiers)?;
    let identity = match config.external_id {
        true => "externalId holds the objectGUID: the server must keep it",
        false => "external_id = false: accounts are known by key, name and address alone",
    };
    findings.tell("identity", Ok(identity.to_owned()))?;
    let names: Vec<String> = config.details.iter().map(DetailSource::to_string).collect();
    findings.tell("names", Ok(if names.is_empty() { "none are given".to_owned() } else { names.join(", ") }))?;
    let leaving = match config.on_leave {
        OnLeave::Deactivate => "who leaves is deactivated, and keeps the licence for the return",
        OnLeave::Delete => {
            "who leaves is deleted, and who was deactivated before and then leaves, too (on_leave = \"delete\")"
        }
    };
    findings.tell("leaving", Ok(leaving.to_owned()))?;
    if is_groupless {
        // Nobody's tier can be read.
        return Ok(());
    }
    seats(&mut store, findings).await
}

/// Whether everybody can be read.
async fn seats(store: &mut impl AccountStore, findings: &mut Findings) -> Result<(), Stop> {
    let seats = store.list().await.map(|observed| {
        let held = observed.iter().filter(|each| each.seat.is_held()).count();
        format!("{} accounts, {held} active", observed.len())
    });
    findings.tell("seats", seats.map_err(|error| error.to_string()))
}
