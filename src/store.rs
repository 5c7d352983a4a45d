//! The destination on disk: its directories, durable publishing, removal.
//!
//! A file gets its final name in one way only: footage writes it under a hidden name, syncs it, renames it without
//! overwriting, and syncs its directory. Readers of the tree see complete files only.

pub mod open;
mod state;
mod state_file;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, openat, unlinkat};
use rustix::io::Errno;

pub use self::state::{MAX_INDEX_BYTES, MAX_STATE_BYTES, read_small, read_state, write_atomically, write_even_if_full};
pub use self::state_file::{State, StateFile};
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
            return Err(Error::Usage(format!("the destination {} is not a directory: name another", root.display())));
        }
        fs::create_dir_all(root).at("create the destination", root)?;
        let store = Self { identity: Some(identity(root)?), ..Self::at(root) };
        store.make_state_dir()?;
        Ok(store)
    }

    /// Makes the state folder where it is not there; whether it was not. The destination itself is not made.
    ///
    /// # Errors
    /// Also when its name is a symbolic link or a file.
    pub fn make_state_dir(&self) -> Result<bool> {
        // Without the slash that `join("")` leaves at its end, and which follows a link.
        let state = self.root.join(STATE_DIR);
        match fs::create_dir(&state) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => require_real_dir(&state).map(|()| false),
            other => other.at("create", &state).map(|()| true),
        }
    }

    /// The destination at `root` for a dry run: creates nothing.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), identity: None }
    }

    /// Checks that the destination is still the one that the pass began with. When a share is unmounted during a pass, the
    /// pass must not fill its empty mount point.
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
    /// Also when that name, or a directory on the way, is a symbolic link or a file: footage does not write outside the
    /// destination.
    pub fn group_dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.below(name).at("use", self.root.join(name))?;
        if name.is_empty() {
            return Ok(path);
        }
        self.require_no_links(path.parent().unwrap_or(&path))?;
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
            let _ = self.unlink(name, AtFlags::REMOVEDIR);
        }
    }

    /// Removes a file of the destination; a missing file is fine. Each directory on the way is opened without following
    /// links, so a link that replaces one of them meanwhile removes nothing elsewhere.
    ///
    /// # Errors
    /// Also when a directory on the way is a symbolic link.
    pub fn remove(&self, name: impl AsRef<Path>) -> Result<()> {
        match self.unlink(&name, AtFlags::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.at("remove", self.root.join(name)),
        }
    }

    fn unlink(&self, name: impl AsRef<Path>, flags: AtFlags) -> io::Result<()> {
        let path = self.below(name)?;
        let inside = path.strip_prefix(&self.root).unwrap_or(&path);
        let (Some(parent), Some(file)) = (inside.parent(), inside.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let open = |at: Option<&OwnedFd>, dir: &Path, flags| {
            let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            at.map_or_else(|| openat(CWD, dir, flags, Mode::empty()), |at| openat(at, dir, flags, Mode::empty()))
        };
        let mut dir = open(None, &self.root, OFlags::empty())?;
        for part in parent {
            dir = open(Some(&dir), Path::new(part), OFlags::NOFOLLOW)?;
        }
        Ok(unlinkat(&dir, file, flags)?)
    }

    /// What `name` is called from outside; a name leads nowhere but down.
    fn below(&self, name: impl AsRef<Path>) -> io::Result<PathBuf> {
        let name = name.as_ref();
        if name.components().all(|part| matches!(part, Component::Normal(_))) {
            // `join` would leave a slash behind, and what follows a slash follows a link.
            return Ok(if name.as_os_str().is_empty() { self.root.clone() } else { self.root.join(name) });
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it leads out of the destination"))
    }

    /// Whether each directory from the destination down to `path` is one, and no link.
    fn require_no_links(&self, path: &Path) -> Result<()> {
        let inside = path.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let mut here = self.root.clone();
        inside.iter().try_for_each(|part| {
            here.push(part);
            require_real_dir(&here)
        })
    }

    /// Calls `each` with the name and type of every entry of one directory of the destination. A missing directory is
    /// empty; names that are not UTF-8 are skipped. No file is opened and, where the file system reports the type with the
    /// name, none is examined.
    ///
    /// # Errors
    /// Also when that name, or a directory on the way, is a symbolic link.
    pub fn for_each_entry(&self, dir: &str, mut each: impl FnMut(&str, fs::FileType)) -> Result<()> {
        let path = self.below(dir).at("list", self.root.join(dir))?;
        match self.require_no_links(&path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
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

/// The path without links, as far as it exists.
#[must_use]
pub fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = path.ancestors().find_map(|here| Some(fs::canonicalize(here).ok()?.join(path.strip_prefix(here).ok()?)));
    // `join` leaves a slash at the end of what exists.
    real.map_or(path, |real| real.components().collect())
}

/// footage does not write outside the destination.
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
/// [`io::ErrorKind::AlreadyExists`] when the final name exists.
pub fn publish(file: &File, from: &Path, to: &Path) -> Result<()> {
    file.sync_all().at("sync", from)?;
    rename_without_overwriting(from, to).at("publish", to)?;
    sync_parent(to)
}

/// Renames a finished, hidden file over an older one. The caller has verified that it is the better copy.
pub fn replace(file: &File, from: &Path, to: &Path) -> Result<()> {
    file.sync_all().at("sync", from)?;
    fs::rename(from, to).at("publish", to)?;
    sync_parent(to)
}

/// Moves a damaged file to the hidden name for it. Where an earlier pass has left a longer one there, that one stays and the
/// new one is removed: of two damaged copies the longer holds more footage.
///
/// # Errors
/// Those of [`replace`]; a directory at that name is in the way.
pub fn keep_longer(file: &File, from: &Path, to: &Path) -> Result<()> {
    let bytes = file.metadata().at("read", from)?.len();
    if fs::symlink_metadata(to).is_ok_and(|older| older.is_file() && older.len() > bytes) {
        remove(from)
    } else {
        replace(file, from, to)
    }
}

/// Removes a file; one that is gone already is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}

/// `renameat2(RENAME_NOREPLACE)` where the file system knows it. NFS, FUSE, some overlays and older ZFS answer
/// EINVAL, kernels before 3.15 ENOSYS: there, `link` then `unlink` keeps the same promise. Where hard links are
/// missing as well (exFAT, some SMB), check and rename; the lock keeps other passes away in between.
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

/// Some network file systems answer EINVAL to the sync of a directory: nothing more can be done there.
fn sync_dir(dir: &Path) -> Result<()> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        other => other.at("sync", dir),
    }
}

/// The id of this boot of the machine. Bytes written but not synced in this boot can still be read; those of an earlier one
/// may be zeros. Empty where the system has none.
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
    fn every_publish_method_refuses_to_overwrite() {
        for publish in [rename_without_overwriting, link_then_unlink, look_then_rename] {
            let (_dir, from, to) = two_files();
            publish(&from, &to).expect("the name is free");
            assert_eq!(fs::read(&to).expect("published"), b"new");
            assert!(!from.exists());

            fs::write(&from, "newer").expect("written");
            let error = publish(&from, &to).expect_err("the name exists");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).expect("still there"), b"new");
            assert_eq!(fs::read(&from).expect("still there"), b"newer");
        }
    }

    #[test]
    fn keep_longer_keeps_the_longer_of_two_damaged_files_and_the_newer_of_equal_ones() {
        for (older, kept) in [(None, "new"), (Some("ol"), "new"), (Some("old"), "new"), (Some("older"), "older")] {
            let (_dir, from, to) = two_files();
            if let Some(older) = older {
                fs::write(&to, older).expect("written");
            }
            keep_longer(&File::open(&from).expect("opened"), &from, &to).expect("kept");
            assert_eq!(fs::read_to_string(&to).expect("kept"), kept);
            assert!(!from.exists());
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
