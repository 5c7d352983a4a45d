#!/bin/sh
# ureq fails a request when the interim answer 100 Continue has a header. RFC 9110 (15.2) lets interim answers have headers,
# and proxies add theirs: tinyproxy 1.11.1 sends Via with each. The final answer that follows is never looked at.
#
# Package: ureq 3.5.1, ureq-proto 0.7.1 (crates.io), without default features
# Input:   PUT with Expect: 100-continue to a server that answers 100 Continue, reads the body, and answers 200;
#          the 100 once without a header and once with Via: 1.1 proxy
# Expect:  200 twice
# Seen:    2026-11-30: 200, then the error "received headers with 100-continue response"
# Matters: large uploads of footage ask first, so that a refusal is not lost. Behind such a proxy each of them fails, and
#          small ones do not.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
ureq = { version = "=3.5.1", default-features = false }
ureq-proto = "=0.7.1"
[workspace]
EOF
cat >src/main.rs <<'EOF'
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

fn main() {
    for (name, header) in [("without a header", ""), ("with Via", "Via: 1.1 proxy\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
            }
            (&stream).write_all(format!("HTTP/1.1 100 Continue\r\n{header}\r\n").as_bytes()).unwrap();
            let mut body = [0; 5];
            if reader.read_exact(&mut body).is_ok() {
                (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        match ureq::put(&url).header("Expect", "100-continue").send("12345") {
            Ok(answer) => println!("{name}: {}", answer.status().as_u16()),
            Err(error) => println!("{name}: {error}"),
        }
        server.join().unwrap();
    }
}
EOF
CARGO_TARGET_DIR="$work/target" cargo run --quiet >seen 2>err || { cat err; exit 1; }
cat seen
cat >expected <<'EOF'
without a header: 200
with Via: protocol: received headers with 100-continue response
EOF
cmp -s seen expected || { echo "changed: ureq 3.5.1 reads an interim answer with a header"; exit 1; }
echo "as found: one header in a 100 Continue is an error"
