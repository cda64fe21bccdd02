//! Times for people.

use crate::model::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time to the second, in UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How far a time is from now: `4 min ago`, `in 3 days`.
pub fn from_now(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let span = span(seconds.unsigned_abs().try_into().unwrap_or(i64::MAX));
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {span}"),
        _ => format!("{span} ago"),
    }
}

/// In the largest unit of which there are at least two.
fn span(seconds: i64) -> String {
    let units = [(DAY, "days"), (HOUR, "h"), (MINUTE, "min")];
    let fitting = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, unit) = fitting.unwrap_or((1, "s"));
    format!("{} {unit}", seconds / length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_a_fitting_unit() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let told = |seconds: i64| from_now(Timestamp::from_second(1_700_000_000 + seconds).unwrap(), now);
        assert_eq!(told(0), "now");
        assert_eq!(told(-1), "1 s ago");
        assert_eq!(told(119), "in 119 s");
        assert_eq!(told(-120), "2 min ago");
        assert_eq!(told(7_200), "in 2 h");
        assert_eq!(told(-172_800), "2 days ago");
        assert_eq!(time(now), "2023-11-14T22:13:20Z");
    }
}
