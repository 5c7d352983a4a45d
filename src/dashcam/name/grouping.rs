//! The directories of a destination.

use chrono::NaiveDateTime;

use crate::recording_time;

/// `--grouping`: into which directory of the destination a recording goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Grouping {
    /// No directories.
    #[default]
    None,
    /// `2018-10-29`
    Daily,
    /// `2018-10-29`, the week's Monday.
    Weekly,
    /// `2018-10`
    Monthly,
    /// `2018`
    Yearly,
}

impl Grouping {
    /// The directory's name; empty without grouping.
    #[must_use]
    pub fn dir(self, at: NaiveDateTime) -> String {
        let date = at.date();
        match self {
            Self::None => String::new(),
            Self::Daily => date.to_string(),
            Self::Weekly => date.week(chrono::Weekday::Mon).checked_first_day().unwrap_or(date).to_string(),
            Self::Monthly => date.format("%Y-%m").to_string(),
            Self::Yearly => date.format("%Y").to_string(),
        }
    }

    /// Whether a directory of this name can be one of ours, in whatever grouping.
    #[must_use]
    pub fn is_dir_name(name: &str) -> bool {
        recording_time::is_group(name)
    }
}
