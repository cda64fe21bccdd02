//! When something happens: crontab lines, `@hourly` and friends, `every 90s`.
//!
//! Five fields mean what crontab(5) means. Six or seven fields (seconds first, year last) mean what the `cron` crate
//! means, but name weekdays only by name, since its numbers begin with Sunday as 1.
//!
//! Times are found on the clock on the wall and only then turned into instants, so that daylight saving time neither
//! loses a fire nor doubles one: an hour written as `*` or `*/2` follows the clock and fires in both runs of a repeated
//! hour; a fixed hour fires once, in the first of them, and a fixed time that is skipped fires right after the gap.

mod notes;

use super::value;
use crate::model::Timestamp;
use chrono::{Duration as Delta, LocalResult, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest line accepted, in bytes.
const LINE_BYTES_MAX: usize = 512;
/// A line must fire within this many days: five years, so that 29 February is accepted.
const NEXT_FIRE_DAYS_MAX: i64 = 5 * 366;
/// The longest time between two fires of `every`.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most wall-clock times looked at for one answer: a day of seconds, the largest jump a clock has ever made.
const CANDIDATES_MAX: usize = 24 * 60 * 60 + 60;
/// Minutes in the largest gap of a clock.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// A parsed line. Equal when written alike; shown as written.
#[derive(Clone)]
pub struct Schedule {
    line: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// At every multiple of this many seconds since 1970: the same instants whenever the program was started.
    Every(i64),
    /// By the clock on the wall.
    Clock {
        /// The earliest of any of them counts: two when day of month and day of week are both restricted.
        any_of: Vec<cron::Schedule>,
        /// Whether the hour field begins with `*`.
        follows_clock: bool,
    },
}

impl Schedule {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong, naming the field; also when the line does not fire within five years from now.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let kind = if word.eq_ignore_ascii_case("every") { every(rest)? } else { clock(line)? };
        let schedule = Self { line: line.to_owned(), kind };
        let now = Timestamp::now();
        let limit = now.as_second() + NEXT_FIRE_DAYS_MAX * 24 * 60 * 60;
        match schedule.next_after(now, Tz::UTC) {
            Some(next) if next.as_second() <= limit => Ok(schedule),
            _ => Err("does not fire within five years: check day of month, month and year".to_owned()),
        }
    }

    /// The first fire strictly after `now`, by the clock of `timezone`; `None` when there is none any more.
    pub fn next_after(&self, now: Timestamp, timezone: Tz) -> Option<Timestamp> {
        match &self.kind {
            Kind::Every(seconds) => {
                Timestamp::from_second((now.as_second().div_euclid(*seconds) + 1).checked_mul(*seconds)?).ok()
            }
            Kind::Clock { any_of, follows_clock } => next_by_clock(any_of, *follows_clock, now, timezone),
        }
    }

    /// The line as written.
    pub fn as_str(&self) -> &str {
        &self.line
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.line == other.line
    }
}
impl Eq for Schedule {}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.line)
    }
}

/// The system's timezone, UTC where it has none with a name.
pub(super) fn system_timezone() -> Tz {
    jiff::tz::TimeZone::system().iana_name().and_then(|name| Tz::from_str(name).ok()).unwrap_or(Tz::UTC)
}

fn next_by_clock(any_of: &[cron::Schedule], follows_clock: bool, now: Timestamp, timezone: Tz) -> Option<Timestamp> {
    let utc = chrono::DateTime::<Utc>::from_timestamp(now.as_second(), 0)?.naive_utc();
    let offset = i64::from(timezone.offset_from_utc_datetime(&utc).fix().local_minus_utc());
    let wall_now = utc.checked_add_signed(Delta::seconds(offset))?;
    // In the first run of a repeated hour, a time on the wall that has been comes again.
    let goes_back = match timezone.from_local_datetime(&wall_now) {
        LocalResult::Ambiguous(first, second) if second.timestamp() > now.as_second() => second - first,
        LocalResult::Ambiguous(..) | LocalResult::Single(_) | LocalResult::None => Delta::zero(),
    };
    let mut wall = wall_now.checked_sub_signed(goes_back)?.checked_sub_signed(Delta::seconds(1))?;
    let mut best: Option<Timestamp> = None;
    for _ in 0..CANDIDATES_MAX {
        // The earliest instant of each time on the wall never goes back: past `best`, nothing better comes.
        let Some(next) = any_of.iter().filter_map(|each| each.after(&wall.and_utc()).next()).min() else { break };
        wall = next.naive_utc();
        let (first, second, is_gap) = match timezone.from_local_datetime(&wall) {
            LocalResult::Single(at) => (at, None, false),
            LocalResult::Ambiguous(first, second) => (first, Some(second), false),
            LocalResult::None => (after_gap(wall, timezone)?, None, true),
        };
        let first = Timestamp::from_second(first.timestamp()).ok()?;
        if best.is_some_and(|best| best <= first) {
            break;
        }
        if first > now && !(is_gap && follows_clock) {
            best = Some(first);
            break;
        }
        if let Some(second) = second.filter(|_| follows_clock) {
            let second = Timestamp::from_second(second.timestamp()).ok()?;
            if second > now && best.is_none_or(|best| second < best) {
                best = Some(second);
            }
        }
    }
    best
}

