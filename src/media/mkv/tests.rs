#![allow(clippy::unwrap_used, reason = "a test panics when in trouble")]

use chrono::DateTime;
use proptest::prelude::*;

use super::demux::{DemuxError, DemuxEvent, MAX_BLOCK_BYTES, MkvDemuxer};
use super::mux::MkvMuxer;
use crate::media::ebml::{self, Children, Header, id, put_binary, put_id, put_master, put_number, put_text, put_uint};
use crate::media::{Codec, Muxer, Packet, Patch, Shape, Track};

const MILLI: i64 = 1_000_000;

fn video(codec: Codec) -> Track {
    Track { codec, shape: Shape::Video { width: 640, height: 360 } }
}

fn audio(codec: Codec) -> Track {
    Track { codec, shape: Shape::Audio { sample_rate_hz: 16_000, channels: 1 } }
}

fn h264() -> Track {
    video(Codec::H264 { config: vec![1, 100, 0, 31, 0xFF, 0xE1, 0, 0] })
}

fn opus_head(pre_skip: u16) -> Vec<u8> {
    [b"OpusHead\x01\x02".as_slice(), &pre_skip.to_le_bytes(), &[0x80, 0xBB, 0, 0, 0, 0, 0]].concat()
}

fn packet(track: usize, pts_ms: i64, is_key: bool, data: &[u8]) -> Packet {
    Packet { track, pts_ns: pts_ms * MILLI, is_key, data: data.to_vec() }
}

fn muxer(tracks: &[Track], out: &mut Vec<u8>) -> MkvMuxer {
    MkvMuxer::new(tracks, DateTime::from_timestamp(1_764_460_800, 0).unwrap(), out)
}

