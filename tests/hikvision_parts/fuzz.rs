//! The parsers on bytes that no camera wrote.

use crate::support::fuzz::fuzz;
use crate::support::hikvision::{Audio, Clip, Kind, Ring, Stride, Video, info_bin, instant};
use footage::hikvision::index;
use footage::hikvision::picture::{self, PictureError};
use footage::hikvision::segment::{Medium, RingFile, Segment};
use footage::hikvision::sqlite;
use footage::hikvision::storage::Info;
use footage::hikvision::stream::{self, Head};

const FILE_LEN: u32 = 100_000;

fn ring(kind: Kind, version: u32, stride: Stride) -> Ring {
    let mut ring = Ring::new(kind, version, 2, FILE_LEN, stride);
    for minute in 0..20 {
        let start = instant(&format!("2025-09-07 14:{minute:02}:15.25"));
        let end = if kind == Kind::Video { start.plus_millis(30_000) } else { start };
        ring.record(start, end, 9000, (minute * 90_000, minute * 90_000 + 45_000));
    }
    ring
}

fn assert_makes_sense(segment: &Segment, medium: Medium, length: u64) {
    assert!(segment.span.start() < segment.span.end() && segment.span.end() <= length);
    assert!(segment.start <= segment.end);
    assert!(medium == Medium::Picture || segment.start < segment.end);
    let _ = (segment.duration(), segment.start.to_string(), segment.start.file_name_form().to_string());
}

fn fuzz_index(data: &[u8]) {
    for medium in [Medium::Video, Medium::Picture] {
        let Ok(listing) = index::read(data, medium, |_| RingFile::Present(FILE_LEN.into())) else {
            continue;
        };
        assert!(listing.segments.len() * 80 <= data.len(), "more segments than records");
        assert!(listing.warnings.len() * 32 <= data.len() + 64 * 32);
        for segment in &listing.segments {
            assert_makes_sense(segment, medium, FILE_LEN.into());
        }
    }
}

fn fuzz_stream(data: &[u8]) {
    if let Ok(head) = Head::parse(data) {
        assert!(data.starts_with(&[0, 0, 1, 0xBA]));
        assert!(stream::imkh_header(&head).starts_with(b"IMKH"));
        assert!(head.clock_reference_90k < 1 << 33 && head.first_frame_90k.is_none_or(|pts| pts < 1 << 33));
    }
}

fn fuzz_picture(data: &[u8]) {
    match picture::cut(data) {
        Ok(jpeg) => assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) && jpeg.ends_with(&[0xFF, 0xD9])),
        Err(PictureError::NoEnd { start }) => assert!(data[start..].starts_with(&[0xFF, 0xD8, 0xFF])),
        Err(PictureError::Encrypted | PictureError::NoJpeg) => {}
    }
}

fn fuzz_info(data: &[u8]) {
    assert_eq!(Info::parse(data).is_some(), data.len() >= 68);
}

fn fuzz_sqlite(path: &std::path::Path, data: &[u8]) {
    std::fs::write(path, data).unwrap();
    let length = |_| RingFile::Present(FILE_LEN.into());
    for (medium, listing) in
        [(Medium::Video, sqlite::read_videos(path, length)), (Medium::Picture, sqlite::read_pictures(path, length))]
    {
        for segment in listing.map(|listing| listing.segments).unwrap_or_default() {
            assert_makes_sense(&segment, medium, FILE_LEN.into());
        }
    }
    let folder = path.parent().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "a file was created");
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
    fuzz("index", &corpus, fuzz_index);
}

#[test]
fn stream_on_any_bytes() {
    let clip = Clip::new(Video::Hevc, Audio::ALaw, 1);
    let stream = clip.mux(instant("2025-09-07 14:30:15.25"), 1 << 32);
    let corpus = [stream[..300].to_vec(), stream[..8192].to_vec()];
    fuzz("stream", &corpus, fuzz_stream);
}

#[test]
fn picture_on_any_bytes() {
    let jpeg = crate::support::hikvision::jpeg();
    let encrypted = [b"hikencodepicture".as_slice(), &jpeg[..2000]].concat();
    let corpus = [crate::support::hikvision::picture(&jpeg), jpeg, encrypted];
    fuzz("picture", &corpus, fuzz_picture);
}

#[test]
fn info_on_any_bytes() {
    fuzz("info", &[info_bin("DS-2CD2143G0-I", 3)], fuzz_info);
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
    fuzz("sqlite", &corpus, |data| fuzz_sqlite(&path, data));
}
