//! A real S3 server, `s3s-fs`, with the proxy that misbehaves in front of it.
//!
//! The server checks signatures, the clock, body hashes and `Content-MD5`, and keeps a bucket as a folder: what is in the
//! bucket is read from there. Keys may have 140 bytes or so, since it names files by them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::s3_proxy::Proxy;
use super::{Node, Program, Running, Scratch, tree};

/// It starts in a moment, unless the machine is busy.
const START: Duration = Duration::from_mins(1);

/// The server; it stops when it is dropped.
pub(crate) struct S3 {
    /// What stands in front of it.
    pub(crate) proxy: Proxy,
    /// Where it keeps its buckets.
    root: PathBuf,
    server: Option<Running>,
    address: SocketAddr,
}

/// The access key that the server knows.
pub(crate) const ACCESS_KEY: &str = "AKIAFOOTAGETESTS";
/// Its secret, with the letters that secrets have.
pub(crate) const SECRET_KEY: &str = "wJalr/K7MDENG+b#PxRf;CY=EXAMPLEKEY";

/// Names by which the server knows itself; under any other it takes the host for a bucket.
pub(crate) const NAMES: [&str; 4] = ["s3.test", "nas.local", "s3.localhost", "s3"];

impl S3 {
    /// Starts the server over a directory of its own in `scratch`, with one bucket.
    pub(crate) fn start(scratch: &Scratch, bucket: &str) -> Self {
        let proxy = Proxy::start();
        let root = scratch.join("s3");
        fs::create_dir_all(root.join(bucket)).expect("a directory");
        let mut s3 = Self { proxy, root, server: None, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        s3.come_back();
        s3
    }

    /// Ends the server, as a crash does; the proxy's connections are refused.
    pub(crate) fn crash(&mut self) {
        self.server = None;
    }

    /// Starts the server over what it had.
    pub(crate) fn come_back(&mut self) {
        let server = Program::new(program())
            .args(["--host", "127.0.0.1", "--port", "0", "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
            .args(NAMES.iter().flat_map(|name| ["--domain".to_owned(), self.endpoint_at(name)]))
            .arg(&self.root)
            .env("RUST_LOG", "s3s_fs=info")
            .spawn();
        let said = server.wait_for_stdout("server is running at http://127.0.0.1:", START);
        let (_, address) = said.split_once("server is running at http://").expect("waited for");
        let address = address.split_whitespace().next().and_then(|address| address.parse().ok());
        self.address = address.unwrap_or_else(|| panic!("no address in {said}"));
        self.proxy.serve(self.address);
        self.server = Some(server);
    }

    /// What a program takes for the server: `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    /// The server itself, without the proxy.
    pub(crate) fn server_endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server under one of its [`NAMES`], with the port.
    pub(crate) fn endpoint_at(&self, name: &str) -> String {
        format!("{name}:{}", self.proxy.address().port())
    }

    /// The name under which buckets are hosts: `s3.test:PORT` and `bucket.s3.test:PORT`.
    pub(crate) fn domain(&self) -> String {
        self.endpoint_at(NAMES[0])
    }

    /// Where a bucket is kept.
    pub(crate) fn bucket(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    /// The objects of a bucket by their keys.
    pub(crate) fn objects(&self, bucket: &str) -> BTreeMap<String, Node> {
        let key = |path: PathBuf| path.to_str().expect("keys are UTF-8").to_owned();
        let objects = tree(self.bucket(bucket)).into_iter().filter(|(_, node)| *node != Node::Dir);
        objects.map(|(path, node)| (key(path), node)).collect()
    }

    /// Multipart uploads that are neither complete nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap_or_default();
        let names =
            fs::read_dir(&self.root).expect("the server's directory").map(|entry| name(entry.expect("readable")));
        names.filter(|name| name.starts_with(".upload-")).count()
    }

    /// A signed request by curl, which has a signer of its own, through the proxy.
    pub(crate) fn curl(&self, path: &str, options: &[&str]) -> Program {
        Program::new("curl")
            .args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", &format!("{ACCESS_KEY}:{SECRET_KEY}")])
            .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
            .args(options)
            .arg(format!("{}{path}", self.endpoint()))
    }
}

/// In `PATH`, or where `tests/setup` has put it.
fn program() -> PathBuf {
    const NAME: &str = "s3s-fs";
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(target.join("tools/bin")).chain(std::env::split_paths(&path));
    let found = dirs.map(|dir| dir.join(NAME)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{NAME} is not there: run tests/setup"))
}
