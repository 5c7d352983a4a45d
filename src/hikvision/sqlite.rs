//! The SQLite indexes of newer firmware: `record_db_index00` for video, `event_db_index00` for pictures.
//!
//! **Video**, table `record_segment_idx_tb`:
//!
//! | column | meaning |
//! | --- | --- |
//! | `file_no` | the ring file |
//! | `start_offset`, `end_offset` | first byte, byte after the last; end 0 while in progress |
//! | `start_time_tv_sec`, `end_time_tv_sec` | the camera's clock, in seconds; with `…_tv_usec` if the table has them |
//! | `record_type` | 0 for an empty row |
//!
//! **Pictures**: one table for each type of event, under names that differ between models, each with
//!
//! | column | meaning |
//! | --- | --- |
//! | `file_no` | the ring file |
//! | `trigger_time` | the camera's clock, in seconds |
//! | `pic_offset_0`, `pic_len_0` | the picture; length 0 for an event without one |
//!
//! The database is the camera's, which may be writing it: it is opened read-only and immutable, so that SQLite takes no
//! lock, ignores a journal and creates none. The caller must notice that it changed while it was read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Row};

use super::camera_time::CameraTime;
use super::read_at::Deadline;
use super::segment::{Medium, Ring, RingFile, Segment, SegmentSpan, can_end};
use crate::units::ByteSize;

/// Cameras write far less than this. SQLite's own limit is a thousand times higher.
const MAX_TEXT_BYTES: i32 = 1_000_000;
/// The limit of SQLite's memory for schema, pages and rows.
const MAX_HEAP_BYTES: i64 = 64 << 20;
/// The smallest cell of a page (4 B) and the pointer to it (2 B): a file holds no more rows than it has room for these.
const MIN_ROW_BYTES: u64 = 6;
/// Segments of one index: 1,000 ring files of a video index, each of them full. In memory about 25 MB.
const MAX_SEGMENTS: usize = 1 << 18;
/// The limit of tables. A camera has one for each type of event.
const MAX_TABLES: u32 = 1000;
/// The instructions of SQLite's virtual machine between two checks of the clock: about 10 µs.
const INSTRUCTIONS_PER_CHECK: i32 = 500;

const VIDEO_TABLE: &str = "record_segment_idx_tb";
const VIDEO_COLUMNS: [&str; 6] =
    ["file_no", "start_offset", "end_offset", "start_time_tv_sec", "end_time_tv_sec", "record_type"];
const VIDEO_MICROS: [&str; 2] = ["start_time_tv_usec", "end_time_tv_usec"];
const PICTURE_COLUMNS: [&str; 4] = ["file_no", "trigger_time", "pic_offset_0", "pic_len_0"];

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// Not a database, or damaged from the first page on.
    #[error("cannot open the database")]
    Open(#[source] rusqlite::Error),
    /// Damaged further on.
    #[error("cannot read table {table:?} of the database")]
    Read {
        /// The table.
        table: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another database, or the index of an unknown firmware.
    #[error("the database has no table {expected}")]
    NoTable {
        /// The expected table.
        expected: &'static str,
    },
    /// Pages that lead back to other pages: SQLite follows them without end.
    #[error("table {table:?} gives more rows than a database of {} has room for", ByteSize(*.bytes))]
    Endless {
        /// The table.
        table: String,
        /// The length of the database.
        bytes: u64,
    },
    /// More than any camera has.
    #[error("table {table:?} lists more than {MAX_SEGMENTS} recordings")]
    TooMany {
        /// The table.
        table: String,
    },
    /// A crafted or broken database, or a very slow disk.
    #[error("reading the database takes longer than {}", crate::units::human_duration(*.0))]
    Late(Duration),
}

impl SqliteError {
    /// Whether reading was given up, because it took too long or would not end.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        matches!(self, Self::Endless { .. } | Self::TooMany { .. } | Self::Late(_))
    }
}

/// The contents of a database.
#[derive(Debug, Default)]
pub struct Listing {
    /// Closed segments or pictures, by file and offset.
    pub segments: Vec<Segment>,
    /// Number of segments that are being written, which a later pass extracts.
    pub in_progress: u32,
    /// Number of invalid rows.
    pub skipped: u32,
    /// Pictures that a later picture has overwritten.
    pub overwritten: u32,
    /// Why reading ended too early. The rows before are in `segments`.
    pub damage: Option<SqliteError>,
}

/// Reads the index of `ring` until the `deadline`. `ring_file` returns the length of a ring file in bytes.
///
/// # Errors
/// If no part of it can be read.
pub fn read(
    path: &Path,
    ring: Ring,
    deadline: &Deadline,
    ring_file: impl Fn(u32) -> RingFile,
) -> Result<Listing, SqliteError> {
    let database = open(path, deadline)?;
    let files = Files { ring, length: ring_file, known: HashMap::new() };
    let listing = match ring.medium {
        Medium::Video => read_videos(&database, files),
        Medium::Picture => read_pictures(&database, files),
    };
    // An interrupted SQLite returns one error or another.
    let late = |error| if deadline.is_over() { SqliteError::Late(deadline.patience()) } else { error };
    let mut listing = listing.map_err(late)?;
    listing.damage = listing.damage.map(late);
    listing.number();
    Ok(listing)
}

