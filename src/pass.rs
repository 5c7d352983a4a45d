//! What all passes share: what a pass is, what it is given, and what it reports.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::error::{EndReason, Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::memory::Memory;
use crate::notices::Notices;
use crate::pass_name::{self, PassName};
use crate::progress::Progress;
use crate::removals::Removals;
use crate::retention::Reason;
use crate::stop::Stop;
use crate::store::Store;
use crate::text_enum::text_enum;
use crate::units::{ByteSize, count, human_duration, timestamp_seconds};
use crate::zone::Tz;

/// One pass, with its settings. [`read`](Self::read) runs before anything is created, [`run`](Self::run) under the lock.
pub trait Pass {
    /// What [`read`](Self::read) finds and [`run`](Self::run) works on.
    type Input;

    /// Its name.
    const NAME: PassName;

    /// The lock file of a peer tool in the first of [`dirs`](Self::dirs): respected, never created.
    const PEER_LOCK: Option<&'static str> = None;

    /// The source as the user named it, without secrets.
    fn source(&self) -> String;

    /// The hosts, servers or folders that the pass asks for footage or sends footage to, without secrets.
    fn peers(&self) -> Vec<String> {
        Vec::new()
    }

    /// The directories that the pass works in. Each is locked and gets the report; none if the pass does both itself.
    fn dirs(&self) -> Vec<PathBuf>;

    /// The directories in which the pass itself leaves its report. If it ends before that, it leaves a trace.
    fn own_dirs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether the pass only reads, also without `--dry-run`: no state is kept and no metrics are delivered.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Whether the pass only prints a listing.
    fn is_listing(&self) -> bool {
        false
    }

    /// How long a push of metrics may take.
    fn push_timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Reads what must be known before anything is created in [`dirs`](Self::dirs), which may be on a share that is not
    /// mounted. Runs once a pass, before the lock.
    ///
    /// # Errors
    /// [`Error::Usage`] ends the pass before anything is created. So does every other error until an earlier pass has left
    /// its state; from then on it is reported like one of [`run`](Self::run).
    fn read(&self) -> Result<Self::Input>;

    /// One pass over `stores`, one for each of [`dirs`](Self::dirs), locked unless it changes nothing.
    ///
    /// # Errors
    /// What ended the pass early; `report` has counted what was done before.
    fn run(&self, input: Self::Input, stores: &[Store], context: &Context, report: &mut Report) -> Result<()>;
}

/// What a pass is given beside its settings. The clock was read once, by `runner` in the binary.
#[derive(Debug)]
pub struct Context {
    /// When this pass began, in the zone of this machine.
    pub now: DateTime<Tz>,
    /// A dry run, a listing or a comparison: the pass only prints.
    pub changes_nothing: bool,
    /// Whether results go to stdout as JSON.
    pub json: bool,
    /// Whether to stop.
    pub stop: Stop,
    /// The bar on a terminal; nothing elsewhere.
    pub progress: Progress,
    /// What was logged already.
    pub notices: Notices,
}

impl Context {
    /// The wall-clock time of this machine, to compare with a camera's.
    #[must_use]
    pub fn local_now(&self) -> NaiveDateTime {
        self.now.naive_local()
    }
}

/// Something that failed for one item; the pass went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The item.
    pub name: String,
    /// The kind of failure: a metric's label.
    pub reason: FailureReason,
    /// What happened, for people.
    pub message: String,
}

/// The condition that one item has failed, for [`Notices`].
#[must_use]
pub fn failure_key(name: &impl std::fmt::Display) -> String {
    format!("failed:{name}")
}

/// Why a pass ended early.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// The kind of the end: a metric's label.
    pub reason: EndReason,
    /// What happened, for people.
    pub message: String,
}

impl Ended {
    /// Ended by this error.
    #[must_use]
    pub fn by(error: &Error) -> Self {
        Self { reason: error.reason(), message: error.with_causes() }
    }

    /// Ended as it was meant to.
    #[must_use]
    pub fn done(message: &str) -> Self {
        Self { reason: EndReason::Done, message: message.to_owned() }
    }
}

