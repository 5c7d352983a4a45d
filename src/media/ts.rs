//! MPEG transport stream (ISO/IEC 13818-1): packets of 188 bytes that play from any tables on, and up to any packet.
//!
//! | PID | holds |
//! | --- | --- |
//! | 0 | PAT: where the PMT is |
//! | 0x1000 | PMT: the streams |
//! | 0x100 … | a track each; the first one carries the clock (PCR) |
//!
//! Tables are repeated in front of key frames and twice a second. A frame is written when it comes; audio at the next frame
//! or flush, several packets in one PES packet.
//!
//! **Decoding times**: frame i gets the (i − depth)-th smallest presentation time, so none is needed of a frame that has not
//! come. The depth stands in the SPS; where it does not, the first eight frames are held back to see it.
//!
//! Written by hand: the crate `mpeg2ts` 0.6 lays out single packets and sections, a tenth of this.

mod packets;

pub use packets::{PACKET_BYTES, SYNC_BYTE};

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::audio::AacConfig;
use super::nal::{self, ParameterSets, Standard};
use super::reorder::{Depth, ticks};
use super::{Codec, Muxer, Packet, Patch, Shape, Track};
use packets::{Pid, pes, tables};

/// Of presentation and decoding times.
const CLOCK_HZ: u32 = 90_000;
/// The segment begins so late in the stream that no time is negative, and that data precede their times.
const START_TICKS: i64 = 126_000;
/// By how much the clock is behind the decoding time of what it comes with: the time a player has to gather.
const CLOCK_LEAD_TICKS: i64 = 63_000;
/// Between tables, at most.
const TABLES_TICKS: i64 = 45_000;
/// Between the decoding times of frames in front of the first presentation time: a 30th of a second.
const STEP_TICKS: i64 = 3000;
/// A PES packet of audio ends when it holds so many bytes or lasts so long.
const MAX_AUDIO_BYTES: usize = 2048;
const MAX_AUDIO_TICKS: i64 = 18_000;
/// The length of a PES packet that states it has 16 bits.
const MAX_STATED_BYTES: usize = 65_000;

/// Whether a transport stream has a stream type or a registration for this codec that players know.
#[must_use]
pub fn holds(codec: &Codec) -> bool {
    Kind::of(codec).is_some()
}

/// Writes a transport stream.
pub struct TsMuxer {
    /// By track of the source; `None` for one that a transport stream does not hold.
    streams: Vec<Option<Stream>>,
    pat: Pid,
    pmt: Pid,
    /// Which track carries the clock and brings tables with it.
    clock_track: Option<usize>,
    tables_at: Option<i64>,
}

struct Stream {
    pid: Pid,
    kind: Kind,
    sample_rate_hz: u32,
}

enum Kind {
    Video(Video),
    Aac(AacConfig, Gathered),
    Mpeg(Gathered),
    Opus { channels: u8, gathered: Gathered },
}

struct Video {
    standard: Standard,
    /// With start codes.
    parameter_sets: Vec<u8>,
    depth: Depth,
    /// Until the depth is known.
    held: Vec<Packet>,
    /// Presentation times that are no decoding times yet.
    open_times: BinaryHeap<Reverse<i64>>,
    last_dts: Option<i64>,
}

/// Audio that waits for the next frame.
#[derive(Default)]
struct Gathered {
    pts: i64,
    bytes: Vec<u8>,
}

impl Kind {
    fn of(codec: &Codec) -> Option<Self> {
        match codec {
            Codec::H264 { .. } | Codec::H265 { .. } => {
                let (standard, config) = Standard::of(codec)?;
                let sets = ParameterSets::from_config(standard, config);
                let mut parameter_sets = Vec::new();
                sets.iter().flat_map(ParameterSets::units).for_each(|unit| push_start_code(&mut parameter_sets, unit));
                Some(Self::Video(Video {
                    standard,
                    parameter_sets,
                    depth: Depth::of(codec),
                    held: Vec::new(),
                    open_times: BinaryHeap::new(),
                    last_dts: None,
                }))
            }
            // An ADTS header has a number for its rate, and no place for another one.
            Codec::Aac { config } => AacConfig::parse(config)
                .filter(|aac| aac.rate_index != 15 && aac.channels < 8)
                .map(|aac| Self::Aac(aac, Gathered::default())),
            Codec::Mp2 | Codec::Mp3 => Some(Self::Mpeg(Gathered::default())),
            // Mapping families 0 and 1: the channel configuration is their number.
            Codec::Opus { head } => match (head.get(9), head.get(18)) {
                (Some(channels @ 1..=8), Some(0 | 1)) => {
                    Some(Self::Opus { channels: *channels, gathered: Gathered::default() })
                }
                _ => None,
            },
            Codec::Jpeg
            | Codec::ALaw
            | Codec::MuLaw
            | Codec::G722
            | Codec::G726 { .. }
            | Codec::L16
            | Codec::Other { .. } => None,
        }
    }
}

