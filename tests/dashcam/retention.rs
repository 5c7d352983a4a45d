//! Removal by age, protection, and files that are never touched. (`room` has evictions for space.)

use std::os::unix::fs::symlink;
use std::path::Path;

use chrono::{Datelike, NaiveDate};

use super::{Bench, GROUPINGS, ago, files_of, on_one_day, set};
use crate::support::camera::{Api, How};
use crate::support::{Node, Scratch, tree};

/// The group directory of a recording by the peer's rules, worked out apart from the program.
fn group(grouping: &str, recording: &str) -> String {
    let date = NaiveDate::parse_from_str(&recording[..8], "%Y%m%d").expect("a date");
    match grouping {
        "daily" => date.to_string(),
        "weekly" => (date - chrono::Duration::days(date.weekday().num_days_from_monday().into())).to_string(),
        "monthly" => date.format("%Y-%m").to_string(),
        "yearly" => date.format("%Y").to_string(),
        _ => String::new(),
    }
}

#[test]
fn keep_counts_days_as_blackvuesync_does() {
    on_one_day(|today| {
        let first = |days| ago(today, days, "000000") + "_NF";
        let last = |days| ago(today, days, "235959") + "_NF";
        for (keep, days) in [("14", 14), ("14d", 14), ("2w", 14), ("1", 1), ("1d", 1), ("1w", 7)] {
            let bench = Bench::new(Api::Old);
            for recording in [first(days), last(days), last(days + 1), first(days + 1), first(0)] {
                bench.put_recording("", &recording);
            }
            let report = bench.report(&["-k", keep]);
            assert_eq!(bench.recordings(), [first(days), last(days), first(0)], "{keep}");
            assert_eq!(report["removed_files"], serde_json::json!({"expired": 8}), "with all sidecars");
            assert_eq!(bench.held().len(), 12, "sidecars of what stays stay");
        }
    });
}

#[test]
fn keep_below_a_day_counts_hours() {
    let now = chrono::Utc::now().naive_utc();
    let name = |hours| (now - chrono::Duration::hours(hours)).format("%Y%m%d_%H%M%S_NF").to_string();
    let bench = Bench::new(Api::Old);
    for hours in [1, 35, 37] {
        bench.put_recording("", &name(hours));
    }
    bench.quiet_pass(&["-k", "36h"]);
    assert_eq!(bench.recordings(), [name(35), name(1)]);
}

#[test]
fn keep_has_an_age_for_each_type() {
    let rules: [&[&str]; 3] = [
        &["-k", "2w", "-k", "E=90d", "-k", "M=forever"],
        &["-k", "M=forever,E=90d,2w"],
        &["-k", "E=1d", "-k", "E=90d", "--keep=2w", "--keep=M=forever"],
    ];
    for options in rules {
        on_one_day(|today| {
            let bench = Bench::new(Api::Old);
            for days in [1, 20, 80, 100, 4000] {
                for kind in ["NF", "EF", "MF"] {
                    bench.put_recording("", &format!("{}_{kind}", ago(today, days, "120000")));
                }
            }
            bench.quiet_pass(options);
            let left: Vec<_> = bench.recordings().iter().map(|name| name[16..].to_owned()).collect();
            let of = |kind: &str| left.iter().filter(|left| *left == kind).count();
            assert_eq!((of("NF"), of("EF"), of("MF")), (1, 3, 5), "{options:?}");
        });
    }
    // Without a general rule the other types stay.
    let bench = Bench::new(Api::Old);
    bench.put_recording("", "20180101_000000_NF");
    bench.put_recording("", "20180101_000000_EF");
    bench.quiet_pass(&["-k", "E=90d"]);
    assert_eq!(bench.recordings(), ["20180101_000000_NF"]);
}

#[test]
fn without_keep_nothing_is_removed() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("2000-01", "20000101_000000_NF");
    let before = bench.held();
    bench.quiet_pass(&[]);
    bench.quiet_pass(&["-k", ""]);
    bench.quiet_pass(&["-k", "forever"]);
    assert_eq!(bench.held(), before);
}

