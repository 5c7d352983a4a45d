//! A camera that sends JPEG after JPEG over HTTP. Copied, each picture is a frame; encoded, an ffmpeg gets them with the times
//! at which they came.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

use super::connection::connect_through;
use super::http::{HttpEvent, HttpGet};
use super::{FfmpegFeed, Given, Heard, Pipe, Reason, ReplyTo};
use crate::media::mjpeg::{JpegSize, MjpegReader};
use crate::media::mkv::MkvMuxer;
use crate::media::{Codec, Muxer, Packet, Shape, Track};
use crate::network::Network;
use crate::proxy::Proxy;
use crate::units::human_duration;

/// So much waits for an encoder that does not keep up; then pictures are left out.
const MOST_WAITING_BYTES: usize = 8 << 20;
/// What could not be written is tried again after this.
const SOON: Duration = Duration::from_millis(20);
/// An encoder that has got everything ends by itself; after this it is ended.
const ENCODER_ENDS_WITHIN: Duration = Duration::from_secs(2);
const PIECES: usize = 8;
/// Pictures that come at once are so far apart: containers count milliseconds, and of two at one time an encoder leaves out one.
const LEAST_STEP_NS: i64 = 1_000_000;

/// A response and its pictures.
pub(in crate::record) struct JpegFeed {
    get: HttpGet,
    reader: Option<MjpegReader>,
    connection: Option<TcpStream>,
    request: Vec<u8>,
    network: Network,
    /// The proxy that the request goes through.
    proxy: Option<Proxy>,
    reply_to: ReplyTo,
    timeout: Duration,
    /// When the first part of an answer has to be there.
    answer_by: Option<Instant>,
    pictures: Vec<Vec<u8>>,
    size: Option<JpegSize>,
    began: Instant,
    /// The time of the next picture, at the earliest.
    next_ns: i64,
    encoder: Option<Encoder>,
    reason: Option<Reason>,
    is_finished: bool,
}

/// An ffmpeg that encodes.
pub(super) struct Encoder {
    pub(super) feed: Box<FfmpegFeed>,
    input: Option<ChildStdin>,
    muxer: Option<MkvMuxer>,
    waiting: Vec<u8>,
    left_out: u64,
}

impl Encoder {
    pub(super) fn new(feed: FfmpegFeed, input: ChildStdin) -> io::Result<Self> {
        fcntl_setfl(&input, OFlags::NONBLOCK)?;
        let (feed, input) = (Box::new(feed), Some(input));
        Ok(Self { feed, input, muxer: None, waiting: Vec::new(), left_out: 0 })
    }

    fn picture(&mut self, picture: Vec<u8>, size: Option<JpegSize>, pts_ns: i64) {
        if self.waiting.len() > MOST_WAITING_BYTES {
            self.left_out += 1;
            return;
        }
        let waiting = &mut self.waiting;
        let muxer =
            self.muxer.get_or_insert_with(|| MkvMuxer::new(&[track(size)], chrono::DateTime::UNIX_EPOCH, waiting));
        muxer.push(&Packet { track: 0, pts_ns, is_key: true, data: picture }, waiting);
        muxer.flush(waiting);
    }

