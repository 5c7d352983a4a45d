//! How everything ends.

use std::time::{Duration, Instant};

use super::Supervisor;
use super::timers::Timer;
use crate::error::{Error, Result};
use crate::live::CameraStatus;
use crate::record::camera::Event;
use crate::record::keeper::Job;

/// What has not ended by then is left: an ffmpeg takes at most 5 seconds, the rest is for closing and programs.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(8);

/// Of a camera that gave nothing, and did not fail before the time was up.
const NO_FRAME: &str = "no frame came";

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
    /// The cameras are another recorder's, which was started when the lock had been deleted: one of the two has to end, and
    /// `--stop` finds the other one.
    pub(super) fn taken(&mut self, error: Error) {
        if self.ending.is_none() {
            log::warn!("the lock was deleted while recording, and another recorder has taken it; this one ends");
            self.end(Some(Reason::Taken(error)));
        }
    }

    /// Ends everything: every camera completes its segment.
    pub(super) fn end(&mut self, reason: Option<Reason>) {
        log::info!("recording ends");
        self.ending = Some(Ending { reason, asked: None, flushed: 0, gave_up: false });
        let now = Instant::now();
        self.tell(now);
        self.timers.at(now + GIVE_UP_AFTER, Timer::GiveUp);
        let numbers: Vec<u64> = self.recorders.keys().copied().collect();
        for number in numbers {
            self.event(number, Event::Stop);
        }
        self.close_if_over();
    }

    /// When no camera is recorded any more, the keepers are asked to come to an end too.
    pub(super) fn close_if_over(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        if self.recorders.is_empty() && ending.asked.is_none() {
            ending.asked = Some(self.keepers.len());
            self.keepers.values().for_each(|keeper| keeper.writer.pass(Job::Flush));
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
            let (cameras, programs) = (self.recorders.len(), self.programs.under_way());
            log::warn!("{cameras} cameras and {programs} programs have not ended in time and are killed");
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
            if recorder.machine.is_failing() || recorder.live.frames == 0 {
                let message = recorder.live.last_error.clone().unwrap_or_else(|| NO_FRAME.to_owned());
                if outcome.is_ok() && !recorder.machine.is_failing() {
                    log::warn!("{}: {message}", recorder.name);
                }
                let live = CameraStatus {
                    was_failing: outcome.is_ok(),
                    last_error: Some(message.clone()),
                    ..recorder.live.clone()
                };
                self.publish_camera(live);
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
