//! The destination on disk: what stands there, durable publishing, removal.
//!
//! A file comes to stand under its final name in one way only: written under a hidden name, synced, then moved
//! there without overwriting, then its directory synced. Whoever looks at the tree sees whole files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FallocateFlags, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{At, Error, Result};

/// The hidden folder in a destination for locks, reports and journals. Deleting it loses no footage.
pub const STATE_DIR: &str = ".footage";

/// A destination: a directory that a pass fills.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Device and inode of the root when the pass began.
    identity: Option<(u64, u64)>,
}

impl Store {
    /// The destination at `root`, created when it is not there, with its state folder.
    pub fn create(root: &Path) -> Result<Self> {
        if root.exists() && !root.is_dir() {
            return Err(Error::Usage(format!("the destination {} is not a directory", root.display())));
        }
        fs::create_dir_all(root).at("create the destination", root)?;
        let store = Self { identity: Some(identity(root)?), ..Self::at(root) };
        // Without the slash that `join("")` leaves at its end, and which follows a link.
        let state = root.join(STATE_DIR);
        match fs::create_dir(&state) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => require_real_dir(&state)?,
            other => other.at("create", &state)?,
        }
        Ok(store)
    }

    /// The destination at `root` as it is, for a dry run: nothing is created.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), identity: None }
    }

    /// Whether the destination is still the one that the pass began with. When a share is unmounted under us, its
    /// empty mount point must not be filled instead.
    pub fn check_still_there(&self) -> Result<()> {
        match self.identity {
            Some(then) if identity(&self.root).ok() != Some(then) => {
                let source = io::Error::new(io::ErrorKind::NotFound, "it was removed or unmounted");
                Err(source).at("go on: the destination has vanished,", &self.root)
            }
            _ => Ok(()),
        }
    }

    /// The destination's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the state folder is there, as [`create`](Self::create) makes and demands it.
    #[must_use]
    pub fn has_state_dir(&self) -> bool {
        require_real_dir(&self.root.join(STATE_DIR)).is_ok()
    }

    /// A file in the state folder.
    #[must_use]
    pub fn state_path(&self, name: &str) -> PathBuf {
        self.root.join(STATE_DIR).join(name)
    }

    /// The group directory `name` in the destination (`""` is the destination itself), created when it is not there
    /// and what it stands in is. The destination itself is not created again: when it has vanished, a file system has.
    ///
    /// # Errors
    /// Also when a symbolic link or a file stands at that name: we do not write out of the destination.
    pub fn group_dir(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() {
            return Ok(self.root.clone());
        }
        let path = self.root.join(name);
        match fs::create_dir(&path) {
            Ok(()) => sync_parent(&path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => require_real_dir(&path)?,
            Err(error) => return Err(error).at("create", &path),
        }
        Ok(path)
    }

    /// Removes a group directory that became empty; one that still holds anything stays.
    pub fn remove_group_dir_if_empty(&self, name: &str) {
        if !name.is_empty() {
            let _ = fs::remove_dir(self.root.join(name));
        }
    }

    /// Calls `each` with the name and type of everything in one directory of the destination. A directory that
    /// is not there is empty; a name that is not text is nobody's here. No file is opened and, where the file system
    /// tells the type, none is looked at.
    pub fn for_each_entry(&self, dir: &str, mut each: impl FnMut(&str, fs::FileType)) -> Result<()> {
        let path = self.root.join(dir);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at("list", &path)?,
        };
        for entry in entries {
            let entry = entry.at("list", &path)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            match entry.file_type() {
                Ok(file_type) => each(name, file_type),
                // Another pass removed it in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).at("read", entry.path()),
            }
        }
        Ok(())
    }
}

/// We do not write out of the destination.
fn require_real_dir(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).at("read", path)?.is_dir() {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::NotADirectory, "not a directory, or a symbolic link");
    Err(source).at("use", path)
}

