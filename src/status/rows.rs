//! The output as values: rows for passes and cameras, and their problems. `--json` prints this.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::newest::Newest;
use super::row_state::RowState;
use crate::machine::{Machine, Usage};
use crate::pass_name::PassName;

/// The state of every pass and camera.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// Whether there are no problems.
    pub ok: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The destinations.
    pub places: Vec<Disk>,
    /// Warnings about the power and the temperature of the machine, which no pass causes.
    pub warnings: Vec<String>,
    /// The machine that `status` runs on.
    pub machine: Machine,
    /// A row for each pass, below it one for each of its cameras.
    pub rows: Vec<Row>,
}

/// A destination and its disk.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// The destination.
    pub place: PathBuf,
    /// The used part, 0 to 1, as `df` counts it.
    pub disk_used_ratio: Option<f64>,
    /// What may still be written.
    pub disk_free_bytes: Option<u64>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The destination.
    pub place: PathBuf,
    /// The pass; none for the disk.
    pub pass: Option<PassName>,
    /// The camera; none for the pass itself.
    pub camera: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// A pass, or a camera of it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its destination.
    pub place: PathBuf,
    /// The subcommand.
    pub pass: PassName,
    /// The camera; empty for the pass itself, so that Zabbix can query it like the others.
    #[serde(serialize_with = "or_empty")]
    pub camera: Option<String>,
    /// What it reads from.
    pub source: String,
    /// Its state.
    pub state: RowState,
    /// When it entered this state.
    pub state_since_timestamp_seconds: Option<i64>,
    /// Whether nothing is wrong with it.
    pub ok: bool,
    /// Its process, while it runs.
    pub pid: Option<u32>,
    /// When the last run ended.
    pub last_run_timestamp_seconds: Option<i64>,
    /// When footage last arrived.
    pub last_arrival_timestamp_seconds: Option<i64>,
    /// The exit code of the last run.
    pub exit_code: Option<u8>,
    /// The newest recording.
    pub newest: Option<Newest>,
    /// Frames in a second.
    pub frames_per_second: Option<f64>,
    /// Bits in a second.
    pub bits_per_second: Option<f64>,
    /// Of a recorder the segments closed since it started, of another pass the files of its last run.
    pub files: Option<u64>,
    /// What is pending: the open segment; recordings that are still being written or wait for a retry; files that
    /// are not uploaded.
    pub pending_files: Option<u64>,
    /// Failures: incomplete and damaged segments, programs and requests since the recorder started; files of the last run.
    pub failed_files: Option<u64>,
    /// What the recorder, or for a camera its ffmpeg, uses of the machine.
    pub usage: Option<Usage>,
    /// When the camera, the storage or the server of `upload` first answered; of a recorder none.
    pub first_reached_timestamp_seconds: Option<i64>,
    /// Consecutive runs that could not reach it.
    pub missed_passes: Option<u64>,
}

impl Row {
    /// A row of a pass of which nothing is known.
    #[must_use]
    pub fn new(place: PathBuf, pass: PassName) -> Self {
        Self {
            place,
            pass,
            camera: None,
            source: String::new(),
            state: RowState::Unknown,
            state_since_timestamp_seconds: None,
            ok: false,
            pid: None,
            last_run_timestamp_seconds: None,
            last_arrival_timestamp_seconds: None,
            exit_code: None,
            newest: None,
            frames_per_second: None,
            bits_per_second: None,
            files: None,
            pending_files: None,
            failed_files: None,
            usage: None,
            first_reached_timestamp_seconds: None,
            missed_passes: None,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde hands the field over so")]
fn or_empty<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.as_deref().unwrap_or_default())
}
