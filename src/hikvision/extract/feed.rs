//! One run of ffmpeg, fed with a range.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ffmpeg_sidecar::command::FfmpegCommand;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Signal, WaitId, WaitIdOptions, setpriority_process, waitid};

use super::{ExtractError, Settings};
use crate::child::{self, Group, Killed};
use crate::hikvision::segment::SegmentSpan;
use crate::hikvision::stream::{Head, Tidy, imkh_header};

/// The size of a read: a few reads a segment, also on a network share.
const PIECE: usize = 256 << 10;
/// How much may wait in the pipe.
const PIPE: usize = 1 << 20;
/// How often to poll the stop flag.
const TICK: Duration = Duration::from_millis(100);
/// Extraction yields to everything else that the machine does.
const NICENESS: i32 = 10;

/// A range of a ring file on its way to ffmpeg.
pub(super) struct Feed<'a> {
    pub(super) ring_file: &'a File,
    pub(super) span: SegmentSpan,
    pub(super) head: &'a Head,
    pub(super) settings: &'a Settings<'a>,
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

impl Feed<'_> {
    /// Runs ffmpeg to its end.
    pub(super) fn run(&self, ffmpeg: FfmpegCommand) -> Result<(), ExtractError> {
        let mut command = Command::from(ffmpeg);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // This thread waits here until ffmpeg has ended, so that the kernel kills ffmpeg when we die and not before.
        let mut child = child::spawn(&mut command).map_err(ExtractError::Start)?;
        let group = Group::of(&child);
        // Best effort: where it is refused, extraction is as important as anything else.
        let _ = setpriority_process(Some(group.leader()), NICENESS);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (ended, wait_for_end) = mpsc::channel::<()>();

        let (fed, status, said, killed) = thread::scope(|scope| {
            // Drain stderr as long as ffmpeg lives: with a full pipe it would wait for us, and we for it.
            let said = scope.spawn(move || stderr.map(child::last_words).unwrap_or_default());
            let killed = scope.spawn(move || self.kill_in_time(group, &wait_for_end));
            // When reading fails, ffmpeg sees the end of its input and finishes the file with the part that arrived.
            let fed = stdin.map_or(Ok(()), |stdin| self.feed(stdin));
            // The pid is ours until we reap it, so no other process group can be hit. Its children die with it: they
            // could hold its stderr open forever.
            let _ = waitid(WaitId::Pid(group.leader()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            drop(ended);
            let killed = killed.join().unwrap_or_default();
            group.signal(Signal::KILL);
            (fed, child.wait(), said.join().unwrap_or_default(), killed)
        });
        match killed {
            Some(Killed::Late) => return Err(ExtractError::Timeout(self.settings.timeout)),
            Some(Killed::Stopped) => return Err(ExtractError::Stopped),
            None => fed?,
        }
        let status = status.map_err(ExtractError::Start)?;
        if status.success() {
            return Ok(());
        }
        Err(ExtractError::Failed { status: child::described(status), said, was_killed: status.signal().is_some() })
    }

    /// Writes header and range to ffmpeg. A closed pipe is no error here: ffmpeg's exit status says why it closed it.
    fn feed(&self, mut stdin: ChildStdin) -> Result<(), ExtractError> {
        // Fewer context switches; where the system refuses, the pipe keeps its size.
        let _ = fcntl_setpipe_size(&stdin, PIPE);
        if stdin.write_all(&imkh_header(self.head)).is_err() {
            return Ok(());
        }
        let mut tidy = Tidy::default();
        let mut buffer = vec![0; PIECE];
        let (mut offset, mut held) = (self.span.start(), 0);
        while offset < self.span.end() {
            let left = usize::try_from(self.span.end() - offset).unwrap_or(usize::MAX);
            let end = buffer.len().min(held + left);
            let n = match self.ring_file.read_at(&mut buffer[held..end], offset) {
                Ok(0) => {
                    let source = io::ErrorKind::UnexpectedEof.into();
                    return Err(ExtractError::Read { offset, source });
                }
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ExtractError::Read { offset, source }),
            };
            offset += n as u64;
            let filled = held + n;
            let done = if offset == self.span.end() {
                tidy.tidy(&mut buffer[..filled]);
                filled
            } else {
                tidy.tidy(&mut buffer[..filled])
            };
            if stdin.write_all(&buffer[..done]).is_err() {
                return Ok(());
            }
            buffer.copy_within(done..filled, 0);
            held = filled - done;
            (self.progress)(n as u64);
        }
        Ok(())
    }

    /// Kills ffmpeg and its children at the timeout or when the pass is to stop.
    fn kill_in_time(&self, group: Group, end: &mpsc::Receiver<()>) -> Option<Killed> {
        let begin = Instant::now();
        while end.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let killed = if (self.settings.is_stopped)() {
                Killed::Stopped
            } else if begin.elapsed() >= self.settings.timeout {
                Killed::Late
            } else {
                continue;
            };
            group.signal(Signal::KILL);
            return Some(killed);
        }
        None
    }
}
