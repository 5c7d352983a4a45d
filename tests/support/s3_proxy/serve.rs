//! One connection: request after request, each to the server and back, or to its fault.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;

use super::fault::{Answer, Fault, When};
use super::http::{self, Head};
use super::{Request, Shared};

/// How long a client may take to notice that it was answered early.
const PATIENCE: Duration = Duration::from_secs(10);
/// No test has a server that takes longer to start.
const START: Duration = Duration::from_secs(30);
/// Between two bytes of a reply that drips.
const DROP: Duration = Duration::from_millis(20);

/// Accepts connections until the proxy is dropped.
pub(super) fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(stream) = stream.map(Arc::new) else { continue };
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        state.open.retain(|open| open.strong_count() > 0);
        state.open.push(Arc::downgrade(&stream));
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let mut connection = Connection { shared: &shared, client: BufReader::new(&*stream), server: None };
            let mut then = Ok(Then::Next);
            while let Ok(Then::Next) = then {
                then = connection.exchange();
            }
            if let Ok(Then::Reset) = then {
                // Closing without lingering is what makes the kernel send RST.
                let _ = sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
            }
        });
    }
}

/// What becomes of the connection after a request.
enum Then {
    Next,
    Close,
    Reset,
}

struct Connection<'a> {
    shared: &'a Shared,
    client: BufReader<&'a TcpStream>,
    server: Option<BufReader<TcpStream>>,
}

