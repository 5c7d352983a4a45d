//! A server of others: `GStreamer`.

use footage::rtsp::{Carriage, End, Options, Transport};

use crate::support::rtsp::{Film, PASSWORD_IN_URL, RtspCamera, USER};
use crate::support::rtsp_client::{Session, options, watch};

/// Frames: packets with the marker bit.
fn frames(session: &Session) -> usize {
    session.packets[0].iter().filter(|packet| packet[1] & 0x80 != 0).count()
}

fn assert_in_order(packets: &[Vec<u8>]) {
    let numbers: Vec<u16> = packets.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect();
    assert!(numbers.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1]), "{numbers:?}");
}

#[test]
fn gstreamer_sends_video_and_audio_over_tcp_without_a_gap() {
    let camera = RtspCamera::start(Film::ALaw);
    // The first report comes within a few seconds.
    let session = watch(&camera.url(), options(), |session| {
        frames(session) >= 30 && session.packets[1].len() >= 30 && session.sender_reports > 0
    });
    assert_eq!((&session.failed, session.is_finished), (&None, true));
    let encodings: Vec<_> = session.chosen.iter().map(|at| session.offered[*at].encoding.as_str()).collect();
    assert_eq!(encodings, ["H264", "PCMA"]);
    session.packets.iter().for_each(|packets| assert_in_order(packets));
}

#[test]
fn gstreamer_takes_the_login_and_refuses_a_wrong_one() {
    let camera = RtspCamera::start_locked(Film::Aac);
    let session = watch(&camera.url_with(USER, PASSWORD_IN_URL), options(), |session| frames(session) >= 5);
    assert_eq!((&session.failed, session.is_finished), (&None, true));
    let wrong = watch(&camera.url_with(USER, "wrong"), options(), |_| false);
    assert!(wrong.error().starts_with("401 Unauthorized: the camera refuses"), "{}", wrong.error());
    let none = watch(&camera.url(), options(), |_| false);
    assert_eq!(none.error(), "401 Unauthorized: the camera asks for a user and a password");
}

#[test]
fn gstreamer_sends_over_udp() {
    let camera = RtspCamera::start(Film::Plain);
    let udp = Options { transport: Transport::Udp, ..options() };
    let session = watch(&camera.url(), udp, |session| frames(session) >= 15);
    assert_eq!((&session.failed, session.is_finished), (&None, true));
    assert!(matches!(session.carriages[..], [Carriage::Udp { server_port: Some(_), .. }]), "{:?}", session.carriages);
    assert_in_order(&session.packets[0]);
}

#[test]
fn a_lost_connection_ends_the_stream() {
    let camera = RtspCamera::start(Film::Plain);
    let session = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&camera.url(), options(), |_| false));
        camera.wait_for_frames(5);
        camera.drop_connections();
        watching.join().unwrap()
    });
    assert_eq!((session.ended, session.failed), (Some(End::Closed), None));
}
