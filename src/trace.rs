//! The trace of a pass that cannot leave its report in its destination, for `status` to find.
//!
//! Such a pass may not write there, or ends before it knows enough: of a share that is not mounted, of an option that is
//! wrong. The trace is a small file in the [user's directory](user_dir), which every user can read.
//! It counts until the same pass leaves a report. The alternative is to notice from the times of earlier reports that one is overdue.
//! That has to guess a rhythm, finds nothing before the second report, and does not know the reason.
//! What leaves no trace either (a container that is gone, a private `/tmp`) is found by `status --max-pass-age`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::EndReason;
use crate::pass_name::PassName;
use crate::user_dir;

/// More than there are.
const MAX_TRACES: usize = 1000;
/// How the names of the files begin.
const PREFIX: &str = "trace-";

/// What is known of a pass that left no report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The subcommand.
    pub pass: PassName,
    /// Its destination, without links.
    pub place: PathBuf,
    /// When it began, seconds since 1970.
    pub start_timestamp_seconds: f64,
    /// Why it ended.
    pub reason: EndReason,
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
            user_dir::write(&file_name(self.pass, &self.place), &text);
        }
    }

    /// What this user's last pass of the kind left for a destination.
    #[must_use]
    pub fn last(pass: PassName, place: &Path) -> Option<Self> {
        parse(&user_dir::read(&file_name(pass, place))?)
    }

    /// The pass has left a report: its trace goes.
    pub fn forget(pass: PassName, place: &Path) {
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

fn file_name(pass: PassName, place: &Path) -> String {
    user_dir::file_name(&format!("{PREFIX}{pass}"), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_of_another_version_is_read_and_of_an_unknown_pass_is_not() {
        let text = |pass: &str, reason: &str| {
            format!(
                r#"{{"pass":"{pass}","place":"/data","start_timestamp_seconds":7.0,"reason":"{reason}","message":"why"}}"#
            )
        };
        let trace = parse(text("upload", "usage").as_bytes()).expect("a trace");
        assert_eq!((trace.pass, trace.reason), (PassName::Upload, EndReason::Usage));
        assert_eq!(serde_json::to_string(&trace).expect("JSON"), text("upload", "usage"));
        assert_eq!(parse(text("upload", "moonlight").as_bytes()).map(|trace| trace.reason), Some(EndReason::Other));
        assert_eq!(parse(text("teleport", "usage").as_bytes()), None);
    }
}
