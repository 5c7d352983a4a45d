use proptest::prelude::*;

use super::packets::crc;
use super::*;
use crate::media::arbitrary;

fn tracks(depth_stated: bool) -> Vec<Track> {
    // Baseline states that nothing is reordered; a configuration that cannot be read states nothing.
    let config = if depth_stated {
        let mut sets = ParameterSets::new(Standard::H264);
        let sps = "6742c01ed900a02fea6c0440000003004000000c83c58b92";
        let sps: Vec<u8> =
            (0..sps.len()).step_by(2).map(|at| u8::from_str_radix(&sps[at..at + 2], 16).unwrap()).collect();
        assert!(sets.insert(&sps) && sets.insert(&[0x68, 0xCB, 0x83, 0xCB, 0x20]));
        sets.config().unwrap()
    } else {
        vec![1]
    };
    vec![
        Track { codec: Codec::H264 { config }, shape: Shape::Video { width: 638, height: 358 } },
        Track { codec: Codec::ALaw, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } },
        Track {
            codec: Codec::Aac { config: vec![0x11, 0x90] },
            shape: Shape::Audio { sample_rate_hz: 48_000, channels: 2 },
        },
    ]
}

fn frame(pts_ns: i64, is_key: bool) -> Packet {
    let mut data = Vec::new();
    nal::push_unit(&mut data, &[if is_key { 0x65 } else { 0x41 }, 0x88, 0x84]);
    Packet { track: 0, pts_ns, is_key, data }
}

/// PID, whether a payload begins, counter and payload of each packet.
fn packets(stream: &[u8]) -> Vec<(u16, bool, u8, &[u8])> {
    assert_eq!(stream.len() % 188, 0);
    stream
        .chunks(188)
        .map(|packet| {
            assert_eq!((packet[0], packet[3] & 0xD0), (0x47, 0x10));
            let behind = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
            let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
            (pid, packet[1] & 0x40 != 0, packet[3] & 15, &packet[behind..])
        })
        .collect()
}

fn time(bytes: &[u8]) -> i64 {
    assert_eq!((bytes[0] & 1, bytes[2] & 1, bytes[4] & 1), (1, 1, 1));
    i64::from(bytes[0] >> 1 & 7) << 30
        | i64::from(bytes[1]) << 22
        | i64::from(bytes[2] >> 1) << 15
        | i64::from(bytes[3]) << 7
        | i64::from(bytes[4] >> 1)
}

/// PTS and DTS of each PES packet of a PID.
fn times(stream: &[u8], pid: u16) -> Vec<(i64, i64)> {
    packets(stream)
        .into_iter()
        .filter(|(found, is_start, ..)| *found == pid && *is_start)
        .map(|(.., pes)| {
            assert_eq!(pes[..3], [0, 0, 1]);
            let pts = time(&pes[9..]);
            (pts, if pes[7] == 0xC0 { time(&pes[14..]) } else { pts })
        })
        .collect()
}

#[test]
fn crc_of_mpeg_2() {
    // The check value of CRC-32/MPEG-2.
    assert_eq!(crc(b"123456789"), 0x0376_E6E7);
}

#[test]
fn holds_what_has_a_stream_type() {
    assert!(!holds(&Codec::Jpeg) && !holds(&Codec::ALaw) && !holds(&Codec::L16));
    assert!(holds(&Codec::Mp3) && holds(&Codec::Aac { config: vec![0x11, 0x90] }));
}

#[test]
fn tables_come_at_key_frames_and_twice_a_second() {
    let mut out = Vec::new();
    let mut muxer = TsMuxer::new(&tracks(true), &mut out);
    for number in 0..40 {
        muxer.push(&frame(number * 100_000_000, number % 7 == 0), &mut out);
    }
    let order: Vec<_> =
        packets(&out).into_iter().filter(|(.., payload)| !payload.is_empty()).map(|(pid, ..)| pid).collect();
    assert_eq!(order[..3], [0, 0x1000, 0x100]);
    // Six key frames, and the fifth frame behind five of them.
    assert_eq!(order.iter().filter(|pid| **pid == 0).count(), 11);
    let pmt = packets(&out)[1].3;
    assert_eq!(pmt[13..], [0x1B, 0xE1, 0, 0xF0, 0, 0x0F, 0xE1, 2, 0xF0, 0, pmt[23], pmt[24], pmt[25], pmt[26]]);
}

