//! The destinations of all cameras, locked. One that cannot be used keeps only its own cameras waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::shard::Shard;
use crate::error::{At, Error, Result};
use crate::live::RecorderStatus;
use crate::lock::Lock;
use crate::store::{STATE_DIR, Store};

/// Device and inode of a destination, which may have several paths.
type Identity = (u64, u64);

/// Destinations, and the locks on them.
#[derive(Debug)]
pub(super) struct Places {
    shard: Shard,
    /// `--lock-file`, held.
    one_for_all: Option<SharedLock>,
    stores: BTreeMap<PathBuf, (Store, Identity)>,
    locks: BTreeMap<Identity, SharedLock>,
}

/// Shared with the keeper of the destination, which checks it without owning it.
pub(super) type SharedLock = Arc<Mutex<Lock>>;

/// An open destination, and its lock if this call took it.
#[derive(Debug)]
pub(super) struct Opened {
    store: Store,
    identity: Identity,
    lock: Option<Lock>,
}

/// Opens a destination in another thread: one that hangs must not block the supervisor.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    shard: Shard,
    /// The destinations that are locked; `None` if `--lock-file` locks all of them.
    locked: Option<BTreeSet<Identity>>,
}

impl Places {
    /// Locks these destinations. Also returns those that cannot be used now, and why.
    ///
    /// # Errors
    /// Another recorder holds one of them, one is no directory, or none of them can be used.
    pub(super) fn lock(
        destinations: &[&Path],
        shard: Shard,
        lock_file: Option<&Path>,
        since: &str,
    ) -> Result<(Self, BTreeMap<PathBuf, String>)> {
        let one_for_all = lock_file.map(|path| Lock::acquire(path, None, since)).transpose()?.map(shared);
        let mut places = Self { shard, one_for_all, stores: BTreeMap::new(), locks: BTreeMap::new() };
        let mut lost = BTreeMap::new();
        let mut first = None;
        for destination in destinations {
            match places.add(destination, since) {
                Ok(()) => {}
                Err(error @ (Error::Busy { .. } | Error::Usage(_))) => return Err(error),
                Err(error) => {
                    lost.insert((*destination).to_owned(), error.with_causes());
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) if places.stores.is_empty() => Err(error),
            _ => Ok((places, lost)),
        }
    }

    /// Locks one more.
    pub(super) fn add(&mut self, destination: &Path, since: &str) -> Result<()> {
        if self.stores.contains_key(destination) {
            return Ok(());
        }
        let opened = self.opener().open(destination, since)?;
        self.adopt(destination, opened);
        Ok(())
    }

    /// An [`Opener`] for one more.
    pub(super) fn opener(&self) -> Opener {
        let locked = self.one_for_all.is_none().then(|| self.locks.keys().copied().collect());
        Opener { shard: self.shard, locked }
    }

    /// Adds an open destination.
    pub(super) fn adopt(&mut self, destination: &Path, opened: Opened) {
        if let Some(lock) = opened.lock {
            self.locks.insert(opened.identity, shared(lock));
        }
        self.stores.insert(destination.to_owned(), (opened.store, opened.identity));
    }

    /// Removes a destination. The caller drops its lock: on a dead network share that may take long.
    #[must_use]
    pub(super) fn release(&mut self, destination: &Path) -> Option<SharedLock> {
        let (_, identity) = self.stores.remove(destination)?;
        let is_used = self.stores.values().any(|(_, other)| *other == identity);
        if is_used { None } else { self.locks.remove(&identity) }
    }

    /// The lock of a destination.
    pub(super) fn lock_of(&self, destination: &Path) -> Option<&SharedLock> {
        let (_, identity) = self.stores.get(destination)?;
        self.one_for_all.as_ref().or_else(|| self.locks.get(identity))
    }

    /// The store of a locked destination.
    pub(super) fn store(&self, destination: &Path) -> Option<&Store> {
        self.stores.get(destination).map(|(store, _)| store)
    }
}

impl Opener {
    /// Opens a destination, and locks it if it is not locked yet.
    pub(super) fn open(&self, destination: &Path, since: &str) -> Result<Opened> {
        let store = Store::create(destination)?;
        let metadata = std::fs::metadata(destination).at("read", destination)?;
        let identity = (metadata.dev(), metadata.ino());
        let lock = match &self.locked {
            Some(locked) if !locked.contains(&identity) => {
                Some(Lock::acquire(&lock_path(destination, self.shard), None, since)?)
            }
            _ => None,
        };
        Ok(Opened { store, identity, lock })
    }
}

fn shared(lock: Lock) -> SharedLock {
    Arc::new(Mutex::new(lock))
}

/// The lock file of a shard in a destination.
pub(super) fn lock_path(destination: &Path, shard: Shard) -> PathBuf {
    destination.join(STATE_DIR).join(file_name(shard, "lock"))
}

/// The name of one of our files in a state folder.
pub(super) fn file_name(shard: Shard, ending: &str) -> String {
    let shard = (!shard.is_all()).then(|| shard.to_string());
    RecorderStatus::file_name(shard.as_deref(), ending)
}
