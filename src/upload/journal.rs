//! The uploads of a source: `.footage/upload.journal`.
//!
//! One line of JSON for each event, appended; the last one about a file counts. The parser ignores a line that a crash cut
//! off. Without a journal the next pass requests the objects, compares ETags, and uploads nothing again. So footage syncs a
//! line only where losing it would leave something behind in the bucket: a multipart upload.
//! Several destinations can share a source: each line names its own.

mod line;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;

use self::line::{Event, Line};
use super::local::Identity;
use super::parts::Cut;
use crate::error::{At, Error, Result};
use crate::store::open::{has_one_name, open_for_appending};
use crate::store::{MAX_INDEX_BYTES, Store, read_state, write_atomically};

/// The beginning of the first line.
const HEADER: &str = "{\"journal\":\"footage upload\"";
/// The most obsolete lines to keep.
const MAX_STALE_LINES: usize = 1000;

/// How often a multipart upload may fail, see [`Policy::has_stalled`](super::plan::Policy::has_stalled).
pub const MAX_STALLS: u32 = 3;

/// A multipart upload that was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub id: String,
    /// The ETags of the parts that the server has.
    pub parts: BTreeMap<NonZeroU32, String>,
    /// The size of its parts, in bytes, where it is not the usual one.
    pub part_bytes: Option<u64>,
    /// When it was begun, in seconds since 1970.
    pub at: i64,
    /// How often it failed since the last part arrived.
    pub stalls: u32,
}

impl Begun {
    /// Whether the server has every part.
    #[must_use]
    pub fn has_all(&self, cut: Cut) -> bool {
        cut.numbers().all(|number| self.parts.contains_key(&number))
    }
}

/// The state of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Size, time and inode of the file at the last event.
    pub identity: Option<Identity>,
    /// Its key.
    pub key: String,
    /// The ETag of the object that was verified to be the file, and when, in seconds since 1970.
    pub verified: Option<(String, i64)>,
    /// A pass was about to create a multipart upload: the server may have one whose id is unknown.
    pub is_started: bool,
    /// The multipart upload in progress.
    pub begun: Option<Begun>,
    /// ETags of objects of ours under the key that are not the file.
    pub mismatched: Vec<String>,
    /// When it failed permanently, in seconds since 1970.
    pub failed: Option<i64>,
}

impl Record {
    /// Whether the file, as it is now, was verified to be in the bucket.
    #[must_use]
    pub fn verifies(&self, identity: &Identity) -> bool {
        self.verified.is_some() && self.identity.is_some_and(|then| then.looks_like(identity))
    }
}

/// The journal of one source, for one destination.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    to: String,
    records: HashMap<String, Record>,
    /// Time of the last search for abandoned uploads.
    swept: Option<i64>,
    /// Lines of other destinations, unchanged.
    others: Vec<String>,
    /// Number of lines in the file.
    lines: usize,
    file: Option<File>,
    /// The length of the file up to its last whole line.
    length: u64,
    must_sync: bool,
    /// The first error of a write.
    failure: Option<Error>,
}

impl Journal {
    /// Reads the journal of earlier passes.
    ///
    /// # Errors
    /// The file is not a journal of footage.
    pub fn load(store: &Store, to: &str) -> Result<Self> {
        let path = store.state_path("upload.journal");
        let mut bytes = read_state(&path, MAX_INDEX_BYTES).unwrap_or_default();
        // After a crash, a new journal may have zeros or a part of its first line.
        if bytes.first() == Some(&0) || HEADER.as_bytes().starts_with(&bytes) {
            bytes.clear();
        }
        if !bytes.is_empty() && !bytes.starts_with(HEADER.as_bytes()) {
            return Err(Error::Usage(format!(
                "{} is not a journal of footage, and footage does not overwrite it: remove it",
                path.display()
            )));
        }
        let mut journal = Self {
            path,
            to: to.to_owned(),
            records: HashMap::new(),
            swept: None,
            others: Vec::new(),
            lines: 0,
            file: None,
            length: 0,
            must_sync: false,
            failure: None,
        };
        // Bytes after the last line end are incomplete.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        journal.length = whole as u64;
        for line in bytes[..whole].split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty()) {
            journal.lines += 1;
            let Ok(read) = serde_json::from_slice::<Line<'_>>(line) else { continue };
            if read.to == to {
                journal.apply(&read);
            } else {
                journal.others.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        Ok(journal)
    }

    fn apply(&mut self, line: &Line<'_>) {
        if line.event == Some(Event::Swept) {
            self.swept = line.at;
            return;
        }
        if !self.records.contains_key(line.file.as_ref()) {
            self.records.insert(line.file.clone().into_owned(), Record::default());
        }
        let Some(record) = self.records.get_mut(line.file.as_ref()) else { return };
        if let (Some(size), Some(mtime), Some(ino)) = (line.size, line.mtime, line.ino) {
            record.identity = Some(Identity { size, mtime, ino });
        }
        if !line.key.is_empty() && line.key != record.key {
            record.mismatched.clear();
            record.key = line.key.clone().into_owned();
        }
        if let Some(etag) = &line.verified {
            record.verified = Some((etag.clone().into_owned(), line.at.unwrap_or(0)));
            (record.begun, record.failed, record.is_started) = (None, None, false);
            record.mismatched.clear();
        } else if let Some(id) = &line.begun {
            let (id, at) = (id.clone().into_owned(), line.at.unwrap_or(0));
            record.begun = Some(Begun { id, at, part_bytes: line.part_bytes, ..Begun::default() });
            (record.verified, record.failed, record.is_started) = (None, None, false);
        } else if line.event == Some(Event::Started) {
            (record.verified, record.is_started) = (None, true);
        } else if let (Some(part), Some(etag)) = (line.part, &line.etag) {
            if let Some(begun) = &mut record.begun {
                begun.parts.insert(part, etag.clone().into_owned());
                begun.stalls = 0;
            }
        } else if let Some(etag) = &line.mismatched {
            record.mismatched.push(etag.clone().into_owned());
            record.verified = None;
        } else if line.event == Some(Event::Failed) {
            record.failed = line.at;
            record.verified = None;
        } else if line.event == Some(Event::Stalled) {
            if let Some(begun) = &mut record.begun {
                begun.stalls = begun.stalls.saturating_add(1);
            }
        } else if line.event == Some(Event::Over) {
            (record.begun, record.verified) = (None, None);
        }
    }

    /// The record of a file.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&Record> {
        self.records.get(file)
    }

