//! Whether something new fits, and what has to go for it. Pure.
//!
//! The one rule for `--keep-bytes` and `--when-full delete-oldest`: the oldest unprotected footage goes, and never
//! anything newer than what it makes room for. What would itself be the next to go is not written at all.

use std::collections::VecDeque;

use chrono::NaiveDateTime;

use crate::disk::{Guard, Shortage, Space};
use crate::retention::{Candidate, Reason};
use crate::units::ByteSize;

/// What to do about a file that is about to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<K> {
    /// Write it, after these are removed.
    Fits(Vec<(K, Reason)>),
    /// Leave it: everything that could go is newer.
    TooOld,
    /// The disk guard says no, and nothing may go.
    Full(Shortage),
}

/// The room in a destination, and the footage that may go, oldest first.
#[derive(Debug)]
pub struct Room<K> {
    candidates: VecDeque<Candidate<K>>,
    guard: Guard,
    quota: Option<u64>,
    held_bytes: u64,
    delete_oldest: bool,
}

impl<K: Copy> Room<K> {
    /// `candidates` are all that retention may remove, sorted by time; `held_bytes` counts the protected too.
    #[must_use]
    pub fn new(
        candidates: Vec<Candidate<K>>,
        held_bytes: u64,
        guard: Guard,
        quota: Option<ByteSize>,
        delete_oldest: bool,
    ) -> Self {
        Self { candidates: candidates.into(), guard, quota: quota.map(|bytes| bytes.0), held_bytes, delete_oldest }
    }

    /// Decides about `need` more bytes for a recording of the time `at`.
    pub fn ask(&mut self, need: u64, at: NaiveDateTime, space: Space) -> Verdict<K> {
        let over_quota = self.quota.map_or(0, |quota| self.held_bytes.saturating_add(need).saturating_sub(quota));
        let shortage = self.guard.shortage(space, need);
        let missing = match &shortage {
            Some(shortage) if self.delete_oldest => shortage.missing,
            // What leaves for the quota frees the disk too.
            Some(shortage) if over_quota < shortage.missing => return Verdict::Full(shortage.clone()),
            _ => 0,
        };
        let mut freed = 0_u64;
        let enough = self.candidates.iter().take_while(|candidate| candidate.at < at).position(|candidate| {
            freed = freed.saturating_add(candidate.bytes);
            freed >= over_quota.max(missing)
        });
        let going = match enough {
            _ if over_quota == 0 && missing == 0 => 0,
            Some(last) => last + 1,
            None => return Verdict::TooOld,
        };
        let mut freed = 0;
        let removals = self
            .candidates
            .drain(..going)
            .map(|candidate| {
                let reason = if freed < over_quota { Reason::OverQuota } else { Reason::DiskFull };
                freed += candidate.bytes;
                (candidate.key, reason)
            })
            .collect();
        self.held_bytes = self.held_bytes.saturating_sub(freed);
        Verdict::Fits(removals)
    }

    /// Counts what has been written.
    pub fn written(&mut self, bytes: u64) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u32) -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2018, 10, 29).and_then(|day| day.and_hms_opt(hour, 0, 0)).expect("a time")
    }

    /// Three recordings of 10 bytes at 1, 2 and 3 o'clock.
    fn room(guard: Guard, quota: Option<u64>, delete_oldest: bool) -> Room<u32> {
        let candidates = (1..=3).map(|hour| Candidate { key: hour, at: at(hour), bytes: 10 }).collect();
        Room::new(candidates, 30, guard, quota.map(ByteSize), delete_oldest)
    }

    fn space(available: u64) -> Space {
        Space { total: 1000, free: available, available }
    }

    #[test]
    fn without_limits_everything_fits() {
        assert_eq!(room(Guard::default(), None, false).ask(500, at(9), space(600)), Verdict::Fits(vec![]));
    }

    #[test]
    fn the_quota_sends_the_oldest_away_but_never_the_newer() {
        let mut room = room(Guard::default(), Some(30), false);
        assert_eq!(
            room.ask(15, at(9), space(600)),
            Verdict::Fits(vec![(1, Reason::OverQuota), (2, Reason::OverQuota)])
        );
        room.written(15);
        assert_eq!(room.ask(6, at(2), space(600)), Verdict::TooOld);
        assert_eq!(room.ask(5, at(2), space(600)), Verdict::Fits(vec![]));
    }

    #[test]
    fn a_full_disk_stops_or_becomes_a_ring() {
        let guard = Guard { max_used_percent: None, min_free: Some(ByteSize(100)) };
        assert!(matches!(room(guard, None, false).ask(15, at(9), space(100)), Verdict::Full(_)));
        assert_eq!(
            room(guard, None, true).ask(15, at(9), space(100)),
            Verdict::Fits(vec![(1, Reason::DiskFull), (2, Reason::DiskFull)])
        );
        assert_eq!(room(guard, None, true).ask(500, at(9), space(100)), Verdict::TooOld);
    }
}
