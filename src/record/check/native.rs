//! A camera tried by footage itself: its feed is read until it has given some frames of video.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{PATIENCE, summary};
use crate::ffmpeg::Ffmpeg;
use crate::media::{Shape, Track};
use crate::network::Network;
use crate::record::config::{Camera, Video};
use crate::record::feed::{Context, Feed, Given, Kind, Parcel, Pipe, Reason, ReplyTo};
use crate::record::mailbox::{Mailbox, Waker};
use crate::units::human_duration;

/// So long frames are counted after the first one, or until there are so many.
const MEASURE_FOR: Duration = Duration::from_millis(1500);
const MEASURE_FRAMES: usize = 20;
/// Fewer say nothing of a rate.
const LEAST_FRAMES: usize = 5;
/// How often it is asked whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A camera may take so long to answer the end of a session.
const END_WITHIN: Duration = Duration::from_secs(1);
const BUFFER_BYTES: usize = 256 << 10;

/// What comes from a camera: `h264 640x360 15 fps, pcm_alaw 8000 Hz`. Or why nothing does.
pub(super) fn probe(
    camera: &Camera,
    kind: Kind,
    ffmpeg: Option<&Ffmpeg>,
    network: &Network,
    is_stopped: &dyn Fn() -> bool,
) -> Result<String, Reason> {
    let began = Instant::now();
    // Pictures need no encoder to be looked at.
    let kind = if kind == Kind::EncodedJpeg { Kind::Jpeg } else { kind };
    let waker = Waker::new().map_err(|error| Reason::plain(format!("cannot wait for events: {error}")))?;
    let (mailbox, parcels) = Mailbox::new(waker.clone());
    let reply_to = ReplyTo { mailbox, turn: (0, 0) };
    let context = Context { ffmpeg, has_failed: false, is_udp_first: false, reply_to, network };
    let feed = Feed::start_as(kind, camera, &context, began)?;
    let mut look = Look { feed, waker, parcels, buffer: vec![0; BUFFER_BYTES], given: Vec::new() };
    let mut seen = Seen::default();
    let outcome = loop {
        let now = look.step(&mut seen);
        if seen.is_enough(now) {
            break Ok(());
        }
        if let Some(reason) = look.feed.over(seen.first.map(|first| now.saturating_duration_since(first))) {
            break if seen.first.is_some() { Ok(()) } else { Err(reason) };
        }
        if now >= began + camera.timeout + PATIENCE || is_stopped() {
            let what = if seen.has_packets { "no frame that can be played" } else { "nothing" };
            break Err(Reason::plain(format!("{what} came within {}", human_duration(now - began))));
        }
    };
    look.end();
    outcome?;
    let tracks: Vec<Track> = seen.tracks.iter().flatten().filter(|track| is_copied(camera, track)).cloned().collect();
    let no_audio = seen.no_audio.as_ref().map(|why| format!("; without its audio: {why}")).unwrap_or_default();
    summary(camera, seen.shown() + &no_audio, &tracks).map_err(Reason::plain)
}

fn is_copied(camera: &Camera, track: &Track) -> bool {
    matches!(track.shape, Shape::Audio { .. }) || camera.video == Video::Copy
}

/// A feed that is read by one thread.
struct Look {
    feed: Feed,
    waker: Waker,
    parcels: Receiver<((u64, u64), Parcel)>,
    buffer: Vec<u8>,
    given: Vec<Given>,
}

impl Look {
    /// Waits until something comes or is due, and takes it.
    fn step(&mut self, seen: &mut Seen) -> Instant {
        let ready = self.wait();
        let now = Instant::now();
        self.waker.rest();
        while let Ok((_, parcel)) = self.parcels.try_recv() {
            self.feed.deliver(parcel, now, &mut self.given);
        }
        for pipe in ready {
            self.feed.read(pipe, &mut self.buffer, now, &mut self.given, |_, _| {});
        }
        self.feed.on_deadline(now, &mut self.given);
        for given in self.given.drain(..) {
            seen.take(given, now);
        }
        now
    }

