//! Retries of a request.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Transfer;
use super::job::Failure;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::random::random;
use crate::upload::s3::error::RequestError;

/// How often to try a request.
const TRIES: u32 = 5;
const FEW_TRIES: u32 = 2;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(750), most: Duration::from_secs(15) };

/// The tries of one request.
pub(super) struct Tries<'a> {
    transfer: Transfer<'a>,
    failures: u32,
    most: u32,
}

impl<'a> Tries<'a> {
    /// Before the first.
    pub(super) fn new(transfer: Transfer<'a>) -> Self {
        Self { transfer, failures: 0, most: TRIES }
    }

    /// Before the first of few, for a request that the upload does without.
    pub(super) fn few(transfer: Transfer<'a>) -> Self {
        Self { transfer, failures: 0, most: FEW_TRIES }
    }

    /// Waits before the next try, or returns why there is none.
    pub(super) fn again(&mut self, error: RequestError) -> Result<(), Failure> {
        let Transfer { flow, server, .. } = self.transfer;
        if flow.is_ended.load(Ordering::Relaxed) {
            return Err(Failure::Left);
        }
        self.failures += 1;
        let is_last = self.failures >= self.most;
        // Stops the other workers at once.
        let end = |error: Error| {
            flow.is_ended.store(true, Ordering::Relaxed);
            Failure::Ended(error)
        };
        let away = |text: String| end(Error::Away(format!("{server} cannot be reached: {text}")));
        let asked = match error {
            RequestError::Fatal(error) => return Err(end(error)),
            // A server that never answered is away; one that has answered may return soon.
            RequestError::Unreachable(text) if is_last || !self.transfer.has_answered.load(Ordering::Relaxed) => {
                return Err(away(text));
            }
            RequestError::Unreachable(text) => {
                log::info!("{server} cannot be reached: {text}");
                None
            }
            RequestError::Passing { reason, message, .. } if is_last => {
                return Err(Failure::File(ItemFailure::passing(reason, message)));
            }
            RequestError::Passing { message, retry_after, .. } => {
                log::info!("{message}; trying again");
                retry_after
            }
            RequestError::NoSuchUpload => return Err(Failure::NoSuchUpload),
            RequestError::TooLarge(message) => return Err(Failure::TooLarge(message)),
            RequestError::NotImplemented(message) | RequestError::Refused(message) => {
                return Err(Failure::File(ItemFailure::passing(FailureReason::Refused, message)));
            }
        };
        let wait = asked.unwrap_or_else(|| BACKOFF.wait(self.failures, random()));
        flow.stop.sleep(wait).map_err(Failure::Ended)
    }
}
