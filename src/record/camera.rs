//! What becomes of one camera: events in, actions out. Pure.
//!
//! | phase | what happens | ends with |
//! | --- | --- | --- |
//! | preparing | the destination makes its folder | `Ready`, `NotReady` |
//! | waiting | a pause, or its turn to start | its timer |
//! | running | its source gives packets | `Ended`; a stall or a stop asks the source to end |
//! | ending | its source was asked to end, once | `Ended` |
//! | paused | nothing may be written | `Free` |
//!
//! Every start has a *generation*: what was arranged for an earlier one, a timer or a folder, has no meaning any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Camera;
use super::retries::Retries;
use crate::live::State;
use crate::units::human_duration;

/// After so much recording an outage is over.
const STEADY: Duration = Duration::from_secs(20);
/// To connect and to learn what comes takes longer than a packet.
const FIRST_PACKET: Duration = Duration::from_secs(5);
/// Key frames may be 90 s apart. A camera of which packets come for longer and no frame that can be recorded fails.
const FIRST_FRAME_WITHIN: Duration = Duration::from_mins(3);

/// Which start of a camera something belongs to.
pub type Generation = u64;

/// What a camera is to react to.
#[derive(Clone, Debug)]
pub enum Event {
    /// Its folder is there.
    Ready(Generation),
    /// Its folder cannot be made: why.
    NotReady(Generation, String),
    /// A timer that it has set.
    Due(Generation),
    /// It is its turn to start.
    Turn(Generation),
    /// Its source has given packets of video, and whether frames were among them.
    Packets {
        /// Some of them were frames that were recorded.
        has_frames: bool,
    },
    /// Its source ends by itself what it has begun: the stamps of its frames make no sense, or a write failed.
    Broken(String),
    /// Its source has ended: why, where it was not asked to.
    Ended(String),
    /// Its source has ended, and another kind of it is tried at once: why.
    Switched(String),
    /// Nothing may be written to its destination: why.
    Full(String),
    /// Its destination can be written to.
    Free,
    /// It is recorded otherwise from now on, which takes another source.
    Become(Arc<Camera>),
    /// What does not concern its source has changed.
    Adjust(Arc<Camera>),
    /// It is not recorded any more.
    Leave,
    /// Everything ends.
    Stop,
}

/// What is to be done about a camera, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Its destination is asked for its folder.
    Prepare(Generation),
    /// It waits for its turn to start.
    Queue(Generation),
    /// Its source starts.
    Start(Generation),
    /// Its source is asked to end.
    End,
    /// [`Event::Due`] at a time.
    Wake(Instant, Generation),
    /// It is in another state.
    Show(State),
    /// A failure: logged as a warning where it is the first of an outage.
    Fail {
        /// Why.
        why: String,
        /// Whether it is the first of an outage.
        is_new: bool,
    },
    /// It records again, so long after it began to fail.
    Recovered(Duration),
    /// A source that should have gone on has ended: one more restart, and whether frames had stopped.
    Restarted {
        /// No packet had come.
        is_stall: bool,
    },
    /// It is recorded otherwise from now on.
    Adopt {
        /// How it was.
        from: Arc<Camera>,
        /// How it is.
        to: Arc<Camera>,
    },
    /// It is gone: nothing of it runs.
    Left,
}

/// Why a source was asked to end.
#[derive(Clone, Debug, PartialEq)]
enum Why {
    /// No packet came.
    Stall(Duration),
    /// Something that it gave or did: in words.
    Broken(String),
    /// A request: a stop, a reload, a full disk.
    Asked,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Preparing,
    Waiting,
    Running { began: Instant, first_frame: Option<Instant>, moved: Instant },
    Ending { first_frame: Option<Instant>, why: Why },
    Paused,
    Left,
}

/// What is to become of it when its source has ended.
#[derive(Clone, Debug, PartialEq)]
enum Intent {
    Record,
    Become(Arc<Camera>),
    Leave,
}

/// A camera under way.
#[derive(Debug)]
pub struct Machine {
    camera: Arc<Camera>,
    phase: Phase,
    intent: Intent,
    generation: Generation,
    retries: Retries,
    /// Why nothing may be written.
    full: Option<String>,
    /// Since when it fails.
    outage: Option<Instant>,
    /// How many times frames came and broke off in that time.
    breaks: u32,
}

impl Machine {
    /// A camera that is to be recorded.
    #[must_use]
    pub fn new(camera: Arc<Camera>) -> (Self, Vec<Action>) {
        let mut machine = Self {
            camera,
            phase: Phase::Waiting,
            intent: Intent::Record,
            generation: 0,
            retries: Retries::default(),
            full: None,
            outage: None,
            breaks: 0,
        };
        let mut actions = Vec::new();
        machine.prepare(&mut actions);
        (machine, actions)
    }

    /// How it is recorded now.
    #[must_use]
    pub fn camera(&self) -> &Arc<Camera> {
        &self.camera
    }

