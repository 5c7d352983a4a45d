//! The front of a binary index: header, slots and file records, and the offsets of the segment records.

use super::live::{self, Records};
use super::{HEADER_LEN, IndexError, IndexWarning, RECORD_LEN, load, u16_at, u32_at};
use crate::hikvision::read_at::ReadAt;
use crate::hikvision::segment::Medium;

const SLOTS: usize = 49;
const SLOT_LEN: usize = 24;
const FILE_RECORD_LEN: usize = 32;
/// A picture record with the camera id behind it.
const LONG_RECORD_LEN: usize = 96;
/// Where a record can carry the letters that show the stride.
const MARK_OFFSET: usize = 52;
const MARK: &[u8; 4] = b"OFNI";
/// A slot without a file; a file record without a channel. It also limits the number of files.
const NONE: u16 = 0xFFFF;
/// How many files to try when the start of the segment records is in doubt.
const TRIED_FILES: usize = 8;

/// The first words of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts the writes to this index: if it differs before and after reading, the bytes may be of two states.
    pub modify_times: u64,
    /// 2 or 3.
    pub version: u32,
    /// How many ring files there are, as the header says.
    pub declared_files: u32,
    /// The ring file that is written next.
    pub next_file: u32,
    /// The ring file that is being written.
    pub last_file: u32,
}

impl Header {
    /// Reads the header's first words.
    ///
    /// # Errors
    /// If this is not an index of a known version.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        // The letters stand at 16 on the disks seen; other programs look for them in the first 64 bytes.
        let first = bytes.get(..64).unwrap_or(bytes);
        if first.windows(8).any(|window| window == b"HIKBTREE") {
            return Err(IndexError::HikBTree);
        }
        if bytes.len() < HEADER_LEN {
            return Err(IndexError::Short { size: bytes.len() as u64 });
        }
        let version = u32_at(bytes, 8);
        if !(2..=3).contains(&version) {
            return Err(IndexError::Version { version });
        }
        Ok(Self {
            modify_times: u64::from(u32_at(bytes, 0)) | u64::from(u32_at(bytes, 4)) << 32,
            version,
            declared_files: u32_at(bytes, 12),
            next_file: u32_at(bytes, 16),
            last_file: u32_at(bytes, 20),
        })
    }
}

/// The ring file and segment that a channel is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The slot's number.
    pub channel: u16,
    /// The ring file.
    pub file: u16,
    /// The record of the segment in progress.
    pub record: u16,
    /// End of the last closed segment, in seconds.
    pub closed_end: u32,
}

impl Slot {
    fn parse(header: &[u8], number: usize) -> Option<Self> {
        let at = 24 + number * SLOT_LEN;
        let slot = Self {
            channel: u16::try_from(number).ok()?,
            file: u16_at(header, at),
            record: u16_at(header, at + 2),
            closed_end: u32_at(header, at + 8),
        };
        // A header of zeros names no file, though zero is a file's number.
        let is_empty = slot.file == NONE || (slot.record == 0 && slot.closed_end == 0 && u32_at(header, at + 4) == 0);
        (!is_empty).then_some(slot)
    }
}

/// The file record of one ring file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The file's own number, which is its index in the table.
    pub file: u32,
    /// The channel, or `None` if the file was never full.
    pub channel: Option<u16>,
    /// The last live record.
    pub last_record: u16,
    /// End of the last live segment, in seconds.
    pub end: u32,
}

impl FileRecord {
    const UNUSED: Self = Self { file: u32::MAX, channel: None, last_record: 0, end: 0 };

    fn parse(bytes: &[u8]) -> Self {
        let channel = u16_at(bytes, 4);
        let end = u32_at(bytes, 12);
        Self {
            file: u32_at(bytes, 0),
            channel: (channel != NONE && end != 0).then_some(channel),
            last_record: u16_at(bytes, 6),
            end,
        }
    }
}

/// Header, slots and file records, and the offsets of the segment records.
pub(super) struct Tables {
    pub(super) header: Header,
    slots: Vec<Slot>,
    files: Vec<FileRecord>,
    stride: usize,
    records: usize,
    /// Where the index ends.
    size: u64,
}

impl Tables {
    pub(super) fn read<R: ReadAt + ?Sized>(
        source: &R,
        medium: Medium,
        buffer: &mut Vec<u8>,
        warnings: &mut Vec<IndexWarning>,
    ) -> Result<Self, IndexError> {
        load(source, 0, HEADER_LEN, buffer)?;
        let header = Header::parse(buffer)?;
        let mut tables = Self {
            header,
            slots: (0..SLOTS).filter_map(|number| Slot::parse(buffer, number)).collect(),
            files: Vec::new(),
            stride: RECORD_LEN,
            records: records_per_file(medium),
            size: source.size(),
        };
        let declared = usize::try_from(header.declared_files).unwrap_or(usize::MAX);
        tables.load_files(source, declared, buffer)?;
        if !tables.fit(source, medium, buffer)? {
            tables.count_files(source, medium, buffer, warnings)?;
        }

        let files = tables.files.len() as u64;
        let whole = tables.size.saturating_sub(tables.block(0)) / tables.block_len();
        if whole < files {
            warnings.push(IndexWarning::CutOff {
                whole: u32::try_from(whole).unwrap_or(u32::MAX),
                files: u32::try_from(files).unwrap_or(u32::MAX),
            });
        }
        for slot in &tables.slots {
            if u64::from(slot.file) >= files {
                warnings.push(IndexWarning::SlotFile { channel: slot.channel, file: slot.file });
            }
        }
        Ok(tables)
    }

