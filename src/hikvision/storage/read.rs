//! Reads the indexes of a camera's datadirs.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::problem::IndexFault;
use super::{ATTEMPTS, Camera, Datadir, Problem};
use crate::hikvision::index::{self, IndexError, IndexWarning};
use crate::hikvision::read_at::{self, Deadline, OpenFile, ReadUntil};
use crate::hikvision::segment::{Medium, Ring, RingFile, Segment};
use crate::hikvision::sqlite::{self, SqliteError};

/// The indexes of a datadir: for each medium those of older firmware first, and each mirror behind its original.
pub(super) const INDEXES: [(&str, Medium, Format); 8] = [
    ("index00.bin", Medium::Video, Format::Binary),
    ("index01.bin", Medium::Video, Format::Binary),
    ("record_db_index00", Medium::Video, Format::Sqlite),
    ("record_db_index01", Medium::Video, Format::Sqlite),
    ("index00p.bin", Medium::Picture, Format::Binary),
    ("index01p.bin", Medium::Picture, Format::Binary),
    ("event_db_index00", Medium::Picture, Format::Sqlite),
    ("event_db_index01", Medium::Picture, Format::Sqlite),
];

/// Segments of one camera: 2,000 ring files, each of them full. In memory about 50 MB.
const MAX_SEGMENTS: usize = 1 << 19;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Binary,
    Sqlite,
}

/// The contents of a camera's indexes.
#[derive(Debug, Default)]
pub struct CameraListing {
    /// Closed live segments, then pictures; by start, then by ring file and number.
    pub segments: Vec<Segment>,
    /// Number of segments that are being written, which a later pass extracts.
    pub in_progress: u32,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl CameraListing {
    /// Whether an index took too long or would not end.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.problems.iter().any(Problem::is_given_up)
    }
}

impl Camera {
    /// Reads the camera's indexes until the deadline.
    #[must_use]
    pub fn read(&self, deadline: &Deadline) -> CameraListing {
        let mut listing = CameraListing::default();
        for (position, datadir) in self.datadirs.iter().enumerate() {
            let mut is_indexed = false;
            for medium in [Medium::Video, Medium::Picture] {
                is_indexed |= datadir.read(Ring { medium, datadir: position }, deadline, &mut listing);
            }
            if !is_indexed {
                listing.problems.push(Problem::NoIndex { path: datadir.path.clone() });
            }
        }
        // A stable sort is fast on sorted runs: ring files are written one after the other.
        listing.segments.sort_by_key(|segment| (segment.ring.medium, segment.order()));
        listing
    }

    /// The path of the ring file that holds `segment`.
    #[must_use]
    pub fn ring_file(&self, segment: &Segment) -> Option<PathBuf> {
        let datadir = self.datadirs.get(segment.ring.datadir)?;
        Some(datadir.ring_file(segment.ring.medium, segment.file))
    }
}

/// The contents of one index.
struct Contents {
    segments: Vec<Segment>,
    in_progress: u32,
    problems: Vec<Problem>,
    /// Whether another index may be in better order.
    is_damaged: bool,
}

impl Datadir {
    /// Reads the first undamaged index of `ring`, or else the first that can be read. False if there is none.
    fn read(&self, ring: Ring, deadline: &Deadline, listing: &mut CameraListing) -> bool {
        let mut is_indexed = false;
        let mut best: Option<Contents> = None;
        let mut problems = Vec::new();
        for (name, _, format) in INDEXES.iter().filter(|(_, medium, _)| *medium == ring.medium) {
            let Some(path) = self.files.path(&self.path, name).filter(|path| path.is_file()) else {
                continue;
            };
            is_indexed = true;
            match self.read_index(&path, ring, *format, deadline) {
                Ok(contents) if !contents.is_damaged => {
                    if let Some(damaged) = best.take() {
                        problems.extend(damaged.problems);
                    }
                    for problem in &mut problems {
                        problem.set_mirror(&path);
                    }
                    best = Some(contents);
                    break;
                }
                // Two damaged indexes: use the one that lists more.
                Ok(contents) => match &mut best {
                    Some(best) if best.segments.len() >= contents.segments.len() => problems.extend(contents.problems),
                    best => {
                        if let Some(before) = best.replace(contents) {
                            problems.extend(before.problems);
                        }
                    }
                },
                Err(problem) => problems.push(problem),
            }
        }
        listing.problems.append(&mut problems);
        if let Some(contents) = best {
            self.add(ring.medium, contents, listing);
        }
        is_indexed
    }

