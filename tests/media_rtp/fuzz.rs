//! The readers on bytes that no camera sent.

use super::targets::{self, FORMATS};
use crate::support::fuzz::fuzz;

/// Packets of a format, as the target takes them.
fn stream(format: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![format];
    for (number, payload) in (0_u8..).zip(payloads) {
        let mut packet = vec![0x80, 96 + 128 * (number & 1), 0, number, 0, 0, 0, number / 2 * 90, 0, 0, 0, 1];
        packet.extend(*payload);
        bytes.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
        bytes.extend(packet);
    }
    bytes
}

#[test]
fn rtp_of_every_format_on_any_bytes() {
    let payloads: [&[&[u8]]; 6] = [
        // H.264: SPS, PPS, STAP-A, FU-A.
        &[
            &[0x67, 0x42, 0xC0, 0x1E, 0xD9],
            &[0x68, 0xCB, 0x8C],
            &[24, 0, 2, 0x65, 0x88, 0, 1, 6],
            &[0x7C, 0x85, 0x88, 1],
            &[0x7C, 0x45, 2],
        ],
        // H.265: VPS, AP, FU.
        &[
            &[0x40, 1, 12, 1],
            &[0x60, 1, 0, 3, 0x26, 1, 0x88, 0, 2, 0x4E, 1],
            &[0x62, 1, 0x93, 0x80, 7],
            &[0x62, 1, 0x53, 8],
        ],
        // JPEG: with tables made of Q, with restarts, with tables in band.
        &[
            &[0, 0, 0, 0, 1, 60, 40, 30, 1, 2, 3],
            &[0, 0, 0, 3, 1, 60, 40, 30, 4],
            &[0, 0, 0, 0, 65, 128, 40, 30, 0, 4, 255, 255, 0, 0, 0, 0, 9],
        ],
        // AAC: two units, a fragment.
        &[&[0, 32, 0, 16, 0, 16, 1, 2, 3, 4], &[0, 16, 0, 40, 1, 2], &[0, 16, 0, 40, 3, 4, 5]],
        // LATM without and with a configuration in band.
        &[&[2, 1, 2], &[0x20, 0x00, 0x14, 0x08, 0x1F, 0xE0, 1, 2]],
        // MPEG audio: a fragment and its rest.
        &[&[0, 0, 0, 0, 0xFF, 0xFD, 0x14, 0xC0], &[0, 0, 0, 4, 1, 2, 3]],
    ];
    let formats = u8::try_from(FORMATS.len()).unwrap();
    let corpus: Vec<Vec<u8>> = (0..formats)
        .flat_map(|format| [format, format | 0x80])
        .flat_map(|format| payloads.iter().map(move |payloads| stream(format, payloads)))
        .collect();
    fuzz("rtp", &corpus, targets::rtp);
}

#[test]
fn rtcp_on_any_bytes() {
    let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
    report.extend([0xE9; 20]);
    report.extend([0x81, 203, 0, 1, 0, 0, 0, 1]);
    fuzz("rtcp", &[report], targets::reports);
}

#[test]
fn mjpeg_on_any_bytes() {
    let jpeg = crate::support::hikvision::jpeg();
    let part = [b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 300\r\n\r\n".as_slice(), &jpeg].concat();
    let small =
        [b"\x05--b\n\n".as_slice(), b"\xFF\xD8\xFF\xC0\0\x08\x08\0\x08\0\x08\0\xFF\xDA\0\x02ab\xFF\0\xFF\xD9"].concat();
    let corpus = [[b"\x20".as_slice(), &part, &part].concat(), [small.clone(), small].concat()];
    fuzz("mjpeg", &corpus, targets::mjpeg);
}
