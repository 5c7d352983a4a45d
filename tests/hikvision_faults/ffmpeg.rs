//! An ffmpeg that is missing, too old, hangs, dies or talks without end.

use std::time::{Duration, Instant};

use crate::support::Program;
use crate::support::bench::{Bench, set};

const NAME: &str = "tuin/video/2025-09-07_14-00-15-tuin.mp4";
const DAMAGED: &str = "tuin/video/.2025-09-07_14-00-15-tuin.mp4.damaged";

fn one() -> Bench {
    Bench::with(&["2025-09-07 14:00:15"]).0
}

/// A long sleep that no other test sleeps at the same time, here or in another run.
fn sleep(test: u32) -> String {
    format!("sleep {}{test}", std::process::id())
}

/// Whether a program with these words in its command line runs.
fn runs(words: &str) -> bool {
    Program::new("pgrep").args(["-f", words]).run().code == Some(0)
}

#[test]
fn without_a_usable_ffmpeg_nothing_is_begun() {
    let bench = one();
    bench.scratch.write("dest/tuin/video/2001-01-01_00-00-00-tuin.mp4", "old");
    let held = bench.held();
    let keep = ["--keep", "9000d", "--ffmpeg"];
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = bench.scratch.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let old = script("old", "#!/bin/sh\necho 'ffmpeg version 2.8.17-0ubuntu0.1 Copyright (c) 2000-2020'\n");
    let mute = script("mute", "#!/bin/sh\n");
    let broken = script("broken", "no program\n");
    for (ffmpeg, said) in [
        ("/nowhere/ffmpeg", "/nowhere/ffmpeg cannot be run"),
        (&old, "is version 2.8.17-0ubuntu0.1, and 4 or newer is needed"),
        (&mute, "does not say what version"),
        (&broken, "broken"),
        ("nas", "nas cannot be run"),
    ] {
        let output = bench.pass(&[&keep[..], &[ffmpeg]].concat()).expect_code(2);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.contains(said) && output.stderr.contains("--ffmpeg"), "{said}: {output}");
        assert_eq!(bench.held(), held, "{ffmpeg}");
    }
    // With an empty PATH, and by the environment.
    let output = bench.footage(&[]).env("PATH", "/nowhere").run().expect_code(2);
    assert!(output.stderr.contains("there is none in PATH"), "{output}");
    bench.footage(&[]).env("FOOTAGE_FFMPEG", &old).run().expect_code(2);
    // A bare name is looked for in PATH.
    bench.pass(&["--ffmpeg", "ffmpeg"]).expect_code(0);
}

#[test]
fn an_ffmpeg_that_hangs_is_killed_with_all_it_started() {
    let bench = one();
    let sleep = sleep(4242);
    let fake = bench.fake_ffmpeg(&format!("{sleep} & {sleep}"));
    let began = Instant::now();
    let report = bench.report(3, &["--ffmpeg", &fake, "--timeout", "0.5"]);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(report["failures"][0]["reason"], "timeout", "{report}");
    assert_eq!(bench.held(), set::<&str>([]));
    assert!(!runs(&sleep));
}

#[test]
fn an_ffmpeg_that_writes_half_is_detected() {
    let bench = one();
    // Nothing, rubbish, and half of the frames: each with exit code 0.
    let half =
        "for out; do :; done; head -c 30000 | ffmpeg -v quiet -f mpeg -i - -c copy -f mp4 -y \"$out\"; cat >/dev/null";
    for (body, kept) in [
        ("cat >/dev/null", None),
        ("for out; do :; done; cat >/dev/null; echo rubbish >\"${out#file:}\"", None),
        (&format!("{half}; exit 0"), Some("damaged")),
        // What a failing one has left is no less worth.
        (&format!("{half}; exit 1"), Some("ffmpeg")),
    ] {
        let fake = bench.fake_ffmpeg(body);
        let report = bench.report(3, &["--ffmpeg", &fake, "--retry-failed-after", "1ms"]);
        assert_eq!(report["failures"][0]["reason"], kept.unwrap_or("damaged"), "{body}: {report}");
        assert_eq!(bench.held(), set(kept.map(|_| DAMAGED)), "{body}");
    }
    bench.report(0, &["--retry-failed-after", "1ms"]);
    assert_eq!(bench.held(), set([NAME]));
}

#[test]
fn an_ffmpeg_that_dies_fails_one_segment_until_the_next_pass() {
    let bench = one();
    let fake = bench.fake_ffmpeg("kill -9 $$");
    let report = bench.report(3, &["--ffmpeg", &fake]);
    assert_eq!(report["failures"][0]["reason"], "ffmpeg", "{report}");
    let fake = bench.fake_ffmpeg("echo 'it hurts' >&2; exit 1");
    let output = bench.pass(&["--ffmpeg", &fake]).expect_code(3);
    assert!(output.stderr.contains("it hurts"), "{output}");
    let report = bench.report(0, &["--retry-failed-after", "1ms"]);
    assert_eq!(report["arrived_files"], 1, "{report}");
    assert_eq!(bench.held(), set([NAME]));
}

#[test]
fn an_ffmpeg_that_logs_endlessly_does_not_block() {
    let bench = one();
    let fake = bench.fake_ffmpeg("head -c 2000000 /dev/zero | tr '\\0' x >&2; exec ffmpeg \"$@\"");
    bench.pass(&["--ffmpeg", &fake, "--timeout", "60"]).expect_code(0);
    assert_eq!(bench.held(), set([NAME]));
}

#[test]
fn no_ffmpeg_outlives_a_pass_that_is_killed() {
    let bench = one();
    let sleep = sleep(4444);
    let fake = bench.fake_ffmpeg(&format!("exec {sleep}"));
    let running = bench.footage(&["--ffmpeg", &fake]).spawn();
    wait_until(|| runs(&sleep));
    running.kill();
    wait_until(|| !runs(&sleep));
}

/// Waits for what must come; panics when that takes too long.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_ends_ffmpeg_and_leaves_nothing() {
    let bench = one();
    let sleep = sleep(4343);
    let fake = bench.fake_ffmpeg(&format!("{sleep} & {sleep}"));
    let running = bench.footage(&["--ffmpeg", &fake, "-v"]).spawn();
    running.wait_for_stderr("using ", Duration::from_secs(20));
    wait_until(|| runs(&sleep));
    running.term();
    running.wait_timeout(Duration::from_secs(2)).expect_code(143);
    assert!(!runs(&sleep));
    assert_eq!(bench.held(), set::<&str>([]));
}
