use std::ffi::OsStr;
use std::fs;

use proptest::prelude::*;

use super::*;

const VIDEOS: Ring = Ring { medium: Medium::Video, datadir: 0 };
const PICTURES: Ring = Ring { medium: Medium::Picture, datadir: 0 };

const VIDEO_SCHEMA: &str = "CREATE TABLE record_segment_idx_tb (file_no, start_offset, end_offset, \
     start_time_tv_sec, end_time_tv_sec, record_type)";

fn database(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_mins(1), &crate::stop::Stop::default())
}

fn big(_: u32) -> RingFile {
    RingFile::Present(1 << 28)
}

fn videos(sql: &str) -> Result<Listing, SqliteError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record_db_index00");
    database(&path, sql);
    read(&path, VIDEOS, &soon(), big)
}

fn pictures(sql: &str) -> Result<Listing, SqliteError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("event_db_index00");
    database(&path, sql);
    read(&path, PICTURES, &soon(), big)
}

#[test]
fn closed_segments_of_a_sqlite_index_are_read_and_others_counted() {
    let listing = videos(&format!(
        "{VIDEO_SCHEMA}; INSERT INTO record_segment_idx_tb VALUES
         (0, 512, 2048, 1700000100, 1700000110, 3),
         (0, 0, 500, 1700000000, 1700000010, 3),
         (0, 2048, 0, 1700000200, 0, 3),
         (1, 0, 0, 0, 0, 0)"
    ))
    .unwrap();
    let starts: Vec<_> = listing.segments.iter().map(|s| (s.number, s.start.to_string())).collect();
    assert_eq!(starts, [(0, "2023-11-14T22:13:20.000000".to_owned()), (1, "2023-11-14T22:15:00.000000".to_owned())]);
    assert_eq!((listing.in_progress, listing.skipped), (1, 0));
}

#[test]
fn invalid_sqlite_rows_are_counted() {
    let listing = videos(&format!(
        "{VIDEO_SCHEMA}; INSERT INTO record_segment_idx_tb VALUES
         (0, 0, 500, 1700003611, 1700000010, 3),
         (0, 500, 400, 1700000000, 1700000010, 3),
         (0, 0, 1000000000, 1700000000, 1700000010, 3),
         (-1, 0, 500, 1700000000, 1700000010, 3),
         (NULL, 0, 500, 1700000000, 1700000010, 3),
         ('x', 0, 500, 1700000000, 1700000010, 3),
         (0, -9, 500, 1700000000, 1700000010, 3),
         (0, 0, 500, 0, 1700000010, 3),
         (0, 0, 500, 1700000000, 99999999999, 3),
         (0, 0, 500, 1700000000, 1700000010, 300)"
    ))
    .unwrap();
    assert_eq!((listing.segments.len(), listing.skipped), (0, 10));
}

#[test]
fn sqlite_times_may_have_microseconds() {
    let listing = videos(
        "CREATE TABLE record_segment_idx_tb (id INTEGER PRIMARY KEY, file_no, start_offset, end_offset, \
         start_time_tv_sec, start_time_tv_usec, end_time_tv_sec, end_time_tv_usec, record_type);
         INSERT INTO record_segment_idx_tb VALUES (7, 0, 0, 500, 1700000000, 787000, 1700000010, 1000001, 3)",
    )
    .unwrap();
    assert_eq!(listing.segments[0].start.to_string(), "2023-11-14T22:13:20.787000");
    assert_eq!(listing.segments[0].end.to_string(), "2023-11-14T22:13:30.000000");
}

#[test]
fn pictures_come_from_every_table_that_has_them() {
    let columns = "id, file_no, trigger_time, pic_offset_0, pic_len_0";
    let listing = pictures(&format!(
        "CREATE TABLE event_id (id, event_table_name);
         CREATE TABLE MotionDetectTB ({columns});
         CREATE TABLE \"a \"\" name\" ({columns});
         INSERT INTO MotionDetectTB VALUES (1, 0, 1700000000, 0, 100), (2, 0, 1700000001, 100, 0);
         INSERT INTO \"a \"\" name\" VALUES (1, 0, 1700000002, 200, 50), (2, 0, 1700000002, 0, -1);"
    ))
    .unwrap();
    assert_eq!((listing.segments.len(), listing.skipped, listing.overwritten), (2, 1, 0));
}

#[test]
fn of_pictures_in_the_same_bytes_the_latest_is_listed() {
    let listing = pictures(
        "CREATE TABLE a (file_no, trigger_time, pic_offset_0, pic_len_0);
         CREATE TABLE b (file_no, trigger_time, pic_offset_0, pic_len_0);
         INSERT INTO a VALUES (0, 1700000000, 0, 100), (0, 1700000001, 100, 100), (1, 1700000001, 0, 100);
         INSERT INTO b VALUES (0, 1800000000, 0, 120), (0, 1800000001, 200, 100), (0, 1800000001, 200, 100);",
    )
    .unwrap();
    let starts: Vec<_> = listing.segments.iter().map(|s| (s.file, s.span.start(), s.span.end())).collect();
    assert_eq!(starts, [(0, 0, 120), (0, 200, 300), (1, 0, 100)]);
    assert_eq!(listing.overwritten, 2, "the second event with the same picture is no second picture");
}

