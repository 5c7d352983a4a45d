//! How long to wait before a camera is tried again.
//!
//! A camera that gives nothing is asked less and less often, up to once a minute, for ever. One that gave frames before
//! it broke off is asked again soon: every second that is not recorded is lost.

use std::time::Duration;

use crate::backoff::Backoff;

/// For a camera that gives nothing.
const SILENT: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
/// For one that breaks off again and again.
const BROKEN_OFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(4) };
/// After as much recording the first pause is the first again.
const STEADY: Duration = Duration::from_mins(1);

/// What is known of a camera's last tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Tries in a row that did not last.
    failures: u32,
}

impl Retries {
    /// A try has ended after `recorded` time with frames; the pause before the next, see [`Backoff::wait`].
    #[must_use]
    pub fn pause(&mut self, recorded: Option<Duration>, random: u64) -> Duration {
        if recorded.is_some_and(|recorded| recorded >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let backoff = if recorded.is_some() { BROKEN_OFF } else { SILENT };
        backoff.wait(self.failures, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(recorded: Option<Duration>) -> Vec<u64> {
        let mut retries = Retries::default();
        (0..9).map(|_| retries.pause(recorded, 512).as_secs()).collect()
    }

    #[test]
    fn retry_pauses_grow_until_a_camera_records() {
        assert_eq!(pauses(None), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pauses(Some(Duration::from_secs(3))), [1, 2, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(pauses(Some(Duration::from_mins(10))), [1; 9]);
    }
}
