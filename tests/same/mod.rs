//! All that is decided from a reading, as lines: to hold what was read in one way against what was read in another.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use seatsync::decide::{absorb, adopt, clear, desire, explain, inherit, plan};
use seatsync::directory::ldap::{Ldap, LdapSettings};
use seatsync::directory::{Directory, DirectoryError};
use seatsync::model::{
    Counts, Limits, Memory, News, Observed, PassId, PassRecord, PassResult, Reading, Rules, StoreKind, Timestamp,
    Wanted,
};
use seatsync::pass::resolve;
use std::collections::HashSet;

/// So many people were there before, as far as the memory goes: a look-up is worth it.
pub const MANY: usize = 1_000_000;

/// What is mapped, remembered and asked.
#[derive(Clone, Debug)]
pub struct Case {
    pub rules: Rules,
    pub memory: Memory,
    pub names: Vec<String>,
    /// What the account store lists, where it was.
    pub accounts: Vec<Observed>,
    pub kind: StoreKind,
    pub now: Timestamp,
}

/// Reads as a pass would; with `whole`, all of it.
pub async fn read(settings: &LdapSettings, case: &Case, whole: bool) -> Result<News, DirectoryError> {
    read_with(&mut Ldap::new(settings.clone()), case, whole).await
}

/// As [`read`], with what is known from the reads before.
pub async fn read_with(ldap: &mut Ldap, case: &Case, whole: bool) -> Result<News, DirectoryError> {
    let Case { rules, memory, names, accounts, .. } = case;
    Ok(ldap.read(&Wanted { rules, memory, names, accounts, whole }, None).await?.news)
}

/// Lets the memory say that the directory is large.
pub fn of_many(mut memory: Memory, now: Timestamp) -> Memory {
    let counts = Counts { people: MANY, ..Counts::default() };
    let id = PassId::new(now, 0);
    memory.passes.push(PassRecord { id, at: now, took_ms: 1, result: PassResult::InSync, reason: None, counts });
    memory
}

/// Everything that a pass decides and says, but for how many people were read.
pub fn decisions(reading: Reading, case: &Case) -> Vec<String> {
    let Case { rules, memory, names, accounts, kind, now } = case;
    let (mut memory, now) = (memory.clone(), *now);
    let mut lines = Vec::new();
    let roster = absorb(reading);
    if !accounts.is_empty() {
        let adopted = adopt(accounts, &roster, &memory.snapshot, now);
        lines.push(format!("{adopted:?}"));
        adopted.facts.iter().for_each(|(guid, fact)| memory.snapshot.learn(*guid, fact));
    }
    let inherited = inherit(&roster, &memory.snapshot, rules, now);
    lines.push(format!("{inherited:?}"));
    for (guid, fact) in &inherited.facts {
        memory.snapshot.learn(*guid, fact);
    }
    let desired = desire(&roster, rules, &memory, now);
    lines.extend(desired.iter().map(|(guid, desired)| format!("{guid} {desired:?}")));
    let mut warnings: Vec<String> = desired.warnings().iter().map(|warning| format!("{warning:?}")).collect();
    warnings.sort();
    lines.extend(warnings);
    lines.extend(desired.groups().iter().map(|group| format!("{group:?}")));
    let mut absent: Vec<_> = desired.absent().iter().collect();
    absent.sort();
    lines.push(format!("{} seated, absent {absent:?}", desired.seated()));
    let planned = plan(&desired, &memory, rules, *kind, true);
    lines.extend(planned.changes().iter().map(|change| format!("{change:?}")));
    lines.push(format!("{:?} {:?}", planned.warnings(), planned.waiting()));
    let cleared = clear(planned, &desired, rules, &Limits::default(), &memory, now);
    lines.extend(cleared.held().iter().map(|held| format!("{held:?}")));
    lines.push(format!("{} {} {:?}", cleared.hash(), cleared.fingerprint(), cleared.warnings()));
    lines.push(format!("{:?}", desired.remembered(&memory, cleared.blocked_groups(), &HashSet::new())));
    for name in names {
        let mut meant: Vec<_> = resolve(name, &roster, &memory).into_iter().flatten().collect();
        meant.sort();
        lines.push(format!("{name:?} is {meant:?}"));
        let known = |guid| explain(guid, &roster, rules, &memory, &desired, &cleared, now);
        lines.extend(meant.iter().map(|guid| format!("{:?}", known(guid))));
    }
    lines
}

/// Whether something that a look-up brought is not so in a whole reading, or something else is decided from it.
pub fn difference(whole: Reading, part: Reading, case: &Case) -> Option<String> {
    if let Some(person) = part.people.iter().find(|person| !whole.people.contains(person)) {
        return Some(format!("{person:?}"));
    }
    if let Some(group) = part.groups.iter().find(|group| !whole.groups.contains(group)) {
        return Some(format!("{group:?}"));
    }
    let (whole, part) = (decisions(whole, case), decisions(part, case));
    let different = |(whole, part): (&String, &String)| (whole != part).then(|| format!("{whole}\n and not {part}"));
    match whole.iter().zip(&part).find_map(different) {
        None if whole.len() != part.len() => Some(format!("{whole:#?}\n and not {part:#?}")),
        different => different,
    }
}
