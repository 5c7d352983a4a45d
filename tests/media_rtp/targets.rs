//! What the readers promise of any bytes. Called with mutations of a corpus by the tests beside this file, and with what
//! libFuzzer finds by `tests/fuzz`.

#![allow(dead_code, reason = "each binary of cargo fuzz calls one")]

use std::time::{Duration, Instant};

use footage::media::Track;
use footage::media::mjpeg::{JpegSize, MjpegReader};
use footage::media::rtp::{Format, MAX_FRAME_BYTES, Stream, Transport, rtcp};

/// A format of every depacketizer, by the numbers that a corpus uses.
pub(crate) const FORMATS: [(&str, &str, u32, &str); 14] = [
    ("video", "H264", 90_000, "packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg=="),
    ("video", "H265", 90_000, ""),
    ("video", "H265", 90_000, "sprop-max-don-diff=2"),
    ("video", "JPEG", 90_000, "x-dimensions=2592,1944"),
    ("audio", "MPEG4-GENERIC", 16_000, "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408"),
    (
        "audio",
        "MPEG4-GENERIC",
        16_000,
        "mode=generic;sizelength=7;ctsdeltalength=5;dtsdeltalength=32;randomaccessindication=1;auxiliarydatasizelength=9;config=1408",
    ),
    ("audio", "MPEG4-GENERIC", 16_000, "mode=generic;constantsize=3;config=1408"),
    ("audio", "MP4A-LATM", 16_000, "cpresent=0;config=400028103fc0"),
    ("audio", "MP4A-LATM", 16_000, ""),
    ("audio", "MPA", 90_000, ""),
    ("audio", "L16", 44_100, ""),
    ("audio", "G726-24", 8000, ""),
    ("audio", "OPUS", 48_000, "sprop-stereo=0"),
    ("audio", "PCMA", 8000, ""),
];

/// The first byte chooses the format and the transport; then packets with their lengths in two bytes in front.
pub(crate) fn rtp(data: &[u8]) {
    let Some((&choice, mut rest)) = data.split_first() else { return };
    let (media, encoding, clock_rate_hz, fmtp) = FORMATS[usize::from(choice & 0x7F) % FORMATS.len()];
    let format = Format {
        media: media.to_owned(),
        payload_type: 96,
        encoding: encoding.to_owned(),
        clock_rate_hz,
        channels: 1,
        fmtp: fmtp.to_owned(),
    };
    let transport = if choice & 0x80 == 0 { Transport::Tcp } else { Transport::Udp };
    let mut stream = Stream::new(&format, transport).unwrap();
    let (start, mut frames) = (Instant::now(), Vec::new());
    let mut packets = 0;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)).min(behind.len()));
        let now = start + Duration::from_millis(7) * packets;
        stream.push(packet, now, &mut frames);
        if packet.len() % 5 == 0 {
            stream.expire(now, &mut frames);
        }
        (rest, packets) = (behind, packets + 1);
    }
    stream.finish(&mut frames);
    // Each frame takes bytes of its own; to JPEGs their headers are added.
    let added = if encoding == "JPEG" { 2048 + 66_000 } else { 64 };
    assert!(frames.iter().map(|frame| frame.data.len()).sum::<usize>() <= data.len() * 2 + frames.len() * added);
    let mut track: Option<&Track> = None;
    for frame in &frames {
        assert!(!frame.data.is_empty() && frame.data.len() <= MAX_FRAME_BYTES + added);
        assert!(frame.codec.is_none() || frame.codec.as_ref() != track, "the same is no news");
        track = frame.codec.as_ref().or(track);
    }
    if let Some(track) = track {
        assert_eq!(stream.track(), Some(track));
    }
}

/// Compound packets of RTCP.
pub(crate) fn reports(data: &[u8]) {
    assert!(rtcp::reports(data).count() <= data.len() / 4);
}

/// A response in pieces, whose sizes the first byte says.
pub(crate) fn mjpeg(data: &[u8]) {
    let Some((&size, body)) = data.split_first() else { return };
    let whole = pictures(body, body.len().max(1));
    assert_eq!(whole, pictures(body, usize::from(size) + 1), "pieces do not matter");
    assert!(whole.iter().map(Vec::len).sum::<usize>() <= body.len() + 2 * whole.len());
    for picture in &whole {
        assert!(picture.starts_with(&[0xFF, 0xD8, 0xFF]) && picture.ends_with(&[0xFF, 0xD9]));
        assert!(JpegSize::of(picture).is_some() || picture.len() < 64);
    }
}

fn pictures(body: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (mut reader, mut out) = (MjpegReader::new(None), Vec::new());
    for piece in body.chunks(size) {
        if reader.push(piece, &mut out).is_err() {
            return out;
        }
    }
    reader.finish(&mut out);
    out
}
