//! The whole file: which sections there are, and what each means. [`super::directory`] and [`super::accounts`] have the largest of them.
//!
//! Every function notes what is wrong and goes on with a default, so that one run finds everything.

use super::diagnose::{Complaint, Found, Problem, Problems};
use super::ground::{self, Ground, Sections};
use super::raw::{Section, Text, kind};
use super::{
    AccountsConfig, Config, Environment, LogConfig, LogFormat, Schedule, ScheduleConfig, StatusConfig, accounts,
    directory, notify, schedule, scim, value,
};
use crate::model::{DnKey, GroupRef, Limit, Limits, Rules, Tier, TierRule};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

const STATE_PATH_DEFAULT: &str = "/var/lib/seatsync/state";
const SYNC_DEFAULT: &str = "*/5 * * * *";
const AUDIT_DEFAULT: &str = "0 3 * * *";
const JITTER_DEFAULT: Duration = Duration::from_secs(20);
/// The longest jitter: more would be another schedule.
const JITTER_MAX: Duration = Duration::from_secs(60 * 60);
/// The shortest life of an approval: less would be none at all.
const APPROVAL_EXPIRES_MIN: Duration = Duration::from_millis(1);
/// The longest life of an approval: later nobody remembers what was approved.
const APPROVAL_EXPIRES_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The longest grace: who keeps a seat for longer should be in a group.
const GRACE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Above any number of people.
const PEOPLE_MAX: u64 = 1_000_000_000;

const KEYS_TIER: &[&str] = &["name", "groups"];
const KEYS_RULES: &[&str] = &["domains", "nested", "protected", "exclude_groups", "grace"];
const KEYS_LIMITS: &[&str] = &["losses", "losses_floor", "group_shrink", "gains", "approval_expires"];
const KEYS_SCHEDULE: &[&str] = &["sync", "audit", "timezone", "jitter"];
const KEYS_STATE: &[&str] = &["path"];
const KEYS_STATUS: &[&str] = &["listen", "control", "control_group"];
pub(super) const KEYS_LOG: &[&str] = &["format", "level"];
/// Of seatsync only: seatstore has no people in its log.
const KEYS_LOG_AGENT: &[&str] = &["format", "level", "addresses"];

/// The sections, as in a header, with their keys.
pub(super) const SECTIONS: &Sections = &[
    ("directory", "[directory]", &[directory::KEYS_COMMON, directory::KEYS_LDAP, directory::KEYS_LDIF]),
    ("tier", "[[tier]]", &[KEYS_TIER]),
    ("rules", "[rules]", &[KEYS_RULES]),
    ("limits", "[limits]", &[KEYS_LIMITS]),
    (
        "accounts",
        "[accounts]",
        &[accounts::KEYS_COMMON, accounts::KEYS_EMBEDDED, accounts::KEYS_SERVED, accounts::KEYS_CHIME, scim::KEYS],
    ),
    ("schedule", "[schedule]", &[KEYS_SCHEDULE]),
    ("state", "[state]", &[KEYS_STATE]),
    ("status", "[status]", &[KEYS_STATUS]),
    ("notify", "[notify]", &[notify::KEYS_NOTIFY]),
    ("log", "[log]", &[KEYS_LOG_AGENT]),
];

/// Checks everything.
pub(super) fn check(path: &Path, text: &str, env: &Environment) -> Result<Config, Problems> {
    ground::check(path, text, env, SECTIONS, config)
}

