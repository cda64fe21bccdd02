//! What each write makes of a memory, so that whoever has written need not read all of it again.
//!
//! Law: a memory that was loaded, and then taken through the writes that succeeded since, is what would be loaded now.

use super::Closing;
use super::codec::{PASSES_MAX, clipped};
use crate::model::{Approval, Intent, Memory, ObjectGuid, Origin, PassRecord, Settlement};
use std::collections::HashSet;

/// After [`super::StateStore::begin`].
pub fn begun(memory: &mut Memory, intents: Vec<Intent>) {
    if intents.is_empty() {
        return;
    }
    // There is one intent a person: the later one takes the place of the earlier.
    let anew: HashSet<ObjectGuid> = intents.iter().map(|intent| intent.guid).collect();
    memory.open.retain(|intent| !anew.contains(&intent.guid));
    memory.open.extend(intents.into_iter().map(stored_intent));
    in_order(&mut memory.open);
}

/// After [`super::StateStore::settle`].
pub fn settled(memory: &mut Memory, settled: &[Settlement]) {
    settled.iter().for_each(|settlement| memory.learn(settlement));
    if !memory.open.is_empty() {
        let closed: HashSet<ObjectGuid> =
            settled.iter().filter(|each| each.closes_intent).map(|each| each.guid).collect();
        memory.open.retain(|intent| !closed.contains(&intent.guid));
    }
}

/// After [`super::StateStore::finish`].
pub fn finished(memory: &mut Memory, closing: Closing) {
    let Closing { record, good, whole, groups, absent, approvals, held } = closing;
    memory.passes.push(stored_record(record));
    let most = usize::try_from(PASSES_MAX).unwrap_or(usize::MAX);
    memory.passes.drain(..memory.passes.len().saturating_sub(most));
    if good.is_some() {
        memory.last_good = good;
    }
    if whole {
        memory.origin = Origin::Known;
    }
    if let Some(groups) = groups {
        memory.groups = groups;
    }
    if let Some(absent) = absent {
        memory.absent = absent;
    }
    if let Some(approvals) = approvals {
        memory.approvals = approvals;
    }
    if let Some(held) = held {
        memory.held = held;
    }
}

/// After [`super::StateStore::approve`].
pub fn approved(memory: &mut Memory, approval: Approval) {
    join(&mut memory.approvals, approval);
}

/// Beside those that wait; a second approval of the same plan takes the place of the first.
pub(super) fn join(approvals: &mut Vec<Approval>, approval: Approval) {
    approvals.retain(|waiting| waiting.hash != approval.hash);
    approvals.push(approval);
}

/// As it is loaded.
pub(super) fn in_order(open: &mut [Intent]) {
    open.sort_by_key(|intent| (intent.at, intent.guid));
}

/// As it is kept: free text has a limit, and details are not kept.
pub(super) fn stored_intent(intent: Intent) -> Intent {
    Intent { because: clipped(&intent.because), details: None, ..intent }
}

/// As it is kept: free text has a limit.
pub(super) fn stored_record(record: PassRecord) -> PassRecord {
    PassRecord { reason: record.reason.as_deref().map(clipped), ..record }
}
