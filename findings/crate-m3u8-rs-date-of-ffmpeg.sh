#!/bin/sh
# ffmpeg writes EXT-X-PROGRAM-DATE-TIME with the offset as +0200, without a colon. m3u8-rs takes only offsets with a
# colon (or Z). It reports no error: program_date_time is None and the line lies among the unknown tags. Python's m3u8
# and npm's m3u8-parser read the same playlist.
#
# Package: m3u8-rs 6.0.1 (crates.io); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes the playlist
# Input:   ffmpeg -f hls -hls_flags program_date_time, 8 s in two segments; then the same text with a colon put in
# Expect:  a date for each segment, as other readers give, or an error. Strictly, ISO 8601 wants the colon in this
#          format: ffmpeg is the loose one, and the surprise is the silence
# Seen:    2026-11-29: 0 of 2 segments have a date, 2 unknown tags; with the colon 2 of 2 have one
# Matters: playlists made by ffmpeg are the common way in which recordings keep their wall-clock time. Without an error
#          the reader falls back to adding up durations, and gaps are closed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
TZ=Europe/Berlin "$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=8 -c:v libx264 \
    -preset ultrafast -g 100 -pix_fmt yuv420p -f hls -hls_time 4 -hls_flags program_date_time ffmpeg.m3u8
sed 's/^\(#EXT-X-PROGRAM-DATE-TIME.*[+-]..\)\(..\)$/\1:\2/' ffmpeg.m3u8 >colon.m3u8

mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
m3u8-rs = "=6.0.1"
[workspace]
EOF
cat >src/main.rs <<'EOF'
fn main() {
    for name in ["ffmpeg", "colon"] {
        let text = std::fs::read(format!("{name}.m3u8")).unwrap();
        let playlist = m3u8_rs::parse_media_playlist_res(&text).unwrap();
        let dated = playlist.segments.iter().filter(|segment| segment.program_date_time.is_some()).count();
        let unknown: usize = playlist.segments.iter().map(|segment| segment.unknown_tags.len()).sum();
        println!("{name}: {dated} of {} segments dated, {unknown} unknown tags", playlist.segments.len());
    }
}
EOF
CARGO_TARGET_DIR="$work/target" cargo run --quiet | tee seen
cat >expected <<'EOF'
ffmpeg: 0 of 2 segments dated, 2 unknown tags
colon: 2 of 2 segments dated, 0 unknown tags
EOF
cmp -s seen expected || { echo "changed: m3u8-rs 6.0.1 reads dates in another way, or ffmpeg writes them so"; exit 1; }
echo "as found: the dates that ffmpeg writes are lost"
