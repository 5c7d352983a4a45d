//! Many RTSP cameras on one port, for benchmarks: `rtsp-cameras FILM.h264 RATE [FRAMES]`.
//!
//! Every connection to any path is a camera. It plays the film (Annex B, one slice per frame, a key frame first) from its
//! beginning, again and again, RATE frames per second, interleaved in TCP; behind FRAMES it stays open and sends nothing. The film is
//! cut into RTP packets once; one thread sends them by schedule, out of memory.
//!
//! It prints its port. For each line on standard input it prints the state of all sessions so far, as numbers in one line:
//! sessions, frames sent, sessions that sent every frame, milliseconds by which the latest frame was late, bytes queued at most
//! for one client. It ends when standard input does.

#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "it is a test peer: it panics, and it has a clock")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{Timespec, epoll::CreateFlags};

/// Frames are sent at most so late: one thread wakes for many of them.
const TICK: Duration = Duration::from_millis(5);
const PAYLOAD_BYTES: usize = 1400;
const CLOCK_HZ: u64 = 90_000;
/// 96, the first of those that the SDP explains.
const PAYLOAD_TYPE: u8 = 0x60;
/// 28, a fragment of a unit (RFC 6184, 5.8).
const FU_A: u8 = 0x1C;
/// A client that reads nothing has so much queued; then the server gives up on it.
const MAX_QUEUED_BYTES: usize = 4 << 20;
const LISTENER: u64 = u64::MAX;
const INPUT: u64 = u64::MAX - 1;

/// The film as interleaved packets; sequence numbers and times are filled in for each session.
struct Film {
    frames: Vec<Frame>,
    parameter_sets: String,
    per_second: u64,
    limit: u64,
}

#[derive(Default)]
struct Frame {
    bytes: Vec<u8>,
    /// Where the packets begin.
    packets: Vec<usize>,
}

struct Session {
    connection: TcpStream,
    request: Vec<u8>,
    queued: Vec<u8>,
    /// Since PLAY.
    began: Option<Instant>,
    sent_frames: u64,
    sequence: u16,
    is_over: bool,
}

#[derive(Default)]
struct Totals {
    late: Duration,
    queued_bytes: usize,
}

impl Film {
    /// Cuts a film: units of up to 1400 bytes are packets, others are fragmented (RFC 6184, 5.8).
    fn read(annex_b: &[u8], per_second: u64, limit: u64) -> Self {
        let (mut frames, mut frame, mut sets) = (Vec::new(), Frame::default(), Vec::new());
        for unit in units(annex_b) {
            let kind = unit[0] & 0x1F;
            if matches!(kind, 7 | 8) && sets.len() < 2 {
                sets.push(base64(unit));
            }
            let is_slice = matches!(kind, 1 | 5);
            if unit.len() <= PAYLOAD_BYTES {
                frame.add(is_slice, &[unit]);
            } else {
                let pieces = unit[1..].chunks(PAYLOAD_BYTES);
                let last = pieces.len() - 1;
                for (n, piece) in pieces.enumerate() {
                    let flags = if n == 0 { 0x80 } else { 0 } | if n == last { 0x40 } else { 0 };
                    frame.add(is_slice && n == last, &[&[unit[0] & 0xE0 | FU_A, kind | flags], piece]);
                }
            }
            if is_slice {
                frames.push(std::mem::take(&mut frame));
            }
        }
        Self { frames, parameter_sets: sets.join(","), per_second, limit }
    }

    /// When a frame is due, from PLAY.
    fn due(&self, frame: u64) -> Duration {
        Duration::from_nanos(frame * 1_000_000_000 / self.per_second)
    }

    fn sdp(&self) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=film\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n\
             a=rtpmap:96 H264/{CLOCK_HZ}\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={}\r\na=control:track1\r\n",
            self.parameter_sets
        )
    }
}

impl Frame {
    fn add(&mut self, marker: bool, payload: &[&[u8]]) {
        let length = 12 + payload.iter().map(|part| part.len()).sum::<usize>();
        self.packets.push(self.bytes.len());
        self.bytes.extend([b'$', 0]);
        self.bytes.extend(u16::try_from(length).expect("a packet fits").to_be_bytes());
        self.bytes.extend([0x80, if marker { 0x80 } else { 0 } | PAYLOAD_TYPE]);
        self.bytes.extend([0; 10]);
        for part in payload {
            self.bytes.extend_from_slice(part);
        }
    }
}

impl Session {
    fn new(connection: TcpStream) -> io::Result<Self> {
        connection.set_nonblocking(true)?;
        connection.set_nodelay(true)?;
        Ok(Self {
            connection,
            request: Vec::new(),
            queued: Vec::new(),
            began: None,
            sent_frames: 0,
            sequence: 0,
            is_over: false,
        })
    }

    /// Sends the frames that are due.
    fn play(&mut self, film: &Film, now: Instant, frame: &mut Vec<u8>, totals: &mut Totals) {
        let Some(began) = self.began.filter(|_| !self.is_over) else { return };
        while self.sent_frames < film.limit && began + film.due(self.sent_frames) <= now {
            totals.late = totals.late.max(now - (began + film.due(self.sent_frames)));
            let stored = &film.frames[usize::try_from(self.sent_frames).expect("64 bits") % film.frames.len()];
            let ticks = self.sent_frames * CLOCK_HZ / film.per_second;
            frame.clone_from(&stored.bytes);
            for at in &stored.packets {
                frame[at + 6..at + 8].copy_from_slice(&self.sequence.to_be_bytes());
                frame[at + 8..at + 12].copy_from_slice(&ticks.to_be_bytes()[4..]);
                self.sequence = self.sequence.wrapping_add(1);
            }
            self.send(frame, totals);
            self.sent_frames += 1;
        }
    }

