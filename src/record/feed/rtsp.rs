//! A camera over RTSP, read by ourselves: sockets around [`rtsp::Client`](crate::rtsp::Client), which does no I/O.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::connection::{Ports, bind_pairs};
use super::in_step::InStep;
use super::{Given, Heard, Pipe, Reason, ReplyTo};
use crate::media::rtp::rtcp::Receiver;
use crate::media::rtp::{Format, Frame, Stream, Transport};
use crate::media::{Codec, Packet};
use crate::record::config::{Audio, Camera};
use crate::rtsp::{self, Carriage, Client, Event, HOLE_PUNCH, Login, Options};
use crate::units::human_duration;

/// With less than this, datagrams are not left there to gather: a camera of 8 Mbit/s sends 150 KiB in 150 ms, of which the
/// kernel counts each packet double.
const GATHER_BYTES: usize = 1 << 20;
/// What could not be written is tried again after this; and what waits for its order is asked for.
const SOON: Duration = Duration::from_millis(50);
/// So many pieces are read before others have their turn.
const PIECES: usize = 8;
/// And so many datagrams: two thirds of what the kernel is asked to hold.
const DATAGRAMS: usize = 2048;
/// Between reports of what has come as datagrams: as VLC does it.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// More makes no sense in a row: the connection is begun anew.
const MOST_MALFORMED: u64 = 20;

/// A session with a camera.
pub(in crate::record) struct RtspFeed {
    client: Client,
    session: Session,
    connection: Option<TcpStream>,
    /// Beside the connection, where packets come as datagrams: of each track those of RTP and of RTCP.
    sockets: Vec<Ports>,
    peer: Option<IpAddr>,
    reply_to: ReplyTo,
    timeout: Duration,
    has_unsent: bool,
    /// What the kernel holds of datagrams is too little for packets to gather there.
    is_tight: bool,
    /// Sockets were opened that are not watched yet.
    has_opened: bool,
}

/// What a session has brought, apart from the client, whose events it takes.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that an event leaves")]
struct Session {
    audio: Audio,
    /// Whether ffmpeg may read the camera instead: to encode its audio.
    may_be_ffmpeg: bool,
    tracks: Vec<Option<Incoming>>,
    frames: Vec<Frame>,
    /// What is to be done behind an event.
    connect: Option<(String, u16)>,
    wanted_ports: Option<usize>,
    punch: Vec<(usize, u16)>,
    reports: Reports,
    /// RTP has come since the last look.
    has_come: bool,
    /// When RTP came first.
    first_rtp: Option<Instant>,
    transport: rtsp::Transport,
    ended: Option<Reason>,
    is_finished: bool,
    /// It plays, and nothing comes as datagrams.
    is_interleaved: bool,
    /// A frame of video has come.
    has_video: bool,
    in_step: InStep,
    /// Of each track, a report that came before its first packet.
    early_reports: [Option<(u64, u32)>; 2],
    log: Vec<String>,
}

/// To whom it is reported what has come as datagrams.
struct Reports {
    /// Of each track, the port of the camera for RTCP.
    ports: Vec<(usize, u16)>,
    due: Instant,
    ssrc: u32,
}

/// The packets of one track.
struct Incoming {
    stream: Stream,
    receiver: Receiver,
    format: Format,
    is_video: bool,
    lost: u64,
    /// Malformed packets, when the last frame came.
    malformed: u64,
}

impl Incoming {
    /// Whether too many packets in a row, up to the last, are malformed.
    fn makes_no_sense(&self) -> bool {
        self.stream.counts().malformed_packets >= self.malformed + MOST_MALFORMED
    }
}

impl RtspFeed {
    /// Begins a session. Names are looked up and the connection is made by a thread of its own.
    pub(super) fn start(
        camera: &Camera,
        may_be_ffmpeg: bool,
        transport: rtsp::Transport,
        reply_to: ReplyTo,
        random: u64,
        now: Instant,
    ) -> Result<Self, Reason> {
        let url = camera.url.secret();
        let options = Options {
            transport,
            may_switch: camera.transport.is_none(),
            audio: camera.audio != Audio::None,
            is_known,
            user_agent: concat!("footage/", env!("CARGO_PKG_VERSION")),
            random,
            answer_within: camera.timeout,
        };
        let client = Client::new(url, Login::of_url(url), options).map_err(|error| Reason::of(&error))?;
        let mut feed = Self {
            client,
            session: Session {
                audio: camera.audio,
                may_be_ffmpeg,
                tracks: Vec::new(),
                frames: Vec::new(),
                connect: None,
                wanted_ports: None,
                punch: Vec::new(),
                reports: Reports { ports: Vec::new(), due: now, ssrc: u32::try_from(random >> 32).unwrap_or(0) },
                has_come: false,
                first_rtp: None,
                transport,
                ended: None,
                is_finished: false,
                is_interleaved: false,
                has_video: false,
                in_step: InStep::default(),
                early_reports: [None; 2],
                log: Vec::new(),
            },
            connection: None,
            sockets: Vec::new(),
            peer: None,
            reply_to,
            timeout: camera.timeout,
            has_unsent: false,
            is_tight: false,
            has_opened: false,
        };
        let Self { client, session, .. } = &mut feed;
        client.start(now, &mut |event| session.on(event, now, &mut Vec::new()));
        feed.follow(now);
        Ok(feed)
    }

