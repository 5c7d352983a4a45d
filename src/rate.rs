//! `--limit-rate`: no more bytes in a second than asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::stop::Stop;
use crate::units::ByteSize;

/// Reads are cut to this part of a second's bytes, so that a slow rate flows instead of coming in bursts.
const SLICES_PER_SECOND: u64 = 10;
/// After a pause in the source no more than this is caught up.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

/// Paces a stream of bytes, or several together.
#[derive(Debug)]
pub struct Limiter {
    /// Bytes in a second; 0 is no limit.
    rate: AtomicU64,
    /// When everything that has passed so far should have.
    due: Mutex<Option<Instant>>,
}

impl Limiter {
    /// Without a rate nothing is ever held back.
    #[must_use]
    pub fn new(rate: Option<ByteSize>) -> Self {
        let limiter = Self { rate: AtomicU64::new(0), due: Mutex::new(None) };
        limiter.set(rate);
        limiter
    }

    /// Another rate from now on.
    pub fn set(&self, rate: Option<ByteSize>) {
        self.rate.store(rate.map_or(0, |rate| rate.0.max(1)), Ordering::Relaxed);
    }

    /// How much to read at once, at most `most`.
    #[must_use]
    pub fn at_once(&self, most: usize) -> usize {
        match self.rate.load(Ordering::Relaxed) {
            0 => most,
            rate => usize::try_from((rate / SLICES_PER_SECOND).max(1)).unwrap_or(usize::MAX).min(most),
        }
    }

    /// `bytes` have passed: waits until that is in order.
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
}
