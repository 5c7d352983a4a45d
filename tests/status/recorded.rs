//! Real recorders of real cameras, watched.

use serde_json::Value;

use super::problems;
use crate::support::ip_camera::Fault;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, RtspCamera};
use crate::support::site::{QUICK, Site, closed, wait_for};

/// The status of the site's configuration, and the exit code.
fn look(site: &Site) -> (Value, Option<i32>) {
    let output = site.footage(&["status", "footage.toml", "--json"]).run();
    (serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output}")), output.code)
}

/// Waits until the status is as `wanted`.
#[track_caller]
fn wait_until(site: &Site, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(look(site).0).filter(&wanted))
}

fn row<'a>(status: &'a Value, camera: &str) -> &'a Value {
    let rows = status["rows"].as_array().unwrap();
    rows.iter().find(|row| row["camera"] == camera).unwrap_or(&Value::Null)
}

#[test]
fn camera_and_recorder_rows_have_their_state() {
    let (yard, gate) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
    gate.set(Fault::Off);
    let site = Site::with(QUICK, &[("yard", yard.table()), ("gate", gate.table())]);
    let (before, code) = look(&site);
    assert_eq!(code, Some(3));
    assert_eq!(problems(&before), ["record gate: not being recorded", "record yard: not being recorded"]);

    let running = site.start(&[]);
    let told = wait_until(&site, "a camera with a segment and one that is away", |status| {
        let yard = row(status, "yard");
        let is_whole =
            yard["state"] == "recording" && !yard["newest"].is_null() && !yard["frames_per_second"].is_null();
        is_whole && problems(status).len() == 1
    });
    let problem = &problems(&told)[0];
    assert!(problem.starts_with("record gate: ") && problem.contains("Connection refused"), "{problem}");
    let yard_row = row(&told, "yard");
    assert!((yard_row["frames_per_second"].as_f64().unwrap() - f64::from(FRAMES_PER_SECOND)).abs() < 3.0, "{yard_row}");
    assert!(yard_row["bits_per_second"].as_f64() > Some(10_000.0), "{yard_row}");
    assert!(yard_row["newest"]["age_seconds"].as_u64() < Some(60), "{yard_row}");
    assert_eq!((&yard_row["ok"], &row(&told, "gate")["ok"]), (&true.into(), &false.into()));
    assert_eq!((&told["rows"][0]["state"], &told["rows"][0]["pid"]), (&"running".into(), &running.id().into()));

    gate.set(None);
    wait_until(&site, "all well", |status| status["ok"] == true);
    assert_eq!(look(&site).1, Some(0));

    // A configuration that is refused on a reload.
    let good = std::fs::read_to_string(site.scratch.join("footage.toml")).unwrap();
    site.prepend("colour = 3");
    running.signal(rustix::process::Signal::HUP);
    site.footage(&["status", "footage.toml"]).run().expect_code(2);
    wait_for("the refusal", || {
        let told = site.footage(&["status", "dest"]).run();
        (told.code == Some(3) && told.stdout.contains("the new configuration was refused: ")).then_some(())
    });
    site.write(&good);
    running.signal(rustix::process::Signal::HUP);
    wait_until(&site, "all well again", |status| status["ok"] == true);

    // Its state says that all is well, and it is not there any more.
    running.kill();
    running.wait();
    let (gone, code) = look(&site);
    assert_eq!((problems(&gone).len(), code), (1, Some(3)));
    assert_eq!(problems(&gone), ["record -: nothing is recorded: killed, or the power failed"]);
    assert_eq!((&row(&gone, "yard")["state"], &row(&gone, "yard")["ok"]), (&"gone".into(), &false.into()));

    let running = site.start(&[]);
    wait_until(&site, "all well once more", |status| status["ok"] == true);
    running.term();
    running.wait().expect_code(143);
    assert_eq!(problems(&look(&site).0), ["record -: nothing is recorded: stopped by signal 15"]);
}

#[test]
fn a_recorder_that_ended_as_asked_is_done() {
    let (yard, gate) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
    let site = Site::with(QUICK, &[("yard", yard.table())]);
    site.record(&["--for", "3s"]).run().expect_code(0);
    let of_destination = || {
        let output = site.footage(&["status", "dest", "--json"]).run();
        let told: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output}"));
        (told, output.code)
    };
    let (told, code) = of_destination();
    assert_eq!((problems(&told), code), (vec![], Some(0)), "{told}");
    assert_eq!((&told["rows"][0]["state"], &row(&told, "yard")["state"]), (&"done".into(), &"done".into()));
    // The configuration names cameras that should be recorded.
    let (told, code) = look(&site);
    assert_eq!(problems(&told), ["record yard: not being recorded: --for of the recorder has elapsed"]);
    assert_eq!(code, Some(3));

    gate.set(Fault::Off);
    site.configure(QUICK, &[("yard", yard.table()), ("gate", gate.table())]);
    site.record(&["--for", "3s"]).run().expect_code(3);
    let (told, code) = of_destination();
    let [problem] = &problems(&told)[..] else { panic!("{told}") };
    assert!(problem.starts_with("record gate: it was failing when --for elapsed: "), "{problem}");
    assert!(problem.contains("Connection refused"), "{problem}");
    assert_eq!((&told["rows"][0]["state"], code), (&"partly".into(), Some(3)));
    assert_eq!((&row(&told, "yard")["state"], &row(&told, "gate")["state"]), (&"done".into(), &"failed".into()));
}

#[test]
fn a_nested_destination_has_its_own_cameras() {
    let camera = RtspCamera::start(Film::Plain);
    let inner = format!("{}\ndestination = \"dest/inner\"", camera.table());
    let site = Site::with(QUICK, &[("yard", camera.table()), ("gate", inner)]);
    let running = site.start(&[]);
    for name in ["yard", "inner/gate"] {
        wait_for("a segment", || closed(&site.dest(), name).first().map(|_| ()));
    }
    let status = site.footage(&["status", "dest", "dest/inner", "--json"]).run().expect_code(0);
    for name in ["yard", "gate"] {
        assert_eq!(status.stdout.matches(&format!("\"camera\": \"{name}\"")).count(), 1, "{status}");
    }
    drop(running);
}

#[test]
fn each_shard_of_a_destination_has_rows() {
    let camera = RtspCamera::start(Film::Plain);
    // Both shares have one at least: the names decide, and they do not change.
    let names = ["a", "b", "c", "d", "e", "f"];
    let site = Site::with(QUICK, &names.map(|name| (name, camera.table())));
    let one = site.start(&["--shard", "1/2"]);
    let own = wait_for("the cameras of one share", || {
        let own = site.footage(&["status", "footage.toml", "--shard", "1/2"]).run();
        (own.code == Some(0) && !own.stdout.contains("starting")).then_some(own.stdout)
    });
    assert!(own.contains("recording") && !own.contains("missing"), "{own}");
    let (status, code) = look(&site);
    assert_eq!(code, Some(3), "the other share is missed: {status}");
    let two = site.start(&["--shard", "2/2"]);
    let status = wait_until(&site, "all cameras", |status| status["ok"] == true);
    let running = status["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "running");
    let pids: Vec<_> = running.map(|row| row["pid"].clone()).collect();
    assert_eq!(pids, [one.id(), two.id()]);
}
