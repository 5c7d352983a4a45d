//! The answers of the listener: the state of the recorder in, bytes out.

use std::fmt::Write;
use std::net::IpAddr;

use crate::live::{CAMERA_VALUES, RecorderStatus};
use percent_encoding::percent_decode_str;

/// The longest request.
pub(super) const MAX_REQUEST_BYTES: usize = 8 << 10;

/// The most headers; browsers send fewer.
const MAX_HEADERS: usize = 64;

/// The page of `GET /`.
const INDEX: &str = "\
footage record

/metrics                  Prometheus
/healthz                  200 when footage of every camera arrives, 503 otherwise
/cameras.json             the cameras, for Zabbix
";

/// The hosts that a request to the listener may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// Any: it listens on the network, where it can have any name.
    Any,
    /// Those of this machine: it listens on loopback. By DNS rebinding, an attacker's page in a browser here could otherwise
    /// read the answers. The name is that of the `listen` option.
    Local(String),
}

impl Names {
    fn allow(&self, host: &[u8]) -> bool {
        let Self::Local(own) = self else { return true };
        let Ok(host) = std::str::from_utf8(host) else { return false };
        let name = host_of(host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address || [own, "localhost"].iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// The host of `host:port` and `[::1]:port`.
pub(super) fn host_of(address: &str) -> &str {
    let behind_brackets = address.rfind(']').unwrap_or(0);
    let end = address[behind_brackets..].find(':').map_or(address.len(), |at| behind_brackets + at);
    &address[..end]
}

/// The answer to a request; `None` as long as it is incomplete.
pub(super) fn answer(request: &[u8], live: &RecorderStatus, is_hung: bool, names: &Names) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let answer = match parsed.parse(request) {
        Ok(httparse::Status::Complete(_)) if !parsed.headers.iter().all(|header| is_for_us(header, names)) => {
            Answer::text(421, "unknown host name: use localhost or 127.0.0.1\n")
        }
        Ok(httparse::Status::Complete(_)) => match (parsed.method, parsed.path) {
            (Some("GET" | "HEAD"), Some(target)) => route(path(target), live, is_hung),
            _ => Answer::text(405, "only GET and HEAD are allowed\n"),
        },
        Ok(httparse::Status::Partial) if request.len() < MAX_REQUEST_BYTES => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Answer::text(431, "the request is too long\n")
        }
        Err(_) => Answer::text(400, "this is no HTTP request\n"),
    };
    Some(answer.into_bytes(parsed.method == Some("HEAD")))
}

fn is_for_us(header: &httparse::Header<'_>, names: &Names) -> bool {
    !header.name.eq_ignore_ascii_case("host") || names.allow(header.value)
}

/// The path of a request's target, without a query, and without scheme and host, which clients send to a proxy.
fn path(target: &str) -> &str {
    let without_host = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    without_host.split(['?', '#']).next().unwrap_or_default()
}

fn route(path: &str, live: &RecorderStatus, is_hung: bool) -> Answer {
    match path {
        "/" => Answer::text(200, index()),
        "/metrics" => Answer {
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            ..Answer::text(200, live.to_prometheus())
        },
        "/healthz" => health(live, is_hung),
        "/cameras.json" => Answer { content_type: "application/json", ..Answer::text(200, live.to_zabbix_discovery()) },
        _ => match path.strip_prefix("/camera/").and_then(|rest| rest.rsplit_once('/')) {
            Some((name, what)) => camera(&percent_decode_str(name).decode_utf8_lossy(), what, live),
            None => Answer::text(404, "not found; / lists every path\n"),
        },
    }
}

fn index() -> String {
    let mut text = INDEX.to_owned();
    for what in CAMERA_VALUES {
        let _ = writeln!(text, "/camera/NAME/{what}");
    }
    text
}

fn camera(name: &str, what: &str, live: &RecorderStatus) -> Answer {
    match live.camera(name).map(|camera| camera.peer_value(what)) {
        Some(Some(value)) => Answer::text(200, value),
        Some(None) => Answer::text(404, format!("a camera has {}\n", CAMERA_VALUES.join(", "))),
        None => Answer::text(404, format!("unknown camera {name:?}\n")),
    }
}

fn health(live: &RecorderStatus, is_hung: bool) -> Answer {
    if is_hung {
        return Answer::text(503, "the recorder hangs\n");
    }
    let mut text = String::new();
    for camera in live.cameras.iter().filter(|camera| !camera.is_up()) {
        let _ = write!(text, "{}: {}", camera.name, camera.state.as_str());
        if let Some(error) = &camera.last_error {
            let _ = write!(text, ": {error}");
        }
        text.push('\n');
    }
    if text.is_empty() { Answer::text(200, "ok\n") } else { Answer::text(503, text) }
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    fn into_bytes(self, without_body: bool) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            421 => "Misdirected Request",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let allow = if self.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.status,
            self.content_type,
            self.body.len(),
        );
        let body = if without_body { "" } else { &self.body };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::live::{CameraStatus, State};

