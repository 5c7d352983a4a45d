//! Storages of cameras for the benchmarks: `cargo run --example hikvision-storage -- KIND DIR SEGMENTS`.
//!
//! `index` writes an index with so many live segments and sparse ring files, `video` real program streams of about
//! 12 MB each.

#![allow(dead_code, unused_imports, reason = "made for tests, which use more of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "it is a tool of the tests: it panics")]

mod hikvision;

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use hikvision::{Audio, Clip, Kind, Model, Ring, Storage, Stride, Video, instant};

/// As the cameras have them.
const RING_FILE_BYTES: u32 = 256 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, root, segments] = &arguments[..] else { return ExitCode::from(2) };
    let (root, segments) = (Path::new(root), segments.parse().expect("a number of segments"));
    fs::create_dir_all(root).unwrap();
    match kind.as_str() {
        "index" => index(root, segments),
        "video" => video(root, segments),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
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

fn video(root: &Path, segments: u64) {
    // 40 seconds at 2400 kbit/s are 12 MB.
    let clip = Clip::with(Video::Hevc, Audio::Aac, 40, "1280x720", 2400);
    let files = u32::try_from(segments / 20 + 1).unwrap();
    let mut storage = Storage::new(root, Model { files, file_len: RING_FILE_BYTES, ..Model::default() });
    for n in 0..segments {
        storage.record(&clip, &format!("2025-09-07 {:02}:{:02}:15.25", n / 60, n % 60));
    }
}
