//! A camera as the attacker: it writes all of its storage, and may plant symlinks in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::support::bench::{Bench, clip, set};
use crate::support::hikvision::{Index, Kind, Model, jpeg, make_endless, make_schema_endless, picture};
use crate::support::{Program, peak_kib, tree};

const VIDEO: &str = "tuin/video/2025-09-07_14-00-15-tuin.mp4";
const PICTURE: &str = "tuin/images/2025-09-07_14-00-15-tuin.jpg";

/// The file that it has moved away stands for a user's private file: a symlink's target is not taken for the camera's.
#[test]
fn symlinks_in_a_storage_are_not_followed() {
    for (link, expected) in [
        ("datadir0/hiv00000.mp4", &[PICTURE][..]),
        ("datadir0/hiv00000.pic", &[VIDEO]),
        ("datadir0/index00p.bin", &[VIDEO]),
        ("datadir0", &[]),
    ] {
        let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
        storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
        let path = storage.root.join(link);
        // Without the mirrors, which would help out.
        let _ = fs::remove_file(storage.root.join("datadir0/index01p.bin"));
        let outside = bench.scratch.join("outside");
        fs::rename(&path, &outside).unwrap();
        symlink(&outside, &path).unwrap();
        let output = bench.pass(&[]).expect_code(3);
        assert!(output.stderr.contains("symbolic link"), "{link}: {output}");
        assert_eq!(bench.held(), set(expected), "{link}");
    }
}

/// A camera's own folder may be a symbolic link: only the owner of the share can make one there.
#[test]
fn an_input_may_be_a_symlink() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let outside = bench.scratch.join("outside");
    fs::rename(&storage.root, &outside).unwrap();
    symlink(&outside, &storage.root).unwrap();
    bench.quiet_pass(&[]);
    assert_eq!(bench.held(), set([VIDEO]));
}

#[test]
fn an_info_bin_of_absurd_length_is_not_read() {
    let (bench, storage) = Bench::with(&["2025-09-07 14:00:15"]);
    let file = fs::File::options().write(true).open(storage.root.join("info.bin")).unwrap();
    file.set_len(600 << 20).unwrap();
    let peak = bench.scratch.join("peak");
    bench.footage(&["--list"]).measured(&peak).run().expect_code(0);
    assert!(peak_kib(&peak) < 100 << 10, "{} KiB", peak_kib(&peak));
}

