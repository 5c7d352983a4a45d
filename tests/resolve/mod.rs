//! How names become addresses, through the built binary: with the host's own files, real servers, and a responder that misbehaves.

mod dns;
mod hosts;
mod mdns;
mod nss;

use std::time::{Duration, Instant};

use crate::support::camera::{Api, Camera};
use crate::support::{Output, Program, Scratch};

/// A recording that every camera here has.
const RECORDING: &str = "20181029_131513_NF";

/// A camera on all addresses of the host.
fn camera() -> Camera {
    let camera = Camera::start_on("[::]:0", Api::Old);
    camera.add_recording(RECORDING, 10_000);
    camera
}

/// `footage dashcam NAME:PORT`: fetches the camera's recording.
fn dashcam(scratch: &Scratch, name: &str, camera: &Camera) -> Program {
    let port = camera.address().rsplit_once(':').unwrap().1.to_owned();
    scratch.footage(["dashcam", &format!("{name}:{port}"), "-d", "dest", "--timeout", "3"])
}

/// The camera is found under this name.
#[track_caller]
fn expect_found(scratch: &Scratch, name: &str, camera: &Camera) {
    let before = camera.requests().len();
    dashcam(scratch, name, camera).run().expect_code(0);
    assert!(camera.requests().len() > before, "{name} is another camera");
}

/// The camera is not found, within this time.
#[track_caller]
fn expect_unknown(scratch: &Scratch, name: &str, camera: &Camera, limit: Duration) -> Output {
    let started = Instant::now();
    let output = dashcam(scratch, name, camera).run().expect_code(75);
    let took = started.elapsed();
    assert!(output.stderr.contains("its name is not known"), "{output}");
    assert!(took < limit, "{name} took {took:?}");
    assert!(camera.requests().is_empty(), "{:?}", camera.requests());
    output
}
