//! What all passes share: what a pass is given, and what it reports.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::retention::Reason;
use crate::stop::Stop;
use crate::units::{ByteSize, count, human_duration};

/// What a pass is given beside its settings. The clock was read once, in `main`.
#[derive(Debug)]
pub struct Context {
    /// When this pass began.
    pub now: DateTime<Local>,
    /// Print the plan, change nothing.
    pub dry_run: bool,
    /// Whether results go to stdout as JSON.
    pub json: bool,
    /// Whether to stop.
    pub stop: Stop,
    /// The bar on a terminal; nothing elsewhere.
    pub progress: Progress,
    /// What was said already.
    pub told: Told,
}

impl Context {
    /// The wall clock's digits here and now, to compare with a camera's.
    #[must_use]
    pub fn local_now(&self) -> NaiveDateTime {
        self.now.naive_local()
    }
}

/// How the keys of what ends a pass begin.
pub const ENDED: &str = "ended:";

/// Warnings that are said once: once in a pass, and with `--cron` once for as long as the condition lasts.
#[derive(Debug, Default)]
pub struct Told {
    before: BTreeSet<String>,
    now: RefCell<BTreeSet<String>>,
    across_passes: bool,
}

impl Told {
    /// `before` is what the last pass said; it matters when `across_passes` (from cron).
    #[must_use]
    pub fn new(before: BTreeSet<String>, across_passes: bool) -> Self {
        Self { before, across_passes, ..Self::default() }
    }

    /// Warns, unless this was said. `key` names the condition, `text` may hold numbers that change.
    pub fn warn(&self, key: &str, text: impl std::fmt::Display) {
        self.log(key, log::Level::Warn, text);
    }

    /// As [`warn`](Self::warn), for what ends a pass.
    pub fn error(&self, key: &str, text: impl std::fmt::Display) {
        self.log(key, log::Level::Error, text);
    }

    /// The condition lasts, and is not worth saying again: remembers it for the next pass.
    pub fn lasts(&self, key: &str) {
        if self.before.contains(key) {
            self.now.borrow_mut().insert(key.to_owned());
        }
    }

    fn log(&self, key: &str, level: log::Level, text: impl std::fmt::Display) {
        let is_new = !(self.across_passes && self.before.contains(key));
        if self.now.borrow_mut().insert(key.to_owned()) {
            log::log!(if is_new { level } else { log::Level::Info }, "{text}");
        }
    }

    /// What was said, for the next pass. A pass that ended early has not seen what else may last; one that found nobody,
    /// or was stopped, has not even seen whether what ended an earlier one still would.
    #[must_use]
    pub fn keys(&self, outcome: &Result<()>) -> BTreeSet<String> {
        let mut keys = self.now.borrow().clone();
        if let Err(error) = outcome {
            let saw_little = error.is_not_now() || matches!(error, Error::Stopped(_));
            keys.extend(self.before.iter().filter(|key| saw_little || !key.starts_with(ENDED)).cloned());
        }
        keys
    }
}

/// Something that failed for one item; the pass went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The item.
    pub name: String,
    /// The kind of failure: a metric's label.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
}

/// The condition that one item has failed, for [`Told`].
#[must_use]
pub fn failure_key(name: &impl std::fmt::Display) -> String {
    format!("failed:{name}")
}

/// What a pass did. Written to `.footage/<pass>.json`, printed with `--json`, turned into metrics.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The subcommand.
    pub pass: String,
    /// The source as the user named it, without secrets.
    pub source: String,
    /// When the pass began, RFC 3339.
    pub started: String,
    /// How long it took.
    pub duration_seconds: f64,
    /// What the shell saw.
    pub exit_code: u8,
    /// Why the pass ended early: a word of [`Error::reason`](crate::error::Error::reason), and the text.
    pub ended: Option<(String, String)>,
    /// Recordings the source has.
    pub recordings_seen: usize,
    /// Of those, the ones that the options ask for.
    pub recordings_selected: usize,
    /// Recordings of which the video arrived.
    pub recordings_fetched: usize,
    /// Files that arrived, sidecars included.
    pub files_fetched: usize,
    /// Their bytes, as received in this pass.
    pub bytes_fetched: u64,
    /// Recordings that the camera is still writing.
    pub still_written: usize,
    /// Files that failed before and are not due for another try.
    pub waiting_for_retry: usize,
    /// Recordings left on the camera because they are older than what the limits of room allow.
    pub left_out: usize,
    /// Files compared by `--verify`.
    pub files_verified: usize,
    /// Files removed, by reason.
    pub files_removed: BTreeMap<String, usize>,
    /// Their bytes.
    pub bytes_removed: u64,
    /// What failed.
    pub failures: Vec<Failure>,
    /// `*.failed` markers in the destination.
    pub failed_markers: usize,
    /// The used part of the destination's disk, 0 to 1.
    pub disk_used_ratio: Option<f64>,
    /// When footage last arrived, in this pass or an earlier one; seconds since 1970.
    pub last_fetch_timestamp_seconds: Option<f64>,
    /// Recordings that were removed for room, and are not fetched again while the camera has them.
    pub given_up: BTreeSet<String>,
    /// Under these limits of room; under others it is forgotten.
    pub given_up_for: String,
    /// To remove recordings did not free the disk: none is removed for room until there is some again.
    pub removal_frees_nothing: bool,
    /// Recordings that broke off without getting further: the next pass tries them last.
    pub broke_off: BTreeSet<String>,
    /// What was said, so that it is not said at every pass from cron.
    pub told: BTreeSet<String>,
    /// Of a pass that sends instead of fetching.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
}