/// A whole file; with a flush after each packet for which `flushes` is true.
fn mux(tracks: &[Track], packets: &[Packet], flushes: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut muxer = muxer(tracks, &mut file);
    for (nth, packet) in packets.iter().enumerate() {
        muxer.push(packet, &mut file);
        if flushes(nth) {
            muxer.flush(&mut file);
        }
    }
    for Patch { offset_bytes, bytes } in muxer.finish(&mut file) {
        let at = usize::try_from(offset_bytes).unwrap();
        file[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    file
}

/// What a file holds, read in pieces of `step` bytes.
fn demux_by(file: &[u8], step: usize) -> (Result<(), DemuxError>, Vec<Track>, Vec<Packet>) {
    let (mut demuxer, mut events) = (MkvDemuxer::new(), Vec::new());
    let result = file.chunks(step).try_for_each(|bytes| demuxer.push(bytes, &mut events));
    let (mut tracks, mut packets) = (None, Vec::new());
    for event in events {
        match event {
            DemuxEvent::Tracks(found) => assert!(tracks.replace(found).is_none() && packets.is_empty()),
            DemuxEvent::Packet(packet) => packets.push(packet),
        }
    }
    (result, tracks.unwrap_or_default(), packets)
}

fn demux(file: &[u8]) -> (Vec<Track>, Vec<Packet>) {
    let (result, tracks, packets) = demux_by(file, usize::MAX);
    assert_eq!(result, Ok(()));
    (tracks, packets)
}

/// The contents of the elements with this ID, in the order of the file.
fn found(content: &[u8], wanted: u32) -> Vec<&[u8]> {
    const MASTERS: [u32; 8] = [
        id::SEGMENT,
        id::INFO,
        id::TRACKS,
        id::TRACK_ENTRY,
        id::AUDIO,
        id::CLUSTER,
        id::CUE_POINT,
        id::CUE_TRACK_POSITIONS,
    ];
    let children = Children(content).map(Result::unwrap);
    children
        .flat_map(|(id, content)| match id {
            _ if id == wanted => vec![content],
            _ if MASTERS.contains(&id) => found(content, wanted),
            _ => Vec::new(),
        })
        .collect()
}

fn uints(content: &[u8], wanted: u32) -> Vec<u64> {
    found(content, wanted).into_iter().map(|content| ebml::uint(content).unwrap()).collect()
}

#[test]
fn every_codec_is_read_as_it_was_written() {
    let other = |matroska_id: &str, private: &[u8], bit_depth| Codec::Other {
        matroska_id: matroska_id.to_owned(),
        private: private.to_vec(),
        bit_depth,
    };
    let tracks = [
        h264(),
        video(Codec::H265 { config: vec![1; 23] }),
        video(Codec::Jpeg),
        Track { shape: Shape::Video { width: 0, height: 0 }, ..video(other("V_VP8", &[], 0)) },
        audio(Codec::Aac { config: vec![0x14, 0x08] }),
        audio(Codec::ALaw),
        audio(Codec::MuLaw),
        audio(Codec::G722),
        audio(Codec::G726 { bits: 2 }),
        audio(Codec::G726 { bits: 5 }),
        audio(Codec::L16),
        audio(Codec::Opus { head: opus_head(312) }),
        audio(Codec::Mp2),
        audio(Codec::Mp3),
        audio(other("A_PCM/INT/LIT", &[], 24)),
        audio(other("A_MS/ACM", &[0x11, 0, 1, 0], 0)),
        audio(other("A_VORBIS", b"private", 0)),
    ];
    let file = mux(&tracks, &[], |_| false);
    assert_eq!(demux(&file), (tracks.to_vec(), vec![]));
    let tags: Vec<&[u8]> = found(&file, id::CODEC_PRIVATE).into_iter().filter(|private| private.len() == 18).collect();
    // G.722 of 16,000 samples with 4 bits each: 8,000 bytes a second.
    assert_eq!(tags[2], [0x8F, 0x02, 1, 0, 0x80, 0x3E, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 4, 0, 0, 0]);
    assert_eq!(uints(&file, id::CODEC_DELAY), [6_500_000], "312 samples at 48 kHz");
    assert_eq!(uints(&file, id::SEEK_PRE_ROLL), [80_000_000]);
}

#[test]
fn b_frames_keep_their_times_and_order() {
    let packets = [
        packet(0, 67, true, b"I"),
        packet(0, 200, false, b"P"),
        packet(0, 133, false, b"B"),
        // Before the key frame that it follows.
        packet(0, 0, false, b"leading"),
    ];
    let file = mux(&[h264()], &packets, |_| false);
    assert_eq!(demux(&file).1, packets);
    assert_eq!(uints(&file, id::TIMESTAMP), [67]);
    // 200 + (200 − 133).
    assert_eq!(found(&file, id::DURATION), [267_f64.to_be_bytes()]);
}

#[test]
fn a_cluster_begins_at_key_frames_flushes_and_where_times_do_not_fit() {
    let packets = [
        packet(1, 0, true, b"a"),
        packet(0, 10, true, b"I"),
        packet(0, 50, false, b"P"), // flushed
        packet(0, 90, false, b"P"),
        packet(1, 90 + 32_767, true, b"a"),
        packet(1, 90 + 32_768, true, b"a"),
        packet(0, 89, false, b"late"),
        packet(0, 60_000, true, b"I"),
    ];
    let tracks = [h264(), audio(Codec::ALaw)];
    let file = mux(&tracks, &packets, |nth| nth == 2);
    assert_eq!(demux(&file), (tracks.to_vec(), packets.to_vec()));
    assert_eq!(uints(&file, id::TIMESTAMP), [0, 10, 90, 90 + 32_768, 89, 60_000][..].to_vec());
}

#[test]
fn the_time_of_a_block_may_be_below_0() {
    let packets = [packet(0, -21, true, b"priming"), packet(0, 0, true, b"a")];
    let file = mux(&[audio(Codec::Aac { config: vec![0x14, 0x08] })], &packets, |_| false);
    assert_eq!(demux(&file).1, packets);
}

/// Offsets of `SeekHead` and `Cues` count from where the content of `Segment` begins.
#[test]
fn seek_head_and_cues_point_at_what_they_name() {
    let tracks = [h264(), audio(Codec::ALaw)];
    let mut packets = Vec::new();
    for frame in 0..40 {
        packets.push(packet(0, frame * 100, frame % 5 == 0, b"frame"));
        packets.push(packet(1, frame * 100, true, b"audio"));
    }
    let file = mux(&tracks, &packets, |nth| nth % 7 == 0);
    let segment = found(&file, id::SEGMENT)[0];
    let head = |position: u64| Header::read(&segment[usize::try_from(position).unwrap()..]).unwrap().unwrap();

    let seek_head = found(segment, id::SEEK_HEAD)[0];
    let ids: Vec<u32> = Children(seek_head)
        .map(|child| {
            let fields: Vec<(u32, &[u8])> = Children(child.unwrap().1).map(Result::unwrap).collect();
            let [(id::SEEK_ID, id), (id::SEEK_POSITION, position)] = fields[..] else { panic!("{fields:?}") };
            assert_eq!(u64::from(head(ebml::uint(position).unwrap()).id), ebml::uint(id).unwrap());
            head(ebml::uint(position).unwrap()).id
        })
        .collect();
    assert_eq!(ids, [id::INFO, id::TRACKS, id::CUES]);

    let cues = found(segment, id::CUES)[0];
    // A key frame each 500 ms, an entry each second at most.
    assert_eq!(uints(cues, id::CUE_TIME), [0, 1000, 2000, 3000]);
    assert_eq!(uints(cues, id::CUE_TRACK), [1; 4]);
    for (position, time) in uints(cues, id::CUE_CLUSTER_POSITION).into_iter().zip([0, 1000, 2000, 3000]) {
        assert_eq!(head(position).id, id::CLUSTER);
        let from = usize::try_from(position).unwrap();
        let cluster = found(&segment[from..], id::CLUSTER)[0];
        assert_eq!(uints(cluster, id::TIMESTAMP), [time]);
        assert_eq!(found(cluster, id::SIMPLE_BLOCK)[0][..4], [0x81, 0, 0, 0x80], "its key frame is its first block");
    }
    assert_eq!(found(segment, id::DURATION), [4000_f64.to_be_bytes()]);
    let nanos_since_2001 = (1_764_460_800_i64 - 978_307_200) * 1_000_000_000;
    assert_eq!(found(segment, id::DATE_UTC), [nanos_since_2001.to_be_bytes()]);
}

#[test]
fn an_open_file_has_no_duration_and_no_cues_but_all_its_tracks() {
    let mut file = Vec::new();
    let mut muxer = muxer(&[h264()], &mut file);
    let head_bytes = file.len();
    muxer.push(&packet(0, 0, true, b"I"), &mut file);
    assert_eq!(file.len(), head_bytes, "a cluster is written at once");
    muxer.flush(&mut file);
    let after_flush = file.len();
    muxer.flush(&mut file);
    assert_eq!(file.len(), after_flush, "an empty cluster is not written");
    let ebml = Header::read(&file).unwrap().unwrap();
    let ebml_bytes = ebml.own_bytes + usize::try_from(ebml.content_bytes.unwrap()).unwrap();
    let segment = Header::read(&file[ebml_bytes..]).unwrap().unwrap();
    assert_eq!((segment.id, segment.content_bytes), (id::SEGMENT, None));
    let top: Vec<u32> = Children(&file[ebml_bytes + segment.own_bytes..]).map(|child| child.unwrap().0).collect();
    assert_eq!(top, [id::SEEK_HEAD, id::INFO, id::TRACKS, id::CLUSTER]);
    assert_eq!(found(&file[ebml_bytes + segment.own_bytes..], id::DURATION), [&[0; 0]; 0]);
    assert_eq!(demux(&file), (vec![h264()], vec![packet(0, 0, true, b"I")]));
}

#[test]
fn a_file_without_packets_is_closed() {
    let file = mux(&[h264()], &[], |_| true);
    assert_eq!(found(&file, id::DURATION).len() + found(&file, id::CUES).len(), 0);
    assert_eq!(demux(&file), (vec![h264()], vec![]));
}

/// The head of a stream as ffmpeg writes it, with one track of video and one of audio.
fn stream_head(more: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put_master(&mut out, id::EBML, |out| put_text(out, id::DOC_TYPE, "matroska"));
    put_id(&mut out, id::SEGMENT);
    out.extend(ebml::UNKNOWN_LENGTH);
    put_master(&mut out, id::TRACKS, |out| {
        for (number, kind, codec) in [(7, 1, "V_MJPEG"), (3, 17, "S_TEXT/UTF8"), (300, 2, "A_MPEG/L3")] {
            put_master(out, id::TRACK_ENTRY, |out| {
                put_uint(out, id::TRACK_NUMBER, number);
                put_uint(out, id::TRACK_TYPE, kind);
                put_text(out, id::CODEC_ID, codec);
                more(out);
            });
        }
    });
    out
}

fn put_block(out: &mut Vec<u8>, id: u32, track: u64, flags: u8, frames: &[u8]) {
    let mut block = Vec::new();
    put_number(&mut block, track);
    block.extend([0, 5, flags]);
    block.extend(frames);
    put_binary(out, id, &block);
}

#[test]
fn clusters_of_unknown_length_and_elements_between_them_are_read() {
    let mut file = stream_head(|_| {});
    for time in [100, 200] {
        put_id(&mut file, id::CLUSTER);
        file.push(0xFF);
        put_uint(&mut file, id::TIMESTAMP, time);
        put_binary(&mut file, id::VOID, &[0; 300]);
        put_block(&mut file, id::SIMPLE_BLOCK, 7, 0x80, b"one");
        put_block(&mut file, id::SIMPLE_BLOCK, 3, 0x80, b"a subtitle");
        put_block(&mut file, id::SIMPLE_BLOCK, 99, 0x80, b"a track that is not there");
        put_block(&mut file, id::SIMPLE_BLOCK, 300, 0, b"audio");
        put_binary(&mut file, id::CUES, &[0; 10]);
        put_binary(&mut file, 0x1254_C367, b"Tags");
    }
    let tracks = vec![
        Track { codec: Codec::Jpeg, shape: Shape::Video { width: 0, height: 0 } },
        Track { codec: Codec::Mp3, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } },
    ];
    let packets = [100, 200].map(|time| [packet(0, time + 5, true, b"one"), packet(1, time + 5, true, b"audio")]);
    let expected = (Ok(()), tracks, packets.concat());
    for step in [1, 2, 3, 7, 100, 10_000] {
        assert_eq!(demux_by(&file, step), expected, "{step}");
    }
}

#[test]
fn a_block_group_is_key_without_a_reference_block() {
    let mut file = Vec::new();
    let _ = muxer(&[h264()], &mut file);
    put_master(&mut file, id::CLUSTER, |out| {
        put_uint(out, id::TIMESTAMP, 1000);
        put_master(out, id::BLOCK_GROUP, |out| {
            put_block(out, id::BLOCK, 1, 0, b"I");
            put_uint(out, id::BLOCK_DURATION, 40);
        });
        put_master(out, id::BLOCK_GROUP, |out| {
            put_block(out, id::BLOCK, 1, 0, b"P");
            put_binary(out, id::REFERENCE_BLOCK, &[0xD8]);
        });
    });
    assert_eq!(demux(&file).1, [packet(0, 1005, true, b"I"), packet(0, 1005, false, b"P")]);
}

#[test]
fn frames_are_taken_out_of_every_lacing() {
    // Lengths 1, 300 and 2, as each lacing has them.
    let frames = [vec![b'a'], vec![b'b'; 300], vec![b'c'; 2]];
    let packed = frames.concat();
    let xiph = [&[2, 1, 255, 45][..], &packed].concat();
    // 300 − 1 = 299 in two bytes, half of whose range is 8191.
    let difference = 0x4000 | (299 + 8191_u16);
    let ebml = [&[2, 0x81][..], &difference.to_be_bytes(), &packed].concat();
    let fixed = [&[2][..], b"aabbcc"].concat();
    let even = [vec![b'a'; 2], vec![b'b'; 2], vec![b'c'; 2]];
    for (flags, block, frames) in [(0x02, &xiph, &frames), (0x06, &ebml, &frames), (0x04, &fixed, &even)] {
        let lacing = |more: &dyn Fn(&mut Vec<u8>)| {
            let mut file = stream_head(more);
            put_master(&mut file, id::CLUSTER, |out| {
                put_uint(out, id::TIMESTAMP, 0);
                put_block(out, id::SIMPLE_BLOCK, 300, flags, block);
                put_master(out, id::BLOCK_GROUP, |out| {
                    put_block(out, id::BLOCK, 300, flags, block);
                    put_uint(out, id::BLOCK_DURATION, 60);
                });
            });
            demux(&file).1
        };
        let expected =
            |step| [0, 1, 2].map(|nth: i64| packet(1, 5 + step * nth, true, &frames[usize::try_from(nth).unwrap()]));
        assert_eq!(lacing(&|_| {}), [expected(0), expected(20)].concat(), "{flags:#x}");
        let with_step = lacing(&|out| put_uint(out, id::DEFAULT_DURATION, 24 * 1_000_000));
        assert_eq!(with_step, [expected(24), expected(24)].concat(), "{flags:#x}");
    }
    for (flags, block) in [
        (0x02, &[][..]),
        (0x02, &[1]),
        (0x02, &[1, 255]),
        (0x02, &[1, 5, 0]),
        (0x04, &[1, 0, 0, 0]),
        (0x06, &[1]),
        (0x06, &[1, 0xFF, 0]),
        (0x06, &[2, 0x81, 0x80, 0]),
        (0x06, &[1, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]),
    ] {
        let mut file = stream_head(|_| {});
        put_uint(&mut file, id::TIMESTAMP, 0);
        put_block(&mut file, id::SIMPLE_BLOCK, 300, flags, block);
        assert!(matches!(demux_by(&file, 5).0, Err(DemuxError::Damaged { .. })), "{flags:#x} {block:?}");
    }
}

#[test]
fn ffmpeg_times_count_from_the_codec_delay() {
    let mut file = stream_head(|out| put_uint(out, id::CODEC_DELAY, 6_500_000));
    put_uint(&mut file, id::TIMESTAMP_SCALE, 500_000);
    put_uint(&mut file, id::TIMESTAMP, 0);
    put_block(&mut file, id::SIMPLE_BLOCK, 300, 0, b"audio");
    assert_eq!(demux(&file).1[0].pts_ns, 5 * 500_000 - 6_500_000);
}

fn error_of(file: &[u8]) -> DemuxError {
    let whole = demux_by(file, usize::MAX).0.unwrap_err();
    assert_eq!(demux_by(file, 1).0, Err(whole.clone()), "in pieces");
    whole
}

#[test]
fn what_is_not_matroska_is_refused() {
    assert_eq!(error_of(b"HTTP/1.1 200 OK\r\n\r\n"), DemuxError::NotMatroska);
    assert_eq!(error_of(&[0; 20]), DemuxError::NotMatroska);
    let mut other = Vec::new();
    put_master(&mut other, id::EBML, |out| put_text(out, id::DOC_TYPE, "\u{1b}[31mevil"));
    assert_eq!(error_of(&other), DemuxError::NotMatroska);
    let mut endless = Vec::new();
    put_id(&mut endless, id::EBML);
    put_number(&mut endless, 1 << 40);
    assert_eq!(
        error_of(&endless).to_string(),
        "Matroska element at byte 0 too large: 1099511627776 bytes, at most 4096"
    );
}

#[test]
fn limits_hold_before_anything_is_kept() {
    let with = |id, bytes: usize| {
        let mut file = stream_head(|_| {});
        put_uint(&mut file, id::TIMESTAMP, 0);
        put_id(&mut file, id);
        put_number(&mut file, bytes as u64);
        file
    };
    for id in [id::SIMPLE_BLOCK, id::BLOCK_GROUP] {
        let mut demuxer = MkvDemuxer::new();
        demuxer.push(&with(id, MAX_BLOCK_BYTES), &mut Vec::new()).unwrap();
        assert!(matches!(error_of(&with(id, MAX_BLOCK_BYTES + 1)), DemuxError::TooLarge { .. }));
    }
    assert!(matches!(error_of(&with(id::TRACKS, 2 << 20)), DemuxError::TooLarge { max_bytes: 1_048_576, .. }));
    assert!(matches!(error_of(&with(id::TIMESTAMP, 9)), DemuxError::TooLarge { .. }));
    let mut tracks = Vec::new();
    put_master(&mut tracks, id::EBML, |_| {});
    put_master(&mut tracks, id::TRACKS, |out| {
        for number in 1..=33 {
            put_master(out, id::TRACK_ENTRY, |out| put_uint(out, id::TRACK_NUMBER, number));
        }
    });
    assert_eq!(error_of(&tracks), DemuxError::TooManyTracks);
}

#[test]
fn damage_is_an_error_that_stays() {
    let with = |bytes: &[u8]| [&stream_head(|_| {}), bytes].concat();
    let head_bytes = stream_head(|_| {}).len();
    let damaged = |rule| DemuxError::Damaged { at_bytes: head_bytes as u64, rule };
    for (bytes, rule) in [
        (&[0x00, 0xFF][..], "an ID takes more than 4 bytes"),
        (&[0xE7, 0x00], "a length takes more than 8 bytes"),
        (&[0xEC, 0xFF], "an element that is no master has no length"),
        (&[0xA3, 0x82, 0x81, 0], "a block is shorter than its head"),
        (&[0xA3, 0x84, 0x87, 0, 0, 0], "a block stands before the time of its cluster"),
        (&[0xA0, 0x80], "a BlockGroup has no Block"),
    ] {
        assert_eq!(error_of(&with(bytes)), damaged(rule));
    }
    let again = with(&stream_head(|out| put_uint(out, id::CODEC_DELAY, 1)));
    assert_eq!(error_of(&again), DemuxError::TracksChanged);
    assert_eq!(demux(&with(&stream_head(|_| {}))).1, []);
    assert_eq!(error_of(&stream_head(|out| put_binary(out, id::CONTENT_ENCODINGS, &[]))), DemuxError::Encoded);

    let mut demuxer = MkvDemuxer::new();
    let error = demuxer.push(&with(&[0xA0, 0x80]), &mut Vec::new());
    let mut events = Vec::new();
    assert_eq!(demuxer.push(&stream_head(|_| {}), &mut events), error);
    assert_eq!(events, []);
}

#[test]
fn nothing_of_a_frame_is_kept_after_a_flush() {
    let mut out = Vec::new();
    let mut muxer = muxer(&[h264()], &mut out);
    muxer.push(&packet(0, 0, true, &vec![7; 5 << 20]), &mut out);
    muxer.flush(&mut out);
    let (mut demuxer, mut events) = (MkvDemuxer::new(), Vec::new());
    for bytes in out.chunks(1 << 16) {
        demuxer.push(bytes, &mut events).unwrap();
    }
    assert_eq!(events.len(), 2);
    for text in [format!("{muxer:?}"), format!("{demuxer:?}")] {
        assert!(text.len() < 4096, "nothing of the frame is kept");
    }
}

fn any_tracks() -> impl Strategy<Value = Vec<Track>> {
    let codecs = prop_oneof![
        Just(h264()),
        Just(video(Codec::Jpeg)),
        Just(audio(Codec::ALaw)),
        Just(audio(Codec::Opus { head: opus_head(312) })),
        Just(audio(Codec::Opus { head: opus_head(3840) })),
    ];
    proptest::collection::vec(codecs, 1..5)
}

fn any_packets() -> impl Strategy<Value = Vec<(Packet, bool)>> {
    let data = proptest::collection::vec(any::<u8>(), 1..200);
    // Steps of B-frames, of audio, of gaps.
    let step = prop_oneof![8 => -200 * MILLI..300 * MILLI, 1 => 0..100_000 * MILLI];
    let packet = (0..4_usize, step, any::<bool>(), data, any::<bool>());
    proptest::collection::vec(packet, 0..40).prop_map(|packets| {
        let mut now_ns = 0;
        let packets = packets.into_iter().map(|(track, step_ns, is_key, data, flushes)| {
            now_ns = 0.max(now_ns + step_ns);
            (Packet { track, pts_ns: now_ns, is_key, data }, flushes)
        });
        packets.collect()
    })
}

/// What must come back: times in milliseconds, on tracks that exist.
fn expected(tracks: &[Track], packet: &Packet) -> Option<Packet> {
    let delay_ns = match &tracks.get(packet.track)?.codec {
        Codec::Opus { head } => i64::from(u16::from_le_bytes([head[10], head[11]])) * 1_000_000_000 / 48_000,
        _ => 0,
    };
    let is_key = packet.is_key || !matches!(tracks[packet.track].codec, Codec::H264 { .. });
    let pts_ns = (packet.pts_ns + delay_ns + MILLI / 2).div_euclid(MILLI) * MILLI - delay_ns;
    Some(Packet { pts_ns, is_key, ..packet.clone() })
}

proptest! {
    #[test]
    fn packets_come_back_from_a_file(tracks in any_tracks(), packets in any_packets(), step in 1..5000_usize) {
        let (packets, flushes): (Vec<Packet>, Vec<bool>) = packets.into_iter().unzip();
        let file = mux(&tracks, &packets, |nth| flushes[nth]);
        let expected: Vec<Packet> = packets.iter().filter_map(|packet| expected(&tracks, packet)).collect();
        prop_assert_eq!(demux_by(&file, step), (Ok(()), tracks, expected));
        // Its elements fill it, and each of them its own.
        let top: Vec<u32> = Children(&file).map(|child| child.unwrap().0).collect();
        prop_assert_eq!(top, [id::EBML, id::SEGMENT]);
        let _ = found(&file, id::DURATION);
    }

    #[test]
    fn a_file_cut_anywhere_gives_all_packets_that_were_flushed(
        tracks in any_tracks(), packets in any_packets(), cut in any::<prop::sample::Index>()
    ) {
        let mut file = Vec::new();
        let mut muxer = muxer(&tracks, &mut file);
        let head_bytes = file.len();
        // The length of the file after each flush, and how many packets it then holds.
        let (mut flushed, mut all) = (vec![(head_bytes, 0)], Vec::new());
        for (packet, flushes) in &packets {
            muxer.push(packet, &mut file);
            all.extend(expected(&tracks, packet));
            if *flushes {
                muxer.flush(&mut file);
                flushed.push((file.len(), all.len()));
            }
        }
        let _ = muxer.finish(&mut file);
        let cut = head_bytes + cut.index(file.len() - head_bytes + 1);
        let (result, read, packets) = demux_by(&file[..cut], usize::MAX);
        prop_assert_eq!((result, read), (Ok(()), tracks));
        prop_assert!(all.starts_with(&packets));
        let (_, at_least) = flushed.into_iter().rfind(|(bytes, _)| *bytes <= cut).unwrap();
        prop_assert!(packets.len() >= at_least, "{} of {at_least}", packets.len());
    }

    #[test]
    fn how_a_stream_is_cut_into_pieces_does_not_matter(
        packets in any_packets(), damage in any::<prop::sample::Index>(), byte in any::<u8>(), step in 1..50_usize
    ) {
        let tracks = [h264(), audio(Codec::ALaw)];
        let packets: Vec<Packet> = packets.into_iter().map(|(packet, _)| packet).collect();
        let mut file = mux(&tracks, &packets, |nth| nth % 3 == 0);
        let at = damage.index(file.len());
        file[at] = byte;
        prop_assert_eq!(demux_by(&file, step), demux_by(&file, usize::MAX));
    }
}
