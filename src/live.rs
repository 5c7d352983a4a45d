//! The state of `record` while it runs: for its listener, its state file, and through that for `status`.
//!
//! It is written to `.footage/record.json` in the destination, with a shard to `record-2-of-5.json`, about every
//! [`EVERY`], and once more at the end. Pure: the caller has the clock. Its fields have the names of the metrics,
//! without `footage_record_` and `_total`. A reader must accept missing and unknown fields: another version may have written them.

mod meter;
mod render;

pub use meter::Meter;
pub use render::CAMERA_VALUES;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::EndReason;
use crate::machine::{Machine, Usage};
use crate::pass::Ended;
use crate::pass_name::PassName;
use crate::text_enum::text_enum;

/// How often the state file is written.
pub const EVERY: Duration = Duration::from_secs(10);

/// A recorder and its cameras. No text in it holds a secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderStatus {
    /// Its process.
    pub pid: u32,
    /// When it began.
    pub start_timestamp_seconds: f64,
    /// When it last checked all its cameras: its heartbeat.
    pub updated_timestamp_seconds: f64,
    /// `2/5` of `--shard`.
    pub shard: Option<String>,
    /// The configuration file, if it was started with one.
    pub config: Option<String>,
    /// Why the last reload failed: the configuration on disk is not the one in use.
    pub config_error: Option<String>,
    /// The path of the lock, with `--lock-file`.
    pub lock_file: Option<PathBuf>,
    /// Why it ended, if it has. A killed recorder does not write this.
    pub ended: Option<Ended>,
    /// What its own process uses of the machine, without its ffmpegs.
    pub usage: Option<Usage>,
    /// The machine that it runs on.
    pub machine: Option<Machine>,
    /// Its cameras, sorted by name.
    pub cameras: Vec<CameraStatus>,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraStatus {
    /// Its name.
    #[serde(rename = "camera")]
    pub name: String,
    /// Its URL, without user, password and other secrets.
    pub source: String,
    /// The directory of its segments.
    pub directory: PathBuf,
    /// Its state.
    pub state: State,
    /// When it entered this state.
    pub state_since_timestamp_seconds: f64,
    /// Frames since the recorder began, over all connections.
    pub frames: u64,
    /// Frames per second over the last seconds: see [`Meter`]. None until known.
    pub frames_per_second: Option<f64>,
    /// Bits per second over the last seconds, from the bytes on disk. None until known.
    pub bits_per_second: Option<f64>,
    /// How long the open segment is.
    pub out_time_seconds: f64,
    /// Always 0: no frame is duplicated.
    pub dup_frames: u64,
    /// RTP packets that were lost, and pictures that an encoder did not keep up with, over all connections.
    pub drop_frames: u64,
    /// How many times footage connected again, except for a changed configuration.
    pub restarts: u64,
    /// Of those, because frames stopped arriving.
    pub stalls: u64,
    /// When the last frame arrived.
    pub last_frame_timestamp_seconds: Option<f64>,
    /// Segments closed.
    pub segments: u64,
    /// Bytes written in all, the open segment included.
    pub bytes: u64,
    /// The last closed segment.
    pub last_segment: Option<SegmentStatus>,
    /// When the open segment began.
    pub open_segment_start_timestamp_seconds: Option<f64>,
    /// Segments found incomplete (crash or full disk), and kept.
    pub torn_segments: u64,
    /// Segments that could not be closed: unreadable, or their names exist.
    pub damaged_segments: u64,
    /// Segments that are complete and cannot be closed yet; they are retried.
    pub unclosed_segments: u64,
    /// Segments removed by retention or to free space.
    pub removed_segments: u64,
    /// Programs of `on_segment` that failed.
    pub hook_failures: u64,
    /// Requests of `schedule` that failed.
    pub schedule_failures: u64,
    /// The last error.
    pub last_error: Option<String>,
    /// Whether it was failing when `--for` elapsed.
    pub was_failing: bool,
    /// The used part of the disk that its segments go to, 0 to 1, as `df` counts it.
    pub disk_used_ratio: Option<f64>,
    /// The bytes that may still be written to it.
    pub disk_free_bytes: Option<u64>,
    /// What reads it now: `native` or `ffmpeg`.
    pub engine: Option<String>,
    /// The process of its ffmpeg, while one runs.
    pub ffmpeg_pid: Option<u32>,
    /// What its running ffmpeg uses of the machine.
    pub ffmpeg_usage: Option<Usage>,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentStatus {
    /// Its path.
    pub path: PathBuf,
    /// When it began.
    pub start_timestamp_seconds: f64,
    /// Its duration.
    pub duration_seconds: f64,
    /// Its size.
    pub bytes: u64,
}

text_enum! {
    /// The state of one camera: a word of metrics, tables and JSON.
    #[derive(Default)]
    pub enum State {
        /// ffmpeg is starting, or runs without a frame yet.
        #[default]
        Starting = "starting",
        /// Frames arrive.
        Recording = "recording",
        /// ffmpeg ended; it is restarted after a pause.
        Waiting = "waiting",
        /// Frames stopped arriving; ffmpeg is being stopped.
        Stalled = "stalled",
        /// The disk is full; recording resumes when space is free.
        Paused = "paused",
        /// It is stopping, and closes its segment.
        Stopping = "stopping",
    }
}

impl CameraStatus {
    /// Whether its footage arrives.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Recording
    }
}

