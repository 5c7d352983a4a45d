//! What RTCP (RFC 3550, 6) says that a recorder wants to know: which wall-clock time a time stamp stands for, and that the
//! stream is over.

/// One report of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The same instant on two clocks.
    Sender {
        /// Of the sender; 0 where the server lies.
        ssrc: u32,
        /// The sender's wall clock, in seconds since 1900 (high half) and their fractions (low half).
        ntp: u64,
        /// In ticks of the format's clock.
        rtp: u32,
    },
    /// Nothing more comes.
    Bye,
}

/// The reports in a compound packet, as far as it can be read.
pub fn reports(bytes: &[u8]) -> impl Iterator<Item = Report> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let [first, kind, high, low] = *rest.first_chunk()?;
            if first >> 6 != 2 {
                return None;
            }
            let body = &rest[4..];
            // Servers that count wrongly are read up to the end of what they sent.
            let length = 4 * usize::from(u16::from_be_bytes([high, low]));
            rest = body.get(length..).unwrap_or_default();
            match kind {
                200 => {
                    let (ssrc, body) = body.split_first_chunk()?;
                    let (ntp, body) = body.split_first_chunk()?;
                    let (rtp, _) = body.split_first_chunk()?;
                    return Some(Report::Sender {
                        ssrc: u32::from_be_bytes(*ssrc),
                        ntp: u64::from_be_bytes(*ntp),
                        rtp: u32::from_be_bytes(*rtp),
                    });
                }
                203 => return Some(Report::Bye),
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender_report() -> Vec<u8> {
        let mut bytes = vec![0x80, 200, 0, 6, 1, 2, 3, 4];
        bytes.extend(0xEF00_0000_8000_0000_u64.to_be_bytes());
        bytes.extend(90_000_u32.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn rtcp_sender_report_then_sdes_then_bye() {
        let mut bytes = sender_report();
        bytes.extend([0x81, 202, 0, 1, 1, 2, 3, 4]);
        bytes.extend([0x81, 203, 0, 1, 1, 2, 3, 4]);
        let expected = Report::Sender { ssrc: 0x0102_0304, ntp: 0xEF00_0000_8000_0000, rtp: 90_000 };
        assert_eq!(reports(&bytes).collect::<Vec<_>>(), [expected, Report::Bye]);
    }

    #[test]
    fn rtcp_that_is_cut_or_counts_wrongly_ends() {
        let mut bytes = sender_report();
        for end in 0..20 {
            assert_eq!(reports(&bytes[..end]).count(), 0, "{end}");
        }
        bytes[3] = 200;
        assert_eq!(reports(&bytes).count(), 1);
        assert_eq!(reports(&[0x80, 201, 0, 0].repeat(1000)).count(), 0);
    }
}
