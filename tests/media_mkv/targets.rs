//! What the demuxer promises of any bytes: the function panics when it is broken. Called with mutations of a corpus by the
//! tests beside this file, and with what libFuzzer finds by `tests/fuzz`.

#![allow(dead_code, reason = "each binary of cargo fuzz calls one")]

use footage::media::Track;
use footage::media::mkv::{DemuxError, DemuxEvent, MAX_TRACKS, MkvDemuxer};

pub(crate) fn matroska(data: &[u8]) {
    let (whole, in_pieces) = (read(data, usize::MAX), read(data, 7));
    assert_eq!(whole, in_pieces, "it matters how the stream is cut into pieces");
    let (result, events) = whole;
    let mut tracks: Option<&Vec<Track>> = None;
    let mut packet_bytes = 0;
    for event in &events {
        match event {
            DemuxEvent::Tracks(found) => {
                assert!(tracks.replace(found).is_none() && found.len() <= MAX_TRACKS);
            }
            DemuxEvent::Packet(packet) => {
                assert!(packet.track < tracks.unwrap().len() && !packet.data.is_empty());
                packet_bytes += packet.data.len();
            }
        }
    }
    assert!(packet_bytes <= data.len(), "more comes out than went in");
    if let Err(error) = result {
        let text = error.to_string();
        assert!(text.len() < 200 && text.is_ascii() && !text.contains(char::is_control), "{text:?}");
    }
}

fn read(data: &[u8], step: usize) -> (Result<(), DemuxError>, Vec<DemuxEvent>) {
    let (mut demuxer, mut events) = (MkvDemuxer::new(), Vec::new());
    let result = data.chunks(step).try_for_each(|bytes| demuxer.push(bytes, &mut events));
    (result, events)
}
