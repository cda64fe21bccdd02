//! What is told, and what is not told again.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::{Counts, PassId, PassRecord};
use proptest::prelude::*;

const START: i64 = 1_795_608_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

fn daemon() -> Daemon {
    Daemon::new("1", 1, "/etc/seatsync/seatsync.toml".into(), at(0))
}

/// Nothing to tell.
fn calm() -> Live {
    Live { remembered: Remembered::default(), daemon: Some(daemon()) }
}

fn holding(hash: &str, approved: bool) -> Live {
    let mut live = calm();
    live.remembered.held = Some(HeldNote { hash: hash.to_owned(), losses: 3, gains: 1, since: at(0) });
    live.remembered.held_expires = Some(at(DAY));
    live.remembered.approved =
        approved.then(|| crate::status::ApprovalNote { by: "root".to_owned(), at: at(0), expires: at(DAY) });
    live
}

fn failing(since: i64, passes: u32) -> Live {
    let mut live = calm();
    let outage = Outage { since: at(since), passes, reason: "no route to host".to_owned(), passes_by: true };
    live.daemon.as_mut().unwrap().outage = Some(outage);
    live
}

fn passed(good: i64) -> Live {
    let mut live = calm();
    live.remembered.last_good = Some(at(good));
    live
}

fn rejected(problems: &str) -> Live {
    let mut live = calm();
    live.daemon.as_mut().unwrap().rejected = Some(Rejected { at: at(0), problems: problems.to_owned() });
    live
}

fn expiring(ends: i64) -> Live {
    let mut live = calm();
    let expiry = Expiry { kind: "certificate".to_owned(), of: "ldaps://dc1".to_owned(), at: at(ends) };
    live.daemon.as_mut().unwrap().expiries = vec![expiry];
    live
}

/// The kinds of news that each step brings.
#[track_caller]
fn story(steps: &[(i64, Live, &[Event])]) -> Watch {
    let mut watch = Watch::default();
    for (seconds, live, expected) in steps {
        let news = watch.observe(live, at(*seconds));
        assert_eq!(news.iter().map(News::event).collect::<Vec<_>>(), *expected, "after {seconds} s: {news:?}");
    }
    watch
}

const NOTHING: &[Event] = &[];

#[test]
fn a_calm_service_tells_nothing() {
    let watch = story(&[(0, calm(), NOTHING), (DAY, passed(0), NOTHING), (2 * DAY, calm(), NOTHING)]);
    assert_eq!(watch, Watch::default());
}

#[test]
fn what_is_held_is_told_once_a_hash_and_a_day() {
    let held = &[Event::LossesHeld][..];
    story(&[
        (0, holding("a", false), held),
        (5 * MINUTE, holding("a", false), NOTHING),
        (10 * MINUTE, holding("b", false), held),
        (15 * MINUTE, holding("a", false), NOTHING),
        (20 * MINUTE, calm(), NOTHING),
        (DAY - 1, holding("a", false), NOTHING),
        (DAY, holding("a", false), held),
        (2 * DAY, holding("a", true), NOTHING),
        (3 * DAY, holding("a", false), held),
    ]);
    story(&[(0, holding("a", true), NOTHING), (MINUTE, holding("a", false), held)]);
    // A command in another process, with no daemon.
    let mut watch = Watch::default();
    assert_eq!(watch.observe(&Live { daemon: None, ..holding("a", false) }, at(0)).len(), 1);
}

#[test]
fn the_facts_are_those_of_the_note() {
    let news = Watch::default().observe(&holding("a", false), at(5));
    let hash = "a".to_owned();
    assert_eq!(news, [News::HeldLosses { hash, losses: 3, gains: 1, since: at(0), expires: Some(at(DAY)) }]);
}

#[test]
fn three_failed_passes_or_a_quarter_of_an_hour() {
    let told = &[Event::Failing][..];
    story(&[
        (0, failing(0, 1), NOTHING),
        (MINUTE, failing(0, 2), NOTHING),
        (2 * MINUTE, failing(0, 3), told),
        (3 * MINUTE, failing(0, 4), NOTHING),
        (DAY + 2 * MINUTE - 1, failing(0, 300), NOTHING),
        (DAY + 2 * MINUTE, failing(0, 301), told),
        (DAY + 3 * MINUTE, passed(DAY + 3 * MINUTE), &[Event::Recovered]),
        (DAY + 4 * MINUTE, passed(DAY + 4 * MINUTE), NOTHING),
    ]);
    story(&[
        (0, failing(0, 1), NOTHING),
        (15 * MINUTE - 1, failing(0, 1), NOTHING),
        (15 * MINUTE, failing(0, 1), told),
    ]);
}

