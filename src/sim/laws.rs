//! What must hold whatever fails.

use super::world::{Body, Dice, SimDirectory, SimState, SimStore, Stopper, calm, details, email, rules, seats};
use crate::model::{Email, Origin};
use crate::model::{Limit, Limits, Observed, OnLeave, PassResult, Rules, Seat, StoreKind, Tier, Timestamp, UserId};
use crate::pass::{self, Kept, PassError, Request, World};
use proptest::prelude::*;
use std::collections::HashMap;

const PEOPLE: usize = 9;
const STEPS: u64 = 40;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// What the directory says, worked out without any of the program's own code.
fn wanted(
    bodies: &[Body],
    kind: StoreKind,
    on_leave: OnLeave,
    before: &HashMap<String, Seat>,
) -> HashMap<String, Seat> {
    let mut wanted = HashMap::new();
    for (number, body) in bodies.iter().enumerate() {
        let address = email(number).key().into_owned();
        let tier = match (body.exists && body.enabled, body.pro, body.plus) {
            (true, true, _) => Some("pro"),
            (true, false, true) => Some("plus"),
            _ => None,
        };
        let had = before.get(&address).cloned();
        let seat = match (kind, tier, had) {
            (StoreKind::Team, Some(tier), Some(Seat::Active(_))) => Some(Seat::Active(Tier::new(tier))),
            (StoreKind::Team, Some(_), _) => Some(Seat::Invited),
            (StoreKind::Team, None, _) => None,
            (_, Some(tier), _) => Some(Seat::Active(Tier::new(tier))),
            (_, None, _) if on_leave == OnLeave::Delete && has_left(body) => None,
            (_, None, Some(Seat::Active(tier) | Seat::Suspended(tier))) => Some(Seat::Suspended(tier)),
            (_, None, _) => None,
        };
        wanted.extend(seat.map(|seat| (address, seat)));
    }
    wanted
}

/// Gone, or there and in no group.
fn has_left(body: &Body) -> bool {
    !body.exists || body.enabled && !body.pro && !body.plus
}

