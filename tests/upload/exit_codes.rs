//! Each exit code of the table in the README.

use std::time::Duration;

use super::SOON;
use crate::support::s3_proxy::{Fault, Times};
use crate::support::uploads::Uploads;

#[test]
fn exit_code_0_done_or_nothing_to_do() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.pass(&[]).expect_code(0);
    uploads.pass(&[]).expect_code(0);
    let empty = Uploads::new();
    empty.assert_done(&[]);
}

#[test]
fn exit_code_1_the_pass_failed() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.footage(&[]).env("AWS_SECRET_ACCESS_KEY", "wrong").run().expect_code(1);
}

#[test]
fn exit_code_2_wrong_usage() {
    let uploads = Uploads::new();
    for arguments in [
        &[][..],
        &["src"],
        &["--to", "s3://footage"],
        &["src", "--to", "s3://footage", "--jobs", "0"],
        &["src", "--to", "s3://footage", "--limit-rate", "fast"],
        &["src", "--to", "s3://footage", "--limit-rate", "25:00,1M"],
        &["src", "--to", "s3://footage", "--min-age", "-5"],
        &["src", "--to", "s3://footage", "--pattern", "cam1/*.ts"],
        &["src", "--to", "s3://footage", "--endpoint-url", "s3.example.com"],
        &["src", "--to", "s3://footage", "--nonsense"],
    ] {
        let output = uploads.bare(arguments).env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x").run();
        assert_eq!(output.code, Some(2), "{arguments:?} {output}");
    }
}

/// A compose file that writes out every switch, and turns it off, asks for nothing.
#[test]
fn footage_delete_false_conflicts_with_no_option() {
    let uploads = Uploads::with(&["a.ts"]);
    for off in ["false", "0", "No", "OFF", ""] {
        let pass = uploads.footage(&["--delete-after", "2d"]).env("FOOTAGE_DELETE", off);
        pass.env("FOOTAGE_VERIFY", off).env("FOOTAGE_RECONCILE", off).run().expect_code(0);
    }
    assert!(uploads.src("a.ts").exists());
    let both = uploads.footage(&["--delete-after", "2d"]).env("FOOTAGE_DELETE", "true").run().expect_code(2);
    assert!(both.stderr.contains("--delete-after"), "{both}");
}

#[test]
fn exit_code_3_done_but_some_items_failed() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    uploads.s3.proxy.fault("PUT b.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    uploads.pass(&[]).expect_code(3);
    assert_eq!(uploads.keys(), ["cams/a.ts"]);
}

#[test]
fn exit_code_75_not_now() {
    let mut uploads = Uploads::with(&["a.ts"]);
    let gate = uploads.s3.proxy.hold("PUT", 500);
    let first = uploads.footage(&[]).spawn();
    gate.wait_reached(SOON);
    let output = uploads.pass(&[]).expect_code(75);
    assert!(output.stderr.contains("another pass"), "{output}");
    assert_eq!(uploads.pass(&["--cron"]).expect_code(0).stderr, "");
    gate.open();
    first.wait().expect_code(0);

    uploads.file("b.ts", "b");
    uploads.s3.crash();
    uploads
        .bare(&["src", "--to", "s3://footage", "--endpoint-url", "http://127.0.0.1:9"])
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .run()
        .expect_code(75);
}

#[test]
fn exit_code_is_128_plus_the_signal() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let uploads = Uploads::with(&["a.ts"]);
        let gate = uploads.s3.proxy.hold("PUT", 500);
        let pass = uploads.footage(&["--delete"]).spawn();
        gate.wait_reached(SOON);
        if signal == "TERM" {
            pass.term();
        } else {
            pass.interrupt();
        }
        pass.wait_timeout(Duration::from_secs(3)).expect_code(code);
        assert!(uploads.src("a.ts").exists());
        gate.open();
        uploads.quiet_pass(&["--delete"]);
        uploads.assert_uploaded();
    }
}

#[test]
fn missed_passes_count_while_the_server_is_away_and_status_finds_it_after_an_hour() {
    let mut uploads = Uploads::with(&["a.ts"]);
    let server = uploads.s3.server_endpoint();
    let pass =
        |uploads: &Uploads, server: &str| uploads.pass(&["--endpoint-url", server, "--cron"]).expect_code(0).stderr;
    pass(&uploads, &server);
    let contact = |uploads: &Uploads| -> serde_json::Value {
        let text = std::fs::read_to_string(uploads.src(".footage/upload.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["contact"].clone()
    };
    assert!(contact(&uploads)["first_reached_timestamp_seconds"].is_f64(), "{}", contact(&uploads));
    uploads.file("b.ts", "b");
    uploads.s3.crash();
    for missed in 1..=3 {
        assert_eq!(pass(&uploads, &server), "");
        assert_eq!(contact(&uploads)["missed_passes"], missed);
    }
    let status =
        |uploads: &Uploads, options: &[&str]| uploads.scratch.footage([&["status", "src"], options].concat()).run();
    status(&uploads, &[]).expect_code(0);
    // As it would be an hour later.
    let report = uploads.src(".footage/upload.json");
    let mut older: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let since = older["contact"]["missed_since_timestamp_seconds"].as_f64().unwrap();
    older["contact"]["missed_since_timestamp_seconds"] = (since - 3700.0).into();
    std::fs::write(&report, older.to_string()).unwrap();
    let late = status(&uploads, &[]).expect_code(3);
    assert!(late.stdout.contains("upload: away for 1h 1m (3 runs): "), "{late}");
    status(&uploads, &["--max-age", "9000d"]).expect_code(0);
    // It comes back under another port.
    uploads.s3.come_back();
    pass(&uploads, &uploads.s3.server_endpoint());
    assert_eq!(contact(&uploads)["missed_passes"], 0);
    status(&uploads, &[]).expect_code(0);
}
