//! AAC: RFC 3640 and RFC 6416.

use crate::media::rtp::Counts;
use crate::media::rtp::tests::{Sender, format, lost};
use crate::media::{Codec, Shape, Track};

const HBR: &str = "streamtype=5;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408";

fn times_and_data(sender: Sender) -> (Vec<(i64, Vec<u8>)>, Counts) {
    let (frames, counts, _) = sender.finish();
    (frames.into_iter().map(|frame| (frame.ticks, frame.data)).collect(), counts)
}

#[test]
fn aac_several_access_units_in_a_packet() {
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 16_000, HBR));
    let shape = Shape::Audio { sample_rate_hz: 16_000, channels: 1 };
    let track = Track { codec: Codec::Aac { config: vec![0x14, 0x08] }, shape };
    assert_eq!(sender.stream.track(), Some(&track));
    sender.send(5000, true, &[0, 32, 0, 2 << 3, 0, 1 << 3, 1, 2, 3]);
    let (units, counts) = times_and_data(sender);
    assert_eq!(units, [(5000, vec![1, 2]), (6024, vec![3])]);
    assert_eq!(counts, Counts::default());
}

#[test]
fn aac_fragments_and_a_lost_one() {
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 16_000, HBR));
    for timestamp in [0, 1024, 2048] {
        sender.send(timestamp, false, &[0, 16, 0, 5 << 3, 1, 2]);
        if timestamp == 1024 {
            sender.lose(1);
        } else {
            sender.send(timestamp, false, &[0, 16, 0, 5 << 3, 3, 4]);
        }
        sender.send(timestamp, true, &[0, 16, 0, 5 << 3, 5]);
    }
    sender.pause();
    let (units, counts) = times_and_data(sender);
    assert_eq!(units, [(0, vec![1, 2, 3, 4, 5]), (2048, vec![1, 2, 3, 4, 5])]);
    assert_eq!(counts.dropped_frames, 1);
}

#[test]
fn aac_header_of_adts_is_taken_off() {
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 16_000, HBR));
    sender.send(0, true, &[0, 16, 0, 9 << 3, 0xFF, 0xF1, 0x60, 0x40, 0x01, 0x3F, 0xFC, 0x21, 0x17]);
    assert_eq!(times_and_data(sender).0, [(0, vec![0x21, 0x17])]);
}

#[test]
fn aac_without_config_or_lengths_is_that_of_the_sdp() {
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 16_000, ""));
    sender.send(0, true, &[0, 16, 0, 8, 7]);
    let (frames, _, track) = sender.finish();
    assert_eq!(frames[0].data, [7]);
    assert_eq!(track.unwrap().codec, Codec::Aac { config: vec![0x14, 0x08] });
}

#[test]
fn aac_with_explicit_sbr_is_heard_at_its_rate() {
    // Object type 5 of 24,000 Hz, stereo, to 48,000 Hz.
    let fmtp = "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=2B118800";
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 48_000, fmtp));
    let shape = Shape::Audio { sample_rate_hz: 48_000, channels: 2 };
    assert_eq!(sender.stream.track().unwrap().shape, shape);
    sender.send(0, true, &[0, 32, 0, 1 << 3, 0, 1 << 3, 1, 2]);
    assert_eq!(times_and_data(sender).0[1].0, 2048);
}

#[test]
fn aac_header_section_that_lies_is_malformed() {
    let mut sender = Sender::new(&format("MPEG4-GENERIC", 16_000, HBR));
    sender.send(0, true, &[0xFF, 0xFF, 1]);
    sender.send(0, true, &[0, 16, 0, 80]);
    sender.send(0, true, &[]);
    assert_eq!(times_and_data(sender), (vec![], Counts { malformed_packets: 2, ..Counts::default() }));
}

#[test]
fn latm_with_a_config_in_the_sdp() {
    let mut sender = Sender::new(&format("MP4A-LATM", 16_000, "cpresent=0;config=400028103fc0"));
    let shape = Shape::Audio { sample_rate_hz: 16_000, channels: 1 };
    let track = Track { codec: Codec::Aac { config: vec![0x14, 0x08] }, shape };
    assert_eq!(sender.stream.track(), Some(&track));
    sender.send(0, true, &[2, 1, 2]);
    // In two packets, with a length in two bytes.
    sender.send(1024, false, &[&[255, 1][..], &[7; 100]].concat());
    sender.send(1024, true, &[8; 156]);
    sender.send(2048, false, &[4, 1]);
    sender.lose(1);
    sender.send(3072, true, &[1, 9]);
    sender.pause();
    let (units, counts) = times_and_data(sender);
    assert_eq!(
        units.iter().map(|(ticks, data)| (*ticks, data.len())).collect::<Vec<_>>(),
        [(0, 2), (1024, 256), (3072, 1)]
    );
    assert_eq!(counts, lost(1, 1));
}

#[test]
fn latm_with_a_config_in_band() {
    let mut sender = Sender::new(&format("MP4A-LATM", 16_000, "cpresent=1"));
    assert_eq!(sender.stream.track(), None);
    // A bit that says so, then the configuration of the test above, then a unit of one byte: all moved by that bit.
    let config = 0x4000_2810_3FC0_u64 >> 4;
    sender.send(0, true, &((config << 16 | 0x01AB) << 3).to_be_bytes());
    // And with the one before.
    sender.send(1024, true, &[0x80, 0xD5, 0x80]);
    let (frames, counts, track) = sender.finish();
    assert_eq!(counts, Counts::default());
    assert_eq!(
        frames.iter().map(|frame| (frame.ticks, frame.data.clone())).collect::<Vec<_>>(),
        [(0, vec![0xAB]), (1024, vec![0xAB])]
    );
    assert_eq!(frames[0].codec, track);
}
