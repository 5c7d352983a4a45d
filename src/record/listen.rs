//! `listen`: the recorder's state over HTTP, for Prometheus, Zabbix and other monitoring.
//!
//! One thread polls all connections, so that a slow one does not keep others waiting. Their number, time and memory are
//! small: a new connection replaces the oldest when there are too many. Each connection gets one answer and is closed.
//! Every client that can connect can read everything, and change nothing.

mod answer;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use self::answer::{MAX_REQUEST_BYTES, Names, answer, host_of};
use crate::error::{Error, Result};
use crate::live::RecorderStatus;
use crate::mutex::lock;
use crate::resolve;

/// The most connections at once.
const MAX_CONNECTIONS: usize = 32;

/// The timeout of a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes to read from a client after its answer.
const MAX_DRAINED_BYTES: usize = 1 << 20;

/// A recorder without a heartbeat for so long hangs.
const HUNG_AFTER: Duration = Duration::from_mins(1);

/// The wait after a failed accept, as with too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// A listener, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    /// Closing it ends the thread.
    wake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on `address` (`127.0.0.1:8080`, `[::]:8080`; with port 0 the system chooses one), and logs the address.
    ///
    /// # Errors
    /// [`Error::Usage`] when it cannot listen on the address.
    pub fn start(address: &str, live: Arc<Mutex<RecorderStatus>>) -> Result<Self> {
        let refuse = |error: &io::Error| {
            Error::Usage(format!("cannot listen on {address}: {error}; name another address, or none"))
        };
        let addresses = resolve::socket_addresses(address).map_err(|error| refuse(&error))?;
        let listener = TcpListener::bind(&addresses[..]).map_err(|error| refuse(&error))?;
        listener.set_nonblocking(true).map_err(|error| refuse(&error))?;
        let bound = listener.local_addr().map_err(|error| refuse(&error))?;
        let (ended, wake) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| refuse(&errno.into()))?;
        let names = if bound.ip().is_loopback() { Names::Local(host_of(address).to_owned()) } else { Names::Any };
        let server = Server { listener, names, ended, live, connections: Vec::new(), heartbeat: (0.0, Instant::now()) };
        let thread = std::thread::Builder::new().name("listen".into()).stack_size(256 << 10);
        let thread = thread.spawn(move || server.run()).map_err(|error| refuse(&error))?;
        log::info!("listening on http://{bound}/");
        Ok(Self { address: bound, wake: Some(wake), thread: Some(thread) })
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.wake.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Server {
    listener: TcpListener,
    names: Names,
    /// Becomes readable when the listener is dropped.
    ended: OwnedFd,
    live: Arc<Mutex<RecorderStatus>>,
    /// Oldest first.
    connections: Vec<Connection>,
    /// The recorder's last heartbeat, and when it was first seen here.
    heartbeat: (f64, Instant),
}

struct Connection {
    stream: TcpStream,
    until: Instant,
    doing: Doing,
}

enum Doing {
    /// The bytes of the request so far.
    Read(Vec<u8>),
    /// The answer, and the number of bytes sent.
    Write(Vec<u8>, usize),
    /// The answer is sent. Closing at once would reset the connection of a client that is still sending.
    Drain(usize),
}

