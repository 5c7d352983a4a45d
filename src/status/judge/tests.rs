//! What is wrong, and what is not.

use std::time::Duration;

use super::*;
use crate::contact::Contact;
use crate::disk::Guard;
use crate::memory::Memory;
use crate::pass::{Ended, Failure};
use crate::status::Output;
use crate::trace::Trace;
use crate::units::ByteSize;

const NOW: i64 = 1_795_000_000;
/// An hour before.
const BEFORE: &str = "2026-11-18T10:06:40Z";

#[expect(clippy::cast_precision_loss, reason = "a time of our days")]
fn ago(seconds: i64) -> f64 {
    (NOW - seconds) as f64
}

fn because(reason: EndReason, message: &str) -> Ended {
    Ended { reason, message: message.into() }
}

fn settings() -> Settings {
    Settings {
        directories: vec!["/data".into()],
        expected: Vec::new(),
        max_age: None,
        max_pass_age: None,
        guard: Guard::default(),
        output: Output::Json,
        only_when_wrong: false,
    }
}

fn lock(is_held: bool, since: &str) -> Holder {
    Holder { is_held: Some(is_held), pid: Some(7), since: Some(since.into()) }
}

fn newest(age_seconds: u64) -> Newest {
    Newest { path: "/data/x.mp4".into(), age_seconds }
}

fn place(passes: Vec<Pass>) -> Place {
    let space = Some(Space { total: 1000, free: 400, available: 400 });
    Place { path: "/data".into(), resolved: "/data".into(), space, passes, unreported: Vec::new() }
}

/// A dashcam's pass an hour ago.
fn dashcam(report: Report) -> Pass {
    let report =
        Report { pass: Some(PassName::Dashcam), start_timestamp_seconds: ago(3600), duration_seconds: 30.5, ..report };
    Pass {
        kind: PassName::Dashcam,
        lock: lock(false, BEFORE),
        left: Left::Report(Box::new(report)),
        newest: vec![(String::new(), Some(newest(7200)))],
        paused: None,
    }
}

fn camera(state: State, since: i64) -> CameraStatus {
    CameraStatus { name: "yard".into(), state, state_since_timestamp_seconds: ago(since), ..CameraStatus::default() }
}

fn recorder(camera: CameraStatus) -> (Pass, RecorderStatus) {
    let live = RecorderStatus {
        pid: 7,
        start_timestamp_seconds: ago(3600),
        updated_timestamp_seconds: ago(5),
        cameras: vec![camera],
        ..RecorderStatus::default()
    };
    (
        Pass {
            kind: PassName::Record,
            lock: lock(true, BEFORE),
            left: Left::Nothing,
            newest: Vec::new(),
            paused: None,
        },
        live,
    )
}

fn with(pass: &Pass, live: RecorderStatus) -> Pass {
    Pass { left: Left::RecorderStatus(Box::new(live)), ..pass.clone() }
}

fn judged(passes: Vec<Pass>) -> Status {
    judge(&[place(passes)], &settings(), NOW)
}

/// The state of the first row, and what is wrong.
#[track_caller]
fn assert_first(status: &Status, state: &str, problem: Option<&str>) {
    assert_eq!(status.rows[0].state.as_str(), state);
    let problems: Vec<&str> = status.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(problems, problem.into_iter().collect::<Vec<_>>());
    assert_eq!((status.ok, status.rows[0].ok), (problem.is_none(), problem.is_none()));
}

#[test]
fn the_state_of_a_pass_comes_from_its_report() {
    let ended = |reason| Report { ended: Some(because(reason, "why")), ..Report::default() };
    let failure =
        |name: &str| Failure { name: name.into(), reason: crate::failure::FailureReason::Http, message: "500".into() };
    let failed =
        |names: &[&str]| Report { failures: names.iter().map(|name| failure(name)).collect(), ..Report::default() };
    for (report, state, problem) in [
        (Report::default(), "done", None),
        (ended(EndReason::Away), "away", None),
        (ended(EndReason::Stopped), "stopped", None),
        (ended(EndReason::Disk), "failed", Some("why")),
        (ended(EndReason::Usage), "failed", Some("why")),
        (failed(&["a"]), "partly", Some("1 file failed: a: 500; all else is done, and a later run tries again")),
        (
            failed(&["a", "b", "c"]),
            "partly",
            Some("3 files failed: a: 500, and 2 more; all else is done, and a later run tries again"),
        ),
    ] {
        let status = judged(vec![dashcam(report)]);
        assert_first(&status, state, problem);
        assert_eq!(
            (status.rows[0].state_since_timestamp_seconds, status.rows[0].last_run_timestamp_seconds),
            (Some(NOW - 3570), Some(NOW - 3570))
        );
        assert_eq!(status.rows[0].pid, None);
    }
}

