//! Answers and requests of RTSP, read as liberally as ffmpeg reads them. Pure.

use std::fmt::Write;

use crate::text::printable;

/// Lines of headers that count; more are skipped.
const MAX_HEADERS: usize = 256;
/// Characters of a text of the peer's that get into a message for people.
const MAX_SHOWN: usize = 120;

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// `RTSP/1.0 404 Not Found`
    Answer {
        /// 404
        status: u16,
        /// `Not Found`; may be empty.
        phrase: String,
    },
    /// `GET_PARAMETER rtsp://… RTSP/1.0`
    Request {
        /// In upper case.
        method: String,
    },
}

/// One message with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: Start,
    headers: Vec<(String, String)>,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a head, up to the empty line or without it, with its body. `None` when the first line is neither that of an
    /// answer nor that of a request.
    #[must_use]
    pub fn read(head: &[u8], body: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(str::trim_end);
        let start = read_start(lines.next()?)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines.take(MAX_HEADERS) {
            // A line that begins with a blank continues the one before.
            if line.starts_with([' ', '\t'])
                && let Some((_, value)) = headers.last_mut()
            {
                let _ = write!(value, " {}", line.trim());
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Some(Self { start, headers, body: body.to_vec() })
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// All headers of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The session's id and its timeout in seconds, as far as they are there.
    #[must_use]
    pub fn session(&self) -> Option<(&str, Option<u32>)> {
        let mut parts = self.header("Session")?.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty())?;
        let timeout = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            let digits = &value[..value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len())];
            name.trim().eq_ignore_ascii_case("timeout").then(|| digits.parse().ok())?
        });
        Some((id, timeout.filter(|seconds| *seconds > 0)))
    }
}

/// The length of the body that a head announces.
#[must_use]
pub fn content_length(head: &[u8]) -> usize {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let mut lengths = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), &line[colon + 1..]);
        name.eq_ignore_ascii_case(b"Content-Length").then(|| str::from_utf8(value.trim_ascii()).ok()?.parse().ok())?
    });
    lengths.next().unwrap_or(0)
}

/// A text of the peer's for people: one line, and not longer than it is useful.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text),
    }
}

fn read_start(line: &str) -> Option<Start> {
    let (first, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim();
    if first.len() >= 5 && first.as_bytes()[..5].eq_ignore_ascii_case(b"RTSP/") {
        let (status, phrase) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let status = status.parse().ok().filter(|status| (100..=999).contains(status))?;
        return Some(Start::Answer { status, phrase: shown(phrase.trim()) });
    }
    let is_method = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    is_method.then(|| Start::Request { method: first.to_ascii_uppercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &str) -> Message {
        Message::read(head.as_bytes(), b"").expect("a message")
    }

    #[test]
    fn status_line_without_phrase_or_with_blanks_is_read() {
        for (line, status, phrase) in [
            ("RTSP/1.0 200 OK\r\n", 200, "OK"),
            ("RTSP/1.0 200\r\n", 200, ""),
            ("RTSP/1.0  404   Not Found \n", 404, "Not Found"),
            ("rtsp/2.0 454 Session Not Found", 454, "Session Not Found"),
            ("RTSP/1.0 401 \u{1b}[2J", 401, "\u{fffd}[2J"),
        ] {
            assert_eq!(message(line).start, Start::Answer { status, phrase: phrase.into() }, "{line:?}");
        }
        for line in ["", "RTSP/1.0", "RTSP/1.0 abc", "RTSP/1.0 99", "HTTP/1.1 200 OK", "$\0\0\x0c"] {
            assert_eq!(Message::read(line.as_bytes(), b""), None, "{line:?}");
        }
        assert_eq!(message("options rtsp://x RTSP/1.0").start, Start::Request { method: "OPTIONS".into() });
    }

    #[test]
    fn headers_are_found_in_any_case_and_with_blanks() {
        let message = message("RTSP/1.0 200 OK\ncseq : 3 \nWWW-Authenticate: a\nno colon\nwww-authenticate:b\n c\n\n");
        assert_eq!(message.header("CSeq"), Some("3"));
        assert_eq!(message.all("WWW-Authenticate").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(message.header("Session"), None);
    }

    #[test]
    fn session_timeout_is_read_with_blanks_and_other_parameters() {
        for (value, expected) in [
            ("77", Some(("77", None))),
            ("77;timeout=60", Some(("77", Some(60)))),
            ("77;timeout=60;x=y", Some(("77", Some(60)))),
            (" 77 ; x=y ; Timeout = 10 ", Some(("77", Some(10)))),
            ("77;timeout=\"30\"", Some(("77", Some(30)))),
            ("77;timeout=30s", Some(("77", Some(30)))),
            ("77;timeout=0", Some(("77", None))),
            ("77;timeout=99999999999", Some(("77", None))),
            (";timeout=3", None),
        ] {
            let message = message(&format!("RTSP/1.0 200 OK\r\nSession: {value}\r\n"));
            assert_eq!(message.session(), expected, "{value}");
        }
    }

    #[test]
    fn content_length_is_read_in_any_case() {
        for (head, length) in [
            ("RTSP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", 12),
            ("RTSP/1.0 200 OK\ncontent-length :7 \n\n", 7),
            ("RTSP/1.0 200 OK\r\n\r\n", 0),
            ("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", 0),
        ] {
            assert_eq!(content_length(head.as_bytes()), length, "{head:?}");
        }
    }

    #[test]
    fn texts_of_the_peer_are_bounded_and_escaped() {
        assert_eq!(shown("Not Found"), "Not Found");
        let text = shown(&"é\n".repeat(1000));
        assert!(text.chars().count() <= 121 && !text.contains('\n'), "{text}");
    }
}