impl Server {
    fn run(mut self) {
        let mut accept_from = Instant::now();
        loop {
            let now = Instant::now();
            let accepts = accept_from <= now;
            let wake_at = self.connections.iter().map(|connection| connection.until);
            let wake_at = wake_at.chain((!accepts).then_some(accept_from)).min();
            let timeout = wake_at.and_then(|at| Timespec::try_from(at.saturating_duration_since(now)).ok());
            let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
            fds.push(PollFd::new(&self.listener, if accepts { PollFlags::IN } else { PollFlags::empty() }));
            fds.extend(
                self.connections.iter().map(|connection| PollFd::new(&connection.stream, connection.waits_for())),
            );
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    log::error!("the listener has ended: {errno}");
                    return;
                }
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0] {
                return;
            }
            let now = Instant::now();
            self.go_on(&ready[2..], now);
            if ready[1] && self.accept(now).is_err() {
                accept_from = now + PAUSE;
            }
        }
    }

    /// Serves the connections that are ready, and closes those that are done or have timed out.
    fn go_on(&mut self, ready: &[bool], now: Instant) {
        let mut connections = std::mem::take(&mut self.connections);
        let mut ready = ready.iter();
        connections.retain_mut(|connection| {
            let is_ready = ready.next().copied().unwrap_or(false);
            (!is_ready || connection.go_on(|request| self.answer(request, now))) && now < connection.until
        });
        self.connections = connections;
    }

    fn answer(&mut self, request: &[u8], now: Instant) -> Option<Vec<u8>> {
        let live = lock(&self.live);
        #[expect(clippy::float_cmp, reason = "another heartbeat is another number")]
        if self.heartbeat.0 != live.updated_timestamp_seconds {
            self.heartbeat = (live.updated_timestamp_seconds, now);
        }
        answer(request, &live, now.duration_since(self.heartbeat.1) > HUNG_AFTER, &self.names)
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    if self.connections.len() >= MAX_CONNECTIONS {
                        self.connections.remove(0);
                    }
                    let until = now + PATIENCE;
                    self.connections.push(Connection { stream, until, doing: Doing::Read(Vec::new()) });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The client left before it was accepted.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Connection {
    fn waits_for(&self) -> PollFlags {
        if matches!(self.doing, Doing::Write(..)) { PollFlags::OUT } else { PollFlags::IN }
    }

    /// Reads and writes without blocking; false when the connection is done.
    fn go_on(&mut self, answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> bool {
        match self.try_to_go_on(answer) {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn try_to_go_on(&mut self, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match &mut self.doing {
                Doing::Read(request) => {
                    let room = buffer.len().min(MAX_REQUEST_BYTES - request.len());
                    let n = self.stream.read(&mut buffer[..room])?;
                    if n == 0 {
                        return Ok(false);
                    }
                    request.extend_from_slice(&buffer[..n]);
                    if let Some(bytes) = answer(request) {
                        self.doing = Doing::Write(bytes, 0);
                    }
                }
                Doing::Write(bytes, sent) if *sent < bytes.len() => *sent += self.stream.write(&bytes[*sent..])?,
                Doing::Write(..) => {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.doing = Doing::Drain(0);
                }
                Doing::Drain(drained) => {
                    let n = self.stream.read(&mut buffer)?;
                    *drained += n;
                    if n == 0 || *drained > MAX_DRAINED_BYTES {
                        return Ok(false);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;
    use crate::live::{CameraStatus, State};

    fn start() -> (Listener, Arc<Mutex<RecorderStatus>>) {
        let camera = CameraStatus { name: "yard".into(), state: State::Recording, ..CameraStatus::default() };
        let live = Arc::new(Mutex::new(RecorderStatus { cameras: vec![camera], ..RecorderStatus::default() }));
        (Listener::start("127.0.0.1:0", live.clone()).expect("a free port"), live)
    }

    fn connect(listener: &Listener) -> TcpStream {
        let stream = TcpStream::connect(listener.address()).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    /// All that comes until the listener closes.
    fn ask(mut stream: &TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    #[test]
    fn the_listener_serves_the_current_state() {
        let (listener, live) = start();
        assert!(ask(&connect(&listener), "GET /healthz HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
        live.lock().expect("whole").cameras[0].state = State::Stalled;
        let text = ask(&connect(&listener), "GET /healthz HTTP/1.1\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 503 ") && text.ends_with("\r\n\r\nyard: stalled\n"), "{text}");
    }

    #[test]
    fn slow_http_clients_do_not_block_others() {
        let (listener, _live) = start();
        // More than may be connected, and none of them says a word.
        let silent: Vec<TcpStream> = (0..2 * MAX_CONNECTIONS).map(|_| connect(&listener)).collect();
        let slow = connect(&listener);
        for piece in ["GET /cam", "eras.json HTT", "P/1.1\r\n", "\r"] {
            (&slow).write_all(piece.as_bytes()).expect("sent");
            assert!(ask(&connect(&listener), "GET /metrics HTTP/1.0\r\n\r\n").ends_with('\n'));
        }
        assert!(ask(&slow, "\n").ends_with(r#"{"data":[{"{#CAMERA}":"yard"}]}"#));
        // The first of them had to go.
        let n = BufReader::new(&silent[0]).read_line(&mut String::new()).unwrap_or(0);
        assert_eq!(n, 0);
    }

    #[test]
    fn an_endless_http_request_gets_status_431() {
        let (listener, _live) = start();
        let stream = connect(&listener);
        let text = ask(&stream, &format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(200_000)));
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    }

    #[test]
    fn an_http_answer_longer_than_the_socket_buffer_arrives_complete() {
        let (listener, live) = start();
        let camera = |n| CameraStatus { name: format!("camera-{n:04}"), ..CameraStatus::default() };
        live.lock().expect("whole").cameras = (0..3000).map(camera).collect();
        let text = ask(&connect(&listener), "GET /metrics HTTP/1.1\r\n\r\n");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(body.len() > 2_000_000 && head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }

    #[test]
    fn a_dropped_listener_frees_its_port() {
        let (listener, live) = start();
        let address = listener.address();
        let refused = Listener::start(&address.to_string(), live.clone()).expect_err("taken").to_string();
        assert!(refused.starts_with(&format!("cannot listen on {address}: ")), "{refused}");
        let open = connect(&listener);
        drop(listener);
        assert_eq!(BufReader::new(&open).read_line(&mut String::new()).unwrap_or(0), 0);
        assert!(TcpStream::connect(address).is_err());
        Listener::start(&address.to_string(), live).expect("free again");
    }
}
