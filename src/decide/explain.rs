//! Why one person holds what they hold.

use super::desired::{Desired, DesiredSet, KeepReason};
use super::groups::Standing;
use super::guard::Cleared;
use super::membership::reach;
use super::plan::label;
use super::roster::Roster;
use crate::model::{
    Change, Email, Holding, Mailbox, Memory, ObjectGuid, Person, Rules, Seat, Tier, Timestamp, Warning, WarningKind,
};
use serde::{Deserialize, Serialize};

/// All there is to say about one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who.
    pub guid: ObjectGuid,
    /// The address in the directory, else that of the account.
    pub email: Option<Email>,
    /// Where the person stands; `None` when gone from the directory.
    pub dn: Option<String>,
    /// Whether the directory lets the person sign in.
    pub enabled: bool,
    /// The tier the person should hold; what is held, for somebody whose seat may not change.
    pub tier: Option<Tier>,
    /// A path for every mapped group that reaches the person: person first, mapped group last.
    pub paths: Vec<Vec<String>>,
    /// What the account store last confirmed.
    pub confirmed: Option<Holding>,
    /// What would happen next.
    pub next: Option<NextStep>,
    /// What else matters, one sentence each.
    pub notes: Vec<String>,
}

/// The change that is next for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// The change.
    pub change: Change,
    /// Why it is held; `None` when it is simply planned.
    pub held: Option<String>,
}

/// Explains one person, who may also be gone from the directory.
pub fn explain(
    guid: &ObjectGuid,
    roster: &Roster,
    rules: &Rules,
    memory: &Memory,
    desired: &DesiredSet,
    cleared: &Cleared,
    now: Timestamp,
) -> Explanation {
    let person = roster.person(guid);
    let confirmed = memory.snapshot.get(guid).cloned();
    let verdict = desired.get(guid);
    let email = person
        .and_then(|person| person.mailbox.address().cloned())
        .or_else(|| confirmed.as_ref().map(|holding| holding.email.clone()));
    let mut notes = directory_notes(person, now);
    notes.push(verdict.map_or_else(|| "in no mapped group and without an account".to_owned(), verdict_note));
    notes.extend(seat_note(verdict, confirmed.as_ref(), cleared.waits_for(guid)));
    notes.extend(address_note(guid, person, cleared));
    notes.extend(group_notes(guid, desired));
    Explanation {
        guid: *guid,
        email,
        dn: person.map(|person| person.dn.to_string()),
        enabled: person.is_some_and(|person| person.is_enabled(now)),
        tier: match verdict {
            Some(Desired::Seated { tier, .. }) => Some(tier.clone()),
            Some(Desired::Keep { .. }) => confirmed
                .as_ref()
                .filter(|holding| holding.seat.is_held())
                .and_then(|holding| holding.seat.tier().cloned()),
            Some(Desired::Unseated { .. }) | None => None,
        },
        paths: person.map_or_else(Vec::new, |person| paths(person, roster, rules, desired)),
        confirmed,
        next: next_step(guid, cleared),
        notes,
    }
}

fn next_step(guid: &ObjectGuid, cleared: &Cleared) -> Option<NextStep> {
    let go = cleared.go().iter().find(|change| change.guid == *guid);
    let held = || cleared.held().iter().find(|held| held.change.guid == *guid);
    go.map(|change| NextStep { change: change.clone(), held: None })
        .or_else(|| held().map(|held| NextStep { change: held.change.clone(), held: Some(held.why.clone()) }))
}

