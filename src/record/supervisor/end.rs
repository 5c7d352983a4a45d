//! How an ffmpeg ends, and all of them.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Supervisor;
use super::timers::Timer;
use crate::error::{Error, Result};
use crate::live::{CameraStatus, State};
use crate::random::random;
use crate::record::keeper::Job;
use crate::record::recorder::{Intent, Phase};
use crate::record::segmenter::Why;
use crate::units::human_duration;

/// What has not ended by then is left: ffmpegs take at most 5 seconds, the rest is for closing and programs.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(8);
const REAP_AGAIN: Duration = Duration::from_millis(100);

/// Why everything ends, where it is no signal.
#[derive(Debug)]
pub(super) enum Reason {
    /// `--for`
    TimeIsUp,
    /// Another recorder has taken the lock, which was deleted.
    Taken(Error),
}

/// The end of it all.
#[derive(Debug)]
pub(super) struct Ending {
    reason: Option<Reason>,
    /// Keepers that were asked to tell when they have done everything, and those that have.
    asked: Option<usize>,
    flushed: usize,
    gave_up: bool,
}

impl Supervisor<'_> {
    /// An ffmpeg has said all: it is ending.
    pub(super) fn reap(&mut self, number: u64, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let generation = recorder.generation;
        let Some(segmenter) = recorder.segmenter() else { return };
        match segmenter.reap() {
            Ok(Some(status)) => self.ended(number, status, now),
            Ok(None) => self.timers.at(now + REAP_AGAIN, Timer::Reap(number, generation)),
            Err(error) => {
                log::warn!("{}: its ffmpeg is lost: {error}", recorder.name);
                self.ended(number, ExitStatus::default(), now);
            }
        }
    }

    /// An ffmpeg has ended.
    fn ended(&mut self, number: u64, status: ExitStatus, now: Instant) {
        let is_ending = self.ending.is_some();
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let url = Arc::clone(&recorder.camera);
        let name = recorder.name.clone();
        if let Some(segmenter) = recorder.segmenter() {
            let _ = segmenter.hear_complaints(&url.url, now, |level, line| log::log!(level, "{name}: ffmpeg: {line}"));
        }
        let lasted = recorder.lasted(now);
        let (why, is_stall) = recorder.why_it_ended(status, now);
        let Some(segmenter) = recorder.segmenter() else { return };
        let (token, asked) = (segmenter.token, segmenter.ending() == Some(Why::Asked));
        log::debug!("{name}: ffmpeg {} ended with {status}", segmenter.id());
        recorder.settle();
        recorder.phase = Phase::Waiting;
        recorder.generation += 1;
        if let Some(keeper) = self.keepers.get(&recorder.camera.destination) {
            keeper.ask(Job::Ended { camera: name, token });
        }
        let is_full = self.full.contains_key(&recorder.camera.destination);
        match std::mem::replace(&mut recorder.intent, Intent::Record) {
            _ if is_ending => self.leave(number),
            Intent::Leave => self.leave(number),
            Intent::Become(camera) => self.become_as(number, camera),
            // A full disk, or boundaries of the clock that have moved: paused, or restarted at once.
            Intent::Record if asked || is_full => self.prepare(number),
            Intent::Record => {
                recorder.live.restarts += 1;
                recorder.live.stalls += u64::from(is_stall);
                recorder.breaks += u32::from(lasted.is_some());
                recorder.fails(&why, now);
                self.try_again(number, lasted, now);
            }
        }
        self.close_if_over();
    }

    /// A camera is recorded otherwise from now on; its ffmpeg does not run.
    pub(super) fn become_as(&mut self, number: u64, camera: Arc<crate::record::config::Camera>) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if recorder.camera.destination != camera.destination
            && let Some(keeper) = self.keepers.get(&recorder.camera.destination)
        {
            keeper.ask(Job::Forget(recorder.name.clone()));
        }
        recorder.generation += 1;
        recorder.become_as(camera);
        self.prepare(number);
        self.begin_schedule(number);
        self.give_up_unused();
    }

    /// Tries a camera again after a pause.
    pub(super) fn try_again(&mut self, number: u64, lasted: Option<Duration>, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        recorder.phase = Phase::Waiting;
        recorder.generation += 1;
        let pause = recorder.retries.pause(lasted, random());
        log::debug!("{}: tried again in {}", recorder.name, human_duration(pause));
        self.timers.at(now + pause, Timer::Prepare(number, recorder.generation));
        self.show(number, State::Waiting);
    }

    /// A camera is not recorded any more; its ffmpeg does not run.
    pub(super) fn leave(&mut self, number: u64) {
        let Some(recorder) = self.recorders.remove(&number) else { return };
        self.numbers.remove(&recorder.name);
        if self.ending.is_none() {
            if let Some(keeper) = self.keepers.get(&recorder.camera.destination) {
                keeper.ask(Job::Forget(recorder.name.clone()));
            }
            self.unpublish(&recorder.name);
            self.give_up_unused();
        } else {
            self.publish_camera(recorder.live.clone());
            self.left.insert(recorder.name.clone(), recorder);
        }
    }

    /// The cameras are another recorder's, which was started when the lock had been deleted: one of the two has to end, and
    /// `--stop` finds the other one.
    pub(super) fn taken(&mut self, error: Error) {
        if self.ending.is_none() {
            log::warn!("the lock was deleted while recording, and another recorder has taken it; this one ends");
            self.end(Some(Reason::Taken(error)));
        }
    }

    /// Ends everything: every ffmpeg completes its segment.
    pub(super) fn end(&mut self, reason: Option<Reason>) {
        log::info!("recording ends");
        self.ending = Some(Ending { reason, asked: None, flushed: 0, gave_up: false });
        let now = Instant::now();
        self.tell(now);
        self.timers.at(now + GIVE_UP_AFTER, Timer::GiveUp);
        let numbers: Vec<u64> = self.recorders.keys().copied().collect();
        for number in numbers {
            if let Some(recorder) = self.recorders.get_mut(&number) {
                recorder.ends(now);
            }
            if self.end_one(number, now) {
                self.show(number, State::Stopping);
            } else {
                self.leave(number);
            }
        }
        self.close_if_over();
    }

    /// When no ffmpeg runs any more, the keepers are asked to come to an end too.
    fn close_if_over(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        if self.recorders.is_empty() && ending.asked.is_none() {
            ending.asked = Some(self.keepers.len());
            self.keepers.values().for_each(|keeper| keeper.ask(Job::Flush));
        }
    }

    /// Whether the keepers were asked to come to an end: what they are asked later comes after the last state.
    pub(super) fn is_closing(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.asked.is_some())
    }

    /// A keeper has done everything.
    pub(super) fn flushed(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.flushed += 1;
        }
    }

    /// The time to end is over.
    pub(super) fn give_up(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.gave_up = true;
        }
        if !self.recorders.is_empty() || self.programs.under_way() > 0 {
            let (ffmpegs, programs) = (self.recorders.len(), self.programs.under_way());
            log::warn!("{ffmpegs} ffmpegs and {programs} programs have not ended in time and are killed");
        }
        self.programs.end();
    }

    /// Whether everything has ended.
    pub(super) fn is_over(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        let is_closed = ending.asked.is_some_and(|asked| ending.flushed >= asked);
        ending.gave_up || (self.recorders.is_empty() && is_closed && self.programs.under_way() == 0)
    }

    /// The last words, and how it ended.
    pub(super) fn finish(mut self) -> Result<()> {
        let reason = self.ending.take().and_then(|ending| ending.reason);
        let outcome = match reason {
            Some(Reason::TimeIsUp) => Ok(()),
            Some(Reason::Taken(error)) => Err(error),
            None => self.context.stop.check(),
        };
        for recorder in self.left.values() {
            if recorder.is_failing() || matches!(recorder.phase, Phase::Paused) {
                let live = CameraStatus { was_failing: outcome.is_ok(), ..recorder.live.clone() };
                self.publish_camera(live);
                let message = recorder.live.last_error.clone().unwrap_or_default();
                self.report.failures.push(crate::pass::Failure {
                    name: recorder.name.to_string(),
                    reason: crate::failure::FailureReason::Camera,
                    message,
                });
            }
        }
        // The state is that of the recorder which has the lock.
        if !matches!(outcome, Err(Error::Busy { .. })) {
            self.write_last_state(&outcome);
        }
        outcome
    }
}
