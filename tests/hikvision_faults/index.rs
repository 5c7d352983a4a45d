//! Damaged or missing indexes and folders: everything that is known is extracted, and the rest is logged.

use std::fs;

use crate::support::bench::{Bench, clip, json, set};
use crate::support::hikvision::{Index, Kind, Layout, Model, Storage, jpeg, picture};
use crate::support::tree;

const GOOD: &str = "oprit/video/2025-09-07_14-00-15-oprit.mp4";

/// A camera with a damaged index beside a good one.
fn damaged(model: Model) -> (Bench, Storage) {
    let bench = Bench::new();
    bench.camera("oprit", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    let mut storage = bench.camera("tuin", model);
    storage.record(&clip(), "2025-09-07 14:00:15");
    storage.record(&clip(), "2025-09-07 14:01:15");
    (bench, storage)
}

/// Replaces an index and its mirror.
fn put(storage: &Storage, kind: Kind, bytes: &[u8]) {
    let path = storage.index(kind, 0);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    fs::write(&path, bytes).unwrap();
    let mirror = path.with_file_name(name.replace("00", "01"));
    if mirror.exists() {
        fs::write(mirror, bytes).unwrap();
    }
}

#[test]
fn a_truncated_index_does_not_fail_the_pass() {
    for index in [Index::Binary(2), Index::Sqlite] {
        let (bench, storage) = damaged(Model { index, ..Model::default() });
        let whole = fs::read(storage.index(Kind::Video, 0)).unwrap();
        for length in (0..whole.len()).step_by(4096) {
            put(&storage, Kind::Video, &whole[..length]);
            let output = bench.scratch.footage(["hikvision", "nas", "--list", "--json"]).run();
            assert!(matches!(output.code, Some(0 | 3)), "{length}: {output}");
            let listed = json(&output);
            let listed = listed.as_array().unwrap();
            assert!(listed.iter().any(|entry| entry["camera"] == "oprit"), "{length}: {listed:?}");
            if listed.len() < 3 {
                assert_eq!(output.code, Some(3), "{length}: footage is missing and no error says so");
            }
            assert!(listed.len() <= 3, "{length}: {listed:?}");
        }
        put(&storage, Kind::Video, &whole[..whole.len() / 4096 * 2048]);
        let _ = bench.pass(&[]).expect_code(3);
        assert!(bench.held().contains(GOOD));
    }
}

#[test]
fn a_corrupt_index_does_not_block_other_cameras() {
    let (_bench, storage) = damaged(Model::default());
    let whole = fs::read(storage.index(Kind::Video, 0)).unwrap();
    let with_files = |files: u32| {
        let mut bytes = whole.clone();
        bytes[12..16].copy_from_slice(&files.to_le_bytes());
        bytes
    };
    let mut noise = vec![0; 40_000];
    let mut state = 1_u32;
    noise.fill_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let mut tree_index = noise.clone();
    tree_index[..8].copy_from_slice(b"HIKBTREE");
    for (what, bytes, said) in [
        ("nothing", Vec::new(), "index00.bin"),
        ("zeros", vec![0; 100_000], "index00.bin"),
        ("noise", noise, "index00.bin"),
        ("400 million files", with_files(400_000_000), "index00.bin"),
        ("all the files there can be", with_files(u32::MAX), "index00.bin"),
        ("an NVR's index", tree_index, "HIKBTREE"),
    ] {
        let (bench, storage) = damaged(Model::default());
        put(&storage, Kind::Video, &bytes);
        let output = bench.pass(&["--json"]).expect_code(3);
        assert!(output.stderr.contains(said), "{what}: {output}");
        assert_eq!(json(&output)["failures"][0]["reason"], "storage", "{what}");
        assert!(bench.held().contains(GOOD), "{what}");
    }
}

#[test]
fn the_index_mirror_is_used_when_the_index_is_bad() {
    let (bench, storage) = damaged(Model::default());
    fs::write(storage.index(Kind::Video, 0), [0; 5000]).unwrap();
    let output = bench.pass(&[]).expect_code(0);
    assert!(output.stderr.contains("index01.bin is read instead"), "{output}");
    assert_eq!(bench.held().len(), 3);
}

#[test]
fn a_missing_datadir_hides_its_own_segments_only() {
    let bench = Bench::new();
    let mut storage = bench.camera("tuin", Model { layout: Layout::Datadirs(3), files: 1, ..Model::default() });
    for minute in 0..40 {
        storage.record(&clip(), &format!("2025-09-07 14:{minute:02}:15"));
    }
    let live = storage.live();
    let gone = live.iter().filter(|live| live.datadir == 1).count();
    assert!(gone > 0 && gone < live.len());
    fs::remove_dir_all(storage.datadir(1)).unwrap();
    let output = bench.pass(&["--jobs", "2"]).expect_code(3);
    assert!(output.stderr.contains("lacks datadirs"), "{output}");
    assert_eq!(bench.held().len(), live.len() - gone);
}

#[test]
fn a_missing_ring_file_hides_its_own_segments_only() {
    let bench = Bench::new();
    let mut storage = bench.camera("tuin", Model { file_len: 600 << 10, ..Model::default() });
    for minute in 0..8 {
        storage.record(&clip(), &format!("2025-09-07 14:{minute:02}:15"));
    }
    let live = storage.live();
    let lost = storage.ring_file(&live[0]);
    let left = live.iter().filter(|live| storage.ring_file(live) != lost).count();
    assert!(left > 0 && left < live.len());
    fs::remove_file(&lost).unwrap();
    let output = bench.pass(&[]).expect_code(3);
    assert!(output.stderr.contains(lost.file_name().unwrap().to_str().unwrap()), "{output}");
    assert_eq!(bench.held().len(), left);
    // It is not asked for again and again, and not forgotten either.
    bench.pass(&["--ffmpeg", "/nowhere"]).expect_code(3);
}

#[test]
fn index_offsets_past_the_end_are_skipped() {
    let (bench, storage) = damaged(Model::default());
    let second = storage.live()[1];
    let ring_file = fs::File::options().write(true).open(storage.ring_file(&second)).unwrap();
    ring_file.set_len((second.start_offset + 1000).into()).unwrap();
    bench.pass(&[]).expect_code(3);
    assert_eq!(bench.held(), set([GOOD, "tuin/video/2025-09-07_14-00-15-tuin.mp4"]));
}

#[test]
fn a_damaged_picture_index_leaves_the_videos_alone() {
    let (bench, mut storage) = damaged(Model::default());
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
    put(&storage, Kind::Picture, &[0xFF; 3000]);
    bench.pass(&[]).expect_code(3);
    assert_eq!(bench.held().len(), 3);
}

#[test]
fn a_sqlite_index_with_a_hot_journal_is_read_and_never_written() {
    let (bench, storage) = damaged(Model { index: Index::Sqlite, ..Model::default() });
    let journal = storage.index(Kind::Video, 0).with_file_name("record_db_index00-journal");
    fs::write(journal, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\x00\x00\x00\x01").unwrap();
    let before = tree(&storage.root);
    bench.pass(&[]).expect_code(0);
    assert_eq!(tree(&storage.root), before);
    assert_eq!(bench.held().len(), 3);
}