impl Stream {
    /// ISO/IEC 13818-1, table 2-34.
    fn stream_type(&self) -> u8 {
        match &self.kind {
            Kind::Video(Video { standard: Standard::H264, .. }) => 0x1B,
            Kind::Video(Video { standard: Standard::H265, .. }) => 0x24,
            Kind::Aac(..) => 0x0F,
            // MPEG-2 has the lower rates.
            Kind::Mpeg(_) if self.sample_rate_hz <= 24_000 => 0x04,
            Kind::Mpeg(_) => 0x03,
            Kind::Opus { .. } => 0x06,
        }
    }

    /// Players know a private stream by its registration; ETSI TS 103 491 adds the channels.
    fn descriptors(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Opus { channels, .. } => [&[5, 4][..], b"Opus", &[0x7F, 2, 0x80, *channels]].concat(),
            _ => Vec::new(),
        }
    }

    fn gathered(&mut self) -> Option<&mut Gathered> {
        match &mut self.kind {
            Kind::Video(_) => None,
            Kind::Aac(_, gathered) | Kind::Mpeg(gathered) | Kind::Opus { gathered, .. } => Some(gathered),
        }
    }
}

impl TsMuxer {
    /// Appends the tables of a stream with `tracks`, but for those that it does not [hold](holds).
    #[must_use]
    pub fn new(tracks: &[Track], out: &mut Vec<u8>) -> Self {
        let streams: Vec<_> = (0x100..0x1000_u16)
            .zip(tracks)
            .map(|(pid, track)| {
                let sample_rate_hz = match track.shape {
                    Shape::Audio { sample_rate_hz, .. } => sample_rate_hz,
                    Shape::Video { .. } => 0,
                };
                Some(Stream { pid: Pid::new(pid), kind: Kind::of(&track.codec)?, sample_rate_hz })
            })
            .collect();
        let is_video = |stream: &Option<Stream>| matches!(stream, Some(Stream { kind: Kind::Video(_), .. }));
        let clock_track = streams.iter().position(is_video).or_else(|| streams.iter().position(Option::is_some));
        let mut muxer = Self { streams, pat: Pid::new(0), pmt: Pid::new(0x1000), clock_track, tables_at: None };
        muxer.tables(out);
        muxer
    }

    fn tables(&mut self, out: &mut Vec<u8>) {
        let clock_pid =
            self.clock_track.and_then(|track| self.streams[track].as_ref()).map_or(0x1FFF, |stream| stream.pid.number);
        let streams: Vec<_> = self
            .streams
            .iter()
            .flatten()
            .map(|stream| (stream.stream_type(), stream.pid.number, stream.descriptors()))
            .collect();
        tables(out, &mut self.pat, &mut self.pmt, clock_pid, &streams);
    }

    /// Tables, if they are due.
    fn tables_for(&mut self, pts: i64, is_key: bool, out: &mut Vec<u8>) {
        let is_due = self.tables_at.is_none_or(|at| is_key || (pts - at).abs() >= TABLES_TICKS);
        if is_due {
            // The first ones are there already.
            if self.tables_at.is_some() {
                self.tables(out);
            }
            self.tables_at = Some(pts);
        }
    }

    fn push_video(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let Some(Some(Stream { kind: Kind::Video(video), .. })) = self.streams.get_mut(packet.track) else { return };
        video.depth.note(ticks(packet.pts_ns, CLOCK_HZ));
        if video.depth.known().is_none() {
            video.held.push(packet.clone());
            return;
        }
        self.release(packet.track, out);
        self.write_video(packet, out);
    }

    /// Writes the frames that waited for the depth.
    fn release(&mut self, track: usize, out: &mut Vec<u8>) {
        let Some(Some(Stream { kind: Kind::Video(video), .. })) = self.streams.get_mut(track) else { return };
        for packet in std::mem::take(&mut video.held) {
            self.write_video(&packet, out);
        }
    }

    fn write_video(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let pts = START_TICKS.saturating_add(ticks(packet.pts_ns, CLOCK_HZ));
        let has_clock = self.clock_track == Some(packet.track);
        if has_clock {
            self.write_audio(out);
            self.tables_for(pts, packet.is_key, out);
        }
        let Some(Some(Stream { kind: Kind::Video(video), pid, .. })) = self.streams.get_mut(packet.track) else {
            return;
        };
        let dts = video.dts(pts);
        let clock = has_clock.then(|| dts - CLOCK_LEAD_TICKS);
        let payload = video.annex_b(packet);
        pes(out, pid, 0xE0, (pts, Some(dts).filter(|dts| *dts != pts)), clock, packet.is_key, &payload);
    }

    fn push_audio(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let pts = START_TICKS.saturating_add(ticks(packet.pts_ns, CLOCK_HZ));
        let Some(Some(stream)) = self.streams.get_mut(packet.track) else { return };
        let Some(framed) = stream.kind.framed(&packet.data) else { return };
        let is_full = stream.gathered().is_some_and(|gathered| {
            gathered.bytes.len() + framed.len() > MAX_AUDIO_BYTES || (pts - gathered.pts).abs() > MAX_AUDIO_TICKS
        });
        if is_full {
            self.write_audio(out);
        }
        let Some(gathered) = self.streams[packet.track].as_mut().and_then(Stream::gathered) else { return };
        if gathered.bytes.is_empty() {
            gathered.pts = pts;
        }
        gathered.bytes.extend(framed);
    }