/// The first instant after the gap that `wall` is in. Clocks jump at whole minutes.
fn after_gap(wall: NaiveDateTime, timezone: Tz) -> Option<chrono::DateTime<Tz>> {
    let wall = wall.with_second(0)?;
    (1..=GAP_MINUTES_MAX)
        .find_map(|minutes| timezone.from_local_datetime(&wall.checked_add_signed(Delta::minutes(minutes))?).earliest())
}

fn every(interval: &str) -> Result<Kind, String> {
    let interval = value::duration(interval.trim()).map_err(|complaint| complaint.message)?;
    if interval.as_secs() == 0 || interval.subsec_nanos() != 0 || interval > EVERY_MAX {
        return Err("`every` takes whole seconds, from 1s to 366d".to_owned());
    }
    i64::try_from(interval.as_secs()).map(Kind::Every).map_err(|error| error.to_string())
}

fn clock(line: &str) -> Result<Kind, String> {
    let line = match line.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * SUN",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        "@reboot" => return Err("`@reboot` is not a time; a pass runs at every start anyway".to_owned()),
        word if word.starts_with('@') => {
            return Err(format!("{line:?} is not one of @hourly, @daily, @weekly, @monthly, @yearly"));
        }
        _ => line,
    };
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    match fields.as_slice() {
        [minute, hour, day, month, weekday] => crontab(minute, hour, day, month, weekday),
        [second, minute, hour, day, month, weekday] => with_seconds(second, minute, hour, day, month, weekday, "*"),
        [second, minute, hour, day, month, weekday, year] => {
            with_seconds(second, minute, hour, day, month, weekday, year)
        }
        others => Err(format!("{} fields, where five are wanted (six or seven with seconds and year)", others.len())),
    }
}

/// Five fields, crontab(5): when day of month and day of week are both restricted, either is enough.
fn crontab(minute: &str, hour: &str, day: &str, month: &str, weekday: &str) -> Result<Kind, String> {
    let minutes = MINUTE.list(minute, Dialect::Crontab)?;
    let hours = HOUR.list(hour, Dialect::Crontab)?;
    let days = DAY.list(day, Dialect::Crontab)?;
    let months = MONTH.list(month, Dialect::Crontab)?;
    let weekdays = WEEKDAY.list(weekday, Dialect::Crontab)?;
    let built = |days: &str, weekdays: &str| build(&format!("0 {minutes} {hours} {days} {months} {weekdays} *"));
    // As in Vixie's cron, a field counts as unrestricted when it begins with an asterisk, `*/2` too.
    let any_of = if day.starts_with('*') || weekday.starts_with('*') {
        vec![built(&days, &weekdays)?]
    } else {
        vec![built(&days, "*")?, built("*", &weekdays)?]
    };
    Ok(Kind::Clock { any_of, follows_clock: hour.starts_with('*') })
}

/// Six or seven fields, as the `cron` crate: day of month and day of week must both fit.
fn with_seconds(
    second: &str,
    minute: &str,
    hour: &str,
    day: &str,
    month: &str,
    weekday: &str,
    year: &str,
) -> Result<Kind, String> {
    let line = [
        SECOND.list(second, Dialect::Seconds)?,
        MINUTE.list(minute, Dialect::Seconds)?,
        HOUR.list(hour, Dialect::Seconds)?,
        DAY.list(day, Dialect::Seconds)?,
        MONTH.list(month, Dialect::Seconds)?,
        WEEKDAY.list(weekday, Dialect::Seconds)?,
        YEAR.list(year, Dialect::Seconds)?,
    ]
    .join(" ");
    Ok(Kind::Clock { any_of: vec![build(&line)?], follows_clock: hour.starts_with(['*', '?']) })
}

fn build(line: &str) -> Result<cron::Schedule, String> {
    cron::Schedule::from_str(line).map_err(|error| error.to_string())
}

/// Whose rules a field is read by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// crontab(5).
    Crontab,
    /// The `cron` crate.
    Seconds,
}

/// One field of a line.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names from `min` on, of which three letters are enough.
    names: &'static [&'static str],
    /// Whether a range may go over the end: `22-6`.
    wraps: bool,
}

