//! Slow work beside recording, in threads of its own: programs of `on_segment`, requests of `schedule`, pushes of metrics.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset};
use ureq::http::header::AUTHORIZATION;

use super::mailbox::Mailbox;
use super::name::{CameraName, rfc3339};
use super::url::shown;
use crate::child::{self, Killed, Orphans};
use crate::http::{self, explain};
use crate::login;
use crate::machine::{Machine, Usage};
use crate::metrics::Sinks;
use crate::mutex::lock;
use crate::network::Network;
use crate::redirect;
use crate::secret::Secret;
use crate::sensors;
use crate::units::human_duration;
use crate::workers::Queue;

/// The number of threads.
const THREADS: usize = 4;
/// The timeout of a program for one segment.
const HOOK_PATIENCE: Duration = Duration::from_mins(10);
/// The timeout of a request to a camera.
const GET_PATIENCE: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(50);
/// The most segments of a camera that wait for its program: a day with one every minute and a half.
pub(super) const MOST_WAITING: usize = 1000;

/// Work for a thread.
#[derive(Debug)]
pub(super) enum Task {
    /// Run a program for a closed segment.
    Hook {
        camera: CameraName,
        /// The program and its arguments.
        words: Vec<String>,
        path: PathBuf,
        start: DateTime<FixedOffset>,
        duration: Option<Duration>,
    },
    /// Request a URL.
    Get { camera: CameraName, url: Secret },
    /// Measure the machine, and the CPU and memory of processes.
    Measure { pids: Vec<u32> },
    /// Push metrics.
    Push { sinks: Sinks, text: String },
}

/// The result of a task; the message of a failure.
#[derive(Debug)]
pub(super) enum Done {
    Hook(CameraName, Result<(), String>),
    Get(CameraName, Secret, Result<(), String>),
    Push(Result<(), String>),
    Measure(Machine, Vec<(u32, Usage)>),
}

/// The threads and their tasks. The recorder ends without waiting for them, since a program may hang.
#[derive(Debug)]
pub(super) struct Tasks {
    queue: Arc<Queue<Task>>,
    threads: usize,
    under_way: usize,
    /// The tasks of a camera whose program is still running: if it hangs, no second one starts.
    waiting: BTreeMap<CameraName, VecDeque<Task>>,
    done: Mailbox<Done>,
    orphans: Arc<Mutex<Orphans>>,
    network: Network,
    /// Set when the recorder ends: running tasks stop.
    is_over: Arc<std::sync::atomic::AtomicBool>,
}

impl Tasks {
    pub(super) fn new(done: Mailbox<Done>, network: Network) -> Self {
        Self {
            queue: Arc::default(),
            threads: 0,
            under_way: 0,
            waiting: BTreeMap::new(),
            done,
            orphans: Arc::default(),
            network,
            is_over: Arc::default(),
        }
    }

    /// Queues a task, and starts a thread if one is needed.
    pub(super) fn run(&mut self, task: Task) {
        self.under_way += 1;
        if let Task::Hook { camera, .. } = &task {
            if let Some(waiting) = self.waiting.get_mut(camera) {
                return waiting.push_back(task);
            }
            self.waiting.insert(camera.clone(), VecDeque::new());
        }
        self.hand_out(task);
    }

    /// Whether the queue of a camera's program is full.
    pub(super) fn is_swamped(&self, camera: &CameraName) -> bool {
        self.waiting.get(camera).is_some_and(|waiting| waiting.len() >= MOST_WAITING)
    }

    fn hand_out(&mut self, task: Task) {
        if self.threads < THREADS.min(self.under_way) {
            let (queue, done, is_over) = (Arc::clone(&self.queue), self.done.clone(), Arc::clone(&self.is_over));
            let (orphans, network) = (Arc::clone(&self.orphans), self.network.clone());
            let work = move || {
                while let Some(task) = queue.next() {
                    done.send(task.run(&orphans, &network, &|| is_over.load(std::sync::atomic::Ordering::Relaxed)));
                }
            };
            let builder = std::thread::Builder::new().name("tasks".into()).stack_size(512 << 10);
            self.threads += usize::from(builder.spawn(work).is_ok());
        }
        self.queue.put(task);
    }

