//! Parameter sets: collected by their ids, written as the configuration of a container, and read from one.

use std::collections::BTreeMap;

use super::sps::parameter_set_id;
use super::{Sps, Standard, bits, units, without_zeros_at_end};

/// More than the parameter sets of any encoder take together, and what a length of 16 bits holds. What exceeds it is dropped.
const MAX_BYTES: usize = 65_535;

/// The parameter sets of a stream, each once: the latest of its type and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    standard: Standard,
    /// By type (VPS, SPS, PPS: they refer to what is in front of them) and id.
    sets: BTreeMap<(u8, u32), Vec<u8>>,
}

impl ParameterSets {
    /// None yet.
    #[must_use]
    pub fn new(standard: Standard) -> Self {
        Self { standard, sets: BTreeMap::new() }
    }

    /// Those of an `AVCDecoderConfigurationRecord` or `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1 and
    /// 8.3.3.1). `None` where it is not one; what lacks at its end is not a reason.
    #[must_use]
    pub fn from_config(standard: Standard, config: &[u8]) -> Option<Self> {
        let mut collected = Self::new(standard);
        let mut rest = Rest(config.get(if standard == Standard::H264 { 5 } else { 22 }..)?);
        if config.first() != Some(&1) {
            return None;
        }
        match standard {
            Standard::H264 => {
                for mask in [0x1F, 0xFF] {
                    let count = rest.byte()? & mask;
                    collected.insert_all(&mut rest, count.into());
                }
            }
            Standard::H265 => {
                for _ in 0..rest.byte()? {
                    let Some(count) = rest.byte().and_then(|_| rest.length()) else { break };
                    collected.insert_all(&mut rest, count);
                }
            }
        }
        Some(collected)
    }

    fn insert_all(&mut self, rest: &mut Rest, count: u16) {
        for unit in (0..count).map_while(|_| rest.unit()) {
            self.insert(unit);
        }
    }

    /// Adds a NAL unit if it is a parameter set; it replaces the one of its id. Returns whether that changes anything.
    pub fn insert(&mut self, unit: &[u8]) -> bool {
        let unit = without_zeros_at_end(unit);
        let (Some(kind), true) = (self.standard.kind(unit), self.standard.is_parameter_set(unit)) else { return false };
        let Some(id) = parameter_set_id(self.standard, unit) else { return false };
        let old = self.sets.get(&(kind, id)).map(Vec::as_slice);
        let others_bytes = self.sets.values().map(Vec::len).sum::<usize>() - old.map_or(0, <[u8]>::len);
        if old == Some(unit) || others_bytes + unit.len() > MAX_BYTES {
            return false;
        }
        self.sets.insert((kind, id), unit.to_vec());
        true
    }

    /// Moves the parameter sets of an access unit (lengths of four bytes) here. Returns whether that changes anything.
    pub fn take(&mut self, access_unit: &mut Vec<u8>) -> bool {
        if !units(access_unit).any(|unit| self.standard.is_parameter_set(unit)) {
            return false;
        }
        let mut has_changed = false;
        let mut kept = Vec::with_capacity(access_unit.len());
        for unit in units(access_unit) {
            if self.standard.is_parameter_set(unit) {
                has_changed |= self.insert(unit);
            } else {
                super::push_unit(&mut kept, unit);
            }
        }
        *access_unit = kept;
        has_changed
    }

    /// Every one, each after those that it refers to.
    pub fn units(&self) -> impl Iterator<Item = &[u8]> {
        self.sets.values().map(Vec::as_slice)
    }

