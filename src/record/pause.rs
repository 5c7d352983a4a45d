//! `--pause` and `--resume`: no recorder starts in a destination that is paused, above all not from a crontab line.
//!
//! A paused destination has `.footage/record.paused`, with the time; that of a shard carries its number.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use chrono::SecondsFormat;

use super::Settings;
use super::config::Config;
use super::holder;
use super::places::lock_path;
use crate::error::{At, Error, Result};
use crate::pass::Context;
use crate::store::{Store, read_small, write_even_if_full};

/// Stops the recorder, if one runs, and keeps others from starting.
pub(super) fn pause(settings: &Settings, config: &Config, context: &Context) -> Result<()> {
    let since = context.now.to_rfc3339_opts(SecondsFormat::Secs, true);
    if settings.lock_file.is_none() {
        for destination in config.destinations() {
            Store::create(destination)?;
        }
    }
    // First, so that cron starts none between the two.
    for marker in markers(settings, config) {
        write_even_if_full(&marker, format!("{since}\n").as_bytes())?;
    }
    if holder::is_running(settings, config) {
        holder::stop(settings, config, context)?;
    }
    log::info!("recording is paused; footage record {} --resume ends that", settings.source);
    Ok(())
}

/// Lets recorders start again.
pub(super) fn resume(settings: &Settings, config: &Config) -> Result<()> {
    let mut was_paused = false;
    for marker in markers(settings, config) {
        match fs::remove_file(&marker) {
            Ok(()) => was_paused = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("remove", &marker),
        }
    }
    if !was_paused {
        return Err(Error::Away(format!("recording is not paused for {}", settings.source)));
    }
    log::info!("recording is not paused any more: a crontab line starts it within a minute");
    Ok(())
}

/// Since when recording is paused, if it is: in one of the destinations, all are.
pub(super) fn since(settings: &Settings, config: &Config) -> Option<String> {
    let since = markers(settings, config).into_iter().find_map(|marker| read_small(&marker))?;
    Some(String::from_utf8_lossy(&since).trim().chars().filter(|c| !c.is_control()).take(40).collect())
}

/// Where a pause is noted: beside the locks.
fn markers(settings: &Settings, config: &Config) -> Vec<PathBuf> {
    let beside = |lock: PathBuf| lock.with_extension("paused");
    match &settings.lock_file {
        Some(lock) => vec![beside(lock.clone())],
        None => config.destinations().into_iter().map(|place| beside(lock_path(place, settings.shard))).collect(),
    }
}

/// What a recorder that is started while recording is paused ends with.
///
/// # Errors
/// Recording is paused, unless cron starts it: then there is nothing to do.
pub(super) fn check(settings: &Settings, config: &Config) -> Result<bool> {
    match since(settings, config) {
        None => Ok(false),
        Some(_) if settings.is_from_cron => Ok(true),
        Some(since) => Err(Error::Away(format!(
            "recording is paused since {since}: footage record {} --resume ends that",
            settings.source
        ))),
    }
}
