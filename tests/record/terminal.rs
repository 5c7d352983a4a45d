//! A person at a terminal sees how it goes.

use crate::support::Program;
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site};

/// Records for three seconds in a terminal of its own, with these options.
fn in_terminal(site: &Site, options: &str) -> String {
    let command = format!("{} record footage.toml --for 3s {options}", env!("CARGO_BIN_EXE_footage"));
    Program::in_terminal(80, &command).current_dir(site.scratch.path()).run().expect_code(0).stdout
}

#[test]
fn a_person_sees_how_many_cameras_record_and_for_how_long() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let shown = in_terminal(&site, "-v");
    for text in [
        "0 of 1 camera  0 kbit/s  0 segments (0 B)",
        "1 of 1 camera  ",
        "2s of 3s",
        "the last segments are being closed",
        "\u{1b}[2Kyard: ",
    ] {
        assert!(shown.contains(text), "{text:?}: {shown:?}");
    }
    let last =
        shown.trim_end().rsplit(['\n', '\r', '\u{1b}']).find(|part| part.contains("segment")).unwrap_or_default();
    assert!(last.contains(" recorded from 1 camera in "), "{shown:?}");
}

#[test]
fn whoever_wants_it_quiet_sees_nothing() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    for options in ["-q", "--cron"] {
        let shown = in_terminal(&site, options);
        assert!(!shown.contains("kbit/s") && !shown.contains('\u{1b}'), "{options}: {shown:?}");
    }
}
