//! The parsers of NAL units on bytes that no encoder wrote.

use std::process::Command;

use footage::media::Codec;

use super::film::{Film, run};
use super::{VIDEOS, targets};
use crate::support::fuzz::fuzz;

#[test]
fn nal_on_any_bytes() {
    let mut corpus = Vec::new();
    for (number, format) in [(1, "h264"), (5, "hevc")] {
        let film = Film::new(VIDEOS[number].1);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-i"]).arg(&film.path).args(["-c", "copy", "-frames:v", "5", "-f", format, "-"]);
        let stream = run(&mut command);
        // Parameter sets and the beginning of a slice: mutations of all of it would rarely hit them.
        corpus.push(stream[..stream.len().min(900)].to_vec());
        for unit in footage::media::nal::annex_b_units(&stream).take(4) {
            corpus.push(unit[..unit.len().min(100)].to_vec());
        }
        if let Codec::H264 { config } | Codec::H265 { config } = &film.tracks[0].codec {
            corpus.push(config.clone());
        }
    }
    fuzz("nal", &corpus, targets::nal);
}
