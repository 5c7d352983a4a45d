//! A camera that is held up, leaves, and returns.

use super::{Bench, CANNOT_CONNECT, EMPTY_REPLY, NAME, PARTIAL_FILE, RECEIVE_ERROR, SOON, TIMEOUT, whole};
use crate::support::Scratch;
use crate::support::camera::{Api, Camera, Fault, How, Times};

#[test]
fn camera_gate_pauses_a_transfer_at_a_byte() {
    let bench = Bench::new(Api::Old);
    let gate = bench.camera.hold("GET .mp4", 1000);
    let curl = bench.curl(&format!("/Record/{NAME}"), &[]).spawn();
    gate.wait_reached(SOON);
    assert_eq!(bench.camera.body_bytes_served(), 1000);
    assert!(!bench.camera.requests()[0].finished);
    gate.open();
    curl.wait().expect_code(0);
    bench.camera.wait_for(|log| log[0].finished, SOON);
    bench.assert_body(&whole());
}

#[test]
fn camera_departure_ends_transfers_and_refuses_connections() {
    for (how, under_way, afterwards) in [
        (How::Refused, RECEIVE_ERROR, CANNOT_CONNECT),
        (How::Reset, RECEIVE_ERROR, RECEIVE_ERROR),
        (How::Close, PARTIAL_FILE, EMPTY_REPLY),
        (How::Silent, TIMEOUT, TIMEOUT),
    ] {
        let bench = Bench::new(Api::Old);
        let gate = bench.camera.hold("GET .mp4", 1000);
        let curl = bench.curl(&format!("/Record/{NAME}"), &["-m", "1"]).spawn();
        gate.wait_reached(SOON);
        bench.camera.depart(how);
        curl.wait().expect_code(under_way);
        bench.get(&["-m", "1"]).expect_code(afterwards);
        drop(gate);
        bench.camera.come_back();
        bench.get(&[]).expect_code(0);
        bench.assert_body(&whole());

        bench.camera.clear_log();
        bench.camera.depart_after(5000, how);
        bench.get(&["-m", "1"]).expect_code(under_way);
        bench.get(&["-m", "1"]).expect_code(afterwards);
        assert_eq!(bench.camera.body_bytes_served(), 5000);
    }
}

#[test]
fn camera_departure_ends_a_transfer_that_the_client_does_not_read() {
    let bench = Bench::new(Api::Old);
    bench.camera.add(NAME, vec![0; 50 << 20]);
    let curl = bench.curl(&format!("/Record/{NAME}"), &["--limit-rate", "1000"]).spawn();
    bench.camera.wait_for(|log| log.first().is_some_and(|request| request.body_bytes_sent > 0), SOON);
    bench.camera.depart(How::Refused);
    bench.camera.wait_for(|log| log[0].finished, SOON);
    curl.kill();
    assert_eq!(curl.wait().signal, Some(9));
}

#[test]
fn a_stopped_camera_leaves_its_port_to_the_next() {
    let first = Camera::start(Api::Old);
    let address = first.address();
    let bench = Bench { camera: first, scratch: Scratch::new() };
    bench.get(&[]).expect_code(0);
    drop(bench);
    let next = Camera::start_on(&address, Api::New);
    assert_eq!(next.address(), address);
    let v6 = Camera::start_on("[::1]:0", Api::Old);
    v6.fault("/", Fault::Reset { after: 2 }, Times::Always);
    let v6 = Bench { camera: v6, scratch: Scratch::new() };
    v6.get(&["-g"]).expect_code(RECEIVE_ERROR);
    assert_eq!(v6.body().len(), 2);
}
