//! How a pass is run: again and again, slowly, with settings from the environment.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Bench, NAME, SOON, files_of};
use crate::support::Program;
use crate::support::camera::{Api, Camera, How, Request};

#[test]
fn every_repeats_a_pass_until_it_is_stopped() {
    let bench = Bench::with([NAME]);
    let running = bench.footage(&["--every", "50ms", "--json"]).spawn();
    let listings = |count: usize| {
        move |log: &[Request]| log.iter().filter(|request| request.path.contains("vod.cgi")).count() >= count
    };
    bench.camera.wait_for(listings(3), SOON);
    // What arrives meanwhile is fetched, and the camera may come and go.
    bench.add(["20181029_131513_NF"]);
    running.wait_for_stdout("\"arrived_recordings\":1,\"arrived_files\":4", SOON);
    bench.camera.depart(How::Refused);
    running.wait_for_stdout("\"exit_code\":75", SOON);
    bench.camera.clear_log();
    bench.camera.come_back();
    bench.camera.wait_for(listings(2), SOON);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(2)).expect_code(143);
    assert!(output.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{output}");
    assert_eq!(bench.held(), &files_of("", NAME) | &files_of("", "20181029_131513_NF"));
}

#[test]
fn every_without_a_unit_asks_for_one() {
    let bench = Bench::with([NAME]);
    for (every, is_asked) in [("10", true), ("10s", false), ("900", false)] {
        let running = bench.footage(&["--json"]).env("FOOTAGE_EVERY", every).spawn();
        running.wait_for_stdout("\"exit_code\":0", SOON);
        running.term();
        let output = running.wait_timeout(SOON).expect_code(143);
        assert_eq!(output.stderr.contains("--every 10 is 10 seconds: write 10m for minutes"), is_asked, "{output}");
    }
}

#[test]
fn limit_rate_without_a_unit_is_refused_where_it_is_tiny() {
    let bench = Bench::with([NAME]);
    for rate in ["500", "06:00,512 23:00,off"] {
        let output = bench.pass(&["--limit-rate", rate]).expect_code(2);
        assert!(output.stderr.contains("K for kB"), "{output}");
    }
    bench.quiet_pass(&["--limit-rate", "512000"]);
}

#[test]
fn an_unknown_footage_variable_is_logged_without_its_value() {
    let bench = Bench::with([NAME]);
    let temporary = bench.scratch.join("tmp");
    std::fs::create_dir(&temporary).expect("made");
    let pass = |options: &[&str]| {
        let set = [("FOOTAGE_KEPP", "hunter22"), ("FOOTAGE_EVERY", ""), ("FOOTAGE_SEGMENT_PATH", "x")];
        let program = set.iter().fold(bench.footage(options), |program, (name, value)| program.env(name, value));
        program.env("TMPDIR", &temporary).env("FOOTAGE_SERVICE_HOST", "10.0.0.1").run()
    };
    let named = "unknown variable, which footage ignores: FOOTAGE_KEPP (did you mean FOOTAGE_KEEP?)";
    for (options, is_named) in [(&[][..], true), (&[], true), (&["--cron"], true), (&["--cron"], false)] {
        let output = pass(options).expect_code(0);
        assert_eq!(output.stderr.contains(named), is_named, "{options:?}: {output}");
        assert!(!format!("{output}").contains("hunter22") && !output.stderr.contains("SERVICE"), "{output}");
    }
    // Gone, it is news again.
    bench.footage(&["--cron"]).env("TMPDIR", &temporary).run().expect_silence();
    assert!(pass(&["--cron"]).stderr.contains(named));
    let output = bench.scratch.footage(["dashcam"]).env("FOOTAGE_ADRESS", "cam").run().expect_code(2);
    assert!(output.stderr.contains("did you mean FOOTAGE_ADDRESS?"), "{output}");
}

#[test]
fn a_signal_ends_the_pause_of_every_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let bench = Bench::with([NAME]);
        let running = bench.footage(&["--every", "15m", "--json"]).spawn();
        running.wait_for_stdout("\"exit_code\":0", SOON);
        running.signal(signal);
        running.wait_timeout(Duration::from_secs(2)).expect_code(code);
    }
}

