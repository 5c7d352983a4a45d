//! AAC as `mpeg4-generic` (RFC 3640).

use std::time::Instant;

use super::stream::{Beginning, Depacketizer, MAX_FRAME_BYTES, Output, Payload};
use super::{Format, fmtp};
use crate::media::audio::AAC_RATES_HZ;
use crate::media::nal::bits::Bits;
use crate::media::{Codec, Shape, Track};

/// More access units than a packet has room for headers.
const MAX_UNITS: usize = 512;

/// Takes access units out of packets.
struct Aac {
    header: HeaderFields,
    /// RTP ticks from one access unit to the next.
    unit_ticks: i64,
    open: Option<Fragments>,
}

/// How many bits each field of an AU header has (RFC 3640, 3.2.1).
struct HeaderFields {
    size: u32,
    index: u32,
    index_delta: u32,
    composition_delta: u32,
    decoding_delta: u32,
    has_random_access: bool,
    stream_state: u32,
    /// Of the size of what follows all headers.
    auxiliary_size: u32,
    /// In bytes, where no header says it.
    constant_size: usize,
}

/// What a header says of an access unit.
struct UnitHeader {
    /// In bytes.
    size: usize,
    /// How many access units after the first of the packet.
    at: i64,
}

/// An access unit that comes in several packets.
struct Fragments {
    ticks: i64,
    arrived: Instant,
    size: usize,
    data: Vec<u8>,
}

pub(super) fn begin(format: &Format) -> Result<Beginning, &'static str> {
    let mode = fmtp::parameter(&format.fmtp, "mode").unwrap_or("AAC-hbr").to_ascii_lowercase();
    let (size, index) = match mode.as_str() {
        "aac-lbr" => (6, 2),
        "aac-hbr" => (13, 3),
        "generic" => (0, 0),
        _ => return Err("its mode is not one of AAC"),
    };
    let bits = |name, default: u32| fmtp::number(&format.fmtp, name).unwrap_or(default).min(32);
    let constant_size = fmtp::number(&format.fmtp, "constantsize").unwrap_or(0);
    let header = HeaderFields {
        size: bits("sizelength", if constant_size > 0 { 0 } else { size }),
        index: bits("indexlength", index),
        index_delta: bits("indexdeltalength", index),
        composition_delta: bits("ctsdeltalength", 0),
        decoding_delta: bits("dtsdeltalength", 0),
        has_random_access: bits("randomaccessindication", 0) > 0,
        stream_state: bits("streamstateindication", 0),
        auxiliary_size: bits("auxiliarydatasizelength", 0),
        constant_size,
    };
    let config = fmtp::hex(&format.fmtp, "config").or_else(|| config_of(format)).ok_or("its SDP has no config")?;
    let read = AudioConfig::read(&mut Bits::new(&config)).ok_or("its config cannot be read")?;
    let unit_ticks = fmtp::number(&format.fmtp, "constantduration").unwrap_or_else(|| read.unit_ticks(format));
    Ok((Box::new(Aac { header, unit_ticks, open: None }), Some(read.track(config, format))))
}

/// What cameras that leave `config` out send: AAC-LC, with the rate and the channels of the SDP.
fn config_of(format: &Format) -> Option<Vec<u8>> {
    let index = AAC_RATES_HZ.iter().position(|rate| *rate == format.clock_rate_hz)?;
    let channels = format.channels.clamp(1, 7);
    let config = 2 << 11 | u16::try_from(index).ok()? << 7 | channels << 3;
    Some(config.to_be_bytes().to_vec())
}

/// What an `AudioSpecificConfig` says (ISO/IEC 14496-3, 1.6.2.1).
pub(super) struct AudioConfig {
    core_rate_hz: u32,
    sample_rate_hz: u32,
    /// `None` where a program config element says it.
    channels: Option<u16>,
    unit_samples: u32,
}

impl AudioConfig {
    /// Reads the front of a configuration, up to its end for AAC of all kinds that have channels by number.
    pub(super) fn read(bits: &mut Bits) -> Option<Self> {
        let mut kind = object_type(bits)?;
        let core_rate_hz = sample_rate(bits)?;
        let mut sample_rate_hz = core_rate_hz;
        let channels = match bits.u(4)? {
            0 => None,
            7 => Some(8),
            number => Some(u16::try_from(number).ok()?),
        };
        // SBR, and with parametric stereo.
        if matches!(kind, 5 | 29) {
            sample_rate_hz = sample_rate(bits)?;
            kind = object_type(bits)?;
        }
        let is_short = bits.flag().unwrap_or(false);
        // ER AAC-ELD counts in 512 and 480.
        let unit_samples = match (kind, is_short) {
            (23 | 39, false) => 512,
            (23 | 39, true) => 480,
            (_, false) => 1024,
            (_, true) => 960,
        };
        if bits.flag().unwrap_or(false) {
            let _ = bits.skip(14);
        }
        let _extension = bits.flag();
        Some(Self { core_rate_hz, sample_rate_hz, channels, unit_samples })
    }

    /// Whether [`read`](Self::read) ends where the configuration does.
    pub(super) fn is_plain(&self) -> bool {
        self.channels.is_some()
    }

    pub(super) fn unit_ticks(&self, format: &Format) -> i64 {
        i64::from(self.unit_samples) * i64::from(format.clock_rate_hz) / i64::from(self.core_rate_hz)
    }

