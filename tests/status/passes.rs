//! What passes have left, and whether they run.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::{Bench, SOON, problems};
use crate::support::camera::{Fault, How, Times};
use crate::support::{Program, tree};

#[test]
fn status_of_a_finished_pass_is_done_and_changes_nothing() {
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
fn an_unreachable_dashcam_is_fine_until_max_age() {
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
fn status_of_a_failed_pass_is_wrong() {
    let bench = Bench::new();
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.fetch("dest").expect_code(3);
    let problem = problems(&bench.json(&["dest"], 3)).join("\n");
    assert!(problem.starts_with("dashcam -: 1 file failed: ") && problem.contains("500"), "{problem}");
    let table = bench.status(&["dest"]).expect_code(3).stdout;
    assert!(table.contains("\n! dashcam  ") && table.contains("\nwrong:\n  dashcam: 1 file failed: "), "{table}");
}

#[test]
fn status_of_a_running_pass_takes_no_lock() {
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
fn status_of_a_killed_pass_is_killed() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let report = bench.scratch.join("dest/.footage/dashcam.json");
    let text = std::fs::read_to_string(&report).unwrap();
    // An older report: the lock file has the time.
    let started = chrono::Utc::now() - chrono::Duration::hours(1);
    let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
    older["start_timestamp_seconds"] = started.timestamp().into();
    std::fs::write(&report, older.to_string()).unwrap();
    bench.camera.add_recording(&super::name_of(chrono::Duration::zero()), 100_000);
    let gate = bench.camera.hold("GET .mp4", 50_000);
    let running = bench.scratch.footage(["dashcam", &bench.camera.address(), "-d", "dest", "-u", "98"]).spawn();
    gate.wait_reached(SOON);
    running.kill();
    assert!(running.ends_within(SOON));
    drop(running);
    let status = bench.json(&["dest"], 3);
    assert_eq!(problems(&status), ["dashcam -: killed, or the power failed"]);
    assert_eq!((&status["rows"][0]["state"], &status["rows"][0]["pid"]), (&"gone".into(), &().into()));
    gate.open();
    bench.fetch("dest").expect_code(0);
    bench.json(&["dest"], 0);
}

#[test]
fn pending_uploads_are_wrong_after_max_age() {
    let bench = Bench::new();
    let file = std::fs::File::open(bench.scratch.write("dest/20261121_063012_NF.mp4", "footage")).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(2)).unwrap();
    // A file that another process has open is not closed.
    drop(file);
    // No process listens on the port of a camera that has left.
    bench.camera.depart(How::Refused);
    let endpoint = format!("http://{}", bench.camera.address());
    let upload = bench.scratch.footage(["upload", "dest", "--to", "s3://bucket", "--endpoint-url", &endpoint]);
    upload.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").run().expect_code(75);
    let never = bench.json(&["dest"], 3);
    assert!(problems(&never)[0].ends_with("it has never answered: check --endpoint-url and --region"), "{never}");
    // A server that had answered before.
    let edit = |name: &str, value: serde_json::Value| {
        let report = bench.scratch.join("dest/.footage/upload.json");
        let mut known: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
        known["contact"][name] = value;
        std::fs::write(&report, known.to_string()).unwrap();
    };
    edit("first_reached_timestamp_seconds", 7.into());
    let row = &bench.json(&["dest"], 0)["rows"][0];
    assert_eq!((&row["pass"], &row["state"], &row["pending_files"]), (&"upload".into(), &"away".into(), &1.into()));
    bench.json(&["dest", "--max-age", "3h"], 0);
    let late = bench.json(&["dest", "--max-age", "1h"], 3);
    assert_eq!(problems(&late), ["upload -: a file waits for 2h to be uploaded"]);
    // It is away for long.
    edit("missed_since_timestamp_seconds", (chrono::Utc::now().timestamp() - 4000).into());
    bench.json(&["dest"], 0);
    edit("missed_passes", 3.into());
    assert!(problems(&bench.json(&["dest"], 3))[0].starts_with("upload -: away for 1h 6m (3 runs): "));
    bench.json(&["dest", "--max-age", "3h"], 0);
}

#[test]
fn max_used_disk_and_min_free_make_a_disk_wrong() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let status = bench.json(&["dest", "--min-free", "100TB"], 3);
    assert!(problems(&status)[0].starts_with("- -: the disk is too full: "), "{status}");
}

