//! The binary index: `index00.bin` for video, `index00p.bin` for pictures, and their mirrors.
//!
//! Everything is little-endian. Versions 2 and 3 have the same geometry:
//!
//! | part | length | how many |
//! | --- | --- | --- |
//! | header | 1280 B | 1 |
//! | file record | 32 B | one for each ring file |
//! | segment record | 80 B (pictures: 80 B or 96 B) | for each ring file 256 (pictures: 4096), in file order |
//!
//! The files are preallocated to the size of a ring file (16 MiB to 268 MB), so footage reads only the parts that can
//! matter: the tables, then each used file's records up to the last that can be live. `live` says which those are.
//!
//! **Header**
//!
//! | off | field |
//! | --- | --- |
//! | 0 | u64 modifyTimes: counts the writes to this index |
//! | 8 | u32 version |
//! | 12 | u32 avFiles: number of ring files |
//! | 16 | u32 next file to be written |
//! | 20 | u32 file being written |
//! | 24 | 49 slots of 24 B, one for each channel |
//! | 1276 | u32 checksum, by an unknown algorithm |
//!
//! **Slot**: the file that a channel is writing
//!
//! | off | field |
//! | --- | --- |
//! | 0 | u16 file, 0xFFFF for none |
//! | 2 | u16 record of the segment in progress |
//! | 4, 8 | u32 start of the file's first segment, u32 end of its last closed segment |
//! | 16 | u64 infoTypes |
//!
//! **File record**; while a file is being written, its record still describes the generation before
//!
//! | off | field |
//! | --- | --- |
//! | 0 | u32 file |
//! | 4 | u16 channel, 0xFFFF for unused |
//! | 6 | u16 last live record (some firmware: the number of live records) |
//! | 8, 12 | u32 start of the first, u32 end of the last live segment |
//! | 16 | u8 status |
//! | 18 | u16 number of locked segments |
//! | 24 | u64 infoTypes |
//!
//! **Segment record**
//!
//! | off | field |
//! | --- | --- |
//! | 0 | u8 type, 0 for never used |
//! | 1 | u8 status |
//! | 4 | u32 resolution code |
//! | 8, 16 | start and end: u32 seconds, u32 microseconds |
//! | 24 | first key frame, likewise |
//! | 32, 36 | u32 first and last frame on the stream's clock, 45 kHz |
//! | 40, 44 | u32 first byte, u32 byte after the last; 0 while in progress |
//! | 52 | u32 info count, or the letters `OFNI` |
//! | 56 | u64 infoTypes |
//! | 64, 68 | u32 start and end once more, seconds |
//! | 72, 76 | u32 start and end of the info table, which grows down from the file's end |
//! | 80 | 16 B camera id, in the 96-byte form only |

mod live;
mod tables;

use std::io;

use super::read_at::ReadAt;
use super::segment::{Ring, RingFile, Segment};
use tables::Tables;
pub use tables::{FileRecord, Header, Slot};

const HEADER_LEN: usize = 1280;
/// The part of a segment record that both forms have.
const RECORD_LEN: usize = 80;

/// Why an index cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The disk of an NVR, which keeps its recordings in another way.
    #[error("cannot read an NVR's HIKBTREE index: only the storage that cameras write themselves is supported")]
    HikBTree,
    /// Not even the header is there.
    #[error("the index has {size} bytes, its header alone {HEADER_LEN}")]
    Short {
        /// The index's length.
        size: u64,
    },
    /// Zeros, another file under this name, or an unknown newer version.
    #[error("cannot read an index of version {version}: 2 and 3 are known")]
    Version {
        /// The version field.
        version: u32,
    },
    /// The header's number of files is impossible, and the file records give no better one.
    #[error("the index names {declared} ring files, and in its {size} bytes there is no file record")]
    NoFiles {
        /// The header's number.
        declared: u32,
        /// The index's length.
        size: u64,
    },
    /// The storage failed.
    #[error("cannot read the index at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// Something that is wrong in an index that can be read otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexWarning {
    /// The number of files was counted, because the header's cannot be.
    #[error("the header names {declared} ring files, the file records {counted}")]
    FileCount {
        /// The header's number.
        declared: u32,
        /// The number that was used.
        counted: u32,
    },
    /// The index ends before its last record.
    #[error("the index is cut off: the records of {whole} of {files} ring files are whole")]
    CutOff {
        /// Files whose records are all there.
        whole: u32,
        /// Files that there should be.
        files: u32,
    },
    /// A slot names a file that the index does not have.
    #[error("channel {channel} claims to write ring file {file}, which does not exist")]
    SlotFile {
        /// The slot's number.
        channel: u16,
        /// The file it names.
        file: u16,
    },
    /// Neither a slot nor its own record determines which segments of a file are live.
    #[error(
        "ring file {file}: its record fits none of its segments; the first {taken}, which rise, are taken for live"
    )]
    Unclear {
        /// The ring file.
        file: u32,
        /// How many records were taken.
        taken: u32,
    },
    /// Invalid live records.
    #[error("ring file {file}: {records} invalid live records skipped")]
    Nonsense {
        /// The ring file.
        file: u32,
        /// How many records.
        records: u32,
    },
}

impl IndexWarning {
    /// Whether the index's mirror may be in better order.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::FileCount { .. } | Self::CutOff { .. })
    }
}

/// The contents of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The header's first words.
    pub header: Header,
    /// Closed live segments in ring order, from the file that is written next, which is the oldest.
    pub segments: Vec<Segment>,
    /// Number of segments that are being written, which a later pass extracts.
    pub in_progress: u32,
    /// What is wrong.
    pub warnings: Vec<IndexWarning>,
}

impl Listing {
    /// Whether the mirror may be in better order.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.warnings.iter().any(IndexWarning::is_damage)
    }
}

/// Reads the index of `ring`. `ring_file` returns the length of a ring file in bytes.
///
/// # Errors
/// If no part of it can be read. Lesser damage is in [`Listing::warnings`].
pub fn read<R: ReadAt + ?Sized>(
    source: &R,
    ring: Ring,
    ring_file: impl Fn(u32) -> RingFile,
) -> Result<Listing, IndexError> {
    let mut buffer = Vec::new();
    let mut warnings = Vec::new();
    let tables = Tables::read(source, ring.medium, &mut buffer, &mut warnings)?;
    let mut listing = Listing { header: tables.header, segments: Vec::new(), in_progress: 0, warnings };
    for number in tables.used_files() {
        let file = live::File {
            ring,
            number,
            slot: tables.slot(number),
            record: tables.file(number),
            length: ring_file(number),
        };
        let records = tables.likely_records(source, number, &mut buffer)?;
        if !live::select(&file, records, &mut listing) {
            let records = tables.all_records(source, number, &mut buffer)?;
            live::select_rising(&file, records, &mut listing);
        }
    }
    Ok(listing)
}

/// Reads up to `length` bytes into `buffer`, which never grows beyond the length of the source.
fn load<R: ReadAt + ?Sized>(source: &R, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<(), IndexError> {
    let there = usize::try_from(source.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    buffer.resize(length.min(there), 0);
    let n = source.read_at(offset, buffer).map_err(|source| IndexError::Read { offset, source })?;
    buffer.truncate(n);
    Ok(())
}

/// The number at `at`; beyond the end of `bytes` everything is zero.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u16::from_le_bytes(*word))
}
