//! The client on bytes that no camera wrote.

use super::targets;
use crate::support::fuzz::fuzz;
use crate::support::rtsp_peer::{SDP, interleaved, rtcp, rtp};

#[test]
fn rtsp_on_any_bytes() {
    let ok = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: GET_PARAMETER\r\n\r\n";
    let described =
        format!("RTSP/1.0 200 OK\r\nContent-Base: rtsp://cam/x/\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
    let set_up = "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\nSession: 7;timeout=1\r\n\r\n";
    let digest = "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\", stale=true\r\n\r\n";
    let other = "RTSP/1.0 461 Unsupported Transport\r\n\r\n";
    let away = "RTSP/1.0 302 Found\nLocation: rtsp://other:99/x?y=z\n\n";
    let asks = "GET_PARAMETER rtsp://x RTSP/1.0\r\nCSeq: 9\r\n\r\n";
    let packets: Vec<u8> =
        (1..20).flat_map(|n| interleaved(0, &rtp(0, n))).chain(interleaved(1, &rtcp(false))).collect();
    let end = interleaved(1, &rtcp(true));
    let play = [set_up, set_up, ok].concat();
    let session = |first: u8, texts: &[&str], behind: &[&[u8]]| {
        [&[first][..], texts.concat().as_bytes(), &behind.concat()].concat()
    };
    let corpus = [
        session(3, &[ok, &described, &play], &[&packets, asks.as_bytes(), &packets, &end]),
        session(127, &[digest, ok, digest, &described, &play], &[&packets, b"garbage$\0", &packets]),
        session(1, &[ok, &described, other, set_up, set_up, ok], &[]),
        session(200, &[ok, &described, other, &play], &[&packets]),
        session(90, &[ok, away, ok, away, ok, &described, &play], &[&packets]),
    ];
    fuzz("rtsp", &corpus, targets::rtsp);
}
