//! `--stop` and `--reload`: signals to the recorder that has locked a configuration's destinations.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::config::Config;
use super::places::lock_path;
use super::{Action, Settings};
use crate::error::{Error, Result};
use crate::lock::Holder;
use crate::pass::Context;
use crate::units::human_duration;

/// A recorder ends within ten seconds, and its disk may be slow.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(50);

/// Stops the recorder, and waits until it has ended.
pub(super) fn stop(settings: &Settings, config: &Config, context: &Context) -> Result<()> {
    let holders = holders(settings, config)?;
    if holders.is_empty() {
        return Err(no_recorder(settings));
    }
    // A recorder locks all of its destinations: of several, all but one were started with another configuration.
    if holders.len() > 1 {
        let pids: Vec<String> = holders.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
        return Err(Error::Source(format!(
            "several recorders hold the destinations of this configuration (pid {}), and all but one are of another: end the \
             right one by its pid",
            pids.join(", pid ")
        )));
    }
    let are_from_cron = holders.iter().any(|pid| is_from_cron(*pid));
    for pid in &holders {
        signal(*pid, Signal::TERM)?;
    }
    let began = Instant::now();
    // While a lock changes hands, from one recorder to the next one that cron starts, its holder is briefly unknown.
    while !self::holders(settings, config).is_ok_and(|now| now.iter().all(|pid| !holders.contains(pid))) {
        if began.elapsed() >= PATIENCE {
            let text = format!(
                "the recorder got SIGTERM and has not ended within {}: does its disk respond? kill -9 ends it too",
                human_duration(PATIENCE)
            );
            return Err(Error::Source(text));
        }
        context.stop.sleep(TICK)?;
    }
    if are_from_cron && settings.action == Action::Stop {
        let pids: Vec<String> = holders.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
        log::warn!(
            "the recorder (pid {}) has ended; the crontab line starts it again: comment it out, or use --pause",
            pids.join(", pid ")
        );
    }
    Ok(())
}

/// Whether a recorder was started with `--cron`, by its arguments or its environment.
fn is_from_cron(pid: Pid) -> bool {
    let words = |name: &str| std::fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero())).unwrap_or_default();
    let is_off = |value: &[u8]| matches!(value, b"" | b"0" | b"n" | b"no" | b"f" | b"false" | b"off");
    words("cmdline").split(|byte| *byte == 0).any(|word| word.starts_with(b"--cr") && b"--cron".starts_with(word))
        || words("environ")
            .split(|byte| *byte == 0)
            .filter_map(|word| word.strip_prefix(b"FOOTAGE_CRON="))
            .any(|value| !is_off(&value.to_ascii_lowercase()))
}

/// Makes the recorder reload its configuration.
pub(super) fn reload(settings: &Settings, config: &Config) -> Result<()> {
    let holders = holders(settings, config)?;
    if holders.is_empty() {
        return Err(no_recorder(settings));
    }
    holders.into_iter().try_for_each(|pid| signal(pid, Signal::HUP))
}

/// The error that no recorder was found: footage looks for one by the locks of its destinations, which may have changed.
fn no_recorder(settings: &Settings) -> Error {
    let hint = if settings.shard.is_all() && settings.lock_file.is_none() {
        "if it was started with --shard or --lock-file, give them here too; with other destinations, signal it by its pid"
    } else {
        "--shard, --lock-file and the destinations must be those that it was started with"
    };
    Error::Away(format!("no recorder runs for {} ({hint})", settings.source))
}

fn signal(pid: Pid, signal: Signal) -> Result<()> {
    kill_process(pid, signal).map_err(|errno| {
        Error::Source(format!("cannot signal the recorder (pid {}): {errno}; do it as its user", pid.as_raw_nonzero()))
    })
}

/// Whether a process holds one of the locks of a configuration.
pub(super) fn is_running(settings: &Settings, config: &Config) -> bool {
    locks(settings, config).iter().any(|path| Holder::look(path).is_held == Some(true))
}

fn locks(settings: &Settings, config: &Config) -> Vec<PathBuf> {
    match &settings.lock_file {
        Some(path) => vec![path.clone()],
        None => config.destinations().into_iter().map(|place| lock_path(place, settings.shard)).collect(),
    }
}

/// The processes that hold the locks of a configuration.
fn holders(settings: &Settings, config: &Config) -> Result<Vec<Pid>> {
    let mut holders = Vec::new();
    for path in locks(settings, config) {
        holders.extend(Holder::process(&path)?);
    }
    holders.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
    holders.dedup();
    Ok(holders)
}