    pub(super) fn pipes(&self) -> Vec<(Pipe, BorrowedFd<'_>)> {
        let connection = self.connection.iter().map(|connection| (Pipe::Packets, connection.as_fd()));
        let sockets = self.sockets.iter().enumerate().flat_map(|(track, ports)| {
            [(Pipe::Rtp(track), ports.rtp.as_fd()), (Pipe::Rtcp(track), ports.rtcp.as_fd())]
        });
        connection.chain(sockets).collect()
    }

    /// Whether nothing is to gather: the answers of the camera are waited for, or the kernel has no room.
    pub(super) fn is_urgent(&self) -> bool {
        (!self.session.has_video || self.is_tight) && self.session.ended.is_none()
    }

    /// Whether sockets were opened since the last look.
    pub(super) fn has_opened(&mut self) -> bool {
        std::mem::take(&mut self.has_opened)
    }

    /// Whether packets come as datagrams, or should, and whether one has come.
    pub(super) fn udp(&self) -> (bool, bool) {
        (self.session.transport == rtsp::Transport::Udp, self.session.first_rtp.is_some())
    }

    /// Lines for the log, since the last look.
    pub(super) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.session.log)
    }

    /// The thread has connected, or has not.
    pub(super) fn connected(&mut self, connection: io::Result<TcpStream>, now: Instant, given: &mut Vec<Given>) {
        let ready = connection.and_then(|connection| {
            connection.set_nonblocking(true)?;
            connection.set_nodelay(true)?;
            self.peer = Some(connection.peer_addr()?.ip());
            Ok(connection)
        });
        match ready {
            Ok(connection) => {
                self.connection = Some(connection);
                self.client.on_connected(now);
            }
            Err(error) => {
                self.session.ended.get_or_insert(Reason::plain(crate::error::with_causes(&error)));
                self.session.is_finished = true;
            }
        }
        self.follow(now);
        self.finish_frames(given);
    }

    /// Reads what has come.
    pub(super) fn read(&mut self, pipe: Pipe, buffer: &mut [u8], now: Instant, given: &mut Vec<Given>) -> Heard {
        let heard = match pipe {
            Pipe::Rtp(track) => self.read_datagrams(track, false, buffer, now, given),
            Pipe::Rtcp(track) => self.read_datagrams(track, true, buffer, now, given),
            _ => self.read_connection(buffer, now, given),
        };
        self.session.expire(now, given);
        if std::mem::take(&mut self.session.has_come) {
            given.push(Given::Came);
        }
        self.follow(now);
        heard
    }

    fn read_connection(&mut self, buffer: &mut [u8], now: Instant, given: &mut Vec<Given>) -> Heard {
        for _ in 0..PIECES {
            let Some(connection) = &mut self.connection else { return Heard::All };
            let n = match connection.read(buffer) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::More,
                Err(_) => 0,
            };
            let Self { client, session, .. } = self;
            if n == 0 {
                client.on_closed(&mut |event| session.on(event, now, given));
                session.is_finished = true;
                self.connection = None;
                return Heard::All;
            }
            client.on_bytes(&buffer[..n], now, &mut |event| session.on(event, now, given));
            if n < buffer.len() {
                return Heard::More;
            }
        }
        Heard::More
    }

    fn read_datagrams(
        &mut self,
        track: usize,
        is_rtcp: bool,
        buffer: &mut [u8],
        now: Instant,
        given: &mut Vec<Given>,
    ) -> Heard {
        let Self { client, session, sockets, peer, .. } = self;
        let Some(ports) = sockets.get(track) else { return Heard::All };
        let socket = if is_rtcp { &ports.rtcp } else { &ports.rtp };
        for _ in 0..DATAGRAMS {
            match socket.recv_from(buffer) {
                Ok((n, from)) if Some(from.ip()) == *peer => {
                    client.on_datagram(track, is_rtcp, &buffer[..n], now, &mut |event| session.on(event, now, given));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::More,
                // Another host sends here; or "connection refused", which an earlier packet of ours met.
                Ok(_) | Err(_) => {}
            }
        }
        Heard::More
    }

    /// Does what events have asked for, and writes what is to be sent.
    fn follow(&mut self, now: Instant) {
        if let Some((host, port)) = self.session.connect.take() {
            self.connection = None;
            if let Err(reason) = self.reply_to.connect(host, port, self.timeout) {
                self.session.ended.get_or_insert(reason);
                self.session.is_finished = true;
            }
        }
        if let Some(tracks) = self.session.wanted_ports.take() {
            let local = self.connection.as_ref().and_then(|connection| connection.local_addr().ok());
            match local.map(|local| bind_pairs(local.ip(), tracks)) {
                Some(Ok(sockets)) => {
                    let port = |ports: &Ports| ports.rtp.local_addr().map_or(0, |local| local.port());
                    let ports: Vec<u16> = sockets.iter().map(port).collect();
                    let room = |ports: &Ports| sockopt::socket_recv_buffer_size(&ports.rtp).unwrap_or(0);
                    self.is_tight = sockets.iter().map(room).any(|bytes| bytes < GATHER_BYTES);
                    self.sockets = sockets;
                    self.has_opened = true;
                    self.client.set_ports(&ports, now);
                }
                Some(Err(error)) => {
                    let why = format!("no pair of UDP ports can be opened: {error}");
                    self.session.ended.get_or_insert(Reason::plain(why));
                    self.session.is_finished = true;
                }
                None => {}
            }
        }
        if self.session.is_interleaved {
            self.sockets.clear();
            self.is_tight = false;
        }
        for (track, port) in std::mem::take(&mut self.session.punch) {
            if let (Some(ports), Some(peer)) = (self.sockets.get(track), self.peer) {
                let _ = ports.rtp.send_to(&HOLE_PUNCH, SocketAddr::new(peer, port));
            }
        }
        self.report(now);
        self.send();
    }

    /// Reports what has come as datagrams. The first report opens firewalls for those of the camera.
    fn report(&mut self, now: Instant) {
        let Session { reports, tracks, .. } = &mut self.session;
        if reports.ports.is_empty() || now < reports.due {
            return;
        }
        reports.due = now + REPORT_EVERY;
        for (track, port) in &reports.ports {
            if let (Some(ports), Some(peer), Some(Some(incoming))) =
                (self.sockets.get(*track), self.peer, tracks.get_mut(*track))
            {
                let report = incoming.receiver.report(reports.ssrc, now);
                let _ = ports.rtcp.send_to(&report, SocketAddr::new(peer, *port));
            }
        }
    }

    fn send(&mut self) {
        self.has_unsent = false;
        while !self.client.to_send().is_empty() {
            let Some(connection) = &mut self.connection else { return };
            match connection.write(self.client.to_send()) {
                Ok(n) if n > 0 => self.client.sent(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_unsent = true;
                    return;
                }
                // What was read tells that it is closed.
                _ => return,
            }
        }
        if self.client.is_done() {
            self.session.is_finished = true;
        }
    }

    /// When it is to be called again.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let soon = (self.has_unsent || !self.sockets.is_empty()).then(|| now + SOON);
        [self.client.deadline(), soon].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn on_deadline(&mut self, now: Instant, given: &mut Vec<Given>) {
        let Self { client, session, .. } = self;
        client.on_deadline(now, &mut |event| session.on(event, now, given));
        session.expire(now, given);
        self.follow(now);
        self.finish_frames(given);
    }

    /// Ends the session, and gives the frames that it still holds: none comes behind them.
    pub(super) fn end(&mut self, now: Instant, given: &mut Vec<Given>) {
        let Self { client, session, .. } = self;
        session.finish(given);
        client.teardown(now, &mut |event| session.on(event, now, given));
        self.follow(now);
        if self.connection.is_none() {
            self.session.is_finished = true;
        }
    }

    /// The last frames, when nothing comes any more.
    fn finish_frames(&mut self, given: &mut Vec<Given>) {
        if self.session.is_finished {
            self.session.finish(given);
        }
    }

    /// Why it has ended, if it has.
    pub(super) fn over(&mut self, lasted: Option<Duration>) -> Option<Reason> {
        let session = &self.session;
        let malformed = session.tracks.iter().flatten().any(|track| track.is_video && track.makes_no_sense());
        if !session.is_finished && session.ended.is_none() && !malformed {
            return None;
        }
        let mut reason = session.ended.clone().unwrap_or_default();
        if malformed && reason.why.is_empty() {
            reason.why = format!("{MOST_MALFORMED} packets in a row make no sense");
            reason.wants_ffmpeg = lasted.is_none();
        }
        if let Some(time) = lasted {
            let because = if reason.why.is_empty() { String::new() } else { format!(": {}", reason.why) };
            reason.why = format!("the stream ended after {}{because}", human_duration(time));
        }
        Some(reason)
    }
}

