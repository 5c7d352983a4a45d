//! What a server plays: films as RTP, each packet at its time.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use footage::media::nal::{self, ParameterSets, Standard};
use footage::media::{Codec, Packet, Shape, Track};

use super::interleaved;

/// Of RTP's payloads, so that a key frame takes many.
const PAYLOAD_BYTES: usize = 1200;
/// Between sender reports.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// What the clock of the server says at its beginning: seconds since 1900.
const NTP_SECONDS: u64 = 3_900_000_000;

/// One packet that goes out.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// From PLAY on.
    pub(crate) at: Duration,
    /// Of those that were set up.
    pub(crate) track: usize,
    pub(crate) is_rtcp: bool,
    pub(crate) packet: Vec<u8>,
}

/// Makes the packets of one client. They may have no end.
#[derive(Clone)]
pub(crate) struct Play(Arc<dyn Fn() -> Box<dyn Iterator<Item = Sent>> + Send + Sync>);

impl std::fmt::Debug for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Play")
    }
}

impl Play {
    pub(crate) fn new(make: impl Fn() -> Box<dyn Iterator<Item = Sent>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// These packets, then nothing more.
    pub(crate) fn of(packets: Vec<Sent>) -> Self {
        let packets = Arc::new(packets);
        Self::new(move || {
            let packets = Arc::clone(&packets);
            Box::new((0..packets.len()).map(move |at| packets[at].clone()))
        })
    }

    /// Sends in a thread of its own, until the packets or the connection end. `targets`: of each track whether it goes over
    /// TCP, and its channel or port.
    pub(super) fn start(&self, out: &Arc<Mutex<TcpStream>>, targets: Vec<(bool, u16)>) {
        let (make, out) = (Arc::clone(&self.0), Arc::clone(out));
        thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let began = Instant::now();
            for sent in make() {
                thread::sleep(sent.at.saturating_sub(began.elapsed()));
                let Some((is_tcp, target)) = targets.get(sent.track) else { continue };
                let target = target + u16::from(sent.is_rtcp);
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                let result = if *is_tcp {
                    out.write_all(&interleaved(u8::try_from(target).unwrap(), &sent.packet))
                } else {
                    // A client that has left refuses datagrams; the connection says that it has left.
                    socket.send_to(&sent.packet, ("127.0.0.1", target)).map(|_| ())
                };
                if result.is_err() {
                    return;
                }
            }
        });
    }
}

/// Where a track's parameter sets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// In the SDP alone.
    Described,
    /// In front of every key frame alone.
    InBand,
    /// In front of this frame alone.
    InFrontOf(usize),
}

/// A track of a film on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its section of the SDP, without the control URL.
    pub(crate) sdp: String,
    pub(crate) payload_type: u8,
    pub(crate) clock_hz: u32,
    pub(crate) payloads: Vec<Payload>,
}

