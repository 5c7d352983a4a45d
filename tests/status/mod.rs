//! `footage status` through the built binary, over what real passes have left.

mod finding;
mod machine;
mod passes;
mod planted;
mod recorded;
mod recorders;
mod shown;

use std::time::Duration;

use crate::support::camera::{Api, Camera};
use crate::support::{Output, Scratch};
use serde_json::Value;

/// Longer than anything here takes; what takes longer hangs.
const SOON: Duration = Duration::from_secs(20);

/// A dashcam, and directories to fill.
struct Bench {
    camera: Camera,
    scratch: Scratch,
}

impl Bench {
    /// With a recording that began a minute ago.
    fn new() -> Self {
        let camera = Camera::start(Api::Old);
        camera.add_recording(&name_of(chrono::Duration::minutes(1)), 100_000);
        Self { camera, scratch: Scratch::new() }
    }

    /// A pass of `footage dashcam` to this destination.
    #[track_caller]
    fn fetch(&self, destination: &str) -> Output {
        self.scratch.footage(["dashcam", &self.camera.address(), "-d", destination, "-u", "98"]).run()
    }

    /// `footage status` with these arguments.
    #[track_caller]
    fn status(&self, arguments: &[&str]) -> Output {
        self.scratch.footage([&["status"], arguments].concat()).run()
    }

    /// Its JSON output.
    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.status(&[arguments, &["--json"]].concat()).expect_code(code);
        assert_eq!(output.stderr, "");
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output}"))
    }
}

/// A recording that began so long ago, by the clock in UTC.
fn name_of(age: chrono::Duration) -> String {
    (chrono::Utc::now() - age).format("%Y%m%d_%H%M%S_NF").to_string()
}

/// The problems, each as `PASS CAMERA: TEXT`.
fn problems(status: &Value) -> Vec<String> {
    let one = |problem: &Value| {
        let word = |key: &str| problem[key].as_str().unwrap_or("-").to_owned();
        format!("{} {}: {}", word("pass"), word("camera"), word("message"))
    };
    status["problems"].as_array().unwrap().iter().map(one).collect()
}
