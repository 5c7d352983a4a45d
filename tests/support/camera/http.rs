//! As much HTTP/1.1 as a camera speaks: one request, one reply, one connection.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 1 << 20;

/// A request as it arrived.
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Incoming {
    /// The first byte and, where given, the last one that `Range: bytes=first-last` asks for.
    pub(super) fn range(&self) -> Option<(u64, Option<u64>)> {
        let (first, last) = header(&self.headers, "range")?.strip_prefix("bytes=")?.split_once('-')?;
        let last = match last {
            "" => None,
            last => Some(last.parse().ok()?),
        };
        Some((first.parse().ok()?, last))
    }

    /// The path with its %XX decoded, as the camera looks it up on its card.
    pub(super) fn decoded_path(&self) -> String {
        let mut bytes = Vec::new();
        let mut rest = self.path.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(decoded) if byte == b'%' => {
                    bytes.push(decoded);
                    rest = &tail[2..];
                }
                _ => {
                    bytes.push(byte);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The value of the header `name`, whatever its case.
pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads one request with its body to the end: data left unread would turn a clean close into a reset.
pub(super) fn read(stream: &TcpStream, wait_readable: impl Fn() -> io::Result<()>) -> io::Result<Incoming> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        read_some(stream, &mut bytes, MAX_HEAD, &wait_readable)?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut body = bytes.split_off(head_end + 4);

    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::Error::new(ErrorKind::InvalidData, "no request line"));
    };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    let body_len = header(&headers, "content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    while body.len() < body_len {
        read_some(stream, &mut body, MAX_BODY, &wait_readable)?;
    }
    Ok(Incoming { method: method.to_owned(), path: path.to_owned(), headers, body })
}

fn read_some(
    mut stream: &TcpStream,
    into: &mut Vec<u8>,
    max: usize,
    wait_readable: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(n) if into.len() + n > max => Err(io::Error::new(ErrorKind::InvalidData, "too long")),
        Ok(n) => {
            into.extend_from_slice(&buffer[..n]);
            Ok(())
        }
        Err(e) if would_block(&e) => wait_readable(),
        Err(e) => Err(e),
    }
}

/// Whether a read or write would have to wait.
pub(super) fn would_block(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The words beside a status code.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 | 302 | 307 | 308 => "Redirect",
        404 => "Not Found",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}
