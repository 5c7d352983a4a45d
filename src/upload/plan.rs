//! What to upload and what to remove: files and their journal records in, steps out. Pure.
//!
//! footage removes a file only if the file as it is now was verified to be in the bucket: with `--delete` at once, with
//! `--delete-after` when the verification is so old, with `--keep` when the recording is. A file that is not in the bucket yet
//! stays, however old it is.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;

use super::journal::{Begun, MAX_STALLS, Record};
use super::key::{KeyError, Named, ObjectKey, RecordedAt, Template};
use super::local::{FileId, Local, SourceId};
use super::parts::MAX_BYTES;
use crate::failure::{FailureReason, ItemFailure};
use crate::retention::{Keep, Reason};
use crate::zone::Tz;

/// The options of the plan.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The prefix of every key.
    pub prefix: String,
    /// `--key`
    pub template: Template,
    /// `--timezone`
    pub zone: Tz,
    /// `--delete` and `--delete-after`: remove files that were verified so long ago.
    pub delete_after: Option<Duration>,
    /// `--keep`
    pub keep: Option<Keep>,
    /// `--retry-failed-after`
    pub retry_failed_after: Duration,
    /// When the pass began.
    pub now: DateTime<Tz>,
}

/// A file and its journal record.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The file.
    pub local: &'a Local,
    /// The name of the source it is in.
    pub dir: &'a str,
    /// Its record in the journal.
    pub record: Option<&'a Record>,
}

/// An upload to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file.
    pub file: FileId,
    /// Its key.
    pub key: ObjectKey,
    /// The start of the recording.
    pub recorded_at: RecordedAt,
    /// The multipart upload in progress, if there is one.
    pub begun: Option<Begun>,
    /// An earlier pass may have created a multipart upload without learning its id.
    pub may_have_begun: bool,
    /// Objects with these ETags under the key are ours, and may be replaced.
    pub mismatched: Vec<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove a file that is verified to be in the bucket.
    Remove {
        /// The file.
        file: FileId,
        /// Why.
        reason: Reason,
    },
    /// Abort a multipart upload: its file is gone or has changed, or its key has changed.
    Abort {
        /// The source.
        source: SourceId,
        /// The file's path in it.
        path: String,
        /// The key.
        key: ObjectKey,
        /// The upload's id.
        id: String,
    },
    /// Upload a file.
    Upload(Upload),
}

/// The steps, and the files without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Removals, then aborts, then uploads, the oldest recording first.
    pub steps: Vec<Step>,
    /// Number of files that are verified to be in the bucket.
    pub verified: usize,
    /// Number of files that failed and are not due for a retry.
    pub waiting: Vec<FileId>,
    /// Files that cannot be uploaded, and why.
    pub refused: Vec<(FileId, ItemFailure)>,
}

