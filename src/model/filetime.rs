//! Times as Windows writes them, in eight bytes.

use super::Timestamp;
use std::fmt;
use std::num::NonZeroU64;

/// A time in steps of 100 nanoseconds since 1601 (FILETIME, MS-DTYP 2.3.3). What is before that is its first step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileTime(NonZeroU64);

/// Steps from 1601 to 1970.
const UNIX_EPOCH_STEPS: i128 = 116_444_736_000_000_000;
const STEP_NS: i128 = 100;

impl From<Timestamp> for FileTime {
    fn from(time: Timestamp) -> Self {
        let steps = time.as_nanosecond().div_euclid(STEP_NS) + UNIX_EPOCH_STEPS;
        Self(u64::try_from(steps).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<FileTime> for Timestamp {
    fn from(FileTime(steps): FileTime) -> Self {
        Self::from_nanosecond((i128::from(steps.get()) - UNIX_EPOCH_STEPS) * STEP_NS).unwrap_or(Self::MAX)
    }
}

/// As RFC 3339.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Timestamp::from(*self), f)
    }
}

impl fmt::Debug for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_to_the_step() {
        for (text, expected) in [
            ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59.99999999Z", "1969-12-31T23:59:59.9999999Z"),
            ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.1234567Z"),
            ("1500-01-01T00:00:00Z", "1601-01-01T00:00:00.0000001Z"),
            ("9999-12-30T22:00:00.9999999Z", "9999-12-30T22:00:00.9999999Z"),
        ] {
            let time = FileTime::from(text.parse::<Timestamp>().unwrap());
            assert_eq!(time.to_string(), expected);
            assert_eq!(FileTime::from(Timestamp::from(time)), time);
        }
        assert!(FileTime::from(Timestamp::MAX) > FileTime::from(Timestamp::UNIX_EPOCH));
        assert_eq!(size_of::<Option<FileTime>>(), 8);
    }
}
