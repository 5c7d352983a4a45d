//! What the camera knows: its card, its orders, its log; and how a transfer asks for leave to go on.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::mp4;
use super::super::orders::{Asked, Gates, Orders, Peer, Watched};
use super::card::Card;
use super::content::Content;
use super::fault::Fault;
use super::http::{self, Incoming};
use super::listing::{Listing, Style};
use super::reply::{self, Metadata, Reply};
use super::{Api, How};

/// A request as the camera saw it.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) id: u64,
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// As it came, not decoded.
    pub path: String,
    /// Names as they came.
    pub headers: Vec<(String, String)>,
    /// What a POST brought.
    pub body: String,
    /// The first byte that a `Range` header asks for.
    pub range_start: Option<u64>,
    /// The status sent, 0 when there was no reply.
    pub status: u16,
    /// Body bytes written to the socket so far.
    pub body_bytes_sent: u64,
    /// Whether the camera has ended the connection.
    pub finished: bool,
}

impl Request {
    /// The value of the header `name`, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }
}

/// A request's body counts as a part of its path, so that `"POST 20181029_131513_NF"` finds `/vodMetadata`.
impl Asked for Request {
    fn method(&self) -> &str {
        &self.method
    }

    fn texts(&self) -> [&str; 2] {
        [&self.path, &self.body]
    }
}

pub(super) type Shared = Watched<State>;

/// What a camera knows.
pub struct State {
    orders: Orders<Fault>,
    pub(super) api: Api,
    pub(super) card: Card,
    pub(super) listing: Listing,
    pub(super) metadata: Metadata,
    /// Files that `Fault::Grow` leaves alone.
    pub(super) finished: BTreeSet<String>,
    pub(super) pace: Option<Pace>,
    pub(super) send_buffer: Option<usize>,
    pub(super) log: Vec<Request>,
    pub(super) served: u64,
    pub(super) listener: Option<Arc<TcpListener>>,
    pub(super) away: Option<How>,
    pub(super) depart_after: Option<(u64, How)>,
    /// How many times the camera has left, and how it did the last time.
    departures: (u64, How),
    /// Threads that accept or serve.
    pub(super) threads: usize,
    pub(super) stopped: bool,
    last_id: u64,
}

/// One transfer's standing with the state.
pub(super) struct Ticket {
    id: u64,
    departures: u64,
    gates: Vec<u64>,
    pace: Option<Pace>,
    sent: u64,
    from_card: bool,
}

/// Why a transfer may not go on.
pub(super) enum Halt {
    Departed(How),
    Stopped,
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
    /// Notes a request and decides on its answer.
    pub(super) fn arrive(&self, incoming: &Incoming) -> (Ticket, Reply) {
        let mut state = self.lock();
        let answered = state.arrive(incoming);
        drop(state);
        self.has_changed();
        answered
    }

    /// Waits until the transfer may send, and says how many of the `wanted` bytes.
    pub(super) fn admit(&self, ticket: &mut Ticket, wanted: u64) -> Result<u64, Halt> {
        let mut state = self.lock();
        loop {
            state.check(ticket)?;
            let mut allowed = wanted;
            let mut at_gate = false;
            for id in &ticket.gates {
                let Some(gate) = state.orders.gates.shut.get_mut(id) else {
                    continue;
                };
                if ticket.sent == gate.after {
                    at_gate = true;
                    gate.reached = true;
                } else if ticket.sent < gate.after {
                    allowed = allowed.min(gate.after - ticket.sent);
                }
            }
            if at_gate {
                self.has_changed();
                state = self.wait(state);
                continue;
            }
            if let Some((left, _)) = state.depart_after {
                allowed = allowed.min(left);
            }
            let now = Instant::now();
            let paces = || state.pace.iter().chain(&ticket.pace);
            if let Some(pause) = paces().filter_map(|pace| pace.pause(now)).max() {
                state = self.wait_at_most(state, pause);
                continue;
            }
            allowed = paces().map(|pace| pace.portion).fold(allowed, u64::min);
            state.pace.iter_mut().chain(&mut ticket.pace).for_each(|pace| pace.spend(now, allowed));
            return Ok(allowed);
        }
    }

    /// Writes to the socket, which must not block, and counts what went there. Both happen under the lock:
    /// a test whose client has received a byte finds it counted.
    pub(super) fn write(&self, ticket: &mut Ticket, write: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        let mut state = self.lock();
        let sent = write()?;
        ticket.sent += sent;
        if let Some(request) = state.request(ticket) {
            request.body_bytes_sent += sent;
        }
        if ticket.from_card {
            state.served += sent;
        }
        if let Some((left, how)) = state.depart_after {
            match left.saturating_sub(sent) {
                0 => state.depart(how),
                left => state.depart_after = Some((left, how)),
            }
        }
        drop(state);
        self.has_changed();
        Ok(sent)
    }

    pub(super) fn set_status(&self, ticket: &Ticket, status: u16) {
        if let Some(request) = self.lock().request(ticket) {
            request.status = status;
        }
        self.has_changed();
    }

