//! MPEG audio (RFC 2250, 3.5): whole frames, or fragments of one.

use std::time::Instant;

use super::stream::{Beginning, Depacketizer, Output, Payload};
use crate::media::{Codec, Shape, Track};

/// Ticks of RTP's clock in a second (RFC 3551, 4.5.13).
const CLOCK_HZ: u64 = 90_000;

/// Puts frames together.
#[derive(Default)]
struct MpegAudio {
    track: Option<Track>,
    fragments: Option<Fragments>,
}

/// A frame that comes in several packets.
struct Fragments {
    ticks: i64,
    arrived: Instant,
    data: Vec<u8>,
}

pub(super) fn begin() -> Beginning {
    (Box::new(MpegAudio::default()), None)
}

impl MpegAudio {
    fn frame(&mut self, header: &Header, ticks: i64, arrived: Instant, data: Vec<u8>, out: &mut Output) {
        let is_new = self.track.as_ref() != Some(&header.track);
        if is_new {
            self.track = Some(header.track.clone());
        }
        out.independent(ticks, arrived, data, is_new.then(|| header.track.clone()));
    }

    fn frames(&mut self, payload: &Payload, mut rest: &[u8], out: &mut Output) {
        let mut ticks = payload.ticks;
        while let Some(header) = Header::parse(rest) {
            let Some((frame, behind)) = rest.split_at_checked(header.bytes) else {
                self.fragments = Some(Fragments { ticks, arrived: payload.arrived, data: rest.to_vec() });
                return;
            };
            self.frame(&header, ticks, payload.arrived, frame.to_vec(), out);
            ticks += header.ticks;
            rest = behind;
        }
        out.counts.malformed_packets += u64::from(!rest.is_empty());
    }
}

impl Depacketizer for MpegAudio {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        let Some((&[_, _, high, low], rest)) = payload.bytes.split_first_chunk() else {
            out.counts.malformed_packets += u64::from(!payload.bytes.is_empty());
            return;
        };
        let offset = usize::from(u16::from_be_bytes([high, low]));
        let open = self.fragments.take();
        if offset == 0 {
            out.counts.dropped_frames += u64::from(open.is_some());
            return self.frames(payload, rest, out);
        }
        let Some(mut open) = open.filter(|open| open.ticks == payload.ticks && open.data.len() == offset) else {
            out.counts.dropped_frames += 1;
            return;
        };
        open.data.extend(rest);
        match Header::parse(&open.data) {
            Some(header) if open.data.len() >= header.bytes => {
                open.data.truncate(header.bytes);
                self.frame(&header, open.ticks, open.arrived, open.data, out);
            }
            Some(_) => self.fragments = Some(open),
            None => out.counts.dropped_frames += 1,
        }
    }
}

/// What a frame's header says (ISO/IEC 11172-3, 2.4.2.3 and 13818-3).
struct Header {
    track: Track,
    /// Of the frame, with this header.
    bytes: usize,
    /// From this frame to the next.
    ticks: i64,
}

impl Header {
    /// `None` for layer I, which no camera sends, for a free bit rate, and for what is no header.
    fn parse(bytes: &[u8]) -> Option<Self> {
        /// In kbit/s: layer II and III of MPEG-1, and both of MPEG-2 and 2.5.
        const BIT_RATES: [[usize; 14]; 3] = [
            [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        let [0xFF, second, third, fourth] = *bytes.first_chunk()? else { return None };
        let (is_mpeg1, divider) = match (second >> 5, second >> 3 & 3) {
            (7, 3) => (true, 1),
            (7, 2) => (false, 2),
            (7, 0) => (false, 4),
            _ => return None,
        };
        let is_layer_2 = match second >> 1 & 3 {
            1 => false,
            2 => true,
            _ => return None,
        };
        let rates = BIT_RATES[if is_mpeg1 { usize::from(!is_layer_2) } else { 2 }];
        let bit_rate = 1000 * rates.get(usize::from(third >> 4).checked_sub(1)?)?;
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))? / divider;
        let samples = if is_layer_2 || is_mpeg1 { 1152 } else { 576 };
        let padding = usize::from(third >> 1 & 1);
        let shape = Shape::Audio {
            sample_rate_hz: u32::try_from(sample_rate).ok()?,
            channels: if fourth >> 6 == 3 { 1 } else { 2 },
        };
        Some(Self {
            track: Track { codec: if is_layer_2 { Codec::Mp2 } else { Codec::Mp3 }, shape },
            bytes: samples / 8 * bit_rate / sample_rate + padding,
            ticks: i64::try_from(samples as u64 * CLOCK_HZ / sample_rate as u64).ok()?,
        })
    }
}
