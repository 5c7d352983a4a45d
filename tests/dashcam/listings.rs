//! What cameras say they have, in all the manners in which they say it.

use super::{Bench, NAME, SIZE, files_of, set};
use crate::support::camera::{Api, Camera, Fault, How, Listing, Metadata, Style, Times};
use crate::support::{Output, mp4, tree};

const RECORDINGS: [&str; 3] = ["20181029_131513_NF", "20181029_131513_NR", "20181029_131613_EF"];

fn raw(bench: &Bench, text: impl AsRef<[u8]>) {
    bench.camera.set_listing(Listing::Raw(text.as_ref().to_vec()));
}

/// The warnings of a pass.
fn warnings(output: &Output) -> Vec<&str> {
    output.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).collect()
}

#[test]
fn older_api_listings_are_read_in_every_form() {
    let style = Style::default;
    for style in [
        style(),
        Style { version: "v:2.00".into(), ..style() },
        Style { version: "v:3.00".into(), ..style() },
        Style { version: String::new(), ..style() },
        Style { line_end: "\n".into(), ..style() },
        Style { line_end: "\r\n\r\n".into(), ..style() },
        Style { size: "7".into(), ..style() },
        Style { size: String::new(), ..style() },
        Style { prefix: "/mnt/sd".into(), ..style() },
        Style { prefix: "/tmp/mnt/sdcard/BlackVue".into(), ..style() },
        Style { trailing_empty: true, ..style() },
    ] {
        let bench = Bench::with(RECORDINGS);
        bench.camera.set_listing(Listing::Of(style.clone()));
        let output = bench.pass(&[]).expect_code(0);
        assert_eq!(output.stderr, "", "{style:?}");
        bench.assert_like_camera("");
    }
}

#[test]
fn older_api_listings_need_no_slashes_sizes_or_last_newline() {
    let bench = Bench::with(RECORDINGS);
    raw(
        &bench,
        format!(
            "v:1.00\r\nn:Record/{}.mp4\r\n\r\nn:{}.mp4,s:1\r\nn:/Record/{}.mp4",
            RECORDINGS[0], RECORDINGS[1], RECORDINGS[2]
        ),
    );
    bench.quiet_pass(&[]);
    assert_eq!(bench.recordings(), RECORDINGS);
}

#[test]
fn newer_api_listings_are_read_in_every_form() {
    let style = Style::default;
    for style in [
        style(),
        Style { plain_strings: true, ..style() },
        Style { extra_fields: true, ..style() },
        Style { prefix: "/Record/".into(), ..style() },
        Style { prefix: "/".into(), plain_strings: true, ..style() },
    ] {
        let bench = Bench::new(Api::New);
        bench.add(RECORDINGS);
        bench.camera.set_listing(Listing::Of(style.clone()));
        let output = bench.pass(&[]).expect_code(0);
        assert_eq!(output.stderr, "", "{style:?}");
        bench.assert_like_camera("");
        assert_eq!(bench.camera.requests_for(".3gf").len(), 0, "a new camera has no accelerometer data to give");
    }
}

#[test]
fn newer_api_listings_may_be_bare_arrays_with_unknown_fields() {
    let bench = Bench::new(Api::New);
    bench.add(RECORDINGS);
    let names = RECORDINGS.map(|name| format!("{name}.mp4"));
    for listing in [
        serde_json::json!(names).to_string(),
        serde_json::json!({"model": {"a": [1, 2]}, "filelist": names, "next": null}).to_string(),
        format!("\r\n {}\n", serde_json::json!({ "filelist": names })),
    ] {
        raw(&bench, &listing);
        let report = bench.report(&[]);
        assert_eq!((&report["seen_recordings"], &report["exit_code"]), (&3.into(), &0.into()), "{listing}");
    }
    assert_eq!(bench.recordings(), RECORDINGS);
}

#[test]
fn the_api_is_found_by_asking() {
    for (api, fault) in [
        (Api::Old, Fault::Status(404)),
        (Api::Old, Fault::Status(502)),
        (Api::Old, Fault::Status(500)),
        (Api::Old, Fault::Status(200)),
        (Api::Old, Fault::SilentClose),
        (Api::Old, Fault::Refuse),
        (Api::Old, Fault::Stall { after: 0 }),
        (Api::New, Fault::Status(200)),
        (Api::New, Fault::Status(404)),
        (Api::New, Fault::Status(502)),
        (Api::New, Fault::SilentClose),
        (Api::New, Fault::Stall { after: 0 }),
    ] {
        let bench = Bench::new(api);
        bench.add(RECORDINGS);
        let text = format!("{api:?} {fault:?}");
        bench.camera.fault("/accessible", fault, Times::Always);
        let output = bench.pass(&["-t", "0.5"]);
        assert_eq!(output.code, Some(0), "{text}: {output}");
        bench.assert_like_camera("");
    }
}

