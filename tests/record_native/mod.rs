//! Cameras that the recorder reads by itself: every frame that was sent is recorded, once, in order, with its time. What was
//! sent is known packet by packet; what was recorded is taken out of the segments by ffmpeg and ffprobe.

mod audio;
mod clock;
mod gstreamer;
mod hostile;
mod http;
mod logins;
mod sessions;
mod video;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use footage::media::Packet;
use footage::media::nal::{self, Standard};

use crate::media_containers::film::{Film, packets};
use crate::support::Running;
use crate::support::rtsp_peer::{Answer, Asked, Line, Play, RtspPeer, Sent};
use crate::support::site::{QUICK, Segment, Site};

const CONTAINERS: [&str; 3] = ["mkv", "mp4", "ts"];
const H264: &[&str] = &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast"];
const H265: &[&str] = &["-c:v", "libx265", "-pix_fmt", "yuv420p", "-preset", "ultrafast"];
/// No film of these tests is played longer.
const LONG: Duration = Duration::from_mins(1);

/// What a camera sends, and what of it can be told from the segments.
struct Shot {
    name: &'static str,
    standard: Standard,
    /// The frames, in the order of decoding.
    frames: Vec<Packet>,
    peer: RtspPeer,
    /// Whether each segment can be decoded for itself; else all of them joined.
    is_closed: bool,
    paths: Vec<PathBuf>,
    films: Vec<Film>,
}

/// Plays this to the first who comes to a URL below its own; who comes there again is refused.
pub(crate) fn once(film: (String, Vec<Sent>)) -> RtspPeer {
    let play = Play::of(film.1);
    let played = Arc::new(Mutex::new(BTreeSet::new()));
    RtspPeer::of((film.0, play), move |asked: &Asked, answer: Answer| {
        let url = asked.uri.trim_end_matches('/').to_owned();
        let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.method.as_str() {
            "PLAY" => {
                played.insert(url);
                answer
            }
            "DESCRIBE" if played.contains(&url) => answer.refuse("404 Over"),
            _ => answer,
        }
    })
}

/// What has been recorded once every camera has sent all, and the recorder has ended.
#[track_caller]
fn record(cameras: &[(String, String)], keys: &str) -> Site {
    let site = Site::with(&format!("{QUICK}\nengine = \"native\"\n{keys}"), cameras_of(cameras).as_slice());
    let running = site.start(&[]);
    wait_for_ends(&running, cameras.iter().map(|(name, _)| name.as_str()));
    running.term();
    running.wait_timeout(Duration::from_secs(6));
    site
}

fn cameras_of(cameras: &[(String, String)]) -> Vec<(&str, &str)> {
    cameras.iter().map(|(name, table)| (name.as_str(), table.as_str())).collect()
}

#[track_caller]
fn wait_for_ends<'n>(running: &Running, names: impl Iterator<Item = &'n str>) {
    for name in names {
        running.wait_for_stderr(&format!("{name}: the stream ended after"), LONG);
    }
}

/// The name of a camera that records a shot into a container.
fn camera(shot: &str, container: &str) -> String {
    format!("{shot}-{container}")
}

/// Records every shot into every container, and holds what comes of it against what was sent.
#[track_caller]
fn assert_recorded(shots: &[Shot]) -> Site {
    assert_recorded_with(shots, &CONTAINERS, "")
}

/// The same into some containers, with more keys for each camera.
#[track_caller]
fn assert_recorded_with(shots: &[Shot], containers: &[&str], keys: &str) -> Site {
    let cameras: Vec<(String, String)> = shots
        .iter()
        .flat_map(|shot| {
            let table = |container: &&str| {
                let url = format!("{}/{container}", shot.peer.url());
                format!("url = {url:?}\ncontainer = {container:?}\n{keys}")
            };
            containers.iter().map(move |container| (camera(shot.name, container), table(container)))
        })
        .collect();
    let site = record(&cameras, "");
    for shot in shots {
        let expected = decoded(&shot.paths);
        for container in containers {
            let name = camera(shot.name, container);
            shot.assert_in(&site, &name, &expected);
        }
    }
    site
}

/// Hashes of the frames of films, one film after another.
fn decoded(films: &[PathBuf]) -> Vec<String> {
    films.iter().flat_map(|film| hashes(film)).collect()
}

