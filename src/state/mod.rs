//! What the agent remembers on disk: snapshot, journal of intents, history, passes.
//!
//! The order of writes is the crash safety: `begin` is durable before the first request leaves; `settle` stores what the
//! account store answered and ends the intent in one transaction; an open intent found by `load` means "look again".
//!
//! Deliberately absent: any decision, any replay of intents, any reading of the clock but to name a folder set aside.

mod codec;
pub mod local;
mod shelf;
mod written;

#[cfg(test)]
mod tests;

use crate::model::{
    Approval, GroupRef, HeldNote, HistoryEntry, Intent, Memory, ObjectGuid, PassRecord, RememberedGroup, Settlement,
    Timestamp,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use local::{Access, HistoryReader, LocalState, StateSettings};
pub use written::{approved, begun, finished, settled};

/// The memory of one account of one account store.
#[allow(async_fn_in_trait)] // Used with static dispatch only; no caller needs a bound on the future.
pub trait StateStore {
    /// All of it. What writes that succeed make of it since is for [`begun`], [`settled`], [`finished`] and [`approved`] to
    /// say, so that it need not be read again.
    async fn load(&mut self) -> Result<Memory, StateError>;

    /// Writes the intents; they are on the disk when it returns.
    async fn begin(&mut self, intents: &[Intent]) -> Result<(), StateError>;

    /// Takes in what the account store said: at most [`SETTLE_MAX`] people at once, all or nothing, durable on return.
    async fn settle(&mut self, settled: &[Settlement]) -> Result<(), StateError>;

    /// Ends a pass: its record and what the next one compares with.
    async fn finish(&mut self, closing: &Arc<Closing>) -> Result<(), StateError>;

    /// Keeps an approval until a pass uses it.
    async fn approve(&mut self, approval: &Approval) -> Result<(), StateError>;

    /// The audit log, the newest last, at most `most` lines, of one person or of all. An error where it is illegible: no
    /// lines would say that nothing was done.
    async fn history(&mut self, who: Option<ObjectGuid>, most: usize) -> Result<Vec<HistoryEntry>, StateError>;
}

/// Most people in one `settle`: larger batches cost sled gigabytes of memory.
pub const SETTLE_MAX: usize = 400;

/// What `finish` writes. `None` leaves a part as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The pass.
    pub record: PassRecord,
    /// When it ended, if it was a good one: nothing failed.
    pub good: Option<Timestamp>,
    /// Whether everybody was compared with the account store, so that the memory is whole from now on: ends
    /// [`crate::model::Origin::Fresh`] or `Rebuilt`. One action that fails for ever must not hold all losses for ever.
    pub whole: bool,
    /// The groups as found, with the members that the next pass compares with. Replaces all.
    pub groups: Option<BTreeMap<GroupRef, RememberedGroup>>,
    /// Who has been out of all groups, since when. Replaces all.
    pub absent: Option<HashMap<ObjectGuid, Timestamp>>,
    /// The approvals still unused. Replaces all.
    pub approvals: Option<Vec<Approval>>,
    /// What is held: `Some(None)` when nothing is any more.
    pub held: Option<Option<HeldNote>>,
}

/// Why the state cannot be used, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it: ask that one, or wait.
    #[error("{message}")]
    InUse {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// The disk or its rights: somebody must act.
    #[error("{message}")]
    Disk {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Written by a newer program.
    #[error("{message}")]
    TooNew {
        /// What was tried, what came back, what to do.
        message: String,
    },
}
