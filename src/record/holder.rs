//! `--stop` and `--reload`: signals to the recorder that holds a configuration's destinations.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Settings;
use super::config::Config;
use super::places::lock_path;
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
        return Err(nobody("could be stopped"));
    }
    // A recorder holds all of its destinations: of several, all but one were started with another configuration.
    if holders.len() > 1 {
        let pids: Vec<String> = holders.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
        return Err(Error::Source(format!(
            "several recorders hold the destinations of this configuration (pid {}), and all but one are of another: end the \
             right one by its pid",
            pids.join(", pid ")
        )));
    }
    for pid in &holders {
        signal(*pid, Signal::TERM)?;
    }
    let began = Instant::now();
    // Who holds a lock that has just been let go of, or taken by the next one from cron, cannot be told for a moment.
    while !self::holders(settings, config).is_ok_and(|now| now.iter().all(|pid| !holders.contains(pid))) {
        if began.elapsed() >= PATIENCE {
            let text = format!(
                "the recorder was told to stop and has not ended within {}: is its disk there? kill -9 ends it too",
                human_duration(PATIENCE)
            );
            return Err(Error::Source(text));
        }
        context.stop.sleep(TICK)?;
    }
    Ok(())
}

/// Has the recorder read its configuration again.
pub(super) fn reload(settings: &Settings, config: &Config) -> Result<()> {
    let holders = holders(settings, config)?;
    if holders.is_empty() {
        return Err(nobody("could read its configuration again"));
    }
    holders.into_iter().try_for_each(|pid| signal(pid, Signal::HUP))
}

/// It is found by the locks of its destinations, and those may have been others when it began.
fn nobody(what: &str) -> Error {
    Error::Away(format!(
        "nothing records there that {what}; a recorder that was started with another destination, --shard or --lock-file is \
         found with the same"
    ))
}

fn signal(pid: Pid, signal: Signal) -> Result<()> {
    kill_process(pid, signal).map_err(|errno| {
        Error::Source(format!("cannot signal the recorder (pid {}): {errno}; do it as its user", pid.as_raw_nonzero()))
    })
}

/// Whether one of the locks of a configuration is held.
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