#[test]
fn the_newer_api_is_found_where_blackvue_vod_cgi_does_not_answer() {
    let bench = Bench::new(Api::New);
    bench.add(RECORDINGS);
    bench.camera.fault("/blackvue_vod.cgi", Fault::Stall { after: 0 }, Times::Always);
    bench.quiet_pass(&["-t", "0.5"]);
    bench.assert_like_camera("");
}

#[test]
fn no_config_or_upload_url_of_the_camera_is_requested() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.add(RECORDINGS);
        bench.quiet_pass(&["--verify"]);
        for request in bench.camera.requests() {
            let path = request.path.to_lowercase();
            assert!(!path.contains("config") && !path.contains("upload"), "{request:?}");
            assert!(request.method != "POST" || path == "/vodmetadata", "{request:?}");
        }
    }
}

#[test]
fn vod_metadata_is_unwrapped_in_all_its_forms() {
    for manner in [Metadata::Nested, Metadata::TopLevel, Metadata::Wrapped, Metadata::Unpadded, Metadata::DataUrl] {
        let bench = Bench::new(Api::New);
        bench.add(RECORDINGS);
        bench.camera.set_metadata(manner);
        let output = bench.pass(&[]).expect_code(0);
        assert_eq!(output.stderr, "", "{manner:?}");
        bench.assert_like_camera("");
    }
}

#[test]
fn broken_vod_metadata_fails_only_its_sidecars() {
    for body in ["", "no json", "[]", r#"{"metadata":{"thumbnail":"*","gps":"*"}}"#, r#"{"metadata":null}"#] {
        let bench = Bench::new(Api::New);
        bench.add(["20181029_131513_NF"]);
        bench.camera.fault("POST /", Fault::Answer { status: 200, body: body.into() }, Times::Always);
        let output = bench.pass(&[]);
        assert!(matches!(output.code, Some(0 | 3)), "{body}: {output}");
        assert_eq!(bench.recordings(), ["20181029_131513_NF"], "{body}");
        let sidecars = bench.held().iter().filter(|file| !file.contains(".mp4") && !file.contains(".failed")).count();
        assert_eq!(sidecars, 0, "{body}");
    }
}

#[test]
fn missing_sidecars_are_normal_and_not_asked_for_again() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.camera.add("20181029_131513_NF.mp4", mp4::movie(SIZE, 1));
        bench.quiet_pass(&[]);
        assert_eq!(bench.held(), set(["20181029_131513_NF.mp4"]), "no markers, no empty files");
        // Beside the newest recording they may still come: asked for until it is the newest no more.
        bench.add(["20181029_150000_NF"]);
        bench.quiet_pass(&[]);
        bench.camera.clear_log();
        bench.quiet_pass(&[]);
        let asked = bench.camera.requests_for("20181029_131513");
        assert!(asked.is_empty(), "{asked:?}");
        // What is not on the camera any more is not remembered either.
        let remembered = bench.dest().join(".footage/dashcam.absent");
        assert!(std::fs::read_to_string(&remembered).is_ok_and(|names| names.contains("20181029_131513_NF.thm")));
        bench.camera.remove("20181029_131513_NF.mp4");
        bench.quiet_pass(&[]);
        assert_eq!(std::fs::read_to_string(&remembered).unwrap_or_default(), "");
    }
}

#[test]
fn a_low_resolution_copy_is_a_recording_of_its_own_and_shares_the_thumbnail() {
    let bench = Bench::with(["20181029_131513_NF", "20181029_131513_NFS", "20181029_131613_EFL"]);
    bench.quiet_pass(&[]);
    bench.assert_like_camera("");
    assert_eq!(bench.recordings().len(), 3);
    assert_eq!(bench.camera.requests_for("GET 20181029_131513_NF.thm").len(), 1);
}

#[test]
fn front_and_rear_share_their_gps_sidecar() {
    let bench = Bench::with(["20181029_131513_NF", "20181029_131513_NR", "20181029_131513_NI", "20181029_131513_NO"]);
    bench.quiet_pass(&[]);
    bench.assert_like_camera("");
    for shared in ["GET 20181029_131513_N.gps", "GET 20181029_131513_N.3gf"] {
        assert_eq!(bench.camera.requests_for(shared).len(), 1, "{shared}");
    }
}

#[test]
fn recordings_listed_twice_are_fetched_once() {
    let bench = Bench::with(["20181029_131513_NF"]);
    raw(&bench, "v:1.00\r\nn:/Record/20181029_131513_NF.mp4,s:1000000\r\n".repeat(3));
    bench.quiet_pass(&[]);
    assert_eq!(bench.asked(), ["20181029_131513_NF"]);
}

