//! What files are called: under any zone, in any second, from any folder.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::bench::{Bench, clip, probe, set};
use crate::support::hikvision::{Index, Model, instant};

#[test]
fn tz_of_the_host_changes_no_name() {
    for zone in ["UTC", "Europe/Amsterdam", "America/St_Johns", "Pacific/Kiritimati"] {
        let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15", "2025-10-26 02:30:15"]);
        bench.footage(&[]).env("TZ", zone).run().expect_code(0);
        bench.footage(&["--ffmpeg", "/nowhere"]).env("TZ", "Asia/Tokyo").run().expect_code(0);
        let names = ["2025-09-07_14-00-15", "2025-10-26_02-30-15"];
        assert_eq!(bench.held(), set(names.map(|name| format!("tuin/video/{name}-tuin.mp4"))), "{zone}");
    }
}

/// The clocks go back: the same second comes twice, and the second time its fraction may be the smaller one.
#[test]
fn segments_in_the_repeated_dst_hour_keep_their_names() {
    let (bench, mut storage) = Bench::with(&["2025-10-26 02:30:15.750"]);
    bench.pass(&[]).expect_code(0);
    let first = "tuin/video/2025-10-26_02-30-15-tuin.mp4";
    let second = "tuin/video/2025-10-26_02-30-15-tuin-2.mp4";
    let bytes = fs::read(bench.dest().join(first)).unwrap();

    let longer = crate::support::hikvision::Clip::new(
        crate::support::hikvision::Video::H264,
        crate::support::hikvision::Audio::Aac,
        3,
    );
    storage.record(&longer, "2025-10-26 02:30:15.250");
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held(), set([first, second]));
    assert_eq!(fs::read(bench.dest().join(first)).unwrap(), bytes, "the first stays what it was");
    assert!(probe(&bench.dest().join(second), "stream=nb_read_packets").starts_with("75"));
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);

    // A user copies the destination, and the times are lost.
    for name in [first, second] {
        let file = fs::File::options().write(true).open(bench.dest().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
    }
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
}

/// As ext3 keeps times, FAT, and archives: to the second, or to two.
#[test]
fn mtimes_in_whole_seconds_cause_no_second_extraction() {
    for step in [1, 2] {
        let (bench, mut storage) =
            Bench::with(&["2025-09-07 14:00:15.100", "2025-09-07 14:00:16.900", "2025-09-07 14:00:16.950"]);
        let damaged = storage.record(&clip(), "2025-09-07 14:00:18.500");
        let ring_file = fs::File::options().write(true).open(storage.ring_file(&damaged)).unwrap();
        let half = (damaged.end_offset - damaged.start_offset) / 2;
        ring_file.write_all_at(&vec![0; half as usize], u64::from(damaged.start_offset + half)).unwrap();
        bench.pass(&[]).expect_code(3);
        let held = bench.held();
        assert!(held.contains("tuin/video/.2025-09-07_14-00-18-tuin.mp4.damaged"), "{held:?}");
        for name in &held {
            let file = fs::File::open(bench.dest().join(name)).unwrap();
            let seconds = file.metadata().unwrap().mtime().cast_unsigned() / step * step;
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        let report = bench.report(3, &["--retry-failed-after", "1ms"]);
        assert_eq!((&report["arrived_files"], bench.held()), (&0.into(), held), "{step} {report}");
    }
}

/// The clocks go back while a segment is recorded, which ends up to an hour before it began; or forward.
#[test]
fn a_segment_over_a_dst_change_is_extracted() {
    for (index, lasts) in [(Index::Binary(2), "1.96,"), (Index::Binary(3), "1.96,"), (Index::Sqlite, "2.0,")] {
        let bench = Bench::new();
        let mut storage = bench.camera("tuin", Model { index, ..Model::default() });
        storage.record_until(&clip(), "2025-03-30 01:59:59", instant("2025-03-30 03:00:00.960"));
        storage.record(&clip(), "2025-10-26 02:59:50");
        storage.record_until(&clip(), "2025-10-26 02:59:59.5", instant("2025-10-26 02:00:01.460"));
        storage.record(&clip(), "2025-10-26 02:00:05");
        let listed = bench.scratch.footage(["hikvision", "nas", "--list", "--json"]).run().expect_code(0).stdout;
        let row = listed.lines().find(|row| row.contains("\"start\":\"2025-10-26T02:59:59.")).expect("listed");
        assert!(row.contains("\"end\":\"2025-10-26T02:00:01."), "{index:?} {row}");
        assert!(row.contains(&format!("\"duration_seconds\":{lasts}")), "{index:?} {row}");
        bench.quiet_pass(&[]);
        let names = ["03-30_01-59-59", "10-26_02-59-50", "10-26_02-59-59", "10-26_02-00-05"];
        assert_eq!(bench.held(), set(names.map(|time| format!("tuin/video/2025-{time}-tuin.mp4"))), "{index:?}");
        bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
    }
}

#[test]
fn two_segments_of_one_second_get_different_names() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15.100", "2025-09-07 14:00:15.900", "2025-09-07 14:00:16"]);
    bench.pass(&[]).expect_code(0);
    let names = ["15-tuin", "15-tuin-2", "16-tuin"];
    assert_eq!(bench.held(), set(names.map(|name| format!("tuin/video/2025-09-07_14-00-{name}.mp4"))));
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
}

