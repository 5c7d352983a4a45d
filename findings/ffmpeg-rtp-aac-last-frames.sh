#!/bin/sh
# ffmpeg -f rtp puts several AAC frames into one packet, and at the end never sends those that it still holds. Every
# time the last ones are missing; the exit code is 0 and no line of the log says so.
#
# Package: imageio-ffmpeg 0.8.1 (PyPI, carries ffmpeg 9.0.2); Debian's 5.1.9 does the same
# Input:   2 s of AAC at 16 kHz, 33 frames, -c copy -f rtp to a UDP socket on the loopback interface
# Expect:  33 frames: a muxer's trailer flushes what is held
# Seen:    2026-11-30: 29 of 33, the first ones, in packets of 4 5 5 5 5 5; exit code 0
# Matters: a quarter of a second of audio is missing at the end. With ffmpeg as the peer of a test, the receiver looks
#          as if it lost the end.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -nostdin -v error -f lavfi -i sine=440:sample_rate=16000:duration=2 -c:a aac -b:a 32k source.m4a
"$ffmpeg" -nostdin -v error -i source.m4a -c copy -f framecrc - | awk -F', *' '!/^#/ { print $5 + 0 }' >sizes
python3 - "$ffmpeg" <<'EOF' | tee seen
import socket, struct, subprocess, sys

sizes = [int(line) for line in open("sizes")]
socket_ = socket.socket(type=socket.SOCK_DGRAM)
socket_.bind(("127.0.0.1", 0))
address = f"rtp://127.0.0.1:{socket_.getsockname()[1]}"
command = [sys.argv[1], "-nostdin", "-v", "error", "-i", "source.m4a", "-c", "copy", "-f", "rtp", address]
run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
# All of it lies in the socket's buffer by now.
socket_.setblocking(False)
received, packets = [], []
try:
    while True:
        payload = socket_.recv(65535)[12:]
        # RFC 3640: the bits of the headers, then 13 bits of size and 3 of index for each frame.
        count = struct.unpack(">H", payload[:2])[0] // 16
        received += [header >> 3 for header in struct.unpack(f">{count}H", payload[2 : 2 + 2 * count])]
        packets.append(count)
except BlockingIOError:
    pass
print("packets of", *packets)
are_first = received == sizes[: len(received)]
print(f"{len(received)} of {len(sizes)} frames", "from the first on" if are_first else "others")
print(f"exit code {run.returncode}, {len(run.stderr)} bytes of log")
EOF
cat >expected <<'EOF'
packets of 4 5 5 5 5 5
29 of 33 frames from the first on
exit code 0, 0 bytes of log
EOF
cmp -s seen expected || { echo "changed: ffmpeg 9.0.2 sends the last AAC frames in another way"; exit 1; }
echo "as found: the last frames are never sent"