    fn wait(&self) -> Vec<Pipe> {
        let now = Instant::now();
        let pipes = self.feed.pipes();
        let mut polled = vec![PollFd::new(&self.waker, PollFlags::IN)];
        polled.extend(pipes.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        let due = self.feed.deadline(now).map_or(LOOK_EVERY, |at| at.saturating_duration_since(now));
        let wait = Timespec::try_from(due.min(LOOK_EVERY)).ok();
        // After an error too, the descriptors are read once.
        let _ = poll(&mut polled, wait.as_ref());
        let ready = polled[1..].iter().map(|fd| !fd.revents().is_empty());
        pipes.iter().zip(ready).filter(|(_, is_ready)| *is_ready).map(|((pipe, _), _)| *pipe).collect()
    }

    /// Ends the session: a camera for one client is free for the next.
    fn end(mut self) {
        let by = Instant::now() + END_WITHIN;
        self.feed.end(Instant::now(), &mut self.given);
        let mut rest = Seen::default();
        while self.feed.over(None).is_none() && Instant::now() < by {
            self.step(&mut rest);
        }
    }
}

/// What has come.
#[derive(Default)]
struct Seen {
    tracks: Vec<Option<Track>>,
    has_packets: bool,
    /// The first frame of a video that is known.
    first: Option<Instant>,
    /// Why it is recorded without its audio.
    no_audio: Option<String>,
    /// When frames of video are shown.
    stamps_ns: Vec<i64>,
}

impl Seen {
    fn take(&mut self, given: Given, now: Instant) {
        match given {
            Given::Track(index, track) => {
                if self.tracks.len() <= index {
                    self.tracks.resize(index + 1, None);
                }
                self.tracks[index] = Some(track);
            }
            Given::Packet(packet, _) => {
                let track = self.tracks.get(packet.track).and_then(Option::as_ref);
                if track.is_some_and(|track| matches!(track.shape, Shape::Video { .. })) {
                    self.first.get_or_insert(now);
                    self.stamps_ns.push(packet.pts_ns);
                }
            }
            Given::Came => self.has_packets = true,
            Given::NoAudio(why) => self.no_audio = Some(why),
            Given::Lost(_) => {}
        }
    }

    fn is_enough(&self, now: Instant) -> bool {
        let is_measured = |first| now.saturating_duration_since(first) >= MEASURE_FOR;
        self.stamps_ns.len() >= MEASURE_FRAMES || self.first.is_some_and(is_measured)
    }

    /// As ffmpeg says it.
    fn shown(&self) -> String {
        let rate = fps(&self.stamps_ns).map(|fps| format!(" {fps} fps")).unwrap_or_default();
        let shown = |track: &Track| {
            let codec = track.codec.ffmpeg_name();
            match track.shape {
                Shape::Video { width: 0, .. } | Shape::Video { height: 0, .. } => format!("{codec}{rate}"),
                Shape::Video { width, height } => format!("{codec} {width}x{height}{rate}"),
                Shape::Audio { sample_rate_hz, .. } => format!("{codec} {sample_rate_hz} Hz"),
            }
        };
        self.tracks.iter().flatten().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// How many frames a second these stamps are: `15`, `12.5`. Some may be missing at either end, where frames come in another
/// order than they are shown.
fn fps(stamps_ns: &[i64]) -> Option<String> {
    let mut sorted = stamps_ns.to_vec();
    sorted.sort_unstable();
    let mut steps: Vec<i64> = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
    steps.sort_unstable();
    if steps.len() + 1 < LEAST_FRAMES {
        return None;
    }
    let step_ns = steps[steps.len() / 2];
    let lasts_ns = sorted.last()? - sorted.first()?;
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let fps = ((lasts_ns + step_ns / 2) / step_ns) as f64 * 1e9 / lasts_ns as f64;
    let whole = fps.round();
    let is_whole = whole > 0.0 && (fps - whole).abs() <= whole / 100.0;
    Some(if is_whole { format!("{whole}") } else { format!("{fps:.1}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fps_is_measured_from_stamps_in_any_order() {
        let at = |ms: &[i64]| fps(&ms.iter().map(|ms| ms * 1_000_000).collect::<Vec<_>>());
        assert_eq!(at(&[0, 67, 133, 200, 267, 333]).as_deref(), Some("15"));
        // B-frames: the one at 80 ms has not come yet.
        assert_eq!(at(&[0, 120, 40, 200, 160, 280, 240]).as_deref(), Some("25"));
        assert_eq!(at(&[0, 80, 160, 240, 320, 400]).as_deref(), Some("12.5"));
        assert_eq!(at(&[0, 100, 200]), None, "too few");
        assert_eq!(at(&[7, 7, 7, 7, 7, 7]), None, "no clock at all");
    }
}
