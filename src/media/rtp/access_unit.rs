//! H.264 (RFC 6184) and H.265 (RFC 7798): from payloads to access units.
//!
//! A frame is all NAL units of one time stamp, wherever the server sets markers: on every NAL unit, on every slice, or on
//! none. It is complete when a packet with another time stamp comes, or when it has had a marker and nothing follows.
//!
//! Units without a slice among them (delimiters, SEI, parameter sets with a marker or a time stamp of their own) are part
//! of the next frame. Parameter sets are taken out into the [`Codec`]'s configuration; delimiters and filler data, which
//! containers write themselves or forbid, are left out.

use std::time::{Duration, Instant};

use super::stream::{Beginning, Depacketizer, Frame, MAX_FRAME_BYTES, Output, Payload};
use super::{Format, fmtp};
use crate::media::nal::{self, ParameterSets, Standard};
use crate::media::{Codec, Shape, Track};

/// More units than any frame of a camera has.
const MAX_UNITS: usize = 128;
/// So much in front of a frame is kept for it.
const MAX_LEADING_BYTES: usize = 64 << 10;
/// Frames that wait for parameter sets may take so many bytes.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// A frame that has had its marker waits so long for another slice with the same time stamp.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// In front of each unit.
const LENGTH_BYTES: usize = 4;

/// Puts access units together.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the sender or the stream")]
pub(super) struct AccessUnits {
    standard: Standard,
    sets: ParameterSets,
    config: Option<Vec<u8>>,
    /// What the next frame tells of the track.
    news: Option<Track>,
    /// H.265: whether decoding order numbers stand in the payloads.
    has_order_numbers: bool,
    current: Option<AccessUnit>,
    /// Units that came before the first slice of their frame, with another time stamp.
    leading: Vec<u8>,
    /// Frames from the latest key frame on, until all parameter sets have come that it takes to decode them.
    waiting: Vec<Frame>,
    waiting_bytes: usize,
    /// Whether a frame was lost since the last key frame.
    lacks_reference: bool,
    has_begun: bool,
    /// Whether the sender marks the last packet of a frame, as it should.
    marks_frames: bool,
}

/// The access unit that is being put together.
struct AccessUnit {
    ticks: i64,
    arrived: Instant,
    last_arrived: Instant,
    /// NAL units, each with its length in front.
    data: Vec<u8>,
    units: usize,
    open: Open,
    has_slice: bool,
    /// Slices that begin a picture: two of H.264 may be the fields of one frame.
    first_slices: usize,
    has_marker: bool,
    /// The last packet was a fragment of a unit, and not its last one.
    is_within_unit: bool,
    loss: Loss,
}

/// What an access unit lacks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    None,
    /// Packets in front of it were lost, so its first slice may be.
    Before,
    /// Bytes of it are missing, or more came than a frame may have.
    Within,
}

/// The unit whose fragments are coming.
#[derive(Clone, Copy)]
enum Open {
    None,
    /// Its length stands here in the data.
    At(usize),
    /// It is left out.
    Skipped,
}

impl AccessUnits {
    pub(super) fn begin(standard: Standard, format: &Format) -> Beginning {
        let mut sets = ParameterSets::new(standard);
        let names: &[&str] = match standard {
            Standard::H264 => &["sprop-parameter-sets"],
            Standard::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
        };
        for bytes in names.iter().flat_map(|name| fmtp::base64_list(&format.fmtp, name)) {
            for unit in split(standard, &bytes) {
                sets.insert(unit);
            }
        }
        let mut units = Self {
            standard,
            sets,
            config: None,
            news: None,
            has_order_numbers: fmtp::number::<u32>(&format.fmtp, "sprop-max-don-diff").unwrap_or(0) > 0,
            current: None,
            leading: Vec::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            lacks_reference: true,
            has_begun: false,
            marks_frames: false,
        };
        let track = units.changed_track();
        (Box::new(units), track)
    }

    /// The track, if its configuration is another one than before.
    fn changed_track(&mut self) -> Option<Track> {
        let config = self.sets.config().filter(|config| self.config.as_ref() != Some(config))?;
        self.config = Some(config.clone());
        let (width, height) = self.sets.sps().map_or((0, 0), |sps| (sps.width, sps.height));
        let codec = match self.standard {
            Standard::H264 => Codec::H264 { config },
            Standard::H265 => Codec::H265 { config },
        };
        Some(Track { codec, shape: Shape::Video { width, height } })
    }

