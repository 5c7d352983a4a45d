//! What the parsers promise of any bytes: each function panics when it is broken. Called with mutations of a corpus by the
//! tests beside this file, and with what libFuzzer finds by `tests/fuzz`.

#![allow(dead_code, reason = "each binary of cargo fuzz calls one")]

use std::time::Duration;

use footage::hikvision::index as binary;
use footage::hikvision::picture::{self as pictures, PictureError};
use footage::hikvision::read_at::Deadline;
use footage::hikvision::segment::{Medium, Ring, RingFile, Segment};
use footage::hikvision::sqlite as database;
use footage::hikvision::storage::Info;
use footage::hikvision::stream::{self as streams, Head};
use footage::stop::Stop;

/// The length of the ring files that the corpus tells of.
pub(crate) const FILE_LEN: u32 = 100_000;

/// A time that no test takes to read an index.
pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1), &Stop::default())
}

fn ring_file(_: u32) -> RingFile {
    RingFile::Present(FILE_LEN.into())
}

fn assert_makes_sense(segment: &Segment, medium: Medium) {
    assert!(segment.span.start() < segment.span.end() && segment.span.end() <= u64::from(FILE_LEN));
    match medium {
        Medium::Picture => assert!(segment.start <= segment.end),
        Medium::Video => {
            let set_back = segment.end.until(segment.start).as_secs();
            assert!(segment.start != segment.end && set_back <= if segment.frames.is_some() { 86_400 } else { 3600 });
        }
    }
    let _ = (segment.duration(), segment.start.to_string(), segment.start.file_name_form().to_string());
}

pub(crate) fn index(data: &[u8]) {
    for medium in [Medium::Video, Medium::Picture] {
        let Ok(listing) = binary::read(data, Ring { medium, datadir: 0 }, ring_file) else { continue };
        assert!(listing.segments.len() * 80 <= data.len(), "more segments than records");
        assert!(listing.warnings.len() * 32 <= data.len() + 64 * 32);
        for segment in &listing.segments {
            assert_makes_sense(segment, medium);
        }
    }
}

pub(crate) fn stream(data: &[u8]) {
    if let Ok(head) = Head::parse(data) {
        assert!(data.starts_with(&[0, 0, 1, 0xBA]));
        assert!(streams::imkh_header(&head).starts_with(b"IMKH"));
        assert!(head.first_frame_90k.is_none_or(|pts| pts < 1 << 33));
    }
}

pub(crate) fn picture(data: &[u8]) {
    match pictures::cut(data) {
        Ok(jpeg) => assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) && jpeg.ends_with(&[0xFF, 0xD9])),
        Err(PictureError::NoEnd { start }) => assert!(data[start..].starts_with(&[0xFF, 0xD8, 0xFF])),
        Err(PictureError::Encrypted | PictureError::NoJpeg) => {}
    }
}

pub(crate) fn info(data: &[u8]) {
    assert_eq!(Info::parse(data).is_some(), data.len() >= 68);
}

/// SQLite reads files, so the bytes become one.
pub(crate) fn sqlite(data: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("index");
        std::fs::write(&path, data).unwrap();
        for medium in [Medium::Video, Medium::Picture] {
            let listing = database::read(&path, Ring { medium, datadir: 0 }, &deadline(), ring_file);
            for segment in listing.map(|listing| listing.segments).unwrap_or_default() {
                assert_makes_sense(&segment, medium);
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a file was created");
    });
}