#[test]
fn an_invalid_report_is_wrong() {
    let bench = Bench::new();
    for text in ["", "{", "[]", "7", "\0\0\0", "{\"cameras\": [7]}", "{\"failures\": 7}"] {
        bench.scratch.write("dest/.footage/record.json", text);
        let status = bench.json(&["dest"], 3);
        assert_eq!(problems(&status), ["record -: its report is unreadable"], "{text:?}");
    }
    // What passes remember for themselves is no report.
    bench.scratch.write("other/.footage/dashcam.partials", "{}");
    bench.scratch.write("other/.footage/recording.json", "{}");
    bench.status(&["other"]).expect_code(1);
}

/// A misspelt address in a crontab would be silent for ever.
#[test]
fn ever_reached_false_is_wrong_and_cron_logs_it_once() {
    let bench = Bench::new();
    let fetch = |address: &str| {
        bench
            .scratch
            .footage(["dashcam", address, "-d", "dest", "-u", "98", "-t", "0.5", "--cron"])
            .run()
            .expect_code(0)
            .stderr
    };
    let never = "it has never answered: check the address";
    let unused = format!("127.0.0.1:{}", free_port());
    let first = fetch(&unused);
    assert!(first.starts_with("warning: ") && first.contains(never), "{first}");
    for _ in 0..2 {
        assert_eq!(fetch(&unused), "");
    }
    let status = bench.json(&["dest"], 3);
    assert!(problems(&status)[0].ends_with(never), "{status}");
    assert_eq!((&status["rows"][0]["state"], &status["rows"][0]["missed_passes"]), (&"away".into(), &3.into()));
    // Once it has answered it may drive away, also when it is given another address beside.
    fetch(&bench.camera.address());
    bench.camera.depart(How::Refused);
    assert_eq!(fetch(&bench.camera.address()), "");
    let row = &bench.json(&["dest"], 0)["rows"][0];
    assert!(row["first_reached_timestamp_seconds"].is_i64() && row["state"] == "away", "{row}");
    // A report of a version that did not count: footage has arrived.
    let report = bench.scratch.join("dest/.footage/dashcam.json");
    let mut older: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    older.as_object_mut().unwrap().remove("contact");
    std::fs::write(&report, older.to_string()).unwrap();
    assert_eq!(fetch(&bench.camera.address()), "");
    bench.json(&["dest"], 0);
    // Another address has to answer by itself.
    assert!(fetch(&unused).contains(never));
    bench.json(&["dest"], 3);
}

/// A port that is not in use.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn an_input_or_a_directory_that_is_not_there_leaves_a_trace() {
    let bench = Bench::new();
    for (arguments, place, pass) in [
        (&["hikvision", "misspelt", "-d", "all/out"][..], "all/out", "hikvision"),
        (&["upload", "all/misspelt", "--to", "s3://bucket", "--region", "x"], "all/misspelt", "upload"),
    ] {
        let run = || {
            let run = bench.scratch.footage([arguments, &["--cron"]].concat());
            let run = run.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
            run.run().expect_code(0).stderr
        };
        let first = run();
        assert!(first.contains("misspelt") && first.contains("check the path"), "{first}");
        assert_eq!(run(), "");
        let status = bench.json(&[place], 3);
        assert_eq!((&status["rows"][0]["pass"], &status["rows"][0]["state"]), (&pass.into(), &"away".into()));
        assert!(!bench.scratch.join(place).exists(), "nothing is made");
    }
    // Also by its parent directory.
    std::fs::create_dir(bench.scratch.join("all")).unwrap();
    let status = bench.json(&["all"], 3);
    assert_eq!(problems(&status).len(), 2, "{status}");
    let found: serde_json::Value =
        serde_json::from_str(&bench.status(&["--zabbix-discovery", "all"]).expect_code(0).stdout).unwrap();
    assert_eq!(found["data"][1]["{#PASS}"], "hikvision", "{found}");
    assert_eq!(bench.status(&["all", "--cron"]).expect_code(3).stdout.matches("left no report").count(), 2);
}

