//! A cache of the directories of a destination, kept from one pass to the next. A directory whose [`Stamp`] has not
//! changed is not read again.
//!
//! The file is a line of JSON and, after it, the records of each kind of destination. Deleting it only costs the time to
//! read the directories. It may be truncated after a power loss, so it has a checksum of the records, and the version of
//! the program that wrote them; a truncated line of JSON does not parse.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stamp::{Stamp, Trust};
use crate::store::{MAX_INDEX_BYTES, State, StateFile, Store};

/// The contents of one directory, as a kind of destination knows them.
pub trait Contents: Clone {
    /// The small part, for the JSON.
    type Rest: Serialize + DeserializeOwned;

    /// Writes a record for each file, and returns the rest.
    fn encode(&self, records: &mut Vec<u8>) -> Self::Rest;

    /// Back from [`encode`](Self::encode); nothing if these are no such records.
    fn decode(records: &[u8], rest: Self::Rest) -> Option<Self>;

    /// Whether the pass leaves the directory unchanged; one that is about to change is not cached.
    fn is_lasting(&self) -> bool {
        true
    }
}

/// The cached directories.
#[derive(Debug)]
pub struct DirCache<C> {
    dirs: StateFile<Dirs<C>>,
    /// The directories that this pass asked for; the others are dropped.
    asked: BTreeSet<String>,
    now: SystemTime,
    trust: Trust,
}

#[derive(Debug, PartialEq, Eq)]
struct Dirs<C>(BTreeMap<String, (Stamp, C)>);

impl<C> Default for Dirs<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: Contents> DirCache<C> {
    /// Reads the state file of this name; one that cannot be read counts as empty.
    #[must_use]
    pub fn load(store: &Store, name: &str, now: SystemTime) -> Self {
        let mut cache = Self::afresh(store, name, now);
        if cache.trust.is_any() {
            cache.dirs = StateFile::load(store, name);
        }
        cache
    }

    /// An empty cache: ignores those of earlier passes.
    #[must_use]
    pub fn afresh(store: &Store, name: &str, now: SystemTime) -> Self {
        let (dirs, trust) = (StateFile::empty(store, name), Trust::below(store.root()));
        Self { dirs, asked: BTreeSet::new(), now, trust }
    }

    /// The contents of the directory `dir` of the destination: from the cache if it has not changed, else from `read`.
    pub fn contents(&mut self, store: &Store, dir: &str, read: impl FnOnce() -> Result<C>) -> Result<C> {
        let path = store.root().join(dir);
        let Some(stamp) = self.trust.stamp(&path) else { return read() };
        if let Some((known, contents)) = self.dirs.get().0.get(dir)
            && *known == stamp
        {
            self.asked.insert(dir.to_owned());
            return Ok(contents.clone());
        }
        self.dirs.change().0.remove(dir);
        let contents = read()?;
        if contents.is_lasting() && stamp.is_settled(self.now) && self.trust.stamp(&path) == Some(stamp) {
            self.dirs.change().0.insert(dir.to_owned(), (stamp, contents.clone()));
            self.asked.insert(dir.to_owned());
        }
        Ok(contents)
    }

    /// Saves the cache for the next pass. A failure costs that pass time and nothing else.
    pub fn save(mut self) {
        if self.asked.len() < self.dirs.get().0.len() {
            self.dirs.change().0.retain(|dir, _| self.asked.contains(dir));
        }
        self.dirs.save_or_log(log::Level::Debug);
    }
}

