//! What is to be fetched, and what may become of it. Pure.

use std::path::PathBuf;

use crate::dashcam::name::{Entry, FileName};
use crate::error::Error;

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Want {
    /// Its name.
    pub file: FileName,
    /// The recording it belongs to.
    pub video: FileName,
    /// The directory where it will stand.
    pub dir: PathBuf,
    /// Where its partial file is, when one exists elsewhere (another grouping).
    pub partial_dir: Option<PathBuf>,
    /// A damaged file stands there: the new one takes its place.
    pub replaces: bool,
    /// It is among the newest: its sidecars may still come.
    pub is_recent: bool,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It stands under its final name.
    Published,
    /// The camera is still writing it: for a later pass.
    StillWritten,
    /// The camera has no such file.
    Absent,
    /// It does not fit.
    LeftOut,
    /// It failed: the kind, the text, and whether to leave a marker and wait.
    Failed {
        /// A word of [`FAILURE_REASONS`](crate::metrics::FAILURE_REASONS).
        reason: &'static str,
        /// For people.
        message: String,
        /// Try again only after `--retry-failed-after`.
        lasts: bool,
    },
}

/// Why it did not come to an end.
#[derive(Debug)]
pub enum Interruption {
    /// The connection broke: the camera may have left. So many bytes are here now.
    Lost {
        /// What happened.
        cause: String,
        /// The length of the partial file.
        have: u64,
    },
    /// The destination failed, or a stop was asked for.
    Error(Error),
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Whether to write a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// There is room, perhaps newly made.
    WriteIt,
    /// There is none for this one.
    LeaveIt,
    /// No file is that long.
    Implausible,
}

impl Want {
    /// Where the bytes go until they are proven.
    pub(super) fn partial_path(&self) -> PathBuf {
        self.partial_dir.as_ref().unwrap_or(&self.dir).join(Entry::Partial(self.file).to_string())
    }

    /// Where a file stays whose structure is broken on the camera itself.
    pub(in crate::dashcam) fn damaged_path(&self) -> PathBuf {
        self.dir.join(Entry::Damaged(self.file).to_string())
    }
}
