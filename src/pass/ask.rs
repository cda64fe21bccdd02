//! What an operator asks between passes, decided on the same line as a pass: why, what was done, and "let it go".

use super::{Kept, PassError, Preview, ReportedChange, Request, Status, Watch, World, preview, resolve};
use crate::accounts::AccountStore;
use crate::decide::{Explanation, HeldChange, absorb, explain as explain_person};
use crate::directory::Directory;
use crate::model::{Email, HistoryEntry, ObjectGuid, Timestamp};
use crate::state::{StateError, StateStore};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What an approval released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Each change, with the reason why it was held.
    pub changes: Vec<ReportedChange>,
    /// When the approval is void.
    pub expires: Timestamp,
}

/// Why nothing was released.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// There was no plan to release anything of.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The approval could not be kept.
    #[error("nothing was released: {0}")]
    State(#[from] StateError),
    /// A hash was given, and nothing is held.
    #[error("nothing is held now, so there is nothing {0} could release")]
    Nothing(String),
    /// Another hash was given than that of what is held.
    #[error(
        "what is held now has the hash {now}, not {given}: the world moved since, or that plan was of one person only \
         (--user). Nothing was released; look at `seatsync plan` and approve its hash"
    )]
    Moved {
        /// What was given.
        given: String,
        /// What is held now.
        now: String,
    },
    /// No hash was given, and what is held now is not what the last pass reported: nobody has seen it.
    #[error(
        "what is held now is not what the last pass reported. Nothing was released; look at `seatsync plan`, then: \
         seatsync approve {now}"
    )]
    Unseen {
        /// What is held now.
        now: String,
    },
}

/// Releases exactly what is held now, once; `None` when nothing is held and no hash was given.
///
/// # Errors
/// See [`ApproveError`]; in every case nothing was released.
pub async fn approve<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    hash: Option<&str>,
    by: &str,
    watch: Watch<'_>,
) -> Result<Option<Released>, ApproveError> {
    let preview = preview(world, &Request::default(), watch).await?;
    let Some(approval) = preview.cleared.approval(by, preview.at, &world.limits) else {
        return match hash {
            None => Ok(None),
            Some(hash) => Err(ApproveError::Nothing(hash.to_owned())),
        };
    };
    // Without a hash it can only mean what the last pass reported and `status` shows: nobody has seen anything else.
    let seen = preview.memory.held.as_ref().map(|note| note.hash.as_str());
    match (hash, seen) {
        (Some(hash), _) if hash.eq_ignore_ascii_case(&approval.hash) => {}
        (Some(hash), _) => return Err(ApproveError::Moved { given: hash.to_owned(), now: approval.hash }),
        (None, Some(seen)) if seen == approval.hash => {}
        (None, _) => return Err(ApproveError::Unseen { now: approval.hash }),
    }
    let released = |HeldChange { change, why }: &HeldChange| ReportedChange {
        change: change.clone(),
        status: Status::Held(why.clone()),
    };
    let changes = preview.cleared.held().iter().map(released).collect();
    let released = Released { changes, expires: approval.expires };
    drop(preview);
    world.kept.approve(&mut world.state, approval).await?;
    Ok(Some(released))
}

/// Why somebody holds what they hold: one explanation for each person whom the name means, in the order of their GUIDs.
///
/// # Errors
/// See [`PassError`].
pub async fn explain<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    who: &str,
    watch: Watch<'_>,
) -> Result<Vec<Explanation>, PassError> {
    let preview = preview(world, &Request::default(), watch).await?;
    let found = resolve(who, &preview.roster, &preview.memory).ok_or_else(|| PassError::Nobody(who.to_owned()))?;
    let mut guids: Vec<ObjectGuid> = found.into_iter().collect();
    guids.sort();
    let Preview { roster, memory, desired, cleared, at, .. } = &preview;
    Ok(guids.iter().map(|guid| explain_person(guid, roster, &world.rules, memory, desired, cleared, *at)).collect())
}

/// The audit log, the newest last, at most `last` lines, of everybody or of the people whom a name means.
///
/// `directory` is asked only for a name that says nothing by itself; `kept` is what passes have left.
///
/// # Errors
/// See [`PassError`].
pub async fn history<D: Directory, S: StateStore>(
    directory: Option<&mut D>,
    state: &mut S,
    kept: &mut Kept,
    who: Option<&str>,
    last: usize,
) -> Result<Vec<HistoryEntry>, PassError> {
    let Some(who) = who else { return Ok(state.history(None, last).await?) };
    let mut entries = Vec::new();
    for guid in people(directory, state, kept, who).await? {
        entries.extend(state.history(Some(guid), last).await?);
    }
    entries.sort_by_key(|entry| entry.at);
    entries.drain(..entries.len().saturating_sub(last));
    Ok(entries)
}

/// Whom a name means: by identity or a known address without asking the directory, else as the directory says.
async fn people<D: Directory, S: StateStore>(
    directory: Option<&mut D>,
    state: &mut S,
    kept: &mut Kept,
    who: &str,
) -> Result<HashSet<ObjectGuid>, PassError> {
    if let Some(known) = named_in(&state.history(None, usize::MAX).await?, who) {
        return Ok(known);
    }
    let nobody = || PassError::Nobody(who.to_owned());
    let memory = kept.recall(state).await?;
    let roster = absorb(directory.ok_or_else(nobody)?.read_whole().await?);
    resolve(who, &roster, memory).ok_or_else(nobody)
}

/// The people of an audit log whom a name means by itself: a GUID, or an address that stands in it.
pub fn named_in(entries: &[HistoryEntry], who: &str) -> Option<HashSet<ObjectGuid>> {
    if let Some(guid) = ObjectGuid::parse(who) {
        return Some([guid].into());
    }
    let email = Email::parse(who)?;
    let known: HashSet<ObjectGuid> =
        entries.iter().filter(|entry| entry.email == email).map(|entry| entry.guid).collect();
    (!known.is_empty()).then_some(known)
}
