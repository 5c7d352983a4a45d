//! The dashcam's card in a card reader.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Bench, NAME, SIZE, ago, files, files_of, set, today};
use crate::support::camera::Api;
use crate::support::{as_root, mp4, small_tmpfs, tree};

const RECORDINGS: [&str; 5] =
    [NAME, "20181028_131513_NR", "20181028_131613_EF", "20181028_131713_PF", "20181028_131813_QF"];

/// Writes everything on the camera's card into a directory as the camera does.
fn fill(bench: &Bench, card: &Path) {
    let record = card.join("BlackVue/Record");
    std::fs::create_dir_all(&record).expect("a directory");
    for name in bench.camera.names() {
        std::fs::write(record.join(&name), bench.camera.bytes(&name)).expect("written");
    }
    for other in ["BlackVue/Config/config.ini", "BlackVue/System/version.bin"] {
        std::fs::create_dir_all(card.join(other).parent().expect("a directory")).expect("made");
        std::fs::write(card.join(other), "secret").expect("written");
    }
}

fn with_card(name: &str) -> (Bench, PathBuf) {
    let bench = Bench::with(RECORDINGS);
    let card = bench.scratch.join(name);
    fill(&bench, &card);
    (bench, card)
}

#[test]
fn a_card_path_without_a_slash_is_an_error_that_names_it() {
    let bench = Bench::new(crate::support::camera::Api::Old);
    std::fs::create_dir(bench.scratch.join("card")).expect("made");
    let output = bench.footage_from("card", &["--timeout", "2"]).run().expect_code(75);
    assert!(output.stderr.contains("; there is a directory of this name: write ./card"), "{output}");
    let output = bench.footage_from("no-card", &["--timeout", "2"]).run().expect_code(75);
    assert!(!output.stderr.contains("directory"), "{output}");
}

#[test]
fn a_card_address_has_three_forms_and_the_card_is_never_written() {
    let (bench, card) = with_card("card");
    let before = tree(&card);
    let root = card.display().to_string();
    for address in [
        root.clone(),
        format!("{root}/"),
        format!("{root}/BlackVue"),
        format!("{root}/BlackVue/Record"),
        "./card".into(),
        "card/".into(),
    ] {
        let _ = std::fs::remove_dir_all(bench.dest());
        bench.footage_from(&address, &[]).run().expect_code(0);
        bench.assert_like_camera("");
        assert_eq!(bench.held(), bench.camera.names().into_iter().collect(), "{address}");
        assert_eq!(tree(&card), before, "{address}");
    }
    assert!(bench.camera.requests().is_empty());
}

#[test]
fn a_card_gives_the_same_as_the_camera() {
    let recent = ago(today(), 1, "120000") + "_NF";
    for options in [
        &[][..],
        &["-g", "weekly"],
        &["-i", "E", "--context", "1"],
        &["-e", "NR,P"],
        &["-k", "2w"],
        &["-k", "2w", "--protect", "20181028_131513"],
        &["--skip-metadata", "t3g"],
        &["--keep-bytes", "250kB", "--skip-metadata", "t3g"],
        &["-p", "rdate"],
    ] {
        let bench = Bench::with(RECORDINGS);
        bench.add([&recent]);
        let card = bench.scratch.join("card");
        fill(&bench, &card);
        bench.pass(options).expect_code(0);
        let from_camera = bench.held();
        std::fs::remove_dir_all(bench.dest()).expect("removed");
        bench.footage_from(&card.display().to_string(), options).run().expect_code(0);
        assert_eq!(bench.held(), from_camera, "{options:?}");
    }
}

#[test]
fn recordings_fetched_from_the_camera_are_not_fetched_again_from_the_card() {
    let (bench, card) = with_card("card");
    bench.pass(&[]).expect_code(0);
    let output = bench.footage_from(&card.display().to_string(), &["--json"]).run().expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("a report");
    assert_eq!((&report["seen_recordings"], &report["arrived_files"]), (&5.into(), &0.into()));
}

#[test]
fn a_partial_from_the_camera_is_resumed_from_the_card() {
    use crate::support::camera::{Fault, How, Times};
    let bench = Bench::with([NAME]);
    let card = bench.scratch.join("card");
    fill(&bench, &card);
    bench.camera.fault("GET .mp4", Fault::Cut { after: 80_000 }, Times::Always);
    bench.camera.depart_after(80_100, How::Refused);
    bench.pass(&[]).expect_code(75);
    let output = bench.footage_from(&card.display().to_string(), &["--json"]).run().expect_code(0);
    bench.assert_like_camera("");
    let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("a report");
    assert!(report["transferred_bytes"].as_u64() < Some(SIZE), "{report}");
}

#[test]
fn a_read_only_card_is_enough() {
    as_root!();
    let bench = Bench::with([NAME]);
    let card = small_tmpfs(1_000_000);
    fill(&bench, card.path());
    card.make_read_only();
    let output = bench.footage_from(&card.path().display().to_string(), &["--verify"]).run().expect_code(0);
    assert_eq!(output.stderr, "", "{output}");
    bench.assert_like_camera("");
}

