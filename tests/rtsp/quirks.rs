//! What cameras do against the standard and what ffmpeg plays all the same: every packet comes.

use footage::rtsp::{Carriage, End, Options, Transport};

use crate::support::rtsp_client::{Session, options, watch};
use crate::support::rtsp_peer::{Answer, Asked, PACKETS, RtspPeer, SDP, interleaved, rtcp, rtp};

fn never(_: &Session) -> bool {
    false
}

#[track_caller]
fn assert_whole(session: &Session, what: &str) {
    assert_eq!(session.failed, None, "{what}");
    let counts = session.packets.each_ref().map(Vec::len);
    assert_eq!((counts, session.ended), ([PACKETS, PACKETS], Some(End::ByCamera)), "{what}");
    for (track, packets) in session.packets.iter().enumerate() {
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(*packet, rtp(u8::try_from(track).unwrap(), number + 1), "{what}");
        }
    }
}

#[test]
fn a_session_has_every_packet_and_ends_with_bye_and_teardown() {
    let peer = RtspPeer::start(|_, answer| answer);
    let session = watch(&peer.url(), options(), never);
    assert_whole(&session, "");
    assert!(session.sender_reports > 0);
    assert_eq!(
        session.carriages,
        [Carriage::Interleaved { rtp: 0, rtcp: 1 }, Carriage::Interleaved { rtp: 2, rtcp: 3 }]
    );
    assert_eq!(peer.methods()[..5], ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]);
    let log = peer.log();
    let url = peer.url();
    let uris: Vec<_> = log.iter().take(5).map(|asked| asked.uri.clone()).collect();
    assert_eq!(uris, [url.clone(), url.clone(), format!("{url}/track1"), format!("{url}/track2"), url]);
    let numbers: Vec<_> = log.iter().map(|asked| asked.header("CSeq").to_owned()).collect();
    assert_eq!(numbers[..5], ["1", "2", "3", "4", "5"]);
    assert_eq!(log[4].header("Session"), "77");
}

#[test]
fn odd_answers_are_played() {
    type Edit = fn(&Asked, Answer) -> Answer;
    let edits: [(&str, Edit); 20] = [
        ("bare LF", |_, answer| Answer { newline: "\n", ..answer }),
        ("no phrase", |_, answer| Answer { status: "RTSP/1.0 200".into(), ..answer }),
        ("no CSeq", |_, answer| answer.replace("CSeq", None)),
        ("wrong CSeq", |_, answer| answer.replace("CSeq", Some("CSeq: 1"))),
        ("CRLF before", |_, answer| Answer { before: b"\r\n".into(), ..answer }),
        ("Continue before", |_, answer| Answer { before: b"RTSP/1.0 100 Continue\r\n\r\n".into(), ..answer }),
        ("blanks in Session", |_, answer| answer.replace("Session", Some("Session:  77 ; timeout = 60 ;x=y"))),
        ("timeout=0", |_, answer| answer.replace("Session", Some("Session: 77;timeout=0"))),
        ("charset", |_, answer| answer.replace("Content-Type", Some("Content-type: Application/SDP; charset=utf-8"))),
        ("no Content-Type", |_, answer| answer.replace("Content-Type", None)),
        ("OPTIONS refused", |asked, answer| if asked.method == "OPTIONS" { answer.refuse("501 No") } else { answer }),
        ("no RTP-Info", |_, answer| answer.replace("RTP-Info", None)),
        ("RTP-Info without url", |_, answer| answer.replace("RTP-Info", Some("RTP-Info: seq=1;;"))),
        ("Transport without channels", |_, answer| answer.replace("Transport", None)),
        ("ssrc that lies", |asked, answer| {
            let line = format!("Transport: {};ssrc= 1234ABCD;mode=\"PLAY\"", asked.header("Transport"));
            if asked.method == "SETUP" { answer.replace("Transport", Some(&line)) } else { answer }
        }),
        ("session changes", |asked, answer| {
            if asked.uri.ends_with("track2") { answer.replace("Session", Some("Session: 99")) } else { answer }
        }),
        ("packets before the answer to PLAY", |asked, mut answer| {
            if asked.method == "PLAY" {
                // Two reports and three packets.
                answer.before = answer.after.drain(..2 * 32 + 3 * 316).collect();
            }
            answer
        }),
        ("packets of an old session", |asked, mut answer| {
            if asked.method != "PLAY" {
                answer.before = interleaved(0, &rtp(0, 99));
            }
            answer
        }),
        ("noise between packets", |asked, mut answer| {
            if asked.method == "PLAY" {
                let noise = b"\r\nRTSP$\0\0\x02ab$\x09\0\x20garbage$";
                let other = interleaved(77, b"of another channel");
                answer.after = [&other[..], noise, &answer.after].concat();
            }
            answer
        }),
        ("broken RTCP", |asked, mut answer| {
            if asked.method == "PLAY" {
                answer.after = [&interleaved(1, &[0x80, 200, 9, 9]), &interleaved(1, &[]), &answer.after[..]].concat();
            }
            answer
        }),
    ];
    for (what, edit) in edits {
        let peer = RtspPeer::start(edit);
        let session = watch(&peer.url(), options(), never);
        assert_whole(&session, what);
        let play = peer.log().into_iter().find(|asked| asked.method == "PLAY").unwrap();
        assert_eq!(play.header("Session"), "77", "{what}");
    }
}

