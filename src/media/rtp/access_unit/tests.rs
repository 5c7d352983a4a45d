//! H.264 (RFC 6184) and H.265 (RFC 7798).

use crate::media::nal::{ParameterSets, Standard};
use crate::media::rtp::Format;
use crate::media::rtp::tests::{Sender, format, lost};
use crate::media::rtp::{Counts, Frame};
use crate::media::{Codec, Shape, Track};

/// Of a film of 640×360 by x264: SPS and PPS.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x16, 0xAC, 0xD9, 0x40, 0xA0, 0x2F, 0xF9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
    0x03, 0x00, 0x1E, 0x0F, 0x16, 0x2D, 0x96,
];
const PPS: &[u8] = &[0x68, 0xEF, 0xBC, 0xB0];
const SPROP: &str = "packetization-mode=1;sprop-parameter-sets=Z2QAFqzZQKAv+XARAAADAAEAAAMAHg8WLZY=,aO+8sA==;";
/// Of one by x265: VPS, SPS and PPS.
const SPROP_H265: &str = "sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwA/lZAJ;sprop-pps=RAHAc8GJ;\
    sprop-sps=QgEBAWAAAAMAkAAAAwAAAwA/oAUCAXHy5ZWRKTC8BaAgAAADACAAAAMB4Q==";

const DELIMITER: &[u8] = &[0x09, 0x10];
const SEI: &[u8] = &[0x06, 0x05, 0x01, 0xAA, 0x80];
/// The first slice of an IDR picture, and another one of it.
const IDR: &[u8] = &[0x65, 0x88, 1, 2];
const IDR_2: &[u8] = &[0x65, 0x48, 3];
/// The first slice of a P picture, and another one of it.
const P: &[u8] = &[0x41, 0x9A, 4, 5];
const P_2: &[u8] = &[0x41, 0x5A, 6];

fn h264() -> Format {
    format("H264", 90_000, SPROP)
}

/// An access unit.
fn unit(units: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for unit in units {
        crate::media::nal::push_unit(&mut bytes, unit);
    }
    bytes
}

/// Time, key, damaged, data.
fn seen(frames: &[Frame]) -> Vec<(i64, bool, bool, Vec<u8>)> {
    frames.iter().map(|frame| (frame.ticks, frame.is_key, frame.is_damaged, frame.data.clone())).collect()
}

#[track_caller]
fn assert_sets(track: Option<&Track>, sets: &[&[u8]]) {
    let (standard, config) = Standard::of(&track.unwrap().codec).unwrap();
    let found = ParameterSets::from_config(standard, config).unwrap();
    assert_eq!(found.units().collect::<Vec<_>>(), sets);
}

#[test]
fn h264_single_nal_units_of_one_time_stamp_are_one_frame() {
    let mut sender = Sender::new(&h264());
    for (timestamp, marker, payload) in
        [(0, false, DELIMITER), (0, false, SEI), (0, false, IDR), (0, true, IDR_2), (3000, true, P)]
    {
        sender.send(timestamp, marker, payload);
    }
    assert_eq!(sender.stream.track().unwrap().shape, Shape::Video { width: 640, height: 360 });
    let (frames, counts, track) = sender.finish();
    let expected = [(0, true, false, unit(&[SEI, IDR, IDR_2])), (3000, false, false, unit(&[P]))];
    assert_eq!(seen(&frames), expected);
    assert_eq!(counts, Counts::default());
    assert_sets(track.as_ref(), &[SPS, PPS]);
    assert_eq!(frames[0].codec, track);
    assert_eq!(frames[1].codec, None);
}

#[test]
fn h264_marker_on_every_slice_or_none_is_one_frame() {
    for marker in [false, true] {
        let mut sender = Sender::new(&h264());
        for (timestamp, payload) in [(0, IDR), (0, IDR_2), (3000, P), (3000, P_2)] {
            sender.send(timestamp, marker, payload);
        }
        let (frames, counts, _) = sender.finish();
        let expected = [(0, true, false, unit(&[IDR, IDR_2])), (3000, false, false, unit(&[P, P_2]))];
        assert_eq!((seen(&frames).as_slice(), counts), (expected.as_slice(), Counts::default()), "{marker}");
    }
}

