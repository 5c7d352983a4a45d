//! Sequence parameter sets: ITU-T H.264, 7.3.2.1.1 and E.1; ITU-T H.265, 7.3.2.2 and 7.3.3.

use super::Standard;
use super::bits::{Bits, unescaped};

/// What a container needs of a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// Its number: below 32 for H.264, below 16 for H.265.
    pub id: u32,
    /// Of what is shown, in pixels.
    pub width: u32,
    /// Of what is shown, in pixels.
    pub height: u32,
    /// How many frames at most precede a frame in decoding order and follow it when shown; `None` where it is not stated.
    pub max_reorder_frames: Option<u32>,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits of a sample of luma.
    pub luma_bits: u8,
    /// Bits of a sample of chroma.
    pub chroma_bits: u8,
    /// H.265: sub-layers in time, 1 to 7.
    pub temporal_layers: u8,
    /// H.265: whether one can always switch up between them.
    pub is_temporally_nested: bool,
}

/// What no decoder decodes is not believed.
const MAX_SIDE: u32 = 65_535;
/// The frames that a decoded picture buffer holds.
const MAX_REORDER: u32 = 16;

impl Sps {
    /// Reads a unit with its header. `None` where a field that is needed lacks or cannot be.
    #[must_use]
    pub fn parse(standard: Standard, unit: &[u8]) -> Option<Self> {
        match standard {
            Standard::H264 => h264(&unescaped(unit.get(1..)?)),
            Standard::H265 => h265(&unescaped(unit.get(2..)?)),
        }
    }
}

/// The number of a parameter set that is one by its type.
pub(super) fn parameter_set_id(standard: Standard, unit: &[u8]) -> Option<u32> {
    let (limit, id) = match (standard, standard.kind(unit)?) {
        (Standard::H264, 7) => (32, Bits::new(&unescaped(unit.get(4..)?)).ue()?),
        (Standard::H264, 8) => (256, Bits::new(&unescaped(unit.get(1..)?)).ue()?),
        (Standard::H265, 32) => (16, Bits::new(unit.get(2..)?).u(4)?),
        (Standard::H265, 33) => {
            let payload = unescaped(unit.get(2..)?);
            let mut bits = Bits::new(&payload);
            bits.skip(4)?;
            let layers_minus1 = bits.u(3)?;
            bits.skip(1)?;
            skip_profile_tier_level(&mut bits, layers_minus1)?;
            (16, bits.ue()?)
        }
        (Standard::H265, 34) => (64, Bits::new(&unescaped(unit.get(2..)?)).ue()?),
        _ => return None,
    };
    (id < limit).then_some(id)
}

