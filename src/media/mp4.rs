//! MP4 (ISO/IEC 14496-12): fragmented while the file is written, an ordinary one once it is closed.
//!
//! | while open | once closed |
//! | --- | --- |
//! | `ftyp` | `ftyp` |
//! | `free`, 16 bytes | the header of an `mdat`, which swallows all of this: |
//! | `moov` with `mvex`, no samples | … |
//! | `moof`, `mdat` for each fragment | … |
//! | | `moov` with every sample |
//!
//! So a file that was never closed plays as it is, but for a `moof` that is cut off at its end ([`playable_bytes`]), and
//! closing writes an index and sixteen bytes.
//!
//! **Decoding times** are the presentation times in order: the i-th frame that is decoded gets the i-th smallest of them. So
//! that no frame is shown before it is decoded, presentation is delayed, which an edit list takes back. The closed file has
//! the smallest delay that does. The `moov` of an open one waits for the first fragment, whose frames give it: with negative
//! composition offsets instead, which are allowed, ffmpeg shows the video of fragments later than their audio.
//!
//! **Fragments** end in front of key frames and at each flush. Of a group of pictures that goes on, a flush writes the frames
//! whose decoding time no later frame can change any more: all but the reordering depth of the stream.
//!
//! **Memory**: a fragment, and for the index four bytes a sample and eight for each run of equal durations or offsets.

mod boxes;
mod cut_off;
mod samples;

pub use cut_off::playable_bytes;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};

use super::audio::{AacConfig, mpeg_samples, opus_samples};
use super::reorder::{Depth, ticks};
use super::{Codec, Muxer, Packet, Patch, Shape, Track};
use boxes::{full, nested};
use samples::{Sample, Samples};

/// A fragment ends when its packets take so many bytes, or last so long, although no flush has come.
const MAX_FRAGMENT_BYTES: usize = 2 << 20;
const MAX_FRAGMENT_NS: i64 = 10_000_000_000;
/// Ticks of a video track in a second, and of the movie.
const VIDEO_CLOCK_HZ: u32 = 90_000;
/// What a frame lasts when nothing says it: a 25th of a second.
const FRAME_TICKS: u32 = 3600;
/// A delay of an open file that no stream needs: ten seconds.
const MAX_DELAY: u32 = 10 * VIDEO_CLOCK_HZ;
/// Where the `free` box begins: behind `ftyp`.
const FREE_AT: u64 = 36;

/// Whether players find a use for a track of this codec in an MP4: of uncompressed and telephone audio they do not.
#[must_use]
pub fn holds(codec: &Codec) -> bool {
    match codec {
        Codec::H264 { .. } | Codec::H265 { .. } | Codec::Jpeg | Codec::Mp2 | Codec::Mp3 => true,
        Codec::Aac { config } => AacConfig::parse(config).is_some(),
        Codec::Opus { head } => head.len() >= 19,
        Codec::ALaw | Codec::MuLaw | Codec::G722 | Codec::G726 { .. } | Codec::L16 | Codec::Other { .. } => false,
    }
}

/// Writes MP4.
pub struct Mp4Muxer {
    tracks: Vec<Writer>,
    /// Which of them each track of the source is; `None` for one that MP4 does not hold.
    indices: Vec<Option<usize>>,
    created: DateTime<Utc>,
    /// How long the file is.
    length_bytes: u64,
    /// Whether the `moov` of the open file is written.
    is_begun: bool,
    fragments: u32,
    held_bytes: usize,
    held_since_ns: Option<i64>,
}

/// A track and its packets that are not yet in a fragment.
struct Writer {
    track: Track,
    clock_hz: u32,
    /// Of a video track.
    depth: Option<Depth>,
    held: Vec<Held>,
    /// Presentation times of frames whose decoding times are open.
    open_times: BinaryHeap<Reverse<i64>>,
    /// The decoding time of the latest sample, and its expected duration.
    last: Option<(i64, u32)>,
    /// By how much presentation is delayed in the open file.
    delay: u32,
    samples: Samples,
}

struct Held {
    pts: i64,
    is_key: bool,
    data: Vec<u8>,
}

impl Mp4Muxer {
    /// Appends the head of a file that holds `tracks`, but for those that MP4 does not [hold](holds); `start` is written as
    /// its time of creation.
    #[must_use]
    pub fn new(tracks: &[Track], start: DateTime<Utc>, out: &mut Vec<u8>) -> Self {
        let mut writers = Vec::new();
        let indices = tracks
            .iter()
            .map(|track| {
                holds(&track.codec).then(|| {
                    writers.push(Writer::new(track));
                    writers.len() - 1
                })
            })
            .collect();
        let mut muxer = Self {
            tracks: writers,
            indices,
            created: start,
            length_bytes: 0,
            is_begun: false,
            fragments: 0,
            held_bytes: 0,
            held_since_ns: None,
        };
        let before = out.len();
        nested(out, *b"ftyp", |out| out.extend(b"isom\0\0\x02\0isomiso2iso6avc1mp41"));
        nested(out, *b"free", |out| out.extend([0; 8]));
        muxer.length_bytes = (out.len() - before) as u64;
        muxer
    }

