//! The zone of this machine is the one that `date` shows.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::support::uploads::{Uploads, set_mtime};
use crate::support::{Output, Program};

/// What `TZ` may be set to. Those without days of change are left out where the C library applies the rules of New York to
/// them, in hours that are off.
const ZONES: &[&str] = &[
    "",
    ":",
    "UTC",
    "UTC0",
    "Europe/Berlin",
    ":Europe/Berlin",
    "/usr/share/zoneinfo/Asia/Kolkata",
    ":/usr/share/zoneinfo/Asia/Kolkata",
    "posix/America/St_Johns",
    "right/Europe/Berlin",
    "right/America/Nuuk",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Asia/Jerusalem",
    "Africa/Casablanca",
    "EST5EDT",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "IST-2IDT,M3.4.4/26,M10.5.0",
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "NZST-12:00:00NZDT-13:00:00,M10.1.0,M3.3.0",
    "CET-1CEST,J60,J300/-5:30",
    "CET-1CEST,59,299/167",
    "CET-1CEST,M3.5.0",
    "XXX3EDT4,0/0,J365/23",
    "<+0530>-5:30",
    "XXX+3:07:09",
    "XXX-1YYY1,M3.2.3/-47,M11.1.6/47:30:10",
];

/// And those that cannot be read, or not as a whole.
const UNREADABLE: &[&str] = &[
    "Mars/Olympus",
    "europe/berlin",
    "CET-1CEST,garbage",
    "CET-1CEST,M3.5.0,M10.5.0/3x",
    "<CET-1",
    "/etc/passwd",
    "Europe",
];

/// Instants of the years from 2015 to 2036, those in which clocks change in many zones among them.
fn instants() -> BTreeSet<u64> {
    let days = (0..200).map(|n| 1_420_070_400 + n * 3_474_011);
    let hours_of_2026 = |day: u64| (0..60).map(move |n| day + n * 1800);
    // The 12th, 26th and 28th of March, the 25th of October and the last of December.
    let changes = [1_773_273_600, 1_774_483_200, 1_774_656_000, 1_792_886_400, 1_798_675_200];
    days.chain(changes.into_iter().flat_map(hours_of_2026)).collect()
}

/// A folder with a file of each instant, named after it.
fn folder() -> Uploads {
    let uploads = Uploads::new();
    for instant in instants() {
        set_mtime(&uploads.file(&format!("{instant}.ts"), "x"), instant);
    }
    uploads
}

fn dry_run(uploads: &Uploads) -> Program {
    uploads.footage(&["--dry-run", "--key", "at/%Y%m%dT%H%M%S%z/{name}.{ext}"])
}

/// The instants with the local times in their keys.
fn local_times(output: &Output) -> BTreeSet<String> {
    let shown = format!("{}{}", output.stdout, output.stderr);
    let keys = shown.split("at/").skip(1).filter_map(|rest| rest.split_once(".ts"));
    keys.filter_map(|(key, _)| key.split_once('/')).map(|(time, instant)| format!("{instant} {time}")).collect()
}

/// The same by `date`.
fn by_date(uploads: &Uploads, set: impl Fn(Program) -> Program) -> BTreeSet<String> {
    let mut text = String::new();
    for instant in instants() {
        let _ = writeln!(text, "@{instant}");
    }
    let file = uploads.scratch.write("instants", text);
    let date = Program::new("date").arg("-f").arg(file).arg("+%s %Y%m%dT%H%M%S%z");
    set(date).run().expect_code(0).stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_same(ours: &BTreeSet<String>, dates: &BTreeSet<String>, zone: &str) {
    let wrong: Vec<_> = ours.symmetric_difference(dates).collect();
    assert!(wrong.is_empty() && !dates.is_empty(), "TZ={zone}: {wrong:#?}");
}

#[test]
fn tz_means_what_date_shows() {
    let uploads = folder();
    // Not every system has those with and without leap seconds.
    let is_there = |zone: &&&str| {
        !zone.contains("right/") && !zone.contains("posix/") || Path::new("/usr/share/zoneinfo").join(zone).exists()
    };
    for zone in ZONES.iter().filter(is_there) {
        let output = dry_run(&uploads).env("TZ", zone).run().expect_code(0);
        assert!(!output.stderr.contains("warning"), "TZ={zone}: {output}");
        assert_same(&local_times(&output), &by_date(&uploads, |date| date.env("TZ", zone)), zone);
    }
    let output = dry_run(&uploads).env_remove("TZ").run().expect_code(0);
    assert_same(&local_times(&output), &by_date(&uploads, |date| date.env_remove("TZ")), "(not set)");
}

#[test]
fn a_tz_that_cannot_be_read_is_a_warning_and_means_what_date_shows() {
    let uploads = folder();
    for zone in UNREADABLE {
        let output = dry_run(&uploads).env("TZ", zone).run().expect_code(0);
        assert!(output.stderr.contains(&format!("TZ={zone}")), "{output}");
        assert_same(&local_times(&output), &by_date(&uploads, |date| date.env("TZ", zone)), zone);
    }
}

/// Without days of change they are those of the United States, as the C library has them where it finds no file of rules.
#[test]
fn a_tz_rule_without_days_has_those_of_the_united_states() {
    let uploads = folder();
    let empty = uploads.scratch.join("zoneinfo");
    fs::create_dir(&empty).expect("a directory");
    for zone in ["CET-1CEST", "AEST-10AEDT", "XXX3YYY", "CET-1CEST2"] {
        let output = dry_run(&uploads).env("TZ", zone).run().expect_code(0);
        let dates = by_date(&uploads, |date| date.env("TZ", zone).env("TZDIR", &empty));
        assert_same(&local_times(&output), &dates, zone);
    }
}

/// An empty container has no zones; those that are compiled in are the same.
#[test]
fn tz_names_are_known_without_zoneinfo() {
    let uploads = folder();
    let empty = uploads.scratch.join("zoneinfo");
    fs::create_dir(&empty).expect("a directory");
    for zone in ["Europe/Berlin", ":America/New_York", "/usr/share/zoneinfo/Asia/Kolkata", "CET"] {
        // The compiled files name it where it stands; here nothing does.
        let output = dry_run(&uploads).env("TZ", zone).env("TZDIR", &empty).run().expect_code(0);
        assert_same(&local_times(&output), &by_date(&uploads, |date| date.env("TZ", zone)), zone);
    }
}
