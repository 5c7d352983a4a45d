//! Cameras that are off, stall, drop, send garbage, jump: each is recorded again as soon as it can be, and the others never
//! notice.

use std::time::{Duration, Instant};

use crate::support::ip_camera::Fault;
use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::site::{ENGINES, QUICK, Site, expect_sound, follow_each_other, frames, probe, wait_for};

/// A segment that began now or later, within a minute.
#[track_caller]
fn wait_for_new_segment(site: &Site, camera: &str) {
    let now = chrono::Utc::now().timestamp();
    wait_for(&format!("new segment of {camera}"), || {
        site.closed(camera).last().filter(|segment| segment.start() > now).map(|segment| segment.expect_sound())
    });
}

#[test]
fn failing_native_cameras_recover_without_affecting_others() {
    failing_cameras_recover_without_affecting_others("native");
}

#[test]
fn failing_cameras_recover_without_affecting_others_with_ffmpeg() {
    failing_cameras_recover_without_affecting_others("ffmpeg");
}

fn failing_cameras_recover_without_affecting_others(engine: &str) {
    let camera = || RtspCamera::start(Film::Plain);
    let (well, dead, dies, stalls, drops, garbage) = (camera(), camera(), camera(), camera(), camera(), camera());
    let pictures = MjpegCamera::start();
    dead.set(Fault::Off);
    garbage.set(Fault::Garbage);
    drops.set(Fault::Drops(Duration::from_secs(3)));
    let cameras = [
        ("well", well.table_for(engine)),
        ("dead", dead.table_for(engine)),
        ("dies", dies.table_for(engine)),
        ("stalls", stalls.table_for(engine)),
        ("drops", drops.table_for(engine)),
        ("garbage", garbage.table_for(engine)),
        ("pictures", format!("url = {:?}", pictures.url())),
    ];
    let site = Site::with(QUICK, &cameras);
    let running = site.start(&[]);
    for name in ["dies", "stalls", "pictures", "drops"] {
        site.wait_for_closed(name, 1);
    }
    for camera in [&dead, &garbage, &drops] {
        camera.set(None);
    }

    // Whatever was recorded before it happened is kept.
    dies.set(Fault::Off);
    stalls.set(Fault::Stalls);
    pictures.set(Fault::Stalls);
    let sent = [dies.frames(), stalls.frames()];
    let began = Instant::now();
    running.wait_for_stderr("dies: ", Duration::from_secs(20));
    running.wait_for_stderr("stalls: ", Duration::from_secs(20));
    running.wait_for_stderr("pictures: ", Duration::from_secs(20));
    assert!(began.elapsed() < Duration::from_secs(12), "noticed after {:?}", began.elapsed());
    for (name, sent) in [("dies", sent[0]), ("stalls", sent[1])] {
        site.expect_frames(name, sent.saturating_sub(u64::from(KEY_INTERVAL) + 10));
    }

    dies.set(None);
    stalls.set(None);
    pictures.set(None);
    for name in ["dead", "dies", "stalls", "drops", "garbage", "pictures"] {
        wait_for_new_segment(&site, name);
        site.wait_for_recording(name);
    }
    for name in ["dies", "stalls", "drops", "pictures"] {
        expect_sound(&site.closed(name));
    }

    // The one that was well all the time was never touched.
    assert_eq!(well.connections(), 1);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    site.expect_nothing_runs();
    assert!(!output.stderr.contains("well"), "{output}");
    let closed = site.closed("well");
    assert!(follow_each_other(&closed), "{closed:?}");
    let kept = frames(&closed);
    assert!(well.frames().saturating_sub(kept) <= 5, "{kept} of {} frames", well.frames());
    // Whether it counts as a stall depends on who gives up first, ffmpeg or we.
    assert!(site.live("stalls")["restarts"].as_u64().is_some_and(|restarts| restarts >= 1), "{}", site.live("stalls"));
    assert_eq!(site.live("well")["restarts"], 0);
}

#[test]
fn damaged_packets_clock_jumps_and_a_new_resolution_end_no_recording() {
    ENGINES.into_iter().for_each(damaged_packets_clock_jumps_and_a_new_resolution_end_no_recording_of);
}