    pub(super) fn finish(&self, ticket: &Ticket) {
        if let Some(request) = self.lock().request(ticket) {
            request.finished = true;
        }
        self.has_changed();
    }

    /// Whether the transfer may still go on.
    pub(super) fn check(&self, ticket: &Ticket) -> Result<(), Halt> {
        self.lock().check(ticket)
    }

    /// Waits for what ends a stalled connection; `None` is the camera's end.
    pub(super) fn stall(&self, ticket: &mut Ticket) -> Option<How> {
        let mut state = self.lock();
        loop {
            match state.check(ticket) {
                Err(Halt::Stopped) => return None,
                Err(Halt::Departed(How::Silent)) => ticket.departures = state.departures.0,
                Err(Halt::Departed(how)) => return Some(how),
                Ok(()) => {
                    state = self.wait(state);
                }
            }
        }
    }
}

impl State {
    pub(super) fn new(api: Api) -> Self {
        Self {
            orders: Orders::default(),
            api,
            card: Card::new(),
            listing: Listing::Of(Style::default()),
            metadata: Metadata::default(),
            finished: BTreeSet::new(),
            pace: None,
            send_buffer: None,
            log: Vec::new(),
            served: 0,
            listener: None,
            away: None,
            depart_after: None,
            departures: (0, How::Close),
            threads: 0,
            stopped: false,
            last_id: 0,
        }
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn depart(&mut self, how: How) {
        self.away = Some(how);
        self.depart_after = None;
        self.departures = (self.departures.0 + 1, how);
        match how {
            How::Refused => self.stop_listening(),
            How::Silent | How::Reset | How::Close => {}
        }
    }

    /// Linux takes a listening socket that is shut down out of service at once, and wakes `accept`.
    pub(super) fn stop_listening(&mut self) {
        if let Some(listener) = self.listener.take() {
            rustix::net::shutdown(&*listener, rustix::net::Shutdown::Read).expect("our own listener");
        }
    }

    fn arrive(&mut self, incoming: &Incoming) -> (Ticket, Reply) {
        let request = Request {
            id: self.new_id(),
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            headers: incoming.headers.clone(),
            body: String::from_utf8_lossy(&incoming.body).into_owned(),
            range_start: incoming.range().map(|(first, _)| first),
            status: 0,
            body_bytes_sent: 0,
            finished: false,
        };
        let faults: Vec<Fault> = self.orders.rules.iter_mut().filter_map(|rule| rule.meet(&request)).collect();
        for fault in &faults {
            if let Fault::Grow { by } = fault {
                self.grow(&incoming.decoded_path(), *by);
            }
        }
        let knows_ranges = !faults.iter().any(|fault| matches!(fault, Fault::NoRange));
        let mut reply = reply::answer(self, incoming, knows_ranges);
        for fault in faults {
            fault.spoil(&mut reply);
        }

        let gates = self.orders.gates.shut.iter().filter(|(_, gate)| gate.matcher.matches(&request));
        let ticket = Ticket {
            id: request.id,
            // Who arrives while the camera is away has missed its departure, and meets it now.
            departures: self.departures.0 - u64::from(self.away.is_some()),
            gates: gates.map(|(id, _)| *id).collect(),
            pace: reply.rate.map(Pace::new),
            sent: 0,
            from_card: reply.from_card && incoming.method == "GET",
        };
        self.log.push(request);
        (ticket, reply)
    }

    fn grow(&mut self, path: &str, by: u32) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if self.finished.contains(name) {
            return;
        }
        if let Some(content) = self.card.get_mut(name) {
            let mut bytes = content.bytes().unwrap_or_default();
            bytes.extend(mp4::free_box(by));
            *content = Content::from(bytes);
        }
    }

    fn check(&self, ticket: &Ticket) -> Result<(), Halt> {
        let (departures, how) = self.departures;
        match (self.stopped, departures == ticket.departures) {
            (true, _) => Err(Halt::Stopped),
            (false, true) => Ok(()),
            (false, false) => Err(Halt::Departed(how)),
        }
    }

    fn request(&mut self, ticket: &Ticket) -> Option<&mut Request> {
        self.log.iter_mut().rev().find(|request| request.id == ticket.id)
    }
}

/// Keeps a rate: twenty portions a second, so that slow transfers are slow and not choppy.
pub(super) struct Pace {
    bytes_per_sec: u64,
    portion: u64,
    next: Instant,
}

impl Pace {
    pub(super) fn new(bytes_per_sec: u64) -> Self {
        let bytes_per_sec = bytes_per_sec.max(1);
        Self { bytes_per_sec, portion: (bytes_per_sec / 20).max(1), next: Instant::now() }
    }

    fn pause(&self, now: Instant) -> Option<Duration> {
        self.next.checked_duration_since(now).filter(|pause| !pause.is_zero())
    }

    fn spend(&mut self, now: Instant, bytes: u64) {
        let took = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.bytes_per_sec);
        self.next = self.next.max(now.checked_sub(Duration::from_millis(50)).unwrap_or(now)) + took;
    }
}
