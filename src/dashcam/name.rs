//! The names of a `BlackVue` dashcam's files; of what stands in a destination beside them, [`Entry`]; and of the directories
//! there, [`Grouping`]. Pure.
//!
//! | file | name | shared by |
//! | --- | --- | --- |
//! | video | `20181029_131513_NF.mp4`, `…_NFS.mp4` | – |
//! | thumbnail | `20181029_131513_NF.thm`, without the flag | the recording and its low-resolution copy |
//! | GPS | `20181029_131513_N.gps` | all directions |
//! | accelerometer | `20181029_131513_N.3gf` | all directions |
//!
//! The time is the camera's wall clock: it has no zone, ignores daylight saving and may be wrong. The letters are
//! a type, a direction and a flag; new firmware adds letters, so any capital letter is accepted.

mod entry;
mod grouping;

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};

pub use self::entry::Entry;
pub use self::grouping::Grouping;

/// Recording types, in the order in which `--priority type` fetches them. Unknown letters come before `N`.
pub const TYPES: &str = "MEIBOATRXGDLYFNP";
/// Camera directions: front, rear, interior, optional.
pub const DIRECTIONS: &str = "FRIO";
/// Flags: upload (or live), and low-resolution copy.
pub const FLAGS: &str = "LS";

/// What a file of a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `.mp4`
    Video,
    /// `.thm`, a JPEG.
    Thumbnail,
    /// `.3gf`, 10-byte records of the accelerometer.
    Accelerometer,
    /// `.gps`, NMEA sentences with a time stamp each.
    Gps,
}

impl Format {
    /// All formats, in the order in which a recording's files are fetched.
    pub const ALL: [Self; 4] = [Self::Video, Self::Thumbnail, Self::Accelerometer, Self::Gps];

    fn extension(self) -> &'static str {
        match self {
            Self::Video => "mp4",
            Self::Thumbnail => "thm",
            Self::Accelerometer => "3gf",
            Self::Gps => "gps",
        }
    }

    /// The letter of `--skip-metadata`, as blackvuesync has it.
    #[must_use]
    pub fn skip_letter(self) -> Option<char> {
        match self {
            Self::Video => None,
            Self::Thumbnail => Some('t'),
            Self::Accelerometer => Some('3'),
            Self::Gps => Some('g'),
        }
    }
}

/// A file of a recording. [`FromStr`] and [`Display`] are inverses; the order is that of time.
///
/// A destination holds tens of thousands, and each pass looks all of them up: a name is one number.
///
/// | bits | field |
/// | --- | --- |
/// | 63–24 | when the recording began, on the camera's clock: seconds since the year 0 |
/// | 23–19 | type letter, A = 1 |
/// | 18–14 | direction letter; 0 for files shared by all directions |
/// | 13–9 | flag letter; 0 without one, always for sidecars |
/// | 1–0 | [`Format`] |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(u64);

/// From the year 0 to 1970.
const EPOCH_SECONDS: i64 = 62_167_219_200;
const AT_SHIFT: u32 = 24;
const KIND_SHIFT: u32 = 19;
const DIRECTION_SHIFT: u32 = 14;
const FLAG_SHIFT: u32 = 9;

impl FileName {
    fn new(at: NaiveDateTime, kind: char, direction: Option<char>, flag: Option<char>, format: Format) -> Self {
        let seconds = u64::try_from(at.and_utc().timestamp() + EPOCH_SECONDS).unwrap_or(0);
        Self(
            seconds << AT_SHIFT
                | number(Some(kind)) << KIND_SHIFT
                | number(direction) << DIRECTION_SHIFT
                | number(flag) << FLAG_SHIFT
                | format as u64,
        )
    }

