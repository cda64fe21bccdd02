//! From cleared changes to answers: written down, sent, settled.
//!
//! [`Journaled`] has one producer, [`journal`], and it takes only what the guards cleared: a change that is unguarded or
//! not on the disk cannot be sent.

use super::{PassError, Preview, Step, Watch, World};
use crate::accounts::AccountStore;
use crate::model::{
    Action, Approval, Change, Fact, HistoryEntry, Intent, ObjectGuid, Outcome, Seat, Settlement, Timestamp,
};
use crate::state::{SETTLE_MAX, StateError, StateStore};
use std::collections::HashMap;

/// After this many batches in a row without one answer the rest is not sent: the account store is down.
const SILENT_BATCHES_MAX: usize = 2;

/// Intents that are on the disk.
#[derive(Debug)]
pub(super) struct Journaled {
    intents: Vec<Intent>,
}

/// What became of each intent: nothing, or why not.
pub(super) type Outcomes = HashMap<ObjectGuid, Result<(), String>>;

/// What the account store said, for the snapshot.
pub(super) type Facts = Vec<(ObjectGuid, Fact)>;

/// Writes the cleared changes down.
pub(super) async fn journal<S: StateStore>(state: &mut S, surveyed: &Preview) -> Result<Journaled, StateError> {
    let released = released(surveyed);
    let intent = |change: &Change| {
        let mut intent = Intent::of(change, surveyed.id.clone(), surveyed.at);
        if let Some(Approval { hash, by, .. }) = released.get(&(change.guid, change.action)) {
            intent.because = format!("{} (approved by {by} as {hash})", intent.because);
        }
        intent
    };
    let mut intents: Vec<Intent> = surveyed.cleared.go().iter().map(intent).collect();
    intents.sort_by_key(|intent| (order(intent.action), intent.guid));
    if !intents.is_empty() {
        state.begin(&intents).await?;
    }
    Ok(Journaled { intents })
}

/// What somebody released: the history says who.
fn released(surveyed: &Preview) -> HashMap<(ObjectGuid, Action), &Approval> {
    let valid = surveyed.memory.approvals.iter().filter(|approval| approval.expires > surveyed.at);
    valid.flat_map(|approval| approval.changes.iter().map(move |each| ((each.guid, each.action), approval))).collect()
}

/// What frees a licence or an address goes before what takes one.
fn order(action: Action) -> u8 {
    match action {
        Action::Suspend | Action::Remove => 0,
        Action::Rename | Action::Move => 1,
        Action::Create | Action::Grant | Action::Resume | Action::Invite => 2,
    }
}

/// Sends what is journaled, batch by batch, and keeps each answer before the next batch leaves.
pub(super) async fn carry_out<D, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    Journaled { intents }: Journaled,
    watch: Watch<'_>,
) -> Result<(Outcomes, Facts), PassError> {
    let mut outcomes = Outcomes::with_capacity(intents.len());
    let mut facts = Facts::with_capacity(intents.len());
    let batch_max = world.accounts.batch_max().clamp(1, SETTLE_MAX);
    let mut silent = 0;
    for batch in intents.chunks(batch_max) {
        watch(Step::Applying { done: outcomes.len(), of: intents.len() });
        if silent >= SILENT_BATCHES_MAX {
            let unsent = "not sent: the account store stopped answering".to_owned();
            outcomes.extend(batch.iter().map(|intent| (intent.guid, Err(unsent.clone()))));
            continue;
        }
        let answers = world.accounts.apply(batch).await;
        assert_eq!(answers.len(), batch.len(), "an account store answers each intent once");
        let at = (world.now)();
        let settled: Vec<Settlement> =
            batch.iter().zip(&answers).filter_map(|(intent, answer)| settle(intent, answer, at)).collect();
        silent = if settled.is_empty() { silent + 1 } else { 0 };
        world.state.settle(&settled).await.map_err(PassError::Unrecorded)?;
        facts.extend(settled.into_iter().map(|Settlement { guid, fact, .. }| (guid, fact)));
        outcomes.extend(batch.iter().zip(&answers).map(|(intent, answer)| (intent.guid, verdict(intent, answer))));
    }
    watch(Step::Applying { done: outcomes.len(), of: intents.len() });
    Ok((outcomes, facts))
}

/// What the state keeps of an answer; nothing of one that says nothing.
fn settle(intent: &Intent, answer: &Outcome, at: Timestamp) -> Option<Settlement> {
    let fact = match answer {
        Outcome::Done(Some(observed)) => Fact::Holds(observed.clone().into()),
        Outcome::Done(None) => Fact::NoAccount,
        Outcome::Rejected(_) => Fact::Unchanged,
        Outcome::Ambiguous(_) => return None,
    };
    let entry = HistoryEntry {
        at,
        pass: intent.pass.clone(),
        guid: intent.guid,
        email: intent.email.clone(),
        action: intent.action,
        from: intent.from.clone(),
        to: intent.to.clone(),
        because: intent.because.clone(),
        error: verdict(intent, answer).err(),
    };
    Some(Settlement { guid: intent.guid, fact, closes_intent: true, entry: Some(entry) })
}

/// Whether the answer is what was wanted: a store that says yes and does something else has not done it.
fn verdict(intent: &Intent, answer: &Outcome) -> Result<(), String> {
    match answer {
        Outcome::Done(observed) => {
            let seat = observed.as_ref().map_or(Seat::Vacant, |observed| observed.seat.clone());
            // Somebody who was invited may have accepted before we looked.
            let arrived = intent.action == Action::Invite && seat.is_held();
            if seat == intent.to || arrived {
                Ok(())
            } else {
                Err(format!("the account store says the seat is {seat} afterwards, not {}", intent.to))
            }
        }
        Outcome::Rejected(why) => Err(why.clone()),
        Outcome::Ambiguous(why) => Err(format!("not known whether it was done ({why}); the next pass looks")),
    }
}
