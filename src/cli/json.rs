//! The JSON documents: a stable contract, `"format": 1`. Each shape is written out here and nowhere else.

use super::exit::Stop;
use crate::decide::{Explanation, NextStep};
use crate::model::{
    Approval, Change, Counts, HeldNote, HistoryEntry, Limits, Memory, Observed, Origin, PassRecord, PassResult, Seat,
    Timestamp, Warning,
};
use crate::pass::{Report, ReportedChange, Status};
use serde::{Deserialize, Serialize};
use sha2::Digest;

const FORMAT: u32 = 1;

/// Prints a document on stdout: whole, or not at all.
pub(super) fn print(document: &impl Serialize) -> Result<(), Stop> {
    let mut text = serde_json::to_string(document).map_err(|error| Stop::Other(format!("no JSON: {error}")))?;
    text.push('\n');
    super::show::say(&text)
}

/// A seat in `from` and `to`: a tier's name, `suspended`, `invited`, or null for vacant.
fn seat(seat: &Seat) -> Option<String> {
    (*seat != Seat::Vacant).then(|| seat.to_string())
}

/// `plan --json`, `sync --json`, and the file that `apply` takes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PlanDocument {
    format: u32,
    pub pass: String,
    pub hash: String,
    /// Names the whole plan: what `apply` compares.
    pub fingerprint: String,
    mode: String,
    in_sync: bool,
    counts: Counts,
    changes: Vec<ChangeDocument>,
    warnings: Vec<WarningDocument>,
    /// Of a plan in a file only: changes when anything in the list of changes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

impl PlanDocument {
    /// For a file: sealed, so that `apply` does what the file says or nothing.
    pub(super) fn sealed(mut self) -> Result<Self, Stop> {
        self.seal = Some(self.make_seal()?);
        Ok(self)
    }

    /// Whether the file is as `plan --out` wrote it.
    pub(super) fn is_sound(&self) -> Result<bool, Stop> {
        Ok(self.format == FORMAT && self.seal.as_ref() == Some(&self.make_seal()?))
    }

