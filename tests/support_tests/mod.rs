//! The simulators of the tests behave as documented: curl sees each fault.

mod away;
mod faults;
mod harness;
mod ip_cameras;
mod listings;
mod s3;

use std::time::Duration;

use crate::support::camera::{Api, Camera, Fault, Times};
use crate::support::{Output, Program, Scratch, mp4};

const NAME: &str = "20181029_131513_NF.mp4";
const SIZE: u64 = 300_000;
const SOON: Duration = Duration::from_secs(20);

// curl's exit codes.
const CANNOT_CONNECT: i32 = 7;
const PARTIAL_FILE: i32 = 18;
const TIMEOUT: i32 = 28;
const EMPTY_REPLY: i32 = 52;
const RECEIVE_ERROR: i32 = 56;

/// A camera with one recording, and a directory for what curl gets.
struct Bench {
    camera: Camera,
    scratch: Scratch,
}

impl Bench {
    fn new(api: Api) -> Self {
        let camera = Camera::start(api);
        camera.add_recording("20181029_131513_NF", SIZE);
        Self { camera, scratch: Scratch::new() }
    }

    fn with(fault: Fault) -> Self {
        let bench = Self::new(Api::Old);
        bench.camera.fault(&format!("GET {NAME}"), fault, Times::Always);
        bench
    }

    fn curl(&self, path: &str, options: &[&str]) -> Program {
        let url = format!("http://{}{path}", self.camera.address());
        Program::new("curl")
            .args(["-sS", "-D", "head", "-o", "body"])
            .args(options)
            .arg(url)
            .current_dir(self.scratch.path())
    }

    fn get(&self, options: &[&str]) -> Output {
        self.curl(&format!("/Record/{NAME}"), options).run()
    }

    fn head(&self) -> String {
        std::fs::read_to_string(self.scratch.join("head")).unwrap_or_default()
    }

    fn body(&self) -> Vec<u8> {
        std::fs::read(self.scratch.join("body")).unwrap_or_default()
    }

    fn assert_body(&self, expected: &[u8]) {
        assert!(self.body() == expected, "got {} bytes, expected {}", self.body().len(), expected.len());
    }
}

fn whole() -> Vec<u8> {
    mp4::movie(SIZE, crate::support::rng::seed_of("20181029_131513_NF"))
}
