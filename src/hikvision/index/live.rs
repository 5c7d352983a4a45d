//! Which records of a binary index are live.
//!
//! The ring is rewritten, but the records of older generations stay in the index behind the newer ones: on a camera
//! that has been recording for a while they are the majority. Listing them means extracting newer footage under an
//! older time. The rules, in this order, for one ring file:
//!
//! 1. A slot of the header names the file, so it is being written: the records before the slot's are closed and live,
//!    the slot's own is in progress. If the slot's own is closed and ends when the slot says the last closed segment
//!    does, it is live too (pictures take no time, so their slot may name the last one).
//! 2. The file has a channel: the records up to and including the file record's are live, if the last of them ends when
//!    the file record says. If instead the one before it does, the file record's number is a count.
//! 3. Neither fits: the longest run of records from the first on whose starts rise and whose ranges rise without
//!    overlapping. This is a guess, and logged as one.
//! 4. Each record for itself must have a type, an end that its start can have (see [`can_end`]), and a range inside the
//!    file.
//!
//! Rising times alone are not enough: a camera's clock steps back, in autumn or when it is set. Nor are the ranges: a
//! stale record can lie right behind the last live one. So extraction checks the stream itself once more (see
//! [`crate::hikvision::stream`]).

use super::{FileRecord, IndexWarning, Listing, RECORD_LEN, Slot, u32_at};
use crate::hikvision::camera_time::CameraTime;
use crate::hikvision::segment::{FrameClock, Medium, Ring, RingFile, Segment, SegmentSpan, can_end};

/// One ring file and its entries in the index's tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub(super) ring: Ring,
    pub(super) number: u32,
    pub(super) slot: Option<Slot>,
    pub(super) record: FileRecord,
    pub(super) length: RingFile,
}

/// The segment records of one ring file, up to the last that was read.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8], stride: usize) -> Self {
        Self { bytes, stride }
    }

    fn get(self, number: usize) -> Option<Record<'a>> {
        let at = number.checked_mul(self.stride)?;
        self.bytes.get(at..at + RECORD_LEN).map(Record)
    }

    fn iter(self) -> impl Iterator<Item = Record<'a>> {
        self.bytes.chunks(self.stride).filter_map(|bytes| bytes.get(..RECORD_LEN)).map(Record)
    }
}

/// One segment record, borrowed.
#[derive(Clone, Copy)]
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn kind(self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    fn start_seconds(self) -> u32 {
        u32_at(self.0, 8)
    }

    fn end_seconds(self) -> u32 {
        u32_at(self.0, 16)
    }

    fn start_offset(self) -> u32 {
        u32_at(self.0, 40)
    }

    fn end_offset(self) -> u32 {
        u32_at(self.0, 44)
    }

    /// Whether the segment is closed, and ends in the second that the tables give.
    fn is_closed_at(self, medium: Medium, second: u32) -> bool {
        let end = match medium {
            Medium::Video => self.end_seconds(),
            Medium::Picture => self.end_seconds().max(self.start_seconds()),
        };
        self.kind() != 0 && self.end_offset() != 0 && second != 0 && end == second
    }

    fn is_in_progress(self) -> bool {
        self.kind() != 0 && self.start_seconds() != 0 && self.end_offset() == 0
    }

    /// The segment, if the record is plausible (rule 4).
    fn segment(self, file: &File, number: usize, channel: u16) -> Option<Segment> {
        if self.kind() == 0 {
            return None;
        }
        let start = self.time(8)?;
        let frames = FrameClock { first_45k: u32_at(self.0, 32), last_45k: u32_at(self.0, 36) };
        let frames = (file.ring.medium == Medium::Video && frames.first_45k != frames.last_45k).then_some(frames);
        let end = match file.ring.medium {
            Medium::Video => self.time(16).filter(|end| can_end(start, *end, frames))?,
            // A picture takes no time, and its end may be empty.
            Medium::Picture => self.time(16).map_or(start, |end| end.max(start)),
        };
        let span = SegmentSpan::new(self.start_offset().into(), self.end_offset().into(), file.length)?;
        Some(Segment {
            ring: file.ring,
            file: file.number,
            is_present: file.length != RingFile::Missing,
            number: u32::try_from(number).ok()?,
            channel,
            kind: self.kind(),
            start,
            end,
            span,
            frames,
        })
    }

    /// A time of this record. Where the upper word is no number of microseconds, the firmware uses it for something else,
    /// and only the seconds count.
    fn time(self, at: usize) -> Option<CameraTime> {
        let seconds = u32_at(self.0, at);
        if seconds == 0 {
            return None;
        }
        CameraTime::from_index(seconds, u32_at(self.0, at + 4)).or_else(|| CameraTime::from_index(seconds, 0))
    }
}

