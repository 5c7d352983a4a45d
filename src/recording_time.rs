//! When a recording began, from its file's name. Pure.
//!
//! | made by | name |
//! | --- | --- |
//! | `footage dashcam` | `20181029_131513_NF.mp4` |
//! | `footage hikvision` | `2025-09-07_14-30-15-tuin.mp4`, `…-tuin-2.mp4` |
//! | `footage record` | `2025-09-07_14-30-15+0200.mkv`, `…+0200-2.mkv` |

use std::sync::LazyLock;

use chrono::{FixedOffset, NaiveDate, NaiveDateTime};
use regex::{Captures, Regex};

/// The beginning of a recording, from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingTime {
    /// The wall-clock time.
    pub local_time: NaiveDateTime,
    /// How far that clock was from UTC; a camera's own clock has no zone.
    pub offset: Option<FixedOffset>,
    /// Which of the recordings that began in this second: 1 is the first. A camera whose name ends so is taken for it too.
    pub copy: u32,
}

/// `20181029_131513`
const COMPACT: &str = "([0-9]{4})([0-9]{2})([0-9]{2})_([0-9]{2})([0-9]{2})([0-9]{2})";
/// `2025-09-07_14-30-15`
const SPREAD: &str = "([0-9]{4})-([0-9]{2})-([0-9]{2})_([0-9]{2})-([0-9]{2})-([0-9]{2})";

/// A pattern of ours; one that is wrong matches nothing, and fails the tests.
type Pattern = LazyLock<Option<Regex>>;

static DASHCAM: Pattern = LazyLock::new(|| Regex::new(&format!("^{COMPACT}_[A-Z]{{1,3}}\\.[^.]+$")).ok());
static COMPACT_CLOCK: Pattern = LazyLock::new(|| Regex::new(&format!("^{COMPACT}")).ok());
static SPREAD_CLOCK: Pattern = LazyLock::new(|| Regex::new(&format!("^{SPREAD}")).ok());
/// Hours and minutes of an offset.
static OFFSET: Pattern = LazyLock::new(|| Regex::new("^[+-]([0-9]{2})([0-9]{2})").ok());
static RECORDER: Pattern =
    LazyLock::new(|| Regex::new(&format!("^{SPREAD}(?<offset>[+-][0-9]{{4}})(?:-(?<copy>[1-9][0-9]*))?$")).ok());
/// What a camera is called, and a number.
static TAGGED: Pattern = LazyLock::new(|| Regex::new(&format!("^{SPREAD}-(?s:.+?)(?:-(?<copy>[1-9][0-9]*))?$")).ok());
static GROUP: Pattern = LazyLock::new(|| Regex::new("^[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?$").ok());

/// Reads a file's name; none where it is not one of ours.
#[must_use]
pub fn of_name(name: &str) -> Option<RecordingTime> {
    if is_compact(name) {
        let local_time = parse_local_time(&DASHCAM.as_ref()?.captures(name)?)?;
        return Some(RecordingTime { local_time, offset: None, copy: 1 });
    }
    let (stem, extension) = name.rsplit_once('.')?;
    if extension.is_empty() {
        return None;
    }
    if let Some(parts) = RECORDER.as_ref()?.captures(stem)
        && let (Some((offset, "")), Some(copy)) = (offset(parts.name("offset")?.as_str()), copy(&parts))
    {
        return Some(RecordingTime { local_time: parse_local_time(&parts)?, offset: Some(offset), copy });
    }
    let parts = TAGGED.as_ref()?.captures(stem)?;
    Some(RecordingTime { local_time: parse_local_time(&parts)?, offset: None, copy: copy(&parts).unwrap_or(1) })
}

/// The wall-clock time at the beginning of a name in any of our forms, and what follows.
#[must_use]
pub fn local_time(name: &str) -> Option<(NaiveDateTime, &str)> {
    if is_compact(name) { clock(&COMPACT_CLOCK, name) } else { spread(name) }
}

/// Whether a name can only have the clock of a dashcam. Passes read thousands of names: each is matched for what it can be.
fn is_compact(name: &str) -> bool {
    name.as_bytes().get(8) == Some(&b'_')
}

/// `2025-09-07_14-30-15` at the beginning of a text, and what follows.
#[must_use]
pub fn spread(text: &str) -> Option<(NaiveDateTime, &str)> {
    clock(&SPREAD_CLOCK, text)
}

