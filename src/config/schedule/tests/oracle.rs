//! Our reading of crontab lines against croner's, and against a search minute by minute.
//!
//! `PROPTEST_CASES` sets how many lines are tried, here and in any property.

use super::grammar::{DAY, HOUR, Line, MINUTE, MONTH, Made, SECOND, WEEKDAY, list};
use super::*;
use chrono::{DateTime, Datelike, Days};
use croner::parser::CronParser;
use croner::{Cron, JobType};
use std::sync::LazyLock;

/// Lines tried by default.
const CASES: u32 = 2_000;
/// Weeks searched minute by minute by default: each costs as much as twenty lines against croner.
const WEEKS: u32 = 50;
/// Fires compared of each line.
const FIRES: usize = 5;
/// Where the `cron` crate ends its calendar, and some years before it.
const LAST_YEAR_COMPARED: i32 = 2_090;
/// A clock in these zones goes back by at most an hour.
const OVERLAP_SECONDS_MAX: i64 = 60 * 60;

/// Clocks that jump by an hour and by half an hour, in the night, at midnight, and at 23:00 into the next day; two that
/// do not, one of them off by a quarter of an hour; one that goes back for a month of the moon.
const ZONES: [Tz; 9] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Africa__Casablanca,
    Tz::Asia__Kathmandu,
    Tz::Africa__Cairo,
    Tz::America__Santiago,
    Tz::America__Scoresbysund,
];

/// 1 January 2024 and 1 January 2036.
const START_SECONDS: std::ops::Range<i64> = 1_704_067_200..2_082_758_400;

fn offset_seconds(timezone: Tz, second: i64) -> i64 {
    let at = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
    i64::from(timezone.offset_from_utc_datetime(&at).fix().local_minus_utc())
}

/// Each instant from which on a zone's clock shows another offset.
static JUMPS: LazyLock<Vec<Vec<i64>>> = LazyLock::new(|| {
    let jumps = |zone: &Tz| {
        let days = START_SECONDS.step_by(24 * 60 * 60);
        let jumped = days.filter(|day| offset_seconds(*zone, *day) != offset_seconds(*zone, day + 24 * 60 * 60));
        let minute = |day: i64| {
            let before = offset_seconds(*zone, day);
            (day..=day + 24 * 60 * 60).step_by(60).find(|at| offset_seconds(*zone, *at) != before).unwrap()
        };
        jumped.map(minute).collect()
    };
    ZONES.iter().map(jumps).collect()
});

/// A zone and a second; every other one is within hours of a jump of the clock.
fn moment() -> impl Strategy<Value = (Tz, i64)> {
    (0..ZONES.len(), START_SECONDS, any::<bool>(), any::<prop::sample::Index>(), -30_000_i64..10_000).prop_map(
        |(zone, anywhere, at_jump, jump, around)| {
            let jumps = &JUMPS[zone];
            let second = if at_jump && !jumps.is_empty() { jump.get(jumps) + around } else { anywhere };
            (ZONES[zone], second)
        },
    )
}

/// The line as croner is to read it. By default it takes only a bare `*` for "any day", and its other setting demands
/// both for all lines: which of the two Vixie's rule wants depends on the line.
fn croner(line: &Line) -> Cron {
    CronParser::builder().dom_and_dow(line.days_must_fit_both()).build().parse(&line.theirs()).unwrap()
}

/// Whether a time is so late that it is not compared any more.
fn too_late(at: DateTime<Tz>) -> bool {
    at.year() > LAST_YEAR_COMPARED
}

/// The next fires as croner has them, by its own treatment of the clock.
fn theirs(cron: &Cron, timezone: Tz, second: i64) -> Vec<i64> {
    let mut at = timezone.timestamp_opt(second, 0).unwrap();
    let mut fires = Vec::new();
    while fires.len() < FIRES {
        let Ok(next) = cron.find_next_occurrence(&at, false) else { break };
        if too_late(next) {
            break;
        }
        fires.push(next.timestamp());
        at = next;
    }
    fires
}

