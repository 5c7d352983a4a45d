//! Several starts at once.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{PATIENCE, QUICK, Site, wait_for};

#[test]
fn the_lock_admits_one_of_many_recorders() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let starts: Vec<_> = (0..8).map(|_| site.start(&["--cron"])).collect();
    site.wait_for_closed("yard", 1);
    let (left, running): (Vec<_>, Vec<_>) =
        starts.into_iter().partition(|start| start.ends_within(Duration::from_millis(50)));
    assert_eq!((left.len(), running.len()), (7, 1));
    for start in left {
        let output = start.wait().expect_code(0);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    }
    assert_eq!(camera.connections(), 1);
    drop(running);
    // The next one finds it free, as cron's does a minute after a crash.
    wait_for("the lock", || (site.record(&["--for", "1s"]).run().code == Some(0)).then_some(()));
}

/// A user who frees disk space may delete the hidden folder too.
#[test]
fn a_deleted_footage_folder_is_created_again_while_recording() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 1);
    let state = site.dest().join(".footage");
    std::fs::remove_dir_all(&state).expect("deleted");
    let deleted = Instant::now();
    wait_for("the lock and the state", || {
        (state.join("record.lock").exists() && state.join("record.json").exists()).then_some(())
    });
    assert!(deleted.elapsed() < Duration::from_secs(10), "{:?}", deleted.elapsed());
    running.wait_for_stderr("deleted while recording", PATIENCE);
    site.record(&["--cron"]).run().expect_silence();
    let status = site.footage(&["status", "footage.toml"]).run();
    assert!(status.code == Some(0) && status.stdout.contains("recording"), "{status}");
    site.record(&["--stop"]).run().expect_code(0);
    running.wait().expect_code(143);
    assert_eq!((site.hidden("yard"), camera.connections()), (Vec::new(), 1));
}

/// It is `--lock-file` that is deleted, or `.footage` beside it.
#[test]
fn a_deleted_lock_file_is_created_again_while_recording() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let options = ["--lock-file", "the.lock"];
    let running = site.start(&options);
    site.wait_for_closed("yard", 1);
    std::fs::remove_file(site.scratch.join("the.lock")).expect("deleted");
    std::fs::remove_dir_all(site.dest().join(".footage")).expect("deleted");
    wait_for("the lock", || site.scratch.join("the.lock").exists().then_some(()));
    wait_for("the state", || site.dest().join(".footage/record.json").exists().then_some(()));
    site.record(&[&options[..], &["--cron"]].concat()).run().expect_silence();
    site.record(&[&options[..], &["--stop"]].concat()).run().expect_code(0);
    running.wait().expect_code(143);
}

/// The second one has the lock, and so the first one ends. Its open segment is not taken for an incomplete one.
#[test]
fn a_recorder_started_after_the_lock_was_deleted_leaves_open_segments_alone() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let first = site.start(&[]);
    site.wait_for_closed("yard", 1);
    // It cannot check its lock now, and its ffmpeg continues.
    first.signal(Signal::STOP);
    std::fs::remove_dir_all(site.dest().join(".footage")).expect("deleted");
    let open = site.hidden("yard");
    assert!(!open.is_empty());
    let second = site.start(&["-v"]);
    second.wait_for_stderr("another process has it open", PATIENCE);
    assert!(open.iter().any(|open| open.exists()), "{open:?}");
    first.signal(Signal::CONT);
    let output = first.wait().expect_code(75);
    assert!(output.stderr.contains("another recorder"), "{output}");
    second.term();
    let output = second.wait().expect_code(143);
    assert!(!output.stderr.contains("crash") && !output.stderr.contains("cannot be played"), "{output}");
    assert_eq!(site.hidden("yard"), Vec::<std::path::PathBuf>::new());
}
