//! The effects of retention: removing files, protecting moments.

use std::path::Path;

use super::Pass;
use super::name::{Entry, Moment};
use super::plan::{Removal, Unit};
use crate::error::Result;
use crate::pass::Report;
use crate::retention::Reason;
use crate::store::{sync_with_dir, write_atomically};

/// Removes one file, and its group directory if that became empty.
pub(super) fn remove_entry(pass: Pass<'_>, report: &mut Report, removal: &Removal) -> Result<()> {
    let Pass { store, held, .. } = pass;
    let dir = held.dir(removal.dir);
    let path = store.root().join(dir).join(removal.entry.to_string());
    let bytes = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
    store.remove(Path::new(dir).join(removal.entry.to_string()))?;
    report.removed("", Path::new(&removal.entry.to_string()), removal.reason, bytes);
    if matches!(removal.entry, Entry::Failed(_)) {
        report.failed_marker_files = report.failed_marker_files.saturating_sub(1);
    }
    if matches!(removal.reason, Reason::OverQuota | Reason::DiskFull)
        && let Some(unit) = Unit::of(removal.entry)
    {
        report.memory.given_up.insert(unit.to_string());
    }
    store.remove_group_dir_if_empty(dir);
    Ok(())
}

/// Protects moments for good, each by a file beside its recording.
pub(super) fn protect(pass: Pass<'_>, moments: &[Moment]) -> Result<()> {
    let Pass { settings, store, held, .. } = pass;
    for moment in moments {
        let beside =
            held.files.iter().find(|file| file.name.at() == moment.0).map(|file| held.dir(file.dir).to_owned());
        let dir = store.group_dir(&beside.unwrap_or_else(|| settings.policy.grouping.dir(moment.0)))?;
        let path = dir.join(Entry::Protected(*moment).to_string());
        write_atomically(&path, b"")?;
        sync_with_dir(&path)?;
        log::info!("{moment}: protected from retention; remove {} to release it", path.display());
    }
    Ok(())
}
