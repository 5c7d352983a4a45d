//! `--from`, `--to`, `--since`, `--no-pictures`.

use chrono::{Duration, Utc};

use crate::support::bench::{Bench, set};
use crate::support::hikvision::{jpeg, picture};

#[test]
fn from_and_to_are_camera_times() {
    let (bench, mut storage) =
        Bench::with(&["2025-09-06 23:59:59", "2025-09-07 00:00:00", "2025-09-07 14:30:00", "2025-09-08 00:00:00"]);
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:00");
    let options = ["--from", "2025-09-07", "--to", "2025-09-07", "--no-pictures"];
    bench.footage(&options).env("TZ", "America/New_York").run().expect_code(0);
    let names = ["00-00-00", "14-30-00"];
    assert_eq!(bench.held(), set(names.map(|time| format!("tuin/video/2025-09-07_{time}-tuin.mp4"))));
    let list = [["hikvision", "nas", "--list"].as_slice(), &["--from", "2025-09-07 14:00", "--to", "2025-09-07T15:00"]];
    let listed = bench.scratch.footage(list.concat()).run().expect_code(0).stdout;
    assert!(listed.contains("2 recordings of 1 camera"), "{listed}");
}

#[test]
fn to_includes_the_whole_day() {
    let (bench, _storage) = Bench::with(&["2025-09-07 23:59:59", "2025-09-08 00:00:00", "2025-09-08 12:00:00"]);
    bench.pass(&["--to", "2025-09-08T00:00"]).expect_code(0);
    assert_eq!(bench.held(), set(["tuin/video/2025-09-07_23-59-59-tuin.mp4"]));
    bench.pass(&["--from", "2025-09-08", "--to", "2025-09-08"]).expect_code(0);
    assert_eq!(bench.held().len(), 3);
    for (from, to) in [("2025-09-08", "2025-09-07"), ("2025-09-08T10:00", "2025-09-08T10:00")] {
        let output = bench.pass(&["--from", from, "--to", to]).expect_code(2);
        assert!(output.stderr.contains("--to is not after --from"), "{output}");
    }
}

#[test]
fn from_to_and_keep_that_match_nothing_are_warnings() {
    let (bench, _storage) = Bench::with(&["2018-01-01 00:00:00", "2017-12-31 00:00:00"]);
    let filter = "all 2 recordings are left out by --from (the oldest is of 2017-12-31, the newest of 2018-01-01)";
    let output = bench.pass(&["--from", "2030-01-01"]).expect_code(0);
    assert!(output.stderr.contains(&format!("nothing to extract: {filter}")), "{output}");
    let list = ["hikvision", "nas", "--list", "--from", "2030-01-01"];
    let output = bench.scratch.footage(list).run().expect_code(0);
    assert!(output.stderr.contains(filter), "{output}");
    let since = bench.pass(&["--since", "7", "--cron"]).expect_code(0);
    assert_eq!(since.stderr, "", "a camera that was off for a week is no news for cron");
    let keep = "nothing to extract: all 2 recordings are older than --keep 2w (newest 2018-01-01): is the camera's clock right?";
    for (options, is_said) in [(&["--cron"][..], true), (&["--cron"], false), (&["--dry-run"], true)] {
        let output = bench.pass(&[&["--keep", "2w"], options].concat()).expect_code(0);
        assert_eq!(output.stderr.contains(keep), is_said, "{output}");
    }
    // A pass that has extracted everything logs nothing about it.
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.pass(&[]).expect_code(0).stderr, "");
}

#[test]
fn since_is_an_age() {
    let (bench, _storage) = Bench::with(&["2025-09-07 00:00:00", "2037-01-01 00:00:00"]);
    bench.pass(&["--since", "7"]).expect_code(0);
    assert_eq!(bench.held(), set(["tuin/video/2037-01-01_00-00-00-tuin.mp4"]));
    // Both hold, whichever is the later.
    for from in ["2037-01-02", "2025-09-07"] {
        let list = ["hikvision", "nas", "--list", "--json", "--from", from, "--since", "7"];
        let listed = bench.scratch.footage(list).run().expect_code(0).stdout;
        assert_eq!(listed.matches("2037-01-01T").count() / 2, usize::from(from < "2037"), "{listed}");
        assert_eq!(listed.matches("2025-09-07T").count(), 0, "{listed}");
    }
    for options in [["--since", "soon"], ["--from", "yesterday"], ["--to", "2025-02-30"], ["--jobs", "0"]] {
        bench.pass(&options).expect_code(2);
    }
}

/// The camera's clock is taken to show what this machine's does. POSIX writes zones with the sign the other way round.
#[test]
fn keep_counts_in_local_time() {
    for (zone, ahead) in [("<+14>-14", 14), ("<-11>11", -11)] {
        let began = |hours: i64| Utc::now().naive_utc() + Duration::hours(ahead - hours);
        let starts = [began(13), began(11), began(-1)].map(|start| start.format("%Y-%m-%d %H:%M:%S").to_string());
        let names = starts[1..].iter().map(|start| {
            let start = start.replace(' ', "_").replace(':', "-");
            format!("tuin/video/{start}-tuin.mp4")
        });
        let names = set(names);
        let (bench, _storage) = Bench::with(&starts.each_ref().map(String::as_str));
        bench.footage(&["--since", "12h"]).env("TZ", zone).run().expect_code(0);
        assert_eq!(bench.held(), names, "{zone}");
        bench.footage(&[]).env("TZ", zone).run().expect_code(0);
        assert_eq!(bench.held().len(), 3);
        bench.footage(&["--keep", "12h"]).env("TZ", zone).run().expect_code(0);
        assert_eq!(bench.held(), names, "{zone}");
    }
}
