//! Doing what the plan says: several workers send, and this thread decides, keeps the journal and removes.
//!
//! A worker takes what is next: a part of a file that was begun, else the next file. So the oldest footage is in the bucket
//! first, and a large file does not keep the other workers waiting.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::journal::{Begun, Journal};
use super::key::ObjectKey;
use super::local::{Identity, Local, OpenFiles};
use super::parts::Cut;
use super::plan::{Policy, Step, Upload};
use super::transfer::{Failure, Job, Open, PartDone, Proof, Start, Transfer};
use crate::error::{Error, Result};
use crate::pass::{Context, Report, Sent};
use crate::retention::Reason;
use crate::store::{Store, remove};
use crate::units::ByteSize;

/// So many files in a row that failed by network or server: it is not the files.
const MAX_FAILED_IN_A_ROW: usize = 10;
/// How often a file is begun anew when the server forgets its upload.
const MAX_RESTARTS: u32 = 2;
/// Files are removed together: to see whether somebody has opened one, all processes are looked through.
const REMOVE_EVERY: Duration = Duration::from_secs(2);

/// A plan under way.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context,
    pub(super) stores: &'a [Store],
    pub(super) journals: &'a mut [Journal],
    pub(super) files: &'a [Local],
    pub(super) policy: &'a Policy,
    pub(super) report: &'a mut Report,
    pub(super) jobs: usize,
}

/// What workers do.
enum Task {
    Start(usize, Arc<Job>, Option<Begun>),
    Part(usize, Arc<Job>, String, Cut, NonZeroU32),
    Finish(usize, Arc<Job>, String, BTreeMap<NonZeroU32, String>),
    /// The upload of a file that is gone or another; its place and path.
    Abort(usize, String, ObjectKey, String),
}

enum Done {
    Start(usize, Result<Start, Failure>),
    Part(usize, NonZeroU32, Result<PartDone, Failure>),
    Finish(usize, Result<Proof, Failure>),
    Abort(usize, String, Result<(), Failure>),
}

/// Tasks, for workers that wait for them.
#[derive(Default)]
struct Queue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    changed: Condvar,
}

impl Queue {
    /// The next task; none when there will be no more.
    fn next(&self) -> Option<Task> {
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

    fn change(&self, change: impl FnOnce(&mut VecDeque<Task>)) {
        change(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner).0);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// A file under way.
struct Running<'a> {
    upload: &'a Upload,
    job: Arc<Job>,
    began: Instant,
    /// How many of its parts workers have.
    outstanding: usize,
    open: Option<Open>,
    failure: Option<Failure>,
    restarts: u32,
}

impl Execution<'_> {
    /// Removes what the plan says.
    pub(super) fn remove(&mut self, steps: &[Step]) -> Result<()> {
        let removals: Vec<(usize, Reason)> = steps
            .iter()
            .filter_map(|step| if let Step::Remove { file, reason } = step { Some((*file, *reason)) } else { None })
            .collect();
        self.remove_files(&removals)
    }

    /// Removes files that are proven to be in the bucket, unless somebody has opened them, or they are others now.
    fn remove_files(&mut self, removals: &[(usize, Reason)]) -> Result<()> {
        if removals.is_empty() {
            return Ok(());
        }
        let paths: Vec<PathBuf> = removals.iter().map(|(file, _)| self.path(*file)).collect();
        let open = OpenFiles::look(paths.iter().map(PathBuf::as_path));
        for ((file, reason), path) in removals.iter().zip(&paths) {
            self.context.stop.check()?;
            let Local { path: name, identity, .. } = &self.files[*file];
            let Ok(metadata) = fs::symlink_metadata(path) else { continue };
            if Identity::of(&metadata) != *identity || open.has(&metadata) {
                log::info!("{name}: somebody has opened it: not removed");
                continue;
            }
            remove(path)?;
            log::info!("{name}: removed ({reason})");
            self.report.removed(*reason, identity.size);
        }
        Ok(())
    }

    fn path(&self, file: usize) -> PathBuf {
        let local = &self.files[file];
        self.stores[local.place].root().join(&local.path)
    }

