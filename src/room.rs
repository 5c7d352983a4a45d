//! The rules for space in a destination, the same for all passes: the quota (`--keep-bytes`), the disk guard (`--max-used-disk`,
//! `--min-free`) and the ring (`--when-full delete-oldest`). Pure.
//!
//! [`Excess`] says how many bytes have to go and for which rule, [`going`] which recordings that takes: the oldest first.
//! [`Room`] applies both to one file before it is written: nothing newer goes for it, and a file that would itself be the
//! next to go is not written at all.

use std::collections::VecDeque;

use chrono::NaiveDateTime;

use crate::disk::{Guard, Shortage, Space};
use crate::retention::{Candidate, Reason};
use crate::units::ByteSize;

/// How many bytes have to go, and for which rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excess {
    /// Bytes over the quota.
    over_quota: u64,
    /// Bytes that removals have to free on the disk; 0 without the ring.
    for_disk: u64,
    /// What the disk guard misses, with the ring or without.
    shortage: Option<Shortage>,
}

impl Excess {
    /// By the quota, where `held_bytes` are here and `need` more are to be written.
    #[must_use]
    pub fn of_quota(quota: Option<ByteSize>, held_bytes: u64, need: u64) -> Self {
        let over_quota = quota.map_or(0, |quota| held_bytes.saturating_add(need).saturating_sub(quota.0));
        Self { over_quota, ..Self::default() }
    }

    /// Adds what the disk guard misses for `need` more bytes; the ring removes recordings for it, unless an empty disk would
    /// not satisfy the guard either.
    #[must_use]
    pub fn and_of_disk(self, guard: Guard, delete_oldest: bool, space: Space, need: u64) -> Self {
        let shortage = guard.shortage(space, need);
        let removal_may_help = delete_oldest && guard.can_be_met(space);
        let for_disk = shortage.as_ref().filter(|_| removal_may_help).map_or(0, |shortage| shortage.missing);
        Self { for_disk, shortage, ..self }
    }

    /// What the disk guard misses.
    #[must_use]
    pub fn shortage(&self) -> Option<&Shortage> {
        self.shortage.as_ref()
    }

    /// How many bytes have to go in all: what goes for the quota frees the disk too.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.over_quota.max(self.for_disk)
    }

    /// Why the next recording has to go, where `freed` bytes have gone; `None` when that is enough.
    #[must_use]
    pub fn next_reason(&self, freed: u64) -> Option<Reason> {
        if freed < self.over_quota {
            Some(Reason::OverQuota)
        } else {
            (freed < self.for_disk).then_some(Reason::DiskFull)
        }
    }
}

