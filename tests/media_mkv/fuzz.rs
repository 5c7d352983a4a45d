//! The demuxer on bytes that no muxer wrote.

use super::{demux, ffmpeg, mux, targets};
use crate::support::fuzz::fuzz;

#[test]
fn matroska_on_any_bytes() {
    let input = "-f lavfi -i testsrc2=size=64x48:rate=10 -f lavfi -i sine=sample_rate=8000 -t 1";
    let theirs = ffmpeg(input, "-c:v libx264 -bf 2 -c:a libopus -ar 48000 -f matroska");
    let (tracks, packets) = demux(&theirs);
    let ours = mux(&tracks, &packets).file;
    // The heads alone: mutations hit them more often.
    let corpus = [theirs[..1000].to_vec(), ours[..1000].to_vec(), theirs, ours];
    fuzz("matroska", &corpus, targets::matroska);
}
