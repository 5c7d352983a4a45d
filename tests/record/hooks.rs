//! `on_segment` runs a program for each closed segment.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, wait_for};
use crate::support::{Program, as_root};

#[test]
fn on_segment_runs_for_each_closed_segment() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    // What it is given is there, whole, under its last name.
    let hook = site.script(
        "hook",
        "set -- \"$1\" $FOOTAGE_SEGMENT_CAMERA $FOOTAGE_SEGMENT_PATH $FOOTAGE_SEGMENT_START $FOOTAGE_SEGMENT_DURATION_SECONDS\n\
         echo \"$* $(wc -c <\"$3\")\" >>hooks",
    );
    site.configure(QUICK, &[("yard", format!("{}\non_segment = [{hook:?}, \"word\"]", camera.table()))]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 2);
    running.term();
    running.wait().expect_code(143);
    let closed = site.closed("yard");
    let lines = wait_for("all hooks", || {
        let lines = std::fs::read_to_string(site.scratch.join("hooks")).unwrap_or_default();
        (lines.lines().count() >= closed.len()).then_some(lines)
    });
    assert_eq!(lines.lines().count(), closed.len(), "{lines}");
    for (line, segment) in lines.lines().zip(&closed) {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = segment.path.metadata().unwrap().len().to_string();
        let start = chrono::DateTime::parse_from_rfc3339(words[3]).unwrap().timestamp();
        assert_eq!(
            (words[0], words[1], words[2], start),
            ("word", "yard", segment.path.to_str().unwrap(), segment.start())
        );
        assert_eq!(words[5], bytes, "{line}");
        let seconds: f64 = words[4].parse().unwrap();
        assert!((seconds - segment.seconds()).abs() < 0.5, "{line}: {} s", segment.seconds());
    }
}

/// A parent that ignores SIGCHLD hands that down to its children.
#[test]
fn an_ignored_sigchld_of_the_parent_does_not_matter() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let hook = site.script("hook", "echo $FOOTAGE_SEGMENT_PATH >>hooks");
    site.configure(QUICK, &[("yard", format!("{}\non_segment = [{hook:?}]", camera.table()))]);
    let script =
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    let footage = [env!("CARGO_BIN_EXE_footage"), "record", "footage.toml", "--for", "6s"];
    let output = Program::new("python3").args(["-c", script]).args(footage).current_dir(site.scratch.path()).run();
    assert_eq!(output.expect_code(0).stderr, "");
    let lines = std::fs::read_to_string(site.scratch.join("hooks")).unwrap();
    assert_eq!(lines.lines().count(), site.closed("yard").len());
}

/// The last segment of a camera is closed when it is in the configuration no more.
#[test]
fn on_segment_runs_for_segments_of_a_removed_camera() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let hook = site.script("hook", "echo $FOOTAGE_SEGMENT_PATH >>hooks");
    let table = format!("{}\non_segment = [{hook:?}]", camera.table());
    let defaults = QUICK.replace("2s\"\nt", "1h\"\nt");
    site.configure(&defaults, &[("yard", table), ("gate", camera.table())]);
    let running = site.start(&[]);
    camera.wait_for_frames(90);
    site.configure(&defaults, &[("gate", camera.table())]);
    running.signal(Signal::HUP);
    let closed = site.wait_for_closed("yard", 1);
    let told = wait_for("its program", || std::fs::read_to_string(site.scratch.join("hooks")).ok());
    assert_eq!(told.trim(), closed[0].path.display().to_string());
    drop(running);
}

/// As the first process of a container a recorder inherits what programs leave running, and has to bury it.
#[test]
fn children_of_an_on_segment_program_become_no_zombies() {
    as_root!();
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let hook = site.script("hook", "sleep 0.1 &");
    let defaults = QUICK.replace("2s\"\nt", "1s\"\nt");
    site.configure(&defaults, &[("yard", format!("{}\non_segment = [{hook:?}]", camera.table()))]);
    let footage = [env!("CARGO_BIN_EXE_footage"), "record", "footage.toml"];
    let container = Program::new("unshare").args(["--pid", "--fork", "--kill-child"]).args(footage);
    let running = container.current_dir(site.scratch.path()).env("RECORDER_OF", site.scratch.path()).spawn();
    site.wait_for_closed("yard", 8);
    let ours: Vec<u32> = site.processes().iter().map(|process| process.id).collect();
    let zombies: Vec<String> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter(|stat| {
            let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
            let mut fields = rest.split(' ');
            fields.next() == Some("Z")
                && fields.next().and_then(|id| id.parse().ok()).is_some_and(|id| ours.contains(&id))
        })
        .collect();
    assert!(zombies.len() <= 3, "{zombies:?}");
    drop(running);
}

#[test]
fn an_on_segment_program_that_fails_or_hangs_blocks_nothing() {
    let camera = RtspCamera::start(Film::Plain);
    let cameras = [
        ("fails", format!("{}\non_segment = [\"false\"]", camera.table())),
        ("missing", format!("{}\non_segment = [\"/nowhere/program\"]", camera.table())),
        ("hangs", format!("{}\non_segment = [\"sleep\", \"4141\"]", camera.table())),
    ];
    let site = Site::with(QUICK, &cameras);
    let running = site.start(&[]);
    for (name, _) in &cameras {
        site.wait_for_closed(name, 3);
    }
    // One at a time: a program that hangs does not become many.
    let sleepers =
        site.processes().into_iter().filter(|process| process.words.iter().any(|word| word == "4141")).count();
    assert!(sleepers <= 1, "{:#?}", site.processes());
    running.term();
    let output = running.wait_timeout(Duration::from_secs(15)).expect_code(143);
    for name in ["fails", "missing"] {
        let told = output.stderr.matches(&format!("{name}: the program of on_segment failed")).count();
        assert_eq!(told, 1, "a lasting failure is logged the first time only: {output}");
    }
    assert!(output.stderr.contains("/nowhere/program"), "{output}");
    site.expect_nothing_runs();
}
