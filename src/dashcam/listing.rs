//! Reads the listing of a camera. Pure: a reader in, names out. It is liberal and bounded, and trusts no name.
//!
//! The old API answers with lines, the new one with JSON; the text itself shows which:
//!
//! ```text
//! v:1.00                                          {"filelist":[
//! n:/Record/20181029_131513_NF.mp4,s:1000000        {"filename":"20181029_131513_NF.mp4"},
//! n:/Record/20181029_131513_NR.mp4,s:1000000        "20181029_131513_NR.mp4"]}
//! ```

mod json;

use std::io::{self, BufRead, Read};

use serde::Deserializer;

use self::json::JsonListing;
use super::name::{FileName, Format};

/// A listing larger than this is not a listing: 30,000 recordings need 1.4 MB.
pub const MAX_BYTES: u64 = 16 << 20;
/// A longer line cannot be a recording; the rest of it is skipped unread.
const MAX_LINE_BYTES: usize = 4096;
/// So many lines that cannot be read are shown; the others are counted.
const MAX_SHOWN: usize = 5;

/// What a camera has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The recordings (their videos), sorted, each once.
    pub videos: Vec<FileName>,
    /// The first lines that could not be read, shortened.
    pub unread: Vec<String>,
    /// How many lines could not be read.
    pub unread_count: usize,
    /// Nothing at all came, not even a version line.
    pub was_empty: bool,
}

/// Why a listing cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// Something came, but no line of it names a recording.
    #[error("its listing cannot be read; it begins with {0:?}")]
    Unreadable(String),
    /// It went on past [`MAX_BYTES`].
    #[error("its listing does not end ({} MiB and more)", MAX_BYTES >> 20)]
    Endless,
    /// The connection broke.
    #[error("its listing broke off: {0}")]
    Io(io::Error),
}

impl Listing {
    /// Reads a listing to its end.
    ///
    /// # Errors
    /// See [`ListingError`].
    pub fn read(reader: impl Read) -> Result<Self, ListingError> {
        let mut reader = io::BufReader::with_capacity(64 << 10, reader.take(MAX_BYTES + 1));
        let mut listing = Self::default();
        let first = reader.fill_buf().map_err(ListingError::Io)?;
        let beginning = shorten(first.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default());
        listing.was_empty = first.is_empty();
        let is_json = first.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte));
        let recognised = if is_json {
            listing.read_json(&mut reader)
        } else {
            listing.read_lines(&mut reader).map_err(ListingError::Io)
        };
        if reader.get_ref().limit() == 0 {
            return Err(ListingError::Endless);
        }
        let recognised = recognised?;
        if listing.videos.is_empty() && !listing.was_empty && (!recognised || listing.unread_count > 0) {
            return Err(ListingError::Unreadable(beginning));
        }
        listing.videos.sort_unstable();
        listing.videos.dedup();
        Ok(listing)
    }

    /// Returns whether any line looked like a listing's, if only its version.
    fn read_lines(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        let mut recognised = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line)? == 0 {
                return Ok(recognised);
            }
            if line.len() == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                skip_line(reader)?;
            }
            let text = line.trim_ascii();
            if text.starts_with(b"v:") {
                recognised = true;
            } else if let Some(entry) = text.strip_prefix(b"n:") {
                recognised = true;
                let end = entry.windows(3).rposition(|part| part == b",s:").unwrap_or(entry.len());
                // A trailing "n:" without a name occurs on some cameras.
                if !entry[..end].is_empty() {
                    self.take(&entry[..end]);
                }
            } else if !text.is_empty() {
                self.refuse(text);
            }
        }
    }

    fn read_json(&mut self, reader: &mut impl BufRead) -> Result<bool, ListingError> {
        let mut json = serde_json::Deserializer::from_reader(reader);
        match json.deserialize_any(JsonListing(self)) {
            Ok(recognised) => Ok(recognised),
            Err(error) if error.is_io() => Err(ListingError::Io(error.into())),
            // The listing broke off, or is not JSON: the recordings read so far count, and the rest is logged.
            Err(error) => {
                self.refuse(format!("{error}").as_bytes());
                Ok(!self.videos.is_empty())
            }
        }
    }

    fn take(&mut self, path: &[u8]) {
        match std::str::from_utf8(path).ok().and_then(video_of) {
            Some(video) => self.videos.push(video),
            None => self.refuse(path),
        }
    }

    fn refuse(&mut self, text: &[u8]) {
        self.unread_count += 1;
        if self.unread.len() < MAX_SHOWN {
            self.unread.push(shorten(text));
        }
    }
}

/// The recording behind a listed path: `/Record/NAME`, `Record/NAME`, `/mnt/sd/Record/NAME` or `NAME`. The folders
/// are dropped: the name alone decides what is fetched and where it is written.
fn video_of(path: &str) -> Option<FileName> {
    let name = match path.rsplit_once('/') {
        None => path,
        Some((folders, name)) => {
            let mut folders = folders.split('/');
            let last = folders.next_back()?;
            if folders.any(|folder| folder == "..") || !(last.is_empty() || last.eq_ignore_ascii_case("record")) {
                return None;
            }
            name
        }
    };
    name.parse().ok().filter(|name: &FileName| name.format() == Format::Video)
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            reader.consume(end + 1);
            return Ok(());
        }
        let all = buffer.len();
        reader.consume(all);
    }
}

fn shorten(text: &[u8]) -> String {
    const SHOWN_CHARS: usize = 80;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
