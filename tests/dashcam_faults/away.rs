//! The camera leaves, as it does whenever its car is driven away.

use std::fs;
use std::time::{Duration, Instant};

use super::{Bench, DeadEnd, NAME, OVERLAP, SIZE, SOON, resumed, visible, wait_for_length};
use crate::support::camera::{Camera, Fault, How, Listing, Style, Times};
use crate::support::{Output, Program, mp4};

const EVERY_WAY: [How; 4] = [How::Refused, How::Silent, How::Reset, How::Close];
/// `--timeout` of these tests.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a program on a busy machine takes beside waiting.
const SLACK: Duration = Duration::from_millis(1500);
const CUT: u64 = 123_457;

const FIRST: &str = "20181029_130000_NF.mp4";

/// Twenty recordings, the second of which is `NAME`.
fn bench_of_twenty() -> Bench {
    let bench = Bench::new();
    bench.camera.add(FIRST, mp4::movie(SIZE, 0));
    for minute in 20..38 {
        bench.camera.add(&format!("20181029_13{minute}13_NF.mp4"), mp4::movie(70_000, minute));
    }
    bench
}

/// Runs to the end, and takes the time.
#[track_caller]
fn timed(program: Program) -> (Output, Duration) {
    let began = Instant::now();
    let output = program.run();
    (output, began.elapsed())
}

#[track_caller]
fn assert_one_line(output: &Output) {
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output}");
}

#[test]
fn a_camera_that_leaves_is_one_log_line_and_two_timeouts() {
    for how in EVERY_WAY {
        let bench = bench_of_twenty();
        let gate = bench.camera.hold(&format!("GET {NAME}"), CUT);
        let pass = bench.pass(&["--timeout", "1"]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&bench.partial(), CUT);
        let asked = bench.camera.requests().len();
        let left = Instant::now();
        bench.camera.depart(how);
        let output = pass.wait().expect_code(75);
        let took = left.elapsed();
        assert_one_line(&output);
        assert!(took < 2 * TIMEOUT + SLACK, "{how:?}: {took:?}");
        let again: Vec<_> = bench.camera.requests().drain(asked..).map(|request| request.path).collect();
        assert!(again.len() <= 1, "{how:?}: asked for {again:?}");

        // Complete files stay, partial ones are resumed.
        assert_eq!(visible(&bench.dest()).into_keys().collect::<Vec<_>>(), [std::path::Path::new(FIRST)]);
        gate.open();
        bench.camera.come_back();
        bench.run(0);
        bench.assert_mirrored();
        let twice: Vec<_> = bench.camera.requests_for(&format!("GET {FIRST}"));
        assert_eq!(twice.len(), 1, "{how:?}");
        let starts: Vec<_> = bench.camera.requests_for(&format!("GET {NAME}")).iter().map(|r| r.range_start).collect();
        assert_eq!(starts, [None, resumed(CUT)], "{how:?}");
    }
}

#[test]
fn with_cron_a_camera_that_leaves_is_silent() {
    for how in EVERY_WAY {
        let bench = Bench::new();
        let gate = bench.camera.hold("GET .mp4", CUT);
        let pass = bench.pass(&["--cron", "--timeout", "1"]).spawn();
        gate.wait_reached(SOON);
        bench.camera.depart(how);
        let output = pass.wait().expect_code(0);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{how:?}");
    }
}

/// Footage arrived: that is worth its line, the departure adds none.
#[test]
fn with_cron_a_camera_that_leaves_after_footage_arrived_is_the_summary() {
    let bench = bench_of_twenty();
    let gate = bench.camera.hold(&format!("GET {NAME}"), CUT);
    let pass = bench.pass(&["--cron"]).spawn();
    gate.wait_reached(SOON);
    bench.camera.depart(How::Close);
    let output = pass.wait().expect_code(0);
    assert_one_line(&output);
    assert!(output.stderr.contains("1 recording"), "{output}");
}

/// At each request of a pass in turn: the probe, the listing, the body, the length, the sidecars.
#[test]
fn a_camera_that_leaves_at_any_request_is_exit_code_75() {
    let requests = ["/accessible", "/blackvue_vod.cgi", "GET .mp4", "HEAD .mp4", "GET .thm", "GET .3gf", "GET .gps"];
    for (number, request) in requests.iter().enumerate() {
        for fault in [Fault::SilentClose, Fault::Refuse, Fault::CutInHeaders, Fault::Cut { after: 1 }] {
            let has_body = !request.starts_with("HEAD") && *request != "/accessible";
            if matches!(fault, Fault::Cut { .. }) && !has_body {
                continue;
            }
            let bench = Bench::empty();
            bench.camera.add_recording("20181029_131513_NF", SIZE);
            bench.camera.fault(*request, fault.clone(), Times::Always);
            match number {
                0 => bench.camera.fault("/", fault.clone(), Times::Always),
                _ => bench.leave_after_a_loss(),
            }
            let output = bench.run(75);
            assert_one_line(&output);
            bench.camera.clear_faults();
            bench.run(0);
            bench.assert_mirrored();
        }
    }
}

#[test]
fn an_unreachable_camera_is_one_log_line_and_two_timeouts() {
    for how in EVERY_WAY {
        let bench = Bench::new();
        bench.camera.depart(how);
        for (options, code, lines) in [(&[][..], 75, 1), (&["--cron"], 0, 0)] {
            let (output, took) = timed(bench.pass(&[&["--timeout", "1"], options].concat()));
            assert_eq!(output.code, Some(code), "{how:?}: {output}");
            assert_eq!(output.stderr.lines().count(), lines, "{how:?}: {output}");
            assert!(took < 2 * TIMEOUT + SLACK, "{how:?}: {took:?}");
        }
        bench.assert_nothing_visible();
        bench.camera.come_back();
        bench.run(0);
        bench.assert_mirrored();
    }
}

