//! The tasks of the workers, and their results.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::upload::journal::Begun;
use crate::upload::key::ObjectKey;
use crate::upload::local::{FileId, SourceId};
use crate::upload::parts::Cut;
use crate::upload::transfer::{Failure, Job, PartDone, Start, Transfer, Verification};

/// A task of a worker.
pub(super) enum Task {
    Start(FileId, Arc<Job>, Option<Begun>),
    Part(FileId, Arc<Job>, String, Cut, NonZeroU32),
    Finish(FileId, Arc<Job>, String, BTreeMap<NonZeroU32, String>),
    /// Abort a multipart upload: its file's source and path, its key and id.
    Abort(SourceId, String, ObjectKey, String),
}

pub(super) enum Done {
    Start(FileId, Result<Start, Failure>),
    Part(FileId, NonZeroU32, Result<PartDone, Failure>),
    Finish(FileId, Result<Verification, Failure>),
    Abort(SourceId, String, String, Result<(), Failure>),
}

impl Task {
    /// Runs the task.
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
