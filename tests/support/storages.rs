//! Storages of cameras to try the commands on, and for the benchmarks:
//! `cargo run --example hikvision-storage -- KIND DIR SEGMENTS [START]`. See [`USAGE`].

#![allow(dead_code, unused_imports, reason = "made for tests, which use more of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "it is a tool of the tests: it panics")]

mod hikvision;

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use chrono::NaiveDateTime;
use hikvision::{Audio, Clip, Index, Kind, Model, Ring, Storage, Stride, Video, instant, jpeg, picture};

const USAGE: &str = "usage: hikvision-storage KIND DIR SEGMENTS [START]
  KIND  index   an index of so many segments, with ring files that are empty
        video   so many segments of 40 seconds and 12 MB: HEVC with AAC
        mixed   the same, small: two seconds each, H.264 and HEVC, every audio codec, and as many pictures
        sqlite  the same as mixed, in the SQLite indexes of newer firmware
  DIR   the camera's folder, such as cameras/Camera-Tuin
  START of the first segment on the camera's clock, such as '2025-09-07 00:00:15.25'; the others follow minute by minute";

/// When no other start was asked for.
const START: &str = "2025-09-07 00:00:15.25";
const TIME: &str = "%Y-%m-%d %H:%M:%S%.f";

/// As the cameras have them.
const RING_FILE_BYTES: u32 = 256 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let write = match arguments.first().map(String::as_str) {
        Some("index") => |root: &Path, segments, _| index(root, segments),
        Some("video") => video,
        Some("mixed") => |root: &Path, segments, start| mixed(root, segments, start, Index::Binary(2)),
        Some("sqlite") => |root: &Path, segments, start| mixed(root, segments, start, Index::Sqlite),
        _ => return usage(),
    };
    let [_, root, segments, start @ ..] = &arguments[..] else { return usage() };
    let start = start.first().map_or(START, String::as_str);
    let (Ok(segments), Ok(start)) = (segments.parse(), NaiveDateTime::parse_from_str(start, TIME)) else {
        return usage();
    };
    let root = Path::new(root);
    fs::create_dir_all(root).unwrap();
    write(root, segments, start);
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "a program that people call")]
fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn index(root: &Path, segments: u64) {
    let files = u32::try_from(segments / 150 + 1).unwrap();
    let mut ring = Ring::new(Kind::Video, 2, files, RING_FILE_BYTES, Stride::Short);
    let mut start = instant("2025-01-01 00:00:00.25");
    for n in 0..segments {
        ring.record(start, start.plus_millis(40_000), 1_700_000, (n * 90_000, n * 90_000 + 3_600_000));
        start = start.plus_millis(60_000);
    }
    fs::write(root.join("index00.bin"), ring.index()).unwrap();
    for file in 0..files {
        File::create(root.join(format!("hiv{file:05}.mp4"))).unwrap().set_len(RING_FILE_BYTES.into()).unwrap();
    }
}

/// When a segment begins.
fn nth(start: NaiveDateTime, n: u64) -> String {
    (start + Duration::from_mins(n)).format(TIME).to_string()
}

fn video(root: &Path, segments: u64, start: NaiveDateTime) {
    // 40 seconds at 2400 kbit/s are 12 MB.
    let clip = Clip::with(Video::Hevc, Audio::Aac, 40, "1280x720", 2400);
    let files = u32::try_from(segments / 20 + 1).unwrap();
    let mut storage = Storage::new(root, Model { files, file_len: RING_FILE_BYTES, ..Model::default() });
    for n in 0..segments {
        storage.record(&clip, &nth(start, n));
    }
}

fn mixed(root: &Path, segments: u64, start: NaiveDateTime, index: Index) {
    let codings = [
        (Video::H264, Audio::Aac),
        (Video::Hevc, Audio::ALaw),
        (Video::H264, Audio::MuLaw),
        (Video::Hevc, Audio::Aac),
        (Video::H264, Audio::None),
    ];
    let mut storage = Storage::new(root, Model { index, files: 8, file_len: 16 << 20, ..Model::default() });
    let picture = picture(&jpeg());
    for (n, (video, audio)) in (0..segments).zip(codings.into_iter().cycle()) {
        let start = nth(start, n);
        storage.record(&Clip::new(video, audio, 2), &start);
        storage.store(&picture, &start);
    }
}
