//! MP4 of our own, closed, open and cut off.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use footage::media::mp4::{Mp4Muxer, playable_bytes};

use super::film::{Film, Frame, field, frames, frames_of, frames_until_the_end, packets, samples};
use super::{VIDEOS, assert_packets, write};

const NEVER: usize = usize::MAX;

fn mp4(film: &Film, name: &str, flush_every: usize, close: bool) -> PathBuf {
    let start = "2026-11-29T10:00:00Z".parse().unwrap();
    write(film, name, flush_every, close, |out| Box::new(Mp4Muxer::new(&film.tracks, start, out)))
}

/// Frames, times, key frames, size and tag of a closed file.
pub(super) fn assert_closed(name: &str, film: &Film, all: &[Frame]) {
    for flush_every in [3, NEVER] {
        let path = mp4(film, "closed.mp4", flush_every, true);
        assert_eq!(frames(&path), all, "{name}, {flush_every}");
        assert_packets(name, film, &path);
        let tag = if name.starts_with("h265") { "hvc1" } else { "avc1" };
        let entries = "stream=codec_tag_string,start_time,width,height:format=duration";
        assert_eq!(field(&path, "v:0", entries), format!("{tag}\n320\n180\n0.000000\n4.000000"), "{name}");
    }
}

/// Frames and times of a file that was flushed and not closed.
pub(super) fn assert_open(name: &str, film: &Film, all: &[Frame]) {
    for flush_every in [1, 7] {
        let path = mp4(film, "open.mp4", flush_every, false);
        let found = frames(&path);
        // A flush holds back what is reordered: three frames, with a pyramid; and what came since the last.
        assert!(found.len() >= all.len() - 3 - (flush_every - 1), "{name}: {}", found.len());
        // The last ones in decoding order may lack those that are shown in front of them.
        let whole = found.len().saturating_sub(4);
        assert_eq!(found[..whole], all[..whole], "{name}, {flush_every}");
    }
}

#[test]
fn open_mp4_cut_off_anywhere_plays_up_to_there() {
    let film = Film::new(VIDEOS[1].1);
    let path = mp4(&film, "open.mp4", 10, false);
    let (bytes, all) = (fs::read(&path).unwrap(), film.frames());
    let cut = film.beside("cut.mp4");
    let mut last = 0;
    let moof = bytes.windows(4).rposition(|window| window == b"moof").unwrap();
    for length in [bytes.len() * 4 / 10, bytes.len() * 6 / 10, bytes.len() * 8 / 10, moof - 2, moof + 40] {
        let mut start = Cursor::new(&bytes[..length]);
        let playable = usize::try_from(playable_bytes(&mut start, length as u64).unwrap()).unwrap();
        assert!(length - playable < 400);
        fs::write(&cut, &bytes[..playable]).unwrap();
        let found = frames_until_the_end(&cut);
        // The frame that is cut in two, and those that refer to it, are damaged.
        let right = found.iter().zip(&all).take_while(|(found, frame)| found == frame).count();
        assert!(right >= last && right + 4 >= found.len(), "{length}: {right} of {}", found.len());
        last = right;
    }
    assert!(last > 80, "{last}");
}

#[test]
fn closed_mp4_seeks_to_a_key_frame() {
    let film = Film::new(VIDEOS[1].1);
    let path = mp4(&film, "closed.mp4", 5, true);
    let after = |path: &Path| {
        let mut command = Command::new("ffmpeg");
        frames_of(command.args(["-v", "warning", "-ss", "2.2", "-i"]).arg(path).args(["-map", "0:v:0"]))
    };
    assert_eq!(after(&path), after(&film.path));
    assert_eq!(after(&path).len(), 45);
}

#[test]
fn mp4_holds_aac_and_lines_it_up_with_the_video() {
    let film = Film::new(&["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"]);
    for (close, name) in [(true, "closed.mp4"), (false, "open.mp4")] {
        let path = mp4(&film, name, 9, close);
        let first = |track| packets(&path, track, "pts_time")[0][0].parse::<f64>().unwrap();
        // The film's video begins at 0.021 s, behind the priming of AAC.
        assert_eq!((first("v:0"), first("a:0")), (0.021, 0.0), "{name}");
        let (found, all) = (samples(&path), samples(&film.path));
        let whole = found.len().min(all.len()) - 8192;
        assert!(whole > 48_000 * 2 * 3 && found[..whole] == all[..whole]);
        assert_eq!(field(&path, "a:0", "stream=codec_tag_string,sample_rate"), "mp4a\n48000");
    }
}

#[test]
fn mp4_holds_opus_mp3_and_mp2() {
    for (codec, name) in [("libopus", "opus"), ("libmp3lame", "mp3"), ("mp2", "mp2")] {
        let film = Film::new(&["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", codec]);
        for (close, file) in [(true, "closed.mp4"), (false, "open.mp4")] {
            let path = mp4(&film, file, 9, close);
            assert!(samples(&path).len() > 48_000 * 2 * 3, "{name}");
            if close {
                // ffmpeg reads layer II as MP3 also in files of its own: one decoder does both.
                let read_as = if name == "mp2" { "mp3" } else { name };
                assert_eq!(field(&path, "a:0", "stream=codec_name"), read_as);
                assert_eq!(packets(&path, "a:0", "pts").len(), film.packets.len() - film.video().count());
            }
        }
    }
}

#[test]
fn mp4_holds_jpeg() {
    let film = Film::new(&["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "4"]);
    for (close, file) in [(true, "closed.mp4"), (false, "open.mp4")] {
        let path = mp4(&film, file, 5, close);
        assert_eq!(frames(&path), film.frames());
        assert_eq!(field(&path, "v:0", "stream=codec_name,codec_tag_string"), "mjpeg\nmp4v");
    }
}

#[test]
fn closed_mp4_has_a_creation_time_and_is_complete() {
    let film = Film::new(VIDEOS[0].1);
    let path = mp4(&film, "closed.mp4", 5, true);
    assert_eq!(field(&path, "v:0", "format_tags=creation_time"), "2026-11-29T10:00:00.000000Z");
    let bytes = fs::read(&path).unwrap();
    let whole = footage::mp4::structure(&mut Cursor::new(&bytes), bytes.len() as u64).unwrap();
    assert_eq!(whole, footage::mp4::Structure::Whole);
}
