#!/bin/sh
# amcrest's find_files and download_time take datetimes with a time zone and send the digits alone. The same instant
# asked in UTC and in UTC+2 are two different searches, and a span whose ends bear different zones shrinks or turns
# around. There is no error and no conversion; the documentation says datetime.
#
# Package: amcrest 1.9.9 (PyPI), the client of Dahua's HTTP API that Home Assistant uses
# Input:   a Dahua device on loopback; one span of an hour, given in UTC, in UTC+2, and its start in UTC+2, end in UTC
# Expect:  the same request three times (in the device's zone), or an error as for comparing naive and aware datetimes
# Seen:    2026-11-29: 04:00 to 05:00; 06:00 to 07:00; 06:00 to 05:00
# Matters: programs keep their times in UTC, devices search by their own clock: the clips of an event are those of two
#          hours before it, or none. Convert to the device's clock and drop the zone before calling.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'amcrest==1.9.9'

cat >run.py <<'EOF'
import datetime
import http.server
import re
import threading

from amcrest import AmcrestCamera


class Device(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        span = re.search(r"StartTime=\S*%20(\S+?)&condition.EndTime=\S*%20([0-9:]+)", self.path)
        if span:
            print("searched from", span[1], "to", span[2])
        if "factory.create" in self.path:
            body = b"result=1\r\n"
        elif "findNextFile" in self.path:
            body = b"found=0\r\n"
        else:
            body = b"OK\r\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


device = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Device)
threading.Thread(target=device.serve_forever, daemon=True).start()
camera = AmcrestCamera("127.0.0.1", device.server_port, "user", "password").camera
start = datetime.datetime(2026, 7, 18, 4, tzinfo=datetime.timezone.utc)
end = start + datetime.timedelta(hours=1)
local = datetime.timezone(datetime.timedelta(hours=2))
for span in (start, end), (start.astimezone(local), end.astimezone(local)), (start.astimezone(local), end):
    list(camera.find_files(*span))
EOF
env/bin/python run.py 2>err | tee seen
cat >expected <<'EOF'
searched from 04:00:00 to 05:00:00
searched from 06:00:00 to 07:00:00
searched from 06:00:00 to 05:00:00
EOF
cmp -s seen expected || { cat err; echo "changed: amcrest 1.9.9 sends times in another way"; exit 1; }
echo "as found: one instant, two searches"