#[test]
fn another_sqlite_database_is_refused() {
    for sql in [
        "CREATE TABLE t (a)",
        "CREATE TABLE record_segment_idx_tb (file_no)",
        "CREATE VIEW record_segment_idx_tb AS SELECT 0 AS file_no, 0 AS start_offset, 1 AS end_offset, \
         1 AS start_time_tv_sec, 2 AS end_time_tv_sec, 1 AS record_type",
    ] {
        assert!(matches!(videos(sql), Err(SqliteError::NoTable { .. } | SqliteError::Open(_))), "{sql}");
        assert!(matches!(pictures(sql), Err(SqliteError::NoTable { .. })), "{sql}");
    }
}

#[test]
fn a_file_that_is_no_sqlite_database_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record_db_index00");
    assert!(matches!(read(&path, VIDEOS, &soon(), big), Err(SqliteError::Open(_))), "missing");
    assert!(!path.exists());
    for bytes in [vec![], vec![0; 8192], b"no database".repeat(1000)] {
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path, VIDEOS, &soon(), big).is_err());
        assert!(read(&path, PICTURES, &soon(), big).is_err());
    }
}

#[test]
fn sqlite_rows_before_a_damage_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record_db_index00");
    let rows: Vec<String> = (0..2000)
        .map(|n| {
            format!("(0, {}, {}, {}, {}, 3)", n * 512, n * 512 + 500, 1_700_000_000 + n * 10, 1_700_000_009 + n * 10)
        })
        .collect();
    database(&path, &format!("{VIDEO_SCHEMA}; INSERT INTO record_segment_idx_tb VALUES {}", rows.join(",")));
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let listing = read(&path, VIDEOS, &soon(), big).unwrap();
    assert!(!listing.segments.is_empty() && listing.segments.len() < 2000);
    assert!(matches!(listing.damage, Some(SqliteError::Read { .. })), "{:?}", listing.damage);
}

#[test]
fn a_damaged_sqlite_schema_is_read_without_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record_db_index00");
    database(&path, &format!("{VIDEO_SCHEMA}; CREATE TABLE other (a, b)"));
    let whole = fs::read(&path).unwrap();
    for word in ["end_offset", "other", "record_segment_idx_tb", "TABLE"] {
        let mut bytes = whole.clone();
        while let Some(at) = bytes.windows(word.len()).position(|window| window == word.as_bytes()) {
            bytes[at] = 0xFF;
        }
        fs::write(&path, bytes).unwrap();
        let _ = (read(&path, VIDEOS, &soon(), big), read(&path, PICTURES, &soon(), big));
    }
}

#[test]
fn a_sqlite_read_ends_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record_db_index00");
    let row = "(0, 0, 500, 1700000000, 1700000010, 3)";
    let rows = vec![row; 2000].join(",");
    database(&path, &format!("{VIDEO_SCHEMA}; INSERT INTO record_segment_idx_tb VALUES {rows}"));
    assert_eq!(read(&path, VIDEOS, &soon(), big).unwrap().segments.len(), 1, "rows that are the same count once");
    let over = Deadline::after(Duration::ZERO, &crate::stop::Stop::default());
    let error = match read(&path, VIDEOS, &over, big) {
        Ok(listing) => listing.damage.unwrap(),
        Err(error) => error,
    };
    assert!(matches!(error, SqliteError::Late(Duration::ZERO)) && error.is_given_up(), "{error:?}");
}

#[test]
fn odd_sqlite_paths_are_opened_and_nothing_is_created() {
    let dir = tempfile::tempdir().unwrap();
    for name in [b"a b?c#d%41'\"&mode=rwc;x".as_slice(), b"new\nline", b"not utf-8 \xFF\xFE", b"colon:and\\backslash"] {
        let folder = dir.path().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        let plain = dir.path().join("plain");
        // A write-ahead log would need two more files beside the database.
        database(&plain, &format!("PRAGMA journal_mode = WAL; {VIDEO_SCHEMA}"));
        let path = folder.join(OsStr::from_bytes(name));
        fs::rename(&plain, &path).unwrap();
        fs::write(folder.join([OsStr::from_bytes(name), OsStr::new("-journal")].join(OsStr::new(""))), "x").unwrap();
        let before = fs::read(&path).unwrap();
        read(&path, VIDEOS, &soon(), big).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "{name:?}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_relative_sqlite_path_is_opened() {
    let uri = immutable_uri(Path::new("a/b"));
    assert!(uri.starts_with("file:///") && uri.ends_with("/a/b?mode=ro&immutable=1"), "{uri}");
    assert_eq!(immutable_uri(Path::new("//a")), "file:////a?mode=ro&immutable=1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever numbers stand in a row, it is a segment, in progress, empty or skipped.
    #[test]
    fn every_sqlite_row_is_counted(rows in prop::collection::vec(prop::array::uniform6(any::<i64>()), 1..20)) {
        let sql: Vec<String> = rows.iter()
            .map(|[a, b, c, d, e, f]| format!("({a},{b},{c},{d},{e},{f})"))
            .collect();
        let listing = videos(&format!("{VIDEO_SCHEMA}; INSERT INTO record_segment_idx_tb VALUES {}", sql.join(","))).unwrap();
        let empty = rows.iter().filter(|row| row[5] == 0).count();
        let counted = listing.segments.len() + (listing.in_progress + listing.skipped) as usize;
        prop_assert_eq!(counted + empty, rows.len());
    }
}
