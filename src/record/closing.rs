//! Gives a segment its final name: one that is complete, or that a crash left incomplete.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::container;
use super::integrity;
use super::name::{CameraName, Container, OpenName, SegmentName};
use crate::error::{At, Error, Result};
use crate::media::mp4::playable_bytes;
use crate::store::open::{is_not_regular, open_for_writing, open_regular};
use crate::store::{Store, publish, remove};
use crate::zone::Tz;

/// The most segments that can begin in one second.
const MAX_COPIES: u32 = 1000;
/// A shorter file has no frame, only the header of its container.
const LEAST_DAMAGED: u64 = 4 << 10;

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

/// Closes a segment that is complete, and that begins at `start`, seconds since 1970.
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

/// Keeps an incomplete segment: under its final name if it can be played.
pub(super) fn close_incomplete(store: &Store, camera: &CameraName, open: OpenName, zone: Tz) -> Result<Closed> {
    let Some((from, mut file, bytes)) = look(store, camera, open)? else { return Ok(Closed::Missing) };
    if bytes == 0 {
        return remove(&from).map(|()| Closed::Empty);
    }
    match container::has_frame(open.container, &mut file).at("look into", &from)? {
        true => {
            let bytes = without_rest(open.container, &mut file, bytes, &from)?;
            finish(store, camera, open, (open.epoch, zone), &file, bytes)
        }
        false if bytes < LEAST_DAMAGED => remove(&from).map(|()| Closed::Empty),
        false => damaged(&from, open, "there is no frame in it".to_owned()),
    }
}

/// Cuts off the beginning of a box that no player gets past, and in which there is no frame; how many bytes are left.
fn without_rest(container: Container, file: &mut File, bytes: u64, path: &Path) -> Result<u64> {
    if container != Container::Mp4 {
        return Ok(bytes);
    }
    let playable = playable_bytes(file, bytes).at("look into", path)?;
    if playable < bytes {
        open_for_writing(path).and_then(|file| file.set_len(playable)).at("cut the end of", path)?;
    }
    Ok(playable)
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