    fn live(states: &[(&str, State)]) -> RecorderStatus {
        let camera = |(name, state): &(&str, State)| CameraStatus {
            name: (*name).into(),
            state: *state,
            frames: 42,
            ..CameraStatus::default()
        };
        RecorderStatus { cameras: states.iter().map(camera).collect(), ..RecorderStatus::default() }
    }

    /// Status and body.
    fn ask(request: &str, live: &RecorderStatus) -> (u16, String) {
        let bytes = answer(request.as_bytes(), live, false, &Names::Any).expect("a whole request");
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(body.is_empty() || head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{text}");
        (status, body.to_owned())
    }

    fn get(target: &str, live: &RecorderStatus) -> (u16, String) {
        ask(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), live)
    }

    #[test]
    fn each_listener_url_is_answered() {
        let live = live(&[("yard", State::Recording), ("Tür 1", State::Recording)]);
        assert_eq!(get("/camera/yard/frame", &live), (200, "42".into()));
        assert_eq!(get("/camera/T%c3%BCr%201/frame?now", &live), (200, "42".into()));
        assert_eq!(get("http://host:8080/camera/yard/dupframes", &live), (200, "0".into()));
        assert_eq!(get("/healthz", &live), (200, "ok\n".into()));
        assert_eq!(get("/cameras.json", &live).1, r#"{"data":[{"{#CAMERA}":"yard"},{"{#CAMERA}":"Tür 1"}]}"#);
        assert!(get("/metrics", &live).1.contains("footage_record_up{camera=\"yard\"} 1\n"));
        let (status, index) = get("/", &live);
        assert_eq!(status, 200);
        for word in index.split_whitespace().filter(|word| word.starts_with('/')) {
            assert_eq!(get(&word.replace("NAME", "yard"), &live).0, 200, "{word}");
        }
        for target in ["/x", "/camera/gate/frame", "/camera/yard/colour", "/camera/yard", "/camera//", "*", "/metrics/"]
        {
            assert_eq!(get(target, &live).0, 404, "{target}");
        }
    }

    #[test]
    fn health_names_failing_cameras() {
        let mut live = live(&[("a", State::Recording), ("b", State::Waiting), ("c", State::Paused)]);
        live.cameras[1].last_error = Some("Connection refused".into());
        assert_eq!(get("/healthz", &live), (503, "b: waiting: Connection refused\nc: paused\n".into()));
        assert_eq!(get("/healthz", &RecorderStatus::default()), (200, "ok\n".into()));
        let hung =
            answer(b"GET /healthz HTTP/1.0\r\n\r\n", &RecorderStatus::default(), true, &Names::Any).expect("an answer");
        assert!(hung.starts_with(b"HTTP/1.1 503 "));
    }

    #[test]
    fn other_http_methods_and_invalid_requests_are_refused() {
        let live = RecorderStatus::default();
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert_eq!(ask(&format!("{method} / HTTP/1.1\r\n\r\n"), &live).0, 405, "{method}");
        }
        assert_eq!(ask("HEAD /healthz HTTP/1.1\r\n\r\n", &live), (200, String::new()));
        assert_eq!(ask("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", &live).0, 400);
        assert_eq!(ask("GET / HTTP/9.9\r\n\r\n", &live).0, 400);
        assert_eq!(ask(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_REQUEST_BYTES)), &live).0, 431);
        assert_eq!(ask(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1)), &live).0, 431);
        for more in ["", "GET", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            assert!(answer(more.as_bytes(), &live, false, &Names::Any).is_none(), "{more:?} is not all");
        }
    }

    #[test]
    fn camera_names_in_urls_are_percent_decoded() {
        for (address, host) in [
            ("127.0.0.1:8080", "127.0.0.1"),
            ("localhost", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(host_of(address), host);
        }
        let names = Names::Local("nvr".into());
        for (host, expected) in [("nvr:1", true), ("NVR", true), ("[::1]:8", true), ("nvr.lan", false), ("::1", false)]
        {
            assert_eq!(names.allow(host.as_bytes()), expected, "{host}");
        }
        assert!(!names.allow(b"\xff") && Names::Any.allow(b"\xff"));
    }

    proptest! {
        #[test]
        fn any_http_bytes_are_read_without_a_panic(request in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&request, &RecorderStatus::default(), false, &Names::Local("x".into()));
        }

        #[test]
        fn any_http_target_is_read_without_a_panic(target in "[/%a-f0-9c:?#&.amery]{0,40}") {
            let live = live(&[("yard", State::Recording)]);
            let _ = answer(format!("GET /camera/{target} HTTP/1.1\r\n\r\n").as_bytes(), &live, false, &Names::Any);
        }
    }
}
