//! The tracks of an MP4 file that ffmpeg has written, and their durations.
//!
//! | box | read for |
//! | --- | --- |
//! | `moov` | the tracks |
//! | `moov/trak/mdia/mdhd` | time scale and duration |
//! | `moov/trak/mdia/hdlr` | `vide` or `soun` |
//! | `moov/trak/mdia/minf/stbl/stsd` | the coding: `avc1`, `hvc1`, `mp4a` |
//! | `moov/trak/mdia/minf/stbl/stts` | how long the last frame lasts |
//!
//! ffmpeg puts `moov` in front of the media (`faststart`), so reading a little of the file is enough.

use std::io;
use std::time::Duration;

use super::read_at::ReadAt;

/// A `moov` larger than this is not read: days of footage fit.
const MAX_MOOV: u64 = 64 << 20;

/// Why a file is not a usable MP4 file.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// It cannot be read.
    #[error("cannot read the MP4 file")]
    Read(#[from] io::Error),
    /// It has no `ftyp` in front, or no `moov`.
    #[error("ffmpeg wrote no MP4 file: it has no {0}")]
    Missing(&'static str),
}

/// A track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Video or audio.
    pub kind: TrackKind,
    /// The codec, in four letters.
    pub coding: [u8; 4],
    /// Its duration.
    pub duration: Duration,
    /// The duration of its last frame; zero where the file does not have it.
    pub last_frame: Duration,
}

/// The `hdlr` type of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// `vide`
    Video,
    /// `soun`
    Audio,
    /// Anything else.
    Other,
}

/// The tracks of an MP4 file.
///
/// # Errors
/// If it is none, or was not finished.
pub fn tracks<R: ReadAt + ?Sized>(file: &R) -> Result<Vec<Track>, Mp4Error> {
    let mut at = 0;
    let mut is_first = true;
    loop {
        let mut header = [0; 16];
        let n = file.read_at(at, &mut header)?;
        let Some((kind, start, length)) = box_header(&header[..n], file.size() - at) else {
            return Err(Mp4Error::Missing("moov"));
        };
        if is_first && kind != *b"ftyp" {
            return Err(Mp4Error::Missing("ftyp"));
        }
        is_first = false;
        if kind == *b"moov" {
            let mut moov = vec![0; usize::try_from(length.min(MAX_MOOV)).unwrap_or_default()];
            let n = file.read_at(at, &mut moov)?;
            return Ok(boxes(&moov[start.min(n)..n])
                .filter(|(kind, _)| kind == b"trak")
                .filter_map(|(_, body)| track(body))
                .collect());
        }
        at += length;
    }
}

fn track(trak: &[u8]) -> Option<Track> {
    let mdia = child(trak, *b"mdia")?;
    let handler = child(mdia, *b"hdlr")?.get(8..12)?;
    let mdhd = child(mdia, *b"mdhd")?;
    let (scale, duration) = match mdhd.first()? {
        0 => (u32_at(mdhd, 12)?, u64::from(u32_at(mdhd, 16)?)),
        _ => (u32_at(mdhd, 20)?, u64::from(u32_at(mdhd, 24)?) << 32 | u64::from(u32_at(mdhd, 28)?)),
    };
    let stbl = child(child(mdia, *b"minf")?, *b"stbl")?;
    let entry = child(stbl, *b"stsd")?;
    // Runs of frames: how many, and how long each of them lasts.
    let runs = child(stbl, *b"stts").and_then(|stts| stts.get(8..)).unwrap_or_default();
    let last_frame = runs.as_chunks::<8>().0.last().and_then(|run| u32_at(run, 4)).unwrap_or_default();
    let lasts = |ticks: u64| Some(Duration::from_micros(ticks.checked_mul(1_000_000)?.checked_div(scale.into())?));
    Some(Track {
        kind: match handler {
            b"vide" => TrackKind::Video,
            b"soun" => TrackKind::Audio,
            _ => TrackKind::Other,
        },
        coding: *entry.get(12..)?.first_chunk()?,
        duration: lasts(duration)?,
        last_frame: lasts(last_frame.into())?,
    })
}

fn child(bytes: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    boxes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, body)| body)
}

/// The boxes in `bytes`, one after the other: kind and body.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, start, length) = box_header(bytes, bytes.len() as u64)?;
        let (own, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
        bytes = rest;
        Some((kind, &own[start..]))
    })
}

/// Kind, length of the header and length of the whole box, of which there can be `room`.
fn box_header(bytes: &[u8], room: u64) -> Option<([u8; 4], usize, u64)> {
    let kind = *bytes.get(4..)?.first_chunk()?;
    let (start, length) = match u32_at(bytes, 0)? {
        0 => (8, room),
        1 => (16, u64::from(u32_at(bytes, 8)?) << 32 | u64::from(u32_at(bytes, 12)?)),
        length => (8, length.into()),
    };
    (length >= start as u64 && length <= room).then_some((kind, start, length))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxed(kind: &str, body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind.as_bytes(), body].concat()
    }

    fn movie() -> Vec<u8> {
        let mut mdhd = vec![0; 24];
        mdhd[12..16].copy_from_slice(&90_000_u32.to_be_bytes());
        mdhd[16..20].copy_from_slice(&360_000_u32.to_be_bytes());
        let hdlr = [&[0; 8][..], b"vide", &[0; 12]].concat();
        let stsd = [&[0; 12][..], b"hvc1", &[0; 20]].concat();
        let runs = [[0, 2], [2, 60_000], [8, 30_000]].concat();
        let stts: Vec<u8> = runs.into_iter().flat_map(u32::to_be_bytes).collect();
        let stbl = boxed("stbl", &[boxed("stsd", &stsd), boxed("stts", &stts)].concat());
        let mdia = [boxed("mdhd", &mdhd), boxed("hdlr", &hdlr), boxed("minf", &stbl)].concat();
        let trak = boxed("trak", &boxed("mdia", &mdia));
        [boxed("ftyp", b"isom"), boxed("moov", &trak), boxed("mdat", &[1; 99])].concat()
    }

    #[test]
    fn mp4_tracks_are_read() {
        let (duration, last_frame) = (Duration::from_secs(4), Duration::from_micros(333_333));
        let track = Track { kind: TrackKind::Video, coding: *b"hvc1", duration, last_frame };
        assert_eq!(tracks(&movie()[..]).unwrap(), [track]);
    }

    #[test]
    fn an_unfinished_mp4_is_refused() {
        assert!(matches!(tracks(&[][..]), Err(Mp4Error::Missing("moov"))));
        assert!(matches!(tracks(&movie()[..40]), Err(Mp4Error::Missing("moov"))));
        assert!(matches!(tracks(&boxed("moov", &[])[..]), Err(Mp4Error::Missing("ftyp"))));
        assert!(matches!(tracks(&boxed("ftyp", b"isom")[..]), Err(Mp4Error::Missing("moov"))));
    }

    proptest! {
        #[test]
        fn any_mp4_bytes_are_read_without_a_panic(at in 0..300usize, noise in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut bytes = movie();
            let at = at.min(bytes.len());
            let end = (at + noise.len()).min(bytes.len());
            bytes.splice(at..end, noise);
            let _ = tracks(&bytes[..]);
        }
    }
}