#[test]
fn retention_reaches_all_layouts_whatever_the_grouping_of_today() {
    for today in GROUPINGS {
        let bench = Bench::new(Api::Old);
        for (place, grouping) in GROUPINGS.iter().enumerate() {
            let recording = format!("201810{:02}_131513_NF", 10 + place);
            bench.put_recording(&group(grouping, &recording), &recording);
            bench.put(Path::new(&group(grouping, &recording)).join(format!(".{recording}.mp4.part")), "half");
            bench.put(Path::new(&group(grouping, &recording)).join(format!("{recording}.mp4.failed")), "");
        }
        bench.quiet_pass(&["-k", "2w", "-g", today]);
        assert_eq!(bench.held(), set([""; 0]), "{today}");
        let mut left = tree(bench.dest());
        left.retain(|path, _| !path.starts_with(".footage"));
        assert!(left.is_empty(), "empty directories go too: {left:?}");
    }
}

#[test]
fn retention_never_removes_foreign_files() {
    for grouping in GROUPINGS {
        let bench = Bench::new(Api::Old);
        let old = "20180101_000000_NF";
        for grouping in GROUPINGS {
            bench.put_recording(&group(grouping, old), old);
        }
        let expired = bench.held();
        for name in [
            "20200101_000000_Notes.txt",
            "20180101_000000_NF.mp4.bak",
            "20180101_000000_NF.MP4",
            "20180101_000000_NF.mp4.failed.bak",
            "20180101_000000_nf.mp4",
            "20180101_000000_NF (copy).mp4",
            "20180101_000000_NF",
            "20180101_000000.txt",
            "20180101_000000_N.gpx",
            "20181301_000000_NF.mp4",
            ".20180101_000000_NF.mp4.swp",
            "holiday.mp4",
        ] {
            for dir in ["", "2018", "2018-01", "2018-01-01", "2017/07", "@eaDir", "2018/@eaDir", "Events", "#recycle"] {
                bench.put(Path::new(dir).join(name), "mine");
            }
        }
        // Recordings that the user sorted into folders of their own.
        for dir in ["Events", "2018/Events", "@eaDir", "20180101", "2018-1", "2018-01-01 holiday", ".trash"] {
            bench.put(Path::new(dir).join("20180101_000000_NF.mp4"), "mine");
        }
        // A directory with the name of a recording, and one that a careless tool takes for a group.
        bench.put("20180101_000000_EF.mp4/inside", "mine");
        bench.put("2019/letter.txt", "mine");
        std::fs::create_dir(bench.dest().join("2020")).expect("an empty folder of the user's");
        let mut before = tree(bench.dest());
        bench.quiet_pass(&["-k", "2w", "-g", grouping]);
        let mut after = tree(bench.dest());
        after.retain(|path, _| !path.starts_with(".footage"));
        for name in expired {
            assert!(before.remove(Path::new(&name)).is_some());
        }
        assert_eq!(after, before, "{grouping}");
    }
}

#[test]
fn retention_follows_no_symlinks() {
    let bench = Bench::new(Api::Old);
    let elsewhere = Scratch::new();
    elsewhere.write("20180101_000000_NF.mp4", "mine");
    let before = tree(elsewhere.path());
    std::fs::create_dir(bench.dest()).expect("the destination");
    symlink(elsewhere.path(), bench.dest().join("2018-01")).expect("a link to a directory");
    bench.quiet_pass(&["-k", "2w"]);
    assert_eq!(tree(elsewhere.path()), before);
    assert!(bench.dest().join("2018-01").is_symlink());
}

#[test]
fn a_symlink_to_a_moved_recording_is_kept_and_counts_as_fetched() {
    let bench = Bench::with(["20180101_000000_NF"]);
    let elsewhere = Scratch::new();
    let target = elsewhere.write("20180101_000000_NF.mp4", "mine");
    std::fs::create_dir(bench.dest()).expect("the destination");
    let link = bench.dest().join("20180101_000000_NF.mp4");
    symlink(&target, &link).expect("a link");
    bench.quiet_pass(&["--skip-metadata", "t3g"]);
    assert_eq!(bench.asked(), [""; 0]);
    bench.quiet_pass(&["-k", "2w"]);
    assert_eq!(std::fs::read(&target).expect("still there"), b"mine");
    assert!(link.is_symlink(), "the user made it, and retention does not touch what the user made");
}

#[test]
fn recordings_removed_by_keep_are_not_fetched_again() {
    on_one_day(|today| {
        let (old, new) = (ago(today, 30, "120000") + "_NF", ago(today, 1, "120000") + "_NF");
        let bench = Bench::with([&old, &new]);
        bench.quiet_pass(&[]);
        assert_eq!(bench.recordings(), [old.as_str(), &new]);
        bench.camera.clear_log();
        for _ in 0..2 {
            bench.quiet_pass(&["-k", "2w"]);
            assert_eq!(bench.recordings(), [new.as_str()]);
        }
        assert_eq!(bench.camera.requests_for(&old[..15]).len(), 0);
        let never_here = Bench::with([&old, &new]);
        never_here.quiet_pass(&["-k", "2w"]);
        assert_eq!(never_here.recordings(), [new.as_str()]);
    });
}