/// The tests run as root, to whom all is open until it gives that up.
#[test]
fn a_run_that_may_not_write_its_lock_or_report_is_found() {
    let bench = Bench::new();
    let state = bench.scratch.join("dest/.footage");
    let allow = |path: &str, mode| std::fs::set_permissions(state.join(path), Permissions::from_mode(mode)).unwrap();
    for (locked, code) in [("dashcam.lock", 1), (".", 0)] {
        bench.fetch("dest").expect_code(0);
        bench.json(&["dest"], 0);
        allow(".", 0o555);
        allow(locked, 0o444 | if locked == "." { 0o111 } else { 0 });
        let output = Program::new("setpriv")
            .args(["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_footage"), "dashcam"])
            .args([&bench.camera.address(), "-d", "dest", "-u", "98", "--cron"])
            .env("TMPDIR", bench.scratch.temporary())
            .current_dir(bench.scratch.path())
            .run()
            .expect_code(code);
        assert!(output.stderr.contains("ermission denied"), "{output}");
        let status = bench.json(&["dest"], 3);
        let uid = rustix::process::geteuid().as_raw();
        let problem = &problems(&status)[0];
        assert!(problem.starts_with(&format!("dashcam -: the last run (of user {uid}) left no report: ")), "{problem}");
        assert!(problem.contains("ermission denied"), "{problem}");
        assert_eq!((&status["rows"][0]["state"], &status["rows"][0]["ok"]), (&"failed".into(), &false.into()));
        // One that leaves a report is newer.
        allow(".", 0o755);
        allow("dashcam.lock", 0o644);
        bench.fetch("dest").expect_code(0);
        bench.json(&["dest"], 0);
    }
}

#[test]
fn a_failing_crontab_line_leaves_a_trace() {
    let bench = Bench::new();
    let address = bench.camera.address();
    for mistake in [&["--kep", "2w"][..], &["--protect", "2018"], &["-i", "pass-word"]] {
        let words = [&["dashcam", &address, "-u", "98"], mistake, &["-d", "dest", "--cron"]].concat();
        bench.scratch.footage(words).run().expect_code(2);
        let output = bench.status(&["dest"]).expect_code(3);
        assert!(output.stdout.contains("left no report: ") && !output.stdout.contains("pass-word"), "{output}");
        bench.fetch("dest").expect_code(0);
        bench.json(&["dest"], 0);
    }
    // The table shows the problem.
    bench.scratch.footage(["dashcam", &address, "-d", "dest", "--kep", "2w"]).run().expect_code(2);
    bench.json(&["dest"], 0);
}

#[test]
fn max_pass_age_finds_a_cron_that_has_stopped() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    bench.json(&["dest", "--max-pass-age", "1h"], 0);
    let report = bench.scratch.join("dest/.footage/dashcam.json");
    let mut older: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    older["start_timestamp_seconds"] = (chrono::Utc::now().timestamp() - 7250).into();
    std::fs::write(&report, older.to_string()).unwrap();
    let lock = bench.scratch.join("dest/.footage/dashcam.lock");
    std::fs::write(lock, "").unwrap();
    bench.json(&["dest"], 0);
    let status = bench.json(&["dest", "--max-pass-age", "1h"], 3);
    assert_eq!(problems(&status), ["dashcam -: the last run ended 2h ago: does cron still start it?"]);
}
