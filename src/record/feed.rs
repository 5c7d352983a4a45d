//! Where a camera's packets come from: an RTSP connection, JPEG over HTTP, an ffmpeg.

mod connection;
mod ffmpeg;
mod http;
mod in_step;
mod jpeg;
mod rtsp;

use std::io;
use std::net::TcpStream;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use self::ffmpeg::FfmpegFeed;
use self::jpeg::{Encoder, JpegFeed};
use self::rtsp::RtspFeed;
use super::command;
use super::config::{Camera, Engine, Transport, Video};
use super::keeper::Turn;
use super::mailbox::Mailbox;
use crate::ffmpeg::Ffmpeg;
use crate::media::{Packet, Track};
use crate::network::Network;
use crate::random::random;
use crate::rtsp::{RtspError, Transport as RtspTransport};

/// What a feed gives.
#[derive(Debug)]
pub(super) enum Given {
    /// A track is known, or has changed.
    Track(usize, Track),
    /// A packet, and when it arrived.
    Packet(Packet, Instant),
    /// So many packets were lost on the way.
    Lost(u64),
    /// Something of the video has come, though no packet may be whole.
    Came,
    /// The camera is recorded without its audio: why.
    NoAudio(String),
}

/// What a read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There may be more, now or later.
    More,
    /// There will be no more.
    All,
}

/// Why a feed has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    /// In words.
    pub(super) why: String,
    /// Whether ffmpeg may succeed where this one did not.
    pub(super) wants_ffmpeg: bool,
}

impl Reason {
    pub(super) fn plain(why: String) -> Self {
        Self { why, wants_ffmpeg: false }
    }

    fn of(error: &RtspError) -> Self {
        let hint = match error {
            RtspError::Transport { transport: RtspTransport::Tcp, .. } => "; set transport = \"udp\" if it offers that",
            RtspError::Transport { transport: RtspTransport::Udp, .. } => "; set transport = \"tcp\" if it offers that",
            _ => "",
        };
        Self { why: format!("{error}{hint}"), wants_ffmpeg: error.is_worth_another_engine() }
    }
}

/// How a camera is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RTSP by ourselves.
    Rtsp,
    /// JPEG over HTTP by ourselves.
    Jpeg,
    /// JPEG over HTTP by ourselves, encoded by an ffmpeg.
    EncodedJpeg,
    /// All of it by an ffmpeg.
    Ffmpeg,
}

impl Kind {
    /// How a camera is read, as far as its settings say; `has_failed` is whether reading it by ourselves has lately.
    pub(super) fn of(camera: &Camera, has_failed: bool) -> Self {
        let is_native = camera.engine != Engine::Ffmpeg && !(has_failed && camera.engine == Engine::Auto);
        if !is_native || camera.native_obstacle().is_some() {
            return Self::Ffmpeg;
        }
        match (camera.url.scheme(), camera.video) {
            ("rtsp", _) => Self::Rtsp,
            (_, Video::Copy) => Self::Jpeg,
            (_, Video::H264) => Self::EncodedJpeg,
        }
    }

    /// Whether it takes an ffmpeg.
    pub(super) fn takes_ffmpeg(self) -> bool {
        matches!(self, Self::Ffmpeg | Self::EncodedJpeg)
    }

    /// Between two starts: that of an ffmpeg costs 0.08 s of a processor.
    pub(super) fn stagger(self) -> Duration {
        if self.takes_ffmpeg() { Duration::from_millis(100) } else { Duration::from_millis(2) }
    }
}

/// A descriptor of a feed, and what comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    /// The connection, or what an ffmpeg writes.
    Packets,
    /// What an ffmpeg logs.
    Log,
    /// What an encoder writes.
    Encoded,
    /// Datagrams of RTP, of a track.
    Rtp(usize),
    /// Datagrams of RTCP, of a track.
    Rtcp(usize),
}

impl Pipe {
    /// By its number, see [`number`](Self::number).
    pub(super) fn of(number: u64) -> Self {
        match number {
            1 => Self::Log,
            2 => Self::Encoded,
            3 => Self::Rtp(0),
            4 => Self::Rtp(1),
            5 => Self::Rtcp(0),
            6 => Self::Rtcp(1),
            _ => Self::Packets,
        }
    }

    /// At most 7.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Packets => 0,
            Self::Log => 1,
            Self::Encoded => 2,
            Self::Rtp(0) => 3,
            Self::Rtp(_) => 4,
            Self::Rtcp(0) => 5,
            Self::Rtcp(_) => 6,
        }
    }
}

/// What a thread of a feed sends it.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A connection, or why there is none.
    Connected(io::Result<TcpStream>),
}

