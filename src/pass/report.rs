//! What a pass did, as a value, and what is remembered of it.

use super::Preview;
use super::apply::Outcomes;
use crate::model::{
    Change, Counts, GroupRef, HeldNote, ObjectGuid, Origin, PassId, PassRecord, PassResult, RememberedGroup, Timestamp,
    Warning,
};
use crate::state::Closing;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// How one planned change ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Would be done.
    Planned,
    /// Waits for approval; the reason.
    Held(String),
    /// Done, and confirmed by the account store.
    Done,
    /// Refused, or not known; the reason.
    Failed(String),
}

/// A change and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedChange {
    /// The change.
    pub change: Change,
    /// How it ended.
    pub status: Status,
}

/// What a pass did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which pass.
    pub id: PassId,
    /// When it began.
    pub at: Timestamp,
    /// How long it took; 0 for one that stops after its plan.
    pub took_ms: u64,
    /// How it ended.
    pub result: PassResult,
    /// Whether nothing is left to do.
    pub in_sync: bool,
    /// Names what is held, or the whole plan when nothing is.
    pub hash: String,
    /// Names the whole plan, held or not.
    pub fingerprint: String,
    /// Its numbers.
    pub counts: Counts,
    /// Every change, sorted by person.
    pub changes: Vec<ReportedChange>,
    /// What an operator should look at.
    pub warnings: Vec<Warning>,
    /// What waits for approval.
    pub held: Option<HeldNote>,
    /// Whether it is about some people only: then what is held of it cannot be approved by its hash.
    pub scoped: bool,
}

impl Report {
    /// The report of a pass that stops after its plan.
    pub fn of_preview(preview: &Preview) -> Self {
        let counts = preview.counts();
        let result = match (counts.changes, counts.held) {
            (0, _) => PassResult::InSync,
            (_, 0) => PassResult::Applied,
            _ => PassResult::Held,
        };
        Self {
            id: preview.id.clone(),
            at: preview.at,
            took_ms: 0,
            result,
            in_sync: preview.in_sync(),
            hash: preview.cleared.hash().to_owned(),
            fingerprint: preview.cleared.fingerprint(),
            counts,
            changes: changes(preview, |_| Status::Planned),
            warnings: sorted(preview.warnings.clone()),
            held: preview.held.clone(),
            scoped: preview.scoped,
        }
    }
}

/// All changes of a preview, each with its status.
fn changes(preview: &Preview, of_go: impl Fn(&Change) -> Status) -> Vec<ReportedChange> {
    let go = preview.cleared.go().iter().map(|change| ReportedChange { change: change.clone(), status: of_go(change) });
    let held = preview
        .cleared
        .held()
        .iter()
        .map(|held| ReportedChange { change: held.change.clone(), status: Status::Held(held.why.clone()) });
    let mut changes: Vec<_> = go.chain(held).collect();
    changes.sort_by_key(|reported| reported.change.guid);
    changes
}

fn sorted(mut warnings: Vec<Warning>) -> Vec<Warning> {
    warnings.sort();
    warnings.dedup();
    warnings
}

/// Ends a pass: what it did, and what the next one compares with.
///
/// `more_due`: whether what was done has made room for more. What is remembered already is not written again.
pub(super) fn close(
    preview: &Preview,
    outcomes: &Outcomes,
    more_due: bool,
    took_ms: u64,
    ended: Timestamp,
) -> (Report, Closing) {
    let status = |change: &Change| match outcomes.get(&change.guid) {
        Some(Ok(())) => Status::Done,
        Some(Err(why)) => Status::Failed(why.clone()),
        None => Status::Planned,
    };
    let mut report = Report { changes: changes(preview, status), took_ms, ..Report::of_preview(preview) };
    report.counts.failed = outcomes.values().filter(|outcome| outcome.is_err()).count();
    report.result = match (report.counts.failed, report.counts.held, report.counts.changes) {
        (0, 0, 0) if preview.in_sync() => PassResult::InSync,
        (0, 0, _) => PassResult::Applied,
        (0, _, _) => PassResult::Held,
        (_, _, _) => PassResult::Partial,
    };
    report.in_sync = matches!(report.result, PassResult::InSync | PassResult::Applied)
        && !preview.rest_due
        && !more_due
        && preview.unresolved == 0;

    let record = PassRecord {
        id: preview.id.clone(),
        at: preview.at,
        took_ms,
        result: report.result,
        reason: None,
        counts: report.counts,
    };
    let done: HashSet<ObjectGuid> =
        outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(guid, _)| *guid).collect();
    // A pass for one person has decided about nobody else: what the next whole pass compares with stays.
    let whole = !preview.scoped;
    // "Every loss waits to be looked at" holds until it has been: while a first pass holds losses, the next one is first too.
    let holds_losses = preview.cleared.held().iter().any(|held| held.change.is_loss(&preview.tiers));
    let remembers = preview.memory.origin == Origin::Known || !holds_losses;
    let memory = &preview.memory;
    let closing = Closing {
        record,
        good: (whole && report.counts.failed == 0).then_some(ended),
        whole: whole && remembers,
        groups: whole.then(|| remembered(preview, &done)).filter(|groups| *groups != memory.groups),
        absent: Some(preview.desired.absent()).filter(|absent| whole && **absent != memory.absent).cloned(),
        approvals: Some(preview.cleared.approvals_left(memory, &done, ended)).filter(|left| *left != memory.approvals),
        held: Some(preview.held.clone()).filter(|held| *held != memory.held),
    };
    (report, closing)
}

/// Ends a pass in which nothing has changed.
pub(super) fn close_unchanged(report: &Report, ended: Timestamp) -> Closing {
    let Report { id, at, took_ms, result, counts, .. } = report;
    let record =
        PassRecord { id: id.clone(), at: *at, took_ms: *took_ms, result: *result, reason: None, counts: *counts };
    Closing { record, good: Some(ended), whole: true, groups: None, absent: None, approvals: None, held: None }
}

/// The groups for the next pass. Whoever keeps a seat only because the loss failed stays in the baseline: otherwise the
/// next pass would compare with a group that has already forgotten that person.
fn remembered(preview: &Preview, done: &HashSet<ObjectGuid>) -> BTreeMap<GroupRef, RememberedGroup> {
    let Preview { desired, cleared, memory, tiers, .. } = preview;
    let losses = cleared.go().iter().filter(|change| change.is_loss(tiers)).map(|change| change.guid);
    let (applied, failed): (HashSet<_>, HashSet<_>) = losses.partition(|guid| done.contains(guid));
    let mut groups = desired.remembered(memory, cleared.blocked_groups(), &applied);
    for (reference, group) in groups.iter_mut().filter(|_| !failed.is_empty()) {
        let before = memory.groups.get(reference).map_or(&[][..], |before| &before.members);
        let members = Arc::make_mut(&mut group.members);
        members.extend(before.iter().filter(|guid| failed.contains(guid)));
        members.sort_unstable();
        members.dedup();
    }
    groups
}
