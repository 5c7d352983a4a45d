//! What is wrong with a storage.

use std::io;
use std::path::{Path, PathBuf};

use crate::hikvision::index::{IndexError, IndexWarning};
use crate::hikvision::segment::Medium;
use crate::hikvision::sqlite::SqliteError;
use crate::units::count;

/// Something that is wrong with a storage. The rest is listed all the same.
///
/// Paths are printed quoted: a folder's name can hold line breaks.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A folder or file that cannot be read.
    #[error("cannot read {path:?}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link in a camera's folder, which may lead to any file.
    #[error("{path:?} is a symbolic link, which no camera makes: skipped")]
    Link {
        /// Which.
        path: PathBuf,
    },
    /// An input without a camera in it.
    #[error(
        "{path:?} holds no camera's storage: neither it nor a folder in it has an info.bin, a datadir or an index; \
         name a camera's folder, or one with such folders in it"
    )]
    NoCamera {
        /// The input.
        path: PathBuf,
    },
    /// An input that is a file.
    #[error("{path:?} is a file: name the camera's folder, the one with datadir0 in it")]
    File {
        /// The input.
        path: PathBuf,
    },
    /// A camera without some of its datadirs.
    #[error("{path:?} lacks datadirs: {missing}")]
    MissingDatadirs {
        /// The camera's folder.
        path: PathBuf,
        /// Which, in words.
        missing: String,
    },
    /// A datadir without any index.
    #[error("{path:?} has no index")]
    NoIndex {
        /// The datadir.
        path: PathBuf,
    },
    /// An index that cannot be read, or not to its end.
    #[error("cannot use {path:?}{}", instead(.mirror.as_deref()))]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        source: IndexFault,
        /// The index that was read instead.
        mirror: Option<PathBuf>,
    },
    /// Something in a binary index.
    #[error("{path:?}: {warning}{}", instead(.mirror.as_deref()))]
    Warning {
        /// The index.
        path: PathBuf,
        /// What is wrong in it.
        warning: IndexWarning,
        /// The index that was read instead.
        mirror: Option<PathBuf>,
    },
    /// Invalid rows of a SQLite index.
    #[error("{path:?}: {rows} invalid rows skipped")]
    Rows {
        /// The index.
        path: PathBuf,
        /// How many.
        rows: u32,
    },
    /// An index that differed before and after each read.
    #[error("{path:?} changed during each read: a later pass reads it again")]
    KeepsChanging {
        /// The index.
        path: PathBuf,
    },
    /// Missing ring files that an index names.
    #[error(
        "{path:?} lacks {} that its index names, with {}: {first} first",
        count(*.files, "ring file"),
        count(*.segments, "live segment")
    )]
    MissingRingFiles {
        /// The datadir.
        path: PathBuf,
        /// The kind of the files.
        medium: Medium,
        /// How many.
        files: usize,
        /// Segments in them.
        segments: usize,
        /// The name of one.
        first: String,
    },
    /// More recordings than any camera has.
    #[error("{path:?}: the camera's indexes list more than {most} recordings; the rest is not read")]
    TooMany {
        /// The datadir with the first one left out.
        path: PathBuf,
        /// How many are read.
        most: usize,
    },
}

impl Problem {
    /// The folder or file in which it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder { path, .. }
            | Self::Link { path }
            | Self::NoCamera { path }
            | Self::File { path }
            | Self::MissingDatadirs { path, .. }
            | Self::NoIndex { path }
            | Self::Index { path, .. }
            | Self::Warning { path, .. }
            | Self::Rows { path, .. }
            | Self::KeepsChanging { path }
            | Self::MissingRingFiles { path, .. }
            | Self::TooMany { path, .. } => path,
        }
    }

    /// Its kind, which stays the same while its numbers change.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::Link { .. } => "link",
            Self::NoCamera { .. } => "no-camera",
            Self::File { .. } => "file",
            Self::MissingDatadirs { .. } => "datadirs",
            Self::NoIndex { .. } => "no-index",
            Self::Index { .. } => "index",
            Self::Warning { .. } => "warning",
            Self::Rows { .. } => "rows",
            Self::KeepsChanging { .. } => "changing",
            Self::MissingRingFiles { .. } => "ring-files",
            Self::TooMany { .. } => "too-many",
        }
    }

    /// Whether it is an index that took too long or would not end.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::Index { source: IndexFault::Sqlite(error), .. } => error.is_given_up(),
            Self::Index { source: IndexFault::Binary(IndexError::Read { source, .. }), .. } => {
                source.kind() == io::ErrorKind::TimedOut
            }
            Self::TooMany { .. } => true,
            _ => false,
        }
    }

    /// Whether it may hide footage or keep it from being extracted: then it is a failure, else a warning.
    #[must_use]
    pub fn hides_footage(&self) -> bool {
        match self {
            Self::Folder { .. }
            | Self::Link { .. }
            | Self::NoCamera { .. }
            | Self::File { .. }
            | Self::MissingDatadirs { .. }
            | Self::NoIndex { .. }
            | Self::MissingRingFiles { .. }
            | Self::TooMany { .. }
            | Self::Rows { .. } => true,
            Self::Index { mirror, .. } | Self::Warning { mirror, .. } => mirror.is_none(),
            Self::KeepsChanging { .. } => false,
        }
    }
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexFault {
    /// A binary index.
    #[error(transparent)]
    Binary(#[from] IndexError),
    /// A SQLite index.
    #[error(transparent)]
    Sqlite(Box<SqliteError>),
}

fn instead(mirror: Option<&Path>) -> String {
    mirror
        .and_then(Path::file_name)
        .map_or_else(String::new, |name| format!(" ({} is read instead)", name.to_string_lossy()))
}
