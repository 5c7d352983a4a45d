//! Names and boundaries of segments.

use std::time::Duration;

use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, RtspCamera};
use crate::support::site::{
    ENGINES, QUICK, Site, Watcher, expect_sound, follow_each_other, frames, pictures, wait_for,
};

#[test]
fn segments_begin_at_clock_boundaries_and_are_published_complete() {
    let cameras = ENGINES.map(|engine| (engine, RtspCamera::start(Film::Plain)));
    let site = Site::with(QUICK, &cameras.each_ref().map(|(engine, camera)| (*engine, camera.table_for(engine))));
    let watcher = Watcher::start(site.dest());
    let running = site.start(&[]);
    for engine in ENGINES {
        site.wait_for_closed(engine, 3);
        wait_for("an open one", || (site.hidden(engine).len() == 1).then_some(()));
    }
    let sent = cameras.each_ref().map(|(_, camera)| camera.frames());
    running.term();
    let output = running.wait_timeout(Duration::from_secs(6)).expect_code(143);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "nothing was wrong");
    site.expect_nothing_runs();

    for ((engine, camera), sent) in cameras.iter().zip(sent) {
        expect_two_seconds_each(&site, engine, camera, sent);
    }
    assert_eq!(watcher.finish(), ENGINES.map(|engine| site.closed(engine).len()).iter().sum::<usize>());
}

/// Segments of two seconds of a camera that had sent so many frames before the end.
#[track_caller]
fn expect_two_seconds_each(site: &Site, camera_name: &str, camera: &RtspCamera, sent: u64) {
    let closed = site.closed(camera_name);
    assert!(site.hidden(camera_name).is_empty(), "{:?}", site.hidden(camera_name));
    let starts: Vec<i64> = closed.iter().map(|segment| segment.start()).collect();
    assert!(starts.is_sorted() && follow_each_other(&closed), "{closed:?}");
    for segment in &closed {
        segment.expect_sound();
        let name = &segment.name;
        assert_eq!(segment.path, site.dest().join(camera_name).join(&name[..10]).join(name));
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
            let all = || closed.iter().map(|segment| (&segment.name[17..19], segment.seconds())).collect::<Vec<_>>();
            assert!((2.4..3.2).contains(&segment.seconds()), "{}: {:?}", segment.name, all());
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

/// ffmpeg looks at a stream for some seconds before it gives the first frame: the names are those of when frames came.
#[test]
fn the_first_segment_is_named_by_its_first_frame() {
    let camera = RtspCamera::start(Film::Plain);
    let looks_long = "input_options = [\"-fpsprobesize\", \"60\", \"-analyzeduration\", \"10M\"]";
    let site = Site::with(QUICK, &[("yard", format!("{}\n{looks_long}", camera.table()))]);
    let running = site.start(&[]);
    camera.wait_for_frames(1);
    let first_frame = chrono::Utc::now().timestamp();
    let closed = site.wait_for_closed("yard", 3);
    assert!((-1..=1).contains(&(closed[0].start() - first_frame)), "{first_frame} {closed:#?}");
    assert!(follow_each_other(&closed), "{closed:#?}");
    // What it had looked at is there too.
    assert_eq!(pictures(&closed), Film::Plain.pictures(usize::try_from(frames(&closed)).unwrap()));
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
    let site = Site::with(QUICK, &ENGINES.map(|engine| (engine, camera.table_for(engine))));
    let running = site.start(&[]);
    for engine in ENGINES {
        site.wait_for_recording(engine);
        let live = site.live(engine);
        assert_eq!((&live["restarts"], &live["engine"]), (&0.into(), &engine.into()), "{live}");
        site.wait_for_closed(engine, 2);
    }
    running.term();
    running.wait_timeout(Duration::from_secs(6)).expect_code(143);
    for engine in ENGINES {
        let (live, closed) = (site.live(engine), site.closed(engine));
        assert_eq!((&live["segments"], &live["frames"]), (&closed.len().into(), &frames(&closed).into()), "{live}");
        let bytes: u64 = closed.iter().map(|segment| segment.path.metadata().unwrap().len()).sum();
        assert_eq!(live["bytes"], bytes, "{live}");
    }
}
