//! The containers of segments: what each holds, and who writes it.

use std::io::{self, Read, Seek, SeekFrom};

use chrono::{DateTime, Utc};

use super::name::Container;
use crate::media::mkv::{DemuxEvent, MkvDemuxer, MkvMuxer};
use crate::media::mp4::{self, Mp4Muxer};
use crate::media::ts::{self, TsMuxer};
use crate::media::{Muxer, Shape, Track};

/// Whether a container can hold a track.
#[must_use]
pub fn holds(container: Container, track: &Track) -> bool {
    match container {
        Container::Mkv => true,
        Container::Ts => ts::holds(&track.codec),
        Container::Mp4 => mp4::holds(&track.codec),
    }
}

/// What becomes of a track that a container cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is recorded without this audio.
    Audio(String),
    /// It cannot be recorded: why, and what to set.
    Video(String),
}

/// What becomes of a track where the container cannot hold it.
#[must_use]
pub fn misfit(container: Container, track: &Track) -> Option<Misfit> {
    if holds(container, track) {
        return None;
    }
    let (codec, container) = (track.codec.name(), container.extension());
    Some(match track.shape {
        Shape::Audio { .. } => Misfit::Audio(format!("{container} cannot hold {codec}")),
        Shape::Video { .. } => Misfit::Video(format!(
            "{container} cannot hold its video ({codec}): set container = \"mkv\" or video = \"h264\""
        )),
    })
}

/// Begins a segment: appends what its container begins with.
pub fn open(container: Container, tracks: &[Track], start: DateTime<Utc>, out: &mut Vec<u8>) -> Box<dyn Muxer> {
    match container {
        Container::Mkv => Box::new(MkvMuxer::new(tracks, start, out)),
        Container::Ts => Box::new(TsMuxer::new(tracks, out)),
        Container::Mp4 => Box::new(Mp4Muxer::new(tracks, start, out)),
    }
}

/// Read in pieces of this, a multiple of a transport packet.
const PIECE_BYTES: usize = ts::PACKET_BYTES * 512;

/// Whether what a crash has left of a segment holds a frame of video: then it can be played.
///
/// # Errors
/// The file cannot be read.
pub fn has_frame(container: Container, file: &mut (impl Read + Seek)) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    match container {
        Container::Mkv => matroska_has_frame(file),
        Container::Ts => transport_stream_has_frame(file),
        Container::Mp4 => mp4_has_frame(file),
    }
}

fn matroska_has_frame(file: &mut impl Read) -> io::Result<bool> {
    let (mut demuxer, mut events, mut tracks) = (MkvDemuxer::new(), Vec::new(), Vec::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let n = file.read(&mut piece)?;
        let is_readable = demuxer.push(&piece[..n], &mut events).is_ok();
        for event in events.drain(..) {
            match event {
                DemuxEvent::Tracks(of) => tracks = of,
                DemuxEvent::Packet(packet) => {
                    let track: Option<&Track> = tracks.get(packet.track);
                    if track.is_some_and(|track| matches!(track.shape, Shape::Video { .. })) {
                        return Ok(true);
                    }
                }
            }
        }
        if n == 0 || !is_readable {
            return Ok(false);
        }
    }
}

/// A packet in which a PES of video begins (ISO/IEC 13818-1, 2.4.3): `payload_unit_start_indicator`, then `00 00 01 Ex`.
fn transport_stream_has_frame(file: &mut impl Read) -> io::Result<bool> {
    let mut packet = [0; ts::PACKET_BYTES];
    let mut file = io::BufReader::with_capacity(PIECE_BYTES, file);
    loop {
        match file.read_exact(&mut packet) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        if packet[0] != ts::SYNC_BYTE {
            return Ok(false);
        }
        let starts = packet[1] & 0x40 != 0;
        let payload = match packet[3] >> 4 & 3 {
            1 => 4,
            3 => 5 + usize::from(packet[4]),
            _ => continue,
        };
        let is_video = |start: &[u8]| start.starts_with(&[0, 0, 1]) && start[3] & 0xF0 == 0xE0;
        if starts && packet.get(payload..payload + 4).is_some_and(is_video) {
            return Ok(true);
        }
    }
}

/// A `moof`, and behind it an `mdat` of which something was written (ISO/IEC 14496-12, 4.2): fragments are written one by
/// one, and the last may be cut off.
fn mp4_has_frame(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut at, mut has_moof) = (0, false);
    while at + 8 <= length {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [size @ .., a, b, c, d] = head;
        match &[a, b, c, d] {
            b"moof" => has_moof = true,
            b"mdat" if has_moof => return Ok(length > at + 8),
            _ => {}
        }
        let size = u64::from(u32::from_be_bytes(size));
        if size < 8 {
            return Ok(false);
        }
        at += size;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::{Codec, Packet};

    #[test]
    fn a_torn_mkv_is_kept_once_it_has_a_frame_of_video() {
        let video = Track { codec: Codec::Jpeg, shape: Shape::Video { width: 2, height: 2 } };
        let audio = Track { codec: Codec::ALaw, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } };
        let mut bytes = Vec::new();
        let mut muxer = open(Container::Mkv, &[video, audio], DateTime::UNIX_EPOCH, &mut bytes);
        let packet = |track| Packet { track, pts_ns: 0, is_key: true, data: vec![1; 500] };
        let has = |bytes: &[u8]| has_frame(Container::Mkv, &mut Cursor::new(bytes)).expect("read");
        assert!(!has(&bytes));
        muxer.push(&packet(1), &mut bytes);
        muxer.flush(&mut bytes);
        assert!(!has(&bytes), "audio alone");
        muxer.push(&packet(0), &mut bytes);
        muxer.flush(&mut bytes);
        assert!(has(&bytes));
    }

    #[test]
    fn a_torn_ts_is_kept_once_a_frame_of_video_begins() {
        let packet = |start: u8, payload: [u8; 4]| {
            let mut packet = [0xFF; ts::PACKET_BYTES];
            packet[..4].copy_from_slice(&[ts::SYNC_BYTE, start, 0, 0x10]);
            packet[4..8].copy_from_slice(&payload);
            packet
        };
        let has = |packets: &[[u8; ts::PACKET_BYTES]]| {
            has_frame(Container::Ts, &mut Cursor::new(packets.concat())).expect("read")
        };
        let (table, audio, video) =
            (packet(0x40, [0, 0, 2, 0xE0]), packet(0x40, [0, 0, 1, 0xC0]), packet(0x41, [0, 0, 1, 0xE0]));
        assert!(!has(&[table, audio, packet(0, [0, 0, 1, 0xE0])]));
        assert!(has(&[table, audio, video]));
    }

    #[test]
    fn a_torn_mp4_is_kept_once_a_fragment_has_data() {
        let has = |bytes: &[u8]| has_frame(Container::Mp4, &mut Cursor::new(bytes)).expect("read");
        let head = b"\0\0\0\x0Cftypisom\0\0\0\x08moov\0\0\0\x08moof";
        assert!(!has(head));
        assert!(!has(&[head.as_slice(), b"\0\0\x10\0mdat"].concat()));
        assert!(has(&[head.as_slice(), b"\0\0\x10\0mdat\x01"].concat()));
    }
}