/// Where the threads of a feed send to.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub(super) mailbox: Mailbox<(Turn, Parcel)>,
    /// Which start of which camera they belong to.
    pub(super) turn: Turn,
}

impl ReplyTo {
    fn send(&self, parcel: Parcel) {
        self.mailbox.send((self.turn, parcel));
    }

    /// Connects in a thread of its own; names are looked up there too.
    fn connect(&self, host: String, port: u16, timeout: Duration) -> Result<(), Reason> {
        self.connect_by(move || connection::connect(&host, port, timeout))
    }

    fn connect_by(&self, connect: impl FnOnce() -> io::Result<TcpStream> + Send + 'static) -> Result<(), Reason> {
        let reply_to = self.clone();
        let connect = move || reply_to.send(Parcel::Connected(connect()));
        let started = std::thread::Builder::new().name("connect".into()).stack_size(256 << 10).spawn(connect);
        started.map(drop).map_err(|error| Reason::plain(format!("cannot start a thread: {error}")))
    }
}

/// What it takes to start a feed.
pub(super) struct Context<'a> {
    pub(super) ffmpeg: Option<&'a Ffmpeg>,
    /// Whether ffmpeg is to be tried, although the camera could be read by ourselves.
    pub(super) has_failed: bool,
    pub(super) reply_to: ReplyTo,
    /// Proxies of cameras that speak HTTP.
    pub(super) network: &'a Network,
    /// Whether it is asked for datagrams first, where its settings leave that open.
    pub(super) is_udp_first: bool,
}

/// A camera's feed.
pub(super) enum Feed {
    Rtsp(Box<RtspFeed>),
    Jpeg(Box<JpegFeed>),
    Ffmpeg(Box<FfmpegFeed>),
}

impl Feed {
    /// Starts one; or why it cannot be started.
    pub(super) fn start(camera: &Camera, context: &Context<'_>, now: Instant) -> Result<Self, Reason> {
        Self::start_as(Kind::of(camera, context.has_failed), camera, context, now)
    }

    /// Starts one that reads the camera in this way.
    pub(super) fn start_as(kind: Kind, camera: &Camera, context: &Context<'_>, now: Instant) -> Result<Self, Reason> {
        let ffmpeg = || context.ffmpeg.ok_or_else(|| Reason::plain(NO_FFMPEG.to_owned()));
        let failed = |error: io::Error| Reason::plain(format!("ffmpeg cannot be started: {error}"));
        match kind {
            Kind::Rtsp => {
                let transport = match camera.transport {
                    Some(Transport::Udp) => RtspTransport::Udp,
                    None if context.is_udp_first => RtspTransport::Udp,
                    _ => RtspTransport::Tcp,
                };
                let may_be_ffmpeg = context.ffmpeg.is_some() && camera.engine == Engine::Auto;
                let feed = RtspFeed::start(camera, may_be_ffmpeg, transport, context.reply_to.clone(), random(), now)?;
                Ok(Self::Rtsp(Box::new(feed)))
            }
            Kind::Jpeg | Kind::EncodedJpeg => {
                let encoder = if kind == Kind::EncodedJpeg {
                    let ffmpeg = ffmpeg()?;
                    let arguments = command::encoder_arguments(camera, ffmpeg.version);
                    let (feed, input) =
                        FfmpegFeed::start(&ffmpeg.path, arguments, &camera.url, true, now).map_err(failed)?;
                    let input = input.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
                    Some(Encoder::new(feed, input).map_err(failed)?)
                } else {
                    None
                };
                let reply_to = context.reply_to.clone();
                let feed = JpegFeed::start(
                    camera.url.secret(),
                    camera.timeout,
                    encoder,
                    context.network,
                    reply_to,
                    random(),
                    now,
                );
                let feed = feed.ok_or_else(|| Reason::plain("its address is none of HTTP".to_owned()))?;
                Ok(Self::Jpeg(Box::new(feed)))
            }
            Kind::Ffmpeg => {
                let ffmpeg = ffmpeg()?;
                let mut camera = std::borrow::Cow::Borrowed(camera);
                if context.is_udp_first && camera.transport.is_none() {
                    camera.to_mut().transport = Some(Transport::Udp);
                }
                let arguments = command::arguments(&camera, ffmpeg.version);
                let (feed, _) = FfmpegFeed::start(&ffmpeg.path, arguments, &camera.url, false, now).map_err(failed)?;
                Ok(Self::Ffmpeg(Box::new(feed)))
            }
        }
    }

    /// As the log calls it.
    pub(super) fn shown(&self) -> String {
        self.pid().map_or_else(|| "native".to_owned(), |pid| format!("ffmpeg {pid}"))
    }

