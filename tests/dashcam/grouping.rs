//! Into which directory a recording goes.

use std::os::unix::fs::symlink;

use super::{Bench, GROUPINGS, GROUPS, NAME, files_of};
use crate::support::camera::{Fault, Times};
use crate::support::{Scratch, tree};

#[test]
fn grouping_directories_are_those_of_blackvuesync() {
    for (grouping, group) in GROUPINGS.iter().zip(GROUPS) {
        let bench = Bench::with([NAME]);
        bench.quiet_pass(&["--grouping", grouping]);
        assert_eq!(bench.held(), files_of(group, NAME), "{grouping}");
        bench.assert_like_camera(group);
    }
}

#[test]
fn grouping_weekly_begins_on_monday_also_across_years() {
    let bench = Bench::with(["20181231_000000_NF", "20190106_235959_NF", "20190107_000000_NF", "20200301_120000_NF"]);
    bench.quiet_pass(&["-g", "weekly"]);
    assert_eq!(
        bench.recordings(),
        [
            "2018-12-31/20181231_000000_NF",
            "2018-12-31/20190106_235959_NF",
            "2019-01-07/20190107_000000_NF",
            "2020-02-24/20200301_120000_NF",
        ]
    );
}

#[test]
fn a_change_of_grouping_downloads_nothing_again() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&["-g", "daily"]);
    let before = tree(bench.dest());
    bench.camera.clear_log();
    for grouping in GROUPINGS {
        bench.quiet_pass(&["-g", grouping]);
    }
    assert_eq!(bench.camera.requests_for("20181028").len(), 0);
    let (mut before, mut after) = (before, tree(bench.dest()));
    for nodes in [&mut before, &mut after] {
        nodes.retain(|path, _| !path.starts_with(".footage"));
    }
    assert_eq!(after, before, "nothing is moved either, nor is a directory made");
}

#[test]
fn new_recordings_follow_the_new_grouping_and_sidecars_their_recording() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&["-g", "daily", "--skip-metadata", "t3g"]);
    bench.add(["20181029_131513_NF"]);
    bench.quiet_pass(&["-g", "monthly"]);
    let expected = &files_of("2018-10-28", NAME) | &files_of("2018-10", "20181029_131513_NF");
    assert_eq!(bench.held(), expected);
}

#[test]
fn a_partial_is_resumed_in_another_grouping() {
    let bench = Bench::with([NAME]);
    bench.camera.fault("GET .mp4", Fault::Cut { after: 0 }, Times::Always);
    bench.camera.fault("GET .mp4", Fault::Cut { after: 80_000 }, Times::Nth(1));
    bench.pass(&["-g", "daily", "--skip-metadata", "t3g"]).expect_code(3);
    assert_eq!(bench.recordings(), [""; 0]);
    bench.camera.clear_faults();
    bench.camera.clear_log();
    bench.quiet_pass(&["-g", "yearly"]);
    assert_eq!(bench.camera.requests_for("GET .mp4")[0].range_start, Some(80_000 - 256));
    bench.assert_like_camera("2018");
    assert_eq!(bench.held(), files_of("2018", NAME), "no partial is left");
}

#[test]
fn sidecars_and_a_later_video_share_one_group_directory() {
    let bench = Bench::with([NAME]);
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.pass(&["-g", "daily"]).expect_code(3);
    bench.camera.clear_faults();
    bench.quiet_pass(&["-g", "yearly", "--retry-failed-after", "1ms"]);
    let held = bench.held();
    let apart = format!("its sidecars stand in one directory, its video in another: {held:?}");
    assert!(held == files_of("2018-10-28", NAME) || held == files_of("2018", NAME), "{apart}");
}

#[test]
fn a_symlink_in_place_of_a_group_directory_is_not_followed() {
    let bench = Bench::with([NAME]);
    let elsewhere = Scratch::new();
    std::fs::create_dir(bench.dest()).expect("the destination");
    symlink(elsewhere.path(), bench.dest().join("2018")).expect("a link");
    bench.add(["20190101_000000_NF"]);
    let output = bench.pass(&["-g", "yearly"]).expect_code(3);
    assert!(output.stderr.contains("dest/2018") && output.stderr.contains("link"), "{output}");
    assert!(tree(elsewhere.path()).is_empty());
    assert_eq!(bench.recordings(), ["2019/20190101_000000_NF"], "the rest goes on");
}

#[test]
fn a_destination_that_is_a_symlink_is_its_target() {
    let bench = Bench::with([NAME]);
    let elsewhere = Scratch::new();
    symlink(elsewhere.path(), bench.dest()).expect("a link");
    bench.quiet_pass(&["-g", "daily"]);
    assert_eq!(super::files(elsewhere.path()), files_of("2018-10-28", NAME));
}