    /// Appends a fragment with all audio, and of the video the frames whose decoding times are certain, or all of them.
    fn fragment(&mut self, all: bool, out: &mut Vec<u8>) {
        if !self.is_begun && !self.begin(all, out) {
            return;
        }
        let runs: Vec<Vec<Sample>> = self.tracks.iter_mut().map(|track| track.ready(all)).collect();
        if runs.iter().all(Vec::is_empty) {
            return;
        }
        self.fragments += 1;
        let before = out.len();
        let mut offset_places = Vec::new();
        nested(out, *b"moof", |out| {
            full(out, *b"mfhd", 0, 0, |out| out.extend(self.fragments.to_be_bytes()));
            for ((number, samples), delay) in (1_u32..).zip(&runs).zip(self.tracks.iter().map(|track| track.delay)) {
                let Some(first) = samples.first() else { continue };
                nested(out, *b"traf", |out| {
                    // Offsets count from the beginning of the `moof`.
                    full(out, *b"tfhd", 0, 0x02_0000, |out| out.extend(number.to_be_bytes()));
                    full(out, *b"tfdt", 1, 0, |out| out.extend(first.dts.to_be_bytes()));
                    // Each sample has a duration, a size, flags and a composition offset.
                    full(out, *b"trun", 1, 0x0F01, |out| {
                        out.extend(count(samples.len()).to_be_bytes());
                        offset_places.push(out.len());
                        out.extend([0; 4]);
                        for sample in samples {
                            let flags: u32 = if sample.is_key { 0x0200_0000 } else { 0x0101_0000 };
                            out.extend(sample.duration.to_be_bytes());
                            out.extend(count(sample.data.len()).to_be_bytes());
                            out.extend(flags.to_be_bytes());
                            out.extend(sample.offset.saturating_add_unsigned(delay).to_be_bytes());
                        }
                    });
                });
            }
        });
        nested(out, *b"mdat", |out| {
            let mut places = offset_places.iter();
            for (track, samples) in self.tracks.iter_mut().zip(&runs).filter(|(_, samples)| !samples.is_empty()) {
                let offset = out.len() - before;
                if let Some(place) = places.next() {
                    out[*place..*place + 4].copy_from_slice(&count(offset).to_be_bytes());
                }
                track.samples.add(self.length_bytes + offset as u64, samples);
                for sample in samples {
                    out.extend(&sample.data);
                }
            }
        });
        self.length_bytes += (out.len() - before) as u64;
        self.held_bytes = self.tracks.iter().flat_map(|track| &track.held).map(|held| held.data.len()).sum();
        self.held_since_ns = None;
    }

    /// Writes the `moov` as soon as the delay of the video is known: whether it is.
    fn begin(&mut self, all: bool, out: &mut Vec<u8>) -> bool {
        let is_full = all || self.held_bytes > MAX_FRAGMENT_BYTES;
        if !is_full && self.tracks.iter().any(|track| track.is_video() && track.certain() == 0) {
            return false;
        }
        for track in &mut self.tracks {
            track.set_delay();
        }
        let before = out.len();
        self.moov(out, true);
        self.length_bytes += (out.len() - before) as u64;
        self.is_begun = true;
        true
    }

    fn moov(&self, out: &mut Vec<u8>, is_open: bool) {
        // What never came is not announced by a closed file.
        let tracks: Vec<_> = (1_u32..)
            .zip(&self.tracks)
            .filter(|(_, track)| is_open || !track.samples.is_empty())
            .map(|(number, track)| boxes::TrackBox {
                number,
                track: &track.track,
                clock_hz: track.clock_hz,
                samples: &track.samples,
                last_ticks: track.last.map_or(0, |(_, ticks)| ticks),
                delay: if is_open { track.delay } else { track.samples.delay_ticks() },
            })
            .collect();
        boxes::moov(out, self.created, &tracks, is_open);
    }
}

impl Muxer for Mp4Muxer {
    fn push(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let Some(index) = self.indices.get(packet.track).copied().flatten() else { return };
        if packet.data.is_empty() {
            return;
        }
        let is_video = self.tracks[index].is_video();
        let is_over = self.held_bytes > MAX_FRAGMENT_BYTES
            || self.held_since_ns.is_some_and(|since| packet.pts_ns.saturating_sub(since) > MAX_FRAGMENT_NS);
        if (is_video && packet.is_key && !self.tracks[index].held.is_empty()) || is_over {
            self.fragment(is_video && packet.is_key, out);
        }
        self.held_bytes += packet.data.len();
        self.held_since_ns.get_or_insert(packet.pts_ns);
        self.tracks[index].hold(packet);
    }

