//! The trace of a pass that cannot leave its report in its destination, for `status` to find.
//!
//! Such a pass may not write there, or ends before it knows enough: of a share that is not mounted, of an option that is
//! wrong. The trace is a small file in the [user's directory](user_dir), which every user can read.
//! It counts until the same pass leaves a report. Considered instead: to tell from the times of earlier reports that one is
//! overdue. That needs a rhythm to be guessed, finds nothing before the second report, and cannot say why.
//! What leaves no trace either (a container that is gone, a private `/tmp`) is found by `status --max-pass-age`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::user_dir;

/// More than there are.
const MAX_TRACES: usize = 1000;
/// How the names of the files begin.
const PREFIX: &str = "trace-";

/// What is known of a pass that left no report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The subcommand.
    pub pass: String,
    /// Its destination, without links.
    pub place: PathBuf,
    /// When it began, seconds since 1970.
    pub start_timestamp_seconds: f64,
    /// Why it ended: a word of [`Error::reason`](crate::error::Error::reason).
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// Who ran it: the owner of the folder, whatever the file says.
    #[serde(skip)]
    pub uid: u32,
}

impl Trace {
    /// Leaves it, in place of an earlier one of the same pass and destination. Where that cannot be, there is none.
    pub fn leave(&self) {
        if let Ok(text) = serde_json::to_vec(self) {
            user_dir::write(&file_name(&self.pass, &self.place), &text);
        }
    }

    /// What this user's last pass of the kind left for a destination.
    #[must_use]
    pub fn last(pass: &str, place: &Path) -> Option<Self> {
        parse(&user_dir::read(&file_name(pass, place))?)
    }

    /// The pass has left a report: its trace goes.
    pub fn forget(pass: &str, place: &Path) {
        user_dir::forget(&file_name(pass, place));
    }

    /// The traces of all users that can be read.
    #[must_use]
    pub fn read_all() -> Vec<Self> {
        let all = user_dir::read_all(PREFIX).filter_map(|(uid, bytes)| Some(Self { uid, ..parse(&bytes)? }));
        all.take(MAX_TRACES).collect()
    }
}

fn parse(bytes: &[u8]) -> Option<Trace> {
    serde_json::from_slice(bytes).ok()
}

fn file_name(pass: &str, place: &Path) -> String {
    user_dir::file_name(&format!("{PREFIX}{pass}"), place)
}
