//! The destinations of all cameras, locked: all of them or none.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::shard::Shard;
use crate::error::{At, Result};
use crate::live::Live;
use crate::lock::Lock;
use crate::store::{STATE_DIR, Store};

/// Destinations, and the locks on them.
#[derive(Debug)]
pub(super) struct Places {
    shard: Shard,
    /// `--lock-file`, held.
    one_for_all: Option<Lock>,
    stores: BTreeMap<PathBuf, Store>,
    /// By the device and inode of the state folder: one place may be named in two ways.
    locks: BTreeMap<(u64, u64), Lock>,
}

impl Places {
    /// Locks all of these.
    ///
    /// # Errors
    /// One of them is held, or cannot be made or locked: then none is locked.
    pub(super) fn lock(destinations: &[&Path], shard: Shard, lock_file: Option<&Path>, since: &str) -> Result<Self> {
        let one_for_all = lock_file.map(|path| Lock::acquire(path, None, since)).transpose()?;
        let mut places = Self { shard, one_for_all, stores: BTreeMap::new(), locks: BTreeMap::new() };
        destinations.iter().try_for_each(|destination| places.add(destination, since))?;
        Ok(places)
    }

    /// Locks one more.
    pub(super) fn add(&mut self, destination: &Path, since: &str) -> Result<()> {
        if self.stores.contains_key(destination) {
            return Ok(());
        }
        let store = Store::create(destination)?;
        let state = destination.join(STATE_DIR);
        let metadata = std::fs::metadata(&state).at("read", &state)?;
        let identity = (metadata.dev(), metadata.ino());
        if self.one_for_all.is_none() && !self.locks.contains_key(&identity) {
            let lock = Lock::acquire(&lock_path(destination, self.shard), None, since)?;
            self.locks.insert(identity, lock);
        }
        self.stores.insert(destination.to_owned(), store);
        Ok(())
    }

    /// The destination, locked.
    pub(super) fn store(&self, destination: &Path) -> Option<&Store> {
        self.stores.get(destination)
    }
}

/// The lock file of a share of the cameras in a destination.
pub(super) fn lock_path(destination: &Path, shard: Shard) -> PathBuf {
    destination.join(STATE_DIR).join(file_name(shard, "lock"))
}

/// The name of one of our files in a state folder.
pub(super) fn file_name(shard: Shard, ending: &str) -> String {
    let shard = (!shard.is_all()).then(|| shard.to_string());
    Live::file_name(shard.as_deref(), ending)
}