fn config(root: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<Config> {
    let required = "it says where people and groups are read from; `seatsync init` writes an example";
    let directory = ground.section(root, "directory", Some(required), found);
    let directory = directory.and_then(|section| directory::directory(&section, ground, found));
    let tiers = tiers(root, found);
    let rules = rules(ground.section(root, "rules", None, found), tiers, ground, found);
    let limits = ground.section(root, "limits", None, found);
    let limits = limits.map_or_else(Limits::default, |section| limits_of(&section, ground, found));
    let required = "it says where seats are given and taken; `seatsync init` writes an example";
    let accounts = ground.section(root, "accounts", Some(required), found);
    let order: Vec<Tier> = rules.order().iter().cloned().collect();
    let accounts = accounts.and_then(|section| accounts::accounts(&section, ground, &order, found));
    let schedule = schedule_of(ground.section(root, "schedule", None, found), ground, found);
    let state = ground.section(root, "state", None, found);
    let state_path = state.and_then(|section| {
        ground.only(&section, KEYS_STATE, found);
        section.text("path", "\"/var/lib/seatsync/state\"", found)
    });
    let state_span = state_path.as_ref().map(|text| text.span());
    let state_path = ground.path(state_path.map_or(STATE_PATH_DEFAULT, |text| text.into_inner()));
    if let Some(AccountsConfig::Embedded { path, account: _, kind: _ }) = &accounts
        && *path == state_path
    {
        let span = state_span.or(root.entry("accounts").map(|(at, _)| at)).unwrap_or(0..0);
        let problem = Problem::wrong(span, format!("[state] and [accounts] have the same path {}", path.display()));
        found.add(problem.help("give each a folder of its own: one database cannot hold both"));
    }
    let status = status(ground.section(root, "status", None, found), ground, found);
    let log = log(ground.section(root, "log", None, found), ground, KEYS_LOG_AGENT, found);
    let notify = notify::notify(ground.section(root, "notify", None, found), ground, found);
    Some(Config {
        directory: directory?,
        rules,
        limits,
        accounts: accounts?,
        schedule: schedule?,
        state_path,
        status,
        notify,
        log,
    })
}

/// `[[tier]]` with the place of every group, for the search for duplicates.
struct Tiers<'t> {
    rules: Vec<TierRule>,
    groups: Vec<Text<'t>>,
}

fn tiers<'t>(root: &Section<'t>, found: &mut Found) -> Tiers<'t> {
    let mut tiers = Tiers { rules: Vec::new(), groups: Vec::new() };
    let example = "such as: [[tier]]   name = \"pro\"   groups = [\"Chime Pro\"]";
    let Some((at, written)) = root.entry("tier") else {
        found.add(Problem::missing(root.at.clone(), "no [[tier]] is configured").help(example));
        return tiers;
    };
    let DeValue::Array(array) = written.get_ref() else {
        let title = format!("`tier` must be a list of tables, not {}", kind(written.get_ref()));
        found.add(Problem::wrong(at, title).help("write each tier as a section that begins with [[tier]]"));
        return tiers;
    };
    if array.is_empty() {
        found.add(Problem::wrong(written.span(), "no tier is listed").help(example));
    }
    let mut names: HashMap<String, Range<usize>> = HashMap::new();
    for each in array.iter() {
        let DeValue::Table(table) = each.get_ref() else {
            let title = format!("a tier must be a table, not {}", kind(each.get_ref()));
            found.add(Problem::wrong(each.span(), title).help(example));
            continue;
        };
        let section = Section::new("[[tier]]", each.span(), table);
        let tier = tier(&section, &mut names, &mut tiers.groups, found);
        tiers.rules.extend(tier);
    }
    tiers
}

fn tier<'t>(
    section: &Section<'t>,
    names: &mut HashMap<String, Range<usize>>,
    all: &mut Vec<Text<'t>>,
    found: &mut Found,
) -> Option<TierRule> {
    section.only(KEYS_TIER, |_| None, found);
    section.need("name", "\"pro\"", found);
    section.need("groups", "[\"Chime Pro\"]", found);
    let name = section.text("name", "\"pro\"", found);
    let tier = name
        .as_ref()
        .and_then(|name| value::tier(name.get_ref()).map_err(|complaint| found.complain(name.span(), complaint)).ok());
    if let Some(name) = name {
        // Without case: two tiers that only an attentive eye tells apart are one mistake.
        match names.entry(name.get_ref().to_lowercase()) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(name.span());
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                let problem = Problem::wrong(name.span(), format!("tier {:?} is configured twice", name.get_ref()));
                let problem = problem.also(first.get().clone(), "first here");
                found.add(problem.help("put all its groups into one [[tier]]"));
            }
        }
    }
    let groups = section.texts("groups", "[\"Chime Pro\"]", found)?;
    if let Some((_, written)) = section.entry("groups").filter(|_| groups.is_empty()) {
        let problem = Problem::wrong(written.span(), "this tier has no usable group");
        found.add(problem.help("name at least one group, or take the tier out: nobody could ever be in it"));
    }
    let rule =
        tier.map(|tier| TierRule { tier, groups: groups.iter().map(|text| GroupRef::new(text.get_ref())).collect() });
    all.extend(groups);
    rule
}

