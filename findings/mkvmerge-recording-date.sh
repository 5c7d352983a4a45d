#!/bin/sh
# mkvmerge writes the moment of its own run as the date of the file, also when it remuxes a recording that has a date.
# The creation time of an MP4 and the date of a Matroska file are gone without a word. --no-date leaves the new date
# out, and does not bring the old one back. (Matroska calls the field the date of muxing; everything that reads it,
# ffprobe first, calls it creation_time.)
#
# Package: mkvtoolnix 74.0.0-1+deb12u1 (Debian 12); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes and reads the files
# Input:   2 s H.264 with creation time 2020-07-18T06:03:29Z in MP4 and in Matroska
# Expect:  the date of the recording, as all its other tags are kept (or none)
# Seen:    2026-11-29: both say 2026-11-29; with --no-date none
# Matters: appending segments or repairing a killed recording with mkvmerge is common advice. It puts all footage at
#          the date of the repair, in a field that readers take for the time of recording.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
# Debian's own packages, unpacked here and not installed. The libraries are taken in the version that fits.
apt-get -q -o Dir::Log::Terminal=/dev/null download mkvtoolnix=74.0.0-1+deb12u1 libebml5 libmatroska7 libfmt9 \
    libpugixml1v5 libqt5core5a libpcre2-16-0 libpcre2-8-0 libboost-filesystem1.74.0 libdvdread8 libflac12 libogg0 \
    libvorbis0a libdouble-conversion3 libicu72 libglib2.0-0 >/dev/null 2>&1 ||
    { echo "this needs Debian 12 and apt-get update" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root; done
mkvmerge() {
    LC_ALL=C.UTF-8 LD_LIBRARY_PATH="$(dirname "$(find root -name 'libmatroska.so.7')")" root/usr/bin/mkvmerge "$@"
}
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
for kind in mp4 mkv; do
    "$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=2 -c:v libx264 -preset ultrafast \
        -pix_fmt yuv420p -metadata creation_time=2020-07-18T06:03:29Z "clip.$kind"
    mkvmerge --quiet -o "from-$kind.mkv" "clip.$kind"
done
mkvmerge --quiet --no-date -o no-date.mkv clip.mkv
# The date that a file carries, today's as a word so that the output is the same on every day.
today=$(date -u +%Y-%m-%d)
date_of() {
    "$ffmpeg" -nostdin -hide_banner -i "$1" 2>&1 | sed -n "s/^    creation_time *: *//p" | head -1 |
        sed "s/^$today.*/today/; s/T.*//" | grep . || echo none
}
{
    echo "the recordings:     $(date_of clip.mp4), $(date_of clip.mkv)"
    echo "mp4 by mkvmerge:    $(date_of from-mp4.mkv)"
    echo "mkv by mkvmerge:    $(date_of from-mkv.mkv)"
    echo "mkv with --no-date: $(date_of no-date.mkv)"
} | tee seen
cat >expected <<'EOF'
the recordings:     2020-07-18, 2020-07-18
mp4 by mkvmerge:    today
mkv by mkvmerge:    today
mkv with --no-date: none
EOF
cmp -s seen expected || { echo "changed: mkvmerge 74 dates its files in another way (or it was midnight UTC)"; exit 1; }
echo "as found: the date of the recording is lost"