#[test]
fn all_known_recording_types_are_fetched_without_a_warning() {
    let names: Vec<_> = "NEPMIOATBRXGDLYF".chars().map(|kind| format!("20181029_131513_{kind}F")).collect();
    let bench = Bench::with(&names);
    bench.quiet_pass(&[]);
    assert_eq!(bench.recordings().len(), 16);
}

#[test]
fn unknown_type_letters_are_fetched_and_logged() {
    for api in [Api::Old, Api::New] {
        let bench = Bench::new(api);
        bench.add(["20181029_131513_QF", "20181029_131613_QF", "20181029_131513_NZ", "20181029_131513_NFX"]);
        let output = bench.pass(&[]).expect_code(0);
        let told = warnings(&output);
        assert_eq!(told.len(), 3, "each kind once: {output}");
        for letters in ["_QF.mp4", "_NZ.mp4", "_NFX.mp4"] {
            assert!(told.iter().any(|line| line.contains(letters)), "{letters}: {output}");
        }
        bench.assert_like_camera("");
    }
}

#[test]
fn with_cron_unknown_type_letters_are_logged_the_first_time_only() {
    let bench = Bench::with(["20181029_131513_QF"]);
    let first = bench.pass(&["--cron"]).expect_code(0);
    assert!(first.stderr.contains("_QF.mp4"), "{first}");
    bench.quiet_pass(&["--cron"]);
    bench.quiet_pass(&["--cron"]);
    // Another kind is another condition.
    bench.add(["20181029_131513_WF"]);
    let other = bench.pass(&["--cron"]).expect_code(0);
    assert!(other.stderr.contains("_WF.mp4") && !other.stderr.contains("_QF.mp4"), "{other}");
}

#[test]
fn with_cron_notices_are_kept_while_the_camera_is_away() {
    let bench = Bench::with(["20181029_131513_QF"]);
    bench.pass(&["--cron"]).expect_code(0);
    bench.camera.depart(How::Refused);
    bench.quiet_pass(&["--cron"]);
    bench.camera.come_back();
    // It drives away every day: that must not make the same warning new every evening.
    bench.quiet_pass(&["--cron"]);
}

