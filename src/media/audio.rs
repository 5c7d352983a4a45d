//! What the packets of audio codecs say of themselves.

/// The rates that four bits of an `AudioSpecificConfig`, and of an ADTS header, number (ISO/IEC 14496-3, table 1.18).
pub(super) const AAC_RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// The beginning of an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AacConfig {
    /// 2 is AAC-LC.
    pub(super) object_type: u8,
    /// Which of the thirteen rates; 15 where it stands by itself.
    pub(super) rate_index: u8,
    /// Of the core: half of what is heard with SBR.
    pub(super) rate_hz: u32,
    /// 1 mono, 2 stereo … 7 is 7.1.
    pub(super) channels: u8,
}

impl AacConfig {
    pub(super) fn parse(config: &[u8]) -> Option<Self> {
        let [b0, b1, rest @ ..] = config else { return None };
        let rate_index = (b0 & 7) << 1 | b1 >> 7;
        let (rate_hz, channels) = match rest {
            // 24 bits of a rate, from the eighth bit of the second byte on.
            [b2, b3, b4, ..] if rate_index == 15 => {
                let rate_hz = u32::from_be_bytes([0, b1 << 1 | b2 >> 7, b2 << 1 | b3 >> 7, b3 << 1 | b4 >> 7]);
                (rate_hz, b4 >> 3 & 15)
            }
            _ => (*AAC_RATES_HZ.get(usize::from(rate_index))?, b1 >> 3 & 15),
        };
        (rate_hz > 0).then_some(Self { object_type: b0 >> 3, rate_index, rate_hz, channels })
    }
}

/// Samples of 48,000 a second in a packet of Opus (RFC 6716, 3.1 and 3.2); `None` for a packet that is none.
pub(super) fn opus_samples(packet: &[u8]) -> Option<u32> {
    let (first, rest) = packet.split_first()?;
    let of_frame = match first >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..16 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 63),
    };
    Some(of_frame * frames).filter(|samples| (1..=5760).contains(samples))
}

/// Samples in a frame of MPEG audio, whose header begins it (ISO/IEC 11172-3, 2.4.2.3, and 13818-3): layer III of the half
/// and the quarter rates has one granule.
pub(super) fn mpeg_samples(frame: &[u8]) -> Option<u32> {
    let [0xFF, second, ..] = frame else { return None };
    match (second >> 3 & 3, second >> 1 & 3) {
        (1, _) => None,
        (_, 2) | (3, 1) => Some(1152),
        (_, 1) => Some(576),
        (_, 3) => Some(384),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_specific_config_with_a_numbered_and_a_stated_rate() {
        let config = |bytes: &[u8]| AacConfig::parse(bytes).map(|aac| (aac.object_type, aac.rate_hz, aac.channels));
        assert_eq!(config(&[0x11, 0x90]), Some((2, 48_000, 2)));
        assert_eq!(config(&[0x15, 0x88]), Some((2, 8000, 1)));
        // 2 in five bits, 15 in four, 16,000 in 24, 1 in four.
        assert_eq!(config(&[0x17, 0x80, 0x1F, 0x40, 0x08]), Some((2, 16_000, 1)));
        assert_eq!(config(&[0x17, 0x80]), None);
        assert_eq!(config(&[0x11]), None);
    }

    #[test]
    fn opus_packet_says_how_long_it_lasts() {
        // 20 ms of CELT; two frames of 60 ms of SILK; three of 2.5 ms of CELT.
        assert_eq!(opus_samples(&[0xFC]), Some(960));
        assert_eq!(opus_samples(&[0x19]), Some(5760));
        assert_eq!(opus_samples(&[0xE3, 3]), Some(360));
        assert_eq!((opus_samples(&[0xE3]), opus_samples(&[0xE3, 0]), opus_samples(&[])), (None, None, None));
    }

    #[test]
    fn mpeg_audio_frame_has_the_samples_of_its_layer_and_version() {
        assert_eq!(mpeg_samples(&[0xFF, 0xFB]), Some(1152));
        assert_eq!(mpeg_samples(&[0xFF, 0xF3]), Some(576));
        assert_eq!(mpeg_samples(&[0xFF, 0xFD]), Some(1152));
        assert_eq!((mpeg_samples(&[0xFE, 0xFB]), mpeg_samples(&[0xFF])), (None, None));
    }
}
