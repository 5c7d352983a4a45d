//! Extracts one recording to one file under its final name.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::camera_time::CameraTime;
use super::extract::{AudioOutcome, ExtractError, Extracted, Settings, extract};
use super::name::{Entry, OutputName, Tag};
use super::picture::{self, MAX_PICTURE_LEN, PictureError};
use super::read_at;
use super::segment::{Medium, Segment};
use crate::disk::Space;
use crate::error::{At, Error, Result, with_causes};
use crate::failure::{FailureReason, ItemFailure};
use crate::store::open::create_new;
use crate::store::{keep_longer, publish, remove};

/// A recording to extract.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) segment: Segment,
    /// The ring file it is in.
    pub(super) ring_file: PathBuf,
    /// The folder it goes to, which exists.
    pub(super) dir: PathBuf,
    /// The name of its file there.
    pub(super) name: OutputName,
    pub(super) tag: Tag,
}

/// What was written.
enum Written {
    /// A complete recording; without its audio if ffmpeg failed on that, with its message.
    Whole { lost_audio: Option<String> },
    /// A part of it, and why the rest is missing.
    Part(ItemFailure),
}

/// The outcome of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The file has its final name: its bytes, and ffmpeg's message if the audio was lost.
    Published { bytes: u64, lost_audio: Option<String> },
    /// It failed, and the others go on.
    Failed(ItemFailure),
    /// The destination failed, which ends the pass.
    Ended(Error),
    /// It was stopped.
    Stopped,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        // A file of the user's has the name: this item fails, the others go on.
        if error.is_in_the_way() {
            Self::Failed(ItemFailure::passing(FailureReason::Refused, error.with_causes()))
        } else {
            Self::Ended(error)
        }
    }
}

impl Job {
    /// Runs the job. Calls `progress` with the bytes of each read.
    pub(super) fn run(&self, settings: &Settings<'_>, progress: &(dyn Fn(u64) + Sync)) -> Outcome {
        self.try_run(settings, progress).unwrap_or_else(|outcome| outcome)
    }

