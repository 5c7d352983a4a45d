#!/bin/sh
# read_frames() of imageio-ffmpeg gives more pictures than the file holds. ffmpeg decodes into its raw video output at
# a constant rate, so wherever frames are missing it repeats the last one. count_frames_and_secs() of the same package,
# which its documentation names for the number of frames, counts the real ones: 425, while the loop yields 500.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2)
# Input:   20 s at 25/s without the frames 100 to 174, in Matroska: a camera that was away for three seconds
# Expect:  the loop yields as many pictures as the file has frames
# Seen:    2026-11-29: counted 425, read 500, of which 75 are the picture before
# Matters: a search for frozen or missing pictures finds a frozen camera where a gap is, and the n-th picture is not
#          the n-th frame. output_params=["-fps_mode", "passthrough"] gives the 425.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'

cat >run.py <<'EOF'
import subprocess

import imageio_ffmpeg

# Each frame of testsrc2 differs from the one before.
source = "testsrc2=size=160x90:rate=25:duration=20"
gap = "select='not(between(n,100,174))'"
encode = "-fps_mode vfr -c:v libx264 -preset ultrafast -pix_fmt yuv420p gap.mkv".split()
ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error"]
subprocess.run([*ffmpeg, "-f", "lavfi", "-i", source, "-vf", gap, *encode], check=True)


def read(**options):
    frames = imageio_ffmpeg.read_frames("gap.mkv", **options)
    next(frames)
    pictures = list(frames)
    return len(pictures), sum(a == b for a, b in zip(pictures, pictures[1:]))


print("count_frames_and_secs %d" % imageio_ffmpeg.count_frames_and_secs("gap.mkv")[0])
print("read_frames           %d, %d repeated" % read())
print("with passthrough      %d, %d repeated" % read(output_params=["-fps_mode", "passthrough"]))
EOF
env/bin/python run.py | tee seen
cat >expected <<'EOF'
count_frames_and_secs 425
read_frames           500, 75 repeated
with passthrough      425, 0 repeated
EOF
cmp -s seen expected || { echo "changed: imageio-ffmpeg 0.8.1 yields another number of frames"; exit 1; }
echo "as found: 75 pictures that were never recorded"
