//! One file from the dashcam into the destination: resumed, verified, published.
//!
//! When a transfer breaks off, footage requests the rest, as long as the camera answers and the file grows. The bytes
//! that have arrived stay as a partial file for the next pass.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::address::Address;
use super::blackvue::Http;
use super::connect::connect;
use super::name::{Entry, FileName, Format};
use super::partials::Partials;
use super::source::{Opened, Refusal, Source};
use crate::error::{At, Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::min_rate::is_too_slow;
use crate::mp4::{self, Structure};
use crate::progress::Item;
use crate::rate::Pacer;
use crate::store::open::{open_or_create, open_regular};
use crate::store::{keep_longer, publish, remove, replace};
use crate::units::ByteSize;

/// After so many bytes a partial file is synced: what a power loss can cost.
const SYNC_EVERY_BYTES: u64 = 32 << 20;
/// Up to this length a file gets no journal record: it starts over.
const SMALL_BYTES: u64 = 64 << 10;
/// No camera makes a file of this length: the announcement is wrong.
const MAX_FILE_BYTES: u64 = 64 << 30;
/// One read of the body.
const READ_BYTES: usize = 256 << 10;
/// Where the length of a file is unknown, space is requested in pieces of this size: the file may have no end.
const ROOM_BYTES: u64 = READ_BYTES as u64;
/// So many bytes before the end of a partial file are requested again and compared: a camera may answer a range with
/// the right headers and the wrong bytes.
const OVERLAP_BYTES: u64 = 256;
/// So many bytes at their beginning distinguish two recordings.
const BEGINNING_BYTES: u64 = 4 << 10;
/// A file may break off so often, each time further on, before it is left for a later pass.
const MAX_RESUMPTIONS: u32 = 100;

/// A file to download.
#[derive(Debug, Clone)]
pub struct Want {
    /// Its name.
    pub file: FileName,
    /// The recording it belongs to.
    pub video: FileName,
    /// The directory of its final name.
    pub dir: PathBuf,
    /// The directory of its partial file, when one exists elsewhere (another grouping).
    pub partial_dir: Option<PathBuf>,
    /// A damaged file has its final name: the new one replaces it.
    pub replaces: bool,
    /// It is among the newest: its sidecars may still come.
    pub is_recent: bool,
}

impl Want {
    fn partial_path(&self) -> PathBuf {
        self.partial_dir.as_ref().unwrap_or(&self.dir).join(Entry::Partial(self.file).to_string())
    }

    /// A file whose structure is broken on the camera itself is kept there.
    fn damaged_path(&self) -> PathBuf {
        self.dir.join(Entry::Damaged(self.file).to_string())
    }
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has its final name.
    Published,
    /// The camera is still writing it: for a later pass.
    StillWritten,
    /// The camera has no such file.
    Absent,
    /// There is no room for it.
    LeftOut,
    /// It failed.
    Failed(ItemFailure),
    /// It broke off, although the camera answers. The partial file stays.
    BrokeOff {
        /// What happened.
        cause: String,
        /// The length of the partial file, in bytes.
        have: u64,
    },
}

/// Asks for room for so many bytes: whether there is some, perhaps newly made.
pub type AskRoom<'a> = &'a mut dyn FnMut(u64) -> Result<bool>;

/// Downloads the files of one pass, one after the other.
#[derive(Debug)]
pub struct Downloader<'a> {
    /// Where the camera may be found when it has left one of its addresses.
    pub addresses: &'a [Address],
    /// How to talk to it.
    pub http: &'a Http,
    /// The camera.
    pub source: Box<dyn Source>,
    /// How far partial files can be trusted.
    pub partials: Partials,
    /// `--limit-rate`
    pub pacer: Pacer,
    /// One read.
    pub buffer: Vec<u8>,
    /// Bytes that came so far, of all files, whatever became of them.
    pub received: u64,
    /// How long `--limit-rate` delayed them: the camera is not slow then.
    pub paced: Duration,
}

