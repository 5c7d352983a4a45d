//! Which files other processes have open: what is still written must not be taken for finished.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which files some process has open or mapped, as `/proc` shows it and `lsof` would.
#[derive(Debug, Default)]
pub struct OpenFiles {
    /// Device and inode.
    open: HashSet<(u64, u64)>,
    /// Inodes of mapped files of a name that was asked for.
    mapped: HashSet<u64>,
    /// There is no `/proc` here.
    pub is_blind: bool,
    /// Processes of others, which do not let us look.
    pub hidden: usize,
}

impl OpenFiles {
    /// Looks through all processes for files of these paths. Only what has such a name is looked at: a dead network share
    /// with an open file must not block us.
    #[must_use]
    pub fn look<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let names: HashSet<&[u8]> = paths.filter_map(Path::file_name).map(OsStr::as_bytes).collect();
        let mut seen = Self { is_blind: true, ..Self::default() };
        let own = std::process::id().to_string();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = process.file_name();
            if !id.as_bytes().first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            seen.is_blind = false;
            if id.as_bytes() != own.as_bytes() {
                seen.look_into(&process.path(), &names);
            }
        }
        seen
    }

    fn look_into(&mut self, process: &Path, names: &HashSet<&[u8]>) {
        let descriptors = match fs::read_dir(process.join("fd")) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.hidden += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                return;
            }
        };
        for descriptor in descriptors.flatten() {
            let link = descriptor.path();
            let target = fs::read_link(&link).unwrap_or_default();
            let is_one = target.file_name().is_some_and(|name| names.contains(name.as_bytes()));
            if is_one && let Ok(metadata) = fs::metadata(&link) {
                self.open.insert((metadata.dev(), metadata.ino()));
            }
        }
        let maps = fs::read(process.join("maps")).unwrap_or_default();
        // `7f00-7f10 r--s 00000000 08:01 1234      /dir/name`, of which device numbers differ from those of `stat` on some file
        // systems.
        for line in maps.split(|byte| *byte == b'\n') {
            let Some(slash) = line.iter().rposition(|byte| *byte == b'/') else { continue };
            if names.contains(&line[slash + 1..]) {
                let inode = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).nth(4);
                let inode =
                    inode.and_then(|word| std::str::from_utf8(word).ok()).and_then(|word| word.parse::<u64>().ok());
                self.mapped.extend(inode);
            }
        }
    }

    /// Whether any process has this file open.
    #[must_use]
    pub fn has(&self, metadata: &Metadata) -> bool {
        self.open.contains(&(metadata.dev(), metadata.ino())) || self.mapped.contains(&metadata.ino())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_seen_by_proc() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (open, closed) = (dir.path().join("open.ts"), dir.path().join("closed.ts"));
        fs::write(&open, "x").expect("written");
        fs::write(&closed, "x").expect("written");
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(&open).expect("opened"))
            .spawn()
            .expect("sleep runs");
        let seen = OpenFiles::look([open.as_path(), closed.as_path()].into_iter());
        let has = |path: &Path| seen.has(&fs::symlink_metadata(path).expect("there"));
        let (is_open, is_closed) = (has(&open), !has(&closed));
        child.kill().expect("killed");
        child.wait().expect("our own child");
        assert!(is_open && is_closed && !seen.is_blind);
    }
}
