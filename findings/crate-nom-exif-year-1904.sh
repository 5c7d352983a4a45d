#!/bin/sh
# nom-exif gives an MP4 that has no creation time the CreateDate 1904-01-01T00:00:00+00:00. A 0 in the movie header
# means "not set" (ffmpeg writes it when no date is given); the crate takes it for a date, although its `get` returns
# an Option. In the same way a Matroska file without a duration, which is what a recorder that was killed leaves, has
# DurationMs 0.
#
# Package: nom-exif 3.8.0 (crates.io); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes the files
# Input:   2 s H.264 in MP4 without a creation time, with one, and in Matroska through a pipe
# Expect:  None where nothing is stored
# Seen:    2026-11-29: CreateDate 1904-01-01T00:00:00+00:00; the set one is right; DurationMs 0
# Matters: clips sorted by date go to a folder 1904, and retention removes them first; a duration of 0 reads as
#          "empty".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=2 -c:v libx264 -preset ultrafast \
    -pix_fmt yuv420p unset.mp4
"$ffmpeg" -nostdin -v error -i unset.mp4 -c copy -metadata creation_time=2026-07-18T06:03:29Z set.mp4
"$ffmpeg" -nostdin -v error -i unset.mp4 -c copy -f matroska - | cat >piped.mkv

mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
nom-exif = "=3.8.0"
[workspace]
EOF
cat >src/main.rs <<'EOF'
use nom_exif::TrackInfoTag::{CreateDate, DurationMs};

fn main() {
    for name in ["unset.mp4", "set.mp4", "piped.mkv"] {
        let track = nom_exif::read_track(name).unwrap();
        let text = |tag| track.get(tag).map_or("None".to_string(), |value| value.to_string());
        println!("{name}: CreateDate {}, DurationMs {}", text(CreateDate), text(DurationMs));
    }
}
EOF
TZ=UTC CARGO_TARGET_DIR="$work/target" cargo run --quiet | tee seen
cat >expected <<'EOF'
unset.mp4: CreateDate 1904-01-01T00:00:00+00:00, DurationMs 2000
set.mp4: CreateDate 2026-07-18T06:03:29+00:00, DurationMs 2000
piped.mkv: CreateDate None, DurationMs 0
EOF
cmp -s seen expected || { echo "changed: nom-exif 3.8.0 reports what is not set in another way"; exit 1; }
echo "as found: not set is reported as 1904 and as 0"
