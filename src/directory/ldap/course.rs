//! From one read to the next: over the connection that is still open, by what has changed, or from the beginning.
//!
//! Whatever stands in the way of following what has changed makes a whole read in the same call; an error is only what would
//! have been one without a cursor.

use super::failure::Failure;
use super::follow::{self, Doubt, Mark};
use super::schema::Server;
use super::{Entered, Ldap, Turn, mapped, read};
use crate::directory::{DirectoryError, Read};
use crate::model::{Expiry, News, Wanted};
use std::time::Duration;
use tokio::time::Instant;

/// A server that failed when it was asked for changes is not asked again for so long: an hour, as the log says.
const MUTE_FOR: Duration = Duration::from_secs(60 * 60);

/// What one read leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The connection, if it is still open: servers close idle ones, which is no failure.
    open: Option<Arrived>,
    /// Since when a server is not asked for changes: it closed the connection when it was, or did not answer.
    mute: Option<Instant>,
    /// The server does not remember what was deleted.
    forgets: bool,
    /// What was last said of the way in which changes are followed.
    said: String,
}

/// A connection, and what is at its other end.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) entered: Entered,
    pub(super) server: Server,
}

impl Course {
    fn is_mute(&self) -> bool {
        self.mute.is_some_and(|since| since.elapsed() < MUTE_FOR)
    }

    /// Everything is read for its own sake, as it is once an hour, and nothing is taken for granted: not that we would be let in
    /// again, nor that a server that had just been restarted still does not remember what was deleted.
    pub(super) async fn begin_anew(&mut self) {
        self.forgets = false;
        if let Some(here) = self.open.take() {
            here.entered.session.close().await;
        }
    }
}

impl Ldap {
    /// What has changed since the mark, or everything.
    pub(super) async fn read_since(&mut self, wanted: &Wanted<'_>, mark: Mark) -> Result<Read, DirectoryError> {
        match self.follow(&mark, wanted).await? {
            Ok(read) => return Ok(read),
            // It was said in the beginning that this is the way with this server, or it is no matter of the server.
            Err(why @ (Doubt::Untold | Doubt::Forgotten | Doubt::Else)) => {
                tracing::debug!("the directory is read from the beginning: {why}");
            }
            Err(Doubt::Because(why)) => tracing::info!("the directory is read from the beginning: {why}"),
        }
        self.read_from_the_beginning(wanted).await
    }

    /// Everything, or all that bears on the mapping.
    pub(super) async fn read_from_the_beginning(&mut self, wanted: &Wanted<'_>) -> Result<Read, DirectoryError> {
        let mut here = self.arrive_or_stay().await?;
        let index = here.entered.index;
        match self.read_through(&mut here, wanted).await {
            Ok((news, mark)) => {
                self.arrived(&here);
                self.look_at_password(&mut here.entered.session, &here.server).await;
                let url = self.settings.urls[index].to_string();
                let (people, only) = match &news {
                    News::Whole(reading) => (reading.people.len(), None),
                    News::Mapped(reading) => (reading.people.len(), Some(mapped::fingerprint(wanted))),
                    News::Changed(delta) => (delta.people.len(), None),
                };
                let cursor = mark.and_then(|mark| mark.after(url, people, only).written());
                match &mut self.course {
                    Some(course) if cursor.is_some() => course.open = Some(here),
                    Some(_) | None => here.entered.session.close().await,
                }
                Ok(Read { news, cursor })
            }
            Err(failure) => Err(self.failed(index, failure)),
        }
    }

    /// What has changed since the mark; or why everything must be read.
    async fn follow(&mut self, mark: &Mark, wanted: &Wanted<'_>) -> Result<Result<Read, Doubt>, DirectoryError> {
        if mark.wanted.is_some_and(|then| then != mapped::fingerprint(wanted)) {
            return Ok(Err(Doubt::Else));
        }
        loop {
            let stayed = self.course.as_mut().and_then(|course| course.open.take());
            let has_stayed = stayed.is_some();
            let mut here = match stayed {
                Some(here) => here,
                None => self.arrive().await?,
            };
            here.entered.session.begin();
            let url = self.settings.urls[here.entered.index].to_string();
            let outcome = match mark.objection(&self.settings, &url, &here.server) {
                Some(why) => Ok(Err(Doubt::Because(why))),
                None => {
                    let Arrived { entered, server } = &mut here;
                    let only_whether = mark.wanted.is_some();
                    follow::follow(&mut entered.session, &self.settings, server, mark.clone(), only_whether).await
                }
            };
            let result = match outcome {
                Ok(Ok((delta, next))) => Ok(Read { news: News::Changed(delta), cursor: next.written() }),
                Ok(Err(doubt)) => {
                    if let Some(course) = &mut self.course {
                        course.forgets |= doubt == Doubt::Forgotten;
                    }
                    Err(doubt)
                }
                Err(failure) if has_stayed => {
                    tracing::debug!("the connection of the last pass is not good any more: {}", failure.message);
                    continue;
                }
                // The connection may be good or not.
                Err(failure) => return Ok(Err(Doubt::Because(failure.message))),
            };
            self.arrived(&here);
            if has_stayed {
                self.look_at_password(&mut here.entered.session, &here.server).await;
            }
            if let Some(course) = &mut self.course {
                course.open = Some(here);
            }
            return Ok(result);
        }
    }