#[test]
fn row_state_severity_decides_what_is_wrong() {
    for state in State::ALL {
        for since in [GRACE, GRACE + 1] {
            let (pass, live) = recorder(camera(*state, since));
            let is_wrong = match RowState::from(*state).severity() {
                Severity::Ok => false,
                Severity::Conditional => since > GRACE,
                Severity::Wrong => true,
            };
            assert_eq!(judged(vec![with(&pass, live)]).ok, !is_wrong, "{state} for {since} s");
        }
    }
    for reason in EndReason::ALL {
        let status = judged(vec![dashcam(Report { ended: Some(because(*reason, "why")), ..Report::default() })]);
        let is_wrong = status.rows[0].state.severity() == Severity::Wrong;
        assert_eq!((status.ok, status.rows[0].ok), (!is_wrong, !is_wrong), "{reason}");
    }
}

#[test]
fn report_and_state_of_another_version_are_judged() {
    let report: Report =
        serde_json::from_str(r#"{"pass": "teleport", "ended": {"reason": "moonlight", "message": "why"}}"#)
            .expect("read");
    assert_eq!((report.pass, report.ended.as_ref().map(|ended| ended.reason)), (None, Some(EndReason::Other)));
    assert_first(&judged(vec![dashcam(report)]), "failed", Some("why"));
    let text = r#"{"pid": 7, "ended": {"reason": "done", "message": "its time was up"}, "cameras": []}"#;
    let live: RecorderStatus = serde_json::from_str(text).expect("read");
    assert!(live.is_done());
}

/// A pass that could not reach its camera or server an hour ago, nor in so many runs since then.
fn away(kind: PassName, missed_passes: u64, seconds: i64, reached: Option<f64>) -> Pass {
    let contact = Contact {
        peers: vec!["x".into()],
        first_reached_timestamp_seconds: reached,
        missed_passes,
        missed_since_timestamp_seconds: Some(ago(seconds)),
    };
    let ended = Some(because(EndReason::Away, "x is away"));
    let memory = Memory { contact, ..Memory::default() };
    let report = Report { pass: Some(kind), start_timestamp_seconds: ago(3600), ended, memory, ..Report::default() };
    Pass { kind, left: Left::Report(Box::new(report)), newest: Vec::new(), ..dashcam(Report::default()) }
}

#[test]
fn unreachable_is_wrong_if_never_reached_and_for_a_server_after_max_age() {
    let never = "x is away; it has never answered: check the address";
    let no_server = "x is away; it has never answered: check --endpoint-url and --region";
    let no_input = "x is away; it has never been there: check INPUT";
    let seen = Some(7.0);
    for (pass, max_age_hours, problem) in [
        (away(PassName::Dashcam, 900, 9_000_000, seen), None, None),
        (away(PassName::Hikvision, 900, 9_000_000, seen), None, None),
        (away(PassName::Dashcam, 1, 0, None), None, Some(never)),
        (away(PassName::Hikvision, 1, 0, None), None, Some(no_input)),
        (away(PassName::Upload, 1, 0, None), Some(9), Some(no_server)),
        (away(PassName::Upload, 2, 7200, seen), None, None),
        (away(PassName::Upload, 9, 3599, seen), None, None),
        (away(PassName::Upload, 3, 3600, seen), None, Some("away for 1h (3 runs): x is away")),
        (away(PassName::Upload, 90, 7200, seen), Some(2), None),
        (away(PassName::Upload, 1, 7201, seen), Some(2), Some("away for 2h (1 run): x is away")),
    ] {
        let settings = Settings { max_age: max_age_hours.map(Duration::from_hours), ..settings() };
        assert_first(&judge(&[place(vec![pass])], &settings, NOW), "away", problem);
    }
    // A report of an earlier version does not say.
    assert_first(
        &judged(vec![dashcam(Report { ended: Some(because(EndReason::Away, "gone")), ..Report::default() })]),
        "away",
        None,
    );
    let row = &judged(vec![away(PassName::Upload, 3, 3600, seen)]).rows[0];
    assert_eq!((row.first_reached_timestamp_seconds, row.missed_passes), (Some(7), Some(3)));
}

fn unreported(kind: PassName, age: i64, reason: EndReason) -> Unreported {
    let trace = Trace {
        pass: kind,
        place: "/data".into(),
        start_timestamp_seconds: ago(age),
        reason,
        message: "permission denied".into(),
        uid: 1000,
    };
    Unreported { kind, trace }
}

#[test]
fn a_run_that_left_no_report_is_wrong_until_one_does() {
    let place = |passes, run| Place { unreported: vec![run], ..place(passes) };
    let judged = |place| judge(&[place], &settings(), NOW);
    let text = "the last run (of user 1000) left no report: permission denied";
    let done = || vec![dashcam(Report::default())];
    assert_first(
        &judged(place(done(), unreported(PassName::Dashcam, 60, EndReason::Destination))),
        "failed",
        Some(text),
    );
    assert_first(&judged(place(done(), unreported(PassName::Dashcam, 3601, EndReason::Destination))), "done", None);
    // It had taken the lock, which says so: it was not killed.
    let locked = |age| {
        let since = chrono::DateTime::from_timestamp(NOW - age, 0).expect("a time").to_rfc3339();
        vec![Pass { lock: lock(false, &since), ..dashcam(Report::default()) }]
    };
    assert_first(
        &judged(place(locked(60), unreported(PassName::Dashcam, 60, EndReason::Destination))),
        "failed",
        Some(text),
    );
    // A later one was.
    let status = judged(place(locked(30), unreported(PassName::Dashcam, 60, EndReason::Destination)));
    assert_eq!((status.rows[0].state.as_str(), status.problems[0].message.as_str()), ("gone", GONE));
    // Another pass gets a row of its own.
    let status = judged(place(done(), unreported(PassName::Hikvision, 60, EndReason::Usage)));
    let rows: Vec<_> = status.rows.iter().map(|row| (row.pass, row.state.as_str(), row.ok)).collect();
    assert_eq!(rows, [(PassName::Dashcam, "done", true), (PassName::Hikvision, "failed", false)]);
    let away = format!("{text}; no run has written anything here yet: check the path");
    assert_first(&judged(place(Vec::new(), unreported(PassName::Hikvision, 60, EndReason::Away))), "away", Some(&away));
    // A second recorder that cannot start is no news about the first.
    let (pass, live) = recorder(camera(State::Recording, 3600));
    let free = Pass { lock: lock(false, BEFORE), ..pass.clone() };
    let over = RecorderStatus { ended: Some(because(EndReason::Done, "over")), ..live.clone() };
    let run = || unreported(PassName::Record, 1, EndReason::Usage);
    assert_first(&judged(place(vec![with(&pass, live)], run())), "running", None);
    assert_first(&judged(place(vec![with(&free, over)], run())), "done", Some(text));
}

#[test]
fn max_pass_age_finds_a_pass_that_cron_does_not_start_any_more() {
    let judged = |pass: Pass, minutes| {
        let settings = Settings { max_pass_age: Some(Duration::from_mins(minutes)), ..settings() };
        judge(&[place(vec![pass])], &settings, NOW)
    };
    let old = "the last run ended 59m ago: does cron still start it?";
    assert_first(&judged(dashcam(Report::default()), 59), "done", Some(old));
    assert_first(&judged(dashcam(Report::default()), 60), "done", None);
    assert_first(&judged(away(PassName::Dashcam, 1, 9, Some(7.0)), 60), "away", None);
    // A long run has started.
    let running = Pass { lock: lock(true, BEFORE), ..dashcam(Report::default()) };
    assert_first(&judged(running, 59), "running", None);
    let (pass, live) = recorder(camera(State::Recording, 3600));
    assert_first(&judged(with(&pass, live.clone()), 1), "running", None);
    let done =
        RecorderStatus { ended: Some(because(EndReason::Done, "over")), updated_timestamp_seconds: ago(7200), ..live };
    let free = Pass { lock: lock(false, BEFORE), ..pass };
    assert_first(&judged(with(&free, done), 60), "done", Some("the last run ended 2h ago: does cron still start it?"));
}

#[test]
fn a_pass_with_a_held_lock_is_running() {
    let pass = Pass { lock: lock(true, "2026-11-18T11:05:40Z"), ..dashcam(Report::default()) };
    let status = judged(vec![pass.clone()]);
    assert_first(&status, "running", None);
    assert_eq!((status.rows[0].state_since_timestamp_seconds, status.rows[0].pid), (Some(NOW - 60), Some(7)));
    // The first pass of all has no report yet.
    assert_first(&judged(vec![Pass { left: Left::Nothing, ..pass.clone() }]), "running", None);
    // And when it ended without one, it was killed.
    let killed = Pass { lock: lock(false, "2026-11-18T11:05:40Z"), ..pass };
    assert_first(&judged(vec![killed.clone()]), "gone", Some(GONE));
    assert_first(&judged(vec![Pass { left: Left::Nothing, ..killed }]), "unknown", Some(GONE));
    // The state of a lock file elsewhere is unknown.
    assert_first(&judged(vec![Pass { lock: Holder::default(), ..dashcam(Report::default()) }]), "done", None);
}

#[test]
fn a_recorder_is_alive_by_its_lock_and_heartbeat() {
    let (pass, live) = recorder(camera(State::Recording, 3600));
    let free = Pass { lock: lock(false, BEFORE), ..pass.clone() };
    let unknown = Pass { lock: Holder::default(), ..pass.clone() };
    let hung = RecorderStatus { updated_timestamp_seconds: ago(61), ..live.clone() };
    let ended = RecorderStatus { ended: Some(because(EndReason::Stopped, "stopped by signal 15")), ..live.clone() };
    let gone = "nothing is recorded: killed, or the power failed";
    for (pass, live, state, problem) in [
        (&pass, &live, "running", None),
        (&pass, &hung, "hung", Some("no heartbeat for 1m")),
        (&free, &live, "gone", Some(gone)),
        (&free, &hung, "gone", Some(gone)),
        (&free, &ended, "stopped", Some("nothing is recorded: stopped by signal 15")),
        // The one before ended, and this one has not written its state yet.
        (&pass, &ended, "running", None),
        (&unknown, &live, "running", None),
        (&unknown, &hung, "gone", Some(gone)),
        (&unknown, &ended, "stopped", Some("nothing is recorded: stopped by signal 15")),
    ] {
        let status = judged(vec![with(pass, live.clone())]);
        assert_first(&status, state, problem);
        let camera = &status.rows[1];
        let is_alive = ["running", "hung"].contains(&state);
        assert_eq!(camera.state.as_str(), if is_alive { "recording" } else { state });
        assert_eq!((camera.ok, status.rows[0].pid.is_some()), (state != "gone" && state != "stopped", is_alive));
    }
}

/// Ended by `--for`, as requested.
#[test]
fn a_recorder_ended_by_for_is_done() {
    let (pass, live) = recorder(camera(State::Stopping, 9));
    let free = Pass { lock: lock(false, BEFORE), newest: vec![("yard".into(), Some(newest(7200)))], ..pass };
    let ended = because(EndReason::Done, "its time was up");
    let live = RecorderStatus { ended: Some(ended), updated_timestamp_seconds: ago(3000), ..live };
    let done = with(&free, live.clone());
    let status = judged(vec![done.clone()]);
    assert_first(&status, "done", None);
    assert_eq!((status.rows[1].state.as_str(), status.rows[1].ok), ("done", true));
    assert_eq!((status.rows[0].state_since_timestamp_seconds, status.rows[0].pid), (Some(NOW - 3000), None));

    // Its footage becomes old like that of every pass.
    let settings = settings();
    let young = Settings { max_age: Some(Duration::from_hours(1)), ..settings.clone() };
    let status = judge(&[place(vec![done.clone()])], &young, NOW);
    assert_eq!(status.problems[0].message, "the newest recording is 2h old");

    // Cameras of a configuration on the command line should be recorded.
    let expected = |camera: &str| Expected { camera: camera.into(), destination: "/data".into() };
    let expecting = Settings { expected: vec![expected("yard"), expected("gate")], ..settings };
    let status = judge(&[place(vec![done])], &expecting, NOW);
    let wrong = |status: &Status| -> Vec<(Option<String>, String)> {
        status.problems.iter().map(|problem| (problem.camera.clone(), problem.message.clone())).collect()
    };
    let over = "not being recorded: --for of the recorder has elapsed".to_owned();
    assert_eq!(wrong(&status), [(Some("yard".into()), over), (Some("gate".into()), "not being recorded".into())]);
    let shown: Vec<_> = status.rows.iter().map(|row| (row.camera.as_deref(), row.state.as_str(), row.ok)).collect();
    assert_eq!(shown, [(None, "done", true), (Some("yard"), "done", false), (Some("gate"), "missing", false)]);

    // A camera that failed at the end.
    let silent = CameraStatus { was_failing: true, last_error: Some("refused".into()), ..live.cameras[0].clone() };
    let status = judged(vec![with(&free, RecorderStatus { cameras: vec![silent], ..live })]);
    assert_eq!(wrong(&status), [(Some("yard".into()), "it was failing when --for elapsed: refused".into())]);
    let shown: Vec<_> = status.rows.iter().map(|row| (row.state.as_str(), row.ok)).collect();
    assert_eq!(shown, [("partly", true), ("failed", false)]);
}

#[test]
fn a_camera_that_does_not_record_is_wrong() {
    for (state, since, problem) in [
        (State::Recording, 90_000, None),
        (State::Starting, 30, None),
        (State::Starting, 90, Some("starting for 1m: refused")),
        (State::Stopping, 3, None),
        (State::Waiting, 3, Some("waiting for 3s: refused")),
        (State::Stalled, 0, Some("stalled for 0s: refused")),
        (State::Paused, 4000, Some("paused for 1h 6m: refused")),
    ] {
        let camera = CameraStatus { last_error: Some("refused".into()), ..camera(state, since) };
        let (pass, live) = recorder(camera);
        let status = judged(vec![with(&pass, live)]);
        let problems: Vec<_> = status.problems.iter().map(|p| (p.camera.as_deref(), p.message.as_str())).collect();
        assert_eq!(problems, problem.map(|problem| (Some("yard"), problem)).into_iter().collect::<Vec<_>>());
        assert_eq!((status.rows[0].ok, status.rows[1].ok), (true, problem.is_none()));
    }
    for (restarts, last_frame_timestamp_seconds, is_well) in
        [(0, None, true), (3, None, false), (3, Some(ago(20)), true), (3, Some(ago(200)), false)]
    {
        let (pass, live) =
            recorder(CameraStatus { restarts, last_frame_timestamp_seconds, ..camera(State::Starting, 2) });
        assert_eq!(
            judged(vec![with(&pass, live)]).ok,
            is_well,
            "{restarts} restarts, {last_frame_timestamp_seconds:?}"
        );
    }
    let (pass, live) = recorder(camera(State::Recording, 9));
    let refused = RecorderStatus { config_error: Some("line 3: no".into()), ..live };
    assert_first(&judged(vec![with(&pass, refused)]), "running", Some("the new configuration was refused: line 3: no"));
}

#[test]
fn max_age_makes_old_footage_wrong() {
    let settings = Settings { max_age: Some(Duration::from_hours(48)), ..settings() };
    let wrong = |pass: Pass| {
        let status = judge(&[place(vec![pass])], &settings, NOW);
        status
            .problems
            .into_iter()
            .map(|problem| (problem.camera.unwrap_or_default(), problem.message))
            .collect::<Vec<_>>()
    };
    let named = |name: &str, newest: Option<Newest>| vec![(name.to_owned(), newest)];
    let dashcam = dashcam(Report::default());
    assert_eq!(wrong(dashcam.clone()), []);
    let old = Pass { newest: named("", Some(newest(48 * 3600 + 1))), ..dashcam.clone() };
    assert_eq!(wrong(old), [(String::new(), "the newest recording is 2d old".into())]);
    let hikvision = Pass { kind: PassName::Hikvision, newest: named("tuin", None), ..dashcam.clone() };
    assert_eq!(wrong(hikvision), [("tuin".into(), "no recording".into())]);
    assert_eq!(wrong(Pass { kind: PassName::Upload, newest: Vec::new(), ..dashcam.clone() }), []);
    let upload = |oldest| {
        let report = Report {
            start_timestamp_seconds: ago(3600),
            arrived_files: 2,
            pending_files: 3,
            oldest_pending_seconds: Some(oldest),
            open_files: 1,
            waiting_files: 2,
            ..Report::default()
        };
        Pass { kind: PassName::Upload, left: Left::Report(Box::new(report)), newest: Vec::new(), ..dashcam.clone() }
    };
    // It still waits when no pass runs any more: the last pass was an hour ago.
    assert_eq!(wrong(upload(47.0 * 3600.0)), []);
    assert_eq!(wrong(upload(47.5 * 3600.0)), [(String::new(), "a file waits for 2d to be uploaded".into())]);
    assert_eq!(wrong(upload(48.0 * 3600.0)), [(String::new(), "a file waits for 2d 1h to be uploaded".into())]);
    let row = &judged(vec![upload(0.0)]).rows[0];
    assert_eq!((row.files, row.pending_files), (Some(2), Some(4)));
    // A recorder has some time for its first segment.
    let (pass, live) = recorder(camera(State::Recording, 9));
    assert_eq!(wrong(with(&pass, live.clone())), []);
    let live = RecorderStatus { start_timestamp_seconds: ago(48 * 3600 + 1), ..live };
    assert_eq!(wrong(with(&pass, live)), [("yard".into(), "no recording".into())]);
}

#[test]
fn max_used_disk_and_min_free_make_a_disk_wrong() {
    let guard = |percent| Guard { max_used_percent: Some(percent), min_free: None };
    let wrong = |guard: Guard, available: u64| {
        let space = Some(Space { total: 1000, free: available, available });
        let place = Place { space, ..place(vec![dashcam(Report::default())]) };
        judge(&[place], &Settings { guard, ..settings() }, NOW).problems.len()
    };
    assert_eq!((wrong(guard(60), 400), wrong(guard(59), 400)), (1, 1));
    assert_eq!((wrong(guard(61), 400), wrong(Guard::default(), 1), wrong(Guard::default(), 0)), (0, 0, 1));
    assert_eq!(wrong(Guard { max_used_percent: None, min_free: Some(ByteSize(400)) }, 400), 1);
}

#[test]
fn configured_cameras_without_a_recorder_are_missing() {
    let expected = |camera: &str| Expected { camera: camera.into(), destination: "/data".into() };
    let settings = Settings { expected: vec![expected("yard"), expected("gate")], ..settings() };
    let (pass, live) = recorder(camera(State::Recording, 9));
    let status = judge(&[place(vec![with(&pass, live)])], &settings, NOW);
    let problem = Problem {
        place: "/data".into(),
        pass: Some(PassName::Record),
        camera: Some("gate".into()),
        message: "not being recorded".into(),
    };
    assert_eq!(status.problems, [problem]);
    assert_eq!((status.rows[2].camera.as_deref(), status.rows[2].state.as_str()), (Some("gate"), "missing"));
    assert!(status.rows[1].ok && !status.rows[2].ok);
    assert_eq!(judge(&[place(Vec::new())], &settings, NOW).problems.len(), 2);
}

#[test]
fn a_directory_without_a_report_is_wrong() {
    let status = judged(Vec::new());
    assert_eq!(status.problems[0].message, "no footage pass has left a report here");
    assert!(!status.ok);
    let unreadable = Pass { left: Left::Unreadable, ..dashcam(Report::default()) };
    assert_first(&judged(vec![unreadable]), "unknown", Some("its report is unreadable"));
}
