//! TLS servers: one with an untrusted certificate, and TLS in front of any server with certificates of an authority of our own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{Program, Scratch};

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

/// A certificate and its key, as files.
pub(crate) struct Certificate {
    pub(crate) path: PathBuf,
    key: PathBuf,
}

/// An authority of our own: `ca.pem`, and the certificates that it makes for 127.0.0.1 and localhost.
pub(crate) struct Authority<'a> {
    scratch: &'a Scratch,
    /// What clients trust.
    pub(crate) path: PathBuf,
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

impl<'a> Authority<'a> {
    pub(crate) fn new(scratch: &'a Scratch) -> Self {
        let path = own_signed(scratch, "ca", "/CN=Home CA", &["-days", "3650"]).path;
        Self { scratch, path }
    }

    /// A certificate for these names, as openssl writes them: `IP:127.0.0.1,DNS:localhost`.
    pub(crate) fn sign(&self, name: &str, names: &str) -> Certificate {
        self.sign_by_a_clock("+0d", name, names)
    }

    /// One that is made by a clock that is so far off, `+100d`, and valid for 30 days from then.
    pub(crate) fn sign_by_a_clock(&self, offset: &str, name: &str, names: &str) -> Certificate {
        let file = |ending: &str| self.scratch.join(format!("{name}.{ending}"));
        let names = self.scratch.write(format!("{name}.names"), format!("subjectAltName={names}"));
        let request = Program::new("openssl").arg("req").args(NEW_KEY).args(["-subj", "/CN=nas", "-keyout"]);
        request.arg(file("key")).arg("-out").arg(file("csr")).run().expect_code(0);
        let sign = Program::new("faketime").args(["-f", offset, "openssl", "x509", "-req", "-days", "30", "-CA"]);
        let sign = sign.arg(&self.path).arg("-CAkey").arg(self.scratch.join("ca.key")).arg("-extfile").arg(names);
        sign.arg("-in").arg(file("csr")).arg("-out").arg(file("pem")).run().expect_code(0);
        Certificate { path: file("pem"), key: file("key") }
    }
}

/// A certificate that is signed by its own key.
pub(crate) fn own_signed(scratch: &Scratch, name: &str, subject: &str, options: &[&str]) -> Certificate {
    let file = |ending: &str| scratch.join(format!("{name}.{ending}"));
    let program = Program::new("openssl").args(["req", "-x509"]).args(NEW_KEY).args(["-subj", subject]);
    let program = program.args(options).arg("-keyout").arg(file("key")).arg("-out").arg(file("pem"));
    program.run().expect_code(0);
    Certificate { path: file("pem"), key: file("key") }
}

/// TLS in front of a server of 127.0.0.1; it ends when it is dropped.
pub(crate) struct TlsRelay {
    port: u16,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl TlsRelay {
    pub(crate) fn start(certificate: &Certificate, server_port: u16) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/relay.py"))
            .args([&certificate.path, &certificate.key])
            .arg(server_port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is missing: run tests/setup");
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let port = lines.next().and_then(|line| line.parse().ok()).expect("a port");
        thread::spawn(move || lines.for_each(drop));
        Self { port, child, _stdin: stdin }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `https://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

impl Drop for TlsRelay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
