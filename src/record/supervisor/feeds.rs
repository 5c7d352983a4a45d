//! Feeds: started, read, ended; what they give goes to the writers as segments.

use std::time::{Duration, Instant};

use rustix::event::epoll;

use super::timers::Timer;
use super::{Supervisor, clock, seconds};
use crate::panics::guarded;
use crate::random::random;
use crate::record::camera::Event;
use crate::record::config::Engine;
use crate::record::container::{self, Misfit};
use crate::record::feed::{Context, Feed, Given, Heard, Parcel, Pipe, Reason, ReplyTo};
use crate::record::keeper::Turn;
use crate::record::name::RunId;
use crate::record::recorder::{Recorder, Running};
use crate::record::segments::{Layout, Now, Segments, Write};
use crate::units::count;

/// What was gathered waits no longer than this.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(400);
/// Native sources that stall without a frame, in a row; then ffmpeg is tried.
const MOST_SILENT_STALLS: u32 = 2;
/// As ffmpeg says that a camera refuses TCP.
const REFUSED_TRANSPORT: &str = "SETUP failed: 461";
/// An ffmpeg that has said all should have ended: it is looked at again after this.
const REAP_AGAIN: Duration = Duration::from_millis(50);

impl Supervisor<'_> {
    /// Starts a camera's feed.
    pub(super) fn start(&mut self, number: u64, generation: u64, now: Instant) {
        let learned = self.learned(number);
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let camera = std::sync::Arc::clone(recorder.machine.camera());
        let context = Context {
            ffmpeg: self.ffmpeg.as_ref(),
            has_failed: learned.ffmpeg_since.is_some() && self.ffmpeg.is_some(),
            is_udp_first: learned.udp_since.is_some(),
            reply_to: ReplyTo { mailbox: self.feed_box.clone(), turn: (number, generation) },
            network: &self.settings.network,
        };
        let feed = match Feed::start(&camera, &context, now) {
            Ok(feed) => feed,
            Err(reason) => return self.event(number, Event::Ended(reason.why)),
        };
        log::info!("{}: {} records {}", recorder.name, feed.shown(), camera.url);
        #[expect(clippy::cast_possible_truncation, reason = "one half of it is random enough")]
        let run_id = RunId(random() as u32);
        let layout = Layout::of(&camera);
        let segments = Segments::new(layout, run_id, container::holds, container::open);
        recorder.live.engine = Some(if feed.pid().is_some() { "ffmpeg" } else { "native" }.to_owned());
        recorder.live.ffmpeg_pid = feed.pid();
        recorder.running = Some(Running { feed, segments, lost: 0, flushed: now, timer: None, first_frame: None });
        self.watch_feed(number, generation);
    }

    /// Waits for what a feed has opened, and for what it waits for.
    pub(super) fn watch_feed(&mut self, number: u64, generation: u64) {
        let Some(running) = self.recorders.get(&number).and_then(|recorder| recorder.running.as_ref()) else { return };
        for (pipe, fd) in running.feed.pipes() {
            let data = epoll::EventData::new_u64(number << 3 | pipe.number());
            // One that is watched already stays so.
            let _ = epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN);
        }
        if let Some(at) = running.feed.deadline(Instant::now()) {
            self.call_again(number, generation, at);
        }
    }

    /// Has a feed called again by then: one timer is enough, however often it is read meanwhile.
    fn call_again(&mut self, number: u64, generation: u64, at: Instant) {
        let Some(running) = self.recorders.get_mut(&number).and_then(|recorder| recorder.running.as_mut()) else {
            return;
        };
        if running.timer.is_none_or(|timer| at < timer) {
            running.timer = Some(at);
            self.timers.at(at, Timer::Feed(number, generation));
        }
    }

    /// A feed can be read.
    pub(super) fn readable(&mut self, key: u64) {
        let (number, pipe) = (key >> 3, Pipe::of(key & 7));
        let now = Instant::now();
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let Some(running) = &mut recorder.running else { return };
        let name = &recorder.name;
        let mut given = std::mem::take(&mut self.given);
        let buffer = &mut self.buffer;
        let heard = guarded(|| {
            running.feed.read(pipe, buffer, now, &mut given, |level, line| {
                log::log!(level, "{name}: ffmpeg: {line}");
            })
        });
        let Some(heard) = heard else { return self.panicked(number) };
        if heard == Heard::All {
            for (of, fd) in running.feed.pipes() {
                if of == pipe {
                    let _ = epoll::delete(&self.epoll, fd);
                }
            }
        }
        if running.feed.has_opened() {
            let generation = recorder.machine.generation();
            self.watch_feed(number, generation);
        }
        self.take(number, &mut given, now);
        self.given = given;
        self.look_after(number, now);
    }

    /// A timer of a feed has run out.
    pub(super) fn feed_due(&mut self, number: u64, now: Instant) {
        let mut given = std::mem::take(&mut self.given);
        if let Some(running) = self.recorders.get_mut(&number).and_then(|recorder| recorder.running.as_mut()) {
            running.timer.take_if(|timer| *timer <= now);
            if guarded(|| running.feed.on_deadline(now, &mut given)).is_none() {
                return self.panicked(number);
            }
        }
        self.take(number, &mut given, now);
        self.given = given;
        self.look_after(number, now);
    }

    /// Takes what a feed has given.
    pub(super) fn take(&mut self, number: u64, given: &mut Vec<Given>, now: Instant) {
        if given.is_empty() {
            return;
        }
        let wall = clock();
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let Some(running) = &mut recorder.running else { return };
        let name = &recorder.name;
        let no_audio = |why: &str| {
            self.notices.warn(&format!("audio:{name}"), format_args!("{name}: records without its audio: {why}"));
        };
        let container = recorder.machine.camera().container;
        let (mut misfit, mut lost) = (None, 0);
        let before = running.segments.frames;
        let mut writes = std::mem::take(&mut self.writes);
        // A camera of which only audio comes has stalled.
        let mut has_video = false;
        let began = self.began;
        let taken = guarded(|| {
            for given in given.drain(..) {
                match given {
                    Given::Track(index, track) => match container::misfit(container, &track) {
                        Some(Misfit::Video(why)) => misfit = Some(why),
                        Some(Misfit::Audio(why)) => {
                            no_audio(&why);
                            running.segments.describe(index, track);
                        }
                        None => running.segments.describe(index, track),
                    },
                    Given::NoAudio(why) => no_audio(&why),
                    Given::Packet(packet, arrived) => {
                        let ago = now.saturating_duration_since(arrived);
                        let steady = arrived.saturating_duration_since(began);
                        has_video |= running.segments.is_video(packet.track);
                        let at = Now { steady_ns: nanoseconds(steady), wall: wall - ago };
                        running.segments.take(packet, at, &mut writes);
                    }
                    Given::Lost(packets) => lost += packets,
                    Given::Came => has_video = true,
                }
            }
            if now.saturating_duration_since(running.flushed) >= FLUSH_EVERY {
                running.flushed = now;
                running.segments.flush(&mut writes);
            }
        });
        if taken.is_none() {
            given.clear();
            return self.panicked(number);
        }
        let has_frames = running.segments.frames > before;
        let is_first = has_frames && running.first_frame.is_none();
        if has_frames {
            running.first_frame.get_or_insert(now);
            recorder.silent_stalls = 0;
        }
        running.lost += lost;
        let is_open = recorder.machine.camera().transport.is_none();
        let (is_native, is_udp) = (running.feed.is_native(), running.feed.udp().is_some_and(|(is_udp, _)| is_udp));
        if lost > 0 && is_native {
            let level = if recorder.loses(now) { log::Level::Warn } else { log::Level::Info };
            let cure = if is_udp { "transport = \"tcp\" has them sent again" } else { "look at its network or Wi-Fi" };
            let packets = count(usize::try_from(lost).unwrap_or(usize::MAX), "RTP packet");
            log::log!(level, "{}: {packets} lost on the way: {cure}", recorder.name);
        }
        recorder.count(now.saturating_duration_since(self.began), seconds());
        let failed = self.write(number, &mut writes);
        self.writes = writes;
        if is_first && is_native && is_open {
            let since = is_udp.then(seconds);
            self.learn(number, |learned| learned.udp_since = since.map(|now| learned.udp_since.unwrap_or(now)));
        }
        if has_video {
            self.event(number, Event::Packets { has_frames });
        }
        if let Some(why) = failed.or(misfit) {
            self.event(number, Event::Broken(why));
        }
        self.publish_counts(number, now);
    }

    /// Hands writes to the destination's writer; or why it does not take them.
    fn write(&self, number: u64, writes: &mut Vec<Write>) -> Option<String> {
        let recorder = self.recorders.get(&number)?;
        let keeper = self.keepers.get(&recorder.machine.camera().destination);
        let mut failed = None;
        for write in writes.drain(..) {
            match keeper {
                Some(keeper) if failed.is_none() => failed = keeper.writer.write(&recorder.name, write).err(),
                _ => {}
            }
        }
        failed
    }

    /// Hands over what feeds have gathered that give nothing now.
    pub(super) fn flush(&mut self, now: Instant) {
        let mut writes = std::mem::take(&mut self.writes);
        let idle = |running: &Running| now.saturating_duration_since(running.flushed) >= FLUSH_EVERY;
        let numbers: Vec<u64> = self
            .recorders
            .iter()
            .filter(|(_, recorder)| recorder.running.as_ref().is_some_and(idle))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            if let Some(running) = self.recorders.get_mut(&number).and_then(|recorder| recorder.running.as_mut()) {
                running.flushed = now;
                if guarded(|| running.segments.flush(&mut writes)).is_none() {
                    writes.clear();
                    self.panicked(number);
                    continue;
                }
            }
            if let Some(why) = self.write(number, &mut writes) {
                self.event(number, Event::Broken(why));
            }
        }
        self.writes = writes;
        self.timers.at(now + FLUSH_EVERY, Timer::Flush);
    }

    /// Asks a feed to end.
    pub(super) fn end_feed(&mut self, number: u64, now: Instant) {
        let mut given = std::mem::take(&mut self.given);
        if let Some(running) = self.recorders.get_mut(&number).and_then(|recorder| recorder.running.as_mut())
            && guarded(|| running.feed.end(now, &mut given)).is_none()
        {
            return self.panicked(number);
        }
        self.take(number, &mut given, now);
        self.given = given;
        self.look_after(number, now);
    }

    /// Sees whether a feed has ended, and else when to look again.
    pub(super) fn look_after(&mut self, number: u64, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let Some(running) = &mut recorder.running else { return };
        let generation = recorder.machine.generation();
        let lasted = running.first_frame.map(|first| now.saturating_duration_since(first));
        for line in running.feed.log() {
            log::info!("{}: {line}", recorder.name);
        }
        if let Some(reason) = running.feed.over(lasted) {
            return self.ended(number, reason, now);
        }
        self.is_urgent |= running.feed.is_urgent();
        let has_opened = running.feed.has_opened();
        let due = running.feed.deadline(now).map(|at| at.max(now + Duration::from_millis(10)));
        let reap = running.feed.is_read().then(|| now + REAP_AGAIN);
        if let Some(at) = due.into_iter().chain(reap).min() {
            self.call_again(number, generation, at);
        }
        if has_opened {
            self.watch_feed(number, generation);
        }
    }

    /// A camera's stream has met a fault of ours: it ends, and what is written of it is kept as after a crash. Others go on.
    fn panicked(&mut self, number: u64) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let Some(running) = recorder.running.take() else { return };
        drop(running);
        recorder.settle();
        let (name, destination) = (recorder.name.clone(), recorder.machine.camera().destination.clone());
        let may_switch = self.ffmpeg.is_some() && recorder.machine.camera().engine == Engine::Auto;
        if let Some(keeper) = self.keepers.get(&destination) {
            keeper.writer.ended(name);
        }
        let why = "footage met a fault of its own in this stream: please report it".to_owned();
        if may_switch { self.switch(number, why) } else { self.event(number, Event::Ended(why)) }
    }

    /// A feed has ended: its segment is completed.
    fn ended(&mut self, number: u64, reason: Reason, now: Instant) {
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let Some(running) = &mut recorder.running else { return };
        let mut writes = std::mem::take(&mut self.writes);
        if guarded(|| running.segments.end(&mut writes)).is_none() {
            writes.clear();
        }
        recorder.count(now.saturating_duration_since(self.began), seconds());
        let Some(running) = recorder.running.take() else { return };
        let mut why = reason.why;
        let is_silent_stall = running.first_frame.is_none() && recorder.machine.has_stalled();
        let is_silent_udp = running.feed.udp() == Some((true, false));
        if is_silent_stall && running.feed.is_native() && !is_silent_udp {
            recorder.silent_stalls += 1;
        }
        let is_auto = recorder.machine.camera().engine == Engine::Auto;
        let is_silent = recorder.silent_stalls >= MOST_SILENT_STALLS;
        let is_switch =
            (reason.wants_ffmpeg || is_silent) && running.feed.is_native() && is_auto && self.ffmpeg.is_some();
        let is_refused_tcp = running.feed.udp().is_none()
            && recorder.machine.camera().transport.is_none()
            && !recorder.machine.has_stalled()
            && why.contains(REFUSED_TRANSPORT);
        drop(running);
        recorder.settle();
        let (name, destination) = (recorder.name.clone(), recorder.machine.camera().destination.clone());
        log::debug!("{name}: its source has ended: {why}");
        let failed = self.write(number, &mut writes);
        self.writes = writes;
        if let Some(keeper) = self.keepers.get(&destination) {
            keeper.writer.ended(name);
        }
        if is_silent_stall {
            self.learn(number, |learned| learned.udp_since = None);
        }
        match failed {
            None if is_refused_tcp && self.learned(number).udp_since.is_none() => {
                self.learn(number, |learned| learned.udp_since = Some(seconds()));
                self.event(number, Event::Switched(why));
            }
            Some(failed) => self.event(number, Event::Ended(failed)),
            None if is_switch => {
                if is_silent {
                    "no frame came, twice".clone_into(&mut why);
                }
                self.switch(number, why);
            }
            None => self.event(number, Event::Ended(why)),
        }
    }

    /// ffmpeg reads a camera from now on, for a day.
    fn switch(&mut self, number: u64, why: String) {
        if let Some(recorder) = self.recorders.get_mut(&number) {
            recorder.silent_stalls = 0;
            let name = &recorder.name;
            self.notices.warn(&format!("engine:{name}"), format_args!("{name}: ffmpeg reads it for a day: {why}"));
        }
        self.learn(number, |learned| learned.ffmpeg_since = Some(seconds()));
        self.event(number, Event::Switched(why));
    }

    /// A thread of a feed has connected, or has not.
    pub(super) fn delivered(&mut self, (number, generation): Turn, parcel: Parcel) {
        let now = Instant::now();
        let mut given = std::mem::take(&mut self.given);
        let is_current = |recorder: &Recorder| recorder.machine.generation() == generation;
        if let Some(recorder) = self.recorders.get_mut(&number).filter(|recorder| is_current(recorder))
            && let Some(running) = &mut recorder.running
        {
            if guarded(|| running.feed.deliver(parcel, now, &mut given)).is_none() {
                return self.panicked(number);
            }
            self.watch_feed(number, generation);
        }
        self.take(number, &mut given, now);
        self.given = given;
        self.look_after(number, now);
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
