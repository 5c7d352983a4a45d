//! A transfer that comes too slowly to be waited for. A camera or a server that drips a byte now and then answers within every
//! timeout, and would hold a pass for ever.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::units::{ByteSize, human_duration};

/// No Wi-Fi over which a recording comes home is as slow: one of 80 MB would take a day.
const LEAST_PER_SECOND: ByteSize = ByteSize(1000);
/// So many times `--timeout` a transfer may be slower.
const TIMEOUTS: u32 = 6;

/// How long a transfer may be too slow.
#[must_use]
pub fn patience(timeout: Duration) -> Duration {
    timeout.saturating_mul(TIMEOUTS)
}

/// Whether so few bytes in so long a time are too few.
#[must_use]
pub fn is_too_slow(bytes: u64, time: Duration, timeout: Duration) -> bool {
    time >= patience(timeout) && u128::from(bytes) * 1000 < u128::from(LEAST_PER_SECOND.0) * time.as_millis()
}

/// A body that fails when it comes too slowly. Time in which nobody reads from it does not count: `--limit-rate` may be as low
/// as one likes.
#[derive(Debug)]
pub struct Steady<R> {
    body: R,
    timeout: Duration,
    /// What came of late, and how long it was waited for.
    bytes: u64,
    waited: Duration,
}

impl<R> Steady<R> {
    /// A body of which each byte may take `timeout`.
    #[must_use]
    pub fn new(body: R, timeout: Duration) -> Self {
        Self { body, timeout, bytes: 0, waited: Duration::ZERO }
    }

    /// Counts what a read brought. What came at first does not make up for what comes no more.
    fn count(&mut self, bytes: u64, waited: Duration) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if is_too_slow(self.bytes, self.waited, self.timeout) {
            let why = format!("slower than {LEAST_PER_SECOND}/s for {}", human_duration(self.waited));
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        if self.waited >= patience(self.timeout) {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
        Ok(())
    }
}

impl<R: Read> Read for Steady<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        let bytes = self.body.read(buffer)?;
        // An end is none too early.
        if bytes > 0 {
            self.count(bytes as u64, began.elapsed())?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn min_rate_fails_a_slow_body_after_a_minute() {
        let second = Duration::from_secs(1);
        let lasts = |per_second: u64| {
            let mut body = Steady::new(io::empty(), TIMEOUT);
            (1..=600).find(|_| body.count(per_second, second).is_err())
        };
        assert_eq!((lasts(1), lasts(999), lasts(1000)), (Some(60), Some(60), None));
    }

    #[test]
    fn min_rate_forgets_earlier_bytes() {
        let mut body = Steady::new(io::empty(), TIMEOUT);
        body.count(1 << 30, Duration::from_secs(20)).expect("fast");
        let dripped = (1..=600).find(|_| body.count(1, Duration::from_secs(1)).is_err());
        assert_eq!(dripped, Some(100));
    }

    #[test]
    fn min_rate_ignores_an_error_at_the_beginning() {
        assert!(!is_too_slow(0, Duration::from_secs(59), TIMEOUT));
        assert!(is_too_slow(59_999, Duration::from_mins(1), TIMEOUT));
        assert!(!is_too_slow(60_000, Duration::from_mins(1), TIMEOUT));
    }
}
