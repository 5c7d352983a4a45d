//! How long to wait before a retry: longer after each failure, with jitter. Pure.

use std::time::Duration;

/// Waits that double from `first` to `most`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, without jitter.
    pub first: Duration,
    /// The longest wait, without jitter.
    pub most: Duration,
}

impl Backoff {
    /// The wait after so many consecutive failures, at least one. `random` is any number: items that failed together must not
    /// retry together, so the wait is between three and five quarters of the doubled value.
    #[must_use]
    pub fn wait(self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(self.most);
        let part = u32::try_from(random % 1024).unwrap_or(0);
        doubled / 4 * 3 + doubled / 2 * part / 1023
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_has_jitter() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };
        for (failures, least, most) in
            [(1, 750, 1250), (2, 1500, 2500), (5, 12_000, 20_000), (6, 22_500, 37_500), (4_000_000_000, 22_500, 37_500)]
        {
            assert_eq!(backoff.wait(failures, 0), Duration::from_millis(least), "{failures}");
            assert_eq!(backoff.wait(failures, 1023), Duration::from_millis(most), "{failures}");
        }
    }

    proptest::proptest! {
        #[test]
        fn backoff_jitter_is_bounded(failures: u32, random: u64) {
            let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };
            let wait = backoff.wait(failures, random);
            proptest::prop_assert!(wait >= backoff.first * 3 / 4 && wait <= backoff.most * 5 / 4, "{wait:?}");
        }
    }
}
