//! `--limit-rate`: no more bytes in a second than the timetable allows now, for all workers of a pass together.

mod timetable;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

pub use self::timetable::{Pace, Timetable};
use crate::error::Result;
use crate::stop::Stop;

/// Reads are cut to this part of a second's bytes, so that a slow rate flows instead of coming in bursts.
const SLICES_PER_SECOND: u64 = 10;
/// After a pause in the source no more than this is caught up.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

/// Keeps a pass to its timetable. Shared by all workers.
#[derive(Debug)]
pub struct Pacer {
    timetable: Timetable,
    /// What the clock on the wall showed when the pass began, and when that was.
    began: (NaiveDateTime, Instant),
    /// Bytes in a second; 0 is no limit.
    rate: AtomicU64,
    /// When everything that has passed so far should have.
    due: Mutex<Option<Instant>>,
}

impl Pacer {
    /// For a pass that begins now.
    #[must_use]
    pub fn new(timetable: Timetable, local_now: NaiveDateTime) -> Self {
        let pacer =
            Self { timetable, began: (local_now, Instant::now()), rate: AtomicU64::new(0), due: Mutex::new(None) };
        pacer.look();
        pacer
    }

    /// Whether nothing is to be begun at this time of day.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.look() == Pace::Paused
    }

    /// How many bytes to pass on at once, at most `most`.
    #[must_use]
    pub fn at_once(&self, most: usize) -> usize {
        self.look();
        match self.rate.load(Ordering::Relaxed) {
            0 => most,
            rate => usize::try_from((rate / SLICES_PER_SECOND).max(1)).unwrap_or(usize::MAX).min(most),
        }
    }

    /// `bytes` pass: waits until that is in order.
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
            let mut last = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let due = last.unwrap_or(now).max(earliest);
            let due = due + Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or_default();
            *last = Some(due);
            due
        };
        stop.sleep(due.saturating_duration_since(now))
    }

    /// The pace at this time of day, which holds from now on.
    fn look(&self) -> Pace {
        if self.timetable.is_free() {
            return Pace::Free;
        }
        let (local, instant) = self.began;
        let now = local + chrono::Duration::from_std(instant.elapsed()).unwrap_or_default();
        let pace = self.timetable.at(now.time());
        let rate = match pace {
            Pace::Limited(rate) => rate.0.max(1),
            // What was begun may come to its end.
            Pace::Free | Pace::Paused => 0,
        };
        self.rate.store(rate, Ordering::Relaxed);
        pace
    }
}
