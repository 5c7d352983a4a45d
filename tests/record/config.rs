//! Errors in a configuration are reported with key and line, and nothing is started.

use crate::support::site::Site;

/// The message of a start with this configuration, which must be refused.
#[track_caller]
fn refusal(text: &str) -> String {
    let site = Site::new();
    site.write(text);
    let output = site.record(&[]).run().expect_code(2);
    assert_eq!(output.stdout, "");
    assert!(!site.dest().exists(), "something was begun");
    // --check refuses the same in the same words.
    let check = site.record(&["--check"]).run().expect_code(2);
    assert_eq!(check.stderr, output.stderr);
    // It is the file that is wrong, not the command line.
    assert!(output.stderr.starts_with("error: ") && !output.stderr.contains("Usage:"), "{output}");
    output.stderr
}

#[test]
fn configuration_errors_name_the_key_and_its_line() {
    let yard = "[cameras.yard]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n";
    for (line, key, said) in [
        ("segmnet = \"1h\"", "cameras.yard.segmnet", "segment"),
        ("segment = \"soon\"", "cameras.yard.segment", "soon"),
        ("segment = \"0s\"", "cameras.yard.segment", ""),
        ("container = \"avi\"", "cameras.yard.container", "mkv"),
        ("video = \"vp9\"", "cameras.yard.video", "h264"),
        ("audio = 3", "cameras.yard.audio", ""),
        ("fps = 0", "cameras.yard.fps", ""),
        ("bitrate = 1000", "cameras.yard.bitrate", "\"1000k\""),
        ("bitrate = \"1000\"", "cameras.yard.bitrate", "\"1000k\""),
        ("segment = 5", "cameras.yard.segment", "\"5m\""),
        ("bitrate = \"fast\"", "cameras.yard.bitrate", ""),
        ("transport = \"pigeon\"", "cameras.yard.transport", "tcp"),
        ("timezone = \"Mars/Base\"", "cameras.yard.timezone", "Mars/Base"),
        ("keep = \"never\"", "cameras.yard.keep", "never"),
        ("keep_bytes = -1", "cameras.yard.keep_bytes", ""),
        ("keep = \"2m\"", "cameras.yard.keep", "write 2min, or 60d for 2 months"),
        ("keep = \"30min\"", "cameras.yard.keep", "a segment (1h)"),
        ("keep_bytes = 500", "cameras.yard.keep_bytes", "write 500B for bytes, or 500GB"),
        ("keep_bytes = \"500\"", "cameras.yard.keep_bytes", "write 500B for bytes, or 500GB"),
        ("keep_bytes = \"0GB\"", "cameras.yard.keep_bytes", "would keep nothing"),
        ("schedule = [{ at = \"25:00\", get = \"http://c/day\" }]", "cameras.yard.schedule", ""),
        ("schedule = [{ at = \"06:00\", get = \"file:///etc/passwd\" }]", "cameras.yard.schedule", "http"),
        ("schedule = [{ at = \"06:00\", get = \"http://u:a#b@c/day\" }]", "cameras.yard.schedule", "%23"),
        ("on_segment = [1]", "cameras.yard.on_segment", ""),
        ("input_options = [\"-y\", 7]", "cameras.yard.input_options", ""),
    ] {
        let said_all = refusal(&format!("{yard}{line}\n"));
        assert!(said_all.contains("line 4") && said_all.contains(key) && said_all.contains(said), "{line}: {said_all}");
        assert!(said_all.contains("footage.toml"), "{said_all}");
    }
}

#[test]
fn configuration_errors_outside_of_a_camera() {
    for (text, line, said) in [
        ("listen = \"127.0.0.1:1\"\n", "footage.toml", "no camera"),
        ("[cameras]\n", "", "no camera"),
        ("[cameras.yard]\ndestination = \"dest\"\n", "line 1", "url"),
        ("[cameras.yard]\nurl = \"rtsp://c/1\"\n", "line 1", "destination"),
        ("[cameras.\"../up\"]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n", "line 1", "../up"),
        (
            "[defaults]\ncontainr = \"ts\"\n[cameras.yard]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n",
            "line 2",
            "container",
        ),
        ("min_free = 10\n[cameras.yard]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n", "line 1", "10GB"),
        ("[defaults]\nkeep = \"2m\"\n[cameras.yard]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n", "line 2", "60d"),
        ("[cameras.yard\n", "line 1", ""),
        ("[cameras.a]\nurl = \"rtsp://c/1\"\n[cameras.a]\nurl = \"rtsp://c/2\"\n", "line 3", ""),
    ] {
        let said_all = refusal(text);
        assert!(said_all.contains(line) && said_all.contains(said), "{text}: {said_all}");
    }
}

