//! Midnight and the two changes of the clock, with the recorder's clock set there; and a clock that is set while it records.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use footage::media::Packet;

use crate::media_containers::film::Film as CodedFilm;
use crate::record_native::once;
use crate::support::Running;
use crate::support::host_clock::HostClock;
use crate::support::ip_camera::Fault;
use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, RtspCamera};
use crate::support::rtsp_peer::{Line, Sets, film as film_of};
use crate::support::site::{ENGINES, QUICK, Site, expect_sound, frames, pictures, wait_for};

/// A moment in UTC, in seconds since 1970.
fn seconds(moment: &str) -> i64 {
    NaiveDateTime::parse_from_str(moment, "%F %T").unwrap().and_utc().timestamp()
}

/// Starts a recorder of one camera whose clock shows a moment when the first frame comes.
fn start_at(site: &Site, camera: &RtspCamera, moment: &str) -> Running {
    camera.set(Fault::Stalls);
    let running = site.start(&[]);
    camera.wait_for_connections(1);
    HostClock::of(&running).set(seconds(moment) - Utc::now().timestamp());
    camera.set(None);
    running
}

/// Records over a moment: the recorder's clock begins six seconds before the hour. The names that come out.
fn names_around(cases: &[(&str, &str, &str)]) -> Vec<Vec<String>> {
    let sites: Vec<(Site, RtspCamera, Running)> = cases
        .iter()
        .map(|(zone, moment, segment)| {
            let camera = RtspCamera::start(Film::Plain);
            let site = Site::new();
            site.configure(&format!("segment = {segment:?}\ntimezone = {zone:?}"), &[("yard", camera.table())]);
            let running = start_at(&site, &camera, moment);
            (site, camera, running)
        })
        .collect();
    let mut names = Vec::new();
    for (site, camera, running) in sites {
        wait_for("a segment before", || (!site.closed("yard").is_empty()).then_some(()));
        camera.wait_for_frames(camera.frames() + 15);
        running.term();
        running.wait().expect_code(143);
        let closed = site.closed("yard");
        expect_sound(&closed);
        names.push(
            closed.into_iter().map(|it| it.path.strip_prefix(site.dest()).unwrap().display().to_string()).collect(),
        );
    }
    names
}

#[test]
fn segment_boundaries_at_midnight_and_dst_changes() {
    let all = names_around(&[
        // Midnight in Pune is half past six in the evening in Greenwich.
        ("Asia/Kolkata", "2026-11-20 18:29:53", "1h"),
        ("UTC", "2026-12-31 23:59:53", "1h"),
        // The clock goes from 03:00 back to 02:00, and from 02:00 on to 03:00.
        ("Europe/Berlin", "2026-10-25 00:59:53", "1h"),
        ("Europe/Berlin", "2026-03-29 00:59:53", "1h"),
        // Marks that are not as far from those of Greenwich on one side as on the other.
        ("Asia/Kathmandu", "2026-11-20 18:14:53", "1h"),
        ("Europe/Berlin", "2026-11-20 22:59:53", "1d"),
        ("America/New_York", "2026-11-21 04:59:53", "1d"),
        // In summer, whatever it is now.
        ("Europe/Berlin", "2026-07-01 21:59:53", "1d"),
        ("Australia/Lord_Howe", "2027-01-01 00:59:53", "6h"),
        // What no day is full of begins anew with each.
        ("Asia/Kolkata", "2026-11-20 18:29:53", "7h"),
    ]);
    let after = [
        "yard/2026-11-21/2026-11-21_00-00-00+0530.mkv",
        "yard/2027-01-01/2027-01-01_00-00-00+0000.mkv",
        "yard/2026-10-25/2026-10-25_02-00-00+0100.mkv",
        "yard/2026-03-29/2026-03-29_03-00-00+0200.mkv",
        "yard/2026-11-21/2026-11-21_00-00-00+0545.mkv",
        "yard/2026-11-21/2026-11-21_00-00-00+0100.mkv",
        "yard/2026-11-21/2026-11-21_00-00-00-0500.mkv",
        "yard/2026-07-02/2026-07-02_00-00-00+0200.mkv",
        "yard/2027-01-01/2027-01-01_12-00-00+1100.mkv",
        "yard/2026-11-21/2026-11-21_00-00-00+0530.mkv",
    ];
    let before = [
        ("yard/2026-11-20/2026-11-20_23-59-5", "+0530.mkv"),
        ("yard/2026-12-31/2026-12-31_23-59-5", "+0000.mkv"),
        ("yard/2026-10-25/2026-10-25_02-59-5", "+0200.mkv"),
        ("yard/2026-03-29/2026-03-29_01-59-5", "+0100.mkv"),
        ("yard/2026-11-20/2026-11-20_23-59-5", "+0545.mkv"),
        ("yard/2026-11-20/2026-11-20_23-59-5", "+0100.mkv"),
        ("yard/2026-11-20/2026-11-20_23-59-5", "-0500.mkv"),
        ("yard/2026-07-01/2026-07-01_23-59-5", "+0200.mkv"),
        ("yard/2027-01-01/2027-01-01_11-59-5", "+1100.mkv"),
        ("yard/2026-11-20/2026-11-20_23-59-5", "+0530.mkv"),
    ];
    for ((names, after), (front, end)) in all.iter().zip(after).zip(before) {
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().any(|name| name == after), "{after}: {names:?}");
        assert!(names.iter().any(|name| name.starts_with(front) && name.ends_with(end)), "{front}…{end}: {names:?}");
    }
}