#[test]
fn odd_descriptions_are_played() {
    let video = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";
    let audio = "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n";
    let back = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMA/8000\r\na=control:back\r\na=sendonly\r\n";
    let onvif = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:meta\r\n";
    let other = "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=control:vp8\r\n";
    let second = "m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=control:second\r\n";
    let server_side = format!("{video}a=sendonly\r\n{audio}a=sendonly\r\n");
    for (sdp, chosen) in [
        (format!("{video}{audio}"), [0, 1]),
        (format!("{audio}{video}"), [1, 0]),
        (format!("{onvif}{back}{video}{audio}{second}"), [2, 3]),
        (format!("{other}{video}{second}{audio}"), [1, 3]),
        (server_side, [0, 1]),
        (SDP.replace("t=0 0", "t=\r\nnonsense\r\no=- 14665860 31787219 1 IN IP4 1.2.3.4"), [0, 1]),
    ] {
        let body = sdp.clone();
        let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
            "DESCRIBE" => Answer { body: body.clone(), ..answer },
            _ => answer,
        });
        let session = watch(&peer.url(), options(), never);
        assert_whole(&session, &sdp);
        assert_eq!(session.chosen, chosen, "{sdp}");
        let setups: Vec<_> = peer.log().into_iter().filter(|asked| asked.method == "SETUP").collect();
        assert!(setups[0].uri.ends_with("/track1") && setups[1].uri.ends_with("/track2"), "{sdp}");
    }
}

#[test]
fn content_base_and_control_decide_the_urls_of_setup_and_play() {
    for (header, control, track, setup, play) in [
        ("rtsp://10.0.0.1/live/", "*", "track1", "rtsp://10.0.0.1/live/track1", "rtsp://10.0.0.1/live/"),
        ("rtsp://c/x?channel=1", "*", "video", "rtsp://c/x?channel=1/video", "rtsp://c/x?channel=1"),
        ("rtsp://c/x", "all", "t", "rtsp://c/x/t", "rtsp://c/x/all"),
        ("rtsp://c/x", "rtsp://d/y", "t", "rtsp://d/y/t", "rtsp://d/y"),
        ("rtsp://c/x", "*", "rtsp://e/z", "rtsp://e/z", "rtsp://c/x"),
    ] {
        let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
            "DESCRIBE" => {
                let body = SDP.replace("control:*", &format!("control:{control}")).replace("track1", track);
                Answer { body, ..answer.with(format!("Content-Base: {header}")) }
            }
            _ => answer,
        });
        let session = watch(&peer.url(), Options { audio: false, ..options() }, never);
        assert_eq!((session.packets[0].len(), session.failed), (PACKETS, None));
        let uris: Vec<_> = peer.log().into_iter().skip(2).map(|asked| asked.uri).collect();
        assert_eq!(uris[..2], [setup, play], "{header} {control} {track}");
    }
}

#[test]
fn channels_are_those_of_the_answer() {
    let peer = RtspPeer::start(|asked, answer| match asked.method.as_str() {
        "SETUP" if asked.uri.ends_with("track1") => {
            answer.replace("Transport", Some("Transport: RTP/AVP/TCP;interleaved=8-9"))
        }
        // A channel that is in use already is not meant.
        "SETUP" => answer.replace("Transport", Some("Transport: RTP/AVP/TCP;interleaved=8-9")),
        "PLAY" => Answer {
            after: [interleaved(8, &rtp(0, 1)), interleaved(2, &rtp(1, 1)), interleaved(9, &rtcp(true))].concat(),
            ..answer
        },
        _ => answer,
    });
    let session = watch(&peer.url(), options(), never);
    assert_eq!(session.packets, [vec![rtp(0, 1)], vec![rtp(1, 1)]]);
}

#[test]
fn audio_that_is_refused_is_left_out() {
    let peer = RtspPeer::start(|asked, answer| {
        if asked.uri.ends_with("track2") { answer.refuse("500 Internal Server Error") } else { answer }
    });
    let session = watch(&peer.url(), options(), never);
    assert_eq!((session.packets[0].len(), session.ended), (PACKETS, Some(End::ByCamera)));
    assert_eq!(session.refused, ["1: 500 Internal Server Error"]);
    assert_eq!(session.carriages[1], Carriage::None);
}

