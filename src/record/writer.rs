//! The thread that writes the open segments of one destination. A share that hangs holds up nothing but its own cameras, and
//! what waits for it is bounded.
//!
//! It is not the destination's keeper: that one syncs what is complete, which takes seconds on a slow disk, and what is open
//! must reach the kernel within some hundred milliseconds all the same.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use super::keeper::{Job, News, Whole};
use super::mailbox::Mailbox;
use super::name::{CameraName, OpenName};
use super::segments::Write;
use crate::error::{At, Error, Result};
use crate::store::Store;
use crate::store::open::create_new;

/// So much may wait for the disk, of all cameras together.
const MOST_WAITING_BYTES: u64 = 64 << 20;

/// The thread of one destination.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Sender<Task>,
    waiting_bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Task {
    Write(CameraName, Write),
    /// A write of a camera was left out, and all behind it are too.
    CutOff(CameraName),
    /// A camera's source has ended: the segments that it has not completed stay incomplete.
    Ended(CameraName),
    /// For the keeper, when all before it is written.
    Pass(Job),
}

impl Writer {
    /// Starts the thread. What is complete it hands on to the `keeper`.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(store: Store, keeper: Sender<Job>, news: Mailbox<(PathBuf, News)>) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let thread = Thread {
            store,
            keeper,
            news,
            waiting_bytes: Arc::clone(&waiting_bytes),
            files: HashMap::new(),
            failed: HashSet::new(),
        };
        let builder = std::thread::Builder::new().name("writer".into()).stack_size(128 << 10);
        builder
            .spawn(move || thread.run(&inbox))
            .map_err(|error| Error::Source(format!("cannot start a thread: {error}")))?;
        Ok(Self { jobs, waiting_bytes })
    }

    /// Has something written.
    ///
    /// # Errors
    /// The disk does not keep up: as much waits as may. Then nothing more of the camera is written until it has
    /// [ended](Self::ended): a file with a hole must not be completed.
    pub(super) fn write(&self, camera: &CameraName, write: Write) -> std::result::Result<(), String> {
        let bytes = bytes_of(&write);
        if self.waiting_bytes.load(Ordering::Relaxed) + bytes > MOST_WAITING_BYTES {
            let _ = self.jobs.send(Task::CutOff(camera.clone()));
            return Err("the disk does not keep up: 64 MiB wait to be written".to_owned());
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let _ = self.jobs.send(Task::Write(camera.clone(), write));
        Ok(())
    }

    /// A camera's source has ended: the segments that it has not completed stay incomplete.
    pub(super) fn ended(&self, camera: CameraName) {
        let _ = self.jobs.send(Task::Ended(camera));
    }

    /// Hands something to the keeper behind all that was to be written before.
    pub(super) fn pass(&self, job: Job) {
        let _ = self.jobs.send(Task::Pass(job));
    }
}

fn bytes_of(write: &Write) -> u64 {
    match write {
        Write::Create(_) => 0,
        Write::Append(_, bytes) | Write::Finish { bytes, .. } => bytes.len() as u64,
    }
}

/// What the thread knows.
struct Thread {
    store: Store,
    keeper: Sender<Job>,
    news: Mailbox<(PathBuf, News)>,
    waiting_bytes: Arc<AtomicU64>,
    files: HashMap<OpenName, (CameraName, File)>,
    /// Cameras for which nothing is written until their source has ended.
    failed: HashSet<CameraName>,
}

impl Thread {
    fn run(mut self, inbox: &Receiver<Task>) {
        while let Ok(task) = inbox.recv() {
            match task {
                Task::Write(camera, write) => {
                    let bytes = bytes_of(&write);
                    if !self.failed.contains(&camera)
                        && let Err(error) = self.write(&camera, write)
                    {
                        self.failed.insert(camera.clone());
                        let told = News::NotWritten(camera, error.with_causes());
                        self.news.send((self.store.root().to_owned(), told));
                    }
                    self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
                Task::CutOff(camera) => _ = self.failed.insert(camera),
                Task::Ended(camera) => {
                    self.failed.remove(&camera);
                    let incomplete = self.files.extract_if(|_, (of, _)| *of == camera).map(|(open, _)| open);
                    for open in incomplete.collect::<Vec<_>>() {
                        let _ = self.keeper.send(Job::Incomplete { camera: camera.clone(), open });
                    }
                }
                Task::Pass(job) => {
                    let _ = self.keeper.send(job);
                }
            }
        }
    }

    fn write(&mut self, camera: &CameraName, write: Write) -> Result<()> {
        let path = |open: OpenName| self.store.root().join(camera.as_str()).join(open.to_string());
        match write {
            Write::Create(open) => {
                self.store.check_still_there()?;
                let path = path(open);
                let file = create_new(&path).at("create", &path)?;
                self.files.insert(open, (camera.clone(), file));
            }
            Write::Append(open, bytes) => {
                if let Some((_, file)) = self.files.get_mut(&open) {
                    file.write_all(&bytes).at("write", path(open))?;
                }
            }
            Write::Finish { open, bytes, patches, lasts } => {
                let Some((_, file)) = self.files.get_mut(&open) else { return Ok(()) };
                file.write_all(&bytes).at("write", path(open))?;
                for patch in patches {
                    file.write_all_at(&patch.bytes, patch.offset_bytes).at("write", path(open))?;
                }
                self.files.remove(&open);
                let is = Whole { start: open.epoch, duration: lasts };
                let _ = self.keeper.send(Job::Close { camera: camera.clone(), open, is });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::mailbox::Waker;
    use crate::record::name::{Container, RunId};

    #[test]
    fn a_segment_with_a_hole_is_never_completed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::create(dir.path()).expect("a destination");
        std::fs::create_dir(dir.path().join("yard")).expect("a folder");
        let (keeper, closed) = mpsc::channel();
        let (news, _told) = Mailbox::new(Waker::new().expect("a waker"));
        let (jobs, inbox) = mpsc::channel();
        let camera: CameraName = "yard".parse().expect("a name");
        let open = |run_id| OpenName { epoch: 7, run_id: RunId(run_id), container: Container::Mkv, is_damaged: false };
        let write = |write| Task::Write(camera.clone(), write);
        let finish = |open| Write::Finish {
            open,
            bytes: b"end".to_vec(),
            patches: Vec::new(),
            lasts: std::time::Duration::ZERO,
        };
        for task in [
            write(Write::Create(open(1))),
            write(Write::Append(open(1), b"begin".to_vec())),
            Task::CutOff(camera.clone()),
            write(Write::Append(open(1), b"behind the hole".to_vec())),
            write(finish(open(1))),
            Task::Ended(camera.clone()),
            // The next source of the camera.
            write(Write::Create(open(2))),
            write(finish(open(2))),
        ] {
            jobs.send(task).expect("an inbox");
        }
        drop(jobs);
        let (waiting_bytes, files, failed) = (Arc::new(AtomicU64::new(1 << 20)), HashMap::new(), HashSet::new());
        Thread { store, keeper, news, waiting_bytes, files, failed }.run(&inbox);
        let closed: Vec<Job> = closed.iter().collect();
        assert!(
            matches!(&closed[..], [Job::Incomplete { open: one, .. }, Job::Close { open: other, .. }] if *one == open(1) && *other == open(2)),
            "{closed:?}"
        );
        let written = std::fs::read(dir.path().join(format!("yard/{}", open(1)))).expect("the segment");
        assert_eq!(written, b"begin");
    }
}