/// A partial file, open, with `have` bytes that can be trusted.
struct Partial {
    file: File,
    path: PathBuf,
    have: u64,
    /// The body did not end in order: why.
    broke: Option<String>,
    /// Why the rest was not written.
    refused: Option<Outcome>,
}

impl Downloader<'_> {
    /// Downloads one file, and resumes it after each break as long as the camera answers, the file grows, and it does not
    /// drip.
    ///
    /// # Errors
    /// [`Error::Away`] when the camera has left, and what ends a pass: the destination failed, or a stop was asked for.
    pub fn download(&mut self, want: &Want, item: &Item, room: AskRoom<'_>) -> Result<Outcome> {
        let mut furthest = None;
        for _ in 0..MAX_RESUMPTIONS {
            let (asked, received, paced) = (Instant::now(), self.received, self.paced);
            let outcome = self.attempt(want, item, room)?;
            let Outcome::BrokeOff { cause, have } = &outcome else { return Ok(outcome) };
            log::info!("{}: {cause}", want.file);
            let (came, took) =
                (self.received - received, asked.elapsed().saturating_sub(self.paced.saturating_sub(paced)));
            self.reconnect(cause)?;
            let is_slow = is_too_slow(came, took, self.http.timeout);
            if is_slow || furthest.is_some_and(|furthest| *have <= furthest) {
                return Ok(outcome);
            }
            furthest = Some(*have);
        }
        Ok(Outcome::BrokeOff { cause: "it broke off too often".into(), have: furthest.unwrap_or(0) })
    }

    /// The one question after a break: is the camera still there, or at another of its addresses?
    fn reconnect(&mut self, cause: &str) -> Result<()> {
        let Err(silence) = self.source.answers() else { return Ok(()) };
        self.http.stop.check()?;
        log::debug!("asked again: {silence}");
        let others = self.addresses.iter().filter(|address| !self.source.is_at(address));
        if let Ok((found, _)) = connect(others, self.http) {
            self.source = found;
            return Ok(());
        }
        self.http.stop.check()?;
        Err(Error::Away(format!("the camera has left ({cause}); what is complete is kept, the rest waits for it")))
    }

    /// One request for a file and what follows from the answer.
    fn attempt(&mut self, want: &Want, item: &Item, room: AskRoom<'_>) -> Result<Outcome> {
        let mut have = self.held_part(want)?;
        // A second round starts over without the partial file; there is no third.
        loop {
            let resumed = have > 0;
            let mut opened = match self.reopen(want, have) {
                Ok(Some(opened)) => opened,
                Ok(None) => {
                    have = 0;
                    continue;
                }
                Err(refusal) => return self.refused(refusal, have),
            };
            if opened.total.is_none() && !opened.is_framed {
                opened.total = match self.source.length(want.file, want.video) {
                    Err(refusal @ Refusal::Lost(_)) => return self.refused(refusal, have),
                    length => length.unwrap_or(None),
                };
            }
            if opened.total == Some(0) && want.file.format() == Format::Video {
                return self.refused(Refusal::Empty, have);
            }
            let need = opened.total.map_or(0, |total| total.saturating_sub(opened.start));
            if need > MAX_FILE_BYTES {
                let text = format!("the camera announces {}, which cannot be", ByteSize(opened.total.unwrap_or(0)));
                return Ok(lasting(FailureReason::Length, text));
            }
            if need > 0 && !room(need)? {
                return Ok(Outcome::LeftOut);
            }
            let (start, total, is_framed) = (opened.start, opened.total, opened.is_framed);
            let mut partial = self.receive(want, opened, item, room)?;
            have = partial.have;
            if let Some(outcome) = partial.refused.take() {
                return Ok(outcome);
            }
            match (total, &partial.broke) {
                (Some(total), broke) if have < total => {
                    let how = broke.as_deref().unwrap_or("the connection was closed");
                    return self.refused(Refusal::Lost(format!("{how} after {have} of {total} bytes")), have);
                }
                // Without an announced length only an orderly end is an end.
                (None, Some(how)) => return self.refused(Refusal::Lost(format!("{how} after {have} bytes")), have),
                (None, None) if !is_framed => {
                    let text = "the camera announces no length: the file cannot be verified";
                    return Ok(lasting(FailureReason::Length, text.into()));
                }
                _ => {}
            }
            // Only a video has a structure, and grows.
            if want.file.format() == Format::Video {
                match self.length_now(want) {
                    Ok(Some(now)) if now != have => return self.other_length(want, have, now),
                    Ok(_) => {}
                    Err(refusal) => return self.refused(refusal, have),
                }
                if let Some(why) = broken_structure(&partial) {
                    if resumed && start > 0 {
                        // The pieces may not fit together: once more, whole.
                        log::info!("{}: {why}; fetching it again from its beginning", want.file);
                        have = 0;
                        continue;
                    }
                    return self.set_aside(want, &partial, &why);
                }
            }
            self.publish(want, &partial)?;
            return Ok(Outcome::Published);
        }
    }

    /// What follows when the source does not give the file. A stop signal closes the connection, and an answer that it cuts
    /// off may look like anything: that is no failure of the file.
    fn refused(&self, refusal: Refusal, have: u64) -> Result<Outcome> {
        self.http.stop.check()?;
        Ok(match refusal {
            Refusal::Lost(cause) => Outcome::BrokeOff { cause, have },
            Refusal::Absent => Outcome::Absent,
            Refusal::Empty => lasting(FailureReason::Empty, "the camera's recording is empty".into()),
            Refusal::Status(status @ 500..) => {
                lasting(FailureReason::Http, format!("the camera cannot read it ({status}): corrupt on its card"))
            }
            Refusal::Status(status) => lasting(FailureReason::Http, format!("the camera answers {status}")),
            Refusal::Refused(why) => Outcome::Failed(ItemFailure::passing(FailureReason::Refused, why)),
        })
    }

    /// The announced length is here, and now the camera reports another one.
    fn other_length(&mut self, want: &Want, have: u64, now: u64) -> Result<Outcome> {
        // A file that is being written has another length in each pass; the same one twice is a contradiction.
        if self.partials.saw_length(want.file, now)? {
            let text = format!("the camera announces {have} bytes and reports {now} afterwards");
            return Ok(lasting(FailureReason::Length, text));
        }
        log::info!("{}: the camera is still writing it ({} so far)", want.file, ByteSize(now));
        Ok(Outcome::StillWritten)
    }

    /// How much of an earlier partial file can be trusted.
    fn held_part(&self, want: &Want) -> Result<u64> {
        let path = want.partial_path();
        match fs::symlink_metadata(&path) {
            // A kill in the middle of publishing may have left one file with two names: writing to the partial file would
            // change the published one.
            Ok(metadata) if metadata.is_file() && metadata.nlink() > 1 => Ok(0),
            Ok(metadata) if metadata.is_file() => Ok(self.partials.trusted(want.file, metadata.len())),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else at this path"))
                .at("resume", &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).at("resume", &path),
        }
    }

    /// Asks for the rest from byte `have` on, and compares the answer with what is known of the partial file. None: the
    /// partial file is no beginning of what the camera has now.
    fn reopen(&self, want: &Want, have: u64) -> Result<Option<Opened>, Refusal> {
        let record = self.partials.get(want.file).filter(|_| have > 0);
        if let Some(record) = record
            && record.total == Some(have)
        {
            // All of it is here, unless the file has grown on the camera.
            return match self.length_now(want)? {
                Some(length) if length != have => Ok(None),
                _ => Ok(Some(Opened {
                    start: have,
                    total: Some(have),
                    validator: record.validator.clone(),
                    is_framed: true,
                    body: Box::new(io::empty()),
                })),
            };
        }
        let from = have.saturating_sub(OVERLAP_BYTES);
        let mut opened = self.source.open(want.file, want.video, from)?;
        if opened.start == 0 {
            return Ok(Some(opened));
        }
        // Nothing comes behind the overlap: the length announced before was wrong.
        let nothing_left = opened.total == Some(have);
        let same_content = record.is_some_and(|record| {
            (nothing_left || record.total.is_none_or(|total| opened.total.is_none_or(|now| now == total)))
                && (record.validator.is_none() || opened.validator.is_none() || record.validator == opened.validator)
        });
        if opened.start == from && same_content && overlap_agrees(&mut opened, &want.partial_path(), have)? {
            opened.start = have;
            Ok(Some(opened))
        } else if have > 0 {
            log::info!("{}: the camera does not go on at {have}: starting over", want.file);
            Ok(None)
        } else {
            Err(Refusal::Refused(format!("it answers from byte {} on, unasked", opened.start)))
        }
    }

    /// Appends the body to the partial file. A body that breaks off is not an error here: the caller checks the length.
    fn receive(&mut self, want: &Want, mut opened: Opened, item: &Item, room: AskRoom<'_>) -> Result<Partial> {
        let path = want.partial_path();
        let mut have = opened.start;
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.nlink() > 1) {
            remove(&path)?;
        }
        let mut file = open_or_create(&path).at("create", &path)?;
        // What lies behind the trusted part is cut off before anything vouches for this boot, and before anything is
        // written: after a power loss it may be zeros.
        file.set_len(have).at("write", &path)?;
        file.seek(SeekFrom::Start(have)).at("write", &path)?;
        let journaled = opened.total.is_none_or(|total| total > SMALL_BYTES);
        if journaled {
            let synced = self.partials.get(want.file).map_or(0, |record| record.synced.min(have));
            self.partials.begin(want.file, opened.total, opened.validator.take(), synced)?;
        }
        item.start(have, opened.total);
        let mut unsynced = 0;
        let mut broke = None;
        let (mut refused, mut granted) = (None, opened.total.unwrap_or(have));
        self.buffer.resize(READ_BYTES, 0);
        while !self.http.stop.is_requested() {
            let left = opened.total.map_or(u64::MAX, |total| total.saturating_sub(have));
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.pacer.at_once(READ_BYTES));
            if wanted == 0 {
                break;
            }
            if have >= granted {
                if have > MAX_FILE_BYTES {
                    remove(&path)?;
                    let text = format!("it has no end: {} and more", ByteSize(have));
                    refused = Some(lasting(FailureReason::Length, text));
                } else if !room(ROOM_BYTES)? {
                    refused = Some(Outcome::LeftOut);
                }
                if refused.is_some() {
                    break;
                }
                granted = have + ROOM_BYTES;
            }
            let bytes = match opened.body.read(&mut self.buffer[..wanted]) {
                Ok(0) => break,
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    broke = Some(error.to_string());
                    break;
                }
            };
            file.write_all(&self.buffer[..bytes]).at("write", &path)?;
            have += bytes as u64;
            self.received += bytes as u64;
            unsynced += bytes as u64;
            item.advance(bytes as u64);
            if journaled && unsynced >= SYNC_EVERY_BYTES {
                file.sync_data().at("sync", &path)?;
                self.partials.synced(want.file, have)?;
                unsynced = 0;
            }
            let began = Instant::now();
            self.pacer.pace(bytes as u64, &self.http.stop)?;
            self.paced += began.elapsed();
        }
        self.http.stop.check()?;
        Ok(Partial { file, path, have, broke, refused })
    }

    /// The file's length on the camera now; none if the camera does not report it, has overwritten the file, or cannot read
    /// it. The file here is then verified by its announced length and its boxes.
    fn length_now(&self, want: &Want) -> Result<Option<u64>, Refusal> {
        match self.source.length(want.file, want.video) {
            Err(refusal @ Refusal::Lost(_)) => Err(refusal),
            length => Ok(length.unwrap_or(None)),
        }
    }

    fn publish(&mut self, want: &Want, partial: &Partial) -> Result<()> {
        let target = want.dir.join(want.file.to_string());
        if want.replaces {
            keep_what_differs(want, &partial.file, &target)?;
            replace(&partial.file, &partial.path, &target)?;
        } else {
            publish(&partial.file, &partial.path, &target)?;
        }
        self.partials.forget(want.file);
        Ok(())
    }

    /// Keeps a file that is broken on the camera itself as `.NAME.damaged`: it may be the only footage of an accident. Later
    /// passes try again.
    fn set_aside(&mut self, want: &Want, partial: &Partial, why: &str) -> Result<Outcome> {
        keep_longer(&partial.file, &partial.path, &want.damaged_path())?;
        self.partials.forget(want.file);
        let name = Entry::Damaged(want.file);
        let message = format!("the camera's own file is damaged ({why}); kept as {name}");
        Ok(lasting(FailureReason::Damaged, message))
    }
}

