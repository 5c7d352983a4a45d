//! What the client promises of any bytes: the function panics when it is broken. Called with mutations of a corpus by the
//! test beside this file, and with what libFuzzer finds by `tests/fuzz`.

#![allow(dead_code, reason = "each binary of cargo fuzz calls one")]

use std::time::{Duration, Instant};

use footage::rtsp::{Client, Event, Login, Options, Transport};

/// What a server sends: the first byte says how it is cut into reads, and which transport is asked for.
pub(crate) fn rtsp(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let transport = if first & 0x80 == 0 { Transport::Tcp } else { Transport::Udp };
    let is_known = |format: &footage::media::rtp::Format| format.encoding != "VP8";
    let answer_within = std::time::Duration::from_secs(10);
    let options = Options {
        transport,
        may_switch: true,
        audio: true,
        is_known,
        answer_within,
        user_agent: "footage/test",
        random: 7,
    };
    let url = "rtsp://user:secret%0D%0A@cam/live";
    let mut client = Client::new(url, Login::of_url(url), options).expect("an address");
    let mut now = Instant::now();
    let mut bytes_out = 0;
    let mut is_over = false;
    let (mut connects, mut wanted) = (0, None);
    let mut take = |event: Event<'_>| {
        assert!(!is_over || matches!(event, Event::Finished), "{event:?} after the end");
        match event {
            Event::Connect { host, .. } => {
                assert!(!host.is_empty());
                connects += 1;
            }
            Event::Described { offered, chosen } => {
                assert!(chosen.iter().all(|at| *at < offered.len()) && (1..=2).contains(&chosen.len()));
                assert_eq!(offered[chosen[0]].media, "video");
            }
            Event::PortsWanted { tracks } => wanted = Some(tracks),
            Event::Rtp { packet, track } | Event::Rtcp { packet, track } => {
                bytes_out += packet.len();
                assert!(track < 2);
            }
            Event::Ended(_) => is_over = true,
            Event::Failed(error) => {
                let text = error.to_string();
                assert!(!text.chars().any(char::is_control) && text.len() < 1500, "{text:?}");
                is_over = true;
            }
            _ => {}
        }
        (connects, wanted.take())
    };
    let mut connected = 0;
    let mut after = |client: &mut Client, (connects, wanted): (u32, Option<usize>), now: Instant| {
        if connects > connected {
            connected = connects;
            client.on_connected(now);
        }
        if let Some(tracks) = wanted {
            client.set_ports(&vec![5000; tracks], now);
        }
        let text = String::from_utf8_lossy(client.to_send()).into_owned();
        assert!(!text.contains("secret"), "{text}");
        // What was written so far may have ended within the end of a line.
        let text = text.strip_prefix('\n').unwrap_or(&text);
        assert!(text.split("\r\n").all(|line| !line.chars().any(char::is_control)), "{text:?}");
        assert!(text.len() < 200 << 10);
        client.sent(usize::from(*first) * 8);
    };
    let mut last = (0, None);
    client.start(now, &mut |event| last = take(event));
    after(&mut client, last, now);
    for read in data.chunks(usize::from(first & 0x7F) * 7 + 1) {
        now += Duration::from_millis(300);
        last.1 = None;
        client.on_bytes(read, now, &mut |event| {
            let (connects, wanted) = take(event);
            last = (connects, wanted.or(last.1));
        });
        after(&mut client, last, now);
        client.on_deadline(now, &mut |event| last = take(event));
    }
    client.on_datagram(usize::from(first & 3), true, data, now, &mut |event| last = take(event));
    client.teardown(now, &mut |event| last = take(event));
    client.on_closed(&mut |event| last = take(event));
    assert!(client.is_done());
    assert!(bytes_out <= 2 * data.len());
}
