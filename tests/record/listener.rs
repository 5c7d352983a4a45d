//! The state of a recorder over HTTP, with real cameras.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::ip_camera::Fault;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, RtspCamera};
use crate::support::site::{QUICK, Site, free_port, get, wait_for};

/// A value of a camera in Prometheus text.
fn metric(text: &str, name: &str, camera: &str) -> Option<f64> {
    let line = format!("footage_record_{name}{{camera=\"{camera}\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok())
}

#[test]
fn metrics_are_right_from_the_first_seconds() {
    let (camera, away) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
    away.set(Fault::Off);
    let site = Site::with(QUICK, &[("yard", camera.table()), ("away", away.table())]);
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&[]);
    camera.wait_for_frames(1);
    let began = Instant::now();
    let fps = wait_for("a rate", || {
        let body = get(port, "/camera/yard/fps")?.body;
        body.trim().parse::<f64>().ok().filter(|fps| (fps - f64::from(FRAMES_PER_SECOND)).abs() < 3.0)
    });
    assert!(began.elapsed() < Duration::from_secs(7), "{fps} only after {:?}", began.elapsed());
    let metrics = get(port, "/metrics").unwrap().body;
    let sent = camera.frames();
    let value = |name| metric(&metrics, name, "yard").unwrap_or_else(|| panic!("no {name} in {metrics}"));
    assert_eq!((value("up"), metric(&metrics, "up", "away")), (1.0, Some(0.0)));
    assert!(value("frames_total") > 15.0 && value("frames_total") <= f64::from(u32::try_from(sent).unwrap()));
    assert!((value("frames_per_second") - 15.0).abs() < 3.0, "{metrics}");
    // About 33 kB in a second.
    assert!((100_000.0..600_000.0).contains(&value("bits_per_second")), "{metrics}");
    assert_eq!((value("restarts_total"), value("stalls_total")), (0.0, 0.0));
    assert!(value("disk_free_bytes") > 0.0);

    let cameras: serde_json::Value = serde_json::from_str(&get(port, "/cameras.json").unwrap().body).unwrap();
    assert_eq!(cameras, json!({ "data": [{ "{#CAMERA}": "away" }, { "{#CAMERA}": "yard" }] }));
    assert!(get(port, "/camera/yard/frame").unwrap().body.trim().parse::<u64>().unwrap() > 15);
    assert!(get(port, "/camera/yard/bitrate").unwrap().body.trim().parse::<f64>().unwrap() > 0.0);
    assert_eq!(get(port, "/camera/unknown/frame").unwrap().status, 404);
    assert_eq!(get(port, "/elsewhere").unwrap().status, 404);

    // The counters continue over another connection.
    site.wait_for_closed("yard", 2);
    let before = metric(&get(port, "/metrics").unwrap().body, "frames_total", "yard").unwrap();
    camera.drop_connections();
    wait_for("a restart", || {
        let metrics = get(port, "/metrics")?.body;
        let is_again = metric(&metrics, "restarts_total", "yard")? >= 1.0 && metric(&metrics, "up", "yard")? > 0.0;
        (is_again && metric(&metrics, "frames_total", "yard")? > before).then_some(())
    });
    let closed = site.closed("yard");
    let metrics = get(port, "/metrics").unwrap().body;
    assert!(metric(&metrics, "segments_total", "yard").unwrap() >= f64::from(u32::try_from(closed.len() - 1).unwrap()));
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert!(get(port, "/metrics").is_none(), "no process listens any more");
}

#[test]
fn a_listen_port_in_use_is_an_error() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    site.prepend(&format!("listen = {address:?}"));
    let output = site.record(&["--for", "3s"]).run();
    assert!(output.code.is_some_and(|code| code != 0) && output.stderr.contains(&address), "{output}");
}

#[test]
fn cpu_seconds_and_resident_memory_of_recorder_and_ffmpeg_are_those_of_proc() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table_for("ffmpeg"))]);
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&[]);
    let plain = |text: &str, name: &str| {
        let line = format!("footage_record_{name} ");
        text.lines().find_map(|it| it.strip_prefix(&line)?.parse::<f64>().ok())
    };
    let (metrics, ffmpeg) = wait_for("what ffmpeg takes", || {
        let metrics = get(port, "/metrics")?.body;
        let bytes = metric(&metrics, "ffmpeg_resident_memory_bytes", "yard")?;
        Some((metrics, bytes))
    });
    assert!(ffmpeg > 5e6 && metric(&metrics, "ffmpeg_cpu_seconds_total", "yard").is_some_and(|time| time < 60.0));
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")).unwrap();
    let own = plain(&metrics, "resident_memory_bytes").unwrap();
    assert!((own / 1024.0 - kib.parse::<f64>().unwrap()).abs() < 16_384.0, "{own} is not {kib} KiB");
    for name in ["cpu_seconds_total", "machine_load1", "machine_memory_total_bytes", "machine_memory_available_bytes"] {
        assert!(plain(&metrics, name).is_some(), "no {name} in {metrics}");
    }
    // `status` has it from the state file, and sums it up.
    let shown = wait_for("it in status", || {
        let shown = site.footage(&["status", "dest"]).run().stdout;
        shown.contains(", 1 ffmpeg ").then_some(shown)
    });
    assert!(shown.contains("; recorder ") && shown.contains("processor time "), "{shown}");
    let status: serde_json::Value =
        serde_json::from_str(&site.footage(&["status", "dest", "--json"]).run().stdout).unwrap();
    for row in 0..2 {
        assert!(status["rows"][row]["usage"]["resident_memory_bytes"].as_u64() > Some(1 << 20), "{status}");
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}
