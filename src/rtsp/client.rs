//! One session with a camera, as a state machine.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::media::rtp::Format;
use crate::media::rtp::rtcp::{self, Report};

use super::auth::Challenge;
use super::error::{Refusal, RtspError, Step};
use super::event::{Carriage, End, Event, Options};
use super::message::{Message, Start, shown};
use super::sdp;
use super::transport::{self, Transport};
use super::url::{Login, RtspUrl};
use super::wire::{Piece, Wire, WireError};

/// An answer to TEARDOWN may take so long.
const TEARDOWN_TIME: Duration = Duration::from_secs(2);
/// After the end of the video, the other tracks may take so long for theirs.
const BYE_TIME: Duration = Duration::from_secs(1);
/// How long a session lives without a request when the server does not say it (RFC 2326, 12.37); longer ones are not trusted.
const SESSION_SECONDS: u32 = 60;
/// Redirects that are followed.
const MAX_REDIRECTS: u32 = 3;
/// Answers to a server that reads none of them are not piled up further.
const MAX_UNSENT_BYTES: usize = 64 << 10;
/// A session id is not longer than this.
const MAX_SESSION_BYTES: usize = 1024;

/// A request, to be repeated with a login.
#[derive(Clone)]
struct Request {
    method: &'static str,
    uri: String,
    /// Whole lines.
    headers: String,
    /// The server's number with which it was sent, if any.
    answered: Option<String>,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// A connection or the answer to a request is awaited.
    Waiting(Step),
    /// The caller binds ports.
    Binding,
    Playing,
    /// The answer to TEARDOWN is awaited.
    Closing,
    Done,
}

#[derive(Debug)]
struct Track {
    control: String,
    carriage: Carriage,
    has_ended: bool,
}

type Events<'a> = &'a mut dyn FnMut(Event<'_>);

/// A session: see the [module](super).
pub struct Client {
    options: Options,
    /// Where it began: the login is for this place.
    first: RtspUrl,
    url: RtspUrl,
    login: Option<Login>,
    challenge: Option<Challenge>,
    /// Requests sent with this challenge.
    challenge_count: u32,
    /// Whether a request with the login was answered with anything but 401.
    is_login_right: bool,
    state: State,
    deadline: Option<Instant>,
    wire: Wire,
    out: Vec<u8>,
    cseq: u32,
    pending: Option<Request>,
    redirects: u32,
    /// Whether `GET_PARAMETER` is offered.
    has_get_parameter: bool,
    /// The URL for PLAY and what follows.
    aggregate: String,
    session: Option<String>,
    session_seconds: u32,
    transport: Transport,
    ports: Vec<u16>,
    offered: Vec<Format>,
    chosen: Vec<usize>,
    tracks: Vec<Track>,
    /// Which track is being set up.
    setting_up: usize,
    has_packets: bool,
    /// When the stream ends whose video has ended.
    ending: Option<Instant>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state).field("tracks", &self.tracks).finish_non_exhaustive()
    }
}

impl Client {
    /// A session with the camera at `url`, whose own login is not used.
    ///
    /// # Errors
    /// [`RtspError::Url`] for anything but `rtsp://HOST…`.
    pub fn new(url: &str, login: Option<Login>, options: Options) -> Result<Self, RtspError> {
        let url = RtspUrl::parse(url).ok_or(RtspError::Url)?;
        Ok(Self {
            options,
            first: url.clone(),
            aggregate: url.as_str().to_owned(),
            url,
            login,
            challenge: None,
            challenge_count: 0,
            is_login_right: false,
            state: State::New,
            deadline: None,
            wire: Wire::default(),
            out: Vec::new(),
            cseq: 0,
            pending: None,
            redirects: 0,
            has_get_parameter: false,
            session: None,
            session_seconds: SESSION_SECONDS,
            transport: options.transport,
            ports: Vec::new(),
            offered: Vec::new(),
            chosen: Vec::new(),
            tracks: Vec::new(),
            setting_up: 0,
            has_packets: false,
            ending: None,
        })
    }

    /// Begins: the first event says where to connect.
    pub fn start(&mut self, now: Instant, events: Events) {
        self.state = State::Waiting(Step::Connect);
        self.deadline = Some(now + self.options.answer_within);
        events(Event::Connect { host: self.url.host(), port: self.url.port() });
    }

