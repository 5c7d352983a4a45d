//! Doing what the plan says: several workers send, and this thread decides, keeps the journal and removes.
//!
//! A worker takes what is next: a part of a file that was begun, else the next file. So the oldest footage is in the bucket
//! first, and a large file does not keep the other workers waiting.

mod removal;
mod task;

use std::collections::{HashMap, HashSet, VecDeque};
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
use super::transfer::{Failure, Job, Open, PartDone, Proof, Start, Transfer, content_type};
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::mutex::lock;
use crate::pass::{Context, Report};
use crate::progress::Items;
use crate::retention::Reason;
use crate::units::{ByteSize, human_duration};
use crate::workers::{self, Queue};

/// So many files in a row that failed by network or server: it is not the files.
const MAX_FAILED_IN_A_ROW: usize = 10;
/// How often a file is begun anew when the server forgets its upload.
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
    /// Files that turn out to be open after all.
    pub(super) open: &'a mut HashSet<FileId>,
    pub(super) jobs: usize,
}

/// Uploads under way.
struct Flight<'a> {
    transfer: Transfer<'a>,
    queue: &'a Queue<Task>,
    /// Not begun yet.
    waiting: VecDeque<&'a Upload>,
    /// Begun, by file.
    running: HashMap<FileId, Running<'a>>,
    /// Uploads that are being given up.
    aborts: usize,
    items: Items,
    /// Files that can be removed, and when that was last done.
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
}

