#!/bin/sh
# mime_guess calls a file named .ts, .mts or .m2ts "video/vnd.dlna.mpeg-tts". That is the type of DLNA's timestamped
# streams with packets of 192 bytes, as .m2ts has them. A .ts of a camera, of HLS or of ffmpeg has 188 and is
# video/mp2t (RFC 3555), as npm's mime-types says. Of the types of this field it does not know .h265, .hevc, .264 and
# .mjpeg.
#
# Package: mime_guess 2.0.5 (crates.io); mime-types 3.0.2 (npm) for comparison
# Input:   the names of recordings
# Expect:  video/mp2t for .ts
# Seen:    2026-11-29: video/vnd.dlna.mpeg-tts for all three
# Matters: segments uploaded with this Content-Type are not taken for a transport stream by whatever goes by the type,
#          and the bucket keeps it for good.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" mime-types@3.0.2
mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
mime_guess = "=2.0.5"
[workspace]
EOF
cat >src/main.rs <<'EOF'
fn main() {
    for extension in ["ts", "mts", "m2ts", "mkv", "mp4", "hevc", "mjpeg"] {
        println!("{extension} {}", mime_guess::from_ext(extension).first_raw().unwrap_or("unknown"));
    }
}
EOF
{
    CARGO_TARGET_DIR="$work/target" cargo run --quiet
    echo "npm: ts $(node -p 'require("mime-types").lookup("clip.ts")')"
} | tee seen
cat >expected <<'EOF'
ts video/vnd.dlna.mpeg-tts
mts video/vnd.dlna.mpeg-tts
m2ts video/vnd.dlna.mpeg-tts
mkv video/x-matroska
mp4 video/mp4
hevc unknown
mjpeg unknown
npm: ts video/mp2t
EOF
cmp -s seen expected || { echo "changed: mime_guess 2.0.5 names other types"; exit 1; }
echo "as found: a transport stream is called a DLNA one"