#[test]
fn a_duplicate_key_names_its_camera_and_both_lines() {
    for (text, line, key, first) in [
        (
            "[cameras.cam1]\nurl = \"rtsp://c/1\"\n[cameras.cam2]\nurl = \"rtsp://c/2\"\nurl = \"rtsp://u:hunter22@c/3\"\n",
            "line 5",
            "cameras.cam2.url",
            "line 4",
        ),
        (
            "[cameras.a]\nurl = \"rtsp://c/1\"\n[cameras.b]\nurl = \"rtsp://c/1\"\n  [cameras.a] # again\nurl = \"rtsp://c/2\"\n",
            "line 5",
            "cameras.a",
            "line 1",
        ),
        ("[cameras]\na = { url = \"rtsp://c/1\", url = \"rtsp://c/1\" }\n", "line 2", "cameras.a.url", ""),
        ("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n", "line 2", "listen", "line 1"),
        ("[cameras.a]\n\"url\" = \"rtsp://c/1\"\nurl = \"rtsp://c/1\"\n", "line 3", "cameras.a.url", "line 2"),
    ] {
        let said = refusal(text);
        assert!(said.contains(&format!("{line}: {key}: duplicate key")) && said.contains(first), "{text}: {said}");
        assert!(!said.contains("hunter22"), "{said}");
    }
}

#[test]
fn toml_syntax_errors_name_the_section() {
    let said = refusal("[cameras.a]\nurl = \"rtsp://c/1\"\n[cameras.yard]\nurl = \"rtsp://u:hunter22@c/1\n");
    assert!(said.contains("line 4: cameras.yard: ") && !said.contains("hunter22"), "{said}");
}

#[test]
fn a_url_whose_password_ends_the_host_is_refused_with_its_escapes() {
    for password in ["hunter22#x", "hunter22/x", "hunter22?x", "12#hunter22"] {
        let url = format!("rtsp://admin:{password}@127.0.0.1:1/live");
        let said = refusal(&format!("[cameras.yard]\nurl = \"{url}\"\ndestination = \"dest\"\n"));
        assert!(said.contains("line 2: cameras.yard.url: ") && said.contains("as %23 %2F %3F %40"), "{said}");
        assert!(!said.contains("hunter22"), "{said}");
    }
    let site = Site::new();
    let push = "http://u:hunter22#x@push:9091";
    let output = site.footage(&["dashcam", "127.0.0.1:1", "--metrics-pushgateway-url", push]).run().expect_code(2);
    assert!(output.stderr.contains("%23 %2F %3F %40") && !output.stderr.contains("hunter22"), "{output}");
    for address in ["u:hunter22/x@127.0.0.1:1", "http://u:12/hunter22@127.0.0.1:1"] {
        let output = site.footage(&["dashcam", address]).run().expect_code(2);
        assert!(output.stderr.contains("%23 %2F %3F %40") && !output.stderr.contains("hunter22"), "{output}");
    }
}

#[test]
fn all_configuration_errors_are_reported_at_once() {
    let said = refusal("[cameras.a]\nurl = \"rtsp://c/1\"\nfps = \"x\"\n[cameras.b]\nurl = 7\nkep = \"1d\"\n");
    for line in ["line 3", "line 5", "line 6"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains('\u{fffd}'), "{said}");
}

#[test]
fn a_missing_configuration_is_named() {
    let site = Site::new();
    let output = site.record(&[]).run().expect_code(2);
    assert!(output.stderr.contains("footage.toml"), "{output}");
    site.footage(&["record"]).run().expect_code(2);
    // One or the other.
    site.write("[cameras.yard]\nurl = \"rtsp://c/1\"\ndestination = \"dest\"\n");
    site.record(&["--url", "rtsp://c/1", "--name", "gate"]).run().expect_code(2);
    site.footage(&["record", "--url", "gopher://c/1", "--name", "gate", "--destination", "dest"]).run().expect_code(2);
    for options in [["--name", "gate"], ["--segment", "5m"]] {
        let output = site.record(&options).args(["--for", "1s"]).run().expect_code(2);
        assert!(output.stderr.contains(&format!("{} goes with --url", options[0])), "{output}");
    }
    site.record(&["--shard", "3/2"]).run().expect_code(2);
}

#[test]
fn a_wrong_option_value_names_the_option() {
    let site = Site::new();
    for (options, said) in [
        (&["--name", "a/b", "--destination", "dest"][..], "'a/b' for '--name"),
        (&["--name", "yard"], "--destination"),
        (&["--container", "avi", "--destination", "dest"], "--container: "),
        (&["footage.toml"], "'[CONFIG]'"),
    ] {
        let output = site.footage(&[&["record", "--url", "rtsp://c/1"], options].concat()).run().expect_code(2);
        assert!(output.stderr.contains(said) && !output.stderr.contains("[defaults]"), "{output}");
    }
}

#[test]
fn keep_and_keep_bytes_refuse_ambiguous_units() {
    let site = Site::new();
    let record = || site.footage(&["record", "--url", "rtsp://127.0.0.1:1/x", "-d", "dest", "--dry-run"]);
    for (option, variable, value, readings) in [
        ("--keep", "FOOTAGE_KEEP", "2m", ["2min", "60d"]),
        ("--keep-bytes", "FOOTAGE_KEEP_BYTES", "500", ["500B", "500GB"]),
        ("--min-free", "FOOTAGE_MIN_FREE", "10", ["10B", "10GB"]),
    ] {
        for output in [record().args([option, value]).run(), record().env(variable, value).run()] {
            let output = output.expect_code(2);
            assert!(readings.iter().all(|reading| output.stderr.contains(reading)), "{output}");
        }
    }
    let options = ["--keep", "2w", "--keep-bytes", "500GB", "--min-free", "10GB"];
    record().args(options).run().expect_code(0);
}
