//! Transport streams of our own, whole and cut off.

use std::fs;
use std::path::PathBuf;

use footage::media::ts::TsMuxer;

use super::film::{Film, Frame, field, frames, frames_until_the_end, packets, samples};
use super::{VIDEOS, assert_packets, write};

fn ts(film: &Film) -> PathBuf {
    write(film, "film.ts", 5, true, |out| Box::new(TsMuxer::new(&film.tracks, out)))
}

/// Frames, times and key frames of a whole stream.
pub(super) fn assert_whole(name: &str, film: &Film, all: &[Frame]) {
    let path = ts(film);
    assert_eq!(frames(&path), all, "{name}");
    assert_packets(name, film, &path);
    let codec = if name.starts_with("h265") { "hevc" } else { "h264" };
    // ffprobe lists a stream twice: in its program, and by itself.
    assert!(field(&path, "v:0", "stream=codec_name").starts_with(codec), "{name}");
}

#[test]
fn ts_cut_off_at_any_packet_plays_up_to_there() {
    let film = Film::new(VIDEOS[1].1);
    let (bytes, all) = (fs::read(ts(&film)).unwrap(), film.frames());
    let cut = film.beside("cut.ts");
    let mut last = 0;
    for percent in [30, 60, 90, 100] {
        fs::write(&cut, &bytes[..bytes.len() / 188 * percent / 100 * 188]).unwrap();
        let found = frames_until_the_end(&cut);
        // The frame that is cut in two, and those that refer to it, are damaged.
        let right = found.iter().zip(&all).take_while(|(found, frame)| found == frame).count();
        assert!(right > last && right + 4 >= found.len(), "{percent} %: {right} of {}", found.len());
        last = right;
    }
    assert_eq!(last, 100);
}

#[test]
fn ts_holds_aac_and_lines_it_up_with_the_video() {
    let film = Film::new(&["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"]);
    let path = ts(&film);
    let first = |track| packets(&path, track, "pts_time")[0][0].parse::<f64>().unwrap();
    // The film's video begins at 0.021 s, behind the priming of AAC.
    assert!((first("v:0") - first("a:0") - 0.021).abs() < 0.000_1, "{} {}", first("v:0"), first("a:0"));
    let (found, all) = (samples(&path), samples(&film.path));
    // The film trims its last frame.
    let whole = found.len().min(all.len()) - 8192;
    assert!(whole > 48_000 * 2 * 3 && found[..whole] == all[..whole]);
    let count = packets(&path, "a:0", "pts").len();
    assert_eq!(count, film.packets.len() - film.video().count());
}

#[test]
fn ts_holds_opus_mp3_and_mp2() {
    for (codec, name) in [("libopus", "opus"), ("libmp3lame", "mp3"), ("mp2", "mp2")] {
        let film = Film::new(&["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", codec]);
        let path = ts(&film);
        // The stream type is that of MPEG audio of any layer; ffmpeg looks at the frames.
        let found = field(&path, "a:0", "stream=codec_name,sample_rate");
        assert!(found.starts_with(&format!("{name}\n48000")), "{name}: {found}");
        assert!(samples(&path).len() > 48_000 * 2 * 3, "{name}");
    }
}
