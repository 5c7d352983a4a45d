//! How a camera begins: its folder, its turn, its ffmpeg.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::epoll;

use super::timers::Timer;
use super::{STAGGER, Supervisor, clock, seconds};
use crate::error::{Error, Result};
use crate::live::State;
use crate::random::random;
use crate::record::command;
use crate::record::config::Camera;
use crate::record::keeper::{Job, Keeper, Turn};
use crate::record::name::{CameraName, Token};
use crate::record::recorder::{Intent, Phase, Recorder};
use crate::record::segmenter::{Segmenter, Why};

impl Supervisor<'_> {
    /// Begins with all cameras; but for those whose destinations cannot be used now, in words why.
    pub(super) fn begin(&mut self, lost: &BTreeMap<PathBuf, String>) -> Result<()> {
        if self.config.wants_hints {
            crate::record::hints::tell(&self.config.destinations(), self.context.progress.is_shown());
        }
        let cameras = self.config.cameras.clone();
        for destination in self.config.destinations().into_iter().map(ToOwned::to_owned).collect::<Vec<_>>() {
            match lost.get(&destination) {
                None => self.keep(&destination)?,
                Some(why) => self.lose(&destination, why.clone()),
            }
        }
        // Before anything is written.
        self.look();
        let now = Instant::now();
        self.timers.at(now + super::LOOK_EVERY, Timer::Look);
        if self.context.progress.is_shown() {
            self.timers.at(now, Timer::Tell);
        }
        if let Some(lasts) = self.settings.lasts {
            self.timers.at(now + lasts, Timer::End);
        }
        for (name, camera) in cameras {
            self.add(name, camera);
        }
        Ok(())
    }

    /// Has a keeper for a destination that is locked.
    pub(super) fn keep(&mut self, destination: &Path) -> Result<()> {
        if self.keepers.contains_key(destination) {
            return Ok(());
        }
        let store = self.places.store(destination).cloned();
        let store = store.ok_or_else(|| Error::Source(format!("{} is not locked", destination.display())))?;
        let is_shared = !self.settings.shard.is_all();
        // With a lock elsewhere another recorder may record here too.
        let is_ours = !is_shared && self.settings.lock_file.is_none();
        let lock = self.places.lock_of(destination).map(Arc::downgrade).unwrap_or_default();
        let keeper = Keeper::start(store, self.ffmpeg.path.clone(), is_shared, is_ours, lock, self.news_box.clone())?;
        self.keepers.insert(destination.to_owned(), keeper);
        Ok(())
    }

    /// A new camera.
    pub(super) fn add(&mut self, name: CameraName, camera: Camera) {
        let camera = Arc::new(camera);
        if let Some(number) = self.numbers.get(&name) {
            // It is still leaving: it comes back when it has left.
            if let Some(recorder) = self.recorders.get_mut(number) {
                recorder.intent = Intent::Become(camera);
            }
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        let recorder = Recorder::new(name.clone(), camera, seconds());
        self.numbers.insert(name, number);
        self.recorders.insert(number, recorder);
        self.prepare(number);
        self.begin_schedule(number);
    }

    /// Asks for the camera's folder; its ffmpeg starts when that is there.
    pub(super) fn prepare(&mut self, number: u64) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let destination = &recorder.camera.destination;
        if let Some(why) = self.full.get(destination) {
            recorder.phase = Phase::Paused;
            recorder.live.last_error = Some(why.clone());
            self.show(number, State::Paused);
            return;
        }
        recorder.phase = Phase::Preparing;
        if let Some(keeper) = self.keepers.get(destination) {
            let (camera, settings) = (recorder.name.clone(), Arc::clone(&recorder.camera));
            keeper.ask(Job::Prepare { camera, settings, turn: (number, recorder.generation) });
        }
        self.publish(number);
    }

    /// The camera's folder is there: its ffmpeg starts when it is its turn.
    pub(super) fn ready(&mut self, (number, generation): Turn) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if !matches!(recorder.phase, Phase::Preparing) || recorder.generation != generation {
            return;
        }
        recorder.phase = Phase::Waiting;
        let at = self.next_start.max(Instant::now());
        self.next_start = at + STAGGER;
        self.timers.at(at, Timer::Start(number, recorder.generation));
    }

    /// Starts the camera's ffmpeg.
    pub(super) fn start(&mut self, number: u64, generation: u64, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if recorder.generation != generation || !matches!(recorder.phase, Phase::Waiting) {
            return;
        }
        recorder.generation += 1;
        let camera = &recorder.camera;
        #[expect(clippy::cast_possible_truncation, reason = "one half of it is random enough")]
        let token = Token(random() as u32);
        let dir = camera.destination.join(recorder.name.as_str());
        let arguments = command::arguments(camera, &dir, token, self.ffmpeg.version);
        recorder.clock = camera.zone.posix(clock());
        match Segmenter::start(&self.ffmpeg.path, arguments, &recorder.clock, token, now) {
            Ok(segmenter) => {
                let listening = self.listen_to(number, &segmenter);
                let Some(recorder) = self.recorders.get_mut(&number) else { return };
                if let Err(errno) = listening {
                    recorder.fails(&format!("ffmpeg cannot be listened to: {errno}"), now);
                    return self.try_again(number, None, now);
                }
                log::info!("{}: ffmpeg {} records {}", recorder.name, segmenter.id(), recorder.camera.url);
                recorder.phase = Phase::Running(Box::new(segmenter));
                let watch = recorder.stall_deadline().unwrap_or(now);
                self.timers.at(watch, Timer::Watch(number, recorder.generation));
                self.timers.at(now, Timer::Hold(number, recorder.generation));
                self.show(number, State::Starting);
            }
            Err(error) => {
                recorder.fails(&format!("ffmpeg cannot be started: {error}"), now);
                self.try_again(number, None, now);
            }
        }
    }

    fn listen_to(&self, number: u64, segmenter: &Segmenter) -> rustix::io::Result<()> {
        let key = |low: u64| epoll::EventData::new_u64(number << 1 | low);
        epoll::add(&self.epoll, segmenter.stdout(), key(0), epoll::EventFlags::IN)?;
        epoll::add(&self.epoll, segmenter.stderr(), key(1), epoll::EventFlags::IN)
    }

    /// Looks after a camera's ffmpeg.
    pub(super) fn watch(&mut self, number: u64, generation: u64, now: Instant) {
        if !self.is_current(number, generation) {
            return;
        }
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let deadline = recorder.stall_deadline();
        let Some(segmenter) = recorder.segmenter() else { return };
        let next = match deadline {
            _ if segmenter.ending().is_some() => segmenter.press(now),
            Some(deadline) if now < deadline => deadline,
            _ => {
                let next = segmenter.end(Why::Stall, now);
                self.show(number, State::Stalled);
                next
            }
        };
        self.timers.at(next, Timer::Watch(number, generation));
    }

    /// Tells a camera's ffmpeg to end, if it runs.
    pub(super) fn end_one(&mut self, number: u64, now: Instant) -> bool {
        self.end_for(number, Why::Asked, now)
    }

    /// The same, and why.
    pub(super) fn end_for(&mut self, number: u64, why: Why, now: Instant) -> bool {
        let Some(recorder) = self.recorders.get_mut(&number) else { return false };
        let generation = recorder.generation;
        let Some(segmenter) = recorder.segmenter() else { return false };
        let next = segmenter.end(why, now);
        self.timers.at(next, Timer::Watch(number, generation));
        true
    }
}
