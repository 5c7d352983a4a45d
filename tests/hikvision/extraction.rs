//! What comes out of a storage, and that it comes out once.

use std::fs;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::support::bench::{Bench, clip, probe, set};
use crate::support::hikvision::{Audio, Clip, Index, Layout, Model, Video, jpeg, picture};
use crate::support::site::wait_for;
use crate::support::tree;

#[test]
fn every_segment_is_extracted_once_and_complete() {
    let bench = Bench::new();
    let mut storage = bench.camera("tuin", Model { layout: Layout::Datadirs(2), ..Model::default() });
    let codings = [(Video::H264, Audio::Aac), (Video::Hevc, Audio::ALaw), (Video::H264, Audio::None)];
    for (minute, (video, audio)) in codings.into_iter().enumerate() {
        storage.record(&Clip::new(video, audio, 2), &format!("2025-09-07 14:{minute:02}:15.250"));
    }
    let jpeg = jpeg();
    storage.store(&picture(&jpeg), "2025-09-07 14:30:15");
    storage.begin(&clip(), "2025-09-07 15:00:00");
    let before = tree(&storage.root);

    let report = bench.report(0, &[]);
    assert_eq!((&report["seen_cameras"], &report["seen_recordings"]), (&1.into(), &4.into()), "{report}");
    assert_eq!((&report["arrived_recordings"], &report["arrived_files"]), (&4.into(), &4.into()), "{report}");
    assert_eq!(report["open_files"], 1, "{report}");
    let video = |minute: u32| format!("tuin/video/2025-09-07_14-{minute:02}-15-tuin.mp4");
    let image = "tuin/images/2025-09-07_14-30-15-tuin.jpg";
    assert_eq!(bench.held(), set([video(0), video(1), video(2), image.to_owned()]));
    for (minute, coding) in (0..).zip(["h264,avc1,50", "hevc,hvc1,50", "h264,avc1,50"]) {
        let path = bench.dest().join(video(minute));
        let found = probe(&path, "stream=codec_name,codec_tag_string,nb_read_packets");
        assert!(found.starts_with(coding), "{found}");
        assert_eq!(found.contains("aac,mp4a"), minute < 2, "{found}");
        assert_eq!(&fs::read(&path).unwrap()[4..8], b"ftyp");
    }
    assert_eq!(fs::read(bench.dest().join(image)).unwrap(), jpeg);
    assert_eq!(tree(&storage.root), before, "the source is only read");

    let held = tree(bench.dest().join("tuin"));
    bench.quiet_pass(&[]);
    assert_eq!(tree(bench.dest().join("tuin")), held);
}

#[test]
fn a_pass_with_nothing_to_do_opens_no_ring_file_and_runs_no_ffmpeg() {
    for index in [Index::Binary(2), Index::Binary(3), Index::Sqlite] {
        let bench = Bench::new();
        let mut storage = bench.camera("tuin", Model { index, ..Model::default() });
        storage.record(&clip(), "2025-09-07 14:00:15");
        storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
        bench.pass(&[]).expect_code(0);

        let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
        for live in storage.live() {
            inotify::add_watch(&watch, storage.ring_file(&live), WatchFlags::OPEN).unwrap();
        }
        bench.quiet_pass(&["--ffmpeg", "/nowhere/ffmpeg"]);
        let mut events = [std::mem::MaybeUninit::uninit(); 4096];
        let mut is_opened = || inotify::Reader::new(&watch, &mut events).next().is_ok();
        assert!(!is_opened(), "{index:?}: a ring file was opened");
        let names: Vec<_> = fs::read_dir(storage.datadir(0)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let journals = names.iter().filter(|name| name.to_string_lossy().contains('-')).count();
        assert_eq!(journals, 0, "{index:?}: {names:?}");
        bench.pass(&["--camera", "tuin=other"]).expect_code(0);
        assert!(is_opened(), "{index:?}: the watch sees nothing");
    }
}

#[test]
fn each_info_bin_is_opened_once_a_pass() {
    let bench = Bench::new();
    for camera in ["tuin", "deur"] {
        let mut storage = bench.camera(camera, Model { layout: Layout::Datadirs(2), ..Model::default() });
        storage.record(&clip(), "2025-09-07 14:00:15");
    }
    for options in [&[][..], &[], &["--dry-run"], &["--list"]] {
        let log = bench.scratch.join("strace.log");
        bench.footage(options).traced(&log, "openat").run().expect_code(0);
        let log = fs::read_to_string(&log).unwrap();
        let opened: Vec<_> = log.lines().filter(|line| line.contains("/info.bin\"")).collect();
        for camera in ["tuin", "deur"] {
            let times = opened.iter().filter(|line| line.contains(&format!("/{camera}/info.bin"))).count();
            assert_eq!(times, 1, "{options:?}, {camera}: {opened:#?}");
        }
    }
}

#[test]
fn segments_recorded_during_a_pass_are_left_for_the_next() {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
    storage.begin(&clip(), "2025-09-07 14:01:15");
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held().len(), 1);
    storage.record(&clip(), "2025-09-07 14:01:15");
    storage.record(&clip(), "2025-09-07 14:02:15");
    bench.pass(&[]).expect_code(0);
    assert_eq!(bench.held().len(), 3);
}