/// Whatever a folder is called, its name becomes one folder in the destination, and one word for ffmpeg.
#[test]
fn no_folder_name_is_a_path_traversal_or_an_option() {
    let bench = Bench::new();
    for folder in ["-y", "--help", "...", "..\\..", "concat:a|b", "pipe:1", "%d", "\u{1b}[2J", "-i pipe:0"] {
        let mut storage = bench.camera(folder, Model::default());
        storage.record(&crate::support::bench::clip(), "2025-09-07 14:00:15");
    }
    let before = tree(bench.scratch.join("nas"));
    let log = bench.scratch.join("arguments");
    let fake = bench.fake_ffmpeg(&format!("printf '%s\\n' \"$@\" >>{}; exec ffmpeg \"$@\"", log.display()));
    let output = bench.pass(&["--ffmpeg", &fake]).expect_code(0);
    assert_eq!(tree(bench.scratch.join("nas")), before);
    let held = bench.held();
    assert_eq!(held.len(), 9, "{held:?} {output}");
    assert!(held.iter().all(|name| Path::new(name).iter().count() == 3), "{held:?}");
    let top: Vec<_> = fs::read_dir(bench.scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(top.len(), 4, "{top:?}");
    assert!(!output.stderr.contains('\u{1b}') && !output.stdout.contains('\u{1b}'), "{output:?}");
    // It reads its standard input and nothing else, and writes a file.
    let arguments = fs::read_to_string(log).unwrap();
    let words: Vec<&str> = arguments.lines().collect();
    let inputs: Vec<_> = words.windows(2).filter(|pair| pair[0] == "-i").map(|pair| pair[1]).collect();
    assert_eq!(inputs, ["pipe:0"; 9]);
    assert_eq!(words.windows(2).filter(|pair| *pair == ["-protocol_whitelist", "pipe"]).count(), 9, "{arguments}");
    assert_eq!(words.iter().filter(|word| word.starts_with("file:/")).count(), 9, "{arguments}");
}

/// SQLite would take a text of a gigabyte, and copy it.
#[test]
fn a_sqlite_index_with_absurd_texts_is_bounded_in_memory() {
    for column in ["name", "sql"] {
        let bench = Bench::new();
        let mut storage = bench.camera("tuin", Model { index: Index::Sqlite, ..Model::default() });
        storage.record(&crate::support::bench::clip(), "2025-09-07 14:00:15");
        let mut other = bench.camera("gate", Model::default());
        other.record(&crate::support::bench::clip(), "2025-09-07 14:00:15");
        let index = storage.index(Kind::Video, 0);
        let script = format!(
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA writable_schema = ON'); \
             db.execute('CREATE TABLE x (a)'); db.commit(); \
             db.execute(\"UPDATE sqlite_master SET {column} = {column} || printf('%.*c', 100000000, ' ') WHERE name = 'x'\"); \
             db.commit()"
        );
        Program::new("/usr/bin/python3").args(["-c", &script]).arg(&index).run().expect_code(0);
        let peak = bench.scratch.join("peak");
        let output = bench.footage(&["--json"]).measured(&peak).run();
        assert!(peak_kib(&peak) < 100 << 10, "{column}: {} KiB", peak_kib(&peak));
        assert!(output.stderr.len() < 10_000, "{column}: {} bytes on stderr", output.stderr.len());
        assert!(output.stdout.len() < 10_000, "{column}: {} bytes on stdout", output.stdout.len());
        assert!(bench.held().contains("gate/video/2025-09-07_14-00-15-gate.mp4"), "{output}");
    }
}

/// A camera with a SQLite index, and beside it one of a later name. What the second has recorded.
fn beside_another(index: impl FnOnce(&Path)) -> (Bench, String) {
    let bench = Bench::new();
    let mut storage = bench.camera("attacker", Model { index: Index::Sqlite, ..Model::default() });
    storage.record(&clip(), "2025-09-07 14:00:15");
    index(&storage.index(Kind::Video, 0));
    bench.camera("gate", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    (bench, "gate/video/2025-09-07_14-00-15-gate.mp4".to_owned())
}

/// Pages that lead to each other give 100^15 rows.
#[test]
fn a_sqlite_index_with_rows_without_end_is_bounded_and_comes_last() {
    let (bench, other) = beside_another(|index| make_endless(index, "record_segment_idx_tb"));
    let peak = bench.scratch.join("peak");
    let output = bench.footage(&["-v"]).measured(&peak).run().expect_code(3);
    assert!(output.stderr.contains("gives more rows than a database of"), "{output}");
    assert!(peak_kib(&peak) < 100 << 10, "{} KiB", peak_kib(&peak));
    // What it lists is extracted all the same, once, after the others.
    assert_eq!(bench.held(), set([other.as_str(), "attacker/video/2025-09-07_14-00-15-attacker.mp4"]));
    let place = |name: &str| output.stderr.find(&format!("{name}: extracted")).expect(name);
    assert!(place(&other) < place("attacker/video/2025-09-07_14-00-15-attacker.mp4"), "{output}");
    // The next pass has nothing to do, and reports the problem again.
    let again = bench.report(3, &["--ffmpeg", "/nowhere"]);
    assert_eq!((&again["arrived_files"], &again["failures"][0]["reason"]), (&0.into(), &"storage".into()));
}

#[test]
fn pictures_of_a_sqlite_index_without_end_are_bounded() {
    let bench = Bench::new();
    let mut storage = bench.camera("attacker", Model { index: Index::Sqlite, ..Model::default() });
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
    let index = storage.index(Kind::Picture, 0);
    let table: String = {
        let database = rusqlite::Connection::open(&index).unwrap();
        let sql = "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'pic_offset_0'";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    make_endless(&index, &table);
    let output = bench.pass(&[]).expect_code(3);
    assert!(output.stderr.contains("gives more rows than a database of"), "{output}");
    assert_eq!(bench.held(), set(["attacker/images/2025-09-07_14-00-15-attacker.jpg"]));
}

/// SQLite would compute generated columns and views, which can be endless queries.
#[test]
fn a_sqlite_index_that_computes_its_rows_is_refused() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS file_no, 0 AS start_offset, \
                   512 AS end_offset, 1757253615 AS start_time_tv_sec, 1757253617 AS end_time_tv_sec, 1 AS record_type FROM n";
    let generated = "CREATE TABLE record_segment_idx_tb (file_no, start_offset, end_offset, start_time_tv_sec, \
                     end_time_tv_sec, record_type AS (length(hex(zeroblob(900000)))));";
    let as_table = "PRAGMA writable_schema = ON; UPDATE sqlite_master SET type = 'table' WHERE type = 'view';";
    for (what, sql) in [
        ("view", format!("CREATE VIEW record_segment_idx_tb AS {endless};")),
        ("view called a table", format!("CREATE VIEW record_segment_idx_tb AS {endless}; {as_table}")),
        ("generated column", generated.to_owned()),
    ] {
        let (bench, other) = beside_another(|index| {
            let database = rusqlite::Connection::open(index).unwrap();
            database.execute_batch(&format!("DROP TABLE record_segment_idx_tb; {sql}")).unwrap();
        });
        let peak = bench.scratch.join("peak");
        let output = bench.footage(&[]).measured(&peak).run().expect_code(3);
        assert!(output.stderr.contains("record_db_index00"), "{what}: {output}");
        assert!(peak_kib(&peak) < 100 << 10, "{what}: {} KiB", peak_kib(&peak));
        assert_eq!(bench.held(), set([&other]), "{what}: {output}");
    }
}

#[test]
fn a_sqlite_index_with_an_endless_schema_delays_no_other_camera_and_no_signal() {
    let (bench, other) = beside_another(make_schema_endless);
    let pass = bench.footage(&["-v"]).spawn();
    pass.wait_for_stderr(&format!("{other}: extracted"), Duration::from_mins(1));
    pass.term();
    let output = pass.wait_timeout(Duration::from_secs(10)).expect_code(143);
    assert!(output.stderr.contains("attacker: slow or broken index"), "{output}");
}

/// A list as long as this takes no camera more than a few hundred bytes a row, and has an end.
#[test]
fn a_sqlite_index_with_more_recordings_than_any_camera_has_is_cut_off() {
    let (bench, other) = beside_another(|index| {
        let database = rusqlite::Connection::open(index).unwrap();
        let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) \
                    SELECT 0, i * 10, i * 10 + 9, 1757253615 + i, 1757253617 + i, 1 FROM n";
        let columns = "file_no, start_offset, end_offset, start_time_tv_sec, end_time_tv_sec, record_type";
        database.execute_batch(&format!("INSERT INTO record_segment_idx_tb ({columns}) {rows}")).unwrap();
    });
    let peak = bench.scratch.join("peak");
    let output = bench.footage(&["--list"]).measured(&peak).run().expect_code(3);
    assert!(output.stderr.contains("lists more than 262144 recordings"), "{}", output.stderr);
    assert!(peak_kib(&peak) < 150 << 10, "{} KiB", peak_kib(&peak));
    // The selection has one recording of each camera: that of the other camera is extracted first.
    let output = bench.footage(&["-v", "--from", "2025-09-07", "--to", "2025-09-07 14:00:20"]).run().expect_code(3);
    assert!(bench.held().contains(&other), "{output}");
}