#[test]
fn unsupported_transport_461_switches_within_the_session() {
    for (transport, word) in [(Transport::Tcp, "RTP/AVP/TCP"), (Transport::Udp, "RTP/AVP;")] {
        let peer = RtspPeer::start(move |asked, answer| {
            if asked.header("Transport").starts_with(word) {
                answer.refuse("461 Unsupported Transport")
            } else {
                answer
            }
        });
        let session = watch(&peer.url(), Options { transport, ..options() }, never);
        assert_eq!(session.packets[0].len(), PACKETS);
        assert_eq!(session.refused, [format!("{} 461 Unsupported Transport", transport.name())]);
        assert_eq!(peer.methods().iter().filter(|method| *method == "DESCRIBE").count(), 1);
        let is_udp = |carriage: &Carriage| matches!(carriage, Carriage::Udp { .. });
        assert!(session.carriages.iter().all(|carriage| is_udp(carriage) == (transport == Transport::Tcp)));

        let alone = watch(&peer.url(), Options { transport, may_switch: false, ..options() }, never);
        assert_eq!(alone.error(), format!("461 Unsupported Transport over {}", transport.name()));
    }
}

#[test]
fn udp_answers_may_lack_server_port() {
    for port in ["", ";server_port=6970", ";server_port=6970-6971", ";server_port=0"] {
        let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
            "SETUP" => answer.replace("Transport", Some(&format!("Transport: RTP/AVP;unicast{port}"))),
            _ => answer,
        });
        let session = watch(&peer.url(), Options { transport: Transport::Udp, ..options() }, never);
        assert_eq!((session.packets[0].len(), session.ended), (PACKETS, Some(End::ByCamera)), "{port}");
    }
}

#[test]
fn keep_alive_is_sent_at_half_the_timeout_and_needs_no_answer() {
    for public in ["GET_PARAMETER", "nothing"] {
        let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
            "OPTIONS" if asked.number == 0 => answer.replace("Public", Some(&format!("Public: {public}"))),
            "SETUP" => answer.replace("Session", Some("Session: 77;timeout=1")),
            "PLAY" => Answer { after: Vec::new(), ..answer },
            "TEARDOWN" => answer,
            _ if asked.number > 1 => Answer { is_silent: true, ..answer },
            _ => answer,
        });
        let keep_alive = if public == "nothing" { "OPTIONS" } else { public };
        let count = |peer: &RtspPeer| peer.methods().iter().skip(1).filter(|method| *method == keep_alive).count();
        let session = watch(&peer.url(), options(), |_| count(&peer) >= 3);
        assert_eq!((session.failed, session.is_finished), (None, true));
        assert_eq!(peer.methods().last().unwrap(), "TEARDOWN");
    }
}

#[test]
fn requests_of_the_server_are_answered() {
    let peer = RtspPeer::start(|asked, mut answer| {
        if asked.method == "PLAY" {
            let requests = b"OPTIONS * RTSP/1.0\r\nCSeq: 41\r\n\r\nPAUSE x RTSP/1.0\r\nCSeq: 42\r\n\r\nANNOUNCE x RTSP/1.0\nCSeq: 43\nContent-Length: 3\n\nv=0";
            answer.after = [&requests[..], &answer.after].concat();
        }
        answer
    });
    let session = watch(&peer.url(), options(), never);
    assert_whole(&session, "");
    let answers = || {
        let all = peer.log().into_iter().filter(|asked| asked.method.starts_with("RTSP/"));
        all.map(|asked| (asked.uri.clone(), asked.header("CSeq").to_owned())).collect::<Vec<_>>()
    };
    let expected = [("200", "41"), ("501", "42"), ("200", "43")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let start = std::time::Instant::now();
    while answers() != expected {
        assert!(start.elapsed().as_secs() < 10, "{:?}", answers());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn redirects_are_followed_and_bounded() {
    let target = RtspPeer::start(|_, answer| answer);
    let url = target.url();
    let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
        "DESCRIBE" => answer.refuse("302 Moved Temporarily").with(format!("Location: {url}")),
        _ => answer,
    });
    let session = watch(&peer.url(), options(), never);
    assert_whole(&session, "");
    assert_eq!(session.places.len(), 2);

    let round = RtspPeer::start(|asked, answer| match asked.method.as_str() {
        "DESCRIBE" => answer.refuse("301 Moved").with("Location: /again?token=secret"),
        _ => answer,
    });
    let session = watch(&round.url(), options(), never);
    assert_eq!(session.error(), "301 redirects to \"/again\": too many redirects");
    assert_eq!(session.places.len(), 4);
}

#[test]
fn a_closed_connection_ends_the_stream() {
    let peer = RtspPeer::start(|asked, mut answer| {
        if asked.method == "PLAY" {
            answer.after.truncate(1000);
            answer.close = true;
        }
        answer
    });
    let session = watch(&peer.url(), options(), never);
    assert_eq!((session.ended, session.failed), (Some(End::Closed), None));
}

#[test]
fn bye_of_the_video_ends_the_stream_though_the_audio_has_none() {
    let peer = RtspPeer::start(|asked, mut answer| {
        if asked.method == "PLAY" {
            // Without the audio's last packet, which is its BYE, and with one more of audio behind the BYE of the video.
            answer.after.truncate(answer.after.len() - 12);
            answer.after.extend(interleaved(2, &rtp(1, PACKETS + 1)));
        }
        answer
    });
    let session = watch(&peer.url(), options(), never);
    assert_eq!(
        (session.packets.each_ref().map(Vec::len), session.ended),
        ([PACKETS, PACKETS + 1], Some(End::ByCamera))
    );
}
