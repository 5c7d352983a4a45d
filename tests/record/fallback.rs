//! What footage does about a camera that the native engine cannot read as it asked first: ffmpeg, UDP, TCP again; and what it
//! remembers of that in `record.learned`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::rtsp_peer::{Answer, Asked, RtspPeer, interleaved};
use crate::support::site::{QUICK, Site, wait_for};

/// H.264 of 640×360, and nothing else.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QAFqzZQKAv+XARAAADAAEAAAMAHg8WLZY=,aO+8sA==\r\na=control:track1\r\n";

/// Key frames, fifteen a second, a packet each; but for some.
fn frames(without: &[u16]) -> Vec<Vec<u8>> {
    let sent = (0..20).filter(|number| !without.contains(number));
    let frame = |number: u16| {
        let (sequence, stamp) = (number.to_be_bytes(), (u32::from(number) * 6000).to_be_bytes());
        [&[0x80, 0xE0][..], &sequence, &stamp, &[0, 0, 0, 1, 0x65, 0x88], &[0x42; 300]].concat()
    };
    sent.map(frame).collect()
}

/// A camera that sends these packets once it plays, and no more.
fn sends(asked: &Asked, answer: Answer, packets: &[Vec<u8>]) -> Answer {
    match asked.method.as_str() {
        "DESCRIBE" => Answer { body: SDP.into(), ..answer },
        "PLAY" => {
            let port = answer.datagrams.iter().map(|(port, _)| *port).min();
            let over_udp = port.map(|port| packets.iter().map(|packet| (port, packet.clone())).collect());
            let over_tcp = packets.iter().flat_map(|packet| interleaved(0, packet)).collect();
            let after = if port.is_some() { Vec::new() } else { over_tcp };
            Answer { after, datagrams: over_udp.unwrap_or_default(), ..answer }
        }
        _ => answer,
    }
}

/// A camera without TCP, or none of UDP any more.
fn without_tcp(asked: &Asked, answer: Answer, packets: &[Vec<u8>]) -> Answer {
    let is_tcp = asked.method == "SETUP" && asked.header("Transport").contains("interleaved");
    if is_tcp { answer.refuse("461 Unsupported Transport") } else { sends(asked, answer, packets) }
}

/// A camera's table.
fn table(peer: &RtspPeer, more: &str) -> String {
    format!("url = {:?}\n{more}", peer.url_with("viewer:hunter22"))
}

/// An ffmpeg that shows a test picture, whatever it is to read.
fn ffmpeg(site: &Site) -> String {
    let picture =
        "-re -f lavfi -i testsrc2=size=320x240:rate=10 -c:v libx264 -preset ultrafast -tune zerolatency -g 10";
    let run = format!(
        "case \"$*\" in *rtsp:*) exec ffmpeg -nostdin -v error {picture} -f matroska -flush_packets 1 pipe:1;; esac"
    );
    site.script("ffmpeg", &format!("{run}\nexec ffmpeg \"$@\""))
}

fn learned(site: &Site) -> String {
    std::fs::read_to_string(site.dest().join(".footage/record.learned")).unwrap_or_default()
}