impl Flight<'_> {
    /// The first error is the one that tells; what comes after it was stopped because of it.
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
    /// What time it is, in seconds since 1970: a pass may take days.
    fn now(&self) -> i64 {
        self.policy.now.timestamp().saturating_add_unsigned(self.began.elapsed().as_secs())
    }

    fn path(&self, file: FileId) -> PathBuf {
        let local = &self.files[file];
        self.sources[local.source].path(local)
    }

    /// Gives up and uploads everything planned.
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
                self.remove_proven(&mut flight, false);
                self.check_journals();
            }
        });
        for journal in self.sources.journals_mut() {
            journal.sync();
        }
        // What was proven before something else ended the pass is removed all the same.
        self.remove_proven(&mut flight, true);
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
                log::info!("--limit-rate pauses now: the rest is left for a later pass");
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
                spoilt: Mutex::new(upload.spoilt.clone()),
                item,
            });
            if Cut::of(local.identity.size).is_some() && upload.begun.is_none() {
                let at = self.now();
                self.sources[local.source].journal.start(&local.path, local.identity, upload.key.as_str(), at);
            }
            let task = Task::Start(upload.file, Arc::clone(&job), upload.begun.clone());
            flight.queue.put(task);
            let running: Running<'a> =
                Running { upload, job, began: Instant::now(), outstanding: 1, open: None, failure: None, restarts: 0 };
            flight.running.insert(upload.file, running);
        }
    }

    /// What a worker has done.
    fn account(&mut self, flight: &mut Flight<'_>, done: Done) {
        let (number, outcome) = match done {
            Done::Abort(source, path, id, outcome) => {
                flight.aborts -= 1;
                let journal = &mut self.sources[source].journal;
                match outcome {
                    // Another upload of the file may be on its way by now, or have come to its end.
                    Ok(()) if !journal.has_begun(&path, &id) => {}
                    Ok(()) => journal.over(&path),
                    Err(Failure::Ended(error)) => flight.end(error),
                    Err(failure) => log::info!("{path}: its upload was not aborted: {failure}"),
                }
                return;
            }
            Done::Start(file, outcome) => (file, outcome.map(Progress::Started)),
            Done::Part(file, number, outcome) => (file, outcome.map(|part| Progress::Part(number, part))),
            Done::Finish(file, outcome) => (file, outcome.map(|proof| Progress::Started(Start::Proven(proof)))),
        };
        let Some(mut file) = flight.running.remove(&number) else { return };
        file.outstanding -= 1;
        match outcome {
            Ok(Progress::Started(Start::Proven(proof))) => flight.removals.0.extend(self.proven(&file, &proof)),
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

    /// What becomes of files of which no worker has anything any more.
    fn settle(&mut self, flight: &mut Flight<'_>) {
        let settled: Vec<FileId> =
            flight.running.iter().filter(|(_, file)| file.outstanding == 0).map(|(number, _)| *number).collect();
        for number in settled {
            let Some(mut file) = flight.running.remove(&number) else { continue };
            match file.failure.take() {
                None => flight.failed_in_a_row = 0,
                Some(Failure::NoSuchUpload) if file.restarts < MAX_RESTARTS && flight.ended.is_ok() => {
                    self.restart(&mut file, flight.queue);
                    flight.running.insert(number, file);
                }
                Some(Failure::Ended(error)) => flight.end(error),
                Some(failure) => self.failed(flight, &file, failure),
            }
        }
        let failed = flight.failed_in_a_row;
        if failed >= MAX_FAILED_IN_A_ROW {
            let text = format!("{} fails for {failed} files in a row: left for a later pass", flight.transfer.server);
            flight.end(Error::Away(text));
        }
    }

    /// The parts of a file can be sent.
    fn begun(&mut self, file: &mut Running<'_>, open: Open, queue: &Queue<Task>) {
        let local = &self.files[file.upload.file];
        let now = self.now();
        let journal = &mut self.sources[local.source].journal;
        if open.is_new {
            journal.begin(&local.path, local.identity, file.upload.key.as_str(), &open.id, now);
        }
        let missing: Vec<NonZeroU32> = open.cut.numbers().filter(|number| !open.done.contains_key(number)).collect();
        file.outstanding += missing.len();
        let number = file.upload.file;
        queue.change(|tasks| {
            // Before files that are not begun, behind the parts of those that are.
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

    /// The server says that it has forgotten the upload: what it has of it is asked for, else the file begins anew.
    fn restart(&self, file: &mut Running<'_>, queue: &Queue<Task>) {
        log::info!("{}: the server has forgotten the upload", self.files[file.upload.file].path);
        file.restarts += 1;
        let begun = file.open.take().map(|open| Begun { id: open.id, parts: open.done });
        file.outstanding = 1;
        let task = Task::Start(file.upload.file, Arc::clone(&file.job), begun);
        queue.change(|tasks| tasks.push_front(task));
    }

    /// A file is in the bucket. Whether it can be removed now, and why.
    fn proven(&mut self, file: &Running<'_>, proof: &Proof) -> Option<(FileId, Reason)> {
        let Upload { file: number, key, moment, .. } = file.upload;
        let local = &self.files[*number];
        let now = self.now();
        self.sources[local.source].journal.prove(&local.path, local.identity, key.as_str(), &proof.etag, now);
        let (path, key) = (&local.path, key.as_str());
        if proof.was_there {
            self.report.already_there_files += 1;
            log::info!("{path}: is in the bucket already, as {key:?}");
        } else {
            self.report.arrived_files += 1;
            let (size, time) = (ByteSize(local.identity.size), human_duration(file.began.elapsed()));
            log::info!("{path}: uploaded {size} in {time}, as {key:?}");
        }
        self.policy.removal(Some(moment), now).map(|reason| (*number, reason))
    }

    /// Counts what did not come to a proof.
    fn failed(&mut self, flight: &mut Flight<'_>, file: &Running<'_>, failure: Failure) {
        let Upload { file: number, key, .. } = file.upload;
        let local = &self.files[*number];
        let now = self.now();
        let journal = &mut self.sources[local.source].journal;
        let spoilt = lock(&file.job.spoilt);
        for etag in spoilt.iter().filter(|etag| !file.upload.spoilt.contains(etag)) {
            journal.spoil(&local.path, key.as_str(), etag);
        }
        drop(spoilt);
        let failure = match failure {
            Failure::File(failure) => failure,
            Failure::NoSuchUpload => ItemFailure::passing(FailureReason::Server, "the server forgets its uploads"),
            Failure::Changed | Failure::Vanished => {
                log::info!("{}: it has changed in the meantime: left for a later pass", local.path);
                if matches!(failure, Failure::Changed) {
                    self.open.insert(*number);
                }
                // Its parts are of no use any more.
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
        let is_elsewhere = matches!(failure.reason, FailureReason::Network | FailureReason::Server);
        flight.failed_in_a_row += usize::from(is_elsewhere);
        self.report.fail(&self.context.notices, &local.path, failure);
    }

    /// A journal that cannot be written costs the next pass some questions; what is uploaded stays uploaded.
    fn check_journals(&mut self) {
        for journal in self.sources.journals_mut() {
            if let Some(error) = journal.take_failure() {
                let text = format_args!("what was uploaded is not remembered: {}", error.with_causes());
                self.context.notices.warn("journal", text);
            }
        }
    }
}

/// How a file got on.
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
