//! JPEG (RFC 2435).

use crate::media::mjpeg::JpegSize;
use crate::media::rtp::Counts;
use crate::media::rtp::tests::{Sender, format, lost};
use crate::media::{Codec, Shape, Track};

/// The headers in front of a payload.
fn header(offset: usize, kind: u8, q: u8, size: (u8, u8)) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(offset).unwrap().to_be_bytes();
    vec![0, high, middle, low, kind, q, size.0, size.1]
}

/// The segments of a picture with this marker, without it and their length.
fn segments(picture: &[u8], wanted: u8) -> Vec<&[u8]> {
    let (mut rest, mut found) = (&picture[2..], Vec::new());
    while let [0xFF, marker, high, low, ..] = *rest {
        let end = 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == wanted {
            found.push(&rest[4..end]);
        }
        if marker == 0xDA {
            break;
        }
        rest = &rest[end..];
    }
    found
}

#[test]
fn jpeg_in_two_packets_with_tables_of_q() {
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    sender.send(0, false, &[header(0, 1, 50, (40, 30)), vec![1, 2, 3]].concat());
    sender.send(0, true, &[header(3, 1, 50, (40, 30)), vec![4, 5]].concat());
    let (frames, counts, track) = sender.finish();
    let picture = &frames[0].data;
    assert_eq!(counts, Counts::default());
    assert!(frames[0].is_key && picture.ends_with(&[63, 0, 1, 2, 3, 4, 5, 0xFF, 0xD9]));
    let shape = Shape::Video { width: 320, height: 240 };
    assert_eq!(track, Some(Track { codec: Codec::Jpeg, shape }));
    assert_eq!(JpegSize::of(picture), Some(JpegSize { width: 320, height: 240 }));
    // Q of 50 is the tables as they are.
    let tables = segments(picture, 0xDB);
    assert_eq!((tables[0][0], &tables[0][1..5]), (0, &[16, 11, 12, 14][..]));
    assert_eq!((tables[1][0], &tables[1][1..5]), (1, &[17, 18, 18, 24][..]));
    assert_eq!(segments(picture, 0xC4).len(), 4);
    // Type 1 is 4:2:0.
    assert_eq!(segments(picture, 0xC0)[0][6..], [1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
}

#[test]
fn jpeg_with_restart_intervals_and_tables_in_band() {
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    let front = [header(0, 64, 128, (2, 1)), vec![0, 5, 0xFF, 0xFF], vec![0, 0b10, 0, 192]].concat();
    sender.send(0, true, &[&front[..], &[7; 64], &[8; 128], &[1, 2]].concat());
    // The same Q without tables, and another one without any.
    sender.send(3000, true, &[header(0, 64, 128, (2, 1)), vec![0, 5, 0xFF, 0xFF, 0, 0, 0, 0, 3]].concat());
    sender.send(6000, true, &[header(0, 0, 129, (2, 1)), vec![0, 0, 0, 0, 3]].concat());
    let (frames, counts, _) = sender.finish();
    assert_eq!(frames.len(), 2);
    assert_eq!(counts, Counts { malformed_packets: 1, ..Counts::default() });
    for frame in &frames {
        assert_eq!(segments(&frame.data, 0xDD), [[0, 5]]);
        let tables = segments(&frame.data, 0xDB);
        assert_eq!((tables[0][0], tables[0].len(), tables[1][0], tables[1].len()), (0, 65, 0x11, 129));
        // 4:2:2, and sequential for its wide table.
        assert_eq!(segments(&frame.data, 0xC1)[0][6..9], [1, 0x21, 0]);
    }
}

#[test]
fn jpeg_with_a_lost_packet_is_dropped_and_the_next_is_not() {
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    let first = |timestamp| (timestamp, [header(0, 1, 50, (2, 2)), vec![1, 2, 3]].concat());
    for (timestamp, lose_at) in [(0, 9), (3000, 0), (6000, 1), (9000, 2), (12_000, 9)] {
        for (at, (payload, marker)) in [
            (first(timestamp).1, false),
            ([header(3, 1, 50, (2, 2)), vec![4]].concat(), false),
            ([header(4, 1, 50, (2, 2)), vec![5]].concat(), true),
        ]
        .into_iter()
        .enumerate()
        {
            if at == lose_at {
                sender.lose(1);
            } else {
                sender.send(timestamp, marker, &payload);
            }
        }
        sender.pause();
    }
    let (frames, counts, _) = sender.finish();
    assert_eq!(frames.iter().map(|frame| frame.ticks).collect::<Vec<_>>(), [0, 12_000]);
    assert_eq!(counts, lost(3, 3));
}

#[test]
fn jpeg_without_a_size_is_counted_unless_sdp_or_onvif_say_it() {
    let payload = [header(0, 1, 50, (0, 0)), vec![1]].concat();
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    sender.send(0, true, &payload);
    let (frames, counts, _) = sender.finish();
    assert_eq!((frames.len(), counts.pictures_without_size, counts.dropped_frames), (0, 1, 0));

    let mut sender = Sender::new(&format("JPEG", 90_000, "x-dimensions=2592,1944"));
    sender.send(0, true, &payload);
    let (frames, ..) = sender.finish();
    assert_eq!(JpegSize::of(&frames[0].data), Some(JpegSize { width: 2592, height: 1944 }));

    // ONVIF: a frame header of 3840×2160, then padding.
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    let mut extension =
        vec![0xFF, 0xD8, 0, 6, 0xFF, 0xC0, 0, 17, 8, 0x08, 0x70, 0x0F, 0x00, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    extension.resize(4 + 24, 0xFF);
    sender.send_as(96, 0, true, Some(&extension), &payload);
    let (frames, counts, track) = sender.finish();
    assert_eq!(counts, Counts::default());
    assert_eq!(track.unwrap().shape, Shape::Video { width: 3840, height: 2160 });
    assert_eq!(segments(&frames[0].data, 0xC0).len(), 1);
}

#[test]
fn jpeg_of_an_unknown_type_is_malformed() {
    let mut sender = Sender::new(&format("JPEG", 90_000, ""));
    sender.send(0, true, &[header(0, 2, 50, (2, 2)), vec![1]].concat());
    let (frames, counts, _) = sender.finish();
    assert_eq!((frames.len(), counts.malformed_packets), (0, 1));
}
