//! One camera: its wanted state, its current state, and its state for others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::config::Camera;
use super::name::CameraName;
use super::pace::Leap;
use super::retries::Retries;
use super::segmenter::{Segmenter, Why};
use crate::child;
use crate::live::{CameraStatus, Meter, State};
use crate::secret::Secret;
use crate::units::human_duration;

/// After so much recording an outage is over.
const STEADY: Duration = Duration::from_secs(20);

/// What a camera does.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its folder is being made.
    Preparing,
    /// Its ffmpeg starts at a time.
    Waiting,
    /// Its ffmpeg runs.
    Running(Box<Segmenter>),
    /// There is no room for it.
    Paused,
}

/// What is to become of a camera.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Intent {
    /// It is recorded.
    Record,
    /// It is recorded otherwise from now on.
    Become(Arc<Camera>),
    /// It is not recorded any more.
    Leave,
}

/// A camera under way.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) name: CameraName,
    pub(super) camera: Arc<Camera>,
    pub(super) phase: Phase,
    pub(super) intent: Intent,
    pub(super) retries: Retries,
    /// Which start this is: what was arranged for an earlier one has no meaning any more.
    pub(super) generation: u64,
    pub(super) live: CameraStatus,
    /// Since when it fails, and whether that was told.
    outage: Option<Instant>,
    /// How many times frames came and broke off in that time.
    pub(super) breaks: u32,
    pub(super) frames_meter: Meter,
    pub(super) bytes_meter: Meter,
    /// Frames, doubled and dropped ones and bytes of its earlier ffmpegs.
    before: [u64; 4],
    /// How many times its ffmpeg told of new frames.
    steps: u64,
    /// The failed requests of its schedule in a row, and what is to be fetched.
    pub(super) request: Option<(Secret, u32)>,
    /// When it is tried.
    pub(super) try_at: Option<Instant>,
    /// Which entry was done, or is being tried: when it was due.
    pub(super) scheduled: Option<DateTime<Utc>>,
    /// Which of its timers has a meaning.
    pub(super) schedule_generation: u64,
    /// The `TZ` by which its ffmpeg finds the marks of its clock.
    pub(super) clock: String,
}

impl Recorder {
    pub(super) fn new(name: CameraName, camera: Arc<Camera>, now_seconds: f64) -> Self {
        let live = CameraStatus {
            name: name.to_string(),
            source: camera.url.to_string(),
            directory: camera.destination.join(name.as_str()),
            state_since_timestamp_seconds: now_seconds,
            ..CameraStatus::default()
        };
        Self {
            name,
            camera,
            phase: Phase::Preparing,
            intent: Intent::Record,
            retries: Retries::default(),
            generation: 0,
            live,
            outage: None,
            breaks: 0,
            frames_meter: Meter::default(),
            bytes_meter: Meter::default(),
            before: [0; 4],
            steps: 0,
            request: None,
            try_at: None,
            scheduled: None,
            schedule_generation: 0,
            clock: String::new(),
        }
    }

    /// It is recorded otherwise now.
    pub(super) fn become_as(&mut self, camera: Arc<Camera>) {
        self.live.source = camera.url.to_string();
        self.live.directory = camera.destination.join(self.name.as_str());
        self.camera = camera;
    }

    pub(super) fn segmenter(&mut self) -> Option<&mut Segmenter> {
        match &mut self.phase {
            Phase::Running(segmenter) => Some(segmenter),
            _ => None,
        }
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

    /// Takes the numbers of the running ffmpeg. `at` is any clock that does not jump.
    pub(super) fn count(&mut self, at: Duration, now_seconds: f64) {
        let Phase::Running(segmenter) = &mut self.phase else { return };
        let (progress, bytes) = (segmenter.progress, segmenter.written_bytes());
        let live = &mut self.live;
        let [frames, dup, drop, written] = self.before;
        if progress.steps > self.steps {
            live.last_frame_timestamp_seconds = Some(now_seconds);
        }
        self.steps = progress.steps;
        live.frames = frames + progress.frames;
        live.dup_frames = dup + progress.dup_frames;
        live.drop_frames = drop + progress.drop_frames;
        live.out_time_seconds = progress.out_time.as_secs_f64();
        if let Some(bytes) = bytes {
            // Its log lines are counted as they arrive, and discounted when they are read.
            live.bytes = live.bytes.max(written + bytes);
            self.bytes_meter.sample_video(at, bytes, progress.out_time);
        }
        if progress.frames > 0 {
            self.frames_meter.sample_video(at, progress.frames, progress.out_time);
        }
        live.frames_per_second = self.frames_meter.per_second(at);
        live.bits_per_second = self.bytes_meter.per_second(at).map(|bytes| bytes * 8.0);
    }

    /// Its ffmpeg has ended: what it counted stays counted.
    pub(super) fn settle(&mut self) {
        let live = &mut self.live;
        self.before = [live.frames, live.dup_frames, live.drop_frames, live.bytes];
        self.steps = 0;
        live.out_time_seconds = 0.0;
        live.open_segment_start_timestamp_seconds = None;
        live.frames_per_second = None;
        live.bits_per_second = None;
        self.frames_meter.restart();
        self.bytes_meter.restart();
    }

    /// Until when a frame has to come, and what is meant by none.
    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        let Phase::Running(segmenter) = &self.phase else { return None };
        let patience = match segmenter.first_frame {
            Some(_) => self.camera.stall_timeout,
            // To connect and to find out what comes takes ffmpeg longer than a frame.
            None => self.camera.stall_timeout.max(self.camera.timeout + Duration::from_secs(5)),
        };
        Some(segmenter.moved + patience)
    }

