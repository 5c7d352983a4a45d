//! Cameras whose answers are wrong: lengths, statuses, redirects, recordings that grow or cannot be read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::{Bench, NAME, SIZE, visible};
use crate::support::camera::{Api, Camera, Fault, Times};
use crate::support::{Node, Scratch, mp4};

const OTHER: &str = "20181029_131613_NF.mp4";
const MARKER: &str = "20181029_131513_NF.mp4.failed";

const GET: &str = "GET 20181029_131513_NF.mp4";
/// GET and HEAD.
const ANY: &str = NAME;

/// A camera whose first recording has a fault, and whose second one is intact.
fn bench_with(requests: &str, fault: Fault) -> Bench {
    let bench = Bench::new();
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    bench.camera.fault(requests, fault, Times::Always);
    bench
}

fn names(bench: &Bench) -> Vec<String> {
    visible(&bench.dest()).into_keys().map(|path| path.display().to_string()).collect()
}

// Lengths.

#[test]
fn recordings_of_unknown_length_are_published() {
    for fault in [Fault::NoLength, Fault::Chunked] {
        let bench = bench_with(GET, fault.clone());
        bench.run(0);
        bench.assert_mirrored();

        // Cut, as well, and resumed on the same terms.
        let bench = bench_with(GET, fault);
        bench.camera.fault(GET, Fault::Cut { after: 120_000 }, Times::First(2));
        bench.run(0);
        bench.assert_mirrored();
    }
}

/// The cut is where a box ends: the structure alone says that it is whole, and so does the orderly close.
#[test]
fn a_body_without_content_length_is_not_complete_at_the_end_of_an_mp4_box() {
    let bench = Bench::of(mp4::two_movies(SIZE / 2, SIZE / 2, 1));
    bench.camera.fault(NAME, Fault::NoLength, Times::Always);
    bench.camera.fault(NAME, Fault::NoRange, Times::Always);
    bench.camera.fault(GET, Fault::Cut { after: SIZE / 2 }, Times::First(1));
    bench.pass(&[]).run();
    bench.camera.clear_faults();
    bench.pass(&[]).run();
    let whole = bench.camera.bytes(NAME);
    let arrived = fs::read(bench.dest().join(NAME)).unwrap_or_default();
    assert!(arrived.is_empty() || arrived == whole, "{} of {} bytes are published", arrived.len(), whole.len());
}

/// An end that comes too early or too late for the announced length, by one byte or by many. When everything else
/// that the camera says agrees on the true length, the recording may be published; nothing else may.
#[test]
fn a_wrong_content_length_never_publishes_a_wrong_file() {
    for delta in [-100_000, -1, 1, 100_000] {
        for requests in [GET, ANY] {
            let bench = bench_with(requests, Fault::WrongLength(delta));
            let output = bench.pass(&[]).run();
            // Whether it counts as failed (3), and is marked, or as not over yet (0), follows from the lie.
            assert!([Some(0), Some(3)].contains(&output.code), "{requests} {delta}: {output}");
            let arrived = visible(&bench.dest());
            let is_verified = (requests, delta > 0) == (GET, true);
            assert!(is_verified || !arrived.contains_key(Path::new(NAME)), "{requests} {delta}: {output}");
            for (path, node) in arrived.into_iter().filter(|(path, _)| path.extension() == Some("mp4".as_ref())) {
                let intact = Node::of(&bench.camera.bytes(&path.display().to_string()));
                assert_eq!(node, intact, "{requests} {delta}: {} {output}", path.display());
            }
            assert!(names(&bench).contains(&OTHER.into()), "{requests} {delta}: {output}");
            let served = bench.camera.body_bytes_served();
            assert!(served <= 3 * SIZE, "{requests} {delta}: {served} bytes served, {:?}", bench.starts());
            bench.camera.clear_faults();
            fs::remove_file(bench.dest().join(MARKER)).ok();
            bench.run(0);
            bench.assert_mirrored();
        }
    }
}

