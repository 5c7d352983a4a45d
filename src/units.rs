//! The units of options and output: sizes, rates, durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeZone};

/// A number of bytes. Typed as `500GB`, `20M`, `1.5GiB`, `4096`; shown as `84.2 MB`.
///
/// `K M G T` and `KB MB …` are powers of 1000, as disks are sold and `df -H` counts; `KiB MiB …` of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

/// Units of sizes, with their bytes.
const UNITS: [(&str, u64); 5] =
    [("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("PB", 1_000_000_000_000_000)];

impl ByteSize {
    /// The value in tenths of the largest fitting unit, and that unit; none below a thousand bytes.
    #[must_use]
    pub fn tenths(self) -> Option<(u64, &'static str)> {
        let in_tenths = |(unit, bytes): (_, u64)| (self.0.saturating_add(bytes / 20) / (bytes / 10), unit);
        // 999.95 would print as "1000.0": one unit up reads better.
        let fitting = UNITS.into_iter().map(in_tenths).find(|(tenths, _)| *tenths < 10_000);
        (self.0 >= 1000).then(|| fitting.unwrap_or_else(|| in_tenths(UNITS[UNITS.len() - 1])))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenths() {
            Some((tenths, unit)) => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "checked against the range of u64 just before"
    )]
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a size: write 500GB, 20M, 1.5GiB or a number of bytes");
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "m" | "mb" => 1000_u64.pow(2),
            "g" | "gb" => 1000_u64.pow(3),
            "t" | "tb" => 1000_u64.pow(4),
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(refuse()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(refuse);
        }
        let bytes = number.parse::<f64>().map_err(|_| refuse())? * factor as f64;
        if (0.0..u64::MAX as f64).contains(&bytes) { Ok(Self(bytes as u64)) } else { Err(refuse()) }
    }
}

/// A rate without a unit below this was probably meant in kB: `500`.
const LEAST_BARE_RATE: u64 = 10_000;

/// Bytes per second: a [`ByteSize`] that is not zero, `20M` or `20MB/s`.
///
/// # Errors
/// A message that says how to write it.
pub fn parse_rate(text: &str) -> Result<ByteSize, String> {
    let text = text.strip_suffix("/s").unwrap_or(text).trim();
    if let Ok(few @ 1..LEAST_BARE_RATE) = text.parse() {
        return Err(format!("{few} would be bytes per second: write {few}K for kB, or {few}B"));
    }
    let size: ByteSize = text.parse()?;
    if size.0 == 0 { Err("a rate of 0 would never end; leave the option out for no limit".into()) } else { Ok(size) }
}

/// Bits per second, as `--bitrate` has them: `1M`, `800k`, with the units of [`ByteSize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u64);

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// visdcam counts in kbit, so a smaller number without a unit may mean that.
        const LEAST_BARE: u64 = 32_000;
        const LEAST: u64 = 1000;
        if let Ok(few @ 1..LEAST_BARE) = text.trim().parse() {
            return Err(format!("{few} would be bits per second: write \"{few}k\" for kbit"));
        }
        match text.parse() {
            Ok(ByteSize(rate @ LEAST..)) => Ok(Self(rate)),
            _ => Err("a bit rate is needed, such as \"1M\" or \"800k\"".into()),
        }
    }
}

/// A duration as `humantime` writes it (`90s`, `15m`, `1h 30m`, `2w`). A bare number means days, as in
/// blackvuesync; see [`parse_seconds`] for the options where it means seconds.
///
/// # Errors
/// A message that says how to write it.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parsed = match text.parse::<u32>() {
        Ok(days) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        Err(_) => humantime::parse_duration(text),
    };
    match parsed {
        Ok(Duration::ZERO) => Err(format!("{text:?} must be greater than zero")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("{text:?} is not a length of time: write 90s, 15m, 12h, 1d or 2w")),
    }
}

/// The longest duration of any wait.
const MAX_WAIT: Duration = Duration::from_hours(366 * 24);

