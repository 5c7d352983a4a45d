//! What a pass fetches from: a camera on the network, or its card in a reader. One surface for both.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use super::address::Address;
use super::camera::{self, Camera};
use super::card::Card;
use super::listing::Listing;
use super::name::{FileName, Format};
use crate::error::{Error, Result};

/// What a source has.
#[derive(Debug, Default)]
pub struct Offer {
    /// The recordings and what of the listing could not be read.
    pub listing: Listing,
    /// The files beside the videos.
    pub sidecars: Sidecars,
}

/// Which sidecars to ask for.
#[derive(Debug)]
pub enum Sidecars {
    /// The source does not say which exist; these formats can be asked for.
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
    /// What tells this content from another of the same length: an `ETag` or `Last-Modified`.
    pub validator: Option<String>,
    /// The end of the body can be told from a broken connection even without a length (chunked).
    pub is_framed: bool,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("start", &self.start).field("total", &self.total).finish_non_exhaustive()
    }
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The connection broke or never was: the camera may have left.
    Lost(String),
    /// It has no such file (404, or metadata without this kind).
    Absent,
    /// 204: the recording is empty.
    Empty,
    /// Another status: 5xx means corrupt on the card.
    Status(u16),
    /// An answer we do not follow.
    Refused(String),
}

/// A source.
#[derive(Debug)]
pub enum Source {
    /// Over HTTP.
    Camera(Camera),
    /// A mounted card.
    Card(Card),
}

/// What to add where a card was named without its slash, and taken for a host.
fn hint(address: &Address) -> String {
    let Address::Http(_) = address else { return String::new() };
    let host = address.to_string();
    if Path::new(&host).is_dir() {
        format!("; there is a directory of this name: write ./{host}")
    } else {
        String::new()
    }
}

impl Source {
    /// The first address that answers, and what it has.
    ///
    /// # Errors
    /// [`Error::Away`] when none answers, [`Error::Source`] when one does that is no camera.
    pub fn connect<'a>(addresses: impl IntoIterator<Item = &'a Address>, http: &camera::Http) -> Result<(Self, Offer)> {
        let mut away = Vec::new();
        let mut no_camera = None;
        for address in addresses {
            let found = match address {
                Address::Http(url) => Camera::connect(url, http).map(|(camera, offer)| (Self::Camera(camera), offer)),
                Address::Directory(path) => Card::insert(path).map(|(card, offer)| (Self::Card(card), offer)),
            };
            match found {
                Err(Error::Away(cause)) => away.push(cause + &hint(address)),
                Err(Error::Source(cause)) => no_camera = no_camera.or(Some(Error::Source(cause + &hint(address)))),
                other => return other,
            }
            http.stop.check()?;
        }
        Err(no_camera.unwrap_or_else(|| Error::Away(away.join("; "))))
    }

    /// Whether this is the source behind an address.
    #[must_use]
    pub fn is_at(&self, address: &Address) -> bool {
        match (self, address) {
            (Self::Camera(camera), Address::Http(url)) => camera.is_at(url),
            (Self::Card(card), Address::Directory(path)) => card.is_at(path),
            _ => false,
        }
    }

    /// Whether the source still answers: one request, one answer of whatever kind.
    pub fn answers(&self) -> Result<(), String> {
        match self {
            Self::Camera(camera) => camera.answers(),
            Self::Card(card) => card.answers(),
        }
    }

    /// Opens a file from byte `from` on. `video` is the recording it belongs to.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn open(&self, file: FileName, video: FileName, from: u64) -> Result<Opened, Trouble> {
        match self {
            Self::Camera(camera) => camera.open(file, video, from),
            Self::Card(card) => card.open(file, from),
        }
    }

    /// Whether to read all of a file again costs no more than reading it here: of a card, and not of a camera on Wi-Fi.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Card(_))
    }

    /// How long a file is now; `None` when the source does not say.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn length(&self, file: FileName, video: FileName) -> Result<Option<u64>, Trouble> {
        match self {
            Self::Camera(camera) => camera.length(file, video),
            Self::Card(card) => card.length(file),
        }
    }
}
