//! Writes one segment.

use chrono::{DateTime, Utc};

use super::codec::coding;
use super::{AUDIO_TRACK, NANOS_PER_MILLI, VIDEO_TRACK};
use crate::media::ebml::{self, id};
use crate::media::ebml::{long_number, put_binary, put_id, put_master, put_number, put_text, put_uint, put_void};
use crate::media::{Codec, Muxer, Packet, Patch, Shape, Track};

/// Who wrote it.
const APP: &str = concat!("footage ", env!("CARGO_PKG_VERSION"));

/// The seconds from 1970 to 2001, from which `DateUTC` counts.
const EPOCH_2001: i64 = 978_307_200;

/// Of the whole `SeekHead`: `Info`, `Tracks` and `Cues`, or what means nothing in place of the last.
const SEEK_HEAD_BYTES: u64 = 68;
const SEEK_BYTES: usize = 21;

/// Of a `Duration` with its ID and length.
const DURATION_BYTES: usize = 11;

/// Key frames that are nearer to the one before get no entry in the index: those of JPEG would make it large.
const MIN_CUE_STEP_MS: i64 = 1000;

/// A last frame is shown as long as the one before it, but not longer than this: before it there may be a gap.
const MAX_LAST_STEP_NS: i64 = 1_000_000_000;

/// Writes Matroska: a cluster of known size for each [`flush`](Muxer::flush), and one that begins with each key frame.
///
/// After a flush every packet plays. Times are rounded to milliseconds.
#[derive(Debug)]
pub struct MkvMuxer {
    tracks: Vec<TrackState>,
    /// The one whose key frames are in the index.
    cue_track: usize,
    /// Of what has been appended since the file began.
    written_bytes: u64,
    /// Where the length of `Segment` stands, and where what it holds begins: positions count from there.
    segment_length_at: u64,
    segment_at: u64,
    info_position: u64,
    tracks_position: u64,
    /// Where room is for the `Duration`.
    duration_at: u64,
    /// The time of the cluster that is being filled.
    cluster_ms: i64,
    /// Its blocks.
    blocks: Vec<u8>,
    /// The entries of the index, as they will be written.
    cues: Vec<u8>,
    last_cue_ms: Option<i64>,
}

#[derive(Debug)]
struct TrackState {
    is_video: bool,
    delay_ns: i64,
    /// The latest time, and the latest before that.
    last_ns: Option<i64>,
    before_last_ns: Option<i64>,
}

impl TrackState {
    fn new(track: &Track) -> Self {
        let delay_ns = i64::try_from(coding(track).delay_ns).unwrap_or(0);
        let is_video = matches!(track.shape, Shape::Video { .. });
        Self { is_video, delay_ns, last_ns: None, before_last_ns: None }
    }

    fn saw(&mut self, pts_ns: i64) {
        if self.last_ns.is_none_or(|last| pts_ns > last) {
            self.before_last_ns = self.last_ns.replace(pts_ns);
        } else if self.last_ns != Some(pts_ns) && self.before_last_ns.is_none_or(|before| pts_ns > before) {
            self.before_last_ns = Some(pts_ns);
        }
    }

    /// When its last frame has been shown.
    fn end_ns(&self) -> Option<i64> {
        let last = self.last_ns?;
        let step = self.before_last_ns.map_or(0, |before| last.saturating_sub(before).min(MAX_LAST_STEP_NS));
        Some(last.saturating_add(step))
    }
}

impl MkvMuxer {
    /// Appends the head of a file. `start` is when its time 0 was.
    pub fn new(tracks: &[Track], start: DateTime<Utc>, out: &mut Vec<u8>) -> Self {
        let from = out.len();
        let at = |out: &Vec<u8>| (out.len() - from) as u64;
        put_ebml_head(out);
        put_id(out, id::SEGMENT);
        let segment_length_at = at(out);
        out.extend(ebml::UNKNOWN_LENGTH);
        let segment_at = at(out);

        let info_position = SEEK_HEAD_BYTES;
        let mut info = Vec::new();
        let duration_in_info = put_info(&mut info, start);
        let tracks_position = info_position + info.len() as u64;
        put_seek_head(out, [(id::INFO, info_position), (id::TRACKS, tracks_position)], None);
        let duration_at = at(out) + duration_in_info;
        out.append(&mut info);
        put_master(out, id::TRACKS, |out| {
            for (number, track) in (1..).zip(tracks) {
                put_master(out, id::TRACK_ENTRY, |out| put_track(out, number, track));
            }
        });
        let states: Vec<TrackState> = tracks.iter().map(TrackState::new).collect();
        Self {
            cue_track: states.iter().position(|track| track.is_video).unwrap_or(0),
            tracks: states,
            written_bytes: at(out),
            segment_length_at,
            segment_at,
            info_position,
            tracks_position,
            duration_at,
            cluster_ms: 0,
            blocks: Vec::new(),
            cues: Vec::new(),
            last_cue_ms: None,
        }
    }

