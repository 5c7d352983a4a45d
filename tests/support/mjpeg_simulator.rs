//! A simulated camera that sends JPEG after JPEG over HTTP, for the demo: `cargo run --example mjpeg-camera`.
//!
//! It prints `listening on http://127.0.0.1:PORT/stream` and serves until it is killed.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "made for tests, which use more of it")]
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "it is a test peer: it panics, and it has a clock")]

mod camera;
mod ip_camera;
mod mjpeg;
mod mp4;
mod orders;
mod rng;

use std::io::Write;
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        let _ = writeln!(std::io::stderr(), "usage: mjpeg-camera");
        return ExitCode::from(2);
    }
    let camera = mjpeg::MjpegCamera::start();
    let mut stdout = std::io::stdout();
    let told = writeln!(stdout, "listening on {}", camera.url()).and_then(|()| stdout.flush());
    told.expect("stdout is open");
    loop {
        thread::park();
    }
}