/// What a pass did. Written to `.footage/<pass>.json`, printed with `--json`, turned into metrics of the same names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The subcommand; none before the first report, and where a newer version wrote the name of a pass unknown here.
    #[serde(serialize_with = "pass_name::write", deserialize_with = "pass_name::read")]
    pub pass: Option<PassName>,
    /// The source as the user named it, without secrets.
    pub source: String,
    /// When the pass began, seconds since 1970.
    pub start_timestamp_seconds: f64,
    /// How long it took.
    pub duration_seconds: f64,
    /// What the shell saw.
    pub exit_code: u8,
    /// Why it ended early, if it did.
    pub ended: Option<Ended>,
    /// Cameras that the source has, of a pass that works for several.
    pub seen_cameras: usize,
    /// Recordings that the source has.
    pub seen_recordings: usize,
    /// Of those, the ones that the options ask for.
    pub selected_recordings: usize,
    /// Recordings that arrived; of a dashcam those whose video did.
    pub arrived_recordings: usize,
    /// Files that arrived, sidecars included.
    pub arrived_files: usize,
    /// Bytes that came, or of `upload` went out, in this pass, those of failed tries too.
    pub transferred_bytes: u64,
    /// Files that were verified to have arrived before.
    pub already_there_files: usize,
    /// Recordings or files that are still being written.
    pub open_files: usize,
    /// Files that failed before and are not due for another try.
    pub waiting_files: usize,
    /// Closed files that have not arrived yet, those that wait for another try among them.
    pub pending_files: usize,
    /// How long the oldest of them has been waiting: since it was last modified.
    pub oldest_pending_seconds: Option<f64>,
    /// Recordings left on the camera because they are older than what the limits of room allow.
    pub left_out_recordings: usize,
    /// Files compared by `--verify` or `--reconcile`, whatever came of it.
    pub verified_files: usize,
    /// Of those, the ones that were found as they should be, by what was compared: the words of [`Compared`].
    pub verified_by: BTreeMap<String, usize>,
    /// Files removed, by reason.
    pub removed_files: BTreeMap<String, usize>,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Those that are not logged yet.
    #[serde(skip)]
    pub removals: Removals,
    /// What failed.
    pub failures: Vec<Failure>,
    /// `*.failed` markers in the destination.
    pub failed_marker_files: usize,
    /// The used part of the destination's disk, 0 to 1.
    pub disk_used_ratio: Option<f64>,
    /// When footage last arrived, in this pass or an earlier one; seconds since 1970.
    pub last_arrival_timestamp_seconds: Option<f64>,
    /// What this pass leaves for the next, in the same file.
    #[serde(flatten)]
    pub memory: Memory,
    /// How many items failed for one cause, by its message, without those that an earlier pass logged.
    #[serde(skip)]
    pub alike: BTreeMap<String, usize>,
    /// Why there is nothing to do although the source has something, for the summary.
    #[serde(skip)]
    pub nothing_because: Option<String>,
}

/// So many items that failed for one cause have a line of their own; `-v` shows all.
const SHOWN_ALIKE: usize = 5;

/// Why there is nothing to do although the source has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nothing {
    /// The condition, for [`Notices`]: without numbers and times that change from pass to pass.
    pub key: String,
    /// What all of it has in common: `all 6 recordings are older than --keep 2w`.
    pub because: String,
    /// It is probably a mistake. Else a filter did its work.
    pub is_wrong: bool,
}

impl Report {
    /// Begins the report of a pass with these `peers`: what it asks for footage, or sends footage to. What lasts is taken
    /// from the last one.
    #[must_use]
    pub fn begin(pass: PassName, source: String, peers: &[String], now: DateTime<Tz>, last: &Self) -> Self {
        let since_last = timestamp_seconds(&now) - last.start_timestamp_seconds;
        Self {
            pass: Some(pass),
            source,
            start_timestamp_seconds: timestamp_seconds(&now),
            last_arrival_timestamp_seconds: last.last_arrival_timestamp_seconds,
            // Until the pass has counted: it may exit before, for another pass or a missing disk.
            pending_files: last.pending_files,
            oldest_pending_seconds: last.oldest_pending_seconds.map(|oldest| oldest + since_last.max(0.0)),
            memory: last.memory.carried_over(peers, last.last_arrival_timestamp_seconds.or(last.well())),
            ..Self::default()
        }
    }

    /// When the pass began, if it came to its end.
    fn well(&self) -> Option<f64> {
        (self.pass.is_some() && self.ended.is_none()).then_some(self.start_timestamp_seconds)
    }

