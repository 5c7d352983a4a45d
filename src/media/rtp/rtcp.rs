//! What RTCP (RFC 3550, 6) says that a recorder wants to know: which wall-clock time a time stamp stands for, and that the
//! stream is over. And what a recorder says: which packets it has received.

use std::time::Instant;

/// Behind a number by more than this, a packet is not late: its sender has begun anew.
const MAX_MISORDER: u16 = 512;
/// The name of a receiver, which every compound packet has to hold (RFC 3550, 6.1).
const CNAME: &[u8; 7] = b"footage";

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

/// One stream as its receiver reports it (RFC 3550, 6.4.2). Servers that get no report over UDP, some recorders of cameras
/// among them, end the session after seconds, whatever requests come.
#[derive(Debug, Default)]
pub struct Receiver {
    source: Option<Source>,
    /// The middle 32 bits of the time in the last report of the sender, and when that came.
    last_sender_report: Option<(u32, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    first: u32,
    /// The sequence number, with how often it has wrapped in the high 16 bits.
    highest: u32,
    received: u32,
    /// What was expected and received at the last report.
    reported: (u32, u32),
}

impl Receiver {
    /// A packet of RTP has come.
    pub fn on_packet(&mut self, packet: &[u8]) {
        let Some([_, _, high, low, _, _, _, _, a, b, c, d]) = packet.first_chunk() else { return };
        let (sequence, ssrc) = (u16::from_be_bytes([*high, *low]), u32::from_be_bytes([*a, *b, *c, *d]));
        let begin = Source { ssrc, first: sequence.into(), highest: sequence.into(), received: 0, reported: (0, 0) };
        let source = self.source.get_or_insert(begin);
        let [.., high, low] = source.highest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        if source.ssrc != ssrc || (0x8000..=u16::MAX - MAX_MISORDER).contains(&ahead) {
            *source = begin;
        } else if ahead < 0x8000 {
            source.highest = source.highest.wrapping_add(ahead.into());
        }
        source.received = source.received.wrapping_add(1);
    }

    /// A [report](Report::Sender) of the sender has come, with this time of its clock.
    pub fn on_sender_report(&mut self, ntp: u64, now: Instant) {
        let [_, _, a, b, c, d, _, _] = ntp.to_be_bytes();
        self.last_sender_report = Some((u32::from_be_bytes([a, b, c, d]), now));
    }

    /// A compound packet: the report, empty before the first packet, and the receiver's name. `ssrc` is any number, the same
    /// for the whole session.
    ///
    /// It states no jitter: packets gather in the kernel, so when they were read says nothing of it.
    pub fn report(&mut self, ssrc: u32, now: Instant) -> Vec<u8> {
        let mut packet = Vec::with_capacity(52);
        match &mut self.source {
            None => {
                packet.extend([0x80, 201, 0, 1]);
                packet.extend(ssrc.to_be_bytes());
            }
            Some(source) => {
                packet.extend([0x81, 201, 0, 7]);
                packet.extend(ssrc.to_be_bytes());
                packet.extend(source.block());
                let (last, waited) = self.last_sender_report.map_or((0, 0), |(last, at)| {
                    let waited = now.saturating_duration_since(at).as_nanos() * 65_536 / 1_000_000_000;
                    (last, u32::try_from(waited).unwrap_or(u32::MAX))
                });
                packet.extend(last.to_be_bytes());
                packet.extend(waited.to_be_bytes());
            }
        }
        // A description of one source with one item, the name: 1, its length, and zeros up to a multiple of four.
        packet.extend([0x81, 202, 0, 4]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([1, 7]);
        packet.extend(CNAME);
        packet.extend([0; 3]);
        packet
    }
}

impl Source {
    /// Whose packets, how many of them were lost since the last report (in 256ths) and in all, and how far they have come.
    fn block(&mut self) -> [u8; 16] {
        let expected = self.highest.wrapping_sub(self.first).wrapping_add(1);
        let lost = expected.saturating_sub(self.received).min(0x7F_FFFF);
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let expected_now = expected.wrapping_sub(expected_before);
        let lost_now = expected_now.saturating_sub(self.received.wrapping_sub(received_before));
        let fraction = (u64::from(lost_now) * 256).checked_div(expected_now.into()).unwrap_or(0);
        let lost = lost | u32::from(u8::try_from(fraction).unwrap_or(u8::MAX)) << 24;
        let mut block = [0; 16];
        for (place, field) in block.chunks_exact_mut(4).zip([self.ssrc, lost, self.highest]) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    fn rtp(ssrc: u8, sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc, 7]
    }

    const NAME: [u8; 20] = *b"\x81\xCA\0\x04\0\0\0\x09\x01\x07footage\0\0\0";

    #[test]
    fn receiver_report_before_the_first_packet_is_empty_and_has_a_name() {
        let report = Receiver::default().report(9, Instant::now());
        assert_eq!(report, [&[0x80, 201, 0, 1, 0, 0, 0, 9][..], &NAME].concat());
    }

    #[test]
    fn receiver_report_counts_losses_over_a_wrap_and_since_the_last_one() {
        let (mut receiver, now) = (Receiver::default(), Instant::now());
        // 65,534 to 1, of which 0 comes late and 65,535 never.
        for sequence in [65_534, 1, 0] {
            receiver.on_packet(&rtp(5, sequence));
        }
        receiver.on_sender_report(0x1111_2222_3333_4444, now);
        let report = receiver.report(9, now + Duration::from_millis(1500));
        let fields: Vec<u32> =
            report[..32].chunks(4).map(|field| u32::from_be_bytes(field.try_into().unwrap())).collect();
        assert_eq!(fields, [0x81C9_0007, 9, 5, 64 << 24 | 1, 0x1_0001, 0, 0x2222_3333, 3 << 15]);
        assert_eq!(report[32..], NAME);
        receiver.on_packet(&rtp(5, 2));
        let report = receiver.report(9, now);
        assert_eq!((report[12], &report[13..20]), (0, &[0, 0, 1, 0, 1, 0, 2][..]), "nothing was lost since then");
    }

    #[test]
    fn receiver_report_begins_anew_with_its_sender() {
        let (mut receiver, now) = (Receiver::default(), Instant::now());
        for (ssrc, sequence) in [(5, 700), (5, 60_000), (5, 60_001), (6, 9), (6, 11)] {
            receiver.on_packet(&rtp(ssrc, sequence));
        }
        let report = receiver.report(9, now);
        assert_eq!(report[8..20], [0, 0, 0, 6, 85, 0, 0, 1, 0, 0, 0, 11]);
        receiver.on_packet(&[0x80; 11]);
        assert_eq!(receiver.report(9, now)[8..20], [0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 11]);
    }
}
