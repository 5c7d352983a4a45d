//! Midnight and the two changes of the clock, with ffmpeg's clock set there.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use crate::support::Program;
use crate::support::ip_camera::Fault;
use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, RtspCamera};
use crate::support::site::{QUICK, Site, expect_sound, frames, wait_for};

const FAKETIME: &str = "/usr/lib/*/faketime/libfaketimeMT.so.1";

/// An ffmpeg with a clock of its own.
fn faked(site: &Site, fake: &str) -> String {
    let fake = format!("LD_PRELOAD=$(echo {FAKETIME}) FAKETIME_DONT_FAKE_MONOTONIC=1 {fake}");
    site.script("ffmpeg", &format!("case \"$1\" in -version) exec ffmpeg -version;; esac\n{fake} exec ffmpeg \"$@\""))
}

/// Its clock is ahead by the number in a file.
fn set_by(file: &Path) -> String {
    format!("FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE='{}'", file.display())
}

/// A moment in UTC, in seconds since 1970.
fn seconds(moment: &str) -> i64 {
    NaiveDateTime::parse_from_str(moment, "%F %T").unwrap().and_utc().timestamp()
}

/// Records over a moment: ffmpeg's clock begins six seconds before the hour. The names that come out.
fn names_around(cases: &[(&str, &str, &str)]) -> Vec<Vec<String>> {
    let camera = RtspCamera::start(Film::Plain);
    let sites: Vec<(Site, _)> = cases
        .iter()
        .map(|(zone, moment, segment)| {
            let site = Site::new();
            let faked = faked(&site, &format!("FAKETIME_FMT=%s FAKETIME=@{}", seconds(moment)));
            site.configure(&format!("segment = {segment:?}\ntimezone = {zone:?}"), &[("yard", camera.table())]);
            let running = site.start(&["--ffmpeg", &faked]);
            (site, running)
        })
        .collect();
    let mut names = Vec::new();
    for (site, running) in sites {
        let wanted = |site: &Site| !site.closed("yard").is_empty();
        wait_for("a segment before", || wanted(&site).then_some(()));
        wait_for("one after", || (!site.hidden("yard").is_empty()).then_some(()));
        std::thread::sleep(std::time::Duration::from_secs(1));
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

/// A day of 23 hours ends at midnight as others do, in one piece. The camera stamps its frames here, so that they know nothing
/// of a clock that leaps from the morning to the evening.
#[test]
fn a_segment_over_a_dst_change_ends_at_midnight() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    site.configure("segment = \"1d\"\ntimezone = \"Europe/Berlin\"\nwallclock = false", &[("yard", camera.table())]);
    let ahead = |moment: &str| format!("{:+}", seconds(moment) - chrono::Utc::now().timestamp());
    let clock = site.scratch.write("clock", ahead("2026-03-28 23:00:00"));
    let running = site.start(&["--ffmpeg", &faked(&site, &set_by(&clock))]);
    camera.wait_for_frames(90);
    std::fs::write(&clock, ahead("2026-03-29 21:59:55")).unwrap();
    site.wait_for_closed("yard", 1);
    let sent = camera.frames();
    camera.wait_for_frames(sent + 90);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    let names: Vec<String> = site.closed("yard").into_iter().map(|it| it.name).collect();
    assert!(names[0].starts_with("2026-03-29_00-00-0") && names[0].ends_with("+0100.mkv"), "{names:?}");
    assert_eq!(names[1..], ["2026-03-30_00-00-00+0200.mkv"]);
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
fn a_clock_change_begins_a_new_segment() {
    for by in ["+7200", "-7200"] {
        let camera = RtspCamera::start(Film::Plain);
        let site = Site::with(&QUICK.replace("2s\"\nt", "6h\"\nt"), &[("yard", camera.table())]);
        let clock = site.scratch.write("clock", "+0");
        let running = site.start(&["--ffmpeg", &faked(&site, &set_by(&clock))]);
        camera.wait_for_frames(90);
        let segmenter = site.segmenter("yard");
        std::fs::write(&clock, by).unwrap();
        running.wait_for_stderr("clock", Duration::from_secs(30));
        wait_for("another ffmpeg", || (site.segmenter("yard") != segmenter).then_some(()));
        let sent = camera.frames();
        camera.wait_for_frames(sent + 90);
        running.term();
        running.wait_timeout(Duration::from_secs(8)).expect_code(143);
        // The name has the new time, and the length is that of its pictures.
        let now = chrono::Utc::now().timestamp() + by.parse::<i64>().unwrap();
        let closed = site.closed("yard");
        let after =
            closed.iter().rfind(|segment| segment.start().abs_diff(now) < 60).unwrap_or_else(|| panic!("{closed:?}"));
        let seconds = f64::from(u32::try_from(after.frames()).unwrap()) / f64::from(FRAMES_PER_SECOND);
        assert!((after.seconds() - seconds).abs() < 1.0, "{by}: {} s of {seconds} s in {closed:?}", after.seconds());
        // One more where a mark was leapt over.
        assert!((2..=3).contains(&closed.len()), "{by}: {closed:?}");
    }
}

/// Every picture is a key frame, and one arrives every five milliseconds: a segment begins right after its boundary, when a clock
/// that is some milliseconds late still shows the second before.
#[test]
fn a_segment_that_begins_at_a_boundary_is_named_by_it() {
    const RATE: u64 = 200;
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let (url, source) = (format!("udp://127.0.0.1:{port}"), format!("testsrc2=size=64x64:rate={RATE}"));
    let camera = Program::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-g", "1"])
        .args(["-preset", "ultrafast", "-tune", "zerolatency", "-f", "mpegts", &url])
        .spawn();
    let site = Site::with(&QUICK.replace("2s\"\nt", "1s\"\nt"), &[("yard", format!("url = {url:?}"))]);
    let running = site.start(&[]);
    let mut closed = site.wait_for_closed("yard", 12);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    drop(camera);
    // The first begins when the camera is there.
    closed.remove(0);
    let starts: Vec<i64> = closed.iter().map(|segment| segment.start()).collect();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 1), "{closed:#?}");
    for segment in &closed {
        assert!(segment.frames().abs_diff(RATE) < RATE / 8, "{}: {} pictures", segment.name, segment.frames());
        let written =
            chrono::DateTime::<chrono::Utc>::from(std::fs::metadata(&segment.path).unwrap().modified().unwrap());
        let ended = written - chrono::DateTime::from_timestamp(segment.start() + 1, 0).unwrap();
        assert!((0..500).contains(&ended.num_milliseconds()), "{} was cut {ended} after the next mark", segment.name);
    }
    let sent = RATE * closed.len() as u64;
    assert!(frames(&closed).abs_diff(sent) < RATE / 8, "{} of {sent} pictures", frames(&closed));
}