    /// Uploads everything planned.
    pub(super) fn upload(&mut self, steps: &[Step], transfer: Transfer<'_>) -> Result<()> {
        let uploads: Vec<&Upload> =
            steps.iter().filter_map(|step| if let Step::Upload(upload) = step { Some(upload) } else { None }).collect();
        let queue = Queue::default();
        let (sender, done) = mpsc::channel::<Done>();
        let mut waiting: VecDeque<&Upload> = uploads.iter().copied().collect();
        let mut items = self.context.progress.items(uploads.len());
        let mut running: HashMap<usize, Running<'_>> = HashMap::new();
        let mut aborts = 0;
        queue.change(|tasks| {
            for step in steps {
                if let Step::Abort { place, path, key, id } = step {
                    tasks.push_back(Task::Abort(*place, path.clone(), key.clone(), id.clone()));
                    aborts += 1;
                }
            }
        });
        let workers = self.jobs.min(uploads.len().max(aborts).max(if uploads.is_empty() { 1 } else { self.jobs }));
        let mut removals = Removals { files: Vec::new(), last: Instant::now() };
        let mut in_a_row = 0;
        let ended = thread::scope(|scope| {
            for _ in 0..workers {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || {
                    while let Some(task) = queue.next() {
                        if sender.send(work(transfer, task)).is_err() {
                            return;
                        }
                    }
                });
            }
            let mut ended: Result<()> = Ok(());
            let end = |ended: &mut Result<()>, error: Error| {
                // The first error is the one that tells; what comes after it was stopped because of it.
                if ended.is_ok() {
                    *ended = Err(error);
                }
                transfer.flow.is_ended.store(true, Ordering::Relaxed);
            };
            loop {
                // As many files as workers are begun ahead, so that none waits for us.
                while ended.is_ok()
                    && running.len() < 2 * workers
                    && let Some(upload) = waiting.pop_front()
                {
                    if let Err(stopped) = self.context.stop.check() {
                        end(&mut ended, stopped);
                        break;
                    }
                    if transfer.flow.pacer.is_paused() {
                        waiting.clear();
                        break;
                    }
                    let local = &self.files[upload.file];
                    let item = items.begin(local.path.rsplit('/').next().unwrap_or_default().to_owned());
                    item.start(0, Some(local.identity.size));
                    let job = Arc::new(Job {
                        path: self.path(upload.file),
                        identity: local.identity,
                        key: upload.key.clone(),
                        content_type: content_type(&local.path),
                        spoilt: Mutex::new(upload.spoilt.clone()),
                        item,
                    });
                    let task = Task::Start(upload.file, Arc::clone(&job), upload.begun.clone());
                    queue.change(|tasks| tasks.push_back(task));
                    let began = Instant::now();
                    running.insert(
                        upload.file,
                        Running { upload, job, began, outstanding: 1, open: None, failure: None, restarts: 0 },
                    );
                }
                if running.is_empty() && aborts == 0 {
                    break;
                }
                let Ok(done) = done.recv() else { break };
                match done {
                    Done::Abort(place, path, outcome) => {
                        aborts -= 1;
                        match outcome {
                            Ok(()) => self.journals[place].over(&path),
                            Err(Failure::Ended(error)) => end(&mut ended, error),
                            Err(Failure::File { message, .. }) => {
                                log::info!("{path}: its upload was not aborted: {message}")
                            }
                            Err(_) => {}
                        }
                    }
                    Done::Start(file, outcome) => {
                        let Some(file) = running.get_mut(&file) else { continue };
                        file.outstanding -= 1;
                        match outcome {
                            Ok(Start::Proven(proof)) => file.failure = self.proven(file, &proof, &mut removals),
                            Ok(Start::Parts(open)) => self.begun(file, open, &queue),
                            Err(failure) => file.failure = Some(failure),
                        }
                    }
                    Done::Part(file, number, outcome) => {
                        let Some(file) = running.get_mut(&file) else { continue };
                        file.outstanding -= 1;
                        match outcome {
                            Ok(part) => self.part(file, number, part, &queue),
                            Err(failure) => {
                                file.failure.get_or_insert(failure);
                                let number = file.upload.file;
                                queue.change(|tasks| {
                                    let before = tasks.len();
                                    tasks.retain(|task| !matches!(task, Task::Part(of, ..) if *of == number));
                                    file.outstanding -= before - tasks.len();
                                });
                            }
                        }
                    }
                    Done::Finish(file, outcome) => {
                        let Some(file) = running.get_mut(&file) else { continue };
                        file.outstanding -= 1;
                        match outcome {
                            Ok(proof) => file.failure = self.proven(file, &proof, &mut removals),
                            Err(failure) => file.failure = Some(failure),
                        }
                    }
                }
                let ready: Vec<usize> =
                    running.iter().filter(|(_, file)| file.outstanding == 0).map(|(number, _)| *number).collect();
                for number in ready {
                    let Some(mut file) = running.remove(&number) else { continue };
                    match file.failure.take() {
                        None => in_a_row = 0,
                        Some(Failure::NoSuchUpload) if file.restarts < MAX_RESTARTS && ended.is_ok() => {
                            self.restart(&mut file, &queue);
                            running.insert(number, file);
                        }
                        Some(Failure::Ended(error)) => end(&mut ended, error),
                        Some(failure) => {
                            let is_elsewhere = self.failed(&file, failure, &queue, &mut aborts);
                            in_a_row = if is_elsewhere { in_a_row + 1 } else { in_a_row };
                        }
                    }
                }
                if in_a_row >= MAX_FAILED_IN_A_ROW && ended.is_ok() {
                    let text =
                        format!("{} failed for {in_a_row} files in a row: left for a later pass", transfer.server);
                    end(&mut ended, Error::Away(text));
                }
                if let Err(error) = removals.flush(self, false) {
                    end(&mut ended, error);
                }
                self.check_journals();
            }
            queue.close();
            ended
        });
        for journal in self.journals.iter_mut() {
            journal.sync();
        }
        // What was proven before something else ended the pass is removed all the same.
        let removed = removals.flush(self, true);
        ended.and(removed)
    }

    /// The parts of a file can be sent.
    fn begun(&mut self, file: &mut Running<'_>, open: Open, queue: &Queue) {
        let local = &self.files[file.upload.file];
        let journal = &mut self.journals[local.place];
        if open.is_new {
            journal.begin(&local.path, local.identity, file.upload.key.as_str(), &open.id, self.policy.now.timestamp());
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
        self.finish_if_all_is_there(file, queue);
    }

    fn part(&mut self, file: &mut Running<'_>, number: NonZeroU32, part: PartDone, queue: &Queue) {
        let local = &self.files[file.upload.file];
        self.journals[local.place].part(&local.path, number, &part.etag);
        if let Some(open) = &mut file.open {
            open.done.insert(number, part.etag);
        }
        if file.failure.is_none() {
            self.finish_if_all_is_there(file, queue);
        }
    }

    #[expect(clippy::unused_self, reason = "it is one of the steps of a file")]
    fn finish_if_all_is_there(&self, file: &mut Running<'_>, queue: &Queue) {
        let Some(open) = &file.open else { return };
        if file.outstanding > 0 || open.done.len() < usize::try_from(open.cut.count()).unwrap_or(usize::MAX) {
            return;
        }
        file.outstanding = 1;
        let task = Task::Finish(file.upload.file, Arc::clone(&file.job), open.id.clone(), open.done.clone());
        queue.change(|tasks| tasks.push_front(task));
    }

    /// The server says that it has forgotten the upload: what it has of it is asked for, else the file begins anew.
    fn restart(&self, file: &mut Running<'_>, queue: &Queue) {
        log::info!("{}: the server has forgotten the upload", self.files[file.upload.file].path);
        file.restarts += 1;
        let begun = file.open.take().map(|open| Begun { id: open.id, parts: open.done });
        file.outstanding = 1;
        let task = Task::Start(file.upload.file, Arc::clone(&file.job), begun);
        queue.change(|tasks| tasks.push_front(task));
    }

    /// A file is in the bucket.
    fn proven(&mut self, file: &Running<'_>, proof: &Proof, removals: &mut Removals) -> Option<Failure> {
        let Upload { file: number, key, moment, .. } = file.upload;
        let local = &self.files[*number];
        let now = self.policy.now.timestamp();
        self.journals[local.place].prove(&local.path, local.identity, key.as_str(), &proof.etag, now);
        let sent = self.report.sent.get_or_insert_with(Sent::default);
        if proof.was_there {
            sent.files_already_there += 1;
            log::info!("{}: is in the bucket already, as {:?}", local.path, key.as_str());
        } else {
            sent.files += 1;
            let seconds = file.began.elapsed().as_secs_f64();
            log::info!(
                "{}: uploaded {} in {seconds:.1} s, as {:?}",
                local.path,
                ByteSize(local.identity.size),
                key.as_str()
            );
        }
        removals.add(*number, self.policy.removal(Some(moment), now));
        None
    }

    /// Counts what did not come to a proof. Whether the network or the server is to blame.
    fn failed(&mut self, file: &Running<'_>, failure: Failure, queue: &Queue, aborts: &mut usize) -> bool {
        let Upload { file: number, key, .. } = file.upload;
        let local = &self.files[*number];
        let journal = &mut self.journals[local.place];
        let spoilt = file.job.spoilt.lock().unwrap_or_else(PoisonError::into_inner);
        for etag in spoilt.iter().filter(|etag| !file.upload.spoilt.contains(etag)) {
            journal.spoil(&local.path, key.as_str(), etag);
        }
        drop(spoilt);
        let (reason, message, lasts) = match failure {
            Failure::File { reason, message, lasts } => (reason, message, lasts),
            Failure::NoSuchUpload => ("server", "the server forgets its uploads".to_owned(), false),
            Failure::Changed | Failure::Vanished => {
                log::info!("{}: it has changed in the meantime: left for a later pass", local.path);
                self.report.still_written += usize::from(matches!(failure, Failure::Changed));
                // Its parts are of no use any more.
                if let Some(open) = &file.open {
                    let task = Task::Abort(local.place, local.path.clone(), key.clone(), open.id.clone());
                    queue.change(|tasks| tasks.push_front(task));
                    *aborts += 1;
                }
                return false;
            }
            Failure::Left | Failure::Ended(_) => return false,
        };
        if lasts {
            journal.fail(&local.path, local.identity, key.as_str(), self.policy.now.timestamp());
        }
        self.report.fail(&self.context.told, &local.path, reason, message);
        matches!(reason, "network" | "server")
    }

    /// A journal that cannot be written costs the next pass some questions; what is uploaded stays uploaded.
    fn check_journals(&mut self) {
        for journal in self.journals.iter_mut() {
            if let Some(error) = journal.take_failure() {
                let text = format_args!("what was uploaded is not remembered: {}", error.with_causes());
                self.context.told.warn("journal", text);
            }
        }
    }
}

