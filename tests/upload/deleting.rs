//! `--delete` and `--delete-after`: only files that are verified to be in the bucket are removed.

use std::fs;
use std::time::Instant;

use super::SOON;
use crate::support::s3_proxy::{Fault, Times};
use crate::support::uploads::{MTIME, MULTIPART, Uploads, content, set_mtime};

#[test]
fn without_delete_all_files_are_kept() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    assert!(uploads.src("a.ts").exists());
    uploads.assert_done(&[]);
    assert!(uploads.src("a.ts").exists());
}

#[test]
fn delete_removes_a_file_once_it_is_verified() {
    let uploads = Uploads::with(&["a.ts", "sub/b.ts"]);
    uploads.file("big.ts", content("big", MULTIPART + 1));
    uploads.quiet_pass(&["--delete"]);
    uploads.assert_uploaded();
    for name in ["a.ts", "sub/b.ts", "big.ts"] {
        assert!(!uploads.src(name).exists(), "{name}");
    }
    uploads.assert_done(&["--delete"]);
}

#[test]
fn delete_warns_when_the_source_would_fetch_files_again() {
    let uploads = Uploads::with(&["cameras/a.ts", "dashcam/b.ts", "dashcam/.footage/dashcam.json"]);
    uploads.quiet_pass(&[]);
    let output = uploads.footage(&["--delete"]).run().expect_code(0);
    let said: Vec<&str> = output.stderr.lines().filter(|line| line.contains("brings removed files again")).collect();
    assert!(said.len() == 1 && said[0].contains("/dashcam: "), "{output}");
    assert!(!uploads.src("dashcam/b.ts").exists(), "it was asked for");
}

#[test]
fn delete_removes_earlier_uploads_without_a_request() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    uploads.assert_done(&["--delete"]);
    assert!(!uploads.src("a.ts").exists());
}

#[test]
fn delete_after_counts_from_the_verification() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&["--delete-after", "2d"]);
    uploads.assert_done(&["--delete-after", "2d"]);
    assert!(uploads.src("a.ts").exists());
    let deadline = Instant::now() + SOON;
    while uploads.src("a.ts").exists() {
        assert!(Instant::now() < deadline, "it is never deleted");
        uploads.assert_done(&["--delete-after", "1s"]);
    }
    uploads.assert_uploaded();
}

/// A pass over a slow line takes days. Files that it uploads last were not verified at its beginning.
#[test]
fn delete_after_counts_from_the_verification_of_each_file() {
    let uploads = Uploads::with(&["a.ts"]);
    let gate = uploads.s3.proxy.hold("PUT a.ts", 500);
    let pass = uploads.footage(&[]).spawn();
    gate.wait_reached(SOON);
    let now = || chrono::Utc::now().timestamp();
    let began = now();
    while now() < began + 3 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    gate.open();
    pass.wait().expect_code(0);
    let journal = fs::read_to_string(uploads.src(".footage/upload.journal")).unwrap();
    let lines = journal.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let verified = lines.filter(|line| !line["proven"].is_null()).find_map(|line| line["at"].as_i64()).unwrap();
    // The clock and the stopwatch of the pass differ in their fractions of a second.
    assert!((began + 2..=now()).contains(&verified), "{verified}, and the pass began at {began}");
}

#[test]
fn delete_after_ignores_the_age_of_the_file() {
    // The file is a year old, its proof is not.
    let uploads = Uploads::with(&["a.ts"]);
    set_mtime(&uploads.src("a.ts"), MTIME - 365 * 86_400);
    uploads.quiet_pass(&["--delete-after", "1h"]);
    assert!(uploads.src("a.ts").exists());
}

#[test]
fn delete_spares_a_file_that_was_not_stored() {
    for fault in
        [Fault::error(403, "AccessDenied"), Fault::error(404, "NoSuchBucket"), Fault::error(400, "EntityTooLarge")]
    {
        let uploads = Uploads::with(&["a.ts"]);
        uploads.s3.proxy.fault("PUT", fault, Times::Always);
        let output = uploads.pass(&["--delete"]);
        assert!(matches!(output.code, Some(1 | 3)), "{output}");
        assert!(uploads.src("a.ts").exists() && uploads.objects().is_empty());
        uploads.s3.proxy.clear_faults();
        uploads.quiet_pass(&["--delete"]);
        uploads.assert_uploaded();
    }
}

