//! `--limit-rate` while a pass goes on: the timetable's pace now, kept by all workers together.

use std::time::Instant;

use chrono::NaiveDateTime;

use super::timetable::{Pace, Timetable};
use crate::error::Result;
use crate::rate::Limiter;
use crate::stop::Stop;

/// Shared by all workers.
#[derive(Debug)]
pub struct Pacer {
    timetable: Timetable,
    limiter: Limiter,
    /// What the clock on the wall showed when the pass began, and when that was.
    began: (NaiveDateTime, Instant),
}

impl Pacer {
    /// For a pass that begins now.
    #[must_use]
    pub fn new(timetable: Timetable, local_now: NaiveDateTime) -> Self {
        let pacer = Self { timetable, limiter: Limiter::new(None), began: (local_now, Instant::now()) };
        pacer.look();
        pacer
    }

    /// Whether nothing is to be begun at this time of day.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.look() == Pace::Paused
    }

    /// How much to send at once, at most `most`.
    #[must_use]
    pub fn at_once(&self, most: usize) -> usize {
        self.look();
        self.limiter.at_once(most)
    }

    /// `bytes` go out: waits until that is in order.
    ///
    /// # Errors
    /// A stop was asked for.
    pub fn pace(&self, bytes: u64, stop: &Stop) -> Result<()> {
        self.limiter.pace(bytes, stop)
    }

    fn look(&self) -> Pace {
        if self.timetable.is_free() {
            return Pace::Free;
        }
        let (local, instant) = self.began;
        let now = local + chrono::Duration::from_std(instant.elapsed()).unwrap_or_default();
        let pace = self.timetable.at(now.time());
        self.limiter.set(match pace {
            Pace::Limited(rate) => Some(rate),
            // A part that was begun may come to its end.
            Pace::Free | Pace::Paused => None,
        });
        pace
    }
}
