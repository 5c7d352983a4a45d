//! No password reaches a log, a metric, a state, a status or an error.

use std::path::Path;

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
fn nothing_that_is_told_has_a_password_in_it() {
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
