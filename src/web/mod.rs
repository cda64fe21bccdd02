//! What every client of HTTP needs beside the library: when to come back, what went wrong in words.
//!
//! Deliberately absent: requests. Whoever sends one knows what may be sent twice.

use crate::model::Timestamp;
use std::error::Error;
use std::time::Duration;

/// Seconds, or a date (RFC 9110 10.2.3); one that has passed is now.
pub fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = http_date(text)?;
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// A random number from 0 to 1, so that waits do not end together.
pub fn random_part() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

/// An error with its causes, without what says the same twice.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_named_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = Timestamp::now() + Duration::from_secs(100);
        let written =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later).unwrap_or_default();
        let waited = retry_after(&written);
        assert!(waited.is_some_and(|waited| waited > Duration::from_secs(90)), "{written}: {waited:?}");
        for odd in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_part_is_between_none_and_all() {
        for _ in 0..1_000 {
            assert!((0.0..=1.0).contains(&random_part()));
        }
    }
}
