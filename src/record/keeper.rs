//! The thread of one destination: a slow or hanging disk delays its own cameras only.
//!
//! It makes the cameras' folders, closes segments, looks after what a crash has left, removes what is over, and watches
//! the room on the disk. A share that hangs hangs this thread and nothing else.

mod job;
mod latest;
mod room;

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

pub(super) use self::job::{Job, Look, News, Turn, Whole};
use self::latest::Latest;
use self::room::Held;
use super::closing::{self, Closed};
use super::config::Camera;
use super::mailbox::Mailbox;
use super::name::{CameraName, OpenName, SegmentName};
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::mutex;
use crate::notices::Notices;
use crate::open_files::OpenFiles;
use crate::removals::Removals;
use crate::remove::{Removal, remove_footage};
use crate::retention::Reason;
use crate::store::{Store, write_even_if_full};

/// A file that could not be closed is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// How long an open segment is left alone that another host may be writing.
const REST: Duration = Duration::from_secs(90);
/// A segment that another process has open is looked at again after this.
const WHILE_OPEN: Duration = Duration::from_secs(2);
/// When the cameras of the configuration have begun, what others have left is looked for.
const STRAYS_AFTER: Duration = Duration::from_secs(10);

/// A keeper and its thread.
#[derive(Debug)]
pub(super) struct Keeper {
    jobs: mpsc::Sender<Job>,
    looks: Latest<(), Look>,
    files: Latest<PathBuf, Vec<u8>>,
    /// What writes the open segments there.
    pub(super) writer: Writer,
}

