//! `--pause` and `--resume`.

use std::time::Duration;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn pause_stops_the_recorder_and_keeps_cron_from_starting_it_until_resume() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 1);
    site.record(&["--pause"]).run().expect_code(0);
    running.wait_timeout(SOON).expect_code(143);
    assert!(!site.closed("yard").is_empty());

    let cron = site.record(&["--cron"]).run().expect_code(0);
    assert_eq!((cron.stdout.as_str(), cron.stderr.as_str()), ("", ""));
    site.expect_nothing_runs();
    let by_hand = site.record(&["--for", "1s"]).run().expect_code(75);
    assert!(by_hand.stderr.contains("--resume"), "{by_hand}");
    // What was asked for is not wrong, and is shown.
    let status = site.footage(&["status", "footage.toml"]).run().expect_code(0);
    assert!(status.stdout.contains("recording is paused since"), "{status}");

    site.record(&["--resume"]).run().expect_code(0);
    assert!(site.record(&["--resume"]).run().expect_code(75).stderr.contains("not paused"));
    let running = site.start(&["--cron"]);
    site.wait_for_recording("yard");
    running.term();
    running.wait_timeout(SOON);
}

#[test]
fn pause_without_a_recorder_is_respected_by_the_next_start() {
    let site = Site::with(QUICK, &[("yard", "url = \"rtsp://127.0.0.1:9/\"")]);
    site.record(&["--pause"]).run().expect_code(0);
    site.record(&["--pause"]).run().expect_code(0);
    site.record(&["--cron"]).run().expect_code(0);
    site.expect_nothing_runs();
    assert!(site.dest().join(".footage/record.paused").is_file());
}