    /// The connection that an event asked for stands.
    pub fn on_connected(&mut self, now: Instant) {
        if self.state == State::Waiting(Step::Connect) {
            self.ask(Step::Options, "OPTIONS", self.url.as_str().to_owned(), String::new(), now);
        }
    }

    /// Bytes of the connection, in their order. Packets that lie in them whole are handed out where they lie.
    pub fn on_bytes(&mut self, bytes: &[u8], now: Instant, events: Events) {
        if matches!(self.state, State::New | State::Done | State::Waiting(Step::Connect)) {
            return;
        }
        let mut wire = std::mem::take(&mut self.wire);
        let channels = self.channels();
        let is_open = |channel| channels.contains(&Some(channel));
        let result = wire.feed(bytes, is_open, |piece| {
            match piece {
                Piece::Packet { channel, payload } => self.on_packet(channel, payload, now, events),
                Piece::Message(message) => self.on_message(&message, now, events),
            }
            match self.state {
                State::Done | State::Waiting(Step::Connect) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        match self.state {
            State::Done | State::Waiting(Step::Connect) => return,
            _ => self.wire = wire,
        }
        let is_playing = self.has_packets;
        let framing = |what: &str| RtspError::Framing { what: what.to_owned(), is_playing };
        let Err(e) = result else { return };
        let error = match e {
            WireError::NotRtsp(line) => RtspError::NotRtsp(line),
            WireError::Garbage => framing("more than 64 KiB of garbage"),
            WireError::TooLong => framing("a message of more than 1 MiB"),
            WireError::Malformed(line) => framing(&format!("the malformed line {line:?}")),
        };
        self.fail(error, events);
    }

    /// The camera closed the connection, or it broke.
    pub fn on_closed(&mut self, events: Events) {
        let state = std::mem::replace(&mut self.state, State::Done);
        self.deadline = None;
        self.out.clear();
        match state {
            State::New | State::Done => {}
            State::Waiting(_) if self.has_packets => events(Event::Ended(End::Closed)),
            State::Waiting(step) => events(Event::Failed(RtspError::Closed(step))),
            State::Binding => events(Event::Failed(RtspError::Closed(Step::Setup))),
            State::Playing => events(Event::Ended(End::Closed)),
            State::Closing => events(Event::Finished),
        }
    }

    /// A datagram that came to a port of this track: to that of RTP, or to that of RTCP. Read RTP first: what RTCP says may
    /// be the end.
    pub fn on_datagram(&mut self, track: usize, is_rtcp: bool, datagram: &[u8], now: Instant, events: Events) {
        if matches!(self.state, State::Playing | State::Waiting(Step::Play)) && track < self.tracks.len() {
            self.deliver(track, is_rtcp, datagram, now, events);
        }
    }

    /// The ports of RTP that were bound, one for each track.
    pub fn set_ports(&mut self, ports: &[u16], now: Instant) {
        if self.state == State::Binding {
            ports.clone_into(&mut self.ports);
            self.set_up(now);
        }
    }

    /// What is to be written to the connection, in this order.
    #[must_use]
    pub fn to_send(&self) -> &[u8] {
        &self.out
    }

    /// So many bytes of [`to_send`](Self::to_send) were written.
    pub fn sent(&mut self, bytes: usize) {
        self.out.drain(..bytes.min(self.out.len()));
    }

    /// When [`on_deadline`](Self::on_deadline) is to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Time has passed: a keep-alive is due, or an answer is late.
    pub fn on_deadline(&mut self, now: Instant, events: Events) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Waiting(_) if self.has_packets => self.keep_alive_later(now),
            State::Waiting(step) => self.fail(RtspError::Timeout(step, self.options.answer_within), events),
            State::Playing if self.ending.is_some() => self.end(End::ByCamera, events),
            State::Playing => {
                let method = if self.has_get_parameter { "GET_PARAMETER" } else { "OPTIONS" };
                self.request(method, self.aggregate.clone(), String::new());
                self.keep_alive_later(now);
            }
            State::Closing => {
                self.state = State::Done;
                events(Event::Finished);
            }
            State::New | State::Binding | State::Done => {}
        }
    }

    /// Ends the session: no packet is handed out from now on. The camera is asked to forget it, and [`Event::Finished`]
    /// says when that is done, in two seconds at most.
    pub fn teardown(&mut self, now: Instant, events: Events) {
        match self.state {
            State::Closing => {}
            State::Done => events(Event::Finished),
            _ if self.session.is_some() => {
                self.request("TEARDOWN", self.aggregate.clone(), String::new());
                self.state = State::Closing;
                self.deadline = Some(now + TEARDOWN_TIME);
            }
            _ => {
                self.state = State::Done;
                self.deadline = None;
                events(Event::Finished);
            }
        }
    }

    /// Whether the connection is to be closed once [`to_send`](Self::to_send) is written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn channels(&self) -> [Option<u8>; 4] {
        let mut channels = [None; 4];
        for (pair, track) in channels.chunks_exact_mut(2).zip(&self.tracks) {
            if let Carriage::Interleaved { rtp, rtcp } = track.carriage {
                pair.copy_from_slice(&[Some(rtp), Some(rtcp)]);
            }
        }
        channels
    }

