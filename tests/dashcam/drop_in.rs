//! What the users of `blackvuesync` 2.2.0 have: their crontabs, and their destinations.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};

use super::{Bench, GROUPINGS, GROUPS, NAME, files_of};
use crate::support::camera::Api;
use crate::support::{Node, tree};

#[test]
fn every_blackvuesync_option_is_accepted_in_every_form() {
    let bench = Bench::with([NAME]);
    let metrics = bench.scratch.join("metrics.prom").display().to_string();
    let valued: &[(&str, Option<&str>, &[&str])] = &[
        ("--destination", Some("-d"), &["dest", "./dest/"]),
        ("--grouping", Some("-g"), &GROUPINGS),
        ("--keep", Some("-k"), &["9999", "9999d", "9999w", ""]),
        ("--priority", Some("-p"), &["date", "rdate", "type"]),
        ("--include", Some("-i"), &["N", "NF", "P,NF", " P , NF ,", ""]),
        ("--exclude", Some("-e"), &["P", "NR", "P,NR", ""]),
        ("--max-used-disk", Some("-u"), &["5", "90", "98"]),
        ("--timeout", Some("-t"), &["10", "10.0", "0.5"]),
        ("--retry-failed-after", None, &["1", "30s", "12h", "1d", "2w"]),
        ("--skip-metadata", None, &["t", "3", "g", "t3g", "gt", ""]),
        ("--log-format", None, &["text", "json"]),
        ("--metrics-file", None, &[&metrics]),
        ("--metrics-pushgateway-url", None, &["http://127.0.0.1:9/", "https://push.example.net"]),
        ("--metrics-job", None, &["blackvuesync", "any thing"]),
        ("--metrics-instance", None, &["dashcam"]),
        ("--metrics-state-file", None, &[&metrics]),
        ("--affinity-key", None, &["key"]),
    ];
    let address = bench.camera.address();
    let run = |arguments: &[&str]| {
        let output = bench.scratch.footage(["dashcam"]).args(arguments).args(["--dry-run", &address]).run();
        let output = output.expect_code(0);
        assert!(output.stdout.starts_with("fetch   "), "{arguments:?} {output}");
    };
    for (long, short, values) in valued {
        for value in *values {
            run(&[long, value]);
            run(&[&format!("{long}={value}")]);
            if let Some(short) = short {
                run(&[short, value]);
                if !value.is_empty() {
                    run(&[&format!("{short}{value}")]);
                }
            }
        }
    }
    for flags in
        [&["-v"][..], &["-vv"], &["-v", "-v", "-v"], &["--verbose"], &["-q"], &["--quiet"], &["-vq"], &["--cron"]]
    {
        run(flags);
    }
    assert!(!bench.dest().exists(), "these were dry runs");
}

#[test]
fn options_may_stand_before_and_after_the_address() {
    let bench = Bench::with([NAME]);
    let address = bench.camera.address();
    for arguments in [["-gweekly", "-k", "9999w", &address], [&address, "-k", "9999w", "-gweekly"]] {
        let output = bench.scratch.footage(["dashcam", "--dry-run"]).args(arguments).run().expect_code(0);
        assert!(output.stdout.contains("fetch   2018-10-22/20181028_131513_NF.mp4\n"), "{output}");
    }
}

#[test]
fn an_empty_destination_is_the_current_directory_as_in_blackvuesync() {
    let bench = Bench::with([NAME]);
    for options in [&[][..], &["-d", ""]] {
        let program = bench.scratch.footage(["dashcam", &bench.camera.address()]).env("FOOTAGE_MAX_USED_DISK", "98");
        program.args(options).run().expect_code(0);
        assert!(bench.scratch.join("20181028_131513_NF.mp4").exists(), "{options:?}");
    }
}

