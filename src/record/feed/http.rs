//! One GET over HTTP/1.1 whose answer does not end, without I/O: cameras that send JPEG after JPEG.
//!
//! Names are not looked up and connections not made here. What is read of an answer is its status, where it redirects to,
//! how it wants a login, its type, and whether its body comes in chunks (RFC 9112, 7.1).

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ureq::http::Uri;

use crate::proxy::Proxy;
use crate::rtsp::Login;
use crate::rtsp::auth::Challenge;

/// A head is no longer than this, and has no more headers.
const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
const MAX_REDIRECTS: u32 = 3;
/// A line that tells the length of a chunk.
const MAX_CHUNK_LINE_BYTES: usize = 1024;
/// What may not stand in a request as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// What an answer brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HttpEvent<'a> {
    /// Connect to this place and send [`HttpGet::request`]; an earlier connection is to be closed.
    Connect {
        /// A name or an address.
        host: String,
        /// Of TCP.
        port: u16,
    },
    /// The body begins.
    Head {
        /// `Content-Type`
        content_type: Option<String>,
    },
    /// Bytes of the body.
    Body(&'a [u8]),
    /// The body is complete.
    End,
    /// It is refused, or makes no sense: why.
    Failed(String),
}

/// One GET.
pub(super) struct HttpGet {
    uri: Uri,
    login: Option<Login>,
    challenge: Option<Challenge>,
    random: u64,
    redirects: u32,
    head: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// A body that ends with the connection.
    Body,
    /// A line with the length of the next chunk.
    ChunkLine,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Done,
}

impl HttpGet {
    /// For `http://[user:password@]host[:port]/…`; none for another scheme.
    pub(super) fn new(url: &str, random: u64) -> Option<Self> {
        let login = Login::of_url(url);
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let plain = format!("{scheme}://{}", utf8_percent_encode(&rest[host..], ESCAPED));
        let uri: Uri = plain.parse().ok()?;
        (uri.scheme_str() == Some("http") && uri.host().is_some()).then_some(Self {
            uri,
            login,
            challenge: None,
            random,
            redirects: 0,
            head: Vec::new(),
            state: State::Head,
        })
    }