#[test]
fn sighup_is_ignored_under_nohup() {
    let bench = Bench::with([NAME]);
    let gate = bench.camera.hold("GET .mp4", 1000);
    let command = format!("exec {} dashcam {} -d dest -u 98", env!("CARGO_BIN_EXE_footage"), bench.camera.address());
    let nohup = Program::new("sh").args(["-c", &format!("trap '' HUP; {command}")]);
    let running = nohup.current_dir(bench.scratch.path()).spawn();
    gate.wait_reached(SOON);
    running.signal(Signal::HUP);
    gate.open();
    running.wait_timeout(SOON).expect_code(0);
    bench.assert_like_camera("");
}

#[test]
fn every_releases_the_lock_between_passes() {
    let bench = Bench::with([NAME]);
    let running = bench.footage(&["--every", "15m", "--json"]).spawn();
    running.wait_for_stdout("\"exit_code\":0", SOON);
    bench.quiet_pass(&[]);
    running.term();
    running.wait_timeout(SOON).expect_code(143);
}

#[test]
fn every_ends_when_the_configuration_is_wrong() {
    let bench = Bench::with([NAME]);
    bench.scratch.write("dest", "a file where the destination should be");
    let output = bench.footage(&["--every", "15m"]).spawn().wait_timeout(SOON).expect_code(2);
    assert!(output.stderr.contains("not a directory"), "{output}");
}

#[test]
fn limit_rate_is_kept_and_used() {
    let bench = Bench::new(Api::Old);
    for minute in 0..3 {
        bench.camera.add_recording(&format!("20181029_13{minute:02}00_NF"), 200_000);
    }
    let begun = Instant::now();
    bench.quiet_pass(&["--limit-rate", "400k", "--skip-metadata", "t3g"]);
    let took = begun.elapsed().as_secs_f64();
    // 600 kB at 400 kB/s; a half second may be caught up, and a loaded machine may add some.
    assert!((1.2..3.5).contains(&took), "{took} s");
}

#[test]
fn limit_rate_timetable_may_pause() {
    let bench = Bench::with([NAME]);
    let told = bench.pass(&["--limit-rate", "00:00,pause", "-v"]).expect_code(0).stderr;
    assert!(told.contains("--limit-rate pauses now"), "{told}");
    assert!(bench.held().is_empty());
    bench.quiet_pass(&["--limit-rate", "00:00,off"]);
    bench.assert_like_camera("");
}

#[test]
fn limit_rate_is_written_as_a_size() {
    let bench = Bench::with([NAME]);
    for rate in ["20M", "20MB/s", "20MiB", "20000000"] {
        bench.pass(&["--limit-rate", rate, "--dry-run"]).expect_code(0);
    }
}

#[test]
fn a_second_pass_exits_when_the_lock_is_held() {
    let bench = Bench::with([NAME]);
    let gate = bench.camera.hold("GET .mp4", 1000);
    let first = bench.footage(&[]).spawn();
    gate.wait_reached(SOON);
    let second = bench.pass(&[]).expect_code(75);
    assert!(second.stderr.starts_with("warning: another pass holds "), "{second}");
    assert!(second.stderr.contains(&format!("pid {}", first.id())), "{second}");
    bench.quiet_pass(&["--cron"]);
    // Looking is always possible.
    let plan = bench.pass(&["--dry-run"]).expect_code(0);
    assert!(plan.stdout.contains("fetch   20181028_131513_NF.mp4"), "{plan}");
    gate.open();
    assert_eq!(first.wait().expect_code(0).stderr, "");
    bench.assert_like_camera("");
}

#[test]
fn lock_file_may_be_elsewhere() {
    let bench = Bench::with([NAME]);
    let lock = bench.scratch.join("elsewhere.lock").display().to_string();
    let gate = bench.camera.hold("GET .mp4", 1000);
    let first = bench.footage(&["--lock-file", &lock]).spawn();
    gate.wait_reached(SOON);
    let second = bench.pass(&["--lock-file", &lock]).expect_code(75);
    assert!(second.stderr.contains(&lock), "{second}");
    gate.open();
    first.wait().expect_code(0);
    assert!(!bench.dest().join(".footage/dashcam.lock").exists());
    bench.quiet_pass(&["--lock-file", &lock]);
}