impl Connection<'_> {
    fn exchange(&mut self) -> io::Result<Then> {
        let Some(head) = Head::read(&mut self.client)? else { return Ok(Then::Close) };
        let mut words = head.line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let request = Request {
            method: word(),
            target: word(),
            headers: head.headers.clone(),
            body_bytes: 0,
            status: 0,
            has_reached_server: false,
            finished: false,
        };
        let (id, fault) = self.shared.arrive(&request);
        let then = self.answer(id, &head, &request, fault.as_ref());
        self.shared.note(id, |request| request.finished = true);
        then
    }

    fn answer(&mut self, id: usize, head: &Head, request: &Request, fault: Option<&Fault>) -> io::Result<Then> {
        let answer = match fault {
            Some(Fault::Answer(answer)) => Some(answer.clone()),
            Some(Fault::EndlessListing) => Some(Answer::page(id)),
            // As S3 does, which knows only bodies of a known length.
            _ if head.is("transfer-encoding", "chunked") => {
                Some(Answer::error(411, "MissingContentLength").at(When::Early))
            }
            _ => None,
        };
        match answer {
            Some(answer) if matches!(answer.when, When::Early | When::Rude | When::Continued) => {
                if answer.when == When::Continued {
                    self.continue_if_expected(head)?;
                    // Some of the body is on its way then.
                    self.client.fill_buf()?;
                }
                self.reply(id, &mut own(&answer), answer.body.as_bytes(), request, None)?;
                return Ok(if answer.when == When::Early { self.drain() } else { Then::Reset });
            }
            Some(answer) if answer.when == When::Refused => {
                self.continue_if_expected(head)?;
                self.body(id, request, head.length().unwrap_or(0), fault, &mut io::sink())?;
                self.reply(id, &mut own(&answer), answer.body.as_bytes(), request, None)?;
                return Ok(Then::Next);
            }
            _ => {}
        }
        if self.shared.lock().memory.is_some() {
            let mut body = Vec::new();
            self.continue_if_expected(head)?;
            self.body(id, request, head.length().unwrap_or(0), fault, &mut body)?;
            let answer = self.shared.lock().memory.as_mut().map(|memory| memory.answer(request, &body));
            let answer = answer.ok_or(io::ErrorKind::NotConnected)?;
            self.reply(id, &mut own(&answer), answer.body.as_bytes(), request, None)?;
            return Ok(Then::Next);
        }
        let Some((mut reply, body)) = self.ask_server(id, head, request, fault)? else {
            return Ok(Then::Reset);
        };
        if let Some(answer) = answer {
            self.reply(id, &mut own(&answer), answer.body.as_bytes(), request, None)?;
            return Ok(Then::Next);
        }
        match fault {
            Some(Fault::LoseReply) => return Ok(Then::Reset),
            Some(Fault::NoReply) => {
                drop(self.shared.wait_until(Duration::MAX, |state| state.stopped));
                return Ok(Then::Close);
            }
            _ => {}
        }
        self.reply(id, &mut reply, &body, request, fault)?;
        let is_last = reply.is("connection", "close") || head.is("connection", "close");
        let is_cut = matches!(fault, Some(Fault::CutReply { .. }));
        Ok(if is_last || is_cut { Then::Close } else { Then::Next })
    }

    /// Passes a request on and reads the reply; none when the fault resets the connection on the way.
    fn ask_server(
        &mut self,
        id: usize,
        head: &Head,
        request: &Request,
        fault: Option<&Fault>,
    ) -> io::Result<Option<(Head, Vec<u8>)>> {
        let mut server = self.server()?;
        server.get_mut().write_all(&head.bytes())?;
        if head.is("expect", "100-continue") {
            let first = Head::read(&mut server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if first.status() >= 200 {
                let rest = first.bytes();
                let reply = http::read_reply(&mut rest.as_slice().chain(&mut server), &request.method)?;
                return Ok(Some(reply));
            }
            self.continue_if_expected(head)?;
        }
        let mut to_server = server.get_ref().try_clone()?;
        if !self.body(id, request, head.length().unwrap_or(0), fault, &mut to_server)? {
            return Ok(None);
        }
        self.shared.note(id, |request| request.has_reached_server = true);
        let reply = http::read_reply(&mut server, &request.method)?;
        if !reply.0.is("connection", "close") {
            self.server = Some(server);
        }
        Ok(Some(reply))
    }

    /// The connection to the server that is left from before, if it still is one, or a new one.
    fn server(&mut self) -> io::Result<BufReader<TcpStream>> {
        if let Some(server) = self.server.take() {
            server.get_ref().set_nonblocking(true)?;
            let is_idle = server.get_ref().peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            server.get_ref().set_nonblocking(false)?;
            if is_idle {
                return Ok(server);
            }
        }
        let (state, _) = self.shared.wait_until(START, |state| state.server.is_some() || state.stopped);
        let address = state.server.ok_or(io::ErrorKind::NotConnected)?;
        drop(state);
        let server = TcpStream::connect(address)?;
        server.set_nodelay(true)?;
        Ok(BufReader::new(server))
    }

    fn continue_if_expected(&mut self, head: &Head) -> io::Result<()> {
        if head.is("expect", "100-continue") {
            self.client.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(())
    }

    /// Passes a request's body on; says whether all of it has come. A server that does not want it has said why.
    fn body(
        &mut self,
        id: usize,
        request: &Request,
        length: u64,
        fault: Option<&Fault>,
        to: &mut impl Write,
    ) -> io::Result<bool> {
        let mut buffer = vec![0; 64 << 10];
        let (mut passed, mut is_wanted) = (0, true);
        loop {
            let mut room = self.shared.pass_gates(request, passed).min(length - passed);
            if let Some(Fault::ResetRequest { after } | Fault::StopReading { after }) = fault {
                room = room.min(after.saturating_sub(passed));
            }
            if room == 0 && passed < length {
                if let Some(Fault::StopReading { .. }) = fault {
                    drop(self.shared.wait_until(Duration::MAX, |state| state.stopped));
                }
                return Ok(false);
            }
            if passed == length {
                return Ok(true);
            }
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            let n = self.client.read(&mut buffer[..room])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(Fault::FlipByte { at }) = fault
                && let Some(byte) = at.checked_sub(passed).and_then(|at| buffer[..n].get_mut(usize::try_from(at).ok()?))
            {
                *byte ^= 1;
            }
            is_wanted = is_wanted && to.write_all(&buffer[..n]).is_ok();
            passed += n as u64;
            self.shared.note(id, |request| request.body_bytes = passed);
        }
    }

    fn reply(
        &mut self,
        id: usize,
        head: &mut Head,
        body: &[u8],
        request: &Request,
        fault: Option<&Fault>,
    ) -> io::Result<()> {
        match fault {
            Some(Fault::Header { name, value }) => head.set(name, value.clone()),
            Some(Fault::Encrypt) if head.header("etag").is_some() => {
                head.set("etag", Some("\"0123456789abcdef0123456789abcdef\"".into()));
                head.set("x-amz-server-side-encryption", Some("aws:kms".into()));
            }
            _ => {}
        }
        self.shared.note(id, |request| request.status = head.status());
        let mut bytes = head.bytes();
        if request.method != "HEAD" {
            let sent = if let Some(Fault::CutReply { after }) = fault { body.len().min(*after) } else { body.len() };
            bytes.extend_from_slice(&body[..sent]);
        }
        let Some(Fault::Drip) = fault else { return self.client.get_mut().write_all(&bytes) };
        let head = if request.method == "HEAD" { 0 } else { head.bytes().len() };
        self.client.get_mut().write_all(&bytes[..head])?;
        for byte in &bytes[head..] {
            self.client.get_mut().write_all(&[*byte])?;
            drop(self.shared.wait_until(DROP, |state| state.stopped));
        }
        Ok(())
    }

    /// Reads what still comes, so that the answer is not lost in a reset.
    fn drain(&mut self) -> Then {
        let stream = *self.client.get_ref();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = io::copy(&mut self.client, &mut io::sink());
        Then::Close
    }
}

/// The head of an answer that is our own.
fn own(answer: &Answer) -> Head {
    let mut headers = answer.headers.clone();
    headers.push(("Content-Length".into(), answer.body.len().to_string()));
    if matches!(answer.when, When::Early | When::Rude | When::Continued) {
        headers.push(("Connection".into(), "close".into()));
    }
    Head { line: format!("HTTP/1.1 {} As Ordered", answer.status), headers }
}
