//! A camera's packets become segments: when one begins, what it is called, what of it is written when. Pure.
//!
//! A segment begins with a key frame: the first of the source, the first behind a boundary of the camera's clock, or the
//! first with other parameters, other tracks, or by a host clock that was set. It is named by the second in which that
//! frame was taken, so it has a name only when it has a frame.
//!
//! Audio that comes later than the frames beside it still belongs to the segment before: that one stays open until the
//! audio has caught up, or a second.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::config::Camera;
use super::name::{Container, OpenName, RunId};
use super::slot::Slot;
use crate::media::timeline::Timeline;
use crate::media::{Muxer, Packet, Patch, Shape, Track};
use crate::zone::Tz;

/// So long a segment waits for its last audio.
const AUDIO_LAG_NS: i64 = 1_000_000_000;
/// A host clock that is off by so much from what it was when a segment began was set.
const CLOCK_SET_NS: i64 = 500_000_000;
/// What is gathered beyond this is written at once.
const MOST_GATHERED_BYTES: usize = 512 << 10;

/// What is to be done with the files of segments. In the order given.
#[derive(Debug, PartialEq, Eq)]
pub enum Write {
    /// A new file.
    Create(OpenName),
    /// Bytes at the end of a file.
    Append(OpenName, Vec<u8>),
    /// The last bytes, then changes to what was written; the segment is complete.
    Finish {
        /// Which file.
        open: OpenName,
        /// Appended first.
        bytes: Vec<u8>,
        /// Written then.
        patches: Vec<Patch>,
        /// From the first frame to the end of the last.
        lasts: Duration,
    },
}

/// Our two clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Of a clock that is never set, in nanoseconds from any beginning.
    pub steady_ns: i64,
    /// The wall clock.
    pub wall: DateTime<Utc>,
}

impl Now {
    fn wall_minus_steady_ns(self) -> i64 {
        self.wall.timestamp_nanos_opt().unwrap_or(i64::MAX).saturating_sub(self.steady_ns)
    }
}

/// How segments of a camera are cut and packed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// How long one lasts at most, but for what comes until a key frame.
    pub segment: Duration,
    /// The camera's zone: its boundaries.
    pub zone: Tz,
    /// What it is packed in.
    pub container: Container,
}

impl Layout {
    /// That of a camera.
    #[must_use]
    pub fn of(camera: &Camera) -> Self {
        Self { segment: camera.segment, zone: camera.zone, container: camera.container }
    }
}

/// Opens a container of a kind for some tracks, appends what it begins with.
pub type Open = fn(Container, &[Track], DateTime<Utc>, &mut Vec<u8>) -> Box<dyn Muxer>;

/// The segments of one source of one camera.
pub struct Segments {
    layout: Layout,
    open_muxer: Open,
    holds: fn(Container, &Track) -> bool,
    /// Of the next segment: each has its own, so two that begin in one second are two files.
    run_id: RunId,
    timeline: Timeline,
    tracks: Vec<Option<Track>>,
    /// Whether the next key frame begins a segment, whatever the clock says.
    must_cut: bool,
    current: Option<Segment>,
    /// The one before, which waits for audio.
    previous: Option<Segment>,
    /// How far frames went back behind their key frame.
    reordered_ns: i64,
    /// Of the frame before, for the length of the last one.
    frame_ns: i64,
    /// Frames that were written.
    pub frames: u64,
    /// Bytes that were given to be written.
    pub bytes: u64,
}

struct Segment {
    name: OpenName,
    slot: Slot,
    wall_minus_steady_ns: i64,
    /// Where its times begin.
    zero_ns: i64,
    /// Its first frame, and the latest.
    first_ns: i64,
    latest_ns: i64,
    muxer: Box<dyn Muxer>,
    /// Which track of the container holds one of the source.
    holds: Vec<Option<usize>>,
    gathered: Vec<u8>,
}