    fn try_run(&self, settings: &Settings<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Outcome, Outcome> {
        let target = self.path(Entry::Whole(self.name));
        if fs::symlink_metadata(&target).is_ok() {
            Err(io::Error::from(ErrorKind::AlreadyExists)).at("extract to", &target)?;
        }
        let path = self.path(Entry::Partial(self.name));
        let file = create_anew(&path)?;
        let written = match self.segment.ring.medium {
            Medium::Video => self.write_video(&file, &path, settings, progress),
            Medium::Picture => self.write_picture(&file, &path, progress),
        };
        let outcome = written.and_then(|written| Ok(self.settle(&file, &path, written)?));
        if outcome.is_err() {
            // Extraction cannot be resumed. If the file cannot be removed now, the next pass removes it.
            let _ = remove(&path);
        }
        outcome
    }

    /// Gives the written file its final name. The part of a damaged recording gets its hidden name: it may be all of it
    /// that can ever be read.
    fn settle(&self, file: &File, path: &Path, written: Written) -> Result<Outcome> {
        // Later passes tell several recordings in one second apart by it.
        file.set_modified(modification_time(self.segment.start)).at("set the time of", path)?;
        let bytes = file.metadata().at("read", path)?.len();
        let damaged = self.path(Entry::Damaged(self.name));
        match written {
            Written::Whole { lost_audio } => {
                publish(file, path, &self.path(Entry::Whole(self.name)))?;
                // If it cannot be removed now, the next pass removes it.
                let _ = remove(&damaged);
                Ok(Outcome::Published { bytes, lost_audio })
            }
            Written::Part(failed) => {
                keep_longer(file, path, &damaged)?;
                let kept = Entry::Damaged(self.name).file_name(&self.tag);
                let message = format!("{}; the part that could be read is kept as {kept}", failed.message);
                Ok(Outcome::Failed(ItemFailure { message, retry_later: true, ..failed }))
            }
        }
    }

    fn path(&self, entry: Entry) -> PathBuf {
        self.dir.join(entry.file_name(&self.tag))
    }

    fn write_video(
        &self,
        file: &File,
        path: &Path,
        settings: &Settings<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Written, Outcome> {
        let output = path_of_this_process(file, path);
        match extract(&self.ring_file, &self.segment, &output, settings, progress) {
            Ok(Extracted { audio, damage: None, .. }) => {
                let lost_audio = if let AudioOutcome::Lost(said) = audio { Some(said) } else { None };
                Ok(Written::Whole { lost_audio })
            }
            Ok(Extracted { damage: Some(error), .. }) => {
                self.check_disk(path)?;
                Ok(Written::Part(extraction_failure(&error)))
            }
            Err(ExtractError::Stopped) => Err(Outcome::Stopped),
            Err(error) => {
                self.check_disk(path)?;
                Err(Outcome::Failed(extraction_failure(&error)))
            }
        }
    }

    /// ffmpeg does not always report why its file is short. A full disk fails every segment, so it ends the pass.
    fn check_disk(&self, path: &Path) -> Result<(), Outcome> {
        let Ok(space) = Space::of(&self.dir) else { return Ok(()) };
        let written = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if space.available >= self.segment.span.len().saturating_sub(written) {
            return Ok(());
        }
        let source = io::Error::from(ErrorKind::StorageFull);
        Err(Outcome::Ended(Error::Io { verb: "write", path: path.to_owned(), source }))
    }

    fn write_picture(&self, file: &File, path: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<Written, Outcome> {
        let span = self.segment.span;
        let cannot_read = |error: io::Error| {
            let message = format!("cannot read the ring file at byte {}: {error}", span.start());
            Outcome::Failed(ItemFailure::passing(FailureReason::Read, message))
        };
        let mut range = vec![0; usize::try_from(span.len().min(MAX_PICTURE_LEN)).unwrap_or(usize::MAX)];
        let ring_file = read_at::open(&self.ring_file).map_err(cannot_read)?;
        ring_file.read_exact_at(&mut range, span.start()).map_err(cannot_read)?;
        progress(span.len());
        let (jpeg, damage) = match picture::cut(&range) {
            Ok(jpeg) => (jpeg, None),
            Err(error @ PictureError::NoEnd { start }) => (&range[start..], Some(error)),
            Err(error) => return Err(Outcome::Failed(picture_failure(error))),
        };
        file.write_all_at(jpeg, 0).at("write", path)?;
        let whole = Written::Whole { lost_audio: None };
        Ok(damage.map_or(whole, |error| Written::Part(picture_failure(error))))
    }
}

/// A path to the open file that is valid only while this process lives. If it is killed, an ffmpeg that was just being
/// started must not find the file again: the next pass may be writing one of that name. Without `/proc` (an empty chroot)
/// it is the file's own path.
fn path_of_this_process(file: &File, path: &Path) -> PathBuf {
    let by_descriptor = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    if by_descriptor.exists() { by_descriptor } else { path.to_owned() }
}

/// A new file under a hidden name. The file of a killed pass is unlinked, not reused: its ffmpeg may still have it open.
fn create_anew(path: &Path) -> Result<File> {
    remove(path)?;
    create_new(path).at("create", path)
}

/// The recording's start, the camera's digits taken for UTC.
fn modification_time(start: CameraTime) -> SystemTime {
    let micros = start.digits().and_utc().timestamp_micros();
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn extraction_failure(error: &ExtractError) -> ItemFailure {
    let (reason, retry_later) = match error {
        ExtractError::Gone(_) => (FailureReason::Gone, true),
        ExtractError::Read { .. } => (FailureReason::Read, false),
        // Killed by another process (out of memory) or missing by now: the next pass may succeed.
        ExtractError::Start(_) => (FailureReason::Ffmpeg, false),
        ExtractError::Failed { was_killed, .. } => (FailureReason::Ffmpeg, !was_killed),
        ExtractError::Timeout(_) | ExtractError::Stopped => (FailureReason::Timeout, true),
        ExtractError::Mp4(_) | ExtractError::NoVideo | ExtractError::Duration { .. } => (FailureReason::Damaged, true),
    };
    ItemFailure { reason, message: with_causes(error), retry_later }
}

fn picture_failure(error: PictureError) -> ItemFailure {
    let reason = match error {
        PictureError::Encrypted => FailureReason::Encrypted,
        PictureError::NoJpeg => FailureReason::Gone,
        PictureError::NoEnd { .. } => FailureReason::Damaged,
    };
    ItemFailure::lasting(reason, error.to_string())
}
