//! Clocks that sleep, jump and are held to their pace.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(line: &str) -> Schedule {
    Schedule::parse(line).unwrap()
}

/// An alarm without jitter, in UTC.
fn plain(line: &str, now: &str) -> Alarm {
    Alarm::new(schedule(line), Tz::UTC, Duration::ZERO, at(now), || 0.0)
}

/// Numbers from 0 to 1, the same for the same seed.
fn chance(mut seed: u64) -> impl FnMut() -> f64 + Send + 'static {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn a_time_is_told_once_when_it_has_come() {
    let mut alarm = plain("*/5 * * * *", "2027-01-01T00:00:01Z");
    assert_eq!(alarm.next(), Some(at("2027-01-01T00:05:00Z")));
    assert!(!alarm.due(at("2027-01-01T00:04:59.999Z")));
    assert!(alarm.due(at("2027-01-01T00:05:00Z")));
    assert!(!alarm.due(at("2027-01-01T00:05:00Z")));
    assert_eq!(alarm.next(), Some(at("2027-01-01T00:10:00Z")));
}

#[test]
fn a_machine_that_slept_for_a_week_owes_one_pass() {
    let mut alarm = plain("*/5 * * * *", "2027-01-01T00:00:00Z");
    assert!(alarm.due(at("2027-01-08T12:34:56Z")));
    assert!(!alarm.due(at("2027-01-08T12:34:57Z")));
    assert_eq!(alarm.next(), Some(at("2027-01-08T12:35:00Z")));
}

#[test]
fn a_clock_that_was_a_year_ahead_begins_anew_when_it_is_corrected() {
    let mut alarm = plain("0 3 * * *", "2028-01-01T00:00:00Z");
    assert!(!alarm.due(at("2027-01-01T00:00:00Z")));
    assert_eq!(alarm.next(), Some(at("2027-01-01T03:00:00Z")));
    assert!(alarm.due(at("2027-01-01T03:00:00Z")));
}

#[test]
fn a_clock_held_to_its_pace_tells_nothing_twice() {
    let mut alarm = plain("*/5 * * * *", "2027-01-01T00:00:00Z");
    assert!(alarm.due(at("2027-01-01T00:05:00.2Z")));
    for back in ["2027-01-01T00:04:59.9Z", "2027-01-01T00:04:00.2Z", "2027-01-01T00:05:00Z", "2027-01-01T00:09:59Z"] {
        assert!(!alarm.due(at(back)), "{back}");
    }
    assert!(alarm.due(at("2027-01-01T00:10:00Z")));
    // A moment more than a minute: it was set, and the time comes again.
    assert!(!alarm.due(at("2027-01-01T00:08:59.999Z")));
    assert!(alarm.due(at("2027-01-01T00:10:00Z")));
}

#[test]
fn many_small_steps_back_are_a_large_one() {
    let mut alarm = plain("0 * * * *", "2027-01-01T00:30:00Z");
    assert!(alarm.due(at("2027-01-01T01:00:10Z")));
    assert!(!alarm.due(at("2027-01-01T00:59:30Z")));
    assert!(!alarm.due(at("2027-01-01T00:59:00Z")));
    assert_eq!(alarm.next(), Some(at("2027-01-01T01:00:00Z")));
}

#[test]
fn a_time_that_waits_for_its_jitter_is_not_lost_when_the_clock_is_set_back() {
    let jitter = Duration::from_secs(60 * 60);
    let mut alarm = Alarm::new(schedule("0 3 * * *"), Tz::UTC, jitter, at("2027-01-01T00:00:00Z"), || 0.5);
    assert_eq!(alarm.next(), Some(at("2027-01-01T03:30:00Z")));
    assert!(!alarm.due(at("2027-01-01T03:20:00Z")));
    assert!(!alarm.due(at("2027-01-01T03:10:00Z")));
    assert!(alarm.due(at("2027-01-01T03:30:00Z")));
}

#[test]
fn jitter_loses_no_time_of_a_dense_schedule() {
    let start = at("2027-01-01T00:00:00Z");
    let mut alarm = Alarm::new(schedule("every 5s"), Tz::UTC, Duration::from_secs(20), start, chance(7));
    let (mut now, mut told) = (start, Vec::new());
    while now < after(start, Duration::from_secs(1_000)) {
        now = after(now, alarm.wait(now));
        if alarm.due(now) {
            told.push(now.duration_since(start).as_secs_f64());
        }
    }
    assert_eq!(told.len(), 200);
    for (index, second) in told.iter().enumerate() {
        let planned = (index + 1) as f64 * 5.0;
        assert!((planned..=planned + 2.5).contains(second), "{index}: {second}");
    }
    assert!(told.windows(2).any(|pair| pair[1] - pair[0] > 6.0), "the jitter varies");
}

