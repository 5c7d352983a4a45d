//! `footage record`: one ffmpeg for each camera, kept alive.
//!
//! It reads the configuration, locks the destinations, and then lasts: a supervisor in one thread starts an ffmpeg for each
//! camera, that cuts its stream at clock marks into segments under hidden names. When ffmpeg calls a segment complete, the
//! destination's keeper syncs it, checks it and gives it its name. Whoever looks at the tree sees closed segments only.
//!
//! | module | idea |
//! | --- | --- |
//! | [`config`] | the configuration, with the line of everything that is wrong in it |
//! | [`name`] | what cameras and segments are called |
//! | [`url`] | a camera's address, shown without its password |
//! | [`command`] | ffmpeg's command line |
//! | [`progress`], `said` | what ffmpeg tells, and what it says |
//! | [`pace`] | whether the time in a stream goes as time goes |
//! | [`plan`] | what a changed configuration changes |
//! | [`schedule`] | what a camera is told by the clock |
//! | [`shard`] | which of several hosts records a camera |
//! | [`retries`] | how long to wait before the next try |
//! | [`retain`] | which segments go |
//! | [`whole`] | whether a segment is one |
//! | `supervisor` | the loop; `recorder` one camera in it, `segmenter` its ffmpeg |
//! | `keeper` | the thread of one destination; `closing` gives a segment its name |
//! | [`listen`] | the state over HTTP |
//! | `errands` | programs and requests beside recording |
//! | `places` | the destinations, locked |
//! | `exposed` | what of a configuration is told to too many |
//!
//! The words are those of the [glossary](crate#glossary). A *token* tells the open segments of one ffmpeg from those of another.

mod check;
mod closing;
pub mod command;
pub mod config;
mod errands;
mod exposed;
mod hints;
mod holder;
mod keeper;
pub mod listen;
mod mailbox;
pub mod mark;
pub mod name;
pub mod pace;
mod places;
pub mod plan;
pub mod progress;
mod recorder;
pub mod retain;
pub mod retries;
mod said;
pub mod schedule;
mod segmenter;
pub mod shard;
mod show;
mod source;
mod supervisor;
pub mod url;
pub mod whole;

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
use crate::ffmpeg;
use crate::live::RecorderStatus;
use crate::metrics::Sinks;
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
}

/// What to do with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Record its cameras.
    Record,
    /// `--dry-run`: print what would be run.
    Show,
    /// `--check`: try each camera once.
    Check,
    /// `--stop`: end its recorder.
    Stop,
    /// `--reload`: have its recorder read it again.
    Reload,
}

impl pass::Pass for Settings {
    type Input = ();
    const NAME: PassName = PassName::Record;

    fn source(&self) -> String {
        self.source.to_string()
    }

    /// None: it locks its destinations itself, and a configuration that is read again may name others.
    fn dirs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn own_dirs(&self) -> Vec<PathBuf> {
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
    /// The configuration with this host's share of the cameras.
    fn share(&self, mut config: Config) -> Config {
        config.cameras.retain(|name, _| self.shard.has(name.as_str()));
        config
    }
}

/// Records until it is told to stop.
///
/// # Errors
/// What ended it; the report then tells what was done until then.
pub fn run(settings: &Settings, context: &Context, report: &mut Report) -> Result<()> {
    // Read.
    let config = settings.share(settings.config.clone());
    let find = || ffmpeg::find(settings.ffmpeg.as_deref().or(config.ffmpeg.as_deref()), &context.stop);
    match settings.action {
        Action::Record => {}
        Action::Show => {
            let ffmpeg = find()?;
            exposed::tell(settings, &config, ffmpeg.version, context);
            show::commands(&config, &ffmpeg, context, report);
            return Ok(());
        }
        Action::Check => {
            let ffmpeg = find()?;
            exposed::tell(settings, &config, ffmpeg.version, context);
            return check::run(&config, &ffmpeg, context, report);
        }
        Action::Stop => return holder::stop(settings, &config, context),
        Action::Reload => return holder::reload(settings, &config),
    }
    report.seen_cameras = config.cameras.len();
    // Then nothing is locked, and who starts it every minute would start one more.
    if config.cameras.is_empty() && settings.is_from_cron {
        return Ok(());
    }
    let since = context.now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lock = || Places::lock(&config.destinations(), settings.shard, settings.lock_file.as_deref(), &since);
    // From cron a recorder finds one running every minute, and asks no ffmpeg for its version then. Else nothing is made
    // before there is one.
    if holder::is_running(settings, &config) {
        lock()?;
    }
    // Whoever finds the lock held may send it.
    let caught = context.stop.catch_hangups();
    caught.map_err(|error| Error::Source(format!("cannot listen for SIGHUP: {error}")))?;
    let ffmpeg = find()?;
    let (places, lost) = lock()?;
    if config.cameras.is_empty() {
        log::warn!("there is no camera to record: one that is in {} when it is read again is", settings.source);
    }
    exposed::tell(settings, &config, ffmpeg.version, context);

    let started = timestamp_seconds(&context.now);
    let live = Arc::new(Mutex::new(RecorderStatus {
        pid: std::process::id(),
        start_timestamp_seconds: started,
        updated_timestamp_seconds: started,
        shard: (!settings.shard.is_all()).then(|| settings.shard.to_string()),
        config: settings.source.path().map(|path| path.display().to_string()),
        // Who looks is in another directory.
        lock_file: settings.lock_file.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        ..RecorderStatus::default()
    }));

    raise_file_limit();
    let listener = config.listen.as_deref().map(|address| Listener::start(address, Arc::clone(&live)));
    let _listener = listener.transpose()?;

    // Plan and execute, for as long as it lasts.
    Supervisor::new(settings, context, report, config, places, ffmpeg, live)?.run(&lost)
}

/// Two pipes a camera are more than the usual 1024 files when cameras are many. The limit of what is usual may be raised
/// by everybody up to another one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
