//! Who pokes the loop when the directory says that it has changed: a task beside the loop, for as long as the service runs.
//!
//! - It is never the only trigger: whatever becomes of it, the schedule goes on, and no pass fails by it.
//! - It begins after a pass has read the directory, and pokes only while passes succeed: what a server refuses to a pass it
//!   is not asked again by us, for each wrong password counts towards a lock-out.
//! - Changes that it may have missed count as one: each time it begins to be told, it pokes once.
//! - It gives no sign of life to the watchdog: it may be well while the loop hangs.

use super::board::Board;
use super::course::back_off;
use super::mailbox::{Poke, Pokes};
use super::pace::Pace;
use crate::directory::{Blind, Lookout, Sight};
use crate::pass::Halt;
use crate::status::Watched;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// What is waited before the first new attempt; it doubles from then on.
pub const RETRY_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait between attempts.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(300);
/// What is waited before a server that does not tell changes is asked again: it may be another one by then.
pub const UNABLE_DELAY: Duration = Duration::from_secs(60 * 60);
/// Being told for so long is more than a server that lets us in and throws us out again.
pub const STEADY: Duration = Duration::from_secs(60);

/// How passes go, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    /// Passes that have ended, and how long the last one took.
    ended: u64,
    took: Duration,
    /// Passes that came to a plan, and whether the last one did.
    good: u64,
    is_good: bool,
}

impl Passes {
    /// Another configuration is in force. It may have a wrong password: a pass tries it, once.
    pub fn renewed(&mut self) {
        self.is_good = false;
    }

    /// A pass took so long; what came of it is told next.
    pub fn took(&mut self, took: Duration) {
        self.took = took;
    }

    /// It came to a plan, so the directory was read; or to none.
    pub fn went(&mut self, is_good: bool) {
        self.ended += 1;
        self.good += u64::from(is_good);
        self.is_good = is_good;
    }
}

/// Who looks out, by a configuration; else why nobody does.
pub type Lookouts<L> = Result<L, String>;

/// Everything it works with.
pub struct Watcher<L> {
    /// Who looks out, by the configuration in force; else why nobody does.
    pub lookouts: watch::Receiver<Lookouts<L>>,
    /// How passes go.
    pub passes: watch::Receiver<Passes>,
    /// Where it pokes.
    pub pokes: Pokes,
    /// Where it says whether changes are told.
    pub board: Board,
    /// When it is asked, all ends.
    pub halt: Halt,
    /// Hears of each change.
    pub heard: Arc<dyn Fn() + Send + Sync>,
    /// A number from 0 to 1, for delays.
    pub random: fn() -> f64,
}

/// What was told and is not in a pass yet.
struct Told {
    pace: Mutex<Pace>,
    news: Notify,
}

impl Told {
    fn pace<T>(&self, change: impl FnOnce(&mut Pace) -> T) -> T {
        let value = change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
        value
    }
}

/// How it goes, for the words in the log.
#[derive(Default)]
struct Course {
    failures: u32,
    /// What the log was told last that is not over.
    told: Option<Trouble>,
    was_watching: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Trouble {
    Lost,
    Unable(String),
}

impl<L: Lookout + Clone + Sync> Watcher<L> {
    /// Serves until the halt is asked.
    pub async fn serve(self) {
        let Self { mut lookouts, passes, pokes, board, halt, heard, random } = self;
        let told = Told { pace: Mutex::new(Pace::new(Instant::now())), news: Notify::new() };
        let poking = poke(&told, passes.clone(), &pokes);
        let watching = async {
            loop {
                let lookout = lookouts.borrow_and_update().clone();
                let watch = Watch { passes: passes.clone(), told: &told, board: &board, heard: &*heard, random };
                tokio::select! {
                    biased;
                    changed = lookouts.changed() => if changed.is_err() { return },
                    never = watch.keep(lookout) => match never {},
                }
            }
        };
        tokio::select! {
            () = halt.asked() => {}
            () = poking => {}
            () = watching => {}
        }
    }
}

/// Leaves pokes when they are due.
async fn poke(told: &Told, mut passes: watch::Receiver<Passes>, pokes: &Pokes) {
    let mut ended = 0;
    loop {
        let now = *passes.borrow_and_update();
        if now.ended != ended {
            ended = now.ended;
            told.pace(|pace| pace.passed(Instant::now(), now.took));
        }
        let due = told.pace.lock().unwrap_or_else(PoisonError::into_inner).due().filter(|_| now.is_good);
        tokio::select! {
            () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => {
                told.pace(Pace::poked);
                tracing::debug!("the directory has changed: sync now");
                pokes.leave(Poke::Sync);
            }
            () = told.news.notified() => {}
            changed = passes.changed() => if changed.is_err() { return },
        }
    }
}

/// What one lookout works with.
struct Watch<'a> {
    passes: watch::Receiver<Passes>,
    told: &'a Told,
    board: &'a Board,
    heard: &'a (dyn Fn() + Send + Sync),
    random: fn() -> f64,
}