/// Our fires, from some part of a second later.
fn ours(schedule: &Schedule, timezone: Tz, second: i64, nanosecond: i32) -> Vec<i64> {
    let mut at = Timestamp::new(second, nanosecond).unwrap();
    let mut fires = Vec::new();
    while fires.len() < FIRES {
        let Some(next) = schedule.next_after(at, timezone) else { break };
        assert!(next > at && next.subsec_nanosecond() == 0, "{schedule} {timezone} {at} {next}");
        if too_late(timezone.timestamp_opt(next.as_second(), 0).unwrap()) {
            break;
        }
        fires.push(next.as_second());
        at = next;
    }
    fires
}

/// What our law makes of the times on the wall that croner finds where no clock jumps.
fn by_law(cron: &Cron, follows_clock: bool, timezone: Tz, second: i64) -> Vec<i64> {
    let wall = second + offset_seconds(timezone, second) - OVERLAP_SECONDS_MAX - 1;
    let mut wall = DateTime::from_timestamp(wall, 0).unwrap();
    let mut fires = BTreeSet::new();
    while let Ok(next) = cron.find_next_occurrence(&wall, false) {
        wall = next;
        let at = match timezone.from_local_datetime(&wall.naive_utc()) {
            LocalResult::Single(at) => vec![at],
            LocalResult::Ambiguous(first, second) if follows_clock => vec![first, second],
            LocalResult::Ambiguous(first, _) => vec![first],
            LocalResult::None if follows_clock => vec![],
            LocalResult::None => {
                let later = |minutes: i64| timezone.from_local_datetime(&(wall.naive_utc() + Delta::minutes(minutes)));
                let end = (1..=90).find_map(|minutes| later(minutes).earliest()).unwrap();
                vec![end.with_second(0).unwrap()]
            }
        };
        if at.first().is_some_and(|first| {
            too_late(*first) || fires.iter().nth(FIRES - 1).is_some_and(|last| first.timestamp() > *last)
        }) {
            break;
        }
        fires.extend(at.iter().map(DateTime::timestamp).filter(|at| *at > second));
    }
    fires.into_iter().take(FIRES).collect()
}

