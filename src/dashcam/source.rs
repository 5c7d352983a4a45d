//! What a pass fetches from. Implemented by [`blackvue`](super::blackvue), over HTTP, and [`card`](super::card), in a reader.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;

use super::address::Address;
use super::listing::Listing;
use super::name::{FileName, Format};
use crate::error::Result;

/// A dashcam, wherever its recordings are read from. It is only read.
pub trait Source: fmt::Debug {
    /// The recordings and sidecars that it has now.
    ///
    /// # Errors
    /// [`Error::Away`](crate::error::Error::Away) when it does not answer, [`Error::Source`](crate::error::Error::Source)
    /// when the answer is no listing.
    fn list(&mut self) -> Result<Offer>;

    /// Opens a file from byte `from` on. `video` is the recording that it belongs to.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn open(&self, file: FileName, video: FileName, from: u64) -> Result<Opened, Refusal>;

    /// The length of a file now, in bytes; none where the source does not report it.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn length(&self, file: FileName, video: FileName) -> Result<Option<u64>, Refusal>;

    /// Whether it still answers: one request, and an answer of whatever kind.
    ///
    /// # Errors
    /// In words, why it does not.
    fn answers(&self) -> Result<(), String>;

    /// Whether to read all of a file again costs no more than reading it here: of a card, and not of a camera on Wi-Fi.
    fn is_local(&self) -> bool;

    /// Whether this is the source behind an address.
    fn is_at(&self, address: &Address) -> bool;
}

/// What a source has.
#[derive(Debug, Default)]
pub struct Offer {
    /// The recordings, and the lines of the listing that are none.
    pub listing: Listing,
    /// The files beside the videos.
    pub sidecars: Sidecars,
}

/// Which sidecars to ask for.
#[derive(Debug)]
pub enum Sidecars {
    /// The source does not list them; these formats can be asked for.
    Ask(Vec<Format>),
    /// Exactly these exist.
    Listed(HashSet<FileName>),
}

impl Default for Sidecars {
    fn default() -> Self {
        Self::Listed(HashSet::new())
    }
}

impl Sidecars {
    /// Whether it makes sense to ask for this one.
    #[must_use]
    pub fn may_have(&self, sidecar: FileName) -> bool {
        match self {
            Self::Ask(formats) => formats.contains(&sidecar.format()),
            Self::Listed(names) => names.contains(&sidecar),
        }
    }
}

/// A file of the source, open for reading from `start`.
pub struct Opened {
    /// Where the body begins. It may be 0 although another place was asked for.
    pub start: u64,
    /// The length of the whole file, where the source announced one.
    pub total: Option<u64>,
    /// What distinguishes this content from another of the same length: an `ETag` or `Last-Modified`.
    pub validator: Option<String>,
    /// A broken connection can be distinguished from the end of the body even without a length (chunked).
    pub is_framed: bool,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("start", &self.start).field("total", &self.total).finish_non_exhaustive()
    }
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The connection broke or never was: the camera may have left.
    Lost(String),
    /// The source has no such file (404, or metadata without this kind).
    Absent,
    /// 204: the recording is empty.
    Empty,
    /// Another status: 5xx means corrupt on the card.
    Status(u16),
    /// An answer that footage does not follow.
    Refused(String),
}
