use proptest::prelude::*;

use super::*;
use crate::record::config::{Config, Environment};

fn camera(text: &str) -> Arc<Camera> {
    let around = Environment { base: "/".into(), zone: crate::zone::Tz::UTC };
    let text = format!("[cameras.a]\nurl = \"rtsp://h/\"\ndestination = \"d\"\n{text}");
    let config = Config::parse(&text, &around).expect("a configuration");
    Arc::new(config.cameras.into_values().next().expect("a camera"))
}

/// A machine with a clock, beside what it must never do: two sources at once, an end that is asked for twice.
struct World {
    machine: Machine,
    now: Instant,
    has_source: bool,
    is_ending: bool,
    has_left: bool,
    last: Vec<Action>,
    preparing: Generation,
    queued: Generation,
    wakes: Vec<(Instant, Generation)>,
}

impl World {
    fn new(camera: Arc<Camera>) -> Self {
        let (machine, actions) = Machine::new(camera);
        let mut world = Self {
            machine,
            now: Instant::now(),
            has_source: false,
            is_ending: false,
            has_left: false,
            last: Vec::new(),
            preparing: 0,
            queued: 0,
            wakes: Vec::new(),
        };
        world.perform(actions);
        world
    }

    fn on(&mut self, event: Event) -> &[Action] {
        let actions = self.machine.on(event, self.now, 512);
        self.perform(actions);
        &self.last
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in &actions {
            match action {
                Action::Prepare(generation) => self.preparing = *generation,
                Action::Queue(generation) => self.queued = *generation,
                Action::Start(_) => {
                    assert!(!self.has_source, "two sources for one camera");
                    (self.has_source, self.is_ending) = (true, false);
                }
                Action::End => {
                    assert!(self.has_source && !self.is_ending, "an end of nothing, or the second");
                    self.is_ending = true;
                }
                Action::Wake(at, generation) => self.wakes.push((*at, *generation)),
                Action::Left => {
                    assert!(!self.has_source, "gone while its source runs");
                    self.has_left = true;
                }
                _ => {}
            }
        }
        assert_eq!(self.machine.has_source(), self.has_source);
        self.last = actions;
    }

    fn ended(&mut self, why: &str) -> &[Action] {
        self.has_source = false;
        self.on(Event::Ended(why.to_owned()))
    }

    fn switched(&mut self, why: &str) -> &[Action] {
        self.has_source = false;
        self.on(Event::Switched(why.to_owned()))
    }

    /// Passes the time until its next timer.
    fn wait(&mut self) -> &[Action] {
        self.wakes.sort_unstable();
        let Some((at, generation)) = (!self.wakes.is_empty()).then(|| self.wakes.remove(0)) else { return &[] };
        self.now = self.now.max(at);
        self.on(Event::Due(generation))
    }

    fn start(&mut self) {
        self.on(Event::Ready(self.preparing));
        self.on(Event::Turn(self.queued));
        assert!(self.has_source);
    }