    /// What it asks for now.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Where to connect to.
    pub(super) fn place(&self) -> (String, u16) {
        let host = self.uri.host().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']').to_owned(), self.uri.port_u16().unwrap_or(80))
    }

    /// What to send on a new connection to the host, or to a proxy that forwards it.
    pub(super) fn request(&self, proxy: Option<&Proxy>) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.is_empty() { "/" } else { path };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let login = match (&self.login, &self.challenge) {
            (Some(login), Some(challenge)) => challenge.answer(login, "GET", path, 1, self.random),
            // Most cameras that ask for a login want a basic one, and some ask for none but serve another picture.
            (Some(login), None) => crate::login::basic(&format!("{}:{}", login.user.reveal(), login.password.reveal())),
            (None, _) => String::new(),
        };
        let login = if login.is_empty() { login } else { format!("Authorization: {login}\r\n") };
        let target = if proxy.is_some() { format!("http://{authority}{path}") } else { path.to_owned() };
        let proxy_login = proxy.and_then(Proxy::authorization);
        let proxy_login = proxy_login.map(|login| format!("Proxy-Authorization: {login}\r\n")).unwrap_or_default();
        format!(
            "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: footage/{}\r\nAccept: */*\r\n\
             {proxy_login}{login}Connection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Takes what has come on the connection.
    pub(super) fn on_bytes(&mut self, mut bytes: &[u8], events: &mut dyn FnMut(HttpEvent<'_>)) {
        while !bytes.is_empty() {
            match self.state {
                State::Done => return,
                State::Head => bytes = self.on_head(bytes, events),
                State::Body => {
                    events(HttpEvent::Body(bytes));
                    return;
                }
                State::Chunk(left) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    events(HttpEvent::Body(&bytes[..n]));
                    bytes = &bytes[n..];
                    let left = left - n as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                }
                State::ChunkEnd | State::ChunkLine => bytes = self.on_chunk_line(bytes, events),
            }
        }
    }

    /// The connection was closed.
    pub(super) fn on_closed(&mut self, events: &mut dyn FnMut(HttpEvent<'_>)) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => {}
            State::Head => events(HttpEvent::Failed("the camera closed the connection without an answer".to_owned())),
            _ => events(HttpEvent::End),
        }
    }

    fn on_head<'a>(&mut self, bytes: &'a [u8], events: &mut dyn FnMut(HttpEvent<'_>)) -> &'a [u8] {
        let before = self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD_BYTES + 1 - before.min(MAX_HEAD_BYTES))]);
        let head = std::mem::take(&mut self.head);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let parsed = httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut answer, &head);
        match parsed {
            Ok(httparse::Status::Partial) if head.len() > MAX_HEAD_BYTES => {
                self.fail("the head of its answer is longer than 64 KiB".to_owned(), events);
                &[]
            }
            Ok(httparse::Status::Partial) => {
                self.head = head;
                &[]
            }
            Ok(httparse::Status::Complete(length)) => {
                self.answered(&answer, events);
                // The body of a refusal or a redirect is of no use: the next answer comes on another connection.
                if self.state == State::Head {
                    return &[];
                }
                &bytes[length.saturating_sub(before).min(bytes.len())..]
            }
            Err(_) => {
                let start = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
                self.fail(format!("the camera does not speak HTTP: {start:?}"), events);
                &[]
            }
        }
    }

    fn fail(&mut self, why: String, events: &mut dyn FnMut(HttpEvent<'_>)) {
        self.state = State::Done;
        events(HttpEvent::Failed(why));
    }

    fn answered(&mut self, answer: &httparse::Response<'_, '_>, events: &mut dyn FnMut(HttpEvent<'_>)) {
        let all = |name: &'static str| {
            let named = answer.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
            named.filter_map(|header| std::str::from_utf8(header.value).ok())
        };
        let status = answer.code.unwrap_or(0);
        let phrase: String = answer.reason.unwrap_or("").chars().filter(|c| !c.is_control()).take(80).collect();
        match status {
            200..=299 => {
                let is_chunked = all("transfer-encoding").any(|coding| coding.to_ascii_lowercase().contains("chunked"));
                self.state = if is_chunked { State::ChunkLine } else { State::Body };
                events(HttpEvent::Head { content_type: all("content-type").next().map(ToOwned::to_owned) });
            }
            301 | 302 | 303 | 307 | 308 if self.redirects < MAX_REDIRECTS => {
                let target = all("location").next().and_then(|location| self.redirected(location));
                match target {
                    Some(target) => {
                        let is_elsewhere = target.authority() != self.uri.authority();
                        if is_elsewhere {
                            // A password is for the host that it was meant for.
                            (self.login, self.challenge) = (None, None);
                        }
                        self.uri = target;
                        self.redirects += 1;
                        self.state = State::Head;
                        let (host, port) = self.place();
                        events(HttpEvent::Connect { host, port });
                    }
                    None => self.fail(format!("{status} redirects to what is no http address"), events),
                }
            }
            401 if self.login.is_some() && self.challenge.is_none() => {
                let challenge = Challenge::best(all("www-authenticate"));
                match challenge {
                    Some(challenge) if challenge.scheme != crate::rtsp::auth::Scheme::Basic => {
                        self.challenge = Some(challenge);
                        let (host, port) = self.place();
                        events(HttpEvent::Connect { host, port });
                    }
                    _ => self.fail(format!("401 {phrase}: the camera refuses this user and password"), events),
                }
            }
            401 if self.login.is_none() => {
                self.fail(format!("401 {phrase}: the camera asks for a user and a password"), events);
            }
            401 => self.fail(format!("401 {phrase}: the camera refuses this user and password"), events),
            _ => self.fail(format!("{status} {phrase}").trim_end().to_owned(), events),
        }
    }

    fn redirected(&self, location: &str) -> Option<Uri> {
        let authority = self.uri.authority()?;
        let text =
            if location.starts_with('/') { format!("http://{authority}{location}") } else { location.to_owned() };
        let uri: Uri = text.parse().ok()?;
        (uri.scheme_str() == Some("http") && uri.host().is_some()).then_some(uri)
    }

    fn on_chunk_line<'a>(&mut self, bytes: &'a [u8], events: &mut dyn FnMut(HttpEvent<'_>)) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        self.head.extend_from_slice(&bytes[..end.map_or(bytes.len(), |end| end + 1).min(MAX_CHUNK_LINE_BYTES)]);
        let Some(end) = end else {
            if self.head.len() >= MAX_CHUNK_LINE_BYTES {
                self.fail("its chunks make no sense".to_owned(), events);
            }
            return &[];
        };
        let line = std::mem::take(&mut self.head);
        let line = String::from_utf8_lossy(&line);
        let line = line.split(';').next().unwrap_or_default().trim();
        let rest = &bytes[end + 1..];
        match (self.state, line) {
            (State::ChunkEnd, "") => self.state = State::ChunkLine,
            (_, line) => match u64::from_str_radix(line, 16) {
                Ok(0) => {
                    self.state = State::Done;
                    events(HttpEvent::End);
                }
                Ok(length) => self.state = State::Chunk(length),
                Err(_) => self.fail("its chunks make no sense".to_owned(), events),
            },
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of an answer that arrives in pieces of so many bytes, the body joined.
    fn read(get: &mut HttpGet, answer: &[u8], piece: usize) -> (Vec<String>, Vec<u8>) {
        let (mut told, mut body) = (Vec::new(), Vec::new());
        let mut take = |event: HttpEvent<'_>| match event {
            HttpEvent::Body(bytes) => body.extend_from_slice(bytes),
            other => told.push(format!("{other:?}")),
        };
        for piece in answer.chunks(piece.max(1)) {
            get.on_bytes(piece, &mut take);
        }
        get.on_closed(&mut take);
        (told, body)
    }

    fn get(url: &str) -> HttpGet {
        HttpGet::new(url, 7).expect("an address")
    }

    #[test]
    fn chunked_bodies_are_joined_whatever_the_pieces() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for piece in 1..answer.len() {
            let (told, body) = read(&mut get("http://cam/"), answer, piece);
            assert_eq!(body, b"hello world");
            assert_eq!(told, [r#"Head { content_type: Some("image/jpeg") }"#, "End"]);
        }
    }

    #[test]
    fn an_answer_of_http_1_0_with_bare_line_ends_is_read() {
        let (told, body) = read(&mut get("http://cam"), b"HTTP/1.0 200\nServer : x\n\nbody", 3);
        assert_eq!((told.last().map(String::as_str), body.as_slice()), (Some("End"), b"body".as_slice()));
    }

    #[test]
    fn the_reason_of_a_refusal_is_its_status() {
        for (status, url, why) in [
            ("404 Not Found", "http://cam/", "404 Not Found"),
            ("401 Unauthorized", "http://cam/", "401 Unauthorized: the camera asks for a user and a password"),
            ("401 Unauthorized", "http://u:p@cam/", "401 Unauthorized: the camera refuses this user and password"),
        ] {
            let (told, _) = read(&mut get(url), format!("HTTP/1.1 {status}\r\n\r\n").as_bytes(), 1000);
            assert_eq!(told, [format!("Failed({why:?})")]);
        }
        let (told, _) = read(&mut get("http://cam/"), b"HTTP/1.1 503 \x1b[2J\r\n\r\n", 1000);
        assert!(!told[0].contains('\x1b') && told[0].starts_with("Failed("), "{told:?}");
        let (told, _) = read(&mut get("http://cam/"), b"SSH-2.0-x\r\n", 1000);
        assert_eq!(told, [r#"Failed("the camera does not speak HTTP: \"SSH-2.0-x\\r\\n\"")"#]);
    }

    #[test]
    fn a_redirect_to_another_host_gets_no_password() {
        let mut camera = get("http://user:pass@cam:81/a?b=c");
        assert!(camera.request(None).contains("Authorization: Basic dXNlcjpwYXNz\r\n"), "{}", camera.request(None));
        let (told, _) = read(&mut camera, b"HTTP/1.1 302 Found\r\nLocation: /other\r\n\r\n<html>moved", 1000);
        assert_eq!(told[0], r#"Connect { host: "cam", port: 81 }"#);
        assert!(camera.request(None).starts_with("GET /other HTTP/1.1\r\nHost: cam:81\r\n"));
        assert!(camera.request(None).contains("Authorization"));
        let mut camera = get("http://user:pass@cam/");
        read(&mut camera, b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n", 1000);
        assert!(!camera.request(None).contains("Authorization"));
    }

    #[test]
    fn a_digest_is_answered_once() {
        let mut camera = get("http://user:pass@cam/stream");
        let asks =
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n\r\n<html>no";
        let (told, _) = read(&mut camera, asks, 1000);
        assert_eq!(told[0], r#"Connect { host: "cam", port: 80 }"#);
        assert!(camera.request(None).contains("Authorization: Digest "), "{}", camera.request(None));
        camera.state = State::Head;
        let (told, _) = read(&mut camera, asks, 1000);
        assert!(told[0].contains("refuses this user"), "{told:?}");
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>, piece in 1_usize..50) {
            read(&mut get("http://cam/"), &bytes, piece);
            let chunks = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
            read(&mut get("http://cam/"), &chunks, piece);
        }
    }
}