#[test]
fn engine_auto_tries_ffmpeg_at_once_and_remembers_it_for_a_day() {
    let peer = RtspPeer::start(|asked, answer| match asked.method.as_str() {
        "DESCRIBE" => Answer { body: SDP.replace("H264", "VP8"), ..answer },
        _ => answer,
    });
    let site = Site::with(QUICK, &[("yard", table(&peer, ""))]);
    let ffmpeg = ffmpeg(&site);
    let record = || site.record(&["--for", "4s", "--ffmpeg", &ffmpeg]).run().expect_code(0);
    let asked = || peer.methods().iter().filter(|method| *method == "DESCRIBE").count();

    let output = record();
    let said = "yard: ffmpeg reads it for a day: no video that can be recorded natively: the camera offers video VP8";
    assert_eq!(output.stderr.matches(said).count(), 1, "{output}");
    assert!(!site.closed("yard").is_empty(), "{output}");
    let text = learned(&site);
    assert!(text.contains("ffmpeg_since") && !text.contains("hunter22"), "{text}");
    assert_eq!(asked(), 1);

    let output = record();
    assert!(asked() == 1 && !output.stderr.contains("yard: "), "it is remembered: {output}");

    // Over: a day has passed, the file is foreign, the settings are others.
    let since = text.split("\"ffmpeg_since\":").nth(1).and_then(|rest| rest.split([',', '.', '}']).next()).unwrap();
    let earlier = text.replace(since, &(since.parse::<u64>().unwrap() - 86_401).to_string());
    for (number, (text, more)) in
        [(earlier.as_str(), ""), ("{\"yard\":7}", ""), (&text, "transport = \"tcp\"")].into_iter().enumerate()
    {
        std::fs::write(site.dest().join(".footage/record.learned"), text).unwrap();
        site.configure(QUICK, &[("yard", table(&peer, more))]);
        let output = record();
        assert!(asked() == number + 2 && output.stderr.contains(said), "{more}: {}: {output}", asked());
    }
}

#[test]
fn transport_is_udp_after_461_and_remembered_while_packets_come() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&is_silent);
    let peer = RtspPeer::start(move |asked, answer| {
        let packets = if silent.load(Ordering::Relaxed) { Vec::new() } else { frames(&[]) };
        without_tcp(asked, answer, &packets)
    });
    let transports = || -> Vec<bool> {
        let setups = peer.log().into_iter().filter(|asked| asked.method == "SETUP");
        setups.map(|asked| asked.header("Transport").contains("interleaved")).collect()
    };
    let site = Site::with(QUICK, &[("yard", table(&peer, ""))]);
    let record = || site.record(&["--for", "2s"]).run().expect_code(0);
    record();
    assert_eq!(transports(), [true, false], "TCP, then UDP");
    assert!(learned(&site).contains("udp_since") && !site.closed("yard").is_empty(), "{}", learned(&site));
    record();
    assert_eq!(transports(), [true, false, false], "UDP first");

    // Nothing comes over UDP any more: TCP is asked for again.
    is_silent.store(true, Ordering::Relaxed);
    let running = site.start(&["-v"]);
    wait_for("another SETUP over TCP", || transports()[3..].contains(&true).then_some(()));
    assert!(!transports()[3], "UDP first: {:?}", transports());
    running.term();
    running.wait().expect_code(143);
}

#[test]
fn engine_ffmpeg_asks_for_udp_after_461() {
    let peer = RtspPeer::start(|asked, answer| without_tcp(asked, answer, &frames(&[])));
    let site = Site::with(QUICK, &[("yard", table(&peer, "engine = \"ffmpeg\""))]);
    let running = site.start(&["-v"]);
    let setups = || -> Vec<bool> {
        let setups = peer.log().into_iter().filter(|asked| asked.method == "SETUP");
        setups.map(|asked| asked.header("Transport").contains("interleaved")).collect()
    };
    wait_for("a SETUP over UDP", || setups().contains(&false).then_some(()));
    running.term();
    let output = running.wait().expect_code(143);
    assert_eq!(setups()[..2], [true, false], "{output}");
}

#[test]
fn transport_tcp_names_udp_when_461_refuses_it() {
    let peer = RtspPeer::start(|asked, answer| without_tcp(asked, answer, &frames(&[])));
    let site = Site::with(QUICK, &[("yard", table(&peer, "transport = \"tcp\""))]);
    let output = site.record(&["--for", "2s"]).run().expect_code(3);
    assert!(output.stderr.contains("461 Unsupported Transport over TCP; set transport = \"udp\""), "{output}");
    let output = site.record(&["--check"]).run().expect_code(3);
    assert!(output.stdout.contains("461 Unsupported Transport over TCP; set transport = \"udp\""), "{output}");
}