impl<C: Contents> State for Dirs<C> {
    const MAX_BYTES: u64 = MAX_INDEX_BYTES;

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).map(Self)
    }

    fn encode(&self) -> Vec<u8> {
        encode(&self.0)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header<R> {
    version: String,
    checksum: u64,
    dirs: BTreeMap<String, Dir<R>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Dir<R> {
    stamp: Stamp,
    /// How many of the bytes after the header are its records.
    bytes: usize,
    rest: R,
}

fn encode<C: Contents>(dirs: &BTreeMap<String, (Stamp, C)>) -> Vec<u8> {
    let mut records = Vec::new();
    let mut encoded = BTreeMap::new();
    for (dir, (stamp, contents)) in dirs {
        let before = records.len();
        let rest = contents.encode(&mut records);
        encoded.insert(dir.clone(), Dir { stamp: *stamp, bytes: records.len() - before, rest });
    }
    let header = Header { version: env!("CARGO_PKG_VERSION").to_owned(), checksum: checksum(&records), dirs: encoded };
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    bytes.append(&mut records);
    bytes
}

fn decode<C: Contents>(bytes: &[u8]) -> Option<BTreeMap<String, (Stamp, C)>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header<C::Rest> = serde_json::from_slice(&bytes[..end]).ok()?;
    let mut records = &bytes[end + 1..];
    if header.version != env!("CARGO_PKG_VERSION") || header.checksum != checksum(records) {
        return None;
    }
    let mut dirs = BTreeMap::new();
    for (name, dir) in header.dirs {
        let (own, others) = records.split_at_checked(dir.bytes)?;
        records = others;
        dirs.insert(name, (dir.stamp, C::decode(own, dir.rest)?));
    }
    records.is_empty().then_some(dirs)
}

/// Not stable between versions of Rust, and so of this program: then directories are read again.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::path::Path;
    use std::time::Duration;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Numbers(Vec<u8>, String);

    impl Contents for Numbers {
        type Rest = String;

        fn encode(&self, records: &mut Vec<u8>) -> String {
            records.extend(&self.0);
            self.1.clone()
        }

        fn decode(records: &[u8], rest: String) -> Option<Self> {
            Some(Self(records.to_vec(), rest))
        }

        fn is_lasting(&self) -> bool {
            self.1 != "changing"
        }
    }

    fn numbers() -> Numbers {
        Numbers(vec![1, 2, b'\n', 4], "five".to_owned())
    }

    #[test]
    fn a_truncated_or_changed_cache_file_is_ignored() {
        let stamp = Stamp::of(Path::new("/")).expect("it is there");
        let dirs: BTreeMap<String, (Stamp, Numbers)> =
            [(String::new(), (stamp, numbers())), ("2018".to_owned(), (stamp, numbers()))].into();
        let bytes = encode(&dirs);
        assert_eq!(decode(&bytes), Some(dirs));
        for cut in 0..bytes.len() {
            assert_eq!(decode::<Numbers>(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut zeros = bytes;
        let tail = zeros.len() - 3;
        zeros[tail..].fill(0);
        assert_eq!(decode::<Numbers>(&zeros), None);
    }

    #[test]
    fn the_directory_cache_is_used_until_a_directory_changes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::create(dir.path()).expect("created");
        std::fs::create_dir(dir.path().join("sub")).expect("made");
        let reads = Cell::new(0);
        let pass = |now: SystemTime, found: Numbers| {
            let mut cache = DirCache::load(&store, "numbers", now);
            let contents = cache.contents(&store, "sub", || {
                reads.set(reads.get() + 1);
                Ok(found.clone())
            });
            cache.save();
            (contents.expect("read"), reads.take())
        };
        let modified = std::fs::metadata(dir.path().join("sub")).and_then(|metadata| metadata.modified());
        let now = modified.expect("a time");
        let later = now + Duration::from_secs(10);
        let changing = || Numbers(vec![], "changing".to_owned());

        assert_eq!(pass(now, numbers()), (numbers(), 1));
        assert_eq!(pass(later, changing()), (changing(), 1), "it may have changed in the second in which it was read");
        assert_eq!(pass(later, numbers()), (numbers(), 1), "a directory that is about to change is not cached");
        assert_eq!(pass(later, changing()), (numbers(), 0));
        std::fs::write(dir.path().join("sub/new"), "").expect("written");
        assert_eq!(pass(later + Duration::from_secs(10), changing()), (changing(), 1));
    }
}