    /// The connection that is open, if it still answers, or a new one.
    async fn arrive_or_stay(&mut self) -> Result<Arrived, DirectoryError> {
        if let Some(mut here) = self.course.as_mut().and_then(|course| course.open.take()) {
            here.entered.session.begin();
            match here.entered.session.server().await {
                Ok(server) => return Ok(Arrived { server, ..here }),
                Err(failure) => {
                    tracing::debug!("the connection of the last pass is not good any more: {}", failure.message);
                }
            }
        }
        self.arrive().await
    }

    async fn arrive(&mut self) -> Result<Arrived, DirectoryError> {
        let mut entered = self.enter().await?;
        match entered.session.server().await {
            Ok(server) => {
                tracing::debug!("the directory is {}", server.kind);
                Ok(Arrived { entered, server })
            }
            Err(failure) => Err(self.failed(entered.index, failure)),
        }
    }

    /// Reads what is wanted, and takes a mark before, where that is of use.
    async fn read_through(&mut self, here: &mut Arrived, wanted: &Wanted<'_>) -> Result<(News, Option<Mark>), Failure> {
        read::check_base(&mut here.entered.session, &self.settings, &here.server).await?;
        let mark = self.mark(here).await?;
        let (news, is_same) = self.read_what_is_wanted(here, wanted, mark.as_ref()).await?;
        // Over another connection it may have been another machine.
        Ok((news, mark.filter(|_| is_same)))
    }

    async fn mark(&mut self, here: &mut Arrived) -> Result<Option<Mark>, Failure> {
        let Some(course) = self.course.as_mut().filter(|course| !course.is_mute()) else { return Ok(None) };
        let Arrived { entered, server } = here;
        let port = self.settings.urls[entered.index].port();
        let begun = follow::begin(&mut entered.session, &self.settings, server, port, course.forgets).await;
        match begun {
            Ok(begun) => {
                if course.said != begun.words {
                    tracing::info!("{}", begun.words);
                    course.said = begun.words;
                }
                Ok(begun.mark)
            }
            Err(failure) => {
                course.mute = Some(Instant::now());
                let words = format!("everything is read, because asking for changes failed: {}", failure.message);
                if course.said != words {
                    tracing::info!("{words}; it is tried again in an hour");
                    course.said = words;
                }
                // The read itself needs none of it.
                self.re_enter(here).await?;
                Ok(None)
            }
        }
    }

    /// Comes in again after a connection was lost on the way. Behind the same name may be another machine now, which holds
    /// something else.
    pub(super) async fn re_enter(&self, here: &mut Arrived) -> Result<(), Failure> {
        here.entered = self.enter_at(here.entered.index).await?;
        here.server = here.entered.session.server().await?;
        read::check_base(&mut here.entered.session, &self.settings, &here.server).await
    }

    /// It worked with this server.
    fn arrived(&mut self, here: &Arrived) {
        let Entered { index, certificate, address, .. } = &here.entered;
        let end = certificate.as_ref().and_then(|certificate| certificate.not_after);
        self.certificate = end.map(|end| Expiry::certificate(self.settings.urls[*index].to_string(), end));
        self.first.set(Turn { index: *index, machine: Some(*address), service: here.server.service.clone() });
    }

    /// It did not; the next read begins with the next server.
    fn failed(&mut self, index: usize, failure: Failure) -> DirectoryError {
        let index_of_next = (index + 1) % self.settings.urls.len();
        self.first.set(Turn { index: index_of_next, ..Turn::default() });
        failure.kind.error(format!("{}: {}", self.settings.urls[index], failure.told()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_failed_at_changes_is_asked_again_after_an_hour() {
        let mut course = Course::default();
        assert!(!course.is_mute());
        course.mute = Some(Instant::now());
        for (passed, is_mute) in [(0, true), (59, true), (1, false), (60, false)] {
            tokio::time::advance(Duration::from_secs(passed * 60)).await;
            assert_eq!(course.is_mute(), is_mute, "{passed} minutes later");
        }
    }
}
