//! Execution of the plan: workers send, and this thread decides, writes the journal and removes files.
//!
//! A worker takes the next task: a part of a file that was begun, else the next file. So the oldest footage is uploaded
//! first, and a large file does not keep the other workers waiting.

mod removal;
mod task;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use self::task::{Done, Task};
use super::journal::Begun;
use super::local::{FileId, Files};
use super::parts::Cut;
use super::plan::{Policy, Step, Upload};
use super::source::Sources;
use super::transfer::{Failure, Job, Open, PartDone, Start, Transfer, Verification, content_type};
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::mutex::lock;
use crate::pass::{Context, Report};
use crate::progress::Items;
use crate::retention::Reason;
use crate::units::{ByteSize, human_duration};
use crate::workers::{self, Queue};

/// After so many files in a row that failed by network or server, the pass ends: the cause is not in the files.
const MAX_FAILED_IN_A_ROW: usize = 10;
/// How often to restart a file when the server loses its multipart upload.
const MAX_RESTARTS: u32 = 2;

/// A plan under way.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context,
    pub(super) sources: &'a mut Sources,
    pub(super) files: &'a Files,
    pub(super) policy: &'a Policy,
    /// When the pass began, as `policy.now`.
    pub(super) began: Instant,
    pub(super) report: &'a mut Report,
    /// Files that turned out to be open.
    pub(super) open: &'a mut HashSet<FileId>,
    pub(super) jobs: usize,
}

/// Uploads under way.
struct Flight<'a> {
    transfer: Transfer<'a>,
    queue: &'a Queue<Task>,
    /// Uploads that are not begun yet.
    waiting: VecDeque<&'a Upload>,
    /// Uploads that are begun, by file.
    running: HashMap<FileId, Running<'a>>,
    /// Multipart uploads that are being aborted.
    aborts: usize,
    items: Items,
    /// Files that can be removed, and the time of the last removal.
    removals: (Vec<(FileId, Reason)>, Instant),
    failed_in_a_row: usize,
    ended: Result<()>,
}

/// A file under way.
struct Running<'a> {
    upload: &'a Upload,
    job: Arc<Job>,
    began: Instant,
    /// How many of its tasks are in the queue or with workers.
    outstanding: usize,
    open: Option<Open>,
    failure: Option<Failure>,
    restarts: u32,
    /// Whether it was cut smaller in this pass.
    has_small_parts: bool,
}

impl Flight<'_> {
    /// The first error is the cause; it stopped the later ones.
    fn end(&mut self, error: Error) {
        if self.ended.is_ok() {
            self.ended = Err(error);
        }
        self.transfer.flow.is_ended.store(true, Ordering::Relaxed);
    }

    fn abort(&mut self, task: Task) {
        self.aborts += 1;
        self.queue.change(|tasks| tasks.push_front(task));
    }
}