/// Bad sectors: the camera is there, and some of its files break off at the same byte each time. A pass may lose
/// patience with such a camera, but what is new on it must arrive at last.
#[test]
fn recordings_that_always_break_off_do_not_block_the_others() {
    let bench = Bench::empty();
    for minute in 10..14 {
        let name = format!("20181029_13{minute}13_NF.mp4");
        bench.camera.add(&name, mp4::movie(SIZE, minute));
        bench.camera.fault(&format!("GET {name}"), Fault::Cut { after: 0 }, Times::Always);
    }
    bench.pass(&[]).run();
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    let outputs = [(); 4].map(|()| bench.pass(&["--cron"]).run());
    assert!(names(&bench).contains(&OTHER.into()), "{:?}; the last pass: {}", names(&bench), outputs[3]);
}

/// Each byte comes within the timeout, and the recording would not be here tomorrow.
#[test]
fn a_camera_slower_than_the_minimum_rate_does_not_block_a_pass() {
    const DRIP: Fault = Fault::Trickle { bytes_per_sec: 500 };
    let bench = bench_with(GET, DRIP);
    let pass = || bench.pass(&["--timeout", "0.2"]);
    let began = Instant::now();
    let output = pass().run().expect_code(3);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(output.stderr.contains(&format!("{NAME}: slower than 1.0 kB/s for ")), "{output}");
    assert_eq!(names(&bench), [OTHER], "{output}");

    // All of them, and the pass is over.
    for minute in 20..30 {
        let name = format!("20181029_13{minute}13_NF.mp4");
        bench.camera.add(&name, mp4::movie(SIZE, minute));
    }
    bench.camera.fault("GET .mp4", DRIP, Times::Always);
    let output = pass().run().expect_code(1);
    assert!(output.stderr.contains("3 recordings in a row broke off: slower than"), "{output}");

    bench.camera.clear_faults();
    bench.camera.clear_log();
    bench.run(0);
    bench.assert_mirrored();
    // Four of them had begun to come.
    assert_eq!(bench.starts().iter().flatten().count(), 4, "{:?}", bench.starts());
}

/// `--limit-rate` makes the transfer slow: that is no reason to leave the rest for a later pass.
#[test]
fn a_transfer_under_a_low_limit_rate_is_resumed() {
    let bench = Bench::empty();
    bench.camera.add(NAME, mp4::movie(2000, 1));
    bench.camera.fault(&format!("GET {NAME}"), Fault::Cut { after: 1000 }, Times::First(1));
    bench.pass(&["--timeout", "0.2", "--limit-rate", "500B", "--skip-metadata", "t3g"]).run().expect_code(0);
    assert_eq!(bench.starts().len(), 2, "in one pass: {:?}", bench.starts());
}

// What cannot be read.

#[test]
fn a_failed_recording_gets_a_failed_marker_and_is_retried_later() {
    for status in [204, 500, 502, 503] {
        let bench = bench_with(GET, Fault::Status(status));
        let output = bench.run(3);
        assert_eq!(names(&bench), [MARKER, OTHER], "{status}: {output}");
        let marker = fs::read_to_string(bench.dest().join(MARKER)).expect("a marker");
        assert!(marker.trim().parse::<NaiveDateTime>().is_ok(), "{marker:?} is no ISO time");

        // Not before its time.
        bench.camera.clear_log();
        bench.run(0);
        assert_eq!(bench.starts(), [], "{status}");
        // At its time, and it fails again: the marker is renewed.
        bench.run_after_two_days(3);
        assert_ne!(fs::read_to_string(bench.dest().join(MARKER)).expect("a marker"), LONG_AGO);
        // Then it can be read.
        bench.camera.clear_faults();
        bench.camera.clear_log();
        bench.run(0);
        assert_eq!(bench.starts(), [], "{status}");
        bench.run_after_two_days(0);
        bench.assert_mirrored();
    }
}

const LONG_AGO: &str = "2018-10-30T00:00:00.000000";

impl Bench {
    /// Makes the marker old, and runs a pass.
    #[track_caller]
    fn run_after_two_days(&self, code: i32) {
        fs::write(self.dest().join(MARKER), LONG_AGO).expect("written");
        self.run(code);
    }
}

