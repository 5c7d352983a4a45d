//! One RTP packet (RFC 3550, 5.1).

/// What a packet says and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// What its payload is, as the SDP numbers it.
    pub payload_type: u8,
    /// Of video: the last packet of a frame, as most cameras have it.
    pub marker: bool,
    /// Grows by one from packet to packet.
    pub sequence: u16,
    /// In ticks of the format's clock.
    pub timestamp: u32,
    /// The sender's own number; a new one after a restart.
    pub ssrc: u32,
    /// The header extension: what its profile calls it, and its bytes.
    pub extension: Option<(u16, &'a [u8])>,
    /// Without padding.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads one packet; `None` if it is not RTP of version 2 or ends too early.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_first_chunk::<12>()?;
        if header[0] >> 6 != 2 {
            return None;
        }
        rest = rest.get(4 * usize::from(header[0] & 0x0F)..)?;
        let mut extension = None;
        if header[0] & 0x10 != 0 {
            let ([id_high, id_low, high, low], behind) = rest.split_first_chunk()?;
            let (data, behind) = behind.split_at_checked(4 * usize::from(u16::from_be_bytes([*high, *low])))?;
            extension = Some((u16::from_be_bytes([*id_high, *id_low]), data));
            rest = behind;
        }
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            // 0 breaks the rule that the count counts itself; what is to be cut is clear all the same.
            rest = rest.get(..rest.len().checked_sub(padding)?)?;
        }
        Some(Self {
            payload_type: header[1] & 0x7F,
            marker: header[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            extension,
            payload: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0xE0, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4, 0xAA, 0xBB];

    #[test]
    fn rtp_packet_without_extras() {
        let packet = RtpPacket::parse(&PLAIN).unwrap();
        assert_eq!((packet.payload_type, packet.marker, packet.sequence), (96, true, 0x1234));
        assert_eq!((packet.timestamp, packet.ssrc, packet.payload), (9, 0x0102_0304, &[0xAA, 0xBB][..]));
    }

    #[test]
    fn rtp_packet_with_csrc_extension_and_padding() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0xB2;
        bytes.extend([0; 8]); // two CSRC
        bytes.extend([0xBE, 0xDE, 0, 1, 5, 6, 7, 8]);
        bytes.extend([0x11, 0x22, 0, 0, 3]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.extension, Some((0xBEDE, &[5, 6, 7, 8][..])));
        assert_eq!(packet.payload, [0x11, 0x22]);
    }

    #[test]
    fn rtp_packet_cut_anywhere_is_no_packet() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0xB1;
        bytes.extend([0, 0, 0, 0, 1, 1, 0, 1, 1, 2, 3, 4, 1]);
        assert!(RtpPacket::parse(&bytes).is_some_and(|packet| packet.payload.is_empty()));
        for end in 0..bytes.len() {
            assert_eq!(RtpPacket::parse(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn rtp_version_and_padding_beyond_the_payload_are_refused() {
        let mut bytes = PLAIN;
        bytes[0] = 0x40;
        assert_eq!(RtpPacket::parse(&bytes), None);
        bytes[0] = 0xA0; // padding of 0xBB bytes
        assert_eq!(RtpPacket::parse(&bytes), None);
    }
}
