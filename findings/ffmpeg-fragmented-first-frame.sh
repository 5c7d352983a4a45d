#!/bin/sh
# ffmpeg copies an MP4 with AAC into a fragmented MP4 whose first picture stays for 104 ms, and all others for 40 ms.
# The encoder's AAC starts one frame of sound before the picture (64 ms at 16 kHz); a header written before the first
# fragment has no edit list that could say so. So ffmpeg moves everything by 64 ms except the first picture. The file
# is 64 ms longer than its source. With delay_moov the header comes after the first fragment, and all is even.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2); Debian's 5.1.9 does the same
# Input:   20 s H.264 at 25/s with AAC at 16 kHz in MP4, -c copy -movflags frag_keyframe+empty_moov
# Expect:  pictures 40 ms apart, as in the source (it has no negative time stamps when one looks at the picture)
# Seen:    2026-11-29: 0.000 0.104 0.144 0.184; with delay_moov 0.000 0.040 0.080 0.120
# Matters: the average rate becomes 24.92, and a position computed from the frame number is 64 ms off in every file
#          that is made this way.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'

ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 \
    -f lavfi -i sine=440:sample_rate=16000:duration=20 -c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p \
    -c:a aac source.mp4
# The packets' times in milliseconds: what the first four pictures of a file say. framecrc prints them as stored.
first_times() {
    "$ffmpeg" -nostdin -v error -i "$1" -map 0:v -c copy -copyts -f framecrc - |
        awk -F', *' '/^#tb/ { split($0, a, " "); split(a[3], tb, "/") }
            !/^#/ && n++ < 4 { printf " %.3f", $3 * tb[1] / tb[2] } END { print "" }'
}
for flags in frag_keyframe+empty_moov frag_keyframe+empty_moov+delay_moov; do
    "$ffmpeg" -nostdin -v error -i source.mp4 -c copy -movflags "$flags" "$flags.mp4"
done
{
    echo "source    $(first_times source.mp4)"
    echo "fragmented$(first_times frag_keyframe+empty_moov.mp4)"
    echo "delay_moov$(first_times frag_keyframe+empty_moov+delay_moov.mp4)"
} | tee seen
cat >expected <<'EOF'
source     0.000 0.040 0.080 0.120
fragmented 0.000 0.104 0.144 0.184
delay_moov 0.000 0.040 0.080 0.120
EOF
cmp -s seen expected || { echo "changed: ffmpeg 9.0.2 times the first fragment in another way"; exit 1; }
echo "as found: the first picture is stretched by the audio's priming"