#[test]
fn jitter_from_bad_chance_is_none_or_all() {
    for (share, expected) in [
        (f64::NAN, "2027-01-01T00:05:00Z"),
        (-1.0, "2027-01-01T00:05:00Z"),
        (f64::INFINITY, "2027-01-01T00:05:00Z"),
        (7.0, "2027-01-01T00:05:20Z"),
    ] {
        let jitter = Duration::from_secs(20);
        let alarm = Alarm::new(schedule("*/5 * * * *"), Tz::UTC, jitter, at("2027-01-01T00:00:00Z"), move || share);
        assert_eq!(alarm.next(), Some(at(expected)), "{share}");
    }
}

#[test]
fn a_schedule_that_has_ended_is_silent() {
    let mut alarm = plain("0 0 3 1 1 * 2027", "2027-01-01T00:00:00Z");
    assert!(alarm.due(at("2027-01-02T00:00:00Z")));
    assert_eq!(alarm.next(), None);
    assert!(!alarm.due(at("2030-01-01T00:00:00Z")));
    assert_eq!(alarm.wait(at("2030-01-01T00:00:00Z")), SLEEP_MAX);
}

#[test]
fn overdue_is_counted_in_times_not_in_hours() {
    for (line, zone, since, expected) in [
        ("*/5 * * * *", Tz::UTC, "2027-01-04T10:00:20Z", Some("2027-01-04T10:15:20Z")),
        ("every 5s", Tz::UTC, "2027-01-04T10:00:00Z", Some("2027-01-04T10:00:17.5Z")),
        ("0 3 * * *", Tz::UTC, "2027-01-04T03:01:00Z", Some("2027-01-07T03:00:20Z")),
        // Friday evening: the next times are on Monday morning.
        ("*/30 8-17 * * MON-FRI", Tz::Europe__Berlin, "2027-01-08T16:31:00Z", Some("2027-01-11T08:00:20Z")),
        ("0 0 3 1 1 * 2027-2028", Tz::UTC, "2027-01-01T00:00:00Z", None),
    ] {
        let overdue = overdue_at(&schedule(line), zone, Duration::from_secs(20), at(since));
        assert_eq!(overdue, expected.map(at), "{line}");
    }
}

/// What happens to the clock between two looks at it.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It ran as long as the alarm wanted to sleep, and so many milliseconds more.
    Slept(u64),
    /// Somebody woke the daemon: it ran for a part of that, in percent.
    Poked(u32),
    /// It ran on, or was set forward, by so many seconds: a suspended machine, a long pass.
    Forward(u32),
    /// It was held back by so many milliseconds.
    Slewed(u32),
    /// It was set back by so many seconds.
    Back(u32),
}

impl Event {
    fn moved(self, now: Timestamp, alarm: &Alarm) -> Timestamp {
        match self {
            Self::Slept(late) => after(after(now, alarm.wait(now)), Duration::from_millis(late)),
            Self::Poked(percent) => after(now, alarm.wait(now) * percent / 100),
            Self::Forward(seconds) => after(now, Duration::from_secs(seconds.into())),
            Self::Slewed(milliseconds) => before(now, Duration::from_millis(milliseconds.into())),
            Self::Back(seconds) => before(now, Duration::from_secs(seconds.into())),
        }
    }
}

fn ordinary() -> impl Strategy<Value = Event> {
    prop_oneof![6 => (0_u64..50).prop_map(Event::Slept), 2 => (0_u32..100).prop_map(Event::Poked)]
}

/// No clock is set back by more than a minute in all.
fn forward() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => ordinary(),
        1 => (1_u32..4_000).prop_map(Event::Forward),
        1 => (1_u32..2_000_000).prop_map(Event::Forward),
        2 => (1_u32..1_000).prop_map(Event::Slewed),
    ]
}

fn anything() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => forward(),
        1 => (1_u32..60_000).prop_map(Event::Slewed),
        1 => (61_u32..4_000).prop_map(Event::Back),
        1 => (61_u32..2_000_000).prop_map(Event::Back),
    ]
}

/// Lines, and the longest gap between two of their times in seconds: a day and a weekend with the longer night of autumn.
fn lines() -> impl Strategy<Value = (&'static str, u64)> {
    prop::sample::select(vec![
        ("every 5s", 5),
        ("every 90s", 90),
        ("*/5 * * * *", 300),
        ("30 * * * *", 3_600),
        ("0 3 * * *", 25 * 3_600),
        ("30 2 * * *", 25 * 3_600),
        ("*/10 8-17 * * MON-FRI", 63 * 3_600 + 600),
    ])
}