    /// Ends the frame before, if this payload is of another one.
    fn advance(&mut self, payload: &Payload, out: &mut Output) {
        let is_same = match &mut self.current {
            Some(current) => {
                let is_same = current.ticks == payload.ticks;
                if payload.after_gap && (is_same || !current.has_marker) {
                    current.loss = Loss::Within;
                }
                is_same
            }
            None => false,
        };
        if !is_same {
            self.end_frame(out);
            self.current = Some(AccessUnit::new(payload, std::mem::take(&mut self.leading)));
        }
        self.lacks_reference |= payload.after_gap;
    }

    fn end_frame(&mut self, out: &mut Output) {
        self.close_unit(out);
        let Some(mut unit) = self.current.take() else { return };
        if self.sets.take(&mut unit.data)
            && let Some(track) = self.changed_track()
        {
            self.news = Some(track);
        }
        if !unit.has_slice {
            if unit.data.len() <= MAX_LEADING_BYTES && unit.units < MAX_UNITS {
                self.leading = unit.data;
            }
            return;
        }
        let lacks_first_slice = unit.loss == Loss::Before && unit.first_slices == 0;
        if unit.loss == Loss::Within || lacks_first_slice {
            // Who joins in the middle of a frame has lost nothing.
            out.counts.dropped_frames += u64::from(self.has_begun);
            self.has_begun = true;
            self.lacks_reference = true;
            return;
        }
        self.has_begun = true;
        let is_key = nal::is_key(self.standard, &unit.data);
        self.lacks_reference &= !is_key;
        let frame = Frame {
            ticks: unit.ticks,
            arrived: unit.arrived,
            is_key,
            data: unit.data,
            codec: None,
            is_damaged: self.lacks_reference,
        };
        self.give(frame, out);
    }

    /// Gives a frame as soon as its parameter sets are known.
    fn give(&mut self, frame: Frame, out: &mut Output) {
        if self.config.is_some() {
            let waiting = std::mem::take(&mut self.waiting);
            let first = out.frames.len();
            out.frames.extend(waiting);
            out.frames.push(frame);
            out.frames[first].codec = self.news.take();
            return;
        }
        if frame.is_key {
            self.stop_waiting();
        } else if self.waiting.is_empty() {
            return;
        }
        self.waiting_bytes += frame.data.len();
        self.waiting.push(frame);
        if self.waiting_bytes > MAX_WAITING_BYTES {
            self.stop_waiting();
        }
    }

    /// What waits cannot be decoded.
    fn stop_waiting(&mut self) {
        self.waiting = Vec::new();
        self.waiting_bytes = 0;
    }

    /// Takes a payload of H.264; whether it makes sense.
    fn h264(&mut self, payload: &Payload, out: &mut Output) -> bool {
        let Some((&header, rest)) = payload.bytes.split_first() else { return true };
        match header & 0x1F {
            _ if header & 0x80 != 0 => false,
            0..=23 => self.whole(payload, payload.bytes, out),
            24 => self.aggregated(payload, rest, (0, 0), out),
            28 => {
                let Some((&fragment, rest)) = rest.split_first() else { return false };
                self.fragment(payload, fragment, &[(header & 0xE0) | (fragment & 0x1F)], rest, out)
            }
            // Interleaved, which no camera is asked for: what is in them is missing.
            25..=27 | 29 => {
                self.mark_incomplete();
                false
            }
            _ => false,
        }
    }

    /// Takes a payload of H.265; whether it makes sense.
    fn h265(&mut self, payload: &Payload, out: &mut Output) -> bool {
        let Some((&[first, second], rest)) = payload.bytes.split_first_chunk() else {
            return payload.bytes.is_empty();
        };
        let order_bytes = if self.has_order_numbers { 2 } else { 0 };
        match first >> 1 & 0x3F {
            _ if first & 0x80 != 0 => false,
            0..=47 if self.has_order_numbers => {
                let Some(behind) = rest.get(order_bytes..) else { return false };
                self.whole(payload, &[&[first, second], behind].concat(), out)
            }
            0..=47 => self.whole(payload, payload.bytes, out),
            48 => self.aggregated(payload, rest, (order_bytes, order_bytes / 2), out),
            49 => {
                let Some((&fragment, rest)) = rest.split_first() else { return false };
                let skip = if fragment & 0x80 != 0 { order_bytes } else { 0 };
                let Some(rest) = rest.get(skip..) else { return false };
                self.fragment(payload, fragment, &[(first & 0x81) | (fragment & 0x3F) << 1, second], rest, out)
            }
            _ => false,
        }
    }

