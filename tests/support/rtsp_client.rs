//! Runs the RTSP client of `footage` over real sockets, as the recorder does, but one session in a blocking loop.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use footage::media::rtp::Format;
use footage::rtsp::{Carriage, Client, End, Event, HOLE_PUNCH, Login, Options, RtspError, Transport};

/// What a session was like.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Where it connected to.
    pub(crate) places: Vec<(String, u16)>,
    pub(crate) offered: Vec<Format>,
    pub(crate) chosen: Vec<usize>,
    pub(crate) carriages: Vec<Carriage>,
    /// The packets of each track.
    pub(crate) packets: [Vec<Vec<u8>>; 2],
    pub(crate) sender_reports: usize,
    /// Tracks and transports that were refused.
    pub(crate) refused: Vec<String>,
    pub(crate) ended: Option<End>,
    pub(crate) failed: Option<RtspError>,
    pub(crate) is_finished: bool,
}

/// TCP, with audio; UDP where the camera refuses it.
pub(crate) fn options() -> Options {
    let is_known = |format: &Format| matches!(format.encoding.as_str(), "H264" | "H265" | "PCMA" | "MPEG4-GENERIC");
    let user_agent = "footage/test";
    let answer_within = Duration::from_secs(10);
    Options { transport: Transport::Tcp, may_switch: true, audio: true, is_known, answer_within, user_agent, random: 7 }
}

/// A session until it ends by itself, or a teardown after `enough` says so. The login is that in the URL.
pub(crate) fn watch(url: &str, options: Options, enough: impl Fn(&Session) -> bool) -> Session {
    const LONG: Duration = Duration::from_secs(30);
    let start = Instant::now();
    let mut session = Session::default();
    let mut client = match Client::new(url, Login::of_url(url), options) {
        Ok(client) => client,
        Err(e) => return Session { failed: Some(e), ..session },
    };
    let mut todo = Todo::default();
    let mut connection: Option<TcpStream> = None;
    let mut sockets: Vec<UdpSocket> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut is_ending = false;
    client.start(start, &mut |event| session.take(event, &mut todo));
    loop {
        assert!(start.elapsed() < LONG, "the session does not end: {:?}", session.packets.each_ref().map(Vec::len));
        if std::mem::take(&mut todo.connect) {
            let (host, port) = session.places.last().unwrap();
            let stream = TcpStream::connect((host.as_str(), *port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            connection = Some(stream);
            client.on_connected(Instant::now());
        }
        if let Some(tracks) = todo.bind.take() {
            let pairs: Vec<_> = (0..tracks).map(|_| pair()).collect();
            let ports: Vec<_> = pairs.iter().map(|(port, _)| *port).collect();
            sockets = pairs.into_iter().flat_map(|(_, pair)| pair).collect();
            client.set_ports(&ports, Instant::now());
        }
        let stream = connection.as_mut().unwrap();
        for (track, carriage) in session.carriages.iter().enumerate() {
            if let (Carriage::Udp { server_port: Some(port), .. }, true) = (carriage, todo.punch) {
                let host = stream.peer_addr().unwrap().ip();
                sockets[2 * track].send_to(&HOLE_PUNCH, (host, *port)).unwrap();
            }
        }
        todo.punch = false;
        while !client.to_send().is_empty() {
            match stream.write(client.to_send()) {
                Ok(written) => client.sent(written),
                Err(_) => break,
            }
        }
        if client.is_done() {
            return session;
        }
        let mut take = |event: Event<'_>| session.take(event, &mut todo);
        match stream.read(&mut buffer) {
            Ok(0) => client.on_closed(&mut take),
            Ok(read) => client.on_bytes(&buffer[..read], Instant::now(), &mut take),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => client.on_closed(&mut take),
        }
        for (at, socket) in sockets.iter().enumerate() {
            while let Ok(read) = socket.recv(&mut buffer) {
                client.on_datagram(at / 2, at % 2 == 1, &buffer[..read], Instant::now(), &mut take);
            }
        }
        client.on_deadline(Instant::now(), &mut take);
        if !is_ending && enough(&session) {
            is_ending = true;
            client.teardown(Instant::now(), &mut |event| session.take(event, &mut todo));
        }
    }
}

/// What an event asks for, done once the client is free again.
#[derive(Default)]
struct Todo {
    connect: bool,
    bind: Option<usize>,
    punch: bool,
}

impl Session {
    fn take(&mut self, event: Event<'_>, todo: &mut Todo) {
        match event {
            Event::Connect { host, port } => {
                self.places.push((host.to_owned(), port));
                todo.connect = true;
            }
            Event::Described { offered, chosen } => {
                (self.offered, self.chosen) = (offered.to_vec(), chosen.to_vec());
            }
            Event::TransportRefused { transport, status, phrase } => {
                self.refused.push(format!("{} {status} {phrase}", transport.name()));
            }
            Event::PortsWanted { tracks } => todo.bind = Some(tracks),
            Event::TrackRefused { track, error } => self.refused.push(format!("{track}: {error}")),
            Event::Playing { tracks } => {
                assert!(self.carriages.is_empty(), "Playing comes once");
                self.carriages = tracks.to_vec();
                todo.punch = true;
            }
            Event::Rtp { track, packet } => {
                assert!(!self.carriages.is_empty(), "Playing comes before the first packet");
                self.packets[track].push(packet.to_vec());
            }
            Event::Rtcp { .. } => {}
            Event::SenderReport { .. } => self.sender_reports += 1,
            Event::Ended(end) => self.ended = Some(end),
            Event::Failed(error) => self.failed = Some(error),
            Event::Finished => self.is_finished = true,
        }
    }

    /// What ended it, as people read it.
    pub(crate) fn error(&self) -> String {
        self.failed.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// An even port and the next, with their sockets.
fn pair() -> (u16, [UdpSocket; 2]) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if let (0, Ok(rtcp)) = (port % 2, UdpSocket::bind(("127.0.0.1", port.wrapping_add(1)))) {
            for socket in [&rtp, &rtcp] {
                socket.set_nonblocking(true).unwrap();
            }
            return (port, [rtp, rtcp]);
        }
    }
}