    fn make_seal(&self) -> Result<String, Stop> {
        let listed = serde_json::to_vec(&(&self.fingerprint, &self.hash, self.counts, &self.changes));
        let listed = listed.map_err(|error| Stop::Other(format!("no JSON: {error}")))?;
        Ok(sha2::Sha256::digest(listed).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangeDocument {
    action: crate::model::Action,
    guid: String,
    email: String,
    dn: Option<String>,
    from: Option<String>,
    to: Option<String>,
    because: String,
    status: String,
    error: Option<String>,
    /// Why it is held.
    held: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WarningDocument {
    kind: String,
    subject: String,
    message: String,
}

pub(super) fn plan(report: &Report) -> PlanDocument {
    PlanDocument {
        format: FORMAT,
        pass: report.id.to_string(),
        hash: report.hash.clone(),
        fingerprint: report.fingerprint.clone(),
        mode: "full".to_owned(),
        in_sync: report.in_sync,
        counts: report.counts,
        changes: report
            .changes
            .iter()
            .map(|ReportedChange { change, status }| change_document(change, status))
            .collect(),
        warnings: report.warnings.iter().map(warning).collect(),
        seal: None,
    }
}

fn change_document(change: &Change, status: &Status) -> ChangeDocument {
    let Change { action, guid, email, dn, account: _, from, to, because } = change;
    let (status, error, held) = match status {
        Status::Planned => ("planned", None, None),
        Status::Held(why) => ("held", None, Some(why.clone())),
        Status::Done => ("done", None, None),
        Status::Failed(why) => ("failed", Some(why.clone()), None),
    };
    ChangeDocument {
        action: *action,
        guid: guid.to_string(),
        email: email.to_string(),
        dn: (!dn.is_empty()).then(|| dn.clone()),
        from: seat(from),
        to: seat(to),
        because: because.to_string(),
        status: status.to_owned(),
        error,
        held,
    }
}

fn warning(Warning { kind, subject, message }: &Warning) -> WarningDocument {
    WarningDocument { kind: kind.to_string(), subject: subject.clone(), message: message.clone() }
}

/// `accounts list --json`.
#[derive(Debug, Serialize)]
pub(super) struct AccountsDocument {
    format: u32,
    account: String,
    users: Vec<UserDocument>,
}

#[derive(Debug, Serialize)]
struct UserDocument {
    id: String,
    email: String,
    tier: Option<String>,
    status: &'static str,
}

pub(super) fn accounts(account: &str, observed: &[Observed]) -> AccountsDocument {
    let users = observed
        .iter()
        .map(|Observed { id, email, seat, external: _ }| UserDocument {
            id: id.to_string(),
            email: email.to_string(),
            tier: seat.tier().map(ToString::to_string),
            status: seat_status(seat),
        })
        .collect();
    AccountsDocument { format: FORMAT, account: account.to_owned(), users }
}

/// What a seat is called where its tier stands beside it.
pub(super) fn seat_status(seat: &Seat) -> &'static str {
    match seat {
        Seat::Vacant => "vacant",
        Seat::Invited => "invited",
        Seat::Active(_) => "active",
        Seat::Suspended(_) => "suspended",
    }
}

/// `explain --json`.
#[derive(Debug, Serialize)]
pub(super) struct ExplainDocument {
    format: u32,
    guid: String,
    email: Option<String>,
    dn: Option<String>,
    enabled: bool,
    tier: Option<String>,
    paths: Vec<Vec<String>>,
    confirmed: Option<ConfirmedDocument>,
    next: Option<ChangeDocument>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ConfirmedDocument {
    tier: Option<String>,
    status: &'static str,
}

pub(super) fn explanation(explanation: &Explanation) -> ExplainDocument {
    let Explanation { guid, email, dn, enabled, tier, paths, confirmed, next, notes } = explanation;
    ExplainDocument {
        format: FORMAT,
        guid: guid.to_string(),
        email: email.as_ref().map(ToString::to_string),
        dn: dn.clone(),
        enabled: *enabled,
        tier: tier.as_ref().map(ToString::to_string),
        paths: paths.clone(),
        confirmed: confirmed.as_ref().map(|holding| ConfirmedDocument {
            tier: holding.seat.tier().map(ToString::to_string),
            status: seat_status(&holding.seat),
        }),
        next: next.as_ref().map(|NextStep { change, held }| {
            let status = held.as_ref().map_or(Status::Planned, |why| Status::Held(why.clone()));
            change_document(change, &status)
        }),
        notes: notes.clone(),
    }
}

/// `history --json`.
#[derive(Debug, Serialize)]
pub(super) struct HistoryDocument {
    format: u32,
    actions: Vec<ActionDocument>,
}

#[derive(Debug, Serialize)]
struct ActionDocument {
    at: String,
    pass: String,
    action: crate::model::Action,
    guid: String,
    email: String,
    from: Option<String>,
    to: Option<String>,
    because: String,
    error: Option<String>,
}

pub(super) fn history(entries: &[HistoryEntry]) -> HistoryDocument {
    let actions = entries
        .iter()
        .map(|HistoryEntry { at, pass, guid, email, action, from, to, because, error }| ActionDocument {
            at: at.to_string(),
            pass: pass.to_string(),
            action: *action,
            guid: guid.to_string(),
            email: email.to_string(),
            from: seat(from),
            to: seat(to),
            because: because.clone(),
            error: error.clone(),
        })
        .collect();
    HistoryDocument { format: FORMAT, actions }
}

/// `status --json`.
#[derive(Debug, Serialize)]
pub(super) struct StatusDocument {
    format: u32,
    state: &'static str,
    reason: Option<String>,
    last_pass: Option<LastPassDocument>,
    last_good: Option<String>,
    held: Option<HeldDocument>,
    next: Option<NextDocument>,
}

#[derive(Debug, Serialize)]
struct LastPassDocument {
    id: String,
    at: String,
    took_ms: u64,
    result: PassResult,
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct HeldDocument {
    hash: String,
    losses: usize,
    gains: usize,
    since: String,
    /// When it has waited too long for somebody to look: `approval_expires` after `since`.
    expires: Option<String>,
    approved: Option<ApprovedDocument>,
}

/// Released, and waiting for its pass.
#[derive(Debug, Serialize)]
struct ApprovedDocument {
    by: String,
    at: String,
    expires: String,
}

/// Times of the daemon's next passes; without a running daemon there are none.
#[derive(Debug, Serialize)]
struct NextDocument {
    sync: Option<String>,
    audit: Option<String>,
}

/// The state in one word, and why it is not `ok`.
pub(super) fn state_word(memory: &Memory, now: Timestamp) -> (&'static str, Option<String>) {
    if let Origin::Rebuilt(why) = &memory.origin {
        return ("degraded", Some(why.clone()));
    }
    let Some(last) = memory.passes.last() else {
        return ("never", Some("no pass has been made".to_owned()));
    };
    match last.result {
        PassResult::Failed => ("failing", last.reason.clone()),
        PassResult::Partial => ("degraded", Some(format!("{} actions failed in the last pass", last.counts.failed))),
        PassResult::InSync | PassResult::Applied | PassResult::Held => match &memory.held {
            Some(held) => ("held", Some(held_reason(held, standing(memory, held, now)))),
            None => ("ok", None),
        },
    }
}

fn held_reason(HeldNote { hash, losses, gains, since: _ }: &HeldNote, approval: Option<&Approval>) -> String {
    match approval {
        None => format!("{losses} losses and {gains} gains wait for: seatsync approve {hash}"),
        Some(Approval { by, .. }) => {
            format!("{losses} losses and {gains} gains are approved by {by} and wait for the next pass: seatsync sync")
        }
    }
}

/// The approval of what is held, where it has been given and no pass has used it yet.
pub(super) fn standing<'a>(memory: &'a Memory, held: &HeldNote, now: Timestamp) -> Option<&'a Approval> {
    memory.approvals.iter().find(|each| each.hash == held.hash && each.expires > now)
}

pub(super) fn status(memory: &Memory, limits: &Limits, now: Timestamp) -> StatusDocument {
    let (state, reason) = state_word(memory, now);
    StatusDocument {
        format: FORMAT,
        state,
        reason,
        last_pass: memory.passes.last().map(|PassRecord { id, at, took_ms, result, reason: _, counts }| {
            LastPassDocument {
                id: id.to_string(),
                at: at.to_string(),
                took_ms: *took_ms,
                result: *result,
                counts: *counts,
            }
        }),
        last_good: memory.last_good.map(|at| at.to_string()),
        held: memory.held.as_ref().map(|HeldNote { hash, losses, gains, since }| HeldDocument {
            hash: hash.clone(),
            losses: *losses,
            gains: *gains,
            since: since.to_string(),
            expires: jiff::SignedDuration::try_from(limits.approval_expires)
                .ok()
                .and_then(|by| since.checked_add(by).ok())
                .map(|at| at.to_string()),
            approved: memory.approvals.iter().find(|each| each.hash == *hash && each.expires > now).map(|each| {
                ApprovedDocument { by: each.by.clone(), at: each.at.to_string(), expires: each.expires.to_string() }
            }),
        }),
        next: None,
    }
}
