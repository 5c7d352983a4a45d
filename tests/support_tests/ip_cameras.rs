//! The simulated IP cameras behave as documented: ffmpeg sees each fault.

use std::path::Path;
use std::time::Duration;

use super::SOON;
use crate::support::ip_camera::Fault;
use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{Film, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::{Program, Running, Scratch};

/// Records `url` as it comes.
fn record(url: &str, input: &[&str], output: &[&str], to: &Path) -> Program {
    let quiet = ["-nostdin", "-hide_banner", "-v", "warning", "-y"];
    Program::new("ffmpeg").args(quiet).args(input).args(["-i", url]).args(["-c", "copy"]).args(output).arg(to)
}

fn rtsp(camera: &RtspCamera, output: &[&str], to: &Path) -> Program {
    record(&camera.url(), &["-rtsp_transport", "tcp", "-timeout", "2000000"], output, to)
}

/// Starts a recorder and waits until the camera has sent it something.
fn under_way(camera: &RtspCamera, scratch: &Scratch) -> Running {
    let before = camera.frames();
    let running = rtsp(camera, &["-flush_packets", "1"], &scratch.join("a.mkv")).spawn();
    camera.wait_for_frames(before + 10);
    running
}

fn probe(file: &Path, entries: &str) -> String {
    let arguments = ["-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries", entries];
    Program::new("ffprobe").args(arguments).arg(file).run().expect_code(0).stdout
}

#[test]
fn rtsp_films_have_the_codec_of_their_name() {
    for (film, streams) in [
        (Film::Plain, "h264,640,360\n"),
        (Film::Aac, "h264,640,360\naac\n"),
        (Film::ALaw, "h264,640,360\npcm_alaw\n"),
        (Film::Large, "h264,960,540\n"),
    ] {
        let (camera, scratch) = (RtspCamera::start(film), Scratch::new());
        let file = scratch.join("a.mkv");
        rtsp(&camera, &["-map", "0", "-t", "1"], &file).run().expect_code(0);
        assert_eq!(probe(&file, "stream=codec_name,width,height"), streams, "{film:?}");
        assert!((10..60).contains(&camera.frames()), "{} frames", camera.frames());
    }
}

#[test]
fn mjpeg_camera_changes_the_frame_size() {
    let (camera, scratch) = (RtspCamera::start(Film::Growing), Scratch::new());
    let file = scratch.join("a.mkv");
    rtsp(&camera, &["-t", "8"], &file).run().expect_code(0);
    let sizes = probe(&file, "frame=width,height");
    let mut sizes: Vec<&str> = sizes.split_whitespace().map(|size| size.trim_end_matches(',')).collect();
    sizes.dedup();
    assert_eq!(sizes, ["640,360", "960,540"]);
}

#[test]
fn rtsp_camera_refuses_a_missing_password() {
    let (camera, scratch) = (RtspCamera::start_locked(Film::Plain), Scratch::new());
    let file = scratch.join("a.mkv");
    let output = rtsp(&camera, &["-t", "1"], &file).run();
    assert!(output.code != Some(0) && output.stderr.contains("401"), "{output}");
    let wrong = record(&camera.url_with(USER, "wrong"), &["-rtsp_transport", "tcp"], &["-t", "1"], &file).run();
    assert!(wrong.code != Some(0) && wrong.stderr.contains("401"), "{wrong}");
    let url = camera.url_with(USER, PASSWORD_IN_URL);
    record(&url, &["-rtsp_transport", "tcp"], &["-t", "1"], &file).run().expect_code(0);
}

#[test]
fn rtsp_camera_is_off_and_returns() {
    let (camera, scratch) = (RtspCamera::start(Film::Plain), Scratch::new());
    let running = under_way(&camera, &scratch);
    camera.set(Fault::Off);
    running.wait_timeout(SOON);
    let output = rtsp(&camera, &["-t", "1"], &scratch.join("a.mkv")).run();
    assert!(output.stderr.contains("Connection refused"), "{output}");
    camera.set(None);
    rtsp(&camera, &["-t", "1"], &scratch.join("a.mkv")).run().expect_code(0);
}

#[test]
fn rtsp_camera_stalls_and_continues() {
    let (camera, scratch) = (RtspCamera::start(Film::Plain), Scratch::new());
    // This one waits as long as it takes.
    let running = record(&camera.url(), &["-rtsp_transport", "tcp"], &[], &scratch.join("a.mkv")).spawn();
    camera.wait_for_frames(10);
    camera.set(Fault::Stalls);
    // A frame may be on its way.
    assert!(!running.ends_within(Duration::from_millis(300)));
    let frames = camera.frames();
    assert!(!running.ends_within(Duration::from_millis(700)));
    assert_eq!(camera.frames(), frames);
    camera.set(None);
    camera.wait_for_frames(frames + 10);
    assert_eq!(camera.connections(), 1);
}

#[test]
fn rtsp_camera_drops_each_connection() {
    let (camera, scratch) = (RtspCamera::start(Film::Plain), Scratch::new());
    camera.set(Fault::Drops(Duration::from_secs(1)));
    for _ in 0..2 {
        under_way(&camera, &scratch).wait_timeout(SOON);
        let packets: u32 = probe(&scratch.join("a.mkv"), "stream=nb_read_packets").trim().parse().unwrap();
        assert!((5..=45).contains(&packets), "{packets}");
    }
    assert_eq!(camera.connections(), 2);
}

#[test]
fn rtsp_garbage_is_no_video_and_noise_is_bad_video() {
    let (camera, scratch) = (RtspCamera::start(Film::Plain), Scratch::new());
    let file = scratch.join("a.mkv");
    camera.set(Fault::Noise(3));
    rtsp(&camera, &["-t", "2"], &file).run().expect_code(0);
    let decode = ["-nostdin", "-v", "error", "-i"];
    let decoded = Program::new("ffmpeg").args(decode).arg(&file).args(["-f", "null", "-"]).run();
    assert!(decoded.stderr.contains("error"), "{decoded}");

    camera.set(Fault::Garbage);
    let output = rtsp(&camera, &["-t", "1"], &file).run();
    assert_ne!(output.code, Some(0), "{output}");
}

#[test]
fn faketime_clock_jumps() {
    let (camera, scratch) = (RtspCamera::start(Film::Plain), Scratch::new());
    let running = rtsp(&camera, &["-flush_packets", "1", "-frames:v", "60"], &scratch.join("a.mkv")).spawn();
    camera.wait_for_frames(30);
    camera.jump(3600);
    running.wait_timeout(SOON).expect_code(0);
    let times = probe(&scratch.join("a.mkv"), "packet=pts_time");
    let times: Vec<f64> = times.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let jumps = times.windows(2).filter(|pair| (3500.0..3700.0).contains(&(pair[1] - pair[0]))).count();
    assert_eq!(jumps, 1, "{times:?}");
}

#[test]
fn mjpeg_camera_serves_frames() {
    let (camera, scratch) = (MjpegCamera::start(), Scratch::new());
    let file = scratch.join("a.mkv");
    let recorder = |seconds: &str| {
        let input = ["-rw_timeout", "1000000", "-use_wallclock_as_timestamps", "1", "-f", "mpjpeg"];
        record(&camera.url(), &input, &["-t", seconds], &file)
    };
    recorder("1.5").run().expect_code(0);
    assert_eq!(probe(&file, "stream=codec_name,width,height"), "mjpeg,320,240\n");
    camera.set(Fault::Garbage);
    assert_ne!(recorder("1").run().code, Some(0));
    camera.set(Fault::Drops(Duration::from_secs(1)));
    recorder("60").run();
    let packets: u32 = probe(&file, "stream=nb_read_packets").trim().parse().unwrap();
    assert!((5..=12).contains(&packets), "{packets}");
    camera.set(Fault::Stalls);
    recorder("1").run();
    camera.set(Fault::Off);
    let output = recorder("1").run();
    assert!(output.stderr.contains("Connection refused"), "{output}");
}

#[test]
fn mjpeg_camera_accepts_schedule_requests() {
    let camera = MjpegCamera::start();
    camera.fail_controls(1);
    let status = |name| {
        let curl = ["-s", "-o", "/dev/null", "-w", "%{http_code}"];
        Program::new("curl").args(curl).arg(camera.control_url(name)).run().expect_code(0).stdout
    };
    assert_eq!((status("day"), status("night"), status("noon")), ("500".into(), "200".into(), "404".into()));
    let seen: Vec<_> = camera.controls().into_iter().map(|control| (control.path, control.status)).collect();
    assert_eq!(seen, [("/day".into(), 500), ("/night".into(), 200)]);
}
