//! Ranges that are not what their index says: overwritten, empty, noise, short.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::support::bench::{Bench, clip, probe, set};
use crate::support::hikvision::{Audio, Clip, Live, Model, Storage, Video, instant, jpeg, picture};
use crate::support::tree;

const FIRST: &str = "tuin/video/2025-09-07_14-00-15-tuin.mp4";
const SECOND: &str = "tuin/video/2025-09-07_14-01-15-tuin.mp4";
const DAMAGED: &str = "tuin/video/.2025-09-07_14-01-15-tuin.mp4.damaged";
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
fn an_overwritten_segment_is_skipped_and_the_others_are_extracted() {
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
        assert_eq!(report["waiting_files"], 1, "{what}: {report}");
        let report = bench.report(3, &["--retry-failed-after", "1ms"]);
        assert_eq!(report["failures"][0]["reason"], "gone", "{what}: {report}");
    }
}

/// The second of three segments, of which only the first quarter is there, and what all of it was.
fn with_a_quarter(filler: &[u8]) -> (Bench, Storage, Live, Vec<u8>) {
    let (bench, storage) = three();
    let live = storage.live()[1];
    let whole = range(&storage, &live);
    let quarter = whole.len() / 4;
    overwrite(&storage, &live, &[&whole[..quarter], &filler[quarter..whole.len()]].concat());
    (bench, storage, live, whole)
}

#[test]
fn a_partly_overwritten_segment_is_not_published_as_complete() {
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    for (what, filler) in [("zeros", vec![0; 2_000_000]), ("noise", noise)] {
        let (bench, ..) = with_a_quarter(&filler);
        let output = bench.pass(&[]).expect_code(3);
        // A quarter of two seconds cannot stand for both, but may be all that is left of a burglary.
        assert_eq!(bench.held(), set([FIRST, DAMAGED, THIRD]), "{what}: {output}");
        let kept = "the part that could be read is kept as .2025-09-07_14-01-15-tuin.mp4.damaged";
        assert!(output.stderr.contains(kept), "{what}: {output}");
        let frames: u32 =
            probe(&bench.dest().join(DAMAGED), "stream=nb_read_packets").lines().next().unwrap().parse().unwrap();
        assert!((3..50).contains(&frames), "{what}: {frames} frames");
    }
}

#[test]
fn a_damaged_segment_is_retried_and_the_longer_is_kept() {
    let (bench, storage, live, whole) = with_a_quarter(&vec![0; 2_000_000]);
    assert_eq!(bench.report(3, &[])["failures"][0]["reason"], "damaged");
    let held = tree(bench.dest().join("tuin"));

    // It waits until it is due, and the result is the same then.
    assert_eq!(bench.report(0, &["--ffmpeg", "/nowhere"])["waiting_files"], 1);
    bench.report(3, &["--retry-failed-after", "1ms"]);
    assert_eq!(tree(bench.dest().join("tuin")), held);

    // Now even less of it can be read, also when no state remembers the first try.
    overwrite(&storage, &live, &[&whole[..whole.len() / 8], &vec![0; whole.len() * 7 / 8]].concat());
    fs::remove_dir_all(bench.dest().join(".footage")).unwrap();
    bench.report(3, &[]);
    assert_eq!(tree(bench.dest().join("tuin")), held);

    // The share was only slow: all of it is there.
    overwrite(&storage, &live, &whole);
    bench.report(0, &["--retry-failed-after", "1ms"]);
    assert_eq!(bench.held(), set([FIRST, SECOND, THIRD]));
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
}

#[test]
fn keep_removes_damaged_recordings() {
    let (bench, ..) = with_a_quarter(&vec![0; 2_000_000]);
    bench.report(3, &["--no-pictures"]);
    let output = bench.pass(&["--keep", "1d", "--dry-run"]).expect_code(0);
    assert!(output.stdout.contains(&format!("remove  {DAMAGED} (expired)")), "{output}");
    assert_eq!(bench.report(0, &["--keep", "1d"])["removed_files"]["expired"], 3);
    assert_eq!(bench.held(), set::<&str>([]));
}

/// A card with a bad sector, a share that is lost: the part that was read until then is kept.
#[test]
fn the_readable_part_of_a_damaged_segment_is_kept() {
    let bench = Bench::new();
    let mut storage = bench.camera("tuin", Model { file_len: 32 << 20, ..Model::default() });
    let clip = Clip::with(Video::H264, Audio::ALaw, 8, "1280x720", 12_000);
    let live = storage.record(&clip, "2025-09-07 14:01:15");
    let length = live.end_offset - live.start_offset;
    assert!(length > 6 << 20, "more than waits in pipes");
    // Before this ffmpeg reads anything, the file ends in the middle.
    let file = storage.ring_file(&live);
    let body = format!("truncate -s {} {} || exit\nexec ffmpeg \"$@\"", length / 2, file.display());
    let report = bench.report(3, &["--ffmpeg", &bench.fake_ffmpeg(&body)]);
    assert_eq!(report["failures"][0]["reason"], "read", "{report}");
    assert_eq!(bench.held(), set([DAMAGED]));
    let frames: u32 =
        probe(&bench.dest().join(DAMAGED), "stream=nb_read_packets").lines().next().unwrap().parse().unwrap();
    assert!((50..150).contains(&frames), "{frames} frames");
}

#[test]
fn a_segment_overwritten_while_it_is_read_is_skipped() {
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
fn invalid_pictures_are_logged_and_not_written() {
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
    assert_eq!(
        images,
        ["tuin/images/.2025-09-07_14-03-15-tuin.jpg.damaged", "tuin/images/2025-09-07_14-00-15-tuin.jpg"]
    );
    assert_eq!(fs::read(bench.dest().join(&images[0])).unwrap(), jpeg[..jpeg.len() - 700]);
    assert_eq!(fs::read(bench.dest().join(&images[1])).unwrap(), jpeg);
}
