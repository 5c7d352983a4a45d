//! What workers do, and what came of it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

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
    /// An upload whose parts are of no use any more: its file's source and path, its key and id.
    Abort(SourceId, String, ObjectKey, String),
}

pub(super) enum Done {
    Start(FileId, Result<Start, Failure>),
    Part(FileId, NonZeroU32, Result<PartDone, Failure>),
    Finish(FileId, Result<Proof, Failure>),
    Abort(SourceId, String, String, Result<(), Failure>),
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