#[test]
fn a_failed_marker_is_written_beside_the_final_name() {
    let bench = bench_with(GET, Fault::Status(500));
    bench.pass(&["--grouping", "monthly"]).run().expect_code(3);
    assert_eq!(names(&bench), [format!("2018-10/{MARKER}"), format!("2018-10/{OTHER}")]);
    // Another grouping finds it, waits for it, and removes it.
    bench.camera.clear_log();
    bench.pass(&["--grouping", "daily"]).run().expect_code(0);
    assert_eq!(bench.starts(), []);
    bench.camera.clear_faults();
    bench.pass(&["--grouping", "daily", "--retry-failed-after", "1ms"]).run().expect_code(0);
    assert_eq!(names(&bench), [format!("2018-10/{OTHER}"), format!("2018-10-29/{NAME}")]);
}

/// Of the right length and broken inside. A camera that allocates a file's room beforehand gives such a thing for a
/// recording that is not over, so it deserves another try as everything that has a marker.
#[test]
fn a_recording_broken_on_the_camera_is_fetched_once_it_is_intact() {
    let bench = Bench::of(vec![0; usize::try_from(SIZE).expect("a small number")]);
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    bench.run(3);
    assert_eq!(names(&bench), [MARKER, OTHER]);
    bench.camera.add(NAME, mp4::movie(SIZE, 1));
    bench.run_after_two_days(0);
    bench.assert_mirrored();
}

#[test]
fn broken_mp4_files_are_never_published() {
    let intact = mp4::movie(SIZE, 1);
    for broken in [
        mp4::truncated(intact.clone(), 299_999),
        mp4::zero_tail(mp4::two_movies(SIZE / 2, SIZE / 2, 1), 150_000),
        mp4::garbage_after(intact, 9),
        b"<html>Not found</html>".to_vec(),
        vec![1],
        vec![],
    ] {
        let bench = Bench::of(broken);
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        let output = bench.pass(&["--json"]).run().expect_code(3);
        assert_eq!(names(&bench), [MARKER, OTHER], "{output}");
        // They came all the same.
        let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("a report");
        assert_eq!(report["transferred_bytes"], bench.camera.body_bytes_served(), "{output}");
    }
}

#[test]
fn intact_mp4_files_of_all_kinds_are_published() {
    for intact in [
        mp4::movie(mp4::MIN_SIZE, 1),
        mp4::two_movies(1000, 70_000, 1),
        mp4::with_size64(SIZE, 1),
        mp4::with_open_end(SIZE, 1),
    ] {
        let bench = Bench::of(intact);
        bench.run(0);
        bench.assert_mirrored();
    }
}

#[test]
fn missing_sidecars_are_normal_and_asked_for_once() {
    for api in [Api::Old, Api::New] {
        let bench = Bench { camera: Camera::start(api), scratch: Scratch::new() };
        bench.camera.add_recording("20181029_131513_NF", SIZE);
        let missing = ["20181029_131513_NF.thm", "20181029_131513_N.gps"];
        for name in missing {
            bench.camera.remove(name);
        }
        // Beside the newest recording they may still come.
        bench.camera.add_recording("20181029_150000_NF", SIZE);
        let output = bench.run(0);
        assert_eq!(output.stderr, "");
        bench.assert_mirrored();
        bench.camera.clear_log();
        let output = bench.run(0);
        assert_eq!(output.stderr, "");
        let asked: Vec<_> = bench.camera.requests().into_iter().map(|request| request.path).collect();
        let listing_only = match api {
            Api::Old => ["/accessible", "/blackvue_vod.cgi"],
            Api::New => ["/accessible", "/vodList"],
        };
        assert_eq!(asked, listing_only);
    }
}

#[test]
fn a_sidecar_that_fails_does_not_harm_its_recording() {
    let bench = Bench::empty();
    bench.camera.add_recording("20181029_131513_NF", SIZE);
    bench.camera.fault("GET .gps", Fault::Status(500), Times::Always);
    bench.run(3);
    let marker = bench.dest().join("20181029_131513_N.gps.failed");
    assert!(marker.exists());
    bench.camera.clear_faults();
    bench.pass(&["--retry-failed-after", "1ms"]).run().expect_code(0);
    bench.assert_mirrored();
}