/// Rows are listed as they are, stale or not: unlike the binary index, the database does not say which generation a row
/// is of. Extraction reads it from the stream.
fn read_videos<F: Fn(u32) -> RingFile>(database: &Database, mut files: Files<F>) -> Result<Listing, SqliteError> {
    let tables = database.tables(&VIDEO_COLUMNS).map_err(SqliteError::Open)?;
    let Some((_, columns)) = tables.into_iter().find(|(name, _)| name == VIDEO_TABLE) else {
        return Err(SqliteError::NoTable { expected: VIDEO_TABLE });
    };
    let mut wanted = VIDEO_COLUMNS.to_vec();
    if VIDEO_MICROS.iter().all(|column| columns.contains(*column)) {
        wanted.extend(VIDEO_MICROS);
    }
    let mut listing = Listing::default();
    let damage = database.for_each_row(VIDEO_TABLE, &wanted, |row| {
        if number::<u64>(row, 5) == Some(0) {
            return true;
        }
        if number::<u64>(row, 2) == Some(0) {
            listing.in_progress += 1;
            return true;
        }
        listing.add(files.video(row))
    });
    listing.damage = damage.err();
    Ok(listing)
}

/// A JPEG does not say when it was taken, so of two pictures in the same bytes the later one is listed.
fn read_pictures<F: Fn(u32) -> RingFile>(database: &Database, mut files: Files<F>) -> Result<Listing, SqliteError> {
    let mut listing = Listing::default();
    let tables = database.tables(&PICTURE_COLUMNS).map_err(SqliteError::Open)?;
    if tables.is_empty() {
        return Err(SqliteError::NoTable { expected: "with pic_offset_0" });
    }
    for (table, _) in tables {
        let result = database.for_each_row(&table, &PICTURE_COLUMNS, |row| {
            number::<u64>(row, 3) == Some(0) || listing.add(files.picture(row))
        });
        let is_given_up = result.as_ref().is_err_and(SqliteError::is_given_up);
        listing.damage = result.err().or(listing.damage);
        if is_given_up {
            break;
        }
    }
    listing.drop_overwritten();
    Ok(listing)
}

impl Listing {
    /// Adds a row; false once the limit is reached.
    fn add(&mut self, segment: Option<Segment>) -> bool {
        match segment {
            Some(segment) if self.segments.len() < MAX_SEGMENTS => self.segments.push(segment),
            Some(_) => return false,
            None => self.skipped += 1,
        }
        true
    }

    /// Sorts by file and offset, and numbers the segments of each file in that order: SQLite indexes have no numbers.
    /// Equal rows are listed once: pages that lead to each other repeat them.
    fn number(&mut self) {
        self.segments.sort_unstable_by_key(|s| (s.file, s.span, s.start, s.end, s.kind));
        self.segments.dedup();
        let mut last = None;
        let mut number = 0;
        for segment in &mut self.segments {
            if last == Some(segment.file) {
                number += 1;
            } else {
                number = 0;
            }
            last = Some(segment.file);
            segment.number = number;
        }
    }

    /// Of pictures in the same bytes keeps the latest, and one of a picture that two events share.
    fn drop_overwritten(&mut self) {
        self.segments.sort_by_key(|s| std::cmp::Reverse(s.start));
        let mut kept: HashMap<u32, BTreeMap<u64, u64>> = HashMap::new();
        let mut overwritten = 0;
        self.segments.retain(|segment| {
            let (start, end) = (segment.span.start(), segment.span.end());
            let file = kept.entry(segment.file).or_default();
            // Nothing kept overlaps anything kept, so only the last one that begins before our end can overlap us.
            match file.range(..end).next_back() {
                Some((&other_start, &other_end)) if other_end > start => {
                    overwritten += u32::from((other_start, other_end) != (start, end));
                    false
                }
                _ => {
                    file.insert(start, end);
                    true
                }
            }
        });
        self.overwritten = overwritten;
    }
}

/// The lengths of an index's ring files, each read once.
struct Files<F> {
    ring: Ring,
    length: F,
    known: HashMap<u32, RingFile>,
}

impl<F: Fn(u32) -> RingFile> Files<F> {
    fn video(&mut self, row: &Row<'_>) -> Option<Segment> {
        let (start, end) = (time(row, 3, 6)?, time(row, 4, 7)?);
        let kind = number(row, 5)?;
        let segment = self.segment(number(row, 0)?, kind, (start, end), (number(row, 1)?, number(row, 2)?))?;
        can_end(start, end, segment.frames).then_some(segment)
    }

