//! The JSON documents: a stable contract, `"format": 1`. Each shape is written out here and nowhere else,
//! but for `status --json`, which a running daemon also serves: `status/document.rs`.

use super::exit::Stop;
use crate::decide::{Explanation, NextStep};
use crate::model::{Change, Counts, HistoryEntry, Observed, Seat, Warning};
use crate::pass::{Report, ReportedChange, Status};
use crate::status::status_word;
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
    let Change { action, guid, email, dn, account: _, from, to, because, details: _ } = change;
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
        .map(|Observed { id, email, seat, .. }| UserDocument {
            id: id.to_string(),
            email: email.to_string(),
            tier: seat.tier().map(ToString::to_string),
            status: status_word(seat),
        })
        .collect();
    AccountsDocument { format: FORMAT, account: account.to_owned(), users }
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
            status: status_word(&holding.seat),
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
