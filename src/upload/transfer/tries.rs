//! Trying again what may pass.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Transfer;
use super::job::Failure;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::random::random;
use crate::upload::s3::error::Trouble;

/// How often a request is tried.
const TRIES: u32 = 5;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(750), most: Duration::from_secs(15) };

/// The tries of one request.
pub(super) struct Tries<'a> {
    transfer: Transfer<'a>,
    failures: u32,
}

impl<'a> Tries<'a> {
    /// None has failed yet.
    pub(super) fn new(transfer: Transfer<'a>) -> Self {
        Self { transfer, failures: 0 }
    }

    /// Waits before another try, or says what comes of it.
    pub(super) fn again(&mut self, trouble: Trouble) -> Result<(), Failure> {
        let Transfer { flow, server, .. } = self.transfer;
        if flow.is_ended.load(Ordering::Relaxed) {
            return Err(Failure::Left);
        }
        self.failures += 1;
        let is_last = self.failures >= TRIES;
        // No worker sends anything more: the others see it at once.
        let end = |error: Error| {
            flow.is_ended.store(true, Ordering::Relaxed);
            Failure::Ended(error)
        };
        let away = |text: String| end(Error::Away(format!("{server} cannot be reached: {text}")));
        let asked = match trouble {
            Trouble::Fatal(error) => return Err(end(error)),
            // A server that never answered is not there; one that did may return in a moment.
            Trouble::Unreachable(text) if is_last || !self.transfer.has_answered.load(Ordering::Relaxed) => {
                return Err(away(text));
            }
            Trouble::Unreachable(text) => {
                log::info!("{server} cannot be reached: {text}");
                None
            }
            Trouble::Passing { reason, message, .. } if is_last => {
                return Err(Failure::File(ItemFailure::passing(reason, message)));
            }
            Trouble::Passing { message, retry_after, .. } => {
                log::info!("{message}; trying again");
                retry_after
            }
            Trouble::NoSuchUpload => return Err(Failure::NoSuchUpload),
            Trouble::NotImplemented(message) | Trouble::Refused(message) => {
                return Err(Failure::File(ItemFailure::passing(FailureReason::Refused, message)));
            }
        };
        let wait = asked.unwrap_or_else(|| BACKOFF.wait(self.failures, random()));
        flow.stop.sleep(wait).map_err(Failure::Ended)
    }
}
