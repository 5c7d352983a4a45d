//! The encoding of a folder's files in the state file.

use chrono::DateTime;

use super::Inventory;
use crate::dir_cache::Contents;
use crate::hikvision::camera_time::CameraTime;
use crate::hikvision::name::{Copy, Entry, OutputName};
use crate::hikvision::plan;
use crate::hikvision::segment::Medium;

/// The second and the modification time, each an i64 of microseconds since 1970, which of that second, a u32, all
/// little-endian; and [`PICTURE`] and [`DAMAGED`].
const RECORD: usize = 21;
const PICTURE: u8 = 1;
const DAMAGED: u8 = 2;
/// In place of a modification time where there is none.
const NONE: i64 = i64::MIN;

impl Contents for Inventory {
    type Rest = ();

    fn encode(&self, records: &mut Vec<u8>) {
        let micros = |time: CameraTime| time.digits().and_utc().timestamp_micros();
        records.reserve(self.files.len() * RECORD);
        for file in &self.files {
            let name = file.entry.name();
            records.extend(micros(name.second).to_le_bytes());
            records.extend(file.modified.map_or(NONE, micros).to_le_bytes());
            records.extend(name.copy.number().to_le_bytes());
            let picture = if name.medium == Medium::Picture { PICTURE } else { 0 };
            records.push(picture | if file.is_damaged() { DAMAGED } else { 0 });
        }
    }

    fn decode(records: &[u8], (): ()) -> Option<Self> {
        let (records, []) = records.as_chunks() else { return None };
        Some(Self { files: records.iter().map(file).collect::<Option<_>>()?, partials: Vec::new() })
    }

    /// This pass removes the partial files of one that was killed.
    fn is_lasting(&self) -> bool {
        self.partials.is_empty()
    }
}

fn file(record: &[u8; RECORD]) -> Option<plan::ExtractedFile> {
    let time =
        |micros: i64| DateTime::from_timestamp_micros(micros).map(|time| CameraTime::from_digits(time.naive_utc()));
    let (second, rest) = record.split_first_chunk()?;
    let (modified, rest) = rest.split_first_chunk()?;
    let (copy, rest) = rest.split_first_chunk()?;
    let second = time(i64::from_le_bytes(*second))?;
    let copy = Copy::from_number(u32::from_le_bytes(*copy))?;
    let [flags] = *rest else { return None };
    let medium = if flags & PICTURE == 0 { Medium::Video } else { Medium::Picture };
    let name = OutputName { medium, second, copy };
    let modified = Some(i64::from_le_bytes(*modified)).filter(|micros| *micros != NONE).and_then(time);
    let entry = if flags & DAMAGED == 0 { Entry::Whole(name) } else { Entry::Damaged(name) };
    Some(plan::ExtractedFile { entry, modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_records_are_read_back() {
        let name = |medium, copy| OutputName { medium, second: "2025-09-07T14:30:15".parse().unwrap(), copy };
        let modified = Some("2025-09-07T14:30:15.787001".parse().unwrap());
        let files = vec![
            plan::ExtractedFile { entry: Entry::Whole(name(Medium::Video, Copy::FIRST)), modified },
            plan::ExtractedFile { entry: Entry::Damaged(name(Medium::Video, Copy::FIRST.next())), modified },
            plan::ExtractedFile { entry: Entry::Whole(name(Medium::Picture, Copy::FIRST)), modified: None },
        ];
        let mut records = Vec::new();
        Inventory { files: files.clone(), partials: Vec::new() }.encode(&mut records);
        assert_eq!(Inventory::decode(&records, ()).unwrap().files, files);
        assert!(Inventory::decode(&records[1..], ()).is_none());
    }
}