    fn picture(&mut self, row: &Row<'_>) -> Option<Segment> {
        let taken = time(row, 1, usize::MAX)?;
        let offset: u64 = number(row, 2)?;
        let end = offset.checked_add(number(row, 3)?)?;
        self.segment(number(row, 0)?, 0, (taken, taken), (offset, end))
    }

    fn segment(
        &mut self,
        file: u32,
        kind: u8,
        (start, end): (CameraTime, CameraTime),
        (from, to): (u64, u64),
    ) -> Option<Segment> {
        let length = *self.known.entry(file).or_insert_with(|| (self.length)(file));
        Some(Segment {
            ring: self.ring,
            file,
            is_present: length != RingFile::Missing,
            // Numbered once all rows are read.
            number: 0,
            channel: 0,
            kind,
            start,
            end,
            span: SegmentSpan::new(from, to, length)?,
            frames: None,
        })
    }
}

/// The number in a column, if there is one and it fits.
fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Option<T> {
    T::try_from(row.get::<_, i64>(column).ok()?).ok()
}

fn time(row: &Row<'_>, seconds: usize, micros: usize) -> Option<CameraTime> {
    let seconds = number(row, seconds).filter(|seconds| *seconds != 0)?;
    CameraTime::from_index(seconds, number(row, micros).unwrap_or_default())
        .or_else(|| CameraTime::from_index(seconds, 0))
}

/// An open index, and how long its file is.
struct Database {
    connection: Connection,
    bytes: u64,
}

fn open(path: &Path, deadline: &Deadline) -> Result<Database, SqliteError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(immutable_uri(path), flags).map_err(SqliteError::Open)?;
    restrict(&mut connection, deadline.clone()).map_err(SqliteError::Open)?;
    // Without a length, as of a file that was just removed, no row is valid.
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(Database { connection, bytes })
}

/// The database is untrusted: SQLite runs nothing of its schema, checks pages before it uses them, and its memory and
/// time are limited.
fn restrict(connection: &mut Connection, deadline: Deadline) -> rusqlite::Result<()> {
    connection.progress_handler(INSTRUCTIONS_PER_CHECK, Some(move || deadline.is_over()))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_TEXT_BYTES)?;
    for (option, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(option, value)?;
    }
    // For the whole process: SQLite has no limit for one connection.
    connection.pragma_update_and_check(None, "hard_heap_limit", MAX_HEAP_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// The path as a `file:` URI. `immutable` promises that no process writes to it, which is untrue; but without it SQLite would
/// lock the camera's file or replay its journal.
fn immutable_uri(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // An empty authority, so that a path beginning with two slashes is not taken for one.
    let mut uri = String::from("file://");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    uri
}

impl Database {
    /// The ordinary tables that have all of `wanted` as columns, and which others of them, by name.
    ///
    /// Queries the schema as data: rusqlite's own `column_names` panics on a name that is no UTF-8, which a damaged page
    /// can hold. It is sorted here: SQLite would sort a schema without end in a temporary file.
    fn tables(&self, wanted: &[&str]) -> rusqlite::Result<Vec<(String, HashSet<String>)>> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' \
             AND length(name) < 200 LIMIT ?",
        )?;
        let names: BTreeSet<String> = statement
            .query_map([MAX_TABLES], |row| Ok(row.get(0).ok()))?
            .filter_map(Result::transpose)
            .collect::<rusqlite::Result<_>>()?;
        let mut tables = Vec::new();
        // Without generated columns, which would be computed.
        let mut statement = self.connection.prepare("SELECT name FROM pragma_table_info(?)")?;
        for name in names {
            // A table whose columns cannot be read is not one of the index.
            let Ok(columns) = statement.query_map([&name], |row| Ok(row.get(0).ok())) else {
                continue;
            };
            let columns: HashSet<String> = columns.filter_map(|column| column.ok().flatten()).collect();
            if wanted.iter().all(|column| columns.contains(*column)) {
                tables.push((name, columns));
            }
        }
        Ok(tables)
    }

    /// Gives each row of a table to `each`, which returns false when it takes no more.
    fn for_each_row(
        &self,
        table: &str,
        columns: &[&str],
        mut each: impl FnMut(&Row<'_>) -> bool,
    ) -> Result<(), SqliteError> {
        let sql = format!("SELECT {} FROM {}", columns.join(", "), quoted(table));
        let at = |source| SqliteError::Read { table: table.to_owned(), source };
        let mut statement = self.connection.prepare(&sql).map_err(at)?;
        let mut rows = statement.query([]).map_err(at)?;
        let mut left = self.bytes / MIN_ROW_BYTES;
        while let Some(row) = rows.next().map_err(at)? {
            if left == 0 {
                return Err(SqliteError::Endless { table: table.to_owned(), bytes: self.bytes });
            }
            left -= 1;
            if !each(row) {
                return Err(SqliteError::TooMany { table: table.to_owned() });
            }
        }
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
