//! `engine`: what reads a camera, and what a machine without ffmpeg records.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{Film, PASSWORD, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::site::{ENGINES, QUICK, Site, expect_sound, wait_for};

#[test]
fn engine_native_refuses_keys_of_ffmpeg_and_names_them() {
    for (lines, key) in [
        ("input_options = \"-y\"", "input_options"),
        ("output_options = [\"-t\", \"5\"]", "output_options"),
        ("format = \"rtsp\"", "format"),
        ("video = \"h264\"", "video"),
        ("transport = \"multicast\"", "transport"),
        ("transport = \"http\"", "transport"),
    ] {
        let native = format!("url = \"rtsp://127.0.0.1:1/x\"\nengine = \"native\"\n{lines}");
        let site = Site::with(QUICK, &[("yard", &native)]);
        for option in ["--for=1s", "--check", "--dry-run"] {
            let output = site.record(&[option]).run().expect_code(2);
            let told = format!("cameras.yard.{key}: does not go with engine = \"native\": ");
            assert!(output.stderr.contains(&told) && output.stderr.lines().count() == 1, "{lines}: {output}");
        }
        assert!(!site.dest().exists(), "nothing was begun");
        site.configure(QUICK, &[("yard", native.replace("native", "auto"))]);
        site.record(&["--dry-run"]).run().expect_code(0);
    }
    let site = Site::new();
    let options = ["record", "--url=rtsps://127.0.0.1:1/x", "--engine=native", "-d", "dest", "--for=1s"];
    let output = site.footage(&options).run().expect_code(2);
    assert!(output.stderr.contains("rtsps is read by ffmpeg only"), "{output}");
}

#[test]
fn engine_auto_reads_rtsp_that_is_copied_and_logs_what_reads_each_camera() {
    let (rtsp, pictures) = (RtspCamera::start(Film::Plain), MjpegCamera::start());
    let http = format!("url = {:?}", pictures.url());
    let cameras = [
        ("copied", rtsp.table(), rtsp.url(), false),
        ("forced", rtsp.table_for("ffmpeg"), rtsp.url(), true),
        ("encoded", format!("{}\nvideo = \"h264\"", rtsp.table()), rtsp.url(), true),
        ("options", format!("{}\ninput_options = \"-rtsp_flags prefer_tcp\"", rtsp.table()), rtsp.url(), true),
        ("jpeg", format!("{http}\nvideo = \"copy\""), pictures.url(), false),
        ("recoded", http, pictures.url(), true),
    ];
    let site = Site::with(QUICK, &cameras.each_ref().map(|(name, table, ..)| (*name, table)));
    let running = site.start(&["-v"]);
    for (name, _, url, takes_ffmpeg) in &cameras {
        site.wait_for_recording(name);
        let live = site.live(name);
        let (engine, said) = if *takes_ffmpeg {
            ("ffmpeg", format!("{name}: ffmpeg {} records {url}\n", site.segmenter(name)))
        } else {
            ("native", format!("{name}: native records {url}\n"))
        };
        assert_eq!((&live["engine"], live["ffmpeg_pid"].is_u64()), (&engine.into(), *takes_ffmpeg), "{live}");
        assert!(running.stderr().contains(&said), "{said}{}", running.stderr());
    }
    assert_eq!(site.segmenters().into_keys().collect::<Vec<_>>(), ["encoded", "forced", "options", "recoded"]);
    running.term();
    running.wait_timeout(Duration::from_secs(10)).expect_code(143);
}

