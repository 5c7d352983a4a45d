//! How the files in a folder are remembered from one pass to the next.

use chrono::DateTime;

use super::Held;
use crate::hikvision::camera_time::CameraTime;
use crate::hikvision::name::{Copy, OutputName};
use crate::hikvision::plan;
use crate::hikvision::segment::Medium;
use crate::remembered::Contents;

/// The second and the modification time, each an i64 of microseconds since 1970, which of that second, a u32, and the
/// medium; all little-endian.
const RECORD: usize = 21;
/// In place of a modification time where there is none.
const NONE: i64 = i64::MIN;

impl Contents for Held {
    type Rest = ();

    fn encode(&self, records: &mut Vec<u8>) {
        let micros = |time: CameraTime| time.digits().and_utc().timestamp_micros();
        records.reserve(self.files.len() * RECORD);
        for file in &self.files {
            records.extend(micros(file.name.second).to_le_bytes());
            records.extend(file.modified.map_or(NONE, micros).to_le_bytes());
            records.extend(file.name.copy.number().to_le_bytes());
            records.push(u8::from(file.name.medium == Medium::Picture));
        }
    }

    fn decode(records: &[u8], (): ()) -> Option<Self> {
        let (records, []) = records.as_chunks() else { return None };
        Some(Self { files: records.iter().map(file).collect::<Option<_>>()?, partials: Vec::new() })
    }

    /// What a pass that was killed has left is removed.
    fn is_lasting(&self) -> bool {
        self.partials.is_empty()
    }
}

fn file(record: &[u8; RECORD]) -> Option<plan::Held> {
    let time =
        |micros: i64| DateTime::from_timestamp_micros(micros).map(|time| CameraTime::from_digits(time.naive_utc()));
    let (second, rest) = record.split_first_chunk()?;
    let (modified, rest) = rest.split_first_chunk()?;
    let (copy, rest) = rest.split_first_chunk()?;
    let second = time(i64::from_le_bytes(*second))?;
    let copy = Copy::from_number(u32::from_le_bytes(*copy))?;
    let medium = if rest == [0] { Medium::Video } else { Medium::Picture };
    let modified = Some(i64::from_le_bytes(*modified)).filter(|micros| *micros != NONE).and_then(time);
    Some(plan::Held { name: OutputName { medium, second, copy }, modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_read() {
        let file = |medium, copy, modified: Option<&str>| plan::Held {
            name: OutputName { medium, second: "2025-09-07T14:30:15".parse().unwrap(), copy },
            modified: modified.map(|time| time.parse().unwrap()),
        };
        let files = vec![
            file(Medium::Video, Copy::FIRST, Some("2025-09-07T14:30:15.787001")),
            file(Medium::Picture, Copy::FIRST.next(), None),
        ];
        let mut records = Vec::new();
        Held { files: files.clone(), partials: Vec::new() }.encode(&mut records);
        assert_eq!(Held::decode(&records, ()).unwrap().files, files);
        assert!(Held::decode(&records[1..], ()).is_none());
    }
}
