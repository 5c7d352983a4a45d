//! A destination that is full, read-only, gone or in the way.

use std::fs;

use crate::support::bench::{Bench, files, set};
use crate::support::hikvision::{Audio, Clip, Video, jpeg, picture};
use crate::support::{as_root, small_tmpfs};

#[test]
fn a_full_disk_ends_the_pass_and_leaves_only_complete_files() {
    as_root!();
    let (bench, mut storage) = Bench::with(&[]);
    let clip = Clip::new(Video::H264, Audio::Aac, 4);
    for minute in 0..10 {
        storage.record(&clip, &format!("2025-09-07 14:{minute:02}:15"));
    }
    let small = small_tmpfs(1 << 20);
    let dest = small.path().join("dest");
    let program = || bench.scratch.footage(["hikvision", "nas", "-d"]).arg(&dest);
    let output = program().run().expect_code(1);
    assert!(output.stderr.contains("not enough room"), "{output}");
    let held = files(&dest);
    assert!(!held.is_empty() && held.len() < 10, "{held:?}");
    assert!(held.iter().all(|name| name.ends_with("-tuin.mp4") && !name.contains("/.")), "{held:?}");
    // With free space again it continues.
    let again = program().arg("--min-free").arg("100MB").run().expect_code(1);
    assert!(again.stderr.contains("--min-free"), "{again}");
    assert_eq!(files(&dest), held);
}

/// Another process fills the disk while ffmpeg writes: the guard found space, and ffmpeg finds none.
#[test]
fn a_disk_that_fills_up_ends_the_pass() {
    as_root!();
    let (bench, mut storage) = Bench::with(&[]);
    for minute in 0..4 {
        storage.record(&Clip::new(Video::H264, Audio::Aac, 4), &format!("2025-09-07 14:{minute:02}:15"));
    }
    let small = small_tmpfs(2 << 20);
    let filler = small.path().join("filler");
    let fake = bench.fake_ffmpeg(&format!("cat /dev/zero >>{} 2>/dev/null; exec ffmpeg \"$@\"", filler.display()));
    let dest = small.path().join("dest");
    let program = bench.scratch.footage(["hikvision", "nas", "-d"]).arg(&dest).args(["--ffmpeg", &fake]);
    let output = program.run().expect_code(1);
    assert!(output.stderr.contains("cannot write"), "{output}");
    assert_eq!(files(&dest), set::<&str>([]));
    fs::remove_file(filler).unwrap();
    bench.scratch.footage(["hikvision", "nas", "-d"]).arg(&dest).run().expect_code(0);
    assert_eq!(files(&dest).len(), 4);
}

#[test]
fn a_read_only_destination_is_an_error() {
    as_root!();
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let small = small_tmpfs(1 << 20);
    small.make_read_only();
    let output = bench.scratch.footage(["hikvision", "nas", "-d"]).arg(small.path().join("dest")).run().expect_code(1);
    assert!(output.stderr.contains("cannot create the destination"), "{output}");
}

#[test]
fn an_unmounted_destination_leaves_its_mount_point_empty() {
    as_root!();
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15", "2025-09-07 14:01:15"]);
    let small = small_tmpfs(4 << 20);
    let fake = bench.fake_ffmpeg(&format!("umount -l {}; exec ffmpeg \"$@\"", small.path().display()));
    let program = bench.scratch.footage(["hikvision", "nas", "-d"]).arg(small.path());
    let output = program.args(["--ffmpeg", &fake, "--jobs", "1"]).run().expect_code(1);
    assert!(output.stderr.contains("vanished"), "{output}");
    assert_eq!(files(small.path()), set::<&str>([]));
}

#[test]
fn a_directory_under_a_final_name_fails_one_recording() {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15", "2025-09-07 14:01:15"]);
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
    let name = |minute: u32| format!("tuin/video/2025-09-07_14-{minute:02}-15-tuin.mp4");
    fs::create_dir_all(bench.dest().join(name(0))).unwrap();
    bench.scratch.write("dest/tuin/images", "a file");
    let report = bench.report(3, &[]);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 2, "{report}");
    assert!(failures.iter().all(|failure| failure["reason"] == "refused"), "{report}");
    assert_eq!(bench.held(), set([name(1), "tuin/images".to_owned()]));
    // Out of the way, it is extracted.
    fs::remove_dir(bench.dest().join(name(0))).unwrap();
    fs::remove_file(bench.dest().join("tuin/images")).unwrap();
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held().len(), 3);
}
