#!/bin/sh
# ExifTool says "Duration: 0 s" for a fragmented MP4 of 20 seconds that every player shows in full, with exit code 0
# and no warning. It prints the field of the movie header, which is 0 there by design: the length is the sum of the
# fragments, and those it does not add up, even with -ee.
#
# Package: exiftool-vendored.pl 13.59.3 (npm, carries ExifTool 13.59); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2)
# Input:   20 s H.264 in MP4, plain and with -movflags frag_keyframe+empty_moov
# Expect:  20 s for both, or no Duration where none is known
# Seen:    2026-11-29: plain 20, fragmented 0, fragmented with -ee 0
# Matters: recorders write fragmented MP4, since it survives a crash. A script that removes clips of no length by
#          `exiftool -if '$Duration == 0'` removes all of them.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" exiftool-vendored.pl@13.59.3
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'

ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 -c:v libx264 -preset ultrafast \
    -g 50 -pix_fmt yuv420p plain.mp4
"$ffmpeg" -nostdin -v error -i plain.mp4 -c copy -movflags frag_keyframe+empty_moov fragmented.mp4
exiftool() { perl node_modules/exiftool-vendored.pl/bin/exiftool -n -s3 -Duration "$@"; }
{
    echo "plain           $(exiftool plain.mp4)"
    echo "fragmented      $(exiftool fragmented.mp4)"
    echo "fragmented, -ee $(exiftool -ee fragmented.mp4)"
} | tee seen
cat >expected <<'EOF'
plain           20
fragmented      0
fragmented, -ee 0
EOF
cmp -s seen expected || { echo "changed: ExifTool 13.59 reads fragmented MP4 in another way"; exit 1; }
echo "as found: 20 seconds are reported as none"