fn setting() -> impl Strategy<Value = ((&'static str, u64), Tz, Duration, Timestamp, u64)> {
    let zones = vec![Tz::UTC, Tz::Europe__Berlin, Tz::Australia__Lord_Howe];
    let start = (1_798_000_000_000_i64..1_840_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
    let jitter = prop::sample::select(vec![0_u64, 20, 3_600]).prop_map(Duration::from_secs);
    (lines(), prop::sample::select(zones), jitter, start, any::<u64>())
}

proptest! {
    /// Told if and only if a time has passed that was not told; with jitter, not before it and not after its latest.
    #[test]
    fn told_exactly_when_a_time_has_passed(
        ((line, _), zone, jitter, start, seed) in setting(),
        events in prop::collection::vec(anything(), 1..150),
    ) {
        let schedule = schedule(line);
        let mut alarm = Alarm::new(schedule.clone(), zone, jitter, start, chance(seed));
        // What was told, and how far the clock has come since it was last set back.
        let (mut now, mut told, mut furthest) = (start, start, start);
        for event in events {
            now = event.moved(now, &alarm);
            if now < before(furthest, SLEW_MAX) {
                (told, furthest) = (told.min(now), now);
            }
            furthest = furthest.max(now);
            let planned = schedule.next_after(told, zone).unwrap();
            let latest = after(planned, lateness_max(&schedule, zone, jitter, planned));
            let due = alarm.due(now);
            prop_assert!(!due || planned <= now, "{} at {now}, before {planned}", line);
            prop_assert!(due || now < latest, "{} not at {now}, after {latest}", line);
            if due {
                told = now;
            }
            let (next, wait) = (alarm.next().unwrap(), alarm.wait(now));
            prop_assert!(next > now && wait > Duration::ZERO && wait <= SLEEP_MAX);
        }
    }

    /// Seen from outside, on a clock that nobody sets back: no time is told twice, and each that passed is told at the
    /// first look after its jitter, alone or with others.
    #[test]
    fn each_time_is_told_once_and_none_is_lost(
        ((line, _), zone, jitter, start, seed) in setting(),
        events in prop::collection::vec(forward(), 1..60),
    ) {
        let schedule = schedule(line);
        let mut alarm = Alarm::new(schedule.clone(), zone, jitter, start, chance(seed));
        let (mut now, mut furthest) = (start, start);
        let mut told = vec![start];
        for event in events {
            let next = event.moved(now, &alarm);
            // The law is about small steps: let none of them add up to a large one.
            now = if before(furthest, SLEW_MAX) > next { now } else { next };
            furthest = furthest.max(now);
            if alarm.due(now) {
                told.push(now);
            }
        }
        for pair in told.windows(2) {
            let between = schedule.next_after(pair[0], zone).unwrap();
            prop_assert!(pair[0] < pair[1] && between <= pair[1], "{}: {} and {} tell the same", line, pair[0], pair[1]);
        }
        let last = *told.last().unwrap();
        let owed = schedule.next_after(last, zone).unwrap();
        let latest = after(owed, lateness_max(&schedule, zone, jitter, owed));
        prop_assert!(furthest < latest, "{line}: {owed} was lost, it is {furthest} and {last} was the last");
    }

    /// Whatever the clock did: once it runs as it should, the alarm is heard within a gap, the jitter and a sleep; and a
    /// minute more where the last thing was a step back by less.
    #[test]
    fn never_silent_once_the_clock_runs(
        ((line, gap_seconds), zone, jitter, start, seed) in setting(),
        before_that in prop::collection::vec(anything(), 0..30),
        looks in prop::collection::vec(ordinary(), 1..20),
    ) {
        let mut alarm = Alarm::new(schedule(line), zone, jitter, start, chance(seed));
        let mut now = start;
        for event in before_that {
            now = event.moved(now, &alarm);
            alarm.due(now);
        }
        let heard_by = after(now, Duration::from_secs(gap_seconds) + jitter + SLEEP_MAX + SLEW_MAX);
        let mut heard = false;
        // At least one whole sleep among the looks: pokes alone could stop the clock.
        let mut looks = std::iter::once(Event::Slept(0)).chain(looks).collect::<Vec<_>>().into_iter().cycle();
        while !heard && now <= heard_by {
            now = looks.next().unwrap().moved(now, &alarm);
            heard = alarm.due(now);
        }
        prop_assert!(heard && now <= heard_by, "{line} in {zone}: silent until {now}");
    }
}
