//! Doing what the plans say: removing what is over, extracting several recordings at once.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::failed::FailedBefore;
use super::job::{Failed, Job, Outcome};
use super::name::{OutputName, Tag};
use super::plan::Step;
use super::segment::{Medium, Recording};
use super::source::Source;
use super::{Settings, Work, extract};
use crate::disk::Space;
use crate::error::{Error, Result};
use crate::pass::{Context, Report};
use crate::progress::Item;
use crate::store::{Store, remove};
use crate::units::ByteSize;

/// What an MP4 or JPEG file may be larger than its segment.
const OVERHEAD_BYTES: u64 = 64 << 10;

/// Plans under way.
pub(super) struct Execution<'a> {
    pub(super) settings: &'a Settings,
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) report: &'a mut Report,
    pub(super) failed: &'a mut FailedBefore,
}

/// A recording under way.
struct Running<'a> {
    tag: &'a Tag,
    recording: Recording,
    /// Its path in the destination.
    name: String,
    /// The room it needs.
    need: u64,
    began: Instant,
}

impl Execution<'_> {
    /// Removes what is planned, and the hidden files of passes that were killed.
    pub(super) fn remove(&mut self, works: &[Work<'_>]) -> Result<()> {
        for work in works {
            for partial in &work.held.partials {
                remove(&self.store.root().join(partial))?;
            }
            for step in &work.plan.steps {
                let Step::Remove { entry, reason } = *step else { continue };
                self.context.stop.check()?;
                let name = entry.path(&work.source.tag);
                let path = self.store.root().join(&name);
                let bytes = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
                remove(&path)?;
                log::info!("{}: removed ({reason})", name.display());
                self.report.removed(reason, bytes);
            }
        }
        Ok(())
    }

    /// Extracts everything planned, `--jobs` at once. Decisions and accounts are made in this thread; the others copy.
    pub(super) fn extract(&mut self, works: &[Work<'_>], ffmpeg: &Path) -> Result<()> {
        let context = self.context;
        let steps: Vec<(&Source, &Recording, OutputName)> = works
            .iter()
            .flat_map(|work| work.plan.steps.iter().map(move |step| (work.source, step)))
            .filter_map(|(source, step)| match step {
                Step::Extract { recording, name } => Some((source, recording, *name)),
                Step::Remove { .. } => None,
            })
            .collect();
        let jobs = self.settings.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let is_ended = AtomicBool::new(false);
        let stop = &context.stop;
        let is_stopped = || is_ended.load(Ordering::Relaxed) || stop.is_requested();
        let how = extract::Settings { ffmpeg, timeout: self.settings.timeout, is_stopped: &is_stopped };
        let mut items = context.progress.items(steps.len());
        let mut steps = steps.into_iter().enumerate().peekable();
        let mut running: HashMap<usize, Running<'_>> = HashMap::new();
        let mut dirs = Dirs::default();
        let (sender, finished) = mpsc::channel::<(usize, Outcome)>();
        let ended = thread::scope(|scope| {
            let mut ended = Ok(());
            loop {
                while ended.is_ok()
                    && running.len() < jobs
                    && let Some((number, (source, recording, name))) = steps.peek().copied()
                {
                    let need = recording.segment.span.len() + OVERHEAD_BYTES;
                    let promised: u64 = running.values().map(|running| running.need).sum();
                    let ready = self.context.stop.check().and_then(|()| self.check_room(need + promised));
                    match ready {
                        // What is under way may need less than was set aside for it.
                        Err(Error::DiskFull { .. }) if !running.is_empty() => break,
                        Err(error) => {
                            ended = Err(error);
                            break;
                        }
                        Ok(()) => drop(steps.next()),
                    }
                    let job = match self.job(source, recording, name, &mut dirs) {
                        Ok(Some(job)) => job,
                        Ok(None) => continue,
                        Err(error) => {
                            ended = Err(error);
                            break;
                        }
                    };
                    let path = name.path(&source.tag).display().to_string();
                    let item: Item = items.begin(name.file_name(&source.tag));
                    item.start(0, Some(recording.segment.span.len()));
                    running.insert(
                        number,
                        Running { tag: &source.tag, recording: *recording, name: path, need, began: Instant::now() },
                    );
                    let (sender, how) = (sender.clone(), &how);
                    scope.spawn(move || {
                        let outcome = job.run(how, &|bytes| item.advance(bytes));
                        drop(item);
                        let _ = sender.send((number, outcome));
                    });
                }
                if running.is_empty() {
                    break;
                }
                let Ok((number, outcome)) = finished.recv() else { break };
                let Some(job) = running.remove(&number) else { continue };
                let accounted = self.account(&job, outcome);
                // The first error is the one that tells; what comes after it was stopped because of it.
                ended = ended.and(accounted);
                is_ended.store(ended.is_err(), Ordering::Relaxed);
            }
            ended
        });
        ended.map_err(|error| self.store.check_still_there().err().unwrap_or(error))
    }

    fn check_room(&mut self, need: u64) -> Result<()> {
        self.store.check_still_there()?;
        let space = Space::of(self.store.root())?;
        self.report.disk_used_ratio = Some(space.used_ratio());
        match self.settings.guard.shortage(space, need) {
            Some(shortage) => Err(shortage.into_error(self.store.root())),
            None => Ok(()),
        }
    }

    /// Gets a recording ready; `None` when its folder cannot be had, which is counted.
    fn job(
        &mut self,
        source: &Source,
        recording: &Recording,
        name: OutputName,
        dirs: &mut Dirs,
    ) -> Result<Option<Job>> {
        let dir = match dirs.get(self.store, &source.tag, name.medium) {
            Ok(dir) => dir,
            Err(error) if is_in_the_way(&error) => {
                let path = name.path(&source.tag);
                self.report.fail(&self.context.told, path.display(), "refused", error.with_causes());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // Planned only where the ring file is there, so its datadir is.
        let Some(ring_file) = source.camera.ring_file(recording) else { return Ok(None) };
        Ok(Some(Job { recording: *recording, ring_file, dir, name, tag: source.tag.clone() }))
    }

    fn account(&mut self, job: &Running<'_>, outcome: Outcome) -> Result<()> {
        let told = &self.context.told;
        match outcome {
            Outcome::Published { bytes, lost_sound } => {
                let seconds = job.began.elapsed().as_secs_f64();
                log::info!("{}: extracted {} in {seconds:.1} s", job.name, ByteSize(bytes));
                if let Some(said) = lost_sound {
                    let text = format_args!("{}: extracted without its sound: ffmpeg says {said:?}", job.name);
                    told.warn(&format!("sound:{}", job.name), text);
                }
                self.report.files_fetched += 1;
                self.report.bytes_fetched += bytes;
                self.report.recordings_fetched += usize::from(job.recording.medium == Medium::Video);
            }
            Outcome::Failed(Failed { reason, message, lasts }) => {
                self.report.fail(told, &job.name, reason, message);
                if lasts {
                    self.failed.add(job.tag, &job.recording);
                }
            }
            Outcome::Ended(error) => return Err(error),
            Outcome::Stopped => self.context.stop.check()?,
        }
        Ok(())
    }
}

/// The folders of the destination that are there by now.
#[derive(Default)]
struct Dirs(HashMap<(Tag, Medium), PathBuf>);

impl Dirs {
    fn get(&mut self, store: &Store, tag: &Tag, medium: Medium) -> Result<PathBuf> {
        let key = (tag.clone(), medium);
        if let Some(dir) = self.0.get(&key) {
            return Ok(dir.clone());
        }
        store.group_dir(tag.as_str())?;
        let dir = store.group_dir(&OutputName::folder(medium, tag).display().to_string())?;
        self.0.insert(key, dir.clone());
        Ok(dir)
    }
}

/// Something of the user's stands where one of our folders would.
fn is_in_the_way(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. }
        if matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory))
}
