//! Whether bytes that should be the same are the same.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::fetch::Want;
use super::name::Format;
use super::source::{Opened, Trouble};
use crate::error::{At, Result};
use crate::mp4::{self, Structure};
use crate::store::open_regular;

/// One read.
const READ_BYTES: usize = 256 << 10;
/// So many bytes tell one recording from another.
const BEGINNING_BYTES: u64 = 4 << 10;

/// Whether the camera's bytes from `opened.start` up to `have` are those of the partial file.
pub(super) fn overlap_agrees(opened: &mut Opened, partial: &Path, have: u64) -> Result<bool, Trouble> {
    let length = usize::try_from(have - opened.start).unwrap_or(0);
    let (mut theirs, mut ours) = (vec![0; length], vec![0; length]);
    let read = open_regular(partial).and_then(|mut file| {
        file.seek(SeekFrom::Start(opened.start))?;
        file.read_exact(&mut ours)
    });
    if read.is_err() {
        return Ok(false);
    }
    match opened.body.read_exact(&mut theirs) {
        Ok(()) => Ok(ours == theirs),
        Err(error) => Err(Trouble::Lost(error.to_string())),
    }
}

/// Before a file is replaced: if it is not the beginning of the new one, it is not what it was taken for (another
/// camera's, or from before a clock was reset), and nobody knows which of the two is worth more.
pub(super) fn keep_what_differs(want: &Want, partial: &File, old: &Path) -> Result<()> {
    let mut older = open_regular(old).at("open", old)?;
    let mut newer = partial;
    newer.seek(SeekFrom::Start(0)).at("read", old)?;
    let length = older.metadata().at("read", old)?.len();
    // Of a broken file only the beginning can be expected to agree.
    let is_whole = mp4::structure(&mut older, length).at("read", old)? == Structure::Whole;
    older.seek(SeekFrom::Start(0)).at("read", old)?;
    let length = if is_whole || want.file.format() != Format::Video { length } else { length.min(BEGINNING_BYTES) };
    if begins_with(&mut newer, &mut older, length).at("compare", old)? {
        return Ok(());
    }
    let kept = want.damaged_path();
    log::warn!("{}: what was here is no part of the camera's file; kept as {}", want.file, kept.display());
    fs::rename(old, &kept).at("rename", old)
}

/// Whether the first `length` bytes of a file are those of an older one.
fn begins_with(newer: &mut impl Read, older: &mut impl Read, length: u64) -> std::io::Result<bool> {
    let (mut ours, mut theirs) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut left = length;
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
        older.read_exact(&mut ours[..bytes])?;
        // Zeros are what a power loss left: nothing that could differ.
        if left == length && ours[..bytes].iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        match newer.read_exact(&mut theirs[..bytes]) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        if ours[..bytes] != theirs[..bytes] {
            return Ok(false);
        }
        left -= bytes as u64;
    }
    Ok(true)
}
