//! One file from the camera into the destination: resumed, proven, published.

mod want;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

pub use self::want::{Answer, Fetched, Interruption, Want};
use super::compare::{keep_what_differs, overlap_agrees};
use super::name::{Entry, Format};
use super::partials::Partials;
use super::source::{Opened, Source, Trouble};
use crate::error::{At, Result};
use crate::mp4::{self, Structure};
use crate::progress::Item;
use crate::rate::Pacer;
use crate::stop::Stop;
use crate::store::{publish, remove, replace};
use crate::units::ByteSize;

/// After so many bytes a partial file is synced: what a power loss can cost.
const SYNC_EVERY_BYTES: u64 = 32 << 20;
/// Up to this length a file is not worth a journal record: it starts over.
const SMALL_BYTES: u64 = 64 << 10;
/// No camera makes a file of this length: it is the announcement that is wrong.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 30;
/// One read of the body.
const READ_BYTES: usize = 256 << 10;
/// Where nothing tells how long a file is, room is asked for in such pieces: it may have no end.
const ROOM_BYTES: u64 = READ_BYTES as u64;
/// So many bytes before the end of a partial file are asked for again and compared: a camera that answers a range with
/// the right headers and other bytes must not spoil a recording.
const OVERLAP_BYTES: u64 = 256;

/// Asks for room for so many bytes.
pub type AskRoom<'a> = &'a mut dyn FnMut(u64) -> Result<Answer>;

/// Fetches files.
#[derive(Debug)]
pub struct Fetcher<'a> {
    /// From here.
    pub source: &'a Source,
    /// How far partial files can be trusted.
    pub partials: &'a mut Partials,
    /// `--limit-rate`
    pub pacer: &'a Pacer,
    /// Whether to stop.
    pub stop: &'a Stop,
    /// Room for one read.
    pub buffer: &'a mut Vec<u8>,
    /// Bytes that came so far, of whatever became of them.
    pub received: u64,
    /// How long `--limit-rate` held them up: that is not the camera's time.
    pub paced: Duration,
}

/// A partial file, open, with `have` bytes that can be trusted.
struct Partial {
    file: File,
    path: PathBuf,
    have: u64,
    /// The body did not end in order.
    broke: Option<String>,
    /// Whether there was room for all that came.
    room: Answer,
}

