//! What is to be done later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Something to do later. What belongs to one start of a camera carries which: when it comes to be done there may be
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// It is a camera's turn to start.
    Turn(u64, u64),
    /// Its state machine asked to be woken.
    Due(u64, u64),
    /// Its feed asked to be.
    Feed(u64, u64),
    /// Something is due in a camera's schedule, or is tried again.
    Schedule(u64, u64),
    /// What was gathered is handed to the writers.
    Flush,
    /// The disks are looked at.
    Look,
    /// The terminal shows the progress.
    Tell,
    /// The time is up.
    End,
    /// What has not ended by now is left.
    GiveUp,
}

/// All timers.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Timer)>>);

impl Timers {
    pub(super) fn at(&mut self, at: Instant, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    /// When the first runs out.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// One that has run out.
    pub(super) fn due(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}
