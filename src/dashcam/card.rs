//! The dashcam's card in a card reader: `BlackVue/Record/` with every file of every recording.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::address::Address;
use super::listing::Listing;
use super::name::{FileName, Format};
use super::source::{Offer, Opened, Refusal, Sidecars, Source};
use crate::error::{At, Error, Result};
use crate::store::open::open_regular;

/// Where the recordings are below what people give us: the card, its `BlackVue` folder, or the folder itself.
const RECORD_DIRS: [&str; 2] = ["BlackVue/Record", "Record"];

/// A mounted card. It is only read.
#[derive(Debug)]
pub struct Card {
    root: PathBuf,
    record_dir: PathBuf,
}

impl Card {
    /// The card mounted at a directory. It is not looked at yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { root: path.to_owned(), record_dir: path.to_owned() }
    }

    fn open_file(&self, file: FileName) -> Result<(File, u64), Refusal> {
        let opened = open_regular(&self.record_dir.join(file.to_string())).map_err(|error| refusal(&error))?;
        let length = opened.metadata().map_err(|error| refusal(&error))?.len();
        Ok((opened, length))
    }
}

impl Source for Card {
    fn list(&mut self) -> Result<Offer> {
        let path = &self.root;
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error).at("look into", path),
            _ => {
                return Err(Error::Away(format!(
                    "there is no card at {}: insert it, or name the directory where it is mounted",
                    path.display()
                )));
            }
        }
        let record_dir = RECORD_DIRS.map(|dir| path.join(dir)).into_iter().find(|dir| dir.is_dir());
        let is_card = record_dir.is_some();
        let record_dir = record_dir.unwrap_or_else(|| path.to_owned());
        let mut listing = Listing::default();
        let mut sidecars = HashSet::new();
        for entry in fs::read_dir(&record_dir).at("list", &record_dir)? {
            let entry = entry.at("list", &record_dir)?;
            // A link could lead anywhere; a camera writes none.
            if !entry.file_type().is_ok_and(|file_type| file_type.is_file()) {
                continue;
            }
            match entry.file_name().to_str().and_then(|name| name.parse::<FileName>().ok()) {
                Some(name) if name.format() == Format::Video => listing.videos.push(name),
                Some(name) => drop(sidecars.insert(name)),
                None => log::debug!("{} on the card is not a recording", entry.file_name().display()),
            }
        }
        // An empty mount point, or some other directory.
        if !is_card && listing.videos.is_empty() {
            let text =
                format!("there is no card at {}: neither a folder BlackVue/Record nor recordings", path.display());
            return Err(Error::Away(text));
        }
        listing.videos.sort_unstable();
        self.record_dir = record_dir;
        Ok(Offer { listing, sidecars: Sidecars::Listed(sidecars) })
    }

    fn open(&self, file: FileName, _video: FileName, from: u64) -> Result<Opened, Refusal> {
        let (mut opened, total) = self.open_file(file)?;
        let start = if from <= total { from } else { 0 };
        opened.seek(SeekFrom::Start(start)).map_err(|error| refusal(&error))?;
        if total == 0 && file.format() == Format::Video {
            return Err(Refusal::Empty);
        }
        let body = Box::new(io::Read::take(opened, total - start));
        Ok(Opened { start, total: Some(total), validator: None, is_framed: true, body })
    }

    fn length(&self, file: FileName, _video: FileName) -> Result<Option<u64>, Refusal> {
        self.open_file(file).map(|(_, length)| Some(length))
    }

    fn answers(&self) -> Result<(), String> {
        fs::read_dir(&self.record_dir).map(drop).map_err(|error| format!("{}: {error}", self.record_dir.display()))
    }

    fn is_local(&self) -> bool {
        true
    }

    fn is_at(&self, address: &Address) -> bool {
        matches!(address, Address::Directory(path) if *path == self.root)
    }
}

fn refusal(error: &io::Error) -> Refusal {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Refusal::Absent,
        Some(Errno::IO | Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::NOTCONN) => {
            Refusal::Lost(error.to_string())
        }
        _ => Refusal::Refused(error.to_string()),
    }
}
