//! One closed recording or picture of an index, binary or SQLite.

use std::time::Duration;

use super::camera_time::CameraTime;

/// The kind of a ring file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// Program streams in `hiv00000.mp4`.
    Video,
    /// JPEGs in `hiv00000.pic`.
    Picture,
}

impl Medium {
    /// The name of ring file `file`. The `.mp4` is the camera's: there is no MP4 inside.
    #[must_use]
    pub fn ring_file_name(self, file: u32) -> String {
        match self {
            Self::Video => format!("hiv{file:05}.mp4"),
            Self::Picture => format!("hiv{file:05}.pic"),
        }
    }
}

/// Whether a ring file exists, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingFile {
    /// It exists, with so many bytes.
    Present(u64),
    /// It does not exist. footage lists its segments all the same, but cannot extract them.
    Missing,
}

/// A byte range of a ring file: not empty, and inside the file if the file's length was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentSpan {
    start: u64,
    end: u64,
}

impl SegmentSpan {
    /// The range from `start` up to, not including, `end`; `None` if that is empty, backwards or past the end of `file`.
    #[must_use]
    pub fn new(start: u64, end: u64, file: RingFile) -> Option<Self> {
        let fits = match file {
            RingFile::Present(bytes) => end <= bytes,
            RingFile::Missing => true,
        };
        (start < end && fits).then_some(Self { start, end })
    }

    /// Offset of the first byte.
    #[must_use]
    pub fn start(self) -> u64 {
        self.start
    }

    /// Offset of the byte after the last.
    #[must_use]
    pub fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(self) -> u64 {
        self.end - self.start
    }
}

/// When the first and the last frame of a segment are shown, on the stream's own clock at 45 kHz: half their PTS. It
/// wraps around about once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameClock {
    /// Half the first frame's PTS, modulo 2³².
    pub first_45k: u32,
    /// Half the last frame's PTS, modulo 2³².
    pub last_45k: u32,
}

impl FrameClock {
    /// From the first frame to the last: the length of the recording, whatever happened to the wall clock.
    #[must_use]
    pub fn duration(self) -> Duration {
        let ticks = u64::from(self.last_45k.wrapping_sub(self.first_45k));
        Duration::from_micros(ticks * 1_000_000 / 45_000)
    }
}

/// By how much summer time moves the clocks.
const SUMMER_TIME: Duration = Duration::from_hours(1);
/// The most by which a camera's clock is set back while it records, as when its zone is corrected.
const SET_BACK: Duration = Duration::from_hours(24);

/// Whether a recording that began at `start` of the camera's clock can have ended at `end`. That may be earlier where the
/// clock was set back: by an hour at the end of summer time, by more if the frames give the duration.
#[must_use]
pub fn can_end(start: CameraTime, end: CameraTime, frames: Option<FrameClock>) -> bool {
    start < end || (end < start && end.until(start) <= if frames.is_some() { SET_BACK } else { SUMMER_TIME })
}

/// The ring files of one medium in one datadir, which have an index of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ring {
    /// The kind of its files.
    pub medium: Medium,
    /// The position of its datadir among its camera's.
    pub datadir: usize,
}

/// A closed segment or picture that its index calls live, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The index that lists it.
    pub ring: Ring,
    /// Number of the ring file, the digits of `hiv00042.mp4`.
    pub file: u32,
    /// Whether that file exists; if not, the segment can be listed but not extracted.
    pub is_present: bool,
    /// Number of the segment in that file.
    pub number: u32,
    /// The camera's channel.
    pub channel: u16,
    /// The trigger of the recording, in the firmware's own numbers; 0 where the index does not have it.
    pub kind: u8,
    /// The clock at the first frame, or when the picture was taken.
    pub start: CameraTime,
    /// The clock at the last frame, before `start` if it was set back during the recording; for a picture usually the same
    /// as `start`, never before it.
    pub end: CameraTime,
    /// Where it lies in the ring file.
    pub span: SegmentSpan,
    /// The stream's clock at the first and the last frame; SQLite indexes and pictures have none.
    pub frames: Option<FrameClock>,
}

impl Segment {
    /// The sort key: by time, then by ring file and number.
    #[must_use]
    pub fn order(&self) -> (CameraTime, usize, u32, u32) {
        (self.start, self.ring.datadir, self.file, self.number)
    }

    /// The duration by the stream's clock. A firmware that does not write it leaves both fields equal.
    #[must_use]
    pub fn frame_duration(&self) -> Option<Duration> {
        self.frames.map(FrameClock::duration).filter(|duration| !duration.is_zero())
    }

    /// The duration: by the stream's clock if the index has it, else by the camera's.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.frame_duration().unwrap_or_else(|| {
            let later = if self.end < self.start { SUMMER_TIME } else { Duration::ZERO };
            (self.start.until(self.end) + later).saturating_sub(self.end.until(self.start))
        })
    }

    /// Whether `duration` fits the camera's clock, which differs by an hour when summer time begins or ends.
    #[must_use]
    pub fn is_as_long(&self, duration: Duration, tolerance: Duration) -> bool {
        let (forward, back) = (self.start.until(self.end), self.end.until(self.start));
        // Both sides of each equation without a difference, which could be negative.
        let is_near = |of: Duration, other: Duration| of.abs_diff(other) <= tolerance;
        is_near(duration + back, forward)
            || is_near(duration + back, forward + SUMMER_TIME)
            || is_near(duration + back + SUMMER_TIME, forward)
    }
}

#[cfg(test)]
impl Segment {
    /// A video of one byte and no length, for tests to change.
    pub(super) fn at(start: CameraTime) -> Self {
        Self {
            ring: Ring { medium: Medium::Video, datadir: 0 },
            file: 0,
            is_present: true,
            number: 0,
            channel: 1,
            kind: 13,
            start,
            end: start,
            span: SegmentSpan { start: 0, end: 1 },
            frames: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pts_wraps() {
        let frames = FrameClock { first_45k: u32::MAX - 44_999, last_45k: 45_000 };
        assert_eq!(frames.duration(), Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn segment_spans_are_ordered_and_inside_the_ring_file(start: u64, end: u64, bytes: u64) {
            match SegmentSpan::new(start, end, RingFile::Present(bytes)) {
                Some(span) => {
                    prop_assert!(span.start() < span.end() && span.end() <= bytes);
                    prop_assert_eq!(span.start() + span.len(), end);
                }
                None => prop_assert!(start >= end || end > bytes),
            }
        }
    }
}
