//! Whether the other side of a pass answers: the camera, its storage, or the server of `upload`. Pure.
//!
//! A dashcam that is away is normal. One that never answered has a misspelt address, or is not there at all; a server that
//! has been away for long keeps footage from leaving. One pass cannot distinguish these, so each leaves its count for the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pass_name::PassName;

/// Without `--max-age`, a server is away for too long after so many passes in a row and so much time.
const TOO_LONG: (u64, Duration) = (3, Duration::from_hours(1));

/// What passes know of the other side.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// The addresses, folders or server of the pass, without secrets. Empty in reports of versions that did not count.
    pub peers: Vec<String>,
    /// When one of them first answered, seconds since 1970.
    pub first_reached_timestamp_seconds: Option<f64>,
    /// Passes in a row that found all of them away.
    pub missed_passes: u64,
    /// When the first of those began, seconds since 1970.
    pub missed_since_timestamp_seconds: Option<f64>,
}

impl Contact {
    /// What a new pass with these peers takes over. All of it counts as long as one peer is the same. `arrived` is when an
    /// earlier version, which did not count, last saw it answer.
    #[must_use]
    pub fn carried_over(&self, peers: &[String], arrived: Option<f64>) -> Self {
        let (peers, is_old) = (peers.to_vec(), self.peers.is_empty());
        if self.peers.iter().any(|peer| peers.contains(peer)) {
            Self { peers, ..self.clone() }
        } else {
            Self { peers, first_reached_timestamp_seconds: arrived.filter(|_| is_old), ..Self::default() }
        }
    }

    /// One of them has answered, at this time in seconds since 1970.
    pub fn reached(&mut self, at: f64) {
        self.first_reached_timestamp_seconds.get_or_insert(at);
    }

    /// The pass that began then found all of them away.
    pub fn missed(&mut self, since: f64) {
        self.missed_passes += 1;
        self.missed_since_timestamp_seconds.get_or_insert(since);
    }

    /// The pass had an answer, or nothing to ask.
    pub fn not_missed(&mut self) {
        (self.missed_passes, self.missed_since_timestamp_seconds) = (0, None);
    }

    /// Whether passes have asked and were never answered.
    #[must_use]
    pub fn was_never_reached(&self) -> bool {
        !self.peers.is_empty() && self.first_reached_timestamp_seconds.is_none()
    }

    /// For how long it has been away, when that is longer than `limit`; without a limit when three passes and an hour have gone by.
    #[must_use]
    pub fn away_too_long(&self, now: f64, limit: Option<Duration>) -> Option<Duration> {
        let away = Duration::try_from_secs_f64(now - self.missed_since_timestamp_seconds?).ok()?;
        let is_long = match limit {
            Some(limit) => away > limit,
            None => self.missed_passes >= TOO_LONG.0 && away >= TOO_LONG.1,
        };
        is_long.then_some(away)
    }
}

/// What to do about what a pass never reached.
#[must_use]
pub fn advice(pass: PassName) -> &'static str {
    match pass {
        PassName::Hikvision => "it has never been there: check INPUT",
        PassName::Upload => "it has never answered: check --endpoint-url and --region",
        PassName::Dashcam | PassName::Record => "it has never answered: check the address",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn ever_reached_is_carried_over_while_the_peer_is_the_same() {
        let first = Contact::default().carried_over(&peers(&["a"]), None);
        assert!(first.was_never_reached() && !Contact::default().was_never_reached());
        let mut reached = first.clone();
        reached.reached(7.0);
        reached.reached(9.0);
        assert_eq!(reached.first_reached_timestamp_seconds, Some(7.0));
        assert!(!reached.carried_over(&peers(&["b", "a"]), None).was_never_reached());
        assert!(reached.carried_over(&peers(&["b"]), Some(3.0)).was_never_reached());
        // A report of an earlier version.
        let old: Contact = serde_json::from_str("{}").expect("a contact");
        assert!(!old.carried_over(&peers(&["a"]), Some(3.0)).was_never_reached());
        assert!(old.carried_over(&peers(&["a"]), None).was_never_reached());
    }

    #[test]
    fn unreachable_is_wrong_after_three_missed_passes_and_an_hour_or_max_age() {
        for (passes, seconds, max_age_hours, expected) in [
            (3, 3600, None, true),
            (2, 90_000, None, false),
            (90, 3599, None, false),
            (1, 7201, Some(2), true),
            (90, 7200, Some(2), false),
        ] {
            let contact =
                Contact { missed_passes: passes, missed_since_timestamp_seconds: Some(1000.0), ..Contact::default() };
            let away = contact.away_too_long(1000.0 + f64::from(seconds), max_age_hours.map(Duration::from_hours));
            assert_eq!(away.is_some(), expected, "{passes} passes, {seconds} s, {max_age_hours:?}");
        }
        // A clock that was set back.
        let contact = Contact { missed_since_timestamp_seconds: Some(1000.0), ..Contact::default() };
        assert_eq!(contact.away_too_long(0.0, Some(Duration::ZERO)), None);
    }

    #[test]
    fn missed_passes_are_counted_until_an_answer() {
        let mut contact = Contact::default();
        contact.missed(10.0);
        contact.missed(20.0);
        assert_eq!((contact.missed_passes, contact.missed_since_timestamp_seconds), (2, Some(10.0)));
        contact.not_missed();
        assert_eq!((contact.missed_passes, contact.missed_since_timestamp_seconds), (0, None));
    }
}
