//! Reading at offsets: from a slice in the parsers' tests, from a file in the pass.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use crate::stop::Stop;
pub use crate::store::open::open_regular as open;
use crate::units::human_duration;

/// When to stop reading a camera's indexes: after a timeout, or when the pass is stopped.
#[derive(Debug, Clone)]
pub struct Deadline {
    began: Instant,
    patience: Duration,
    stop: Stop,
}

impl Deadline {
    /// A deadline in `patience` from now.
    #[must_use]
    pub fn after(patience: Duration, stop: &Stop) -> Self {
        Self { began: Instant::now(), patience, stop: stop.clone() }
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stop.is_requested() || self.began.elapsed() >= self.patience
    }

    /// How long reading may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }
}

/// Bytes that can be read at any offset.
pub trait ReadAt {
    /// How many bytes there are.
    fn size(&self) -> u64;
    /// Reads into `buffer` from `offset` on; fewer bytes than asked for only at the end.
    ///
    /// # Errors
    /// If the storage fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A file with the length that it had when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    size: u64,
}

impl OpenFile {
    /// A file that is open.
    ///
    /// # Errors
    /// If its length cannot be read.
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl ReadAt for OpenFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Bytes that are read until a deadline, then with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub struct ReadUntil<'a, R> {
    source: R,
    deadline: &'a Deadline,
}

impl<'a, R: ReadAt> ReadUntil<'a, R> {
    /// Reads `source` until `deadline`.
    #[must_use]
    pub fn new(source: R, deadline: &'a Deadline) -> Self {
        Self { source, deadline }
    }
}

impl<R: ReadAt> ReadAt for ReadUntil<'_, R> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_over() {
            let why = format!("reading the index takes longer than {}", human_duration(self.deadline.patience()));
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        self.source.read_at(offset, buffer)
    }
}
