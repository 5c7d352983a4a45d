//! What lasts is said once, also by a program that cron starts every minute and that does not come as far as to a destination,
//! where such things are remembered.
//!
//! It is remembered in the directory for what is temporary, in one of our own that nobody else may write to: after the next
//! start of the machine it is said again. Where that cannot be, it is said each time.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::store::{read_small, remove, write_atomically};

/// A reader of what was said about one thing.
#[derive(Debug)]
pub struct Once {
    dir: PathBuf,
    path: PathBuf,
}

impl Once {
    /// What is said by `pass` about `what`: a file, and whatever tells it from others.
    #[must_use]
    pub fn about(pass: &str, what: &[String]) -> Self {
        let mut hasher = DefaultHasher::new();
        std::env::current_dir().unwrap_or_default().hash(&mut hasher);
        what.hash(&mut hasher);
        let dir = folder();
        let path = dir.join(format!("{pass}-{:016x}", hasher.finish()));
        Self { dir, path }
    }

    /// Whether this was not the last that was said. From now on it is.
    #[must_use]
    pub fn is_new(&self, text: &str) -> bool {
        if !is_our_own(&self.dir) {
            return true;
        }
        if read_small(&self.path).as_deref() == Some(text.as_bytes()) {
            return false;
        }
        // What is not remembered is said again.
        let _ = write_atomically(&self.path, text.as_bytes());
        true
    }

    /// All is well: whatever comes is new.
    pub fn is_over(&self) {
        if self.dir.exists() && is_our_own(&self.dir) {
            let _ = remove(&self.path);
        }
    }
}

/// The folder of this user in the directory for what is temporary.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{}", geteuid().as_raw()))
}

/// How such folders are called; the number of the user follows.
const PREFIX: &str = "footage-";

/// Whether a directory is there, or could be made, that is ours and that only we may write to. Others may read it:
/// `status` runs as another user.
#[must_use]
pub fn is_our_own(dir: &Path) -> bool {
    // What stands there is looked at all the same.
    let _ = DirBuilder::new().mode(0o755).create(dir);
    owner(dir) == Some(geteuid().as_raw())
}

/// The user whose folder this is by its name, its owner and its permissions.
#[must_use]
pub fn owner(dir: &Path) -> Option<u32> {
    let uid: u32 = dir.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
    let metadata = fs::symlink_metadata(dir).ok()?;
    (metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o022 == 0).then_some(uid)
}
