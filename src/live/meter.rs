//! The rate of a growing count.

use std::collections::VecDeque;
use std::time::Duration;

/// The window of the rate.
const WINDOW: Duration = Duration::from_secs(15);

/// Over a shorter time there is no rate: a single frame would change it too much.
const LEAST: Duration = Duration::from_secs(1);

/// Samples closer together than this are ignored.
const STEP: Duration = Duration::from_millis(500);

/// Some cameras begin with all frames that they have buffered: a count from so early is misleading, and is dropped as soon
/// as a later one exists.
const BACKLOG: Duration = Duration::from_millis(1500);

/// The rate of a growing count (frames, bytes) over the last 15 seconds. It is known from the second sample on, when that is
/// at least a second after the first; the time until a camera's first frame does not count.
///
/// A count that falls is that of a new connection: the window restarts. Times are those of any monotonic clock, with
/// any beginning.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// When the first sample came.
    began: Duration,
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// The count was `count` at the time `at`.
    pub fn sample(&mut self, at: Duration, count: u64) {
        match self.samples.back() {
            Some(&(last_at, last)) if count < last || at < last_at => self.samples.clear(),
            _ => {}
        }
        let (len, is_near) = (self.samples.len(), |before: &(Duration, u64)| at.saturating_sub(before.0) < STEP);
        if len >= 2 && self.samples.get(len - 2).is_some_and(is_near) {
            self.samples.pop_back();
        }
        if self.samples.is_empty() {
            self.began = at;
        }
        self.samples.push_back((at, count));
        // The newest sample older than the window is its beginning.
        while self.samples.get(1).is_some_and(|second| at.saturating_sub(second.0) >= WINDOW) {
            self.samples.pop_front();
        }
        let is_known_without = |second: &(Duration, u64)| at.saturating_sub(second.0) >= LEAST;
        while self.samples.front().is_some_and(|first| first.0.saturating_sub(self.began) < BACKLOG)
            && self.samples.get(1).is_some_and(is_known_without)
        {
            self.samples.pop_front();
        }
    }

    /// Restarts the window, as for a new connection.
    pub fn restart(&mut self) {
        self.samples.clear();
    }

    /// The count per second; none until known. Zero if nothing arrived in the window.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people and metrics")]
    pub fn per_second(&self, now: Duration) -> Option<f64> {
        let (&(from, first), &(to, last)) = (self.samples.front()?, self.samples.back()?);
        if now.saturating_sub(to) >= WINDOW {
            return Some(0.0);
        }
        let span = to.saturating_sub(from);
        (span >= LEAST).then(|| (last - first) as f64 / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn meter_rate_is_right_from_the_second_sample() {
        let mut meter = Meter::default();
        assert_eq!(meter.per_second(at(3.0)), None);
        meter.sample(at(3.0), 2);
        assert_eq!(meter.per_second(at(3.0)), None);
        meter.sample(at(8.0), 77);
        assert_eq!(meter.per_second(at(9.0)), Some(15.0));
    }

    #[test]
    fn meter_forgets_buffered_frames_soon() {
        let mut meter = Meter::default();
        for (second, count) in [(3.0, 1), (5.0, 131), (7.0, 161)] {
            meter.sample(at(second), count);
        }
        assert_eq!(meter.per_second(at(7.0)), Some(15.0));
        meter.sample(at(9.0), 191);
        assert_eq!(meter.per_second(at(9.0)), Some(15.0));
    }

    #[test]
    fn meter_rate_follows_a_change_within_the_window() {
        let mut meter = Meter::default();
        for second in 0..60_u32 {
            meter.sample(at(f64::from(second)), u64::from(second) * 25);
        }
        for second in 60..=75_u32 {
            meter.sample(at(f64::from(second)), 59 * 25 + u64::from(second - 59) * 10);
        }
        assert_eq!(meter.per_second(at(75.0)), Some(10.0));
    }

    #[test]
    fn meter_rate_is_zero_without_data_and_restarts_with_ffmpeg() {
        let mut meter = Meter::default();
        meter.sample(at(0.0), 0);
        meter.sample(at(5.0), 100);
        assert_eq!(meter.per_second(at(19.0)), Some(20.0));
        assert_eq!(meter.per_second(at(20.0)), Some(0.0));
        meter.sample(at(21.0), 1);
        assert_eq!(meter.per_second(at(21.0)), None);
        meter.sample(at(23.0), 21);
        assert_eq!(meter.per_second(at(23.0)), Some(10.0));
        meter.restart();
        assert_eq!(meter.per_second(at(23.0)), None);
    }

    proptest! {
        /// Whatever the times of the samples, a constant rate is found, and few samples are kept.
        #[test]
        fn meter_rate_of_a_constant_stream(
            rate in 1_u32..10_000,
            steps in prop::collection::vec(1_u32..6000, 1..200),
        ) {
            let (mut meter, mut millis) = (Meter::default(), 0_u64);
            for step in steps {
                millis += u64::from(step);
                meter.sample(Duration::from_millis(millis), millis * u64::from(rate));
                prop_assert!(meter.samples.len() <= 32, "{} samples", meter.samples.len());
                if let Some(told) = meter.per_second(Duration::from_millis(millis)) {
                    let expected = f64::from(rate) * 1000.0;
                    prop_assert!((told - expected).abs() < 1e-6 * expected, "{rate} instead of {expected}");
                }
            }
        }

        /// For any counts and clocks, a rate is a finite number and never negative.
        #[test]
        fn meter_rate_is_finite(samples in prop::collection::vec((0_u64..100_000, any::<u64>()), 0..50), now in 0_u64..200_000) {
            let mut meter = Meter::default();
            for (millis, count) in samples {
                meter.sample(Duration::from_millis(millis), count);
                let rate = meter.per_second(Duration::from_millis(now));
                prop_assert!(rate.is_none_or(|rate| rate.is_finite() && rate >= 0.0), "{rate:?}");
            }
        }
    }
}
