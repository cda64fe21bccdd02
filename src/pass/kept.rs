//! What one pass leaves to the next, in memory only.
//!
//! Invariant: the memory kept is what the state would load now. A pass takes it out, takes it through its own writes, and
//! puts it back at its end; whatever goes wrong in between, a write that failed or an error of any kind, leaves nothing,
//! and the next pass loads. It is moved and never copied: a pass that is to change it has it alone.

use super::World;
use super::reading::Followed;
use super::rest::Rest;
use crate::model::{Approval, Memory, StoreKind, Timestamp};
use crate::state::{StateError, StateStore, approved};
use jiff::SignedDuration;
use std::sync::Arc;

/// How long what was seen of the account store is good for a pass that sends it nothing: what kind of account it is, and
/// that it has not lost everybody. A pass that may send something, and one that begins to read the directory anew, asks
/// whatever was seen.
const STORE_SEEN_MAX: SignedDuration = SignedDuration::from_hours(1);

/// What one pass leaves to the next. Without it everything is read anew; no decision depends on it.
#[derive(Debug, Default)]
pub struct Kept {
    /// The directory as last read, and where the next read may go on.
    pub(super) roster: Option<Followed>,
    memory: Option<Arc<Memory>>,
    /// Of exactly that memory.
    rest: Option<Box<Rest>>,
    store: Option<Seen>,
}

/// What the account store said of itself.
#[derive(Clone, Copy, Debug)]
struct Seen {
    kind: StoreKind,
    at: Timestamp,
}

impl Kept {
    /// The memory, if it is kept.
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.as_deref()
    }

    /// The memory, which is loaded if it is not kept.
    pub(super) async fn recall<S: StateStore>(&mut self, state: &mut S) -> Result<&Memory, StateError> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => Arc::new(state.load().await?),
        };
        Ok(self.memory.insert(memory))
    }

    /// Takes the memory out, or loads it. Whoever does not put it back with [`Self::keep`] has changed it, or may have.
    pub(super) async fn take<S: StateStore>(
        &mut self,
        state: &mut S,
    ) -> Result<(Memory, Option<Box<Rest>>), StateError> {
        let rest = self.rest.take();
        // While somebody still looks at it, it is loaded anew: one day that costs a second, a copy always its memory.
        match self.memory.take().and_then(Arc::into_inner) {
            Some(memory) => Ok((memory, rest)),
            None => Ok((state.load().await?, None)),
        }
    }

    /// Puts the memory back, which is as it is on the disk.
    pub(super) fn keep(&mut self, memory: Arc<Memory>, rest: Option<Box<Rest>>) {
        self.memory = Some(memory);
        self.rest = rest;
    }

    /// Writes an approval, and takes the memory through it.
    pub(super) async fn approve<S: StateStore>(&mut self, state: &mut S, approval: Approval) -> Result<(), StateError> {
        self.rest = None;
        let memory = self.memory.take().and_then(Arc::into_inner);
        state.approve(&approval).await?;
        if let Some(mut memory) = memory {
            approved(&mut memory, approval);
            self.keep(Arc::new(memory), None);
        }
        Ok(())
    }

    /// Notes that the account store was seen, and is of that kind.
    pub(super) fn see(&mut self, kind: StoreKind, at: Timestamp) {
        self.store = Some(Seen { kind, at });
    }

    /// What kind of account it is, and until when that is good, where it was seen not long before `at`.
    pub(super) fn seen(&self, at: Timestamp) -> Option<(StoreKind, Timestamp)> {
        let Seen { kind, at: since } = self.store?;
        let until = since.checked_add(STORE_SEEN_MAX).ok()?;
        (since..until).contains(&at).then_some((kind, until))
    }
}

/// What is remembered, as the state would load it.
///
/// # Errors
/// As for [`StateStore::load`], where it has to be loaded.
pub async fn recall<D, A, S: StateStore>(world: &mut World<D, A, S>) -> Result<&Memory, StateError> {
    world.kept.recall(&mut world.state).await
}