    /// Whether there is one of each type, so that a decoder can begin.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kinds().iter().all(|kind| self.of_kind(*kind).next().is_some())
    }

    /// The first sequence parameter set that can be read.
    #[must_use]
    pub fn sps(&self) -> Option<Sps> {
        self.of_kind(self.sps_kind()).find_map(|unit| Sps::parse(self.standard, unit))
    }

    /// The most that any sequence parameter set states: [`Sps::max_reorder_frames`]. `None` as soon as one does not.
    #[must_use]
    pub fn max_reorder_frames(&self) -> Option<u32> {
        self.of_kind(self.sps_kind())
            .map(|unit| Sps::parse(self.standard, unit)?.max_reorder_frames)
            .reduce(|most, frames| Some(most?.max(frames?)))?
    }

    /// The configuration of a container, with lengths of four bytes; `None` until it is [complete](Self::is_complete).
    #[must_use]
    pub fn config(&self) -> Option<Vec<u8>> {
        if !self.is_complete() {
            return None;
        }
        match self.standard {
            Standard::H264 => self.avcc(),
            Standard::H265 => self.hvcc(),
        }
    }

    fn avcc(&self) -> Option<Vec<u8>> {
        let sps = self.of_kind(7).next()?;
        let [profile, compatibility, level] = *sps.get(1..4)?.first_chunk()?;
        let mut config = vec![1, profile, compatibility, level, 0xFC | 3];
        // Five bits hold the count of one, eight that of the other.
        for (kind, count_mask) in [(7, 0x1F), (8, 0xFF)] {
            let count = self.of_kind(kind).count().min(usize::from(count_mask));
            config.push(u8::try_from(count).ok()? | !count_mask);
            self.of_kind(kind).take(count).for_each(|unit| push(&mut config, unit));
        }
        if !matches!(profile, 66 | 77 | 88) {
            let read = Sps::parse(Standard::H264, sps);
            let (chroma, luma_bits, chroma_bits) =
                read.map_or((1, 8, 8), |sps| (sps.chroma_format, sps.luma_bits, sps.chroma_bits));
            config.extend([0xFC | chroma, 0xF8 | (luma_bits - 8), 0xF8 | (chroma_bits - 8), 0]);
        }
        Some(config)
    }

    fn hvcc(&self) -> Option<Vec<u8>> {
        let unit = self.of_kind(33).next()?;
        let sps = Sps::parse(Standard::H265, unit)?;
        // Profile, tier, level: bytes 1 to 12 of the payload, as they are.
        let payload = bits::unescaped(unit.get(2..)?);
        let mut config = vec![1];
        config.extend(payload.get(1..13)?);
        // No spatial segmentation, no parallelism is promised.
        config.extend([0xF0, 0, 0xFC]);
        config.extend([0xFC | sps.chroma_format, 0xF8 | ((sps.luma_bits - 8) & 7), 0xF8 | ((sps.chroma_bits - 8) & 7)]);
        // No average frame rate; lengths of four bytes.
        config.extend([0, 0, sps.temporal_layers << 3 | u8::from(sps.is_temporally_nested) << 2 | 3]);
        config.push(3);
        for kind in [32, 33, 34] {
            config.push(0x80 | kind);
            config.extend(u16::try_from(self.of_kind(kind).count()).ok()?.to_be_bytes());
            self.of_kind(kind).for_each(|unit| push(&mut config, unit));
        }
        Some(config)
    }

    fn of_kind(&self, kind: u8) -> impl Iterator<Item = &[u8]> {
        self.sets.range((kind, 0)..=(kind, u32::MAX)).map(|(_, unit)| unit.as_slice())
    }

    fn sps_kind(&self) -> u8 {
        if self.standard == Standard::H264 { 7 } else { 33 }
    }

    fn kinds(&self) -> &'static [u8] {
        if self.standard == Standard::H264 { &[7, 8] } else { &[32, 33, 34] }
    }
}

/// How many bytes the lengths have in a stream with this configuration: 1, 2 or 4.
#[must_use]
pub fn length_bytes(standard: Standard, config: &[u8]) -> Option<usize> {
    let at = if standard == Standard::H264 { 4 } else { 21 };
    Some(usize::from(config.get(at)? & 3) + 1)
}

fn push(config: &mut Vec<u8>, unit: &[u8]) {
    // None is longer: `MAX_BYTES`.
    config.extend(u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes());
    config.extend(unit);
}

/// What is left to read of a configuration.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn length(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn unit(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.length()?);
        let (unit, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(unit)
    }
}
