//! The state of the cameras for others: the listener, the state files, the metrics.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use super::{Supervisor, seconds};
use crate::error::Result;
use crate::live::{CameraStatus, EVERY, RecorderStatus};
use crate::machine::{Machine, Usage};
use crate::mutex::lock;
use crate::pass::Ended;
use crate::record::name::CameraName;
use crate::record::places::file_name;
use crate::record::recorder::Recorder;
use crate::record::tasks::Task;
use crate::store::write_even_if_full;
use crate::units::{ByteSize, bit_rate, count};

/// States that change many times in a second are written once.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

impl Supervisor<'_> {
    pub(super) fn live(&self) -> MutexGuard<'_, RecorderStatus> {
        lock(&self.live)
    }

    /// One line for a person at a terminal: `2 of 2 cameras  1.1 Mbit/s  6 segments (2.4 MB)`.
    pub(super) fn tell(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        if self.ending.is_some() {
            return self.lasting.tell(elapsed, "the last segments are being closed".to_owned());
        }
        let cameras = || self.recorders.values().map(|recorder| &recorder.live);
        let (up, all) = (cameras().filter(|camera| camera.is_up()).count(), count(self.recorders.len(), "camera"));
        // The sum of no floats is -0.
        let bits = cameras().filter_map(|camera| camera.bits_per_second).fold(0.0, |all, bits| all + bits);
        let (segments, bytes) = (count(self.report.arrived_files, "segment"), ByteSize(self.report.transferred_bytes));
        let text = format!("{up} of {all}  {}  {segments} ({bytes})", bit_rate(bits));
        self.lasting.tell(elapsed, text);
    }

    /// The state of a camera has changed.
    pub(super) fn publish(&self, number: u64) {
        if let Some(recorder) = self.recorders.get(&number) {
            self.publish_camera(recorder.live.clone());
        }
    }

    /// What is counted of a camera has changed, as it does several times a second.
    pub(super) fn publish_counts(&mut self, number: u64, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if recorder.published.is_none_or(|before| now.saturating_duration_since(before) >= AT_MOST_EVERY) {
            recorder.published = Some(now);
            self.publish(number);
        }
    }

    pub(super) fn publish_camera(&self, camera: CameraStatus) {
        let mut live = self.live();
        match live.cameras.binary_search_by(|known| known.name.cmp(&camera.name)) {
            Ok(at) => live.cameras[at] = camera,
            Err(at) => live.cameras.insert(at, camera),
        }
    }

    pub(super) fn unpublish(&mut self, name: &CameraName) {
        self.live().cameras.retain(|camera| camera.name != name.as_str());
        self.write_soon();
    }

    /// The state is worth writing, soon.
    pub(super) fn write_soon(&mut self) {
        self.write_at = self.write_at.min(self.wrote_at + AT_MOST_EVERY);
    }

    /// Has the keepers write the state, when it is time.
    pub(super) fn write_state(&mut self) {
        let now = Instant::now();
        if now < self.write_at || self.is_closing() {
            return;
        }
        self.wrote_at = now;
        self.measure(now);
        self.write_at = now + EVERY;
        let now = seconds();
        self.live().updated_timestamp_seconds = now;
        for place in self.keepers.keys() {
            self.write_state_of(place);
        }
        let sinks = &self.settings.sinks;
        if let (Some(path), Some(keeper)) = (&sinks.file, self.keepers.values().next()) {
            let text = self.live().to_prometheus();
            keeper.write(path.clone(), text.into_bytes());
        }
        // One that is slow gets the next when it has taken the last.
        if sinks.pushgateway_url.is_some() && !self.is_pushing {
            self.is_pushing = true;
            let text = self.live().to_prometheus();
            self.requests.run(Task::Push { sinks: sinks.clone(), text });
        }
    }

    /// Looks at the machine, and at what the recorder and its ffmpegs take of it, as often as the state is written. Some
    /// sensors are slow, and are not waited for here.
    fn measure(&mut self, now: Instant) {
        if self.measured_at.is_some_and(|at| now.saturating_duration_since(at) >= EVERY) {
            self.measured_at = None;
            let ffmpegs = self.recorders.values().filter_map(Recorder::ffmpeg_id);
            self.requests.run(Task::Measure { pids: std::iter::once(std::process::id()).chain(ffmpegs).collect() });
        }
    }

    pub(super) fn measured(&mut self, machine: Machine, usage: &[(u32, Usage)]) {
        self.measured_at = Some(Instant::now());
        let of = |id: u32| usage.iter().find(|(pid, _)| *pid == id).map(|(_, usage)| *usage);
        {
            let mut live = self.live();
            live.machine = Some(machine);
            live.usage = of(std::process::id());
        }
        for recorder in self.recorders.values_mut() {
            recorder.live.ffmpeg_usage = recorder.ffmpeg_id().and_then(of);
        }
        self.recorders.values().for_each(|recorder| self.publish_camera(recorder.live.clone()));
    }

    /// Has the keeper of a destination write the state of its cameras.
    pub(super) fn write_state_of(&self, place: &std::path::Path) {
        if let Some(keeper) = self.keepers.get(place) {
            let path = place.join(crate::store::STATE_DIR).join(file_name(self.settings.shard, "json"));
            keeper.write(path, self.state_of(place));
        }
    }

    /// The state of the cameras of one destination.
    fn state_of(&self, place: &std::path::Path) -> Vec<u8> {
        let mut here = self.live().clone();
        here.cameras.retain(|camera| camera.directory.parent() == Some(place));
        if self.given_up.contains(place) {
            here.ended = Some(Ended::done("no camera is recorded here any more"));
        }
        let mut text = serde_json::to_vec(&here).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// The last state is written here: the keepers have ended, or never will.
    pub(super) fn write_last_state(&mut self, outcome: &Result<()>) {
        {
            let mut live = self.live();
            live.updated_timestamp_seconds = seconds();
            live.ended = Some(match outcome {
                Ok(()) => Ended::done("its time was up"),
                Err(error) => Ended::by(error),
            });
        }
        for place in self.keepers.keys() {
            let path = place.join(crate::store::STATE_DIR).join(file_name(self.settings.shard, "json"));
            if let Err(error) = write_even_if_full(&path, &self.state_of(place)) {
                log::info!("{}", error.with_causes());
            }
        }
        if let Some(path) = &self.settings.sinks.file {
            let text = self.live().to_prometheus();
            if let Err(error) = write_even_if_full(path, text.as_bytes()) {
                log::info!("{}", error.with_causes());
            }
        }
    }
}
