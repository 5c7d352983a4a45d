//! The marks of a clock, at which segments begin. Pure.

use std::time::Duration;

use chrono::{NaiveTime, Timelike};

/// ffmpeg cuts so long after a mark. It takes the names of segments from a clock that moves with the system's tick, which is up
/// to ten milliseconds: right at a mark that still shows the second before. Its segment would be called so, at midnight in the
/// folder of the day before; and where one of that second is open, it would be overwritten.
pub const CUT_AFTER: Duration = Duration::from_millis(20);

/// What may be about to open its first segment is held from so long before a mark.
const HOLD_FROM: Duration = Duration::from_millis(70);
/// Until so long after it.
const HOLD_UNTIL: Duration = CUT_AFTER.saturating_add(Duration::from_millis(10));
/// The clock may be set meanwhile: what is not held is asked for again as soon as this.
const ASK_AGAIN: Duration = Duration::from_mins(1);

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// How long it is to the next mark, by the clock of the camera: they are counted from midnight, which is one too.
#[must_use]
pub fn until_mark(here: NaiveTime, segment: Duration) -> Duration {
    let now = u64::from(here.num_seconds_from_midnight()) * 1000 + u64::from(here.nanosecond() / 1_000_000 % 1000);
    let segment = u64::try_from(segment.as_millis()).unwrap_or(DAY_MILLIS).max(1);
    let next = (now / segment + 1).saturating_mul(segment).min(DAY_MILLIS);
    Duration::from_millis(next - now)
}

/// Whether what may be about to open its first segment is to be held by the clock of its camera, and when to ask again.
#[must_use]
pub fn hold(here: NaiveTime, segment: Duration) -> (bool, Duration) {
    // Also for a late caller, when a boundary is just over.
    let end = until_mark(here - HOLD_UNTIL, segment);
    match end.checked_sub(HOLD_FROM + HOLD_UNTIL).filter(|rest| !rest.is_zero()) {
        Some(rest) => (false, rest.min(ASK_AGAIN)),
        None => (true, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_starts_are_delayed_over_each_boundary() {
        let hold = |clock: &str, seconds| {
            let (is_held, again) = hold(clock.parse().expect("a time"), Duration::from_secs(seconds));
            (is_held, again.as_millis())
        };
        assert_eq!(hold("10:59:59.900", 3600), (false, 30));
        assert_eq!(hold("10:59:59.930", 3600), (true, 100));
        assert_eq!(hold("10:59:59.999", 3600), (true, 31));
        // A busy machine is late.
        assert_eq!(hold("11:00:00.000", 3600), (true, 30));
        assert_eq!(hold("00:00:00.029", 86_400), (true, 1));
        assert_eq!(hold("11:00:00.030", 3600), (false, 60_000));
        assert_eq!(hold("11:00:00.030", 1), (false, 900));
        // An ffmpeg that has ended meanwhile is not remembered until midnight.
        assert_eq!(hold("00:00:01", 86_400), (false, 60_000));
    }

    #[test]
    fn boundaries_are_counted_from_midnight() {
        let until =
            |clock: &str, seconds| until_mark(clock.parse().expect("a time"), Duration::from_secs(seconds)).as_millis();
        assert_eq!(until("10:59:59.950", 3600), 50);
        assert_eq!(until("11:00:00.000", 3600), 3_600_000);
        assert_eq!(until("11:00:00.010", 3600), 3_599_990);
        assert_eq!(until("23:59:58.500", 2), 1500);
        // Seven minutes do not fill a day.
        assert_eq!(until("23:58:00", 420), 120_000);
        assert_eq!(until("23:00:00", 86_400), 3_600_000);
    }
}
