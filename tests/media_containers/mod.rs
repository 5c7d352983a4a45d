//! The containers that footage writes, as other people's tools read them: ffmpeg and ffprobe.

pub(crate) mod film;
mod fuzz;
mod mp4;
mod targets;
mod ts;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use film::{Film, packets, run};
use footage::media::Muxer;
use footage::media::nal::{self, ParameterSets, Standard};

/// Films whose order of frames, slices and key frames differ.
const VIDEOS: &[(&str, &[&str])] = &[
    ("h264 without B-frames", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "0"]),
    ("h264 -bf 2", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "2"]),
    (
        "h264 open GOP",
        &[
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-x264-params",
            "open-gop=1:keyint=25:bframes=3:b-adapt=0:scenecut=0",
        ],
    ),
    ("h264 four slices", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "50", "-x264-params", "slices=4"]),
    ("h264 one key frame", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "500", "-bf", "3"]),
    ("h265 open GOP", &["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:keyint=25"]),
    ("h265 without B-frames", &["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:bframes=0"]),
];

/// The file of a film: as it stands when only flushed, or closed.
fn write(
    film: &Film,
    name: &str,
    flush_every: usize,
    close: bool,
    muxer: impl FnOnce(&mut Vec<u8>) -> Box<dyn Muxer>,
) -> PathBuf {
    let mut bytes = Vec::new();
    let mut muxer = muxer(&mut bytes);
    for (number, packet) in film.packets.iter().enumerate() {
        muxer.push(packet, &mut bytes);
        if number % flush_every == flush_every - 1 {
            muxer.flush(&mut bytes);
        }
    }
    let path = film.beside(name);
    let patches = if close { muxer.finish(&mut bytes) } else { Vec::new() };
    std::fs::write(&path, &bytes).unwrap();
    let closed = File::options().write(true).open(&path).unwrap();
    for patch in patches {
        closed.write_all_at(&patch.bytes, patch.offset_bytes).unwrap();
    }
    path
}

/// Decoding times rise, no frame is shown before it is decoded, and the key frames are those of the film.
fn assert_packets(name: &str, film: &Film, path: &Path) {
    let packets = packets(path, "v:0", "pts,dts,flags");
    let times: Vec<(i64, i64)> =
        packets.iter().map(|fields| (fields[0].parse().unwrap(), fields[1].parse().unwrap())).collect();
    assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "{name}: {times:?}");
    assert!(times.iter().all(|(pts, dts)| dts <= pts), "{name}: {times:?}");
    let keys: Vec<bool> = packets.iter().map(|fields| fields[2].starts_with('K')).collect();
    assert_eq!(keys, film.video().map(|packet| packet.is_key).collect::<Vec<_>>(), "{name}");
}

/// Key frames by their NAL units are those of ffmpeg, and the parameter sets of a byte stream make its configuration.
fn assert_units(name: &str, film: &Film) {
    let (standard, config) = Standard::of(&film.tracks[0].codec).unwrap();
    for (number, packet) in film.video().enumerate() {
        assert!(nal::has_vcl(standard, &packet.data));
        assert_eq!(nal::is_key(standard, &packet.data), packet.is_key, "{name}, frame {number}");
    }
    let format = if standard == Standard::H264 { "h264" } else { "hevc" };
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&film.path).args(["-map", "0:v", "-c", "copy", "-f", format, "-"]);
    let stream = run(&mut command);
    let mut access_unit = Vec::new();
    for unit in nal::annex_b_units(&stream) {
        nal::push_unit(&mut access_unit, unit);
    }
    let mut collected = ParameterSets::new(standard);
    assert!(collected.take(&mut access_unit), "{name}");
    assert_eq!(collected.config().as_deref(), Some(config), "{name}");
    let slices = |data: &[u8]| {
        nal::units(data).filter(|unit| standard.kind(unit).is_some_and(|kind| standard.is_vcl(kind))).count()
    };
    assert_eq!(slices(&access_unit), film.video().map(|packet| slices(&packet.data)).sum::<usize>(), "{name}");
}

fn assert_containers(number: usize) {
    let (name, options) = VIDEOS[number];
    let film = Film::new(options);
    assert_units(name, &film);
    let all = film.frames();
    mp4::assert_closed(name, &film, &all);
    mp4::assert_open(name, &film, &all);
    ts::assert_whole(name, &film, &all);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h264_without_b_frames() {
    assert_containers(0);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h264_bf_2() {
    assert_containers(1);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h264_open_gop() {
    assert_containers(2);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h264_slices() {
    assert_containers(3);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h264_long_gop() {
    assert_containers(4);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h265_open_gop() {
    assert_containers(5);
}

#[test]
fn mp4_and_ts_keep_frames_and_times_of_h265_without_b_frames() {
    assert_containers(6);
}
