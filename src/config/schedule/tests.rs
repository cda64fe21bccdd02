//! When lines fire, by table and by law.
#![allow(clippy::unwrap_used)]

mod grammar;
mod oracle;

use super::*;
use proptest::prelude::*;

/// The next `count` fires after `from`, as RFC 3339 in the zone.
fn fires(line: &str, from: &str, zone: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(line).unwrap();
    let timezone = Tz::from_str(zone).unwrap();
    let mut now: Timestamp = from.parse().unwrap();
    let mut fires = Vec::new();
    while fires.len() < count {
        now = schedule.next_after(now, timezone).unwrap();
        let local = timezone.timestamp_opt(now.as_second(), 0).unwrap();
        fires.push(local.format("%a %Y-%m-%d %H:%M:%S%:z").to_string());
    }
    fires
}

/// The same in UTC, from Friday 1 January 2027, without the offset and the year.
fn plain(line: &str, count: usize) -> Vec<String> {
    let all = fires(line, "2027-01-01T00:00:00Z", "UTC", count);
    all.iter().map(|fire| format!("{} {}", &fire[..3], &fire[9..23])).collect()
}

#[test]
fn five_fields_mean_what_crontab_means() {
    for (line, expected) in [
        ("*/15 * * * *", &["Fri 01-01 00:15:00", "Fri 01-01 00:30:00", "Fri 01-01 00:45:00", "Fri 01-01 01:00:00"][..]),
        ("0 3 * * 1", &["Mon 01-04 03:00:00", "Mon 01-11 03:00:00"]),
        ("0 3 * * 0", &["Sun 01-03 03:00:00", "Sun 01-10 03:00:00"]),
        ("0 3 * * 7", &["Sun 01-03 03:00:00", "Sun 01-10 03:00:00"]),
        ("0 3 * * 1-5", &["Fri 01-01 03:00:00", "Mon 01-04 03:00:00", "Tue 01-05 03:00:00"]),
        ("0 3 * * 5-7", &["Fri 01-01 03:00:00", "Sat 01-02 03:00:00", "Sun 01-03 03:00:00", "Fri 01-08 03:00:00"]),
        ("0 3 * * 7-1", &["Sun 01-03 03:00:00", "Mon 01-04 03:00:00", "Sun 01-10 03:00:00"]),
        (
            "0 3 * * FRI-MON",
            &[
                "Fri 01-01 03:00:00",
                "Sat 01-02 03:00:00",
                "Sun 01-03 03:00:00",
                "Mon 01-04 03:00:00",
                "Fri 01-08 03:00:00",
            ],
        ),
        ("0 3 * * mon,Wed", &["Mon 01-04 03:00:00", "Wed 01-06 03:00:00"]),
        (
            "0 22-2 * * *",
            &[
                "Fri 01-01 01:00:00",
                "Fri 01-01 02:00:00",
                "Fri 01-01 22:00:00",
                "Fri 01-01 23:00:00",
                "Sat 01-02 00:00:00",
            ],
        ),
        ("0 22-6/4 * * *", &["Fri 01-01 02:00:00", "Fri 01-01 06:00:00", "Fri 01-01 22:00:00", "Sat 01-02 02:00:00"]),
        ("0 0 1 NOV-feb *", &["Mon 02-01 00:00:00", "Mon 11-01 00:00:00", "Wed 12-01 00:00:00"]),
        ("0 0 13 * 5", &["Fri 01-08 00:00:00", "Wed 01-13 00:00:00", "Fri 01-15 00:00:00"]),
        ("0 0 */2 * 1", &["Mon 01-11 00:00:00", "Mon 01-25 00:00:00"]),
        ("0 0 31 * *", &["Sun 01-31 00:00:00", "Wed 03-31 00:00:00"]),
        ("0 0 29 2 *", &["Tue 02-29 00:00:00"]),
        (
            "5,10-20/5 4 * * *",
            &["Fri 01-01 04:05:00", "Fri 01-01 04:10:00", "Fri 01-01 04:15:00", "Fri 01-01 04:20:00"],
        ),
        ("@hourly", &["Fri 01-01 01:00:00", "Fri 01-01 02:00:00"]),
        ("@Daily", &["Sat 01-02 00:00:00"]),
        ("@weekly", &["Sun 01-03 00:00:00"]),
        ("@monthly", &["Mon 02-01 00:00:00"]),
        ("@yearly", &["Sat 01-01 00:00:00"]),
        ("every 90s", &["Fri 01-01 00:01:30", "Fri 01-01 00:03:00"]),
        ("Every\t1h  30m", &["Fri 01-01 01:30:00"]),
        ("every 7d", &["Thu 01-07 00:00:00", "Thu 01-14 00:00:00"]),
        ("30 0 3 * * MON", &["Mon 01-04 03:00:30"]),
        (
            "0/20 0 3 ? * * 2027-2028",
            &["Fri 01-01 03:00:00", "Fri 01-01 03:00:20", "Fri 01-01 03:00:40", "Sat 01-02 03:00:00"],
        ),
        ("0 0 0 1 * SUN *", &["Sun 08-01 00:00:00"]),
    ] {
        assert_eq!(plain(line, expected.len()), expected, "{line}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    for (line, expected) in [
        ("", "0 fields, where five are wanted (six or seven with seconds and year)"),
        ("* * * *", "4 fields, where five are wanted (six or seven with seconds and year)"),
        ("60 * * * *", "minute: `60` is not within 0 to 59"),
        ("* 24 * * *", "hour: `24` is not within 0 to 23"),
        ("* * 0 * *", "day of month: `0` is not within 1 to 31"),
        ("* * L * *", "day of month: `L` is not a number from 1 to 31"),
        ("* * * 13 *", "month: `13` is not within 1 to 12"),
        ("* * * Foo *", "month: `Foo` is not a number from 1 to 12 or a month such as JAN"),
        ("* * * * 8", "day of week: `8` is not within 0 to 7"),
        ("* * * * mo", "day of week: `mo` is not a number from 0 to 7 or a day such as MON"),
        ("* * * * 1#2", "day of week: `1#2` is not a number from 0 to 7 or a day such as MON"),
        ("*/0 * * * *", "minute: the step `0` is not a number from 1 to 60"),
        ("*/-5 * * * *", "minute: the step `-5` is not a number from 1 to 60"),
        ("5/10 * * * *", "minute: a step needs a range: write 5-59/10 or */10"),
        ("1,,2 * * * *", "minute: a number is missing"),
        ("+1 * * * *", "minute: `+1` is not a number from 0 to 59"),
        ("99999999999 * * * *", "minute: `99999999999` is not a number from 0 to 59"),
        ("? * * * *", "minute: `?` is not a number from 0 to 59"),
        ("0 0 30 2 *", "does not fire within five years: check day of month, month and year"),
        ("0 0 0 1 1 * 2020", "does not fire within five years: check day of month, month and year"),
        ("0 0 0 1 1 * 2030-2028", "year: `2030-2028` goes backwards"),
        (
            "0 0 3 * * 1",
            "day of week: in a line with seconds write days by name (MON): `1` is MON in a crontab and another day \
             elsewhere",
        ),
        ("@reboot", "`@reboot` is not a time; a pass runs at every start anyway"),
        ("@never", "\"@never\" is not one of @hourly, @daily, @weekly, @monthly, @yearly"),
        ("every", "\"\" is not a duration"),
        ("every 0s", "`every` takes whole seconds, from 1s to 366d"),
        ("every 1500ms", "`every` takes whole seconds, from 1s to 366d"),
        ("every -5s", "\"-5s\" is negative"),
    ] {
        assert_eq!(Schedule::parse(line).unwrap_err(), expected, "{line}");
    }
}

#[test]
fn a_skipped_hour() {
    // Berlin, 28 March 2027: after 01:59:59 comes 03:00.
    for (line, expected) in [
        ("30 2 * * *", &["Sun 2027-03-28 03:00:00+02:00", "Mon 2027-03-29 02:30:00+02:00"][..]),
        ("0,15,30 2 * * *", &["Sun 2027-03-28 03:00:00+02:00", "Mon 2027-03-29 02:00:00+02:00"]),
        ("0 2,3 * * *", &["Sun 2027-03-28 03:00:00+02:00", "Mon 2027-03-29 02:00:00+02:00"]),
        (
            "30 * * * *",
            &["Sun 2027-03-28 00:30:00+01:00", "Sun 2027-03-28 01:30:00+01:00", "Sun 2027-03-28 03:30:00+02:00"],
        ),
        ("15 */2 * * *", &["Sun 2027-03-28 00:15:00+01:00", "Sun 2027-03-28 04:15:00+02:00"]),
    ] {
        assert_eq!(fires(line, "2027-03-27T23:00:00Z", "Europe/Berlin", expected.len()), expected, "{line}");
    }
}

#[test]
fn a_repeated_hour() {
    // Berlin, 31 October 2027: after 02:59:59 comes 02:00 again.
    for (line, expected) in [
        ("30 2 * * *", &["Sun 2027-10-31 02:30:00+02:00", "Mon 2027-11-01 02:30:00+01:00"][..]),
        (
            "*/30 2-3 * * *",
            &["Sun 2027-10-31 02:00:00+02:00", "Sun 2027-10-31 02:30:00+02:00", "Sun 2027-10-31 03:00:00+01:00"],
        ),
        (
            "*/30 * * * *",
            &[
                "Sun 2027-10-31 01:30:00+02:00",
                "Sun 2027-10-31 02:00:00+02:00",
                "Sun 2027-10-31 02:30:00+02:00",
                "Sun 2027-10-31 02:00:00+01:00",
                "Sun 2027-10-31 02:30:00+01:00",
                "Sun 2027-10-31 03:00:00+01:00",
            ],
        ),
    ] {
        assert_eq!(fires(line, "2027-10-30T23:00:00Z", "Europe/Berlin", expected.len()), expected, "{line}");
    }
}

#[test]
fn half_an_hour_is_repeated_on_lord_howe() {
    // 4 April 2027: after 01:59:59 comes 01:30 again.
    let expected = ["Sun 2027-04-04 01:45:00+11:00", "Sun 2027-04-04 01:45:00+10:30", "Sun 2027-04-04 02:45:00+10:30"];
    assert_eq!(fires("45 * * * *", "2027-04-03T14:00:00Z", "Australia/Lord_Howe", 3), expected);
}

proptest! {
    #[test]
    fn any_text_is_answered(line in "\\PC{0,40}") {
        match Schedule::parse(&line) {
            Ok(schedule) => prop_assert_eq!(schedule.as_str(), line.trim()),
            Err(message) => prop_assert!(!message.is_empty()),
        }
    }

    #[test]
    fn any_fields_are_answered(fields in prop::collection::vec("[0-9*/,?-]{1,6}|mon|JAN-feb|5-1", 5..8)) {
        let now = Timestamp::now();
        match Schedule::parse(&fields.join(" ")) {
            Ok(schedule) => prop_assert!(schedule.next_after(now, Tz::Europe__Berlin).is_some_and(|next| next > now)),
            Err(message) => prop_assert!(!message.is_empty()),
        }
    }

    /// Later is later, and nothing between is lost: asking from any point before a fire gives that fire.
    #[test]
    fn fires_go_forward_and_none_is_lost(
        line in prop::sample::select(vec!["*/30 * * * *", "30 2 * * *", "15 1-4 * * *", "0 */3 * * *", "every 40m"]),
        zone in prop::sample::select(vec![
            Tz::Europe__Berlin, Tz::America__New_York,
            Tz::Australia__Lord_Howe, Tz::UTC,
        ]),
        start in 1_798_761_600_i64..1_830_297_600,
        ahead in 0_i64..7_200,
    ) {
        let schedule = Schedule::parse(line).unwrap();
        let now = Timestamp::from_second(start).unwrap();
        let next = schedule.next_after(now, zone).unwrap();
        prop_assert!(next > now);
        let between = Timestamp::from_second((start + ahead).min(next.as_second() - 1)).unwrap();
        prop_assert_eq!(schedule.next_after(between, zone), Some(next));
    }
}
