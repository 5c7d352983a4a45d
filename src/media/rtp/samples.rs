//! Audio whose packets are its frames: G.711, G.722, G.726, L16 (RFC 3551, 4.5) and Opus (RFC 7587).

use super::stream::{Beginning, Depacketizer, Output, Payload};
use super::{Format, fmtp};
use crate::media::{Codec, Shape, Track};

/// What is done with a payload.
enum Samples {
    /// Nothing.
    Same,
    /// Only whole groups of so many bytes are samples of all channels.
    Groups(usize),
    /// Numbers of so many bits change from the low end of bytes to the high one.
    FromLowBits(u8),
}

pub(super) fn begin(format: &Format) -> Option<Beginning> {
    let (codec, samples) = match format.encoding.as_str() {
        "PCMA" => (Codec::ALaw, Samples::Same),
        "PCMU" => (Codec::MuLaw, Samples::Same),
        "G722" => (Codec::G722, Samples::Same),
        "L16" => (Codec::L16, Samples::Groups(2 * usize::from(format.channels.max(1)))),
        "OPUS" => (Codec::Opus { head: opus_head(format) }, Samples::Same),
        encoding => {
            let (rate, is_high_first) = match encoding.strip_prefix("AAL2-") {
                Some(rate) => (rate, true),
                None => (encoding, false),
            };
            let bits = match rate {
                "G726-16" => 2,
                "G726-24" => 3,
                "G726-32" => 4,
                "G726-40" => 5,
                _ => return None,
            };
            (Codec::G726 { bits }, if is_high_first { Samples::Same } else { Samples::FromLowBits(bits) })
        }
    };
    let (sample_rate_hz, channels) = match &codec {
        // RFC 3551, 4.5.2: its clock is wrong for ever.
        Codec::G722 => (16_000, format.channels),
        Codec::Opus { head } => (48_000, head[9].into()),
        _ => (format.clock_rate_hz, format.channels),
    };
    let shape = Shape::Audio { sample_rate_hz, channels: channels.max(1) };
    Some((Box::new(samples), Some(Track { codec, shape })))
}

impl Depacketizer for Samples {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        let bytes = payload.bytes;
        let data = match self {
            Self::Same => bytes.to_vec(),
            Self::Groups(size) => bytes[..bytes.len() - bytes.len() % *size].to_vec(),
            Self::FromLowBits(4) => bytes.iter().map(|byte| byte.rotate_left(4)).collect(),
            Self::FromLowBits(bits) => from_low_bits(bytes, *bits),
        };
        if !data.is_empty() {
            out.independent(payload.ticks, payload.arrived, data, None);
        }
    }
}

/// The first number stands in the low bits of the first byte; in what comes back, in the high ones.
fn from_low_bits(bytes: &[u8], bits: u8) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len());
    let (mut read, mut read_bits, mut written, mut written_bits) = (0_u16, 0, 0_u16, 0);
    for byte in bytes {
        read |= u16::from(*byte) << read_bits;
        read_bits += 8;
        while read_bits >= bits {
            written = written << bits | (read & ((1 << bits) - 1));
            read >>= bits;
            read_bits -= bits;
            written_bits += bits;
            if written_bits >= 8 {
                written_bits -= 8;
                packed.push((written >> written_bits).to_le_bytes()[0]);
            }
        }
    }
    packed
}

/// RFC 7845, 5.1. Packets of one channel and of two mix, and a decoder turns each into what is promised here: two, unless
/// the server says that it never sends them (RFC 7587, 6.1). There is nothing to skip in the middle of a stream.
fn opus_head(format: &Format) -> Vec<u8> {
    let channels = if fmtp::parameter(&format.fmtp, "sprop-stereo") == Some("0") { 1 } else { 2 };
    let mut head = b"OpusHead\x01".to_vec();
    head.extend([channels, 0, 0]);
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

#[cfg(test)]
mod tests;
