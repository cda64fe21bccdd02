//! Days of being told and not being told, in time that passes at once.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::pace::{QUIET, QUIET_MAX};
use super::*;
use crate::model::Timestamp;
use crate::status::Daemon;
use std::collections::VecDeque;
use tokio::task::JoinHandle;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What one life of a connection is like: what is seen after which time, and how it ends.
#[derive(Clone)]
struct Life {
    seen: Vec<(Duration, Sight)>,
    end: (Duration, Blind),
}

/// A lookout that lives these lives, and then has nothing to tell.
#[derive(Clone, Default)]
struct Scripted {
    lives: Arc<Mutex<VecDeque<Life>>>,
    began: Arc<Mutex<Vec<Instant>>>,
}

impl Lookout for Scripted {
    async fn look_out(&mut self, tell: &mut (dyn FnMut(Sight) + Send)) -> Blind {
        self.began.lock().unwrap().push(Instant::now());
        let life = self.lives.lock().unwrap().pop_front();
        let Some(Life { seen, end: (after, blind) }) = life else { return std::future::pending().await };
        for (after, sight) in seen {
            sleep(after).await;
            tell(sight);
        }
        sleep(after).await;
        blind
    }
}

/// Log lines of this thread, by level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Level>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }
}

/// A watcher that works, and everything around it.
struct World {
    lookout: Scripted,
    lookouts: watch::Sender<Lookouts<Scripted>>,
    passes: watch::Sender<Passes>,
    pokes: Pokes,
    board: Board,
    halt: Halt,
    task: JoinHandle<()>,
}

fn watching() -> Sight {
    Sight::Watching { by: "dc1".to_owned() }
}

fn lost() -> Blind {
    Blind::Lost("cut".to_owned())
}

fn life(seen: &[(Duration, Sight)], end: (Duration, Blind)) -> Life {
    Life { seen: seen.to_vec(), end }
}

/// Told of changes from the start, for a day.
fn quiet_day() -> Life {
    life(&[(Duration::ZERO, watching())], (DAY, lost()))
}

impl World {
    fn new(lives: Vec<Life>) -> Self {
        let lookout = Scripted { lives: Arc::new(Mutex::new(lives.into())), ..Scripted::default() };
        let (lookouts, lookouts_in) = watch::channel(Ok(lookout.clone()));
        let (passes, passes_in) = watch::channel(Passes::default());
        let (pokes, halt) = (Pokes::default(), Halt::default());
        let at = || Timestamp::UNIX_EPOCH;
        let board = Board::new(Daemon::new("", 1, "/c".into(), at()), at);
        let watcher = Watcher {
            lookouts: lookouts_in,
            passes: passes_in,
            pokes: pokes.clone(),
            board: board.clone(),
            halt: halt.clone(),
            heard: Arc::new(|| ()),
            random: || 1.0,
        };
        Self { lookout, lookouts, passes, pokes, board, halt, task: tokio::spawn(watcher.serve()) }
    }

    /// A pass ends.
    fn pass(&self, is_good: bool) {
        self.passes.send_modify(|passes| {
            passes.took(Duration::from_millis(100));
            passes.went(is_good);
        });
    }

    /// How often it has tried.
    fn tries(&self) -> usize {
        self.lookout.began.lock().unwrap().len()
    }

