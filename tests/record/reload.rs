//! A changed configuration, read on SIGHUP, touches the cameras that changed.

use rustix::process::Signal;

use crate::support::rtsp::{FRAMES_PER_SECOND, Film, RtspCamera};
use crate::support::site::{ENGINES, QUICK, Site, expect_sound, follow_each_other, pictures, wait_for};

#[test]
fn reload_restarts_only_changed_cameras() {
    for engine in ENGINES {
        let names = ["stays", "cuts", "goes", "changes", "comes"];
        let cameras = names.map(|_| RtspCamera::start(Film::Plain));
        let table = |name: &str, more: &str| {
            let camera = &cameras[names.iter().position(|known| *known == name).unwrap()];
            format!("{}\naudio = \"none\"\n{more}", camera.table_for(engine))
        };
        let site = Site::with(QUICK, &["stays", "cuts", "goes", "changes"].map(|name| (name, table(name, ""))));
        let running = site.start(&[]);
        for name in ["stays", "cuts", "goes", "changes"] {
            site.wait_for_closed(name, 1);
        }
        // Retention and containers are nothing that a source knows of.
        let others = [
            ("comes", table("comes", "")),
            ("stays", table("stays", "keep = \"9w\"")),
            ("cuts", table("cuts", "container = \"ts\"")),
            ("changes", table("changes", "timeout = \"3s\"")),
        ];
        site.configure(QUICK, &others);
        running.signal(Signal::HUP);
        cameras[3].wait_for_connections(2);
        wait_for("the cameras of the new configuration", || {
            let recording = site.recording();
            recording.iter().eq(["changes", "comes", "cuts", "stays"]).then_some(())
        });
        wait_for("a segment in the new container", || {
            site.closed("cuts").iter().any(|segment| segment.path.extension().unwrap() == "ts").then_some(())
        });
        assert_eq!(cameras.each_ref().map(RtspCamera::connections), [1, 1, 1, 2, 1], "{engine}");
        // What was open is closed, as at any other end.
        wait_for("the end of its segment", || site.hidden("goes").is_empty().then_some(()));
        for name in ["cuts", "goes", "changes"] {
            expect_sound(&site.closed(name));
        }
        running.term();
        let output = running.wait().expect_code(143);
        assert_eq!(output.stderr, "", "nothing was wrong");
    }
}

/// Segments are cut behind what reads a camera: it goes on.
#[test]
fn reload_of_segment_keeps_the_connection_and_every_frame() {
    for engine in ENGINES {
        let camera = RtspCamera::start(Film::Plain);
        let site = Site::with(&QUICK.replace("2s\"\nt", "1h\"\nt"), &[("yard", camera.table_for(engine))]);
        let running = site.start(&[]);
        site.wait_for_recording("yard");
        camera.wait_for_frames(3 * u64::from(FRAMES_PER_SECOND));
        site.configure(QUICK, &[("yard", camera.table_for(engine))]);
        running.signal(Signal::HUP);
        site.wait_for_closed("yard", 4);
        let sent = camera.frames();
        running.term();
        let output = running.wait().expect_code(143);
        assert_eq!((output.stderr.as_str(), camera.connections()), ("", 1), "{engine}");
        let closed = site.closed("yard");
        assert!(closed.len() >= 4 && follow_each_other(&closed[1..]), "{engine}: {closed:#?}");
        let pictures = pictures(&closed);
        assert!(pictures.len() as u64 + 5 >= sent, "{engine}: {} of {sent}", pictures.len());
        assert_eq!(pictures, Film::Plain.pictures(pictures.len()), "{engine}");
    }
}

#[test]
fn reload_of_a_bad_configuration_keeps_the_previous_one() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    site.wait_for_recording("yard");
    site.configure(QUICK, &[("yard", "url = \"rtsp://c/1\"\nsegmnet = \"1h\""), ("gate", "url = \"rtsp://c/1\"")]);
    running.signal(Signal::HUP);
    running.wait_for_stderr("segmnet", std::time::Duration::from_secs(10));
    std::fs::remove_file(site.scratch.join("footage.toml")).unwrap();
    running.signal(Signal::HUP);
    running.wait_for_stderr("cannot", std::time::Duration::from_secs(10));
    let closed = site.closed("yard").len();
    site.wait_for_closed("yard", closed + 2);
    wait_for("the one camera", || site.recording().iter().eq(["yard"]).then_some(()));
    assert_eq!(camera.connections(), 1);
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
    wait_for("the one camera", || site.recording().iter().eq(["yard"]).then_some(()));
    drop(taken);
    running.signal(Signal::HUP);
    for name in ["a", "b"] {
        site.wait_for_recording(name);
    }
    drop(running);
}
