//! G.711, G.722, G.726, L16, Opus and MPEG audio.

use crate::media::rtp::Counts;
use crate::media::rtp::tests::{Sender, format, lost};
use crate::media::{Codec, Shape, Track};

fn one(encoding: &str, clock_rate_hz: u32, payload: &[u8]) -> (Vec<u8>, Track) {
    let mut sender = Sender::new(&format(encoding, clock_rate_hz, ""));
    sender.send(0, false, payload);
    let (frames, _, track) = sender.finish();
    (frames[0].data.clone(), track.unwrap())
}

#[test]
fn g711_and_g722_are_taken_as_they_are() {
    for (encoding, codec, rate) in
        [("PCMA", Codec::ALaw, 8000), ("PCMU", Codec::MuLaw, 8000), ("G722", Codec::G722, 16_000)]
    {
        let (data, track) = one(encoding, 8000, &[1, 2, 3]);
        assert_eq!(data, [1, 2, 3]);
        assert_eq!(track, Track { codec, shape: Shape::Audio { sample_rate_hz: rate, channels: 1 } });
    }
}

/// RFC 3551, 4.5.4: figures of how samples A, B, C … stand in bytes.
#[test]
#[expect(clippy::unusual_byte_groupings, reason = "a group is a sample")]
fn g726_changes_ends_unless_it_is_of_aal2() {
    // The samples 0, 1, 2 and 3, and on, with the first in the low bits, and in the high ones.
    let all: [(u8, &[u8], &[u8]); 4] = [
        (2, &[0b11_10_01_00], &[0b00_01_10_11]),
        (3, &[0b10_001_000, 0b1_100_011_0, 0b111_110_10], &[0b000_001_01, 0b0_011_100_1, 0b01_110_111]),
        (4, &[0x10, 0x32], &[0x01, 0x23]),
        (
            5,
            &[0b001_00000, 0b1_00010_00, 0b0100_0001, 0b10_00101_0, 0b00111_001],
            &[0b00000_000, 0b01_00010_0, 0b0011_0010, 0b0_00101_00, 0b110_00111],
        ),
    ];
    for (bits, low, high) in all {
        let name = format!("G726-{}", 8 * u32::from(bits));
        let shape = Shape::Audio { sample_rate_hz: 8000, channels: 1 };
        assert_eq!(one(&name, 8000, low), (high.to_vec(), Track { codec: Codec::G726 { bits }, shape }), "{bits}");
        assert_eq!(one(&format!("AAL2-{name}"), 8000, high).0, high);
    }
}

#[test]
fn l16_is_cut_to_whole_samples() {
    assert_eq!(one("L16", 44_100, &[1, 2, 3]).0, [1, 2]);
}

#[test]
fn opus_head_and_packets() {
    let (data, track) = one("OPUS", 48_000, &[0xFC, 1]);
    assert_eq!(data, [0xFC, 1]);
    let head = b"OpusHead\x01\x02\0\0\x80\xBB\0\0\0\0\0".to_vec();
    assert_eq!(
        track,
        Track { codec: Codec::Opus { head }, shape: Shape::Audio { sample_rate_hz: 48_000, channels: 2 } }
    );
    let sender = Sender::new(&format("OPUS", 48_000, "sprop-stereo=0"));
    let shape = sender.stream.track().unwrap().shape;
    assert_eq!(shape, Shape::Audio { sample_rate_hz: 48_000, channels: 1 });
}

#[test]
fn mpa_frames_and_fragments() {
    // MPEG-1, layer II, 32 kbit/s, 48,000 Hz, mono: 96 bytes.
    let mut frame = vec![0xFF, 0xFD, 0x14, 0xC0];
    frame.resize(96, 7);
    let mut sender = Sender::new(&format("MPA", 90_000, ""));
    sender.send(0, false, &[&[0; 4], &frame[..], &frame].concat());
    sender.send(4320, false, &[&[0; 4], &frame[..50]].concat());
    sender.send(4320, false, &[&[0, 0, 0, 50], &frame[50..]].concat());
    sender.send(6480, false, &[&[0; 4], &frame[..50]].concat());
    sender.lose(1);
    sender.send(8640, false, &[&[0; 4], &frame[..]].concat());
    sender.pause();
    let (frames, counts, track) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.ticks).collect::<Vec<_>>(), [0, 2160, 4320, 8640]);
    assert!(frames.iter().all(|received| received.data == frame));
    assert_eq!(counts, lost(1, 1));
    assert_eq!(track, Some(Track { codec: Codec::Mp2, shape: Shape::Audio { sample_rate_hz: 48_000, channels: 1 } }));
}

#[test]
fn mpa_without_a_header_is_malformed() {
    let mut sender = Sender::new(&format("MPA", 90_000, ""));
    sender.send(0, false, &[0, 0, 0, 0, 1, 2, 3, 4]);
    sender.send(0, false, &[0]);
    let (frames, counts, _) = sender.finish();
    assert_eq!((frames.len(), counts), (0, Counts { malformed_packets: 2, ..Counts::default() }));
}
