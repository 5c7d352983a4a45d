//! The progress bar: on a terminal, and nowhere else.

use super::{Bench, NAME};
use crate::support::camera::Api;
use crate::support::{Output, Program};

/// Runs a pass in a terminal of its own; what it shows comes back as stdout.
fn in_terminal(bench: &Bench, options: &str) -> Output {
    let (program, address) = (env!("CARGO_BIN_EXE_footage"), bench.camera.address());
    let command = format!("{program} dashcam {address} -d dest -u 98 {options}");
    Program::in_terminal(120, &command).env("TZ", "UTC").current_dir(bench.scratch.path()).run()
}

/// A camera that takes a while.
fn slow() -> Bench {
    let bench = Bench::new(Api::Old);
    for minute in 0..2 {
        bench.camera.add_recording(&format!("20181028_13{minute:02}13_NF"), 400_000);
    }
    bench.camera.rate_limit(800_000);
    bench
}

#[test]
fn a_terminal_shows_a_progress_bar_and_a_summary() {
    let output = in_terminal(&slow(), "").expect_code(0);
    let shown = &output.stdout;
    assert!(shown.contains("20181028_130013_NF.mp4"), "{shown:?}");
    assert!(shown.contains("/s"), "a rate: {shown:?}");
    assert!(shown.contains("2 of 2, about "), "time left of all: {shown:?}");
    assert!(shown.contains("400.0") || shown.contains("390.6"), "the size: {shown:?}");
    // As long as the camera has not answered no size is known, and the bar is empty.
    assert!(shown.contains("0 B of ?") && !shown.contains("of 0 B"), "{shown:?}");
    // The last thing on the screen is one line in plain words.
    let last = shown.trim_end().rsplit('\n').next().unwrap_or_default();
    let last = last.rsplit(['\r', '\u{1b}']).find(|part| part.contains("recordings")).unwrap_or_default();
    assert!(last.contains("2 recordings (8 files, ") && last.contains("fetched from"), "{shown:?}");
}

#[test]
fn a_terminal_shows_that_there_is_nothing_to_do() {
    let bench = Bench::with([NAME]);
    in_terminal(&bench, "").expect_code(0);
    let output = in_terminal(&bench, "").expect_code(0);
    assert!(output.stdout.contains("nothing to fetch from"), "{output}");
}

#[test]
fn quiet_cron_and_dry_run_show_no_progress_bar() {
    for options in ["-q", "--cron", "--dry-run"] {
        let output = in_terminal(&slow(), options).expect_code(0);
        assert!(!output.stdout.contains('\u{1b}') && !output.stdout.contains("/s"), "{options}: {:?}", output.stdout);
    }
}

#[test]
fn without_a_terminal_there_is_no_progress_bar() {
    for options in [&[][..], &["-v"], &["-vv"], &["--cron"]] {
        let output = slow().pass(options).expect_code(0);
        let said = output.stdout + &output.stderr;
        assert!(!said.contains('\u{1b}') && !said.contains('\r') && !said.contains("B/s"), "{options:?}: {said:?}");
    }
}

#[test]
fn log_lines_and_the_progress_bar_do_not_mix() {
    let bench = slow();
    bench.camera.add_recording("20181028_133013_QF", 1000);
    let output = in_terminal(&bench, "-v").expect_code(0);
    assert!(output.stdout.contains("\nwarning: ") || output.stdout.starts_with("warning: "), "{:?}", output.stdout);
    assert!(output.stdout.contains("20181028_130013_NF.mp4: fetched 400.0 kB in "), "{:?}", output.stdout);
}