    /// Counts whether the camera, its storage or the server answered.
    pub fn count_contact(&mut self, outcome: &Result<()>) {
        match outcome {
            Err(Error::Away(_)) => self.memory.contact.missed(self.start_timestamp_seconds),
            Ok(()) | Err(Error::Source(_)) => self.memory.contact.not_missed(),
            // The pass ended before it asked.
            Err(_) => {}
        }
    }

    /// Counts and logs the failure of one item.
    pub fn fail(&mut self, notices: &Notices, name: impl std::fmt::Display, failure: ItemFailure) {
        let ItemFailure { reason, message, .. } = failure;
        let failure = Failure { name: name.to_string(), reason, message };
        if let Some(is_new) = notices.note(&failure_key(&name)) {
            let alike = self.alike.entry(failure.message.clone()).or_default();
            *alike += usize::from(is_new);
            let is_shown = is_new && *alike <= SHOWN_ALIKE;
            log::log!(if is_shown { log::Level::Warn } else { log::Level::Info }, "{name}: {}", failure.message);
        }
        self.failures.push(failure);
    }

    /// A line for each cause that more items failed for than have a line of their own.
    #[must_use]
    pub fn more_alike(&self) -> Vec<String> {
        let more = self.alike.iter().filter_map(|(message, count)| Some((message, count.checked_sub(SHOWN_ALIKE)?)));
        more.filter(|(_, more)| *more > 0).map(|(message, more)| format!("and {more} more: {message}")).collect()
    }

    /// Logs why there is nothing to do: a probable mistake as a warning, the rest as a hint.
    pub fn nothing(&mut self, notices: &Notices, nothing: Option<Nothing>) {
        let Some(Nothing { key, because, is_wrong }) = nothing else { return };
        let (key, text) = (format!("nothing:{key}"), format!("nothing to {}: {because}", self.verb()));
        if is_wrong {
            notices.warn(&key, text);
        } else if !notices.hint(&key, text) {
            self.nothing_because = Some(because);
        }
    }

    /// Counts and logs a removed file; `camera` is empty where a pass has but one, or does not know.
    pub fn removed(&mut self, camera: &str, file: &Path, reason: Reason, bytes: u64) {
        self.removals.add(camera, file, reason, bytes);
        *self.removed_files.entry(reason.to_string()).or_default() += 1;
        self.removed_bytes += bytes;
    }

    /// Counts a file that was found as it should be.
    pub fn verified(&mut self, compared: Compared) {
        *self.verified_by.entry(compared.as_str().to_owned()).or_default() += 1;
    }

    /// What `--verify` has found as it should be, and what it compared: never more than that.
    fn verified_summary(&self) -> String {
        let mut text = String::new();
        let mut without_content = 0;
        for &compared in Compared::ALL {
            let n = self.verified_by.get(compared.as_str()).copied().unwrap_or(0);
            if n > 0 {
                let _ = write!(text, "; {n} {}", compared.phrase());
            }
            without_content += if compared.is_of_content() { 0 } else { n };
        }
        match (without_content, self.verified_by.values().sum::<usize>()) {
            (0, _) => {}
            (n, all) if n == all => text += "; content not compared",
            (n, _) => drop(write!(text, "; content of {} not compared", count(n, "file"))),
        }
        text
    }

    /// The pass that it is of.
    fn name(&self) -> PassName {
        self.pass.unwrap_or(PassName::Dashcam)
    }

