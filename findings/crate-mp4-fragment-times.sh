#!/bin/sh
# Read from a fragmented MP4, every sample of the crate mp4 has start_time 0, duration 0 and rendering_offset 0, and
# the track lasts 0 s at 0 frames per second. All samples come, in order, with their right bytes, and nothing is an
# error. The crate multiplies the sample's number with the default of `trex`, which ffmpeg and others leave at 0; it
# reads the durations and offsets of `tfhd` and `trun`, and does not use them.
#
# Package: mp4 0.14.0 (crates.io); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes the files
# Input:   4 s H.264 at 25/s with two B-frames in MP4, plain and with -movflags frag_keyframe+empty_moov
# Expect:  the same times for both: 100 samples, 4 s, times that rise, offsets for the B-frames
# Seen:    2026-11-29: plain 4000 ms, last start 50688 of 12800 a second; fragmented 0 ms, last start 0
# Matters: remuxed with these times, a recording of an hour plays in no time at all, or all pictures at once.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=4 -c:v libx264 -preset veryfast -bf 2 \
    -g 50 -pix_fmt yuv420p plain.mp4
"$ffmpeg" -nostdin -v error -i plain.mp4 -c copy -movflags frag_keyframe+empty_moov fragmented.mp4

mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
mp4 = "=0.14.0"
[workspace]
EOF
cat >src/main.rs <<'EOF'
use std::{fs::File, io::BufReader};

fn main() {
    for name in ["plain", "fragmented"] {
        let file = File::open(format!("{name}.mp4")).unwrap();
        let bytes = file.metadata().unwrap().len();
        let mut movie = mp4::Mp4Reader::read_header(BufReader::new(file), bytes).unwrap();
        let count = movie.sample_count(1).unwrap();
        let samples: Vec<_> = (1..=count).map(|id| movie.read_sample(1, id).unwrap().unwrap()).collect();
        let last = samples.last().unwrap();
        let offsets = samples.iter().filter(|sample| sample.rendering_offset != 0).count();
        println!(
            "{name}: {count} samples, {} ms, last start {} duration {}, {} with an offset",
            movie.tracks()[&1].duration().as_millis(),
            last.start_time,
            last.duration,
            if offsets > 0 { "some" } else { "none" },
        );
    }
}
EOF
CARGO_TARGET_DIR="$work/target" cargo run --quiet | tee seen
cat >expected <<'EOF'
plain: 100 samples, 4000 ms, last start 50688 duration 512, some with an offset
fragmented: 100 samples, 0 ms, last start 0 duration 0, none with an offset
EOF
cmp -s seen expected || { echo "changed: mp4 0.14.0 times fragments in another way"; exit 1; }
echo "as found: every sample of a fragmented file is at 0"
