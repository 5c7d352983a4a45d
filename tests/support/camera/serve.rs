//! One connection: read the request, send the answer or what a fault leaves of it, end as ordered.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::How;
use super::http;
use super::reply::{Cut, Ending, Framing, Reply};
use super::state::{Halt, Shared, Ticket};

/// A transfer that waits for its client looks this often whether the camera has left in the meantime.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How much a chunk of a chunked body holds.
const CHUNK: u64 = 64 << 10;

/// Accepts connections until the listener is taken out of service.
pub(super) fn accept(shared: &Arc<Shared>, listener: &Arc<TcpListener>) {
    let _working = Working(shared);
    let in_service = || {
        let state = shared.lock();
        state.listener.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, listener))
    };
    while in_service() {
        // An error is a client that gave up early, or the end of our service.
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        shared.lock().threads += 1;
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(&shared, stream));
    }
}

/// Counts a thread out, however it ends.
struct Working<'s>(&'s Shared);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.has_changed();
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    let _working = Working(shared);
    let send_buffer = shared.lock().send_buffer;
    let set_up = || -> io::Result<()> {
        if let Some(bytes) = send_buffer {
            sockopt::set_socket_send_buffer_size(&stream, bytes)?;
        }
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)
    };
    if set_up().is_err() {
        return; // the client has gone already
    }
    // While a request is read, nothing but our own end matters.
    let wait_readable = || -> io::Result<()> {
        let mut readable = [PollFd::new(&stream, PollFlags::IN)];
        poll(&mut readable, Some(&LOOK_UP))?;
        if shared.lock().stopped { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
    };
    let Ok(incoming) = http::read(&stream, wait_readable) else {
        return;
    };
    let (ticket, reply) = shared.arrive(&incoming);
    let mut transfer = Transfer { shared, stream, ticket };
    let ending = transfer.send(&incoming.method, reply).unwrap_or_else(Broken::ending);
    transfer.end(ending);
}

/// Why a transfer did not come to its end.
enum Broken {
    Halted(Halt),
    /// The client has gone.
    Socket,
}

impl From<Halt> for Broken {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Socket
    }
}

impl Broken {
    fn ending(self) -> Ending {
        match self {
            Self::Halted(Halt::Departed(how)) => how.into(),
            Self::Halted(Halt::Stopped) | Self::Socket => Ending::Close,
        }
    }
}

impl From<How> for Ending {
    fn from(how: How) -> Self {
        match how {
            How::Refused | How::Reset => Self::Reset,
            How::Silent => Self::Stall,
            How::Close => Self::Close,
        }
    }
}

struct Transfer<'a> {
    shared: &'a Shared,
    stream: TcpStream,
    ticket: Ticket,
}

impl Transfer<'_> {
    fn send(&mut self, method: &str, reply: Reply) -> Result<Ending, Broken> {
        self.shared.check(&self.ticket)?;
        let head = reply.head().into_bytes();
        let (mut body, mut ending) = (reply.range.end - reply.range.start, Ending::Close);
        match reply.cut {
            Some((Cut::Nothing, ending)) => return Ok(self.drained(ending)),
            Some((Cut::Head, ending)) => {
                self.write_all(&head[..head.len() / 2])?;
                return Ok(self.drained(ending));
            }
            Some((Cut::Body(after), how)) => (body, ending) = (body.min(after), how),
            None => {}
        }
        self.shared.set_status(&self.ticket, reply.status);
        self.write_all(&head)?;
        if method != "HEAD" {
            self.send_body(reply, body)?;
        }
        Ok(self.drained(ending))
    }

    /// Sends the first `goal` bytes of the body.
    fn send_body(&mut self, reply: Reply, goal: u64) -> Result<(), Broken> {
        let whole = reply.range.end - reply.range.start;
        let chunked = matches!(reply.framing, Framing::Chunked);
        let source = reply.content.open()?;
        let mut sent = 0;
        while sent < goal {
            let wanted = if chunked { CHUNK.min(goal - sent) } else { goal - sent };
            let allowed = self.shared.admit(&mut self.ticket, wanted)?;
            if chunked {
                self.write_all(format!("{allowed:x}\r\n").as_bytes())?;
            }
            let mut left = allowed;
            while left > 0 {
                let offset = reply.range.start + sent;
                let write = || source.write_some(&self.stream, offset, left);
                match self.shared.write(&mut self.ticket, write) {
                    Ok(n) => {
                        left -= n;
                        sent += n;
                    }
                    Err(e) if http::would_block(&e) => self.wait_writable()?,
                    Err(e) => return Err(e.into()),
                }
                self.shared.check(&self.ticket)?;
            }
            if chunked {
                self.write_all(b"\r\n")?;
            }
        }
        // A gate behind the last byte holds the end of the connection.
        self.shared.admit(&mut self.ticket, 0)?;
        if chunked && goal == whole {
            self.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    }

    fn write_all(&self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if http::would_block(&e) => self.wait_writable()?,
                Err(e) => return Err(e.into()),
            }
            self.shared.check(&self.ticket)?;
        }
        Ok(())
    }

    /// Waits until the socket takes more, or until it is time to look up.
    fn wait_writable(&self) -> io::Result<()> {
        let mut writable = [PollFd::new(&self.stream, PollFlags::OUT)];
        poll(&mut writable, Some(&LOOK_UP))?;
        Ok(())
    }

    /// A reset throws away what the kernel has not delivered; where a fault promises bytes before the
    /// reset, they must be with the client first. There is no event for that, so this one looks again and
    /// again, and not for ever, since the client need not read.
    fn drained(&self, ending: Ending) -> Ending {
        let deadline = Instant::now() + Duration::from_secs(2);
        let again = || Instant::now() < deadline && self.shared.check(&self.ticket).is_ok();
        while matches!(ending, Ending::Reset) && unacknowledged(&self.stream) && again() {
            thread::yield_now();
        }
        ending
    }

    fn end(mut self, mut ending: Ending) {
        if let Ending::Stall = ending {
            ending = self.shared.stall(&mut self.ticket).map_or(Ending::Close, Ending::from);
        }
        if let Ending::Reset = ending {
            // Closing without lingering is what makes the kernel send RST. It fails only where all is over.
            let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        }
        drop(self.stream);
        self.shared.finish(&self.ticket);
    }
}

/// Whether bytes are on their way that the other side has not acknowledged, by the kernel's own table
/// (the ioctl for it would take `unsafe`).
fn unacknowledged(stream: &TcpStream) -> bool {
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else {
        return false;
    };
    let table = if local.is_ipv6() { "/proc/net/tcp6" } else { "/proc/net/tcp" };
    let (local, peer) = (format!(":{:04X}", local.port()), format!(":{:04X}", peer.port()));
    let table = std::fs::read_to_string(table).unwrap_or_default();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, from, to, _, queues, ..]
            if from.ends_with(&local) && to.ends_with(&peer) && !queues.starts_with("00000000:"))
    })
}
