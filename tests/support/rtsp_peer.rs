//! An RTSP server that answers as a test wants it: right, but for what an edit of its answers changes.

mod script;

pub(crate) use script::{Line, Play, Sent, Sets, film, with_clock};

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

/// Packets that each track has, before it ends.
pub(crate) const PACKETS: usize = 20;

/// H.264 and A-law.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
    m=audio 0 RTP/AVP 8\r\na=control:track2\r\n";

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) head: String,
    /// The number of the request on its connection, from 0.
    pub(crate) number: usize,
}

impl Asked {
    /// The value of a header, empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }
}

/// What is answered, to be changed by a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// `RTSP/1.0 200 OK`
    pub(crate) status: String,
    /// Lines.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    /// Sent before it.
    pub(crate) before: Vec<u8>,
    /// Sent behind it: of PLAY, the packets over TCP.
    pub(crate) after: Vec<u8>,
    /// Of PLAY: the packets over UDP, each with its port.
    pub(crate) datagrams: Vec<(u16, Vec<u8>)>,
    /// Of PLAY: what goes out from now on, beside further answers.
    pub(crate) play: Option<Play>,
    /// Whether the connection is closed then.
    pub(crate) close: bool,
    pub(crate) is_silent: bool,
    pub(crate) newline: &'static str,
}

impl Answer {
    /// Another status, no body.
    pub(crate) fn refuse(self, status: &str) -> Self {
        let headers = self.headers.into_iter().filter(|line| line.starts_with("CSeq")).collect();
        Self { status: format!("RTSP/1.0 {status}"), headers, newline: self.newline, ..Self::default() }
    }

    /// A PLAY that plays this.
    pub(crate) fn playing(self, play: &Play) -> Self {
        Self { after: Vec::new(), datagrams: Vec::new(), play: Some(play.clone()), ..self }
    }

    /// One more header.
    pub(crate) fn with(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// The header of this name replaced, or without a value removed.
    pub(crate) fn replace(mut self, name: &str, line: Option<&str>) -> Self {
        self.headers.retain(|found| !found.starts_with(name));
        self.headers.extend(line.map(str::to_owned));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut lines = vec![self.status.clone()];
        lines.extend(self.headers.iter().cloned());
        if !self.body.is_empty() {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        let end = self.newline;
        let head = lines.join(end) + end + end;
        [&self.before, head.as_bytes(), self.body.as_bytes(), &self.after].concat()
    }
}

/// A server; it is gone when it is dropped.
pub(crate) struct RtspPeer {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    is_stopped: Arc<AtomicBool>,
    played: Arc<Mutex<Vec<(String, SystemTime)>>>,
}

impl RtspPeer {
    /// A server of this film: its SDP and its packets. `edit` changes the right answers, as with [`start`](Self::start).
    pub(crate) fn of(
        (sdp, play): (String, Play),
        edit: impl Fn(&Asked, Answer) -> Answer + Clone + Send + 'static,
    ) -> Self {
        Self::start(move |asked, answer| {
            let answer = match asked.method.as_str() {
                "DESCRIBE" => Answer { body: sdp.clone(), ..answer },
                "PLAY" => answer.playing(&play),
                _ => answer,
            };
            edit(asked, answer)
        })
    }

    /// What it began to play, and when.
    pub(crate) fn played(&self) -> Vec<(String, SystemTime)> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server whose right answers are changed by `edit`.
    pub(crate) fn start(edit: impl Fn(&Asked, Answer) -> Answer + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, is_stopped) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let played = Arc::<Mutex<Vec<(String, SystemTime)>>>::default();
        let (requests, over, times) = (Arc::clone(&log), Arc::clone(&is_stopped), Arc::clone(&played));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (edit, requests, times) = (edit.clone(), Arc::clone(&requests), Arc::clone(&times));
                thread::spawn(move || serve(&client, &edit, &requests, &times));
            }
        });
        Self { address, log, is_stopped, played }
    }

    /// `rtsp://127.0.0.1:PORT/live`
    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}/live", self.address)
    }

    /// With a login as it stands in a URL.
    pub(crate) fn url_with(&self, login: &str) -> String {
        format!("rtsp://{login}@{}/live", self.address)
    }

    /// All requests so far, also the answers to the server's own.
    pub(crate) fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their methods.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.log().into_iter().map(|asked| asked.method).collect()
    }
}