    fn write(&mut self) {
        while !self.waiting.is_empty()
            && let Some(input) = &mut self.input
        {
            match input.write(&self.waiting) {
                Ok(n) if n > 0 => drop(self.waiting.drain(..n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It has ended, and says why by itself.
                _ => self.input = None,
            }
        }
    }
}

fn track(size: Option<JpegSize>) -> Track {
    let (width, height) = size.map_or((0, 0), |size| (size.width, size.height));
    Track { codec: Codec::Jpeg, shape: Shape::Video { width, height } }
}

impl JpegFeed {
    pub(super) fn start(
        url: &str,
        timeout: Duration,
        encoder: Option<Encoder>,
        network: &Network,
        reply_to: ReplyTo,
        random: u64,
        now: Instant,
    ) -> Option<Self> {
        let get = HttpGet::new(url, random)?;
        let mut feed = Self {
            get,
            reader: None,
            connection: None,
            request: Vec::new(),
            network: network.clone(),
            proxy: None,
            reply_to,
            timeout,
            answer_by: None,
            pictures: Vec::new(),
            size: None,
            began: now,
            next_ns: 0,
            encoder,
            reason: None,
            is_finished: false,
        };
        feed.connect(now);
        Some(feed)
    }

    fn connect(&mut self, now: Instant) {
        self.connection = None;
        self.answer_by = Some(now + self.timeout + self.timeout);
        let (host, port) = self.get.place();
        let timeout = self.timeout;
        self.proxy = match self.network.proxy(self.get.uri()) {
            Ok(proxy) => proxy.cloned(),
            Err(why) => return self.fail(Reason::plain(why)),
        };
        let started = match self.proxy.clone() {
            None => self.reply_to.connect(host, port, timeout),
            Some(proxy) => {
                let is_forwarded = proxy.forwards(self.get.uri());
                self.reply_to.connect_by(move || connect_through(&proxy, is_forwarded, (&host, port), timeout))
            }
        };
        if let Err(reason) = started {
            self.fail(reason);
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.encoder.as_ref().map(|encoder| encoder.feed.pid())
    }

    pub(super) fn pipes(&self) -> Vec<(Pipe, BorrowedFd<'_>)> {
        let connection = self.connection.iter().map(|connection| (Pipe::Packets, connection.as_fd()));
        let encoder = self
            .encoder
            .iter()
            .flat_map(|encoder| [(Pipe::Encoded, encoder.feed.stdout()), (Pipe::Log, encoder.feed.stderr())]);
        connection.chain(encoder).collect()
    }

    pub(super) fn connected(&mut self, connection: io::Result<TcpStream>, now: Instant) {
        match connection.and_then(|connection| connection.set_nonblocking(true).map(|()| connection)) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.answer_by = Some(now + self.timeout);
                let forwarding = self.proxy.as_ref().filter(|proxy| proxy.forwards(self.get.uri()));
                self.request = self.get.request(forwarding).into_bytes();
                self.send();
            }
            Err(error) => self.fail(Reason::plain(crate::error::with_causes(&error))),
        }
    }

    fn send(&mut self) {
        while !self.request.is_empty()
            && let Some(connection) = &mut self.connection
        {
            match connection.write(&self.request) {
                Ok(n) if n > 0 => drop(self.request.drain(..n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    /// The response is over, or there is none: an encoder completes what it has.
    fn fail(&mut self, mut reason: Reason) {
        if let Some(proxy) = &self.proxy
            && self.reader.is_none()
            && !reason.why.is_empty()
        {
            let host = self.get.place().0;
            reason.why = format!("{} (through {proxy}; to connect without it, set no_proxy={host})", reason.why);
        }
        self.reason.get_or_insert(reason);
        self.connection = None;
        self.answer_by = None;
        match &mut self.encoder {
            Some(encoder) => encoder.write(),
            None => self.is_finished = true,
        }
        self.close_input();
    }

    /// Its input ends once all of it is written.
    fn close_input(&mut self) {
        if let Some(encoder) = &mut self.encoder
            && self.reason.is_some()
            && encoder.waiting.is_empty()
        {
            encoder.input = None;
        }
    }

    pub(super) fn read(
        &mut self,
        pipe: Pipe,
        buffer: &mut [u8],
        now: Instant,
        given: &mut Vec<Given>,
        log: impl FnMut(log::Level, &str),
    ) -> Heard {
        match (pipe, &mut self.encoder) {
            (Pipe::Log, Some(encoder)) => encoder.feed.read_log(now, log),
            (Pipe::Encoded, Some(encoder)) => encoder.feed.read(buffer, now, given),
            _ => {
                let heard = self.read_connection(buffer, now, given);
                if let Some(encoder) = &mut self.encoder {
                    encoder.write();
                    let left_out = std::mem::take(&mut encoder.left_out);
                    if left_out > 0 {
                        given.push(Given::Lost(left_out));
                    }
                }
                heard
            }
        }
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
            self.take(&buffer[..n], now, given);
            if n == 0 || self.connection.is_none() {
                return Heard::All;
            }
            if n < buffer.len() {
                return Heard::More;
            }
        }
        Heard::More
    }

    /// Takes what has come; nothing is the end of the connection.
    fn take(&mut self, bytes: &[u8], now: Instant, given: &mut Vec<Given>) {
        let (mut is_elsewhere, mut failed, mut is_over) = (false, None, false);
        let Self { get, reader, pictures, answer_by, .. } = self;
        let mut on = |event: HttpEvent<'_>| match event {
            HttpEvent::Connect { .. } => is_elsewhere = true,
            HttpEvent::Head { content_type } => {
                *answer_by = None;
                *reader = Some(MjpegReader::new(content_type.as_deref()));
            }
            HttpEvent::Body(bytes) => {
                if let Some(Err(error)) = reader.as_mut().map(|reader| reader.push(bytes, pictures)) {
                    failed.get_or_insert_with(|| error.to_string());
                }
            }
            HttpEvent::End => is_over = true,
            HttpEvent::Failed(why) => failed = Some(why),
        };
        if bytes.is_empty() {
            get.on_closed(&mut on);
        } else {
            get.on_bytes(bytes, &mut on);
        }
        if is_over && let Some(reader) = reader {
            reader.finish(pictures);
        }
        for picture in std::mem::take(&mut self.pictures) {
            self.picture(picture, now, given);
        }
        if !bytes.is_empty() && self.reader.is_some() {
            given.push(Given::Came);
        }
        match failed {
            Some(why) => self.fail(Reason::plain(why)),
            None if is_elsewhere => self.connect(now),
            None if is_over || bytes.is_empty() => self.fail(Reason::default()),
            None => {}
        }
    }

    fn picture(&mut self, picture: Vec<u8>, now: Instant, given: &mut Vec<Given>) {
        let size = JpegSize::of(&picture);
        let came_ns = i64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(i64::MAX);
        let pts_ns = came_ns.max(self.next_ns);
        self.next_ns = pts_ns.saturating_add(LEAST_STEP_NS);
        if let Some(encoder) = &mut self.encoder {
            encoder.picture(picture, size, pts_ns);
            return;
        }
        if self.size != size || self.size.is_none() {
            self.size = size;
            given.push(Given::Track(0, track(size)));
        }
        given.push(Given::Packet(Packet { track: 0, pts_ns, is_key: true, data: picture }, now));
    }

    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let is_waiting = self.encoder.as_ref().is_some_and(|encoder| !encoder.waiting.is_empty());
        let soon = (is_waiting || !self.request.is_empty()).then(|| now + SOON);
        let encoder = self.encoder.as_ref().and_then(|encoder| encoder.feed.deadline());
        [soon, encoder, self.answer_by].into_iter().flatten().min()
    }

    pub(super) fn on_deadline(&mut self, now: Instant, given: &mut Vec<Given>) {
        self.send();
        if let Some(encoder) = &mut self.encoder {
            encoder.write();
            encoder.feed.on_deadline(now, given);
        }
        self.close_input();
        if self.answer_by.is_some_and(|by| now >= by) {
            self.fail(Reason::plain(format!("no answer within {}", human_duration(self.timeout))));
        }
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.fail(Reason::default());
        // What it has not taken by now would hold up the end.
        if let Some(encoder) = &mut self.encoder {
            let grace = if encoder.waiting.is_empty() { ENCODER_ENDS_WITHIN } else { Duration::ZERO };
            encoder.input = None;
            encoder.feed.end_from(now + grace, now);
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.encoder.as_ref().is_some_and(|encoder| encoder.feed.is_read())
    }

    pub(super) fn over(&mut self, lasted: Option<Duration>) -> Option<Reason> {
        let after = |reason: Reason| match lasted {
            Some(time) if reason.why.is_empty() => {
                Reason::plain(format!("the stream ended after {}", human_duration(time)))
            }
            Some(time) => Reason::plain(format!("the stream ended after {}: {}", human_duration(time), reason.why)),
            None if reason.why.is_empty() => Reason::plain("the camera sent no picture".to_owned()),
            None => reason,
        };
        match &mut self.encoder {
            None => self.is_finished.then(|| after(self.reason.take().unwrap_or_default())),
            Some(encoder) => {
                let ended = encoder.feed.over(lasted)?;
                Some(match self.reason.take() {
                    Some(reason) => after(reason),
                    None => ended,
                })
            }
        }
    }
}