#[test]
fn an_unknown_host_name_is_unreachable() {
    let bench = Bench::new();
    let (output, took) = timed(bench.pass_from(&["dashcam.invalid"], &["--timeout", "1"]));
    assert_one_line(&output.clone().expect_code(75));
    assert!(output.stderr.contains("dashcam.invalid"), "{output}");
    assert!(took < 2 * TIMEOUT + SLACK, "{took:?}");
    let output = bench.pass_from(&["dashcam.invalid"], &["--timeout", "1", "--cron"]).run().expect_code(0);
    assert_eq!(output.stderr, "");
}

#[test]
fn a_host_that_answers_nothing_is_unreachable() {
    let (bench, dead_end) = (Bench::new(), DeadEnd::new());
    let (output, took) = timed(bench.pass_from(&[&dead_end.address.to_string()], &["--timeout", "1"]));
    assert_one_line(&output.expect_code(75));
    assert!(took < TIMEOUT + SLACK, "{took:?}");
}

/// Half a listing is not the listing of a camera with fewer recordings.
#[test]
fn half_a_listing_means_that_the_camera_left() {
    let bench = bench_of_twenty();
    let gate = bench.camera.hold("/blackvue_vod.cgi", 300);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    bench.camera.depart(How::Close);
    assert_one_line(&pass.wait().expect_code(75));
    bench.assert_nothing_visible();
}

/// It answers, and its files do not come: as little worth waiting for as one that does not answer.
#[test]
fn an_answer_without_bytes_costs_a_bounded_number_of_timeouts() {
    let bench = bench_of_twenty();
    bench.camera.fault("GET .mp4", Fault::Stall { after: 0 }, Times::Always);
    let (output, took) = timed(bench.pass(&["--timeout", "0.5"]));
    assert_ne!(output.code, Some(0), "{output}");
    let stalled = bench.camera.requests_for("GET .mp4").len();
    assert!(took < 10 * TIMEOUT / 2 + SLACK, "{took:?}, {stalled} requests stalled");
}

// Further addresses.

#[test]
fn the_fallback_address_is_tried_when_one_does_not_answer() {
    for how in EVERY_WAY {
        let (bench, away) = (Bench::new(), Bench::new());
        away.camera.depart(how);
        let addresses = [away.camera.address(), "dashcam.invalid".into(), bench.camera.address()];
        let (output, took) = timed(bench.pass_from(&addresses.each_ref().map(String::as_str), &["--timeout", "1"]));
        assert_eq!(output.code, Some(0), "{how:?}: {output}");
        bench.assert_mirrored();
        assert!(took < 3 * TIMEOUT + SLACK, "{how:?}: {took:?}");
    }
}

/// The address of old belongs to a printer now.
#[test]
fn the_fallback_address_is_tried_when_one_is_no_camera() {
    let (bench, other) = (Bench::new(), Bench::new());
    let page = Fault::Answer { status: 200, body: "<html>Printer</html>".into() };
    for fault in [page, Fault::Status(404)] {
        other.camera.fault("/", fault, Times::Always);
        bench.pass_from(&[&other.camera.address(), &bench.camera.address()], &[]).run().expect_code(0);
        bench.assert_mirrored();
        fs::remove_dir_all(bench.dest()).expect("removed");
        other.camera.clear_faults();
    }
}

/// Back home, the camera has the address of the home network, and the transfer continues there.
#[test]
fn transfers_continue_at_the_fallback_address() {
    for how in EVERY_WAY {
        let (here, there) = (bench_of_twenty(), bench_of_twenty());
        there.camera.depart(How::Refused);
        let gate = here.camera.hold(&format!("GET {NAME}"), CUT);
        let pass = here.pass_from(&[&here.camera.address(), &there.camera.address()], &["--timeout", "1"]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&here.partial(), CUT);
        there.camera.come_back();
        let left = Instant::now();
        here.camera.depart(how);
        let output = pass.wait().expect_code(0);
        let took = left.elapsed();
        assert_eq!(output.stderr, "");
        here.assert_mirrored();
        assert_eq!(there.starts()[0], resumed(CUT), "{how:?}");
        let size: usize = here.camera.names().iter().map(|name| here.camera.bytes(name).len()).sum();
        assert_eq!(
            here.camera.body_bytes_served() + there.camera.body_bytes_served(),
            size as u64 + OVERLAP,
            "{how:?}"
        );
        // One for the silence, one to ask again.
        assert!(took < 2 * TIMEOUT + SLACK, "{how:?}: {took:?}");
    }
}

/// It has the same recordings, and lists them in another manner.
#[test]
fn a_fallback_address_may_have_another_api() {
    let here = Bench::new();
    let there = Camera::start(crate::support::camera::Api::New);
    there.add(NAME, here.camera.bytes(NAME));
    there.set_listing(Listing::Of(Style { plain_strings: true, ..Style::default() }));
    let gate = here.camera.hold("GET .mp4", CUT);
    let pass = here.pass_from(&[&here.camera.address(), &there.address()], &[]).spawn();
    gate.wait_reached(SOON);
    wait_for_length(&here.partial(), CUT);
    here.camera.depart(How::Close);
    pass.wait().expect_code(0);
    here.assert_mirrored();
    assert_eq!(there.requests_for("GET .mp4")[0].range_start, resumed(CUT));
}
