//! One ffmpeg that records one camera: started, listened to, ended.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Signal;

use super::command::PROGRESS_SECONDS;
use super::name::{OpenName, Token, first_start};
use super::pace::{Leap, Pace};
use super::progress::{Event, Progress, Reader};
use super::said::Said;
use super::url::CameraUrl;
use crate::child;

/// When it is asked the second time, and when it is killed.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(2500);
const KILL_AFTER: Duration = Duration::from_secs(5);
// From version 7 on it looks for a signal as often as it tells where it is; asked twice by then, it would complete nothing.
const _: () = assert!(ASK_AGAIN_AFTER.as_secs() >= PROGRESS_SECONDS as u64);
/// More than it writes at once.
const PIECE: usize = 16 << 10;
/// So many pieces are read before others have their turn.
const PIECES: usize = 8;

/// Why an ffmpeg is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// No frame comes any more.
    Stall,
    /// The clock that stamps its frames was set.
    Leap(Leap),
    /// On request: a stop, a reload, a full disk.
    Asked,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    why: Why,
    began: Instant,
    asked: u8,
}

/// A running ffmpeg.
#[derive(Debug)]
pub(super) struct Segmenter {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// What the kernel counts of its reads and writes.
    io: Option<File>,
    /// The token of its files.
    pub(super) token: Token,
    /// When a frame last came.
    pub(super) moved: Instant,
    pub(super) first_frame: Option<Instant>,
    pub(super) progress: Progress,
    pub(super) said: Said,
    reader: Reader,
    began: Instant,
    pace: Pace,
    leap: Option<Leap>,
    /// The segment that it has completed last.
    closed: Option<OpenName>,
    /// What it has told us, which is written as its segments are.
    told_bytes: u64,
    ending: Option<Ending>,
    is_held: bool,
}

/// What a read from a pipe has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It may have more to say, now or later.
    More,
    /// It will say no more: it has ended.
    All,
}

