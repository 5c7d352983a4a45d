//! What is printed and logged, where, and when nothing is.

use serde_json::Value;

use super::{Bench, NAME, set};
use crate::support::camera::{Api, Fault, How, Times};
use crate::support::tree;

#[test]
fn without_a_terminal_a_good_pass_prints_nothing() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&[]);
    bench.quiet_pass(&[]);
}

#[test]
fn dry_run_prints_the_plan_and_changes_no_byte() {
    let bench = Bench::with(["20181028_131513_NF", "20181028_131513_NR", "20181029_080000_EF", "20181029_090000_PF"]);
    bench.put_recording("2018-10-28", "20181028_131513_NF");
    bench.put_recording("", "20181001_000000_NF");
    bench.put("2018-10-29/20181029_090000_PF.mp4.failed", chrono::Utc::now().naive_utc().to_string().replace(' ', "T"));
    let before = tree(bench.scratch.path());
    let options = ["--dry-run", "-g", "daily", "-k", "N=2w", "--protect", "20181029_080000,20181028_131513"];
    let output = bench.pass(&options).expect_code(0);
    assert_eq!(tree(bench.scratch.path()), before);
    assert_eq!(output.stderr, "");
    insta::assert_snapshot!(output.stdout, @r"
    protect 20181028_131513
    protect 20181029_080000
    remove  20181001_000000_N.3gf (expired)
    remove  20181001_000000_N.gps (expired)
    remove  20181001_000000_NF.mp4 (expired)
    remove  20181001_000000_NF.thm (expired)
    fetch   2018-10-28/20181028_131513_NR.mp4
    fetch   2018-10-28/20181028_131513_NR.thm
    fetch   2018-10-29/20181029_080000_EF.mp4
    fetch   2018-10-29/20181029_080000_EF.thm
    fetch   2018-10-29/20181029_080000_E.3gf
    fetch   2018-10-29/20181029_080000_E.gps
    fetch   2018-10-29/20181029_090000_PF.thm
    fetch   2018-10-29/20181029_090000_P.3gf
    fetch   2018-10-29/20181029_090000_P.gps
    9 files to fetch, 4 files to remove, 1 waiting for another try
    ");

    let json = bench.pass(&[&options[..], &["--json"]].concat()).expect_code(0);
    let plan: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(plan["dry_run"], true);
    assert_eq!(names(&plan, "protect"), ["20181028_131513", "20181029_080000"]);
    let removal = serde_json::json!({"step": "remove", "name": "20181001_000000_NF.mp4", "reason": "expired"});
    assert!(plan["steps"].as_array().is_some_and(|steps| steps.contains(&removal)), "{plan}");
    assert_eq!(names(&plan, "fetch").len(), 9);
    assert_eq!(tree(bench.scratch.path()), before);
}

/// What a plan is to do something with.
fn names<'a>(plan: &'a Value, step: &str) -> Vec<&'a str> {
    let steps = plan["steps"].as_array().expect("steps").iter().filter(|it| it["step"] == step);
    steps.map(|step| step["name"].as_str().expect("a name")).collect()
}

#[test]
fn dry_run_creates_no_destination_and_no_metrics() {
    let bench = Bench::with([NAME]);
    let output = bench.pass(&["--dry-run", "--metrics-file", "metrics.prom", "--lock-file", "lock"]).expect_code(0);
    assert_eq!(output.stdout.lines().count(), 5, "{output}");
    assert!(tree(bench.scratch.path()).is_empty());
    bench.camera.depart(How::Refused);
    bench.pass(&["--dry-run"]).expect_code(75);
    bench.pass(&["--dry-run", "--cron"]).expect_code(0);
    assert!(tree(bench.scratch.path()).is_empty());
}

#[test]
fn dry_run_plans_what_the_pass_does() {
    let bench = Bench::with([NAME, "20181028_131513_NR", "20181029_080000_EF"]);
    bench.put_recording("2018", "20180101_000000_NF");
    let plan: Value =
        serde_json::from_str(&bench.pass(&["-k", "E=2w,N=9999w", "--dry-run", "--json"]).stdout).expect("a plan");
    let report = bench.report(&["-k", "E=2w,N=9999w"]);
    let fetched = names(&plan, "fetch");
    assert_eq!(report["arrived_files"], fetched.len());
    assert!(set(&fetched).is_subset(&bench.held()));
}

#[test]
fn dry_run_with_verify_prints_what_it_would_fetch_again() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&[]);
    bench.put("20181028_131513_NF.mp4", "short");
    let output = bench.pass(&["--verify", "--dry-run"]).expect_code(0);
    assert!(output.stdout.contains("20181028_131513_NF.mp4"), "the plan of --verify is silent about it: {output}");
}