    /// The number, for our own journal.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Back from [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// When the recording began, on the camera's clock.
    #[must_use]
    pub fn at(self) -> NaiveDateTime {
        let seconds = (self.0 >> AT_SHIFT).cast_signed() - EPOCH_SECONDS;
        chrono::DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc()).unwrap_or_default()
    }

    /// The type letter.
    #[must_use]
    pub fn kind(self) -> char {
        letter(self.0 >> KIND_SHIFT).unwrap_or('?')
    }

    /// The direction letter; none for files shared by all directions.
    #[must_use]
    pub fn direction(self) -> Option<char> {
        letter(self.0 >> DIRECTION_SHIFT)
    }

    /// The flag letter; videos only.
    #[must_use]
    pub fn flag(self) -> Option<char> {
        letter(self.0 >> FLAG_SHIFT)
    }

    /// What it holds.
    #[must_use]
    pub fn format(self) -> Format {
        Format::ALL[usize::from(self.0.to_le_bytes()[0] & 0b11)]
    }

    /// This recording's file of another format.
    #[must_use]
    pub fn sibling(self, format: Format) -> Self {
        let shared_bits = match format {
            Format::Video => FLAG_SHIFT,
            Format::Thumbnail => DIRECTION_SHIFT,
            Format::Accelerometer | Format::Gps => KIND_SHIFT,
        };
        Self(self.0 >> shared_bits << shared_bits | format as u64)
    }

    /// The letters this program does not know; [`None`] when it knows them all.
    #[must_use]
    pub fn unknown_letters(self) -> Option<String> {
        let known = TYPES.contains(self.kind())
            && self.direction().is_none_or(|letter| DIRECTIONS.contains(letter))
            && self.flag().is_none_or(|letter| FLAGS.contains(letter));
        (!known).then(|| [Some(self.kind()), self.direction(), self.flag()].into_iter().flatten().collect())
    }

    /// The rank of the type for `--priority type`: manual first, parking last, unknown letters before `N`.
    #[must_use]
    pub fn type_rank(self) -> usize {
        let before_normal = TYPES.len() - 2;
        match TYPES.find(self.kind()) {
            Some(rank) if rank >= before_normal => rank + 1,
            Some(rank) => rank,
            None => before_normal,
        }
    }

    /// The rank of the direction: front first.
    #[must_use]
    pub fn direction_rank(self) -> usize {
        self.direction().and_then(|letter| DIRECTIONS.find(letter)).unwrap_or(DIRECTIONS.len())
    }
}

fn number(letter: Option<char>) -> u64 {
    letter.map_or(0, |letter| u64::from(letter) - u64::from('A') + 1)
}

fn letter(bits: u64) -> Option<char> {
    match bits & 0b1_1111 {
        0 => None,
        number => u8::try_from(number).ok().map(|number| char::from(b'A' + number - 1)),
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", Moment(self.at()), self.kind())?;
        for letter in [self.direction(), self.flag()].into_iter().flatten() {
            write!(f, "{letter}")?;
        }
        write!(f, ".{}", self.format().extension())
    }
}

impl FromStr for FileName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let Some((at, rest)) = split_moment(text) else { return Err(NotAName) };
        let (letters, extension) = rest.strip_prefix('_').and_then(|rest| rest.split_once('.')).ok_or(NotAName)?;
        let format = Format::ALL.into_iter().find(|format| format.extension() == extension).ok_or(NotAName)?;
        if !letters.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(NotAName);
        }
        let mut letters = letters.chars();
        let (kind, direction, flag, end) = (letters.next(), letters.next(), letters.next(), letters.next());
        let shape_fits = match format {
            Format::Video => direction.is_some(),
            Format::Thumbnail => direction.is_some() && flag.is_none(),
            Format::Accelerometer | Format::Gps => direction.is_none(),
        };
        match kind {
            Some(kind) if shape_fits && end.is_none() => Ok(Self::new(at, kind, direction, flag, format)),
            _ => Err(NotAName),
        }
    }
}

/// It is not the name of a recording's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a recording")]
pub struct NotAName;

/// The moment of a recording, as names begin with it: `20181029_131513`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub NaiveDateTime);

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0;
        let (date, time) = (at.date(), at.time());
        write!(f, "{:04}{:02}{:02}", date.year(), date.month(), date.day())?;
        write!(f, "_{:02}{:02}{:02}", time.hour(), time.minute(), time.second())
    }
}

impl FromStr for Moment {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        match split_moment(text) {
            Some((at, "")) => Ok(Self(at)),
            _ => Err(NotAName),
        }
    }
}

fn split_moment(text: &str) -> Option<(NaiveDateTime, &str)> {
    let (moment, rest) = text.split_at_checked(15)?;
    let bytes = moment.as_bytes();
    if bytes[8] != b'_' {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(4, 6)?, number(6, 8)?)?;
    let at = date.and_hms_opt(number(9, 11)?, number(11, 13)?, number(13, 15)?)?;
    Some((at, rest))
}

#[cfg(test)]
mod tests;
