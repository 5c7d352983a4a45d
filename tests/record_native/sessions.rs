//! Sessions: over UDP, behind redirects and logins, kept alive, ended, begun anew.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use footage::media::nal::{self, Standard};
use rustix::process::Signal;

use super::{Shot, assert_recorded_with, byte_stream, h264, once, record, slices, wait_for_ends};
use crate::media_containers::film::Film;
use crate::support::rtsp_peer::{Answer, Asked, Line, Play, RtspPeer, Sent, Sets, film};
use crate::support::site::{QUICK, Site};

fn lines(film: &Film) -> Vec<Line> {
    vec![Line::video(&film.tracks[0], film.video(), Sets::Described, false)]
}

fn shot(name: &'static str, change: impl FnOnce(Vec<Sent>) -> Vec<Sent>) -> Shot {
    let mut shot = Shot::of(name, h264(7, &["-bf", "2"]), lines);
    let (sdp, packets) = film(&lines(&shot.films[0]), true);
    shot.peer = once((sdp, change(packets)));
    shot
}

#[test]
fn udp_packets_in_another_order_and_twice_are_recorded_in_order_once() {
    let shuffled = |mut packets: Vec<Sent>| {
        for at in (5..packets.len() - 5).step_by(7) {
            let copy = packets[at].clone();
            packets.swap(at, at + 2);
            packets.insert(at + 3, copy);
        }
        packets
    };
    assert_recorded_with(
        &[shot("straight", |packets| packets), shot("shuffled", shuffled)],
        &["mkv"],
        "transport = \"udp\"",
    );
}

/// What is lost is counted, and what is recorded is what was sent: no part of a frame.
#[test]
fn udp_loss_is_counted_and_costs_only_the_frames_that_it_hits() {
    let shot = shot("lossy", |packets| {
        let numbered = packets.into_iter().enumerate();
        let kept = numbered.filter(|(number, sent)| sent.is_rtcp || number % 50 != 30);
        let kept: Vec<Sent> = kept.map(|(_, sent)| sent).collect();
        kept
    });
    let all = film(&lines(&shot.films[0]), true).1;
    let lost = all.iter().enumerate().filter(|(number, sent)| !sent.is_rtcp && number % 50 == 30).count();
    let site = record(&[("lossy".to_owned(), format!("url = {:?}\ntransport = \"udp\"", shot.peer.url()))], "");
    let h264 = Standard::H264;
    let streams: Vec<u8> = site.closed("lossy").iter().flat_map(|segment| byte_stream(h264, &segment.path)).collect();
    let came = slices(h264, nal::annex_b_units(&streams).map(<[u8]>::to_vec));
    let sent: Vec<Vec<u8>> =
        shot.frames.iter().flat_map(|frame| slices(h264, nal::units(&frame.data).map(<[u8]>::to_vec))).collect();
    let mut rest = sent.iter();
    assert!(came.iter().all(|slice| rest.any(|other| other == slice)), "something that was not sent, or not in order");
    assert!(came.len() + 2 * lost >= sent.len(), "{} of {} slices, {lost} packets lost", came.len(), sent.len());
    assert!(lost > 3 && came.len() < sent.len());
    let dropped = site.live("lossy")["drop_frames"].as_u64();
    assert_eq!(dropped, Some(lost as u64), "{}", site.live("lossy"));
}

#[test]
fn redirect_302_leads_to_the_film() {
    let shot = shot("moved", |packets| packets);
    let target = shot.peer.url() + "/mkv";
    let door = RtspPeer::start(move |asked: &Asked, answer: Answer| {
        if asked.method == "DESCRIBE" { answer.refuse("302 Moved").with(format!("Location: {target}")) } else { answer }
    });
    let site = record(&[("moved".to_owned(), format!("url = {:?}", door.url()))], "");
    shot.assert_in(&site, "moved", &super::decoded(&shot.paths));
}

/// A server that ends sessions which ask for nothing for longer than they said.
#[test]
fn keep_alive_comes_before_a_server_with_a_short_timeout_ends_the_session() {
    let source = h264(9, &["-bf", "0"]);
    let (sdp, packets) = film(&lines(&source), true);
    let (packets, asked_at) = (Arc::new(packets), Arc::new(Mutex::new(Instant::now())));
    let seen = Arc::clone(&asked_at);
    let play = Play::new(move || {
        let (packets, seen) = (Arc::clone(&packets), Arc::clone(&seen));
        let is_alive = move || seen.lock().unwrap().elapsed() < Duration::from_millis(2500);
        Box::new((0..packets.len()).map(move |at| packets[at].clone()).take_while(move |_| is_alive()))
    });
    let peer = RtspPeer::of((sdp, play), move |asked: &Asked, answer: Answer| {
        *asked_at.lock().unwrap() = Instant::now();
        if asked.method == "SETUP" { answer.replace("Session", Some("Session: 77;timeout=2")) } else { answer }
    });
    let site = record(&[("kept".to_owned(), format!("url = {:?}", peer.url()))], "");
    let frames = crate::support::site::frames(&site.closed("kept"));
    assert!(frames >= source.video().count() as u64, "{frames} frames; {:?}", peer.methods());
}

/// A camera that has room for one client, and whether it has one.
fn one_client_camera(sdp: String, packets: Vec<Sent>) -> (RtspPeer, Arc<Mutex<bool>>) {
    let is_busy = Arc::new(Mutex::new(false));
    let busy = Arc::clone(&is_busy);
    let peer = RtspPeer::of((sdp, Play::of(packets)), move |asked: &Asked, answer: Answer| {
        let mut busy = busy.lock().unwrap();
        match asked.method.as_str() {
            "DESCRIBE" if *busy => return answer.refuse("453 Not Enough Bandwidth"),
            "PLAY" => *busy = true,
            "TEARDOWN" => *busy = false,
            _ => {}
        }
        answer
    });
    (peer, is_busy)
}