const SECOND: Field = Field { name: "second", min: 0, max: 59, names: &[], wraps: true };
const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[], wraps: true };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[], wraps: true };
const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[], wraps: true };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
    wraps: true,
};
/// Sunday is 0; 7 is read as 0.
const WEEKDAY: Field = Field { name: "day of week", min: 0, max: 6, names: WEEKDAYS, wraps: true };
const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const YEAR: Field = Field { name: "year", min: 1970, max: 2100, names: &[], wraps: false };

impl Field {
    fn is_weekday(&self) -> bool {
        self.name == WEEKDAY.name
    }

    /// The field as a plain list that the `cron` crate reads without doubt: no ranges, no steps, weekdays by name.
    fn list(&self, text: &str, dialect: Dialect) -> Result<String, String> {
        let values = self.values(text, dialect)?;
        if values.len() == (self.max - self.min + 1) as usize {
            return Ok("*".to_owned());
        }
        let name = |value: &u32| match WEEKDAYS.get(*value as usize).filter(|_| self.is_weekday()) {
            Some(day) => day[..3].to_ascii_uppercase(),
            None => value.to_string(),
        };
        Ok(values.iter().map(name).collect::<Vec<_>>().join(","))
    }

    fn values(&self, text: &str, dialect: Dialect) -> Result<BTreeSet<u32>, String> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            self.part(part, dialect, &mut values).map_err(|message| format!("{}: {message}", self.name))?;
        }
        Ok(values)
    }

    /// `*`, `3`, `1-5`, each with `/2` behind it where that means something.
    fn part(&self, text: &str, dialect: Dialect, values: &mut BTreeSet<u32>) -> Result<(), String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (text, None),
        };
        let (first, last) = if range == "*" || (range == "?" && dialect == Dialect::Seconds) {
            (self.min, self.max)
        } else if let Some((first, last)) = range.split_once('-') {
            self.range(self.value(first, dialect)?, self.value(last, dialect)?, range)?
        } else {
            let value = self.value(range, dialect)?;
            match (step, dialect) {
                (None, _) => (value, value),
                (Some(_), Dialect::Seconds) => (value, self.max),
                (Some(step), Dialect::Crontab) => {
                    return Err(format!("a step needs a range: write {range}-{}/{step} or */{step}", self.max));
                }
            }
        };
        let size = self.max - self.min + 1;
        let step = step.unwrap_or(1) as usize;
        values.extend((first..=last).step_by(step).map(|value| (value - self.min) % size + self.min));
        Ok(())
    }

    /// First and last, the latter beyond `max` when the range goes over the end.
    fn range(&self, first: u32, last: u32, text: &str) -> Result<(u32, u32), String> {
        // `5-7` ends at 7, which is 0 again; `7-2` ends at 9, which is 2.
        match (first <= last, self.wraps) {
            (true, _) => Ok((first, last)),
            (false, true) => Ok((first, last + self.max - self.min + 1)),
            (false, false) => Err(format!("`{text}` goes backwards")),
        }
    }

    fn step(&self, text: &str) -> Result<u32, String> {
        let size = self.max - self.min + 1;
        number(text)
            .filter(|step| (1..=size).contains(step))
            .ok_or_else(|| format!("the step `{}` is not a number from 1 to {size}", text.escape_debug()))
    }

    fn value(&self, text: &str, dialect: Dialect) -> Result<u32, String> {
        let word = text.to_ascii_lowercase();
        let named = |name: &str| word.len() >= 3 && name.starts_with(&word);
        if let Some(index) = self.names.iter().position(|name| named(name)) {
            return Ok(self.min + index as u32);
        }
        let max = if self.is_weekday() { 7 } else { self.max };
        match number(text) {
            Some(value) if self.is_weekday() && dialect == Dialect::Seconds => {
                let day = WEEKDAYS.get((value % 7) as usize).map_or("MON".into(), |day| day[..3].to_ascii_uppercase());
                Err(format!(
                    "in a line with seconds write days by name (MON): `{text}` is {day} in a crontab and another day \
                     elsewhere"
                ))
            }
            Some(value) if (self.min..=max).contains(&value) => Ok(value),
            Some(_) => Err(format!("`{text}` is not within {} to {max}", self.min)),
            None if text.is_empty() => Err("a number is missing".to_owned()),
            None => {
                let example = match (self.names.first(), self.is_weekday()) {
                    (_, true) => " or a day such as MON",
                    (Some(_), false) => " or a month such as JAN",
                    (None, false) => "",
                };
                Err(format!("`{}` is not a number from {} to {max}{example}", text.escape_debug(), self.min))
            }
        }
    }
}

/// Digits only: `str::parse` would also take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