#[test]
fn option_abbreviations_are_accepted() {
    let bench = Bench::with([NAME]);
    let address = bench.camera.address();
    for arguments in [
        &["--dest", "dest"][..],
        &["--group", "daily"],
        &["--prio", "type"],
        &["--incl", "N"],
        &["--excl", "P"],
        &["--max", "95"],
        &["--time", "5"],
        &["--retry", "2d"],
        &["--skip", "t"],
        &["--verb"],
        &["--qui"],
        &["--log", "text"],
        &["--metrics-f", "metrics.prom"],
        &["--metrics-push=http://127.0.0.1:9"],
        &["--metrics-j", "job"],
        &["--metrics-i", "instance"],
        &["--metrics-s", "state"],
        &["--cr"],
        &["--dry"],
        &["--aff", "key"],
    ] {
        let dry = if arguments == ["--dry"] { &[][..] } else { &["--dry-run"] };
        let output = bench.scratch.footage(["dashcam", &address]).args(arguments).args(dry).run().expect_code(0);
        assert!(output.stdout.starts_with("fetch   "), "{arguments:?} {output}");
    }
}

#[test]
fn an_option_given_twice_takes_the_last_value() {
    // As for the peer: a wrapper script adds its own to what it is given.
    let bench = Bench::with([NAME]);
    for options in [&["-g", "daily", "-g", "monthly"][..], &["-t", "1", "-t", "9", "--cron", "--cron", "-g", "monthly"]]
    {
        let output = bench.scratch.footage(["dashcam", &bench.camera.address(), "--dry-run"]).args(options).run();
        assert!(output.clone().expect_code(0).stdout.contains("fetch   2018-10/20181028_131513_NF.mp4\n"), "{output}");
    }
}

#[test]
fn version_is_printed_for_the_blackvuesync_option() {
    let bench = Bench::with([NAME]);
    let output = bench.scratch.footage(["dashcam", "--version"]).run().expect_code(0);
    assert!(output.stdout.contains(env!("CARGO_PKG_VERSION")), "{output}");
}

#[test]
fn option_defaults_are_those_of_blackvuesync() {
    let help = Bench::new(Api::Old).scratch.footage(["dashcam", "--help"]).run().expect_code(0).stdout;
    for (option, expected) in [
        ("--destination", Some(".")),
        ("--grouping", Some("none")),
        ("--keep", None),
        ("--priority", Some("date")),
        ("--include", None),
        ("--exclude", None),
        ("--max-used-disk", Some("90")),
        ("--timeout", Some("10s")),
        ("--retry-failed-after", Some("1d")),
        ("--skip-metadata", None),
        ("--log-format", Some("text")),
        ("--metrics-file", None),
        ("--metrics-job", Some("blackvuesync")),
    ] {
        let (_, about) = help.split_once(&format!("{option} <")).unwrap_or_else(|| panic!("no {option} in {help}"));
        let about = about.split("\n      --").next().and_then(|about| about.split("\n  -").next()).unwrap_or(about);
        let default = about.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']')).map(|(word, _)| word);
        assert_eq!(default, expected, "{option}");
    }
}

#[test]
fn wrong_option_values_are_refused_before_any_request() {
    let bench = Bench::with([NAME]);
    for options in [
        &["-g", "hourly"][..],
        &["-k", "0"],
        &["-k", "2q"],
        &["-k", "-1"],
        &["-k", "ee=2w"],
        &["-p", "size"],
        &["-i", "NFS"],
        &["-i", "n"],
        &["-e", "N1"],
        &["-u", "4"],
        &["-u", "99"],
        &["-t", "0"],
        &["-t", "soon"],
        &["--retry-failed-after", "0"],
        &["--skip-metadata", "x"],
        &["--log-format", "xml"],
        &["--metrics-pushgateway-url", "push:9091"],
        &["--keep-bytes", "many"],
        &["--min-free", "-1"],
        &["--limit-rate", "0"],
        &["--every", "0"],
        &["--context", "-1"],
        &["--protect", "20181301_000000"],
        &["--header", "no colon"],
        &["--when-full", "explode"],
        &["--unheard-of"],
    ] {
        let output = bench.pass(options);
        assert_eq!(output.code, Some(2), "{options:?} {output}");
        assert!(output.stderr.starts_with("error: ") && output.stdout.is_empty(), "{output}");
    }
    assert!(!bench.dest().exists() && bench.camera.requests().is_empty());
}