/// Why a video is not one, by its boxes.
fn broken_structure(partial: &Partial) -> Option<String> {
    match mp4::structure(&mut &partial.file, partial.have) {
        Ok(Structure::Whole) => None,
        Ok(Structure::Broken(why)) => Some(why),
        Err(error) => Some(error.to_string()),
    }
}

fn lasting(reason: FailureReason, message: String) -> Outcome {
    Outcome::Failed(ItemFailure::lasting(reason, message))
}

/// Whether the camera's bytes from `opened.start` up to `have` are those of the partial file.
fn overlap_agrees(opened: &mut Opened, partial: &Path, have: u64) -> Result<bool, Refusal> {
    let length = usize::try_from(have - opened.start).unwrap_or(0);
    let (mut theirs, mut ours) = (vec![0; length], vec![0; length]);
    let read = open_regular(partial).and_then(|mut file| {
        file.seek(SeekFrom::Start(opened.start))?;
        file.read_exact(&mut ours)
    });
    if read.is_err() {
        return Ok(false);
    }
    match opened.body.read_exact(&mut theirs) {
        Ok(()) => Ok(ours == theirs),
        Err(error) => Err(Refusal::Lost(error.to_string())),
    }
}

/// Keeps a file that is about to be replaced, unless the new one begins with it. It is then another recording (of another
/// camera, or from before a clock was reset), and footage cannot decide which of the two matters.
fn keep_what_differs(want: &Want, partial: &File, old: &Path) -> Result<()> {
    let mut older = open_regular(old).at("open", old)?;
    let mut newer = partial;
    newer.seek(SeekFrom::Start(0)).at("read", old)?;
    let length = older.metadata().at("read", old)?.len();
    // Of a broken file only the beginning can be expected to agree.
    let is_whole = mp4::structure(&mut older, length).at("read", old)? == Structure::Whole;
    older.seek(SeekFrom::Start(0)).at("read", old)?;
    let length = if is_whole || want.file.format() != Format::Video { length } else { length.min(BEGINNING_BYTES) };
    if begins_with(&mut newer, &mut older, length).at("compare", old)? {
        return Ok(());
    }
    let kept = want.damaged_path();
    if fs::symlink_metadata(&kept).is_ok() {
        let text = "an earlier file is kept under that name: look at both, then move or remove that one";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text)).at("keep the file that differs as", &kept);
    }
    log::warn!("{}: the file here is not a part of the camera's file; kept as {}", want.file, kept.display());
    publish(&older, old, &kept)
}

/// Whether the first `length` bytes of a file are those of an older one.
fn begins_with(newer: &mut impl Read, older: &mut impl Read, length: u64) -> io::Result<bool> {
    let (mut ours, mut theirs) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut left = length;
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
        older.read_exact(&mut ours[..bytes])?;
        // Zeros are the result of a power loss, not of another recording.
        if left == length && ours[..bytes].iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        match newer.read_exact(&mut theirs[..bytes]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        if ours[..bytes] != theirs[..bytes] {
            return Ok(false);
        }
        left -= bytes as u64;
    }
    Ok(true)
}
