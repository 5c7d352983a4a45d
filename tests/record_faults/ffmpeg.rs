//! An ffmpeg that is missing, too old, dies, is deaf or says nothing.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, free_port, get, wait_for};

fn one() -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    (Site::with(QUICK, &[("yard", camera.table_for("ffmpeg"))]), camera)
}

/// What a script says first that passes for ffmpeg.
const VERSION: &str = "case \"$1\" in -version) exec ffmpeg -version;; esac";

#[test]
fn without_a_usable_ffmpeg_nothing_is_begun() {
    let (site, camera) = one();
    let old = site.script("old", "echo 'ffmpeg version 2.8.17-0ubuntu0.1 Copyright (c) 2000-2020'");
    for (ffmpeg, said) in [("/nowhere/ffmpeg", "/nowhere/ffmpeg cannot be run"), (&old, "2.8.17")] {
        let output = site.record(&["--ffmpeg", ffmpeg]).run().expect_code(2);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.contains(said), "{said}: {output}");
    }
    let output = site.record(&[]).env("PATH", "/nowhere").run().expect_code(2);
    assert!(output.stderr.contains("ffmpeg"), "{output}");
    assert!(!site.dest().exists(), "something was begun");
    assert_eq!(camera.connections(), 0);
}

#[test]
fn an_ffmpeg_that_exits_is_restarted_with_backoff() {
    let (site, _camera) = one();
    let dies = site.script("dies", &format!("{VERSION}\necho start >>starts\necho 'it hurts' >&2\nexit 1"));
    let running = site.start(&["--ffmpeg", &dies]);
    running.wait_for_stderr("it hurts", Duration::from_secs(10));
    let starts = || std::fs::read_to_string(site.scratch.join("starts")).unwrap_or_default().lines().count();
    wait_for("three tries", || (starts() >= 3).then_some(()));
    assert!(!running.ends_within(Duration::from_secs(3)), "it goes on");
    assert!(starts() <= 5, "{} starts", starts());
    running.term();
    running.wait_timeout(Duration::from_secs(4)).expect_code(143);
}

#[test]
fn an_ffmpeg_that_hangs_is_killed_and_restarted() {
    let (site, _camera) = one();
    // The first time it hangs, deaf to SIGTERM, and has a child.
    let hangs = site.script(
        "hangs",
        &format!(
            "{VERSION}\n[ -e hung ] && exec ffmpeg \"$@\"\necho x >hung\ntrap '' TERM INT\nsleep 4545 &\nwhile :; do sleep 1; done"
        ),
    );
    let running = site.start(&["--ffmpeg", &hangs]);
    site.wait_for_closed("yard", 1);
    let sleeps = |word: &str| site.processes().iter().any(|process| process.words.iter().any(|it| it == word));
    assert!(!sleeps("4545"), "{:#?}", site.processes());
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    site.expect_nothing_runs();
}

/// A shorter patience counts at once, and not only when the longer one is over.
#[test]
fn a_reloaded_stall_timeout_applies_to_an_ffmpeg_that_hangs() {
    let (site, camera) = one();
    let patient = |time: &str| QUICK.replace("stall_timeout = \"4s\"", &format!("stall_timeout = {time:?}"));
    let tables = [("yard", camera.table_for("ffmpeg"))];
    site.configure(&patient("1h"), &tables);
    let hangs = site.script("hangs", &format!("{VERSION}\nexec timeout --signal=STOP 4 ffmpeg \"$@\""));
    let running = site.start(&["--ffmpeg", &hangs]);
    site.wait_for_recording("yard");
    site.configure(&patient("2s"), &tables);
    running.signal(Signal::HUP);
    running.wait_for_stderr("no video came for", Duration::from_secs(20));
    drop(running);
}

#[test]
fn an_ffmpeg_that_logs_endlessly_does_not_block() {
    let (site, _camera) = one();
    let talks =
        site.script("talks", &format!("{VERSION}\nhead -c 500000 /dev/zero | tr '\\0' x >&2\nexec ffmpeg \"$@\""));
    let running = site.start(&["--ffmpeg", &talks]);
    site.wait_for_closed("yard", 2);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert!(output.stderr.len() < 100_000, "{} bytes of log", output.stderr.len());
}

/// A count that falls looks like a counter reset to a program that computes a rate.
#[test]
fn counters_never_decrease_when_ffmpeg_restarts() {
    let (site, _camera) = one();
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&[]);
    let count = |name: &str| {
        let line = format!("footage_record_{name}_total{{camera=\"yard\"}} ");
        get(port, "/metrics")?.body.lines().find_map(|it| it.strip_prefix(&line)?.parse::<u64>().ok())
    };
    let most = std::cell::Cell::new([0; 2]);
    let grow = || {
        let now = [count("bytes")?, count("frames")?];
        let before = most.replace(now);
        assert!(now[0] >= before[0] && now[1] >= before[1], "{now:?} after {before:?}");
        Some(now)
    };
    for _ in 0..2 {
        let ffmpeg = site.segmenter("yard");
        let began = wait_for("its counters", grow);
        wait_for("some frames", || grow().filter(|now| now[0] > began[0] && now[1] > began[1] + 20));
        kill_process(Pid::from_raw(ffmpeg.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
        wait_for("another ffmpeg", || {
            grow();
            site.segmenters().get("yard").is_some_and(|ids| *ids != [ffmpeg]).then_some(())
        });
    }
    let began = wait_for("its counters", grow);
    wait_for("more frames", || grow().filter(|now| now[1] > began[1]));
    drop(running);
}