    fn write_audio(&mut self, out: &mut Vec<u8>) {
        for track in 0..self.streams.len() {
            let Some(gathered) = self.streams[track].as_mut().and_then(Stream::gathered) else { continue };
            let Gathered { pts, bytes } = std::mem::take(gathered);
            if bytes.is_empty() {
                continue;
            }
            let has_clock = self.clock_track == Some(track);
            if has_clock {
                self.tables_for(pts, false, out);
            }
            let Some(stream) = &mut self.streams[track] else { continue };
            let id = if matches!(stream.kind, Kind::Opus { .. }) { 0xBD } else { 0xC0 };
            let clock = has_clock.then(|| pts - CLOCK_LEAD_TICKS);
            pes(out, &mut stream.pid, id, (pts, None), clock, true, &bytes);
        }
    }
}

impl Muxer for TsMuxer {
    fn push(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let Some(Some(stream)) = self.streams.get(packet.track) else { return };
        if packet.data.is_empty() {
            return;
        }
        match stream.kind {
            Kind::Video(_) => self.push_video(packet, out),
            _ => self.push_audio(packet, out),
        }
    }

    /// Every packet plays, but for the first eight frames of a stream whose SPS does not state its depth.
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.write_audio(out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        for track in 0..self.streams.len() {
            self.release(track, out);
        }
        self.write_audio(out);
        Vec::new()
    }
}

impl Video {
    fn dts(&mut self, pts: i64) -> i64 {
        self.open_times.push(Reverse(pts));
        let depth = self.depth.so_far();
        let due = if self.open_times.len() > depth { self.open_times.pop() } else { None };
        let dts = match (due, self.last_dts) {
            (Some(Reverse(due)), _) => due,
            (None, Some(last)) => last + STEP_TICKS,
            (None, None) => pts - i64::try_from(depth).unwrap_or(0) * STEP_TICKS,
        };
        // A stream that is deeper than stated: later than the one before, and no later than it is shown, as far as it goes.
        let dts = self.last_dts.map_or(dts.min(pts), |last| dts.min(pts).max(last + 1));
        self.last_dts = Some(dts);
        dts
    }

    /// With start codes, a delimiter in front and the parameter sets in front of a key frame.
    fn annex_b(&self, packet: &Packet) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(packet.data.len() + self.parameter_sets.len() + 64);
        match self.standard {
            Standard::H264 => push_start_code(&mut bytes, &[9, 0xF0]),
            Standard::H265 => push_start_code(&mut bytes, &[35 << 1, 1, 0x50]),
        }
        if packet.is_key {
            bytes.extend(&self.parameter_sets);
        }
        for unit in nal::units(&packet.data).filter(|unit| !self.standard.is_delimiter(unit)) {
            push_start_code(&mut bytes, unit);
        }
        bytes
    }
}

fn push_start_code(bytes: &mut Vec<u8>, unit: &[u8]) {
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(unit);
}

impl Kind {
    /// An access unit of audio with what a transport stream puts in front; `None` for one that is too long for it.
    fn framed(&self, data: &[u8]) -> Option<Vec<u8>> {
        let head = match self {
            Self::Aac(aac, _) => adts(*aac, data.len())?,
            Self::Opus { .. } => opus_control(data.len()),
            Self::Mpeg(_) | Self::Video(_) => Vec::new(),
        };
        (data.len() < MAX_STATED_BYTES).then(|| [&head, data].concat())
    }
}

/// The header of a frame of AAC (ISO/IEC 13818-7, 6.2), whose length has 13 bits.
fn adts(aac: AacConfig, length: usize) -> Option<Vec<u8>> {
    let [.., l0, l1] = u16::try_from(length + 7).ok().filter(|length| *length < 1 << 13)?.to_be_bytes();
    // SBR and PS extend AAC-LC, which is what a header without them names.
    let profile = if (1..=4).contains(&aac.object_type) { aac.object_type - 1 } else { 1 };
    Some(vec![
        0xFF,
        0xF1,
        profile << 6 | aac.rate_index << 2 | aac.channels >> 2,
        aac.channels << 6 | l0 >> 3,
        l0 << 5 | l1 >> 3,
        l1 << 5 | 0x1F,
        0xFC,
    ])
}

/// The control header of an access unit of Opus (ETSI TS 103 491): its length in bytes of 255 and a last smaller one.
fn opus_control(length: usize) -> Vec<u8> {
    let mut head = vec![0x7F, 0xE0];
    head.resize(2 + length / 255, 0xFF);
    head.push(u8::try_from(length % 255).unwrap_or(0));
    head
}

#[cfg(test)]
mod tests;
