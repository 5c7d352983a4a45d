//! The trace of a pass that cannot leave its report in its destination, for `status` to find.
//!
//! Such a pass may not write there, or ends before it knows enough: of a share that is not mounted, of an option that is
//! wrong. The trace is a small file in the user's folder for what is temporary, [`once::folder`], which every user can read.
//! It counts until the same pass leaves a report. Considered instead: to tell from the times of earlier reports that one is
//! overdue. That needs a rhythm to be guessed, finds nothing before the second report, and cannot say why.
//! What leaves no trace either (a container that is gone, a private `/tmp`) is found by `status --max-pass-age`.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::once;
use crate::store::{read_state, remove, write_atomically};

/// More than a trace ever is.
const MAX_BYTES: u64 = 64 << 10;
/// More than there are. Any user can make folders in the directory for what is temporary.
const MAX_FOLDERS: usize = 1000;
const MAX_TRACES: usize = 1000;

/// How the files are called.
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
        let folder = once::folder();
        if once::is_our_own(&folder)
            && let Ok(text) = serde_json::to_vec(self)
        {
            let _ = write_atomically(&folder.join(file_name(&self.pass, &self.place)), &text);
        }
    }

    /// What this user's last pass of the kind left for a destination.
    #[must_use]
    pub fn last(pass: &str, place: &Path) -> Option<Self> {
        let folder = once::folder();
        once::owner(&folder)?;
        read(&folder.join(file_name(pass, place)))
    }

    /// The pass has left a report: its trace goes.
    pub fn forget(pass: &str, place: &Path) {
        let folder = once::folder();
        let path = folder.join(file_name(pass, place));
        if fs::symlink_metadata(&path).is_ok() && once::is_our_own(&folder) {
            let _ = remove(&path);
        }
    }

    /// The traces of all users that can be read. Cron knows no `TMPDIR`, and a shell may have one.
    #[must_use]
    pub fn read_all() -> Vec<Self> {
        let dirs = BTreeSet::from([std::env::temp_dir(), PathBuf::from("/tmp")]);
        let folders = dirs.into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        let folders = folders.filter_map(|entry| Some((once::owner(&entry.path())?, entry.path())));
        folders.take(MAX_FOLDERS).flat_map(|(uid, folder)| of_user(uid, &folder)).take(MAX_TRACES).collect()
    }
}

fn of_user(uid: u32, folder: &Path) -> impl Iterator<Item = Trace> + use<> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(PREFIX));
    files.filter_map(move |file| Some(Trace { uid, ..read(&file.path())? }))
}

fn read(path: &Path) -> Option<Trace> {
    serde_json::from_slice(&read_state(path, MAX_BYTES)?).ok()
}

fn file_name(pass: &str, place: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    format!("{PREFIX}{pass}-{:016x}", hasher.finish())
}