    /// All audio plays, and the video up to the last frame or, with B-frames, to as many before it as they are reordered by.
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.fragment(false, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        self.fragment(true, out);
        let media_bytes = self.length_bytes - FREE_AT;
        let before = out.len();
        self.moov(out, false);
        self.length_bytes += (out.len() - before) as u64;
        let mut header = Vec::with_capacity(16);
        header.extend([0, 0, 0, 1]);
        header.extend(b"mdat");
        header.extend(media_bytes.to_be_bytes());
        vec![Patch { offset_bytes: FREE_AT, bytes: header }]
    }
}

impl Writer {
    fn new(track: &Track) -> Self {
        let clock_hz = match track.shape {
            Shape::Video { .. } => VIDEO_CLOCK_HZ,
            // RFC 7845: Opus counts 48,000 whatever goes in.
            Shape::Audio { .. } if matches!(track.codec, Codec::Opus { .. }) => 48_000,
            Shape::Audio { sample_rate_hz, .. } => sample_rate_hz.max(1),
        };
        Self {
            track: track.clone(),
            clock_hz,
            depth: matches!(track.shape, Shape::Video { .. }).then(|| Depth::of(&track.codec)),
            held: Vec::new(),
            open_times: BinaryHeap::new(),
            last: None,
            delay: 0,
            samples: Samples::default(),
        }
    }

    fn hold(&mut self, packet: &Packet) {
        let pts = ticks(packet.pts_ns, self.clock_hz).max(0);
        if let Some(depth) = &mut self.depth {
            depth.note(pts);
            self.open_times.push(Reverse(pts));
        }
        self.held.push(Held { pts, is_key: packet.is_key, data: packet.data.clone() });
    }

    fn is_video(&self) -> bool {
        self.depth.is_some()
    }

    /// How many of the held packets have decoding times that no later packet changes.
    fn certain(&self) -> usize {
        match &self.depth {
            Some(depth) => depth.known().map_or(0, |depth| self.held.len().saturating_sub(depth)),
            None => self.held.len(),
        }
    }

    /// A frame is late by its depth, in the longest intervals seen.
    fn set_delay(&mut self) {
        let depth = self.depth.as_ref().map_or(0, Depth::so_far);
        let mut times: Vec<i64> = self.held.iter().map(|held| held.pts).collect();
        times.sort_unstable();
        let interval = times.windows(2).map(|pair| difference(pair[0], pair[1])).max().unwrap_or(FRAME_TICKS);
        self.delay = u32::try_from(depth).unwrap_or(0).saturating_mul(interval).min(MAX_DELAY);
    }

    /// The samples that a fragment can take.
    fn ready(&mut self, all: bool) -> Vec<Sample> {
        let count = if all { self.held.len() } else { self.certain() };
        let held: Vec<Held> = self.held.drain(..count).collect();
        let mut samples: Vec<Sample> = Vec::with_capacity(count);
        for Held { pts, is_key, data } in held {
            let (dts, shift) = if self.is_video() {
                let dts = self.video_dts();
                (dts, pts - dts)
            } else {
                (self.audio_dts(pts), 0)
            };
            if let Some(previous) = samples.last_mut() {
                previous.duration = difference(previous.dts, dts);
            }
            let before = self.last.map_or(FRAME_TICKS, |(last, _)| difference(last, dts));
            let duration = self.own_ticks(&data).unwrap_or(before);
            self.last = Some((dts, duration));
            let offset = i32::try_from(shift).unwrap_or(if shift < 0 { i32::MIN } else { i32::MAX });
            samples.push(Sample { dts, duration, offset, is_key, data });
        }
        if let (Some(last), Some(Reverse(next))) = (samples.last_mut(), self.open_times.peek())
            && *next > last.dts
        {
            last.duration = difference(last.dts, *next);
        }
        samples
    }

    /// The smallest open one; later than the one before also where two frames are shown at the same time.
    fn video_dts(&mut self) -> i64 {
        let smallest = self.open_times.pop().map_or(0, |Reverse(pts)| pts);
        self.last.map_or(smallest, |(last, _)| smallest.max(last + 1))
    }

    /// Time stamps that miss the end of the packet before by less than half a packet are rounded, or a slow clock.
    fn audio_dts(&self, pts: i64) -> i64 {
        let Some((last, duration)) = self.last else { return pts };
        let expected = last + i64::from(duration);
        let is_gap = (pts - expected).abs() > i64::from(duration / 2);
        if is_gap { pts.max(last + 1) } else { expected }
    }

    /// What a packet of audio lasts, where its codec says it.
    fn own_ticks(&self, data: &[u8]) -> Option<u32> {
        match &self.track.codec {
            Codec::Opus { .. } => opus_samples(data),
            Codec::Mp2 | Codec::Mp3 => mpeg_samples(data),
            // A frame of AAC has 1024 samples of its core.
            Codec::Aac { config } => AacConfig::parse(config)
                .and_then(|aac| u32::try_from(u64::from(self.clock_hz) * 1024 / u64::from(aac.rate_hz)).ok()),
            _ => None,
        }
    }
}

/// Of two decoding times.
fn difference(earlier: i64, later: i64) -> u32 {
    u32::try_from(later - earlier).unwrap_or(u32::MAX)
}

/// A count or size of a box: 32 bits.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