impl Session {
    fn on(&mut self, event: Event<'_>, now: Instant, given: &mut Vec<Given>) {
        match event {
            Event::Connect { host, port } => self.connect = Some((host.to_owned(), port)),
            Event::Described { offered, chosen } => self.described(offered, chosen, given),
            Event::TransportRefused { transport, status, phrase } => {
                self.transport = transport.other();
                let (refused, other) = (transport.name(), self.transport.name());
                self.log.push(format!("{status} {phrase} over {refused}: tries {other}"));
            }
            Event::PortsWanted { tracks } => {
                self.set_transport(Transport::Udp);
                self.wanted_ports = Some(tracks);
            }
            Event::TrackRefused { track, error } => {
                if let Some(track) = self.tracks.get_mut(track) {
                    *track = None;
                }
                given.push(Given::NoAudio(error.to_string()));
            }
            Event::Playing { tracks } => {
                self.is_interleaved = !tracks.iter().any(|carriage| matches!(carriage, Carriage::Udp { .. }));
                if self.is_interleaved && self.first_rtp.is_none() {
                    // Ports were opened, and the camera sends over the connection all the same.
                    self.set_transport(Transport::Tcp);
                }
                let ports = tracks.iter().enumerate().filter_map(|(track, carriage)| match carriage {
                    Carriage::Udp { server_port, .. } => Some((track, (*server_port)?)),
                    _ => None,
                });
                self.punch.extend(ports);
                let of_rtcp = |(track, port): &(usize, u16)| Some((*track, port.checked_add(1)?));
                self.reports.ports = self.punch.iter().filter_map(of_rtcp).collect();
            }
            Event::Rtp { track, packet } => self.packet(track, packet, now, given),
            Event::SenderReport { track, ntp, rtp } => {
                if let Some(Some(incoming)) = self.tracks.get_mut(track) {
                    incoming.receiver.on_sender_report(ntp, now);
                }
                self.report(track, ntp, rtp);
            }
            Event::Rtcp { .. } => {}
            Event::Ended(_) => {
                self.ended.get_or_insert_default();
                self.finish(given);
            }
            Event::Failed(error) => {
                self.ended.get_or_insert_with(|| Reason::of(&error));
                self.finish(given);
            }
            Event::Finished => self.is_finished = true,
        }
    }