fn damaged_packets_clock_jumps_and_a_new_resolution_end_no_recording_of(engine: &str) {
    let [noise, jumps, jumps_back, raw] = [(); 4].map(|()| RtspCamera::start(Film::Plain));
    let growing = RtspCamera::start(Film::Growing);
    let cameras = [
        ("noise", noise.table_for(engine)),
        ("jumps", jumps.table_for(engine)),
        ("back", jumps_back.table_for(engine)),
        ("raw", format!("{}\nwallclock = false", raw.table_for(engine))),
        ("growing", growing.table_for(engine)),
        ("growing-ts", format!("{}\ncontainer = \"ts\"", growing.table_for(engine))),
        ("growing-mp4", format!("{}\ncontainer = \"mp4\"", growing.table_for(engine))),
    ];
    let site = Site::with(QUICK, &cameras);
    noise.set(Fault::Noise(20));
    let running = site.start(&[]);
    for name in ["noise", "jumps", "back", "raw"] {
        site.wait_for_closed(name, 1);
    }
    jumps.jump(3600);
    jumps_back.jump(-3600);
    raw.jump(3600);
    for name in ["noise", "jumps", "back", "growing", "growing-ts", "growing-mp4"] {
        site.wait_for_closed(name, 4);
    }
    // This stream has the camera's own timestamps: it may break off, and continues.
    wait_for_new_segment(&site, "raw");
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);

    for name in ["jumps", "back"] {
        let closed = site.closed(name);
        for segment in &closed {
            segment.expect_sound();
            assert!(segment.seconds() < 4.0, "{}: {} s", segment.name, segment.seconds());
        }
        assert!(follow_each_other(&closed), "{closed:?}");
    }
    for name in ["growing", "growing-ts", "growing-mp4"] {
        let closed = site.closed(name);
        expect_sound(&closed);
        let width = |segment: usize| {
            let widths = crate::support::site::probe(&closed[segment].path, &["-select_streams", "v"], "frame=width");
            widths.split_whitespace().last().unwrap().replace(',', "")
        };
        assert_eq!((width(0).as_str(), width(closed.len() - 1).as_str()), ("640", "960"), "{engine}: {name}");
    }
    assert!(site.closed("noise").iter().all(|segment| segment.frames() > 0));
}

#[test]
fn a_camera_with_a_wrong_password_is_logged_and_retried_seldom() {
    let camera = RtspCamera::start_locked(Film::Plain);
    let wrong = format!("url = {:?}", camera.url_with(USER, "hunter22"));
    let right = format!("url = {:?}", camera.url_with(USER, PASSWORD_IN_URL));
    let site = Site::with(QUICK, &[("wrong", wrong), ("right", right)]);
    let running = site.start(&[]);
    running.wait_for_stderr("401", Duration::from_secs(20));
    site.wait_for_closed("right", 3);
    let log = running.stderr();
    let told = log.lines().filter(|line| line.contains("wrong") && line.contains("401")).count();
    assert_eq!(told, 1, "a lasting failure is logged the first time only:\n{log}");
    // 1 + 2 + 4 seconds apart, and one of the connections is the other camera's.
    assert!((2..=6).contains(&camera.connections()), "{} connections", camera.connections());
    assert_eq!(site.live("wrong")["segments"], 0);
    drop(running);
    assert!(site.closed("wrong").is_empty() && site.hidden("wrong").is_empty());
}

/// What was held up on its way comes all at once.
#[test]
fn no_two_frames_have_the_same_pts() {
    ENGINES.into_iter().for_each(no_two_frames_have_the_same_pts_of);
}

fn no_two_frames_have_the_same_pts_of(engine: &str) {
    let containers = ["mkv", "ts", "mp4"];
    let cameras = containers.map(|name| (name, RtspCamera::start(Film::Plain)));
    let table = |(name, camera): &(&'static str, RtspCamera)| {
        (*name, format!("{}\ncontainer = {name:?}", camera.table_for(engine)))
    };
    let site = Site::with(QUICK, &cameras.each_ref().map(table));
    let running = site.start(&[]);
    for name in containers {
        site.wait_for_closed(name, 2);
    }
    for (_, camera) in &cameras {
        camera.set(Fault::Stalls);
    }
    std::thread::sleep(Duration::from_secs(1));
    let sent = cameras.each_ref().map(|(_, camera)| {
        camera.set(None);
        camera.frames()
    });
    for ((_, camera), sent) in cameras.iter().zip(sent) {
        camera.wait_for_frames(sent + 4 * u64::from(FRAMES_PER_SECOND));
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for name in containers {
        let mut nearest = f64::MAX;
        for segment in site.closed(name) {
            segment.expect_sound();
            let times = probe(&segment.path, &["-select_streams", "v"], "packet=pts_time");
            let times: Vec<f64> = times.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
            for pair in times.windows(2) {
                nearest = nearest.min(pair[1] - pair[0]);
            }
        }
        // They came at once, and are as far apart as the camera took them.
        let apart = if engine == "native" { 0.9 / f64::from(FRAMES_PER_SECOND) } else { 0.0 };
        assert!(nearest > apart, "{engine}: {name}: {nearest} s apart");
    }
}

#[test]
fn a_camera_that_sends_only_audio_has_stalled() {
    ENGINES.into_iter().for_each(a_camera_that_sends_only_audio_has_stalled_for);
}

fn a_camera_that_sends_only_audio_has_stalled_for(engine: &str) {
    let camera = RtspCamera::start(Film::Aac);
    let site = Site::with(QUICK, &[("yard", camera.table_for(engine))]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 1);
    camera.set(Fault::Blind);
    running.wait_for_stderr("no video came for", Duration::from_secs(20));
    camera.set(None);
    wait_for_new_segment(&site, "yard");
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert_eq!(site.live("yard")["stalls"], 1, "{}", site.live("yard"));
}
