#!/bin/sh
# s3fs completes the upload when the `with` block is left by an exception. A recording that breaks off in the middle
# becomes an object under its final name, with a valid ETag, of either upload kind (one PUT, or multipart). smart_open,
# which offers the same interface, discards the upload in that case.
#
# Package: s3fs 2026.9.0, fsspec 2026.9.0, smart_open 9.0.2; moto 5.2.5 as the server (PyPI)
# Input:   1,000 bytes and 12 MiB written inside `with fs.open(…, "wb")`, then an OSError inside the block
# Expect:  no object: an exception is the way in which the writer says that the content is not whole
# Seen:    2026-11-29: s3fs 1000 and 12582912 bytes stored; smart_open none
# Matters: a camera that leaves during the copy raises exactly there. The truncated clip looks finished in the bucket,
#          and a program that sees the object deletes the original. Write to a temporary key, or call discard().
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
# botocore is pinned as aiobotocore wants it, so that pip need not search.
env/bin/pip install --quiet --no-cache-dir --no-compile 's3fs==2026.9.0' 'fsspec==2026.9.0' 'aiobotocore==3.10.0' \
    'botocore==1.43.117' 'boto3==1.43.117' 'smart_open==9.0.2' 'moto[s3]==5.2.5' 'flask==3.1.3' 'flask-cors==6.0.5'

cat >run.py <<'EOF'
import logging
import os

import botocore.exceptions
import botocore.session
import s3fs
import smart_open
from moto.server import ThreadedMotoServer

logging.disable(logging.CRITICAL)
os.environ.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_DEFAULT_REGION="us-east-1")
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
import boto3

client = boto3.client("s3", endpoint_url=url)
client.create_bucket(Bucket="footage")
fs = s3fs.S3FileSystem(key="k", secret="s", endpoint_url=url)


def stored(name, opener, size):
    try:
        with opener(name) as file:
            file.write(b"x" * size)
            raise OSError("the camera has left")
    except OSError:
        pass
    try:
        return client.head_object(Bucket="footage", Key=name)["ContentLength"]
    except botocore.exceptions.ClientError:
        return "no object"


by_s3fs = lambda name: fs.open(f"footage/{name}", "wb", block_size=5 << 20)
by_smart = lambda name: smart_open.open(f"s3://footage/{name}", "wb", transport_params={"client": client})
print("s3fs, one PUT     ", stored("a.mp4", by_s3fs, 1000))
print("s3fs, multipart   ", stored("b.mp4", by_s3fs, 12 << 20))
print("smart_open        ", stored("c.mp4", by_smart, 12 << 20))
server.stop()
EOF
env/bin/python run.py >out 2>err || { cat err; exit 1; }
grep -E '^(s3fs|smart_open)' out | tee seen
cat >expected <<'EOF'
s3fs, one PUT      1000
s3fs, multipart    12582912
smart_open         no object
EOF
cmp -s seen expected || { echo "changed: s3fs 2026.9.0 treats an exception in another way"; exit 1; }
echo "as found: a truncated recording is stored as if whole"