#[test]
fn a_listing_that_cannot_be_read_is_an_error_that_shows_its_first_line() {
    for (api, listing, shown) in [
        (Api::Old, "<html><body>Login</body>\nmore", "<html><body>Login</body>"),
        (Api::Old, "v:1.00\r\nn:/Record/nonsense,s:1\r\n", "v:1.00"),
        (Api::Old, "n:/DCIM/IMG_0001.JPG,s:1\r\n", "n:/DCIM/IMG_0001.JPG,s:1"),
        (Api::Old, "\u{1b}[2Jevil\r\n", "evil"),
        (Api::Old, "\0\0\0\0", "\\0\\0"),
        (Api::New, r#"{"error":"busy"}"#, "busy"),
        (Api::New, r#"{"filelist":[{"name":"20181029_131513_NF.mp4"}]}"#, "filelist"),
        (Api::New, r#"{"filelist":"none"}"#, "none"),
        (Api::New, r#"{"filelist":["#, "filelist"),
        (Api::New, "not json", "not json"),
    ] {
        let bench = Bench::new(api);
        raw(&bench, listing);
        let output = bench.pass(&[]);
        assert_eq!(output.code, Some(1), "{listing}: {output}");
        assert!(output.stderr.starts_with("error: ") && output.stderr.contains(shown), "{listing}: {output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(!output.stderr.contains('\u{1b}') && !output.stderr.contains('\0'), "{output}");
    }
}

#[test]
fn with_cron_an_unreadable_listing_is_logged_the_first_time_only() {
    let bench = Bench::new(Api::Old);
    raw(&bench, "<html>");
    assert!(bench.pass(&["--cron"]).expect_code(1).stderr.contains("<html>"));
    assert_eq!(bench.pass(&["--cron"]).expect_code(1).stderr, "");
    // It was better in between, so this is news.
    bench.camera.set_listing(Listing::Of(Style::default()));
    bench.quiet_pass(&["--cron"]);
    raw(&bench, "<html>");
    assert!(bench.pass(&["--cron"]).expect_code(1).stderr.contains("<html>"));
}

#[test]
fn empty_listings_are_no_errors() {
    for (api, listing) in [
        (Api::Old, "v:1.00\r\n"),
        (Api::Old, "v:1.00"),
        (Api::Old, "v:1.00\r\nn:,s:1000000\r\n"),
        (Api::New, r#"{"filelist":[]}"#),
        (Api::New, r#"{"filelist":null}"#),
        (Api::New, "[]"),
    ] {
        let bench = Bench::new(api);
        raw(&bench, listing);
        bench.quiet_pass(&[]);
        assert_eq!(bench.report(&[])["seen_recordings"], 0, "{listing}");
    }
}

#[test]
fn an_empty_listing_body_is_a_warning() {
    let bench = Bench::new(Api::Old);
    raw(&bench, "");
    let output = bench.pass(&["--cron"]).expect_code(0);
    assert!(output.stderr.contains("listing is empty"), "{output}");
    bench.quiet_pass(&["--cron"]);
}

#[test]
fn invalid_file_names_in_a_listing_are_warnings() {
    let bench = Bench::with(["20181029_131513_NF"]);
    let bad = [
        "/Record/20180230_131513_NF.mp4",
        "/Record/20181029_251513_NF.mp4",
        "/Record/../../../20181029_131513_EF.mp4",
        "/Record/20181029_131513_NF.mp4/../x.mp4",
        "/Record/20181029_131513_\u{7}F.mp4",
    ];
    let lines = bad.map(|name| format!("n:{name},s:1000000\r\n")).concat();
    raw(&bench, format!("v:1.00\r\n{lines}n:/Record/20181029_131513_NF.mp4,s:1000000\r\n"));
    let output = bench.pass(&[]).expect_code(0);
    assert_eq!(warnings(&output).len(), bad.len(), "{output}");
    assert!(output.stderr.contains("20180230_131513_NF.mp4"), "{output}");
    assert!(!output.stderr.contains('\u{7}'), "{output}");
    assert_eq!(bench.held(), files_of("", "20181029_131513_NF"));
    let outside = tree(bench.scratch.path()).into_keys().filter(|path| !path.starts_with("dest")).count();
    assert_eq!(outside, 0, "nothing is written outside the destination");
}

#[test]
fn a_truncated_listing_does_not_end_the_pass() {
    // Cut inside a JSON array: recordings read so far count, and the rest is a warning.
    let bench = Bench::new(Api::New);
    bench.add(RECORDINGS);
    raw(&bench, format!(r#"{{"filelist":[{{"filename":"{}.mp4"}},{{"filena"#, RECORDINGS[0]));
    let output = bench.pass(&[]).expect_code(0);
    assert_eq!(warnings(&output).len(), 1, "{output}");
    assert_eq!(bench.recordings(), [RECORDINGS[0]]);
}

#[test]
fn further_addresses_are_tried_in_order() {
    let bench = Bench::with(RECORDINGS);
    let (away, silent) = (Camera::start(Api::Old), Camera::start(Api::Old));
    away.depart(How::Refused);
    silent.depart(How::Silent);
    let other = Bench::with(["20200101_000000_NF"]);
    let options = [silent.address(), bench.camera.address(), other.camera.address()];
    let options: Vec<_> = options.iter().map(String::as_str).chain(["-t", "0.5"]).collect();
    bench.footage_from(&away.address(), &options).run().expect_code(0);
    bench.assert_like_camera("");
    assert!(other.camera.requests().is_empty(), "they are all the same camera");

    bench.camera.depart(How::Refused);
    other.camera.depart(How::Close);
    let output = bench.footage_from(&away.address(), &options).run().expect_code(75);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    for address in [away.address(), silent.address(), bench.camera.address(), other.camera.address()] {
        assert!(output.stderr.contains(&address), "{address} {output}");
    }
}

#[test]
fn every_form_of_a_camera_address_is_accepted() {
    let v6 = Camera::start_on("[::1]:0", Api::Old);
    let v4 = Camera::start(Api::Old);
    let bench = Bench::new(Api::Old);
    v6.add_recording("20181029_131513_NF", SIZE);
    v4.add_recording("20181029_131513_NF", SIZE);
    let (host4, port4) = (v4.address(), v4.address().replace("127.0.0.1:", ""));
    for address in [
        host4.clone(),
        format!("localhost:{port4}"),
        format!("http://{host4}"),
        format!("http://{host4}/"),
        format!("HTTP://{host4}/"),
        v6.address(),
        format!("http://{}", v6.address()),
    ] {
        let _ = std::fs::remove_dir_all(bench.dest());
        let output = bench.footage_from(&address, &[]).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{address} {output}");
        assert_eq!(bench.held(), files_of("", "20181029_131513_NF"), "{address}");
    }
    for address in ["ftp://dashcam", "http://", "dashcam:x", "dashcam:99999", ""] {
        let output = bench.footage_from(address, &["-t", "0.5"]).run();
        assert_eq!(output.code, Some(2), "{address} {output}");
    }
}

#[test]
fn a_camera_password_is_sent_with_basic_authentication() {
    let bench = Bench::with([NAME]);
    let url = format!("http://us%40er:p%3Ass@{}", bench.camera.address());
    bench.footage_from(&url, &[]).run().expect_code(0);
    let requests = bench.camera.requests();
    assert!(requests.iter().all(|request| request.header("Authorization") == Some("Basic dXNAZXI6cDpzcw==")));
    assert!(requests.len() > 4);
}
