//! The names in each directory of the destination, remembered from one pass to the next.
//!
//! A directory whose [`Stamp`] is what it was is not listed again.
//!
//! The file is a line of JSON and behind it 8 bytes, little-endian, for each name. Deleting it only costs the time to
//! list; it may be torn after a power loss, so it carries a checksum of the names, and the version of the program that
//! wrote it; what is before them is JSON, which is whole or none. `--verify` does not use it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::contents::Contents;
use crate::dashcam::name::FileName;
use crate::stamp::{Stamp, Trust, checksum};
use crate::store::{Store, read_small, write_atomically};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Header {
    version: String,
    checksum: u64,
    dirs: BTreeMap<String, CachedDir>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CachedDir {
    stamp: Stamp,
    groups: Vec<String>,
    links: Vec<String>,
    others: Vec<String>,
    /// How many of the numbers behind the header are its files.
    files: usize,
}

/// The remembered directories.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    known: BTreeMap<String, (Stamp, Contents)>,
    /// What is worth remembering from this pass.
    fresh: BTreeMap<String, (Stamp, Contents)>,
    is_changed: bool,
    now: SystemTime,
    trust: Trust,
}

impl Cache {
    pub(super) fn load(store: &Store, now: SystemTime, afresh: bool) -> Self {
        let path = store.state_path("dashcam.names");
        let trust = Trust::below(store.root());
        let bytes = if trust.is_any() && !afresh { read_small(&path) } else { None };
        let known = bytes.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Self { path, known, fresh: BTreeMap::new(), is_changed: false, now, trust }
    }

    /// What a directory holds: as remembered where it has not changed, else read.
    pub(super) fn contents(&mut self, store: &Store, dir: &str) -> crate::error::Result<Contents> {
        let path = store.root().join(dir);
        let Some(stamp) = self.trust.stamp(&path) else { return Contents::read(store, dir) };
        if let Some((known, contents)) = self.known.remove(dir)
            && known == stamp
        {
            self.fresh.insert(dir.to_owned(), (stamp, contents.clone()));
            return Ok(contents);
        }
        self.is_changed = true;
        let contents = Contents::read(store, dir)?;
        if stamp.is_settled(self.now) && self.trust.stamp(&path) == Some(stamp) {
            self.fresh.insert(dir.to_owned(), (stamp, contents.clone()));
        }
        Ok(contents)
    }

    /// Remembers for the next pass. Failing in it costs the next pass its time, nothing else.
    pub(super) fn save(self) {
        if (self.is_changed || !self.known.is_empty())
            && self.trust.is_any()
            && let Err(error) = write_atomically(&self.path, &encode(&self.fresh))
        {
            log::debug!("{}", error.with_causes());
        }
    }
}

fn encode(dirs: &BTreeMap<String, (Stamp, Contents)>) -> Vec<u8> {
    let names: Vec<u8> =
        dirs.values().flat_map(|(_, contents)| &contents.files).flat_map(|name| name.to_bytes()).collect();
    let cached = |(dir, (stamp, contents)): (&String, &(Stamp, Contents))| {
        let others = contents.others.iter().map(ToString::to_string).collect();
        let links = contents.links.iter().map(ToString::to_string).collect();
        let cached =
            CachedDir { stamp: *stamp, groups: contents.groups.clone(), links, others, files: contents.files.len() };
        (dir.clone(), cached)
    };
    let header = Header {
        version: env!("CARGO_PKG_VERSION").into(),
        checksum: checksum(&names),
        dirs: dirs.iter().map(cached).collect(),
    };
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(names);
    bytes
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<String, (Stamp, Contents)>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&bytes[..end]).ok()?;
    let (mut names, rest) = bytes[end + 1..].as_chunks::<8>();
    if header.version != env!("CARGO_PKG_VERSION") || !rest.is_empty() || header.checksum != checksum(&bytes[end + 1..])
    {
        return None;
    }
    let mut dirs = BTreeMap::new();
    for (dir, cached) in header.dirs {
        let (files, left) = names.split_at_checked(cached.files)?;
        names = left;
        let files = files.iter().map(|bytes| FileName::from_bytes(*bytes)).collect();
        let others = cached.others.iter().map(|name| name.parse()).collect::<Result<_, _>>().ok()?;
        let links = cached.links.iter().map(|name| name.parse()).collect::<Result<_, _>>().ok()?;
        dirs.insert(dir, (cached.stamp, Contents { files, links, others, groups: cached.groups }));
    }
    Some(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some directory's: each has its own.
    fn stamp(path: &str) -> Stamp {
        Stamp::of(std::path::Path::new(path)).expect("it is there")
    }

    fn dirs() -> BTreeMap<String, (Stamp, Contents)> {
        let parse = |name: &str| name.parse().expect("a name");
        let root = Contents { files: vec![], links: vec![], others: vec![], groups: vec!["2018".into()] };
        let year = Contents {
            files: vec![parse("20181029_131513_NF.mp4"), parse("20181029_131513_NFS.mp4")],
            links: vec![parse("20181029_131513_NR.mp4")],
            others: vec![".20181029_131513_ER.mp4.part".parse().expect("an entry")],
            groups: vec![],
        };
        [(String::new(), (stamp("/"), root)), ("2018".into(), (stamp("/proc"), year))].into()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(decode(&encode(&dirs())), Some(dirs()));
    }

    #[test]
    fn a_torn_or_changed_file_is_none() {
        let bytes = encode(&dirs());
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut zeros = bytes.clone();
        let tail = zeros.len() - 4;
        zeros[tail..].fill(0);
        assert_eq!(decode(&zeros), None);
    }
}
