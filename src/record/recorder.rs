//! One camera under way: its state machine, its feed and segments, and its state for others.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::camera::Machine;
use super::config::Camera;
use super::feed::Feed;
use super::name::CameraName;
use super::segments::Segments;
use crate::live::{CameraStatus, Meter, State};
use crate::secret::Secret;

/// So long without a loss, an outage of the network is over.
const LOSSY_FOR: Duration = Duration::from_mins(10);

/// A camera under way.
pub(super) struct Recorder {
    pub(super) name: CameraName,
    pub(super) machine: Machine,
    pub(super) running: Option<Running>,
    pub(super) live: CameraStatus,
    frames_meter: Meter,
    bytes_meter: Meter,
    /// Native sources in a row that stalled without a frame.
    pub(super) silent_stalls: u32,
    /// When packets were last lost on the way; none once an outage is over.
    pub(super) lossy: Option<Instant>,
    /// Frames, dropped ones and bytes of its earlier feeds.
    before: [u64; 3],
    /// The failed requests of its schedule in a row, and what is to be fetched.
    pub(super) request: Option<(Secret, u32)>,
    /// When it is tried.
    pub(super) try_at: Option<Instant>,
    /// Which entry was done, or is being tried: when it was due.
    pub(super) scheduled: Option<DateTime<Utc>>,
    /// Which of its timers has a meaning.
    pub(super) schedule_generation: u64,
    /// When its counts were last published.
    pub(super) published: Option<Instant>,
}

/// A feed, and what becomes of its packets.
pub(super) struct Running {
    pub(super) feed: Feed,
    pub(super) segments: Segments,
    /// Packets that were lost on the way.
    pub(super) lost: u64,
    /// When what it gave was last handed to the writer.
    pub(super) flushed: Instant,
    /// When it is called again, where a timer runs for that.
    pub(super) timer: Option<Instant>,
    /// Its first frame.
    pub(super) first_frame: Option<Instant>,
}

impl Recorder {
    pub(super) fn new(name: CameraName, machine: Machine, now_seconds: f64) -> Self {
        let camera = machine.camera();
        let live = CameraStatus {
            name: name.to_string(),
            source: camera.url.to_string(),
            directory: camera.destination.join(name.as_str()),
            state_since_timestamp_seconds: now_seconds,
            ..CameraStatus::default()
        };
        Self {
            name,
            machine,
            running: None,
            live,
            frames_meter: Meter::default(),
            bytes_meter: Meter::default(),
            silent_stalls: 0,
            lossy: None,
            before: [0; 3],
            request: None,
            try_at: None,
            scheduled: None,
            schedule_generation: 0,
            published: None,
        }
    }

    /// It is recorded so from now on.
    pub(super) fn shows(&mut self, camera: &Camera) {
        self.live.source = camera.url.to_string();
        self.live.directory = camera.destination.join(self.name.as_str());
    }

    /// Packets were lost on the way; whether they are the first of an outage.
    pub(super) fn loses(&mut self, now: Instant) -> bool {
        let is_new = self.lossy.is_none_or(|last| now.saturating_duration_since(last) >= LOSSY_FOR);
        self.lossy = Some(now);
        is_new
    }

    /// Changes its state; returns whether it was another.
    pub(super) fn show(&mut self, state: State, now_seconds: f64) -> bool {
        if self.live.state == state {
            return false;
        }
        self.live.state = state;
        self.live.state_since_timestamp_seconds = now_seconds;
        true
    }

    /// Takes the numbers of the running feed. `at` is any clock that does not jump.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    pub(super) fn count(&mut self, at: Duration, now_seconds: f64) {
        let Some(running) = &self.running else { return };
        let (segments, live) = (&running.segments, &mut self.live);
        let [frames, lost, bytes] = self.before;
        if frames + segments.frames > live.frames {
            live.last_frame_timestamp_seconds = Some(now_seconds);
        }
        live.frames = frames + segments.frames;
        live.drop_frames = lost + running.lost;
        live.bytes = bytes + segments.bytes;
        live.out_time_seconds = segments.lasts().as_secs_f64();
        live.open_segment_start_timestamp_seconds = segments.began().map(|began| began.timestamp() as f64);
        if segments.frames > 0 {
            self.frames_meter.sample(at, segments.frames);
            self.bytes_meter.sample(at, segments.bytes);
        }
        live.frames_per_second = self.frames_meter.per_second(at);
        live.bits_per_second = self.bytes_meter.per_second(at).map(|bytes| bytes * 8.0);
    }

    /// Its feed has ended: what it counted stays counted.
    pub(super) fn settle(&mut self) {
        let live = &mut self.live;
        self.before = [live.frames, live.drop_frames, live.bytes];
        live.out_time_seconds = 0.0;
        (live.engine, live.ffmpeg_pid) = (None, None);
        live.open_segment_start_timestamp_seconds = None;
        live.frames_per_second = None;
        live.bits_per_second = None;
        self.frames_meter.restart();
        self.bytes_meter.restart();
    }

    /// The process of its ffmpeg, while one runs.
    pub(super) fn ffmpeg_id(&self) -> Option<u32> {
        self.running.as_ref().and_then(|running| running.feed.pid())
    }
}
