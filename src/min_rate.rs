//! Fails a transfer below a minimum rate. A camera or a server that sends a byte now and then answers within every
//! timeout, and would block a pass for ever.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::units::{ByteSize, human_duration};

/// No usable Wi-Fi is slower: a recording of 80 MB would take a day.
const LEAST_PER_SECOND: ByteSize = ByteSize(1000);
/// A transfer may be too slow for this many times `--timeout`.
const TIMEOUTS: u32 = 6;

/// How long a transfer may be too slow.
#[must_use]
pub fn patience(timeout: Duration) -> Duration {
    timeout.saturating_mul(TIMEOUTS)
}

/// Whether so few bytes in this time are too few.
#[must_use]
pub fn is_too_slow(bytes: u64, time: Duration, timeout: Duration) -> bool {
    time >= patience(timeout) && u128::from(bytes) * 1000 < u128::from(LEAST_PER_SECOND.0) * time.as_millis()
}

/// A body that fails below the minimum rate. Time in which the caller does not read does not count: `--limit-rate` may be
/// arbitrarily low.
#[derive(Debug)]
pub struct MinRateReader<R> {
    body: R,
    timeout: Duration,
    /// The recent bytes, and how long the reads took.
    bytes: u64,
    waited: Duration,
}

impl<R> MinRateReader<R> {
    /// A body of which each read may take `timeout`.
    #[must_use]
    pub fn new(body: R, timeout: Duration) -> Self {
        Self { body, timeout, bytes: 0, waited: Duration::ZERO }
    }

    /// Counts the bytes of a read. A fast beginning does not make up for a slow rest.
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

impl<R: Read> Read for MinRateReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        let bytes = self.body.read(buffer)?;
        // The end of a body is never too slow.
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
            let mut body = MinRateReader::new(io::empty(), TIMEOUT);
            (1..=600).find(|_| body.count(per_second, second).is_err())
        };
        assert_eq!((lasts(1), lasts(999), lasts(1000)), (Some(60), Some(60), None));
    }

    #[test]
    fn min_rate_forgets_earlier_bytes() {
        let mut body = MinRateReader::new(io::empty(), TIMEOUT);
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
