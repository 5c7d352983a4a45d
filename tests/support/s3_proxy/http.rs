//! As much HTTP/1.1 as it takes to stand in between: heads are read and passed on as they are, bodies by their length.

use std::io::{self, BufRead, ErrorKind, Read};

const MAX_HEAD: u64 = 64 << 10;

/// A head of a request or a reply: its first line and its headers.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; nothing when the connection ends before it begins.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut from = from.take(MAX_HEAD);
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\r\n") else {
                let is_between = lines.is_empty() && line.is_empty();
                return if is_between { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            };
            if text.is_empty() {
                break;
            }
            lines.push(String::from_utf8_lossy(text).into_owned());
        }
        let mut lines = lines.into_iter();
        let line = lines.next().ok_or(ErrorKind::InvalidData)?;
        let headers = lines
            .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
            .collect();
        Ok(Some(Self { line, headers }))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|text| text.to_ascii_lowercase().contains(value))
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The status of a reply.
    pub(super) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// The value of the header `name`, whatever its case.
pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads a reply whole, past what is only provisional. A body in chunks becomes one of a known length.
pub(super) fn read_reply(from: &mut impl BufRead, method: &str) -> io::Result<(Head, Vec<u8>)> {
    let mut head = loop {
        let head = Head::read(from)?.ok_or(ErrorKind::UnexpectedEof)?;
        if head.status() >= 200 {
            break head;
        }
    };
    let mut body = Vec::new();
    if method == "HEAD" || [204, 304].contains(&head.status()) {
        return Ok((head, body));
    }
    if head.is("transfer-encoding", "chunked") {
        read_chunks(from, &mut body)?;
        head.set("transfer-encoding", None);
        head.set("content-length", Some(body.len().to_string()));
    } else if let Some(length) = head.length() {
        from.take(length).read_to_end(&mut body)?;
        if body.len() as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    } else {
        from.read_to_end(&mut body)?;
        head.set("content-length", Some(body.len().to_string()));
        head.set("connection", Some("close".into()));
    }
    Ok((head, body))
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        let before = body.len() as u64;
        from.take(size).read_to_end(body)?;
        if body.len() as u64 != before + size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.clear();
        from.read_line(&mut line)?;
    }
    // Trailers, up to the empty line.
    let mut line = String::new();
    while from.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(())
}