/// An ffmpeg that does it all the same, as one whose clock is slow, is logged.
#[test]
fn an_overwritten_segment_is_logged() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with("segment = \"1h\"", &[("yard", format!("{}\nwallclock = false", camera.table()))]);
    let fake =
        format!("LD_PRELOAD=$(echo {FAKETIME}) FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME='@2026-11-21 10:00:00 x0.005'");
    let script = format!("case \"$1\" in -version) exec ffmpeg -version;; esac\n{fake} exec ffmpeg \"$@\"");
    let running = site.start(&["--ffmpeg", &site.script("ffmpeg", &script)]);
    wait_for("a segment", || (!site.closed("yard").is_empty()).then_some(()));
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert!(output.stderr.contains("yard: ffmpeg began two segments in one second"), "{output}");
}

/// An ffmpeg that opens its first segment right at a mark would cut it a moment later, in the same second and so under the
/// same name.
#[test]
fn a_segment_that_begins_at_a_boundary_is_not_overwritten() {
    // From its first pictures on an ffmpeg takes some milliseconds to open a file.
    let mark = chrono::Utc::now().timestamp() / 2 * 2 + 10;
    let until = |millis: i64| {
        let wall = chrono::DateTime::from_timestamp_millis(mark * 1000 + millis).unwrap();
        Instant::now() + (wall - chrono::Utc::now()).to_std().unwrap()
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
