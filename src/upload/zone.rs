//! Time zones: this machine's, or one by its IANA name, compiled in: a container or a NAS need not have it. Pure.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, Local, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};

use crate::zone::Tz;

/// In which zone moments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// That of this machine.
    #[default]
    Host,
    /// `--timezone`
    Named(Tz),
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Named)
    }
}

impl Zone {
    /// How far its clocks are from UTC at this moment of UTC.
    #[must_use]
    pub fn at(self, instant: NaiveDateTime) -> FixedOffset {
        match self {
            Self::Host => Local.offset_from_utc_datetime(&instant).fix(),
            Self::Named(zone) => zone.offset_from_utc_datetime(&instant).fix(),
        }
    }

    /// What the clock on the wall shows.
    #[must_use]
    pub fn digits(self, instant: DateTime<Utc>) -> NaiveDateTime {
        let instant = instant.naive_utc();
        instant + self.at(instant)
    }

    /// The offset of a clock that shows these digits: two where it shows them twice, none where it leaves them out.
    #[must_use]
    pub fn of_digits(self, digits: NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        match self {
            Self::Host => Local.offset_from_local_datetime(&digits).map(|offset| offset.fix()),
            Self::Named(zone) => zone.offset_from_local_datetime(&digits).map(|offset| offset.fix()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> NaiveDateTime {
        text.parse().expect("a time")
    }

    fn offsets(zone: &str, text: &str) -> String {
        let zone: Zone = zone.parse().expect("a zone");
        match zone.of_digits(digits(text)) {
            MappedLocalTime::Single(offset) => offset.to_string(),
            MappedLocalTime::Ambiguous(first, second) => format!("{first} {second}"),
            MappedLocalTime::None => "none".into(),
        }
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        for (zone, time, expected) in [
            ("Asia/Kolkata", "2025-09-07T14:30:00", "+05:30"),
            ("Asia/Kolkata", "1950-01-01T00:00:00", "+05:30"),
            ("Europe/Berlin", "2025-07-01T00:00:00", "+02:00"),
            ("Europe/Berlin", "2025-10-26T01:59:59", "+02:00"),
            ("Europe/Berlin", "2025-10-26T02:00:00", "+02:00 +01:00"),
            ("Europe/Berlin", "2025-10-26T02:59:59", "+02:00 +01:00"),
            ("Europe/Berlin", "2025-10-26T03:00:00", "+01:00"),
            ("Europe/Berlin", "2025-03-30T01:59:59", "+01:00"),
            ("Europe/Berlin", "2025-03-30T02:30:00", "none"),
            ("Europe/Berlin", "2026-03-29T03:00:00", "+02:00"),
            ("Europe/Berlin", "2060-07-01T00:00:00", "+02:00"),
            ("America/New_York", "2025-11-02T01:30:00", "-04:00 -05:00"),
            ("Australia/Lord_Howe", "2025-04-06T01:45:00", "+11:00 +10:30"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "none"),
            ("UTC", "2025-01-01T00:00:00", "+00:00"),
        ] {
            assert_eq!(offsets(zone, time), expected, "{zone} {time}");
        }
    }

    #[test]
    fn what_is_no_zone_says_so() {
        for text in ["", "Mars/Olympus", "+05:30", "Asia"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