    /// How it is recorded once what has begun is done; none when it leaves.
    #[must_use]
    pub fn wanted(&self) -> Option<&Arc<Camera>> {
        match &self.intent {
            Intent::Record => Some(&self.camera),
            Intent::Become(camera) => Some(camera),
            Intent::Leave => None,
        }
    }

    /// Whether it fails now, or cannot be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.outage.is_some() || self.full.is_some()
    }

    /// Whether a source of it runs.
    #[must_use]
    pub fn has_source(&self) -> bool {
        matches!(self.phase, Phase::Running { .. } | Phase::Ending { .. })
    }

    /// Whether its source was asked to end because no packet came.
    #[must_use]
    pub fn has_stalled(&self) -> bool {
        matches!(self.phase, Phase::Ending { why: Why::Stall(_), .. })
    }

    /// Which start this is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// How long its source has recorded.
    #[must_use]
    pub fn lasted(&self, now: Instant) -> Option<Duration> {
        let (Phase::Running { first_frame, .. } | Phase::Ending { first_frame, .. }) = &self.phase else { return None };
        first_frame.map(|first| now.saturating_duration_since(first))
    }

    /// Reacts to an event. `random` is any number: what failed together is not tried together.
    pub fn on(&mut self, event: Event, now: Instant, random: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Ready(generation) if self.is_at(&Phase::Preparing, generation) => {
                self.phase = Phase::Waiting;
                out.push(Action::Queue(self.generation));
            }
            Event::NotReady(generation, why) if self.is_at(&Phase::Preparing, generation) => {
                self.fail(why, now, out);
                self.try_again(None, now, random, out);
            }
            Event::Turn(generation) if self.is_at(&Phase::Waiting, generation) => {
                self.generation += 1;
                self.phase = Phase::Running { began: now, first_frame: None, moved: now };
                out.extend([Action::Start(self.generation), Action::Show(State::Starting)]);
                out.extend(self.deadline().map(|at| Action::Wake(at, self.generation)));
            }
            Event::Due(generation) if generation == self.generation => self.due(now, out),
            Event::Packets { has_frames } => self.packets(has_frames, now, out),
            Event::Broken(why) => self.end(Why::Broken(why), out),
            Event::Ended(why) => self.ended(why, false, now, random, out),
            Event::Switched(why) => self.ended(why, true, now, random, out),
            Event::Full(why) => self.pause(why, out),
            Event::Free => {
                self.full = None;
                if self.phase == Phase::Paused {
                    self.prepare(out);
                }
            }
            Event::Become(camera) => self.become_as(camera, out),
            Event::Adjust(camera) => self.adjust(camera, now, out),
            Event::Leave => self.leave(out),
            Event::Stop => {
                // What records, and has not broken off again and again, does not fail.
                if matches!(self.phase, Phase::Running { first_frame: Some(_), .. }) && self.breaks <= 1 {
                    self.recover(now, out);
                }
                self.leave(out);
            }
            Event::Ready(_) | Event::NotReady(..) | Event::Due(_) | Event::Turn(_) => {}
        }
        actions
    }

    fn is_at(&self, phase: &Phase, generation: Generation) -> bool {
        self.phase == *phase && self.generation == generation
    }

    /// Asks for its folder, or waits until something may be written.
    fn prepare(&mut self, out: &mut Vec<Action>) {
        self.generation += 1;
        if self.full.is_some() {
            self.phase = Phase::Paused;
            out.push(Action::Show(State::Paused));
        } else {
            self.phase = Phase::Preparing;
            out.push(Action::Prepare(self.generation));
        }
    }

    fn due(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &self.phase {
            Phase::Waiting => self.prepare(out),
            Phase::Running { first_frame, moved, .. } => match self.deadline() {
                Some(at) if now < at => out.push(Action::Wake(at, self.generation)),
                _ if first_frame.is_none() && *moved + self.patience(None) > now => {
                    let why =
                        format!("no frame that can be recorded came within {}", human_duration(FIRST_FRAME_WITHIN));
                    out.push(Action::Show(State::Stalled));
                    self.end(Why::Broken(why), out);
                }
                _ => {
                    let silent = now.saturating_duration_since(*moved);
                    // A source may end at once, and show another state then.
                    out.push(Action::Show(State::Stalled));
                    self.end(Why::Stall(silent), out);
                }
            },
            _ => {}
        }
    }

    /// Until when a packet has to come.
    fn deadline(&self) -> Option<Instant> {
        let Phase::Running { began, first_frame, moved } = &self.phase else { return None };
        let silent_by = *moved + self.patience(*first_frame);
        Some(if first_frame.is_some() { silent_by } else { silent_by.min(*began + FIRST_FRAME_WITHIN) })
    }

    /// How long no packet may come.
    fn patience(&self, first_frame: Option<Instant>) -> Duration {
        match first_frame {
            Some(_) => self.camera.stall_timeout,
            None => self.camera.stall_timeout.max(self.camera.timeout + FIRST_PACKET),
        }
    }

    fn packets(&mut self, has_frames: bool, now: Instant, out: &mut Vec<Action>) {
        let Phase::Running { first_frame, moved, .. } = &mut self.phase else { return };
        *moved = now;
        if !has_frames {
            return;
        }
        if first_frame.is_none() {
            *first_frame = Some(now);
            out.push(Action::Show(State::Recording));
        }
        let is_steady = first_frame.is_some_and(|first| now.saturating_duration_since(first) >= STEADY);
        if is_steady {
            self.recover(now, out);
        }
    }

    /// Asks the source to end, unless it was.
    fn end(&mut self, why: Why, out: &mut Vec<Action>) {
        if let Phase::Running { first_frame, .. } = self.phase {
            self.phase = Phase::Ending { first_frame, why };
            out.push(Action::End);
        }
    }

    fn ended(&mut self, said: String, is_switch: bool, now: Instant, random: u64, out: &mut Vec<Action>) {
        let lasted = self.lasted(now);
        let why = match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Running { .. } => Why::Broken(said),
            Phase::Ending { why, .. } => why,
            // It has none.
            other => {
                self.phase = other;
                return;
            }
        };
        match std::mem::replace(&mut self.intent, Intent::Record) {
            Intent::Leave => {
                self.intent = Intent::Leave;
                self.phase = Phase::Left;
                out.push(Action::Left);
            }
            Intent::Become(camera) => self.adopt(camera, out),
            Intent::Record if why == Why::Asked || self.full.is_some() => self.prepare(out),
            // It is no failure unless the other kind fails too.
            Intent::Record if is_switch && matches!(why, Why::Broken(_)) => self.queue(out),
            Intent::Record => {
                let is_stall = matches!(why, Why::Stall(_));
                let why = match why {
                    Why::Stall(silent) => format!("no video came for {}", human_duration(silent)),
                    Why::Broken(why) => why,
                    Why::Asked => String::new(),
                };
                out.push(Action::Restarted { is_stall });
                self.breaks += u32::from(lasted.is_some());
                self.fail(why, now, out);
                if is_switch {
                    self.queue(out);
                } else {
                    self.try_again(lasted, now, random, out);
                }
            }
        }
    }

    /// Waits for its turn to start; its folder is there.
    fn queue(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Waiting;
        self.generation += 1;
        out.push(Action::Queue(self.generation));
    }

    fn try_again(&mut self, lasted: Option<Duration>, now: Instant, random: u64, out: &mut Vec<Action>) {
        self.phase = Phase::Waiting;
        self.generation += 1;
        let pause = self.retries.pause(lasted, random);
        out.extend([Action::Wake(now + pause, self.generation), Action::Show(State::Waiting)]);
    }

    fn fail(&mut self, why: String, now: Instant, out: &mut Vec<Action>) {
        let is_new = self.outage.is_none();
        self.outage.get_or_insert(now);
        out.push(Action::Fail { why, is_new });
    }

    fn recover(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Some(since) = self.outage.take() {
            out.push(Action::Recovered(now.saturating_duration_since(since)));
        }
        self.breaks = 0;
    }

    fn pause(&mut self, why: String, out: &mut Vec<Action>) {
        self.full = Some(why);
        match self.phase {
            Phase::Running { .. } => {
                out.push(Action::Show(State::Paused));
                self.end(Why::Asked, out);
            }
            Phase::Preparing | Phase::Waiting => self.prepare(out),
            Phase::Ending { .. } | Phase::Paused | Phase::Left => {}
        }
    }

    fn become_as(&mut self, camera: Arc<Camera>, out: &mut Vec<Action>) {
        match self.phase {
            // One that is still leaving comes back when it has left.
            Phase::Running { .. } | Phase::Ending { .. } => {
                self.intent = Intent::Become(camera);
                self.end(Why::Asked, out);
            }
            Phase::Left => {}
            _ => self.adopt(camera, out),
        }
    }

    fn adopt(&mut self, camera: Arc<Camera>, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.camera, Arc::clone(&camera));
        out.push(Action::Adopt { from, to: camera });
        // Its destination may be another one: whether that is full shows when its folder is asked for.
        self.full = None;
        self.prepare(out);
    }

    fn adjust(&mut self, camera: Arc<Camera>, now: Instant, out: &mut Vec<Action>) {
        if let Intent::Become(pending) = &mut self.intent {
            *pending = camera;
            return;
        }
        let is_shorter = camera.stall_timeout < self.camera.stall_timeout;
        self.camera = camera;
        if is_shorter && matches!(self.phase, Phase::Running { .. }) {
            out.push(Action::Wake(now, self.generation));
        }
    }

    fn leave(&mut self, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Running { .. } => {
                self.intent = Intent::Leave;
                out.push(Action::Show(State::Stopping));
                self.end(Why::Asked, out);
            }
            Phase::Ending { .. } => {
                self.intent = Intent::Leave;
                out.push(Action::Show(State::Stopping));
            }
            Phase::Left => {}
            _ => {
                self.intent = Intent::Leave;
                self.phase = Phase::Left;
                out.push(Action::Left);
            }
        }
    }
}

#[cfg(test)]
mod tests;
