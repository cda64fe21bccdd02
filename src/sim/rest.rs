//! What a pass may leave out because of what the one before has left in memory: everything but what it reports and writes.

use super::world::{Body, Dice, SimDirectory, SimState, SimStore, calm, email, rules};
use crate::model::{Memory, PassId, PassResult, Seat, StoreKind, Tier, Timestamp};
use crate::pass::{self, Kept, PassError, Report, Request, Step, World};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PEOPLE: usize = 7;
const STEPS: u64 = 30;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000 + NOW.get()).unwrap()
}

fn later(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// A world in which nothing fails, whose directory can say that nothing is new.
fn world(kind: StoreKind, people: usize) -> World<SimDirectory, SimStore, SimState> {
    let mut world = calm(kind, vec![Body::in_groups(true, true); people], rules(), now);
    world.directory.tells_news = true;
    world
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A pass, and whether it decided anything.
fn run(world: &mut World<SimDirectory, SimStore, SimState>, request: &Request) -> (Result<Report, PassError>, bool) {
    let decided = AtomicBool::new(false);
    let watch =
        |step: Step| decided.store(decided.load(Ordering::Relaxed) || step == Step::Deciding, Ordering::Relaxed);
    let result = block_on(pass::run(world, request, &watch));
    (result, decided.into_inner())
}

/// Two worlds that go through the same: one that forgets after each pass, and one that does not.
struct Twins {
    plain: World<SimDirectory, SimStore, SimState>,
    keeps: World<SimDirectory, SimStore, SimState>,
}

impl Twins {
    /// Does the same to both, and compares what comes of it.
    fn both<T: PartialEq + std::fmt::Debug>(
        &mut self,
        mut work: impl FnMut(&mut World<SimDirectory, SimStore, SimState>) -> T,
    ) -> T {
        self.plain.kept = Kept::default();
        let (plain, keeps) = (work(&mut self.plain), work(&mut self.keeps));
        assert_eq!(plain, keeps);
        if let Some(kept) = self.keeps.kept.memory() {
            assert_eq!(*kept, *self.keeps.state.memory.borrow(), "what is kept is not what is on the disk");
        }
        assert_eq!(nameless(&self.plain.state), nameless(&self.keeps.state));
        assert_eq!(self.plain.state.writes.take(), self.keeps.state.writes.take());
        assert_eq!(*self.plain.accounts.users.borrow(), *self.keeps.accounts.users.borrow());
        plain
    }
}

/// The memory without the names of the passes, in which there is chance.
fn nameless(state: &SimState) -> Memory {
    let mut memory = state.memory.borrow().clone();
    memory.passes.iter_mut().for_each(|record| record.id = PassId::new(record.at, 0));
    memory.open.iter_mut().for_each(|intent| intent.pass = PassId::new(intent.at, 0));
    memory
}

/// One thing that happens.
fn happen(twins: &mut Twins, dice: &mut Dice) {
    let mut each = |work: &mut dyn FnMut(&mut World<SimDirectory, SimStore, SimState>)| {
        work(&mut twins.plain);
        work(&mut twins.keeps);
    };
    let who = usize::try_from(dice.roll(PEOPLE as u64)).unwrap();
    match dice.roll(16) {
        0 => each(&mut |world| world.directory.bodies.borrow_mut()[who].exists ^= true),
        1 => each(&mut |world| world.directory.bodies.borrow_mut()[who].enabled ^= true),
        2 => each(&mut |world| world.directory.bodies.borrow_mut()[who].pro ^= true),
        3 => each(&mut |world| world.directory.bodies.borrow_mut()[who].plus ^= true),
        4 => {
            let expires = (dice.roll(3) > 0).then(|| now() + SignedDuration::from_mins(dice.roll(300) as i64));
            each(&mut |world| world.directory.bodies.borrow_mut()[who].expires = expires);
        }
        5 => {
            let grace = Duration::from_secs([0, 600, 7_200][dice.roll(3) as usize]);
            each(&mut |world| world.rules.grace = grace);
        }
        6 => {
            let protected = Vec::from_iter((dice.roll(2) == 0).then(|| email(who)));
            each(&mut |world| world.rules.protected.clone_from(&protected));
        }
        7 => {
            let floor = dice.roll(4) as usize;
            each(&mut |world| world.limits.losses_floor = floor);
        }
        8 => each(&mut |world| {
            let mut users = world.accounts.users.borrow_mut();
            if let Some(user) = users.values_mut().find(|user| user.seat == Seat::Invited) {
                user.seat = Seat::Active(Tier::new("plus"));
            }
        }),
        _ => {}
    }
    later(match dice.roll(12) {
        0 => -HOUR,
        1 => 20 * HOUR,
        2 => HOUR,
        minutes => minutes as i64 * MINUTE,
    });
}

/// Gives how many passes decided nothing.
fn live(seed: u64, kind: StoreKind) -> u64 {
    let mut dice = Dice(seed);
    NOW.set(0);
    let mut twins = Twins { plain: world(kind, PEOPLE), keeps: world(kind, PEOPLE) };
    let mut rests = 0;
    for _ in 0..STEPS {
        happen(&mut twins, &mut dice);
        let answers = dice.roll(12) > 0;
        let request = match dice.roll(16) {
            0 => Request { audit: true, ..Request::default() },
            1 => Request { only: Some(email(2).to_string()), ..Request::default() },
            2 => Request { expect: Some("0123456789abcdef".to_owned()), ..Request::default() },
            _ => Request::default(),
        };
        let ask = dice.roll(8);
        let mut decided = true;
        _ = twins.both(|world| {
            world.directory.answers.set(answers);
            let asked = match ask {
                0 => {
                    block_on(pass::approve(world, None, "operator", &|_| {})).map_err(|error| error.to_string()).is_ok()
                }
                1 => block_on(pass::explain(world, "p3", &|_| {})).is_ok(),
                2 => block_on(pass::preview(world, &request, &|_| {})).is_ok(),
                _ => true,
            };
            let (result, has_decided) = run(world, &request);
            decided = has_decided;
            let result = result.map(|report| Report { id: PassId::new(report.at, 0), ..report });
            (asked, result.map_err(|error| error.to_string()))
        });
        rests += u64::from(!decided && answers);
    }
    rests
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whoever_remembers_does_what_whoever_forgets_does(seed: u64, team: bool) {
        live(seed, if team { StoreKind::Team } else { StoreKind::EnterpriseDirectory });
    }
}

#[test]
fn some_of_these_passes_decide_nothing() {
    let rests: u64 = (0..20).map(|seed| live(seed, StoreKind::EnterpriseDirectory)).sum();
    assert!(rests > 40, "{rests} of {}", 20 * STEPS);
}

/// In a world in sync: what one pass costs in questions to the account store, loads of the state, and writes.
fn cost(world: &mut World<SimDirectory, SimStore, SimState>) -> (u64, u64, usize) {
    let all = |world: &World<SimDirectory, SimStore, SimState>| {
        (world.accounts.heard.get(), world.state.loads.get(), world.state.writes.borrow().len())
    };
    let before = all(world);
    let report = run(world, &Request::default()).0.unwrap();
    assert_eq!((report.result, report.in_sync), (PassResult::InSync, true));
    let after = all(world);
    (after.0 - before.0, after.1 - before.1, after.2 - before.2)
}

/// Brought in sync, and twice more, so that it has come to rest.
fn at_rest(kind: StoreKind) -> World<SimDirectory, SimStore, SimState> {
    NOW.set(0);
    let mut world = world(kind, PEOPLE);
    for _ in 0..3 {
        run(&mut world, &Request::default()).0.unwrap();
    }
    world
}

#[test]
fn a_pass_without_news_asks_nobody_loads_nothing_and_writes_its_record() {
    let mut world = at_rest(StoreKind::EnterpriseDirectory);
    for _ in 0..5 {
        later(5 * MINUTE);
        assert_eq!(cost(&mut world), (0, 0, 1));
        let writes = world.state.writes.borrow();
        let last = writes.last().unwrap();
        assert!(
            last.starts_with("(None, ")
                && last.contains("groups: None")
                && last.contains("approvals: None, held: None"),
            "{last}"
        );
    }
    assert_eq!(world.state.memory.borrow().last_good, Some(now()));
    // News that change nothing are decided about, and no more than that.
    world.directory.bodies.borrow_mut()[0].plus = false;
    later(5 * MINUTE);
    assert_eq!(cost(&mut world), (0, 0, 1), "what is remembered of a group is part of the record's write");
    assert!(
        world.state.writes.borrow().last().unwrap().contains("groups: Some"),
        "and a member fewer is not forgotten"
    );
    // After an hour it is looked at, whatever there is to do: is it empty, what is it?
    later(HOUR);
    assert_eq!(cost(&mut world), (2, 0, 1));
    assert_eq!(cost(&mut world), (0, 0, 1));
}

#[test]
fn a_store_that_has_lost_everybody_is_noticed_before_anything_is_sent_and_within_the_hour() {
    let emptied = || {
        let world = at_rest(StoreKind::EnterpriseDirectory);
        world.accounts.users.borrow_mut().clear();
        later(5 * MINUTE);
        world
    };
    let notices =
        |world: &mut World<_, _, _>| matches!(run(world, &Request::default()).0, Err(PassError::StoreEmptied { .. }));
    // Nothing to do: nobody looks, and nothing is sent.
    let mut world = emptied();
    assert!(!notices(&mut world));
    later(HOUR);
    assert!(notices(&mut world), "within the hour");
    assert!(notices(&mut world), "and again, until somebody has acted");
    // A gain, and a loss.
    for pro in [true, false] {
        let mut world = emptied();
        let heard = world.accounts.heard.get();
        world.directory.bodies.borrow_mut()[0].enabled = pro;
        world.directory.bodies.borrow_mut().push(Body::in_groups(pro, false));
        assert!(notices(&mut world));
        assert_eq!(
            (world.accounts.heard.get() - heard, world.accounts.users.borrow().len()),
            (1, 0),
            "and nothing is sent"
        );
    }
    // Whoever begins anew.
    let mut world = emptied();
    world.kept = Kept::default();
    assert!(notices(&mut world));
}

#[test]
fn an_account_that_became_another_kind_is_not_treated_as_it_was() {
    let mut world = at_rest(StoreKind::EnterpriseDirectory);
    world.accounts.kind = StoreKind::Team;
    world.directory.bodies.borrow_mut().push(Body::in_groups(true, false));
    let report = run(&mut world, &Request::default()).0.unwrap();
    assert_eq!(report.changes.iter().map(|each| &each.change.to).collect::<Vec<_>>(), [&Seat::Invited]);
}

#[test]
fn rest_ends_when_an_account_expires_and_when_a_grace_ends() {
    let mut world = at_rest(StoreKind::EnterpriseDirectory);
    world.rules.grace = Duration::from_secs(20 * 60);
    {
        let mut bodies = world.directory.bodies.borrow_mut();
        bodies[0].expires = Some(now() + SignedDuration::from_mins(10));
        (bodies[1].pro, bodies[1].plus) = (false, false);
    }
    let mut done = Vec::new();
    for minute in 0..30 {
        let (report, decided) = run(&mut world, &Request::default());
        let changes = report.unwrap().changes.len();
        done.extend((0..changes).map(|_| minute));
        // The first sees the news, the second has nothing more to remember; then only time brings anything. That the
        // grace is over is remembered one pass later.
        assert_eq!(decided, [0, 1, 10, 11, 20, 21, 22].contains(&minute), "minute {minute}");
        later(MINUTE);
    }
    assert_eq!(done, [10, 20]);
}

#[test]
fn who_is_waited_for_is_looked_for_in_each_pass() {
    let mut world = at_rest(StoreKind::Team);
    let (report, decided) = run(&mut world, &Request::default());
    assert!(decided && report.unwrap().in_sync);
    world.accounts.users.borrow_mut().values_mut().for_each(|user| user.seat = Seat::Active(Tier::new("pro")));
    run(&mut world, &Request::default()).0.unwrap();
    assert_eq!(world.state.memory.borrow().snapshot.held(), PEOPLE);
    run(&mut world, &Request::default()).0.unwrap();
    assert!(!run(&mut world, &Request::default()).1, "now all have come");
}

/// What is said of one reading is said in the pass that read, and no more.
#[test]
fn a_warning_about_a_reading_is_not_repeated_at_rest() {
    let mut world = at_rest(StoreKind::EnterpriseDirectory);
    world.directory.is_deaf.set(true);
    world.directory.bodies.borrow_mut().push(Body { enabled: false, ..Body::in_groups(false, false) });
    later(25 * HOUR);
    let warnings = |world: &mut World<_, _, _>| run(world, &Request::default()).0.unwrap().warnings.len();
    assert_eq!([0; 3].map(|_| warnings(&mut world)), [1, 0, 0]);
}

/// What was held because a right was missing is not shown, and not released, once the right is back: no server tells that.
#[test]
fn what_is_held_and_what_somebody_asks_for_is_decided_from_the_directory_as_it_is() {
    let mut world = at_rest(StoreKind::EnterpriseDirectory);
    let emptied = |world: &World<SimDirectory, SimStore, SimState>, is_empty: bool| {
        world.directory.bodies.borrow_mut().iter_mut().for_each(|body| (body.pro, body.plus) = (!is_empty, !is_empty));
    };
    emptied(&world, true);
    assert_eq!(run(&mut world, &Request::default()).0.unwrap().counts.held, PEOPLE);
    world.directory.is_deaf.set(true);
    emptied(&world, false);
    later(5 * MINUTE);
    let report = run(&mut world, &Request::default()).0.unwrap();
    assert_eq!((report.counts.held, report.in_sync), (0, true));

    // Nothing is held, and nothing was told.
    emptied(&world, true);
    later(5 * MINUTE);
    assert_eq!(run(&mut world, &Request::default()).0.unwrap().counts.held, 0);
    let preview = block_on(pass::preview(&mut world, &Request::default(), &|_| {})).unwrap();
    assert_eq!(preview.counts().held, PEOPLE);
    let approved = block_on(pass::approve(&mut world, None, "somebody", &|_| {}));
    assert!(matches!(approved, Err(pass::ApproveError::Unseen { .. })), "{approved:?}");
}
