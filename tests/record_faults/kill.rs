//! `kill -9` of one ffmpeg, of all, of the recorder.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::ip_camera::Fault;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, RtspCamera};
use crate::support::site::{ENGINES, QUICK, Site, wait_for};

/// The most that may be lost: the frames between two key frames, and those in transit on a busy machine.
const LOST: u64 = KEY_INTERVAL as u64 + 10;

fn kill(id: u32) {
    let id = Pid::from_raw(id.try_into().unwrap()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
}

/// Waits until each camera has sent so many frames more.
fn wait_for_more(cameras: &[(&str, RtspCamera)], frames: u64) {
    let wanted: Vec<u64> = cameras.iter().map(|(_, camera)| camera.frames() + frames).collect();
    for ((_, camera), wanted) in cameras.iter().zip(wanted) {
        camera.wait_for_frames(wanted);
    }
}

/// A camera for each container, named like it, and a fourth.
fn one_of_each(engine: &str, fourth: &'static str) -> (Site, [(&'static str, RtspCamera); 4]) {
    let cameras = ["mkv", "ts", "mp4", fourth].map(|name| (name, RtspCamera::start(Film::Plain)));
    let table = |((name, camera), container): (&(&'static str, RtspCamera), &str)| {
        (*name, format!("{}\ncontainer = {container:?}", camera.table_for(engine)))
    };
    let tables: Vec<(&str, String)> = cameras.iter().zip(["mkv", "ts", "mp4", "mkv"]).map(table).collect();
    (Site::with(&QUICK.replace("2s\"\nt", "10s\"\nt"), &tables), cameras)
}

#[test]
fn a_killed_ffmpeg_costs_one_key_frame_interval_and_the_others_nothing() {
    let (site, cameras) = one_of_each("ffmpeg", "spared");
    let running = site.start(&[]);
    let killed = ["mkv", "ts", "mp4"];
    for (_, camera) in &cameras {
        camera.wait_for_frames(4 * u64::from(FRAMES_PER_SECOND));
    }
    let before: Vec<u32> = killed.iter().map(|name| site.segmenter(name)).collect();
    let spared = site.segmenter("spared");
    for id in &before {
        kill(*id);
    }
    let sent: Vec<u64> = cameras.iter().map(|(_, camera)| camera.frames()).collect();
    for (name, before) in killed.iter().zip(&before) {
        wait_for("another one", || (site.segmenter(name) != *before).then_some(()));
        let sent = sent[cameras.iter().position(|(camera, _)| camera == name).unwrap()];
        site.expect_frames(name, sent.saturating_sub(LOST));
    }
    for name in killed {
        // Frames that arrive while an ffmpeg probes the stream are lost when it is stopped then.
        wait_for("its next segment", || (!site.hidden(name).is_empty()).then_some(()));
    }
    wait_for_more(&cameras, 20);
    assert_eq!(site.segmenter("spared"), spared);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for ((name, camera), _) in cameras.iter().zip(&sent) {
        site.expect_frames(name, camera.frames().saturating_sub(LOST + 5));
        assert!(site.hidden(name).is_empty(), "{:?}", site.hidden(name));
    }
    site.expect_nothing_runs();
}

#[test]
fn after_sigkill_nothing_runs_and_the_next_recorder_continues() {
    ENGINES.into_iter().for_each(after_sigkill_the_next_recorder_continues);
}

fn after_sigkill_the_next_recorder_continues(engine: &str) {
    let (site, cameras) = one_of_each(engine, "stalls");
    let mut running = site.start(&[]);
    for round in 1..=2 {
        wait_for_more(&cameras, 4 * u64::from(FRAMES_PER_SECOND));
        cameras[3].1.set(Fault::Stalls);
        // In the middle of waiting for a packet that does not come.
        std::thread::sleep(Duration::from_millis(500));
        running.kill();
        running.wait();
        site.expect_nothing_runs();
        cameras[3].1.set(None);
        let sent: Vec<u64> = cameras.iter().map(|(_, camera)| camera.frames()).collect();

        running = site.start(&[]);
        for ((name, _), sent) in cameras.iter().zip(sent) {
            site.expect_frames(name, sent.saturating_sub(round * LOST));
        }
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for (name, _) in &cameras {
        assert!(site.hidden(name).is_empty(), "{:?}", site.hidden(name));
    }
    site.expect_nothing_runs();
}

/// What is in a whole segment of the camera `yard`.
fn a_segment(site: &Site) -> Vec<u8> {
    site.record(&["--for", "5s"]).run().expect_code(0);
    std::fs::read(&site.closed("yard")[0].path).unwrap()
}

/// A crash, and a camera that is called otherwise before the next start.
#[test]
fn an_incomplete_segment_of_a_removed_camera_is_closed() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let whole = a_segment(&site);
    let incomplete = site.scratch.write("dest/gone/.1600000000-0123abcd.mkv", &whole[..whole.len() / 2]);
    let fresh = site.scratch.write("dest/gone/.1600000010-0123abcd.mkv", &whole);
    let not_ours = site.scratch.write("dest/.hidden/.1600000000-0123abcd.mkv", &whole);
    let old = std::time::SystemTime::now() - Duration::from_mins(5);
    for path in [&incomplete, &not_ours] {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let running = site.start(&[]);
    let closed = site.wait_for_closed("gone", 1);
    assert_eq!(closed[0].name, "2020-09-13_12-26-40+0000.mkv");
    running.term();
    let output = running.wait().expect_code(143);
    assert!(output.stderr.contains("gone/2020-09-13/2020-09-13_12-26-40+0000.mkv: "), "it is logged: {output}");
    // Another process may be writing the one, and the other is in no camera's folder.
    assert!(fresh.exists() && not_ours.exists());
}

#[test]
fn an_incomplete_segment_that_plays_is_kept_and_logged() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let whole = a_segment(&site);
    let kept = site.closed("yard").len();
    // As after a crash: half of a segment, an empty one, and a file that is no video.
    site.scratch.write("dest/yard/.1600000000-0123abcd.mkv", &whole[..whole.len() / 2]);
    site.scratch.write("dest/yard/.1600000010-0123abcd.mkv", "");
    site.scratch.write("dest/yard/.1600000020-0123abcd.mkv", vec![0; 100_000]);
    site.scratch.write("dest/yard/.1600000030-0123abcd.txt", "foreign");
    let running = site.start(&[]);
    let incomplete = wait_for("the incomplete one", || {
        site.closed("yard").into_iter().find(|segment| segment.start() == 1_600_000_000)
    });
    assert_eq!(incomplete.name, "2020-09-13_12-26-40+0000.mkv");
    assert!(incomplete.frames() > 0);
    site.wait_for_closed("yard", kept + 2);
    running.term();
    let output = running.wait().expect_code(143);
    assert!(output.stderr.contains("2020-09-13_12-26-40+0000.mkv"), "it is logged: {output}");
    assert!(output.stderr.contains(".1600000020-0123abcd.mkv"), "it is logged: {output}");
    let hidden: Vec<String> =
        site.hidden("yard").iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    // The unplayable one is kept as damaged, the empty one removed, and the file that is not ours not touched.
    assert!(hidden.contains(&".1600000030-0123abcd.txt".to_owned()), "{hidden:?}");
    assert!(hidden.iter().any(|name| name.starts_with(".1600000020")), "{hidden:?}");
    assert!(!hidden.iter().any(|name| name.starts_with(".1600000000")), "{hidden:?}");
}
