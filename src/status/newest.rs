//! The newest recording in a tree, by file names alone. It reads as few directories as possible and opens no file.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeZone, Weekday};
use serde::Serialize;

use crate::recording_time::{self, is_group};
use crate::zone::Tz;

/// File name extensions of recordings: no sidecars, markers or partials.
const KINDS: [&str; 4] = ["mp4", "mkv", "ts", "jpg"];

/// A recording and how old it is, by the time in its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Newest {
    /// Where it is.
    pub path: PathBuf,
    /// How long ago it began, in seconds; zero for one of the future.
    pub age_seconds: u64,
}

/// Which clock the time in a name is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The camera's, which has no zone: assumed to be local time.
    Camera,
    /// The name has the UTC offset after the time, as `record` writes it.
    Zoned,
}

impl Newest {
    /// The newest recording in a directory, or in its directories of years, months, weeks and days.
    #[must_use]
    pub fn below(dir: &Path, clock: Clock, now: DateTime<Tz>) -> Option<Self> {
        let (mut newest, mut groups) = (None::<(i64, String)>, Vec::new());
        for entry in fs::read_dir(dir).ok()?.flatten() {
            let name = entry.file_name();
            let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
            if kind.is_dir() && is_group(name) {
                groups.push(name.to_owned());
            } else if kind.is_file()
                && let Some(age) = age(name, clock, now)
                && newest.as_ref().is_none_or(|(least, _)| age < *least)
            {
                newest = Some((age, name.to_owned()));
            }
        }
        let newest =
            newest.map(|(age, name)| Self { path: dir.join(name), age_seconds: u64::try_from(age).unwrap_or(0) });
        // Of days, months and years each the newest that is not empty; 2018-10 says nothing about 2018-10-28.
        groups.sort_by(|a, b| (a.len(), b).cmp(&(b.len(), a)));
        let mut found: Vec<Self> = newest.into_iter().collect();
        for of_one_kind in groups.chunk_by(|a, b| a.len() == b.len()) {
            let look = |name: &String| Self::below(&dir.join(name), clock, now);
            let Some((name, newest)) = of_one_kind.iter().find_map(|name| Some((name, look(name)?))) else { continue };
            found.push(newest);
            // A folder of a week has the name of its Monday, and may hold newer recordings than a later day.
            let monday = monday_of(name).filter(|monday| monday != name && of_one_kind.contains(monday));
            found.extend(monday.and_then(|monday| look(&monday)));
        }
        found.into_iter().min_by_key(|newest| newest.age_seconds)
    }

    /// The newer of two.
    #[must_use]
    pub fn or(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        a.into_iter().chain(b).min_by_key(|newest| newest.age_seconds)
    }
}

/// The day on which the week of `2018-10-28` begins.
fn monday_of(day: &str) -> Option<String> {
    let day: NaiveDate = day.parse().ok()?;
    Some(day.week(Weekday::Mon).checked_first_day()?.to_string())
}

/// The age in seconds of the recording of this name; none if it is no recording.
fn age(name: &str, clock: Clock, now: DateTime<Tz>) -> Option<i64> {
    let (stem, ending) = name.rsplit_once('.')?;
    if !KINDS.contains(&ending) {
        return None;
    }
    let (local_time, rest) = recording_time::local_time(stem)?;
    let age = match recording_time::offset(rest) {
        Some((offset, _)) if clock == Clock::Zoned => {
            now.signed_duration_since(offset.from_local_datetime(&local_time).single()?)
        }
        _ => now.naive_local().signed_duration_since(local_time),
    };
    Some(age.num_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Tz> {
        let zone = Tz::named("Europe/Berlin").expect("a zone");
        zone.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).single().expect("a time")
    }

    #[test]
    fn recordings_are_recognized_by_their_names() {
        let age = |name| age(name, Clock::Camera, now());
        assert_eq!(age("20261121_115900_NF.mp4"), Some(60));
        assert_eq!(age("2026-11-21_11-00-00-tuin.mp4"), Some(3600));
        assert_eq!(age("2026-11-21_11-59-50-tuin.jpg"), Some(10));
        assert_eq!(age("2026-11-21_12-00-10.ts"), Some(-10));
        // A camera may have the name of a zone.
        assert_eq!(age("2026-11-21_11-00-00-0500.mp4"), Some(3600));
        for name in [
            "20261121_115900_N.gps",
            "20261121_115900_NF.mp4.failed",
            ".20261121_115900_NF.mp4.part",
            "20261321_115900_NF.mp4",
            "notes.mp4",
            "2026.mp4",
            "ééééé.mkv",
            "",
        ] {
            assert_eq!(age(name), None, "{name}");
        }
    }

    #[test]
    fn the_offset_in_a_recording_name_counts() {
        let at = now().to_utc();
        let name = at.format("%Y-%m-%d_%H-%M-%S+0000.mkv").to_string();
        assert_eq!(age(&name, Clock::Zoned, now()), Some(0));
        let elsewhere = at + chrono::Duration::minutes(330);
        let name = elsewhere.format("%Y-%m-%d_%H-%M-%S+0530.mkv").to_string();
        assert_eq!(age(&name, Clock::Zoned, now()), Some(0));
        assert_eq!(age("2026-11-21_11-00-00.mkv", Clock::Zoned, now()), Some(3600));
    }

    #[test]
    fn the_newest_recording_is_found_in_every_grouping() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let newest = || Newest::below(dir.path(), Clock::Camera, now()).map(|newest| newest.age_seconds);
        assert_eq!(newest(), None);
        // Each is newer than those before, and each folder comes last once.
        for (name, age) in [
            ("2026-11-20/20261120_110000_NF.mp4", 25 * 3600),
            ("20261121_080000_NF.mp4", 4 * 3600),
            ("2026/20261121_090000_NF.mp4", 3 * 3600),
            ("2026-11/20261121_100000_NF.mp4", 2 * 3600),
            ("2026-11-16/20261121_110000_NF.mp4", 3600),
            ("2026-11-21/20261121_113000_NF.mp4", 1800),
            // First in folders of days, then of weeks.
            ("2026-11-16/20261121_114500_NF.mp4", 900),
            ("2026-11-22/notes.txt", 900),
            ("2026-11-22/20261122_000000_NF.mp4", 0),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "").expect("written");
            assert_eq!(newest(), Some(age), "{name}");
        }
    }
}