    /// Packets come so: none has come yet.
    fn set_transport(&mut self, transport: Transport) {
        for incoming in self.tracks.iter_mut().flatten() {
            if let Ok(stream) = Stream::new(&incoming.format, transport) {
                incoming.stream = stream;
            }
        }
    }

    fn described(&mut self, offered: &[Format], chosen: &[usize], given: &mut Vec<Given>) {
        self.tracks.clear();
        let is_chosen = |index| chosen.contains(&index);
        let ignored = offered.iter().enumerate().find(|(index, format)| format.media == "audio" && !is_chosen(*index));
        if let Some((_, format)) = ignored
            && self.audio != Audio::None
            && !self.encodes(format)
        {
            given.push(Given::NoAudio(format!("footage cannot read {}", format.encoding)));
        }
        for format in chosen.iter().filter_map(|index| offered.get(*index)) {
            let is_video = format.media == "video";
            if !is_video && self.audio == Audio::Aac && !is_aac(format) && !self.encodes(format) {
                given.push(Given::NoAudio(format!("only ffmpeg encodes {}", format.encoding)));
                self.tracks.push(None);
                continue;
            }
            let stream = Stream::new(format, Transport::Tcp).ok();
            let track = self.tracks.len();
            if let Some(known) = stream.as_ref().and_then(Stream::track) {
                given.push(Given::Track(track, known.clone()));
            }
            self.tracks.push(stream.map(|stream| Incoming {
                stream,
                receiver: Receiver::default(),
                format: format.clone(),
                is_video,
                lost: 0,
                malformed: 0,
            }));
        }
    }

    /// Whether ffmpeg is to read the camera, for it encodes this audio.
    fn encodes(&mut self, format: &Format) -> bool {
        let encodes = self.audio == Audio::Aac && self.may_be_ffmpeg;
        if encodes {
            let why = format!("its audio ({}) is to be encoded", format.encoding);
            self.ended = Some(Reason { why, wants_ffmpeg: true });
        }
        encodes
    }

