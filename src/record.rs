//! `footage record`: records cameras, and cuts what they send into segments.
//!
//! It reads the configuration, locks the destinations, and then runs until it is stopped. One thread, the supervisor, reads all
//! cameras: each has a feed, which gives packets, and a state machine, which says what is to be done. Its packets become
//! segments, which another thread writes under hidden names. The destination's keeper syncs a complete segment, verifies it and
//! gives it its final name. So users and programs see closed segments only.
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | the configuration; errors name line and key |
//! | [`name`] | the names of cameras and segments |
//! | [`url`] | a camera's URL, displayed without its password |
//! | [`command`] | ffmpeg's command line |
//! | `ffmpeg_log` | what ffmpeg logs, and the reason for its end |
//! | `feed` | where packets come from: RTSP, JPEG over HTTP, an ffmpeg |
//! | [`camera`] | the state machine of a camera: events in, actions out |
//! | [`segments`], [`slot`] | where a segment begins, its name, what is written of it when |
//! | [`container`] | what each container holds, and who writes it |
//! | `writer` | the thread that writes the open segments of a destination |
//! | [`plan`] | the changes that a reloaded configuration requires |
//! | [`schedule`] | HTTP requests to a camera by the time of day |
//! | [`shard`] | which of several hosts records a camera |
//! | [`retries`] | the wait before the next try |
//! | [`retain`] | which segments to remove |
//! | [`integrity`] | whether a segment is complete |
//! | `supervisor` | the loop, which performs actions; `recorder` one camera in it |
//! | [`learned`] | which engine and transport a camera takes |
//! | `keeper` | the thread of one destination; `closing` gives a segment its final name |
//! | [`listen`] | the state over HTTP |
//! | `pause` | `--pause` and `--resume` |
//! | `tasks` | programs and requests beside recording |
//! | `places` | the destinations, locked |
//! | `exposure` | warnings about passwords that other users can read and unchecked certificates |
//!
//! The words are those of the [glossary](crate#glossary). A *run id* distinguishes open segments that begin in the same second.

pub mod camera;
mod check;
mod closing;
pub mod command;
pub mod config;
pub mod container;
mod exposure;
mod feed;
mod ffmpeg_log;
mod hints;
mod holder;
pub mod integrity;
mod keeper;
pub mod learned;
pub mod listen;
mod mailbox;
pub mod name;
mod pause;
mod places;
pub mod plan;
mod recorder;
pub mod retain;
pub mod retries;
pub mod schedule;
pub mod segments;
pub mod shard;
mod show;
pub mod slot;
mod source;
mod supervisor;
mod tasks;
pub mod url;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::SecondsFormat;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::config::Config;
use self::listen::Listener;
use self::places::Places;
use self::shard::Shard;
pub use self::source::Source;
use self::supervisor::Supervisor;
use crate::error::{Error, Result};
use crate::ffmpeg::{self, Ffmpeg};
use crate::live::RecorderStatus;
use crate::metrics::Sinks;
use crate::network::Network;
use crate::pass::{self, Context, Report};
use crate::pass_name::PassName;
use crate::store::Store;
use crate::units::timestamp_seconds;

/// The settings of a pass, resolved.
#[derive(Debug)]
pub struct Settings {
    /// What to do.
    pub action: Action,
    /// Where the configuration comes from.
    pub source: Source,
    /// The configuration.
    pub config: Config,
    /// `--shard`
    pub shard: Shard,
    /// `--for`
    pub lasts: Option<Duration>,
    /// `--ffmpeg`; wins over the configuration.
    pub ffmpeg: Option<PathBuf>,
    /// `--lock-file`
    pub lock_file: Option<PathBuf>,
    /// `--cron`: cron starts it every minute.
    pub is_from_cron: bool,
    /// Where metrics go while it runs.
    pub sinks: Sinks,
    /// Proxies, and `--ca-bundle`.
    pub network: Network,
}

/// The action of `footage record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Record its cameras.
    Record,
    /// `--dry-run`: print the command lines of ffmpeg.
    Show,
    /// `--check`: test each camera once.
    Check,
    /// `--stop`: stop its recorder.
    Stop,
    /// `--reload`: make its recorder reload it.
    Reload,
    /// `--pause`: end its recorder, and let none start.
    Pause,
    /// `--resume`: let recorders start again.
    Resume,
}

impl pass::Pass for Settings {
    type Input = ();
    const NAME: PassName = PassName::Record;

    fn source(&self) -> String {
        self.source.to_string()
    }

    /// None: it locks its destinations itself, and a reloaded configuration may name others.
    fn dirs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn own_dirs(&self) -> Vec<PathBuf> {
        // A start that a pause prevents is no run that failed.
        if pause::since(self, &self.config).is_some() {
            return Vec::new();
        }
        self.config.destinations().into_iter().map(Path::to_owned).collect()
    }

