//! An ffmpeg that is missing, too old, dies, is deaf or says nothing.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::ip_camera::Fault;
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, expect_sound, free_port, get, wait_for};

fn one() -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    (Site::with(QUICK, &[("yard", camera.table())]), camera)
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

/// Versions about 7 count no frames of what they only copy: whether any come is seen by their time, and how many is not told.
#[test]
fn an_ffmpeg_without_frame_counts_is_watched() {
    let (site, camera) = one();
    let counts_none = format!(
        "{VERSION}\ntrap '' TERM\n(trap - TERM; exec ffmpeg \"$@\") | grep --line-buffered -v -e ^frame= -e ^fps="
    );
    let running = site.start(&["--ffmpeg", &site.script("counts_none", &counts_none)]);
    wait_for("recording", || (site.live("yard")["state"] == "recording").then_some(()));
    // Longer than it would be waited for a first frame.
    let closed = site.wait_for_closed("yard", 5);
    expect_sound(&closed);
    let live = site.live("yard");
    assert_eq!((&live["restarts"], &live["frames_per_second"]), (&0.into(), &serde_json::Value::Null), "{live}");
    camera.set(Fault::Stalls);
    // Whether it counts as a stall depends on who gives up first, ffmpeg or we.
    wait_for("another try", || (site.live("yard")["restarts"] != 0).then_some(()));
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}

/// A shorter patience counts at once, and not only when the longer one is over.
#[test]
fn a_reloaded_timeout_applies_to_an_ffmpeg_that_hangs() {
    let (site, camera) = one();
    let patient = |time: &str| QUICK.replace("stall_timeout = \"4s\"", &format!("stall_timeout = {time:?}"));
    let tables = [("yard", camera.table())];
    site.configure(&patient("1h"), &tables);
    let frame = "printf 'frame=1\\nout_time=00:00:01.000000\\nprogress=continue\\n'";
    let hangs = site.script("hangs", &format!("{VERSION}\n{frame}\nexec sleep 4646"));
    let running = site.start(&["--ffmpeg", &hangs]);
    wait_for("a frame", || (site.live("yard")["frames"] == 1).then_some(()));
    site.configure(&patient("2s"), &tables);
    running.signal(Signal::HUP);
    running.wait_for_stderr("no frame came", Duration::from_secs(10));
    drop(running);
}

#[test]
fn an_ffmpeg_that_logs_endlessly_does_not_block() {
    let (site, _camera) = one();
    let talks =
        site.script("talks", &format!("{VERSION}\nhead -c 3000000 /dev/zero | tr '\\0' x >&2\nexec ffmpeg \"$@\""));
    let running = site.start(&["--ffmpeg", &talks]);
    site.wait_for_closed("yard", 2);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert!(output.stderr.len() < 100_000, "{} bytes of log", output.stderr.len());
}

/// What it says is written too, and counted by the kernel before we have read it. That is no footage, and a count that falls
/// looks like a counter reset to a program that computes a rate.
#[test]
fn counters_never_decrease_when_ffmpeg_restarts() {
    let (site, _camera) = one();
    let says = "printf %08000d 0 >&2";
    let rounds = format!(
        "for n in 1 2 3 4 5 6; do\nprintf 'frame=%d\\nout_time=00:00:0%d.000000\\nprogress=continue\\n' $n $n\n\
         case $n in 1|3|5) {says}; {says};; esac\nsleep 0.4\ndone\nexec sleep 4242"
    );
    let script = site.script("says", &format!("{VERSION}\n{rounds}"));
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&["--ffmpeg", &script]);
    let count = |name: &str| {
        let line = format!("footage_record_{name}_total{{camera=\"yard\"}} ");
        get(port, "/metrics")?.body.lines().find_map(|it| it.strip_prefix(&line)?.parse::<u64>().ok())
    };
    let most = std::cell::Cell::new(0);
    wait_for("its last word", || {
        let bytes = count("bytes")?;
        assert!(bytes >= most.get(), "{bytes} after {}", most.get());
        most.set(bytes);
        (count("frames")? == 6).then_some(())
    });
    drop(running);
}
