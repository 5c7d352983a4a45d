//! Locks, repetition, workers.

use std::time::Duration;

use super::SOON;
use crate::support::s3_proxy::{Fault, Times};
use crate::support::uploads::{MTIME, MULTIPART, Uploads, content};

#[test]
fn every_uploads_files_that_arrive_later() {
    let uploads = Uploads::with(&["a.ts"]);
    let pass = uploads.footage(&["--every", "0.2", "--delete"]).spawn();
    uploads.s3.proxy.wait_for(|log| log.iter().any(|request| request.is("PUT a.ts") && request.finished), SOON);
    uploads.file("b.ts", content("b", 1000));
    uploads.s3.proxy.wait_for(|log| log.iter().any(|request| request.is("PUT b.ts") && request.finished), SOON);
    pass.term();
    pass.wait_timeout(Duration::from_secs(3)).expect_code(143);
    uploads.quiet_pass(&["--delete"]);
    uploads.assert_uploaded();
    assert!(!uploads.src("b.ts").exists());
}

#[test]
fn jobs_sets_how_many_files_are_uploaded_at_once() {
    let names = ["a.ts", "b.ts", "c.ts", "d.ts"];
    let uploads = Uploads::with(&names);
    let gates = names.map(|name| uploads.s3.proxy.hold(&format!("PUT {name}"), 500));
    let pass = uploads.footage(&["--jobs", "4"]).spawn();
    for gate in gates {
        gate.wait_reached(SOON);
    }
    pass.wait().expect_code(0);
    uploads.assert_uploaded();

    let uploads = Uploads::with(&names);
    let gate = uploads.s3.proxy.hold("PUT", 500);
    let pass = uploads.footage(&["--jobs", "1"]).spawn();
    gate.wait_reached(SOON);
    assert_eq!(uploads.s3.proxy.requests_for("PUT").len(), 1);
    gate.open();
    pass.wait().expect_code(0);
    uploads.assert_uploaded();
}

#[test]
fn a_signal_in_an_upload_keeps_its_parts() {
    let uploads = Uploads::new();
    uploads.file("big.ts", content("big", MULTIPART * 2));
    let gate = uploads.s3.proxy.hold("PUT partNumber=2&", 1000);
    let pass = uploads.footage(&["--jobs", "1"]).spawn();
    gate.wait_reached(SOON);
    pass.term();
    pass.wait_timeout(Duration::from_secs(3)).expect_code(143);
    gate.open();
    uploads.s3.proxy.clear_log();
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert!(uploads.s3.proxy.requests_for("PUT partNumber=1&").is_empty());
}

#[test]
fn lock_file_may_be_elsewhere() {
    let uploads = Uploads::with(&["a.ts"]);
    let gate = uploads.s3.proxy.hold("PUT", 500);
    let lock = uploads.scratch.join("lock");
    let lock = ["--lock-file", lock.to_str().unwrap()];
    let pass = uploads.footage(&lock).spawn();
    gate.wait_reached(SOON);
    uploads.pass(&lock).expect_code(75);
    gate.open();
    pass.wait().expect_code(0);
}

/// What waits does not wait less because another pass is at it: an alert for that must not be called off.
#[test]
fn a_pass_that_finds_the_lock_held_still_counts_pending_files() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    uploads.s3.proxy.fault("PUT b.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    let metrics = ["--metrics-file", "metrics"];
    uploads.pass(&metrics).expect_code(3);
    let gate = uploads.s3.proxy.hold("PUT b.ts", 500);
    let pass = uploads.footage(&metrics).spawn();
    gate.wait_reached(SOON);
    uploads.pass(&metrics).expect_code(75);
    let told = std::fs::read_to_string(uploads.scratch.join("metrics")).unwrap();
    assert!(told.contains("\nfootage_upload_last_run_failure{reason=\"busy\"} 1\n"), "{told}");
    assert!(told.contains("\nfootage_upload_pending_files 1\n"), "{told}");
    let oldest = told.lines().find_map(|line| line.strip_prefix("footage_upload_oldest_pending_seconds "));
    let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().saturating_sub(Duration::from_secs(MTIME));
    assert!((oldest.unwrap().parse::<f64>().unwrap() - age.as_secs_f64()).abs() < 60.0, "{told}");
    gate.open();
    pass.wait().expect_code(3);
}
