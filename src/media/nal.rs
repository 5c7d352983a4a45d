//! NAL units of H.264 and H.265: what a container, and a cut, must know of them.
//!
//! | | H.264 (ITU-T H.264, table 7-1) | H.265 (ITU-T H.265, table 7-1) |
//! | --- | --- | --- |
//! | header | 1 byte, type in the low 5 bits | 2 bytes, type in bits 1 to 6 of the first |
//! | slices (VCL) | 1–5 | 0–31 |
//! | decoding begins at | 5 (IDR), or a recovery point SEI in front of I slices | 16–21 (BLA, IDR, CRA) |
//! | parameter sets | 7 SPS, 8 PPS | 32 VPS, 33 SPS, 34 PPS |
//! | SEI | 6 | 39, 40 |
//! | access unit delimiter | 9 | 35 |
//!
//! Written by hand, although crates parse these: `h264-reader` 0.9 drops a whole SPS for one bad field of its VUI, which
//! cameras do send, and `scuffle-h265` 0.2 brings eight crates for the first forty fields of an SPS.

pub(super) mod bits;
mod parameter_sets;
mod sps;

pub use parameter_sets::{ParameterSets, length_bytes};
pub use sps::Sps;

use super::Codec;
use bits::Bits;

/// Which of the two standards a stream of NAL units follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// The header and the beginning of a slice: enough for its type. Escapes make it a little longer than its fields.
const SLICE_HEAD_BYTES: usize = 24;

/// More SEI messages than an access unit has.
const MAX_SEI_MESSAGES: usize = 64;

impl Standard {
    /// Which one a codec follows, with its configuration.
    #[must_use]
    pub fn of(codec: &Codec) -> Option<(Self, &[u8])> {
        match codec {
            Codec::H264 { config } => Some((Self::H264, config)),
            Codec::H265 { config } => Some((Self::H265, config)),
            _ => None,
        }
    }

    /// The type of a unit; `None` for one without a whole header.
    #[must_use]
    pub fn kind(self, unit: &[u8]) -> Option<u8> {
        match (self, unit) {
            (Self::H264, [first, ..]) => Some(first & 0x1F),
            (Self::H265, [first, _, ..]) => Some(first >> 1 & 0x3F),
            _ => None,
        }
    }

    /// Whether a type is that of a slice, or of a part of one.
    #[must_use]
    pub fn is_vcl(self, kind: u8) -> bool {
        match self {
            Self::H264 => (1..=5).contains(&kind),
            Self::H265 => kind < 32,
        }
    }

    /// Whether a unit is a parameter set of the base layer, which a container keeps in its header.
    fn is_parameter_set(self, unit: &[u8]) -> bool {
        match (self, unit) {
            (Self::H264, [first, ..]) => matches!(first & 0x1F, 7 | 8),
            (Self::H265, [first, second, ..]) => first & 1 == 0 && second >> 3 == 0 && matches!(first >> 1, 32..=34),
            _ => false,
        }
    }

    /// Whether a unit is an access unit delimiter.
    #[must_use]
    pub fn is_delimiter(self, unit: &[u8]) -> bool {
        self.kind(unit) == Some(if self == Self::H264 { 9 } else { 35 })
    }
}

/// The NAL units of an access unit, each with its length in four bytes in front. Ends at the first length that cannot be.
pub fn units(access_unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    units_after_lengths_of(4, access_unit)
}

/// The same with lengths of `length_bytes`, 1 to 4, as a configuration states them: [`length_bytes`].
pub fn units_after_lengths_of(length_bytes: usize, mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_at_checked(length_bytes)?;
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (unit, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// The NAL units of a byte stream with start codes (Annex B), without zeros at their ends.
pub fn annex_b_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(stream).map(|at| &stream[at + 3..]);
    std::iter::from_fn(move || {
        let unit_on = rest?;
        let end = start_code(unit_on);
        rest = end.map(|at| &unit_on[at + 3..]);
        Some(without_zeros_at_end(&unit_on[..end.unwrap_or(unit_on.len())]))
    })
    .filter(|unit| !unit.is_empty())
}

fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn without_zeros_at_end(unit: &[u8]) -> &[u8] {
    &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// Appends a unit with its length in front; one above 4 GiB, which no stream has, is left out.
pub fn push_unit(access_unit: &mut Vec<u8>, unit: &[u8]) {
    if let Ok(length) = u32::try_from(unit.len()) {
        access_unit.extend(length.to_be_bytes());
        access_unit.extend(unit);
    }
}

/// Whether an access unit holds a frame, or a part of one.
#[must_use]
pub fn has_vcl(standard: Standard, access_unit: &[u8]) -> bool {
    units(access_unit).filter_map(|unit| standard.kind(unit)).any(|kind| standard.is_vcl(kind))
}

/// Whether decoding can begin with an access unit.
#[must_use]
pub fn is_key(standard: Standard, access_unit: &[u8]) -> bool {
    match standard {
        Standard::H264 => is_h264_key(access_unit),
        Standard::H265 => units(access_unit)
            .filter_map(|unit| standard.kind(unit))
            .find(|kind| standard.is_vcl(*kind))
            .is_some_and(|kind| (16..=21).contains(&kind)),
    }
}

fn is_h264_key(access_unit: &[u8]) -> bool {
    let mut has_recovery_point = false;
    let mut intra_slices = 0_usize;
    for unit in units(access_unit) {
        match Standard::H264.kind(unit) {
            Some(5) => return true,
            Some(6) => has_recovery_point |= has_recovery_point_message(&unit[1..]),
            Some(1 | 2) if is_intra_slice(&unit[1..]) => intra_slices += 1,
            Some(1 | 2) => return false,
            _ => {}
        }
    }
    has_recovery_point && intra_slices > 0
}

/// ITU-T H.264, 7.3.3: `first_mb_in_slice`, then `slice_type`; 2 and 7 are I, 4 and 9 SI.
fn is_intra_slice(payload: &[u8]) -> bool {
    let head = bits::unescaped(&payload[..payload.len().min(SLICE_HEAD_BYTES)]);
    let mut bits = Bits::new(&head);
    matches!((bits.ue(), bits.ue()), (Some(_), Some(2 | 4 | 7 | 9)))
}

/// ITU-T H.264, 7.3.2.3.1: types and sizes in bytes of 255 and a last smaller one; type 6 is a recovery point.
fn has_recovery_point_message(payload: &[u8]) -> bool {
    let payload = bits::unescaped(payload);
    let mut rest: &[u8] = &payload;
    for _ in 0..MAX_SEI_MESSAGES {
        let (Some(kind), Some(size)) = (sei_number(&mut rest), sei_number(&mut rest)) else { return false };
        if kind == 6 {
            return true;
        }
        let Some(behind) = rest.get(size..) else { return false };
        rest = behind;
    }
    false
}

fn sei_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    loop {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number += usize::from(*byte);
        if *byte != 0xFF {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests;
