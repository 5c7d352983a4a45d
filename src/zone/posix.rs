//! A zone as a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`, read and applied as the GNU C library does it: what
//! `date` shows is right. Pure.
//!
//! Beyond POSIX, clocks may change at hours from -167 to 167 of a day, which the zones of Israel and Greenland need
//! (RFC 9636 §3.3.1); and a rule without dates has those of the United States.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Weekday};
use regex::{Captures, Regex};

/// The UTC offset in seconds, and when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    standard: i32,
    summer: Option<Summer>,
    text: Option<String>,
}

/// DST: its offset, its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summer {
    ahead: i32,
    begins: Change,
    ends: Change,
}

/// When clocks change, in the local time before the change. The default is the C library's, for parts that it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Change {
    day: Day,
    seconds: i32,
}

/// A day of any year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `J60`: from 1, without February 29th.
    Julian(i64),
    /// `59`: from 0.
    OfYear(i64),
    /// `M3.5.0`: in this month the nth, or last, of a day of the week.
    Weekday { month: u32, nth: u8, weekday: Weekday },
}

impl Default for Day {
    fn default() -> Self {
        Self::OfYear(0)
    }
}

const DAY: i64 = 86_400;
/// The time of a change where a rule has none.
const TWO_IN_THE_MORNING: i32 = 2 * 3600;
/// The dates of the changes where a rule has none.
const UNITED_STATES: [&str; 2] = ["M3.2.0", "M11.1.0"];

/// A name and the offset west of UTC; both again for DST, where the second may be missing; the dates. What follows
/// is not part of a rule.
static RULE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
    let time = "[0-9]{1,9}(?::[0-9]{1,9}(?::[0-9]{1,9})?)?";
    let change = "(?:J[0-9]{1,9}|[0-9]{1,9}|M[0-9]{1,9}\\.[0-9]{1,9}\\.[0-9]{1,9})(?:/-?[0-9:]+)?";
    let summer = format!("(?<summer>{name})(?<summer_behind>[+-]?{time})?");
    let days = format!("(?:,?(?<begins>{change}))?(?:,(?<ends>{change}))?");
    Regex::new(&format!("^{name}(?<behind>[+-]?{time})(?:{summer}{days})?(?<rest>.*)$")).ok()
});

/// One change of the clocks.
static CHANGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let day = "J(?<julian>[0-9]+)|(?<of_year>[0-9]+)|M(?<month>[0-9]+)\\.(?<nth>[0-9]+)\\.(?<weekday>[0-9])";
    Regex::new(&format!("^(?:{day})(?:/(?<time>-?[0-9]+(?::[0-9]+(?::[0-9]+)?)?))?$")).ok()
});

impl Rule {
    /// Parses a rule; none if not even its beginning is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts = RULE.as_ref()?.captures(text)?;
        let part = |name| parts.name(name).map(|part| part.as_str());
        let standard = Some(-offset(part("behind")?)).filter(|ahead| is_within_a_day(*ahead))?;
        let rest = part("rest")?;
        if part("summer").is_none() {
            let text = rest.is_empty().then(|| text.to_owned());
            return Some(Self { standard, summer: None, text });
        }
        let ahead = part("summer_behind").map_or(standard + 3600, |behind| -offset(behind));
        let ahead = Some(ahead).filter(|ahead| is_within_a_day(*ahead))?;
        let mut whole = Some(text.trim_end_matches(',').to_owned()).filter(|_| matches!(rest, "" | ","));
        let mut change = |name, default| {
            let written = part(name).or_else(|| {
                let whole = whole.as_mut()?;
                whole.push(',');
                whole.push_str(default);
                Some(default)
            });
            let change = written.and_then(Change::parse);
            if change.is_none() {
                whole = None;
            }
            change.unwrap_or_default()
        };
        let begins = change("begins", UNITED_STATES[0]);
        let ends = change("ends", UNITED_STATES[1]);
        Some(Self { standard, summer: Some(Summer { ahead, begins, ends }), text: whole })
    }

    /// The rule as written, with its dates; none if part of the text was invalid.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The UTC offset in seconds, at an instant in seconds since 1970.
    #[must_use]
    pub fn ahead(&self, instant: i64) -> i32 {
        let Some(summer) = &self.summer else { return self.standard };
        let year = DateTime::from_timestamp(instant, 0).map_or(1970, |at| at.year());
        let begins = summer.begins.instant(year, self.standard);
        let ends = summer.ends.instant(year, summer.ahead);
        // In the southern hemisphere DST lasts over New Year.
        let is_summer =
            if begins > ends { instant < ends || instant >= begins } else { (begins..ends).contains(&instant) };
        if is_summer { summer.ahead } else { self.standard }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let parts: Captures<'_> = CHANGE.as_ref()?.captures(text)?;
        let number = |name| parts.name(name).and_then(|part| part.as_str().parse::<u32>().ok());
        let day = if let Some(day) = number("julian") {
            Day::Julian(i64::from(Some(day).filter(|day| (1..=365).contains(day))?))
        } else if let Some(day) = number("of_year") {
            Day::OfYear(i64::from(Some(day).filter(|day| *day <= 365)?))
        } else {
            let month = number("month").filter(|month| (1..=12).contains(month))?;
            let nth = number("nth").filter(|nth| (1..=5).contains(nth))?;
            let weekday = Weekday::Sun.days_since(Weekday::Mon) + number("weekday").filter(|day| *day <= 6)?;
            Day::Weekday {
                month,
                nth: u8::try_from(nth).ok()?,
                weekday: Weekday::try_from(u8::try_from(weekday % 7).ok()?).ok()?,
            }
        };
        let seconds = parts.name("time").map_or(TWO_IN_THE_MORNING, |time| seconds(time.as_str(), u32::MAX));
        Some(Self { day, seconds })
    }

    /// The instant of this change in a year, by a clock with this UTC offset until then.
    fn instant(self, year: i32, ahead: i32) -> i64 {
        let Some(first) = NaiveDate::from_ymd_opt(year, 1, 1) else { return 0 };
        let midnight = match self.day {
            Day::Julian(day) => {
                first.and_time(NaiveTime::MIN).and_utc().timestamp() + {
                    let leap_days = i64::from(day >= 60 && first.leap_year());
                    (day - 1 + leap_days) * DAY
                }
            }
            Day::OfYear(day) => first.and_time(NaiveTime::MIN).and_utc().timestamp() + day * DAY,
            Day::Weekday { month, nth, weekday } => {
                let date = |nth| NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth);
                date(nth).or_else(|| date(4)).unwrap_or(first).and_time(NaiveTime::MIN).and_utc().timestamp()
            }
        };
        midnight - i64::from(ahead) + i64::from(self.seconds)
    }
}