    /// What the pass does with footage: `fetch`, `extract`, `record`, `upload`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.name().verb()
    }

    /// Whether footage has arrived.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.arrived_files + self.already_there_files > 0
    }

    /// One line for people: `3 recordings (12 files, 252.6 MB) fetched from … in 31s; 1 failed`.
    #[must_use]
    pub fn summary(&self) -> String {
        let name = self.name();
        let nothing_new = self.ended.is_none() && self.failures.is_empty() && !self.has_news();
        let mut line = if nothing_new && name != PassName::Record {
            let because = self.nothing_because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
            format!("nothing to {} from {}{because}", name.verb(), self.source)
        } else {
            let (files, bytes) = (count(self.arrived_files, "file"), ByteSize(self.transferred_bytes));
            let (what, from) = match name {
                PassName::Upload => (format!("{files} ({bytes})"), self.source.clone()),
                PassName::Record => {
                    let segments = count(self.arrived_recordings, "segment");
                    (format!("{segments} ({bytes})"), count(self.seen_cameras, "camera"))
                }
                PassName::Dashcam | PassName::Hikvision => {
                    let recordings = count(self.arrived_recordings, "recording");
                    // A dashcam's have sidecars.
                    let files = if name == PassName::Dashcam { format!("{files}, ") } else { String::new() };
                    (format!("{recordings} ({files}{bytes})"), self.source.clone())
                }
            };
            let time = Duration::try_from_secs_f64(self.duration_seconds).unwrap_or_default();
            format!("{what} {} from {from} in {}", name.past(), human_duration(time))
        };
        line += &self.verified_summary();
        let removed: usize = self.removed_files.values().sum();
        for (n, what) in [
            (self.already_there_files, "there already"),
            (removed, "removed"),
            (self.open_files, "still being written"),
            (self.left_out_recordings, "left out for room"),
            (self.waiting_files, "waiting for another try"),
            (self.failures.len(), "failed"),
        ] {
            if n > 0 {
                let _ = write!(line, "; {n} {what}");
            }
        }
        line
    }
}

text_enum! {
    /// What of a file `--verify` and `--reconcile` have compared; reports have the word.
    pub enum Compared {
        /// Every byte with the other copy's.
        Content = "content",
        /// Its hash and size with those of the object in the bucket.
        Hash = "hash",
        /// The object's ETag and size with those that the journal has from the upload; the file's size and time with those of then.
        Etag = "etag",
        /// Its length with the camera's, and its MP4 structure.
        LengthAndStructure = "length-and-structure",
        /// Its length with the camera's.
        Length = "length",
        /// Its MP4 structure: the camera no longer has it, or does not report its length.
        Structure = "structure",
        /// Its size with the object's, whose ETag is no hash.
        Size = "size",
        /// Nothing: a sidecar that the camera no longer has.
        Nothing = "nothing",
    }
}

impl Compared {
    /// For people.
    fn phrase(self) -> &'static str {
        match self {
            Self::Content => "identical by content",
            Self::Hash => "identical by hash and size",
            Self::Etag => "unchanged by ETag and size",
            Self::LengthAndStructure => "complete by length and structure",
            Self::Length => "complete by length",
            Self::Structure => "complete by structure",
            Self::Size => "equal by size",
            Self::Nothing => "not compared",
        }
    }

    fn is_of_content(self) -> bool {
        matches!(self, Self::Content | Self::Hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_flat_in_the_json_of_a_report() {
        let text = r#"{"pass": "dashcam", "start_timestamp_seconds": 1700000000, "given_up": ["20250907_1400"],
            "given_up_for": "keep-bytes 1", "removal_frees_nothing": true, "broke_off": ["20250907_140000_NF.mp4"],
            "keyed": {"s3": {"by": "k", "other_files": 2}}, "told": ["zone"], "contact": {"peers": ["a"], "missed_passes": 3}}"#;
        let report: Report = serde_json::from_str(text).expect("a report");
        let memory = &report.memory;
        assert_eq!((memory.given_up.len(), memory.broke_off.len(), memory.logged.len()), (1, 1, 1));
        assert_eq!((memory.given_up_for.as_str(), memory.removal_frees_nothing), ("keep-bytes 1", true));
        assert_eq!((memory.keyed["s3"].other_files, memory.contact.missed_passes), (2, 3));
        let written = serde_json::to_value(&report).expect("JSON");
        let read: serde_json::Value = serde_json::from_str(text).expect("JSON");
        for key in ["given_up", "given_up_for", "removal_frees_nothing", "broke_off", "keyed", "told"] {
            assert_eq!(written[key], read[key], "{key}");
        }
        assert_eq!(written["contact"]["missed_passes"], 3);
        assert_eq!((&written["pass"], report.pass), (&"dashcam".into(), Some(PassName::Dashcam)));
        assert!(written.get("memory").is_none());
        assert_eq!(serde_json::from_str::<Report>("{}").expect("a report"), Report::default());
        assert_eq!(serde_json::to_value(Report::default()).expect("JSON")["pass"], "");
    }
}
