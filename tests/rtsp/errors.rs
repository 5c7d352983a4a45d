//! Why a session fails, and whether another client may do better.

use std::time::{Duration, Instant};

use footage::rtsp::{Client, Event};

use crate::support::raw::RawServer;
use crate::support::rtsp_client::{options, watch};
use crate::support::rtsp_peer::{Answer, Asked, RtspPeer};

#[test]
fn errors_name_status_or_cause_and_whether_ffmpeg_may_do_better() {
    type Edit = fn(&Asked, Answer) -> Answer;
    let edits: [(&str, bool, Edit); 9] = [
        (
            "404 Not Found",
            false,
            |asked, answer| if asked.method == "DESCRIBE" { answer.refuse("404 Not Found") } else { answer },
        ),
        (
            "404 Not Found",
            false,
            |asked, answer| if asked.method == "DESCRIBE" { answer.refuse("404") } else { answer },
        ),
        (
            "453 \u{fffd}[2J",
            false,
            |asked, answer| if asked.method == "PLAY" { answer.refuse("453 \u{1b}[2J") } else { answer },
        ),
        ("503 Service Unavailable", false, |asked, answer| {
            if asked.method == "SETUP" { answer.refuse("503 Service Unavailable") } else { answer }
        }),
        ("no video that can be recorded natively: the camera offers video VP8, audio PCMA", true, |_, answer| Answer {
            body: answer.body.replace("H264", "VP8"),
            ..answer
        }),
        ("no video that can be recorded natively: the camera offers nothing", true, |asked, answer| {
            match asked.method.as_str() {
                "DESCRIBE" => Answer { body: "no description".into(), ..answer },
                _ => answer,
            }
        }),
        ("302 redirects to \"rtsps://cam/x\": not an address of RTSP over TCP", true, |asked, answer| {
            match asked.method.as_str() {
                "DESCRIBE" => answer.refuse("302 Found").with("Location: rtsps://u:secret@cam/x?y"),
                _ => answer,
            }
        }),
        ("the malformed line \"RTSP/1.0 abc\" in the RTSP connection", true, |_, answer| Answer {
            status: "RTSP/1.0 abc".into(),
            ..answer
        }),
        ("the camera closed the connection instead of answering DESCRIBE", false, |asked, answer| {
            let close = asked.method == "DESCRIBE";
            Answer { close, is_silent: close, ..answer }
        }),
    ];
    for (error, is_worth, edit) in edits {
        let peer = RtspPeer::start(edit);
        let session = watch(&peer.url(), options(), |_| false);
        assert_eq!(session.error(), error);
        assert_eq!(session.failed.unwrap().is_worth_another_engine(), is_worth, "{error}");
    }
}

#[test]
fn garbage_in_the_stream_is_an_error_after_64_kib() {
    let peer = RtspPeer::start(|asked, mut answer| {
        if asked.method == "PLAY" {
            answer.after.truncate(1000);
            answer.after.resize(80_000, 0x55);
        }
        answer
    });
    let session = watch(&peer.url(), options(), |_| false);
    assert_eq!(session.error(), "more than 64 KiB of garbage in the RTSP connection");
    assert!(!session.failed.unwrap().is_worth_another_engine());
}

#[test]
fn servers_that_do_not_speak_rtsp_are_named() {
    for line in ["HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2"] {
        let server = RawServer::start(move |_| format!("{line}\r\n\r\n").into_bytes());
        let session = watch(&format!("rtsp://{}/", server.address()), options(), |_| false);
        assert_eq!(session.error(), format!("the server does not speak RTSP: {line:?}"));
    }
}

#[test]
fn every_step_has_ten_seconds() {
    let second = Duration::from_secs(1);
    let answers = [
        "RTSP/1.0 200 OK\r\n\r\n",
        "RTSP/1.0 200 OK\r\nContent-Length: 47\r\n\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\r\n",
        "RTSP/1.0 200 OK\r\nSession: 1\r\n\r\n",
    ];
    let names = ["a connection", "OPTIONS", "DESCRIBE", "SETUP", "PLAY"];
    for (steps, name) in names.iter().enumerate() {
        let mut now = Instant::now();
        let mut client = Client::new("rtsp://cam/x", None, options()).unwrap();
        client.start(now, &mut |_| {});
        now += 9 * second;
        if steps > 0 {
            client.on_connected(now);
        }
        for answer in answers.iter().take(steps.saturating_sub(1)) {
            now += 9 * second;
            client.on_bytes(answer.as_bytes(), now, &mut |event| {
                assert!(matches!(event, Event::Described { .. }), "{event:?}");
            });
        }
        let last = now;
        let mut failed = Vec::new();
        while failed.is_empty() {
            now = client.deadline().expect("a deadline");
            client.on_deadline(now, &mut |event| failed.push(format!("{event:?}")));
        }
        assert_eq!(now - last, if steps == 0 { second } else { 10 * second }, "{name}");
        assert_eq!(failed.len(), 1);
        let has_teardown = String::from_utf8_lossy(client.to_send()).contains("TEARDOWN");
        assert_eq!(has_teardown, *name == "PLAY");
        assert!(client.is_done());
    }
}
