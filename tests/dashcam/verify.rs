//! `--verify`.

use std::collections::BTreeMap;

use super::{Bench, NAME, SIZE, files_of};
use crate::support::camera::{Api, Fault, How, Times};
use crate::support::{mp4, tree};

const VIDEO: &str = "20181028_131513_NF.mp4";

/// A destination that a pass has filled, and then something befell the video.
fn after(befall: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Bench {
    let bench = Bench::with([NAME, "20181028_131613_NF"]);
    bench.quiet_pass(&["-g", "monthly"]);
    let path = bench.dest().join("2018-10").join(VIDEO);
    let whole = std::fs::read(&path).expect("the recording");
    std::fs::write(path, befall(whole)).expect("written");
    bench.camera.clear_log();
    bench
}

#[test]
fn verify_counts_intact_recordings_and_changes_none() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.add([NAME]);
        bench.quiet_pass(&[]);
        bench.camera.clear_log();
        let before = tree(bench.dest());
        let report = bench.report(&["--verify"]);
        assert_eq!(report["verified_files"], bench.held().len(), "{report}");
        assert_eq!((&report["arrived_files"], &report["exit_code"]), (&0.into(), &0.into()));
        assert!(bench.asked().is_empty(), "{api:?}: comparing lengths costs no recording");
        let (mut before, mut after) = (before, tree(bench.dest()));
        for nodes in [&mut before, &mut after] {
            nodes.retain(|path, _| !path.starts_with(".footage"));
        }
        assert_eq!(after, before);
    }
}

#[test]
fn verify_fetches_a_file_truncated_by_blackvuesync_again() {
    for befall in [
        |whole: Vec<u8>| mp4::truncated(whole, 50_000),
        |whole: Vec<u8>| mp4::truncated(whole, 0),
        |_| vec![0; 100_000],
    ] {
        let bench = after(befall);
        let plain = bench.report(&[]);
        assert_eq!(plain["arrived_files"], 0, "without --verify nothing is compared");
        let output = bench.pass(&["--verify", "-g", "daily"]).expect_code(0);
        assert!(output.stderr.contains(VIDEO), "{output}");
        assert_eq!(bench.asked(), [NAME]);
        bench.assert_like_camera("2018-10");
        assert_eq!(bench.held(), &files_of("2018-10", NAME) | &files_of("2018-10", "20181028_131613_NF"));
        bench.camera.clear_log();
        bench.quiet_pass(&["--verify"]);
        assert!(bench.asked().is_empty());
    }
}

/// A file of another camera stands here, and beside it a `.damaged` of an earlier pass. Each may be all there is of its content.
#[test]
fn verify_replaces_no_file_whose_content_would_overwrite_a_damaged_one() {
    let bench = after(|_| vec![7; 50_000]);
    let month = bench.dest().join("2018-10");
    let damaged = month.join(format!(".{VIDEO}.damaged"));
    std::fs::write(&damaged, "an earlier one").expect("written");
    let output = bench.pass(&["--verify"]).expect_code(3);
    assert!(output.stderr.contains(".damaged"), "{output}");
    assert_eq!(std::fs::read(&damaged).expect("kept"), b"an earlier one");
    assert_eq!(std::fs::read(month.join(VIDEO)).expect("kept"), vec![7; 50_000]);

    std::fs::remove_file(&damaged).expect("looked at and removed");
    bench.pass(&["--verify"]).expect_code(0);
    assert_eq!(std::fs::read(&damaged).expect("kept"), vec![7; 50_000]);
    bench.assert_like_camera("2018-10");
}

#[test]
fn verify_fetches_a_short_sidecar_again() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.add([NAME]);
        bench.quiet_pass(&[]);
        bench.put("20181028_131513_N.gps", "[15408");
        let output = bench.pass(&["--verify"]).expect_code(0);
        assert!(output.stderr.contains("20181028_131513_N.gps"), "{api:?} {output}");
        bench.assert_like_camera("");
        bench.quiet_pass(&["--verify"]);
    }
}

#[test]
fn verify_reports_and_keeps_a_recording_that_is_longer_here() {
    let bench = after(|whole| [whole, mp4::free_box(100)].concat());
    let before = tree(bench.dest().join("2018-10"));
    let output = bench.pass(&["--verify"]).expect_code(3);
    assert!(
        output.stderr.contains(VIDEO) && output.stderr.contains("100100 bytes here, 100000 on the camera"),
        "{output}"
    );
    assert!(bench.asked().is_empty());
    assert_eq!(tree(bench.dest().join("2018-10")), before);
}

