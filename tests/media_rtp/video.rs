//! H.264 and H.265.

use std::path::Path;

use footage::media::nal::{self, Standard};
use footage::media::{Codec, Shape};

use super::{Received, ffmpeg, film, send_by_ffmpeg, send_by_gstreamer};

const PATTERN: &str = "testsrc2=size=640x360:rate=15:duration=2";

/// The units of the film that are neither parameter sets nor delimiters. ffmpeg writes the SEI of x265 at every key frame.
fn units_of(standard: Standard, path: &Path) -> Vec<Vec<u8>> {
    let bytes = match standard {
        Standard::H264 => ffmpeg("", Some(path), "-c copy -bsf:v h264_mp4toannexb -f h264 -"),
        Standard::H265 => ffmpeg("", Some(path), "-c copy -bsf:v hevc_mp4toannexb -f hevc -"),
    };
    nal::annex_b_units(&bytes).filter(|unit| is_kept(standard, unit)).map(<[u8]>::to_vec).collect()
}

fn is_kept(standard: Standard, unit: &[u8]) -> bool {
    let kind = standard.kind(unit).unwrap();
    !matches!((standard, kind), (Standard::H264, 7..=9) | (Standard::H265, 32..=35 | 39))
}

fn units_received(standard: Standard, received: &Received) -> Vec<Vec<u8>> {
    received
        .frames
        .iter()
        .flat_map(|frame| nal::units(&frame.data))
        .filter(|unit| is_kept(standard, unit))
        .map(<[u8]>::to_vec)
        .collect()
}

/// Of each frame in decoding order: its time in 90,000ths of a second from the first one on, and whether it is a key frame.
fn times_of(path: &Path) -> Vec<(i64, bool)> {
    let output = std::process::Command::new("ffprobe")
        .args("-v error -select_streams v -show_entries packet=pts,flags -of csv=p=0".split(' '))
        .arg(path)
        .output()
        .expect("ffprobe is missing: run tests/setup");
    let text = String::from_utf8(output.stdout).unwrap();
    let packets: Vec<(i64, bool)> = text
        .lines()
        .map(|line| {
            let (pts, flags) = line.split_once(',').unwrap();
            (90 * pts.parse::<i64>().unwrap(), flags.starts_with('K'))
        })
        .collect();
    packets.iter().map(|(pts, is_key)| (pts - packets[0].0, *is_key)).collect()
}

/// Everything of the film came: units, frames, times, key frames, and what a decoder must know.
#[track_caller]
fn assert_is_film(standard: Standard, path: &Path, received: &Received) {
    let (sent, came) = (units_of(standard, path), units_received(standard, received));
    assert_eq!(came.len(), sent.len());
    assert!(came == sent, "other units than those of the film");
    let times = times_of(path);
    assert_eq!(received.frames.len(), times.len());
    for (at, ((frame, ticks), (pts, is_key))) in received.frames.iter().zip(received.ticks()).zip(times).enumerate() {
        // The film counts milliseconds.
        assert!((ticks - pts).abs() <= 90, "frame {at}: {ticks} for {pts}");
        assert_eq!((frame.is_key, frame.is_damaged), (is_key, false), "frame {at}");
    }
    let (found, config) = Standard::of(&received.track.codec).unwrap();
    assert_eq!(found, standard);
    assert!(nal::ParameterSets::from_config(standard, config).is_some_and(|sets| sets.is_complete()));
    assert_eq!(received.track.shape, Shape::Video { width: 640, height: 360 });
    assert_eq!(received.frames.iter().filter(|frame| frame.codec.is_some()).count(), 1);
}

#[test]
fn h264_with_b_frames_and_slices_from_ffmpeg() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, PATTERN, "-c:v libx264 -preset veryfast -bf 2 -g 15 -x264-params slices=4 -b:v 800k");
    assert_is_film(Standard::H264, &path, &send_by_ffmpeg(&path, "-c copy"));
}

#[test]
fn h264_open_gop_with_recovery_points_from_ffmpeg() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(
        &path,
        PATTERN,
        "-c:v libx264 -preset veryfast -bf 0 -x264-params intra-refresh=0:open-gop=1:keyint=10:bframes=2:b-adapt=0",
    );
    assert_is_film(Standard::H264, &path, &send_by_ffmpeg(&path, "-c copy"));
}

#[test]
fn h264_in_single_units_stap_a_and_fu_a_from_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, PATTERN, "-c:v libx264 -preset veryfast -bf 2 -g 15 -x264-params slices=3 -b:v 800k");
    for mode in ["none", "zero-latency", "max-stap"] {
        let elements =
            format!("matroskademux ! rtph264pay name=pay pt=96 mtu=1200 config-interval=-1 aggregate-mode={mode}");
        assert_is_film(Standard::H264, &path, &send_by_gstreamer(&path, &elements));
    }
}

#[test]
fn h265_with_b_frames_from_ffmpeg() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(
        &path,
        PATTERN,
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=15:bframes=2:slices=2 -b:v 800k",
    );
    assert_is_film(Standard::H265, &path, &send_by_ffmpeg(&path, "-c copy"));
}

#[test]
fn h265_in_single_units_ap_and_fu_from_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, PATTERN, "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=15:bframes=2 -b:v 800k");
    for mode in ["none", "zero-latency", "max"] {
        let elements =
            format!("matroskademux ! rtph265pay name=pay pt=96 mtu=1200 config-interval=-1 aggregate-mode={mode}");
        let received = send_by_gstreamer(&path, &elements);
        assert_is_film(Standard::H265, &path, &received);
        assert!(matches!(received.track.codec, Codec::H265 { .. }));
    }
}