#[test]
fn a_recording_that_left_the_camera_is_no_failure() {
    let bench = bench_with(ANY, Fault::Status(404));
    let without_it = format!("v:1.00\r\nn:/Record/{OTHER},s:1000000\r\n");
    let relisted = Fault::Answer { status: 200, body: without_it };
    bench.camera.fault("/blackvue_vod.cgi", relisted, Times::Nth(2));
    let output = bench.run(0);
    assert_eq!(names(&bench), [OTHER]);
    assert_eq!(output.stderr, "");
}

// Finding the API.

#[test]
fn any_other_answer_to_the_probe_means_the_older_api() {
    let html = |status| Fault::Answer { status, body: "<html>Login</html>".into() };
    for api in [Api::Old, Api::New] {
        for fault in [
            html(200),
            Fault::Status(204),
            Fault::Status(401),
            Fault::Status(404),
            Fault::Status(415),
            Fault::Status(500),
            Fault::Status(502),
            Fault::SilentClose,
            Fault::CutInHeaders,
            Fault::Refuse,
            Fault::Stall { after: 0 },
            Fault::Redirect("/accessible".into()),
            Fault::Redirect("http://192.0.2.1/".into()),
        ] {
            let bench = Bench { camera: Camera::start(api), scratch: Scratch::new() };
            bench.camera.add(NAME, mp4::movie(SIZE, 1));
            bench.camera.fault("/accessible", fault.clone(), Times::Always);
            let output = bench.pass(&["--timeout", "1"]).run();
            assert_eq!(output.code, Some(0), "{api:?} {fault:?}: {output}");
            bench.assert_mirrored();
        }
    }
}