#[test]
fn odd_folder_names_become_portable_file_names() {
    let bench = Bench::new();
    let folders = ["with space", "quote's \"x\"", "line\nbreak", "-dash", "naïve"];
    for folder in folders {
        bench.camera(folder, Model::default()).record(&clip(), "2025-09-07 14:00:15");
    }
    let output = bench.pass(&["--json"]).expect_code(0);
    assert_eq!(output.stderr, "");
    let tags = ["with space", "quote's _x_", "line_break", "-dash", "naïve"];
    assert_eq!(bench.held(), set(tags.map(|tag| format!("{tag}/video/2025-09-07_14-00-15-{tag}.mp4"))));
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
    for name in bench.held() {
        assert!(probe(&bench.dest().join(name), "stream=nb_read_packets").starts_with("50"));
    }
}

#[test]
fn input_dot_dot_takes_the_name_of_its_folder() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let inside = bench.scratch.join("nas/tuin/datadir0");
    let dest = bench.dest();
    let program = bench.scratch.footage(["hikvision", "..", "-d"]).arg(&dest).current_dir(inside);
    program.run().expect_code(0);
    assert_eq!(bench.held(), set(["tuin/video/2025-09-07_14-00-15-tuin.mp4"]));
}

#[test]
fn camera_renames_by_folder_or_path() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15"]);
    bench.camera("Camera, Oprit", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    let path = format!("{}=achter", storage.root.display());
    bench.pass(&["--camera", &path]).expect_code(0);
    let names = ["achter", "Camera, Oprit"];
    assert_eq!(bench.held(), set(names.map(|name| format!("{name}/video/2025-09-07_14-00-15-{name}.mp4"))));
}

#[test]
fn two_cameras_of_one_name_are_an_error() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    bench.camera("oprit", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    let output = bench.pass(&["--camera", "oprit=Tuin"]).expect_code(2);
    assert!(output.stderr.contains(r#"cameras "oprit" and "tuin" would both be called "tuin""#), "{output}");
    assert!(!bench.dest().exists());
    for option in ["oprit", "oprit=", "oprit=a/b", "=x", "oprit=.."] {
        bench.pass(&["--camera", option]).expect_code(2);
    }
}

#[test]
fn camera_that_matches_no_folder_ends_the_pass_with_2() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    bench.camera("oprit", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    for options in [&["--camera", "tuin=achter,attic=x"][..], &["--camera", "attic=x", "--cron"]] {
        let output = bench.pass(options).expect_code(2);
        assert!(output.stderr.contains(r#"unknown camera "attic"; found: "oprit", "tuin""#), "{output}");
    }
    assert!(!bench.dest().exists());
    // The folder of one that has not written yet is no slip, and keeps no other camera waiting.
    bench.scratch.write("nas/new/.keep", "");
    let output = bench.pass(&["--camera", "new=x"]).expect_code(0);
    assert!(output.stderr.contains(r#""new""#), "{output}");
    assert_eq!(bench.held().len(), 2);
}

#[test]
fn footage_camera_ignores_spaces_around_items() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    bench.camera("oprit", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    let program = bench.footage(&[]).env("FOOTAGE_CAMERA", " tuin=achter , oprit = voor ,");
    let output = program.run().expect_code(0);
    assert_eq!(output.stderr, "");
    assert_eq!(
        bench.held(),
        set(["achter", "voor"].map(|name| format!("{name}/video/2025-09-07_14-00-15-{name}.mp4")))
    );
}

#[test]
fn footage_input_ignores_spaces_around_items() {
    let bench = Bench::new();
    for folder in ["a", "b"] {
        bench.camera(folder, Model::default()).record(&clip(), "2025-09-07 14:00:15");
    }
    let [a, b] = ["nas/a", "nas/b"].map(|folder| bench.scratch.join(folder).display().to_string());
    let program = bench.scratch.footage(["hikvision", "-d"]).arg(bench.dest());
    program.env("FOOTAGE_INPUT", format!("{a} : {b}")).run().expect_code(0);
    assert_eq!(bench.held().len(), 2);
}
