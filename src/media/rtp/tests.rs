//! Streams of packets made by hand, after the figures of the RFCs.

use std::time::{Duration, Instant};

use super::{Counts, Format, Frame, Stream, Transport};
use crate::media::Track;

pub(super) fn format(encoding: &str, clock_rate_hz: u32, fmtp: &str) -> Format {
    let media = if clock_rate_hz == 90_000 { "video" } else { "audio" }.to_owned();
    Format { media, payload_type: 96, encoding: encoding.to_owned(), clock_rate_hz, channels: 1, fmtp: fmtp.to_owned() }
}

/// Sends packets to a stream, ten milliseconds after one another, and keeps what comes out.
pub(super) struct Sender {
    pub(super) stream: Stream,
    start: Instant,
    packets: u32,
    sequence: u16,
    pub(super) frames: Vec<Frame>,
}

impl Sender {
    pub(super) fn new(format: &Format) -> Self {
        let stream = Stream::new(format, Transport::Udp).unwrap();
        Self { stream, start: Instant::now(), packets: 0, sequence: 100, frames: Vec::new() }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_millis(10) * self.packets
    }

    /// The next packet.
    pub(super) fn send(&mut self, timestamp: u32, marker: bool, payload: &[u8]) {
        self.send_as(96, timestamp, marker, None, payload);
    }

    pub(super) fn send_as(
        &mut self,
        payload_type: u8,
        timestamp: u32,
        marker: bool,
        extension: Option<&[u8]>,
        payload: &[u8],
    ) {
        let mut packet = vec![if extension.is_some() { 0x90 } else { 0x80 }, payload_type | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(extension.unwrap_or_default());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.stream.push(&packet, self.now(), &mut self.frames);
    }

    /// The next so many packets never come.
    pub(super) fn lose(&mut self, packets: u16) {
        self.sequence += packets;
    }

    /// Nothing comes for a while.
    pub(super) fn pause(&mut self) {
        self.packets += 20;
        self.stream.expire(self.now(), &mut self.frames);
    }

    pub(super) fn finish(mut self) -> (Vec<Frame>, Counts, Option<Track>) {
        self.stream.finish(&mut self.frames);
        (self.frames, self.stream.counts(), self.stream.track().cloned())
    }
}

/// Nothing but losses.
pub(super) fn lost(lost_packets: u64, dropped_frames: u64) -> Counts {
    Counts { lost_packets, dropped_frames, ..Counts::default() }
}

#[test]
fn rtp_format_without_depacketizer_is_unsupported() {
    let error = Stream::new(&format("VP8", 90_000, ""), Transport::Tcp).err().unwrap();
    assert_eq!(error.to_string(), "cannot read video \"VP8\" from RTP: footage has no depacketizer for it");
    let error = Stream::new(&format("MPEG4-GENERIC", 7000, "mode=CELP-vbr"), Transport::Tcp).err().unwrap();
    assert_eq!(error.to_string(), "cannot read audio \"MPEG4-GENERIC\" from RTP: its mode is not one of AAC");
}

#[test]
fn rtp_of_another_payload_type_is_skipped() {
    let mut sender = Sender::new(&format("PCMA", 8000, ""));
    sender.send(0, false, &[1]);
    sender.send_as(101, 80, false, None, &[9]);
    sender.send(160, false, &[2]);
    let (frames, counts, _) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.data[0]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(counts, Counts::default());
}

#[test]
fn rtp_that_is_malformed_is_counted() {
    let mut stream = Stream::new(&format("PCMA", 8000, ""), Transport::Tcp).unwrap();
    stream.push(&[0x80, 96, 0], Instant::now(), &mut Vec::new());
    assert_eq!(stream.counts().malformed_packets, 1);
}

#[test]
fn rtp_ticks_of_sender_reports_are_near_those_of_packets() {
    let mut sender = Sender::new(&format("PCMA", 8000, ""));
    assert_eq!(sender.stream.ticks_of(7), None);
    sender.send(u32::MAX, false, &[1]);
    sender.send(159, false, &[2]);
    assert_eq!(sender.stream.ticks_of(159), Some((1 << 32) + 159));
    assert_eq!(sender.stream.ticks_of(u32::MAX), Some((1 << 32) - 1));
}
