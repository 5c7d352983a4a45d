//! Empty files, which are not uploaded: they hold no footage, and a camera or a full disk leaves them behind.

use std::path::PathBuf;

use crate::open_files::OpenFiles;
use crate::pass::{Context, Report};
use crate::units::count;

/// So many are named for as long as they last.
const MAX_NOTED: usize = 100;
/// So many are named in one line.
const SHOWN: usize = 3;

/// Counts those that a process is still writing, and logs the others the first time that they are found.
pub(super) fn leave(paths: &[PathBuf], context: &Context, report: &mut Report) {
    if paths.is_empty() {
        return;
    }
    let open = OpenFiles::look(paths.iter().map(PathBuf::as_path));
    let is_open = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|metadata| open.has(&metadata));
    let (open, closed): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(is_open);
    report.open_files += open.len();
    let is_new = |path: &&&PathBuf| context.notices.note(&format!("empty:{}", path.display())) == Some(true);
    let new: Vec<&&PathBuf> = closed.iter().take(MAX_NOTED).filter(is_new).collect();
    if new.is_empty() {
        return;
    }
    let names: Vec<String> = new.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = if new.len() > SHOWN { ", …" } else { "" };
    let are = if closed.len() == 1 { "is empty and" } else { "are empty and" };
    log::warn!("{} {are} not uploaded: {}{more}", count(closed.len(), "file"), names.join(", "));
}
