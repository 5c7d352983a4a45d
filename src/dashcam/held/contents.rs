//! What one directory of a destination holds of ours.

use std::fs::FileType;

use crate::dashcam::name::{Entry, FileName, Grouping};
use crate::error::Result;
use crate::store::Store;

/// One directory, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whole files, sorted.
    pub(super) files: Vec<FileName>,
    /// Links under the name of a file: somebody moved it and left this.
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
