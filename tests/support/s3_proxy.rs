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
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

pub use super::orders::Times;
pub use fault::{Answer, Fault, When};

use super::orders::{Asked, Gate, GateState, Gates, Matcher, Orders, Peer, Watched};
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
    /// Listens on a free port of 127.0.0.1; connections wait until there is a server behind it.
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
        self.shared.fault(matcher.into(), fault, times);
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.shared.clear_faults();
    }

    /// Holds matching requests when `after` bytes of their body have passed, until the gate is opened or dropped.
    pub fn hold(&self, matcher: &str, after: u64) -> Gate<State> {
        self.shared.hold(matcher.into(), after)
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
        self.shared.requests()
    }

    /// The requests that match, in the order of their arrival.
    pub fn requests_for(&self, matcher: &str) -> Vec<Request> {
        self.shared.requests_for(&matcher.into())
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
        self.shared.wait_for(wanted, timeout);
    }

    fn change<T>(&self, order: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(order)
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

impl Asked for Request {
    fn method(&self) -> &str {
        &self.method
    }

    fn texts(&self) -> [&str; 2] {
        [&self.target, ""]
    }
}

type Shared = Watched<State>;

/// What the proxy knows.
#[derive(Default)]
pub struct State {
    orders: Orders<Fault>,
    server: Option<SocketAddr>,
    is_b2: bool,
    region: Option<String>,
    memory: Option<Memory>,
    log: Vec<Request>,
    /// Requests that were in the log once.
    forgotten: usize,
    open: Vec<Weak<TcpStream>>,
    stopped: bool,
}

impl Peer for State {
    type Request = Request;
    type Fault = Fault;

    fn orders(&mut self) -> &mut Orders<Fault> {
        &mut self.orders
    }

    fn gates(&self) -> &Gates {
        &self.orders.gates
    }

    fn log(&self) -> &[Request] {
        &self.log
    }
}

impl Shared {
    /// Notes a request, and finds the fault that it meets.
    fn arrive(&self, request: &Request) -> (usize, Option<Fault>) {
        let mut state = self.lock();
        let id = state.forgotten + state.log.len();
        let headers = if state.memory.is_some() { Vec::new() } else { request.headers.clone() };
        state.log.push(Request { headers, ..request.clone() });
        let fault = state.orders.rules.iter_mut().rev().find_map(|rule| rule.meet(request));
        let fault = fault.or_else(|| state.refusal(request).map(Fault::Answer));
        drop(state);
        self.has_changed();
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
        self.has_changed();
    }

    /// How far a body may go now that stands at `from`: up to the next gate, at which it waits.
    fn pass_gates(&self, request: &Request, from: u64) -> u64 {
        let mut state = self.lock();
        // A gate that is made here while this one waits is for those who come later.
        let here: Vec<u64> = state.gates_at(from, request).map(|(id, _)| id).collect();
        let is_shut = |state: &State| here.iter().any(|id| state.orders.gates.shut.contains_key(id)) && !state.stopped;
        while is_shut(&state) {
            state.gates_at(from, request).filter(|(id, _)| here.contains(id)).for_each(|(_, gate)| gate.reached = true);
            self.has_changed();
            state = self.wait(state);
        }
        let ahead = state.orders.gates.shut.values().filter(|gate| gate.after > from && gate.matcher.matches(request));
        ahead.map(|gate| gate.after - from).min().unwrap_or(u64::MAX)
    }
}

impl State {
    fn gates_at(&mut self, from: u64, request: &Request) -> impl Iterator<Item = (u64, &mut GateState)> {
        let shut = self.orders.gates.shut.iter_mut().map(|(id, gate)| (*id, gate));
        shut.filter(move |(_, gate)| gate.after == from && gate.matcher.matches(request))
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
