//! Stands between the program and a real S3 server, and misbehaves on demand.
//!
//! Bytes pass through as they are, `Host` included: a signature that the program made is checked by the real server. A
//! request meets the faults whose matcher fits, see [`Fault`]; all of them are logged, so that a test can say "no request"
//! or "part 2 was sent once". One thread serves one connection; what tests order and ask is one state behind one lock.

mod fault;
mod http;
mod memory;
mod serve;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

pub use super::camera::Times;
pub use fault::{Answer, Fault, When};

use fault::{Matcher, Rule};
use memory::Memory;

/// A request as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT`.
    pub method: String,
    /// Path and query as they came, not decoded.
    pub target: String,
    /// Names as they came.
    pub headers: Vec<(String, String)>,
    /// Body bytes that came so far.
    pub body_bytes: u64,
    /// The status that went back, 0 when there was no reply.
    pub status: u16,
    /// Whether the server has seen all of the request.
    pub has_reached_server: bool,
    /// Whether the exchange is over.
    pub finished: bool,
}

impl Request {
    /// The value of the header `name`, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }

    /// The access key that signed it, and the region that it was signed for.
    pub fn signed_by(&self) -> Option<(&str, &str)> {
        let (_, scope) = self.header("authorization")?.split_once("Credential=")?;
        let mut words = scope.split(['/', ',']);
        let key = words.next()?;
        Some((key, words.nth(1)?))
    }

    /// The number of the part that it brings.
    pub fn part_number(&self) -> Option<u32> {
        let (_, number) = self.target.split_once("partNumber=")?;
        number.split('&').next()?.parse().ok()
    }

    /// Whether its method and target are meant, as in [`Proxy::fault`].
    pub fn is(&self, matcher: &str) -> bool {
        Matcher::from(matcher).matches(self)
    }
}

