//! The head of a program stream (ISO/IEC 13818-1): its segment and its codecs.
//!
//! A camera begins each segment, and each key frame in it, with
//!
//! | start code | part |
//! | --- | --- |
//! | `00 00 01 BA` | pack header, 14 B and up to 7 B of stuffing, with the system clock reference |
//! | `00 00 01 BB` | system header |
//! | `00 00 01 BC` | program stream map: the clock, and the type of each elementary stream |
//! | `00 00 01 E0` … `EF` | first packet of the video, with its PTS |
//!
//! **The clock** is a descriptor of the map, tag 0x40, 14 B:
//!
//! | off | bits | field |
//! | --- | --- | --- |
//! | 0 | 16 | the letters `HK` |
//! | 2 | 16 | version |
//! | 4 | 8 | year − 2000 |
//! | 5 | 4, 5, 5, 6, 6 | month, day, hour, minute, second |
//! | | 1, 10 | marker, millisecond |
//!
//! The index has the same wall-clock time, so this descriptor verifies that a range still holds the segment of the index:
//! once the ring has moved on, it differs.

mod tidy;

use std::time::Duration;

use chrono::NaiveDate;

use super::camera_time::CameraTime;
use super::segment::Segment;
pub use tidy::Tidy;

/// The bytes that are enough for [`Head::parse`]: the heads seen end within 200 B.
pub const HEAD_LEN: usize = 4096;

/// By how much the stream's clock may differ from the index. SQLite indexes have whole seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

const PACK: u8 = 0xBA;
const SYSTEM_HEADER: u8 = 0xBB;
const STREAM_MAP: u8 = 0xBC;
const CLOCK_DESCRIPTOR: u8 = 0x40;

/// The codec of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264, stream type 0x1B.
    H264,
    /// HEVC (H.265), stream type 0x24.
    Hevc,
    /// Another stream type.
    Other(u8),
}

/// The codec of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC with ADTS headers, stream type 0x0F.
    Aac,
    /// G.711 A-law at 8 kHz, stream type 0x90.
    G711ALaw,
    /// G.711 µ-law at 8 kHz, stream type 0x91.
    G711MuLaw,
    /// Another stream type.
    Other(u8),
}

/// Why a range does not hold the segment of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Never written, or overwritten by something else.
    #[error("there is no program stream at its start, but {found:02x?}")]
    NoStream {
        /// The first bytes.
        found: [u8; 4],
    },
    /// The ring has moved on: newer footage has overwritten the segment.
    #[error("the stream there began at {stream}, the segment at {index}: the camera has written over it")]
    Clock {
        /// The stream's clock.
        stream: CameraTime,
        /// The index's.
        index: CameraTime,
    },
    /// The ring has moved on, by the clock of the frames.
    #[error("the stream there began at tick {stream_45k}, the segment at {index_45k}: the camera has written over it")]
    FrameClock {
        /// Half the PTS of the first frame in the stream.
        stream_45k: u32,
        /// The same by the index.
        index_45k: u32,
    },
}

/// The head of a program stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The camera's wall clock.
    pub clock: Option<CameraTime>,
    /// When the first video frame is shown, in 90 kHz.
    pub first_frame_90k: Option<u64>,
    /// The video's codec, if there is video.
    pub video: Option<VideoCodec>,
    /// The audio's codec, if there is audio.
    pub audio: Option<AudioCodec>,
}

impl Head {
    /// Parses the bytes before the first video frame. A part that is cut off or unknown becomes `None`.
    ///
    /// # Errors
    /// If the bytes do not begin with a pack header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Mismatch> {
        let mut head = Self::default();
        let Some(mut rest) = after_pack(bytes) else {
            let mut found = [0; 4];
            found.iter_mut().zip(bytes).for_each(|(found, byte)| *found = *byte);
            return Err(Mismatch::NoStream { found });
        };
        while let [0, 0, 1, code, tail @ ..] = rest {
            if *code == PACK {
                let Some(after) = after_pack(rest) else { break };
                rest = after;
                continue;
            }
            let Some((length, tail)) = tail.split_first_chunk() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let (body, after) = tail.split_at(length.min(tail.len()));
            match *code {
                STREAM_MAP => head.read_map(body),
                0xE0..=0xEF => {
                    head.first_frame_90k = pts(body);
                    break;
                }
                SYSTEM_HEADER.. => {}
                _ => break,
            }
            rest = after;
        }
        Ok(head)
    }

    /// Whether this can be the head of `segment`: by the camera's clock, or if the stream has none, by the first
    /// frame's. A stream with neither passes.
    ///
    /// # Errors
    /// If the range holds something else.
    pub fn verify(&self, segment: &Segment) -> Result<(), Mismatch> {
        if let Some(stream) = self.clock {
            let index = segment.start;
            if stream.distance(index) > CLOCK_TOLERANCE {
                return Err(Mismatch::Clock { stream, index });
            }
        } else if let (Some(pts), Some(frames)) = (self.first_frame_90k, segment.frames) {
            let index_45k = frames.first_45k;
            // 33 bits, of which half leaves 32.
            let stream_45k = u32::try_from(pts / 2).unwrap_or(u32::MAX);
            if stream_45k.abs_diff(index_45k) > 1 {
                return Err(Mismatch::FrameClock { stream_45k, index_45k });
            }
        }
        Ok(())
    }

    /// Reads a program stream map, without its start code and length.
    fn read_map(&mut self, map: &[u8]) {
        let Some((descriptors, rest)) = map.get(2..).and_then(sized) else {
            return;
        };
        for (tag, body) in Descriptors(descriptors) {
            if tag == CLOCK_DESCRIPTOR {
                self.clock = clock(body).or(self.clock);
            }
        }
        let mut streams = sized(rest).map_or(&[][..], |(streams, _)| streams);
        while let [kind, id, rest @ ..] = streams {
            match id {
                0xE0..=0xEF if self.video.is_none() => self.video = Some(VideoCodec::from_stream_type(*kind)),
                0xC0..=0xDF if self.audio.is_none() => self.audio = Some(AudioCodec::from_stream_type(*kind)),
                _ => {}
            }
            streams = sized(rest).map_or(&[][..], |(_, after)| after);
        }
    }
}