    /// Whether this is the multipart upload in progress for a file.
    #[must_use]
    pub fn has_begun(&self, file: &str, id: &str) -> bool {
        self.get(file).and_then(|record| record.begun.as_ref()).is_some_and(|begun| begun.id == id)
    }

    /// All files and their records.
    pub fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(file, record)| (file.as_str(), record))
    }

    /// Time of the last search for abandoned uploads, in seconds since 1970.
    #[must_use]
    pub fn swept(&self) -> Option<i64> {
        self.swept
    }

    /// Notes that the object was verified to be the file.
    pub fn verify(&mut self, file: &str, identity: Identity, key: &str, etag: &str, at: i64) {
        self.add(&Line { at: Some(at), verified: Some(etag.into()), ..Line::of(file, Some(identity), key) });
    }

    /// A verification in the future was noted with a wrong clock: it counts from `now` on.
    pub fn bound_times(&mut self, now: i64) {
        let from_future = self.records.iter().filter_map(|(file, record)| {
            let (etag, at) = record.verified.as_ref()?;
            let identity = record.identity.filter(|_| *at > now)?;
            Some((file.clone(), identity, record.key.clone(), etag.clone()))
        });
        for (file, identity, key, etag) in from_future.collect::<Vec<_>>() {
            self.verify(&file, identity, &key, &etag, now);
        }
    }

    /// Notes that a multipart upload is about to be created.
    pub fn start(&mut self, file: &str, identity: Identity, key: &str, at: i64) {
        self.add(&Line { at: Some(at), event: Some(Event::Started), ..Line::of(file, Some(identity), key) });
    }

    /// Notes a new multipart upload, and syncs: without its id, its parts would stay in the bucket.
    pub fn begin(&mut self, file: &str, identity: Identity, key: &str, begun: &Begun) {
        let Begun { id, part_bytes, at, .. } = begun;
        let line = Line::of(file, Some(identity), key);
        self.add(&Line { at: Some(*at), begun: Some(id.into()), part_bytes: *part_bytes, ..line });
        self.must_sync = true;
        self.sync();
    }

    /// Notes a part that the server has.
    pub fn part(&mut self, file: &str, part: NonZeroU32, etag: &str) {
        self.add(&Line { part: Some(part), etag: Some(etag.into()), ..Line::of(file, None, "") });
    }

    /// Notes that the multipart upload in progress failed, and not by the network.
    pub fn stall(&mut self, file: &str) {
        if self.get(file).is_some_and(|record| record.begun.is_some()) {
            self.add(&Line { event: Some(Event::Stalled), ..Line::of(file, None, "") });
        }
    }

    /// Notes that the upload was aborted, or that the bucket no longer has the object.
    pub fn over(&mut self, file: &str) {
        self.add(&Line { event: Some(Event::Over), ..Line::of(file, None, "") });
    }

    /// Notes that an object of ours under the key is not the file.
    pub fn mismatch(&mut self, file: &str, key: &str, etag: &str) {
        self.add(&Line { mismatched: Some(etag.into()), ..Line::of(file, None, key) });
    }

    /// Notes a failure that will last for a while.
    pub fn fail(&mut self, file: &str, identity: Identity, key: &str, at: i64) {
        self.add(&Line { at: Some(at), event: Some(Event::Failed), ..Line::of(file, Some(identity), key) });
    }

    /// Notes a search for abandoned uploads.
    pub fn sweep(&mut self, at: i64) {
        self.add(&Line { at: Some(at), event: Some(Event::Swept), ..Line::default() });
    }

    /// Why lines were lost; only the first call returns it.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Syncs the added lines to disk.
    pub fn sync(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.must_sync)
            && let Err(error) = file.sync_data().at("sync", &self.path)
        {
            self.failure.get_or_insert(error);
        }
        self.must_sync = false;
    }

    fn add(&mut self, line: &Line<'_>) {
        let line = Line {
            to: self.to.as_str().into(),
            file: line.file.as_ref().into(),
            key: line.key.as_ref().into(),
            verified: line.verified.as_deref().map(Cow::from),
            begun: line.begun.as_deref().map(Cow::from),
            etag: line.etag.as_deref().map(Cow::from),
            mismatched: line.mismatched.as_deref().map(Cow::from),
            ..*line
        };
        let text = serde_json::to_string(&line).unwrap_or_default() + "\n";
        let line: Line<'_> = serde_json::from_str(&text).unwrap_or_default();
        self.apply(&line);
        if let Err(error) = self.append(text.as_bytes()) {
            self.failure.get_or_insert(error);
        }
    }

    /// Truncates a line that could not be written in full: the next one must not become a part of it.
    fn append(&mut self, line: &[u8]) -> Result<()> {
        if self.file.is_none() {
            let file = open_for_appending(&self.path).at("open", &self.path)?;
            if !has_one_name(&file).at("open", &self.path)? {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "not a file of our own"))
                    .at("write", &self.path);
            }
            file.set_len(self.length).at("write", &self.path)?;
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let header = if self.length == 0 { format!("{HEADER},\"version\":1}}\n") } else { String::new() };
        let bytes = [header.as_bytes(), line].concat();
        if let Err(error) = file.write_all(&bytes) {
            let _ = file.set_len(self.length);
            return Err(error).at("write", &self.path);
        }
        self.length += bytes.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// After a pass: drops the records of removed files, and rewrites the journal when most lines are obsolete. A failure costs
    /// nothing.
    pub fn tidy(&mut self, is_there: impl Fn(&str) -> bool) {
        self.sync();
        self.records.retain(|file, record| record.begun.is_some() || is_there(file));
        let live: usize =
            self.records.values().map(|record| record.begun.as_ref().map_or(1, |begun| 1 + begun.parts.len())).sum();
        if self.lines < 2 * (live + self.others.len()) + MAX_STALE_LINES {
            return;
        }
        let mut text = format!("{HEADER},\"version\":1}}\n");
        let mut add = |line: &Line<'_>| {
            text.push_str(&serde_json::to_string(line).unwrap_or_default());
            text.push('\n');
        };
        let to = || Cow::from(self.to.as_str());
        if self.swept.is_some() {
            add(&Line { to: to(), at: self.swept, event: Some(Event::Swept), ..Line::default() });
        }
        for (file, record) in &self.records {
            let of = |identity| Line { to: to(), ..Line::of(file, identity, &record.key) };
            if let Some((etag, at)) = &record.verified {
                add(&Line { at: Some(*at), verified: Some(etag.as_str().into()), ..of(record.identity) });
            }
            if record.is_started {
                add(&Line { event: Some(Event::Started), ..of(record.identity) });
            }
            if let Some(begun) = &record.begun {
                add(&Line {
                    at: Some(begun.at),
                    begun: Some(begun.id.as_str().into()),
                    part_bytes: begun.part_bytes,
                    ..of(record.identity)
                });
                for (part, etag) in &begun.parts {
                    add(&Line { part: Some(*part), etag: Some(etag.as_str().into()), ..of(None) });
                }
                for _ in 0..begun.stalls.min(MAX_STALLS) {
                    add(&Line { event: Some(Event::Stalled), ..of(None) });
                }
            }
            for etag in &record.mismatched {
                add(&Line { mismatched: Some(etag.as_str().into()), ..of(None) });
            }
            if record.failed.is_some() {
                add(&Line { at: record.failed, event: Some(Event::Failed), ..of(record.identity) });
            }
        }
        for other in &self.others {
            text.push_str(other);
            text.push('\n');
        }
        self.file = None;
        match write_atomically(&self.path, text.as_bytes()) {
            Ok(()) => (self.length, self.lines) = (text.len() as u64, live + self.others.len()),
            Err(error) => log::debug!("{}", error.with_causes()),
        }
    }
}

#[cfg(test)]
mod tests;
