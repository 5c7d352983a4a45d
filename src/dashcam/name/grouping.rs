//! The directories of a destination.

use chrono::NaiveDateTime;

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
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = name.split('-');
        parts.next().is_some_and(|year| digits(year, 4))
            && parts.next().is_none_or(|month| digits(month, 2))
            && parts.next().is_none_or(|day| digits(day, 2))
            && parts.next().is_none()
    }
}
