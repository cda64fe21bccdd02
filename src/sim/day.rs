//! The daemon over days, in time that passes as fast as the test runs: schedule, outages, clocks that jump, orders, a new
//! configuration, the end.

use super::world::{Body, SimDirectory, SimState, SimStore, calm, email};
use crate::config::Schedule;
use crate::control::{Answer, Ask, Order, Refusal, Tell};
use crate::daemon::alarm::{Alarm, SLEEP_MAX};
use crate::daemon::board::Board;
use crate::daemon::mailbox::{Mailbox, Poke, Renewal, Slots};
use crate::daemon::pulse::Pulse;
use crate::daemon::{Foundry, Listener, Steward, Terms};
use crate::model::{GroupRef, PassResult, Rules, Seat, StoreKind, Tier, TierRule, Timestamp, UserId};
use crate::pass::{Halt, Report, Said, World};
use crate::status::Daemon;
use chrono_tz::Tz;
use jiff::SignedDuration;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tracing::Level;

const PEOPLE: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
    /// By how many seconds somebody has set the clock on the wall.
    static SET_BY: Cell<i64> = const { Cell::new(0) };
}

/// The clock on the wall: noon of some day when the test begins.
fn now() -> Timestamp {
    let began = BEGAN.get().unwrap_or_else(|| {
        BEGAN.set(Some(Instant::now()));
        Instant::now()
    });
    let elapsed = SignedDuration::try_from(began.elapsed()).unwrap();
    let noon: Timestamp = "2027-03-01T12:00:00Z".parse().unwrap();
    noon + elapsed + SignedDuration::from_secs(SET_BY.get())
}

fn rules(pro: &[&str], plus: &[&str]) -> Rules {
    let rule = |tier: &str, groups: &[&str]| TierRule {
        tier: Tier::new(tier),
        groups: groups.iter().map(|group| GroupRef::new(group)).collect(),
    };
    let tiers = [rule("pro", pro), rule("plus", plus)].into_iter().filter(|rule| !rule.groups.is_empty()).collect();
    Rules { tiers, nested: true, ..Rules::default() }
}

/// Takes every mapping that maps something.
struct Mappings;

impl Foundry<SimDirectory, SimStore, SimState> for Mappings {
    type Plan = Rules;

    fn adopt(&mut self, world: &mut World<SimDirectory, SimStore, SimState>, plan: Rules) -> Result<Terms, String> {
        if plan.tiers.is_empty() {
            return Err("nothing is mapped".to_owned());
        }
        world.rules = plan;
        Ok(terms("*/5 * * * *"))
    }
}

fn terms(sync: &str) -> Terms {
    let alarm =
        |line: &str| Alarm::new(Schedule::parse(line).unwrap(), Tz::UTC, Duration::from_secs(20), now(), || 0.5);
    Terms { sync: alarm(sync), audit: alarm("0 3 * * *"), account: "corp".to_owned(), addresses: false }
}

/// Counts.
#[derive(Default)]
struct Heard {
    good: AtomicUsize,
    failed: AtomicUsize,
    phases: Mutex<BTreeMap<&'static str, usize>>,
}

#[derive(Clone, Default)]
struct Ears(Arc<Heard>);

impl Listener for Ears {
    fn phase(&self, name: &'static str, _: Duration) {
        *self.0.phases.lock().unwrap().entry(name).or_default() += 1;
    }

    fn passed(&self, report: &Report) {
        assert_ne!(report.result, PassResult::Failed);
        self.0.good.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts log lines by level, for the thread that holds it.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }
}

