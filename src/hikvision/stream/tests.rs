use proptest::prelude::*;

use super::*;
use crate::hikvision::segment::FrameClock;

/// A head as cameras write it, with this clock and these stream types.
fn head_bytes(clock: Option<[u8; 14]>, video: u8, audio: u8, pts: u64) -> Vec<u8> {
    let mut descriptors = vec![];
    if let Some(clock) = clock {
        descriptors.extend([CLOCK_DESCRIPTOR, 14]);
        descriptors.extend(clock);
    }
    let streams = [video, 0xE0, 0, 2, 0x2A, 0, audio, 0xC0, 0, 0];
    let mut map = vec![0xF0, 0xFF];
    map.extend(u16::try_from(descriptors.len()).unwrap().to_be_bytes());
    map.extend(descriptors);
    map.extend(u16::try_from(streams.len()).unwrap().to_be_bytes());
    map.extend(streams);
    map.extend([0; 4]); // the checksum, which the parser ignores

    let mut bytes = vec![0, 0, 1, PACK, 0x44, 0, 4, 0, 4, 1, 0, 0, 3, 0xFE];
    bytes.extend([0xFF; 6]);
    bytes.extend([0, 0, 1, SYSTEM_HEADER, 0, 6, 0x80, 0, 0, 0, 0, 0]);
    bytes.extend([0, 0, 1, STREAM_MAP]);
    bytes.extend(u16::try_from(map.len()).unwrap().to_be_bytes());
    bytes.extend(map);
    let pts = pts_bytes(pts);
    bytes.extend([0, 0, 1, 0xE0, 0, 12, 0x80, 0x80, 5, pts[0], pts[1], pts[2], pts[3], pts[4], 0, 0, 0, 1]);
    bytes
}

#[expect(clippy::cast_possible_truncation, reason = "the fields are cut out of the number")]
fn pts_bytes(pts: u64) -> [u8; 5] {
    let [b, c] = ((pts >> 15) as u16 & 0x7FFF).rotate_left(1).wrapping_add(1).to_be_bytes();
    let [d, e] = ((pts as u16 & 0x7FFF) << 1 | 1).to_be_bytes();
    [0x21 | (pts >> 29) as u8 & 0x0E, b, c, d, e]
}

/// 2024-02-29 23:59:58.999: month 2, day 29, hour 23, minute 59, second 58, marker, 999 ms.
const LEAP_DAY: [u8; 14] =
    [b'H', b'K', 1, 0, 24, 0b0010_1110, 0b1101_1111, 0b1011_1110, 0b1011_1111, 0b0011_1000, 0, 0xFF, 0xFF, 0xFF];

fn segment(start: &str, frames: Option<FrameClock>) -> Segment {
    Segment { frames, ..Segment::at(start.parse().unwrap()) }
}

#[test]
fn clock_streams_and_first_frame_of_a_segment_are_read() {
    let head = Head::parse(&head_bytes(Some(LEAP_DAY), 0x24, 0x0F, 0x1_2345_6789)).unwrap();
    assert_eq!(head.clock.unwrap().to_string(), "2024-02-29T23:59:58.999000");
    assert_eq!(head.first_frame_90k, Some(0x1_2345_6789));
    assert_eq!((head.video, head.audio), (Some(VideoCodec::Hevc), Some(AudioCodec::Aac)));
}

#[test]
fn stream_types_are_known() {
    for (kind, codec) in [
        (0x0F, AudioCodec::Aac),
        (0x90, AudioCodec::G711ALaw),
        (0x91, AudioCodec::G711MuLaw),
        (0x92, AudioCodec::Other(0x92)),
    ] {
        assert_eq!(Head::parse(&head_bytes(None, 0x1B, kind, 0)).unwrap().audio, Some(codec));
    }
    let head = Head::parse(&head_bytes(None, 0x10, 0x0F, 0)).unwrap();
    assert_eq!(head.video, Some(VideoCodec::Other(0x10)));
}

#[test]
fn a_stream_clock_with_an_invalid_time_is_ignored() {
    let mut february_30 = LEAP_DAY;
    february_30[5] = 0b0010_1111;
    assert_eq!(Head::parse(&head_bytes(Some(february_30), 0x1B, 0x0F, 0)).unwrap().clock, None);
    let mut not_ours = LEAP_DAY;
    not_ours[1] = b'I';
    assert_eq!(Head::parse(&head_bytes(Some(not_ours), 0x1B, 0x0F, 0)).unwrap().clock, None);
}

