#!/bin/sh
# When the RMC sentence of a second comes before its GGA, as in the logs of many receivers, gpsbabel gives each
# position the time of the next second: the first position stands there twice, all others a second late, and the last
# one is missing. With GGA first, or with RMC alone, the same log is read rightly.
#
# Package: gpsbabel 1.8.0+ds-5 (Debian 12)
# Input:   NMEA of four seconds, RMC and GGA of each second with the same time and position, valid checksums
# Expect:  four points, each with the time that stands in its own two sentences, in either order
# Seen:    2026-11-29: GGA first and RMC alone 67 77 87 97; RMC first 67 67 77 87 (the last digits of the latitude, in
#          millionths of a degree, at 06:03:29 to 06:03:32)
# Matters: at 130 km/h a second is 36 m: the dashcam's track runs behind its pictures, and a converter that was tried
#          with one receiver is wrong with the next.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
# Debian's own packages, unpacked here and not installed. The libraries are taken in the version that fits.
apt-get -q -o Dir::Log::Terminal=/dev/null download gpsbabel=1.8.0+ds-5 libshp2 libqt5core5a libpcre2-16-0 \
    libpcre2-8-0 libdouble-conversion3 libicu72 libglib2.0-0 libusb-1.0-0 >/dev/null 2>&1 ||
    { echo "this needs Debian 12 and apt-get update" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root; done
gpsbabel() {
    LD_LIBRARY_PATH="$(dirname "$(find root -name 'libshp.so.2')")" root/usr/bin/gpsbabel "$@"
}

cat >nmea.py <<'EOF'
import sys


def sentence(body):
    checksum = 0
    for character in body:
        checksum ^= ord(character)
    return f"${body}*{checksum:02X}"


for second in range(4):
    time, latitude = f"0603{29 + second}.00", f"4807.{second * 60:05d}"
    both = {
        "RMC": sentence(f"GPRMC,{time},A,{latitude},N,01131.00000,E,022.4,084.4,180726,,,A"),
        "GGA": sentence(f"GPGGA,{time},{latitude},N,01131.00000,E,1,08,0.9,545.4,M,46.9,M,,"),
    }
    for kind in sys.argv[1:]:
        print(both[kind])
EOF
for order in "GGA RMC" "RMC" "RMC GGA"; do
    # shellcheck disable=SC2086
    python3 nmea.py $order >log.nmea
    echo "$order:"
    gpsbabel -t -i nmea -f log.nmea -o unicsv,utc=0 -F - | tr -d '\r' |
        awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i } NR > 1 { print "  " $column["Time"], $column["Latitude"] }'
done | tee seen
cat >expected <<'EOF'
GGA RMC:
  06:03:29 48.116667
  06:03:30 48.116677
  06:03:31 48.116687
  06:03:32 48.116697
RMC:
  06:03:29 48.116667
  06:03:30 48.116677
  06:03:31 48.116687
  06:03:32 48.116697
RMC GGA:
  06:03:29 48.116667
  06:03:30 48.116667
  06:03:31 48.116677
  06:03:32 48.116687
EOF
cmp -s seen expected || { echo "changed: gpsbabel 1.8.0 joins RMC and GGA in another way"; exit 1; }
echo "as found: each position has the time of the next second"