/// Whether chrono can represent the offset: a whole day, `XXX-24`, it cannot.
fn is_within_a_day(offset: i32) -> bool {
    i64::from(offset.abs()) < DAY
}

/// `-5:30` in seconds. More than a day is cut to a day.
fn offset(text: &str) -> i32 {
    seconds(text, 24)
}

/// Hours with or without minutes and seconds, of at most so many hours.
fn seconds(text: &str, most_hours: u32) -> i32 {
    let mut fields = text.trim_start_matches(['+', '-']).split(':').map(|field| field.parse().unwrap_or(u32::MAX));
    let mut field = |most: u32| fields.next().unwrap_or(0).min(most);
    // The C library accepts any hours; no rule needs more than these.
    let seconds = field(most_hours.min(9999)) * 3600 + field(59) * 60 + field(59);
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    if text.starts_with('-') { -seconds } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tz_rules_are_read_whole_or_not() {
        for (text, is_whole) in [
            ("UTC0", Some(true)),
            ("<+0530>-5:30", Some(true)),
            ("CET-1CEST", Some(true)),
            ("CET-1CEST,", Some(true)),
            ("CET-1CEST,M3.5.0", Some(true)),
            ("CET-1CEST,M3.5.0,M10.5.0/3", Some(true)),
            ("CET-1<CEST>M3.5.0,M10.5.0/3", Some(true)),
            ("IST-2IDT,M3.4.4/26,M10.5.0", Some(true)),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", Some(true)),
            ("XXX3EDT4,0/0,J365/23", Some(true)),
            ("NZST-12:00:00NZDT-13:00:00,M10.1.0,M3.3.0", Some(true)),
            ("CET-1CEST,M3.5.0,M10.5.0/3x", Some(false)),
            ("CET-1CEST,M13.5.0,M10.5.0", Some(false)),
            ("CET-1CEST,garbage", Some(false)),
            ("CET-1:garbage", Some(false)),
            ("CET", None),
            ("XXX-24", None),
            ("XXX-23YYY", None),
            ("<CET-1", None),
            ("Europe/Berlin", None),
            ("", None),
        ] {
            assert_eq!(Rule::parse(text).map(|rule| rule.text().is_some()), is_whole, "{text}");
        }
    }

    #[test]
    fn days_that_a_tz_rule_leaves_out_are_those_of_the_united_states() {
        for (text, expected) in [
            ("CET-1", "CET-1"),
            ("CET-1CEST", "CET-1CEST,M3.2.0,M11.1.0"),
            ("CET-1CEST,", "CET-1CEST,M3.2.0,M11.1.0"),
            ("CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M11.1.0"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ] {
            let rule = Rule::parse(text).expect("a rule");
            assert_eq!(rule.text(), Some(expected));
            assert_eq!(Rule::parse(expected), Some(rule), "{text}");
        }
    }

    #[test]
    fn offsets_have_the_sign_of_posix() {
        for (text, hours) in [("CET-1", 1), ("EST5", -5), ("EST+5", -5), ("XXX-23", 23)] {
            assert_eq!(Rule::parse(text).map(|rule| rule.ahead(0)), Some(hours * 3600), "{text}");
        }
    }
}
