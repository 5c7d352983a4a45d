//! An ffmpeg that writes Matroska into a pipe: for what it alone can reach or encode.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Signal;

use super::{Given, Heard, Reason};
use crate::child;
use crate::media::mkv::{DemuxEvent, MkvDemuxer};
use crate::media::nal::{ParameterSets, Standard};
use crate::media::{Codec, Packet, Shape, Track};
use crate::record::ffmpeg_log::FfmpegLog;
use crate::record::url::CameraUrl;
use crate::units::human_duration;

/// When it is asked the second time, and when it is killed.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(1500);
const KILL_AFTER: Duration = Duration::from_secs(5);
/// What it has gathered while it looked at the stream comes at once: so long the first packets are waited for.
const BURST: Duration = Duration::from_millis(250);
/// So many pieces are read before others have their turn.
const PIECES: usize = 8;
const MILLISECOND_NS: i64 = 1_000_000;

/// A running ffmpeg.
pub(in crate::record) struct FfmpegFeed {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
    url: CameraUrl,
    log: FfmpegLog,
    demuxer: MkvDemuxer,
    events: Vec<DemuxEvent>,
    /// Of each track that has some in its packets.
    parameter_sets: Vec<Option<ParameterSets>>,
    tracks: Vec<Track>,
    began: Instant,
    /// The first packets, until it is known how many came at once.
    burst: Option<Vec<(Packet, Instant)>>,
    has_burst: bool,
    /// Since when it is asked to end, and how many times it was.
    ending: Option<(Instant, u8)>,
    /// Why it makes no sense to read on.
    broken: Option<String>,
    is_read: bool,
    /// The time of the video's last frame: as it was stamped, and its own.
    last_ns: Option<(i64, i64)>,
}