#[test]
fn retention_is_due_also_while_the_camera_is_away() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("2018-01", "20180101_000000_NF");
    bench.camera.depart(How::Refused);
    bench.pass(&["-k", "2w"]).expect_code(75);
    assert_eq!(bench.held(), set([""; 0]));
    bench.put_recording("2018-01", "20180101_000000_NF");
    bench.quiet_pass(&["-k", "2w", "--cron"]);
    assert_eq!(bench.held(), set([""; 0]));
}

#[test]
fn keep_counts_recordings_from_the_future_as_new() {
    let bench = Bench::with(["20370101_000000_NF"]);
    bench.quiet_pass(&["-k", "1d"]);
    bench.quiet_pass(&["-k", "1h"]);
    assert_eq!(bench.recordings(), ["20370101_000000_NF"]);
}

#[test]
fn retention_keeps_protected_types() {
    let bench = Bench::new(Api::Old);
    for recording in ["20180101_000000_NF", "20180101_000000_NR", "20180101_000100_EF", "20180101_000200_MF"] {
        bench.put_recording("2018", recording);
    }
    bench.quiet_pass(&["-k", "2w", "--protect", "E,NF"]);
    // The front view protects what belongs to it: the rear view and the track that both share.
    let expected = &files_of("2018", "20180101_000000_NF") | &files_of("2018", "20180101_000100_EF");
    let expected = &expected | &files_of("2018", "20180101_000000_NR");
    assert_eq!(bench.held(), expected);
    bench.quiet_pass(&["-k", "2w", "--protect", "E"]);
    assert_eq!(bench.held(), files_of("2018", "20180101_000100_EF"));
    bench.quiet_pass(&["-k", "2w"]);
    assert_eq!(bench.held(), set([""; 0]), "a type is protected only while the option says so");
}

#[test]
fn protect_writes_a_permanent_marker() {
    for word in ["20180101_000000", "20180101_000000_NF.mp4"] {
        let bench = Bench::new(Api::Old);
        bench.put_recording("2018-01", "20180101_000000_NF");
        bench.put_recording("2018-01", "20180101_000100_NF");
        bench.quiet_pass(&["--protect", word]);
        let marker = bench.dest().join("2018-01/20180101_000000.protected");
        assert!(marker.exists(), "beside its recording");
        let left = &files_of("2018-01", "20180101_000000_NF") | &set(["2018-01/20180101_000000.protected"]);
        for _ in 0..2 {
            bench.quiet_pass(&["-k", "2w"]);
            assert_eq!(bench.held(), left);
        }
        bench.quiet_pass(&["--keep-bytes", "1B", "--when-full", "delete-oldest", "-g", "daily"]);
        assert_eq!(bench.held(), left, "neither does it go for room");
        std::fs::remove_file(marker).expect("the way to release it");
        bench.quiet_pass(&["-k", "2w"]);
        assert_eq!(bench.held(), set([""; 0]));
    }
}

#[test]
fn a_protected_recording_is_fetched_although_it_is_older_than_keep() {
    let bench = Bench::with(["20180101_000000_NF", "20180101_000100_NF"]);
    bench.quiet_pass(&["-k", "2w", "--protect", "20180101_000000"]);
    assert_eq!(bench.recordings(), ["20180101_000000_NF"]);
}

#[test]
fn dry_run_with_protect_prints_the_marker_and_writes_none() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("", "20180101_000000_NF");
    let before = tree(bench.dest());
    let output = bench.pass(&["--protect", "20180101_000000", "--dry-run"]).expect_code(0);
    assert!(output.stdout.starts_with("protect 20180101_000000\n"), "{output}");
    assert_eq!(tree(bench.dest()), before);
}

#[test]
fn a_protect_time_without_a_recording_is_a_warning() {
    // A user who mistypes a time would believe the recording safe, and lose it.
    let bench = Bench::with(["20180101_000000_NF"]);
    let output = bench.pass(&["--protect", "20180101_000001"]).expect_code(0);
    assert!(output.stderr.contains("20180101_000001"), "{output}");
}