fn identity(root: &Path) -> Result<(u64, u64)> {
    let metadata = fs::metadata(root).at("read", root)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Moves a finished, hidden file to its final name without ever overwriting: sync, move, sync the directory.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when something stands at the final name.
pub fn publish(file: &File, from: &Path, to: &Path) -> Result<()> {
    file.sync_all().at("sync", from)?;
    rename_without_overwriting(from, to).at("publish", to)?;
    sync_parent(to)
}

/// Moves a finished, hidden file over an older one of which it is proven to be the better copy.
pub fn replace(file: &File, from: &Path, to: &Path) -> Result<()> {
    file.sync_all().at("sync", from)?;
    fs::rename(from, to).at("publish", to)?;
    sync_parent(to)
}

/// Writes a small file of our own (a report, metrics) so that whoever reads it sees the old one or the new one. It is
/// not synced, which would cost a write to the card at every pass: after a power loss it may be missing, and nothing
/// that matters is in it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    // Left by a pass that was killed, or a link to somebody's file: a new one follows no link.
    remove(&temporary)?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error).at("write", path);
    }
    Ok(())
}

/// As [`write_atomically`], for what must be remembered on a full disk too: without room for a second copy the old one
/// is overwritten where it stands.
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
    let flags = OFlags::NOFOLLOW.bits().cast_signed() | NONBLOCK;
    let mut file = File::options().write(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // Under a second name it may be somebody's.
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    if length > metadata.len() {
        // Mostly there is room in its last block. If not, it is left as it was.
        rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, length)?;
    }
    file.write_all(bytes)?;
    file.set_len(length)
}

/// Reads a small file that a pass has left; what cannot be read is as good as nothing. Neither is anything but a
/// regular file: a pipe would be waited for until somebody writes to it.
#[must_use]
pub fn read_small(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::options().read(true).custom_flags(NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Opening a pipe does not wait for its other end; reading a regular file is not changed by it.
const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// Removes a file; one that is gone already is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}

/// `renameat2(RENAME_NOREPLACE)` where the file system knows it. NFS, FUSE, some overlays and older ZFS answer
/// EINVAL, kernels before 3.15 ENOSYS: there, `link` then `unlink` keeps the same promise. Where hard links are
/// missing as well (exFAT, some SMB), look and rename; our lock keeps other passes away in between.
fn rename_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno.into()),
    }
    link_then_unlink(from, to)
}

fn link_then_unlink(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::MLINK) => look_then_rename(from, to),
        Err(errno) => Err(errno.into()),
    }
}

fn look_then_rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Makes sure that a file, and its name, survive a power loss.
pub fn sync_with_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).at("sync", path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_dir)
}

/// Some network file systems cannot sync a directory and say EINVAL: there is nothing more to do there.
fn sync_dir(dir: &Path) -> Result<()> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        other => other.at("sync", dir),
    }
}

/// What tells one boot of this machine from the next: what was written but not synced in this boot is still
/// readable, what was written in an earlier one may be zeros. Empty where the system does not say.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (dir.path().join(".a.part"), dir.path().join("a"));
        fs::write(&from, "new").expect("written");
        (dir, from, to)
    }

    #[test]
    fn every_way_of_publishing_refuses_to_overwrite() {
        for publish in [rename_without_overwriting, link_then_unlink, look_then_rename] {
            let (_dir, from, to) = two_files();
            publish(&from, &to).expect("nothing stands there");
            assert_eq!(fs::read(&to).expect("published"), b"new");
            assert!(!from.exists());

            fs::write(&from, "newer").expect("written");
            let error = publish(&from, &to).expect_err("something stands there");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).expect("still there"), b"new");
            assert_eq!(fs::read(&from).expect("still there"), b"newer");
        }
    }

    #[test]
    fn a_symbolic_link_is_no_group_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let outside = tempfile::tempdir().expect("a temporary directory");
        let store = Store::create(dir.path()).expect("created");
        std::os::unix::fs::symlink(outside.path(), dir.path().join("2018-10")).expect("linked");
        store.group_dir("2018-10").expect_err("leads out of the destination");
        store.group_dir("2018-11").expect("made");
        store.group_dir("2018-11").expect("found");
    }
}
