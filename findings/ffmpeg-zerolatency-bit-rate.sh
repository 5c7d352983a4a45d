#!/bin/sh
# libx264 in ffmpeg with -tune zerolatency and -b:v 1M makes 28 kbit/s of JPEG pictures that have their own time stamps.
# The tune switches x264 to constant frame rate; the stream has no rate, so ffmpeg gives the encoder that of the clock,
# 1000 a second, and each picture gets the bits of a millisecond. Without the tune, or with -x264-params fps=25,
# the rate is as asked for. Nothing is logged.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2); Debian's 5.1.9 does the same
# Input:   8 s of JPEG, one each 40 ms and up to 14 ms more, in Matroska without DefaultDuration;
#          -fps_mode vfr -enc_time_base 1:1000 -c:v libx264 -preset ultrafast -b:v 1M
# Expect:  1 Mbit/s with and without the tune: the time stamps say how long each picture lasts
# Seen:    2026-11-30: 1 Mbit/s without, 1/40 of it with -tune zerolatency, 1 Mbit/s with that and fps=25
# Matters: this is what one meets who pipes a camera's JPEG pictures into ffmpeg with the times at which they came, and
#          zerolatency is what one takes for live sources: the recording is all blocks.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=8,noise=alls=30:allf=t \
    -vf "settb=1/1000,setpts='N*40+mod(N*7,15)'" -fps_mode passthrough -enc_time_base 1:1000 -c:v mjpeg -q:v 4 \
    -write_crc32 0 rated.mkv
# A Void element in the place of DefaultDuration, which most who write Matroska themselves leave out.
python3 - <<'EOF'
movie = open("rated.mkv", "rb").read()
before, after = movie.split(b"\x23\xe3\x83\x84", 1)
open("own.mkv", "wb").write(before + b"\xec\x86" + bytes(6) + after[4:])
EOF
: >seen
encode() {
    "$ffmpeg" -nostdin -v error -y -i own.mkv -fps_mode vfr -enc_time_base 1:1000 -c:v libx264 -preset ultrafast \
        -threads 1 -pix_fmt yuv420p -b:v 1M "$@" encoded.mkv
    # Bytes of 8 s: kbit/s.
    rate=$(($(wc -c <encoded.mkv) / 1000))
    echo "measured with ${*:-neither}: $rate kbit/s"
    if [ "$rate" -lt 50 ]; then
        echo "${*:-neither}: about 1/40" >>seen
    elif [ "$rate" -gt 900 ] && [ "$rate" -lt 1300 ]; then
        echo "${*:-neither}: about 1 Mbit/s" >>seen
    fi
}
encode
encode -tune zerolatency
encode -tune zerolatency -x264-params fps=25
cat seen
cat >expected <<'EOF'
neither: about 1 Mbit/s
-tune zerolatency: about 1/40
-tune zerolatency -x264-params fps=25: about 1 Mbit/s
EOF
cmp -s seen expected || { echo "changed: ffmpeg 9.0.2 gives x264 another rate"; exit 1; }
echo "as found: with zerolatency a picture gets the bits of a millisecond"
