#!/bin/sh
# mjpeg-consumer 2.0.0 looks for one header, one start and one end in each chunk that it is given. A camera on a fast
# network, or any stream read from a file, brings several pictures in one chunk: of five pictures it then emits the
# first one, or the first one twice, and no error. In chunks smaller than a picture it is right, so tests pass.
#
# Package: mjpeg-consumer 2.0.0 (npm)
# Input:   multipart/x-mixed-replace with Content-Length in each part, five pictures of 20 kB, in chunks of 8 kB, of 64
#          KiB (what Node reads from a socket at most) and in one
# Expect:  the same five pictures whatever the chunks
# Seen:    2026-11-29, Node 20: 8192 → 0 1 2 3 4; 65536 → 0 0; one chunk → 0
# Matters: frames are lost exactly when the machine is busy and data gathers in the socket, and a small picture (night,
#          VGA) is lost sooner than a large one. Content-Length is there: read that many bytes, and go on behind them.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" mjpeg-consumer@2.0.0

cat >run.js <<'EOF'
const MjpegConsumer = require('mjpeg-consumer');

// Start, 20 kB without FF, end: what the parser looks at of a JPEG.
const pictures = [0, 1, 2, 3, 4].map((n) => {
  return Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(20000, n + 1), Buffer.from([0xff, 0xd9])]);
});
const header = (jpeg) => Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
const stream = Buffer.concat(pictures.flatMap((jpeg) => [header(jpeg), jpeg, Buffer.from('\r\n')]));

async function run(size) {
  const consumer = new MjpegConsumer();
  const out = [];
  consumer.on('data', (jpeg) => out.push(pictures.findIndex((picture) => picture.equals(jpeg))));
  for (let at = 0; at < stream.length; at += size) consumer.write(stream.subarray(at, at + size));
  consumer.end();
  await new Promise((resolve) => consumer.on('end', resolve));
  console.log(`${size === stream.length ? "one chunk" : `chunks of ${size}`}: pictures ${out.join(' ')}`);
}
(async () => {
  for (const size of [8192, 65536, stream.length]) await run(size);
})();
EOF
node run.js | tee seen
cat >expected <<'EOF'
chunks of 8192: pictures 0 1 2 3 4
chunks of 65536: pictures 0 0
one chunk: pictures 0
EOF
cmp -s seen expected || { echo "changed: mjpeg-consumer 2.0.0 reads chunks in another way"; exit 1; }
echo "as found: pictures depend on how the bytes arrive"
