//! What keepers and tasks report.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::timers::Timer;
use super::{Supervisor, clock};
use crate::disk::Space;
use crate::live::SegmentStatus;
use crate::record::camera::Event;
use crate::record::keeper::News;
use crate::record::name::{CameraName, SegmentName};
use crate::record::schedule;
use crate::record::tasks::{Done, MOST_WAITING, Task};
use crate::secret::Secret;
use crate::units::{ByteSize, human_duration};

/// Between two tries of a request that fails: the first pause, and the longest.
const REQUEST_AGAIN: Duration = Duration::from_secs(10);
const REQUEST_AGAIN_AT_MOST: Duration = Duration::from_mins(5);
/// The clock may be set meanwhile: a schedule is looked at as often as this.
const SCHEDULE_EVERY: Duration = Duration::from_mins(1);

impl Supervisor<'_> {
    /// A keeper has told something.
    pub(super) fn hear(&mut self, place: &Path, news: News) {
        match news {
            News::Ready((number, generation)) => self.event(number, Event::Ready(generation)),
            News::NotReady((number, generation), why) => self.event(number, Event::NotReady(generation, why)),
            News::NotWritten(camera, why) => {
                if let Some(number) = self.numbers.get(&camera).copied() {
                    self.event(number, Event::Broken(why));
                }
            }
            News::Closed { camera, settings, name, path, bytes, duration } => {
                self.closed(&camera, name, path.clone(), bytes, duration);
                let words = settings.on_segment.clone();
                if !words.is_empty() {
                    self.run_hook(
                        Task::Hook { camera: camera.clone(), words, path, start: name.start, duration },
                        &camera,
                    );
                }
            }
            News::NotClosed(camera, waiting, why) => {
                self.count(&camera, |live| {
                    live.unclosed_segments = waiting;
                    if !why.is_empty() {
                        live.last_error = Some(why);
                    }
                });
                self.write_soon();
            }
            News::Damaged(camera) => self.count(&camera, |live| live.damaged_segments += 1),
            News::Removed(camera) => self.count(&camera, |live| live.removed_segments += 1),
            News::Room { space, full } => self.room(place, space, full),
            News::Renewed => self.write_soon(),
            News::Taken(error) => self.taken(error),
            News::Gone(error) => self.gone(place, &error),
            News::Opened(opened) => self.sought(place, opened),
            News::Flushed { is_all_closed } if self.is_given_up(place, is_all_closed) => {}
            News::Flushed { .. } => self.flushed(),
        }
    }

    fn count(&mut self, camera: &CameraName, count: impl FnOnce(&mut crate::live::CameraStatus)) {
        let recorder = match self.numbers.get(camera) {
            Some(number) => self.recorders.get_mut(number),
            None => self.left.get_mut(camera),
        };
        if let Some(recorder) = recorder {
            count(&mut recorder.live);
            let live = recorder.live.clone();
            self.publish_camera(live);
        }
    }

    fn closed(
        &mut self,
        camera: &CameraName,
        name: SegmentName,
        path: std::path::PathBuf,
        bytes: u64,
        duration: Option<Duration>,
    ) {
        let lasts = duration.map(|duration| format!(", {}", human_duration(duration))).unwrap_or_default();
        log::info!("{camera}/{name}: closed ({}{lasts})", ByteSize(bytes));
        self.report.arrived_files += 1;
        self.report.arrived_recordings += 1;
        self.report.transferred_bytes += bytes;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let segment = SegmentStatus {
            path,
            start_timestamp_seconds: name.start.timestamp() as f64,
            duration_seconds: duration.unwrap_or_default().as_secs_f64(),
            bytes,
        };
        self.count(camera, |live| {
            live.segments += 1;
            live.torn_segments += u64::from(duration.is_none());
            if live
                .last_segment
                .as_ref()
                .is_none_or(|last| last.start_timestamp_seconds <= segment.start_timestamp_seconds)
            {
                live.last_segment = Some(segment);
            }
        });
        self.write_soon();
    }

    /// How the disk of a destination is.
    pub(super) fn room(&mut self, place: &Path, space: Option<Space>, full: Option<String>) {
        if let Some(space) = space {
            self.report.disk_used_ratio = Some(space.used_ratio());
            for recorder in
                self.recorders.values_mut().filter(|recorder| recorder.machine.camera().destination == place)
            {
                recorder.live.disk_used_ratio = Some(space.used_ratio());
                recorder.live.disk_free_bytes = Some(space.available);
            }
        }
        if self.ending.is_some() || self.full.contains_key(place) == full.is_some() {
            return;
        }
        let Some(why) = full else { return self.go_on(place, "there is room") };
        log::error!("recording to {} pauses: {why}", place.display());
        self.full.insert(place.to_owned(), why.clone());
        for number in self.recorders_to(place) {
            if let Some(recorder) = self.recorders.get_mut(&number) {
                recorder.live.last_error = Some(why.clone());
            }
            self.event(number, Event::Full(why.clone()));
        }
    }

    /// A destination can be written to again.
    pub(super) fn go_on(&mut self, place: &Path, why: &str) {
        self.full.remove(place);
        log::warn!("recording to {} goes on: {why}", place.display());
        for number in self.recorders_to(place) {
            self.event(number, Event::Free);
        }
    }

    fn recorders_to(&self, place: &Path) -> Vec<u64> {
        let here = self.recorders.iter().filter(|(_, recorder)| recorder.machine.camera().destination == place);
        here.map(|(number, _)| *number).collect()
    }

    /// A task is done.
    pub(super) fn done(&mut self, done: Done) {
        match &done {
            Done::Hook(..) => self.programs.finished(&done),
            Done::Get(..) | Done::Push(..) | Done::Measure(..) => self.requests.finished(&done),
        }
        match done {
            Done::Hook(camera, Ok(())) => {
                let text = format_args!("{camera}: the program of on_segment works again");
                self.notices.end(camera.as_str(), text);
            }
            Done::Hook(camera, Err(why)) => self.hook_failed(&camera, &why),
            Done::Get(camera, url, outcome) => self.requested(&camera, &url, outcome),
            Done::Measure(machine, usage) => self.measured(machine, &usage),
            Done::Push(outcome) => {
                self.is_pushing = false;
                if let Err(error) = outcome {
                    self.context.notices.warn("metrics-push", format_args!("the metrics were not pushed: {error}"));
                }
            }
        }
    }

    fn run_hook(&mut self, hook: Task, camera: &CameraName) {
        if self.programs.is_swamped(camera) {
            self.hook_failed(camera, &format!("{MOST_WAITING} segments wait for it already: one more is left out"));
        } else {
            self.programs.run(hook);
        }
    }

    fn hook_failed(&mut self, camera: &CameraName, why: &str) {
        self.notices.warn(camera.as_str(), format_args!("{camera}: the program of on_segment failed: {why}"));
        self.count(camera, |live| live.hook_failures += 1);
    }

    /// Sets the state that is due by the camera's schedule, and looks at it again when the next is.
    pub(super) fn begin_schedule(&mut self, number: u64) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        recorder.schedule_generation += 1;
        recorder.scheduled = None;
        recorder.request = None;
        if !recorder.machine.camera().schedule.is_empty() {
            let generation = recorder.schedule_generation;
            self.look_at_schedule(number, generation, Instant::now());
        }
    }

    pub(super) fn look_at_schedule(&mut self, number: u64, generation: u64, now: Instant) {
        let wall = clock();
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if recorder.schedule_generation != generation {
            return;
        }
        let (entries, zone) = (&recorder.machine.camera().schedule, recorder.machine.camera().zone);
        if let Some((at, entry)) = schedule::last(entries, zone, wall)
            && recorder.scheduled != Some(at)
        {
            recorder.scheduled = Some(at);
            recorder.request = Some((entry.get.clone(), 0));
            recorder.try_at = Some(now);
        }
        if let Some((url, _)) = &recorder.request
            && recorder.try_at.is_some_and(|at| at <= now)
        {
            recorder.try_at = None;
            self.requests.run(Task::Get { camera: recorder.name.clone(), url: url.clone() });
        }
        let until = |at: DateTime<Utc>| (at - wall).to_std().unwrap_or_default();
        let next = schedule::next(entries, zone, wall).map_or(SCHEDULE_EVERY, |(at, _)| until(at).min(SCHEDULE_EVERY));
        let next = recorder.try_at.map_or(now + next, |at| at.min(now + next));
        self.timers.at(next, Timer::Schedule(number, generation));
    }

    fn requested(&mut self, camera: &CameraName, url: &Secret, outcome: Result<(), String>) {
        let Some(number) = self.numbers.get(camera).copied() else { return };
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        // What is due now may be another one.
        let Some((_, failures)) = recorder.request.as_mut().filter(|(wanted, _)| wanted == url) else { return };
        let shown = crate::record::url::shown(url.reveal());
        let Err(why) = outcome else {
            let level = if *failures > 0 { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "{camera}: requested by its schedule: {shown}");
            recorder.request = None;
            return;
        };
        let level = if *failures == 0 { log::Level::Warn } else { log::Level::Info };
        log::log!(level, "{camera}: the request of its schedule failed: {shown}: {why}; tried again");
        let pause = REQUEST_AGAIN.saturating_mul(1 << (*failures).min(8)).min(REQUEST_AGAIN_AT_MOST);
        *failures += 1;
        recorder.live.schedule_failures += 1;
        let now = Instant::now();
        recorder.try_at = Some(now + pause);
        // A chain of its own timers: this one takes its place. The next entry may be due before the next try.
        recorder.schedule_generation += 1;
        let generation = recorder.schedule_generation;
        self.look_at_schedule(number, generation, now);
        self.publish(number);
    }
}