/// The payload of a packet.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// When it goes out.
    pub(crate) at_ns: i64,
    /// When what it holds is shown.
    pub(crate) pts_ns: i64,
    pub(crate) marker: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Line {
    /// H.264 or H.265. As a camera codes them, a frame that is shown earlier goes out
    /// right behind the one that it refers to. With `marks_slices` every NAL unit has
    /// the marker.
    pub(crate) fn video<'p>(
        track: &Track,
        frames: impl Iterator<Item = &'p Packet>,
        sets: Sets,
        marks_slices: bool,
    ) -> Self {
        let (standard, config) = Standard::of(&track.codec).unwrap();
        let parameters: Vec<Vec<u8>> =
            ParameterSets::from_config(standard, config).unwrap().units().map(<[u8]>::to_vec).collect();
        let mut line = Self::video_in_band(standard);
        if sets == Sets::Described {
            line.sdp.push_str(&sprop(standard, &parameters));
        }
        let frames: Vec<&Packet> = frames.collect();
        let mut at_ns = 0;
        for (number, frame) in frames.into_iter().enumerate() {
            at_ns = at_ns.max(frame.pts_ns);
            let has_sets = match sets {
                Sets::Described => false,
                Sets::InBand => frame.is_key,
                Sets::InFrontOf(wanted) => number == wanted,
            };
            let leading = if has_sets { parameters.as_slice() } else { &[] };
            line.frame(standard, leading, frame, at_ns, marks_slices);
        }
        line
    }

    /// A track of video that has no frame yet, and whose SDP says nothing of it.
    pub(crate) fn video_in_band(standard: Standard) -> Self {
        let name = if standard == Standard::H264 { "H264" } else { "H265" };
        let fmtp = if standard == Standard::H264 { "a=fmtp:96 packetization-mode=1" } else { "a=fmtp:96 profile-id=1" };
        Self {
            sdp: format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 {name}/90000\r\n{fmtp}"),
            payload_type: 96,
            clock_hz: 90_000,
            payloads: Vec::new(),
        }
    }

    /// One more frame, with units in front of it.
    pub(crate) fn frame(
        &mut self,
        standard: Standard,
        leading: &[Vec<u8>],
        frame: &Packet,
        at_ns: i64,
        marks_slices: bool,
    ) {
        let units: Vec<&[u8]> = leading.iter().map(Vec::as_slice).chain(nal::units(&frame.data)).collect();
        for (number, unit) in units.iter().enumerate() {
            let is_last = number + 1 == units.len();
            let pieces = fragments(standard, unit);
            let last_piece = pieces.len() - 1;
            for (piece, bytes) in pieces.into_iter().enumerate() {
                let marker = piece == last_piece && (is_last || marks_slices);
                self.payloads.push(Payload { at_ns, pts_ns: frame.pts_ns, marker, bytes });
            }
        }
    }

    /// The audio of a film.
    pub(crate) fn audio<'p>(track: &Track, packets: impl Iterator<Item = &'p Packet>) -> Self {
        let Shape::Audio { sample_rate_hz, channels } = track.shape else { panic!("{track:?}") };
        let (name, clock_hz, fmtp) = match &track.codec {
            Codec::ALaw => ("PCMA", sample_rate_hz, String::new()),
            Codec::MuLaw => ("PCMU", sample_rate_hz, String::new()),
            // RFC 3551, 4.5.2: its clock ticks 8,000 times.
            Codec::G722 => ("G722", 8000, String::new()),
            Codec::G726 { .. } => ("G726-32", sample_rate_hz, String::new()),
            Codec::L16 => ("L16", sample_rate_hz, String::new()),
            Codec::Opus { .. } => ("opus", 48_000, String::new()),
            Codec::Aac { config } => {
                let config = config.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
                let mode = "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3";
                ("MPEG4-GENERIC", sample_rate_hz, format!("\r\na=fmtp:97 streamtype=5;{mode};config={config}"))
            }
            other => panic!("{other:?}"),
        };
        let channels = if name == "opus" { 2 } else { channels };
        let sdp = format!("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 {name}/{clock_hz}/{channels}{fmtp}");
        let payloads = packets.map(|packet| {
            let bytes = match &track.codec {
                Codec::Aac { .. } => {
                    let length = u16::try_from(packet.data.len() << 3).unwrap().to_be_bytes();
                    [&[0, 16], &length[..], &packet.data].concat()
                }
                // RFC 3551, 4.5.4: the first sample stands in the low half.
                Codec::G726 { .. } => packet.data.iter().map(|byte| byte.rotate_left(4)).collect(),
                _ => packet.data.clone(),
            };
            Payload { at_ns: packet.pts_ns, pts_ns: packet.pts_ns, marker: true, bytes }
        });
        Self { sdp, payload_type: 97, clock_hz, payloads: payloads.collect() }
    }

    /// Moves what goes out, not what it shows.
    pub(crate) fn later(mut self, by: Duration) -> Self {
        for payload in &mut self.payloads {
            payload.at_ns += i64::try_from(by.as_nanos()).unwrap();
        }
        self
    }

    /// Leaves out what `keep` does not want, by when it goes out, in seconds.
    pub(crate) fn only(mut self, keep: impl Fn(f64) -> bool) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a film")]
        self.payloads.retain(|payload| keep(payload.at_ns as f64 / 1e9));
        self
    }

    fn ticks(&self, pts_ns: i64) -> u32 {
        let ticks = i128::from(pts_ns) * i128::from(self.clock_hz) / 1_000_000_000 + 123_456;
        u32::try_from(ticks.rem_euclid(1 << 32)).unwrap()
    }

    fn packet(&self, number: usize, track: usize, payload: &Payload) -> Vec<u8> {
        let mut packet = vec![0x80, self.payload_type | u8::from(payload.marker) << 7];
        packet.extend(u16::try_from((number + 65_000) % 65_536).unwrap().to_be_bytes());
        packet.extend(self.ticks(payload.pts_ns).to_be_bytes());
        packet.extend([7, 7, 7, u8::try_from(track).unwrap()]);
        packet.extend(&payload.bytes);
        packet
    }

    fn report(&self, track: usize, at: Duration) -> Vec<u8> {
        let ns = i64::try_from(at.as_nanos()).unwrap();
        let fraction = u64::from(at.subsec_nanos()) << 32;
        let ntp = ((NTP_SECONDS + at.as_secs()) << 32) | (fraction / 1_000_000_000);
        let mut report = vec![0x80, 200, 0, 6, 7, 7, 7, u8::try_from(track).unwrap()];
        report.extend(ntp.to_be_bytes());
        report.extend(self.ticks(ns).to_be_bytes());
        report.extend([0; 8]);
        report
    }
}