/// In the night in which the clock goes back every second of an hour comes twice: no name does.
#[test]
fn segments_in_the_repeated_dst_hour_have_different_names() {
    let all = names_around(&[
        ("Europe/Berlin", "2026-10-25 00:29:53", "30m"),
        ("Europe/Berlin", "2026-10-25 01:29:53", "30m"),
    ]);
    let twice = all.concat();
    assert!(twice.iter().any(|name| name.ends_with("2026-10-25_02-30-00+0200.mkv")), "{twice:?}");
    assert!(twice.iter().any(|name| name.ends_with("2026-10-25_02-30-00+0100.mkv")), "{twice:?}");
}

/// A clock that is set, as at the start of a machine without a battery, leaves no segment with hours of nothing in it, and
/// none that is a blink of an eye.
#[test]
fn a_host_clock_that_is_set_begins_a_new_segment() {
    for (engine, ahead) in [("native", 7200), ("native", -7200), ("ffmpeg", 7200), ("ffmpeg", -7200)] {
        let camera = RtspCamera::start(Film::Plain);
        // A boundary between the two would be one more.
        let site = Site::with(&QUICK.replace("2s\"\nt", "1d\"\nt"), &[("yard", camera.table_for(engine))]);
        let running = site.start(&[]);
        site.wait_for_recording("yard");
        let clock = HostClock::of(&running);
        camera.wait_for_frames(camera.frames() + 45);
        clock.set(ahead);
        let set = Utc::now().timestamp() + ahead;
        camera.wait_for_frames(camera.frames() + 60);
        running.term();
        running.wait_timeout(Duration::from_secs(8)).expect_code(143);
        let closed = site.closed("yard");
        assert_eq!(closed.len(), 2, "{engine} {ahead}: {closed:?}");
        // The name has the new time, and the length is that of its frames.
        let after = closed.iter().find(|segment| segment.start().abs_diff(set) <= 2);
        let after = after.unwrap_or_else(|| panic!("{engine} {ahead}: {closed:?}"));
        for segment in &closed {
            let seconds = f64::from(u32::try_from(segment.frames()).unwrap()) / f64::from(FRAMES_PER_SECOND);
            assert!(
                (segment.seconds() - seconds).abs() < 1.0,
                "{engine} {ahead}: {} of {seconds} s",
                segment.seconds()
            );
        }
        assert!(after.frames() >= 40, "{engine} {ahead}: {} frames", after.frames());
        assert_eq!(camera.connections(), 1, "{engine} {ahead}: recording was never interrupted");
    }
}

/// What a camera's own clock says is not what a segment is named by.
#[test]
fn a_camera_clock_that_leaps_names_no_segment() {
    for engine in ENGINES {
        let cameras = [3600, -3600, 47].map(|leap| (format!("leaps{leap}"), RtspCamera::start(Film::Plain), leap));
        let tables: Vec<_> =
            cameras.iter().map(|(name, camera, _)| (name.as_str(), camera.table_for(engine))).collect();
        let site = Site::with(QUICK, &tables);
        let began = Utc::now().timestamp();
        let running = site.start(&[]);
        for (name, camera, leap) in &cameras {
            site.wait_for_closed(name, 2);
            camera.jump(*leap);
        }
        for (name, ..) in &cameras {
            let closed = site.closed(name).len();
            site.wait_for_closed(name, closed + 3);
        }
        running.term();
        running.wait_timeout(Duration::from_secs(8)).expect_code(143);
        let now = Utc::now().timestamp();
        for (name, camera, _) in &cameras {
            let closed = site.closed(name);
            expect_sound(&closed);
            for segment in &closed {
                assert!((began..=now).contains(&segment.start()), "{engine} {name}: {closed:#?}");
                assert!(segment.seconds() < 3.0, "{engine} {name}: {} s", segment.seconds());
            }
            let starts: Vec<i64> = closed.iter().map(|segment| segment.start()).collect();
            assert!(starts[1..].windows(2).all(|pair| pair[1] - pair[0] <= 2), "{engine} {name}: {closed:#?}");
            assert_eq!(camera.connections(), 1, "{engine} {name}");
        }
    }
}

