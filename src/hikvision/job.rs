//! One recording into one file under its final name.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::camera_time::CameraTime;
use super::extract::{ExtractError, Settings, Sound, extract};
use super::held::partial_name;
use super::picture::{self, MAX_PICTURE_LEN, PictureError};
use super::segment::{Medium, Recording};
use crate::disk::Space;
use crate::error::{At, Error, Result, with_causes};
use crate::store::{publish, remove};

/// A recording to extract.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) recording: Recording,
    /// The ring file it is in.
    pub(super) ring_file: PathBuf,
    /// The folder it goes to, which is there.
    pub(super) dir: PathBuf,
    /// Its name in that folder.
    pub(super) file_name: String,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It stands under its name, with so many bytes; what was wrong with the sound, if anything.
    Published { bytes: u64, lost_sound: Option<String> },
    /// It failed, and the others go on.
    Failed(Failed),
    /// The destination failed, which ends the pass.
    Ended(Error),
    /// It was stopped.
    Stopped,
}

/// Why one recording failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// A word of [`FAILURE_REASONS`](crate::metrics::FAILURE_REASONS).
    pub(super) reason: &'static str,
    /// For people.
    pub(super) message: String,
    /// It will be the same in the next pass.
    pub(super) lasts: bool,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        // Something of the user's stands in the way: that item fails, the others go on.
        let is_in_the_way = matches!(&error, Error::Io { source, .. }
            if matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::IsADirectory | ErrorKind::NotADirectory));
        if is_in_the_way {
            Self::Failed(Failed { reason: "refused", message: error.with_causes(), lasts: false })
        } else {
            Self::Ended(error)
        }
    }
}

impl Job {
    /// Does it. `progress` is told the bytes as they are read.
    pub(super) fn run(&self, settings: &Settings<'_>, progress: &(dyn Fn(u64) + Sync)) -> Outcome {
        self.try_run(settings, progress).unwrap_or_else(|outcome| outcome)
    }

    fn try_run(&self, settings: &Settings<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Outcome, Outcome> {
        let target = self.dir.join(&self.file_name);
        if fs::symlink_metadata(&target).is_ok() {
            Err(io::Error::from(ErrorKind::AlreadyExists)).at("extract to", &target)?;
        }
        let path = self.dir.join(partial_name(&self.file_name));
        let file = create_anew(&path)?;
        let written = match self.recording.medium {
            Medium::Video => self.write_video(&file, &path, settings, progress),
            Medium::Picture => self.write_picture(&file, &path, progress),
        };
        let published = written.and_then(|lost_sound| {
            let bytes = file.metadata().at("read", &path)?.len();
            // The plan of later passes reads from it which of several recordings in one second this is.
            file.set_modified(modification_time(self.recording.segment.start)).at("set the time of", &path)?;
            publish(&file, &path, &target)?;
            Ok(Outcome::Published { bytes, lost_sound })
        });
        if published.is_err() {
            // Nothing can be resumed here. What cannot be removed now, the next pass removes.
            let _ = remove(&path);
        }
        published
    }

    fn write_video(
        &self,
        file: &File,
        path: &Path,
        settings: &Settings<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<String>, Outcome> {
        let output = path_of_this_process(file, path);
        match extract(&self.ring_file, &self.recording.segment, &output, settings, progress) {
            Ok(extracted) => Ok(match extracted.sound {
                Sound::Lost(said) => Some(said),
                Sound::Kept | Sound::None => None,
            }),
            Err(ExtractError::Stopped) => Err(Outcome::Stopped),
            Err(error) => Err(self.disk_is_full(path).unwrap_or_else(|| Outcome::Failed(failed(&error)))),
        }
    }

    /// ffmpeg does not always say why its file came out short. A full disk fails every segment, so it ends the pass.
    fn disk_is_full(&self, path: &Path) -> Option<Outcome> {
        let space = Space::of(&self.dir).ok()?;
        let written = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let missing = self.recording.segment.span.len().saturating_sub(written);
        (space.available < missing).then(|| {
            let source = io::Error::from(ErrorKind::StorageFull);
            Outcome::Ended(Error::Io { verb: "write", path: path.to_owned(), source })
        })
    }

    fn write_picture(
        &self,
        file: &File,
        path: &Path,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<String>, Outcome> {
        let span = self.recording.segment.span;
        let cannot_read = |error: io::Error| {
            let message = format!("cannot read the ring file at byte {}: {error}", span.start());
            Outcome::Failed(Failed { reason: "read", message, lasts: false })
        };
        let mut range = vec![0; usize::try_from(span.len().min(MAX_PICTURE_LEN)).unwrap_or(usize::MAX)];
        let ring_file = File::open(&self.ring_file).map_err(cannot_read)?;
        ring_file.read_exact_at(&mut range, span.start()).map_err(cannot_read)?;
        progress(span.len());
        let jpeg = picture::cut(&range).map_err(|error| {
            let reason = match error {
                PictureError::Encrypted => "encrypted",
                PictureError::NoJpeg => "gone",
                PictureError::NoEnd => "damaged",
            };
            Outcome::Failed(Failed { reason, message: error.to_string(), lasts: true })
        })?;
        file.write_all_at(jpeg, 0).at("write", path)?;
        Ok(None)
    }
}

/// A new file at a hidden name. What a killed pass left there is unlinked, not reused: its ffmpeg may still hold it open.
/// A name of the open file that only lives as long as we do. When we are killed, an ffmpeg that was just being started
/// must not find the path again: by then the next pass may be writing a file of that name. Without `/proc` (an empty
/// chroot) it is the path all the same.
fn path_of_this_process(file: &File, path: &Path) -> PathBuf {
    let by_descriptor = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    if by_descriptor.exists() { by_descriptor } else { path.to_owned() }
}

fn create_anew(path: &Path) -> Result<File> {
    remove(path)?;
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .at("create", path)
}

/// The recording's start, the camera's digits taken for UTC.
fn modification_time(start: CameraTime) -> SystemTime {
    let micros = start.digits().and_utc().timestamp_micros();
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn failed(error: &ExtractError) -> Failed {
    let (reason, lasts) = match error {
        ExtractError::Gone(_) => ("gone", true),
        ExtractError::Read { .. } => ("read", false),
        // Killed from outside (out of memory) or missing by now: another pass may fare better.
        ExtractError::Start(_) => ("ffmpeg", false),
        ExtractError::Failed { was_killed, .. } => ("ffmpeg", !was_killed),
        ExtractError::Timeout(_) | ExtractError::Stopped => ("timeout", true),
        ExtractError::Mp4(_) | ExtractError::NoVideo | ExtractError::Duration { .. } => ("damaged", true),
    };
    Failed { reason, message: with_causes(error), lasts }
}
