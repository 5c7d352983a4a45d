//! The journal of partial files: how many of their bytes survive a kill, a crash or a power loss.
//!
//! Within one boot of this machine every written byte can be read back, synced or not: the length of the partial file
//! is right. After a reboot only the synced bytes are certain, the rest may be zeros. So the journal keeps, for each
//! partial file, the announced length of the whole file, the synced length, and the boot. A record is written after the
//! sync, so it never claims more than is on disk. A lost or incomplete journal only costs bytes: partial files without a
//! record start over.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::name::FileName;
use crate::error::{At, Result};
use crate::mp4::{self, Structure};
use crate::store::open::open_regular;
use crate::store::{StateFile, Store, boot_id, publish, sync_with_dir};

/// What is known of one partial file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The announced length of the whole file.
    pub total: Option<u64>,
    /// The ETag or Last-Modified of the content, when the transfer began.
    pub validator: Option<String>,
    /// The bytes that survive a power loss.
    pub synced: u64,
    /// The boot in which it was written.
    pub boot: String,
    /// The length that the camera reported after the announced bytes had arrived, if it differs from the announced one.
    #[serde(default)]
    pub later_length: Option<u64>,
}

impl Record {
    /// How many of the `length` bytes on disk can be trusted in this boot. Pure.
    #[must_use]
    pub fn trusted(&self, length: u64, boot: &str) -> u64 {
        let same_boot = !boot.is_empty() && self.boot == boot;
        let certain = if same_boot { length } else { self.synced.min(length) };
        // More than the whole cannot be a part of it.
        if self.total.is_some_and(|total| certain > total) { 0 } else { certain }
    }
}

/// The journal of partial files.
#[derive(Debug)]
pub struct Partials {
    boot: String,
    records: StateFile<BTreeMap<String, Record>>,
}

impl Partials {
    /// Reads the journal; one that cannot be read is as good as none.
    #[must_use]
    pub fn load(store: &Store) -> Self {
        Self { boot: boot_id(), records: StateFile::load(store, "dashcam.partials") }
    }

    /// Forgets all but the partials that still exist.
    pub fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        if !self.records.get().keys().all(|name| exists(name)) {
            self.records.change().retain(|name, _| exists(name));
        }
    }

    /// What is known of a partial file.
    #[must_use]
    pub fn get(&self, name: FileName) -> Option<&Record> {
        self.records.get().get(&name.to_string())
    }

    /// How many of the `length` bytes on disk can be trusted.
    #[must_use]
    pub fn trusted(&self, name: FileName, length: u64) -> u64 {
        self.get(name).map_or(0, |record| record.trusted(length, &self.boot))
    }

    /// Publishes a partial file that holds all that was announced and closes as an MP4.
    pub fn publish_if_whole(&mut self, name: FileName, path: &Path) -> Result<bool> {
        let mut file = match open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file.at("open", path)?,
        };
        let length = file.metadata().at("read", path)?.len();
        let is_all = self.get(name).is_some_and(|record| record.total == Some(length));
        if !is_all || self.trusted(name, length) != length {
            return Ok(false);
        }
        if mp4::structure(&mut file, length).at("read", path)? != Structure::Whole {
            return Ok(false);
        }
        publish(&file, path, &path.with_file_name(name.to_string()))?;
        self.forget(name);
        Ok(true)
    }

    /// A partial file begins, or goes on after `synced` bytes that are certain.
    pub fn begin(&mut self, name: FileName, total: Option<u64>, validator: Option<String>, synced: u64) -> Result<()> {
        let later_length = self.get(name).and_then(|before| before.later_length);
        let record = Record { total, validator, synced, boot: self.boot.clone(), later_length };
        self.records.change().insert(name.to_string(), record);
        self.records.save()?;
        // After a power loss an older journal must not return and claim bytes that were discarded.
        if synced == 0 { sync_with_dir(self.records.path()) } else { Ok(()) }
    }

    /// Notes that the camera reports another length than it announced. Returns whether an earlier pass saw the same one.
    pub fn saw_length(&mut self, name: FileName, length: u64) -> Result<bool> {
        let Some(record) = self.records.change().get_mut(&name.to_string()) else { return Ok(false) };
        let is_known = record.later_length.replace(length) == Some(length);
        self.records.save()?;
        Ok(is_known)
    }

    /// The first `synced` bytes are on disk.
    pub fn synced(&mut self, name: FileName, synced: u64) -> Result<()> {
        if let Some(record) = self.records.change().get_mut(&name.to_string()) {
            record.synced = synced;
        }
        self.records.save()
    }

    /// Drops the record of a file that is published or discarded. Saved with the next change: a record without its file has
    /// no effect.
    pub fn forget(&mut self, name: FileName) {
        self.records.change().remove(&name.to_string());
    }

    /// After a pass: no journal where nothing is partial. To fail in this costs nothing.
    pub fn tidy(&mut self) {
        if self.records.get().is_empty() {
            let _ = self.records.remove();
        } else {
            self.records.save_or_log(log::Level::Debug);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(synced: u64) -> Record {
        Record { total: Some(1000), validator: None, synced, boot: "a".into(), later_length: None }
    }

    #[test]
    fn within_one_boot_the_length_of_a_partial_is_trusted() {
        assert_eq!(record(0).trusted(700, "a"), 700);
        assert_eq!(record(500).trusted(1000, "a"), 1000);
    }

    #[test]
    fn after_a_reboot_only_the_fsynced_part_of_a_partial_is_trusted() {
        assert_eq!(record(500).trusted(700, "b"), 500);
        assert_eq!(record(500).trusted(300, "b"), 300);
        assert_eq!(record(500).trusted(700, ""), 500);
        let nowhere = Record { boot: String::new(), ..record(500) };
        assert_eq!(nowhere.trusted(700, ""), 500);
    }

    #[test]
    fn a_partial_longer_than_the_recording_is_not_trusted() {
        assert_eq!(record(0).trusted(1001, "a"), 0);
    }
}
