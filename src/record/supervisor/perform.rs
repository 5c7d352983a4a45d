//! The actions of cameras' state machines, performed.

use std::time::Instant;

use super::timers::Timer;
use super::{Supervisor, seconds};
use crate::live::State;
use crate::random::random;
use crate::record::camera::{Action, Event};
use crate::record::feed::Kind;
use crate::record::keeper::Job;
use crate::units::human_duration;

impl Supervisor<'_> {
    /// Something has happened to a camera.
    pub(super) fn event(&mut self, number: u64, event: Event) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let actions = recorder.machine.on(event, Instant::now(), random());
        self.perform(number, actions);
    }

    /// Performs actions of a camera.
    pub(super) fn perform(&mut self, number: u64, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(number, action);
        }
    }

    fn perform_one(&mut self, number: u64, action: Action) {
        let now = Instant::now();
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        match action {
            Action::Prepare(generation) => {
                let camera = recorder.machine.camera();
                if let Some(why) = self.full.get(&camera.destination) {
                    let why = why.clone();
                    recorder.live.last_error = Some(why.clone());
                    return self.event(number, Event::Full(why));
                }
                if let Some(keeper) = self.keepers.get(&camera.destination) {
                    let (camera, settings) = (recorder.name.clone(), std::sync::Arc::clone(camera));
                    // Behind what is still to be written and closed of it.
                    keeper.writer.pass(Job::Prepare { camera, settings, turn: (number, generation) });
                }
                self.publish(number);
            }
            Action::Queue(generation) => {
                let camera = recorder.machine.camera();
                let camera = std::sync::Arc::clone(camera);
                let stagger = Kind::of(&camera, self.learned(number).ffmpeg_since.is_some()).stagger();
                let at = self.next_start.max(now);
                self.next_start = at + stagger;
                self.timers.at(at, Timer::Turn(number, generation));
            }
            Action::Start(generation) => self.start(number, generation, now),
            Action::End => self.end_feed(number, now),
            Action::Wake(at, generation) => self.timers.at(at, Timer::Due(number, generation)),
            Action::Show(state) => self.show(number, state),
            Action::Fail { why, is_new } => {
                log::log!(if is_new { log::Level::Warn } else { log::Level::Info }, "{}: {why}", recorder.name);
                recorder.live.last_error = Some(why);
            }
            Action::Recovered(gap) => {
                log::warn!("{}: records again, {} after it began to fail", recorder.name, human_duration(gap));
            }
            Action::Restarted { is_stall } => {
                recorder.live.restarts += 1;
                recorder.live.stalls += u64::from(is_stall);
            }
            Action::Adopt { from, to } => {
                if from.destination != to.destination
                    && let Some(keeper) = self.keepers.get(&from.destination)
                {
                    keeper.writer.pass(Job::Forget(recorder.name.clone()));
                }
                recorder.shows(&to);
                self.begin_schedule(number);
                self.give_up_unused();
            }
            Action::Left => self.left(number),
        }
    }

    /// A camera is not recorded any more; nothing of it runs.
    fn left(&mut self, number: u64) {
        let Some(recorder) = self.recorders.remove(&number) else { return };
        self.numbers.remove(&recorder.name);
        if self.ending.is_none() {
            if let Some(keeper) = self.keepers.get(&recorder.machine.camera().destination) {
                keeper.writer.pass(Job::Forget(recorder.name.clone()));
            }
            self.unpublish(&recorder.name);
            self.give_up_unused();
        } else {
            self.publish_camera(recorder.live.clone());
            self.left.insert(recorder.name.clone(), recorder);
            self.close_if_over();
        }
    }

    /// A camera is in another state.
    pub(super) fn show(&mut self, number: u64, state: State) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if recorder.show(state, seconds()) {
            log::debug!("{}: {}", recorder.name, state.as_str());
            self.write_soon();
        }
        self.publish(number);
    }
}
