//! What an attacker and a newcomer made it do.

use std::fs;

use super::{Bench, NAME, SIZE, visible};
use crate::support::camera::{Api, Camera, Fault, Times};
use crate::support::tls::SelfSigned;
use crate::support::{Node, Scratch, mp4, peak_kib, tree};

/// `cd card/BlackVue/Record && footage dashcam . --keep 2w`: the default destination is the directory one stands in.
#[test]
fn a_card_is_no_destination() {
    let bench = Bench::empty();
    let record = "card/BlackVue/Record";
    bench.scratch.write(format!("{record}/20180101_000000_NF.mp4").as_str(), mp4::movie(SIZE, 1));
    let before = tree(bench.scratch.path());
    for (address, destination) in [
        ("./card", "card"),
        ("./card", "card/BlackVue/Record"),
        ("./card/BlackVue/Record", "card"),
        ("./card", "card/new/er"),
        ("./card", "."),
    ] {
        let output =
            bench.scratch.footage(["dashcam", address, "-d", destination, "--keep", "2w"]).run().expect_code(2);
        assert!(output.stderr.contains("only read"), "{output}");
        assert_eq!(tree(bench.scratch.path()), before, "{address} {destination}");
    }
}

/// One recording announces what cannot be: it fails, the others come.
#[test]
fn an_absurd_content_length_blocks_nothing() {
    for delta in [1_000_000_000_000, i64::MAX - 1_000_000] {
        let bench = Bench::new();
        bench.camera.add_recording("20181029_131613_NF", SIZE);
        bench.camera.fault(&format!("GET {NAME}"), Fault::WrongLength(delta), Times::Always);
        let output = bench.run(3);
        assert!(output.stderr.contains("announces"), "{output}");
        assert!(bench.dest().join("20181029_131613_NF.mp4").exists(), "{output}");
    }
}

/// A wrong path, or a new firmware: all is listed, nothing is had.
#[test]
fn recordings_that_are_listed_but_missing_are_failures() {
    let bench = Bench::new();
    bench.camera.fault("GET .mp4", Fault::Status(404), Times::Always);
    let output = bench.run(3);
    assert!(output.stderr.contains("404"), "{output}");
    assert!(bench.dest().join(format!("{NAME}.failed")).exists());
}

/// Overwritten between the listing and the fetch: nothing to worry about.
#[test]
fn a_recording_that_left_the_listing_is_no_failure() {
    let bench = Bench::new();
    bench.camera.fault("GET .mp4", Fault::Status(404), Times::Always);
    bench.camera.fault("/blackvue_vod.cgi", Fault::Answer { status: 200, body: "v:1.00\r\n".into() }, Times::Nth(2));
    let output = bench.run(0);
    assert_eq!(output.stderr, "");
    assert!(visible(&bench.dest()).is_empty());
}

/// After an empty battery the clock starts at any time: the file being written need not be the newest by its name.
#[test]
fn a_growing_recording_is_no_failure_whatever_its_time() {
    let bench = Bench::new();
    bench.camera.add_recording("20990101_000000_NF", SIZE);
    bench.camera.fault(NAME, Fault::Grow { by: 500 }, Times::Always);
    for _ in 0..3 {
        let output = bench.run(0);
        assert_eq!(output.stderr, "");
        assert!(!bench.dest().join(NAME).exists());
    }
    bench.camera.finish_writing(NAME);
    bench.camera.clear_faults();
    bench.run(0);
    bench.assert_mirrored();
}

/// Two cameras in one destination, or one whose clock begins anew: the same name, another recording.
#[test]
fn verify_keeps_the_replaced_file_unless_it_is_a_prefix() {
    let bench = Bench::new();
    bench.run(0);
    let ours = fs::read(bench.dest().join(NAME)).expect("read");
    bench.camera.add(NAME, mp4::movie(SIZE + 1000, 7));
    bench.pass(&["--verify"]).run().expect_code(0);
    assert_eq!(fs::read(bench.dest().join(NAME)).expect("read"), bench.camera.bytes(NAME));
    let kept = tree(bench.dest());
    assert!(kept.values().any(|node| *node == Node::of(&ours)), "the older one is gone");
}

/// A slash in a password makes a word look like a directory.
#[test]
fn passwords_that_look_like_paths_are_redacted() {
    let bench = Bench::empty();
    for address in ["user:s3cr/et@dashcam", "http://user:12/et@dashcam", "u:s3cr@ho st/x"] {
        let output = bench.scratch.footage(["dashcam", address]).run().expect_code(2);
        assert!(!output.stderr.contains("s3cr") && !output.stderr.contains("12/"), "{output}");
    }
}

/// An answer of brackets takes much more in memory than on the wire.
#[test]
fn vod_metadata_of_absurd_length_is_bounded_in_memory() {
    let bench = Bench { camera: Camera::start(Api::New), scratch: Scratch::new() };
    bench.camera.add_recording("20181029_131613_NF", SIZE);
    let body = format!("[{}[]]", "[],".repeat(5_000_000));
    bench.camera.fault("POST /vodMetadata", Fault::Answer { status: 200, body }, Times::Always);
    let peak = bench.scratch.join("peak");
    let output = bench.pass(&[]).measured(&peak).run().expect_code(3);
    assert!(bench.dest().join("20181029_131613_NF.mp4").exists(), "{output}");
    assert!(peak_kib(&peak) < 80 << 10, "{} KiB", peak_kib(&peak));
}

/// No option has it trusted.
#[test]
fn an_untrusted_certificate_gets_no_password() {
    let bench = Bench::new();
    let server = SelfSigned::start();
    let output = bench.pass_from(&[&server.url("user:secret@")], &[]).run().expect_code(1);
    assert!(output.stderr.contains("its certificate is"), "{output}");
    server.assert_not_trusted();
    let output = bench.pass(&["--metrics-pushgateway-url", &server.url("user:secret@")]).run().expect_code(0);
    assert!(output.stderr.contains("the metrics were not pushed"), "{output}");
    server.assert_not_trusted();
}
