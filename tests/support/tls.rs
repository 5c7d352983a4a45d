//! A TLS server with an untrusted certificate.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A server; it ends when it is dropped.
pub(crate) struct SelfSigned {
    port: u16,
    lines: Receiver<String>,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl SelfSigned {
    pub(crate) fn start() -> Self {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls");
        let mut child = Command::new("/usr/bin/python3")
            .args([format!("{here}/server.py"), format!("{here}/self-signed.pem")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is missing: run tests/setup");
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        let mut read = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let port = read.next().and_then(|line| line.parse().ok()).expect("a port");
        thread::spawn(move || read.for_each(|line| drop(sender.send(line))));
        Self { port, lines, child, _stdin: stdin }
    }

    /// `https://USER@127.0.0.1:PORT`
    pub(crate) fn url(&self, user: &str) -> String {
        format!("https://{user}127.0.0.1:{}", self.port)
    }

    /// Waits until a client that trusts it sends this.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str) {
        let heard = |line: String| line.starts_with("heard") && line.contains(wanted);
        let next = || self.lines.recv_timeout(Duration::from_secs(10)).expect("no client sent it");
        while !heard(next()) {}
    }

    /// Asserts that a client connected, and sent nothing because it does not trust the certificate.
    #[track_caller]
    pub(crate) fn assert_not_trusted(&self) {
        let first = self.lines.recv_timeout(Duration::from_secs(10)).expect("no client connected");
        for line in std::iter::once(first).chain(self.lines.try_iter()) {
            assert!(line.starts_with("refused"), "{line}");
        }
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