impl Segments {
    /// For a new source. Its first segment carries `run_id`, the others those behind it.
    #[must_use]
    pub fn new(layout: Layout, run_id: RunId, holds: fn(Container, &Track) -> bool, open_muxer: Open) -> Self {
        Self {
            layout,
            open_muxer,
            holds,
            run_id,
            timeline: Timeline::default(),
            tracks: Vec::new(),
            must_cut: false,
            current: None,
            previous: None,
            reordered_ns: 0,
            frame_ns: 0,
            frames: 0,
            bytes: 0,
        }
    }

    /// What is known of a track, or has changed: the next key frame begins a segment with it.
    pub fn describe(&mut self, index: usize, track: Track) {
        if self.tracks.len() <= index {
            self.tracks.resize(index + 1, None);
        }
        if self.tracks[index].as_ref() != Some(&track) {
            self.tracks[index] = Some(track);
            self.must_cut = true;
        }
    }

    /// Whether a track is one of video, as far as is known.
    #[must_use]
    pub fn is_video(&self, index: usize) -> bool {
        let track = self.tracks.get(index).and_then(Option::as_ref);
        track.is_some_and(|track| matches!(track.shape, Shape::Video { .. }))
    }

    /// Cuts and packs otherwise from the next key frame on.
    pub fn lay_out(&mut self, layout: Layout) {
        self.must_cut |= self.layout != layout;
        self.layout = layout;
    }