#[test]
fn the_json_report_counts_what_was_done() {
    let bench = Bench::with([NAME, "20181028_131613_NF", "20181028_131713_PF"]);
    bench.camera.fault("GET 131613_NF.mp4", Fault::Status(500), Times::Always);
    bench.put_recording("", "20180101_000000_NF");
    let report = bench.report(&["-k", "P=1d,9999w", "-k", "N=forever"]);
    let address = bench.camera.address();
    for (field, expected) in [
        ("pass", Value::from("dashcam")),
        ("source", Value::from(address)),
        ("exit_code", Value::from(3)),
        ("ended", Value::Null),
        ("seen_recordings", Value::from(3)),
        ("arrived_recordings", Value::from(1)),
        ("arrived_files", Value::from(7)),
        ("open_files", Value::from(0)),
        ("waiting_files", Value::from(0)),
        ("left_out_recordings", Value::from(0)),
        ("verified_files", Value::from(0)),
        ("transferred_bytes", Value::from(bench.camera.body_bytes_served())),
    ] {
        assert_eq!(report[field], expected, "{field} of {report}");
    }
    let failure = &report["failures"][0];
    assert_eq!((&failure["name"], &failure["reason"]), (&"20181028_131613_NF.mp4".into(), &"http".into()));
    assert!(failure["message"].as_str().is_some_and(|message| message.contains("500")), "{failure}");
    let now = f64::from(u32::try_from(chrono::Utc::now().timestamp()).expect("until 2106"));
    let started = report["start_timestamp_seconds"].as_f64().expect("a time");
    assert!((0.0..60.0).contains(&(now + 1.0 - started)), "{started}");
    assert!(report["duration_seconds"].as_f64() > Some(0.0));
    assert!(report["disk_used_ratio"].as_f64().is_some_and(|ratio| (0.0..=1.0).contains(&ratio)));
    // The same is kept for `status`.
    let kept = std::fs::read(bench.dest().join(".footage/dashcam.json")).expect("the report");
    assert_eq!(serde_json::from_slice::<Value>(&kept).expect("JSON"), report);
}

#[test]
fn the_report_of_a_failed_pass_has_its_error() {
    let bench = Bench::with([NAME]);
    bench.camera.depart(How::Refused);
    let report = bench.report(&[]);
    assert_eq!((&report["exit_code"], &report["ended"]["reason"]), (&75.into(), &"away".into()));
    let report = bench.report(&["--cron"]);
    assert_eq!((&report["exit_code"], &report["ended"]["reason"]), (&0.into(), &"away".into()));
}

#[test]
fn stdout_has_only_the_requested_output() {
    let bench = Bench::with([NAME, "20181028_131613_QF"]);
    bench.camera.fault("GET 131613_QF.mp4", Fault::Status(500), Times::Always);
    for options in [&["-vv"][..], &["--cron"], &["-q"]] {
        let output = bench.pass(&[options, &["--retry-failed-after", "1ms"]].concat()).expect_code(3);
        assert_eq!(output.stdout, "", "{options:?}");
    }
}

#[test]
fn log_format_json_is_one_object_a_line() {
    let bench = Bench::with([NAME, "20181028_131613_QF"]);
    bench.camera.fault("GET 131613_QF.mp4", Fault::Status(500), Times::Always);
    let output = bench.pass(&["--log-format", "json", "-vv"]).expect_code(3);
    let mut levels = std::collections::BTreeSet::new();
    for line in output.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for field in ["timestamp", "level", "logger", "message"] {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {line}");
        }
        let at = line["timestamp"].as_str().expect("a text");
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");
        levels.insert(line["level"].as_str().expect("a text").to_owned());
    }
    assert!(
        levels.is_superset(&set(["DEBUG", "INFO"])) && levels.iter().any(|level| level.starts_with("WARN")),
        "{levels:?}"
    );
}

#[test]
fn log_format_json_survives_hostile_names() {
    use crate::support::camera::Listing;
    let bench = Bench::with([NAME]);
    let listing = format!("v:1.00\r\nn:/Record/\"\\\u{1b}[2J\u{7f}é,s:1\r\nn:/Record/{NAME}.mp4,s:1\r\n");
    bench.camera.set_listing(Listing::Raw(listing.into_bytes()));
    let output = bench.pass(&["--log-format", "json"]).expect_code(0);
    assert_eq!(output.stderr.lines().count(), 1);
    serde_json::from_str::<Value>(output.stderr.trim()).expect("JSON");
}

#[test]
fn verbose_adds_levels_and_quiet_wins() {
    let lines = |options: &[&str]| {
        let bench = Bench::with([NAME, "20181028_131613_QF"]);
        bench.pass(options).expect_code(0).stderr
    };
    assert_eq!(lines(&["-q"]), "");
    assert_eq!(lines(&["-q", "-vv"]), "", "as the peer has it");
    let (plain, more, all) = (lines(&[]), lines(&["-v"]), lines(&["-vv"]));
    assert_eq!(plain.lines().count(), 1, "{plain}");
    assert!(more.contains("20181028_131513_NF.mp4: fetched"), "{more}");
    assert!(!more.contains("/accessible") && all.contains("/accessible"), "{all}");
    assert!(all.lines().count() > more.lines().count());
}

