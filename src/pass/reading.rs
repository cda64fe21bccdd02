//! The roster a pass decides from: read from the beginning, or the one of the last pass brought up to date.
//!
//! Either way it is a whole roster: nothing behind it knows which.

use super::Kept;
use crate::decide::{NeedsWhole, Roster, absorb, follow};
use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{News, Wanted};
use std::sync::Arc;

/// The directory as it is now. A read that fails leaves nothing to go on from: the next one begins from the beginning.
pub(super) async fn roster<D: Directory>(
    directory: &mut D,
    kept: &mut Kept,
    wanted: &Wanted<'_>,
) -> Result<Arc<Roster>, DirectoryError> {
    if let Some((before, cursor)) = kept.roster.take().filter(|_| !wanted.whole) {
        let Read { news, cursor } = directory.read(wanted, Some(&cursor)).await?;
        // The very same, so that it can be told that nothing has changed.
        if matches!(&news, News::Changed(delta) if delta.is_empty()) {
            kept.roster = cursor.map(|cursor| (before.clone(), cursor));
            return Ok(before);
        }
        match take_in(Some(before), news) {
            Ok(roster) => return Ok(keep(kept, roster, cursor)),
            Err(NeedsWhole(why)) => tracing::info!("the directory is read from the beginning: {why}"),
        }
    }
    let Read { news, cursor } = directory.read(wanted, None).await?;
    let roster = take_in(None, news).map_err(|NeedsWhole(why)| DirectoryError::Incomplete { message: why })?;
    Ok(keep(kept, roster, cursor))
}

fn take_in(before: Option<Arc<Roster>>, news: News) -> Result<Roster, NeedsWhole> {
    match (news, before) {
        (News::Whole(reading) | News::Mapped(reading), _) => Ok(absorb(reading)),
        (News::Changed(delta), Some(before)) => follow(Arc::unwrap_or_clone(before), delta),
        (News::Changed(_), None) => {
            Err(NeedsWhole("only what changed was read, and it is not known since when".into()))
        }
    }
}

fn keep(kept: &mut Kept, roster: Roster, cursor: Option<Cursor>) -> Arc<Roster> {
    let roster = Arc::new(roster);
    kept.roster = cursor.map(|cursor| (roster.clone(), cursor));
    roster
}
