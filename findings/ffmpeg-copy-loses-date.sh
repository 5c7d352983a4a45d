#!/bin/sh
# ffmpeg -c copy keeps the title, the artist and every other tag of a file, and drops creation_time. Its manual says
# that global metadata is copied from the first input when -map_metadata is not given; with that default written out
# (-map_metadata 0) creation_time is kept, in the file and in each track.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2); Debian's 5.1.9 does the same
# Input:   2 s H.264 in MP4 with a title and creation time 2020-07-18T06:03:29Z, copied to MP4 and Matroska
# Expect:  both tags, or the same with and without the default option
# Seen:    2026-11-29: without the option title only; with -map_metadata 0 title and date
# Matters: cutting, repairing or repackaging a clip takes the time of recording from it, for ExifTool "0000:00:00".
#          Sorted by date it falls back to the file's time, which is that of the copy.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=2 -c:v libx264 -preset ultrafast \
    -pix_fmt yuv420p -metadata title=cam1 -metadata creation_time=2020-07-18T06:03:29Z clip.mp4
tags() {
    "$ffmpeg" -nostdin -v error -i "$1" -map_metadata 0 -f ffmetadata - | sed -n 's/^title=//p; s/^creation_time=//p' |
        sort | tr '\n' ' '
}
{
    echo "clip.mp4: $(tags clip.mp4)"
    for kind in mp4 mkv; do
        "$ffmpeg" -nostdin -v error -i clip.mp4 -c copy "plain.$kind"
        "$ffmpeg" -nostdin -v error -i clip.mp4 -c copy -map_metadata 0 "mapped.$kind"
        echo "to $kind: $(tags "plain.$kind")"
        echo "to $kind with -map_metadata 0: $(tags "mapped.$kind")"
    done
} | sed 's/ $//' | tee seen
cat >expected <<'EOF'
clip.mp4: 2020-07-18T06:03:29.000000Z cam1
to mp4: cam1
to mp4 with -map_metadata 0: 2020-07-18T06:03:29.000000Z cam1
to mkv: cam1
to mkv with -map_metadata 0: 2020-07-18T06:03:29.000000Z cam1
EOF
cmp -s seen expected || { echo "changed: ffmpeg 9.0.2 copies creation_time in another way"; exit 1; }
echo "as found: the default that is written out is another one"