#[test]
fn a_card_path_may_have_a_space() {
    let (bench, card) = with_card("NO NAME");
    bench.footage_from(&card.display().to_string(), &[]).run().expect_code(0);
    bench.assert_like_camera("");
    // Nor is any other address two.
    bench.footage_from("dash cam", &["-t", "0.5"]).run().expect_code(2);
}

#[test]
fn a_missing_card_is_exit_code_75() {
    let bench = Bench::new(Api::Old);
    let missing = bench.scratch.join("card").display().to_string();
    let output = bench.footage_from(&missing, &[]).run().expect_code(75);
    assert!(output.stderr.starts_with("warning: ") && output.stderr.contains(&missing), "{output}");
    let output = bench.footage_from(&missing, &["--cron"]).run().expect_code(0);
    assert_eq!(output.stderr, "", "{output}");
}

#[test]
fn an_empty_mount_point_is_a_missing_card() {
    let bench = Bench::new(Api::Old);
    std::fs::create_dir(bench.scratch.join("card")).expect("made");
    let output = bench.footage_from("./card", &[]).run();
    assert_eq!(output.code, Some(75), "no message says that nothing is copied: {output}");
}

#[test]
fn a_directory_that_is_no_card_is_an_error() {
    let bench = Bench::new(Api::Old);
    bench.scratch.write("photos/IMG_0001.JPG", "a photo");
    let output = bench.footage_from("./photos", &[]).run();
    assert!(output.stderr.contains("photos"), "no message says that this is the wrong directory: {output}");
}

#[test]
fn a_card_is_a_fallback_address_for_its_camera() {
    let (bench, card) = with_card("card");
    let address = bench.camera.address();
    let card = card.display().to_string();
    bench.footage_from(&card, &[&address]).run().expect_code(0);
    assert!(bench.camera.requests().is_empty());
    std::fs::remove_dir_all(&card).expect("the card is in the car");
    bench.footage_from(&card, &[&address]).run().expect_code(0);
    assert!(!bench.camera.requests().is_empty());
}

#[test]
fn an_empty_and_a_broken_recording_on_a_card_are_failures_and_the_rest_is_fetched() {
    let (bench, card) = with_card("card");
    let record = card.join("BlackVue/Record");
    std::fs::write(record.join("20181029_000000_NF.mp4"), "").expect("written");
    std::fs::write(record.join("20181029_000100_NF.mp4"), mp4::truncated(mp4::movie(SIZE, 1), 5000)).expect("written");
    let output = bench.footage_from("./card", &[]).run().expect_code(3);
    assert!(output.stderr.contains("20181029_000000_NF.mp4") && output.stderr.contains("empty"), "{output}");
    assert!(output.stderr.contains("20181029_000100_NF.mp4") && output.stderr.contains("damaged"), "{output}");
    bench.assert_like_camera("");
    assert!(bench.held().contains("20181029_000000_NF.mp4.failed"));
    bench.footage_from("./card", &[]).run().expect_code(0);
}

#[test]
fn only_files_of_a_card_are_read() {
    let bench = Bench::with([NAME]);
    let card = bench.scratch.join("card");
    fill(&bench, &card);
    let record = card.join("BlackVue/Record");
    symlink("/etc/passwd", record.join("20181029_000000_NF.mp4")).expect("a link");
    std::fs::create_dir(record.join("20181029_000100_NF.mp4")).expect("a directory");
    std::fs::write(record.join("notes.txt"), "mine").expect("written");
    bench.footage_from("./card", &[]).run().expect_code(0);
    assert_eq!(bench.held(), files_of("", NAME));
}

#[test]
fn a_card_as_its_own_destination_loses_nothing() {
    let (bench, card) = with_card("card");
    let record = card.join("BlackVue/Record");
    let before = files(&record);
    let output = bench
        .scratch
        .footage(["dashcam", "./card", "-d", &record.display().to_string()])
        .env("FOOTAGE_MAX_USED_DISK", "98")
        .run();
    assert!(matches!(output.code, Some(0 | 2)), "{output}");
    assert_eq!(files(&record), before);
    assert_ne!(before, set([""; 0]));
}

#[test]
fn verify_compares_content_with_a_card() {
    let (bench, card) = with_card("card");
    bench.footage_from("card/", &[]).run().expect_code(0);
    let output = bench.footage_from("card/", &["--verify", "-v"]).run().expect_code(0);
    assert!(output.stderr.contains("identical by content"), "{output}");
    assert!(!output.stderr.contains("not compared"), "{output}");
    let video = format!("{NAME}.mp4");
    let path = bench.dest().join(&video);
    let mut bytes = std::fs::read(&path).expect("the recording");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let output = bench.footage_from("card/", &["--verify"]).run().expect_code(3);
    assert!(output.stderr.contains(&video) && output.stderr.contains(&format!("byte {middle}")), "{output}");
    assert_eq!(std::fs::read(&path).expect("left as it is"), bytes);
    assert!(card.exists());
}
