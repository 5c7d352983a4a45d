//! Passwords and tokens are used and never shown.

use super::metrics::Gateway;
use super::{Bench, NAME};
use crate::support::camera::{Api, Camera, Fault, How, Times};
use crate::support::modes::{UMASKS, assert_modes};
use crate::support::{Output, tree};

const SECRET: &str = "s3cr3t";
/// `user:s3cr3t` as it goes over the wire.
const ENCODED: &str = "dXNlcjpzM2NyM3Q";

#[track_caller]
fn assert_clean(text: &str, place: &str) {
    assert!(!text.contains(SECRET) && !text.contains(ENCODED), "a secret in {place}:\n{text}");
}

#[track_caller]
fn assert_says_nothing(output: &Output) {
    assert_clean(&output.stdout, "stdout");
    assert_clean(&output.stderr, "stderr");
}

#[test]
fn no_output_of_a_pass_holds_a_secret() {
    for (behaviour, listing_fault, file_fault) in [
        ("no fault", None, None),
        ("unreadable", Some(Fault::Answer { status: 200, body: "<html>".into() }), None),
        ("redirects", Some(Fault::Redirect("http://192.0.2.1/".into())), None),
        ("refuses", Some(Fault::Status(401)), None),
        ("corrupt", None, Some(Fault::Status(500))),
        ("breaks off", None, Some(Fault::Cut { after: 1000 })),
    ] {
        let bench = Bench::with([NAME]);
        let gateway = Gateway::start(500);
        for (part, fault) in [("vod", listing_fault), ("GET .mp4", file_fault)] {
            if let Some(fault) = fault {
                bench.camera.fault(part, fault, Times::Always);
            }
        }
        let url = format!("http://user:{SECRET}@{}", bench.camera.address());
        let push = format!("http://user:{SECRET}@{}", gateway.address);
        for format in ["text", "json"] {
            let header = format!("X-Token: {SECRET}");
            let arguments = ["--header", &header, "-vv", "--json", "--log-format", format, "--metrics-file", "metrics"];
            let output =
                bench.footage_from(&url, &arguments).args(["--metrics-pushgateway-url", &push, "--verify"]).run();
            assert!(output.stderr.len() > 10, "{behaviour}: there is something to look at");
            assert_says_nothing(&output);
            for path in tree(bench.scratch.path()).into_keys() {
                let bytes = std::fs::read(bench.scratch.join(&path)).unwrap_or_default();
                assert_clean(&String::from_utf8_lossy(&bytes), &path.display().to_string());
            }
            let pushed = gateway.next();
            assert_clean(&format!("{} {}", pushed.path, pushed.body), "the pushed metrics");
        }
        let log = bench.camera.requests();
        assert!(log.iter().all(|request| request.header("X-Token") == Some(SECRET)), "it is sent");
        assert!(log.iter().all(|request| request.header("Authorization").is_some_and(|value| value.contains(ENCODED))));
    }
}

#[test]
fn the_error_of_an_unreachable_camera_has_no_secret() {
    let bench = Bench::with([NAME]);
    let url = format!("http://user:{SECRET}@{}", bench.camera.address());
    for how in [How::Refused, How::Silent, How::Close] {
        bench.camera.depart(how);
        for options in [&["-vv", "-t", "0.3", "--json"][..], &["-vv", "-t", "0.3", "--dry-run"]] {
            let output = bench.footage_from(&url, options).run().expect_code(75);
            assert_says_nothing(&output);
        }
        bench.camera.come_back();
    }
    let output = bench.footage_from(&format!("http://user:{SECRET}@no-such-host.invalid"), &["-vv"]).run();
    assert_says_nothing(&output.expect_code(75));
}

#[test]
fn secrets_do_not_follow_a_redirect_to_another_host() {
    let bench = Bench::with([NAME]);
    let other = Camera::start(Api::Old);
    other.add_recording(NAME, 1000);
    bench.camera.fault(
        "GET .mp4",
        Fault::Redirect(format!("http://{}/Record/{NAME}.mp4", other.address())),
        Times::Always,
    );
    bench.pass(&["--header", &format!("X-Token: {SECRET}")]).expect_code(3);
    assert!(other.requests().is_empty());
}

#[test]
fn the_help_shows_no_secret_of_the_environment() {
    let bench = Bench::new(Api::Old);
    for arguments in [&["dashcam", "--help"][..], &["dashcam", "-h"], &["man", "dashcam"], &["completions", "bash"]] {
        for (name, value) in [
            ("FOOTAGE_ADDRESS", format!("http://user:{SECRET}@dashcam")),
            ("FOOTAGE_HEADER", format!("X-Token: {SECRET}")),
            ("FOOTAGE_METRICS_PUSHGATEWAY_URL", format!("http://user:{SECRET}@push")),
        ] {
            let output = bench.scratch.footage(arguments).env(name, value).run().expect_code(0);
            assert!(!output.stdout.contains(SECRET), "{name} in {arguments:?}");
        }
    }
}

#[test]
fn the_error_about_a_wrong_option_shows_no_secret() {
    let bench = Bench::new(Api::Old);
    for arguments in [
        vec!["dashcam".into(), format!("http://user:{SECRET}@dashcam/?x")],
        vec!["dashcam".into(), format!("ftp://user:{SECRET}@dashcam")],
        vec!["dashcam".into(), format!("user:{SECRET}@dash cam")],
        vec!["dashcam".into(), "cam".into(), "--header".into(), SECRET.to_owned()],
        vec!["dashcam".into(), "cam".into(), "--header".into(), format!("X-Token: {SECRET}\u{7f}")],
        vec!["dashcam".into(), "cam".into(), "--metrics-pushgateway-url".into(), format!("ftp://user:{SECRET}@push")],
    ] {
        let output = bench.scratch.footage(&arguments).run().expect_code(2);
        assert!(!output.stderr.contains(SECRET), "{arguments:?} {output}");
    }
}

#[test]
fn file_modes_follow_the_umask() {
    for umask in UMASKS {
        let bench = Bench::with([NAME]);
        let options = ["--grouping", "daily", "--protect", "20181029_131513", "--metrics-file", "dest/metrics"];
        bench.footage(&options).under_umask(umask).run().expect_code(0);
        assert_modes(&bench.scratch.join("dest"), 9, umask);
    }
}
