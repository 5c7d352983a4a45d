#!/bin/sh
# MPEG-TS counts time in 33 bits, so its clock starts again at 0 every 26.5 hours. mkvmerge follows the count over that
# point, but then no longer moves the beginning to 0, as it does with every other TS file: the Matroska file of a
# 20-second recording starts at 95,436 s, 26 hours and 30 minutes after its own beginning. Its header says 20 s.
#
# Package: mkvtoolnix 74.0.0-1+deb12u1 (Debian 12); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes and reads the files
# Input:   20 s H.264 in MPEG-TS, once from ffmpeg's usual 1.4 s on, once from 95,436 s on, 7 s before the wrap at 2^33
#          / 90000
# Expect:  both Matroska files start at 0
# Seen:    2026-11-29: 0 s and 95436 s; ffmpeg -i wrap.ts -c copy out.mkv gives one that starts at 0
# Matters: an encoder that streams TS and does not reset its clock hits one segment a day. All times in that file are
#          26 hours off: a cut "from 0:05 to 0:10" finds nothing.
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
make="-nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25:duration=20 -c:v libx264 -preset ultrafast -g 25"
# shellcheck disable=SC2086
"$ffmpeg" $make -pix_fmt yuv420p usual.ts
# shellcheck disable=SC2086
"$ffmpeg" $make -pix_fmt yuv420p -output_ts_offset 95435 wrap.ts
"$ffmpeg" -nostdin -v error -i wrap.ts -c copy ffmpeg.mkv
mkvmerge --quiet -o usual.mkv usual.ts
mkvmerge --quiet -o wrap.mkv wrap.ts
start() {
    "$ffmpeg" -nostdin -hide_banner -i "$1" 2>&1 |
        sed -n 's/.*Duration: \([0-9:]*\)[^,]*, start: \([0-9]*\)\..*/start \2 s, duration \1/p'
}
{
    echo "usual.ts by mkvmerge: $(start usual.mkv)"
    echo "wrap.ts by mkvmerge:  $(start wrap.mkv)"
    echo "wrap.ts by ffmpeg:    $(start ffmpeg.mkv)"
} | tee seen
cat >expected <<'EOF'
usual.ts by mkvmerge: start 0 s, duration 00:00:20
wrap.ts by mkvmerge:  start 95436 s, duration 00:00:20
wrap.ts by ffmpeg:    start 0 s, duration 00:00:20
EOF
cmp -s seen expected || { echo "changed: mkvmerge 74 treats the wrap in another way"; exit 1; }
echo "as found: the recording begins a day late"