#[test]
fn quiet_still_prints_errors() {
    let bench = Bench::new(Api::Old);
    bench.camera.set_listing(crate::support::camera::Listing::Raw(b"<html>".to_vec()));
    assert!(bench.pass(&["-q"]).expect_code(1).stderr.starts_with("error: "));
    bench.camera.depart(How::Refused);
    assert_eq!(bench.pass(&["-q"]).expect_code(75).stderr, "");
}

#[test]
fn cron_logs_arrived_footage_and_nothing_else() {
    let bench = Bench::with([NAME]);
    let output = bench.pass(&["--cron"]).expect_code(0);
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.starts_with("1 recording (4 files, "), "{output}");
    bench.quiet_pass(&["--cron"]);
    for how in [How::Refused, How::Silent, How::Reset, How::Close] {
        bench.camera.depart(how);
        bench.quiet_pass(&["--cron", "-t", "0.3"]);
        bench.camera.come_back();
    }
    assert_eq!(bench.pass(&["--cron", "-q"]).expect_code(0).stderr, "");
}

#[test]
fn cron_logs_a_failed_recording_the_first_time_only() {
    let bench = Bench::with([NAME]);
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    let output = bench.pass(&["--cron"]).expect_code(3);
    assert!(output.stderr.contains("20181028_131513_NF.mp4"), "{output}");
    bench.quiet_pass(&["--cron"]);
}

#[test]
fn cron_logs_what_fails_at_every_pass_the_first_time_only() {
    // These leave no marker, so each pass tries again: that is no reason to write a mail every quarter of an hour.
    for fault in [Fault::Redirect("http://192.0.2.1/x.mp4".into()), Fault::Cut { after: 0 }] {
        let bench = Bench::with([NAME]);
        bench.camera.fault("GET .mp4", fault.clone(), Times::Always);
        let first = bench.pass(&["--cron"]);
        assert!(first.stderr.contains(NAME), "{fault:?} {first}");
        let second = bench.pass(&["--cron"]);
        assert_eq!(second.stderr, "", "{fault:?}");
    }
}

#[test]
fn cron_logs_verify_findings_the_first_time_only() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&[]);
    bench.put("20181028_131513_NF.mp4", [bench.camera.bytes("20181028_131513_NF.mp4"), vec![0; 8]].concat());
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.pass(&["--cron", "--verify"]).expect_code(3);
    assert_eq!(bench.pass(&["--cron", "--verify"]).stderr, "");
}

#[test]
fn cron_logs_failing_metrics_the_first_time_only() {
    let bench = Bench::with([NAME]);
    bench.quiet_pass(&[]);
    let options = ["--cron", "--metrics-file", "missing/metrics.prom"];
    let first = bench.pass(&options).expect_code(0);
    assert!(first.stderr.contains("metrics"), "{first}");
    assert_eq!(bench.pass(&options).expect_code(0).stderr, "");
}

#[test]
fn cron_logs_a_failing_destination_the_first_time_only() {
    let bench = Bench::with([NAME]);
    bench.put(".footage", "a file where our folder should be");
    let first = bench.pass(&["--cron"]).expect_code(1);
    assert!(first.stderr.starts_with("error: "), "{first}");
}

/// `JOURNAL_STREAM` says which stream is the journal's: it is handed down to programs that write elsewhere.
#[test]
fn systemd_journal_gets_log_levels_and_other_outputs_do_not() {
    use crate::support::Program;
    let bench = Bench::with(["20181028_131613_QF"]);
    for stream in ["8:12345", "1", ""] {
        let output = bench.footage(&["-v", "--dry-run"]).env("JOURNAL_STREAM", stream).run().expect_code(0);
        assert!(output.stderr.starts_with("warning: "), "{stream:?}: {output}");
    }
    let footage = env!("CARGO_BIN_EXE_footage");
    let command = format!(
        "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) {footage} dashcam {} -u 98 -v",
        bench.camera.address()
    );
    let output = Program::new("sh").args(["-c", &command]).current_dir(bench.scratch.path()).run().expect_code(0);
    assert!(output.stderr.starts_with("<4>") && output.stderr.contains("\n<6>"), "{output}");
}

#[test]
fn a_closed_stdout_pipe_is_no_error() {
    use crate::support::Program;
    let bench = Bench::new(Api::Old);
    bench.camera.generate(2000, 1000);
    let command = format!("{} dashcam {} --dry-run | head -1", env!("CARGO_BIN_EXE_footage"), bench.camera.address());
    let output = Program::new("sh").args(["-c", &command]).current_dir(bench.scratch.path()).run().expect_code(0);
    assert!(output.stdout.starts_with("fetch   ") && output.stderr.is_empty(), "{output}");
}