    fn on_packet(&mut self, channel: u8, payload: &[u8], now: Instant, events: Events) {
        // What comes before is of a session that the camera forgot to end.
        if !matches!(self.state, State::Playing | State::Waiting(Step::Play)) {
            return;
        }
        if let Some(at) = self.channels().iter().position(|open| *open == Some(channel)) {
            self.deliver(at / 2, at % 2 == 1, payload, now, events);
        }
    }

    fn deliver(&mut self, track: usize, is_rtcp: bool, packet: &[u8], now: Instant, events: Events) {
        if !is_rtcp {
            // Some cameras send before they answer.
            if !self.has_packets && self.state == State::Waiting(Step::Play) {
                self.tell_playing(events);
            }
            self.has_packets = true;
            events(Event::Rtp { track, packet });
            return;
        }
        events(Event::Rtcp { track, packet });
        for report in rtcp::reports(packet) {
            match report {
                Report::Sender { ntp, rtp, .. } => events(Event::SenderReport { track, ntp, rtp }),
                Report::Bye => self.tracks[track].has_ended = true,
            }
        }
        if self.state != State::Playing && !self.has_packets {
            return;
        }
        let mut set_up = self.tracks.iter().filter(|track| track.carriage != Carriage::None);
        if set_up.all(|track| track.has_ended) {
            self.end(End::ByCamera, events);
        } else if self.tracks[0].has_ended && self.ending.is_none() {
            // The last of the audio may still be on its way, but a camera need not say when that ends.
            self.ending = Some(now + BYE_TIME);
            self.state = State::Playing;
            self.deadline = self.ending;
        }
    }

    fn on_message(&mut self, message: &Message, now: Instant, events: Events) {
        match &message.start {
            Start::Request { method } => self.on_request(method, message, events),
            // An answer that says to wait for another.
            Start::Answer { status: ..200, .. } => {}
            Start::Answer { status, phrase } => self.on_answer(*status, phrase, message, now, events),
        }
    }

    /// Servers ask whether the client lives, or announce another description.
    fn on_request(&mut self, method: &str, message: &Message, events: Events) {
        let status = match method {
            "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" | "ANNOUNCE" | "PLAY_NOTIFY" | "TEARDOWN" | "REDIRECT" => {
                "200 OK"
            }
            _ => "501 Not Implemented",
        };
        if self.out.len() < MAX_UNSENT_BYTES {
            let cseq = message.header("CSeq").map(|cseq| format!("CSeq: {}\r\n", shown(cseq))).unwrap_or_default();
            let public = if method == "OPTIONS" { "Public: OPTIONS, GET_PARAMETER, ANNOUNCE\r\n" } else { "" };
            let session = self.session_line();
            self.out.extend(format!("RTSP/1.0 {status}\r\n{cseq}{public}{session}\r\n").into_bytes());
        }
        if matches!(method, "TEARDOWN" | "REDIRECT") && self.state == State::Playing {
            self.end(End::ByCamera, events);
        }
    }

