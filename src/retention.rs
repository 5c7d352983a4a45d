//! What retention removes, and why. Pure: values in, values out, `now` an argument.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeZone};

use crate::pass_name::PassName;
use crate::text_enum::text_enum;
use crate::units::{ByteSize, parse_age};
use crate::zone::Tz;

text_enum! {
    /// Why a recording is removed; the log, the dry run and the metrics show the same word.
    pub enum Reason {
        /// Older than `--keep` allows.
        Expired = "expired",
        /// The oldest, when all together exceed `--keep-bytes`.
        OverQuota = "over-quota",
        /// The oldest, to free space on a full disk: `--when-full delete-oldest`.
        DiskFull = "disk-full",
        /// A partial of another tool whose complete file is here.
        Superseded = "superseded",
        /// Verified to be in the bucket: `--delete`, `--delete-after`.
        Uploaded = "uploaded",
    }
}

impl Reason {
    /// The reasons that a pass can have, for metrics that show zeros too.
    #[must_use]
    pub fn of(pass: Option<PassName>) -> &'static [Self] {
        match pass {
            Some(PassName::Upload) => &[Self::Expired, Self::Uploaded],
            _ => &[Self::Expired, Self::OverQuota, Self::DiskFull, Self::Superseded],
        }
    }
}

/// How long to keep recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// `forever`.
    Forever,
    /// `2w`, `36h`, `14` (days).
    For(Duration),
}

impl Keep {
    /// Everything before this is removed. Whole days count calendar days, as blackvuesync does: `1d` keeps all of
    /// yesterday and today.
    #[must_use]
    pub fn cutoff(self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Forever => None,
            Self::For(age) => match whole_days(age) {
                Some(days) => now.date().checked_sub_days(days).map(|day| day.and_time(NaiveTime::MIN)),
                None => chrono::Duration::from_std(age).ok().and_then(|age| now.checked_sub_signed(age)),
            },
        }
    }

    /// The same in a known zone: a day begins at its midnight, and hours keep their length over DST changes.
    #[must_use]
    pub fn cutoff_at(self, now: DateTime<Tz>) -> Option<DateTime<Tz>> {
        match self {
            Self::For(age) if whole_days(age).is_some() => now.timezone().first(self.cutoff(now.naive_local())?),
            _ => self.cutoff(now.naive_utc()).map(|cutoff| now.timezone().from_utc_datetime(&cutoff)),
        }
    }
}

fn whole_days(age: Duration) -> Option<Days> {
    const DAY_SECONDS: u64 = 86_400;
    let is_whole = age.as_secs().is_multiple_of(DAY_SECONDS) && age.subsec_nanos() == 0;
    is_whole.then(|| Days::new(age.as_secs() / DAY_SECONDS))
}

impl fmt::Display for Keep {
    /// As typed, and readable again: `2w`, `90d`, `36h`, `90min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(age) = self else { return f.write_str("forever") };
        let (minutes, hours) = (age.as_secs() / 60, age.as_secs() / 3600);
        if !age.as_secs().is_multiple_of(60) {
            write!(f, "{}s", age.as_secs())
        } else if !minutes.is_multiple_of(60) {
            write!(f, "{minutes}min")
        } else if hours.is_multiple_of(7 * 24) && hours <= 8 * 7 * 24 {
            write!(f, "{}w", hours / (7 * 24))
        } else if hours.is_multiple_of(24) {
            write!(f, "{}d", hours / 24)
        } else {
            write!(f, "{hours}h")
        }
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            _ if text.eq_ignore_ascii_case("forever") => Ok(Self::Forever),
            "0" => Err("0 would keep nothing: leave it out, or write forever, to keep everything".into()),
            _ => parse_retention_age(text).map(Self::For),
        }
    }
}

/// A [`Keep`] of recordings that last a minute and longer: a shorter one would remove each of them as it arrives.
///
/// # Errors
/// A message that says how to write it.
pub fn parse_keep(text: &str) -> Result<Keep, String> {
    const LEAST: Duration = Duration::from_mins(1);
    match text.parse()? {
        Keep::For(age) if age < LEAST => Err(format!("{text:?} would keep no recording: write 36h, 30 (days) or 2w")),
        keep => Ok(keep),
    }
}