    fn packet(&mut self, track: usize, packet: &[u8], now: Instant, given: &mut Vec<Given>) {
        self.first_rtp.get_or_insert(now);
        let Some(Some(incoming)) = self.tracks.get_mut(track) else { return };
        self.has_come |= incoming.is_video;
        incoming.receiver.on_packet(packet);
        let mut frames = std::mem::take(&mut self.frames);
        incoming.stream.push(packet, now, &mut frames);
        if incoming.is_video
            && let Some(ticks) = incoming.stream.latest_ticks()
        {
            self.in_step.video(nanoseconds(ticks, incoming.format.clock_rate_hz));
        }
        if let Some((ntp, rtp)) = self.early_reports.get_mut(track).and_then(Option::take) {
            self.report(track, ntp, rtp);
        }
        self.give(track, &mut frames, given);
        self.frames = frames;
        if self.tracks[track].as_ref().is_some_and(|track| !track.is_video && track.makes_no_sense()) {
            self.tracks[track] = None;
            given.push(Given::NoAudio(format!("{MOST_MALFORMED} packets of it in a row make no sense")));
        }
    }

    /// Gives frames that waited for packets which will not come.
    fn expire(&mut self, now: Instant, given: &mut Vec<Given>) {
        let mut frames = std::mem::take(&mut self.frames);
        for track in 0..self.tracks.len() {
            if let Some(Some(incoming)) = self.tracks.get_mut(track) {
                incoming.stream.expire(now, &mut frames);
            }
            self.give(track, &mut frames, given);
        }
        self.frames = frames;
    }

    fn finish(&mut self, given: &mut Vec<Given>) {
        let mut frames = std::mem::take(&mut self.frames);
        for track in 0..self.tracks.len() {
            if let Some(Some(incoming)) = self.tracks.get_mut(track) {
                incoming.stream.finish(&mut frames);
            }
            self.give(track, &mut frames, given);
        }
        self.frames = frames;
    }

    fn give(&mut self, track: usize, frames: &mut Vec<Frame>, given: &mut Vec<Given>) {
        let Some(Some(incoming)) = self.tracks.get_mut(track) else { return frames.clear() };
        let has_frames = !frames.is_empty();
        for frame in frames.drain(..) {
            let mut pts_ns = nanoseconds(frame.ticks, incoming.format.clock_rate_hz);
            if incoming.is_video {
                self.has_video = true;
            } else {
                // What comes before all video has nothing to be heard with.
                let Some(at_ns) = self.in_step.audio(pts_ns) else { continue };
                pts_ns = at_ns;
            }
            if let Some(known) = frame.codec {
                given.push(Given::Track(track, known));
            }
            let packet = Packet { track, pts_ns, is_key: frame.is_key, data: frame.data };
            given.push(Given::Packet(packet, frame.arrived));
        }
        let counts = incoming.stream.counts();
        if has_frames {
            incoming.malformed = counts.malformed_packets;
        }
        let lost = counts.lost_packets - incoming.lost;
        if lost > 0 {
            incoming.lost = counts.lost_packets;
            given.push(Given::Lost(lost));
        }
    }

    /// Lays audio beside the video by the server's clock, where it has told that of both.
    fn report(&mut self, track: usize, ntp: u64, rtp: u32) {
        let Some(Some(incoming)) = self.tracks.get(track) else { return };
        if ntp == 0 {
            return;
        }
        let Some(ticks) = incoming.stream.ticks_of(rtp) else {
            if let Some(early) = self.early_reports.get_mut(track) {
                *early = Some((ntp, rtp));
            }
            return;
        };
        let server_ns = (i128::from(ntp) * 1_000_000_000) >> 32;
        let difference = server_ns - i128::from(nanoseconds(ticks, incoming.format.clock_rate_hz));
        self.in_step.report(incoming.is_video, difference);
    }
}

fn nanoseconds(ticks: i64, clock_rate_hz: u32) -> i64 {
    let ns = i128::from(ticks) * 1_000_000_000 / i128::from(clock_rate_hz.max(1));
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// Whether its packets can be taken apart.
fn is_known(format: &Format) -> bool {
    Stream::new(format, Transport::Tcp).is_ok()
}

fn is_aac(format: &Format) -> bool {
    let stream = Stream::new(format, Transport::Tcp);
    let track = stream.as_ref().ok().and_then(Stream::track);
    track.is_none_or(|track| matches!(track.codec, Codec::Aac { .. }))
        && matches!(format.encoding.as_str(), "MPEG4-GENERIC" | "MP4A-LATM")
}
