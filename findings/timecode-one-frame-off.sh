#!/bin/sh
# Python's timecode counts frames from 1, so 00:00:00:00 is one frame long, and sums and differences show it:
# 06:03:29:00 minus 06:03:28:00 is 00:00:00:24, and 06:03:28:00 plus 00:00:01:00 is 06:03:29:01. Adding the number 25
# gives 06:03:29:00. A rate of 12.5 is taken without a word and used as 12: after an hour the timecode is 2.5 minutes
# ahead.
#
# Package: timecode 1.5.1 (PyPI)
# Input:   timecodes at 25 a second; frame number 45,000 (one hour) at 12.5 a second
# Expect:  00:00:01:00; 06:03:29:00; 01:00:00:00, or an error for a rate that has no timecode
# Seen:    2026-11-29: 00:00:00:24; 06:03:29:01; 01:02:30:00
# Matters: each segment whose start is computed as the sum of the ones before is one frame later than it should be, and
#          12.5 is what cameras in 50 Hz countries offer as the half rate.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'timecode==1.5.1'

cat >run.py <<'EOF'
from timecode import Timecode

later, earlier, second = (Timecode("25", text) for text in ("06:03:29:00", "06:03:28:00", "00:00:01:00"))
print("difference       ", later - earlier)
print("sum of timecodes ", earlier + second)
print("sum with frames  ", earlier + 25)
print("an hour at 25    ", Timecode("25", frames=25 * 3600 + 1))
print("an hour at 12.5  ", Timecode("12.5", frames=45000 + 1))
EOF
env/bin/python run.py | tee seen
cat >expected <<'EOF'
difference        00:00:00:24
sum of timecodes  06:03:29:01
sum with frames   06:03:29:00
an hour at 25     01:00:00:00
an hour at 12.5   01:02:30:00
EOF
cmp -s seen expected || { echo "changed: timecode 1.5.1 counts in another way"; exit 1; }
echo "as found: sums are a frame off, half rates are minutes off"