#[test]
fn header_is_sent_with_every_request() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.add([NAME]);
        bench.quiet_pass(&["--header", "X-Token: one: two", "--header", "Cookie:a=b", "--verify"]);
        let requests = bench.camera.requests();
        assert!(requests.len() >= 6);
        for request in requests {
            assert_eq!(request.header("x-token"), Some("one: two"), "{request:?}");
            assert_eq!(request.header("cookie"), Some("a=b"), "{request:?}");
            assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("footage/")), "{request:?}");
        }
    }
}

#[test]
fn options_win_over_environment_variables() {
    let bench = Bench::with([NAME, "20181028_131613_EF", "20181028_131713_PF"]);
    let plan = |arguments: &[&str], environment: &[(&str, &str)]| {
        let program = bench.scratch.footage(["dashcam"]).args(arguments);
        let program = environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        let output = program.run();
        assert_eq!(output.code, Some(0), "{environment:?} {output}");
        output.stdout
    };
    let address = bench.camera.address();
    let environment = [
        ("FOOTAGE_ADDRESS", address.as_str()),
        ("FOOTAGE_DRY_RUN", "true"),
        ("FOOTAGE_GROUPING", "weekly"),
        ("FOOTAGE_INCLUDE", "N,E"),
        ("FOOTAGE_EXCLUDE", "E"),
        ("FOOTAGE_SKIP_METADATA", "t3g"),
    ];
    let summary = "1 file to fetch, 0 files to remove, 0 waiting for another try\n";
    assert_eq!(plan(&[], &environment), format!("fetch   2018-10-22/{NAME}.mp4\n{summary}"));
    assert_eq!(
        plan(&["-g", "none", "-i", "P", "-e", "", &address], &environment),
        format!("fetch   20181028_131713_PF.mp4\n{summary}")
    );
    let keep = [("FOOTAGE_KEEP", "2w,E=forever"), ("FOOTAGE_DRY_RUN", "true"), ("FOOTAGE_SKIP_METADATA", "t3g")];
    assert!(plan(&[&address], &keep).starts_with("fetch   20181028_131613_EF.mp4\n1 file to fetch"));
}

#[test]
fn footage_address_may_name_several_addresses() {
    let bench = Bench::with([NAME]);
    let away = Camera::start(Api::Old);
    away.depart(How::Refused);
    let both = format!("{} {}", away.address(), bench.camera.address());
    let program = bench.scratch.footage(["dashcam", "-d", "dest"]).env("FOOTAGE_ADDRESS", both);
    program.env("FOOTAGE_MAX_USED_DISK", "98").run().expect_code(0);
    bench.assert_like_camera("");
}

#[test]
fn boolean_environment_variables_accept_common_spellings() {
    // In containers: FOOTAGE_CRON=1.
    let bench = Bench::with([NAME]);
    for yes in ["1", "true", "yes", "on"] {
        let output = bench.footage(&[]).env("FOOTAGE_DRY_RUN", yes).run();
        assert!(output.stdout.starts_with("fetch   ") && output.code == Some(0), "FOOTAGE_DRY_RUN={yes} {output}");
    }
    for no in ["0", "false", "no", ""] {
        let output = bench.footage(&["--dry-run"]).env("FOOTAGE_JSON", no).run();
        assert!(output.stdout.starts_with("fetch   ") && output.code == Some(0), "FOOTAGE_JSON={no} {output}");
    }
}

#[test]
fn an_empty_environment_variable_is_unset() {
    // `FOOTAGE_KEEP=` in a compose file or an env file means: not set.
    let bench = Bench::with([NAME]);
    for name in
        ["KEEP", "EVERY", "KEEP_BYTES", "MIN_FREE", "LIMIT_RATE", "METRICS_PUSHGATEWAY_URL", "INCLUDE", "HEADER"]
    {
        let output = bench.footage(&["--dry-run"]).env(format!("FOOTAGE_{name}"), "").run();
        assert_eq!(output.code, Some(0), "FOOTAGE_{name}= {output}");
    }
}