/// A camera that has room for one client: it is left before it is asked again, and at the end.
#[test]
fn teardown_ends_the_session_at_a_reload_and_at_the_end() {
    let source = h264(30, &["-bf", "0"]);
    let (sdp, packets) = film(&lines(&source), true);
    let (peer, is_busy) = one_client_camera(sdp, packets);
    let table = format!("url = {:?}", peer.url());
    let site = Site::with(QUICK, &[("one", table.as_str())]);
    let running = site.start(&[]);
    site.wait_for_closed("one", 1);
    site.configure(QUICK, &[("one", format!("{table}\naudio = \"none\""))]);
    running.signal(Signal::HUP);
    crate::support::site::wait_for("a second session", || (peer.played().len() == 2).then_some(()));
    site.wait_for_closed("one", 3);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(3));
    assert!(!output.stderr.contains("453"), "{output}");
    assert!(!*is_busy.lock().unwrap(), "{:?}", peer.methods());
}

#[test]
fn reload_of_segment_cuts_otherwise_and_loses_no_frame() {
    let shot = shot("reloaded", |packets| packets);
    let table = format!("url = {:?}", shot.peer.url() + "/mkv");
    let site = Site::with(QUICK, &[("reloaded", table.as_str())]);
    let running = site.start(&[]);
    site.wait_for_closed("reloaded", 1);
    site.configure(&QUICK.replace("segment = \"2s\"", "segment = \"3s\""), &[("reloaded", table.as_str())]);
    running.signal(Signal::HUP);
    wait_for_ends(&running, ["reloaded"].into_iter());
    running.term();
    running.wait_timeout(Duration::from_secs(6));
    shot.assert_in(&site, "reloaded", &super::decoded(&shot.paths));
}

/// A server that ends sessions over UDP whose client reports nothing for six seconds, whatever it asks.
#[test]
fn udp_receiver_reports_of_rtcp_keep_the_session_and_say_what_was_lost() {
    let source = h264(9, &["-bf", "0"]);
    let (sdp, packets) = film(&lines(&source), true);
    let is_lost = |sent: &Sent| !sent.is_rtcp && sent.packet[2..4] == 65_010_u16.to_be_bytes();
    let packets: Vec<Sent> = packets.into_iter().filter(|sent| !is_lost(sent)).collect();
    // A pair of ports, as servers have them.
    let (media, reported) = std::iter::repeat_with(|| UdpSocket::bind("127.0.0.1:0").unwrap())
        .find_map(|first| {
            let port = first.local_addr().unwrap().port();
            UdpSocket::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|second| (first, second))
        })
        .unwrap();
    let port = media.local_addr().unwrap().port();
    let (reports, heard_at) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::new(Mutex::new(Instant::now())));
    let (kept, heard) = (Arc::clone(&reports), Arc::clone(&heard_at));
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok(n) = reported.recv(&mut buffer) {
            *heard.lock().unwrap() = Instant::now();
            kept.lock().unwrap().push(buffer[..n].to_vec());
        }
    });
    let packets = Arc::new(packets);
    let play = Play::new(move || {
        let (packets, heard) = (Arc::clone(&packets), Arc::clone(&heard_at));
        let is_alive = move || heard.lock().unwrap().elapsed() < Duration::from_secs(6);
        Box::new((0..packets.len()).map(move |at| packets[at].clone()).take_while(move |_| is_alive()))
    });
    let played = Arc::new(Mutex::new(false));
    let peer = RtspPeer::of((sdp, play), move |asked: &Asked, answer: Answer| match asked.method.as_str() {
        "SETUP" => {
            let transport = format!("Transport: {};server_port={port}-{}", asked.header("Transport"), port + 1);
            answer.replace("Transport", Some(&transport))
        }
        "PLAY" => {
            *played.lock().unwrap() = true;
            answer
        }
        "DESCRIBE" if *played.lock().unwrap() => answer.refuse("404 Over"),
        _ => answer,
    });
    let site = record(&[("kept".to_owned(), format!("url = {:?}\ntransport = \"udp\"", peer.url()))], "");
    let frames = crate::support::site::frames(&site.closed("kept"));
    assert!(frames + 1 >= source.video().count() as u64, "{frames} frames");
    let reports = reports.lock().unwrap();
    assert!(reports.len() >= 2, "{reports:?}");
    // RFC 3550, 6.4.2: an empty one first, then of the source 7.7.7.0 one lost packet in all.
    assert_eq!((reports[0][..4].to_vec(), reports[0][8..12].to_vec()), (vec![0x80, 201, 0, 1], vec![0x81, 202, 0, 4]));
    let second = &reports[1];
    assert_eq!(
        (&second[..4], &second[8..12], &second[13..16]),
        (&[0x81, 201, 0, 7][..], &[7, 7, 7, 0][..], &[0, 0, 1][..])
    );
}

/// A camera that has room for one client and falls silent: the session is ended before the next one begins.
#[test]
fn teardown_ends_a_session_that_stalls_before_the_next_one() {
    let source = h264(3, &["-bf", "0"]);
    let (sdp, mut packets) = film(&lines(&source), true);
    // No word of the end.
    packets.pop();
    let (peer, _) = one_client_camera(sdp, packets);
    let site = Site::with(QUICK, &[("one", format!("url = {:?}", peer.url()))]);
    let running = site.start(&[]);
    crate::support::site::wait_for("a second session", || (peer.played().len() == 2).then_some(()));
    running.term();
    let output = running.wait_timeout(Duration::from_secs(6));
    assert!(!output.stderr.contains("453"), "{output}");
}