#[test]
fn verify_checks_the_mp4_structure_of_what_the_camera_no_longer_has() {
    let bench = after(|whole| mp4::truncated(whole, 50_000));
    bench.camera.remove(VIDEO);
    bench.camera.remove("20181028_131613_NF.mp4");
    let before = tree(bench.dest().join("2018-10"));
    let report = bench.report(&["--verify"]);
    assert_eq!(report["exit_code"], 3);
    let failures = report["failures"].as_array().expect("failures");
    assert_eq!(failures.len(), 1, "{report}");
    assert_eq!((&failures[0]["name"], &failures[0]["reason"]), (&VIDEO.into(), &"damaged".into()));
    assert_eq!(tree(bench.dest().join("2018-10")), before, "a damaged recording is better than none");
}

#[test]
fn verify_keeps_a_recording_that_cannot_be_fetched_again() {
    for fault in [Fault::Status(500), Fault::Cut { after: 10 }, Fault::Status(204), Fault::Status(404)] {
        let bench = after(|whole| mp4::truncated(whole, 50_000));
        let held = |bench: &Bench| std::fs::read(bench.dest().join("2018-10").join(VIDEO)).expect("still there");
        let before = held(&bench);
        bench.camera.fault(&format!("GET {VIDEO}"), fault.clone(), Times::Always);
        let output = bench.pass(&["--verify"]);
        assert_ne!(output.code, Some(1), "{fault:?} {output}");
        assert_eq!(held(&bench), before, "{fault:?}");
    }
}

#[test]
fn verify_compares_with_a_camera_without_head() {
    let bench = after(|whole| mp4::truncated(whole, 50_000));
    bench.camera.fault("HEAD /", Fault::Status(405), Times::Always);
    bench.pass(&["--verify"]).expect_code(0);
    bench.assert_like_camera("2018-10");
}

#[test]
fn verify_ends_without_an_error_when_the_camera_leaves() {
    let bench = after(|whole| whole);
    bench.camera.fault("HEAD /", Fault::SilentClose, Times::Always);
    bench.camera.fault("GET /blackvue_vod.cgi", Fault::SilentClose, Times::Nth(2));
    bench.pass(&["--verify"]).expect_code(75);
    bench.camera.depart(How::Refused);
    bench.quiet_pass(&["--verify", "--cron"]);
}

#[test]
fn verify_accepts_every_intact_mp4_and_no_damaged_one() {
    let size = usize::try_from(SIZE).expect("small");
    let intact = BTreeMap::from([
        ("20181029_000100_NF.mp4", mp4::movie(SIZE, 1)),
        ("20181029_000200_NF.mp4", mp4::with_size64(SIZE, 1)),
        ("20181029_000300_NF.mp4", mp4::with_open_end(SIZE, 1)),
        ("20181029_000400_NF.mp4", mp4::two_movies(SIZE, 5000, 1)),
        ("20181029_000500_NF.mp4", mp4::movie(mp4::MIN_SIZE, 1)),
    ]);
    let broken = BTreeMap::from([
        ("20181029_000600_NF.mp4", mp4::truncated(mp4::movie(SIZE, 1), size - 1)),
        ("20181029_000700_NF.mp4", mp4::garbage_after(mp4::movie(SIZE, 1), 100)),
        ("20181029_000800_NF.mp4", mp4::zero_tail(mp4::two_movies(5000, 5000, 1), 5000)),
        ("20181029_000900_NF.mp4", b"<html>sorry</html>".to_vec()),
    ]);
    let bench = Bench::new(Api::Old);
    for (name, movie) in intact.iter().chain(&broken) {
        bench.camera.add(name, movie.clone());
    }
    let report = bench.report(&[]);
    assert_eq!(report["arrived_recordings"], intact.len(), "{report}");
    let failed: Vec<_> = report["failures"].as_array().expect("failures").iter().map(|f| f["name"].clone()).collect();
    assert_eq!(failed, broken.keys().copied().collect::<Vec<_>>());
    assert_eq!(report["exit_code"], 3);
    // What is broken on the card comes no better a second time: it is left alone until it is due.
    bench.camera.clear_log();
    let report = bench.report(&["--verify"]);
    assert_eq!((&report["waiting_files"], &report["exit_code"]), (&broken.len().into(), &0.into()));
    assert!(bench.asked().is_empty());
}

#[test]
fn verify_prints_what_it_compared() {
    let bench = after(|mut whole| {
        let middle = whole.len() / 2;
        whole[middle] ^= 1;
        whole
    });
    // No longer on the camera.
    bench.put_recording("2018-10", "20181001_131513_NF");
    let output = bench.pass(&["--verify", "-v"]).expect_code(0);
    assert!(!output.stderr.contains("verified"), "{output}");
    for said in ["by length and structure", "by length;", "content not compared"] {
        assert!(output.stderr.contains(said), "{said}: {output}");
    }
    let by = bench.report(&["--verify"])["verified_by"].clone();
    let count = |word: &str| by[word].as_u64().unwrap_or(0);
    assert_eq!((count("length-and-structure"), count("content")), (2, 0), "{by}");
    assert!(count("length") > 0 && count("nothing") > 0, "{by}");
}
