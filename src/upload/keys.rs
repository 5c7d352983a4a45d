//! The access key of a pass, shared by its workers, and fetched anew before it expires.
//!
//! As in botocore, a key is due 15 minutes before its end: one worker fetches another while the others continue. From 10
//! minutes before its end, all wait for the new one. Unlike there, a key that cannot be renewed is used to its end, and a
//! program that gives none but short keys is not run for each request.

use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::credential_process::{Fetched, fetch};
use super::credentials::{CredentialProcess, Credentials, KeySource};
use crate::error::{Error, Result};
use crate::mutex::lock;
use crate::stop::Stop;

/// How long before its end a key may be renewed.
const ADVISORY: TimeDelta = TimeDelta::minutes(15);
/// How long before its end it must be.
const MANDATORY: TimeDelta = TimeDelta::minutes(10);
/// The longest time from a run that did not help to the next.
const MAX_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// The access key, as long as the pass runs.
#[derive(Debug)]
pub struct Keys {
    source: KeySource,
    /// How long `credential_process` may take.
    timeout: Duration,
    stop: Stop,
    held: Mutex<Option<Held>>,
    /// Held by the worker that fetches a key.
    fetching: Mutex<()>,
}

/// A key that was fetched.
#[derive(Debug, Clone)]
struct Held {
    credentials: Arc<Credentials>,
    expires_at: Option<DateTime<Utc>>,
    /// No run before, unless the key expires.
    not_before: DateTime<Utc>,
}

/// Whether a key must be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// No.
    None,
    /// It may be.
    Advisory,
    /// Before the next request.
    Mandatory,
}

impl Held {
    fn new(fetched: Fetched, now: DateTime<Utc>) -> Self {
        Self { credentials: Arc::new(fetched.credentials), expires_at: fetched.expires_at, not_before: now }
    }

    fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    fn need(&self, now: DateTime<Utc>) -> Need {
        match self.expires_at.map(|end| end - now) {
            Some(left) if left <= TimeDelta::zero() => Need::Mandatory,
            Some(_) if now < self.not_before => Need::None,
            Some(left) if left < MANDATORY => Need::Mandatory,
            Some(left) if left < ADVISORY => Need::Advisory,
            _ => Need::None,
        }
    }

    /// A run did not help: the next one waits, for half of what is left at most.
    fn paused(self, now: DateTime<Utc>) -> Self {
        let left = self.expires_at.map_or(MAX_PAUSE, |end| (end - now) / 2);
        Self { not_before: now + left.min(MAX_PAUSE), ..self }
    }
}

impl Keys {
    /// Fetches nothing yet. A run of `credential_process` takes at most `timeout`.
    #[must_use]
    pub fn new(source: KeySource, timeout: Duration, stop: Stop) -> Self {
        Self { source, timeout, stop, held: Mutex::default(), fetching: Mutex::default() }
    }

