//! A person at a terminal sees how it goes.

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site};
use crate::support::{Program, as_root, small_tmpfs};

/// Records for three seconds in a terminal of its own, with these options.
fn in_terminal(site: &Site, options: &str) -> String {
    let command = format!("{} record footage.toml --for 3s {options}", env!("CARGO_BIN_EXE_footage"));
    Program::in_terminal(80, &command).current_dir(site.scratch.path()).run().expect_code(0).stdout
}

#[test]
fn a_terminal_shows_how_many_cameras_record_and_for_how_long() {
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

/// Hints about writeback are for a destination on a disk, and a user at a terminal.
#[test]
fn a_terminal_shows_warnings_about_settings() {
    as_root!();
    let camera = RtspCamera::start(Film::Plain);
    let setting = |name: &str| -> u64 { std::fs::read_to_string(name).unwrap().trim().parse().unwrap() };
    let ratio = setting("/proc/sys/vm/dirty_background_ratio");
    let told = format!("hint: vm.dirty_background_ratio is {ratio}: less");
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    // Not everywhere is a scratch directory on a disk.
    let is_on_disk = rustix::fs::statfs(site.scratch.path()).unwrap().f_type != 0x0102_1994;
    assert_eq!(in_terminal(&site, "").contains(&told), ratio >= 10 && is_on_disk);
    assert_eq!(site.record(&["--for", "3s", "-v"]).run().stderr.contains(&told), ratio >= 10 && is_on_disk);
    assert_eq!(site.record(&["--for", "3s"]).run().stderr, "");
    assert!(!in_terminal(&site, "--cron").contains("hint"));
    site.prepend("hints = false");
    assert!(!in_terminal(&site, "").contains("hint"));
    let memory = small_tmpfs(8 << 20);
    site.configure(QUICK, &[("yard", format!("{}\ndestination = {:?}", camera.table(), memory.path()))]);
    assert!(!in_terminal(&site, "").contains("hint"));
}

#[test]
fn quiet_shows_nothing_on_a_terminal() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    for options in ["-q", "--cron"] {
        let shown = in_terminal(&site, options);
        assert!(!shown.contains("kbit/s") && !shown.contains('\u{1b}'), "{options}: {shown:?}");
    }
}