    /// Units with sizes of two bytes in front, and in front of those order numbers of so many bytes: of the first, of others.
    fn aggregated(&mut self, payload: &Payload, mut rest: &[u8], order: (usize, usize), out: &mut Output) -> bool {
        let mut order_bytes = order.0;
        while !rest.is_empty() {
            let unit = rest.get(order_bytes..).and_then(|rest| rest.split_first_chunk());
            let unit = unit.and_then(|(size, rest)| rest.split_at_checked(u16::from_be_bytes(*size).into()));
            let Some((unit, behind)) = unit else {
                self.mark_incomplete();
                return false;
            };
            self.whole(payload, unit, out);
            (rest, order_bytes) = (behind, order.1);
        }
        true
    }

    fn whole(&mut self, payload: &Payload, bytes: &[u8], out: &mut Output) -> bool {
        for unit in split(self.standard, bytes) {
            let header_bytes = if self.standard == Standard::H264 { 1 } else { 2 };
            if let Some((header, rest)) = unit.split_at_checked(header_bytes) {
                self.open_unit(payload, header, rest, out);
                self.close_unit(out);
            }
        }
        true
    }

    /// A part of a unit: the first one has the highest bit of `fragment` set. Where the last one lies does not matter.
    fn fragment(&mut self, payload: &Payload, fragment: u8, header: &[u8], bytes: &[u8], out: &mut Output) -> bool {
        if fragment & 0x80 != 0 {
            self.open_unit(payload, header, bytes, out);
            return true;
        }
        let Some(current) = &mut self.current else { return true };
        match current.open {
            Open::At(_) => current.append(bytes),
            Open::Skipped => {}
            Open::None => {
                current.loss = Loss::Within;
                // It says what the frame has lost.
                current.has_slice |= self.standard.kind(header).is_some_and(|kind| self.standard.is_vcl(kind));
            }
        }
        true
    }

    /// Begins a unit; the one before it is complete.
    fn open_unit(&mut self, payload: &Payload, header: &[u8], bytes: &[u8], out: &mut Output) {
        self.close_unit(out);
        let kind = self.standard.kind(header).unwrap_or_default();
        let is_slice = self.standard.is_vcl(kind);
        let begins_picture = is_slice && self.begins_picture(kind, header, bytes);
        let pictures = if self.standard == Standard::H264 { 2 } else { 1 };
        if begins_picture && self.current.as_ref().is_some_and(|current| current.first_slices >= pictures) {
            // Time stamps that stand still.
            self.end_frame(out);
            self.current = Some(AccessUnit { loss: Loss::None, ..AccessUnit::new(payload, Vec::new()) });
        }
        let is_left_out = self.is_left_out(kind);
        let Some(current) = &mut self.current else { return };
        if is_left_out || header[0] & 0x80 != 0 {
            current.open = Open::Skipped;
            return;
        }
        current.units += 1;
        if current.units > MAX_UNITS {
            current.loss = Loss::Within;
        }
        current.has_slice |= is_slice;
        current.first_slices += usize::from(begins_picture);
        current.open = Open::At(current.data.len());
        current.append(&[0; LENGTH_BYTES]);
        current.append(header);
        current.append(bytes);
    }

    /// Whether a slice is the first of a picture: `first_mb_in_slice` is 0, `first_slice_segment_in_pic_flag` is 1.
    fn begins_picture(&self, kind: u8, header: &[u8], bytes: &[u8]) -> bool {
        let has_first_bit = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        match self.standard {
            Standard::H264 => matches!(kind, 1 | 2 | 5) && has_first_bit,
            // Of the base layer.
            Standard::H265 => header[0] & 1 == 0 && header.get(1).is_some_and(|byte| byte >> 3 == 0) && has_first_bit,
        }
    }

    fn is_left_out(&self, kind: u8) -> bool {
        match self.standard {
            Standard::H264 => matches!(kind, 0 | 9 | 12 | 24..),
            Standard::H265 => matches!(kind, 35 | 38 | 48..),
        }
    }

