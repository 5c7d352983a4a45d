//! Names and boundaries of segments.

use std::time::Duration;

use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, RtspCamera};
use crate::support::site::{QUICK, Site, Watcher, expect_sound, follow_each_other, frames, wait_for};

#[test]
fn segments_begin_at_clock_boundaries_and_are_published_complete() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let watcher = Watcher::start(site.dest());
    let running = site.start(&[]);
    site.wait_for_closed("yard", 3);
    assert_eq!(site.hidden("yard").len(), 1, "one is open");
    let sent = camera.frames();
    running.term();
    let output = running.wait_timeout(Duration::from_secs(6)).expect_code(143);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "nothing was wrong");
    site.expect_nothing_runs();

    let closed = site.closed("yard");
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
    let starts: Vec<i64> = closed.iter().map(|segment| segment.start()).collect();
    assert!(starts.is_sorted() && follow_each_other(&closed), "{closed:?}");
    for segment in &closed {
        segment.expect_sound();
        let name = &segment.name;
        assert_eq!(segment.path, site.dest().join("yard").join(&name[..10]).join(name));
    }
    for segment in &closed[1..closed.len() - 1] {
        let frames = u64::from(2 * FRAMES_PER_SECOND);
        assert!(
            segment.frames().abs_diff(frames) <= u64::from(2 * KEY_INTERVAL),
            "{}: {}",
            segment.name,
            segment.frames()
        );
        assert!((1.2..2.8).contains(&segment.seconds()), "{}: {} s", segment.name, segment.seconds());
    }
    // The file has every frame that the camera had sent, except those in transit.
    let kept = frames(&closed);
    assert!(sent.saturating_sub(kept) <= 5, "{kept} of {sent} frames, {} at the end, in {closed:#?}", camera.frames());
    assert_eq!(watcher.finish(), closed.len());
}

/// What is encoded gets a key frame there. Three seconds are no multiple of the two between others.
#[test]
fn mjpeg_segments_begin_exactly_at_the_boundary() {
    let (mkv, zoned) = (MjpegCamera::start(), MjpegCamera::start());
    let zoned_table = format!("url = {:?}\nfps = 5\ncontainer = \"ts\"\ntimezone = \"Asia/Kolkata\"", zoned.url());
    let cameras = [("mkv", format!("url = {:?}", mkv.url())), ("zoned", zoned_table)];
    let site = Site::with(&QUICK.replace("2s\"\nt", "3s\"\nt"), &cameras);
    let running = site.start(&[]);
    for (name, _) in &cameras {
        site.wait_for_closed(name, 5);
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for (name, _) in &cameras {
        let closed = site.closed(name);
        expect_sound(&closed);
        assert!(closed[1..].iter().all(|segment| segment.start() % 3 == 0), "{closed:?}");
        for segment in &closed[1..closed.len() - 1] {
            assert!((2.4..3.2).contains(&segment.seconds()), "{}: {} s", segment.name, segment.seconds());
        }
    }
}

#[test]
fn segment_names_are_in_the_time_zone_of_the_camera() {
    let camera = RtspCamera::start(Film::Plain);
    let zoned = |zone: &str| format!("{}\ntimezone = {zone:?}", camera.table());
    let cameras = [("pune", zoned("Asia/Kolkata")), ("ny", zoned("America/New_York")), ("lord", zoned("UTC"))];
    let site = Site::with("segment = \"2s\"", &cameras);
    let running = site.start(&[]);
    for (name, zone) in [
        ("pune", footage::zone::Tz::named("Asia/Kolkata").expect("a zone")),
        ("ny", footage::zone::Tz::named("America/New_York").expect("a zone")),
        ("lord", footage::zone::Tz::UTC),
    ] {
        for segment in site.wait_for_closed(name, 2) {
            let start = chrono::DateTime::from_timestamp(segment.start(), 0).unwrap().with_timezone(&zone);
            assert_eq!(segment.name, start.format("%Y-%m-%d_%H-%M-%S%z.mkv").to_string());
            assert!((0..60).contains(&(chrono::Utc::now().timestamp() - segment.start())), "{}", segment.name);
        }
    }
    drop(running);
}

/// ffmpeg analyzes a stream before it opens the first segment, which begins with the frames that it analyzed.
#[test]
fn the_first_segment_is_named_by_its_first_frame() {
    let camera = RtspCamera::start(Film::Plain);
    let looks_long = "input_options = [\"-fpsprobesize\", \"60\", \"-analyzeduration\", \"10M\"]";
    let site = Site::with(QUICK, &[("yard", format!("{}\n{looks_long}", camera.table()))]);
    let running = site.start(&[]);
    let closed = site.wait_for_closed("yard", 3);
    let (first, lasts) = (&closed[0], closed[0].seconds());
    assert!(lasts > 3.0, "{lasts}");
    #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
    let until_next = (closed[1].start() - first.start()) as f64;
    assert!((until_next - lasts).abs() < 1.5, "{} lasts {lasts} s, and {} is next", first.name, closed[1].name);
    drop(running);
}

#[test]
fn url_and_name_record_a_camera_without_configuration() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let options = ["record", "--url", &camera.url(), "--name", "yard", "--destination", "dest", "--segment", "2s"];
    site.footage(&options).args(["--for", "5s"]).run().expect_code(0);
    let closed = site.closed("yard");
    assert!((2..=4).contains(&closed.len()), "{closed:?}");
    expect_sound(&closed);
    assert!(site.hidden("yard").is_empty());
    site.expect_nothing_runs();
    let status = site.footage(&["status", "dest"]).run().expect_code(0);
    assert!(status.stdout.contains("record  --url"), "{status}");
}

#[test]
fn record_json_has_the_state_of_each_camera() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let running = site.start(&[]);
    let live = wait_for("recording", || Some(site.live("yard")).filter(|live| live["state"] == "recording"));
    assert_eq!(live["restarts"], 0, "{live}");
    site.wait_for_closed("yard", 2);
    running.term();
    running.wait_timeout(Duration::from_secs(6)).expect_code(143);
    let live = site.live("yard");
    let closed = site.closed("yard");
    assert_eq!(live["segments"], closed.len(), "{live}");
    let kept = frames(&closed);
    assert!(live["frames"].as_u64().unwrap().abs_diff(kept) <= 15, "{live}, {kept} frames in files");
    let bytes: u64 = closed.iter().map(|segment| segment.path.metadata().unwrap().len()).sum();
    assert!(live["bytes"].as_u64().unwrap().abs_diff(bytes) < 20_000, "{live}, {bytes} bytes in files");
}