#[test]
fn the_directory_cache_is_never_stale() {
    let (bench, _storage) = Bench::with(&["2025-09-07 14:00:15", "2025-09-07 14:01:15"]);
    bench.pass(&[]).expect_code(0);
    // The cache only has directories that have not changed for two seconds.
    let memory = bench.dest().join(".footage/hikvision.held");
    let remembered = wait_for("cache of two files", || {
        bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
        fs::read(&memory).ok().filter(|remembered| remembered.len() > 40)
    });
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);

    let name = "tuin/video/2025-09-07_14-00-15-tuin.mp4";
    fs::remove_file(bench.dest().join(name)).unwrap();
    assert_eq!(bench.report(0, &[])["arrived_files"], 1);
    for truncated in [&remembered[..remembered.len() / 2], b"", b"{}\n", &[0; 300]] {
        fs::write(&memory, truncated).unwrap();
        bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
    }
}

#[test]
fn jobs_of_one_and_of_many_extract_the_same() {
    let starts: Vec<String> = (0..12).map(|minute| format!("2025-09-07 14:{minute:02}:15.5")).collect();
    let starts: Vec<&str> = starts.iter().map(String::as_str).collect();
    let (bench, _storage) = Bench::with(&starts);
    bench.pass(&["--jobs", "1"]).expect_code(0);
    let one = tree(bench.dest().join("tuin"));
    fs::remove_dir_all(bench.dest()).unwrap();
    bench.pass(&["--jobs", "7"]).expect_code(0);
    assert_eq!(tree(bench.dest().join("tuin")), one);
    assert_eq!(one.len(), 13, "twelve files and their folder");
}

#[test]
fn every_kind_of_input_is_accepted() {
    let bench = Bench::new();
    let mut datadirs = bench.camera("voor", Model::default());
    datadirs.record(&clip(), "2025-09-07 14:00:15");
    let mut flat = bench.camera("card", Model { layout: Layout::Flat, ..Model::default() });
    flat.record(&clip(), "2025-09-07 14:00:15");
    fs::create_dir_all(bench.scratch.join("nas/@eaDir/voor")).unwrap();
    for (input, names) in [
        ("nas", vec!["voor", "card"]),
        ("nas/voor", vec!["voor"]),
        ("nas/voor/", vec!["voor"]),
        ("nas/voor/datadir0", vec!["voor"]),
        ("nas/card", vec!["card"]),
    ] {
        let _ = fs::remove_dir_all(bench.dest());
        bench.scratch.footage(["hikvision", input, "-d", "dest"]).run().expect_code(0);
        let files = names.iter().map(|name| format!("{name}/video/2025-09-07_14-00-15-{name}.mp4"));
        assert_eq!(bench.held(), set(files), "{input}");
    }
    // In the environment several stand in one variable, as in PATH.
    let _ = fs::remove_dir_all(bench.dest());
    let program = bench.scratch.footage(["hikvision", "-d", "dest"]).env("FOOTAGE_INPUT", "nas/voor:nas/card");
    program.run().expect_code(0);
    assert_eq!(bench.held().len(), 2);
}