/// An age after which footage is removed: as [`parse_age`] reads it, but without a bare `m`. That is minutes to `humantime` and
/// months to many people, and the wrong reading empties an archive.
///
/// # Errors
/// A message that says how to write it, with both readings of an `m`.
pub fn parse_retention_age(text: &str) -> Result<Duration, String> {
    const DAYS_OF_A_MONTH: u64 = 30;
    let text = text.trim();
    let Some(number) = number_before_bare_m(text) else { return parse_age(text) };
    let both = match number.parse::<u64>().ok().and_then(|n| Some((n, n.checked_mul(DAYS_OF_A_MONTH)?))) {
        Some((n, days)) => format!("{n}min, or {days}d for {n} months"),
        None => "30min, or 60d for two months".to_owned(),
    };
    Err(format!("{text:?}: m may mean minutes or months: write {both}"))
}

/// The digits before a unit that is a bare `m`, if any.
fn number_before_bare_m(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let from_number = &rest[begin..];
        let unit_at = from_number.find(|c: char| !c.is_ascii_digit())?;
        let (number, from_unit) = from_number.split_at(unit_at);
        let from_unit = from_unit.trim_start();
        let end = from_unit.find(|c: char| !c.is_alphabetic()).unwrap_or(from_unit.len());
        if &from_unit[..end] == "m" {
            return Some(number);
        }
        rest = &from_unit[end..];
    }
    None
}

/// A size that decides what is removed, or how full a disk gets: a [`ByteSize`] with its unit. A bare number is bytes to
/// programs and gigabytes to people.
///
/// # Errors
/// A message that says how to write it, with both readings of a bare number.
pub fn parse_retention_size(text: &str) -> Result<ByteSize, String> {
    /// A larger number is hardly a number of gigabytes.
    const PLAIN_BYTES: u64 = 100_000;
    let text = text.trim();
    let size: ByteSize = text.parse()?;
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    match size.0 {
        0 if !has_unit => Err(format!("{text:?} has no unit: write a size such as 500GB")),
        n if !has_unit && n > PLAIN_BYTES => Err(format!("{text:?} has no unit: write {n}B for bytes, or 500GB")),
        n if !has_unit => Err(format!("{text:?} has no unit: write {n}B for bytes, or {text}GB")),
        _ => Ok(size),
    }
}

/// A quota of footage: as [`parse_retention_size`], but not zero.
///
/// # Errors
/// A message that says how to write it.
pub fn parse_quota(text: &str) -> Result<ByteSize, String> {
    match parse_retention_size(text) {
        Ok(ByteSize(0)) => Err(format!("{text:?} would keep nothing: leave it out to keep everything")),
        other => other,
    }
}

/// One item of `--keep`: `2w` for all, `E=90d` for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepRule {
    /// The recording type; `None` for every other type.
    pub kind: Option<String>,
    /// How long.
    pub keep: Keep,
}

impl FromStr for KeepRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((kind, keep)) if !kind.trim().is_empty() => {
                Ok(Self { kind: Some(kind.trim().to_owned()), keep: parse_keep(keep.trim())? })
            }
            Some(_) => Err(format!("{text:?} names no type before the '='")),
            None => Ok(Self { kind: None, keep: parse_keep(text.trim())? }),
        }
    }
}

/// All of `--keep`. Without any rule everything is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeepRules(pub Vec<KeepRule>);

impl fmt::Display for KeepRules {
    /// `2w,E=90d`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, KeepRule { kind, keep }) in self.0.iter().enumerate() {
            let kind = kind.as_ref().map(|kind| format!("{kind}=")).unwrap_or_default();
            write!(f, "{}{kind}{keep}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl KeepRules {
    /// Whether a recording of this type and time is older than its rule. The type's own rule wins over the general
    /// one, a later rule over an earlier. Recordings from the future are new: a camera's clock may be wrong.
    #[must_use]
    pub fn expired(&self, kind: &str, at: NaiveDateTime, now: NaiveDateTime) -> bool {
        let rule = |wanted: Option<&str>| self.0.iter().rev().find(|rule| rule.kind.as_deref() == wanted);
        rule(Some(kind)).or_else(|| rule(None)).and_then(|rule| rule.keep.cutoff(now)).is_some_and(|cutoff| at < cutoff)
    }
}

/// A recording that may be removed to free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<K> {
    /// What it is.
    pub key: K,
    /// The recording time, never a file's mtime.
    pub at: NaiveDateTime,
    /// The bytes that its removal frees.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_refuses_a_bare_m_with_both_readings() {
        for (text, both) in [
            ("2m", ["2min", "60d"]),
            ("12 m", ["12min", "360d"]),
            ("1h 30m", ["30min", "900d"]),
            ("1y6m", ["6min", "180d"]),
            ("99999999999999999999m", ["30min", "60d"]),
        ] {
            let refused = text.parse::<Keep>().expect_err(text);
            assert!(both.iter().all(|reading| refused.contains(reading)), "{refused}");
            assert_eq!(parse_retention_age(text), Err(refused));
        }
        let days = |n: u64| Keep::For(Duration::from_secs(n * 86_400));
        for (text, keep) in [
            ("90", days(90)),
            ("14", days(14)),
            ("2w", days(14)),
            (" 60d ", days(60)),
            ("30min", Keep::For(Duration::from_mins(30))),
            ("30 minutes", Keep::For(Duration::from_mins(30))),
            ("2M", Keep::For(Duration::from_secs(2 * 2_630_016))),
            ("2months", Keep::For(Duration::from_secs(2 * 2_630_016))),
            ("5ms", Keep::For(Duration::from_millis(5))),
            ("forever", Keep::Forever),
        ] {
            assert_eq!(text.parse(), Ok(keep), "{text}");
        }
        for text in ["0", "0d", "-1", "m", "d", "", "2x"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
        for text in ["5s", "59s", "5ms"] {
            assert!(parse_keep(text).is_err(), "{text}");
        }
        assert_eq!(parse_keep("1min"), "1min".parse());
    }

