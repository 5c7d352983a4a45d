//! What the tests stand on: the peers (a camera that misbehaves, real movies) and a harness that runs the
//! built binary. All of it may run in parallel with itself, and it waits for events, never for time to pass.

#![allow(dead_code, unused_imports, unused_macros, unreachable_pub, reason = "every test crate uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a harness panics when in trouble, says why, and has a clock"
)]

pub(crate) mod bench;
pub mod camera;
pub(crate) mod frozen;
pub(crate) mod fuzz;
pub(crate) mod hikvision;
#[cfg(target_arch = "x86_64")]
pub(crate) mod host_clock;
pub(crate) mod ip_camera;
pub(crate) mod mjpeg;
pub(crate) mod modes;
pub mod mp4;
pub(crate) mod network;
mod orders;
pub(crate) mod proxies;
pub(crate) mod raw;
pub(crate) mod responder;
pub mod rng;
pub(crate) mod rtsp;
pub(crate) mod rtsp_client;
pub(crate) mod rtsp_peer;
pub(crate) mod s3;
pub(crate) mod s3_proxy;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod uploads;

mod mount;
mod program;
mod root;
mod tree;

pub use mount::{Mount, small_tmpfs, small_tmpfs_on};
pub use program::{Output, Program, Running, peak_kib};
pub use rng::seeded;
pub(crate) use root::as_root;
pub use root::ran_as_root;
pub use tree::{Node, tree};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Names a program `ffmpeg` that is tried instead of the one in PATH, by its absolute path.
const OTHER_FFMPEG: &str = "FOOTAGE_TEST_FFMPEG";

/// A directory of its own for one test, and another for what is temporary, gone afterwards.
pub struct Scratch(tempfile::TempDir, tempfile::TempDir);

impl Scratch {
    /// Makes the directory.
    pub fn new() -> Self {
        let dir = || tempfile::tempdir().expect("a temporary directory");
        Self(dir(), dir())
    }

    /// The `TMPDIR` of what is run.
    pub fn temporary(&self) -> &Path {
        self.1.path()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in the directory.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the directories it stands in.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, bytes))
            .unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        path
    }

    /// `footage` with these arguments, to be run in the directory, in UTC, with none of our own settings, nor proxies.
    pub fn footage<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Program {
        let ours = std::env::vars_os().map(|(name, _)| name);
        let ours = ours.filter(|name| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.starts_with("footage_") || name.ends_with("_proxy") || name == "ssl_cert_file"
        });
        let program = Program::new(env!("CARGO_BIN_EXE_footage")).args(arguments).current_dir(self.path());
        let program = ours
            .fold(program, Program::env_remove)
            .env_remove("JOURNAL_STREAM")
            .env("TZ", "UTC")
            .env("TMPDIR", self.1.path());
        // The tests make and look at films with the system's ffmpeg: it is the program's that is another.
        match std::env::var_os(OTHER_FFMPEG).filter(|path| !path.is_empty()) {
            None => program,
            Some(other) => {
                let other = PathBuf::from(other);
                assert!(other.ends_with("ffmpeg") && other.is_file(), "{}: run tests/setup ffmpegs", other.display());
                let dir = other.parent().expect("a path");
                let system = std::env::var_os("PATH").unwrap_or_default();
                let dirs = std::iter::once(dir.to_owned()).chain(std::env::split_paths(&system));
                program.env("PATH", std::env::join_paths(dirs).expect("a path"))
            }
        }
    }
}
