//! What a file on the card holds, and how a piece of it reaches a socket with little work.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// One write to a socket: large, because a benchmark measures the client beside us.
const WRITE: usize = 1 << 20;

/// A file's bytes, cheap to clone.
#[derive(Clone)]
pub(super) enum Content {
    /// `head`, then `block` again and again up to `len`: a file of any size in little memory.
    Memory { head: Arc<[u8]>, block: Arc<[u8]>, len: u64 },
    /// A file on disk, opened when it is served, so that a card may hold more files than we have descriptors.
    File { path: Arc<Path>, len: u64 },
}

impl<B: Into<Arc<[u8]>>> From<B> for Content {
    fn from(bytes: B) -> Self {
        let head = bytes.into();
        let len = head.len() as u64;
        Self::Memory { head, block: Arc::default(), len }
    }
}

impl Content {
    pub(super) fn repeating(head: Vec<u8>, block: &Arc<[u8]>, len: u64) -> Self {
        Self::Memory { head: head.into(), block: Arc::clone(block), len }
    }

    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let len = path.metadata()?.len();
        Ok(Self::File { path: path.into(), len })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory { len, .. } | Self::File { len, .. } => *len,
        }
    }

    pub(super) fn open(self) -> io::Result<Source> {
        let file = match &self {
            Self::Memory { .. } => None,
            Self::File { path, .. } => Some(File::open(path)?),
        };
        Ok(Source { content: self, file })
    }

    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Memory { len, .. } => {
                while (bytes.len() as u64) < *len {
                    bytes.extend_from_slice(self.piece(bytes.len() as u64));
                }
            }
            Self::File { path, len } => {
                File::open(path)?.take(*len).read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    }

    /// The bytes in memory from `offset` on, as far as they stand in one row.
    fn piece(&self, offset: u64) -> &[u8] {
        let Self::Memory { head, block, len } = self else {
            return &[];
        };
        let left = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let row = match head.get(start..) {
            Some(rest) if !rest.is_empty() => rest,
            _ if block.is_empty() => &[],
            _ => &block[(start - head.len()) % block.len()..],
        };
        &row[..row.len().min(left)]
    }
}

/// Content that is being served.
pub(super) struct Source {
    content: Content,
    file: Option<File>,
}

impl Source {
    /// Writes some of the bytes from `offset` on, at most `limit`, with one system call.
    pub(super) fn write_some(&self, mut to: &TcpStream, offset: u64, limit: u64) -> io::Result<u64> {
        let limit = usize::try_from(limit).unwrap_or(WRITE).min(WRITE);
        let sent = if let Some(file) = &self.file {
            let mut offset = offset;
            rustix::fs::sendfile(to, file, Some(&mut offset), limit)?
        } else {
            let piece = self.content.piece(offset);
            to.write(&piece[..piece.len().min(limit)])?
        };
        if sent == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into()); // the file on disk shrank
        }
        Ok(sent as u64)
    }
}
