//! A directory of this user in the one for temporary files, for what a pass remembers that has no other place: because it does
//! not get as far as its destination, or may not write there.
//!
//! Other users can read it (`status` may run as one of them), none can write to it. It is gone after the next boot. Where it
//! cannot be created, nothing is remembered.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::store::{read_state, remove, write_atomically};

/// How such directories are named; the number of the user follows.
const PREFIX: &str = "footage-";
/// More than any file in it has.
const MAX_BYTES: u64 = 64 << 10;
/// More than there are. Any user can make directories beside it.
const MAX_DIRS: usize = 1000;

/// The name of the file about `what`, which begins with `prefix`.
#[must_use]
pub fn file_name(prefix: &str, what: &(impl Hash + ?Sized)) -> String {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    format!("{prefix}-{:016x}", hasher.finish())
}

/// Reads a file of this user.
#[must_use]
pub fn read(name: &str) -> Option<Vec<u8>> {
    let dir = path();
    owner(&dir)?;
    read_state(&dir.join(name), MAX_BYTES)
}

/// Writes a file of this user, where that can be.
pub fn write(name: &str, bytes: &[u8]) {
    let dir = path();
    // What exists already is checked all the same.
    let _ = DirBuilder::new().mode(0o755).create(&dir);
    if is_our_own(&dir) {
        let _ = write_atomically(&dir.join(name), bytes);
    }
}

/// Removes a file of this user.
pub fn forget(name: &str) {
    let dir = path();
    let path = dir.join(name);
    if fs::symlink_metadata(&path).is_ok() && is_our_own(&dir) {
        let _ = remove(&path);
    }
}

/// The readable files of all users whose names begin with `prefix`: who owns each, and its bytes. Cron has no `TMPDIR`, and a
/// shell may have one.
pub fn read_all(prefix: &'static str) -> impl Iterator<Item = (u32, Vec<u8>)> {
    let parents = BTreeSet::from([std::env::temp_dir(), PathBuf::from("/tmp")]);
    let dirs = parents.into_iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    let dirs = dirs.filter_map(|entry| Some((owner(&entry.path())?, entry.path()))).take(MAX_DIRS);
    dirs.flat_map(move |(uid, dir)| {
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        let files = files.filter(move |file| file.file_name().to_string_lossy().starts_with(prefix));
        files.filter_map(move |file| Some((uid, read_state(&file.path(), MAX_BYTES)?)))
    })
}

fn path() -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{}", geteuid().as_raw()))
}

fn is_our_own(dir: &Path) -> bool {
    owner(dir) == Some(geteuid().as_raw())
}

/// The user whose directory this is by its name, its owner and its permissions.
fn owner(dir: &Path) -> Option<u32> {
    let uid: u32 = dir.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
    let metadata = fs::symlink_metadata(dir).ok()?;
    (metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o022 == 0).then_some(uid)
}
