//! Small files of our own. They are replaced atomically, so that a reader sees the old file or the new one. They are read
//! with mistrust, because every user who may write to a destination can have replaced them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::open::{create_new, has_one_name, open_behind_links, open_for_writing, open_regular};
use super::remove;
use crate::error::{At, Error, Result};

/// Replaces a small file of our own (a report, metrics) atomically: a reader sees the old one or the new one. It is not
/// synced, which would cost a write to the card at every pass. After a power loss it may be missing; no footage depends on
/// it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    // A killed pass may have left it, or another user a link: the new file follows no link.
    remove(&temporary)?;
    let written =
        create_new(&temporary).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error).at("write", path);
    }
    Ok(())
}

/// Like [`write_atomically`], for state that must be saved on a full disk too: without room for a second copy it overwrites
/// the old one in place.
pub fn write_even_if_full(path: &Path, bytes: &[u8]) -> Result<()> {
    match write_atomically(path, bytes) {
        Err(Error::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
        {
            overwrite(path, bytes).at("write", path)
        }
        other => other,
    }
}

fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_for_writing(path)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if !has_one_name(&file)? {
        return Err(io::ErrorKind::StorageFull.into());
    }
    if length > file.metadata()?.len() {
        // Its last block often has room. If not, the old file stays as it was.
        rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, length)?;
    }
    file.write_all(bytes)?;
    file.set_len(length)
}

/// Larger than any state file of a pass.
pub const MAX_STATE_BYTES: u64 = 64 << 20;
/// The same for state that grows with each file of a destination.
pub const MAX_INDEX_BYTES: u64 = 512 << 20;

/// Reads a state file of a destination; none if it cannot be read, or is not a regular file of at most `max_bytes`. A
/// pipe would block until another process writes to it, a link is not a file of ours, and a user who may write to the
/// destination must not fill the memory.
#[must_use]
pub fn read_state(path: &Path, max_bytes: u64) -> Option<Vec<u8>> {
    read(open_regular(path), max_bytes)
}

/// Reads a small file of the user, also behind a link; none if it cannot be read.
#[must_use]
pub fn read_small(path: &Path) -> Option<Vec<u8>> {
    const MAX_BYTES: u64 = 1 << 20;
    read(open_behind_links(path), MAX_BYTES)
}

fn read(opened: io::Result<File>, max_bytes: u64) -> Option<Vec<u8>> {
    let file = opened.ok()?;
    if file.metadata().ok()?.len() > max_bytes {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_state_follows_no_link_and_has_a_limit() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "x").expect("written");
        std::os::unix::fs::symlink(path("file"), path("link")).expect("linked");
        assert_eq!(read_small(&path("link")).as_deref(), Some(&b"x"[..]));
        assert_eq!((read_state(&path("link"), 9), read_state(&path("file"), 0)), (None, None));
    }
}
