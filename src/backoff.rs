//! How long to wait before something that failed is tried again: longer after each failure, and never all at the same time. Pure.

use std::time::Duration;

/// Waits that grow from `first` to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// About the wait after the first failure.
    pub first: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row, at least one. `random` is anything: several that fail together must not
    /// come back together, so the wait is between a half and the whole of what it doubles to.
    #[must_use]
    pub fn wait(self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let half = doubled.min(self.most) / 2;
        let part = u32::try_from(random % 1024).unwrap_or(0);
        half + half * part / 1023
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };
        for (failures, least, most) in
            [(1, 500, 1000), (2, 1000, 2000), (5, 8000, 16_000), (6, 15_000, 30_000), (4_000_000_000, 15_000, 30_000)]
        {
            assert_eq!(backoff.wait(failures, 0), Duration::from_millis(least), "{failures}");
            assert_eq!(backoff.wait(failures, 1023), Duration::from_millis(most), "{failures}");
            let between = backoff.wait(failures, u64::MAX / 3);
            assert!(between >= Duration::from_millis(least) && between <= Duration::from_millis(most));
        }
    }
}
