//! What `record` tells of itself while it runs: to its listener, to its state file, and through that to `status`.
//!
//! It is written to `.footage/record.json` in the destination, with a shard to `record-2-of-5.json`, about every
//! [`EVERY`], and once more at the end. Pure: who fills it has the clock. Its numbers are called as the metrics are,
//! without `footage_record_` and `_total`. A reader must bear fields that are missing or unknown: another version may have written them.

mod meter;
mod render;

pub use meter::Meter;
pub use render::CAMERA_VALUES;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{Machine, Usage};
use crate::pass::Ended;

/// How often the state file is written.
pub const EVERY: Duration = Duration::from_secs(10);

/// The word for the end of a recorder whose time, `--for`, was up.
pub const DONE: &str = "done";

/// A recorder and its cameras. No text in it holds a secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Its process.
    pub pid: u32,
    /// When it began.
    pub start_timestamp_seconds: f64,
    /// When it last looked at all its cameras: its heartbeat.
    pub updated_timestamp_seconds: f64,
    /// `2/5` of `--shard`.
    pub shard: Option<String>,
    /// The configuration file, if it was started with one.
    pub config: Option<String>,
    /// Why the last reload was refused: the configuration on disk is not the one in use.
    pub config_error: Option<String>,
    /// The lock, where `--lock-file` puts it elsewhere.
    pub lock_file: Option<PathBuf>,
    /// Why it ended, once it has: [`DONE`] or a word of [`Error::reason`](crate::error::Error::reason), and the text. A
    /// recorder that was killed did not come to write this.
    pub ended: Option<Ended>,
    /// What its own process takes of the machine, without its ffmpegs.
    pub usage: Option<Usage>,
    /// The machine that it runs on.
    pub machine: Option<Machine>,
    /// Its cameras, sorted by name.
    pub cameras: Vec<CameraLive>,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraLive {
    /// What it is called.
    #[serde(rename = "camera")]
    pub name: String,
    /// Its URL, without user, password and whatever else may be a secret.
    pub source: String,
    /// Where its segments go.
    pub directory: PathBuf,
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub state_since_timestamp_seconds: f64,
    /// Frames since the recorder began, over all of its ffmpegs.
    pub frames: u64,
    /// Frames in a second over the last seconds: see [`Meter`]. None until it is known.
    pub frames_per_second: Option<f64>,
    /// Bits in a second over the last seconds, from the bytes on disk. None until it is known.
    pub bits_per_second: Option<f64>,
    /// How much video the running ffmpeg has written.
    pub out_time_seconds: f64,
    /// Frames that ffmpeg doubled to keep the rate, over all of its ffmpegs.
    pub dup_frames: u64,
    /// Frames that ffmpeg left out to keep the rate, over all of its ffmpegs.
    pub drop_frames: u64,
    /// How many times ffmpeg was started again, other than for a changed configuration.
    pub restarts: u64,
    /// Of those, because no frames came any more.
    pub stalls: u64,
    /// When frames last came.
    pub last_frame_timestamp_seconds: Option<f64>,
    /// Segments closed.
    pub segments: u64,
    /// Bytes written in all, the open segment included.
    pub bytes: u64,
    /// The last closed segment.
    pub last_segment: Option<SegmentLive>,
    /// When the open segment began.
    pub open_segment_start_timestamp_seconds: Option<f64>,
    /// Segments found torn by a crash, and kept.
    pub torn_segments: u64,
    /// Segments that could not be closed as what they should be: unreadable, or their names taken.
    pub damaged_segments: u64,
    /// Segments that are complete and cannot be closed now; they are tried again.
    pub unclosed_segments: u64,
    /// Segments removed by retention, or for room.
    pub removed_segments: u64,
    /// Programs of `on_segment` that failed.
    pub hook_failures: u64,
    /// Requests of `schedule` that failed.
    pub schedule_failures: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// It was failing when the time of `--for` was up.
    pub was_failing: bool,
    /// The used part of the disk that its segments go to, 0 to 1, as `df` counts it.
    pub disk_used_ratio: Option<f64>,
    /// What may still be written to it.
    pub disk_free_bytes: Option<u64>,
    /// What its running ffmpeg takes of the machine.
    pub ffmpeg_usage: Option<Usage>,
}

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentLive {
    /// Where it is.
    pub path: PathBuf,
    /// When it began.
    pub start_timestamp_seconds: f64,
    /// How long it is.
    pub duration_seconds: f64,
    /// Its size.
    pub bytes: u64,
}

