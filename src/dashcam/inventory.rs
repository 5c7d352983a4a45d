//! The inventory of the destination, in all five groupings at once: a change of `--grouping` fetches nothing again.

mod contents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::time::SystemTime;

use chrono::NaiveDateTime;

use self::contents::Contents;
use super::name::{Entry, FileName, Format, Moment};
use crate::dir_cache::DirCache;
use crate::error::{Error, Result};
use crate::store::{Store, read_state};

/// A marker holds a time.
const MAX_MARKER_BYTES: u64 = 1 << 10;

/// An index into [`Inventory::dirs`].
pub type Dir = u16;

/// A complete file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryFile {
    /// Its name.
    pub name: FileName,
    /// Its directory.
    pub dir: Dir,
    /// Its length; 0 unless the pass needed to know.
    pub bytes: u64,
}

/// The files of a dashcam in a destination, and their markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The directories that were read, `""` first.
    pub dirs: Vec<String>,
    /// Complete files, sorted by name. Two directories may have the same name.
    pub files: Vec<InventoryFile>,
    /// Partial and damaged files and markers, in no order.
    pub others: Vec<(Entry, Dir)>,
    /// The length of partial and damaged files together; 0 unless the pass needed to know.
    pub other_bytes: u64,
    /// Links under the name of a file, which a user has moved elsewhere: present, and never removed.
    pub links: BTreeSet<FileName>,
    /// When files failed, by name; `None` where the marker cannot be read.
    pub failed: BTreeMap<FileName, Option<NaiveDateTime>>,
    /// Directories named like groups that cannot be read: permission denied.
    pub unreadable: Vec<String>,
    /// Recording times with a marker of `--protect`.
    pub protected: BTreeSet<Moment>,
}

/// How to read a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Ignore the cache of earlier passes.
    pub afresh: bool,
    /// Save the cache for the next pass.
    pub remember: bool,
    /// Also the length of every file.
    pub with_lengths: bool,
}

impl Inventory {
    /// Reads the destination. A directory that has not changed since the last pass is not listed again, unless
    /// afresh. Lengths cost a `stat` of every file.
    pub fn read(store: &Store, now: SystemTime, how: Reading) -> Result<Self> {
        let mut inventory = Self::default();
        let load = if how.afresh { DirCache::afresh } else { DirCache::load };
        let mut cache = load(store, "dashcam.held", now);
        let mut contents = |dir: &str| cache.contents(store, dir, || Contents::read(store, dir));
        let root = contents("")?;
        let groups = root.groups.clone();
        inventory.take("", root);
        for group in groups.into_iter().take(usize::from(Dir::MAX)) {
            match contents(&group) {
                Ok(contents) => inventory.take(&group, contents),
                // In the cache, and replaced by a link or a file since.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => {}
                // Probably a user's own directory that is named like a group. Any other error is the disk's: it ends the
                // pass, which would else fetch everything in that directory again.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                    inventory.unreadable.push(group);
                }
                Err(error) => return Err(error),
            }
        }
        if how.remember {
            cache.save();
        }
        inventory.files.sort_unstable();
        if how.with_lengths {
            inventory.read_lengths(store);
        }
        inventory.read_markers(store);
        Ok(inventory)
    }

    /// Whether this file is here.
    #[must_use]
    pub fn has(&self, name: FileName) -> bool {
        self.find(name).is_some() || self.links.contains(&name)
    }

    /// Where files of this recording are already.
    #[must_use]
    pub fn dir_of_recording(&self, video: FileName) -> Option<Dir> {
        Format::ALL.into_iter().find_map(|format| self.find(video.sibling(format))).map(|file| file.dir)
    }

    /// The file of this name.
    #[must_use]
    pub fn find(&self, name: FileName) -> Option<&InventoryFile> {
        let at = self.files.partition_point(|file| file.name < name);
        self.files.get(at).filter(|file| file.name == name)
    }

    /// The partial file of this name.
    #[must_use]
    pub fn partial(&self, name: FileName) -> Option<Dir> {
        self.others.iter().find(|(entry, _)| *entry == Entry::Partial(name)).map(|(_, dir)| *dir)
    }

    /// The bytes of all that is here; 0 unless the pass needed to know.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum::<u64>() + self.other_bytes
    }

    /// The name of a directory.
    #[must_use]
    pub fn dir(&self, dir: Dir) -> &str {
        self.dirs.get(usize::from(dir)).map_or("", String::as_str)
    }

    /// How many `.failed` markers there are.
    #[must_use]
    pub fn failed_marker_files(&self) -> usize {
        self.others.iter().filter(|(entry, _)| matches!(entry, Entry::Failed(_))).count()
    }

    fn take(&mut self, dir: &str, contents: Contents) {
        let index = Dir::try_from(self.dirs.len()).unwrap_or(Dir::MAX);
        self.dirs.push(dir.to_owned());
        self.files.extend(contents.files.into_iter().map(|name| InventoryFile { name, dir: index, bytes: 0 }));
        self.links.extend(contents.links);
        for entry in contents.others {
            match entry {
                Entry::Protected(moment) => drop(self.protected.insert(moment)),
                _ => self.others.push((entry, index)),
            }
        }
    }

    fn read_lengths(&mut self, store: &Store) {
        for file in &mut self.files {
            let path = store.root().join(&self.dirs[usize::from(file.dir)]).join(file.name.to_string());
            // A file that another pass has just removed takes no space.
            file.bytes = fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        }
        for (entry, dir) in &self.others {
            let path = store.root().join(&self.dirs[usize::from(*dir)]).join(entry.to_string());
            self.other_bytes += fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        }
    }

    fn read_markers(&mut self, store: &Store) {
        for (entry, dir) in &self.others {
            if let Entry::Failed(name) = entry
                && !self.has(*name)
            {
                let path = store.root().join(self.dir(*dir)).join(entry.to_string());
                let text = read_state(&path, MAX_MARKER_BYTES).and_then(|bytes| String::from_utf8(bytes).ok());
                let time = text.and_then(|text| parse_marker(&text));
                self.failed.insert(*name, time);
            }
        }
    }
}

/// The content of a `.failed` marker: a local ISO time, as blackvuesync writes it.
#[must_use]
pub fn marker(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn parse_marker(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    text.parse().ok().or_else(|| chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.naive_local()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_markers_are_those_of_blackvuesync() {
        let at = parse_marker("2018-10-29T13:15:13.123456").expect("as Python writes it");
        assert_eq!(marker(at), "2018-10-29T13:15:13.123456");
        assert_eq!(parse_marker("2018-10-29T13:15:13\n").map(marker).as_deref(), Some("2018-10-29T13:15:13.000000"));
        assert_eq!(parse_marker("yesterday"), None);
    }
}
