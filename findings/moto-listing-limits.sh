#!/bin/sh
# Limits of listings are not those of S3 in moto, so a test against it never sees a second page. ListObjects with a
# delimiter ignores MaxKeys and Marker and returns every prefix; ListObjectsV2 with MaxKeys=5000 returns 1100 keys
# where S3 stops at 1000; ListMultipartUploads ignores MaxUploads. ListObjectsV2 with a delimiter is right, which hides
# the rest.
#
# Package: moto 5.2.5, boto3 1.44.8 (PyPI)
# Input:   25 days of clips under cam1/, 1100 keys under cam2/, six open uploads
# Expect:  10 prefixes and IsTruncated; 10 prefixes from the 11th day on; 1000 keys and IsTruncated; 2 uploads and
#          IsTruncated (S3's API reference: "up to 1,000", MaxUploads 1 to 1,000)
# Seen:    2026-11-29: 25 False; 25 from day 01; 1100 False; 6 False
# Matters: a program that forgets the second page passes all its tests, and in a real bucket sees the first 1000 clips.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'moto[s3]==5.2.5' 'boto3==1.44.8' 'botocore==1.44.8'

cat >run.py <<'EOF'
import os

import boto3
from moto import mock_aws

os.environ.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_DEFAULT_REGION="us-east-1")
with mock_aws():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="footage")
    put = lambda key: s3.put_object(Bucket="footage", Key=key, Body=b"")
    for day in range(1, 26):
        put(f"cam1/2026-07-{day:02d}/clip.mp4")
    for number in range(1100):
        put(f"cam2/{number:04d}.mp4")
    for number in range(6):
        s3.create_multipart_upload(Bucket="footage", Key=f"open/{number}.mp4")
    days = dict(Bucket="footage", Prefix="cam1/", Delimiter="/")

    def prefixes(page):
        found = [entry["Prefix"] for entry in page["CommonPrefixes"]]
        return len(found), "prefixes from", found[0], "more:", page["IsTruncated"]

    print("v2, MaxKeys 10       ", *prefixes(s3.list_objects_v2(**days, MaxKeys=10)))
    print("v1, MaxKeys 10       ", *prefixes(s3.list_objects(**days, MaxKeys=10)))
    print("v1, Marker day 10    ", *prefixes(s3.list_objects(**days, MaxKeys=10, Marker="cam1/2026-07-10/")))
    page = s3.list_objects_v2(Bucket="footage", Prefix="cam2/", MaxKeys=5000)
    print("v2, MaxKeys 5000     ", len(page["Contents"]), "keys more:", page["IsTruncated"])
    page = s3.list_multipart_uploads(Bucket="footage", MaxUploads=2)
    print("uploads, MaxUploads 2", len(page["Uploads"]), "uploads more:", page["IsTruncated"])
EOF
env/bin/python run.py | tee seen
cat >expected <<'EOF'
v2, MaxKeys 10        10 prefixes from cam1/2026-07-01/ more: True
v1, MaxKeys 10        25 prefixes from cam1/2026-07-01/ more: False
v1, Marker day 10     25 prefixes from cam1/2026-07-01/ more: False
v2, MaxKeys 5000      1100 keys more: False
uploads, MaxUploads 2 6 uploads more: False
EOF
cmp -s seen expected || { echo "changed: moto 5.2.5 limits listings in another way"; exit 1; }
echo "as found: no listing has a second page"
