//! The destinations of all cameras, locked. One that cannot be used keeps its own cameras waiting, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::shard::Shard;
use crate::error::{At, Error, Result};
use crate::live::RecorderStatus;
use crate::lock::Lock;
use crate::store::{STATE_DIR, Store};

/// A destination by what it is: device and inode. One may be named in two ways.
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

/// Shared with the keeper of the destination, which looks after it without keeping it.
pub(super) type SharedLock = Arc<Mutex<Lock>>;

/// A destination that can be used, locked if it was not.
#[derive(Debug)]
pub(super) struct Opened {
    store: Store,
    identity: Identity,
    lock: Option<Lock>,
}

/// What it takes to open a destination, in whatever thread: one that hangs must not hang all.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    shard: Shard,
    /// These are locked, or all of them are by one lock.
    locked: Option<BTreeSet<Identity>>,
}

impl Places {
    /// Locks all of these but those that cannot be used now, and tells why.
    ///
    /// # Errors
    /// One of them is held by another recorder, or is none; or none of them can be used.
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

    /// What opens one more.
    pub(super) fn opener(&self) -> Opener {
        let locked = self.one_for_all.is_none().then(|| self.locks.keys().copied().collect());
        Opener { shard: self.shard, locked }
    }

    /// One more is open.
    pub(super) fn adopt(&mut self, destination: &Path, opened: Opened) {
        if let Some(lock) = opened.lock {
            self.locks.insert(opened.identity, shared(lock));
        }
        self.stores.insert(destination.to_owned(), (opened.store, opened.identity));
    }

    /// A destination is none any more. What locked it is for the caller to drop: on a dead share that may take its time.
    #[must_use]
    pub(super) fn release(&mut self, destination: &Path) -> Option<SharedLock> {
        let (_, identity) = self.stores.remove(destination)?;
        let is_used = self.stores.values().any(|(_, other)| *other == identity);
        if is_used { None } else { self.locks.remove(&identity) }
    }

    /// What locks a destination.
    pub(super) fn lock_of(&self, destination: &Path) -> Option<&SharedLock> {
        let (_, identity) = self.stores.get(destination)?;
        self.one_for_all.as_ref().or_else(|| self.locks.get(identity))
    }

    /// The destination, locked.
    pub(super) fn store(&self, destination: &Path) -> Option<&Store> {
        self.stores.get(destination).map(|(store, _)| store)
    }
}

impl Opener {
    /// Opens a destination, and locks it if that is not done.
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

/// The lock file of a share of the cameras in a destination.
pub(super) fn lock_path(destination: &Path, shard: Shard) -> PathBuf {
    destination.join(STATE_DIR).join(file_name(shard, "lock"))
}

/// The name of one of our files in a state folder.
pub(super) fn file_name(shard: Shard, ending: &str) -> String {
    let shard = (!shard.is_all()).then(|| shard.to_string());
    RecorderStatus::file_name(shard.as_deref(), ending)
}
