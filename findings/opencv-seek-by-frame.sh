#!/bin/sh
# CAP_PROP_POS_FRAMES of OpenCV is a time in disguise. In a recording with a gap, set(POS_FRAMES, 200) gives the frame
# that reading reaches after 125 others, and get() agrees that it is number 200. In an MPEG-TS file with B-frames
# set(POS_FRAMES, 0), a rewind, gives frame 25: the first group of pictures cannot be reached any more. read() reports
# success each time.
#
# Package: opencv-python-headless 5.0.0.93 (PyPI); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes the files
# Input:   20 s at 25/s, a key frame a second, every picture different; whole with B-frames in MP4 and TS, and without
#          the frames 100 to 174 in Matroska (a camera that was away)
# Expect:  after set(POS_FRAMES, n) read() gives the n-th frame, counted from 0 by reading the file
# Seen:    2026-11-29: MP4 0 50 200; TS 25 50 200; Matroska with the gap 0 50 125
# Matters: an event noted by its frame number while reading is another picture when it is looked up, three seconds of
#          camera time away; and the first second of a TS segment is missing from every second look.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'opencv-python-headless==5.0.0.93' 'imageio-ffmpeg==0.8.1'

ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 -c:v libx264 -preset ultrafast \
    -g 25 -bf 2 -pix_fmt yuv420p whole.mp4
"$ffmpeg" -nostdin -v error -i whole.mp4 -c copy whole.ts
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 \
    -vf "select='not(between(n,100,174))'" -fps_mode vfr -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p gap.mkv

cat >run.py <<'EOF'
import cv2


def pictures(name):
    video = cv2.VideoCapture(name)
    while True:
        more, picture = video.read()
        if not more:
            return
        yield picture.tobytes()


def sought(name, number, frames):
    video = cv2.VideoCapture(name)
    video.set(cv2.CAP_PROP_POS_FRAMES, number)
    picture = video.read()[1].tobytes()
    return "%d is %d, says %d" % (number, frames.index(picture), video.get(cv2.CAP_PROP_POS_FRAMES) - 1)


for name in "whole.mp4", "whole.ts", "gap.mkv":
    frames = list(pictures(name))
    print(f"{name}, {len(frames)} frames:", "; ".join(sought(name, number, frames) for number in (0, 50, 200)))
EOF
OPENCV_FFMPEG_LOGLEVEL=-8 env/bin/python run.py | tee seen
cat >expected <<'EOF'
whole.mp4, 500 frames: 0 is 0, says 0; 50 is 50, says 50; 200 is 200, says 200
whole.ts, 500 frames: 0 is 25, says 0; 50 is 50, says 50; 200 is 200, says 200
gap.mkv, 425 frames: 0 is 0, says 0; 50 is 50, says 50; 200 is 125, says 200
EOF
cmp -s seen expected || { echo "changed: OpenCV 5.0.0 seeks by frame in another way"; exit 1; }
echo "as found: the frame sought is not the frame read"
