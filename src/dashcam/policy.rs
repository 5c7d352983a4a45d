//! What the user wants of a pass: which recordings, in which order, for how long. Pure.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveDateTime;

use super::inventory::Inventory;
use super::name::{DIRECTIONS, FileName, Format, Grouping, Moment, TYPES};
use crate::retention::KeepRules;
use crate::units::ByteSize;

/// `--priority`: what is fetched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Priority {
    /// Oldest first.
    #[default]
    Date,
    /// Newest first.
    Rdate,
    /// Manual, events, normal, parking; each oldest first.
    Type,
}

/// A word of `--include`, `--exclude` and `--protect`: `P` (a type) or `NF` (a type and a direction).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    kind: char,
    direction: Option<char>,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [Some(self.kind), self.direction].into_iter().flatten().try_for_each(|letter| f.write_char(letter))
    }
}

impl Code {
    /// Whether some camera is known to write these letters.
    #[must_use]
    pub fn is_known(self) -> bool {
        TYPES.contains(self.kind) && self.direction.is_none_or(|direction| DIRECTIONS.contains(direction))
    }

    /// Whether it means all that another code means.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.kind == other.kind && (self.direction.is_none() || self.direction == other.direction)
    }

    /// Whether a file is meant. A sidecar that all directions share is meant with each of them.
    #[must_use]
    pub fn matches(self, name: FileName) -> bool {
        self.kind == name.kind()
            && match (self.direction, name.direction()) {
                (Some(wanted), Some(direction)) => wanted == direction,
                _ => true,
            }
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut letters = text.chars();
        let (kind, direction, end) = (letters.next(), letters.next(), letters.next());
        match kind {
            Some(kind)
                if end.is_none()
                    && kind.is_ascii_uppercase()
                    && direction.is_none_or(|direction| direction.is_ascii_uppercase()) =>
            {
                Ok(Self { kind, direction })
            }
            _ => Err(format!(
                "{text:?} is not a code: write a type ({TYPES}), perhaps with a direction ({DIRECTIONS}), such as P or NF"
            )),
        }
    }
}

/// A word of `--protect`: a code, or a moment such as `20181029_131513`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protect {
    /// While the option is given, recordings of this code stay.
    Code(Code),
    /// This moment, for good.
    Moment(Moment),
}

impl FromStr for Protect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let moment = text.get(..15).and_then(|moment| moment.parse::<Moment>().ok());
        match moment {
            Some(moment) if text.len() == 15 || text.parse::<FileName>().is_ok() => Ok(Self::Moment(moment)),
            _ => text.parse().map(Self::Code).map_err(|error: String| {
                format!("{error}; or write the moment of a recording, such as 20181029_131513")
            }),
        }
    }
}

/// What the user wants.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `--grouping`
    pub grouping: Grouping,
    /// `--keep`
    pub keep: KeepRules,
    /// `--keep-bytes`
    pub keep_bytes: Option<ByteSize>,
    /// `--priority`
    pub priority: Priority,
    /// A limit of room is in force: of two recordings the newer is worth more, so the newest come first.
    pub newest_first: bool,
    /// `--include`; empty is all.
    pub include: Vec<Code>,
    /// `--exclude`
    pub exclude: Vec<Code>,
    /// `--context`
    pub context: usize,
    /// Formats of `--skip-metadata`.
    pub skip: Vec<Format>,
    /// `--protect`
    pub protect: Vec<Protect>,
    /// `--retry-failed-after`
    pub retry_failed_after: Duration,
}

impl Policy {
    /// Whether retention leaves everything of this file's moment alone.
    #[must_use]
    pub fn protects(&self, name: FileName, inventory: &Inventory) -> bool {
        inventory.protected.contains(&Moment(name.at()))
            || self.protect.iter().any(|word| match word {
                Protect::Code(code) => code.matches(name),
                Protect::Moment(moment) => moment.0 == name.at(),
            })
    }

    /// Whether a recording of this type and time has outlived `--keep`.
    #[must_use]
    pub fn expires(&self, kind: char, at: NaiveDateTime, now: NaiveDateTime) -> bool {
        self.keep.expired(kind.encode_utf8(&mut [0; 4]), at, now)
    }

    /// Whether `--include` asks for it.
    #[must_use]
    pub fn wants(&self, video: FileName) -> bool {
        self.include.is_empty() || self.include.iter().any(|code| code.matches(video))
    }

    /// Whether `--exclude` leaves it out.
    #[must_use]
    pub fn excludes(&self, video: FileName) -> bool {
        self.exclude.iter().any(|code| code.matches(video))
    }
}