#[test]
fn keep_removes_a_recording_from_both_of_its_directories() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("", "20180101_000000_NF");
    bench.put_recording("2018", "20180101_000000_NF");
    bench.quiet_pass(&["-k", "2w"]);
    assert_eq!(bench.held(), set([""; 0]));
    assert!(!tree(bench.dest()).contains_key(Path::new("2018")));
}

#[test]
fn retention_ignores_modification_times() {
    let bench = Bench::new(Api::Old);
    let recent = format!("{}_NF", ago(super::today(), 2, "120000"));
    bench.put_recording("", &recent);
    bench.put_recording("", "20180101_000000_NF");
    let ancient = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for (path, node) in tree(bench.dest()) {
        if matches!(node, Node::File { .. }) && path.display().to_string().starts_with(&recent[..15]) {
            let file = std::fs::File::options().write(true).open(bench.dest().join(path)).expect("our own file");
            file.set_modified(ancient).expect("its time is set");
        }
    }
    bench.quiet_pass(&["-k", "2w"]);
    assert_eq!(bench.recordings(), [recent]);
}

#[test]
fn each_removal_is_logged_with_its_reason() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("2018-01", "20180101_000000_NF");
    let plan = bench.pass(&["-k", "2w", "--dry-run"]).expect_code(0);
    assert!(plan.stdout.contains("remove  2018-01/20180101_000000_NF.mp4 (expired)\n"), "{plan}");
    let output = bench.pass(&["-k", "2w", "-v"]).expect_code(0);
    assert!(output.stderr.contains("20180101_000000_NF.mp4: removed (expired)\n"), "{output}");
}

#[test]
fn keep_with_a_bare_m_and_keep_bytes_without_a_unit_remove_nothing() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("", "20180101_000000_NF");
    let before = bench.held();
    for (option, variable, value, readings) in [
        ("--keep", "FOOTAGE_KEEP", "2m", ["2min", "60d"]),
        ("--keep", "FOOTAGE_KEEP", "2w,E=3m", ["3min", "90d"]),
        ("--keep-bytes", "FOOTAGE_KEEP_BYTES", "500", ["500B", "500GB"]),
        ("--min-free", "FOOTAGE_MIN_FREE", "10", ["10B", "10GB"]),
        ("--keep", "FOOTAGE_KEEP", "5s", ["36h", "2w"]),
        ("--keep", "FOOTAGE_KEEP", "0", ["forever", "everything"]),
        ("--keep-bytes", "FOOTAGE_KEEP_BYTES", "0GB", ["nothing", "everything"]),
    ] {
        for output in [bench.pass(&[option, value]), bench.footage(&[]).env(variable, value).run()] {
            let output = output.expect_code(2);
            assert!(readings.iter().all(|reading| output.stderr.contains(reading)), "{output}");
            assert!(output.stderr.contains(option), "{output}");
        }
    }
    assert_eq!(bench.held(), before);
    // A bare number is days, as it always was, and M is months.
    for keep in ["14", "2w", "30min", "2M"] {
        bench.put_recording("", "20180101_000000_NF");
        bench.quiet_pass(&["--keep", keep]);
        assert_eq!(bench.held(), set([""; 0]), "{keep}");
    }
}

#[test]
fn cron_logs_removals_in_one_line_for_each_reason() {
    let old = ["20180101_000000_NF", "20180102_000000_NF", "20180103_000000_NF"];
    let with_old = || {
        let bench = Bench::new(Api::Old);
        for recording in old {
            bench.put_recording("", recording);
        }
        bench
    };
    for options in [&["--keep", "2w", "--cron"][..], &["--keep", "2w"]] {
        let output = with_old().pass(options).expect_code(0);
        let [line] = output.removals()[..] else { panic!("one line: {output}") };
        for part in ["12 files", "expired", "20180101_000000_N", "20180103_000000_NF", " kB: "] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let bench = with_old();
    let output = bench.pass(&["--keep", "2w", "--cron", "-v"]).expect_code(0);
    assert_eq!(output.removals().len(), 12, "{output}");
    // What is normal is silent, and so is --quiet.
    bench.pass(&["--keep", "2w", "--cron"]).expect_silence();
    with_old().pass(&["--keep", "2w", "--cron", "--quiet"]).expect_silence();
    // Also while the camera is away.
    let bench = with_old();
    bench.camera.depart(How::Refused);
    let output = bench.pass(&["--keep-bytes", "1B", "--cron"]).expect_code(0);
    assert!(matches!(output.removals()[..], [line] if line.contains("over-quota")), "{output}");
}
