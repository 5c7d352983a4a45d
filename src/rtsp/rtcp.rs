//! Reports beside RTP (RTCP, RFC 3550, 6): what a recorder needs of them. Pure.

/// Payload types of RTCP.
const SENDER_REPORT: u8 = 200;
const BYE: u8 = 203;

/// What a packet of RTCP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Which time of the server's clock belongs to which RTP time stamp. Both may be wrong.
    Sender {
        /// Seconds since 1900 in the high 32 bits, their fraction in the low ones.
        ntp: u64,
        /// The RTP time stamp of the same moment.
        rtp: u32,
    },
    /// The stream has ended.
    Bye,
}

/// The reports of a compound packet, up to its end or to what is broken. No source is checked: some cameras send 0.
pub fn read(packet: &[u8]) -> impl Iterator<Item = Report> {
    let mut rest = packet;
    std::iter::from_fn(move || {
        loop {
            let (header, after) = rest.split_first_chunk::<4>()?;
            if header[0] >> 6 != 2 {
                return None;
            }
            let length = usize::from(u16::from_be_bytes([header[2], header[3]])) * 4;
            let body;
            (body, rest) = after.split_at_checked(length)?;
            match header[1] {
                SENDER_REPORT => {
                    let ntp = body.get(4..).and_then(|times| times.split_first_chunk::<8>());
                    let both = ntp.and_then(|(ntp, after)| Some((ntp, after.first_chunk::<4>()?)));
                    if let Some((ntp, rtp)) = both {
                        let (ntp, rtp) = (u64::from_be_bytes(*ntp), u32::from_be_bytes(*rtp));
                        return Some(Report::Sender { ntp, rtp });
                    }
                }
                BYE => return Some(Report::Bye),
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: [u8; 28] =
        [0x80, 200, 0, 6, 0, 0, 0, 7, 0xE0, 1, 2, 3, 0x80, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 9];

    #[test]
    fn sender_reports_and_bye_of_a_compound_packet() {
        let sender = Report::Sender { ntp: 0xE001_0203_8000_0000, rtp: 0x0001_0002 };
        let description = [0x81, 202, 0, 2, 0, 0, 0, 7, 1, 0, 0, 0];
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
        let packet = [&REPORT[..], &description, &bye].concat();
        assert_eq!(read(&packet).collect::<Vec<_>>(), [sender, Report::Bye]);
        assert_eq!(read(&REPORT[..27]).count(), 0, "cut");
        assert_eq!(read(&[0x80, 200, 0, 1, 0, 0, 0, 7]).count(), 0, "empty");
        assert_eq!(read(&[0x00, 203, 0, 0]).count(), 0, "version");
        assert_eq!(read(&[0x80, 203, 0, 0]).collect::<Vec<_>>(), [Report::Bye], "without a source");
    }

    proptest::proptest! {
        #[test]
        fn any_rtcp_is_read(packet in proptest::collection::vec(0u8.., 0..99)) {
            proptest::prop_assert!(read(&packet).count() <= packet.len() / 4);
        }
    }
}
