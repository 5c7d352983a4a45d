#!/bin/sh
# rtp-parser reads the flags for header extension and padding of an RTP packet, reports both, and leaves both inside
# `payload`. With an extension the payload begins with the extension's 16 bytes instead of the NAL unit; with padding
# it ends with the padding.
#
# Package: rtp-parser 1.0.0 (npm); werift-rtp 0.8.9 for comparison
# Input:   one H.264 packet (65 88 84 00 21), bare, with the extension 0xABAC that ONVIF's replay puts before recorded
#          frames (it holds the frame's time), with three bytes of padding, with a CSRC
# Expect:  payload 6588840021 four times (RFC 3550, 5.1 and 5.3.1)
# Seen:    2026-11-29, Node 20: abac0003…6588840021 and 6588840021000003; the CSRC is skipped rightly; werift-rtp right
# Matters: live pictures of the same camera are right, and its recordings, played by RTSP, are garbage: each packet
#          begins with ab, which is no valid NAL header.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" rtp-parser@1.0.0 werift-rtp@0.8.9

cat >run.js <<'EOF'
const { parseRtpPacket } = require('rtp-parser');
const { RtpPacket } = require('werift-rtp');

const nal = Buffer.from('6588840021', 'hex');
// 0xABAC, three words: NTP time in 64 bits, then flags (C, clean point) and a counter.
const replay = Buffer.from('abac0003e9a5c3e080000000a0000000', 'hex');
function packet(flags, ...rest) {
  const header = Buffer.from('80e004d2deadbeef11223344', 'hex');
  header[0] |= flags;
  return Buffer.concat([header, ...rest]);
}
const cases = {
  'bare     ': packet(0, nal),
  'extension': packet(0x10, replay, nal),
  'padding  ': packet(0x20, nal, Buffer.from([0, 0, 3])),
  'csrc     ': packet(0x01, Buffer.from('00000007', 'hex'), nal),
};
for (const [name, bytes] of Object.entries(cases)) {
  const ours = Buffer.from(parseRtpPacket(bytes).payload).toString('hex');
  console.log(name, 'rtp-parser', ours, 'werift', RtpPacket.deSerialize(bytes).payload.toString('hex'));
}
EOF
node run.js | tee seen
cat >expected <<'EOF'
bare      rtp-parser 6588840021 werift 6588840021
extension rtp-parser abac0003e9a5c3e080000000a00000006588840021 werift 6588840021
padding   rtp-parser 6588840021000003 werift 6588840021
csrc      rtp-parser 6588840021 werift 6588840021
EOF
cmp -s seen expected || { echo "changed: rtp-parser 1.0.0 cuts the payload in another way"; exit 1; }
echo "as found: extension and padding are taken for picture"
