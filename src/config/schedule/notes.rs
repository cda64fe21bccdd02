//! What a line does that whoever wrote it may not expect.

use super::{DAY, Dialect, Field, HOUR, Kind, MINUTE, MONTH, SECOND, Schedule, number};

/// Days of the month that every month has.
const DAY_IN_EVERY_MONTH_MAX: u32 = 28;
const DAY_SECONDS: i64 = 24 * 60 * 60;

impl Schedule {
    /// What may surprise about the line, a sentence each; nothing for most lines.
    pub fn notes(&self) -> Vec<String> {
        let fields: Vec<&str> = self.line.split_ascii_whitespace().collect();
        match (&self.kind, fields.as_slice()) {
            (Kind::Every(seconds), _) => every(*seconds).into_iter().collect(),
            (Kind::Clock { .. }, [minute, hour, day, month, weekday]) => {
                let mut notes = of_the_clock(minute, hour, month);
                notes.extend(days(day, weekday));
                notes.extend(short_months(day, weekday, Dialect::Crontab));
                notes
            }
            (Kind::Clock { .. }, [second, minute, hour, day, month, weekday, ..]) => {
                let mut notes = vec![format!("with {} fields the first is the second", fields.len())];
                notes.extend(uneven(&SECOND, second, "minute"));
                notes.extend(of_the_clock(minute, hour, month));
                notes.extend(short_months(day, weekday, Dialect::Seconds));
                notes
            }
            // `@hourly` and its like.
            (Kind::Clock { .. }, _) => Vec::new(),
        }
    }
}

fn every(seconds: i64) -> Option<String> {
    (DAY_SECONDS % seconds != 0)
        .then(|| "a day is no multiple of it: the times are not the same each day (they are counted in UTC)".to_owned())
}

fn of_the_clock(minute: &str, hour: &str, month: &str) -> Vec<String> {
    let mut notes: Vec<String> =
        [uneven(&MINUTE, minute, "hour"), uneven(&HOUR, hour, "day"), uneven(&MONTH, month, "year")]
            .into_iter()
            .flatten()
            .collect();
    if minute == "*" && !hour.starts_with('*') {
        notes.push("the minute is `*`: it fires in each minute of its hours, not once".to_owned());
    }
    notes
}

/// A step that does not divide its field is shorter at the end.
fn uneven(field: &Field, text: &str, whole: &str) -> Option<String> {
    let size = field.max - field.min + 1;
    let steps = text.split(',').filter_map(|part| part.strip_prefix("*/").and_then(number));
    let step = steps.filter(|step| *step > 0).find(|step| !size.is_multiple_of(*step))?;
    let last = field.min + (size - 1) / step * step;
    let rest = field.min + size - last;
    let (name, first) = (field.name, field.min);
    Some(format!(
        "`*/{step}` begins anew with {name} {first} of each {whole}: the step after {name} {last} is only {rest}"
    ))
}

/// Which rule joins the two fields for days, when both say something.
fn days(day: &str, weekday: &str) -> Option<String> {
    if day == "*" || weekday == "*" {
        return None;
    }
    Some(if day.starts_with('*') || weekday.starts_with('*') {
        "a day must fit both the day of month and the day of week, as one of them begins with `*`".to_owned()
    } else {
        "a day of month and a day of week are given: it fires on days that fit either of them, as in any crontab"
            .to_owned()
    })
}

/// Days that some months lack, and no other days.
fn short_months(day: &str, weekday: &str, dialect: Dialect) -> Option<String> {
    let either = dialect == Dialect::Crontab && !day.starts_with('*') && !weekday.starts_with('*');
    let first = *DAY.values(day, dialect).ok()?.first()?;
    (first > DAY_IN_EVERY_MONTH_MAX && !either).then(|| format!("a month without day {first} is left out"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_may_surprise_is_said() {
        for (line, expected) in [
            ("*/5 * * * *", &[][..]),
            ("0 3 * * *", &[]),
            ("* * * * *", &[]),
            ("*/20 */6 1-31 */3 *", &[]),
            ("@hourly", &[]),
            ("every 90s", &[]),
            (
                "every 7m",
                &["a day is no multiple of it: the times are not the same each day (they are counted in UTC)"],
            ),
            ("*/7 * * * *", &["`*/7` begins anew with minute 0 of each hour: the step after minute 56 is only 4"]),
            ("*/45 * * * *", &["`*/45` begins anew with minute 0 of each hour: the step after minute 45 is only 15"]),
            ("0 */5 * * *", &["`*/5` begins anew with hour 0 of each day: the step after hour 20 is only 4"]),
            ("0 0 1 */5 *", &["`*/5` begins anew with month 1 of each year: the step after month 11 is only 2"]),
            ("* 3 * * *", &["the minute is `*`: it fires in each minute of its hours, not once"]),
            (
                "0 0 13 * 5",
                &[
                    "a day of month and a day of week are given: it fires on days that fit either of them, as in any crontab",
                ],
            ),
            (
                "0 0 */2 * 1",
                &["a day must fit both the day of month and the day of week, as one of them begins with `*`"],
            ),
            ("0 0 31 * *", &["a month without day 31 is left out"]),
            ("0 0 30,31 * * ", &["a month without day 30 is left out"]),
            ("0 0 0 31 * SUN", &["with 6 fields the first is the second", "a month without day 31 is left out"]),
            (
                "*/7 0 0 ? * * *",
                &[
                    "with 7 fields the first is the second",
                    "`*/7` begins anew with second 0 of each minute: the step after second 56 is only 4",
                ],
            ),
        ] {
            assert_eq!(Schedule::parse(line).unwrap().notes(), expected, "{line}");
        }
    }
}