    pub(super) fn track(&self, config: Vec<u8>, format: &Format) -> Track {
        let channels = self.channels.unwrap_or(format.channels).max(1);
        let shape = Shape::Audio { sample_rate_hz: self.sample_rate_hz, channels };
        Track { codec: Codec::Aac { config }, shape }
    }
}

fn object_type(bits: &mut Bits) -> Option<u32> {
    match bits.u(5)? {
        31 => Some(32 + bits.u(6)?),
        kind => Some(kind),
    }
}

fn sample_rate(bits: &mut Bits) -> Option<u32> {
    let rate = match bits.u(4)? {
        15 => bits.u(24)?,
        index => *AAC_RATES_HZ.get(usize::try_from(index).ok()?)?,
    };
    (rate > 0).then_some(rate)
}

impl HeaderFields {
    fn are_sent(&self) -> bool {
        let optional = [self.composition_delta, self.decoding_delta, self.stream_state, self.has_random_access.into()];
        self.size + self.index > 0 || optional.iter().any(|bits| *bits > 0)
    }

    /// The headers of the access units in a packet, and the bytes of all of them.
    fn read<'a>(&self, bytes: &'a [u8]) -> Option<(Vec<UnitHeader>, &'a [u8])> {
        let (mut units, mut rest) = (Vec::new(), bytes);
        if self.are_sent() {
            let (length, behind) = bytes.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (headers, behind) = behind.split_at_checked(length.div_ceil(8))?;
            let (mut bits, mut at) = (Bits::new(headers), -1);
            while bits.position() < length && units.len() < MAX_UNITS {
                let size = usize::try_from(bits.u(self.size)?).ok()?;
                let index = if units.is_empty() { bits.u(self.index).map(|_| 0)? } else { bits.u(self.index_delta)? };
                at += i64::from(index) + 1;
                for delta in [self.composition_delta, self.decoding_delta] {
                    if delta > 0 && bits.flag()? {
                        bits.u(delta)?;
                    }
                }
                bits.u(u32::from(self.has_random_access) + self.stream_state)?;
                units.push(UnitHeader { size: if self.size > 0 { size } else { self.constant_size }, at });
            }
            rest = behind;
        }
        if self.auxiliary_size > 0 {
            let mut bits = Bits::new(rest);
            let length = usize::try_from(bits.u(self.auxiliary_size)?).ok()?;
            rest = rest.get((bits.position().checked_add(length)?).div_ceil(8)..)?;
        }
        if units.is_empty() {
            let size = if self.constant_size > 0 { self.constant_size } else { rest.len() };
            units.extend((0..).take(MAX_UNITS.min(rest.len() / size.max(1))).map(|at| UnitHeader { size, at }));
        }
        Some((units, rest))
    }
}

impl Aac {
    /// Takes the payload of a packet; whether it makes sense.
    fn take(&mut self, payload: &Payload, out: &mut Output) -> bool {
        let open = self.open.take();
        let Some((units, mut rest)) = self.header.read(payload.bytes) else { return payload.bytes.is_empty() };
        if let (Some(mut open), [UnitHeader { size, .. }]) = (open, units.as_slice()) {
            if !payload.after_gap && open.ticks == payload.ticks && open.size == *size {
                open.data.extend(rest);
                return self.continue_unit(open, payload.marker, out);
            }
            out.counts.dropped_frames += 1;
        }
        for &UnitHeader { size, at } in &units {
            let ticks = payload.ticks.saturating_add(at.saturating_mul(self.unit_ticks));
            let Some((unit, behind)) = rest.split_at_checked(size) else {
                let is_fragment = units.len() == 1 && !payload.marker && size <= MAX_FRAME_BYTES;
                if is_fragment {
                    self.open = Some(Fragments { ticks, arrived: payload.arrived, size, data: rest.to_vec() });
                }
                return is_fragment;
            };
            rest = behind;
            emit(ticks, payload.arrived, unit, out);
        }
        true
    }

    fn continue_unit(&mut self, open: Fragments, is_last: bool, out: &mut Output) -> bool {
        if let Some(unit) = open.data.get(..open.size) {
            emit(open.ticks, open.arrived, unit, out);
        } else if is_last {
            out.counts.dropped_frames += 1;
            return false;
        } else {
            self.open = Some(open);
        }
        true
    }
}

/// Some cameras leave the header of ADTS (ISO/IEC 14496-3, 1.A.2.2) in front: it is no part of an access unit.
fn emit(ticks: i64, arrived: Instant, unit: &[u8], out: &mut Output) {
    let unit = match unit {
        [0xFF, second, _, third, fourth, fifth, _, ..] if second & 0xF6 == 0xF0 => {
            let length = usize::from(third & 3) << 11 | usize::from(*fourth) << 3 | usize::from(fifth >> 5);
            let header_bytes = if second & 1 == 0 { 9 } else { 7 };
            unit.get(header_bytes..).filter(|_| length == unit.len()).unwrap_or(unit)
        }
        unit => unit,
    };
    if !unit.is_empty() {
        out.independent(ticks, arrived, unit.to_vec(), None);
    }
}

impl Depacketizer for Aac {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        let makes_sense = self.take(payload, out);
        out.counts.malformed_packets += u64::from(!makes_sense);
    }
}

#[cfg(test)]
mod tests;
