//! How long to wait before a camera is tried again.
//!
//! A camera that gives nothing is asked less and less often, up to once a minute, for ever. One that gave pictures before
//! it broke off is asked again soon: every second that is not recorded is lost.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause for a camera that gives nothing.
const LONGEST: Duration = Duration::from_mins(1);
/// The longest for one that breaks off again and again.
const LONGEST_AFTER_PICTURES: Duration = Duration::from_secs(4);
/// After as much recording the first pause is the first again.
const STEADY: Duration = Duration::from_mins(1);

/// What is known of a camera's last tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// Tries in a row that did not last.
    failures: u32,
}

impl Backoff {
    /// A try has ended after `recorded` time with pictures; the pause before the next. `random` is any number: it spreads
    /// the tries of cameras that went away together over a quarter of the pause.
    #[must_use]
    pub fn pause(&mut self, recorded: Option<Duration>, random: u64) -> Duration {
        if recorded.is_some_and(|recorded| recorded >= STEADY) {
            self.failures = 0;
        }
        let longest = if recorded.is_some() { LONGEST_AFTER_PICTURES } else { LONGEST };
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        // Between three and five quarters.
        pause / 4 * 3 + pause / 2 * u32::try_from(random % 1000).unwrap_or(0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(recorded: Option<Duration>) -> Vec<u64> {
        let mut backoff = Backoff::default();
        (0..9).map(|_| backoff.pause(recorded, 500).as_secs()).collect()
    }

    #[test]
    fn pauses_grow_and_recording_ends_that() {
        assert_eq!(pauses(None), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pauses(Some(Duration::from_secs(3))), [1, 2, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(pauses(Some(Duration::from_mins(10))), [1; 9]);
    }

    proptest::proptest! {
        #[test]
        fn no_pause_is_far_from_its_middle(tries in 0_usize..5000, random: u64) {
            let mut backoff = Backoff::default();
            for _ in 0..tries {
                let _ = backoff.pause(None, random);
            }
            let pause = backoff.pause(None, random);
            proptest::prop_assert!(pause >= FIRST * 3 / 4 && pause <= LONGEST * 5 / 4, "{pause:?}");
        }
    }
}
