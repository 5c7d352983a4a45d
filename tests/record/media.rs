//! Video and audio in each container.

use std::time::Duration;

use crate::support::ip_camera::Fault;
use crate::support::mjpeg::{MjpegCamera, PICTURES_PER_SECOND};
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, expect_sound, frames};

#[test]
fn every_audio_codec_in_every_container() {
    let cameras = [Film::Plain, Film::Aac, Film::ALaw].map(|film| (film, RtspCamera::start(film)));
    let mut tables = Vec::new();
    for (film, camera) in &cameras {
        for container in ["mkv", "ts", "mp4"] {
            let name = format!("{film:?}-{container}");
            tables.push((name, format!("{}\ncontainer = {container:?}", camera.table())));
        }
    }
    for container in ["mkv", "ts", "mp4"] {
        let table = format!("{}\ncontainer = {container:?}", cameras[1].1.table_for("ffmpeg"));
        tables.push((format!("ffmpeg-{container}"), table));
    }
    tables.push(("mute".to_owned(), format!("{}\naudio = \"none\"", cameras[1].1.table())));
    let named: Vec<(&str, &String)> = tables.iter().map(|(name, table)| (name.as_str(), table)).collect();
    let site = Site::with(QUICK, &named);
    let running = site.start(&[]);
    for (name, codecs) in [
        ("Plain-mkv", &["h264"][..]),
        ("Plain-ts", &["h264"]),
        ("Plain-mp4", &["h264"]),
        ("Aac-mkv", &["h264", "aac"]),
        ("Aac-ts", &["h264", "aac"]),
        ("Aac-mp4", &["h264", "aac"]),
        ("ffmpeg-mkv", &["h264", "aac"]),
        ("ffmpeg-ts", &["h264", "aac"]),
        ("ffmpeg-mp4", &["h264", "aac"]),
        // G.711 fits into Matroska; MP4 refuses it, and in a transport stream no player reads it.
        ("ALaw-mkv", &["h264", "pcm_alaw"]),
        ("ALaw-ts", &["h264", "aac"]),
        ("ALaw-mp4", &["h264", "aac"]),
        ("mute", &["h264"]),
    ] {
        let closed = site.wait_for_closed(name, 2);
        let whole = closed.last().unwrap();
        assert_eq!(whole.codecs(), codecs, "{name}");
        whole.expect_sound();
        assert!((1.0..3.0).contains(&whole.seconds()), "{name}: {} s", whole.seconds());
    }
    running.term();
    running.wait().expect_code(143);
}

#[test]
fn mjpeg_over_http_becomes_video() {
    let camera = MjpegCamera::start();
    let table = |more: &str| format!("url = {:?}\n{more}", camera.url());
    let cameras = [("ts", table("container = \"ts\"")), ("slow", table("fps = 5\nbitrate = \"200k\""))];
    let site = Site::with(QUICK, &cameras);
    let running = site.start(&[]);
    for (name, frames, least_bytes) in [("ts", 2 * PICTURES_PER_SECOND, 50_000), ("slow", 10, 10_000)] {
        let closed = site.wait_for_closed(name, 3);
        let whole = closed.last().unwrap();
        assert_eq!(whole.codecs(), ["h264"], "{name}");
        let bytes = whole.path.metadata().unwrap().len();
        assert!(bytes > least_bytes, "{name}: its bit rate makes more of two seconds than {bytes} bytes");
        whole.expect_sound();
        assert!(whole.frames().abs_diff(frames.into()) <= u64::from(frames / 4), "{name}: {}", whole.frames());
        assert!((1.0..2.5).contains(&whole.seconds()), "{name}: {} s", whole.seconds());
    }
    drop(running);
}

/// What an ffmpeg does that is called 7: it forgets what our clock has stamped pictures with.
#[test]
fn mjpeg_frames_have_times_where_ffmpeg_drops_them() {
    let camera = MjpegCamera::start();
    let table = |more: &str| format!("url = {:?}\n{more}", camera.url());
    let cameras = [("all", table("")), ("some", table("fps = 5"))];
    let site = Site::with(QUICK, &cameras);
    let forgets = "case \"$1\" in -version) echo 'ffmpeg version 7.0.2'; exit;; esac\n\
        n=$#; while [ $n -gt 0 ]; do case \"$1\" in\n\
        -use_wallclock_as_timestamps) shift 2; n=$((n - 2));;\n\
        *) set -- \"$@\" \"$1\"; shift; n=$((n - 1));; esac; done\nexec ffmpeg \"$@\"";
    let running = site.start(&["--ffmpeg", &site.script("forgets", forgets)]);
    for (name, frames) in [("all", 2 * PICTURES_PER_SECOND), ("some", 10)] {
        let closed = site.wait_for_closed(name, 3);
        let whole = closed.last().unwrap();
        whole.expect_sound();
        assert!(whole.frames().abs_diff(frames.into()) <= u64::from(frames / 4), "{name}: {}", whole.frames());
        assert!((1.0..2.5).contains(&whole.seconds()), "{name}: {} s", whole.seconds());
    }
    drop(running);
}

/// However close to each other they come.
#[test]
fn no_mjpeg_frame_is_left_out() {
    let camera = MjpegCamera::start();
    camera.set(Fault::Bursts(5));
    let site = Site::with(QUICK, &[("yard", format!("url = {:?}", camera.url()))]);
    let running = site.start(&[]);
    site.wait_for_closed("yard", 4);
    let sent = camera.frames();
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    let (closed, dropped) = (site.closed("yard"), site.live("yard")["drop_frames"].clone());
    expect_sound(&closed);
    let kept = frames(&closed);
    // Those on their way, and at the end those that come at once with the signal.
    assert!(kept + 10 >= sent && kept <= camera.frames(), "{kept} of {sent}, {dropped} dropped");
    assert_eq!(dropped, 0);
}
