//! The output of a pass: dry run, report, metrics, cron, lock, exit codes.

use std::time::Duration;

use serde_json::Value;

use crate::support::bench::{Bench, json, set};
use crate::support::hikvision::{jpeg, picture};
use crate::support::modes::{UMASKS, assert_modes};
use crate::support::tree;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn dry_run_prints_the_plan_and_changes_nothing() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15", "2037-09-07 14:01:15"]);
    bench.scratch.write("dest/tuin/video/2001-01-01_00-00-00-tuin.mp4", "old");
    let before = tree(bench.scratch.path());
    let plan = json(&bench.pass(&["--dry-run", "--keep", "30d", "--json"]).expect_code(0));
    let size = footage::units::ByteSize(plan["steps"][1]["bytes"].as_u64().expect("bytes"));
    let output = bench.pass(&["--dry-run", "--keep", "30d"]).expect_code(0);
    assert_eq!(
        output.stdout,
        format!(
            "remove  tuin/video/2001-01-01_00-00-00-tuin.mp4 (expired)\n\
             extract tuin/video/2037-09-07_14-01-15-tuin.mp4 ({size})\n\
             1 file ({size}) to extract, 1 file to remove, 0 waiting for another try\n"
        )
    );
    assert_eq!(plan["steps"][1]["name"], "tuin/video/2037-09-07_14-01-15-tuin.mp4");
    assert_eq!(plan["steps"][0]["reason"], "expired");
    assert_eq!(tree(bench.scratch.path()), before);
}

#[test]
fn cron_is_silent_unless_footage_arrives_or_fails() {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let output = bench.pass(&["--cron"]).expect_code(0);
    assert!(output.stderr.starts_with("1 recording ("), "{output}");
    bench.quiet_pass(&["--cron"]);

    // A lasting failure is logged the first time only.
    std::fs::remove_file(storage.ring_file(&storage.live()[0])).unwrap();
    let output = bench.pass(&["--cron"]).expect_code(3);
    assert!(output.stderr.contains("hiv00000.mp4"), "{output}");
    let output = bench.pass(&["--cron"]).expect_code(3);
    assert_eq!(output.stderr, "");
    // And again once it was gone in between.
    storage.record(&crate::support::bench::clip(), "2025-09-07 14:01:15");
    bench.pass(&["--cron"]).expect_code(0);
    std::fs::remove_file(storage.ring_file(&storage.live()[0])).unwrap();
    assert!(bench.pass(&["--cron"]).expect_code(3).stderr.contains("hiv00000.mp4"));
}

#[test]
fn a_missing_storage_is_exit_code_75() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let away = |options: &[&str]| bench.scratch.footage(["hikvision", "elsewhere", "-d", "dest"]).args(options).run();
    let output = away(&[]).expect_code(75);
    assert!(output.stderr.contains("elsewhere"), "{output}");
    assert_eq!(away(&["--cron"]).expect_code(0).stderr, "");
    // A folder without any camera is a mistake.
    std::fs::create_dir(bench.scratch.join("elsewhere")).unwrap();
    assert!(away(&["--cron"]).expect_code(1).stderr.contains("holds no camera's storage"));
    // So is one of its files.
    let file = storage.ring_file(&storage.live()[0]);
    std::fs::remove_dir(bench.scratch.join("elsewhere")).unwrap();
    std::fs::copy(file, bench.scratch.join("elsewhere")).unwrap();
    assert!(away(&[]).expect_code(1).stderr.contains("is a file: name the camera's folder"));
    // One input that is missing keeps the others from nothing.
    drop(storage);
    bench.scratch.footage(["hikvision", "nas", "missing", "-d", "dest"]).run().expect_code(3);
}

#[test]
fn metrics_count_extracted_recordings() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15", "2025-09-07 14:01:15"]);
    std::fs::write(storage.root.join("x"), "").unwrap();
    bench.pass(&["--metrics-file", "metrics.prom"]).expect_code(0);
    let text = std::fs::read_to_string(bench.scratch.join("metrics.prom")).unwrap();
    for line in [
        "footage_hikvision_last_run_success 1",
        "footage_hikvision_last_run_exit_code 0",
        "footage_hikvision_last_run_arrived_files 2",
        "footage_hikvision_seen_recordings 2",
        "footage_hikvision_last_run_failed_files{reason=\"gone\"} 0",
        "footage_hikvision_last_run_removed_files{reason=\"expired\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let report: Value =
        serde_json::from_slice(&std::fs::read(bench.dest().join(".footage/hikvision.json")).unwrap()).unwrap();
    assert_eq!((&report["pass"], &report["source"]), (&"hikvision".into(), &"nas".into()));
    assert!(report["last_arrival_timestamp_seconds"].as_f64().unwrap() > 1e9);
}

#[test]
fn a_second_pass_exits_when_the_lock_is_held() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let slow = bench.fake_ffmpeg("sleep 60");
    let first = bench.footage(&["--ffmpeg", &slow, "-vv"]).spawn();
    first.wait_for_stderr("using ", SOON);
    let output = bench.pass(&[]).expect_code(75);
    assert!(output.stderr.contains("another pass holds"), "{output}");
    bench.quiet_pass(&["--cron"]);
    first.term();
    first.wait_timeout(Duration::from_secs(3)).expect_code(143);
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held(), set(["tuin/video/2025-09-07_14-00-15-tuin.mp4"]));
}

#[test]
fn every_repeats_until_a_signal() {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let running = bench.footage(&["--every", "0.2", "-v"]).spawn();
    running.wait_for_stderr("2025-09-07_14-00-15-tuin.mp4: extracted", SOON);
    storage.record(&crate::support::bench::clip(), "2025-09-07 14:01:15");
    running.wait_for_stderr("2025-09-07_14-01-15-tuin.mp4: extracted", SOON);
    running.interrupt();
    running.wait_timeout(Duration::from_secs(3)).expect_code(130);
}

#[test]
fn a_destination_in_the_cameras_storage_is_refused() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let before = tree(&storage.root);
    for destination in ["nas/tuin", "nas/tuin/datadir0", "nas"] {
        let output = bench.scratch.footage(["hikvision", "nas", "-d", destination]).run().expect_code(2);
        assert!(output.stderr.contains("only read"), "{output}");
    }
    assert_eq!(tree(&storage.root), before);
    // Beside the cameras, under another name, is fine.
    bench.scratch.footage(["hikvision", "nas", "-d", "nas/out"]).run().expect_code(0);
}

#[test]
fn destination_is_required_except_with_list() {
    let bench = Bench::new();
    bench.scratch.footage(["hikvision", "nas"]).run().expect_code(2);
    bench.scratch.footage(["hikvision", "-d", "dest"]).run().expect_code(2);
}

#[test]
fn file_modes_follow_the_umask() {
    for umask in UMASKS {
        let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
        storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
        bench.footage(&["--metrics-file", "dest/metrics"]).under_umask(umask).run().expect_code(0);
        assert_modes(&bench.dest(), 9, umask);
    }
}
