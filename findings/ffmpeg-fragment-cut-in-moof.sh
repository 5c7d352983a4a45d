#!/bin/sh
# ffmpeg does not open a fragmented MP4 that ends inside a later moof: "error reading header", though the fragments
# before it are whole. The same bytes play through a pipe, and with -fflags +ignidx: else ffmpeg looks at all fragments
# of a file before it opens it. A file that ends before that moof, after eight bytes of it or inside its mdat plays.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2); Debian's 5.1.9 does the same
# Input:   4 s H.264, -movflags frag_keyframe+empty_moov, four fragments of 25 frames; cut before, in the middle of and
#          after the eighth byte of the fourth moof, and in the middle of its mdat
# Expect:  75 frames each time, a few more for the cut in mdat: fragments are made so that a file may end anywhere
# Seen:    2026-11-30: 75 before, 75 after eight bytes, 87 in mdat; 0 in the middle of moof, 75 by both detours
# Matters: power cuts end recordings anywhere. A hit inside moof is rare, and then hours seem lost that are all there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=4 -c:v libx264 -preset ultrafast -g 25 \
    -threads 1 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov whole.mp4
python3 - <<'EOF'
import struct

whole = open("whole.mp4", "rb").read()
boxes, at = [], 0
while at < len(whole):
    size, kind = struct.unpack(">I4s", whole[at : at + 8])
    boxes.append((kind, at, size))
    at += size
fourth = lambda kind: [box for box in boxes if box[0] == kind][3]
(_, moof, moof_size), (_, mdat, mdat_size) = fourth(b"moof"), fourth(b"mdat")
ends = {"before": moof, "header": moof + 8, "moof": moof + moof_size // 2, "mdat": mdat + mdat_size // 2}
for name, end in ends.items():
    open(name + ".mp4", "wb").write(whole[:end])
EOF
frames() { "$ffmpeg" -nostdin -v fatal "$@" -c copy -f framecrc - | grep -vc '^#' || true; }
{
    echo "whole: $(frames -i whole.mp4)"
    for cut in before header moof mdat; do echo "cut $cut: $(frames -i $cut.mp4)"; done
    # shellcheck disable=SC2002 # a pipe is what this is about
    echo "cut moof, through a pipe: $(cat moof.mp4 | frames -i -)"
    echo "cut moof, with ignidx: $(frames -fflags +ignidx -i moof.mp4)"
} | tee seen
cat >expected <<'EOF'
whole: 100
cut before: 75
cut header: 75
cut moof: 0
cut mdat: 87
cut moof, through a pipe: 75
cut moof, with ignidx: 75
EOF
cmp -s seen expected || { echo "changed: ffmpeg 9.0.2 opens cut fragments in another way"; exit 1; }
echo "as found: a file that ends in moof does not open, a pipe of it does"
