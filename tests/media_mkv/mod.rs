//! Matroska, judged by other people's programs: films that ffmpeg wrote are read and written by us, and must be the same
//! films for ffmpeg, ffprobe and `GStreamer`.

mod ffmpeg;
mod fuzz;
mod gstreamer;
mod targets;

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::DateTime;
use footage::media::mkv::{DemuxEvent, MkvDemuxer, MkvMuxer};
use footage::media::{Muxer, Packet, Patch, Track};

use crate::support::Scratch;

/// How often the test's recorder flushes.
const FLUSH_NS: i64 = 200_000_000;

const SECONDS: u32 = 4;
const FRAMES_PER_SECOND: u32 = 15;

/// What ffmpeg writes into a pipe: a test pattern with a key frame a second, and a tone.
fn pipe(coding: &str) -> Vec<u8> {
    let pattern = format!("testsrc2=size=320x240:rate={FRAMES_PER_SECOND}");
    let input = format!("-f lavfi -i {pattern} -f lavfi -i sine=sample_rate=16000 -t {SECONDS} -g {FRAMES_PER_SECOND}");
    ffmpeg(&input, &format!("{coding} -cluster_time_limit 100 -flush_packets 1 -f matroska"))
}

/// What ffmpeg writes into a pipe: the one named by `FOOTAGE_TEST_FFMPEG`, or the one in PATH.
fn ffmpeg(input: &str, output: &str) -> Vec<u8> {
    let program = std::env::var("FOOTAGE_TEST_FFMPEG").ok().filter(|path| !path.is_empty());
    let output = Command::new(program.as_deref().unwrap_or("ffmpeg"))
        .args(["-nostdin", "-v", "error"])
        .args(input.split_whitespace())
        .args(output.split_whitespace())
        .arg("pipe:1")
        .output()
        .expect("ffmpeg is missing: run tests/setup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What a stream holds.
fn demux(stream: &[u8]) -> (Vec<Track>, Vec<Packet>) {
    let (mut demuxer, mut events) = (MkvDemuxer::new(), Vec::new());
    for bytes in stream.chunks(4096) {
        demuxer.push(bytes, &mut events).unwrap();
    }
    let mut events = events.into_iter();
    let Some(DemuxEvent::Tracks(tracks)) = events.next() else { panic!("no tracks") };
    let packets = events.map(|event| match event {
        DemuxEvent::Packet(packet) => packet,
        DemuxEvent::Tracks(_) => panic!("tracks twice"),
    });
    (tracks, packets.collect())
}

/// A file of ours, as it grows.
struct Ours {
    file: Vec<u8>,
    /// After each flush: the length of the file, and how many packets it holds.
    flushed: Vec<(usize, usize)>,
    patches: Vec<Patch>,
}

fn mux(tracks: &[Track], packets: &[Packet]) -> Ours {
    let mut file = Vec::new();
    let mut muxer = MkvMuxer::new(tracks, DateTime::from_timestamp(1_764_460_800, 0).unwrap(), &mut file);
    let (mut flushed, mut next_ns) = (Vec::new(), FLUSH_NS);
    for (nth, packet) in packets.iter().enumerate() {
        if packet.pts_ns >= next_ns {
            muxer.flush(&mut file);
            flushed.push((file.len(), nth));
            next_ns = packet.pts_ns + FLUSH_NS;
        }
        muxer.push(packet, &mut file);
    }
    let patches = muxer.finish(&mut file);
    Ours { file, flushed, patches }
}

impl Ours {
    /// Writes the finished file.
    fn write(&self, scratch: &Scratch) -> PathBuf {
        let mut file = self.file.clone();
        for Patch { offset_bytes, bytes } in &self.patches {
            let at = usize::try_from(*offset_bytes).unwrap();
            file[at..at + bytes.len()].copy_from_slice(bytes);
        }
        scratch.write("ours.mkv", file)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