    /// Notes that a task is done, and starts the camera's next one.
    pub(super) fn finished(&mut self, done: &Done) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Done::Hook(camera, _) = done
            && let Some(mut waiting) = self.waiting.remove(camera)
            && let Some(next) = waiting.pop_front()
        {
            self.waiting.insert(camera.clone(), waiting);
            self.hand_out(next);
        }
    }

    /// The number of tasks that are not done yet.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Stops the running tasks.
    pub(super) fn end(&self) {
        self.is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Task {
    fn run(self, orphans: &Mutex<Orphans>, network: &Network, is_over: &dyn Fn() -> bool) -> Done {
        match self {
            Self::Hook { camera, words, path, start, duration } => {
                let mut command = Command::new(words.first().map_or("", String::as_str));
                command.args(words.iter().skip(1));
                command.env("FOOTAGE_SEGMENT_PATH", path).env("FOOTAGE_SEGMENT_CAMERA", camera.as_str());
                command.env("FOOTAGE_SEGMENT_START", rfc3339(start));
                if let Some(duration) = duration {
                    command.env("FOOTAGE_SEGMENT_DURATION_SECONDS", format!("{:.3}", duration.as_secs_f64()));
                }
                let ended = run(&mut command, orphans, is_over);
                Done::Hook(camera, ended)
            }
            Self::Get { camera, url } => {
                let got = get(url.reveal(), network);
                Done::Get(camera, url, got)
            }
            Self::Measure { pids } => {
                let usage = sensors::usage(&pids);
                let known = pids.into_iter().zip(usage).filter_map(|(pid, usage)| Some((pid, usage?)));
                Done::Measure(sensors::machine(), known.collect())
            }
            Self::Push { sinks, text } => Done::Push(sinks.push(text, GET_PATIENCE)),
        }
    }
}

/// Runs a program to its end.
fn run(command: &mut Command, orphans: &Mutex<Orphans>, is_over: &dyn Fn() -> bool) -> Result<(), String> {
    let program = PathBuf::from(command.get_program());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = child::spawn(command).map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let words = child.stderr.take().map(|stderr| std::thread::spawn(move || child::last_words(stderr)));
    let (status, killed) =
        child::wait(&mut child, HOOK_PATIENCE, is_over).map_err(|error| format!("cannot wait for it: {error}"))?;
    lock(orphans).inherit(&child);
    match killed {
        Some(Killed::Late) => {
            return Err(format!("it took longer than {} and was killed", human_duration(HOOK_PATIENCE)));
        }
        Some(Killed::Stopped) => return Err("it was killed because the recorder ends".to_owned()),
        None => {}
    }
    if status.success() {
        return Ok(());
    }
    // A process that it left behind may hold its stderr open: give up reading it after a while.
    let ended = Instant::now();
    while words.as_ref().is_some_and(|words| !words.is_finished()) && ended.elapsed() < TICK * 10 {
        std::thread::sleep(TICK);
    }
    let words = words.filter(std::thread::JoinHandle::is_finished).and_then(|words| words.join().ok());
    let words = words.filter(|words| !words.is_empty()).map(|words| format!(": {words:?}")).unwrap_or_default();
    Err(format!("it ended with {status}{words}"))
}

/// Requests a URL of a camera, without redirects to other hosts.
fn get(url: &str, network: &Network) -> Result<(), String> {
    let agent = network.agent(url, http::config().timeout_global(Some(GET_PATIENCE)));
    let (url, login) = login::split_userinfo(url);
    let answer = redirect::follow(&url, |url| {
        let mut request = agent.get(url);
        if let Some(login) = &login {
            request = request.header(AUTHORIZATION, login);
        }
        let failed = |error| explain(&error, &human_duration(GET_PATIENCE)).replace(url, &shown(url));
        request.call().map_err(failed)
    })?;
    match redirect::location(&answer) {
        Some(elsewhere) => Err(format!("it redirects to {:?}: not followed", shown_location(elsewhere))),
        None => Ok(()),
    }
}

/// The target of a redirect, without what may be a secret.
fn shown_location(location: &str) -> String {
    if location.contains("://") { shown(location) } else { location.split('?').next().unwrap_or_default().to_owned() }
}