#[test]
fn h264_frame_with_marker_waits_a_tenth_of_a_second_at_most() {
    let mut sender = Sender::new(&h264());
    sender.send(0, true, IDR);
    let now = sender.now();
    sender.stream.expire(now, &mut sender.frames);
    assert!(sender.frames.is_empty());
    sender.pause();
    assert_eq!(seen(&sender.frames), [(0, true, false, unit(&[IDR]))]);
    assert_eq!(sender.frames[0].arrived, now);
    sender.send(3000, false, P);
    sender.pause();
    assert_eq!(sender.frames.len(), 1, "without a marker it may go on");
}

#[test]
fn h264_delimiters_sei_and_parameter_sets_with_a_marker_of_their_own_join_the_next_frame() {
    let mut sender = Sender::new(&format("H264", 90_000, ""));
    for (timestamp, payload) in
        [(0, DELIMITER), (0, SPS), (10, PPS), (20, SEI), (30, IDR), (3000, DELIMITER), (3000, SEI), (3010, P)]
    {
        sender.send(timestamp, true, payload);
        sender.pause();
    }
    let (frames, _, track) = sender.finish();
    assert_eq!(seen(&frames), [(30, true, false, unit(&[SEI, IDR])), (3010, false, false, unit(&[SEI, P]))]);
    assert_sets(track.as_ref(), &[SPS, PPS]);
}

#[test]
fn h264_stap_a_and_fu_a() {
    let mut sender = Sender::new(&h264());
    sender.send(0, false, &[&[0x78, 0, 5], SEI, &[0, 4], IDR].concat());
    sender.send(0, false, &[0x7C, 0x85, 0x48, 7]);
    sender.send(0, false, &[0x7C, 0x05, 8]);
    sender.send(0, true, &[0x7C, 0x45, 9]);
    // Without an end bit, as some servers send it.
    sender.send(3000, false, &[0x5C, 0x81, 0x9A, 1]);
    sender.send(3000, true, &[0x5C, 0x01, 2]);
    let (frames, counts, _) = sender.finish();
    let first = unit(&[SEI, IDR, &[0x65, 0x48, 7, 8, 9]]);
    assert_eq!(seen(&frames), [(0, true, false, first), (3000, false, false, unit(&[&[0x41, 0x9A, 1, 2]]))]);
    assert_eq!(counts, Counts::default());
}

#[test]
fn h264_units_in_one_packet_with_start_codes_are_split() {
    let mut sender = Sender::new(&format("H264", 90_000, ""));
    let joined = [&[0, 0, 0, 1], SPS, &[0, 0, 0, 1], PPS, &[0, 0, 1], IDR].concat();
    sender.send(0, true, &joined);
    // The same in fragments, after an SPS as if it were one unit.
    sender.send(3000, false, &[&[0x7C, 0x87], &SPS[1..], &[0, 0, 1]].concat());
    sender.send(3000, true, &[&[0x7C, 0x47], IDR].concat());
    let (frames, counts, track) = sender.finish();
    assert_eq!(seen(&frames), [(0, true, false, unit(&[IDR])), (3000, true, false, unit(&[IDR]))]);
    assert_eq!(counts, Counts::default());
    assert_sets(track.as_ref(), &[SPS, PPS]);
}

#[test]
fn h264_forbidden_bit_type_0_empty_and_interleaved_payloads_are_skipped() {
    let mut sender = Sender::new(&h264());
    sender.send(0, false, &[]);
    sender.send(0, false, &[0xE5, 0x88]);
    sender.send(0, false, &[0x00, 0x12]);
    sender.send(0, false, &[0x1F]);
    sender.send(0, true, IDR);
    let (frames, counts, _) = sender.finish();
    assert_eq!(seen(&frames), [(0, true, false, unit(&[IDR]))]);
    assert_eq!(counts.malformed_packets, 2);

    // STAP-B holds a slice that is not read: the frame lacks it.
    let mut sender = Sender::new(&h264());
    sender.send(0, true, IDR);
    sender.send(3000, false, IDR);
    sender.send(3000, true, &[&[0x79, 0, 0, 0, 3], IDR_2].concat());
    let (frames, counts, _) = sender.finish();
    assert_eq!((frames.len(), counts.dropped_frames, counts.malformed_packets), (1, 1, 1));
}