#[test]
fn a_refused_listing_is_an_error_with_its_status() {
    for (status, shown) in [(404, "404"), (415, "415"), (500, "500"), (502, "502"), (204, "204")] {
        let bench = Bench::new();
        bench.camera.fault("/blackvue_vod.cgi", Fault::Status(status), Times::Always);
        let output = bench.run(1);
        assert!(output.stderr.contains(shown) && output.stderr.contains("/blackvue_vod.cgi"), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
}

/// `HEAD` is known to work on old cameras only.
#[test]
fn recordings_are_fetched_from_a_camera_without_head() {
    let mut kept_away = Vec::new();
    for fault in [
        Fault::Status(204),
        Fault::Status(400),
        Fault::Status(404),
        Fault::Status(405),
        Fault::Status(415),
        Fault::Status(500),
        Fault::Status(501),
        Fault::Status(502),
        Fault::NoLength,
        // A server that counts the body it sends, which has none.
        Fault::WrongLength(i64::MIN),
        Fault::SilentClose,
        Fault::Refuse,
        Fault::CutInHeaders,
    ] {
        for knows_ranges in [true, false] {
            let bench = Bench::new();
            bench.camera.fault("HEAD .mp4", fault.clone(), Times::Always);
            if !knows_ranges {
                bench.camera.fault(".mp4", Fault::NoRange, Times::Always);
            }
            let output = bench.pass(&["--timeout", "0.5"]).run();
            if output.code != Some(0) || names(&bench) != [NAME] {
                kept_away.push(format!("HEAD: {fault:?}, ranges: {knows_ranges}: {output}"));
            }
        }
    }
    assert!(kept_away.is_empty(), "{}", kept_away.join("\n"));
}

#[test]
fn an_intact_recording_costs_one_get() {
    let bench = Bench::new();
    bench.run(0);
    assert_eq!(bench.starts(), [None]);
    assert_eq!(bench.camera.body_bytes_served(), SIZE);
}

// Recordings that are not over.

#[test]
fn a_recording_that_grows_is_finished_on_a_later_pass() {
    let bench = bench_with(ANY, Fault::Grow { by: 10_000 });
    for _ in 0..3 {
        let output = bench.run(0);
        assert_eq!(names(&bench), [OTHER]);
        assert_eq!(output.stderr, "");
    }
    bench.camera.finish_writing(NAME);
    bench.run(0);
    bench.assert_mirrored();
}

/// Cut while it grows: the piece belongs to a shorter file than the one that is there on the next pass.
#[test]
fn a_growing_recording_is_resumed_and_completed() {
    let bench = Bench::new();
    bench.cut_at(200_000);
    bench.camera.add(NAME, [mp4::movie(SIZE, 1), mp4::free_box(50_000)].concat());
    bench.run(0);
    bench.assert_mirrored();
}

/// The newest at the time of the first pass, and not the newest any more when it is over.
#[test]
fn the_newest_recording_is_completed_when_newer_ones_exist() {
    let bench = Bench::new();
    bench.camera.fault(NAME, Fault::Grow { by: 10_000 }, Times::Always);
    bench.run(0);
    bench.assert_nothing_visible();
    bench.camera.finish_writing(NAME);
    bench.camera.add("20181030_131513_NF.mp4", mp4::movie(SIZE, 3));
    bench.run(0);
    bench.assert_mirrored();
}

// Redirects.

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = Bench::new();
    for path in [NAME, "/blackvue_vod.cgi", "/accessible"] {
        for prefix in ["http://", "https://", "//", "http://user@"] {
            let bench = Bench::new();
            bench.camera.add(OTHER, mp4::movie(SIZE, 2));
            let url = format!("{prefix}{}/Record/{NAME}", elsewhere.camera.address());
            bench.camera.fault(path, Fault::Redirect(url), Times::Always);
            let output = bench.pass(&[]).run();
            let code = match path {
                NAME => 3,
                "/accessible" => 0,
                _ => 1,
            };
            assert_eq!(output.code, Some(code), "{path} {prefix}: {output}");
            if path == NAME {
                assert!(names(&bench).contains(&OTHER.into()) && !names(&bench).contains(&NAME.into()), "{output}");
            }
        }
    }
    assert_eq!(elsewhere.camera.requests().len(), 0);
}

#[test]
fn a_redirect_to_the_same_host_is_followed_a_bounded_number_of_times() {
    for absolute in [true, false] {
        let bench = Bench::new();
        let host = if absolute { format!("http://{}", bench.camera.address()) } else { String::new() };
        for path in [format!("/Record/{NAME}"), "/blackvue_vod.cgi".into()] {
            bench.camera.fault(&path, Fault::Redirect(format!("{host}{path}")), Times::First(2));
        }
        bench.run(0);
        bench.assert_mirrored();

        let bench = bench_with(ANY, Fault::Redirect(format!("/Record/{NAME}")));
        bench.run(3);
        assert!(names(&bench).contains(&OTHER.into()));
        assert!(bench.camera.requests_for(NAME).len() <= 10);
    }
}

/// The failure of one file is logged with its name; the summary of many is not needed to find it.
#[test]
fn every_failure_is_logged_with_its_file_name() {
    let bench = bench_with(GET, Fault::Status(500));
    let output = bench.run(3);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains(NAME) && output.stderr.contains("500"), "{output}");
    let report = fs::read_to_string(bench.dest().join(".footage/dashcam.json")).expect("a report");
    let report: BTreeMap<String, serde_json::Value> = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["exit_code"], 3);
    assert_eq!(report["failures"][0]["name"], NAME);
}

/// As with the old API, the pass gives up on slow sidecars. After three of them in a row it requests only videos.
#[test]
fn slow_vod_metadata_sidecars_do_not_block_a_pass() {
    let bench = Bench { camera: Camera::start(Api::New), scratch: Scratch::new() };
    for minute in 10..20 {
        bench.camera.add_recording(&format!("20181029_13{minute}13_NF"), SIZE);
    }
    bench.camera.fault("POST /vodMetadata", Fault::Trickle { bytes_per_sec: 20 }, Times::Always);
    let began = Instant::now();
    let output = bench.pass(&["--timeout", "0.2"]).run().expect_code(3);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(output.stderr.contains("slower than 1.0 kB/s for "), "{output}");
    assert_eq!(names(&bench).len(), 10, "videos, and nothing else: {output}");
    assert_eq!(bench.camera.requests_for("POST /vodMetadata").len(), 3);
    bench.camera.clear_faults();
    bench.run(0);
    bench.assert_mirrored();
}
