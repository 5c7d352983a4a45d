//! The key of an object: a template, filled in for each file. Pure.
//!
//! `cam1/%Y/%m/%d/%H/cam_1_%Y_%m_%d_%H_%M_%S.{ext}`: the fields of strftime are the recording time in the file's name, else
//! the modification time; both in `--timezone`. A camera's clock has no zone: its wall-clock time is used unchanged.
//!
//! Without `{name}` or `{path}` in the template, two recordings can get one key. A suffix before the extension then tells
//! them apart: the number of a second recording in the same second (`-2`), and in the hour that the end of summer time
//! repeats, for its second run, the zone's offset (`+0100`).

use std::fmt::Write;

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, Utc};

use crate::recording_time::{RecordingTime, is_group, of_name};
use crate::zone::Tz;

/// The longest key of S3, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// The name of an object in a bucket: 1 to 1024 bytes, without parts that some server or file system interprets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks a key.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub fn new(text: String) -> Result<Self, KeyError> {
        let why = if text.is_empty() || text.ends_with('/') {
            "its last part is empty"
        } else if text.len() > MAX_KEY_BYTES {
            "it is longer than 1024 bytes"
        } else if text.starts_with('/') || text.contains("//") {
            "one of its folders has no name"
        } else if text.split('/').any(|part| matches!(part, "." | "..")) {
            "it has a part \".\" or \"..\""
        } else {
            return Ok(Self(text));
        };
        Err(KeyError { text, why })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be a key: {why}")]
pub struct KeyError {
    text: String,
    why: &'static str,
}

/// The start of a recording, as a key has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAt {
    /// The wall-clock time.
    pub local_time: NaiveDateTime,
    offset: FixedOffset,
    /// The second run of an hour: summer time has ended in between.
    is_repeated: bool,
    copy: u32,
}

impl RecordedAt {
    /// Of a file by its name, else by its modification time.
    #[must_use]
    pub fn of(name: &str, modified: DateTime<Utc>, zone: Tz) -> Self {
        match of_name(name) {
            Some(RecordingTime { local_time, offset: None, copy }) => {
                let offset =
                    zone.offsets_at_local_time(local_time).earliest().unwrap_or_else(|| zone.ahead(local_time));
                Self { local_time, offset, is_repeated: false, copy }
            }
            Some(RecordingTime { local_time, offset: Some(offset), copy }) => {
                Self::of_instant(local_time - offset, zone, copy)
            }
            None => Self::of_instant(modified.naive_utc(), zone, 1),
        }
    }

    /// A time to try a template with.
    fn at_the_epoch() -> Self {
        Self { local_time: DateTime::UNIX_EPOCH.naive_utc(), offset: Utc.fix(), is_repeated: false, copy: 1 }
    }

    fn of_instant(instant: NaiveDateTime, zone: Tz, copy: u32) -> Self {
        let offset = zone.ahead(instant);
        let local_time = instant + offset;
        let is_repeated = match zone.offsets_at_local_time(local_time) {
            MappedLocalTime::Ambiguous(first, second) => offset == second && first != second,
            _ => false,
        };
        Self { local_time, offset, is_repeated, copy }
    }
}

/// The properties of a file that a key can contain.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The path in its directory: `cam1/x.ts`.
    pub path: &'a str,
    /// The directory's own name: the camera of a file that is in no camera's folder.
    pub dir: &'a str,
    /// When it began.
    pub recorded_at: &'a RecordedAt,
}

impl<'a> Named<'a> {
    /// The first folder, unless it is one of a day, a month or a year: then the directory is the camera's own, as `record` and
    /// `dashcam` make it. A folder named `1001` that has folders in it is a camera.
    fn camera(&self) -> &'a str {
        let Some((folder, rest)) = self.path.split_once('/') else { return self.dir };
        let is_day = folder.len() == "2018-10-28".len();
        if is_group(folder) && (is_day || !rest.contains('/')) { self.dir } else { folder }
    }
}

/// `--key`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The option's value.
    text: String,
    pieces: Vec<Piece>,
    /// Whether it gives any two files of a directory different keys.
    has_name: bool,
    /// Whether it gives the two runs of a repeated hour different keys.
    has_offset: bool,
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Camera,
    Name,
    Path,
    Extension,
    Time(Vec<Item<'static>>),
}

