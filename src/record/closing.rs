//! Gives a segment its final name: one that ffmpeg reported complete, or that a crash left incomplete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::integrity;
use super::name::{CameraName, Container, OpenName, SegmentName};
use crate::child;
use crate::error::{At, Error, Result};
use crate::ffmpeg::command::{self, Log};
use crate::store::open::{is_not_regular, open_regular};
use crate::store::{Store, publish, remove};
use crate::zone::Tz;

/// The most segments that can begin in one second.
const MAX_COPIES: u32 = 1000;
/// A shorter file has no frame, only the header of its container.
const LEAST_DAMAGED: u64 = 4 << 10;
/// The timeout of ffmpeg for finding one frame in an incomplete segment.
const PROBE_PATIENCE: Duration = Duration::from_secs(20);

/// The outcome for a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It has its final name.
    Published {
        /// Its name.
        name: SegmentName,
        /// Its path.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
    },
    /// It cannot be played and is kept under a hidden name; the reason.
    Damaged(String),
    /// It was empty and was removed.
    Empty,
    /// It did not exist.
    Missing,
}

/// Closes a segment that ffmpeg has reported complete, and that begins at `start`, seconds since 1970.
pub(super) fn close(store: &Store, camera: &CameraName, open: OpenName, start: i64, zone: Tz) -> Result<Closed> {
    let Some((from, mut file, bytes)) = look(store, camera, open)? else { return Ok(Closed::Missing) };
    if bytes == 0 {
        return remove(&from).map(|()| Closed::Empty);
    }
    if let Some(why) = integrity::fault(open.container, &mut file, bytes).at("read", &from)? {
        return damaged(&from, open, why);
    }
    finish(store, camera, open, (start, zone), &file, bytes)
}

/// Keeps an incomplete segment, whose ffmpeg has ended: under its final name if it can be played.
pub(super) fn close_torn(
    store: &Store,
    camera: &CameraName,
    open: OpenName,
    zone: Tz,
    ffmpeg: &Path,
) -> Result<Closed> {
    let Some((from, file, bytes)) = look(store, camera, open)? else { return Ok(Closed::Missing) };
    if bytes == 0 {
        return remove(&from).map(|()| Closed::Empty);
    }
    match has_frame(ffmpeg, &from, open.container) {
        Ok(true) => finish(store, camera, open, (open.epoch, zone), &file, bytes),
        Ok(false) if bytes < LEAST_DAMAGED => remove(&from).map(|()| Closed::Empty),
        Ok(false) => damaged(&from, open, "ffmpeg finds no frame in it".to_owned()),
        Err(error) => Err(error).at("look into", &from),
    }
}

fn look(store: &Store, camera: &CameraName, open: OpenName) -> Result<Option<(PathBuf, File, u64)>> {
    store.check_still_there()?;
    let path = store.root().join(camera.as_str()).join(open.to_string());
    let file = match open_regular(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound || is_not_regular(&error) => return Ok(None),
        other => other.at("open", &path)?,
    };
    let bytes = file.metadata().at("read", &path)?.len();
    Ok(Some((path, file, bytes)))
}

fn finish(
    store: &Store,
    camera: &CameraName,
    open: OpenName,
    (start, zone): (i64, Tz),
    file: &File,
    bytes: u64,
) -> Result<Closed> {
    let dir = store.root().join(camera.as_str());
    let from = dir.join(open.to_string());
    let Some(mut name) = SegmentName::new(start, &zone, open.container) else {
        return damaged(&from, open, "its time is out of range".to_owned());
    };
    store.group_dir(&format!("{camera}/{}", SegmentName::folder(name.day())))?;
    loop {
        let path = dir.join(name.to_string());
        match publish(file, &from, &path) {
            Ok(()) => return Ok(Closed::Published { name, path, bytes }),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists && name.copy < MAX_COPIES => {
                name.copy += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn damaged(from: &Path, open: OpenName, why: String) -> Result<Closed> {
    let to = from.with_file_name(open.damaged().to_string());
    fs::rename(from, &to).at("rename", from)?;
    Ok(Closed::Damaged(why))
}

/// Whether ffmpeg finds a frame in a file: footage requests the checksum of the first. It sets the format: if ffmpeg probed
/// it, it could take the file for a playlist and open the files that it names.
///
/// # Errors
/// ffmpeg cannot be run, crashes, or takes too long on a slow disk: that says nothing about the file.
fn has_frame(ffmpeg: &Path, path: &Path, container: Container) -> io::Result<bool> {
    let format = match container {
        Container::Mkv => "matroska",
        Container::Ts => "mpegts",
        Container::Mp4 => "mov",
    };
    // Without the prefix, ffmpeg takes a name with a colon for a protocol.
    let mut file = OsString::from("file:");
    file.push(path);
    let mut ffmpeg = command::command(ffmpeg, Log::Quiet);
    ffmpeg.args(["-protocol_whitelist", "file"]).format(format).input(file);
    command::print_first_frame(&mut ffmpeg);
    let mut command = Command::from(ffmpeg);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child::spawn(&mut command)?;
    let mut stdout = child.stdout.take();
    // A few lines fit into the pipe, so neither side blocks.
    let (status, killed) = child::wait(&mut child, PROBE_PATIENCE, &|| false)?;
    if killed.is_some() {
        return Err(io::Error::new(ErrorKind::TimedOut, format!("ffmpeg took longer than {PROBE_PATIENCE:?}")));
    }
    if status.signal().is_some() {
        return Err(io::Error::other(format!("ffmpeg failed: {status}")));
    }
    let mut said = Vec::new();
    if let Some(stdout) = &mut stdout {
        io::Read::read_to_end(stdout, &mut said)?;
    }
    Ok(command::has_frame(&said))
}
