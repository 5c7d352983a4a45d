//! A value that a pass keeps in a small file of its own, written only when it changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::{MAX_STATE_BYTES, read_state, write_atomically};
use super::{Store, remove};
use crate::error::Result;

/// A value with a format.
pub trait State: Default {
    /// A longer file is not read, so that it cannot fill the memory.
    const MAX_BYTES: u64 = MAX_STATE_BYTES;

    /// Reads it; `None` for bytes that are none.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Writes it.
    fn encode(&self) -> Vec<u8>;
}

/// As one object of JSON.
impl<V: Serialize + DeserializeOwned> State for BTreeMap<String, V> {
    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The value and its file. Losing the file costs a pass time and never footage, so one that is missing, too long, damaged or
/// a link counts as empty.
#[derive(Debug)]
pub struct StateFile<T> {
    path: PathBuf,
    value: T,
    is_changed: bool,
}

impl<T: State> StateFile<T> {
    /// Reads the state file of this name.
    #[must_use]
    pub fn load(store: &Store, name: &str) -> Self {
        let mut file = Self::empty(store, name);
        file.value = read_state(&file.path, T::MAX_BYTES).and_then(|bytes| T::decode(&bytes)).unwrap_or_default();
        file
    }

    /// Starts empty, whatever the file holds.
    #[must_use]
    pub fn empty(store: &Store, name: &str) -> Self {
        Self { path: store.state_path(name), value: T::default(), is_changed: false }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The value, about to be changed.
    pub fn change(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }

    /// Writes the value if it changed since it was read or written. Not synced: after a power loss an older value, or none,
    /// is read.
    ///
    /// # Errors
    /// It cannot be written; the next call tries again.
    pub fn save(&mut self) -> Result<()> {
        if self.is_changed {
            write_atomically(&self.path, &self.value.encode())?;
            self.is_changed = false;
        }
        Ok(())
    }

    /// As [`save`](Self::save) for what a pass can do without: a failure is only logged.
    pub fn save_or_log(&mut self, level: log::Level) {
        if let Err(error) = self.save() {
            log::log!(level, "{}", error.with_causes());
        }
    }

    /// Removes the file.
    ///
    /// # Errors
    /// It stays.
    pub fn remove(&mut self) -> Result<()> {
        remove(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Counts = BTreeMap<String, u32>;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::create(dir.path()).expect("created");
        (dir, store)
    }

    #[test]
    fn state_file_is_written_only_when_it_changed() {
        let (_dir, store) = store();
        let mut file: StateFile<Counts> = StateFile::load(&store, "counts");
        file.save().expect("nothing to write");
        assert!(!file.path().exists());
        file.change().insert("a".into(), 1);
        file.save().expect("written");
        assert_eq!(fs::read(file.path()).expect("written"), br#"{"a":1}"#);

        let mut again: StateFile<Counts> = StateFile::load(&store, "counts");
        assert_eq!(again.get(), file.get());
        fs::remove_file(again.path()).expect("removed");
        again.save().expect("nothing to write");
        assert!(!again.path().exists(), "what did not change is not written");
    }

    #[test]
    fn state_file_that_cannot_be_read_is_empty_and_one_that_cannot_be_written_stays_changed() {
        let (dir, store) = store();
        let path = store.state_path("counts");
        for broken in ["", "{", "\0\0\0", "[1]"] {
            fs::write(&path, broken).expect("written");
            assert!(StateFile::<Counts>::load(&store, "counts").get().is_empty(), "{broken:?}");
        }
        let mut file: StateFile<Counts> = StateFile::load(&store, "counts");
        file.change().insert("a".into(), 1);
        fs::rename(dir.path().join(".footage"), dir.path().join("away")).expect("moved");
        file.save().expect_err("the folder is gone");
        fs::rename(dir.path().join("away"), dir.path().join(".footage")).expect("moved");
        file.save().expect("it is there again");
        assert_eq!(fs::read(&path).expect("written"), br#"{"a":1}"#);
    }
}
