//! Audio beside the video: every packet, in step with it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use footage::media::{Codec, Packet, Shape, Track};

use super::{H264, h264, once, record};
use crate::media_containers::film::{Film, run};
use crate::support::rtsp_peer::{Line, Sets, film};
use crate::support::site::Site;

const SECONDS: u32 = 7;

fn audio_of(film: &Film) -> impl Iterator<Item = &Packet> {
    film.packets.iter().filter(|packet| packet.track == 1)
}

fn lines(film: &Film) -> Vec<Line> {
    vec![
        Line::video(&film.tracks[0], film.video(), Sets::Described, false),
        Line::audio(&film.tracks[1], audio_of(film)),
    ]
}

/// A film whose audio is in G.726, which ffmpeg puts into no container.
fn g726() -> Film {
    let mut film = h264(SECONDS, &["-bf", "0", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"]);
    let tone = format!("sine=frequency=440:sample_rate=8000:duration={SECONDS}");
    let coded = run(Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &tone, "-c:a", "g726", "-b:a", "32k", "-f", "g726", "-"]));
    film.packets.retain(|packet| packet.track == 0);
    film.tracks[1] =
        Track { codec: Codec::G726 { bits: 4 }, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } };
    let packets = (0..).zip(coded.chunks(80)).map(|(number, data)| Packet {
        track: 1,
        pts_ns: number * 20_000_000,
        is_key: true,
        data: data.to_vec(),
    });
    film.packets.extend(packets);
    film
}

/// What the audio of a camera's segments holds, coded.
fn recorded(site: &Site, camera: &str) -> Vec<u8> {
    let coded = |path: &Path| {
        let filter: &[&str] = if camera == "aac-ts" { &["-bsf:a", "aac_adtstoasc"] } else { &[] };
        run(Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(path)
            .args(["-map", "0:a:0", "-c", "copy"])
            .args(filter)
            .args(["-f", "data", "-"]))
    };
    site.closed(camera).iter().flat_map(|segment| coded(&segment.path)).collect()
}

/// All audio from the first frame on: what was recorded is one piece of what was sent, and nearly all of it.
#[track_caller]
fn assert_audio(site: &Site, camera: &str, film: &Film) {
    let sent: Vec<u8> = audio_of(film).flat_map(|packet| packet.data.clone()).collect();
    let came = recorded(site, camera);
    let at = memchr::memmem::find(&sent, &came);
    assert!(at.is_some(), "{camera}: {} bytes, which are no piece of the {} that were sent", came.len(), sent.len());
    assert!(came.len() * 20 >= sent.len() * 19, "{camera}: {} of {} bytes", came.len(), sent.len());
}

#[test]
fn every_audio_codec_is_recorded_whole_where_a_container_holds_it() {
    let coded = |options: &[&str]| h264(SECONDS, &[&["-bf", "0", "-c:a"], options].concat());
    let telephone = |codec| coded(&[codec, "-ar", "8000", "-ac", "1"]);
    let films = [
        ("alaw", telephone("pcm_alaw"), &["mkv"][..]),
        ("mulaw", telephone("pcm_mulaw"), &["mkv"]),
        ("g722", coded(&["g722", "-ar", "16000", "-ac", "1"]), &["mkv"]),
        ("g726", g726(), &["mkv"]),
        ("l16", coded(&["pcm_s16be", "-ar", "16000", "-ac", "1"]), &["mkv"]),
        ("opus", coded(&["libopus", "-ac", "2"]), &["mkv"]),
        ("aac", coded(&["aac", "-ar", "16000", "-b:a", "32k"]), &["mkv", "mp4", "ts"]),
    ];
    let peers: Vec<_> = films.iter().map(|(_, of, _)| once(film(&lines(of), true))).collect();
    let mut cameras = Vec::new();
    for ((name, _, containers), peer) in films.iter().zip(&peers) {
        for container in *containers {
            let url = format!("{}/{container}", peer.url());
            cameras.push((format!("{name}-{container}"), format!("url = {url:?}\ncontainer = {container:?}")));
        }
    }
    let site = record(&cameras, "");
    for (name, film, containers) in &films {
        for container in *containers {
            let camera = format!("{name}-{container}");
            assert_eq!(frames(&site, &camera), film.video().count(), "{camera}");
            assert_audio(&site, &camera, film);
        }
    }
}

fn frames(site: &Site, camera: &str) -> usize {
    usize::try_from(crate::support::site::frames(&site.closed(camera))).unwrap()
}

/// Whether audio of a time, in seconds, is sent.
type IsSent = fn(f64) -> bool;

