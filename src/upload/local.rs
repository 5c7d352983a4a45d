//! The files of the sources, and which of them are closed.
//!
//! A file is closed when no process has it open, as `lsof` shows it, and it has not changed for a while. Files with hidden
//! names are still being written, or are in our own folder.

use std::fs::{self, Metadata};
use std::io;
use std::ops::Index;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::pattern::Patterns;
use crate::error::{At, Result};
use crate::store::STATE_DIR;

/// The depth of folders to search.
const MAX_DEPTH: usize = 32;
/// A file from further in the future was not written just now: a clock was wrong then.
const MAX_FUTURE: Duration = Duration::from_hours(24);

/// The reports of passes that bring missing files again, in [`STATE_DIR`].
const OF_REFILLING: [&str; 2] = ["dashcam.json", "hikvision.json"];

/// Size, time and inode of a file, which show whether it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// In bytes.
    pub size: u64,
    /// Modification time, in nanoseconds since 1970.
    pub mtime: i64,
    /// Inode. Some file systems make up new ones at every mount.
    pub ino: u64,
}

impl Identity {
    /// That of a file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Self { size: metadata.len(), mtime, ino: metadata.ino() }
    }

    /// Whether it has the content of another, judged by size and time.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        self.size == other.size && self.mtime == other.mtime
    }

    /// When it was modified.
    #[must_use]
    pub fn modified(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.mtime)
    }
}

/// One of the sources of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(super) usize);

/// One of the files of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub(super) usize);

/// The files of all sources of a pass.
#[derive(Debug, Default)]
pub struct Files(Vec<Local>);

impl Files {
    /// All of them, with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Local)> {
        self.0.iter().enumerate().map(|(number, local)| (FileId(number), local))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of one more source.
    pub fn extend(&mut self, files: Vec<Local>) {
        self.0.extend(files);
    }
}

impl Index<FileId> for Files {
    type Output = Local;

    fn index(&self, id: FileId) -> &Local {
        &self.0[id.0]
    }
}

/// A file that could be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The source it is in.
    pub source: SourceId,
    /// Its path there.
    pub path: String,
    /// Its size, time and inode at the scan.
    pub identity: Identity,
}

/// The contents of a source.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that could be uploaded, unless a process has them open.
    pub files: Vec<Local>,
    /// Number of files younger than `--min-age`.
    pub young: usize,
    /// Files without a byte that are older, by their full paths.
    pub empty: Vec<PathBuf>,
    /// Names that are not UTF-8, which no key can have.
    pub unnamed: Vec<PathBuf>,
    /// Number of files that match no pattern.
    pub unfit: usize,
    /// The first of them.
    pub unfit_example: Option<String>,
    /// Destinations of passes that bring missing files again.
    pub refilled: Vec<PathBuf>,
}

/// Scans a source for files. A file that is removed during the scan is no error.
///
/// # Errors
/// The source itself, or a folder in it, cannot be read.
pub fn find(
    source: SourceId,
    root: &Path,
    patterns: &Patterns,
    min_age: Duration,
    now: DateTime<Utc>,
) -> Result<Found> {
    let mut search = Search { source, patterns, min_age, now, found: Found::default() };
    search.folder(root, "", 0)?;
    Ok(search.found)
}

struct Search<'a> {
    source: SourceId,
    patterns: &'a Patterns,
    min_age: Duration,
    now: DateTime<Utc>,
    found: Found,
}

impl Search<'_> {
    fn folder(&mut self, dir: &Path, inside: &str, depth: usize) -> Result<()> {
        let entries = match fs::read_dir(dir) {
            Err(error) if depth > 0 && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at("list", dir)?,
        };
        for entry in entries {
            let entry = entry.at("list", dir)?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") {
                if name == STATE_DIR && OF_REFILLING.iter().any(|report| entry.path().join(report).is_file()) {
                    self.found.refilled.push(dir.to_owned());
                }
                continue;
            }
            let Ok(file_type) = entry.file_type() else { continue };
            if !(file_type.is_dir() || file_type.is_file() && self.patterns.matches(&name.to_string_lossy())) {
                if file_type.is_file() {
                    self.found.unfit += 1;
                    self.found.unfit_example.get_or_insert_with(|| name.to_string_lossy().into_owned());
                }
                continue;
            }
            let Some(name) = name.to_str() else {
                self.found.unnamed.push(entry.path());
                continue;
            };
            let path = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
            if file_type.is_dir() {
                if depth < MAX_DEPTH {
                    self.folder(&entry.path(), &path, depth + 1)?;
                }
                continue;
            }
            match entry.metadata() {
                Ok(metadata) => self.file(path, &entry.path(), &metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).at("read", entry.path()),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, full_path: &Path, metadata: &Metadata) {
        let identity = Identity::of(metadata);
        let age = self.now.signed_duration_since(identity.modified());
        let is_old = age
            .to_std()
            .map_or_else(|_| (-age).to_std().is_ok_and(|future| future > MAX_FUTURE), |age| age >= self.min_age);
        match (is_old, identity.size) {
            (false, _) => self.found.young += 1,
            (true, 0) => self.found.empty.push(full_path.to_owned()),
            (true, _) => self.found.files.push(Local { source: self.source, path, identity }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn only_closed_files_are_listed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, text).expect("written");
            path
        };
        for name in ["a.mp4", "cam1/b c.ts", "cam1/.hidden.ts", ".footage/x.mp4", "notes.txt", "cam1/D.MKV"] {
            write(name, "x");
        }
        write("empty.mp4", "");
        std::os::unix::fs::symlink("a.mp4", dir.path().join("link.mp4")).expect("linked");
        fs::write(dir.path().join(OsStr::from_bytes(b"\xff.mp4")), "x").expect("written");
        let patterns: Patterns = "*.ts,*.mp4,*.mkv".parse().expect("patterns");
        #[expect(clippy::disallowed_methods, reason = "files are made now")]
        let now = Utc::now();
        let find = |min_age, now| find(SourceId(0), dir.path(), &patterns, min_age, now).expect("read");
        let later = now + Duration::from_secs(10);
        let found = find(Duration::from_secs(5), later);
        let mut paths: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["a.mp4", "cam1/D.MKV", "cam1/b c.ts"]);
        assert_eq!((found.young, found.unnamed.len()), (0, 1));
        assert_eq!(found.empty, [dir.path().join("empty.mp4")]);
        assert_eq!(find(Duration::from_mins(1), later).files.len(), 0);
        // A clock that was wrong when they were made does not keep them here for ever.
        assert_eq!(find(Duration::from_secs(5), now - Duration::from_hours(1)).files.len(), 0);
        assert_eq!(find(Duration::from_secs(5), now - Duration::from_hours(25)).files.len(), 3);
    }
}