impl Execution<'_> {
    /// The current time in seconds since 1970: a pass may take days.
    fn now(&self) -> i64 {
        self.policy.now.timestamp().saturating_add_unsigned(self.began.elapsed().as_secs())
    }

    fn path(&self, file: FileId) -> PathBuf {
        let local = &self.files[file];
        self.sources[local.source].path(local)
    }

    /// Executes the aborts and uploads of the plan.
    pub(super) fn upload(&mut self, steps: &[Step], transfer: Transfer<'_>) -> Result<()> {
        let uploads: Vec<&Upload> =
            steps.iter().filter_map(|step| if let Step::Upload(upload) = step { Some(upload) } else { None }).collect();
        let names = uploads.iter().map(|upload| name_of(&self.files[upload.file].path).chars().count());
        let queue = Queue::default();
        let mut flight = Flight {
            transfer,
            queue: &queue,
            items: self.context.progress.items(uploads.len(), names.max().unwrap_or(0)),
            waiting: uploads.into(),
            running: HashMap::new(),
            aborts: 0,
            removals: (Vec::new(), Instant::now()),
            failed_in_a_row: 0,
            ended: Ok(()),
        };
        for step in steps {
            if let Step::Abort { source, path, key, id } = step {
                flight.abort(Task::Abort(*source, path.clone(), key.clone(), id.clone()));
            }
        }
        let work = |task: Task| task.run(transfer);
        workers::run(&queue, self.jobs, work, |done| {
            loop {
                self.feed(&mut flight);
                if flight.running.is_empty() && flight.aborts == 0 {
                    break;
                }
                let Ok(done) = done.recv() else { break };
                self.account(&mut flight, done);
                self.settle(&mut flight);
                self.remove_verified(&mut flight, false);
                self.check_journals();
            }
        });
        for journal in self.sources.journals_mut() {
            journal.sync();
        }
        // Files that were verified before an error ended the pass are removed all the same.
        self.remove_verified(&mut flight, true);
        flight.ended
    }

    /// Keeps more files begun than there are workers, so that none of them waits for this thread.
    fn feed<'a>(&mut self, flight: &mut Flight<'a>) {
        while flight.ended.is_ok()
            && flight.running.len() < 2 * self.jobs
            && let Some(upload) = flight.waiting.pop_front()
        {
            if let Err(stopped) = self.context.stop.check() {
                return flight.end(stopped);
            }
            if flight.transfer.flow.pacer.is_paused() {
                log::info!("--limit-rate pauses now: a later pass uploads the rest");
                return flight.waiting.clear();
            }
            let local = &self.files[upload.file];
            let item = flight.items.queue(name_of(&local.path));
            item.start(0, Some(local.identity.size));
            let job = Arc::new(Job {
                path: self.path(upload.file),
                identity: local.identity,
                key: upload.key.clone(),
                content_type: content_type(&local.path),
                may_have_begun: upload.may_have_begun,
                mismatched: Mutex::new(upload.mismatched.clone()),
                item,
            });
            if Cut::of(local.identity.size).is_some() && upload.begun.is_none() {
                let at = self.now();
                self.sources[local.source].journal.start(&local.path, local.identity, upload.key.as_str(), at);
            }
            let task = Task::Start(upload.file, Arc::clone(&job), upload.begun.clone());
            flight.queue.put(task);
            let running: Running<'a> = Running {
                upload,
                job,
                began: Instant::now(),
                outstanding: 1,
                open: None,
                failure: None,
                restarts: 0,
                has_small_parts: false,
            };
            flight.running.insert(upload.file, running);
        }
    }

    /// Handles the result of a worker.
    fn account(&mut self, flight: &mut Flight<'_>, done: Done) {
        let (number, outcome) = match done {
            Done::Abort(source, path, id, outcome) => {
                flight.aborts -= 1;
                let journal = &mut self.sources[source].journal;
                match outcome {
                    // Another upload of the file may be running by now, or have ended.
                    Ok(()) if !journal.has_begun(&path, &id) => {}
                    Ok(()) => journal.over(&path),
                    Err(Failure::Ended(error)) => flight.end(error),
                    Err(failure) => log::info!("{path}: its upload was not aborted: {failure}"),
                }
                return;
            }
            Done::Start(file, outcome) => (file, outcome.map(Progress::Started)),
            Done::Part(file, number, outcome) => (file, outcome.map(|part| Progress::Part(number, part))),
            Done::Finish(file, outcome) => {
                (file, outcome.map(|verification| Progress::Started(Start::Verified(verification))))
            }
        };
        let Some(mut file) = flight.running.remove(&number) else { return };
        file.outstanding -= 1;
        match outcome {
            Ok(Progress::Started(Start::Verified(verification))) => {
                flight.removals.0.extend(self.verified(&file, &verification));
            }
            Ok(Progress::Started(Start::Parts(open))) => self.begun(&mut file, open, flight.queue),
            Ok(Progress::Part(number, part)) => self.part(&mut file, number, part, flight.queue),
            Err(failure) => {
                file.failure.get_or_insert(failure);
                // Its other parts need not be sent now.
                flight.queue.change(|tasks| {
                    let before = tasks.len();
                    tasks.retain(|task| !matches!(task, Task::Part(of, ..) if *of == number));
                    file.outstanding -= before - tasks.len();
                });
            }
        }
        flight.running.insert(number, file);
    }

    /// Completes or fails the files that have no task left.
    fn settle(&mut self, flight: &mut Flight<'_>) {
        let settled: Vec<FileId> =
            flight.running.iter().filter(|(_, file)| file.outstanding == 0).map(|(number, _)| *number).collect();
        for number in settled {
            let Some(mut file) = flight.running.remove(&number) else { continue };
            match file.failure.take() {
                None => flight.failed_in_a_row = 0,
                Some(Failure::NoSuchUpload) if file.restarts < MAX_RESTARTS && flight.ended.is_ok() => {
                    log::info!("{}: the server has lost the upload", self.files[file.upload.file].path);
                    Self::restart(&mut file, flight.queue);
                    flight.running.insert(number, file);
                }
                Some(Failure::TooLarge(message)) if !file.has_small_parts && flight.ended.is_ok() => {
                    self.cut_smaller(flight, &mut file, &message);
                    flight.running.insert(number, file);
                }
                // Perhaps it has lost some of the parts that the journal has.
                Some(Failure::File(failure))
                    if failure.reason == FailureReason::Refused
                        && file.restarts == 0
                        && file.open.as_ref().is_some_and(|open| !open.is_listed)
                        && flight.ended.is_ok() =>
                {
                    log::info!("{}: sending its parts again: {}", self.files[file.upload.file].path, failure.message);
                    Self::restart(&mut file, flight.queue);
                    flight.running.insert(number, file);
                }
                Some(Failure::Ended(error)) => flight.end(error),
                Some(failure) => self.failed(flight, &file, failure),
            }
        }
        let failed = flight.failed_in_a_row;
        if failed >= MAX_FAILED_IN_A_ROW {
            let text =
                format!("{} failed for {failed} files in a row: a later pass tries again", flight.transfer.server);
            flight.end(Error::Away(text));
        }
    }

    /// Queues the parts of a file.
    fn begun(&mut self, file: &mut Running<'_>, open: Open, queue: &Queue<Task>) {
        let local = &self.files[file.upload.file];
        let now = self.now();
        let journal = &mut self.sources[local.source].journal;
        if open.is_new {
            let part_bytes = Some(open.cut.part_bytes()).filter(|_| Cut::of(local.identity.size) != Some(open.cut));
            let begun = Begun { id: open.id.clone(), part_bytes, at: now, ..Begun::default() };
            journal.begin(&local.path, local.identity, file.upload.key.as_str(), &begun);
        }
        let missing: Vec<NonZeroU32> = open.cut.numbers().filter(|number| !open.done.contains_key(number)).collect();
        file.outstanding += missing.len();
        let number = file.upload.file;
        queue.change(|tasks| {
            // Before files that are not begun, after the parts of those that are.
            let at = tasks.iter().position(|task| matches!(task, Task::Start(..))).unwrap_or(tasks.len());
            for (n, part) in missing.iter().enumerate() {
                tasks.insert(at + n, Task::Part(number, Arc::clone(&file.job), open.id.clone(), open.cut, *part));
            }
        });
        file.open = Some(open);
        finish_if_all_is_there(file, queue);
    }

    fn part(&mut self, file: &mut Running<'_>, number: NonZeroU32, part: PartDone, queue: &Queue<Task>) {
        let local = &self.files[file.upload.file];
        self.sources[local.source].journal.part(&local.path, number, &part.etag);
        if let Some(open) = &mut file.open {
            open.done.insert(number, part.etag);
        }
        if file.failure.is_none() {
            finish_if_all_is_there(file, queue);
        }
    }

    /// The server has lost the upload, or parts of it: requests the parts that it still has, or restarts the file. What the
    /// journal says of parts does not count any more.
    fn restart(file: &mut Running<'_>, queue: &Queue<Task>) {
        file.restarts += 1;
        let is_last = file.restarts == MAX_RESTARTS;
        let begun = file.open.take().filter(|_| !is_last).map(|open| Begun {
            part_bytes: Some(open.cut.part_bytes()),
            parts: if open.is_listed { open.done } else { BTreeMap::new() },
            id: open.id,
            ..Begun::default()
        });
        file.outstanding = 1;
        let task = Task::Start(file.upload.file, Arc::clone(&file.job), begun);
        queue.change(|tasks| tasks.push_front(task));
    }

    /// The server refuses requests of this size: restarts the file in small parts, as all later ones of the pass.
    fn cut_smaller(&self, flight: &mut Flight<'_>, file: &mut Running<'_>, message: &str) {
        let local = &self.files[file.upload.file];
        log::info!("{}: in smaller parts: {message}", local.path);
        flight.transfer.has_small_parts.store(true, Ordering::Relaxed);
        let begun = file.open.take().map(|open| open.id).or_else(|| Some(file.upload.begun.clone()?.id));
        if let Some(id) = begun {
            flight.abort(Task::Abort(local.source, local.path.clone(), file.upload.key.clone(), id));
        }
        (file.has_small_parts, file.outstanding) = (true, 1);
        let task = Task::Start(file.upload.file, Arc::clone(&file.job), None);
        flight.queue.change(|tasks| tasks.push_front(task));
    }

    /// Notes that a file is in the bucket. Returns the reason to remove it now, if there is one.
    fn verified(&mut self, file: &Running<'_>, verification: &Verification) -> Option<(FileId, Reason)> {
        let Upload { file: number, key, recorded_at, .. } = file.upload;
        let local = &self.files[*number];
        let now = self.now();
        self.sources[local.source].journal.verify(&local.path, local.identity, key.as_str(), &verification.etag, now);
        let (path, key) = (&local.path, key.as_str());
        if verification.was_there {
            self.report.already_there_files += 1;
            log::info!("{path}: already in the bucket as {key:?}");
        } else {
            self.report.arrived_files += 1;
            let (size, time) = (ByteSize(local.identity.size), human_duration(file.began.elapsed()));
            log::info!("{path}: uploaded {size} in {time} as {key:?}");
        }
        self.policy.removal(Some(recorded_at), now).map(|reason| (*number, reason))
    }

    /// Counts a file that could not be uploaded and verified.
    fn failed(&mut self, flight: &mut Flight<'_>, file: &Running<'_>, failure: Failure) {
        let Upload { file: number, key, .. } = file.upload;
        let local = &self.files[*number];
        let now = self.now();
        let journal = &mut self.sources[local.source].journal;
        let mismatched = lock(&file.job.mismatched);
        for etag in mismatched.iter().filter(|etag| !file.upload.mismatched.contains(etag)) {
            journal.mismatch(&local.path, key.as_str(), etag);
        }
        drop(mismatched);
        let failure = match failure {
            Failure::File(failure) => failure,
            Failure::TooLarge(message) => ItemFailure::passing(FailureReason::Refused, message),
            Failure::NoSuchUpload => {
                ItemFailure::passing(FailureReason::Server, "the server keeps losing its multipart uploads")
            }
            Failure::Changed | Failure::Vanished => {
                log::info!("{}: changed since the pass began: a later pass uploads it", local.path);
                if matches!(failure, Failure::Changed) {
                    self.open.insert(*number);
                }
                // Its parts are useless now.
                if let Some(open) = &file.open {
                    flight.abort(Task::Abort(local.source, local.path.clone(), key.clone(), open.id.clone()));
                }
                return;
            }
            Failure::Left | Failure::Ended(_) => return,
        };
        if failure.retry_later {
            journal.fail(&local.path, local.identity, key.as_str(), now);
        }
        if file.open.is_some() && failure.reason != FailureReason::Network {
            journal.stall(&local.path);
        }
        let is_elsewhere = matches!(failure.reason, FailureReason::Network | FailureReason::Server);
        flight.failed_in_a_row += usize::from(is_elsewhere);
        self.report.fail(&self.context.notices, &local.path, failure);
    }

    /// A journal that cannot be written costs the next pass some requests; uploaded files stay uploaded.
    fn check_journals(&mut self) {
        for journal in self.sources.journals_mut() {
            if let Some(error) = journal.take_failure() {
                let text = format_args!("cannot note what was uploaded: {}", error.with_causes());
                self.context.notices.warn("journal", text);
            }
        }
    }
}

/// The progress of a file.
enum Progress {
    Started(Start),
    Part(NonZeroU32, PartDone),
}

/// Without its folders.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn finish_if_all_is_there(file: &mut Running<'_>, queue: &Queue<Task>) {
    let Some(open) = &file.open else { return };
    if file.outstanding > 0 || open.done.len() < usize::try_from(open.cut.count()).unwrap_or(usize::MAX) {
        return;
    }
    file.outstanding = 1;
    let task = Task::Finish(file.upload.file, Arc::clone(&file.job), open.id.clone(), open.done.clone());
    queue.change(|tasks| tasks.push_front(task));
}
