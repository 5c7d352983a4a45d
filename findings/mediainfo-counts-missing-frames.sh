#!/bin/sh
# MediaInfo says that a Matroska recording with a gap of three seconds has 500 frames at a constant 25.000 per second.
# It holds 425: the count is duration × rate, and nothing says that it is computed. For the same frames in MP4 it says
# 425, 21.250 per second, variable. With parse_speed=1 the count is right, and mode and rate still say constant 25.
#
# Package: pymediainfo 7.0.1 (PyPI, carries MediaInfo 24.12); imageio-ffmpeg 0.8.1 (ffmpeg 9.0.2) makes the files
# Input:   20 s at 25/s without the frames 100 to 174, encoded once, stored in Matroska and in MP4 with -c copy
# Expect:  the same count for the same frames, or no count where none was made
# Seen:    2026-11-29: mkv 500 CFR 25.000, mkv with parse_speed=1 425 CFR 25.000, mp4 425 VFR 21.250
# Matters: a check for lost frames that compares FrameCount with duration × FrameRate can never fail for Matroska, the
#          usual container of camera recorders.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'pymediainfo==7.0.1' 'imageio-ffmpeg==0.8.1'

ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 \
    -vf "select='not(between(n,100,174))'" -fps_mode vfr -c:v libx264 -preset ultrafast -pix_fmt yuv420p gap.mkv
"$ffmpeg" -nostdin -v error -i gap.mkv -c copy gap.mp4

cat >run.py <<'EOF'
from pymediainfo import MediaInfo

for name, speed in ("gap.mkv", 0.5), ("gap.mkv", 1), ("gap.mp4", 0.5):
    video = MediaInfo.parse(name, parse_speed=speed).video_tracks[0]
    print(name, speed, video.frame_count, video.frame_rate_mode, video.frame_rate)
EOF
env/bin/python run.py | tee seen
cat >expected <<'EOF'
gap.mkv 0.5 500 CFR 25.000
gap.mkv 1 425 CFR 25.000
gap.mp4 0.5 425 VFR 21.250
EOF
cmp -s seen expected || { echo "changed: MediaInfo 24.12 counts frames in another way"; exit 1; }
echo "as found: 75 frames are counted that are not there"
