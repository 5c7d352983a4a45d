//! The names of cameras and segments.
//!
//! | file | name |
//! | --- | --- |
//! | a closed segment | `CAMERA/2026-11-21/2026-11-21_10-00-00+0530.mkv`, `…+0530-2.mkv` for a second one in that second |
//! | an open one | `CAMERA/.1795235400-0f3a9c12.mkv`: seconds since 1970, and its run id |
//! | one that cannot be played | `CAMERA/.1795235400-0f3a9c12.mkv.damaged` |
//!
//! The name of a closed segment has its camera's local time and the UTC offset at that time, so it means one instant: in the
//! night when clocks go back, the second `02-30-00` differs from the first by its offset. Segments sort by that instant;
//! sorted as text, those of the repeated hour mix.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone, Timelike, Utc};
use clap::ValueEnum;

use crate::recording_time::{self, RecordingTime};
use crate::text::natural_order;

/// A camera's name: a folder of a destination, a label in metrics, a word in the log.
/// In natural order: `cam2` before `cam10`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CameraName(String);

impl Ord for CameraName {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_order(&self.0, &other.0)
    }
}

impl PartialOrd for CameraName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl CameraName {
    /// The longest name, in bytes: leaves room for the rest of a path on any file system.
    const MAX_BYTES: usize = 100;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CameraName {
    /// The default name of the one camera of `--url`.
    fn default() -> Self {
        Self("camera".to_owned())
    }
}

impl FromStr for CameraName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.starts_with(['.', '-']) || !text.chars().all(is_fine)
        {
            return Err(format!(
                "{text:?} cannot be a camera's name: it is a folder, made of letters, digits, '-', '_' and '.', and begins \
                 with a letter, a digit or '_'"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for CameraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The container format of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Container {
    /// Matroska: holds every codec that cameras use.
    #[default]
    Mkv,
    /// MPEG transport stream: loses the least in a power failure.
    Ts,
    /// Fragmented MP4: for players that support nothing else.
    Mp4,
}

impl Container {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mkv, Self::Ts, Self::Mp4];

    /// The extension of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mkv => "mkv",
            Self::Ts => "ts",
            Self::Mp4 => "mp4",
        }
    }

    fn of_extension(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|container| container.extension() == text)
    }
}

/// The name of a closed segment. Ordered by the instant of its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// Its start, to the second, in the camera's zone.
    pub start: DateTime<FixedOffset>,
    /// 1, or more where several begin in one second.
    pub copy: u32,
    /// Its container.
    pub container: Container,
}

const DAY: &str = "%Y-%m-%d";
const SECOND: &str = "%Y-%m-%d_%H-%M-%S";

impl SegmentName {
    /// The first segment that begins at `epoch` seconds since 1970, in a zone.
    #[must_use]
    pub fn new<Z: TimeZone>(epoch: i64, zone: &Z, container: Container) -> Option<Self> {
        let start = DateTime::from_timestamp(epoch, 0)?.with_timezone(zone).fixed_offset();
        Some(Self { start, copy: 1, container })
    }

    /// The folder of its day.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.start.date_naive()
    }

    /// The name of the folder of a day.
    #[must_use]
    pub fn folder(day: NaiveDate) -> String {
        day.format(DAY).to_string()
    }

    /// The day of a folder of this name.
    #[must_use]
    pub fn day_of_folder(name: &str) -> Option<NaiveDate> {
        let day = NaiveDate::parse_from_str(name, DAY).ok()?;
        (Self::folder(day) == name).then_some(day)
    }

    /// The name of its file, without its folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        let copy = if self.copy > 1 { format!("-{}", self.copy) } else { String::new() };
        format!("{}{}{copy}.{}", self.start.format(SECOND), self.start.format("%z"), self.container.extension())
    }

    /// Reads the name of a file; only what [`file_name`](Self::file_name) writes is one.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        let container = Container::of_extension(name.rsplit_once('.')?.1)?;
        let RecordingTime { local_time: digits, offset, copy } = recording_time::of_name(name)?;
        let start = offset?.from_local_datetime(&digits).single()?;
        let parsed = Self { start, copy, container };
        // "-02", "-1", "+-530": one segment has one name.
        (parsed.file_name() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Self::folder(self.day()), self.file_name())
    }
}

impl FromStr for SegmentName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (folder, file) = text.split_once('/').ok_or(())?;
        Self::of_file(file).filter(|name| Self::folder(name.day()) == folder).ok_or(())
    }
}

/// Distinguishes open segments that begin in the same second. The first of a source is random, since a counter would restart
/// with footage; the others count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u32);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The hidden name of a segment that is being written, or that a crash has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenName {
    /// When its first frame was taken, seconds since 1970.
    pub epoch: i64,
    /// Distinguishes it from others of that second.
    pub run_id: RunId,
    /// Its container.
    pub container: Container,
    /// Whether it cannot be played.
    pub is_damaged: bool,
}

/// The suffix of a damaged segment.
const DAMAGED: &str = ".damaged";

impl OpenName {
    /// The time in its name.
    #[must_use]
    pub fn start(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.epoch, 0)
    }

    /// Its name once it is known to be unplayable.
    #[must_use]
    pub fn damaged(self) -> Self {
        Self { is_damaged: true, ..self }
    }
}

impl fmt::Display for OpenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let damaged = if self.is_damaged { DAMAGED } else { "" };
        write!(f, ".{}-{}.{}{damaged}", self.epoch, self.run_id, self.container.extension())
    }
}

impl FromStr for OpenName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parse = || {
            let (rest, is_damaged) = match text.strip_suffix(DAMAGED) {
                Some(rest) => (rest, true),
                None => (text, false),
            };
            let (stem, extension) = rest.strip_prefix('.')?.split_once('.')?;
            let (epoch, run_id) = stem.split_once('-')?;
            let epoch = epoch.parse().ok()?;
            let run_id = RunId(u32::from_str_radix(run_id, 16).ok()?);
            Some(Self { epoch, run_id, container: Container::of_extension(extension)?, is_damaged })
        };
        parse().filter(|parsed: &Self| parsed.to_string() == text).ok_or(())
    }
}

/// The start in a hook's environment: RFC 3339.
#[must_use]
pub fn rfc3339(start: DateTime<FixedOffset>) -> String {
    let start = start.with_nanosecond(0).unwrap_or(start);
    start.to_rfc3339_opts(chrono::SecondsFormat::Secs, false)
}

#[cfg(test)]
mod tests;