/// A duration where a bare number, also a fraction, means seconds: `10`, `2.5`, `30s`, `1m`.
///
/// # Errors
/// A message that says how to write it.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    match parsed {
        Some(Duration::ZERO) => Err(format!("{text:?} must be greater than zero")),
        // Longer is of no use, and a clock could overflow.
        Some(duration) if duration > MAX_WAIT => Err(format!("{text:?} is more than a year")),
        Some(duration) => Ok(duration),
        None => Err(format!("{text:?} is not a length of time: write 10, 2.5, 30s or 1m")),
    }
}

/// `--every`: a duration, and whether it was typed as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The duration.
    pub duration: Duration,
    /// Whether it was typed without a unit.
    pub is_bare: bool,
}

impl Interval {
    /// A hint how to write it, where minutes may have been meant.
    #[must_use]
    pub fn hint(self) -> Option<String> {
        let seconds = self.duration.as_secs();
        (self.is_bare && self.duration.subsec_nanos() == 0 && seconds <= 60).then(|| {
            format!("--every {seconds} is {}: write {seconds}m for minutes, or {seconds}s", count_seconds(seconds))
        })
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_bare = text.trim().parse::<f64>().is_ok();
        parse_seconds(text).map(|duration| Self { duration, is_bare })
    }
}

fn count_seconds(seconds: u64) -> String {
    count(usize::try_from(seconds).unwrap_or(usize::MAX), "second")
}

/// A duration for people, to the nearest second and with days as the largest unit: `3m 12s`, `1d 2h`, `365d`; one
/// shorter than a second in tenths: `0.4s`.
#[must_use]
pub fn human_duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if (1..10).contains(&tenths) {
        return format!("0.{tenths}s");
    }
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let units = [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let shown: Vec<String> = units.into_iter().filter(|(_, n)| *n > 0).map(|(unit, n)| format!("{n}{unit}")).collect();
    if shown.is_empty() { "0s".into() } else { shown.join(" ") }
}

/// A timestamp of reports and metrics: seconds since 1970.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit for 200 years")]
pub fn timestamp_seconds(at: &DateTime<impl TimeZone>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}

