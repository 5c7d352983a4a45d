//! Who may read what passes make: the umask decides, and nothing is made executable or open beyond it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// For owners only, as usual, and with a group.
pub(crate) const UMASKS: [u32; 3] = [0o077, 0o022, 0o027];

/// Asserts that at least so many files and directories are below `dir`, all as open as the umask lets them be.
#[track_caller]
pub(crate) fn assert_modes(dir: &Path, least: usize, umask: u32) {
    let mut found = BTreeMap::new();
    modes(dir, &mut found);
    assert!(found.len() >= least, "{found:#?}");
    for (path, mode) in found {
        let most = if path.is_dir() { 0o777 } else { 0o666 };
        assert_eq!(mode, most & !umask, "{} is {mode:o} under {umask:o}", path.display());
    }
}

/// The permissions of everything below a directory.
fn modes(dir: &Path, found: &mut BTreeMap<PathBuf, u32>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let metadata = entry.metadata().expect("it is there");
        found.insert(entry.path(), metadata.permissions().mode() & 0o7777);
        if metadata.is_dir() {
            modes(&entry.path(), found);
        }
    }
}