    fn frames(&mut self) {
        self.on(Event::Packets { has_frames: true });
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn fails(actions: &[Action]) -> Option<(&str, bool)> {
    actions.iter().find_map(|action| match action {
        Action::Fail { why, is_new } => Some((why.as_str(), *is_new)),
        _ => None,
    })
}

#[test]
fn stall_timeout_counts_packets_and_not_frames() {
    let mut world = World::new(camera("stall_timeout = 30"));
    world.start();
    world.frames();
    // Key frames are 90 s apart, and the frames between them are none that can be recorded yet.
    for _ in 0..9 {
        world.pass(10);
        world.on(Event::Packets { has_frames: false });
    }
    assert!(!world.is_ending);
    while !world.is_ending {
        world.wait();
    }
    assert!(world.last.contains(&Action::Show(State::Stalled)));
    assert_eq!(fails(world.ended("")), Some(("no video came for 30s", true)));
    assert!(world.last.contains(&Action::Restarted { is_stall: true }));
}

#[test]
fn a_camera_whose_packets_are_never_a_frame_fails() {
    let mut world = World::new(camera("stall_timeout = 30"));
    world.start();
    for _ in 0..17 {
        world.pass(10);
        world.on(Event::Packets { has_frames: false });
    }
    world.wait();
    assert!(!world.is_ending, "key frames may be far apart");
    world.pass(10);
    world.on(Event::Packets { has_frames: false });
    while !world.is_ending {
        assert!(!world.wakes.is_empty());
        world.wait();
    }
    let failed = fails(world.ended("")).map(|(why, _)| why.to_owned());
    assert_eq!(failed.as_deref(), Some("no frame that can be recorded came within 3m"));
}

#[test]
fn the_first_failure_of_an_outage_is_new_and_its_end_is_told() {
    let mut world = World::new(camera(""));
    world.start();
    assert_eq!(fails(world.ended("404 Not Found")), Some(("404 Not Found", true)));
    world.wait();
    world.start();
    assert_eq!(fails(world.ended("404 Not Found")), Some(("404 Not Found", false)));
    world.wait();
    world.start();
    world.frames();
    world.pass(20);
    world.frames();
    assert!(matches!(world.last[..], [Action::Recovered(_)]), "{:?}", world.last);
    assert!(!world.machine.is_failing());
}

#[test]
fn a_full_disk_pauses_and_a_free_one_resumes() {
    let mut world = World::new(camera(""));
    world.start();
    world.frames();
    world.on(Event::Full("no room".to_owned()));
    assert!(world.is_ending && world.machine.is_failing());
    world.ended("");
    assert_eq!(world.last, [Action::Show(State::Paused)]);
    world.on(Event::Free);
    world.start();
}

#[test]
fn reload_restarts_once_and_stop_is_not_forgotten() {
    let (old, new) = (camera(""), camera("transport = \"udp\""));
    let mut world = World::new(old);
    world.start();
    world.on(Event::Become(Arc::clone(&new)));
    assert_eq!(world.machine.wanted(), Some(&new));
    world.on(Event::Stop);
    world.ended("");
    assert!(world.has_left);
}

#[test]
fn a_folder_of_an_earlier_start_starts_nothing() {
    let mut world = World::new(camera(""));
    let earlier = world.preparing;
    world.on(Event::Become(camera("transport = \"udp\"")));
    assert!(world.on(Event::Ready(earlier)).is_empty());
    world.start();
}

#[test]
fn a_switch_to_another_engine_waits_for_no_pause_and_is_no_failure() {
    let mut world = World::new(camera(""));
    world.start();
    world.switched("no video that can be recorded natively");
    assert!(matches!(world.last[..], [Action::Queue(_)]), "{:?}", world.last);
    world.on(Event::Turn(world.queued));
    assert!(world.has_source && !world.machine.is_failing());
    // One that has stalled has failed.
    while !world.is_ending {
        world.wait();
    }
    assert!(world.machine.has_stalled());
    world.switched("");
    assert!(fails(&world.last).is_some() && matches!(world.last.last(), Some(Action::Queue(_))), "{:?}", world.last);
}

#[derive(Clone, Debug)]
enum Random {
    Ready,
    NotReady,
    Turn,
    Wait,
    Frames,
    Ended,
    Switched,
    Broken,
    Full,
    Free,
    Become,
    Adjust,
    Leave,
}

fn events() -> impl Strategy<Value = Vec<Random>> {
    use Random::{Adjust, Become, Broken, Ended, Frames, Free, Full, Leave, NotReady, Ready, Switched, Turn, Wait};
    let any = proptest::sample::select(vec![
        Ready, Ready, Ready, NotReady, Turn, Turn, Turn, Wait, Wait, Frames, Ended, Switched, Broken, Full, Free, Free,
        Become, Adjust, Leave,
    ]);
    proptest::collection::vec(any, 0..60)
}

proptest! {
    /// Whatever comes in whatever order: [`World`] watches that there are never two sources, and a stop is never forgotten.
    #[test]
    fn never_two_sources_and_a_stop_always_ends(events in events()) {
        let (one, other) = (camera(""), camera("transport = \"udp\""));
        let mut world = World::new(Arc::clone(&one));
        for event in events {
            match event {
                Random::Ready => { world.on(Event::Ready(world.preparing)); }
                Random::NotReady => { world.on(Event::NotReady(world.preparing, String::new())); }
                Random::Turn => { world.on(Event::Turn(world.queued)); }
                Random::Wait => { world.wait(); }
                Random::Frames => world.frames(),
                Random::Ended if world.has_source => { world.ended("it ended"); }
                Random::Switched if world.has_source => { world.switched("it ended"); }
                Random::Ended | Random::Switched => {}
                Random::Broken => { world.on(Event::Broken(String::new())); }
                Random::Full => { world.on(Event::Full("full".to_owned())); }
                Random::Free => { world.on(Event::Free); }
                Random::Become => { world.on(Event::Become(Arc::clone(&other))); }
                Random::Adjust => { world.on(Event::Adjust(Arc::clone(&one))); }
                Random::Leave => { world.on(Event::Leave); }
            }
            prop_assert!(!world.has_left || world.machine.wanted().is_none());
        }
        world.on(Event::Stop);
        if world.has_source {
            prop_assert!(world.is_ending);
            world.ended("");
        }
        prop_assert!(world.has_left);
    }
}
