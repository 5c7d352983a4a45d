//! Packets in the order in which they were sent, and how many of them never came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::packet::RtpPacket;

/// How a stream's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In order of sending: sequence numbers only tell what the server left out.
    Tcp,
    /// Each for itself: some come late, twice or never.
    Udp,
}

/// Later than this no packet is waited for: as long as ffmpeg waits.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// So many packets wait for an earlier one at most,
const MAX_WAITING: usize = 256;
/// and so many bytes of them.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// From RFC 3550, A.1: a number that is further ahead than this has not been reached by losses,
const MAX_DROPOUT: u16 = 3000;
/// and one that is further behind is not a late packet.
const MAX_MISORDER: u16 = 512;

/// Puts packets in order.
pub(super) struct Order {
    transport: Transport,
    expected: Option<u16>,
    ssrc: u32,
    /// In order of their sequence numbers, all ahead of `expected`.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// A packet far from what is expected: the next one says whether the sender began anew.
    stray: Option<Waiting>,
    lost: u64,
}

struct Waiting {
    sequence: u16,
    arrived: Instant,
    bytes: Vec<u8>,
}

impl Order {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, expected: None, ssrc: 0, waiting: VecDeque::new(), waiting_bytes: 0, stray: None, lost: 0 }
    }

    /// How many packets have not come.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes a packet, read from `bytes`, and delivers those whose turn it is: each with whether packets before it are
    /// missing (also of the first), and when it arrived. A sender that begins anew leaves no gap.
    pub(super) fn push(
        &mut self,
        packet: &RtpPacket,
        bytes: &[u8],
        now: Instant,
        deliver: &mut dyn FnMut(&RtpPacket, bool, Instant),
    ) {
        let Some(expected) = self.expected.filter(|_| packet.ssrc == self.ssrc || self.transport == Transport::Tcp)
        else {
            let is_first = self.expected.is_none();
            self.release_all(deliver);
            self.stray = None;
            self.ssrc = packet.ssrc;
            return self.deliver(packet, is_first, now, deliver);
        };
        let ahead = packet.sequence.wrapping_sub(expected);
        let behind = expected.wrapping_sub(packet.sequence);
        match self.transport {
            _ if ahead == 0 => {
                self.deliver(packet, false, now, deliver);
                self.release_ready(deliver);
            }
            Transport::Tcp if ahead < MAX_DROPOUT => {
                self.lost += u64::from(ahead);
                self.deliver(packet, true, now, deliver);
            }
            // Servers count as they like, or not at all: TCP keeps the order.
            Transport::Tcp => self.deliver(packet, false, now, deliver),
            Transport::Udp if ahead < MAX_DROPOUT => self.hold(packet, bytes, now, deliver),
            Transport::Udp if behind <= MAX_MISORDER => {} // twice, or given up
            Transport::Udp => self.suspect(packet, bytes, now, deliver),
        }
        self.expire(now, deliver);
    }

    /// Takes a packet that is not to be delivered, of another payload type: some senders count those too.
    pub(super) fn pass(&mut self, packet: &RtpPacket, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        if self.expected == Some(packet.sequence) && packet.ssrc == self.ssrc {
            self.expected = Some(packet.sequence.wrapping_add(1));
            self.release_ready(deliver);
        }
    }

    /// Gives up those that have not come in time.
    pub(super) fn expire(&mut self, now: Instant, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        while let Some(oldest) = self.waiting.iter().map(|waiting| waiting.arrived).min() {
            let is_full = self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES;
            if !is_full && now.saturating_duration_since(oldest) < MAX_WAIT {
                break;
            }
            self.skip_gap(deliver);
        }
    }

    /// Gives up all that have not come.
    pub(super) fn release_all(&mut self, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        while !self.waiting.is_empty() {
            self.skip_gap(deliver);
        }
    }

    fn deliver(
        &mut self,
        packet: &RtpPacket,
        after_gap: bool,
        arrived: Instant,
        deliver: &mut dyn FnMut(&RtpPacket, bool, Instant),
    ) {
        self.expected = Some(packet.sequence.wrapping_add(1));
        deliver(packet, after_gap, arrived);
    }

    fn hold(
        &mut self,
        packet: &RtpPacket,
        bytes: &[u8],
        now: Instant,
        deliver: &mut dyn FnMut(&RtpPacket, bool, Instant),
    ) {
        let Some(expected) = self.expected else { return };
        let ahead = |sequence: u16| sequence.wrapping_sub(expected);
        let at = self.waiting.partition_point(|waiting| ahead(waiting.sequence) < ahead(packet.sequence));
        if self.waiting.get(at).is_some_and(|waiting| waiting.sequence == packet.sequence) {
            return;
        }
        self.waiting_bytes += bytes.len();
        self.waiting.insert(at, Waiting { sequence: packet.sequence, arrived: now, bytes: bytes.to_vec() });
        self.expire(now, deliver);
    }

    /// Two packets in sequence far away are a new beginning; one is a stray, and is lost.
    fn suspect(
        &mut self,
        packet: &RtpPacket,
        bytes: &[u8],
        now: Instant,
        deliver: &mut dyn FnMut(&RtpPacket, bool, Instant),
    ) {
        match self.stray.take().filter(|stray| stray.sequence.wrapping_add(1) == packet.sequence) {
            Some(first) => {
                self.release_all(deliver);
                if let Some(first_packet) = RtpPacket::parse(&first.bytes) {
                    self.deliver(&first_packet, false, first.arrived, deliver);
                }
                self.deliver(packet, false, now, deliver);
            }
            None => self.stray = Some(Waiting { sequence: packet.sequence, arrived: now, bytes: bytes.to_vec() }),
        }
    }

    /// Counts those before the first that waits as lost.
    fn skip_gap(&mut self, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        if let (Some(first), Some(expected)) = (self.waiting.front(), self.expected) {
            self.lost += u64::from(first.sequence.wrapping_sub(expected));
            self.release_first(true, deliver);
            self.release_ready(deliver);
        }
    }

    fn release_ready(&mut self, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        while self.waiting.front().is_some_and(|first| Some(first.sequence) == self.expected) {
            self.release_first(false, deliver);
        }
    }

    fn release_first(&mut self, after_gap: bool, deliver: &mut dyn FnMut(&RtpPacket, bool, Instant)) {
        let Some(first) = self.waiting.pop_front() else { return };
        self.waiting_bytes -= first.bytes.len();
        if let Some(packet) = RtpPacket::parse(&first.bytes) {
            self.deliver(&packet, after_gap, first.arrived, deliver);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(sequence: u16) -> Vec<u8> {
        let mut bytes = vec![0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        bytes
    }

    /// What comes out of `sequences`, each `step` after the one before; a `-` before those that follow a gap.
    fn order(transport: Transport, step: Duration, sequences: &[u16]) -> (String, u64) {
        let (mut order, mut text, start) = (Order::new(transport), String::new(), Instant::now());
        let mut deliver = |packet: &RtpPacket, after_gap, _| {
            text += if after_gap { "-" } else { "" };
            text += &packet.sequence.to_string();
            text += " ";
        };
        for (number, &sequence) in (0..).zip(sequences) {
            let bytes = bytes(sequence);
            let now = start + step * number;
            order.push(&RtpPacket::parse(&bytes).unwrap(), &bytes, now, &mut deliver);
        }
        order.release_all(&mut deliver);
        (text.trim_end().to_owned(), order.lost())
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn udp_swapped_and_doubled_packets_come_in_order_once() {
        let result = order(Transport::Udp, MS, &[65534, 0, 65535, 65535, 2, 2, 1, 3]);
        assert_eq!(result, ("-65534 65535 0 1 2 3".into(), 0));
    }

    #[test]
    fn udp_lost_packet_is_waited_for_and_counted() {
        assert_eq!(order(Transport::Udp, MS, &[1, 2, 5, 6]), ("-1 2 -5 6".into(), 2));
        // The third comes after the wait is over.
        assert_eq!(order(Transport::Udp, 60 * MS, &[1, 3, 4, 5, 2, 6]), ("-1 -3 4 5 6".into(), 1));
    }

    #[test]
    fn udp_reorder_buffer_is_bounded() {
        let (mut order, mut delivered, now) = (Order::new(Transport::Udp), 0, Instant::now());
        for sequence in std::iter::once(0).chain(2..2000) {
            let bytes = bytes(sequence);
            order.push(&RtpPacket::parse(&bytes).unwrap(), &bytes, now, &mut |_, _, _| delivered += 1);
            assert!(order.waiting.len() <= MAX_WAITING);
        }
        assert_eq!((delivered, order.lost()), (1999, 1));
    }

    #[test]
    fn udp_restart_of_the_count_loses_no_packet() {
        assert_eq!(order(Transport::Udp, MS, &[5000, 5001, 40, 41, 42]), ("-5000 5001 40 41 42".into(), 0));
        // One stray does not turn the stream.
        assert_eq!(order(Transport::Udp, MS, &[5000, 5001, 40, 5002]), ("-5000 5001 5002".into(), 0));
    }

    #[test]
    fn udp_new_ssrc_is_a_restart() {
        let (mut order, mut seen, now) = (Order::new(Transport::Udp), Vec::new(), Instant::now());
        for (sequence, ssrc) in [(7, 1), (9, 1), (6, 2), (7, 2)] {
            let mut bytes = bytes(sequence);
            bytes[11] = ssrc;
            let packet = RtpPacket::parse(&bytes).unwrap();
            order.push(&packet, &bytes, now, &mut |packet, after_gap, _| seen.push((packet.sequence, after_gap)));
        }
        let expected = [(7, true), (9, true), (6, false), (7, false)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn tcp_keeps_the_order_of_arrival_whatever_the_count() {
        assert_eq!(order(Transport::Tcp, MS, &[1, 2, 1002, 1003]), ("-1 2 -1002 1003".into(), 999));
        assert_eq!(order(Transport::Tcp, MS, &[9, 9, 9, 3, 60_000]), ("-9 9 9 3 60000".into(), 0));
    }
}
