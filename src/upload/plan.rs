//! What to upload and what to remove: files and what is known of them in, steps out. Pure.
//!
//! A file is removed only where it is proven to be in the bucket, as it is now. By `--delete` at once, by `--delete-after`
//! when the proof is so old, by `--keep` when the recording is: one that is not in the bucket yet stays however old it is.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;

use super::journal::{Begun, Record};
use super::key::{KeyError, Moment, Named, ObjectKey, Template};
use super::local::{FileId, Local, SourceId};
use super::parts::MAX_BYTES;
use crate::failure::{FailureReason, ItemFailure};
use crate::retention::{Keep, Reason};
use crate::zone::Tz;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What stands before every key.
    pub prefix: String,
    /// `--key`
    pub template: Template,
    /// `--timezone`
    pub zone: Tz,
    /// `--delete` and `--delete-after`: remove what has been proven for so long.
    pub delete_after: Option<Duration>,
    /// `--keep`
    pub keep: Option<Keep>,
    /// `--retry-failed-after`
    pub retry_failed_after: Duration,
    /// When the pass began.
    pub now: DateTime<Tz>,
}

/// A file, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The file.
    pub local: &'a Local,
    /// The name of the source it is in.
    pub dir: &'a str,
    /// What the journal says.
    pub record: Option<&'a Record>,
}

/// An upload to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file.
    pub file: FileId,
    /// Its key.
    pub key: ObjectKey,
    /// When it began.
    pub moment: Moment,
    /// What is there of it already.
    pub begun: Option<Begun>,
    /// An earlier pass may have begun an upload in parts of which it did not learn the id.
    pub may_have_begun: bool,
    /// Objects with these ETags under the key are ours, and may be replaced.
    pub spoilt: Vec<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove a file that is proven to be in the bucket.
    Remove {
        /// The file.
        file: FileId,
        /// Why.
        reason: Reason,
    },
    /// Give an upload in parts up: its file is gone, or is another now, or is to have another key.
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

/// All there is to do, and why not more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Removals, then uploads to give up, then those to do, the oldest recording first.
    pub steps: Vec<Step>,
    /// Files that are proven to be in the bucket.
    pub proven: usize,
    /// Files that failed and are not due for another try.
    pub waiting: Vec<FileId>,
    /// Files that cannot be uploaded, and why.
    pub refused: Vec<(FileId, ItemFailure)>,
}

/// Plans what to do with `files`, whose ids are their positions. `orphans` are records with an upload under way of which the file is not there.
#[must_use]
pub fn plan(files: &[Known<'_>], orphans: &[(SourceId, &str, &Record)], policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let (mut removals, mut aborts, mut uploads) = (Vec::new(), Vec::new(), Vec::<Upload>::new());
    for (source, path, record) in orphans {
        aborts.extend(abort(*source, path, record));
    }
    for (file, known) in files.iter().enumerate().map(|(number, known)| (FileId(number), known)) {
        let Known { local, record, .. } = *known;
        let proof = record.filter(|record| record.proves(&local.identity)).and_then(|record| record.proven.as_ref());
        if let Some((_, proven_at)) = proof {
            let moment = policy.keep.map(|_| policy.moment(local));
            let reason = policy.removal(moment.as_ref(), *proven_at);
            let is_same_inode = record.and_then(|record| record.identity) == Some(local.identity);
            match reason {
                Some(reason) if is_same_inode => {
                    plan.proven += 1;
                    removals.push(Step::Remove { file, reason });
                    continue;
                }
                // Perhaps another file of the same size and time: it is proven again before it is removed.
                Some(_) => {}
                None => {
                    plan.proven += 1;
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
        let moment = policy.moment(local);
        match policy.template.key(&policy.prefix, &Named { path: &local.path, dir: known.dir, moment: &moment }) {
            Ok(key) => {
                // What is known under another key says nothing of this one.
                let known = record.filter(|record| record.key == key.as_str());
                if is_same && known.is_none() {
                    give_up(record);
                }
                uploads.push(Upload {
                    file,
                    begun: known.filter(|_| is_same).and_then(|known| known.begun.clone()),
                    may_have_begun: known.is_some_and(|known| known.is_started),
                    spoilt: known.map(|known| known.spoilt.clone()).unwrap_or_default(),
                    key,
                    moment,
                });
            }
            Err(error) => plan.refused.push((file, ItemFailure::passing(FailureReason::Name, error.to_string()))),
        }
    }
    uploads.sort_by(|a, b| {
        let order = |upload: &Upload| (upload.moment.digits, files[upload.file.0].local);
        let ((a, a_file), (b, b_file)) = (order(a), order(b));
        a.cmp(&b).then_with(|| a_file.path.cmp(&b_file.path)).then_with(|| a_file.source.cmp(&b_file.source))
    });
    // Of two files with one key the older has it: also in the next pass, when the first is in the bucket.
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
    /// The key of a file in a source of this name.
    ///
    /// # Errors
    /// What comes out cannot be a key.
    pub fn key(&self, local: &Local, dir: &str) -> Result<ObjectKey, KeyError> {
        self.template.key(&self.prefix, &Named { path: &local.path, dir, moment: &self.moment(local) })
    }

    fn moment(&self, local: &Local) -> Moment {
        Moment::of(local.path.rsplit('/').next().unwrap_or_default(), local.identity.modified(), self.zone)
    }

    /// Whether a file that was proven then is to be removed now, and why. The future counts as now.
    #[must_use]
    pub fn removal(&self, moment: Option<&Moment>, proven_at: i64) -> Option<Reason> {
        let age = self.since(proven_at);
        let cutoff = self.keep.and_then(|keep| keep.cutoff(self.local_now()));
        if self.delete_after.is_some_and(|after| age >= after) {
            Some(Reason::Uploaded)
        } else if cutoff.zip(moment).is_some_and(|(cutoff, moment)| moment.digits < cutoff) {
            Some(Reason::Expired)
        } else {
            None
        }
    }

    fn local_now(&self) -> chrono::NaiveDateTime {
        self.now.with_timezone(&self.zone).naive_local()
    }

    fn since(&self, timestamp: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.now.timestamp() - timestamp).unwrap_or(0))
    }

    /// Whether what failed then is not due for another try. A time in the future was a wrong clock's.
    fn waits(&self, failed: i64) -> bool {
        failed <= self.now.timestamp() && self.since(failed) < self.retry_failed_after
    }
}

#[cfg(test)]
mod tests;