/// The proxy; it stops when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1; what comes waits until there is a server behind it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("our own socket");
        let shared = Arc::new(Shared::default());
        let here = Arc::clone(&shared);
        thread::spawn(move || serve::accept(&here, &listener));
        Self { shared, address }
    }

    /// Passes requests on to this server from now on.
    pub fn serve(&self, server: SocketAddr) {
        self.change(|state| state.server = Some(server));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Orders a fault for requests from now on; the last that was ordered and fits is met first. A matcher is a method and
    /// parts of the target: `"PUT x.ts partNumber=2"`; a part behind `!` must not be in it: `"PUT !partNumber"`.
    pub fn fault(&self, matcher: &str, fault: Fault, times: Times) {
        let rule = Rule { matcher: matcher.into(), fault, times, met: 0 };
        self.change(|state| state.rules.push(rule));
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.change(|state| state.rules.clear());
    }

    /// Holds matching requests when `after` bytes of their body have passed, until the gate is opened or dropped.
    pub fn hold(&self, matcher: &str, after: u64) -> Gate {
        let id = self.change(|state| {
            state.last_id += 1;
            let id = state.last_id;
            state.gates.push(GateState { id, matcher: matcher.into(), after, reached: false });
            id
        });
        Gate { shared: Arc::clone(&self.shared), id }
    }

    /// Refuses what Backblaze B2 refuses, or did: checksums beside MD5, bodies in chunks with trailers, conditional
    /// writes.
    pub fn be_b2(&self) {
        self.change(|state| state.is_b2 = true);
    }

    /// The bucket is in this region: what is signed for another one is sent there.
    pub fn only_region(&self, region: &str) {
        self.change(|state| state.region = Some(region.into()));
    }

    /// Is the server itself from now on, one that keeps lengths and ETags only: for very many objects. It has these objects,
    /// by their paths, `/bucket/key`. What it is asked is noted without headers.
    pub fn be_quick(&self, objects: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let memory = Memory::with(objects);
        self.change(|state| state.memory = Some(memory));
    }

    /// How many objects the quick server has.
    pub fn kept(&self) -> usize {
        self.shared.lock().memory.as_ref().map_or(0, Memory::len)
    }

    /// All requests in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().log.clone()
    }

    /// The requests that match, in the order of their arrival.
    pub fn requests_for(&self, matcher: &str) -> Vec<Request> {
        let matcher = Matcher::from(matcher);
        self.shared.lock().log.iter().filter(|request| matcher.matches(request)).cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.change(|state| {
            state.forgotten += state.log.len();
            state.log.clear();
        });
    }

    /// Waits until the log is as wanted; panics with the log when that takes longer than `timeout`.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&[Request]) -> bool, timeout: Duration) {
        let (state, in_time) = self.shared.wait_until(timeout, |state| wanted(&state.log));
        assert!(in_time, "not within {timeout:?}; the proxy has seen {:#?}", state.log);
    }

    fn change<T>(&self, order: impl FnOnce(&mut State) -> T) -> T {
        let result = order(&mut self.shared.lock());
        self.shared.changed.notify_all();
        result
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let open = self.change(|state| {
            state.stopped = true;
            std::mem::take(&mut state.open)
        });
        for stream in open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// A barrier in a request's body; opens when dropped.
pub struct Gate {
    shared: Arc<Shared>,
    id: u64,
}

impl Gate {
    /// Waits until a request stands at the gate; panics when that takes longer than `timeout`.
    #[track_caller]
    pub fn wait_reached(&self, timeout: Duration) {
        let reached = |state: &State| state.gates.iter().any(|gate| gate.id == self.id && gate.reached);
        let (state, in_time) = self.shared.wait_until(timeout, reached);
        assert!(in_time, "no request at the gate within {timeout:?}; the proxy has seen {:#?}", state.log);
    }

    /// Lets the requests go on.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.lock().gates.retain(|gate| gate.id != self.id);
        self.shared.changed.notify_all();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    server: Option<SocketAddr>,
    rules: Vec<Rule>,
    gates: Vec<GateState>,
    is_b2: bool,
    region: Option<String>,
    memory: Option<Memory>,
    log: Vec<Request>,
    /// Requests that were in the log once.
    forgotten: usize,
    open: Vec<Weak<TcpStream>>,
    stopped: bool,
    last_id: u64,
}

struct GateState {
    id: u64,
    matcher: Matcher,
    after: u64,
    reached: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a condition, or for the end; says whether it came true in time.
    fn wait_until(&self, timeout: Duration, wanted: impl Fn(&State) -> bool) -> (MutexGuard<'_, State>, bool) {
        let (state, time) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| !wanted(state) && !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        (state, !time.timed_out())
    }

    /// Notes a request, and finds the fault that it meets.
    fn arrive(&self, request: &Request) -> (usize, Option<Fault>) {
        let mut state = self.lock();
        let id = state.forgotten + state.log.len();
        let headers = if state.memory.is_some() { Vec::new() } else { request.headers.clone() };
        state.log.push(Request { headers, ..request.clone() });
        let fault = state.rules.iter_mut().rev().find_map(|rule| rule.meet(request));
        let fault = fault.or_else(|| state.refusal(request).map(Fault::Answer));
        drop(state);
        self.changed.notify_all();
        (id, fault)
    }

    /// Corrects what the log says of a request.
    fn note(&self, id: usize, what: impl FnOnce(&mut Request)) {
        let mut state = self.lock();
        let index = id.checked_sub(state.forgotten);
        if let Some(request) = index.and_then(|index| state.log.get_mut(index)) {
            what(request);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// How far a body may go now that stands at `from`: up to the next gate, at which it waits.
    fn pass_gates(&self, request: &Request, from: u64) -> u64 {
        let mut state = self.lock();
        // A gate that is made here while this one waits is for those who come later.
        let here: Vec<u64> = state.gates_at(from, request).map(|gate| gate.id).collect();
        let is_shut = |state: &State| state.gates.iter().any(|gate| here.contains(&gate.id)) && !state.stopped;
        while is_shut(&state) {
            state.gates_at(from, request).filter(|gate| here.contains(&gate.id)).for_each(|gate| gate.reached = true);
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let ahead = state.gates.iter().filter(|gate| gate.after > from && gate.matcher.matches(request));
        ahead.map(|gate| gate.after - from).min().unwrap_or(u64::MAX)
    }
}

impl State {
    fn gates_at(&mut self, from: u64, request: &Request) -> impl Iterator<Item = &mut GateState> {
        self.gates.iter_mut().filter(move |gate| gate.after == from && gate.matcher.matches(request))
    }

    /// The answer of a store that is choosy about headers or regions.
    fn refusal(&self, request: &Request) -> Option<Answer> {
        if self.is_b2
            && let Some(refused) = fault::refused_by_b2(request)
        {
            return Some(refused);
        }
        let region = self.region.as_ref()?;
        let (_, signed_for) = request.signed_by()?;
        (signed_for != region).then(|| fault::elsewhere(region))
    }
}
