//! Boxes: the `moov` with what is in it.

use chrono::{DateTime, Utc};

use super::samples::Samples;
use super::{AacConfig, VIDEO_CLOCK_HZ, count};
use crate::media::nal::{ParameterSets, Standard};
use crate::media::{Codec, Shape, Track};

/// From 1904, where times of MP4 begin, to 1970.
const UNIX_EPOCH_S: i64 = 2_082_844_800;
/// `mp4a` of MPEG audio: ISO/IEC 14496-1, table 5.
const OBJECT_AAC: u8 = 0x40;
const OBJECT_MPEG_AUDIO: u8 = 0x6B;
const OBJECT_MPEG2_AUDIO: u8 = 0x69;
const OBJECT_JPEG: u8 = 0x6C;
/// The matrix of a picture that is neither turned nor scaled.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// A track of a `moov`.
pub(super) struct TrackBox<'a> {
    /// From 1.
    pub(super) number: u32,
    pub(super) track: &'a Track,
    pub(super) clock_hz: u32,
    pub(super) samples: &'a Samples,
    /// How long the last sample lasts.
    pub(super) last_ticks: u32,
    /// By how much presentation is delayed.
    pub(super) delay: u32,
}

/// Appends a box with the given content.
pub(super) fn nested(out: &mut Vec<u8>, kind: [u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out);
    let size = count(out.len() - at);
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends one with a version and 24 bits of flags.
pub(super) fn full(out: &mut Vec<u8>, kind: [u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Vec<u8>)) {
    nested(out, kind, |out| {
        out.extend((u32::from(version) << 24 | flags).to_be_bytes());
        content(out);
    });
}

/// Appends the `moov`; with `is_open` one whose samples follow in fragments.
pub(super) fn moov(out: &mut Vec<u8>, created: DateTime<Utc>, tracks: &[TrackBox], is_open: bool) {
    let created = u32::try_from(created.timestamp() + UNIX_EPOCH_S).unwrap_or(0);
    let duration = tracks.iter().map(TrackBox::movie_ticks).max().unwrap_or(0);
    let next = tracks.iter().map(|track| track.number + 1).max().unwrap_or(1);
    nested(out, *b"moov", |out| {
        timed(out, *b"mvhd", 0, created, duration, &[VIDEO_CLOCK_HZ], |out| {
            // Rate 1, volume 1.
            words(out, &[0x1_0000, 0x0100_0000, 0, 0]);
            words(out, &UNITY);
            words(out, &[0; 6]);
            words(out, &[next]);
        });
        for track in tracks {
            track.trak(out, created);
        }
        if is_open {
            nested(out, *b"mvex", |out| {
                for track in tracks {
                    full(out, *b"trex", 0, 0, |out| words(out, &[track.number, 1, 0, 0, 0]));
                }
            });
        }
    });
}

/// A box with times of creation and change and a duration: of 64 bits only where 32 do not hold it, which older players lack.
fn timed(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    flags: u32,
    created: u32,
    duration: u64,
    between: &[u32],
    content: impl FnOnce(&mut Vec<u8>),
) {
    let narrow = u32::try_from(duration).ok();
    full(out, kind, u8::from(narrow.is_none()), flags, |out| {
        if let Some(duration) = narrow {
            words(out, &[created, created]);
            words(out, between);
            words(out, &[duration]);
        } else {
            words(out, &[0, created, 0, created]);
            words(out, between);
            out.extend(duration.to_be_bytes());
        }
        content(out);
    });
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend(word.to_be_bytes());
    }
}

fn halves(out: &mut Vec<u8>, halves: &[u16]) {
    for half in halves {
        out.extend(half.to_be_bytes());
    }
}