impl Lines {
    /// What a service logs as it is installed: at `info` and above.
    fn told(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|(level, _)| *level <= Level::INFO).map(|(_, line)| line.clone()).collect()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// A daemon that has not begun, and all that a test can do to it.
struct Scene {
    bodies: Rc<RefCell<Vec<Body>>>,
    answers: Rc<Cell<bool>>,
    trouble: Rc<Cell<u64>>,
    users: Rc<RefCell<BTreeMap<UserId, crate::model::Observed>>>,
    halt: Halt,
    slots: Slots<Rules>,
    board: Board,
    pulse: Pulse,
    ears: Ears,
    lines: Lines,
    _heard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    fn new() -> (Self, Steward<SimDirectory, SimStore, SimState, Mappings, Ears>) {
        use tracing_subscriber::layer::SubscriberExt;
        let lines = Lines::default();
        let heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let bodies = (0..PEOPLE).map(|number| Body::in_groups(number % 3 == 0, true)).collect();
        let world = calm(StoreKind::EnterpriseDirectory, bodies, rules(&["Pro"], &["Plus"]), now);
        let (bodies, answers) = (world.directory.bodies.clone(), world.directory.answers.clone());
        let (users, trouble) = (world.accounts.users.clone(), world.accounts.trouble.clone());
        let halt = world.halt.clone();
        let (mailbox, slots) = Mailbox::new(halt.clone());
        let daemon = Daemon::new("0", 1, "/etc/seatsync/seatsync.toml".into(), now());
        let (board, pulse, ears) = (Board::new(daemon, now), Pulse::default(), Ears::default());
        let steward = Steward {
            world,
            foundry: Mappings,
            terms: terms("*/5 * * * *"),
            mailbox,
            board: board.clone(),
            pulse: pulse.clone(),
            rest_max: SLEEP_MAX,
            listener: ears.clone(),
            random: || 1.0,
            said: Said::default(),
        };
        (Self { bodies, answers, trouble, users, halt, slots, board, pulse, ears, lines, _heard: heard }, steward)
    }

    fn good(&self) -> usize {
        self.ears.0.good.load(Ordering::Relaxed)
    }

    fn failed(&self) -> usize {
        self.ears.0.failed.load(Ordering::Relaxed)
    }

    fn active(&self) -> usize {
        self.users.borrow().values().filter(|user| user.seat.is_held()).count()
    }

    /// Asks, as a command would, and waits for the answer.
    async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        let (tells, mut told) = mpsc::channel(64);
        self.slots.orders.try_send(Order { ask, by: "alice (uid 1000)".to_owned(), tells }).unwrap();
        loop {
            match told.recv().await.expect("every order is answered") {
                Tell::Step(_) => {}
                Tell::Answer(answer) => return Ok(*answer),
                Tell::Refused(refusal) => return Err(refusal),
                Tell::Elsewhere { .. } => panic!("no order is sent away"),
            }
        }
    }

    async fn renew(&self, rules: Rules) -> Result<(), String> {
        let (adopted, adoption) = oneshot::channel();
        self.slots.renewals.leave(Renewal { plan: rules, adopted, is_overtaken: false });
        adoption.await.unwrap()
    }
}

/// Runs the daemon beside a script, which ends it.
async fn play(script: impl AsyncFnOnce(&Scene)) {
    let (scene, steward) = Scene::new();
    let halt = scene.halt.clone();
    tokio::join!(steward.run(), async {
        script(&scene).await;
        halt.ask();
    });
}