#[test]
fn key_frame_has_delimiter_and_parameter_sets_in_front() {
    let mut out = Vec::new();
    let mut muxer = TsMuxer::new(&tracks(true), &mut out);
    muxer.push(&frame(0, true), &mut out);
    muxer.push(&frame(40_000_000, false), &mut out);
    let packets = packets(&out);
    let kinds = |pes: &[u8]| nal::annex_b_units(&pes[14..]).map(|unit| unit[0] & 31).collect::<Vec<_>>();
    assert_eq!((kinds(packets[2].3), kinds(packets[3].3)), (vec![9, 7, 8, 5], vec![9, 1]));
}

#[test]
fn dts_of_a_depth_that_is_seen() {
    let mut out = Vec::new();
    let mut muxer = TsMuxer::new(&tracks(false), &mut out);
    // I P B B P B B …: two frames precede B in decoding and follow none; one follows it when shown.
    for (number, shown) in [0, 3, 1, 2, 6, 4, 5, 9, 7, 8].into_iter().enumerate() {
        muxer.push(&frame(shown * 40_000_000, number == 0), &mut out);
        assert_eq!(times(&out, 0x100).len(), if number < 7 { 0 } else { number + 1 });
    }
    let times = times(&out, 0x100);
    assert_eq!(times[0], (126_000, 123_000));
    assert!(times[1..].iter().zip(0..).all(|((_, dts), frame)| *dts == 126_000 + frame * 3600), "{times:?}");
}

#[test]
fn aac_has_adts_headers() {
    let mut out = Vec::new();
    let mut muxer = TsMuxer::new(&tracks(true), &mut out);
    for number in 0..3 {
        muxer.push(&Packet { track: 2, pts_ns: number * 21_333_333, is_key: true, data: vec![0x21; 9] }, &mut out);
    }
    muxer.flush(&mut out);
    let (.., pes) = packets(&out)[2];
    // Three in one PES packet, of 16 bytes each.
    assert_eq!(pes[4..6], [0, 8 + 48]);
    assert_eq!(pes[14..21], [0xFF, 0xF1, 0x4C, 0x80, 0x02, 0x1F, 0xFC]);
    assert_eq!(pes[14..30], pes[30..46]);
}

proptest! {
    #[test]
    fn counters_run_and_dts_rise_whatever_the_times(sent in arbitrary::packets(400), depth_stated: bool) {
        let mut out = Vec::new();
        let mut muxer = TsMuxer::new(&tracks(depth_stated), &mut out);
        for (packet, flush) in &sent {
            muxer.push(packet, &mut out);
            if *flush {
                muxer.flush(&mut out);
            }
        }
        muxer.finish(&mut out);
        let mut next = std::collections::HashMap::new();
        for (pid, _, counter, _) in packets(&out) {
            prop_assert_eq!(*next.entry(pid).or_insert(counter), counter);
            next.insert(pid, (counter + 1) & 15);
        }
        let frames = sent.iter().filter(|(packet, _)| packet.track == 0 && !packet.data.is_empty());
        prop_assert_eq!(times(&out, 0x100).len(), frames.count());
    }

    #[test]
    fn dts_rise_and_are_not_above_pts(order in prop::collection::vec(0..4_u32, 1..12), depth_stated in Just(false)) {
        // Groups of a frame and up to three in front of it.
        let mut shown = vec![0];
        for before in order {
            let base = shown.iter().max().unwrap() + 1;
            shown.push(base + i64::from(before));
            shown.extend((0..i64::from(before)).map(|frame| base + frame));
        }
        let mut out = Vec::new();
        let mut muxer = TsMuxer::new(&tracks(depth_stated), &mut out);
        for (number, shown) in shown.iter().enumerate() {
            muxer.push(&frame(shown * 40_000_000, number == 0), &mut out);
        }
        muxer.finish(&mut out);
        let times = times(&out, 0x100);
        prop_assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "{:?}", times);
        // But where the first eight frames show less than comes.
        let is_seen = shown.len() <= 8 || shown[..8].windows(2).any(|pair| pair[1] < pair[0]);
        prop_assert!(!is_seen || times.iter().all(|(pts, dts)| dts <= pts), "{:?}", times);
    }
}
