#!/bin/sh
# pipe2jpeg cuts a stream of JPEGs at the bytes FF D8 and FF D9 wherever they stand. A JPEG with an EXIF thumbnail has
# a second JPEG inside its header. pipe2jpeg then ends the picture behind the thumbnail and drops the rest: three
# pictures in, three pieces out that are header and thumbnail without a picture, and no error. ffmpeg, which reads the
# lengths of the segments, finds the three pictures in the same stream.
#
# Package: pipe2jpeg 0.3.0 (npm); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) makes and checks the JPEGs
# Input:   three JPEGs of 640×360 with a thumbnail of 160×90 in APP1 (EXIF 2.3, section 4.5.8), one after the other
# Expect:  three pictures of 640×360
# Seen:    2026-11-29, Node 20: pipe2jpeg three pieces, none of which decodes; ffmpeg's mjpeg demuxer three of 640×360
# Matters: cameras put a thumbnail into their snapshots. The number of pieces is right, so no check of counts notices,
#          and each piece begins and ends as a JPEG does.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" pipe2jpeg@0.3.0
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
for n in 0 1 2; do
    "$ffmpeg" -nostdin -v error -f lavfi -i testsrc2=size=640x360:rate=1:duration=3 -vf "select='eq(n,$n)'" \
        -frames:v 1 "big$n.jpg" -vf "select='eq(n,$n)',scale=160:90" -frames:v 1 "small$n.jpg"
done

cat >run.js <<'EOF'
const fs = require('fs');
const Pipe2Jpeg = require('pipe2jpeg');

// SOI, then APP1 with a TIFF header, an empty first directory, and a second one that points to the thumbnail.
function withThumbnail(picture, thumbnail) {
  const directories = Buffer.alloc(56);
  directories.write('II*\0', 0, 'latin1');
  directories.writeUInt32LE(8, 4);
  directories.writeUInt32LE(14, 10);
  directories.writeUInt16LE(3, 14);
  const entry = (at, tag, type, value) => {
    directories.writeUInt16LE(tag, at);
    directories.writeUInt16LE(type, at + 2);
    directories.writeUInt32LE(1, at + 4);
    directories.writeUInt32LE(value, at + 8);
  };
  entry(16, 0x103, 3, 6); // compression: JPEG
  entry(28, 0x201, 4, directories.length); // offset
  entry(40, 0x202, 4, thumbnail.length);
  const exif = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), directories, thumbnail]);
  const marker = Buffer.from([0xff, 0xe1, 0, 0]);
  marker.writeUInt16BE(exif.length + 2, 2);
  return Buffer.concat([picture.subarray(0, 2), marker, exif, picture.subarray(2)]);
}
const read = (name) => fs.readFileSync(name);
const pictures = [0, 1, 2].map((n) => withThumbnail(read(`big${n}.jpg`), read(`small${n}.jpg`)));
const stream = Buffer.concat(pictures);
fs.writeFileSync('stream.mjpeg', stream);
const splitter = new Pipe2Jpeg();
let count = 0;
splitter.on('jpeg', (jpeg) => fs.writeFileSync(`out${count++}.jpg`, jpeg));
for (let at = 0; at < stream.length; at += 8192) splitter.write(stream.subarray(at, at + 8192));
splitter.end();
EOF
node run.js
# The sizes of the pictures in a stream of JPEGs, one a line.
sizes() {
    "$ffmpeg" -nostdin -v error -f mjpeg -i "$1" -vf showinfo -f null - -loglevel info 2>&1 |
        sed -n 's/.* s:\([0-9]*x[0-9]*\) .*/\1/p' | sort | uniq -c | sed 's/^ *//'
}
decoded=0
for piece in out*.jpg; do
    [ -z "$(sizes "$piece")" ] || decoded=$((decoded + 1))
done
{
    echo "ffmpeg:    $(sizes stream.mjpeg)"
    echo "pipe2jpeg: $(find . -name 'out*.jpg' | wc -l) pieces, $decoded decode"
} | tee seen
cat >expected <<'EOF'
ffmpeg:    3 640x360
pipe2jpeg: 3 pieces, 0 decode
EOF
cmp -s seen expected || { echo "changed: pipe2jpeg 0.3.0 splits in another way"; exit 1; }
echo "as found: the pictures end behind their thumbnails"
