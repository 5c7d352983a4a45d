//! What the destination holds, in all five groupings at once: a change of `--grouping` fetches nothing again.

mod contents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::time::SystemTime;

use chrono::NaiveDateTime;

use self::contents::Contents;
use super::name::{Entry, FileName, Format, Moment};
use crate::error::{Error, Result};
use crate::remembered::Remembered;
use crate::store::{Store, read_state};

/// A marker holds a time.
const MAX_MARKER_BYTES: u64 = 1 << 10;

/// An index into [`Held::dirs`].
pub type Dir = u16;

/// A whole file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldFile {
    /// Its name.
    pub name: FileName,
    /// Where.
    pub dir: Dir,
    /// Its length; 0 unless the pass needed to know.
    pub bytes: u64,
}

/// Everything in a destination that is a dashcam's or about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The directories that were read, `""` first.
    pub dirs: Vec<String>,
    /// Whole files, sorted by name. A name may stand in two directories.
    pub files: Vec<HeldFile>,
    /// What is neither: partial files, markers, in no order.
    pub others: Vec<(Entry, Dir)>,
    /// The length of partial and damaged files together; 0 unless the pass needed to know.
    pub other_bytes: u64,
    /// Files that somebody moved away and left a link to: here, and not ours to remove.
    pub links: BTreeSet<FileName>,
    /// When files failed, by name; `None` where the marker cannot be read.
    pub failed: BTreeMap<FileName, Option<NaiveDateTime>>,
    /// Directories named like groups that we may not look into.
    pub unreadable: Vec<String>,
    /// Moments that are protected for good.
    pub protected: BTreeSet<Moment>,
}

/// How to read a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Trust nothing that was remembered.
    pub afresh: bool,
    /// Remember what was read, for the next pass.
    pub remember: bool,
    /// Also the length of every file.
    pub with_lengths: bool,
}

impl Held {
    /// Reads the destination. A directory that has not changed since the last pass is not listed again, unless
    /// afresh. Lengths cost a look at every file.
    pub fn read(store: &Store, now: SystemTime, how: Reading) -> Result<Self> {
        let mut held = Self::default();
        let load = if how.afresh { Remembered::afresh } else { Remembered::load };
        let mut remembered = load(store, "dashcam.held", now);
        let mut contents = |dir: &str| remembered.contents(store, dir, || Contents::read(store, dir));
        let root = contents("")?;
        let groups = root.groups.clone();
        held.take("", root);
        for group in groups.into_iter().take(usize::from(Dir::MAX)) {
            match contents(&group) {
                Ok(contents) => held.take(&group, contents),
                // Remembered, and by now a link or a file.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => {}
                // Somebody's own directory that is named like a group. Whatever else fails is the disk's fault, and then
                // what is in it must not be fetched again.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                    held.unreadable.push(group);
                }
                Err(error) => return Err(error),
            }
        }
        if how.remember {
            remembered.save();
        }
        held.files.sort_unstable();
        if how.with_lengths {
            held.read_lengths(store);
        }
        held.read_markers(store);
        Ok(held)
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
    pub fn find(&self, name: FileName) -> Option<&HeldFile> {
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
        self.files.extend(contents.files.into_iter().map(|name| HeldFile { name, dir: index, bytes: 0 }));
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
            // A file that another pass removed in between takes no room.
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
