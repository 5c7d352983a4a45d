use proptest::prelude::*;

use super::{Mp4Muxer, holds, playable_bytes};
use crate::media::{Codec, Muxer, Packet, Shape, Track, arbitrary};

fn tracks() -> Vec<Track> {
    vec![
        // Neither is a configuration that can be read: the depth is seen.
        Track { codec: Codec::H264 { config: vec![1] }, shape: Shape::Video { width: 640, height: 360 } },
        Track { codec: Codec::ALaw, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } },
        Track { codec: Codec::Mp3, shape: Shape::Audio { sample_rate_hz: 44_100, channels: 2 } },
    ]
}

fn muxer(out: &mut Vec<u8>) -> Mp4Muxer {
    Mp4Muxer::new(&tracks(), "2026-11-29T10:00:00Z".parse().unwrap(), out)
}

/// The boxes of a level: type and content.
fn boxes(mut bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = match u32::from_be_bytes(bytes[..4].try_into().unwrap()) {
            1 => usize::try_from(u64::from_be_bytes(bytes[8..16].try_into().unwrap())).unwrap(),
            size => size as usize,
        };
        found.push((std::str::from_utf8(&bytes[4..8]).unwrap(), &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

fn kinds(bytes: &[u8]) -> Vec<&str> {
    boxes(bytes).into_iter().map(|(kind, _)| kind).collect()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn child<'a>(bytes: &'a [u8], path: &[&str]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, kind| boxes(bytes).into_iter().find(|(found, _)| found == kind).unwrap().1)
}

/// Of a track of the last `moov`: size and place of each sample, from `stsz`, `stsc` and `stco`.
fn sample_places(trak: &[u8]) -> Vec<(usize, usize)> {
    let stbl = child(trak, &["mdia", "minf", "stbl"]);
    let (sizes, chunks, runs) = (child(stbl, &["stsz"]), child(stbl, &["stco"]), child(stbl, &["stsc"]));
    let runs: Vec<_> =
        (0..word(runs, 4) as usize).map(|run| (word(runs, 8 + run * 12), word(runs, 12 + run * 12))).collect();
    let mut sample = 0;
    let mut places = Vec::new();
    for chunk in 0..word(chunks, 4) as usize {
        let mut place = word(chunks, 8 + chunk * 4) as usize;
        let in_chunk = runs.iter().rev().find(|(first, _)| *first as usize <= chunk + 1).unwrap().1;
        for _ in 0..in_chunk {
            let size = word(sizes, 12 + sample * 4) as usize;
            places.push((place, size));
            place += size;
            sample += 1;
        }
    }
    assert_eq!(sample, word(sizes, 8) as usize);
    places
}

#[test]
fn holds_what_players_play() {
    assert!(!holds(&Codec::ALaw) && !holds(&Codec::G722) && !holds(&Codec::G726 { bits: 4 }) && !holds(&Codec::L16));
    assert!(holds(&Codec::Aac { config: vec![0x11, 0x90] }) && !holds(&Codec::Aac { config: vec![] }));
    assert!(holds(&Codec::Jpeg) && holds(&Codec::Mp3));
}

#[test]
fn patch_makes_one_mdat_of_all_that_was_open() {
    let mut out = Vec::new();
    let mut muxer = muxer(&mut out);
    for number in 0..20 {
        let is_key = number % 10 == 0;
        muxer.push(&Packet { track: 0, pts_ns: number * 40_000_000, is_key, data: vec![7; 10] }, &mut out);
        muxer.flush(&mut out);
    }
    assert_eq!(kinds(&out)[..5], ["ftyp", "free", "moov", "moof", "mdat"]);
    let patches = muxer.finish(&mut out);
    for patch in patches {
        let at = usize::try_from(patch.offset_bytes).unwrap();
        out[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    assert_eq!(kinds(&out), ["ftyp", "mdat", "moov"]);
    let moov = boxes(&out)[2].1;
    // Audio that never came is not announced.
    assert_eq!(kinds(moov), ["mvhd", "trak"]);
    let keys = child(moov, &["trak", "mdia", "minf", "stbl", "stss"]);
    assert_eq!((word(keys, 4), word(keys, 8), word(keys, 12)), (2, 1, 11));
}

#[test]
fn co64_where_a_sample_is_beyond_four_gibibytes() {
    let mut out = Vec::new();
    let mut muxer = muxer(&mut out);
    muxer.length_bytes += 5 << 30;
    for number in 0..2 {
        muxer.push(&Packet { track: 0, pts_ns: number * 40_000_000, is_key: true, data: vec![7; 10] }, &mut out);
    }
    let patch = muxer.finish(&mut out).pop().unwrap();
    assert_eq!(patch.bytes[..8], [0, 0, 0, 1, b'm', b'd', b'a', b't']);
    let media_bytes = u64::from_be_bytes(patch.bytes[8..].try_into().unwrap());
    assert!(media_bytes > 5 << 30);
    let moov = boxes(&out).pop().unwrap().1;
    let places = child(moov, &["trak", "mdia", "minf", "stbl", "co64"]);
    assert_eq!((word(places, 4), word(places, 8)), (2, 1));
}

#[test]
fn fragments_of_an_endless_gop_are_bounded() {
    let mut out = Vec::new();
    let mut muxer = muxer(&mut out);
    let mut most = 0;
    for number in 0..400_i64 {
        let before = out.len();
        let data = vec![1; 20_000];
        muxer.push(&Packet { track: 0, pts_ns: number * 100_000_000, is_key: number == 0, data }, &mut out);
        most = most.max(out.len() - before);
    }
    // Ten seconds of 100 frames, or 2 MiB and the frame above.
    assert!(most > 0 && most < (2 << 20) + 50_000, "{most}");
    assert!(out.len() > 390 * 20_000 - (2 << 20));
}

#[test]
fn playable_bytes_end_in_front_of_a_moof_that_is_cut_off() {
    let mut out = Vec::new();
    let mut muxer = muxer(&mut out);
    for number in 0..12 {
        muxer.push(&Packet { track: 0, pts_ns: number * 40_000_000, is_key: number == 0, data: vec![7; 10] }, &mut out);
        muxer.flush(&mut out);
    }
    let moof = out.windows(4).rposition(|window| window == b"moof").unwrap() - 4;
    let mdat = moof + word(&out, moof) as usize;
    for length in 0..=out.len() {
        let found = playable_bytes(&mut std::io::Cursor::new(&out[..length]), length as u64).unwrap();
        let expected = match length {
            _ if length >= mdat + 8 => length,
            _ if length >= mdat => mdat,
            _ => moof,
        };
        assert!(length < moof || found == expected as u64, "{length}: {found}");
        assert!(found <= length as u64);
    }
}

proptest! {
    #[test]
    fn index_finds_every_sample_whatever_the_times(packets in arbitrary::packets(40)) {
        let mut out = Vec::new();
        let mut muxer = muxer(&mut out);
        for (packet, flush) in &packets {
            muxer.push(packet, &mut out);
            if *flush {
                muxer.flush(&mut out);
                kinds(&out);
            }
        }
        muxer.finish(&mut out);
        let moov = boxes(&out).pop().unwrap().1;
        let mut traks = boxes(moov).into_iter().filter(|(kind, _)| *kind == "trak").map(|(_, trak)| trak);
        for track in [0, 2] {
            let sent: Vec<_> = packets
                .iter()
                .filter(|(packet, _)| packet.track == track && !packet.data.is_empty())
                .map(|(packet, _)| packet.data.as_slice())
                .collect();
            if !sent.is_empty() {
                let places = sample_places(traks.next().unwrap());
                let found: Vec<_> = places.iter().map(|(at, size)| &out[*at..at + size]).collect();
                prop_assert_eq!(found, sent);
            }
        }
        prop_assert_eq!(traks.next(), None);
    }
}
