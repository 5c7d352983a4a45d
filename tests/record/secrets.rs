//! No password reaches a log, a metric, a state, a status or an error.

use std::path::Path;

use crate::support::modes::{UMASKS, assert_modes};
use crate::support::rtsp::{Film, PASSWORD, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::site::{QUICK, Site, free_port, get, wait_for};

const WRONG: &str = "hunter22";

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in [PASSWORD, PASSWORD_IN_URL, WRONG] {
        assert!(!text.contains(secret), "{secret} in {what}:\n{text}");
    }
}

fn read_all(dir: &Path) -> String {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let texts = files.map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap_or_default()).into_owned());
    texts.collect()
}

#[test]
fn no_output_of_record_holds_a_password() {
    let camera = RtspCamera::start_locked(Film::Plain);
    let table = |url: String| format!("url = {url:?}");
    let cameras = [
        ("right", table(camera.url_with(USER, PASSWORD_IN_URL))),
        ("wrong", table(camera.url_with(USER, WRONG))),
        (
            "told",
            format!(
                "{}\nschedule = [{{ at = \"06:00\", get = \"http://u:{WRONG}@127.0.0.1:1/day?key={WRONG}\" }}]",
                camera.table()
            ),
        ),
    ];
    let site = Site::with(QUICK, &cameras);
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&["-vv"]);
    site.wait_for_closed("right", 2);
    wait_for("the refusal", || (!site.live("wrong")["last_error"].is_null()).then_some(()));
    for path in ["/metrics", "/healthz", "/cameras.json"] {
        let answer = wait_for("an answer", || get(port, path));
        assert_clean(path, &format!("{answer:?}"));
    }
    assert!(get(port, "/metrics").unwrap().body.contains("right"));
    let status = site.footage(&["status", "footage.toml"]).run();
    assert_clean("status", &format!("{status}"));
    assert!(status.stdout.contains("right") && status.stdout.contains("wrong"), "{status}");
    assert_clean("status --json", &format!("{}", site.footage(&["status", "footage.toml", "--json"]).run()));
    assert_clean("the state", &read_all(&site.dest().join(".footage")));
    running.term();
    let output = running.wait().expect_code(143);
    assert!(output.stderr.contains("401"), "{output}");
    assert_clean("the log", &format!("{output}"));

    let json = site.record(&["--for", "2s", "--json", "--log-format", "json", "-vv"]).run();
    assert_clean("the report", &format!("{json}"));
    // A password in a line that cannot be read.
    let broken = [
        format!("url = \"rtsp://{USER}:{WRONG}@c/1\"\nurl = \"rtsp://{USER}:{WRONG}@c/1\""),
        format!("url = \"rtsp://{USER}:{WRONG}@c/1\ndestination = \"x\""),
        format!("url = \"gopher://{USER}:{WRONG}@c/1\""),
        format!("url = [\"rtsp://{USER}:{WRONG}@c/1\"]"),
        format!("url = \"rtsp://{USER}:{WRONG}@c/1 2\""),
        format!("url = \"rtsp://c/1\"\nschedule = [{{ at = \"x\", get = \"http://{USER}:{WRONG}@c/1\" }}]"),
        format!("url = \"rtsp://c/1\"\nschedule = [{{ at = \"06:00\", get = \"ftp://{USER}:{WRONG}@c/1\" }}]"),
        format!("url = \"rtsp://c/1\"\nuser = \"{USER}\"\npasword = \"{WRONG}\""),
    ];
    for table in broken {
        site.configure(QUICK, &[("yard", &table)]);
        for option in [&["--for", "1s"][..], &["--check"]] {
            let output = site.record(option).run().expect_code(2);
            assert_clean(&table, &format!("{output}"));
        }
    }
    let options = ["record", "--url", "rtsp://u:hunter22@127.0.0.1:1/", "--name", "a", "--destination", "dest"];
    assert_clean("options", &format!("{}", site.footage(&options).args(["--for", "3s", "-vv"]).run()));
}

/// A program for each segment, and ffmpeg, get what concerns them. No core file is left of any of them, if one of them
/// falls over: the password would be in it.
#[test]
fn children_inherit_no_secret_and_leave_no_core_file() {
    let camera = RtspCamera::start_locked(Film::Plain);
    let site = Site::new();
    let hook = site.script("hook", "env >>environment; cat /proc/self/limits >>limits");
    let ffmpeg = site.script("ffmpeg", "env >>environment; cat /proc/self/limits >>limits; exec ffmpeg \"$@\"");
    let program = ["record", "--name", "yard", "-d", "dest", "--engine", "ffmpeg", "--segment", "2s", "--for", "6s"];
    let pushgateway = format!("http://u:{WRONG}@127.0.0.1:1");
    let running = site
        .footage(&program)
        .args(["--ffmpeg", &ffmpeg, "--on-segment", &hook])
        .env("FOOTAGE_URL", camera.url_with(USER, PASSWORD_IN_URL))
        .env("FOOTAGE_METRICS_PUSHGATEWAY_URL", &pushgateway)
        .under_shell("ulimit -S -c unlimited")
        .spawn();
    site.wait_for_closed("yard", 1);
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", running.id())).unwrap();
    assert_clean("the arguments", &read("cmdline"));
    let limits = read("limits");
    running.wait().expect_code(0);
    let environment = std::fs::read_to_string(site.scratch.join("environment")).unwrap();
    assert!(environment.contains("FOOTAGE_SEGMENT_PATH="), "{environment}");
    let secret = environment.lines().find(|line| [PASSWORD, PASSWORD_IN_URL, WRONG].iter().any(|it| line.contains(it)));
    assert_eq!(secret, None);
    let limits = limits + &std::fs::read_to_string(site.scratch.join("limits")).unwrap();
    let core: Vec<&str> = limits.lines().filter_map(|line| line.strip_prefix("Max core file size")).collect();
    assert!(core.len() >= 3, "{limits}");
    for line in core {
        let soft: u64 = line.split_whitespace().next().unwrap().parse().unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(soft <= 1, "{line}");
    }
}

#[test]
fn dry_run_redacts_secret_options() {
    let table = |options: &str| format!("url = \"http://127.0.0.1:1/x\"\ninput_options = {options}");
    let cameras = [
        ("a", table(&format!("[\"-headers\", \"Authorization: Bearer {WRONG}\"]"))),
        ("b", table(&format!("\"-cookies {WRONG} -user_agent mine -http_proxy http://u:{WRONG}@proxy/\""))),
        ("c", table(&format!("\"-passphrase {WRONG} -decryption_key {WRONG} -cenc_decryption_key {WRONG}\""))),
    ];
    let site = Site::with(QUICK, &cameras);
    for options in [&["--dry-run"][..], &["--dry-run", "--json"], &["--check", "-vv"]] {
        let output = site.record(options).run();
        assert_clean("a dry run", &format!("{output}"));
        assert!(options[0] == "--check" || output.stdout.contains("-user_agent mine"), "{output}");
    }
}

#[test]
fn file_modes_follow_the_umask() {
    let camera = RtspCamera::start(Film::Plain);
    for umask in UMASKS {
        let site = Site::with(QUICK, &[("yard", camera.table())]);
        let program = site.record(&["--for", "4s", "--metrics-file", "dest/metrics"]);
        program.under_umask(umask).run().expect_code(0);
        assert_modes(&site.dest(), 7, umask);
    }
}