impl std::str::FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        refuse_slips(text)?;
        let a_time = DateTime::UNIX_EPOCH.fixed_offset();
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(field) = rest.strip_prefix('{') {
                let (field, after) =
                    field.split_once('}').ok_or_else(|| format!("{text:?} opens a {{ and does not close it"))?;
                pieces.push(match field {
                    "camera" => Piece::Camera,
                    "name" => Piece::Name,
                    "path" => Piece::Path,
                    "ext" => Piece::Extension,
                    _ => {
                        return Err(format!(
                            "unknown field {{{field}}}: {{camera}}, {{name}}, {{path}} and {{ext}} exist"
                        ));
                    }
                });
                rest = after;
                continue;
            }
            let (literal, after) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            let items: Option<Vec<Item<'static>>> =
                StrftimeItems::new(literal).map(|item| (item != Item::Error).then(|| item.to_owned())).collect();
            pieces.push(Piece::Time(
                items.ok_or_else(|| format!("{literal:?} has a % field that strftime does not know"))?,
            ));
            rest = after;
        }
        let times =
            || pieces.iter().filter_map(|piece| if let Piece::Time(items) = piece { Some(items) } else { None });
        if times().any(|items| write!(String::new(), "{}", a_time.format_with_items(items.iter())).is_err()) {
            return Err(format!("{text:?} has a % field that is for reading times, not for writing them"));
        }
        let has_offset = times().flatten().any(tells_offset);
        let has_name = pieces.iter().any(|piece| matches!(piece, Piece::Name | Piece::Path));
        if !has_name && times().flatten().all(is_text) {
            return Err(format!(
                "every file of a camera would have this key: write {{name}} or {{path}} into it; {CUT}"
            ));
        }
        let template = Self { text: text.to_owned(), pieces, has_name, has_offset };
        // A template that is wrong for every file fails before the first.
        let recorded_at = RecordedAt::at_the_epoch();
        template
            .key("", &Named { path: "a.b", dir: "c", recorded_at: &recorded_at })
            .map_err(|error| error.to_string())?;
        Ok(template)
    }
}

fn is_text(item: &Item<'_>) -> bool {
    matches!(item, Item::Literal(_) | Item::OwnedLiteral(_) | Item::Space(_) | Item::OwnedSpace(_))
}

/// What cron does with a `%`.
const CUT: &str = "in a crontab cron ends the command at a %: write \\% there";

/// Refuses the remains of a crontab's, a shell's or a variable file's syntax, which no key should have.
fn refuse_slips(text: &str) -> Result<(), String> {
    let is_quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    let singles = text.replace("%%", "");
    if text.contains('\\') {
        Err(format!("{text:?} has a backslash: cron removes that of \\%, elsewhere write % alone"))
    } else if is_quoted('"') || is_quoted('\'') {
        Err(format!("{text:?} has quotes around it: only a shell removes them, leave them out here"))
    } else if text.contains(char::is_control) {
        Err(format!("{text:?} has a line end or another control character in it"))
    } else if text.trim() != text {
        Err(format!("{text:?} begins or ends with a space"))
    } else if !singles.contains('%') && text.contains("%%Y") {
        Err(format!("{text:?} writes %% for %, as systemd wants it: write % alone here"))
    } else if text.ends_with(['/', '-', '_', '.']) {
        Err(format!("{text:?} looks cut off: {CUT}"))
    } else {
        Ok(())
    }
}

/// Whether a field of strftime differs between the two runs of a repeated hour.
fn tells_offset(item: &Item<'_>) -> bool {
    match item {
        Item::Numeric(Numeric::Timestamp, _) => true,
        Item::Fixed(fixed) => matches!(
            fixed,
            Fixed::TimezoneName
                | Fixed::TimezoneOffset
                | Fixed::TimezoneOffsetColon
                | Fixed::TimezoneOffsetDoubleColon
                | Fixed::TimezoneOffsetTripleColon
                | Fixed::RFC3339
        ),
        _ => false,
    }
}

impl Template {
    /// The key of a file, behind the prefix of `--to`.
    ///
    /// # Errors
    /// The result cannot be a key.
    pub fn key(&self, prefix: &str, file: &Named<'_>) -> Result<ObjectKey, KeyError> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let time = DateTime::<FixedOffset>::from_naive_utc_and_offset(
            file.recorded_at.local_time - file.recorded_at.offset,
            file.recorded_at.offset,
        );
        let mut key = prefix.trim_matches('/').to_owned();
        if !key.is_empty() {
            key.push('/');
        }
        let prefix_len = key.len();
        for piece in &self.pieces {
            match piece {
                Piece::Camera => key.push_str(file.camera()),
                Piece::Name => key.push_str(stem),
                Piece::Path => key.push_str(file.path),
                Piece::Extension => key.push_str(extension),
                // Its items were checked and cannot fail.
                Piece::Time(items) => drop(write!(key, "{}", time.format_with_items(items.iter()))),
            }
        }
        if !self.has_name {
            let mut mark = String::new();
            if file.recorded_at.is_repeated && !self.has_offset {
                mark = file.recorded_at.offset.to_string().replace(':', "");
            }
            if file.recorded_at.copy > 1 {
                let _ = write!(mark, "-{}", file.recorded_at.copy);
            }
            let suffix = format!(".{extension}");
            let at = if !extension.is_empty() && key[prefix_len..].ends_with(&suffix) {
                key.len() - suffix.len()
            } else {
                key.len()
            };
            key.insert_str(at, &mark);
        }
        ObjectKey::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISDCAM: &str = "cam1/%Y/%m/%d/%H/cam_1_%Y_%m_%d_%H_%M_%S.{ext}";