/// Hashes of the frames of a file, whatever a decoder says of it.
fn hashes(path: &Path) -> Vec<String> {
    let arguments = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let output = Command::new("ffmpeg").args(["-nostdin", "-v", "quiet", "-i"]).arg(path).args(arguments).output();
    let text = String::from_utf8(output.expect("ffmpeg is missing: run tests/setup").stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

/// The video of a segment as a byte stream.
fn byte_stream(standard: Standard, segment: &Path) -> Vec<u8> {
    let (filter, format) = match standard {
        Standard::H264 => ("h264_mp4toannexb", "h264"),
        Standard::H265 => ("hevc_mp4toannexb", "hevc"),
    };
    let arguments = ["-map", "0:v:0", "-c", "copy", "-bsf:v", filter, "-f", format, "-"];
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "fatal", "-i"]).arg(segment).args(arguments);
    ffmpeg.output().expect("ffmpeg is missing: run tests/setup").stdout
}

fn slices(standard: Standard, units: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    // A byte stream cannot tell zeros at the end of a unit from those in front of the next.
    let trimmed = |mut unit: Vec<u8>| {
        unit.truncate(unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        unit
    };
    units.filter(|unit| standard.kind(unit).is_some_and(|kind| standard.is_vcl(kind))).map(trimmed).collect()
}

impl Shot {
    /// A film as one camera sends it.
    fn of(name: &'static str, film: Film, line: impl FnOnce(&Film) -> Vec<Line>) -> Self {
        let lines = line(&film);
        let (standard, _) = Standard::of(&film.tracks[0].codec).unwrap();
        let frames = film.video().cloned().collect();
        let peer = once(crate::support::rtsp_peer::film(&lines, true));
        Self { name, standard, frames, peer, is_closed: true, paths: vec![film.path.clone()], films: vec![film] }
    }

    fn with_open_gops(self) -> Self {
        Self { is_closed: false, ..self }
    }

    #[track_caller]
    fn assert_in(&self, site: &Site, camera: &str, expected: &[String]) {
        let segments = site.closed(camera);
        assert!(!segments.is_empty(), "{camera}: no segment");
        let streams: Vec<Vec<u8>> = segments.iter().map(|segment| byte_stream(self.standard, &segment.path)).collect();
        let units = |stream: &Vec<u8>| slices(self.standard, nal::annex_b_units(stream).map(<[u8]>::to_vec));
        let recorded: Vec<Vec<u8>> = streams.iter().flat_map(units).collect();
        let sent = |frame: &Packet| slices(self.standard, nal::units(&frame.data).map(<[u8]>::to_vec));
        let all_sent: Vec<Vec<u8>> = self.frames.iter().flat_map(sent).collect();
        assert_eq!(recorded.len(), all_sent.len(), "{camera}: slices, in {segments:#?}");
        assert!(recorded == all_sent, "{camera}: other slices than those that were sent");
        let shown: Vec<String> = if self.is_closed {
            segments.iter().flat_map(|segment| hashes(&segment.path)).collect()
        } else {
            let joined = site.scratch.write(format!("{camera}.joined"), streams.concat());
            hashes(&joined)
        };
        assert_eq!(shown.len(), expected.len(), "{camera}: decoded frames");
        assert!(shown == expected, "{camera}: other pictures than those of the film");
        self.assert_times(&segments, camera);
    }

    /// Inside of a segment times are the camera's; it is named by the second of its first frame.
    #[track_caller]
    fn assert_times(&self, segments: &[Segment], camera: &str) {
        let mut rest = self.frames.as_slice();
        let began = self.began(segments[0].path.extension().unwrap().to_str().unwrap());
        for segment in segments {
            let times: Vec<f64> =
                packets(&segment.path, "v:0", "pts_time").iter().map(|fields| fields[0].parse().unwrap()).collect();
            let (here, behind) = rest.split_at(times.len());
            assert!(here[0].is_key, "{camera}: {} begins with no key frame", segment.name);
            for (at, (time, frame)) in times.iter().zip(here).enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "seconds of a film")]
                let wanted = (frame.pts_ns - here[0].pts_ns) as f64 / 1e9;
                let off = (time - times[0]) - wanted;
                // A camera's clock is followed by a two-hundredth of the time that passes.
                assert!(
                    off.abs() < 0.015 + wanted.abs() / 200.0,
                    "{camera}: frame {at} of {} is off by {off} s",
                    segment.name
                );
            }
            #[expect(clippy::cast_precision_loss, reason = "seconds of a film")]
            let first = began + here[0].pts_ns as f64 / 1e9;
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let late = first - segment.start() as f64;
            assert!((-1.0..2.0).contains(&late), "{camera}: {} begins {late} s later", segment.name);
            rest = behind;
        }
    }

    /// When it began to play for a container, in seconds since 1970.
    fn began(&self, container: &str) -> f64 {
        let played = self.peer.played();
        let (_, began) = played.iter().find(|(url, _)| url.contains(container)).unwrap();
        began.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
    }
}

/// A film of H.264 with a key frame in each second.
fn h264(seconds: u32, more: &[&str]) -> Film {
    Film::lasting(seconds, &[H264, &["-g", "25", "-sc_threshold", "0"], more].concat())
}
