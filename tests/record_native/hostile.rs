//! Servers that attack: their camera may be lost, and no other one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use super::{Shot, decoded, h264, wait_for_ends};
use crate::support::rng::seeded;
use crate::support::rtsp_peer::{Line, Play, RtspPeer, Sent, Sets};
use crate::support::site::{QUICK, Site};

/// The recorder itself takes some 15 MiB here, and of hostile cameras each a frame or a picture of up to 16.
const MOST_KIB: u64 = 110 << 10;

/// Answers whatever is asked with `head`, and then with `piece` without end.
fn endless(head: String, piece: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (head, piece) = (head.clone(), piece.clone());
            thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = client.read(&mut request);
                let mut result = client.write_all(head.as_bytes());
                while result.is_ok() {
                    result = client.write_all(&piece);
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    address
}

const H264_SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track0\r\n";

/// Plays packets that `make` numbers, a thousand a second at most.
fn flood(sdp: &str, every: Duration, make: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static) -> RtspPeer {
    let play = Play::new(move || {
        let make = make.clone();
        let sent = move |number: u32| Sent { at: every * number, track: 0, is_rtcp: false, packet: make(number) };
        Box::new((0..).map(sent))
    });
    RtspPeer::of((sdp.to_owned(), play), |_, answer| answer)
}

fn rtp(payload_type: u8, number: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let [_, _, high, low] = number.to_be_bytes();
    let mut packet = vec![0x80, payload_type, high, low];
    packet.extend(timestamp.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(payload);
    packet
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Of a processor, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn hostile_servers_cost_no_other_camera_a_frame_and_memory_is_bounded() {
    let good = Shot::of("good", h264(12, &["-bf", "2"]), |film| {
        vec![Line::video(&film.tracks[0], film.video(), Sets::Described, false)]
    });
    let describes = |more: &str| format!("RTSP/1.0 200 OK\r\nCSeq: 2\r\n{more}");
    let ok = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
    let tracks: Vec<String> = (0..10_000).map(|n| format!("m=video 0 RTP/AVP 96\r\na=control:{n}\r\n")).collect();
    let tracks = tracks.concat();
    let raw = [
        ("header", endless(describes(""), b"X-Y: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n".repeat(500))),
        (
            "sdp",
            endless(
                format!("{ok}{}", describes("Content-Length: 1000000\r\n\r\n")),
                b"m=video 0 RTP/AVP 96\r\n".repeat(500),
            ),
        ),
        ("four-gib", endless(format!("{ok}{}", describes("Content-Length: 4294967296\r\n\r\n")), vec![b'v'; 60_000])),
        ("garbage", endless(String::new(), seeded(3).bytes(60_000))),
    ];
    let one_frame = flood(H264_SDP, Duration::from_millis(4), |number| {
        let start = [28, if number == 0 { 0x85 } else { 5 }];
        rtp(96, number, 1, &[&start[..], &vec![0x55; 60_000]].concat())
    });
    let no_marker =
        flood(H264_SDP, Duration::from_millis(1), |number| rtp(96, number, number * 90, &[0x65, 0x88, 1, 2]));
    let sets = RtspPeer::of(
        {
            let (sdp, mut packets) = crate::support::rtsp_peer::film(
                &[Line::video(&good.films[0].tracks[0], good.films[0].video(), Sets::Described, false)],
                false,
            );
            let mut random = seeded(7);
            for sent in packets.iter_mut().filter(|sent| !sent.is_rtcp) {
                let stamp = random.bytes(4);
                sent.packet[4..8].copy_from_slice(&stamp);
            }
            (sdp, Play::of(packets))
        },
        |_, answer| answer,
    );
    let no_size = flood("v=0\r\nm=video 0 RTP/AVP 26\r\na=control:track0\r\n", Duration::from_millis(2), |number| {
        let jpeg = [[0, 0, 0, 0, 1, 50, 0, 0].as_slice(), &[9; 900]].concat();
        let mut packet = rtp(26, number, number * 180, &jpeg);
        packet[1] |= 0x80;
        packet
    });
    let many = RtspPeer::of((format!("v=0\r\n{tracks}"), Play::of(Vec::new())), |_, answer| answer);
    let mjpeg = endless(
        "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\u{0}".into(),
        [
            &[0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 9, 0, 9, 1, 1, 17, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0][..],
            &vec![0x11; 50_000],
        ]
        .concat(),
    );
    let mut scan = vec![0x11; 60_000];
    scan[..2].copy_from_slice(&[0x22, 0x33]);
    let picture = endless("HTTP/1.1 200 OK\r\n\r\n".into(), scan);
    let mut cameras: Vec<(String, String)> =
        raw.iter().map(|(name, at)| ((*name).to_owned(), format!("url = \"rtsp://{at}/\""))).collect();
    for (name, peer) in [
        ("one-frame", &one_frame),
        ("no-marker", &no_marker),
        ("stamps", &sets),
        ("no-size", &no_size),
        ("tracks", &many),
    ] {
        cameras.push((name.to_owned(), format!("url = {:?}", peer.url())));
    }
    for (name, at) in [("mjpeg", mjpeg), ("no-picture", picture)] {
        cameras.push((name.to_owned(), format!("url = \"http://{at}/\"\nvideo = \"copy\"")));
    }
    cameras.push(("good".to_owned(), format!("url = {:?}", good.peer.url() + "/mkv")));
    let site = Site::with(&format!("{QUICK}\nengine = \"native\""), super::cameras_of(&cameras).as_slice());
    let running = site.start(&[]);
    let (began, pid) = (Instant::now(), running.id());
    wait_for_ends(&running, ["good"].into_iter());
    let (peak, spent, lasted) = (status_kib(pid, "VmHWM:"), ticks(pid), began.elapsed());
    running.term();
    let output = running.wait_timeout(Duration::from_secs(3));
    assert!(!output.stderr.contains("panicked"), "{output}");
    good.assert_in(&site, "good", &decoded(&good.paths));
    assert!(peak < MOST_KIB, "{peak} KiB; {output}");
    // The build of the tests is ten times slower than a release.
    assert!(spent < 60 * lasted.as_secs(), "{spent} hundredths in {lasted:?}; {output}");
}