impl Fetcher<'_> {
    /// Fetches one file to its final name, as far as the camera lets us.
    ///
    /// # Errors
    /// See [`Interruption`]. The partial file stays, and the next call goes on with it.
    pub fn fetch(&mut self, want: &Want, item: &Item, room: AskRoom<'_>) -> Result<Fetched, Interruption> {
        let mut have = self.held_part(want)?;
        // A second round starts over without what was held; there is no third.
        loop {
            let resumed = have > 0;
            let mut opened = match self.reopen(want, have) {
                Ok(Resumption::Go(opened)) => opened,
                Ok(Resumption::StartOver) => {
                    have = 0;
                    continue;
                }
                Err(Trouble::Lost(cause)) => return Err(self.lost(cause, have)),
                Err(trouble) => return Ok(of_trouble(trouble)),
            };
            if opened.total.is_none() && !opened.is_framed {
                opened.total = match self.source.length(want.file, want.video) {
                    Ok(length) => length,
                    Err(Trouble::Lost(cause)) => return Err(self.lost(cause, have)),
                    Err(_) => None,
                };
            }
            if opened.total == Some(0) && want.file.format() == Format::Video {
                return Ok(of_trouble(Trouble::Empty));
            }
            let need = opened.total.map(|total| total.saturating_sub(opened.start));
            match if matches!(need, None | Some(0)) { Answer::WriteIt } else { room(need.unwrap_or(0))? } {
                Answer::WriteIt => {}
                Answer::LeaveIt => return Ok(Fetched::LeftOut),
                Answer::Implausible => {
                    let length = ByteSize(opened.total.unwrap_or(0));
                    return Ok(failed("length", format!("the camera announces {length}, which cannot be"), true));
                }
            }
            let start = opened.start;
            let (total, is_framed) = (opened.total, opened.is_framed);
            let partial = self.receive(want, opened, item, room)?;
            have = partial.have;
            match partial.room {
                Answer::WriteIt => {}
                Answer::LeaveIt => return Ok(Fetched::LeftOut),
                Answer::Implausible => {
                    remove(&partial.path)?;
                    return Ok(failed("length", format!("it has no end: {} and more", ByteSize(have)), true));
                }
            }
            match (total, &partial.broke) {
                (Some(total), broke) if have < total => {
                    let how = broke.as_deref().unwrap_or("the connection was closed");
                    return Err(self.lost(format!("{how} after {have} of {total} bytes"), have));
                }
                // Without an announced length only an orderly end is an end.
                (None, Some(how)) => return Err(self.lost(format!("{how} after {have} bytes"), have)),
                _ => {}
            }
            if total.is_none() && !is_framed {
                return Ok(failed("length", "the camera announces no length: nothing proves it whole".into(), true));
            }
            match self.prove(want, &partial) {
                Ok(Proof::Good) => {
                    self.publish(want, &partial)?;
                    return Ok(Fetched::Published);
                }
                Ok(Proof::StillWritten(now)) => {
                    // What is being written grows from pass to pass; what does not is a contradiction.
                    if self.partials.saw_length(want.file, now)? {
                        let message = format!("the camera announces {have} bytes and says {now} afterwards");
                        return Ok(failed("length", message, true));
                    }
                    log::info!("{}: the camera is still writing it ({} so far)", want.file, ByteSize(now));
                    return Ok(Fetched::StillWritten);
                }
                // The pieces may not fit together: once more, whole.
                Ok(Proof::Broken(why)) if resumed && start > 0 => {
                    log::info!("{}: {why}; fetching it again from its beginning", want.file);
                    have = 0;
                }
                Ok(Proof::Broken(why)) => return self.set_aside(want, &partial, &why).map_err(Into::into),
                Err(Trouble::Lost(cause)) => return Err(self.lost(cause, have)),
                Err(trouble) => return Ok(of_trouble(trouble)),
            }
        }
    }

    fn lost(&self, cause: String, have: u64) -> Interruption {
        match self.stop.check() {
            Err(error) => Interruption::Error(error),
            Ok(()) => Interruption::Lost { cause, have },
        }
    }

    /// How much of an earlier partial file can be trusted.
    fn held_part(&self, want: &Want) -> Result<u64> {
        let path = want.partial_path();
        match fs::symlink_metadata(&path) {
            // A kill in the middle of publishing may have left one file with two names: what is published is not to be
            // written again through the other name.
            Ok(metadata) if metadata.is_file() && metadata.nlink() > 1 => Ok(0),
            Ok(metadata) if metadata.is_file() => Ok(self.partials.trusted(want.file, metadata.len())),
            Ok(_) => Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, "something else stands there"))
                .at("resume", &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).at("resume", &path),
        }
    }

    /// Asks for the rest from byte `have` on, and holds the answer against what is known of the partial file.
    fn reopen(&self, want: &Want, have: u64) -> Result<Resumption, Trouble> {
        let record = self.partials.get(want.file).filter(|_| have > 0);
        if let Some(record) = record
            && record.total == Some(have)
        {
            // All of it is here. Nothing to ask for but whether it still is all.
            return match self.length_now(want)? {
                Some(length) if length != have => Ok(Resumption::StartOver),
                _ => Ok(Resumption::Go(Opened {
                    start: have,
                    total: Some(have),
                    validator: record.validator.clone(),
                    is_framed: true,
                    body: Box::new(std::io::empty()),
                })),
            };
        }
        let from = have.saturating_sub(OVERLAP_BYTES);
        let mut opened = self.source.open(want.file, want.video, from)?;
        if opened.start == 0 {
            return Ok(Resumption::Go(opened));
        }
        // Nothing comes behind the overlap: the length announced before was wrong.
        let nothing_left = opened.total == Some(have);
        let same_content = record.is_some_and(|record| {
            (nothing_left || record.total.is_none_or(|total| opened.total.is_none_or(|now| now == total)))
                && (record.validator.is_none() || opened.validator.is_none() || record.validator == opened.validator)
        });
        if opened.start == from && same_content && overlap_agrees(&mut opened, &want.partial_path(), have)? {
            opened.start = have;
            Ok(Resumption::Go(opened))
        } else if have > 0 {
            log::info!("{}: the camera does not go on at {have}: starting over", want.file);
            Ok(Resumption::StartOver)
        } else {
            Err(Trouble::Refused(format!("it answers from byte {} on, unasked", opened.start)))
        }
    }

    /// Writes the body behind what is held. A body that breaks off is no error here: the length tells.
    fn receive(&mut self, want: &Want, mut opened: Opened, item: &Item, ask_room: AskRoom<'_>) -> Result<Partial> {
        let path = want.partial_path();
        let mut have = opened.start;
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.nlink() > 1) {
            remove(&path)?;
        }
        let mut file = create(&path)?;
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
        let (mut room, mut granted) = (Answer::WriteIt, opened.total.unwrap_or(have));
        self.buffer.resize(READ_BYTES, 0);
        while !self.stop.is_requested() {
            let left = opened.total.map_or(u64::MAX, |total| total.saturating_sub(have));
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.pacer.at_once(READ_BYTES));
            if wanted == 0 {
                break;
            }
            if have >= granted {
                room = if have > MAX_FILE_BYTES { Answer::Implausible } else { ask_room(ROOM_BYTES)? };
                if room != Answer::WriteIt {
                    break;
                }
                granted = have + ROOM_BYTES;
            }
            let bytes = match opened.body.read(&mut self.buffer[..wanted]) {
                Ok(0) => break,
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
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
            self.pacer.pace(bytes as u64, self.stop)?;
            self.paced += began.elapsed();
        }
        self.stop.check()?;
        Ok(Partial { file, path, have, broke, room })
    }

    /// Whether what is here is the whole file as the camera has it.
    fn prove(&self, want: &Want, partial: &Partial) -> Result<Proof, Trouble> {
        if want.file.format() != Format::Video {
            return Ok(Proof::Good);
        }
        // A recording that is still being written grows.
        if let Some(length) = self.length_now(want)?
            && length != partial.have
        {
            return Ok(Proof::StillWritten(length));
        }
        match mp4::structure(&mut &partial.file, partial.have) {
            Ok(Structure::Whole) => Ok(Proof::Good),
            Ok(Structure::Broken(why)) => Ok(Proof::Broken(why)),
            Err(error) => Ok(Proof::Broken(error.to_string())),
        }
    }

    /// How long the file is on the camera now, where it can say so. It may have been overwritten in the meantime, or be
    /// unreadable: what is here is then all the more precious, and proven by its announced length and its boxes.
    fn length_now(&self, want: &Want) -> Result<Option<u64>, Trouble> {
        match self.source.length(want.file, want.video) {
            Err(trouble @ Trouble::Lost(_)) => Err(trouble),
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

    /// The camera's own file is broken. It may be all that is left of an accident: kept, under a name that says so, while
    /// later passes try again.
    fn set_aside(&mut self, want: &Want, partial: &Partial, why: &str) -> Result<Fetched> {
        let path = want.damaged_path();
        // Of two, the longer is worth more.
        if fs::symlink_metadata(&path).is_ok_and(|older| older.len() > partial.have) {
            remove(&partial.path)?;
        } else {
            replace(&partial.file, &partial.path, &path)?;
        }
        self.partials.forget(want.file);
        let name = Entry::Damaged(want.file);
        let message = format!("the camera's own file is damaged ({why}); all there is of it is kept as {name}");
        Ok(failed("damaged", message, true))
    }
}

/// Opens a partial file, new or not. A link that somebody put there would lead us out of the destination.
fn create(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
    options.open(path).at("create", path)
}

enum Resumption {
    Go(Opened),
    StartOver,
}

enum Proof {
    Good,
    StillWritten(u64),
    Broken(String),
}

fn failed(reason: &'static str, message: String, lasts: bool) -> Fetched {
    Fetched::Failed { reason, message, lasts }
}

fn of_trouble(trouble: Trouble) -> Fetched {
    match trouble {
        Trouble::Absent => Fetched::Absent,
        Trouble::Empty => failed("empty", "the camera's recording is empty".into(), true),
        Trouble::Status(status @ 500..) => {
            failed("http", format!("the camera cannot read it ({status}): corrupt on its card"), true)
        }
        Trouble::Status(status) => failed("http", format!("the camera answers {status}"), true),
        Trouble::Refused(why) => failed("refused", why, false),
        Trouble::Lost(cause) => failed("network", cause, false),
    }
}