/// Parses, and holds a refusal against croner: there must be no fire within five years.
fn parsed(line: &str, cron: &Cron) -> Result<Option<Schedule>, TestCaseError> {
    let now = Timestamp::now().as_second();
    let next = cron.find_next_occurrence(&DateTime::from_timestamp(now, 0).unwrap(), false);
    let soon = next.is_ok_and(|next| next.timestamp() <= now + NEXT_FIRE_DAYS_MAX * 24 * 60 * 60);
    match Schedule::parse(line) {
        Ok(schedule) => {
            prop_assert!(soon, "accepted, and never fires: {line}");
            Ok(Some(schedule))
        }
        Err(message) => {
            prop_assert!(!soon && message.starts_with("does not fire"), "{line}: {message}");
            Ok(None)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// In every zone, by our law for jumps of the clock; and as croner itself has it, where it has the same law.
    #[test]
    fn five_fields_fire_when_croner_says(
        line in Line::any(), (timezone, second) in moment(), nanosecond in 0..1_000_000_000,
    ) {
        let cron = croner(&line);
        if let Some(schedule) = parsed(&line.ours(), &cron)? {
            let ours = ours(&schedule, timezone, second, nanosecond);
            prop_assert_eq!(&ours, &by_law(&cron, line.follows_clock(), timezone, second));
            // croner takes a line for a fixed time when it has one hour and one minute, written as numbers; and follows
            // the clock with all others, so that `0,30 2 * * *` fires four times in a repeated hour and not in a gap.
            let same_law = line.follows_clock() || cron.determine_job_type() == JobType::FixedTime;
            // It drops a fixed time that a gap puts off into a day that the line does not name.
            let same_day = timezone != Tz::America__Scoresbysund;
            if same_law && same_day {
                prop_assert_eq!(&ours, &theirs(&cron, timezone, second));
            }
        }
    }

    /// Seconds in front, years behind, days by name, and a day must fit both fields.
    #[test]
    fn seven_fields_fire_when_croner_says(
        (seconds, minute, hour, day, month, weekday) in
            (SECOND.field(), MINUTE.field(), HOUR.field(), DAY.field(), MONTH.field(), WEEKDAY.field()),
        years in prop::option::of((2027_u32..2040, 0_u32..5)),
        second in START_SECONDS,
    ) {
        let named = |made: &Made| match made.begins_with_star() {
            true => "*".to_owned(),
            false => {
                let names = made.values.iter().map(|day| WEEKDAYS[*day as usize][..3].to_ascii_uppercase());
                names.collect::<Vec<_>>().join(",")
            }
        };
        let year = years.map_or("*".to_owned(), |(first, more)| format!("{first}-{}", first + more));
        let weekday = named(&weekday);
        let line = [&seconds.ours, &minute.ours, &hour.ours, &day.ours, &month.ours, &weekday, &year].map(String::as_str);
        let their = [&seconds, &minute, &hour, &day, &month].map(|made| list(&made.values)).join(" ");
        let their = format!("{their} {weekday} {year}");
        let cron = CronParser::builder().dom_and_dow(true).build().parse(&their).unwrap();
        if let Some(schedule) = parsed(&line.join(" "), &cron)? {
            prop_assert_eq!(ours(&schedule, Tz::UTC, second, 0), theirs(&cron, Tz::UTC, second));
        }
    }
}

/// Whether a line names a time on the wall, from how the line was made.
fn names(line: &Line, wall: NaiveDateTime) -> bool {
    let day = line.day.values.contains(&wall.day());
    let weekday = line.weekday.values.contains(&wall.weekday().num_days_from_sunday());
    line.minute.values.contains(&wall.minute())
        && line.hour.values.contains(&wall.hour())
        && line.month.values.contains(&wall.month())
        && if line.days_must_fit_both() { day && weekday } else { day || weekday }
}

/// Whether a line fires at an instant, looked at alone.
fn fires_at(line: &Line, timezone: Tz, second: i64) -> bool {
    let wall =
        |second: i64| DateTime::from_timestamp(second + offset_seconds(timezone, second), 0).unwrap().naive_utc();
    let first_run = match timezone.from_local_datetime(&wall(second)) {
        LocalResult::Ambiguous(first, _) => first.timestamp() == second,
        LocalResult::Single(_) | LocalResult::None => true,
    };
    if line.follows_clock() {
        return names(line, wall(second));
    }
    // A fixed time that was jumped over comes at the first instant after the gap.
    let jumped = offset_seconds(timezone, second) - offset_seconds(timezone, second - 60);
    let skipped = (1..=jumped / 60).any(|minutes| names(line, wall(second) - Delta::minutes(minutes)));
    skipped || (first_run && names(line, wall(second)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(WEEKS))]

    /// No fire of a week is skipped, none is made up, and each is later than the one before.
    #[test]
    fn a_week_minute_by_minute(line in Line::any(), (timezone, second) in moment()) {
        let Ok(schedule) = Schedule::parse(&line.ours()) else { return Ok(()) };
        let (first, end) = (second.div_euclid(60) * 60, second + 7 * 24 * 60 * 60);
        let mut at = Timestamp::from_second(first).unwrap();
        let mut next = schedule.next_after(at, timezone);
        for minute in (first + 60..end).step_by(60) {
            let fires = next.is_some_and(|next| next.as_second() == minute);
            prop_assert_eq!(fires, fires_at(&line, timezone, minute), "{} in {} at {}", line.ours(), timezone, minute);
            if fires {
                at = Timestamp::from_second(minute).unwrap();
                next = schedule.next_after(at, timezone);
                prop_assert!(next.is_none_or(|next| next > at));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(WEEKS))]

    /// Over a jump of the clock too.
    #[test]
    fn minutes_are_never_silent_for_an_hour(step in 1_i64..60, (timezone, second) in moment()) {
        let schedule = Schedule::parse(&format!("*/{step} * * * *")).unwrap();
        let mut at = Timestamp::from_second(second).unwrap();
        for _ in 0..100 {
            let next = schedule.next_after(at, timezone).unwrap();
            prop_assert!(next.as_second() - at.as_second() <= 60 * 60, "{step} {timezone} {at} {next}");
            at = next;
        }
    }

    /// A fixed time on each day of the calendar comes once, jumps or not.
    #[test]
    fn a_fixed_time_comes_once_a_day(hour in 0_u32..24, minute in 0_u32..60, (timezone, second) in moment()) {
        let schedule = Schedule::parse(&format!("{minute} {hour} * * *")).unwrap();
        let mut at = Timestamp::from_second(second).unwrap();
        let mut day = None;
        for _ in 0..20 {
            at = schedule.next_after(at, timezone).unwrap();
            // The day that was meant: what a gap puts off into the next one belongs to the day before.
            let wall = DateTime::from_timestamp(at.as_second() + offset_seconds(timezone, at.as_second()), 0).unwrap();
            let put_off = wall.hour() * 60 + wall.minute() < hour * 60 + minute;
            let date = if put_off { wall.date_naive() - Days::new(1) } else { wall.date_naive() };
            if let Some(before) = day.replace(date) {
                prop_assert_eq!(date, before + Days::new(1), "{} in {} at {}", schedule, timezone, at);
            }
        }
    }
}

/// Where we differ from croner, and mean to.
#[test]
fn intended_differences() {
    let croner = |line: &str, from: &str, zone: &str| -> Vec<String> {
        let timezone = Tz::from_str(zone).unwrap();
        let from: Timestamp = from.parse().unwrap();
        let times = theirs(&Cron::from_str(line).unwrap(), timezone, from.as_second());
        let shown =
            |second: &i64| timezone.timestamp_opt(*second, 0).unwrap().format("%a %Y-%m-%d %H:%M:%S%:z").to_string();
        times.iter().take(2).map(shown).collect()
    };
    for (line, from, zone, ours, theirs) in [
        // A day field `*/2` leaves the other one in force, as in Vixie's cron; croner ORs the two.
        (
            "0 0 */2 * 1",
            "2027-01-01T00:00:00Z",
            "UTC",
            ["Mon 2027-01-11 00:00:00+00:00", "Mon 2027-01-25 00:00:00+00:00"],
            ["Sun 2027-01-03 00:00:00+00:00", "Mon 2027-01-04 00:00:00+00:00"],
        ),
        // A range from a day to itself is that day; croner makes `0-7` of it.
        (
            "0 0 * * SUN-SUN",
            "2027-01-01T00:00:00Z",
            "UTC",
            ["Sun 2027-01-03 00:00:00+00:00", "Sun 2027-01-10 00:00:00+00:00"],
            ["Sat 2027-01-02 00:00:00+00:00", "Sun 2027-01-03 00:00:00+00:00"],
        ),
        // Two minutes of a fixed hour are fixed too: once in a repeated hour, and not lost in a gap.
        (
            "0,30 2 * * *",
            "2027-10-31T00:15:00Z",
            "Europe/Berlin",
            ["Sun 2027-10-31 02:30:00+02:00", "Mon 2027-11-01 02:00:00+01:00"],
            ["Sun 2027-10-31 02:30:00+02:00", "Sun 2027-10-31 02:00:00+01:00"],
        ),
        (
            "0,30 2 * * *",
            "2027-03-28T00:00:00Z",
            "Europe/Berlin",
            ["Sun 2027-03-28 03:00:00+02:00", "Mon 2027-03-29 02:00:00+02:00"],
            ["Mon 2027-03-29 02:00:00+02:00", "Mon 2027-03-29 02:30:00+02:00"],
        ),
        // Saturday 23:30 is jumped over: it comes at once when Sunday begins, and is not lost for a week.
        (
            "30 23 * * SAT",
            "2027-03-27T00:00:00Z",
            "America/Scoresbysund",
            ["Sun 2027-03-28 00:00:00-01:00", "Sat 2027-04-03 23:30:00-01:00"],
            ["Sat 2027-04-03 23:30:00-01:00", "Sat 2027-04-10 23:30:00-01:00"],
        ),
    ] {
        assert_eq!(fires(line, from, zone, 2), ours, "{line}");
        assert_eq!(croner(line, from, zone), theirs, "{line}");
    }
}