    fn add(&self, medium: Medium, contents: Contents, listing: &mut CameraListing) {
        let Contents { mut segments, in_progress, problems, .. } = contents;
        listing.problems.extend(problems);
        listing.in_progress += in_progress;
        let missing: Vec<u32> =
            segments.iter().filter(|segment| !segment.is_present).map(|segment| segment.file).collect();
        if let Some(first) = missing.iter().min() {
            listing.problems.push(Problem::MissingRingFiles {
                path: self.path.clone(),
                medium,
                files: missing.iter().collect::<BTreeSet<_>>().len(),
                segments: missing.len(),
                first: medium.ring_file_name(*first),
            });
        }
        let room = MAX_SEGMENTS - listing.segments.len();
        if segments.len() > room {
            segments.truncate(room);
            listing.problems.push(Problem::TooMany { path: self.path.clone(), most: MAX_SEGMENTS });
        }
        // Most cameras have one index with anything in it, of thousands of segments.
        if listing.segments.is_empty() {
            listing.segments = segments;
        } else {
            listing.segments.append(&mut segments);
        }
    }

    fn read_index(&self, path: &Path, ring: Ring, format: Format, deadline: &Deadline) -> Result<Contents, Problem> {
        let dir = File::open(&self.path).ok();
        let ring_file = |file| self.ring_file_len(dir.as_ref(), ring.medium, file);
        let mut attempt = 1;
        loop {
            let before = stamp(path);
            let result = match format {
                Format::Binary => read_binary(path, ring, deadline, ring_file),
                Format::Sqlite => read_sqlite(path, ring, deadline, ring_file),
            };
            if before == stamp(path) {
                return result;
            }
            // The camera wrote during the read. It does for milliseconds every few seconds.
            if attempt == ATTEMPTS {
                return result.map(|mut contents| {
                    contents.problems.push(Problem::KeepsChanging { path: path.to_owned() });
                    contents
                });
            }
            attempt += 1;
        }
    }
}

impl Problem {
    fn set_mirror(&mut self, path: &Path) {
        if let Self::Index { mirror, .. } | Self::Warning { mirror, .. } = self {
            *mirror = Some(path.to_owned());
        }
    }
}

/// The counter of writes to an index: the first 8 B of a binary index, byte 24 of a SQLite database.
fn stamp(path: &Path) -> Option<([u8; 32], u64, i64, i64)> {
    let file = read_at::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let mut front = [0; 32];
    file.read_at(&mut front, 0).ok()?;
    Some((front, metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

fn read_binary(
    path: &Path,
    ring: Ring,
    deadline: &Deadline,
    ring_file: impl Fn(u32) -> RingFile,
) -> Result<Contents, Problem> {
    let problem = |source: IndexError| unusable(path, source.into());
    let source = read_at::open(path)
        .and_then(OpenFile::new)
        .map_err(|source| problem(IndexError::Read { offset: 0, source }))?;
    let listing = index::read(&ReadUntil::new(source, deadline), ring, ring_file).map_err(problem)?;
    Ok(Contents {
        is_damaged: listing.warnings.iter().any(IndexWarning::is_damage),
        segments: listing.segments,
        in_progress: listing.in_progress,
        problems: listing
            .warnings
            .into_iter()
            .map(|warning| Problem::Warning { path: path.to_owned(), warning, mirror: None })
            .collect(),
    })
}

fn read_sqlite(
    path: &Path,
    ring: Ring,
    deadline: &Deadline,
    ring_file: impl Fn(u32) -> RingFile,
) -> Result<Contents, Problem> {
    let problem = |source: SqliteError| unusable(path, IndexFault::Sqlite(source.into()));
    let listing = sqlite::read(path, ring, deadline, ring_file).map_err(problem)?;
    let mut problems: Vec<Problem> = Vec::new();
    let is_damaged = listing.damage.is_some();
    problems.extend(listing.damage.map(problem));
    if listing.skipped > 0 {
        problems.push(Problem::Rows { path: path.to_owned(), rows: listing.skipped });
    }
    Ok(Contents { segments: listing.segments, in_progress: listing.in_progress, problems, is_damaged })
}

fn unusable(path: &Path, source: IndexFault) -> Problem {
    Problem::Index { path: path.to_owned(), source, mirror: None }
}
