use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Violation;

/// An instant in UTC, in whole microseconds since the Unix epoch.
///
/// Microseconds, because that is the finest that every storage keeps: what was written compares equal when read back.
/// Arithmetic saturates, so no configured duration can overflow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` of RFC 7519 section 2.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Takes a time after RFC 3339 with any offset; what is finer than a microsecond is cut off.
    pub fn parse_rfc3339(typed: &str) -> Result<Self, Violation> {
        let instant = OffsetDateTime::parse(typed, &Rfc3339).ok();
        let micros =
            instant.and_then(|instant| i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000)).ok());
        micros.map(Self).ok_or(Violation::new(
            "time_invalid",
            "A time is written as RFC 3339 has it: 2026-11-24T06:00:00Z.",
        ))
    }

    /// RFC 3339 in UTC, as the wire shows times. Instants past the year 9999 are shown as its end.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .ok()
            .and_then(|instant| instant.format(&Rfc3339).ok())
            .unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_since_never_goes_negative() {
        let start = Timestamp::from_unix_seconds(1_000);
        assert_eq!((start + Duration::from_secs(5)).since(start), Duration::from_secs(5));
        assert_eq!(start.since(start + Duration::from_secs(5)), Duration::ZERO);
        assert!(start + Duration::MAX > start);
    }

    #[test]
    fn shows_itself_in_rfc_3339() {
        assert_eq!(Timestamp::from_unix_seconds(0).to_rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix_micros(i64::MAX).to_rfc3339(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn reads_rfc_3339_and_nothing_else() {
        for (typed, shown) in [
            ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z"),
            ("2026-11-24T06:00:00+05:30", "2026-11-24T00:30:00Z"),
            ("2026-11-24T06:00:00.1234567Z", "2026-11-24T06:00:00.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(typed).unwrap().to_rfc3339(), shown);
        }
        for bad in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T06:00:00",
            "2026-02-30T06:00:00Z",
            "2026-11-24T24:00:01Z",
            "1800000000",
        ] {
            assert!(Timestamp::parse_rfc3339(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