/// What the recorder of one camera is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// ffmpeg runs and no frame has come yet, or its start is still to come.
    #[default]
    Starting,
    /// Frames come.
    Recording,
    /// ffmpeg ended; it is started again after a pause.
    Waiting,
    /// Frames have stopped coming; ffmpeg is being ended for it.
    Stalled,
    /// The disk is full; it goes on when there is room.
    Paused,
    /// It was told to stop, and closes its segment.
    Stopping,
}

impl State {
    /// The word for it in metrics, tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
        }
    }
}

impl CameraLive {
    /// Whether footage of it arrives.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Recording
    }
}

impl Live {
    /// Whether it has ended because its time was up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.reason == DONE)
    }

    /// The camera of this name.
    #[must_use]
    pub fn camera(&self, name: &str) -> Option<&CameraLive> {
        self.cameras.iter().find(|camera| camera.name == name)
    }

    /// Its state file, or with another ending its lock, in a destination: `record.json`, `record-2-of-5.lock`.
    #[must_use]
    pub fn file_name(shard: Option<&str>, ending: &str) -> String {
        match shard {
            Some(shard) => format!("record-{}.{ending}", shard.replace('/', "-of-")),
            None => format!("record.{ending}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera that records and one that never did.
    pub(super) fn example() -> Live {
        let yard = CameraLive {
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
            last_segment: Some(SegmentLive {
                path: "/data/yard/2026-11-17/2026-11-17_22-26-40+0000.mkv".into(),
                start_timestamp_seconds: 1_794_999_600.0,
                duration_seconds: 400.5,
                bytes: 3_000_000,
            }),
            open_segment_start_timestamp_seconds: Some(1_795_000_002.0),
            disk_used_ratio: Some(0.25),
            disk_free_bytes: Some(1_000_000_000),
            ..CameraLive::default()
        };
        let gate = CameraLive {
            name: "the \"gate\"".into(),
            state: State::Waiting,
            state_since_timestamp_seconds: 1_795_000_060.0,
            last_error: Some("Connection refused".into()),
            ..CameraLive::default()
        };
        Live {
            pid: 7,
            start_timestamp_seconds: 1_795_000_000.0,
            updated_timestamp_seconds: 1_795_000_063.0,
            cameras: vec![gate, yard],
            ..Live::default()
        }
    }

    #[test]
    fn record_json_of_another_version_is_read() {
        let text = r#"{"pid": 7, "colour": "red", "cameras": [{"camera": "yard", "state": "paused", "legs": 4}]}"#;
        let live: Live = serde_json::from_str(text).expect("a live");
        assert_eq!((live.pid, live.cameras.len()), (7, 1));
        assert_eq!(live.camera("yard").map(|camera| (camera.state, camera.frames)), Some((State::Paused, 0)));
        assert!(live.camera("gate").is_none());
    }

    #[test]
    fn record_json_is_read_back() {
        let live = example();
        let text = serde_json::to_string(&live).expect("JSON");
        assert_eq!(serde_json::from_str::<Live>(&text).expect("a live"), live);
    }

    #[test]
    fn a_shard_has_its_own_state_files() {
        assert_eq!(Live::file_name(None, "json"), "record.json");
        assert_eq!(Live::file_name(Some("2/5"), "lock"), "record-2-of-5.lock");
    }
}