    fn on_answer(&mut self, status: u16, phrase: &str, message: &Message, now: Instant, events: Events) {
        // There is one request at a time, and cameras count wrong: so `CSeq` counts only where an earlier one may be
        // unanswered.
        let cseq = message.header("CSeq").and_then(|cseq| cseq.parse().ok());
        if self.state == State::Closing && cseq.is_some_and(|cseq: u32| cseq < self.cseq) {
            return;
        }
        let Some(request) = self.pending.take() else { return };
        if status == 401 {
            let can_repeat = self.repeat(&request, message, now);
            if can_repeat || self.state == State::Playing {
                return;
            }
        } else if request.answered.is_some() {
            self.is_login_right = true;
        }
        let is_good = (200..300).contains(&status);
        let has_session = matches!(self.state, State::Waiting(Step::Setup | Step::Play) | State::Playing);
        if is_good
            && has_session
            && let Some((id, seconds)) = message.session()
        {
            // Some cameras name another in every answer, and mean the first.
            let id: String = id.chars().filter(char::is_ascii_graphic).take(MAX_SESSION_BYTES).collect();
            self.session.get_or_insert(id);
            self.session_seconds = seconds.unwrap_or(self.session_seconds).min(SESSION_SECONDS);
        }
        match self.state {
            State::Waiting(Step::Options) if status != 401 || self.challenge.is_none() => {
                self.on_options(status, message, now, events);
            }
            State::Waiting(Step::Describe) if is_good => self.on_description(message, now, events),
            State::Waiting(step @ Step::Describe) if (300..400).contains(&status) => {
                self.on_redirect(step, status, phrase, message, now, events);
            }
            State::Waiting(Step::Setup) => self.on_setup(status, phrase, message, now, events),
            State::Waiting(Step::Play) if is_good => {
                if !self.has_packets {
                    self.tell_playing(events);
                }
                self.state = State::Playing;
                self.keep_alive_later(now);
            }
            State::Waiting(step) => {
                let error = self.refused(step, status, phrase);
                self.fail(error, events);
            }
            State::Playing => {
                // A server that offers GET_PARAMETER and does not have it.
                if matches!(status, 405 | 501 | 551) && request.method == "GET_PARAMETER" {
                    self.has_get_parameter = false;
                }
            }
            State::Closing => {
                self.state = State::Done;
                self.deadline = None;
                events(Event::Finished);
            }
            State::New | State::Binding | State::Done => {}
        }
    }

    /// Sends a request again that was answered with 401, if there is a login that it was not sent with yet.
    fn repeat(&mut self, request: &Request, message: &Message, now: Instant) -> bool {
        let Some(challenge) = Challenge::best(message.all("WWW-Authenticate")) else { return false };
        if self.login().is_none() {
            return false;
        }
        let is_new = match &request.answered {
            None => true,
            // Not the login is wrong but its number is old. Once: else a camera could have it sent for ever, and some
            // lock a user out who comes too often.
            Some(nonce) => {
                request.tries < 3 && *nonce != challenge.nonce && (challenge.is_stale || self.is_login_right)
            }
        };
        if !is_new {
            return false;
        }
        (self.challenge, self.challenge_count) = (Some(challenge), 0);
        self.write(request.clone());
        if matches!(self.state, State::Waiting(_)) {
            self.deadline = Some(now + self.options.answer_within);
        }
        true
    }

    fn on_options(&mut self, status: u16, message: &Message, now: Instant, events: Events) {
        if (300..400).contains(&status) && message.header("Location").is_some() {
            return self.on_redirect(Step::Options, status, "", message, now, events);
        }
        let offers = |name| message.all(name).any(|methods| methods.to_ascii_uppercase().contains("GET_PARAMETER"));
        self.has_get_parameter = status < 300 && (offers("Public") || offers("Allow"));
        let accept = "Accept: application/sdp\r\n".to_owned();
        self.ask(Step::Describe, "DESCRIBE", self.url.as_str().to_owned(), accept, now);
    }