/// Which of the recordings that may go have to, and why; all of them if they are too few. `bytes` is what a removal frees.
pub fn going<T>(
    oldest_first: impl IntoIterator<Item = T>,
    bytes: impl Fn(&T) -> u64,
    excess: &Excess,
) -> Vec<(T, Reason)> {
    let mut freed = 0_u64;
    oldest_first
        .into_iter()
        .map_while(|item| {
            let reason = excess.next_reason(freed)?;
            freed = freed.saturating_add(bytes(&item));
            Some((item, reason))
        })
        .collect()
}

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
    quota: Option<ByteSize>,
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
        Self { candidates: candidates.into(), guard, quota, held_bytes, written: Vec::new(), delete_oldest }
    }

    /// Decides about `need` more bytes for a recording of the time `at`; what has to go is no candidate any more.
    pub fn ask(&mut self, need: u64, at: NaiveDateTime, space: Space) -> Verdict<K> {
        let excess = match self.judge(need, at, space) {
            Ok(excess) => excess,
            Err(no) => return no,
        };
        let going = going(self.candidates.iter().copied(), |candidate| candidate.bytes, &excess);
        self.candidates.drain(..going.len());
        let freed = going.iter().fold(0_u64, |freed, (candidate, _)| freed.saturating_add(candidate.bytes));
        self.held_bytes = self.held_bytes.saturating_sub(freed);
        Verdict::Fits(going.into_iter().map(|(candidate, reason)| (candidate.key, reason)).collect())
    }

    /// Whether a file of this length has to be left, as far as its recording is concerned.
    #[must_use]
    pub fn has_to_be_left(&self, need: u64, at: NaiveDateTime, space: Space) -> Option<Verdict<K>> {
        self.judge(need, at, space).err().filter(|verdict| matches!(verdict, Verdict::TooOld | Verdict::NoRoom))
    }

    /// What has to go, or why the file is not written.
    fn judge(&self, need: u64, at: NaiveDateTime, space: Space) -> Result<Excess, Verdict<K>> {
        let excess = Excess::of_quota(self.quota, self.held_bytes, need);
        let excess = excess.and_of_disk(self.guard, self.delete_oldest, space, need);
        let older = |candidate: &&Candidate<K>| candidate.at < at;
        let may_go: u64 = self.candidates.iter().take_while(older).map(|candidate| candidate.bytes).sum();
        let newer: u64 = self.candidates.iter().skip_while(older).map(|candidate| candidate.bytes).sum();
        let written: u64 = self.written.iter().filter(|(written_at, _)| *written_at > at).map(|(_, bytes)| bytes).sum();
        let with_newer = may_go.saturating_add(newer).saturating_add(written);
        if excess.over_quota > may_go {
            return Err(if excess.over_quota <= with_newer { Verdict::TooOld } else { Verdict::NoRoom });
        }
        match &excess.shortage {
            Some(shortage) if shortage.missing > excess.bytes() || excess.for_disk > with_newer => {
                Err(Verdict::Full(shortage.clone()))
            }
            Some(_) if excess.for_disk > may_go => Err(Verdict::TooOld),
            _ => Ok(excess),
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
        self.quota.is_some_and(|quota| self.held_bytes.saturating_sub(may_go) >= quota.0)
    }

    /// What is missing on the disk for `need` bytes, whatever could go.
    #[must_use]
    pub fn shortage(&self, need: u64, space: Space) -> Option<Shortage> {
        self.guard.shortage(space, need)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

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
    fn keep_bytes_evicts_oldest_first() {
        let evicted = |quota| {
            let excess = Excess::of_quota(Some(ByteSize(quota)), 50, 0);
            going(0..5, |_| 10, &excess)
                .into_iter()
                .map(|(n, reason)| (n, reason == Reason::OverQuota))
                .collect::<Vec<_>>()
        };
        assert_eq!(evicted(50), []);
        assert_eq!(evicted(49), [(0, true)]);
        assert_eq!(evicted(30), [(0, true), (1, true)]);
        assert_eq!(evicted(29), [(0, true), (1, true), (2, true)]);
        assert_eq!(evicted(0).len(), 5);
        assert_eq!(going(0..5, |_| 10, &Excess::of_quota(None, u64::MAX, u64::MAX)), []);
        let too_few = Excess::of_quota(Some(ByteSize(0)), 500, 0);
        assert_eq!(going(0..5, |_| 10, &too_few).len(), 5);
    }

    #[test]
    fn delete_oldest_removes_for_keep_bytes_first_and_then_for_min_free() {
        let guard = Guard { max_used_percent: None, min_free: Some(ByteSize(100)) };
        let excess =
            |delete_oldest| Excess::of_quota(Some(ByteSize(40)), 50, 5).and_of_disk(guard, delete_oldest, space(80), 5);
        let reasons =
            |excess: &Excess| going(0..5, |_| 10, excess).into_iter().map(|(_, reason)| reason).collect::<Vec<_>>();
        assert_eq!(reasons(&excess(true)), [Reason::OverQuota, Reason::OverQuota, Reason::DiskFull]);
        assert_eq!(reasons(&excess(false)), [Reason::OverQuota, Reason::OverQuota]);
        assert_eq!(excess(false).shortage().map(|shortage| shortage.missing), Some(25));
    }

    /// An empty disk has 1000 bytes.
    #[test]
    fn delete_oldest_removes_nothing_for_a_min_free_of_the_whole_disk() {
        let guard = |bytes| Guard { max_used_percent: None, min_free: Some(ByteSize(bytes)) };
        let excess = |bytes| Excess::default().and_of_disk(guard(bytes), true, space(600), 0);
        assert_eq!((excess(999).bytes(), excess(1000).bytes()), (399, 0));
        // A file system that compresses holds more bytes of recordings than it has.
        let candidates = vec![Candidate { key: 1, at: at(1), bytes: 5000 }];
        let mut room = Room::new(candidates, 5000, guard(1000), None, true);
        assert!(matches!(room.ask(10, at(9), space(600)), Verdict::Full(_)));
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

    /// Any rules, and up to 12 recordings of up to 40 bytes on a disk of 1000.
    type Rules = (Option<u64>, Option<u64>, bool);
    fn rules() -> impl Strategy<Value = (Rules, Vec<u64>, u64, u64)> {
        let quota = proptest::option::of(0_u64..300);
        let min_free = proptest::option::of(0_u64..400);
        ((quota, min_free, any::<bool>()), vec(0_u64..40, 0..12), 0_u64..80, 0_u64..500)
    }

    fn guard_of(min_free: Option<u64>) -> Guard {
        Guard { max_used_percent: None, min_free: min_free.map(ByteSize) }
    }

    proptest! {
        /// No more goes than has to, the oldest first; and then no more has to.
        #[test]
        fn a_second_plan_of_keep_bytes_and_when_full_is_empty(
            ((quota, min_free, delete_oldest), sizes, need, available) in rules()
        ) {
            let excess = |sizes: &[u64], available| {
                Excess::of_quota(quota.map(ByteSize), sizes.iter().sum(), need)
                    .and_of_disk(guard_of(min_free), delete_oldest, space(available), need)
            };
            let now = excess(&sizes, available);
            let removals = going(sizes.iter().copied(), |bytes| *bytes, &now);
            let (gone, left) = sizes.split_at(removals.len());
            prop_assert!(removals.iter().map(|(bytes, _)| bytes).eq(gone));
            prop_assert!(removals.is_sorted_by_key(|(_, reason)| *reason));
            if let Some((last, before)) = gone.split_last() {
                prop_assert!(before.iter().sum::<u64>() < now.bytes(), "{last} need not have gone");
            }
            let freed: u64 = gone.iter().sum();
            let second = going(left, |bytes| **bytes, &excess(left, available + freed));
            prop_assert_eq!(second, vec![]);
        }

        /// What fits does so once its removals are done, and nothing goes for a recording that is as old.
        #[test]
        fn what_fits_obeys_keep_bytes_and_min_free_and_replaces_only_older_recordings(
            ((quota, min_free, delete_oldest), sizes, need, available) in rules(),
            hour in 0_u32..14,
        ) {
            let hours = (0_u32..).zip(&sizes);
            let candidates = hours.map(|(n, bytes)| Candidate { key: n, at: at(n), bytes: *bytes }).collect();
            let held_bytes = sizes.iter().sum();
            let mut room = Room::new(candidates, held_bytes, guard_of(min_free), quota.map(ByteSize), delete_oldest);
            let left_before = room.has_to_be_left(need, at(hour), space(available));
            let verdict = room.ask(need, at(hour), space(available));
            prop_assert_eq!(left_before.is_some(), matches!(verdict, Verdict::TooOld | Verdict::NoRoom));
            let Verdict::Fits(removals) = verdict else { return Ok(()) };
            prop_assert!(removals.iter().all(|(key, _)| *key < hour));
            let freed: u64 = (0_u32..).zip(&sizes).take(removals.len()).map(|(_, bytes)| bytes).sum();
            prop_assert!(quota.is_none_or(|quota| held_bytes - freed + need <= quota));
            prop_assert_eq!(guard_of(min_free).shortage(space(available + freed), need), None);
        }
    }
}