    /// The key for a request that is signed now.
    ///
    /// # Errors
    /// As of [`fetch`]; [`Error::Source`] for a key that has expired.
    pub fn get(&self) -> Result<Arc<Credentials>> {
        let process = match &self.source {
            KeySource::Fixed { credentials, expires_at, .. } => {
                return match expires_at.filter(|end| *end <= now()) {
                    Some(end) => Err(expired("the key in AWS_ACCESS_KEY_ID", end)),
                    None => Ok(Arc::new(credentials.clone())),
                };
            }
            KeySource::Process(process) => process,
        };
        let held = lock(&self.held).clone();
        let _guard = match (held.as_ref().map_or(Need::Mandatory, |held| held.need(now())), held) {
            (Need::None, Some(held)) => return Ok(held.credentials),
            (Need::Advisory, Some(held)) => match self.fetching.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(held.credentials),
                Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
                Ok(guard) => guard,
            },
            _ => lock(&self.fetching),
        };
        // Another worker may have done it in between.
        let held = lock(&self.held).clone();
        match held {
            Some(held) if held.need(now()) == Need::None => Ok(held.credentials),
            held => self.renew(process, held),
        }
    }

    /// Fetches a key in place of one that the server refuses as expired. Returns whether there is another now.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub fn replace(&self, refused: &Credentials) -> Result<bool> {
        let KeySource::Process(process) = &self.source else { return Ok(false) };
        let _guard = lock(&self.fetching);
        let is_other = |held: &Option<Held>| held.as_ref().is_some_and(|held| *held.credentials != *refused);
        if is_other(&lock(&self.held)) {
            return Ok(true);
        }
        self.renew(process, None)?;
        Ok(is_other(&lock(&self.held)))
    }

    /// Runs the program. A key that is still valid stays in use where that fails.
    fn renew(&self, process: &CredentialProcess, held: Option<Held>) -> Result<Arc<Credentials>> {
        let fetched = fetch(process, self.timeout, &self.stop).map(|fetched| Held::new(fetched, now()));
        let now = now();
        let fetched = fetched.and_then(|fetched| match fetched.expires_at {
            Some(end) if fetched.is_expired(now) => {
                let from = format!("what credential_process of the profile {:?} gives", process.profile);
                Err(expired(&from, end))
            }
            _ => Ok(fetched),
        });
        let valid = held.filter(|held| !held.is_expired(now));
        let next = match (fetched, valid) {
            (Ok(fetched), Some(_)) if fetched.need(now) != Need::None => fetched.paused(now),
            (Ok(fetched), _) => fetched,
            (Err(error), Some(held)) if !matches!(error, Error::Stopped(_)) => {
                log::warn!("the access key was not renewed and is used to its end: {error}");
                held.paused(now)
            }
            (Err(error), _) => return Err(error),
        };
        let credentials = Arc::clone(&next.credentials);
        *lock(&self.held) = Some(next);
        Ok(credentials)
    }
}

fn expired(what: &str, end: DateTime<Utc>) -> Error {
    let end = end.format("%Y-%m-%d %H:%M:%S UTC");
    Error::Source(format!(
        "{what} has expired ({end}): get a new one, for example with `aws sso login`, and check the clock of this machine; \
         nothing was removed"
    ))
}

fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "keys expire by the clock")]
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(expires_at: Option<&str>, now: DateTime<Utc>) -> Held {
        let credentials = Credentials { key_id: "A".into(), secret: "s".into(), session_token: None };
        Held::new(Fetched { credentials, expires_at: expires_at.map(|end| end.parse().expect("a time")) }, now)
    }

    #[test]
    fn keys_are_renewed_in_the_windows_of_botocore() {
        let now = "2026-11-30T12:00:00Z".parse().expect("a time");
        for (expires_at, need) in [
            (None, Need::None),
            (Some("2026-11-30T12:15:00Z"), Need::None),
            (Some("2026-11-30T12:14:59Z"), Need::Advisory),
            (Some("2026-11-30T12:10:00Z"), Need::Advisory),
            (Some("2026-11-30T12:09:59Z"), Need::Mandatory),
            (Some("2026-11-30T12:00:00Z"), Need::Mandatory),
            (Some("2026-11-30T11:00:00Z"), Need::Mandatory),
        ] {
            assert_eq!(held(expires_at, now).need(now), need, "{expires_at:?}");
        }
    }

    #[test]
    fn a_run_of_credential_process_that_did_not_help_is_followed_by_a_pause() {
        let now = "2026-11-30T12:00:00Z".parse().expect("a time");
        for (expires_at, seconds) in [("2026-11-30T12:09:00Z", 60), ("2026-11-30T12:00:10Z", 5)] {
            let paused = held(Some(expires_at), now).paused(now);
            assert_eq!(paused.need(now + TimeDelta::seconds(seconds - 1)), Need::None);
            assert_eq!(paused.need(now + TimeDelta::seconds(seconds)), Need::Mandatory);
        }
    }
}
