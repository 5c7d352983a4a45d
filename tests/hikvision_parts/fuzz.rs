//! The parsers on bytes that no camera wrote.

use super::targets::{self, FILE_LEN};
use crate::support::fuzz::fuzz;
use crate::support::hikvision::{Audio, Clip, Kind, Ring, Stride, Video, info_bin, instant};

fn ring(kind: Kind, version: u32, stride: Stride) -> Ring {
    let mut ring = Ring::new(kind, version, 2, FILE_LEN, stride);
    for minute in 0..20 {
        let start = instant(&format!("2025-09-07 14:{minute:02}:15.25"));
        let end = if kind == Kind::Video { start.plus_millis(30_000) } else { start };
        ring.record(start, end, 9000, (minute * 90_000, minute * 90_000 + 45_000));
    }
    ring
}

#[test]
fn index_on_any_bytes() {
    let corpus = [
        ring(Kind::Video, 2, Stride::Short).index().to_vec(),
        ring(Kind::Video, 3, Stride::Short).index().to_vec(),
        ring(Kind::Picture, 3, Stride::Long).index()[..4096 * 96 + 8192].to_vec(),
        // The tables alone: mutations hit them more often.
        ring(Kind::Video, 2, Stride::Short).index()[..1280 + 2 * 32 + 20 * 80].to_vec(),
    ];
    fuzz("index", &corpus, targets::index);
}

#[test]
fn stream_on_any_bytes() {
    let clip = Clip::new(Video::Hevc, Audio::ALaw, 1);
    let stream = clip.mux(instant("2025-09-07 14:30:15.25"), 1 << 32);
    let corpus = [stream[..300].to_vec(), stream[..8192].to_vec()];
    fuzz("stream", &corpus, targets::stream);
}

#[test]
fn picture_on_any_bytes() {
    let jpeg = crate::support::hikvision::jpeg();
    let encrypted = [b"hikencodepicture".as_slice(), &jpeg[..2000]].concat();
    let corpus = [crate::support::hikvision::picture(&jpeg), jpeg, encrypted];
    fuzz("picture", &corpus, targets::picture);
}

#[test]
fn info_on_any_bytes() {
    fuzz("info", &[info_bin("DS-2CD2143G0-I", 3)], targets::info);
}

#[test]
fn sqlite_on_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let corpus: Vec<Vec<u8>> = [Kind::Video, Kind::Picture]
        .map(|kind| {
            let database = rusqlite::Connection::open(&path).unwrap();
            database
                .execute_batch(&format!(
                    "PRAGMA synchronous = OFF; BEGIN; {} COMMIT;",
                    ring(kind, 3, Stride::Short).sql()
                ))
                .unwrap();
            drop(database);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            bytes
        })
        .to_vec();
    fuzz("sqlite", &corpus, targets::sqlite);
}