/// Files that can be removed.
struct Removals {
    files: Vec<(usize, Reason)>,
    last: Instant,
}

impl Removals {
    fn add(&mut self, file: usize, reason: Option<Reason>) {
        self.files.extend(reason.map(|reason| (file, reason)));
    }

    fn flush(&mut self, execution: &mut Execution<'_>, is_end: bool) -> Result<()> {
        if self.files.is_empty() || !(is_end || self.last.elapsed() >= REMOVE_EVERY) {
            return Ok(());
        }
        self.last = Instant::now();
        execution.remove_files(&std::mem::take(&mut self.files))
    }
}

fn work(transfer: Transfer<'_>, task: Task) -> Done {
    match task {
        Task::Start(file, job, begun) => Done::Start(file, transfer.start(&job, begun.as_ref())),
        Task::Part(file, job, id, cut, number) => Done::Part(file, number, transfer.part(&job, &id, cut, number)),
        Task::Finish(file, job, id, parts) => Done::Finish(file, transfer.finish(&job, &id, &parts)),
        Task::Abort(place, path, key, id) => {
            let outcome = transfer.abort(&key, &id);
            Done::Abort(place, path, outcome)
        }
    }
}

/// By the extension, as players and browsers want it.
fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mkv" => "video/x-matroska",
        "ts" => "video/mp2t",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "avi" => "video/x-msvideo",
        "jpg" | "jpeg" | "thm" => "image/jpeg",
        "png" => "image/png",
        "json" => "application/json",
        "txt" | "log" => "text/plain",
        _ => "application/octet-stream",
    }
}
