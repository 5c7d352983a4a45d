//! `--list`.

use crate::support::bench::{Bench, clip, json};
use crate::support::hikvision::{Model, jpeg, picture};
use crate::support::tree;

#[test]
fn list_prints_every_live_segment_and_its_offsets() {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15.787"]);
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:16.5");
    storage.begin(&clip(), "2025-09-07 14:30:00");
    let before = tree(bench.scratch.path());
    let output = bench.scratch.footage(["hikvision", "nas", "--list", "--json"]).env("TZ", "Asia/Tokyo").run();
    assert_eq!(output.stderr, "");
    let listed = json(&output.expect_code(0));
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let live = &storage.live()[0];
    let video = &listed[0];
    assert_eq!(video["start"], "2025-09-07T14:00:15.787000");
    assert_eq!(video["end"], "2025-09-07T14:00:17.747000");
    assert_eq!((&video["camera"], &video["medium"]), (&"tuin".into(), &"video".into()));
    for (key, value) in [
        ("datadir", 0),
        ("file", live.file),
        ("segment", live.number),
        ("start_offset", live.start_offset),
        ("end_offset", live.end_offset),
        ("type", 13),
        ("channel", 1),
    ] {
        assert_eq!(video[key], value, "{key}: {video}");
    }
    assert!((video["duration_seconds"].as_f64().unwrap() - 1.96).abs() < 0.001, "{video}");
    assert_eq!((&listed[1]["medium"], &listed[1]["start"]), (&"picture".into(), &"2025-09-07T14:00:16.500000".into()));

    let table = bench.scratch.footage(["hikvision", "nas", "--list"]).run().expect_code(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].starts_with("tuin    2025-09-07 14:00:15.787       2.0s"), "{table}");
    assert!(lines[1].ends_with("datadir0/hiv00000.mp4 #0"), "{table}");
    assert!(lines[3].starts_with("2 recordings of 1 camera, "), "{table}");
    assert_eq!(tree(bench.scratch.path()), before, "a listing leaves nothing behind");
}

#[test]
fn list_of_an_empty_camera_is_empty() {
    let bench = Bench::new();
    bench.camera("tuin", Model::default());
    assert_eq!(bench.scratch.footage(["hikvision", "nas", "-l", "--json"]).run().expect_code(0).stdout, "[]\n");
}

#[test]
fn list_prints_no_terminal_control_characters() {
    let (bench, _) = Bench::with(&["2025-09-07 14:00:15"]);
    let folder = "gate\u{9b}2J\u{202e}";
    std::fs::rename(bench.scratch.path().join("nas/tuin"), bench.scratch.path().join("nas").join(folder)).unwrap();
    for options in [&["--list"][..], &["--list", "--json"]] {
        let output = bench.scratch.footage([&["hikvision", "nas"], options].concat()).run().expect_code(0);
        assert!(!output.stdout.contains(['\u{9b}', '\u{202e}']), "{output}");
        if options.contains(&"--json") {
            assert_eq!(json(&output)[0]["folder"], folder, "{output}");
        }
    }
}