#[test]
fn h264_frame_with_a_lost_packet_is_dropped_and_those_up_to_the_next_key_frame_are_marked() {
    let mut sender = Sender::new(&h264());
    sender.send(0, true, IDR);
    sender.send(3000, false, &[0x5C, 0x81, 0x9A, 1]);
    sender.lose(1);
    sender.send(3000, true, &[0x5C, 0x41, 3]);
    sender.send(6000, true, P);
    sender.send(9000, true, IDR);
    sender.send(12_000, true, P);
    sender.pause();
    let (frames, counts, _) = sender.finish();
    let times: Vec<_> = frames.iter().map(|frame| (frame.ticks, frame.is_key, frame.is_damaged)).collect();
    assert_eq!(times, [(0, true, false), (6000, false, true), (9000, true, false), (12_000, false, false)]);
    assert_eq!(counts, lost(1, 1));
}

#[test]
fn h264_loss_between_frames_drops_none_that_is_whole() {
    let mut sender = Sender::new(&h264());
    sender.send(0, true, IDR);
    sender.lose(7);
    sender.send(9000, true, P);
    // The first slice of this one is among the lost.
    sender.lose(1);
    sender.send(12_000, true, P_2);
    // Without a marker, and without the packet behind it: its end may be missing.
    sender.send(15_000, false, P);
    sender.lose(1);
    sender.send(18_000, true, P);
    sender.pause();
    let (frames, counts, _) = sender.finish();
    let times: Vec<_> = frames.iter().map(|frame| (frame.ticks, frame.is_damaged)).collect();
    assert_eq!(times, [(0, false), (9000, true), (18_000, true)]);
    assert_eq!(counts, lost(9, 2));
}

#[test]
fn h264_stream_joined_within_a_frame_or_a_gop() {
    for first in [P_2, &[0x5C, 0x01, 7], &[0x5C, 0x41, 7]] {
        let mut sender = Sender::new(&h264());
        sender.send(0, true, first);
        sender.send(3000, true, P);
        sender.send(6000, true, IDR);
        let (frames, counts, _) = sender.finish();
        assert_eq!(seen(&frames), [(3000, false, true, unit(&[P])), (6000, true, false, unit(&[IDR]))]);
        assert_eq!(counts, Counts::default());
    }
}

#[test]
fn h264_changed_and_second_parameter_sets_come_with_their_frame() {
    let mut sender = Sender::new(&h264());
    let second_pps = &[0x68, 0x5F, 0xBC, 0xB0][..];
    for (timestamp, payload) in
        [(0, SPS), (0, PPS), (0, IDR), (3000, P), (6000, SPS), (6000, PPS), (6000, second_pps), (6000, IDR), (9000, P)]
    {
        sender.send(timestamp, false, payload);
    }
    let (frames, _, track) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.codec.is_some()).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(frames[2].codec, track);
    assert_sets(frames[0].codec.as_ref(), &[SPS, PPS]);
    assert_sets(frames[2].codec.as_ref(), &[SPS, PPS, second_pps]);
}

#[test]
fn h264_parameter_sets_late_or_in_parts() {
    let mut sender =
        Sender::new(&format("H264", 90_000, "sprop-parameter-sets=Z2QAFqzZQKAv+XARAAADAAEAAAMAHg8WLZY=,;"));
    assert_eq!(sender.stream.track(), None);
    for (timestamp, payload) in [(0, IDR), (3000, P), (6000, PPS), (6000, P)] {
        sender.send(timestamp, true, payload);
    }
    let (frames, _, track) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.codec.is_some()).collect::<Vec<_>>(), [true, false, false]);
    assert_sets(track.as_ref(), &[SPS, PPS]);
}

#[test]
fn h264_time_stamp_that_stands_still_loses_no_slice() {
    let mut sender = Sender::new(&h264());
    for payload in [IDR, P, P_2, P, P] {
        sender.send(7, true, payload);
    }
    let (frames, counts, _) = sender.finish();
    // Two pictures may be the fields of one frame.
    assert_eq!(
        frames.iter().map(|frame| frame.data.clone()).collect::<Vec<_>>(),
        [unit(&[IDR, P, P_2]), unit(&[P, P])]
    );
    assert_eq!(counts, Counts::default());
}

