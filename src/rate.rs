//! `--limit-rate`: bounds the bytes per second by the timetable, over all workers of a pass together.

mod timetable;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveTime};

pub use self::timetable::{Pace, Timetable};
use crate::error::Result;
use crate::mutex::lock;
use crate::stop::Stop;
use crate::zone::Tz;

/// Reads are limited to this fraction of a second's bytes, so that a slow rate has no bursts.
const SLICES_PER_SECOND: u64 = 10;
/// After a pause of the source at most this much is caught up.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

/// Limits a pass to its timetable. Shared by all workers.
#[derive(Debug)]
pub struct Pacer {
    timetable: Timetable,
    /// When the pass began, by both clocks.
    began: (DateTime<Tz>, Instant),
    /// Bytes per second; 0 is no limit.
    rate: AtomicU64,
    /// The time at which all bytes so far are due.
    due: Mutex<Option<Instant>>,
}

impl Pacer {
    /// For a pass that begins now.
    #[must_use]
    pub fn new(timetable: Timetable, now: DateTime<Tz>) -> Self {
        let pacer = Self { timetable, began: (now, Instant::now()), rate: AtomicU64::new(0), due: Mutex::new(None) };
        pacer.look();
        pacer
    }

    /// Whether the timetable pauses new transfers now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.look() == Pace::Paused
    }

    /// How many bytes to read at once, at most `most`.
    #[must_use]
    pub fn at_once(&self, most: usize) -> usize {
        self.look();
        match self.rate.load(Ordering::Relaxed) {
            0 => most,
            rate => usize::try_from((rate / SLICES_PER_SECOND).max(1)).unwrap_or(usize::MAX).min(most),
        }
    }

    /// Accounts for `bytes`: sleeps until they are due.
    ///
    /// # Errors
    /// A stop was asked for.
    #[expect(clippy::cast_precision_loss, reason = "a delay needs no exact count")]
    pub fn pace(&self, bytes: u64, stop: &Stop) -> Result<()> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let earliest = now.checked_sub(MAX_CATCH_UP).unwrap_or(now);
        let due = {
            let mut last = lock(&self.due);
            let due = last.unwrap_or(now).max(earliest);
            let due = due + Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or_default();
            *last = Some(due);
            due
        };
        stop.sleep(due.saturating_duration_since(now))
    }

    /// The rate at this time of day, which applies from now on.
    fn look(&self) -> Pace {
        if self.timetable.is_free() {
            return Pace::Free;
        }
        let (began, instant) = &self.began;
        let pace = self.timetable.at(time_of_day(*began, instant.elapsed()));
        let rate = match pace {
            Pace::Limited(rate) => rate.0.max(1),
            Pace::Free => 0,
            // Transfers in progress finish during a pause, at the rate before it.
            Pace::Paused => return pace,
        };
        self.rate.store(rate, Ordering::Relaxed);
        pace
    }
}

/// The wall-clock time so long after a start: DST may have changed in between.
fn time_of_day(began: DateTime<Tz>, elapsed: Duration) -> NaiveTime {
    let elapsed = chrono::Duration::from_std(elapsed).unwrap_or_default();
    began.checked_add_signed(elapsed).unwrap_or(began).naive_local().time()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_timetable_follows_dst_changes() {
        let shown = |began: &str, hours: u64| {
            let zone = Tz::named("Europe/Berlin").expect("a zone");
            let began = began.parse::<DateTime<chrono::Utc>>().expect("a time").with_timezone(&zone);
            time_of_day(began, Duration::from_hours(hours)).to_string()
        };
        for (began, hours, expected) in [
            ("2026-10-24T20:00:00Z", 0, "22:00:00"),
            ("2026-10-24T20:00:00Z", 4, "02:00:00"),
            ("2026-10-24T20:00:00Z", 5, "02:00:00"),
            ("2026-10-24T20:00:00Z", 9, "06:00:00"),
            ("2026-03-28T21:00:00Z", 5, "04:00:00"),
            ("2026-07-01T21:30:00Z", 1, "00:30:00"),
        ] {
            assert_eq!(shown(began, hours), expected, "{hours} hours after {began}");
        }
    }
}
