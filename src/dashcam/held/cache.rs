//! The names in each directory of the destination, remembered from one pass to the next.
//!
//! To list 20,000 names costs a file system more than everything else in a pass that has nothing to do, and wakes the
//! disks of a NAS. Every Unix file system changes a directory's times when a name in it comes, goes or changes; so
//! a directory whose device, inode, mtime and ctime are what they were holds the names it held. Three things
//! could make that untrue, and none is taken a chance on:
//!
//! - times are coarse: a change just after the listing may carry the same time. A directory is remembered only when its
//!   times were [`SETTLED`] before the listing.
//! - FAT keeps no times for its root, network shares are changed by others and answer from caches. Only local file
//!   systems of [`TRUSTED`] are remembered.
//! - the file may be torn after a power loss: it carries a checksum of the names, and the version of the program that
//!   wrote it; what is before them is JSON, which is whole or none.
//!
//! The file is a line of JSON and behind it 8 bytes, little-endian, for each name. Deleting it only costs the time to
//! list. `--verify` does not use it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::contents::Contents;
use crate::dashcam::name::FileName;
use crate::store::{Store, write_atomically};

/// Longer than the coarsest time stamps, those of ext3.
const SETTLED: Duration = Duration::from_secs(2);

/// The `f_type` of ext2/3/4, XFS, Btrfs, F2FS, ZFS and tmpfs: `statfs(2)`.
const TRUSTED: [u64; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1, 0x0102_1994];

/// What tells one state of a directory from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    fn of(store: &Store, dir: &str) -> Option<Self> {
        let metadata = fs::symlink_metadata(store.root().join(dir)).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether nothing can change any more without changing this. Pure.
    fn is_settled(&self, now: SystemTime) -> bool {
        let Some(limit) = now.checked_sub(SETTLED).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) else {
            return false;
        };
        let limit = i64::try_from(limit.as_secs()).unwrap_or(0);
        self.mtime.0 > 0 && self.mtime.0 < limit && self.ctime.0 < limit
    }
}

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
    is_trusted: bool,
    /// That of the destination.
    device: u64,
}

impl Cache {
    pub(super) fn load(store: &Store, now: SystemTime, afresh: bool) -> Self {
        let path = store.state_path("dashcam.names");
        let file_system = rustix::fs::statfs(store.root()).map(|stats| stats.f_type.cast_unsigned());
        let is_trusted = file_system.is_ok_and(|kind| TRUSTED.contains(&kind));
        let bytes = if is_trusted && !afresh { fs::read(&path).ok() } else { None };
        let known = bytes.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        let device = fs::metadata(store.root()).map(|metadata| metadata.dev()).unwrap_or_default();
        Self { path, known, fresh: BTreeMap::new(), is_changed: false, now, is_trusted, device }
    }

    /// What a directory holds: as remembered where it has not changed, else read.
    pub(super) fn contents(&mut self, store: &Store, dir: &str) -> crate::error::Result<Contents> {
        let stamp = if self.is_trusted { Stamp::of(store, dir) } else { None };
        // A group on a file system of its own is not the one that was looked at.
        let Some(stamp) = stamp.filter(|stamp| stamp.device == self.device) else { return Contents::read(store, dir) };
        if let Some((known, contents)) = self.known.remove(dir)
            && known == stamp
        {
            self.fresh.insert(dir.to_owned(), (stamp, contents.clone()));
            return Ok(contents);
        }
        self.is_changed = true;
        let contents = Contents::read(store, dir)?;
        if stamp.is_settled(self.now) && Stamp::of(store, dir) == Some(stamp) {
            self.fresh.insert(dir.to_owned(), (stamp, contents.clone()));
        }
        Ok(contents)
    }

    /// Remembers for the next pass. Failing in it costs the next pass its time, nothing else.
    pub(super) fn save(self) {
        if (self.is_changed || !self.known.is_empty())
            && self.is_trusted
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

fn checksum(bytes: &[u8]) -> u64 {
    // Not stable between versions of Rust, and so of this program: then the directories are listed again.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seconds: i64) -> Stamp {
        Stamp { device: 1, inode: 2, mtime: (seconds, 5), ctime: (seconds, 5) }
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
        [(String::new(), (stamp(10), root)), ("2018".into(), (stamp(20), year))].into()
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

    #[test]
    fn only_settled_times_are_trusted() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert!(stamp(900).is_settled(now));
        for seconds in [998, 999, 1000, 2000, 0, -1] {
            assert!(!stamp(seconds).is_settled(now), "{seconds}");
        }
        assert!(!Stamp { ctime: (999, 0), ..stamp(900) }.is_settled(now));
    }
}