    /// Ends the unit whose fragments have come.
    fn close_unit(&mut self, out: &mut Output) {
        let Some(current) = &mut self.current else { return };
        let Open::At(at) = std::mem::replace(&mut current.open, Open::None) else { return };
        let Some((length, unit)) = current.data[at..].split_first_chunk_mut::<LENGTH_BYTES>() else { return };
        *length = u32::try_from(unit.len()).unwrap_or(0).to_be_bytes();
        let is_slice = self.standard.kind(unit).is_some_and(|kind| self.standard.is_vcl(kind));
        if !is_slice && split(self.standard, unit).nth(1).is_some() {
            let joined = current.data.split_off(at);
            let payload = current.payload();
            self.whole(&payload, &joined[LENGTH_BYTES..], out);
        }
    }

    fn mark_incomplete(&mut self) {
        if let Some(current) = &mut self.current {
            current.loss = Loss::Within;
            current.has_slice = true;
        }
    }
}

impl Depacketizer for AccessUnits {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        self.advance(payload, out);
        let makes_sense = match self.standard {
            Standard::H264 => self.h264(payload, out),
            Standard::H265 => self.h265(payload, out),
        };
        out.counts.malformed_packets += u64::from(!makes_sense);
        if let Some(current) = &mut self.current {
            current.has_marker |= payload.marker;
            self.marks_frames |= payload.marker;
            current.is_within_unit = is_open_fragment(self.standard, payload.bytes);
            current.last_arrived = payload.arrived;
        }
    }

    fn expire(&mut self, now: Instant, out: &mut Output) {
        let has_waited = |current: &AccessUnit| now.saturating_duration_since(current.last_arrived) >= MAX_WAIT;
        if self.current.as_ref().is_some_and(|current| current.has_marker && has_waited(current)) {
            self.end_frame(out);
        }
    }

    /// A frame whose end has not come is not given: what is recorded was sent whole.
    fn finish(&mut self, out: &mut Output) {
        let lacks_end = |current: &AccessUnit| !current.has_marker && (self.marks_frames || current.is_within_unit);
        if self.current.as_ref().is_some_and(lacks_end) {
            self.current = None;
        }
        self.end_frame(out);
    }
}

/// Whether a payload is a fragment that does not end its unit: RFC 6184, 5.8; RFC 7798, 4.4.3.
fn is_open_fragment(standard: Standard, payload: &[u8]) -> bool {
    match (standard, payload) {
        (Standard::H264, [first, fragment, ..]) => first & 0x1F == 28 && fragment & 0x40 == 0,
        (Standard::H265, [first, _, fragment, ..]) => first >> 1 & 0x3F == 49 && fragment & 0x40 == 0,
        _ => false,
    }
}

impl AccessUnit {
    fn new(payload: &Payload, leading: Vec<u8>) -> Self {
        Self {
            ticks: payload.ticks,
            arrived: payload.arrived,
            last_arrived: payload.arrived,
            units: nal::units(&leading).count(),
            data: leading,
            open: Open::None,
            has_slice: false,
            first_slices: 0,
            has_marker: false,
            is_within_unit: false,
            loss: if payload.after_gap { Loss::Before } else { Loss::None },
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.loss == Loss::Within || self.data.len() + bytes.len() > MAX_FRAME_BYTES {
            // What is dropped anyway takes no memory.
            self.loss = Loss::Within;
        } else {
            self.data.extend(bytes);
        }
    }

    /// An empty payload of this frame.
    fn payload(&self) -> Payload<'static> {
        Payload {
            ticks: self.ticks,
            marker: false,
            after_gap: false,
            arrived: self.arrived,
            extension: None,
            bytes: &[],
        }
    }
}

/// The units in what is sent as one. Some cameras put a byte stream with start codes into packets, parameter sets and the
/// slice behind them as one unit. Slices are not looked through: encoders that forget to escape them exist as well.
fn split(standard: Standard, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let is_slice = !rest.starts_with(&[0, 0]) && standard.kind(rest).is_some_and(|kind| standard.is_vcl(kind));
        let end = if is_slice { None } else { memchr::memmem::find(rest, &[0, 0, 1]) };
        let (unit, behind) = match end {
            Some(at) => (&rest[..at], &rest[at + 3..]),
            None if rest.is_empty() => return None,
            None => (rest, &[][..]),
        };
        rest = behind;
        Some(unit)
    })
    .filter(|unit| unit.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests;
