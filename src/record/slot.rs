//! Between which boundaries of a camera's clock an instant lies. Pure.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Offset, TimeZone, Timelike, Utc};

const HOUR: Duration = Duration::from_hours(1);

/// The piece of a camera's day that one segment is to fill. Boundaries are counted from midnight, which is one too.
///
/// Of pieces of at most an hour the offset is a part: in the night in which clocks go back, each of the two hours has its own.
/// Longer ones keep their boundaries in that night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    day: NaiveDate,
    index: u64,
    offset_seconds: i32,
}

impl Slot {
    /// The piece in which an instant lies.
    #[must_use]
    pub fn of<Z: TimeZone>(instant: DateTime<Utc>, zone: &Z, segment: Duration) -> Self {
        let here = instant.with_timezone(zone);
        let index = u64::from(here.num_seconds_from_midnight()) / segment.as_secs().max(1);
        let offset_seconds = if segment <= HOUR { here.offset().fix().local_minus_utc() } else { 0 };
        Self { day: here.date_naive(), index, offset_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Tz;

    fn slot(instant: &str, zone: &str, seconds: u64) -> Slot {
        let zone: Tz = zone.parse().expect("a zone");
        Slot::of(instant.parse().expect("an instant"), &zone, Duration::from_secs(seconds))
    }

    #[test]
    fn a_segment_ends_at_boundaries_counted_from_midnight() {
        let is_one = |a, b, seconds| slot(a, "Asia/Kolkata", seconds) == slot(b, "Asia/Kolkata", seconds);
        assert!(is_one("2026-11-21T05:30:00Z", "2026-11-21T06:29:59.999Z", 3600));
        assert!(!is_one("2026-11-21T06:29:59.999Z", "2026-11-21T06:30:00Z", 3600));
        // Midnight there; seven minutes do not fill a day.
        assert!(!is_one("2026-11-21T18:29:59Z", "2026-11-21T18:30:00Z", 420));
        assert!(is_one("2026-11-21T18:25:00Z", "2026-11-21T18:29:59Z", 420));
        assert!(is_one("2026-11-20T18:30:00Z", "2026-11-21T18:29:59Z", 86_400));
    }

    #[test]
    fn dst_ends_a_segment_of_an_hour_and_keeps_the_boundaries_of_a_day() {
        // 02:30 CEST, and an hour later 02:30 CET.
        assert_ne!(
            slot("2026-10-25T00:30:00Z", "Europe/Berlin", 3600),
            slot("2026-10-25T01:30:00Z", "Europe/Berlin", 3600)
        );
        let is_one = |a, b, seconds| slot(a, "Europe/Berlin", seconds) == slot(b, "Europe/Berlin", seconds);
        assert!(is_one("2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", 86_400), "a day of 25 hours");
        assert!(!is_one("2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z", 86_400));
        assert!(is_one("2026-10-24T22:00:00Z", "2026-10-25T04:59:59Z", 21_600), "midnight to six o'clock");
    }
}
