//! What the IP cameras of the tests have in common: a port that stays theirs while no process listens, and a fault.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::camera::reserve;
use super::orders::Watched;

/// What is wrong with a camera, for connections under way and for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is off: connections are reset and new ones refused.
    Off,
    /// It says nothing more, and keeps every connection open.
    Stalls,
    /// Each connection is closed when it is this old.
    Drops(Duration),
    /// Random bytes in the place of everything.
    Garbage,
    /// No video frames arrive, but audio does.
    Blind,
    /// So many pictures come at once, and then none for as long, as over a bad wireless network.
    Bursts(usize),
    /// Pictures are kept back until then, and come all at once.
    Hoards(Instant),
    /// One of so many packets or pictures is damaged inside; what is around them is right.
    Noise(u64),
}

/// A camera's port, its mood and what it has seen.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    /// Bound and never listening: it keeps the port ours while the camera is off.
    _port: OwnedFd,
    state: Watched<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) fault: Option<Fault>,
    /// Video frames that went out whole.
    pub(super) frames: u64,
    /// Connections that came in.
    pub(super) connections: usize,
    /// Both sides of every connection under way, by number.
    open: Vec<(usize, TcpStream)>,
    listener: Option<Arc<TcpListener>>,
    stopped: bool,
}

impl Shared {
    /// A camera on a free port of 127.0.0.1. It listens once it has a handler for connections.
    pub(super) fn new() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (port, address) = reserve(any).unwrap_or_else(|e| panic!("cannot bind {any}: {e}"));
        Self { address, _port: port, state: Watched::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Listens, and calls `answer` in a thread of its own for each connection.
    pub(super) fn listen(self: &Arc<Self>, answer: impl Fn(&Visit) -> io::Result<()> + Clone + Send + 'static) {
        let listener = TcpListener::bind(self.address).unwrap_or_else(|e| panic!("cannot listen: {e}"));
        let listener = Arc::new(listener);
        self.lock().listener = Some(Arc::clone(&listener));
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let in_service = || shared.lock().listener.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, &listener));
            while in_service() {
                // An error is a client that gave up early, or the end of our service.
                let Ok((client, _)) = listener.accept() else { continue };
                let visit = Visit::begin(&shared, client);
                let answer = answer.clone();
                // However it ends, it ends with the connection.
                thread::spawn(move || answer(&visit));
            }
        });
    }

    /// Whether a process listens.
    pub(super) fn listens(&self) -> bool {
        self.lock().listener.is_some()
    }

    pub(super) fn set(&self, fault: Option<Fault>) {
        self.state.change(|state| {
            state.fault = fault;
            if fault == Some(Fault::Off) {
                state.close();
            }
        });
    }

    /// Closes what is open, once.
    pub(super) fn drop_connections(&self) {
        self.lock().hang_up();
    }

    pub(super) fn stop(&self) {
        self.state.change(|state| {
            state.stopped = true;
            state.close();
        });
    }

    /// Waits until the camera is in this state; panics when that takes longer than half a minute.
    #[track_caller]
    pub(super) fn wait_for(&self, wanted: impl Fn(&State) -> bool) {
        let (state, in_time) = self.state.wait_until(Duration::from_secs(30), wanted);
        let State { fault, frames, connections, .. } = &*state;
        assert!(in_time, "{connections} connections, {frames} frames, {fault:?}");
    }
}

impl State {
    fn close(&mut self) {
        if let Some(listener) = self.listener.take() {
            rustix::net::shutdown(&*listener, rustix::net::Shutdown::Read).expect("our own listener");
        }
        self.hang_up();
    }

    fn hang_up(&mut self) {
        for (_, socket) in self.open.drain(..) {
            let _ = socket.shutdown(Shutdown::Both); // closed by its other end, perhaps
        }
    }
}

/// A connection under way.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    pub(super) client: TcpStream,
    pub(super) number: usize,
    began: Instant,
}

impl Visit {
    fn begin(shared: &Arc<Shared>, client: TcpStream) -> Self {
        let visit =
            Self { shared: Arc::clone(shared), number: shared.lock().connections, client, began: Instant::now() };
        let _ = visit.client.set_nodelay(true);
        visit.also(&visit.client);
        shared.state.change(|state| state.connections += 1);
        visit
    }

    /// A socket that is closed with this connection.
    pub(super) fn also(&self, socket: &TcpStream) {
        let socket = socket.try_clone().expect("a second handle");
        self.shared.lock().open.push((self.number, socket));
    }

    /// Called before each packet: waits while the camera stalls, and says what is wrong with it.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn mood(&self) -> io::Result<Option<Fault>> {
        self.pause(Duration::ZERO)
    }

    /// As [`mood`](Self::mood), after a pause.
    pub(super) fn pause(&self, pause: Duration) -> io::Result<Option<Fault>> {
        let over = |state: &State| state.stopped || !state.open.iter().any(|(number, _)| *number == self.number);
        let until = Instant::now() + pause;
        let mut state = self.shared.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match state.fault {
                _ if over(&state) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Some(Fault::Stalls) => {
                    state = self.shared.state.wait(state);
                }
                Some(Fault::Drops(after)) if self.began.elapsed() >= after => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                fault if left.is_zero() => return Ok(fault),
                _ => {
                    state = self.shared.state.wait_at_most(state, left);
                }
            }
        }
    }

    /// Counts a frame that went out.
    pub(super) fn sent_frame(&self) {
        self.shared.state.change(|state| state.frames += 1);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        for (_, socket) in state.open.extract_if(.., |(number, _)| *number == self.number) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