#[test]
fn malformed_rtp_and_stalls_without_a_frame_are_ffmpeg_s() {
    let malformed = RtspPeer::start(|asked, answer| sends(asked, answer, &vec![vec![0x13; 40]; 25]));
    let silent = RtspPeer::start(|asked, answer| sends(asked, answer, &[]));
    let quick = format!("{QUICK}\ntimeout = \"1s\"").replace("timeout = \"2s\"\n", "");
    let site = Site::with(&quick, &[("mad", table(&malformed, "")), ("mute", table(&silent, ""))]);
    let ffmpeg = ffmpeg(&site);
    let running = site.start(&["--ffmpeg", &ffmpeg]);
    site.expect_frames("mad", 5);
    site.expect_frames("mute", 5);
    running.term();
    let output = running.wait().expect_code(143);
    let said = "mad: ffmpeg reads it for a day: 20 packets in a row make no sense";
    assert!(output.stderr.contains(said), "{output}");
    assert!(output.stderr.contains("mute: ffmpeg reads it for a day: no frame came, twice"), "{output}");
    assert_eq!(silent.methods().iter().filter(|method| *method == "DESCRIBE").count(), 2);
}

#[test]
fn lost_rtp_packets_are_counted_and_a_warning_once() {
    let peer = RtspPeer::start(|asked, answer| sends(asked, answer, &frames(&[3, 4, 11])));
    let site = Site::with(QUICK, &[("yard", table(&peer, "stall_timeout = \"2s\""))]);
    let running = site.start(&[]);
    wait_for("two sessions with losses", || (site.live("yard")["drop_frames"].as_u64()? >= 6).then_some(()));
    running.term();
    let output = running.wait().expect_code(143);
    assert_eq!(output.stderr.matches("lost on the way").count(), 1, "{output}");
    assert!(output.stderr.contains("yard: 3 RTP packets lost on the way: look at its network or Wi-Fi"), "{output}");
}

#[test]
fn audio_that_mp4_cannot_hold_is_left_out_with_a_warning() {
    let camera = RtspCamera::start(Film::ALaw);
    let more = "container = \"mp4\"\naudio = ";
    let cameras = [
        ("copied", format!("{}\n{more}\"copy\"", camera.table())),
        ("native", format!("{}\n{more}\"aac\"\nengine = \"native\"", camera.table())),
    ];
    let site = Site::with(QUICK, &cameras);
    let running = site.start(&[]);
    for (name, _) in &cameras {
        let closed = site.wait_for_closed(name, 2);
        assert_eq!(closed[1].codecs(), ["h264"], "{name}");
    }
    running.term();
    let output = running.wait().expect_code(143);
    assert_eq!(output.stderr.matches("copied: records without its audio: mp4 cannot hold PCMA").count(), 1, "{output}");
    assert!(output.stderr.contains("native: records without its audio: only ffmpeg encodes PCMA"), "{output}");
}

#[test]
fn jpeg_over_rtsp_does_not_go_into_ts() {
    // RFC 2435: no offset, type 1, quality 50, 320×240.
    let picture = [&[0x80, 0x9A, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 50, 40, 30][..], &[0x55; 200]].concat();
    let sdp = SDP.split("a=rtpmap").next().unwrap().replace("AVP 96", "AVP 26") + "a=control:track1\r\n";
    let peer = RtspPeer::start(move |asked, answer| {
        let answer = sends(asked, answer, &vec![picture.clone(); 3]);
        if asked.method == "DESCRIBE" { Answer { body: sdp.clone(), ..answer } } else { answer }
    });
    let site = Site::with(QUICK, &[("yard", table(&peer, "container = \"ts\""))]);
    let output = site.record(&["--for", "2s"]).run().expect_code(3);
    let said = "ts cannot hold its video (JPEG): set container = \"mkv\" or video = \"h264\"";
    assert!(output.stderr.contains(said) && site.closed("yard").is_empty(), "{output}");
    let output = site.record(&["--check"]).run().expect_code(3);
    assert!(output.stdout.contains(said), "{output}");
}