#[test]
fn only_a_pack_header_begins_a_segment() {
    assert_eq!(Head::parse(&[0; 4096]), Err(Mismatch::NoStream { found: [0; 4] }));
    assert_eq!(Head::parse(&[]), Err(Mismatch::NoStream { found: [0; 4] }));
    let shifted = &head_bytes(Some(LEAP_DAY), 0x24, 0x0F, 0)[1..];
    assert_eq!(Head::parse(shifted), Err(Mismatch::NoStream { found: [0, 1, 0xBA, 0x44] }));
}

#[test]
fn the_stream_clock_decides_which_segment_it_is() {
    let head = Head::parse(&head_bytes(Some(LEAP_DAY), 0x24, 0x0F, 90_000)).unwrap();
    assert_eq!(head.verify(&segment("2024-02-29T23:59:58.999", None)), Ok(()));
    assert_eq!(head.verify(&segment("2024-02-29T23:59:58", None)), Ok(()), "whole seconds of SQLite");
    assert_eq!(head.verify(&segment("2024-02-29T23:59:59.999", None)), Ok(()), "a second later");
    for other in
        ["2024-02-29T23:59:57.998", "2024-03-01T00:00:00", "2025-02-28T23:59:58.999", "2024-02-29T11:59:58.999"]
    {
        assert!(head.verify(&segment(other, None)).is_err(), "{other}");
    }
    let other = head.verify(&segment("2022-11-03T08:00:00", None)).unwrap_err();
    assert_eq!(
        other.to_string(),
        "the stream there began at 2024-02-29T23:59:58.999000, the segment at 2022-11-03T08:00:00.000000: \
         the camera has written over it"
    );
}

#[test]
fn without_a_stream_clock_the_first_frame_decides() {
    let head = Head::parse(&head_bytes(None, 0x24, 0x0F, 90_001)).unwrap();
    let frames = |first_45k| Some(FrameClock { first_45k, last_45k: first_45k + 1 });
    assert_eq!(head.verify(&segment("2024-02-29T23:59:58", frames(45_000))), Ok(()));
    assert!(head.verify(&segment("2024-02-29T23:59:58", frames(90_000))).is_err());
    assert_eq!(head.verify(&segment("2024-02-29T23:59:58", None)), Ok(()), "nothing to go by");
}

#[test]
fn the_imkh_header_has_no_start_code_of_a_stream() {
    for video in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Other(0)] {
        for audio in [AudioCodec::Aac, AudioCodec::G711ALaw, AudioCodec::G711MuLaw] {
            let header = imkh_header(&Head { video: Some(video), audio: Some(audio), ..Head::default() });
            assert!(header.starts_with(b"IMKH"));
            let codes = header.windows(4).filter(|code| code.starts_with(&[0, 0, 1]) && code[3] >= 0xB9);
            assert_eq!(codes.count(), 0, "{header:02x?}");
        }
    }
}

proptest! {
    #[test]
    fn any_valid_stream_clock_is_read(
        (year, day) in (0..=255u8, 1..=365u32),
        (hour, minute, second, milli) in (0..24u32, 0..60u32, 0..60u32, 0..1000u32),
    ) {
        use chrono::Datelike;
        let digits = NaiveDate::from_yo_opt(2000 + i32::from(year), day).unwrap()
            .and_hms_milli_opt(hour, minute, second, milli).unwrap();
        let bits = u64::from(digits.month()) << 36 | u64::from(digits.day()) << 31 | u64::from(hour) << 26
            | u64::from(minute) << 20 | u64::from(second) << 14 | 1 << 13 | u64::from(milli) << 3;
        let mut body = LEAP_DAY;
        body[4] = year;
        body[5..10].copy_from_slice(&bits.to_be_bytes()[3..]);
        prop_assert_eq!(clock(&body), Some(CameraTime::from_digits(digits)));
    }

    #[test]
    fn a_truncated_segment_head_is_read_without_a_panic(length in 0..160usize) {
        let bytes = head_bytes(Some(LEAP_DAY), 0x24, 0x90, 12345);
        let whole = Head::parse(&bytes).unwrap();
        if let Ok(head) = Head::parse(&bytes[..length.min(bytes.len())]) {
            prop_assert!(head.clock.is_none() || head.clock == whole.clock);
            prop_assert!(head.first_frame_90k.is_none() || head.first_frame_90k == whole.first_frame_90k);
        }
    }

    #[test]
    fn any_pts_is_read(wanted in 0..1u64 << 33) {
        prop_assert_eq!(Head::parse(&head_bytes(None, 0x24, 0x90, wanted)).unwrap().first_frame_90k, Some(wanted));
    }

    #[test]
    fn any_stream_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), stream: bool) {
        if stream {
            let mut whole = head_bytes(Some(LEAP_DAY), 0x24, 0x90, 1);
            whole.truncate(20);
            whole.append(&mut bytes);
            bytes = whole;
        }
        let _ = Head::parse(&bytes);
    }
}