fn rules(section: Option<Section<'_>>, tiers: Tiers<'_>, ground: &Ground<'_>, found: &mut Found) -> Rules {
    let mut rules = Rules { tiers: tiers.rules, nested: true, ..Rules::default() };
    let mut excluded = Vec::new();
    if let Some(section) = section {
        ground.only(&section, KEYS_RULES, found);
        rules.nested = section.flag("nested", found).unwrap_or(true);
        rules.domains = each(section.texts("domains", "[\"corp.example\"]", found), value::domain, found);
        rules.protected = each(section.texts("protected", "[\"admin@corp.example\"]", found), value::email, found);
        excluded = section.texts("exclude_groups", "[\"Chime Blocked\"]", found).unwrap_or_default();
        rules.exclude = excluded.iter().map(|text| GroupRef::new(text.get_ref())).collect();
        let read = |text: &str| value::duration_within(text, Duration::ZERO..=GRACE_MAX);
        rules.grace = section.parsed("grace", "\"0s\"", read, found).unwrap_or_default();
    }
    distinct(&tiers.groups, &excluded, found);
    rules
}

/// Notes groups that are named more than once, or are both mapped and excluded.
fn distinct(mapped: &[Text<'_>], excluded: &[Text<'_>], found: &mut Found) {
    let mut seen: HashMap<String, (Range<usize>, bool)> = HashMap::new();
    let all = mapped.iter().map(|text| (text, true)).chain(excluded.iter().map(|text| (text, false)));
    for (text, is_mapped) in all {
        let name = text.get_ref().trim();
        let Some((first, first_is_mapped)) = seen.get(&group_key(name)) else {
            seen.insert(group_key(name), (text.span(), is_mapped));
            continue;
        };
        let (title, help) = match (first_is_mapped, is_mapped) {
            (true, true) => (format!("group {name:?} is mapped twice"), "keep it in the tier its members shall get"),
            (true, false) => (
                format!("group {name:?} is both mapped to a tier and excluded"),
                "keep one of the two: the members of an excluded group are never seated",
            ),
            (false, _) => (format!("group {name:?} is excluded twice"), "take one of the two out"),
        };
        found.add(Problem::wrong(text.span(), title).also(first.clone(), "first here").help(help));
    }
}

/// What is equal for two ways to write the same group.
fn group_key(name: &str) -> String {
    let group = GroupRef::new(name);
    match (group.as_guid(), group.as_sid()) {
        (Some(guid), _) => guid.to_string(),
        (None, Some(sid)) => sid.to_string(),
        (None, None) => DnKey::of(name).as_str().to_lowercase(),
    }
}

/// Each text read by `read`; wrong ones are noted and left out.
pub(super) fn each<T>(
    texts: Option<Vec<Text<'_>>>,
    read: impl Fn(&str) -> Result<T, Complaint>,
    found: &mut Found,
) -> Vec<T> {
    let mut values = Vec::new();
    for text in texts.unwrap_or_default() {
        match read(text.get_ref()) {
            Ok(value) => values.push(value),
            Err(complaint) => found.complain(text.span(), complaint),
        }
    }
    values
}