#[test]
fn delete_spares_a_file_that_changed_since_its_upload() {
    // Longer; of the same length; and of the same length and time, as when a file is restored over it.
    for (len, mtime) in [(2000, MTIME), (1000, MTIME + 60), (1000, MTIME)] {
        let uploads = Uploads::with(&["a.ts"]);
        uploads.quiet_pass(&[]);
        let changed = content("changed", len);
        fs::write(uploads.src("new"), &changed).unwrap();
        fs::rename(uploads.src("new"), uploads.src("a.ts")).unwrap();
        set_mtime(&uploads.src("a.ts"), mtime);
        let output = uploads.pass(&["--delete"]).expect_code(3);
        assert!(output.stderr.contains("a.ts"), "{output}");
        assert_eq!(fs::read(uploads.src("a.ts")).unwrap().len(), len, "{len} {mtime}");
        assert!(fs::read(uploads.src("a.ts")).unwrap() == changed);
        uploads.assert_uploaded();
    }
}

#[test]
fn delete_spares_an_open_file() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    let held = fs::File::open(uploads.src("a.ts")).unwrap();
    uploads.assert_done(&["--delete"]);
    assert!(uploads.src("a.ts").exists());
    drop(held);
    uploads.assert_done(&["--delete"]);
    assert!(!uploads.src("a.ts").exists());
}

#[test]
fn delete_after_refuses_an_invalid_duration() {
    let uploads = Uploads::with(&["a.ts"]);
    for age in ["soon", "-1d", ""] {
        uploads.pass(&["--delete-after", age]).expect_code(2);
    }
    for (option, variable) in [("--delete-after", "FOOTAGE_DELETE_AFTER"), ("--keep", "FOOTAGE_KEEP")] {
        for output in [uploads.pass(&[option, "2m"]), uploads.footage(&[]).env(variable, "2m").run()] {
            let output = output.expect_code(2);
            assert!(output.stderr.contains("2min") && output.stderr.contains("60d"), "{output}");
        }
    }
    assert!(uploads.s3.proxy.requests().is_empty());
}

#[test]
fn keep_removes_old_verified_recordings() {
    let uploads = Uploads::with(&["20181029_131513_NF.mp4", "29990101_000000_NF.mp4", "20181029_131613_NF.mp4"]);
    uploads.s3.proxy.fault("PUT 131613", Fault::error(400, "InvalidRequest"), Times::Always);
    uploads.pass(&["--keep", "30"]).expect_code(3);
    uploads.pass(&["--keep", "30"]);
    assert!(!uploads.src("20181029_131513_NF.mp4").exists());
    assert!(uploads.src("29990101_000000_NF.mp4").exists(), "not old");
    assert!(uploads.src("20181029_131613_NF.mp4").exists(), "not verified");
}

#[test]
fn cron_logs_removals_of_what_was_uploaded() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    let output = uploads.pass(&["--delete", "--cron"]).expect_code(0);
    assert!(
        matches!(output.removals()[..], [line] if line.contains("2 files") && line.contains("uploaded")),
        "{output}"
    );
    uploads.pass(&["--delete", "--cron"]).expect_silence();
}

/// Noted while this machine's clock was ten years ahead: it counts from the next pass on, and not in ten years.
#[test]
fn delete_after_counts_a_verification_from_the_future_from_now_on() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    let journal = uploads.src(".footage/upload.journal");
    let text = fs::read_to_string(&journal).unwrap();
    let now = chrono::Utc::now().timestamp();
    let ahead: Vec<String> = text
        .lines()
        .map(|line| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(mut line) if !line["proven"].is_null() => {
                line["at"] = (now + 10 * 365 * 86_400).into();
                line.to_string()
            }
            _ => line.to_owned(),
        })
        .collect();
    fs::write(&journal, ahead.join("\n") + "\n").unwrap();
    uploads.quiet_pass(&["--delete-after", "1h"]);
    assert!(uploads.src("a.ts").exists());
    let last = fs::read_to_string(&journal).unwrap();
    let lines = last.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let at = lines.filter(|line| !line["proven"].is_null()).find_map(|line| line["at"].as_i64()).unwrap();
    assert!((now..=now + 600).contains(&at), "{last}");
    assert_eq!(uploads.s3.proxy.requests_for("PUT a.ts").len(), 1, "it is not sent again");
}
