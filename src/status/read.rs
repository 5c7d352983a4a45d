//! Reads what passes left in their destinations, without changing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Settings;
use super::judge::{Left, Pass, Place, Unreported};
use super::newest::{Clock, Newest};
use crate::disk::Space;
use crate::error::{At, Result};
use crate::live::RecorderStatus;
use crate::lock::Holder;
use crate::pass::Report;
use crate::pass_name::PassName;
use crate::store::{MAX_STATE_BYTES, STATE_DIR, read_small, read_state, resolved};
use crate::text::natural_order;
use crate::trace::Trace;
use crate::zone::Tz;

/// Everything that passes left in these directories and one level below. A directory without anything is a destination
/// without passes.
///
/// # Errors
/// A directory given on the command line cannot be read.
pub fn places(settings: &Settings, now: DateTime<Tz>) -> Result<Vec<Place>> {
    let (mut places, mut seen) = (Vec::new(), BTreeSet::new());
    let traces = Trace::read_all();
    let mut look = |path: PathBuf| {
        let resolved = resolved(&path);
        seen.insert(resolved.clone()).then(|| place(path, resolved, &traces, now))
    };
    let has_something = |place: &Place| !place.passes.is_empty() || !place.unreported.is_empty();
    for directory in &settings.directories {
        let below: Vec<Place> =
            destinations_below(directory, &traces)?.into_iter().filter_map(&mut look).filter(has_something).collect();
        // A directory that only holds destinations is not one itself.
        let own = look(directory.clone()).filter(|place| has_something(place) || below.is_empty());
        places.extend(own);
        places.extend(below);
    }
    // Where nothing was ever recorded the directory may not exist.
    places.extend(settings.expected.iter().filter_map(|camera| look(camera.destination.clone())));
    Ok(places)
}

/// Directories one level below that may be destinations, by reports or traces of passes.
fn destinations_below(directory: &Path, traces: &[Trace]) -> Result<Vec<PathBuf>> {
    let here = resolved(directory);
    let of_traces = traces.iter().filter(|trace| trace.place.parent() == Some(&here));
    let mut below: BTreeSet<PathBuf> =
        of_traces.filter_map(|trace| trace.place.file_name()).map(|name| directory.join(name)).collect();
    match fs::read_dir(directory) {
        // A pass that could not even create its destination.
        Err(_) if !below.is_empty() || traces.iter().any(|trace| trace.place == here) => {}
        entries => {
            for entry in entries.at("read", directory)? {
                let path = entry.at("read", directory)?.path();
                if path.join(STATE_DIR).is_dir() {
                    below.insert(path);
                }
            }
        }
    }
    let named = |path: PathBuf| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    let mut below: Vec<PathBuf> = below.into_iter().map(named).collect();
    below.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b)));
    Ok(below)
}

fn place(path: PathBuf, resolved: PathBuf, traces: &[Trace], now: DateTime<Tz>) -> Place {
    let state = path.join(STATE_DIR);
    let names: BTreeSet<String> = fs::read_dir(&state)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".json").or_else(|| name.strip_suffix(".lock")).map(str::to_owned))
        .collect();
    let passes = names.iter().filter_map(|name| pass(&path, &state, name, now)).collect();
    let traces = traces.iter().filter(|trace| trace.place == resolved);
    let unreported = traces.map(|trace| Unreported { kind: trace.pass, trace: trace.clone() });
    Place { space: Space::of(&path).ok(), unreported: unreported.collect(), path, resolved, passes }
}

/// The pass whose files are named `name`: `dashcam`, `record-2-of-5`.
fn pass(root: &Path, state: &Path, name: &str, now: DateTime<Tz>) -> Option<Pass> {
    let kind = PassName::ALL.iter().copied().find(|pass| {
        name.strip_prefix(pass.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-') && !rest.contains('.'))
    })?;
    let left =
        read_state(&state.join(format!("{name}.json")), MAX_STATE_BYTES).map_or(Left::Nothing, |bytes| left(&bytes));
    let lock = match &left {
        Left::RecorderStatus(live) if live.lock_file.is_some() => live.lock_file.clone().unwrap_or_default(),
        _ => state.join(format!("{name}.lock")),
    };
    let newest = match &left {
        Left::RecorderStatus(live) => live
            .cameras
            .iter()
            .map(|camera| {
                // In a container the destination may have another path.
                let here = root.join(&camera.name);
                let dir = if here.is_dir() { here } else { camera.directory.clone() };
                (camera.name.clone(), Newest::below(&dir, Clock::Zoned, now))
            })
            .collect(),
        _ if kind == PassName::Hikvision => extracted(root, now),
        _ if kind == PassName::Dashcam => vec![(String::new(), Newest::below(root, Clock::Camera, now))],
        _ => Vec::new(),
    };
    let paused = read_small(&lock.with_extension("paused"));
    let paused = paused.map(|since| String::from_utf8_lossy(&since).trim().chars().take(40).collect());
    Some(Pass { kind, lock: Holder::look(&lock), left, newest, paused })
}

/// The fields that distinguish a report from the state of a recorder, and those with cameras.
#[derive(Deserialize)]
struct Shape {
    cameras: Option<Vec<IgnoredAny>>,
    pass: Option<String>,
}

/// Bounds memory: far more cameras than any site has.
const MAX_CAMERAS: usize = 100_000;

/// A report, or the state of a recorder.
fn left(bytes: &[u8]) -> Left {
    match serde_json::from_slice(bytes) {
        Ok(Shape { cameras: Some(cameras), .. }) if cameras.len() <= MAX_CAMERAS => {
            serde_json::from_slice::<RecorderStatus>(bytes)
                .map_or(Left::Unreadable, |live| Left::RecorderStatus(Box::new(live)))
        }
        Ok(Shape { cameras: None, pass: Some(_) }) => {
            serde_json::from_slice::<Report>(bytes).map_or(Left::Unreadable, |report| Left::Report(Box::new(report)))
        }
        _ => Left::Unreadable,
    }
}

/// The cameras of `hikvision`, each with its newest video or picture.
fn extracted(root: &Path, now: DateTime<Tz>) -> Vec<(String, Option<Newest>)> {
    let mut cameras: Vec<(String, Option<Newest>)> = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let folders = ["video", "images"].map(|folder| entry.path().join(folder));
        if !name.starts_with('.') && folders.iter().any(|folder| folder.is_dir()) {
            let newest = folders.iter().map(|folder| Newest::below(folder, Clock::Camera, now));
            cameras.push((name, newest.fold(None, Newest::or)));
        }
    }
    cameras.sort_by(|a, b| natural_order(&a.0, &b.0));
    cameras
}
