//! `--limit-rate`: one rate for all day, or a timetable: `06:00,512K 23:00,off`. Pure.

use std::str::FromStr;

use chrono::NaiveTime;

use crate::units::{ByteSize, parse_rate};

/// The rate at some time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// `off`: no limit.
    Free,
    /// Bytes per second, over all workers.
    Limited(ByteSize),
    /// `pause`: no new transfers.
    Paused,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "off" => Ok(Self::Free),
            "pause" => Ok(Self::Paused),
            _ => parse_rate(text).map(Self::Limited),
        }
    }
}

/// Rates by the time of day from which they apply, ascending; never empty. Before the first, yesterday's last applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable(Vec<(NaiveTime, Pace)>);

impl Default for Timetable {
    fn default() -> Self {
        Self(vec![(NaiveTime::MIN, Pace::Free)])
    }
}

impl FromStr for Timetable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut paces = Vec::new();
        for word in text.split_whitespace() {
            let Some((time, pace)) = word.split_once(',') else {
                // Without a time there can be only one.
                paces.push((NaiveTime::MIN, text.trim().parse()?));
                break;
            };
            let time = NaiveTime::parse_from_str(time, "%H:%M")
                .map_err(|_| format!("{time:?} is not a time of day: write 06:00"))?;
            if paces.iter().any(|(other, _)| *other == time) {
                return Err(format!("{} has two rates", time.format("%H:%M")));
            }
            paces.push((time, pace.parse()?));
        }
        paces.sort_unstable_by_key(|(time, _)| *time);
        if paces.is_empty() {
            return Err("write a rate, such as 500K, or a timetable, such as '06:00,512K 23:00,off'".into());
        }
        Ok(Self(paces))
    }
}

impl Timetable {
    /// The rate at this time of day.
    #[must_use]
    pub fn at(&self, time: NaiveTime) -> Pace {
        let begun = self.0.iter().rfind(|(from, _)| *from <= time);
        begun.or(self.0.last()).map_or(Pace::Free, |(_, pace)| *pace)
    }

    /// Whether it never limits anything.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0.iter().all(|(_, pace)| *pace == Pace::Free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(table: &str, time: &str) -> Pace {
        let time = NaiveTime::parse_from_str(time, "%H:%M:%S").expect("a time");
        table.parse::<Timetable>().expect("a timetable").at(time)
    }

    #[test]
    fn a_timetable_rate_holds_until_the_next() {
        let table = "23:00,off 06:00,512K 12:30,pause";
        for (time, pace) in [
            ("00:00:00", Pace::Free),
            ("05:59:59", Pace::Free),
            ("06:00:00", Pace::Limited(ByteSize(512_000))),
            ("12:29:59", Pace::Limited(ByteSize(512_000))),
            ("12:30:00", Pace::Paused),
            ("23:00:00", Pace::Free),
        ] {
            assert_eq!(at(table, time), pace, "{time}");
        }
        assert_eq!(at("500KiB", "12:00:00"), Pace::Limited(ByteSize(512_000)));
        assert_eq!(at("1.5 MB", "12:00:00"), Pace::Limited(ByteSize(1_500_000)));
        assert!(Timetable::default().is_free());
    }

    #[test]
    fn timetable_errors_name_their_cause() {
        for text in
            ["", " ", "0", "06:00", "6,1M", "25:00,1M", "06:00,", "06:00,0", "06:00,1M 06:00,2M", "06:00,1M 2M", "fast"]
        {
            assert!(text.parse::<Timetable>().is_err(), "{text}");
        }
    }
}
