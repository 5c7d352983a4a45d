//! A file, or a part of one, as a request body: at the rate of `--limit-rate`, and never shorter than announced.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::hash::Digests;
use super::parts::Range;
use super::s3::Piece;
use crate::error::Error;
use crate::progress::Item;
use crate::rate::Pacer;
use crate::stop::Stop;

/// Shared by all request bodies of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// `--limit-rate`
    pub pacer: &'a Pacer,
    /// Set when the pass is to stop.
    pub stop: &'a Stop,
    /// Set when the pass has ended with an error: workers send nothing more.
    pub is_ended: &'a AtomicBool,
    /// All bytes that were sent, retries included.
    pub sent: &'a AtomicU64,
}

/// A range of an open file, hashed.
#[derive(Debug)]
pub struct FilePiece<'a> {
    file: &'a File,
    range: Range,
    sha256: String,
    md5_base64: String,
    flow: Flow<'a>,
    item: &'a Item,
    /// Set when it could not be read again as it was hashed.
    broke: Cell<Option<io::ErrorKind>>,
}

impl<'a> FilePiece<'a> {
    /// A piece with these hashes.
    #[must_use]
    pub fn new(file: &'a File, range: Range, digests: &Digests, flow: Flow<'a>, item: &'a Item) -> Self {
        let (sha256, md5_base64) = (digests.sha256.clone(), digests.md5_base64());
        Self { file, range, sha256, md5_base64, flow, item, broke: Cell::new(None) }
    }

    /// How reading it failed, if it did: the file is shorter than it was ([`io::ErrorKind::UnexpectedEof`]), or its disk is
    /// broken.
    #[must_use]
    pub fn broke(&self) -> Option<io::ErrorKind> {
        self.broke.get()
    }
}

impl Piece for FilePiece<'_> {
    fn len(&self) -> u64 {
        self.range.len
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn md5_base64(&self) -> &str {
        &self.md5_base64
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(Reader { piece: self, at: 0 })
    }
}

struct Reader<'a> {
    piece: &'a FilePiece<'a>,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let FilePiece { file, range, flow, item, broke, .. } = self.piece;
        let left = usize::try_from(range.len - self.at).unwrap_or(usize::MAX);
        let wanted = flow.pacer.at_once(buffer.len()).min(left);
        if wanted == 0 {
            return Ok(0);
        }
        if flow.is_ended.load(Ordering::Relaxed) {
            return Err(io::Error::other("the pass has ended"));
        }
        let stopped = |error: Error| io::Error::other(error.to_string());
        flow.stop.check().map_err(stopped)?;
        let bytes = file.read_at(&mut buffer[..wanted], range.start + self.at);
        // The length was announced: with fewer bytes the server would wait for the rest.
        let bytes = match bytes {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        let bytes = bytes.inspect_err(|error| broke.set(Some(error.kind())))?;
        flow.pacer.pace(bytes as u64, flow.stop).map_err(stopped)?;
        self.at += bytes as u64;
        item.advance(bytes as u64);
        flow.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