/// The packets of a camera whose clock goes otherwise: `clock` says what it shows at a time of ours, both in seconds from
/// the beginning.
pub(crate) fn with_clock(mut packets: Vec<Sent>, clock_hz: f64, clock: impl Fn(f64) -> f64) -> Vec<Sent> {
    for sent in &mut packets {
        let place = if sent.is_rtcp { 16..20 } else { 4..8 };
        let Some(stamp) = sent.packet.get_mut(place) else { continue };
        let at = sent.at.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, reason = "a few hours in ticks")]
        let shift = ((clock(at) - at) * clock_hz).round() as i64;
        let was = u32::from_be_bytes(<[u8; 4]>::try_from(&*stamp).unwrap());
        let now = u32::try_from((i64::from(was) + shift).rem_euclid(1 << 32)).unwrap();
        stamp.copy_from_slice(&now.to_be_bytes());
    }
    packets
}

/// The SDP and the packets of tracks that play together, with a BYE behind the last.
pub(crate) fn film(lines: &[Line], has_reports: bool) -> (String, Vec<Sent>) {
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n".to_owned();
    let mut all = Vec::new();
    for (track, line) in lines.iter().enumerate() {
        sdp.extend([&line.sdp, "\r\na=control:track", &track.to_string(), "\r\n"]);
        let at = |ns: i64| Duration::from_nanos(u64::try_from(ns).unwrap());
        for (number, payload) in line.payloads.iter().enumerate() {
            let packet = line.packet(number, track, payload);
            all.push(Sent { at: at(payload.at_ns), track, is_rtcp: false, packet });
        }
        let end = line.payloads.last().map_or(Duration::ZERO, |payload| at(payload.at_ns));
        let mut report_at = Duration::from_millis(40);
        while has_reports && report_at < end {
            all.push(Sent { at: report_at, track, is_rtcp: true, packet: line.report(track, report_at) });
            report_at += REPORT_EVERY;
        }
    }
    all.sort_by_key(|sent| sent.at);
    let end = all.last().map_or(Duration::ZERO, |sent| sent.at) + Duration::from_millis(200);
    all.push(Sent { at: end, track: 0, is_rtcp: true, packet: super::rtcp(true) });
    (sdp, all)
}

fn sprop(standard: Standard, parameters: &[Vec<u8>]) -> String {
    let of_kind = |kind: u8| {
        let units = parameters.iter().filter(|unit| standard.kind(unit) == Some(kind));
        units.map(|unit| BASE64.encode(unit)).collect::<Vec<_>>().join(",")
    };
    match standard {
        Standard::H264 => format!(";sprop-parameter-sets={},{}", of_kind(7), of_kind(8)),
        Standard::H265 => format!(";sprop-vps={};sprop-sps={};sprop-pps={}", of_kind(32), of_kind(33), of_kind(34)),
    }
}

/// RFC 6184, 5.8 and RFC 7798, 4.4.3.
fn fragments(standard: Standard, unit: &[u8]) -> Vec<Vec<u8>> {
    if unit.len() <= PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    let header_bytes = if standard == Standard::H264 { 1 } else { 2 };
    let (header, body) = unit.split_at(header_bytes);
    let last = body.len().div_ceil(PAYLOAD_BYTES) - 1;
    let piece = |(number, part): (usize, &[u8])| {
        let edges = u8::from(number == 0) << 7 | u8::from(number == last) << 6;
        let head = match standard {
            Standard::H264 => vec![(header[0] & 0xE0) | 0x1C, edges | (header[0] & 0x1F)],
            Standard::H265 => vec![header[0] & 0x81 | 49 << 1, header[1], edges | header[0] >> 1 & 0x3F],
        };
        [head, part.to_vec()].concat()
    };
    body.chunks(PAYLOAD_BYTES).enumerate().map(piece).collect()
}