#[tokio::test(start_paused = true)]
async fn a_quiet_day_is_a_pass_every_five_minutes_and_no_line_in_the_log() {
    play(async |scene| {
        sleep(MINUTE).await;
        assert_eq!((scene.good(), scene.active()), (1, PEOPLE));
        scene.lines.clear();
        sleep(24 * HOUR).await;
        // Every five minutes, and one audit.
        assert_eq!((scene.good(), scene.failed()), (1 + 24 * 12, 0), "an audit is also the sync of that minute");
        assert_eq!(scene.lines.told(), Vec::<String>::new());
        let live = scene.board.read();
        let daemon = live.daemon.unwrap();
        assert!(daemon.outage.is_none() && daemon.running.is_none());
        assert!(daemon.next_sync.unwrap() > now() && daemon.overdue_at.unwrap() > now());
        assert!(scene.pulse.count() > 24 * 120, "it shows a sign of life every half minute");
        let phases = scene.ears.0.phases.lock().unwrap();
        assert_eq!(phases["all"], scene.good());
        assert!(phases["audit"] >= 1 && phases["audit"] < 4 && phases["read"] == scene.good());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn outages_of_both_sides_cost_nobody_a_seat_and_few_lines() {
    play(async |scene| {
        sleep(MINUTE).await;
        let before = scene.users.borrow().clone();
        for outage in 0..6 {
            scene.lines.clear();
            let failed = scene.failed();
            if outage % 2 == 0 {
                scene.answers.set(false)
            } else {
                scene.trouble.set(1)
            }
            // Longer than until the next pass, so that one has failed.
            sleep(10 * MINUTE).await;
            let live = scene.board.read();
            let told = live.daemon.as_ref().unwrap().outage.clone().unwrap();
            assert!(told.passes_by && told.passes >= 1, "{told:?}");
            // Somebody leaves meanwhile; nobody hears of it before both sides are back.
            scene.bodies.borrow_mut()[outage].enabled = false;
            sleep(2 * HOUR).await;
            // At first more often than the schedule, then not: five attempts before the first time that is due anyway.
            let attempts = scene.failed() - failed;
            assert!((26..=36).contains(&attempts), "{attempts} attempts in 130 minutes");
            assert_eq!(scene.active(), PEOPLE - outage, "nobody but who had left before");
            scene.answers.set(true);
            scene.trouble.set(0);
            sleep(6 * MINUTE).await;
            assert!(scene.board.read().daemon.unwrap().outage.is_none());
            assert_eq!(scene.active(), PEOPLE - outage - 1, "what happened meanwhile is made up for");
            let told = scene.lines.told();
            // It begins, two reminders, it ends; then the suspension and the line of its pass.
            assert!(told.len() <= 6, "{told:#?}");
            assert!(told.iter().any(|line| line.contains("succeed again")), "{told:#?}");
        }
        let kept = before.len();
        assert_eq!(scene.users.borrow().len(), kept, "nobody was removed or made twice");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_met_an_outage_is_made_up_for_when_it_ends() {
    play(async |scene| {
        let audits = || *scene.ears.0.phases.lock().unwrap().get("audit").unwrap_or(&0);
        // It is noon. Nobody answers from two to four in the morning, and the audit is due at three.
        sleep(14 * HOUR).await;
        // The very first pass has listed the account store, to adopt what is there.
        assert_eq!(audits(), 1);
        scene.answers.set(false);
        sleep(2 * HOUR).await;
        assert_eq!(audits(), 1, "the listing comes after the reading, which fails");
        scene.answers.set(true);
        sleep(10 * MINUTE).await;
        assert_eq!(audits(), 2, "not a day later");
        sleep(2 * HOUR).await;
        assert_eq!(audits(), 2, "and once");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_neither_floods_nor_silences() {
    play(async |scene| {
        sleep(MINUTE).await;
        let good = scene.good();
        // The machine slept for three days.
        SET_BY.set(3 * 86_400);
        sleep(MINUTE).await;
        assert_eq!(scene.good(), good + 1, "one pass for all that was missed");
        // Somebody sets the clock right: back by three days.
        SET_BY.set(0);
        sleep(HOUR).await;
        assert!(scene.good() >= good + 1 + 11, "passes go on by the clock as it is now");
        assert!(scene.good() <= good + 1 + 14);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pokes_and_orders_that_come_together_are_one_pass() {
    play(async |scene| {
        sleep(MINUTE).await;
        let good = scene.good();
        (0..50).for_each(|_| scene.slots.pokes.leave(Poke::Sync));
        let sync = || scene.ask(Ask::Sync { audit: false, user: None });
        let (a, b, c) = tokio::join!(sync(), sync(), sync());
        for answer in [a, b, c] {
            assert!(matches!(answer, Ok(Answer::Report(report)) if report.in_sync));
        }
        sleep(MINUTE).await;
        assert_eq!(scene.good(), good + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn held_losses_are_shown_and_released_through_the_daemon() {
    play(async |scene| {
        sleep(MINUTE).await;
        scene.bodies.borrow_mut().iter_mut().for_each(|body| (body.pro, body.plus) = (false, false));
        let Ok(Answer::Report(report)) = scene.ask(Ask::Sync { audit: false, user: None }).await else { panic!() };
        assert_eq!((report.result, report.counts.held, scene.active()), (PassResult::Held, PEOPLE, PEOPLE));
        let held = scene.board.read().remembered.held.unwrap();
        assert_eq!(held.losses, PEOPLE);
        // Days later still nobody has lost anything, and the log did not repeat it every five minutes.
        scene.lines.clear();
        sleep(24 * HOUR).await;
        assert_eq!(scene.active(), PEOPLE);
        assert!(scene.lines.told().len() < 30, "{:#?}", scene.lines.told());
        let wrong = scene.ask(Ask::Approve { hash: Some("0123456789abcdef".to_owned()) }).await.unwrap_err();
        assert!(wrong.message.contains(&held.hash), "{}", wrong.message);
        let Ok(Answer::Released(Some(released))) = scene.ask(Ask::Approve { hash: Some(held.hash) }).await else {
            panic!()
        };
        assert_eq!(released.changes.len(), PEOPLE);
        assert_eq!(scene.board.read().remembered.approved.unwrap().by, "alice (uid 1000)");
        sleep(6 * MINUTE).await;
        assert_eq!(scene.active(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_edited_mapping_is_in_force_at_once_and_its_losses_are_held_alike() {
    play(async |scene| {
        sleep(MINUTE).await;
        let refused = scene.renew(rules(&[], &[])).await;
        assert_eq!(refused, Err("nothing is mapped".to_owned()));
        let rejected = scene.board.read().daemon.unwrap().rejected.unwrap();
        assert_eq!(rejected.problems, "nothing is mapped");
        assert_eq!(scene.active(), PEOPLE);
        // A slip of the pen takes everybody's licence.
        assert_eq!(scene.renew(rules(&["Pro"], &[])).await, Ok(()));
        sleep(MINUTE).await;
        let live = scene.board.read();
        assert!(live.daemon.unwrap().rejected.is_none());
        assert_eq!(live.remembered.held.unwrap().losses, PEOPLE - PEOPLE.div_ceil(3));
        assert_eq!(scene.active(), PEOPLE, "all of it waits for somebody to look");
        assert_eq!(scene.renew(rules(&["Pro"], &["Plus"])).await, Ok(()));
        sleep(MINUTE).await;
        assert_eq!((scene.board.read().remembered.held, scene.active()), (None, PEOPLE));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_person_explained_planned_and_listed_while_it_runs() {
    play(async |scene| {
        sleep(MINUTE).await;
        let who = email(3).to_string();
        let Ok(Answer::Explained(explained)) = scene.ask(Ask::Explain { who: who.clone() }).await else { panic!() };
        assert_eq!(explained.len(), 1);
        assert_eq!(explained[0].tier, Some(Tier::new("pro")));
        let Ok(Answer::Accounts { account, observed }) = scene.ask(Ask::Accounts).await else { panic!() };
        assert_eq!((account.as_str(), observed.len()), ("corp", PEOPLE));
        let Ok(Answer::Report(plan)) = scene.ask(Ask::Plan { audit: true, user: Some(who) }).await else { panic!() };
        assert!(plan.in_sync && plan.scoped);
        let Ok(Answer::History(entries)) = scene.ask(Ask::History { user: None, last: 7 }).await else { panic!() };
        assert_eq!(entries.len(), 7);
        let nobody = scene.ask(Ask::Explain { who: "nobody@x.example".to_owned() }).await.unwrap_err();
        assert!(nobody.message.contains("nobody@x.example"));
        assert_eq!(scene.failed(), 0, "a wrong name is no outage");
        scene.bodies.borrow_mut()[3].enabled = false;
        let moved = scene.ask(Ask::Apply { fingerprint: "elsewhere".to_owned() }).await.unwrap_err();
        assert!(moved.message.contains("the world moved"), "{}", moved.message);
        assert_eq!(
            scene.users.borrow().values().find(|user| user.email == email(3)).unwrap().seat,
            Seat::Active(Tier::new("pro"))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_waits_for_its_jitter_is_not_lost_to_a_reload() {
    play(async |scene| {
        // Between three o'clock, when the audit is due, and the ten seconds by which it comes late.
        sleep(15 * HOUR + Duration::from_secs(5)).await;
        let audits = || scene.ears.0.phases.lock().unwrap().get("audit").copied().unwrap_or(0);
        let before = audits();
        scene.renew(rules(&["Pro"], &["Plus"])).await.unwrap();
        sleep(MINUTE).await;
        assert_eq!(audits(), before + 1);
    })
    .await;
}
