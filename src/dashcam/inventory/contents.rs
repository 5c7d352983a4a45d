//! The files of a dashcam in one directory of a destination.

use std::fs::FileType;

use crate::dashcam::name::{Entry, FileName, Grouping};
use crate::dir_cache;
use crate::error::Result;
use crate::store::Store;

/// One directory, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Complete files, sorted.
    pub(super) files: Vec<FileName>,
    /// Links under the name of a file, which a user has moved elsewhere.
    pub(super) links: Vec<FileName>,
    /// Partial files and markers.
    pub(super) others: Vec<Entry>,
    /// Directories that may be groups, sorted.
    pub(super) groups: Vec<String>,
}

impl Contents {
    /// Reads the names in a directory; no file is looked at.
    pub(super) fn read(store: &Store, dir: &str) -> Result<Self> {
        let mut contents = Self::default();
        store.for_each_entry(dir, |name, file_type| contents.take(name, file_type))?;
        contents.files.sort_unstable();
        contents.groups.sort_unstable();
        Ok(contents)
    }

    fn take(&mut self, name: &str, file_type: FileType) {
        if file_type.is_dir() {
            if Grouping::is_dir_name(name) {
                self.groups.push(name.to_owned());
            }
            return;
        }
        match name.parse::<Entry>() {
            Ok(Entry::Final(name)) if file_type.is_file() => self.files.push(name),
            Ok(Entry::Final(name)) if file_type.is_symlink() => self.links.push(name),
            Ok(Entry::Final(_)) | Err(_) => {}
            Ok(other) if file_type.is_file() => self.others.push(other),
            Ok(_) => {}
        }
    }
}

impl dir_cache::Contents for Contents {
    /// The names of groups, links and other entries.
    type Rest = (Vec<String>, Vec<String>, Vec<String>);

    /// 8 bytes, little-endian, for each whole file.
    fn encode(&self, records: &mut Vec<u8>) -> Self::Rest {
        records.extend(self.files.iter().flat_map(|name| name.to_bytes()));
        let links = self.links.iter().map(ToString::to_string).collect();
        let others = self.others.iter().map(ToString::to_string).collect();
        (self.groups.clone(), links, others)
    }

    fn decode(records: &[u8], (groups, links, others): Self::Rest) -> Option<Self> {
        let (files, []) = records.as_chunks() else { return None };
        let files = files.iter().map(|bytes| FileName::from_bytes(*bytes)).collect();
        let links = links.iter().map(|name| name.parse()).collect::<Result<_, _>>().ok()?;
        let others = others.iter().map(|name| name.parse()).collect::<Result<_, _>>().ok()?;
        // Every user who may write to the destination can have changed the file: a name must not lead out of it.
        if !groups.iter().all(|name| Grouping::is_dir_name(name)) {
            return None;
        }
        Some(Self { files, links, others, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dir_cache::Contents as _;

    #[test]
    fn inventory_contents_are_read_back() {
        let parse = |name: &str| name.parse().expect("a name");
        let contents = Contents {
            files: vec![parse("20181029_131513_NF.mp4"), parse("20181029_131513_NFS.mp4")],
            links: vec![parse("20181029_131513_NR.mp4")],
            others: vec![".20181029_131513_ER.mp4.part".parse().expect("an entry")],
            groups: vec!["2018".into()],
        };
        let mut records = Vec::new();
        let rest = contents.encode(&mut records);
        assert_eq!(Contents::decode(&records, rest.clone()), Some(contents));
        assert_eq!(Contents::decode(&records[1..], rest), None);
    }
}
