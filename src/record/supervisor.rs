//! The loop: one thread waits for all cameras, timers, keepers and signals at once.
//!
//! A wake-up costs what the event costs: a camera is found by the number that its descriptor carries, and timers stand in a
//! heap. What may block (the destination, programs, requests) is done by other threads.

mod begin;
mod end;
mod feeds;
mod given_up;
mod learn;
mod lost;
mod news;
mod perform;
mod reload;
mod state;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use rustix::fd::OwnedFd;

use self::feeds::FLUSH_EVERY;
use self::timers::{Timer, Timers};
use super::Settings;
use super::camera::Event;
use super::config::Config;
use super::feed::{Given, Parcel};
use super::keeper::{Keeper, Look, News, Turn};
use super::learned::AllLearned;
use super::mailbox::{Mailbox, Waker};
use super::name::CameraName;
use super::places::Places;
use super::recorder::Recorder;
use super::segments::Write;
use super::tasks::{Done, Tasks};
use crate::error::{Error, Result};
use crate::ffmpeg::Ffmpeg;
use crate::live::{EVERY, RecorderStatus};
use crate::notices::Notices;
use crate::pass::{Context, Report};
use crate::progress::Lasting;
use crate::store::StateFile;
use crate::units::timestamp_seconds;

/// How often the disks are looked at, and what is over.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the progress on a terminal changes.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// So long packets may gather in sockets and pipes: who reads them a few times a second pays a third.
const GATHER: Duration = Duration::from_millis(150);
/// So long where a camera is to be read at once: a session takes five answers.
const GATHER_URGENT: Duration = Duration::from_millis(10);
/// A socket is read in pieces of this.
const BUFFER_BYTES: usize = 256 << 10;
/// How many events are taken at once besides those of cameras.
const EVENTS: usize = 64;
/// Descriptors of a camera: a connection, and of two tracks those of RTP and of RTCP.
const DESCRIPTORS: usize = 5;

/// The waker; a camera's descriptors have its number above three bits for which of them.
const WAKER: u64 = u64::MAX;

/// All cameras under way.
pub(super) struct Supervisor<'a> {
    settings: &'a Settings,
    context: &'a Context,
    report: &'a mut Report,
    /// Some camera is to be read at once: its answers are waited for, or the kernel has no room.
    is_urgent: bool,
    /// None where none is on the machine.
    ffmpeg: Option<Ffmpeg>,
    config: Config,
    epoll: OwnedFd,
    waker: Waker,
    recorders: HashMap<u64, Recorder>,
    numbers: BTreeMap<CameraName, u64>,
    /// Those that have ended with all.
    left: BTreeMap<CameraName, Recorder>,
    next_number: u64,
    timers: Timers,
    places: Places,
    keepers: BTreeMap<PathBuf, Keeper>,
    /// What cameras have shown, by destination.
    learned: BTreeMap<PathBuf, StateFile<AllLearned>>,
    /// Why nothing may be written to a destination.
    full: BTreeMap<PathBuf, String>,
    /// Destinations that cannot be used, and when each is tried again.
    lost: BTreeMap<PathBuf, Instant>,
    /// Destinations without cameras, whose keepers are ending.
    given_up: BTreeSet<PathBuf>,
    news: Receiver<(PathBuf, News)>,
    news_box: Mailbox<(PathBuf, News)>,
    done: Receiver<Done>,
    parcels: Receiver<(Turn, Parcel)>,
    feed_box: Mailbox<(Turn, Parcel)>,
    /// What reads go into, and what comes of them; kept, for they are many.
    buffer: Vec<u8>,
    given: Vec<Given>,
    writes: Vec<Write>,
    /// Programs of `on_segment`.
    programs: Tasks,
    notices: Notices,
    /// Requests of `schedule`: programs that hang do not hold them up.
    requests: Tasks,
    /// Metrics are on their way to the Pushgateway.
    is_pushing: bool,
    /// When the machine was last looked at; none while that goes on.
    measured_at: Option<Instant>,
    live: Arc<Mutex<RecorderStatus>>,
    /// When the next source may start.
    next_start: Instant,
    began: Instant,
    /// How it goes, on a terminal.
    lasting: Lasting,
    /// The end of it all: why, and when it must be over.
    ending: Option<end::Ending>,
    /// When the state is to be written, at the latest.
    write_at: Instant,
    wrote_at: Instant,
}

impl<'a> Supervisor<'a> {
    /// Gets everything ready for destinations that are locked for us.
    pub(super) fn new(
        settings: &'a Settings,
        context: &'a Context,
        report: &'a mut Report,
        config: Config,
        places: Places,
        ffmpeg: Option<Ffmpeg>,
        live: Arc<Mutex<RecorderStatus>>,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Source(format!("cannot wait for events: {error}"));
        let waker = Waker::new().map_err(failed)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        epoll::add(&epoll, &waker, epoll::EventData::new_u64(WAKER), epoll::EventFlags::IN)
            .map_err(|errno| failed(errno.into()))?;
        let (news_box, news) = Mailbox::new(waker.clone());
        let (done_box, done) = Mailbox::new(waker.clone());
        let (feed_box, parcels) = Mailbox::new(waker.clone());
        let now = Instant::now();
        Ok(Self {
            settings,
            context,
            report,
            is_urgent: false,
            ffmpeg,
            config,
            epoll,
            waker,
            recorders: HashMap::new(),
            numbers: BTreeMap::new(),
            left: BTreeMap::new(),
            next_number: 0,
            timers: Timers::default(),
            places,
            keepers: BTreeMap::new(),
            learned: BTreeMap::new(),
            full: BTreeMap::new(),
            lost: BTreeMap::new(),
            given_up: BTreeSet::new(),
            news,
            news_box,
            done,
            parcels,
            feed_box,
            buffer: vec![0; BUFFER_BYTES],
            given: Vec::new(),
            writes: Vec::new(),
            programs: Tasks::new(done_box.clone(), settings.network.clone()),
            notices: Notices::default(),
            requests: Tasks::new(done_box, settings.network.clone()),
            is_pushing: false,
            measured_at: now.checked_sub(EVERY),
            live,
            next_start: now,
            began: now,
            lasting: context.progress.lasting(settings.lasts),
            ending: None,
            write_at: now,
            wrote_at: now,
        })
    }

