//! The roster a pass decides from: read from the beginning, or the one of the last pass brought up to date.
//!
//! Either way it is a whole roster: nothing behind it knows which. Once an hour, with every audit, and whenever somebody is to
//! decide by it, it is read from the beginning, and what was followed until then is held against it.

use super::Kept;
use crate::decide::{Differences, Fingerprint, NeedsWhole, Roster, absorb, follow};
use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{News, Timestamp, Wanted, Warning, WarningKind};
use jiff::SignedDuration;
use std::sync::Arc;

/// How long what changes is followed before it is read anew: some things no server tells, such as a right of the bind account
/// that was taken away and given back. An hour of passes costs less than one whole read everywhere but in the largest
/// directories, and there it is seconds.
const FOLLOWED_MAX: SignedDuration = SignedDuration::from_hours(1);

/// A roster, and how the next read may go on from it.
#[derive(Debug)]
pub(super) struct Followed {
    roster: Arc<Roster>,
    cursor: Cursor,
    /// When it was read from the beginning.
    since: Timestamp,
    /// Whether it is of the whole directory: another one cannot be held against one that is.
    is_whole: bool,
}

/// The directory as it is now, and what there is to say of it. A read that fails leaves nothing to go on from: the next one
/// begins from the beginning. `anew`: nothing that was followed is taken for granted.
pub(super) async fn roster<D: Directory>(
    directory: &mut D,
    kept: &mut Kept,
    wanted: &Wanted<'_>,
    anew: bool,
    at: Timestamp,
) -> Result<(Arc<Roster>, Option<Warning>), DirectoryError> {
    let Some(before) = kept.roster.take() else {
        return from_the_beginning(directory, kept, wanted, at).await.map(|roster| (roster, None));
    };
    // A clock that was set back makes it look younger than it is, for as long as it was set back.
    let is_young = (before.since..).contains(&at) && at.duration_since(before.since) < FOLLOWED_MAX;
    match !wanted.whole && !anew && is_young {
        true => match bring_up_to_date(directory, before, wanted, at).await? {
            Some(followed) => Ok((keep(kept, followed), None)),
            None => from_the_beginning(directory, kept, wanted, at).await.map(|roster| (roster, None)),
        },
        false => from_the_beginning_and_compared(directory, kept, before, wanted, at).await,
    }
}

/// Reads what has changed. `None` where that does not lead to a whole roster.
async fn bring_up_to_date<D: Directory>(
    directory: &mut D,
    before: Followed,
    wanted: &Wanted<'_>,
    at: Timestamp,
) -> Result<Option<Newly>, DirectoryError> {
    let Followed { roster, cursor, since, is_whole } = before;
    let Read { news, cursor } = directory.read(wanted, Some(&cursor)).await?;
    let newly = |roster, since, is_whole| Some(Newly { roster, cursor, since, is_whole });
    Ok(match news {
        // The very same, so that it can be told that nothing has changed.
        News::Changed(delta) if delta.is_empty() => newly(roster, since, is_whole),
        News::Changed(delta) => match follow(Arc::unwrap_or_clone(roster), delta) {
            Ok(roster) => newly(Arc::new(roster), since, is_whole),
            Err(NeedsWhole(why)) => {
                tracing::info!("the directory is read from the beginning: {why}");
                None
            }
        },
        News::Whole(reading) => newly(Arc::new(absorb(reading)), at, true),
        News::Mapped(reading) => newly(Arc::new(absorb(reading)), at, false),
    })
}

/// Reads from the beginning.
async fn from_the_beginning<D: Directory>(
    directory: &mut D,
    kept: &mut Kept,
    wanted: &Wanted<'_>,
    at: Timestamp,
) -> Result<Arc<Roster>, DirectoryError> {
    let Read { news, cursor } = directory.read(wanted, None).await?;
    let (reading, is_whole) = match news {
        News::Whole(reading) => (reading, true),
        News::Mapped(reading) => (reading, false),
        News::Changed(_) => {
            let message = "the directory gave only what changed, and it is not known since when; please report this";
            return Err(DirectoryError::Incomplete { message: message.to_owned() });
        }
    };
    Ok(keep(kept, Newly { roster: Arc::new(absorb(reading)), cursor, since: at, is_whole }))
}

/// Reads from the beginning, and holds what was followed until now against it. Not both rosters are in memory at once.
async fn from_the_beginning_and_compared<D: Directory>(
    directory: &mut D,
    kept: &mut Kept,
    before: Followed,
    wanted: &Wanted<'_>,
    at: Timestamp,
) -> Result<(Arc<Roster>, Option<Warning>), DirectoryError> {
    let was = before.since;
    // Up to date first: the comparison shall be about nothing but mistakes.
    let catch_up = Wanted { whole: false, ..*wanted };
    let followed = match before.is_whole {
        // The pass does not depend on it, and an outage the whole read will meet as well.
        true => bring_up_to_date(directory, before, &catch_up, at).await.unwrap_or_else(|error| {
            tracing::debug!("what was followed cannot be held against a whole read: {error}");
            None
        }),
        false => None,
    };
    // Where it was read from the beginning just now, nothing was followed.
    let followed = followed.filter(|followed| followed.is_whole && followed.since == was);
    let print = followed.and_then(|Newly { roster, cursor, .. }| Some((Fingerprint::of(&roster), cursor?)));
    let roster = from_the_beginning(directory, kept, wanted, at).await?;
    let Some((print, cursor)) = print else { return Ok((roster, None)) };
    if !kept.roster.as_ref().is_some_and(|now| now.is_whole) {
        return Ok((roster, None));
    }
    let differences = print.differences(&roster);
    if differences.count == 0 {
        tracing::debug!("what was followed since {was} is what a whole read says");
        return Ok((roster, None));
    }
    // What was changed while we read is no mistake, and nobody can say any more what it has to do with the differences.
    let read = directory.read(&catch_up, Some(&cursor)).await;
    if !matches!(&read, Ok(Read { news: News::Changed(delta), .. }) if delta.is_empty()) {
        tracing::debug!("the directory changed while it was compared; it is compared again the next time");
        return Ok((roster, None));
    }
    Ok((roster, Some(warning(&differences, was))))
}

fn warning(Differences { count, named }: &Differences, since: Timestamp) -> Warning {
    let more = count.saturating_sub(named.len());
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Warning::new(
        WarningKind::ReadDiffers,
        "directory",
        format!(
            "what was followed change by change since {since} is not what the directory says when it is read as a whole, \
             which is what counts from now on: {}{more}. Changes were missed; please report this with the kind of the \
             server and the rights of the bind account",
            named.join("; ")
        ),
    )
}

/// A roster just read.
struct Newly {
    roster: Arc<Roster>,
    cursor: Option<Cursor>,
    since: Timestamp,
    is_whole: bool,
}

fn keep(kept: &mut Kept, Newly { roster, cursor, since, is_whole }: Newly) -> Arc<Roster> {
    kept.roster = cursor.map(|cursor| Followed { roster: roster.clone(), cursor, since, is_whole });
    roster
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
