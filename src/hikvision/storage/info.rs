//! `info.bin`, beside the datadirs.
//!
//! | off | field |
//! | --- | --- |
//! | 0 | 48 B serial number, ASCII, filled with zeros |
//! | 48 | 6 B MAC address |
//! | 56 | u32 block size |
//! | 60 | u32 number of blocks |
//! | 64 | u32 number of datadirs |

/// The most missing datadirs to name; a damaged number can be anything.
const NAMED: usize = 8;

/// The contents of `info.bin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The camera's serial number, unchecked.
    pub serial: String,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// How many datadirs there should be.
    pub datadirs: u32,
}

impl Info {
    /// Reads the file's bytes; `None` if they are too few.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (serial, rest) = bytes.split_first_chunk::<48>()?;
        let mac = rest.first_chunk()?;
        let datadirs = rest.get(16..)?.first_chunk()?;
        let serial = serial.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(Self {
            serial: String::from_utf8_lossy(serial).into_owned(),
            mac: *mac,
            datadirs: u32::from_le_bytes(*datadirs),
        })
    }
}

/// Which datadirs are missing, in words: those up to the number in `info.bin`, and gaps between those that exist.
pub(super) fn missing_datadirs(info: Option<&Info>, there: impl Iterator<Item = u32>) -> Option<String> {
    let there: Vec<u32> = there.collect();
    let declared = info.map_or(0, |info| info.datadirs);
    let end = there.last().map_or(0, |last| last.saturating_add(1)).max(declared);
    let present = |number: &u32| there.binary_search(number).is_ok();
    let named: Vec<String> =
        (0..end).filter(|number| !present(number)).take(NAMED).map(|number| format!("datadir{number}")).collect();
    if named.is_empty() {
        return None;
    }
    let missing = u64::from(end) - there.len() as u64;
    let more = if missing > named.len() as u64 {
        format!(" and {} more", missing - named.len() as u64)
    } else {
        String::new()
    };
    let said = if declared as usize == there.len() || info.is_none() {
        String::new()
    } else {
        format!("; info.bin counts {declared}, {} are there", there.len())
    };
    Some(format!("{}{more}{said}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(datadirs: u32) -> Info {
        Info { serial: "DS".into(), mac: [0; 6], datadirs }
    }

    #[test]
    fn info_bin_fields_are_read() {
        let mut bytes = vec![0; 68];
        bytes[..6].copy_from_slice(b"DS-2CD");
        bytes[48..54].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        bytes[64] = 3;
        let info = Info::parse(&bytes).unwrap();
        assert_eq!((info.serial.as_str(), info.mac, info.datadirs), ("DS-2CD", [1, 2, 3, 4, 5, 6], 3));
        assert_eq!(Info::parse(&bytes[..67]), None);
    }

    #[test]
    fn info_bin_errors_name_the_missing_part() {
        let missing = |info: Option<Info>, there: &[u32]| missing_datadirs(info.as_ref(), there.iter().copied());
        assert_eq!(missing(Some(info(3)), &[0, 1, 2]), None);
        assert_eq!(missing(Some(info(1)), &[0, 1, 2]), None, "the folders are counted when info.bin is wrong");
        assert_eq!(missing(None, &[0, 1]), None);
        assert_eq!(missing(None, &[0, 2]), Some("datadir1".into()));
        assert_eq!(missing(Some(info(3)), &[0, 2]), Some("datadir1; info.bin counts 3, 2 are there".into()));
        assert_eq!(
            missing(Some(info(u32::MAX)), &[0]).unwrap(),
            "datadir1, datadir2, datadir3, datadir4, datadir5, datadir6, datadir7, datadir8 and 4294967286 more; \
             info.bin counts 4294967295, 1 are there"
        );
    }

    proptest! {
        #[test]
        fn any_info_bin_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Info::parse(&bytes).is_some(), bytes.len() >= 68);
        }
    }
}
