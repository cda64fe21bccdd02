//! Open intents: changes that were sent, or about to be, when an earlier pass ended without an answer.
//!
//! An open intent means "look again", nothing else: the account store is asked what is so, and that is what is kept.

use crate::accounts::{AccountStore, Sought};
use crate::model::{
    Action, Because, Fact, HistoryEntry, Intent, ObjectGuid, Observed, PassId, Seat, Settlement, Shown, Timestamp,
    Warning, WarningKind,
};
use std::collections::HashSet;

/// What looking again gave.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Facts, each ending its intent.
    pub settled: Vec<Settlement>,
    /// People about whom the account store did not answer: they must be left out of this plan.
    pub unresolved: HashSet<ObjectGuid>,
    /// Those, for the operator.
    pub warnings: Vec<Warning>,
}

/// Asks the account store about each open intent.
pub(super) async fn look_again<A: AccountStore>(
    accounts: &mut A,
    open: &[Intent],
    pass: &PassId,
    at: Timestamp,
) -> Recovered {
    let mut recovered = Recovered::default();
    if open.is_empty() {
        return recovered;
    }
    let sought: Vec<Sought> = open
        .iter()
        .map(|intent| Sought { guid: intent.guid, account: intent.account.clone(), email: intent.email.clone() })
        .collect();
    // All in one question: a store that reads its whole list for an answer shall not read it once for each batch.
    match accounts.find(&sought).await {
        Ok(found) => recovered
            .settled
            .extend(open.iter().zip(found).map(|(intent, found)| settle_by_observation(intent, found, pass, at))),
        Err(error) => {
            for intent in open {
                recovered.unresolved.insert(intent.guid);
                recovered.warnings.push(Warning::new(
                    WarningKind::Unresolved,
                    intent.email.as_str(),
                    format!("whether \"{}\" of pass {} was done is not known, and the account store did not answer ({error}); this person waits for the next pass", intent.action, intent.pass),
                ));
            }
        }
    }
    recovered
}

/// What is there now, and a line of history if it is what the intent wanted.
fn settle_by_observation(intent: &Intent, found: Option<Observed>, pass: &PassId, at: Timestamp) -> Settlement {
    let seat = found.as_ref().map_or(Seat::Vacant, |observed| observed.seat.clone());
    // Names are seen by nobody here, and with an address alone nobody knows who changed it.
    let is_seen = match intent.action {
        Action::Rename => {
            let has_address = found.as_ref().is_some_and(|observed| observed.email == intent.email);
            has_address && intent.because != Because::DetailsChanged.to_string()
        }
        _ => true,
    };
    let entry = (seat == intent.to && is_seen).then(|| HistoryEntry {
        at,
        pass: pass.clone(),
        guid: intent.guid,
        email: intent.email.clone(),
        action: intent.action,
        from: intent.from.clone(),
        to: intent.to.clone(),
        because: format!("{} (begun in pass {}, found done)", intent.because, intent.pass),
        error: None,
    });
    let fact = found.map_or(Fact::NoAccount, |observed| Fact::Holds(observed.into()));
    Settlement { guid: intent.guid, fact, closes_intent: true, entry, details: Shown::Unknown }
}
