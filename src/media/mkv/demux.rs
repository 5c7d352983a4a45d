//! Reads a stream, however its bytes arrive.
//!
//! `Segment`, `Info` and `Cluster` are entered, so whether their length is known does not matter; what a block needs is
//! kept until it is whole; all else is skipped.

use std::num::TryFromIntError;

use thiserror::Error;

use super::codec::codec;
use super::{AUDIO_TRACK, NANOS_PER_MILLI, VIDEO_TRACK};
use crate::media::ebml::{self, Children, Header, Invalid, id, read_number};
use crate::media::{Codec, Packet, Shape, Track};

/// Of a block, with what stands around it.
pub const MAX_BLOCK_BYTES: usize = 16 * 1024 * 1024;
/// Of what describes all tracks.
pub const MAX_TRACKS_BYTES: usize = 1024 * 1024;
/// Tracks of video and audio in a stream.
pub const MAX_TRACKS: usize = 32;

/// Of the head of the stream.
const MAX_HEAD_BYTES: usize = 4096;
/// What stays reserved once a large element has been read: more than a pipe gives at once.
const MAX_RESERVED_BYTES: usize = 4 * 1024;

/// What a stream holds, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemuxEvent {
    /// The tracks of video and audio: comes before the first packet, and not again.
    Tracks(Vec<Track>),
    /// A packet of one of them. Its time is below 0 where an encoder began before.
    Packet(Packet),
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DemuxError {
    /// It does not begin as Matroska does.
    #[error("not a Matroska stream")]
    NotMatroska,
    /// It breaks a rule of Matroska.
    #[error("damaged Matroska at byte {at_bytes}: {rule}")]
    Damaged {
        /// Where the element begins.
        at_bytes: u64,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// It needs more memory than it gets.
    #[error("Matroska element at byte {at_bytes} too large: {bytes} bytes, at most {max_bytes}")]
    TooLarge {
        /// Where the element begins.
        at_bytes: u64,
        /// Its length.
        bytes: u64,
        /// How long it may be.
        max_bytes: usize,
    },
    /// More than [`MAX_TRACKS`].
    #[error("more than {MAX_TRACKS} tracks in a Matroska stream")]
    TooManyTracks,
    /// Its packets are compressed or encrypted by Matroska itself.
    #[error("Matroska track with ContentEncodings (compressed or encrypted): cannot read it")]
    Encoded,
    /// A second description of the tracks, which is another one.
    #[error("the tracks of a Matroska stream changed")]
    TracksChanged,
}

/// Reads Matroska as its bytes arrive.
///
/// Memory: at most what is pushed at once, and twice [`MAX_BLOCK_BYTES`].
#[derive(Debug, Default)]
pub struct MkvDemuxer {
    /// The beginning of an element whose end has not arrived.
    pending: Vec<u8>,
    /// Of the stream, before `pending`.
    read_bytes: u64,
    /// What of an element is still to be skipped.
    skip_bytes: u64,
    has_begun: bool,
    timestamp_scale_ns: Option<i64>,
    /// The time of the cluster, in units of the scale.
    cluster: Option<i64>,
    tracks: Option<Vec<Entry>>,
    failed: Option<DemuxError>,
}

/// A `TrackEntry`. All are kept, also those that are no video or audio: their blocks are known, and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u64,
    /// Its place among the tracks that are given; `None` if it is not among them.
    index: Option<usize>,
    /// Every packet can be decoded by itself.
    is_all_key: bool,
    delay_ns: i64,
    default_duration_ns: i64,
}

/// What becomes of an element once its header has been read.
enum Step {
    Enter,
    Skip(u64),
    /// It is taken when all its content is there.
    Take(usize),
}