fn clock<'t>(pattern: &Pattern, text: &'t str) -> Option<(NaiveDateTime, &'t str)> {
    let parts = pattern.as_ref()?.captures(text)?;
    Some((parse_local_time(&parts)?, text.get(parts.get(0)?.end()..)?))
}

/// The time in the first six groups.
fn parse_local_time(parts: &Captures<'_>) -> Option<NaiveDateTime> {
    let field = |n| parts.get(n)?.as_str().parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(i32::try_from(field(1)?).ok()?, field(2)?, field(3)?)?;
    date.and_hms_opt(field(4)?, field(5)?, field(6)?)
}

/// The number of a copy: 1 without one. None is called 1.
fn copy(parts: &Captures<'_>) -> Option<u32> {
    let Some(number) = parts.name("copy") else { return Some(1) };
    number.as_str().parse().ok().filter(|copy| *copy > 1)
}

/// `+0530` at the beginning of a text, and what follows.
#[must_use]
pub fn offset(text: &str) -> Option<(FixedOffset, &str)> {
    let parts = OFFSET.as_ref()?.captures(text)?;
    let field = |n| parts.get(n)?.as_str().parse::<i32>().ok();
    let (hours, minutes) = (field(1)?, field(2)?);
    let seconds = hours * 3600 + minutes * 60;
    let offset = match text.starts_with('-') {
        _ if hours > 14 || minutes > 59 => None,
        false => FixedOffset::east_opt(seconds),
        // The clocks of all zones differ by quarters of an hour; other digits are part of a camera's name.
        true if minutes % 15 == 0 => FixedOffset::west_opt(seconds),
        true => None,
    };
    Some((offset?, text.get(5..)?))
}

/// Whether a folder is one of a year, a month, or a week or day: `2018`, `2018-10`, `2018-10-28`.
#[must_use]
pub fn is_group(name: &str) -> bool {
    GROUP.as_ref().is_some_and(|group| group.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<String> {
        of_name(name).map(|time| {
            let offset = time.offset.map(|offset| offset.to_string()).unwrap_or_default();
            format!("{}{offset} {}", time.local_time.format("%Y-%m-%dT%H:%M:%S"), time.copy)
        })
    }

    #[test]
    fn recording_time_is_read_from_footage_names() {
        for (name, expected) in [
            ("20181029_131513_NF.mp4", "2018-10-29T13:15:13 1"),
            ("20181029_131513_NFS.mp4", "2018-10-29T13:15:13 1"),
            ("20181029_131513_N.gps", "2018-10-29T13:15:13 1"),
            ("2025-09-07_14-30-15-tuin.mp4", "2025-09-07T14:30:15 1"),
            ("2025-09-07_14-30-15-tuin-2.jpg", "2025-09-07T14:30:15 2"),
            ("2025-09-07_14-30-15-a.b.mp4", "2025-09-07T14:30:15 1"),
            ("2025-09-07_14-30-15+0530.mkv", "2025-09-07T14:30:15+05:30 1"),
            ("2025-09-07_14-30-15-0430-3.ts", "2025-09-07T14:30:15-04:30 3"),
            ("2025-09-07_14-30-15+1245.ts", "2025-09-07T14:30:15+12:45 1"),
            ("2025-09-07_14-30-15-2024.ts", "2025-09-07T14:30:15 1"),
            ("2025-09-07_14-30-15-1001.mp4", "2025-09-07T14:30:15 1"),
            ("2025-09-07_14-30-15-1001-2.mp4", "2025-09-07T14:30:15 2"),
        ] {
            assert_eq!(read(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn recording_time_of_other_names_is_unknown() {
        for name in [
            "",
            ".",
            "cam_1_2025_09_07_14_30_15.ts",
            "20181029_131513_NF",
            "20181029_131513_.mp4",
            "20181029_131513_nf.mp4",
            "20181329_131513_NF.mp4",
            "20181029_251513_NF.mp4",
            "2025-09-07_14-30-15.mp4",
            "2025-09-07_14-30-15-.mp4",
            "2025-09-31_14-30-15-tuin.mp4",
            "2025-09-07_14-30-15+1500.mkv",
            "2025-09-07_14-30-15+0060.mkv",
            "2025-09-07 14-30-15-tuin.mp4",
            "20é81029_13151_NF.mp4",
            "+025-09-07_14-30-15-tuin.mp4",
            // As users write ranges by hand.
            "2025-09-07_14-30-15–31.mp4",
            "2025-09-07_14-30-15é530.mp4",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