impl Keeper {
    /// Starts the thread for a destination that is locked for us. `is_shared` is whether other hosts record other cameras
    /// there, `is_ours` whether no other recorder may.
    pub(super) fn start(
        store: Store,
        is_shared: bool,
        is_ours: bool,
        lock: Weak<Mutex<Lock>>,
        news: Mailbox<(PathBuf, News)>,
    ) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let root = store.root().to_owned();
        let (looks, files) = (Latest::default(), Latest::default());
        let writer = Writer::start(store.clone(), jobs.clone(), news.clone())?;
        let thread = Thread {
            store,
            is_shared,
            lock,
            news: Box::new(move |told| news.send((root.clone(), told))),
            looks: looks.clone(),
            files: files.clone(),
            cameras: BTreeMap::new(),
            unclosed: VecDeque::new(),
            strays_at: is_ours.then(|| Instant::now() + STRAYS_AFTER),
            was_full: false,
            is_over: false,
            notices: Notices::default(),
            removals: Removals::default(),
        };
        let builder = std::thread::Builder::new().name("keeper".into()).stack_size(256 << 10);
        builder
            .spawn(move || thread.run(&inbox))
            .map_err(|error| Error::Source(format!("cannot start a thread: {error}")))?;
        Ok(Self { jobs, looks, files, writer })
    }

    /// Has it look at the disk, and at what is over.
    pub(super) fn look(&self, look: Look) {
        if self.looks.put((), look) {
            self.ask(Job::Look);
        }
    }

    /// Has it write a file: the state for `status`, metrics.
    pub(super) fn write(&self, path: PathBuf, bytes: Vec<u8>) {
        if self.files.put(path.clone(), bytes) {
            self.ask(Job::Write(path));
        }
    }

    /// Asks for something.
    fn ask(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

/// What its thread knows.
struct Thread {
    store: Store,
    is_shared: bool,
    /// What locks the destination; gone when it is given up.
    lock: Weak<Mutex<Lock>>,
    news: Box<dyn Fn(News) + Send>,
    looks: Latest<(), Look>,
    files: Latest<PathBuf, Vec<u8>>,
    cameras: BTreeMap<CameraName, Kept>,
    /// What waits to be looked into, and from when on.
    unclosed: VecDeque<Unclosed>,
    /// When what cameras of earlier configurations have left is looked for, if it is.
    strays_at: Option<Instant>,
    was_full: bool,
    is_over: bool,
    notices: Notices,
    removals: Removals,
}

/// A camera whose segments come here.
struct Kept {
    settings: Arc<Camera>,
    /// What is here of it; none until it was counted.
    held: Option<Held>,
}

struct Unclosed {
    camera: CameraName,
    open: OpenName,
    not_before: Instant,
    settings: Arc<Camera>,
    /// Its start and duration, if it is complete.
    whole: Option<Whole>,
    /// Another host may be writing it.
    may_be_open: bool,
    /// It could not be closed.
    has_failed: bool,
}

impl Thread {
    fn run(mut self, inbox: &mpsc::Receiver<Job>) {
        while !self.is_over {
            // What was left behind has time; what closes now comes first.
            let due = self.unclosed.iter().map(|unclosed| unclosed.not_before).chain(self.strays_at).min();
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            let job = match wait {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            match job {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) if self.strays_at.take_if(|at| *at <= Instant::now()).is_some() => {
                    if let Err(error) = self.find_strays() {
                        log::warn!(
                            "what cameras of earlier configurations have left is not looked for: {}",
                            error.with_causes()
                        );
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look_into_one(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tell(&self, news: News) {
        (self.news)(news);
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Prepare { camera, settings, turn } => match self.prepare(&camera, settings) {
                Ok(()) => self.tell(News::Ready(turn)),
                Err(error) => self.not_ready(turn, &error),
            },
            Job::Close { camera, open, is } => {
                let Some(settings) = self.cameras.get(&camera).map(|kept| Arc::clone(&kept.settings)) else { return };
                let (not_before, whole) = (Instant::now(), Some(is));
                self.close(Unclosed {
                    camera,
                    open,
                    not_before,
                    settings,
                    whole,
                    may_be_open: false,
                    has_failed: false,
                });
            }
            Job::Incomplete { camera, open } => {
                let Some(settings) = self.cameras.get(&camera).map(|kept| Arc::clone(&kept.settings)) else { return };
                self.unclosed.push_back(Unclosed {
                    camera,
                    open,
                    not_before: Instant::now(),
                    settings,
                    whole: None,
                    may_be_open: false,
                    has_failed: false,
                });
            }
            Job::Forget(camera) => {
                self.cameras.remove(&camera);
                self.notices.forget(&not_removed(&camera));
            }
            Job::Look => {
                if let Some(look) = self.looks.take(&()) {
                    self.look(&look);
                }
            }
            Job::Write(path) => {
                let written = self.files.take(&path).map_or(Ok(()), |bytes| write_even_if_full(&path, &bytes));
                if let Err(error) = written {
                    log::info!("{}", error.with_causes());
                }
            }
            Job::Flush => {
                // Incomplete segments of cameras that have just ended, and those that could not be closed before.
                self.try_again(|unclosed| unclosed.has_failed);
                while self.unclosed.iter().any(|unclosed| unclosed.not_before <= Instant::now()) {
                    self.look_into_one();
                }
                self.tell(News::Flushed { is_all_closed: !self.unclosed.iter().any(|unclosed| unclosed.has_failed) });
            }
        }
    }

    /// Has the lock and the state folder be there: who deletes `.footage` must not make this recorder one that cannot be
    /// found, beside which another starts.
    fn look_after_lock(&mut self) {
        let renewed = self.store.make_state_dir().and_then(|was_gone| match self.lock.upgrade() {
            Some(lock) => mutex::lock(&lock).renew().map(|renewed| renewed || was_gone),
            None => Ok(was_gone),
        });
        let place = self.store.root().display().to_string();
        match renewed {
            Ok(is_new) => {
                self.notices.end("lock", format_args!("{place}: its lock is looked after again"));
                if is_new {
                    log::warn!("{place}: .footage or the lock was deleted while recording; both were made anew");
                    self.tell(News::Renewed);
                }
            }
            Err(error @ Error::Busy { .. }) => self.tell(News::Taken(error)),
            Err(error) => {
                self.notices
                    .warn("lock", format_args!("{place}: its lock is not looked after: {}", error.with_causes()));
            }
        }
    }

    /// The destination is another one: nothing of it is ours.
    fn gone(&mut self, error: Error) {
        self.is_over = true;
        self.tell(News::Gone(error));
    }

    fn not_ready(&mut self, turn: Turn, error: &Error) {
        match self.store.check_still_there() {
            Err(gone) if is_another(self.store.root()) => self.gone(gone),
            Err(gone) => self.tell(News::NotReady(turn, gone.with_causes())),
            Ok(()) => self.tell(News::NotReady(turn, error.with_causes())),
        }
    }

    fn prepare(&mut self, camera: &CameraName, settings: Arc<Camera>) -> Result<()> {
        self.store.check_still_there()?;
        self.store.group_dir(camera.as_str())?;
        if let Some(kept) = self.cameras.get_mut(camera) {
            kept.settings = settings;
            return Ok(());
        }
        self.cameras.insert(camera.clone(), Kept { settings, held: None });
        // Before its source starts: what is open now, no process of this recorder has open.
        self.find_unclosed(camera)
    }

    /// Remembers the segments of a camera that earlier recorders have left open.
    fn find_unclosed(&mut self, camera: &CameraName) -> Result<()> {
        let Some(settings) = self.cameras.get(camera).map(|kept| Arc::clone(&kept.settings)) else { return Ok(()) };
        for open in self.open_names(camera)? {
            if self.unclosed.iter().any(|unclosed| unclosed.open == open && unclosed.camera == *camera) {
                continue;
            }
            let may_be_open = self.is_shared && self.was_written_lately(camera, open);
            let not_before = Instant::now() + if may_be_open { REST } else { Duration::ZERO };
            let camera = camera.clone();
            let settings = Arc::clone(&settings);
            self.unclosed.push_back(Unclosed {
                camera,
                open,
                not_before,
                settings,
                whole: None,
                may_be_open,
                has_failed: false,
            });
        }
        Ok(())
    }

    /// The open segments of a camera.
    fn open_names(&self, camera: &CameraName) -> Result<Vec<OpenName>> {
        let mut found: Vec<OpenName> = Vec::new();
        self.store.for_each_entry(camera.as_str(), |name, file_type| {
            let open = name.parse().ok().filter(|open: &OpenName| file_type.is_file() && !open.is_damaged);
            found.extend(open);
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// Remembers the open segments of cameras that are not recorded here any more: of a recorder that crashed, under names that the
    /// next configuration does not have. Their zone is unknown; that of another camera here gives the same instant.
    fn find_strays(&mut self) -> Result<()> {
        let Some(settings) = self.cameras.values().next().map(|kept| Arc::clone(&kept.settings)) else {
            self.strays_at = Some(Instant::now() + STRAYS_AFTER);
            return Ok(());
        };
        let settings = Arc::new(Camera { on_segment: Vec::new(), ..Camera::clone(&settings) });
        let mut strangers: Vec<CameraName> = Vec::new();
        self.store.for_each_entry("", |name, file_type| {
            let camera = name.parse().ok().filter(|camera| file_type.is_dir() && !self.cameras.contains_key(camera));
            strangers.extend(camera);
        })?;
        for camera in strangers {
            for open in self.open_names(&camera)? {
                let rest = if self.was_written_lately(&camera, open) { REST } else { Duration::ZERO };
                let (not_before, settings) = (Instant::now() + rest, Arc::clone(&settings));
                let (camera, whole) = (camera.clone(), None);
                let (may_be_open, has_failed) = (true, false);
                self.unclosed.push_back(Unclosed {
                    camera,
                    open,
                    not_before,
                    settings,
                    whole,
                    may_be_open,
                    has_failed,
                });
            }
        }
        Ok(())
    }

    fn was_written_lately(&self, camera: &CameraName, open: OpenName) -> bool {
        let path = self.store.root().join(camera.as_str()).join(open.to_string());
        let modified = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
        modified.ok().and_then(|modified| modified.elapsed().ok()).is_none_or(|age| age < REST)
    }

    fn look_into_one(&mut self) {
        let now = Instant::now();
        let Some(due) = self.unclosed.iter().position(|unclosed| unclosed.not_before <= now) else { return };
        let Some(unclosed) = self.unclosed.remove(due) else { return };
        if unclosed.may_be_open && self.was_written_lately(&unclosed.camera, unclosed.open) {
            self.unclosed.push_back(Unclosed { not_before: now + REST, ..unclosed });
            return;
        }
        if unclosed.whole.is_none() && self.is_open_elsewhere(&unclosed) {
            log::info!("{}/{}: another process has it open: left to it", unclosed.camera, unclosed.open);
            self.unclosed.push_back(Unclosed { not_before: now + WHILE_OPEN, ..unclosed });
            return;
        }
        self.close(unclosed);
    }

    /// Whether another process writes it: a recorder that has lost its lock.
    fn is_open_elsewhere(&self, unclosed: &Unclosed) -> bool {
        let path = self.store.root().join(unclosed.camera.as_str()).join(unclosed.open.to_string());
        let open = OpenFiles::look(std::iter::once(path.as_path()));
        std::fs::symlink_metadata(&path).is_ok_and(|metadata| open.has(&metadata))
    }

    fn close(&mut self, unclosed: Unclosed) {
        let (camera, open) = (&unclosed.camera, unclosed.open);
        let zone = unclosed.settings.zone;
        let outcome = match unclosed.whole {
            Some(whole) => closing::close(&self.store, camera, open, whole.start, zone),
            None => closing::close_incomplete(&self.store, camera, open, zone),
        };
        match outcome {
            Ok(Closed::Published { name, path, bytes }) => {
                if unclosed.whole.is_none() {
                    log::warn!("{camera}/{name}: incomplete (crash or full disk); kept");
                }
                if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
                    held.add(name, bytes);
                }
                let (camera, settings) = (camera.clone(), Arc::clone(&unclosed.settings));
                self.tell(News::Closed {
                    camera,
                    settings,
                    name,
                    path,
                    bytes,
                    duration: unclosed.whole.map(|whole| whole.duration),
                });
            }
            Ok(Closed::Damaged(why)) => {
                let kept = open.damaged();
                log::warn!("{camera}: a segment cannot be played: {why}; it is kept as {kept} in the camera's folder");
                self.tell(News::Damaged(camera.clone()));
            }
            Ok(Closed::Empty) => log::info!("{camera}/{open}: removed: no frame was written to it"),
            Ok(Closed::Missing) => log::debug!("{camera}/{open}: not there any more"),
            Err(error) => {
                let (camera, why) = (camera.clone(), error.with_causes());
                self.notices.warn(
                    &format!("close {camera}"),
                    format_args!("{camera}/{open}: not closed, and tried again later: {why}"),
                );
                self.unclosed.push_back(Unclosed { not_before: Instant::now() + AGAIN, has_failed: true, ..unclosed });
                return self.tell_not_closed(camera, why);
            }
        }
        if unclosed.has_failed {
            self.tell_not_closed(unclosed.camera.clone(), String::new());
        }
        self.try_again(|other| other.has_failed && other.camera == unclosed.camera);
    }

    /// What was in the way may be gone: has these tried now.
    fn try_again(&mut self, which: impl Fn(&Unclosed) -> bool) {
        let now = Instant::now();
        self.unclosed.iter_mut().filter(|unclosed| which(unclosed)).for_each(|unclosed| unclosed.not_before = now);
    }

    /// Tells how many of a camera's segments wait for being closed, after one more or one less.
    fn tell_not_closed(&mut self, camera: CameraName, why: String) {
        let waiting = self.unclosed.iter().filter(|unclosed| unclosed.has_failed && unclosed.camera == camera).count();
        if waiting == 0 {
            self.notices.end(&format!("close {camera}"), format_args!("{camera}: all its segments are closed now"));
        }
        self.tell(News::NotClosed(camera, u64::try_from(waiting).unwrap_or(u64::MAX), why));
    }

    /// Removes a closed segment.
    fn remove(&mut self, camera: &CameraName, name: SegmentName, bytes: u64, reason: Reason) -> Result<()> {
        let path = &Path::new(camera.as_str()).join(name.to_string());
        let removal = Removal { path, name: path, camera: camera.as_str(), reason };
        remove_footage(&self.store, removal, &mut self.removals)?;
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            held.remove(name, bytes);
        }
        self.tell(News::Removed(camera.clone()));
        Ok(())
    }
}

/// The key of the notice that old segments cannot be removed.
fn not_removed(camera: &CameraName) -> String {
    format!("remove {camera}")
}

/// Whether there is something at this path all the same: another disk than the one that was locked. An empty mount point is
/// none.
fn is_another(root: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let is_mounted = device(root).is_some_and(|here| device(&root.join("..")).is_some_and(|above| above != here));
    is_mounted || root.join(crate::store::STATE_DIR).is_dir()
}
