//! Several searches under way at once on one connection: what many small questions cost is then one way there and back.

use super::super::channel::Asked;
use super::super::entry::Entry;
use super::super::failure::Failure;
use super::{Done, Event, Search, Session, broken, tell, too_slow};
use crate::model::Went;
use std::time::Instant;

/// So many searches are under way at once where several are asked for: enough to hide the way there and back, and few enough
/// that their requests fit into what the network holds for a server that does not read while it writes.
const UNDER_WAY_MAX: usize = 8;

/// How several searches ended that were under way at once.
pub(in super::super) enum Several {
    /// All in success: the referrals that came with each.
    Done(Vec<u64>),
    /// One of them in something else, as it says, and those that had not begun were not begun.
    Refused(Done),
}

/// One of several searches that are under way.
struct UnderWay<'s> {
    id: u32,
    index: usize,
    what: &'s str,
    began: Instant,
    done: Done,
}

impl Session {
    /// Makes several searches, each of one answer without pages, and many of them at once; brings every entry to `each`, with
    /// the number of the search that it answers. Nothing depends on the order in which they are answered.
    ///
    /// # Errors
    /// No whole answer to one of them, a time-out that is counted anew whenever one has ended, an error of `each`.
    pub(in super::super) async fn search_each(
        &mut self,
        searches: &[Search<'_>],
        mut each: impl FnMut(usize, &Entry<'_>) -> Result<(), String>,
    ) -> Result<Several, Failure> {
        let mut referrals = vec![0; searches.len()];
        let mut under_way: Vec<UnderWay<'_>> = Vec::new();
        let mut waiting = searches.iter().enumerate();
        let mut refused = None;
        loop {
            while under_way.len() < UNDER_WAY_MAX && refused.is_none() {
                let Some((index, search)) = waiting.next() else { break };
                let (began, timeout) = (Instant::now(), self.timeout);
                let allowed = self.limits.entries_max.saturating_sub(self.entries).saturating_add(1);
                let sent = self.send(search, &[], Asked::Search { allowed, informs: false });
                let sent = tokio::time::timeout(timeout, sent).await;
                let id = sent.unwrap_or_else(|_| Err(too_slow(search.what, timeout)))?;
                under_way.push(UnderWay { id, index, what: search.what, began, done: Done::default() });
            }
            if under_way.is_empty() {
                break;
            }
            let timeout = self.timeout;
            let ended = tokio::time::timeout(timeout, self.one_of(&mut under_way, &mut each)).await;
            let ended = ended.unwrap_or_else(|_| Err(too_slow(what_of(&under_way), timeout)));
            if ended.is_err() {
                under_way.iter().for_each(|lost| tell(&self.meter, "search", lost.began, Went::Unanswered));
            }
            let UnderWay { id: _, index, what, began, done } = ended?;
            tell(&self.meter, "search", began, if done.code == 0 { Went::Answered } else { Went::Refused });
            self.count(what, &done)?;
            if let Some(referrals) = referrals.get_mut(index) {
                *referrals = done.referrals;
            }
            if done.code != 0 {
                refused.get_or_insert(done);
            }
        }
        Ok(refused.map_or(Several::Done(referrals), Several::Refused))
    }

    /// Takes messages in until one of the searches has ended, which leaves the list.
    async fn one_of<'s>(
        &mut self,
        under_way: &mut Vec<UnderWay<'s>>,
        each: &mut impl FnMut(usize, &Entry<'_>) -> Result<(), String>,
    ) -> Result<UnderWay<'s>, Failure> {
        loop {
            let received = self.channel.receive().await;
            let message = received.map_err(|fault| broken(what_of(under_way), fault))?;
            let (id, limits) = (message.id, &self.limits);
            let place = under_way.iter().position(|search| search.id == id);
            // The channel hands out nothing else.
            let Some((place, search)) = place.and_then(|place| Some((place, under_way.get_mut(place)?))) else {
                continue;
            };
            let index = search.index;
            let ended = search.done.take(search.what, message, limits, |event| match event {
                Event::Entry(entry, _) => each(index, entry),
                Event::Info(_) => Ok(()),
            })?;
            if ended {
                return Ok(under_way.swap_remove(place));
            }
        }
    }
}

/// What goes wrong goes wrong for all of them: the first gives the name.
fn what_of<'s>(under_way: &[UnderWay<'s>]) -> &'s str {
    under_way.first().map_or("", |first| first.what)
}

#[cfg(test)]
#[path = "several_tests.rs"]
mod tests;