/// Key frames every five milliseconds: a segment begins right after its boundary, when a clock that is some milliseconds late
/// still shows the second before. Over TCP a busy machine delays frames and loses none.
#[test]
fn a_segment_that_begins_at_a_boundary_is_named_by_it() {
    const RATE: usize = 200;
    const FRAMES: usize = 7 * RATE;
    let film = CodedFilm::lasting(1, &["-c:v", "libx264", "-g", "1", "-s", "64x64"]);
    let shown: Vec<&Packet> = film.video().collect();
    let frame_ns = |number: usize| i64::try_from(number * 1_000_000_000 / RATE).unwrap();
    let packets: Vec<Packet> =
        (0..FRAMES).map(|number| Packet { pts_ns: frame_ns(number), ..shown[number % shown.len()].clone() }).collect();
    let camera = once(film_of(&[Line::video(&film.tracks[0], packets.iter(), Sets::Described, false)], true));
    let tables = ENGINES.map(|engine| (engine, format!("url = \"{}/{engine}\"\nengine = {engine:?}", camera.url())));
    let site = Site::with(&QUICK.replace("2s\"\nt", "1s\"\nt"), &tables);
    let running = site.start(&[]);
    for engine in ENGINES {
        // A client that stays connected behind the last frame has stalled.
        let is_over = || site.live(engine)["frames"].as_u64() > Some(0) && !site.recording().contains(engine);
        wait_for("the end of the film", || is_over().then_some(()));
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);

    // ffmpeg stamps frames as they arrive, so on a busy machine they are uneven.
    let kept = frames(&site.closed("ffmpeg"));
    assert!(kept.abs_diff(FRAMES as u64) < RATE as u64 / 8, "{kept} of {FRAMES}: {:#?}", site.closed("ffmpeg"));

    let closed = site.closed("native");
    let sent: Vec<String> = film.frames().into_iter().map(|(_, hash)| hash).cycle().take(FRAMES).collect();
    assert!(pictures(&closed) == sent, "other pictures than those that were sent: {closed:#?}");
    let (_, began) = camera.played().into_iter().find(|(url, _)| url.contains("native")).unwrap();
    let mut first = 0;
    for (number, segment) in closed.iter().enumerate() {
        let count = usize::try_from(segment.frames()).unwrap();
        let began = DateTime::<Utc>::from(began) + chrono::TimeDelta::nanoseconds(frame_ns(first));
        first += count;
        // The clocks are compared during the first segment, and set by that as the second begins.
        if number < 2 {
            continue;
        }
        let boundary = DateTime::from_timestamp(closed[1].start() + i64::try_from(number).unwrap() - 1, 0).unwrap();
        assert_eq!(segment.start(), boundary.timestamp(), "one a second: {closed:#?}");
        // By the slow correction of a drift a frame may move over the boundary.
        let behind = (segment.taken() - boundary).num_milliseconds();
        assert!((0..11).contains(&behind), "{} begins {behind} ms behind its boundary", segment.name);
        let is_last = number + 1 == closed.len();
        assert!(is_last || count.abs_diff(RATE) <= 2, "{}: {count} frames", segment.name);
        // Smaller differences between the clocks are corrected slowly.
        let sent = (began - boundary).num_milliseconds();
        assert!(
            (-300..100).contains(&sent),
            "{}: the first frame was sent {sent} ms behind its boundary",
            segment.name
        );
    }
    assert!(closed.len() >= 7, "{closed:#?}");
}

/// The first frames come about a boundary: two segments of one second get two names.
#[test]
fn a_segment_that_begins_at_a_boundary_is_not_overwritten() {
    let mark = Utc::now().timestamp() / 2 * 2 + 10;
    let until = |millis: i64| {
        let wall = DateTime::from_timestamp_millis(mark * 1000 + millis).unwrap();
        Instant::now() + (wall - Utc::now()).to_std().unwrap()
    };
    let cameras = [-40, -30, -20, -12, -4, 4].map(|millis| {
        let camera = MjpegCamera::start();
        camera.set(Fault::Hoards(until(millis)));
        (format!("at{millis}"), camera)
    });
    let tables = cameras.each_ref().map(|(name, camera)| (name.as_str(), format!("url = {:?}", camera.url())));
    let site = Site::with(QUICK, &tables);
    let running = site.start(&[]);
    for (name, _) in &cameras {
        site.wait_for_closed(name, 2);
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for (name, _) in &cameras {
        let closed = site.closed(name);
        assert_eq!(site.live(name)["frames"], frames(&closed), "{closed:#?}");
        assert_eq!(site.live(name)["segments"], closed.len(), "{closed:#?}");
    }
}