impl Segmenter {
    /// Starts ffmpeg, with a `TZ` for its clock. To be called from a thread that lives as long as it should.
    pub(super) fn start(
        ffmpeg: &Path,
        arguments: Vec<OsString>,
        clock: &str,
        token: Token,
        now: Instant,
    ) -> io::Result<Self> {
        let mut command = Command::new(ffmpeg);
        command.args(arguments).env("TZ", clock).env("AV_LOG_FORCE_NOCOLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::spawn(&mut command)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let unready = fcntl_setfl(&stdout, OFlags::NONBLOCK).and_then(|()| fcntl_setfl(&stderr, OFlags::NONBLOCK));
        if let Err(error) = unready {
            child::signal(&child, Signal::KILL);
            child.wait()?;
            return Err(error.into());
        }
        Ok(Self {
            // Kept open, for it is read every few seconds as long as the camera records.
            io: File::open(format!("/proc/{}/io", child.id())).ok(),
            child,
            stdout,
            stderr,
            token,
            moved: now,
            first_frame: None,
            progress: Progress::default(),
            said: Said::default(),
            reader: Reader::default(),
            began: now,
            pace: Pace::default(),
            leap: None,
            closed: None,
            told_bytes: 0,
            ending: None,
            is_held: false,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn stdout(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    pub(super) fn stderr(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Reads what it tells and calls `each` with what that means.
    pub(super) fn listen(&mut self, now: Instant, mut each: impl FnMut(Event)) -> Heard {
        let Self { stdout, reader, progress, moved, first_frame, told_bytes, began, pace, leap, .. } = self;
        drain(stdout, |piece| {
            *told_bytes += piece.len() as u64;
            reader.take(piece, |event| {
                if let Event::Progress(next) = event {
                    // Time advances with audio alone.
                    if next.steps != progress.steps {
                        *moved = now;
                    }
                    *leap = leap.or(pace.tell(now.saturating_duration_since(*began), next));
                    if next.steps > 0 {
                        first_frame.get_or_insert(now);
                    }
                    *progress = next;
                }
                each(event);
            });
        })
    }

    /// Reads its complaints.
    pub(super) fn hear_complaints(
        &mut self,
        url: &CameraUrl,
        now: Instant,
        mut each: impl FnMut(log::Level, &str),
    ) -> Heard {
        let Self { stderr, said, told_bytes, .. } = self;
        drain(stderr, |piece| {
            *told_bytes += piece.len() as u64;
            said.take(piece, url, now, &mut each);
        })
    }

    /// Bytes that it has written to its segments, as the kernel counts; none where it does not.
    pub(super) fn written_bytes(&self) -> Option<u64> {
        let mut text = [0; 512];
        let n = self.io.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..n)?).ok()?;
        let written = text.lines().find_map(|line| line.strip_prefix("wchar: "))?.trim().parse::<u64>().ok()?;
        Some(written.saturating_sub(self.told_bytes))
    }

    /// Whether it had a segment of this name before.
    pub(super) fn has_just_closed(&self, open: OpenName) -> bool {
        self.closed == Some(open)
    }

    /// When a segment begins that it has just completed, at `closed` seconds since 1970.
    pub(super) fn start_of(&mut self, open: OpenName, lasts: Duration, closed: f64, now: Instant) -> i64 {
        if self.closed.replace(open).is_some() {
            return open.epoch;
        }
        first_start(open.epoch, closed, lasts, now.saturating_duration_since(self.began))
    }

    /// Asks it to end: it completes its segment. Says when to look after it again.
    pub(super) fn end(&mut self, why: Why, now: Instant) -> Instant {
        if self.ending.is_none() {
            self.ending = Some(Ending { why, began: now, asked: 0 });
        }
        self.press(now)
    }

    /// Whether it is known to have opened a segment.
    pub(super) fn has_begun(&self) -> bool {
        self.first_frame.is_some() || self.closed.is_some()
    }

    /// Stops it, as it stands.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
        child::signal(&self.child, Signal::STOP);
    }

    /// Lets it go on, if it is held.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.is_held) {
            child::signal(&self.child, Signal::CONT);
        }
    }

    /// What has become of the clock that stamps its frames, if that was set.
    pub(super) fn leap(&self) -> Option<Leap> {
        self.leap
    }

    /// Why it is being ended, if it is.
    pub(super) fn ending(&self) -> Option<Why> {
        self.ending.map(|ending| ending.why)
    }

    /// TERM, TERM, KILL, each when it is due: one TERM does not end an ffmpeg that waits for a stalled camera, two do,
    /// and nothing but KILL ends one that waits for a dead disk. Says when to look again.
    pub(super) fn press(&mut self, now: Instant) -> Instant {
        let Some(ending) = &mut self.ending else { return now + KILL_AFTER };
        let (due, signal) = match ending.asked {
            0 => (ending.began, Signal::TERM),
            1 => (ending.began + ASK_AGAIN_AFTER, Signal::TERM),
            _ => (ending.began + KILL_AFTER, Signal::KILL),
        };
        if now < due {
            return due;
        }
        child::signal(&self.child, signal);
        ending.asked = ending.asked.saturating_add(1);
        match ending.asked {
            1 => ending.began + ASK_AGAIN_AFTER,
            2 => ending.began + KILL_AFTER,
            _ => now + KILL_AFTER,
        }
    }

    /// How it ended, if it has.
    pub(super) fn reap(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Segmenter {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            child::signal(&self.child, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn drain(pipe: &mut impl Read, mut take: impl FnMut(&[u8])) -> Heard {
    let mut piece = [0; PIECE];
    for _ in 0..PIECES {
        match pipe.read(&mut piece) {
            Ok(0) => return Heard::All,
            // There was no more: asking for it would only be told so.
            Ok(n) if n < PIECE => {
                take(&piece[..n]);
                return Heard::More;
            }
            Ok(n) => take(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::More,
            Err(_) => return Heard::All,
        }
    }
    Heard::More
}
