//! What the destination holds, in all five groupings at once: a change of `--grouping` fetches nothing again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileType};

use chrono::NaiveDateTime;

use super::name::{Entry, FileName, Grouping, Moment};
use crate::error::Result;
use crate::store::Store;

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
    /// When files failed, by name; `None` where the marker cannot be read.
    pub failed: BTreeMap<FileName, Option<NaiveDateTime>>,
    /// Moments that are protected for good.
    pub protected: BTreeSet<Moment>,
}

impl Held {
    /// Reads the destination. Lengths cost a look at every file: only `with_lengths`.
    pub fn read(store: &Store, with_lengths: bool) -> Result<Self> {
        let mut held = Self { dirs: vec![String::new()], ..Self::default() };
        let mut groups = Vec::new();
        store.for_each_entry("", |name, file_type| {
            if file_type.is_dir() && Grouping::is_dir_name(name) {
                groups.push(name.to_owned());
            }
            held.take(name, file_type, 0);
        })?;
        groups.sort_unstable();
        for group in groups {
            let Ok(dir) = Dir::try_from(held.dirs.len()) else { break };
            store.for_each_entry(&group, |name, file_type| held.take(name, file_type, dir))?;
            held.dirs.push(group);
        }
        held.files.sort_unstable();
        if with_lengths {
            held.read_lengths(store);
        }
        held.read_markers(store);
        Ok(held)
    }

    /// Whether this file is here.
    #[must_use]
    pub fn has(&self, name: FileName) -> bool {
        self.find(name).is_some()
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

    /// The name of a directory.
    #[must_use]
    pub fn dir(&self, dir: Dir) -> &str {
        self.dirs.get(usize::from(dir)).map_or("", String::as_str)
    }

    /// How many `.failed` markers there are.
    #[must_use]
    pub fn failed_markers(&self) -> usize {
        self.others.iter().filter(|(entry, _)| matches!(entry, Entry::Failed(_))).count()
    }

    fn take(&mut self, name: &str, file_type: FileType, dir: Dir) {
        match name.parse::<Entry>() {
            // Somebody moved the recording and left a link: it is here, and not ours to remove.
            Ok(Entry::Final(name)) if file_type.is_file() || file_type.is_symlink() => {
                self.files.push(HeldFile { name, dir, bytes: 0 });
            }
            Ok(Entry::Final(_)) | Err(_) => {}
            Ok(_) if !file_type.is_file() => {}
            Ok(Entry::Protected(moment)) => drop(self.protected.insert(moment)),
            Ok(entry) => self.others.push((entry, dir)),
        }
    }

    fn read_lengths(&mut self, store: &Store) {
        for file in &mut self.files {
            let path = store.root().join(&self.dirs[usize::from(file.dir)]).join(file.name.to_string());
            // A file that another pass removed in between takes no room.
            file.bytes = fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        }
    }

    fn read_markers(&mut self, store: &Store) {
        for (entry, dir) in &self.others {
            if let Entry::Failed(name) = entry
                && !self.has(*name)
            {
                let path = store.root().join(self.dir(*dir)).join(entry.to_string());
                let time = fs::read_to_string(path).ok().and_then(|text| parse_marker(&text));
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
    fn markers_are_the_peers() {
        let at = parse_marker("2018-10-29T13:15:13.123456").expect("as Python writes it");
        assert_eq!(marker(at), "2018-10-29T13:15:13.123456");
        assert_eq!(parse_marker("2018-10-29T13:15:13\n").map(marker).as_deref(), Some("2018-10-29T13:15:13.000000"));
        assert_eq!(parse_marker("yesterday"), None);
    }
}