/// A destination as the peer leaves it (2.2.0, compared with real runs): recordings and sidecars in the
/// grouping's directory, its lock and its metrics state in the destination.
fn peers_destination(bench: &Bench, group: &str, recordings: &[&str]) {
    for recording in recordings {
        bench.put_recording(group, recording);
    }
    bench.put(".blackvuesync.lock", "");
    bench.put(".blackvuesync.metrics-state.json", "{\"last_successful_file_pull_timestamp_seconds\":1540818913.5}\n");
}

#[test]
fn a_blackvuesync_destination_is_taken_over_in_all_groupings() {
    for (theirs, group) in GROUPINGS.iter().zip(GROUPS) {
        let bench = Bench::with([NAME]);
        peers_destination(&bench, group, &[NAME]);
        let before = tree(bench.dest());
        for ours in GROUPINGS {
            bench.camera.clear_log();
            bench.quiet_pass(&["-g", ours]);
            assert_eq!(bench.camera.body_bytes_served(), 0, "from {theirs} to {ours}");
        }
        let mut after = tree(bench.dest());
        after.retain(|path, _| !path.starts_with(".footage"));
        assert_eq!(after, before, "{theirs}");
    }
}

#[test]
fn blackvuesync_failed_markers_delay_retries() {
    let clock = chrono::Utc::now().naive_utc();
    let hours_ago = |hours| (clock - chrono::Duration::hours(hours)).format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    for (grouping, group) in GROUPINGS.iter().zip(GROUPS) {
        for (content, options, is_due) in [
            (hours_ago(1), &[][..], false),
            (hours_ago(25), &[], true),
            (hours_ago(25), &["--retry-failed-after", "2d"], false),
            (hours_ago(1), &["--retry-failed-after", "30m"], true),
            // Left by a clock that was ahead.
            (hours_ago(-1000), &[], true),
            (hours_ago(-87_600), &["--retry-failed-after", "2w"], true),
            ("not a time".into(), &[], true),
            (String::new(), &[], true),
        ] {
            let bench = Bench::with([NAME]);
            let marker = Path::new(group).join("20181028_131513_NF.mp4.failed");
            bench.put(&marker, &content);
            let report = bench.report(&[&["-g", grouping], options].concat());
            let arrived = bench.held().contains(&Path::new(group).join("20181028_131513_NF.mp4").display().to_string());
            assert_eq!(arrived, is_due, "{grouping} {content} {options:?} {report}");
            assert_eq!(report["waiting_files"], u8::from(!is_due), "{report}");
            assert_eq!(bench.dest().join(&marker).exists(), !is_due, "a marker goes when its file arrives");
            assert_eq!(report["exit_code"], 0);
        }
    }
}

#[test]
fn a_failed_marker_counts_in_any_grouping() {
    let bench = Bench::with([NAME]);
    bench.put("2018-10-22/20181028_131513_NF.mp4.failed", chrono::Utc::now().naive_utc().to_string().replace(' ', "T"));
    bench.quiet_pass(&["-g", "yearly"]);
    assert_eq!(bench.recordings(), [""; 0]);
    bench.quiet_pass(&["-g", "yearly", "--retry-failed-after", "1ms"]);
    assert_eq!(bench.recordings(), ["2018/20181028_131513_NF"]);
    assert!(!bench.dest().join("2018-10-22/20181028_131513_NF.mp4.failed").exists());
}

#[test]
fn failed_markers_equal_those_of_blackvuesync() {
    use crate::support::camera::{Fault, Times};
    let bench = Bench::with([NAME]);
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.pass(&["-g", "weekly"]).expect_code(3);
    let marker =
        std::fs::read_to_string(bench.dest().join("2018-10-22/20181028_131513_NF.mp4.failed")).expect("a marker");
    let failed: chrono::NaiveDateTime = marker.parse().expect("what Python's fromisoformat reads");
    assert!((chrono::Utc::now().naive_utc() - failed).num_seconds() < 60, "{marker}");
}