    /// A try failed: logged the first time, and once more when it is over.
    pub(super) fn fails(&mut self, why: &str, now: Instant) {
        self.live.last_error = Some(why.to_owned());
        let is_new = self.outage.is_none();
        self.outage.get_or_insert(now);
        log::log!(if is_new { log::Level::Warn } else { log::Level::Info }, "{}: {why}", self.name);
    }

    /// Frames come. Says so when they did not for some time.
    pub(super) fn works(&mut self, now: Instant) {
        let Phase::Running(segmenter) = &self.phase else { return };
        let is_steady = segmenter.first_frame.is_some_and(|first| now.saturating_duration_since(first) >= STEADY);
        if is_steady {
            self.recovers(now);
        }
    }

    /// Everything ends. It does not fail if it records and does not break off repeatedly: earlier failures were logged.
    pub(super) fn ends(&mut self, now: Instant) {
        let records = matches!(&self.phase, Phase::Running(it) if it.first_frame.is_some() && it.ending().is_none());
        if records && self.breaks <= 1 {
            self.recovers(now);
        }
    }

    fn recovers(&mut self, now: Instant) {
        if let Some(since) = self.outage.take() {
            let gap = human_duration(now.saturating_duration_since(since));
            log::warn!("{}: records again, {gap} after it began to fail", self.name);
        }
        self.breaks = 0;
    }

    /// Whether it fails now.
    pub(super) fn is_failing(&self) -> bool {
        self.outage.is_some()
    }

    /// The process of its ffmpeg, while it runs.
    pub(super) fn ffmpeg_id(&self) -> Option<u32> {
        if let Phase::Running(segmenter) = &self.phase { Some(segmenter.id()) } else { None }
    }

    /// How long the ffmpeg that has just ended recorded.
    pub(super) fn lasted(&self, now: Instant) -> Option<Duration> {
        let Phase::Running(segmenter) = &self.phase else { return None };
        segmenter.first_frame.map(|first| now.saturating_duration_since(first))
    }

    /// Why its ffmpeg ended without a request, in words; and whether it was a stall.
    pub(super) fn why_it_ended(&self, status: std::process::ExitStatus, now: Instant) -> (String, bool) {
        let Phase::Running(segmenter) = &self.phase else { return (String::new(), false) };
        let silent = now.saturating_duration_since(segmenter.moved);
        match segmenter.ending() {
            Some(Why::Stall) => {
                return (format!("no frame came for {}, and ffmpeg was ended", human_duration(silent)), true);
            }
            Some(Why::Leap(leap)) => {
                let by = match leap {
                    Leap::Forward(by) => format!("forward by {}", human_duration(by)),
                    Leap::Back => "back".to_owned(),
                };
                return (format!("the clock of its frames was set {by}, and ffmpeg was ended"), false);
            }
            _ => {}
        }
        let lasted = self.lasted(now).map_or_else(
            || "ffmpeg ended without a frame".to_owned(),
            |time| format!("the stream ended after {}", human_duration(time)),
        );
        // ffmpeg gives up on a silent camera by itself, and calls that success.
        let gave_up = segmenter.first_frame.is_some() && silent >= self.camera.timeout;
        let said = segmenter.said.last_words().map(|said| format!(": {said:?}")).unwrap_or_default();
        let is_told = status.success() || (!said.is_empty() && !child::is_too_large(status));
        let how = if is_told { String::new() } else { format!(" ({})", child::described(status)) };
        (format!("{lasted}{how}{said}"), gave_up)
    }
}