impl Drop for RtspPeer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the accepting thread
    }
}

/// A packet of RTP.
pub(crate) fn rtp(track: u8, number: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    let mut packet = vec![0x80, 96 - 88 * track, high, low, 0, 0, high, low, 0, 0, 0, track];
    packet.extend([0x41; 300]);
    packet
}

/// A packet on a channel.
pub(crate) fn interleaved(channel: u8, packet: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', channel, high, low], packet].concat()
}

/// A sender report, or with `bye` the end.
pub(crate) fn rtcp(bye: bool) -> Vec<u8> {
    if bye { vec![0x81, 203, 0, 1, 0, 0, 0, 0] } else { [&[0x80, 200, 0, 6][..], &[0; 24]].concat() }
}

fn serve(
    client: &TcpStream,
    edit: &impl Fn(&Asked, Answer) -> Answer,
    log: &Mutex<Vec<Asked>>,
    played: &Mutex<Vec<(String, SystemTime)>>,
) {
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(client);
    let mut targets = BTreeMap::new();
    // Answers and packets share the connection.
    let out = Arc::new(Mutex::new(client.try_clone().unwrap()));
    for number in 0.. {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(reader.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        let mut words = head.split(' ');
        let (method, uri) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let asked = Asked { method, uri, head: head.clone(), number };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        if asked.method.starts_with("RTSP/") {
            continue;
        }
        let answer = edit(&asked, right(&asked, &mut targets));
        if !answer.is_silent {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            if out.write_all(&answer.bytes()).is_err() {
                return;
            }
        }
        if let Some(play) = &answer.play {
            played.lock().unwrap_or_else(PoisonError::into_inner).push((asked.uri.clone(), SystemTime::now()));
            play.start(&out, targets.values().copied().collect());
        }
        if !answer.datagrams.is_empty() {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for (port, packet) in &answer.datagrams {
                socket.send_to(packet, ("127.0.0.1", *port)).unwrap();
            }
        }
        if answer.close {
            return;
        }
    }
}

/// What a good server answers. Tracks that are set up are kept by their URLs, the video's first.
fn right(asked: &Asked, targets: &mut BTreeMap<String, (bool, u16)>) -> Answer {
    let answer = Answer { status: "RTSP/1.0 200 OK".into(), newline: "\r\n", ..Answer::default() };
    let answer = answer.with(format!("CSeq: {}", asked.header("CSeq")));
    match asked.method.as_str() {
        "OPTIONS" => answer.with("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"),
        "DESCRIBE" => Answer { body: SDP.into(), ..answer.with("Content-Type: application/sdp") },
        "SETUP" => {
            let transport = asked.header("Transport");
            let port = |name: &str| transport.split_once(name)?.1.split(['-', ';']).next()?.parse().ok();
            let target = port("interleaved=").map(|channel| (true, channel));
            let target = target.or_else(|| port("client_port=").map(|port| (false, port)));
            targets.extend(target.map(|target| (asked.uri.clone(), target)));
            answer.with(format!("Transport: {transport}")).with("Session: 77;timeout=60")
        }
        "PLAY" => {
            let mut answer = answer.with("Session: 77").with("RTP-Info: url=x;seq=9999;rtptime=1");
            for number in 0..PACKETS + 2 {
                for (track, (is_tcp, target)) in targets.values().enumerate() {
                    let track = u8::try_from(track).unwrap();
                    let (packet, offset) = match number {
                        0 => (rtcp(false), 1),
                        number if number > PACKETS => (rtcp(true), 1),
                        number => (rtp(track, number), 0),
                    };
                    if *is_tcp {
                        answer.after.extend(interleaved(u8::try_from(*target + offset).unwrap(), &packet));
                    } else {
                        answer.datagrams.push((*target + offset, packet));
                    }
                }
            }
            answer
        }
        _ => answer,
    }
}