    /// What is known of the tracks.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().flatten()
    }

    /// When the open segment began, by the wall clock; none where no frame has come.
    #[must_use]
    pub fn began(&self) -> Option<DateTime<Utc>> {
        self.current.as_ref().and_then(|segment| segment.name.start())
    }

    /// How long the open segment is by now.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.current.as_ref().map_or(Duration::ZERO, |segment| segment.lasts(0))
    }

    /// Takes a packet that has arrived now. Frames before the first key frame, and those of a track that is not
    /// [described](Self::describe) yet, cannot be played and are left out; returns whether it was taken.
    pub fn take(&mut self, mut packet: Packet, now: Now, writes: &mut Vec<Write>) -> bool {
        let Some(track) = self.tracks.get(packet.track).and_then(Option::as_ref) else { return false };
        let is_video = matches!(track.shape, Shape::Video { .. });
        let mut at_ns = self.timeline.place(packet.track, is_video, packet.pts_ns, now.steady_ns);
        if !is_video {
            return self.take_audio(packet, at_ns, writes);
        }
        // A segment begins where its first frame was taken, corrected as its name will be.
        if packet.is_key && self.begins(at_ns + self.timeline.correction_ns(), now) {
            at_ns += self.timeline.settle();
            self.begin(at_ns, now, writes);
        }
        let Some(segment) = &mut self.current else { return false };
        self.reordered_ns = self.reordered_ns.max(segment.first_ns - at_ns);
        if at_ns > segment.latest_ns {
            self.frame_ns = at_ns - segment.latest_ns;
            segment.latest_ns = at_ns;
        }
        packet.pts_ns = at_ns;
        segment.push(packet);
        self.frames += 1;
        self.catch_up(at_ns, writes);
        self.write_much(writes);
        true
    }

    fn take_audio(&mut self, mut packet: Packet, at_ns: i64, writes: &mut Vec<Write>) -> bool {
        packet.pts_ns = at_ns;
        let Some(current) = &mut self.current else { return false };
        if at_ns >= current.first_ns {
            current.push(packet);
            self.finish_previous(writes);
        } else {
            match &mut self.previous {
                Some(previous) => previous.push(packet),
                // It belongs before the first frame.
                None => return false,
            }
        }
        self.write_much(writes);
        true
    }

    /// Whether a key frame begins a segment.
    fn begins(&self, at_ns: i64, now: Now) -> bool {
        let Some(segment) = &self.current else { return true };
        let is_set = (now.wall_minus_steady_ns() - segment.wall_minus_steady_ns).abs() > CLOCK_SET_NS;
        self.must_cut || is_set || self.slot(wall(at_ns, now)) != segment.slot
    }

    fn slot(&self, instant: DateTime<Utc>) -> Slot {
        Slot::of(instant, &self.layout.zone, self.layout.segment)
    }

    fn begin(&mut self, at_ns: i64, now: Now, writes: &mut Vec<Write>) {
        self.finish_previous(writes);
        self.previous = self.current.take();
        let start = wall(at_ns, now);
        let container = self.layout.container;
        let known = self.tracks.iter().map(|track| track.as_ref().filter(|track| (self.holds)(container, track)));
        let (mut holds, mut held) = (Vec::new(), Vec::new());
        for track in known {
            holds.push(track.map(|_| held.len()));
            held.extend(track.cloned());
        }
        let name = OpenName { epoch: start.timestamp(), run_id: self.run_id, container, is_damaged: false };
        self.run_id = RunId(self.run_id.0.wrapping_add(1));
        let mut gathered = Vec::new();
        let muxer = (self.open_muxer)(container, &held, start, &mut gathered);
        self.must_cut = false;
        self.current = Some(Segment {
            name,
            slot: self.slot(start),
            wall_minus_steady_ns: now.wall_minus_steady_ns(),
            // Frames that are shown before the key frame, though they come behind it, have times too.
            zero_ns: at_ns - self.reordered_ns,
            first_ns: at_ns,
            latest_ns: at_ns,
            muxer,
            holds,
            gathered,
        });
        writes.push(Write::Create(name));
        let has_audio = self.tracks.iter().flatten().any(|track| matches!(track.shape, Shape::Audio { .. }));
        if !has_audio {
            self.finish_previous(writes);
        }
    }

    /// Audio that has not caught up by now will not.
    fn catch_up(&mut self, at_ns: i64, writes: &mut Vec<Write>) {
        if self.current.as_ref().is_some_and(|current| at_ns - current.first_ns > AUDIO_LAG_NS) {
            self.finish_previous(writes);
        }
    }

    fn finish_previous(&mut self, writes: &mut Vec<Write>) {
        if let Some(segment) = self.previous.take() {
            self.finish(segment, writes);
        }
    }

    fn finish(&mut self, mut segment: Segment, writes: &mut Vec<Write>) {
        let patches = segment.muxer.finish(&mut segment.gathered);
        let lasts = segment.lasts(self.frame_ns);
        self.bytes += segment.gathered.len() as u64;
        writes.push(Write::Finish { open: segment.name, bytes: segment.gathered, patches, lasts });
    }

    fn write_much(&mut self, writes: &mut Vec<Write>) {
        let is_much = |segment: &Segment| segment.gathered.len() >= MOST_GATHERED_BYTES;
        if self.current.as_ref().is_some_and(is_much) {
            self.write(writes);
        }
    }

    /// Has everything written that can be played once it is.
    pub fn flush(&mut self, writes: &mut Vec<Write>) {
        for segment in self.previous.iter_mut().chain(&mut self.current) {
            segment.muxer.flush(&mut segment.gathered);
        }
        self.write(writes);
    }

    fn write(&mut self, writes: &mut Vec<Write>) {
        for segment in self.previous.iter_mut().chain(&mut self.current) {
            if !segment.gathered.is_empty() {
                self.bytes += segment.gathered.len() as u64;
                writes.push(Write::Append(segment.name, std::mem::take(&mut segment.gathered)));
            }
        }
    }

    /// The source has ended: completes what is open.
    pub fn end(&mut self, writes: &mut Vec<Write>) {
        self.finish_previous(writes);
        if let Some(segment) = self.current.take() {
            self.finish(segment, writes);
        }
    }
}

impl Segment {
    /// Writes a packet, whose time is ours still.
    fn push(&mut self, mut packet: Packet) {
        let Some(track) = self.holds.get(packet.track).copied().flatten() else { return };
        packet.track = track;
        packet.pts_ns = (packet.pts_ns - self.zero_ns).max(0);
        self.muxer.push(&packet, &mut self.gathered);
    }

    fn lasts(&self, frame_ns: i64) -> Duration {
        Duration::from_nanos(u64::try_from(self.latest_ns - self.first_ns + frame_ns).unwrap_or(0))
    }
}

/// An instant of the steady clock, by the wall clock.
fn wall(at_ns: i64, now: Now) -> DateTime<Utc> {
    now.wall - chrono::TimeDelta::nanoseconds(now.steady_ns.saturating_sub(at_ns))
}

#[cfg(test)]
mod tests;