/// Audio that is silent, begins late or stops for a while: the video goes on, and the names with it.
#[test]
fn audio_that_is_silent_late_or_pauses_holds_no_frame_back() {
    let film_of = |_: &str| h264(9, &["-bf", "0", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"]);
    let kinds: [(&str, IsSent); 4] = [
        ("silent", |_| false),
        ("late", |at| at > 4.0),
        ("pauses", |at| !(2.5..6.5).contains(&at)),
        ("stops", |at| at < 3.0),
    ];
    let source = film_of("");
    let peers: Vec<_> = kinds
        .iter()
        .map(|(_, keep)| {
            let mut lines = lines(&source);
            let audio = lines.remove(1).only(keep);
            lines.push(audio);
            once(film(&lines, true))
        })
        .collect();
    let table = |peer: &crate::support::rtsp_peer::RtspPeer| format!("url = {:?}", peer.url());
    let cameras: Vec<_> = kinds.iter().zip(&peers).map(|((name, _), peer)| ((*name).to_owned(), table(peer))).collect();
    let site = record(&cameras, "");
    for (name, _) in kinds {
        assert_eq!(frames(&site, name), source.video().count(), "{name}");
        let closed = site.closed(name);
        assert!(crate::support::site::follow_each_other(&closed), "{name}: {closed:#?}");
    }
}

/// When it is bright, and when it is loud: beginnings, in seconds of the segment.
fn flashes_and_beeps(path: &Path) -> (Vec<f64>, Vec<f64>) {
    let times = crate::media_containers::film::packets(path, "v:0", "pts_time");
    let times: Vec<f64> = times.iter().map(|fields| fields[0].parse().unwrap()).collect();
    let grey = run(Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(path).args([
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-vf",
        "scale=1:1,format=gray",
        "-f",
        "rawvideo",
        "-",
    ]));
    let mut flashes = Vec::new();
    for (at, pair) in grey.windows(2).enumerate() {
        if pair[0] < 100 && pair[1] > 150 {
            flashes.push(times[at + 1]);
        }
    }
    let first = crate::media_containers::film::packets(path, "a:0", "pts_time");
    let mut at: f64 = first[0][0].parse().unwrap();
    let samples = run(Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"]));
    let (mut beeps, mut quiet) = (Vec::new(), 10_000.0);
    for sample in samples.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])) {
        at += 1.0 / 8000.0;
        if sample.unsigned_abs() > 1000 {
            if quiet > 2000.0 {
                beeps.push(at);
            }
            quiet = 0.0;
        }
        quiet += 1.0;
    }
    (flashes, beeps)
}

/// A flash and a beep in each second, which come at once; or the audio half a second later, as from a camera that encodes it
/// slowly, whose reports say how the two belong together.
#[test]
fn a_flash_and_its_beep_stay_within_50_ms_over_cuts() {
    let flash = "lutyuv=y=16:u=128:v=128,drawbox=color=white:t=fill:enable='lt(mod(t,1),0.2)'";
    let source = Film::lasting(
        12,
        &[
            H264,
            &["-g", "25", "-bf", "0", "-vf", flash, "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"],
            &["-af", "volume=0:enable='gt(mod(t,1),0.2)'"],
        ]
        .concat(),
    );
    let with_b_frames = Film::lasting(
        12,
        &[
            H264,
            &["-g", "25", "-bf", "2", "-vf", flash, "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"],
            &["-af", "volume=0:enable='gt(mod(t,1),0.2)'"],
        ]
        .concat(),
    );
    let slow = |film: &Film| {
        let mut lines = lines(film);
        let audio = lines.remove(1).later(Duration::from_millis(500));
        lines.push(audio);
        lines
    };
    let peers = [
        ("reports", once(film(&lines(&source), true))),
        ("none", once(film(&lines(&source), false))),
        ("slow", once(film(&slow(&source), true))),
        ("b-frames", once(film(&lines(&with_b_frames), true))),
        ("b-frames-none", once(film(&lines(&with_b_frames), false))),
    ];
    let cameras: Vec<_> =
        peers.iter().map(|(name, peer)| ((*name).to_owned(), format!("url = {:?}", peer.url()))).collect();
    let site = record(&cameras, "");
    let mut wrong = Vec::new();
    for (name, _) in &peers {
        for segment in site.closed(name) {
            let (flashes, beeps) = flashes_and_beeps(&segment.path);
            let near = |flash: &f64| {
                beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(9.0)
            };
            let off: Vec<f64> = flashes.iter().map(near).filter(|off| off.abs() > 0.05).collect();
            if !off.is_empty() {
                wrong.push(format!("{name} {}: {off:?} of {flashes:?}, {beeps:?}", segment.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
