//! The camera's wall clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

/// A time as the camera's own clock shows it, to the microsecond, without a zone.
///
/// Cameras store their wall clock as if it were UTC. Which zone that clock is in, and whether it steps for daylight
/// saving, is recorded nowhere, so footage keeps the wall-clock time as it is, whatever the `TZ` of the host. Two consequences:
/// the same time can occur twice (in the fold of a time change), and a later recording can have an earlier time.
///
/// ```
/// use footage::hikvision::camera_time::CameraTime;
/// # fn main() -> Result<(), chrono::ParseError> {
/// let time: CameraTime = "2025-09-07T14:30:15.5".parse()?;
/// assert_eq!(time.to_string(), "2025-09-07T14:30:15.500000");
/// assert_eq!(time.file_name_form().to_string(), "2025-09-07_14-30-15");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraTime(NaiveDateTime);

impl CameraTime {
    /// The time that an index stores as `seconds` since 1970 and `micros`; `None` if `micros` is a second or more.
    #[must_use]
    pub fn from_index(seconds: u32, micros: u32) -> Option<Self> {
        if micros >= 1_000_000 {
            return None;
        }
        let time = DateTime::from_timestamp(i64::from(seconds), micros * 1000)?;
        Some(Self(time.naive_utc()))
    }

    /// The time with these digits. No camera shows a leap second; one counts as the last microsecond before it.
    #[must_use]
    pub fn from_digits(digits: NaiveDateTime) -> Self {
        let nanos = digits.nanosecond().min(999_999_999);
        Self(digits.with_nanosecond(nanos).unwrap_or(digits))
    }

    /// The digits on the clock.
    #[must_use]
    pub fn digits(self) -> NaiveDateTime {
        self.0
    }

    /// This time without its fraction of a second, as in a file name.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(self.0.with_nanosecond(0).unwrap_or(self.0))
    }

    /// The difference of two times, whichever comes first.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        (self.0 - other.0).abs().to_std().unwrap_or(Duration::MAX)
    }

    /// From `self` to a later time; zero if it is not later.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        (later.0 - self.0).to_std().unwrap_or(Duration::ZERO)
    }

    /// Its `Display` form, in ASCII. A listing has thousands of times, and chrono parses its pattern for each of them.
    #[must_use]
    pub fn text(self) -> [u8; 26] {
        let mut text = *b"0000-00-00T00:00:00.000000";
        write_digits(&mut text[..19], self.0);
        digits(&mut text[20..], self.0.time().nanosecond() / 1000);
        text
    }

    /// The form in file names, `2025-09-07_14-30-15`, which sorts as time does.
    #[must_use]
    pub fn file_name_form(self) -> FileNameForm {
        FileNameForm(self)
    }
}

/// RFC 3339 without a zone, always with six digits of the second: `2025-09-07T14:30:15.787000`.
impl fmt::Display for CameraTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Writes date and time over the digits of `0000-00-00?00?00?00`.
fn write_digits(text: &mut [u8], at: NaiveDateTime) {
    let (date, time) = (at.date(), at.time());
    let year = u32::try_from(date.year()).unwrap_or_default();
    let fields = [year, date.month(), date.day(), time.hour(), time.minute(), time.second()];
    for (field, range) in fields.into_iter().zip([0..4, 5..7, 8..10, 11..13, 14..16, 17..19]) {
        digits(&mut text[range], field);
    }
}

/// Writes `value` with leading zeros.
fn digits(text: &mut [u8], mut value: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
}

impl fmt::Debug for CameraTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads RFC 3339 without a zone, with or without a fraction.
impl FromStr for CameraTime {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(Self::from_digits)
    }
}

/// Writes a [`CameraTime`] as file names have it.
#[derive(Clone, Copy, Debug)]
pub struct FileNameForm(CameraTime);

impl fmt::Display for FileNameForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0000-00-00_00-00-00";
        write_digits(&mut text, self.0.0);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording_time;
    use proptest::prelude::*;

    #[test]
    fn a_camera_time_of_microseconds_is_refused() {
        assert!(CameraTime::from_index(1, 999_999).is_some());
        assert!(CameraTime::from_index(1, 1_000_000).is_none());
    }

    #[test]
    fn the_distance_of_camera_times_is_symmetric() {
        let early = CameraTime::from_index(100, 250_000).unwrap();
        let late = CameraTime::from_index(101, 0).unwrap();
        assert_eq!(early.distance(late), Duration::from_millis(750));
        assert_eq!(late.distance(early), Duration::from_millis(750));
        assert_eq!(early.until(late), Duration::from_millis(750));
        assert_eq!(late.until(early), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn both_forms_of_a_camera_time_are_read_back(seconds: u32, micros in 0..1_000_000u32) {
            let time = CameraTime::from_index(seconds, micros).unwrap();
            prop_assert_eq!(time.to_string().parse::<CameraTime>(), Ok(time));
            let name = time.file_name_form().to_string();
            prop_assert_eq!(recording_time::spread(&name), Some((time.whole_second().digits(), "")));
        }

        #[test]
        fn any_camera_time_is_read_without_a_panic(text in "\\PC{0,30}") {
            let _ = text.parse::<CameraTime>();
        }
    }
}
