//! A changed configuration, read on SIGHUP, touches the cameras that changed.

use rustix::process::Signal;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, expect_sound, wait_for};

#[test]
fn reload_restarts_only_changed_cameras() {
    let camera = RtspCamera::start(Film::Plain);
    let table = |more: &str| format!("{}\n{more}", camera.table());
    let site = Site::with(QUICK, &[("stays", table("")), ("goes", table("")), ("changes", table(""))]);
    let running = site.start(&[]);
    let before = ["stays", "goes", "changes"].map(|name| site.segmenter(name));
    site.wait_for_closed("changes", 1);
    // Retention is nothing that ffmpeg knows of.
    site.configure(
        QUICK,
        &[("comes", table("")), ("stays", table("keep = \"9w\"")), ("changes", table("container = \"ts\""))],
    );
    running.signal(Signal::HUP);
    let after = wait_for("the new ffmpegs", || {
        let after = site.segmenters();
        let is_one = |name: &str| after.get(name).is_some_and(|ids| ids.len() == 1);
        let is_new = is_one("changes") && after["changes"][0] != before[2];
        (is_new && is_one("comes") && is_one("stays") && !after.contains_key("goes")).then_some(after)
    });
    assert_eq!(after["stays"], [before[0]]);
    wait_for("a segment in the new container", || {
        site.closed("changes").iter().any(|segment| segment.path.extension().unwrap() == "ts").then_some(())
    });
    // What was open is closed, as at any other end.
    assert!(site.hidden("goes").is_empty(), "{:?}", site.hidden("goes"));
    for name in ["goes", "changes"] {
        expect_sound(&site.closed(name));
    }
    running.term();
    let output = running.wait().expect_code(143);
    assert_eq!(output.stderr, "", "nothing was wrong");
}

#[test]
fn reload_of_a_bad_configuration_keeps_the_previous_one() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    let segmenter = site.segmenter("yard");
    site.configure(QUICK, &[("yard", "url = \"rtsp://c/1\"\nsegmnet = \"1h\""), ("gate", "url = \"rtsp://c/1\"")]);
    running.signal(Signal::HUP);
    running.wait_for_stderr("segmnet", std::time::Duration::from_secs(10));
    std::fs::remove_file(site.scratch.join("footage.toml")).unwrap();
    running.signal(Signal::HUP);
    running.wait_for_stderr("cannot", std::time::Duration::from_secs(10));
    let closed = site.closed("yard").len();
    site.wait_for_closed("yard", closed + 2);
    assert_eq!(site.segmenters().into_iter().collect::<Vec<_>>(), [("yard".to_owned(), vec![segmenter])]);
    drop(running);
}

/// One of two new destinations is locked by another process: neither is recorded to, and the other one stays unlocked.
#[test]
fn reload_of_a_refused_configuration_locks_no_destination() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let path = site.scratch.write("taken/.footage/record.lock", "pid 7 since 2026-11-21T10:00:00Z\n");
    let taken = std::fs::File::open(path).unwrap();
    taken.lock().unwrap();
    let running = site.start(&[]);
    site.wait_for_closed("yard", 1);
    let to = |place: &str| format!("{}\ndestination = {place:?}", camera.table());
    site.configure(QUICK, &[("a", to("free")), ("b", to("taken")), ("yard", camera.table())]);
    running.signal(Signal::HUP);
    running.wait_for_stderr("another pass holds", std::time::Duration::from_secs(10));
    let free = || std::fs::File::open(site.scratch.join("free/.footage/record.lock")).ok()?.try_lock().ok();
    wait_for("the lock", free);
    assert_eq!(site.segmenters().into_keys().collect::<Vec<_>>(), ["yard"]);
    drop(taken);
    running.signal(Signal::HUP);
    for name in ["a", "b"] {
        site.segmenter(name);
    }
    drop(running);
}
