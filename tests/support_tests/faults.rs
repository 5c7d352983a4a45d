//! How a camera misbehaves.

use super::harness::assert_chains;
use super::{Bench, EMPTY_REPLY, NAME, PARTIAL_FILE, RECEIVE_ERROR, TIMEOUT, whole};
use crate::support::camera::{Api, Fault, Times};
use std::time::{Duration, Instant};

#[test]
fn camera_serves_range_requests() {
    let bench = Bench::new(Api::Old);
    bench.get(&["-r", "1000-"]).expect_code(0);
    bench.assert_body(&whole()[1000..]);
    assert!(bench.head().contains("206 Partial Content"));
    assert!(bench.head().contains("Content-Range: bytes 1000-299999/300000\r\n"));
    bench.get(&["-r", "10-19"]).expect_code(0);
    bench.assert_body(&whole()[10..20]);
    bench.get(&["-r", "300000-"]).expect_code(0);
    assert!(bench.head().contains("416 ") && bench.head().contains("Content-Range: bytes */300000\r\n"));
    assert_eq!(bench.camera.requests()[0].range_start, Some(1000));
    bench.get(&["-I"]).expect_code(0);
    assert!(bench.head().contains("Content-Length: 300000\r\n"));

    let bench = Bench::with(Fault::NoRange);
    bench.get(&["-H", "Range: bytes=1000-"]).expect_code(0);
    bench.assert_body(&whole());
    let bench = Bench::with(Fault::LyingRange { start_delta: -10, total_delta: 5 });
    bench.get(&["-H", "Range: bytes=1000-"]).expect_code(0);
    assert!(bench.head().contains("Content-Range: bytes 990-299989/300005\r\n"));
    bench.assert_body(&whole()[1000..]);
    let bench = Bench::with(Fault::WrongBytes);
    bench.get(&["-H", "Range: bytes=1000-"]).expect_code(0);
    assert!(bench.head().contains("Content-Range: bytes 1000-299999/300000\r\n"));
    bench.assert_body(&whole()[999..299_999]);
}

#[test]
fn camera_faults_break_transfers() {
    let after = 123_456;
    let bench = Bench::with(Fault::Cut { after });
    bench.get(&[]).expect_code(PARTIAL_FILE);
    bench.assert_body(&whole()[..123_456]);

    let bench = Bench::with(Fault::Reset { after });
    let reset = bench.get(&[]).expect_code(RECEIVE_ERROR);
    assert!(reset.stderr.contains("reset by peer"), "{reset}");
    bench.assert_body(&whole()[..123_456]);

    let bench = Bench::with(Fault::Stall { after });
    bench.get(&["-m", "1"]).expect_code(TIMEOUT);
    bench.assert_body(&whole()[..123_456]);

    let bench = Bench::with(Fault::CutInHeaders);
    bench.get(&[]); // which curl takes for the whole head
    assert!(bench.head().starts_with("HTTP/1.1 200 ") && !bench.head().contains("\r\n\r\n"));
    assert!(bench.body().is_empty());
    let bench = Bench::with(Fault::SilentClose);
    bench.get(&[]).expect_code(EMPTY_REPLY);
    assert_eq!(bench.camera.requests()[0].status, 0);
    let bench = Bench::with(Fault::Refuse);
    let refused = bench.get(&[]).expect_code(RECEIVE_ERROR);
    assert!(refused.stderr.contains("reset by peer"), "{refused}");

    let bench = Bench::with(Fault::WrongLength(10));
    bench.get(&[]).expect_code(PARTIAL_FILE);
    bench.assert_body(&whole());
    let bench = Bench::with(Fault::WrongLength(-10));
    bench.get(&[]);
    bench.assert_body(&whole()[..299_990]);
}

#[test]
fn camera_faults_change_status_and_length() {
    for fault in [Fault::NoLength, Fault::Chunked] {
        let bench = Bench::with(fault);
        bench.get(&[]).expect_code(0);
        bench.assert_body(&whole());
        assert!(!bench.head().contains("Content-Length"));
    }
    let bench = Bench::with(Fault::Status(204));
    bench.get(&[]).expect_code(0);
    assert!(bench.head().starts_with("HTTP/1.1 204 ") && bench.body().is_empty());
    let bench = Bench::with(Fault::Answer { status: 500, body: "broken".into() });
    bench.get(&[]).expect_code(0);
    assert!(bench.head().starts_with("HTTP/1.1 500 "));
    bench.assert_body(b"broken");
    let bench = Bench::with(Fault::Redirect("http://192.0.2.1/".into()));
    bench.get(&[]).expect_code(0);
    assert!(bench.head().contains("Location: http://192.0.2.1/\r\n"));
}

#[test]
fn camera_faults_occur_as_often_as_ordered() {
    let bench = Bench::new(Api::Old);
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Nth(2));
    bench.camera.fault("HEAD .mp4", Fault::Status(502), Times::First(1));
    let statuses = [0, 1, 2].map(|_| {
        bench.get(&[]);
        bench.get(&["-I"]);
        let log = bench.camera.requests();
        [log[log.len() - 2].status, log[log.len() - 1].status]
    });
    assert_eq!(statuses, [[200, 502], [500, 200], [200, 200]]);
}

#[test]
fn a_recording_grows_until_it_is_finished() {
    let bench = Bench::new(Api::Old);
    bench.camera.fault(NAME, Fault::Grow { by: 1000 }, Times::Always);
    for size in [301_000, 302_000] {
        bench.get(&[]).expect_code(0);
        assert_eq!(bench.body().len(), size);
    }
    bench.camera.finish_writing(NAME);
    bench.get(&[]).expect_code(0);
    bench.assert_body(&bench.camera.bytes(NAME));
    assert_eq!(bench.body().len(), 302_000);
    assert_chains(&bench.body());
}

#[test]
fn camera_faults_slow_transfers() {
    let start = Instant::now();
    let bench = Bench::with(Fault::Trickle { bytes_per_sec: 600_000 });
    bench.get(&[]).expect_code(0);
    let bench = Bench::new(Api::Old);
    bench.camera.rate_limit(600_000);
    bench.get(&[]).expect_code(0);
    let took = start.elapsed();
    assert!((Duration::from_millis(800)..Duration::from_secs(5)).contains(&took), "{took:?}");
}
