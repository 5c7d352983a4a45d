//! Removing footage: measured, removed, logged and counted, in one function for all passes.

use std::fs;
use std::path::Path;

use crate::error::Result;
use crate::pass::Report;
use crate::removals::Removals;
use crate::retention::Reason;
use crate::store::Store;

/// A file to remove.
#[derive(Debug, Clone, Copy)]
pub struct Removal<'a> {
    /// Its path in the destination.
    pub path: &'a Path,
    /// Its name in the log.
    pub name: &'a Path,
    /// Its camera; empty where a pass has only one, or does not know.
    pub camera: &'a str,
    /// Why it goes.
    pub reason: Reason,
}

/// What logs, and perhaps counts, a removed file.
pub trait Tally {
    /// A file of this many bytes was removed.
    fn removed(&mut self, removal: Removal<'_>, bytes: u64);
}

impl Tally for Report {
    fn removed(&mut self, Removal { name, camera, reason, .. }: Removal<'_>, bytes: u64) {
        Self::removed(self, camera, name, reason, bytes);
    }
}

/// For a recorder, which counts no removals.
impl Tally for Removals {
    fn removed(&mut self, Removal { name, camera, reason, .. }: Removal<'_>, bytes: u64) {
        self.add(camera, name, reason, bytes);
    }
}

/// Removes a file of footage. One that is gone already counts as empty.
///
/// # Errors
/// Those of [`Store::remove`]; then nothing is counted.
pub fn remove_footage(store: &Store, removal: Removal<'_>, tally: &mut impl Tally) -> Result<()> {
    let bytes = fs::symlink_metadata(store.root().join(removal.path)).map_or(0, |metadata| metadata.len());
    store.remove(removal.path)?;
    tally.removed(removal, bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remove_footage_counts_bytes_by_reason_and_nothing_that_stays() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::create(dir.path()).expect("created");
        fs::create_dir(dir.path().join("yard")).expect("made");
        fs::write(dir.path().join("yard/a.mkv"), "12345").expect("written");
        let mut report = Report::default();
        let mut remove = |path: &str| {
            let path = Path::new(path);
            remove_footage(&store, Removal { path, name: path, camera: "yard", reason: Reason::Expired }, &mut report)
        };
        remove("yard/a.mkv").expect("removed");
        remove("yard").expect_err("a directory");
        remove("../a.mkv").expect_err("outside");
        assert!(!dir.path().join("yard/a.mkv").exists());
        assert_eq!((report.removed_bytes, report.removed_files), (5, [("expired".to_owned(), 1)].into()));
    }
}