impl TrackBox<'_> {
    fn media_ticks(&self) -> u64 {
        if self.samples.is_empty() { 0 } else { self.samples.span_ticks() + u64::from(self.last_ticks) }
    }

    /// Of the track's clock in that of the movie.
    fn in_movie(&self, ticks: u64) -> u64 {
        let scaled = u128::from(ticks) * u128::from(VIDEO_CLOCK_HZ) / u128::from(self.clock_hz);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Nothing is shown from the beginning of the segment to the first sample.
    fn empty_ticks(&self) -> u64 {
        self.in_movie(u64::try_from(self.samples.first_dts).unwrap_or(0))
    }

    fn movie_ticks(&self) -> u64 {
        self.empty_ticks() + self.in_movie(self.media_ticks())
    }

    fn trak(&self, out: &mut Vec<u8>, created: u32) {
        let (is_video, width, height) = match self.track.shape {
            Shape::Video { .. } => {
                let (width, height) = self.size();
                (true, width, height)
            }
            Shape::Audio { .. } => (false, 0, 0),
        };
        nested(out, *b"trak", |out| {
            // Enabled, in the movie.
            timed(out, *b"tkhd", 3, created, self.movie_ticks(), &[self.number, 0], |out| {
                words(out, &[0, 0, 0]);
                halves(out, &[if is_video { 0 } else { 0x0100 }, 0]);
                words(out, &UNITY);
                words(out, &[u32::from(width) << 16, u32::from(height) << 16]);
            });
            self.edts(out);
            nested(out, *b"mdia", |out| {
                timed(out, *b"mdhd", 0, created, self.media_ticks(), &[self.clock_hz], |out| {
                    // The language `und`.
                    halves(out, &[0x55C4, 0]);
                });
                full(out, *b"hdlr", 0, 0, |out| {
                    words(out, &[0]);
                    out.extend(if is_video { *b"vide" } else { *b"soun" });
                    words(out, &[0; 3]);
                    out.extend(if is_video { b"VideoHandler\0" } else { b"AudioHandler\0" });
                });
                nested(out, *b"minf", |out| {
                    if is_video {
                        full(out, *b"vmhd", 0, 1, |out| words(out, &[0, 0]));
                    } else {
                        full(out, *b"smhd", 0, 0, |out| words(out, &[0]));
                    }
                    nested(out, *b"dinf", |out| {
                        full(out, *b"dref", 0, 0, |out| {
                            words(out, &[1]);
                            // In this file.
                            full(out, *b"url ", 0, 1, |_| {});
                        });
                    });
                    nested(out, *b"stbl", |out| self.stbl(out));
                });
            });
        });
    }

    /// What lines the tracks up: the time until the first sample, and the delay of decoding.
    fn edts(&self, out: &mut Vec<u8>) {
        let (empty, delay) = (self.empty_ticks(), self.delay);
        if empty == 0 && delay == 0 {
            return;
        }
        let shown = self.in_movie(self.media_ticks());
        let edits = [(empty, -1), (shown, i64::from(delay))];
        let edits = if empty == 0 { &edits[1..] } else { &edits };
        let is_narrow = edits.iter().all(|(ticks, _)| u32::try_from(*ticks).is_ok());
        nested(out, *b"edts", |out| {
            full(out, *b"elst", u8::from(!is_narrow), 0, |out| {
                words(out, &[count(edits.len())]);
                for (ticks, media_time) in edits {
                    if is_narrow {
                        out.extend(u32::try_from(*ticks).unwrap_or(u32::MAX).to_be_bytes());
                        out.extend(i32::try_from(*media_time).unwrap_or(0).to_be_bytes());
                    } else {
                        out.extend(ticks.to_be_bytes());
                        out.extend(media_time.to_be_bytes());
                    }
                    words(out, &[0x1_0000]);
                }
            });
        });
    }

    fn stbl(&self, out: &mut Vec<u8>) {
        let samples = self.samples;
        full(out, *b"stsd", 0, 0, |out| {
            words(out, &[1]);
            match self.track.shape {
                Shape::Video { .. } => self.visual_entry(out),
                Shape::Audio { sample_rate_hz, channels } => self.audio_entry(out, sample_rate_hz, channels),
            }
        });
        full(out, *b"stts", 0, 0, |out| {
            let last = (!samples.is_empty()).then_some((1, self.last_ticks));
            words(out, &[count(samples.durations.iter().len()) + u32::from(last.is_some())]);
            samples.durations.iter().chain(last).for_each(|(count, ticks)| words(out, &[count, ticks]));
        });
        let delay = i64::from(self.delay);
        if samples.offsets.iter().any(|(_, offset)| i64::from(offset) + delay != 0) {
            full(out, *b"ctts", 0, 0, |out| {
                words(out, &[count(samples.offsets.iter().len())]);
                for (count, offset) in samples.offsets.iter() {
                    words(out, &[count, u32::try_from(i64::from(offset) + delay).unwrap_or(0)]);
                }
            });
        }
        if samples.keys.len() != samples.sizes.len() {
            full(out, *b"stss", 0, 0, |out| {
                words(out, &[count(samples.keys.len())]);
                words(out, &samples.keys);
            });
        }
        full(out, *b"stsc", 0, 0, |out| {
            words(out, &[count(samples.in_chunks.iter().len())]);
            let mut chunk = 1;
            for (chunks, samples) in samples.in_chunks.iter() {
                words(out, &[chunk, samples, 1]);
                chunk += chunks;
            }
        });
        full(out, *b"stsz", 0, 0, |out| {
            words(out, &[0, count(samples.sizes.len())]);
            words(out, &samples.sizes);
        });
        if samples.chunks.last().is_some_and(|last| u32::try_from(*last).is_err()) {
            full(out, *b"co64", 0, 0, |out| {
                words(out, &[count(samples.chunks.len())]);
                samples.chunks.iter().for_each(|place| out.extend(place.to_be_bytes()));
            });
        } else {
            full(out, *b"stco", 0, 0, |out| {
                words(out, &[count(samples.chunks.len())]);
                samples.chunks.iter().for_each(|place| words(out, &[u32::try_from(*place).unwrap_or(u32::MAX)]));
            });
        }
    }

    /// What the SPS says goes before what a source believes.
    fn size(&self) -> (u16, u16) {
        let stated = Standard::of(&self.track.codec)
            .and_then(|(standard, config)| ParameterSets::from_config(standard, config)?.sps())
            .map(|sps| (sps.width, sps.height));
        let (width, height) = match (stated, self.track.shape) {
            (Some(stated), _) => stated,
            (None, Shape::Video { width, height }) => (width, height),
            (None, Shape::Audio { .. }) => (0, 0),
        };
        (u16::try_from(width).unwrap_or(u16::MAX), u16::try_from(height).unwrap_or(u16::MAX))
    }

    fn visual_entry(&self, out: &mut Vec<u8>) {
        let (width, height) = self.size();
        let (kind, configuration): (_, Option<([u8; 4], &[u8])>) = match &self.track.codec {
            Codec::H264 { config } => (*b"avc1", Some((*b"avcC", config))),
            // `hvc1`: parameter sets stand here alone. Apple's players refuse `hev1`.
            Codec::H265 { config } => (*b"hvc1", Some((*b"hvcC", config))),
            _ => (*b"mp4v", None),
        };
        nested(out, kind, |out| {
            words(out, &[0, 1]);
            words(out, &[0; 4]);
            halves(out, &[width, height]);
            // 72 dots an inch, one frame a sample.
            words(out, &[0x48_0000, 0x48_0000, 0]);
            halves(out, &[1]);
            out.extend([0; 32]);
            halves(out, &[24, 0xFFFF]);
            match configuration {
                Some((kind, config)) => nested(out, kind, |out| out.extend(config)),
                None => esds(out, self.number, OBJECT_JPEG, 4, &[]),
            }
        });
    }

    fn audio_entry(&self, out: &mut Vec<u8>, sample_rate_hz: u32, channels: u16) {
        let kind = if matches!(self.track.codec, Codec::Opus { .. }) { *b"Opus" } else { *b"mp4a" };
        nested(out, kind, |out| {
            words(out, &[0, 1]);
            words(out, &[0, 0]);
            halves(out, &[channels, 16, 0, 0]);
            // 16.16: a rate above has no place there.
            halves(out, &[u16::try_from(sample_rate_hz).unwrap_or(0), 0]);
            match &self.track.codec {
                Codec::Opus { head } => nested(out, *b"dOps", |out| opus_specific(out, head)),
                Codec::Aac { config } => {
                    debug_assert!(AacConfig::parse(config).is_some(), "`holds` says so");
                    esds(out, self.number, OBJECT_AAC, 5, config);
                }
                // The lower rates are MPEG-2's.
                _ if sample_rate_hz <= 24_000 => esds(out, self.number, OBJECT_MPEG2_AUDIO, 5, &[]),
                _ => esds(out, self.number, OBJECT_MPEG_AUDIO, 5, &[]),
            }
        });
    }
}

