//! AAC as `MP4A-LATM` (RFC 6416, 6; ISO/IEC 14496-3, 1.7.3): an `AudioMuxElement`, in one packet or in several.

use std::time::Instant;

use super::aac::AudioConfig;
use super::stream::{Beginning, Depacketizer, MAX_FRAME_BYTES, Output, Payload};
use super::{Format, fmtp};
use crate::media::Track;
use crate::media::nal::bits::Bits;

/// Takes access units out of elements.
struct Latm {
    format: Format,
    /// Whether elements may begin with a configuration.
    is_in_band: bool,
    mux: Option<MuxConfig>,
    track: Option<Track>,
    open: Option<Fragments>,
}

struct Fragments {
    ticks: i64,
    arrived: Instant,
    data: Vec<u8>,
}

/// What a `StreamMuxConfig` says of one program with one layer: all that cameras send.
struct MuxConfig {
    units: u32,
    unit_ticks: i64,
    track: Track,
}

pub(super) fn begin(format: &Format) -> Result<Beginning, &'static str> {
    let is_in_band = fmtp::parameter(&format.fmtp, "cpresent") != Some("0");
    let mux = fmtp::hex(&format.fmtp, "config").and_then(|config| MuxConfig::read(&mut Bits::new(&config), format));
    if mux.is_none() && !is_in_band {
        return Err("its config is missing or cannot be read");
    }
    let track = mux.as_ref().map(|mux| mux.track.clone());
    Ok((Box::new(Latm { format: format.clone(), is_in_band, mux, track: track.clone(), open: None }), track))
}

impl MuxConfig {
    fn read(bits: &mut Bits, format: &Format) -> Option<Self> {
        let is_version_1 = bits.flag()?;
        // Version 1A is another format.
        if is_version_1 && bits.flag()? {
            return None;
        }
        if is_version_1 {
            value(bits)?;
        }
        let has_same_framing = bits.flag()?;
        let units = bits.u(6)? + 1;
        if !has_same_framing || bits.u(4)? != 0 || bits.u(3)? != 0 {
            return None;
        }
        let stated_bits = if is_version_1 { Some(usize::try_from(value(bits)?).ok()?) } else { None };
        let start = bits.position();
        let mut behind = bits.clone();
        let audio = AudioConfig::read(&mut behind)?;
        skip_sync_extension(&mut behind);
        if stated_bits.is_none() && !audio.is_plain() {
            return None;
        }
        let config_bits = stated_bits.unwrap_or(behind.position() - start);
        let config = copy(bits, config_bits)?;
        // Only frames that say their length.
        if bits.u(3)? != 0 {
            return None;
        }
        // What follows is behind all that matters in a configuration of the SDP, and padded as servers like.
        let _ = skip_rest(bits, is_version_1);
        Some(Self { units, unit_ticks: audio.unit_ticks(format), track: audio.track(config, format) })
    }
}

/// The fullness of a buffer, how much other data there is behind the units, and a checksum.
fn skip_rest(bits: &mut Bits, is_version_1: bool) -> Option<()> {
    bits.skip(8)?;
    if bits.flag()? {
        if is_version_1 {
            value(bits)?;
        } else {
            while bits.u(9)? >> 8 == 1 {}
        }
    }
    if bits.flag()? { bits.skip(8) } else { Some(()) }
}

/// SBR and parametric stereo, announced behind a configuration that older decoders read (ISO/IEC 14496-3, 1.6.6). There
/// is no other end to it than its own: its first bits are no kind of frame length that is read here.
fn skip_sync_extension(bits: &mut Bits) {
    let mut ahead = bits.clone();
    if ahead.u(11) != Some(0x2B7) || ahead.u(5) != Some(5) {
        return;
    }
    if ahead.flag() == Some(true) {
        if ahead.u(4) == Some(15) {
            let _ = ahead.skip(24);
        }
        let mut stereo = ahead.clone();
        if stereo.u(11) == Some(0x548) {
            let _ = stereo.flag();
            ahead = stereo;
        }
    }
    *bits = ahead;
}

/// `LatmGetValue`: one to four bytes.
fn value(bits: &mut Bits) -> Option<u32> {
    let more = bits.u(2)?;
    bits.u(8 * (more + 1))
}

/// So many bits, from the high one of a first byte on.
fn copy(bits: &mut Bits, count: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count.div_ceil(8).min(MAX_FRAME_BYTES));
    let mut left = count;
    while left > 0 {
        let step = left.min(8);
        let byte = bits.u(u32::try_from(step).ok()?)? << (8 - step);
        bytes.push(u8::try_from(byte).ok()?);
        left -= step;
    }
    Some(bytes)
}

impl Latm {
    /// Takes a whole element; `None` if it makes no sense.
    fn element(&mut self, element: &Fragments, out: &mut Output) -> Option<()> {
        let mut bits = Bits::new(&element.data);
        if self.is_in_band && !bits.flag()? {
            self.mux = MuxConfig::read(&mut bits, &self.format);
        }
        let mux = self.mux.as_ref()?;
        let mut ticks = element.ticks;
        for _ in 0..mux.units {
            let mut length = 0;
            loop {
                let byte = bits.u(8)?;
                length += usize::try_from(byte).ok()?;
                if byte != 255 {
                    break;
                }
            }
            let data = copy(&mut bits, 8 * length).filter(|data| !data.is_empty())?;
            let changed = (self.track.as_ref() != Some(&mux.track)).then(|| mux.track.clone());
            if changed.is_some() {
                self.track.clone_from(&changed);
            }
            out.independent(ticks, element.arrived, data, changed);
            ticks = ticks.saturating_add(mux.unit_ticks);
        }
        Some(())
    }
}

impl Depacketizer for Latm {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        let element = match self.open.take() {
            Some(mut open) if open.ticks == payload.ticks && !payload.after_gap => {
                open.data.extend(payload.bytes);
                open
            }
            open => {
                out.counts.dropped_frames += u64::from(open.is_some());
                Fragments { ticks: payload.ticks, arrived: payload.arrived, data: payload.bytes.to_vec() }
            }
        };
        if element.data.len() > MAX_FRAME_BYTES {
            out.counts.dropped_frames += 1;
        } else if !payload.marker {
            self.open = Some(element);
        } else if !element.data.is_empty() && self.element(&element, out).is_none() {
            out.counts.malformed_packets += 1;
        }
    }
}