#[test]
fn native_cameras_record_on_a_machine_without_ffmpeg() {
    let (rtsp, pictures) = (RtspCamera::start(Film::Aac), MjpegCamera::start());
    let native = [("jpeg", format!("url = {:?}\nvideo = \"copy\"", pictures.url())), ("yard", rtsp.table())];
    let site = Site::with(QUICK, &native);
    let without = |site: &Site| site.record(&["--for", "5s"]).env("PATH", "/nowhere").run();
    let output = without(&site).expect_code(0);
    assert_eq!(output.stderr, "", "nothing was wrong");
    for (name, _) in &native {
        assert!(!site.closed(name).is_empty() && site.hidden(name).is_empty(), "{name}");
        expect_sound(&site.closed(name));
    }

    // One that takes an ffmpeg fails alone.
    let [jpeg, yard] = native;
    site.configure(QUICK, &[jpeg, yard, ("forced", rtsp.table_for("ffmpeg"))]);
    let before = ["jpeg", "yard"].map(|name| site.closed(name).len());
    let output = without(&site).expect_code(3);
    let told: Vec<&str> = output.stderr.lines().filter(|line| line.contains("ffmpeg")).collect();
    assert!(told.iter().any(|line| line.contains("forced: ")), "{output}");
    assert!(!output.stderr.contains("yard: ") && !output.stderr.contains("jpeg: "), "{output}");
    assert!(site.closed("forced").is_empty());
    assert!(["jpeg", "yard"].map(|name| site.closed(name).len()).iter().zip(before).all(|(now, then)| *now > then));
    let status = site.footage(&["status", "dest"]).run().expect_code(3);
    assert!(status.stdout.lines().any(|line| line.contains("forced")), "{status}");

    // Without any other there is nothing to record.
    site.configure(QUICK, &[("forced", rtsp.table_for("ffmpeg"))]);
    assert!(without(&site).expect_code(2).stderr.contains("ffmpeg is needed"));
}

#[test]
fn passwords_of_native_cameras_stand_on_no_command_line() {
    let (rtsp, pictures) = (RtspCamera::start_locked(Film::Plain), MjpegCamera::start());
    let http = pictures.url().replace("http://", &format!("http://{USER}:{PASSWORD_IN_URL}@"));
    let cameras = [
        ("yard", format!("url = {:?}", rtsp.url_with(USER, PASSWORD_IN_URL))),
        ("jpeg", format!("url = {http:?}\nvideo = \"copy\"")),
        ("encoded", format!("url = {http:?}")),
    ];
    let site = Site::with(QUICK, &cameras);
    let hook = site.script("hook", "sleep 0.5");
    site.configure(&format!("{QUICK}\non_segment = [{hook:?}]"), &cameras);
    let running = site.start(&["-v"]);
    let mut looks = 0;
    let is_done = || cameras.iter().all(|(name, _)| site.closed(name).len() >= 2);
    while !is_done() || looks < 20 {
        for process in site.processes() {
            let words = process.words.join(" ");
            assert!(![PASSWORD, PASSWORD_IN_URL].iter().any(|secret| words.contains(secret)), "{words}");
        }
        looks += 1;
        assert!(looks < 3000, "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    running.term();
    running.wait_timeout(Duration::from_secs(10)).expect_code(143);
}

/// It accepts connections, and no answer ever comes.
#[test]
fn for_ends_with_3_for_a_camera_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let well = RtspCamera::start(Film::Plain);
    let mut cameras = vec![("well", well.table()), ("jpeg", format!("url = \"http://{address}/x\"\nvideo = \"copy\""))];
    cameras.extend(ENGINES.map(|engine| (engine, format!("url = \"rtsp://{address}/x\"\nengine = {engine:?}"))));
    let site = Site::with(QUICK, &cameras);
    let output = site.record(&["--for", "8s"]).run().expect_code(3);
    for name in ["jpeg", "native", "ffmpeg"] {
        assert!(output.stderr.lines().any(|line| line.contains(&format!("{name}: "))), "{name}: {output}");
        assert_eq!((site.closed(name).len(), site.hidden(name).len()), (0, 0), "{name}");
    }
    assert!(!output.stderr.contains("well: ") && !site.closed("well").is_empty(), "{output}");
    // Also where the time is up before anything is known to be wrong.
    site.configure(QUICK, &cameras[2..3]);
    let output = site.record(&["--for", "1s"]).run().expect_code(3);
    assert!(output.stderr.contains("native: "), "{output}");
    site.expect_nothing_runs();
    wait_for("its state", || (site.live("native")["frames"] == 0).then_some(()));
}