    fn send(&mut self, bytes: &[u8], totals: &mut Totals) {
        let written = if self.queued.is_empty() { self.write(bytes) } else { 0 };
        self.queued.extend_from_slice(&bytes[written..]);
        totals.queued_bytes = totals.queued_bytes.max(self.queued.len());
        self.is_over |= self.queued.len() > MAX_QUEUED_BYTES;
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        match self.connection.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.is_over = true;
                0
            }
        }
    }

    fn drain(&mut self) {
        if !self.queued.is_empty() && !self.is_over {
            let queued = std::mem::take(&mut self.queued);
            let written = self.write(&queued);
            self.queued.extend_from_slice(&queued[written..]);
        }
    }

    fn read(&mut self, film: &Film, now: Instant, totals: &mut Totals) {
        let mut buffer = [0; 4096];
        loop {
            match self.connection.read(&mut buffer) {
                Ok(0) => self.is_over = true,
                Ok(bytes) => self.request.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.is_over = true,
            }
            // What a client reports in RTCP.
            while let [b'$', _, high, low, ..] = *self.request {
                let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.request.len() < end {
                    return;
                }
                self.request.drain(..end);
            }
            let Some(end) = self.request.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            let request = String::from_utf8_lossy(&self.request.drain(..end + 4).collect::<Vec<_>>()).into_owned();
            self.answer(&request, film, now, totals);
        }
    }

    fn answer(&mut self, request: &str, film: &Film, now: Instant, totals: &mut Totals) {
        let header = |name: &str| {
            let named = |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            request.lines().find(named).map_or("", |line| line[name.len()..].trim())
        };
        let (mut status, mut headers, mut body) = ("200 OK", String::new(), String::new());
        match request.split(' ').next().unwrap_or_default() {
            "OPTIONS" => headers.push_str("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n"),
            "DESCRIBE" => {
                body = film.sdp();
                headers = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len());
            }
            "SETUP" if !header("Transport:").contains("TCP") => status = "461 Unsupported Transport",
            "SETUP" => headers.push_str("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"),
            "PLAY" => {
                self.began.get_or_insert(now);
                headers.push_str("Session: 1\r\nRTP-Info: url=track1;seq=0;rtptime=0\r\n");
            }
            "TEARDOWN" => headers.push_str("Session: 1\r\n"),
            "GET_PARAMETER" => {}
            _ => status = "501 Not Implemented",
        }
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\n{headers}\r\n{body}", header("CSeq:"));
        self.send(answer.as_bytes(), totals);
        self.is_over |= request.starts_with("TEARDOWN");
    }
}

/// NAL units between start codes.
fn units(annex_b: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        annex_b.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([annex_b.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let unit = &annex_b[start + 3..end];
            &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
        })
        .filter(|unit| !unit.is_empty())
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn serve(film: &Film) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    println(&listener.local_addr()?.port().to_string())?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, io::stdin(), EventData::new_u64(INPUT), EventFlags::IN)?;

    let (mut sessions, mut totals) = (Vec::<Session>::new(), Totals::default());
    let (mut events, mut frame) = (Vec::with_capacity(256), Vec::new());
    loop {
        events.clear();
        let tick = Timespec::try_from(TICK).ok();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), tick.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let now = Instant::now();
        for event in &events {
            match event.data.u64() {
                LISTENER => {
                    while let Ok((connection, _)) = listener.accept() {
                        let data = EventData::new_u64(sessions.len() as u64);
                        epoll::add(&epoll, &connection, data, EventFlags::IN)?;
                        sessions.push(Session::new(connection)?);
                    }
                }
                INPUT => {
                    let mut line = [0; 64];
                    let bytes = rustix::io::read(io::stdin(), &mut line)?;
                    if bytes == 0 {
                        return Ok(());
                    }
                    for _ in line[..bytes].iter().filter(|byte| **byte == b'\n') {
                        tell(film, &sessions, &totals)?;
                    }
                }
                number => {
                    let session = &mut sessions[usize::try_from(number).expect("64 bits")];
                    session.read(film, now, &mut totals);
                    if session.is_over {
                        let _ = epoll::delete(&epoll, &session.connection);
                        let _ = session.connection.shutdown(std::net::Shutdown::Both);
                    }
                }
            }
        }
        for session in &mut sessions {
            session.drain();
            session.play(film, now, &mut frame, &mut totals);
        }
    }
}

fn tell(film: &Film, sessions: &[Session], totals: &Totals) -> io::Result<()> {
    let played = sessions.iter().filter(|session| session.began.is_some());
    let frames: u64 = sessions.iter().map(|session| session.sent_frames).sum();
    let complete = sessions.iter().filter(|session| session.sent_frames == film.limit && session.queued.is_empty());
    println(&format!(
        "{} {frames} {} {} {}",
        played.count(),
        complete.count(),
        totals.late.as_millis(),
        totals.queued_bytes
    ))
}

fn println(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map(|number| number.parse::<u64>());
    let limit = number(2).unwrap_or(Ok(u64::MAX));
    let (Some(path), Some(Ok(per_second @ 1..)), Ok(limit)) = (arguments.first(), number(1), limit) else {
        let _ = writeln!(io::stderr(), "usage: rtsp-cameras FILM.h264 RATE [FRAMES]");
        return ExitCode::from(2);
    };
    let film = Film::read(&std::fs::read(path).expect("the film"), per_second, limit);
    serve(&film).expect("a server");
    ExitCode::SUCCESS
}