#[test]
fn h264_frame_is_bounded_in_bytes_and_units() {
    let mut sender = Sender::new(&h264());
    sender.send(0, true, IDR);
    sender.send(1000, false, &[0x7C, 0x85, 0x88]);
    for _ in 0..300 {
        sender.send(1000, false, &[&[0x7C, 0x05][..], &vec![9; 60_000]].concat());
    }
    sender.send(3000, true, IDR);
    for _ in 0..129 {
        sender.send(6000, false, P_2);
    }
    sender.send(9000, true, IDR);
    let (frames, counts, _) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.ticks).collect::<Vec<_>>(), [0, 3000, 9000]);
    assert_eq!(counts, lost(0, 2));
    // Nor does what never becomes a frame pile up.
    let mut sender = Sender::new(&h264());
    for timestamp in 0..200 {
        sender.send(timestamp, true, &[&[6][..], &[5; 1000]].concat());
    }
    sender.send(200, true, IDR);
    let (frames, ..) = sender.finish();
    assert!(frames[0].data.len() < 70_000);
}

#[test]
fn h265_single_units_aggregated_and_fragmented() {
    let mut sender = Sender::new(&format("H265", 90_000, SPROP_H265));
    let (sei, idr) = (&[0x4E, 0x01, 5, 1, 0xAA, 0x80][..], &[0x26, 0x01, 0xAF, 1][..]);
    sender.send(0, true, &[&[0x60, 0x01, 0, 6], sei, &[0, 4], idr].concat());
    sender.send(3000, true, &[0x02, 0x01, 0xD0, 1]);
    // A CRA picture.
    sender.send(6000, false, &[0x62, 0x01, 0x95, 0xAF, 2]);
    sender.send(6000, true, &[0x62, 0x01, 0x55, 3]);
    let (frames, counts, track) = sender.finish();
    let expected = [
        (0, true, false, unit(&[sei, idr])),
        (3000, false, false, unit(&[&[0x02, 0x01, 0xD0, 1]])),
        (6000, true, false, unit(&[&[0x2A, 0x01, 0xAF, 2, 3]])),
    ];
    assert_eq!((seen(&frames).as_slice(), counts), (expected.as_slice(), Counts::default()));
    let track = track.unwrap();
    assert_eq!(track.shape, Shape::Video { width: 640, height: 360 });
    assert!(matches!(track.codec, Codec::H265 { .. }));
}

#[test]
fn h265_decoding_order_numbers_are_skipped() {
    let mut sender = Sender::new(&format("H265", 90_000, &format!("sprop-max-don-diff=1;{SPROP_H265}")));
    sender.send(0, true, &[0x26, 0x01, 0, 7, 0xAF, 1]);
    sender.send(3000, true, &[0x60, 0x01, 0, 8, 0, 3, 0x02, 0x01, 0xD0, 1, 0, 3, 0x02, 0x01, 0x50]);
    sender.send(6000, false, &[0x62, 0x01, 0x81, 0, 9, 0xD0, 2]);
    sender.send(6000, true, &[0x62, 0x01, 0x41, 3]);
    let (frames, counts, _) = sender.finish();
    let expected = [
        unit(&[&[0x26, 0x01, 0xAF, 1]]),
        unit(&[&[0x02, 0x01, 0xD0], &[0x02, 0x01, 0x50]]),
        unit(&[&[0x02, 0x01, 0xD0, 2, 3]]),
    ];
    assert_eq!(frames.iter().map(|frame| frame.data.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(counts, Counts::default());
}

#[test]
fn h265_pictures_of_one_time_stamp_are_frames_of_their_own() {
    let mut sender = Sender::new(&format("H265", 90_000, SPROP_H265));
    for payload in [[0x26, 0x01, 0xAF], [0x26, 0x01, 0x2F], [0x02, 0x01, 0xD0]] {
        sender.send(7, true, &payload);
    }
    let (frames, ..) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.is_key).collect::<Vec<_>>(), [true, false]);
}

/// The recorder ends a session in the middle of a frame.
#[test]
fn finish_gives_no_frame_whose_end_has_not_come() {
    // Fragments without the last one, and the first of two slices.
    for cut_off in [&[0x7C, 0x85, 1, 2][..], IDR] {
        let mut sender = Sender::new(&h264());
        sender.send(0, true, IDR);
        sender.send(3000, false, cut_off);
        let (frames, counts, _) = sender.finish();
        assert_eq!((frames.len(), counts), (1, Counts::default()), "{cut_off:?}");
    }
    // A sender without markers.
    for (last, wanted) in [(IDR, 2), (&[0x7C, 0x85, 1, 2], 1)] {
        let mut sender = Sender::new(&h264());
        sender.send(0, false, IDR);
        sender.send(3000, false, last);
        assert_eq!(sender.finish().0.len(), wanted, "{last:?}");
    }
}