    #[test]
    fn keep_bytes_refuses_a_size_without_a_unit_with_both_readings() {
        for (text, both) in
            [("500", ["500B", "500GB"]), ("1.5", ["1B", "1.5GB"]), ("500000000000", ["500000000000B", "500GB"])]
        {
            let refused = parse_quota(text).expect_err(text);
            assert!(both.iter().all(|reading| refused.contains(reading)), "{refused}");
        }
        for text in ["0", "0GB", "", "GB", "-1GB", "50%"] {
            assert!(parse_quota(text).is_err(), "{text}");
        }
        assert_eq!(parse_quota("500GB"), Ok(ByteSize(500_000_000_000)));
        assert_eq!(parse_quota(" 500 B "), Ok(ByteSize(500)));
        assert_eq!(parse_retention_size("0B"), Ok(ByteSize(0)));
    }

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time")
    }

    fn rules(words: &[&str]) -> KeepRules {
        KeepRules(words.iter().map(|word| word.parse().expect("a rule")).collect())
    }

    #[test]
    fn keep_in_days_compares_dates() {
        let now = at("2018-10-29 13:15:13");
        let rules = rules(&["2w"]);
        assert!(!rules.expired("N", at("2018-10-15 00:00:00"), now));
        assert!(rules.expired("N", at("2018-10-14 23:59:59"), now));
    }

    #[test]
    fn keep_in_hours_compares_times() {
        let now = at("2018-10-29 13:15:13");
        let rules = rules(&["36h"]);
        assert!(!rules.expired("N", at("2018-10-28 01:15:13"), now));
        assert!(rules.expired("N", at("2018-10-28 01:15:12"), now));
    }

    #[test]
    fn keep_has_a_rule_for_each_type() {
        let now = at("2018-10-29 13:15:13");
        let rules = rules(&["2w", "E=90d", "M=forever"]);
        let old = at("2018-09-01 00:00:00");
        assert!(rules.expired("N", old, now));
        assert!(!rules.expired("E", old, now));
        assert!(rules.expired("E", at("2018-01-01 00:00:00"), now));
        assert!(!rules.expired("M", at("1970-01-01 00:00:00"), now));
        assert!(!KeepRules::default().expired("N", at("1970-01-01 00:00:00"), now));
    }

    #[test]
    fn keep_counts_the_future_as_new_and_a_huge_age_keeps_all() {
        let now = at("2018-10-29 13:15:13");
        assert!(!rules(&["1d"]).expired("N", at("2037-01-01 00:00:00"), now));
        assert!(!rules(&["4294967295"]).expired("N", at("1970-01-01 00:00:00"), now));
    }

    #[test]
    fn keep_ages_are_shown_as_they_are_typed() {
        for word in ["2w", "365d", "90d", "36h", "1d", "forever", "90min", "61s"] {
            assert_eq!(word.parse::<Keep>().map(|keep| keep.to_string()), Ok(word.to_owned()));
        }
        assert_eq!(rules(&["2w", "E=90d", "M=forever"]).to_string(), "2w,E=90d,M=forever");
    }

    #[test]
    fn invalid_keep_values_name_their_cause() {
        for word in ["", "0", "=2w", "E=", "2y3", "-1d"] {
            assert!(word.parse::<KeepRule>().is_err(), "{word}");
        }
    }
}
