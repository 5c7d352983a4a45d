//! What passes have left, and whether they run.

use crate::support::camera::{Fault, How, Times};
use crate::support::tree;
use crate::{Bench, SOON, problems};

#[test]
fn a_pass_that_is_done_is_well_and_nothing_is_touched() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let before = tree(bench.scratch.path());
    let status = bench.json(&["dest"], 0);
    assert_eq!(status["ok"], true);
    let row = &status["rows"][0];
    assert_eq!((&row["pass"], &row["state"]), (&"dashcam".into(), &"done".into()));
    assert_eq!((&row["source"], &row["camera"]), (&bench.camera.address().into(), &"".into()));
    assert_eq!((&row["files"], &row["failed_files"], &row["exit_code"]), (&4.into(), &0.into(), &0.into()));
    let age = row["newest"]["age_seconds"].as_u64().unwrap();
    assert!((60..180).contains(&age), "{age}");
    assert!(row["newest"]["path"].as_str().unwrap().ends_with("_NF.mp4"), "{row}");
    let now = chrono::Utc::now().timestamp();
    for time in ["state_since_timestamp_seconds", "last_run_timestamp_seconds", "last_arrival_timestamp_seconds"] {
        assert!((now - row[time].as_i64().unwrap()).abs() < 60, "{time} of {row}");
    }
    assert!(status["places"][0]["disk_free_bytes"].as_u64() > Some(0));
    for output in [&[][..], &["--zabbix-discovery"]] {
        bench.status(&[output, &["dest"]].concat()).expect_code(0);
    }
    assert_eq!(tree(bench.scratch.path()), before);
}

#[test]
fn a_camera_that_drove_away_is_normal_until_its_footage_is_old() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    bench.camera.depart(How::Refused);
    bench.fetch("dest").expect_code(75);
    let status = bench.json(&["dest"], 0);
    assert_eq!((&status["rows"][0]["state"], &status["rows"][0]["exit_code"]), (&"away".into(), &75.into()));
    bench.json(&["dest", "--max-age", "1h"], 0);
    let old = bench.json(&["dest", "--max-age", "30s"], 3);
    assert_eq!(problems(&old), ["dashcam -: the newest recording is 1m old"]);
}

#[test]
fn what_failed_is_wrong() {
    let bench = Bench::new();
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.fetch("dest").expect_code(3);
    let problem = problems(&bench.json(&["dest"], 3)).join("\n");
    assert!(problem.starts_with("dashcam -: 1 file failed: ") && problem.contains("500"), "{problem}");
    let table = bench.status(&["dest"]).expect_code(3).stdout;
    assert!(table.contains("\n! dashcam  ") && table.contains("\nwrong:\n  dashcam: 1 file failed: "), "{table}");
}

#[test]
fn a_pass_that_runs_is_seen_and_not_disturbed() {
    let bench = Bench::new();
    let gate = bench.camera.hold("GET .mp4", 50_000);
    let dest = bench.scratch.join("dest");
    let running = bench.scratch.footage(["dashcam", &bench.camera.address(), "-d", "dest", "-u", "98"]).spawn();
    gate.wait_reached(SOON);
    for _ in 0..20 {
        let status = bench.json(&["dest"], 0);
        assert_eq!(status["rows"][0]["state"], "running", "{status}");
        assert_eq!(status["rows"][0]["pid"], running.id());
    }
    gate.open();
    running.wait().expect_code(0);
    assert_eq!(bench.json(&["dest"], 0)["rows"][0]["state"], "done");
    assert!(dest.join(".footage/dashcam.json").exists());
}

#[test]
fn one_that_was_killed_is_told() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let report = bench.scratch.join("dest/.footage/dashcam.json");
    let text = std::fs::read_to_string(&report).unwrap();
    // An older report: who takes the lock tells when.
    let started = chrono::Utc::now() - chrono::Duration::hours(1);
    let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
    older["start_timestamp_seconds"] = started.timestamp().into();
    std::fs::write(&report, older.to_string()).unwrap();
    bench.camera.add_recording(&crate::name_of(chrono::Duration::zero()), 100_000);
    let gate = bench.camera.hold("GET .mp4", 50_000);
    let running = bench.scratch.footage(["dashcam", &bench.camera.address(), "-d", "dest", "-u", "98"]).spawn();
    gate.wait_reached(SOON);
    running.kill();
    assert!(running.ends_within(SOON));
    drop(running);
    let status = bench.json(&["dest"], 3);
    assert_eq!(problems(&status), ["dashcam -: it was killed, or lost its power"]);
    assert_eq!((&status["rows"][0]["state"], &status["rows"][0]["pid"]), (&"gone".into(), &().into()));
    gate.open();
    bench.fetch("dest").expect_code(0);
    bench.json(&["dest"], 0);
}

#[test]
fn what_waits_for_its_upload_is_pending_and_may_not_wait_for_ever() {
    let bench = Bench::new();
    let file = std::fs::File::open(bench.scratch.write("dest/20261121_063012_NF.mp4", "footage")).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(2)).unwrap();
    // A file that somebody has open is not closed.
    drop(file);
    // Nobody listens on the port of a camera that has left.
    bench.camera.depart(How::Refused);
    let endpoint = format!("http://{}", bench.camera.address());
    let upload = bench.scratch.footage(["upload", "dest", "--to", "s3://bucket", "--endpoint-url", &endpoint]);
    upload.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").run().expect_code(75);
    let row = &bench.json(&["dest"], 0)["rows"][0];
    assert_eq!((&row["pass"], &row["state"], &row["pending_files"]), (&"upload".into(), &"away".into(), &1.into()));
    bench.json(&["dest", "--max-age", "3h"], 0);
    let late = bench.json(&["dest", "--max-age", "1h"], 3);
    assert_eq!(problems(&late), ["upload -: a file waits for 2h to be uploaded"]);
}

#[test]
fn a_disk_may_be_too_full() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let status = bench.json(&["dest", "--min-free", "100TB"], 3);
    assert!(problems(&status)[0].starts_with("- -: the disk is too full: "), "{status}");
}

#[test]
fn what_is_no_report_is_told() {
    let bench = Bench::new();
    for text in ["", "{", "[]", "7", "\0\0\0", "{\"cameras\": [7]}", "{\"failures\": 7}"] {
        bench.scratch.write("dest/.footage/record.json", text);
        let status = bench.json(&["dest"], 3);
        assert_eq!(problems(&status), ["record -: what it has left is not a report"], "{text:?}");
    }
    // What passes remember for themselves is no report.
    bench.scratch.write("other/.footage/dashcam.partials", "{}");
    bench.scratch.write("other/.footage/recording.json", "{}");
    bench.status(&["other"]).expect_code(1);
}
