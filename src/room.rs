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
    /// Leave it: newer footage has the room.
    TooOld,
    /// Leave it for now: it is more than the quota has room for beside what may not go.
    NoRoom,
    /// The disk guard says no, and what may go does not make enough room.
    Full(Shortage),
}

/// The room in a destination, and the footage that may go, oldest first.
#[derive(Debug)]
pub struct Room<K> {
    candidates: VecDeque<Candidate<K>>,
    guard: Guard,
    quota: Option<u64>,
    held_bytes: u64,
    /// What this pass wrote, and when it was recorded. It is not evicted in the same pass.
    written: Vec<(NaiveDateTime, u64)>,
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
        let quota = quota.map(|bytes| bytes.0);
        Self { candidates: candidates.into(), guard, quota, held_bytes, written: Vec::new(), delete_oldest }
    }

    /// Decides about `need` more bytes for a recording of the time `at`; what has to go is no candidate any more.
    pub fn ask(&mut self, need: u64, at: NaiveDateTime, space: Space) -> Verdict<K> {
        let (over_quota, missing) = match self.judge(need, at, space) {
            Ok(excess) => excess,
            Err(no) => return no,
        };
        let mut removals = Vec::new();
        let mut freed = 0_u64;
        while freed < over_quota.max(missing)
            && let Some(candidate) = self.candidates.pop_front()
        {
            let reason = if freed < over_quota { Reason::OverQuota } else { Reason::DiskFull };
            removals.push((candidate.key, reason));
            freed = freed.saturating_add(candidate.bytes);
        }
        self.held_bytes = self.held_bytes.saturating_sub(freed);
        Verdict::Fits(removals)
    }

    /// Whether a file of this length has to be left, as far as its recording is concerned.
    #[must_use]
    pub fn has_to_be_left(&self, need: u64, at: NaiveDateTime, space: Space) -> Option<Verdict<K>> {
        self.judge(need, at, space).err().filter(|verdict| matches!(verdict, Verdict::TooOld | Verdict::NoRoom))
    }

    /// How many bytes have to go for the quota and for the disk, or why not.
    fn judge(&self, need: u64, at: NaiveDateTime, space: Space) -> Result<(u64, u64), Verdict<K>> {
        let over_quota = self.quota.map_or(0, |quota| self.held_bytes.saturating_add(need).saturating_sub(quota));
        let older = |candidate: &&Candidate<K>| candidate.at < at;
        let may_go: u64 = self.candidates.iter().take_while(older).map(|candidate| candidate.bytes).sum();
        let newer: u64 = self.candidates.iter().skip_while(older).map(|candidate| candidate.bytes).sum();
        let written: u64 = self.written.iter().filter(|(written_at, _)| *written_at > at).map(|(_, bytes)| bytes).sum();
        let newer = newer.saturating_add(written);
        if over_quota > may_go {
            let is_too_old = over_quota <= may_go.saturating_add(newer);
            return Err(if is_too_old { Verdict::TooOld } else { Verdict::NoRoom });
        }
        let Some(shortage) = self.guard.shortage(space, need) else { return Ok((over_quota, 0)) };
        // What leaves for the quota frees the disk too.
        let may_go = if self.delete_oldest { may_go } else { over_quota };
        if shortage.missing <= may_go {
            Ok((over_quota, shortage.missing))
        } else if self.delete_oldest && shortage.missing <= may_go.saturating_add(newer) {
            Err(Verdict::TooOld)
        } else {
            Err(Verdict::Full(shortage))
        }
    }

    /// Counts what is about to be written.
    pub fn write(&mut self, bytes: u64, at: NaiveDateTime) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        match self.written.last_mut() {
            // Of unknown length, and asked for piece by piece.
            Some((of, written)) if *of == at => *written = written.saturating_add(bytes),
            _ => self.written.push((at, bytes)),
        }
    }

    /// What may not go fills the quota alone: no use to ask for anything.
    #[must_use]
    pub fn is_filled_for_good(&self) -> bool {
        let may_go: u64 = self.candidates.iter().map(|candidate| candidate.bytes).sum();
        self.quota.is_some_and(|quota| self.held_bytes.saturating_sub(may_go) >= quota)
    }

    /// What is missing on the disk for `need` bytes, whatever could go.
    #[must_use]
    pub fn shortage(&self, need: u64, space: Space) -> Option<Shortage> {
        self.guard.shortage(space, need)
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
    fn without_keep_bytes_and_min_free_everything_fits() {
        assert_eq!(room(Guard::default(), None, false).ask(500, at(9), space(600)), Verdict::Fits(vec![]));
    }

    #[test]
    fn keep_bytes_evicts_only_older_recordings() {
        let mut room = room(Guard::default(), Some(30), false);
        assert_eq!(
            room.ask(15, at(9), space(600)),
            Verdict::Fits(vec![(1, Reason::OverQuota), (2, Reason::OverQuota)])
        );
        room.write(15, at(9));
        assert_eq!(room.ask(6, at(2), space(600)), Verdict::TooOld);
        assert_eq!(room.ask(5, at(2), space(600)), Verdict::Fits(vec![]));
        assert_eq!(room.ask(31, at(2), space(600)), Verdict::NoRoom);
    }

    #[test]
    fn when_full_stops_or_deletes_oldest() {
        let guard = Guard { max_used_percent: None, min_free: Some(ByteSize(100)) };
        assert!(matches!(room(guard, None, false).ask(15, at(9), space(100)), Verdict::Full(_)));
        assert_eq!(
            room(guard, None, true).ask(15, at(9), space(100)),
            Verdict::Fits(vec![(1, Reason::DiskFull), (2, Reason::DiskFull)])
        );
        assert_eq!(room(guard, None, true).ask(15, at(1), space(100)), Verdict::TooOld);
        // No removal could free that much: foreign files fill the disk.
        assert!(matches!(room(guard, None, true).ask(500, at(9), space(100)), Verdict::Full(_)));
        assert!(matches!(room(guard, None, true).ask(500, at(1), space(100)), Verdict::Full(_)));
    }

    #[test]
    fn a_recording_larger_than_keep_bytes_blocks_no_other() {
        let mut room = room(Guard::default(), Some(40), false);
        assert_eq!(room.ask(41, at(9), space(600)), Verdict::NoRoom);
        assert_eq!(room.ask(10, at(9), space(600)), Verdict::Fits(vec![]));
    }

    #[test]
    fn keep_bytes_compares_recording_times_and_not_the_order_of_writing() {
        // By type, or because it broke off before: the newest comes last.
        let mut room: Room<u32> = Room::new(Vec::new(), 0, Guard::default(), Some(ByteSize(30)), false);
        room.write(30, at(5));
        assert_eq!(room.ask(10, at(9), space(600)), Verdict::NoRoom);
        assert_eq!(room.ask(10, at(4), space(600)), Verdict::TooOld);
        // The other camera of the same moment is as new.
        assert_eq!(room.ask(10, at(5), space(600)), Verdict::NoRoom);
        assert!(room.is_filled_for_good());
    }
}
