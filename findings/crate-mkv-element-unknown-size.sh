#!/bin/sh
# mkv-element writes the size 16383 as 0x7FFF. All ones in two bytes is the reserved "unknown size" (RFC 8794, 6.2); the
# size needs three bytes. The crate knows the rule, and keeps it for one byte only: 127 becomes 0x407F. It reads its own
# 0x7FFF back as 16383, so a round trip shows nothing.
#
# Package: mkv-element 0.4.0 (crates.io); imageio-ffmpeg 0.8.1 (PyPI, ffmpeg 9.0.2) reads the files
# Input:   VInt64::new(size).as_encoded() for 126, 127, 16382, 16383 and 2097151; Matroska with three blocks of audio,
#          the second in an element of 16382 or 16383 bytes
# Expect:  0x407F for 127, 0x203FFF for 16383, 0x101FFFFF for 2097151; three blocks in both files
# Seen:    2026-11-30: 0x407F, 0x7FFF and 0x3FFFFF; ffmpeg reads three blocks of the first file and one of the second,
#          "Unknown-sized element inside parent with finite size"
# Matters: a JPEG picture of 16379 bytes makes such a block: readers lose it and what comes after it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --no-compile 'imageio-ffmpeg==0.8.1'
ffmpeg=$(env/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')

mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
mkv-element = "=0.4.0"
[workspace]
EOF
cat >src/main.rs <<'EOF'
use mkv_element::prelude::VInt64;

/// An element: its number, its size as the crate encodes it, its content.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let size = VInt64::new(content.len() as u64).as_encoded().to_be_bytes();
    let size = &size[size.iter().position(|&byte| byte != 0).unwrap()..];
    [id, size, content].concat()
}

fn block(milliseconds: u16, size: usize) -> Vec<u8> {
    let [high, low] = milliseconds.to_be_bytes();
    let mut content = vec![0x81, high, low, 0x80];
    content.resize(size, 0x55);
    element(&[0xA3], &content)
}

fn main() {
    for size in [126, 127, 16_382, 16_383, 2_097_151] {
        let encoded = VInt64::new(size).as_encoded();
        let read = VInt64::from_encoded(encoded);
        println!("{size}: 0x{encoded:X}, read as {}", if read.is_unknown { 0 } else { read.value });
    }
    for size in [16_382, 16_383] {
        let head = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"matroska"));
        // 8 bits of PCM, one channel, 8000 Hz.
        let sampling = [element(&[0xB5], &8000f32.to_be_bytes()), element(&[0x62, 0x64], &[8])].concat();
        let audio = element(&[0xE1], &sampling);
        let codec = element(&[0x86], b"A_PCM/INT/LIT");
        let number = [element(&[0xD7], &[1]), element(&[0x73, 0xC5], &[1])].concat();
        let entry = [number, element(&[0x83], &[2]), codec, audio].concat();
        let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry));
        let blocks = [element(&[0xE7], &[0]), block(0, 8000), block(1000, size), block(3000, 8000)].concat();
        let cluster = element(&[0x1F, 0x43, 0xB6, 0x75], &blocks);
        let segment = element(&[0x18, 0x53, 0x80, 0x67], &[tracks, cluster].concat());
        std::fs::write(format!("{size}.mkv"), [head, segment].concat()).unwrap();
    }
}
EOF
{
    CARGO_TARGET_DIR="$work/target" cargo run --quiet
    for size in 16382 16383; do
        count=$("$ffmpeg" -nostdin -v error -i $size.mkv -c copy -f framecrc - 2>log-$size | grep -vc '^#' || true)
        echo "$size.mkv: $count blocks"
    done
} | tee seen
cat log-* >&2
cat >expected <<'EOF'
126: 0xFE, read as 126
127: 0x407F, read as 127
16382: 0x7FFE, read as 16382
16383: 0x7FFF, read as 16383
2097151: 0x3FFFFF, read as 2097151
16382.mkv: 3 blocks
16383.mkv: 1 blocks
EOF
cmp -s seen expected || { echo "changed: mkv-element 0.4.0 encodes sizes in another way"; exit 1; }
echo "as found: a size of 16383 is an unknown one"
