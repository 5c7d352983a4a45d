//! When a recording began, as its file's name says. Pure.
//!
//! | made by | name |
//! | --- | --- |
//! | `footage dashcam` | `20181029_131513_NF.mp4` |
//! | `footage hikvision` | `2025-09-07_14-30-15-tuin.mp4`, `…-tuin-2.mp4` |
//! | `footage record` | `2025-09-07_14-30-15+0200.mkv`, `…+0200-2.mkv` |

use chrono::{FixedOffset, NaiveDate, NaiveDateTime};

/// What a name says of its recording's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingTime {
    /// The digits of the clock.
    pub digits: NaiveDateTime,
    /// How far that clock was from UTC; a camera's own clock has no zone.
    pub offset: Option<FixedOffset>,
    /// Which of the recordings that began in this second: 1 is the first. A camera whose name ends so is taken for it too.
    pub copy: u32,
}

/// Reads a file's name; none where it is not one of ours.
#[must_use]
pub fn of_name(name: &str) -> Option<RecordingTime> {
    let (stem, extension) = name.rsplit_once('.')?;
    if extension.is_empty() {
        return None;
    }
    dashcam(stem).or_else(|| dashed(stem))
}

fn dashcam(stem: &str) -> Option<RecordingTime> {
    let (digits, rest) = compact(stem)?;
    let letters = rest.strip_prefix('_')?;
    let is_ours = (1..=3).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_uppercase());
    is_ours.then_some(RecordingTime { digits, offset: None, copy: 1 })
}

fn dashed(stem: &str) -> Option<RecordingTime> {
    let (digits, rest) = spread(stem)?;
    if let Some((offset, rest)) = offset(rest) {
        let copy = if rest.is_empty() { Some(1) } else { rest.strip_prefix('-').and_then(number) };
        if let Some(copy) = copy {
            return Some(RecordingTime { digits, offset: Some(offset), copy });
        }
    }
    let tag = rest.strip_prefix('-').filter(|tag| !tag.is_empty())?;
    let copy = tag.rsplit_once('-').filter(|(tag, _)| !tag.is_empty()).and_then(|(_, copy)| number(copy)).unwrap_or(1);
    Some(RecordingTime { digits, offset: None, copy })
}

/// The digits of a clock at the beginning of a name in any of our forms, and what follows.
#[must_use]
pub fn digits(name: &str) -> Option<(NaiveDateTime, &str)> {
    compact(name).or_else(|| spread(name))
}

/// `20181029_131513`
fn compact(text: &str) -> Option<(NaiveDateTime, &str)> {
    let (digits, rest) = text.split_at_checked(15)?;
    let fields = [(0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15)];
    let moment = (digits.as_bytes()[8] == b'_').then(|| moment(digits, fields)).flatten()?;
    Some((moment, rest))
}

/// `2025-09-07_14-30-15`
fn spread(text: &str) -> Option<(NaiveDateTime, &str)> {
    let (digits, rest) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'_'), (13, b'-'), (16, b'-')];
    if marks.iter().any(|(at, mark)| digits.as_bytes()[*at] != *mark) {
        return None;
    }
    Some((moment(digits, [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)])?, rest))
}

fn moment(text: &str, fields: [(usize, usize); 6]) -> Option<NaiveDateTime> {
    let field = |n: usize| {
        let digits = text.get(fields[n].0..fields[n].1)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
    };
    NaiveDate::from_ymd_opt(i32::try_from(field(0)?).ok()?, field(1)?, field(2)?)?.and_hms_opt(
        field(3)?,
        field(4)?,
        field(5)?,
    )
}

/// `+0530` at the beginning of a text, and what follows.
#[must_use]
pub fn offset(text: &str) -> Option<(FixedOffset, &str)> {
    let (head, rest) = text.split_at_checked(5)?;
    // What comes first may be a dash of several bytes.
    let digits = head.get(1..).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let digits: i32 = digits.parse().ok()?;
    let (hours, minutes) = (digits / 100, digits % 100);
    let seconds = hours * 3600 + minutes * 60;
    let offset = match head.as_bytes()[0] {
        _ if hours > 14 || minutes > 59 => None,
        b'+' => FixedOffset::east_opt(seconds),
        // The clocks of all zones differ by quarters of an hour; other digits are what somebody calls a camera.
        b'-' if minutes % 15 == 0 => FixedOffset::west_opt(seconds),
        _ => None,
    };
    Some((offset?, rest))
}

/// Whether a folder is one of a year, a month, or a week or day: `2018`, `2018-10`, `2018-10-28`.
#[must_use]
pub fn is_group(name: &str) -> bool {
    let digits = |from, to| name.get(from..to).is_some_and(|part: &str| part.bytes().all(|byte| byte.is_ascii_digit()));
    let dash = |at| name.as_bytes().get(at) == Some(&b'-');
    match name.len() {
        4 => digits(0, 4),
        7 => digits(0, 4) && dash(4) && digits(5, 7),
        10 => digits(0, 4) && dash(4) && digits(5, 7) && dash(7) && digits(8, 10),
        _ => false,
    }
}

/// The number of a second or later copy.
fn number(text: &str) -> Option<u32> {
    let is_ours = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|copy| is_ours && *copy > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<String> {
        of_name(name).map(|time| {
            let offset = time.offset.map(|offset| offset.to_string()).unwrap_or_default();
            format!("{}{offset} {}", time.digits.format("%Y-%m-%dT%H:%M:%S"), time.copy)
        })
    }

    #[test]
    fn names_of_ours_tell_the_time() {
        for (name, told) in [
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
            assert_eq!(read(name).as_deref(), Some(told), "{name}");
        }
    }

    #[test]
    fn other_names_tell_nothing() {
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
            // As somebody writes ranges, by hand.
            "2025-09-07_14-30-15–31.mp4",
            "2025-09-07_14-30-15é530.mp4",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
