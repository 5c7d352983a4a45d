//! `--check` asks every camera once and changes nothing.

use crate::support::ip_camera::Fault;
use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{Film, PASSWORD, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::site::{QUICK, Site};

#[test]
fn check_names_the_cause_of_an_unknown_host() {
    let table = |url: &str| format!("url = {url:?}");
    let cameras =
        [("gone", table("rtsp://nowhere.invalid/live")), ("cut", table("rtsp://nowhere.invalid:12/34@127.0.0.1:1/x"))];
    let output = Site::with(QUICK, &cameras).record(&["--check"]).run().expect_code(3);
    let row = |name: &str| output.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("gone").contains("resolve hostname nowhere.invalid"), "{output}");
    assert!(!row("gone").contains("%23") && row("cut").contains("%23 %2F %3F %40"), "{output}");
}

#[test]
fn check_has_one_line_for_cameras_with_the_same_401() {
    let locked = RtspCamera::start_locked(Film::Plain);
    let names: Vec<String> = (1..=12).map(|n| format!("cam{n}")).collect();
    let cameras: Vec<_> = names.iter().map(|name| (name.as_str(), locked.table())).collect();
    let site = Site::with(QUICK, &cameras);
    let output = site.record(&["--check"]).run().expect_code(3);
    assert!(output.stdout.starts_with("12 of 12 cameras: ") && output.stdout.contains("401"), "{output}");
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    let output = site.record(&["--check", "--json"]).run().expect_code(3);
    let checked: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let told: Vec<_> = checked["cameras"].as_array().expect("rows").iter().map(|row| row["camera"].as_str()).collect();
    assert_eq!(told, names.iter().map(|name| Some(name.as_str())).collect::<Vec<_>>(), "in natural order");
}

#[test]
fn check_prints_a_table_of_cameras() {
    let (plain, audio) = (RtspCamera::start(Film::Large), RtspCamera::start(Film::ALaw));
    let (locked, off, pictures) =
        (RtspCamera::start_locked(Film::Plain), RtspCamera::start(Film::Plain), MjpegCamera::start());
    off.set(Fault::Off);
    let table = |url: String| format!("url = {url:?}");
    let good = [
        ("yard", plain.table()),
        ("gate", audio.table()),
        ("door", table(locked.url_with(USER, PASSWORD_IN_URL))),
        ("esp", table(pictures.url())),
    ];
    let site = Site::with(QUICK, &good);
    let output = site.record(&["--check"]).run().expect_code(0);
    let row = |name: &str| output.stdout.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    for (name, said) in [("yard", "960x540"), ("gate", "pcm_alaw"), ("door", "640x360"), ("esp", "320x240")] {
        assert!(row(name).contains(said), "{name}: {said}: {output}");
    }
    let output = site.record(&["--check", "--json"]).run().expect_code(0);
    let checked: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let rows = checked["cameras"].as_array().expect("rows");
    let told: Vec<_> = rows.iter().map(|row| (row["camera"].as_str().unwrap(), row["ok"].as_bool().unwrap())).collect();
    assert_eq!(told, [("door", true), ("esp", true), ("gate", true), ("yard", true)]);
    assert!(!site.dest().exists(), "nothing is made");

    let bad = [
        ("yard", plain.table()),
        ("away", off.table()),
        ("wrong", table(locked.url_with(USER, "hunter22"))),
        ("none", locked.table()),
    ];
    site.configure(QUICK, &bad);
    let output = site.record(&["--check"]).run();
    assert!(output.code.is_some_and(|code| code != 0), "{output}");
    let row = |name: &str| output.stdout.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(row("yard").contains("960x540"), "{output}");
    assert!(row("away").contains("refused"), "{output}");
    assert!(row("wrong").contains("401") && row("none").contains("401"), "{output}");
    for secret in [PASSWORD, PASSWORD_IN_URL, "hunter22"] {
        assert!(!format!("{output}").contains(secret), "{output}");
    }
    site.expect_nothing_runs();
}
