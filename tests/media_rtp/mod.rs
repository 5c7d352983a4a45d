//! RTP as ffmpeg and `GStreamer` send it, over UDP, against the film that they send: every NAL unit, access unit and sample
//! is there, once, in order.

mod audio;
mod fuzz;
mod jpeg;
mod targets;
mod video;

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use footage::media::Track;
use footage::media::rtp::{Counts, Format, Frame, Stream, Transport};

/// What came of a stream.
struct Received {
    track: Track,
    frames: Vec<Frame>,
}

impl Received {
    /// All that it holds, in one.
    fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.data.clone()).collect()
    }

    /// Times from the first frame on, in ticks.
    fn ticks(&self) -> Vec<i64> {
        self.frames.iter().map(|frame| frame.ticks - self.frames[0].ticks).collect()
    }
}

/// Runs ffmpeg and gives what it writes to its standard output.
#[track_caller]
fn ffmpeg(arguments: &str, input: Option<&Path>, more: &str) -> Vec<u8> {
    let output = ffmpeg_command(arguments, input, more).output().expect("ffmpeg is missing: run tests/setup");
    assert!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn ffmpeg_command(arguments: &str, input: Option<&Path>, more: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args("-nostdin -y -v error".split(' ')).args(arguments.split_whitespace());
    if let Some(input) = input {
        command.arg("-i").arg(input);
    }
    command.args(more.split_whitespace()).stdin(Stdio::null());
    command
}

/// A film at `path`, made by ffmpeg.
#[track_caller]
fn film(path: &Path, input: &str, coding: &str) {
    let made = ffmpeg(&format!("-f lavfi -i {input}"), None, &format!("{coding} {}", path.display()));
    assert!(made.is_empty());
}

/// Sends a film by ffmpeg, faster than it plays.
#[track_caller]
fn send_by_ffmpeg(film: &Path, muxer: &str) -> Received {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("rtp://127.0.0.1:{}?pkt_size=1200", socket.local_addr().unwrap().port());
    let mut command = ffmpeg_command("-readrate 6", Some(film), &format!("{muxer} -f rtp {url}"));
    let mut child = command.stdout(Stdio::piped()).spawn().expect("ffmpeg is missing: run tests/setup");
    // ffmpeg prints the SDP before it sends, and nothing else.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut format, mut got_fmtp) = (None, false);
    let mut wants_fmtp = false;
    for line in lines.by_ref().map(Result::unwrap) {
        if let Some(line) = line.strip_prefix("m=") {
            let fields: Vec<_> = line.split(' ').collect();
            let payload_type = fields[3].parse().unwrap();
            format = Some(of_static_type(fields[0], payload_type));
            wants_fmtp = payload_type >= 96;
        } else if let Some(mapping) = line.strip_prefix("a=rtpmap:") {
            let (_, mapping) = mapping.split_once(' ').unwrap();
            let mut parts = mapping.split('/');
            let format = format.as_mut().unwrap();
            format.encoding = parts.next().unwrap().to_uppercase();
            format.clock_rate_hz = parts.next().unwrap().parse().unwrap();
            format.channels = parts.next().map_or(1, |channels| channels.parse().unwrap());
            wants_fmtp &= !["G726", "L16", "PCM"].iter().any(|name| format.encoding.contains(name));
        } else if let Some(fmtp) = line.strip_prefix("a=fmtp:") {
            fmtp.split_once(' ').unwrap().1.clone_into(&mut format.as_mut().unwrap().fmtp);
            got_fmtp = true;
        }
        // It keeps its end of the pipe open until it ends.
        let is_known = format.as_ref().is_some_and(|format| !format.encoding.is_empty());
        if is_known && (got_fmtp || !wants_fmtp) {
            break;
        }
    }
    receive(&format.expect("an SDP"), &socket, child)
}

/// RFC 3551, 6.
fn of_static_type(media: &str, payload_type: u8) -> Format {
    let (encoding, clock_rate_hz) = match payload_type {
        0 => ("PCMU", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44_100),
        14 => ("MPA", 90_000),
        26 => ("JPEG", 90_000),
        _ => ("", 90_000),
    };
    let channels = if payload_type == 10 { 2 } else { 1 };
    Format {
        media: media.to_owned(),
        payload_type,
        encoding: encoding.to_owned(),
        clock_rate_hz,
        channels,
        fmtp: String::new(),
    }
}

/// Sends a film by `GStreamer`, as fast as it plays: through `elements`, of which the last is a payloader called `pay`.
#[track_caller]
fn send_by_gstreamer(film: &Path, elements: &str) -> Received {
    send_pipeline(&format!("filesrc location={} ! {elements}", film.display()))
}

/// The same with what another source makes.
#[track_caller]
fn send_pipeline(pipeline: &str) -> Received {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media_rtp/gstreamer.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(socket.local_addr().unwrap().port().to_string())
        .arg(pipeline)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is missing: run tests/setup");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().expect("GStreamer is missing: run tests/setup").unwrap();
    let format = Format {
        media: line(),
        payload_type: line().parse().unwrap(),
        encoding: line().to_uppercase(),
        clock_rate_hz: line().parse().unwrap(),
        channels: line().parse().unwrap(),
        fmtp: line(),
    };
    receive(&format, &socket, child)
}

/// Takes packets until the sender has ended and nothing is left.
#[track_caller]
fn receive(format: &Format, socket: &UdpSocket, mut sender: Child) -> Received {
    let mut stream = Stream::new(format, Transport::Udp).unwrap();
    let (mut frames, mut buffer) = (Vec::new(), vec![0; 65_536]);
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        assert!(Instant::now() < deadline, "the sender does not end");
        let has_ended = sender.try_wait().unwrap();
        match socket.recv(&mut buffer) {
            Ok(length) => stream.push(&buffer[..length], Instant::now(), &mut frames),
            Err(_) if has_ended.is_some() => break,
            Err(_) => stream.expire(Instant::now(), &mut frames),
        }
    }
    assert!(sender.wait().unwrap().success());
    stream.finish(&mut frames);
    let counts = stream.counts();
    assert_eq!(counts, Counts::default(), "{format:?}");
    Received { track: stream.track().unwrap_or_else(|| panic!("nothing came of {format:?}")).clone(), frames }
}