/// A duration in its two largest units, for tables: `3d 2h`, `2h 5m`, `12m`, `45s`.
#[must_use]
pub fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, ..) => format!("{hours}h {minutes}m"),
        (_, 0, _) => format!("{days}d"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Bits per second: `512 kbit/s`, `4.1 Mbit/s`.
#[must_use]
pub fn bit_rate(bps: f64) -> String {
    if bps >= 999_500.0 { format!("{:.1} Mbit/s", bps / 1e6) } else { format!("{:.0} kbit/s", bps / 1e3) }
}

/// `all 6 recordings are`, `the only recording is`.
#[must_use]
pub fn all_are(n: usize, noun: &str) -> String {
    if n == 1 { format!("the only {noun} is") } else { format!("all {n} {noun}s are") }
}

/// `1 recording`, `2 recordings`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("20M", 20_000_000),
            ("500GB", 500_000_000_000),
            ("1.5GiB", 1_610_612_736),
            ("500 kb", 500_000),
            ("2TiB", 2 << 40),
            ("512K", 512_000),
        ] {
            assert_eq!(text.parse::<ByteSize>(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "M", "-1", "1X", "1e9G", "99999999999999999999", "9999999999T", "1.2.3M", "NaN"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (84_213_000, "84.2 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_are_rounded_to_the_nearest_second() {
        for (millis, text) in [
            (0, "0s"),
            (49, "0s"),
            (50, "0.1s"),
            (949, "0.9s"),
            (950, "1s"),
            (1499, "1s"),
            (9900, "10s"),
            (192_400, "3m 12s"),
            (5_400_000, "1h 30m"),
            (86_399_600, "1d"),
            (93_784_000, "1d 2h 3m 4s"),
            (u64::MAX, "213503982334d 14h 25m 52s"),
        ] {
            assert_eq!(human_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn an_age_of_days_and_weeks_is_shown_in_days() {
        for (typed, shown) in
            [("90d", "90d"), ("2w", "14d"), ("365d", "365d"), ("365", "365d"), ("1d 12h", "1d 12h"), ("36h", "1d 12h")]
        {
            assert_eq!(parse_age(typed).map(human_duration).as_deref(), Ok(shown), "{typed}");
        }
    }

    proptest::proptest! {
        #[test]
        fn human_duration_is_read_back_to_the_second(seconds in proptest::prelude::prop_oneof![0..400_000_000_u64, 0..200_u64], millis in 0..1000_u64) {
            let duration = Duration::from_millis(seconds * 1000 + millis);
            let shown = human_duration(duration);
            // humantime has no fractions.
            let read = shown.strip_prefix("0.").and_then(|tenths| tenths.strip_suffix('s')).map_or_else(
                || humantime::parse_duration(&shown),
                |tenths| humantime::parse_duration(&format!("{tenths}00ms")),
            );
            let exact = if seconds == 0 && (50..950).contains(&millis) { 50 } else { 500 };
            let off = read.expect("a length of time").abs_diff(duration).as_millis();
            proptest::prop_assert!(off <= exact, "{:?} as {}", duration, shown);
            let is_plain = shown.split(' ').all(|word| word.len() == 1 + word.trim_end_matches(['d', 'h', 'm', 's']).len() && !word.starts_with('0') || word == "0s" || word.starts_with("0."));
            proptest::prop_assert!(is_plain, "{}", shown);
        }
    }

    #[test]
    fn durations_are_short_in_tables() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (86_399, "23h 59m"),
            (86_400, "1d"),
            (90_000, "1d 1h"),
            (u64::MAX, "213503982334601d 7h"),
        ] {
            assert_eq!(short_duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_rate_needs_a_unit_where_its_number_is_small() {
        assert!(parse_rate("500").expect_err("bytes").contains("500K"));
        for (text, bytes) in [("500B", 500), ("500K", 500_000), ("512000", 512_000), ("1K/s", 1000)] {
            assert_eq!(parse_rate(text), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn a_bit_rate_needs_a_unit_where_its_number_is_small() {
        for (text, bits) in [("1M", 1_000_000), ("800k", 800_000), ("32000", 32_000), (" 1.5M ", 1_500_000)] {
            assert_eq!(text.parse(), Ok(BitRate(bits)), "{text}");
        }
        for text in ["", "0", "0k", "fast", "-1M", "0.5k", "999B"] {
            assert!(text.parse::<BitRate>().is_err(), "{text}");
        }
        assert!("1000".parse::<BitRate>().expect_err("kbit").contains("1000k"));
    }

    #[test]
    fn an_interval_without_a_unit_asks_for_one() {
        let hint = |text: &str| text.parse::<Interval>().expect("a time").hint();
        assert_eq!(hint("10").as_deref(), Some("--every 10 is 10 seconds: write 10m for minutes, or 10s"));
        for text in ["10s", "0.2", "900", "15m"] {
            assert_eq!(hint(text), None, "{text}");
        }
        assert!("0".parse::<Interval>().is_err());
    }

    #[test]
    fn a_bare_number_is_days_for_ages_and_seconds_for_timeouts() {
        assert_eq!(parse_age("2"), Ok(Duration::from_hours(48)));
        assert_eq!(parse_age("2w"), Ok(Duration::from_hours(14 * 24)));
        assert_eq!(parse_age("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_seconds("10.0"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_seconds("2m"), Ok(Duration::from_mins(2)));
        for text in ["0", "0s", "-1", "x", "", "1y2"] {
            assert!(parse_age(text).is_err(), "{text}");
            assert!(parse_seconds(text).is_err(), "{text}");
        }
        assert!(parse_seconds("inf").is_err());
        assert!(parse_seconds("1e19").is_err());
        assert!(parse_seconds("NaN").is_err());
    }
}
