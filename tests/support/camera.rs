//! A simulated dashcam on a real socket that misbehaves on demand.
//!
//! Every connection has a thread of its own. What tests want to know (the request log, the bytes served)
//! and what they order (faults, gates, departures) is one state behind one lock, whose condition variable
//! every waiting thread shares; so an order takes effect at once, also for transfers under way.

mod card;
mod content;
mod fault;
mod http;
mod listing;
mod reply;
mod serve;
mod state;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::orders::Gate;
pub use super::orders::{Matcher, Times};
pub use fault::Fault;
pub use listing::{Listing, Style};
pub use reply::Metadata;
pub use state::Request;

use content::Content;
use state::{Pace, Shared, State};

/// Which of the two protocols the camera speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/blackvue_vod.cgi` and `/Record/…`.
    Old,
    /// `/accessible`, `/vodList`, `/…` and `/vodMetadata`.
    New,
}

/// How a camera is away. Transfers under way end in the same manner.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// No process listens at the port; transfers in progress are reset.
    Refused,
    /// Accepts connections, reads requests, and says nothing more.
    Silent,
    /// Resets every connection.
    Reset,
    /// Closes every connection cleanly.
    Close,
}

/// The camera; it stops when it is dropped.
pub struct Camera {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Bound and never listening: it keeps the port ours while the camera is away.
    _port: OwnedFd,
}

impl Camera {
    /// A camera with an empty card on a free port of 127.0.0.1.
    pub fn start(api: Api) -> Self {
        Self::start_on("127.0.0.1:0", api)
    }

    /// A camera with an empty card on `address`, such as `[::1]:0` or where another one was.
    pub fn start_on(address: &str, api: Api) -> Self {
        let address: SocketAddr = address.parse().expect("an address like 127.0.0.1:8080");
        let (port, address) = reserve(address).unwrap_or_else(|e| panic!("cannot bind {address}: {e}"));
        let camera = Self { shared: Arc::new(Shared::new(State::new(api))), address, _port: port };
        camera.come_back();
        camera
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    // The card.

    /// Puts a file on the card, or another one in its place. All but sidecars are listed.
    pub fn add(&self, name: &str, bytes: impl Into<Arc<[u8]>>) {
        self.change(|state| state.card.insert(name.into(), bytes.into().into()));
    }

    /// Puts a file on the card whose bytes stay on disk.
    pub fn add_file(&self, name: &str, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let content = Content::file(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        self.change(|state| state.card.insert(name.into(), content));
    }

    /// Puts `20181029_131513_NF.mp4` and its sidecars on the card, given `20181029_131513_NF`.
    pub fn add_recording(&self, recording: &str, mp4_size: u64) {
        self.change(|state| {
            let accelerometer = state.api == Api::Old;
            card::add_recording(&mut state.card, recording, mp4_size, accelerometer);
        });
    }

    /// Puts `count` recordings with sidecars on the card that share their bytes, so that neither their
    /// number nor their size needs memory. Returns the names of the videos, oldest first.
    pub fn generate(&self, count: usize, mp4_size: u64) -> Vec<String> {
        self.change(|state| {
            let accelerometer = state.api == Api::Old;
            card::generate(&mut state.card, count, mp4_size, accelerometer)
        })
    }

    /// Takes a file from the card, as a camera does that needs the room.
    pub fn remove(&self, name: &str) {
        let removed = self.change(|state| state.card.remove(name));
        assert!(removed.is_some(), "{name} is not on the card");
    }

    /// The bytes of a file on the card.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let content = self.change(|state| state.card.get(name).cloned());
        let content = content.unwrap_or_else(|| panic!("{name} is not on the card"));
        content.bytes().unwrap_or_else(|e| panic!("cannot read {name}: {e}"))
    }

    /// The names of all files on the card, sidecars too, sorted.
    pub fn names(&self) -> Vec<String> {
        self.change(|state| state.card.keys().cloned().collect())
    }

    /// Ends `Fault::Grow` for this file.
    pub fn finish_writing(&self, name: &str) {
        self.change(|state| state.finished.insert(name.into()));
    }

    // Behaviour.

    /// What the camera lists from now on.
    pub fn set_listing(&self, listing: Listing) {
        self.change(|state| state.listing = listing);
    }

    /// How a new camera wraps sidecars from now on.
    pub fn set_metadata(&self, metadata: Metadata) {
        self.change(|state| state.metadata = metadata);
    }

    /// Orders a fault for requests from now on. A request meets all that match, in the order they were given.
    pub fn fault(&self, matcher: impl Into<Matcher>, fault: Fault, times: Times) {
        self.shared.fault(matcher.into(), fault, times);
    }

    /// Takes all faults back; what grew stays as long as it is.
    pub fn clear_faults(&self) {
        self.shared.clear_faults();
    }

    /// Blocks matching transfers when they have sent `after` body bytes, until the gate is opened or dropped.
    /// (An answer to HEAD has no body and passes.)
    pub fn hold(&self, matcher: impl Into<Matcher>, after: u64) -> Gate<State> {
        self.shared.hold(matcher.into(), after)
    }

    /// The rate of all transfers together.
    pub fn rate_limit(&self, bytes_per_sec: u64) {
        self.change(|state| state.pace = Some(Pace::new(bytes_per_sec)));
    }

    /// The kernel's send buffer for later connections (it doubles the number): with a small one few bytes
    /// are "in flight", counted as served and not yet with the client.
    pub fn send_buffer(&self, bytes: usize) {
        self.change(|state| state.send_buffer = Some(bytes));
    }

    // Leaving and returning.

    /// Leaves at once.
    pub fn depart(&self, how: How) {
        self.change(|state| state.depart(how));
    }

    /// Leaves when this many further body bytes have been sent, listings included.
    pub fn depart_after(&self, bytes: u64, how: How) {
        self.change(|state| match bytes {
            0 => state.depart(how),
            _ => state.depart_after = Some((bytes, how)),
        });
    }

    /// Is there again, on the same port. Connections from before stay as they are.
    pub fn come_back(&self) {
        let mut state = self.shared.lock();
        state.away = None;
        state.depart_after = None;
        if state.listener.is_none() {
            let listener =
                TcpListener::bind(self.address).unwrap_or_else(|e| panic!("cannot listen on {}: {e}", self.address));
            let listener = Arc::new(listener);
            state.listener = Some(Arc::clone(&listener));
            state.threads += 1;
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || serve::accept(&shared, &listener));
        }
    }

    // The log.

    /// All requests in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests()
    }

    /// The requests that match, in the order of their arrival.
    pub fn requests_for(&self, matcher: impl Into<Matcher>) -> Vec<Request> {
        self.shared.requests_for(&matcher.into())
    }

    /// Bytes of files on the card, videos and sidecars, that went to a socket in answers to GET.
    pub fn body_bytes_served(&self) -> u64 {
        self.shared.lock().served
    }

    /// Forgets the requests and the bytes served so far.
    pub fn clear_log(&self) {
        self.change(|state| {
            state.log.clear();
            state.served = 0;
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

impl Drop for Camera {
    fn drop(&mut self) {
        self.change(|state| {
            state.stopped = true;
            state.stop_listening();
        });
        // A panic here would hide the test's own.
        let _ = self.shared.wait_until(Duration::from_secs(10), |state| state.threads == 0);
    }
}

/// Binds a socket that never listens, and tells the address that is ours with it.
pub(super) fn reserve(address: SocketAddr) -> rustix::io::Result<(OwnedFd, SocketAddr)> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
    Ok((socket, bound))
}