    fn is_read_only(&self) -> bool {
        self.action != Action::Record
    }

    fn read(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, (): (), _: &[Store], context: &Context, report: &mut Report) -> Result<()> {
        run(self, context, report)
    }
}

impl Settings {
    /// The configuration with the cameras of this host's shard.
    fn shard(&self, mut config: Config) -> Config {
        config.cameras.retain(|name, _| self.shard.has(name.as_str()));
        config
    }
}

/// Records until it is stopped.
///
/// # Errors
/// What ended it; the report then counts what was done until then.
pub fn run(settings: &Settings, context: &Context, report: &mut Report) -> Result<()> {
    // Read.
    let config = settings.shard(settings.config.clone());
    let find = || ffmpeg::find(settings.ffmpeg.as_deref().or(config.ffmpeg.as_deref()), &context.stop);
    match settings.action {
        Action::Record => {}
        Action::Show => {
            let ffmpeg = if_there(&config, find)?;
            exposure::warn(settings, &config, ffmpeg.as_ref().map(|ffmpeg| ffmpeg.version), context);
            show::plan(&config, ffmpeg.as_ref(), context, report);
            return Ok(());
        }
        Action::Check => {
            let ffmpeg = if_there(&config, find)?;
            exposure::warn(settings, &config, ffmpeg.as_ref().map(|ffmpeg| ffmpeg.version), context);
            return check::run(&config, ffmpeg.as_ref(), &settings.network, context, report);
        }
        Action::Stop => return holder::stop(settings, &config, context),
        Action::Reload => return holder::reload(settings, &config),
        Action::Pause => return pause::pause(settings, &config, context),
        Action::Resume => return pause::resume(settings, &config),
    }
    report.seen_cameras = config.cameras.len();
    // Without destinations there is no lock, and cron would start one more recorder every minute.
    if config.cameras.is_empty() && settings.is_from_cron {
        return Ok(());
    }
    if pause::check(settings, &config)? {
        return Ok(());
    }
    let since = context.now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lock = || Places::lock(&config.destinations(), settings.shard, settings.lock_file.as_deref(), &since);
    // cron finds a running recorder every minute: this saves running `ffmpeg -version` each time. Otherwise find ffmpeg
    // before creating anything.
    if holder::is_running(settings, &config) {
        lock()?;
    }
    // Before the lock: a process that finds it held may send SIGHUP.
    let caught = context.stop.catch_hangups();
    caught.map_err(|error| Error::Source(format!("cannot listen for SIGHUP: {error}")))?;
    let ffmpeg = if_there(&config, find)?;
    let (places, lost) = lock()?;
    if config.cameras.is_empty() {
        log::warn!("no camera to record: add one to {} and reload it", settings.source);
    }
    exposure::warn(settings, &config, ffmpeg.as_ref().map(|ffmpeg| ffmpeg.version), context);

    let started = timestamp_seconds(&context.now);
    let live = Arc::new(Mutex::new(RecorderStatus {
        pid: std::process::id(),
        start_timestamp_seconds: started,
        updated_timestamp_seconds: started,
        shard: (!settings.shard.is_all()).then(|| settings.shard.to_string()),
        config: settings.source.path().map(|path| path.display().to_string()),
        // Absolute: the processes that read it have other working directories.
        lock_file: settings.lock_file.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        ..RecorderStatus::default()
    }));

    raise_file_limit();
    let listener = config.listen.as_deref().map(|address| Listener::start(address, Arc::clone(&live)));
    let _listener = listener.transpose()?;

    // Plan and execute, until it is stopped.
    Supervisor::new(settings, context, report, config, places, ffmpeg, live)?.run(&lost)
}

/// ffmpeg, as far as the cameras take one: without it those that footage reads by itself are recorded all the same.
///
/// # Errors
/// There is none, or not the one that was named, and no camera can do without.
fn if_there(config: &Config, find: impl Fn() -> Result<Ffmpeg>) -> Result<Option<Ffmpeg>> {
    let takes = |camera: &config::Camera| feed::Kind::of(camera, false).takes_ffmpeg();
    let (with, all) = (config.cameras.values().filter(|camera| takes(camera)).count(), config.cameras.len());
    match find() {
        Ok(ffmpeg) => Ok(Some(ffmpeg)),
        Err(error @ Error::Stopped(_)) => Err(error),
        Err(error) if with == all && all > 0 => Err(error),
        Err(error) => {
            let level = if with > 0 { log::Level::Warn } else { log::Level::Debug };
            log::log!(level, "{} cannot be recorded: {}", crate::units::count(with, "camera"), error.with_causes());
            Ok(None)
        }
    }
}

/// With two pipes for each camera, many cameras exceed the soft limit of 1024 open files. A process may raise it up to the
/// hard limit.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
