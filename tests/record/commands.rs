//! Starting, stopping and being started again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::ip_camera::Fault;
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{ENGINES, QUICK, Site, expect_sound};

const SOON: Duration = Duration::from_secs(10);

fn one() -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    (Site::with(QUICK, &[("yard", camera.table())]), camera)
}

/// A camera that is recorded by each engine, under its name.
fn both() -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    (Site::with(QUICK, &ENGINES.map(|engine| (engine, camera.table_for(engine)))), camera)
}

#[test]
fn a_second_recorder_exits_when_the_lock_is_held() {
    let (site, camera) = one();
    let running = site.start(&[]);
    site.wait_for_recording("yard");
    let second = site.record(&[]).run().expect_code(75);
    assert!(second.stderr.contains(&running.id().to_string()), "it says who: {second}");
    let cron = site.record(&["--cron"]).run().expect_code(0);
    assert_eq!((cron.stdout.as_str(), cron.stderr.as_str()), ("", ""));
    assert_eq!(camera.connections(), 1);
    running.term();
    running.wait_timeout(SOON).expect_code(143);
    // It is free again.
    site.record(&["--for", "3s"]).run().expect_code(0);
}

#[test]
fn for_ends_recording_after_its_time() {
    let (site, _camera) = both();
    let began = Instant::now();
    site.record(&["--for", "4s"]).run().expect_code(0);
    assert!((4.0..9.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    for engine in ENGINES {
        assert!(!site.closed(engine).is_empty() && site.hidden(engine).is_empty(), "{engine}");
    }
    site.expect_nothing_runs();
}

/// What counts is how it is at the end, and not that it once failed.
#[test]
fn for_ends_with_0_when_a_camera_recovered() {
    let cameras = ["breaks", "late", "flaps"].map(|name| (name, RtspCamera::start(Film::Plain)));
    let [(_, breaks), (_, late), (_, flaps)] = &cameras;
    late.set(Fault::Off);
    flaps.set(Fault::Drops(Duration::from_secs(2)));
    let codes = [&cameras[..2], &cameras[2..]].map(|cameras| {
        let tables: Vec<_> = cameras.iter().map(|(name, camera)| (*name, camera.table())).collect();
        let site = Site::with(QUICK, &tables);
        let running = site.start(&["--for", "15s"]);
        (site, running)
    });
    breaks.wait_for_frames(30);
    breaks.drop_connections();
    late.set(None);
    for ((site, running), (code, told)) in codes.into_iter().zip([(0, "done"), (3, "partly")]) {
        let output = running.wait_timeout(Duration::from_secs(40)).expect_code(code);
        assert!(output.stderr.contains(if code == 0 { "breaks: " } else { "flaps: " }), "{output}");
        let status = site.footage(&["status", "dest"]).run().expect_code(code);
        assert!(status.stdout.contains(told), "{status}");
    }
}

#[test]
fn stop_and_reload_find_the_recorder_by_its_configuration() {
    let (site, camera) = one();
    let running = site.start(&[]);
    site.wait_for_recording("yard");
    site.configure(QUICK, &[("yard", camera.table()), ("gate", camera.table_for("ffmpeg"))]);
    site.footage(&["record", "--reload", "footage.toml"]).run().expect_code(0);
    site.wait_for_recording("gate");
    site.footage(&["record", "--stop", "footage.toml"]).run().expect_code(0);
    running.wait_timeout(SOON).expect_code(143);
    site.expect_nothing_runs();
    assert!(site.hidden("yard").is_empty() && site.hidden("gate").is_empty());
    // There is no recorder to stop.
    let stop = site.footage(&["record", "--stop", "footage.toml"]).run().expect_code(75);
    let reload = site.footage(&["record", "--reload", "footage.toml"]).run().expect_code(75);
    for output in [stop, reload] {
        assert!(
            output.stderr.contains("no recorder runs for footage.toml (if it was started with --shard")
                && output.stderr.lines().count() == 1,
            "{output}"
        );
    }
}

#[test]
fn stop_names_the_crontab_line_that_starts_the_recorder_again() {
    let (site, _camera) = one();
    for (options, variable) in [(&["--cron"][..], ""), (&[], "1"), (&[], "0"), (&[], "")] {
        let running = site.record(options).env("FOOTAGE_CRON", variable).spawn();
        site.wait_for_recording("yard");
        let stop = site.record(&["--stop"]).run().expect_code(0);
        running.wait_timeout(SOON).expect_code(143);
        let is_from_cron = !options.is_empty() || variable == "1";
        assert_eq!(stop.stderr.contains("crontab line starts it again: comment it out"), is_from_cron, "{stop}");
    }
    let stop = site.record(&["--stop", "--shard", "1/2"]).run().expect_code(75);
    assert!(stop.stderr.contains("no recorder runs for footage.toml") && stop.stderr.contains("--shard"), "{stop}");
}

/// A configuration that is to take a destination over from another one.
#[test]
fn stop_spares_the_recorder_of_another_configuration() {
    let (site, camera) = one();
    let of_two = |more: &str| {
        let table = camera.table();
        site.scratch.write("two.toml", format!("[cameras.gate]\ndestination = \"other\"\n{table}\n{more}"));
    };
    of_two("");
    let one = site.start(&[]);
    let two = site.footage(&["record", "two.toml"]).spawn();
    for name in ["yard", "gate"] {
        site.wait_for_recording(name);
    }
    of_two(&format!("[cameras.barn]\ndestination = \"dest\"\n{}", camera.table()));
    let output = site.footage(&["record", "two.toml", "--stop"]).run().expect_code(1);
    for running in [&one, &two] {
        assert!(output.stderr.contains(&running.id().to_string()), "it says who: {output}");
    }
    assert_eq!(camera.connections(), 2);
    site.record(&["--stop"]).run().expect_code(0);
    one.wait_timeout(SOON).expect_code(143);
    site.footage(&["record", "two.toml", "--stop"]).run().expect_code(0);
    two.wait_timeout(SOON).expect_code(143);
}

/// Without a camera there is no destination to lock: cron would start one more every minute.
#[test]
fn cron_is_silent_with_no_camera_to_record() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", format!("{}\nenabled = false", camera.table()))]);
    let cron = site.record(&["--cron"]).run().expect_code(0);
    assert_eq!((cron.stdout.as_str(), cron.stderr.as_str()), ("", ""));
    // Under a supervisor it waits for a configuration with cameras.
    let running = site.start(&[]);
    running.wait_for_stderr("no camera", SOON);
    site.configure(QUICK, &[("yard", camera.table())]);
    running.signal(Signal::HUP);
    site.wait_for_closed("yard", 1);
    running.term();
    running.wait_timeout(SOON).expect_code(143);
    // One of these has the camera.
    let codes = ["1/2", "2/2"].map(|shard| site.record(&["--cron", "--shard", shard, "--for", "1s"]).run().code);
    assert_eq!(codes, [Some(0); 2]);
    assert_eq!(camera.connections(), 2);
}

#[test]
fn sigint_ends_recording_cleanly() {
    let (site, _camera) = both();
    let running = site.start(&[]);
    for engine in ENGINES {
        site.wait_for_closed(engine, 1);
    }
    running.interrupt();
    running.wait_timeout(SOON).expect_code(130);
    site.expect_nothing_runs();
    for engine in ENGINES {
        expect_sound(&site.closed(engine));
        assert!(site.hidden(engine).is_empty(), "{engine}");
    }
}

#[test]
fn dry_run_shows_one_loglevel_a_camera_for_file_and_url() {
    let yard = "url = \"rtsp://127.0.0.1:1/x\"\nengine = \"ffmpeg\"";
    let gate = "url = \"http://127.0.0.1:1/x\"\nfps = 5\nengine = \"ffmpeg\"";
    let site = Site::with(QUICK, &[("gate", gate.to_owned()), ("yard", yard.to_owned())]);
    let by_file = site.record(&["--dry-run"]).run().expect_code(0).stdout;
    let lines: Vec<&str> = by_file.lines().filter(|line| line.contains("-loglevel ")).collect();
    assert_eq!(lines.len(), 2, "{by_file}");
    for line in &lines {
        assert_eq!(line.matches("-loglevel ").count(), 1, "{line}");
        assert_eq!(line.matches("-hide_banner ").count(), 1, "{line}");
    }
    // The same options without a file make the same command line.
    let quick = ["--segment=2s", "--timeout=2s", "--stall-timeout=4s", "--timezone=UTC"];
    let options =
        ["record", "--url=rtsp://127.0.0.1:1/x", "--name=yard", "--destination=dest", "--engine=ffmpeg", "--dry-run"];
    let by_url = site.footage(&[&options[..], &quick].concat()).run().expect_code(0).stdout;
    assert_eq!(by_url.lines().find(|line| line.contains("-loglevel ")), lines.last().copied(), "{by_url}");
}
