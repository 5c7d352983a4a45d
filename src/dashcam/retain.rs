//! The effects of retention: removing files, protecting moments.

use std::path::Path;

use super::Pass;
use super::name::{Entry, Moment};
use super::plan::{self, Unit};
use crate::error::Result;
use crate::pass::Report;
use crate::remove::{Removal, remove_footage};
use crate::retention::Reason;
use crate::store::{sync_with_dir, write_atomically};

/// Removes one file, and its group directory if that became empty.
pub(super) fn remove_entry(pass: Pass<'_>, report: &mut Report, removal: &plan::Removal) -> Result<()> {
    let Pass { store, inventory, .. } = pass;
    let dir = inventory.dir(removal.dir);
    let name = removal.entry.to_string();
    let (path, name) = (&Path::new(dir).join(&name), Path::new(&name));
    remove_footage(store, Removal { path, name, camera: "", reason: removal.reason }, report)?;
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
    let Pass { settings, store, inventory, .. } = pass;
    for moment in moments {
        let beside = inventory
            .files
            .iter()
            .find(|file| file.name.at() == moment.0)
            .map(|file| inventory.dir(file.dir).to_owned());
        let dir = store.group_dir(&beside.unwrap_or_else(|| settings.policy.grouping.dir(moment.0)))?;
        let path = dir.join(Entry::Protected(*moment).to_string());
        write_atomically(&path, b"")?;
        sync_with_dir(&path)?;
        log::info!("{moment}: protected from retention; remove {} to release it", path.display());
    }
    Ok(())
}