#[test]
fn a_single_failure_that_passes_is_not_told() {
    story(&[(0, failing(0, 1), NOTHING), (MINUTE, failing(0, 2), NOTHING), (2 * MINUTE, passed(2 * MINUTE), NOTHING)]);
}

#[test]
fn only_a_pass_ends_an_outage_and_restarts_do_not_hide_one() {
    let told = &[Event::Failing][..];
    // The service is started again and again: each knows only its own first failure, or nothing yet.
    let mut watch = story(&[
        (0, failing(0, 1), NOTHING),
        (5 * MINUTE, calm(), NOTHING),
        (6 * MINUTE, failing(6 * MINUTE, 1), NOTHING),
        (11 * MINUTE, calm(), NOTHING),
        (15 * MINUTE, failing(15 * MINUTE, 1), told),
        (16 * MINUTE, calm(), NOTHING),
        (17 * MINUTE, failing(17 * MINUTE, 3), NOTHING),
        (18 * MINUTE, passed(-HOUR), NOTHING),
    ]);
    let news = watch.observe(&passed(20 * MINUTE), at(20 * MINUTE));
    assert_eq!(news, [News::Recovered { since: at(0), after: SignedDuration::from_mins(20) }]);
}

#[test]
fn a_pass_with_failed_actions_is_no_outage_any_more() {
    let mut partial = calm();
    let record = |result| PassRecord {
        id: PassId::new(at(0), 1),
        at: at(30 * MINUTE),
        took_ms: 1,
        result,
        reason: None,
        counts: Counts::default(),
    };
    partial.remembered.last_pass = Some(record(PassResult::Failed));
    let mut failed = partial.clone();
    failed.remembered.last_pass = Some(record(PassResult::Failed));
    partial.remembered.last_pass = Some(record(PassResult::Partial));
    story(&[
        (0, failing(0, 3), &[Event::Failing]),
        (30 * MINUTE, failed, NOTHING),
        (31 * MINUTE, partial, &[Event::Recovered]),
    ]);
}

#[test]
fn a_refused_configuration_is_told_once_a_text_and_its_end_once() {
    let refused = &[Event::ConfigurationRejected][..];
    story(&[
        (0, rejected("a"), refused),
        (MINUTE, rejected("a"), NOTHING),
        (2 * MINUTE, rejected("b"), refused),
        (3 * MINUTE, rejected("a"), NOTHING),
        (3 * DAY, rejected("a"), NOTHING),
        (3 * DAY + 1, calm(), &[Event::ConfigurationAccepted]),
        (3 * DAY + 2, calm(), NOTHING),
        (5 * DAY, rejected("a"), refused),
        (5 * DAY + 1, calm(), &[Event::ConfigurationAccepted]),
        (5 * DAY + 2, rejected("a"), NOTHING),
        (5 * DAY + 3, calm(), NOTHING),
    ]);
}

#[test]
fn what_ends_is_told_two_weeks_and_three_days_before() {
    let told = &[Event::Expiring][..];
    let end = 20 * DAY;
    story(&[
        (0, expiring(end), NOTHING),
        (6 * DAY, expiring(end), told),
        (7 * DAY, expiring(end), NOTHING),
        (8 * DAY, calm(), NOTHING),
        (9 * DAY, expiring(end), NOTHING),
        (17 * DAY, expiring(end), told),
        (21 * DAY, expiring(end), NOTHING),
        (60 * DAY, expiring(end), NOTHING),
        (61 * DAY, expiring(70 * DAY), told),
    ]);
    // Found late: once.
    story(&[(0, expiring(DAY), told), (HOUR, expiring(DAY), NOTHING), (2 * DAY, expiring(DAY), NOTHING)]);
}

#[test]
fn a_clock_that_was_ahead_does_not_silence_for_longer_than_a_reminder() {
    let held = &[Event::LossesHeld][..];
    story(&[
        (1_000 * DAY, holding("a", false), held),
        (0, holding("a", false), NOTHING),
        (DAY, holding("a", false), held),
    ]);
}

