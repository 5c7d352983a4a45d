//! What a pass says: plans, reports, metrics.

use std::fs;
use std::io::Read;

use crate::support::s3::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3_proxy::{Fault, Times};
use crate::support::uploads::{MULTIPART, Uploads, content};
use crate::support::{Program, tree};

#[test]
fn dry_run_sends_no_request_and_changes_nothing() {
    let uploads = Uploads::with(&["a.ts", "sub/b.ts"]);
    for earlier in [false, true] {
        if earlier {
            uploads.quiet_pass(&[]);
            uploads.file("c.ts", "c");
            uploads.s3.proxy.clear_log();
        }
        let before = tree(uploads.scratch.path());
        for options in [&[][..], &["--json"], &["--delete"]] {
            let output = uploads.pass(&[options, &["--dry-run"]].concat()).expect_code(0);
            assert!(output.stdout.contains(if earlier { "cams/c.ts" } else { "cams/sub/b.ts" }), "{output}");
        }
        assert_eq!(tree(uploads.scratch.path()), before);
        assert!(uploads.s3.proxy.requests().is_empty());
    }
}

#[test]
fn dry_run_shows_what_delete_would_remove() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    let output = uploads.pass(&["--dry-run"]).expect_code(0);
    assert!(!output.stdout.contains("a.ts"), "{output}");
    let output = uploads.pass(&["--dry-run", "--delete"]).expect_code(0);
    assert!(output.stdout.contains("a.ts"), "{output}");
    assert!(uploads.src("a.ts").exists());
}

#[test]
fn the_json_report_counts_files_and_bytes() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    uploads.file("big.ts", content("big", MULTIPART));
    uploads.s3.proxy.fault("PUT b.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    let report = uploads.report(3, &["--delete"]);
    assert_eq!(report["pass"], "upload");
    assert_eq!(report["exit_code"], 3);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{report}");
    assert!(failures[0]["name"].as_str().unwrap().contains("b.ts"), "{report}");
    let saved: serde_json::Value =
        serde_json::from_slice(&fs::read(uploads.src(".footage/upload.json")).unwrap()).unwrap();
    assert_eq!(saved["pass"], "upload");
}

#[test]
fn metrics_have_pending_files_and_ages() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    uploads.s3.proxy.fault("PUT b.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    uploads.pass(&["--metrics-file", "metrics"]).expect_code(3);
    let metrics = fs::read_to_string(uploads.scratch.join("metrics")).unwrap();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(metrics.lines().filter(|line| !line.starts_with('#')).all(|line| line.starts_with("footage_upload_")));
    assert!(value("footage_upload_last_run_success") < 0.5);
    assert!(value("footage_upload_last_run_exit_code") > 2.5);
    for name in ["transferred_bytes", "arrived_files", "failed_files", "oldest_pending"] {
        assert!(metrics.contains(name), "nothing about {name} in\n{metrics}");
    }
    // Who reads it reads the old ones or the new ones.
    let mut reader = fs::File::open(uploads.scratch.join("metrics")).unwrap();
    uploads.s3.proxy.clear_faults();
    uploads.pass(&["--metrics-file", "metrics"]).expect_code(0);
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!(read, metrics);
    let metrics = fs::read_to_string(uploads.scratch.join("metrics")).unwrap();
    assert!(metrics.contains("footage_upload_last_run_success 1\n"), "{metrics}");
}

#[test]
fn with_cron_it_is_silent_unless_files_were_uploaded_or_failed() {
    let uploads = Uploads::with(&["a.ts"]);
    let output = uploads.pass(&["--cron"]).expect_code(0);
    assert!(output.stderr.contains("1 file"), "{output}");
    assert_eq!(uploads.pass(&["--cron"]).expect_code(0).stderr, "");
    // A lasting failure is logged the first time only.
    uploads.file("b.ts", "b");
    uploads.s3.proxy.fault("PUT b.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    assert!(uploads.pass(&["--cron"]).expect_code(3).stderr.contains("b.ts"));
    let output = uploads.pass(&["--cron"]);
    assert!(!output.stderr.contains("b.ts: "), "{output}");
}

/// A name from another program has no control characters on the terminal.
#[test]
fn a_file_name_sends_no_terminal_control_characters() {
    let names = ["a\u{1b}[2Jb.ts", "a\u{9b}2Jb.ts", "a\rb.ts"];
    let uploads = Uploads::with(&names);
    let key = ["--key", "x\u{1b}/\u{9b}{path}", "--dry-run"];
    for options in [&["--dry-run"][..], &["--verify"], &key, &["-vv"]] {
        let json = [options, &["--json", "--log-format", "json"]].concat();
        let output = uploads.pass(&json);
        assert!(!format!("{output}").contains(['\u{1b}', '\u{9b}', '\r']), "{json:?}: {output:?}");
        let output = uploads.pass(options);
        assert!(!format!("{output}").contains(['\u{1b}', '\u{9b}', '\r']), "{options:?}: {output:?}");
    }
    // The bar gives orders of its own.
    fs::remove_dir_all(uploads.src(".footage")).unwrap();
    let uploads = Uploads::with(&names);
    let gate = uploads.s3.proxy.hold("PUT", 500);
    let arguments = uploads.footage(&["--jobs", "1"]).into_words();
    let command = format!("stty cols 120 rows 40; exec {arguments}");
    let running = Program::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm");
    let running = running.env("HOME", uploads.scratch.join("home")).current_dir(uploads.scratch.path());
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let running = keys.into_iter().fold(running, |program, (name, value)| program.env(name, value)).spawn();
    gate.wait_reached(super::SOON);
    running.wait_for_stdout("b.ts", super::SOON);
    gate.open();
    let shown = running.wait().expect_code(0).stdout;
    assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\u{9b}') && !shown.contains("a\rb"), "{shown:?}");
}
