//! What each folder of the destination held, remembered from one pass to the next. A folder whose [`Stamp`] is what it
//! was is not listed, and its files are not asked for their times, again.
//!
//! The file is a line of JSON and behind it [`RECORD`] bytes for each file. Deleting it only costs the time to read the
//! folders; it may be torn after a power loss, so it carries a checksum and the version of the program that wrote it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::hikvision::camera_time::CameraTime;
use crate::hikvision::name::{Copy, OutputName};
use crate::hikvision::plan::Held;
use crate::hikvision::segment::Medium;
use crate::stamp::{Stamp, Trust, checksum};
use crate::store::{Store, write_atomically};

/// The second and the modification time, each an i64 of microseconds since 1970, and which of that second, a u32; all
/// little-endian.
const RECORD: usize = 20;
/// In place of a modification time where there is none.
const NONE: i64 = i64::MIN;

/// Files, and hidden files of passes that were killed.
type Contents = (Vec<Held>, Vec<PathBuf>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Header {
    version: String,
    checksum: u64,
    /// By folder: what it was like, and how many of the records are its files.
    folders: BTreeMap<String, (Stamp, usize)>,
}

/// The remembered folders.
#[derive(Debug, Default)]
pub struct Remembered {
    path: PathBuf,
    known: BTreeMap<String, (Stamp, Vec<u8>)>,
    /// What is worth remembering from this pass.
    fresh: BTreeMap<String, (Stamp, Vec<u8>)>,
    is_changed: bool,
    trust: Trust,
}

impl Remembered {
    /// Reads what the last pass left; what cannot be read is as good as nothing.
    #[must_use]
    pub fn load(store: &Store) -> Self {
        let path = store.state_path("hikvision.held");
        let trust = Trust::below(store.root());
        let bytes = if trust.is_any() { fs::read(&path).ok() } else { None };
        let known = bytes.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Self { path, known, trust, ..Self::default() }
    }

    /// What a folder holds: as remembered where it has not changed, else as `read` says.
    pub(super) fn folder(
        &mut self,
        store: &Store,
        folder: &Path,
        medium: Medium,
        now: SystemTime,
        read: impl FnOnce() -> Result<Contents>,
    ) -> Result<Contents> {
        let path = store.root().join(folder);
        let Some(stamp) = self.trust.stamp(&path) else { return read() };
        let folder = folder.display().to_string();
        if let Some((known, records)) = self.known.remove(&folder)
            && known == stamp
            && let Some(files) = from_records(&records, medium)
        {
            self.fresh.insert(folder, (stamp, records));
            return Ok((files, Vec::new()));
        }
        self.is_changed = true;
        let contents = read()?;
        // What a killed pass left is removed now, so the folder is about to change.
        if contents.1.is_empty() && stamp.is_settled(now) && self.trust.stamp(&path) == Some(stamp) {
            self.fresh.insert(folder, (stamp, to_records(&contents.0)));
        }
        Ok(contents)
    }

    /// Remembers for the next pass. Failing in it costs that pass its time, nothing else.
    pub fn save(self) {
        if (self.is_changed || !self.known.is_empty())
            && self.trust.is_any()
            && let Err(error) = write_atomically(&self.path, &encode(&self.fresh))
        {
            log::debug!("{}", error.with_causes());
        }
    }
}

fn to_records(files: &[Held]) -> Vec<u8> {
    let micros = |time: CameraTime| time.digits().and_utc().timestamp_micros();
    let mut bytes = Vec::with_capacity(files.len() * RECORD);
    for file in files {
        bytes.extend(micros(file.name.second).to_le_bytes());
        bytes.extend(file.modified.map_or(NONE, micros).to_le_bytes());
        bytes.extend(file.name.copy.number().to_le_bytes());
    }
    bytes
}

fn from_records(bytes: &[u8], medium: Medium) -> Option<Vec<Held>> {
    let time =
        |micros: i64| DateTime::from_timestamp_micros(micros).map(|time| CameraTime::from_digits(time.naive_utc()));
    let (records, _) = bytes.as_chunks::<RECORD>();
    let file = |record: &[u8; RECORD]| {
        let (second, rest) = record.split_first_chunk::<8>()?;
        let (modified, rest) = rest.split_first_chunk::<8>()?;
        let copy = Copy::from_number(u32::from_le_bytes(*rest.first_chunk::<4>()?))?;
        let second = time(i64::from_le_bytes(*second))?;
        let modified = Some(i64::from_le_bytes(*modified)).filter(|micros| *micros != NONE).and_then(time);
        Some(Held { name: OutputName { medium, second, copy }, modified })
    };
    records.iter().map(file).collect()
}

fn encode(folders: &BTreeMap<String, (Stamp, Vec<u8>)>) -> Vec<u8> {
    let records: Vec<u8> = folders.values().flat_map(|(_, records)| records).copied().collect();
    let header = Header {
        version: env!("CARGO_PKG_VERSION").into(),
        checksum: checksum(&records),
        folders: folders
            .iter()
            .map(|(folder, (stamp, records))| (folder.clone(), (*stamp, records.len() / RECORD)))
            .collect(),
    };
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(records);
    bytes
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<String, (Stamp, Vec<u8>)>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&bytes[..end]).ok()?;
    let mut records = &bytes[end + 1..];
    if header.version != env!("CARGO_PKG_VERSION") || header.checksum != checksum(records) {
        return None;
    }
    let mut folders = BTreeMap::new();
    for (folder, (stamp, files)) in header.folders {
        let (own, rest) = records.split_at_checked(files.checked_mul(RECORD)?)?;
        records = rest;
        folders.insert(folder, (stamp, own.to_vec()));
    }
    records.is_empty().then_some(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<Held> {
        let held = |second: &str, copy: Copy, modified: Option<&str>| Held {
            name: OutputName { medium: Medium::Video, second: second.parse().unwrap(), copy },
            modified: modified.map(|time| time.parse().unwrap()),
        };
        vec![
            held("2025-09-07T14:30:15", Copy::FIRST, Some("2025-09-07T14:30:15.787001")),
            held("2025-09-07T14:30:15", Copy::FIRST.next(), None),
        ]
    }

    fn folders() -> BTreeMap<String, (Stamp, Vec<u8>)> {
        let stamp = Stamp::of(Path::new("/")).unwrap();
        [("tuin/images".to_owned(), (stamp, Vec::new())), ("tuin/video".to_owned(), (stamp, to_records(&files())))]
            .into()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(decode(&encode(&folders())), Some(folders()));
        assert_eq!(from_records(&to_records(&files()), Medium::Video), Some(files()));
    }

    #[test]
    fn a_torn_or_changed_file_is_none() {
        let bytes = encode(&folders());
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut zeros = bytes.clone();
        let tail = zeros.len() - 4;
        zeros[tail..].fill(0);
        assert_eq!(decode(&zeros), None);
    }
}
