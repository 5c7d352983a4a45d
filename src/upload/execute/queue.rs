//! What there is to do for workers, and what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::upload::journal::Begun;
use crate::upload::key::ObjectKey;
use crate::upload::local::{FileId, SourceId};
use crate::upload::parts::Cut;
use crate::upload::transfer::{Failure, Job, PartDone, Proof, Start, Transfer};

/// What workers do.
pub(super) enum Task {
    Start(FileId, Arc<Job>, Option<Begun>),
    Part(FileId, Arc<Job>, String, Cut, NonZeroU32),
    Finish(FileId, Arc<Job>, String, BTreeMap<NonZeroU32, String>),
    /// An upload of which nobody needs the parts: its file's source and path, its key and id.
    Abort(SourceId, String, ObjectKey, String),
}

pub(super) enum Done {
    Start(FileId, Result<Start, Failure>),
    Part(FileId, NonZeroU32, Result<PartDone, Failure>),
    Finish(FileId, Result<Proof, Failure>),
    Abort(SourceId, String, String, Result<(), Failure>),
}

/// Tasks, for workers that wait for them.
#[derive(Default)]
pub(super) struct Queue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    changed: Condvar,
}

impl Queue {
    /// The next task; none when there will be no more.
    pub(super) fn next(&self) -> Option<Task> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = tasks.0.pop_front() {
                return Some(task);
            }
            if tasks.1 {
                return None;
            }
            tasks = self.changed.wait(tasks).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut VecDeque<Task>)) {
        change(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner).0);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

impl Task {
    /// Does it.
    pub(super) fn run(self, transfer: Transfer<'_>) -> Done {
        match self {
            Self::Start(file, job, begun) => Done::Start(file, transfer.start(&job, begun.as_ref())),
            Self::Part(file, job, id, cut, number) => Done::Part(file, number, transfer.part(&job, &id, cut, number)),
            Self::Finish(file, job, id, parts) => Done::Finish(file, transfer.finish(&job, &id, &parts)),
            Self::Abort(source, path, key, id) => {
                let outcome = transfer.abort(&key, &id);
                Done::Abort(source, path, id, outcome)
            }
        }
    }
}