/// Passes over a world that changes and fails, then one good day.
fn simulate(seed: u64, kind: StoreKind, on_leave: OnLeave) {
    let mut dice = Dice(seed);
    let bodies = vec![Body::in_groups(false, false); PEOPLE];
    let mut world = calm(kind, bodies, Rules { on_leave, ..rules() }, now);
    world.limits = Limits { losses: Limit::Off, group_shrink: Limit::Off, ..Limits::default() };
    world.directory.tells_news = dice.roll(2) == 0;
    *world.accounts.dice.borrow_mut() = Dice(seed ^ 0xdead);
    let (bodies, answers) = (world.directory.bodies.clone(), world.directory.answers.clone());
    let (fuse, stopper) = (world.directory.fuse.clone(), world.directory.stopper.clone());
    let SimStore { users, shown, double_invitations, trouble, .. } = world.accounts.clone();
    let stranger = Observed {
        id: UserId::new("stranger"),
        email: Email::parse("break.glass@elsewhere.example").unwrap(),
        seat: Seat::Active(Tier::new("pro")),
        external: None,
        details: None,
    };
    users.borrow_mut().insert(stranger.id.clone(), stranger.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Who has been unseated in some version of the directory that a pass may have seen: only they may have lost a seat.
    let mut may_have_lost = [true; PEOPLE];
    // And who has left in one: only their accounts may be gone.
    let mut may_be_gone = [true; PEOPLE];

    for step in 0..STEPS {
        for _ in 0..dice.roll(4) {
            let number = usize::try_from(dice.roll(PEOPLE as u64)).unwrap();
            let body = &mut bodies.borrow_mut()[number];
            match dice.roll(7) {
                6 => body.name = u8::try_from(dice.roll(3)).unwrap(),
                0 => body.exists = !body.exists,
                1 => body.enabled = !body.enabled,
                2 | 3 => body.pro = !body.pro,
                _ => body.plus = !body.plus,
            }
        }
        for (number, body) in bodies.borrow().iter().enumerate() {
            may_have_lost[number] |= !(body.exists && body.enabled && (body.pro || body.plus));
            may_be_gone[number] |= kind == StoreKind::Team || on_leave == OnLeave::Delete && has_left(body);
        }
        answers.set(dice.roll(6) > 0);
        trouble.set([0, 4, 8][usize::try_from(dice.roll(3)).unwrap()]);
        fuse.light((dice.roll(3) == 0).then(|| dice.roll(30)));
        if kind == StoreKind::Team && dice.roll(3) == 0 {
            // Some invited person accepts and starts on the default licence.
            if let Some(user) = users.borrow_mut().values_mut().find(|user| user.seat == Seat::Invited) {
                user.seat = Seat::Active(Tier::new("plus"));
            }
        }
        world.halt = stopper.set((dice.roll(3) == 0).then(|| dice.roll(20)));
        let before = users.borrow().clone();
        let passes = world.state.memory.borrow().passes.len();
        let request = Request { audit: dice.roll(5) == 0, ..Request::default() };
        let result = runtime.block_on(pass::run(&mut world, &request, &|_| {}));

        let kept = world.kept.memory();
        assert_eq!(kept.is_some(), result.is_ok(), "seed {seed} step {step}: {result:?}");
        if let Some(kept) = kept {
            assert_eq!(*kept, *world.state.memory.borrow(), "seed {seed} step {step}: not what is on the disk");
        }
        assert_eq!(
            users.borrow().get(&stranger.id),
            Some(&stranger),
            "seed {seed} step {step}: an unmanaged account was touched"
        );
        assert_eq!(double_invitations.get(), 0, "seed {seed} step {step}: invited twice");
        // These say "nothing was changed" to the operator.
        if matches!(
            result,
            Err(PassError::Directory(_) | PassError::Accounts(_) | PassError::State(_) | PassError::Halted)
        ) {
            assert_eq!(*users.borrow(), before, "seed {seed} step {step}: an error that lies: {result:?}");
        }
        assert_eq!(stopper.cut_off(), 0, "seed {seed} step {step}: a batch or a write was cut off: {result:?}");
        if matches!(result, Err(PassError::Halted)) {
            assert!(world.halt.is_asked(), "seed {seed} step {step}: stopped, and nobody asked");
            let memory = world.state.memory.borrow();
            assert_eq!(memory.passes.len(), passes, "seed {seed} step {step}: stopping is no failed pass");
        }
        if !answers.get() {
            assert!(
                result.is_err() && *users.borrow() == before,
                "seed {seed} step {step}: a failed read changed something"
            );
        }
        let (then, now) = (seats(&before), seats(&users.borrow()));
        for (number, may) in may_have_lost.iter().enumerate() {
            let address = email(number).key().into_owned();
            let lost = then.get(&address).is_some_and(Seat::is_held) && !now.get(&address).is_some_and(Seat::is_held);
            assert!(!lost || *may, "seed {seed} step {step}: {address} lost a seat and never was unseated");
            let is_gone = then.contains_key(&address) && !now.contains_key(&address);
            assert!(!is_gone || may_be_gone[number], "seed {seed} step {step}: {address} was deleted and had not left");
        }
        if result.as_ref().is_ok_and(|report| report.in_sync) {
            for (number, body) in bodies.borrow().iter().enumerate() {
                may_have_lost[number] = !(body.exists && body.enabled && (body.pro || body.plus));
                may_be_gone[number] = kind == StoreKind::Team || on_leave == OnLeave::Delete && has_left(body);
            }
        }
    }

    world.halt = stopper.set(None);
    // A good day. Groups that were emptied meanwhile are "suddenly empty": an operator looks and approves.
    fuse.light(None);
    trouble.set(0);
    answers.set(true);
    let before = seats(&users.borrow());
    for _ in 0..4 {
        let request = Request { audit: true, ..Request::default() };
        let preview = runtime.block_on(pass::preview(&mut world, &request, &|_| {})).unwrap();
        if let Some(approval) = preview.cleared.approval("operator", now(), &world.limits) {
            runtime.block_on(crate::state::StateStore::approve(&mut world.state, &approval)).unwrap();
            // Written past the pass, which cannot know of it.
            world.kept = Kept::default();
        }
        runtime.block_on(pass::run(&mut world, &request, &|_| {})).unwrap();
    }
    let mut now_seats = seats(&users.borrow());
    now_seats.remove(&*stranger.email.key());
    let mut expected = wanted(&bodies.borrow(), kind, on_leave, &before);
    expected.retain(|_, seat| *seat != Seat::Vacant);
    assert_eq!(now_seats, expected, "seed {seed}: not converged");
    for (number, body) in bodies.borrow().iter().enumerate().filter(|(_, body)| body.name > 0) {
        let user = users.borrow().values().find(|user| user.email == email(number) && user.seat.is_held()).cloned();
        let named = user.map(|user| shown.borrow().get(&user.id).copied());
        let due = details(body.name).map(|details| details.mark());
        assert!(named.is_none() || named == Some(due), "seed {seed}: another name is shown for {number}");
    }
    assert!(world.state.memory.borrow().open.is_empty(), "seed {seed}: an intent was left open");
    assert_eq!(world.state.memory.borrow().origin, Origin::Known);
    let report = runtime.block_on(pass::run(&mut world, &Request::default(), &|_| {})).unwrap();
    assert_eq!((report.result, report.in_sync), (PassResult::InSync, true), "seed {seed}: {:?}", report.changes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_a_directory_account_converges(seed: u64) {
        simulate(seed, StoreKind::EnterpriseDirectory, OnLeave::Deactivate);
    }

    #[test]
    fn whatever_fails_only_who_has_left_is_deleted(seed: u64) {
        simulate(seed, StoreKind::EnterpriseDirectory, OnLeave::Delete);
    }

    #[test]
    fn whatever_fails_a_team_account_converges_and_invites_once(seed: u64) {
        simulate(seed, StoreKind::Team, OnLeave::Deactivate);
    }
}

/// The first pass holds every loss. One action that fails for ever must not keep it the first pass.
#[test]
fn what_always_fails_does_not_hold_everybody_elses_losses() {
    let body = |pro| Body::in_groups(pro, false);
    let mut world = calm(StoreKind::EnterpriseDirectory, vec![body(true), body(true), body(true)], rules(), now);
    world.accounts.refuses = Some(email(0));
    let (bodies, users) = (world.directory.bodies.clone(), world.accounts.users.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut run = || runtime.block_on(pass::run(&mut world, &Request::default(), &|_| {})).unwrap();
    let first = run();
    assert_eq!((first.result, first.counts.failed, first.in_sync), (PassResult::Partial, 1, false));
    bodies.borrow_mut()[2].pro = false;
    let second = run();
    assert_eq!((second.counts.failed, second.counts.held), (1, 0), "{:?}", second.changes);
    assert_eq!(seats(&users.borrow()).get(&*email(2).key()), Some(&Seat::Suspended(Tier::new("pro"))));
}

/// A list that says it is complete and leaves somebody out is no list: nobody is made twice, and nobody is forgotten.
#[test]
fn an_audit_does_not_believe_a_list_that_leaves_somebody_out() {
    let mut world = calm(StoreKind::EnterpriseDirectory, vec![Body::in_groups(true, false); 3], rules(), now);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run =
        |world: &mut _, audit| runtime.block_on(pass::run(world, &Request { audit, ..Request::default() }, &|_| {}));
    run(&mut world, false).unwrap();
    world.accounts.hides = Some(email(1));
    let (users, memory) = (world.accounts.users.borrow().clone(), world.state.memory.borrow().snapshot.clone());
    let error = run(&mut world, true).unwrap_err().to_string();
    assert!(error.contains("leaves out account p1@x.example"), "{error}");
    assert_eq!((&*world.accounts.users.borrow(), &world.state.memory.borrow().snapshot), (&users, &memory));
    // Whoever is really gone is believed to be.
    world.accounts.hides = None;
    world.accounts.users.borrow_mut().retain(|_, user| user.email != email(1));
    assert_eq!(run(&mut world, true).unwrap().result, PassResult::Applied);
    assert_eq!(seats(&world.accounts.users.borrow()).len(), 3);
}

/// A product may list only those who can sign in: nobody is taken for gone for that, and none is made anew.
#[test]
fn an_audit_takes_nobody_for_gone_who_is_hidden_for_being_suspended() {
    let mut world = calm(StoreKind::EnterpriseDirectory, vec![Body::in_groups(true, false); 3], rules(), now);
    world.limits = Limits { losses: Limit::Off, group_shrink: Limit::Off, ..Limits::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run =
        |world: &mut _, audit| runtime.block_on(pass::run(world, &Request { audit, ..Request::default() }, &|_| {}));
    run(&mut world, false).unwrap();
    world.directory.bodies.borrow_mut()[1].enabled = false;
    run(&mut world, false).unwrap();
    let memory = world.state.memory.borrow().snapshot.clone();
    assert!(memory.iter().any(|(_, holding)| matches!(holding.seat, Seat::Suspended(_))));
    world.accounts.hides = Some(email(1));
    let report = run(&mut world, true).unwrap();
    assert_eq!((report.result, report.changes.len()), (PassResult::InSync, 0), "{:?}", report.warnings);
    assert_eq!(world.state.memory.borrow().snapshot, memory);
    world.directory.bodies.borrow_mut()[1].enabled = true;
    run(&mut world, true).unwrap();
    assert_eq!(world.accounts.users.borrow().len(), 3, "no second account");
}

/// A world of people who all want a seat, and what stops its passes.
fn eager() -> (World<SimDirectory, SimStore, SimState>, Stopper) {
    let world = calm(StoreKind::Team, vec![Body::in_groups(true, false); PEOPLE], rules(), now);
    let stopper = world.directory.stopper.clone();
    (world, stopper)
}

/// Stopped at each moment there is: before the first request nothing is left behind, after it what was sent is known,
/// what was not sent is open, and the next pass does the rest.
#[test]
fn a_pass_that_is_stopped_between_batches_says_what_it_did_not_send() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut halted, mut partial) = (0, 0);
    for moment in 0.. {
        let (mut world, stopper) = eager();
        world.halt = stopper.set(Some(moment));
        let result = runtime.block_on(pass::run(&mut world, &Request::default(), &|_| {}));
        let sent = world.accounts.users.borrow().len();
        let (open, passes) = {
            let memory = world.state.memory.borrow();
            (memory.open.len(), memory.passes.len())
        };
        match result {
            Err(PassError::Halted) => {
                halted += 1;
                assert_eq!((sent, open, passes), (0, 0, 0), "moment {moment}");
            }
            Ok(report) if report.result == PassResult::Partial => {
                partial += 1;
                assert_eq!((sent + open, report.counts.failed), (PEOPLE, open), "moment {moment}");
                let told = pass::Status::Failed("not sent: told to stop".to_owned());
                let unsent = report.changes.iter().filter(|change| change.status == told).count();
                assert_eq!((unsent, report.in_sync), (open, false), "moment {moment}");
                assert_eq!(world.state.memory.borrow().last_good, None, "moment {moment}");
            }
            Ok(report) => {
                assert_eq!((report.result, sent, open), (PassResult::Applied, PEOPLE, 0), "moment {moment}");
                if !world.halt.is_asked() {
                    break;
                }
            }
            Err(error) => unreachable!("moment {moment}: {error}"),
        }
        world.halt = stopper.set(None);
        let next = runtime.block_on(pass::run(&mut world, &Request::default(), &|_| {})).unwrap();
        assert!(next.in_sync, "moment {moment}: {next:?}");
        assert_eq!((world.accounts.users.borrow().len(), world.accounts.double_invitations.get()), (PEOPLE, 0));
    }
    assert!(halted > 3 && partial > 3, "{halted} before the first request, {partial} between batches");
}

/// A preview has nothing to finish: it stops at every question.
#[test]
fn a_preview_stops_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut world, stopper) = eager();
    for moment in 0..3 {
        world.halt = stopper.set(Some(moment));
        let stopped = runtime.block_on(pass::preview(&mut world, &Request::default(), &|_| {}));
        assert!(matches!(stopped, Err(PassError::Halted)), "moment {moment}");
    }
    world.halt = stopper.set(None);
    assert!(runtime.block_on(pass::preview(&mut world, &Request::default(), &|_| {})).is_ok());
}