/// Rules 1 and 2: adds the live segments of `file` to `listing`. False if neither rule fits, and nothing was added.
pub(super) fn select(file: &File, records: Records<'_>, listing: &mut Listing) -> bool {
    let (count, channel) = match file.slot {
        Some(slot) => {
            listing.in_progress += u32::from(records.get(slot.record.into()).is_some_and(Record::is_in_progress));
            (closed_by_slot(file.ring.medium, slot, records), slot.channel)
        }
        None => match (closed_by_file_record(file.ring.medium, file.record, records), file.record.channel) {
            (Some(count), Some(channel)) => (count, channel),
            _ => return false,
        },
    };
    let mut nonsense = 0;
    for (number, record) in records.iter().take(count).enumerate() {
        match record.segment(file, number, channel) {
            Some(segment) => listing.segments.push(segment),
            None => nonsense += 1,
        }
    }
    if nonsense > 0 {
        listing.warnings.push(IndexWarning::Nonsense { file: file.number, records: nonsense });
    }
    true
}

/// Rule 1: how many records of a file that is being written are closed.
fn closed_by_slot(medium: Medium, slot: Slot, records: Records<'_>) -> usize {
    let named = usize::from(slot.record);
    let named_is_closed = records.get(named).is_some_and(|record| record.is_closed_at(medium, slot.closed_end));
    named + usize::from(named_is_closed)
}

/// Rule 2: how many records of a full file are live, if the file record fits them.
fn closed_by_file_record(medium: Medium, file: FileRecord, records: Records<'_>) -> Option<usize> {
    let last = usize::from(file.last_record);
    let ends_file = |number: usize| records.get(number).is_some_and(|record| record.is_closed_at(medium, file.end));
    if ends_file(last) {
        Some(last + 1)
    } else if last > 0 && ends_file(last - 1) {
        Some(last)
    } else {
        None
    }
}

/// Whether a file's records end when the tables say, which verifies the positions of both.
pub(super) fn agree(medium: Medium, slot: Option<Slot>, file: FileRecord, records: Records<'_>) -> bool {
    match slot {
        Some(slot) => [Some(slot.record), slot.record.checked_sub(1)]
            .into_iter()
            .flatten()
            .filter_map(|number| records.get(number.into()))
            .any(|record| record.is_closed_at(medium, slot.closed_end)),
        None => closed_by_file_record(medium, file, records).is_some(),
    }
}

/// Rule 3: adds the records from the first on that rise.
pub(super) fn select_rising(file: &File, records: Records<'_>, listing: &mut Listing) {
    let channel = file.record.channel.unwrap_or_default();
    let before = listing.segments.len();
    let mut last: Option<Segment> = None;
    for (number, record) in records.iter().enumerate() {
        let Some(segment) = record.segment(file, number, channel) else {
            break;
        };
        if last.is_some_and(|last| !follows(file.ring.medium, &last, &segment)) {
            break;
        }
        listing.segments.push(segment);
        last = Some(segment);
    }
    listing.warnings.push(IndexWarning::Unclear {
        file: file.number,
        taken: u32::try_from(listing.segments.len() - before).unwrap_or(u32::MAX),
    });
}

/// Whether `next` can be of the same generation as `last`, the record before it.
fn follows(medium: Medium, last: &Segment, next: &Segment) -> bool {
    let later = match medium {
        Medium::Video => next.start > last.start,
        // Two pictures of one event can carry the same time.
        Medium::Picture => next.start >= last.start,
    };
    later && next.span.start() >= last.span.end()
}