impl FfmpegFeed {
    /// Starts ffmpeg. To be called from a thread that lives as long as it should. With `has_input` it reads what is written
    /// to the returned pipe.
    pub(super) fn start(
        ffmpeg: &Path,
        arguments: Vec<OsString>,
        url: &CameraUrl,
        has_input: bool,
        now: Instant,
    ) -> io::Result<(Self, Option<ChildStdin>)> {
        let mut command = Command::new(ffmpeg);
        command.args(arguments).env("AV_LOG_FORCE_NOCOLOR", "1");
        command.stdin(if has_input { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::spawn(&mut command)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let input = child.stdin.take();
        let unready = fcntl_setfl(&stdout, OFlags::NONBLOCK).and_then(|()| fcntl_setfl(&stderr, OFlags::NONBLOCK));
        let feed = Self {
            child,
            stdout,
            stderr,
            url: url.clone(),
            log: FfmpegLog::default(),
            demuxer: MkvDemuxer::new(),
            events: Vec::new(),
            parameter_sets: Vec::new(),
            tracks: Vec::new(),
            began: now,
            burst: None,
            has_burst: false,
            ending: None,
            broken: None,
            is_read: false,
            last_ns: None,
        };
        unready?;
        Ok((feed, input))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn stdout(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    pub(super) fn stderr(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Reads packets.
    pub(super) fn read(&mut self, buffer: &mut [u8], now: Instant, given: &mut Vec<Given>) -> Heard {
        for _ in 0..PIECES {
            let n = match self.stdout.read(buffer) {
                Ok(0) => return self.all(given),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::More,
                Err(_) => return self.all(given),
            };
            if self.broken.is_some() {
                continue;
            }
            let taken = self.demuxer.push(&buffer[..n], &mut self.events);
            for event in std::mem::take(&mut self.events) {
                match event {
                    DemuxEvent::Tracks(tracks) => self.describe(tracks, given),
                    DemuxEvent::Packet(packet) => self.packet(packet, now, given),
                }
            }
            if let Err(error) = taken {
                self.broken = Some(format!("ffmpeg wrote what cannot be read: {error}"));
                self.end(now);
            }
            if n < buffer.len() {
                return Heard::More;
            }
        }
        Heard::More
    }

    fn all(&mut self, given: &mut Vec<Given>) -> Heard {
        self.is_read = true;
        self.release(given);
        Heard::All
    }

    fn describe(&mut self, tracks: Vec<Track>, given: &mut Vec<Given>) {
        for (index, track) in tracks.iter().enumerate() {
            let standard = Standard::of(&track.codec);
            self.parameter_sets
                .push(standard.and_then(|(standard, config)| ParameterSets::from_config(standard, config)));
            given.push(Given::Track(index, track.clone()));
        }
        self.tracks = tracks;
    }

    /// Takes a packet. Parameter sets in it belong into the track's configuration.
    fn packet(&mut self, mut packet: Packet, now: Instant, given: &mut Vec<Given>) {
        if let Some(Some(sets)) = self.parameter_sets.get_mut(packet.track)
            && sets.take(&mut packet.data)
            && let (Some(config), Some(track)) = (sets.config(), self.tracks.get_mut(packet.track))
        {
            match &mut track.codec {
                Codec::H264 { config: of } | Codec::H265 { config: of } => *of = config,
                _ => {}
            }
            given.push(Given::Track(packet.track, track.clone()));
        }
        if packet.data.is_empty() {
            return;
        }
        let track = self.tracks.get(packet.track);
        if track.is_some_and(|track| matches!(track.shape, Shape::Video { .. })) {
            packet.pts_ns = self.apart(packet.pts_ns);
        }
        if self.has_burst {
            given.push(Given::Packet(packet, now));
        } else {
            self.burst.get_or_insert_default().push((packet, now));
        }
    }

    /// Frames that come at once are stamped in one millisecond, the unit of Matroska: each gets one of its own.
    fn apart(&mut self, pts_ns: i64) -> i64 {
        let own_ns = match self.last_ns {
            Some((stamp_ns, own_ns)) if pts_ns >= stamp_ns => pts_ns.max(own_ns + MILLISECOND_NS),
            _ => pts_ns,
        };
        self.last_ns = Some((pts_ns, own_ns));
        own_ns
    }

    /// When the first packets are to be released, if they wait.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let burst = self.burst_ends();
        let press = self.ending.map(|(began, asked)| match asked {
            0 => began,
            1 => began + ASK_AGAIN_AFTER,
            _ => began + KILL_AFTER,
        });
        [burst, press].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn on_deadline(&mut self, now: Instant, given: &mut Vec<Given>) {
        if self.burst_ends().is_some_and(|ends| now >= ends) {
            self.release(given);
        }
        self.press(now);
    }

    fn burst_ends(&self) -> Option<Instant> {
        Some(self.burst.as_ref()?.first()?.1 + BURST)
    }

    /// Gives the first packets. ffmpeg has looked at the stream for up to some seconds, and what it has seen there comes at
    /// once: it arrived in the time that it lasts, the one that was held up least when it came.
    fn release(&mut self, given: &mut Vec<Given>) {
        self.has_burst = true;
        let packets = self.burst.take().unwrap_or_default();
        let came_ns = |came: Instant| i64::try_from((came - self.began).as_nanos()).unwrap_or(i64::MAX);
        let least_ns = packets.iter().map(|(packet, came)| came_ns(*came).saturating_sub(packet.pts_ns)).min();
        for (packet, _) in packets {
            let arrived_ns = packet.pts_ns.saturating_add(least_ns.unwrap_or(0));
            let arrived = self.began + Duration::from_nanos(u64::try_from(arrived_ns).unwrap_or(0));
            given.push(Given::Packet(packet, arrived));
        }
    }

    /// Reads what it logs.
    pub(super) fn read_log(&mut self, now: Instant, mut each: impl FnMut(log::Level, &str)) -> Heard {
        let mut piece = [0; 4096];
        for _ in 0..PIECES {
            match self.stderr.read(&mut piece) {
                Ok(0) => return Heard::All,
                Ok(n) => self.log.take(&piece[..n], &self.url, now, &mut each),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::More,
                Err(_) => return Heard::All,
            }
        }
        Heard::More
    }

    /// Asks it to end, unless it was.
    pub(super) fn end(&mut self, now: Instant) {
        self.end_from(now, now);
    }

    /// Lets it end by itself until `at`, and asks it then.
    pub(super) fn end_from(&mut self, at: Instant, now: Instant) {
        self.ending.get_or_insert((at, 0));
        self.press(now);
    }

    /// TERM, TERM, KILL, each when it is due: one TERM does not end an ffmpeg that waits for a stalled camera, two do,
    /// and nothing but KILL ends one that waits for a dead disk.
    fn press(&mut self, now: Instant) {
        let Some((began, asked)) = &mut self.ending else { return };
        let (due, signal) = match *asked {
            0 => (*began, Signal::TERM),
            1 => (*began + ASK_AGAIN_AFTER, Signal::TERM),
            2 => (*began + KILL_AFTER, Signal::KILL),
            _ => return,
        };
        if now >= due {
            child::signal(&self.child, signal);
            *asked += 1;
        }
    }

    /// How it ended, if it has, and all was read: in words.
    pub(super) fn over(&mut self, lasted: Option<Duration>) -> Option<Reason> {
        if !self.is_read {
            return None;
        }
        match self.child.try_wait() {
            Ok(status) => {
                let status = status?;
                // What it has logged last.
                self.read_log(Instant::now(), |_, _| {});
                Some(Reason::plain(self.why(status, lasted)))
            }
            Err(error) => Some(Reason::plain(format!("its ffmpeg is lost: {error}"))),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    fn why(&self, status: ExitStatus, lasted: Option<Duration>) -> String {
        let lasted = lasted.map_or_else(
            || "ffmpeg ended without a frame".to_owned(),
            |time| format!("the stream ended after {}", human_duration(time)),
        );
        let said = self.broken.as_deref().or(self.log.reason());
        let said_text = said.map(|said| format!(": {said:?}")).unwrap_or_default();
        let is_told = status.success() || (said.is_some() && !child::is_too_large(status));
        let how = if is_told { String::new() } else { format!(" ({})", child::described(status)) };
        format!("{lasted}{how}{said_text}")
    }
}

impl Drop for FfmpegFeed {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            child::signal(&self.child, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
