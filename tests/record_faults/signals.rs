//! SIGTERM ends every segment cleanly, also where a camera has stalled or a program hangs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::ip_camera::Fault;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, RtspCamera};
use crate::support::site::{ENGINES, QUICK, Site, wait_for};

#[test]
fn a_stalled_camera_does_not_delay_the_end() {
    ENGINES.into_iter().for_each(a_stalled_camera_does_not_delay_the_end_of);
}

fn a_stalled_camera_does_not_delay_the_end_of(engine: &str) {
    let cameras = ["one", "two", "stalls"].map(|name| (name, RtspCamera::start(Film::Plain)));
    // ffmpeg and we would wait for long.
    let patient = "segment = \"1h\"\ntimeout = \"60s\"\nstall_timeout = \"60s\"\ntimezone = \"UTC\"";
    let tables: Vec<_> = cameras.iter().map(|(name, camera)| (*name, camera.table_for(engine))).collect();
    let site = Site::with(patient, &tables);
    let running = site.start(&["-vv"]);
    for (_, camera) in &cameras {
        camera.wait_for_frames(3 * u64::from(FRAMES_PER_SECOND));
    }
    cameras[2].1.set(Fault::Stalls);
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    running.term();
    let output = running.wait_timeout(Duration::from_secs(20)).expect_code(143);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    site.expect_nothing_runs();
    for (name, camera) in &cameras {
        let closed = site.closed(name);
        let hidden = site.hidden(name);
        assert!((1..=2).contains(&closed.len()) && hidden.is_empty(), "{name}: {closed:?} and {hidden:?}; {output}");
        // What was between two key frames and on its way.
        site.expect_frames(name, camera.frames().saturating_sub(u64::from(KEY_INTERVAL) + 10));
    }
}

#[test]
fn a_second_signal_ends_the_recorder_at_once() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    // Deaf, as a process that waits for a dead disk is.
    let deaf = "case \"$1\" in -version) exec ffmpeg -version;; esac\ntrap 'echo >asked' TERM\necho >runs\n\
                while :; do sleep 0.2; done";
    site.configure(QUICK, &[("yard", camera.table_for("ffmpeg"))]);
    let running = site.start(&["--ffmpeg", &site.script("deaf", deaf)]);
    let wait_for_word = |word| wait_for(word, || site.scratch.join(word).exists().then_some(()));
    wait_for_word("runs");
    running.term();
    // Two signals that come at once are one.
    wait_for_word("asked");
    running.term();
    let output = running.wait_timeout(Duration::from_secs(4));
    assert_eq!(output.code, Some(143), "{output}");
    site.expect_nothing_runs();
}

#[test]
fn sighup_before_the_first_segment_does_not_end_the_recorder() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let slow = site.script("slow", "case \"$1\" in -version) sleep 1;; esac\nexec ffmpeg \"$@\"");
    site.configure(QUICK, &[("yard", camera.table_for("ffmpeg"))]);
    let running = site.start(&["--ffmpeg", &slow, "-v"]);
    wait_for("its question for a version", || (site.processes().len() > 1).then_some(()));
    running.signal(Signal::HUP);
    let told = "configuration reloaded: 0 changes";
    running.wait_for_stderr(told, Duration::from_secs(20));
    site.wait_for_closed("yard", 1);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}
