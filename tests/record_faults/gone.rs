//! A recorder that ended by `kill -9` or a power loss: what `status` reports of it, and what it left.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::as_root;
use crate::support::frozen::FreezableDisk;
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, closed, wait_for};

const SOON: Duration = Duration::from_secs(8);

/// A camera, and a recorder of it that was killed after its first segment.
fn killed(options: &[&str]) -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(options);
    site.wait_for_closed("yard", 1);
    running.kill();
    running.wait();
    site.expect_nothing_runs();
    (site, camera)
}

/// What `footage status` says is wrong, with this exit code.
fn problems(site: &Site, code: i32) -> Vec<String> {
    let status = site.footage(&["status", "footage.toml", "--json"]).run().expect_code(code);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let problems = status["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn stop_reports_a_dead_recorder_and_signals_no_process() {
    let (site, _camera) = killed(&["--metrics-file", "metrics"]);
    assert_eq!(problems(&site, 3), ["nothing is recorded: killed, or the power failed"]);
    for order in ["--stop", "--reload"] {
        let output = site.record(&[order]).run().expect_code(75);
        assert!(
            output.stderr.contains("no recorder runs for footage.toml") && output.stderr.lines().count() == 1,
            "{output}"
        );
    }
    // The metrics are as old as their timestamp.
    let metrics = std::fs::read_to_string(site.scratch.join("metrics")).unwrap();
    assert!(metrics.contains("footage_record_updated_timestamp_seconds "), "{metrics}");

    let running = site.start(&[]);
    site.wait_for_closed("yard", 3);
    assert_eq!(problems(&site, 0), [""; 0]);
    site.record(&["--stop"]).run().expect_code(0);
    running.wait_timeout(SOON).expect_code(143);
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
}

/// The lock is elsewhere, and the caller is in another directory than the recorder was.
#[test]
fn lock_file_elsewhere_detects_a_dead_recorder() {
    let (site, _camera) = killed(&["--lock-file", "yard.lock"]);
    let status = site.footage(&["status", site.dest().to_str().unwrap()]).current_dir("/").run().expect_code(3);
    assert!(status.stdout.contains("killed, or the power failed"), "{status}");
}

/// Its number may be another's by now.
#[test]
fn stop_spares_a_process_that_reuses_the_pid() {
    let (site, _camera) = killed(&[]);
    let mut stranger = Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap();
    let holder = format!("pid {} since 2026-11-21T10:00:00Z\n", stranger.id());
    let path = site.scratch.write("dest/.footage/record.lock", holder);
    let orders = ["--stop", "--reload"];
    let codes = || orders.map(|order| site.record(&[order]).run().code);
    assert_eq!(codes(), [Some(75); 2]);
    // Another process holds the lock, and not the one that it names.
    let lock = std::fs::File::open(path).unwrap();
    rustix::fs::flock(lock.as_fd(), rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(codes(), [Some(1); 2]);
    assert!(stranger.try_wait().unwrap().is_none(), "it was signalled");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// What was written last may come back as zeros after a power loss: `xfs(5)`, FAT.
#[test]
fn a_lock_and_state_full_of_zeros_do_not_prevent_a_start() {
    let (site, _camera) = killed(&[]);
    for (lock, state) in [(40, 400), (0, 0)] {
        let held = site.closed("yard").len();
        site.scratch.write("dest/.footage/record.lock", vec![0; lock]);
        site.scratch.write("dest/.footage/record.json", vec![0; state]);
        assert!(!problems(&site, 3).is_empty());
        site.record(&["--stop"]).run().expect_code(75);
        let running = site.start(&[]);
        site.wait_for_closed("yard", held + 2);
        assert_eq!(problems(&site, 0), [""; 0]);
        site.record(&["--stop"]).run().expect_code(0);
        running.wait_timeout(SOON).expect_code(143);
    }
}

/// Also where no camera of the next one can begin for some time.
#[test]
fn incomplete_segments_of_removed_cameras_are_closed() {
    let (site, camera) = killed(&[]);
    let left = site.hidden("yard");
    assert_eq!(left.len(), 1, "{left:?}");
    let old = SystemTime::now() - Duration::from_mins(5);
    std::fs::File::options().write(true).open(&left[0]).unwrap().set_modified(old).unwrap();

    site.configure(QUICK, &[("gate", camera.table())]);
    let in_the_way = site.scratch.write("dest/gate", "");
    let running = site.start(&[]);
    let state = || {
        let text = std::fs::read(site.dest().join(".footage/record.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap_or_default()
    };
    let seconds = |key: &str| state()[key].as_f64().unwrap_or_default();
    wait_for("some time without a camera", || {
        (seconds("updated_timestamp_seconds") - seconds("start_timestamp_seconds") > 10.5).then_some(())
    });
    assert!(running.stderr().contains("gate"), "{}", running.stderr());
    std::fs::remove_file(in_the_way).unwrap();
    wait_for("the segment that was left", || site.hidden("yard").is_empty().then_some(()));
    running.term();
    running.wait_timeout(SOON).expect_code(143);
}

/// Cameras move to another destination: the old one expects no more segments, and another recorder may take it.
#[test]
fn status_of_a_removed_destination_is_fine() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 1);
    site.configure(QUICK, &[("yard", format!("{}\ndestination = \"other\"", camera.table()))]);
    // They name destinations that the recorder has not read yet.
    let output = site.record(&["--reload"]).run().expect_code(75);
    assert!(output.stderr.contains("destination"), "it says why: {output}");
    running.signal(Signal::HUP);
    wait_for("the other destination", || {
        crate::support::site::live_in(&site.scratch.join("other"), "yard")["state"].eq("recording").then_some(())
    });
    site.footage(&["status", "dest"]).run().expect_code(0);
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
    // Another recorder may have it, and this one too when it asks for it again.
    let url = camera.url();
    let another = ["record", "--url", &url, "--name", "gate", "-d", "dest", "--for", "2s"];
    wait_for("the lock", || (site.footage(&another).run().code != Some(75)).then_some(()));
    assert!(!site.closed("gate").is_empty());
    let before = site.closed("yard").len();
    site.configure(QUICK, &[("yard", camera.table())]);
    running.signal(Signal::HUP);
    site.wait_for_closed("yard", before + 2);
    site.record(&["--stop"]).run().expect_code(0);
    running.wait_timeout(SOON).expect_code(143);
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
    site.footage(&["status", "dest"]).run().expect_code(3);
    site.footage(&["status", "other"]).run().expect_code(0);
}

/// Its disk is another one by then, which a keeper that was to come to an end is the one to tell.
#[test]
fn a_removed_destination_that_is_configured_again_is_used() {
    as_root!();
    let camera = RtspCamera::start(Film::Plain);
    let Some(disk) = FreezableDisk::new(32) else { return };
    let place = disk.path();
    let table = |more: &str| format!("{}\n{more}", camera.table());
    let here = format!("destination = {place:?}");
    let site = Site::with(QUICK, &[("yard", table(&here))]);
    let running = site.start(&["-v"]);
    wait_for("a segment", || closed(&place, "yard").first().cloned());
    // What is to be done there takes long.
    disk.freeze();
    disk.detach();
    std::fs::create_dir_all(place.join(".footage")).unwrap();
    for (times, more) in [(1, &*format!("{here}\nkeep = \"2w\"")), (2, "destination = \"other\""), (3, &*here)] {
        site.configure(QUICK, &[("yard", table(more))]);
        running.signal(Signal::HUP);
        let read = || running.stderr().matches("configuration reloaded: 1 change").count();
        wait_for("that it is read", || (read() == times).then_some(()));
    }
    disk.thaw();
    wait_for("a segment on the other disk", || closed(&place, "yard").first().cloned());
    drop(running);
}

/// Until then it stays locked: a segment without its final name would keep none.
#[test]
fn a_removed_destination_is_unlocked_when_its_segments_are_closed() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let taken = site.take_days("yard");
    let running = site.start(&[]);
    running.wait_for_stderr("not closed", SOON + SOON);
    site.configure(QUICK, &[("yard", format!("{}\ndestination = \"other\"", camera.table()))]);
    running.signal(Signal::HUP);
    wait_for("the other destination", || {
        crate::support::site::live_in(&site.scratch.join("other"), "yard")["state"].eq("recording").then_some(())
    });
    assert!(!site.hidden("yard").is_empty());
    for path in taken {
        std::fs::remove_file(path).unwrap();
    }
    wait_for("what was left", || site.hidden("yard").is_empty().then_some(()));
    let lock = || std::fs::File::open(site.dest().join(".footage/record.lock")).ok()?.try_lock().ok();
    wait_for("the lock", lock);
    assert!(!site.closed("yard").is_empty());
    drop(running);
}
