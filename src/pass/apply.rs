//! From cleared changes to answers: written down, sent, settled.
//!
//! [`Journaled`] has one producer, [`journal`], and it takes only what the guards cleared: a change that is unguarded or
//! not on the disk cannot be sent.

use super::{PassError, Preview, Step, Watch, World};
use crate::accounts::AccountStore;
use crate::model::{
    Action, Approval, Change, Fact, HistoryEntry, Intent, Memory, ObjectGuid, Observed, Outcome, Seat, Settlement,
    Shown, Timestamp,
};
use crate::state::{SETTLE_MAX, StateError, StateStore, begun, settled};
use std::collections::HashMap;

/// After this many batches in a row without one answer the rest is not sent: the account store is down.
const SILENT_BATCHES_MAX: usize = 2;

/// Begins the reason of a change that was never sent.
pub(super) const NOT_SENT: &str = "not sent: ";

/// So many changes fill requests of 20 people and requests of 50 to the brim: where a batch ends amid changes that are asked
/// for alike, it ends after a multiple of these.
const FULL_REQUESTS: usize = 100;

/// Intents that are on the disk.
#[derive(Debug)]
pub(super) struct Journaled {
    intents: Vec<Intent>,
}

/// What became of each intent: nothing, or why not.
pub(super) type Outcomes = HashMap<ObjectGuid, Result<(), String>>;

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
    intents.sort_by_key(|intent| (turn(intent.action), intent.guid));
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

/// What frees a licence or an address goes before what takes one; and what is asked for alike goes together.
fn turn(action: Action) -> u8 {
    match action {
        Action::Suspend | Action::Remove => 0,
        Action::Rename | Action::Move => 1,
        Action::Grant => 2,
        Action::Resume => 3,
        Action::Create => 4,
        Action::Invite => 5,
    }
}

/// The next batch: the longest that is allowed, but no longer than leaves the requests of whatever goes on in the batch
/// after it full.
fn next_batch(intents: &[Intent], most: usize) -> (&[Intent], &[Intent]) {
    let most = most.min(intents.len());
    let (batch, rest) = intents.split_at(most);
    let goes_on = rest.first().map(|next| turn(next.action));
    let cut_run = batch.iter().rev().take_while(|intent| Some(turn(intent.action)) == goes_on).count();
    let shorter = most - cut_run % FULL_REQUESTS;
    if shorter == 0 { (batch, rest) } else { intents.split_at(shorter) }
}

/// Sends what is journaled, batch by batch, and keeps each answer before the next batch leaves. Gives also how many have
/// an answer. `memory` is taken along, and is as on the disk at the end.
pub(super) async fn carry_out<D, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    Journaled { intents }: Journaled,
    memory: &mut Memory,
    watch: Watch<'_>,
) -> Result<(Outcomes, usize), PassError> {
    let mut outcomes = Outcomes::with_capacity(intents.len());
    let mut answered = 0;
    // All are open on the disk; here only those that stay so, since the others would come and go.
    let mut left = Vec::new();
    let batch_max = world.accounts.batch_max().max(1);
    let mut silent = 0;
    let mut rest = intents.as_slice();
    while !rest.is_empty() {
        let (batch, behind) = next_batch(rest, batch_max);
        rest = behind;
        watch(Step::Applying { done: outcomes.len(), of: intents.len() });
        let unsent = match (world.halt.is_asked(), silent >= SILENT_BATCHES_MAX) {
            (true, _) => Some("told to stop"),
            (false, true) => Some("the account store stopped answering"),
            (false, false) => None,
        };
        // The intents stay open: the next pass looks them up, finds nothing done, and plans them again.
        if let Some(why) = unsent {
            outcomes.extend(batch.iter().map(|intent| (intent.guid, Err(format!("{NOT_SENT}{why}")))));
            left.extend_from_slice(batch);
            continue;
        }
        let answers = world.accounts.apply(batch).await;
        assert_eq!(answers.len(), batch.len(), "an account store answers each intent once");
        let at = (world.now)();
        let settlements: Vec<Settlement> =
            batch.iter().zip(&answers).filter_map(|(intent, answer)| settle(intent, answer, at)).collect();
        silent = if settlements.is_empty() { silent + 1 } else { 0 };
        // A batch fills a bulk request to the brim, which is more than the state takes at once.
        for some in settlements.chunks(SETTLE_MAX) {
            world.state.settle(some).await.map_err(PassError::Unrecorded)?;
            settled(memory, some);
        }
        answered += settlements.len();
        let is_open = |answer: &Outcome| matches!(answer, Outcome::Ambiguous(_));
        left.extend(batch.iter().zip(&answers).filter(|(_, answer)| is_open(answer)).map(|(intent, _)| intent.clone()));
        outcomes.extend(batch.iter().zip(&answers).map(|(intent, answer)| (intent.guid, verdict(intent, answer))));
    }
    begun(memory, left);
    watch(Step::Applying { done: outcomes.len(), of: intents.len() });
    Ok((outcomes, answered))
}

