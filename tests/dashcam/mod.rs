//! `footage dashcam` through the built binary, against a simulated camera: the behaviour when nothing goes wrong.

mod card;
mod commands;
mod drop_in;
mod exit_codes;
mod grouping;
mod listings;
mod metrics;
mod output;
mod retention;
mod room;
mod running;
mod secrets;
mod selection;
mod terminal;
mod verify;
mod zone;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::camera::{Api, Camera};
use crate::support::{Node, Output, Program, Scratch, tree};
use chrono::{Days, NaiveDate, Utc};
use serde_json::Value;

/// Longer than anything here takes; what takes longer hangs.
const SOON: Duration = Duration::from_secs(20);
/// A recording of this size is large enough for a journal record and small enough for hundreds of passes.
const SIZE: u64 = 100_000;
const GROUPINGS: [&str; 5] = ["none", "daily", "weekly", "monthly", "yearly"];
/// A recording and where each grouping puts it. The 28th was a Sunday, the last day of the week of the 22nd.
const NAME: &str = "20181028_131513_NF";
const GROUPS: [&str; 5] = ["", "2018-10-28", "2018-10-22", "2018-10", "2018"];

/// A camera and a destination.
struct Bench {
    camera: Camera,
    scratch: Scratch,
}

impl Bench {
    fn new(api: Api) -> Self {
        Self { camera: Camera::start(api), scratch: Scratch::new() }
    }

    /// An old camera with these recordings on its card.
    fn with<N: AsRef<str>>(recordings: impl IntoIterator<Item = N>) -> Self {
        let bench = Self::new(Api::Old);
        bench.add(recordings);
        bench
    }

    fn add<N: AsRef<str>>(&self, recordings: impl IntoIterator<Item = N>) {
        for recording in recordings {
            self.camera.add_recording(recording.as_ref(), SIZE);
        }
    }

    /// `footage dashcam ADDRESS -d dest`, and these options.
    fn footage(&self, options: &[&str]) -> Program {
        self.footage_from(&self.camera.address(), options)
    }

    fn footage_from(&self, address: &str, options: &[&str]) -> Program {
        self.scratch
            .footage(["dashcam", address, "-d", "dest"])
            .args(options)
            // The disk under the tests may be fuller than 90 %.
            .env("FOOTAGE_MAX_USED_DISK", "98")
    }

    fn pass(&self, options: &[&str]) -> Output {
        self.footage(options).run()
    }

    /// A pass that must find nothing wrong and say nothing.
    #[track_caller]
    fn quiet_pass(&self, options: &[&str]) {
        self.pass(options).expect_silence_but_for_removals();
    }

    /// A pass and its report.
    #[track_caller]
    fn report(&self, options: &[&str]) -> Value {
        let output = self.pass(&[options, &["--json"]].concat());
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("no report: {e}; {output}"))
    }

    /// The destination.
    fn dest(&self) -> PathBuf {
        self.scratch.join("dest")
    }

    /// Everything in the destination but directories and our own folder.
    fn held(&self) -> BTreeSet<String> {
        files(&self.dest())
    }

    /// The recordings held, as `DIR/20181029_131513_NF`.
    fn recordings(&self) -> Vec<String> {
        self.held().iter().filter_map(|file| file.strip_suffix(".mp4")).map(str::to_owned).collect()
    }

    /// Puts a file into the destination.
    fn put(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        self.scratch.write(Path::new("dest").join(path), bytes);
    }

    /// Puts a recording and its sidecars into the destination as a pass would have: not from this camera's card.
    fn put_recording(&self, dir: &str, recording: &str) {
        let other = Camera::start(Api::Old);
        other.add_recording(recording, SIZE);
        for name in other.names() {
            self.put(Path::new(dir).join(&name), other.bytes(&name));
        }
    }

    /// Asserts that these files in the destination are as on the card.
    #[track_caller]
    fn assert_like_camera(&self, dir: &str) {
        for name in self.camera.names() {
            let path = self.dest().join(dir).join(&name);
            let held = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(held == self.camera.bytes(&name), "{name} is not as on the camera");
        }
    }

    /// The videos that were asked for with GET, in that order.
    fn asked(&self) -> Vec<String> {
        let log = self.camera.requests_for("GET .mp4");
        log.iter().map(|request| request.path.rsplit('/').next().unwrap_or_default().replace(".mp4", "")).collect()
    }
}

/// Everything below `dir` but directories and our own folder, hidden files too.
fn files(dir: &Path) -> BTreeSet<String> {
    let nodes = tree(dir).into_iter().filter(|(path, node)| *node != Node::Dir && !path.starts_with(".footage"));
    nodes.map(|(path, _)| path.display().to_string()).collect()
}

/// The names of the files of a recording with all its sidecars, in `dir`.
fn files_of(dir: &str, recording: &str) -> BTreeSet<String> {
    let base = &recording[..17];
    let dir = if dir.is_empty() { String::new() } else { format!("{dir}/") };
    let thumbnail = &recording[..18];
    [format!("{recording}.mp4"), format!("{thumbnail}.thm"), format!("{base}.gps"), format!("{base}.3gf")]
        .map(|name| format!("{dir}{name}"))
        .into()
}

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

/// Runs a test that counts days from today; once more, should midnight have come in between.
fn on_one_day(test: impl Fn(NaiveDate)) {
    let day = today();
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(day)));
    match attempt {
        Err(_) if today() != day => test(today()),
        Err(panic) => std::panic::resume_unwind(panic),
        Ok(()) => {}
    }
}

/// The moment `days` before `today` at `time`, as names begin.
fn ago(today: NaiveDate, days: u64, time: &str) -> String {
    let day = today.checked_sub_days(Days::new(days)).expect("a date");
    format!("{}_{time}", day.format("%Y%m%d"))
}

/// A set of names.
fn set<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}