impl RecorderStatus {
    /// Whether it has ended because `--for` elapsed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.reason == EndReason::Done)
    }

    /// The camera of this name.
    #[must_use]
    pub fn camera(&self, name: &str) -> Option<&CameraStatus> {
        self.cameras.iter().find(|camera| camera.name == name)
    }

    /// The name of its state file, or with another extension of its lock: `record.json`, `record-2-of-5.lock`.
    #[must_use]
    pub fn file_name(shard: Option<&str>, ending: &str) -> String {
        match shard {
            Some(shard) => format!("{}-{}.{ending}", PassName::Record, shard.replace('/', "-of-")),
            None => format!("{}.{ending}", PassName::Record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera that records and one that never did.
    pub(super) fn example() -> RecorderStatus {
        let yard = CameraStatus {
            name: "yard".into(),
            source: "rtsp://192.168.1.20/stream".into(),
            directory: "/data/yard".into(),
            state: State::Recording,
            state_since_timestamp_seconds: 1_795_000_002.0,
            frames: 900,
            frames_per_second: Some(15.0),
            bits_per_second: Some(512_345.0),
            out_time_seconds: 60.9,
            dup_frames: 1,
            drop_frames: 2,
            restarts: 3,
            stalls: 1,
            last_frame_timestamp_seconds: Some(1_795_000_062.5),
            segments: 4,
            bytes: 3_900_000,
            last_segment: Some(SegmentStatus {
                path: "/data/yard/2026-11-17/2026-11-17_22-26-40+0000.mkv".into(),
                start_timestamp_seconds: 1_794_999_600.0,
                duration_seconds: 400.5,
                bytes: 3_000_000,
            }),
            open_segment_start_timestamp_seconds: Some(1_795_000_002.0),
            disk_used_ratio: Some(0.25),
            disk_free_bytes: Some(1_000_000_000),
            ..CameraStatus::default()
        };
        let gate = CameraStatus {
            name: "the \"gate\"".into(),
            state: State::Waiting,
            state_since_timestamp_seconds: 1_795_000_060.0,
            last_error: Some("Connection refused".into()),
            ..CameraStatus::default()
        };
        RecorderStatus {
            pid: 7,
            start_timestamp_seconds: 1_795_000_000.0,
            updated_timestamp_seconds: 1_795_000_063.0,
            cameras: vec![gate, yard],
            ..RecorderStatus::default()
        }
    }

    #[test]
    fn record_json_of_another_version_is_read() {
        let text = r#"{"pid": 7, "colour": "red", "cameras": [{"camera": "yard", "state": "paused", "legs": 4}]}"#;
        let live: RecorderStatus = serde_json::from_str(text).expect("a live");
        assert_eq!((live.pid, live.cameras.len()), (7, 1));
        assert_eq!(live.camera("yard").map(|camera| (camera.state, camera.frames)), Some((State::Paused, 0)));
        assert!(live.camera("gate").is_none());
    }

    #[test]
    fn record_json_is_read_back() {
        let live = example();
        let text = serde_json::to_string(&live).expect("JSON");
        assert_eq!(serde_json::from_str::<RecorderStatus>(&text).expect("a live"), live);
    }

    #[test]
    fn a_shard_has_its_own_state_files() {
        assert_eq!(RecorderStatus::file_name(None, "json"), "record.json");
        assert_eq!(RecorderStatus::file_name(Some("2/5"), "lock"), "record-2-of-5.lock");
    }
}