    fn key(template: &str, path: &str, modified: &str, zone: Tz) -> String {
        let modified = modified.parse::<DateTime<Utc>>().expect("a time");
        let recorded_at = RecordedAt::of(path.rsplit('/').next().expect("a name"), modified, zone);
        let template: Template = template.parse().expect("a template");
        match template.key("", &Named { path, dir: "dir", recorded_at: &recorded_at }) {
            Ok(key) => key.as_str().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn key_template_fields_are_filled_in() {
        let zone: Tz = "Asia/Kolkata".parse().expect("a zone");
        let at = "2025-09-07T20:00:05.25Z";
        for (template, path, expected) in [
            (VISDCAM, "x.ts", "cam1/2025/09/08/01/cam_1_2025_09_08_01_30_05.ts"),
            (VISDCAM, "20181029_131513_NF.mp4", "cam1/2018/10/29/13/cam_1_2018_10_29_13_15_13.mp4"),
            (VISDCAM, "2025-09-07_14-30-15-tuin-2.mp4", "cam1/2025/09/07/14/cam_1_2025_09_07_14_30_15-2.mp4"),
            (VISDCAM, "2025-09-07_14-30-15+0200.mkv", "cam1/2025/09/07/18/cam_1_2025_09_07_18_00_15.mkv"),
            ("{camera}/%F/{name}.{ext}", "tuin/video/a b+c.mp4", "tuin/2025-09-08/a b+c.mp4"),
            ("{camera}/{name}.{ext}", "a.mp4", "dir/a.mp4"),
            ("{camera}/{name}.{ext}", "2026-11-21/a.mkv", "dir/a.mkv"),
            ("{camera}/{name}.{ext}", "2026-11/a.mkv", "dir/a.mkv"),
            ("{camera}/{name}.{ext}", "2026/a.mkv", "dir/a.mkv"),
            ("{camera}/{name}.{ext}", "20261/a.mkv", "20261/a.mkv"),
            // A camera may be called by its number.
            ("{camera}/{name}.{ext}", "1001/2026-11-21/a.mkv", "1001/a.mkv"),
            ("{camera}/{name}.{ext}", "1001/video/a.mp4", "1001/a.mp4"),
            ("{path}", "tuin/video/a.mp4", "tuin/video/a.mp4"),
            ("%Y%%/{path}%z", "a", "2025%/a+0530"),
        ] {
            assert_eq!(key(template, path, at, zone), expected);
        }
    }

    #[test]
    fn the_repeated_dst_hour_gives_two_keys() {
        let zone: Tz = "Europe/Berlin".parse().expect("a zone");
        for (template, first, second) in [
            ("%H%M.{ext}", "0230.ts", "0230+0100.ts"),
            ("%H%M%z.{ext}", "0230+0200.ts", "0230+0100.ts"),
            ("%H%M/{path}", "0230/x.ts", "0230/x.ts"),
            // A text, and no offset.
            ("%H%M%%z.{ext}", "0230%z.ts", "0230%z+0100.ts"),
            ("%H%M%:::z.{ext}", "0230+02.ts", "0230+01.ts"),
        ] {
            assert_eq!(key(template, "x.ts", "2025-10-26T00:30:00Z", zone), first);
            assert_eq!(key(template, "x.ts", "2025-10-26T01:30:00Z", zone), second);
        }
        let record = |name| key("%H%M.{ext}", name, "2026-01-01T00:00:00Z", zone);
        assert_eq!(record("2025-10-26_02-30-00+0200.ts"), "0230.ts");
        assert_eq!(record("2025-10-26_02-30-00+0100.ts"), "0230+0100.ts");
        assert_eq!(record("2025-10-26_02-30-00+0100-2.ts"), "0230+0100-2.ts");
        // A camera's clock knows of no summer time, also where the zone leaves the hour out.
        assert_eq!(record("2025-03-30_02-30-00-tuin.ts"), "0230.ts");
    }

    #[test]
    fn invalid_key_templates_name_their_cause() {
        for template in
            ["", "/a", "{path}/", "a//{path}", "{what}", "{camera", "%Q", "cam%#z/%H.{ext}", "../{path}", "a/./{path}"]
        {
            assert!(template.parse::<Template>().is_err(), "{template}");
        }
        for (template, said) in [
            (r"{camera}/\%Y/{name}.{ext}", "cron removes that"),
            ("'{path}'", "quotes"),
            ("\"{camera}/%Y/{path}\"", "quotes"),
            ("{path}\r", "control"),
            ("{path} ", "begins or ends with a space"),
            ("{camera}/%%Y/{name}.{ext}", "systemd"),
            ("{camera}/", "in a crontab cron ends"),
            ("{camera}/{name}_", "in a crontab cron ends"),
            ("{camera}", "in a crontab cron ends"),
            ("cam1.{ext}", "{name} or {path}"),
        ] {
            let refused = template.parse::<Template>().expect_err(template);
            assert!(refused.contains(said), "{refused}");
        }
        let long = "a/".repeat(600) + "x";
        assert!(ObjectKey::new(long).is_err());
    }
}