#[test]
fn failed_markers_of_missing_sidecars_are_removed() {
    let bench = Bench::with([NAME]);
    for sidecar in ["NF.thm", "N.gps", "N.3gf"] {
        bench.camera.remove(&format!("20181028_131513_{sidecar}"));
        bench.put(format!("20181028_131513_{sidecar}.failed"), "2018-10-29T13:15:13.123456");
    }
    bench.quiet_pass(&[]);
    assert_eq!(bench.held(), BTreeSet::from(["20181028_131513_NF.mp4".to_owned()]));
}

#[test]
fn the_blackvuesync_lock_is_respected_and_never_created() {
    let bench = Bench::with([NAME]);
    peers_destination(&bench, "", &[]);
    let path = bench.dest().join(".blackvuesync.lock");
    let lock = File::options().write(true).open(&path).expect("the peer's lock file");
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).expect("no other process holds it");
    let output = bench.pass(&[]).expect_code(75);
    assert!(output.stderr.contains("another pass holds") && output.stderr.contains(".blackvuesync.lock"), "{output}");
    bench.quiet_pass(&["--cron"]);
    assert!(bench.camera.requests().is_empty() && bench.recordings().is_empty());
    drop(lock);
    bench.quiet_pass(&[]);
    assert_eq!(bench.recordings(), [NAME]);

    let fresh = Bench::with([NAME]);
    fresh.quiet_pass(&[]);
    assert_eq!(fresh.held(), files_of("", NAME));
}

#[test]
fn last_arrival_timestamp_is_taken_over_from_blackvuesync() {
    let bench = Bench::with([NAME]);
    peers_destination(&bench, "", &[NAME]);
    assert_eq!(bench.report(&[])["last_arrival_timestamp_seconds"], 1_540_818_913.5);
    // Our own report has it now: the peer's file is not needed any more.
    std::fs::remove_file(bench.dest().join(".blackvuesync.metrics-state.json")).expect("removed");
    assert_eq!(bench.report(&[])["last_arrival_timestamp_seconds"], 1_540_818_913.5);

    let state = bench.scratch.write("state.json", r#"{"last_successful_file_pull_timestamp_seconds": 1500000000}"#);
    let options = ["--metrics-state-file", &state.display().to_string()];
    assert_eq!(bench.report(&options)["last_arrival_timestamp_seconds"], 1_500_000_000.0);
    bench.add(["20181029_131513_NF"]);
    let fetched = bench.report(&options)["last_arrival_timestamp_seconds"].as_f64().expect("a time");
    assert!(fetched > 1_540_818_913.5);
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&state).expect("the state")).expect("the peer's JSON");
    assert_eq!(written["last_successful_file_pull_timestamp_seconds"].as_f64(), Some(fetched));
}

#[test]
fn a_broken_blackvuesync_state_is_ignored() {
    for broken in ["", "{", "[]", r#"{"last_successful_file_pull_timestamp_seconds":"yesterday"}"#] {
        let bench = Bench::with([NAME]);
        bench.put(".blackvuesync.metrics-state.json", broken);
        assert_eq!(bench.report(&["--dry-run"])["dry_run"], true);
        assert_eq!(bench.report(&[])["arrived_recordings"], 1, "{broken}");
    }
}

#[test]
fn a_blackvuesync_partial_is_not_taken_for_a_complete_file() {
    let bench = Bench::with([NAME]);
    bench.put(".20181028_131513_NF.mp4", b"the beginning of something");
    bench.quiet_pass(&[]);
    bench.assert_like_camera("");
}

#[test]
fn the_blackvuesync_affinity_header_is_sent() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&["--affinity-key", "a test"]);
    let requests = bench.camera.requests();
    assert!(requests.len() > 4 && requests.iter().all(|request| request.header("X-Affinity-Key") == Some("a test")));
}

#[test]
fn blackvuesync_state_files_are_not_changed() {
    let bench = Bench::with([NAME]);
    peers_destination(&bench, "2018-10", &["20180101_000000_EF"]);
    let before = tree(bench.dest());
    bench.quiet_pass(&["-k", "9999w"]);
    let after = tree(bench.dest());
    assert!(before.iter().all(|(path, node)| after.get(path) == Some(node) || *node == Node::Dir));
}
