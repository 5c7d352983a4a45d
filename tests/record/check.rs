//! `--check` asks every camera once and changes nothing.

use std::time::Duration;

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

#[test]
fn check_tries_native_cameras_without_ffmpeg() {
    let (plain, audio) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::ALaw));
    let pictures = MjpegCamera::start();
    let pictures = format!("url = {:?}", pictures.url());
    let cameras = [
        ("yard", plain.table()),
        ("gate", audio.table()),
        ("copied", format!("{pictures}\nvideo = \"copy\"")),
        ("encoded", pictures),
        ("mp4", format!("{}\ncontainer = \"mp4\"\naudio = \"copy\"", audio.table())),
    ];
    let site = Site::with(QUICK, &cameras);
    let output = site.record(&["--check", "--ffmpeg", "/nowhere/ffmpeg"]).run().expect_code(3);
    let row = |name: &str| output.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("yard").ends_with("ok     h264 640x360 15 fps"), "{output}");
    assert!(row("gate").ends_with("ok     h264 640x360 15 fps, pcm_alaw 8000 Hz"), "{output}");
    assert!(row("copied").contains("ok     mjpeg 320x240"), "{output}");
    assert!(row("encoded").contains("FAILS") && row("encoded").contains("install one"), "{output}");
    assert!(row("mp4").ends_with("pcm_alaw 8000 Hz; audio PCMA: mp4 cannot hold it, left out"), "{output}");
}

#[test]
fn check_names_what_mp4_cannot_hold_with_engine_ffmpeg() {
    let audio = RtspCamera::start(Film::ALaw);
    let table = |more: &str| format!("{}\ncontainer = \"mp4\"\n{more}", audio.table());
    let cameras = [("copied", table("audio = \"copy\"\nengine = \"ffmpeg\"")), ("encoded", table("audio = \"aac\""))];
    let output = Site::with(QUICK, &cameras).record(&["--check"]).run().expect_code(0);
    let row = |name: &str| output.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("copied").ends_with("; audio PCMA: mp4 cannot hold it, left out"), "{output}");
    assert!(row("encoded").contains("pcm_alaw 8000 Hz; read by ffmpeg: its audio (PCMA)"), "{output}");
}

#[test]
fn check_frees_a_camera_for_one_client() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let began = std::time::Instant::now();
    site.record(&["--check"]).run().expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    site.expect_nothing_runs();
}

#[test]
fn dry_run_says_which_cameras_are_native() {
    let cameras = [
        ("gate", "url = \"rtsp://viewer:hunter22@127.0.0.1:1/1?token=hunter22\"\nengine = \"ffmpeg\""),
        ("yard", "url = \"rtsp://viewer:hunter22@127.0.0.1:1/1?token=hunter22\""),
    ];
    let site = Site::with(QUICK, &cameras);
    let output = site.record(&["--dry-run"]).run().expect_code(0);
    let row = |name: &str| output.stdout.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    let yard = site.dest().join("yard").display().to_string();
    assert_eq!(row("yard"), format!("record  yard: native rtsp://***@127.0.0.1:1/1?*** → {yard} (mkv)"));
    assert!(row("gate").contains("ffmpeg -") && row("gate").contains(" -i rtsp://***@127.0.0.1:1/1"), "{output}");
    let json = site.record(&["--dry-run", "--json"]).run().expect_code(0).stdout;
    let steps: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let engines: Vec<_> = steps["steps"].as_array().unwrap().iter().map(|step| step["engine"].as_str()).collect();
    assert_eq!(engines, [Some("ffmpeg"), Some("native")]);
    assert_eq!(steps["steps"][1]["directory"].as_str(), Some(yard.as_str()));
    assert!(!json.contains("hunter22") && !format!("{output}").contains("hunter22"), "{json} {output}");

    // Without ffmpeg: what needs it says so.
    let output = site.record(&["--dry-run", "--ffmpeg", "/nowhere/ffmpeg"]).run().expect_code(0);
    assert!(output.stdout.contains("yard: native") && output.stdout.contains("install one"), "{output}");
}
