//! What goes, what stays, and that it does not come back.

use std::fs;

use chrono::{Days, Utc};

use crate::support::bench::{Bench, clip, set};
use crate::support::hikvision::Model;

fn days_ago(days: u64) -> String {
    Utc::now().date_naive().checked_sub_days(Days::new(days)).unwrap().to_string()
}

#[test]
fn keep_removes_by_recording_time_and_nothing_is_extracted_again() {
    let (old, new) = (days_ago(40), days_ago(5));
    let (bench, _storage) = Bench::with(&[&format!("{old} 14:00:15"), &format!("{new} 14:00:15")]);
    bench.pass(&[]).expect_code(0);
    let name = |day: &str| format!("tuin/video/{day}_14-00-15-tuin.mp4");
    assert_eq!(bench.held(), set([name(&old), name(&new)]));

    // The file's own time is the recording's, and does not matter.
    let file = fs::File::options().write(true).open(bench.dest().join(name(&old))).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    let report = bench.report(0, &["--keep", "30d"]);
    assert_eq!(report["removed_files"]["expired"], 1, "{report}");
    assert_eq!(report["arrived_files"], 0, "{report}");
    assert_eq!(bench.held(), set([name(&new)]));
    let report = bench.report(0, &["--keep", "30d"]);
    assert_eq!((&report["arrived_files"], &report["selected_recordings"]), (&0.into(), &1.into()), "{report}");
    // Without --keep it may come back: the camera still has it.
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held(), set([name(&old), name(&new)]));
}

#[test]
fn keep_never_removes_foreign_files() {
    let (bench, _storage) = Bench::with(&[&format!("{} 14:00:15", days_ago(1))]);
    let strangers = [
        "notes.txt",
        "tuin/video/2001-01-01_00-00-00-oprit.mp4",
        "tuin/video/2001-01-01_00-00-00-tuin.mp4.bak",
        "tuin/video/2001-01-01_00-00-00-tuin.jpg",
        "tuin/images/2001-01-01_00-00-00-tuin-1.jpg",
        "tuin/2001-01-01_00-00-00-tuin.mp4",
        "oprit/video/2001-01-01_00-00-00-oprit.mp4",
        "tuin/video/.2001-01-01_00-00-00-oprit.mp4.part",
    ];
    for stranger in strangers {
        bench.scratch.write(format!("dest/{stranger}"), "mine");
    }
    bench.scratch.write("dest/tuin/video/2001-01-01_00-00-00-tuin.mp4", "ours and old");
    bench.scratch.write("dest/tuin/video/.2001-01-01_00-00-00-tuin.mp4.part", "of a killed pass");
    let report = bench.report(0, &["--keep", "30"]);
    assert_eq!(report["removed_files"]["expired"], 1, "{report}");
    let mut left = set(strangers);
    left.insert(format!("tuin/video/{}_14-00-15-tuin.mp4", days_ago(1)));
    assert_eq!(bench.held(), left);
}

#[test]
fn keep_follows_no_symlink_out_of_the_destination() {
    let (bench, _storage) = Bench::with(&[&format!("{} 14:00:15", days_ago(1))]);
    let outside = bench.scratch.join("outside");
    fs::create_dir_all(outside.join("video")).unwrap();
    fs::write(outside.join("video/2001-01-01_00-00-00-tuin.mp4"), "theirs").unwrap();
    fs::create_dir(bench.dest()).unwrap();
    std::os::unix::fs::symlink(&outside, bench.dest().join("tuin")).unwrap();
    let report = bench.report(3, &["--keep", "30d"]);
    assert_eq!(report["failures"][0]["reason"], "refused", "{report}");
    assert_eq!(crate::support::bench::files(&outside), set(["video/2001-01-01_00-00-00-tuin.mp4"]));
}

#[test]
fn keep_counts_recordings_from_the_future_as_new() {
    let (bench, mut storage) = Bench::with(&["2037-09-07 14:00:15"]);
    storage.record(&clip(), &format!("{} 14:00:15", days_ago(1)));
    bench.pass(&["--keep", "1h"]).expect_code(0);
    assert_eq!(bench.held(), set(["tuin/video/2037-09-07_14-00-15-tuin.mp4"]));
}

#[test]
fn keep_with_a_bare_m_removes_nothing() {
    let (bench, _storage) = Bench::with(&[&format!("{} 14:00:15", days_ago(40))]);
    bench.pass(&[]).expect_code(0);
    let before = bench.held();
    for output in [bench.pass(&["--keep", "2m"]), bench.footage(&[]).env("FOOTAGE_KEEP", "2m").run()] {
        let output = output.expect_code(2);
        assert!(output.stderr.contains("2min") && output.stderr.contains("60d"), "{output}");
    }
    bench.pass(&["--min-free", "10"]).expect_code(2);
    assert_eq!(bench.held(), before);
}

#[test]
fn cron_logs_removals_of_each_camera() {
    let old = |time: &str| format!("{} {time}", days_ago(40));
    let (bench, _storage) = Bench::with(&[&old("14:00:15"), &old("14:10:15"), &old("14:20:15")]);
    bench.camera("oprit", Model::default()).record(&clip(), &old("14:00:15"));
    bench.pass(&[]).expect_code(0);
    let output = bench.pass(&["--keep", "30d", "--cron"]).expect_code(0);
    let lines = output.removals();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(lines[0].contains("oprit/video/") && lines[1].contains("tuin: 3 files"), "{output}");
    assert!(lines.iter().all(|line| line.contains("expired")), "{output}");
    bench.pass(&["--keep", "30d", "--cron"]).expect_silence();
}