    /// Records until it is stopped. `lost` are destinations that cannot be used now, and why.
    pub(super) fn run(mut self, lost: &BTreeMap<PathBuf, String>) -> Result<()> {
        // Beyond what it takes to end by ourselves.
        self.context.stop.set_grace(end::GIVE_UP_AFTER + Duration::from_secs(2));
        let waker = self.waker.clone();
        self.context.stop.also(move || waker.wake());
        let waker = self.waker.clone();
        self.context.stop.on_hangup(move || waker.wake());

        self.begin(lost)?;
        let mut events = Vec::new();
        while !self.is_over() {
            // All that is ready: what is left waits until packets have gathered once more.
            events.reserve(EVENTS + DESCRIPTORS * self.recorders.len());
            let wait = self.wait();
            let wait = Timespec::try_from(wait).ok();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::Source(format!("cannot wait for events: {errno}"))),
            }
            let mut has_read = false;
            self.is_urgent = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKER => self.woken(),
                    key => {
                        self.readable(key);
                        has_read = true;
                    }
                }
            }
            let now = Instant::now();
            while let Some(timer) = self.timers.due(now) {
                self.ring(timer, now);
            }
            self.write_state();
            if has_read && self.ending.is_none() {
                self.gather();
            }
        }
        self.finish()
    }

    /// Lets packets gather. Woken for each of them, this thread would find everything it needs gone from the caches each
    /// time, which costs more than the work.
    fn gather(&self) {
        let gather = if self.is_urgent { GATHER_URGENT } else { GATHER };
        let wait = Timespec::try_from(self.wait().min(gather)).ok();
        let mut waker = [PollFd::new(&self.waker, PollFlags::IN)];
        // After a timeout or an error, the loop goes on.
        let _ = rustix::event::poll(&mut waker, wait.as_ref());
    }

    /// How long nothing is to be done.
    fn wait(&self) -> Duration {
        let next = self.timers.next();
        // The last state is written at the very end.
        let next = if self.is_closing() { next } else { Some(next.map_or(self.write_at, |at| at.min(self.write_at))) };
        let next = next.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
        next.saturating_duration_since(Instant::now())
    }

    /// Something has come from another thread.
    fn woken(&mut self) {
        self.waker.rest();
        while let Ok((place, news)) = self.news.try_recv() {
            self.hear(&place, news);
        }
        while let Ok(done) = self.done.try_recv() {
            self.done(done);
        }
        while let Ok((turn, parcel)) = self.parcels.try_recv() {
            self.delivered(turn, parcel);
        }
        if self.ending.is_none() && self.context.stop.is_requested() {
            self.end(None);
        }
        if self.ending.is_none() && self.context.stop.has_hung_up() {
            self.reload();
        }
    }

    /// A timer has run out.
    fn ring(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Turn(number, generation) => self.event(number, Event::Turn(generation)),
            Timer::Due(number, generation) => self.event(number, Event::Due(generation)),
            Timer::Feed(number, generation) if self.is_current(number, generation) => self.feed_due(number, now),
            Timer::Feed(..) => {}
            Timer::Flush => self.flush(now),
            Timer::Schedule(number, generation) => self.look_at_schedule(number, generation, now),
            Timer::Look => {
                self.give_up_unused();
                self.look();
                self.seek(now);
                self.timers.at(now + LOOK_EVERY, Timer::Look);
            }
            Timer::Tell => {
                self.tell(now);
                self.timers.at(now + TELL_EVERY, Timer::Tell);
            }
            Timer::End => {
                if self.ending.is_none() {
                    self.end(Some(end::Reason::TimeIsUp));
                }
            }
            Timer::GiveUp => self.give_up(),
        }
    }

    fn is_current(&self, number: u64, generation: u64) -> bool {
        self.recorders.get(&number).is_some_and(|recorder| recorder.machine.generation() == generation)
    }

    /// Asks the keepers to look at their disks, and at what is over.
    fn look(&self) {
        let now = clock();
        for (place, keeper) in &self.keepers {
            let rates = self.recorders.values().filter(|recorder| recorder.machine.camera().destination == *place);
            let bits: f64 = rates.filter_map(|recorder| recorder.live.bits_per_second).sum();
            // Until the second look from now, so that there is time to end.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of bytes is far below")]
            let need = (bits / 8.0 * 2.0 * LOOK_EVERY.as_secs_f64()) as u64;
            keeper.look(Look {
                now,
                need: need.max(LEAST_ROOM),
                guard: self.config.guard,
                delete_oldest: self.config.delete_oldest,
            });
        }
    }
}

/// Less room than this is none.
const LEAST_ROOM: u64 = 64 << 10;

#[expect(clippy::disallowed_methods, reason = "a pass that lasts reads the clock as it goes")]
fn clock() -> DateTime<Utc> {
    Utc::now()
}

/// The time as states and metrics have it.
fn seconds() -> f64 {
    timestamp_seconds(&clock())
}