    /// Where the next element will stand.
    fn position(&self) -> u64 {
        self.written_bytes - self.segment_at
    }

    /// Appends the cluster that is being filled.
    fn close_cluster(&mut self, out: &mut Vec<u8>) {
        if self.blocks.is_empty() {
            return;
        }
        let from = out.len();
        let mut timestamp = Vec::with_capacity(10);
        put_uint(&mut timestamp, id::TIMESTAMP, self.cluster_ms.unsigned_abs());
        put_id(out, id::CLUSTER);
        put_number(out, (timestamp.len() + self.blocks.len()) as u64);
        out.append(&mut timestamp);
        // Its room is not kept: hundreds of these live in one process, each filled a few times a second.
        out.extend_from_slice(&std::mem::take(&mut self.blocks));
        self.written_bytes += (out.len() - from) as u64;
    }

    /// The next cluster begins with a block of `time_ms`.
    fn open_cluster(&mut self, time_ms: i64, packet: &Packet) {
        // Only a block's time may be below 0.
        self.cluster_ms = time_ms.max(0);
        let is_far = self.last_cue_ms.is_none_or(|last| time_ms.saturating_sub(last) >= MIN_CUE_STEP_MS);
        if packet.is_key && packet.track == self.cue_track && is_far {
            self.last_cue_ms = Some(time_ms);
            let position = self.position();
            put_master(&mut self.cues, id::CUE_POINT, |out| {
                put_uint(out, id::CUE_TIME, time_ms.max(0).unsigned_abs());
                put_master(out, id::CUE_TRACK_POSITIONS, |out| {
                    put_uint(out, id::CUE_TRACK, packet.track as u64 + 1);
                    put_uint(out, id::CUE_CLUSTER_POSITION, position);
                });
            });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a segment lasts less than 2^53 ns: a hundred days")]
    fn duration(&self) -> Option<Patch> {
        let end_ns = self.tracks.iter().filter_map(TrackState::end_ns).max()?;
        let mut bytes = Vec::with_capacity(DURATION_BYTES);
        ebml::put_float(&mut bytes, id::DURATION, end_ns as f64 / NANOS_PER_MILLI as f64);
        (end_ns > 0).then_some(Patch { offset_bytes: self.duration_at, bytes })
    }
}

impl Muxer for MkvMuxer {
    /// A packet of no track is left out.
    fn push(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let Some(track) = self.tracks.get_mut(packet.track) else { return };
        track.saw(packet.pts_ns);
        let time_ms = rounded_ms(packet.pts_ns.saturating_add(track.delay_ns));
        let begins_cluster = track.is_video && packet.is_key;
        let fits = i16::try_from(time_ms - self.cluster_ms).is_ok();
        if begins_cluster || !fits {
            self.close_cluster(out);
        }
        if self.blocks.is_empty() {
            self.open_cluster(time_ms, packet);
        }
        let relative_ms = i16::try_from(time_ms - self.cluster_ms).unwrap_or(i16::MIN);
        let number = packet.track as u64 + 1;
        put_id(&mut self.blocks, id::SIMPLE_BLOCK);
        put_number(&mut self.blocks, (ebml::number_len(number) + 3 + packet.data.len()) as u64);
        put_number(&mut self.blocks, number);
        self.blocks.extend(relative_ms.to_be_bytes());
        self.blocks.push(if packet.is_key { 0x80 } else { 0 });
        self.blocks.extend_from_slice(&packet.data);
    }

    /// Closes the cluster: all packets play.
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.close_cluster(out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        self.close_cluster(out);
        let mut patches = Vec::new();
        if !self.cues.is_empty() {
            let mut seek_head = Vec::with_capacity(SEEK_BYTES * 4);
            let known = [(id::INFO, self.info_position), (id::TRACKS, self.tracks_position)];
            put_seek_head(&mut seek_head, known, Some(self.position()));
            patches.push(Patch { offset_bytes: self.segment_at, bytes: seek_head });
            let from = out.len();
            put_binary(out, id::CUES, &self.cues);
            self.written_bytes += (out.len() - from) as u64;
            self.cues = Vec::new();
        }
        patches.extend(self.duration());
        patches.push(Patch { offset_bytes: self.segment_length_at, bytes: long_number(self.position()).to_vec() });
        patches
    }
}

/// To the nearest millisecond.
fn rounded_ms(ns: i64) -> i64 {
    ns.saturating_add(NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI)
}

fn put_ebml_head(out: &mut Vec<u8>) {
    put_master(out, id::EBML, |out| {
        put_uint(out, id::EBML_VERSION, 1);
        put_uint(out, id::EBML_READ_VERSION, 1);
        put_uint(out, id::EBML_MAX_ID_LENGTH, 4);
        put_uint(out, id::EBML_MAX_SIZE_LENGTH, 8);
        put_text(out, id::DOC_TYPE, "matroska");
        // CodecDelay and SeekPreRoll came with 4, SimpleBlock with 2.
        put_uint(out, id::DOC_TYPE_VERSION, 4);
        put_uint(out, id::DOC_TYPE_READ_VERSION, 2);
    });
}

/// Appends `SeekHead`, always of [`SEEK_HEAD_BYTES`].
fn put_seek_head(out: &mut Vec<u8>, known: [(u32, u64); 2], cues_position: Option<u64>) {
    let cues = cues_position.map(|position| (id::CUES, position));
    put_master(out, id::SEEK_HEAD, |out| {
        for (id, position) in known.into_iter().chain(cues) {
            put_master(out, id::SEEK, |out| {
                put_binary(out, id::SEEK_ID, &id.to_be_bytes());
                put_binary(out, id::SEEK_POSITION, &position.to_be_bytes());
            });
        }
        if cues.is_none() {
            put_void(out, SEEK_BYTES);
        }
    });
}

/// Appends `Info`, and says where in it room is for the `Duration`.
fn put_info(out: &mut Vec<u8>, start: DateTime<Utc>) -> u64 {
    let mut content = Vec::new();
    put_uint(&mut content, id::TIMESTAMP_SCALE, NANOS_PER_MILLI.unsigned_abs());
    let duration_in_content = content.len();
    put_void(&mut content, DURATION_BYTES);
    let since_2001 = start.signed_duration_since(DateTime::from_timestamp(EPOCH_2001, 0).unwrap_or_default());
    if let Some(nanos) = since_2001.num_nanoseconds() {
        put_binary(&mut content, id::DATE_UTC, &nanos.to_be_bytes());
    }
    put_text(&mut content, id::MUXING_APP, APP);
    put_text(&mut content, id::WRITING_APP, APP);
    put_binary(out, id::INFO, &content);
    (out.len() - content.len() + duration_in_content) as u64
}

fn put_track(out: &mut Vec<u8>, number: u64, track: &Track) {
    let coding = coding(track);
    put_uint(out, id::TRACK_NUMBER, number);
    put_uint(out, id::TRACK_UID, number);
    put_uint(out, id::TRACK_TYPE, if matches!(track.shape, Shape::Video { .. }) { VIDEO_TRACK } else { AUDIO_TRACK });
    put_uint(out, id::FLAG_LACING, 0);
    put_text(out, id::LANGUAGE, "und");
    put_text(out, id::CODEC_ID, coding.id);
    if !coding.private.is_empty() {
        put_binary(out, id::CODEC_PRIVATE, &coding.private);
    }
    for (id, value) in [(id::CODEC_DELAY, coding.delay_ns), (id::SEEK_PRE_ROLL, coding.seek_pre_roll_ns)] {
        if value > 0 || matches!(track.codec, Codec::Opus { .. }) {
            put_uint(out, id, value);
        }
    }
    match track.shape {
        Shape::Video { width, height } => put_master(out, id::VIDEO, |out| {
            // 0 is not allowed: a player then takes them from the frames.
            for (id, pixels) in [(id::PIXEL_WIDTH, width), (id::PIXEL_HEIGHT, height)] {
                if pixels > 0 {
                    put_uint(out, id, pixels.into());
                }
            }
        }),
        Shape::Audio { sample_rate_hz, channels } => put_master(out, id::AUDIO, |out| {
            ebml::put_float(out, id::SAMPLING_FREQUENCY, sample_rate_hz.into());
            put_uint(out, id::CHANNELS, channels.into());
            if coding.bit_depth > 0 {
                put_uint(out, id::BIT_DEPTH, coding.bit_depth.into());
            }
        }),
    }
}
