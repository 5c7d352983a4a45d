//! Between a client and the server: RTSP over TCP, packet by packet, with what is wrong put in.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;

use super::Settings;
use crate::support::ip_camera::{Fault, Visit};
use crate::support::rng::seeded;

/// The clock of video in RTP, in a second.
const TICKS: i64 = 90_000;

/// Serves one client until one of the two sides leaves or the camera's mood ends it.
pub(super) fn relay(visit: &Visit, settings: &Settings) -> io::Result<()> {
    visit.mood()?;
    let server = TcpStream::connect(("127.0.0.1", settings.port))?;
    server.set_nodelay(true)?;
    visit.also(&server);
    let film = *settings.film.lock().unwrap_or_else(PoisonError::into_inner);
    let (client, to_server) = (visit.client.try_clone()?, server.try_clone()?);
    // What a client says to a camera that stalls is read, and answered later or never.
    thread::spawn(move || requests(client, to_server, film.mount()));
    answers(visit, settings, BufReader::new(server))
}

/// Requests go through as they are, but that they ask for the film.
fn requests(mut client: TcpStream, mut server: TcpStream, mount: &str) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let n = client.read(&mut buffer)?;
        if n == 0 {
            return server.shutdown(std::net::Shutdown::Both);
        }
        // A keep-alive of RTCP is not text, and is passed on as it is.
        match std::str::from_utf8(&buffer[..n]) {
            Ok(text) => server.write_all(text.replacen("/cam", mount, 1).as_bytes())?,
            Err(_) => server.write_all(&buffer[..n])?,
        }
    }
}

fn answers(visit: &Visit, settings: &Settings, mut server: BufReader<TcpStream>) -> io::Result<()> {
    let mut client = &visit.client;
    let mut random = seeded(visit.number as u64);
    loop {
        let mut packet = read_packet(&mut server)?;
        let is_frame_end = is_video(&packet) && packet[5] & 0x80 != 0;
        jump(&mut packet, settings.jump.load(Ordering::Relaxed));
        match visit.mood()? {
            Some(Fault::Blind) if is_video(&packet) => continue,
            Some(Fault::Garbage) => packet = random.bytes(packet.len()),
            Some(Fault::Noise(one_of)) if is_video(&packet) && random.below(one_of) == 0 => {
                let payload = packet.len().min(20)..packet.len();
                let noise = random.bytes(payload.len());
                packet[payload].copy_from_slice(&noise);
            }
            _ => {}
        }
        client.write_all(&packet)?;
        if is_frame_end {
            visit.sent_frame();
        }
    }
}

/// `$`, a channel, a length and as many bytes; or an answer in text, with its body.
fn read_packet(server: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    server.read_exact(&mut packet)?;
    if packet[0] == b'$' {
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        packet.resize(4 + length, 0);
        server.read_exact(&mut packet[4..])?;
        return Ok(packet);
    }
    let mut body = 0;
    loop {
        let from = packet.len();
        if server.read_until(b'\n', &mut packet)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&packet[from..]).to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body = length.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let from = packet.len();
    packet.resize(from + body, 0);
    server.read_exact(&mut packet[from..])?;
    Ok(packet)
}

/// Video is the first stream and has the first channel.
fn is_video(packet: &[u8]) -> bool {
    packet.len() > 16 && packet[..2] == [b'$', 0]
}

/// Moves the time in a packet of video, and in the report that tells what its time means.
fn jump(packet: &mut [u8], seconds: i64) {
    const SENDER_REPORT: u8 = 200;
    let is_report = packet.len() >= 24 && packet[..2] == [b'$', 1] && packet[5] == SENDER_REPORT;
    let is_of_video = is_video(packet);
    let mut add = |at: usize, n: i64| {
        let field: &mut [u8; 4] = (&mut packet[at..at + 4]).try_into().expect("four bytes");
        let sum = i64::from(u32::from_be_bytes(*field)) + n;
        *field = u32::try_from(sum.rem_euclid(1 << 32)).expect("it fits").to_be_bytes();
    };
    if is_report {
        add(12, seconds);
        add(20, seconds * TICKS);
    } else if is_of_video {
        add(8, seconds * TICKS);
    }
}
