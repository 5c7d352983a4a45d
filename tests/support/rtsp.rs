//! An IP camera: `GStreamer`'s RTSP server, and in front of it a relay that understands RTSP over TCP as far as it takes
//! to misbehave on demand.

mod films;
mod relay;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub(crate) use films::{FRAMES_PER_SECOND, Film, KEY_INTERVAL};

use super::ip_camera::{Fault, Shared};

/// What the server asks for where it asks for a password.
pub(crate) const USER: &str = "viewer";
/// With characters that have a meaning in a URL, written as they are.
pub(crate) const PASSWORD: &str = "s3cr@t:p/w";
/// The same as it stands in a URL.
pub(crate) const PASSWORD_IN_URL: &str = "s3cr%40t%3Ap%2Fw";

/// A camera with an address of its own; it is gone when it is dropped.
pub(crate) struct RtspCamera {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
}

/// What is behind the relay.
struct Settings {
    film: Mutex<Film>,
    /// The port of the server: with a password or without.
    port: u16,
    /// How far the camera's clock is off, in seconds.
    jump: AtomicI64,
}

impl RtspCamera {
    /// A camera that shows this film to every client, each from its beginning.
    pub(crate) fn start(film: Film) -> Self {
        Self::start_at(film, server().open)
    }

    /// The same, for those who know [`USER`] and [`PASSWORD`].
    pub(crate) fn start_locked(film: Film) -> Self {
        Self::start_at(film, server().locked)
    }

    fn start_at(film: Film, port: u16) -> Self {
        let settings = Settings { film: Mutex::new(film), port, jump: AtomicI64::new(0) };
        let camera = Self { shared: Arc::new(Shared::new()), settings: Arc::new(settings) };
        camera.set(None);
        camera
    }

    /// `rtsp://127.0.0.1:PORT/cam`
    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}/cam", self.shared.address)
    }

    /// The line of a camera's table that names its URL.
    pub(crate) fn table(&self) -> String {
        format!("url = {:?}", self.url())
    }

    /// The lines of a camera's table that name its URL and what reads it.
    pub(crate) fn table_for(&self, engine: &str) -> String {
        format!("{}\nengine = {engine:?}", self.table())
    }

    /// Its URL with a user and a password, both as they stand in a URL.
    pub(crate) fn url_with(&self, user: &str, password: &str) -> String {
        format!("rtsp://{user}:{password}@{}/cam", self.shared.address)
    }

    /// The fault from now on. Connected clients stay connected, unless the camera is off.
    pub(crate) fn set(&self, fault: impl Into<Option<Fault>>) {
        let fault = fault.into();
        self.shared.set(fault);
        if fault != Some(Fault::Off) && !self.shared.listens() {
            let settings = Arc::clone(&self.settings);
            self.shared.listen(move |visit| relay::relay(visit, &settings));
        }
    }

    /// Another film for clients that connect from now on, as after a change of the camera's settings.
    pub(crate) fn show(&self, film: Film) {
        *self.settings.film.lock().unwrap_or_else(PoisonError::into_inner) = film;
    }

    /// Sets the camera's clock forward or back: the timestamps of everything that is sent from now on jump.
    pub(crate) fn jump(&self, seconds: i64) {
        self.settings.jump.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Closes all connections, once.
    pub(crate) fn drop_connections(&self) {
        self.shared.drop_connections();
    }

    /// How many connections came in so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many video frames went out to clients so far, damaged ones too.
    pub(crate) fn frames(&self) -> u64 {
        self.shared.lock().frames
    }

    /// Waits until so many frames went out in all.
    #[track_caller]
    pub(crate) fn wait_for_frames(&self, frames: u64) {
        self.shared.wait_for(|state| state.frames >= frames);
    }

    /// Waits until so many connections came in all.
    #[track_caller]
    pub(crate) fn wait_for_connections(&self, connections: usize) {
        self.shared.wait_for(|state| state.connections >= connections);
    }
}

impl Drop for RtspCamera {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// The server behind all cameras of a test binary. It ends when the write end of its standard input is closed, which
/// the end of our process does too.
struct Server {
    open: u16,
    locked: u16,
    _child: Child,
    _stdin: ChildStdin,
}

/// `GStreamer`'s RTSP server itself, over TCP and UDP, with films of a test. It is gone when it is dropped.
pub(crate) struct GstreamerServer(Server);

impl GstreamerServer {
    /// A server of these: `/mount=FILE.mkv,h265`, see `server.py`.
    pub(crate) fn start(mounts: &[String]) -> Self {
        Self(Server::start(mounts))
    }

    /// `rtsp://127.0.0.1:PORT/mount`
    pub(crate) fn url(&self, mount: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{mount}", self.0.open)
    }

    /// The same behind [`USER`] and [`PASSWORD`].
    pub(crate) fn locked_url(&self, mount: &str) -> String {
        format!("rtsp://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{mount}", self.0.locked)
    }
}

fn server() -> &'static Server {
    static SERVER: LazyLock<Server> =
        LazyLock::new(|| Server::start(&Film::ALL.map(|film| format!("{}={}", film.mount(), film.file()))));
    &SERVER
}

impl Server {
    fn start(mounts: &[String]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rtsp/server.py");
        let mut child = Command::new("/usr/bin/python3")
            .args([script, "--user", &format!("{USER}:{PASSWORD}")])
            .args(mounts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is missing: run tests/setup");
        let stdin = child.stdin.take().expect("a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut port = || {
            let line = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok());
            line.expect("the RTSP server does not start: run tests/setup")
        };
        Self { open: port(), locked: port(), _child: child, _stdin: stdin }
    }
}