/// What the state keeps of an answer; nothing of one that says nothing.
fn settle(intent: &Intent, answer: &Outcome, at: Timestamp) -> Option<Settlement> {
    let fact = match answer {
        Outcome::Done(Some(observed)) => Fact::Holds(observed.clone().into()),
        Outcome::Done(None) => Fact::NoAccount,
        Outcome::Rejected(_) => Fact::Unchanged,
        Outcome::Ambiguous(_) => return None,
    };
    let details = match answer {
        Outcome::Done(Some(Observed { id, details: Some(mark), .. })) => Shown::Took(mark.on(id)),
        // Nobody is described anew who loses the seat.
        _ if intent.details.is_some() && intent.to.is_held() => Shown::Unknown,
        _ => Shown::AsBefore,
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
    Some(Settlement { guid: intent.guid, fact, closes_intent: true, entry: Some(entry), details })
}

/// Whether the answer is what was wanted: a store that says yes and does something else has not done it.
fn verdict(intent: &Intent, answer: &Outcome) -> Result<(), String> {
    match answer {
        Outcome::Done(observed) => {
            let seat = observed.as_ref().map_or(Seat::Vacant, |observed| observed.seat.clone());
            // Somebody who was invited may have accepted before we looked.
            let arrived = match (intent.action, &seat) {
                (Action::Invite, seat) => seat.is_held(),
                // Whatever the licence is by now: nobody signs in with it.
                (Action::Suspend, Seat::Suspended(_)) => true,
                _ => false,
            };
            match (&seat, intent.action) {
                _ if seat == intent.to || arrived => Ok(()),
                (Seat::Suspended(_), Action::Remove) => Err("the account store was asked to delete the user and has only \
                     deactivated it, or left it so: nobody signs in with it. If this product deletes nobody, write on_leave = \
                     \"deactivate\""
                    .to_owned()),
                _ => Err(format!("the account store says the seat is {seat} afterwards, not {}", intent.to)),
            }
        }
        Outcome::Rejected(why) => Err(why.clone()),
        Outcome::Ambiguous(why) => Err(format!("not known whether it was done ({why}); the next pass looks")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Email, PassId, Tier};
    use proptest::prelude::*;

    /// The most people of a request: of licences, and of everything else.
    const UPDATES: usize = 20;
    const OTHERS: usize = 50;

    fn intents(runs: &[(Action, usize)]) -> Vec<Intent> {
        let at = Timestamp::UNIX_EPOCH;
        let intent = |action| {
            Some(Intent {
                action,
                guid: ObjectGuid::from_bytes([0; 16]),
                email: Email::parse("a@corp.example")?,
                account: None,
                from: Seat::Vacant,
                to: Seat::Active(Tier::new("pro")),
                because: String::new(),
                pass: PassId::new(at, 0),
                at,
                details: None,
            })
        };
        runs.iter().flat_map(|(action, count)| std::iter::repeat_n(*action, *count)).filter_map(intent).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn batches_leave_nothing_out_and_cut_no_request_short(
            counts in proptest::collection::vec(0_usize..1_300, 4),
            most in prop_oneof![Just(1_000), Just(SETTLE_MAX), 1_usize..700],
        ) {
            let actions = [Action::Suspend, Action::Move, Action::Resume, Action::Create];
            let runs: Vec<(Action, usize)> = actions.into_iter().zip(counts).collect();
            let intents = intents(&runs);
            let mut requests = [0; 4];
            let (mut rest, mut seen) = (intents.as_slice(), 0);
            while !rest.is_empty() {
                let (batch, behind) = next_batch(rest, most);
                prop_assert!((1..=most).contains(&batch.len()));
                for (place, action) in actions.into_iter().enumerate() {
                    let count = batch.iter().filter(|intent| intent.action == action).count();
                    requests[place] += count.div_ceil(if action == Action::Move { UPDATES } else { OTHERS });
                }
                seen += batch.len();
                rest = behind;
            }
            prop_assert_eq!(seen, intents.len());
            if most >= FULL_REQUESTS {
                let fewest = runs.iter().map(|(action, count)| {
                    count.div_ceil(if *action == Action::Move { UPDATES } else { OTHERS })
                });
                prop_assert_eq!(requests.to_vec(), fewest.collect::<Vec<_>>());
            }
        }
    }
}
