//! What `footage dashcam` must withstand: cameras that lie, break off and leave, destinations that fill up and
//! vanish, other passes, signals, and `kill -9`.

mod attack;
mod away;
mod destination;
mod faults;
mod kill;
mod listing;
mod locks;
mod permissions;
mod planted;
mod resume;
mod review;
mod signals;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::camera::{Api, Camera, Fault, How, Times};
use crate::support::{Node, Output, Program, Scratch, mp4, tree};
use rustix::net::{AddressFamily, SocketType};

/// The recording of most tests.
const NAME: &str = "20181029_131513_NF.mp4";
/// Long enough to be resumed: up to 64 KiB a file starts over instead.
const SIZE: u64 = 300_000;
/// No event takes longer.
const SOON: Duration = Duration::from_secs(30);

/// A camera, and a directory with the destination in it.
struct Bench {
    camera: Camera,
    scratch: Scratch,
}

/// The overlap: bytes of the partial file that a resumed download requests again and compares.
const OVERLAP: u64 = 256;

/// The offset at which a pass resumes a partial file of this length; one shorter than the overlap starts over.
fn resumed(held: u64) -> Option<u64> {
    held.checked_sub(OVERLAP).filter(|start| *start > 0)
}

impl Bench {
    /// A camera with an empty card.
    fn empty() -> Self {
        Self { camera: Camera::start(Api::Old), scratch: Scratch::new() }
    }

    /// A camera with one video, without sidecars.
    fn new() -> Self {
        Self::of(mp4::movie(SIZE, 1))
    }

    /// A camera with this one video, without sidecars.
    fn of(video: Vec<u8>) -> Self {
        let bench = Self::empty();
        bench.camera.add(NAME, video);
        bench
    }

    fn dest(&self) -> PathBuf {
        self.scratch.join("dest")
    }

    /// `footage dashcam ADDRESS -d dest` with these options.
    fn pass(&self, options: &[&str]) -> Program {
        self.pass_from(&[&self.camera.address()], options)
    }

    fn pass_from(&self, addresses: &[&str], options: &[&str]) -> Program {
        let common = ["-d", "dest", "--timeout", "5"];
        // Where a test gives the timeout itself, that one counts.
        let common = if options.contains(&"--timeout") { &common[..2] } else { &common };
        self.scratch.footage(["dashcam"]).args(addresses).args(common).args(options)
    }

    /// Runs a pass that must end with this code.
    #[track_caller]
    fn run(&self, code: i32) -> Output {
        self.pass(&[]).run().expect_code(code)
    }

    /// Where `NAME` is until it is whole.
    fn partial(&self) -> PathBuf {
        self.dest().join(format!(".{NAME}.part"))
    }

    fn journal(&self) -> PathBuf {
        self.dest().join(".footage/dashcam.partials")
    }

    /// Runs a pass until `bytes` of a video are on disk; there the camera leaves, with a clean close. It is back
    /// afterwards.
    #[track_caller]
    fn cut_at(&self, bytes: u64) {
        let gate = self.camera.hold("GET .mp4", bytes);
        let pass = self.pass(&[]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&self.partial(), bytes);
        self.camera.depart(How::Close);
        pass.wait().expect_code(75);
        gate.open();
        self.camera.come_back();
    }

    /// Lets the camera be silent when it is asked, after a loss, whether it is still there. That question is the
    /// second one to whatever a pass begins with.
    fn leave_after_a_loss(&self) {
        for question in ["/accessible", "/blackvue_vod.cgi"] {
            self.camera.fault(question, Fault::SilentClose, Times::Nth(2));
        }
    }

    /// Where each GET of a video began.
    fn starts(&self) -> Vec<Option<u64>> {
        self.camera.requests_for("GET .mp4").iter().map(|request| request.range_start).collect()
    }

    /// Asserts that the destination has everything on the card, and nothing else, byte for byte.
    #[track_caller]
    fn assert_mirrored(&self) {
        let names = self.camera.names();
        let card = names.iter().map(|name| (PathBuf::from(name), Node::of(&self.camera.bytes(name)))).collect();
        assert_eq!(visible(&self.dest()), card);
    }

    /// Asserts that no file is visible in the destination.
    #[track_caller]
    fn assert_nothing_visible(&self) {
        assert_eq!(visible(&self.dest()), BTreeMap::new());
    }
}

/// The files in a directory that are not hidden, and not in a hidden folder.
fn visible(dir: &Path) -> BTreeMap<PathBuf, Node> {
    let hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
    tree(dir).into_iter().filter(|(path, node)| !hidden(path) && *node != Node::Dir).collect()
}

/// Waits for what sends no event, such as a file's length.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the file is there and has exactly this length.
#[track_caller]
fn wait_for_length(path: &Path, bytes: u64) {
    let length = || std::fs::metadata(path).map(|metadata| metadata.len());
    wait_until(&format!("{} has {bytes} bytes", path.display()), || length().is_ok_and(|length| length == bytes));
}

/// A port on which a connection is neither made nor refused, as where no host is; for as long as this lives.
struct DeadEnd {
    address: SocketAddr,
    /// The listener, and who fills its queue.
    sockets: Vec<OwnedFd>,
}

impl DeadEnd {
    /// No process accepts, and the listen queue is full: the kernel answers no further SYN.
    fn new() -> Self {
        let stream = || rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        let listener = stream();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        rustix::net::bind(&listener, &any).expect("a free port");
        rustix::net::listen(&listener, 0).expect("listening");
        let address = rustix::net::getsockname(&listener).expect("its address");
        let address = SocketAddr::try_from(address).expect("an IP address");
        let mut dead_end = Self { address, sockets: vec![listener] };
        while dead_end.knocking() == 0 {
            let waiting = stream();
            rustix::io::ioctl_fionbio(&waiting, true).expect("our own socket");
            let _ = rustix::net::connect(&waiting, &address); // in progress
            dead_end.sockets.push(waiting);
        }
        dead_end
    }

    /// Waits until another client than this one tries to connect.
    #[track_caller]
    fn wait_for_a_knock(&self) {
        wait_until("a client tries to connect", || self.knocking() > 1);
    }

    /// How many SYNs are unanswered.
    fn knocking(&self) -> usize {
        const SYN_SENT: &str = "02";
        let to = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
        let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.filter(|line| line[2].ends_with(&to) && line[3] == SYN_SENT).count()
    }
}
