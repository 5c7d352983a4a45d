#!/bin/sh
# The SDP of a camera carries the H.264 parameter sets as base64, separated by a comma. npm's sdp splits each format
# parameter at every `=`, base64 padding included, and keeps the second piece. When the first set needs padding, the
# second set (the PPS) is gone, without an error. Written back, the SDP has a decoder without its PPS.
#
# Package: sdp 3.2.2 (npm)
# Input:   a=fmtp line of RFC 6184 with sprop-parameter-sets=SPS==,PPS== (section 8.1 allows exactly this)
# Expect:  the value up to the next semicolon, so both sets
# Seen:    2026-11-29, Node 20: "Z0LgHtoHgUSYKA"; from `Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==` only the padding is missing
# Matters: whether a recording can be decoded depends on the length of the camera's SPS modulo 3. A player that gets
#          its parameter sets from this parser shows one model of a maker and not the next.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" sdp@3.2.2

cat >run.js <<'EOF'
const sdp = require('sdp');
const parse = (sets) => sdp.parseFmtp(`a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sets}`);
const padded = parse('Z0LgHtoHgUSYKA==,aM4NyA==');
console.log('padded   ', padded['sprop-parameter-sets']);
console.log('unpadded ', parse('Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==')['sprop-parameter-sets']);
console.log('written  ', sdp.writeFmtp({ payloadType: 96, parameters: padded }).trim());
EOF
node run.js | tee seen
cat >expected <<'EOF'
padded    Z0LgHtoHgUSYKA
unpadded  Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA
written   a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LgHtoHgUSYKA
EOF
cmp -s seen expected || { echo "changed: sdp 3.2.2 no longer cuts at the padding"; exit 1; }
echo "as found: the PPS is lost"