fn h264(payload: &[u8]) -> Option<Sps> {
    let mut bits = Bits::new(payload);
    let profile = bits.u(8)?;
    bits.skip(16)?;
    let id = bits.ue().filter(|id| *id < 32)?;
    let (mut chroma_format, mut luma_bits, mut chroma_bits, mut has_planes) = (1, 8, 8, false);
    if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        chroma_format = bits.ue().filter(|format| *format <= 3)?;
        has_planes = chroma_format == 3 && bits.flag()?;
        luma_bits = 8 + bits.ue().filter(|more| *more <= 6)?;
        chroma_bits = 8 + bits.ue().filter(|more| *more <= 6)?;
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?;
    let order_type = bits.ue().filter(|kind| *kind <= 2)?;
    match order_type {
        0 => drop(bits.ue()?),
        1 => {
            bits.skip(1)?;
            bits.ue()?;
            bits.ue()?;
            for _ in 0..bits.ue().filter(|frames| *frames <= 255)? {
                bits.ue()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.skip(1)?;
    let coded_width = bits.ue()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.ue()?.checked_add(1)?;
    let is_progressive = bits.flag()?;
    let field_factor = if is_progressive { 1 } else { 2 };
    let coded_height = map_units.checked_mul(16 * field_factor)?;
    if !is_progressive {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let (sub_width, sub_height) = if has_planes { (1, 1) } else { subsampling(chroma_format) };
    let (width, height) = cropped(&mut bits, (coded_width, coded_height), (sub_width, sub_height * field_factor))?;
    // A VUI that cannot be read costs nothing but the number in it.
    let stated = if bits.flag().unwrap_or(false) { h264_reorder_of_vui(&mut bits) } else { None };
    // ITU-T H.264, E.2.1: profiles without B slices, and the order type that allows none to be shown out of order.
    let none = (profile == 66 || order_type == 2).then_some(0);
    Some(Sps {
        id,
        width,
        height,
        max_reorder_frames: none.or(stated.filter(|frames| *frames <= MAX_REORDER)),
        chroma_format: u8::try_from(chroma_format).ok()?,
        luma_bits: u8::try_from(luma_bits).ok()?,
        chroma_bits: u8::try_from(chroma_bits).ok()?,
        temporal_layers: 1,
        is_temporally_nested: false,
    })
}

fn skip_scaling_list(bits: &mut Bits, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// What one unit of a cropping rectangle counts, in pixels.
fn subsampling(chroma_format: u32) -> (u32, u32) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// Left, right, top and bottom are cut off by a rectangle, if there is one.
fn cropped(bits: &mut Bits, (width, height): (u32, u32), (unit_width, unit_height): (u32, u32)) -> Option<(u32, u32)> {
    let [mut left, mut right, mut top, mut bottom] = [0; 4];
    if bits.flag()? {
        for side in [&mut left, &mut right, &mut top, &mut bottom] {
            *side = bits.ue()?;
        }
    }
    let cut = |whole: u32, a: u32, b: u32, unit: u32| whole.checked_sub(a.checked_add(b)?.checked_mul(unit)?);
    let (width, height) = (cut(width, left, right, unit_width)?, cut(height, top, bottom, unit_height)?);
    let possible = 1..=MAX_SIDE;
    (possible.contains(&width) && possible.contains(&height)).then_some((width, height))
}

/// `max_num_reorder_frames`, nearly at the end of the VUI.
fn h264_reorder_of_vui(bits: &mut Bits) -> Option<u32> {
    if bits.flag()? && bits.u(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.flag()? {
        bits.skip(65)?;
    }
    let has_nal_hrd = bits.flag()?;
    if has_nal_hrd {
        skip_hrd(bits)?;
    }
    let has_vcl_hrd = bits.flag()?;
    if has_vcl_hrd {
        skip_hrd(bits)?;
    }
    if has_nal_hrd || has_vcl_hrd {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    if !bits.flag()? {
        return None;
    }
    bits.skip(1)?;
    for _ in 0..4 {
        bits.ue()?;
    }
    bits.ue()
}

fn skip_hrd(bits: &mut Bits) -> Option<()> {
    let buffers = bits.ue().filter(|more| *more < 32)? + 1;
    bits.skip(8)?;
    for _ in 0..buffers {
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    bits.skip(20)
}

fn h265(payload: &[u8]) -> Option<Sps> {
    let mut bits = Bits::new(payload);
    bits.skip(4)?;
    let layers_minus1 = bits.u(3).filter(|more| *more < 7)?;
    let is_temporally_nested = bits.flag()?;
    skip_profile_tier_level(&mut bits, layers_minus1)?;
    let id = bits.ue().filter(|id| *id < 16)?;
    let chroma_format = bits.ue().filter(|format| *format <= 3)?;
    let has_planes = chroma_format == 3 && bits.flag()?;
    let coded = (bits.ue()?, bits.ue()?);
    let (width, height) = cropped(&mut bits, coded, if has_planes { (1, 1) } else { subsampling(chroma_format) })?;
    let luma_bits = 8 + bits.ue().filter(|more| *more <= 8)?;
    let chroma_bits = 8 + bits.ue().filter(|more| *more <= 8)?;
    Some(Sps {
        id,
        width,
        height,
        max_reorder_frames: h265_reorder(&mut bits, layers_minus1).filter(|frames| *frames <= MAX_REORDER),
        chroma_format: u8::try_from(chroma_format).ok()?,
        luma_bits: u8::try_from(luma_bits).ok()?,
        chroma_bits: u8::try_from(chroma_bits).ok()?,
        temporal_layers: u8::try_from(layers_minus1 + 1).ok()?,
        is_temporally_nested,
    })
}

/// `sps_max_num_reorder_pics` of the highest sub-layer.
fn h265_reorder(bits: &mut Bits, layers_minus1: u32) -> Option<u32> {
    bits.ue()?;
    let first = if bits.flag()? { 0 } else { layers_minus1 };
    let mut reorder = None;
    for _ in first..=layers_minus1 {
        bits.ue()?;
        reorder = Some(bits.ue()?);
        bits.ue()?;
    }
    reorder
}

/// 96 bits of the whole, then two flags for each sub-layer below the highest and what they announce.
fn skip_profile_tier_level(bits: &mut Bits, layers_minus1: u32) -> Option<()> {
    bits.skip(96)?;
    if layers_minus1 == 0 {
        return Some(());
    }
    let mut announced = 0;
    for _ in 0..layers_minus1 {
        announced += if bits.flag()? { 88 } else { 0 };
        announced += if bits.flag()? { 8 } else { 0 };
    }
    bits.skip(2 * (8_usize.checked_sub(usize::try_from(layers_minus1).ok()?)?) + announced)
}