    fn on_redirect(&mut self, step: Step, status: u16, phrase: &str, message: &Message, now: Instant, events: Events) {
        let Some(location) = message.header("Location") else {
            return self.fail(RtspError::Status { step, status, phrase: phrase.to_owned() }, events);
        };
        let target = if location.starts_with('/') { self.url.with_path(location) } else { RtspUrl::parse(location) };
        let why = match &target {
            None => "not an address of RTSP over TCP",
            Some(_) if self.redirects == MAX_REDIRECTS => "too many redirects",
            Some(_) => "",
        };
        match target.filter(|_| why.is_empty()) {
            None => {
                // Before the query: it may hold a password. And so may what stands before an `@`.
                let location = location.split(['?', '#']).next().unwrap_or_default();
                let location = match (location.split_once("://"), location.rsplit_once('@')) {
                    (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
                    _ => location.to_owned(),
                };
                self.fail(RtspError::Redirect { status, location: shown(&location), why }, events);
            }
            Some(target) => {
                self.redirects += 1;
                target.as_str().clone_into(&mut self.aggregate);
                self.url = target;
                (self.challenge, self.is_login_right, self.session) = (None, false, None);
                self.wire = Wire::default();
                self.out.clear();
                self.pending = None;
                self.start(now, events);
            }
        }
    }

    fn on_description(&mut self, message: &Message, now: Instant, events: Events) {
        let description = sdp::read(&message.body);
        let header = message.header("Content-Base").or_else(|| message.header("Content-Location"));
        let mut base = self.url.base(header.filter(|header| !header.is_empty()));
        // As ffmpeg has it: an absolute URL of the whole is the base of all, a relative one is for PLAY alone.
        base.as_str().clone_into(&mut self.aggregate);
        if let Some(control) = &description.control {
            self.aggregate = base.join(control);
            if control.contains("://") {
                base = base.base(Some(control));
            }
        }
        let is_known = self.options.is_known;
        let best = |medium: &sdp::Medium| {
            let known = medium.formats.iter().find(|format| is_known(format));
            (known.or(medium.formats.first()).cloned(), known.is_some() && !medium.is_secure)
        };
        let media: Vec<_> = description.media.iter().map(|medium| (medium, best(medium))).collect();
        let video = media.iter().position(|(medium, (_, is_usable))| *is_usable && is_of(medium, "video"));
        let Some(video) = video else {
            let names = description.media.iter().filter_map(|medium| medium.formats.first());
            let names: Vec<_> = names.map(|format| format!("{} {}", format.media, format.encoding)).collect();
            let offered = if names.is_empty() { "nothing".to_owned() } else { shown(&names.join(", ")) };
            return self.fail(RtspError::NoVideo { offered }, events);
        };
        // A description in which the video is `sendonly` too is written from the server's side.
        let is_server_side = media[video].0.is_send_only;
        let audio = media.iter().position(|(medium, (_, is_usable))| {
            *is_usable && is_of(medium, "audio") && (is_server_side || !medium.is_send_only)
        });
        self.chosen = std::iter::once(video).chain(audio.filter(|_| self.options.audio)).collect();
        let track = |at: &usize| Track {
            control: base.join(description.media[*at].control.as_deref().unwrap_or_default()),
            carriage: Carriage::None,
            has_ended: false,
        };
        self.tracks = self.chosen.iter().map(track).collect();
        self.offered = media.into_iter().filter_map(|(_, (format, _))| format).collect();
        events(Event::Described { offered: &self.offered, chosen: &self.chosen });
        self.begin_set_up(now, events);
    }

    fn begin_set_up(&mut self, now: Instant, events: Events) {
        if self.transport == Transport::Udp && self.ports.is_empty() {
            self.state = State::Binding;
            self.deadline = None;
            events(Event::PortsWanted { tracks: self.tracks.len() });
        } else {
            self.set_up(now);
        }
    }

    /// Asks for the next track.
    fn set_up(&mut self, now: Instant) {
        let at = self.setting_up;
        let Some(track) = self.tracks.get(at) else {
            return self.ask(Step::Play, "PLAY", self.aggregate.clone(), "Range: npt=0.000-\r\n".to_owned(), now);
        };
        let header = match (self.transport, self.ports.get(at)) {
            (Transport::Udp, Some(port)) => format!("RTP/AVP;unicast;client_port={port}-{}", port.wrapping_add(1)),
            _ => format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * at, 2 * at + 1),
        };
        self.ask(Step::Setup, "SETUP", track.control.clone(), format!("Transport: {header}\r\n"), now);
    }

    fn on_setup(&mut self, status: u16, phrase: &str, message: &Message, now: Instant, events: Events) {
        let at = self.setting_up;
        let reply = transport::read(message.header("Transport").unwrap_or_default());
        let carriage = (200..300).contains(&status).then(|| self.carriage(at, reply)).flatten();
        if let Some(carriage) = carriage {
            self.tracks[at].carriage = carriage;
        } else if at > 0 {
            events(Event::TrackRefused { track: at, error: self.refused(Step::Setup, status, phrase) });
        } else if status == 461 || status < 300 {
            let transport = self.transport;
            if !self.options.may_switch || transport != self.options.transport {
                return self.fail(RtspError::Transport { transport, status, phrase: phrase.to_owned() }, events);
            }
            events(Event::TransportRefused { transport, status, phrase });
            self.transport = transport.other();
            return self.begin_set_up(now, events);
        } else {
            let error = self.refused(Step::Setup, status, phrase);
            return self.fail(error, events);
        }
        self.setting_up += 1;
        self.set_up(now);
    }