/// What goes wrong within an element; where it stands is added later.
enum Fault {
    Rule(&'static str),
    Error(DemuxError),
}

impl From<Invalid> for Fault {
    fn from(Invalid(rule): Invalid) -> Self {
        Self::Rule(rule)
    }
}

impl From<TryFromIntError> for Fault {
    fn from(_: TryFromIntError) -> Self {
        Self::Rule("a number is out of range")
    }
}

impl From<DemuxError> for Fault {
    fn from(error: DemuxError) -> Self {
        Self::Error(error)
    }
}

impl MkvDemuxer {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream and appends what they complete. After an error it returns that error again; what
    /// was appended before it is right.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<DemuxEvent>) -> Result<(), DemuxError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.read_on(bytes, events);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.pending = Vec::new();
        }
        result
    }

    fn read_on(&mut self, bytes: &[u8], events: &mut Vec<DemuxEvent>) -> Result<(), DemuxError> {
        if self.pending.is_empty() {
            let used = self.read(bytes, events)?;
            self.pending.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let used = self.read(&pending, events)?;
        if used > 0 {
            pending.drain(..used);
            pending.shrink_to(MAX_RESERVED_BYTES);
        }
        self.pending = pending;
        Ok(())
    }

    /// Reads the elements that `bytes` hold whole, and says how many bytes they took.
    fn read(&mut self, bytes: &[u8], events: &mut Vec<DemuxEvent>) -> Result<usize, DemuxError> {
        let mut rest = bytes;
        loop {
            let skipped = usize::try_from(self.skip_bytes).unwrap_or(usize::MAX).min(rest.len());
            rest = &rest[skipped..];
            self.skip_bytes -= skipped as u64;
            self.read_bytes += skipped as u64;
            let Some(used) = self.element(rest, events).map_err(|fault| self.error(fault))? else {
                return Ok(bytes.len() - rest.len());
            };
            rest = &rest[used..];
            self.read_bytes += used as u64;
        }
    }

    fn error(&self, fault: Fault) -> DemuxError {
        match fault {
            Fault::Rule(_) if !self.has_begun => DemuxError::NotMatroska,
            Fault::Rule(rule) => DemuxError::Damaged { at_bytes: self.read_bytes, rule },
            Fault::Error(error) => error,
        }
    }

    /// Reads the first element, and says how many bytes it took; `None` if it goes on behind `bytes`.
    fn element(&mut self, bytes: &[u8], events: &mut Vec<DemuxEvent>) -> Result<Option<usize>, Fault> {
        let Some(header) = Header::read(bytes)? else { return Ok(None) };
        match self.step(header)? {
            Step::Enter => {
                if header.id == id::CLUSTER {
                    self.cluster = None;
                }
                Ok(Some(header.own_bytes))
            }
            Step::Skip(content_bytes) => {
                self.skip_bytes = content_bytes;
                Ok(Some(header.own_bytes))
            }
            Step::Take(content_bytes) => {
                let end = header.own_bytes + content_bytes;
                let Some(content) = bytes.get(header.own_bytes..end) else { return Ok(None) };
                self.take(header.id, content, events)?;
                Ok(Some(end))
            }
        }
    }

    fn step(&self, header: Header) -> Result<Step, Fault> {
        if !self.has_begun && header.id != id::EBML {
            return Err(DemuxError::NotMatroska.into());
        }
        let max_bytes = match header.id {
            id::SEGMENT | id::INFO | id::CLUSTER => return Ok(Step::Enter),
            id::EBML => MAX_HEAD_BYTES,
            id::TIMESTAMP_SCALE | id::TIMESTAMP => 8,
            id::TRACKS => MAX_TRACKS_BYTES,
            id::SIMPLE_BLOCK | id::BLOCK_GROUP => MAX_BLOCK_BYTES,
            _ => 0,
        };
        let bytes = header.content_bytes.ok_or(Fault::Rule("an element that is no master has no length"))?;
        if max_bytes == 0 {
            return Ok(Step::Skip(bytes));
        }
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= max_bytes => Ok(Step::Take(bytes)),
            _ => Err(DemuxError::TooLarge { at_bytes: self.read_bytes, bytes, max_bytes }.into()),
        }
    }

    fn take(&mut self, id: u32, content: &[u8], events: &mut Vec<DemuxEvent>) -> Result<(), Fault> {
        match id {
            id::EBML => {
                check_head(content)?;
                self.has_begun = true;
            }
            id::TIMESTAMP_SCALE => {
                let scale = i64::try_from(ebml::uint(content)?)?;
                if scale == 0 {
                    return Err(Fault::Rule("TimestampScale is 0"));
                }
                self.timestamp_scale_ns = Some(scale);
            }
            id::TIMESTAMP => self.cluster = Some(i64::try_from(ebml::uint(content)?)?),
            id::TRACKS => self.take_tracks(content, events)?,
            id::SIMPLE_BLOCK => {
                let block = Block::read(content)?;
                let is_key = block.flags & 0x80 != 0;
                self.take_block(block, is_key, None, events)?;
            }
            id::BLOCK_GROUP => {
                let (mut block, mut is_key, mut duration) = (None, true, None);
                for child in Children(content) {
                    match child? {
                        (id::BLOCK, content) => block = Some(Block::read(content)?),
                        (id::REFERENCE_BLOCK, _) => is_key = false,
                        (id::BLOCK_DURATION, content) => duration = Some(ebml::uint(content)?),
                        _ => {}
                    }
                }
                let block = block.ok_or(Fault::Rule("a BlockGroup has no Block"))?;
                self.take_block(block, is_key, duration, events)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_tracks(&mut self, content: &[u8], events: &mut Vec<DemuxEvent>) -> Result<(), Fault> {
        let (mut tracks, mut entries) = (Vec::new(), Vec::<Entry>::new());
        for child in Children(content) {
            let (id::TRACK_ENTRY, content) = child? else { continue };
            if entries.len() == MAX_TRACKS {
                return Err(DemuxError::TooManyTracks.into());
            }
            let (mut entry, track) = read_track(content)?;
            if entries.iter().any(|other| other.number == entry.number) {
                return Err(Fault::Rule("two tracks have the same number"));
            }
            if let Some(track) = track {
                entry.index = Some(tracks.len());
                tracks.push(track);
            }
            entries.push(entry);
        }
        match &self.tracks {
            None => {
                self.tracks = Some(entries);
                events.push(DemuxEvent::Tracks(tracks));
            }
            Some(known) if *known == entries => {}
            Some(_) => return Err(DemuxError::TracksChanged.into()),
        }
        Ok(())
    }

    fn take_block(
        &self,
        block: Block<'_>,
        is_key: bool,
        duration: Option<u64>,
        events: &mut Vec<DemuxEvent>,
    ) -> Result<(), Fault> {
        let tracks = self.tracks.as_ref().ok_or(Fault::Rule("a block stands before the tracks"))?;
        let cluster = self.cluster.ok_or(Fault::Rule("a block stands before the time of its cluster"))?;
        let Some(entry) = tracks.iter().find(|entry| entry.number == block.track) else { return Ok(()) };
        let Some(track) = entry.index else { return Ok(()) };
        let is_key = is_key || entry.is_all_key;

        let scale = self.timestamp_scale_ns.unwrap_or(NANOS_PER_MILLI);
        let in_ns = |time: i64| time.checked_mul(scale).ok_or(Fault::Rule("a time is out of range"));
        let (mut frame_bytes, mut frames) = ([0; MAX_LACED], block.frames);
        let count = unlace(block.flags, &mut frames, &mut frame_bytes)?;
        let step_ns = match duration {
            _ if count == 1 => 0,
            _ if entry.default_duration_ns > 0 => entry.default_duration_ns,
            Some(duration) => in_ns(i64::try_from(duration)?)? / i64::try_from(count)?,
            None => 0,
        };
        let mut pts_ns = in_ns(cluster.saturating_add(block.relative_time.into()))?.saturating_sub(entry.delay_ns);
        for bytes in &frame_bytes[..count] {
            let (data, rest) = frames.split_at_checked(*bytes).ok_or(BAD_LACING)?;
            frames = rest;
            // A packet without bytes has nothing to be decoded.
            if !data.is_empty() {
                events.push(DemuxEvent::Packet(Packet { track, pts_ns, is_key, data: data.to_vec() }));
            }
            pts_ns = pts_ns.saturating_add(step_ns);
        }
        Ok(())
    }
}

fn check_head(content: &[u8]) -> Result<(), Fault> {
    for child in Children(content) {
        match child? {
            (id::DOC_TYPE, name) if !matches!(ebml::text(name).as_str(), "matroska" | "webm") => {
                return Err(DemuxError::NotMatroska.into());
            }
            (id::EBML_READ_VERSION, version) if ebml::uint(version)? > 1 => {
                return Err(DemuxError::NotMatroska.into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a `TrackEntry` says; without a track if it is neither video nor audio.
fn read_track(content: &[u8]) -> Result<(Entry, Option<Track>), Fault> {
    let (mut number, mut kind) = (0, 0);
    let (mut codec_id, mut private) = (String::new(), &[][..]);
    let (mut width, mut height) = (0, 0);
    let (mut sample_rate_hz, mut output_rate_hz, mut channels, mut bit_depth) = (8000, None, 1, 0);
    let (mut delay_ns, mut default_duration_ns, mut is_encoded) = (0, 0, false);
    for child in Children(content) {
        match child? {
            (id::TRACK_NUMBER, value) => number = ebml::uint(value)?,
            (id::TRACK_TYPE, value) => kind = ebml::uint(value)?,
            (id::CODEC_ID, value) => codec_id = ebml::text(value),
            (id::CODEC_PRIVATE, value) => private = value,
            (id::CODEC_DELAY, value) => delay_ns = i64::try_from(ebml::uint(value)?)?,
            (id::DEFAULT_DURATION, value) => default_duration_ns = i64::try_from(ebml::uint(value)?)?,
            (id::CONTENT_ENCODINGS, _) => is_encoded = true,
            (id::VIDEO, content) => {
                for child in Children(content) {
                    match child? {
                        (id::PIXEL_WIDTH, value) => width = u32::try_from(ebml::uint(value)?)?,
                        (id::PIXEL_HEIGHT, value) => height = u32::try_from(ebml::uint(value)?)?,
                        _ => {}
                    }
                }
            }
            (id::AUDIO, content) => {
                for child in Children(content) {
                    match child? {
                        (id::SAMPLING_FREQUENCY, value) => sample_rate_hz = rate_hz(value)?,
                        (id::OUTPUT_SAMPLING_FREQUENCY, value) => output_rate_hz = Some(rate_hz(value)?),
                        (id::CHANNELS, value) => channels = u16::try_from(ebml::uint(value)?)?,
                        (id::BIT_DEPTH, value) => bit_depth = u16::try_from(ebml::uint(value)?)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if number == 0 {
        return Err(Fault::Rule("a track has no number"));
    }
    let shape = match kind {
        VIDEO_TRACK => Some(Shape::Video { width, height }),
        AUDIO_TRACK => Some(Shape::Audio { sample_rate_hz: output_rate_hz.unwrap_or(sample_rate_hz), channels }),
        _ => None,
    };
    if shape.is_some() && is_encoded {
        return Err(DemuxError::Encoded.into());
    }
    let track = shape.map(|shape| Track { codec: codec(codec_id, private.to_vec(), bit_depth), shape });
    let is_all_key = kind == AUDIO_TRACK || track.as_ref().is_some_and(|track| track.codec == Codec::Jpeg);
    Ok((Entry { number, index: None, is_all_key, delay_ns, default_duration_ns }, track))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
fn rate_hz(content: &[u8]) -> Result<u32, Fault> {
    let rate_hz = ebml::float(content)?.round();
    if (1.0..10_000_000.0).contains(&rate_hz) {
        Ok(rate_hz as u32)
    } else {
        Err(Fault::Rule("a sampling frequency is out of range"))
    }
}

/// A `Block` or `SimpleBlock`: their content has the same form.
#[derive(Clone, Copy)]
struct Block<'a> {
    track: u64,
    /// To its cluster, in units of the scale.
    relative_time: i16,
    flags: u8,
    /// One frame, or several behind their lengths.
    frames: &'a [u8],
}

impl<'a> Block<'a> {
    fn read(content: &'a [u8]) -> Result<Self, Fault> {
        const SHORT: Fault = Fault::Rule("a block is shorter than its head");
        let (track, number_bytes) = read_number(content)?.ok_or(SHORT)?;
        let track = track.ok_or(Fault::Rule("a block has no track"))?;
        let (head, frames) = content[number_bytes..].split_first_chunk().ok_or(SHORT)?;
        let [high, low, flags] = *head;
        Ok(Self { track, relative_time: i16::from_be_bytes([high, low]), flags, frames })
    }
}

/// Frames in a block: their number less one is a byte.
const MAX_LACED: usize = 256;

const BAD_LACING: Fault = Fault::Rule("the lengths of laced frames do not fit their block");

/// Takes the lengths of a block's frames from before them, and returns how many frames there are.
fn unlace(flags: u8, frames: &mut &[u8], frame_bytes: &mut [usize; MAX_LACED]) -> Result<usize, Fault> {
    let lacing = flags >> 1 & 3;
    if lacing == 0 {
        frame_bytes[0] = frames.len();
        return Ok(1);
    }
    let last = usize::from(take_byte(frames)?);
    let lengths = &mut frame_bytes[..=last];
    match lacing {
        // Xiph: bytes of 255, and one that is less.
        1 => {
            for length in &mut lengths[..last] {
                loop {
                    let byte = take_byte(frames)?;
                    *length += usize::from(byte);
                    if byte < 255 {
                        break;
                    }
                }
            }
        }
        // Fixed: all alike.
        2 => {
            if !frames.len().is_multiple_of(last + 1) {
                return Err(BAD_LACING);
            }
            lengths.fill(frames.len() / (last + 1));
            return Ok(last + 1);
        }
        // EBML: a number, then differences with half their range below 0.
        _ => {
            let mut before = 0_i64;
            for (nth, length) in lengths[..last].iter_mut().enumerate() {
                let (number, number_bytes) = read_number(frames)?.ok_or(BAD_LACING)?;
                let number = i64::try_from(number.ok_or(BAD_LACING)?)?;
                let bias = if nth == 0 { 0 } else { (1_i64 << (7 * number_bytes - 1)) - 1 };
                before += number - bias;
                *length = usize::try_from(before).ok().filter(|length| *length <= frames.len()).ok_or(BAD_LACING)?;
                *frames = &frames[number_bytes..];
            }
        }
    }
    // Each is at most as long as a block.
    lengths[last] = frames.len().checked_sub(lengths[..last].iter().sum()).ok_or(BAD_LACING)?;
    Ok(last + 1)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Fault> {
    let (first, rest) = bytes.split_first().ok_or(BAD_LACING)?;
    *bytes = rest;
    Ok(*first)
}