/// The shortest way through each mapped group, in the order of the configuration.
fn paths(person: &Person, roster: &Roster, rules: &Rules, desired: &DesiredSet) -> Vec<Vec<String>> {
    let Some(place) = roster.person_place(&person.guid) else { return Vec::new() };
    let giving = desired.groups().iter().filter(|group| group.tier().is_some());
    let mut seen = Vec::new();
    let mut paths = Vec::new();
    for root in giving.filter_map(|group| roster.group_place(&group.guid()?)) {
        if seen.contains(&root) {
            continue;
        }
        seen.push(root);
        let walk = reach(roster, root, rules.nested);
        if let Some(lists) = walk.lists(place) {
            let groups = walk.path(roster, lists).0;
            let person = std::iter::once(person.label().into_owned());
            paths.push(person.chain(groups.iter().rev().map(|name| (**name).to_owned())).collect());
        }
    }
    paths
}

fn directory_notes(person: Option<&Person>, now: Timestamp) -> Vec<String> {
    let Some(person) = person else { return vec!["gone from the directory".to_owned()] };
    let mut notes = Vec::new();
    if person.disabled {
        notes.push("disabled in the directory".to_owned());
    }
    if let Some(expires) = person.expires {
        let verb = if person.is_expired(now) { "expired" } else { "expires" };
        notes.push(format!("the directory account {verb} at {expires}"));
    }
    match &person.mailbox {
        Mailbox::Missing => notes.push("no e-mail address in the directory".to_owned()),
        Mailbox::Malformed(text) => notes.push(format!("{text:?} is not an e-mail address")),
        Mailbox::Address(_) => {}
    }
    notes
}

/// Why nothing is done although something is wanted: the account with that address is another person's.
fn address_note(guid: &ObjectGuid, person: Option<&Person>, cleared: &Cleared) -> Option<String> {
    let whose = label(*guid, person);
    let is_theirs = |warning: &&Warning| warning.kind == WarningKind::AmbiguousAccount && warning.subject == whose;
    cleared.warnings().iter().find(is_theirs).map(|warning| warning.message.clone())
}

/// What was decided, in words.
fn verdict_note(verdict: &Desired) -> String {
    match verdict {
        Desired::Seated { tier, because } => format!("should hold {tier}: in {because}"),
        Desired::Unseated { because } => format!("should hold no seat: {because}"),
        Desired::Keep { why } => match why {
            KeepReason::DuplicateEmail => {
                "nothing changes: another enabled person has the same e-mail address".to_owned()
            }
            KeepReason::Protected => "nothing changes: protected by the configuration".to_owned(),
            KeepReason::InGrace { until } => format!("out of all groups; the seat is kept until {until} (rules.grace)"),
            KeepReason::AmbiguousName => {
                "nothing changes: a group lists a name that fits this person and another entry".to_owned()
            }
        },
    }
}

/// Why nothing happens although the seat is not as it should be.
fn seat_note(verdict: Option<&Desired>, confirmed: Option<&Holding>, awaited: Option<&Email>) -> Option<String> {
    match (verdict?, confirmed.map(|holding| &holding.seat)) {
        (Desired::Seated { .. }, Some(Seat::Invited)) => Some("invited, and has not accepted yet".to_owned()),
        (Desired::Seated { .. }, None) if awaited.is_some() => {
            awaited.map(|email| format!("not registered yet: gets the seat after registering with {email}"))
        }
        (
            Desired::Seated { .. } | Desired::Unseated { .. } | Desired::Keep { .. },
            None | Some(Seat::Vacant | Seat::Invited | Seat::Active(_) | Seat::Suspended(_)),
        ) => None,
    }
}

/// Which groups the person was in at the last confirmed pass and is in no more.
fn group_notes(guid: &ObjectGuid, desired: &DesiredSet) -> Vec<String> {
    let lost = desired.groups().iter().filter(|group| group.has_lost(guid));
    lost.map(|group| {
        let state = match group.standing() {
            Standing::Known => "is no longer in it",
            Standing::SuddenlyEmpty => "it suddenly has no members",
            Standing::Missing => "it is missing now",
            Standing::Ambiguous => "it cannot be told from others of that name now",
        };
        format!("was in {} at the last pass; {state}", group.name())
    })
    .collect()
}