impl Watch<'_> {
    /// Looks out for as long as this lookout is in force.
    async fn keep<L: Lookout>(mut self, lookout: Lookouts<L>) -> Infallible {
        let mut lookout = match lookout {
            Ok(lookout) => lookout,
            Err(because) => {
                tell_board(self.board, Watched::Not { because });
                return std::future::pending().await;
            }
        };
        let mut course = Course::default();
        let mut good_before = 0;
        tell_board(
            self.board,
            Watched::Not { because: "no pass has read the directory with this configuration".to_owned() },
        );
        loop {
            self.welcome(good_before).await;
            let blind = self.look_out(&mut lookout, &mut course).await;
            let wait = course.after(&blind, (self.random)());
            let because = match blind {
                Blind::Elsewhere => "reads go to another server now".to_owned(),
                Blind::Lost(why) | Blind::Unable(why) => why,
                Blind::Refused(why) => {
                    // Until a pass has shown that we are let in again.
                    good_before = self.passes.borrow().good;
                    why
                }
            };
            tell_board(self.board, Watched::Not { because });
            sleep(wait).await;
        }
    }

    /// Waits until passes succeed, one of them after so many.
    async fn welcome(&mut self, good_before: u64) {
        let is_welcome = |passes: &Passes| passes.is_good && passes.good > good_before;
        if self.passes.wait_for(is_welcome).await.is_err() {
            // The loop has ended, and so shall we.
            std::future::pending::<()>().await;
        }
    }

    /// One life of a connection.
    async fn look_out<L: Lookout>(&self, lookout: &mut L, course: &mut Course) -> Blind {
        let Self { told, board, heard, .. } = self;
        let since = watch::Sender::new(None);
        let mut tell = |sight| match sight {
            Sight::Watching { by } => {
                since.send_replace(Some(by.clone()));
                tell_board(board, Watched::Since { by, since: board.now() });
                // Also what changed while nobody looked.
                told.pace(|pace| pace.changed(Instant::now()));
            }
            Sight::Change => {
                heard();
                told.pace(|pace| pace.changed(Instant::now()));
            }
        };
        let mut begun = since.subscribe();
        let steady = async {
            if let Ok(by) = begun.wait_for(Option::is_some).await.map(|by| by.clone().unwrap_or_default()) {
                course.begins(&by);
                sleep(STEADY).await;
                course.is_steady(&by);
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            blind = lookout.look_out(&mut tell) => blind,
            never = steady => match never {},
        }
    }
}

impl Course {
    /// Changes are told.
    fn begins(&mut self, by: &str) {
        if self.told.is_none() && !std::mem::replace(&mut self.was_watching, true) {
            tracing::info!("changes in the directory are told by {by}");
        }
    }

    /// And have been for a while.
    fn is_steady(&mut self, by: &str) {
        self.failures = 0;
        if self.told.take().is_some() {
            tracing::info!("changes in the directory are told again, by {by}");
        }
    }

    /// They are not; how long to wait before the next attempt.
    fn after(&mut self, blind: &Blind, random: f64) -> Duration {
        match blind {
            // Not at once: where each read goes to another server, this would lead to the next read without an end.
            Blind::Elsewhere => tracing::debug!("reads go to another server, which is asked to tell changes"),
            Blind::Unable(why) => {
                let trouble = Trouble::Unable(why.clone());
                if self.told.as_ref() != Some(&trouble) {
                    tracing::info!("changes in the directory are seen by the schedule alone: {why}");
                }
                self.told = Some(trouble);
                return UNABLE_DELAY;
            }
            Blind::Lost(why) | Blind::Refused(why) if self.told.is_none() => {
                tracing::warn!("changes in the directory are not told at the moment, the schedule goes on: {why}");
                self.told = Some(Trouble::Lost);
            }
            Blind::Lost(why) | Blind::Refused(why) => {
                tracing::debug!("changes in the directory are still not told: {why}");
            }
        }
        self.failures = self.failures.saturating_add(1);
        back_off(self.failures, RETRY_DELAY_MIN, RETRY_DELAY_MAX, random)
    }
}

fn tell_board(board: &Board, watched: Watched) {
    board.change(|daemon| daemon.watched = Some(watched));
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;