/// An `OpusHead` without its magic, and with the high byte first (Opus in ISOBMFF, 4.3.2).
fn opus_specific(out: &mut Vec<u8>, head: &[u8]) {
    let [_, _, _, _, _, _, _, _, _, channels, s0, s1, r0, r1, r2, r3, g0, g1, mapping @ ..] = head else { return };
    out.extend([0, *channels, *s1, *s0, *r3, *r2, *r1, *r0, *g1, *g0]);
    out.extend(mapping);
}

/// An elementary stream descriptor (ISO/IEC 14496-1, 7.2.6.5); `stream_type` is 4 for video, 5 for audio.
fn esds(out: &mut Vec<u8>, number: u32, object_type: u8, stream_type: u8, specific: &[u8]) {
    // All lengths in one byte: an AAC configuration has two to twenty.
    let specific = &specific[..specific.len().min(64)];
    let small = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let mut decoder = vec![object_type, stream_type << 2 | 1];
    decoder.extend([0; 11]);
    if !specific.is_empty() {
        decoder.extend([5, small(specific.len())]);
        decoder.extend(specific);
    }
    full(out, *b"esds", 0, 0, |out| {
        out.extend([3, small(3 + 2 + decoder.len() + 3)]);
        halves(out, &[u16::try_from(number).unwrap_or(0)]);
        out.push(0);
        out.extend([4, small(decoder.len())]);
        out.extend(&decoder);
        out.extend([6, 1, 2]);
    });
}
