//! What a [`Codec`] is to Matroska: its `CodecID`, `CodecPrivate` and what belongs to them (RFC 9559, Codec Mappings). Pure.

use std::borrow::Cow;

use crate::media::{Codec, Shape, Track};

/// A codec as a `TrackEntry` has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coding<'a> {
    pub(super) id: &'a str,
    pub(super) private: Cow<'a, [u8]>,
    /// 0 where there is none.
    pub(super) bit_depth: u16,
    /// By how much blocks are later than what is heard.
    pub(super) delay_ns: u64,
    /// How much is decoded before what is sought.
    pub(super) seek_pre_roll_ns: u64,
}

/// What is to be written for a track.
pub(super) fn coding(track: &Track) -> Coding<'_> {
    let coding =
        |id, private| Coding { id, private: Cow::Borrowed(private), bit_depth: 0, delay_ns: 0, seek_pre_roll_ns: 0 };
    let wave = |tag, bits| Coding { private: wave_format(tag, bits, track.shape).into(), ..coding("A_MS/ACM", &[]) };
    match &track.codec {
        Codec::H264 { config } => coding("V_MPEG4/ISO/AVC", config),
        Codec::H265 { config } => coding("V_MPEGH/ISO/HEVC", config),
        Codec::Jpeg => coding("V_MJPEG", &[]),
        Codec::Aac { config } => coding("A_AAC", config),
        Codec::ALaw => wave(TAG_ALAW, 8),
        Codec::MuLaw => wave(TAG_MULAW, 8),
        Codec::G722 => wave(TAG_G722, 4),
        Codec::G726 { bits } => wave(TAG_G726, u16::from(*bits)),
        Codec::L16 => Coding { bit_depth: 16, ..coding("A_PCM/INT/BIG", &[]) },
        Codec::Opus { head } => {
            Coding { delay_ns: opus_delay_ns(head), seek_pre_roll_ns: 80_000_000, ..coding("A_OPUS", head) }
        }
        Codec::Mp2 => coding("A_MPEG/L2", &[]),
        Codec::Mp3 => coding("A_MPEG/L3", &[]),
        Codec::Other { matroska_id, private, bit_depth } => {
            Coding { bit_depth: *bit_depth, ..coding(matroska_id, private) }
        }
    }
}

/// The codec of a `TrackEntry` with these elements.
pub(super) fn codec(id: String, private: Vec<u8>, bit_depth: u16) -> Codec {
    match id.as_str() {
        "V_MPEG4/ISO/AVC" => Codec::H264 { config: private },
        "V_MPEGH/ISO/HEVC" => Codec::H265 { config: private },
        "V_MJPEG" => Codec::Jpeg,
        "A_AAC" if !private.is_empty() => Codec::Aac { config: private },
        "A_PCM/INT/BIG" if bit_depth == 16 => Codec::L16,
        "A_OPUS" if private.len() >= OPUS_HEAD_BYTES => Codec::Opus { head: private },
        "A_MPEG/L2" => Codec::Mp2,
        "A_MPEG/L3" => Codec::Mp3,
        "A_MS/ACM" => match wave_tag_and_bits(&private) {
            Some((TAG_ALAW, _)) => Codec::ALaw,
            Some((TAG_MULAW, _)) => Codec::MuLaw,
            Some((TAG_G722, _)) => Codec::G722,
            Some((TAG_G726, bits @ 2..=5)) => Codec::G726 { bits },
            _ => Codec::Other { matroska_id: id, private, bit_depth },
        },
        _ => Codec::Other { matroska_id: id, private, bit_depth },
    }
}

/// Format tags of `WAVEFORMATEX` (RFC 2361; that of G.722 as ffmpeg has it).
const TAG_ALAW: u16 = 0x0006;
const TAG_MULAW: u16 = 0x0007;
const TAG_G726: u16 = 0x0045;
const TAG_G722: u16 = 0x028F;

/// A `WAVEFORMATEX` without bytes of its own behind it.
fn wave_format(tag: u16, bits: u16, shape: Shape) -> Vec<u8> {
    let Shape::Audio { sample_rate_hz, channels } = shape else { return Vec::new() };
    let bits_per_second = u64::from(sample_rate_hz) * u64::from(channels) * u64::from(bits);
    let bytes_per_second = u32::try_from(bits_per_second / 8).unwrap_or(u32::MAX);
    let mut format = Vec::with_capacity(18);
    format.extend(tag.to_le_bytes());
    format.extend(channels.to_le_bytes());
    format.extend(sample_rate_hz.to_le_bytes());
    format.extend(bytes_per_second.to_le_bytes());
    // Of all of these, a byte can be taken by itself.
    format.extend(channels.to_le_bytes());
    format.extend(bits.to_le_bytes());
    format.extend(0_u16.to_le_bytes());
    format
}

fn wave_tag_and_bits(format: &[u8]) -> Option<(u16, u8)> {
    let word = |at| Some(u16::from_le_bytes(*format.get(at..)?.first_chunk()?));
    Some((word(0)?, u8::try_from(word(14)?).ok()?))
}

/// An `OpusHead` without a channel mapping table (RFC 7845, 5.1).
const OPUS_HEAD_BYTES: usize = 19;

/// The samples that a decoder drops at the beginning, counted at 48 kHz.
fn opus_delay_ns(head: &[u8]) -> u64 {
    let pre_skip = head.get(10..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes));
    u64::from(pre_skip) * 1_000_000_000 / 48_000
}
