//! What RTCP (RFC 3550, 6) says that a recorder wants to know: which wall-clock time a time stamp stands for, and that the
//! stream is over.

/// Seconds from NTP's beginning, 1900, to 1970.
const NTP_TO_UNIX_SECONDS: i64 = 2_208_988_800;

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

/// An NTP time stamp as nanoseconds since 1970; `None` for 0, which means that the sender has no clock. Second 2³² of NTP
/// is in February 2036: what would be before 1968 is taken for after it.
#[must_use]
pub fn unix_ns(ntp: u64) -> Option<i64> {
    if ntp == 0 {
        return None;
    }
    let seconds = i64::from((ntp >> 32) as u32);
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    let fraction = ((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    Some((seconds + era - NTP_TO_UNIX_SECONDS) * 1_000_000_000 + i64::try_from(fraction).unwrap_or(0))
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

    #[test]
    fn ntp_to_unix() {
        assert_eq!(unix_ns(0), None);
        assert_eq!(unix_ns((2_208_988_801 << 32) | 0x8000_0000), Some(1_500_000_000));
        // 2036-02-07T06:28:17Z, of the next era.
        assert_eq!(unix_ns(1 << 32), Some(2_085_978_497_000_000_000));
    }
}
