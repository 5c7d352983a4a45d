//! What stands in a destination, told by its name alone.

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::NaiveDateTime;

use super::{FileName, Moment, NotAName};

/// Anything in a destination that is ours, or the peer's, by its full name. Everything else is the user's and
/// never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A whole file under its final name.
    Final(FileName),
    /// `.20181029_131513_NF.mp4.part`: as much as has arrived.
    Partial(FileName),
    /// `.20181029_131513_NF.mp4.damaged`: the camera's own file, whole but with a broken structure, for who wants to
    /// rescue it.
    Damaged(FileName),
    /// `.20181029_131513_NF.mp4`: what a killed blackvuesync left. It cannot be trusted to be a beginning.
    PeerPartial(FileName),
    /// `20181029_131513_NF.mp4.failed`: the camera could not give it; holds the time. The peer's format.
    Failed(FileName),
    /// `20181029_131513.protected`: retention leaves everything of this moment alone.
    Protected(Moment),
}

impl Entry {
    /// The moment it belongs to.
    #[must_use]
    pub fn at(self) -> NaiveDateTime {
        match self {
            Self::Protected(moment) => moment.0,
            entry => entry.file().map(FileName::at).unwrap_or_default(),
        }
    }

    /// The file that it is, or is about.
    #[must_use]
    pub fn file(self) -> Option<FileName> {
        match self {
            Self::Final(file)
            | Self::Partial(file)
            | Self::Damaged(file)
            | Self::PeerPartial(file)
            | Self::Failed(file) => Some(file),
            Self::Protected(_) => None,
        }
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Final(file) => write!(f, "{file}"),
            Self::Partial(file) => write!(f, ".{file}.part"),
            Self::Damaged(file) => write!(f, ".{file}.damaged"),
            Self::PeerPartial(file) => write!(f, ".{file}"),
            Self::Failed(file) => write!(f, "{file}.failed"),
            Self::Protected(moment) => write!(f, "{moment}.protected"),
        }
    }
}

impl FromStr for Entry {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if let Some(hidden) = text.strip_prefix('.') {
            return if let Some(file) = hidden.strip_suffix(".part") {
                file.parse().map(Self::Partial)
            } else if let Some(file) = hidden.strip_suffix(".damaged") {
                file.parse().map(Self::Damaged)
            } else {
                hidden.parse().map(Self::PeerPartial)
            };
        }
        if let Some(file) = text.strip_suffix(".failed") {
            return file.parse().map(Self::Failed);
        }
        if let Some(moment) = text.strip_suffix(".protected") {
            return moment.parse().map(Self::Protected);
        }
        text.parse().map(Self::Final)
    }
}