impl VideoCodec {
    fn from_stream_type(kind: u8) -> Self {
        match kind {
            0x1B => Self::H264,
            0x24 => Self::Hevc,
            other => Self::Other(other),
        }
    }
}

impl AudioCodec {
    fn from_stream_type(kind: u8) -> Self {
        match kind {
            0x0F => Self::Aac,
            0x90 => Self::G711ALaw,
            0x91 => Self::G711MuLaw,
            other => Self::Other(other),
        }
    }
}

/// Descriptors, one after the other: tag, length, body.
struct Descriptors<'a>(&'a [u8]);

impl<'a> Iterator for Descriptors<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (body, after) = rest.split_at_checked(usize::from(*length))?;
        self.0 = after;
        Some((*tag, body))
    }
}

/// Splits off the bytes that a 16-bit length in front counts, or all of them if the length goes past the end.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    Some(rest.split_at(length.min(rest.len())))
}

/// The clock in a descriptor, if it is one and its time exists.
fn clock(body: &[u8]) -> Option<CameraTime> {
    let [b'H', b'K', _, _, year, bits @ ..] = body else {
        return None;
    };
    let bits = bits.first_chunk::<5>()?;
    let bits = bits.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let field = |from: u32, width: u32| u32::try_from(bits >> (40 - from - width) & ((1 << width) - 1)).ok();
    let milli = field(27, 10).filter(|milli| *milli < 1000)?;
    let digits = NaiveDate::from_ymd_opt(2000 + i32::from(*year), field(0, 4)?, field(4, 5)?)?.and_hms_milli_opt(
        field(9, 5)?,
        field(14, 6)?,
        field(20, 6)?,
        milli,
    )?;
    Some(CameraTime::from_digits(digits))
}

/// The PTS of a packet, without its start code and length.
fn pts(packet: &[u8]) -> Option<u64> {
    let [marker, flags, _, rest @ ..] = packet else {
        return None;
    };
    if marker & 0xC0 != 0x80 || flags & 0x80 == 0 {
        return None;
    }
    let bits = rest.first_chunk::<5>()?;
    let bits = bits.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    Some(joined(bits >> 33, bits >> 17, bits >> 1))
}

/// The bytes after a pack header; `None` if there is no pack header.
fn after_pack(bytes: &[u8]) -> Option<&[u8]> {
    let [0, 0, 1, PACK, tail @ ..] = bytes else {
        return None;
    };
    let (reference, tail) = tail.split_first_chunk::<8>()?;
    if reference[0] >> 6 != 0b01 {
        return None; // MPEG-1, which no camera writes
    }
    let [_, stuffing, tail @ ..] = tail else { return None };
    tail.get(usize::from(stuffing & 7)..)
}

/// A time of 33 bits, which program streams cut into 3, 15 and 15.
fn joined(high: u64, middle: u64, low: u64) -> u64 {
    (high & 7) << 30 | (middle & 0x7FFF) << 15 | low & 0x7FFF
}

/// The file header of Hikvision's own players, which ffmpeg gets before a range.
///
/// ffmpeg's demuxer of program streams looks for these letters and only then knows G.711: A-law up to version 5, µ-law in
/// every version. It skips the rest; the fields are filled as `HIK_MEDIAINFO` of Hikvision's player library names them.
///
/// | off | field |
/// | --- | --- |
/// | 0 | the letters `IMKH` |
/// | 4, 6 | u16 version 1.2, u16 device |
/// | 8 | u16 container: 2 for a program stream |
/// | 10 | u16 video: 0x0100 H.264, 5 HEVC |
/// | 12 | u16 audio: 0x7110 µ-law, 0x7111 A-law, 0x2001 AAC |
/// | 14, 15 | u8 channels, u8 bits per sample |
/// | 16, 20 | u32 sample rate, u32 bit rate |
/// | 24 | 16 B reserved |
#[must_use]
pub fn imkh_header(head: &Head) -> [u8; 40] {
    let video: u16 = match head.video {
        Some(VideoCodec::H264) => 0x0100,
        Some(VideoCodec::Hevc) => 5,
        Some(VideoCodec::Other(_)) | None => 0,
    };
    let audio: u16 = match head.audio {
        Some(AudioCodec::G711MuLaw) => 0x7110,
        Some(AudioCodec::G711ALaw) => 0x7111,
        Some(AudioCodec::Aac) => 0x2001,
        Some(AudioCodec::Other(_)) | None => 0,
    };
    let mut header = [0; 40];
    header[..6].copy_from_slice(b"IMKH\x01\x02");
    header[8] = 2;
    header[10..12].copy_from_slice(&video.to_le_bytes());
    header[12..14].copy_from_slice(&audio.to_le_bytes());
    if matches!(head.audio, Some(AudioCodec::G711ALaw | AudioCodec::G711MuLaw)) {
        header[14] = 1;
        header[15] = 16;
        header[16..20].copy_from_slice(&8000_u32.to_le_bytes());
        header[20..24].copy_from_slice(&64000_u32.to_le_bytes());
    }
    header
}

#[cfg(test)]
mod tests;