    /// The process of its ffmpeg, if it has one.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Rtsp(_) => None,
            Self::Jpeg(feed) => feed.pid(),
            Self::Ffmpeg(feed) => Some(feed.pid()),
        }
    }

    /// Whether its camera is read by ourselves, and may be by an ffmpeg too.
    pub(super) fn is_native(&self) -> bool {
        matches!(self, Self::Rtsp(_))
    }

    /// Whether packets come as datagrams, or should, and whether one has come; none where that is not ours.
    pub(super) fn udp(&self) -> Option<(bool, bool)> {
        match self {
            Self::Rtsp(feed) => Some(feed.udp()),
            Self::Jpeg(_) | Self::Ffmpeg(_) => None,
        }
    }

    /// Whether it reads from more than at the last look.
    pub(super) fn has_opened(&mut self) -> bool {
        match self {
            Self::Rtsp(feed) => feed.has_opened(),
            Self::Jpeg(_) | Self::Ffmpeg(_) => false,
        }
    }

    /// What it reads from.
    pub(super) fn pipes(&self) -> Vec<(Pipe, BorrowedFd<'_>)> {
        match self {
            Self::Rtsp(feed) => feed.pipes(),
            Self::Jpeg(feed) => feed.pipes(),
            Self::Ffmpeg(feed) => vec![(Pipe::Packets, feed.stdout()), (Pipe::Log, feed.stderr())],
        }
    }

    /// Whether it is read at once, and nothing is to gather.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Rtsp(feed) => feed.is_urgent(),
            Self::Jpeg(_) | Self::Ffmpeg(_) => false,
        }
    }

    /// Lines for the log, since the last look.
    pub(super) fn log(&mut self) -> Vec<String> {
        match self {
            Self::Rtsp(feed) => feed.log(),
            Self::Jpeg(_) | Self::Ffmpeg(_) => Vec::new(),
        }
    }

    /// Reads what has come, and logs what an ffmpeg has logged.
    pub(super) fn read(
        &mut self,
        pipe: Pipe,
        buffer: &mut [u8],
        now: Instant,
        given: &mut Vec<Given>,
        log: impl FnMut(log::Level, &str),
    ) -> Heard {
        match (self, pipe) {
            (Self::Rtsp(feed), _) => feed.read(pipe, buffer, now, given),
            (Self::Jpeg(feed), _) => feed.read(pipe, buffer, now, given, log),
            (Self::Ffmpeg(feed), Pipe::Log) => feed.read_log(now, log),
            (Self::Ffmpeg(feed), _) => feed.read(buffer, now, given),
        }
    }

    /// When it is to be called again, if it is.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Rtsp(feed) => feed.deadline(now),
            Self::Jpeg(feed) => feed.deadline(now),
            Self::Ffmpeg(feed) => feed.deadline(),
        }
    }

    /// Does what is due.
    pub(super) fn on_deadline(&mut self, now: Instant, given: &mut Vec<Given>) {
        match self {
            Self::Rtsp(feed) => feed.on_deadline(now, given),
            Self::Jpeg(feed) => feed.on_deadline(now, given),
            Self::Ffmpeg(feed) => feed.on_deadline(now, given),
        }
    }

    /// Takes what a thread of it has sent.
    pub(super) fn deliver(&mut self, parcel: Parcel, now: Instant, given: &mut Vec<Given>) {
        match (self, parcel) {
            (Self::Rtsp(feed), Parcel::Connected(connection)) => feed.connected(connection, now, given),
            (Self::Jpeg(feed), Parcel::Connected(connection)) => feed.connected(connection, now),
            (Self::Ffmpeg(_), Parcel::Connected(_)) => {}
        }
    }

    /// Asks it to end, and takes what it holds.
    pub(super) fn end(&mut self, now: Instant, given: &mut Vec<Given>) {
        match self {
            Self::Rtsp(feed) => feed.end(now, given),
            Self::Jpeg(feed) => feed.end(now),
            Self::Ffmpeg(feed) => feed.end(now),
        }
    }

    /// Whether it has given all, and only has to end.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Self::Rtsp(_) => false,
            Self::Jpeg(feed) => feed.is_read(),
            Self::Ffmpeg(feed) => feed.is_read(),
        }
    }

    /// Why it has ended, if it has; `lasted` is how long frames came.
    pub(super) fn over(&mut self, lasted: Option<Duration>) -> Option<Reason> {
        match self {
            Self::Rtsp(feed) => feed.over(lasted),
            Self::Jpeg(feed) => feed.over(lasted),
            Self::Ffmpeg(feed) => feed.over(lasted),
        }
    }
}

/// Why a camera that takes an ffmpeg cannot be recorded on a machine without one.
pub(super) const NO_FFMPEG: &str =
    "it takes an ffmpeg, and none is on this machine: install one, or name it with --ffmpeg";
