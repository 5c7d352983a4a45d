//! Execution of the plans: removes expired files, extracts several recordings at once.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::failed::FailedBefore;
use super::job::{Job, Outcome};
use super::name::{OutputName, Tag};
use super::plan::Step;
use super::segment::{Medium, Segment};
use super::source::Source;
use super::{Settings, Work, extract};
use crate::disk::Space;
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::pass::{Context, Report};
use crate::progress::Item;
use crate::remove::{Removal, remove_footage};
use crate::store::Store;
use crate::units::{ByteSize, human_duration};
use crate::workers::{self, Queue};

/// By how much an MP4 or JPEG file may be larger than its segment.
const OVERHEAD_BYTES: u64 = 64 << 10;

/// Plans under way.
pub(super) struct Execution<'a> {
    pub(super) settings: &'a Settings,
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) report: &'a mut Report,
    pub(super) failed: &'a mut FailedBefore,
}

/// A recording to extract.
#[derive(Clone, Copy)]
struct Want<'a> {
    source: &'a Source,
    segment: &'a Segment,
    name: OutputName,
}

impl Want<'_> {
    /// The room it needs at most.
    fn need(self) -> u64 {
        self.segment.span.len() + OVERHEAD_BYTES
    }

    /// Its path in the destination.
    fn path(self) -> String {
        self.name.path(&self.source.tag).display().to_string()
    }
}

/// Whether a recording can be extracted now.
enum Ready {
    Job(Job),
    /// It failed, and was counted.
    Never,
    /// There may be room for it once the running extractions have taken less than was set aside for them.
    NotYet,
}

impl Execution<'_> {
    /// Executes the removals of the plans, and removes the hidden files of passes that were killed.
    pub(super) fn remove(&mut self, works: &[Work]) -> Result<()> {
        for work in works {
            for partial in &work.inventory.partials {
                self.store.remove(partial)?;
            }
            for step in &work.plan.steps {
                let Step::Remove { entry, reason } = *step else { continue };
                self.context.stop.check()?;
                let (path, camera) = (&*entry.path(&work.source.tag), work.source.tag.as_str());
                remove_footage(self.store, Removal { path, name: path, camera, reason }, self.report)?;
            }
        }
        self.report.removals.log();
        Ok(())
    }

    /// Executes the extractions of the plans, `--jobs` at once. This thread decides and counts; the others copy.
    pub(super) fn extract(&mut self, works: &[Work], ffmpeg: &Path) -> Result<()> {
        let context = self.context;
        let wants = wants(works);
        let names = wants.iter().map(|want| want.name.file_name(&want.source.tag).chars().count());
        let items = context.progress.items(wants.len(), names.max().unwrap_or(0));
        let mut wants = wants.into_iter().enumerate().peekable();
        let jobs = self.settings.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let is_ended = AtomicBool::new(false);
        let stop = &context.stop;
        let is_stopped = || is_ended.load(Ordering::Relaxed) || stop.is_requested();
        let how = extract::Settings { ffmpeg, timeout: self.settings.timeout, is_stopped: &is_stopped };
        let mut running: HashMap<usize, (Want<'_>, Instant)> = HashMap::new();
        let mut dirs = Dirs::default();
        let queue = Queue::default();
        let copy = |(number, job, item): (usize, Job, Item)| (number, job.run(&how, &|bytes| item.advance(bytes)));
        let ended = workers::run(&queue, jobs.min(wants.len()), copy, |finished| {
            let mut ended = Ok(());
            loop {
                while ended.is_ok()
                    && running.len() < jobs
                    && let Some((number, want)) = wants.peek().copied()
                {
                    let promised = running.values().map(|(want, _)| want.need()).sum();
                    match self.get_ready(want, promised, &mut dirs) {
                        Ok(Ready::Job(job)) => {
                            running.insert(number, (want, Instant::now()));
                            let item = items.begin(&want.name.file_name(&want.source.tag));
                            item.start(0, Some(want.segment.span.len()));
                            queue.put((number, job, item));
                        }
                        Ok(Ready::Never) => {}
                        Ok(Ready::NotYet) => break,
                        Err(error) => ended = Err(error),
                    }
                    wants.next();
                }
                if running.is_empty() {
                    break;
                }
                let Ok((number, outcome)) = finished.recv() else { break };
                let Some((want, began)) = running.remove(&number) else { continue };
                // The first error is the cause; it stopped the later ones.
                ended = ended.and(self.account(want, began, outcome));
                is_ended.store(ended.is_err(), Ordering::Relaxed);
            }
            ended
        });
        ended.map_err(|error| self.store.check_still_there().err().unwrap_or(error))
    }

    /// Gets ready for a recording, where `promised` bytes are set aside for others.
    fn get_ready(&mut self, want: Want<'_>, promised: u64, dirs: &mut Dirs) -> Result<Ready> {
        self.context.stop.check()?;
        match self.check_room(want.need() + promised) {
            Err(Error::DiskFull { .. }) if promised > 0 => return Ok(Ready::NotYet),
            other => other?,
        }
        let Want { source, segment, name } = want;
        let dir = match dirs.get(self.store, &source.tag, name.medium) {
            Ok(dir) => dir,
            Err(error) if error.is_in_the_way() => {
                let failure = ItemFailure::passing(FailureReason::Refused, error.with_causes());
                self.report.fail(&self.context.notices, want.path(), failure);
                return Ok(Ready::Never);
            }
            Err(error) => return Err(error),
        };
        // Planned only where the ring file is there, so its datadir is.
        let Some(ring_file) = source.camera.ring_file(segment) else { return Ok(Ready::Never) };
        Ok(Ready::Job(Job { segment: *segment, ring_file, dir, name, tag: source.tag.clone() }))
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

    fn account(&mut self, want: Want<'_>, began: Instant, outcome: Outcome) -> Result<()> {
        let notices = &self.context.notices;
        let path = want.path();
        match outcome {
            Outcome::Published { bytes, lost_audio } => {
                log::info!("{path}: extracted {} in {}", ByteSize(bytes), human_duration(began.elapsed()));
                if let Some(said) = lost_audio {
                    let text = format_args!("{path}: extracted without audio: ffmpeg says {said:?}");
                    notices.warn(&format!("audio:{path}"), text);
                }
                self.report.arrived_files += 1;
                self.report.transferred_bytes += bytes;
                self.report.arrived_recordings += 1;
            }
            Outcome::Failed(failure) => {
                let waits = failure.retry_later;
                self.report.fail(notices, path, failure);
                if waits {
                    self.failed.add(&want.source.tag, want.segment);
                }
            }
            Outcome::Ended(error) => return Err(error),
            Outcome::Stopped => self.context.stop.check()?,
        }
        Ok(())
    }
}

/// All recordings to extract, camera by camera.
fn wants(works: &[Work]) -> Vec<Want<'_>> {
    let mut wants = Vec::new();
    for work in works {
        wants.extend(work.plan.steps.iter().filter_map(|step| match step {
            Step::Extract { segment, name } => Some(Want { source: &work.source, segment, name: *name }),
            Step::Remove { .. } => None,
        }));
    }
    wants
}

/// The folders of the destination that this pass has created or found.
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
