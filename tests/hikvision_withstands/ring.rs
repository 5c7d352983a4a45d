//! Ranges that are not what their index says: overwritten, empty, noise, short.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::support::bench::{Bench, clip, set};
use crate::support::hikvision::{Live, Storage, instant, jpeg, picture};

const FIRST: &str = "tuin/video/2025-09-07_14-00-15-tuin.mp4";
const THIRD: &str = "tuin/video/2025-09-07_14-02-15-tuin.mp4";

fn three() -> (Bench, Storage) {
    Bench::with(&["2025-09-07 14:00:15", "2025-09-07 14:01:15", "2025-09-07 14:02:15"])
}

fn overwrite(storage: &Storage, live: &Live, bytes: &[u8]) {
    let file = File::options().write(true).open(storage.ring_file(live)).unwrap();
    let end = (live.end_offset - live.start_offset) as usize;
    file.write_all_at(&bytes[..bytes.len().min(end)], live.start_offset.into()).unwrap();
}

fn range(storage: &Storage, live: &Live) -> Vec<u8> {
    fs::read(storage.ring_file(live)).unwrap()[live.start_offset as usize..live.end_offset as usize].to_vec()
}

#[test]
fn what_is_no_longer_the_segment_is_refused_and_the_others_are_extracted() {
    let newer = clip().mux(instant("2025-10-01 08:00:00"), 7);
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (what, bytes) in [("zeros", vec![0; 2_000_000]), ("another segment", newer), ("noise", noise)] {
        let (bench, storage) = three();
        overwrite(&storage, &storage.live()[1], &bytes);
        let report = bench.report(3, &[]);
        assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{what}: {report}");
        assert_eq!(report["failures"][0]["reason"], "gone", "{what}: {report}");
        assert_eq!(report["failures"][0]["name"], "tuin/video/2025-09-07_14-01-15-tuin.mp4", "{what}: {report}");
        assert_eq!(bench.held(), set([FIRST, THIRD]), "{what}");

        // It waits for its time, and is tried again then.
        let report = bench.report(0, &["--ffmpeg", "/nowhere"]);
        assert_eq!(report["waiting_for_retry"], 1, "{what}: {report}");
        let report = bench.report(3, &["--retry-failed-after", "1ms"]);
        assert_eq!(report["failures"][0]["reason"], "gone", "{what}: {report}");
    }
}

#[test]
fn a_segment_whose_rest_is_gone_is_not_passed_off_as_whole() {
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    for (what, filler) in [("zeros", vec![0; 2_000_000]), ("noise", noise)] {
        let (bench, storage) = three();
        let live = storage.live()[1];
        let mut bytes = range(&storage, &live);
        let half = bytes.len() / 4;
        let length = bytes.len();
        bytes[half..].copy_from_slice(&filler[half..length]);
        overwrite(&storage, &live, &bytes);
        let output = bench.pass(&[]);
        if !bench.held().contains("tuin/video/2025-09-07_14-01-15-tuin.mp4") {
            assert_eq!(output.code, Some(3), "{what}: {output}");
        }
        assert!(bench.held().is_superset(&set([FIRST, THIRD])), "{what}");
        // A quarter of two seconds cannot stand for both.
        assert_eq!(bench.held().len(), 2, "{what}: {output}");
    }
}

#[test]
fn a_segment_overwritten_while_it_is_read_is_refused() {
    let (bench, storage) = three();
    let live = storage.live()[1];
    let newer = bench.scratch.write("newer", clip().mux(instant("2025-10-01 08:00:00"), 7));
    // This ffmpeg does its work, and the camera overwrites the segment meanwhile.
    let body = format!(
        "ffmpeg \"$@\" || exit\ndd if={} of={} bs=1 seek={} count=4000 conv=notrunc 2>/dev/null",
        newer.display(),
        storage.ring_file(&live).display(),
        live.start_offset
    );
    let fake = bench.fake_ffmpeg(&body);
    let report = bench.report(3, &["--ffmpeg", &fake, "--jobs", "1"]);
    let failures = report["failures"].as_array().unwrap();
    assert!(failures.iter().any(|failure| failure["name"] == "tuin/video/2025-09-07_14-01-15-tuin.mp4"), "{report}");
    assert!(failures.iter().all(|failure| failure["reason"] == "gone"), "{report}");
    assert!(!bench.held().contains("tuin/video/2025-09-07_14-01-15-tuin.mp4"));
}

#[test]
fn pictures_that_are_none_are_said_and_not_written() {
    let (bench, mut storage) = three();
    let jpeg = jpeg();
    storage.store(&picture(&jpeg), "2025-09-07 14:00:15");
    let mut encrypted = b"hikencodepicture0123456789abcdef".to_vec();
    encrypted.extend(&jpeg);
    storage.store(&encrypted, "2025-09-07 14:01:15");
    storage.store(&vec![7; 5000], "2025-09-07 14:02:15");
    storage.store(&jpeg[..jpeg.len() - 700], "2025-09-07 14:03:15");
    let report = bench.report(3, &[]);
    let mut reasons: Vec<&str> =
        report["failures"].as_array().unwrap().iter().map(|failure| failure["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["damaged", "encrypted", "gone"], "{report}");
    let images: Vec<String> = bench.held().into_iter().filter(|name| name.contains("images")).collect();
    assert_eq!(images, ["tuin/images/2025-09-07_14-00-15-tuin.jpg"]);
    assert_eq!(fs::read(bench.dest().join(&images[0])).unwrap(), jpeg);
}