    /// The waits between its attempts, in seconds.
    fn waits(&self) -> Vec<u64> {
        let began = self.lookout.began.lock().unwrap();
        began.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    fn because(&self) -> Option<String> {
        match self.board.read().daemon.unwrap().watched {
            Some(Watched::Not { because }) => Some(because),
            Some(Watched::Since { .. }) => None,
            None => panic!("nothing is said"),
        }
    }

    /// Whether a poke comes, and with a pass that it leads to; after how long.
    async fn poked(&self) -> Option<Duration> {
        let began = Instant::now();
        while began.elapsed() < 2 * QUIET_MAX {
            if self.pokes.take().is_some() {
                let waited = began.elapsed();
                self.pass(true);
                return Some(waited);
            }
            sleep(Duration::from_millis(1)).await;
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn it_begins_after_a_pass_has_read_the_directory_and_makes_up_for_what_it_missed() {
    let world = World::new(vec![quiet_day()]);
    sleep(DAY).await;
    world.pass(false);
    sleep(DAY).await;
    assert_eq!((world.tries(), world.pokes.take()), (0, None));
    assert!(world.because().unwrap().contains("no pass"));
    world.pass(true);
    assert!(world.poked().await.unwrap() >= QUIET);
    assert_eq!((world.tries(), world.because()), (1, None));
    assert_eq!(world.poked().await, None, "nothing has changed since");
}

#[tokio::test(start_paused = true)]
async fn every_change_pokes_and_many_at_once_poke_once() {
    let flood = vec![(Duration::ZERO, Sight::Change); 10_000];
    let seen =
        [vec![(Duration::ZERO, watching()), (9 * SECOND, Sight::Change), (9 * SECOND, Sight::Change)], flood].concat();
    let world = World::new(vec![life(&seen, (DAY, lost()))]);
    world.pass(true);
    for _ in 0..3 {
        assert!(world.poked().await.is_some());
        assert_eq!(world.poked().await, None);
        sleep(Duration::from_millis(7_500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_passes_fail_nothing_is_asked_of_anybody() {
    let seen = [(Duration::ZERO, watching()), (9 * SECOND, Sight::Change), (60 * SECOND, Sight::Change)];
    let world = World::new(vec![life(&seen, (60 * SECOND, lost())), quiet_day()]);
    world.pass(true);
    assert!(world.poked().await.is_some());
    // From now on the server refuses the password of a pass, and counts.
    world.pass(false);
    sleep(DAY).await;
    assert_eq!((world.pokes.take(), world.tries()), (None, 1), "no poke and no new connection");
    assert_eq!(world.because().as_deref(), Some("cut"));
    world.pass(true);
    assert!(world.poked().await.is_some(), "it has not forgotten what has changed");
    assert_eq!((world.tries(), world.because()), (2, None));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_answered_by_another_try_until_a_pass_was_let_in() {
    let refused = life(&[], (SECOND, Blind::Refused("52e".to_owned())));
    let world = World::new(vec![refused.clone(), refused, quiet_day()]);
    world.pass(true);
    for tries in [1, 2] {
        sleep(DAY).await;
        world.pass(false);
        sleep(DAY).await;
        assert_eq!((world.tries(), world.because().as_deref()), (tries, Some("52e")));
        world.pass(true);
    }
    sleep(SECOND).await;
    assert_eq!((world.tries(), world.because()), (3, None));
}

#[tokio::test(start_paused = true)]
async fn attempts_come_later_and_later_until_it_is_told_for_a_while() {
    let cut = life(&[], (Duration::ZERO, lost()));
    // Let in, and thrown out again: that is no better.
    let thrown_out = life(&[(Duration::ZERO, watching())], (Duration::ZERO, lost()));
    let lives = [vec![cut; 6], vec![thrown_out.clone(); 6], vec![quiet_day()], vec![thrown_out.clone(); 2]].concat();
    let world = World::new(lives);
    world.pass(true);
    sleep(2 * DAY).await;
    assert_eq!(world.waits(), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, DAY.as_secs() + 1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_is_asked_once_an_hour_and_one_that_reads_turn_to_soon() {
    let unable = life(&[], (Duration::ZERO, Blind::Unable("no syncprov".to_owned())));
    let elsewhere = life(&[(Duration::ZERO, watching())], (SECOND, Blind::Elsewhere));
    let world = World::new(vec![unable.clone(), unable.clone(), unable, elsewhere.clone(), elsewhere, quiet_day()]);
    world.pass(true);
    sleep(SECOND).await;
    assert_eq!(world.because().as_deref(), Some("no syncprov"));
    sleep(DAY).await;
    assert_eq!(world.waits(), [3_600, 3_600, 3_600, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_when_it_begins_and_when_it_is_over() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let told = || {
        let mut told = std::mem::take(&mut *lines.0.lock().unwrap());
        told.retain(|level| *level <= Level::INFO);
        told
    };
    let cut = life(&[], (SECOND, lost()));
    let thrown_out = life(&[(Duration::ZERO, watching())], (SECOND, lost()));
    let unable = life(&[], (Duration::ZERO, Blind::Unable("no syncprov".to_owned())));
    let lives = [vec![quiet_day()], vec![cut; 50], vec![thrown_out; 50], vec![quiet_day()], vec![unable; 3]].concat();
    let world = World::new(lives);
    world.pass(true);
    sleep(SECOND).await;
    assert_eq!(told(), [Level::INFO], "that it is told");
    sleep(DAY + 90 * RETRY_DELAY_MAX).await;
    assert_eq!(told(), [Level::WARN], "that it is not, once");
    sleep(20 * RETRY_DELAY_MAX).await;
    assert_eq!(told(), [Level::INFO], "that it is again, when that is sure");
    sleep(2 * DAY).await;
    assert_eq!(told(), [Level::WARN, Level::INFO], "that it is not, and that the server cannot, once");
}

#[tokio::test(start_paused = true)]
async fn another_configuration_is_taken_on_at_once() {
    let world = World::new(vec![quiet_day()]);
    world.pass(true);
    assert!(world.poked().await.is_some());
    _ = world.lookouts.send_replace(Err("watch = false".to_owned()));
    sleep(SECOND).await;
    assert_eq!(world.because().as_deref(), Some("watch = false"));
    let other = Scripted { lives: Arc::new(Mutex::new(vec![quiet_day()].into())), ..Scripted::default() };
    world.passes.send_modify(Passes::renewed);
    _ = world.lookouts.send_replace(Ok(other.clone()));
    sleep(DAY).await;
    assert_eq!((other.began.lock().unwrap().len(), world.pokes.take()), (0, None), "its password is tried by a pass");
    world.pass(true);
    assert!(world.poked().await.is_some());
    assert_eq!((world.because(), other.began.lock().unwrap().len(), world.tries()), (None, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_once() {
    let world = World::new(vec![quiet_day()]);
    world.pass(true);
    sleep(SECOND).await;
    world.halt.ask();
    world.task.await.unwrap();
}