    /// The files that may have live segments, oldest first: the one that is written next is the oldest.
    pub(super) fn used_files(&self) -> impl Iterator<Item = u32> {
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let oldest = self.header.next_file.min(count);
        (oldest..count).chain(0..oldest).filter(|number| {
            let is_used = self.file(*number).channel.is_some() || self.slot(*number).is_some();
            is_used && self.block(*number) < self.size
        })
    }

    pub(super) fn slot(&self, file: u32) -> Option<Slot> {
        self.slots.iter().copied().find(|slot| u32::from(slot.file) == file)
    }

    pub(super) fn file(&self, number: u32) -> FileRecord {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        self.files.get(number).copied().unwrap_or(FileRecord::UNUSED)
    }

    /// The records of a file up to the last that can be live, and one more, to see the segment in progress.
    pub(super) fn likely_records<'a, R: ReadAt + ?Sized>(
        &self,
        source: &R,
        file: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Records<'a>, IndexError> {
        let last = self.slot(file).map_or(self.file(file).last_record, |slot| slot.record);
        let count = self.records.min(usize::from(last) + 1);
        load(source, self.block(file), count * self.stride, buffer)?;
        Ok(Records::new(buffer, self.stride))
    }

    /// All records of a file.
    pub(super) fn all_records<'a, R: ReadAt + ?Sized>(
        &self,
        source: &R,
        file: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Records<'a>, IndexError> {
        load(source, self.block(file), self.records * self.stride, buffer)?;
        Ok(Records::new(buffer, self.stride))
    }

    /// Where the records of `file` begin.
    fn block(&self, file: u32) -> u64 {
        (HEADER_LEN + self.files.len() * FILE_RECORD_LEN) as u64 + u64::from(file) * self.block_len()
    }

    fn block_len(&self) -> u64 {
        (self.records * self.stride) as u64
    }

    fn load_files<R: ReadAt + ?Sized>(
        &mut self,
        source: &R,
        count: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), IndexError> {
        let count = count.min(usize::from(NONE));
        load(source, HEADER_LEN as u64, count * FILE_RECORD_LEN, buffer)?;
        self.files.clear();
        self.files.extend(buffer.chunks_exact(FILE_RECORD_LEN).map(FileRecord::parse));
        Ok(())
    }

    /// The stride of the records if they begin after `files` file records, and whether they then agree with the tables.
    fn fit<R: ReadAt + ?Sized>(
        &mut self,
        source: &R,
        medium: Medium,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, IndexError> {
        if medium == Medium::Picture {
            self.stride = self.marked_stride(source, buffer)?.unwrap_or(RECORD_LEN);
        }
        let tried: Vec<u32> = self.used_files().take(TRIED_FILES).collect();
        for number in tried {
            let records = self.likely_records(source, number, buffer)?;
            if live::agree(medium, self.slot(number), self.file(number), records) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The stride of the records: the distance of two `OFNI`. Where no file has two, the offset of a single one decides, except
    /// in file 0, whose records begin at the same offset for either stride. Without `OFNI`, the stride is unknown.
    fn marked_stride<R: ReadAt + ?Sized>(
        &mut self,
        source: &R,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<usize>, IndexError> {
        self.stride = RECORD_LEN;
        let files: Vec<u32> = std::iter::once(0).chain(self.used_files().take(TRIED_FILES)).collect();
        let mut only = None;
        for number in files {
            let mut marked = Vec::new();
            for stride in [RECORD_LEN, LONG_RECORD_LEN] {
                self.stride = stride;
                load(source, self.block(number), 2 * LONG_RECORD_LEN, buffer)?;
                let is_marked = |at: usize| buffer.get(at..at + MARK.len()) == Some(MARK.as_slice());
                match (is_marked(MARK_OFFSET), is_marked(stride + MARK_OFFSET)) {
                    (true, true) => return Ok(Some(stride)),
                    (true, false) => marked.push(stride),
                    (false, _) => {}
                }
            }
            if let [stride] = marked[..] {
                only = only.or(Some(stride));
            }
        }
        Ok(only)
    }

    /// Takes the number of files from the file records instead of the header, if that fits better.
    ///
    /// The number also determines where the segment records begin, so a wrong one makes them unreadable. A used file's
    /// record begins with its own index in the table, which a segment record cannot.
    fn count_files<R: ReadAt + ?Sized>(
        &mut self,
        source: &R,
        medium: Medium,
        buffer: &mut Vec<u8>,
        warnings: &mut Vec<IndexWarning>,
    ) -> Result<(), IndexError> {
        let declared = self.header.declared_files;
        let kept = self.files.len();
        self.load_files(source, usize::MAX, buffer)?;
        let counted = (0..)
            .zip(&self.files)
            .take_while(|(number, record)| record.channel.is_none() || record.file == *number)
            .filter(|(_, record)| record.channel.is_some())
            .last()
            .map_or(0, |(number, _)| number + 1);
        self.files.truncate(usize::try_from(counted).unwrap_or(usize::MAX));

        let is_possible = kept as u64 == u64::from(declared);
        if counted != declared && (self.fit(source, medium, buffer)? || !is_possible) {
            if counted == 0 {
                return Err(IndexError::NoFiles { declared, size: self.size });
            }
            warnings.push(IndexWarning::FileCount { declared, counted });
        } else {
            // Nothing is used yet, or the records are damaged and not the number.
            self.load_files(source, kept, buffer)?;
            self.fit(source, medium, buffer)?;
        }
        Ok(())
    }
}

/// Segment records for each ring file.
const fn records_per_file(medium: Medium) -> usize {
    match medium {
        Medium::Video => 256,
        Medium::Picture => 4096,
    }
}