/// What a pass sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Files that were sent, and are proven to have arrived.
    pub files: usize,
    /// Bytes that went out, those of failed tries too.
    pub bytes: u64,
    /// Files of which it was proven that they had arrived before.
    pub files_already_there: usize,
    /// Files that are still to be sent.
    pub files_pending: usize,
    /// How long the oldest of them has been waiting: since it was last modified.
    pub oldest_pending_seconds: Option<f64>,
}

impl Report {
    /// Begins the report of a pass; what lasts is taken from the last one.
    #[must_use]
    pub fn begin(pass: &str, source: String, now: DateTime<Local>, last: &Self) -> Self {
        Self {
            pass: pass.to_owned(),
            source,
            started: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            last_fetch_timestamp_seconds: last.last_fetch_timestamp_seconds,
            given_up: last.given_up.clone(),
            given_up_for: last.given_up_for.clone(),
            broke_off: last.broke_off.clone(),
            removal_frees_nothing: last.removal_frees_nothing,
            ..Self::default()
        }
    }

    /// Counts and tells what failed for one item.
    pub fn fail(&mut self, told: &Told, name: impl std::fmt::Display, reason: &str, message: impl Into<String>) {
        let failure = Failure { name: name.to_string(), reason: reason.to_owned(), message: message.into() };
        told.warn(&failure_key(&name), format_args!("{name}: {}", failure.message));
        self.failures.push(failure);
    }

    /// Counts a removed file.
    pub fn removed(&mut self, reason: Reason, bytes: u64) {
        *self.files_removed.entry(reason.to_string()).or_default() += 1;
        self.bytes_removed += bytes;
    }

    /// Whether footage has arrived, here or where it was sent.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.files_fetched > 0 || self.sent.as_ref().is_some_and(|sent| sent.files + sent.files_already_there > 0)
    }

    fn summary_of(&self, sent: &Sent) -> String {
        let duration = Duration::try_from_secs_f64(self.duration_seconds).unwrap_or_default();
        let (files, bytes) = (count(sent.files, "file"), ByteSize(sent.bytes));
        format!("{files} ({bytes}) uploaded from {} in {}", self.source, human_duration(duration))
    }

    /// One line for people: `3 recordings (12 files, 252.6 MB) fetched from … in 31s; 1 failed`.
    #[must_use]
    pub fn summary(&self) -> String {
        let sent = self.sent.as_ref();
        let nothing_new = self.ended.is_none() && self.failures.is_empty() && !self.has_news();
        let mut line = if let Some(sent) = sent {
            if nothing_new { format!("nothing to upload from {}", self.source) } else { self.summary_of(sent) }
        } else if self.pass == "record" {
            format!(
                "{} ({}) recorded from {} in {}",
                count(self.files_fetched, "segment"),
                ByteSize(self.bytes_fetched),
                count(self.recordings_seen, "camera"),
                human_duration(Duration::try_from_secs_f64(self.duration_seconds).unwrap_or_default()),
            )
        } else if nothing_new {
            format!("nothing to fetch from {}", self.source)
        } else {
            format!(
                "{} ({}, {}) fetched from {} in {}",
                count(self.recordings_fetched, "recording"),
                count(self.files_fetched, "file"),
                ByteSize(self.bytes_fetched),
                self.source,
                human_duration(Duration::try_from_secs_f64(self.duration_seconds).unwrap_or_default()),
            )
        };
        let removed: usize = self.files_removed.values().sum();
        for (n, what) in [
            (sent.map_or(0, |sent| sent.files_already_there), "there already"),
            (self.files_verified, "verified"),
            (removed, "removed"),
            (self.still_written, "still being written"),
            (self.left_out, "left out for room"),
            (self.waiting_for_retry, "waiting for another try"),
            (self.failures.len(), "failed"),
        ] {
            if n > 0 {
                let _ = write!(line, "; {n} {what}");
            }
        }
        line
    }
}