/// Plans what to do with `files`, whose ids are their positions. `orphans` are records of multipart uploads in progress whose
/// file no longer exists.
#[must_use]
pub fn plan(files: &[Known<'_>], orphans: &[(SourceId, &str, &Record)], policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let (mut removals, mut aborts, mut uploads) = (Vec::new(), Vec::new(), Vec::<Upload>::new());
    for (source, path, record) in orphans {
        aborts.extend(abort(*source, path, record));
    }
    for (file, known) in files.iter().enumerate().map(|(number, known)| (FileId(number), known)) {
        let Known { local, record, .. } = *known;
        let verified =
            record.filter(|record| record.verifies(&local.identity)).and_then(|record| record.verified.as_ref());
        if let Some((_, verified_at)) = verified {
            let recorded_at = policy.keep.map(|_| policy.recorded_at(local));
            let reason = policy.removal(recorded_at.as_ref(), *verified_at);
            let is_same_inode = record.and_then(|record| record.identity) == Some(local.identity);
            match reason {
                Some(reason) if is_same_inode => {
                    plan.verified += 1;
                    removals.push(Step::Remove { file, reason });
                    continue;
                }
                // Perhaps another file of the same size and time: verify it again before removing it.
                Some(_) => {}
                None => {
                    plan.verified += 1;
                    continue;
                }
            }
        }
        let is_same = record.and_then(|record| record.identity).is_some_and(|then| then.looks_like(&local.identity));
        if let Some(failed) = record.and_then(|record| record.failed).filter(|_| is_same)
            && policy.waits(failed)
        {
            plan.waiting.push(file);
            continue;
        }
        let mut give_up = |record: Option<&Record>| {
            aborts.extend(record.and_then(|record| abort(local.source, &local.path, record)));
        };
        if !is_same {
            give_up(record);
        }
        if local.identity.size > MAX_BYTES {
            let failure = ItemFailure::passing(FailureReason::Refused, "it is larger than any object can be");
            plan.refused.push((file, failure));
            continue;
        }
        let recorded_at = policy.recorded_at(local);
        match policy
            .template
            .key(&policy.prefix, &Named { path: &local.path, dir: known.dir, recorded_at: &recorded_at })
        {
            Ok(key) => {
                // A record under another key does not apply to this one.
                let known = record.filter(|record| record.key == key.as_str());
                let begun = known.filter(|_| is_same).and_then(|known| known.begun.as_ref());
                let begun = begun.filter(|begun| !policy.has_stalled(begun));
                if is_same && begun.is_none() {
                    give_up(record);
                }
                uploads.push(Upload {
                    file,
                    begun: begun.cloned(),
                    may_have_begun: known.is_some_and(|known| known.is_started),
                    mismatched: known.map(|known| known.mismatched.clone()).unwrap_or_default(),
                    key,
                    recorded_at,
                });
            }
            Err(error) => plan.refused.push((file, ItemFailure::passing(FailureReason::Name, error.to_string()))),
        }
    }
    uploads.sort_by(|a, b| {
        let order = |upload: &Upload| (upload.recorded_at.local_time, files[upload.file.0].local);
        let ((a, a_file), (b, b_file)) = (order(a), order(b));
        a.cmp(&b).then_with(|| a_file.path.cmp(&b_file.path)).then_with(|| a_file.source.cmp(&b_file.source))
    });
    // Of two files with one key the older gets it: also in the next pass, when it is in the bucket.
    let mut keys: HashMap<ObjectKey, FileId> = HashMap::new();
    uploads.retain(|upload| {
        let Some(other) = keys.get(&upload.key) else {
            keys.insert(upload.key.clone(), upload.file);
            return true;
        };
        let message = format!(
            "{:?} would have the same key, {:?}: write {{name}} or {{path}} into --key",
            files[other.0].local.path,
            upload.key.as_str()
        );
        plan.refused.push((upload.file, ItemFailure::passing(FailureReason::Conflict, message)));
        false
    });
    plan.steps = removals;
    plan.steps.extend(aborts);
    plan.steps.extend(uploads.into_iter().map(Step::Upload));
    plan
}

fn abort(source: SourceId, path: &str, record: &Record) -> Option<Step> {
    let key = ObjectKey::new(record.key.clone()).ok()?;
    let id = record.begun.as_ref()?.id.clone();
    Some(Step::Abort { source, path: path.to_owned(), key, id })
}

impl Policy {
    /// The prefix for listings: a key may be allowed to list this one alone, and not all that begin so.
    #[must_use]
    pub fn listed_prefix(&self) -> String {
        if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) }
    }

    /// The key of a file in a source of this name.
    ///
    /// # Errors
    /// The result cannot be a key.
    pub fn key(&self, local: &Local, dir: &str) -> Result<ObjectKey, KeyError> {
        self.template.key(&self.prefix, &Named { path: &local.path, dir, recorded_at: &self.recorded_at(local) })
    }

    fn recorded_at(&self, local: &Local) -> RecordedAt {
        RecordedAt::of(local.path.rsplit('/').next().unwrap_or_default(), local.identity.modified(), self.zone)
    }

    /// The reason to remove a file that was verified at `verified_at`, if there is one. A time in the future counts as now.
    #[must_use]
    pub fn removal(&self, recorded_at: Option<&RecordedAt>, verified_at: i64) -> Option<Reason> {
        let age = self.since(verified_at);
        let cutoff = self.keep.and_then(|keep| keep.cutoff(self.local_now()));
        if self.delete_after.is_some_and(|after| age >= after) {
            Some(Reason::Uploaded)
        } else if cutoff.zip(recorded_at).is_some_and(|(cutoff, recorded_at)| recorded_at.local_time < cutoff) {
            Some(Reason::Expired)
        } else {
            None
        }
    }

    /// Whether to begin a multipart upload anew: it failed some times without a new part, and was begun long ago, so that a
    /// server that refuses every file is not sent all of it again in every pass.
    #[must_use]
    pub fn has_stalled(&self, begun: &Begun) -> bool {
        begun.stalls >= MAX_STALLS && !self.waits(begun.at)
    }

    fn local_now(&self) -> chrono::NaiveDateTime {
        self.now.with_timezone(&self.zone).naive_local()
    }

    fn since(&self, timestamp: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.now.timestamp() - timestamp).unwrap_or(0))
    }

    /// Whether a failure is not due for a retry. A time in the future is of a wrong clock, and due.
    fn waits(&self, failed: i64) -> bool {
        failed <= self.now.timestamp() && self.since(failed) < self.retry_failed_after
    }
}

#[cfg(test)]
mod tests;
