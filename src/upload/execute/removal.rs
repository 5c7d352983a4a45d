//! Removes files that are verified to be in the bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Execution, Flight};
use crate::error::Result;
use crate::open_files::OpenFiles;
use crate::remove::{Removal, remove_footage};
use crate::retention::Reason;
use crate::upload::local::{FileId, Identity, Local};
use crate::upload::plan::Step;

/// How often to remove files, many at a time: to see whether a process has opened one, footage scans all processes.
const REMOVE_EVERY: Duration = Duration::from_secs(2);

impl Execution<'_> {
    /// Executes the removals of the plan.
    pub(in crate::upload) fn remove(&mut self, steps: &[Step]) -> Result<()> {
        let removals = steps.iter().filter_map(|step| match step {
            Step::Remove { file, reason } => Some((*file, *reason)),
            _ => None,
        });
        let removed = self.remove_files(&removals.collect::<Vec<_>>());
        // Before the uploads, which may take long.
        self.report.removals.log();
        removed
    }

    /// Removes files that are verified to be in the bucket, unless a process has opened them or they have changed.
    fn remove_files(&mut self, removals: &[(FileId, Reason)]) -> Result<()> {
        if removals.is_empty() {
            return Ok(());
        }
        let paths: Vec<PathBuf> = removals.iter().map(|(file, _)| self.path(*file)).collect();
        let open = OpenFiles::look(paths.iter().map(PathBuf::as_path));
        for ((file, reason), path) in removals.iter().zip(&paths) {
            self.context.stop.check()?;
            let Local { source, path: name, identity } = &self.files[*file];
            let Ok(metadata) = fs::symlink_metadata(path) else { continue };
            if Identity::of(&metadata) != *identity || open.has(&metadata) {
                log::info!("{name}: not removed: it has changed, or a process has opened it");
                continue;
            }
            let store = &self.sources[*source].store;
            let path = Path::new(name);
            remove_footage(store, Removal { path, name: path, camera: "", reason: *reason }, self.report)?;
        }
        Ok(())
    }

    /// Removes the verified files, if that is due.
    pub(super) fn remove_verified(&mut self, flight: &mut Flight<'_>, is_end: bool) {
        let (files, last) = &mut flight.removals;
        if files.is_empty() || !(is_end || last.elapsed() >= REMOVE_EVERY) {
            return;
        }
        *last = Instant::now();
        let files = std::mem::take(files);
        if let Err(error) = self.remove_files(&files) {
            flight.end(error);
        }
    }
}