    /// What was agreed on, `None` if that is not what was asked for.
    fn carriage(&self, at: usize, reply: transport::Reply) -> Option<Carriage> {
        if reply.is_multicast {
            return None;
        }
        if let (Transport::Udp, Some(port)) = (self.transport, self.ports.get(at))
            && !reply.is_tcp
        {
            return Some(Carriage::Udp { port: *port, server_port: reply.server_port });
        }
        if reply.server_port.is_some() && !reply.is_tcp {
            return None;
        }
        // What was asked for: nothing, or channels in use, is no answer.
        let asked = u8::try_from(2 * at).ok().map(|rtp| (rtp, rtp + 1))?;
        let in_use = self.channels();
        let is_free = |pair: &(u8, u8)| ![pair.0, pair.1].iter().any(|channel| in_use.contains(&Some(*channel)));
        let channels = reply.channels.filter(is_free).unwrap_or(asked);
        Some(Carriage::Interleaved { rtp: channels.0, rtcp: channels.1 })
    }

    fn tell_playing(&mut self, events: Events) {
        let carriages: Vec<Carriage> = self.tracks.iter().map(|track| track.carriage).collect();
        events(Event::Playing { tracks: &carriages });
    }

    fn keep_alive_later(&mut self, now: Instant) {
        self.state = State::Playing;
        if self.ending.is_some() {
            return;
        }
        self.deadline = Some(now + Duration::from_secs(self.session_seconds.into()) / 2);
    }

    fn refused(&self, step: Step, status: u16, phrase: &str) -> RtspError {
        if status != 401 {
            return RtspError::Status { step, status, phrase: phrase.to_owned() };
        }
        RtspError::Unauthorized(match (&self.login, self.login(), &self.challenge) {
            (None, ..) => Refusal::NoLogin,
            (Some(_), None, _) => Refusal::OtherHost,
            (.., Some(challenge)) => Refusal::Refused(challenge.scheme),
            (.., None) => Refusal::UnknownScheme,
        })
    }

    /// The login, as far as the present host may have it.
    fn login(&self) -> Option<&Login> {
        self.login.as_ref().filter(|_| self.first.is_same_place(&self.url))
    }

    fn end(&mut self, end: End, events: Events) {
        self.finish();
        events(Event::Ended(end));
    }

    fn fail(&mut self, error: RtspError, events: Events) {
        self.finish();
        events(Event::Failed(error));
    }

    /// Leaves no session behind that would keep others out.
    fn finish(&mut self) {
        if self.session.is_some() && self.state != State::Closing {
            self.request("TEARDOWN", self.aggregate.clone(), String::new());
        }
        self.state = State::Done;
        self.deadline = None;
    }

    /// Sends a request, and waits for its answer.
    fn ask(&mut self, step: Step, method: &'static str, uri: String, headers: String, now: Instant) {
        self.request(method, uri, headers);
        self.state = State::Waiting(step);
        self.deadline = Some(now + self.options.answer_within);
    }

    fn request(&mut self, method: &'static str, uri: String, headers: String) {
        self.write(Request { method, uri, headers, answered: None, tries: 0 });
    }

    fn write(&mut self, mut request: Request) {
        self.cseq = self.cseq.wrapping_add(1);
        request.tries += 1;
        let mut answered = None;
        let Request { method, uri, headers, .. } = &request;
        let mut authorization = String::new();
        if let (Some(login), Some(challenge)) = (self.login(), &self.challenge) {
            let count = self.challenge_count + 1;
            let random = self.options.random.wrapping_add(self.cseq.into());
            authorization = format!("Authorization: {}\r\n", challenge.answer(login, method, uri, count, random));
            answered = Some(challenge.nonce.clone());
        }
        self.challenge_count += 1;
        let (cseq, agent, session) = (self.cseq, self.options.user_agent, self.session_line());
        let text = format!(
            "{method} {uri} RTSP/1.0\r\nCSeq: {cseq}\r\nUser-Agent: {agent}\r\n{session}{authorization}{headers}\r\n"
        );
        self.out.extend(text.into_bytes());
        request.answered = answered;
        self.pending = Some(request);
    }

    fn session_line(&self) -> String {
        self.session.as_ref().map(|id| format!("Session: {id}\r\n")).unwrap_or_default()
    }
}

fn is_of(medium: &sdp::Medium, name: &str) -> bool {
    medium.formats.first().is_some_and(|format| format.media == name)
}
