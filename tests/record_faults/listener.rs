//! Attacks on the listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::Running;
use crate::support::site::{QUICK, Site, free_port, get, wait_for};

/// A recorder that listens, whose one camera is off.
fn start() -> (Site, Running, u16) {
    let site = Site::with(QUICK, &[("yard", "url = \"rtsp://viewer:s3cr3t@127.0.0.1:1/x\"")]);
    let port = free_port();
    site.prepend(&format!("listen = \"127.0.0.1:{port}\""));
    let running = site.start(&[]);
    wait_for("an answer", || get(port, "/metrics"));
    (site, running, port)
}

/// All that comes back for these bytes.
fn ask(port: u16, request: impl AsRef<[u8]>) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = socket.write_all(request.as_ref());
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[test]
fn listen_serves_only_known_paths() {
    let (_site, _running, port) = start();
    for path in [
        "/../../etc/passwd",
        "/camera/../../../../etc/passwd/frame",
        "/camera/%2e%2e%2f%2e%2e%2fetc%2fpasswd/frame",
        "/camera/yard/../../footage.toml",
        "/camera/yard%00/frame",
        "//etc/passwd",
        "/footage.toml",
        "/.footage/record.json",
        "file:///etc/passwd",
        "/camera/x%0d%0aSet-Cookie:%20a=b/frame",
        "/camera/<script>alert(1)</script>/frame",
    ] {
        let answer = ask(port, format!("GET {path} HTTP/1.1\r\n\r\n"));
        assert_eq!(status(&answer), 404, "{path}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Set-Cookie") && !body.contains("root:") && body.lines().count() == 1, "{answer}");
        // A browser shows it as text.
        assert!(head.contains("Content-Type: text/plain") && head.contains("nosniff"), "{answer}");
    }
    for path in ["/metrics", "/cameras.json", "/healthz", "/", "/camera/yard/fps"] {
        let answer = ask(port, format!("GET {path} HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n"));
        assert!(!answer.contains("s3cr3t") && !answer.contains("viewer"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
    }
}

#[test]
fn listen_is_read_only_and_bounds_requests() {
    let (_site, running, port) = start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PRI"] {
        let answer = ask(port, format!("{method} /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!(status(&answer), 405, "{method}: {answer}");
    }
    assert_eq!(status(&ask(port, format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)))), 431);
    assert_eq!(status(&ask(port, format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(10_000)))), 431);
    assert_eq!(status(&ask(port, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0\r\n\r\n")), 400);
    // One request a connection, whatever else the client sends.
    let two = ask(port, "GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(two.matches("HTTP/1.1 ").count(), 1, "{two}");
    assert!(!running.ends_within(Duration::ZERO), "{}", running.stderr());
}

/// Connections that send a letter now and then, and more of them than one client may have.
#[test]
fn slow_http_clients_do_not_block_others() {
    let (_site, running, port) = start();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for letter in "GET /met".bytes() {
        for socket in &mut slow {
            let _ = socket.write_all(&[letter]);
        }
        let began = Instant::now();
        assert!(get(port, "/metrics").is_some_and(|answer| answer.status == 200));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap().count();
    assert!(open < 60, "{open} files are open");
    // A client that has sent no complete request for ten seconds is disconnected.
    wait_for("their end", || slow.iter().all(is_over).then_some(()));
}

/// Whether the other side has closed.
fn is_over(mut socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    match socket.read(&mut [0; 100]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// A page on the web may have its own name mean 127.0.0.1 once it is loaded, and then its browser asks here under that
/// name and lets it read the answer.
#[test]
fn listen_on_loopback_refuses_other_host_headers() {
    let (_site, _running, port) = start();
    for (host, expected) in [
        ("127.0.0.1", 200),
        (&format!("127.0.0.1:{port}"), 200),
        ("localhost", 200),
        (&format!("LOCALHOST:{port}"), 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("evil.example", 421),
        (&format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ] {
        let answer = ask(port, format!("GET /cameras.json HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(status(&answer), expected, "{host}: {answer}");
        assert_eq!(answer.contains("yard"), expected == 200, "{host}: {answer}");
    }
    let two = "GET /cameras.json HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n";
    assert_eq!(status(&ask(port, two)), 421);
    assert_eq!(status(&ask(port, "GET /cameras.json HTTP/1.0\r\n\r\n")), 200);
}

/// A listener on the network answers requests for any host name.
#[test]
fn listen_on_all_interfaces_accepts_any_host_header() {
    let site = Site::with(QUICK, &[("yard", "url = \"rtsp://127.0.0.1:1/x\"")]);
    let port = free_port();
    site.prepend(&format!("listen = \"0.0.0.0:{port}\""));
    let _running = site.start(&[]);
    wait_for("an answer", || get(port, "/metrics"));
    assert_eq!(status(&ask(port, "GET /cameras.json HTTP/1.1\r\nHost: nvr.lan:8080\r\n\r\n")), 200);
}
