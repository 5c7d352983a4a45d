//! SIGTERM and SIGINT: the pass ends within two seconds, whatever it waits for, and keeps the files that arrived.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::{Bench, DeadEnd, OVERLAP, SIZE, SOON, resumed, visible, wait_for_length, wait_until};
use crate::support::camera::{Api, Camera, How};
use crate::support::{Running, Scratch};

/// So long may a pass take to leave.
const PROMISED: Duration = Duration::from_secs(2);
const CUT: u64 = 123_457;
const BOTH: [(Signal, i32); 2] = [(Signal::TERM, 143), (Signal::INT, 130)];

#[track_caller]
fn assert_ends(pass: Running, signal: Signal, code: i32) {
    pass.signal(signal);
    let output = pass.wait_timeout(PROMISED).expect_code(code);
    // The user stopped it: that is no error.
    assert!(!output.stderr.contains("error:") && output.stdout.is_empty(), "{output}");
}

#[test]
fn a_signal_in_a_transfer_keeps_the_partial() {
    for (signal, code) in BOTH {
        let bench = Bench::new();
        let gate = bench.camera.hold("GET .mp4", CUT);
        let pass = bench.pass(&["--timeout", "60"]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&bench.partial(), CUT);
        assert_ends(pass, signal, code);
        bench.assert_nothing_visible();
        assert_eq!(fs::metadata(bench.partial()).expect("kept").len(), CUT);
        // Bytes that the camera still sends after that do not count.
        bench.camera.depart(How::Close);
        bench.camera.come_back();
        gate.open();
        bench.run(0);
        bench.assert_mirrored();
        assert_eq!(bench.starts(), [None, resumed(CUT)]);
        assert_eq!(bench.camera.body_bytes_served(), SIZE + OVERLAP);
    }
}

#[test]
fn a_signal_while_connecting() {
    for (signal, code) in BOTH {
        let (bench, dead_end) = (Bench::new(), DeadEnd::new());
        let pass = bench.pass_from(&[&dead_end.address.to_string()], &["--timeout", "60"]).spawn();
        dead_end.wait_for_a_knock();
        assert_ends(pass, signal, code);
    }
}

#[test]
fn a_signal_while_a_camera_is_silent() {
    for (signal, code) in BOTH {
        let bench = Bench::new();
        bench.camera.depart(How::Silent);
        let pass = bench.pass(&["--timeout", "60"]).spawn();
        bench.camera.wait_for(|log| !log.is_empty(), SOON);
        assert_ends(pass, signal, code);
    }
}

#[test]
fn a_signal_while_a_listing_arrives() {
    let bench = Bench::new();
    let gate = bench.camera.hold("/blackvue_vod.cgi", 10);
    let pass = bench.pass(&["--timeout", "60"]).spawn();
    gate.wait_reached(SOON);
    assert_ends(pass, Signal::TERM, 143);
}

#[test]
fn a_signal_while_limit_rate_waits() {
    let bench = Bench::new();
    let pass = bench.pass(&["--limit-rate", "1K"]).spawn();
    wait_until("the first bytes are on disk", || fs::metadata(bench.partial()).is_ok_and(|file| file.len() > 0));
    assert_ends(pass, Signal::TERM, 143);
    let held = fs::metadata(bench.partial()).expect("kept").len();
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts(), [None, resumed(held)]);
}

#[test]
fn a_signal_while_every_sleeps() {
    for (signal, code) in BOTH {
        let bench = Bench::new();
        let pass = bench.pass(&["--every", "1h"]).spawn();
        // The last thing that a pass does is its report.
        wait_until("the first pass is over", || bench.dest().join(".footage/dashcam.json").exists());
        assert_ends(pass, signal, code);
        bench.assert_mirrored();
    }
}

/// The camera was away at first; the pass is repeated all the same.
#[test]
fn every_survives_an_unreachable_camera() {
    let bench = Bench::new();
    bench.camera.depart(How::Refused);
    let pass = bench.pass(&["--every", "100ms"]).spawn();
    pass.wait_for_stderr("away", SOON);
    bench.camera.come_back();
    wait_until("a later pass has fetched it", || bench.dest().join(super::NAME).exists());
    assert_ends(pass, Signal::TERM, 143);
    bench.assert_mirrored();
}

/// From cron a signal is not silenced into a success: what runs it wants to know.
#[test]
fn cron_does_not_hide_a_signal() {
    let bench = Bench::new();
    bench.camera.depart(How::Silent);
    let pass = bench.pass(&["--cron", "--timeout", "60"]).spawn();
    bench.camera.wait_for(|log| !log.is_empty(), SOON);
    assert_ends(pass, Signal::TERM, 143);
}

/// The first signal waits for a safe point; a second one does not.
#[test]
fn a_second_signal_ends_the_process_at_once() {
    let (bench, dead_end) = (Bench::new(), DeadEnd::new());
    let pass = bench.pass_from(&[&dead_end.address.to_string()], &["--timeout", "60"]).spawn();
    dead_end.wait_for_a_knock();
    // Two of the same kind may become one; two kinds do not.
    pass.signal(Signal::TERM);
    pass.signal(Signal::INT);
    let output = pass.wait_timeout(Duration::from_secs(1));
    assert!([Some(143), Some(130)].contains(&output.code), "{output}");
}

/// What came of the answer is no JSON, which is no fault of the file's.
#[test]
fn a_signal_while_vod_metadata_arrives() {
    for (signal, code) in BOTH {
        let bench = Bench { camera: Camera::start(Api::New), scratch: Scratch::new() };
        bench.camera.add_recording("20181029_131513_NF", SIZE);
        let gate = bench.camera.hold("POST /vodMetadata", 10);
        let pass = bench.pass(&["--timeout", "60"]).spawn();
        gate.wait_reached(SOON);
        assert_ends(pass, signal, code);
        let report = fs::read_to_string(bench.dest().join(".footage/dashcam.json")).expect("a report");
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!((&report["failures"], &report["failed_marker_files"]), (&serde_json::json!([]), &0.into()));
        assert!(!visible(&bench.dest()).keys().any(|path| path.extension().is_some_and(|end| end == "failed")));
        gate.open();
        bench.run(0);
        bench.assert_mirrored();
    }
}