#[test]
fn a_flood_of_different_hashes_is_bounded() {
    let mut watch = Watch::default();
    let told = (0..2_000).map(|n| watch.observe(&holding(&n.to_string(), false), at(n)).len()).sum::<usize>();
    assert_eq!(told, REMEMBERED_MAX);
    assert!(serde_json::to_vec(&watch).unwrap().len() < 1024 * 1024);
}

/// Whatever a service may come to.
fn lives() -> impl Strategy<Value = (i64, Live, bool)> {
    let parts = (
        1..8 * HOUR,
        prop::option::of((0..3_u8, prop::bool::ANY)),
        prop::option::of((0..6 * HOUR, 1..5_u32)),
        prop::option::of(0..2 * HOUR),
        prop::option::of(0..3_u8),
        prop::collection::vec((0..2_u8, 0..20_i64), 0..3),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.2),
    );
    parts.prop_map(|(wait, held, outage, good, refused, ends, has_daemon, restarts)| {
        let mut live = match held {
            Some((hash, approved)) => holding(&hash.to_string(), approved),
            None => calm(),
        };
        let daemon = live.daemon.as_mut().unwrap();
        // Relative to the time at which it is looked at: set right when that is known.
        daemon.outage = outage.map(|(ago, passes)| Outage {
            since: at(-ago),
            passes,
            reason: "no route to host".to_owned(),
            passes_by: true,
        });
        daemon.rejected = refused.map(|text| Rejected { at: at(0), problems: text.to_string() });
        daemon.expiries = ends
            .into_iter()
            .map(|(of, day)| Expiry { kind: "secret".to_owned(), of: of.to_string(), at: at(day * DAY) })
            .collect();
        live.remembered.last_good = good.map(|ago| at(-ago));
        live.daemon = live.daemon.filter(|_| has_daemon);
        (wait, live, restarts)
    })
}

proptest! {
    #[test]
    fn laws(steps in prop::collection::vec(lives(), 1..80)) {
        let mut watch = Watch::default();
        let mut clock = 0;
        let mut told: Vec<(Timestamp, News)> = Vec::new();
        for (wait, mut live, restarts) in steps {
            clock += wait;
            let now = at(clock);
            let shift = SignedDuration::from_secs(clock);
            if let Some(daemon) = &mut live.daemon {
                daemon.loaded = now;
            }
            if let Some(outage) = live.daemon.as_mut().and_then(|daemon| daemon.outage.as_mut()) {
                outage.since += shift;
            }
            if let Some(good) = &mut live.remembered.last_good {
                *good += shift;
            }
            if restarts {
                watch = serde_json::from_slice(&serde_json::to_vec(&watch).unwrap()).unwrap();
            }
            let news = watch.observe(&live, now);
            // Looking again tells nothing new.
            prop_assert_eq!(watch.observe(&live, now), []);
            told.extend(news.into_iter().map(|each| (now, each)));
        }
        for (n, (when, news)) in told.iter().enumerate() {
            for (later, other) in &told[n + 1..] {
                // An end of something is told twice, at its two stages.
                let stage = |now: &Timestamp| match news {
                    News::ExpiringSoon { at, .. } => {
                        EXPIRY_STAGES.iter().filter(|stage| at.duration_since(*now) <= **stage).count()
                    }
                    _ => 0,
                };
                let is_same = news == other && stage(when) == stage(later);
                prop_assert!(!is_same || later.duration_since(*when) >= REMINDER, "{:?} at {} and {}", news, when, later);
            }
        }
        // Failing and recovered alternate, apart from reminders.
        let mut since: Option<Timestamp> = None;
        for (when, news) in &told {
            match news {
                News::Failing { .. } => {
                    prop_assert!(since.is_none_or(|at| when.duration_since(at) >= REMINDER), "failing at {}", when);
                    since = Some(*when);
                }
                News::Recovered { after, .. } => {
                    prop_assert!(since.take().is_some(), "recovered from nothing at {}", when);
                    prop_assert!(!after.is_negative());
                }
                _ => {}
            }
        }
        // A good configuration is told after a refused one.
        let mut stands = false;
        for (_, news) in &told {
            match news {
                News::ConfigRejected { .. } => stands = true,
                News::ConfigAccepted { .. } => prop_assert!(std::mem::take(&mut stands)),
                _ => {}
            }
        }
    }
}