fn limits_of(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Limits {
    ground.only(section, KEYS_LIMITS, found);
    let default = Limits::default();
    let floor = section.number("losses_floor", 0..=PEOPLE_MAX, "5", "a count of people, such as 5", found);
    let read = |text: &str| value::duration_within(text, APPROVAL_EXPIRES_MIN..=APPROVAL_EXPIRES_MAX);
    Limits {
        losses: limit(section, "losses", found).unwrap_or(default.losses),
        losses_floor: floor.and_then(|floor| usize::try_from(floor.into_inner()).ok()).unwrap_or(default.losses_floor),
        group_shrink: limit(section, "group_shrink", found).unwrap_or(default.group_shrink),
        gains: limit(section, "gains", found).unwrap_or(default.gains),
        approval_expires: section
            .parsed("approval_expires", "\"24h\"", read, found)
            .unwrap_or(default.approval_expires),
    }
}

/// A number, or a text with a percentage, a count or `off`.
fn limit(section: &Section<'_>, key: &str, found: &mut Found) -> Option<Limit> {
    let (_, written) = section.entry(key)?;
    if written.get_ref().is_integer() {
        let help = "a count of people, a percentage such as \"5%\", or \"off\"";
        let count = section.number(key, 0..=PEOPLE_MAX, "500", help, found)?;
        return usize::try_from(count.into_inner()).ok().map(Limit::Count);
    }
    section.parsed(key, "\"5%\"", value::limit, found)
}

fn schedule_of(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> Option<ScheduleConfig> {
    let mut sync = None;
    let mut audit = None;
    let mut timezone = None;
    let mut jitter = None;
    if let Some(section) = section {
        ground.only(&section, KEYS_SCHEDULE, found);
        sync = section.parsed("sync", "\"*/5 * * * *\"", line, found);
        audit = section.parsed("audit", "\"0 3 * * *\"", line, found);
        timezone = section.parsed("timezone", "\"Europe/Berlin\"", value::timezone, found);
        let read = |text: &str| value::duration_within(text, Duration::ZERO..=JITTER_MAX);
        jitter = section.parsed("jitter", "\"20s\"", read, found);
    }
    Some(ScheduleConfig {
        sync: sync.or_else(|| Schedule::parse(SYNC_DEFAULT).ok())?,
        audit: audit.or_else(|| Schedule::parse(AUDIT_DEFAULT).ok())?,
        timezone: timezone.unwrap_or_else(schedule::system_timezone),
        jitter: jitter.unwrap_or(JITTER_DEFAULT),
    })
}

fn line(text: &str) -> Result<Schedule, Complaint> {
    Schedule::parse(text).map_err(|why| {
        Complaint::new(format!("{text:?} is not a schedule: {why}")).help(
            "five fields as in crontab (minute, hour, day of month, month, day of week), or \"@hourly\", \
             or \"every 90s\"",
        )
    })
}

fn status(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> StatusConfig {
    let Some(section) = section else { return StatusConfig { listen: None, control: None, control_group: None } };
    ground.only(&section, KEYS_STATUS, found);
    StatusConfig {
        listen: section.parsed("listen", "\"127.0.0.1:8787\"", value::socket, found),
        control: section
            .text("control", "\"/run/seatsync/control.sock\"", found)
            .map(|text| ground.path(text.get_ref())),
        control_group: section.text("control_group", "\"seatsync\"", found).map(|text| text.get_ref().to_string()),
    }
}

/// `[log]`, with the keys of that kind of file.
pub(super) fn log(section: Option<Section<'_>>, ground: &Ground<'_>, known: &[&str], found: &mut Found) -> LogConfig {
    let mut config = LogConfig { format: LogFormat::Auto, level: tracing::Level::INFO, addresses: false };
    let Some(section) = section else { return config };
    ground.only(&section, known, found);
    if known.contains(&"addresses") {
        config.addresses = section.flag("addresses", found).unwrap_or_default();
    }
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let read = |text: &str| value::one_of("a log format", text, &formats);
    config.format = section.parsed("format", "\"auto\"", read, found).unwrap_or(config.format);
    let levels = [
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
        ("trace", tracing::Level::TRACE),
    ];
    let read = |text: &str| value::one_of("a log level", text, &levels);
    config.level = section.parsed("level", "\"info\"", read, found).unwrap_or(config.level);
    config
}
